/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the KUnit suites of TTM's PFNMAP mode share: pages, address spaces and
 * BOs to try it on.
 *
 * They run where the mode itself cannot be had (UML is not x86-64 to it), so
 * a device is opted in by hand. What needs page tables, KVM or a real mmap()
 * is tested in virtual machines instead.
 */
#ifndef _TTM_PFNMAP_KUNIT_H_
#define _TTM_PFNMAP_KUNIT_H_

#include <linux/delay.h>
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/page_ref.h>
#include <linux/panic.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include <drm/ttm/ttm_tt.h>

#include "../ttm_pfnmap_internal.h"
#include "ttm_kunit_helpers.h"

/* ---- Pages ------------------------------------------------------------- */

/* Ways in which a page may not look as it should; each can be undone. */
enum tampering {
	COUNT_UP,
	COUNT_DOWN,
	RESERVED_TOGGLED,
	MAPPED,
	ON_LRU,
	HAS_MAPPING,
	NR_TAMPERINGS,
};

static const char *const tamperings[NR_TAMPERINGS] __maybe_unused = {
	"count one up", "count one down", "PG_reserved toggled",
	"mapped", "on an LRU list", "has a mapping",
};

static inline void tamper(struct page *page, enum tampering how)
{
	switch (how) {
	case COUNT_UP:
		page_ref_add(page, 1);
		break;
	case COUNT_DOWN:
		page_ref_sub(page, 1);
		break;
	case RESERVED_TOGGLED:
		if (PageReserved(page))
			ClearPageReserved(page);
		else
			SetPageReserved(page);
		break;
	case MAPPED:
		atomic_inc(&page->_mapcount);
		break;
	case HAS_MAPPING:
		page->mapping = (struct address_space *)page;
		break;
	case ON_LRU:
		SetPageLRU(page);
		break;
	default:
		break;
	}
}

static inline void repair(struct page *page, enum tampering how)
{
	switch (how) {
	case COUNT_UP:
		tamper(page, COUNT_DOWN);
		break;
	case COUNT_DOWN:
		tamper(page, COUNT_UP);
		break;
	case MAPPED:
		atomic_dec(&page->_mapcount);
		break;
	case HAS_MAPPING:
		page->mapping = NULL;
		break;
	case ON_LRU:
		ClearPageLRU(page);
		break;
	default:
		tamper(page, how);
		break;
	}
}

/* The page allocator taints the kernel when a page is not fit to be freed. */
static inline void free_chunk(struct kunit *test, struct page *head,
			      unsigned int order)
{
	KUNIT_ASSERT_FALSE(test, test_taint(TAINT_BAD_PAGE));
	ttm_pfnmap_free_chunk(head, order, ttm_cached);
	KUNIT_EXPECT_FALSE(test, test_taint(TAINT_BAD_PAGE));
}

static const struct ttm_pfnmap_policy *const policies[] __maybe_unused = {
	&ttm_pfnmap_reserved,
	&ttm_pfnmap_counted,
};

static inline unsigned long count_marked(const struct ttm_pfnmap_policy *policy,
					 struct page *head, unsigned long nr)
{
	bool reserved = policy->mark == ttm_pfnmap_reserved_mark;
	unsigned long i, marked = 0;

	for (i = 0; i < nr; i++)
		marked += page_ref_count(head + i) == 1 && !!PageReserved(head + i) == reserved;
	return marked;
}

/* Pages of a chunk that are as the page allocator left them. */
static inline unsigned long count_plain(struct page *head, unsigned long nr)
{
	unsigned long i, plain = 0;

	for (i = 0; i < nr; i++)
		plain += page_ref_count(head + i) == !i && !PageReserved(head + i);
	return plain;
}

/* ---- Address spaces ---------------------------------------------------- */

/* An address space, and what in it stands for a virtual machine of KVM's. */
struct test_mm {
	struct mm_struct *mm;
	struct mmu_notifier vm;
	bool has_vm;
	bool exited;
	int count;
};

static const struct mmu_notifier_ops vm_ops;

/* As KVM does: the notifier, which comes with a hold on the mm. */
static inline void vm_create(struct kunit *test, struct test_mm *space)
{
	space->vm.ops = &vm_ops;
	KUNIT_ASSERT_EQ(test, mmu_notifier_register(&space->vm, space->mm), 0);
	space->has_vm = true;
}

