// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap quarantine
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: TTM's PFNMAP mode, what freed BOs keep
 * Description: A VMM allocates, uses and frees BOs for as long as it lives.
 */

/**
 * SUBTEST: i5-churn-without-bound-or-reuse
 * Description: The twin: with the bound out of reach and reuse off, every BO
 *	that a guest saw stays in quarantine while the VM lives
 */

/**
 * SUBTEST: i5-churn-with-bound
 * Description: Without reuse, at the bound new BOs are counted, work as well, and
 *	go back when they are freed
 */

/**
 * SUBTEST: i5-churn-with-reuse
 * Description: A new BO gets the pages of the one before, and nothing adds up
 */

/**
 * SUBTEST: i5-churn-of-many-sizes
 * Description: BOs of random sizes, many at a time: what is held is at most 1.1
 *	times what was alive at once; without reuse (the twin) it is more
 */

/**
 * SUBTEST: i5-live-bos-with-bound
 * Description: BOs that are alive count towards the bound on all reserved pages:
 *	beyond it new ones are counted; without it (the twin) all are reserved
 */

/**
 * SUBTEST: i5-bound-is-for-all
 * Description: Two VMMs at once stay within the one bound
 */

/**
 * SUBTEST: i5-render-server-without-bound-or-reuse
 * Description: The twin: one process allocates and touches the BOs, another is
 *	the VMM; they all stay in quarantine
 */

/**
 * SUBTEST: i5-render-server-with-bound
 * Description: The same within the bound
 */

/**
 * SUBTEST: i5-render-server-with-reuse
 * Description: The same with reuse: nothing adds up
 */

/**
 * SUBTEST: i5-render-server-of-many-sizes
 * Description: The same with BOs of random sizes, many at a time: what is held is at most
 *	1.1 times what was alive at once; without reuse (the twin) it is more
 */

/**
 * SUBTEST: %s-i3-forks-pin-no-memory
 * Description: Regression test: a process that maps a BO forks many children,
 *	one after another; their address spaces are not kept for as long as the BO
 *	has pages
 *
 * arg[1]:
 * @mode:	the opted-in device
 * @stock:	the twin
 */

/**
 * SUBTEST: %s-i4-purge-with-a-guest
 * Description: A BO whose contents are dropped while a guest uses them: the
 *	pages are kept, and the guest sees new ones
 *
 * arg[1]:
 * @mode:	the opted-in device
 * @stock:	the twin: -EFAULT for the guest, nothing to keep
 */

/**
 * SUBTEST: %s-i6-%s-does-not-wait
 * Description: Pages are taken from a BO by the very thread that owns the VM: if
 *	that waited until nobody can hold them, it would never end. Nor does anybody
 *	wait for a grace period
 *
 * arg[1]:
 * @mode:	the opted-in device
 * @stock:	the twin: -EFAULT for the guest, nothing to keep
 *
 * arg[2]:
 * @free:	the BO is freed
 * @swapout:	the BO is swapped out
 * @move:	the BO is moved to VRAM
 * @fault:	the BO is freed, and another one faulted in
 */

/**
 * SUBTEST: control-i6-grace-periods-are-counted
 * Description: What waits for a grace period of RCU (membarrier()) or SRCU (the end of
 *	a memslot) is noticed
 */

/**
 * SUBTEST: i6-%s-waits-for-no-grace-period
 * Description: Nobody can hold the pages, so they are given back at once: without a
 *	wait for a grace period
 *
 * arg[1]:
 * @free:	the BO is freed
 * @swapout:	the BO is swapped out
 * @move:	the BO is moved to VRAM
 * @fault:	the BO is freed, and another one faulted in
 * @fork:	the process forks, and the child uses the BO
 */

#include <fcntl.h>
#include <getopt.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "child.h"
#include "igt.h"
#include "kvm_bo.h"
#include "param.h"
#include "vmm.h"

#define BOUND "pfnmap_quarantine_mb"
#define NO_BOUND 1000000
#define BOUND_MB 8
#define CHURN 40 /* BOs of 1 MiB, one after another */
#define BO_SIZE KVM_BO_MIB(1)
#define BO_PAGES (BO_SIZE / KVM_GUEST_PAGE)

