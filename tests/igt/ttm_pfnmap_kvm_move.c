// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap kvm move
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: TTM BOs as KVM guest memory
 * Description: The pages under a KVM guest's memory change: swapout, moves
 *	between memory types, eviction, unplug of the device. The guest's data
 *	survives. The stock twin, the same function, shows KVM_RUN = -EFAULT.
 *
 * SUBTEST: %s-swapout-%s
 * Description: The BO is swapped out several times; the guest or the host
 *	touches it first afterwards
 *
 * arg[1]:
 * @mode:	the opted-in device: works
 * @stock:	the twin: -EFAULT at the first tail page
 *
 * arg[2]:
 * @cached:	write-back BO
 * @wc:		write-combined BO
 * @uc:		uncached BO
 *
 * SUBTEST: %s-move-to-vram-and-back-%s
 * Description: The BO moves between the fake VRAM and system memory
 *
 * SUBTEST: %s-evict-from-vram
 * Description: Another BO pushes it out of the fake VRAM
 *
 * SUBTEST: %s-i8-unplug-%s
 * Description: The device is pulled: the guest then sees the dummy page,
 *	pages it could still hold stay in quarantine, nothing crashes. In the end
 *	all is given back
 */
#include <sys/mman.h>
#include <unistd.h>

#include "drm_mode.h"
#include "freemem.h"
#include "igt.h"
#include "kvm_bo.h"

#define SEED 0x20406080
#define ROUNDS 5
/* Above the noise, as in ttm_pfnmap_uapi; each round may lose less. */
#define LOST_KIB_MAX (2 * 1024)

/* The guest sees the old data and leaves new, which the host sees. */
static bool guest_turn(struct kvm_bo *bo, struct kvm_guest *guest,
		       uint32_t round)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_READ, SEED + round);

	if (!kvm_bo_guest(bo, guest, &job))
		return false;
	job.op = KVM_OP_WRITE;
	job.seed = SEED + round + 1;
	if (!kvm_bo_guest(bo, guest, &job))
		return false;
	kvm_host_verify(bo->map, &job);
	return true;
}

static uint32_t placement(const struct kvm_bo *bo)
{
	struct drm_vttm_info info;

	vttm_info(bo->fd, bo->handle, &info);
	return info.placement;
}

/* A VM with the BO, in which the host has written what round 0 reads. */
static struct kvm_guest *guest_create(struct kvm_bo *bo)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);

	kvm_host_write(bo->map, &job);
	kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	return guest;
}

static void swapout(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	struct kvm_guest *guest = guest_create(bo);

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		igt_assert_eq_u64(vttm_swapout(bo->fd, bo->handle), bo->pages);
		igt_assert_eq(placement(bo), VTTM_PL_SWAPPED);
		job.seed = SEED + i;
		if (i & 1)
			kvm_host_verify(bo->map, &job);
		if (!guest_turn(bo, guest, i))
			break;
		kvm_bo_check_counts(bo);
	}
	kvm_guest_destroy(guest);
}

/* Begins in VRAM, whose pages stock KVM takes, too. */
static void move(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest *guest = guest_create(bo);

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t want = i & 1 ? VTTM_PL_SYSTEM : VTTM_PL_VRAM;

		vttm_move(bo->fd, bo->handle, want);
		if (!guest_turn(bo, guest, i)) {
			igt_assert_eq(want, VTTM_PL_SYSTEM);
			break;
		}
		igt_assert_eq(placement(bo), want);
		if (want == VTTM_PL_SYSTEM)
			kvm_bo_check_counts(bo);
	}
	kvm_guest_destroy(guest);
}

static void evict(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest *guest;
	const size_t all = vttm_param(bo->fd, VTTM_PARAM_VRAM_SIZE);
	uint32_t other;

	(void)arg;
	guest = guest_create(bo);
	igt_assert_eq(placement(bo), VTTM_PL_VRAM);
	igt_assert(guest_turn(bo, guest, 0));

	other = vttm_create(bo->fd, all, VTTM_BO_VRAM);
	vttm_move(bo->fd, other, VTTM_PL_VRAM);
	igt_assert_neq(placement(bo), VTTM_PL_VRAM);
	if (guest_turn(bo, guest, 1))
		kvm_bo_check_counts(bo);
	vttm_close_bo(bo->fd, other);
	kvm_guest_destroy(guest);
}

