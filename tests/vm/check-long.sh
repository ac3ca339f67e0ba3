#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check-long.sh KERNEL...: the hazards, far more of them than in check.sh, and
# what came of it as tables in Documentation/gpu/ttm-pfnmap-results.rst. Takes
# hours. Environment: SWAPOUTS of each of the three release races, ROUNDS of the
# hostile mix, HAZARD_SECONDS for one machine.

. "$(dirname "$0")/lib.sh"

RESULTS=$BUILD/results-long
: "${SWAPOUTS:=34000}" "${ROUNDS:=2000}" "${HAZARD_SECONDS:=28800}"
export RESULTS SWAPOUTS ROUNDS HAZARD_SECONDS

rm -rf "$RESULTS"
mkdir -p "$RESULTS/raw" "$LOGS"
"$VM_DIR/root.sh" base
"$VM_DIR/build-igt.sh"
commit=$(git -C "$REPO" describe --always --abbrev=12 --dirty=' with changes')
for kernel; do
	"$VM_DIR/check.sh" --hazards "$kernel"
	"$VM_DIR/check.sh" --plan-hazards "$kernel" >>"$RESULTS/plan"
done
rc=0
"$VM_DIR/in-root.sh" python3 /src/tests/vm/results.py \
	/build/results-long/plan /build/results-long/raw /build/results-long || rc=$?
"$VM_DIR/in-root.sh" python3 /src/tests/vm/hazards.py /build/results-long/raw \
	"$commit" "$SWAPOUTS" "$ROUNDS" "$@" >"$RESULTS/results.rst"
if [ $rc -eq 0 ]; then
	cp "$RESULTS/results.rst" "$REPO/Documentation/gpu/ttm-pfnmap-results.rst"
	say "the tables are in Documentation/gpu/ttm-pfnmap-results.rst"
else
	say "not all passed; the tables are in $RESULTS/results.rst"
fi
exit $rc
