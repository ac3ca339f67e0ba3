// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-gpu: blobs that the host shows in its window, as TTM BOs.
 */

/**
 * DOC: blobs in a window managed by TTM
 *
 * With virtio_gpu.ttm_blobs=1 a HOST3D blob that the CPU may map is a TTM BO,
 * which is either in the window (VIRTIO_GPU_PL_WINDOW) or known to the host alone
 * (VIRTIO_GPU_PL_HOST). Its contents are the host's in both cases, so moving it
 * copies nothing: MAP_BLOB brings it in, UNMAP_BLOB sends it out. A fault brings
 * it in, and TTM evicts the least recently faulted blobs where there is no room.
 *
 * The GEM object of a blob *is* the one in its TTM BO (a union in struct
 * virtio_gpu_object), so there is one reservation object, one mmap offset and one
 * GEM reference count. User space's handles hold that count; its release drops
 * the TTM reference of the creator, each mapping holds another one, and the last
 * of them tells the host to forget the blob.
 */

#include <linux/dma-buf.h>
#include <linux/io.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>

#include <drm/drm_drv.h>
#include <drm/drm_managed.h>
#include <drm/drm_print.h>
#include <drm/ttm/ttm_pfnmap.h>

#include "virtgpu_drv.h"

static bool virtio_gpu_ttm_blobs;
module_param_named(ttm_blobs, virtio_gpu_ttm_blobs, bool, 0444);
MODULE_PARM_DESC(
	ttm_blobs,
	"Let TTM manage the host-visible window, so that it never runs out (default: false)");

/* Where the GEM object is must not depend on which of the two a blob is. */
static_assert(offsetof(struct virtio_gpu_object, base.base) ==
	      offsetof(struct virtio_gpu_object, tbo.base));

static const struct ttm_place virtio_gpu_place_window = {
	.mem_type = VIRTIO_GPU_PL_WINDOW,
};

static const struct ttm_place virtio_gpu_place_hole = {
	.mem_type = VIRTIO_GPU_PL_WINDOW,
	.flags = VIRTIO_GPU_PL_FLAG_HOLE,
};

static const struct ttm_place virtio_gpu_place_host = {
	.mem_type = VIRTIO_GPU_PL_HOST,
};

static struct virtio_gpu_device *tbo_to_vgdev(struct ttm_buffer_object *tbo)
{
	return tbo->base.dev->dev_private;
}

static struct ttm_buffer_object *obj_to_tbo(struct drm_gem_object *obj)
{
	return container_of(obj, struct ttm_buffer_object, base);
}

/* The reservation is held. */
static int virtio_gpu_tbo_place(struct ttm_buffer_object *tbo,
				const struct ttm_place *place)
{
	struct ttm_operation_ctx ctx = { .interruptible = true };
	struct ttm_placement placement = {};

	virtio_gpu_placement_set(&placement, place);
	return ttm_bo_validate(tbo, &placement, &ctx);
}

/*
 * TTM does not wait for a blob that another task has reserved, as all blobs in the
 * window may be for a moment: try again until one is free. Whoever has reserved them
 * may wait for @tbo (an execbuffer that names them all): so it is not reserved between
 * the tries, unless the caller has reserved it (@locked). Reserved if it returns 0.
 */
static int virtio_gpu_tbo_enter(struct ttm_buffer_object *tbo,
				struct virtio_gpu_turn *turn, bool locked)
{
	struct virtio_gpu_window *window = tbo_to_vgdev(tbo)->window;
	unsigned long returned, taken, now;
	bool progress;
	int ret;

	taken = virtio_gpu_window_taken(window, &returned);
	for (;;) {
		ret = locked ? 0 :
			       virtio_gpu_window_lock(window, tbo->base.resv);
		if (ret)
			return ret;
		/* Another task may have brought it in meanwhile. */
		if (!virtio_gpu_range_of(tbo))
			ret = virtio_gpu_tbo_place(tbo,
						   &virtio_gpu_place_window);
		if (!ret)
			return 0;
		if (!locked)
			dma_resv_unlock(tbo->base.resv);
		if (ret != -ENOMEM && ret != -EBUSY)
			return ret;
		if (virtio_gpu_window_stopped(window))
			return -ENODEV;
		/* What was there may be closed or evicted; it comes back in time. */
		now = virtio_gpu_window_returned(window);
		progress = taken && now != returned;
		if (progress) {
			taken -= min(taken, now - returned);
			returned = now;
		}
		if (virtio_gpu_window_turn_over(window, turn, progress))
			return -ENOSPC;
		schedule_timeout_killable(1);
		if (fatal_signal_pending(current))
			return -ERESTARTSYS;
	}
}

