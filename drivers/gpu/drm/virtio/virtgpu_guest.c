// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-gpu: blobs in the guest's own memory, as TTM BOs.
 */

/**
 * DOC: blobs in the guest's memory
 *
 * With virtio_gpu.ttm_blobs=1 a blob of the kinds GUEST and HOST3D_GUEST is a TTM
 * BO in system memory. TTM's pool allocates large chunks, so the host gets few
 * entries to describe the memory, where shmem may need one for each page.
 *
 * The host knows the pages by their addresses. They are pinned from before it
 * learns of them until it has answered RESOURCE_UNREF: the creator's reference to
 * the BO is dropped by that answer alone, whoever else maps the BO. What is mapped
 * beyond that is an ordinary TTM BO that can be swapped out.
 */

#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/swap.h>

#include <drm/drm_debugfs.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_prime.h>
#include <drm/drm_print.h>
#include <drm/ttm/ttm_pfnmap.h>
#include <drm/ttm/ttm_tt.h>

#include "virtgpu_drv.h"

/**
 * struct virtio_gpu_object_guest - a blob in the guest's memory
 * @base: what all objects have
 * @dma: the pages as the device sees them, or NULL if it sees physical addresses or was
 *	reset; changes under the lock of &struct virtio_gpu_guests, and stays while its
 *	user has a reference and the device is there (drm_dev_enter())
 * @mapped: in &virtio_gpu_guests.mapped while there is @dma
 * @answer: the host's to RESOURCE_CREATE_BLOB; -EINPROGRESS until it is there
 * @link: in &virtio_gpu_guests.left
 */
struct virtio_gpu_object_guest {
	struct virtio_gpu_object base;
	struct sg_table *dma;
	struct list_head mapped;
	int answer;
	struct list_head link;
};

static const struct ttm_place virtio_gpu_place_system = {
	.mem_type = TTM_PL_SYSTEM,
};

static struct virtio_gpu_object_guest *to_guest(struct virtio_gpu_object *bo)
{
	return container_of(bo, struct virtio_gpu_object_guest, base);
}

static struct virtio_gpu_object_guest *obj_to_guest(struct drm_gem_object *obj)
{
	return to_guest(gem_to_virtio_gpu_obj(obj));
}

/* ---- TTM's callbacks --------------------------------------------------- */

/**
 * virtio_gpu_guest_tt_create - the pages of a blob, to be
 * @tbo: the blob
 * @page_flags: TTM_TT_FLAG_*
 *
 * Context: May sleep.
 * Return: the ttm_tt, or NULL without memory for it.
 */
struct ttm_tt *virtio_gpu_guest_tt_create(struct ttm_buffer_object *tbo,
					  u32 page_flags)
{
	const long most = si_mem_available() + get_nr_swap_pages();
	struct ttm_tt *tt;

	/*
	 * What cannot be had is not tried: all that the kernel can do without would go, and
	 * the page allocator complain in the end.
	 */
	if (tbo->base.size >> PAGE_SHIFT > max(most, 0L))
		return NULL;
	tt = kzalloc(sizeof(*tt), GFP_KERNEL);
	if (tt && ttm_tt_init(tt, tbo, page_flags, ttm_cached, 0)) {
		kfree(tt);
		tt = NULL;
	}
	return tt;
}

/**
 * virtio_gpu_guest_tt_destroy - undo virtio_gpu_guest_tt_create()
 * @bdev: the TTM device
 * @tt: without pages
 *
 * Context: May sleep.
 */
void virtio_gpu_guest_tt_destroy(struct ttm_device *bdev, struct ttm_tt *tt)
{
	ttm_tt_fini(tt);
	kfree(tt);
}

/* ---- What the host is told --------------------------------------------- */

/**
 * virtio_gpu_backing_counted - an object has memory of the guest
 * @count: of its kind
 * @entries: that the host gets for it
 *
 * Context: Any.
 */
void virtio_gpu_backing_counted(struct virtio_gpu_backing_count *count,
				unsigned int entries)
{
	atomic_long_inc(&count->objects);
	atomic_long_add(entries, &count->entries);
}

static void virtio_gpu_entry_set(struct virtio_gpu_mem_entry *entry, u64 addr,
				 u32 length)
{
	entry->addr = cpu_to_le64(addr);
	entry->length = cpu_to_le32(length);
	entry->padding = 0;
}

