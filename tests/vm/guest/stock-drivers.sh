# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# stock-drivers.sh ours|stock: Debian's own TTM drivers, as they are, on our ttm.ko. All
# load, which takes the CRC of every symbol they use. One of them has a device here
# (bochs-display, whose driver is bochs.ko): opted in by the administrator, its dumb
# buffers are a KVM guest's memory. "stock" is the twin with Debian's ttm.ko.

. /guest/checks.sh
# shellcheck disable=SC2034 # for unloaded()
USERS='bochs drm_vram_helper'
MODULES=/lib/modules/$(uname -r)/modules.dep
DRIVER=bochs-drm
DRIVERS=/sys/bus/pci/drivers/$DRIVER
# Four times the device's VRAM, so that they are in memory.
MIB=64
PAGES=$((MIB * 256))
# Moved into VRAM, and driven out by another, beside which there is no room for it.
MOVED_MIB=4
MOVED_PAGES=$((MOVED_MIB * 256))
OTHER_MIB=13
OTHER_PAGES=$((OTHER_MIB * 256))

# What depends on ttm, in this image, but for our vttm.
users_of_ttm() {
	awk -F : '$2 ~ /[ \/]ttm\.ko/ { sub(/.*\//, "", $1); sub(/\.ko.*/, "", $1); print $1 }' "$MODULES" |
		grep -vx vttm | sort
}

# The least that is to be there, whatever modules.dep says.
minimum() {
	echo amdgpu radeon nouveau qxl vmwgfx bochs i915 vboxvideo
	case $(uname -r) in
	6.1.*) ;;
	*) echo xe ;;
	esac
}

minimum_is_there() {
	users=" $(users_of_ttm | tr '\n' ' ') "
	for module in $(minimum); do
		case "$users" in
		*" $module "*) ;;
		*) return 1 ;;
		esac
	done
}

loads() { modprobe "$1" && loaded "$(echo "$1" | tr - _)"; }
unloads() { modprobe -r "$1" && not loaded "$(echo "$1" | tr - _)"; }

# with_crc CRC: a driver's module that wants ttm_device_init() to have this one (or the
# right one); unsigned, for its signature would not fit.
with_crc() {
	symbol=$(printf ttm_device_init | xxd -p)
	xxd -p "/lib/modules/$(uname -r)/drm_vram_helper.ko" | tr -d '\n' |
		sed "s/${1:+........}\(00000000${symbol}00\)/$1\1/" | xxd -r -p >/tmp/with_crc.ko
	echo >>/tmp/with_crc.ko
}

# What the loads are worth: a symbol with another CRC is noticed.
crc_control() {
	fresh
	modprobe drm_ttm_helper
	modprobe drm_kms_helper
	with_crc ''
	check control-right-crc-loads insmod /tmp/with_crc.ko
	unloads drm_vram_helper
	fresh
	modprobe drm_ttm_helper
	modprobe drm_kms_helper
	with_crc deadbeef
	announce 'disagrees about version|Unknown symbol ttm_device_init'
	check control-wrong-crc-does-not not insmod /tmp/with_crc.ko
	announce_end
	check control-wrong-crc-is-why told 'disagrees about version of symbol ttm_device_init'
}

all_load() {
	check drivers-minimum minimum_is_there
	for module in $(users_of_ttm); do
		fresh
		check "loads-$module" loads "$module"
		check "on-our-ttm-$module" [ -f "$ACTIVE" ]
		check "unloads-$module" unloads "$module"
	done
}

# walk COMMAND MIB [OTHER]: a guest and a dumb buffer of the stock driver.
walk() { /files/dumb_walk "$1" $DRIVER "$2" ${3:+"$3"} >/tmp/walk 2>&1; }
# said KEY VALUE: and it came of it.
said() { shown grep -qx "$1 $2" /tmp/walk; }
said_of() { sed -n "s/^$1 //p" /tmp/walk; }

# guest_uses_all: every page, and every word is right on both sides.
guest_uses_all() {
	said walk_pages "$1" && said walk_result ok && said back_pages "$1" && said back_result ok &&
		said walk_retries 0 && said words_right "$(said_of words)" && said 'done' 1
}

# guest_is_refused: by KVM, before the end.
guest_is_refused() {
	said walk_result 'Bad address' && said 'done' 1 &&
		shown [ "$(said_of walk_pages)" -lt "$(said_of pages)" ]
}

# empty: nothing is marked, kept or leaked, perhaps after a moment.
empty() {
	n=0
	while [ -n "$(in_use)" ] && [ $n -lt 100 ]; do
		n=$((n + 1))
		usleep 100000
	done
	[ -z "$(in_use)" ] || {
		in_use
		false
	}
}

# The driver's name is not always its module's.
device() { (cd $DRIVERS && echo 0000:*); }

# stock NAME: the twin.
stock() {
	modprobe bochs
	check "$1-driver-has-a-device" [ -d "$DRIVERS/$(device)" ]
	walk walk $MIB
	check "$1-guest-is-refused" guest_is_refused
}

