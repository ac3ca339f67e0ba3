// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmabuf_use: use a dma-buf as a driver that imports it does; see dmabuf_use.h.
 */
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/iosys-map.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "dmabuf_use.h"

/* Before 6.2 there was no lock to be taken. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define dma_buf_map_attachment_unlocked dma_buf_map_attachment
#define dma_buf_unmap_attachment_unlocked dma_buf_unmap_attachment
#define dma_buf_vmap_unlocked dma_buf_vmap
#define dma_buf_vunmap_unlocked dma_buf_vunmap
#endif

static struct miscdevice dmabuf_use_dev;

static int reserved;
module_param(reserved, int, 0444);
MODULE_PARM_DESC(reserved, "How many tasks keep a reservation");

static void dmabuf_use_note(struct sg_table *sgt, struct dmabuf_use_look *look)
{
	struct scatterlist *sg;
	int i;

	look->pfn = page_to_pfn(sg_page(sgt->sgl));
	look->entries = sgt->orig_nents;
	look->bytes = 0;
	for_each_sgtable_sg(sgt, sg, i)
		look->bytes += sg->length;
}

static int dmabuf_use_attached(struct dma_buf_attachment *attach,
			       struct dmabuf_use_look *look)
{
	struct sg_table *sgt;

	sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	dmabuf_use_note(sgt, look);
	dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_BIDIRECTIONAL);
	return 0;
}

static int dmabuf_use_look(struct dma_buf *buf, struct dmabuf_use_look *look)
{
	struct dma_buf_attachment *attach;
	int ret;

	attach = dma_buf_attach(buf, dmabuf_use_dev.this_device);
	if (IS_ERR(attach))
		return PTR_ERR(attach);
	ret = dmabuf_use_attached(attach, look);
	dma_buf_detach(buf, attach);
	return ret;
}

static int dmabuf_use_flip(struct dma_buf *buf)
{
	struct iosys_map map;
	size_t i;
	int ret;

	ret = dma_buf_vmap_unlocked(buf, &map);
	if (ret)
		return ret;
	if (map.is_iomem)
		ret = -EINVAL;
	else
		for (i = 0; i < buf->size / sizeof(u32); i++)
			((u32 *)map.vaddr)[i] ^= ~0u;
	dma_buf_vunmap_unlocked(buf, &map);
	return ret;
}

static long dmabuf_use_ioctl_look(void __user *arg)
{
	struct dmabuf_use_look look;
	struct dma_buf *buf;
	int ret;

	if (copy_from_user(&look, arg, sizeof(look)))
		return -EFAULT;
	buf = dma_buf_get(look.fd);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	ret = dmabuf_use_look(buf, &look);
	dma_buf_put(buf);
	if (!ret && copy_to_user(arg, &look, sizeof(look)))
		ret = -EFAULT;
	return ret;
}

static long dmabuf_use_ioctl_flip(int fd)
{
	struct dma_buf *buf = dma_buf_get(fd);
	int ret;

	if (IS_ERR(buf))
		return PTR_ERR(buf);
	ret = dmabuf_use_flip(buf);
	dma_buf_put(buf);
	return ret;
}

/* What a file holds: an attachment or a fence. */
struct dmabuf_use_held {
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	struct dma_fence *fence;
};

static struct dmabuf_use_held *dmabuf_use_attach(struct dma_buf *buf)
{
	struct dmabuf_use_held *held = kzalloc(sizeof(*held), GFP_KERNEL);
	int ret;

	if (!held)
		return ERR_PTR(-ENOMEM);
	held->attach = dma_buf_attach(buf, dmabuf_use_dev.this_device);
	ret = PTR_ERR_OR_ZERO(held->attach);
	if (ret)
		goto free;
	held->sgt = dma_buf_map_attachment_unlocked(held->attach,
						    DMA_BIDIRECTIONAL);
	ret = PTR_ERR_OR_ZERO(held->sgt);
	if (!ret)
		return held;
	dma_buf_detach(buf, held->attach);
free:
	kfree(held);
	return ERR_PTR(ret);
}

static void dmabuf_use_detach(struct dmabuf_use_held *held)
{
	struct dma_buf *buf;

	if (held->fence) {
		dma_fence_signal(held->fence);
		dma_fence_put(held->fence);
		kfree(held);
		return;
	}
	buf = held->attach->dmabuf;
	dma_buf_unmap_attachment_unlocked(held->attach, held->sgt,
					  DMA_BIDIRECTIONAL);
	dma_buf_detach(buf, held->attach);
	dma_buf_put(buf);
	kfree(held);
}

static long dmabuf_use_ioctl_hold(struct file *file, void __user *arg)
{
	struct dmabuf_use_hold hold;
	struct dmabuf_use_held *held;
	struct dma_buf *buf;

	if (copy_from_user(&hold, arg, sizeof(hold)))
		return -EFAULT;
	buf = dma_buf_get(hold.fd);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	held = dmabuf_use_attach(buf);
	if (IS_ERR(held)) {
		dma_buf_put(buf);
		return PTR_ERR(held);
	}
	hold.address = sg_dma_address(held->sgt->sgl);
	if (cmpxchg(&file->private_data, NULL, held)) {
		dmabuf_use_detach(held);
		return -EBUSY;
	}
	return copy_to_user(arg, &hold, sizeof(hold)) ? -EFAULT : 0;
}

