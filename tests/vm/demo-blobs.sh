#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# demo-blobs.sh KERNEL...: a Vulkan program in a guest that maps ten times as much as
# the host-visible window holds, with the kernel's own virtio-gpu.ko and with ours, side
# by side; and a picture of its buffers, build/demo-KERNEL.png.

. "${0%/*}/lib.sh" || exit
. "$VM_DIR/demo-table.sh"

WINDOW=32
# Of 4 MiB.
BUFFERS=$((10 * WINDOW / 4))
WORDS=$((1 << 20))

run() {
	local kernel=$1 flavour pids=()
	for flavour in stock ours; do
		FILES=mesa/venus_map "$VM_DIR/initramfs.sh" "$kernel" "demo-gpu-$flavour" "$flavour" virtio_pci \
			virtio_blk ext4 crc32c_generic virtio-gpu
	done
	"$VM_DIR/mesa-image.sh"
	export VM_HOSTMEM=${WINDOW}M VM_SECONDS=240
	VM_ARGS=$BUFFERS "$VM_DIR/run-gpu-vm.sh" "$kernel" demo-gpu-stock demo-venus.sh &
	pids+=($!)
	VM_ARGS=$BUFFERS,ttm_blobs=1 "$VM_DIR/run-gpu-vm.sh" "$kernel" demo-gpu-ours demo-venus.sh &
	pids+=($!)
	both_ended "$kernel" demo-gpu "${pids[@]}"
}

# said FILE: VkResult's names.
said() {
	case "$(value "$1" error)" in
	0) echo VK_SUCCESS ;;
	-1) echo VK_ERROR_OUT_OF_HOST_MEMORY ;;
	-2) echo VK_ERROR_OUT_OF_DEVICE_MEMORY ;;
	-5) echo VK_ERROR_MEMORY_MAP_FAILED ;;
	*) echo "VkResult $(value "$1" error)" ;;
	esac
}

# verified FILE KEY BUFFERS: how many words of so many buffers were right.
verified() {
	if [[ "$(value "$1" buffers)" != *[vw]* ]]; then
		echo "not tried"
	elif [ "$(value "$1" "$2")" = 0 ]; then
		echo "all $(($3 * WORDS)) words"
	else
		echo "$(value "$1" "$2") words wrong"
	fi
}

table() {
	local stock=$BUILD/$1/vm/demo-gpu-stock.out ours=$BUILD/$1/vm/demo-gpu-ours.out
	printf '\nLinux %s: a Vulkan program wants %d buffers of 4 MiB mapped at once, in a window of %d MiB\n\n' \
		"$(value "$ours" kernel)" $BUFFERS "$(value "$ours" window)"
	row '' 'virtio-gpu.ko of Debian' 'virtio-gpu.ko on TTM'
	row '' ----------------------- --------------------
	row 'GPU (Mesa as Debian ships it)' "$(gpu "$stock")" "$(gpu "$ours")"
	row 'buffers mapped' "$(value "$stock" mapped) of $BUFFERS" "$(value "$ours" mapped) of $BUFFERS"
	row 'what vkMapMemory said' "$(said "$stock")" "$(said "$ours")"
	row 'what the GPU wrote, read by the CPU' "$(verified "$stock" wrong-from-gpu $BUFFERS)" \
		"$(verified "$ours" wrong-from-gpu $BUFFERS)"
	row 'what the CPU wrote, copied by the GPU' "$(verified "$stock" wrong-from-cpu $((BUFFERS / 2)))" \
		"$(verified "$ours" wrong-from-cpu $((BUFFERS / 2)))"
	row 'blobs that went out of the window' - "$(value "$ours" evictions)"
	row 'kernel log' "$(kernel_log "$1" demo-gpu-stock)" "$(kernel_log "$1" demo-gpu-ours)"
}

gpu() { sed -n 's/^device: //p' "$1" | sed 's/ (.*//'; }

# Is it what we claim?
proved() {
	local stock=$BUILD/$1/vm/demo-gpu-stock.out ours=$BUILD/$1/vm/demo-gpu-ours.out file
	for file in "$stock" "$ours"; do
		[[ "$(gpu "$file")" == *Venus* ]] && [ "$(value "$file" window)" = $WINDOW ] || return 1
	done
	[ "$(value "$stock" mapped)" -gt 0 ] && [ "$(value "$stock" mapped)" -le $((WINDOW / 4)) ] &&
		[ "$(value "$stock" error)" != 0 ] &&
		[ "$(value "$ours" mapped)" = $BUFFERS ] && [ "$(value "$ours" error)" = 0 ] &&
		[ "$(value "$ours" evictions)" -gt 0 ] &&
		[[ "$(value "$ours" buffers)" =~ ^v{$BUFFERS}$ ]] &&
		[ "$(value "$ours" wrong-from-gpu) $(value "$ours" wrong-from-cpu)" = "0 0" ] || return 1
	[[ $(kernel_log "$1" demo-gpu-stock)$(kernel_log "$1" demo-gpu-ours) == clean*clean* ]]
}

picture() {
	local kernel=$1 vm=$BUILD/$1/vm
	printf '%s\n' "Linux $kernel: $BUFFERS buffers of 4 MiB in a window of $WINDOW MiB" \
		"virtio-gpu.ko of Debian: $(value "$vm/demo-gpu-stock.out" mapped) mapped" \
		"$(value "$vm/demo-gpu-stock.out" buffers)" \
		"virtio-gpu.ko on TTM: $(value "$vm/demo-gpu-ours.out" mapped) mapped" \
		"$(value "$vm/demo-gpu-ours.out" buffers)" >"$vm/demo-picture.txt"
	half_made "$BUILD/demo-$kernel.png.tmp"
	IN_LAYER=gpu step "demo-picture-$kernel" "draw build/demo-$kernel.png" "$VM_DIR/in-root.sh" \
		bash /src/tests/vm/picture.sh "/build/$kernel/vm/demo-picture.txt" "/build/demo-$kernel.png"
}

lock "$BUILD/demo-blobs.lock"
"$VM_DIR/build-mesa.sh"
for kernel; do
	pin_kernel "$kernel"
	"$VM_DIR/overlay.sh" "$kernel" drivers
	run "$kernel"
done
for kernel; do
	table "$kernel"
	proved "$kernel" || die "kernel $kernel does not show what the demo is about: see the table"
done
echo
for kernel; do
	picture "$kernel"
done
printf '\nProved in %s: on %s a Vulkan program that fills the window of Debian'"'"'s virtio-gpu goes on with ours, every word intact (pictures: build/demo-*.png). Next: Documentation/gpu/virtio-gpu-blobs.rst\n' \
	"$(time_text 'base gpu mesa' "$@")" "$(kernels_text "$@")"
