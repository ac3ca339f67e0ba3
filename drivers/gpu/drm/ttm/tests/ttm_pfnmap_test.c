// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suites of TTM's PFNMAP mode.
 *
 * They run where the mode itself cannot be had (UML is not x86-64 to it), so
 * the lifetime suite opts its device in by hand. What needs page tables, KVM or
 * a real mmap() is tested in virtual machines instead.
 */
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/dma-resv.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/page_ref.h>
#include <linux/panic.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include <drm/ttm/ttm_pool.h>
#include <drm/ttm/ttm_tt.h>

#include "../ttm_pfnmap_internal.h"
#include "ttm_kunit_helpers.h"

/* ---- Names ------------------------------------------------------------- */

#define NAMES_MAX 255

struct names_case {
	const char *names;
	const char *driver;
	int expect;
};

static void names_desc(const struct names_case *c, char *desc)
{
	int len = snprintf(desc, KUNIT_PARAM_DESC_SIZE, "\"%*pE\"",
			   (int)strlen(c->names), c->names);

	if (c->driver)
		snprintf(desc + len, KUNIT_PARAM_DESC_SIZE - len,
			 " has \"%s\"", c->driver);
}

static const struct names_case names_good[] = {
	{ "amdgpu" }, { "amdgpu,radeon" }, { "all" }, { "amdgpu\n" },
	{ "virtio_gpu,virtio-pci,i915" }, { "a" }, { "a,b,c" },
};

static const struct names_case names_bad[] = {
	{ "" }, { "\n" }, { "," }, { ",amdgpu" }, { "amdgpu," }, { "amdgpu,\n" },
	{ "amdgpu,,radeon" }, { "amdgpu radeon" }, { "amdgpu;radeon" },
	{ "amdgpu, radeon" }, { "amd\ngpu" }, { "amdgpu\n\n" }, { "amd*" },
	{ "../amdgpu" }, { "amdgpu=1" }, { "\tamdgpu" },
};

static const struct names_case names_matches[] = {
	{ "amdgpu", "amdgpu", true }, { "amdgpu,radeon", "amdgpu", true },
	{ "amdgpu,radeon", "radeon", true }, { "a,b,c", "b", true },
	{ "radeon\n", "radeon", true }, { "all", "radeon", true },
	{ "all\n", "radeon", true }, { "amdgpu,all", "radeon", true },
	{ "all", "", true },
	{ "", "radeon", false }, { "amdgpu", "radeon", false },
	{ "amdgpu,radeon", "rad", false }, { "rad", "radeon", false },
	{ "xradeon", "radeon", false }, { "allx", "radeon", false },
	{ "al", "radeon", false }, { "amdgpu", "", false },
	{ "amdgpu,radeon", "amdgpu,radeon", false },
};

KUNIT_ARRAY_PARAM(names_good, names_good, names_desc);
KUNIT_ARRAY_PARAM(names_bad, names_bad, names_desc);
KUNIT_ARRAY_PARAM(names_matches, names_matches, names_desc);

static void names_check_accepts(struct kunit *test)
{
	const struct names_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, ttm_pfnmap_names_check(c->names), 0);
}

static void names_check_refuses(struct kunit *test)
{
	const struct names_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, ttm_pfnmap_names_check(c->names), -EINVAL);
}

static void names_check_length(struct kunit *test)
{
	char *names = kunit_kzalloc(test, NAMES_MAX + 2, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, names);
	memset(names, 'a', NAMES_MAX);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_names_check(names), 0);
	names[NAMES_MAX] = 'a';
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_names_check(names), -ENAMETOOLONG);
}

static void names_match(struct kunit *test)
{
	const struct names_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, ttm_pfnmap_names_match(c->names, c->driver),
			(bool)c->expect);
}

static struct kunit_case names_cases[] = {
	KUNIT_CASE_PARAM(names_check_accepts, names_good_gen_params),
	KUNIT_CASE_PARAM(names_check_refuses, names_bad_gen_params),
	KUNIT_CASE(names_check_length),
	KUNIT_CASE_PARAM(names_match, names_matches_gen_params),
	{}
};

static struct kunit_suite names_suite = {
	.name = "ttm_pfnmap_names",
	.test_cases = names_cases,
};

/* ---- Marks ------------------------------------------------------------- */

/* Ways in which a page may not look as it should; each can be undone. */
enum tampering {
	COUNT_UP,
	COUNT_DOWN,
	RESERVED_TOGGLED,
	MAPPED,
	HAS_MAPPING,
	ON_LRU,
	NR_TAMPERINGS,
};

