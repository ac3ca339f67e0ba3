#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of initramfs.sh that runs inside the root tree:
#	pack.sh base ARCHIVE			busybox, libigt and the libraries
#	pack.sh modules ARCHIVE RELEASE OWN WANTED	modules by name, OWN files first
#	pack.sh payload ARCHIVE FILE...		test programs, guest scripts, more
set -euo pipefail

root=$(mktemp -d)
archive=$2

libraries() {
	ldd "$@" | awk '/=> \// { print $3 } /^\t\/lib/ { print $1 }' | sort -u
}

base() {
	local library igt
	mkdir -p "$root/bin" "$root/lib"
	ln -s lib "$root/lib64"
	cp /bin/busybox "$root/bin/"
	igt=$(ldconfig -p | awk '/libigt\.so\.0/ { print $NF; exit }')
	for library in "$igt" $(libraries "$igt"); do
		cp -L "$library" "$root/lib/"
	done
}

# needed RELEASE MODULE...: the files of modules and of all they depend on.
needed() {
	local release=$1
	shift
	modprobe -S "$release" --ignore-install --show-depends -a "$@" |
		sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++'
}

modules() {
	local release=$2 own=$3 wanted=$4 to file name owned=' '
	to=$root/lib/modules/$release
	mkdir -p "$to"
	for file in $own; do
		strip --strip-debug -o "$to/${file##*/}" "$file"
		name=$(basename "$file" .ko)
		owned+="$name "
		# What ours needs of the stock kernel.
		wanted+=" $(modinfo -F depends "$file" | tr , ' ')"
	done
	for name in $wanted; do
		[[ $owned == *" $name "* ]] || needed "$release" "$name"
	done | sort -u | while read -r file; do
		name=$(basename "$file")
		name=${name%%.ko*}
		[[ $owned != *" $name "* ]] || continue
		case "$file" in
		*.xz) xz -dc "$file" >"$to/$name.ko" ;;
		*) cp "$file" "$to/" ;;
		esac
	done
	cp "/usr/lib/modules/$release/"modules.{builtin,builtin.modinfo,order} "$to/"
	depmod -b "$root" "$release"
}

payload() {
	local file
	shift
	mkdir -p "$root/guest" "$root/igt" "$root/files"
	cp /src/tests/vm/guest/*.sh "$root/guest/"
	install -m755 /src/tests/vm/guest/init "$root/init"
	for file in /build/igt/*; do
		[ ! -x "$file" ] || [ ! -f "$file" ] || cp "$file" "$root/igt/"
	done
	for file; do
		cp "/build/$file" "$root/files/"
	done
}

command=$1
shift
"$command" "$@"
cd "$root"
find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet >"$archive.tmp"
mv "$archive.tmp" "$archive"
