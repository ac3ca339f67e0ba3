// SPDX-License-Identifier: GPL-2.0-only
/*
 * TTM's PFNMAP mode: quarantined chunks for the client they came from (I5).
 *
 * A virtual machine that frees BOs and makes new ones would otherwise keep every
 * page that it ever saw, up to the bound. Where the administrator allows it, a
 * chunk in quarantine stays marked and goes, before any other memory, to the next
 * BO that the same client makes. It must not become visible to anybody else, so
 * such a BO gets fresh pages before it is exposed to another address space.
 *
 * The client is the address space in which a BO is made by its user. BOs of a
 * driver's own, those that come back from VRAM, and those whose pages were taken
 * while somebody could hold them have none and have no part in it. What a set
 * reuses comes first in its ttm_tt, and the address spaces that may hold it are
 * its own from then on.
 *
 * Off by default, since address spaces are coarse: a guest with nested guests may
 * hold a page of a BO that its VMM made for it, and then reach whatever the VMM
 * puts into its next one, its own GPU commands for example.
 */
#define pr_fmt(fmt) "[TTM pfnmap] " fmt

#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/module.h>

#include <drm/ttm/ttm_device.h>
#include <drm/ttm/ttm_placement.h>
#include <drm/ttm/ttm_pool.h>
#include <drm/ttm/ttm_tt.h>

#include "ttm_pfnmap_internal.h"

bool ttm_pfnmap_reuse_on;
module_param_named(pfnmap_reuse, ttm_pfnmap_reuse_on, bool, 0644);
MODULE_PARM_DESC(
	pfnmap_reuse,
	"Give pages in quarantine to new BOs of the process they come from, which must trust its guests (default N)");

/* BOs that are being made; each entry is on the stack of who makes one. */
struct ttm_pfnmap_making {
	struct list_head node;
	const struct ttm_buffer_object *bo;
};

static LIST_HEAD(ttm_pfnmap_made);
static DEFINE_SPINLOCK(ttm_pfnmap_made_lock);

/**
 * __ttm_pfnmap_bo_create - the first placement of a new BO
 * @bo: the BO, which nobody else can reach yet
 * @placement: as for ttm_bo_validate()
 * @ctx: as for ttm_bo_validate()
 *
 * A BO gets a ttm_tt at many times and in many processes, that of an evictor
 * for example. The first one, made here, is of the process that wants the BO.
 *
 * Context: May sleep. @bo is reserved.
 * Return: what ttm_bo_validate() returns.
 */
int __ttm_pfnmap_bo_create(struct ttm_buffer_object *bo,
			   struct ttm_placement *placement,
			   struct ttm_operation_ctx *ctx)
{
	struct ttm_pfnmap_making making = { .bo = bo };
	int ret;

	/* Drivers put what must be out of reach into BOs of the other types. */
	if (!ttm_pfnmap_reuse_on || bo->type != ttm_bo_type_device)
		return ttm_bo_validate(bo, placement, ctx);

	spin_lock(&ttm_pfnmap_made_lock);
	list_add(&making.node, &ttm_pfnmap_made);
	spin_unlock(&ttm_pfnmap_made_lock);
	ret = ttm_bo_validate(bo, placement, ctx);
	spin_lock(&ttm_pfnmap_made_lock);
	list_del(&making.node);
	spin_unlock(&ttm_pfnmap_made_lock);
	return ret;
}

/**
 * __ttm_pfnmap_tt_created - a BO got a ttm_tt
 * @bo: the BO; its ttm_tt is not populated yet
 *
 * Context: May sleep. @bo is reserved.
 */
void __ttm_pfnmap_tt_created(struct ttm_buffer_object *bo)
{
	const struct ttm_pfnmap_making *making;
	bool made = false;

	spin_lock(&ttm_pfnmap_made_lock);
	list_for_each_entry(making, &ttm_pfnmap_made, node)
		made |= making->bo == bo;
	spin_unlock(&ttm_pfnmap_made_lock);
	/* Without memory for it the BO has no part in reuse. */
	if (made)
		ttm_pfnmap_set_owner(bo->bdev, bo->ttm);
}

