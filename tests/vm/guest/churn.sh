# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# churn.sh [OPTION...]: BOs of many sizes, one after another; far more memory than
# the machine has.

program=ttm_pfnmap_quarantine
subtest=i5-churn-of-many-sizes

vttm_modules reserved
echo "TTM-PFNMAP-PROGRAM $program $(policy)"
echo "TTM-PFNMAP-LISTED $subtest"
run "/igt/$program" --run-subtest $subtest "$@"
echo "TTM-PFNMAP-PROGRAM-END $program"
verify_check "$program"
unload_vttm
