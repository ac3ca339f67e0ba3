// SPDX-License-Identifier: MIT
/*
 * virtio-gpu's blob resources: see virtgpu.h.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/virtio_gpu.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xf86drm.h>

#include "igt.h"
#include "virtgpu.h"
#include "virtgpu_drm.h"

#define RENDER_NODE "/dev/dri/renderD%d"
#define RENDER_FIRST 128
#define RENDER_NODES 8
#define DEBUGFS "/sys/kernel/debug/dri/0/"
#define TRACING "/sys/kernel/tracing/"
#define PARAMETER "/sys/module/virtio_gpu/parameters/ttm_blobs"
/* Every unmap may take the host 100 ms, and there may be a thousand. */
#define EMPTY_SECONDS 120

/* Of virglrenderer's and Mesa's protocol. */
#define CAPSET_VIRGL2 2
#define CAPSET_VENUS 4
#define VIRGL_NOP 0
#define VIRGL_RESOURCE_COPY_REGION 17
#define VIRGL_RESOURCE_CREATE 48
#define PIPE_BUFFER 0
#define FORMAT_R8_UNORM 64
#define BIND_VERTEX_BUFFER (1 << 4)
#define FLAG_MAP_PERSISTENT (1 << 1)
#define FLAG_MAP_COHERENT (1 << 2)

const char *virtgpu_context_name(enum virtgpu_context context)
{
	static const char *const names[] = {
		[VIRTGPU_VIRGL] = "virgl",
		[VIRTGPU_VENUS] = "venus",
		[VIRTGPU_DEFAULT_CONTEXT] = "default",
	};

	return names[context];
}

static int virtgpu_ioctl(int fd, unsigned long request, void *arg)
{
	int ret;

	do {
		ret = ioctl(fd, request, arg);
	} while (ret < 0 && (errno == EINTR || errno == EAGAIN));
	return ret < 0 ? -errno : 0;
}

static bool is_virtgpu(int fd)
{
	drmVersionPtr version = drmGetVersion(fd);
	bool is = version && !strcmp(version->name, "virtio_gpu");

	drmFreeVersion(version);
	return is;
}

/* A device that went away has its number for as long as somebody uses it. */
static int open_render_node(void)
{
	char path[32];

	for (int i = 0; i < RENDER_NODES; i++) {
		int fd;

		snprintf(path, sizeof(path), RENDER_NODE, RENDER_FIRST + i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && is_virtgpu(fd))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -1;
}

void virtgpu_open(struct virtgpu *gpu, enum virtgpu_context context)
{
	struct drm_virtgpu_context_set_param param = {
		.param = VIRTGPU_CONTEXT_PARAM_CAPSET_ID,
		.value = context == VIRTGPU_VIRGL ? CAPSET_VIRGL2 :
						    CAPSET_VENUS,
	};
	struct drm_virtgpu_context_init init = {
		.num_params = 1,
		.ctx_set_params = (uintptr_t)&param,
	};

	memset(gpu, 0, sizeof(*gpu));
	gpu->context = context;
	gpu->fd = open_render_node();
	igt_require_fd(gpu->fd);
	if (context != VIRTGPU_DEFAULT_CONTEXT)
		igt_assert_eq(virtgpu_ioctl(gpu->fd,
					    DRM_IOCTL_VIRTGPU_CONTEXT_INIT,
					    &init),
			      0);
}

void virtgpu_close(struct virtgpu *gpu)
{
	igt_assert_eq(close(gpu->fd), 0);
	gpu->fd = -1;
}

int __virtgpu_blob(struct virtgpu *gpu,
		   const struct virtgpu_blob_params *params,
		   struct virtgpu_blob *blob)
{
	uint32_t id = ++gpu->blobs;
	uint32_t flags = params->unmappable ?
				 0 :
				 FLAG_MAP_PERSISTENT | FLAG_MAP_COHERENT;
	/* Target, format, bind, width, height, depth, layers, level, samples. */
	uint32_t cmd[] = {
		VIRGL_RESOURCE_CREATE | 11 << 16,
		PIPE_BUFFER,
		FORMAT_R8_UNORM,
		BIND_VERTEX_BUFFER,
		params->size,
		1,
		1,
		1,
		0,
		0,
		flags,
		id,
	};
	struct drm_virtgpu_resource_create_blob create = {
		.blob_mem = params->no_mem ? 0 :
			    params->mem	   ? params->mem :
					     VIRTGPU_BLOB_MEM_HOST3D,
		.blob_flags = params->no_flags ? 0 :
			      params->flags    ? params->flags :
						 VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
		.size = params->size,
	};
	int ret;

	if (gpu->context == VIRTGPU_VIRGL &&
	    create.blob_mem != VIRTGPU_BLOB_MEM_GUEST) {
		create.cmd = (uintptr_t)cmd;
		create.cmd_size = sizeof(cmd);
		create.blob_id = id;
	}
	ret = virtgpu_ioctl(gpu->fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB,
			    &create);
	if (!ret)
		*blob = (struct virtgpu_blob){
			.handle = create.bo_handle,
			.resource = create.res_handle,
			.size = params->size,
		};
	return ret;
}

void virtgpu_blob(struct virtgpu *gpu, uint64_t size, struct virtgpu_blob *blob)
{
	struct virtgpu_blob_params params = { .size = size };

	igt_assert_eq(__virtgpu_blob(gpu, &params, blob), 0);
}

void virtgpu_blob_close(struct virtgpu *gpu, struct virtgpu_blob *blob)
{
	struct drm_gem_close gem_close = { .handle = blob->handle };

	igt_assert_eq(virtgpu_ioctl(gpu->fd, DRM_IOCTL_GEM_CLOSE, &gem_close),
		      0);
	blob->handle = 0;
}

uint64_t virtgpu_blob_offset(struct virtgpu *gpu,
			     const struct virtgpu_blob *blob)
{
	struct drm_virtgpu_map map = { .handle = blob->handle };

	igt_assert_eq(virtgpu_ioctl(gpu->fd, DRM_IOCTL_VIRTGPU_MAP, &map), 0);
	return map.offset;
}

int __virtgpu_blob_mmap(struct virtgpu *gpu, const struct virtgpu_blob *blob,
			void **map)
{
	*map = mmap(NULL, blob->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		    gpu->fd, virtgpu_blob_offset(gpu, blob));
	return *map == MAP_FAILED ? -errno : 0;
}

void *virtgpu_blob_mmap(struct virtgpu *gpu, const struct virtgpu_blob *blob)
{
	void *map;

	igt_assert_eq(__virtgpu_blob_mmap(gpu, blob, &map), 0);
	return map;
}

int virtgpu_try_mmap(int fd, int flags, size_t size, uint64_t offset)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, offset);

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, size);
	return 0;
}

