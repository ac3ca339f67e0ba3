// SPDX-License-Identifier: GPL-2.0-only
/*
 * vttm: a TTM device for machines without a GPU.
 */

/**
 * DOC: vttm
 *
 * vttm is to TTM what vgem is to GEM: a DRM device on the platform bus without
 * any hardware behind it. Its buffer objects are ordinary TTM ones, in system
 * memory (cached, write-combined or uncached) or in a small fake VRAM, and
 * TTM itself allocates, faults, moves, evicts and swaps them. Private ioctls
 * (vttm_drm.h) force what otherwise only memory pressure does, and tell what
 * struct page says of a BO's pages.
 *
 * It opts into TTM's PFNMAP mode as any driver would, in one place
 * (vttm_opt_in()), and runs on a ttm.ko without the mode too::
 *
 *	modprobe vttm			# vttm.0, in the mode
 *	modprobe vttm twin=1		# and vttm.1, stock behaviour, beside it
 *	modprobe vttm optin=0		# vttm.0, stock behaviour
 *	modprobe vttm driver=vmwgfx	# vttm.0, of a driver of that name
 *	modprobe vttm vm_ops=open	# with vm_ops that the mode refuses
 *
 * It is a test device. It has no rendering, no display, no stable uAPI and no
 * memory limit per client: do not load it where users are not trusted.
 */

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/list.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/platform_device.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_gem_ttm_helper.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_managed.h>
#include <drm/drm_prime.h>
#include <drm/ttm/ttm_pfnmap.h>
#include <drm/ttm/ttm_pool.h>
#include <drm/ttm/ttm_range_manager.h>

#include "vttm_compat.h"
#include "vttm_drm.h"

static bool optin = true;
module_param(optin, bool, 0444);
MODULE_PARM_DESC(optin, "Opt into TTM's PFNMAP mode (default: true)");

static bool twin;
module_param(twin, bool, 0444);
MODULE_PARM_DESC(twin,
		 "Add a second device that never opts in (default: false)");

static unsigned int vram_mb = 16;
module_param(vram_mb, uint, 0444);
MODULE_PARM_DESC(vram_mb,
		 "Size of each device's fake VRAM in MiB (default: 16)");

static char *driver = "vttm";
module_param(driver, charp, 0444);
MODULE_PARM_DESC(
	driver,
	"Name of the platform driver, by which the mode knows some that it refuses (default: vttm)");

static bool dma_alloc;
module_param(dma_alloc, bool, 0444);
MODULE_PARM_DESC(dma_alloc,
		 "Use TTM's DMA pool, which the mode refuses (default: false)");

static bool bad_vma;
module_param(bad_vma, bool, 0444);
MODULE_PARM_DESC(
	bad_vma,
	"Obey VTTM_CTL_BAD_VMA outside of the mode, too, which is a BUG() then (default: false)");

/* Swapout is tried this often while others keep locking the BO. */
#define VTTM_SWAPOUT_TRIES 100

/* Platform device ids; the twin ignores optin and dma_alloc. */
#define VTTM_ID_MAIN 0
#define VTTM_ID_TWIN 1
#define VTTM_NUM_DEVICES 2

/**
 * struct vttm - one device
 * @drm: the DRM device; everything else goes when it does
 * @bdev: the TTM device
 * @dma_alloc: @bdev uses the DMA pool, whose pages say nothing of their order
 * @vram_pages: the fake VRAM's pages
 * @vram_size: of the fake VRAM, in pages
 * @vram: the fake VRAM as the kernel sees it
 * @bos_lock: protects @bos and @live_bos
 * @bos: all BOs that are not destroyed yet
 * @live_bos: their number
 * @swapout_lock: one SWAPOUT at a time
 * @swapout_task: the task in SWAPOUT, under @swapout_lock
 * @swapout_bo: what it wants swapped out; for @swapout_task only
 * @unplug_lock: protects @unplugged
 * @unplugged: the device is gone for user space
 */
struct vttm {
	struct drm_device drm;
	struct ttm_device bdev;
	bool dma_alloc;

	struct page **vram_pages;
	unsigned long vram_size;
	void *vram;

	spinlock_t bos_lock; /* bos, live_bos */
	struct list_head bos;
	unsigned long live_bos;

	struct mutex swapout_lock; /* the two below */
	struct task_struct *swapout_task;
	struct ttm_buffer_object *swapout_bo;

	struct mutex unplug_lock; /* unplugged */
	bool unplugged;
};

/**
 * struct vttm_bo - one buffer object
 * @tbo: TTM's part, which holds GEM's
 * @link: in struct vttm.bos, or with an unplug for a moment
 * @caching: of its system pages
 */
struct vttm_bo {
	struct ttm_buffer_object tbo;
	struct list_head link;
	enum ttm_caching caching;
};

/* struct vttm_file.flags */
#define VTTM_FILE_BAD_VMA 0

/**
 * struct vttm_file - one open file
 * @flags: VTTM_FILE_* bits
 */
struct vttm_file {
	unsigned long flags;
};

static struct vttm *to_vttm(struct drm_device *drm)
{
	return container_of(drm, struct vttm, drm);
}

static struct vttm *bdev_to_vttm(struct ttm_device *bdev)
{
	return container_of(bdev, struct vttm, bdev);
}

static struct vttm_bo *to_vttm_bo(struct ttm_buffer_object *tbo)
{
	return container_of(tbo, struct vttm_bo, tbo);
}

/*
 * The mode's functions are looked up at run time, so that this module also
 * loads where ttm.ko has none.
 */

static int vttm_pfnmap_enable(struct ttm_device *bdev)
{
	int (*enable)(struct ttm_device *bdev) = symbol_get(ttm_pfnmap_enable);
	int ret;

	if (!enable)
		return -ENOSYS;
	ret = enable(bdev);
	symbol_put(ttm_pfnmap_enable);
	return ret;
}

static bool vttm_pfnmap_enabled(struct vttm *vttm)
{
	bool (*enabled)(const struct ttm_device *bdev) =
		symbol_get(ttm_pfnmap_enabled);
	bool ret;

	if (!enabled)
		return false;
	ret = enabled(&vttm->bdev);
	symbol_put(ttm_pfnmap_enabled);
	return ret;
}

