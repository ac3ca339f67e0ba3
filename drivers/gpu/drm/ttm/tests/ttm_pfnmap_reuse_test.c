// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of ttm_pfnmap_reuse.c: who gets which quarantined chunk, and who
 * may see it.
 */
#include <linux/delay.h>
#include <linux/kthread.h>

#include <drm/ttm/ttm_placement.h>

#include "ttm_pfnmap_kunit.h"

/* A test runs without an address space, and such a one owns nothing. */
static void populate_as(struct kunit *test, struct test_bo *buf,
			struct test_mm *client)
{
	kthread_use_mm(client->mm);
	KUNIT_EXPECT_EQ(test,
			ttm_pfnmap_set_owner(buf->devs->ttm_dev, &buf->tt), 0);
	kthread_unuse_mm(client->mm);
	bo_populate(test, buf);
}

static struct test_bo *bo_new_of(struct kunit *test, struct test_mm *client,
				 unsigned int pages)
{
	struct test_bo *buf = bo_new(test, pages, 0);

	populate_as(test, buf, client);
	return buf;
}

/* An address space with a VM, which holds what it once saw. */
static struct test_mm *vmm_new(struct kunit *test)
{
	struct test_mm *vmm = mm_new(test);

	vm_create(test, vmm);
	return vmm;
}

/* In quarantine: @client populated it, @holder saw it. */
static struct page *quarantined(struct kunit *test, struct test_mm *client,
				struct test_mm *holder, unsigned int pages)
{
	struct test_bo *buf = bo_new_of(test, client, pages);
	struct page *head = buf->tt.pages[0];

	KUNIT_ASSERT_EQ(test, fault(buf, holder), 0);
	bo_unpopulate(buf);
	return head;
}

static void expect_reuse(struct kunit *test, long quarantined, long reused)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);

	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->pages_quarantined),
			quarantined);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->pages_reused), reused);
}

/* The reaper looks five times a second. */
static void expect_empty_soon(struct kunit *test)
{
	struct ttm_pfnmap_dev *dev = the_dev(test);
	int i;

	for (i = 0; i < 500 && atomic_long_read(&dev->pages_marked); i++)
		msleep(20);
	expect_reuse(test, 0, atomic_long_read(&dev->pages_reused));
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->pages_marked), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->chunks_marked), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->sets_exposed), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&dev->pages_leaked), 0);
}

static bool admits(const struct test_bo *buf, const struct test_mm *space)
{
	return ttm_pfnmap_set_admits(ttm_pfnmap_set_find(&buf->tt), space->mm);
}

static void reuse_same_client(struct kunit *test)
{
	struct test_mm *vmm = vmm_new(test);
	struct page *head = quarantined(test, vmm, vmm, 8);
	struct test_bo *buf;

	memset(page_address(head), 0xaa, PAGE_SIZE * 8);
	expect_reuse(test, 8, 0);
	buf = bo_new_of(test, vmm, 8);
	expect_reuse(test, 0, 8);
	KUNIT_EXPECT_PTR_EQ(test, buf->tt.pages[0], head);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 8);
	KUNIT_EXPECT_NULL(test,
			  memchr_inv(page_address(head), 0, PAGE_SIZE * 8));
	KUNIT_EXPECT_EQ(test, fault(buf, vmm), 0);
	bo_unpopulate(buf);
	expect_reuse(test, 8, 8);
	vm_destroy(vmm);
	expect_empty_soon(test);
}

static void reuse_nobody_else(struct kunit *test)
{
	struct test_mm *vmm = vmm_new(test), *other = mm_new(test);

	quarantined(test, vmm, vmm, 8);
	bo_new_of(test, other, 8);
	bo_new_populated(test, 8);
	expect_reuse(test, 8, 0);
	vm_destroy(vmm);
	expect_empty_soon(test);
}

