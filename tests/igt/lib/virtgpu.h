/* SPDX-License-Identifier: MIT */
/*
 * virtio-gpu's blob resources: contexts, blobs, mappings, and what the driver
 * tells of its host-visible window.
 *
 * Functions whose name begins with two underscores return 0 or a negative
 * errno; their twins without assert success.
 */
#ifndef TTM_PFNMAP_VIRTGPU_H
#define TTM_PFNMAP_VIRTGPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* How the host makes a blob that the CPU can map. */
enum virtgpu_context {
	VIRTGPU_VIRGL, /* a GL buffer with persistent mapping */
	VIRTGPU_VENUS, /* shared memory of the host */
	/* What a file gets that asks for none: the host makes no blob for it. */
	VIRTGPU_DEFAULT_CONTEXT,
};

/* "virgl", "venus" or "default" */
const char *virtgpu_context_name(enum virtgpu_context context);

struct virtgpu {
	int fd; /* the render node */
	enum virtgpu_context context;
	uint32_t blobs; /* created so far */
};

struct virtgpu_blob {
	uint32_t handle;
	uint32_t resource; /* the host's name */
	uint64_t size;
};

/* What a blob shall be; zeroed it is a HOST3D blob that can be mapped. */
struct virtgpu_blob_params {
	uint64_t size;
	uint32_t mem;	/* VIRTGPU_BLOB_MEM_*; 0: HOST3D */
	uint32_t flags; /* VIRTGPU_BLOB_FLAG_*; 0: MAPPABLE */
	bool no_mem;	/* 0 is what is meant */
	bool no_flags;
	bool unmappable; /* virgl: the host will refuse to map it */
};

/* Skips if there is no virtio-gpu with blobs and this kind of context. */
void virtgpu_open(struct virtgpu *gpu, enum virtgpu_context context);
void virtgpu_close(struct virtgpu *gpu);

int __virtgpu_blob(struct virtgpu *gpu,
		   const struct virtgpu_blob_params *params,
		   struct virtgpu_blob *blob);
/* One that can be mapped. */
void virtgpu_blob(struct virtgpu *gpu, uint64_t size,
		  struct virtgpu_blob *blob);
void virtgpu_blob_close(struct virtgpu *gpu, struct virtgpu_blob *blob);

/* The fake offset for mmap(). */
uint64_t virtgpu_blob_offset(struct virtgpu *gpu,
			     const struct virtgpu_blob *blob);
/* All of it, shared, readable and writable. */
int __virtgpu_blob_mmap(struct virtgpu *gpu, const struct virtgpu_blob *blob,
			void **map);
void *virtgpu_blob_mmap(struct virtgpu *gpu, const struct virtgpu_blob *blob);
/* Maps a device or a dma-buf, and unmaps it again: 0 or a negative errno. */
int virtgpu_try_mmap(int fd, int flags, size_t size, uint64_t offset);
/* Its dma-buf. */
int virtgpu_blob_export(struct virtgpu *gpu, const struct virtgpu_blob *blob);
/* A handle of what is behind the dma-buf. */
int __virtgpu_import(struct virtgpu *gpu, int dmabuf,
		     struct virtgpu_blob *blob);

/*
 * The GPU's own view of blobs, virgl alone: a buffer with pages of the guest, that
 * the host copies to and from its own on request, and copies made by the GPU.
 */
void virtgpu_buffer(struct virtgpu *gpu, uint64_t size,
		    struct virtgpu_blob *buffer);
void virtgpu_upload(struct virtgpu *gpu, const struct virtgpu_blob *buffer);
void virtgpu_download(struct virtgpu *gpu, const struct virtgpu_blob *buffer);
/* @from's bytes; done when it returns. */
void virtgpu_copy(struct virtgpu *gpu, const struct virtgpu_blob *from,
		  const struct virtgpu_blob *to);

/* A command that does nothing, in a virgl context: its fence as a sync_file. */
int __virtgpu_submit_nothing(struct virtgpu *gpu, int *fence);
/* The same for blobs, which the driver reserves in this order; without a fence. */
void virtgpu_submit_with(struct virtgpu *gpu, const uint32_t *handles,
			 unsigned int count);

/* Reading there is a SIGBUS. */
bool virtgpu_is_sigbus(const volatile uint32_t *word);

/* The device's driver is taken away, and comes back. */
#define VIRTGPU_DRIVER "/sys/bus/virtio/drivers/virtio_gpu/"
struct virtgpu_device {
	char name[64];
};
void virtgpu_device(struct virtgpu_device *device);
void virtgpu_unbind(const struct virtgpu_device *device);
void virtgpu_bind(const struct virtgpu_device *device);
/* From its bus, as if it had been pulled out; then found there again, with a new name. */
void virtgpu_remove(const struct virtgpu_device *device);
void virtgpu_rescan(void);

void virtgpu_write_file(const char *path, const char *text);

/* The driver's tracepoints, all of them, one, and those of a window that is TTM's. */
#define VIRTGPU_EVENTS "virtio_gpu/"
#define VIRTGPU_EVENT_QUEUE VIRTGPU_EVENTS "virtio_gpu_cmd_queue/"
#define VIRTGPU_EVENTS_WINDOW "virtio_gpu_window/"
/* Some of them are traced from here on; what was traced before is gone. */
void virtgpu_trace_begin(const char *events);
void virtgpu_trace_end(const char *events);
/* To read what was traced, for fclose(). */
FILE *virtgpu_trace_open(void);

/* Anonymous memory that is written page by page and given back. */
void virtgpu_use_memory(size_t size);

/* Does TTM manage the window (virtio_gpu.ttm_blobs=1)? */
bool virtgpu_ttm_blobs(void);
/* Where the window is in the physical address space, and its size in bytes. */
uint64_t virtgpu_window_base(void);
uint64_t virtgpu_window_size(void);
/* How much of it is taken, by blobs or by what the host has not unmapped yet. */
uint64_t virtgpu_window_used(void);
/* A number of debugfs' virtio-gpu-window, e.g. "evictions". TTM's window only. */
uint64_t virtgpu_window_count(const char *name);
/* A number of debugfs' virtio-gpu-guest, e.g. "ttm-entries". In both modes. */
uint64_t virtgpu_guest_count(const char *name);
/* Waits until the window is empty and the host has confirmed it. TTM's only. */
void virtgpu_window_wait_empty(void);
/* The same with either kind of window. */
void virtgpu_window_wait_unused(void);
/*
 * The device anew, if bytes of TTM's window are lost, which would fail what comes after a
 * test that failed.
 */
void virtgpu_window_heal(void);

/* How many RESOURCE_CREATE_BLOB, _MAP_BLOB, _UNMAP_BLOB and _UNREF the host refuses. */
struct virtgpu_refusals {
	unsigned int creates, maps, unmaps, unrefs;
};

/*
 * QEMU's complaints are counted, see run-gpu-vm.sh: a test that makes the host
 * refuse commands says so.
 */
void virtgpu_expect_refusals(struct virtgpu_refusals refusals);

#endif
