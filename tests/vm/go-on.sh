# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What takes hours goes on where it was stopped, if it is the same still. Results are in
# $RESULTS, those of the machines in $RESULTS/raw.

# results_of WORDS KERNEL...: what results are of: the sources, these words, these kernels.
results_of() {
	local kernel
	printf '%s %s' "$(hash_of "$REPO"/{drivers,include,tests})" "$1"
	for kernel in "${@:2}"; do
		! has_kernel "$kernel" || printf ' %s' "$(basename "$(kernel_dir "$kernel")")"
	done
}

# go_on WORDS KERNEL...: with what there is, or from nothing.
go_on() {
	GOES_ON_WITH=("$@")
	if same_still; then
		say "  note   going on with what is in $RESULTS/raw; to begin again, remove it"
		rm -f "$RESULTS/plan"
	else
		rm -rf "$RESULTS"
		mkdir -p "$RESULTS/raw"
		git -C "$REPO" describe --always --abbrev=12 --dirty=' with changes' >"$RESULTS/commit"
		results_of "$@" >"$RESULTS/of"
	fi
}

# same_still: nobody changed what the results are of.
same_still() { [ "$(cat "$RESULTS/of" 2>/dev/null)" = "$(results_of "${GOES_ON_WITH[@]}")" ]; }