/*
 * The fake VRAM.
 *
 * Single pages of alloc_page(), each with a count of its own and owned by the
 * device until the last reference goes. KVM may take and drop references to
 * them as it likes, so VRAM needs no mark. TTM treats it as I/O memory.
 */

static void vttm_vram_fini(struct drm_device *drm, void *unused)
{
	struct vttm *vttm = to_vttm(drm);
	unsigned long i;

	if (vttm->vram)
		vunmap(vttm->vram);
	for (i = 0; i < vttm->vram_size; i++)
		put_page(vttm->vram_pages[i]);
	kvfree(vttm->vram_pages);
}

static int vttm_vram_init(struct vttm *vttm)
{
	unsigned long num_pages = (unsigned long)vram_mb << (20 - PAGE_SHIFT);
	struct page *page;
	int ret;

	vttm->vram_pages = kvmalloc_array(num_pages, sizeof(*vttm->vram_pages),
					  GFP_KERNEL);
	if (!vttm->vram_pages)
		return -ENOMEM;
	ret = drmm_add_action_or_reset(&vttm->drm, vttm_vram_fini, NULL);
	if (ret)
		return ret;

	/* vram_size counts up, so that vttm_vram_fini() knows where it ended. */
	while (vttm->vram_size < num_pages) {
		page = alloc_page(GFP_KERNEL | __GFP_ZERO |
				  __GFP_RETRY_MAYFAIL);
		if (!page)
			return -ENOMEM;
		vttm->vram_pages[vttm->vram_size++] = page;
	}

	vttm->vram = vmap(vttm->vram_pages, num_pages, VM_MAP, PAGE_KERNEL);
	return vttm->vram ? 0 : -ENOMEM;
}

static bool vttm_bo_in_vram(const struct ttm_buffer_object *tbo)
{
	return tbo->resource && tbo->resource->mem_type == TTM_PL_VRAM;
}

/* Where a VRAM resource begins. */
static void *vttm_vram_addr(struct vttm *vttm, const struct ttm_resource *res)
{
	return vttm->vram + ((unsigned long)res->start << PAGE_SHIFT);
}

static struct page *vttm_vram_page(struct vttm *vttm,
				   const struct ttm_resource *res,
				   unsigned long index)
{
	return vttm->vram_pages[res->start + index];
}

/* TTM's callbacks. */

static struct ttm_tt *vttm_tt_create(struct ttm_buffer_object *tbo,
				     uint32_t page_flags)
{
	struct ttm_tt *tt;

	tt = kzalloc(sizeof(*tt), GFP_KERNEL);
	if (!tt)
		return NULL;

	/*
	 * TTM leaves the flag out when the pages are to receive a copy. The
	 * ttm_tt outlives the copy: populated once more after an unplug, it
	 * must not show ptrace what the kernel left in the pages.
	 */
	page_flags |= TTM_TT_FLAG_ZERO_ALLOC;

	if (ttm_tt_init(tt, tbo, page_flags, to_vttm_bo(tbo)->caching, 0)) {
		kfree(tt);
		return NULL;
	}
	return tt;
}

static void vttm_tt_destroy(struct ttm_device *bdev, struct ttm_tt *tt)
{
	ttm_tt_fini(tt);
	kfree(tt);
}

/*
 * While a BO has pages, their mapping is the device's address space: amdgpu does
 * that, and the PFNMAP mode has to live with it.
 */
static void vttm_tt_set_mapping(struct ttm_device *bdev, struct ttm_tt *tt,
				struct address_space *mapping)
{
	if (bdev->pool.use_dma_alloc)
		return;
	for (unsigned long i = 0; i < tt->num_pages; i++)
		tt->pages[i]->mapping = mapping;
}

static int vttm_tt_populate(struct ttm_device *bdev, struct ttm_tt *tt,
			    struct ttm_operation_ctx *ctx)
{
	int ret = ttm_pool_alloc(&bdev->pool, tt, ctx);

	if (!ret)
		vttm_tt_set_mapping(bdev, tt, bdev->dev_mapping);
	return ret;
}

static void vttm_tt_unpopulate(struct ttm_device *bdev, struct ttm_tt *tt)
{
	vttm_tt_set_mapping(bdev, tt, NULL);
	ttm_pool_free(&bdev->pool, tt);
}

static bool vttm_eviction_valuable(struct ttm_buffer_object *tbo,
				   const struct ttm_place *place)
{
	struct vttm *vttm = bdev_to_vttm(tbo->bdev);

	/*
	 * In SWAPOUT only the one BO is attractive. Other tasks, which swap or
	 * evict because they need the memory, choose freely meanwhile.
	 */
	if (place->mem_type == TTM_PL_SYSTEM &&
	    READ_ONCE(vttm->swapout_task) == current)
		return tbo == vttm->swapout_bo;

	return ttm_bo_eviction_valuable(tbo, place);
}

static const struct ttm_place vttm_place_system = {
	.mem_type = TTM_PL_SYSTEM,
};

static const struct ttm_place vttm_place_vram = {
	.mem_type = TTM_PL_VRAM,
};

static void vttm_evict_flags(struct ttm_buffer_object *tbo,
			     struct ttm_placement *placement)
{
	vttm_placement_set(placement, &vttm_place_system);
}

static int vttm_move(struct ttm_buffer_object *tbo, bool evict,
		     struct ttm_operation_ctx *ctx,
		     struct ttm_resource *new_mem, struct ttm_place *hop)
{
	struct vttm *vttm = bdev_to_vttm(tbo->bdev);

	if (tbo->resource)
		return ttm_bo_move_memcpy(tbo, ctx, new_mem);

	/* A new BO: nothing to copy, but the last user's data to clear. */
	if (new_mem->mem_type == TTM_PL_VRAM)
		memset(vttm_vram_addr(vttm, new_mem), 0, tbo->base.size);
	ttm_bo_move_null(tbo, new_mem);
	return 0;
}

static int vttm_io_mem_reserve(struct ttm_device *bdev,
			       struct ttm_resource *mem)
{
	if (mem->mem_type != TTM_PL_VRAM)
		return 0;

	mem->bus.addr = vttm_vram_addr(bdev_to_vttm(bdev), mem);
	mem->bus.is_iomem = true;
	mem->bus.caching = ttm_cached;
	return 0;
}

static unsigned long vttm_io_mem_pfn(struct ttm_buffer_object *tbo,
				     unsigned long page_offset)
{
	return page_to_pfn(vttm_vram_page(bdev_to_vttm(tbo->bdev),
					  tbo->resource, page_offset));
}