static const char *const tamperings[NR_TAMPERINGS] = {
	"count one up", "count one down", "PG_reserved toggled",
	"mapped", "has a mapping", "on an LRU list",
};

static void tamper(struct page *page, enum tampering how)
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

static void repair(struct page *page, enum tampering how)
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

#define MARK_ORDER 4
#define MARK_PAGES (1U << MARK_ORDER)

static const unsigned int positions[] = { 0, 1, 7, MARK_PAGES - 1 };

/* A parameter is the number of a (tampering, position) pair, from 1. */
static const void *tampered_gen_params(const void *prev, char *desc)
{
	unsigned long n = (unsigned long)prev;

	if (n >= NR_TAMPERINGS * ARRAY_SIZE(positions))
		return NULL;
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, page %u of %u",
		 tamperings[n / ARRAY_SIZE(positions)],
		 positions[n % ARRAY_SIZE(positions)], MARK_PAGES);
	return (void *)(n + 1);
}

static enum tampering tampered_how(const struct kunit *test)
{
	return ((unsigned long)test->param_value - 1) / ARRAY_SIZE(positions);
}

static unsigned int tampered_page(const struct kunit *test)
{
	return positions[((unsigned long)test->param_value - 1) %
			 ARRAY_SIZE(positions)];
}

/* A parameter is an order + 1. */
static const void *order_gen_params(const void *prev, char *desc)
{
	unsigned long n = (unsigned long)prev;

	if (n > 9)
		return NULL;
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "order %lu", n);
	return (void *)(n + 1);
}

static struct page *alloc_chunk(struct kunit *test, unsigned int order)
{
	struct page *head = alloc_pages(GFP_KERNEL, order);

	KUNIT_ASSERT_NOT_NULL(test, head);
	return head;
}

/* The page allocator taints the kernel when a page is not fit to be freed. */
static void free_chunk(struct kunit *test, struct page *head,
		       unsigned int order)
{
	KUNIT_ASSERT_FALSE(test, test_taint(TAINT_BAD_PAGE));
	ttm_pfnmap_free_chunk(head, order, ttm_cached);
	KUNIT_EXPECT_FALSE(test, test_taint(TAINT_BAD_PAGE));
}

static struct page *save_pages(struct kunit *test, const struct page *head,
			       unsigned long nr)
{
	struct page *saved = kunit_kmalloc(test, nr * sizeof(*head), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, saved);
	memcpy(saved, head, nr * sizeof(*head));
	return saved;
}

/* Also puts things right, so that one failure does not bring down the rest. */
static void expect_unchanged(struct kunit *test, struct page *head,
			     const struct page *saved, unsigned long nr)
{
	KUNIT_EXPECT_EQ(test, memcmp(head, saved, nr * sizeof(*head)), 0);
	memcpy(head, saved, nr * sizeof(*head));
}

static unsigned long count_marked(struct page *head, unsigned long nr)
{
	unsigned long i, marked = 0;

	for (i = 0; i < nr; i++)
		marked += page_ref_count(head + i) == 1 && PageReserved(head + i);
	return marked;
}

static void mark_marks_every_page(struct kunit *test)
{
	unsigned int order = (unsigned long)test->param_value - 1;
	struct page *head = alloc_chunk(test, order);

	KUNIT_EXPECT_EQ(test, ttm_pfnmap_reserved_mark(head, order), 0);
	KUNIT_EXPECT_EQ(test, count_marked(head, 1UL << order), 1UL << order);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_reserved_unmark(head, order));
	free_chunk(test, head, order);
}

static void unmark_restores_every_page(struct kunit *test)
{
	unsigned int order = (unsigned long)test->param_value - 1;
	unsigned long nr = 1UL << order;
	struct page *head = alloc_chunk(test, order);
	struct page *saved = save_pages(test, head, nr);
	unsigned long i, plain = 0;

	KUNIT_EXPECT_EQ(test, ttm_pfnmap_reserved_mark(head, order), 0);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_reserved_unmark(head, order));
	for (i = 0; i < nr; i++)
		plain += page_ref_count(head + i) == !i && !PageReserved(head + i);
	KUNIT_EXPECT_EQ(test, plain, nr);
	expect_unchanged(test, head, saved, nr);
	free_chunk(test, head, order);
}

static void mark_refuses_used_page(struct kunit *test)
{
	enum tampering how = tampered_how(test);
	struct page *head = alloc_chunk(test, MARK_ORDER);
	struct page *page = head + tampered_page(test);
	struct page *saved;

	tamper(page, how);
	saved = save_pages(test, head, MARK_PAGES);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_reserved_mark(head, MARK_ORDER), -EUCLEAN);
	expect_unchanged(test, head, saved, MARK_PAGES);

	repair(page, how);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_reserved_mark(head, MARK_ORDER), 0);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_reserved_unmark(head, MARK_ORDER));
	free_chunk(test, head, MARK_ORDER);
}

