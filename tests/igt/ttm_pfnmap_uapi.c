// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap uapi
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: bad input
 * Description: Everything that user space can get wrong with a device in TTM's
 *	PFNMAP mode has an errno that fits, changes nothing and leaks nothing.
 *	The same function on a device that is not opted in gives the same errno:
 *	regression tests, but for those of opting in, which stock ttm.ko has not,
 *	and those in which a guest uses a BO, which it cannot there. After each
 *	subtest no BO is left, the mode's counters are as before, and free
 *	memory is about as before.
 *
 * SUBTEST: mode-enable-twice
 * Description: Opting in once more: -EALREADY, and the mode goes on working
 *
 * SUBTEST: stock-enable-after-first-bo
 * Description: Opting in with a BO alive: -EBUSY, and the device stays stock
 *
 * SUBTEST: %s-enable-null
 * Description: Opting in no device: -EINVAL
 *
 * arg[1]:
 * @mode:	the opted-in device
 * @stock:	the twin that is not
 *
 * SUBTEST: %s-enable-foreign
 * Description: Opting in what is no ttm_device: -ENODEV
 *
 * SUBTEST: %s-mmap-range
 * Description: mmap() beyond a BO, inside of it, unaligned, of length 0, of no
 *	BO, private: refused; the BO or its beginning: works
 *
 * SUBTEST: %s-mmap-access
 * Description: mmap() of another file's BO, of a freed one, writable of a file
 *	opened for reading: refused
 *
 * SUBTEST: %s-mmap-dmabuf-range
 * Description: mmap() of a dma-buf: its end works, beyond it is refused
 *
 * SUBTEST: %s-ioctl-fields
 * Description: Each private ioctl with every field out of range
 *
 * SUBTEST: %s-ioctl-handles
 * Description: Handles of others, closed ones, closed twice
 *
 * SUBTEST: %s-ioctl-sizes
 * Description: Arguments that are shorter or longer than the kernel's
 *
 * SUBTEST: %s-ioctl-pointers
 * Description: Arguments that cannot be read or written
 *
 * SUBTEST: %s-ioctl-numbers
 * Description: Numbers, types and directions that no ioctl has
 *
 * SUBTEST: %s-dumb-and-prime
 * Description: Dumb buffers of impossible size, dma-bufs that are none
 *
 * SUBTEST: %s-pinned
 * Description: While an importer holds a BO it is no victim when TTM swaps: swapping
 *	it out by hand, moving it and dropping its contents are -EBUSY; then it is one
 *
 * SUBTEST: %s-import-foreign
 * Description: A dma-buf of another device: -EOPNOTSUPP
 *
 * SUBTEST: %s-close-device-while-mapped
 * Description: A mapping outlives the device's file; the BO goes with it
 *
 * SUBTEST: %s-close-handle-while-mapped
 * Description: A mapping outlives the BO's handle, also in a child alone
 *
 * SUBTEST: %s-close-in-any-order
 * Description: Mapping, handle, dma-buf, dma-buf mapping and file are given up
 *	in every order; the BO goes with the last
 *
 * SUBTEST: %s-many-bos
 * Description: 200 BOs of 1 MiB, one after the other, exposed and freed
 *
 * SUBTEST: %s-many-bos-at-once
 * Description: Hundreds of BOs of odd sizes alive, freed in another order
 *
 * SUBTEST: %s-unload-while-in-use
 * Description: vttm and ttm cannot be unloaded while a file, a mapping or a
 *	dma-buf lives
 *
 * SUBTEST: %s-close-all-under-memslot
 * Description: A guest goes on using a BO whose handle and file were closed;
 *	unmapped, the guest gets -EFAULT
 *
 * SUBTEST: %s-memslot-bad-range
 * Description: KVM refuses memslots that are unaligned or wrap around
 *
 * SUBTEST: control-a-child-fails-alone
 * Description: A failed assertion ends the child that made it, and nothing else
 *
 * SUBTEST: control-memslot-over-a-hole
 * Description: Ordinary memory with a hole: -EFAULT at it, each time again
 *
 * SUBTEST: %s-memslot-over-a-hole
 * Description: The same of a BO, on both devices; mapped again, the guest goes
 *	on, on the mode's alone
 *
 * SUBTEST: %s-memslot-beyond-the-bo
 * Description: A memslot that goes on behind the BO: -EFAULT there, on both
 *	devices; the rest works, on the mode's alone
 *
 * SUBTEST: leak-check-can-fail
 * Description: The check for lost memory sees 4 MiB
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "dmabuf.h"
#include "drm_mode.h"
#include "freemem.h"
#include "igt.h"
#include "kvm_bo.h"
#include "param.h"

#define PAGE 4096u
#define PAGE_MASK (~(uint64_t)PAGE + 1)
#define BO_SIZE KVM_BO_MIB(1)
#define BO_PAGES (BO_SIZE / PAGE)
#define UNKNOWN 0x7fffffffu /* a handle that nobody has */

#define TEST_SECONDS 200
#define SETTLE_SECONDS 5
/* Above the noise of 1 MiB; in 20 repetitions 26 pages of a BO's 256 are more */
#define LOST_KIB_MAX (2 * 1024)

#define for_each_entry(i, table) \
	for (unsigned int i = 0; i < sizeof(table) / sizeof((table)[0]); i++)

/* ---- The leak check ---------------------------------------------------- */

struct state {
	uint64_t live_bos[2];
	struct vttm_counters counters;
	bool has_counters;
	long free_kib;
};

static uint64_t live_bos(enum vttm_kind kind)
{
	int fd = __vttm_open(kind);
	uint64_t live;

	if (fd < 0)
		return 0;
	live = vttm_param(fd, VTTM_PARAM_LIVE_BOS);
	close(fd);
	return live;
}

static void read_state(struct state *state)
{
	memset(state, 0, sizeof(*state));
	freemem_drop_caches();
	state->live_bos[VTTM_STOCK] = live_bos(VTTM_STOCK);
	state->live_bos[VTTM_MODE] = live_bos(VTTM_MODE);
	state->has_counters = !__vttm_counters(NULL, &state->counters);
	state->free_kib = freemem_kib();
}

/* What differs between two states, or NULL */
static const char *difference(const struct state *before,
			      const struct state *now)
{
	const struct vttm_counters *was = &before->counters;
	const struct vttm_counters *is = &now->counters;

	if (memcmp(now->live_bos, before->live_bos, sizeof(now->live_bos)))
		return "a BO is left";
	if (now->has_counters != before->has_counters)
		return "the counters are gone";
	if (is->pages_leaked != was->pages_leaked)
		return "pages were given up as leaked";
	if (is->pages_quarantined != was->pages_quarantined)
		return "pages are still quarantined";
	if (is->sets_exposed != was->sets_exposed)
		return "a set of pages is still exposed";
	if (is->pages_marked != was->pages_marked ||
	    is->chunks_marked != was->chunks_marked)
		return "pages are still marked";
	if (is->records != was->records)
		return "a record of the mode's is left";
	if (before->free_kib - now->free_kib > LOST_KIB_MAX)
		return "memory is missing";
	return NULL;
}

/* Files, mms and the quarantine may take a moment to go. */
static const char *wait_for_state(const struct state *before, struct state *now)
{
	struct timespec start = {};
	const char *what;

	igt_nsec_elapsed(&start);
	for (;;) {
		read_state(now);
		what = difference(before, now);
		if (!what ||
		    igt_nsec_elapsed(&start) > SETTLE_SECONDS * 1000000000ull)
			return what;
		if (before->free_kib - now->free_kib > LOST_KIB_MAX)
			freemem_shrink_slabs();
		usleep(50000);
	}
}

static void assert_state(const struct state *before)
{
	struct state now;
	const char *what = wait_for_state(before, &now);

	igt_debug("free memory: %ld KiB before, %ld KiB now\n",
		  before->free_kib, now.free_kib);
	igt_assert_f(
		!what,
		"%s: BOs %llu+%llu (were %llu+%llu), quarantined %llu (%llu), marked %llu (%llu), leaked %llu (%llu), records %llu (%llu), free %ld KiB (%ld)\n",
		what, (unsigned long long)now.live_bos[0],
		(unsigned long long)now.live_bos[1],
		(unsigned long long)before->live_bos[0],
		(unsigned long long)before->live_bos[1],
		(unsigned long long)now.counters.pages_quarantined,
		(unsigned long long)before->counters.pages_quarantined,
		(unsigned long long)now.counters.pages_marked,
		(unsigned long long)before->counters.pages_marked,
		(unsigned long long)now.counters.pages_leaked,
		(unsigned long long)before->counters.pages_leaked,
		(unsigned long long)now.counters.records,
		(unsigned long long)before->counters.records, now.free_kib,
		before->free_kib);
}

/* ---- Small things ------------------------------------------------------ */