struct report {
	uint64_t quarantined; /* most pages at any time */
	uint64_t reserved;    /* BOs whose pages were reserved */
};

static unsigned int old_bound;
static bool reserved; /* the policy; the other one is "counted" */

static void bound_set(unsigned int bound, bool reuse)
{
	vttm_parameter_set("pfnmap_quarantine_mb", bound);
	vttm_parameter_set("pfnmap_reuse", reuse);
}

/* One BO from create to free, used by the guest; is it reserved? */
static bool use_one(int fd, struct kvm_guest *guest, uint32_t seed)
{
	uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);
	void *map = vttm_mmap(fd, handle, BO_SIZE);
	const struct kvm_guest_job job = {
		.op = KVM_OP_WRITE,
		.gpa = KVM_GUEST_GPA,
		.pages = BO_PAGES,
		.seed = seed,
	};
	struct drm_vttm_info info;
	int slot = kvm_guest_map(guest, KVM_GUEST_GPA, map, BO_SIZE);

	kvm_guest_run_ok(guest, &job);
	kvm_host_verify(map, &job);
	vttm_info(fd, handle, &info);
	kvm_guest_unmap(guest, slot);
	vttm_munmap(map, BO_SIZE);
	vttm_close_bo(fd, handle);
	return info.reserved == BO_PAGES;
}

static void churn(struct report *report)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	int fd = vttm_open(VTTM_MODE);
	struct vttm_counters counters;

	for (int i = 0; i < CHURN; i++) {
		report->reserved += use_one(fd, guest, i);
		vttm_counters(fd, &counters);
		if (counters.pages_quarantined > report->quarantined)
			report->quarantined = counters.pages_quarantined;
	}
	close(fd);
	kvm_guest_destroy(guest);
}

/* In a process of its own, which is what the quarantine is charged to. */
static void churn_in_child(struct report *report)
{
	igt_fork(vmm, 1) churn(report);
	igt_waitchildren();
	igt_info("%lu of %d BOs reserved, at most %lu pages in quarantine\n",
		 (unsigned long)report->reserved, CHURN,
		 (unsigned long)report->quarantined);
	vttm_wait_quarantine_empty(5);
}

#define LIVE_BOS 24

/* Options, in MiB: how much memory BOs of random sizes take in all, and at once. */
static unsigned long churn_mib = 150, live_mib = 12;

struct live_bo {
	uint32_t handle;
	uint32_t pages;
};

/* The guest writes to @map, which is in a slot for a moment only. */
static void many_write(struct kvm_guest *guest, void *map, uint32_t pages)
{
	const struct kvm_guest_job job = {
		.op = KVM_OP_WRITE,
		.gpa = KVM_GUEST_GPA,
		.pages = pages,
		.seed = pages,
	};
	int slot = kvm_guest_map(guest, KVM_GUEST_GPA, map,
				 (size_t)pages * KVM_GUEST_PAGE);

	kvm_guest_run_ok(guest, &job);
	kvm_host_verify(map, &job);
	kvm_guest_unmap(guest, slot);
}

/* Has the VMM's guest write to a BO, until it says that it has. */
static void many_hand_over(int fd, int sock, const struct live_bo *bo)
{
	int dmabuf = vttm_export(fd, bo->handle), none;

	vmm_send(sock, 'b', dmabuf);
	close(dmabuf);
	igt_assert(vmm_receive(sock, &none));
}

/* A BO that this process' guest wrote to, or, without one, the VMM's. */
static void many_create(int fd, struct kvm_guest *guest, int sock,
			struct live_bo *bo, uint32_t pages)
{
	const size_t size = (size_t)pages * KVM_GUEST_PAGE;
	char *map;

	bo->handle = vttm_create(fd, size, VTTM_BO_CACHED);
	bo->pages = pages;
	map = vttm_mmap(fd, bo->handle, size);
	if (guest) {
		many_write(guest, map, pages);
	} else {
		map[0] = 1;
		many_hand_over(fd, sock, bo);
	}
	vttm_munmap(map, size);
}

