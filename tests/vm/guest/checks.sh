# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What refusals.sh, stock-drivers.sh and unplug-stock.sh share: checks, of what ttm.ko does
# and says when it is loaded anew again and again, and of what it has left.

ACTIVE=/sys/module/ttm/parameters/pfnmap_active
COUNTERS=/sys/kernel/debug/ttm_pfnmap
# What may be missing in the end: 80 to 170 KiB are where this was written, of slabs that
# grew and the like, however often something is done.
LOST_KIB=512
# Who is to be unloaded before ttm.
USERS=vttm

# last_words: what else is to be told of a check that failed.
last_words() { echo "the last kernel messages: $(dmesg | tail -n 4 | tr '\n' '|')"; }

# check NAME COMMAND...: PASS if it succeeds.
check() {
	checked=$1
	shift
	if "$@"; then
		echo "PASS $checked"
	else
		echo "FAIL $checked ($*); $(last_words)"
	fi
}

# since_fresh: what the kernel said since the last fresh().
since_fresh() { dmesg | sed "1,/rig-fresh-$FRESH\$/d"; }
# told TEXT: it said so. told_once TEXT: in one line, no more. not_told TEXT: it did not,
# as far as can be said: the log has not been overwritten since.
told() { since_fresh | grep -qF "$1"; }
not_told() { dmesg | grep -q "rig-fresh-$FRESH\$" && ! told "$1"; }
told_once() { [ "$(since_fresh | grep -cF "$1")" = 1 ]; }
not() { ! "$@"; }
# refused ERROR COMMAND...: it fails, for this reason.
refused() {
	error=$1
	shift
	! "$@" 2>/tmp/modprobe || return
	grep -q "$error" /tmp/modprobe || {
		cat /tmp/modprobe
		return 1
	}
}
active() { [ "$(cat $ACTIVE 2>/dev/null)" = "$1" ]; }
loaded() { [ -d "/sys/module/$1" ]; }

# fresh [PARAMETER...]: ttm anew, with these parameters.
fresh() {
	unloaded || echo "FAIL fresh ttm could not be unloaded"
	FRESH=$((${FRESH:-0} + 1))
	echo "rig-fresh-$FRESH" >/dev/kmsg
	modprobe ttm "$@" 2>/tmp/modprobe
}

# shown COMMAND...: what it printed into /tmp/walk is shown if it fails.
shown() {
	"$@" || {
		cat /tmp/walk
		return 1
	}
}

# Free memory with the pages that each CPU keeps for itself, in KiB; caches, and
# TTM's pools with them, are given back first.
free_kib() {
	echo 4 >/proc/sys/vm/drop_caches # without a word in the log
	echo 3 >/proc/sys/vm/drop_caches
	awk '$1 == "pages" && $2 == "free" { n += $3 }
		$1 == "count:" { n += $2 }
		END { print n * 4 }' /proc/zoneinfo
}

# The mode's counters that are 0 when nothing is in use, those that are not;
# nothing without ttm.
in_use() {
	[ ! -f $COUNTERS ] || awk '
		NR == 1 { split($0, name) }
		$1 == "total" {
			for (i in name)
				if (name[i] ~ /exposed|marked|quarantined|leaked|records/ && $i != 0)
					printf "%s=%s ", name[i], $i
		}' $COUNTERS
}

# remember: what is free now, with nothing in use.
remember() {
	[ -z "$(in_use)" ] || echo "FAIL remember the mode is in use already: $(in_use)"
	FREE=$(free_kib)
}

# seen COUNTER: what is in use shows in it.
seen() { in_use | grep -q "$1=[1-9]"; }
lost_kib() { echo $((FREE - $(free_kib))); }

# nothing_lost: it is free again, perhaps after a moment, and nothing is in use.
nothing_lost() {
	n=0
	while { [ "$(lost_kib)" -gt $LOST_KIB ] || [ -n "$(in_use)" ]; } && [ $n -lt 50 ]; do
		n=$((n + 1))
		usleep 100000
	done
	echo "lost: $(lost_kib) KiB of $FREE KiB, in use: $(in_use)"
	[ "$(lost_kib)" -le $LOST_KIB ] && [ -z "$(in_use)" ]
}

# no_module_needs_ttm: if it cannot be unloaded, that is not why, which has the same errno.
no_module_needs_ttm() { loaded ttm && [ -z "$(ls /sys/module/ttm/holders)" ]; }

# unloaded: neither ttm nor what needs it, of which USERS are the last; what ttm needs,
# which goes along, is there.
unloaded() {
	for user in $USERS drm_ttm_helper ttm; do
		modprobe -r "$user" 2>/dev/null
	done
	modprobe drm
	not loaded ttm
}

# The column is found by its name in the table's first line.
quarantined() {
	awk 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "pages_quarantined") col = i }
		$1 == "total" { print $col }' $COUNTERS
}
