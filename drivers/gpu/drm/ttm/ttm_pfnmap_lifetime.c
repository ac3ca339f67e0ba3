// SPDX-License-Identifier: GPL-2.0-only
/*
 * TTM's PFNMAP mode: exposure, drained, quarantine, reaper.
 *
 * A set is the pages of one populated ttm_tt. Its record is made before the
 * pages are, so that giving them back allocates nothing:
 *
 *   prepare -> (fault, vm_open: expose and mark)* -> retire -> prepare ...
 *                                                      |
 *                                   not drained: quarantine -> freed
 *
 * Retiring looks once whether anybody could still hold a PFN of the set. It
 * never waits: a set that is not drained goes to the quarantine, where the
 * reaper looks again every REAP_PERIOD.
 */
#define pr_fmt(fmt) "[TTM pfnmap] " fmt

#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/hashtable.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/rhashtable.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include <drm/drm_drv.h>
#include <drm/drm_vma_manager.h>
#include <drm/ttm/ttm_pool.h>
#include <drm/ttm/ttm_tt.h>

#include "ttm_pfnmap_internal.h"

/* How often the reaper looks at the quarantine, in ms. */
#define REAP_PERIOD 200
/*
 * After so many looks a chunk that may be held for ever is halved where it is held: long
 * after references that pass are gone.
 */
#define LOOKS_BEFORE_HALVING 10
/* Every so many reaps idle CPUs are made to let go of a borrowed mm. */
#define REAPS_PER_KICK 5
/* A fault looks again whether another's reference to a new page is gone, in us. */
#define FRESH_PAUSE 1000
/* So often, for all pages of a BO together. */
#define FRESH_PAUSES 20

unsigned long ttm_pfnmap_quarantine_mb = 256;
module_param_named(pfnmap_quarantine_mb, ttm_pfnmap_quarantine_mb, ulong, 0644);
MODULE_PARM_DESC(
	pfnmap_quarantine_mb,
	"MiB of reserved pages in quarantine from which on BOs are counted instead (default 256)");

unsigned long ttm_pfnmap_reserved_mb;
module_param_named(pfnmap_reserved_mb, ttm_pfnmap_reserved_mb, ulong, 0644);
MODULE_PARM_DESC(
	pfnmap_reserved_mb,
	"MiB of reserved pages, in BOs or in quarantine; a BO that would make them more is counted instead (default 0: a quarter of the memory)");

/*
 * Pages under policies that are bounded, of all devices: in quarantine, and all, with
 * those that are about to be marked.
 */
static atomic_long_t ttm_pfnmap_bounded_pages;
static atomic_long_t ttm_pfnmap_bounded_marked;

DEFINE_SPINLOCK(ttm_pfnmap_lock);
static DEFINE_HASHTABLE(ttm_pfnmap_mms, 8);
static LIST_HEAD(ttm_pfnmap_quarantine);

static void ttm_pfnmap_reap(struct work_struct *work);
static DECLARE_DELAYED_WORK(ttm_pfnmap_reaper, ttm_pfnmap_reap);

/*
 * Sets by ttm_tt: struct ttm_tt is embedded by drivers and must not grow. A
 * lookup is done by somebody who keeps the ttm_tt alive, hence the set too.
 */
static struct rhashtable ttm_pfnmap_sets;
static const struct rhashtable_params ttm_pfnmap_sets_params = {
	.key_len = sizeof(struct ttm_tt *),
	.key_offset = offsetof(struct ttm_pfnmap_set, tt),
	.head_offset = offsetof(struct ttm_pfnmap_set, node),
	.automatic_shrinking = true,
};

/**
 * ttm_pfnmap_set_find - the record of a ttm_tt
 * @tt: the ttm_tt, which the caller keeps alive
 *
 * Context: Any.
 * Return: the set, or NULL if the mode has nothing to do with @tt.
 */
struct ttm_pfnmap_set *ttm_pfnmap_set_find(const struct ttm_tt *tt)
{
	return rhashtable_lookup_fast(&ttm_pfnmap_sets, &tt,
				      ttm_pfnmap_sets_params);
}

/* ---- Address spaces ---------------------------------------------------- */

/**
 * ttm_pfnmap_reserved_mm_drained - drained, for the policy "reserved"
 * @mm: an address space in the mm table, in which no PTE of the set is left
 *
 * Under "reserved" KVM holds no page reference that could be counted, so the
 * address space itself is asked instead:
 *
 * - KVM registers an MMU notifier before it can read a PTE, and
 *   mm_has_notifiers() stays true until the mm is freed. The PTEs were zapped
 *   before this is read, under the same page table locks that KVM reads them
 *   under. So without notifiers nobody has read a PFN through KVM, and nobody
 *   will. Others that look up PFNs without a notifier (VFIO) are kept out by
 *   refusing to opt in beside them.
 * - With notifiers: KVM takes an mm_count when a VM is created and drops it as
 *   the last step of destroying it, after every vCPU let go of its mappings,
 *   the long-lived kvm_vcpu_map() ones included. All users together hold one
 *   mm_count, the mm table holds one, and more than that is somebody else.
 *
 * mm_count is read first. The other way round mm_users could be read as 1, and
 * mm_count after the last user's reference went, so that KVM's would be taken
 * for the users'. In this order every race errs to "not drained".
 *
 * A kernel thread, or a task that is exiting, may run on a borrowed mm; where
 * borrowing is counted, the one of the task that asks is discounted. What that task
 * borrows may be another mm whenever it was preempted, and on PREEMPT_RT a spin lock
 * does not keep it from that.
 *
 * Context: Any; the mm table holds a reference on @mm.
 * Return: true if nobody can hold a PFN any more.
 */
