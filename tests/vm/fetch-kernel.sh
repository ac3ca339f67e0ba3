#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of kernels.sh that runs inside the root tree:
#	fetch-kernel.sh SUITE DIR resolve [-rt]	ask the mirror; names in DIR/packages, DIR/version
#	fetch-kernel.sh SUITE DIR download	the packages into DIR/debs
#	fetch-kernel.sh SUITE DIR unpack TO	into TO
#	fetch-kernel.sh SUITE DIR vgem TO	what is missing where an older checkout did that
set -euo pipefail

suite=$1 dir=$2
apt=(-o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null
	-o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache"
	-o "Dir::State::status=$dir/status" -o APT::Sandbox::User=root
	-o APT::Update::Error-Mode=any -o Acquire::Retries=2 -o Acquire::http::Timeout=20)

# depends PACKAGE PATTERN: its direct dependencies whose name matches.
depends() {
	apt-cache "${apt[@]}" depends --no-recommends --no-suggests --no-conflicts --no-breaks \
		--no-replaces --no-enhances "$1" | sed -n 's/.*Depends: \([a-z0-9].*\)/\1/p' | grep -E "$2"
}

resolve() {
	local image headers source more
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	sed "s/trixie/$suite/g" /etc/apt/sources.list >"$dir/sources.list"
	: >"$dir/status"
	apt-get "${apt[@]}" update
	image=$(depends "linux-image${1:-}-amd64" '^linux-image-[0-9]')
	headers=$(depends "linux-headers${1:-}-amd64" '^linux-headers-[0-9]')
	source=$(depends linux-source '^linux-source-[0-9]')
	more=$(depends "$headers" '^linux-(headers|kbuild)-')
	# Both are made when the source has been published, the image even later.
	apt-cache "${apt[@]}" show --no-all-versions "$image" "$headers" |
		sed -n 's/^Version: //p' | sort -u >"$dir/version"
	source="$source=$(cat "$dir/version")"
	if [ "$(wc -l <"$dir/version")" != 1 ] || ! apt-cache "${apt[@]}" show "$source" >/dev/null; then
		echo "The mirror is being updated: its kernel packages are of different versions, $(xargs <"$dir/version")."
		return 1
	fi
	printf '%s\n' "$image" "$headers" "$source" "$more" | sort -u >"$dir/packages"
}

download() {
	mkdir "$dir/debs"
	cd "$dir/debs"
	# shellcheck disable=SC2046 # one package a word
	apt-get "${apt[@]}" download $(cat "$dir/packages")
}

# The headers reach their scripts through /usr/lib, which is the root tree's;
# everything of a kernel shall be in /usr/src, /usr/lib/modules and /boot.
move_kbuild() {
	local kbuild link
	for kbuild in usr/lib/linux-kbuild-*; do
		rm -f "usr/src/${kbuild##*/}"
		mv "$kbuild" usr/src/
		for link in usr/src/linux-headers-*/scripts usr/src/linux-headers-*/tools; do
			ln -sfn "../${kbuild##*/}/${link##*/}" "$link"
		done
	done
}

# What the kernel's own source adds to the headers: the files we hook and the
# checkers. The archive stays, for whoever builds a whole kernel.
unpack_source() {
	local archive
	archive=$(echo usr/src/linux-source-*.tar.xz)
	mkdir stock
	tar -x -I 'xz -dT2' -f "$archive" -C stock --strip-components=1 --wildcards \
		'*/drivers/gpu/drm/ttm' '*/drivers/gpu/drm/vgem' '*/drivers/gpu/drm/virtio' '*/include/drm/ttm' \
		'*/scripts/*.pl' '*/scripts/*.py' '*/scripts/kernel-doc' '*/scripts/spelling.txt' \
		'*/scripts/const_structs.checkpatch' '*/.clang-format' \
		'*/Documentation/dev-tools/checkpatch.rst'
}

vgem() {
	local drm=drivers/gpu/drm
	mkdir "$1/stock/$drm/vgem.tmp"
	tar -x -I 'xz -dT2' -f "$1"/usr/src/linux-source-*.tar.xz -C "$1/stock/$drm/vgem.tmp" \
		--strip-components=5 --wildcards "*/$drm/vgem/*"
	mv -T "$1/stock/$drm/vgem.tmp" "$1/stock/$drm/vgem"
}

unpack() {
	local deb release
	to=$1
	mkdir -p "$to.tmp/usr/lib" "$to.tmp/usr/bin"
	cd "$to.tmp"
	ln -s usr/lib lib
	for deb in "$dir"/debs/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink \
			--exclude=./usr/share --exclude=./etc --exclude='./usr/lib/linux-image-*'
	done
	rm -f usr/src/linux-config-*
	move_kbuild
	unpack_source
	release=$(basename usr/lib/modules/*)
	depmod -b . "$release"
	mv -T "$to.tmp" "$to"
}

shift 2
"$@"
