# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# refusals.sh usual|nopat|command-line|command-line-bad|unneeded|encrypted|sev-es|acrn: who
# may opt in, who may not and is told why, and what stays true afterwards. With
# "command-line" and "command-line-bad" ttm.pfnmap= is a word of the kernel's command
# line. "unneeded" runs a ttm.ko that was built as for a kernel whose KVM does not guess,
# "encrypted" one that is told that SME is active, "sev-es" one that is told that the CPU
# has SEV-ES, "acrn" one that is told that this is ACRN's service VM.

. /guest/checks.sh
VM_OPS=/sys/module/vttm/parameters/vm_ops
# Each test of leaks does what it does so often that 64 KiB lost each time are found;
# ttm.ko alone has 200.
REPEAT=8

# ttm_refused ERROR PARAMETER...: so does the load of ttm.
ttm_refused() {
	error=$1
	shift
	! fresh "$@" && grep -q "$error" /tmp/modprobe
}

# walks RESULT: what a KVM guest makes of a BO.
WALK_MIB=8
walks() {
	/files/demo_walk --mib=$WALK_MIB >/tmp/walk 2>&1
	shown grep -qx "walk_result $1" /tmp/walk
}

# cannot_map: the BO's mapping is refused, with this errno.
cannot_map() {
	/files/demo_walk --mib=$WALK_MIB >/tmp/walk 2>&1
	shown grep -q "mmap of a BO: Operation not supported" /tmp/walk
}

# igt SUBTEST: one of IGT's tests of bad input passes.
igt() {
	/igt/ttm_pfnmap_uapi --run-subtest "$1" >/tmp/walk 2>&1
	shown grep -q "Subtest $1: SUCCESS" /tmp/walk
}

parameters() {
	check parameter-empty-is-refused ttm_refused 'Invalid argument' pfnmap=
	check parameter-empty-says-why told "takes driver names separated by commas"
	check parameter-overlong-is-refused ttm_refused 'File name too long' "pfnmap=$(printf '%0300d' 0)"
	check parameter-overlong-says-why told "in less than 256 characters"
	check parameter-empty-name-is-refused ttm_refused 'Invalid argument' pfnmap=amdgpu,,radeon
	check parameter-trailing-comma-is-refused ttm_refused 'Invalid argument' pfnmap=amdgpu,
	check parameter-bad-character-is-refused ttm_refused 'Invalid argument' "pfnmap=amd/gpu"
	check parameter-latin-1-letter-is-refused ttm_refused 'Invalid argument' "pfnmap=$(printf 'amd\344gpu')"
	check parameter-active-is-read-only ttm_refused 'Operation not permitted' pfnmap_active=1

	check parameter-unknown-policy-is-refused ttm_refused 'Invalid argument' pfnmap_policy=naive
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
	check parameter-all-no-refusal not_told "not opted in"
	check not-told-wants-the-log-since-then lost_log
	vttm_parameters
}

# What is not in a log whose beginning is lost was perhaps told before.
lost_log() (
	# shellcheck disable=SC2034 # that of checks.sh
	FRESH=never
	not not_told "not opted in"
)

# Of the test driver.
vttm_parameters() {
	fresh
	for value in vram_mb=0 vram_mb=1048576 vram_mb=4294967296 vram_mb=-1 vram_mb= vram_mb=x driver= \
		vm_ops=x vm_ops= optin=x dma_alloc=2; do
		check "parameter-vttm-$value-is-refused" vttm_refused "$value"
	done
	check parameter-vttm-vram-says-why told "vttm: vram_mb=0 must be 1 to "
	check parameter-vttm-driver-says-why told "vttm: driver= needs a name"
	check parameter-vttm-good-ones-load modprobe vttm vram_mb=1 driver=other vm_ops=ttm optin=Y
	check parameter-vttm-good-ones-walk walks ok
	modprobe -r vttm
}

