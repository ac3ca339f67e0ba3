// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap lifetime nokvm
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: TTM BOs in processes without KVM
 * Description: The mode costs a process without KVM nothing that lasts: pages
 *	are marked before anybody can see them, and given back at once.
 */

/**
 * SUBTEST: %s-i1-touched-page-is-marked
 * Description: The CPU touches a page: it is marked then. On stock none is
 *
 * arg[1]:
 * @mode:	the opted-in device
 * @stock:	the twin
 */

/**
 * SUBTEST: %s-i1-every-pte-is-marked
 * Description: Each page is looked at when its PTE is made, in a fresh BO and in
 *	one that was swapped out: it is marked by then. On stock not all are. Needs
 *	pte_watch.ko
 *
 * arg[1]:
 * @mode:	the opted-in device
 * @stock:	the twin
 */

/**
 * SUBTEST: %s-i8-caching-is-restored-at-once-%s
 * Description: Nobody can hold the pages of a BO that is not write-back when it is
 *	swapped out or freed: they are write-back when TTM's pool has given them
 *	back, too
 *
 * arg[1]:
 * @mode:	the opted-in device
 * @stock:	the twin
 *
 * arg[2]:
 * @free-wc:	a write-combined BO is freed
 * @free-uc:	an uncached BO is freed
 * @swapout-wc:	a write-combined BO is swapped out
 * @swapout-uc:	an uncached BO is swapped out
 */

/**
 * SUBTEST: mode-i4-with-kvm-keeps
 * Description: The twin of the following: a VM without any memory, that never
 *	ran, is enough to keep what its process frees
 */

/**
 * SUBTEST: mode-i4-no-kvm-frees-at-once-%s
 * Description: A process without KVM frees BOs, and nothing is ever quarantined,
 *	by the mode's counters, which stock TTM has not
 *
 * arg[1]:
 * @alone:		one thread
 * @sleeping-threads:	with sleeping threads
 * @migrating:		one thread that moves from CPU to CPU
 * @after-fork:		with children that had the mapping
 * @huge-pages:		with transparent huge pages
 * @io-uring:		with a kernel thread of an io_uring that polls
 * @exit:		in processes that end with it, without a word
 */
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "freemem.h"
#include "igt.h"
#include "kvm_bo.h"
#include "param.h"

#define SIZE KVM_BO_MIB(1)
#define PAGES (SIZE / KVM_GUEST_PAGE)
#define BOS 50
#define THREADS 3
#define POOL_ROUNDS 20

/* Coprime to the number of pages, so each is touched once, in no order. */
#define STEP 167

static void touched_is_marked(struct kvm_bo *bo, const void *arg)
{
	struct drm_vttm_page page;
	struct vttm_counters counters;
	struct drm_vttm_info info;
	const bool mode = bo->kind == VTTM_MODE;
	const uint32_t flags = mode && vttm_policy_is(bo->fd, "reserved") ?
				       VTTM_PAGE_RESERVED :
				       0;
	unsigned int marked = 0;

	(void)arg;
	for (uint32_t i = 0; i < bo->pages; i++) {
		const uint32_t n = i * STEP % bo->pages;

		((volatile char *)bo->map)[(size_t)n * KVM_GUEST_PAGE] = i;
		vttm_page(bo->fd, bo->handle, n, &page);
		marked += page.count == 1 &&
			  (page.flags & VTTM_PAGE_RESERVED) == flags;
	}
	vttm_info(bo->fd, bo->handle, &info);
	vttm_counters(bo->fd, &counters);
	/* On stock the first page of each chunk has a count, too. */
	igt_assert_eq(marked, mode ? bo->pages : info.chunks);
	igt_assert_eq_u64(counters.pages_marked, mode ? bo->pages : 0);
	igt_assert_eq_u64(counters.sets_exposed, mode);
	igt_assert_eq_u64(counters.chunks_marked, mode ? info.chunks : 0);
	bo->refused = marked < bo->pages;
}

#define PTE_WATCH "pte_watch"

/* Touches every page; returns how many were not marked at their PTE. */
static unsigned long touch_watched(const struct kvm_bo *bo)
{
	unsigned long ptes, unmarked;

	param_set(PTE_WATCH, "ptes", 0);
	param_set(PTE_WATCH, "unmarked", 0);
	for (uint32_t i = 0; i < bo->pages; i++)
		((volatile char *)bo->map)[(size_t)i * KVM_GUEST_PAGE] = i;
	ptes = param_get(PTE_WATCH, "ptes");
	unmarked = param_get(PTE_WATCH, "unmarked");
	igt_info("%s: %lu PTEs made, %lu of pages that were not marked\n",
		 vttm_kind_name(bo->kind), ptes, unmarked);
	/* Each touch makes some for the pages behind it, perhaps again. */
	igt_assert_lte_u64(bo->pages, ptes);
	return unmarked;
}

