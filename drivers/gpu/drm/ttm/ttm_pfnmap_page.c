// SPDX-License-Identifier: GPL-2.0-only
/*
 * TTM's PFNMAP mode: the only file that writes page flags and counts.
 *
 * A chunk is what TTM got from the page allocator in one piece: 1 << order
 * pages, not compound, with a count of 1 on the first page and 0 on the others.
 */
#include <linux/mm.h>
#include <linux/page_ref.h>

#ifdef CONFIG_X86
#include <asm/set_memory.h>
#endif

#include "ttm_pfnmap_internal.h"

/*
 * Does nobody but TTM, its driver and us use this page for anything? (A driver
 * may point page->mapping at its own address space while the BO has the page;
 * amdgpu does.)
 */
static bool ttm_pfnmap_page_plain(struct page *page)
{
	return atomic_read(&page->_mapcount) == -1 && !PageLRU(page) &&
	       !PageSlab(page) && !PageHWPoison(page);
}

/**
 * ttm_pfnmap_chunk_fresh - can a chunk be marked?
 * @head: first page of the chunk
 * @order: the chunk has 1 << @order pages
 *
 * The first page alone has a count that others can add to. Those who do so by
 * chance (a look at a page that was somebody else's a moment ago, a walk through
 * all of memory) soon drop it again.
 *
 * Context: Any. The caller owns the chunk and no PTE to it exists yet.
 * Return: 0 if every page is as the page allocator left it, -EBUSY if all that
 * is wrong is that somebody else has a reference too, else -EUCLEAN.
 */
int ttm_pfnmap_chunk_fresh(struct page *head, unsigned int order)
{
	unsigned long i, nr = 1UL << order;

	for (i = 0; i < nr; i++) {
		struct page *page = head + i;
		int count = page_ref_count(page);

		if (i ? count : count < 1)
			return -EUCLEAN;
		if (PageReserved(page) || PageCompound(page) ||
		    !ttm_pfnmap_page_plain(page))
			return -EUCLEAN;
	}
	return page_ref_count(head) == 1 ? 0 : -EBUSY;
}

static void ttm_pfnmap_set_marks(struct page *head, unsigned long nr,
				 bool reserve)
{
	unsigned long i;

	for (i = 0; i < nr; i++) {
		if (i)
			set_page_count(head + i, 1);
		if (reserve)
			SetPageReserved(head + i);
	}
}

/* Is a marked page as it was left, but for references? */
static bool ttm_pfnmap_page_left(struct page *page, bool reserved)
{
	return page_ref_count(page) >= 1 && !page->mapping &&
	       !!PageReserved(page) == reserved && ttm_pfnmap_page_plain(page);
}

/* Verify every page of a chunk, then undo its marks. */
static int ttm_pfnmap_unmark(struct page *head, unsigned int order,
			     bool reserved)
{
	unsigned long i, nr = 1UL << order;
	bool held = false;

	for (i = 0; i < nr; i++) {
		struct page *page = head + i;

		if (!ttm_pfnmap_page_left(page, reserved))
			return -EUCLEAN;
		held |= page_ref_count(page) > 1;
	}
	if (held)
		return -EBUSY;

	for (i = 0; i < nr; i++) {
		/* To 0 from 1 alone, so that no racing reference is lost. */
		if (i && !page_ref_freeze(head + i, 1)) {
			ttm_pfnmap_set_marks(head, i, reserved);
			return -EBUSY;
		}
		if (reserved)
			ClearPageReserved(head + i);
	}
	return 0;
}

/**
 * ttm_pfnmap_reserved_mark - mark a chunk under the policy "reserved"
 * @head: first page of the chunk
 * @order: the chunk has 1 << @order pages
 *
 * PG_reserved makes kvm_pfn_to_refcounted_page() answer NULL, so that KVM maps
 * the page and leaves its count alone. The count must be 1 all the same: KVM
 * asks kvm_is_zone_device_page() about every reserved page, and that WARNs when
 * it sees a count of 0 (virt/kvm/kvm_main.c in 6.1 and 6.12).
 *
 * The flag is set atomically, because other bits of the same word (the memory
 * type of the page on x86) may change at the same time.
 *
 * Cannot fail, so that a BO is marked as a whole: a page whose count is 0 gives
 * nobody else a reference, and the first one's count is left alone.
 *
 * Context: Any. The chunk is fresh, the caller owns it and no PTE to it exists.
 */
void ttm_pfnmap_reserved_mark(struct page *head, unsigned int order)
{
	ttm_pfnmap_set_marks(head, 1UL << order, true);
}

