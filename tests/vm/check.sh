#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check.sh KERNEL...: build everything, run every suite, collect the results in
# build/results. One stream of work per kernel, side by side.
# check.sh debug KERNEL...: the suites that say more on a debug kernel, on those; takes hours,
# and if it is stopped, the next one goes on with the machine that ran. In
# build/results-debug.
# check.sh intel KERNEL...: those that say more on an Intel CPU, on one.

. "${0%/*}/lib.sh" || exit
. "$VM_DIR/go-on.sh"
unset PLAN

RESULTS=${RESULTS:-$BUILD/results}
RAW=$RESULTS/raw
# Ways to boot, and builds, see guest/refusals.sh.
REFUSALS='usual nopat command-line command-line-bad unneeded encrypted sev-es acrn'

# plan SUITE KERNEL FILE: what is to run. FILE is the name of the test program or of the
# script, perhaps with ".POLICY" or what else is special; results.py makes class names of it.
plan() { echo "$*" >>"${PLAN:-$RESULTS/plan}"; }

# suite SUITE KERNEL FILE COMMAND...: run a command that prints result lines. The demo
# prints none, and has passed if it ended well and said what its two halves proved.
suite() {
	local name=$1.$2.$3 text=$RAW/$1.$2.$3.part rc=0 start=$SECONDS cpu
	cpu=$(cpu_seconds)
	local silent='FAIL suite-exit it ended well without the result of a single test'
	shift 3
	printf '  ....   suite %s\n' "$name"
	"$@" >"$text" 2>"$LOGS/$name.log" </dev/null || rc=$?
	if [ $rc -eq 0 ] && ! grep -qE '^(PASS|FAIL) ' "$text"; then
		[ "$(grep -cE '^Proved in .* Next: [A-Z]' "$text")" != 2 ] || silent='PASS suite-exit'
		echo "$silent" >>"$text"
	elif [ $rc -ne 0 ] && ! grep -q '^FAIL ' "$text"; then
		echo "FAIL suite-exit exit $rc without a failed test: $(tail -n 1 "$LOGS/$name.log")" >>"$text"
	fi
	mv "$text" "$RAW/$name.txt"
	printf '  %3d s  suite %s: %d passed, %d failed, %d s of CPU\n' $((SECONDS - start)) "$name" \
		"$(grep -c '^PASS ' "$RAW/$name.txt")" "$(grep -c '^FAIL ' "$RAW/$name.txt")" $(($(cpu_seconds) - cpu))
}

# has_result NAME: check-long.sh, or this for debug kernels, was stopped after this one, and
# goes on.
has_result() {
	[ -n "${RESUME:-}" ] && grep -qE '^PASS (vm-ends|naive-brings-the-kernel-down)' "$RAW/$1.txt" 2>/dev/null
}

# vm_suite SUITE KERNEL FILE IMAGE SCRIPT ARGS SECONDS: run a guest script; that
# the VM ends well and the kernel's log is clean are two more tests of it. VM_RUN is
# what runs the VM.
vm_suite() {
	local name=$1.$2.$3 vm=$BUILD/$2/vm
	! has_result "$name" || return 0
	rm -f "$vm/$name".{out,console,verdict}
	VM_OUT=$name VM_ARGS=$6 VM_SECONDS=$7 "$VM_DIR/${VM_RUN:-run-vm.sh}" "$2" "$4" "$5" 2>"$LOGS/$name.log" ||
		printf '  fail   VM %s: %s\n' "$name" "$(grep -m 1 'error:' "$LOGS/$name.log")"
	[ -f "$vm/$name.verdict" ] || return 0
	cat "$vm/$name.out" "$vm/$name.verdict" >"$RAW/$name.txt"
}

# try_again NAME TRY WHY: a suite is to be run once more. What it printed is kept, as
# NAME.try-TRY, and the table tells of it. To begin with: tries_begin NAME; in the end,
# tried NAME.
tries_begin() { rm -f "$RAW/$1".{txt,again,try-*}; }

