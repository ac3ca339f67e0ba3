#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# initramfs.sh KERNEL NAME FLAVOUR MODULE...: build/KERNEL/vm/NAME.cpio, with
# these modules, all they depend on, libigt, the test programs and the guest
# scripts. FLAVOUR ours takes our ttm.ko, stock the one of the image, unneeded,
# encrypted, sev-es and naive those of "overlay.sh KERNEL FLAVOUR". FILES=a:b adds more, paths
# of the repository's build/; tools/kvm_keep is there with KVM. Each part is made when it
# changed.

. "${0%/*}/lib.sh" || exit

kernel=$1 name=$2 flavour=$3
shift 3
out=$BUILD/$kernel/vm
mkdir -p "$out" "$BUILD/vm"
lock "$out/$name.lock"
need_space "$BUILD" 300 "the file systems of the VMs"

# pack ARCHIVE INPUTS WHAT COMMAND...: run it inside the tree if the hash of the
# inputs is not the one the archive was made of.
pack() {
	local archive=$1 hash=$2 kernel_wanted=$3
	shift 3
	[ "$(cat "$archive.hash" 2>/dev/null)" != "$hash" ] || return 0
	[ -n "$packing" ] || say "  ....   pack the initramfs $name for $kernel"
	packing=yes
	rm -f "$archive.hash"
	half_made "$archive.tmp"
	IN_KERNEL=$kernel_wanted "$VM_DIR/in-root.sh" /src/tests/vm/pack.sh "$@" \
		>"$archive.log" 2>&1 || { show_log_end "$archive.log" && die "cannot make $archive"; }
	echo "$hash" >"$archive.hash"
}

packing='' start=$SECONDS
base=$BUILD/vm/base.cpio
exec 6>"$BUILD/vm/base.lock"
flock 6
pack "$base" "$(layer_dir base) $(hash_of "$VM_DIR/pack.sh")" '' base /build/vm/base.cpio
exec 6>&-

# Not while somebody builds them.
mkdir -p "$BUILD/igt"
exec 4>>"$BUILD/$kernel/.lock" 5>>"$BUILD/igt/.lock"
flock -s 4
flock -s 5
own=()
case "$flavour" in
ours)
	own+=("$BUILD/$kernel/ttm/ttm.ko")
	[[ " $* " != *" virtio-gpu "* ]] || own+=("$BUILD/$kernel/virtio/virtio-gpu.ko")
	;;
unneeded | encrypted | sev-es | acrn | naive) own+=("$BUILD/$kernel/ttm-$flavour/ttm.ko") ;;
stock) ;;
*) die "there is no ttm.ko called $flavour" "use ours, stock, unneeded, encrypted, sev-es, acrn or naive" ;;
esac
for module in "$BUILD/$kernel"/vttm/*.ko "$BUILD/$kernel"/kmod/*.ko; do
	[ ! -f "$module" ] || own+=("$module")
done
modules=$out/$name.modules.cpio
pack "$modules" "$(kernel_dir "$kernel") $* $(hash_of "$VM_DIR/pack.sh" "${own[@]}")" "$kernel" \
	modules "/build/$kernel/vm/$name.modules.cpio" "$(kernel_release "$kernel")" \
	"${own[*]/#$BUILD//build}" "$*"

mapfile -t files < <(tr : '\n' <<<"${FILES:-}" | sed '/^$/d')
[[ " $* " != *" kvm-amd "* ]] || files+=(tools/kvm_keep)
payload=$out/$name.payload.cpio
pack "$payload" "$(hash_of "$VM_DIR/pack.sh" "$VM_DIR/guest" "$BUILD/igt" "${files[@]/#/$BUILD/}")" '' \
	payload "/build/$kernel/vm/$name.payload.cpio" "${files[@]}"

half_made "$out/$name.cpio.tmp"
cat "$base" "$modules" "$payload" >"$out/$name.cpio.tmp"
mv "$out/$name.cpio.tmp" "$out/$name.cpio"
[ -z "$packing" ] || printf '  %3d s  pack the initramfs %s for %s\n' $((SECONDS - start)) "$name" "$kernel"
