# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# chain-l2.sh COUNT: what L2 does in chain.sh, with the stock virtio-gpu.

load virtio_pci || exit 1
load drm_kms_helper fbdev_emulation=0 || exit 1
load virtio-gpu || exit 1
/files/gpu_check "$1" || exit 1
# A worker of the driver's goes on telling the host what to unmap. The poweroff would break
# the queue under it (virtio_dev_shutdown()), of which it warns.
n=0
until grep -q 'used 0 ' /sys/kernel/debug/dri/0/virtio-gpu-host-visible-mm; do
	n=$((n + 1))
	[ $n -lt 60 ] || exit 1
	sleep 1
done
