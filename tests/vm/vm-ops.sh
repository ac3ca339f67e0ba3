#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# vm-ops.sh KERNEL: which drivers in this kernel's source map TTM's BOs with vm_ops
# that the mode cannot use, and are they those that opting in refuses by name
# (ttm_pfnmap_unfit in ttm_pfnmap.c)? Prints lines PASS|FAIL NAME MESSAGE.

. "${0%/*}/lib.sh" || exit

kernel=$1
found=$BUILD/$kernel/vm-ops
mkdir -p "${found%/*}"

# Lines "driver: file: structure: yes|no: what is wrong" of the source below $1.
look() {
	# shellcheck disable=SC2016 # awk's own
	(cd "$1" && find . -name '*.c' ! -path '*/ttm/*' -print0 | xargs -0 grep -lZE '\bttm_bo_vm_(reserve|fault_reserved|open|access)\b' |
		sort -z | xargs -0 awk '
		/struct vm_operations_struct [a-z_0-9]+ = [{]/ {
			name = $0; sub(/.*vm_operations_struct /, "", name); sub(/ .*/, "", name)
			open = "none"; wrong = ""; inside = 1; next
		}
		inside && /\.open *=/ { open = $0; gsub(/.*= *|,.*/, "", open) }
		inside && /\.(pfn|page)_mkwrite *=/ { word = $0; gsub(/^[ \t]*\.| *=.*/, "", word); wrong = wrong " " word }
		inside && /[}];/ {
			inside = 0
			driver = FILENAME; sub(/^\.\//, "", driver); sub(/^amd\//, "", driver); sub(/\/.*/, "", driver)
			if (open != "ttm_bo_vm_open")
				wrong = wrong " open=" open
			print driver ": " FILENAME ": " name ": " (wrong == "" ? "yes" : "no") ":" wrong
		}')
}

# What opting in refuses by name.
refused() {
	sed -n '/ttm_pfnmap_unfit\[\] = {/,/^};/s/^\t{ "\([a-z0-9_-]*\)",.*/\1/p' \
		"$REPO/drivers/gpu/drm/ttm/ttm_pfnmap.c" | sort -u
}

work=$BUILD/$kernel/vm-ops.tmp
lock "$found.lock"
half_made "$work"
mkdir "$work"
IN_KERNEL=$kernel step "vm-ops-$kernel" "look at the vm_ops of the drivers of $kernel" \
	"$VM_DIR/in-root.sh" tar -x -I 'xz -dT2' -f "/usr/src/linux-source-$kernel.tar.xz" \
	-C "/build/${work#"$BUILD/"}" --strip-components=4 --no-same-owner --wildcards 'linux-source-*/drivers/gpu/drm/*.c' >&2
look "$work" >"$found"

known=$(refused | xargs)
unfit=$(awk -F ': *' '$4 == "no" { print $1 }' "$found" | sort -u | xargs)
fit=$(awk -F ': *' '$4 == "yes" { print $1 }' "$found" | sort -u | xargs)
if [ -n "$fit" ]; then
	echo "PASS vm-ops-fit $fit"
else
	echo "FAIL vm-ops-fit no driver of this kernel uses TTM as we know it"
fi
if [ "$unfit" = "$known" ]; then
	echo "PASS vm-ops-unfit-are-refused-by-name $unfit"
else
	echo "FAIL vm-ops-unfit-are-refused-by-name the source has \"$unfit\", ttm_pfnmap.c knows \"$known\": $found"
fi
