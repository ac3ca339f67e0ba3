// SPDX-License-Identifier: GPL-2.0-only
/*
 * pte_watch: is a page marked when its PTE is made?
 *
 * Looks at each page that is about to be inserted into a mapping of vttm's, at the
 * moment at which KVM could not have seen it yet: a mark that comes later, if only
 * by an instruction, leaves no trace in the page.
 */
#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/string.h>

static bool reserved;
module_param(reserved, bool, 0644);
MODULE_PARM_DESC(
	reserved,
	"A marked page has PG_reserved, too, not a count of 1 alone (default: false)");

static atomic_long_t ptes, unmarked;

static int counter_set(const char *val, const struct kernel_param *kp)
{
	long value;
	int ret = kstrtol(val, 0, &value);

	if (!ret)
		atomic_long_set(kp->arg, value);
	return ret;
}

static int counter_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%ld\n", atomic_long_read(kp->arg));
}

static const struct kernel_param_ops counter_ops = {
	.set = counter_set,
	.get = counter_get,
};
module_param_cb(ptes, &counter_ops, &ptes, 0644);
MODULE_PARM_DESC(ptes, "PTEs made in mappings of vttm's files");
module_param_cb(unmarked, &counter_ops, &unmarked, 0644);
MODULE_PARM_DESC(unmarked, "Those of them whose page was not marked");

/* A dma-buf's mapping has another file. */
static bool pte_watch_is_vttm(const struct vm_area_struct *vma)
{
	const struct module *owner = vma->vm_file ? vma->vm_file->f_op->owner :
						    NULL;

	return owner && !strcmp(owner->name, "vttm");
}

static bool pte_watch_is_marked(unsigned long pfn)
{
	struct page *page;

	if (!pfn_valid(pfn))
		return false;
	page = pfn_to_page(pfn);
	return page_count(page) == 1 &&
	       (!READ_ONCE(reserved) || PageReserved(page));
}

static int pte_watch_handler(struct kprobe *probe, struct pt_regs *regs)
{
	const struct vm_area_struct *vma =
		(void *)regs_get_kernel_argument(regs, 0);

	if (!pte_watch_is_vttm(vma))
		return 0;
	atomic_long_inc(&ptes);
	if (!pte_watch_is_marked(regs_get_kernel_argument(regs, 2)))
		atomic_long_inc(&unmarked);
	return 0;
}

/* The only function by which TTM makes PTEs. */
static struct kprobe pte_watch_probe = {
	.symbol_name = "vmf_insert_pfn_prot",
	.pre_handler = pte_watch_handler,
};

static int __init pte_watch_init(void)
{
	int ret = register_kprobe(&pte_watch_probe);

	if (ret)
		pr_err("vmf_insert_pfn_prot() cannot be probed (%d)\n", ret);
	return ret;
}
module_init(pte_watch_init);

static void __exit pte_watch_exit(void)
{
	unregister_kprobe(&pte_watch_probe);
}
module_exit(pte_watch_exit);

MODULE_DESCRIPTION("Looks at pages whose PTEs are made, for tests");
MODULE_LICENSE("GPL");
