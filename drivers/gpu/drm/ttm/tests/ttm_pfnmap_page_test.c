// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of ttm_pfnmap_page.c: marking is complete, exactly reversible, and
 * refused without a trace where a page is not as it should be.
 */
#include "ttm_pfnmap_kunit.h"

#define MARK_ORDER 4
#define MARK_PAGES 16U

static const unsigned int positions[] = { 0, 1, 7, MARK_PAGES - 1 };

/* A parameter is the number of a (tampering, position, policy), from 1. */
static const void *tampered_gen_params(const void *prev, char *desc)
{
	unsigned long n = (unsigned long)prev;
	unsigned long pair = n / ARRAY_SIZE(policies);

	if (pair >= NR_TAMPERINGS * ARRAY_SIZE(positions))
		return NULL;
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, page %u of %u, %s",
		 tamperings[pair / ARRAY_SIZE(positions)],
		 positions[pair % ARRAY_SIZE(positions)], MARK_PAGES,
		 policies[n % ARRAY_SIZE(policies)]->name);
	return (void *)(n + 1);
}

/* Those that a page must not have before it is marked: HAS_MAPPING is last. */
static const void *unfit_gen_params(const void *prev, char *desc)
{
	const unsigned long end =
		HAS_MAPPING * ARRAY_SIZE(positions) * ARRAY_SIZE(policies);

	static_assert(HAS_MAPPING == NR_TAMPERINGS - 1);
	return (unsigned long)prev < end ? tampered_gen_params(prev, desc) :
					   NULL;
}

static enum tampering tampered_how(const struct kunit *test)
{
	return ((unsigned long)test->param_value - 1) / ARRAY_SIZE(policies) /
	       ARRAY_SIZE(positions);
}

static unsigned int tampered_page(const struct kunit *test)
{
	return positions[((unsigned long)test->param_value - 1) /
			 ARRAY_SIZE(policies) % ARRAY_SIZE(positions)];
}

/* A parameter is the number of an (order, policy), from 1. */
static const void *order_gen_params(const void *prev, char *desc)
{
	unsigned long n = (unsigned long)prev;

	if (n / ARRAY_SIZE(policies) > 9)
		return NULL;
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "order %lu, %s",
		 n / ARRAY_SIZE(policies),
		 policies[n % ARRAY_SIZE(policies)]->name);
	return (void *)(n + 1);
}

static unsigned int param_order(const struct kunit *test)
{
	return ((unsigned long)test->param_value - 1) / ARRAY_SIZE(policies);
}

/* A parameter is the number of a policy, from 1. */
static const void *policy_gen_params(const void *prev, char *desc)
{
	unsigned long n = (unsigned long)prev;

	if (n >= ARRAY_SIZE(policies))
		return NULL;
	strscpy(desc, policies[n]->name, KUNIT_PARAM_DESC_SIZE);
	return (void *)(n + 1);
}

/* The policy is the last part of every kind of parameter. */
static const struct ttm_pfnmap_policy *param_policy(const struct kunit *test)
{
	return policies[((unsigned long)test->param_value - 1) %
			ARRAY_SIZE(policies)];
}

static struct page *alloc_chunk(struct kunit *test, unsigned int order)
{
	struct page *head = alloc_pages(GFP_KERNEL, order);

	KUNIT_ASSERT_NOT_NULL(test, head);
	return head;
}

/* As the mode does it. */
static int try_mark(const struct ttm_pfnmap_policy *policy, struct page *head,
		    unsigned int order)
{
	int ret = ttm_pfnmap_chunk_fresh(head, order);

	if (!ret)
		policy->mark(head, order);
	return ret;
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
	const struct ttm_pfnmap_policy *policy = param_policy(test);
	unsigned int order = param_order(test);
	struct page *head = alloc_chunk(test, order);

	KUNIT_EXPECT_EQ(test, try_mark(policy, head, order), 0);
	KUNIT_EXPECT_EQ(test, count_marked(policy, head, 1UL << order),
			1UL << order);
	KUNIT_EXPECT_EQ(test, policy->unmark(head, order), 0);
	free_chunk(test, head, order);
}

static void unmark_restores_every_page(struct kunit *test)
{
	const struct ttm_pfnmap_policy *policy = param_policy(test);
	unsigned int order = param_order(test);
	unsigned long nr = 1UL << order;
	struct page *head = alloc_chunk(test, order);
	struct page *saved = save_pages(test, head, nr);

	KUNIT_EXPECT_EQ(test, try_mark(policy, head, order), 0);
	KUNIT_EXPECT_EQ(test, policy->unmark(head, order), 0);
	KUNIT_EXPECT_EQ(test, count_plain(head, nr), nr);
	expect_unchanged(test, head, saved, nr);
	free_chunk(test, head, order);
}