try_again() {
	local file
	for file in "$RAW/$1.txt" "$BUILD"/*/vm/"$1".{console,l2,qemu,bochs}; do
		[ ! -f "$file" ] || cp "$file" "$RAW/$1.try-$2.${file##*.}"
	done
	rm -f "$RAW/$1.txt"
	printf '        %s is run again: %s\n' "$1" "$3"
	echo "SKIP try-$2 $3" >>"$RAW/$1.again"
}

tried() {
	[ ! -f "$RAW/$1.txt" ] || [ ! -f "$RAW/$1.again" ] || cat "$RAW/$1.again" >>"$RAW/$1.txt"
}

# bochs_hung NAME: says so if the last run ended like this. Some machines of Bochs hang, for
# no reason that is known.
bochs_hung() {
	[ "${VM_RUN:-}" = run-bochs.sh ] || return
	grep -qs '^FAIL vm-ends the VM hung' "$RAW/$1.txt" || return
	echo "the machine hung: the last that it said is \"$(grep -vE '^(PASS|FAIL|SKIP) (vm-ends|kernel-log)' "$RAW/$1.txt" | tail -n 1)\""
}

# nothing_failed NAME: but that the machine did not end.
nothing_failed() {
	local failed
	failed=$(grep -aE '^FAIL |^(Dynamic s|S)ubtest \S+: (FAIL|CRASH|TIMEOUT)' "$RAW/$1.txt" | grep -av '^FAIL vm-ends') || true
	[ -z "$failed" ]
}

# intel_suite: as vm_suite, in Bochs. A machine that hung is run again, once; not one in
# which something had failed by then.
intel_suite() {
	local name=$1.$2.$3 VM_RUN=run-bochs.sh why
	! has_result "$name" || return 0
	tries_begin "$name"
	vm_suite "$@"
	if why=$(bochs_hung "$name") && nothing_failed "$name"; then
		try_again "$name" 1 "$why"
		vm_suite "$@"
	fi
	tried "$name"
}

# Some have boots of their own, see guest/{hazard,fuzz,memory,vfio,pressure,faults}.sh.
# Those of virtio-gpu need a GPU, those of EPT and VMX an Intel CPU.
igt_programs() {
	(cd "$REPO/tests/igt" && for file in *.c; do echo "${file%.c}"; done) |
		grep -vxE 'ttm_pfnmap_(hazard|fuzz|memory|vfio|pressure|faults|ept|nested)|virtgpu_.*'
}

# The rest share two machines. After each subtest of these all pages are looked at; it takes
# its time.
EACH='ttm_pfnmap_kvm_move ttm_pfnmap_kvm_share ttm_pfnmap_lifetime'
EACH+=' ttm_pfnmap_lifetime_nokvm ttm_pfnmap_quarantine ttm_pfnmap_reuse'

# igt_words each|reserved: what igt.sh is told for one of the two.
igt_words() {
	local program words=''
	for program in $(igt_programs | grep -vx ttm_pfnmap_leak) ttm_pfnmap_leak; do
		case " $EACH " in
		*" $program "*) [ "$1" != each ] || words+=,$program ;;
		*) [ "$1" = each ] || words+=,$program ;;
		esac
	done
	[ "$1" != each ] || printf each,
	echo "${words#,}"
}

# What there is to be seen of the policy "counted" beyond the hazards, in one machine.
# (Not the quarantine's bound and its reuse, which only "reserved" has.)
COUNTED='ttm_pfnmap_kvm ttm_pfnmap_kvm_move ttm_pfnmap_kvm_share ttm_pfnmap_lifetime'
# What leaks comes last.
COUNTED+=' ttm_pfnmap_quarantine ttm_pfnmap_lifetime_nokvm ttm_pfnmap_refs ttm_pfnmap_uapi ttm_pfnmap_leak'
HAZARDS='hazard.naive hazard.reserved hazard.counted
	fuzz.naive fuzz.reserved fuzz.reuse fuzz.counted
	memory.reserved memory.counted vfio.naive vfio.counted'
# For machines whose scripts do one thing after another, and load modules again and again:
# emulated CPUs wait for each other at each.
ONE_CPU='-accel tcg,thread=multi -cpu max,-erms,-fsrm -smp 1'
# The modules of their machines.
MODULES='drm_ttm_helper kvm-amd kvm-intel brd virtio_blk virtio_pci vfio-pci vfio_iommu_type1'
# A machine with an IOMMU and a device that does DMA.
VFIO_QEMU='-machine q35 -device intel-iommu,intremap=off -device edu'

# naive_suite KERNEL FILE SCRIPT [SWAPOUTS SECONDS]: hazards under the naive mark. It
# hands out memory that is in use, so it may well bring the kernel down before its
# tests have ended: that is the defect, too, and takes the place of the results that
# are missing, which are skipped. It may die of anything, though, and complain of anything
# (to be out of memory, for example): only one that dies and says that memory is corrupted
# counts, another is run again, and the third's failures stay as they are.
naive_suite() {
	local name=hazard.$1.$2 console=$BUILD/$1/vm/hazard.$1.$2.console said try why
	! has_result "$name" || return 0
	tries_begin "$name"
	for try in 1 2 3; do
		VM_APPEND="oops=panic ${VM_APPEND:-}" vm_suite hazard "$1" "$2" naive "$3" \
			"naive${4:+,$4}" "${5:-400}"
		said=
		if grep -qx 'PASS vm-ends' "$RAW/$name.txt"; then
			why=$(grep -m 1 '^FAIL kernel-log' "$RAW/$name.txt") || break
			why="the kernel complained of what no test had announced: $why"
		elif said=$(grep -a -m 1 -oE 'BUG: Bad page state.*|list_(add|del) corruption.*|kernel BUG at (mm|lib|include/linux)/.*' \
			"$console"); then
			break
		elif ! why=$(bochs_hung "$name"); then
			why="the kernel died without a word of corrupted memory: $(grep -m 1 'FAIL vm-ends' "$RAW/$name.txt" || true)"
		fi
		[ "$try" = 3 ] || try_again "$name" "$try" "$why"
	done
	if [ -n "$said" ]; then
		printf '        the naive mark brought the kernel of %s down: %s\n' "$name" "$said"
		naive_results "$BUILD/$1/vm/$name.out" "$said" >"$RAW/$name.txt"
	fi
	tried "$name"
}

# naive_results OUT SAID: what is left of a naive kernel that died with SAID.
naive_results() {
	echo 'TTM-PFNMAP-POLICY naive'
	grep -a '^Subtest ' "$1" || true
	echo "PASS naive-brings-the-kernel-down $2"
	awk '$1 == "TTM-PFNMAP-LISTED" { name[n++] = $2 }
		$1 == "Subtest" { sub(/:$/, "", $2); reported[$2] }
		END {
			for (i = 0; i < n; i++)
				if (!(name[i] in reported))
					print "SKIP", name[i], "the naive kernel was down"
		}' "$1"
}

# What corrupts memory, or would. check-long.sh sets how much is tried.
hazard_suites() {
	# Half of the memory is filled again and again: it is to be small.
	export VM_MEMORY=768
	naive_suite "$1" hazard.naive hazard.sh "${SWAPOUTS:-}" "${SWAPOUTS:+1800}"
	vm_suite hazard "$1" hazard.reserved check hazard.sh "reserved${SWAPOUTS:+,$SWAPOUTS}" "${HAZARD_SECONDS:-600}"
	vm_suite hazard "$1" hazard.counted check hazard.sh "counted${SWAPOUTS:+,$SWAPOUTS}" "${HAZARD_SECONDS:-600}"
	[ -z "${SWAPOUTS:-}" ] || vm_suite hazard "$1" hazard.reuse check hazard.sh "reuse,$SWAPOUTS" "$HAZARD_SECONDS"
	naive_suite "$1" fuzz.naive fuzz.sh '' 150
	vm_suite hazard "$1" fuzz.reserved check fuzz.sh "reserved${ROUNDS:+,--rounds=$ROUNDS}" "${HAZARD_SECONDS:-300}"
	vm_suite hazard "$1" fuzz.reuse check fuzz.sh "reuse${ROUNDS:+,--rounds=$ROUNDS}" "${HAZARD_SECONDS:-300}"
	vm_suite hazard "$1" fuzz.counted check fuzz.sh "counted${ROUNDS:+,--rounds=$ROUNDS}" "${HAZARD_SECONDS:-300}"
	memory_begin "$1"
	unset VM_MEMORY
	# 10 GiB through 256 MiB; check.sh has less of it, in ttm_pfnmap_quarantine.
	[ -z "${SWAPOUTS:-}" ] || vm_suite hazard "$1" churn.reserved check churn.sh \
		--churn=10240,--live=256 "${HAZARD_SECONDS:-3600}"
	vfio_suites "$1"
	memory_end "$1"
}

# With a disk to hibernate to, each. At once, and beside what follows: for most of the time
# they wait for their clocks.
memory_begin() {
	local policy disk
	memory=()
	for policy in reserved counted; do
		disk=$1/vm/hibernate.$policy.img
		truncate -s 1G "$BUILD/$disk"
		VM_QEMU="-drive if=virtio,format=raw,file=/build/$disk" \
			"$0" --memory "$1" "$policy" &
		memory+=($!)
	done
}

memory_end() {
	local pid
	# One without results is missed in the end, as it is in the plan.
	for pid in "${memory[@]}"; do
		wait "$pid" || true
	done
	rm "$BUILD/$1"/vm/hibernate.*.img
}

vfio_suites() {
	export VM_QEMU=$VFIO_QEMU VM_APPEND=intel_iommu=on
	naive_suite "$1" vfio.naive vfio.sh '' 150
	vm_suite hazard "$1" vfio.counted check vfio.sh counted 240
	unset VM_QEMU VM_APPEND
}

naive_image() {
	"$VM_DIR/overlay.sh" "$1" naive
	# shellcheck disable=SC2086 # one module a word
	"$VM_DIR/initramfs.sh" "$1" naive naive $MODULES
}

our_image() {
	export FILES=tools/demo_walk:tools/vmm_hold:tools/bad_vma:tools/verify_pages
	"$VM_DIR/overlay.sh" "$1"
	# shellcheck disable=SC2086 # one module a word
	"$VM_DIR/initramfs.sh" "$1" check ours $MODULES
}

# ttm_users KERNEL: the modules that depend on ttm, as Debian ships them.
ttm_users() {
	awk -F : '$2 ~ /\/ttm\.ko/ { sub(/.*\//, "", $1); sub(/\.ko.*/, "", $1); print $1 }' \
		"$(kernel_dir "$1")/usr/lib/modules/$(kernel_release "$1")/modules.dep"
}

