# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# vfio.sh counted|naive: VFIO and the BOs of a device that opted in, see hazard.sh.

hazard_modules "$1"
list_hazards ttm_pfnmap_vfio
hazards 'Bad page state'
hazards_end_program
