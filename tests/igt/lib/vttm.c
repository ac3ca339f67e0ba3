// SPDX-License-Identifier: MIT
/*
 * vttm, the TTM test device: see vttm.h.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "drm_mode.h"
#include "igt.h"
#include "param.h"
#include "vttm.h"

#define DRIVER_SYSFS "/sys/bus/platform/drivers/vttm"

int vttm_ioctl(int fd, unsigned long request, void *arg)
{
	int ret;

	do {
		ret = ioctl(fd, request, arg) ? -errno : 0;
	} while (ret == -EINTR || ret == -EAGAIN);
	return ret;
}

/* Asserts with the errno's name: a wrong one is half of the diagnosis. */
static void assert_ok(const char *what, int ret)
{
	igt_assert_f(!ret, "%s: %s\n", what, strerror(-ret));
}

const char *vttm_kind_name(enum vttm_kind kind)
{
	return kind == VTTM_MODE ? "mode" : "stock";
}

static bool is_vttm(int fd)
{
	char name[16] = "";
	struct drm_version version = {
		.name = name,
		.name_len = sizeof(name) - 1,
	};

	return !vttm_ioctl(fd, DRM_IOCTL_VERSION, &version) &&
	       !strcmp(name, "vttm");
}

int __vttm_open(enum vttm_kind kind)
{
	char path[32];

	for (int i = 0; i < 64; i++) {
		uint64_t opted_in;
		int fd;

		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (is_vttm(fd) &&
		    !__vttm_param(fd, VTTM_PARAM_OPTED_IN, &opted_in) &&
		    opted_in == (kind == VTTM_MODE))
			return fd;
		close(fd);
	}
	return -1;
}

int vttm_open(enum vttm_kind kind)
{
	int fd = __vttm_open(kind);

	igt_require_f(fd >= 0,
		      "no vttm device in %s form; is vttm.ko loaded?\n",
		      vttm_kind_name(kind));
	return fd;
}

const char *vttm_dev_name(int fd)
{
	static char target[PATH_MAX];
	char link[64];
	struct stat st;
	ssize_t len;

	igt_assert_eq(fstat(fd, &st), 0);
	snprintf(link, sizeof(link), "/sys/dev/char/%u:%u/device",
		 major(st.st_rdev), minor(st.st_rdev));
	len = readlink(link, target, sizeof(target) - 1);
	igt_assert_f(len > 0, "%s: %s\n", link, strerror(errno));
	target[len] = '\0';
	return strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
}

int __vttm_param(int fd, uint32_t param, uint64_t *value)
{
	struct drm_vttm_param args = { .param = param };
	int ret = vttm_ioctl(fd, DRM_IOCTL_VTTM_PARAM, &args);

	*value = args.value;
	return ret;
}

uint64_t vttm_param(int fd, uint32_t param)
{
	uint64_t value;

	assert_ok("vttm param", __vttm_param(fd, param, &value));
	return value;
}

int __vttm_create(int fd, uint64_t *size, uint32_t flags, uint32_t *handle)
{
	struct drm_vttm_create args = { .size = *size, .flags = flags };
	int ret = vttm_ioctl(fd, DRM_IOCTL_VTTM_CREATE, &args);

	*size = args.size;
	*handle = args.handle;
	return ret;
}

uint32_t vttm_create(int fd, uint64_t size, uint32_t flags)
{
	uint32_t handle;

	assert_ok("vttm create", __vttm_create(fd, &size, flags, &handle));
	return handle;
}

int __vttm_close_bo(int fd, uint32_t handle)
{
	struct drm_gem_close args = { .handle = handle };

	return vttm_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &args);
}

void vttm_close_bo(int fd, uint32_t handle)
{
	assert_ok("GEM close", __vttm_close_bo(fd, handle));
}

uint64_t vttm_mmap_offset(int fd, uint32_t handle)
{
	struct drm_mode_map_dumb args = { .handle = handle };

	assert_ok("map dumb", vttm_ioctl(fd, DRM_IOCTL_MODE_MAP_DUMB, &args));
	return args.offset;
}

