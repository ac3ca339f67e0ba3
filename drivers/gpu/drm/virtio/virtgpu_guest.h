/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-gpu: blobs in the guest's own memory, as TTM BOs.
 *
 * Included by virtgpu_drv.h, which knows the structures named here.
 */
#ifndef _VIRTGPU_GUEST_H_
#define _VIRTGPU_GUEST_H_

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct drm_minor;
struct ttm_buffer_object;
struct ttm_device;
struct ttm_tt;
struct virtio_gpu_device;
struct virtio_gpu_object;
struct virtio_gpu_object_params;

/**
 * struct virtio_gpu_backing_count - how the host was told where memory is
 * @objects: objects with memory of the guest, since the device was bound
 * @entries: struct virtio_gpu_mem_entry that they needed
 */
struct virtio_gpu_backing_count {
	atomic_long_t objects;
	atomic_long_t entries;
};

/**
 * struct virtio_gpu_guests - what a device knows of the guest's memory
 * @ttm: the blobs that are TTM BOs
 * @shmem: the stock driver's objects
 * @refused: blobs that the host refused
 * @lock: protects @left, @gone, and @mapped
 * @left: blobs that were freed while the device goes, before the reset
 * @gone: the device was reset, so the host uses no page any more
 * @mapped: blobs that are mapped for the device
 */
struct virtio_gpu_guests {
	struct virtio_gpu_backing_count ttm;
	struct virtio_gpu_backing_count shmem;
	atomic_long_t refused;
	spinlock_t lock; /* left, gone, mapped */
	struct list_head left;
	bool gone;
	struct list_head mapped;
};

struct ttm_tt *virtio_gpu_guest_tt_create(struct ttm_buffer_object *tbo,
					  u32 page_flags);
void virtio_gpu_guest_tt_destroy(struct ttm_device *bdev, struct ttm_tt *tt);
void virtio_gpu_guest_init(struct virtio_gpu_device *vgdev);
void virtio_gpu_guest_gone(struct virtio_gpu_device *vgdev);
bool virtio_gpu_guest_takes(const struct virtio_gpu_device *vgdev,
			    const struct virtio_gpu_object_params *params);
int virtio_gpu_guest_create(struct virtio_gpu_device *vgdev,
			    struct virtio_gpu_object_params *params,
			    struct virtio_gpu_object **bo_ptr);
bool virtio_gpu_is_guest(const struct virtio_gpu_object *bo);
void virtio_gpu_guest_cleanup(struct virtio_gpu_object *bo);
void virtio_gpu_guest_sync(struct virtio_gpu_object *bo);
void virtio_gpu_backing_counted(struct virtio_gpu_backing_count *count,
				unsigned int entries);
void virtio_gpu_guest_debugfs_init(struct drm_minor *minor);

#endif
