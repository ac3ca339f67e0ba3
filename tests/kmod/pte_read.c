// SPDX-License-Identifier: GPL-2.0-only
/*
 * pte_read: what is in a PTE of the caller's; see pte_read.h.
 */
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pgtable.h>
#include <linux/uaccess.h>

#include "pte_read.h"

static bool pte_read_walk(struct mm_struct *mm, unsigned long address,
			  pmd_t **pmd)
{
	pgd_t *pgd = pgd_offset(mm, address);
	p4d_t *p4d;
	pud_t *pud;

	if (!pgd_present(*pgd))
		return false;
	p4d = p4d_offset(pgd, address);
	if (!p4d_present(*p4d))
		return false;
	pud = pud_offset(p4d, address);
	if (!pud_present(*pud) || pud_leaf(*pud))
		return false;
	*pmd = pmd_offset(pud, address);
	return pmd_present(**pmd) && !pmd_leaf(**pmd);
}

static u64 pte_read(struct mm_struct *mm, unsigned long address)
{
	u64 value = 0;
	pmd_t *pmd;

	/* Nobody takes a page table away meanwhile. */
	mmap_write_lock(mm);
	if (find_vma(mm, address) && pte_read_walk(mm, address, &pmd))
		value = pte_val(READ_ONCE(*pte_offset_kernel(pmd, address)));
	mmap_write_unlock(mm);
	return value;
}

static long pte_read_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	struct pte_read read;

	if (cmd != PTE_READ_READ)
		return -ENOTTY;
	if (copy_from_user(&read, (void __user *)arg, sizeof(read)))
		return -EFAULT;
	if (read.address >= TASK_SIZE)
		return -EINVAL;
	read.pte = pte_read(current->mm, read.address);
	return copy_to_user((void __user *)arg, &read, sizeof(read)) ? -EFAULT :
								       0;
}

static const struct file_operations pte_read_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = pte_read_ioctl,
};

static struct miscdevice pte_read_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pte_read",
	.fops = &pte_read_fops,
};
module_misc_device(pte_read_dev);

MODULE_DESCRIPTION("Reads PTEs of the caller's, for tests");
MODULE_LICENSE("GPL");
