// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suites of ttm_pfnmap_lifetime.c: exposure, drained, quarantine, reaper.
 */
#include <linux/delay.h>
#include <linux/kthread.h>

#include "ttm_pfnmap_kunit.h"

/* ---- Drained ----------------------------------------------------------- */

static void drop_hold(void *mm)
{
	mmdrop(mm);
}

/* With the one hold that the mm table has on every address space in it. */
static struct test_mm *mm_new_recorded(struct kunit *test)
{
	struct test_mm *space = mm_new(test);

	mmgrab(space->mm);
	KUNIT_ASSERT_EQ(
		test, kunit_add_action_or_reset(test, drop_hold, space->mm), 0);
	return space;
}

static void drained_without_notifiers(struct kunit *test)
{
	struct test_mm *space = mm_new_recorded(test);
	int i;

	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_TRUE(test,
				  ttm_pfnmap_reserved_mm_drained(space->mm));
		mmgrab(space->mm);
	}
	mm_exit(space);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_TRUE(test,
				  ttm_pfnmap_reserved_mm_drained(space->mm));
		mmdrop(space->mm);
	}
}

static void drained_when_nobody_else_holds(struct kunit *test)
{
	struct test_mm *space = mm_new_recorded(test);

	vm_create(test, space);
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
	vm_destroy(space);
	KUNIT_EXPECT_TRUE(test, mm_has_notifiers(space->mm));
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
}

static void drained_needs_every_grab_gone(struct kunit *test)
{
	struct test_mm *space = mm_new_recorded(test);

	vm_create(test, space);
	mmgrab(space->mm);
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
	vm_destroy(space);
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
	mmdrop(space->mm);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
}

static void drained_with_many_users(struct kunit *test)
{
	struct test_mm *space = mm_new_recorded(test);

	vm_create(test, space);
	vm_destroy(space);
	mmget(space->mm);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
	mmgrab(space->mm);
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
	mmdrop(space->mm);
	mmput(space->mm);
}

static void drained_without_users(struct kunit *test)
{
	struct test_mm *space = mm_new_recorded(test);

	vm_create(test, space);
	mm_exit(space);
	KUNIT_EXPECT_EQ(test, atomic_read(&space->mm->mm_users), 0);
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
	vm_destroy(space);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
	mmgrab(space->mm);
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
	mmdrop(space->mm);
}

/* Borrowed by the task that asks, which is a kernel thread. */
static void drained_though_borrowed(struct kunit *test)
{
	struct test_mm *space = mm_new_recorded(test);

	KUNIT_ASSERT_NULL(test, current->mm);
	vm_create(test, space);
	vm_destroy(space);
	kthread_use_mm(space->mm);
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
	kthread_unuse_mm(space->mm);
	KUNIT_EXPECT_PTR_EQ(test, current->active_mm, space->mm);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
	mmgrab(space->mm);
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
	mmdrop(space->mm);

	kthread_use_mm(&init_mm);
	kthread_unuse_mm(&init_mm);
}

/* Under "counted" the pages are asked, and no address space. */
static void drained_when_counted(struct kunit *test)
{
	struct test_mm *space = mm_new_recorded(test);

	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_counted_mm_drained(space->mm));
	vm_create(test, space);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_counted_mm_drained(space->mm));
	mm_exit(space);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_counted_mm_drained(space->mm));
}

static struct kunit_case drained_cases[] = {
	KUNIT_CASE(drained_without_notifiers),
	KUNIT_CASE(drained_when_nobody_else_holds),
	KUNIT_CASE(drained_needs_every_grab_gone),
	KUNIT_CASE(drained_with_many_users),
	KUNIT_CASE(drained_without_users),
	KUNIT_CASE(drained_though_borrowed),
	KUNIT_CASE(drained_when_counted),
	{}
};

static struct kunit_suite drained_suite = {
	.name = "ttm_pfnmap_drained",
	.test_cases = drained_cases,
};

/* ---- Exposure and quarantine ------------------------------------------- */

static void expect_marked(struct kunit *test, const struct ttm_pfnmap_dev *dev,
			  long sets, long chunks, long pages)
{
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->sets_exposed), sets);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->chunks_marked), chunks);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->pages_marked), pages);
}

static void expect_given_back(struct kunit *test,
			      const struct ttm_pfnmap_dev *dev,
			      long quarantined, long retired, long leaked)
{
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->pages_quarantined),
			quarantined);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->pages_retired), retired);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->pages_leaked), leaked);
}

#define REAPER_TRIES 500

/* The reaper looks five times a second, but who knows how slow we are. */
static bool given_back_soon(const struct ttm_pfnmap_dev *dev, long pages)
{
	long given;
	int i;

	for (i = 0; i < REAPER_TRIES; i++) {
		given = atomic_long_read(&dev->pages_retired);
		given += atomic_long_read(&dev->pages_leaked);
		if (given == pages)
			return true;
		msleep(20);
	}
	return false;
}

/* Long enough for the reaper to do wrong; what is right never depends on it. */
static void let_reaper_look(void)
{
	msleep(500);
}

static void fault_marks_every_page(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);

	expect_marked(test, dev, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, bo_plain(buf), 7);
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->state), TTM_PFNMAP_IDLE);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->state), TTM_PFNMAP_ACTIVE);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 7);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 1);
	expect_marked(test, dev, 1, 3, 7);
}

static void fault_marks_big_chunk(struct kunit *test)
{
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 512);

	KUNIT_EXPECT_EQ(test, page_private(buf->tt.pages[0]), 9);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 512);
	expect_marked(test, the_dev(test), 1, 1, 512);
}

static void fault_again_adds_nothing(struct kunit *test)
{
	struct test_mm *first = mm_new(test);
	struct test_mm *second = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 3);
	int i;

	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, fault(buf, first), 0);
		KUNIT_EXPECT_EQ(test, fault(buf, second), 0);
	}
	KUNIT_EXPECT_EQ(test, mm_grabs(first), 1);
	KUNIT_EXPECT_EQ(test, mm_grabs(second), 1);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 3);
	expect_marked(test, the_dev(test), 1, 2, 3);
	/* A link too many would keep its hold. */
	bo_unpopulate(buf);
	KUNIT_EXPECT_EQ(test, mm_grabs(first), 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(second), 0);
}

