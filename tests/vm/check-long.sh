#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check-long.sh KERNEL...: the hazards, far more of them than in check.sh, and
# what came of it as tables in Documentation/gpu/: ttm-pfnmap-results.rst,
# virtio-gpu-blobs-results.rst, and ttm-pfnmap-results-intel.rst for the machines with an
# Intel CPU, each when its machines have run. Takes hours; if it is stopped, the next one
# goes on with the machine that ran. Environment: PARTS of "hazards blobs intel"; SWAPOUTS
# of the three release races together, ROUNDS of the hostile mixes, HAZARD_SECONDS for one
# machine.

. "${0%/*}/lib.sh" || exit
. "$VM_DIR/go-on.sh"

RESULTS=$BUILD/results-long
: "${PARTS:=hazards blobs intel}" "${SWAPOUTS:=100000}" "${ROUNDS:=200}" "${HAZARD_SECONDS:=28800}"
read -r -a parts <<<"${PARTS//[[:space:]]/ }"
[ ${#parts[@]} -gt 0 ] || die "PARTS names none of hazards, blobs and intel"
PARTS="${parts[*]}"
for part in $PARTS; do
	[[ " hazards blobs intel " == *" $part "* ]] || die "PARTS: there is no part \"$part\"" \
		"hazards, blobs and intel are"
done
export RESULTS SWAPOUTS ROUNDS HAZARD_SECONDS RESUME=1

lock "$BUILD/check-long.lock"
mkdir -p "$LOGS"
"$VM_DIR/root.sh" base
"$VM_DIR/build-igt.sh"
for kernel; do
	pin_kernel "$kernel"
done
go_on "$SWAPOUTS $ROUNDS" "${ALL_KERNELS[@]}"
for part in $PARTS; do
	mkdir -p "$RESULTS/$part"
	for kernel; do
		"$VM_DIR/check.sh" "--plan-$part" "$kernel"
	done >"$RESULTS/$part/plan"
done

# tables PART FILE KERNEL...: judge what the machines of a part printed, and if all passed
# put the tables into Documentation/. (Not those of one kernel in place of both.)
tables() {
	local part=$1 file=$2 rc=0
	shift 2
	[ $failed -eq 0 ] || die "not every machine ran: see above" "what did is kept in $RESULTS/raw"
	same_still || die "the sources or a kernel changed while it ran" \
		"what the machines ran is not one thing: do not edit $REPO meanwhile"
	"$VM_DIR/in-root.sh" python3 /src/tests/vm/results.py "/build/results-long/$part/plan" \
		/build/results-long/raw "/build/results-long/$part" || rc=$?
	"$VM_DIR/in-root.sh" python3 /src/tests/vm/hazards.py "$part" /build/results-long/raw \
		"$(<"$RESULTS/commit")" "$SWAPOUTS" "$ROUNDS" "$@" >"$RESULTS/$part/$file"
	if [ $rc -eq 0 ] && [ $# -eq ${#ALL_KERNELS[@]} ]; then
		cp "$RESULTS/$part/$file" "$REPO/Documentation/gpu/$file"
		say "the tables are in Documentation/gpu/$file"
	else
		say "not all passed, or not all kernels; the tables are in $RESULTS/$part/$file"
		[ $rc -le $worst ] || worst=$rc
	fi
}

# at_once PART KERNEL...: the machines of all kernels side by side.
at_once() {
	local part=$1 kernel pid pids=()
	shift
	for kernel; do
		"$VM_DIR/check.sh" "--$part" "$kernel" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || failed=1
	done
}

failed=0 worst=0
for part in $PARTS; do
	case "$part" in
	hazards)
		# The CPUs of a machine wait for one another, so two machines on two cores
		# take far longer than one after the other.
		for kernel; do
			"$VM_DIR/check.sh" --hazards "$kernel" || failed=1
		done
		tables hazards ttm-pfnmap-results.rst "$@"
		;;
	blobs)
		# These wait for their host: half of two cores is idle.
		at_once blobs "$@"
		tables blobs virtio-gpu-blobs-results.rst "$@"
		;;
	intel)
		# Bochs is of one thread.
		at_once intel "$@"
		tables intel ttm-pfnmap-results-intel.rst "$@"
		;;
	esac
done
exit $worst