static void mark_refuses_compound_page(struct kunit *test)
{
	struct page *head = alloc_pages(GFP_KERNEL | __GFP_COMP, MARK_ORDER);
	struct page *saved;

	KUNIT_ASSERT_NOT_NULL(test, head);
	saved = save_pages(test, head, MARK_PAGES);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_reserved_mark(head, MARK_ORDER), -EUCLEAN);
	expect_unchanged(test, head, saved, MARK_PAGES);
	free_chunk(test, head, MARK_ORDER);
}

static void mark_refuses_marked_chunk(struct kunit *test)
{
	struct page *head = alloc_chunk(test, MARK_ORDER);

	KUNIT_EXPECT_EQ(test, ttm_pfnmap_reserved_mark(head, MARK_ORDER), 0);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_reserved_mark(head, MARK_ORDER), -EUCLEAN);
	KUNIT_EXPECT_EQ(test, count_marked(head, MARK_PAGES), MARK_PAGES);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_reserved_unmark(head, MARK_ORDER));
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_reserved_unmark(head, MARK_ORDER));
	free_chunk(test, head, MARK_ORDER);
}

static void unmark_refuses_changed_page(struct kunit *test)
{
	enum tampering how = tampered_how(test);
	struct page *head = alloc_chunk(test, MARK_ORDER);
	struct page *page = head + tampered_page(test);
	struct page *saved;

	KUNIT_EXPECT_EQ(test, ttm_pfnmap_reserved_mark(head, MARK_ORDER), 0);
	tamper(page, how);
	saved = save_pages(test, head, MARK_PAGES);
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_reserved_unmark(head, MARK_ORDER));
	expect_unchanged(test, head, saved, MARK_PAGES);

	repair(page, how);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_reserved_unmark(head, MARK_ORDER));
	free_chunk(test, head, MARK_ORDER);
}

static struct kunit_case mark_cases[] = {
	KUNIT_CASE_PARAM(mark_marks_every_page, order_gen_params),
	KUNIT_CASE_PARAM(unmark_restores_every_page, order_gen_params),
	KUNIT_CASE_PARAM(mark_refuses_used_page, tampered_gen_params),
	KUNIT_CASE(mark_refuses_compound_page),
	KUNIT_CASE(mark_refuses_marked_chunk),
	KUNIT_CASE_PARAM(unmark_refuses_changed_page, tampered_gen_params),
	{}
};

static struct kunit_suite mark_suite = {
	.name = "ttm_pfnmap_mark",
	.test_cases = mark_cases,
};

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
static void vm_create(struct kunit *test, struct test_mm *space)
{
	space->vm.ops = &vm_ops;
	KUNIT_ASSERT_EQ(test, mmu_notifier_register(&space->vm, space->mm), 0);
	space->has_vm = true;
}

static void vm_destroy(struct test_mm *space)
{
	if (space->has_vm)
		mmu_notifier_unregister(&space->vm, space->mm);
	space->has_vm = false;
}

/* The last user of the address space exits; others may still hold it. */
static void mm_exit(struct test_mm *space)
{
	if (!space->exited)
		mmput(space->mm);
	space->exited = true;
}

static void mm_end(void *data)
{
	struct test_mm *space = data;

	mm_exit(space);
	vm_destroy(space);
	mmdrop(space->mm);
}

/* One user, no notifiers, and a hold of the test's own on top. */
static struct test_mm *mm_new(struct kunit *test)
{
	struct test_mm *space = kunit_kzalloc(test, sizeof(*space), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, space);
	space->mm = mm_alloc();
	KUNIT_ASSERT_NOT_NULL(test, space->mm);
	mmgrab(space->mm);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, mm_end, space), 0);
	space->count = atomic_read(&space->mm->mm_count);
	return space;
}

/* How many holds have come since the address space was made. */
static int mm_grabs(const struct test_mm *space)
{
	return atomic_read(&space->mm->mm_count) - space->count;
}

/*
 * In the drained suite the test's own hold plays the part of the mm table's:
 * the rule allows exactly one.
 */
static void drained_without_notifiers(struct kunit *test)
{
	struct test_mm *space = mm_new(test);
	int i;

	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_TRUE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
		mmgrab(space->mm);
	}
	mm_exit(space);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_TRUE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
		mmdrop(space->mm);
	}
}

