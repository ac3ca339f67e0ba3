// SPDX-License-Identifier: GPL-2.0-only
/*
 * gup_try: what a driver does that takes references to user pages; see gup_try.h.
 */
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "gup_try.h"

static long gup_try_slow(unsigned long address, u32 nr, struct page **pages)
{
	long got;

	mmap_read_lock(current->mm);
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
	got = get_user_pages(address, nr, FOLL_WRITE, pages, NULL);
#else
	got = get_user_pages(address, nr, FOLL_WRITE, pages);
#endif
	mmap_read_unlock(current->mm);
	return got;
}

static long gup_try_pin(unsigned long address, u32 nr, struct page **pages)
{
	const unsigned int flags = FOLL_WRITE | FOLL_LONGTERM;
	long got;

	mmap_read_lock(current->mm);
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
	got = pin_user_pages(address, nr, flags, pages, NULL);
#else
	got = pin_user_pages(address, nr, flags, pages);
#endif
	mmap_read_unlock(current->mm);
	return got;
}

static void gup_try_put(const struct gup_try *try, struct page **pages,
			long got)
{
	long i;

	if (try->how == GUP_TRY_PIN || try->how == GUP_TRY_PIN_FAST)
		unpin_user_pages(pages, got);
	else
		for (i = 0; i < got; i++)
			put_page(pages[i]);
}

static long gup_try(const struct gup_try *try, struct page **pages)
{
	long got;

	switch (try->how) {
	case GUP_TRY_GET:
		got = gup_try_slow(try->address, try->pages, pages);
		break;
	case GUP_TRY_GET_FAST:
		got = get_user_pages_fast(try->address, try->pages, FOLL_WRITE,
					  pages);
		break;
	case GUP_TRY_PIN:
		got = gup_try_pin(try->address, try->pages, pages);
		break;
	case GUP_TRY_PIN_FAST:
		got = pin_user_pages_fast(try->address, try->pages, FOLL_WRITE,
					  pages);
		break;
	default:
		return -EINVAL;
	}
	if (got < 0)
		return got;
	gup_try_put(try, pages, got);
	if (!got)
		return -EFAULT;
	return got == try->pages ? 0 : -EREMOTEIO;
}

static long gup_try_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct page **pages;
	struct gup_try try;
	long ret;

	if (cmd != GUP_TRY_TRY)
		return -ENOTTY;
	if (copy_from_user(&try, (void __user *)arg, sizeof(try)))
		return -EFAULT;
	if (!try.pages || try.pages > GUP_TRY_PAGES)
		return -EINVAL;
	pages = kvcalloc(try.pages, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;
	ret = gup_try(&try, pages);
	kvfree(pages);
	return ret;
}

static const struct file_operations gup_try_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = gup_try_ioctl,
};

static struct miscdevice gup_try_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "gup_try",
	.fops = &gup_try_fops,
};
module_misc_device(gup_try_dev);

MODULE_DESCRIPTION("Takes references to user pages, for tests");
MODULE_LICENSE("GPL");
