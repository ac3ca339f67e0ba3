/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * /dev/dmabuf_use: use a dma-buf as a driver that imports it does, for tests.
 */
#ifndef DMABUF_USE_H
#define DMABUF_USE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct dmabuf_use_look - what an importer is given
 * @pfn: returned frame number of the first page
 * @bytes: returned sum of the scatterlist
 * @entries: returned number of its entries
 * @fd: the dma-buf
 */
struct dmabuf_use_look {
	__u64 pfn;
	__u64 bytes;
	__u32 entries;
	__s32 fd;
};

/**
 * struct dmabuf_use_hold - an attachment that stays
 * @address: returned address of the first byte, for the device
 * @fd: the dma-buf
 * @pad: 0
 */
struct dmabuf_use_hold {
	__u64 address;
	__s32 fd;
	__u32 pad;
};

/* Attach, map, unmap and detach. */
#define DMABUF_USE_LOOK _IOWR('D', 0x70, struct dmabuf_use_look)
/* Invert every 32-bit word through a vmap; the argument is the dma-buf. */
#define DMABUF_USE_FLIP _IO('D', 0x71)
/* Attach and map, until this file is closed; one for each. */
#define DMABUF_USE_HOLD _IOWR('D', 0x72, struct dmabuf_use_hold)
/*
 * Add a fence, as a GPU that works on the buffer does, which is signalled when this
 * file is closed; one for each. The argument is the dma-buf.
 */
#define DMABUF_USE_BUSY _IO('D', 0x73)
/*
 * Keep the reservation until the task is killed, or 20 s are over; the parameter
 * "reserved" counts who does. The argument is the dma-buf.
 */
#define DMABUF_USE_RESERVE _IO('D', 0x74)

#endif
