// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-gpu: ranges of the host-visible window, and what the host is told.
 */

#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include <drm/drm_debugfs.h>
#include <drm/drm_file.h>
#include <drm/drm_print.h>

#include "virtgpu_drv.h"

#define CREATE_TRACE_POINTS
#include "virtgpu_window_trace.h"

static unsigned int virtio_gpu_window_timeout_ms = 5000;
module_param_named(ttm_blobs_timeout_ms, virtio_gpu_window_timeout_ms, uint,
		   0644);
MODULE_PARM_DESC(
	ttm_blobs_timeout_ms,
	"How long a host may take to map or unmap a blob, in ms (default: 5000)");

/*
 * Unmaps of closed blobs that the host has at the same time. It takes commands in
 * order, and an unmap may cost it 100 ms: who wants to map waits for these, and not
 * for all that another process left behind. Two keep it busy.
 */
#define VIRTIO_GPU_WINDOW_CLOSING 2

/*
 * Free slots of the control queue without which nothing more is asked. While somebody
 * wants room, no command but those for the window gets them: others that send all the
 * time would take each slot as soon as it is free. Not more than half of a queue.
 */
#define VIRTIO_GPU_WINDOW_SLOTS 8u

/* Others may overtake if nothing has come back for so long: longer than an unmap takes. */
#define VIRTIO_GPU_WINDOW_OVERTAKE (HZ / 2)

/* More than the control queue of any host holds; QEMU's has 256 slots. */
#define VIRTIO_GPU_WINDOW_AHEAD 1024

/* However many answers there are, they count for so many times the timeout. */
#define VIRTIO_GPU_WINDOW_PATIENCE 12

/*
 * So many blobs in a row that a context has closed, and nobody has touched: the host is
 * not asked to map what it makes next before somebody does.
 */
#define VIRTIO_GPU_WINDOW_IDLE 8

/*
 * How long a host may be silent before a device that goes does so without it, and how long
 * it may go on.
 */
#define VIRTIO_GPU_WINDOW_FAREWELL (4 * HZ)
#define VIRTIO_GPU_WINDOW_FAREWELL_END (60 * HZ)

static struct virtio_gpu_window *to_window(struct ttm_resource_manager *man)
{
	return container_of(man, struct virtio_gpu_window, in_window);
}

static struct virtio_gpu_window *
on_host_window(struct ttm_resource_manager *man)
{
	return container_of(man, struct virtio_gpu_window, on_host);
}

static struct virtio_gpu_range *to_range(struct ttm_resource *res)
{
	return container_of(res, struct virtio_gpu_range, base);
}

/**
 * virtio_gpu_window_timeout - how long a host may take
 *
 * Context: Any.
 * Return: the time in jiffies, at least 1.
 */
unsigned long virtio_gpu_window_timeout(void)
{
	return max(msecs_to_jiffies(READ_ONCE(virtio_gpu_window_timeout_ms)),
		   1UL);
}

/**
 * virtio_gpu_range_of - the range of a blob in the window
 * @tbo: the blob
 *
 * Context: The reservation of @tbo is held.
 * Return: the range, or NULL if the blob is not in the window.
 */
struct virtio_gpu_range *
virtio_gpu_range_of(const struct ttm_buffer_object *tbo)
{
	if (!tbo->resource || tbo->resource->mem_type != VIRTIO_GPU_PL_WINDOW)
		return NULL;
	return to_range(tbo->resource);
}

/* ---- How long the host may be silent ----------------------------------- */

static void virtio_gpu_patience_begin(struct virtio_gpu_window *window,
				      struct virtio_gpu_patience *patience)
{
	patience->since = jiffies;
	patience->end = 0;
	patience->until = READ_ONCE(window->answers) + VIRTIO_GPU_WINDOW_AHEAD;
}

/* Has the host answered anything since virtio_gpu_patience_begin()? */
static bool
virtio_gpu_patience_heard(const struct virtio_gpu_window *window,
			  const struct virtio_gpu_patience *patience)
{
	return READ_ONCE(window->answers) + VIRTIO_GPU_WINDOW_AHEAD !=
	       patience->until;
}

/* When the last answer counts for who begins to wait now; not 0. */
static unsigned long virtio_gpu_patience_end(void)
{
	const unsigned long most =
		MAX_JIFFY_OFFSET / VIRTIO_GPU_WINDOW_PATIENCE;

	return (jiffies + VIRTIO_GPU_WINDOW_PATIENCE *
				  min(virtio_gpu_window_timeout(), most)) |
	       1;
}

/* True if the host has said something that counts since the last call. */
static bool virtio_gpu_patience_renew(const struct virtio_gpu_window *window,
				      struct virtio_gpu_patience *patience)
{
	unsigned long answers = READ_ONCE(window->answers),
		      heard = READ_ONCE(window->heard);

	if (!patience->end)
		patience->end = virtio_gpu_patience_end();
	if ((long)(patience->until - answers) < 0 ||
	    !time_after(heard, patience->since) ||
	    time_after(heard, patience->end))
		return false;
	patience->since = heard;
	return true;
}

/*
 * What is left of the time, in jiffies. Who comes when it is over gives the host a
 * moment all the same: it may be about to answer, and if the machine was stopped
 * meanwhile it had no chance to.
 */
static unsigned long
virtio_gpu_patience_left(const struct virtio_gpu_patience *patience)
{
	const unsigned long moment = HZ / 10, now = jiffies;
	unsigned long deadline = patience->since + virtio_gpu_window_timeout();

	return time_before(now + moment, deadline) ? deadline - now : moment;
}

/*
 * wait_event_killable_timeout(), where the time begins anew with each answer that
 * counts. 0 if the host has said nothing for that long.
 */
#define virtio_gpu_window_wait(window, queue, condition, patience) \
	({ \
		struct virtio_gpu_window *__window = (window); \
		struct virtio_gpu_patience *__patience = (patience); \
		long __ret; \
\
		virtio_gpu_patience_renew(__window, __patience); \
		do { \
			__ret = wait_event_killable_timeout( \
				queue, condition, \
				virtio_gpu_patience_left(__patience)); \
		} while (!__ret && \
			 virtio_gpu_patience_renew(__window, __patience)); \
		__ret; \
	})

/**
 * virtio_gpu_window_heard - the host has answered a command, of whatever kind
 * @vgdev: the device, with a window or without
 *
 * Context: Process: the one work item that takes the answers of the control queue.
 */
void virtio_gpu_window_heard(struct virtio_gpu_device *vgdev)
{
	struct virtio_gpu_window *window = vgdev->window;

	if (!window)
		return;
	WRITE_ONCE(window->heard, jiffies);
	WRITE_ONCE(window->answers, window->answers + 1);
}

/* ---- Blobs that nobody touches ----------------------------------------- */

/**
 * virtio_gpu_window_context - a context is made; its number may have been another one's
 * @vgdev: the device, with a window or without
 * @ctx_id: its number
 *
 * Context: Process; takes the window's lock.
 */
void virtio_gpu_window_context(struct virtio_gpu_device *vgdev, u32 ctx_id)
{
	if (vgdev->window)
		virtio_gpu_window_touched(vgdev->window, ctx_id);
}