/* ptrace on VRAM; TTM itself does it on system memory. */
static int vttm_access_memory(struct ttm_buffer_object *tbo,
			      unsigned long offset, void *buf, int len,
			      int write)
{
	void *vram = vttm_vram_addr(bdev_to_vttm(tbo->bdev), tbo->resource);

	if (len < 0 || offset > tbo->base.size || len > tbo->base.size - offset)
		return -EIO;

	if (write)
		memcpy(vram + offset, buf, len);
	else
		memcpy(buf, vram + offset, len);
	return len;
}

/* Not const: up to 6.2 ttm_device_init() does not take a const one. */
static struct ttm_device_funcs vttm_ttm_funcs = {
	.ttm_tt_create = vttm_tt_create,
	.ttm_tt_populate = vttm_tt_populate,
	.ttm_tt_unpopulate = vttm_tt_unpopulate,
	.ttm_tt_destroy = vttm_tt_destroy,
	.eviction_valuable = vttm_eviction_valuable,
	.evict_flags = vttm_evict_flags,
	.move = vttm_move,
	.io_mem_reserve = vttm_io_mem_reserve,
	.io_mem_pfn = vttm_io_mem_pfn,
	.access_memory = vttm_access_memory,
};

/* CPU mappings. */

/* Index to vttm_vm_ops. */
enum vttm_vm_ops_choice {
	VTTM_VM_OPS_TTM,
	VTTM_VM_OPS_PFN_MKWRITE,
	VTTM_VM_OPS_PAGE_MKWRITE,
	VTTM_VM_OPS_OPEN,
};

static const char *const vttm_vm_ops_names[] = {
	[VTTM_VM_OPS_TTM] = "ttm",
	[VTTM_VM_OPS_PFN_MKWRITE] = "pfn_mkwrite",
	[VTTM_VM_OPS_PAGE_MKWRITE] = "page_mkwrite",
	[VTTM_VM_OPS_OPEN] = "open",
};

static int vttm_vm_ops_chosen = VTTM_VM_OPS_TTM;

static int vttm_vm_ops_set(const char *val, const struct kernel_param *kp)
{
	int choice = val ? sysfs_match_string(vttm_vm_ops_names, val) : -EINVAL;

	if (choice < 0)
		return choice;
	WRITE_ONCE(vttm_vm_ops_chosen, choice);
	return 0;
}

static int vttm_vm_ops_get(char *buf, const struct kernel_param *kp)
{
	return scnprintf(buf, PAGE_SIZE, "%s\n",
			 vttm_vm_ops_names[READ_ONCE(vttm_vm_ops_chosen)]);
}

static const struct kernel_param_ops vttm_vm_ops_param = {
	.set = vttm_vm_ops_set,
	.get = vttm_vm_ops_get,
};
module_param_cb(vm_ops, &vttm_vm_ops_param, NULL, 0644);
MODULE_PARM_DESC(
	vm_ops,
	"Of mappings made from now on: ttm (default), or what the mode refuses: pfn_mkwrite, page_mkwrite, or open (one of its own, as i915)");

static vm_fault_t vttm_vm_fault(struct vm_fault *vmf)
{
	struct ttm_buffer_object *tbo = vmf->vma->vm_private_data;
	pgprot_t prot = vmf->vma->vm_page_prot;
	vm_fault_t ret;
	int idx;

	ret = ttm_bo_vm_reserve(tbo, vmf);
	if (ret)
		return ret;

	if (drm_dev_enter(tbo->base.dev, &idx)) {
		ret = ttm_bo_vm_fault_reserved(vmf, prot,
					       TTM_BO_VM_NUM_PREFAULT);
		drm_dev_exit(idx);
	} else {
		ret = ttm_bo_vm_dummy_page(vmf, prot);
	}

	/* If it waited without the mmap lock, TTM has unlocked the BO too. */
	if (ret != VM_FAULT_RETRY || vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		dma_resv_unlock(tbo->base.resv);
	return ret;
}

static vm_fault_t vttm_vm_mkwrite(struct vm_fault *vmf)
{
	return 0;
}

/* All that a driver can rightly do at a fork, except to tell TTM of it. */
static void vttm_vm_open(struct vm_area_struct *vma)
{
	ttm_bo_get(vma->vm_private_data);
}

#define VTTM_VM_OPS \
	.fault = vttm_vm_fault, .close = ttm_bo_vm_close, \
	.access = ttm_bo_vm_access

static const struct vm_operations_struct vttm_vm_ops[] = {
	[VTTM_VM_OPS_TTM] = { VTTM_VM_OPS, .open = ttm_bo_vm_open },
	[VTTM_VM_OPS_PFN_MKWRITE] = { VTTM_VM_OPS, .open = ttm_bo_vm_open,
				      .pfn_mkwrite = vttm_vm_mkwrite },
	[VTTM_VM_OPS_PAGE_MKWRITE] = { VTTM_VM_OPS, .open = ttm_bo_vm_open,
				       .page_mkwrite = vttm_vm_mkwrite },
	[VTTM_VM_OPS_OPEN] = { VTTM_VM_OPS, .open = vttm_vm_open },
};

DEFINE_DRM_GEM_FOPS(vttm_fops);

static int vttm_gem_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	struct file *file = vma->vm_file;
	struct drm_file *drm_file;
	struct vttm_file *vfile;
	int ret;

	vma->vm_ops = &vttm_vm_ops[READ_ONCE(vttm_vm_ops_chosen)];
	ret = drm_gem_ttm_mmap(obj, vma);
	/* A dma-buf's mapping has another file. */
	if (ret || file->f_op != &vttm_fops)
		return ret;

	drm_file = file->private_data;
	vfile = drm_file->driver_priv;
	if (test_and_clear_bit(VTTM_FILE_BAD_VMA, &vfile->flags))
		vttm_vm_flags_set(vma, VM_MIXEDMAP);
	return 0;
}

/* GEM's callbacks. */

/* The reservation is held. */
static int vttm_bo_place(struct ttm_buffer_object *tbo,
			 const struct ttm_place *place)
{
	struct ttm_operation_ctx ctx = { .interruptible = true };
	struct ttm_placement placement = {};

	vttm_placement_set(&placement, place);
	return ttm_bo_validate(tbo, &placement, &ctx);
}

