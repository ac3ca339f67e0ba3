// SPDX-License-Identifier: GPL-2.0-only
//
// Where stock virtio-gpu calls what manages its window (virtgpu_window.h says
// what each call is for). A rule is named for what it is about. A rule that does
// not match is silent, so each prints "HOOK <rule>" for every match, and the build
// compares with hooks.expect.

@initialize:python@
@@

def hook(name):
    print("HOOK %s" % name)

// ---- virtgpu_drv.h: a blob may be a TTM BO, a command may concern a range. Whether a blob
// was touched is written with its reservation held.

@drv_object@
position p;
@@
 struct virtio_gpu_object {
-	struct drm_gem_shmem_object base@p;
+	union {
+		struct drm_gem_shmem_object base;
+		struct ttm_buffer_object tbo;
+	};
	...
 };

@script:python@
p << drv_object.p;
@@
hook("drv_object")

@drv_vbuffer@
position p;
@@
 struct virtio_gpu_vbuffer {
	...
	struct virtio_gpu_object_array *objs@p;
+	struct virtio_gpu_range *range;
	...
 };

@script:python@
p << drv_vbuffer.p;
@@
hook("drv_vbuffer")

@drv_device@
position p;
@@
 struct virtio_gpu_device {
	struct drm_device *ddev@p;
+	struct virtio_gpu_window *window;
+	struct virtio_gpu_guests guests;
	...
 };

@script:python@
p << drv_device.p;
@@
hook("drv_device")

@drv_vram@
position p;
@@
 struct virtio_gpu_object_vram {
	struct virtio_gpu_object base@p;
+	struct virtio_gpu_range *left;
+	struct virtio_gpu_failure failed;
+	u32 ctx_id;
+	bool touched;
+	struct list_head forgotten;
	...
 };

@script:python@
p << drv_vram.p;
@@
hook("drv_vram")

@drv_header depends on drv_object@
@@
 #include <drm/virtgpu_drm.h>
+#include "virtgpu_window.h"
+#include "virtgpu_guest.h"

@script:python depends on drv_header@
@@
hook("drv_header")

// ---- virtgpu_vq.c: commands that carry a range, sent from another file.

@vq_free@
identifier vgdev, vbuf;
position p;
@@
-static
 void free_vbuf@p(struct virtio_gpu_device *vgdev,
		  struct virtio_gpu_vbuffer *vbuf)
 {
+	if (vbuf->range)
+		virtio_gpu_range_put(vbuf->range);
	...
 }

@script:python@
p << vq_free.p;
@@
hook("vq_free")

@vq_dead@
expression vgdev, vbuf;
symbol fence;
position p;
@@
+virtio_gpu_window_dead(vgdev, vbuf, fence);
 free_vbuf@p(vgdev, vbuf);
 return -ENODEV;

@script:python@
p << vq_dead.p;
@@
hook("vq_dead")

@vq_room@
identifier vgdev, vbuf, fence, slots;
expression vq;
position p;
@@
 static int virtio_gpu_queue_ctrl_sgs(struct virtio_gpu_device *vgdev,
	struct virtio_gpu_vbuffer *vbuf, struct virtio_gpu_fence *fence,
	int slots, ...)
 {
 <+...
-vq->num_free <@p slots
+vq->num_free < virtio_gpu_window_slots(vgdev, vbuf, slots)
 ...+>
 }

@script:python@
p << vq_room.p;
@@
hook("vq_room")

@vq_full@
identifier vgdev, vbuf, fence, slots;
expression vq;
symbol idx;
position p;
@@
 static int virtio_gpu_queue_ctrl_sgs(struct virtio_gpu_device *vgdev,
	struct virtio_gpu_vbuffer *vbuf, struct virtio_gpu_fence *fence,
	int slots, ...)
 {
 <+...
-wait_event@p(vgdev->ctrlq.ack_queue, vq->num_free >= slots);
+wait_event(vgdev->ctrlq.ack_queue,
+	   vq->num_free >= virtio_gpu_window_slots(vgdev, vbuf, slots) ||
+	   virtio_gpu_window_stopped(vgdev->window));
+if (virtio_gpu_window_gives_up(vgdev, vbuf, fence)) {
+	drm_dev_exit(idx);
+	return -ENODEV;
+}
 ...+>
 }

@script:python@
p << vq_full.p;
@@
hook("vq_full")

@vq_broken@
identifier vgdev, vbuf, fence, slots, ret;
symbol idx;
position p;
@@
 static int virtio_gpu_queue_ctrl_sgs(struct virtio_gpu_device *vgdev,
	struct virtio_gpu_vbuffer *vbuf, struct virtio_gpu_fence *fence,
	int slots, ...)
 {
 <+...
+if (ret && virtio_gpu_window_broken(vgdev)) {
+	spin_unlock(&vgdev->ctrlq.qlock);
+	virtio_gpu_window_drop(vgdev, vbuf, fence);
+	drm_dev_exit(idx);
+	return -ENODEV;
+}
 WARN_ON@p(ret);
 ...+>
 }

@script:python@
p << vq_broken.p;
@@
hook("vq_broken")

@vq_heard@
expression vgdev, vbuf;
position p;
@@
+virtio_gpu_window_heard(vgdev);
 if (vbuf->resp_cb@p) vbuf->resp_cb(vgdev, vbuf);

@script:python@
p << vq_heard.p;
@@
hook("vq_heard")

@vq_notify@
identifier vgdev;
position p;
@@
 void
-virtio_gpu_notify@p
+virtio_gpu_notify_now
 (struct virtio_gpu_device *vgdev)
 { ... }

@script:python@
p << vq_notify.p;
@@
hook("vq_notify")