/*
 * report->quarantined: most pages held, alive or not; ->reserved: alive. No more
 * than it takes to see that too much is held. With a guest, or a socket to a VMM.
 */
static void many(struct report *report, struct kvm_guest *guest, int sock)
{
	const uint64_t all = churn_mib * BO_PAGES, live = live_mib * BO_PAGES;
	int fd = vttm_open(VTTM_MODE);
	struct live_bo bos[LIVE_BOS] = {};
	struct vttm_counters counters;
	uint64_t made = 0;
	uint32_t alive = 0, seed = 1;

	for (int i = 0; made < all && report->quarantined < 2 * live; i++) {
		struct live_bo *bo = &bos[i % LIVE_BOS];

		if (bo->pages)
			vttm_close_bo(fd, bo->handle);
		alive -= bo->pages;
		seed = seed * 1103515245 + 12345;
		many_create(fd, guest, sock, bo,
			    1 + (seed >> 8) % (2 * live / LIVE_BOS));
		alive += bo->pages;
		made += bo->pages;
		vttm_counters(fd, &counters);
		if (alive > report->reserved)
			report->reserved = alive;
		if (alive + counters.pages_quarantined > report->quarantined)
			report->quarantined =
				alive + counters.pages_quarantined;
	}
	igt_info("%lu pages in all\n", (unsigned long)made);
	close(fd);
}

static void churn_many(struct report *report)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);

	many(report, guest, -1);
	kvm_guest_destroy(guest);
}

static void churn_many_in_child(struct report *report)
{
	igt_fork(vmm, 1) churn_many(report);
	igt_waitchildren();
}

static bool many_within_bound(void (*run)(struct report *report),
			      struct report *report)
{
	memset(report, 0, sizeof(*report));
	run(report);
	igt_info("%lu pages alive at most, %lu held at most\n",
		 (unsigned long)report->reserved,
		 (unsigned long)report->quarantined);
	vttm_wait_quarantine_empty(5 + live_mib / 16);
	return report->quarantined * 10 <= report->reserved * 11;
}

#define LIVE_MB 16

/* BOs of 1 MiB, all alive at once; how many are reserved? */
static void live(struct report *report)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	int fd = vttm_open(VTTM_MODE);
	struct live_bo bos[LIVE_MB];

	for (int i = 0; i < LIVE_MB; i++)
		many_create(fd, guest, -1, &bos[i], BO_PAGES);
	for (int i = 0; i < LIVE_MB; i++) {
		struct drm_vttm_info info;

		vttm_info(fd, bos[i].handle, &info);
		report->reserved += info.reserved == BO_PAGES;
	}
	close(fd);
	kvm_guest_destroy(guest);
}

static uint64_t live_reserved(struct report *report, unsigned int all)
{
	memset(report, 0, sizeof(*report));
	vttm_parameter_set("pfnmap_reserved_mb", all);
	igt_fork(vmm, 1) live(report);
	igt_waitchildren();
	vttm_wait_quarantine_empty(5);
	return report->reserved;
}

/* The VMM of a render server: maps the dma-buf, lets a guest write to it. */
static void vmm_of_server(int sock)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	int dmabuf;

	while (vmm_receive(sock, &dmabuf)) {
		const off_t size = lseek(dmabuf, 0, SEEK_END);
		void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
				 dmabuf, 0);

		igt_assert(map != MAP_FAILED);
		many_write(guest, map, size / KVM_GUEST_PAGE);
		munmap(map, size);
		close(dmabuf);
		vmm_send(sock, 'd', -1);
	}
	kvm_guest_destroy(guest);
}