/* A fence and its lock. */
struct dmabuf_use_fence {
	struct dma_fence base;
	spinlock_t lock; /* for dma_fence */
};

static const char *dmabuf_use_name(struct dma_fence *fence)
{
	return "dmabuf_use";
}

/* It may outlive the file, in the buffer's reservation object. */
static void dmabuf_use_fence_release(struct dma_fence *fence)
{
	dma_fence_free(fence);
	module_put(THIS_MODULE);
}

static const struct dma_fence_ops dmabuf_use_fence_ops = {
	.get_driver_name = dmabuf_use_name,
	.get_timeline_name = dmabuf_use_name,
	.release = dmabuf_use_fence_release,
};

static struct dma_fence *dmabuf_use_fence_new(void)
{
	struct dmabuf_use_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	if (!fence)
		return NULL;
	/* The caller has the file open. */
	__module_get(THIS_MODULE);
	spin_lock_init(&fence->lock);
	dma_fence_init(&fence->base, &dmabuf_use_fence_ops, &fence->lock,
		       dma_fence_context_alloc(1), 1);
	return &fence->base;
}

static int dmabuf_use_add_fence(struct dma_buf *buf, struct dma_fence *fence)
{
	int ret = dma_resv_lock(buf->resv, NULL);

	if (ret)
		return ret;
	ret = dma_resv_reserve_fences(buf->resv, 1);
	if (!ret)
		dma_resv_add_fence(buf->resv, fence, DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_unlock(buf->resv);
	return ret;
}

static long dmabuf_use_ioctl_busy(struct file *file, int fd)
{
	struct dmabuf_use_held *held;
	struct dma_buf *buf;
	long ret = -ENOMEM;

	buf = dma_buf_get(fd);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	held = kzalloc(sizeof(*held), GFP_KERNEL);
	if (!held)
		goto put;
	held->fence = dmabuf_use_fence_new();
	if (!held->fence) {
		kfree(held);
		goto put;
	}
	ret = dmabuf_use_add_fence(buf, held->fence);
	if (!ret && cmpxchg(&file->private_data, NULL, held))
		ret = -EBUSY;
	if (ret)
		dmabuf_use_detach(held);
put:
	dma_buf_put(buf);
	return ret;
}

static long dmabuf_use_ioctl_reserve(int fd)
{
	struct dma_buf *buf = dma_buf_get(fd);
	int ret;

	if (IS_ERR(buf))
		return PTR_ERR(buf);
	ret = dma_resv_lock_interruptible(buf->resv, NULL);
	if (ret)
		goto put;
	WRITE_ONCE(reserved, reserved + 1);
	schedule_timeout_killable(20 * HZ);
	WRITE_ONCE(reserved, reserved - 1);
	dma_resv_unlock(buf->resv);
put:
	dma_buf_put(buf);
	return ret;
}

/* misc_open() has left its own pointer here. */
static int dmabuf_use_open(struct inode *inode, struct file *file)
{
	file->private_data = NULL;
	return 0;
}

static int dmabuf_use_release(struct inode *inode, struct file *file)
{
	if (file->private_data)
		dmabuf_use_detach(file->private_data);
	return 0;
}

static long dmabuf_use_ioctl(struct file *file, unsigned int cmd,
			     unsigned long arg)
{
	switch (cmd) {
	case DMABUF_USE_HOLD:
		return dmabuf_use_ioctl_hold(file, (void __user *)arg);
	case DMABUF_USE_BUSY:
		return dmabuf_use_ioctl_busy(file, arg);
	case DMABUF_USE_RESERVE:
		return dmabuf_use_ioctl_reserve(arg);
	case DMABUF_USE_LOOK:
		return dmabuf_use_ioctl_look((void __user *)arg);
	case DMABUF_USE_FLIP:
		return dmabuf_use_ioctl_flip(arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations dmabuf_use_fops = {
	.owner = THIS_MODULE,
	.open = dmabuf_use_open,
	.release = dmabuf_use_release,
	.unlocked_ioctl = dmabuf_use_ioctl,
};

static struct miscdevice dmabuf_use_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dmabuf_use",
	.fops = &dmabuf_use_fops,
};

static int __init dmabuf_use_init(void)
{
	int ret = misc_register(&dmabuf_use_dev);

	if (ret)
		return ret;
	ret = dma_coerce_mask_and_coherent(dmabuf_use_dev.this_device,
					   DMA_BIT_MASK(64));
	if (ret)
		misc_deregister(&dmabuf_use_dev);
	return ret;
}
module_init(dmabuf_use_init);

static void __exit dmabuf_use_exit(void)
{
	misc_deregister(&dmabuf_use_dev);
}
module_exit(dmabuf_use_exit);

MODULE_DESCRIPTION("Imports dma-bufs, for tests");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMA_BUF);