/* However many BOs: more than one hold would look like somebody else's. */
static void one_grab_for_all_bos(struct kunit *test)
{
	struct test_mm *space = mm_new(test);
	struct test_bo *buf[3];
	int i;

	for (i = 0; i < ARRAY_SIZE(buf); i++) {
		buf[i] = bo_new_populated(test, i + 1);
		KUNIT_EXPECT_EQ(test, fault(buf[i], space), 0);
		KUNIT_EXPECT_EQ(test, mm_grabs(space), 1);
	}
	for (i = 0; i < ARRAY_SIZE(buf); i++) {
		KUNIT_EXPECT_EQ(test, mm_grabs(space), 1);
		bo_unpopulate(buf[i]);
	}
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
}

static void many_address_spaces(struct kunit *test)
{
	struct test_mm *space[TTM_PFNMAP_INLINE_LINKS * 2 + 1];
	struct test_bo *buf = bo_new_populated(test, 3);
	int i, round;

	for (i = 0; i < ARRAY_SIZE(space); i++)
		space[i] = mm_new(test);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < ARRAY_SIZE(space); i++) {
			KUNIT_EXPECT_EQ(test, fault(buf, space[i]), 0);
			KUNIT_EXPECT_EQ(test, mm_grabs(space[i]), 1);
		}
		bo_unpopulate(buf);
		for (i = 0; i < ARRAY_SIZE(space); i++)
			KUNIT_EXPECT_EQ(test, mm_grabs(space[i]), 0);
		bo_populate(test, buf);
	}
	expect_given_back(test, the_dev(test), 0, 6, 0);
}

struct vma_case {
	const char *name;
	vm_flags_t flags;
	vm_fault_t ret;
};

static const struct vma_case vma_cases[] = {
	{ "shared", GOOD_FLAGS, 0 },
	{ "shared, read-only", GOOD_FLAGS & ~(VM_WRITE | VM_MAYWRITE), 0 },
	{ "private, never writable",
	  GOOD_FLAGS & ~(VM_SHARED | VM_WRITE | VM_MAYWRITE), 0 },
	{ "copy on write", GOOD_FLAGS & ~VM_SHARED, VM_FAULT_SIGBUS },
	{ "copy on write later", GOOD_FLAGS & ~(VM_SHARED | VM_WRITE),
	  VM_FAULT_SIGBUS },
	{ "mixed map as well", GOOD_FLAGS | VM_MIXEDMAP, VM_FAULT_SIGBUS },
	{ "mixed map instead", (GOOD_FLAGS & ~VM_PFNMAP) | VM_MIXEDMAP,
	  VM_FAULT_SIGBUS },
	{ "not I/O", GOOD_FLAGS & ~VM_IO, VM_FAULT_SIGBUS },
	{ "not a PFN map", GOOD_FLAGS & ~VM_PFNMAP, VM_FAULT_SIGBUS },
};

KUNIT_ARRAY_PARAM_DESC(vma, vma_cases, name);

static void fault_checks_the_vma(struct kunit *test)
{
	const struct vma_case *c = test->param_value;
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 3);

	KUNIT_EXPECT_EQ(test, fault_vma(buf, space, &buf->tt, c->flags),
			c->ret);
	KUNIT_EXPECT_EQ(test, c->ret ? bo_plain(buf) : bo_marked(buf), 3);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), c->ret ? 0 : 1);
	/* I/O memory needs no mark, but the same kind of mapping. */
	KUNIT_EXPECT_EQ(test, fault_vma(buf, space, NULL, c->flags), c->ret);
}

static void fault_on_io_memory_marks_nothing(struct kunit *test)
{
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 3);

	KUNIT_EXPECT_EQ(test, fault_vma(buf, space, NULL, GOOD_FLAGS), 0);
	KUNIT_EXPECT_EQ(test, bo_plain(buf), 3);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	expect_marked(test, the_dev(test), 0, 0, 0);
}

static void external_pages_are_not_marked(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new(
		test, 3, TTM_TT_FLAG_EXTERNAL | TTM_TT_FLAG_EXTERNAL_MAPPABLE);

	KUNIT_EXPECT_EQ(test, ttm_pfnmap_prepare(devs->ttm_dev, &buf->tt), 0);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	expect_marked(test, the_dev(test), 0, 0, 0);
}

static void prepare_twice_is_once(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_bo *buf = bo_new(test, 3, 0);

	KUNIT_EXPECT_EQ(test, kref_read(&dev->ref), 1);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_prepare(devs->ttm_dev, &buf->tt), 0);
	KUNIT_EXPECT_EQ(test, kref_read(&dev->ref), 2);
	bo_populate(test, buf);
	KUNIT_EXPECT_EQ(test, kref_read(&dev->ref), 2);
	bo_unpopulate(buf);
	ttm_pfnmap_tt_fini(&buf->tt);
	KUNIT_EXPECT_EQ(test, kref_read(&dev->ref), 1);
}

static void child_inherits_exposure(struct kunit *test)
{
	struct test_mm *parent = mm_new(test);
	struct test_mm *child = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 3);

	fork_to(buf, child);
	KUNIT_EXPECT_EQ(test, mm_grabs(child), 0);
	KUNIT_EXPECT_EQ(test, bo_plain(buf), 3);
	KUNIT_EXPECT_EQ(test, fault(buf, parent), 0);
	fork_to(buf, child);
	KUNIT_EXPECT_EQ(test, mm_grabs(child), 1);
	fork_to(buf, child);
	KUNIT_EXPECT_EQ(test, mm_grabs(child), 1);
	bo_unpopulate(buf);
	KUNIT_EXPECT_EQ(test, mm_grabs(parent), 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(child), 0);
}

/* Its BOs may be losing their pages this very moment, unreserved. */
static void fork_leaves_unplugged_alone(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;
	struct test_mm *parent = mm_new(test);
	struct test_mm *child = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 3);

	KUNIT_EXPECT_EQ(test, fault(buf, parent), 0);
	devs->drm->unplugged = true;
	fork_to(buf, child);
	devs->drm->unplugged = false;
	KUNIT_EXPECT_EQ(test, mm_grabs(child), 0);
}