/* One hold on the owner's mm, for as long as it has something in quarantine. */
static void reuse_lets_go_of_owner(struct kunit *test)
{
	struct test_mm *server = mm_new(test), *vmm = vmm_new(test);

	quarantined(test, server, vmm, 8);
	/* This thread goes on borrowing the mm that it had last. */
	bo_new_of(test, vmm, 8);
	KUNIT_EXPECT_EQ(test, mm_grabs(server), 1);
	vm_destroy(vmm);
	expect_empty_soon(test);
	KUNIT_EXPECT_EQ(test, mm_grabs(server), 0);
}

static void reuse_other_dma32(struct kunit *test)
{
	struct ttm_test_devices *devs = test->priv;
	struct test_mm *vmm = vmm_new(test);
	struct test_bo *buf;

	quarantined(test, vmm, vmm, 8);
	devs->ttm_dev->pool.use_dma32 = true;
	buf = bo_new_of(test, vmm, 8);
	bo_unpopulate(buf);
	devs->ttm_dev->pool.use_dma32 = false;
	expect_reuse(test, 8, 0);
	vm_destroy(vmm);
	expect_empty_soon(test);
}

/* 3 pages are two parts of a chunk of 8, and 5 what is left of it. */
static void reuse_splits(struct kunit *test)
{
	struct test_mm *vmm = vmm_new(test);
	struct test_bo *three, *five;

	quarantined(test, vmm, vmm, 8);
	three = bo_new_of(test, vmm, 3);
	expect_reuse(test, 5, 3);
	five = bo_new_of(test, vmm, 5);
	expect_reuse(test, 0, 8);
	KUNIT_EXPECT_EQ(test, fault(three, vmm), 0);
	KUNIT_EXPECT_EQ(test, fault(five, vmm), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(three) + bo_marked(five), 8);
	bo_unpopulate(five);
	bo_unpopulate(three);
	expect_reuse(test, 8, 8);
	vm_destroy(vmm);
	expect_empty_soon(test);
}

static void reuse_gathers(struct kunit *test)
{
	struct test_mm *vmm = vmm_new(test);
	struct test_bo *a = bo_new_of(test, vmm, 1);
	struct test_bo *b = bo_new_of(test, vmm, 2);
	struct test_bo *c = bo_new_of(test, vmm, 4);

	KUNIT_ASSERT_EQ(test, fault(a, vmm) | fault(b, vmm) | fault(c, vmm), 0);
	bo_unpopulate(a);
	bo_unpopulate(b);
	bo_unpopulate(c);
	bo_new_of(test, vmm, 7);
	expect_reuse(test, 0, 7);
}

/* The rest is fresh, and marked when the BO is exposed. */
static void reuse_part(struct kunit *test)
{
	struct test_mm *vmm = vmm_new(test);
	struct test_bo *buf;

	quarantined(test, vmm, vmm, 2);
	buf = bo_new_of(test, vmm, 8);
	expect_reuse(test, 0, 2);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 2);
	KUNIT_EXPECT_EQ(test, fault(buf, vmm), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 8);
	bo_unpopulate(buf);
	expect_reuse(test, 8, 2);
	vm_destroy(vmm);
	expect_empty_soon(test);
}

/* What was never exposed goes its way; the part that was does not. */
static void reuse_part_unexposed(struct kunit *test)
{
	struct test_mm *vmm = vmm_new(test);
	struct test_bo *buf;

	quarantined(test, vmm, vmm, 2);
	buf = bo_new_of(test, vmm, 8);
	bo_unpopulate(buf);
	expect_reuse(test, 2, 2);
	vm_destroy(vmm);
	expect_empty_soon(test);
}

static void reuse_drained_meanwhile(struct kunit *test)
{
	struct test_mm *vmm = vmm_new(test);
	struct test_bo *buf;

	quarantined(test, vmm, vmm, 2);
	buf = bo_new_of(test, vmm, 8);
	KUNIT_EXPECT_EQ(test, fault(buf, vmm), 0);
	vm_destroy(vmm);
	bo_unpopulate(buf);
	expect_reuse(test, 0, 2);
	expect_empty_soon(test);
}

