#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# vmlinux.sh KERNEL: build/KERNEL/vm/vmlinux, what is packed in the package's kernel image.

. "$(dirname "$0")/lib.sh"

pin_kernel "$1"
name=$(basename "$(kernel_dir "$1")")
out=$BUILD/$1/vm/vmlinux
mkdir -p "$BUILD/$1/vm"
made() { [ -f "$out" ] && [ "$(cat "$out.of" 2>/dev/null)" = "$name" ]; }

! made || exit 0
lock "$out.lock"
! made || exit 0
rm -f "$out.of"
half_made "$out.tmp"
IN_KERNEL=$1 "$VM_DIR/in-root.sh" python3 /src/tests/vm/vmlinux.py \
	"/boot/vmlinuz-$(kernel_release "$1")" "/build/$1/vm/vmlinux" || die "the image of kernel $1 cannot be unpacked" \
	"remove $(kernel_dir "$1") and run it again"
echo "$name" >"$out.of"