bool ttm_pfnmap_reserved_mm_drained(struct mm_struct *mm)
{
	int count, users, own;

	if (!mm_has_notifiers(mm))
		return true;

	preempt_disable();
	count = atomic_read(&mm->mm_count);
	smp_rmb(); /* mm_count before mm_users, see above */
	users = atomic_read(&mm->mm_users) > 0;
	own = TTM_PFNMAP_LAZY_TLB_COUNTED && current->mm != mm &&
	      current->active_mm == mm;
	preempt_enable();
	return count <= 1 + users + own;
}

/**
 * ttm_pfnmap_counted_mm_drained - drained, for the policy "counted"
 * @mm: an address space in the mm table
 *
 * Whoever holds a page holds a reference to it, and the pages are asked when
 * they are unmarked. There is nothing to ask of an address space.
 *
 * Context: Any.
 * Return: true.
 */
bool ttm_pfnmap_counted_mm_drained(struct mm_struct *mm)
{
	return true;
}

static struct ttm_pfnmap_mm *ttm_pfnmap_mm_find(const struct mm_struct *mm)
{
	struct ttm_pfnmap_mm *entry;

	lockdep_assert_held(&ttm_pfnmap_lock);
	hash_for_each_possible(ttm_pfnmap_mms, entry, node, (unsigned long)mm)
		if (entry->mm == mm)
			return entry;
	return NULL;
}

/*
 * Get the table's entry for @mm, making one if there is none; NULL if there is
 * no memory for it. May sleep.
 */
static struct ttm_pfnmap_mm *ttm_pfnmap_mm_get(struct mm_struct *mm, gfp_t gfp)
{
	struct ttm_pfnmap_mm *entry, *fresh = NULL;

	spin_lock(&ttm_pfnmap_lock);
	entry = ttm_pfnmap_mm_find(mm);
	if (!entry) {
		spin_unlock(&ttm_pfnmap_lock);
		fresh = kzalloc(sizeof(*fresh), gfp);
		if (!fresh)
			return NULL;
		INIT_LIST_HEAD(&fresh->owned);
		spin_lock(&ttm_pfnmap_lock);
		entry = ttm_pfnmap_mm_find(mm);
	}
	if (!entry) {
		mmgrab(mm);
		fresh->mm = mm;
		hash_add(ttm_pfnmap_mms, &fresh->node, (unsigned long)mm);
		swap(entry, fresh);
	}
	entry->links++;
	spin_unlock(&ttm_pfnmap_lock);
	kfree(fresh);
	return entry;
}

/* Returns the mm to mmdrop() once the lock is dropped, or NULL. */
static struct mm_struct *ttm_pfnmap_mm_put(struct ttm_pfnmap_mm *entry)
{
	struct mm_struct *mm = entry->mm;

	lockdep_assert_held(&ttm_pfnmap_lock);
	if (--entry->links)
		return NULL;
	hash_del(&entry->node);
	kfree(entry);
	return mm;
}

static void ttm_pfnmap_mm_put_unlocked(struct ttm_pfnmap_mm *entry)
{
	struct mm_struct *mm;

	if (!entry)
		return;
	spin_lock(&ttm_pfnmap_lock);
	mm = ttm_pfnmap_mm_put(entry);
	spin_unlock(&ttm_pfnmap_lock);
	if (mm)
		mmdrop(mm);
}

/* ---- Sets -------------------------------------------------------------- */

static struct ttm_pfnmap_set *ttm_pfnmap_set_new(struct ttm_pfnmap_dev *dev,
						 struct ttm_tt *tt)
{
	struct ttm_pfnmap_set *set = kzalloc(sizeof(*set), GFP_KERNEL);

	if (!set)
		return NULL;
	set->tt = tt;
	set->dev = dev;
	INIT_LIST_HEAD(&set->owned);
	INIT_LIST_HEAD(&set->links);
	INIT_LIST_HEAD(&set->chunks);
	INIT_LIST_HEAD(&set->quarantine);
	kref_get(&dev->ref);
	return set;
}

static void ttm_pfnmap_set_free(struct ttm_pfnmap_set *set)
{
	ttm_pfnmap_mm_put_unlocked(set->owner);
	ttm_pfnmap_dev_put(set->dev);
	kfree_rcu(set, rcu);
}

static void ttm_pfnmap_link_free(struct ttm_pfnmap_set *set,
				 struct ttm_pfnmap_link *link)
{
	list_del(&link->node);
	link->entry = NULL;
	if (link < set->spare || link >= set->spare + ARRAY_SIZE(set->spare))
		kfree(link);
}

/* Drop the links that @which selects; true if none is left. May sleep. */
static bool ttm_pfnmap_drop_links(struct ttm_pfnmap_set *set,
				  bool (*which)(const struct ttm_pfnmap_set *,
						const struct ttm_pfnmap_link *))
{
	struct ttm_pfnmap_link *link, *next;
	struct mm_struct *drop;
	bool none;

	do {
		drop = NULL;
		spin_lock(&ttm_pfnmap_lock);
		list_for_each_entry_safe(link, next, &set->links, node) {
			if (!which(set, link))
				continue;
			drop = ttm_pfnmap_mm_put(link->entry);
			ttm_pfnmap_link_free(set, link);
			if (drop)
				break;
		}
		none = list_empty(&set->links);
		spin_unlock(&ttm_pfnmap_lock);
		/* May free page tables, so not under the lock. */
		if (drop)
			mmdrop(drop);
	} while (drop);
	return none;
}

/* With no PTE left in it. */
static bool ttm_pfnmap_link_drained(const struct ttm_pfnmap_set *set,
				    const struct ttm_pfnmap_link *link)
{
	return set->policy->mm_drained(link->entry->mm);
}

static bool ttm_pfnmap_link_any(const struct ttm_pfnmap_set *set,
				const struct ttm_pfnmap_link *link)
{
	return true;
}

