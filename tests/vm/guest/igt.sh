# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# igt.sh [policy=POLICY] [PROGRAM...]: run IGT test programs, all of them by
# default, on vttm with a twin that never opted in. results.py reads what is printed.

parameters=
wanted=reserved
case "${1:-}" in
policy=*)
	parameters=pfnmap_$1
	wanted=${1#policy=}
	shift
	;;
esac
# shellcheck disable=SC2086 # none or one
vttm_modules "$wanted" $parameters
# For the tests of what a VM still holds, of who may have a reference, and of when a
# page is marked.
load kvm_hold
load gup_try
load pte_watch
# For those of an importer.
load dmabuf_use
# A block device, for O_DIRECT, which is not tested on the debug kernels.
case $(uname -r) in
*-debug) ;;
*) load brd rd_nr=1 rd_size=65536 ;;
esac

# shellcheck disable=SC2046 # one program a word
[ $# -gt 0 ] || set -- $(cd /igt && ls)
for program; do
	# It has a driver's mistake made.
	[ "$program" != ttm_pfnmap_refs ] || announce 'a mapping is not VM_PFNMAP'
	checked_program "$program"
	[ "$program" != ttm_pfnmap_refs ] || announce_end
done
unload_vttm