#define assert_errno(call, expected) \
	do { \
		int __ret = (call), __expected = (expected); \
		igt_assert_f(__ret == __expected, "%s: %s, not: %s\n", #call, \
			     strerror(-__ret), strerror(-__expected)); \
	} while (0)

static struct kvm_guest_job host_job(uint32_t seed)
{
	return (struct kvm_guest_job){
		.pages = BO_PAGES,
		.words = 4,
		.seed = seed,
	};
}

static void fill(void *map, uint32_t seed)
{
	struct kvm_guest_job job = host_job(seed);

	kvm_host_write(map, &job);
}

static void verify(void *map, uint32_t seed)
{
	struct kvm_guest_job job = host_job(seed);

	kvm_host_verify(map, &job);
}

static int open_device(enum vttm_kind kind)
{
	int fd = __vttm_open(kind);

	igt_assert_fd(fd);
	return fd;
}

/* ---- Opting in --------------------------------------------------------- */

static void enable_twice(enum vttm_kind kind)
{
	struct kvm_bo bo;
	int fd = open_device(kind);

	assert_errno(vttm_ctl(fd, VTTM_CTL_ENABLE_AGAIN), -EALREADY);
	kvm_bo_init(&bo, kind, BO_SIZE, VTTM_BO_CACHED);
	assert_errno(vttm_ctl(fd, VTTM_CTL_ENABLE_AGAIN), -EALREADY);
	fill(bo.map, 1);
	assert_errno(vttm_ctl(fd, VTTM_CTL_ENABLE_AGAIN), -EALREADY);
	kvm_bo_check_counts(&bo);
	kvm_bo_fini(&bo);
	igt_assert_eq_u64(vttm_param(fd, VTTM_PARAM_OPTED_IN), 1);
	igt_assert(!vttm_policy_is(fd, "off"));
	close(fd);
}

/* Never without a BO: that would succeed, and there is no way back. */
static void enable_after_first_bo(enum vttm_kind kind)
{
	struct kvm_bo bo;

	kvm_bo_init(&bo, kind, BO_SIZE, VTTM_BO_CACHED);
	assert_errno(vttm_ctl(bo.fd, VTTM_CTL_ENABLE_AGAIN), -EBUSY);
	fill(bo.map, 2);
	assert_errno(vttm_ctl(bo.fd, VTTM_CTL_ENABLE_AGAIN), -EBUSY);
	vttm_munmap(bo.map, bo.size);
	assert_errno(vttm_ctl(bo.fd, VTTM_CTL_ENABLE_AGAIN), -EBUSY);
	igt_assert_eq_u64(vttm_param(bo.fd, VTTM_PARAM_OPTED_IN), 0);
	igt_assert(vttm_policy_is(bo.fd, "off"));

	bo.map = vttm_mmap(bo.fd, bo.handle, bo.size);
	verify(bo.map, 2);
	kvm_bo_check_counts(&bo);
	kvm_bo_fini(&bo);
}

static void enable_null(enum vttm_kind kind)
{
	int fd = open_device(kind);

	assert_errno(vttm_ctl(fd, VTTM_CTL_ENABLE_NULL), -EINVAL);
	close(fd);
}

static void enable_foreign(enum vttm_kind kind)
{
	int fd = open_device(kind);

	assert_errno(vttm_ctl(fd, VTTM_CTL_ENABLE_FOREIGN), -ENODEV);
	close(fd);
}

/* ---- mmap -------------------------------------------------------------- */

#define RW (PROT_READ | PROT_WRITE)

/* 0 or a negative errno; unmapped again. @touch: and it can be used. */
static int try_mmap(int fd, uint64_t offset, size_t size, int prot, int flags,
		    bool touch)
{
	/* mmap64() would refuse unaligned offsets itself. */
	long ret = syscall(SYS_mmap, NULL, size, prot, flags, fd, offset);
	void *map = (void *)ret;

	if (map == MAP_FAILED)
		return -errno;
	if (touch)
		memset(map, 0x77, size);
	vttm_munmap(map, size);
	return 0;
}

static const struct {
	int64_t offset; /* from the BO's start */
	size_t size;
	int flags;
	int expected;
} bo_ranges[] = {
	{ 0, BO_SIZE, MAP_SHARED, 0 },
	{ 0, PAGE, MAP_SHARED, 0 },
	{ 0, BO_SIZE - PAGE, MAP_SHARED, 0 },
	{ 0, BO_SIZE - 1, MAP_SHARED, 0 },
	{ 0, BO_SIZE + 1, MAP_SHARED, -EINVAL },
	{ 0, BO_SIZE + PAGE, MAP_SHARED, -EINVAL },
	{ 0, 2 * BO_SIZE, MAP_SHARED, -EINVAL },
	{ 0, 1ul << 40, MAP_SHARED, -EINVAL },
	{ 0, 1ul << 60, MAP_SHARED, -ENOMEM },
	{ 0, 0, MAP_SHARED, -EINVAL },
	/* DRM maps a BO from its start. */
	{ PAGE, PAGE, MAP_SHARED, -EINVAL },
	{ PAGE, BO_SIZE - PAGE, MAP_SHARED, -EINVAL },
	{ PAGE, BO_SIZE, MAP_SHARED, -EINVAL },
	{ BO_SIZE - PAGE, 2 * PAGE, MAP_SHARED, -EINVAL },
	{ BO_SIZE, PAGE, MAP_SHARED, -EINVAL },
	{ -(int64_t)PAGE, PAGE, MAP_SHARED, -EINVAL },
	{ -(int64_t)PAGE, 2 * PAGE, MAP_SHARED, -EINVAL },
	{ 1, PAGE, MAP_SHARED, -EINVAL },
	{ PAGE - 1, PAGE, MAP_SHARED, -EINVAL },
	{ BO_SIZE / 2 + 512, PAGE, MAP_SHARED, -EINVAL },
	{ 0, BO_SIZE, MAP_PRIVATE, -EINVAL },
	{ 0, PAGE, MAP_PRIVATE, -EINVAL },
	{ 0, BO_SIZE, 0, -EINVAL },
};

static void mmap_range(enum vttm_kind kind)
{
	int fd = open_device(kind);
	/* The only BO: before and behind it is nothing. */
	uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);
	uint64_t offset = vttm_mmap_offset(fd, handle);

	for_each_entry(i, bo_ranges)
	{
		int ret = try_mmap(fd, offset + bo_ranges[i].offset,
				   bo_ranges[i].size, RW, bo_ranges[i].flags,
				   true);

		igt_assert_f(ret == bo_ranges[i].expected,
			     "%#zx bytes at %+lld, flags %#x: %s, not: %s\n",
			     bo_ranges[i].size, (long long)bo_ranges[i].offset,
			     bo_ranges[i].flags, strerror(-ret),
			     strerror(-bo_ranges[i].expected));
	}
	assert_errno(try_mmap(fd, 0, PAGE, RW, MAP_SHARED, true), -EINVAL);
	assert_errno(try_mmap(fd, 1ull << 62, PAGE, RW, MAP_SHARED, true),
		     -EINVAL);
	assert_errno(try_mmap(fd, PAGE_MASK, PAGE, RW, MAP_SHARED, true),
		     -EINVAL);
	vttm_close_bo(fd, handle);
	close(fd);
}

/* The same device, opened another way */
static int reopen(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, flags | O_CLOEXEC);
	igt_assert_fd(fd);
	return fd;
}

static void mmap_of_read_only_file(int fd)
{
	int ro = reopen(fd, O_RDONLY);
	uint32_t handle = vttm_create(ro, BO_SIZE, VTTM_BO_CACHED);
	uint64_t offset = vttm_mmap_offset(ro, handle);
	char *map;

	assert_errno(try_mmap(ro, offset, BO_SIZE, RW, MAP_SHARED, true),
		     -EACCES);
	assert_errno(try_mmap(ro, offset, BO_SIZE, PROT_READ, MAP_PRIVATE,
			      false),
		     -EINVAL);
	map = mmap(NULL, BO_SIZE, PROT_READ, MAP_SHARED, ro, offset);
	igt_assert(map != MAP_FAILED);
	igt_assert_eq(*(volatile char *)(map + PAGE), 0);
	assert_errno(mprotect(map, BO_SIZE, RW) ? -errno : 0, -EACCES);
	vttm_munmap(map, BO_SIZE);
	close(ro);
}

static void mmap_access(enum vttm_kind kind)
{
	int fd = open_device(kind);
	int other = reopen(fd, O_RDWR);
	uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);
	uint64_t offset = vttm_mmap_offset(fd, handle);

	assert_errno(try_mmap(other, offset, BO_SIZE, RW, MAP_SHARED, true),
		     -EACCES);
	assert_errno(try_mmap(fd, offset, BO_SIZE, RW, MAP_SHARED, true), 0);
	mmap_of_read_only_file(fd);
	vttm_close_bo(fd, handle);
	assert_errno(try_mmap(fd, offset, BO_SIZE, RW, MAP_SHARED, true),
		     -EINVAL);
	close(other);
	close(fd);
}

