#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# clean.sh [cache]: remove build/, and the cache as well. Not what is in use.

. "${0%/*}/lib.sh" || exit
shopt -s nullglob

# not_used LOCK...: files or trees; those who work with one hold its lock.
not_used() {
	local path
	for path; do
		[ ! -e "$path" ] || flock -n "$path" true || die "$path is in use by another make" "wait for it, or stop it"
	done
}

not_used "$BUILD" "$BUILD"/*.lock "$BUILD"/*/.lock "$BUILD"/vm/*.lock "$BUILD"/*/vm/*.{lock,running}
if [ "${1:-}" = cache ] && [ -d "$CACHE" ]; then
	# A cache of ours holds nothing but this: do not delete somebody's directory.
	shopt -s dotglob
	for entry in "$CACHE"/*; do
		case "${entry##*/}" in
		root-*-????????????* | root.lock | kernels | kunit | modules) ;;
		*) die "$entry is not ours: $CACHE is left alone" ;;
		esac
	done
	shopt -u dotglob
	[ -e "$CACHE/root.lock" ] || [ -z "$(ls -A "$CACHE")" ] || die "$CACHE is no cache of ours: it is left alone"
	not_used "$CACHE"/root-*/ "$CACHE"/root.lock "$CACHE"/kernels/*.lock "$CACHE"/kernels/*/ "$CACHE"/kunit/lock \
		"$CACHE"/modules/lock "$CACHE"/modules/*/
	# What is removed in part is not taken.
	rm -f "$CACHE"/modules/*/.built
	namespace_command
	# The directory itself may be a mount point, or in a place where we may not write.
	"${NS[@]}" "$VM_DIR/root.sh" --remove-all || [ -z "$(ls -A "$CACHE")" ] || die "cannot remove all of $CACHE"
fi
rm -rf "$BUILD"
