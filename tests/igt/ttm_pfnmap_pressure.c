// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap pressure
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: TTM's PFNMAP mode, when memory is short
 * Description: What the mode keeps must not be at the cost of others. For a
 *	small machine of its own, see tests/vm/guest/pressure.sh: processes are
 *	killed on purpose.
 *
 * SUBTEST: i5-undrained-is-no-victim
 * Description: TTM looks for a BO to swap out: one that a VM may hold would free
 *	nothing and is left alone; on stock (the twin) it is the first to go
 *
 * SUBTEST: i5-innocent-dies-without-reuse-or-bound
 * Description: The twin: a VMM that makes and frees BOs gets another process
 *	killed for want of memory
 *
 * SUBTEST: i5-innocent-lives-with-reuse
 * Description: The same with reuse alone: nobody is killed
 *
 * SUBTEST: i5-innocent-lives-with-bound
 * Description: The same with the bound on the quarantine alone: nobody is killed
 *
 * SUBTEST: i5-innocent-lives-with-bound-on-all
 * Description: The same with the bound on all reserved pages alone
 */
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "igt.h"
#include "kvm_bo.h"
#include "vmm.h"

#define NO_BOUND 1000000
#define BOUND_MB 64
#define BO_SIZE KVM_BO_MIB(4)
#define INNOCENT_SIZE KVM_BO_MIB(160)
#define SECONDS 300

/* MiB of reserved pages: in quarantine, and in BOs as well. */
static void limits_set(unsigned int bound, unsigned int all, bool reuse)
{
	vttm_parameter_set("pfnmap_quarantine_mb", bound);
	vttm_parameter_set("pfnmap_reserved_mb", all);
	vttm_parameter_set("pfnmap_reuse", reuse);
}

/* Has TTM look for something to swap out: pages, 0, or a negative errno. */
static int shrink(void)
{
	char path[PATH_MAX];
	FILE *file;
	int pages;

	snprintf(path, sizeof(path), "%s/ttm/tt_shrink", igt_debugfs_mount());
	file = fopen(path, "re");
	igt_assert(file);
	igt_assert_eq(fscanf(file, "%d", &pages), 1);
	fclose(file);
	return pages;
}

static bool has_pages(int fd, uint32_t handle)
{
	struct drm_vttm_info info;

	vttm_info(fd, handle, &info);
	return info.count_zero + info.count_one + info.count_other;
}

/* An ordinary client: a BO, touched, until the other side says that it is done. */
static void ordinary_client(enum vttm_kind kind, int sock)
{
	int fd = vttm_open(kind), none;
	uint32_t handle;
	char *map;

	igt_assert(vmm_receive(sock, &none));
	handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);
	map = vttm_mmap(fd, handle, BO_SIZE);
	map[0] = 1;
	vmm_send(sock, 'b', -1);
	igt_assert(vmm_receive(sock, &none));
	vmm_send(sock, has_pages(fd, handle) ? 'p' : 'n', -1);
	close(fd);
}

/* The VMM's BO is older, so it is what TTM would look at first. */
static void victim(enum vttm_kind kind, int sock)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	int fd = vttm_open(kind), none;
	uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);
	char *map = vttm_mmap(fd, handle, BO_SIZE);

	map[0] = 1;
	vmm_send(sock, 'g', -1);
	igt_assert_eq(vmm_receive(sock, &none), 'b');
	igt_assert_eq(shrink(), BO_SIZE / KVM_GUEST_PAGE);
	vmm_send(sock, 'g', -1);
	igt_assert_eq(vmm_receive(sock, &none), kind == VTTM_MODE ? 'n' : 'p');
	igt_assert_eq(has_pages(fd, handle), kind == VTTM_MODE);
	/* Alone, it is left alone as well. */
	if (kind == VTTM_MODE)
		igt_assert_lte(shrink(), 0);
	kvm_guest_destroy(guest);
	close(fd);
}

static void with_ordinary_client(enum vttm_kind kind)
{
	int sock[2];

	igt_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock), 0);
	igt_fork(child, 2)
	{
		close(sock[!child]);
		if (child)
			ordinary_client(kind, sock[1]);
		else
			victim(kind, sock[0]);
	}
	close(sock[0]);
	close(sock[1]);
	igt_waitchildren();
	vttm_wait_quarantine_empty(5);
}