static void mmap_dmabuf_range(enum vttm_kind kind)
{
	int fd = open_device(kind);
	uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);
	char *map = vttm_mmap(fd, handle, BO_SIZE), *end;
	int buf = vttm_export(fd, handle);

	fill(map, 3);
	end = mmap(NULL, PAGE, RW, MAP_SHARED, buf, BO_SIZE - PAGE);
	igt_assert(end != MAP_FAILED);
	igt_assert(!memcmp(end, map + BO_SIZE - PAGE, PAGE));
	vttm_munmap(end, PAGE);

	assert_errno(try_mmap(buf, 0, BO_SIZE, RW, MAP_SHARED, true), 0);
	assert_errno(try_mmap(buf, 0, BO_SIZE + 1, RW, MAP_SHARED, true),
		     -EINVAL);
	assert_errno(try_mmap(buf, BO_SIZE - PAGE, 2 * PAGE, RW, MAP_SHARED,
			      true),
		     -EINVAL);
	assert_errno(try_mmap(buf, BO_SIZE, PAGE, RW, MAP_SHARED, true),
		     -EINVAL);
	assert_errno(try_mmap(buf, PAGE - 1, PAGE, RW, MAP_SHARED, true),
		     -EINVAL);
	assert_errno(try_mmap(buf, 0, 0, RW, MAP_SHARED, true), -EINVAL);
	assert_errno(try_mmap(buf, 0, BO_SIZE, RW, MAP_PRIVATE, true), -EINVAL);
	vttm_munmap(map, BO_SIZE);
	close(buf);
	close(fd);
}

/* ---- ioctls ------------------------------------------------------------ */

static int create(int fd, uint64_t size, uint32_t flags)
{
	uint32_t handle;
	int ret = __vttm_create(fd, &size, flags, &handle);

	if (!ret) {
		igt_assert(size && !(size & (PAGE - 1)));
		vttm_close_bo(fd, handle);
	}
	return ret;
}

static const struct {
	uint64_t size;
	uint32_t flags;
	int expected;
} creates[] = {
	{ 1, VTTM_BO_CACHED, 0 },
	{ PAGE, VTTM_BO_UC, 0 },
	{ PAGE + 1, VTTM_BO_WC | VTTM_BO_VRAM, 0 },
	{ 0, VTTM_BO_CACHED, -EINVAL },
	{ 0, VTTM_BO_VRAM, -EINVAL },
	{ ~0ull, VTTM_BO_CACHED, -EINVAL },
	{ ~0ull, VTTM_BO_VRAM, -EINVAL },
	{ ~0ull - PAGE + 2, VTTM_BO_CACHED, -EINVAL },
	{ ~0ull - PAGE + 1, VTTM_BO_CACHED, -ENOMEM },
	{ PAGE_MASK, VTTM_BO_WC, -ENOMEM },
	{ 1ull << 63, VTTM_BO_CACHED, -ENOMEM },
	{ (1ull << 44) + 1, VTTM_BO_CACHED, -ENOMEM },
	{ 1ull << 44, VTTM_BO_VRAM, -ENOMEM },
	{ PAGE, VTTM_BO_CACHING_MASK, -EINVAL },
	{ PAGE, VTTM_BO_CACHING_MASK | VTTM_BO_VRAM, -EINVAL },
	{ PAGE, 1 << 3, -EINVAL },
	{ PAGE, 1u << 31, -EINVAL },
	{ PAGE, ~0u, -EINVAL },
	{ 0, ~0u, -EINVAL },
};

static void create_fields(int fd)
{
	const uint64_t vram = vttm_param(fd, VTTM_PARAM_VRAM_SIZE);
	const uint64_t ram = (uint64_t)sysconf(_SC_PHYS_PAGES) * PAGE;

	for_each_entry(i, creates)
	{
		int ret = create(fd, creates[i].size, creates[i].flags);

		igt_assert_f(ret == creates[i].expected,
			     "create of %#llx bytes, flags %#x: %s, not: %s\n",
			     (unsigned long long)creates[i].size,
			     creates[i].flags, strerror(-ret),
			     strerror(-creates[i].expected));
	}
	assert_errno(create(fd, ram, VTTM_BO_CACHED), -ENOMEM);
	assert_errno(create(fd, ram + 1, VTTM_BO_UC), -ENOMEM);
	assert_errno(create(fd, vram + 1, VTTM_BO_VRAM), -ENOMEM);
}

static int move(int fd, uint32_t handle, uint32_t placement)
{
	return __vttm_move(fd, handle, placement);
}

static void move_fields(int fd, uint32_t handle)
{
	const uint64_t vram = vttm_param(fd, VTTM_PARAM_VRAM_SIZE);
	uint32_t big = vttm_create(fd, vram + PAGE, VTTM_BO_CACHED);

	assert_errno(move(fd, handle, VTTM_PL_SYSTEM), 0);
	assert_errno(move(fd, handle, VTTM_PL_SWAPPED), -EINVAL);
	assert_errno(move(fd, handle, VTTM_PL_NONE), -EINVAL);
	assert_errno(move(fd, handle, 4), -EINVAL);
	assert_errno(move(fd, handle, ~0u), -EINVAL);
	assert_errno(move(fd, big, VTTM_PL_VRAM), -ENOSPC);
	assert_errno(move(fd, 0, VTTM_PL_VRAM), -ENOENT);
	assert_errno(move(fd, UNKNOWN, VTTM_PL_SYSTEM), -ENOENT);
	assert_errno(move(fd, ~0u, VTTM_PL_SYSTEM), -ENOENT);
	vttm_close_bo(fd, big);
}

static int swapout(int fd, uint32_t handle, uint32_t pad)
{
	struct drm_vttm_swapout args = { .handle = handle, .pad = pad };

	return vttm_ioctl(fd, DRM_IOCTL_VTTM_SWAPOUT, &args);
}

static int page(int fd, uint32_t handle, uint32_t pad, uint64_t index)
{
	struct drm_vttm_page args = {
		.handle = handle,
		.pad = pad,
		.index = index,
	};

	return vttm_ioctl(fd, DRM_IOCTL_VTTM_PAGE, &args);
}

static int info(int fd, uint32_t handle)
{
	struct drm_vttm_info args;

	return __vttm_info(fd, handle, &args);
}

static int param(int fd, uint32_t number, uint32_t pad)
{
	struct drm_vttm_param args = { .param = number, .pad = pad };

	return vttm_ioctl(fd, DRM_IOCTL_VTTM_PARAM, &args);
}

static int ctl(int fd, uint32_t op, uint32_t pad)
{
	struct drm_vttm_ctl args = { .op = op, .pad = pad };

	return vttm_ioctl(fd, DRM_IOCTL_VTTM_CTL, &args);
}

static void look_fields(int fd, uint32_t handle)
{
	uint32_t cold = vttm_create(fd, PAGE, VTTM_BO_CACHED);

	assert_errno(page(fd, handle, 0, BO_PAGES - 1), 0);
	assert_errno(page(fd, handle, 0, BO_PAGES), -EINVAL);
	assert_errno(page(fd, handle, 0, 1ull << 32), -EINVAL);
	assert_errno(page(fd, handle, 0, ~0ull), -EINVAL);
	assert_errno(page(fd, handle, 1, 0), -EINVAL);
	assert_errno(page(fd, handle, ~0u, 0), -EINVAL);
	assert_errno(page(fd, cold, 0, 0), -ENXIO);
	assert_errno(page(fd, cold, 0, 1), -EINVAL);
	assert_errno(page(fd, 0, 0, 0), -ENOENT);
	assert_errno(page(fd, UNKNOWN, 0, 0), -ENOENT);

	assert_errno(info(fd, cold), 0);
	assert_errno(info(fd, 0), -ENOENT);
	assert_errno(info(fd, UNKNOWN), -ENOENT);
	assert_errno(info(fd, ~0u), -ENOENT);
	vttm_close_bo(fd, cold);
}

static int purge(int fd, uint32_t handle, uint32_t pad)
{
	struct drm_vttm_purge args = { .handle = handle, .pad = pad };

	return vttm_ioctl(fd, DRM_IOCTL_VTTM_PURGE, &args);
}

static int pfn(int fd, uint64_t number, int32_t count, uint32_t flags)
{
	struct drm_vttm_pfn args = {
		.pfn = number,
		.count = count,
		.flags = flags,
	};

	return vttm_ioctl(fd, DRM_IOCTL_VTTM_PFN, &args);
}

#define NOBODY 65534

