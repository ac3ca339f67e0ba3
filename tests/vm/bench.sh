#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bench.sh KERNEL...: instructions to allocate, map, touch, unmap and free a
# 64 MiB BO: the kernel's own TTM, our ttm.ko with nobody opted in, and with the
# device opted in; then a line PASS or FAIL for each goal. QEMU -icount counts
# instructions, the same at every boot to some 50 in a million; that says nothing of
# caches, TLB shootdowns and VM exits.

. "${0%/*}/lib.sh" || exit
. "$VM_DIR/bench-cpu.sh"

GOAL_OFF=1.001
GOAL_ON=1.05

# measure KERNEL NAME FLAVOUR PARAMETER...
measure() {
	local kernel=$1 name=bench-$2 flavour=$3 args=bench_bo
	shift 3
	[ $# -eq 0 ] || args+=,$(IFS=, && echo "$*")
	FILES=tools/bench_bo "$VM_DIR/initramfs.sh" "$kernel" "$name" "$flavour" drm_ttm_helper kvm-amd
	VM_CPU=$BENCH_CPU VM_APPEND="nokaslr norandmaps" VM_ARGS=$args VM_SECONDS=900 \
		"$VM_DIR/run-vm.sh" "$kernel" "$name" walk.sh
	grep -q '^done 1' "$BUILD/$kernel/vm/$name.out" || die "the benchmark stopped early: $BUILD/$kernel/vm/$name.out"
}

# best KERNEL NAME COLUMN: the least of the rounds after the first.
best() {
	awk -v column="$3" '$1 == "round" && $2 > 0 {
		for (i = 3; i < NF; i += 2)
			if ($i == column && (least == "" || $(i + 1) < least))
				least = $(i + 1)
	} END { print least }' "$BUILD/$1/vm/bench-$2.out"
}

line() {
	awk -v what="$2" -v stock="$(best "$1" stock "$3")" -v off="$(best "$1" off "$3")" -v on="$(best "$1" on "$3")" \
		'BEGIN { printf "  %-26s %12d %12d %12d   %8.4f %8.4f\n", what, stock, off, on, off / stock, on / stock }'
}

# guest KERNEL NAME WHAT: "faults instructions" of a guest's first touch.
guest() {
	awk -v what="$3" '$1 == "guest" && $2 == what {
		if ($4 == 16384) printf "%d faults, %d instructions", $6, $8
		else printf "stops after %d pages", $4
	}' "$BUILD/$1/vm/bench-$2.out"
}

table() {
	printf '\nLinux %s: instructions for a 64 MiB BO, cached, 16384 pages (least of 2 rounds)\n\n' \
		"$(kernel_release "$1")"
	printf '  %-26s %12s %12s %12s   %8s %8s\n' '' stock 'ours, off' 'ours, on' off/stock on/stock
	line "$1" 'create and mmap' create
	line "$1" 'touch every page' touch
	line "$1" 'unmap' unmap
	line "$1" 'free' free
	line "$1" 'all' total
	line "$1" 'page faults' faults
	printf '\n  nested page faults, and instructions, for a KVM guest to touch 64 MiB that the host has touched:\n'
	printf '    shared memory: %s\n' "$(guest "$1" on memory)"
	printf '    BO, stock:     %s\n' "$(guest "$1" stock bo)"
	printf '    BO, ours, on:  %s\n' "$(guest "$1" on bo)"
	echo
}

# goal KERNEL NAME MOST: does this way cost no more than it may?
goal() {
	awk -v name="$2" -v most="$3" -v stock="$(best "$1" stock total)" -v ours="$(best "$1" "$2" total)" 'BEGIN {
		printf "%s goal-%s it takes %.4f times the instructions of stock, and may take %s\n",
			ours / stock <= most ? "PASS" : "FAIL", name, ours / stock, most
		exit ours / stock > most
	}'
}

# counted KERNEL: a guest that touches new memory has nested page faults, in both kinds.
counted() {
	local what=$BUILD/$1/vm/bench-on.out
	if [ "$(awk '$1 == "guest" && $4 == 16384 && $6 > 0' "$what" | wc -l)" = 2 ]; then
		echo "PASS nested-faults-counted"
	else
		echo "FAIL nested-faults-counted $(grep '^guest ' "$what" | xargs)" && return 1
	fi
}

# faults KERNEL: the CPU's page faults of a BO that is touched; those with the mode are
# no more than with stock TTM.
faults() {
	local stock off on
	stock=$(best "$1" stock faults) off=$(best "$1" off faults) on=$(best "$1" on faults)
	if [ "${stock:-0}" -gt 0 ] && [ "$off" = "$stock" ] && [ "${on:-0}" -gt 0 ] && [ "$on" -le "$stock" ]; then
		echo "PASS page-faults-no-more-than-stock"
	else
		echo "FAIL page-faults-no-more-than-stock stock $stock, off $off, on $on" && return 1
	fi
}

"$VM_DIR/root.sh" base
"$VM_DIR/build-igt.sh"
for kernel; do
	pin_kernel "$kernel"
	"$VM_DIR/overlay.sh" "$kernel"
	measure "$kernel" stock stock
	measure "$kernel" off ours optin=0
	measure "$kernel" on ours
done
failed=0
for kernel; do
	table "$kernel"
	goal "$kernel" off $GOAL_OFF || failed=1
	goal "$kernel" on $GOAL_ON || failed=1
	counted "$kernel" || failed=1
	faults "$kernel" || failed=1
done
exit $failed
