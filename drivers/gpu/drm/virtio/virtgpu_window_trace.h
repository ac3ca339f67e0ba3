/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-gpu: tracepoints of the host-visible window.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM virtio_gpu_window

#if !defined(_VIRTGPU_WINDOW_TRACE_H_) || defined(TRACE_HEADER_MULTI_READ)
#define _VIRTGPU_WINDOW_TRACE_H_

#include <linux/tracepoint.h>

#include "virtgpu_drv.h"

/* Offsets are into the window, in bytes. */
DECLARE_EVENT_CLASS(virtio_gpu_range,
		    TP_PROTO(const struct virtio_gpu_range *range),
		    TP_ARGS(range),
		    TP_STRUCT__entry(__field(u32, handle)
				     __field(u64, start)
				     __field(u64, size)
				     ),
		    TP_fast_assign(__entry->handle = range->handle;
				   __entry->start = range->node.start;
				   __entry->size = range->node.size;
				   ),
		    TP_printk("blob=%u start=%#llx size=%#llx",
			      __entry->handle, __entry->start, __entry->size)
);

/* MAP_BLOB was sent, and the host's two answers. */
DEFINE_EVENT(virtio_gpu_range, virtio_gpu_range_map,
	     TP_PROTO(const struct virtio_gpu_range *range), TP_ARGS(range));
DEFINE_EVENT(virtio_gpu_range, virtio_gpu_range_mapped,
	     TP_PROTO(const struct virtio_gpu_range *range), TP_ARGS(range));
DEFINE_EVENT(virtio_gpu_range, virtio_gpu_range_refused,
	     TP_PROTO(const struct virtio_gpu_range *range), TP_ARGS(range));
/* The blob had to make room for another one. */
DEFINE_EVENT(virtio_gpu_range, virtio_gpu_range_evict,
	     TP_PROTO(const struct virtio_gpu_range *range), TP_ARGS(range));
/* UNMAP_BLOB was sent; the range is free again; or it never will be. */
DEFINE_EVENT(virtio_gpu_range, virtio_gpu_range_unmap,
	     TP_PROTO(const struct virtio_gpu_range *range), TP_ARGS(range));
DEFINE_EVENT(virtio_gpu_range, virtio_gpu_range_returned,
	     TP_PROTO(const struct virtio_gpu_range *range), TP_ARGS(range));
DEFINE_EVENT(virtio_gpu_range, virtio_gpu_range_lost,
	     TP_PROTO(const struct virtio_gpu_range *range), TP_ARGS(range));

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE virtgpu_window_trace
#include <trace/define_trace.h>
