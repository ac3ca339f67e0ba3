#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# self-test.sh KERNEL: does the rig itself notice what it has to notice?

. "$(dirname "$0")/lib.sh"

kernel=$1
dir=$BUILD/$kernel/self-test
rm -rf "$dir"
mkdir -p "$dir/raw"

# expect NAME TEXT COMMAND...: it must fail, and say this.
expect() {
	local name=$1 text=$2
	shift 2
	if "$@" >"$dir/said" 2>&1 </dev/null; then
		echo "FAIL $name it succeeded"
	elif ! grep -qF "$text" "$dir/said"; then
		echo "FAIL $name it did not say \"$text\" but: $(tail -n 1 "$dir/said")"
	else
		echo "PASS $name"
	fi
}

vm() { VM_OUT=self-test.$1 VM_ARGS=$1 VM_SECONDS=${2:-120} "$VM_DIR/run-vm.sh" "$kernel" self-test self-test.sh; }

# results FILE...: what results.py makes of these suites' texts.
results() {
	printf 'igt %s one\n' "$kernel" >"$dir/plan"
	"$VM_DIR/in-root.sh" python3 /src/tests/vm/results.py "/build/$kernel/self-test/plan" \
		"/build/$kernel/self-test/raw" "/build/$kernel/self-test"
}

# says NAME TEXT < LINES: a suite that prints these lines must fail like this.
says() {
	cat >"$dir/raw/igt.$kernel.one.txt"
	expect "$1" "$2" results
}

FILES='' "$VM_DIR/initramfs.sh" "$kernel" self-test stock drm
expect vm-hang "the VM $kernel self-test.hang hung" vm hang 30
expect vm-death "died before the script" vm die
expect vm-splat "BUG: Bad page state in process self-test" vm splat
expect vm-script-fails "self-test.sh failed in VM" vm fail
expect unknown-kernel "KERNEL=5.10 is not known" make -C "$REPO" KERNEL=5.10 check
expect results-missing-suite "not every suite ran" results
says results-fail "0 passed, 1 failed, 0 skipped" <<<"FAIL a b"
says results-nothing "the suite reported nothing at all" </dev/null
says results-listed-and-silent "was listed and never reported" <<'END'
TTM-PFNMAP-PROGRAM p reserved
TTM-PFNMAP-LISTED a
TTM-PFNMAP-LISTED b
Starting subtest: a
Subtest a: SUCCESS (0.001s)
TTM-PFNMAP-EXIT 0
TTM-PFNMAP-PROGRAM-END p
END
says results-crash-and-again "1 passed, 1 failed, 0 skipped" <<'END'
TTM-PFNMAP-PROGRAM p reserved
TTM-PFNMAP-LISTED a
TTM-PFNMAP-LISTED b
Starting subtest: a
Subtest a: CRASH (0.001s)
TTM-PFNMAP-EXIT 139
TTM-PFNMAP-AGAIN b
Starting subtest: b
Subtest b: SUCCESS (0.001s)
TTM-PFNMAP-EXIT 0
TTM-PFNMAP-PROGRAM-END p
END
says results-exit-code "but no subtest failed" <<'END'
TTM-PFNMAP-PROGRAM p reserved
TTM-PFNMAP-LISTED a
Starting subtest: a
Subtest a: SUCCESS (0.001s)
TTM-PFNMAP-EXIT 139
TTM-PFNMAP-PROGRAM-END p
END
says results-last-exit-code "but no subtest failed" <<'END'
TTM-PFNMAP-PROGRAM p reserved
TTM-PFNMAP-LISTED a
Starting subtest: a
Subtest a: SUCCESS (0.001s)
TTM-PFNMAP-EXIT 0
TTM-PFNMAP-EXIT 139
TTM-PFNMAP-PROGRAM-END p
END
says results-no-end "the test program did not end" <<'END'
TTM-PFNMAP-PROGRAM p reserved
TTM-PFNMAP-LISTED a
Starting subtest: a
Subtest a: SUCCESS (0.001s)
END
rm -rf "$dir"