/* The server: allocates, touches, hands over, waits, frees. */
static void serve(int sock, struct report *report)
{
	int fd = vttm_open(VTTM_MODE);
	struct vttm_counters counters;

	for (int i = 0; i < CHURN; i++) {
		struct drm_vttm_info info;
		struct live_bo bo;

		many_create(fd, NULL, sock, &bo, BO_PAGES);
		vttm_info(fd, bo.handle, &info);
		report->reserved += info.reserved == BO_PAGES;
		vttm_close_bo(fd, bo.handle);
		vttm_counters(fd, &counters);
		if (counters.pages_quarantined > report->quarantined)
			report->quarantined = counters.pages_quarantined;
	}
	close(fd);
}

static void serve_many(int sock, struct report *report)
{
	many(report, NULL, sock);
}

static void with_vmm(void (*serves)(int sock, struct report *report),
		     struct report *report)
{
	int sock[2];

	igt_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock), 0);
	igt_fork(child, 2)
	{
		close(sock[!child]);
		if (child)
			vmm_of_server(sock[1]);
		else
			serves(sock[0], report);
	}
	close(sock[0]);
	close(sock[1]);
	igt_waitchildren();
}

static void serve_in_children(struct report *report)
{
	with_vmm(serve, report);
	vttm_wait_quarantine_empty(5);
}

static void serve_many_in_children(struct report *report)
{
	with_vmm(serve_many, report);
}

/*
 * Address spaces that the kernel keeps, those of dead processes included; not those
 * that are free and that KASAN keeps for a while to see who still uses them.
 */
static int mm_structs(void)
{
	int shrink =
		open("/sys/kernel/slab/mm_struct/shrink", O_WRONLY | O_CLOEXEC);
	FILE *file = fopen("/proc/slabinfo", "re");
	char line[256];
	int active = -1;

	igt_assert(shrink >= 0 && file);
	igt_assert_eq(write(shrink, "1", 1), 1);
	close(shrink);
	while (active < 0 && fgets(line, sizeof(line), file))
		sscanf(line, "mm_struct %d", &active);
	fclose(file);
	igt_assert_lt(0, active);
	return active;
}

#define FORKS 400

static void fork_much(int kind)
{
	int fd = vttm_open(kind);
	uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);
	volatile char *map = vttm_mmap(fd, handle, BO_SIZE);
	int before = mm_structs();

	map[0] = 1;
	for (int i = 0; i < FORKS; i++) {
		pid_t pid = child_fork();

		if (!pid)
			_exit(map[0] != 1);
		igt_assert_eq(waitpid(pid, NULL, 0), pid);
	}
	igt_info("%d address spaces before %d forks, %d after\n", before, FORKS,
		 mm_structs());
	igt_assert_lt(mm_structs(), before + FORKS / 4);
}

/* A reserved BO is kept if a VM is there, a counted page if KVM holds it. */
static int hold_pages(struct kvm_guest *guest)
{
	return reserved ? -1 : kvm_hold_page(guest, 0);
}

/* They are kept from everybody: all of the BO, or the chunk of that page. */
static void assert_quarantined(const struct kvm_bo *bo)
{
	struct vttm_counters counters;

	vttm_counters(bo->fd, &counters);
	igt_assert_lte_u64(reserved ? bo->pages : 1,
			   counters.pages_quarantined);
}

static void let_go(int hold)
{
	if (hold >= 0)
		close(hold);
}

static void purge(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_READ, 0);
	struct kvm_guest *guest = kvm_bo_start_guest(bo, 3);
	int hold;

	(void)arg;
	if (!guest)
		return;
	hold = hold_pages(guest);
	vttm_purge(bo->fd, bo->handle);
	assert_quarantined(bo);
	let_go(hold);
	/* No stale mapping: guest and host see the new, empty pages. */
	job.zero = true;
	kvm_guest_run_ok(guest, &job);
	kvm_host_verify(bo->map, &job);
	kvm_guest_destroy(guest);
}

#define WAIT_SECONDS 30 /* until a call that waits is ended by a signal */

static void take_by_swapout(struct kvm_bo *bo)
{
	igt_assert_eq_u64(vttm_swapout(bo->fd, bo->handle), bo->pages);
}

static void take_by_move(struct kvm_bo *bo)
{
	vttm_move(bo->fd, bo->handle, VTTM_PL_VRAM);
}