/**
 * virtio_gpu_window_touched - somebody uses a blob in the window
 * @window: the window
 * @ctx_id: of the context that made it
 *
 * Context: Process; takes the window's lock.
 */
void virtio_gpu_window_touched(struct virtio_gpu_window *window, u32 ctx_id)
{
	spin_lock(&window->lock);
	if (window->idle.ctx_id == ctx_id)
		window->idle.count = 0;
	spin_unlock(&window->lock);
}

/**
 * virtio_gpu_window_untouched - a blob goes that the host has mapped for nothing
 * @window: the window
 * @ctx_id: of the context that made it
 *
 * Of one context at a time is kept count: of two that do this in turns none is known.
 *
 * Context: Process; takes the window's lock.
 */
void virtio_gpu_window_untouched(struct virtio_gpu_window *window, u32 ctx_id)
{
	spin_lock(&window->lock);
	if (window->idle.ctx_id != ctx_id)
		window->idle = (struct virtio_gpu_idle){ .ctx_id = ctx_id };
	window->idle.count++;
	spin_unlock(&window->lock);
}

/**
 * virtio_gpu_window_eager - is a new blob likely to be touched?
 * @window: the window
 * @ctx_id: of the context that makes it
 *
 * Context: Process; takes the window's lock.
 * Return: false if the last ones of this context were not.
 */
bool virtio_gpu_window_eager(struct virtio_gpu_window *window, u32 ctx_id)
{
	bool eager;

	spin_lock(&window->lock);
	eager = window->idle.ctx_id != ctx_id ||
		window->idle.count < VIRTIO_GPU_WINDOW_IDLE;
	spin_unlock(&window->lock);
	return eager;
}

/* ---- The life of a range ----------------------------------------------- */

/* The host may still have the blob there: nobody else can get these addresses. */
static void virtio_gpu_range_lose(struct virtio_gpu_range *range)
{
	struct virtio_gpu_window *window = range->window;

	lockdep_assert_held(&window->lock);
	range->left_out = false;
	list_add_tail(&range->link, &window->lost);
	trace_virtio_gpu_range_lost(range);
	drm_err_ratelimited(
		window->vgdev->ddev,
		"the host did not unmap blob %u: %llu bytes of its window are lost\n",
		range->handle, range->node.size);
}

/* Others are not to overtake it yet. */
static void virtio_gpu_window_first_gets_on(struct virtio_gpu_window *window)
{
	struct virtio_gpu_turn *first;

	lockdep_assert_held(&window->lock);
	first = list_first_entry_or_null(&window->line, struct virtio_gpu_turn,
					 link);
	if (first)
		first->since = jiffies;
}

/* With the window's lock, so that who looks for a range finds it in one place. */
static void virtio_gpu_range_release(struct kref *ref) __releases(window->lock)
{
	struct virtio_gpu_range *range =
		container_of(ref, struct virtio_gpu_range, ref);
	struct virtio_gpu_window *window = range->window;
	bool left_out = range->left_out;
	bool gone = virtio_gpu_window_stopped(window) ||
		    drm_dev_is_unplugged(window->vgdev->ddev);

	lockdep_assert_held(&window->lock);
	list_del_init(&range->link);
	if (range->state == VIRTIO_GPU_RANGE_MAPPED && !gone) {
		virtio_gpu_range_lose(range);
		range = NULL;
	} else if (range->state == VIRTIO_GPU_RANGE_MAPPED && !range->told &&
		   !window->parted) {
		list_add_tail(&range->link, &window->left);
		range = NULL;
	} else {
		trace_virtio_gpu_range_returned(range);
		drm_mm_remove_node(&range->node);
	}
	if (!left_out)
		window->returned++;
	virtio_gpu_window_first_gets_on(window);
	spin_unlock(&window->lock);
	kfree(range);
	wake_up_all(&window->wait);
}

/**
 * virtio_gpu_range_put - drop a reference
 * @range: the range
 *
 * Context: Process; may take the window's lock.
 */
void virtio_gpu_range_put(struct virtio_gpu_range *range)
{
	kref_put_lock(&range->ref, virtio_gpu_range_release,
		      &range->window->lock);
}

static void virtio_gpu_range_set(struct virtio_gpu_range *range,
				 enum virtio_gpu_range_state state)
{
	spin_lock(&range->window->lock);
	/* Pairs with virtio_gpu_range_state(): map_info is set before. */
	smp_store_release(&range->state, state);
	spin_unlock(&range->window->lock);
	wake_up_all(&range->window->wait);
}

static enum virtio_gpu_range_state
virtio_gpu_range_state(const struct virtio_gpu_range *range)
{
	/* Pairs with virtio_gpu_range_set(). */
	return smp_load_acquire(&range->state);
}

/**
 * virtio_gpu_range_vacate - a blob that lives on leaves its range
 * @range: the range
 * @evict: another blob needs it
 *
 * TTM frees it next, and the host is told at once.
 *
 * Context: The reservation of its blob is held.
 */
void virtio_gpu_range_vacate(struct virtio_gpu_range *range, bool evict)
{
	range->vacated = true;
	if (!evict)
		return;
	atomic_long_inc(&range->window->evictions);
	trace_virtio_gpu_range_evict(range);
}

/**
 * virtio_gpu_range_iounmap - the kernel's own mapping of a range is not needed any more
 * @range: the range, which may have none
 *
 * Context: May sleep. TTM and virtio_gpu_window_iounmap() may call it at the same time.
 */
void virtio_gpu_range_iounmap(struct virtio_gpu_range *range)
{
	void *va = xchg(&range->base.bus.addr, NULL);

	if (va)
		iounmap((__force void __iomem *)va);
}

/**
 * virtio_gpu_range_mapped - may the CPU use a range?
 * @range: the range, or NULL
 *
 * Context: The reservation of its blob is held.
 * Return: true if the host has the blob there.
 */
bool virtio_gpu_range_mapped(const struct virtio_gpu_range *range)
{
	return range &&
	       virtio_gpu_range_state(range) == VIRTIO_GPU_RANGE_MAPPED;
}

/**
 * virtio_gpu_range_asked - is the host's answer to a MAP_BLOB still to come?
 * @range: the range
 *
 * Context: The reservation of its blob is held.
 * Return: true if so.
 */
bool virtio_gpu_range_asked(const struct virtio_gpu_range *range)
{
	return virtio_gpu_range_state(range) == VIRTIO_GPU_RANGE_MAPPING;
}

/**
 * virtio_gpu_range_refused - has the host said no to a MAP_BLOB?
 * @range: the range
 *
 * Context: The reservation of its blob is held.
 * Return: true if so.
 */
bool virtio_gpu_range_refused(const struct virtio_gpu_range *range)
{
	return virtio_gpu_range_state(range) == VIRTIO_GPU_RANGE_REFUSED;
}

/* ---- Commands ---------------------------------------------------------- */

/*
 * The command holds the range until it is freed, answered or not. -ENODEV if it was not
 * sent, since the device goes.
 */
static int virtio_gpu_range_send(struct virtio_gpu_range *range,
				 struct virtio_gpu_vbuffer *vbuf)
{
	struct virtio_gpu_device *vgdev = range->window->vgdev;
	int ret;

