// SPDX-License-Identifier: MIT
/*
 * A VMM that lives on after its BO: a guest touches a 1 MiB BO, the BO is
 * unmapped and freed and the device closed, and the VM stays until the program
 * gets a signal. Prints "held" when that point is reached.
 */
#include <stdio.h>
#include <unistd.h>

#include "igt.h"
#include "kvm_bo.h"

#define HOLD_SIZE KVM_BO_MIB(1)

int igt_simple_main()
{
	int fd = vttm_open(VTTM_MODE);
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	uint32_t handle = vttm_create(fd, HOLD_SIZE, VTTM_BO_CACHED);
	void *map = vttm_mmap(fd, handle, HOLD_SIZE);
	const struct kvm_guest_job job = {
		.op = KVM_OP_WRITE,
		.gpa = KVM_GUEST_GPA,
		.pages = HOLD_SIZE / KVM_GUEST_PAGE,
	};

	kvm_guest_map(guest, KVM_GUEST_GPA, map, HOLD_SIZE);
	kvm_guest_run_ok(guest, &job);
	vttm_munmap(map, HOLD_SIZE);
	vttm_close_bo(fd, handle);
	close(fd);

	printf("held\n");
	fflush(stdout);
	pause();
}
