// SPDX-License-Identifier: GPL-2.0-only
/*
 * page_meddle: do to a page what nobody may; see page_meddle.h.
 */
#include <linux/memory_hotplug.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/page_ref.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "page_meddle.h"

struct meddled {
	struct mutex lock; /* of all below */
	struct page *page; /* NULL: none yet */
	u32 how;
};

static void page_meddle_flip(struct page *page)
{
	if (PageReserved(page))
		ClearPageReserved(page);
	else
		SetPageReserved(page);
}

static int page_meddle_do(struct page *page, u32 how)
{
	switch (how) {
	case PAGE_MEDDLE_HOLD:
		return get_page_unless_zero(page) ? 0 : -EBUSY;
	case PAGE_MEDDLE_LOSE:
		return page_ref_freeze(page, 1) ? 0 : -EBUSY;
	case PAGE_MEDDLE_FLIP:
		page_meddle_flip(page);
		return 0;
	default:
		return -EINVAL;
	}
}

static void page_meddle_undo(struct page *page, u32 how)
{
	switch (how) {
	case PAGE_MEDDLE_HOLD:
		put_page(page);
		break;
	case PAGE_MEDDLE_LOSE:
		page_ref_unfreeze(page, 1);
		break;
	case PAGE_MEDDLE_FLIP:
		page_meddle_flip(page);
		break;
	}
}

static int page_meddle_once(struct meddled *meddled,
			    const struct page_meddle *req)
{
	struct page *page = pfn_to_online_page(req->pfn);
	int ret;

	if (meddled->page)
		return -EBUSY;
	if (!page)
		return -ENXIO;
	ret = page_meddle_do(page, req->how);
	if (ret)
		return ret;
	meddled->page = page;
	meddled->how = req->how;
	return 0;
}

static long page_meddle_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg)
{
	struct meddled *meddled = file->private_data;
	struct page_meddle req;
	long ret;

	if (cmd != PAGE_MEDDLE_MEDDLE)
		return -ENOTTY;
	if (copy_from_user(&req, (void __user *)arg, sizeof(req)))
		return -EFAULT;
	if (req.pad)
		return -EINVAL;
	mutex_lock(&meddled->lock);
	ret = page_meddle_once(meddled, &req);
	mutex_unlock(&meddled->lock);
	return ret;
}

static int page_meddle_open(struct inode *inode, struct file *file)
{
	struct meddled *meddled = kzalloc(sizeof(*meddled), GFP_KERNEL);

	if (!meddled)
		return -ENOMEM;
	mutex_init(&meddled->lock);
	file->private_data = meddled;
	return 0;
}

static int page_meddle_release(struct inode *inode, struct file *file)
{
	struct meddled *meddled = file->private_data;

	if (meddled->page)
		page_meddle_undo(meddled->page, meddled->how);
	kfree(meddled);
	return 0;
}

static const struct file_operations page_meddle_fops = {
	.owner = THIS_MODULE,
	.open = page_meddle_open,
	.release = page_meddle_release,
	.unlocked_ioctl = page_meddle_ioctl,
};

static struct miscdevice page_meddle_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "page_meddle",
	.fops = &page_meddle_fops,
	.mode = 0600,
};
module_misc_device(page_meddle_dev);

MODULE_DESCRIPTION("Does to pages what nobody may, for tests");
MODULE_LICENSE("GPL");