/* A place in the window, when it is this task's turn. As virtio_gpu_tbo_enter(). */
static int virtio_gpu_tbo_wait_to_enter(struct ttm_buffer_object *tbo,
					bool locked)
{
	struct virtio_gpu_window *window = tbo_to_vgdev(tbo)->window;
	struct virtio_gpu_turn turn;
	int ret;

	/* Not only after all others were evicted. */
	if (tbo->base.size > window->size)
		return -ENOSPC;
	virtio_gpu_window_line_up(window, &turn);
	ret = virtio_gpu_window_turn_wait(window, &turn, locked);
	if (!ret)
		ret = virtio_gpu_tbo_enter(tbo, &turn, locked);
	virtio_gpu_window_leave_line(window, &turn);
	return ret;
}

static struct virtio_gpu_object_vram *tbo_to_vram(struct ttm_buffer_object *tbo)
{
	return to_virtio_gpu_vram(gem_to_virtio_gpu_obj(&tbo->base));
}

/*
 * The host's answer for a blob that has a range. What it refused takes no room, and
 * mmap() shall know. The reservation is held.
 */
static int virtio_gpu_tbo_answer(struct ttm_buffer_object *tbo)
{
	int ret = virtio_gpu_range_wait(virtio_gpu_range_of(tbo));

	if (ret == -EINVAL) {
		tbo_to_vram(tbo)->map_state = STATE_ERR;
		virtio_gpu_tbo_place(tbo, &virtio_gpu_place_host);
	} else if (!ret) {
		tbo_to_vram(tbo)->map_state = STATE_OK;
	}
	return ret;
}

/* In the window, and the host says so. The reservation is held. */
static int virtio_gpu_tbo_bring_in(struct ttm_buffer_object *tbo)
{
	int ret = 0;

	if (!virtio_gpu_range_of(tbo))
		ret = virtio_gpu_tbo_wait_to_enter(tbo, true);
	return ret ?: virtio_gpu_tbo_answer(tbo);
}

/* The same, without the reservation. */
static int virtio_gpu_tbo_bring_in_unlocked(struct ttm_buffer_object *tbo)
{
	int ret = virtio_gpu_tbo_wait_to_enter(tbo, false);

	if (ret)
		return ret;
	ret = virtio_gpu_tbo_answer(tbo);
	ttm_bo_unreserve(tbo);
	return ret;
}

/* ---- TTM's callbacks --------------------------------------------------- */

static void virtio_gpu_evict_flags(struct ttm_buffer_object *tbo,
				   struct ttm_placement *placement)
{
	virtio_gpu_placement_set(placement, &virtio_gpu_place_host);
}

/*
 * For a closed blob that the GPU still uses TTM would wait, for much longer than the
 * timeout is and for one after the other: others go first, and it when it is idle.
 */
static bool virtio_gpu_eviction_valuable(struct ttm_buffer_object *tbo,
					 const struct ttm_place *place)
{
	if (tbo->deleted &&
	    !dma_resv_test_signaled(tbo->base.resv, DMA_RESV_USAGE_BOOKKEEP))
		return false;
	return ttm_bo_eviction_valuable(tbo, place);
}

/* TTM has zapped the PTEs; the old range is unmapped when it is freed. */
static int virtio_gpu_move(struct ttm_buffer_object *tbo, bool evict,
			   struct ttm_operation_ctx *ctx,
			   struct ttm_resource *new_mem, struct ttm_place *hop)
{
	struct virtio_gpu_range *old = virtio_gpu_range_of(tbo);

	if (old) {
		/* The host's answer may have come since anybody asked for it. */
		if (virtio_gpu_range_refused(old))
			tbo_to_vram(tbo)->map_state = STATE_ERR;
		virtio_gpu_range_vacate(old, evict);
	}
	ttm_bo_move_null(tbo, new_mem);
	if (new_mem->mem_type == VIRTIO_GPU_PL_WINDOW)
		virtio_gpu_range_map(virtio_gpu_range_of(tbo));
	return 0;
}

/*
 * On x86 a PTE of I/O memory gets the memory type that the kernel has noted for
 * the address, whatever is asked for: note the host's choice by an own mapping.
 */
static int virtio_gpu_io_mem_reserve(struct ttm_device *bdev,
				     struct ttm_resource *mem)
{
	struct virtio_gpu_window *window =
		container_of(bdev, struct virtio_gpu_window, bdev);
	struct virtio_gpu_range *range;
	phys_addr_t addr;
	void __iomem *va;

	if (mem->mem_type != VIRTIO_GPU_PL_WINDOW)
		return 0;

	range = container_of(mem, struct virtio_gpu_range, base);
	addr = window->vgdev->host_visible_region.addr + range->node.start;
	switch (range->map_info & VIRTIO_GPU_MAP_CACHE_MASK) {
	case VIRTIO_GPU_MAP_CACHE_WC:
		va = ioremap_wc(addr, range->node.size);
		mem->bus.caching = ttm_write_combined;
		break;
	case VIRTIO_GPU_MAP_CACHE_UNCACHED:
		va = ioremap(addr, range->node.size);
		mem->bus.caching = ttm_uncached;
		break;
	default:
		va = ioremap_cache(addr, range->node.size);
		mem->bus.caching = ttm_cached;
		break;
	}
	if (!va)
		return -ENOMEM;