static void drained_when_nobody_else_holds(struct kunit *test)
{
	struct test_mm *space = mm_new(test);

	vm_create(test, space);
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
	vm_destroy(space);
	KUNIT_EXPECT_TRUE(test, mm_has_notifiers(space->mm));
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_reserved_mm_drained(space->mm));
}

static void drained_needs_every_grab_gone(struct kunit *test)
{
	struct test_mm *space = mm_new(test);

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
	struct test_mm *space = mm_new(test);

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
	struct test_mm *space = mm_new(test);

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
	struct test_mm *space = mm_new(test);

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

static struct kunit_case drained_cases[] = {
	KUNIT_CASE(drained_without_notifiers),
	KUNIT_CASE(drained_when_nobody_else_holds),
	KUNIT_CASE(drained_needs_every_grab_gone),
	KUNIT_CASE(drained_with_many_users),
	KUNIT_CASE(drained_without_users),
	KUNIT_CASE(drained_though_borrowed),
	{}
};

static struct kunit_suite drained_suite = {
	.name = "ttm_pfnmap_drained",
	.test_cases = drained_cases,
};

/* ---- A device with BOs ------------------------------------------------- */

/* A BO with a ttm_tt, as far as the mode looks at one. */
struct test_bo {
	struct ttm_test_devices *devs;
	struct ttm_buffer_object *bo;
	struct ttm_tt tt;
};

static void bo_populate(struct kunit *test, struct test_bo *buf)
{
	struct ttm_operation_ctx ctx = {};

	KUNIT_ASSERT_EQ(test, ttm_tt_populate(buf->devs->ttm_dev, &buf->tt, &ctx), 0);
}

static void bo_unpopulate(struct test_bo *buf)
{
	ttm_tt_unpopulate(buf->devs->ttm_dev, &buf->tt);
}

/* Runs before the device goes: actions are run in reverse order. */
static void bo_end(void *data)
{
	struct test_bo *buf = data;

	bo_unpopulate(buf);
	buf->bo->ttm = NULL;
	ttm_tt_fini(&buf->tt);
	drm_gem_object_release(&buf->bo->base);
}

/* Not populated yet. Sizes that are no power of two have several chunks. */
static struct test_bo *bo_new(struct kunit *test, unsigned int pages, u32 flags)
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

static struct test_bo *bo_new_populated(struct kunit *test, unsigned int pages)
{
	struct test_bo *buf = bo_new(test, pages, 0);

	bo_populate(test, buf);
	return buf;
}

static unsigned long bo_marked(const struct test_bo *buf)
{
	unsigned long i, marked = 0;

	for (i = 0; i < buf->tt.num_pages; i++)
		marked += count_marked(buf->tt.pages[i], 1);
	return marked;
}

static unsigned long bo_plain(const struct test_bo *buf)
{
	unsigned long i, plain = 0;

	for (i = 0; i < buf->tt.num_pages; i++)
		plain += page_ref_count(buf->tt.pages[i]) < 2 &&
			 !PageReserved(buf->tt.pages[i]);
	return plain;
}

/* What TTM's BOs are mapped with. */
#define GOOD_FLAGS (VM_READ | VM_WRITE | VM_SHARED | VM_MAYREAD | VM_MAYWRITE | \
		    VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP)

static void vma_fill(struct vm_area_struct *vma, const struct test_bo *buf,
		     struct mm_struct *mm, vm_flags_t flags)
{
	memset(vma, 0, sizeof(*vma));
	vm_flags_init(vma, flags);
	vma->vm_mm = mm;
	vma->vm_private_data = buf->bo;
}

/* A page fault on the BO, with the locks that one holds. */
static vm_fault_t fault_locked(struct test_bo *buf, struct vm_area_struct *vma,
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

static vm_fault_t fault_vma(struct test_bo *buf, struct test_mm *space,
			    struct ttm_tt *tt, vm_flags_t flags)
{
	struct vm_area_struct vma;

	vma_fill(&vma, buf, space->mm, flags);
	return fault_locked(buf, &vma, tt);
}

static vm_fault_t fault(struct test_bo *buf, struct test_mm *space)
{
	return fault_vma(buf, space, &buf->tt, GOOD_FLAGS);
}

/* @child inherits a mapping of the BO. */
static void fork_to(struct test_bo *buf, struct test_mm *child)
{
	struct vm_area_struct vma;

	vma_fill(&vma, buf, child->mm, GOOD_FLAGS);
	mmap_write_lock(child->mm);
	ttm_pfnmap_vm_open(&vma);
	mmap_write_unlock(child->mm);
}

static void device_end(void *data)
{
	struct ttm_test_devices *devs = data;

	if (devs->ttm_dev)
		ttm_device_fini(devs->ttm_dev);
}

/* As an action, so that it comes after the ends of BOs and address spaces. */
static int device_init(struct kunit *test)
{
	int ret = ttm_test_devices_all_init(test);

	return ret ?: kunit_add_action_or_reset(test, device_end, test->priv);
}

/* The page allocator's complaints are what a wrong free ends in. */
static void device_exit(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, test_taint(TAINT_BAD_PAGE));
}