/* The reservation is held. */
static int vttm_bo_populate_and_pin(struct ttm_buffer_object *tbo)
{
	struct ttm_operation_ctx ctx = { .interruptible = true };
	int ret;

	ret = vttm_bo_place(tbo, &vttm_place_system);
	if (ret)
		return ret;
	ret = ttm_tt_populate(tbo->bdev, tbo->ttm, &ctx);
	if (ret)
		return ret;
	ttm_bo_pin(tbo);
	/* TTM looks at the pin when it sorts the lists, not when it pins. */
	ttm_bo_move_to_lru_tail_unlocked(tbo);
	return 0;
}

/* For importers: in system memory, populated, and neither swapped nor moved. */
static int vttm_gem_pin(struct drm_gem_object *obj)
{
	int idx, ret;

	if (!drm_dev_enter(obj->dev, &idx))
		return -ENODEV;
	ret = vttm_pin_lock(obj);
	if (!ret) {
		ret = vttm_bo_populate_and_pin(drm_gem_ttm_of_gem(obj));
		vttm_pin_unlock(obj);
	}
	drm_dev_exit(idx);
	return ret;
}

static void vttm_gem_unpin(struct drm_gem_object *obj)
{
	vttm_pin_lock(obj);
	ttm_bo_unpin(drm_gem_ttm_of_gem(obj));
	ttm_bo_move_to_lru_tail_unlocked(drm_gem_ttm_of_gem(obj));
	vttm_pin_unlock(obj);
}

/* Importers may vmap without attaching, that is, without a pin of theirs. */
static int vttm_gem_vmap(struct drm_gem_object *obj, struct iosys_map *map)
{
	int ret;

	ret = vttm_gem_pin(obj);
	if (ret)
		return ret;
	ret = drm_gem_ttm_vmap(obj, map);
	if (ret)
		vttm_gem_unpin(obj);
	return ret;
}

static void vttm_gem_vunmap(struct drm_gem_object *obj, struct iosys_map *map)
{
	drm_gem_ttm_vunmap(obj, map);
	vttm_gem_unpin(obj);
}

static struct sg_table *vttm_gem_get_sg_table(struct drm_gem_object *obj)
{
	struct ttm_tt *tt = drm_gem_ttm_of_gem(obj)->ttm;
	struct sg_table *sgt;
	int idx;

	/* An unplug takes the pages even of pinned BOs. */
	if (!drm_dev_enter(obj->dev, &idx))
		return ERR_PTR(-ENODEV);
	sgt = drm_prime_pages_to_sg(obj->dev, tt->pages, tt->num_pages);
	drm_dev_exit(idx);
	return sgt;
}

static struct drm_gem_object *vttm_gem_prime_import(struct drm_device *drm,
						    struct dma_buf *dma_buf)
{
	struct drm_gem_object *obj = drm_gem_prime_import(drm, dma_buf);

	/* Ours comes back as the BO it is; the helper has no word for others. */
	return obj == ERR_PTR(-EINVAL) ? ERR_PTR(-EOPNOTSUPP) : obj;
}

static void vttm_gem_free(struct drm_gem_object *obj)
{
	ttm_bo_put(drm_gem_ttm_of_gem(obj));
}

static const struct drm_gem_object_funcs vttm_gem_funcs = {
	.free = vttm_gem_free,
	.print_info = drm_gem_ttm_print_info,
	.pin = vttm_gem_pin,
	.unpin = vttm_gem_unpin,
	.get_sg_table = vttm_gem_get_sg_table,
	.vmap = vttm_gem_vmap,
	.vunmap = vttm_gem_vunmap,
	.mmap = vttm_gem_mmap,
	.vm_ops = &vttm_vm_ops[VTTM_VM_OPS_TTM],
};

/* Creating BOs. */

static void vttm_bo_add(struct vttm *vttm, struct vttm_bo *bo)
{
	spin_lock(&vttm->bos_lock);
	list_add_tail(&bo->link, &vttm->bos);
	vttm->live_bos++;
	spin_unlock(&vttm->bos_lock);
}

static void vttm_bo_del(struct vttm *vttm, struct vttm_bo *bo)
{
	spin_lock(&vttm->bos_lock);
	list_del(&bo->link);
	vttm->live_bos--;
	spin_unlock(&vttm->bos_lock);
}

static void vttm_bo_destroy(struct ttm_buffer_object *tbo)
{
	struct vttm_bo *bo = to_vttm_bo(tbo);

	vttm_bo_del(bdev_to_vttm(tbo->bdev), bo);
	drm_gem_object_release(&tbo->base);
	kfree(bo);
}

static int vttm_caching(u32 flags, enum ttm_caching *caching)
{
	if (flags & ~(VTTM_BO_CACHING_MASK | VTTM_BO_VRAM))
		return -EINVAL;

	switch (flags & VTTM_BO_CACHING_MASK) {
	case VTTM_BO_CACHED:
		*caching = ttm_cached;
		return 0;
	case VTTM_BO_WC:
		*caching = ttm_write_combined;
		return 0;
	case VTTM_BO_UC:
		*caching = ttm_uncached;
		return 0;
	default:
		return -EINVAL;
	}
}

static int vttm_size(struct vttm *vttm, u64 *size, u32 flags)
{
	u64 limit = (u64)totalram_pages() / 2 << PAGE_SHIFT;

	if (!*size || *size > U64_MAX - (PAGE_SIZE - 1))
		return -EINVAL;

	/* Asking anyway would evict everything else before it fails. */
	if (flags & VTTM_BO_VRAM)
		limit = (u64)vttm->vram_size << PAGE_SHIFT;

	*size = PAGE_ALIGN(*size);
	return *size > limit ? -ENOMEM : 0;
}

/* Returns a BO with one GEM reference; @size is a multiple of the page size. */
static struct drm_gem_object *
vttm_bo_create(struct vttm *vttm, u64 size, u32 flags, enum ttm_caching caching)
{
	struct ttm_placement placement = {};
	struct vttm_bo *bo;
	int ret;

	bo = kzalloc(sizeof(*bo), GFP_KERNEL);
	if (!bo)
		return ERR_PTR(-ENOMEM);

	bo->caching = caching;
	bo->tbo.base.funcs = &vttm_gem_funcs;
	drm_gem_private_object_init(&vttm->drm, &bo->tbo.base, size);
	vttm_bo_add(vttm, bo);

	vttm_placement_set(&placement, flags & VTTM_BO_VRAM ?
					       &vttm_place_vram :
					       &vttm_place_system);
	/* If it fails, it has destroyed the BO. */
	ret = ttm_bo_init_validate(&vttm->bdev, &bo->tbo, ttm_bo_type_device,
				   &placement, 0, true, NULL, NULL,
				   vttm_bo_destroy);
	return ret ? ERR_PTR(ret) : &bo->tbo.base;
}