/*
 * Held while chunks are taken from sets on offer: the sets stay, and so do their
 * chunks. Nothing that waits is allocated under it: dma_map_page() may need an IOVA.
 */
static DEFINE_MUTEX(ttm_pfnmap_reuse_lock);

/**
 * ttm_pfnmap_reuse_offer - a set in quarantine may be reused by its client
 * @set: the set, just put into the quarantine
 *
 * Not under "counted", where KVM's references come and go with the pages. Nor if it
 * is drained: it is here because somebody whom the mode knows nothing of has a
 * reference to a page, and would share that with whoever gets it.
 *
 * Context: Under ttm_pfnmap_lock.
 */
void ttm_pfnmap_reuse_offer(struct ttm_pfnmap_set *set)
{
	lockdep_assert_held(&ttm_pfnmap_lock);
	if (!set->owner || !set->policy->bounded || list_empty(&set->links))
		return;
	list_add_tail(&set->owned, &set->owner->owned);
	set->owner->reusable += set->kept;
}

/**
 * ttm_pfnmap_reuse_withdraw - a set in quarantine is about to be freed
 * @set: the set; once this returns, its chunks are the caller's alone
 *
 * Context: May sleep.
 */
void ttm_pfnmap_reuse_withdraw(struct ttm_pfnmap_set *set)
{
	mutex_lock(&ttm_pfnmap_reuse_lock);
	spin_lock(&ttm_pfnmap_lock);
	if (!list_empty(&set->owned)) {
		list_del_init(&set->owned);
		set->owner->reusable -= set->kept;
	}
	spin_unlock(&ttm_pfnmap_lock);
	mutex_unlock(&ttm_pfnmap_reuse_lock);
}

/* The set on offer after @src, or the first one. */
static struct ttm_pfnmap_set *ttm_pfnmap_offer_next(struct ttm_pfnmap_mm *owner,
						    struct ttm_pfnmap_set *src)
{
	struct list_head *next;

	lockdep_assert_held(&ttm_pfnmap_reuse_lock);
	spin_lock(&ttm_pfnmap_lock);
	next = src ? src->owned.next : owner->owned.next;
	spin_unlock(&ttm_pfnmap_lock);
	return next == &owner->owned ?
		       NULL :
		       list_entry(next, struct ttm_pfnmap_set, owned);
}

static struct ttm_pfnmap_link *
ttm_pfnmap_link_find(const struct ttm_pfnmap_set *set,
		     const struct mm_struct *mm)
{
	struct ttm_pfnmap_link *link;

	list_for_each_entry(link, &set->links, node)
		if (link->entry->mm == mm)
			return link;
	return NULL;
}

/*
 * Were all pages of @set exposed to @link's address space, by it or before? Pages that
 * were open to all when @set got them need not have been; and those that @set was
 * exposed to since may hold them.
 */
static bool ttm_pfnmap_link_knows(const struct ttm_pfnmap_set *set,
				  const struct ttm_pfnmap_link *link)
{
	return link->exposed ||
	       (link->admitted && !set->opened && set->reused == set->marked);
}

/* Has @set room for the address spaces that may hold @src? */
static bool ttm_pfnmap_can_inherit(struct ttm_pfnmap_set *set,
				   const struct ttm_pfnmap_set *src)
{
	const struct ttm_pfnmap_link *link;
	unsigned int i, room = 0, need = 0;

	for (i = 0; i < ARRAY_SIZE(set->spare); i++)
		room += !set->spare[i].entry;
	list_for_each_entry(link, &src->links, node)
		need += !ttm_pfnmap_link_find(set, link->entry->mm);
	return need <= room;
}

/* Who may hold @src may hold @set; @first: and nobody else so far. */
static void ttm_pfnmap_inherit_link(struct ttm_pfnmap_set *set,
				    const struct ttm_pfnmap_set *src,
				    const struct ttm_pfnmap_link *from,
				    bool first)
{
	struct ttm_pfnmap_link *link;

	if (ttm_pfnmap_link_find(set, from->entry->mm))
		return;
	link = ttm_pfnmap_link_spare(set);
	link->entry = from->entry;
	link->entry->links++;
	link->exposed = false;
	link->inherited = true;
	link->admitted = first && ttm_pfnmap_link_knows(src, from);
	list_add(&link->node, &set->links);
}

