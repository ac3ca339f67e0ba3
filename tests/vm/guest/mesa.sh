# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# mesa.sh ttm_blobs=0|1: Debian's Mesa, virgl and venus, with buffers of ten times the
# window mapped at once. Without TTM both run out, and that is asserted too.

mode=$1
gpu_disk || exit 1
load virtio-gpu "$mode" || exit 1

echo "TTM-PFNMAP-POLICY $([ "$mode" = ttm_blobs=1 ] && echo ttm_blobs || echo stock)"
export VK_DRIVER_FILES=/usr/share/vulkan/icd.d/virtio_icd.json
window=$(awk '/host visible region/ { print $NF }' /sys/kernel/debug/dri/0/virtio-gpu-features)
in_window=$((${window#+} >> 22))
buffers=$((10 * in_window))

# try NAME DEVICE ERROR: run /files/NAME_map on a device of this name; ERROR is what
# a window that is full gives.
try() {
	name=$1
	"/files/${name}_map" "$buffers" >/tmp/mesa.log 2>&1 || {
		echo "FAIL overcommit-$name the program ended with $?: $(tail -n 1 /tmp/mesa.log)"
		return
	}
	cat /tmp/mesa.log
	said=$(tail -n 1 /tmp/mesa.log)
	if ! grep -q "^device: .*$2" /tmp/mesa.log; then
		echo "FAIL overcommit-$name not on $2: $(head -n 1 /tmp/mesa.log)"
	elif [ "$(field wrong-from-gpu /tmp/mesa.log)" != 0 ] || [ "$(field wrong-from-cpu /tmp/mesa.log)" != 0 ]; then
		echo "FAIL overcommit-$name wrong data: $said"
	elif [ "$mode" = ttm_blobs=1 ] && [ "$(field mapped /tmp/mesa.log)" = $buffers ]; then
		echo "PASS overcommit-$name $said"
	elif [ "$mode" != ttm_blobs=1 ] && [ "$(field error /tmp/mesa.log)" = "$3" ] &&
		[ "$(field mapped /tmp/mesa.log)" -gt 0 ] && [ "$(field mapped /tmp/mesa.log)" -le $in_window ]; then
		echo "PASS overcommit-$name the window is full: $said"
	else
		echo "FAIL overcommit-$name $said"
	fi
}

# VK_ERROR_OUT_OF_DEVICE_MEMORY and GL_OUT_OF_MEMORY.
try venus Venus -2
try virgl virgl $((0x505))
cat /sys/kernel/debug/dri/0/virtio-gpu-window
gpu_console_off