static void every_pte_is_marked(struct kvm_bo *bo, const void *arg)
{
	int mode = vttm_open(VTTM_MODE);
	unsigned long unmarked[2];

	(void)arg;
	/* The twin's pages are judged as if it had opted in. */
	param_set(PTE_WATCH, "reserved", vttm_policy_is(mode, "reserved"));
	close(mode);
	unmarked[0] = touch_watched(bo);
	igt_assert_eq_u64(vttm_swapout(bo->fd, bo->handle), bo->pages);
	unmarked[1] = touch_watched(bo);
	for (int i = 0; i < 2; i++)
		igt_assert_eq(!unmarked[i], bo->kind == VTTM_MODE);
	bo->refused = unmarked[0];
}

/* Of @bo, which nobody has any more; TTM's pool has what is not free yet. */
static void assert_caching_restored(const struct kvm_bo *bo,
				    const uint64_t *pfns)
{
	uint32_t left = vttm_uncached(bo->fd, pfns, bo->pages);

	igt_info("%u pages go by way of the pool\n", left);
	for (int i = 0; left && i < POOL_ROUNDS; i++) {
		freemem_drop_caches();
		left = vttm_uncached(bo->fd, pfns, bo->pages);
	}
	igt_assert_eq_u32(left, 0);
}

static void caching_at_once(struct kvm_bo *bo, const void *swapout)
{
	struct vttm_counters before, after;
	uint64_t *pfns;

	memset(bo->map, 1, bo->size);
	pfns = vttm_pfns(bo->fd, bo->handle, bo->pages);
	igt_assert_eq_u32(vttm_uncached(bo->fd, pfns, bo->pages), bo->pages);
	vttm_counters_total(&before);
	if (swapout)
		igt_assert_eq_u64(vttm_swapout(bo->fd, bo->handle), bo->pages);
	else
		kvm_bo_free(bo);
	vttm_counters_total(&after);
	igt_assert_eq_u64(after.pages_quarantined, 0);
	igt_assert_eq_u64(after.pages_retired - before.pages_retired,
			  bo->kind == VTTM_MODE ? bo->pages : 0);
	assert_caching_restored(bo, pfns);
	free(pfns);
}

static void caching_subtests(enum vttm_kind kind)
{
	static const struct {
		const char *name, *swapout;
		uint32_t flags;
	} ways[] = {
		{ "free-wc", NULL, VTTM_BO_WC },
		{ "free-uc", NULL, VTTM_BO_UC },
		{ "swapout-wc", "swapout", VTTM_BO_WC },
		{ "swapout-uc", "swapout", VTTM_BO_UC },
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const struct kvm_bo_test test = {
			.fn = caching_at_once,
			.arg = ways[i].swapout,
			.size = SIZE,
			.flags = ways[i].flags,
			.stock_works = true,
		};

		igt_describe(
			"regression: pages that leave TTM at once are write-back.");
		igt_subtest_f("%s-i8-caching-is-restored-at-once-%s",
			      vttm_kind_name(kind), ways[i].name)
			kvm_bo_run(kind, &test);
	}
}

static void *sleep_thread(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static void with_threads(void)
{
	pthread_t thread;

	for (int i = 0; i < THREADS; i++)
		igt_assert_eq(pthread_create(&thread, NULL, sleep_thread, NULL),
			      0);
}

static void move_to_another_cpu(unsigned int round)
{
	const unsigned long mask = 2ul << (round & 1);

	/* Fails where there are not so many: then there is nothing to move to. */
	syscall(SYS_sched_setaffinity, 0, sizeof(mask), &mask);
}

static void wait_for(pid_t pid)
{
	int status;

	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
}

static void fork_and_wait(unsigned int round)
{
	pid_t pid = child_fork();

	(void)round;
	if (!pid)
		exit(0);
	wait_for(pid);
}

/* KiB of transparent huge pages that this process has. */
static unsigned long huge_kib(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	unsigned long kib = 0;
	char line[128];

	igt_assert(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "AnonHugePages: %lu", &kib) == 1)
			break;
	fclose(file);
	return kib;
}

