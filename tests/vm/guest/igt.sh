# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# igt.sh [policy=POLICY] [PROGRAM...]: run IGT test programs, all of them by
# default, on vttm with a twin that never opted in. results.py reads what is printed.

# run PROGRAM [ARGUMENT...]: its output goes on, and into /tmp/igt.log.
run() {
	{
		"$@"
		echo "TTM-PFNMAP-EXIT $?"
	} 2>&1 | tee -a /tmp/igt.log
}

unreported() {
	while read -r subtest; do
		grep -q "^Subtest $subtest: " /tmp/igt.log || echo "$subtest"
	done </tmp/igt.list
}

one_program() {
	echo "TTM-PFNMAP-PROGRAM $1 $(policy)"
	: >/tmp/igt.log
	"/igt/$1" --list-subtests >/tmp/igt.list
	sed 's/^/TTM-PFNMAP-LISTED /' /tmp/igt.list
	run "/igt/$1"
	# A crash ends the program: the rest gets a process each.
	unreported >/tmp/igt.rest
	while read -r subtest; do
		echo "TTM-PFNMAP-AGAIN $subtest"
		run "/igt/$1" --run-subtest "$subtest" </dev/null
	done </tmp/igt.rest
	echo "TTM-PFNMAP-PROGRAM-END $1"
	/files/verify_pages check /tmp/reserved "verify-pages-$1" ||
		echo "FAIL verify-pages-$1 exit $?"
}

parameters=
wanted=reserved
case "${1:-}" in
policy=*)
	parameters=pfnmap_$1
	wanted=${1#policy=}
	shift
	;;
esac
load drm || exit 1
# After each program all pages are compared with the mode's books.
/files/verify_pages baseline /tmp/reserved ||
	echo "FAIL verify-pages the image was made without FILES=tools/verify_pages"
# shellcheck disable=SC2086 # none or one
load ttm $parameters || exit 1
for module in drm_ttm_helper kvm kvm-amd; do
	load $module || exit 1
done
load vttm twin=1 || exit 1
# Without it the tests would skip, or test the other policy, and look harmless.
if [ "$(policy)" != "$wanted" ]; then
	echo "FAIL opted-in the policy is $(policy), not $wanted: $(dmesg | grep pfnmap | tail -n 1)"
else
	echo "PASS opted-in"
fi
# For the tests of what a VM still holds.
load kvm_hold
# A block device, for O_DIRECT, which is not tested on the debug kernels.
case $(uname -r) in
*-debug) ;;
*) load brd rd_nr=1 rd_size=65536 ;;
esac

# shellcheck disable=SC2046 # one program a word
[ $# -gt 0 ] || set -- $(cd /igt && ls)
for program; do
	one_program "$program"
done

modprobe -r vttm && echo "PASS unload-vttm" || echo "FAIL unload-vttm vttm cannot be unloaded after the tests"
modprobe -r drm_ttm_helper ttm && echo "PASS unload-ttm" || echo "FAIL unload-ttm ttm cannot be unloaded after the tests"