# vttm_refused PARAMETER: the load fails and leaves nothing.
vttm_refused() {
	case "$1" in
	vram_mb=4294967296) error='Numerical result out of range' ;;
	*) error='Invalid argument' ;;
	esac
	refused "$error" modprobe vttm "$1" && not loaded vttm
}

# The same again and again, by the one command that loads the module.
bad_parameters() {
	for value in pfnmap= "pfnmap=$(printf '%0300d' 0)" pfnmap=amdgpu,,radeon "pfnmap=amdgpu," \
		"pfnmap=amd/gpu" pfnmap_active=1 pfnmap_policy=naive; do
		! modprobe ttm "$value" 2>/dev/null || return 1
	done
}

bad_parameters_leak_nothing() {
	unloaded
	remember
	for n in $(seq $REPEAT); do
		bad_parameters || return 1
	done
	nothing_lost
}

# named DRIVER WHY: a driver that is known to be unfit is told so when it asks, or
# when the administrator asks for it, and its devices work as without the mode.
named() {
	fresh
	modprobe vttm "driver=$1"
	check "named-$1-is-refused" active ""
	check "named-$1-says-why-once" told_once "vttm.0: not opted in: $2"
	check "named-$1-driver-gets-the-errno" told "$1 vttm.0: not in TTM's PFNMAP mode (-EOPNOTSUPP)"
	check "named-$1-stock-walk" walks "Bad address"
	fresh "pfnmap=$1"
	modprobe vttm "driver=$1" optin=0
	check "named-$1-by-parameter-is-refused" active ""
	check "named-$1-by-parameter-says-why-once" told_once "vttm.0: not opted in: $2"
	fresh "pfnmap=$1"
	modprobe vttm "driver=$1"
	check "named-$1-by-both-says-why-once" told_once "vttm.0: not opted in: $2"
}

# vm_ops VALUE: what no name tells is found at the first mapping, before a page is
# marked, and switches the mode off; or later, and that mapping is refused.
vm_ops() {
	unloaded
	remember
	fresh
	modprobe vttm optin=0 "vm_ops=$1"
	check "i3-$1-stock-maps" walks "Bad address"

	fresh
	modprobe vttm "vm_ops=$1"
	check "i3-$1-opts-in-first" active "vttm.0 reserved"
	check "i3-$1-first-mapping-is-stock" walks "Bad address"
	check "i3-$1-switched-off" active ""
	check "i3-$1-says-why-once" told_once "vttm.0: no longer opted in: its vm_ops bypass TTM's"

	fresh
	modprobe vttm
	check "i3-$1-marks-first" walks ok
	echo "$1" >$VM_OPS
	check "i3-$1-mapping-is-refused" cannot_map
	check "i3-$1-refused-says-why" told "vttm.0: a mapping whose vm_ops bypass TTM's"
	check "i3-$1-still-opted-in" active "vttm.0 reserved"
	echo ttm >$VM_OPS
	check "i3-$1-good-mapping-works-again" walks ok
	check "i3-$1-nothing-in-use" [ -z "$(in_use)" ]
	unloaded
	check "i3-$1-nothing-lost" nothing_lost
}

# asks SUBTEST WHY: IGT asks for what cannot be and checks the errno; the log
# says why.
asks() {
	check "$1" igt "$1"
	check "$1-says-why" told "not opted in: $2"
}

drivers() {
	fresh
	modprobe vttm optin=0
	check off-nobody-opted-in active ""
	check off-stock-walk walks "Bad address"

	fresh
	modprobe vttm dma_alloc=1
	check dma-alloc-is-refused active ""
	check dma-alloc-says-why-once told_once "its pages belong to the DMA API"
	check dma-alloc-driver-gets-the-errno told "vttm.0: not in TTM's PFNMAP mode (-EOPNOTSUPP)"

	named vmwgfx "its mappings have pfn_mkwrite"
	named i915 "its vm_ops have an open of their own"
	vm_ops pfn_mkwrite
	vm_ops page_mkwrite
	# Where it is seen what is lost of a large one.
	WALK_MIB=64
	vm_ops open
	WALK_MIB=8

	fresh
	modprobe vttm twin=1
	asks mode-enable-twice "it has opted in before"
	asks stock-enable-after-first-bo "it has BOs already"
	asks mode-enable-null "no device given"
	asks mode-enable-foreign "the device was not initialised"
}

