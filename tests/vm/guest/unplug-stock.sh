# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# unplug-stock.sh [PARAMETER...]: the stock twin of the tests that unplug virtio-gpu:
# Debian's own driver, as it is, leaks what is closed after an unplug, and warns of it; its
# unplug waits for who waits for room in the control queue, and who waits to map a blob, or
# for a fence, waits for ever. One process is stuck when the VM ends. With PARAMETERs
# our driver can be tried, which has to fail here with ttm_blobs=1 (and the command that
# host_refuses has kept outlives its device, of which the kernel complains).
#
# QEMU 11 may not answer a device that comes back if a blob was in the window when it was
# reset, and this driver unmaps none: so that is the last, and the device stays away.

DRIVER=/sys/bus/virtio/drivers/virtio_gpu
QUEUED=/sys/kernel/tracing/events/virtio_gpu/virtio_gpu_cmd_queue
# Processes, see use().
window='' guest='' flood='' create='' map=''

. /guest/checks.sh
last_words() { cat /tmp/use.* | tr '\n' ' '; }

# use WHAT: a process of its own, whose number is in $WHAT. It writes nothing to the serial
# line, which is to end without it.
use() {
	: >"/tmp/use.$1"
	/files/unplug_use "$1" >"/tmp/use.$1" 2>&1 &
	eval "$1=$!"
}

# within SECONDS COMMAND...: it succeeds, perhaps after a moment.
within() {
	n=$(($1 * 10))
	shift
	until "$@"; do
		n=$((n - 1))
		[ $n -gt 0 ] || return
		usleep 100000
	done
}

# says WHAT TEXT: the process printed this line. said WHAT TEXT: or does in a moment.
says() { grep -qx "$2" "/tmp/use.$1"; }
said() { within 20 says "$@"; }

there() { [ -d "/proc/$1" ] && ! grep -qs "^State:.*Z" "/proc/$1/status"; }
sleeps() { grep -qs "^State:.*D" "/proc/$1/status"; }
# stuck PID: it sleeps and cannot be killed, perhaps after a moment.
stuck() { within 20 sleeps "$1"; }
# gone PID SECONDS: it is, in this time.
gone() { within "$2" not there "$1"; }

# survives PID: it is killed, and is still there.
survives() {
	kill -9 "$1"
	not gone "$1" 3 && stuck "$1"
}

device() { (cd $DRIVER && echo virtio*); }
stall() { echo "$1" >/sys/module/late_host/parameters/stall; }
# Their memory is shmem, 16 MiB; others have some, too.
shmem_kib() { awk '$1 == "Shmem:" { print $2 }' /proc/meminfo; }
leaked() { [ $(($(shmem_kib) - before)) -ge 12288 ]; }
freed() { [ $(($(shmem_kib) - before)) -lt 1024 ]; }
# Since $warnings was set.
warnings() { dmesg | grep -c 'Memory manager not clean during takedown'; }
warned() { [ "$(warnings)" -gt "$warnings" ]; }

# unbind: in a process of its own, which may not end either.
unbind() {
	device=$(device)
	echo "$device" >$DRIVER/unbind &
	unbinder=$!
}

# works NAME: the device can be used.
works() {
	use window
	check "$1-works-before" said window held
	kill -USR1 "$window"
	check "$1-works" said window 'right=4 sigbus=0'
	gone "$window" 5
}

# empty: nothing is in the window, perhaps after a moment. The host unmaps one blob after
# the other, and debugfs does not like to be asked meanwhile.
empty() {
	n=0
	while sleep 2 && [ "$(gpu_used)" != 0 ]; do
		n=$((n + 1))
		[ $n -lt 10 ] || { echo "FAIL empty $(gpu_used) bytes of the window are in use" && break; }
	done
}

# hold WHAT...: the processes have them.
hold() {
	before=$(shmem_kib)
	for what; do
		use "$what"
		said "$what" held || echo "FAIL hold $(cat "/tmp/use.$what")"
	done
}

