# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# fbdev.sh ttm_blobs=0|1: the console's buffer, with TTM in charge of the window or
# without: it is drawn to, which reaches the host, before, while and after blobs are used,
# and keeps what is written to it. The stock driver does as well; it is to stay so.

mode=$1
trace=/sys/kernel/tracing
graphics=/sys/class/graphics/fb0
policy() { case "$mode" in ttm_blobs=1) echo ttm_blobs ;; *) echo stock ;; esac; }

# said WHAT TYPE: how often, since the trace began; commands are queued and answered.
said() { grep -c "virtio_gpu_cmd_$1: .* type=$2 " $trace/trace; }
RESOURCE_FLUSH=0x104 TRANSFER_TO_HOST_2D=0x105 OK_NODATA=0x1100

# quiet: nobody draws any more, and the trace begins.
quiet() {
	n=0
	while echo >$trace/trace && sleep 1 && grep -q virtio_gpu_cmd_queue $trace/trace; do
		n=$((n + 1))
		[ $n -lt 60 ] || { echo "FAIL fbdev-quiet somebody draws all the time" && break; }
	done
}

# drawn NAME: what was written since then goes to the host as 2D transfers and flushes,
# and each is answered with an OK.
drawn() {
	n=0
	while [ $n -lt 300 ]; do
		n=$((n + 1))
		usleep 100000
		transfers=$(said queue $TRANSFER_TO_HOST_2D) flushes=$(said queue $RESOURCE_FLUSH)
		answers=$(said response $OK_NODATA)
		[ "$transfers" = 0 ] || [ "$flushes" = 0 ] || [ "$answers" -lt $((transfers + flushes)) ] || break
	done
	if [ "$transfers" != 0 ] && [ "$flushes" != 0 ] && [ "$answers" -ge $((transfers + flushes)) ]; then
		echo "PASS $1 $transfers transfers, $flushes flushes"
	else
		echo "FAIL $1 $transfers transfers, $flushes flushes, $answers answers"
	fi
}

load virtio_pci && load_kvm || exit 1
# For the names of tasks a tracer patches the scheduler, which the emulation may miss.
echo 0 >$trace/options/record-cmd
# Off is the default.
case "$mode" in
ttm_blobs=0) load virtio-gpu || exit 1 ;;
*) load virtio-gpu "$mode" || exit 1 ;;
esac
if [ "$mode" = ttm_blobs=0 ]; then
	said="$(cat /sys/module/virtio_gpu/parameters/ttm_blobs) $(cat /sys/kernel/debug/dri/0/virtio-gpu-window)"
	[ "$said" = 'N off' ] && echo "PASS default-off" || echo "FAIL default-off $said"
fi
hung_tasks "$mode"
timeout=/sys/module/virtio_gpu/parameters/ttm_blobs_timeout_ms
if [ "$(cat $timeout)" = 5000 ]; then
	echo "PASS default-timeout"
else
	echo "FAIL default-timeout $(cat $timeout) ms"
fi
echo 30000 >$timeout
[ "$mode" = ttm_blobs=0 ] || dmesg | grep -q 'TTM manages the window' ||
	echo "FAIL mode TTM does not manage the window"
if ! grep -q virtio_gpu /proc/fb; then
	echo "FAIL fbdev-exists $(cat /proc/fb)"
	exit 1
fi
echo "PASS fbdev-exists $(cat /proc/fb), $(cat $graphics/virtual_size)"

echo 1 >$trace/events/virtio_gpu/enable
# Without its cursor, which blinks.
printf '\033[?25l' >/dev/tty1
quiet
seq 1 100 >/dev/tty1
drawn fbdev-console-is-drawn
echo 0 >$trace/events/virtio_gpu/enable

for module in late_host host_refuses dmabuf_use; do
	load $module || exit 1
done
# It gives the console back when it ends.
drawings=/tmp/drawings
: >$drawings
while seq 1 100 >/dev/tty1; do
	echo >>$drawings
	usleep 100000
done &
drawer=$!
one_program virtgpu_blob_overcommit overcommit-fork
kill $drawer
wait $drawer 2>/dev/null
times=$(wc -l <$drawings)
if [ "$times" -ge 5 ]; then
	echo "PASS fbdev-console-is-drawn-beside-blobs $times times"
else
	echo "FAIL fbdev-console-is-drawn-beside-blobs $times times"
fi

echo 1 >$trace/events/virtio_gpu/enable
printf '\033[?25l' >/dev/tty1
quiet
seq 1 100 >/dev/tty1
drawn fbdev-console-is-drawn-after-blobs
# From here on nobody but this script draws.
for console in /sys/class/vtconsole/*; do
	! grep -q 'frame buffer' "$console/name" || echo 0 >"$console/bind"
done
quiet
height=$(cut -d, -f2 $graphics/virtual_size)
head -c $(($(cat $graphics/stride) * height)) /dev/urandom >/tmp/pattern
cat /tmp/pattern >/dev/fb0
drawn fbdev-what-is-written-is-drawn
echo 0 >$trace/events/virtio_gpu/enable
head -c "$(stat -c %s /tmp/pattern)" /dev/fb0 >/tmp/read
if cmp /tmp/read /tmp/pattern; then
	echo "PASS fbdev-keeps-what-is-written $(stat -c %s /tmp/pattern) bytes"
else
	echo "FAIL fbdev-keeps-what-is-written $(cmp -l /tmp/read /tmp/pattern | wc -l) bytes differ"
fi