static int suite_init(struct kunit_suite *suite)
{
	static_branch_enable(&ttm_pfnmap_used);
	return 0;
}

static void suite_exit(struct kunit_suite *suite)
{
	static_branch_disable(&ttm_pfnmap_used);
}

static struct ttm_pfnmap_dev *the_dev(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;

	return ttm_pfnmap_dev_find(devs->ttm_dev);
}

/* ---- Opting in --------------------------------------------------------- */

static void enable_null(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_enable(NULL), -EINVAL);
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_enabled(NULL));
}

static void enable_uninitialised(struct kunit *test)
{
	struct ttm_device *bdev = kunit_kzalloc(test, sizeof(*bdev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bdev);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_enable(bdev), -ENODEV);
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_enabled(bdev));
}

static void enable_after_fini(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;
	struct ttm_device *bdev = kunit_kzalloc(test, sizeof(*bdev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bdev);
	KUNIT_ASSERT_EQ(test, ttm_device_kunit_init(devs, bdev, false, false), 0);
	KUNIT_EXPECT_NOT_NULL(test, ttm_pfnmap_dev_find(bdev));
	ttm_device_fini(bdev);
	KUNIT_EXPECT_NULL(test, ttm_pfnmap_dev_find(bdev));
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_enable(bdev), -ENODEV);
}

/* What opting in gives on the machine that the suite runs on. */
static int expected_errno(void)
{
	if (!TTM_PFNMAP_KVM_HEURISTIC)
		return 0;
	return IS_ENABLED(CONFIG_X86) ? 0 : -EOPNOTSUPP;
}

static void enable_elsewhere_is_refused(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;
	int i;

	if (!expected_errno())
		kunit_skip(test, "opting in is not refused here");
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, ttm_pfnmap_enable(devs->ttm_dev),
				expected_errno());
		KUNIT_EXPECT_FALSE(test, ttm_pfnmap_enabled(devs->ttm_dev));
		KUNIT_EXPECT_FALSE(test, ttm_pfnmap_dev_marks(the_dev(test)));
		KUNIT_EXPECT_STREQ(test, ttm_pfnmap_dev_policy(the_dev(test)), "off");
	}
}

/* A device that was refused has BOs, and nothing of them is ever marked. */
static void refused_device_works(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;
	struct test_mm *space = mm_new(test);
	struct test_bo *buf;

	if (!expected_errno())
		kunit_skip(test, "opting in is not refused here");
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_enable(devs->ttm_dev), expected_errno());
	buf = bo_new_populated(test, 7);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_EQ(test, fault_vma(buf, space, &buf->tt, VM_MIXEDMAP), 0);
	fork_to(buf, space);

	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	KUNIT_EXPECT_EQ(test, bo_plain(buf), 7);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&the_dev(test)->pages_marked), 0);
}

static struct kunit_case optin_cases[] = {
	KUNIT_CASE(enable_null),
	KUNIT_CASE(enable_uninitialised),
	KUNIT_CASE(enable_after_fini),
	KUNIT_CASE(enable_elsewhere_is_refused),
	KUNIT_CASE(refused_device_works),
	{}
};

static struct kunit_suite optin_suite = {
	.name = "ttm_pfnmap_optin",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.init = device_init,
	.exit = device_exit,
	.test_cases = optin_cases,
};

/* ---- Lifetime ---------------------------------------------------------- */

static int lifetime_init(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev;
	int ret = device_init(test);

	if (ret)
		return ret;
	dev = the_dev(test);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	dev->policy = &ttm_pfnmap_reserved;
	atomic_set(&dev->state, TTM_PFNMAP_IDLE);
	return 0;
}

static void expect_marked(struct kunit *test, const struct ttm_pfnmap_dev *dev,
			  long sets, long chunks, long pages)
{
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->sets_exposed), sets);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->chunks_marked), chunks);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->pages_marked), pages);
}

static void expect_given_back(struct kunit *test, const struct ttm_pfnmap_dev *dev,
			      long quarantined, long retired, long leaked)
{
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->pages_quarantined), quarantined);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->pages_retired), retired);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->pages_leaked), leaked);
}