	kref_get(&range->ref);
	vbuf->range = range;
	ret = virtio_gpu_queue_ctrl_buffer(vgdev, vbuf);
	virtio_gpu_notify(vgdev);
	return ret;
}

static void virtio_gpu_range_map_cb(struct virtio_gpu_device *vgdev,
				    struct virtio_gpu_vbuffer *vbuf)
{
	const struct virtio_gpu_resp_map_info *resp = (void *)vbuf->resp_buf;
	struct virtio_gpu_range *range = vbuf->range;

	if (le32_to_cpu(resp->hdr.type) == VIRTIO_GPU_RESP_OK_MAP_INFO) {
		range->map_info = resp->map_info;
		trace_virtio_gpu_range_mapped(range);
		virtio_gpu_range_set(range, VIRTIO_GPU_RANGE_MAPPED);
	} else {
		atomic_long_inc(&range->window->refused);
		trace_virtio_gpu_range_refused(range);
		virtio_gpu_range_set(range, VIRTIO_GPU_RANGE_REFUSED);
	}
}

/**
 * virtio_gpu_range_map - ask the host to map a blob into its range
 * @range: the range, new
 *
 * Does not wait for the answer: virtio_gpu_range_wait() does.
 *
 * Context: May sleep.
 */
void virtio_gpu_range_map(struct virtio_gpu_range *range)
{
	struct virtio_gpu_window *window = range->window;
	struct virtio_gpu_resource_map_blob *cmd;
	struct virtio_gpu_resp_map_info *resp;
	struct virtio_gpu_vbuffer *vbuf;

	resp = kzalloc(sizeof(*resp), GFP_KERNEL | __GFP_NOFAIL);
	cmd = virtio_gpu_alloc_cmd_resp(window->vgdev, virtio_gpu_range_map_cb,
					&vbuf, sizeof(*cmd), sizeof(*resp),
					resp);
	memset(cmd, 0, sizeof(*cmd));
	cmd->hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB);
	cmd->resource_id = cpu_to_le32(range->handle);
	cmd->offset = cpu_to_le64(range->node.start);

	atomic_long_inc(&window->maps);
	virtio_gpu_patience_begin(window, &range->patience);
	spin_lock(&window->lock);
	WRITE_ONCE(range->state, VIRTIO_GPU_RANGE_MAPPING);
	spin_unlock(&window->lock);
	trace_virtio_gpu_range_map(range);
	virtio_gpu_range_send(range, vbuf);
}

/*
 * The host has answered the unmap, but not the map that was sent before: it left that out.
 * These addresses are nobody's until it answers, or the device goes; nobody waits for them.
 */
static void virtio_gpu_range_left_out(struct virtio_gpu_range *range)
{
	struct virtio_gpu_window *window = range->window;

	spin_lock(&window->lock);
	list_del_init(&range->link);
	range->left_out = true;
	window->returned++;
	virtio_gpu_window_first_gets_on(window);
	spin_unlock(&window->lock);
	wake_up_all(&window->wait);
}

static void virtio_gpu_range_unmap_cb(struct virtio_gpu_device *vgdev,
				      struct virtio_gpu_vbuffer *vbuf)
{
	const struct virtio_gpu_ctrl_hdr *resp = (void *)vbuf->resp_buf;
	struct virtio_gpu_window *window = vbuf->range->window;

	atomic_dec(&window->unmapping);
	if (vbuf->range->closed) {
		spin_lock(&window->lock);
		window->closing--;
		spin_unlock(&window->lock);
		/* Not here: to send may have to wait for whoever calls this. */
		queue_work(system_unbound_wq, &window->close);
	}
	if (virtio_gpu_range_asked(vbuf->range))
		virtio_gpu_range_left_out(vbuf->range);
	/* Anything else leaves the range lost, unless the map was refused. */
	if (le32_to_cpu(resp->type) == VIRTIO_GPU_RESP_OK_NODATA)
		virtio_gpu_range_set(vbuf->range, VIRTIO_GPU_RANGE_NEW);
}

static struct virtio_gpu_vbuffer *
virtio_gpu_range_unmap_cmd(struct virtio_gpu_range *range,
			   void (*cb)(struct virtio_gpu_device *vgdev,
				      struct virtio_gpu_vbuffer *vbuf))
{
	struct virtio_gpu_window *window = range->window;
	struct virtio_gpu_resource_unmap_blob *cmd;
	struct virtio_gpu_vbuffer *vbuf;

	cmd = virtio_gpu_alloc_cmd_resp(window->vgdev, cb, &vbuf, sizeof(*cmd),
					sizeof(struct virtio_gpu_ctrl_hdr),
					NULL);
	memset(cmd, 0, sizeof(*cmd));
	cmd->hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB);
	cmd->resource_id = cpu_to_le32(range->handle);

	atomic_inc(&window->unmapping);
	atomic_long_inc(&window->unmaps);
	trace_virtio_gpu_range_unmap(range);
	return vbuf;
}

/* The caller has a reference. */
static void virtio_gpu_range_unmap(struct virtio_gpu_range *range)
{
	struct virtio_gpu_window *window = range->window;
	struct virtio_gpu_vbuffer *vbuf;
	bool entered;
	int idx;

	/* First: who needs room shall see that there is something to wait for. */
	spin_lock(&window->lock);
	virtio_gpu_patience_begin(window, &range->patience);
	if (list_empty(&range->link))
		list_add_tail(&range->link, &window->leaving);
	spin_unlock(&window->lock);

	vbuf = virtio_gpu_range_unmap_cmd(range, virtio_gpu_range_unmap_cb);
	/* An unplug, whose farewell asks who was told, comes before this or after it. */
	entered = drm_dev_enter(window->vgdev->ddev, &idx);
	if (virtio_gpu_range_send(range, vbuf))
		atomic_dec(&window->unmapping);
	else
		WRITE_ONCE(range->told, true);
	if (entered)
		drm_dev_exit(idx);
}

/* ---- Closed blobs ------------------------------------------------------ */

/* The next one that the host may be told of. */
static struct virtio_gpu_range *
virtio_gpu_window_next_closed(struct virtio_gpu_window *window)
{
	struct virtio_gpu_range *range = NULL;

	spin_lock(&window->lock);
	if (window->closing < VIRTIO_GPU_WINDOW_CLOSING)
		range = list_first_entry_or_null(&window->closed,
						 struct virtio_gpu_range, link);
	if (range) {
		virtio_gpu_patience_begin(window, &range->patience);
		list_move_tail(&range->link, &window->leaving);
		window->closing++;
	}
	spin_unlock(&window->lock);
	return range;
}

static struct virtio_gpu_object *
virtio_gpu_window_next_forgotten(struct virtio_gpu_window *window)
{
	struct virtio_gpu_object_vram *vram;

	spin_lock(&window->lock);
	vram = list_first_entry_or_null(
		&window->forgotten, struct virtio_gpu_object_vram, forgotten);
	if (vram)
		list_del(&vram->forgotten);
	spin_unlock(&window->lock);
	return vram ? &vram->base : NULL;
}

