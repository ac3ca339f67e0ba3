#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run-chain-vm.sh KERNEL NAME SCRIPT: as run-gpu-vm.sh, in a VM (L1) with a guest of
# its own (L2), whose kernel and initramfs (build/KERNEL/vm/l2.cpio) are its second
# and third disk. What L2's kernels print, guest/chain.sh writes to a third serial
# line: build/KERNEL/vm/NAME.l2. It is judged like L1's log.

. "${0%/*}/lib.sh" || exit

out=$BUILD/$1/vm/${VM_OUT:-$2}
disk="-drive format=raw,if=virtio,readonly=on"
VM_QEMU="${VM_QEMU:-} $disk,file=/boot/vmlinuz-$(kernel_release "$1") $disk,file=/build/$1/vm/l2.cpio"
export VM_ARGS+=,$((200 * TIMEOUT))
export VM_QEMU+=" -serial file:${out/#$BUILD//build}.l2" VM_MEMORY=${VM_MEMORY:-3072} VM_HOSTMEM=32M

rc=0
rm -f "$out.l2"
"$VM_DIR/run-gpu-vm.sh" "$@" || rc=$?
[ -f "$out.verdict" ] || exit $rc
if splats=$("$VM_DIR/scan-log.sh" "$out.l2"); then
	echo "PASS l2-kernel-log" >>"$out.verdict"
else
	echo "FAIL l2-kernel-log ${splats%%$'\n'*}" >>"$out.verdict"
	printf '%s\n' "$splats" >&2
	die "the kernel log of the guest in VM $1 ${out##*/} is not clean" "the whole log: $out.l2"
fi
exit $rc