# Debian's drivers on our ttm.ko, and one of them with its device; and the stock twin.
drivers_suites() {
	local VM_QEMU='-device bochs-display' VM_CPU=$ONE_CPU
	export VM_QEMU VM_CPU
	# shellcheck disable=SC2046 # one module a word
	FILES=tools/dumb_walk:tools/verify_pages "$VM_DIR/initramfs.sh" "$1" drivers ours \
		kvm-amd $(ttm_users "$1")
	FILES=tools/dumb_walk "$VM_DIR/initramfs.sh" "$1" drivers-stock stock kvm-amd bochs
	vm_suite drivers "$1" stock-drivers.ours drivers stock-drivers.sh ours 400
	vm_suite drivers "$1" stock-drivers.stock drivers-stock stock-drivers.sh stock 180
}

plan_hazards() {
	local program
	for program in $HAZARDS ${SWAPOUTS:+hazard.reuse churn.reserved}; do
		echo "hazard $1 $program"
	done
}

# The device uses the DMA API, and its addresses are not the memory's.
GPU_IOMMU='-device intel-iommu,intremap=off -global virtio-gpu-gl-device.iommu_platform=on'

gpu_image() {
	"$VM_DIR/build-mesa.sh"
	FILES=mesa/venus_map:mesa/virgl_map:tools/lost_mapping.so:tools/verify_pages:tools/unplug_use "$VM_DIR/initramfs.sh" "$1" gpu ours \
		virtio_pci virtio_blk ext4 crc32c_generic virtio-gpu kvm-amd
}

