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
 * SUBTEST: mode-i4-with-kvm-keeps
 * Description: The twin of the following: a VM without any memory, that never
 *	ran, is enough to keep what its process frees
 */

/**
 * SUBTEST: mode-i4-no-kvm-frees-at-once-%s
 * Description: Regression test, since stock TTM keeps nothing either: a process
 *	without KVM frees BOs, and nothing is ever quarantined
 *
 * arg[1]:
 * @alone:		one thread
 * @sleeping-threads:	with sleeping threads
 * @migrating:		one thread that moves from CPU to CPU
 * @after-fork:		with children that had the mapping
 * @anonymous-memory:	with memory for transparent huge pages
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "kvm_bo.h"

#define SIZE KVM_BO_MIB(1)
#define PAGES (SIZE / KVM_GUEST_PAGE)
#define BOS 50
#define THREADS 3

/* Coprime to the number of pages, so each is touched once, in no order. */
#define STEP 167

static void touched_is_marked(struct kvm_bo *bo, const void *arg)
{
	struct drm_vttm_page page;
	struct vttm_counters counters;
	struct drm_vttm_info info;
	unsigned int marked = 0;

	(void)arg;
	for (uint32_t i = 0; i < bo->pages; i++) {
		const uint32_t n = i * STEP % bo->pages;

		((volatile char *)bo->map)[(size_t)n * KVM_GUEST_PAGE] = i;
		vttm_page(bo->fd, bo->handle, n, &page);
		marked += page.count == 1 && page.flags & VTTM_PAGE_RESERVED;
	}
	igt_assert_eq(marked, bo->kind == VTTM_MODE ? bo->pages : 0);
	vttm_info(bo->fd, bo->handle, &info);
	vttm_counters(bo->fd, &counters);
	igt_assert_eq_u64(counters.pages_marked, marked);
	igt_assert_eq_u64(counters.sets_exposed, !!marked);
	igt_assert_eq_u64(counters.chunks_marked, marked ? info.chunks : 0);
	bo->refused = !marked;
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
	const unsigned long mask = 1ul << (round & 1);

	/* Fails where there is one CPU: then there is nothing to move to. */
	syscall(SYS_sched_setaffinity, 0, sizeof(mask), &mask);
}

static void fork_and_wait(unsigned int round)
{
	pid_t pid;
	int status;

	(void)round;
	fflush(NULL);
	pid = fork();
	igt_assert_lte(0, pid);
	if (!pid)
		exit(0);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
}

static void with_anonymous_memory(void)
{
	const size_t size = KVM_BO_MIB(8);
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	igt_assert(map != MAP_FAILED);
	madvise(map, size, MADV_HUGEPAGE);
	memset(map, 1, size);
}

static const struct variant {
	const char *name;
	void (*before)(void);
	void (*while_mapped)(unsigned int round);
} variants[] = {
	{ "alone", NULL, NULL },
	{ "sleeping-threads", with_threads, NULL },
	{ "migrating", NULL, move_to_another_cpu },
	{ "after-fork", NULL, fork_and_wait },
	{ "anonymous-memory", with_anonymous_memory, NULL },
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
	const struct kvm_bo_test keep_test = { .fn = keeps, .size = SIZE };

	for (int kind = VTTM_STOCK; kind <= VTTM_MODE; kind++) {
		igt_describe("A page that the CPU touched is marked.");
		igt_subtest_f("%s-i1-touched-page-is-marked",
			      vttm_kind_name(kind))
			kvm_bo_run(kind, &mark_test);
	}

	igt_describe("twin: a process with a VM keeps what it frees.");
	igt_subtest("mode-i4-with-kvm-keeps") kvm_bo_run(VTTM_MODE, &keep_test);

	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		const struct kvm_bo_test test = {
			.fn = frees_at_once,
			.arg = &variants[i],
		};

		igt_describe(
			"regression: a process without KVM quarantines nothing.");
		igt_subtest_f("mode-i4-no-kvm-frees-at-once-%s",
			      variants[i].name) kvm_bo_run(VTTM_MODE, &test);
	}
}
