#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# overlay.sh KERNEL: build/KERNEL/ttm = the kernel package's own TTM, our files
# and the hooks; virtio = the same of virtio-gpu; vttm and kmod = the test modules.
# Then build them.
# overlay.sh KERNEL drivers: the same, without the modules that only tests need.
# overlay.sh KERNEL stock: build/KERNEL/ttm-stock = the package's TTM without us.
# overlay.sh KERNEL unneeded: build/KERNEL/ttm-unneeded = ours, made as for a
# kernel whose KVM does not guess, which is where the mode has nothing to do.
# overlay.sh KERNEL encrypted: build/KERNEL/ttm-encrypted = ours, told that the memory
# is encrypted (SME), which no machine without the hardware can be made to say.
# overlay.sh KERNEL sev-es: build/KERNEL/ttm-sev-es = the same for a CPU with SEV-ES.
# overlay.sh KERNEL acrn: build/KERNEL/ttm-acrn = the same for ACRN's service VM.
# overlay.sh KERNEL naive: build/KERNEL/ttm-naive = ours with the policy "naive",
# with which the hazard tests show what is wrong with marking alone.
# Nothing is touched that did not change.

. "${0%/*}/lib.sh" || exit

kernel=$1
kernels_of "$kernel" >/dev/null
pin_kernel "$kernel"
stock=$(kernel_dir "$kernel")
headers=$(echo "$stock"/usr/src/linux-headers-*-common*)
out=$BUILD/$kernel
ours=$REPO/drivers/gpu/drm/ttm
need_space "$BUILD" 300 "the build for $kernel"
mkdir -p "$LOGS"
lock "$out/.lock"

# update FROM TO: make TO's sources those of FROM, leaving equal files alone, so
# that make compiles only what changed.
update() {
	local file
	mkdir -p "$2"
	(cd "$1" && find . -type f) | while read -r file; do
		cmp -s "$1/$file" "$2/$file" || install -Dm644 "$1/$file" "$2/$file"
	done
	(cd "$2" && find . -name '*.[ch]' ! -name '*.mod.c') | while read -r file; do
		[ -f "$1/$file" ] || rm "$2/$file"
	done
}

# The kernel's own headers of TTM and ours, as one directory: a header of TTM
# includes another by quotes, so a part of them would be a mixture.
copy_headers() {
	mkdir -p "$1/include/drm/ttm"
	cp "$headers"/include/drm/ttm/*.h "$1/include/drm/ttm/"
	[ "$2" = stock ] || cp "$REPO"/include/drm/ttm/*.h "$1/include/drm/ttm/"
}

# kvm_guesses FILE: 1 if a KVM with this header asks struct page whether a PFN is refcounted.
kvm_guesses() {
	if grep -q kvm_pfn_to_refcounted_page "$1"; then echo 1; else echo 0; fi
}

write_config() {
	local driver_header=0
	[ -f "$headers/include/linux/kvm_host.h" ] || die "the headers of $(basename "$stock") have no kvm_host.h"
	[ ! -f "$headers/include/drm/ttm/ttm_bo_driver.h" ] || driver_header=1
	cat >"$1/ttm_pfnmap_config.h" <<-END
		/* SPDX-License-Identifier: GPL-2.0-only */
		/* Made by tests/vm/overlay.sh for $(basename "$stock"). */
		#define TTM_PFNMAP_KVM_HEURISTIC $(kvm_guesses "$headers/include/linux/kvm_host.h")
		#define TTM_PFNMAP_BO_DRIVER_H $driver_header
		#ifdef TTM_PFNMAP_FLAVOUR
		#include "ttm_pfnmap_flavour.h"
		#endif
	END
}