#define REAPER_TRIES 1000

/* The reaper looks five times a second, but who knows how slow we are. */
static bool given_back_soon(const struct ttm_pfnmap_dev *dev, long pages)
{
	int i;

	for (i = 0; i < REAPER_TRIES; i++) {
		if (atomic_long_read(&dev->pages_retired) +
		    atomic_long_read(&dev->pages_leaked) == pages)
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
	{ "private, never writable", GOOD_FLAGS & ~(VM_SHARED | VM_WRITE | VM_MAYWRITE), 0 },
	{ "copy on write", GOOD_FLAGS & ~VM_SHARED, VM_FAULT_SIGBUS },
	{ "copy on write later", GOOD_FLAGS & ~(VM_SHARED | VM_WRITE), VM_FAULT_SIGBUS },
	{ "mixed map as well", GOOD_FLAGS | VM_MIXEDMAP, VM_FAULT_SIGBUS },
	{ "mixed map instead", (GOOD_FLAGS & ~VM_PFNMAP) | VM_MIXEDMAP, VM_FAULT_SIGBUS },
	{ "not I/O", GOOD_FLAGS & ~VM_IO, VM_FAULT_SIGBUS },
	{ "not a PFN map", GOOD_FLAGS & ~VM_PFNMAP, VM_FAULT_SIGBUS },
};

KUNIT_ARRAY_PARAM_DESC(vma, vma_cases, name);

static void fault_checks_the_vma(struct kunit *test)
{
	const struct vma_case *c = test->param_value;
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 3);

	KUNIT_EXPECT_EQ(test, fault_vma(buf, space, &buf->tt, c->flags), c->ret);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), c->ret ? 0 : 3);
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
	struct test_bo *buf = bo_new(test, 3, TTM_TT_FLAG_EXTERNAL |
				     TTM_TT_FLAG_EXTERNAL_MAPPABLE);

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

/* ---- Pages that do not look as they should ------------------------------ */

/* A BO of 7 pages is chunks of 4, 2 and 1. */
struct odd_case {
	const char *name;
	unsigned int page;
	enum tampering how;
	unsigned int chunk;
	unsigned int order;
};

static const struct odd_case odd_cases[] = {
	{ "count, first chunk, first page", 0, COUNT_UP, 0, 2 },
	{ "count, first chunk, last page", 3, COUNT_UP, 0, 2 },
	{ "count, middle chunk, first page", 4, COUNT_UP, 4, 1 },
	{ "count, last chunk", 6, COUNT_UP, 6, 0 },
	{ "flag, first chunk, second page", 1, RESERVED_TOGGLED, 0, 2 },
	{ "flag, middle chunk, last page", 5, RESERVED_TOGGLED, 4, 1 },
	{ "flag, last chunk", 6, RESERVED_TOGGLED, 6, 0 },
	{ "mapped, first chunk, last page", 3, MAPPED, 0, 2 },
	{ "mapping, last chunk", 6, HAS_MAPPING, 6, 0 },
};

KUNIT_ARRAY_PARAM_DESC(odd, odd_cases, name);

/* The leaked chunk is ours to put right: nobody else will ever look at it. */
static void free_leaked(struct kunit *test, const struct odd_case *c,
			struct page **pages)
{
	repair(pages[c->page], c->how);
	KUNIT_ASSERT_EQ(test, count_marked(pages[c->chunk], 1UL << c->order),
			1UL << c->order);
	KUNIT_ASSERT_TRUE(test, ttm_pfnmap_reserved_unmark(pages[c->chunk], c->order));
	free_chunk(test, pages[c->chunk], c->order);
}

static void fault_refuses_odd_page(struct kunit *test)
{
	const struct odd_case *c = test->param_value;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);
	struct page *page = buf->tt.pages[c->page];

	tamper(page, c->how);
	KUNIT_EXPECT_EQ(test, fault(buf, space), VM_FAULT_SIGBUS);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	expect_marked(test, dev, 0, 0, 0);
	repair(page, c->how);
	KUNIT_EXPECT_EQ(test, bo_plain(buf), 7);
	/* Refused and not broken: it works when the page is as it should be. */
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 7);
	expect_marked(test, dev, 1, 3, 7);
	bo_unpopulate(buf);
	expect_given_back(test, dev, 0, 7, 0);
}

static void retire_leaks_odd_chunk(struct kunit *test)
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

static void quarantine_leaks_odd_chunk(struct kunit *test)
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

