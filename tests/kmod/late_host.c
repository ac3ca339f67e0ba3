// SPDX-License-Identifier: GPL-2.0-only
/*
 * late_host: make virtio-gpu's host late.
 *
 * While stall=1 the driver does not learn that the host has answered. With stall=0
 * it learns of everything at once.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/virtio.h>

static bool stall;
/* The queue whose answers were kept from the driver. */
static struct virtqueue *kept;

/* Where a call goes that is not to happen. */
static noinline void late_host_nothing(void)
{
}

static int late_host_handler(struct kprobe *probe, struct pt_regs *regs)
{
	WRITE_ONCE(kept, (struct virtqueue *)regs_get_kernel_argument(regs, 0));
	/* Pairs with xchg() in stall_set(): one sees what the other has written. */
	smp_mb();
	if (!READ_ONCE(stall)) {
		WRITE_ONCE(kept, NULL);
		return 0;
	}
	instruction_pointer_set(regs, (unsigned long)late_host_nothing);
	return 1;
}

/* An optimised probe could not change where the call goes; this one is not. */
static void late_host_post(struct kprobe *probe, struct pt_regs *regs,
			   unsigned long flags)
{
}

static struct kprobe late_host_probe = {
	.symbol_name = "virtio_gpu_ctrl_ack",
	.pre_handler = late_host_handler,
	.post_handler = late_host_post,
};

/* A queue ends with its device. */
static int late_host_forget(struct kprobe *probe, struct pt_regs *regs)
{
	WRITE_ONCE(kept, NULL);
	return 0;
}

static struct kprobe late_host_remove = {
	.symbol_name = "virtio_gpu_remove",
	.pre_handler = late_host_forget,
};

static struct kprobe *late_host_probes[] = {
	&late_host_probe,
	&late_host_remove,
};

static int stall_set(const char *val, const struct kernel_param *kp)
{
	void (*ack)(struct virtqueue *vq) = (void *)late_host_probe.addr;
	struct virtqueue *vq;
	int ret = param_set_bool(val, kp);

	if (ret || READ_ONCE(stall))
		return ret;
	vq = xchg(&kept, NULL);
	if (vq && ack)
		ack(vq);
	return 0;
}

static const struct kernel_param_ops stall_ops = {
	.set = stall_set,
	.get = param_get_bool,
};
module_param_cb(stall, &stall_ops, &stall, 0644);
MODULE_PARM_DESC(stall, "Keep the host's answers from the driver (default: 0)");

static int __init late_host_init(void)
{
	return register_kprobes(late_host_probes, ARRAY_SIZE(late_host_probes));
}
module_init(late_host_init);

static void __exit late_host_exit(void)
{
	unregister_kprobes(late_host_probes, ARRAY_SIZE(late_host_probes));
}
module_exit(late_host_exit);

MODULE_DESCRIPTION("Makes virtio-gpu's host late, for tests");
MODULE_LICENSE("GPL");