	mem->bus.addr = (__force void *)va;
	mem->bus.offset = addr;
	mem->bus.is_iomem = true;
	return 0;
}

static void virtio_gpu_io_mem_free(struct ttm_device *bdev,
				   struct ttm_resource *mem)
{
	virtio_gpu_range_iounmap(
		container_of(mem, struct virtio_gpu_range, base));
}

/* Not const: up to 6.2 ttm_device_init() does not take a const one. */
static struct ttm_device_funcs virtio_gpu_ttm_funcs = {
	.ttm_tt_create = virtio_gpu_guest_tt_create,
	.ttm_tt_destroy = virtio_gpu_guest_tt_destroy,
	.eviction_valuable = virtio_gpu_eviction_valuable,
	.evict_flags = virtio_gpu_evict_flags,
	.move = virtio_gpu_move,
	.io_mem_reserve = virtio_gpu_io_mem_reserve,
	.io_mem_free = virtio_gpu_io_mem_free,
};

/* ---- CPU mappings ------------------------------------------------------ */

/*
 * Why an access becomes a SIGBUS, or an import fails: one message for each, as far as
 * there are few.
 */
static void virtio_gpu_tbo_out_of_reach(struct ttm_buffer_object *tbo, int err)
{
	struct virtio_gpu_window *window =
		container_of(tbo->bdev, struct virtio_gpu_window, bdev);

	if (err == -ETIMEDOUT)
		drm_err_ratelimited(
			tbo->base.dev,
			"a blob of %zu bytes is out of reach: the host does not answer (%s)\n",
			tbo->base.size, READ_ONCE(window->silent_on));
	else if (err == -EINVAL)
		drm_err_ratelimited(
			tbo->base.dev,
			"a blob of %zu bytes is out of reach: the host refuses to map it\n",
			tbo->base.size);
	else
		drm_err_ratelimited(
			tbo->base.dev,
			"no place in the window for a blob of %zu bytes (%d)\n",
			tbo->base.size, err);
}

static vm_fault_t virtio_gpu_fault_result(struct ttm_buffer_object *tbo,
					  int err)
{
	switch (err) {
	case 0:
		return 0;
	case -EINTR:
	case -ERESTARTSYS:
	case -EAGAIN:
		return VM_FAULT_NOPAGE;
	case -ENODEV:
		return VM_FAULT_SIGBUS;
	default:
		virtio_gpu_tbo_out_of_reach(tbo, err);
		return VM_FAULT_SIGBUS;
	}
}

/* The PTE of one page of a blob, from which those of its neighbours follow. */
struct virtio_gpu_fault_around {
	struct mm_struct *mm;
	unsigned long address;
	pte_t pte;
};

static int virtio_gpu_pte_look(pte_t *ptep, unsigned long address, void *data)
{
	struct virtio_gpu_fault_around *around = data;

	around->address = address;
	around->pte = *ptep;
	return 0;
}

/* Accessed and dirty mean nothing to mm here: no struct page belongs to the PTE. */
static int virtio_gpu_pte_fill(pte_t *ptep, unsigned long address, void *data)
{
	const struct virtio_gpu_fault_around *around = data;
	unsigned long pfn = pte_pfn(around->pte) + (address >> PAGE_SHIFT) -
			    (around->address >> PAGE_SHIFT);

	if (pte_none(*ptep))
		set_pte_at(around->mm, address, ptep,
			   pfn_pte(pfn, pte_pgprot(around->pte)));
	return 0;
}

/*
 * Map the rest of what the same page table maps of the blob, as the page that was
 * faulted is mapped. TTM's prefault could do that, and asks the PAT for each page:
 * 1000 instructions, where this takes some 50. As for any fault, the mmap lock and
 * the reservation are held: no PTE comes or goes meanwhile but by a fault of the
 * same blob, which waits for the reservation.
 */
static void virtio_gpu_fault_around(const struct vm_fault *vmf)
{
	struct virtio_gpu_fault_around around = { .mm = vmf->vma->vm_mm };
	unsigned long table = vmf->address & PMD_MASK;
	unsigned long start = max(table, vmf->vma->vm_start);
	unsigned long end = min(table + PMD_SIZE, vmf->vma->vm_end);

	/* TTM says "no page" as well where it could not map one. */
	if (apply_to_existing_page_range(around.mm, vmf->address, PAGE_SIZE,
					 virtio_gpu_pte_look, &around) ||
	    !pte_present(around.pte))
		return;
	apply_to_page_range(around.mm, start, end - start, virtio_gpu_pte_fill,
			    &around);
}

/*
 * A fault waits for the host, and for the blob, without the mmap lock, and is tried
 * again: this is what the next try shall say, if it failed. One for each blob, of the
 * task that failed last: another one tries again.
 */
