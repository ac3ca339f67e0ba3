/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-gpu: the host-visible window as memory that TTM manages.
 *
 * Included by virtgpu_drv.h, which knows the structures named here.
 */
#ifndef _VIRTGPU_WINDOW_H_
#define _VIRTGPU_WINDOW_H_

#include <linux/atomic.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <drm/drm_mm.h>

#include "virtgpu_ttm_compat.h"

struct dma_buf;
struct dma_resv;
struct drm_file;
struct drm_gem_object;
struct drm_minor;
struct seq_file;
struct task_struct;
struct virtio_gpu_device;
struct virtio_gpu_object;
struct virtio_gpu_object_params;
struct virtio_gpu_fence;
struct virtio_gpu_vbuffer;

/* Where a blob is: in the window, or known to the host alone. */
#define VIRTIO_GPU_PL_WINDOW TTM_PL_VRAM
#define VIRTIO_GPU_PL_HOST   TTM_PL_PRIV

/**
 * enum virtio_gpu_range_state - what the host has made of a range
 * @VIRTIO_GPU_RANGE_NEW: it was not asked
 * @VIRTIO_GPU_RANGE_MAPPING: it was asked to map the blob, and did not answer
 * @VIRTIO_GPU_RANGE_MAPPED: the blob is there
 * @VIRTIO_GPU_RANGE_REFUSED: it said no
 */
enum virtio_gpu_range_state {
	VIRTIO_GPU_RANGE_NEW,
	VIRTIO_GPU_RANGE_MAPPING,
	VIRTIO_GPU_RANGE_MAPPED,
	VIRTIO_GPU_RANGE_REFUSED,
};

/**
 * struct virtio_gpu_patience - how long the host may go on without a word
 * @since: when it was asked, or when it last said something that counts, in jiffies
 * @until: the last of &virtio_gpu_window.answers that counts
 * @end: when the last one that counts comes, in jiffies; 0 before somebody waits
 *
 * It takes commands in order, and each may cost it much: as long as it answers those
 * that are ahead it is not silent. There are no more of them than its queue holds, and they
 * are to take minutes at most: so a host that leaves one out and answers all others, however
 * slowly, is not waited for without end.
 */
struct virtio_gpu_patience {
	unsigned long since;
	unsigned long until;
	unsigned long end;
};

/**
 * struct virtio_gpu_idle - blobs that were closed, one after the other, untouched
 * @ctx_id: of which context
 * @count: how many
 */
struct virtio_gpu_idle {
	u32 ctx_id;
	unsigned int count;
};

/**
 * struct virtio_gpu_turn - a task's place among those that want room for a blob
 * @link: in &virtio_gpu_window.line, under the window's lock
 * @since: when it became the first, or something came back, in jiffies; under the lock
 * @patience: with the host
 * @deadline: when it gives up, in jiffies
 */
struct virtio_gpu_turn {
	struct list_head link;
	unsigned long since;
	struct virtio_gpu_patience patience;
	unsigned long deadline;
};

/**
 * struct virtio_gpu_range - a range of the window
 * @base: what TTM sees of it, until TTM frees it
 * @ref: TTM's reference, and one of every command under way
 * @window: the window
 * @node: the range, under the window's lock
 * @link: in &virtio_gpu_window.closed, .leaving, .lost or .left, under the window's lock
 * @closed: the blob, if nobody has it any more; the host forgets it behind the unmap
 * @vacated: the blob lives on elsewhere
 * @left_out: the host answered the unmap, but not the map: in no list; under the lock
 * @told: the host was asked to unmap it; never taken back
 * @handle: the host's name of the blob
 * @state: written under the window's lock
 * @map_info: the host's word on caching; stable once it is mapped
 * @patience: with the host, since the last command was sent
 *
 * It outlives TTM's interest: the addresses are given to another blob only when
 * the host has confirmed that this one is gone from there.
 */
struct virtio_gpu_range {
	struct ttm_resource base;
	struct kref ref;
	struct virtio_gpu_window *window;
	struct drm_mm_node node;
	struct list_head link;
	struct virtio_gpu_object *closed;
	bool vacated;
	bool left_out;
	bool told;
	u32 handle;
	enum virtio_gpu_range_state state;
	u32 map_info;
	struct virtio_gpu_patience patience;
};