static void with_huge_pages(void)
{
	const size_t size = KVM_BO_MIB(16);
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	igt_assert(map != MAP_FAILED);
	igt_assert_eq(madvise(map, size, MADV_HUGEPAGE), 0);
	memset(map, 1, size);
	igt_info("%lu KiB in huge pages\n", huge_kib());
	igt_assert_lte(1, huge_kib());
}

/* Its thread is in this address space, and polls a second before it sleeps. */
static void with_io_uring(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SQPOLL,
		.sq_thread_idle = 1000,
	};

	const int fd = syscall(SYS_io_uring_setup, 4, &params);

	igt_assert_fd(fd);
}

static const struct variant {
	const char *name;
	void (*before)(void);
	void (*while_mapped)(unsigned int round);
	bool exits;
} variants[] = {
	{ "alone", NULL, NULL, false },
	{ "sleeping-threads", with_threads, NULL, false },
	{ "migrating", NULL, move_to_another_cpu, false },
	{ "after-fork", NULL, fork_and_wait, false },
	{ "huge-pages", with_huge_pages, NULL, false },
	{ "io-uring", with_io_uring, NULL, false },
	{ "exit", NULL, NULL, true },
};

/* A BO from create to free, touched by the CPU alone. */
static void use_one(unsigned int round, const struct variant *variant)
{
	struct kvm_bo bo;

	kvm_bo_init(&bo, VTTM_MODE, SIZE, VTTM_BO_CACHED);
	memset(bo.map, round, bo.size);
	kvm_bo_check_counts(&bo);
	if (variant && variant->while_mapped)
		variant->while_mapped(round);
	if (variant && variant->exits)
		exit(0);
	kvm_bo_fini(&bo);
}

static void frees_at_once(struct kvm_bo *unused, const void *arg)
{
	const struct variant *variant = arg;
	struct vttm_counters before, after;

	(void)unused;
	if (variant->before)
		variant->before();
	vttm_counters_total(&before);
	for (int i = 0; i < BOS; i++) {
		pid_t pid = variant->exits ? child_fork() : 0;

		if (pid)
			wait_for(pid);
		else
			use_one(i, variant);
		vttm_counters_total(&after);
		igt_assert_eq_u64(after.pages_quarantined, 0);
	}
	/* And they did go through the mode. */
	igt_assert_eq_u64(after.pages_retired - before.pages_retired,
			  BOS * PAGES);
}

static void keeps(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	bool reserved = vttm_policy_is(bo->fd, "reserved");
	struct vttm_counters counters;

	(void)arg;
	for (int i = 0; i < BOS; i++) {
		use_one(i, NULL);
		vttm_counters_total(&counters);
		/* Of each BO, or with reuse of the last. */
		igt_assert_lte_u64(reserved ? PAGES : 0,
				   counters.pages_quarantined);
		igt_assert_lte_u64(counters.pages_quarantined,
				   reserved ? (i + 1) * PAGES : 0);
	}
	kvm_guest_destroy(guest);
}

int igt_main()
{
	const struct kvm_bo_test mark_test = {
		.fn = touched_is_marked,
		.size = KVM_BO_MIB(2),
	};
	const struct kvm_bo_test pte_test = {
		.fn = every_pte_is_marked,
		.size = KVM_BO_MIB(64),
	};
	const struct kvm_bo_test keep_test = { .fn = keeps, .size = SIZE };

	for (int kind = VTTM_STOCK; kind <= VTTM_MODE; kind++) {
		igt_describe("A page that the CPU touched is marked.");
		igt_subtest_f("%s-i1-touched-page-is-marked",
			      vttm_kind_name(kind))
			kvm_bo_run(kind, &mark_test);

		igt_describe("A page is marked when its PTE is made.");
		igt_subtest_f("%s-i1-every-pte-is-marked", vttm_kind_name(kind))
		{
			igt_require_f(param_exists(PTE_WATCH, "ptes"),
				      "pte_watch.ko is not loaded\n");
			kvm_bo_run(kind, &pte_test);
		}
		caching_subtests(kind);
	}

	igt_describe("twin: a process with a VM keeps what it frees.");
	igt_subtest("mode-i4-with-kvm-keeps") kvm_bo_run(VTTM_MODE, &keep_test);

	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		const struct kvm_bo_test test = {
			.fn = frees_at_once,
			.arg = &variants[i],
		};

		igt_describe(
			"A process without KVM quarantines nothing (twin: mode-i4-with-kvm-keeps).");
		igt_subtest_f("mode-i4-no-kvm-frees-at-once-%s",
			      variants[i].name) kvm_bo_run(VTTM_MODE, &test);
	}
}
