#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# in-root.sh COMMAND...: run a command inside the root tree.
#
# It sees the repository read-only at /src and its build/ at /build. Whatever it
# starts and mounts ends with it. Environment: IN_KERNEL=6.1|6.12 puts that
# kernel's packages in place, IN_LAYER=check picks another tree, IN_CACHE=1 shows
# the cache at /cache, IN_WRITE=1 leaves /src writable.

. "${0%/*}/lib.sh" || exit

# The second half: already in the namespaces.
if [ "${1:-}" = --inside ]; then
	tree=$2
	shift 2
	mount --make-rprivate /
	mount --bind "$tree" "$tree"
	mount -o remount,bind,ro "$tree"
	mount -t proc proc "$tree/proc" 2>/dev/null || mount --rbind /proc "$tree/proc"
	mount --rbind /dev "$tree/dev"
	mount --rbind /sys "$tree/sys"
	mount -t tmpfs -o mode=1777 tmpfs "$tree/tmp"
	if [ -e /etc/resolv.conf ] && [ -f "$tree/etc/resolv.conf" ]; then
		mount --bind "$(readlink -f /etc/resolv.conf)" "$tree/etc/resolv.conf"
	fi
	mount --bind "$REPO" "$tree/src"
	[ -n "${IN_WRITE:-}" ] || mount -o remount,bind,ro "$tree/src" 2>/dev/null || true
	mount --bind "$BUILD" "$tree/build"
	[ -z "${IN_CACHE:-}" ] || mount --bind "$CACHE" "$tree/cache"
	if [ -n "${IN_KERNEL:-}" ]; then
		kernel=$(kernel_dir "$IN_KERNEL")
		mount --bind "$kernel/usr/src" "$tree/usr/src"
		mount --bind "$kernel/usr/lib/modules" "$tree/usr/lib/modules"
		mount --bind "$kernel/boot" "$tree/boot"
	fi
	exec chroot "$tree" /usr/bin/env -C /build HOME=/tmp TMPDIR=/tmp LC_ALL=C.UTF-8 \
		PATH=/usr/sbin:/usr/bin "$@"
fi

[ $# -gt 0 ] || die "usage: in-root.sh COMMAND..."
layer=${IN_LAYER:-base}
need_layer "$layer" >&2
tree=$(layer_dir "$layer")
[ -d "$BUILD" ] || mkdir -p "$BUILD"
namespace_command
# Held shared by everything that runs in the tree, so that nobody removes it.
: >"$tree.used"
{ exec 8<"$tree" && flock -s 8 && [ -d "$tree/src" ]; } ||
	die "$tree was removed just now, since nobody had used it for two days" "run it again"
# build/ as well, for make clean.
exec 7<"$BUILD"
flock -s 7
[ -z "${IN_KERNEL:-}" ] || pin_kernel "$IN_KERNEL" >&2
exec "${NS[@]}" "$0" --inside "$tree" "$@"