/*
 * Whoever may hold @src may hold @set, which is not populated yet, from now on.
 * Admitted to @set is who knows all that it reuses: nobody who came with another
 * source alone, and of this one's only those that all of it was exposed to.
 */
static bool ttm_pfnmap_inherit(struct ttm_pfnmap_set *set,
			       struct ttm_pfnmap_set *src)
{
	const struct ttm_pfnmap_link *from;
	struct ttm_pfnmap_link *link;
	bool can, first;

	ttm_pfnmap_drop_drained(src);
	spin_lock(&ttm_pfnmap_lock);
	can = ttm_pfnmap_can_inherit(set, src);
	first = list_empty(&set->links);
	/* What nobody holds is open to all, for as long as @set has it. */
	if (list_empty(&src->links)) {
		set->opened = true;
	} else if (can) {
		list_for_each_entry(link, &set->links, node) {
			from = ttm_pfnmap_link_find(src, link->entry->mm);
			link->admitted &= from &&
					  ttm_pfnmap_link_knows(src, from);
		}
		list_for_each_entry(from, &src->links, node)
			ttm_pfnmap_inherit_link(set, src, from, first);
	}
	spin_unlock(&ttm_pfnmap_lock);
	return can;
}

/* Where the next page of a ttm_tt goes. */
struct ttm_pfnmap_cursor {
	struct ttm_pool *pool;
	pgoff_t num_pages;
	struct page **pages;
	dma_addr_t *dma_addr;
};

/* Put a chunk into a ttm_tt, as ttm_pool_alloc() does; false if it cannot be. */
static bool ttm_pfnmap_place(struct ttm_pfnmap_cursor *at, struct page *head,
			     unsigned int order)
{
	unsigned long i, nr = 1UL << order;
	dma_addr_t addr;

	if (at->dma_addr) {
		addr = dma_map_page(at->pool->dev, head, 0, PAGE_SIZE << order,
				    DMA_BIDIRECTIONAL);
		if (dma_mapping_error(at->pool->dev, addr))
			return false;
		for (i = 0; i < nr; i++)
			*at->dma_addr++ = addr + (i << PAGE_SHIFT);
	}
	for (i = 0; i < nr; i++)
		*at->pages++ = head + i;
	at->num_pages -= nr;
	return true;
}

/* @nr pages of @src, which is on offer, are @set's. */
static void ttm_pfnmap_count_reused(struct ttm_pfnmap_set *set,
				    struct ttm_pfnmap_set *src, long nr)
{
	spin_lock(&ttm_pfnmap_lock);
	src->owner->reusable -= nr;
	ttm_pfnmap_count_quarantined(src, -nr);
	/* The reaper frees what is left of it. */
	if (!src->kept)
		list_del_init(&src->owned);
	spin_unlock(&ttm_pfnmap_lock);
	atomic_long_add(nr, &set->dev->pages_reused);
	set->policy = src->policy;
	set->reused += nr;
	set->marked = set->reused;
}

/* Halve a chunk of @src until it is no larger than @room pages. */
static unsigned int ttm_pfnmap_halve(struct ttm_pfnmap_set *src,
				     struct page *head, pgoff_t room)
{
	unsigned int order = page_private(head);

	while (1UL << order > room) {
		order--;
		ttm_pfnmap_halve_chunk(src, head, order);
	}
	return order;
}

/*
 * Take what fits from @src; if @halve, also what fits in part. Not what is not as it was
 * left, for a memory error for example, or what somebody whom the mode knows nothing of
 * has a reference to (I2).
 */
static void ttm_pfnmap_reuse_set(struct ttm_pfnmap_set *set,
				 struct ttm_pfnmap_set *src,
				 struct ttm_pfnmap_cursor *at, bool halve)
{
	struct page *head, *next;
	bool inherited = false;
	unsigned int order;

