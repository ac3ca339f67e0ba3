#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# vmlinux.sh KERNEL: build/KERNEL/vm/vmlinux-PACKAGES, what is packed in the kernel image of
# these packages.

. "${0%/*}/lib.sh" || exit

pin_kernel "$1"
name=vmlinux-$(basename "$(kernel_dir "$1")")
out=$BUILD/$1/vm
[ ! -f "$out/$name" ] || exit 0
mkdir -p "$out"
lock "$out/vmlinux.lock"
[ ! -f "$out/$name" ] || exit 0
need_space "$BUILD" 150 "the unpacked kernel"
half_made "$out/$name.tmp"
# Those of packages that are gone, unless a VM is about to have one.
find "$out" -name 'vmlinux-*' -mmin +600 -delete
IN_KERNEL=$1 "$VM_DIR/in-root.sh" python3 /src/tests/vm/vmlinux.py \
	"/boot/vmlinuz-$(kernel_release "$1")" "/build/$1/vm/$name.tmp"
mv "$out/$name.tmp" "$out/$name"
