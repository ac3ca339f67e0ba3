#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of style.sh that runs inside the root tree:
#	style-inside.sh sources STOCK	checkers that read files
#	style-inside.sh copied KERNEL STOCK	is its code in ours?
#	style-inside.sh format STOCK FILE...	let clang-format change files
#	style-inside.sh builds KERNEL RELEASE	sparse and the compiler with W=1
set -euo pipefail

# judge NAME COMMAND...: a checker that is silent and ends well has no complaint.
judge() {
	local name=$1 said rc=0
	shift
	said=$("$@" 2>&1) || rc=$?
	if [ $rc -eq 0 ] && [ -z "$said" ]; then
		echo "PASS $name"
	else
		echo "FAIL $name $(head -n 1 <<<"$said")"
		printf '%s: %s\n' "$name" "$said" >&2
	fi
}

# A folder may not exist.
sources_in() { { find "$@" -name '*.[ch]' 2>/dev/null || true; } | sort; }

# The kernel's own configuration, but columns made by hand stay columns.
clang_format_style() {
	sed -e 's/^AlignConsecutiveMacros: false/AlignConsecutiveMacros: true/' \
		-e 's/^AlignTrailingComments: false/AlignTrailingComments: true/' \
		-e 's/^AlignEscapedNewlines: .*/AlignEscapedNewlines: DontAlign/' \
		"$1/.clang-format" >/tmp/clang-format
	echo -style=file:/tmp/clang-format
}

format() {
	local style
	style=$(clang_format_style "$1")
	shift
	cd /src
	clang-format -i "$style" "$@"
}

sources() {
	local stock=$1 file format kernel_code
	format=$(clang_format_style "$stock")
	cd /src
	kernel_code=$(sources_in drivers include tests/kmod)
	# OPEN_ENDED_LINE is what clang-format does, and a uAPI header has no BIT().
	# COMPLEX_MACRO and CONSTANT_COMPARISON are wrong about a list of KUnit cases
	# and a static_assert(); vttm's interface has an ENOSYS.
	for file in $kernel_code; do
		judge "checkpatch-$file" perl "$stock/scripts/checkpatch.pl" --no-tree --no-summary \
			--terse --strict --show-types -f \
			--ignore FILE_PATH_CHANGES,LINUX_VERSION_CODE,CAMELCASE,MACRO_ARG_REUSE,BIT_MACRO,OPEN_ENDED_LINE,COMPLEX_MACRO,CONSTANT_COMPARISON,ENOSYS "$file"
		judge "kernel-doc-$file" perl "$stock/scripts/kernel-doc" -none -Werror "$file"
	done
	for file in $(sources_in drivers tests | grep '\.c$'); do
		judge "clang-format-$file" clang-format --dry-run -Werror "$format" "$file"
	done
	for file in $(grep -rlE '^#!/bin/(ba)?sh|^# shellcheck shell=' --exclude-dir=.git --exclude-dir=build . | sort) \
		tests/vm/guest/init; do
		judge "shellcheck-${file#./}" shellcheck -x -e SC1090,SC1091 "$file"
	done
	for file in $(find . \( -path ./.git -o -path ./build \) -prune -o -name '*.py' -print | sort); do
		judge "python-$file" python3 -W error -c 'import ast, pathlib, sys; ast.parse(pathlib.Path(sys.argv[1]).read_text())' "$file"
	done
	judge documents python3 tests/vm/docs.py Documentation/gpu/*.rst
	# Not a file of the kernel's that a hook should change.
	[ -d "$stock/drivers" ] && [ -d "$stock/include" ]
	judge no-file-of-the-kernel comm -12 <(find drivers include -type f -name '*.[ch]' | sort) \
		<(cd "$stock" && find drivers include -type f -name '*.[ch]' | sort)
	judge copied-can-fail python3 tests/vm/copied.py --self-test
	judge no-big-file find . \( -path ./.git -o -path ./build \) -prune -o -type f -size +512k -print
	judge no-patch-file find . \( -path ./.git -o -path ./build \) -prune -o \
		\( -name '*.patch' -o -name '*.diff' \) -print
}

# Nor code of its, whatever the file is called.
copied() {
	cd /src
	judge "no-code-of-the-kernel-$1" python3 tests/vm/copied.py drivers include tests -- \
		"$2"/drivers/gpu/drm/{ttm,vgem,virtio} "$2/include/drm/ttm"
}

# Compile one directory of the overlay again: our objects with every checker,
# the kernel's own that a hook changed without a warning more.
build_part() {
	local kernel=$1 release=$2 part=$3 dir=/build/style/$1-$3 objects
	rm -rf "$dir"
	mkdir -p "$dir"
	cp -r "/build/$kernel/$part"/*.[ch] "/build/$kernel/$part"/{Makefile,include} "$dir/"
	objects=$(cd "$dir" && for file in *.c; do
		[[ $file == *.mod.c ]] || { [ "$part" = ttm ] && [[ $file != ttm_pfnmap* ]]; } ||
			{ [ "$part" = virtio ] && [ ! -f "/src/drivers/gpu/drm/virtio/$file" ]; } || echo "${file%.c}.o"
	done)
	# shellcheck disable=SC2086 # one object a word
	make -s -C "/usr/lib/modules/$release/build" "M=$dir" C=2 W=1 CONFIG_DEBUG_INFO_BTF_MODULES= \
		$objects </dev/null >"$dir/log" 2>&1 || { cat "$dir/log" && return 1; }
	[ "$part" != ttm ] || hooked "$kernel" "$release" "$dir"
	# What the kernel's own headers say is not about our files.
	grep -E "(^|/)(ttm_pfnmap|vttm|[a-z0-9_]*)[a-z0-9_]*\.[ch]:[0-9]+" "$dir/log" |
		grep -vE 'note: in included file|^(/usr/src|\./|/build/[^ ]*/include/drm/ttm/ttm_(bo|tt|device|resource|pool|kmap|caching|place|range|exec))' || true
}

hooked() {
	local file objects=''
	for file in "$3"/ttm_*.c; do
		case "${file##*/}" in
		ttm_pfnmap* | *.mod.c) ;;
		*) ! grep -q ttm_pfnmap "$file" || objects+=" $(basename "$file" .c).o" ;;
		esac
	done
	# shellcheck disable=SC2086 # one object a word
	make -s -C "/usr/lib/modules/$2/build" "M=$3" KCFLAGS=-Werror CONFIG_DEBUG_INFO_BTF_MODULES= \
		$objects </dev/null >>"$3/log" 2>&1 || { cat "$3/log" && return 1; }
}

builds() {
	local part
	for part in ttm virtio vttm kmod; do
		[ ! -f "/build/$1/$part/Makefile" ] || judge "sparse-W1-$1-$part" build_part "$1" "$2" "$part"
	done
}

command=$1
shift
"$command" "$@"