/* Pages that a driver brought, without an order in the first one's private. */
static void fault_refuses_foreign_pages(struct kunit *test)
{
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 7);
	struct page *head = buf->tt.pages[0];
	struct page *second = buf->tt.pages[1];
	const unsigned long bad[] = { 3, TTM_PFNMAP_ORDERS, -1UL };
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		set_page_private(head, bad[i]);
		KUNIT_EXPECT_EQ(test, fault(buf, space), VM_FAULT_SIGBUS);
	}
	set_page_private(head, 2);
	buf->tt.pages[1] = buf->tt.pages[2];
	KUNIT_EXPECT_EQ(test, fault(buf, space), VM_FAULT_SIGBUS);
	buf->tt.pages[1] = NULL;
	KUNIT_EXPECT_EQ(test, fault(buf, space), VM_FAULT_SIGBUS);
	buf->tt.pages[1] = second;
	buf->tt.pages[4] = NULL;
	KUNIT_EXPECT_EQ(test, fault(buf, space), VM_FAULT_SIGBUS);
	buf->tt.pages[4] = buf->tt.pages[5] - 1;

	KUNIT_EXPECT_EQ(test, bo_plain(buf), 7);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	expect_marked(test, the_dev(test), 0, 0, 0);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
}

/* ---- The device's state, and its vm_ops --------------------------------- */

struct state_case {
	const char *name;
	enum ttm_pfnmap_state state;
	bool enabled;
	bool marks;
	bool activates;
	const char *policy;
};

static const struct state_case state_cases[] = {
	{ "off", TTM_PFNMAP_OFF, false, false, false, "off" },
	{ "unneeded", TTM_PFNMAP_UNNEEDED, true, false, true, "none" },
	{ "idle", TTM_PFNMAP_IDLE, true, true, true, "reserved" },
	{ "active", TTM_PFNMAP_ACTIVE, true, true, true, "reserved" },
};

KUNIT_ARRAY_PARAM_DESC(state, state_cases, name);

static void state_decides(struct kunit *test)
{
	const struct state_case *c = test->param_value;
	struct ttm_test_devices *devs = test->priv;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf;

	atomic_set(&dev->state, c->state);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_enabled(devs->ttm_dev), c->enabled);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_dev_marks(dev), c->marks);
	KUNIT_EXPECT_STREQ(test, ttm_pfnmap_dev_policy(dev), c->policy);
	buf = bo_new_populated(test, 3);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), c->marks ? 3 : 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), c->marks ? 1 : 0);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_dev_activate(dev), c->activates);
	if (c->enabled)
		KUNIT_EXPECT_EQ(test, ttm_pfnmap_enable(devs->ttm_dev), -EALREADY);
}

static void no_dev_marks_nothing(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, ttm_pfnmap_dev_marks(NULL));
}

/* Switched off between a BO's populate and its first fault. */
static void switched_off_marks_nothing(struct kunit *test)
{
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 3);

	atomic_set(&the_dev(test)->state, TTM_PFNMAP_OFF);
	KUNIT_EXPECT_EQ(test, fault(buf, space), 0);
	fork_to(buf, space);
	KUNIT_EXPECT_EQ(test, bo_plain(buf), 3);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), 0);
	bo_unpopulate(buf);
	expect_given_back(test, the_dev(test), 0, 0, 0);
}

/* ttm.pfnmap= names a driver that opts in by itself as well. */
static void driver_asks_after_parameter(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;

	the_dev(test)->by_parameter = true;
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_enable(devs->ttm_dev), 0);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_enabled(devs->ttm_dev));
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_enable(devs->ttm_dev), -EALREADY);
}

static void other_open(struct vm_area_struct *vma)
{
}

static vm_fault_t other_mkwrite(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

struct ops_case {
	const char *name;
	struct vm_operations_struct ops;
	bool fits;
};

#define TTM_OPS .open = ttm_bo_vm_open, .close = ttm_bo_vm_close, 	.fault = ttm_bo_vm_fault, .access = ttm_bo_vm_access

static const struct ops_case ops_cases[] = {
	{ "TTM's", { TTM_OPS }, true },
	{ "no open", { .close = ttm_bo_vm_close, .fault = ttm_bo_vm_fault } },
	{ "other open", { .open = other_open, .close = ttm_bo_vm_close } },
	{ "other close", { .open = ttm_bo_vm_open, .close = other_open }, true },
	{ "pfn_mkwrite", { TTM_OPS, .pfn_mkwrite = other_mkwrite } },
	{ "page_mkwrite", { TTM_OPS, .page_mkwrite = other_mkwrite } },
};

KUNIT_ARRAY_PARAM_DESC(ops, ops_cases, name);

static void mmap_checks_the_ops(struct kunit *test)
{
	const struct ops_case *c = test->param_value;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_bo *buf = bo_new(test, 3, 0);
	struct vm_area_struct vma;

	vma_fill(&vma, buf, NULL, GOOD_FLAGS);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_mmap(&vma, buf->bo));
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->state), TTM_PFNMAP_IDLE);

	vma.vm_ops = &c->ops;
	atomic_set(&dev->state, TTM_PFNMAP_ACTIVE);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_mmap(&vma, buf->bo), c->fits);
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->state), TTM_PFNMAP_ACTIVE);

	atomic_set(&dev->state, TTM_PFNMAP_IDLE);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_mmap(&vma, buf->bo));
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->state),
			c->fits ? TTM_PFNMAP_IDLE : TTM_PFNMAP_OFF);
	KUNIT_EXPECT_TRUE(test, ttm_pfnmap_mmap(&vma, buf->bo));
}