static void pfn_fields(int fd)
{
	assert_errno(pfn(fd, 256, 0, 0), 0);
	assert_errno(pfn(fd, 256, 1, 0), -EINVAL);
	assert_errno(pfn(fd, 256, -1, 0), -EINVAL);
	assert_errno(pfn(fd, 256, 0, VTTM_PAGE_RESERVED), -EINVAL);
	assert_errno(pfn(fd, 256, 0, ~0u), -EINVAL);
	assert_errno(pfn(fd, 1ull << 40, 0, 0), -ENXIO);
	assert_errno(pfn(fd, ~0ull, 0, 0), -ENXIO);
	igt_assert_eq(seteuid(NOBODY), 0);
	assert_errno(pfn(fd, 256, 0, 0), -EACCES);
	igt_assert_eq(seteuid(0), 0);
}

static void device_fields(int fd)
{
	assert_errno(param(fd, VTTM_PARAM_LIVE_BOS, 0), 0);
	assert_errno(param(fd, VTTM_PARAM_LIVE_BOS + 1, 0), -EINVAL);
	assert_errno(param(fd, ~0u, 0), -EINVAL);
	assert_errno(param(fd, VTTM_PARAM_OPTED_IN, 1), -EINVAL);
	assert_errno(param(fd, VTTM_PARAM_OPTED_IN, ~0u), -EINVAL);

	/* Nothing is done, the device stays plugged. */
	assert_errno(ctl(fd, VTTM_CTL_UNPLUG, 1), -EINVAL);
	assert_errno(ctl(fd, VTTM_CTL_UNPLUG, ~0u), -EINVAL);
	assert_errno(ctl(fd, VTTM_CTL_BAD_VMA + 1, 0), -EINVAL);
	assert_errno(ctl(fd, ~0u, 0), -EINVAL);
	assert_errno(create(fd, PAGE, VTTM_BO_CACHED), 0);
}

static void ioctl_fields(enum vttm_kind kind)
{
	int fd = open_device(kind);
	uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);
	char *map = vttm_mmap(fd, handle, BO_SIZE);

	fill(map, 4);
	create_fields(fd);
	move_fields(fd, handle);
	assert_errno(swapout(fd, handle, 1), -EINVAL);
	assert_errno(swapout(fd, handle, ~0u), -EINVAL);
	assert_errno(swapout(fd, 0, 0), -ENOENT);
	assert_errno(swapout(fd, UNKNOWN, 0), -ENOENT);
	assert_errno(purge(fd, handle, 1), -EINVAL);
	assert_errno(purge(fd, handle, ~0u), -EINVAL);
	assert_errno(purge(fd, 0, 0), -ENOENT);
	assert_errno(purge(fd, UNKNOWN, 0), -ENOENT);
	look_fields(fd, handle);
	pfn_fields(fd);
	device_fields(fd);
	verify(map, 4);
	vttm_munmap(map, BO_SIZE);
	close(fd);
}

static int map_dumb(int fd, uint32_t handle)
{
	struct drm_mode_map_dumb args = { .handle = handle };

	return vttm_ioctl(fd, DRM_IOCTL_MODE_MAP_DUMB, &args);
}

static int export(int fd, uint32_t handle, uint32_t flags)
{
	struct drm_prime_handle args = { .handle = handle, .flags = flags };
	int ret = vttm_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args);

	if (!ret)
		close(args.fd);
	return ret;
}

/* A handle that this file does not have */
static void no_such_handle(int fd, uint32_t handle)
{
	assert_errno(page(fd, handle, 0, 0), -ENOENT);
	assert_errno(info(fd, handle), -ENOENT);
	assert_errno(swapout(fd, handle, 0), -ENOENT);
	assert_errno(purge(fd, handle, 0), -ENOENT);
	assert_errno(move(fd, handle, VTTM_PL_SYSTEM), -ENOENT);
	assert_errno(map_dumb(fd, handle), -ENOENT);
	assert_errno(export(fd, handle, DRM_CLOEXEC), -ENOENT);
	assert_errno(__vttm_close_bo(fd, handle), -EINVAL);
}

static void ioctl_handles(enum vttm_kind kind)
{
	int fd = open_device(kind);
	int other = reopen(fd, O_RDWR);
	uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);

	no_such_handle(other, handle);
	no_such_handle(fd, 0);
	no_such_handle(fd, handle + 1);
	no_such_handle(fd, UNKNOWN);
	no_such_handle(fd, ~0u);
	assert_errno(map_dumb(fd, handle), 0);
	vttm_close_bo(fd, handle);
	no_such_handle(fd, handle);
	close(other);
	close(fd);
}

/* Bytes that an argument may be too long by */
static const size_t surplus[] = { 1, 7, 8, 64, 4096, 16000 };

/*
 * An argument of any size: its first bytes are those of @args, then garbage, which the
 * kernel leaves alone.
 */
static int sized_ioctl(int fd, unsigned int nr, const void *args, size_t size,
		       size_t sent)
{
	uint8_t buf[16384];
	int ret;

	memset(buf, 0xff, sizeof(buf));
	memcpy(buf, args, size);
	ret = vttm_ioctl(fd,
			 _IOC(_IOC_READ | _IOC_WRITE, DRM_IOCTL_BASE,
			      DRM_COMMAND_BASE + nr, sent),
			 buf);
	for (size_t i = size; i < sizeof(buf); i++)
		igt_assert_f(buf[i] == 0xff, "ioctl %#x wrote byte %zu\n", nr,
			     i);
	return ret;
}

/* Those of which more than the handle or the PFN must be 0 */
static void purge_and_pfn_sizes(int fd, uint32_t handle)
{
	const struct drm_vttm_purge purge = { .handle = handle };
	const struct drm_vttm_purge padded = { .handle = handle, .pad = 1 };
	const struct drm_vttm_pfn pfn = { .pfn = 256 };
	const struct drm_vttm_pfn counted = { .pfn = 256, .count = 1 };
	const struct drm_vttm_pfn none = { .pfn = ~0ull };

	assert_errno(sized_ioctl(fd, DRM_VTTM_PURGE, &purge, sizeof(purge), 0),
		     -ENOENT);
	assert_errno(
		sized_ioctl(fd, DRM_VTTM_PURGE, &padded, sizeof(padded), 4), 0);
	assert_errno(sized_ioctl(fd, DRM_VTTM_PURGE, &padded, sizeof(padded),
				 5),
		     -EINVAL);
	assert_errno(sized_ioctl(fd, DRM_VTTM_PFN, &none, sizeof(none), 0), 0);
	assert_errno(
		sized_ioctl(fd, DRM_VTTM_PFN, &counted, sizeof(counted), 8), 0);
	assert_errno(sized_ioctl(fd, DRM_VTTM_PFN, &counted, sizeof(counted),
				 9),
		     -EINVAL);
	for_each_entry(i, surplus)
	{
		assert_errno(sized_ioctl(fd, DRM_VTTM_PURGE, &purge,
					 sizeof(purge),
					 sizeof(purge) + surplus[i]),
			     0);
		assert_errno(sized_ioctl(fd, DRM_VTTM_PURGE, &padded,
					 sizeof(padded),
					 sizeof(padded) + surplus[i]),
			     -EINVAL);
		assert_errno(sized_ioctl(fd, DRM_VTTM_PFN, &pfn, sizeof(pfn),
					 sizeof(pfn) + surplus[i]),
			     0);
		assert_errno(sized_ioctl(fd, DRM_VTTM_PFN, &counted,
					 sizeof(counted),
					 sizeof(counted) + surplus[i]),
			     -EINVAL);
	}
}

/* What is longer is taken for what it begins with, which may be wrong. */
static void longer_than(int fd, uint32_t handle, size_t more)
{
	const struct drm_vttm_page page = { .handle = handle },
				   padded = { .handle = handle, .pad = 1 },
				   beyond = { .handle = handle, .index = 1 };
	const struct drm_vttm_swapout swapout = { .handle = handle },
				      no_swapout = { .handle = handle,
						     .pad = 1 };
	const struct drm_vttm_move move = { .handle = handle,
					    .placement = VTTM_PL_SYSTEM },
				   no_move = { .handle = handle,
					       .placement = ~0u };
	const struct drm_vttm_param param = { .param = VTTM_PARAM_VRAM_SIZE },
				    no_param = { .param = ~0u };
	/* Not one that works: it would do something to the device. */
	const struct drm_vttm_ctl ctl = { .op = VTTM_CTL_ENABLE_FOREIGN },
				  no_ctl = { .op = VTTM_CTL_UNPLUG, .pad = 1 };
	const struct {
		unsigned int nr;
		const void *args;
		size_t size;
		int expected;
	} calls[] = {
		{ DRM_VTTM_MOVE, &move, sizeof(move), 0 },
		{ DRM_VTTM_MOVE, &no_move, sizeof(no_move), -EINVAL },
		{ DRM_VTTM_PAGE, &page, sizeof(page), 0 },
		{ DRM_VTTM_PAGE, &padded, sizeof(padded), -EINVAL },
		{ DRM_VTTM_PAGE, &beyond, sizeof(beyond), -EINVAL },
		{ DRM_VTTM_SWAPOUT, &no_swapout, sizeof(no_swapout), -EINVAL },
		{ DRM_VTTM_SWAPOUT, &swapout, sizeof(swapout), 0 },
		{ DRM_VTTM_PAGE, &page, sizeof(page), -ENXIO },
		{ DRM_VTTM_PARAM, &param, sizeof(param), 0 },
		{ DRM_VTTM_PARAM, &no_param, sizeof(no_param), -EINVAL },
		{ DRM_VTTM_CTL, &ctl, sizeof(ctl), -ENODEV },
		{ DRM_VTTM_CTL, &no_ctl, sizeof(no_ctl), -EINVAL },
	};

	for_each_entry(i, calls)
	{
		int ret = sized_ioctl(fd, calls[i].nr, calls[i].args,
				      calls[i].size, calls[i].size + more);

		igt_assert_f(ret == calls[i].expected,
			     "call %u, %zu bytes too long: %s, not: %s\n", i,
			     more, strerror(-ret),
			     strerror(-calls[i].expected));
	}
}

