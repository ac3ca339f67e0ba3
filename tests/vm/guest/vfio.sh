# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# vfio.sh counted|naive: VFIO and the BOs of a device that opted in. Under naive
# memory gets corrupted, and what the kernel says of it is announced.

program=ttm_pfnmap_vfio
wanted=$1

load drm || exit 1
load ttm pfnmap_policy="$wanted" || exit 1
for module in drm_ttm_helper kvm kvm-amd; do
	load $module || exit 1
done
load vttm twin=1 || exit 1

echo "TTM-PFNMAP-PROGRAM $program $(policy)"
[ "$(policy)" = "$wanted" ] || echo "FAIL policy-$wanted the policy is $(policy)"
"/igt/$program" --list-subtests | sed 's/^/TTM-PFNMAP-LISTED /'
[ "$wanted" != naive ] || announce 'Bad page state'
{
	"/igt/$program"
	echo "TTM-PFNMAP-EXIT $?"
} 2>&1 | cat # IGT colours what it prints to a terminal
[ "$wanted" != naive ] || announce_end
echo "TTM-PFNMAP-PROGRAM-END $program"