/* The first exposure of another BO, while this one's pages cannot be given on. */
static void take_and_fault(struct kvm_bo *bo)
{
	uint32_t other = vttm_create(bo->fd, bo->size, VTTM_BO_CACHED);
	char *map = vttm_mmap(bo->fd, other, bo->size);

	kvm_bo_free(bo);
	memset(map, 1, bo->size);
	/* It stays until the process ends. */
}

/* Takes none, but there is one more address space. */
static void take_none_and_fork(struct kvm_bo *bo)
{
	char *map = bo->map;
	int status;
	pid_t pid = child_fork();

	if (!pid) {
		map[0]++;
		_exit(0);
	}
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
}

static const struct taking {
	const char *name;
	void (*take)(struct kvm_bo *bo);
	bool keeps;
} takings[] = {
	{ "free", kvm_bo_free, false },
	{ "swapout", take_by_swapout, false },
	{ "move", take_by_move, false },
	{ "fault", take_and_fault, false },
	{ "fork", take_none_and_fork, true },
};
#define TAKINGS (sizeof(takings) / sizeof(takings[0]))

/* Of RCU or SRCU. A wait may call another of them: it is counted more than once then. */
static const char *const grace_periods[] = {
	"synchronize_rcu",  "synchronize_rcu_expedited",
	"synchronize_srcu", "synchronize_srcu_expedited",
	"rcu_barrier",	    "srcu_barrier",
	"__wait_rcu_gp",
};

/* How often anybody waited for a grace period meanwhile; shared with the VMM. */
static uint64_t *waits;

static void take_and_count(struct kvm_bo *bo, const struct taking *taking)
{
	const uint64_t before = calls_counted();

	alarm(WAIT_SECONDS);
	taking->take(bo);
	alarm(0);
	*waits = calls_counted() - before;
}

static void take_pages(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest *guest = kvm_bo_start_guest(bo, 0);
	int hold;

	if (!guest)
		return;
	hold = hold_pages(guest);
	take_and_count(bo, arg);
	/* They are held, so there would have been something to wait for. */
	assert_quarantined(bo);
	let_go(hold);
	kvm_guest_destroy(guest);
}

static void take_pages_of_nobody(struct kvm_bo *bo, const void *arg)
{
	const struct taking *taking = arg;
	struct vttm_counters counters;

	memset(bo->map, 1, bo->size);
	vttm_counters(bo->fd, &counters);
	igt_assert_eq_u64(counters.pages_marked, bo->pages);
	take_and_count(bo, taking);
	vttm_counters(bo->fd, &counters);
	igt_assert_eq_u64(counters.pages_quarantined, 0);
}

#define GRACE_ROUNDS 5

/* Something else in the kernel may wait at the same time, but not every time. */
static void run_without_wait(enum vttm_kind kind,
			     const struct kvm_bo_test *test)
{
	uint64_t fewest = UINT64_MAX;

	for (int i = 0; i < GRACE_ROUNDS && fewest; i++) {
		*waits = 0;
		kvm_bo_run(kind, test);
		if (*waits < fewest)
			fewest = *waits;
	}
	igt_assert_f(!fewest, "at least %lu waits for a grace period\n",
		     (unsigned long)fewest);
}

static void wait_for_srcu(void)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	int fd = vttm_open(VTTM_MODE);
	uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);
	void *map = vttm_mmap(fd, handle, BO_SIZE);
	int slot = kvm_guest_map(guest, KVM_GUEST_GPA, map, BO_SIZE);
	uint64_t before = calls_counted();

	kvm_guest_unmap(guest, slot);
	igt_assert_lt_u64(before, calls_counted());
	kvm_guest_destroy(guest);
	close(fd);
}

/* With more than one CPU, membarrier() is a grace period of RCU. */
static void wait_for_rcu(void)
{
	uint64_t before = calls_counted();

	igt_assert_eq(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0), 0);
	igt_assert_lt_u64(before, calls_counted());
}