/**
 * ttm_pfnmap_reserved_unmark - undo ttm_pfnmap_reserved_mark()
 * @head: first page of the chunk
 * @order: the chunk has 1 << @order pages
 *
 * Verifies every page before the first one is changed. Nobody keeps a reference
 * to a reserved page, so a page that does not look as it was left was used by
 * somebody whom the mode knows nothing of, and must never reach the page
 * allocator. (Those who look through all of memory, to take a block offline for
 * example, may have one for a moment.)
 *
 * Context: Any. The chunk is drained: nobody else can hold a PFN of it.
 * Return: 0, -EBUSY if a page has a reference too many, or -EUCLEAN if a page
 * is not as it was left.
 */
int ttm_pfnmap_reserved_unmark(struct page *head, unsigned int order)
{
	return ttm_pfnmap_unmark(head, order, true);
}

/**
 * ttm_pfnmap_reserved_intact - could a chunk be unmarked, as far as its pages go?
 * @head: first page of a chunk that is marked under the policy "reserved"
 * @order: the chunk has 1 << @order pages
 *
 * Changes nothing, and does not ask who may hold a PFN.
 *
 * Context: Any. The caller owns the chunk.
 * Return: true if every page is as it was left, with TTM's reference alone.
 */
bool ttm_pfnmap_reserved_intact(struct page *head, unsigned int order)
{
	unsigned long i;

	for (i = 0; i < 1UL << order; i++)
		if (page_ref_count(head + i) != 1 ||
		    !ttm_pfnmap_page_left(head + i, true))
			return false;
	return true;
}

/**
 * ttm_pfnmap_counted_mark - mark a chunk under the policy "counted"
 * @head: first page of the chunk
 * @order: the chunk has 1 << @order pages
 *
 * Every page gets a count of its own, so that KVM can take and drop references
 * like those of any other page.
 *
 * Cannot fail, so that a BO is marked as a whole: a page whose count is 0 gives
 * nobody else a reference, and the first one's count is left alone.
 *
 * Context: Any. The chunk is fresh, the caller owns it and no PTE to it exists.
 */
void ttm_pfnmap_counted_mark(struct page *head, unsigned int order)
{
	ttm_pfnmap_set_marks(head, 1UL << order, false);
}

/**
 * ttm_pfnmap_counted_unmark - undo ttm_pfnmap_counted_mark()
 * @head: first page of the chunk
 * @order: the chunk has 1 << @order pages
 *
 * No PTE is left, and KVM takes a reference under the page table lock that it
 * reads the PTE under, so that no new one can come: a chunk whose counts are
 * all 1 is held by nobody but TTM. A flag that KVM sets on pages it wrote to
 * (PG_dirty, PG_referenced) is of no concern to the page allocator.
 *
 * Context: Any. No PTE to the chunk exists.
 * Return: 0, -EBUSY if a page is held, or -EUCLEAN if one lost TTM's reference.
 */
int ttm_pfnmap_counted_unmark(struct page *head, unsigned int order)
{
	return ttm_pfnmap_unmark(head, order, false);
}

#if TTM_PFNMAP_NAIVE
/* What not to do: the mark alone, taken off whenever the BO is done with it. */
void ttm_pfnmap_naive_mark(struct page *head, unsigned int order)
{
	unsigned long i;

	for (i = 0; i < 1UL << order; i++)
		SetPageReserved(head + i);
}

int ttm_pfnmap_naive_unmark(struct page *head, unsigned int order)
{
	unsigned long i;

	for (i = 0; i < 1UL << order; i++)
		ClearPageReserved(head + i);
	return 0;
}
#endif

/**
 * ttm_pfnmap_split_chunk - make two chunks of one
 * @head: first page of a marked chunk
 * @order: of each half; the chunk has 2 << @order pages
 *
 * The page allocator takes a block back in parts if the first page of each part
 * has a reference, and a marked page has.
 *
 * Context: Any. The caller owns the chunk.
 */
void ttm_pfnmap_split_chunk(struct page *head, unsigned int order)
{
	set_page_private(head, order);
	set_page_private(head + (1UL << order), order);
}

/**
 * ttm_pfnmap_free_chunk - give an unmarked chunk back to the page allocator
 * @head: first page of the chunk
 * @order: the chunk has 1 << @order pages
 * @caching: the caching TTM gave it; ordinary write-back is restored first
 *
 * Context: May sleep (a caching change flushes TLBs on every CPU).
 */
void ttm_pfnmap_free_chunk(struct page *head, unsigned int order,
			   enum ttm_caching caching)
{
#ifdef CONFIG_X86
	if (caching != ttm_cached)
		set_pages_wb(head, 1 << order);
#endif
	/* In the middle of what was one block nobody else clears it. */
	set_page_private(head, 0);
	__free_pages(head, order);
}