/* Reserved pages are kept while the VM is there, counted ones go at once. */
static void assert_quarantined(const struct kvm_bo *bo, bool reserved)
{
	struct vttm_counters counters;

	if (bo->kind == VTTM_STOCK)
		return;
	vttm_counters_total(&counters);
	igt_assert_eq_u64(counters.pages_quarantined, reserved ? bo->pages : 0);
}

/*
 * Ioctls, and mmap(), of a pulled device fail, whatever they are given. Valid
 * arguments, so that nothing else is wrong with them.
 */
static void assert_gone(const struct kvm_bo *bo, uint64_t offset)
{
	struct drm_vttm_create create = { .size = KVM_GUEST_PAGE };
	struct drm_vttm_swapout swapout = { .handle = bo->handle };
	struct drm_vttm_move move = { .handle = bo->handle };
	struct drm_vttm_page page = { .handle = bo->handle };
	struct drm_vttm_info info = { .handle = bo->handle };
	struct drm_vttm_param param = { .param = VTTM_PARAM_LIVE_BOS };
	struct drm_vttm_ctl ctl = { .op = VTTM_CTL_UNPLUG };
	struct drm_vttm_purge purge = { .handle = bo->handle };
	struct drm_vttm_pfn pfn = { .pfn = 256 };
	struct drm_mode_create_dumb dumb = {
		.height = 64,
		.width = 64,
		.bpp = 32,
	};
	struct drm_mode_map_dumb map = { .handle = bo->handle };
	struct drm_prime_handle prime = { .handle = bo->handle };
	struct drm_gem_close gem_close = { .handle = bo->handle };
	const struct {
		const char *name;
		unsigned long request;
		void *arg;
	} ioctls[] = {
		{ "CREATE", DRM_IOCTL_VTTM_CREATE, &create },
		{ "SWAPOUT", DRM_IOCTL_VTTM_SWAPOUT, &swapout },
		{ "MOVE", DRM_IOCTL_VTTM_MOVE, &move },
		{ "PAGE", DRM_IOCTL_VTTM_PAGE, &page },
		{ "INFO", DRM_IOCTL_VTTM_INFO, &info },
		{ "PARAM", DRM_IOCTL_VTTM_PARAM, &param },
		{ "CTL", DRM_IOCTL_VTTM_CTL, &ctl },
		{ "PURGE", DRM_IOCTL_VTTM_PURGE, &purge },
		{ "PFN", DRM_IOCTL_VTTM_PFN, &pfn },
		{ "CREATE_DUMB", DRM_IOCTL_MODE_CREATE_DUMB, &dumb },
		{ "MAP_DUMB", DRM_IOCTL_MODE_MAP_DUMB, &map },
		{ "export", DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime },
		{ "GEM_CLOSE", DRM_IOCTL_GEM_CLOSE, &gem_close },
	};

	for (size_t i = 0; i < sizeof(ioctls) / sizeof(ioctls[0]); i++) {
		int ret = vttm_ioctl(bo->fd, ioctls[i].request, ioctls[i].arg);

		igt_assert_f(ret == -ENODEV, "%s: %s\n", ioctls[i].name,
			     strerror(-ret));
	}
	igt_assert(mmap(NULL, bo->size, PROT_READ, MAP_SHARED, bo->fd,
			offset) == MAP_FAILED);
	igt_assert_eq(errno, ENODEV);
}