/* Who has the BO reserved may wait for the GPU, or for the host. */
static void fork_waits_for_nobody(struct kunit *test)
{
	struct test_mm *parent = mm_new(test);
	struct test_mm *child = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 3);
	struct vm_area_struct vma;

	KUNIT_EXPECT_EQ(test, fault(buf, parent), 0);
	vma_fill(&vma, buf, child->mm, GOOD_FLAGS);
	mmap_write_lock(child->mm);
	dma_resv_lock(buf->bo->base.resv, NULL);
	ttm_pfnmap_vm_open(&vma);
	dma_resv_unlock(buf->bo->base.resv);
	mmap_write_unlock(child->mm);
	KUNIT_EXPECT_EQ(test, mm_grabs(child), 0);
	KUNIT_EXPECT_EQ(test, fault(buf, child), 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(child), 1);
}

/* A child whose VM holds the pages keeps them, whatever its parent does. */
static void child_keeps_pages(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *parent = mm_new(test);
	struct test_mm *child = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 3);

	KUNIT_EXPECT_EQ(test, fault(buf, parent), 0);
	fork_to(buf, child);
	vm_create(test, child);
	bo_unpopulate(buf);
	KUNIT_EXPECT_EQ(test, mm_grabs(parent), 0);
	expect_given_back(test, dev, 3, 0, 0);
	vm_destroy(child);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 3));
	KUNIT_EXPECT_EQ(test, mm_grabs(child), 0);
}

/* A BO that outlives many processes must not keep what is left of them. */
static void dead_address_spaces_are_dropped(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	bool asks_mm = dev->policy == &ttm_pfnmap_reserved;
	struct test_mm *alive = mm_new(test);
	struct test_mm *dead = mm_new_recorded(test);
	struct test_mm *vm = mm_new(test);
	struct test_mm *latest = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 3);

	KUNIT_EXPECT_EQ(test, fault(buf, alive), 0);
	KUNIT_EXPECT_EQ(test, fault(buf, dead), 0);
	KUNIT_EXPECT_EQ(test, fault(buf, vm), 0);
	vm_create(test, vm);
	mm_exit(dead);
	mm_exit(vm);
	/* Less its user's hold, and with the test's own or the VM's. */
	KUNIT_EXPECT_EQ(test, mm_grabs(dead), 1);
	KUNIT_EXPECT_EQ(test, mm_grabs(vm), 1);
	KUNIT_EXPECT_EQ(test, fault(buf, alive), 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(dead), 1);

	KUNIT_EXPECT_EQ(test, fault(buf, latest), 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(dead), 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(vm), asks_mm ? 1 : 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(alive), 1);
	KUNIT_EXPECT_EQ(test, mm_grabs(latest), 1);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 3);
	vm_destroy(vm);
	bo_unpopulate(buf);
	expect_given_back(test, dev, 0, 3, 0);
}

static bool retire(struct test_bo *buf)
{
	return ttm_pfnmap_retire(&buf->devs->ttm_dev->pool, &buf->tt);
}

static void retire_unexposed(struct kunit *test)
{
	struct test_bo *buf = bo_new_populated(test, 7);

	KUNIT_EXPECT_FALSE(test, retire(buf));
	expect_given_back(test, the_dev(test), 0, 0, 0);
}

static void retire_drained(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);

	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	/* Nobody but a VM can hold a PFN: an ordinary holder does not matter. */
	mmgrab(space->mm);
	KUNIT_EXPECT_FALSE(test, retire(buf));
	KUNIT_EXPECT_EQ(test, bo_plain(buf), 7);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 1);
	mmdrop(space->mm);
	expect_marked(test, dev, 0, 0, 0);
	expect_given_back(test, dev, 0, 7, 0);
	KUNIT_EXPECT_FALSE(test, retire(buf));
	expect_given_back(test, dev, 0, 7, 0);
}

/* The device's may change for want of room in the quarantine. */
static void set_keeps_its_policy(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	const struct ttm_pfnmap_policy *other =
		policies[dev->policy == policies[0]];
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);

	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	dev->policy = other;
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_NE(test, bo_marked(buf), 7);
	bo_unpopulate(buf);
	expect_given_back(test, dev, 0, 7, 0);
	bo_populate(test, buf);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 7);
}

static void expose_and_retire_again(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new(test, 7, 0);
	int i;

	for (i = 1; i <= 50; i++) {
		bo_populate(test, buf);
		KUNIT_ASSERT_EQ(test, fault(buf, space), 0);
		KUNIT_ASSERT_EQ(test, bo_marked(buf), 7);
		bo_unpopulate(buf);
		expect_given_back(test, dev, 0, 7 * i, 0);
	}
	expect_marked(test, dev, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
}

/* Exposed to a VM, given back, and still in the VM's hands. */
static struct test_bo *bo_new_quarantined(struct kunit *test,
					  struct test_mm *space,
					  unsigned int pages)
{
	struct test_bo *buf = bo_new_populated(test, pages);

	KUNIT_ASSERT_EQ(test, fault(buf, space), 0);
	if (!space->has_vm)
		vm_create(test, space);
	bo_unpopulate(buf);
	/* ttm_tt keeps the pointers, and the quarantine the pages. */
	KUNIT_EXPECT_EQ(test, bo_marked(buf), pages);
	return buf;
}

/* The quarantine chains a set's chunks by the first page's lru. */
static struct ttm_pfnmap_set *set_of_only_chunk(struct page *head)
{
	return container_of(head->lru.next, struct ttm_pfnmap_set, chunks);
}

static void one_link_for_all_faults(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 4);
	struct ttm_pfnmap_set *set;
	int i;

	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
		fork_to(buf, space);
	}
	vm_create(test, space);
	bo_unpopulate(buf);
	KUNIT_ASSERT_EQ(test, atomic_long_read(&dev->pages_quarantined), 4);
	set = set_of_only_chunk(buf->tt.pages[0]);
	KUNIT_ASSERT_PTR_EQ(test, set->dev, dev);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&set->links), 1);
	vm_destroy(space);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 4));
}

static void quarantine_keeps_until_drained(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_quarantined(test, space, 7);

	expect_marked(test, dev, 0, 3, 7);
	expect_given_back(test, dev, 7, 0, 0);
	let_reaper_look();
	expect_given_back(test, dev, 7, 0, 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 7);
	/* The notifier goes first and the VM's hold last, as in KVM. */
	mmgrab(space->mm);
	vm_destroy(space);
	let_reaper_look();
	expect_given_back(test, dev, 7, 0, 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 7);
	mmdrop(space->mm);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 7));
	expect_marked(test, dev, 0, 0, 0);
	expect_given_back(test, dev, 0, 7, 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
}