static void mark_refuses_used_page(struct kunit *test)
{
	const struct ttm_pfnmap_policy *policy = param_policy(test);
	enum tampering how = tampered_how(test);
	struct page *head = alloc_chunk(test, MARK_ORDER);
	struct page *page = head + tampered_page(test);
	struct page *saved;

	tamper(page, how);
	saved = save_pages(test, head, MARK_PAGES);
	/* Only the first page has a count that others can add to. */
	KUNIT_EXPECT_EQ(test, try_mark(policy, head, MARK_ORDER),
			how == COUNT_UP && page == head ? -EBUSY : -EUCLEAN);
	expect_unchanged(test, head, saved, MARK_PAGES);

	repair(page, how);
	KUNIT_EXPECT_EQ(test, try_mark(policy, head, MARK_ORDER), 0);
	KUNIT_EXPECT_EQ(test, policy->unmark(head, MARK_ORDER), 0);
	free_chunk(test, head, MARK_ORDER);
}

/* A reference may pass; what else is wrong does not. */
static void mark_prefers_the_worse(struct kunit *test)
{
	const struct ttm_pfnmap_policy *policy = param_policy(test);
	enum tampering how = tampered_how(test);
	struct page *head = alloc_chunk(test, MARK_ORDER);
	struct page *page = head + tampered_page(test);

	tamper(page, how);
	tamper(head, COUNT_UP);
	/* The first page's count alone: nothing worse, or nothing at all. */
	if (page != head || (how != COUNT_UP && how != COUNT_DOWN))
		KUNIT_EXPECT_EQ(test, try_mark(policy, head, MARK_ORDER),
				-EUCLEAN);
	repair(page, how);
	KUNIT_EXPECT_EQ(test, try_mark(policy, head, MARK_ORDER), -EBUSY);
	repair(head, COUNT_UP);
	KUNIT_EXPECT_EQ(test, try_mark(policy, head, MARK_ORDER), 0);
	KUNIT_EXPECT_EQ(test, policy->unmark(head, MARK_ORDER), 0);
	free_chunk(test, head, MARK_ORDER);
}

/* Drivers point it at their own address space, and clear it in time. */
static void mark_ignores_mapping(struct kunit *test)
{
	const struct ttm_pfnmap_policy *policy = param_policy(test);
	struct page *head = alloc_chunk(test, MARK_ORDER);
	int i;

	for (i = 0; i < MARK_PAGES; i++)
		tamper(head + i, HAS_MAPPING);
	KUNIT_EXPECT_EQ(test, try_mark(policy, head, MARK_ORDER), 0);
	KUNIT_EXPECT_EQ(test, count_marked(policy, head, MARK_PAGES),
			MARK_PAGES);
	for (i = 0; i < MARK_PAGES; i++) {
		KUNIT_EXPECT_EQ(test, policy->unmark(head, MARK_ORDER),
				-EUCLEAN);
		KUNIT_EXPECT_PTR_EQ(test, (void *)head[i].mapping,
				    (void *)(head + i));
		repair(head + i, HAS_MAPPING);
	}
	KUNIT_EXPECT_EQ(test, policy->unmark(head, MARK_ORDER), 0);
	free_chunk(test, head, MARK_ORDER);
}

static void mark_refuses_compound_page(struct kunit *test)
{
	const struct ttm_pfnmap_policy *policy = param_policy(test);
	struct page *head = alloc_pages(GFP_KERNEL | __GFP_COMP, MARK_ORDER);
	struct page *saved;

	KUNIT_ASSERT_NOT_NULL(test, head);
	saved = save_pages(test, head, MARK_PAGES);
	KUNIT_EXPECT_EQ(test, try_mark(policy, head, MARK_ORDER), -EUCLEAN);
	expect_unchanged(test, head, saved, MARK_PAGES);
	free_chunk(test, head, MARK_ORDER);
}

static void mark_refuses_marked_chunk(struct kunit *test)
{
	const struct ttm_pfnmap_policy *policy = param_policy(test);
	struct page *head = alloc_chunk(test, MARK_ORDER);

	KUNIT_EXPECT_EQ(test, try_mark(policy, head, MARK_ORDER), 0);
	KUNIT_EXPECT_EQ(test, try_mark(policy, head, MARK_ORDER), -EUCLEAN);
	KUNIT_EXPECT_EQ(test, count_marked(policy, head, MARK_PAGES),
			MARK_PAGES);
	KUNIT_EXPECT_EQ(test, policy->unmark(head, MARK_ORDER), 0);
	KUNIT_EXPECT_EQ(test, policy->unmark(head, MARK_ORDER), -EUCLEAN);
	free_chunk(test, head, MARK_ORDER);
}

