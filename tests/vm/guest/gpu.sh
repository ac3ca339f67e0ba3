# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# gpu.sh ttm_blobs=0|1|refused|debian PROGRAM... [OPTION...] [only=SUBTESTS]: run IGT test
# programs on virtio-gpu, with TTM in charge of its window or without, where the command line
# has the PFNMAP mode refused, or on Debian's own modules, that ttm_blobs=0 is to be like. See
# run-gpu-vm.sh for the host's side.

mode=$1
shift
case "$mode" in
refused) refused=y mode=ttm_blobs=1 ;;
*) refused= ;;
esac

# Part of every result's name.
policy() {
	case "$mode" in
	ttm_blobs=1) echo "ttm_blobs${refused:+-refused}${policy:+-$policy}" ;;
	debian) echo debian ;;
	*) echo stock ;;
	esac
}
# Of ttm.ko, if the command line asks for one.
policy=$(sed -n 's/.*\bttm.pfnmap_policy=\([a-z]*\).*/\1/p' /proc/cmdline)

[ "$mode" != ttm_blobs=1 ] || verify_baseline
load virtio_pci && load_kvm || exit 1
# Linux 6.1 leaks the console's buffer when virtio-gpu is unloaded, mode or not.
load drm_kms_helper fbdev_emulation=0 || exit 1
# The tests that are not about a late host are not to depend on how busy it is.
if [ "$mode" = debian ]; then
	load virtio-gpu || exit 1
else
	load virtio-gpu "$mode" ttm_blobs_timeout_ms=30000 || exit 1
fi
# Without it the tests would test the other kind of window.
if [ "$mode" = debian ]; then
	[ ! -e /sys/module/virtio_gpu/parameters/ttm_blobs ] && echo "PASS mode" ||
		echo "FAIL mode virtio-gpu is not Debian's"
elif [ "$(cat /sys/module/virtio_gpu/parameters/ttm_blobs)" != "$(echo "${mode#*=}" | tr 01 NY)" ]; then
	echo "FAIL mode virtio-gpu is not loaded with $mode"
elif [ "$mode" = ttm_blobs=1 ] && ! dmesg | grep -q 'TTM manages the window'; then
	echo "FAIL mode TTM does not manage the window: $(dmesg | grep ttm_blobs | tail -n 1)"
else
	echo "PASS mode"
fi
if [ -n "$refused" ]; then
	dmesg | grep 'not opted in: ' && echo "PASS pfnmap-is-refused" || echo "FAIL pfnmap-is-refused it is not"
elif [ "$mode" = ttm_blobs=1 ]; then
	[ "$(awk '{ print $NF }' /sys/module/ttm/parameters/pfnmap_active)" = "${policy:-reserved}" ] &&
		echo "PASS policy-${policy:-reserved}" ||
		echo "FAIL policy-${policy:-reserved} of the devices: $(cat /sys/module/ttm/parameters/pfnmap_active)"
fi
# A debug kernel checks the use of the DMA API, if the device uses it.
case "$(uname -r)" in
*-debug)
	[ "$(cat /sys/bus/virtio/drivers/virtio_gpu/virtio*/features | cut -c 34)" = 1 ] && echo "PASS dma-api" ||
		echo "FAIL dma-api the device does not use the DMA API"
	;;
esac
hung_tasks "$mode"
helpers='late_host host_refuses dmabuf_use pte_read'
# It probes functions of ours.
[ "$mode" = debian ] || helpers="$helpers host_map_info"
for module in $helpers; do
	load "$module" || exit 1
done
# shellcheck disable=SC2034 # for one_program
program_options=$(printf '%s\n' "$@" | grep '^--')
subtests=$(printf '%s\n' "$@" | sed -n 's/^only=//p')
for program; do
	case "$program" in
	--* | only=*) continue ;;
	esac
	announced=
	case "$mode $program" in
	ttm_blobs=1*) ;;
	# Where the stock driver's mappings are moved, or unmapped in part.
	*virtgpu_blob_window) announced='freeing invalid memtype' ;;
	esac
	[ -z "$announced" ] || announce "$announced"
	# Not for the others: all of the kernel allocates.
	case "$mode $program" in
	debian*) extra= ;;
	*virtgpu_blob_guest) extra=vttm ;;
	*virtgpu_blob_faults) extra='vttm alloc_fails' ;;
	*) extra= ;;
	esac
	for module in $extra; do
		case "$module" in
		# A stranger's dma-bufs, and a second user of what TTM allocates once.
		vttm) load vttm optin=0 || exit 1 ;;
		*) load "$module" || exit 1 ;;
		esac
	done
	one_program "$program" "$subtests"
	# It sees the pages' counts if vttm is there.
	[ "$mode" != ttm_blobs=1 ] || verify_check "$program"
	# shellcheck disable=SC2086 # one module a word
	[ -z "$extra" ] || rmmod $extra
	[ -z "$announced" ] || announce_end
done
[ "$mode" = debian ] || cat /sys/kernel/debug/dri/0/virtio-gpu-window /sys/kernel/debug/dri/0/virtio-gpu-guest
if [ -n "$refused" ]; then
	objects=$(awk '$1 ~ /-objects$/ { printf "%s ", $0 }' /sys/kernel/debug/dri/0/virtio-gpu-guest)
	case "$objects" in
	'ttm-objects 0 shmem-objects '[1-9]*) echo "PASS guest-blobs-are-the-stock-drivers $objects" ;;
	*) echo "FAIL guest-blobs-are-the-stock-drivers $objects" ;;
	esac
fi
# shellcheck disable=SC2086 # one module a word
rmmod $helpers
gpu_unload && echo "PASS unload-virtio_gpu" ||
	echo "FAIL unload-virtio_gpu it cannot be unloaded after the tests"
[ "$mode" != ttm_blobs=1 ] || nothing_owned