# write_flavour DIR FLAVOUR: what is different in it, for those files of ours that ask. All
# others have the command line that they have without it, and are not compiled again.
write_flavour() {
	local file files=ttm_pfnmap
	[ "$2" != naive ] || files+=' ttm_pfnmap_page'
	for file in $files; do
		echo "CFLAGS_$file.o += -DTTM_PFNMAP_FLAVOUR"
	done >>"$1/Makefile"
	case "$2" in
	naive) echo "#define TTM_PFNMAP_NAIVE 1" ;;
	unneeded)
		# As 6.13 and later have it.
		echo "#undef TTM_PFNMAP_KVM_HEURISTIC"
		echo "#define TTM_PFNMAP_KVM_HEURISTIC $(kvm_guesses <(sed 's/kvm_pfn_to_refcounted_page//g' \
			"$headers/include/linux/kvm_host.h"))"
		;;
	encrypted)
		cat <<-'END'
			#include <linux/cc_platform.h>
			#define cc_platform_has(attr) ((attr) == CC_ATTR_MEM_ENCRYPT)
		END
		;;
	sev-es)
		cat <<-'END'
			#include <asm/cpufeature.h>
			#undef boot_cpu_has
			#define boot_cpu_has(bit) ((bit) == X86_FEATURE_SEV_ES || cpu_has(&boot_cpu_data, bit))
		END
		;;
	acrn)
		cat <<-'END'
			#include <asm/hypervisor.h>
			#undef CONFIG_ACRN_HSM
			#define CONFIG_ACRN_HSM 1
			#define x86_hyper_type X86_HYPER_ACRN
		END
		;;
	*) die "there is no flavour $2" ;;
	esac >"$1/ttm_pfnmap_flavour.h"
}

# Our headers first. TTM's own trace headers are found by the second line.
write_flags() {
	cat <<-'END'

		NOSTDINC_FLAGS += -I$(src)/include
		ccflags-y += -I$(src)
	END
}

copy_stock_ttm() {
	local dir=$stock/stock/drivers/gpu/drm/ttm
	cp "$dir"/*.[ch] "$1/"
	# The KUnit suites are built by make kunit, on UML.
	grep -v KUNIT_TEST "$dir/Makefile" >"$1/Makefile"
}

make_ttm() {
	local dir=$1 file
	mkdir -p "$dir"
	copy_stock_ttm "$dir"
	copy_headers "$dir" ours
	apply_hooks "$dir"
	write_config "$dir"
	for file in "$ours"/ttm_pfnmap*.[ch]; do
		cp "$file" "$dir/"
		case "$file" in
		*.c) file=${file##*/} && echo "ttm-y += ${file%.c}.o" >>"$dir/Makefile" ;;
		esac
	done
	write_flags >>"$dir/Makefile"
	[ -z "${2:-}" ] || write_flavour "$dir" "$2"
}

# virtio-gpu looks for its trace header where the kernel's tree has it.
make_virtio() {
	local dir=$1 file
	mkdir -p "$dir"
	cp "$stock"/stock/drivers/gpu/drm/virtio/{*.[ch],Makefile} "$dir/"
	sed -i 's,\(TRACE_INCLUDE_PATH\) .*,\1 .,' "$dir/virtgpu_trace.h"
	copy_headers "$dir" ours
	apply_hooks "$dir"
	cp "$ours"/*.[ch] "$dir/"
	for file in "$ours"/*.c; do
		file=${file##*/} && echo "virtio-gpu-y += ${file%.c}.o"
	done >>"$dir/Makefile"
	write_flags >>"$dir/Makefile"
}

make_ttm_stock() {
	mkdir -p "$1"
	copy_stock_ttm "$1"
	copy_headers "$1" stock
	write_flags >>"$1/Makefile"
}

