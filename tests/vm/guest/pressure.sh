# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# pressure.sh: what the mode keeps must not get others killed. For a VM with
# little memory; where the twin has a process killed, the kernel says so.

program=ttm_pfnmap_pressure

# subtests PATTERN
subtests() {
	{
		"/igt/$program" --run-subtest "$1"
		echo "TTM-PFNMAP-EXIT $?"
	} 2>&1 | cat # IGT colours what it prints to a terminal
}

load drm || exit 1
verify_baseline
for module in ttm drm_ttm_helper kvm kvm-amd; do
	load $module || exit 1
done
load vttm twin=1 || exit 1
echo "TTM-PFNMAP-PROGRAM $program $(policy)"
"/igt/$program" --list-subtests | sed 's/^/TTM-PFNMAP-LISTED /'
subtests i5-undrained-is-no-victim
announce 'oom-kill|Out of memory: Killed process'
# The kernel may take the test itself, which then cannot tell: once more.
for _ in 1 2 3; do
	subtests i5-innocent-dies-without-reuse-or-bound >/tmp/twin
	! grep -q '^Subtest ' /tmp/twin || break
done
cat /tmp/twin
announce_end
subtests 'i5-innocent-lives-*'
echo "TTM-PFNMAP-PROGRAM-END $program"
verify_check "$program"