int virtgpu_blob_export(struct virtgpu *gpu, const struct virtgpu_blob *blob)
{
	struct drm_prime_handle prime = {
		.handle = blob->handle,
		.flags = DRM_RDWR | DRM_CLOEXEC,
	};

	igt_assert_eq(virtgpu_ioctl(gpu->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD,
				    &prime),
		      0);
	return prime.fd;
}

int __virtgpu_import(struct virtgpu *gpu, int dmabuf, struct virtgpu_blob *blob)
{
	struct drm_prime_handle prime = { .fd = dmabuf };
	struct drm_virtgpu_resource_info info = {};
	int ret = virtgpu_ioctl(gpu->fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);

	if (ret)
		return ret;
	info.bo_handle = prime.handle;
	igt_assert_eq(virtgpu_ioctl(gpu->fd, DRM_IOCTL_VIRTGPU_RESOURCE_INFO,
				    &info),
		      0);
	*blob = (struct virtgpu_blob){
		.handle = prime.handle,
		.resource = info.res_handle,
		.size = info.size,
	};
	return 0;
}

void virtgpu_buffer(struct virtgpu *gpu, uint64_t size,
		    struct virtgpu_blob *buffer)
{
	struct drm_virtgpu_resource_create create = {
		.target = PIPE_BUFFER,
		.format = FORMAT_R8_UNORM,
		.bind = BIND_VERTEX_BUFFER,
		.width = size,
		.height = 1,
		.depth = 1,
		.array_size = 1,
		.size = size,
	};

	igt_assert_eq(virtgpu_ioctl(gpu->fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE,
				    &create),
		      0);
	*buffer = (struct virtgpu_blob){
		.handle = create.bo_handle,
		.resource = create.res_handle,
		.size = size,
	};
}

/* Until the host has done all that was asked of it for a buffer. */
static void wait_for(struct virtgpu *gpu, const struct virtgpu_blob *buffer)
{
	struct drm_virtgpu_3d_wait wait = { .handle = buffer->handle };

	igt_assert_eq(virtgpu_ioctl(gpu->fd, DRM_IOCTL_VIRTGPU_WAIT, &wait), 0);
}

void virtgpu_upload(struct virtgpu *gpu, const struct virtgpu_blob *buffer)
{
	struct drm_virtgpu_3d_transfer_to_host transfer = {
		.bo_handle = buffer->handle,
		.box = { .w = buffer->size, .h = 1, .d = 1 },
	};

	igt_assert_eq(virtgpu_ioctl(gpu->fd, DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST,
				    &transfer),
		      0);
	wait_for(gpu, buffer);
}