apply_hooks() {
	local counts=$LOGS/hooks-$kernel-${ours##*/}.log rc=0
	[ -f "$ours/hooks.cocci" ] || return 0
	"$VM_DIR/in-root.sh" spatch --very-quiet --no-show-diff --in-place --no-includes \
		--include-headers --sp-file "/src/${ours#"$REPO"/}/hooks.cocci" --dir "/build/${1#"$BUILD"/}" \
		>"$counts" 2>&1 || rc=$?
	check_hooks "$counts"
	[ $rc -eq 0 ] || { show_log_end "$counts" && die "spatch failed on kernel $kernel (exit $rc)"; }
}

# A rule that does not match is silent in Coccinelle, so every rule says how
# often it matched and that is compared here.
check_hooks() {
	[ -f "$ours/hooks.expect" ] || die "$ours/hooks.expect is missing: how often does each rule match?"
	awk -v column="$([ "${kernel%-*}" = 6.1 ] && echo 2 || echo 3)" -v kernel="$kernel" '
		FNR == NR && !/^#/ && NF { expect[$1] = $column }
		FNR != NR && $1 == "HOOK" { found[$2] += NF > 2 ? $3 : 1; seen[$2] = 1 }
		END {
			for (rule in expect)
				if (!(rule in seen) || found[rule] != expect[rule]) {
					printf "rule %s: kernel %s, expected %d matches, found %d\n",
						rule, kernel, expect[rule], found[rule]
					bad = 1
				}
			for (rule in seen)
				if (!(rule in expect)) {
					printf "rule %s: kernel %s, is not in hooks.expect, found %d\n",
						rule, kernel, found[rule]
					bad = 1
				}
			exit bad
		}' "$ours/hooks.expect" "$1" >"$1.differs" && return 0
	[ -s "$1.differs" ] || show_log_end "$1"
	mapfile -t lines <"$1.differs"
	die "the hooks do not fit kernel $kernel ($(basename "$stock"))" "${lines[@]}" "the whole log: $1"
}

# Test modules: one file, one module; they meet our header, not our objects.
make_test_modules() {
	local dir=$1 file
	shift
	mkdir -p "$dir"
	copy_headers "$dir" ours
	cp "$@" "$dir/"
	for file in "$dir"/*.c; do
		file=${file##*/} && echo "obj-m += ${file%.c}.o"
	done >"$dir/Makefile"
	write_flags >>"$dir/Makefile"
}

# sources_of DIR: their hash.
sources_of() {
	(cd "$1" && find . \( -name '*.[ch]' -o -name Makefile \) ! -name '*.mod.c' -print0 | sort -z |
		xargs -0 sha256sum | sha256sum | cut -c1-16)
}

# content_of FILE...: one hash of what is in them, wherever they are.
content_of() { cat "$@" | sha256sum | cut -c1-16; }

# build NAME WHAT [SYMBOLS]: compile build/KERNEL/NAME with the compiler that
# Debian's headers name, unless this very input has been built, here or in a checkout with
# the same cache.
build() {
	local dir=$out/$1 input kept
	# With the symbols that it meets: their versions may change where no header does.
	input=$(basename "$stock")${3:+-$(content_of "${3/#\/build/$BUILD}")}-$(sources_of "$dir")
	[ "$(cat "$dir/.built" 2>/dev/null)" != "$input" ] || return 0
	rm -f "$dir/.built" "$dir/Module.symvers"
	kept=$CACHE/modules/$kernel-$1-$(echo "$input $RIG_LAYERS" | content_of - "$VM_DIR/overlay.sh")
	! take "$dir" "$kept" || return 0
	IN_KERNEL=$kernel step "build-$kernel-$1" "build $2 for $kernel" \
		"$VM_DIR/in-root.sh" make -C "/usr/lib/modules/$(kernel_release "$kernel")/build" \
		M="/build/$kernel/$1" "KBUILD_EXTRA_SYMBOLS=${3:-}" CONFIG_DEBUG_INFO_BTF_MODULES= \
		"-j$(nproc)" modules
	echo "$input" >"$dir/.built"
	keep "$dir" "$kept"
}

# take DIR KEPT: what is in the cache takes DIR's place, with the objects, so that make
# compiles only what changes from there.
take() {
	local held
	[ -d "$2" ] && exec {held}<"$2" && flock -s "$held" && [ -f "$2/.built" ] || return
	touch -c "$2" || true
	half_made "$1.tmp"
	if ! cp -a "$2" "$1.tmp"; then
		rm -rf "$1.tmp"
		exec {held}<&-
		return 1
	fi
	{ rm -rf "$1" && mv -T "$1.tmp" "$1"; } || die "cannot replace $1"
	exec {held}<&-
}

# keep DIR KEPT: the other way, where there is room. Gone are those that nobody took for two
# days, and all but the newest. If that cannot be done, the next one builds it again.
keep() {
	local lock old new=$CACHE/modules/new.tmp
	[ "$(free_space "$CACHE")" -ge 2000 ] || return 0
	mkdir -p "$CACHE/modules" && exec {lock}>"$CACHE/modules/lock" || return 0
	flock "$lock"
	half_made "$new"
	while read -r old; do
		# What is removed in part is not taken.
		# shellcheck disable=SC2016 # for sh
		flock -n "$old" sh -c 'rm -f "$1/.built" && rm -rf "$1"' - "$old" || true
	done < <(find "$CACHE/modules" -mindepth 1 -maxdepth 1 -name '*-*' -type d -printf '%T@ %p\n' | sort -rn |
		awk -v oldest="$(($(date +%s) - 172800))" '{ if (NR > 60 || $1 < oldest) { sub(/^[^ ]* /, ""); print } }')
	if [ ! -d "$2" ]; then
		if cp -a "$1" "$new"; then
			touch "$new"
			mv -T "$new" "$2"
		else
			rm -rf "$new"
		fi
	fi
	# From here on it may be another's.
	unset 'HALF_MADE[-1]'
	exec {lock}>&-
}