# no_console: it would draw, which pins its buffer.
no_console() {
	for console in /sys/class/vtconsole/*; do
		! grep -q 'frame buffer' "$console/name" || echo 0 >"$console/bind"
	done
}

# moved KEPT: a BO goes to VRAM and comes back; the guest finds its words in each place.
# KEPT pages of the first place are in quarantine meanwhile.
moved() {
	said shown_pages $MOVED_PAGES && said shown_result ok &&
		said evicted_pages $MOVED_PAGES && said evicted_result ok &&
		said shown_quarantined "$1" && said evicted_quarantined "$1" &&
		said evicted_marked $((MOVED_PAGES + $1)) && said 'done' 1 &&
		shown [ "$(said_of shown_vram)" -ge $MOVED_PAGES ] && said evicted_vram $OTHER_PAGES
}

# mode POLICY KEPT: opted in; KEPT times its pages stay after it was freed beside its VM.
mode() {
	fresh pfnmap=$DRIVER pfnmap_policy="$1"
	modprobe bochs
	check "mode-bochs-$1-opted-in" active "$(device) $1"
	walk walk $MIB
	check "mode-bochs-$1-guest-uses-all" guest_uses_all $PAGES
	check "i1-bochs-$1-all-marked" said after_marked $PAGES
	check "i4-bochs-$1-none-retired-while-mapped" said after_quarantined 0
	check "i4-bochs-$1-freed-beside-its-vm" said freed_quarantined $((PAGES * $2))
	check "i2-bochs-$1-empty-without-the-vm" empty
	no_console
	walk move $MOVED_MIB $OTHER_MIB
	check "mode-bochs-$1-guest-uses-all-of-the-moved" guest_uses_all $MOVED_PAGES
	check "i4-bochs-$1-moved-to-vram-and-back" moved $((MOVED_PAGES * $2))
	check "i2-bochs-$1-moved-empty-without-the-vm" empty
	verify_check "bochs-$1"
}

# vmm COMMAND: a VMM that stays.
vmm() {
	# What the one before has said is not this one's.
	rm -f /tmp/walk
	/files/dumb_walk "$1" $DRIVER $MOVED_MIB >/tmp/walk 2>&1 &
	pid=$!
	n=0
	while ! grep -qsx held /tmp/walk && [ $n -lt 600 ]; do
		n=$((n + 1))
		usleep 100000
	done
	shown grep -qx held /tmp/walk
}

# unbind: the device called name.
unbind() {
	echo "$name" >$DRIVERS/unbind && [ ! -e "$DRIVERS/$name" ]
}

ends() {
	kill "$pid"
	wait "$pid" 2>/dev/null
	empty
}

# I8: the device goes, its driver and its pages at their time.
unplug() {
	fresh pfnmap=$DRIVER
	modprobe bochs
	name=$(device)
	check mode-bochs-vmm-keeps-a-mapping vmm keep
	check i8-bochs-unbinds-under-a-mapping unbind
	check i1-bochs-unbound-stays-marked grep -q "^$name reserved .* $MOVED_PAGES 0 0 0 0 " "$COUNTERS"
	verify_check bochs-unbound
	check i8-bochs-unbound-empty-without-the-vm ends

	fresh pfnmap=$DRIVER
	modprobe bochs
	name=$(device)
	check mode-bochs-vmm-holds-freed-pages vmm hold
	check i8-bochs-unbinds-beside-the-quarantine unbind
	check i8-bochs-quarantine-is-of-a-device-that-is-gone grep -q "^$name gone " "$COUNTERS"
	check i8-bochs-driver-unloads-beside-it rmmod bochs
	modprobe -r drm_vram_helper
	modprobe -r drm_ttm_helper
	check i8-bochs-no-module-needs-ttm no_module_needs_ttm
	check i8-bochs-ttm-does-not refused 'Resource temporarily unavailable' rmmod ttm
	check i4-bochs-still-held [ "$(quarantined)" = $MOVED_PAGES ]
	check i4-bochs-empty-when-the-vmm-is-gone ends
	check i8-bochs-then-ttm-unloads rmmod ttm
}

ours() {
	all_load
	crc_control
	unloaded
	verify_baseline

	fresh
	stock stock-bochs
	check stock-bochs-none-marked said after_marked 0
	fresh pfnmap=bochs
	modprobe bochs
	check bochs-by-module-name-is-not-opted-in active ''
	check bochs-by-module-name-says-so told "driver \"$DRIVER\" is not in pfnmap=bochs"

	mode reserved 1
	mode counted 0
	unplug

	fresh pfnmap=$DRIVER
	modprobe bochs
	unloaded
	remember
	fresh pfnmap=$DRIVER
	modprobe bochs
	walk walk $MIB
	unloaded
	check i8-bochs-nothing-lost nothing_lost
}

load drm && load_kvm || exit 1
case "$1" in
ours)
	echo "TTM-PFNMAP-POLICY reserved"
	ours
	;;
stock)
	load bochs || exit 1
	echo "TTM-PFNMAP-POLICY $(policy)"
	check stock-ttm-is-debians [ ! -e "$ACTIVE" ]
	stock stock-ttm-bochs
	check stock-ttm-unloads unloads bochs
	;;
esac