# What the long mixes of blobs are, for check-long.sh.
plan_blobs() {
	echo "blobs $1 fuzz.ttm_blobs"
	echo "blobs $1 fuzz.stock"
}

blobs_suites() {
	local VM_RUN=run-gpu-vm.sh
	vm_suite blobs "$1" fuzz.ttm_blobs gpu gpu.sh \
		"ttm_blobs=1,virtgpu_blob_fuzz,--rounds=$ROUNDS" "$HAZARD_SECONDS"
	# Its window is full soon, and that is all that it is to show.
	vm_suite blobs "$1" fuzz.stock gpu gpu.sh \
		"ttm_blobs=0,virtgpu_blob_fuzz,--rounds=$((ROUNDS < 20 ? ROUNDS : 20))" "$HAZARD_SECONDS"
}

# gpu_images KERNEL: virtio-gpu with TTM in charge of its window; and Debian's own driver, for
# the chain's guest and for what it does by itself.
gpu_images() {
	gpu_image "$1"
	FILES=tools/gpu_check:tools/unplug_use "$VM_DIR/initramfs.sh" "$1" l2 stock virtio_pci virtio-gpu
}

# gpu_stream KERNEL: the blobs, where much is waited for, and the stock twin.
gpu_stream() {
	local VM_RUN=run-gpu-vm.sh
	gpu_images "$1"
	vm_suite gpu "$1" virtgpu_blob gpu gpu.sh \
		ttm_blobs=1,virtgpu_blob_overcommit,virtgpu_blob_window,virtgpu_blob_kinds,virtgpu_blob_kvm,virtgpu_blob_late,virtgpu_blob_fuzz 900
	vm_suite gpu "$1" virtgpu_blob.stock gpu gpu.sh \
		ttm_blobs=0,virtgpu_blob_overcommit,virtgpu_blob_window,virtgpu_blob_kinds,virtgpu_blob_kvm,virtgpu_blob_late,virtgpu_blob_fuzz 600
	# Debian's own driver, which ttm_blobs=0 is to be like.
	FILES='' "$VM_DIR/initramfs.sh" "$1" gpu-debian stock virtio_pci virtio-gpu kvm-amd
	vm_suite gpu "$1" virtgpu_blob.debian gpu-debian gpu.sh debian,virtgpu_blob_overcommit,virtgpu_blob_kinds 300
	vm_suite gpu "$1" virtgpu_guest.debian gpu-debian gpu.sh \
		"debian,virtgpu_blob_guest,only=guest-bad-arguments|mmap-arguments-.*" 240
	vm_suite gpu "$1" unplug.stock l2 unplug-stock.sh '' 240
}

# guest_stream KERNEL: what the guest gives, and who uses it: Mesa, a console, a guest's guest.
guest_stream() {
	local VM_RUN=run-gpu-vm.sh
	gpu_images "$1"
	# Too large for the addresses below 4 GiB.
	VM_HOSTMEM=2G vm_suite gpu "$1" virtgpu_window64 gpu gpu.sh ttm_blobs=1,virtgpu_blob_map_info 300
	VM_HOSTMEM=2G vm_suite gpu "$1" virtgpu_window64.stock gpu gpu.sh ttm_blobs=0,virtgpu_blob_map_info 300
	# The tests fill the memory.
	VM_MEMORY=1024 vm_suite gpu "$1" virtgpu_guest gpu gpu.sh \
		ttm_blobs=1,virtgpu_blob_entries,virtgpu_blob_guest,virtgpu_blob_faults 600
	VM_MEMORY=1024 vm_suite gpu "$1" virtgpu_guest.stock gpu gpu.sh \
		ttm_blobs=0,virtgpu_blob_entries,virtgpu_blob_guest 600
	VM_QEMU=$GPU_IOMMU VM_APPEND=intel_iommu=on vm_suite gpu "$1" virtgpu_guest.iommu gpu gpu.sh \
		ttm_blobs=1,virtgpu_blob_guest,virtgpu_blob_faults 400
	VM_MEMORY=1024 VM_APPEND=ttm.pfnmap_policy=counted vm_suite gpu "$1" virtgpu_guest.counted gpu gpu.sh \
		ttm_blobs=1,virtgpu_blob_guest,virtgpu_blob_kvm 600
	VM_APPEND='nopat ttm.pfnmap_policy=reserved' vm_suite gpu "$1" virtgpu_guest.refused gpu gpu.sh \
		refused,virtgpu_blob_guest,only=guest-kvm-.* 240
	vm_suite gpu "$1" fbdev gpu fbdev.sh ttm_blobs=1 180
	vm_suite gpu "$1" fbdev.stock gpu fbdev.sh ttm_blobs=0 180
	poweroff_suite "$1" poweroff ttm_blobs=1 'the queues are broken: .*'
	VM_ANNOUNCED=$VM_DIR/guest/poweroff.announced \
		poweroff_suite "$1" poweroff.stock ttm_blobs=0 'WARNING: .*virtio_gpu_queue_[a-z_]*'
	mesa_suite "$1" mesa ttm_blobs=1
	mesa_suite "$1" mesa.stock ttm_blobs=0
	VM_RUN=run-chain-vm.sh
	chain_suite "$1" chain ttm_blobs=1 900
	chain_suite "$1" chain.stock ttm_blobs=0 600
}