/**
 * struct virtio_gpu_failure - what came of a fault's last try, under the window's lock
 * @task: whose it was, to be compared alone; NULL if it has been told
 * @err: 0 or negative errno
 * @when: in jiffies
 */
struct virtio_gpu_failure {
	const struct task_struct *task;
	int err;
	unsigned long when;
};

/**
 * struct virtio_gpu_window - the host-visible window of a device
 * @vgdev: the device
 * @bdev: its TTM side
 * @in_window: the blobs in the window
 * @on_host: the blobs that are not
 * @size: of the window in bytes
 * @lock: protects @mm, all lists, @closing, @idle and the state of ranges
 * @mm: which addresses are taken
 * @closed: ranges of closed blobs that the host was not told of yet, oldest first
 * @closing: ranges of closed blobs among @leaving
 * @forgotten: closed blobs without a range that the host was not told of yet
 * @close: tells the host of @closed, a few at a time
 * @forget: tells it of @forgotten
 * @closer: the task that does, while it does
 * @leaving: ranges whose UNMAP_BLOB has no answer yet, oldest first
 * @lost: ranges that the host did not unmap; never used again
 * @left: ranges that were freed while the device went, and the host was not told
 * @parted: it was told of all, or never will be
 * @returned: counts the ranges that came back to @mm
 * @answers: counts the commands that the host has answered, of any kind
 * @heard: when it last answered one, in jiffies
 * @wait: woken up by every answer to a map or an unmap
 * @line: tasks that want room for a blob, the longest waiting first
 * @idle: blobs that were mapped by the host for nothing
 * @stopped: the device is about to go, so nobody is to wait for the host
 * @unmapping: UNMAP_BLOB commands that have no answer yet
 * @blobs_in: blobs in the window, those that are about to be mapped there included
 * @blobs_out: blobs that are on the host alone
 * @maps: MAP_BLOB commands sent
 * @unmaps: UNMAP_BLOB commands sent
 * @refused: MAP_BLOB commands that the host refused
 * @evictions: blobs that had to make room for others
 * @waits: times a task waited for the host
 * @timeouts: times it gave up
 * @silent_on: what it waited for when it gave up last
 */
struct virtio_gpu_window {
	struct virtio_gpu_device *vgdev;
	struct ttm_device bdev;
	struct ttm_resource_manager in_window;
	struct ttm_resource_manager on_host;
	u64 size;
	spinlock_t lock; /* mm, lists, closing, idle, the state of ranges */
	struct drm_mm mm;
	struct list_head closed;
	unsigned int closing;
	struct list_head forgotten;
	struct work_struct close;
	struct work_struct forget;
	const struct task_struct *closer;
	struct list_head leaving;
	struct list_head lost;
	struct list_head left;
	bool parted;
	unsigned long returned;
	unsigned long answers;
	unsigned long heard;
	wait_queue_head_t wait;
	struct list_head line;
	struct virtio_gpu_idle idle;
	bool stopped;
	atomic_t unmapping;
	atomic_long_t blobs_in;
	atomic_long_t blobs_out;
	atomic_long_t maps;
	atomic_long_t unmaps;
	atomic_long_t refused;
	atomic_long_t evictions;
	atomic_long_t waits;
	atomic_long_t timeouts;
	const char *silent_on;
};

/* virtgpu_window.c */
unsigned long virtio_gpu_window_timeout(void);
struct virtio_gpu_range *
virtio_gpu_range_of(const struct ttm_buffer_object *tbo);
void virtio_gpu_range_put(struct virtio_gpu_range *range);
void virtio_gpu_range_map(struct virtio_gpu_range *range);
void virtio_gpu_range_vacate(struct virtio_gpu_range *range, bool evict);
void virtio_gpu_range_close(struct virtio_gpu_range *range,
			    struct virtio_gpu_object *bo);
void virtio_gpu_range_iounmap(struct virtio_gpu_range *range);
void virtio_gpu_window_forget(struct virtio_gpu_window *window,
			      struct virtio_gpu_object *bo);
bool virtio_gpu_range_mapped(const struct virtio_gpu_range *range);
bool virtio_gpu_range_asked(const struct virtio_gpu_range *range);
bool virtio_gpu_range_refused(const struct virtio_gpu_range *range);
int virtio_gpu_range_wait(struct virtio_gpu_range *range);
unsigned long virtio_gpu_window_taken(struct virtio_gpu_window *window,
				      unsigned long *returned);
