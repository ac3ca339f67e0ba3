/* SPDX-License-Identifier: MIT */
/*
 * vttm, the TTM test device: open, BOs, private ioctls, and the PFNMAP mode's
 * counters.
 *
 * Functions whose name begins with two underscores return 0 or a negative
 * errno (or what their comment says); their twins without assert success.
 */
#ifndef TTM_PFNMAP_VTTM_H
#define TTM_PFNMAP_VTTM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vttm_drm.h"

/* There are two devices: one opted into the mode, one that is stock TTM. */
enum vttm_kind {
	VTTM_STOCK,
	VTTM_MODE,
};

/* "stock" or "mode" */
const char *vttm_kind_name(enum vttm_kind kind);

/* A file descriptor of the device; -1 if there is none. */
int __vttm_open(enum vttm_kind kind);
/* Skips if there is none. */
int vttm_open(enum vttm_kind kind);
/* dev_name() of the device, e.g. "vttm.0", as in the counters. Static buffer. */
const char *vttm_dev_name(int fd);
/*
 * Makes a device usable again after VTTM_CTL_UNPLUG, by binding its driver
 * anew. @device is its vttm_dev_name(), asked for before the unplug. Files
 * that are open stay dead.
 */
void vttm_replug(const char *device);

/* Any ioctl, restarted when interrupted: 0 or a negative errno. */
int vttm_ioctl(int fd, unsigned long request, void *arg);

int __vttm_param(int fd, uint32_t param, uint64_t *value);
uint64_t vttm_param(int fd, uint32_t param);

/* @flags: VTTM_BO_*. __vttm_create() writes the rounded size back. */
int __vttm_create(int fd, uint64_t *size, uint32_t flags, uint32_t *handle);
uint32_t vttm_create(int fd, uint64_t size, uint32_t flags);
/* Drops the GEM handle; the BO lives on while it is mapped or exported. */
int __vttm_close_bo(int fd, uint32_t handle);
void vttm_close_bo(int fd, uint32_t handle);

/* The BO's fake offset for mmap(). */
uint64_t vttm_mmap_offset(int fd, uint32_t handle);
/* The whole BO, shared, readable and writable. */
void *vttm_mmap(int fd, uint32_t handle, size_t size);
/* Anything else; @offset is inside the BO. MAP_FAILED and errno as mmap(). */
void *__vttm_mmap(int fd, uint32_t handle, uint64_t offset, size_t size,
		  int prot, int flags);
/* munmap() that asserts. */
void vttm_munmap(void *map, size_t size);

/* A dma-buf of the BO (PRIME export, read-write). */
int vttm_export(int fd, uint32_t handle);
/* A handle of the dma-buf (PRIME import). */
uint32_t vttm_import(int fd, int dmabuf);

/* The asserting one returns the number of pages swapped out. */
int __vttm_swapout(int fd, uint32_t handle, uint64_t *pages);
uint64_t vttm_swapout(int fd, uint32_t handle);

/* @placement: VTTM_PL_SYSTEM or VTTM_PL_VRAM */
int __vttm_move(int fd, uint32_t handle, uint32_t placement);
void vttm_move(int fd, uint32_t handle, uint32_t placement);

/* struct page of page @index: see struct drm_vttm_page. */
int __vttm_page(int fd, uint32_t handle, uint64_t index,
		struct drm_vttm_page *page);
void vttm_page(int fd, uint32_t handle, uint64_t index,
	       struct drm_vttm_page *page);

/* The BO as a whole: see struct drm_vttm_info. Never populates it. */
int __vttm_info(int fd, uint32_t handle, struct drm_vttm_info *info);
void vttm_info(int fd, uint32_t handle, struct drm_vttm_info *info);

/* Drops the contents, mapped or not. */
void vttm_purge(int fd, uint32_t handle);
/* What struct page says of any page: its VTTM_PAGE_* flags. Root only. */
uint32_t vttm_pfn_flags(int fd, uint64_t pfn);
/* The PFNs of a BO's pages; the caller frees them. */
uint64_t *vttm_pfns(int fd, uint32_t handle, uint32_t pages);
/* How many of these the kernel itself does not map as write-back. Root only. */
uint32_t vttm_uncached(int fd, const uint64_t *pfns, uint32_t count);

/* @op: VTTM_CTL_*. 0 or a negative errno. */
int vttm_ctl(int fd, uint32_t op);

/* One line of the mode's counters. */
struct vttm_counters {
	char policy[32];
	uint64_t sets_exposed;
	uint64_t chunks_marked;
	uint64_t pages_marked;
	uint64_t pages_quarantined;
	uint64_t pages_retired;
	uint64_t pages_leaked;
	uint64_t pages_reused;
	uint64_t records;
};

/*
 * The counters of @device (vttm_dev_name()), or of everything, orphans of
 * unloaded devices included, if NULL. -ENOENT if ttm.ko has no mode or it has
 * no such device.
 */
int __vttm_counters(const char *device, struct vttm_counters *counters);
/* The same for the device behind @fd, asserted. */
void vttm_counters(int fd, struct vttm_counters *counters);
/* Is this the policy of the device behind @fd? */
bool vttm_policy_is(int fd, const char *policy);
/* Everything, asserted. */
void vttm_counters_total(struct vttm_counters *counters);

/* A parameter of ttm.ko. Skips if it has none of that name. */
void vttm_parameter_set(const char *name, unsigned int value);

/* Waits until no page is quarantined anywhere; false after @seconds. */
bool __vttm_wait_quarantine_empty(int seconds);
/* Asserts it and that no page was ever leaked. */
void vttm_wait_quarantine_empty(int seconds);

#endif