# poweroff_suite KERNEL NAME MODE TEXT: does a command meet the broken queue, so that the
# kernel's log holds TEXT? It need not, if nothing was sent in that moment, or the queue was full
# and all waited: then once more.
poweroff_suite() {
	local raw=$RAW/gpu.$1.$2.txt try said
	! has_result "gpu.$1.$2" || return 0
	for try in 1 2 3 4; do
		rm -f "$raw"
		vm_suite gpu "$1" "$2" gpu poweroff.sh "$3" 120
		# One that did not end, or complained of anything else, is a result.
		! said=$(grep -s -m 1 -oE "$4" "$BUILD/$1/vm/gpu.$1.$2.console") || break
		grep -qs '^FAIL' "$raw" && return
		[ -f "$raw" ] || return 0
	done
	[ -f "$raw" ] || return 0
	if [ -n "$said" ]; then
		echo "PASS poweroff-meets-a-broken-queue in machine $try: $said"
	else
		echo "SKIP poweroff-meets-a-broken-queue in none of $try machines"
	fi >>"$raw"
}

# renderer_silent NAME: Mesa ended programs of Venus, for their renderer, a process of the
# host's, gave no sign of life for some seconds. So it does if that process is killed, or
# stopped for a while; it was seen once, on a busy host. What it looks at is in a blob, so a
# mapping that we got wrong would look the same: says so only if QEMU had that process'
# commands (SUBMIT_3D is 0x207) refused, no other, nothing else failed, and no blob was
# refused, late or lost.
renderer_silent() {
	local raw=$RAW/$1.txt silent refused='^FAIL host-accepts [^:]*: [0-9]+ x ctrl 0x207, error [^;]*$'
	silent='^FAIL overcommit-(compete-)?venus(\.[0-9])? (not on Venus|ended): .*aborting on expired ring alive status'
	grep -qsE "$silent" "$raw" && grep -qE "$refused" "$raw" || return
	if grep -a '^FAIL ' "$raw" | grep -avE "$silent|$refused|^FAIL overcommit-compete-evictions " >/dev/null; then
		return 1
	fi
	! grep -qaE '^(refused|timeouts|left-out|lost) [1-9]' "$raw" || return
	grep -m 1 -E "$silent" "$raw"
}

# mesa_suite KERNEL NAME MODE: a run in which a renderer fell silent is made again, and the
# third's failures stay.
mesa_suite() {
	local name=gpu.$1.$2 try why
	! has_result "$name" || return 0
	tries_begin "$name"
	for try in 1 2 3; do
		vm_suite gpu "$1" "$2" gpu mesa.sh "$3" 300
		if [ "$try" = 3 ] || ! why=$(renderer_silent "$name"); then
			break
		fi
		try_again "$name" "$try" "the host's renderer fell silent: $why"
	done
	tried "$name"
}

# chain_suite KERNEL NAME MODE SECONDS: a guest's guest. Its kernel may fail over what is
# emulated twice (it was seen to hang, and to warn in __hrtimer_run_queues()): a run in
# which it did not end, or complained, is made again, and the third's failures stay. Not
# one in which there is more: a host that complains or refuses, a lost mapping, wrong data,
# a blob that was late, a thread of QEMU that the driver keeps.
chain_suite() {
	local name=gpu.$1.$2 raw=$RAW/gpu.$1.$2.txt try why
	! has_result "$name" || return 0
	tries_begin "$name"
	for try in 1 2 3; do
		vm_suite gpu "$1" "$2" gpu chain.sh "$3" "$4"
		if [ "$try" = 3 ] || ! why=$(grep -m 1 -E '^FAIL (l2-ends|l2-kernel-log)' "$raw") ||
			grep -qE '^FAIL (kernel-log|vm-ends|host-accepts|no-bad-address|window-is-well|driver-lets-go|l2-host-accepts L1 refused [1-9])' "$raw" ||
			{ grep -q 'wrong-from-cpu=' "$raw" && grep -q '^FAIL overcommit-data' "$raw"; }; then
			break
		fi
		try_again "$name" "$try" "the guest's guest did not end well: $why"
	done
	tried "$name"
}

# The CPU is Intel's, in an emulator that is slower than QEMU.
plan_intel() {
	echo "intel $1 intel.reserved"
	echo "intel $1 intel.counted"
	echo "hazard $1 intel.naive"
}

intel_suites() {
	local policy
	VM_RUN=run-bochs.sh naive_suite "$1" intel.naive intel.sh '' 900
	for policy in reserved counted; do
		intel_suite intel "$1" "intel.$policy" check intel.sh "$policy" 1800
	done
}

# intel_short KERNEL: what make check has of them, on one kernel, and what else one is enough
# for.
intel_short() {
	suite bench "$1" bench-blobs "$VM_DIR/bench-blobs.sh" "$1"
	intel_suite intel "$1" intel.short check intel.sh reserved,short 900
	VM_RUN=run-bochs.sh naive_suite "$1" intel.naive intel.sh '' 900
}

intel_stream() {
	our_image "$1"
	naive_image "$1"
	intel_suites "$1"
}

