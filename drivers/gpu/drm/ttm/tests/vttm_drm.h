/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * vttm: private ioctls of the TTM test device.
 *
 * A test interface, not a stable uAPI: it may change with the tests. Every
 * "pad", "flags" or reserved field must be 0 unless a value is named here;
 * anything else is -EINVAL. Unknown handles are -ENOENT. Once the device is
 * unplugged everything is -ENODEV. Dumb buffer ioctls, MAP_DUMB among them, need
 * the primary node; that is the DRM core's rule.
 */
#ifndef _VTTM_DRM_H_
#define _VTTM_DRM_H_

#include <drm/drm.h>

#if defined(__cplusplus)
extern "C" {
#endif

/* CPU caching of a BO's system pages; exactly one of them. */
#define VTTM_BO_CACHED		0
#define VTTM_BO_WC		1
#define VTTM_BO_UC		2
#define VTTM_BO_CACHING_MASK	3
/* Place the BO in the fake VRAM first; it may be moved or evicted later. */
#define VTTM_BO_VRAM		(1 << 2)

/* Placements, for @placement of MOVE and INFO. */
#define VTTM_PL_SYSTEM		0
#define VTTM_PL_VRAM		1
#define VTTM_PL_SWAPPED		2	/* INFO only: contents are in shmem */
#define VTTM_PL_NONE		3	/* INFO only: system, never populated */

/**
 * struct drm_vttm_create - create a BO
 * @size: in bytes, not 0, rounded up to a page by the kernel; returned rounded.
 *	-EINVAL for 0 or on overflow, -ENOMEM above the device's limit: half of
 *	the memory, or the size of the fake VRAM with VTTM_BO_VRAM.
 * @flags: VTTM_BO_*
 * @handle: returned GEM handle. mmap offset: DRM_IOCTL_MODE_MAP_DUMB.
 */
struct drm_vttm_create {
	__u64 size;
	__u32 flags;
	__u32 handle;
};

/**
 * struct drm_vttm_swapout - push one BO out to shmem, now
 * @handle: GEM handle
 * @pad: 0
 * @pages: returned: pages swapped out; 0 if it had none in system memory.
 *	-EBUSY if the BO is pinned or stays locked.
 */
struct drm_vttm_swapout {
	__u32 handle;
	__u32 pad;
	__u64 pages;
};

/**
 * struct drm_vttm_move - move a BO
 * @handle: GEM handle
 * @placement: VTTM_PL_SYSTEM or VTTM_PL_VRAM. -ENOSPC or -ENOMEM if it cannot
 *	fit in the fake VRAM, -EBUSY if the BO is pinned.
 */
struct drm_vttm_move {
	__u32 handle;
	__u32 placement;
};

#define VTTM_PAGE_RESERVED	(1 << 0)	/* PG_reserved is set */
#define VTTM_PAGE_HEAD		(1 << 1)	/* first page of its chunk */
#define VTTM_PAGE_UNCACHED	(1 << 2)	/* PFN only: not write-back */

/**
 * struct drm_vttm_page - what struct page says of one page of a BO
 * @handle: GEM handle
 * @pad: 0
 * @index: page index in the BO; -EINVAL beyond its end, -ENXIO if there is no
 *	page at present (not populated, swapped out).
 * @pfn: returned
 * @count: returned page_count()
 * @flags: returned VTTM_PAGE_*
 * @mapcount: returned page_mapcount()
 * @placement: returned VTTM_PL_SYSTEM or VTTM_PL_VRAM
 */
struct drm_vttm_page {
	__u32 handle;
	__u32 pad;
	__u64 index;
	__u64 pfn;
	__s32 count;
	__u32 flags;
	__s32 mapcount;
	__u32 placement;
};

/**
 * struct drm_vttm_info - a BO as a whole; never populates it
 * @handle: GEM handle
 * @placement: returned VTTM_PL_*
 * @pages: returned size in pages
 * @reserved: returned number of pages with PG_reserved
 * @count_zero: returned number of pages whose count is 0
 * @count_one: returned number of pages whose count is 1
 * @count_other: returned number of pages with any other count
 * @chunks: returned number of chunks (buddy blocks); 0 if the device uses the
 *	DMA pool, which hides them. VTTM_PAGE_HEAD is never set there either.
 */
struct drm_vttm_info {
	__u32 handle;
	__u32 placement;
	__u64 pages;
	__u64 reserved;
	__u64 count_zero;
	__u64 count_one;
	__u64 count_other;
	__u64 chunks;
};

#define VTTM_PARAM_OPTED_IN	0	/* 1: this device runs the PFNMAP mode */
#define VTTM_PARAM_VRAM_SIZE	1	/* bytes of fake VRAM */
#define VTTM_PARAM_LIVE_BOS	2	/* BOs of this device alive now */

/**
 * struct drm_vttm_param - read a device parameter
 * @param: VTTM_PARAM_*; -EINVAL if unknown
 * @pad: 0
 * @value: returned
 */
struct drm_vttm_param {
	__u32 param;
	__u32 pad;
	__u64 value;
};

#define VTTM_CTL_UNPLUG		0	/* as if the device were pulled */
#define VTTM_CTL_ENABLE_AGAIN	1	/* calls ttm_pfnmap_enable() now */
#define VTTM_CTL_ENABLE_NULL	2	/* ... with a NULL device */
#define VTTM_CTL_ENABLE_FOREIGN	3	/* ... with memory that is no device */
#define VTTM_CTL_BAD_VMA	4	/* the next mmap of this file gets
					 * VM_MIXEDMAP set behind TTM's back;
					 * -EOPNOTSUPP outside the mode, where
					 * the first fault is a BUG() in mm,
					 * unless vttm was loaded with bad_vma=1
					 */

/**
 * struct drm_vttm_ctl - do something to the device
 * @op: VTTM_CTL_*; -EINVAL if unknown. The errno of the called function is
 *	returned as it is; -ENOSYS if this ttm.ko has no PFNMAP mode.
 * @pad: 0
 */
struct drm_vttm_ctl {
	__u32 op;
	__u32 pad;
};

/**
 * struct drm_vttm_purge - drop the contents of a BO, mapped or not
 * @handle: GEM handle
 * @pad: 0
 *	-EBUSY if the BO is pinned.
 */
struct drm_vttm_purge {
	__u32 handle;
	__u32 pad;
};

/**
 * struct drm_vttm_pfn - what struct page says of any page; for root alone
 * @pfn: which; -ENXIO if there is no such page
 * @count: 0, returned page_count()
 * @flags: 0, returned VTTM_PAGE_RESERVED and VTTM_PAGE_UNCACHED
 */
struct drm_vttm_pfn {
	__u64 pfn;
	__s32 count;
	__u32 flags;
};

#define DRM_VTTM_CREATE		0x00
#define DRM_VTTM_SWAPOUT	0x01
#define DRM_VTTM_MOVE		0x02
#define DRM_VTTM_PAGE		0x03
#define DRM_VTTM_INFO		0x04
#define DRM_VTTM_PARAM		0x05
#define DRM_VTTM_CTL		0x06
#define DRM_VTTM_PURGE		0x07
#define DRM_VTTM_PFN		0x08

#define VTTM_IOWR(nr, type) DRM_IOWR(DRM_COMMAND_BASE + (nr), type)
#define DRM_IOCTL_VTTM_CREATE	VTTM_IOWR(DRM_VTTM_CREATE, struct drm_vttm_create)
#define DRM_IOCTL_VTTM_SWAPOUT	VTTM_IOWR(DRM_VTTM_SWAPOUT, struct drm_vttm_swapout)
#define DRM_IOCTL_VTTM_MOVE	VTTM_IOWR(DRM_VTTM_MOVE, struct drm_vttm_move)
#define DRM_IOCTL_VTTM_PAGE	VTTM_IOWR(DRM_VTTM_PAGE, struct drm_vttm_page)
#define DRM_IOCTL_VTTM_INFO	VTTM_IOWR(DRM_VTTM_INFO, struct drm_vttm_info)
#define DRM_IOCTL_VTTM_PARAM	VTTM_IOWR(DRM_VTTM_PARAM, struct drm_vttm_param)
#define DRM_IOCTL_VTTM_CTL	VTTM_IOWR(DRM_VTTM_CTL, struct drm_vttm_ctl)
#define DRM_IOCTL_VTTM_PURGE	VTTM_IOWR(DRM_VTTM_PURGE, struct drm_vttm_purge)
#define DRM_IOCTL_VTTM_PFN	VTTM_IOWR(DRM_VTTM_PFN, struct drm_vttm_pfn)

#if defined(__cplusplus)
}
#endif

#endif
