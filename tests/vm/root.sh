#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# root.sh [LAYER]: the Debian 13 tree that holds every tool, made once.
# LAYER is base (the default) or the suffix of a packages.* file, which is a
# copy of base with more packages; a line "# Suite: NAME" in it makes that suite
# of the same archive win. The layer mesa is no copy: it becomes a guest's disk. There a line
# "# Dpkg: OPTION" says which files of a package are not wanted.

. "$(dirname "$0")/lib.sh"

packages() { sed 's/#.*//' "$1" | xargs | tr ' ' ,; }

install_mmdebstrap() {
	local hint="install it with: apt-get install mmdebstrap"
	! command -v mmdebstrap >/dev/null || return 0
	[ "$(id -u)" -eq 0 ] || die "mmdebstrap is missing" "$hint (as root)"
	command -v apt-get >/dev/null || die "mmdebstrap is missing" "install it with your system's package manager"
	export DEBIAN_FRONTEND=noninteractive
	step mmdebstrap "install mmdebstrap, which is missing on this machine" \
		sh -c 'apt-get update && apt-get install -y --no-install-recommends mmdebstrap'
}

# Inside the namespace, where a plain user owns the tree's files too. Another
# checkout may want another tree: gone are those that nobody used for two days.
remove_trees() {
	local tree
	for tree; do
		[ -z "$(find "$tree.used" -mtime -2 2>/dev/null)" ] || continue
		# A running command holds the tree shared, see in-root.sh.
		flock -n "$tree" rm -rf --one-file-system "$tree" "$tree.used" || true
	done
}

# make_tree TREE LAYER: from nothing.
make_tree() {
	local options
	mapfile -t options < <(sed -n 's/^# Dpkg: /--dpkgopt=/p' "$VM_DIR/packages.$2")
	mmdebstrap --mode=root --variant=minbase \
		--dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/info/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' "${options[@]}" \
		--include="$(packages "$VM_DIR/packages.$2")" trixie "$1"
	mkdir -p "$1/src" "$1/build" "$1/cache" "$1/usr/src" "$1/usr/lib/modules"
}

# add_suite TREE SUITE: as one more line of apt's, made from the first one.
add_suite() {
	local sources=$1/etc/apt/sources.list
	sed -i "1{p;s/ trixie / $2 /}" "$sources"
	grep -q " $2 " "$sources" || die "cannot add the suite $2 to $sources"
}

# make_layer TREE LAYER: from base.
make_layer() {
	local suite
	suite=$(sed -n 's/^# Suite: //p' "$VM_DIR/packages.$2")
	# Its contents, also where it is a link.
	cp -a --reflink=auto "$(layer_dir base)/." "$1"
	[ -z "$suite" ] || add_suite "$1" "$suite"
	# apt needs a resolver and /proc; this is already a private namespace.
	cat /etc/resolv.conf >"$1/etc/resolv.conf"
	mount -t proc proc "$1/proc" 2>/dev/null || mount --rbind /proc "$1/proc"
	mount --rbind /dev "$1/dev"
	env -u TMPDIR chroot "$1" sh -euc "apt-get -o APT::Sandbox::User=root update
		DEBIAN_FRONTEND=noninteractive apt-get -o APT::Sandbox::User=root install -y \
			--no-install-recommends ${suite:+-t $suite} $(packages "$VM_DIR/packages.$2" | tr , ' ')
		apt-get clean
		rm -rf /var/lib/apt/lists/*"
	umount -l "$1/proc" "$1/dev"
}

# A command for the inside of the namespace.
if [ "${1:-}" = --make ]; then
	mount --make-rprivate /
	layer=$2 tree=$(layer_dir "$2")
	mapfile -t old < <(find "$CACHE" -mindepth 1 -maxdepth 1 -name "root-$layer-*" \
		-type d ! -path "$tree")
	remove_trees "${old[@]}"
	# Where mmdebstrap leaves its own files if it is killed.
	export TMPDIR=$tree.work
	mkdir "$TMPDIR"
	case "$layer" in
	base | mesa) make_tree "$tree.tmp" "$layer" ;;
	*) make_layer "$tree.tmp" "$layer" ;;
	esac
	: >"$tree.used"
	mv -T "$tree.tmp" "$tree"
	exit
fi
if [ "${1:-}" = --remove-all ]; then
	rm -rf --one-file-system "$CACHE"
	exit
fi

layer=${1:-base}
[ -f "$VM_DIR/packages.$layer" ] || die "there is no layer $layer"
tree=$(layer_dir "$layer")
[ ! -d "$tree" ] || exit 0
[ "$layer" = base ] || [ "$layer" = mesa ] || "$0" base
lock "$CACHE/root.lock"
[ ! -d "$tree" ] || exit 0
half_made "$tree.tmp" "$tree.work"
install_mmdebstrap
need_space "$CACHE" 2500 "the root tree"
step "root-$layer" "make the Debian 13 tree with the tools ($layer), once" \
	"${NS[@]}" "$0" --make "$layer"
