// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of ttm_pfnmap_page.c: marking is complete, exactly reversible, and
 * refused without a trace where a page is not as it should be.
 */
#include "ttm_pfnmap_kunit.h"

#define MARK_ORDER 4
#define MARK_PAGES 16U

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

static struct page *save_pages(struct kunit *test, const struct page *head,
			       unsigned long nr)
{
	struct page *saved =
		kunit_kmalloc(test, nr * sizeof(*head), GFP_KERNEL);

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
		plain += page_ref_count(head + i) == !i &&
			 !PageReserved(head + i);
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
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_reserved_mark(head, MARK_ORDER),
			-EUCLEAN);
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
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_reserved_mark(head, MARK_ORDER),
			-EUCLEAN);
	expect_unchanged(test, head, saved, MARK_PAGES);
	free_chunk(test, head, MARK_ORDER);
}

static void mark_refuses_marked_chunk(struct kunit *test)
{
	struct page *head = alloc_chunk(test, MARK_ORDER);

	KUNIT_EXPECT_EQ(test, ttm_pfnmap_reserved_mark(head, MARK_ORDER), 0);
	KUNIT_EXPECT_EQ(test, ttm_pfnmap_reserved_mark(head, MARK_ORDER),
			-EUCLEAN);
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

kunit_test_suite(mark_suite);

MODULE_DESCRIPTION("KUnit suite of TTM's PFNMAP mode: marks");
MODULE_LICENSE("GPL");
