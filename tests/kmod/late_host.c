// SPDX-License-Identifier: GPL-2.0-only
/*
 * late_host: make virtio-gpu's host late.
 *
 * While stall=1 the driver does not learn that the host has answered. With stall=0
 * it learns of everything at once. With every_ms=N it learns of one answer each N ms.
 */
#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/virtio.h>
#include <linux/workqueue.h>

static bool stall;
static unsigned int every_ms;
/* Answers that the driver may learn of, if there is one each so many ms. */
static atomic_t allowed;
/* The queue whose answers were kept from the driver. */
static struct virtqueue *kept;
/* The last one that had any. */
static struct virtqueue *ctrl;

/* Where a call goes that is not to happen. */
static noinline void late_host_nothing(void)
{
}

static int late_host_handler(struct kprobe *probe, struct pt_regs *regs)
{
	WRITE_ONCE(kept, (struct virtqueue *)regs_get_kernel_argument(regs, 0));
	WRITE_ONCE(ctrl, kept);
	/* Pairs with xchg() in stall_set(): one sees what the other has written. */
	smp_mb();
	if (!READ_ONCE(stall) &&
	    (!READ_ONCE(every_ms) || atomic_read(&allowed) > 0)) {
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

/* A queue ends with its device, which was reset: it has no more answers. */
static int late_host_forget(struct kprobe *probe, struct pt_regs *regs)
{
	struct virtqueue *vq = (void *)regs_get_kernel_argument(regs, 0);

	cmpxchg(&kept, vq, NULL);
	cmpxchg(&ctrl, vq, NULL);
	return 0;
}

static struct kprobe late_host_del = {
	.symbol_name = "vring_del_virtqueue",
	.pre_handler = late_host_forget,
};

static struct kprobe *late_host_probes[] = {
	&late_host_probe,
	&late_host_del,
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

/* ---- One answer at a time ---------------------------------------------- */

static noinline void *late_host_no_answer(void)
{
	return NULL;
}

static noinline bool late_host_is_all(void)
{
	return true;
}

static bool late_host_is_ctrl(struct pt_regs *regs)
{
	return (struct virtqueue *)regs_get_kernel_argument(regs, 0) ==
	       READ_ONCE(ctrl);
}

static int late_host_get(struct kprobe *probe, struct pt_regs *regs)
{
	if (!late_host_is_ctrl(regs) || atomic_dec_if_positive(&allowed) >= 0)
		return 0;
	instruction_pointer_set(regs, (unsigned long)late_host_no_answer);
	return 1;
}

static int late_host_enable(struct kprobe *probe, struct pt_regs *regs)
{
	if (!late_host_is_ctrl(regs))
		return 0;
	instruction_pointer_set(regs, (unsigned long)late_host_is_all);
	return 1;
}

/*
 * All drivers of virtio use these: probed only as long as it is needed. The second one
 * needs the first, or it looks for ever for what it does not get.
 */
static struct kprobe late_host_enable_cb, late_host_get_buf;

static void late_host_ack(void)
{
	void (*ack)(struct virtqueue *vq) = (void *)late_host_probe.addr;
	struct virtqueue *vq = READ_ONCE(ctrl);

	if (vq && ack)
		ack(vq);
}

static void late_host_tick(struct work_struct *work)
{
	atomic_set(&allowed, 1);
	late_host_ack();
	schedule_delayed_work(to_delayed_work(work),
			      msecs_to_jiffies(READ_ONCE(every_ms)));
}

static DECLARE_DELAYED_WORK(late_host_work, late_host_tick);

static int late_host_slow_begin(void)
{
	int ret;

	/* What unregister_kprobe() leaves there is not to be used again. */
	late_host_enable_cb = (struct kprobe){
		.symbol_name = "virtqueue_enable_cb",
		.pre_handler = late_host_enable,
		.post_handler = late_host_post,
	};
	late_host_get_buf = (struct kprobe){
		.symbol_name = "virtqueue_get_buf",
		.pre_handler = late_host_get,
		.post_handler = late_host_post,
	};
	ret = register_kprobe(&late_host_enable_cb);
	if (ret)
		return ret;
	ret = register_kprobe(&late_host_get_buf);
	if (ret)
		unregister_kprobe(&late_host_enable_cb);
	return ret;
}

static void late_host_slow_end(void)
{
	cancel_delayed_work_sync(&late_host_work);
	unregister_kprobe(&late_host_get_buf);
	unregister_kprobe(&late_host_enable_cb);
	late_host_ack();
}

static int every_ms_set(const char *val, const struct kernel_param *kp)
{
	unsigned int ms;
	int ret = kstrtouint(val, 0, &ms);

	if (ret || !ms == !every_ms) {
		/* From the next answer on. */
		if (!ret)
			WRITE_ONCE(every_ms, ms);
		return ret;
	}
	if (!ms) {
		WRITE_ONCE(every_ms, 0);
		late_host_slow_end();
		return 0;
	}
	ret = late_host_slow_begin();
	if (ret)
		return ret;
	WRITE_ONCE(every_ms, ms);
	schedule_delayed_work(&late_host_work, 0);
	return 0;
}

static const struct kernel_param_ops every_ms_ops = {
	.set = every_ms_set,
	.get = param_get_uint,
};
module_param_cb(every_ms, &every_ms_ops, &every_ms, 0644);
MODULE_PARM_DESC(
	every_ms,
	"Let the driver learn of one answer each so many ms (default: 0, of all)");

static int __init late_host_init(void)
{
	return register_kprobes(late_host_probes, ARRAY_SIZE(late_host_probes));
}
module_init(late_host_init);

static void __exit late_host_exit(void)
{
	if (every_ms) {
		every_ms = 0;
		late_host_slow_end();
	}
	unregister_kprobes(late_host_probes, ARRAY_SIZE(late_host_probes));
}
module_exit(late_host_exit);

MODULE_DESCRIPTION("Makes virtio-gpu's host late, for tests");
MODULE_LICENSE("GPL");
