#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# mesa-image.sh: build/vm/mesa.ext4, the disk of guests with a GPU: the tree of
# packages.mesa. A disk, because a tree shared by 9p stalls.

. "${0%/*}/lib.sh" || exit

need_layer mesa
tree=$(layer_dir mesa)
image=$BUILD/vm/mesa.ext4
lock "$image.lock"
[ "$(cat "$image.made" 2>/dev/null)" != "$tree" ] || exit 0
rm -f "$image.made"
need_space "$BUILD" 1500 "the disk with Mesa"
half_made "$image.tmp"
exec 8<"$tree"
flock -s 8
: >"$tree.used"
IN_LAYER=gpu IN_CACHE=1 step mesa-image "make the disk with Mesa for guests, once" \
	"$VM_DIR/in-root.sh" mke2fs -q -F -t ext4 -O ^has_journal -d "/cache/${tree##*/}" \
	/build/vm/mesa.ext4.tmp 1200M
mv "$image.tmp" "$image"
echo "$tree" >"$image.made"