/* Came with pages that were reused, and does not hold them any more. */
static bool ttm_pfnmap_link_past(const struct ttm_pfnmap_set *set,
				 const struct ttm_pfnmap_link *link)
{
	return !link->exposed && ttm_pfnmap_link_drained(set, link);
}

/**
 * ttm_pfnmap_drop_drained - forget who cannot hold a set's pages any more
 * @set: in quarantine
 *
 * Context: May sleep.
 */
void ttm_pfnmap_drop_drained(struct ttm_pfnmap_set *set)
{
	ttm_pfnmap_drop_links(set, ttm_pfnmap_link_drained);
}

/**
 * ttm_pfnmap_drop_past - forget who does not hold reused pages any more
 * @set: of a BO that is reserved
 *
 * Context: May sleep.
 */
void ttm_pfnmap_drop_past(struct ttm_pfnmap_set *set)
{
	ttm_pfnmap_drop_links(set, ttm_pfnmap_link_past);
}

/**
 * ttm_pfnmap_link_spare - a link that needs no allocation
 * @set: the set
 *
 * Context: Any. The BO is reserved, or nobody else knows the set.
 * Return: an unused link of @set, or NULL if all are in use.
 */
struct ttm_pfnmap_link *ttm_pfnmap_link_spare(struct ttm_pfnmap_set *set)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(set->spare); i++)
		if (!set->spare[i].entry)
			return &set->spare[i];
	return NULL;
}

/* Nobody runs in it, so no PTE of it can be read, and nobody has read one. */
static bool ttm_pfnmap_link_dead(const struct ttm_pfnmap_set *set,
				 const struct ttm_pfnmap_link *link)
{
	return !atomic_read(&link->entry->mm->mm_users) && set->policy &&
	       ttm_pfnmap_link_drained(set, link);
}

/* Record that @mm may hold PTEs of this set from now on (I3). */
static void ttm_pfnmap_set_expose(struct ttm_pfnmap_set *set,
				  struct mm_struct *mm)
{
	struct ttm_pfnmap_link *link;

	list_for_each_entry(link, &set->links, node) {
		if (link->entry->mm == mm) {
			link->exposed = true;
			return;
		}
	}

	/*
	 * Or a BO that outlives many processes would keep them all. Those that ended
	 * since somebody new came last it does keep, until the next one comes.
	 */
	ttm_pfnmap_drop_links(set, ttm_pfnmap_link_dead);
	/*
	 * Must not fail: in a fault or a fork, never in reclaim, and for less
	 * memory than the page tables that are made beside it.
	 */
	link = ttm_pfnmap_link_spare(set) ?:
		       kzalloc(sizeof(*link), GFP_KERNEL | __GFP_NOFAIL);
	link->entry = ttm_pfnmap_mm_get(mm, GFP_KERNEL | __GFP_NOFAIL);
	link->exposed = true;
	link->inherited = false;
	list_add(&link->node, &set->links);
}

/* ---- Chunks ------------------------------------------------------------ */

/*
 * The order of the chunk that starts at page @i, or -1 if what is there does
 * not look like a chunk of the TTM pool, which keeps the order in the first
 * page's private field.
 */
static int ttm_pfnmap_chunk_order(const struct ttm_tt *tt, pgoff_t i)
{
	struct page *head = tt->pages[i];
	unsigned long order, n;

	if (!head)
		return -1;
	order = page_private(head);
	if (order >= TTM_PFNMAP_ORDERS || i + (1UL << order) > tt->num_pages)
		return -1;
	for (n = 1; n < 1UL << order; n++)
		if (tt->pages[i + n] != head + n)
			return -1;
	return order;
}

/* A chunk was marked, or @sign is -1 and it was unmarked. */
static void ttm_pfnmap_count_marked(const struct ttm_pfnmap_set *set,
				    unsigned int order, int sign)
{
	atomic_long_add(sign, &set->dev->chunks_marked);
	atomic_long_add(sign * (1L << order), &set->dev->pages_marked);
}

/* Give room back, of pages that are not marked, or not any more. */
static void ttm_pfnmap_uncharge(const struct ttm_pfnmap_policy *policy,
				pgoff_t nr)
{
	if (policy->bounded)
		atomic_long_sub(nr, &ttm_pfnmap_bounded_marked);
}

/* Undo the marks of a set that is drained: of all marked chunks, or of none. */
static bool ttm_pfnmap_set_unmark(struct ttm_pfnmap_set *set)
{
	struct page **pages = set->tt->pages;
	unsigned int order;
	pgoff_t i, end;

	for (i = 0; i < set->marked; i += 1UL << order) {
		order = page_private(pages[i]);
		if (set->policy->unmark(pages[i], order))
			break;
		ttm_pfnmap_count_marked(set, order, -1);
		cond_resched();
	}
	if (i >= set->marked) {
		ttm_pfnmap_uncharge(set->policy, set->marked);
		return true;
	}

	for (end = i, i = 0; i < end; i += 1UL << order) {
		order = page_private(pages[i]);
		set->policy->mark(pages[i], order);
		ttm_pfnmap_count_marked(set, order, 1);
		cond_resched();
	}
	return false;
}

static unsigned long ttm_pfnmap_mb_to_pages(unsigned long mb)
{
	return min(mb, ULONG_MAX >> (20 - PAGE_SHIFT)) << (20 - PAGE_SHIFT);
}

/* The bound on all reserved pages. */
static unsigned long ttm_pfnmap_bound_on_all(void)
{
	unsigned long all = READ_ONCE(ttm_pfnmap_reserved_mb);

	return all ? ttm_pfnmap_mb_to_pages(all) : totalram_pages() / 4;
}

static bool ttm_pfnmap_quarantine_full(void)
{
	return atomic_long_read(&ttm_pfnmap_bounded_pages) >=
	       ttm_pfnmap_mb_to_pages(READ_ONCE(ttm_pfnmap_quarantine_mb));
}

