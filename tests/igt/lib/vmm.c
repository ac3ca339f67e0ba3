// SPDX-License-Identifier: MIT
/*
 * A process that is a VMM: see vmm.h.
 */
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "igt.h"
#include "vmm.h"

#define MSG_WORKS 'w'
#define MSG_REFUSED 'r'
#define MSG_QUIT 'q'

#define SEED 0x600dcafe

/* One byte and, if @fd is not -1, that descriptor. */
void vmm_send(int sock, char msg, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = {};
	struct iovec iov = { .iov_base = &msg, .iov_len = 1 };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		hdr.msg_control = control;
		hdr.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	igt_assert_eq(sendmsg(sock, &hdr, MSG_NOSIGNAL), 1);
}

/* 0 if the other side has ended without a word. */
char vmm_receive(int sock, int *fd)
{
	char msg = 0, control[CMSG_SPACE(sizeof(*fd))];
	struct iovec iov = { .iov_base = &msg, .iov_len = 1 };
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	ssize_t len;

	do {
		len = recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC);
	} while (len < 0 && errno == EINTR);
	*fd = -1;
	cmsg = CMSG_FIRSTHDR(&hdr);
	if (len == 1 && cmsg && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(cmsg), sizeof(*fd));
	return len == 1 ? msg : 0;
}

static void free_bo(struct kvm_bo *bo)
{
	vttm_munmap(bo->map, bo->size);
	vttm_close_bo(bo->fd, bo->handle);
	bo->map = NULL;
	bo->handle = 0;
}

static void wait_for_quit(int sock, struct kvm_bo *bo, struct kvm_guest *guest,
			  bool running)
{
	const struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	char msg;

	while (running) {
		kvm_guest_run_ok(guest, &job);
		if (recv(sock, &msg, 1, MSG_DONTWAIT) >= 0)
			return;
	}
	while (recv(sock, &msg, 1, 0) < 0 && errno == EINTR)
		;
}

static void vmm_main(int sock, enum vttm_kind kind, size_t size,
		     uint32_t bo_flags, unsigned int vmm_flags)
{
	struct kvm_guest_job job;
	struct kvm_guest *guest;
	struct kvm_bo bo;

	kvm_bo_init(&bo, kind, size, bo_flags);
	guest = kvm_guest_create(KVM_GUEST_FLAT32);
	kvm_guest_map(guest, KVM_GUEST_GPA, bo.map, bo.size);
	job = kvm_bo_job(&bo, KVM_OP_WRITE, SEED);
	if (!kvm_bo_guest(&bo, guest, &job)) {
		vmm_send(sock, MSG_REFUSED, -1);
		return;
	}
	kvm_host_verify(bo.map, &job);
	if (vmm_flags & VMM_FREE_BO)
		free_bo(&bo);
	vmm_send(sock, MSG_WORKS,
		 vmm_flags & VMM_SEND_VCPU ? guest->vcpu_fd : -1);
	wait_for_quit(sock, &bo, guest, vmm_flags & VMM_KEEP_RUNNING);
}

static void wait_exit(struct vmm *vmm, int want)
{
	int status;

	igt_assert_eq(waitpid(vmm->pid, &status, 0), vmm->pid);
	close(vmm->sock);
	igt_assert_f(status == want, "the VMM's wait status is %#x, not %#x\n",
		     status, want);
}

void vmm_start(struct vmm *vmm, enum vttm_kind kind, size_t size,
	       uint32_t bo_flags, unsigned int vmm_flags)
{
	int socks[2];
	char msg;

	igt_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks),
		      0);
	vmm->pid = child_fork();
	if (!vmm->pid) {
		close(socks[0]);
		vmm_main(socks[1], kind, size, bo_flags, vmm_flags);
		exit(0);
	}
	close(socks[1]);
	vmm->sock = socks[0];
	msg = vmm_receive(vmm->sock, &vmm->vcpu_fd);
	igt_assert_f(msg, "the VMM failed, see above\n");
	vmm->refused = msg == MSG_REFUSED;
	if (vmm->refused)
		wait_exit(vmm, 0);
}

void vmm_exit(struct vmm *vmm)
{
	if (vmm->refused)
		return;
	vmm_send(vmm->sock, MSG_QUIT, -1);
	wait_exit(vmm, 0);
}

void vmm_kill(struct vmm *vmm)
{
	if (vmm->refused)
		return;
	igt_assert_eq(kill(vmm->pid, SIGKILL), 0);
	wait_exit(vmm, SIGKILL);
}