/* A pool that runs out of memory gives back what it has. */
static void reuse_and_no_more(struct kunit *test)
{
	struct test_mm *vmm = vmm_new(test);
	struct test_bo *buf = bo_new(test, 8, 0);
	struct ttm_device *bdev = buf->devs->ttm_dev;
	struct page **pages = buf->tt.pages;
	pgoff_t wanted = buf->tt.num_pages;
	dma_addr_t *none = NULL;

	quarantined(test, vmm, vmm, 2);
	kthread_use_mm(vmm->mm);
	KUNIT_ASSERT_EQ(test, ttm_pfnmap_set_owner(bdev, &buf->tt), 0);
	ttm_pfnmap_reuse(&bdev->pool, &buf->tt, &wanted, &pages, &none);
	kthread_unuse_mm(vmm->mm);
	KUNIT_EXPECT_EQ(test, wanted, 6);
	KUNIT_EXPECT_PTR_EQ(test, pages, buf->tt.pages + 2);
	expect_reuse(test, 0, 2);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_retire(&bdev->pool, &buf->tt), 2);
	expect_reuse(test, 2, 2);
	populate_as(test, buf, vmm);
	expect_reuse(test, 0, 4);
}

/* Reserved pages, and more that would be, but for the bound. */
static struct test_bo *bo_new_reused_in_part(struct kunit *test,
					     struct test_mm *vmm)
{
	struct test_bo *buf;

	bounds_set(test, 256, 0);
	quarantined(test, vmm, vmm, 2);
	buf = bo_new_of(test, vmm, 8);
	expect_reuse(test, 0, 2);
	memset(page_address(buf->tt.pages[0]), 0xaa, PAGE_SIZE);
	memset(page_address(buf->tt.pages[7]), 0x55, PAGE_SIZE);
	ttm_pfnmap_quarantine_mb = 0;
	return buf;
}

static void reuse_part_and_no_room(struct kunit *test)
{
	struct ttm_resource resource = { .mem_type = TTM_PL_SYSTEM };
	struct test_mm *vmm = vmm_new(test);
	struct test_bo *buf = bo_new_reused_in_part(test, vmm);

	buf->bo->resource = &resource;
	KUNIT_EXPECT_EQ(test, fault(buf, vmm), 0);
	buf->bo->resource = NULL;
	expect_reuse(test, 2, 2);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&the_dev(test)->pages_marked),
			10);
	KUNIT_EXPECT_NULL(test, memchr_inv(page_address(buf->tt.pages[0]), 0xaa,
					   PAGE_SIZE));
	KUNIT_EXPECT_NULL(test, memchr_inv(page_address(buf->tt.pages[7]), 0x55,
					   PAGE_SIZE));
	bo_unpopulate(buf);
	vm_destroy(vmm);
	expect_empty_soon(test);
}

static void reuse_part_pinned_and_no_room(struct kunit *test)
{
	struct test_mm *vmm = vmm_new(test);
	struct test_bo *buf = bo_new_reused_in_part(test, vmm);

	buf->bo->pin_count = 1;
	KUNIT_EXPECT_EQ(test, fault(buf, vmm), VM_FAULT_SIGBUS);
	buf->bo->pin_count = 0;
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 2);
	bo_unpopulate(buf);
	vm_destroy(vmm);
	expect_empty_soon(test);
}

/* What is not reserved yet needs room; a BO that is all reused needs none. */
static void reuse_all_and_no_room(struct kunit *test)
{
	struct test_mm *vmm = vmm_new(test);
	struct test_bo *buf;

	bounds_set(test, 256, 1);
	quarantined(test, vmm, vmm, MIB_PAGES - 1);
	buf = bo_new_of(test, vmm, MIB_PAGES + 1);
	expect_reuse(test, MIB_PAGES - 1, 0);
	KUNIT_EXPECT_EQ(test, fault(buf, vmm), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), 0);
	bo_unpopulate(buf);
	buf = bo_new_of(test, vmm, MIB_PAGES - 1);
	expect_reuse(test, 0, MIB_PAGES - 1);
	KUNIT_EXPECT_EQ(test, fault(buf, vmm), 0);
	KUNIT_EXPECT_EQ(test, bo_marked(buf), MIB_PAGES - 1);
	bo_unpopulate(buf);
	vm_destroy(vmm);
	expect_empty_soon(test);
}

