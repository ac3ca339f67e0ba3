// SPDX-License-Identifier: GPL-2.0-only
/*
 * stray_mark: one page with PG_reserved that is in nobody's books, for as long
 * as the module is loaded, and with leak=1 memory that nobody points to. What
 * looks for such things must find them.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

static bool leak;
module_param(leak, bool, 0444);
MODULE_PARM_DESC(leak, "Lose some memory (default: false)");

static struct page *stray_mark_page;

/*
 * Several, because a stale copy of a pointer on a stack would hide one. A function of its
 * own: where init's code was is in nobody's trace.
 */
static noinline void stray_mark_lose(void)
{
	int i;

	for (i = 0; i < 16; i++)
		if (!kmalloc(64, GFP_KERNEL))
			pr_warn("stray_mark: nothing to lose\n");
}

static int __init stray_mark_init(void)
{
	if (leak)
		stray_mark_lose();
	stray_mark_page = alloc_page(GFP_KERNEL);
	if (!stray_mark_page)
		return -ENOMEM;
	SetPageReserved(stray_mark_page);
	return 0;
}

static void __exit stray_mark_exit(void)
{
	ClearPageReserved(stray_mark_page);
	__free_page(stray_mark_page);
}

module_init(stray_mark_init);
module_exit(stray_mark_exit);

MODULE_DESCRIPTION("A reserved page that nobody knows of, for tests");
MODULE_LICENSE("GPL");
