#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# format.sh [FILE...]: let clang-format put C files into the kernel's format, as
# style.sh wants it. All .c files by default (in headers it would undo columns
# made by hand); paths are the repository's.

. "${0%/*}/lib.sh" || exit

"$VM_DIR/kernels.sh" 6.12
cd "$REPO" || exit
files=("$@")
[ $# -gt 0 ] || mapfile -t files < <(find drivers tests -name '*.c' | sort)
IN_LAYER=check IN_WRITE=1 IN_CACHE=1 "$VM_DIR/in-root.sh" /src/tests/vm/style-inside.sh format \
	"/cache/kernels/$(basename "$(kernel_dir 6.12)")/stock" "${files[@]}"
say "formatted ${#files[@]} files"
