// SPDX-License-Identifier: MIT
/**
 * TEST: virtgpu blob kinds
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: virtio-gpu
 * Functionality: blob resources
 * Description: Every kind of blob with every combination of flags: what the host
 *	refuses is refused in the same way in both modes, but for memory of the guest that
 *	the host does not know, which is no blob with TTM. What works, works for the CPU,
 *	through the dma-buf, and as memory of a KVM guest, and nobody gets a
 *	reference to its pages.
 */

/**
 * SUBTEST: kind-%s-%s-%s
 * Description: regression: This kind of blob
 *
 * arg[1]:
 * @default:		the file has asked for no context
 * @virgl:		a GL buffer that can be mapped for long
 * @transient:		virgl: one that cannot
 * @venus:		shared memory
 *
 * arg[2]:
 * @guest:		GUEST, which no context has to know
 * @host3d:		HOST3D
 * @host3d-guest:	HOST3D_GUEST
 *
 * arg[3]:
 * @unflagged:		no flags
 * @mappable:		MAPPABLE
 * @shareable:		SHAREABLE
 * @both:		MAPPABLE and SHAREABLE
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "igt.h"
#include "kvm.h"
#include "virtgpu.h"
#include "virtgpu_drm.h"

#define BLOB (1u << 20)
#define SEED 0x0b10b
#define MAPPABLE VIRTGPU_BLOB_FLAG_USE_MAPPABLE

static const struct maker {
	const char *name;
	enum virtgpu_context context;
	bool transient;
} makers[] = {
	{ "default", VIRTGPU_DEFAULT_CONTEXT, false },
	{ "virgl", VIRTGPU_VIRGL, false },
	{ "transient", VIRTGPU_VIRGL, true },
	{ "venus", VIRTGPU_VENUS, false },
};

static const char *const mem_names[] = {
	[VIRTGPU_BLOB_MEM_GUEST] = "guest",
	[VIRTGPU_BLOB_MEM_HOST3D] = "host3d",
	[VIRTGPU_BLOB_MEM_HOST3D_GUEST] = "host3d-guest",
};

static const char *const flag_names[] = {
	[0] = "unflagged",
	[MAPPABLE] = "mappable",
	[VIRTGPU_BLOB_FLAG_USE_SHAREABLE] = "shareable",
	[MAPPABLE | VIRTGPU_BLOB_FLAG_USE_SHAREABLE] = "both",
};

struct kind {
	const struct maker *maker;
	uint32_t mem, flags;
};

/* What is to come of it; seen with the stock driver on 6.1 and 6.12. */
struct outcome {
	int create, mmap;
	struct virtgpu_refusals refusals;
};

/* Does the host make one? venus' shared memory is to be mapped, and only that. */
static bool host_knows(const struct kind *kind)
{
	switch (kind->maker->context) {
	case VIRTGPU_DEFAULT_CONTEXT:
		return false;
	case VIRTGPU_VENUS:
		return kind->flags == MAPPABLE;
	default:
		return true;
	}
}

static struct outcome expected(const struct kind *kind)
{
	const bool ttm = virtgpu_ttm_blobs();
	struct outcome outcome = {};

	if (kind->mem == VIRTGPU_BLOB_MEM_GUEST)
		return outcome;
	if (kind->mem == VIRTGPU_BLOB_MEM_HOST3D_GUEST) {
		if (!host_knows(kind)) {
			outcome.create = ttm ? -EINVAL : 0;
			outcome.refusals.creates = 1;
			/* Stock does not know. */
			outcome.refusals.unrefs = !ttm;
		}
		return outcome;
	}
	if (!host_knows(kind)) {
		outcome.mmap = -EINVAL;
		outcome.refusals.creates = 1;
		outcome.refusals.unrefs = 1;
		if (kind->flags & MAPPABLE) {
			outcome.refusals.maps = 1;
			outcome.refusals.unmaps = !ttm;
		}
	} else if (!(kind->flags & MAPPABLE)) {
		outcome.mmap = -EINVAL;
	} else if (kind->maker->transient) {
		outcome.mmap = -EINVAL;
		outcome.refusals.maps = 1;
	}
	return outcome;
}

/* Cold: the guest touches it first. Then what the CPU writes. */
static void check_kvm(void *map)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	struct kvm_guest_job todo = kvm_guest_job_of(KVM_OP_WRITE, BLOB, SEED);

	kvm_guest_map(guest, KVM_GUEST_GPA, map, BLOB);
	kvm_guest_run_ok(guest, &todo);
	kvm_host_verify(map, &todo);
	todo = kvm_guest_job_of(KVM_OP_READ, BLOB, SEED + 1);
	kvm_host_write(map, &todo);
	kvm_guest_run_ok(guest, &todo);
	kvm_guest_destroy(guest);
}