/* One entry for each run of pages, in the device's addresses. */
static struct virtio_gpu_mem_entry *
virtio_gpu_entries_of(struct sg_table *sgt, bool dma, unsigned int *count)
{
	struct virtio_gpu_mem_entry *entries;
	struct scatterlist *sg;
	int i;

	*count = dma ? sgt->nents : sgt->orig_nents;
	entries = kvmalloc_array(*count, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return NULL;
	if (dma)
		for_each_sgtable_dma_sg(sgt, sg, i)
			virtio_gpu_entry_set(&entries[i], sg_dma_address(sg),
					     sg_dma_len(sg));
	else
		for_each_sgtable_sg(sgt, sg, i)
			virtio_gpu_entry_set(&entries[i], sg_phys(sg),
					     sg->length);
	return entries;
}

static void virtio_gpu_sgt_free(struct sg_table *sgt)
{
	sg_free_table(sgt);
	kfree(sgt);
}

/* Takes @sgt; -ENODEV if the device goes, which would miss it. */
static int virtio_gpu_guest_map_dma(struct virtio_gpu_object_guest *guest,
				    struct sg_table *sgt)
{
	struct drm_device *ddev = guest->base.tbo.base.dev;
	struct virtio_gpu_device *vgdev = ddev->dev_private;
	int idx, ret = -ENODEV;

	if (drm_dev_enter(ddev, &idx)) {
		ret = dma_map_sgtable(ddev->dev, sgt, DMA_BIDIRECTIONAL, 0);
		if (!ret) {
			spin_lock(&vgdev->guests.lock);
			guest->dma = sgt;
			list_add(&guest->mapped, &vgdev->guests.mapped);
			spin_unlock(&vgdev->guests.lock);
		}
		drm_dev_exit(idx);
	}
	if (ret)
		virtio_gpu_sgt_free(sgt);
	return ret;
}

/*
 * The device does not use the pages of @guest; or, if that is NULL and the device goes, of
 * any blob, which user space may go on to write: nothing is copied back to it then.
 * Unmapped under the lock, or it might be later than the device's end.
 */
static bool virtio_gpu_guest_unmap_dma(struct drm_device *ddev,
				       struct virtio_gpu_object_guest *guest)
{
	struct virtio_gpu_device *vgdev = ddev->dev_private;
	struct virtio_gpu_guests *guests = &vgdev->guests;
	unsigned long attrs = guest ? 0 : DMA_ATTR_SKIP_CPU_SYNC;
	struct sg_table *sgt = NULL;

	spin_lock(&guests->lock);
	if (!guest)
		guest = list_first_entry_or_null(&guests->mapped,
						 struct virtio_gpu_object_guest,
						 mapped);
	if (guest && guest->dma) {
		swap(sgt, guest->dma);
		list_del(&guest->mapped);
		dma_unmap_sgtable(ddev->dev, sgt, DMA_BIDIRECTIONAL, attrs);
	}
	spin_unlock(&guests->lock);
	if (sgt)
		virtio_gpu_sgt_free(sgt);
	return sgt;
}

/* Makes the device see the pages. */
static struct virtio_gpu_mem_entry *
virtio_gpu_guest_entries(struct virtio_gpu_object_guest *guest,
			 unsigned int *count)
{
	struct ttm_buffer_object *tbo = &guest->base.tbo;
	struct drm_device *ddev = tbo->base.dev;
	struct virtio_gpu_device *vgdev = ddev->dev_private;
	bool dma = virtio_gpu_maps_dma(vgdev);
	struct virtio_gpu_mem_entry *entries;
	struct sg_table *sgt;
	int ret;

	sgt = drm_prime_pages_to_sg(ddev, tbo->ttm->pages, tbo->ttm->num_pages);
	if (IS_ERR(sgt))
		return ERR_CAST(sgt);
	if (dma) {
		ret = virtio_gpu_guest_map_dma(guest, sgt);
		if (ret)
			return ERR_PTR(ret);
	}
	entries = virtio_gpu_entries_of(sgt, dma, count);
	if (!dma)
		virtio_gpu_sgt_free(sgt);
	return entries ?: ERR_PTR(-ENOMEM);
}

static void virtio_gpu_guest_created(struct virtio_gpu_device *vgdev,
				     struct virtio_gpu_vbuffer *vbuf)
{
	const struct virtio_gpu_ctrl_hdr *resp = (void *)vbuf->resp_buf;
	struct virtio_gpu_object_guest *guest =
		obj_to_guest(vbuf->objs->objs[0]);
	int answer = 0;

	switch (le32_to_cpu(resp->type)) {
	case VIRTIO_GPU_RESP_OK_NODATA:
		break;
	case VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY:
		answer = -ENOMEM;
		break;
	default:
		answer = -EINVAL;
		break;
	}
	if (answer) {
		/* There is nothing to be unreferenced. */
		guest->base.created = false;
		atomic_long_inc(&vgdev->guests.refused);
	}
	/* Who sees the answer must see @created, too: virtio_gpu_guest_wait(). */
	smp_store_release(&guest->answer, answer);
	wake_up_all(&vgdev->resp_wq);
}

/* The command holds the blob until it is answered. Takes @entries. */
static int virtio_gpu_guest_send(struct virtio_gpu_device *vgdev,
				 struct virtio_gpu_object_guest *guest,
				 const struct virtio_gpu_object_params *params,
				 struct virtio_gpu_mem_entry *entries,
				 unsigned int count)
{
	struct virtio_gpu_resource_create_blob *cmd;
	struct virtio_gpu_object_array *objs;
	struct virtio_gpu_vbuffer *vbuf;
	int ret;

	objs = virtio_gpu_array_alloc(1);
	if (!objs) {
		kvfree(entries);
		return -ENOMEM;
	}
	virtio_gpu_array_add_obj(objs, &guest->base.tbo.base);

	cmd = virtio_gpu_alloc_cmd_resp(vgdev, virtio_gpu_guest_created, &vbuf,
					sizeof(*cmd),
					sizeof(struct virtio_gpu_ctrl_hdr),
					NULL);
	memset(cmd, 0, sizeof(*cmd));
	cmd->hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB);
	cmd->hdr.ctx_id = cpu_to_le32(params->ctx_id);
	cmd->resource_id = cpu_to_le32(guest->base.hw_res_handle);
	cmd->blob_mem = cpu_to_le32(params->blob_mem);
	cmd->blob_flags = cpu_to_le32(params->blob_flags);
	cmd->blob_id = cpu_to_le64(params->blob_id);
	cmd->size = cpu_to_le64(params->size);
	cmd->nr_entries = cpu_to_le32(count);
	vbuf->objs = objs;
	vbuf->data_buf = entries;
	vbuf->data_size = count * sizeof(*entries);

	guest->base.created = true;
	ret = virtio_gpu_queue_ctrl_buffer(vgdev, vbuf);
	if (!ret) {
		virtio_gpu_notify(vgdev);
		return 0;
	}
	guest->base.created = false;
	/* Without a device it has been freed, without memory it has not. */
	if (ret == -ENOMEM) {
		virtio_gpu_array_put_free(objs);
		free_vbuf(vgdev, vbuf);
	}
	return ret;
}