static void virtio_gpu_tbo_note_failure(struct ttm_buffer_object *tbo, int err)
{
	struct virtio_gpu_window *window = tbo_to_vgdev(tbo)->window;
	struct virtio_gpu_object_vram *vram = tbo_to_vram(tbo);

	/* It does not try again, and another task may get its task_struct. */
	if (fatal_signal_pending(current))
		return;
	spin_lock(&window->lock);
	vram->failed.task = current;
	vram->failed.err = err;
	vram->failed.when = jiffies;
	spin_unlock(&window->lock);
}

/* 0 if there is none of this task. It is gone then. */
static int virtio_gpu_tbo_noted_failure(struct ttm_buffer_object *tbo)
{
	struct virtio_gpu_window *window = tbo_to_vgdev(tbo)->window;
	struct virtio_gpu_object_vram *vram = tbo_to_vram(tbo);
	int err = 0;

	spin_lock(&window->lock);
	if (vram->failed.task == current) {
		/* Not that of an earlier fault, which was never tried again. */
		if (time_before(jiffies, vram->failed.when + HZ))
			err = vram->failed.err;
		vram->failed.task = NULL;
	}
	spin_unlock(&window->lock);
	return err;
}

/* Somebody uses it in the window. The reservation is held. */
static void virtio_gpu_tbo_touched(struct ttm_buffer_object *tbo)
{
	struct virtio_gpu_object_vram *vram = tbo_to_vram(tbo);

	if (vram->touched)
		return;
	vram->touched = true;
	virtio_gpu_window_touched(tbo_to_vgdev(tbo)->window, vram->ctx_id);
}

/* The reservation is held, and the blob is in the window. */
static vm_fault_t virtio_gpu_fault_mapped(struct vm_fault *vmf)
{
	vm_fault_t ret;

	ret = ttm_bo_vm_fault_reserved(vmf, vmf->vma->vm_page_prot, 1);
	if (ret == VM_FAULT_NOPAGE) {
		virtio_gpu_tbo_touched(vmf->vma->vm_private_data);
		virtio_gpu_fault_around(vmf);
	}
	return ret;
}

/* Waits for the host without the mmap lock; @reserved: the reservation is held. */
static vm_fault_t virtio_gpu_fault_unlocked(struct vm_fault *vmf, bool reserved)
{
	struct ttm_buffer_object *tbo = vmf->vma->vm_private_data;
	struct dma_resv *resv = tbo->base.resv;
	int ret;

	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT) {
		if (reserved)
			dma_resv_unlock(resv);
		return VM_FAULT_RETRY;
	}
	ttm_bo_get(tbo);
	mmap_read_unlock(vmf->vma->vm_mm);
	if (!reserved) {
		ret = virtio_gpu_window_lock(tbo_to_vgdev(tbo)->window, resv);
		if (!ret)
			dma_resv_unlock(resv);
	} else if (virtio_gpu_range_of(tbo)) {
		ret = virtio_gpu_tbo_answer(tbo);
		ttm_bo_unreserve(tbo);
	} else {
		dma_resv_unlock(resv);
		ret = virtio_gpu_tbo_bring_in_unlocked(tbo);
	}
	virtio_gpu_tbo_note_failure(tbo, ret);
	ttm_bo_put(tbo);
	return VM_FAULT_RETRY;
}

static vm_fault_t virtio_gpu_fault_entered(struct vm_fault *vmf)
{
	struct ttm_buffer_object *tbo = vmf->vma->vm_private_data;
	bool may_unlock = vmf->flags & FAULT_FLAG_ALLOW_RETRY;
	struct dma_resv *resv = tbo->base.resv;
	vm_fault_t ret = 0;
	int err = virtio_gpu_tbo_noted_failure(tbo);

	if (!dma_resv_trylock(resv)) {
		if (!err && may_unlock)
			return virtio_gpu_fault_unlocked(vmf, false);
		if (!err)
			err = virtio_gpu_window_lock(tbo_to_vgdev(tbo)->window,
						     resv);
		if (err)
			return virtio_gpu_fault_result(tbo, err);
	}
	if (!virtio_gpu_range_mapped(virtio_gpu_range_of(tbo))) {
		if (!err && may_unlock)
			return virtio_gpu_fault_unlocked(vmf, true);
		err = err ?: virtio_gpu_tbo_bring_in(tbo);
		ret = virtio_gpu_fault_result(tbo, err);
	}
	if (!ret)
		ret = virtio_gpu_fault_mapped(vmf);
	/* An importer's fence may make TTM retry, and then it unlocked the BO. */
	if (ret == VM_FAULT_RETRY && !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT))
		return ret;
	/* The most recently used one. */
	ttm_bo_unreserve(tbo);
	return ret;
}

static vm_fault_t virtio_gpu_window_fault(struct vm_fault *vmf)
{
	struct ttm_buffer_object *tbo = vmf->vma->vm_private_data;
	struct drm_device *ddev = tbo->base.dev;
	vm_fault_t ret;
	int idx;

	if (!drm_dev_enter(ddev, &idx))
		return VM_FAULT_SIGBUS;
	ret = virtio_gpu_fault_entered(vmf);
	drm_dev_exit(idx);
	return ret;
}

