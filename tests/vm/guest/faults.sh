# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# faults.sh POLICY: the program that makes allocations fail, on a kernel that was built
# without fault injection. debug-faults.sh is for the others.

vttm_modules "$1" pfnmap_policy="$1" || exit 1
# The program loads vttm again with the same.
rmmod vttm && load vttm twin=1 vram_mb=1 && load alloc_fails || exit 1
faults_program "$1"
rmmod alloc_fails
unload_vttm
