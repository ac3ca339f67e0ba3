#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# self-test.sh KERNEL: does the rig itself notice what it has to notice? (What
# goes wrong outside of it is in failures.sh.)

. "${0%/*}/lib.sh" || exit
. "$VM_DIR/go-on.sh"

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
	else
		said "$name" "$text"
	fi
}

said() {
	if grep -qF "$2" "$dir/said"; then
		echo "PASS $1"
	else
		echo "FAIL $1 it did not say \"$2\" but: $(tail -n 1 "$dir/said")"
	fi
}

vm() { VM_OUT=self-test.${1/,/} VM_ARGS=$1 VM_SECONDS=${2:-120} "$VM_DIR/run-vm.sh" "$kernel" self-test self-test.sh; }

# results: what results.py makes of this suite's text and of these allowed skips.
results() {
	local inside=/build/$kernel/self-test
	printf 'igt %s one\n' "$kernel" >"$dir/plan"
	"$VM_DIR/in-root.sh" python3 /src/tests/vm/results.py "$inside/plan" "$inside/raw" \
		"$inside/${OUT:-.}" "$inside/allowed"
}

# suite SUITE COMMAND...: what check.sh notes of a suite.
suite() {
	: >"$dir/said"
	RESULTS=$dir "$VM_DIR/check.sh" --suite "$1" "$kernel" self-test "${@:2}" >"$dir/noise" 2>&1 || return 0
	cp "$dir/raw/$1.$kernel.self-test.txt" "$dir/said"
}

# lines WORD...: the output of a test program. LISTED=a, EXIT=0, AGAIN=a and
# PROGRAM-END=p are the rig's lines, SUCCESS=a and the like the end of a subtest.
lines() {
	local word value
	echo "TTM-PFNMAP-PROGRAM p reserved"
	for word; do
		value=${word#*=}
		case "$word" in
		LISTED=* | EXIT=* | AGAIN=* | PROGRAM-END=*) echo "TTM-PFNMAP-${word%%=*} $value" ;;
		*) printf 'Starting subtest: %s\nSubtest %s: %s (0.001s)\n' "$value" "$value" "${word%%=*}" ;;
		esac
	done
}

# says NAME TEXT WORD...: a suite with such a program must fail like this.
says() {
	local name=$1 text=$2
	shift 2
	lines "$@" >"$dir/raw/igt.$kernel.one.txt"
	expect "$name" "$text" results
}

FILES=tools/lost_guest "$VM_DIR/initramfs.sh" "$kernel" self-test stock drm kvm-amd >&2
expect vm-hang "the VM $kernel self-test.hang hung" vm hang 30
expect vm-death "died before the script" vm die
expect vm-splat "BUG: Bad page state in process self-test" vm splat
expect vm-script-fails "self-test.sh failed in VM" vm fail
expect vm-args-with-a-space 'VM_ARGS="pass twice" holds white space' vm 'pass twice'
# An emulated CPU that loses guests takes the machine with it, or not.
if vm lost,0 >"$dir/said" 2>&1 </dev/null; then
	echo "SKIP first-cpu-loses-guests this QEMU kept it: CPU 0 can have programs again"
elif lost=$(grep -am 1 '^lost in' "$BUILD/$kernel/vm/self-test.lost0.out"); then
	echo "PASS first-cpu-loses-guests $lost"
elif grep -q 'the VM .* hung' "$dir/said"; then
	echo "SKIP first-cpu-loses-guests the machine hung"
elif grep -q '^it runs' "$BUILD/$kernel/vm/self-test.lost0.out"; then
	echo "PASS first-cpu-loses-guests $(tail -n 1 "$dir/said")"
else
	echo "FAIL first-cpu-loses-guests $(tail -n 1 "$dir/said")"
fi
if vm lost,1 >"$dir/said" 2>&1 </dev/null; then
	echo "PASS other-cpus-keep-guests"
else
	echo "FAIL other-cpus-keep-guests $(tail -n 1 "$dir/said")"
fi
expect unknown-kernel "KERNEL=5.10 is not known" make -C "$REPO" KERNEL=5.10 check