/* Of a BO of a page, whose page is there each time. */
static void longer_ioctls(int fd)
{
	uint32_t handle = vttm_create(fd, PAGE, VTTM_BO_CACHED);
	volatile char *map = vttm_mmap(fd, handle, PAGE);

	for_each_entry(i, surplus)
	{
		map[0] = 1;
		longer_than(fd, handle, surplus[i]);
	}
	vttm_munmap((void *)map, PAGE);
	vttm_close_bo(fd, handle);
}

/* DRM takes missing bytes for zeroes and ignores surplus ones. */
static void ioctl_sizes(enum vttm_kind kind)
{
	int fd = open_device(kind);
	const struct drm_vttm_info bo = {
		.handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED),
	};
	const struct drm_vttm_create new = { .size = PAGE };
	const struct drm_vttm_create bad = { .size = PAGE, .flags = ~0u };
	const struct drm_vttm_param unknown = { .param = ~0u };

	assert_errno(sized_ioctl(fd, DRM_VTTM_CREATE, &new, sizeof(new), 0),
		     -EINVAL);
	assert_errno(sized_ioctl(fd, DRM_VTTM_CREATE, &new, sizeof(new), 1),
		     -EINVAL);
	assert_errno(sized_ioctl(fd, DRM_VTTM_CREATE, &bad, sizeof(bad), 8), 0);
	assert_errno(sized_ioctl(fd, DRM_VTTM_CREATE, &bad, sizeof(bad), 12),
		     -EINVAL);
	assert_errno(sized_ioctl(fd, DRM_VTTM_SWAPOUT, &bo, sizeof(bo), 0),
		     -ENOENT);
	assert_errno(sized_ioctl(fd, DRM_VTTM_MOVE, &bo, sizeof(bo), 0),
		     -ENOENT);
	assert_errno(sized_ioctl(fd, DRM_VTTM_PAGE, &bo, sizeof(bo), 0),
		     -ENOENT);
	assert_errno(sized_ioctl(fd, DRM_VTTM_INFO, &bo, sizeof(bo), 0),
		     -ENOENT);
	assert_errno(sized_ioctl(fd, DRM_VTTM_INFO, &bo, sizeof(bo), 4), 0);
	assert_errno(sized_ioctl(fd, DRM_VTTM_PARAM, &unknown, sizeof(unknown),
				 4),
		     -EINVAL);
	purge_and_pfn_sizes(fd, bo.handle);
	/* Not CTL: shortened to nothing it means VTTM_CTL_UNPLUG. */
	longer_ioctls(fd);

	for_each_entry(i, surplus)
	{
		assert_errno(sized_ioctl(fd, DRM_VTTM_INFO, &bo, sizeof(bo),
					 sizeof(bo) + surplus[i]),
			     0);
		assert_errno(sized_ioctl(fd, DRM_VTTM_CREATE, &new, sizeof(new),
					 sizeof(new) + surplus[i]),
			     0);
		assert_errno(sized_ioctl(fd, DRM_VTTM_CREATE, &bad, sizeof(bad),
					 sizeof(bad) + surplus[i]),
			     -EINVAL);
	}
	close(fd);
}

static void ioctl_pointers(enum vttm_kind kind)
{
	static const unsigned long requests[] = {
		DRM_IOCTL_VTTM_CREATE, DRM_IOCTL_VTTM_SWAPOUT,
		DRM_IOCTL_VTTM_MOVE,   DRM_IOCTL_VTTM_PAGE,
		DRM_IOCTL_VTTM_INFO,   DRM_IOCTL_VTTM_PARAM,
		DRM_IOCTL_VTTM_CTL,    DRM_IOCTL_VTTM_PURGE,
		DRM_IOCTL_VTTM_PFN,
	};
	int fd = open_device(kind);
	char *pages =
		mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct drm_vttm_create *args = (void *)pages;

	igt_assert(pages != MAP_FAILED);
	args->size = BO_SIZE;
	igt_assert_eq(mprotect(pages, PAGE, PROT_READ), 0);
	igt_assert_eq(munmap(pages + PAGE, PAGE), 0);

	for_each_entry(i, requests)
	{
		assert_errno(vttm_ioctl(fd, requests[i], NULL), -EFAULT);
		assert_errno(vttm_ioctl(fd, requests[i], (void *)8), -EFAULT);
		assert_errno(vttm_ioctl(fd, requests[i], pages + PAGE),
			     -EFAULT);
		/* Its end is missing. */
		assert_errno(vttm_ioctl(fd, requests[i], pages + PAGE - 4),
			     -EFAULT);
		assert_errno(vttm_ioctl(fd, requests[i],
					(void *)0xffff888000000000ul),
			     -EFAULT);
	}
	/* The answer cannot be written: nobody knows the handle, ... */
	assert_errno(vttm_ioctl(fd, DRM_IOCTL_VTTM_CREATE, args), -EFAULT);
	igt_assert_eq(munmap(pages, PAGE), 0);
	/* ... but the BO goes with the file. */
	close(fd);
}

static void ioctl_numbers(enum vttm_kind kind)
{
	struct drm_vttm_create args = { .size = PAGE };
	int fd = open_device(kind);

	for (unsigned int nr = DRM_COMMAND_BASE + DRM_VTTM_PFN + 1;
	     nr < DRM_COMMAND_END; nr++)
		assert_errno(vttm_ioctl(fd,
					_IOWR(DRM_IOCTL_BASE, nr,
					      struct drm_vttm_create),
					&args),
			     -EINVAL);
	assert_errno(
		vttm_ioctl(fd,
			   _IOWR('D', DRM_COMMAND_BASE, struct drm_vttm_create),
			   &args),
		-ENOTTY);
	assert_errno(vttm_ioctl(fd, 0, &args), -ENOTTY);
	assert_errno(vttm_ioctl(fd, ~0ul, &args), -ENOTTY);
	/* Without a direction nothing is read: it asks for no bytes. */
	assert_errno(vttm_ioctl(fd, _IO(DRM_IOCTL_BASE, DRM_COMMAND_BASE),
				&args),
		     -EINVAL);
	assert_errno(vttm_ioctl(fd,
				_IOR(DRM_IOCTL_BASE, DRM_COMMAND_BASE,
				     struct drm_vttm_create),
				&args),
		     -EINVAL);
	igt_assert_eq_u64(args.size, 0);
	close(fd);
}

static int create_dumb(int fd, uint32_t width, uint32_t height, uint32_t bpp,
		       uint32_t flags)
{
	struct drm_mode_create_dumb args = {
		.width = width,
		.height = height,
		.bpp = bpp,
		.flags = flags,
	};
	int ret = vttm_ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &args);

	if (!ret) {
		igt_assert_eq_u64(args.size, (uint64_t)args.pitch * height);
		vttm_close_bo(fd, args.handle);
	}
	return ret;
}

static int import(int fd, int dmabuf)
{
	struct drm_prime_handle args = { .fd = dmabuf };

	return vttm_ioctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &args);
}

