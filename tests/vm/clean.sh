#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# clean.sh [cache]: remove build/, and the cache as well.

. "$(dirname "$0")/lib.sh"

rm -rf "$BUILD"
[ "${1:-}" = cache ] || exit 0
[ -d "$CACHE" ] || exit 0
# A cache of ours holds nothing but this: do not delete somebody's directory.
for entry in "$CACHE"/*; do
	case "${entry##*/}" in
	root-* | root.lock | kernels | kunit | '*') ;;
	*) die "$entry is not ours: $CACHE is left alone" ;;
	esac
done
for tree in "$CACHE"/root-*/; do
	[ ! -d "$tree" ] || flock -n "$tree" true || die "$tree is in use by another make"
done
namespace_command
"${NS[@]}" "$VM_DIR/root.sh" --remove-all