void virtgpu_download(struct virtgpu *gpu, const struct virtgpu_blob *buffer)
{
	struct drm_virtgpu_3d_transfer_from_host transfer = {
		.bo_handle = buffer->handle,
		.box = { .w = buffer->size, .h = 1, .d = 1 },
	};

	igt_assert_eq(virtgpu_ioctl(gpu->fd,
				    DRM_IOCTL_VIRTGPU_TRANSFER_FROM_HOST,
				    &transfer),
		      0);
	wait_for(gpu, buffer);
}

void virtgpu_copy(struct virtgpu *gpu, const struct virtgpu_blob *from,
		  const struct virtgpu_blob *to)
{
	/* To: resource, level, x, y, z; from: the same; width, height, depth. */
	uint32_t cmd[] = {
		VIRGL_RESOURCE_COPY_REGION | 13 << 16,
		to->resource,
		0,
		0,
		0,
		0,
		from->resource,
		0,
		0,
		0,
		0,
		from->size,
		1,
		1,
	};
	uint32_t handles[] = { from->handle, to->handle };
	struct drm_virtgpu_execbuffer exec = {
		.size = sizeof(cmd),
		.command = (uintptr_t)cmd,
		.bo_handles = (uintptr_t)handles,
		.num_bo_handles = 2,
	};

	igt_assert_eq(
		virtgpu_ioctl(gpu->fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &exec), 0);
	wait_for(gpu, to);
}

int __virtgpu_submit_nothing(struct virtgpu *gpu, int *fence)
{
	uint32_t cmd[] = { VIRGL_NOP };
	struct drm_virtgpu_execbuffer exec = {
		.flags = VIRTGPU_EXECBUF_FENCE_FD_OUT,
		.size = sizeof(cmd),
		.command = (uintptr_t)cmd,
		.fence_fd = -1,
	};
	int ret = virtgpu_ioctl(gpu->fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &exec);

	*fence = exec.fence_fd;
	return ret;
}

void virtgpu_submit_with(struct virtgpu *gpu, const uint32_t *handles,
			 unsigned int count)
{
	uint32_t cmd[] = { VIRGL_NOP };
	struct drm_virtgpu_execbuffer exec = {
		.size = sizeof(cmd),
		.command = (uintptr_t)cmd,
		.bo_handles = (uintptr_t)handles,
		.num_bo_handles = count,
	};

	igt_assert_eq(
		virtgpu_ioctl(gpu->fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &exec), 0);
}

static sigjmp_buf jump;

static void on_sigbus(int sig)
{
	siglongjmp(jump, sig);
}

bool virtgpu_is_sigbus(const volatile uint32_t *word)
{
	struct sigaction action = { .sa_handler = on_sigbus }, old;
	bool hit;

	sigaction(SIGBUS, &action, &old);
	hit = sigsetjmp(jump, 1);
	if (!hit)
		(void)*word;
	sigaction(SIGBUS, &old, NULL);
	return hit;
}

void virtgpu_device(struct virtgpu_device *device)
{
	DIR *dir = opendir(VIRTGPU_DRIVER);
	struct dirent *entry;

	igt_assert(dir);
	*device->name = '\0';
	while ((entry = readdir(dir)))
		if (!strncmp(entry->d_name, "virtio", 6))
			snprintf(device->name, sizeof(device->name), "%.60s",
				 entry->d_name);
	closedir(dir);
	igt_assert(*device->name);
}

void virtgpu_unbind(const struct virtgpu_device *device)
{
	virtgpu_write_file(VIRTGPU_DRIVER "unbind", device->name);
}

void virtgpu_bind(const struct virtgpu_device *device)
{
	virtgpu_write_file(VIRTGPU_DRIVER "bind", device->name);
}

void virtgpu_remove(const struct virtgpu_device *device)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/virtio/devices/%s/../remove",
		 device->name);
	virtgpu_write_file(path, "1");
}

void virtgpu_rescan(void)
{
	virtgpu_write_file("/sys/bus/pci/rescan", "1");
}

void virtgpu_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	igt_assert_fd(fd);
	igt_assert_eq(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void trace_enable(const char *events, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), TRACING "events/%senable", events);
	virtgpu_write_file(path, text);
}

void virtgpu_trace_begin(const char *events)
{
	int fd = open(TRACING "trace", O_WRONLY | O_TRUNC);

	igt_assert_fd(fd);
	close(fd);
	/* For the names of tasks the scheduler is patched, which the emulation may miss. */
	virtgpu_write_file(TRACING "options/record-cmd", "0");
	trace_enable(events, "1");
}