/* On stock no guest can use the BO, so the test is over where it begins. */
static void subtests_with_twins(enum vttm_kind kind)
{
	const char *name = vttm_kind_name(kind);
	struct kvm_bo_test test = { .size = BO_SIZE };

	test.fn = purge;
	igt_describe(
		"Pages of a BO whose contents are dropped are kept from others");
	igt_subtest_f("%s-i4-purge-with-a-guest", name)
	{
		bound_set(NO_BOUND, false);
		kvm_bo_run(kind, &test);
	}

	test.fn = take_pages;
	for (size_t i = 0; i < TAKINGS; i++) {
		if (takings[i].keeps)
			continue;
		test.arg = &takings[i];
		igt_describe("Nobody waits for the VM whose thread this is");
		igt_subtest_f("%s-i6-%s-does-not-wait", name, takings[i].name)
		{
			bound_set(NO_BOUND, false);
			run_without_wait(kind, &test);
		}
	}
}

static void subtests_of_grace_periods(bool graces)
{
	struct kvm_bo_test test = { .fn = take_pages_of_nobody,
				    .size = BO_SIZE };

	igt_describe("control: both kinds of grace period are noticed");
	igt_subtest("control-i6-grace-periods-are-counted")
	{
		igt_require_f(graces, "no kprobe events\n");
		igt_require_f(sysconf(_SC_NPROCESSORS_ONLN) > 1, "one CPU\n");
		igt_fork(child, 1)
		{
			wait_for_rcu();
			wait_for_srcu();
		}
		igt_waitchildren();
	}

	for (size_t i = 0; i < TAKINGS; i++) {
		test.arg = &takings[i];
		igt_describe(
			"No wait for one (twin: control-i6-grace-periods-are-counted)");
		igt_subtest_f("i6-%s-waits-for-no-grace-period",
			      takings[i].name)
		{
			igt_require_f(graces, "no kprobe events\n");
			run_without_wait(VTTM_MODE, &test);
		}
	}
}

static void require_reserved(void)
{
	igt_require_f(reserved, "counted pages have no bound and no reuse\n");
}

/* A way to run, and what must be seen of it. */
struct expected {
	unsigned int bound;
	bool reuse;
	uint64_t reserved, quarantined;
};

static const struct expected without = { NO_BOUND, false, CHURN,
					 CHURN *BO_PAGES };
static const struct expected with_bound = { BOUND_MB, false, BOUND_MB,
					    BOUND_MB *BO_PAGES };
static const struct expected with_reuse = { BOUND_MB, true, CHURN, BO_PAGES };

static void run_and_compare(void (*run)(struct report *report),
			    struct report *report,
			    const struct expected *expected)
{
	require_reserved();
	memset(report, 0, sizeof(*report));
	bound_set(expected->bound, expected->reuse);
	run(report);
	igt_assert_eq_u64(report->reserved, expected->reserved);
	igt_assert_eq_u64(report->quarantined, expected->quarantined);
}

static int option(int opt, int index, void *data)
{
	unsigned long *const values[] = { &churn_mib, &live_mib };
	char *end;

	(void)index;
	(void)data;
	if (opt < 0 || opt > 1)
		return -2;
	*values[opt] = strtoul(optarg, &end, 0);
	return *optarg && !*end && *values[opt] ? 0 : -2;
}

static const struct option options[] = {
	{ "churn", required_argument, NULL, 0 },
	{ "live", required_argument, NULL, 1 },
	{},
};

static const char help[] =
	"  --churn=MIB\tof the BOs of many sizes, one after another (default 150)\n"
	"  --live=MIB\tof them at once, on average (default 12)\n";

