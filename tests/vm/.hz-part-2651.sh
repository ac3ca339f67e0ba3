#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check.sh KERNEL...: build everything, run every suite, collect the results in
# build/results. One stream of work per kernel, side by side.

. tests/vm/lib.sh

RESULTS=$BUILD/results
RAW=$RESULTS/raw
# Ways to boot, see guest/refusals.sh.
REFUSALS='usual nopat unneeded'

plan() { echo "$*" >>"$RESULTS/plan"; }

# suite SUITE KERNEL FILE COMMAND...: run a command that prints result lines.
suite() {
	local name=$1.$2.$3 text=$RAW/$1.$2.$3.part rc=0 start=$SECONDS
	shift 3
	"$@" >"$text" 2>"$LOGS/$name.log" </dev/null || rc=$?
	if [ $rc -eq 0 ] && ! grep -q '^PASS ' "$text"; then
		echo "PASS suite-exit" >>"$text"
	elif [ $rc -ne 0 ] && ! grep -q '^FAIL ' "$text"; then
		echo "FAIL suite-exit exit $rc without a failed test: $(tail -n 1 "$LOGS/$name.log")" >>"$text"
	fi
	mv "$text" "$RAW/$name.txt"
	printf '  %3d s  suite %s: %d passed, %d failed\n' $((SECONDS - start)) "$name" \
		"$(grep -c '^PASS ' "$RAW/$name.txt")" "$(grep -c '^FAIL ' "$RAW/$name.txt")"
}

# vm_suite SUITE KERNEL FILE IMAGE SCRIPT ARGS SECONDS: run a guest script; that
# the VM ends well and the kernel's log is clean are two more tests of it.
vm_suite() {
	local name=$1.$2.$3 vm=$BUILD/$2/vm
	rm -f "$vm/$name".{out,console,verdict}
	VM_OUT=$name VM_ARGS=$6 VM_SECONDS=$7 "$VM_DIR/run-vm.sh" "$2" "$4" "$5" 2>"$LOGS/$name.log" ||
		printf '  fail   VM %s: %s\n' "$name" "$(grep -m 1 'error:' "$LOGS/$name.log")"
	[ -f "$vm/$name.verdict" ] || return 0
	cat "$vm/$name.out" "$vm/$name.verdict" >"$RAW/$name.txt"
}

# The hazard tests have boots of their own, see guest/{hazard,vfio}.sh.
igt_programs() {
	(cd "$REPO/tests/igt" && for file in *.c; do echo "${file%.c}"; done) |
		grep -vxE 'ttm_pfnmap_(hazard|vfio)'
}

# What there is to be seen of the policy "counted" beyond the hazards. (The rest
# is about the quarantine, or makes no difference between the policies.)
COUNTED='ttm_pfnmap_kvm ttm_pfnmap_kvm_move ttm_pfnmap_kvm_share ttm_pfnmap_uapi'
HAZARDS='naive reserved counted vfio.naive vfio.counted'
# A machine with an IOMMU and a device that does DMA.
VFIO_QEMU='-machine q35 -device intel-iommu,intremap=off -device edu'

# naive_suite KERNEL FILE SCRIPT: hazards under the naive mark. It hands out memory that is
# in use, so it may well bring the kernel down before its tests have ended: that is
# the defect, too, and takes the place of their results. A kernel that says nothing
# of corrupted memory leaves the failures as they are.
naive_suite() {
	local name=hazard.$1.$2 said
	VM_APPEND="oops=panic ${VM_APPEND:-}" vm_suite hazard "$1" "$2" naive "$3" naive 240
	! grep -qx 'PASS kernel-log' "$RAW/$name.txt" || return 0
	said=$(grep -m 1 -oE 'BUG: Bad page state.*|list_(add|del) corruption.*|kernel BUG at (mm|lib|include/linux)/.*' \
		"$BUILD/$1/vm/$name.console") || return 0
	printf '        the naive mark brought the kernel of %s down: %s\n' "$name" "$said"
	printf 'TTM-PFNMAP-POLICY naive\nPASS naive-brings-the-kernel-down %s\n' "$said" >"$RAW/$name.txt"
}

