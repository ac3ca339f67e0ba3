// SPDX-License-Identifier: GPL-2.0-only
/*
 * host_map_info: change what virtio-gpu's host says of a blob it has mapped.
 *
 * While info is not negative, each RESOURCE_MAP_BLOB is answered with that map_info.
 * QEMU with llvmpipe and lavapipe says "cached" of every blob.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/virtio_gpu.h>

static int info = -1;
module_param(info, int, 0644);
MODULE_PARM_DESC(info, "The map_info of every blob, or -1 (default: -1)");

static unsigned long changed;
module_param(changed, ulong, 0444);
MODULE_PARM_DESC(changed, "How many answers were changed so far");

/* How the driver's struct virtio_gpu_vbuffer begins, 6.1 to 6.12. */
struct host_map_info_vbuffer {
	char *buf;
	int size;
	void *data_buf;
	u32 data_size;
	char *resp_buf;
};

/* The first thing that is done with an answer. */
static int host_map_info_answer(struct kprobe *probe, struct pt_regs *regs)
{
	const struct host_map_info_vbuffer *vbuf =
		(void *)regs_get_kernel_argument(regs, 1);
	struct virtio_gpu_resp_map_info *resp = (void *)vbuf->resp_buf;
	int now = READ_ONCE(info);

	if (now < 0 ||
	    le32_to_cpu(resp->hdr.type) != VIRTIO_GPU_RESP_OK_MAP_INFO)
		return 0;
	resp->map_info = now;
	changed++;
	return 0;
}

/* The stock driver's callback and TTM's window's. */
static struct kprobe host_map_info_stock = {
	.symbol_name = "virtio_gpu_cmd_resource_map_cb",
	.pre_handler = host_map_info_answer,
};

static struct kprobe host_map_info_ttm = {
	.symbol_name = "virtio_gpu_range_map_cb",
	.pre_handler = host_map_info_answer,
};

static struct kprobe *host_map_info_probes[] = {
	&host_map_info_stock,
	&host_map_info_ttm,
};

static int __init host_map_info_init(void)
{
	return register_kprobes(host_map_info_probes,
				ARRAY_SIZE(host_map_info_probes));
}
module_init(host_map_info_init);

static void __exit host_map_info_exit(void)
{
	unregister_kprobes(host_map_info_probes,
			   ARRAY_SIZE(host_map_info_probes));
}
module_exit(host_map_info_exit);

MODULE_DESCRIPTION("Changes the map_info of virtio-gpu's blobs, for tests");
MODULE_LICENSE("GPL");