static bool virtio_gpu_guest_answered(struct virtio_gpu_device *vgdev,
				      struct virtio_gpu_object_guest *guest)
{
	return READ_ONCE(guest->answer) != -EINPROGRESS ||
	       virtio_gpu_window_stopped(vgdev->window);
}

/* A host that is late is given the benefit of the doubt, as without TTM. */
static int virtio_gpu_guest_wait(struct virtio_gpu_device *vgdev,
				 struct virtio_gpu_object_guest *guest)
{
	long ret;
	int answer;

	ret = wait_event_killable_timeout(
		vgdev->resp_wq, virtio_gpu_guest_answered(vgdev, guest),
		virtio_gpu_window_timeout());
	if (ret < 0)
		return ret;
	/* Pairs with the store in virtio_gpu_guest_created(). */
	answer = smp_load_acquire(&guest->answer);
	if (answer != -EINPROGRESS)
		return answer;
	return virtio_gpu_window_stopped(vgdev->window) ? -ENODEV : 0;
}

/* ---- CPU mappings ------------------------------------------------------ */

static vm_fault_t virtio_gpu_guest_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct ttm_buffer_object *tbo = vma->vm_private_data;
	vm_fault_t ret;

	ret = ttm_bo_vm_reserve(tbo, vmf);
	if (ret)
		return ret;
	ret = ttm_bo_vm_fault_reserved(vmf, vma->vm_page_prot,
				       TTM_BO_VM_NUM_PREFAULT);
	/* Then TTM has unlocked it. */
	if (ret == VM_FAULT_RETRY && !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT))
		return ret;
	ttm_bo_unreserve(tbo);
	return ret;
}

