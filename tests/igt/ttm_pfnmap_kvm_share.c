// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap kvm share
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: TTM BOs as KVM guest memory
 * Description: One TTM BO, several users: memslots, VMs, VMM processes, and a
 *	dma-buf of it as guest memory. The stock twin, the same function, shows
 *	KVM_RUN = -EFAULT.
 */

/**
 * SUBTEST: %s-several-slots
 * Description: Four memslots on one BO: the whole, the same addresses again,
 *	the second half, and a second mapping. What is written through one is
 *	seen through the others
 *
 * arg[1]:
 * @mode:	the opted-in device: works
 * @stock:	the twin: -EFAULT at the first tail page
 */

/**
 * SUBTEST: %s-slot-removed-and-added
 * Description: The memslot goes and comes back at another address
 *
 * arg[1]:
 * @mode:	the opted-in device: works
 * @stock:	the twin: -EFAULT at the first tail page
 */

/**
 * SUBTEST: %s-two-vms
 * Description: Two VMs of one process on one BO
 *
 * arg[1]:
 * @mode:	the opted-in device: works
 * @stock:	the twin: -EFAULT at the first tail page
 */

/**
 * SUBTEST: %s-two-vmm-processes
 * Description: Two processes, a VM each, on one BO
 *
 * arg[1]:
 * @mode:	the opted-in device: works
 * @stock:	the twin: -EFAULT at the first tail page
 */

/**
 * SUBTEST: %s-dma-buf-slot-%s
 * Description: The mapping of the BO's dma-buf is the memslot
 *
 * arg[1]:
 * @mode:	the opted-in device: works
 * @stock:	the twin: -EFAULT at the first tail page
 *
 * arg[2]:
 * @cached:	write-back BO
 * @wc:		write-combined BO
 */

/**
 * SUBTEST: %s-imported-by-another-client
 * Description: Another DRM file imports the dma-buf; its mapping is the memslot
 *
 * arg[1]:
 * @mode:	the opted-in device: works
 * @stock:	the twin: -EFAULT at the first tail page
 */

/**
 * SUBTEST: %s-dumb-buffer
 * Description: A dumb buffer's mapping is the memslot
 *
 * arg[1]:
 * @mode:	the opted-in device: works
 * @stock:	the twin: -EFAULT at the first tail page
 */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "igt.h"
#include "kvm_bo.h"

#define SEED 0x31415926
#define GPA_B (KVM_GUEST_GPA + KVM_BO_MIB(64))
#define GPA_C (KVM_GUEST_GPA + KVM_BO_MIB(128))
#define GPA_D (KVM_GUEST_GPA + KVM_BO_MIB(192))

static bool guest_at(struct kvm_bo *bo, struct kvm_guest *guest,
		     enum kvm_guest_op op, uint32_t seed, uint64_t gpa)
{
	struct kvm_guest_job job = kvm_bo_job(bo, op, seed);

	job.gpa = gpa;
	return kvm_bo_guest(bo, guest, &job);
}

static bool guest_second_half(struct kvm_bo *bo, struct kvm_guest *guest,
			      enum kvm_guest_op op, uint32_t seed, uint64_t gpa)
{
	struct kvm_guest_job job = kvm_bo_job(bo, op, seed);

	job.gpa = gpa;
	job.first = bo->pages / 2;
	job.pages = bo->pages - job.first;
	return kvm_bo_guest(bo, guest, &job);
}

