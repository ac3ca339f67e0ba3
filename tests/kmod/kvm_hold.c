// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm_hold: hold a guest page as nested virtualisation does; see kvm_hold.h.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "kvm_hold.h"

struct kvm_hold {
	struct mutex lock; /* of all below */
	struct file *file; /* the vCPU's; NULL: nothing is held */
	struct kvm_host_map map;
};

static struct kvm_vcpu *kvm_hold_vcpu(struct kvm_hold *hold)
{
	return hold->file->private_data;
}

/* KVM exports no test for this; the name is given by KVM alone. */
static bool kvm_hold_is_vcpu(const struct file *file)
{
	return !strncmp(file->f_path.dentry->d_name.name, "kvm-vcpu:", 9);
}

/* What KVM_RUN does around its work; both users take kvm->srcu inside. */
static void kvm_hold_enter(struct kvm_vcpu *vcpu)
{
	mutex_lock(&vcpu->mutex);
	vcpu_load(vcpu);
}

static void kvm_hold_leave(struct kvm_vcpu *vcpu)
{
	vcpu_put(vcpu);
	mutex_unlock(&vcpu->mutex);
}

static void kvm_hold_release_file(struct kvm_hold *hold)
{
	fput(hold->file);
	hold->file = NULL;
}

static int kvm_hold_map(struct kvm_hold *hold, const void __user *arg)
{
	struct kvm_hold_map req;
	struct kvm_vcpu *vcpu;
	int idx, ret = -EBADF;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (req.pad)
		return -EINVAL;
	if (hold->file)
		return -EBUSY;
	hold->file = fget(req.vcpu_fd);
	if (!hold->file)
		return -EBADF;
	if (!kvm_hold_is_vcpu(hold->file))
		goto err_file;

	vcpu = kvm_hold_vcpu(hold);
	ret = -EINVAL;
	/* KVM looks the page up in the address space of the caller. */
	if (vcpu->kvm->mm != current->mm)
		goto err_file;
	kvm_hold_enter(vcpu);
	idx = srcu_read_lock(&vcpu->kvm->srcu);
	ret = kvm_vcpu_map(vcpu, req.gfn, &hold->map);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	kvm_hold_leave(vcpu);
	if (!ret)
		return 0;
err_file:
	kvm_hold_release_file(hold);
	return ret;
}

static void kvm_hold_unmap(struct kvm_hold *hold, bool dirty)
{
	struct kvm_vcpu *vcpu = kvm_hold_vcpu(hold);
	int idx;

	kvm_hold_enter(vcpu);
	idx = srcu_read_lock(&vcpu->kvm->srcu);
	kvm_vcpu_unmap(vcpu, &hold->map, dirty);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	kvm_hold_leave(vcpu);
	kvm_hold_release_file(hold);
}

static int kvm_hold_state(struct kvm_hold *hold, void __user *arg)
{
	struct page *page = pfn_to_page(hold->map.pfn);
	const struct kvm_hold_state state = {
		.pfn = hold->map.pfn,
		.count = page_ref_count(page),
		.flags = PageReserved(page) ? KVM_HOLD_RESERVED : 0,
	};

	return copy_to_user(arg, &state, sizeof(state)) ? -EFAULT : 0;
}

static long kvm_hold_locked(struct kvm_hold *hold, unsigned int cmd,
			    unsigned long arg)
{
	if (cmd == KVM_HOLD_MAP)
		return kvm_hold_map(hold, (void __user *)arg);
	if (!hold->file)
		return -ENXIO;
	switch (cmd) {
	case KVM_HOLD_POKE:
		memset(hold->map.hva, arg, PAGE_SIZE);
		return 0;
	case KVM_HOLD_UNMAP:
		kvm_hold_unmap(hold, arg);
		return 0;
	case KVM_HOLD_STATE:
		return kvm_hold_state(hold, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static long kvm_hold_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	struct kvm_hold *hold = file->private_data;
	long ret;

	mutex_lock(&hold->lock);
	ret = kvm_hold_locked(hold, cmd, arg);
	mutex_unlock(&hold->lock);
	return ret;
}

static int kvm_hold_open(struct inode *inode, struct file *file)
{
	struct kvm_hold *hold = kzalloc(sizeof(*hold), GFP_KERNEL);

	if (!hold)
		return -ENOMEM;
	mutex_init(&hold->lock);
	file->private_data = hold;
	return 0;
}

static int kvm_hold_release(struct inode *inode, struct file *file)
{
	struct kvm_hold *hold = file->private_data;

	if (hold->file)
		kvm_hold_unmap(hold, false);
	kfree(hold);
	return 0;
}

static const struct file_operations kvm_hold_fops = {
	.owner = THIS_MODULE,
	.open = kvm_hold_open,
	.release = kvm_hold_release,
	.unlocked_ioctl = kvm_hold_ioctl,
};

static struct miscdevice kvm_hold_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kvm_hold",
	.fops = &kvm_hold_fops,
	.mode = 0600,
};
module_misc_device(kvm_hold_device);

MODULE_DESCRIPTION("Hold guest pages with kvm_vcpu_map(), for tests");
MODULE_LICENSE("GPL");