/* The process is gone, but its VM's file descriptor lives on elsewhere. */
static void quarantine_outlives_the_process(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_quarantined(test, space, 7);

	mm_exit(space);
	let_reaper_look();
	expect_given_back(test, dev, 7, 0, 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 7);
	vm_destroy(space);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 7));
	expect_given_back(test, dev, 0, 7, 0);
}

static void quarantine_drains_set_by_set(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *first = mm_new(test);
	struct test_mm *second = mm_new(test);
	struct test_bo *kept;

	bo_new_quarantined(test, first, 3);
	kept = bo_new_quarantined(test, second, 4);
	bo_new_quarantined(test, first, 8);
	expect_given_back(test, dev, 15, 0, 0);
	vm_destroy(first);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 11));
	KUNIT_EXPECT_EQ(test, mm_grabs(first), 0);
	let_reaper_look();
	expect_given_back(test, dev, 4, 11, 0);
	KUNIT_EXPECT_EQ(test, bo_marked(kept), 4);
	vm_destroy(second);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 15));
	expect_given_back(test, dev, 0, 15, 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(second), 0);
}

/* Of many address spaces only those that are not drained are kept. */
static void quarantine_lets_go_of_drained(struct kunit *test)
{
	struct test_mm *space[TTM_PFNMAP_INLINE_LINKS * 2 + 1];
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_bo *buf = bo_new_populated(test, 3);
	int i;

	for (i = 0; i < ARRAY_SIZE(space); i++) {
		space[i] = mm_new(test);
		KUNIT_EXPECT_EQ(test, fault(buf, space[i]), 0);
		if (i % 3 == 1)
			vm_create(test, space[i]);
	}
	bo_unpopulate(buf);
	for (i = 0; i < ARRAY_SIZE(space); i++) {
		/* A VM has a hold of its own. */
		KUNIT_EXPECT_EQ(test, mm_grabs(space[i]), i % 3 == 1 ? 2 : 0);
		if (i % 3 == 1 && i > 1)
			vm_destroy(space[i]);
	}
	let_reaper_look();
	expect_given_back(test, dev, 3, 0, 0);
	vm_destroy(space[1]);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 3));
	for (i = 0; i < ARRAY_SIZE(space); i++)
		KUNIT_EXPECT_EQ(test, mm_grabs(space[i]), 0);
}

/* A BO that comes back gets other pages than those in quarantine. */
static void quarantine_is_not_the_bos_any_more(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_quarantined(test, space, 7);
	struct page *old[7];
	int i, same = 0;

	memcpy(old, buf->tt.pages, sizeof(old));
	bo_populate(test, buf);
	for (i = 0; i < 49; i++)
		same += old[i / 7] == buf->tt.pages[i % 7];
	KUNIT_EXPECT_EQ(test, same, 0);
	KUNIT_EXPECT_EQ(test, bo_plain(buf), 7);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	expect_marked(test, dev, 1, 6, 14);
	expect_given_back(test, dev, 7, 0, 0);
	vm_destroy(space);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 7));
	expect_marked(test, dev, 1, 3, 7);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 7);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 1);
}

static bool dev_is_listed(const struct ttm_pfnmap_dev *dev)
{
	const struct ttm_pfnmap_dev *entry;
	bool found = false;

	mutex_lock(&ttm_pfnmap_devices_lock);
	list_for_each_entry(entry, &ttm_pfnmap_devices, link)
		found |= entry == dev;
	mutex_unlock(&ttm_pfnmap_devices_lock);
	return found;
}

static void quarantine_outlives_the_device(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;
	struct ttm_device *bdev = devs->ttm_dev;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	int i;

	bo_new_quarantined(test, space, 7);
	ttm_device_fini(bdev);
	devs->ttm_dev = NULL;
	KUNIT_EXPECT_NULL(test, ttm_pfnmap_dev_find(bdev));
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_enabled(bdev));
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_enabled(NULL));
	let_reaper_look();
	KUNIT_ASSERT_TRUE(test, dev_is_listed(dev));
	expect_given_back(test, dev, 7, 0, 0);
	vm_destroy(space);
	for (i = 0; i < REAPER_TRIES && dev_is_listed(dev); i++)
		msleep(20);
	KUNIT_EXPECT_FALSE(test, dev_is_listed(dev));
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
}

/* ---- Pages that do not look as they should ----------------------------- */

/* A BO of 7 pages is chunks of 4, 2 and 1. */
struct odd_case {
	const char *name;
	unsigned int page;
	enum tampering how;
	unsigned int chunk;
	unsigned int order;
};

static const struct odd_case odd_cases[] = {
	/* Somebody holds a page. */
	{ "count, first chunk, first page", 0, COUNT_UP, 0, 2 },
	{ "count, first chunk, last page", 3, COUNT_UP, 0, 2 },
	{ "count, middle chunk, first page", 4, COUNT_UP, 4, 1 },
	{ "count, last chunk", 6, COUNT_UP, 6, 0 },
	/* That, or one of these, keeps a page from being marked. */
	{ "flag, middle chunk, last page", 5, RESERVED_TOGGLED, 4, 1 },
	{ "flag, last chunk", 6, RESERVED_TOGGLED, 6, 0 },
	{ "mapped, first chunk, last page", 3, MAPPED, 0, 2 },
	/* And these on a marked page are nothing that will pass either. */
	{ "flag, first chunk, second page", 1, RESERVED_TOGGLED, 0, 2 },
	{ "count down, first chunk, first page", 0, COUNT_DOWN, 0, 2 },
	{ "count down, middle chunk, last page", 5, COUNT_DOWN, 4, 1 },
	{ "mapping, first chunk, second page", 1, HAS_MAPPING, 0, 2 },
	{ "mapping, last chunk", 6, HAS_MAPPING, 6, 0 },
};

/* Those from @first on, up to but not including @end. */
static const void *odd_gen_params(const void *prev, char *desc, size_t first,
				  size_t end)
{
	const struct odd_case *c = prev;

	c = c ? c + 1 : &odd_cases[first];
	if (c == &odd_cases[end])
		return NULL;
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
	return c;
}

static const void *held_gen_params(const void *prev, char *desc)
{
	return odd_gen_params(prev, desc, 0, 4);
}

static const void *unfit_gen_params(const void *prev, char *desc)
{
	return odd_gen_params(prev, desc, 0, 7);
}

static const void *broken_gen_params(const void *prev, char *desc)
{
	return odd_gen_params(prev, desc, 4, ARRAY_SIZE(odd_cases));
}

