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
hazards '' --run-subtest '*,!*-i8-hibernate'
announce_end
# In its first two minutes the kernel's random numbers ask for the time
# (crng_reseed_interval()). The clock is stopped for an image, and warns of that.
until [ "$(cut -d. -f1 /proc/uptime)" -gt 121 ]; do sleep 1; done
head -c 1 /dev/urandom >/dev/null
hazards '' --run-subtest '*-i8-hibernate'
hazards_end
