#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run-bochs.sh KERNEL NAME SCRIPT: as run-vm.sh, in Bochs, whose CPU is Intel's: with
# VMX and EPT, which QEMU does not emulate. It has one CPU and is slow. Some machines
# hang, for no reason that is known (check.sh says when it runs them again); what the kernel of one
# said until then is judged all the same.

. "${0%/*}/lib.sh" || exit

vm=$BUILD/$1/vm/${VM_OUT:-$2}
export IN_LAYER=bochs VM_MACHINE=bochs VM_MEMORY=${VM_MEMORY:-512} VM_LOGLEVEL=${VM_LOGLEVEL:-loglevel=5}
export VM_APPEND="nokaslr mitigations=off ${VM_APPEND:-}"
rc=0
"$VM_DIR/run-vm.sh" "$@" || rc=$?
if [ $rc -ne 0 ] && [ -s "$vm.console" ] && grep -q '^FAIL vm-ends the VM hung' "$vm.verdict" 2>/dev/null; then
	splats=$("$VM_DIR/scan-log.sh" "$vm.console" ${VM_ANNOUNCED:+"$VM_ANNOUNCED"} |
		grep -v 'an announcement was never ended') || true
	if [ -n "$splats" ]; then
		echo "FAIL kernel-log ${splats%%$'\n'*}" >>"$vm.verdict"
		die "the kernel log of the machine ${vm##*/} is not clean" "the whole log: $vm.console"
	fi
fi
exit $rc