static void virtio_gpu_window_close_work(struct work_struct *work)
{
	struct virtio_gpu_window *window =
		container_of(work, struct virtio_gpu_window, close);
	struct virtio_gpu_device *vgdev = window->vgdev;
	struct virtio_gpu_range *range;
	int idx;

	if (!drm_dev_enter(vgdev->ddev, &idx)) {
		/* Nobody will be told any more: who waits for it must not. */
		wake_up_all(&window->wait);
		return;
	}
	WRITE_ONCE(window->closer, current);
	while ((range = virtio_gpu_window_next_closed(window))) {
		virtio_gpu_range_unmap(range);
		/* Its answer frees the object. */
		virtio_gpu_cmd_unref_resource(vgdev, range->closed);
		virtio_gpu_notify(vgdev);
		virtio_gpu_range_put(range);
	}
	WRITE_ONCE(window->closer, NULL);
	drm_dev_exit(idx);
}

/* Nobody waits for these, and they may have to wait for the host. */
static void virtio_gpu_window_forget_work(struct work_struct *work)
{
	struct virtio_gpu_window *window =
		container_of(work, struct virtio_gpu_window, forget);
	struct virtio_gpu_device *vgdev = window->vgdev;
	struct virtio_gpu_object *bo;
	int idx;

	if (!drm_dev_enter(vgdev->ddev, &idx))
		return;
	while ((bo = virtio_gpu_window_next_forgotten(window))) {
		virtio_gpu_cmd_unref_resource(vgdev, bo);
		virtio_gpu_notify(vgdev);
	}
	drm_dev_exit(idx);
}

/**
 * virtio_gpu_window_forget - forget a closed blob that has no range
 * @window: the window
 * @bo: the blob, which nobody uses any more; it is freed in the end
 *
 * Not here: to send may have to wait for the host, and who closes a blob or the last
 * mapping of one may have the mmap lock.
 *
 * Context: Process. The device cannot be unplugged meanwhile (drm_dev_enter()).
 */
void virtio_gpu_window_forget(struct virtio_gpu_window *window,
			      struct virtio_gpu_object *bo)
{
	spin_lock(&window->lock);
	list_add_tail(&to_virtio_gpu_vram(bo)->forgotten, &window->forgotten);
	spin_unlock(&window->lock);
	queue_work(system_unbound_wq, &window->forget);
}

/**
 * virtio_gpu_range_close - unmap and forget a closed blob when its turn comes
 * @range: its range, with the caller's reference, which is passed on
 * @bo: the blob, which nobody uses any more; it is freed in the end
 *
 * What many closed blobs leave to do for the host does not keep others from it.
 *
 * Context: Process. The device cannot be unplugged meanwhile (drm_dev_enter()).
 */
void virtio_gpu_range_close(struct virtio_gpu_range *range,
			    struct virtio_gpu_object *bo)
{
	struct virtio_gpu_window *window = range->window;

	range->closed = bo;
	spin_lock(&window->lock);
	list_add_tail(&range->link, &window->closed);
	spin_unlock(&window->lock);
	queue_work(system_unbound_wq, &window->close);
}

/**
 * virtio_gpu_window_forget_closed - free closed blobs without the host
 * @window: the window of a device that was unplugged
 *
 * Context: Process.
 */
void virtio_gpu_window_forget_closed(struct virtio_gpu_window *window)
{
	struct virtio_gpu_range *range;
	struct virtio_gpu_object *bo;

	cancel_work_sync(&window->close);
	cancel_work_sync(&window->forget);
	window->closing = 0;
	while ((range = virtio_gpu_window_next_closed(window))) {
		window->closing = 0;
		virtio_gpu_cleanup_object(range->closed);
		virtio_gpu_range_put(range);
	}
	while ((bo = virtio_gpu_window_next_forgotten(window)))
		virtio_gpu_cleanup_object(bo);
}

/* ---- Waiting for the host ---------------------------------------------- */

/**
 * virtio_gpu_window_stopped - is the device about to go, or gone?
 * @window: the window, or NULL
 *
 * Context: Any.
 * Return: true if there is no use in waiting for the host.
 */
bool virtio_gpu_window_stopped(const struct virtio_gpu_window *window)
{
	return window && READ_ONCE(window->stopped);
}

static void virtio_gpu_window_wake(struct virtio_gpu_device *vgdev)
{
	wake_up_all(&vgdev->window->wait);
	wake_up_all(&vgdev->ctrlq.ack_queue);
	wake_up_all(&vgdev->resp_wq);
}

/**
 * virtio_gpu_window_stop - the device is about to be unplugged
 * @vgdev: the device, with a window or without
 *
 * drm_dev_unplug() waits for the faults that are under way, and those of blobs
 * wait for the host: for as long as the timeout is, if it does not answer.
 *
 * Context: Process.
 */
void virtio_gpu_window_stop(struct virtio_gpu_device *vgdev)
{
	struct virtio_gpu_window *window = vgdev->window;

	if (!window)
		return;
	/* So that nobody gets a range that comes back because of that. */
	spin_lock(&window->lock);
	WRITE_ONCE(window->stopped, true);
	spin_unlock(&window->lock);
	virtio_gpu_window_wake(vgdev);
}

static int virtio_gpu_window_timed_out(struct virtio_gpu_window *window,
				       const char *what)
{
	atomic_long_inc(&window->timeouts);
	/* A fault says so once, when it has tried again; others return it. */
	WRITE_ONCE(window->silent_on, what);
	return -ETIMEDOUT;
}

/**
 * virtio_gpu_range_wait - wait until the host has answered a MAP_BLOB
 * @range: the range; virtio_gpu_range_map() was called
 *
 * The time counts from when the command was sent, or from the host's last answer,
 * so that a fault that is retried does not wait for all of it twice.
 *
 * Context: The reservation of its blob is held. Sleeps killably.
 * Return: 0 if the blob is there, -EINVAL if the host refused, -ERESTARTSYS if
 * the task is being killed, -ETIMEDOUT, or -ENODEV if the device goes.
 */
int virtio_gpu_range_wait(struct virtio_gpu_range *range)
{
	struct virtio_gpu_window *window = range->window;
	long ret;

	if (virtio_gpu_range_state(range) == VIRTIO_GPU_RANGE_MAPPING) {
		atomic_long_inc(&window->waits);
		ret = virtio_gpu_window_wait(
			window, window->wait,
			virtio_gpu_range_state(range) !=
					VIRTIO_GPU_RANGE_MAPPING ||
				virtio_gpu_window_stopped(window),
			&range->patience);
		if (ret < 0)
			return ret;
		if (virtio_gpu_window_stopped(window))
			return -ENODEV;
		if (!ret)
			return virtio_gpu_window_timed_out(window, "MAP_BLOB");
	}
	return virtio_gpu_range_mapped(range) ? 0 : -EINVAL;
}

/**
 * virtio_gpu_window_lock - reserve a blob
 * @window: the window
 * @resv: the reservation of the blob, which this task does not hold
 *
 * Who has it may wait for the host, an execbuffer for room in the control queue, for
 * example: a host that is silent is not waited for without end. If it answers, the lock's
 * own queue is better than to try again and again beside others that come in time.
 *
 * Context: Sleeps interruptibly.
 * Return: 0, -EINTR or -ERESTARTSYS, -ETIMEDOUT, or -ENODEV for a device that goes.
 */