static void dumb_and_prime(enum vttm_kind kind)
{
	int fd = open_device(kind);
	uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);
	int memfd = memfd_create("no dma-buf", MFD_CLOEXEC);
	int dmabuf = vttm_export(fd, handle);

	assert_errno(create_dumb(fd, 64, 64, 32, 0), 0);
	assert_errno(create_dumb(fd, 0, 64, 32, 0), -EINVAL);
	assert_errno(create_dumb(fd, 64, 0, 32, 0), -EINVAL);
	assert_errno(create_dumb(fd, 64, 64, 0, 0), -EINVAL);
	assert_errno(create_dumb(fd, 64, 64, 32, 1), -EINVAL);
	assert_errno(create_dumb(fd, ~0u, 64, 32, 0), -EINVAL);
	assert_errno(create_dumb(fd, 64, ~0u, 32, 0), -EINVAL);
	assert_errno(create_dumb(fd, 64, 64, ~0u, 0), -EINVAL);
	assert_errno(create_dumb(fd, ~0u, ~0u, ~0u, ~0u), -EINVAL);

	assert_errno(export(fd, handle, DRM_CLOEXEC | DRM_RDWR), 0);
	assert_errno(export(fd, handle, ~0u), -EINVAL);
	assert_errno(export(fd, handle, 1), -EINVAL);
	assert_errno(import(fd, -1), -EBADF);
	assert_errno(import(fd, memfd), -EINVAL);
	assert_errno(import(fd, fd), -EINVAL);
	igt_assert_eq_u32(vttm_import(fd, dmabuf), handle);
	close(dmabuf);
	close(memfd);
	close(fd);
}

/* ---- Importers --------------------------------------------------------- */

static void refused_while_pinned(struct kvm_bo *bo)
{
	uint64_t pages;

	assert_errno(__vttm_swapout(bo->fd, bo->handle, &pages), -EBUSY);
	assert_errno(move(bo->fd, bo->handle, VTTM_PL_VRAM), -EBUSY);
	assert_errno(purge(bo->fd, bo->handle, 0), -EBUSY);
}

/* TTM is to swap out what it may, for one more page. */
static void make_ttm_swap(int fd)
{
	uint32_t handle = vttm_create(fd, PAGE, VTTM_BO_CACHED);
	unsigned long limit = param_get("ttm", "pages_limit");
	char *map = vttm_mmap(fd, handle, PAGE);

	param_set("ttm", "pages_limit", 1);
	map[0] = 1;
	param_set("ttm", "pages_limit", limit);
	vttm_munmap(map, PAGE);
	vttm_close_bo(fd, handle);
}

static void pinned(enum vttm_kind kind)
{
	struct dmabuf_use_look look;
	struct drm_vttm_page page;
	uint64_t address;
	struct kvm_bo bo;
	int dmabuf, hold;

	kvm_bo_init(&bo, kind, BO_SIZE, VTTM_BO_CACHED);
	fill(bo.map, 3);
	dmabuf = vttm_export(bo.fd, bo.handle);
	hold = dmabuf_hold(dmabuf, &address);
	refused_while_pinned(&bo);
	make_ttm_swap(bo.fd);
	/* An importer would have it populated again. */
	vttm_page(bo.fd, bo.handle, 0, &page);
	dmabuf_look(dmabuf, &look);
	igt_assert_eq_u64(look.pfn, page.pfn);
	igt_assert_eq_u64(look.bytes, BO_SIZE);
	kvm_bo_check_counts(&bo);
	verify(bo.map, 3);
	/* The kernel's mapping shows the same memory. */
	dmabuf_flip(dmabuf);
	for (unsigned int i = 0; i < BO_SIZE / 4; i++)
		((volatile uint32_t *)bo.map)[i] ^= ~0u;
	verify(bo.map, 3);
	refused_while_pinned(&bo);

	close(hold);
	make_ttm_swap(bo.fd);
	assert_errno(__vttm_page(bo.fd, bo.handle, 0, &page), -ENXIO);
	verify(bo.map, 3);
	igt_assert_eq_u64(vttm_swapout(bo.fd, bo.handle), BO_PAGES);
	verify(bo.map, 3);
	kvm_bo_check_counts(&bo);
	close(dmabuf);
	kvm_bo_fini(&bo);
}

static void import_foreign(enum vttm_kind kind)
{
	int fd = open_device(kind);
	int other = open_device(kind == VTTM_MODE ? VTTM_STOCK : VTTM_MODE);
	uint32_t handle = vttm_create(other, BO_SIZE, VTTM_BO_CACHED);
	int dmabuf = vttm_export(other, handle);

	assert_errno(import(fd, dmabuf), -EOPNOTSUPP);
	igt_assert_eq_u32(vttm_import(other, dmabuf), handle);
	close(dmabuf);
	close(other);
	close(fd);
}

/* ---- Giving up what is in use ------------------------------------------ */

static void close_device_while_mapped(enum vttm_kind kind)
{
	const uint64_t before = live_bos(kind);

	for (int close_handle = 0; close_handle < 2; close_handle++) {
		int fd = open_device(kind);
		uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);
		char *map = vttm_mmap(fd, handle, BO_SIZE);

		/* Half of it is faulted in only after everything is closed. */
		memset(map, 0x11, BO_SIZE / 2);
		if (close_handle)
			vttm_close_bo(fd, handle);
		close(fd);
		igt_assert_eq_u64(live_bos(kind), before + 1);
		igt_assert_eq(map[BO_SIZE / 2 - 1], 0x11);
		igt_assert_eq(map[BO_SIZE / 2], 0);
		fill(map, 5);
		verify(map, 5);
		vttm_munmap(map, BO_SIZE);
		igt_assert_eq_u64(live_bos(kind), before);
	}
}

/* The child has the last mapping, uses it and tells when it is done. */
static void child_has_the_last(char *map, int go, int done)
{
	char c = 'x';

	if (read(go, &c, 1) != 1)
		_exit(1);
	verify(map, 6);
	fill(map, 7);
	verify(map, 7);
	if (write(done, &c, 1) != 1 || read(go, &c, 1) != 1)
		_exit(1);
	_exit(0);
}

static void close_handle_while_mapped(enum vttm_kind kind)
{
	const uint64_t before = live_bos(kind);
	int fd = open_device(kind), go[2], done[2], status;
	uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_WC);
	char *map = vttm_mmap(fd, handle, BO_SIZE), c = 'x';
	pid_t pid;

	fill(map, 6);
	igt_assert_eq(pipe(go) | pipe(done), 0);
	pid = child_fork();
	if (!pid)
		child_has_the_last(map, go[0], done[1]);

	vttm_munmap(map, BO_SIZE);
	vttm_close_bo(fd, handle);
	no_such_handle(fd, handle);
	igt_assert_eq(write(go[1], &c, 1), 1);
	igt_assert_eq(read(done[0], &c, 1), 1);
	igt_assert_eq_u64(live_bos(kind), before + 1);
	igt_assert_eq(write(go[1], &c, 1), 1);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_f(!status, "the child ended with status %#x\n", status);
	igt_assert_eq_u64(live_bos(kind), before);
	close(fd);
}

/* What keeps a BO alive */
struct holders {
	int fd, dmabuf;
	uint32_t handle;
	char *map, *dmabuf_map;
};

#define NUM_HOLDERS 5

static void give_up(struct holders *h, unsigned int which)
{
	switch (which) {
	case 0:
		vttm_munmap(h->map, BO_SIZE);
		break;
	case 1:
		vttm_munmap(h->dmabuf_map, BO_SIZE);
		break;
	case 2:
		close(h->dmabuf);
		break;
	case 3:
		/* The file may be closed already, and the handle with it. */
		if (h->fd >= 0)
			vttm_close_bo(h->fd, h->handle);
		break;
	case 4:
		close(h->fd);
		h->fd = -1;
		break;
	}
}

static void hold(struct holders *h, enum vttm_kind kind)
{
	h->fd = open_device(kind);
	h->handle = vttm_create(h->fd, BO_SIZE, VTTM_BO_CACHED);
	h->dmabuf = vttm_export(h->fd, h->handle);
	h->map = vttm_mmap(h->fd, h->handle, BO_SIZE);
	h->dmabuf_map = mmap(NULL, BO_SIZE, RW, MAP_SHARED, h->dmabuf, 0);
	igt_assert(h->dmabuf_map != MAP_FAILED);
	fill(h->map, 8);
	verify(h->dmabuf_map, 8);
}

/* The BO lives until the last of them, in this order. */
static void give_up_in_order(enum vttm_kind kind, const unsigned int *order,
			     uint64_t before)
{
	bool gone[NUM_HOLDERS] = {};
	struct holders h;

	hold(&h, kind);
	for (unsigned int i = 0; i < NUM_HOLDERS; i++) {
		bool alive;

		give_up(&h, order[i]);
		gone[order[i]] = true;
		/* The file's end takes the handle along. */
		alive = !gone[0] || !gone[1] || !gone[2] ||
			(!gone[3] && !gone[4]);
		igt_assert_f(live_bos(kind) == before + alive,
			     "order %u%u%u%u%u: the BO is %s after %u steps\n",
			     order[0], order[1], order[2], order[3], order[4],
			     alive ? "gone" : "there", i + 1);
		if (!gone[0])
			verify(h.map, 8);
		if (!gone[1])
			verify(h.dmabuf_map, 8);
	}
}

