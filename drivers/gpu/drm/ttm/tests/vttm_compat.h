/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vttm: the differences between the kernels it is built for, in one place.
 *
 * The targets are the two long-term kernels. A placement flag tells them apart;
 * what else differs between them is bundled with it, so kernels in between are
 * not covered. (Not __has_include(): sparse does not know it.)
 */
#ifndef _VTTM_COMPAT_H_
#define _VTTM_COMPAT_H_

#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/mmzone.h>

#include <drm/drm_gem.h>
#include <drm/drm_prime.h>

#include <drm/ttm/ttm_placement.h>
#ifdef TTM_PL_FLAG_DESIRED
#define VTTM_OLD_TTM 0
#include <drm/ttm/ttm_bo.h>
#else
#define VTTM_OLD_TTM 1
#include <drm/ttm/ttm_bo_api.h>
#include <drm/ttm/ttm_bo_driver.h>
#endif
#include <drm/ttm/ttm_device.h>
#include <drm/ttm/ttm_resource.h>
#include <drm/ttm/ttm_tt.h>

/* The largest order of the page allocator had another name before 6.8. */
#ifdef MAX_PAGE_ORDER
#define VTTM_MAX_ORDER MAX_PAGE_ORDER
#else
#define VTTM_MAX_ORDER (MAX_ORDER - 1)
#endif

#if VTTM_OLD_TTM

/* PRIME is opt-in for a driver there. */
#define VTTM_PRIME_OPS \
	.prime_handle_to_fd = drm_gem_prime_handle_to_fd, \
	.prime_fd_to_handle = drm_gem_prime_fd_to_handle, \
	.gem_prime_mmap = drm_gem_prime_mmap

static inline void vttm_placement_set(struct ttm_placement *placement,
				      const struct ttm_place *place)
{
	placement->num_placement = 1;
	placement->placement = place;
	placement->num_busy_placement = 1;
	placement->busy_placement = place;
}

static inline void vttm_vm_flags_set(struct vm_area_struct *vma,
				     unsigned long flags)
{
	vma->vm_flags |= flags;
}

/* The GEM core calls pin and unpin without the reservation. */
static inline int vttm_pin_lock(struct drm_gem_object *obj)
{
	return dma_resv_lock(obj->resv, NULL);
}

static inline void vttm_pin_unlock(struct drm_gem_object *obj)
{
	dma_resv_unlock(obj->resv);
}

#else /* !VTTM_OLD_TTM */

#define VTTM_PRIME_OPS \
	.prime_handle_to_fd = NULL	/* the core's default is what we want */

static inline void vttm_placement_set(struct ttm_placement *placement,
				      const struct ttm_place *place)
{
	placement->num_placement = 1;
	placement->placement = place;
}

static inline void vttm_vm_flags_set(struct vm_area_struct *vma,
				     unsigned long flags)
{
	vm_flags_set(vma, flags);
}

/* The GEM core holds the reservation around pin and unpin. */
static inline int vttm_pin_lock(struct drm_gem_object *obj)
{
	dma_resv_assert_held(obj->resv);
	return 0;
}

static inline void vttm_pin_unlock(struct drm_gem_object *obj)
{
}

#endif /* !VTTM_OLD_TTM */

#endif