int virtio_gpu_window_lock(struct virtio_gpu_window *window,
			   struct dma_resv *resv)
{
	struct virtio_gpu_patience patience;

	virtio_gpu_patience_begin(window, &patience);
	while (!dma_resv_trylock(resv)) {
		if (virtio_gpu_window_stopped(window))
			return -ENODEV;
		if (virtio_gpu_patience_heard(window, &patience))
			return dma_resv_lock_interruptible(resv, NULL);
		if (time_after(jiffies,
			       patience.since + virtio_gpu_window_timeout()))
			return virtio_gpu_window_timed_out(window,
							   "a blob is in use");
		/* Also with a signal that does not end the task, as a fault is tried again. */
		schedule_timeout_killable(1);
		if (signal_pending(current))
			return -ERESTARTSYS;
	}
	return 0;
}

/* ---- Who gets room next ------------------------------------------------ */

/**
 * virtio_gpu_window_broken - is the control queue broken, so that the device is to go?
 * @vgdev: the device, with a window or without, and not unplugged
 *
 * The kernel breaks the queues of a device before it resets it, when it powers off or
 * restarts, or when the device was pulled. It tells nobody: who sends a command finds out,
 * and wakes up those who wait for the host. No queue is mended again.
 *
 * Context: Any, also with the control queue's lock. Not with the window's lock, which
 * virtio_gpu_window_stop() takes for those who look twice: here they may see either.
 * Return: true if so; false without TTM.
 */
bool virtio_gpu_window_broken(struct virtio_gpu_device *vgdev)
{
	struct virtio_gpu_window *window = vgdev->window;

	if (likely(!window || !virtqueue_is_broken(vgdev->ctrlq.vq)))
		return false;
	if (!READ_ONCE(window->stopped)) {
		WRITE_ONCE(window->stopped, true);
		drm_info(vgdev->ddev,
			 "the queues are broken: no more commands\n");
		virtio_gpu_window_wake(vgdev);
	}
	return true;
}

/**
 * virtio_gpu_window_slots - free slots of the control queue that a command waits for
 * @vgdev: the device, with a window or without, and not unplugged
 * @vbuf: the command
 * @slots: what it takes
 *
 * Context: Any. The answer may be outdated; who is held up is woken up by
 * virtio_gpu_window_leave_line().
 * Return: the number of slots, more than any queue has if it is broken: who waits for
 * those gives up.
 */
unsigned int virtio_gpu_window_slots(struct virtio_gpu_device *vgdev,
				     const struct virtio_gpu_vbuffer *vbuf,
				     unsigned int slots)
{
	struct virtio_gpu_window *window = vgdev->window;

	if (virtio_gpu_window_broken(vgdev))
		return UINT_MAX;
	if (!window || vbuf->range || list_empty(&window->line) ||
	    READ_ONCE(window->closer) == current)
		return slots;
	return clamp(slots + VIRTIO_GPU_WINDOW_SLOTS, slots,
		     max(slots, virtqueue_get_vring_size(vgdev->ctrlq.vq)));
}

/**
 * virtio_gpu_window_line_up - this task wants room for a blob
 * @window: the window
 * @turn: the caller's; until virtio_gpu_window_leave_line()
 *
 * TTM evicts one blob after the other until there is room. Were it not for the order,
 * who wants little would take each hole before it is large enough for who wants much.
 *
 * Context: Process; takes the window's lock.
 */
void virtio_gpu_window_line_up(struct virtio_gpu_window *window,
			       struct virtio_gpu_turn *turn)
{
	virtio_gpu_patience_begin(window, &turn->patience);
	spin_lock(&window->lock);
	turn->since = jiffies;
	list_add_tail(&turn->link, &window->line);
	spin_unlock(&window->lock);
}

/**
 * virtio_gpu_window_leave_line - this task has room, or gave up
 * @window: the window
 * @turn: its turn
 *
 * Context: Process; takes the window's lock.
 */
void virtio_gpu_window_leave_line(struct virtio_gpu_window *window,
				  struct virtio_gpu_turn *turn)
{
	bool was_first;

	spin_lock(&window->lock);
	was_first = list_is_first(&turn->link, &window->line);
	list_del(&turn->link);
	if (was_first)
		virtio_gpu_window_first_gets_on(window);
	spin_unlock(&window->lock);
	wake_up_all(&window->wait);
	wake_up_all(&window->vgdev->ctrlq.ack_queue);
}

/*
 * Is it the first one? One that has been that for too long goes to the end (and goes on
 * to try): it may want more than there will ever be, or blobs to go that somebody has
 * reserved who waits for one behind it.
 */
static bool virtio_gpu_window_has_turn(struct virtio_gpu_window *window,
				       struct virtio_gpu_turn *turn)
{
	struct virtio_gpu_turn *first;
	bool has;

	spin_lock(&window->lock);
	first = list_first_entry(&window->line, struct virtio_gpu_turn, link);
	if (first != turn &&
	    time_after(jiffies, first->since + VIRTIO_GPU_WINDOW_OVERTAKE)) {
		list_move_tail(&first->link, &window->line);
		virtio_gpu_window_first_gets_on(window);
	}
	has = list_is_first(&turn->link, &window->line);
	spin_unlock(&window->lock);
	return has;
}

/**
 * virtio_gpu_window_turn_wait - wait until it is this task's turn to ask for room
 * @window: the window
 * @turn: its turn
 * @locked: this task has a reservation, which others may need to get on: it does not wait
 *
 * Then wait until the host takes more commands: one that finds the queue full waits
 * uninterruptibly and without bound. If the host was silent all the time, what is left
 * of the timeout is less for each that waited, and not all of it one after the other.
 *
 * Context: Sleeps killably.
 * Return: 0, -ERESTARTSYS, -ETIMEDOUT, or -ENODEV for a device that goes.
 */
int virtio_gpu_window_turn_wait(struct virtio_gpu_window *window,
				struct virtio_gpu_turn *turn, bool locked)
{
	struct virtio_gpu_queue *ctrlq = &window->vgdev->ctrlq;
	unsigned int slots = min(VIRTIO_GPU_WINDOW_SLOTS,
				 virtqueue_get_vring_size(ctrlq->vq) / 2);
	long ret;

	do {
		ret = wait_event_killable_timeout(
			window->wait,
			locked || virtio_gpu_window_has_turn(window, turn) ||
				virtio_gpu_window_stopped(window),
			HZ / 10);
	} while (!ret);
	if (ret < 0)
		return ret;
	if (virtio_gpu_patience_heard(window, &turn->patience))
		virtio_gpu_patience_begin(window, &turn->patience);

	ret = virtio_gpu_window_wait(window, ctrlq->ack_queue,
				     virtio_gpu_window_stopped(window) ||
					     READ_ONCE(ctrlq->vq->num_free) >=
						     slots,
				     &turn->patience);
	if (ret < 0)
		return ret;
	if (virtio_gpu_window_stopped(window))
		return -ENODEV;
	if (!ret)
		return virtio_gpu_window_timed_out(window, "queue is full");
	turn->deadline = jiffies + virtio_gpu_patience_left(&turn->patience);
	return 0;
}