	lockdep_assert_held(&ttm_pfnmap_reuse_lock);
	for (head = list_first_entry(&src->chunks, struct page, lru);
	     at->num_pages && &head->lru != &src->chunks; head = next) {
		order = page_private(head);
		next = list_next_entry(head, lru);
		if (!halve && 1UL << order > at->num_pages)
			continue;
		if (!ttm_pfnmap_reserved_intact(head, order))
			continue;
		if (halve)
			order = ttm_pfnmap_halve(src, head, at->num_pages);
		next = list_next_entry(head, lru);
		if (!inherited && !ttm_pfnmap_inherit(set, src))
			return;
		inherited = true;
		if (!ttm_pfnmap_place(at, head, order))
			return;
		list_del(&head->lru);
		ttm_pfnmap_count_reused(set, src, 1L << order);
		cond_resched();
	}
}

static bool ttm_pfnmap_suits(const struct ttm_pfnmap_set *src,
			     const struct ttm_pfnmap_set *set,
			     const struct ttm_pool *pool)
{
	return src->dev == set->dev && src->caching == set->tt->caching &&
	       src->dma32 == pool->use_dma32;
}

/* Has @src so many pages that can be had? */
static bool ttm_pfnmap_has_intact(const struct ttm_pfnmap_set *src, long wanted)
{
	struct page *head;

	if (src->kept < wanted)
		return false;
	list_for_each_entry(head, &src->chunks, lru) {
		if (wanted <= 0)
			break;
		if (ttm_pfnmap_reserved_intact(head, page_private(head)))
			wanted -= 1L << page_private(head);
		cond_resched();
	}
	return wanted <= 0;
}

/* The first set on offer that has all pages that are wanted. */
static struct ttm_pfnmap_set *
ttm_pfnmap_sufficient(struct ttm_pfnmap_set *set,
		      const struct ttm_pfnmap_cursor *at)
{
	struct ttm_pfnmap_set *src = NULL;

	while ((src = ttm_pfnmap_offer_next(set->owner, src)))
		if (ttm_pfnmap_suits(src, set, at->pool) &&
		    ttm_pfnmap_has_intact(src, at->num_pages))
			break;
	return src;
}

/* Chunks as they are first, so that large ones stay large. */
static void ttm_pfnmap_reuse_any(struct ttm_pfnmap_set *set,
				 struct ttm_pfnmap_cursor *at)
{
	struct ttm_pfnmap_set *src, *next;
	unsigned int halve;

	for (halve = 0; halve < 2; halve++) {
		src = ttm_pfnmap_offer_next(set->owner, NULL);
		for (; src && at->num_pages; src = next) {
			next = ttm_pfnmap_offer_next(set->owner, src);
			if (ttm_pfnmap_suits(src, set, at->pool))
				ttm_pfnmap_reuse_set(set, src, at, halve);
		}
	}
}

/*
 * While there is no room for so many more reserved pages, a BO gets all its pages
 * from one set or none: others would be reserved too.
 */
static void ttm_pfnmap_reuse_all(struct ttm_pfnmap_set *set,
				 struct ttm_pfnmap_cursor *at)
{
	struct ttm_pfnmap_set *src;

	mutex_lock(&ttm_pfnmap_reuse_lock);
	if (ttm_pfnmap_bound_reached(at->num_pages)) {
		src = ttm_pfnmap_sufficient(set, at);
		if (src)
			ttm_pfnmap_reuse_set(set, src, at, true);
	} else {
		ttm_pfnmap_reuse_any(set, at);
	}
	mutex_unlock(&ttm_pfnmap_reuse_lock);
}

/**
 * __ttm_pfnmap_reuse - give a ttm_tt what its owner has in quarantine
 * @pool: the pool that is filling it
 * @tt: the ttm_tt, not populated
 * @num_pages: how many pages are wanted; how many are still wanted
 * @pages: where the next page goes in @tt's vector
 * @dma_addr: where its DMA address goes, or points to NULL
 *
 * What is reused is cleared, and comes first in @tt. With or without any, what @tt
 * gets now is the pool's, and can be marked.
 *
 * Context: May sleep. The caller owns @tt.
 */