int igt_main_args("", options, help, option, NULL)
{
	int fd;
	bool graces = false;
	struct report *report = NULL;

	igt_fixture()
	{
		kvm_bo_require(VTTM_MODE);
		igt_require_f(param_exists("ttm", BOUND),
			      "ttm.ko has no mode\n");
		old_bound = param_get("ttm", BOUND);
		fd = vttm_open(VTTM_MODE);
		reserved = vttm_policy_is(fd, "reserved");
		close(fd);
		report = mmap(NULL, 2 * sizeof(*report), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		waits = mmap(NULL, sizeof(*waits), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		igt_assert(report != MAP_FAILED && waits != MAP_FAILED);
		graces = calls_watch(grace_periods,
				     sizeof(grace_periods) /
					     sizeof(grace_periods[0]));
	}

	igt_describe("twin: every BO that a guest saw stays in quarantine");
	igt_subtest("i5-churn-without-bound-or-reuse")
		run_and_compare(churn_in_child, report, &without);

	igt_describe(
		"At the bound BOs are counted (twin: i5-churn-without-bound-or-reuse)");
	igt_subtest("i5-churn-with-bound")
		run_and_compare(churn_in_child, report, &with_bound);

	igt_describe(
		"A BO gets the last one's pages (twin: i5-churn-without-bound-or-reuse)");
	igt_subtest("i5-churn-with-reuse")
		run_and_compare(churn_in_child, report, &with_reuse);

	igt_describe(
		"Random sizes; without reuse more is held than may be (twin: within)");
	igt_subtest("i5-churn-of-many-sizes")
	{
		require_reserved();
		bound_set(NO_BOUND, false);
		igt_assert(!many_within_bound(churn_many_in_child, report));
		bound_set(NO_BOUND, true);
		igt_assert(many_within_bound(churn_many_in_child, report));
	}

	igt_describe("Live BOs count towards the bound on all (twin: within)");
	igt_subtest("i5-live-bos-with-bound")
	{
		require_reserved();
		bound_set(NO_BOUND, false);
		igt_assert_eq_u64(live_reserved(report, NO_BOUND), LIVE_MB);
		igt_assert_eq_u64(live_reserved(report, BOUND_MB), BOUND_MB);
		vttm_parameter_set("pfnmap_reserved_mb", 0);
	}

	igt_describe(
		"Two VMMs, one bound (twin: i5-churn-without-bound-or-reuse)");
	igt_subtest("i5-bound-is-for-all")
	{
		require_reserved();
		memset(report, 0, 2 * sizeof(*report));
		bound_set(BOUND_MB, false);
		igt_fork(vmm, 2) churn(&report[vmm]);
		igt_waitchildren();
		vttm_wait_quarantine_empty(5);
		/* Each may have one more on its way when it is reached. */
		for (int i = 0; i < 2; i++)
			igt_assert_lte_u64(report[i].quarantined,
					   (BOUND_MB + 1) * BO_PAGES);
	}

	igt_describe("twin: all BOs of a render server stay in quarantine");
	igt_subtest("i5-render-server-without-bound-or-reuse")
		run_and_compare(serve_in_children, report, &without);

	igt_describe(
		"The same at the bound (twin: i5-render-server-without-bound-or-reuse)");
	igt_subtest("i5-render-server-with-bound")
		run_and_compare(serve_in_children, report, &with_bound);

	igt_describe(
		"With reuse nothing adds up (twin: i5-render-server-without-bound-or-reuse)");
	igt_subtest("i5-render-server-with-reuse")
		run_and_compare(serve_in_children, report, &with_reuse);

	igt_describe(
		"The same with random sizes; without reuse more is held (twin: within)");
	igt_subtest("i5-render-server-of-many-sizes")
	{
		require_reserved();
		bound_set(NO_BOUND, false);
		igt_assert(!many_within_bound(serve_many_in_children, report));
		bound_set(NO_BOUND, true);
		igt_assert(many_within_bound(serve_many_in_children, report));
	}

	for (int kind = VTTM_STOCK; kind <= VTTM_MODE; kind++) {
		igt_describe(
			"regression: address spaces of children that are gone are not kept");
		igt_subtest_f("%s-i3-forks-pin-no-memory", vttm_kind_name(kind))
		{
			bound_set(NO_BOUND, false);
			igt_fork(parent, 1) fork_much(kind);
			igt_waitchildren();
		}
	}

	for (int kind = VTTM_STOCK; kind <= VTTM_MODE; kind++)
		subtests_with_twins(kind);
	subtests_of_grace_periods(graces);

	igt_fixture() bound_set(old_bound, false);
}
