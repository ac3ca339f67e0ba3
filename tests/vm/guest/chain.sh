# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# chain.sh ttm_blobs=0|1 SECONDS: this VM (L1) is a KVM host. Debian's QEMU shows its guest
# (L2) a GPU, drawn by this VM's; so L2's blobs are blobs of this VM, mapped through
# its window into L2's memory. L2 maps more of them than the window holds and lets its
# GPU witness the data. L2 gets SECONDS. See run-chain-vm.sh for the outside.

mode=$1 l2_seconds=$2
# Of 4 MiB, as gpu_check makes them.
blobs=24

gpu_disk || exit 1
load_kvm || exit 1
load drm_kms_helper fbdev_emulation=0 || exit 1
# How busy the host is shall make no difference.
load virtio-gpu "$mode" ttm_blobs_timeout_ms=30000 || exit 1
echo "TTM-PFNMAP-POLICY $([ "$mode" = ttm_blobs=1 ] && echo ttm_blobs || echo stock)"
window=$(awk '/host visible region/ { print $NF }' /sys/kernel/debug/dri/0/virtio-gpu-features)
in_window=$((${window#+} >> 22))
stty -F /dev/ttyS2 raw
cat /dev/vdc >/tmp/l2.cpio

# check NAME TEXT CONDITION...
check() {
	name=$1 text=$2
	shift 2
	"$@" && echo "PASS $name $text" || echo "FAIL $name $text"
}

evictions() { awk '$1 == "evictions" { print $2 }' /sys/kernel/debug/dri/0/virtio-gpu-window; }

# l2_start NAME [PRELOADED]: its lines are in $l2.out, QEMU's in $l2.qemu. Of its log no
# more than tells of bugs: each character costs exits of two levels.
l2_start() {
	l2=/tmp/$1
	touch "$l2.out" "$l2.console"
	env XDG_RUNTIME_DIR=/tmp ${2:+LD_PRELOAD=$2} timeout -s KILL "$l2_seconds" \
		/usr/bin/qemu-system-x86_64 -nodefaults -no-user-config -no-reboot \
		-machine q35 -accel kvm -cpu host -smp 1 -m 512 -trace kvm_set_user_memory \
		-kernel /dev/vdb -initrd /tmp/l2.cpio -append \
		"console=ttyS0,115200 loglevel=6 panic=-1 no_timer_check rcupdate.rcu_cpu_stall_timeout=300 watchdog_thresh=60 rig.script=chain-l2.sh rig.args=$blobs" \
		-display egl-headless,rendernode=/dev/dri/renderD128 \
		-device virtio-gpu-gl-pci,blob=on,hostmem=256M \
		-serial "file:$l2.console" -serial "file:$l2.out" >"$l2.qemu" 2>&1 &
	qemu=$!
}

# in_driver: the threads of L2's QEMU that are in the driver, and where, one a line.
in_driver() {
	for task in "/proc/$qemu/task"/*; do
		stack=$(tr '\n' ' ' <"$task/stack") || continue
		case "$stack" in
		*' virtio_gpu_'* | *' ttm_'*) echo "${task##*/} $stack" ;;
		esac
	done
}

# watch_driver: an L2 that hangs is tried again (check.sh), but not for the driver's fault: a
# thread of QEMU that is at the same place of it at two looks, when L2's time is nearly
# over. (The stack of one that runs just then cannot be read.) Beginning with L2, it leaves
# /tmp/stuck.
watch_driver() {
	# Can this be read at all?
	grep -q . /proc/self/stack || echo "no stack can be read" >>/tmp/stuck
	sleep $((l2_seconds - 30))
	in_driver >/tmp/first
	sleep 15
	in_driver | grep -Fxf /tmp/first >>/tmp/stuck
}

# l2_says TEXT: L2 or its QEMU, before QEMU ends.
l2_says() {
	until grep -q "$1" "$l2.out" "$l2.qemu"; do
		[ -e /proc/$qemu/exe ] || return
		usleep 100000
	done
}

# Into the files of the outside.
l2_show() {
	sed 's/^/L2: /' "$l2.out"
	grep -v kvm_set_user_memory "$l2.qemu" | head -n 20 | sed 's/^/QEMU: /'
	cat "$l2.console" >/dev/ttyS2
}

# How many of L2's memory slots of a blob's size are mappings of this VM's GPU.
memslots() {
	grep ' /dev/dri/renderD128$' /proc/$qemu/maps >/tmp/maps
	sed -n 's/.*kvm_set_user_memory.* size=0x400000 ua=0x\([0-9a-f]*\) .*ret=0$/\1/p' "$l2.qemu" | sort -u |
		awk 'NR == FNR { split($1, ends, "-"); from[NR] = "x" ends[1]; to[NR] = "x" ends[2]; next }
		{ for (i in from) if ("x" $1 >= from[i] && "x" $1 < to[i]) n++ }
		END { print n + 0 }' /tmp/maps -
}

# What L2 does with its blobs, and what this VM has to do with it.
chain() {
	l2_start chain
	: >/tmp/stuck
	watch_driver 2>/dev/null &
	watcher=$!
	l2_says 'mapped=' || echo "FAIL l2-maps L2 ended before it had mapped its blobs"
	slots=$(memslots)
	before=$(evictions)
	wait $qemu
	echo "QEMU: exit $?"
	kill $watcher 2>/dev/null
	check driver-lets-go "$(head -n 1 /tmp/stuck)" [ ! -s /tmp/stuck ]
	evicted=$(($(evictions) - before))
	mapped=$(field mapped "$l2.out")
	wrong="$(field wrong-from-cpu "$l2.out") $(field wrong-from-gpu "$l2.out") $(field miscounted "$l2.out")"
	sed -n 's/.*virtio_gpu_virgl_process_cmd: \(ctrl .* error.*\)/\1/p' "$l2.qemu" >/tmp/refused
	refused="$(grep -c . /tmp/refused) commands of L2 $(sort /tmp/refused | uniq -c | tr -s '\n ' ' ')"
	l2_show
	check l2-ends "$(tail -n 1 "$l2.out")" grep -qx 'TTM-PFNMAP-END rc=0' "$l2.out"
	check memslots "$slots of $mapped blobs are memory of L2" [ "$slots" = "$mapped" ]
	check no-bad-address '' not grep -q 'Bad address' "$l2.qemu"
}

not() { ! "$@"; }

# 22: L2's host refuses to map the blob, EINVAL.
window_full() {
	[ "$(field error "$l2.out")" = 22 ] && [ "$mapped" -gt 1 ] && [ "$mapped" -le $in_window ]
}

# The negative control: what all this looks like if QEMU's mapping is not there.
lost_mapping() {
	l2_start lost /files/lost_mapping.so
	l2_says 'kvm run failed Bad address'
	kill -KILL $qemu
	wait $qemu
	l2_show
	# A guest that hung before it mapped a blob says nothing about what is lost.
	check l2-ends-early "$(tail -n 1 "$l2.out")" \
		grep -q -e 'kvm run failed' -e TTM-PFNMAP-END -e 'kvm_set_user_memory.* size=0x400000 ' "$l2.qemu" "$l2.out"
	check lost-mapping "$(grep -m 1 'kvm run failed' "$l2.qemu")" grep -q 'kvm run failed Bad address' "$l2.qemu"
}

chain
said="$mapped of $blobs blobs, then error $(field error "$l2.out"), in a window for $in_window"
words="wrong words for the GPU, for the CPU, of the counter: $wrong"
if [ "$mode" = ttm_blobs=1 ]; then
	check overcommit "$said" [ "$mapped" = $blobs ]
	check overcommit-data "$words" [ "$wrong" = "0 0 0" ]
	check overcommit-evicts "$evicted evictions while L2 used its blobs" [ "$evicted" -ge $blobs ]
	check l2-host-accepts "L1 refused $refused" [ ! -s /tmp/refused ]
	troubles=$(grep -E '^(refused|timeouts|left-out|lost) [1-9]' /sys/kernel/debug/dri/0/virtio-gpu-window | tr '\n' ' ')
	check window-is-well "$troubles" [ -z "$troubles" ]
	lost_mapping
else
	# L1's GL has no memory for one blob, so L2 loses its whole GL context.
	check overcommit "the window is full: $said" window_full
	all=$(((mapped - 1) << 20))
	check overcommit-data "$words" [ "$wrong" = "$all $all 1" ]
	check l2-host-accepts "L1 refused $refused" [ -s /tmp/refused ]
fi
