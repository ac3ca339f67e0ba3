# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# vfio-modules.sh load-vfio|unload-vfio|opt-in|opt-out: for ttm_pfnmap_vfio, which
# tries every order of these.

edu() {
	for device in /sys/bus/pci/devices/*; do
		[ "$(cat "$device/vendor") $(cat "$device/device")" != "0x1234 0x11e8" ] || break
	done
	echo "$device"
}

case "$1" in
load-vfio)
	modprobe vfio_iommu_type1 allow_unsafe_interrupts=1 &&
		modprobe vfio-pci || exit 1
	device=$(edu)
	echo vfio-pci >"$device/driver_override"
	echo "${device##*/}" >/sys/bus/pci/drivers_probe
	[ "$(readlink "$device/driver")" != "" ]
	;;
unload-vfio)
	[ -d /sys/module/vfio ] || exit 0
	for module in vfio_pci vfio_pci_core vfio_virqfd vfio_iommu_type1 vfio; do
		[ ! -d "/sys/module/$module" ] || rmmod "$module" || exit 1
	done
	;;
opt-in)
	modprobe vttm twin=1
	;;
opt-out)
	[ ! -d /sys/module/vttm ] || rmmod vttm
	;;
esac
