# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# bench-blobs.sh ttm_blobs=0|1: run tests/igt/tools/bench_blob on virtio-gpu.

load virtio_pci || exit 1
load drm_kms_helper fbdev_emulation=0 || exit 1
# -icount makes the guest's time pass faster than the host's.
load virtio-gpu "$1" ttm_blobs_timeout_ms=600000 || exit 1
/files/bench_blob
gpu_unload