vfio_suites() {
	export VM_QEMU=$VFIO_QEMU VM_APPEND=intel_iommu=on
	# VFIO un-charges the process for pages that it never charged it for.
	VM_ANNOUNCED=<(echo __account_locked_vm) naive_suite "$1" vfio.naive vfio.sh
	vm_suite hazard "$1" vfio.counted check vfio.sh counted 240
	unset VM_QEMU VM_APPEND
}

plan_kernel() {
	local program
	plan abi "$1" abi
	plan smoke "$1" smoke
	plan demo "$1" demo
	plan rig "$1" self-test
	for program in $REFUSALS; do
		plan refusals "$1" "$program"
	done
	for program in $(igt_programs); do
		plan igt "$1" "$program"
	done
	for program in $COUNTED; do
		plan igt "$1" "$program.counted"
	done
	for program in $HAZARDS; do
		plan hazard "$1" "$program"
	done
}

stream() {
	local program
	export FILES=tools/demo_walk:tools/vmm_hold
	"$VM_DIR/overlay.sh" "$1"
	"$VM_DIR/initramfs.sh" "$1" check ours drm_ttm_helper kvm-amd brd vfio-pci vfio_iommu_type1
	vm_suite smoke "$1" smoke check smoke.sh '' 120
	suite demo "$1" demo "$VM_DIR/demo.sh" "$1"
	suite rig "$1" self-test "$VM_DIR/self-test.sh" "$1"
	for program in $(igt_programs); do
		vm_suite igt "$1" "$program" check igt.sh "$program" 900
	done
	for program in $COUNTED; do
		vm_suite igt "$1" "$program.counted" check igt.sh "policy=counted,$program" 900
	done
	"$VM_DIR/overlay.sh" "$1" naive
	"$VM_DIR/initramfs.sh" "$1" naive naive drm_ttm_helper kvm-amd vfio-pci vfio_iommu_type1
	# Half of the memory is filled again and again: it is to be small.
	export VM_MEMORY=768
	naive_suite "$1" naive hazard.sh
	vm_suite hazard "$1" reserved check hazard.sh reserved 600
	vm_suite hazard "$1" counted check hazard.sh counted 600
	unset VM_MEMORY
	vfio_suites "$1"
	suite abi "$1" abi "$VM_DIR/abi.sh" "$1"
	"$VM_DIR/overlay.sh" "$1" unneeded
	"$VM_DIR/initramfs.sh" "$1" unneeded unneeded drm_ttm_helper kvm-amd
	vm_suite refusals "$1" usual check refusals.sh usual 300
	VM_APPEND=nopat vm_suite refusals "$1" nopat check refusals.sh nopat 300
	vm_suite refusals "$1" unneeded unneeded refusals.sh unneeded 300
}

# Of its own: KUnit compiles a kernel, on 6.12 alone.
kunit_stream() {
	suite kunit 6.12 kunit "$VM_DIR/kunit.sh"
}

mkdir -p "$RAW" "$LOGS"
k=6.1
export FILES=tools/demo_walk:tools/vmm_hold
"$VM_DIR/build-igt.sh"
"$VM_DIR/overlay.sh" "$k"; "$VM_DIR/initramfs.sh" "$k" check ours drm_ttm_helper kvm-amd brd vfio-pci vfio_iommu_type1
"$VM_DIR/overlay.sh" "$k" naive; "$VM_DIR/initramfs.sh" "$k" naive naive drm_ttm_helper kvm-amd vfio-pci vfio_iommu_type1
export VM_MEMORY=768; naive_suite 6.1 naive hazard.sh;  vm_suite hazard 6.1 counted check hazard.sh counted 600;  vm_suite hazard 6.1 reserved check hazard.sh reserved 600
