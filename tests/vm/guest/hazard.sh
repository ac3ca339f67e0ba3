# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# hazard.sh POLICY [SWAPOUTS]: the hazard tests under one policy: reserved,
# counted, or naive, which only the test build of ttm.ko has. The naive mark must
# break what the others must not; what the kernel says of it is announced.

program=ttm_pfnmap_hazard
wanted=$1
swapouts=${2:-150}

# subtests PATTERN TEXT: run them; naive makes the kernel print TEXT.
subtests() {
	[ "$wanted" != naive ] || announce "$2"
	{
		"/igt/$program" --swapouts="$swapouts" --run-subtest "$1"
		echo "TTM-PFNMAP-EXIT $?"
	} 2>&1 | cat # IGT colours what it prints to a terminal
	[ "$wanted" != naive ] || announce_end
}

load drm || exit 1
load ttm pfnmap_policy="$wanted" || exit 1
for module in drm_ttm_helper kvm kvm-amd slow_release kvm_hold; do
	load $module || exit 1
done
load vttm twin=1 || exit 1

echo "TTM-PFNMAP-PROGRAM $program $(policy)"
[ "$(policy)" = "$wanted" ] || echo "FAIL policy-$wanted the policy is $(policy)"
"/igt/$program" --list-subtests | sed 's/^/TTM-PFNMAP-LISTED /'
# The warning comes once a boot, so its test is the first to use KVM.
subtests i2-kvm-warns-of-count virt/kvm/kvm_main.c:
subtests 'i4-*' 'Bad page state'
echo "TTM-PFNMAP-PROGRAM-END $program"

for module in slow_release kvm_hold vttm drm_ttm_helper ttm; do
	rmmod $module && echo "PASS unload-$module" ||
		echo "FAIL unload-$module $module cannot be unloaded after the tests"
done
