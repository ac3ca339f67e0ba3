// SPDX-License-Identifier: MIT
/*
 * Keeps two VMs, each with a vCPU that never runs, until it gets a signal; prints
 * "kept" when they are there. The first VM, the first vCPU with a local APIC that is not
 * enabled yet, the first without any, and the last of each make KVM patch the
 * kernel's code (static keys), which an emulator whose CPUs are threads now and then
 * gets wrong: another CPU meets the breakpoint of a patch that has ended ("Oops:
 * int3"), or stays in it. With these there, tests that make thousands of VMs patch
 * nothing.
 */
#include <stdio.h>
#include <unistd.h>

#include "igt.h"
#include "kvm.h"

int igt_simple_main()
{
	kvm_guest_create(KVM_GUEST_FLAT32);
	kvm_guest_create_irqchip(KVM_GUEST_FLAT32);
	printf("kept\n");
	fflush(stdout);
	for (;;)
		pause();
}
