# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# refusals.sh usual|nopat|unneeded: who may opt in, who may not and is told why,
# and what stays true afterwards. "unneeded" runs a ttm.ko that was built as for
# a kernel whose KVM does not guess.

ACTIVE=/sys/module/ttm/parameters/pfnmap_active

# check NAME COMMAND...: PASS if it succeeds.
check() {
	name=$1
	shift
	if "$@"; then
		echo "PASS $name"
	else
		echo "FAIL $name ($*); the last kernel messages: $(dmesg | tail -n 4 | tr '\n' '|')"
	fi
}

# told TEXT: the kernel said so since the last fresh().
told() { dmesg | sed -n "$((SEEN + 1)),\$p" | grep -qF "$1"; }
not() { ! "$@"; }
active() { [ "$(cat $ACTIVE 2>/dev/null)" = "$1" ]; }
loaded() { [ -d "/sys/module/$1" ]; }

# fresh [PARAMETER...]: ttm anew, with these parameters.
fresh() {
	modprobe -r vttm 2>/dev/null
	modprobe -r drm_ttm_helper 2>/dev/null
	modprobe -r ttm 2>/dev/null
	loaded ttm && echo "FAIL fresh ttm could not be unloaded"
	SEEN=$(dmesg | wc -l)
	modprobe ttm "$@" 2>/dev/null
}

# walks RESULT: what a KVM guest makes of a 64 MiB BO.
walks() {
	/files/demo_walk >/tmp/walk 2>&1
	grep -qx "walk_result $1" /tmp/walk || { cat /tmp/walk && return 1; }
}

parameters() {
	check parameter-empty-is-refused not fresh pfnmap=
	check parameter-empty-says-why told "takes driver names separated by commas"
	check parameter-overlong-is-refused not fresh "pfnmap=$(printf '%0300d' 0)"
	check parameter-overlong-says-why told "in less than 256 characters"
	check parameter-empty-name-is-refused not fresh pfnmap=amdgpu,,radeon
	check parameter-trailing-comma-is-refused not fresh pfnmap=amdgpu,
	check parameter-bad-character-is-refused not fresh "pfnmap=amd/gpu"
	check parameter-active-is-read-only not fresh pfnmap_active=1

	check parameter-unknown-policy-is-refused not fresh pfnmap_policy=naive
	check parameter-unknown-policy-says-why told "takes auto, reserved or counted"

	fresh pfnmap=nosuchdriver
	modprobe vttm optin=0
	check parameter-unknown-name-opts-nobody-in active ""
	check parameter-unknown-name-says-so told 'driver "vttm" is not in pfnmap=nosuchdriver'
	check parameter-unknown-name-stock-walk walks "Bad address"

	fresh pfnmap=radeon,vttm
	modprobe vttm optin=0
	check parameter-opts-in-a-driver-that-does-not-know active "vttm.0 reserved"
	check parameter-opted-in-walk walks ok

	fresh pfnmap=all
	modprobe vttm optin=1
	check parameter-all-and-the-driver-asks-too active "vttm.0 reserved"
	check parameter-all-no-refusal not told "not opted in"
}

drivers() {
	fresh
	modprobe vttm optin=0
	check off-nobody-opted-in active ""
	check off-stock-walk walks "Bad address"

	fresh
	modprobe vttm dma_alloc=1
	check dma-alloc-is-refused active ""
	check dma-alloc-says-why told "its pages belong to the DMA API"

	fresh
	modprobe vttm bad_vm_ops=1
	check i3-bad-vm-ops-opt-in-first active "vttm.0 reserved"
	check i3-bad-vm-ops-walk-is-stock walks "Bad address"
	check i3-bad-vm-ops-switched-off active ""
	check i3-bad-vm-ops-says-why told "no longer opted in: its vm_ops bypass TTM's"
}

# VFIO never meets a reserved page, in either order; counted pages it may meet.
vfio() {
	fresh
	modprobe vfio || echo "FAIL vfio-module there is no vfio module to test with"
	modprobe vttm
	check vfio-first-auto-is-counted active "vttm.0 counted"
	check vfio-first-auto-says-why told "policy counted: VFIO is loaded"
	check vfio-first-auto-walk walks ok
	fresh pfnmap_policy=reserved
	modprobe vttm
	check vfio-first-forced-is-refused active ""
	check vfio-first-forced-says-why told "not opted in: VFIO is loaded"
	check vfio-first-forced-stock-walk walks "Bad address"
	fresh
	check vfio-can-be-unloaded modprobe -r vfio
	fresh
	modprobe vttm
	check vfio-gone-is-reserved active "vttm.0 reserved"
	check vfio-later-is-refused not modprobe vfio
	check vfio-later-says-why told "vfio is not loaded: it would map BO pages"
	check vfio-later-is-not-there not loaded vfio
	check vfio-later-walk walks ok
	modprobe -r vttm
	check vfio-after-the-last-device-loads modprobe vfio
	modprobe -r vfio
	fresh pfnmap_policy=counted
	modprobe vttm
	check vfio-beside-counted-loads modprobe vfio
	check vfio-beside-counted-walk walks ok
	fresh
	modprobe -r vfio
}

# I8: neither a BO nor a quarantined page outlives the module that knows it.
unload() {
	fresh
	modprobe vttm
	/files/vmm_hold >/tmp/held 2>&1 &
	pid=$!
	n=0
	while ! grep -q held /tmp/held && [ $n -lt 300 ]; do
		n=$((n + 1))
		usleep 100000
	done
	check i8-quarantine-is-alive [ "$(quarantined)" = 256 ]
	check i8-driver-unloads-beside-it rmmod vttm
	modprobe -r drm_ttm_helper 2>/dev/null
	check i8-ttm-does-not not rmmod ttm
	check i8-vfio-neither-while-pages-are-marked not modprobe vfio
	check i4-still-held [ "$(quarantined)" = 256 ]
	kill $pid
	n=0
	while [ "$(quarantined)" != 0 ] && [ $n -lt 100 ]; do
		n=$((n + 1))
		usleep 100000
	done
	check i4-empty-when-the-vmm-is-gone [ "$(quarantined)" = 0 ]
	check i8-then-ttm-unloads rmmod ttm
}

# The column is found by its name in the table's first line.
quarantined() {
	awk 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "pages_quarantined") col = i }
		$1 == "total" { print $col }' /sys/kernel/debug/ttm_pfnmap
}

usual() {
	parameters
	drivers
	vfio
	unload
}

nopat() {
	fresh
	modprobe vttm
	check nopat-auto-is-counted active "vttm.0 counted"
	check nopat-auto-says-why told "policy counted: the kernel runs with nopat"
	check nopat-auto-walk walks ok
	fresh pfnmap_policy=reserved
	modprobe vttm
	check nopat-forced-is-refused active ""
	check nopat-forced-says-why told "not opted in: the kernel runs with nopat"
	check nopat-forced-stock-walk walks "Bad address"
}

unneeded() {
	fresh
	modprobe vttm
	check unneeded-opting-in-succeeds active "vttm.0 none"
	check unneeded-says-so told "this kernel's KVM needs no marks"
	# Nothing is marked, and on this kernel that shows.
	check unneeded-marks-nothing walks "Bad address"
	check unneeded-no-reserved-page grep -qx "after_pages_reserved 0" /tmp/walk
}

load drm && load kvm-amd || exit 1
"$1"