/* Heap's algorithm */
static void every_order(enum vttm_kind kind, unsigned int *order,
			unsigned int n, uint64_t before)
{
	if (n == 1) {
		give_up_in_order(kind, order, before);
		return;
	}
	for (unsigned int i = 0; i < n; i++) {
		unsigned int other = n % 2 ? 0 : i, tmp;

		every_order(kind, order, n - 1, before);
		tmp = order[other];
		order[other] = order[n - 1];
		order[n - 1] = tmp;
	}
}

static void close_in_any_order(enum vttm_kind kind)
{
	unsigned int order[NUM_HOLDERS] = { 0, 1, 2, 3, 4 };

	every_order(kind, order, NUM_HOLDERS, live_bos(kind));
}

static void many_bos(enum vttm_kind kind)
{
	static const uint32_t flags[] = {
		VTTM_BO_CACHED,
		VTTM_BO_WC,
		VTTM_BO_UC,
		VTTM_BO_VRAM,
	};
	int fd = open_device(kind);

	for (unsigned int i = 0; i < 200; i++) {
		uint32_t handle = vttm_create(fd, BO_SIZE, flags[i % 4]);
		char *map = vttm_mmap(fd, handle, BO_SIZE);

		fill(map, i);
		vttm_close_bo(fd, handle);
		verify(map, i);
		vttm_munmap(map, BO_SIZE);
	}
	close(fd);
}

static size_t odd_size(unsigned int i)
{
	return (1 + i * 37 % 251) * PAGE;
}

static void many_bos_at_once(enum vttm_kind kind)
{
	enum { COUNT = 600 };
	const uint64_t before = live_bos(kind);
	static uint32_t handles[COUNT];
	static char *maps[COUNT];
	int fd = open_device(kind);

	for (unsigned int i = 0; i < COUNT; i++) {
		handles[i] = vttm_create(fd, odd_size(i), i % 3);
		maps[i] = vttm_mmap(fd, handles[i], odd_size(i));
		memset(maps[i], i, odd_size(i));
	}
	igt_assert_eq_u64(live_bos(kind), before + COUNT);
	/* 7 and 600 have no common factor: each once, in another order. */
	for (unsigned int n = 0; n < COUNT; n++) {
		unsigned int i = n * 7 % COUNT;

		igt_assert_eq(maps[i][odd_size(i) - 1], (char)i);
		vttm_munmap(maps[i], odd_size(i));
		if (i % 2)
			vttm_close_bo(fd, handles[i]);
	}
	igt_assert_eq_u64(live_bos(kind), before + COUNT / 2);
	close(fd);
}

static int unload(const char *module)
{
	return syscall(SYS_delete_module, module, O_NONBLOCK) ? -errno : 0;
}

static void unload_while_in_use(enum vttm_kind kind)
{
	int fd = open_device(kind);
	uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);
	char *map = vttm_mmap(fd, handle, BO_SIZE);
	int dmabuf = vttm_export(fd, handle);

	assert_errno(unload("vttm"), -EAGAIN);
	assert_errno(unload("ttm"), -EAGAIN);
	vttm_close_bo(fd, handle);
	close(fd);
	assert_errno(unload("vttm"), -EAGAIN);
	assert_errno(unload("ttm"), -EAGAIN);
	vttm_munmap(map, BO_SIZE);
	assert_errno(unload("vttm"), -EAGAIN);
	close(dmabuf);
}

/* ---- Memslots ---------------------------------------------------------- */

static void close_all_under_memslot(enum vttm_kind kind)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	const uint64_t before = live_bos(kind);
	struct kvm_guest_job job;
	struct kvm_bo bo;
	uint32_t works;

	kvm_bo_init(&bo, kind, BO_SIZE, VTTM_BO_CACHED);
	fill(bo.map, 9);
	job = kvm_bo_job(&bo, KVM_OP_WRITE, 10);
	works = kvm_bo_first_refused(&bo, 0, bo.pages);
	igt_assert_eq(works == bo.pages, kind == VTTM_MODE);
	kvm_guest_map(guest, KVM_GUEST_GPA, bo.map, bo.size);
	vttm_close_bo(bo.fd, bo.handle);
	close(bo.fd);

	if (works == bo.pages) {
		kvm_guest_run_ok(guest, &job);
		kvm_host_verify(bo.map, &job);
	} else {
		kvm_guest_run_efault(guest, &job, works);
	}
	igt_assert_eq_u64(live_bos(kind), before + 1);

	vttm_munmap(bo.map, bo.size);
	igt_assert_eq_u64(live_bos(kind), before);
	kvm_guest_run_efault(guest, &job, 0);
	kvm_guest_run_efault(guest, &job, 0);
	kvm_guest_destroy(guest);
}

static void memslot_bad_range(enum vttm_kind kind)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	const uint64_t gpa = KVM_GUEST_GPA;
	struct kvm_bo bo;
	char *map;
	int slot;

	kvm_bo_init(&bo, kind, BO_SIZE, VTTM_BO_CACHED);
	map = bo.map;
	assert_errno(__kvm_guest_map(guest, gpa, map + 1, BO_SIZE, false),
		     -EINVAL);
	assert_errno(__kvm_guest_map(guest, gpa + 1, map, BO_SIZE, false),
		     -EINVAL);
	assert_errno(__kvm_guest_map(guest, gpa, map, BO_SIZE + 1, false),
		     -EINVAL);
	assert_errno(__kvm_guest_map(guest, gpa, map, 0, false), -EINVAL);
	assert_errno(__kvm_guest_map(guest, PAGE_MASK, map, BO_SIZE, false),
		     -EINVAL);
	assert_errno(__kvm_guest_map(guest, gpa, (void *)PAGE_MASK, BO_SIZE,
				     false),
		     -EINVAL);
	slot = kvm_guest_map(guest, gpa, map, BO_SIZE);
	assert_errno(__kvm_guest_map(guest, gpa + PAGE, map, BO_SIZE, false),
		     -EEXIST);
	kvm_guest_unmap(guest, slot);
	kvm_bo_fini(&bo);
	kvm_guest_destroy(guest);
}

#define HOLE 100u /* page of the BO */
#define HOLE_PAGES 3u

/*
 * @map is guest memory, @restore() puts the hole's pages back. A guest stops at
 * the hole as often as it is sent there. Once it is closed the guest can use as
 * many pages as @works.
 */
static void run_over_hole(char *map, void (*restore)(char *hole, void *arg),
			  void *arg, uint32_t works)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	struct kvm_guest_job job = {
		.op = KVM_OP_WRITE,
		.gpa = KVM_GUEST_GPA + HOLE * PAGE,
		.pages = HOLE_PAGES,
		.words = KVM_GUEST_WORDS,
		.seed = 11,
	};

	kvm_guest_map(guest, KVM_GUEST_GPA, map, BO_SIZE);
	vttm_munmap(map + HOLE * PAGE, HOLE_PAGES * PAGE);
	for (int i = 0; i < 3; i++)
		kvm_guest_run_efault(guest, &job, 0);
	restore(map + HOLE * PAGE, arg);
	job.gpa = KVM_GUEST_GPA;
	job.pages = BO_PAGES;
	if (works == BO_PAGES) {
		kvm_guest_run_ok(guest, &job);
		kvm_host_verify(map, &job);
		vttm_munmap(map + HOLE * PAGE, HOLE_PAGES * PAGE);
		kvm_guest_run_efault(guest, &job, HOLE);
		restore(map + HOLE * PAGE, arg);
		kvm_guest_run_ok(guest, &job);
	} else {
		kvm_guest_run_efault(guest, &job, works);
	}
	kvm_guest_destroy(guest);
}

static void restore_anonymous(char *hole, void *arg)
{
	(void)arg;
	igt_assert(mmap(hole, HOLE_PAGES * PAGE, RW,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			0) == hole);
}

/* Only a dma-buf can be mapped from its middle. */
static void restore_bo(char *hole, void *arg)
{
	struct kvm_bo *bo = arg;
	int dmabuf = vttm_export(bo->fd, bo->handle);

	igt_assert(mmap(hole, HOLE_PAGES * PAGE, RW, MAP_SHARED | MAP_FIXED,
			dmabuf, HOLE * PAGE) == hole);
	close(dmabuf);
}

static void hole_in_anonymous(enum vttm_kind kind)
{
	char *map = mmap(NULL, BO_SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)kind;
	igt_assert(map != MAP_FAILED);
	run_over_hole(map, restore_anonymous, NULL, BO_PAGES);
	vttm_munmap(map, BO_SIZE);
}

static void hole_in_bo(enum vttm_kind kind)
{
	struct kvm_bo bo;
	uint32_t works;

	kvm_bo_init(&bo, kind, BO_SIZE, VTTM_BO_CACHED);
	fill(bo.map, 12);
	works = kvm_bo_first_refused(&bo, 0, bo.pages);
	igt_assert_eq(works == bo.pages, kind == VTTM_MODE);
	run_over_hole(bo.map, restore_bo, &bo, works);
	kvm_bo_check_counts(&bo);
	kvm_bo_fini(&bo);
}