/* A set keeps the policy that it was marked under; it must matter. */
static void policies_do_not_mix(struct kunit *test)
{
	const struct ttm_pfnmap_policy *policy = param_policy(test);
	const struct ttm_pfnmap_policy *other = policies[policy == policies[0]];
	struct page *head = alloc_chunk(test, MARK_ORDER);
	struct page *saved;

	KUNIT_EXPECT_EQ(test, try_mark(policy, head, MARK_ORDER), 0);
	saved = save_pages(test, head, MARK_PAGES);
	KUNIT_EXPECT_EQ(test, try_mark(other, head, MARK_ORDER), -EUCLEAN);
	KUNIT_EXPECT_EQ(test, other->unmark(head, MARK_ORDER), -EUCLEAN);
	expect_unchanged(test, head, saved, MARK_PAGES);
	KUNIT_EXPECT_EQ(test, policy->unmark(head, MARK_ORDER), 0);
	free_chunk(test, head, MARK_ORDER);
}

static void unmark_refuses_changed_page(struct kunit *test)
{
	const struct ttm_pfnmap_policy *policy = param_policy(test);
	enum tampering how = tampered_how(test);
	struct page *head = alloc_chunk(test, MARK_ORDER);
	struct page *page = head + tampered_page(test);
	struct page *saved;

	KUNIT_EXPECT_EQ(test, try_mark(policy, head, MARK_ORDER), 0);
	tamper(page, how);
	saved = save_pages(test, head, MARK_PAGES);
	KUNIT_EXPECT_EQ(test, policy->unmark(head, MARK_ORDER),
			how == COUNT_UP ? -EBUSY : -EUCLEAN);
	expect_unchanged(test, head, saved, MARK_PAGES);

	repair(page, how);
	KUNIT_EXPECT_EQ(test, policy->unmark(head, MARK_ORDER), 0);
	free_chunk(test, head, MARK_ORDER);
}

/* Waiting for the holder would not make the other page better. */
static void unmark_prefers_the_worse(struct kunit *test)
{
	const struct ttm_pfnmap_policy *policy = param_policy(test);
	enum tampering how = tampered_how(test);
	struct page *head, *page, *held;

	head = alloc_chunk(test, MARK_ORDER);
	page = head + tampered_page(test);
	held = head + (tampered_page(test) ? 0 : 1);
	KUNIT_EXPECT_EQ(test, try_mark(policy, head, MARK_ORDER), 0);
	tamper(page, how);
	tamper(held, COUNT_UP);
	KUNIT_EXPECT_EQ(test, policy->unmark(head, MARK_ORDER),
			how == COUNT_UP ? -EBUSY : -EUCLEAN);
	repair(page, how);
	KUNIT_EXPECT_EQ(test, policy->unmark(head, MARK_ORDER), -EBUSY);
	repair(held, COUNT_UP);
	KUNIT_EXPECT_EQ(test, policy->unmark(head, MARK_ORDER), 0);
	free_chunk(test, head, MARK_ORDER);
}

static struct kunit_case mark_cases[] = {
	KUNIT_CASE_PARAM(mark_marks_every_page, order_gen_params),
	KUNIT_CASE_PARAM(unmark_restores_every_page, order_gen_params),
	KUNIT_CASE_PARAM(mark_refuses_used_page, unfit_gen_params),
	KUNIT_CASE_PARAM(mark_prefers_the_worse, unfit_gen_params),
	KUNIT_CASE_PARAM(mark_ignores_mapping, policy_gen_params),
	KUNIT_CASE_PARAM(mark_refuses_compound_page, policy_gen_params),
	KUNIT_CASE_PARAM(mark_refuses_marked_chunk, policy_gen_params),
	KUNIT_CASE_PARAM(policies_do_not_mix, policy_gen_params),
	KUNIT_CASE_PARAM(unmark_refuses_changed_page, tampered_gen_params),
	KUNIT_CASE_PARAM(unmark_prefers_the_worse, tampered_gen_params),
	{}
};

static struct kunit_suite mark_suite = {
	.name = "ttm_pfnmap_mark",
	.test_cases = mark_cases,
};

kunit_test_suite(mark_suite);

MODULE_DESCRIPTION("KUnit suite of TTM's PFNMAP mode: marks");
MODULE_LICENSE("GPL");
