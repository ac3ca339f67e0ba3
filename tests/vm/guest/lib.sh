# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What guest scripts share. A suite speaks in lines: PASS|FAIL|SKIP NAME MESSAGE.

# load MODULE [PARAMETER...]: with whatever it depends on.
load() {
	modprobe "$@" || {
		echo "FAIL load-$1 modprobe $* failed"
		return 1
	}
}

# The policy of this boot, part of every result's name.
policy() {
	word=$(awk 'NF { print $NF; exit }' /sys/module/ttm/parameters/pfnmap_active 2>/dev/null)
	echo "${word:-stock}"
}

# announce TEXT[|TEXT...] / announce_end: what a stock twin makes the kernel print
# between the two may hold one of the texts; scan-log.sh fails the run for anything
# else.
announce() { echo "TTM-PFNMAP-ANNOUNCE begin $*" >/dev/kmsg; }
announce_end() { echo "TTM-PFNMAP-ANNOUNCE end" >/dev/kmsg; }
