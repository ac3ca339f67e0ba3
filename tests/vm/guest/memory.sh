# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# memory.sh POLICY: memory goes offline and through a hibernation image.

hazard_modules "$1"
load virtio_pci && load virtio_blk || exit 1
mkswap /dev/vda >/dev/null && swapon /dev/vda || echo "FAIL swap there is no swap device"
list_hazards ttm_pfnmap_memory
# A block that cannot go offline says which page it is.
announce 'unmovable page'
hazards ''
announce_end
hazards_end
