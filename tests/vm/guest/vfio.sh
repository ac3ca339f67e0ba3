# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# vfio.sh counted|naive: VFIO and the BOs of a device that opted in, see hazard.sh.

hazard_modules "$1"
list_hazards ttm_pfnmap_vfio
# VFIO un-charges the process for pages that it never charged it for.
hazards 'Bad page state|__account_locked_vm'
hazards_end_program
[ "$1" != naive ] || announce_end