/**
 * virtio_gpu_window_turn_over - has this task asked for room for long enough?
 * @window: the window
 * @turn: its turn; virtio_gpu_window_turn_wait() returned 0
 * @progress: something came back that it waits for
 *
 * Context: Process.
 * Return: true if it is to give up.
 */
bool virtio_gpu_window_turn_over(struct virtio_gpu_window *window,
				 struct virtio_gpu_turn *turn, bool progress)
{
	if (progress)
		virtio_gpu_patience_begin(window, &turn->patience);
	if (virtio_gpu_patience_renew(window, &turn->patience) || progress)
		turn->deadline =
			jiffies + virtio_gpu_patience_left(&turn->patience);
	return time_after(jiffies, turn->deadline);
}

/* ---- A device that goes ------------------------------------------------ */

/*
 * The next range in the window, or the first one, with a reference; that of @range is
 * dropped. Not one that is lost.
 */
static struct virtio_gpu_range *
virtio_gpu_window_next(struct virtio_gpu_window *window,
		       struct virtio_gpu_range *range)
{
	struct drm_mm_node *node = range ? &range->node : &window->mm.head_node;
	struct virtio_gpu_range *next, *found = NULL;

	spin_lock(&window->lock);
	list_for_each_entry_continue(node, drm_mm_nodes(&window->mm),
				     node_list) {
		next = container_of(node, struct virtio_gpu_range, node);
		if (kref_get_unless_zero(&next->ref)) {
			found = next;
			break;
		}
	}
	spin_unlock(&window->lock);
	if (range)
		virtio_gpu_range_put(range);
	return found;
}

/*
 * One whose last user went when the device did, with a reference. When there is none, no
 * more are left behind.
 */
static struct virtio_gpu_range *
virtio_gpu_window_next_left(struct virtio_gpu_window *window)
{
	struct virtio_gpu_range *range;

	spin_lock(&window->lock);
	range = list_first_entry_or_null(&window->left, struct virtio_gpu_range,
					 link);
	if (range) {
		list_del_init(&range->link);
		kref_init(&range->ref);
	} else {
		window->parted = true;
	}
	spin_unlock(&window->lock);
	return range;
}

static void virtio_gpu_range_farewell_cb(struct virtio_gpu_device *vgdev,
					 struct virtio_gpu_vbuffer *vbuf)
{
	atomic_dec(&vbuf->range->window->unmapping);
	virtio_gpu_range_set(vbuf->range, VIRTIO_GPU_RANGE_NEW);
}

/* What sends commands does not for a device that was unplugged. There is room. */
static void virtio_gpu_range_unmap_last(struct virtio_gpu_range *range)
{
	struct virtio_gpu_device *vgdev = range->window->vgdev;
	struct virtio_gpu_vbuffer *vbuf =
		virtio_gpu_range_unmap_cmd(range, virtio_gpu_range_farewell_cb);
	struct scatterlist cmd, resp, *sgs[] = { &cmd, &resp };
	int ret;

	kref_get(&range->ref);
	vbuf->range = range;
	sg_init_one(&cmd, vbuf->buf, vbuf->size);
	sg_init_one(&resp, vbuf->resp_buf, vbuf->resp_size);
	spin_lock(&vgdev->ctrlq.qlock);
	ret = virtqueue_add_sgs(vgdev->ctrlq.vq, sgs, 1, 1, vbuf, GFP_ATOMIC);
	if (!ret)
		virtqueue_kick(vgdev->ctrlq.vq);
	spin_unlock(&vgdev->ctrlq.qlock);
	if (ret) {
		atomic_dec(&range->window->unmapping);
		free_vbuf(vgdev, vbuf);
	}
}

/* False if the host is silent, or goes on for longer than until @last. */
#define virtio_gpu_window_farewell_wait(window, last, condition) \
	({ \
		struct virtio_gpu_window *__window = (window); \
		struct virtio_gpu_queue *__ctrlq = &__window->vgdev->ctrlq; \
		struct virtio_gpu_patience __patience; \
		long __ret; \
\
		virtio_gpu_patience_begin(__window, &__patience); \
		__patience.end = (last); \
		do { \
			__ret = wait_event_timeout( \
				__ctrlq->ack_queue, \
				(condition) || \
					virtqueue_is_broken(__ctrlq->vq), \
				VIRTIO_GPU_WINDOW_FAREWELL); \
		} while (!__ret && \
			 virtio_gpu_patience_renew(__window, &__patience)); \
		__ret && !virtqueue_is_broken(__ctrlq->vq); \
	})

/* Commands are in order: one whose MAP_BLOB has no answer yet is unmapped behind that. */
static void virtio_gpu_range_farewell(struct virtio_gpu_range *range,
				      unsigned long last, bool *heard)
{
	struct virtio_gpu_window *window = range->window;
	struct virtqueue *vq = window->vgdev->ctrlq.vq;

	if (READ_ONCE(range->told) ||
	    (!virtio_gpu_range_asked(range) && !virtio_gpu_range_mapped(range)))
		return;
	WRITE_ONCE(range->told, true);
	*heard = *heard && time_before(jiffies, last) &&
		 virtio_gpu_window_farewell_wait(window, last,
						 READ_ONCE(vq->num_free) >= 2);
	if (*heard)
		virtio_gpu_range_unmap_last(range);
}

/**
 * virtio_gpu_window_farewell - leave nothing in the window
 * @vgdev: the device, with a window or without; to be reset next
 *
 * A host may need more time to unmap a blob than it takes for the reset: QEMU 11 does
 * not answer the device that comes back if a blob was in the window, or about to
 * leave it, when the reset came. So the host is asked to unmap them all, and given
 * time to answer, unless it is silent, or takes more than a minute.
 *
 * Context: May sleep; takes the locks of the window and of the control queue. Of a device
 * that was bound, drm_dev_unplug() was called, so nobody else sends commands; one that
 * could not be bound has nothing to leave.
 */
void virtio_gpu_window_farewell(struct virtio_gpu_device *vgdev)
{
	struct virtio_gpu_window *window = vgdev->window;
	struct virtio_gpu_range *range = NULL;
	unsigned long last;
	bool heard = true;

	if (!virtio_gpu_window_stopped(window))
		return;
	last = (jiffies + VIRTIO_GPU_WINDOW_FAREWELL_END) | 1;
	/* Who queued a command may have found the device unplugged when it came to this. */
	virtio_gpu_notify_now(vgdev);
	while ((range = virtio_gpu_window_next(window, range)))
		virtio_gpu_range_farewell(range, last, &heard);
	while ((range = virtio_gpu_window_next_left(window))) {
		virtio_gpu_range_farewell(range, last, &heard);
		virtio_gpu_range_put(range);
	}
	if (!heard || !virtio_gpu_window_farewell_wait(
			      window, last, !atomic_read(&window->unmapping)))
		drm_warn(
			vgdev->ddev,
			"the host does not answer: blobs stay in the window until it is reset\n");
}

/* ---- The window as a TTM memory type ----------------------------------- */