static void several_slots(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	void *second = vttm_mmap(bo->fd, bo->handle, bo->size);
	const size_t half = bo->size / 2;

	(void)arg;
	kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	kvm_guest_map(guest, GPA_B, bo->map, bo->size);
	kvm_guest_map(guest, GPA_C, (char *)bo->map + half, half);
	kvm_guest_map(guest, GPA_D, second, bo->size);

	if (guest_at(bo, guest, KVM_OP_WRITE, SEED, KVM_GUEST_GPA) &&
	    guest_at(bo, guest, KVM_OP_READ, SEED, GPA_B) &&
	    guest_second_half(bo, guest, KVM_OP_READ, SEED, GPA_C) &&
	    guest_at(bo, guest, KVM_OP_READ, SEED, GPA_D) &&
	    guest_second_half(bo, guest, KVM_OP_WRITE, ~SEED, GPA_C) &&
	    guest_second_half(bo, guest, KVM_OP_READ, ~SEED, GPA_D + half) &&
	    guest_at(bo, guest, KVM_OP_WRITE, SEED + 1, GPA_D) &&
	    guest_at(bo, guest, KVM_OP_READ, SEED + 1, KVM_GUEST_GPA))
		kvm_bo_check_counts(bo);
	vttm_munmap(second, bo->size);
	kvm_guest_destroy(guest);
}

static void slot_removed(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	uint32_t seed = SEED;
	int slot;

	(void)arg;
	slot = kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	if (guest_at(bo, guest, KVM_OP_WRITE, seed, KVM_GUEST_GPA)) {
		kvm_guest_unmap(guest, slot);
		kvm_guest_map(guest, GPA_B, bo->map, bo->size);
		igt_assert(guest_at(bo, guest, KVM_OP_READ, seed, GPA_B));
		kvm_bo_check_counts(bo);
	}
	kvm_guest_destroy(guest);
}

static void two_vms(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest *a = kvm_guest_create(KVM_GUEST_FLAT32);
	struct kvm_guest *b = kvm_guest_create(KVM_GUEST_LONG64);

	(void)arg;
	kvm_guest_map(a, KVM_GUEST_GPA, bo->map, bo->size);
	kvm_guest_map(b, GPA_B, bo->map, bo->size);
	if (guest_at(bo, a, KVM_OP_WRITE, SEED, KVM_GUEST_GPA) &&
	    guest_at(bo, b, KVM_OP_READ_WRITE, SEED, GPA_B) &&
	    guest_at(bo, a, KVM_OP_READ, ~SEED, KVM_GUEST_GPA))
		kvm_bo_check_counts(bo);
	kvm_guest_destroy(a);
	/* One VM less is no reason to lose the other's pages. */
	if (!bo->refused) {
		igt_assert(guest_at(bo, b, KVM_OP_READ, ~SEED, GPA_B));
		kvm_bo_check_counts(bo);
	}
	kvm_guest_destroy(b);
}

/* A VM in a child that shares @bo's mapping by fork. */
static void child_vmm(struct kvm_bo *bo)
{
	struct kvm_guest *guest;
	int status;
	pid_t pid;

	pid = child_fork();
	if (!pid) {
		guest = kvm_guest_create(KVM_GUEST_FLAT32);
		kvm_guest_map(guest, GPA_B, bo->map, bo->size);
		igt_assert(guest_at(bo, guest, KVM_OP_READ_WRITE, SEED, GPA_B));
		exit(0);
	}
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
}

static void two_processes(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);

	(void)arg;
	kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	if (guest_at(bo, guest, KVM_OP_WRITE, SEED, KVM_GUEST_GPA)) {
		child_vmm(bo);
		igt_assert(
			guest_at(bo, guest, KVM_OP_READ, ~SEED, KVM_GUEST_GPA));
		kvm_bo_check_counts(bo);
	}
	kvm_guest_destroy(guest);
}

/* The guest writes through @map, the host reads through the BO's, and back. */
static void slot_on(struct kvm_bo *bo, void *map)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);

	kvm_guest_map(guest, KVM_GUEST_GPA, map, bo->size);
	if (kvm_bo_guest(bo, guest, &job)) {
		kvm_host_verify(bo->map, &job);
		job.seed = ~SEED;
		kvm_host_write(bo->map, &job);
		job.op = KVM_OP_READ;
		igt_assert(kvm_bo_guest(bo, guest, &job));
		kvm_bo_check_counts(bo);
	}
	kvm_guest_destroy(guest);
}

