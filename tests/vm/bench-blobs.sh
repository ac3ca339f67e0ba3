#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bench-blobs.sh KERNEL...: what virtio-gpu's blobs cost, with the window that the
# stock driver has and with TTM's, side by side; then a line PASS or FAIL for each goal.

. "${0%/*}/lib.sh" || exit
. "$VM_DIR/bench-cpu.sh"

ENTRIES=64
# Of 100.
UNTOUCHED=10

measure() {
	local kernel=$1 name=bench-blobs-$2
	VM_CPU=$BENCH_CPU VM_OUT=$name VM_ARGS=ttm_blobs=$2 VM_SECONDS=600 \
		"$VM_DIR/run-gpu-vm.sh" "$kernel" bench-blobs bench-blobs.sh
	grep -q '^done 1' "$BUILD/$kernel/vm/$name.out" || die "the benchmark stopped early: $BUILD/$kernel/vm/$name.out"
}

# number KERNEL MODE NAME
number() { sed -n "s/^$3 //p" "$BUILD/$1/vm/bench-blobs-$2.out"; }

row() { printf '  %-62s %12s %12s\n' "$@"; }

line() { row "$2" "$(number "$1" 0 "$3")" "$(number "$1" 1 "$3")"; }

table() {
	printf '\nLinux %s: blobs of 4 MiB in a window of %s MiB\n\n' "$(kernel_release "$1")" "$(number "$1" 1 window)"
	row '' ttm_blobs=0 ttm_blobs=1
	line "$1" 'mapped and written at once' overcommit
	line "$1" 'host unmaps of 100 times create, map, touch, close' loop-unmaps
	line "$1" 'host unmaps of 100 times create, map, close' untouched-unmaps
	line "$1" 'made of 100 that find the window full' full-made
	line "$1" 'host unmaps of those, closed untouched' full-unmaps
	line "$1" 'memory entries of 64 MiB of the guest, the most of 6 times' entries
	line "$1" 'instructions of the process to create one' create
	line "$1" 'to map it' map
	line "$1" 'to map one of 32 MiB' map-large
	line "$1" 'to touch its 1024 pages' touch
	line "$1" 'to unmap and close it' close
	echo
}

# goal NAME TEXT CONDITION...: one of test's.
goal() {
	local name=$1 text=$2
	shift 2
	if test "$@"; then
		echo "PASS goal-$name $text"
	else
		echo "FAIL goal-$name $text"
		failed=1
	fi
}

# whole KERNEL MODE: the instructions of a blob that is touched from end to end.
whole() {
	local name n=0
	for name in create map touch close; do
		n=$((n + $(number "$1" "$2" $name)))
	done
	echo $n
}

goals() {
	local most=$((10 * $(number "$1" 1 window) / 4))
	goal whole-blob "$(whole "$1" 1) instructions for one that is touched from end to end, $(whole "$1" 0) without TTM, half as many again allowed" \
		$((2 * $(whole "$1" 1))) -le $((3 * $(whole "$1" 0)))
	goal overcommit "$(number "$1" 1 overcommit) blobs at once, $most wanted" \
		"$(number "$1" 1 overcommit)" = $most
	goal overcommit-stock "$(number "$1" 0 overcommit) blobs at once without TTM" \
		"$(number "$1" 0 overcommit)" -lt $most
	goal unmaps-untouched "$(number "$1" 1 full-unmaps) unmaps of $(number "$1" 1 full-made) blobs that found no room" \
		"$(number "$1" 1 full-made):$(number "$1" 1 full-unmaps)" = 100:0
	goal unmaps-untouched-stock "$(number "$1" 0 full-made) such blobs without TTM" \
		"$(number "$1" 0 full-made)" -lt 100
	goal unmaps-stock "$(number "$1" 0 loop-unmaps) unmaps without TTM: the host is seen" \
		"$(number "$1" 0 loop-unmaps)" -gt 0
	goal unmaps-loop "$(number "$1" 1 loop-unmaps) unmaps, no more than without TTM" \
		"$(number "$1" 1 loop-unmaps)" -le "$(number "$1" 0 loop-unmaps)"
	goal unmaps-loop-untouched "$(number "$1" 1 untouched-unmaps) unmaps if none is touched, $UNTOUCHED allowed" \
		"$(number "$1" 1 untouched-unmaps)" -le $UNTOUCHED
	goal unmaps-loop-untouched-stock "$(number "$1" 0 untouched-unmaps) without TTM" \
		"$(number "$1" 0 untouched-unmaps)" -gt $UNTOUCHED
	goal mmap-constant "$(number "$1" 1 map-large) instructions to map 32 MiB, $(number "$1" 1 map) to map 4 MiB, half as many again allowed" \
		$((2 * $(number "$1" 1 map-large))) -le $((3 * $(number "$1" 1 map)))
	goal mmap-constant-stock "$(number "$1" 0 map-large) and $(number "$1" 0 map) without TTM" \
		"$(number "$1" 0 map-large)" -gt $((3 * $(number "$1" 0 map)))
	goal entries "at most $(number "$1" 1 entries) entries, $ENTRIES allowed" \
		"$(number "$1" 1 entries)" -le $ENTRIES
	goal entries-stock "at most $(number "$1" 0 entries) entries without TTM" \
		"$(number "$1" 0 entries)" -gt $ENTRIES
}

"$VM_DIR/build-igt.sh"
for kernel; do
	pin_kernel "$kernel"
	"$VM_DIR/overlay.sh" "$kernel"
	FILES=tools/bench_blob "$VM_DIR/initramfs.sh" "$kernel" bench-blobs ours virtio_pci virtio-gpu
	measure "$kernel" 0
	measure "$kernel" 1
done
failed=0
for kernel; do
	table "$kernel"
	goals "$kernel"
done
exit $failed