: >"$dir/allowed"
expect results-missing-suite "not every suite ran" results
echo "FAIL a b" >"$dir/raw/igt.$kernel.one.txt"
expect results-fail "0 passed, 1 failed, 0 skipped" results
mkdir "$dir/full"
ln -s /dev/full "$dir/full/igt.xml"
OUT=full expect results-unwritable "results.py: error: [Errno 28] No space left on device" results
: >"$dir/raw/igt.$kernel.one.txt"
expect results-nothing "the suite reported nothing at all" results
says results-listed-and-silent "was listed and never reported" \
	LISTED=a LISTED=b SUCCESS=a EXIT=0 PROGRAM-END=p
says results-crash-and-again "1 passed, 1 failed, 0 skipped" \
	LISTED=a LISTED=b CRASH=a EXIT=139 AGAIN=b SUCCESS=b EXIT=0 PROGRAM-END=p
says results-exit-code "but no subtest failed" LISTED=a SUCCESS=a EXIT=139 PROGRAM-END=p
says results-last-exit-code "but no subtest failed" LISTED=a SUCCESS=a EXIT=0 EXIT=139 PROGRAM-END=p
says results-no-end "the test program did not end" LISTED=a SUCCESS=a

skipping=(LISTED=a LISTED=b SUCCESS=a SKIP=b EXIT=0 PROGRAM-END=p)
says results-skip "skipped, which skips.allowed does not allow" "${skipping[@]}"
echo "$kernel.reserved.* c \"SKIP\" another test" >"$dir/allowed"
says results-skip-of-another "1 passed, 1 failed, 0 skipped" "${skipping[@]}"
echo "$kernel.reserved.* b \"another reason\" it needs a thing" >"$dir/allowed"
says results-skip-for-another-reason "1 passed, 1 failed, 0 skipped" "${skipping[@]}"
echo "$kernel.reserved.* b \"SKIP\"" >"$dir/allowed"
says results-skip-without-a-reason "a skip without a message or a reason" "${skipping[@]}"
echo "$kernel.reserved.* b \"SK*\" it needs a thing" >"$dir/allowed"
results >"$dir/said" 2>&1 || echo "FAIL results-skip-allowed it failed"
said results-skip-allowed "1 passed, 0 failed, 1 skipped"
cp "$dir/igt.xml" "$dir/said"
said results-junit-class "<testcase classname=\"$kernel.reserved.p\" name=\"a\""

suite bench true
said suite-without-a-result "FAIL suite-exit it ended well without the result of a single test"
suite bench false
said suite-that-fails "FAIL suite-exit exit 1 without a failed test"
suite demo printf '%s\n' "Proved in 1 s: this. Next: Documentation" "Proved in 1 s: that. Next: Documentation"
said suite-demo-passes "PASS suite-exit"
suite demo printf '%s\n' "Proved in 1 s: this. Next: Documentation"
said suite-demo-that-proves-half "FAIL suite-exit it ended well without the result of a single test"

# What else a machine that hung has said, before much more.
hung() {
	mkdir -p "$dir/raw"
	printf '%s\n' "$1" "FAIL vm-ends the VM hung" >"$dir/raw/hung.txt"
	seq 10000 >>"$dir/raw/hung.txt"
	RESULTS=$dir "$VM_DIR/check.sh" --nothing-failed hung
}
hung "PASS a" && echo "PASS hung-and-nothing-failed" || echo "FAIL hung-and-nothing-failed it takes the hang for a failed test"
hung "FAIL a" && echo "FAIL hung-and-a-test-failed it is not seen" || echo "PASS hung-and-a-test-failed"
hung "Subtest a: FAIL (1.0s)" && echo "FAIL hung-and-a-subtest-failed it is not seen" || echo "PASS hung-and-a-subtest-failed"

