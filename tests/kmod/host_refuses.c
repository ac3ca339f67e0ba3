// SPDX-License-Identifier: GPL-2.0-only
/*
 * host_refuses: make virtio-gpu's host refuse to map or to unmap a blob.
 *
 * The next commands, as many as the parameters say, name a resource that the host
 * does not have. It refuses them, and all stays as it was.
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

/* Both commands have the resource's name at the same place. */
static int host_refuses_send(struct kprobe *probe, struct pt_regs *regs)
{
	const struct host_refuses_vbuffer *vbuf =
		(void *)regs_get_kernel_argument(regs, 1);
	struct virtio_gpu_resource_map_blob *cmd = (void *)vbuf->buf;
	atomic_t *left;

	switch (le32_to_cpu(cmd->hdr.type)) {
	case VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB:
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

/* Where all commands come by, the stock driver's, too. */
static struct kprobe host_refuses_probe = {
	.symbol_name = "virtio_gpu_queue_fenced_ctrl_buffer",
	.pre_handler = host_refuses_send,
};

static int __init host_refuses_init(void)
{
	return register_kprobe(&host_refuses_probe);
}
module_init(host_refuses_init);

static void __exit host_refuses_exit(void)
{
	unregister_kprobe(&host_refuses_probe);
}
module_exit(host_refuses_exit);

MODULE_DESCRIPTION("Makes virtio-gpu's host refuse commands, for tests");
MODULE_LICENSE("GPL");
