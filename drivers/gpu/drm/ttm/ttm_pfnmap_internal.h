/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TTM's PFNMAP mode: what its own files and the hooks in stock TTM share.
 *
 * Locking, from the outside in; what is not ours in parentheses:
 *   (an mmap_lock)                   in a fault, in mmap() and in fork()
 *   (a BO's reservation)             its set while the BO has pages
 *   (ttm_global_mutex)               who searches for BOs to swap out
 *   ttm_pfnmap_devices_lock (mutex)  the device list, opting in, VFIO's coming
 *   ttm_pfnmap_reuse_lock (mutex)    the chunks of sets that are on offer
 *   (a ttm_device's lru_lock)        on 6.1, where that search asks us about a BO
 *   ttm_pfnmap_lock (spinlock)       the mm table and the quarantine
 */
#ifndef _TTM_PFNMAP_INTERNAL_H_
#define _TTM_PFNMAP_INTERNAL_H_

#include <linux/jump_label.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/rhashtable-types.h>
#include <linux/spinlock.h>

#include <drm/ttm/ttm_caching.h>
#include <drm/ttm/ttm_pfnmap.h>

#include "ttm_pfnmap_compat.h"

struct seq_file;
struct task_struct;
struct ttm_buffer_object;
struct ttm_device;
struct ttm_operation_ctx;
struct ttm_pfnmap_set;
struct ttm_placement;
struct ttm_pool;
struct ttm_tt;

/**
 * struct ttm_pfnmap_policy - one way to mark a page, and what drained means
 * @name: as in debugfs and sysfs
 * @mark: mark one fresh chunk of 1 << order pages, before the first PTE to any
 *	of them. Does not sleep.
 * @unmark: the exact reverse. 0, or with nothing changed -EBUSY if somebody
 *	still holds a page, or -EUCLEAN if one does not look as @mark left it.
 *	Does not sleep.
 * @mm_drained: given that no PTE is left in this address space, nobody can hold
 *	a PFN that was read from it and that @unmark would not notice. Under
 *	ttm_pfnmap_lock.
 * @patience: how often the reaper looks at a chunk that is -EBUSY before it
 *	counts as -EUCLEAN; 0: for ever, and what is not held of it is given back
 * @bounded: pages that are marked count towards ttm.pfnmap_reserved_mb, and those in
 *	quarantine towards ttm.pfnmap_quarantine_mb as well. These are also what a
 *	client may reuse, and why a BO is passed over when memory is short.
 */
struct ttm_pfnmap_policy {
	const char *name;
	void (*mark)(struct page *head, unsigned int order);
	int (*unmark)(struct page *head, unsigned int order);
	bool (*mm_drained)(struct mm_struct *mm);
	unsigned int patience;
	bool bounded;
};

extern const struct ttm_pfnmap_policy ttm_pfnmap_reserved;
extern const struct ttm_pfnmap_policy ttm_pfnmap_counted;
extern const struct ttm_pfnmap_policy ttm_pfnmap_naive;

/* enum ttm_pfnmap_state - where a device stands */
enum ttm_pfnmap_state {
	TTM_PFNMAP_OFF,		/* not opted in, or refused: stock behaviour */
	TTM_PFNMAP_UNNEEDED,	/* opted in; this kernel's KVM needs no help */
	TTM_PFNMAP_IDLE,	/* opted in, no page marked yet */
	TTM_PFNMAP_ACTIVE,	/* opted in, pages have been marked */
};

/**
 * struct ttm_pfnmap_dev - the mode's side table entry for one ttm_device
 * @link: in ttm_pfnmap_devices, for as long as anything refers to it
 * @ref: one for the ttm_device, one per set
 * @rcu: frees the entry
 * @bdev: the device, NULL once it is gone and only quarantined sets remain
 * @name: dev_name() of its struct device
 * @state: enum ttm_pfnmap_state
 * @by_parameter: opted in by ttm.pfnmap=, and the driver has not asked yet
 * @refused: why the mode was last refused, or NULL
 * @policy: for new exposures, while @state is IDLE or ACTIVE
 * @chunks_marked: marked now
 * @pages_marked: marked now, the quarantined ones included
 * @sets_exposed: BO page sets with a marked page, now
 * @pages_quarantined: retired, not drained, now
 * @pages_retired: given back since the device came, at once or later
 * @pages_leaked: never given back, because they did not look as they should
 * @pages_reused: given from the quarantine to a BO of the same client
 */
struct ttm_pfnmap_dev {
	struct list_head link;
	struct kref ref;
	struct rcu_head rcu;
	struct ttm_device *bdev;
	char name[32];
	atomic_t state;
	bool by_parameter;
	const char *refused;
	const struct ttm_pfnmap_policy *policy;
	atomic_long_t chunks_marked;
	atomic_long_t pages_marked;
	atomic_long_t sets_exposed;
	atomic_long_t pages_quarantined;
	atomic_long_t pages_retired;
	atomic_long_t pages_leaked;
	atomic_long_t pages_reused;
};

/**
 * struct ttm_pfnmap_mm - one address space that pages were exposed to, or whose
 * process made BOs
 * @node: in the mm table
 * @mm: the address space; the table holds exactly one mmgrab() on it, which is
 *	what makes mm_count comparable at all
 * @links: how often sets refer to it
 * @owned: quarantined sets of its BOs, which it may reuse
 * @reusable: the number of pages in these
 */
struct ttm_pfnmap_mm {
	struct hlist_node node;
	struct mm_struct *mm;
	unsigned long links;
	struct list_head owned;
	unsigned long reusable;
};

/**
 * struct ttm_pfnmap_link - "that address space may hold PFNs of this set"
 * @node: in the set's list
 * @entry: NULL while unused
 * @exposed: the set was exposed to it
 * @inherited: it may hold pages that the set reuses
 * @admitted: if @inherited: all such pages were exposed to it before, but for those
 *	that nobody held when they were reused
 */
struct ttm_pfnmap_link {
	struct list_head node;
	struct ttm_pfnmap_mm *entry;
	bool exposed;
	bool inherited;
	bool admitted;
};

/* Most sets are seen by the client, a compositor, and perhaps a VMM. */
#define TTM_PFNMAP_INLINE_LINKS 4

/**
 * struct ttm_pfnmap_set - the pages of one populated ttm_tt
 * @node: in the table keyed by @tt, until the set is quarantined
 * @rcu: frees the set
 * @tt: the key; not followed once the set is quarantined
 * @dev: whose counters it is in
 * @owner: who made the BO, or NULL if that is not known
 * @owned: in @owner's list while its quarantined pages can be reused
 * @policy: what its pages were marked under; NULL while none is marked
 * @marked: this many pages, from the first on, are marked
 * @reused: this many of them came from the quarantine
 * @opened: of those that it reuses, nobody held some
 * @exposed: all are marked, and there may be PTEs
 * @links: the address spaces that may hold PFNs of it
 * @spare: links that need no allocation
 * @pooled: its pages come from ttm_pool_alloc(), and go back through retire
 * @stock: its pages are not what can be marked; they were mapped as they are
 * @fresh: no page from the quarantine the next time it is populated
 * @looks: at the set when it was drained, that of retire included
 * @caching: of the quarantined pages
 * @dma32: the quarantined pages are below 4 GiB
 * @kept: number of quarantined pages
 * @chunks: quarantined chunks, by the lru of their first page
 * @quarantine: in the quarantine
 */
struct ttm_pfnmap_set {
	struct rhash_head node;
	struct rcu_head rcu;
	struct ttm_tt *tt;
	struct ttm_pfnmap_dev *dev;
	struct ttm_pfnmap_mm *owner;
	struct list_head owned;
	const struct ttm_pfnmap_policy *policy;
	pgoff_t marked;
	pgoff_t reused;
	bool opened;
	bool exposed;
	struct list_head links;
	struct ttm_pfnmap_link spare[TTM_PFNMAP_INLINE_LINKS];
	bool pooled;
	bool stock;
	bool fresh;
	unsigned int looks;
	enum ttm_caching caching;
	bool dma32;
	unsigned long kept;
	struct list_head chunks;
	struct list_head quarantine;
};

/* ttm_pfnmap.c: opting in. */
extern struct list_head ttm_pfnmap_devices;
extern struct mutex ttm_pfnmap_devices_lock;

void __ttm_pfnmap_device_init(struct ttm_device *bdev);
void __ttm_pfnmap_device_fini(struct ttm_device *bdev);
bool __ttm_pfnmap_mmap(struct vm_area_struct *vma, struct ttm_buffer_object *bo);
struct ttm_pfnmap_dev *ttm_pfnmap_dev_find(const struct ttm_device *bdev);
void ttm_pfnmap_dev_put(struct ttm_pfnmap_dev *dev);
bool ttm_pfnmap_dev_marks(const struct ttm_pfnmap_dev *dev);
bool ttm_pfnmap_dev_activate(struct ttm_pfnmap_dev *dev);
bool ttm_pfnmap_dev_accepts(struct ttm_pfnmap_dev *dev,
			    const struct vm_operations_struct *ops);
const char *ttm_pfnmap_dev_policy(const struct ttm_pfnmap_dev *dev);
int ttm_pfnmap_names_check(const char *names);
bool ttm_pfnmap_names_match(const char *names, const char *driver);

/* ttm_pfnmap_lifetime.c: exposure, drained, quarantine, reaper. */
extern unsigned long ttm_pfnmap_quarantine_mb;
extern unsigned long ttm_pfnmap_reserved_mb;
int ttm_pfnmap_lifetime_init(void);
void ttm_pfnmap_lifetime_fini(void);
int __ttm_pfnmap_bo_create(struct ttm_buffer_object *bo,
			   struct ttm_placement *placement,
			   struct ttm_operation_ctx *ctx);
void __ttm_pfnmap_tt_created(struct ttm_buffer_object *bo);
int ttm_pfnmap_set_owner(struct ttm_device *bdev, struct ttm_tt *tt);
int __ttm_pfnmap_prepare(struct ttm_device *bdev, struct ttm_tt *tt);
vm_fault_t __ttm_pfnmap_fault(struct vm_area_struct *vma, struct ttm_tt *tt);
void __ttm_pfnmap_vm_open(struct vm_area_struct *vma);
void __ttm_pfnmap_gutting(struct ttm_buffer_object *bo);
void __ttm_pfnmap_pressure(struct task_struct *searching);
bool __ttm_pfnmap_keeps(const struct ttm_buffer_object *bo);
pgoff_t __ttm_pfnmap_retire(struct ttm_pool *pool, struct ttm_tt *tt);
void __ttm_pfnmap_tt_fini(struct ttm_tt *tt);
struct ttm_pfnmap_set *ttm_pfnmap_set_find(const struct ttm_tt *tt);
struct ttm_pfnmap_link *ttm_pfnmap_link_spare(struct ttm_pfnmap_set *set);
void ttm_pfnmap_drop_drained(struct ttm_pfnmap_set *set);
void ttm_pfnmap_drop_past(struct ttm_pfnmap_set *set);
bool ttm_pfnmap_bound_reached(pgoff_t nr);
void ttm_pfnmap_halve_chunk(struct ttm_pfnmap_set *set, struct page *head,
			    unsigned int order);
void ttm_pfnmap_count_quarantined(struct ttm_pfnmap_set *set, long nr);
bool ttm_pfnmap_reserved_mm_drained(struct mm_struct *mm);
bool ttm_pfnmap_counted_mm_drained(struct mm_struct *mm);

extern spinlock_t ttm_pfnmap_lock;

/* ttm_pfnmap_reuse.c: quarantined chunks for the client they came from. */
extern bool ttm_pfnmap_reuse_on;
void __ttm_pfnmap_reuse(struct ttm_pool *pool, struct ttm_tt *tt,
			pgoff_t *num_pages, struct page ***pages,
			dma_addr_t **dma_addr);
void ttm_pfnmap_reuse_offer(struct ttm_pfnmap_set *set);
void ttm_pfnmap_reuse_withdraw(struct ttm_pfnmap_set *set);
bool ttm_pfnmap_set_admits(const struct ttm_pfnmap_set *set,
			   const struct mm_struct *mm);
vm_fault_t ttm_pfnmap_back_afresh(struct ttm_buffer_object *bo);

/* ttm_pfnmap_page.c: the only file that writes page flags and counts. */
int ttm_pfnmap_chunk_fresh(struct page *head, unsigned int order);
void ttm_pfnmap_reserved_mark(struct page *head, unsigned int order);
int ttm_pfnmap_reserved_unmark(struct page *head, unsigned int order);
bool ttm_pfnmap_reserved_intact(struct page *head, unsigned int order);
void ttm_pfnmap_counted_mark(struct page *head, unsigned int order);
int ttm_pfnmap_counted_unmark(struct page *head, unsigned int order);
void ttm_pfnmap_naive_mark(struct page *head, unsigned int order);
int ttm_pfnmap_naive_unmark(struct page *head, unsigned int order);
void ttm_pfnmap_split_chunk(struct page *head, unsigned int order);
void ttm_pfnmap_free_chunk(struct page *head, unsigned int order,
			   enum ttm_caching caching);

/* ttm_pfnmap_debugfs.c */
void ttm_pfnmap_debugfs_init(void);
void ttm_pfnmap_debugfs_fini(void);

/*
 * The hooks that stock TTM calls. The key is off until the first device opts
 * in, so a system that does not use the mode executes one nop for each.
 */
DECLARE_STATIC_KEY_FALSE(ttm_pfnmap_used);

/* After a device was set up; before its pool goes. May sleep. */
static inline void ttm_pfnmap_device_init(struct ttm_device *bdev)
{
	__ttm_pfnmap_device_init(bdev);
}

static inline void ttm_pfnmap_device_fini(struct ttm_device *bdev)
{
	__ttm_pfnmap_device_fini(bdev);
}

/* The first placement of a new BO, in the process that makes it. */
static inline int ttm_pfnmap_bo_create(struct ttm_buffer_object *bo,
				       struct ttm_placement *placement,
				       struct ttm_operation_ctx *ctx)
{
	if (static_branch_unlikely(&ttm_pfnmap_used))
		return __ttm_pfnmap_bo_create(bo, placement, ctx);
	return ttm_bo_validate(bo, placement, ctx);
}

/* A BO got a ttm_tt, not populated yet. */
static inline void ttm_pfnmap_tt_created(struct ttm_buffer_object *bo)
{
	if (static_branch_unlikely(&ttm_pfnmap_used))
		__ttm_pfnmap_tt_created(bo);
}

/* Before a ttm_tt gets pages: makes the record that retiring them needs. */
static inline int ttm_pfnmap_prepare(struct ttm_device *bdev, struct ttm_tt *tt)
{
	if (static_branch_unlikely(&ttm_pfnmap_used))
		return __ttm_pfnmap_prepare(bdev, tt);
	return 0;
}

/* Before a pool fills a ttm_tt, always: what can be had without asking anybody. */
static inline void ttm_pfnmap_reuse(struct ttm_pool *pool, struct ttm_tt *tt,
				    pgoff_t *num_pages, struct page ***pages,
				    dma_addr_t **dma_addr)
{
	if (static_branch_unlikely(&ttm_pfnmap_used))
		__ttm_pfnmap_reuse(pool, tt, num_pages, pages, dma_addr);
}

/* Before a VMA of a BO is set up; false: this mapping is refused. */
static inline bool ttm_pfnmap_mmap(struct vm_area_struct *vma,
				   struct ttm_buffer_object *bo)
{
	if (static_branch_unlikely(&ttm_pfnmap_used))
		return __ttm_pfnmap_mmap(vma, bo);
	return true;
}

/* Before the first PTE of a fault; tt is NULL for I/O memory. */
static inline vm_fault_t ttm_pfnmap_fault(struct vm_area_struct *vma,
					  struct ttm_tt *tt)
{
	if (static_branch_unlikely(&ttm_pfnmap_used))
		return __ttm_pfnmap_fault(vma, tt);
	return 0;
}

/* A VMA was copied (fork, split, mremap), perhaps with its PTEs. */
static inline void ttm_pfnmap_vm_open(struct vm_area_struct *vma)
{
	if (static_branch_unlikely(&ttm_pfnmap_used))
		__ttm_pfnmap_vm_open(vma);
}

/* Around the search for something to swap out because memory is short. */
static inline void ttm_pfnmap_pressure(struct task_struct *searching)
{
	if (static_branch_unlikely(&ttm_pfnmap_used))
		__ttm_pfnmap_pressure(searching);
}

/* In that search: would the pages only go to the quarantine? */
static inline bool ttm_pfnmap_keeps(const struct ttm_buffer_object *bo)
{
	return static_branch_unlikely(&ttm_pfnmap_used) &&
	       __ttm_pfnmap_keeps(bo);
}

/* Before a BO loses its contents, which stock TTM leaves mapped meanwhile. */
static inline void ttm_pfnmap_gutting(struct ttm_buffer_object *bo)
{
	if (static_branch_unlikely(&ttm_pfnmap_used))
		__ttm_pfnmap_gutting(bo);
}

/*
 * When a ttm_tt gives its pages back, or did not get all it asked for: so many,
 * from the first on, the mode has taken over.
 */
static inline pgoff_t ttm_pfnmap_retire(struct ttm_pool *pool,
					struct ttm_tt *tt)
{
	if (static_branch_unlikely(&ttm_pfnmap_used))
		return __ttm_pfnmap_retire(pool, tt);
	return 0;
}

/* A ttm_tt goes away; it has no pages any more. */
static inline void ttm_pfnmap_tt_fini(struct ttm_tt *tt)
{
	if (static_branch_unlikely(&ttm_pfnmap_used))
		__ttm_pfnmap_tt_fini(tt);
}

#endif