# What QEMU complains of, of two devices: of one that is reset it does not count.
refusals() {
	local name=refused-$1 wanted=$2 status='virtio_set_status vdev 0x1 val' refused line
	refused='virtio_gpu_virgl_process_cmd: ctrl 0x102, error 0x1203'
	shift 2
	for line in "$status 0" 'virtio_set_status vdev 0x2 val 15' "$@"; do
		line=${line/#refused/$refused}
		echo "${line/#status/$status}"
	done | awk -f "$VM_DIR/refused.awk" | paste -sd ';' >"$dir/said"
	[ "$(<"$dir/said")" = "$wanted" ] && echo "PASS $name" || echo "FAIL $name it says \"$(<"$dir/said")\""
}
one='ctrl 0x102, error 0x1203'
refusals before-the-driver "$one" refused
refusals in-use "$one" 'status 1' 'status 15' refused
refusals in-reset '' 'status 15' 'status 0' 'status 0' refused
refusals after-it-comes-back "$one;$one" 'status 15' refused 'status 0' refused 'status 1' refused
refusals beside-another '' 'status 15' 'status 0' 'virtio_set_status vdev 0x2 val 15' refused
refusals after-half-a-line "$one" 'status 15' 'status 0' 'text virtio_set_status vdev 0x1 val 1' refused
other='virtio_gpu_virgl_process_cmd: ctrl 0x10c, error 0x1200'
refusals of-another-kind "${other#*: }" 'status 15' 'status 0' "$other"

# Is a run of mesa.sh in which these lines came, too, made again?
silent() {
	printf '%s\n' 'PASS overcommit-virgl mapped=160' "FAIL overcommit-compete-venus.2 not on Venus: \
MESA-VIRTIO: debug: aborting on expired ring alive status at iter 4096" "$@" >"$dir/raw/silent.txt"
	RESULTS=$dir "$VM_DIR/check.sh" --renderer-silent silent >/dev/null
}
# again|stays NAME LINE...
silence() {
	local wanted=$1 name=renderer-silent-$2
	shift 2
	if silent "$@"; then set -- again; else set -- stays; fi
	[ "$1" = "$wanted" ] && echo "PASS $name" || echo "FAIL $name it $1"
}
refused='FAIL host-accepts QEMU did not refuse what was announced (nothing)'
submits="$refused: 2 x ctrl 0x207, error 0x1200"
silence again and-its-commands-are-refused "$submits"
silence again and-no-evictions "$submits" 'FAIL overcommit-compete-evictions 12, in a window for 16'
silence again and-no-blob-is-late "$submits" 'refused 0' 'timeouts 0' 'lost 0'
silence stays alone 'PASS host-accepts'
silence stays and-a-blob-is-refused "$refused: 1 x ctrl 0x207, error 0x1200; 1 x ctrl 0x208, error 0x1203"
silence stays and-wrong-data "$submits" 'FAIL overcommit-compete-venus.1 wrong data: mapped=16'
silence stays and-the-kernel-complains "$submits" 'FAIL kernel-log WARNING'
for word in refused timeouts left-out lost; do
	silence stays "and-blobs-$word" "$submits" "$word 1"
done
printf '%s\n' 'FAIL overcommit-venus not on Venus: Bus error' >"$dir/raw/other.txt"
RESULTS=$dir "$VM_DIR/check.sh" --renderer-silent other && echo "FAIL renderer-not-silent it would be run again" ||
	echo "PASS renderer-not-silent"

# Long runs that were stopped.
goes_on() {
	local RESULTS=$dir/long name=goes-on-$1 wanted=$2
	go_on "$3" "$kernel" >"$dir/said"
	set -- "$(cd "$RESULTS/raw" && echo *)"
	[ "$1" = "$wanted" ] && echo "PASS $name" || echo "FAIL $name it goes on with \"$1\""
	touch "$RESULTS/raw/one"
}
goes_on first '*' '900 20'
goes_on the-same one '900 20'
said goes-on-says-so "going on with what is in $dir/long/raw"
goes_on with-other-numbers '*' '900 30'
echo 'of another source' >"$dir/long/of"
goes_on with-another-source '*' '900 30'

make -C "$REPO" help >"$dir/said" 2>&1 || echo "FAIL make-help it failed"
# shellcheck disable=SC2013 # words
for target in $(sed -n 's/^\([a-z-]*\):.*/\1/p' "$REPO/Makefile"); do
	grep -q "^$target " "$dir/said" && echo "PASS make-help-$target" ||
		echo "FAIL make-help-$target it is not in make help"
done
rm -rf "$dir"