/* The leaked chunk is ours to put right: nobody else will ever look at it. */
static void free_leaked(struct kunit *test, const struct odd_case *c,
			struct page **pages)
{
	const struct ttm_pfnmap_policy *policy = the_dev(test)->policy;
	struct page *head = pages[c->chunk];

	repair(pages[c->page], c->how);
	KUNIT_ASSERT_EQ(test, count_marked(policy, head, 1UL << c->order),
			1UL << c->order);
	KUNIT_ASSERT_EQ(test, policy->unmark(head, c->order), 0);
	free_chunk(test, head, c->order);
}

/* It is a BO like one of stock TTM's, for as long as it has these pages. */
static void fault_maps_unfit_page(struct kunit *test)
{
	const struct odd_case *c = test->param_value;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_mm *child = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);
	struct page *page = buf->tt.pages[c->page];

	tamper(page, c->how);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	expect_marked(test, dev, 0, 0, 0);
	repair(page, c->how);
	KUNIT_EXPECT_EQ(test, bo_plain(buf), 7);

	/* It has PTEs now, behind which nothing may be marked. */
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	fork_to(buf, child);
	KUNIT_EXPECT_EQ(test, bo_plain(buf), 7);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(child), 0);
	expect_marked(test, dev, 0, 0, 0);
	bo_unpopulate(buf);
	expect_given_back(test, dev, 0, 0, 0);

	bo_populate(test, buf);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 7);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 1);
	expect_marked(test, dev, 1, 3, 7);
	bo_unpopulate(buf);
	expect_given_back(test, dev, 0, 7, 0);
}

/* A reference to a first page, for a while. */
struct passing {
	struct delayed_work work;
	struct page *page;
};

static void pass(struct work_struct *work)
{
	struct passing *passing =
		container_of(to_delayed_work(work), struct passing, work);

	put_page(passing->page);
}

/* A fault waits for a reference that goes, as long as it takes to sleep a jiffy. */
static void fault_waits_for_passing_reference(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);
	struct passing passing = { .page = buf->tt.pages[4] };

	INIT_DELAYED_WORK_ONSTACK(&passing.work, pass);
	get_page(passing.page);
	schedule_delayed_work(&passing.work, 1);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	flush_delayed_work(&passing.work);
	destroy_delayed_work_on_stack(&passing.work);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 7);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 1);
	expect_marked(test, dev, 1, 3, 7);
	bo_unpopulate(buf);
	expect_given_back(test, dev, 0, 7, 0);
}

/* As amdgpu does, which clears it before it gives the pages back. */
static void fault_ignores_mapping(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);
	int i;

	for (i = 0; i < 7; i++)
		tamper(buf->tt.pages[i], HAS_MAPPING);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 7);
	for (i = 0; i < 7; i++)
		repair(buf->tt.pages[i], HAS_MAPPING);
	bo_unpopulate(buf);
	expect_given_back(test, dev, 0, 7, 0);
}

static void retire_leaks_broken_chunk(struct kunit *test)
{
	const struct odd_case *c = test->param_value;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);
	long leaked = 1L << c->order;

	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	tamper(buf->tt.pages[c->page], c->how);
	bo_unpopulate(buf);
	expect_marked(test, dev, 0, 0, 0);
	expect_given_back(test, dev, 0, 7 - leaked, leaked);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	free_leaked(test, c, buf->tt.pages);
}

static void quarantine_leaks_broken_chunk(struct kunit *test)
{
	const struct odd_case *c = test->param_value;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_quarantined(test, space, 7);
	long leaked = 1L << c->order;

	tamper(buf->tt.pages[c->page], c->how);
	vm_destroy(space);
	KUNIT_ASSERT_TRUE(test, given_back_soon(dev, 7));
	expect_marked(test, dev, 0, 0, 0);
	expect_given_back(test, dev, 0, 7 - leaked, leaked);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	free_leaked(test, c, buf->tt.pages);
}

/* ---- Pages that somebody holds ----------------------------------------- */

/* Only the chunk that is held is kept, and only until it is not. */
static void retire_keeps_held_chunk(struct kunit *test)
{
	const struct odd_case *c = test->param_value;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);
	struct page *page = buf->tt.pages[c->page];
	long held = 1L << c->order;

	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	tamper(page, COUNT_UP);
	bo_unpopulate(buf);
	expect_marked(test, dev, 0, 1, held);
	expect_given_back(test, dev, held, 7 - held, 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	let_reaper_look();
	expect_given_back(test, dev, held, 7 - held, 0);
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 2);
	repair(page, COUNT_UP);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 7));
	expect_marked(test, dev, 0, 0, 0);
	expect_given_back(test, dev, 0, 7, 0);
}

/* First the address space is not drained, then a page is held. */
static void quarantine_keeps_held_chunk(struct kunit *test)
{
	const struct odd_case *c = test->param_value;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_quarantined(test, space, 7);
	long held = 1L << c->order;

	tamper(buf->tt.pages[c->page], COUNT_UP);
	vm_destroy(space);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 7 - held));
	let_reaper_look();
	expect_marked(test, dev, 0, 1, held);
	expect_given_back(test, dev, held, 7 - held, 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	repair(buf->tt.pages[c->page], COUNT_UP);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 7));
	expect_given_back(test, dev, 0, 7, 0);
}

static void held_chunks_go_one_by_one(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);

	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	tamper(buf->tt.pages[1], COUNT_UP);
	tamper(buf->tt.pages[3], COUNT_UP);
	tamper(buf->tt.pages[4], COUNT_UP);
	tamper(buf->tt.pages[6], COUNT_UP);
	bo_unpopulate(buf);
	expect_marked(test, dev, 0, 3, 7);
	expect_given_back(test, dev, 7, 0, 0);
	repair(buf->tt.pages[4], COUNT_UP);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 2));
	expect_marked(test, dev, 0, 2, 5);
	/* One of two that hold the same chunk. */
	repair(buf->tt.pages[1], COUNT_UP);
	let_reaper_look();
	expect_given_back(test, dev, 5, 2, 0);
	repair(buf->tt.pages[3], COUNT_UP);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 6));
	expect_given_back(test, dev, 1, 6, 0);
	repair(buf->tt.pages[6], COUNT_UP);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 7));
	expect_marked(test, dev, 0, 0, 0);
	expect_given_back(test, dev, 0, 7, 0);
}