static inline void vm_destroy(struct test_mm *space)
{
	if (space->has_vm)
		mmu_notifier_unregister(&space->vm, space->mm);
	space->has_vm = false;
}

/* The last user of the address space exits; others may still hold it. */
static inline void mm_exit(struct test_mm *space)
{
	if (!space->exited)
		mmput(space->mm);
	space->exited = true;
}

static inline void mm_end(void *data)
{
	struct test_mm *space = data;

	vm_destroy(space);
	mm_exit(space);
}

/* One user, no notifiers, and no hold on it: the test must not count as one. */
static inline struct test_mm *mm_new(struct kunit *test)
{
	struct test_mm *space = kunit_kzalloc(test, sizeof(*space), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, space);
	space->mm = mm_alloc();
	KUNIT_ASSERT_NOT_NULL(test, space->mm);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, mm_end, space), 0);
	space->count = atomic_read(&space->mm->mm_count);
	return space;
}

/* How many holds have come since the address space was made. */
static inline int mm_grabs(const struct test_mm *space)
{
	return atomic_read(&space->mm->mm_count) - space->count;
}

/* ---- A device with BOs ------------------------------------------------- */

/* A BO with a ttm_tt, as far as the mode looks at one. */
struct test_bo {
	struct ttm_test_devices *devs;
	struct ttm_buffer_object *bo;
	struct ttm_tt tt;
};

static inline void bo_populate(struct kunit *test, struct test_bo *buf)
{
	struct ttm_operation_ctx ctx = {};

	KUNIT_ASSERT_EQ(test, ttm_tt_populate(buf->devs->ttm_dev, &buf->tt, &ctx), 0);
}

static inline void bo_unpopulate(struct test_bo *buf)
{
	ttm_tt_unpopulate(buf->devs->ttm_dev, &buf->tt);
}

/* Runs before the device goes: actions are run in reverse order. */
static inline void bo_end(void *data)
{
	struct test_bo *buf = data;

	bo_unpopulate(buf);
	buf->bo->ttm = NULL;
	ttm_tt_fini(&buf->tt);
	drm_gem_object_release(&buf->bo->base);
}

/* Not populated yet. Sizes that are no power of two have several chunks. */
static inline struct test_bo *bo_new(struct kunit *test, unsigned int pages, u32 flags)
{
	struct ttm_test_devices *devs = test->priv;
	struct test_bo *buf = kunit_kzalloc(test, sizeof(*buf), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	buf->devs = devs;
	buf->bo = ttm_bo_kunit_init(test, devs, pages * PAGE_SIZE, NULL);
	KUNIT_ASSERT_EQ(test, ttm_tt_init(&buf->tt, buf->bo, flags, ttm_cached, 0), 0);
	buf->bo->ttm = &buf->tt;
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, bo_end, buf), 0);
	return buf;
}

static inline struct test_bo *bo_new_populated(struct kunit *test, unsigned int pages)
{
	struct test_bo *buf = bo_new(test, pages, 0);

	bo_populate(test, buf);
	return buf;
}

/* While it has pages: marked as the device's policy says. */
static inline unsigned long bo_marked(const struct test_bo *buf)
{
	const struct ttm_pfnmap_dev *dev = ttm_pfnmap_dev_find(buf->devs->ttm_dev);
	unsigned long i, marked = 0;

	for (i = 0; i < buf->tt.num_pages; i++)
		marked += count_marked(dev->policy ?: &ttm_pfnmap_reserved, buf->tt.pages[i], 1);
	return marked;
}

static inline unsigned long bo_plain(const struct test_bo *buf)
{
	unsigned long i, nr, plain = 0;

	for (i = 0; i < buf->tt.num_pages; i += nr) {
		nr = 1UL << page_private(buf->tt.pages[i]);
		plain += count_plain(buf->tt.pages[i], nr);
	}
	return plain;
}

/* What TTM's BOs are mapped with. */
#define GOOD_FLAGS (VM_READ | VM_WRITE | VM_SHARED | VM_MAYREAD | VM_MAYWRITE | \
		    VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP)

