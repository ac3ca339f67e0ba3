#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# abi.sh KERNEL: may our ttm.ko take the stock one's place? One line per check:
# the CRC of every exported symbol equals the one in Debian's Module.symvers, we
# add none but ttm_pfnmap_*, and every struct of TTM's headers has the layout of
# the stock one. In the end a field is added to struct ttm_device in a scratch
# copy: if that is not found, the checks above prove nothing.

. "${0%/*}/lib.sh" || exit

kernel=$1
kernels_of "$kernel" >/dev/null
"$VM_DIR/overlay.sh" "$kernel" >&2
work=$BUILD/$kernel/abi
lock "$work/.lock"
stock=$(kernel_dir "$kernel")
our_symbols=$BUILD/$kernel/ttm/Module.symvers
failed=0

in_tree() { IN_KERNEL=$kernel "$VM_DIR/in-root.sh" "$@"; }

kernel_make() {
	in_tree make -C "/usr/lib/modules/$(kernel_release "$kernel")/build" "$@" \
		CONFIG_DEBUG_INFO_BTF_MODULES= >&2 </dev/null
}

# Symbol lines are: CRC, name, module, export type, namespace.
compare_symbols() {
	awk -F '\t' '
		FNR == NR { crc[$2] = $1; type[$2] = $4 "/" $5; next }
		!($2 in crc) {
			if ($2 ~ /^ttm_pfnmap_/) print "PASS added-" $2
			else print "FAIL added-" $2 " we may only add ttm_pfnmap_* symbols"
			next
		}
		{
			seen[$2] = 1
			if ($1 != crc[$2]) print "FAIL crc-" $2 " stock " crc[$2] ", ours " $1
			else if ($4 "/" $5 != type[$2]) print "FAIL crc-" $2 " exported as " $4 "/" $5 ", stock " type[$2]
			else print "PASS crc-" $2
		}
		END { for (name in crc) if (!(name in seen)) print "FAIL crc-" name " is not exported by ours" }
	' "$1" "$2"
}

# make_probe NAME HEADERS: an object whose debug information holds every struct.
make_probe() {
	local dir=$work/$1 header
	rm -rf "$dir"
	mkdir -p "$dir"
	cp -r "$2" "$dir/include"
	{
		for header in "$stock"/usr/src/linux-headers-*-common/include/drm/ttm/*.h; do
			echo "#include <drm/ttm/${header##*/}>"
		done
		while read -r name; do echo "struct $name probe_$name;"; done <"$work/structs"
	} >"$dir/probe.c"
	# shellcheck disable=SC2016 # for make
	printf 'obj-m := probe.o\nNOSTDINC_FLAGS += -I$(src)/include\n' >"$dir/Makefile"
	kernel_make "M=/build/$kernel/abi/$1" probe.o
	# shellcheck disable=SC2016 # for the shell inside
	in_tree sh -euc 'cd "$1" && while read -r name; do
			echo "struct $name:"
			pahole -F dwarf -C "$name" probe.o </dev/null || true
		done <../structs >layouts' - "/build/$kernel/abi/$1"
}

compare_layouts() {
	awk '
		/^struct [a-z0-9_]*:$/ { name = substr($2, 1, length($2) - 1); if (FNR == NR) order[++n] = name; next }
		FNR == NR { stock[name] = stock[name] $0 "\n"; next }
		{ ours[name] = ours[name] $0 "\n" }
		END {
			for (i = 1; i <= n; i++) {
				name = order[i]
				if (stock[name] !~ /size: [0-9]/) print "FAIL layout-" name " pahole does not know it"
				else if (stock[name] != ours[name]) print "FAIL layout-" name " differs from the stock one"
				else print "PASS layout-" name
			}
		}' "$1" "$2"
}

# A visible field in struct ttm_device must be found by both comparisons.
self_test() {
	local dir=$work/changed
	rm -rf "$dir"
	mkdir -p "$dir"
	cp -r "$BUILD/$kernel/ttm"/*.[ch] "$BUILD/$kernel/ttm/Makefile" "$BUILD/$kernel/ttm/include" "$dir/"
	sed -i 's/^struct ttm_device {$/&\n\tunsigned long self_test;/' "$dir/include/drm/ttm/ttm_device.h"
	grep -q self_test "$dir/include/drm/ttm/ttm_device.h" ||
		{ echo "FAIL self-test cannot change struct ttm_device" && return; }
	kernel_make "M=/build/$kernel/abi/changed" ttm_device.o
	make_probe changed-probe "$dir/include"
	# The CRCs of that one object, in place of those of ours.
	awk -F '[\t ]' 'FNR == NR && /^#SYMVER/ { crc[$2] = $3 }
		FNR != NR { if ($2 in crc) { sub(/^[^\t]*/, crc[$2]); n++ } print }
		END { exit !n }' "$dir/.ttm_device.o.cmd" "$our_symbols" >"$dir/symvers" ||
		{ echo "FAIL self-test the compiler left no CRCs" && return; }
	if compare_symbols "$work/stock.symvers" "$dir/symvers" | grep '^FAIL crc-ttm_device_init ' >/dev/null; then
		echo "PASS self-test-crc"
	else
		echo "FAIL self-test-crc a new field in struct ttm_device was not found"
	fi
	if compare_layouts "$work/stock-probe/layouts" "$work/changed-probe/layouts" |
		grep '^FAIL layout-ttm_device ' >/dev/null; then
		echo "PASS self-test-layout"
	else
		echo "FAIL self-test-layout a new field in struct ttm_device was not found"
	fi
}

checks() {
	compare_symbols "$work/stock.symvers" "$our_symbols"
	compare_layouts "$work/stock-probe/layouts" "$work/our-probe/layouts"
	self_test
}

awk -F '\t' '$3 == "drivers/gpu/drm/ttm/ttm"' "$stock"/usr/src/linux-headers-*-amd64/Module.symvers \
	>"$work/stock.symvers"
[ -s "$work/stock.symvers" ] || die "the headers of $kernel name no symbol of ttm"
sed -n 's/^struct \(ttm_[a-z0-9_]*\) {.*/\1/p' "$stock"/usr/src/linux-headers-*-common/include/drm/ttm/*.h |
	sort -u >"$work/structs"

mkdir -p "$work/stock-include/drm"
cp -r "$stock"/usr/src/linux-headers-*-common/include/drm/ttm "$work/stock-include/drm/"
make_probe stock-probe "$work/stock-include"
make_probe our-probe "$BUILD/$kernel/ttm/include"
checks >"$work/result"
cat "$work/result"
! grep -q '^FAIL ' "$work/result" || failed=1
exit $failed
