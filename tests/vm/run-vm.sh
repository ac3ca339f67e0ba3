#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run-vm.sh KERNEL NAME SCRIPT: boot build/KERNEL/vm/NAME.cpio in QEMU (emulated,
# so KVM inside is real everywhere; for Bochs see run-bochs.sh) and run
# tests/vm/guest/SCRIPT in it. Results: build/KERNEL/vm/NAME.out (the script) and
# NAME.console (the kernel's log).
# Fails if the VM hangs, dies, or if its kernel log holds a splat.
# Environment: VM_ARGS, words for SCRIPT with commas between; VM_APPEND, more for the
# kernel's command line; VM_LOGLEVEL, how much of its log it prints; VM_SECONDS, the time
# limit; VM_MEMORY in MiB; VM_CPU replaces the CPU and accelerator options; VM_QEMU adds
# options; VM_OUT, another name for the results; VM_BOOT=image boots the image as it is, with
# KASLR and, if the CPU has them, five levels of page tables, and not what is packed in it;
# VM_ANNOUNCED, a file of texts the kernel log may hold.

. "${0%/*}/lib.sh" || exit

kernel=$1 name=$2 script=$3
out=${VM_OUT:-$name}
[[ ${VM_ARGS:-} != *[[:space:]]* ]] ||
	die "VM_ARGS=\"$VM_ARGS\" holds white space, which ends a word of the kernel's command line" \
		"separate the script's words by commas"
vm=$BUILD/$kernel/vm
seconds=$((${VM_SECONDS:-300} * TIMEOUT))
# Without ERMS and FSRM Linux does not clear pages and copy memory by the byte, which takes an
# emulator longer than by the word. Of several CPUs the first has no programs (guest/init), for
# it loses guests of KVM: see "The emulated CPU" in Documentation/gpu/ttm-pfnmap.rst.
read -r -a cpu <<<"${VM_CPU:--accel tcg,thread=multi -cpu max,-erms,-fsrm -smp 3}"
read -r -a more <<<"${VM_QEMU:-}"
# no_timer_check: where the host is busy, the emulated timer comes too late for it.
append="console=ttyS0,115200 ${VM_LOGLEVEL:-ignore_loglevel} panic=-1 no_timer_check rcupdate.rcu_cpu_stall_timeout=300 watchdog_thresh=60"
append+=" rig.script=$script rig.args=${VM_ARGS:-} ${VM_APPEND:-}"
if [ "${VM_MACHINE:-qemu}" = qemu ] && [[ " ${cpu[*]} " =~ \ -smp\ ([0-9]+)\  ]]; then
	append+=" rig.cpus=${BASH_REMATCH[1]}"
fi

# What runs in the root tree, by VM_MACHINE.
pin_kernel "$kernel"
packages=$(kernel_dir "$kernel")
image=/boot/vmlinuz-$(kernel_release "$kernel")
if [ "${VM_MACHINE:-qemu}" = qemu ] && [ "${VM_BOOT:-}" != image ] &&
	grep -qsx CONFIG_PVH=y "$packages"/boot/config-*; then
	image=/build/$kernel/vm/vmlinux-${packages##*/}
	[ -f "$BUILD/${image#/build/}" ] || "$VM_DIR/vmlinux.sh" "$kernel"
fi
initrd=/build/$kernel/vm/$name.cpio
prints=/build/$kernel/vm/$out
# shellcheck disable=SC2034
qemu=(qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none
	"${cpu[@]}" -m "${VM_MEMORY:-2048}" -kernel "$image" -initrd "$initrd" -append "$append"
	-serial "file:$prints.console" -serial "file:$prints.out" "${more[@]}")
# shellcheck disable=SC2034
bochs=(/src/tests/vm/bochs.sh "$image" "$initrd" "$append" "$prints")
: "${VM_MACHINE:=qemu}"
declare -n machine=$VM_MACHINE

lock "$vm/$out.running"
[ -f "$vm/$name.cpio" ] || die "there is no $vm/$name.cpio"
need_space "$BUILD" 50 "what a VM prints"
rm -f "$vm/$out".{out,console,verdict}
rc=0
start=$SECONDS
say "  ....   boot $kernel $out: $script${VM_ARGS:+ $VM_ARGS}"
IN_KERNEL=$kernel "$VM_DIR/in-root.sh" timeout -k 5 "$seconds" "${machine[@]}" \
	</dev/null >"$vm/$out.$VM_MACHINE" 2>&1 || rc=$?
touch "$vm/$out.out" "$vm/$out.console"
sed -i 's/\r$//' "$vm/$out.out" "$vm/$out.console"
[ "$V" != 1 ] || cat "$vm/$out.out"

verdict() { echo "$*" >>"$vm/$out.verdict"; }

# last_words CONSOLE: why the kernel died, as far as it said so, or its last line.
last_words() {
	local pattern said=''
	for pattern in 'BUG: |BUG at |Oops|general protection|(list|slab|double) .*corruption' 'RIP: 0010:' 'Kernel panic'; do
		said+=$(grep -a -m 1 -E "$pattern" "$1" || true)' '
	done
	[ -n "${said// /}" ] || said=$(tail -n 1 "$1")
	echo "$said"
}

show_ends() {
	printf -- '---- the last lines of %s\n' "$vm/$out.out" >&2
	tail -n 10 "$vm/$out.out" >&2
	show_log_end "$vm/$out.console"
}

if [ $rc -eq 124 ] || [ $rc -eq 137 ]; then
	show_ends
	verdict "FAIL vm-ends the VM hung and was stopped after $seconds s"
	die "the VM $kernel $out hung: stopped after $seconds s" \
		"kernel log: $vm/$out.console" "slow machine? try TIMEOUT=3"
elif [ $rc -ne 0 ]; then
	cat "$vm/$out.$VM_MACHINE" >&2
	die "$VM_MACHINE failed for $kernel $out (exit $rc)"
fi
end=$(sed -n 's/^TTM-PFNMAP-END rc=//p' "$vm/$out.out")
if [ -z "$end" ]; then
	show_ends
	verdict "FAIL vm-ends the VM died before its script ended: $(last_words "$vm/$out.console")"
	die "the VM $kernel $out died before the script $script ended" "kernel log: $vm/$out.console"
fi
verdict "PASS vm-ends"
! cpus=$(grep -m 1 '^FAIL cpus ' "$vm/$out.out") || die "the VM $kernel $out: ${cpus#FAIL cpus }"
if splats=$("$VM_DIR/scan-log.sh" "$vm/$out.console" ${VM_ANNOUNCED:+"$VM_ANNOUNCED"}); then
	verdict "PASS kernel-log"
else
	verdict "FAIL kernel-log ${splats%%$'\n'*}"
	printf '%s\n' "$splats" >&2
	die "the kernel log of VM $kernel $out is not clean" "the whole log: $vm/$out.console"
fi
if [ "$end" != 0 ]; then
	verdict "FAIL script-exit $script ended with $end"
	show_ends
	die "$script failed in VM $kernel $out (exit $end)" "its output: $vm/$out.out"
fi
printf '  %3d s  VM %s %s: %s, %d s of CPU\n' $((SECONDS - start)) "$kernel" "$out" "$script${VM_ARGS:+ $VM_ARGS}" \
	"$(cpu_seconds)"