plan_kernel() {
	local program
	plan abi "$1" abi
	plan abi "$1" vm-ops
	plan smoke "$1" smoke
	plan demo "$1" demo
	plan drivers "$1" stock-drivers.ours
	plan drivers "$1" stock-drivers.stock
	for program in $REFUSALS; do
		plan refusals "$1" "refusals.$program"
	done
	plan hazard "$1" violation
	plan igt "$1" igt.reserved
	plan igt "$1" igt.each
	plan igt "$1" igt.counted
	plan_hazards "$1" >>"${PLAN:-$RESULTS/plan}"
	for program in reserved counted; do
		plan faults "$1" "faults.$program"
	done
	for program in naive reserved counted; do
		plan verify "$1" "verify.$program"
	done
	plan pressure "$1" ttm_pfnmap_pressure
	for program in virtgpu_blob virtgpu_blob.stock virtgpu_blob.debian virtgpu_guest.debian virtgpu_window64 virtgpu_window64.stock \
		virtgpu_guest virtgpu_guest.stock virtgpu_guest.iommu virtgpu_guest.counted virtgpu_guest.refused \
		unplug.stock fbdev fbdev.stock poweroff poweroff.stock mesa mesa.stock chain chain.stock; do
		plan gpu "$1" "$program"
	done
}

# plan_short KERNEL: what make check has of one kernel alone, the last one that it is of.
plan_short() {
	plan intel "$1" intel.short
	plan bench "$1" bench
	plan bench "$1" bench-blobs
	plan hazard "$1" intel.naive
}

stream() {
	local program
	our_image "$1"
	vm_suite smoke "$1" smoke check smoke.sh '' 120
	suite demo "$1" demo make -C "$REPO" "KERNEL=$1" demo
	drivers_suites "$1"
	vm_suite igt "$1" igt.reserved check igt.sh "$(igt_words reserved)" 1800
	# Each look at all pages takes half as long as with twice the memory. One machine of all
	# boots as on somebody's PC.
	VM_BOOT=image VM_MEMORY=1024 vm_suite igt "$1" igt.each check igt.sh "$(igt_words each)" 2400
	vm_suite igt "$1" igt.counted check igt.sh "policy=counted,${COUNTED//[[:space:]]/,}" 2400
	vm_suite faults "$1" faults.reserved check faults.sh reserved 400
	vm_suite faults "$1" faults.counted check faults.sh counted 400
	naive_image "$1"
	hazard_suites "$1"
	export VM_CPU=$ONE_CPU
	vm_suite verify "$1" verify.naive naive verify.sh naive 120
	vm_suite verify "$1" verify.reserved check verify.sh reserved 120
	vm_suite verify "$1" verify.counted check verify.sh counted 120
	unset VM_CPU
	VM_ANNOUNCED=$VM_DIR/guest/violation.announced vm_suite hazard "$1" violation check violation.sh '' 120
	VM_MEMORY=640 vm_suite pressure "$1" ttm_pfnmap_pressure check pressure.sh '' 600
	suite abi "$1" abi "$VM_DIR/abi.sh" "$1"
	suite abi "$1" vm-ops "$VM_DIR/vm-ops.sh" "$1"
	export VM_CPU=$ONE_CPU
	vm_suite refusals "$1" refusals.usual check refusals.sh usual 600
	VM_APPEND=nopat vm_suite refusals "$1" refusals.nopat check refusals.sh nopat 300
	VM_APPEND=ttm.pfnmap=radeon,vttm vm_suite refusals "$1" refusals.command-line check refusals.sh command-line 300
	VM_APPEND=ttm.pfnmap=amd/gpu vm_suite refusals "$1" refusals.command-line-bad check refusals.sh command-line-bad 300
	for program in unneeded encrypted sev-es acrn; do
		"$VM_DIR/overlay.sh" "$1" $program
		"$VM_DIR/initramfs.sh" "$1" $program $program drm_ttm_helper kvm-amd
		vm_suite refusals "$1" refusals.$program $program refusals.sh $program 300
	done
}

# twin_suites PLAN: of the test programs as they are, without a machine.
twin_suites() {
	suite rig all twins "$VM_DIR/twins.sh" "$1"
	suite rig all igt-tree "$VM_DIR/igt-tree.sh"
}

# rig_stream KERNEL...: of its own, what other machines need not wait for. The last kernel
# is the one that the rig is tried with. KUnit compiles a kernel, on 6.12 alone.
rig_stream() {
	twin_suites "$RESULTS/plan"
	suite rig all self-test "$VM_DIR/self-test.sh" "${!#}"
	# It begins with a copy of what is built for that kernel.
	"$VM_DIR/overlay.sh" "${!#}"
	suite rig all failures "$VM_DIR/failures.sh" "${!#}"
	if [[ " $* " == *" 6.12 "* ]]; then
		suite kunit 6.12 kunit "$VM_DIR/kunit.sh"
	fi
	suite bench "${!#}" bench "$VM_DIR/bench.sh" "${!#}"
	suite style all style "$VM_DIR/style.sh" "$@"
}

# What the debug kernels (debug.config) are for: locking, use after free, page
# state, and allocations that fail. They are slow, so KVM's tests are a selection.
DEBUG_PROGRAMS='ttm_pfnmap_reuse ttm_pfnmap_quarantine ttm_pfnmap_lifetime
	ttm_pfnmap_lifetime_nokvm ttm_pfnmap_uapi ttm_pfnmap_kvm_move ttm_pfnmap_kvm_share'