/* Drained, but for somebody's reference: that page is nobody's to have. */
static void reuse_nothing_held(struct kunit *test)
{
	struct test_mm *client = mm_new(test);
	struct test_bo *buf = bo_new_of(test, client, 8);
	struct page *page = buf->tt.pages[3];

	KUNIT_ASSERT_EQ(test, fault(buf, client), 0);
	tamper(page, COUNT_UP);
	bo_unpopulate(buf);
	expect_reuse(test, 8, 0);
	buf = bo_new_of(test, client, 8);
	expect_reuse(test, 8, 0);
	KUNIT_EXPECT_EQ(test, bo_plain(buf), 8);
	repair(page, COUNT_UP);
	bo_unpopulate(buf);
	expect_empty_soon(test);
}

/*
 * Held by a VMM, so that the set is on offer: the chunk with a page that is not as it was
 * left, or that somebody else has a reference to, stays behind.
 */
static void reuse_nothing_tampered(struct kunit *test)
{
	struct test_mm *server = mm_new(test), *vmm = vmm_new(test);
	struct test_bo *buf = bo_new_of(test, server, 12);
	struct page *page = buf->tt.pages[9];
	int how;

	KUNIT_ASSERT_EQ(test, fault(buf, vmm), 0);
	bo_unpopulate(buf);
	expect_reuse(test, 12, 0);
	for (how = 0; how < NR_TAMPERINGS; how++) {
		tamper(page, how);
		buf = bo_new_of(test, server, 12);
		expect_reuse(test, 4, 8 * (how + 1));
		KUNIT_EXPECT_EQ_MSG(test, bo_plain(buf), 4, "%s",
				    tamperings[how]);
		bo_unpopulate(buf);
		repair(page, how);
	}
}

/* The set that it is in has enough pages, but for that. */
static void reuse_nothing_held_and_no_room(struct kunit *test)
{
	struct test_mm *server = mm_new(test), *vmm = vmm_new(test);
	struct test_bo *a = bo_new_of(test, server, 4);
	struct test_bo *b = bo_new_of(test, server, 8), *buf;
	struct page *page = a->tt.pages[0];

	KUNIT_ASSERT_EQ(test, fault(a, vmm) | fault(b, vmm), 0);
	bo_unpopulate(a);
	bo_unpopulate(b);
	bounds_set(test, 256, 0);
	ttm_pfnmap_quarantine_mb = 0;
	tamper(page, COUNT_UP);
	bo_unpopulate(bo_new_of(test, server, 12));
	expect_reuse(test, 12, 0);
	/* In whole and in part. */
	buf = bo_new_of(test, server, 4);
	expect_reuse(test, 8, 4);
	KUNIT_EXPECT_PTR_NE(test, buf->tt.pages[0], page);
	bo_unpopulate(buf);
	buf = bo_new_of(test, server, 2);
	expect_reuse(test, 10, 6);
	KUNIT_EXPECT_PTR_NE(test, buf->tt.pages[0], page);
	bo_unpopulate(buf);
	repair(page, COUNT_UP);
	bo_new_of(test, server, 4);
	expect_reuse(test, 8, 10);
}

static void admits_the_client(struct kunit *test)
{
	struct test_mm *server = mm_new(test), *vmm = vmm_new(test);
	struct test_mm *stranger = mm_new(test);
	struct test_bo *fresh = bo_new_of(test, server, 4), *buf;

	KUNIT_EXPECT_TRUE(test, admits(fresh, stranger));
	quarantined(test, server, vmm, 4);
	buf = bo_new_of(test, server, 4);
	KUNIT_EXPECT_TRUE(test, admits(buf, server));
	KUNIT_EXPECT_TRUE(test, admits(buf, vmm));
	KUNIT_EXPECT_FALSE(test, admits(buf, stranger));
	/* That it is the first to be exposed changes nothing. */
	KUNIT_EXPECT_EQ(test, fault(buf, server), 0);
	KUNIT_EXPECT_FALSE(test, admits(buf, stranger));
}