static const struct vm_operations_struct virtio_gpu_window_vm_ops = {
	.fault = virtio_gpu_window_fault,
	.open = ttm_bo_vm_open,
	.close = ttm_bo_vm_close,
};

/*
 * A blob that was brought in when it was created has the host's answer by now or
 * soon: one that the host refuses to map cannot be mapped, as without TTM. A late
 * answer is the fault's business, and so is all of it while a fault is at work.
 */
static int virtio_gpu_window_verdict(struct ttm_buffer_object *tbo, bool wait)
{
	struct virtio_gpu_range *range;
	int ret = 0;

	if (!dma_resv_trylock(tbo->base.resv))
		return 0;
	range = virtio_gpu_range_of(tbo);
	if (range && (wait || !virtio_gpu_range_asked(range)))
		ret = virtio_gpu_tbo_answer(tbo);
	else if (!range && tbo_to_vram(tbo)->map_state == STATE_ERR)
		ret = -EINVAL;
	ttm_bo_unreserve(tbo);
	return ret == -ETIMEDOUT ? 0 : ret;
}

/**
 * virtio_gpu_window_map_ioctl - somebody wants to mmap() a blob
 * @file: whose handle it is
 * @handle: of any object, or of none
 *
 * Waits here for the host's answer to a MAP_BLOB, since mmap(), which will give the
 * verdict, has the mmap lock. Not while somebody else has the blob reserved, a fault for
 * example, which will say what comes of it.
 *
 * Context: Sleeps killably.
 * Return: 0, or -ERESTARTSYS if the task is being killed.
 */
int virtio_gpu_window_map_ioctl(struct drm_file *file, u32 handle)
{
	struct drm_gem_object *obj = drm_gem_object_lookup(file, handle);
	int ret = 0;

	/* The stock driver complains next. */
	if (!obj)
		return 0;
	if (virtio_gpu_is_window(gem_to_virtio_gpu_obj(obj)))
		ret = virtio_gpu_window_verdict(obj_to_tbo(obj), true);
	drm_gem_object_put(obj);
	return ret == -ERESTARTSYS ? ret : 0;
}

static int virtio_gpu_window_mmap(struct drm_gem_object *obj,
				  struct vm_area_struct *vma)
{
	struct ttm_buffer_object *tbo = obj_to_tbo(obj);
	int ret;

	/* As without TTM. */
	if (vma->vm_end - vma->vm_start != obj->size)
		return -EINVAL;
	if (obj->size > tbo_to_vgdev(tbo)->window->size)
		return -ENOSPC;

	ret = virtio_gpu_window_verdict(tbo, false);
	if (!ret)
		ret = ttm_bo_mmap_obj(vma, tbo);
	/* The mapping holds the BO, not the GEM object. */
	if (!ret)
		drm_gem_object_put(obj);
	return ret;
}

/* ---- GEM's callbacks --------------------------------------------------- */

/* Importers use the address in the window, so it must stay. */
static int virtio_gpu_window_pin(struct drm_gem_object *obj)
{
	struct ttm_buffer_object *tbo = obj_to_tbo(obj);
	struct virtio_gpu_object_vram *vram = tbo_to_vram(tbo);
	struct virtio_gpu_range *range;
	int idx, ret;

	if (!drm_dev_enter(obj->dev, &idx))
		return -ENODEV;
	ret = virtio_gpu_pin_lock_interruptible(obj);
	if (ret) {
		drm_dev_exit(idx);
		return ret;
	}
	ret = virtio_gpu_tbo_bring_in(tbo);
	if (!ret) {
		virtio_gpu_tbo_touched(tbo);
		ttm_bo_pin(tbo);
		/* TTM looks at the pin when it sorts the lists, not when it pins. */
		ttm_bo_move_to_lru_tail_unlocked(tbo);
		/* What virtio_gpu_vram_map_dma_buf() takes the address from. */
		range = virtio_gpu_range_of(tbo);
		vram->vram_node.start =
			tbo_to_vgdev(tbo)->host_visible_region.addr +
			range->node.start;
		vram->vram_node.size = range->node.size;
	} else if (ret != -ERESTARTSYS && ret != -EINTR && ret != -ENODEV) {
		virtio_gpu_tbo_out_of_reach(tbo, ret);
	}
	virtio_gpu_pin_unlock(obj);
	drm_dev_exit(idx);
	return ret;
}

static void virtio_gpu_window_unpin(struct drm_gem_object *obj)
{
	virtio_gpu_pin_lock(obj);
	ttm_bo_unpin(obj_to_tbo(obj));
	ttm_bo_move_to_lru_tail_unlocked(obj_to_tbo(obj));
	virtio_gpu_pin_unlock(obj);
}