static void held_chunk_outlives_the_device(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 4);
	struct page *page = buf->tt.pages[2];
	int i;

	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	tamper(page, COUNT_UP);
	bo_unpopulate(buf);
	ttm_device_fini(devs->ttm_dev);
	devs->ttm_dev = NULL;
	mm_exit(space);
	let_reaper_look();
	KUNIT_ASSERT_TRUE(test, dev_is_listed(dev));
	expect_given_back(test, dev, 4, 0, 0);
	repair(page, COUNT_UP);
	for (i = 0; i < REAPER_TRIES && dev_is_listed(dev); i++)
		msleep(20);
	KUNIT_EXPECT_FALSE(test, dev_is_listed(dev));
}

/* As in ttm_pfnmap_lifetime.c; the first look is at retire. */
#define REAP_PERIOD 200
#define PATIENCE 5

/* Nobody has a reason to hold a reserved page, so it is a page gone wrong. */
static void reserved_loses_patience(struct kunit *test)
{
	static struct ttm_pfnmap_policy impatient;
	const struct odd_case *c = test->param_value;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);
	long held = 1L << c->order;
	unsigned long start;

	KUNIT_EXPECT_EQ(test, dev->policy->patience, 50);
	impatient = *dev->policy;
	impatient.patience = PATIENCE;
	dev->policy = &impatient;
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	tamper(buf->tt.pages[c->page], COUNT_UP);
	start = jiffies;
	bo_unpopulate(buf);
	KUNIT_ASSERT_TRUE(test, given_back_soon(dev, 7));
	KUNIT_EXPECT_GE(test, jiffies_to_msecs(jiffies - start),
			(PATIENCE - 1) * REAP_PERIOD);
	expect_marked(test, dev, 0, 0, 0);
	expect_given_back(test, dev, 0, 7 - held, held);
	free_leaked(test, c, buf->tt.pages);
}

/*
 * KVM holds a counted page for as long as its VM uses it, and nothing else of its chunk,
 * which is kept for some looks, in which most references are gone.
 */
static void counted_keeps_held_page_alone(struct kunit *test)
{
	const struct odd_case *c = test->param_value;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);
	struct page *page = buf->tt.pages[c->page];
	long held = 1L << c->order;

	KUNIT_EXPECT_EQ(test, dev->policy->patience, 0);
	KUNIT_EXPECT_FALSE(test, dev->policy->bounded);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	tamper(page, COUNT_UP);
	bo_unpopulate(buf);
	expect_marked(test, dev, 0, 1, held);
	expect_given_back(test, dev, held, 7 - held, 0);
	KUNIT_ASSERT_TRUE(test, given_back_soon(dev, 6));
	let_reaper_look();
	expect_marked(test, dev, 0, 1, 1);
	expect_given_back(test, dev, 1, 6, 0);
	KUNIT_EXPECT_EQ(test, page_private(page), 0);
	KUNIT_EXPECT_EQ(test, page_count(page), 2);
	repair(page, COUNT_UP);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 7));
	expect_marked(test, dev, 0, 0, 0);
	expect_given_back(test, dev, 0, 7, 0);
}

/* Two in the halves of one chunk, and one of another. */
static void counted_keeps_held_pages_alone(struct kunit *test)
{
	static const unsigned int held[] = { 0, 3, 5 };
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);
	struct page *page[ARRAY_SIZE(held)];
	unsigned int i;

	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	for (i = 0; i < ARRAY_SIZE(held); i++) {
		page[i] = buf->tt.pages[held[i]];
		tamper(page[i], COUNT_UP);
	}
	bo_unpopulate(buf);
	expect_marked(test, dev, 0, 2, 6);
	expect_given_back(test, dev, 6, 1, 0);
	KUNIT_ASSERT_TRUE(test, given_back_soon(dev, 4));
	let_reaper_look();
	expect_marked(test, dev, 0, 3, 3);
	expect_given_back(test, dev, 3, 4, 0);
	for (i = 0; i < ARRAY_SIZE(held); i++) {
		KUNIT_EXPECT_EQ(test, page_count(page[i]), 2);
		repair(page[i], COUNT_UP);
		KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 5 + i));
	}
	expect_marked(test, dev, 0, 0, 0);
	expect_given_back(test, dev, 0, 7, 0);
}

/* One of two that are left of a chunk; the other one stays. */
static void counted_leaks_broken_part(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);
	struct page *kept = buf->tt.pages[0], *broken = buf->tt.pages[3];

	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	tamper(kept, COUNT_UP);
	tamper(broken, COUNT_UP);
	bo_unpopulate(buf);
	KUNIT_ASSERT_TRUE(test, given_back_soon(dev, 5));
	expect_given_back(test, dev, 2, 5, 0);
	tamper(broken, HAS_MAPPING);
	KUNIT_ASSERT_TRUE(test, given_back_soon(dev, 6));
	expect_marked(test, dev, 0, 1, 1);
	expect_given_back(test, dev, 1, 5, 1);
	repair(kept, COUNT_UP);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 7));
	expect_given_back(test, dev, 0, 6, 1);
	/* Nobody else will ever look at it. */
	repair(broken, HAS_MAPPING);
	repair(broken, COUNT_UP);
	KUNIT_ASSERT_EQ(test, dev->policy->unmark(broken, 0), 0);
	free_chunk(test, broken, 0);
}

/* However often the reaper looks. */
static void counted_never_loses_patience(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 1);
	struct ttm_pfnmap_set *set;

	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	tamper(buf->tt.pages[0], COUNT_UP);
	bo_unpopulate(buf);
	KUNIT_ASSERT_EQ(test, atomic_long_read(&dev->pages_quarantined), 1);
	set = set_of_only_chunk(buf->tt.pages[0]);
	KUNIT_ASSERT_PTR_EQ(test, set->dev, dev);
	WRITE_ONCE(set->looks, 1000000);
	let_reaper_look();
	expect_given_back(test, dev, 1, 0, 0);
	repair(buf->tt.pages[0], COUNT_UP);
	KUNIT_EXPECT_TRUE(test, given_back_soon(dev, 1));
	expect_given_back(test, dev, 0, 1, 0);
}

/* A VM that holds no page of the BO does not keep any. */
static void counted_does_not_ask_vms(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);

	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	vm_create(test, space);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 2);
	bo_unpopulate(buf);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 1);
	expect_marked(test, dev, 0, 0, 0);
	expect_given_back(test, dev, 0, 7, 0);
}