/* Each knows a part of the BO. */
static void admits_nobody_of_two(struct kunit *test)
{
	struct test_mm *server = mm_new(test);
	struct test_mm *one = vmm_new(test), *two = vmm_new(test);
	struct test_bo *a = bo_new_of(test, server, 4);
	struct test_bo *b = bo_new_of(test, server, 4), *buf;

	KUNIT_ASSERT_EQ(test, fault(a, one) | fault(b, two), 0);
	bo_unpopulate(a);
	bo_unpopulate(b);
	buf = bo_new_of(test, server, 8);
	expect_reuse(test, 0, 8);
	KUNIT_EXPECT_TRUE(test, admits(buf, server));
	KUNIT_EXPECT_FALSE(test, admits(buf, one));
	KUNIT_EXPECT_FALSE(test, admits(buf, two));
}

/* Through a BO that the VMM never saw, of pages that it did. */
static void admits_again(struct kunit *test)
{
	struct test_mm *server = mm_new(test), *vmm = vmm_new(test);
	struct test_bo *buf;

	quarantined(test, server, vmm, 4);
	quarantined(test, server, server, 4);
	expect_reuse(test, 4, 4);
	buf = bo_new_of(test, server, 4);
	expect_reuse(test, 0, 8);
	KUNIT_EXPECT_TRUE(test, admits(buf, vmm));
}

/* The same, but some of the pages it did not. */
static void admits_not_again(struct kunit *test)
{
	struct test_mm *server = mm_new(test), *vmm = vmm_new(test);
	struct test_bo *buf;

	quarantined(test, server, vmm, 4);
	quarantined(test, server, server, 8);
	expect_reuse(test, 8, 4);
	buf = bo_new_of(test, server, 4);
	KUNIT_EXPECT_FALSE(test, admits(buf, vmm));
}

/* Of two BOs, one of which only @one saw, and the other only somebody who ended since. */
static struct test_bo *bo_new_opened(struct kunit *test, struct test_mm *server,
				     struct test_mm *one)
{
	struct test_mm *two = vmm_new(test);
	struct test_bo *a = bo_new_of(test, server, 4);
	struct test_bo *b = bo_new_of(test, server, 4), *buf;

	KUNIT_ASSERT_EQ(test, fault(a, one) | fault(b, two), 0);
	bo_unpopulate(a);
	bo_unpopulate(b);
	/* Drained, and the reaper was not there yet. */
	vm_destroy(two);
	buf = bo_new_of(test, server, 8);
	expect_reuse(test, 0, 8);
	return buf;
}

/*
 * Some of the pages it did not, because nobody held them, and then the client's own
 * VM saw them.
 */
static void admits_not_to_opened(struct kunit *test)
{
	struct test_mm *server = vmm_new(test), *one = vmm_new(test);
	struct test_bo *buf = bo_new_opened(test, server, one);

	KUNIT_EXPECT_TRUE(test, admits(buf, one));
	KUNIT_EXPECT_EQ(test, fault(buf, server), 0);
	bo_unpopulate(buf);
	buf = bo_new_of(test, server, 8);
	expect_reuse(test, 0, 16);
	KUNIT_EXPECT_FALSE(test, admits(buf, one));
	KUNIT_EXPECT_TRUE(test, admits(buf, server));
}

/* The same, but it saw all of them. */
static void admits_who_saw_opened(struct kunit *test)
{
	struct test_mm *server = vmm_new(test), *one = vmm_new(test);
	struct test_bo *buf = bo_new_opened(test, server, one);

	KUNIT_EXPECT_EQ(test, fault(buf, one), 0);
	bo_unpopulate(buf);
	buf = bo_new_of(test, server, 8);
	expect_reuse(test, 0, 16);
	KUNIT_EXPECT_TRUE(test, admits(buf, one));
}