void *__vttm_mmap(int fd, uint32_t handle, uint64_t offset, size_t size,
		  int prot, int flags)
{
	return mmap(NULL, size, prot, flags, fd,
		    vttm_mmap_offset(fd, handle) + offset);
}

void *vttm_mmap(int fd, uint32_t handle, size_t size)
{
	void *map = __vttm_mmap(fd, handle, 0, size, PROT_READ | PROT_WRITE,
				MAP_SHARED);

	igt_assert_f(map != MAP_FAILED, "mmap of a BO: %s\n", strerror(errno));
	return map;
}

void vttm_munmap(void *map, size_t size)
{
	igt_assert_eq(munmap(map, size), 0);
}

int vttm_export(int fd, uint32_t handle)
{
	struct drm_prime_handle args = {
		.handle = handle,
		.flags = DRM_CLOEXEC | DRM_RDWR,
	};

	assert_ok("PRIME export",
		  vttm_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args));
	return args.fd;
}

uint32_t vttm_import(int fd, int dmabuf)
{
	struct drm_prime_handle args = { .fd = dmabuf };

	assert_ok("PRIME import",
		  vttm_ioctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &args));
	return args.handle;
}

int __vttm_swapout(int fd, uint32_t handle, uint64_t *pages)
{
	struct drm_vttm_swapout args = { .handle = handle };
	int ret = vttm_ioctl(fd, DRM_IOCTL_VTTM_SWAPOUT, &args);

	*pages = args.pages;
	return ret;
}

uint64_t vttm_swapout(int fd, uint32_t handle)
{
	uint64_t pages;

	assert_ok("vttm swapout", __vttm_swapout(fd, handle, &pages));
	return pages;
}

int __vttm_move(int fd, uint32_t handle, uint32_t placement)
{
	struct drm_vttm_move args = {
		.handle = handle,
		.placement = placement,
	};

	return vttm_ioctl(fd, DRM_IOCTL_VTTM_MOVE, &args);
}

void vttm_move(int fd, uint32_t handle, uint32_t placement)
{
	assert_ok("vttm move", __vttm_move(fd, handle, placement));
}

int __vttm_page(int fd, uint32_t handle, uint64_t index,
		struct drm_vttm_page *page)
{
	memset(page, 0, sizeof(*page));
	page->handle = handle;
	page->index = index;
	return vttm_ioctl(fd, DRM_IOCTL_VTTM_PAGE, page);
}

void vttm_page(int fd, uint32_t handle, uint64_t index,
	       struct drm_vttm_page *page)
{
	assert_ok("vttm page", __vttm_page(fd, handle, index, page));
}

int __vttm_info(int fd, uint32_t handle, struct drm_vttm_info *info)
{
	memset(info, 0, sizeof(*info));
	info->handle = handle;
	return vttm_ioctl(fd, DRM_IOCTL_VTTM_INFO, info);
}

void vttm_info(int fd, uint32_t handle, struct drm_vttm_info *info)
{
	assert_ok("vttm info", __vttm_info(fd, handle, info));
}

int vttm_ctl(int fd, uint32_t op)
{
	struct drm_vttm_ctl args = { .op = op };

	return vttm_ioctl(fd, DRM_IOCTL_VTTM_CTL, &args);
}

static bool parse_counters(const char *line, const char *device,
			   struct vttm_counters *c)
{
	unsigned long long v[8];
	char name[64];

	if (sscanf(line, "%63s %31s %llu %llu %llu %llu %llu %llu %llu %llu",
		   name, c->policy, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
		   &v[6], &v[7]) != 10 ||
	    strcmp(name, device))
		return false;
	c->sets_exposed = v[0];
	c->chunks_marked = v[1];
	c->pages_marked = v[2];
	c->pages_quarantined = v[3];
	c->pages_retired = v[4];
	c->pages_leaked = v[5];
	c->pages_reused = v[6];
	c->records = v[7];
	return true;
}