/**
 * ttm_pfnmap_bound_reached - is there no room for more reserved pages?
 * @nr: how many more
 *
 * Reserved pages in quarantine are memory that nobody is charged for, so there
 * is a bound on them all; counted pages go back as soon as KVM drops them. There
 * is one on those in BOs too: TTM does not swap them out when memory is short.
 *
 * Context: Any.
 * Return: true if so.
 */
bool ttm_pfnmap_bound_reached(pgoff_t nr)
{
	return ttm_pfnmap_quarantine_full() ||
	       atomic_long_read(&ttm_pfnmap_bounded_marked) + nr >
		       ttm_pfnmap_bound_on_all();
}

/*
 * Take the room for @nr more reserved pages, before they are marked: faults on many
 * BOs at once must not all find the same room. What does not fit takes none, not
 * even for a moment, lest it keep out what does.
 */
static bool ttm_pfnmap_charge(pgoff_t nr)
{
	long marked = atomic_long_read(&ttm_pfnmap_bounded_marked);

	do {
		if (ttm_pfnmap_quarantine_full() ||
		    marked + nr > ttm_pfnmap_bound_on_all())
			return false;
	} while (!atomic_long_try_cmpxchg(&ttm_pfnmap_bounded_marked, &marked,
					  marked + nr));
	return true;
}

/*
 * The policy for a set, about to be exposed if it is not yet, with the room taken for
 * what of it is not marked. NULL if there is no room: what is reserved already, because
 * it was reused, cannot be counted.
 */
static const struct ttm_pfnmap_policy *
ttm_pfnmap_set_policy(const struct ttm_pfnmap_set *set)
{
	const struct ttm_pfnmap_policy *policy = set->policy ?:
							       set->dev->policy;
	pgoff_t nr = set->tt->num_pages - set->marked;

	if (!nr || !policy->bounded || ttm_pfnmap_charge(nr))
		return policy;
	return set->policy ? NULL : &ttm_pfnmap_counted;
}

/*
 * Can every chunk from page @i on be marked? 0, -EUCLEAN, or -EBUSY with @i at a chunk
 * that somebody else has a reference to.
 */
