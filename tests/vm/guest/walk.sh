# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# walk.sh PROGRAM [PARAMETER...]: load vttm with these parameters on whichever
# ttm.ko there is, and run one of tests/igt/tools.

program=$1
shift
load kvm-amd && load drm_ttm_helper && load vttm "$@" || exit 1
"/files/$program"
