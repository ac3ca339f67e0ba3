# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# fuzz.sh POLICY [OPTION...]: the hostile mix under one policy, see hazard.sh.

hazard_modules "$1"
# The twin ends as soon as something is broken.
[ "$1" != naive ] || set -- naive --rounds=60
shift
list_hazards ttm_pfnmap_fuzz
hazards 'Bad page state|virt/kvm/kvm_main.c:' "$@"
hazards_end