static int vttm_create_handle(struct drm_device *drm, struct drm_file *file,
			      u64 *size, u32 flags, u32 *handle)
{
	struct vttm *vttm = to_vttm(drm);
	struct drm_gem_object *obj;
	enum ttm_caching caching;
	int idx, ret;

	ret = vttm_caching(flags, &caching);
	if (ret)
		return ret;
	ret = vttm_size(vttm, size, flags);
	if (ret)
		return ret;

	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	obj = vttm_bo_create(vttm, *size, flags, caching);
	drm_dev_exit(idx);
	if (IS_ERR(obj))
		return PTR_ERR(obj);

	ret = drm_gem_handle_create(file, obj, handle);
	drm_gem_object_put(obj);
	return ret;
}

static int vttm_dumb_create(struct drm_file *file, struct drm_device *drm,
			    struct drm_mode_create_dumb *args)
{
	u64 size;

	/* The core has checked that none of this overflows 32 bits. */
	args->pitch = args->width * DIV_ROUND_UP(args->bpp, 8);
	size = (u64)args->pitch * args->height;
	if (args->flags)
		return -EINVAL;

	args->size = size;
	return vttm_create_handle(drm, file, &args->size, VTTM_BO_CACHED,
				  &args->handle);
}

/* Looking at BOs, with the reservation held. */

static struct page *vttm_bo_page(struct ttm_buffer_object *tbo,
				 unsigned long index)
{
	if (vttm_bo_in_vram(tbo))
		return vttm_vram_page(bdev_to_vttm(tbo->bdev), tbo->resource,
				      index);
	if (tbo->ttm && ttm_tt_is_populated(tbo->ttm))
		return tbo->ttm->pages[index];
	return NULL;
}

static u32 vttm_bo_placement(struct ttm_buffer_object *tbo)
{
	if (vttm_bo_in_vram(tbo))
		return VTTM_PL_VRAM;
	if (!tbo->ttm)
		return VTTM_PL_NONE;
	if (ttm_tt_is_populated(tbo->ttm))
		return VTTM_PL_SYSTEM;
	if (tbo->ttm->page_flags & TTM_TT_FLAG_SWAPPED)
		return VTTM_PL_SWAPPED;
	return VTTM_PL_NONE;
}

/*
 * How many pages the chunk has that begins at this page; 0 if that cannot be
 * known. TTM's pool keeps the order in the first page of what it allocated.
 */
static unsigned long vttm_chunk_pages(struct ttm_buffer_object *tbo,
				      struct page *head)
{
	if (vttm_bo_in_vram(tbo))
		return 1;
	if (bdev_to_vttm(tbo->bdev)->dma_alloc)
		return 0;
	if (WARN_ON_ONCE(page_private(head) > VTTM_MAX_ORDER))
		return 0;
	return 1UL << page_private(head);
}

static bool vttm_is_head(struct ttm_buffer_object *tbo, unsigned long index)
{
	unsigned long i = 0, step;

	while (i < index) {
		step = vttm_chunk_pages(tbo, vttm_bo_page(tbo, i));
		if (!step)
			return false;
		i += step;
	}
	return i == index && vttm_chunk_pages(tbo, vttm_bo_page(tbo, i));
}

static void vttm_fill_page(struct ttm_buffer_object *tbo, struct page *page,
			   struct drm_vttm_page *args)
{
	args->pfn = page_to_pfn(page);
	args->count = page_count(page);
	/* None of these pages is compound: no need for page_mapcount(). */
	args->mapcount = atomic_read(&page->_mapcount) + 1;
	args->placement = vttm_bo_placement(tbo);
	args->flags = 0;
	if (PageReserved(page))
		args->flags |= VTTM_PAGE_RESERVED;
	if (vttm_is_head(tbo, args->index))
		args->flags |= VTTM_PAGE_HEAD;
}

static void vttm_count_page(struct page *page, struct drm_vttm_info *args)
{
	if (PageReserved(page))
		args->reserved++;

	switch (page_count(page)) {
	case 0:
		args->count_zero++;
		break;
	case 1:
		args->count_one++;
		break;
	default:
		args->count_other++;
		break;
	}
}

static void vttm_fill_info(struct ttm_buffer_object *tbo,
			   struct drm_vttm_info *args)
{
	unsigned long i, next_head = 0;
	struct page *page;

	*args = (struct drm_vttm_info){
		.handle = args->handle,
		.placement = vttm_bo_placement(tbo),
		.pages = PFN_UP(tbo->base.size),
	};

	for (i = 0; i < args->pages; i++) {
		page = vttm_bo_page(tbo, i);
		if (!page)
			return;
		vttm_count_page(page, args);
		if (i == next_head && vttm_chunk_pages(tbo, page)) {
			next_head += vttm_chunk_pages(tbo, page);
			args->chunks++;
		}
		cond_resched();
	}
}

/* Doing things to BOs. */

/*
 * Makes the BO ready for swapout. Returns 1 if there is something to swap out,
 * 0 if not, or a negative errno.
 */
static int vttm_swapout_prepare(struct ttm_buffer_object *tbo)
{
	int ret;

	/* Also waits for whoever made the previous try fail. */
	ret = ttm_bo_reserve(tbo, true, false, NULL);
	if (ret)
		return ret;

	if (tbo->pin_count)
		ret = -EBUSY;
	else if (vttm_bo_in_vram(tbo))
		ret = vttm_bo_place(tbo, &vttm_place_system);
	if (!ret)
		ret = tbo->ttm && ttm_tt_is_populated(tbo->ttm);

	ttm_bo_unreserve(tbo);
	return ret;
}

