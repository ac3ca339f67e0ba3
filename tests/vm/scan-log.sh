#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# scan-log.sh LOG [ANNOUNCED]: print every line of a kernel log that tells of a
# bug, and fail if there is one. A line is excused if it holds a text of the file
# ANNOUNCED, or stands between a guest's announce TEXT and announce_end and holds
# TEXT (a stock twin shows a stock defect) or belongs to the trace of such a line.
# A loaded machine alone makes an emulated kernel print "clocksource: Long
# readout interval" and "hrtimer: interrupt took": neither matches below.
# scan-log.sh --self-test: real splats must be found.

set -euo pipefail

scan() {
	awk -v announced="${2:-/dev/null}" '
	BEGIN {
		head = "WARNING:|WARN_ON|BUG:|BUG at|kernel BUG|Oops|[Bb]ad page|Bad rss|KASAN|UBSAN|KFENCE|KCSAN" \
			"|INFO: (task|rcu|possible|suspicious|inconsistent|trying to register)|DEBUG_LOCKS_WARN" \
			"|possible (circular|recursive|irq)|suspicious RCU|held lock freed|bad unlock balance" \
			"|rcu: INFO|refcount_t|general protection|[Uu]nable to handle|Kernel panic" \
			"|blocked for more than|soft lockup|hard LOCKUP|stack guard|stack-protector|double free" \
			"|use-after-free|not clean during takedown|list_(add|del) corruption|invalid opcode" \
			"|divide error|scheduling while atomic|sleeping function|Out of memory|oom-kill" \
			"|page allocation failure|DMA-API: (.*: |.*disabl|exceeded|cacheline)|Unknown symbol|disagrees about version|version magic" \
			"|Machine check|double fault|detected stall|Objects remaining|corrupted page table" \
			"|Freeing .* in use|non-zero (mapcount|pgtables_bytes)|ODEBUG|leaked (ttm|page)|Bad swap" \
			"|x86/PAT: .*(fail|conflict|invalid|freeing|, got )|bad p[gu4m]d" \
			"|do not look as they were left|not as the TTM pool hands them out|a mapping is not VM_PFNMAP" \
			"|cannot get fresh pages instead of reused"
		follow = "cut here|Call Trace|RIP: |Tainted: |end trace|page dumped because|Modules linked in|Hardware name"
		while ((getline text < announced) > 0)
			if (text != "" && text !~ /^#/)
				texts[++n] = text
	}
	function excused(line,    i, m) {
		for (i = 1; i <= n; i++)
			if (index(line, texts[i]))
				return 1
		m = split(inside, announcement, "|")
		for (i = 1; i <= m; i++)
			if (index(line, announcement[i]))
				return 1
		return 0
	}
	/TTM-PFNMAP-ANNOUNCE begin ./ { inside = $0; sub(/.*TTM-PFNMAP-ANNOUNCE begin /, "", inside); next }
	/TTM-PFNMAP-ANNOUNCE end/ { inside = ""; next }
	# What IGT writes names tests, not bugs.
	/\[IGT\] / { next }
	# DEBUG_OBJECTS_RCU_HEAD says at boot that it is there.
	/\] rcu: \tRCU callback double-\/use-after-free debug is enabled\.$/ { next }
	$0 ~ head { if (!excused($0)) { print FILENAME ":" FNR ": " $0; bad = 1 } next }
	$0 ~ follow { if (inside == "" && !excused($0)) { print FILENAME ":" FNR ": " $0; bad = 1 } }
	END {
		if (inside != "") { print FILENAME ": an announcement was never ended: " inside; bad = 1 }
		exit bad
	}' "$1"
}

# verdict finds|passes TEXT [ANNOUNCED]: what the scanner must say of one log.
verdict() {
	local rc=0
	printf '%s\n' "$2" >"$dir/log"
	scan "$dir/log" "${3:-/dev/null}" >"$dir/found" || rc=$?
	if [ "$1" = finds ] && [ $rc -ne 0 ]; then return; fi
	if [ "$1" = passes ] && [ $rc -eq 0 ]; then return; fi
	echo "FAIL scan-log the scanner should have said \"$1\": $2"
	failed=1
}