static inline void vma_fill(struct vm_area_struct *vma, const struct test_bo *buf,
			    struct mm_struct *mm, vm_flags_t flags)
{
	memset(vma, 0, sizeof(*vma));
	vm_flags_init(vma, flags);
	vma->vm_mm = mm;
	vma->vm_private_data = buf->bo;
}

/* A page fault on the BO, with the locks that one holds. */
static inline vm_fault_t fault_locked(struct test_bo *buf, struct vm_area_struct *vma,
				      struct ttm_tt *tt)
{
	vm_fault_t ret;

	mmap_read_lock(vma->vm_mm);
	dma_resv_lock(buf->bo->base.resv, NULL);
	ret = ttm_pfnmap_fault(vma, tt);
	dma_resv_unlock(buf->bo->base.resv);
	mmap_read_unlock(vma->vm_mm);
	return ret;
}

static inline vm_fault_t fault_vma(struct test_bo *buf, struct test_mm *space,
				   struct ttm_tt *tt, vm_flags_t flags)
{
	struct vm_area_struct vma;

	vma_fill(&vma, buf, space->mm, flags);
	return fault_locked(buf, &vma, tt);
}

static inline vm_fault_t fault(struct test_bo *buf, struct test_mm *space)
{
	return fault_vma(buf, space, &buf->tt, GOOD_FLAGS);
}

/* @child inherits a mapping of the BO. */
static inline void fork_to(struct test_bo *buf, struct test_mm *child)
{
	struct vm_area_struct vma;

	vma_fill(&vma, buf, child->mm, GOOD_FLAGS);
	mmap_write_lock(child->mm);
	ttm_pfnmap_vm_open(&vma);
	mmap_write_unlock(child->mm);
}

static inline void device_end(void *data)
{
	struct ttm_test_devices *devs = data;

	if (devs->ttm_dev)
		ttm_device_fini(devs->ttm_dev);
}

/* As an action, so that it comes after the ends of BOs and address spaces. */
static inline int device_init(struct kunit *test)
{
	int ret = ttm_test_devices_all_init(test);

	return ret ?: kunit_add_action_or_reset(test, device_end, test->priv);
}

/* The page allocator's complaints are what a wrong free ends in. */
static inline void device_exit(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, test_taint(TAINT_BAD_PAGE));
}

static inline int suite_init(struct kunit_suite *suite)
{
	static_branch_enable(&ttm_pfnmap_used);
	return 0;
}

static inline void suite_exit(struct kunit_suite *suite)
{
	static_branch_disable(&ttm_pfnmap_used);
}

static inline struct ttm_pfnmap_dev *the_dev(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;

	return ttm_pfnmap_dev_find(devs->ttm_dev);
}

/* A device that has opted in, by hand. */
static inline int opt_in(struct kunit *test, const struct ttm_pfnmap_policy *policy)
{
	struct ttm_pfnmap_dev *dev;
	int ret = device_init(test);

	if (ret)
		return ret;
	dev = the_dev(test);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	dev->policy = policy;
	atomic_set(&dev->state, TTM_PFNMAP_IDLE);
	return 0;
}

static inline int opted_in_init(struct kunit *test)
{
	return opt_in(test, &ttm_pfnmap_reserved);
}

static inline int opted_in_counted_init(struct kunit *test)
{
	return opt_in(test, &ttm_pfnmap_counted);
}

/* ---- The bounds -------------------------------------------------------- */

#define MIB_PAGES (SZ_1M >> PAGE_SHIFT)

static inline void bounds_restore(void *unused)
{
	ttm_pfnmap_quarantine_mb = 256;
	ttm_pfnmap_reserved_mb = 0;
}

/* In MiB, until the test ends. The sets of tests before it would count, too. */
static inline void bounds_set(struct kunit *test, unsigned long quarantine, unsigned long all)
{
	bool alone = false;
	int i;

	for (i = 0; i < 500 && !alone; i++) {
		mutex_lock(&ttm_pfnmap_devices_lock);
		alone = list_is_singular(&ttm_pfnmap_devices);
		mutex_unlock(&ttm_pfnmap_devices_lock);
		if (!alone)
			msleep(20);
	}
	KUNIT_ASSERT_TRUE(test, alone);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, bounds_restore, NULL), 0);
	ttm_pfnmap_quarantine_mb = quarantine;
	ttm_pfnmap_reserved_mb = all;
}

#endif
