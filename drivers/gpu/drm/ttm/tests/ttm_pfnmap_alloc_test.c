// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of invariant I6: where memory is needed most (a fault, a fork, a BO's
 * free, which is the shrinker's way, too), the mode allocates nothing that can fail.
 *
 * The allocators' own trace events say what the task allocates. Debugging aids of
 * the kernel allocate at times as well (the depot of SLUB's stack traces), the mode
 * would every time: what counts is the round with the fewest.
 */
#include <linux/sched.h>
#include <linux/slab.h>
#include <trace/events/kmem.h>

#include "ttm_pfnmap_kunit.h"

#define ROUNDS 5

/* More than a set has room for without an allocation. */
#define SPACES 6

/* What one task asked the allocators for. */
struct allocations {
	struct task_struct *task;
	int all;
	int may_fail;
};

static void count(struct allocations *found, gfp_t gfp)
{
	if (current != READ_ONCE(found->task) || !in_task())
		return;
	found->all++;
	found->may_fail += !(gfp & __GFP_NOFAIL);
}

/* How SLUB first asks for pages for any object, which has an event of its own. */
#define SLAB_TRIES (__GFP_COMP | __GFP_NOWARN | __GFP_NORETRY)

static void on_kmalloc(void *found, unsigned long site, const void *object,
		       size_t wanted, size_t got, gfp_t gfp, int node)
{
	count(found, gfp);
}

static void on_cache_alloc(void *found, unsigned long site, const void *object,
			   struct kmem_cache *cache, gfp_t gfp, int node)
{
	count(found, gfp);
}

static void on_page_alloc(void *found, struct page *page, unsigned int order,
			  gfp_t gfp, int migratetype)
{
	if ((gfp & SLAB_TRIES) != SLAB_TRIES)
		count(found, gfp);
}

static void watch_end(void *found)
{
	unregister_trace_mm_page_alloc(on_page_alloc, found);
	unregister_trace_kmem_cache_alloc(on_cache_alloc, found);
	unregister_trace_kmalloc(on_kmalloc, found);
	tracepoint_synchronize_unregister();
}

static struct allocations *watch(struct kunit *test)
{
	struct allocations *found =
		kunit_kzalloc(test, sizeof(*found), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, found);
	KUNIT_ASSERT_EQ(test, register_trace_kmalloc(on_kmalloc, found), 0);
	KUNIT_ASSERT_EQ(test,
			register_trace_kmem_cache_alloc(on_cache_alloc, found),
			0);
	KUNIT_ASSERT_EQ(test,
			register_trace_mm_page_alloc(on_page_alloc, found), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, watch_end, found),
			0);
	return found;
}

static void watch_begin(struct allocations *found)
{
	found->all = 0;
	found->may_fail = 0;
	WRITE_ONCE(found->task, current);
}

/* Keeps the smallest of the rounds' counts in @fewest. */
static void watch_stop(struct allocations *found, struct allocations *fewest)
{
	WRITE_ONCE(found->task, NULL);
	fewest->all = min(fewest->all, found->all);
	fewest->may_fail = min(fewest->may_fail, found->may_fail);
}

static const struct allocations NONE_YET = { .all = INT_MAX,
					     .may_fail = INT_MAX };

/* Otherwise the other cases would prove nothing. */
static void populate_allocates(struct kunit *test)
{
	struct allocations *found = watch(test), fewest = NONE_YET;
	struct test_bo *buf;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		buf = bo_new(test, 7, 0);
		watch_begin(found);
		bo_populate(test, buf);
		watch_stop(found, &fewest);
	}
	/* The set that a BO's pages are remembered in, at least. */
	KUNIT_EXPECT_GT(test, fewest.may_fail, 0);
}

static void fault_allocates_nothing_that_fails(struct kunit *test)
{
	struct allocations *found = watch(test), fewest = NONE_YET;
	struct test_mm *spaces[SPACES];
	struct test_bo *buf;
	int i, j;

	for (i = 0; i < ROUNDS; i++) {
		buf = bo_new_populated(test, 7);
		for (j = 0; j < SPACES; j++)
			spaces[j] = mm_new(test);
		watch_begin(found);
		for (j = 0; j < SPACES; j++)
			KUNIT_EXPECT_EQ(test, fault(buf, spaces[j]), 0);
		watch_stop(found, &fewest);
		KUNIT_EXPECT_EQ(test, bo_marked(buf), 7);
	}
	/* An address space that is new to the mode is remembered, come what may. */
	KUNIT_EXPECT_GE(test, fewest.all, SPACES);
	KUNIT_EXPECT_EQ(test, fewest.may_fail, 0);
}

