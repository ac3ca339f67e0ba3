# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# igt.sh [policy=POLICY] [PROGRAM...]: run IGT test programs, all of them by
# default, on vttm with a twin that never opted in. results.py reads what is printed.

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
	/files/verify_pages check /tmp/reserved "verify-pages-$program" ||
		echo "FAIL verify-pages-$program exit $?"
done

modprobe -r vttm && echo "PASS unload-vttm" || echo "FAIL unload-vttm vttm cannot be unloaded after the tests"
modprobe -r drm_ttm_helper ttm && echo "PASS unload-ttm" || echo "FAIL unload-ttm ttm cannot be unloaded after the tests"