/**
 * virtio_gpu_tbo_export - make the dma-buf of a blob that is a TTM BO
 * @obj: the blob
 * @flags: of the file
 *
 * Context: Process.
 * Return: the dma-buf or an error pointer.
 */
struct dma_buf *virtio_gpu_tbo_export(struct drm_gem_object *obj, int flags)
{
	struct dma_buf *buf = virtgpu_gem_prime_export(obj, flags);

	/* So that an eviction finds the dma-buf's mappings, too. */
	if (!IS_ERR(buf))
		buf->file->f_mapping = obj->dev->anon_inode->i_mapping;
	return buf;
}

static void virtio_gpu_window_object_free(struct drm_gem_object *obj)
{
	ttm_bo_put(obj_to_tbo(obj));
}

static const struct drm_gem_object_funcs virtio_gpu_window_funcs = {
	.open = virtio_gpu_gem_object_open,
	.close = virtio_gpu_gem_object_close,
	.free = virtio_gpu_window_object_free,
	.export = virtio_gpu_tbo_export,
	.pin = virtio_gpu_window_pin,
	.unpin = virtio_gpu_window_unpin,
	.mmap = virtio_gpu_window_mmap,
	.vm_ops = &virtio_gpu_window_vm_ops,
};

/**
 * virtio_gpu_is_window - is a blob a TTM BO?
 * @bo: the blob
 *
 * Context: Any.
 * Return: true if so.
 */
bool virtio_gpu_is_window(const struct virtio_gpu_object *bo)
{
	return bo->base.base.funcs == &virtio_gpu_window_funcs;
}

/* ---- Life and death of a blob ------------------------------------------ */

/**
 * virtio_gpu_tbo_leave - TTM frees the range of a blob that goes with it
 * @tbo: the blob
 * @range: the range, with TTM's reference, which is passed on
 *
 * Context: Process.
 */
void virtio_gpu_tbo_leave(struct ttm_buffer_object *tbo,
			  struct virtio_gpu_range *range)
{
	tbo_to_vram(tbo)->left = range;
}

/* After an unplug even the means to send a command may be gone. */
static void virtio_gpu_tbo_forget(struct virtio_gpu_object *bo,
				  struct virtio_gpu_range *range)
{
	if (range)
		virtio_gpu_range_put(range);
	virtio_gpu_cleanup_object(bo);
}

/* The last user has gone, and TTM has freed the range. */
static void virtio_gpu_tbo_destroy(struct ttm_buffer_object *tbo)
{
	struct virtio_gpu_object *bo = gem_to_virtio_gpu_obj(&tbo->base);
	struct virtio_gpu_device *vgdev = tbo_to_vgdev(tbo);
	struct virtio_gpu_range *range = tbo_to_vram(tbo)->left;
	int idx;

	if (!bo->created || !drm_dev_enter(vgdev->ddev, &idx)) {
		virtio_gpu_tbo_forget(bo, range);
		return;
	}
	if (range && !tbo_to_vram(tbo)->touched)
		virtio_gpu_window_untouched(vgdev->window,
					    tbo_to_vram(tbo)->ctx_id);
	if (range)
		virtio_gpu_range_close(range, bo);
	else
		virtio_gpu_window_forget(vgdev->window, bo);
	drm_dev_exit(idx);
}

/**
 * virtio_gpu_window_takes - shall a new blob be a TTM BO?
 * @vgdev: the device
 * @params: of a HOST3D blob
 *
 * Context: Any.
 * Return: true if it is mappable and the mode is on.
 */
bool virtio_gpu_window_takes(struct virtio_gpu_device *vgdev,
			     const struct virtio_gpu_object_params *params)
{
	return vgdev->window &&
	       params->blob_flags & VIRTGPU_BLOB_FLAG_USE_MAPPABLE;
}

/**
 * virtio_gpu_window_create - create a mappable HOST3D blob
 * @vgdev: the device
 * @params: of the blob
 * @bo_ptr: where to put it
 *
 * It goes into the window at once if there is room, and the context has used those that it
 * made before.
 *
 * Context: May sleep.
 * Return: 0 or a negative errno.
 */
int virtio_gpu_window_create(struct virtio_gpu_device *vgdev,
			     struct virtio_gpu_object_params *params,
			     struct virtio_gpu_object **bo_ptr)
{
	struct ttm_operation_ctx ctx = { .interruptible = true };
	struct ttm_placement placement = {};
	struct virtio_gpu_object_vram *vram;
	struct ttm_buffer_object *tbo;
	int ret;

	vram = kzalloc(sizeof(*vram), GFP_KERNEL);
	if (!vram)
		return -ENOMEM;
	ret = virtio_gpu_resource_id_get(vgdev, &vram->base.hw_res_handle);
	if (ret) {
		kfree(vram);
		return ret;
	}