static void fault_again_allocates_nothing(struct kunit *test)
{
	struct allocations *found = watch(test), fewest = NONE_YET;
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);
	int i;

	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	for (i = 0; i < ROUNDS; i++) {
		watch_begin(found);
		KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
		watch_stop(found, &fewest);
	}
	KUNIT_EXPECT_EQ(test, fewest.all, 0);
}

static void fork_allocates_nothing_that_fails(struct kunit *test)
{
	struct allocations *found = watch(test), fewest = NONE_YET;
	struct test_mm *children[SPACES], *parent;
	struct test_bo *buf;
	int i, j;

	for (i = 0; i < ROUNDS; i++) {
		buf = bo_new_populated(test, 7);
		parent = mm_new(test);
		KUNIT_EXPECT_EQ(test, fault(buf, parent), 0);
		for (j = 0; j < SPACES; j++)
			children[j] = mm_new(test);
		watch_begin(found);
		for (j = 0; j < SPACES; j++)
			fork_to(buf, children[j]);
		watch_stop(found, &fewest);
	}
	KUNIT_EXPECT_GE(test, fewest.all, SPACES);
	KUNIT_EXPECT_EQ(test, fewest.may_fail, 0);
}

static void free_drained_allocates_nothing(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct allocations *found = watch(test), fewest = NONE_YET;
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new(test, 7, 0);
	int i;

	for (i = 1; i <= ROUNDS; i++) {
		bo_populate(test, buf);
		KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
		watch_begin(found);
		bo_unpopulate(buf);
		watch_stop(found, &fewest);
		KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->pages_retired),
				7 * i);
	}
	KUNIT_EXPECT_EQ(test, fewest.all, 0);
}

/* Under "counted" a page that somebody holds, as KVM would. */
static void free_undrained_allocates_nothing(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct allocations *found = watch(test), fewest = NONE_YET;
	struct test_mm *space = mm_new(test);
	struct test_bo *bufs[ROUNDS];
	int i;

	vm_create(test, space);
	for (i = 0; i < ROUNDS; i++) {
		bufs[i] = bo_new_populated(test, 1);
		KUNIT_EXPECT_EQ(test, fault(bufs[i], space), 0);
		if (dev->policy == &ttm_pfnmap_counted)
			page_ref_inc(bufs[i]->tt.pages[0]);
		watch_begin(found);
		bo_unpopulate(bufs[i]);
		watch_stop(found, &fewest);
		KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->pages_quarantined),
				i + 1);
	}
	KUNIT_EXPECT_EQ(test, fewest.all, 0);
	/* Not gone yet: the quarantine keeps them, and ttm_tt the pointers. */
	if (dev->policy == &ttm_pfnmap_counted)
		for (i = 0; i < ROUNDS; i++)
			page_ref_dec(bufs[i]->tt.pages[0]);
}

static struct kunit_case alloc_cases[] = {
	KUNIT_CASE(populate_allocates),
	KUNIT_CASE(fault_allocates_nothing_that_fails),
	KUNIT_CASE(fault_again_allocates_nothing),
	KUNIT_CASE(fork_allocates_nothing_that_fails),
	KUNIT_CASE(free_drained_allocates_nothing),
	KUNIT_CASE(free_undrained_allocates_nothing),
	{}
};

static struct kunit_suite alloc_suite = {
	.name = "ttm_pfnmap_i6_alloc",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.init = opted_in_init,
	.exit = device_exit,
	.test_cases = alloc_cases,
};

static struct kunit_suite counted_suite = {
	.name = "ttm_pfnmap_i6_alloc_counted",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.init = opted_in_counted_init,
	.exit = device_exit,
	.test_cases = alloc_cases,
};

kunit_test_suites(&alloc_suite, &counted_suite);

MODULE_DESCRIPTION("KUnit suite of TTM's PFNMAP mode: allocations");
MODULE_LICENSE("GPL");
