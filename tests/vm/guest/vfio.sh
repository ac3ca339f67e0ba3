# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# vfio.sh counted|naive: VFIO and the BOs of a device that opted in, see hazard.sh.

program=ttm_pfnmap_vfio

hazard_modules "$1"
list_hazards
hazards 'Bad page state'
echo "TTM-PFNMAP-PROGRAM-END $program"
