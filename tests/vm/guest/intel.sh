# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# intel.sh POLICY [short]: what KVM is tested with, on Intel's CPU: EPT instead of
# NPT. A selection, since the machine is slow (run-bochs.sh). Under naive, see
# hazard.sh, what is wrong with it there.

vttm_modules "$1" "pfnmap_policy=$1"
for parameter in ept unrestricted_guest vpid nested; do
	if grep -qx '[Y1]' "/sys/module/kvm_intel/parameters/$parameter"; then
		echo "PASS kvm_intel-$parameter"
	else
		echo "FAIL kvm_intel-$parameter it is off"
	fi
done

if [ "$1" = naive ]; then
	announce 'Bad page state|virt/kvm/kvm_main.c:'
	one_program ttm_pfnmap_nested 'i4-.*'
	unload_vttm
	announce_end
	return
fi
checked_program ttm_pfnmap_ept
checked_program ttm_pfnmap_nested
if [ "${2:-}" != short ]; then
	load kvm_hold
	checked_program ttm_pfnmap_kvm \
		'control-.*|.*-touch-.*-2052k-write-first-cold|(stock|mode)-(cpu-mode|above|i2|read|slot)-.*'
	checked_program ttm_pfnmap_kvm_move '.*-(swapout|vram-and-back|i8-unplug)-wc|.*-evict-.*'
	checked_program ttm_pfnmap_kvm_share '.*-(slot-removed|two-vms|dma-buf|imported).*'
	# About the quarantine.
	[ "$1" != reserved ] ||
		checked_program ttm_pfnmap_lifetime '.*-i4-(quarantine-after|vmm-killed|vcpu).*|.*-running-guest-wc'
fi
unload_vttm