void __ttm_pfnmap_reuse(struct ttm_pool *pool, struct ttm_tt *tt,
			pgoff_t *num_pages, struct page ***pages,
			dma_addr_t **dma_addr)
{
	struct ttm_pfnmap_set *set = ttm_pfnmap_set_find(tt);
	struct ttm_pfnmap_cursor at = {
		.pool = pool,
		.num_pages = *num_pages,
		.pages = *pages,
		.dma_addr = *dma_addr,
	};
	pgoff_t i;

	if (!set)
		return;
	set->pooled = true;
	set->stock = false;
	set->opened = false;
	if (!ttm_pfnmap_reuse_on || set->fresh || !set->owner ||
	    pool->use_dma_alloc || !ttm_pfnmap_dev_marks(set->dev) ||
	    !READ_ONCE(set->owner->reusable))
		return;

	ttm_pfnmap_reuse_all(set, &at);
	for (i = 0; i < set->reused; i++) {
		clear_highpage(tt->pages[i]);
		cond_resched();
	}
	*num_pages = at.num_pages;
	*pages = at.pages;
	*dma_addr = at.dma_addr;
}

/**
 * ttm_pfnmap_set_admits - may an address space see a set's pages?
 * @set: the set of a populated BO
 * @mm: the address space
 *
 * Context: The BO is reserved.
 * Return: false if some of the pages are reused, and may be held by somebody
 * whom @mm never shared them with.
 */
bool ttm_pfnmap_set_admits(const struct ttm_pfnmap_set *set,
			   const struct mm_struct *mm)
{
	const struct ttm_pfnmap_link *link;
	bool held = false;

	if (!set->reused || set->owner->mm == mm)
		return true;
	list_for_each_entry(link, &set->links, node) {
		if (link->entry->mm == mm && (link->exposed || link->admitted))
			return true;
		held |= link->inherited;
	}
	return !held;
}

/**
 * ttm_pfnmap_back_afresh - give a BO pages that nobody can hold
 * @bo: the BO, with reused pages, about to be exposed to somebody new, or while
 *	there is no room for the rest of it to be reserved, too
 *
 * Its contents are kept, by way of a swapout: of all that TTM does, only that
 * takes a BO's pages without destroying it, for any driver.
 *
 * Context: In a page fault; may sleep, waits for the GPU. @bo is reserved.
 * Return: 0, or what the fault is to return.
 */
vm_fault_t ttm_pfnmap_back_afresh(struct ttm_buffer_object *bo)
{
	/* A signal would end the fault without a PTE, and KVM_RUN with -EFAULT. */
	struct ttm_operation_ctx ctx = { .interruptible = false };
	const struct ttm_place place = { .mem_type = TTM_PL_SYSTEM };
	struct ttm_placement placement = {
		.num_placement = 1,
		.placement = &place,
	};
	struct ttm_device *bdev = bo->bdev;
	struct ttm_pfnmap_set *set;
	int ret;

	if (bo->pin_count) {
		pr_warn_ratelimited(
			"a BO that is pinned cannot get fresh pages instead of reused ones; access to it is SIGBUS\n");
		return VM_FAULT_SIGBUS;
	}
	if (bo->resource->mem_type != TTM_PL_SYSTEM) {
		ret = ttm_bo_validate(bo, &placement, &ctx);
		if (ret)
			goto error;
	}
	ret = ttm_bo_wait_ctx(bo, &ctx);
	if (ret)
		goto error;
	ttm_bo_unmap_virtual(bo);
	if (bdev->funcs->swap_notify)
		bdev->funcs->swap_notify(bo);
	ret = ttm_tt_swapout(bdev, bo->ttm, GFP_KERNEL);
	if (ret < 0)
		goto error;

	/* It may be gone to the quarantine; populating would make another. */
	ret = __ttm_pfnmap_prepare(bdev, bo->ttm);
	if (ret)
		goto error;
	set = ttm_pfnmap_set_find(bo->ttm);
	set->fresh = true;
	ret = ttm_tt_populate(bdev, bo->ttm, &ctx);
	if (!ret)
		return 0;
error:
	if (ret == -EBUSY || ret == -EAGAIN)
		return VM_FAULT_NOPAGE; /* and it is tried again */
	return ret == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}