static const struct vm_operations_struct virtio_gpu_guest_vm_ops = {
	.fault = virtio_gpu_guest_fault,
	.open = ttm_bo_vm_open,
	.close = ttm_bo_vm_close,
};

static int virtio_gpu_guest_mmap(struct drm_gem_object *obj,
				 struct vm_area_struct *vma)
{
	struct virtio_gpu_object_guest *guest = obj_to_guest(obj);
	int answer = READ_ONCE(guest->answer);
	int ret;

	/* One that came late. */
	if (answer && answer != -EINPROGRESS)
		return answer;
	ret = ttm_bo_mmap_obj(vma, &guest->base.tbo);
	/* The mapping holds the BO, not the GEM object. */
	if (!ret)
		drm_gem_object_put(obj);
	return ret;
}

/* ---- GEM's callbacks --------------------------------------------------- */

/* Of a device that goes or is gone, but may still use the pages. */
static bool virtio_gpu_guest_left(struct virtio_gpu_object_guest *guest)
{
	struct virtio_gpu_device *vgdev = guest->base.tbo.base.dev->dev_private;
	struct virtio_gpu_guests *guests = &vgdev->guests;
	bool left;

	spin_lock(&guests->lock);
	left = !guests->gone;
	if (left)
		list_add(&guest->link, &guests->left);
	spin_unlock(&guests->lock);
	return left;
}

static void virtio_gpu_guest_object_free(struct drm_gem_object *obj)
{
	struct virtio_gpu_object_guest *guest = obj_to_guest(obj);
	struct virtio_gpu_device *vgdev = obj->dev->dev_private;
	int idx;

	if (guest->base.created && drm_dev_enter(obj->dev, &idx)) {
		/* Its answer frees the blob. */
		virtio_gpu_cmd_unref_resource(vgdev, &guest->base);
		virtio_gpu_notify(vgdev);
		drm_dev_exit(idx);
	} else {
		virtio_gpu_cleanup_object(&guest->base);
	}
}

static int virtio_gpu_guest_pin(struct drm_gem_object *obj)
{
	virtio_gpu_pin_lock(obj);
	ttm_bo_pin(&obj_to_guest(obj)->base.tbo);
	virtio_gpu_pin_unlock(obj);
	return 0;
}

static void virtio_gpu_guest_unpin(struct drm_gem_object *obj)
{
	virtio_gpu_pin_lock(obj);
	ttm_bo_unpin(&obj_to_guest(obj)->base.tbo);
	virtio_gpu_pin_unlock(obj);
}

static struct sg_table *
virtio_gpu_guest_get_sg_table(struct drm_gem_object *obj)
{
	struct ttm_tt *tt = obj_to_guest(obj)->base.tbo.ttm;

	return drm_prime_pages_to_sg(obj->dev, tt->pages, tt->num_pages);
}

static int virtio_gpu_guest_vmap(struct drm_gem_object *obj,
				 struct iosys_map *map)
{
	int ret;

	virtio_gpu_pin_lock(obj);
	ret = ttm_bo_vmap(&obj_to_guest(obj)->base.tbo, map);
	virtio_gpu_pin_unlock(obj);
	return ret;
}

static void virtio_gpu_guest_vunmap(struct drm_gem_object *obj,
				    struct iosys_map *map)
{
	virtio_gpu_pin_lock(obj);
	ttm_bo_vunmap(&obj_to_guest(obj)->base.tbo, map);
	virtio_gpu_pin_unlock(obj);
}

static const struct drm_gem_object_funcs virtio_gpu_guest_funcs = {
	.open = virtio_gpu_gem_object_open,
	.close = virtio_gpu_gem_object_close,
	.free = virtio_gpu_guest_object_free,
	.export = virtio_gpu_tbo_export,
	.pin = virtio_gpu_guest_pin,
	.unpin = virtio_gpu_guest_unpin,
	.get_sg_table = virtio_gpu_guest_get_sg_table,
	.vmap = virtio_gpu_guest_vmap,
	.vunmap = virtio_gpu_guest_vunmap,
	.mmap = virtio_gpu_guest_mmap,
	.vm_ops = &virtio_gpu_guest_vm_ops,
};

/**
 * virtio_gpu_is_guest - is a blob a TTM BO in the guest's memory?
 * @bo: the blob
 *
 * Context: Any.
 * Return: true if so.
 */