/* Pages that a driver brought, without an order in the first one's private. */
enum foreign {
	ORDER_TOO_BIG,
	ORDER_IMPOSSIBLE,
	ORDER_WRAPS,
	NOT_IN_A_ROW,
	MISSING,
	HEAD_MISSING,
	NR_FOREIGN,
};

static const char *const foreign_names[NR_FOREIGN] = {
	"order too big", "order impossible", "order wraps",
	"not in a row",	 "a page missing",   "a first page missing",
};

static const void *foreign_gen_params(const void *prev, char *desc)
{
	unsigned long n = (unsigned long)prev;

	if (n >= NR_FOREIGN)
		return NULL;
	strscpy(desc, foreign_names[n], KUNIT_PARAM_DESC_SIZE);
	return (void *)(n + 1);
}

static void make_foreign(struct page **pages, enum foreign how)
{
	const unsigned long orders[] = { 3, TTM_PFNMAP_ORDERS, -1UL };

	if (how <= ORDER_WRAPS)
		set_page_private(pages[0], orders[how]);
	else if (how == NOT_IN_A_ROW)
		pages[1] = pages[2];
	else
		pages[how == MISSING ? 1 : 4] = NULL;
}

static void fault_maps_foreign_pages(struct kunit *test)
{
	enum foreign how = (unsigned long)test->param_value - 1;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);
	struct page *pages[7];

	memcpy(pages, buf->tt.pages, sizeof(pages));
	make_foreign(buf->tt.pages, how);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	set_page_private(pages[0], 2);
	memcpy(buf->tt.pages, pages, sizeof(pages));

	KUNIT_EXPECT_EQ(test, bo_plain(buf), 7);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	expect_marked(test, dev, 0, 0, 0);
	bo_unpopulate(buf);
	expect_given_back(test, dev, 0, 0, 0);
	bo_populate(test, buf);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 7);
}

/* The order is true, but the BO ends before the chunk does. */
static void fault_maps_chunk_beyond_the_end(struct kunit *test)
{
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 8);

	buf->tt.num_pages = 7;
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	buf->tt.num_pages = 8;
	KUNIT_EXPECT_EQ(test, bo_plain(buf), 8);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	expect_marked(test, the_dev(test), 0, 0, 0);
}

/* A driver that allocates its pages by itself, one by one. */
static int own_populate(struct ttm_device *bdev, struct ttm_tt *tt,
			struct ttm_operation_ctx *ctx)
{
	pgoff_t i;

	for (i = 0; i < tt->num_pages; i++) {
		tt->pages[i] = alloc_page(GFP_KERNEL | __GFP_NOFAIL);
		set_page_private(tt->pages[i], 0);
	}
	return 0;
}

static void own_unpopulate(struct ttm_device *bdev, struct ttm_tt *tt)
{
	pgoff_t i;

	for (i = 0; i < tt->num_pages; i++)
		__free_page(tt->pages[i]);
}

/* They look like chunks of the pool, but are freed without asking the mode. */
static void fault_maps_own_pages(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;
	const struct ttm_device_funcs *funcs = devs->ttm_dev->funcs;
	struct ttm_device_funcs own = *funcs;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);

	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 7);
	bo_unpopulate(buf);

	own.ttm_tt_populate = own_populate;
	own.ttm_tt_unpopulate = own_unpopulate;
	devs->ttm_dev->funcs = &own;
	bo_populate(test, buf);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_EQ(test, bo_plain(buf), 7);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	expect_marked(test, dev, 0, 0, 0);
	bo_unpopulate(buf);
	devs->ttm_dev->funcs = funcs;

	bo_populate(test, buf);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 7);
	expect_marked(test, dev, 1, 3, 7);
}

/* ---- The bound on all reserved pages ----------------------------------- */

static void bound_holds_for_one_bo(struct kunit *test)
{
	struct test_mm *space = mm_new(test);
	struct test_bo *huge, *all, *one;

	bounds_set(test, 256, 1);
	huge = bo_new_populated(test, MIB_PAGES + 1);
	all = bo_new_populated(test, MIB_PAGES);
	one = bo_new_populated(test, 1);
	KUNIT_EXPECT_EQ(test, fault(huge, space), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(huge), 0);
	/* That one does not fit takes no room from one that does. */
	KUNIT_EXPECT_EQ(test, fault(all, space), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(all), MIB_PAGES);
	KUNIT_EXPECT_EQ(test, fault(one, space), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(one), 0);
	bo_unpopulate(all);
	bo_unpopulate(one);
	bo_populate(test, one);
	KUNIT_EXPECT_EQ(test, fault(one, space), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(one), 1);
}

/* Does exactly @room pages more fit? */
static void expect_room(struct kunit *test, unsigned int room)
{
	struct test_mm *space = mm_new(test);
	struct test_bo *over = bo_new_populated(test, room + 1);
	struct test_bo *fits = bo_new_populated(test, room);

	KUNIT_EXPECT_EQ(test, fault(over, space), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(over), 0);
	KUNIT_EXPECT_EQ(test, fault(fits, space), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(fits), room);
	bo_unpopulate(over);
	bo_unpopulate(fits);
}

static void expect_quarantine_empty_soon(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	int i;

	for (i = 0;
	     i < REAPER_TRIES && atomic_long_read(&dev->pages_quarantined); i++)
		msleep(20);
	KUNIT_ASSERT_EQ(test, atomic_long_read(&dev->pages_quarantined), 0);
}