@vq_context@
identifier vgdev, id, cmd_p;
position p;
@@
 void virtio_gpu_cmd_context_create(struct virtio_gpu_device *vgdev,
				    uint32_t id, ...)
 {
 ...
+virtio_gpu_window_context(vgdev, id);
 cmd_p->hdr.ctx_id =@p cpu_to_le32(id);
 ...
 }

@script:python@
p << vq_context.p;
@@
hook("vq_context")

@vq_alloc@
identifier vgdev;
position p;
@@
-static
 void *virtio_gpu_alloc_cmd_resp@p(struct virtio_gpu_device *vgdev, ...)
 { ... }

@script:python@
p << vq_alloc.p;
@@
hook("vq_alloc")

@vq_queue@
identifier vgdev;
position p;
@@
-static
 int virtio_gpu_queue_ctrl_buffer@p(struct virtio_gpu_device *vgdev, ...)
 { ... }

@script:python@
p << vq_queue.p;
@@
hook("vq_queue")

// ---- virtgpu_vram.c: where blobs are made and told apart.

@vram_create@
identifier vgdev, params, bo_ptr, vram;
position p;
@@
 int virtio_gpu_vram_create(struct virtio_gpu_device *vgdev,
			    struct virtio_gpu_object_params *params,
			    struct virtio_gpu_object **bo_ptr)
 {
 ...
+if (virtio_gpu_window_takes(vgdev, params))
+	return virtio_gpu_window_create(vgdev, params, bo_ptr);
+
 vram = kzalloc@p(sizeof(*vram), GFP_KERNEL);
 ...
 }

@script:python@
p << vram_create.p;
@@
hook("vram_create")

@is_vram@
typedef bool;
identifier bo;
expression E;
position p;
@@
 bool virtio_gpu_is_vram(struct virtio_gpu_object *bo)
 {
-	return@p E;
+	return E || virtio_gpu_is_window(bo);
 }

@script:python@
p << is_vram.p;
@@
hook("is_vram")

// ---- virtgpu_object.c, virtgpu_vq.c: objects in the guest's memory.

@object_create@
identifier vgdev, params, bo_ptr;
position p;
@@
 int virtio_gpu_object_create(struct virtio_gpu_device *vgdev,
			      struct virtio_gpu_object_params *params,
			      struct virtio_gpu_object **bo_ptr, ...)
 {
 ...
 *bo_ptr = NULL;@p
+
+if (virtio_gpu_guest_takes(vgdev, params))
+	return virtio_gpu_guest_create(vgdev, params, bo_ptr);
 ...
 }

@script:python@
p << object_create.p;
@@
hook("object_create")

@object_entries@
expression vgdev, ret, ents, nents;
statement S;
position p;
@@
 ret = virtio_gpu_object_shmem_init@p(vgdev, ..., &ents, &nents);
 if (ret != 0) S
+virtio_gpu_backing_counted(&vgdev->guests.shmem, nents);

@script:python@
p << object_entries.p;
@@
hook("object_entries")

@object_cleanup@
expression vgdev, bo;
position p;
@@
 virtio_gpu_resource_id_put@p(vgdev, bo->hw_res_handle);
-if (virtio_gpu_is_shmem(bo))
+if (virtio_gpu_is_guest(bo))
+	virtio_gpu_guest_cleanup(bo);
+else if (virtio_gpu_is_shmem(bo))
 { ... }
 else if (virtio_gpu_is_vram(bo)) { ... }

@script:python@
p << object_cleanup.p;
@@
hook("object_cleanup")

@vq_sync@
expression E;
identifier bo;
statement S;
position p;
@@
+virtio_gpu_guest_sync(bo);
 if (virtio_gpu_is_shmem@p(bo) && E) S

@script:python@
p << vq_sync.p;
@@
hook("vq_sync")

// ---- virtgpu_kms.c, virtgpu_debugfs.c: the device comes and goes.

@kms_init@
identifier vgdev;
position p;
@@
 drm_mm_init@p(&vgdev->host_visible_mm, ...);
+virtio_gpu_guest_init(vgdev);
+virtio_gpu_window_init(vgdev);

@script:python@
p << kms_init.p;
@@
hook("kms_init")

@kms_deinit@
identifier dev, vgdev;
position p;
@@
 void virtio_gpu_deinit(struct drm_device *dev)
 {
 ...
+virtio_gpu_window_farewell(vgdev);
 virtio_reset_device@p(vgdev->vdev);
+virtio_gpu_window_gone(vgdev);
 ...
 }

@script:python@
p << kms_deinit.p;
@@
hook("kms_deinit")

// ---- virtgpu_ioctl.c: before a blob is mapped.

@map_ioctl@
expression file, vgdev, handle, offset;
position p;
@@
 static int virtio_gpu_map_ioctl(...)
 {
 ...
-return virtio_gpu_mode_dumb_mmap@p(file, vgdev, handle, offset);
+return virtio_gpu_window_map_ioctl(file, handle) ?:
+	       virtio_gpu_mode_dumb_mmap(file, vgdev, handle, offset);
 }

@script:python@
p << map_ioctl.p;
@@
hook("map_ioctl")

@remove@
identifier vdev, dev;
position p;
@@
 static void virtio_gpu_remove(struct virtio_device *vdev)
 {
 struct drm_device *dev = vdev->priv;
 ...
+virtio_gpu_window_stop(dev->dev_private);
 drm_dev_unplug@p(dev);
 ...
 }

@script:python@
p << remove.p;
@@
hook("remove")

@debugfs@
identifier minor;
position p;
@@
 void virtio_gpu_debugfs_init@p(struct drm_minor *minor)
 {
 ...
+virtio_gpu_window_debugfs_init(minor);
+virtio_gpu_guest_debugfs_init(minor);
 }

@script:python@
p << debugfs.p;
@@
hook("debugfs")