int __vttm_counters(const char *device, struct vttm_counters *counters)
{
	const char *debugfs = igt_debugfs_mount();
	char path[PATH_MAX], line[256];
	bool found = false;
	FILE *file;

	memset(counters, 0, sizeof(*counters));
	if (!debugfs)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/ttm_pfnmap", debugfs);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (!found && fgets(line, sizeof(line), file))
		found = parse_counters(line, device ?: "total", counters);
	fclose(file);
	return found ? 0 : -ENOENT;
}

void vttm_counters(int fd, struct vttm_counters *counters)
{
	const char *device = vttm_dev_name(fd);

	igt_assert_f(!__vttm_counters(device, counters),
		     "debugfs ttm_pfnmap has no line for %s\n", device);
}

bool vttm_policy_is(int fd, const char *policy)
{
	struct vttm_counters counters;

	vttm_counters(fd, &counters);
	return !strcmp(counters.policy, policy);
}

void vttm_counters_total(struct vttm_counters *counters)
{
	igt_assert_f(!__vttm_counters(NULL, counters),
		     "debugfs ttm_pfnmap has no total\n");
}

void vttm_parameter_set(const char *name, unsigned int value)
{
	igt_require_f(param_exists("ttm", name), "ttm.ko has no parameter %s\n",
		      name);
	param_set("ttm", name, value);
}

bool __vttm_wait_quarantine_empty(int seconds)
{
	struct vttm_counters counters;
	struct timespec start = {};

	igt_nsec_elapsed(&start);
	do {
		vttm_counters_total(&counters);
		if (!counters.pages_quarantined)
			return true;
		usleep(20000);
	} while (igt_nsec_elapsed(&start) < seconds * 1000000000ull);
	return false;
}

void vttm_wait_quarantine_empty(int seconds)
{
	struct vttm_counters counters;
	bool empty = __vttm_wait_quarantine_empty(seconds);

	vttm_counters_total(&counters);
	igt_assert_f(empty, "%llu pages still quarantined after %d s\n",
		     (unsigned long long)counters.pages_quarantined, seconds);
	igt_assert_f(!counters.pages_leaked, "%llu pages leaked\n",
		     (unsigned long long)counters.pages_leaked);
}

static void write_sysfs(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = strlen(text);

	igt_assert_f(fd >= 0, "%s: %s\n", path, strerror(errno));
	igt_assert_f(write(fd, text, len) == len, "'%s' to %s: %s\n", text,
		     path, strerror(errno));
	close(fd);
}

void vttm_replug(const char *device)
{
	write_sysfs(DRIVER_SYSFS "/unbind", device);
	write_sysfs(DRIVER_SYSFS "/bind", device);
}

void vttm_purge(int fd, uint32_t handle)
{
	struct drm_vttm_purge args = { .handle = handle };

	assert_ok("vttm purge", vttm_ioctl(fd, DRM_IOCTL_VTTM_PURGE, &args));
}

uint32_t vttm_pfn_flags(int fd, uint64_t pfn)
{
	struct drm_vttm_pfn args = { .pfn = pfn };

	assert_ok("vttm pfn", vttm_ioctl(fd, DRM_IOCTL_VTTM_PFN, &args));
	return args.flags;
}

uint64_t *vttm_pfns(int fd, uint32_t handle, uint32_t pages)
{
	uint64_t *pfns = calloc(pages, sizeof(*pfns));
	struct drm_vttm_page page;

	igt_assert(pfns);
	for (uint32_t i = 0; i < pages; i++) {
		vttm_page(fd, handle, i, &page);
		pfns[i] = page.pfn;
	}
	return pfns;
}

uint32_t vttm_uncached(int fd, const uint64_t *pfns, uint32_t count)
{
	uint32_t uncached = 0;

	for (uint32_t i = 0; i < count; i++)
		uncached +=
			!!(vttm_pfn_flags(fd, pfns[i]) & VTTM_PAGE_UNCACHED);
	return uncached;
}