/* Ranges that will come back, as they were at one time. */
struct virtio_gpu_awaited {
	unsigned long returned; /* so many had come back */
	unsigned int leaving;	/* that the host was told of */
	bool closed;		/* there are some that it will be told of */
	struct virtio_gpu_patience patience; /* with the next one */
};

/* @waits: the caller will. */
static void virtio_gpu_window_await(struct virtio_gpu_window *window,
				    struct virtio_gpu_awaited *awaited,
				    bool waits)
{
	struct virtio_gpu_range *range;

	lockdep_assert_held(&window->lock);
	*awaited = (struct virtio_gpu_awaited){
		.returned = window->returned,
	};
	virtio_gpu_patience_begin(window, &awaited->patience);
	list_for_each_entry(range, &window->leaving, link) {
		if (awaited->leaving++)
			continue;
		/* It counts from the first one that waits, for all. */
		if (waits && !range->patience.end)
			range->patience.end = virtio_gpu_patience_end();
		awaited->patience = range->patience;
	}
	awaited->closed = !list_empty(&window->closed);
}

/**
 * virtio_gpu_window_taken - how many ranges may come back?
 * @window: the window
 * @returned: set to how many have
 *
 * Context: Process; takes the window's lock. The answers fit each other.
 * Return: the number of ranges that are not free.
 */
unsigned long virtio_gpu_window_taken(struct virtio_gpu_window *window,
				      unsigned long *returned)
{
	unsigned long taken = 0;
	struct drm_mm_node *node;

	spin_lock(&window->lock);
	drm_mm_for_each_node(node, &window->mm)
		taken++;
	*returned = window->returned;
	spin_unlock(&window->lock);
	return taken;
}

/**
 * virtio_gpu_window_returned - how many ranges have come back so far?
 * @window: the window
 *
 * Context: Any.
 * Return: the number, which wraps around.
 */
unsigned long virtio_gpu_window_returned(const struct virtio_gpu_window *window)
{
	return READ_ONCE(window->returned);
}

/* A try, and if it fails, what there is to wait for. */
static int virtio_gpu_window_try(struct virtio_gpu_window *window,
				 struct drm_mm_node *node, u64 size,
				 struct virtio_gpu_awaited *awaited)
{
	int ret;

	spin_lock(&window->lock);
	/* What is free by then the host may still show another blob at. */
	ret = window->stopped ? -ENODEV :
				drm_mm_insert_node(&window->mm, node, size);
	virtio_gpu_window_await(window, awaited, ret == -ENOSPC);
	if (ret == -ENOSPC && (awaited->leaving || awaited->closed))
		ret = -EAGAIN;
	spin_unlock(&window->lock);
	return ret;
}

/*
 * TTM evicts one blob after the other until there is room, and a range is free
 * only when the host has said so: wait for what is leaving before TTM evicts more.
 * That is what the host was told of when this began, or the next one: others may go
 * on and close blobs, which may never make enough room.
 */
static int virtio_gpu_window_insert(struct virtio_gpu_window *window,
				    struct drm_mm_node *node, u64 size)
{
	struct virtio_gpu_awaited first, now;
	bool waited = false;
	long ret;

	while ((ret = virtio_gpu_window_try(window, node, size, &now)) ==
	       -EAGAIN) {
		if (!waited)
			first = now;
		else if (now.returned - first.returned >=
			 max(first.leaving, 1u))
			return -ENOSPC;
		waited = true;
		atomic_long_inc(&window->waits);
		ret = virtio_gpu_window_wait(
			window, window->wait,
			virtio_gpu_window_returned(window) != now.returned ||
				virtio_gpu_window_stopped(window),
			&now.patience);
		if (ret < 0)
			return ret;
		if (!ret)
			return virtio_gpu_window_timed_out(window,
							   "UNMAP_BLOB");
	}
	return ret;
}

/*
 * Without evicting another blob, or waiting. Not what somebody waits for: new blobs, which
 * nobody may ever touch, would take each hole before it is large enough.
 */
static int virtio_gpu_window_insert_hole(struct virtio_gpu_window *window,
					 struct drm_mm_node *node, u64 size)
{
	int ret = -ENOSPC;

	spin_lock(&window->lock);
	if (!window->stopped && list_empty(&window->line))
		ret = drm_mm_insert_node(&window->mm, node, size);
	spin_unlock(&window->lock);
	return ret;
}

static int virtio_gpu_window_alloc(struct ttm_resource_manager *man,
				   struct ttm_buffer_object *tbo,
				   const struct ttm_place *place,
				   struct ttm_resource **res)
{
	struct virtio_gpu_window *window = to_window(man);
	struct virtio_gpu_range *range;
	int ret;

	range = kzalloc(sizeof(*range), GFP_KERNEL);
	if (!range)
		return -ENOMEM;
	kref_init(&range->ref);
	INIT_LIST_HEAD(&range->link);
	range->window = window;
	range->handle = gem_to_virtio_gpu_obj(&tbo->base)->hw_res_handle;

	if (place->flags & VIRTIO_GPU_PL_FLAG_HOLE)
		ret = virtio_gpu_window_insert_hole(window, &range->node,
						    tbo->base.size);
	else
		ret = virtio_gpu_window_insert(window, &range->node,
					       tbo->base.size);
	if (ret) {
		kfree(range);
		return ret;
	}
	atomic_long_inc(&window->blobs_in);
	ttm_resource_init(tbo, place, &range->base);
	range->base.start = range->node.start >> PAGE_SHIFT;
	*res = &range->base;
	return 0;
}

/*
 * Must the host be told that a range is no longer wanted? Also if its answer to the
 * map is still to come: commands are in order.
 */
static bool virtio_gpu_range_with_host(const struct virtio_gpu_range *range)
{
	enum virtio_gpu_range_state state = virtio_gpu_range_state(range);

	return (state == VIRTIO_GPU_RANGE_MAPPING ||
		state == VIRTIO_GPU_RANGE_MAPPED) &&
	       !drm_dev_is_unplugged(range->window->vgdev->ddev);
}

static void virtio_gpu_window_free(struct ttm_resource_manager *man,
				   struct ttm_resource *res)
{
	struct virtio_gpu_range *range = to_range(res);
	struct ttm_buffer_object *tbo = res->bo;

	ttm_resource_fini(man, res);
	atomic_long_dec(&range->window->blobs_in);
	if (!virtio_gpu_range_with_host(range)) {
		virtio_gpu_range_put(range);
	} else if (range->vacated) {
		virtio_gpu_range_unmap(range);
		virtio_gpu_range_put(range);
	} else {
		/* virtio_gpu_tbo_destroy() is next, and closes it. */
		virtio_gpu_tbo_leave(tbo, range);
	}
}

static const struct ttm_resource_manager_func virtio_gpu_window_func = {
	.alloc = virtio_gpu_window_alloc,
	.free = virtio_gpu_window_free,
};

static int virtio_gpu_host_alloc(struct ttm_resource_manager *man,
				 struct ttm_buffer_object *tbo,
				 const struct ttm_place *place,
				 struct ttm_resource **res)
{
	*res = kzalloc(sizeof(**res), GFP_KERNEL);
	if (!*res)
		return -ENOMEM;
	atomic_long_inc(&on_host_window(man)->blobs_out);
	ttm_resource_init(tbo, place, *res);
	return 0;
}