static void check_dmabuf(struct virtgpu *gpu, const struct virtgpu_blob *blob,
			 void *map)
{
	struct kvm_guest_job todo =
		kvm_guest_job_of(KVM_OP_WRITE, BLOB, SEED + 2);
	int fd = virtgpu_blob_export(gpu, blob);
	void *other =
		mmap(NULL, BLOB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	igt_assert(other != MAP_FAILED);
	kvm_host_write(other, &todo);
	kvm_host_verify(map, &todo);
	check_kvm(other);
	munmap(other, BLOB);
	close(fd);
}

/* Two ways to get a reference to @map's page: 0, or the errno that both say. */
static int gup(void *map)
{
	uint32_t word;
	struct iovec here = { .iov_base = &word, .iov_len = sizeof(word) };
	struct iovec there = { .iov_base = map, .iov_len = sizeof(word) };
	int ends[2], read_errno, splice_errno;

	igt_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	read_errno = process_vm_readv(getpid(), &here, 1, &there, 1, 0) < 0 ?
			     errno :
			     0;
	splice_errno = vmsplice(ends[1], &there, 1, 0) < 0 ? errno : 0;
	close(ends[0]);
	close(ends[1]);
	igt_assert_eq(read_errno, splice_errno);
	return read_errno;
}

/* Has the mapping at @map this flag, in the words of /proc/self/smaps? */
static bool vm_flag(const void *map, const char *flag)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[512], want[64];
	bool here = false, has = false;

	igt_assert(smaps);
	snprintf(want, sizeof(want), "%lx-", (unsigned long)map);
	while (fgets(line, sizeof(line), smaps)) {
		if (!strncmp(line, want, strlen(want)))
			here = true;
		if (here && !strncmp(line, "VmFlags:", 8)) {
			has = strstr(line, flag);
			break;
		}
	}
	fclose(smaps);
	igt_assert(here);
	return has;
}

static void check_works(struct virtgpu *gpu, const struct kind *kind,
			const struct virtgpu_blob *blob, void *map)
{
	const bool window = kind->mem == VIRTGPU_BLOB_MEM_HOST3D;
	const bool ttm = virtgpu_ttm_blobs();

	check_kvm(map);
	check_dmabuf(gpu, blob, map);
	igt_assert_eq(gup(map), EFAULT);
	igt_assert_eq(gup(&gpu->fd), 0);
	igt_assert(vm_flag(map, " pf "));
	igt_assert_eq(vm_flag(map, " mm "), window && !ttm);
	/* shmem's mappings are not said to be I/O. */
	igt_assert_eq(vm_flag(map, " io "), window || ttm);
}

static void test_kind(const struct kind *kind)
{
	const struct virtgpu_blob_params params = {
		.size = BLOB,
		.mem = kind->mem,
		.flags = kind->flags,
		.no_flags = !kind->flags,
		.unmappable = kind->maker->transient,
	};
	const struct outcome outcome = expected(kind);
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	void *map;

	if (virtgpu_ttm_blobs())
		virtgpu_window_wait_empty();
	virtgpu_expect_refusals(outcome.refusals);
	virtgpu_open(&gpu, kind->maker->context);
	igt_assert_eq(__virtgpu_blob(&gpu, &params, &blob), outcome.create);
	if (!outcome.create) {
		igt_assert_eq(__virtgpu_blob_mmap(&gpu, &blob, &map),
			      outcome.mmap);
		if (!outcome.mmap) {
			check_works(&gpu, kind, &blob, map);
			munmap(map, BLOB);
		}
	}
	virtgpu_close(&gpu);
}

int igt_main()
{
	igt_fixture() igt_require_f(kvm_available(), "no usable /dev/kvm\n");

	for (size_t i = 0; i < sizeof(makers) / sizeof(*makers); i++) {
		for (uint32_t mem = VIRTGPU_BLOB_MEM_GUEST;
		     mem <= VIRTGPU_BLOB_MEM_HOST3D_GUEST; mem++) {
			for (uint32_t flags = 0; flags < 4; flags++) {
				const struct kind kind = { &makers[i], mem,
							   flags };

				igt_describe("regression: this kind of blob");
				igt_subtest_f("kind-%s-%s-%s", makers[i].name,
					      mem_names[mem], flag_names[flags])
					test_kind(&kind);
			}
		}
	}
}