	params->size = PAGE_ALIGN(params->size);
	vram->ctx_id = params->ctx_id;
	tbo = &vram->base.tbo;
	tbo->base.funcs = &virtio_gpu_window_funcs;
	drm_gem_private_object_init(vgdev->ddev, &tbo->base, params->size);
	virtio_gpu_placement_set(&placement, &virtio_gpu_place_host);
	ret = ttm_bo_init_reserved(&vgdev->window->bdev, tbo,
				   ttm_bo_type_device, &placement, 0, &ctx,
				   NULL, NULL, virtio_gpu_tbo_destroy);
	if (ret)
		return ret;

	virtio_gpu_cmd_resource_create_blob(vgdev, &vram->base, params, NULL,
					    0);
	if (virtio_gpu_window_eager(vgdev->window, params->ctx_id))
		virtio_gpu_tbo_place(tbo, &virtio_gpu_place_hole);
	ttm_bo_unreserve(tbo);

	*bo_ptr = &vram->base;
	return 0;
}

/* ---- The device -------------------------------------------------------- */

static void virtio_gpu_window_fini(struct drm_device *ddev, void *data)
{
	struct virtio_gpu_window *window = data;

	/* Blobs whose last user has just gone have ranges. */
	virtio_gpu_drain_delayed(&window->bdev);
	virtio_gpu_window_teardown(window);
	ttm_device_fini(&window->bdev);
}

static int virtio_gpu_window_start(struct virtio_gpu_device *vgdev)
{
	struct drm_device *ddev = vgdev->ddev;
	struct virtio_gpu_window *window;
	int ret;

	window = drmm_kzalloc(ddev, sizeof(*window), GFP_KERNEL);
	if (!window)
		return -ENOMEM;
	window->vgdev = vgdev;
	window->size = vgdev->host_visible_region.len & PAGE_MASK;
	ret = ttm_device_init(&window->bdev, &virtio_gpu_ttm_funcs, ddev->dev,
			      ddev->anon_inode->i_mapping,
			      ddev->vma_offset_manager, false, false);
	if (ret)
		return ret;
	virtio_gpu_window_setup(window);
	ret = drmm_add_action_or_reset(ddev, virtio_gpu_window_fini, window);
	if (ret)
		return ret;

	/*
	 * If it is refused, the log says why. The window works all the same, and blobs in
	 * the guest's memory are the stock driver's, which KVM maps: TTM's pages it would not.
	 */
	ttm_pfnmap_enable(&window->bdev);
	vgdev->window = window;
	return 0;
}

/**
 * virtio_gpu_window_init - let TTM manage the window, if that is wanted
 * @vgdev: the device, which has a window
 *
 * Without memory for it the device works as it does without the mode.
 *
 * Context: Process.
 */
void virtio_gpu_window_init(struct virtio_gpu_device *vgdev)
{
	int ret;

	if (!virtio_gpu_ttm_blobs)
		return;
	ret = virtio_gpu_window_start(vgdev);
	if (ret)
		drm_err(vgdev->ddev, "ttm_blobs=1 has no effect: %d\n", ret);
	else
		drm_info(vgdev->ddev, "TTM manages the window\n");
}

/**
 * virtio_gpu_notify - tell the host of the commands that were queued
 * @vgdev: the device
 *
 * Replaces the stock driver's, which is virtio_gpu_notify_now(). A task that queued a
 * command may get here after the device was unplugged and its queues were freed.
 *
 * Context: Any but NMI.
 */
void virtio_gpu_notify(struct virtio_gpu_device *vgdev)
{
	int idx;

	if (!vgdev->window) {
		virtio_gpu_notify_now(vgdev);
	} else if (drm_dev_enter(vgdev->ddev, &idx)) {
		virtio_gpu_notify_now(vgdev);
		drm_dev_exit(idx);
	}
}

/* User space may poll() the file for it, as for the fences that the host signals. */
static void virtio_gpu_window_send_event(struct virtio_gpu_device *vgdev,
					 struct virtio_gpu_fence *fence)
{
	if (!fence->e)
		return;
	drm_send_event(vgdev->ddev, &fence->e->base);
	fence->e = NULL;
}

/**
 * virtio_gpu_window_dead - a command could not be sent any more
 * @vgdev: the device, unplugged or about to be
 * @vbuf: the command
 * @fence: that of the command, not emitted, or NULL
 *
 * The stock driver forgets the objects that the command holds. Theirs would be the
 * last references to blobs, without which the window cannot be taken down. User
 * space gets the fence as if the command had been sent: so it is signalled.
 *
 * Context: Process.
 */
void virtio_gpu_window_dead(struct virtio_gpu_device *vgdev,
			    struct virtio_gpu_vbuffer *vbuf,
			    struct virtio_gpu_fence *fence)
{
	if (!vgdev->window)
		return;
	if (fence) {
		dma_fence_set_error(&fence->f, -ENODEV);
		dma_fence_signal(&fence->f);
		virtio_gpu_window_send_event(vgdev, fence);
	}
	virtio_gpu_array_put_free(vbuf->objs);
}

