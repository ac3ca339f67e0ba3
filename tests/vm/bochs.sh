#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of run-bochs.sh that runs inside the root tree:
#	bochs.sh IMAGE INITRD APPEND OUT: boot a kernel in Bochs, with the first serial
# line in OUT.console and the second in OUT.out. Exits 0 if the machine powered
# itself off.
set -euo pipefail

image=$1 initrd=$2 append=$3 out=$4
dir=$(mktemp -d)

mkdir -p "$dir/cd/isolinux"
ln -s "$image" "$dir/cd/vmlinuz"
# Most of a boot is reading the CD.
gzip -c "$initrd" >"$dir/cd/initrd"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$dir/cd/isolinux/"
cat >"$dir/cd/isolinux/isolinux.cfg" <<-END
	default linux
	label linux
	kernel /vmlinuz
	append initrd=/initrd $append
END
xorriso -as mkisofs -quiet -R -f -b isolinux/isolinux.bin -c isolinux/boot.cat \
	-no-emul-boot -boot-load-size 4 -boot-info-table -o "$dir/cd.iso" "$dir/cd"

# A display that needs neither X nor a client, in a network that nobody reaches.
cat >"$dir/bochsrc" <<-END
	cpu: model=corei7_skylake_x, count=1, ips=100000000, ignore_bad_msrs=1
	memory: guest=${VM_MEMORY:-512}, host=${VM_MEMORY:-512}
	romimage: file=/usr/share/bochs/BIOS-bochs-latest
	vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
	pci: enabled=1, chipset=i440fx
	clock: sync=none
	ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
	ata0-master: type=cdrom, path=$dir/cd.iso, status=inserted
	boot: cdrom
	com1: enabled=1, mode=file, dev=$out.console
	com2: enabled=1, mode=file, dev=$out.out
	display_library: rfb, options="timeout=0"
	log: $dir/log
	panic: action=fatal
	error: action=report
	info: action=ignore
END
# The package's Bochs has its debugger built in: "continue".
echo c >"$dir/commands"
rc=0
nice -n 5 unshare --net bochs -q -f "$dir/bochsrc" -rc "$dir/commands" || rc=$?
cat "$dir/log"
# That is what it takes a guest's wish to be powered off for: a panic.
! grep -q 'soft power off' "$dir/log" || rc=0
exit $rc