/* By a BO that could not be marked, and by every way for pages to leave. */
static void bound_gets_room_back(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test), *vmm = mm_new(test);
	struct test_bo *buf;
	struct page *pages[7];

	bounds_set(test, 256, 1);
	expect_room(test, MIB_PAGES);

	buf = bo_new_populated(test, 7);
	tamper(buf->tt.pages[6], MAPPED);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	repair(buf->tt.pages[6], MAPPED);
	KUNIT_EXPECT_EQ(test, bo_plain(buf), 7);
	expect_room(test, MIB_PAGES);
	bo_unpopulate(buf);

	/* What was unmarked is marked again: a page of it is held. */
	bo_populate(test, buf);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	memcpy(pages, buf->tt.pages, sizeof(pages));
	expect_room(test, MIB_PAGES - 7);
	tamper(pages[6], COUNT_UP);
	bo_unpopulate(buf);
	KUNIT_ASSERT_EQ(test, atomic_long_read(&dev->pages_marked), 1);
	expect_room(test, MIB_PAGES - 1);
	repair(pages[6], COUNT_UP);
	expect_quarantine_empty_soon(test);
	expect_room(test, MIB_PAGES);

	/* Kept for a VM, and one page never to be freed. */
	bo_populate(test, buf);
	KUNIT_EXPECT_EQ(test, fault(buf, vmm), 0);
	memcpy(pages, buf->tt.pages, sizeof(pages));
	vm_create(test, vmm);
	bo_unpopulate(buf);
	expect_room(test, MIB_PAGES - 7);
	tamper(pages[6], MAPPED);
	vm_destroy(vmm);
	expect_quarantine_empty_soon(test);
	expect_room(test, MIB_PAGES);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->pages_leaked), 1);
	repair(pages[6], MAPPED);
	KUNIT_ASSERT_EQ(test, dev->policy->unmark(pages[6], 0), 0);
	free_chunk(test, pages[6], 0);
}

/* A fault that comes while another one waits for a page to be marked. */
struct late_fault {
	struct delayed_work work;
	struct test_bo *buf;
	struct test_mm *space;
	struct page *awaited;
	vm_fault_t ret;
};

static void fault_late(struct work_struct *work)
{
	struct late_fault *late =
		container_of(to_delayed_work(work), struct late_fault, work);

	late->ret = fault(late->buf, late->space);
	put_page(late->awaited);
}

static void bound_holds_for_faults_at_once(struct kunit *test)
{
	struct test_mm *space = mm_new(test);
	struct late_fault late = { .space = mm_new(test), .ret = -1 };
	struct test_bo *buf;

	bounds_set(test, 256, 1);
	buf = bo_new_populated(test, MIB_PAGES);
	late.buf = bo_new_populated(test, 1);
	late.awaited = buf->tt.pages[0];
	get_page(late.awaited);
	INIT_DELAYED_WORK_ONSTACK(&late.work, fault_late);
	schedule_delayed_work(&late.work, 1);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	flush_delayed_work(&late.work);
	destroy_delayed_work_on_stack(&late.work);
	KUNIT_EXPECT_EQ(test, late.ret, 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), MIB_PAGES);
	KUNIT_EXPECT_EQ(test, bo_marked(late.buf), 0);
}

/* Whatever the policy. A macro: KUnit keeps a case's result in its table. */
#define COMMON_CASES \
	KUNIT_CASE(fault_marks_every_page), KUNIT_CASE(fault_marks_big_chunk), \
		KUNIT_CASE(fault_again_adds_nothing), \
		KUNIT_CASE(one_grab_for_all_bos), \
		KUNIT_CASE(many_address_spaces), \
		KUNIT_CASE_PARAM(fault_checks_the_vma, vma_gen_params), \
		KUNIT_CASE(fault_on_io_memory_marks_nothing), \
		KUNIT_CASE(external_pages_are_not_marked), \
		KUNIT_CASE(prepare_twice_is_once), \
		KUNIT_CASE(child_inherits_exposure), \
		KUNIT_CASE(fork_leaves_unplugged_alone), \
		KUNIT_CASE(fork_waits_for_nobody), \
		KUNIT_CASE(dead_address_spaces_are_dropped), \
		KUNIT_CASE(retire_unexposed), KUNIT_CASE(retire_drained), \
		KUNIT_CASE(set_keeps_its_policy), \
		KUNIT_CASE(expose_and_retire_again), \
		KUNIT_CASE_PARAM(fault_maps_unfit_page, unfit_gen_params), \
		KUNIT_CASE_PARAM(fault_maps_foreign_pages, \
				 foreign_gen_params), \
		KUNIT_CASE(fault_maps_chunk_beyond_the_end), \
		KUNIT_CASE(fault_maps_own_pages), \
		KUNIT_CASE(fault_ignores_mapping), \
		KUNIT_CASE(fault_waits_for_passing_reference), \
		KUNIT_CASE_PARAM(retire_leaks_broken_chunk, \
				 broken_gen_params), \
		KUNIT_CASE_PARAM(retire_keeps_held_chunk, held_gen_params), \
		KUNIT_CASE(held_chunks_go_one_by_one), \
		KUNIT_CASE(held_chunk_outlives_the_device)

static struct kunit_case lifetime_cases[] = {
	COMMON_CASES,
	KUNIT_CASE(child_keeps_pages),
	KUNIT_CASE(one_link_for_all_faults),
	KUNIT_CASE(quarantine_keeps_until_drained),
	KUNIT_CASE(quarantine_outlives_the_process),
	KUNIT_CASE(quarantine_drains_set_by_set),
	KUNIT_CASE(quarantine_lets_go_of_drained),
	KUNIT_CASE(quarantine_is_not_the_bos_any_more),
	KUNIT_CASE(quarantine_outlives_the_device),
	KUNIT_CASE_PARAM(quarantine_leaks_broken_chunk, broken_gen_params),
	KUNIT_CASE_PARAM(quarantine_keeps_held_chunk, held_gen_params),
	KUNIT_CASE_PARAM(reserved_loses_patience, held_gen_params),
	KUNIT_CASE(bound_holds_for_one_bo),
	KUNIT_CASE(bound_gets_room_back),
	KUNIT_CASE(bound_holds_for_faults_at_once),
	{}
};

static struct kunit_suite lifetime_suite = {
	.name = "ttm_pfnmap_lifetime",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.init = opted_in_init,
	.exit = device_exit,
	.test_cases = lifetime_cases,
};

static struct kunit_case counted_cases[] = {
	COMMON_CASES,
	KUNIT_CASE_PARAM(counted_keeps_held_page_alone, held_gen_params),
	KUNIT_CASE(counted_keeps_held_pages_alone),
	KUNIT_CASE(counted_leaks_broken_part),
	KUNIT_CASE(counted_never_loses_patience),
	KUNIT_CASE(counted_does_not_ask_vms),
	{}
};

static struct kunit_suite counted_suite = {
	.name = "ttm_pfnmap_counted",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.init = opted_in_counted_init,
	.exit = device_exit,
	.test_cases = counted_cases,
};

kunit_test_suites(&drained_suite, &lifetime_suite, &counted_suite);

MODULE_DESCRIPTION("KUnit suites of TTM's PFNMAP mode: lifetime");
MODULE_LICENSE("GPL");