/* A driver may make mappings that ttm_pfnmap_mmap() never sees. */
static void fault_checks_the_ops(struct kunit *test)
{
	const struct ops_case *c = test->param_value;
	struct ttm_pfnmap_dev *dev = the_dev(test);
	struct test_mm *space = mm_new(test);
	struct test_bo *buf = bo_new_populated(test, 3);
	struct vm_area_struct vma;

	vma_fill(&vma, buf, space->mm, GOOD_FLAGS);
	vma.vm_ops = &c->ops;
	KUNIT_EXPECT_EQ(test, fault_locked(buf, &vma, &buf->tt), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&dev->state),
			c->fits ? TTM_PFNMAP_ACTIVE : TTM_PFNMAP_OFF);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), c->fits ? 3 : 0);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), c->fits ? 1 : 0);

	atomic_set(&dev->state, TTM_PFNMAP_ACTIVE);
	KUNIT_EXPECT_EQ(test, fault_locked(buf, &vma, &buf->tt),
			c->fits ? 0 : VM_FAULT_SIGBUS);
	KUNIT_EXPECT_EQ(test, mm_grabs(space), c->fits ? 1 : 0);
}

static struct kunit_case lifetime_cases[] = {
	KUNIT_CASE(fault_marks_every_page),
	KUNIT_CASE(fault_marks_big_chunk),
	KUNIT_CASE(fault_again_adds_nothing),
	KUNIT_CASE(one_grab_for_all_bos),
	KUNIT_CASE(many_address_spaces),
	KUNIT_CASE_PARAM(fault_checks_the_vma, vma_gen_params),
	KUNIT_CASE(fault_on_io_memory_marks_nothing),
	KUNIT_CASE(external_pages_are_not_marked),
	KUNIT_CASE(prepare_twice_is_once),
	KUNIT_CASE(child_inherits_exposure),
	KUNIT_CASE(child_keeps_pages),
	KUNIT_CASE(retire_unexposed),
	KUNIT_CASE(retire_drained),
	KUNIT_CASE(expose_and_retire_again),
	KUNIT_CASE(quarantine_keeps_until_drained),
	KUNIT_CASE(quarantine_outlives_the_process),
	KUNIT_CASE(quarantine_drains_set_by_set),
	KUNIT_CASE(quarantine_lets_go_of_drained),
	KUNIT_CASE(quarantine_is_not_the_bos_any_more),
	KUNIT_CASE(quarantine_outlives_the_device),
	KUNIT_CASE_PARAM(fault_refuses_odd_page, odd_gen_params),
	KUNIT_CASE_PARAM(retire_leaks_odd_chunk, odd_gen_params),
	KUNIT_CASE_PARAM(quarantine_leaks_odd_chunk, odd_gen_params),
	KUNIT_CASE(fault_refuses_foreign_pages),
	KUNIT_CASE_PARAM(state_decides, state_gen_params),
	KUNIT_CASE(no_dev_marks_nothing),
	KUNIT_CASE(switched_off_marks_nothing),
	KUNIT_CASE(driver_asks_after_parameter),
	KUNIT_CASE_PARAM(mmap_checks_the_ops, ops_gen_params),
	KUNIT_CASE_PARAM(fault_checks_the_ops, ops_gen_params),
	{}
};

static struct kunit_suite lifetime_suite = {
	.name = "ttm_pfnmap_lifetime",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.init = lifetime_init,
	.exit = device_exit,
	.test_cases = lifetime_cases,
};

kunit_test_suites(&names_suite, &mark_suite, &drained_suite, &optin_suite,
		  &lifetime_suite);

MODULE_DESCRIPTION("KUnit suites of TTM's PFNMAP mode");
MODULE_LICENSE("GPL");
