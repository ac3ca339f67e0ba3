/* SPDX-License-Identifier: MIT */
/*
 * A process that is a VMM: it has a BO, a VM whose guest wrote all of the BO,
 * and does nothing more until it is told to end. For the tests of what happens
 * to the pages when it frees the BO, ends, or is killed.
 *
 * To be used inside of kvm_bo_run() only: a failed assertion in the VMM ends
 * just the VMM, and vmm_start() notices.
 */
#ifndef TTM_PFNMAP_VMM_H
#define TTM_PFNMAP_VMM_H

#include <stdbool.h>
#include <sys/types.h>

#include "kvm_bo.h"

#define VMM_FREE_BO	(1 << 0)	/* unmap and free the BO when written */
#define VMM_SEND_VCPU	(1 << 1)	/* hand over the vCPU's descriptor */
#define VMM_KEEP_RUNNING (1 << 2)	/* the guest goes on writing */

struct vmm {
	pid_t pid;
	int sock;
	int vcpu_fd;		/* -1, or with VMM_SEND_VCPU a vCPU */
	bool refused;		/* stock: KVM refused the BO; the VMM has ended */
};

/* One byte over a socket and, if @fd is not -1, that descriptor. */
void vmm_send(int sock, char msg, int fd);
/* The byte, 0 if the other side has ended; @fd: the descriptor or -1. */
char vmm_receive(int sock, int *fd);

/* Returns when the guest has written all, or was refused as stock does. */
void vmm_start(struct vmm *vmm, enum vttm_kind kind, size_t size,
	       uint32_t bo_flags, unsigned int vmm_flags);
/* Ends it in an orderly way; nothing if it was refused. */
void vmm_exit(struct vmm *vmm);
/* SIGKILL. */
void vmm_kill(struct vmm *vmm);

#endif