# inputs PART...: what all of it is made from, and what is there of these parts if they were
# built to their end.
inputs() {
	local part
	hash_of "$stock/stock/drivers/gpu/drm/ttm" "$stock/stock/drivers/gpu/drm/virtio" "$headers/include/drm/ttm" \
		"$headers/include/linux/kvm_host.h" "$REPO/drivers" "$REPO/include" "$REPO/tests/kmod" "$VM_DIR/overlay.sh"
	for part; do
		[ ! -e "$out/$part/.built" ] || sources_of "$out/$part"
	done
}

case "${2:-}" in
'') parts='ttm virtio vttm kmod' ;;
drivers) parts='ttm virtio vttm' ;;
*) parts=ttm-$2 ;;
esac
made=$out/.made-${2:-all}
# shellcheck disable=SC2086 # one part a word
[ "$(cat "$made" 2>/dev/null)" != "$(inputs $parts)" ] || exit 0
rm -f "$made"

made() {
	# shellcheck disable=SC2086 # one part a word
	inputs $parts >"$made"
}

new=$out/.new
half_made "$new"

# part NAME MAKER...: make the sources of one part and put them in place.
part() {
	local name=$1 maker=$2
	shift 2
	"$maker" "$new/$name" "$@"
	update "$new/$name" "$out/$name"
}

# flavour NAME WHAT: our ttm.ko, made as for another machine. Where there is ours,
# what is the same of both need not be compiled again: its objects are taken, and kbuild,
# that compares command lines, is told that they are of this directory.
flavour() {
	local from=$out/ttm to=$out/ttm-$1
	if [[ $(cat "$from/.built" 2>/dev/null) == "$(basename "$stock")"-* ]] && [ ! -e "$to" ]; then
		half_made "$to.tmp"
		cp -a "$from" "$to.tmp"
		rm -f "$to.tmp"/{.built,Module.symvers,*.ko,*.mod*,.ttm.ko.cmd,.ttm.mod*}
		find "$to.tmp" -name '.*.cmd' -exec sed -i "s,/build/$kernel/ttm\>\([^-]\|\$\),/build/$kernel/ttm-$1\1,g" {} +
		mv -T "$to.tmp" "$to"
	fi
	part "ttm-$1" make_ttm "$1"
	build "ttm-$1" "$2"
}

case "${2:-}" in
stock)
	part ttm-stock make_ttm_stock
	build ttm-stock "the stock ttm.ko"
	made
	exit
	;;
unneeded) what="ttm.ko as for a KVM that does not guess," ;;
encrypted) what="ttm.ko as for encrypted memory," ;;
sev-es) what="ttm.ko as for a CPU with SEV-ES," ;;
acrn) what="ttm.ko as for ACRN's service VM," ;;
naive) what="ttm.ko with the naive policy" ;;
*) what= ;;
esac
if [ -n "$what" ]; then
	flavour "$2" "$what"
	made
	exit
fi
part ttm make_ttm
build ttm "our ttm.ko"
ours=$REPO/drivers/gpu/drm/virtio part virtio make_virtio
build virtio "our virtio-gpu.ko" "/build/$kernel/ttm/Module.symvers"
if [ -f "$ours/tests/vttm.c" ]; then
	part vttm make_test_modules "$ours"/tests/vttm*.[ch]
	build vttm "the test driver vttm.ko"
fi
if [ "${2:-}" != drivers ] && compgen -G "$REPO/tests/kmod/*.c" >/dev/null; then
	part kmod make_test_modules "$REPO"/tests/kmod/*.[ch]
	build kmod "the test modules" "/build/$kernel/ttm/Module.symvers"
fi
made