/* The BO, then nothing, in one range that nobody else gets. */
static void map_before_nothing(struct kvm_bo *bo, size_t nothing)
{
	char *range = mmap(NULL, bo->size + nothing, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	igt_assert(range != MAP_FAILED);
	vttm_munmap(bo->map, bo->size);
	bo->map = mmap(range, bo->size, RW, MAP_SHARED | MAP_FIXED, bo->fd,
		       vttm_mmap_offset(bo->fd, bo->handle));
	igt_assert(bo->map == range);
	vttm_munmap(range + bo->size, nothing);
}

static void beyond_the_bo(enum vttm_kind kind)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	struct kvm_guest_job job;
	struct kvm_bo bo;

	kvm_bo_init(&bo, kind, BO_SIZE, VTTM_BO_CACHED);
	map_before_nothing(&bo, BO_SIZE);
	kvm_guest_map(guest, KVM_GUEST_GPA, bo.map, 2 * bo.size);

	/* The first page of a chunk, which has a count on stock, too. */
	job = kvm_bo_job(&bo, KVM_OP_WRITE, 13);
	job.pages = 1;
	kvm_guest_run_ok(guest, &job);
	job.gpa += bo.size;
	kvm_guest_run_efault(guest, &job, 0);

	job = kvm_bo_job(&bo, KVM_OP_WRITE, 14);
	if (kvm_bo_guest(&bo, guest, &job)) {
		struct kvm_guest_job beyond = job;

		beyond.pages += 2;
		kvm_guest_run_efault(guest, &beyond, bo.pages);
		kvm_host_verify(bo.map, &job);
		kvm_bo_check_counts(&bo);
	}
	igt_assert_eq(bo.refused, kind == VTTM_STOCK);
	kvm_guest_destroy(guest);
	kvm_bo_fini(&bo);
}

/* ---- All of them ------------------------------------------------------- */

#define ON_STOCK (1u << VTTM_STOCK)
#define ON_MODE (1u << VTTM_MODE)
#define ON_BOTH (ON_STOCK | ON_MODE)

static const struct test {
	const char *name;
	const char *description;
	void (*fn)(enum vttm_kind kind);
	unsigned int devices;
	/* So often that what one run loses adds up to something. */
	unsigned int repeat;
	bool kvm;
} tests[] = {
	{ "enable-twice", "new call: opting in once more: -EALREADY.",
	  enable_twice, ON_MODE, 30, false },
	{ "enable-after-first-bo",
	  "new call: opting in with a BO alive: -EBUSY.", enable_after_first_bo,
	  ON_STOCK, 30, false },
	{ "enable-null", "new call: opting in NULL: -EINVAL.", enable_null,
	  ON_BOTH, 30, false },
	{ "enable-foreign", "new call: opting in what is no device: -ENODEV.",
	  enable_foreign, ON_BOTH, 30, false },
	{ "mmap-range", "regression: mmap() of what is not exactly a BO.",
	  mmap_range, ON_BOTH, 30, false },
	{ "mmap-access", "regression: mmap() without the right to.",
	  mmap_access, ON_BOTH, 30, false },
	{ "mmap-dmabuf-range", "regression: mmap() beyond a dma-buf.",
	  mmap_dmabuf_range, ON_BOTH, 30, false },
	{ "ioctl-fields", "regression: every field of every private ioctl.",
	  ioctl_fields, ON_BOTH, 30, false },
	{ "ioctl-handles", "regression: handles that a file does not have.",
	  ioctl_handles, ON_BOTH, 30, false },
	{ "ioctl-sizes", "regression: shorter and longer arguments.",
	  ioctl_sizes, ON_BOTH, 30, false },
	{ "ioctl-pointers", "regression: arguments that cannot be accessed.",
	  ioctl_pointers, ON_BOTH, 30, false },
	{ "ioctl-numbers", "regression: numbers that no ioctl has.",
	  ioctl_numbers, ON_BOTH, 30, false },
	{ "dumb-and-prime", "regression: impossible dumb buffers and dma-bufs.",
	  dumb_and_prime, ON_BOTH, 30, false },
	{ "pinned", "regression: what an importer holds stays where it is.",
	  pinned, ON_BOTH, 20, false },
	{ "import-foreign", "regression: no import from another device.",
	  import_foreign, ON_BOTH, 30, false },
	{ "close-device-while-mapped",
	  "regression: a mapping outlives the file.", close_device_while_mapped,
	  ON_BOTH, 20, false },
	{ "close-handle-while-mapped",
	  "regression: a mapping outlives the handle.",
	  close_handle_while_mapped, ON_BOTH, 20, false },
	{ "close-in-any-order", "regression: the BO goes with its last user.",
	  close_in_any_order, ON_BOTH, 1, false },
	{ "many-bos", "regression: 200 BOs, one after the other.", many_bos,
	  ON_BOTH, 1, false },
	{ "many-bos-at-once", "regression: hundreds of BOs of odd sizes.",
	  many_bos_at_once, ON_BOTH, 1, false },
	{ "unload-while-in-use",
	  "regression: the modules stay while a BO is used.",
	  unload_while_in_use, ON_BOTH, 20, false },
	{ "memslot-bad-range", "regression: memslots that KVM refuses.",
	  memslot_bad_range, ON_BOTH, 20, true },
	{ "close-all-under-memslot", "A guest's BO whose file is closed.",
	  close_all_under_memslot, ON_BOTH, 20, true },
	{ "memslot-over-a-hole", "A guest stops at a hole in a BO.", hole_in_bo,
	  ON_BOTH, 20, true },
	{ "memslot-beyond-the-bo", "A guest stops at the end of a BO.",
	  beyond_the_bo, ON_BOTH, 20, true },
};

/* Shared with the child, while there is one. */
static volatile bool *handled;

static void note_exit(int sig)
{
	(void)sig;
	if (handled)
		*handled = true;
}

/*
 * After a plain fork() it would go on as the test, in each of its subtests, and handle its
 * parent's end.
 */
static void child_fails_alone(void)
{
	int status;
	pid_t pid;

	handled = mmap(NULL, sizeof(*handled), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert(handled != MAP_FAILED);
	igt_install_exit_handler(note_exit);
	pid = child_fork();
	if (!pid)
		igt_assert_f(false, "this is to fail\n");
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert(WIFEXITED(status));
	igt_assert_eq(WEXITSTATUS(status), IGT_EXIT_FAILURE);
	igt_assert(!*handled);
	munmap((void *)handled, sizeof(*handled));
	handled = NULL;
}

static const struct test control_hole = {
	.name = "memslot-over-a-hole",
	.fn = hole_in_anonymous,
	.repeat = 1,
	.kvm = true,
};

static void run(enum vttm_kind kind, const struct test *test)
{
	struct state before;

	if (test->kvm)
		kvm_bo_require(kind);
	close(vttm_open(kind));
	read_state(&before);
	igt_fork(child, 1)
	{
		for (unsigned int i = 0; i < test->repeat; i++)
			test->fn(kind);
	}
	igt_waitchildren_timeout(TEST_SECONDS, "a test does not end");
	assert_state(&before);
}

/* 4 MiB that nobody gives back are a difference. */
static void leak_check_can_fail(void)
{
	const size_t size = KVM_BO_MIB(4);
	struct state before, now;
	const char *what;
	char *lost;

	read_state(&before);
	igt_assert(!difference(&before, &before));
	lost = mmap(NULL, size, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert(lost != MAP_FAILED);
	memset(lost, 1, size);
	read_state(&now);
	what = difference(&before, &now);
	igt_assert_f(what && !strcmp(what, "memory is missing"), "%s\n",
		     what ?: "nothing was noticed");
	vttm_munmap(lost, size);
	assert_state(&before);
}

int igt_main()
{
	igt_describe("control: the check after each subtest notices 4 MiB.");
	igt_subtest("leak-check-can-fail") leak_check_can_fail();

	igt_describe("control: a failed assertion ends a child alone.");
	igt_subtest("control-a-child-fails-alone") child_fails_alone();
	igt_describe("control: a guest stops at a hole in ordinary memory.");
	igt_subtest("control-memslot-over-a-hole")
		run(VTTM_MODE, &control_hole);

	for (int kind = VTTM_STOCK; kind <= VTTM_MODE; kind++) {
		for_each_entry(i, tests)
		{
			if (!(tests[i].devices & (1u << kind)))
				continue;
			igt_describe(tests[i].description);
			igt_subtest_f("%s-%s", vttm_kind_name(kind),
				      tests[i].name) run(kind, &tests[i]);
		}
	}
}