static void dma_buf_slot(struct kvm_bo *bo, const void *arg)
{
	int dmabuf = vttm_export(bo->fd, bo->handle);
	void *map;

	(void)arg;
	map = mmap(NULL, bo->size, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf,
		   0);
	igt_assert_f(map != MAP_FAILED, "mmap of a dma-buf: %s\n",
		     strerror(errno));
	slot_on(bo, map);
	vttm_munmap(map, bo->size);
	close(dmabuf);
}

static void imported(struct kvm_bo *bo, const void *arg)
{
	int dmabuf = vttm_export(bo->fd, bo->handle);
	int other = __vttm_open(bo->kind);
	uint32_t handle;
	void *map;

	(void)arg;
	igt_assert_fd(other);
	handle = vttm_import(other, dmabuf);
	map = vttm_mmap(other, handle, bo->size);
	slot_on(bo, map);
	vttm_munmap(map, bo->size);
	vttm_close_bo(other, handle);
	close(other);
	close(dmabuf);
}

/* In the BO's place: 32 bits a pixel, 4096 bytes a line. */
static void dumb_buffer(struct kvm_bo *bo, const void *arg)
{
	struct drm_mode_create_dumb create = {
		.width = 1024,
		.height = bo->size / 4096,
		.bpp = 32,
	};
	struct drm_mode_map_dumb offset = {};

	(void)arg;
	kvm_bo_free(bo);
	igt_assert_eq(vttm_ioctl(bo->fd, DRM_IOCTL_MODE_CREATE_DUMB, &create),
		      0);
	igt_assert_eq_u64(create.size, bo->size);
	bo->handle = offset.handle = create.handle;
	igt_assert_eq(vttm_ioctl(bo->fd, DRM_IOCTL_MODE_MAP_DUMB, &offset), 0);
	bo->map = mmap(NULL, bo->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       bo->fd, offset.offset);
	igt_assert(bo->map != MAP_FAILED);
	slot_on(bo, bo->map);
}

static const struct {
	const char *name, *describe;
	void (*fn)(struct kvm_bo *bo, const void *arg);
	uint32_t flags;
} tests[] = {
	{ "several-slots", "Four memslots on one BO.", several_slots,
	  VTTM_BO_CACHED },
	{ "slot-removed-and-added", "The memslot goes and comes elsewhere.",
	  slot_removed, VTTM_BO_CACHED },
	{ "two-vms", "Two VMs of one process on one BO.", two_vms,
	  VTTM_BO_CACHED },
	{ "two-vmm-processes", "Two processes, a VM each, on one BO.",
	  two_processes, VTTM_BO_CACHED },
	{ "dma-buf-slot-cached", "The dma-buf's mapping is the memslot.",
	  dma_buf_slot, VTTM_BO_CACHED },
	{ "dma-buf-slot-wc", "The dma-buf's mapping is the memslot.",
	  dma_buf_slot, VTTM_BO_WC },
	{ "imported-by-another-client", "Another client's mapping of the BO.",
	  imported, VTTM_BO_CACHED },
	{ "dumb-buffer", "A dumb buffer is the memslot.", dumb_buffer,
	  VTTM_BO_CACHED },
};

int igt_main()
{
	igt_fixture() igt_require_f(kvm_available(), "no usable /dev/kvm\n");

	for (int kind = VTTM_STOCK; kind <= VTTM_MODE; kind++) {
		for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
			const struct kvm_bo_test test = {
				.fn = tests[i].fn,
				.size = KVM_BO_MIB(2),
				.flags = tests[i].flags,
			};

			igt_describe(tests[i].describe);
			igt_subtest_f("%s-%s", vttm_kind_name(kind),
				      tests[i].name) kvm_bo_run(kind, &test);
		}
	}
}
