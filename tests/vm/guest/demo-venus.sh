# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# demo-venus.sh BUFFERS [PARAMETER]: on whichever virtio-gpu there is, a Vulkan
# program that wants so many buffers of 4 MiB mapped at once.

gpu_disk || exit 1
load drm_kms_helper fbdev_emulation=0 || exit 1
# shellcheck disable=SC2086 # no word if there is none
load virtio-gpu $2 || exit 1
export VK_DRIVER_FILES=/usr/share/vulkan/icd.d/virtio_icd.json
debugfs=/sys/kernel/debug/dri/0
window=$(awk '/host visible region/ { print $NF }' $debugfs/virtio-gpu-features)
echo "kernel $(uname -r)"
echo "window $((${window#+} >> 20))"
/files/venus_map "$1" >/tmp/venus.log 2>&1
echo "exit $?"
cat /tmp/venus.log
for name in mapped error wrong-from-gpu wrong-from-cpu; do
	echo "$name $(field $name /tmp/venus.log)"
done
[ ! -f $debugfs/virtio-gpu-window ] || cat $debugfs/virtio-gpu-window
gpu_unload || exit 1
echo "done 1"
