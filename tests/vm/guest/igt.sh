# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# igt.sh [policy=POLICY] [each] [PROGRAM...]: run IGT test programs, all of them by
# default, on vttm with a twin that never opted in. After each all pages of the machine are
# compared with the mode's books; with "each" after each subtest. results.py reads what is
# printed.

parameters=
wanted=reserved
case "${1:-}" in
policy=*)
	parameters=pfnmap_$1
	wanted=${1#policy=}
	shift
	;;
esac
if [ "${1:-}" = each ]; then
	# shellcheck disable=SC2034 # for one_program
	after_each=verify_check
	shift
fi
# shellcheck disable=SC2086 # none or one
vttm_modules "$wanted" $parameters
# For the tests of what a VM still holds, of who may have a reference, of when a page is
# marked, and of one that is not as it was left.
load kvm_hold
load gup_try
load pte_watch
load pte_read
load page_meddle
# For those of an importer.
load dmabuf_use
# A block device, for O_DIRECT, which is not tested on the debug kernels.
case $(uname -r) in
*-debug) ;;
*) load brd rd_nr=1 rd_size=65536 ;;
esac

# The one after which something is leaked comes last.
# shellcheck disable=SC2046 # one program a word
[ $# -gt 0 ] || set -- $(cd /igt && printf '%s\n' * | grep -vx ttm_pfnmap_leak) ttm_pfnmap_leak
for program; do
	case "$program" in
	ttm_pfnmap_refs) announce 'a mapping is not VM_PFNMAP' ;;
	ttm_pfnmap_leak) announce 'do not look as they were left' ;;
	esac
	subtests=
	# Counted pages have no bound and no reuse.
	case "$wanted $program" in
	'counted ttm_pfnmap_quarantine') subtests='(.*-i[346]-.*|i6-.*)' ;;
	esac
	checked_program "$program" "$subtests"
	case "$program" in
	ttm_pfnmap_refs | ttm_pfnmap_leak) announce_end ;;
	esac
done
unload_vttm
