# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# memory.sh POLICY: memory goes offline and through a hibernation image.

hazard_modules "$1"
load virtio_pci && load virtio_blk || exit 1
mkswap /dev/vda >/dev/null && swapon /dev/vda || echo "FAIL swap there is no swap device"
list_hazards ttm_pfnmap_memory
# A block that cannot go offline says which page it is. While its clock is stopped for
# the image, 6.1's random numbers may ask for the time (crng_reseed_interval() in the
# first two minutes), and the clock warns.
announce 'unmovable page|ktime_get_seconds'
hazards ''
announce_end
hazards_end