/* With the lock of the fences. @fence was emitted: it is in their list. */
static void virtio_gpu_window_end_fence(struct virtio_gpu_device *vgdev,
					struct virtio_gpu_fence *fence)
{
	lockdep_assert_held(&vgdev->fence_drv.lock);
	dma_fence_set_error(&fence->f, -ENODEV);
	dma_fence_signal_locked(&fence->f);
	virtio_gpu_window_send_event(vgdev, fence);
	list_del(&fence->node);
	dma_fence_put(&fence->f);
}

/**
 * virtio_gpu_window_drop - a command that the queue did not take, for it was just broken
 * @vgdev: the device, with a window
 * @vbuf: the command; freed
 * @fence: that of the command, emitted, or NULL
 *
 * As virtio_gpu_window_dead(), for a command that was nearly sent: its objects are not
 * reserved any more.
 *
 * Context: Process, without locks.
 */
void virtio_gpu_window_drop(struct virtio_gpu_device *vgdev,
			    struct virtio_gpu_vbuffer *vbuf,
			    struct virtio_gpu_fence *fence)
{
	unsigned long flags;

	if (fence) {
		spin_lock_irqsave(&vgdev->fence_drv.lock, flags);
		virtio_gpu_window_end_fence(vgdev, fence);
		spin_unlock_irqrestore(&vgdev->fence_drv.lock, flags);
	}
	virtio_gpu_array_put_free(vbuf->objs);
	free_vbuf(vgdev, vbuf);
}

/**
 * virtio_gpu_window_gives_up - does a command that found the queue full give up?
 * @vgdev: the device
 * @vbuf: the command; freed if so
 * @fence: that of the command, or NULL; then the command's objects are not reserved
 *
 * The device is about to be unplugged, and that would wait for it; or the queue, which
 * need not be full, is broken.
 *
 * Context: Process.
 * Return: true if it is not to be sent any more.
 */
bool virtio_gpu_window_gives_up(struct virtio_gpu_device *vgdev,
				struct virtio_gpu_vbuffer *vbuf,
				struct virtio_gpu_fence *fence)
{
	if (!virtio_gpu_window_stopped(vgdev->window))
		return false;
	if (fence && vbuf->objs)
		virtio_gpu_array_unlock_resv(vbuf->objs);
	virtio_gpu_window_dead(vgdev, vbuf, fence);
	free_vbuf(vgdev, vbuf);
	return true;
}

/* Frees the commands that the host took and did not answer. */
static void virtio_gpu_window_reclaim(struct virtio_gpu_device *vgdev,
				      struct virtqueue *vq)
{
	struct virtio_gpu_vbuffer *vbuf;

	while ((vbuf = virtqueue_detach_unused_buf(vq))) {
		virtio_gpu_array_put_free(vbuf->objs);
		/* Of an UNREF: the object that it would have freed. */
		if (vbuf->resp_cb_data)
			virtio_gpu_cleanup_object(vbuf->resp_cb_data);
		free_vbuf(vgdev, vbuf);
	}
}

/* Nobody will signal them, and TTM waits for them before it lets go of a blob. */
static void virtio_gpu_window_signal(struct virtio_gpu_device *vgdev)
{
	struct virtio_gpu_fence_driver *drv = &vgdev->fence_drv;
	struct virtio_gpu_fence *fence, *next;
	unsigned long flags;

	spin_lock_irqsave(&drv->lock, flags);
	list_for_each_entry_safe(fence, next, &drv->fences, node)
		virtio_gpu_window_end_fence(vgdev, fence);
	spin_unlock_irqrestore(&drv->lock, flags);
}

/* What TTM has of a device that was reset. */
static void virtio_gpu_window_bury(struct virtio_gpu_device *vgdev)
{
	virtio_gpu_window_forget_closed(vgdev->window);
	virtio_gpu_window_signal(vgdev);
	virtio_gpu_window_reclaim(vgdev, vgdev->ctrlq.vq);
	virtio_gpu_window_reclaim(vgdev, vgdev->cursorq.vq);
	virtio_gpu_guest_gone(vgdev);
	virtio_gpu_window_iounmap(vgdev->window);
}

/**
 * virtio_gpu_window_gone - the host has forgotten everything
 * @vgdev: the device, unplugged and reset, with its queues; with or without TTM
 *
 * Context: Process, without locks: sleeps until the queues' work is done.
 */
void virtio_gpu_window_gone(struct virtio_gpu_device *vgdev)
{
	/*
	 * What the last interrupts before the reset have left to do. Without TTM, too: the
	 * queues go next, and the stock driver's work would look at them after that.
	 */
	flush_work(&vgdev->ctrlq.dequeue_work);
	flush_work(&vgdev->cursorq.dequeue_work);
	if (vgdev->window)
		virtio_gpu_window_bury(vgdev);
	/* Which holds objects; the window and the device go next. */
	flush_work(&vgdev->obj_free_work);
}