self_test() {
	local line
	failed=0
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	while read -r line; do
		verdict finds "[    7.012345] $line"
		verdict passes "[    7.012345] $line" <(echo "$line")
	done <<'END'
WARNING: CPU: 1 PID: 141 at virt/kvm/kvm_main.c:179 kvm_is_zone_device_page+0x4d/0x60 [kvm]
BUG: Bad page state in process kworker/u4:1  pfn:0f8c1
page dumped because: PAGE_FLAGS_CHECK_AT_FREE flag(s) set
BUG: kernel NULL pointer dereference, address: 0000000000000018
Oops: 0002 [#1] PREEMPT SMP NOPTI
BUG: KASAN: slab-use-after-free in ttm_bo_put+0x5c/0x90 [ttm]
BUG: Bad rss-counter state mm:00000000f1e1b0a5 type:MM_FILEPAGES val:1
refcount_t: underflow; use-after-free.
general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP
WARNING: possible circular locking dependency detected
INFO: task igt:212 blocked for more than 120 seconds.
rcu: INFO: rcu_preempt self-detected stall on CPU
watchdog: BUG: soft lockup - CPU#0 stuck for 134s! [ttm_pfnmap_kvm:98]
UBSAN: array-index-out-of-bounds in drivers/gpu/drm/ttm/ttm_pool.c:110:12
kernel BUG at include/linux/mm.h:1118!
Kernel panic - not syncing: Fatal exception
ttm: disagrees about version of symbol drm_mm_init
DMA-API: pci 0000:00:01.0: device driver has pending DMA allocations while released from device [count=1]
DMA-API: debugging out of memory - disabling
list_del corruption. prev->next should be ffff888004d5a0c8, but was dead000000000122
Call Trace:
RIP: 0010:ttm_tt_unpopulate+0x21/0x60 [ttm]
CPU: 0 PID: 77 Comm: vttm Tainted: G           OE      6.1.0-56-amd64 #1  Debian 6.1.192-2
RCU callback double-/use-after-free debug is enabled.
rcu: RCU callback double-/use-after-free
x86/PAT: reserve_ram_pages_type failed [mem 0x0f8c1000-0x0f8c1fff], track uncached-minus, req write-combining
x86/PAT: virtgpu_blob_wi:209 freeing invalid memtype [mem 0xfa000000-0xfa1fffff]
x86/PAT: Xorg:87 conflicting memory types fa000000-fa200000 write-combining<->uncached-minus
x86/PAT: Xorg:87 map pfn RAM range req write-combining for [mem 0x0f8c1000-0x0f8c1fff], got write-back
mm/pgtable-generic.c:51: bad pmd 0000000012345678(80000000f8c001e7)
mm/pgtable-generic.c:29: bad p4d 0000000012345678(80000000f8c001e7)
[TTM pfnmap] vttm.0: 4 pages at PFN f8c1 do not look as they were left; they are never used again
[TTM pfnmap] vttm.0: a BO has pages that are not as the TTM pool hands them out; KVM guests may be unable to use it
[TTM pfnmap] vttm.0: a mapping is not VM_PFNMAP | VM_IO alone (vm_flags 4044433): a driver bug; access to it is SIGBUS
[TTM pfnmap] a BO that is pinned cannot get fresh pages instead of reused ones; access to it is SIGBUS
END
	while IFS= read -r line; do
		verdict passes "[    3.141592] $line"
	done <<'END'
ttm: loading out-of-tree module taints kernel.
ttm: module verification failed: signature and/or required key missing - tainting kernel
clocksource: Long readout interval, skipping watchdog check: cs_nsec: 1012345678 wd_nsec: 1012345111
hrtimer: interrupt took 8461093 ns
kvm_amd: Nested Paging enabled
x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT  
x86/PAT: PAT support disabled via boot option.
rcu: 	RCU callback double-/use-after-free debug is enabled.
DMA-API: preallocated 65536 debug entries
DMA-API: debugging enabled by kernel config
END
	warn='WARNING: CPU: 1 PID: 9 at virt/kvm/kvm_main.c:179 kvm_is_zone_device_page+0x4d/0x60 [kvm]'
	begin='[ 1.0] TTM-PFNMAP-ANNOUNCE begin kvm_is_zone_device_page'
	end='[ 2.0] TTM-PFNMAP-ANNOUNCE end'
	verdict passes "$begin
$warn
Call Trace:
$end"
	verdict finds "$begin
BUG: Bad page state in process x  pfn:1
$end"
	verdict finds "$begin
$end
$warn"
	verdict finds "$begin"
	[ $failed -ne 0 ] || echo "PASS scan-log finds every splat of the list and nothing else"
	return $failed
}

if [ "${1:-}" = --self-test ]; then
	self_test
else
	[ -s "$1" ] || { echo "$1 is empty: the kernel printed nothing" && exit 1; }
	scan "$@"
fi
