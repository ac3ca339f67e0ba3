// SPDX-License-Identifier: GPL-2.0-only
/*
 * host_refuses: make virtio-gpu's host refuse to map or to unmap a blob, or leave out
 * one that it is asked to map, and go on.
 *
 * The next commands, as many as the parameters map and unmap say, name a resource that
 * the host does not have. It refuses them, and all stays as it was. With leave_out=1 the
 * next RESOURCE_MAP_BLOB is kept, and so not answered; with leave_out=0 it is sent.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/virtio_gpu.h>

static atomic_t map, unmap;

static int left_set(const char *val, const struct kernel_param *kp)
{
	int left, ret = kstrtoint(val, 0, &left);

	if (ret)
		return ret;
	if (left < 0)
		return -EINVAL;
	atomic_set(kp->arg, left);
	return 0;
}

static int left_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", atomic_read(kp->arg));
}

static const struct kernel_param_ops left_ops = {
	.set = left_set,
	.get = left_get,
};
module_param_cb(map, &left_ops, &map, 0644);
MODULE_PARM_DESC(map, "How many RESOURCE_MAP_BLOB are refused (default: 0)");
module_param_cb(unmap, &left_ops, &unmap, 0644);
MODULE_PARM_DESC(unmap,
		 "How many RESOURCE_UNMAP_BLOB are refused (default: 0)");

/* How the driver's struct virtio_gpu_vbuffer begins, 6.1 to 6.12. */
struct host_refuses_vbuffer {
	char *buf;
};

/*
 * A call of the driver's virtio_gpu_queue_fenced_ctrl_buffer(), without a fence. No lock:
 * to lockdep a probe is an NMI.
 */
static atomic_t wanted;
static void *kept_vgdev, *kept_vbuf; /* NULL: none was kept */

/* Where a call goes that is not to happen yet. */
static noinline int host_refuses_sent(void)
{
	return 0;
}

static bool host_refuses_keep(void *vgdev, void *vbuf)
{
	if (!atomic_xchg(&wanted, 0))
		return false;
	WRITE_ONCE(kept_vgdev, vgdev);
	/* Pairs with xchg() in host_refuses_send_kept(). */
	smp_store_release(&kept_vbuf, vbuf);
	return true;
}

/* Both commands have the resource's name at the same place. */
static int host_refuses_send(struct kprobe *probe, struct pt_regs *regs)
{
	const struct host_refuses_vbuffer *vbuf =
		(void *)regs_get_kernel_argument(regs, 1);
	struct virtio_gpu_resource_map_blob *cmd = (void *)vbuf->buf;
	atomic_t *left;

	switch (le32_to_cpu(cmd->hdr.type)) {
	case VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB:
		if (host_refuses_keep((void *)regs_get_kernel_argument(regs, 0),
				      (void *)vbuf)) {
			instruction_pointer_set(
				regs, (unsigned long)host_refuses_sent);
			return 1;
		}
		left = &map;
		break;
	case VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB:
		left = &unmap;
		break;
	default:
		return 0;
	}
	if (atomic_dec_if_positive(left) >= 0)
		cmd->resource_id = cpu_to_le32(U32_MAX);
	return 0;
}

/* An optimised probe could not change where the call goes; this one is not. */
static void host_refuses_post(struct kprobe *probe, struct pt_regs *regs,
			      unsigned long flags)
{
}

/* Where all commands come by, the stock driver's, too. */
static struct kprobe host_refuses_probe = {
	.symbol_name = "virtio_gpu_queue_fenced_ctrl_buffer",
	.pre_handler = host_refuses_send,
	.post_handler = host_refuses_post,
};

/* Nobody notifies the host of it: the driver's next command does. */
static void host_refuses_send_kept(void)
{
	int (*queue)(void *vgdev, void *vbuf, void *fence) =
		(void *)host_refuses_probe.addr;
	void *vbuf;

	atomic_set(&wanted, 0);
	/* Pairs with smp_store_release() in host_refuses_keep(). */
	vbuf = xchg(&kept_vbuf, NULL);
	if (vbuf)
		queue(READ_ONCE(kept_vgdev), vbuf, NULL);
}

static int leave_out_set(const char *val, const struct kernel_param *kp)
{
	bool on;
	int ret = kstrtobool(val, &on);

	if (ret)
		return ret;
	if (on && READ_ONCE(kept_vbuf))
		return -EBUSY;
	if (on)
		atomic_set(&wanted, 1);
	else
		host_refuses_send_kept();
	return 0;
}

static int leave_out_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", !!READ_ONCE(kept_vbuf));
}

static const struct kernel_param_ops leave_out_ops = {
	.set = leave_out_set,
	.get = leave_out_get,
};
module_param_cb(leave_out, &leave_out_ops, NULL, 0644);
MODULE_PARM_DESC(
	leave_out,
	"1: keep the next RESOURCE_MAP_BLOB; 0: send it. Reads 1 if one is kept");

static int __init host_refuses_init(void)
{
	return register_kprobe(&host_refuses_probe);
}
module_init(host_refuses_init);

static void __exit host_refuses_exit(void)
{
	unregister_kprobe(&host_refuses_probe);
	host_refuses_send_kept();
}
module_exit(host_refuses_exit);

MODULE_DESCRIPTION(
	"Makes virtio-gpu's host refuse or leave out commands, for tests");
MODULE_LICENSE("GPL");