DEBUG_COUNTED='ttm_pfnmap_kvm_move'
DEBUG_BLOBS='virtgpu_blob_overcommit virtgpu_blob_window virtgpu_blob_kinds virtgpu_blob_kvm
	virtgpu_blob_late virtgpu_blob_guest virtgpu_blob_fuzz'

# debug_options PROGRAM: what it is called with there, as more words.
debug_options() {
	# Such a kernel is slow.
	[ "$1" != virtgpu_blob_fuzz ] || echo ,--steps=150
}

plan_debug() {
	local program
	for program in $DEBUG_PROGRAMS; do
		plan debug "$1-debug" "$program"
	done
	for program in $DEBUG_COUNTED; do
		plan debug "$1-debug" "$program.counted"
	done
	for program in $DEBUG_BLOBS; do
		plan gpu "$1-debug" "$program"
	done
	for program in reserved counted; do
		plan faults "$1-debug" "debug-faults.$program"
		plan hazard "$1-debug" "hazard.$program"
		plan hazard "$1-debug" "fuzz.$program"
	done
	plan hazard "$1-debug" hazard.naive
}

debug_stream() {
	local kernel=$1-debug program
	export FILES=tools/vmm_hold:tools/verify_pages VM_MEMORY=3072
	export VM_APPEND="page_owner=on page_poison=1 page_table_check=on"
	"$VM_DIR/overlay.sh" "$kernel"
	"$VM_DIR/initramfs.sh" "$kernel" check ours drm_ttm_helper kvm-amd
	for program in reserved counted; do
		VM_APPEND+=" kmemleak=on" vm_suite faults "$kernel" "debug-faults.$program" check \
			debug-faults.sh "$program" 3600
	done
	for program in $DEBUG_PROGRAMS; do
		vm_suite debug "$kernel" "$program" check igt.sh "$program" 1800
	done
	for program in $DEBUG_COUNTED; do
		vm_suite debug "$kernel" "$program.counted" check igt.sh "policy=counted,$program" 1800
	done
	FILES=tools/verify_pages "$VM_DIR/initramfs.sh" "$kernel" gpu ours virtio_pci virtio-gpu kvm-amd
	# The device uses the DMA API, which is checked, too.
	for program in $DEBUG_BLOBS; do
		VM_QEMU='-global virtio-gpu-gl-device.iommu_platform=on' VM_RUN=run-gpu-vm.sh vm_suite gpu "$kernel" "$program" gpu gpu.sh "ttm_blobs=1,$program$(debug_options "$program")" 1800
	done
	# As in hazard_suites(), and what such a kernel takes for itself.
	export VM_MEMORY=1280
	for program in reserved counted; do
		vm_suite hazard "$kernel" "hazard.$program" check hazard.sh "$program,40" 1800
		vm_suite hazard "$kernel" "fuzz.$program" check fuzz.sh "$program" 1800
	done
	"$VM_DIR/overlay.sh" "$kernel" naive
	"$VM_DIR/initramfs.sh" "$kernel" naive naive drm_ttm_helper kvm-amd
	naive_suite "$kernel" hazard.naive hazard.sh 40 1200
}

# PREEMPT_RT: locks that sleep, softirqs that are preempted. Its KVM wants a TSC of
# constant rate, which TCG has and does not offer.
RT_PROGRAMS='ttm_pfnmap_quarantine ttm_pfnmap_lifetime ttm_pfnmap_kvm_move'
RT_CPU='-accel tcg,thread=multi -cpu max,+invtsc,x-force-features=on,migratable=off -smp 3'

plan_rt() {
	local program
	for program in $RT_PROGRAMS; do
		plan rt 6.1-rt "$program"
	done
	plan hazard 6.1-rt hazard.reserved
	plan hazard 6.1-rt hazard.counted
	plan hazard 6.1-rt hazard.naive
}

rt_stream() {
	local kernel=6.1-rt program
	export FILES=tools/vmm_hold:tools/verify_pages VM_CPU=$RT_CPU
	"$VM_DIR/overlay.sh" "$kernel"
	"$VM_DIR/initramfs.sh" "$kernel" check ours drm_ttm_helper kvm-amd brd vfio
	for program in $RT_PROGRAMS; do
		vm_suite rt "$kernel" "$program" check igt.sh "$program" 900
	done
	vm_suite hazard "$kernel" hazard.reserved check hazard.sh reserved,40 600
	vm_suite hazard "$kernel" hazard.counted check hazard.sh counted,40 600
	"$VM_DIR/overlay.sh" "$kernel" naive
	"$VM_DIR/initramfs.sh" "$kernel" naive naive drm_ttm_helper kvm-amd brd vfio
	naive_suite "$kernel" hazard.naive hazard.sh 40 600
}

case "${1:-}" in
--suite)
	# For self-test.sh.
	mkdir -p "$RAW" "$LOGS"
	suite "${@:2}"
	exit
	;;
--nothing-failed | --renderer-silent)
	# For self-test.sh.
	"$(tr - _ <<<"${1#--}")" "$2"
	exit
	;;
--stream)
	stream "$2"
	exit
	;;