bool virtio_gpu_is_guest(const struct virtio_gpu_object *bo)
{
	return bo->tbo.base.funcs == &virtio_gpu_guest_funcs;
}

/**
 * virtio_gpu_guest_sync - make the device see what the CPU wrote
 * @bo: an object that is about to be transferred to the host
 *
 * Context: Any but NMI. The caller has a reference.
 */
void virtio_gpu_guest_sync(struct virtio_gpu_object *bo)
{
	struct drm_device *ddev = bo->tbo.base.dev;
	int idx;

	/* After an unplug there is no device to see it, nor @dma. */
	if (!virtio_gpu_is_guest(bo) || !drm_dev_enter(ddev, &idx))
		return;
	if (to_guest(bo)->dma)
		dma_sync_sgtable_for_device(ddev->dev, to_guest(bo)->dma,
					    DMA_TO_DEVICE);
	drm_dev_exit(idx);
}

/* ---- Life and death of a blob ------------------------------------------ */

/* The host has forgotten the blob, and nobody maps it. TTM has freed the pages. */
static void virtio_gpu_guest_destroy(struct ttm_buffer_object *tbo)
{
	drm_gem_object_release(&tbo->base);
	kfree(obj_to_guest(&tbo->base));
}

/**
 * virtio_gpu_guest_cleanup - the host does not use a blob's pages
 * @bo: the blob
 *
 * Who maps it may keep it. Of a device that is about to go, or was unplugged, the host
 * may still use them, until virtio_gpu_guest_gone(): an UNREF may have been dropped.
 *
 * Context: May sleep.
 */
void virtio_gpu_guest_cleanup(struct virtio_gpu_object *bo)
{
	struct virtio_gpu_object_guest *guest = to_guest(bo);
	struct ttm_buffer_object *tbo = &bo->tbo;
	struct virtio_gpu_device *vgdev = tbo->base.dev->dev_private;

	if (bo->created && virtio_gpu_window_stopped(vgdev->window) &&
	    virtio_gpu_guest_left(guest))
		return;
	virtio_gpu_guest_unmap_dma(tbo->base.dev, guest);
	dma_resv_lock(tbo->base.resv, NULL);
	ttm_bo_unpin(tbo);
	ttm_bo_move_to_lru_tail_unlocked(tbo);
	dma_resv_unlock(tbo->base.resv);
	ttm_bo_put(tbo);
}

/* Pinned, and with pages. */
static int virtio_gpu_guest_init_bo(struct virtio_gpu_device *vgdev,
				    struct virtio_gpu_object_guest *guest,
				    u64 size)
{
	/* Not interruptible: the ioctl has sent a command that must not be repeated. */
	struct ttm_operation_ctx ctx = {
		.gfp_retry_mayfail = true,
	};
	struct ttm_buffer_object *tbo = &guest->base.tbo;
	struct ttm_placement placement = {};
	int ret;

	tbo->base.funcs = &virtio_gpu_guest_funcs;
	drm_gem_private_object_init(vgdev->ddev, &tbo->base, size);
	virtio_gpu_placement_set(&placement, &virtio_gpu_place_system);
	ret = ttm_bo_init_reserved(&vgdev->window->bdev, tbo,
				   ttm_bo_type_device, &placement, 0, &ctx,
				   NULL, NULL, virtio_gpu_guest_destroy);
	if (ret)
		return ret;
	ttm_bo_pin(tbo);
	ttm_bo_move_to_lru_tail_unlocked(tbo);
	ret = ttm_tt_populate(tbo->bdev, tbo->ttm, &ctx);
	ttm_bo_unreserve(tbo);
	if (ret)
		virtio_gpu_guest_cleanup(&guest->base);
	return ret;
}

/**
 * virtio_gpu_guest_takes - shall a new object be a TTM BO?
 * @vgdev: the device
 * @params: of an object in the guest's memory
 *
 * Context: Any.
 * Return: true if it is a blob, TTM manages the window, and the PFNMAP mode is on.
 */
bool virtio_gpu_guest_takes(const struct virtio_gpu_device *vgdev,
			    const struct virtio_gpu_object_params *params)
{
	return vgdev->window && params->blob && !params->dumb &&
	       ttm_pfnmap_enabled(&vgdev->window->bdev);
}

/**
 * virtio_gpu_guest_create - create a GUEST or HOST3D_GUEST blob
 * @vgdev: the device
 * @params: of the blob
 * @bo_ptr: where to put it
 *
 * Waits for the host's answer, within the bound of the window's waits.
 *
 * Context: Sleeps killably.
 * Return: 0 or a negative errno; -EINVAL if the host refused.
 */