/* Much memory, in use, and nothing to do with GPUs. */
static pid_t innocent_start(void)
{
	pid_t pid = child_fork();

	if (!pid) {
		char *memory = mmap(NULL, INNOCENT_SIZE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		prctl(PR_SET_NAME, "innocent");
		for (size_t i = 0; i < INNOCENT_SIZE; i += KVM_GUEST_PAGE)
			memory[i] = 1;
		pause();
		_exit(0);
	}
	return pid;
}

/* Twice the machine's memory in BOs, of which one is alive at a time. */
static void churn(void)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	const struct kvm_guest_job job = {
		.op = KVM_OP_WRITE,
		.gpa = KVM_GUEST_GPA,
		.pages = 1,
	};
	int fd = vttm_open(VTTM_MODE);
	struct sysinfo info;

	igt_assert_eq(sysinfo(&info), 0);
	for (unsigned long i = 0; i < 2 * info.totalram / BO_SIZE; i++) {
		uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);
		void *map = vttm_mmap(fd, handle, BO_SIZE);
		int slot = kvm_guest_map(guest, KVM_GUEST_GPA, map, BO_SIZE);

		kvm_guest_run_ok(guest, &job);
		kvm_guest_unmap(guest, slot);
		vttm_munmap(map, BO_SIZE);
		vttm_close_bo(fd, handle);
	}
	kvm_guest_destroy(guest);
	close(fd);
}

static pid_t churn_start(void)
{
	pid_t pid = child_fork();

	if (!pid) {
		churn();
		_exit(0);
	}
	return pid;
}

static bool has_ended(pid_t pid, int *status)
{
	pid_t ret = waitpid(pid, status, WNOHANG);

	igt_assert(ret == 0 || ret == pid);
	return ret == pid;
}

static void end(pid_t pid)
{
	igt_assert_eq(kill(pid, SIGKILL), 0);
	igt_assert_eq(waitpid(pid, NULL, 0), pid);
}

/* Does an innocent process live through what a VMM does? */
static bool innocent_lives(void)
{
	pid_t innocent = innocent_start(), vmm = churn_start();
	bool done = false, lives = true;
	int status = 0;

	for (int i = 0; i < SECONDS * 10 && !done && lives; i++) {
		usleep(100000);
		done = has_ended(vmm, &status);
		lives = !has_ended(innocent, &status);
	}
	igt_assert_f(done || !lives, "nothing came of it in %d seconds\n",
		     SECONDS);
	if (!done)
		end(vmm);
	if (lives)
		end(innocent);
	igt_assert_eq(status, lives ? 0 : SIGKILL);
	vttm_wait_quarantine_empty(10);
	return lives;
}

int igt_main()
{
	igt_fixture()
	{
		int fd;

		kvm_bo_require(VTTM_MODE);
		fd = vttm_open(VTTM_MODE);
		igt_require_f(vttm_policy_is(fd, "reserved"),
			      "only reserved pages are kept\n");
		close(fd);
	}

	igt_describe(
		"A BO that a VM may hold is not swapped out (twin: within)");
	igt_subtest("i5-undrained-is-no-victim")
	{
		with_ordinary_client(VTTM_STOCK);
		with_ordinary_client(VTTM_MODE);
	}

	igt_describe("twin: a VMM's BOs get another process killed");
	igt_subtest("i5-innocent-dies-without-reuse-or-bound")
	{
		limits_set(NO_BOUND, NO_BOUND, false);
		igt_assert(!innocent_lives());
	}

	igt_describe(
		"With reuse nobody is (twin: i5-innocent-dies-without-reuse-or-bound)");
	igt_subtest("i5-innocent-lives-with-reuse")
	{
		limits_set(NO_BOUND, NO_BOUND, true);
		igt_assert(innocent_lives());
	}

	igt_describe(
		"With the bound, too (twin: i5-innocent-dies-without-reuse-or-bound)");
	igt_subtest("i5-innocent-lives-with-bound")
	{
		limits_set(BOUND_MB, NO_BOUND, false);
		igt_assert(innocent_lives());
	}

	igt_describe(
		"With the one on all, too (twin: i5-innocent-dies-without-reuse-or-bound)");
	igt_subtest("i5-innocent-lives-with-bound-on-all")
	{
		limits_set(NO_BOUND, 0, false);
		igt_assert(innocent_lives());
	}
}