void virtgpu_trace_end(const char *events)
{
	trace_enable(events, "0");
}

FILE *virtgpu_trace_open(void)
{
	FILE *file = fopen(TRACING "trace", "r");

	igt_assert(file);
	return file;
}

void virtgpu_use_memory(size_t size)
{
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	igt_assert(map != MAP_FAILED);
	madvise(map, size, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < size; i += 4096)
		map[i] = i;
	munmap(map, size);
}

bool virtgpu_ttm_blobs(void)
{
	FILE *file = fopen(PARAMETER, "r");
	int answer = 'N';

	if (file) {
		answer = fgetc(file);
		fclose(file);
	}
	return answer == 'Y';
}

/* The rest of the first line of a debugfs file that starts with @name. */
static bool debugfs_line(const char *path, const char *name, char *rest,
			 size_t size)
{
	FILE *file = fopen(path, "r");
	char line[256];
	bool found = false;

	igt_assert_f(file, "cannot read %s\n", path);
	while (!found && fgets(line, sizeof(line), file)) {
		found = !strncmp(line, name, strlen(name));
		if (found)
			snprintf(rest, size, "%s", line + strlen(name));
	}
	fclose(file);
	return found;
}

static void window_region(unsigned long long *base, unsigned long long *size)
{
	char rest[256];

	igt_assert(debugfs_line(DEBUGFS "virtio-gpu-features",
				"host visible region", rest, sizeof(rest)));
	igt_assert(sscanf(rest, " : 0x%llx +%llx", base, size) == 2);
}

uint64_t virtgpu_window_base(void)
{
	unsigned long long base, size;

	window_region(&base, &size);
	return base;
}

uint64_t virtgpu_window_size(void)
{
	unsigned long long base, size;

	window_region(&base, &size);
	return size;
}

static uint64_t debugfs_count(const char *path, const char *name)
{
	char key[64], rest[256];

	snprintf(key, sizeof(key), "%s ", name);
	igt_assert_f(debugfs_line(path, key, rest, sizeof(rest)),
		     "no %s in %s\n", name, path);
	return strtoull(rest, NULL, 0);
}

uint64_t virtgpu_window_count(const char *name)
{
	return debugfs_count(DEBUGFS "virtio-gpu-window", name);
}

uint64_t virtgpu_window_used(void)
{
	unsigned long long used;
	char rest[256];

	if (virtgpu_ttm_blobs())
		return virtgpu_window_count("used");
	igt_assert(debugfs_line(DEBUGFS "virtio-gpu-host-visible-mm",
				"total:", rest, sizeof(rest)));
	igt_assert(sscanf(rest, " %*u, used %llu", &used) == 1);
	return used;
}

uint64_t virtgpu_guest_count(const char *name)
{
	return debugfs_count(DEBUGFS "virtio-gpu-guest", name);
}

void virtgpu_window_wait_empty(void)
{
	for (int i = 0; i < EMPTY_SECONDS * 10; i++) {
		if (!virtgpu_window_count("used"))
			return;
		usleep(100000);
	}
	igt_assert_eq_u64(virtgpu_window_count("used"), 0);
}

/*
 * The stock driver walks its ranges without a lock for debugfs, and dies of one that
 * leaves meanwhile (seen on 6.12): so it is asked when that is likely to be over.
 */
void virtgpu_window_wait_unused(void)
{
	if (virtgpu_ttm_blobs()) {
		virtgpu_window_wait_empty();
		return;
	}
	for (int i = 0; i < EMPTY_SECONDS; i += 2) {
		sleep(2);
		if (!virtgpu_window_used())
			return;
	}
	igt_assert_f(false, "the window does not get empty\n");
}

void virtgpu_window_heal(void)
{
	struct virtgpu_device device;

	if (!virtgpu_ttm_blobs() || !virtgpu_window_count("lost"))
		return;
	virtgpu_device(&device);
	virtgpu_unbind(&device);
	virtgpu_bind(&device);
}

void virtgpu_expect_refusals(struct virtgpu_refusals refusals)
{
	const struct {
		unsigned int count, type;
	} kinds[] = {
		{ refusals.creates, VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB },
		{ refusals.maps, VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB },
		{ refusals.unmaps, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB },
		{ refusals.unrefs, VIRTIO_GPU_CMD_RESOURCE_UNREF },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].count)
			printf("TTM-PFNMAP-REFUSALS %u %#x\n", kinds[i].count,
			       kinds[i].type);
	fflush(stdout);
}
