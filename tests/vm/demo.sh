#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# demo.sh KERNEL...: a KVM guest and a 64 MiB TTM buffer, with the kernel's own
# ttm.ko and with ours, side by side.

. "${0%/*}/lib.sh" || exit
. "$VM_DIR/demo-table.sh"

walk() {
	local kernel=$1 flavour pids=()
	for flavour in stock ours; do
		FILES=tools/demo_walk "$VM_DIR/initramfs.sh" "$kernel" "demo-$flavour" "$flavour" drm_ttm_helper kvm-amd
	done
	for flavour in stock ours; do
		VM_ARGS=demo_walk VM_SECONDS=240 "$VM_DIR/run-vm.sh" "$kernel" "demo-$flavour" walk.sh &
		pids+=($!)
	done
	both_ended "$kernel" demo "${pids[@]}"
}

# counts FILE WHEN: "16 x 1, 16368 x 0" and the like.
counts() {
	local text='' state n
	for state in one:1 zero:0 other:more; do
		n=$(value "$1" "$2_pages_${state%:*}")
		[ "$n" = 0 ] || text+="${text:+, }$n x ${state#*:}"
	done
	echo "$text"
}

# marked FILE: pages with the mark, of those there are.
marked() {
	local before after
	before=$(value "$1" before_pages_reserved) after=$(value "$1" after_pages_reserved)
	[ "$before" = "$after" ] || before+=", then $after"
	echo "$before of $(value "$1" pages)"
}

data() {
	local right total
	right=$(value "$1" words_right) total=$(value "$1" words)
	if [ "$right" = "$total" ]; then echo "all $total words"; else echo "$right of $total words"; fi
}

table() {
	local stock=$BUILD/$1/vm/demo-stock.out ours=$BUILD/$1/vm/demo-ours.out
	printf '\nLinux %s: a KVM guest writes and reads back every word of a 64 MiB buffer\n\n' \
		"$(value "$ours" kernel)"
	row '' 'ttm.ko of Debian' 'ttm.ko in PFNMAP mode'
	row '' ----------------- ---------------------
	row 'pages the guest could use' "$(value "$stock" walk_pages) of $(value "$stock" pages)" \
		"$(value "$ours" walk_pages) of $(value "$ours" pages)"
	row 'what KVM_RUN said' "$(value "$stock" walk_result)" "$(value "$ours" walk_result)"
	row 'what the guest wrote, read by the host' "$(data "$stock")" "$(data "$ours")"
	row 'what the host wrote, verified by the guest' "$(value "$stock" back_result)" "$(value "$ours" back_result)"
	row 'reference counts of the pages before' "$(counts "$stock" before)" "$(counts "$ours" before)"
	row 'reference counts with the guest done' "$(counts "$stock" after)" "$(counts "$ours" after)"
	row 'marked so that KVM leaves the count alone' "$(marked "$stock")" "$(marked "$ours")"
	row 'KVM_RUN repeated after a spurious error' \
		"$(value "$stock" walk_retries)" "$(value "$ours" walk_retries)"
	row 'pages still marked, held or lost at the end' - \
		"$(value "$ours" left_marked), $(value "$ours" left_quarantined), $(value "$ours" left_leaked)"
	row 'kernel log' "$(kernel_log "$1" demo-stock)" "$(kernel_log "$1" demo-ours)"
}

# Is it what we claim? (A count of 1 is the same again where KVM takes references and
# drops them, as under the policy "counted". It takes none of a marked page.)
proved() {
	local stock=$BUILD/$1/vm/demo-stock.out ours=$BUILD/$1/vm/demo-ours.out key
	for key in before_pages_reserved after_pages_reserved; do
		[ "$(value "$ours" $key)" = "$(value "$ours" pages)" ] &&
			[ "$(value "$stock" $key)" = 0 ] || return 1
	done
	[ "$(value "$stock" walk_result)" = 'Bad address' ] &&
		[ "$(value "$ours" walk_result)" = ok ] && [ "$(value "$ours" back_result)" = ok ] &&
		[ "$(value "$ours" words_right)" = "$(value "$ours" words)" ] &&
		[ "$(value "$ours" before_pages_one)" = "$(value "$ours" pages)" ] &&
		[ "$(value "$ours" after_pages_one)" = "$(value "$ours" pages)" ] &&
		[ "$(value "$ours" walk_retries)" = 0 ] || return 1
	[[ $(kernel_log "$1" demo-stock)$(kernel_log "$1" demo-ours) == clean*clean* ]] || return 1
	for key in left_marked left_quarantined left_leaked; do
		[ "$(value "$ours" $key)" = 0 ] || return 1
	done
}

lock "$BUILD/demo.lock"
"$VM_DIR/root.sh" base
# The second half's trees meanwhile. What goes wrong is said when they are needed.
mkdir -p "$LOGS"
trees=()
for layer in gpu mesa; do
	"$VM_DIR/root.sh" $layer >"$LOGS/demo-tree-$layer.log" 2>&1 &
	trees+=($!)
done
"$VM_DIR/build-igt.sh" tools/demo_walk tools/kvm_keep
for kernel; do
	pin_kernel "$kernel"
	"$VM_DIR/overlay.sh" "$kernel" drivers
	walk "$kernel"
done
for kernel; do
	table "$kernel"
	proved "$kernel" || die "kernel $kernel does not show what the demo is about: see the table"
done
printf '\nProved in %s: on %s a TTM buffer that breaks a KVM guest works in the PFNMAP mode, data and reference counts intact. Next: Documentation/gpu/ttm-pfnmap.rst\n' \
	"$(time_text base "$@")" "$(kernels_text "$@")"
if kill -0 "${trees[@]}" 2>/dev/null; then
	say "  ....   the trees of the second half, begun meanwhile"
fi
wait "${trees[@]}" || true