static void virtio_gpu_host_free(struct ttm_resource_manager *man,
				 struct ttm_resource *res)
{
	ttm_resource_fini(man, res);
	atomic_long_dec(&on_host_window(man)->blobs_out);
	kfree(res);
}

static const struct ttm_resource_manager_func virtio_gpu_host_func = {
	.alloc = virtio_gpu_host_alloc,
	.free = virtio_gpu_host_free,
};

static void
virtio_gpu_manager_setup(struct virtio_gpu_window *window,
			 struct ttm_resource_manager *man, int type, u64 size,
			 const struct ttm_resource_manager_func *func)
{
	ttm_resource_manager_init(man, &window->bdev, size);
	man->func = func;
	ttm_set_driver_manager(&window->bdev, type, man);
	ttm_resource_manager_set_used(man, true);
}

/**
 * virtio_gpu_window_setup - make the two memory types
 * @window: the window, with its TTM device and size
 *
 * Context: Process.
 */
void virtio_gpu_window_setup(struct virtio_gpu_window *window)
{
	spin_lock_init(&window->lock);
	window->heard = jiffies;
	INIT_LIST_HEAD(&window->closed);
	INIT_WORK(&window->close, virtio_gpu_window_close_work);
	INIT_WORK(&window->forget, virtio_gpu_window_forget_work);
	INIT_LIST_HEAD(&window->leaving);
	INIT_LIST_HEAD(&window->lost);
	INIT_LIST_HEAD(&window->left);
	INIT_LIST_HEAD(&window->line);
	INIT_LIST_HEAD(&window->forgotten);
	init_waitqueue_head(&window->wait);
	drm_mm_init(&window->mm, 0, window->size);
	virtio_gpu_manager_setup(window, &window->in_window,
				 VIRTIO_GPU_PL_WINDOW,
				 window->size >> PAGE_SHIFT,
				 &virtio_gpu_window_func);
	virtio_gpu_manager_setup(window, &window->on_host, VIRTIO_GPU_PL_HOST,
				 0, &virtio_gpu_host_func);
}

/**
 * virtio_gpu_window_iounmap - drop the kernel's own mappings of the window
 * @window: the window of a device that was unplugged: no fault makes new ones
 *
 * A blob lives for as long as user space has it mapped, though there is nothing behind
 * it any more. What the kernel has noted of its addresses (the memory type) must not:
 * they may be those of another device by then.
 *
 * Context: May sleep.
 */
void virtio_gpu_window_iounmap(struct virtio_gpu_window *window)
{
	struct virtio_gpu_range *range = NULL;

	while ((range = virtio_gpu_window_next(window, range)))
		virtio_gpu_range_iounmap(range);
}

static void virtio_gpu_manager_teardown(struct virtio_gpu_window *window,
					struct ttm_resource_manager *man,
					int type)
{
	ttm_resource_manager_set_used(man, false);
	/* Only what waits for its last user to go can be left. */
	ttm_resource_manager_evict_all(&window->bdev, man);
	ttm_resource_manager_cleanup(man);
	ttm_set_driver_manager(&window->bdev, type, NULL);
}

/**
 * virtio_gpu_window_teardown - undo virtio_gpu_window_setup()
 * @window: the window; the host is gone, and so are all blobs
 *
 * Context: Process.
 */
void virtio_gpu_window_teardown(struct virtio_gpu_window *window)
{
	struct drm_mm_node *node, *next;

	virtio_gpu_manager_teardown(window, &window->in_window,
				    VIRTIO_GPU_PL_WINDOW);
	virtio_gpu_manager_teardown(window, &window->on_host,
				    VIRTIO_GPU_PL_HOST);

	/* Lost ranges, and those of commands that nobody will ever free. */
	spin_lock(&window->lock);
	drm_mm_for_each_node_safe(node, next, &window->mm) {
		drm_mm_remove_node(node);
		kfree(container_of(node, struct virtio_gpu_range, node));
	}
	spin_unlock(&window->lock);
	drm_mm_takedown(&window->mm);
}

/* ---- debugfs ----------------------------------------------------------- */

static void virtio_gpu_window_show_lists(struct seq_file *m,
					 struct virtio_gpu_window *window)
{
	struct virtio_gpu_range *range;
	struct drm_mm_node *node;
	u64 used = 0, hole = 0, lost = 0, start, end;
	unsigned int ranges = 0, closed = 0, leaving = 0, left_out = 0;

	spin_lock(&window->lock);
	drm_mm_for_each_node(node, &window->mm) {
		range = container_of(node, struct virtio_gpu_range, node);
		used += node->size;
		ranges++;
		left_out += range->left_out;
	}
	drm_mm_for_each_hole(node, &window->mm, start, end)
		hole = max(hole, end - start);
	list_for_each_entry(range, &window->closed, link)
		closed++;
	list_for_each_entry(range, &window->leaving, link)
		leaving++;
	list_for_each_entry(range, &window->lost, link)
		lost += range->node.size;
	spin_unlock(&window->lock);

	seq_printf(m, "size %llu\n", window->size);
	seq_printf(m, "used %llu\n", used);
	seq_printf(m, "largest-hole %llu\n", hole);
	seq_printf(m, "ranges %u\n", ranges);
	seq_printf(m, "closed %u\n", closed);
	seq_printf(m, "leaving %u\n", leaving);
	seq_printf(m, "left-out %u\n", left_out);
	seq_printf(m, "lost %llu\n", lost);
}

static int virtio_gpu_window_show(struct seq_file *m, void *unused)
{
	struct drm_info_node *node = m->private;
	struct virtio_gpu_device *vgdev = node->minor->dev->dev_private;
	struct virtio_gpu_window *window = vgdev->window;

	if (!window) {
		seq_puts(m, "off\n");
		return 0;
	}
	virtio_gpu_window_show_lists(m, window);
	seq_printf(m, "blobs-in %ld\n", atomic_long_read(&window->blobs_in));
	seq_printf(m, "blobs-out %ld\n", atomic_long_read(&window->blobs_out));
	seq_printf(m, "maps %ld\n", atomic_long_read(&window->maps));
	seq_printf(m, "unmaps %ld\n", atomic_long_read(&window->unmaps));
	seq_printf(m, "refused %ld\n", atomic_long_read(&window->refused));
	seq_printf(m, "evictions %ld\n", atomic_long_read(&window->evictions));
	seq_printf(m, "waits %ld\n", atomic_long_read(&window->waits));
	seq_printf(m, "timeouts %ld\n", atomic_long_read(&window->timeouts));
	return 0;
}

static const struct drm_info_list virtio_gpu_window_files[] = {
	{ "virtio-gpu-window", virtio_gpu_window_show, 0, NULL },
};

/**
 * virtio_gpu_window_debugfs_init - make the window's file
 * @minor: where
 *
 * Context: Process.
 */
void virtio_gpu_window_debugfs_init(struct drm_minor *minor)
{
	drm_debugfs_create_files(virtio_gpu_window_files,
				 ARRAY_SIZE(virtio_gpu_window_files),
				 minor->debugfs_root, minor);
}