static void unplug(struct kvm_bo *bo, const void *arg)
{
	const uint64_t offset = vttm_mmap_offset(bo->fd, bo->handle);
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	struct kvm_guest *guest = guest_create(bo);
	char *device = strdup(vttm_dev_name(bo->fd));
	bool reserved;

	(void)arg;
	guest_turn(bo, guest, 0);

	reserved = vttm_policy_is(bo->fd, "reserved");
	igt_assert_eq(vttm_ctl(bo->fd, VTTM_CTL_UNPLUG), 0);
	assert_quarantined(bo, reserved);
	job.zero = true;
	job.op = KVM_OP_READ;
	kvm_guest_run_ok(guest, &job);
	kvm_host_verify(bo->map, &job);
	/* One page stands for all, so only its last words could be verified. */
	job.zero = false;
	job.op = KVM_OP_WRITE;
	kvm_guest_run_ok(guest, &job);
	assert_quarantined(bo, reserved);

	assert_gone(bo, offset);
	/* Its BOs end with the file. */
	bo->handle = 0;
	kvm_bo_fini(bo);
	kvm_guest_destroy(guest);
	vttm_replug(device);
	free(device);
}

/* For the tests that follow a failed one. */
static void replug_if_gone(enum vttm_kind kind, const char *device)
{
	int fd = __vttm_open(kind);

	if (fd < 0)
		vttm_replug(device);
	else
		close(fd);
}

static void subtests(enum vttm_kind kind, const char *caching, uint32_t flags)
{
	const char *name = vttm_kind_name(kind);
	struct kvm_bo_test test = { .size = KVM_BO_MIB(2), .flags = flags };

	test.fn = swapout;
	igt_describe("Swapped out several times under a VM.");
	igt_subtest_f("%s-swapout-%s", name, caching) kvm_bo_run(kind, &test);

	test.fn = move;
	test.flags = flags | VTTM_BO_VRAM;
	igt_describe("To the fake VRAM and back under a VM.");
	igt_subtest_f("%s-move-to-vram-and-back-%s", name, caching)
		kvm_bo_run(kind, &test);
}

/* So often that what is lost each time, of a BO of 2 MiB, adds up. */
static void run_unplug(enum vttm_kind kind, const struct kvm_bo_test *test)
{
	long before;

	kvm_bo_require(kind);
	freemem_drop_caches();
	before = freemem_kib();
	for (int i = 0; i < ROUNDS; i++)
		kvm_bo_run(kind, test);
	freemem_assert_not_lost(before, LOST_KIB_MAX);
}

static void unplug_subtests(enum vttm_kind kind)
{
	static char device[2][64];
	struct kvm_bo_test test = { .fn = unplug, .size = KVM_BO_MIB(2) };

	igt_fixture()
	{
		int fd = __vttm_open(kind);

		if (fd >= 0) {
			snprintf(device[kind], sizeof(device[kind]), "%s",
				 vttm_dev_name(fd));
			close(fd);
		}
	}
	for (int i = 0; i < KVM_BO_CACHINGS; i++) {
		test.flags = kvm_bo_cachings[i].flags;
		igt_describe("The device is pulled under a VM.");
		igt_subtest_f("%s-i8-unplug-%s", vttm_kind_name(kind),
			      kvm_bo_cachings[i].name) run_unplug(kind, &test);
		igt_fixture()
		{
			if (device[kind][0])
				replug_if_gone(kind, device[kind]);
		}
	}
}

int igt_main()
{
	const struct kvm_bo_test evict_test = {
		.fn = evict,
		.size = KVM_BO_MIB(2),
		.flags = VTTM_BO_VRAM,
	};

	igt_fixture() igt_require_f(kvm_available(), "no usable /dev/kvm\n");

	for (int kind = VTTM_STOCK; kind <= VTTM_MODE; kind++) {
		for (int i = 0; i < KVM_BO_CACHINGS; i++)
			subtests(kind, kvm_bo_cachings[i].name,
				 kvm_bo_cachings[i].flags);
		igt_describe("Evicted from the fake VRAM under a VM.");
		igt_subtest_f("%s-evict-from-vram", vttm_kind_name(kind))
			kvm_bo_run(kind, &evict_test);
		unplug_subtests(kind);
	}
}
