#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# debug-kernel.sh 6.1-debug|6.12-debug: build the kernel of debug.config from
# Debian's source of that kernel, into the directory that kernel_dir names and
# with the layout of an unpacked stock kernel, so that whatever works on one works
# on the other. It is called by kernels.sh and built once a source and config.

. "$(dirname "$0")/lib.sh"

kernel=$1
base=${kernel%-debug}
TREE=usr/src/linux-headers-debug-common

# Whatever else selects TTM brings more than that.
kconfig() {
	cat <<-'END'

		config DRM_TTM_PFNMAP_DEBUG
			tristate "TTM and its helper"
			depends on DRM && MMU
			select DRM_TTM
			select DRM_TTM_HELPER
			select DRM_VIRTIO_GPU_KMS if DRM_VIRTIO_GPU
	END
}

# The second half, inside the root tree.
if [ "${2:-}" = --inside ]; then
	to=$3
	cd "$to/$TREE" || exit
	[ -f .config ] || make -s KCONFIG_ALLCONFIG=/src/tests/vm/debug.config allnoconfig
	while read -r line; do
		grep -qxF "$line" .config || { echo "the kernel does not take $line" && exit 1; }
	done < <(grep -E '^(# )?CONFIG_' /src/tests/vm/debug.config)
	make -s "-j$(nproc)" bzImage modules
	make -s modules_install "INSTALL_MOD_PATH=$to/usr"
	release=$(make -s kernelrelease)
	mkdir -p "$to/boot"
	cp arch/x86/boot/bzImage "$to/boot/vmlinuz-$release"
	ln -sfn "/$TREE" "$to/usr/lib/modules/$release/build"
	rm -f "$to/usr/lib/modules/$release/source" vmlinux vmlinux.unstripped arch/x86/boot/bzImage
	# What compiling a module does not read.
	find . \( -path ./scripts -o -path ./tools \) -prune -o -type f \( -name '*.[oa]' -o -name '*.ko' \
		-o -name '*.c' ! -path '*/drm/ttm/*' ! -path '*/drm/virtio/*' \) -print0 | xargs -0 rm -f
	exit
fi

to=$(kernel_dir "$kernel")
[ ! -d "$to" ] || { touch "$to/used" && exit 0; }
lock "$CACHE/kernels/$kernel.lock"
[ ! -d "$to" ] || exit 0
need_space "$CACHE" 4000 "the kernel $kernel"

# Another checkout may want another one: gone are those not used for two days.
for old in "$CACHE/kernels/$kernel"-[0-9]*; do
	[ -n "$(find "$old/used" -mtime -2 2>/dev/null)" ] || flock -n "$old" rm -rf --one-file-system "$old" || true
done

export IN_CACHE=1 IN_LAYER=check
# Nearly half of it is not for this machine or never configured. A build that was
# interrupted goes on where it stopped.
mkdir -p "$to.tmp/$TREE"
touch "$to.tmp/used"
[ -f "$to.tmp/unpacked" ] || IN_KERNEL=$base step "unpack-$kernel" "unpack the source of $(basename "$(kernel_dir "$base")") for $kernel" \
	"$VM_DIR/in-root.sh" tar -x -I 'xz -dT2' -f "/usr/src/linux-source-$base.tar.xz" \
	-C "/cache/${to#"$CACHE"/}.tmp/$TREE" --strip-components=1 --no-same-owner --anchored \
	--wildcards --wildcards-match-slash --exclude='*/Documentation/*.*' \
	--exclude='*/arch/[a-w]*/*.[chS]' --exclude='*/tools/testing/*' \
	--exclude='*/drivers/gpu/drm/*/*/*.[ch]' --exclude='*/drivers/net/*/*.[ch]' \
	--exclude='*/drivers/media/*.[ch]' --exclude='*/drivers/staging/*.[ch]' --exclude='*/sound/*.[ch]'
[ -f "$to.tmp/unpacked" ] || kconfig >>"$to.tmp/$TREE/drivers/gpu/drm/Kconfig"
touch "$to.tmp/unpacked"
mkdir -p "$to.tmp/usr/lib"
ln -sfn usr/lib "$to.tmp/lib"
ln -sfn $TREE "$to.tmp/stock"
step "build-$kernel" "build the kernel $kernel, once per version and configuration" \
	"$VM_DIR/in-root.sh" bash /src/tests/vm/debug-kernel.sh "$kernel" --inside "/cache/${to#"$CACHE"/}.tmp"
mv -T "$to.tmp" "$to"
