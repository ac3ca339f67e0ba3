# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# chain-l2.sh COUNT: what L2 does in chain.sh, with the stock virtio-gpu.

load virtio_pci || exit 1
load drm_kms_helper fbdev_emulation=0 || exit 1
load virtio-gpu || exit 1
/files/gpu_check "$1"
