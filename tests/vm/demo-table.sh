# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What both halves of the demo write their tables with.

# value FILE KEY: the rest of the line that begins with KEY.
value() { sed -n "s/^$2 //p" "$1"; }

# both_ended KERNEL NAME PID PID: wait for the VMs NAME-stock and NAME-ours, which run at
# once. What their kernel logs hold is in the table, too.
both_ended() {
	local kernel=$1 name=$2 flavour pids=("$3" "$4")
	for flavour in stock ours; do
		wait "${pids[0]}" || grep -q '^FAIL kernel-log' "$BUILD/$kernel/vm/$name-$flavour.verdict" || exit 1
		pids=("${pids[@]:1}")
		[ "$(value "$BUILD/$kernel/vm/$name-$flavour.out" "done")" = 1 ] ||
			die "the demo's program stopped early on $kernel in the VM $name-$flavour" \
				"its output: $BUILD/$kernel/vm/$name-$flavour.out"
	done
}

row() { printf '  %-42s %-30s %-30s\n' "$@"; }

# kernel_log KERNEL NAME: of build/KERNEL/vm/NAME.console.
kernel_log() {
	local console=$BUILD/$1/vm/$2.console bad
	bad=$("$VM_DIR/scan-log.sh" "$console" | wc -l) || true
	if [ "$bad" = 0 ]; then echo "clean ($(wc -l <"$console") lines)"; else echo "$bad bad lines"; fi
}

# kernels_text KERNEL...: "Linux 6.1 and Linux 6.12"
kernels_text() { printf 'Linux %s, ' "$@" | sed 's/, $//; s/, Linux/ and/'; }

# When make began, or the script.
export RIG_START=${RIG_START:-$(date +%s)}

# time_text "LAYER..." KERNEL...: how long it took, and what of the trees and kernels it
# needs it had to make first. Nothing touches what is looked at once it is there.
time_text() {
	local layer kernel path paths=() made=0 cache seconds
	for layer in $1; do
		paths+=("$(layer_dir "$layer")/src")
	done
	for kernel in "${@:2}"; do
		paths+=("$(kernel_dir "$kernel")/boot")
	done
	for path in "${paths[@]}"; do
		seconds=$(stat -L -c %Z "$path" 2>/dev/null) || continue
		[ "$seconds" -lt "$RIG_START" ] || made=$((made + 1))
	done
	case $made in
	0) cache='with a filled cache' ;;
	"${#paths[@]}") cache='from an empty cache' ;;
	*) cache="with $made of ${#paths[@]} trees and kernels to make first" ;;
	esac
	echo "$(($(date +%s) - RIG_START)) s $cache"
}