unsigned long
virtio_gpu_window_returned(const struct virtio_gpu_window *window);
void virtio_gpu_window_heard(struct virtio_gpu_device *vgdev);
void virtio_gpu_window_context(struct virtio_gpu_device *vgdev, u32 ctx_id);
void virtio_gpu_window_touched(struct virtio_gpu_window *window, u32 ctx_id);
void virtio_gpu_window_untouched(struct virtio_gpu_window *window, u32 ctx_id);
bool virtio_gpu_window_eager(struct virtio_gpu_window *window, u32 ctx_id);
unsigned int virtio_gpu_window_slots(struct virtio_gpu_device *vgdev,
				     const struct virtio_gpu_vbuffer *vbuf,
				     unsigned int slots);
int virtio_gpu_window_lock(struct virtio_gpu_window *window,
			   struct dma_resv *resv);
void virtio_gpu_window_line_up(struct virtio_gpu_window *window,
			       struct virtio_gpu_turn *turn);
int virtio_gpu_window_turn_wait(struct virtio_gpu_window *window,
				struct virtio_gpu_turn *turn, bool locked);
bool virtio_gpu_window_turn_over(struct virtio_gpu_window *window,
				 struct virtio_gpu_turn *turn, bool progress);
void virtio_gpu_window_leave_line(struct virtio_gpu_window *window,
				  struct virtio_gpu_turn *turn);
bool virtio_gpu_window_stopped(const struct virtio_gpu_window *window);
bool virtio_gpu_window_broken(struct virtio_gpu_device *vgdev);
void virtio_gpu_window_stop(struct virtio_gpu_device *vgdev);
void virtio_gpu_window_farewell(struct virtio_gpu_device *vgdev);
void virtio_gpu_window_setup(struct virtio_gpu_window *window);
void virtio_gpu_window_forget_closed(struct virtio_gpu_window *window);
void virtio_gpu_window_iounmap(struct virtio_gpu_window *window);
void virtio_gpu_window_teardown(struct virtio_gpu_window *window);
void virtio_gpu_window_debugfs_init(struct drm_minor *minor);

/* virtgpu_ttm.c */
void virtio_gpu_notify_now(struct virtio_gpu_device *vgdev);
void virtio_gpu_tbo_leave(struct ttm_buffer_object *tbo,
			  struct virtio_gpu_range *range);
void virtio_gpu_window_init(struct virtio_gpu_device *vgdev);
void virtio_gpu_window_dead(struct virtio_gpu_device *vgdev,
			    struct virtio_gpu_vbuffer *vbuf,
			    struct virtio_gpu_fence *fence);
void virtio_gpu_window_drop(struct virtio_gpu_device *vgdev,
			    struct virtio_gpu_vbuffer *vbuf,
			    struct virtio_gpu_fence *fence);
bool virtio_gpu_window_gives_up(struct virtio_gpu_device *vgdev,
				struct virtio_gpu_vbuffer *vbuf,
				struct virtio_gpu_fence *fence);
void virtio_gpu_window_gone(struct virtio_gpu_device *vgdev);
bool virtio_gpu_window_takes(struct virtio_gpu_device *vgdev,
			     const struct virtio_gpu_object_params *params);
int virtio_gpu_window_create(struct virtio_gpu_device *vgdev,
			     struct virtio_gpu_object_params *params,
			     struct virtio_gpu_object **bo_ptr);
bool virtio_gpu_is_window(const struct virtio_gpu_object *bo);
int virtio_gpu_window_map_ioctl(struct drm_file *file, u32 handle);
struct dma_buf *virtio_gpu_tbo_export(struct drm_gem_object *obj, int flags);

/* virtgpu_vq.c, where hooks.cocci makes them known */
void *virtio_gpu_alloc_cmd_resp(
	struct virtio_gpu_device *vgdev,
	void (*cb)(struct virtio_gpu_device *vgdev,
		   struct virtio_gpu_vbuffer *vbuf),
	struct virtio_gpu_vbuffer **vbuffer_p, int cmd_size, int resp_size,
	void *resp_buf);
int virtio_gpu_queue_ctrl_buffer(struct virtio_gpu_device *vgdev,
				 struct virtio_gpu_vbuffer *vbuf);
void free_vbuf(struct virtio_gpu_device *vgdev,
	       struct virtio_gpu_vbuffer *vbuf);

#endif
