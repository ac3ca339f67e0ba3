# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# violation.sh: what a mapping that a driver made VM_MIXEDMAP does on a device in the
# mode, SIGBUS, and what on its stock twin: a BUG() that takes the process, and the
# BO's reservation with it. So this is the last that a kernel does; it is announced.

# said TEXT: the kernel says so, perhaps after a moment.
said() {
	for _ in $(seq 100); do
		! dmesg | grep -q "$1" || return 0
		usleep 100000
	done
	return 1
}

load drm_ttm_helper && load vttm twin=1 bad_vma=1 || exit 1
echo "TTM-PFNMAP-POLICY $(policy)"
if [ "$(/files/bad_vma mode)" = SIGBUS ]; then
	echo "PASS i7-violation-mode"
else
	echo "FAIL i7-violation-mode no SIGBUS"
fi
warnings=$(dmesg | grep -c "a mapping is not VM_PFNMAP")
if [ "$warnings" = 1 ]; then
	echo "PASS i7-violation-warns-once"
else
	echo "FAIL i7-violation-warns-once $warnings warnings"
fi
/files/bad_vma stock &
if said 'kernel BUG at mm/memory.c'; then
	echo "PASS i7-violation-stock-is-a-bug"
else
	echo "FAIL i7-violation-stock-is-a-bug stock TTM survived, so this test proves nothing"
fi
said 'end trace'