static int ttm_pfnmap_set_fresh(const struct ttm_pfnmap_set *set, pgoff_t *i)
{
	struct ttm_tt *tt = set->tt;
	int order, ret;

	for (; *i < tt->num_pages; *i += 1UL << order) {
		order = ttm_pfnmap_chunk_order(tt, *i);
		if (order < 0)
			return -EUCLEAN;
		ret = ttm_pfnmap_chunk_fresh(tt->pages[*i], order);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

/*
 * A BO that is mapped unmarked stays so for as long as it has these pages, so
 * that would be a high price for a reference that is about to be dropped. One that
 * comes to a chunk behind us does no harm: the mark leaves the first page's count
 * alone.
 */
static bool ttm_pfnmap_set_soon_fresh(const struct ttm_pfnmap_set *set)
{
	unsigned int pauses = 0;
	pgoff_t i = set->marked;
	int ret;

	/* A driver's own pages may look like it; they do not come back to us. */
	if (!set->pooled)
		return false;
	while ((ret = ttm_pfnmap_set_fresh(set, &i)) == -EBUSY &&
	       pauses++ < FRESH_PAUSES)
		fsleep(FRESH_PAUSE);
	return !ret;
}

/*
 * Mark every chunk of a set under @policy, for which there is room, or none. May sleep;
 * the BO is reserved.
 */
static bool ttm_pfnmap_set_mark(struct ttm_pfnmap_set *set,
				const struct ttm_pfnmap_policy *policy)
{
	struct page **pages = set->tt->pages;
	unsigned int order;
	pgoff_t i;

	if (!ttm_pfnmap_set_soon_fresh(set)) {
		ttm_pfnmap_uncharge(policy, set->tt->num_pages - set->marked);
		pr_warn_once(
			"%s: a BO has pages that are not as the TTM pool hands them out; KVM guests may be unable to use it\n",
			set->dev->name);
		return false;
	}

	set->policy = policy;
	for (i = set->marked; i < set->tt->num_pages; i += 1UL << order) {
		order = page_private(pages[i]);
		policy->mark(pages[i], order);
		ttm_pfnmap_count_marked(set, order, 1);
		cond_resched();
	}
	set->marked = set->tt->num_pages;
	set->exposed = true;
	atomic_long_inc(&set->dev->sets_exposed);
	return true;
}

/* ---- The hooks --------------------------------------------------------- */

/* The record of @tt, made if there is none; NULL if there is no memory for it. */
static struct ttm_pfnmap_set *ttm_pfnmap_set_make(struct ttm_pfnmap_dev *dev,
						  struct ttm_tt *tt)
{
	struct ttm_pfnmap_set *set = ttm_pfnmap_set_find(tt);

	if (set)
		return set;
	set = ttm_pfnmap_set_new(dev, tt);
	if (set && rhashtable_insert_fast(&ttm_pfnmap_sets, &set->node,
					  ttm_pfnmap_sets_params)) {
		ttm_pfnmap_set_free(set);
		set = NULL;
	}
	return set;
}

/* Pages of somebody else's are not ours to mark. */
static bool ttm_pfnmap_tt_marks(const struct ttm_pfnmap_dev *dev,
				const struct ttm_tt *tt)
{
	return ttm_pfnmap_dev_marks(dev) &&
	       !(tt->page_flags & TTM_TT_FLAG_EXTERNAL);
}

/**
 * __ttm_pfnmap_prepare - make the record that retiring the pages will need
 * @bdev: the device
 * @tt: about to be populated
 *
 * Context: May sleep. The caller owns @tt.
 * Return: 0, also where the mode has nothing to do with @tt, or -ENOMEM.
 */
int __ttm_pfnmap_prepare(struct ttm_device *bdev, struct ttm_tt *tt)
{
	struct ttm_pfnmap_dev *dev = ttm_pfnmap_dev_find(bdev);

	if (!ttm_pfnmap_tt_marks(dev, tt))
		return 0;
	return ttm_pfnmap_set_make(dev, tt) ? 0 : -ENOMEM;
}

/**
 * ttm_pfnmap_set_owner - a ttm_tt is a BO's that the current process makes
 * @bdev: the device
 * @tt: not populated yet
 *
 * By address space, since a process that executes another program is somebody
 * else. Kept, lest another one gets its address. Without an owner nothing is
 * reused.
 *
 * Context: May sleep. The caller owns @tt.
 * Return: 0, also where the mode has nothing to do with @tt, or -ENOMEM.
 */
int ttm_pfnmap_set_owner(struct ttm_device *bdev, struct ttm_tt *tt)
{
	struct ttm_pfnmap_dev *dev = ttm_pfnmap_dev_find(bdev);
	struct ttm_pfnmap_set *set;

	if (!current->mm || !ttm_pfnmap_tt_marks(dev, tt))
		return 0;
	set = ttm_pfnmap_set_make(dev, tt);
	if (!set)
		return -ENOMEM;
	if (!set->owner)
		set->owner = ttm_pfnmap_mm_get(current->mm, GFP_KERNEL);
	return set->owner ? 0 : -ENOMEM;
}

/* I7: only mappings that no page reference can be taken through. */
static bool ttm_pfnmap_vma_fits(const struct vm_area_struct *vma)
{
	const unsigned long kinds = VM_PFNMAP | VM_MIXEDMAP | VM_IO;

	return (vma->vm_flags & kinds) == (VM_PFNMAP | VM_IO) &&
	       !is_cow_mapping(vma->vm_flags);
}

/**
 * __ttm_pfnmap_fault - expose a BO to the address space that faults on it
 * @vma: a mapping of the BO
 * @tt: the BO's populated ttm_tt, or NULL if the BO is in I/O memory
 *
 * Context: In a page fault, before the first PTE is written; may sleep. The BO
 * is reserved.
 * Return: 0 if PTEs may be made, else what the fault is to return.
 */
vm_fault_t __ttm_pfnmap_fault(struct vm_area_struct *vma, struct ttm_tt *tt)
{
	struct ttm_buffer_object *bo = vma->vm_private_data;
	struct ttm_pfnmap_dev *dev = ttm_pfnmap_dev_find(bo->bdev);
	const struct ttm_pfnmap_policy *policy = NULL;
	struct ttm_pfnmap_set *set;

	if (!ttm_pfnmap_dev_marks(dev))
		return 0;
	/* Not every driver's mmap comes through ttm_bo_mmap_obj(). */
	if (!ttm_pfnmap_dev_accepts(dev, vma->vm_ops))
		return VM_FAULT_SIGBUS;
	/* That may just have ended the mode. */
	if (!ttm_pfnmap_dev_marks(dev))
		return 0;
	if (!ttm_pfnmap_vma_fits(vma)) {
		pr_warn_once(
			"%s: a mapping is not VM_PFNMAP | VM_IO alone (vm_flags %lx): a driver bug; access to it is SIGBUS\n",
			dev->name, (unsigned long)vma->vm_flags);
		return VM_FAULT_SIGBUS;
	}

	set = tt ? ttm_pfnmap_set_find(tt) : NULL;
	if (!set || set->stock || !ttm_pfnmap_dev_activate(dev))
		return 0;
	/* Some that keep it out may hold nothing any more. */
	if (!ttm_pfnmap_set_admits(set, vma->vm_mm))
		ttm_pfnmap_drop_past(set);
	if (ttm_pfnmap_set_admits(set, vma->vm_mm))
		policy = ttm_pfnmap_set_policy(set);
	if (!policy) {
		vm_fault_t ret = ttm_pfnmap_back_afresh(bo);

		if (ret)
			return ret;
		set = ttm_pfnmap_set_find(tt);
		if (!set)
			return VM_FAULT_SIGBUS;
		policy = ttm_pfnmap_set_policy(set);
	}
	/* Recorded first (I3), then marked (I1), then the caller's PTE. */
	ttm_pfnmap_set_expose(set, vma->vm_mm);
	if (!set->exposed && !ttm_pfnmap_set_mark(set, policy)) {
		/* Nobody may see these without a record of it. */
		if (set->reused)
			return VM_FAULT_SIGBUS;
		/* As with stock TTM, and not to be marked behind a PTE later. */
		set->stock = true;
		ttm_pfnmap_drop_links(set, ttm_pfnmap_link_any);
	}
	return 0;
}

/**
 * __ttm_pfnmap_vm_open - expose a BO to an address space that inherits PTEs
 * @vma: the new mapping
 *
 * fork() copies PFNMAP PTEs without a fault, after it called this (or, in older kernels,
 * just before, when the child's mapping can be found and zapped). The parent's
 * faults are shut out meanwhile by the mmap_lock that fork() holds for writing,
 * so a PTE that is copied belongs to the set that is found here; and the child
 * does not run yet. Of a set that is not for the child nothing is left to copy,
 * nor of a BO that somebody else has reserved: who has it may wait for the GPU, and
 * fork() can neither be killed meanwhile nor may it keep devices from being unplugged.
 *
 * Context: mmap_lock of @vma's address space held for writing; may sleep, but waits for
 * no reservation.
 */
void __ttm_pfnmap_vm_open(struct vm_area_struct *vma)
{
	struct ttm_buffer_object *bo = vma->vm_private_data;
	struct ttm_pfnmap_dev *dev = ttm_pfnmap_dev_find(bo->bdev);
	struct ttm_pfnmap_set *set;
	int idx;

	/* A split or a move stays in an address space that is recorded. */
	if (!ttm_pfnmap_dev_marks(dev) || vma->vm_mm == current->mm)
		return;
	/*
	 * Nor is there a PTE of a page to be copied, and the parent cannot get one
	 * now: pages are zapped before their tt is forgotten, and x86 keeps the order
	 * of both reads.
	 */
	if (!READ_ONCE(bo->ttm))
		return;
	/*
	 * An unplugged device's BOs lose their pages without being reserved
	 * (ttm_device_clear_dma_mappings()). So leave nothing to be copied;
	 * faults give the dummy page from now on.
	 */
	if (!drm_dev_enter(bo->base.dev, &idx)) {
		drm_vma_node_unmap(&bo->base.vma_node, bo->bdev->dev_mapping);
		return;
	}
	/* The same; the parent and the child fault again when they need it. */
	if (!dma_resv_trylock(bo->base.resv)) {
		drm_vma_node_unmap(&bo->base.vma_node, bo->bdev->dev_mapping);
		drm_dev_exit(idx);
		return;
	}

	set = bo->ttm ? ttm_pfnmap_set_find(bo->ttm) : NULL;
	if (set && !ttm_pfnmap_set_admits(set, vma->vm_mm))
		ttm_bo_unmap_virtual(bo);
	else if (set && set->exposed)
		ttm_pfnmap_set_expose(set, vma->vm_mm);
	dma_resv_unlock(bo->base.resv);
	drm_dev_exit(idx);
}

/**
 * __ttm_pfnmap_gutting - a BO is about to lose its contents
 * @bo: the BO
 *
 * ttm_bo_pipeline_gutting() gives pages back that are still mapped; here they
 * must not be.
 *
 * Context: May sleep. @bo is reserved.
 */
void __ttm_pfnmap_gutting(struct ttm_buffer_object *bo)
{
	if (ttm_pfnmap_dev_marks(ttm_pfnmap_dev_find(bo->bdev)))
		ttm_bo_unmap_virtual(bo);
}

/* Who looks for memory to free; a search at a time, under ttm_global_mutex. */
static struct task_struct *ttm_pfnmap_searching;

/**
 * __ttm_pfnmap_pressure - a search for BOs to swap out begins or ends
 * @searching: the task that searches, or NULL
 *
 * Only where TTM itself looks for memory. A driver that has BOs swapped out has
 * its reasons, hibernation for one.
 *
 * Context: ttm_global_mutex held.
 */
void __ttm_pfnmap_pressure(struct task_struct *searching)
{
	WRITE_ONCE(ttm_pfnmap_searching, searching);
}

/**
 * __ttm_pfnmap_keeps - would swapping out a BO free nothing?
 * @bo: a BO with populated pages
 *
 * Context: Any. @bo is reserved, or its device was unplugged.
 * Return: true if memory is being searched for, and the pages of @bo would go to
 * the quarantine.
 */
bool __ttm_pfnmap_keeps(const struct ttm_buffer_object *bo)
{
	const struct ttm_pfnmap_policy *policy;
	const struct ttm_pfnmap_link *link;
	const struct ttm_pfnmap_set *set;
	bool keeps = false;

	/* One that is on its way out is gone sooner if it is chosen. */
	if (READ_ONCE(ttm_pfnmap_searching) != current || bo->deleted)
		return false;
	rcu_read_lock();
	set = ttm_pfnmap_set_find(bo->ttm);
	spin_lock(&ttm_pfnmap_lock);
	/* Once: in an unplug its pages are retired without a lock of ours. */
	policy = set ? READ_ONCE(set->policy) : NULL;
	if (policy && policy->bounded)
		list_for_each_entry(link, &set->links, node)
			keeps |= !policy->mm_drained(link->entry->mm);
	spin_unlock(&ttm_pfnmap_lock);
	rcu_read_unlock();
	return keeps;
}

/**
 * ttm_pfnmap_count_quarantined - pages came to or left the quarantine
 * @set: what they belong to
 * @nr: how many came; negative if they left
 *
 * Context: Under ttm_pfnmap_reuse_lock if @set is offered for reuse.
 */
void ttm_pfnmap_count_quarantined(struct ttm_pfnmap_set *set, long nr)
{
	set->kept += nr;
	atomic_long_add(nr, &set->dev->pages_quarantined);
	if (set->policy->bounded)
		atomic_long_add(nr, &ttm_pfnmap_bounded_pages);
}

/* The set's pages are not the ttm_tt's any more. */
static void ttm_pfnmap_count_unexposed(struct ttm_pfnmap_set *set)
{
	if (set->exposed)
		atomic_long_dec(&set->dev->sets_exposed);
	set->exposed = false;
}

/* Take the marked pages of a set away from its ttm_tt. */
static void ttm_pfnmap_take_over(struct ttm_pfnmap_set *set,
				 struct ttm_pool *pool, struct ttm_tt *tt)
{
	unsigned int order;
	pgoff_t i;

	for (i = 0; i < set->marked; i += 1UL << order) {
		order = page_private(tt->pages[i]);
		if (tt->dma_address)
			dma_unmap_page(pool->dev, tt->dma_address[i],
				       PAGE_SIZE << order, DMA_BIDIRECTIONAL);
		list_add_tail(&tt->pages[i]->lru, &set->chunks);
		cond_resched();
	}
	set->caching = tt->caching;
	set->dma32 = pool->use_dma32;
	rhashtable_remove_fast(&ttm_pfnmap_sets, &set->node,
			       ttm_pfnmap_sets_params);
	ttm_pfnmap_count_quarantined(set, set->marked);
	ttm_pfnmap_count_unexposed(set);
}

/**
 * ttm_pfnmap_halve_chunk - make two chunks of one that is in quarantine
 * @set: that it belongs to
 * @head: its first page, in the set's list, where the second half comes next
 * @order: of each half
 *
 * It cannot fail, and takes no lock: nobody else may look at the set's chunks.
 *
 * Context: Any, does not sleep.
 */
void ttm_pfnmap_halve_chunk(struct ttm_pfnmap_set *set, struct page *head,
			    unsigned int order)
{
	ttm_pfnmap_split_chunk(head, order);
	list_add(&head[1UL << order].lru, &head->lru);
	atomic_long_inc(&set->dev->chunks_marked);
}

/*
 * Free the chunks of a set that was taken over and whose address spaces are
 * drained. May sleep. Returns true if the set went too, false if somebody still
 * holds pages of it: in the end these alone, where they may be held for ever.
 */
static bool ttm_pfnmap_release(struct ttm_pfnmap_set *set)
{
	struct ttm_pfnmap_dev *dev = set->dev;
	unsigned int looks = set->looks++;
	bool impatient = set->policy->patience &&
			 looks >= set->policy->patience;
	bool halves = !set->policy->patience && looks >= LOOKS_BEFORE_HALVING;
	struct page *head, *next;

	list_for_each_entry_safe(head, next, &set->chunks, lru) {
		unsigned int order = page_private(head);
		long nr = 1L << order;
		int ret;

		cond_resched();
		list_del(&head->lru);
		ret = set->policy->unmark(head, order);
		if (ret == -EBUSY && !impatient) {
			list_add(&head->lru, next->lru.prev);
			/* Both halves come next. */
			if (halves && order) {
				ttm_pfnmap_halve_chunk(set, head, order - 1);
				next = head;
			}
			continue;
		}
		ttm_pfnmap_count_marked(set, order, -1);
		ttm_pfnmap_uncharge(set->policy, nr);
		if (!ret) {
			ttm_pfnmap_free_chunk(head, order, set->caching);
			atomic_long_add(nr, &dev->pages_retired);
		} else {
			pr_warn_once(
				"%s: %ld pages at PFN %lx do not look as they were left; they are never used again\n",
				dev->name, nr, page_to_pfn(head));
			atomic_long_add(nr, &dev->pages_leaked);
		}
		/* Last, so that a quarantine that looks empty is. */
		ttm_pfnmap_count_quarantined(set, -nr);
	}
	if (!list_empty(&set->chunks))
		return false;
	ttm_pfnmap_set_free(set);
	return true;
}

/**
 * __ttm_pfnmap_retire - a ttm_tt gives its pages back
 * @pool: where they came from
 * @tt: the ttm_tt
 *
 * Called where stock TTM would put the pages into a pool that every client
 * allocates from, or into the page allocator; also for a @tt that did not get
 * all its pages, where those that it reused come first. No PTE to them is left: a BO is
 * unmapped before it is swapped out, moved or gutted, and a BO that is destroyed
 * has no mappings.
 *
 * Context: May sleep; may be in reclaim. Allocates nothing and waits for nobody
 * (I6). The BO is reserved, or nobody else knows it any more, or its device was
 * unplugged.
 * Return: how many pages, from the first on, are not the caller's any more. The
 * others it shall free as always; they are not marked, or not any more.
 */
pgoff_t __ttm_pfnmap_retire(struct ttm_pool *pool, struct ttm_tt *tt)
{
	struct ttm_pfnmap_set *set = ttm_pfnmap_set_find(tt);
	pgoff_t taken;
	bool drained;

	if (!set)
		return 0;
	set->fresh = false;
	set->pooled = false;
	set->stock = false;
	if (!set->marked) {
		ttm_pfnmap_drop_links(set, ttm_pfnmap_link_any);
		return 0;
	}

	drained = ttm_pfnmap_drop_links(set, ttm_pfnmap_link_drained);
	if (drained && ttm_pfnmap_set_unmark(set)) {
		atomic_long_add(set->marked, &set->dev->pages_retired);
		ttm_pfnmap_count_unexposed(set);
		WRITE_ONCE(set->policy, NULL);
		set->marked = 0;
		set->reused = 0;
		return 0;
	}

	taken = set->marked;
	ttm_pfnmap_take_over(set, pool, tt);
	if (drained && ttm_pfnmap_release(set))
		return taken;

	/* ttm.ko must outlive what it has in quarantine. */
	__module_get(THIS_MODULE);
	spin_lock(&ttm_pfnmap_lock);
	list_add_tail(&set->quarantine, &ttm_pfnmap_quarantine);
	ttm_pfnmap_reuse_offer(set);
	spin_unlock(&ttm_pfnmap_lock);
	queue_delayed_work(system_unbound_wq, &ttm_pfnmap_reaper,
			   msecs_to_jiffies(REAP_PERIOD));
	return taken;
}

/**
 * __ttm_pfnmap_tt_fini - a ttm_tt goes away
 * @tt: the ttm_tt; its pages were given back before
 *
 * Context: May sleep. Nobody else knows @tt any more.
 */
void __ttm_pfnmap_tt_fini(struct ttm_tt *tt)
{
	struct ttm_pfnmap_set *set = ttm_pfnmap_set_find(tt);

	if (!set)
		return;
	rhashtable_remove_fast(&ttm_pfnmap_sets, &set->node,
			       ttm_pfnmap_sets_params);
	ttm_pfnmap_drop_links(set, ttm_pfnmap_link_any);
	if (WARN_ONCE(set->marked, "a ttm_tt goes with its pages exposed\n")) {
		atomic_long_add(set->marked, &set->dev->pages_leaked);
		/* How many chunks they were is not known any more. */
		atomic_long_sub(set->marked, &set->dev->pages_marked);
		ttm_pfnmap_uncharge(set->policy, set->marked);
		ttm_pfnmap_count_unexposed(set);
	}
	ttm_pfnmap_set_free(set);
}

/* ---- The reaper -------------------------------------------------------- */

/*
 * An idle CPU goes on borrowing the mm of whoever ran there last, and counts it
 * in mm_count for as long as nothing else runs there. Borrowing init's instead
 * makes it let go.
 */
static atomic_t ttm_pfnmap_kicks_left;
static bool ttm_pfnmap_kicked;

/* The last one has the reaper look at once, before the mm is borrowed again. */
static void ttm_pfnmap_kick_done(void)
{
	if (!atomic_dec_and_test(&ttm_pfnmap_kicks_left))
		return;
	WRITE_ONCE(ttm_pfnmap_kicked, true);
	mod_delayed_work(system_unbound_wq, &ttm_pfnmap_reaper, 0);
}

static void ttm_pfnmap_kick_cpu(struct work_struct *work)
{
	struct pid *pid = find_get_pid(1);
	struct task_struct *init = get_pid_task(pid, PIDTYPE_PID);
	struct mm_struct *mm = init ? get_task_mm(init) : NULL;

	if (mm) {
		kthread_use_mm(mm);
		kthread_unuse_mm(mm);
		mmput(mm);
	}
	if (init)
		put_task_struct(init);
	put_pid(pid);
	ttm_pfnmap_kick_done();
}

static DEFINE_PER_CPU(struct work_struct, ttm_pfnmap_kicks);

/*
 * Does not wait: a busy real-time CPU would keep the reaper for ever. One that
 * has not come to its last kick yet gets no second one, and the reaper's early
 * look is off until it has.
 */
static void ttm_pfnmap_kick(void)
{
	int cpu;

	atomic_inc(&ttm_pfnmap_kicks_left);
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		atomic_inc(&ttm_pfnmap_kicks_left);
		if (!queue_work_on(cpu, system_wq,
				   per_cpu_ptr(&ttm_pfnmap_kicks, cpu)))
			atomic_dec(&ttm_pfnmap_kicks_left);
	}
	cpus_read_unlock();
	ttm_pfnmap_kick_done();
}

/* The set after @set, or the first one; only the reaper takes sets away. */
static struct ttm_pfnmap_set *ttm_pfnmap_next(struct ttm_pfnmap_set *set)
{
	struct list_head *head = &ttm_pfnmap_quarantine, *next;

	spin_lock(&ttm_pfnmap_lock);
	next = set ? set->quarantine.next : head->next;
	spin_unlock(&ttm_pfnmap_lock);
	return next == head ?
		       NULL :
		       list_entry(next, struct ttm_pfnmap_set, quarantine);
}

/* Look at one set, and free what of it nobody can hold. */
static void ttm_pfnmap_reap_one(struct ttm_pfnmap_set *set, bool *borrowed)
{
	bool drained = ttm_pfnmap_drop_links(set, ttm_pfnmap_link_drained);

	*borrowed |= !drained;
	if (!drained && READ_ONCE(set->kept))
		return;

	ttm_pfnmap_reuse_withdraw(set);
	/* Nothing is left of a set that was reused as a whole. */
	if (!set->kept)
		ttm_pfnmap_drop_links(set, ttm_pfnmap_link_any);
	spin_lock(&ttm_pfnmap_lock);
	list_del(&set->quarantine);
	spin_unlock(&ttm_pfnmap_lock);
	if (ttm_pfnmap_release(set)) {
		module_put(THIS_MODULE);
		return;
	}
	/* In front, where this round does not come any more. */
	spin_lock(&ttm_pfnmap_lock);
	list_add(&set->quarantine, &ttm_pfnmap_quarantine);
	spin_unlock(&ttm_pfnmap_lock);
}

static void ttm_pfnmap_reap(struct work_struct *work)
{
	static unsigned int reaps;
	struct ttm_pfnmap_set *set, *next;
	bool again, borrowed = false;

	for (set = ttm_pfnmap_next(NULL); set; set = next) {
		next = ttm_pfnmap_next(set);
		ttm_pfnmap_reap_one(set, &borrowed);
		cond_resched();
	}

	spin_lock(&ttm_pfnmap_lock);
	again = !list_empty(&ttm_pfnmap_quarantine);
	spin_unlock(&ttm_pfnmap_lock);

	if (!again)
		return;
	/* A look that a kick asked for does not bring the next kick nearer. */
	if (!xchg(&ttm_pfnmap_kicked, false) && borrowed &&
	    reaps++ % REAPS_PER_KICK == 0)
		ttm_pfnmap_kick();
	queue_delayed_work(system_unbound_wq, &ttm_pfnmap_reaper,
			   msecs_to_jiffies(REAP_PERIOD));
}

/**
 * ttm_pfnmap_lifetime_init - set up the tables, once
 *
 * Context: Module init.
 * Return: 0 or -ENOMEM.
 */
int ttm_pfnmap_lifetime_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		INIT_WORK(per_cpu_ptr(&ttm_pfnmap_kicks, cpu),
			  ttm_pfnmap_kick_cpu);
	return rhashtable_init(&ttm_pfnmap_sets, &ttm_pfnmap_sets_params);
}

/**
 * ttm_pfnmap_lifetime_fini - the reverse
 *
 * Context: Module exit. The quarantine is empty: each set in it holds a
 * reference to the module.
 */
void ttm_pfnmap_lifetime_fini(void)
{
	int cpu;

	/* A kick may have the reaper look once more; it finds nothing. */
	for_each_possible_cpu(cpu)
		cancel_work_sync(per_cpu_ptr(&ttm_pfnmap_kicks, cpu));
	cancel_delayed_work_sync(&ttm_pfnmap_reaper);
	rhashtable_destroy(&ttm_pfnmap_sets);
}