# closed NAME WHAT PID WORDS: what its process saw of it.
closed() {
	kill -USR1 "$3"
	check "$1-$2" said "$2" "$4"
	gone "$3" 5
}

echo "TTM-PFNMAP-POLICY stock"
load virtio_pci || exit 1
load drm_kms_helper fbdev_emulation=0 || exit 1
load virtio-gpu "$@" && load late_host && load host_refuses || exit 1
# Of tasks that hang by intention.
echo 0 >/proc/sys/kernel/hung_task_timeout_secs

# unmaps_begin / unmaps: how often the host was told to unmap a blob, since then.
unmaps_begin() {
	# As in fbdev.sh.
	echo 0 >/sys/kernel/tracing/options/record-cmd
	echo 'type == 0x209' >$QUEUED/filter
	echo 1 >$QUEUED/enable
	: >/sys/kernel/tracing/trace
}
unmaps() { grep -c virtio_gpu_cmd_queue: /sys/kernel/tracing/trace; }
unmapped() { [ "$(unmaps)" -ge "$1" ]; }

# Without an unplug nothing is leaked.
warnings=$(warnings)
unmaps_begin
hold window guest
check control-guest-blobs-are-shmem leaked
closed control window "$window" 'right=4 sigbus=0'
closed control guest "$guest" 'right=4 sigbus=0'
empty
check control-closed-blobs-are-freed freed
check control-closed-blobs-are-unmapped unmapped 4
check control-no-warning not warned

# unplug-waiting-queue, unplug-waiting-create
announce 'Memory manager not clean during takedown|drm_mm_takedown'
stall 1
use flood
use create
sleep 3
check waiting-queue-is-full stuck "$flood"
check waiting-queue-is-full-for-blobs stuck "$create"
unbind
check waiting-queue-stock-unbind-hangs not gone $unbinder 5
check waiting-queue-stock-unbind-is-stuck stuck $unbinder
check waiting-queue-stock-cannot-be-killed survives "$flood"
check waiting-create-stock-cannot-be-killed survives "$create"
stall 0
check waiting-queue-ends-when-the-host-answers gone $unbinder 10
check waiting-queue-ends gone "$flood" 10
check waiting-create-ends gone "$create" 10
echo "$device" >$DRIVER/bind
works waiting-queue
empty

# guest-remove, unplug-guest: what is mapped does what it does with TTM.
hold guest
echo 1 >"/sys/bus/virtio/devices/$(device)/../remove"
closed remove guest "$guest" 'right=4 sigbus=0'
sleep 1
check remove-stock-leaks-guest-blobs leaked
echo 1 >/sys/bus/pci/rescan
works remove
empty

# unplug-waiting-map, unplug-waiting-ioctl, unplug-waiting-fence. (Without TTM nothing waits
# for an unmap.) The host does not get the MAP_BLOB.
echo 1 >/sys/module/host_refuses/parameters/leave_out
use map
sleep 2
check waiting-map-waits stuck "$map"
stall 1
use fence
check waiting-fence-waits said fence held
unbind
check waiting-map-unbind-ends gone $unbinder 10
check waiting-fence-stock-never-signals said fence 'signalled=0 of 8'
check waiting-map-stock-cannot-be-killed survives "$map"
stall 0
echo "$device" >$DRIVER/bind
works waiting-map
check waiting-map-stock-waits-for-ever stuck "$map"

# unplug, unplug-again
warnings=$(warnings)
hold window guest
unmaps_begin
unbind
check unplug-ends gone $unbinder 10
check unplug-again-stock-unmaps-nothing-before-the-reset not unmapped 1
closed unplug window "$window" 'right=0 sigbus=4'
closed unplug guest "$guest" 'right=4 sigbus=0'
sleep 1
check unplug-stock-leaks-guest-blobs leaked
check unplug-stock-warns-of-window-blobs warned
announce_end