static void admits_all_when_drained(struct kunit *test)
{
	struct test_mm *server = mm_new(test), *vmm = vmm_new(test);
	struct test_mm *stranger = mm_new(test);
	struct test_bo *buf;

	quarantined(test, server, vmm, 4);
	buf = bo_new_of(test, server, 4);
	KUNIT_EXPECT_FALSE(test, admits(buf, stranger));
	vm_destroy(vmm);
	KUNIT_EXPECT_EQ(test, fault(buf, stranger), 0);
	KUNIT_EXPECT_TRUE(test, admits(buf, stranger));
}

/* A child gets nothing of it copied, and is not recorded either. */
static void fork_keeps_child_out(struct kunit *test)
{
	struct test_mm *server = mm_new(test), *vmm = vmm_new(test);
	struct test_mm *child = mm_new(test);
	struct test_bo *buf;

	quarantined(test, server, vmm, 4);
	buf = bo_new_of(test, server, 4);
	KUNIT_EXPECT_EQ(test, fault(buf, server), 0);
	fork_to(buf, child);
	KUNIT_EXPECT_EQ(test, mm_grabs(child), 0);
}

/* A record has room for four, and nothing is allocated for more. */
static void reuse_of_too_many_holders(struct kunit *test)
{
	struct test_mm *server = mm_new(test);
	struct test_bo *buf = bo_new_of(test, server, 4);
	struct test_mm *vmm;
	int i;

	for (i = 0; i < TTM_PFNMAP_INLINE_LINKS + 1; i++) {
		vmm = vmm_new(test);
		KUNIT_ASSERT_EQ(test, fault(buf, vmm), 0);
	}
	bo_unpopulate(buf);
	expect_reuse(test, 4, 0);
	bo_new_of(test, server, 4);
	expect_reuse(test, 4, 0);
	vm_destroy(vmm);
	bo_new_of(test, server, 4);
	expect_reuse(test, 0, 4);
}

static struct kunit_case reuse_cases[] = {
	KUNIT_CASE(reuse_same_client),
	KUNIT_CASE(reuse_nobody_else),
	KUNIT_CASE(reuse_lets_go_of_owner),
	KUNIT_CASE(reuse_other_dma32),
	KUNIT_CASE(reuse_splits),
	KUNIT_CASE(reuse_gathers),
	KUNIT_CASE(reuse_part),
	KUNIT_CASE(reuse_part_unexposed),
	KUNIT_CASE(reuse_drained_meanwhile),
	KUNIT_CASE(reuse_and_no_more),
	KUNIT_CASE(reuse_part_and_no_room),
	KUNIT_CASE(reuse_part_pinned_and_no_room),
	KUNIT_CASE(reuse_all_and_no_room),
	KUNIT_CASE(reuse_nothing_held),
	KUNIT_CASE(reuse_nothing_tampered),
	KUNIT_CASE(reuse_nothing_held_and_no_room),
	KUNIT_CASE(admits_the_client),
	KUNIT_CASE(admits_nobody_of_two),
	KUNIT_CASE(admits_again),
	KUNIT_CASE(admits_not_again),
	KUNIT_CASE(admits_not_to_opened),
	KUNIT_CASE(admits_who_saw_opened),
	KUNIT_CASE(admits_all_when_drained),
	KUNIT_CASE(fork_keeps_child_out),
	KUNIT_CASE(reuse_of_too_many_holders),
	{}
};

/* Off by default. */
static int reuse_suite_init(struct kunit_suite *suite)
{
	ttm_pfnmap_reuse_on = true;
	return suite_init(suite);
}

static void reuse_suite_exit(struct kunit_suite *suite)
{
	suite_exit(suite);
	ttm_pfnmap_reuse_on = false;
}

static struct kunit_suite reuse_suite = {
	.name = "ttm_pfnmap_reuse",
	.suite_init = reuse_suite_init,
	.suite_exit = reuse_suite_exit,
	.init = opted_in_init,
	.exit = device_exit,
	.test_cases = reuse_cases,
};

kunit_test_suite(reuse_suite);

MODULE_DESCRIPTION("KUnit suite of TTM's PFNMAP mode: reuse");
MODULE_LICENSE("GPL");