int virtio_gpu_guest_create(struct virtio_gpu_device *vgdev,
			    struct virtio_gpu_object_params *params,
			    struct virtio_gpu_object **bo_ptr)
{
	struct virtio_gpu_object_guest *guest;
	struct virtio_gpu_mem_entry *entries;
	unsigned int count;
	int ret;

	guest = kzalloc(sizeof(*guest), GFP_KERNEL);
	if (!guest)
		return -ENOMEM;
	guest->answer = -EINPROGRESS;
	params->size = PAGE_ALIGN(params->size);
	ret = virtio_gpu_guest_init_bo(vgdev, guest, params->size);
	if (ret)
		return ret;

	ret = virtio_gpu_resource_id_get(vgdev, &guest->base.hw_res_handle);
	if (ret) {
		virtio_gpu_guest_cleanup(&guest->base);
		return ret;
	}
	entries = virtio_gpu_guest_entries(guest, &count);
	ret = PTR_ERR_OR_ZERO(entries);
	if (ret)
		goto put;
	virtio_gpu_backing_counted(&vgdev->guests.ttm, count);
	ret = virtio_gpu_guest_send(vgdev, guest, params, entries, count);
	if (!ret)
		ret = virtio_gpu_guest_wait(vgdev, guest);
	if (ret)
		goto put;
	*bo_ptr = &guest->base;
	return 0;

put:
	drm_gem_object_put(&guest->base.tbo.base);
	return ret;
}

/* ---- The device -------------------------------------------------------- */

/**
 * virtio_gpu_guest_init - a device begins
 * @vgdev: the device
 *
 * Context: Process.
 */
void virtio_gpu_guest_init(struct virtio_gpu_device *vgdev)
{
	spin_lock_init(&vgdev->guests.lock);
	INIT_LIST_HEAD(&vgdev->guests.left);
	INIT_LIST_HEAD(&vgdev->guests.mapped);
}

/**
 * virtio_gpu_guest_gone - the host has forgotten everything
 * @vgdev: the device, unplugged and reset
 *
 * Context: Process.
 */
void virtio_gpu_guest_gone(struct virtio_gpu_device *vgdev)
{
	struct virtio_gpu_guests *guests = &vgdev->guests;
	struct virtio_gpu_object_guest *guest, *next;
	LIST_HEAD(left);

	spin_lock(&guests->lock);
	guests->gone = true;
	list_splice_init(&guests->left, &left);
	spin_unlock(&guests->lock);
	list_for_each_entry_safe(guest, next, &left, link)
		virtio_gpu_guest_cleanup(&guest->base);
	/* Of blobs that live on. The driver's claim to addresses ends with the device. */
	while (virtio_gpu_guest_unmap_dma(vgdev->ddev, NULL))
		;
	wake_up_all(&vgdev->resp_wq);
}

/* ---- debugfs ----------------------------------------------------------- */

static int virtio_gpu_guest_show(struct seq_file *m, void *unused)
{
	struct drm_info_node *node = m->private;
	struct virtio_gpu_device *vgdev = node->minor->dev->dev_private;
	struct virtio_gpu_guests *guests = &vgdev->guests;

	seq_printf(m, "ttm-objects %ld\n",
		   atomic_long_read(&guests->ttm.objects));
	seq_printf(m, "ttm-entries %ld\n",
		   atomic_long_read(&guests->ttm.entries));
	seq_printf(m, "shmem-objects %ld\n",
		   atomic_long_read(&guests->shmem.objects));
	seq_printf(m, "shmem-entries %ld\n",
		   atomic_long_read(&guests->shmem.entries));
	seq_printf(m, "refused %ld\n", atomic_long_read(&guests->refused));
	return 0;
}

static const struct drm_info_list virtio_gpu_guest_files[] = {
	{ "virtio-gpu-guest", virtio_gpu_guest_show, 0, NULL },
};

/**
 * virtio_gpu_guest_debugfs_init - make the file of the guest's memory
 * @minor: where
 *
 * Context: Process.
 */
void virtio_gpu_guest_debugfs_init(struct drm_minor *minor)
{
	drm_debugfs_create_files(virtio_gpu_guest_files,
				 ARRAY_SIZE(virtio_gpu_guest_files),
				 minor->debugfs_root, minor);
}
