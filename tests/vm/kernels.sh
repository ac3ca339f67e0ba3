#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kernels.sh KERNEL: fetch and unpack Debian's stock image, headers and source
# of this kernel, whatever version the metapackages name today.
# They are asked at most once a day; without a network what is there is used.

. "${0%/*}/lib.sh" || exit

kernel=$1
kernels_of "$kernel" >/dev/null
if [[ $kernel = *-debug ]]; then
	"$0" "${kernel%-debug}"
	exec "$VM_DIR/debug-kernel.sh" "$kernel"
fi
suite=$(suite_of "$kernel")
# Debian's flavour: none, or -rt.
flavour=${kernel#"${kernel%-rt}"}
kernels=$CACHE/kernels
current=$kernels/$kernel.current

# What copied.py compares vttm with; an older checkout left it out.
has_vgem() { [ -d "$(kernel_dir "$kernel")/stock/drivers/gpu/drm/vgem" ]; }

# Asked today?
is_fresh() {
	has_kernel "$kernel" && has_vgem && [ -n "$(find "$current" -mmin -1440)" ]
}

remove_old() {
	local old
	for old in "$kernels/$kernel"-[0-9]*; do
		# Held shared by whoever works with it, see in-root.sh.
		[ "${old##*/}" = "$1" ] || flock -n "$old" rm -rf --one-file-system "$old" || true
	done
}

pin=RIG_KERNEL_${kernel//[.-]/_}
[ -z "${!pin:-}" ] || exit 0
! is_fresh || exit 0
"$VM_DIR/root.sh" base
lock "$kernels/$kernel.lock"
mkdir -p "$LOGS"
# Not with the environment of a caller that waits for this kernel.
fetch=(env -u IN_KERNEL IN_LAYER=base IN_CACHE=1 "$VM_DIR/in-root.sh" /src/tests/vm/fetch-kernel.sh "$suite" "/cache/kernels/apt-$suite$flavour")
if has_kernel "$kernel" && ! has_vgem; then
	name=$(cat "$current")
	half_made "$kernels/$name/stock/drivers/gpu/drm/vgem.tmp"
	step "vgem-$kernel" "unpack vgem of $name, once" "${fetch[@]}" vgem "/cache/kernels/$name"
fi
! is_fresh || exit 0
if ! "${fetch[@]}" resolve "$flavour" >"$LOGS/resolve-$kernel.log" 2>&1; then
	why='the Debian mirror does not answer' hint='is there a network?'
	! grep -q 'is being updated' "$LOGS/resolve-$kernel.log" ||
		why='the Debian mirror is being updated' hint='try again in an hour.'
	if ! has_kernel "$kernel"; then
		show_log_end "$LOGS/resolve-$kernel.log"
		die "cannot ask the Debian mirror for kernel $kernel" \
			"$hint The whole log: $LOGS/resolve-$kernel.log"
	fi
	# Ask again in an hour.
	touch -d '23 hours ago' "$current"
	say "  note   $why, going on with $(cat "$current")"
	exit 0
fi

name=$kernel-$(cat "$kernels/apt-$suite$flavour/version")
if [ ! -d "$kernels/$name" ]; then
	half_made "$kernels/$name.tmp" "$kernels/apt-$suite$flavour/debs"
	need_space "$kernels" 2500 "kernel $kernel"
	step "fetch-$kernel" "fetch Debian's $name (image, headers, source), once per version" \
		"${fetch[@]}" download
	step "unpack-$kernel" "unpack $name" "${fetch[@]}" unpack "/cache/kernels/$name"
fi
echo "$name" >"$current.new"
mv "$current.new" "$current"
remove_old "$name"
