# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# fuzz.sh POLICY [OPTION...]: the hostile mix under one policy, see hazard.sh.

program=ttm_pfnmap_fuzz

hazard_modules "$1"
shift
# It ends as soon as something is broken.
[ "$wanted" != naive ] || set -- --rounds=60 "$@"
list_hazards
hazards 'Bad page state' "$@"
hazards_end