/* TTM only offers to swap out whatever is best. Returns what it returned. */
static int vttm_swapout_once(struct vttm *vttm, struct ttm_buffer_object *tbo)
{
	struct ttm_operation_ctx ctx = { .interruptible = true };
	int ret;

	if (mutex_lock_interruptible(&vttm->swapout_lock))
		return -ERESTARTSYS;

	vttm->swapout_bo = tbo;
	WRITE_ONCE(vttm->swapout_task, current);
	ret = ttm_device_swapout(&vttm->bdev, &ctx, GFP_KERNEL);
	WRITE_ONCE(vttm->swapout_task, NULL);
	vttm->swapout_bo = NULL;

	mutex_unlock(&vttm->swapout_lock);
	return ret;
}

/* Returns the number of pages or a negative errno. */
static int vttm_bo_swapout(struct vttm *vttm, struct ttm_buffer_object *tbo)
{
	int i, ret;

	for (i = 0; i < VTTM_SWAPOUT_TRIES; i++) {
		ret = vttm_swapout_prepare(tbo);
		if (ret <= 0)
			return ret;

		/* 0, or -ENOSPC up to 6.11: somebody else has the BO locked. */
		ret = vttm_swapout_once(vttm, tbo);
		if (ret && ret != -EBUSY && ret != -ENOSPC)
			return ret;
		cond_resched();
	}
	return -EBUSY;
}

static int vttm_bo_move_to(struct ttm_buffer_object *tbo,
			   const struct ttm_place *place)
{
	int ret;

	ret = ttm_bo_reserve(tbo, true, false, NULL);
	if (ret)
		return ret;

	if (tbo->resource && tbo->resource->mem_type == place->mem_type)
		ret = 0;
	else if (tbo->pin_count)
		ret = -EBUSY; /* up to 6.2 TTM would move it */
	else
		ret = vttm_bo_place(tbo, place);

	ttm_bo_unreserve(tbo);
	return ret;
}

/*
 * Takes a reference to every BO, except to those on their way out: it waits
 * until they are gone. No BO may be created meanwhile.
 */
static void vttm_hold_bos(struct vttm *vttm, struct list_head *held)
{
	struct vttm_bo *bo, *next;
	bool again;

	do {
		spin_lock(&vttm->bos_lock);
		list_for_each_entry_safe(bo, next, &vttm->bos, link) {
			if (ttm_bo_get_unless_zero(&bo->tbo))
				list_move_tail(&bo->link, held);
		}
		again = !list_empty(&vttm->bos);
		spin_unlock(&vttm->bos_lock);

		if (again)
			usleep_range(500, 1000);
	} while (again);
}

static void vttm_unhold_bos(struct vttm *vttm, struct list_head *held)
{
	struct vttm_bo *bo;

	while (!list_empty(held)) {
		bo = list_first_entry(held, struct vttm_bo, link);
		spin_lock(&vttm->bos_lock);
		list_move_tail(&bo->link, &vttm->bos);
		spin_unlock(&vttm->bos_lock);
		ttm_bo_put(&bo->tbo);
	}
}

/*
 * ttm_device_clear_dma_mappings() spins for ever, with the LRU lock held, on a
 * BO whose last reference has gone and whose release waits for that lock (seen
 * on 6.1 and 6.12). So no last reference may go while it runs.
 */
static void vttm_clear_dma_mappings(struct vttm *vttm)
{
	LIST_HEAD(held);

	vttm_hold_bos(vttm, &held);
	ttm_device_clear_dma_mappings(&vttm->bdev);
	vttm_unhold_bos(vttm, &held);
}

/*
 * As if the hardware were gone: no more ioctls, every mapping shows a dummy
 * page from now on, and system pages go back, whoever still has the BO open.
 * drm_dev_unplug() waits for everybody inside drm_dev_enter() and zaps all
 * mappings. That is what amdgpu does in its PCI remove callback.
 */
static void vttm_unplug(struct vttm *vttm)
{
	mutex_lock(&vttm->unplug_lock);
	if (!vttm->unplugged) {
		vttm->unplugged = true;
		drm_dev_unplug(&vttm->drm);
		vttm_clear_dma_mappings(vttm);
	}
	mutex_unlock(&vttm->unplug_lock);
}

static int vttm_enable_foreign(void)
{
	struct ttm_device *foreign;
	int ret;

	foreign = kzalloc(sizeof(*foreign), GFP_KERNEL);
	if (!foreign)
		return -ENOMEM;
	ret = vttm_pfnmap_enable(foreign);
	kfree(foreign);
	return ret;
}

static int vttm_bad_vma(struct vttm *vttm, struct drm_file *file)
{
	struct vttm_file *vfile = file->driver_priv;

	/* Without the mode's check, a fault in such a VMA is a BUG() in mm. */
	if (!vttm_pfnmap_enabled(vttm) && !bad_vma)
		return -EOPNOTSUPP;
	set_bit(VTTM_FILE_BAD_VMA, &vfile->flags);
	return 0;
}

/* The ioctls. */

static int vttm_ioctl_create(struct drm_device *drm, void *data,
			     struct drm_file *file)
{
	struct drm_vttm_create *args = data;

	return vttm_create_handle(drm, file, &args->size, args->flags,
				  &args->handle);
}

static int vttm_ioctl_swapout(struct drm_device *drm, void *data,
			      struct drm_file *file)
{
	struct drm_vttm_swapout *args = data;
	struct drm_gem_object *obj;
	int idx, ret;

	if (args->pad)
		return -EINVAL;
	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;

	ret = -ENODEV;
	if (drm_dev_enter(drm, &idx)) {
		ret = vttm_bo_swapout(to_vttm(drm), drm_gem_ttm_of_gem(obj));
		drm_dev_exit(idx);
	}
	drm_gem_object_put(obj);
	if (ret < 0)
		return ret;

	args->pages = ret;
	return 0;
}

static int vttm_ioctl_move(struct drm_device *drm, void *data,
			   struct drm_file *file)
{
	struct drm_vttm_move *args = data;
	const struct ttm_place *place;
	struct drm_gem_object *obj;
	int idx, ret;

	if (args->placement == VTTM_PL_SYSTEM)
		place = &vttm_place_system;
	else if (args->placement == VTTM_PL_VRAM)
		place = &vttm_place_vram;
	else
		return -EINVAL;

	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;

