#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run-gpu-vm.sh KERNEL NAME SCRIPT: as run-vm.sh, in a VM with a GPU: virtio-gpu-gl
# drawn by Mesa's llvmpipe and lavapipe, with a host-visible window of VM_HOSTMEM,
# and Mesa for the guest on its first disk. What QEMU complains of is part of the result: a
# refused command fails the run, unless the script has announced it (see refused.awk).

. "${0%/*}/lib.sh" || exit

out=$BUILD/$1/vm/${VM_OUT:-$2}
"$VM_DIR/mesa-image.sh"
export IN_LAYER=gpu SDL_VIDEODRIVER=offscreen XDG_RUNTIME_DIR=/tmp
more=${VM_QEMU:-}
VM_QEMU="-machine q35 -display sdl,gl=on"
VM_QEMU+=" -device virtio-gpu-gl-pci,blob=on,hostmem=${VM_HOSTMEM:-64M},venus=on"
VM_QEMU+=" -trace virtio_set_status"
VM_QEMU+=" -drive file=/build/vm/mesa.ext4,format=raw,if=virtio,readonly=on $more"
export VM_QEMU

rc=0
"$VM_DIR/run-vm.sh" "$@" || rc=$?
[ -f "$out.verdict" ] || exit $rc
# Of each kind, a line "COUNT 0xKIND".
sums() { awk '{ n[$2] += $1 } END { for (kind in n) print n[kind], kind }' | sort; }
announced=$(sed -n 's/^TTM-PFNMAP-REFUSALS //p' "$out.out" | sums)
commands=$(awk -f "$VM_DIR/refused.awk" "$out.qemu")
refused=$(sed -n 's/^ctrl \(0x[0-9a-f]*\), .*/1 \1/p' <<<"$commands" | sums)
# Each kind once, as "2 x ctrl 0x207, error 0x1200".
kinds=$(sort <<<"$commands" | uniq -c | sed -nE 's/^ *([0-9]+) (.+)/\1 x \2/p' | paste -sd ';' | sed 's/;/; /g')
if [ "$refused" = "$announced" ]; then
	echo "PASS host-accepts" >>"$out.verdict"
else
	said="QEMU did not refuse what was announced ($(paste -sd , <<<"${announced:-nothing}"))"
	echo "FAIL host-accepts $said: $kinds" >>"$out.verdict"
	die "the host of VM $1 ${out##*/}: $said: $kinds" \
		"what QEMU printed: $out.qemu"
fi
exit $rc
