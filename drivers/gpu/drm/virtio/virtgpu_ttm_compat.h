/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-gpu on TTM: the differences between kernels, in one place.
 *
 * A placement flag tells the two long-term kernels apart; what else differs
 * between them is bundled with it. (Not __has_include(): sparse does not know it.)
 */
#ifndef _VIRTGPU_TTM_COMPAT_H_
#define _VIRTGPU_TTM_COMPAT_H_

#include <linux/dma-resv.h>

#include <drm/drm_gem.h>

#include <drm/ttm/ttm_placement.h>
#ifdef TTM_PL_FLAG_DESIRED
#include <drm/ttm/ttm_bo.h>
#else
#include <drm/ttm/ttm_bo_api.h>
#include <drm/ttm/ttm_bo_driver.h>
#endif
#include <drm/ttm/ttm_device.h>
#include <drm/ttm/ttm_resource.h>

/* Of a place for which no other BO is to be evicted. */
#ifdef TTM_PL_FLAG_DESIRED
#define VIRTIO_GPU_PL_FLAG_HOLE TTM_PL_FLAG_DESIRED
#else
#define VIRTIO_GPU_PL_FLAG_HOLE BIT(31) /* TTM has no such flag: see below */
#endif

/* One place, for which others are evicted if it has no flag that says otherwise. */
static inline void virtio_gpu_placement_set(struct ttm_placement *placement,
					    const struct ttm_place *place)
{
	placement->num_placement = 1;
	placement->placement = place;
#ifndef TTM_PL_FLAG_DESIRED
	if (!(place->flags & VIRTIO_GPU_PL_FLAG_HOLE)) {
		placement->num_busy_placement = 1;
		placement->busy_placement = place;
	}
#endif
}

/* What TTM has put off until a BO is idle; nothing new comes. */
static inline void virtio_gpu_drain_delayed(struct ttm_device *bdev)
{
#ifdef TTM_PL_FLAG_DESIRED
	drain_workqueue(bdev->wq);
#else
	ttm_bo_lock_delayed_workqueue(bdev);
#endif
}

/* Must the host be told of the guest's memory by DMA addresses? */
#ifdef TTM_PL_FLAG_DESIRED
#define virtio_gpu_maps_dma(vgdev) virtio_gpu_use_dma_api((vgdev)->vdev)
#else
#define virtio_gpu_maps_dma(vgdev) (!virtio_has_dma_quirk((vgdev)->vdev))
#endif

/*
 * Later kernels hold the reservation around the GEM callbacks pin, unpin, vmap and
 * vunmap.
 */
static inline void virtio_gpu_pin_lock(struct drm_gem_object *obj)
{
#ifdef TTM_PL_FLAG_DESIRED
	dma_resv_assert_held(obj->resv);
#else
	dma_resv_lock(obj->resv, NULL);
#endif
}

/* Who has it may wait for the host. 0, or -EINTR for a signal. */
static inline int
virtio_gpu_pin_lock_interruptible(struct drm_gem_object *obj)
{
#ifdef TTM_PL_FLAG_DESIRED
	dma_resv_assert_held(obj->resv);
	return 0;
#else
	return dma_resv_lock_interruptible(obj->resv, NULL);
#endif
}

static inline void virtio_gpu_pin_unlock(struct drm_gem_object *obj)
{
#ifndef TTM_PL_FLAG_DESIRED
	dma_resv_unlock(obj->resv);
#endif
}

#endif