--plan)
	export PLAN=/dev/stdout
	plan_kernel "$2"
	plan_short "$2"
	exit
	;;
--plan-hazards)
	plan_hazards "$2"
	exit
	;;
--plan-blobs)
	plan_blobs "$2"
	exit
	;;
--plan-intel)
	plan_intel "$2"
	exit
	;;
--hazards)
	pin_kernel "$2"
	our_image "$2"
	naive_image "$2"
	hazard_suites "$2"
	exit
	;;
--memory)
	# For memory_begin(): what is started from a file ends with who started it.
	vm_suite hazard "$2" "memory.$3" check memory.sh "$3" 360
	exit
	;;
--blobs)
	pin_kernel "$2"
	"$VM_DIR/overlay.sh" "$2"
	gpu_image "$2"
	blobs_suites "$2"
	exit
	;;
--intel)
	intel_stream "$2"
	exit
	;;
--gpu)
	gpu_stream "$2"
	exit
	;;
--guest)
	guest_stream "$2"
	exit
	;;
--intel-short)
	intel_short "$2"
	exit
	;;
--rig)
	# It fills the gaps that others leave, so it and its machines are slower than they are.
	export TIMEOUT=$((3 * TIMEOUT))
	rig_stream "${@:2}"
	exit
	;;
--debug)
	debug_stream "$2"
	exit
	;;
--rt)
	rt_stream
	exit
	;;
esac

# The debug kernels, and with 6.1 PREEMPT_RT: less, with more to notice it.
only=
if [ "${1:-}" = debug ] || [ "${1:-}" = intel ]; then
	only=$1
	shift
fi

lock "$BUILD/check.lock"
mkdir -p "$LOGS"
if [ "$only" = debug ]; then
	RESULTS=$BUILD/results-debug RAW=$BUILD/results-debug/raw
	export RESULTS RESUME=1
	kernels=()
	for kernel; do
		kernels+=("$kernel-debug")
		[ "$kernel" != 6.1 ] || kernels+=(6.1-rt)
	done
	"$VM_DIR/root.sh" base
	for kernel in "${kernels[@]}"; do
		pin_kernel "$kernel"
	done
	# Whichever kernels are asked for.
	go_on '' "${ALL_KERNELS[@]}" 6.1-rt
else
	rm -rf "$RESULTS"
fi
mkdir -p "$RAW"
plan rig all scan-log
plan rig all twins
plan rig all igt-tree
[ -n "$only" ] || plan style all style
[ -n "$only" ] || plan rig all failures
[ -n "$only" ] || plan rig all self-test
for kernel; do
	case "$only" in
	debug)
		plan_debug "$kernel"
		[ "$kernel" != 6.1 ] || plan_rt
		;;
	intel)
		plan_intel "$kernel" >>"$RESULTS/plan"
		;;
	*)
		plan_kernel "$kernel"
		[ "$kernel" != 6.12 ] || plan kunit 6.12 kunit
		;;
	esac
done
[ -n "$only" ] || plan_short "${!#}"

"$VM_DIR/root.sh" base
suite rig all scan-log "$VM_DIR/scan-log.sh" --self-test
"$VM_DIR/build-igt.sh"
# For the others, which run a part of what make check runs, and some of it without a naive
# machine.
[ -z "$only" ] || twin_suites ""
for kernel; do
	pin_kernel "$kernel"
done
declare -A streams=()
last=${!#}

# start NAME KERNEL...: a stream of its own.
start() {
	local slow=()
	[ "$1" != rig ] || slow=(nice -n 5)
	"${slow[@]}" "$0" "--$1" "${@:2}" &
	streams[$!]=$*
}

# followed NAME KERNEL: what comes after a stream. Machines that keep both CPUs busy are
# slowest beside others like them, so what waits for its host comes after them.
followed() {
	case "$1 $2" in
	'debug 6.1')
		start rt 6.1
		;;
	stream*)
		start gpu "$2"
		start guest "$2"
		[ "$2" != "$last" ] || start intel-short "$2"
		;;
	esac
}

failed=0
if [ -n "$only" ]; then
	for kernel; do
		start "$only" "$kernel"
	done
else
	for kernel; do
		start stream "$kernel"
	done
	start rig "$@"
	[[ " $* " == *" 6.12 "* ]] ||
		say "  note   without KUnit, whose kernel (UML) comes from the source of 6.12: KERNEL=6.12 or all runs it"
fi
while [ ${#streams[@]} -gt 0 ]; do
	# Not wait -n, which can miss a job that ended while another one was looked at.
	for pid in "${!streams[@]}"; do
		! kill -0 "$pid" 2>/dev/null || continue
		read -r -a ended <<<"${streams[$pid]}"
		unset "streams[$pid]"
		wait "$pid" || failed=1
		followed "${ended[@]}"
	done
	sleep 1
done

rc=0
results=/build/${RESULTS##*/}
"$VM_DIR/in-root.sh" python3 /src/tests/vm/results.py "$results/plan" "$results/raw" "$results" || rc=$?
[ $failed -eq 0 ] || [ $rc -ne 0 ] || rc=2
if [ "$only" = debug ]; then
	same_still || die "the sources or a kernel changed while it ran" \
		"what the machines ran is not one thing: do not edit $REPO meanwhile"
	# It ran to its end: the next one begins again.
	[ $rc -eq 2 ] || rm "$RESULTS/of"
fi
exit $rc
