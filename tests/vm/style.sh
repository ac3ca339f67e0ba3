#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# style.sh KERNEL...: the checkers, one line per checker and file. What a checker
# says is on stderr.

. "${0%/*}/lib.sh" || exit

# inside NAME ARGUMENT...: a checker script that does not reach its end fails.
inside() {
	local name=$1
	shift
	"$VM_DIR/in-root.sh" /src/tests/vm/style-inside.sh "$@" </dev/null ||
		echo "FAIL $name the checks did not run to their end"
}

# For part(): what is started from a file ends with who started it.
if [ "${1:-}" = --part ]; then
	inside "${@:2}"
	exit
fi

for kernel; do
	"$VM_DIR/overlay.sh" "$kernel" >&2
done
"$VM_DIR/kernels.sh" 6.12 >&2
"$VM_DIR/root.sh" check >&2
export IN_LAYER=check
lock "$BUILD/style/.lock"

# part NAME ARGUMENT...: one of several at once, since none of them keeps two CPUs busy.
part() {
	"$0" --part "$@" >"$BUILD/style/result.$1" &
	parts+=("$1")
	pids+=($!)
}

checks() {
	local kernel i parts=() pids=()
	IN_KERNEL=6.12 IN_CACHE=1 part sources sources \
		"/cache/kernels/$(basename "$(kernel_dir 6.12)")/stock"
	for kernel; do
		IN_CACHE=1 part "copied-$kernel" copied "$kernel" \
			"/cache/kernels/$(basename "$(kernel_dir "$kernel")")/stock"
		IN_KERNEL=$kernel part "builds-$kernel" builds "$kernel" "$(kernel_release "$kernel")"
	done
	for i in "${!parts[@]}"; do
		wait "${pids[$i]}" || echo "FAIL ${parts[$i]} the checks ended with $?"
		grep . "$BUILD/style/result.${parts[$i]}" || echo "FAIL ${parts[$i]} it checked nothing"
	done
}

checks "$@" >"$BUILD/style/result"
cat "$BUILD/style/result"
! grep -q '^FAIL ' "$BUILD/style/result"