	ret = -ENODEV;
	if (place == &vttm_place_vram &&
	    PFN_UP(obj->size) > to_vttm(drm)->vram_size) {
		ret = -ENOSPC;
	} else if (drm_dev_enter(drm, &idx)) {
		ret = vttm_bo_move_to(drm_gem_ttm_of_gem(obj), place);
		drm_dev_exit(idx);
	}
	drm_gem_object_put(obj);
	return ret;
}

static int vttm_page_locked(struct ttm_buffer_object *tbo,
			    struct drm_vttm_page *args)
{
	struct page *page;

	if (args->index >= PFN_UP(tbo->base.size))
		return -EINVAL;
	page = vttm_bo_page(tbo, args->index);
	if (!page)
		return -ENXIO;
	vttm_fill_page(tbo, page, args);
	return 0;
}

static int vttm_ioctl_page(struct drm_device *drm, void *data,
			   struct drm_file *file)
{
	struct drm_vttm_page *args = data;
	struct ttm_buffer_object *tbo;
	struct drm_gem_object *obj;
	int idx, ret;

	if (args->pad)
		return -EINVAL;
	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;
	tbo = drm_gem_ttm_of_gem(obj);

	ret = -ENODEV;
	if (drm_dev_enter(drm, &idx)) {
		ret = ttm_bo_reserve(tbo, true, false, NULL);
		if (!ret) {
			ret = vttm_page_locked(tbo, args);
			ttm_bo_unreserve(tbo);
		}
		drm_dev_exit(idx);
	}
	drm_gem_object_put(obj);
	return ret;
}

static int vttm_ioctl_info(struct drm_device *drm, void *data,
			   struct drm_file *file)
{
	struct drm_vttm_info *args = data;
	struct ttm_buffer_object *tbo;
	struct drm_gem_object *obj;
	int idx, ret;

	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;
	tbo = drm_gem_ttm_of_gem(obj);

	ret = -ENODEV;
	if (drm_dev_enter(drm, &idx)) {
		ret = ttm_bo_reserve(tbo, true, false, NULL);
		if (!ret) {
			vttm_fill_info(tbo, args);
			ttm_bo_unreserve(tbo);
		}
		drm_dev_exit(idx);
	}
	drm_gem_object_put(obj);
	return ret;
}

/* What a driver's evict_flags may ask for: the contents are not needed. */
static int vttm_bo_purge(struct ttm_buffer_object *tbo)
{
	struct ttm_operation_ctx ctx = { .interruptible = true };
	struct ttm_placement nowhere = {};
	int ret = ttm_bo_reserve(tbo, true, false, NULL);

	if (ret)
		return ret;
	ret = tbo->pin_count ? -EBUSY : ttm_bo_validate(tbo, &nowhere, &ctx);
	/* From 6.3 on it has no resource now, and a fault wants one. */
	if (!ret)
		ret = vttm_bo_place(tbo, &vttm_place_system);
	ttm_bo_unreserve(tbo);
	return ret;
}

static int vttm_ioctl_purge(struct drm_device *drm, void *data,
			    struct drm_file *file)
{
	struct drm_vttm_purge *args = data;
	struct drm_gem_object *obj;
	int idx, ret = -ENODEV;

	if (args->pad)
		return -EINVAL;
	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;
	if (drm_dev_enter(drm, &idx)) {
		ret = vttm_bo_purge(drm_gem_ttm_of_gem(obj));
		drm_dev_exit(idx);
	}
	drm_gem_object_put(obj);
	return ret;
}

/* Is the kernel's own mapping of a page anything but write-back? */
static bool vttm_page_uncached(struct page *page)
{
#ifdef CONFIG_X86
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)page_address(page), &level);

	return pte && pte_val(*pte) & (_PAGE_PWT | _PAGE_PCD);
#else
	return false;
#endif
}

static int vttm_ioctl_pfn(struct drm_device *drm, void *data,
			  struct drm_file *file)
{
	struct drm_vttm_pfn *args = data;
	struct page *page;

	if (args->count || args->flags)
		return -EINVAL;
	page = pfn_to_online_page(args->pfn);
	if (!page)
		return -ENXIO;
	args->count = page_count(page);
	if (PageReserved(page))
		args->flags |= VTTM_PAGE_RESERVED;
	if (vttm_page_uncached(page))
		args->flags |= VTTM_PAGE_UNCACHED;
	return 0;
}

static int vttm_ioctl_param(struct drm_device *drm, void *data,
			    struct drm_file *file)
{
	struct vttm *vttm = to_vttm(drm);
	struct drm_vttm_param *args = data;

	if (args->pad)
		return -EINVAL;

	switch (args->param) {
	case VTTM_PARAM_OPTED_IN:
		args->value = vttm_pfnmap_enabled(vttm);
		return 0;
	case VTTM_PARAM_VRAM_SIZE:
		args->value = (u64)vttm->vram_size << PAGE_SHIFT;
		return 0;
	case VTTM_PARAM_LIVE_BOS:
		args->value = READ_ONCE(vttm->live_bos);
		return 0;
	default:
		return -EINVAL;
	}
}

static int vttm_ioctl_ctl(struct drm_device *drm, void *data,
			  struct drm_file *file)
{
	struct vttm *vttm = to_vttm(drm);
	struct drm_vttm_ctl *args = data;

	if (args->pad)
		return -EINVAL;

	switch (args->op) {
	case VTTM_CTL_UNPLUG:
		vttm_unplug(vttm);
		return 0;
	case VTTM_CTL_ENABLE_AGAIN:
		return vttm_pfnmap_enable(&vttm->bdev);
	case VTTM_CTL_ENABLE_NULL:
		return vttm_pfnmap_enable(NULL);
	case VTTM_CTL_ENABLE_FOREIGN:
		return vttm_enable_foreign();
	case VTTM_CTL_BAD_VMA:
		return vttm_bad_vma(vttm, file);
	default:
		return -EINVAL;
	}
}