drivers_leak_nothing() {
	unloaded
	remember
	for n in $(seq $REPEAT); do
		modprobe vttm driver=vmwgfx && modprobe -r vttm &&
			modprobe vttm dma_alloc=1 && modprobe -r vttm || return 1
		! modprobe vttm vram_mb=0 2>/dev/null && ! modprobe vttm driver= 2>/dev/null &&
			! modprobe vttm vm_ops=x 2>/dev/null || return 1
		fresh pfnmap=nosuchdriver && modprobe vttm optin=0 || return 1
		unloaded
	done
	unloaded
	nothing_lost
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
	check vfio-first-forced-says-why-once told_once "not opted in: VFIO is loaded"
	check vfio-first-forced-driver-gets-the-errno told "vttm.0: not in TTM's PFNMAP mode (-EBUSY)"
	check vfio-first-forced-stock-walk walks "Bad address"
	fresh
	check vfio-can-be-unloaded modprobe -r vfio
	fresh
	modprobe vttm
	check vfio-gone-is-reserved active "vttm.0 reserved"
	check vfio-later-is-refused refused 'Device or resource busy' modprobe vfio
	check vfio-later-says-why told "vfio is not loaded: it would map BO pages"
	check vfio-later-is-not-there not loaded vfio
	check vfio-pci-later-is-refused refused 'Device or resource busy' modprobe vfio-pci
	check vfio-type1-later-is-refused refused 'Device or resource busy' modprobe vfio_iommu_type1
	check vfio-later-no-part-is-there not loaded vfio_pci_core
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

# ttm.ko comes when VFIO's core was announced and is not there: it misses the core, and meets
# what would map.
vfio_at_once() {
	unloaded
	load slow_vfio || return
	modprobe vfio &
	pid=$!
	n=0
	while [ "$(cat /sys/module/slow_vfio/parameters/waiting)" = N ] && [ $n -lt 100 ]; do
		n=$((n + 1))
		usleep 100000
	done
	fresh
	modprobe vttm
	check vfio-at-once-is-missed active "vttm.0 reserved"
	check vfio-at-once-was-coming [ "$(cat /sys/module/slow_vfio/parameters/waiting)" = Y ]
	echo Y >/sys/module/slow_vfio/parameters/go_on
	check vfio-at-once-loads wait $pid
	check vfio-at-once-type1-is-refused refused 'Device or resource busy' modprobe vfio_iommu_type1
	check vfio-at-once-says-why told "vfio_iommu_type1 is not loaded: it would map BO pages"
	check vfio-at-once-type1-is-not-there not loaded vfio_iommu_type1
	check vfio-at-once-walk walks ok
	fresh pfnmap_policy=counted
	modprobe vttm
	check vfio-at-once-counted-type1-loads modprobe vfio_iommu_type1
	fresh
	modprobe -r vfio_iommu_type1 vfio
	rmmod slow_vfio
}

# Refused and allowed loads, in turn.
vfio_leaks_nothing() {
	unloaded
	remember
	for n in $(seq $REPEAT); do
		modprobe vttm || return 1
		! modprobe vfio 2>/dev/null || return 1
		unloaded
		modprobe vfio && modprobe -r vfio || return 1
	done
	nothing_lost
}

# I8: neither a BO nor a quarantined page outlives the module that knows it.
unload() {
	fresh
	remember
	modprobe vttm
	/files/vmm_hold >/tmp/held 2>&1 &
	pid=$!
	n=0
	while ! grep -q held /tmp/held && [ $n -lt 300 ]; do
		n=$((n + 1))
		usleep 100000
	done
	check i8-quarantine-is-alive [ "$(quarantined)" = 256 ]
	check leak-check-sees-quarantined seen pages_quarantined
	check leak-check-sees-records seen records
	check i8-driver-unloads-beside-it rmmod vttm
	check i8-quarantine-is-of-a-device-that-is-gone grep -q '^vttm.0 gone ' "$COUNTERS"
	modprobe -r drm_ttm_helper
	check i8-no-module-needs-ttm no_module_needs_ttm
	check i8-ttm-does-not refused 'Resource temporarily unavailable' rmmod ttm
	check i8-vfio-neither-while-pages-are-marked refused 'Device or resource busy' modprobe vfio
	check i4-still-held [ "$(quarantined)" = 256 ]
	kill $pid
	n=0
	while [ "$(quarantined)" != 0 ] && [ $n -lt 100 ]; do
		n=$((n + 1))
		usleep 100000
	done
	check i4-empty-when-the-vmm-is-gone [ "$(quarantined)" = 0 ]
	check i8-nothing-lost nothing_lost
	check i8-then-ttm-unloads rmmod ttm
}

# The check itself: 2 MiB that are kept are missing.
leak_check_can_fail() {
	remember
	dd if=/dev/zero of=/tmp/lost bs=1M count=2 2>/dev/null
	not nothing_lost && rm /tmp/lost && nothing_lost
}

usual() {
	check leak-check-can-fail leak_check_can_fail
	parameters
	check parameters-leak-nothing bad_parameters_leak_nothing
	drivers
	check drivers-leak-nothing drivers_leak_nothing
	vfio
	vfio_at_once
	check vfio-leaks-nothing vfio_leaks_nothing
	unload
}

# unsound NAME REASON: reserved is not sound, so it is not chosen, and refused if forced.
unsound() {
	fresh
	modprobe vttm
	check "$1-auto-is-counted" active "vttm.0 counted"
	check "$1-auto-says-why" told "policy counted: $2"
	check "$1-auto-walk" walks ok
	fresh pfnmap_policy=reserved
	modprobe vttm
	check "$1-forced-is-refused" active ""
	check "$1-forced-says-why-once" told_once "not opted in: $2"
	check "$1-forced-driver-gets-the-errno" told "vttm.0: not in TTM's PFNMAP mode (-EBUSY)"
	check "$1-forced-stock-walk" walks "Bad address"
	check "$1-leaks-nothing" loads_leak_nothing
}

# The refused load and the one that is not, in turn.
loads_leak_nothing() {
	unloaded
	remember
	for n in $(seq $REPEAT); do
		fresh && modprobe vttm && fresh pfnmap_policy=reserved && modprobe vttm || return 1
	done
	unloaded
	nothing_lost
}

nopat() {
	unsound nopat "the kernel runs with nopat"
}

# The parameter is a word of the kernel's command line, as an administrator has it.
command_line() {
	fresh
	check command-line-is-the-parameter grep -qx radeon,vttm /sys/module/ttm/parameters/pfnmap
	modprobe vttm optin=0
	check command-line-opts-in active "vttm.0 reserved"
	check command-line-walk walks ok
}

command_line_bad() {
	check command-line-bad-is-refused ttm_refused 'Invalid argument'
	check command-line-bad-says-why told "takes driver names separated by commas"
	check command-line-bad-is-not-there not loaded ttm
	check command-line-bad-leaks-nothing command_line_bad_leaks_nothing
}

command_line_bad_leaks_nothing() {
	remember
	for n in $(seq $REPEAT); do
		! modprobe ttm 2>/dev/null || return 1
	done
	nothing_lost
}

encrypted() {
	unsound encrypted "memory encryption is active"
}

sev_es() {
	unsound sev-es "SEV-ES guests can move to another process"
}

acrn() {
	unsound acrn "ACRN's service VM"
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

# What opting in comes to in such a machine. (Tests that force one have names that say so.)
case "$1" in
usual | command-line) echo "TTM-PFNMAP-POLICY reserved" ;;
nopat | encrypted | sev-es | acrn) echo "TTM-PFNMAP-POLICY counted" ;;
esac
load drm && load_kvm || exit 1
"$(echo "$1" | tr - _)"