static const struct drm_ioctl_desc vttm_ioctls[] = {
	DRM_IOCTL_DEF_DRV(VTTM_CREATE, vttm_ioctl_create, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VTTM_SWAPOUT, vttm_ioctl_swapout, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VTTM_MOVE, vttm_ioctl_move, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VTTM_PAGE, vttm_ioctl_page, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VTTM_INFO, vttm_ioctl_info, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VTTM_PARAM, vttm_ioctl_param, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VTTM_CTL, vttm_ioctl_ctl, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VTTM_PURGE, vttm_ioctl_purge, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(VTTM_PFN, vttm_ioctl_pfn, DRM_ROOT_ONLY),
};

/* The device. */

static int vttm_open(struct drm_device *drm, struct drm_file *file)
{
	struct vttm_file *priv = kzalloc(sizeof(*priv), GFP_KERNEL);

	file->driver_priv = priv;
	return priv ? 0 : -ENOMEM;
}

static void vttm_postclose(struct drm_device *drm, struct drm_file *file)
{
	kfree(file->driver_priv);
}

static const struct drm_driver vttm_driver = {
	.driver_features = DRIVER_GEM | DRIVER_RENDER,
	.open = vttm_open,
	.postclose = vttm_postclose,
	.dumb_create = vttm_dumb_create,
	.dumb_map_offset = drm_gem_ttm_dumb_map_offset,
	.gem_prime_import = vttm_gem_prime_import,
	VTTM_PRIME_OPS,
	.ioctls = vttm_ioctls,
	.num_ioctls = ARRAY_SIZE(vttm_ioctls),
	.fops = &vttm_fops,
	.name = "vttm",
	.desc = "Virtual TTM device for tests",
	.date = "20261122",
	.major = 1,
	.minor = 0,
};

/* All that a driver has to do to use the mode. */
static void vttm_opt_in(struct vttm *vttm)
{
	int ret = vttm_pfnmap_enable(&vttm->bdev);

	if (ret)
		dev_warn(vttm->drm.dev, "not in TTM's PFNMAP mode (%pe): %s\n",
			 ERR_PTR(ret),
			 ret == -ENOSYS ? "ttm.ko does not have it" :
					  "ttm refused, see above");
}

static void vttm_ttm_fini(struct drm_device *drm, void *unused)
{
	struct vttm *vttm = to_vttm(drm);

	ttm_range_man_fini(&vttm->bdev, TTM_PL_VRAM);
	ttm_device_fini(&vttm->bdev);
	WARN_ON(!list_empty(&vttm->bos));
}

static int vttm_ttm_init(struct vttm *vttm, bool opt_in)
{
	struct drm_device *drm = &vttm->drm;
	int ret;

	ret = ttm_device_init(&vttm->bdev, &vttm_ttm_funcs, drm->dev,
			      drm->anon_inode->i_mapping,
			      drm->vma_offset_manager, vttm->dma_alloc, false);
	if (ret)
		return ret;

	/* After ttm_device_init() and before the first BO. */
	if (opt_in)
		vttm_opt_in(vttm);

	ret = drmm_add_action_or_reset(drm, vttm_ttm_fini, NULL);
	if (ret)
		return ret;
	return ttm_range_man_init(&vttm->bdev, TTM_PL_VRAM, false,
				  vttm->vram_size);
}

static void vttm_devm_unplug(void *vttm)
{
	vttm_unplug(vttm);
}

static int vttm_probe(struct platform_device *pdev)
{
	bool is_twin = pdev->id == VTTM_ID_TWIN;
	struct vttm *vttm;
	int ret;

	vttm = devm_drm_dev_alloc(&pdev->dev, &vttm_driver, struct vttm, drm);
	if (IS_ERR(vttm))
		return PTR_ERR(vttm);

	spin_lock_init(&vttm->bos_lock);
	INIT_LIST_HEAD(&vttm->bos);
	vttm->dma_alloc = dma_alloc && !is_twin;

	ret = drmm_mutex_init(&vttm->drm, &vttm->swapout_lock);
	if (ret)
		return ret;
	ret = drmm_mutex_init(&vttm->drm, &vttm->unplug_lock);
	if (ret)
		return ret;
	ret = vttm_vram_init(vttm);
	if (ret)
		return ret;
	ret = vttm_ttm_init(vttm, optin && !is_twin);
	if (ret)
		return ret;
	ret = drm_dev_register(&vttm->drm, 0);
	if (ret)
		return ret;
	ret = devm_add_action_or_reset(&pdev->dev, vttm_devm_unplug, vttm);
	if (ret)
		return ret;

	platform_set_drvdata(pdev, vttm);
	return 0;
}

/* So that the devices are found whatever the driver's name is. */
static const struct platform_device_id vttm_ids[] = {
	{ "vttm" },
	{},
};

static struct platform_driver vttm_platform_driver = {
	.probe = vttm_probe,
	.id_table = vttm_ids,
	.driver = {
		.probe_type = PROBE_FORCE_SYNCHRONOUS,
	},
};

static struct platform_device *vttm_devices[VTTM_NUM_DEVICES];

static void vttm_remove_devices(void)
{
	unsigned int id;

	for (id = 0; id < ARRAY_SIZE(vttm_devices); id++)
		platform_device_unregister(vttm_devices[id]);
}

static int vttm_add_device(int id)
{
	struct platform_device_info info = {
		.name = "vttm",
		.id = id,
		.dma_mask = DMA_BIT_MASK(64),
	};
	struct platform_device *pdev;

	pdev = platform_device_register_full(&info);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	vttm_devices[id] = pdev;

	/* The probe has run by now, and has said what was wrong. */
	return platform_get_drvdata(pdev) ? 0 : -ENODEV;
}

static int __init vttm_init(void)
{
	unsigned long max_mb = totalram_pages() / 4 >> (20 - PAGE_SHIFT);
	int ret;

	if (!vram_mb || vram_mb > max_mb) {
		pr_err("vttm: vram_mb=%u must be 1 to %lu, a quarter of the memory\n",
		       vram_mb, max_mb);
		return -EINVAL;
	}

	if (!*driver) {
		pr_err("vttm: driver= needs a name\n");
		return -EINVAL;
	}

	vttm_platform_driver.driver.name = driver;
	ret = platform_driver_register(&vttm_platform_driver);
	if (ret)
		return ret;

	ret = vttm_add_device(VTTM_ID_MAIN);
	if (!ret && twin)
		ret = vttm_add_device(VTTM_ID_TWIN);
	if (ret) {
		vttm_remove_devices();
		platform_driver_unregister(&vttm_platform_driver);
	}
	return ret;
}

static void __exit vttm_exit(void)
{
	vttm_remove_devices();
	platform_driver_unregister(&vttm_platform_driver);
}

module_init(vttm_init);
module_exit(vttm_exit);

MODULE_DESCRIPTION("Virtual TTM device for tests");
MODULE_LICENSE("GPL");
