// SPDX-License-Identifier: MIT
/**
 * TEST: virtgpu blob entries
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: virtio-gpu
 * Functionality: how the host is told where the guest's memory is
 * Description: With virtio_gpu.ttm_blobs=1 the pages of GUEST and HOST3D_GUEST
 *	blobs come from TTM's pool, in large chunks, so few entries describe them. The
 *	tests run with both values of the parameter, and each asserts what its kind of
 *	memory does. For a device without an IOMMU.
 *
 * SUBTEST: entries-fresh
 * Description: How many entries 64 MiB need before memory was used: at most 64.
 *	Without TTM it is a matter of luck
 *
 * SUBTEST: entries-churn
 * Description: The same while memory is used and freed again and again. shmem, which
 *	is what buffers that are no blobs are made of in both modes, needs more
 *
 * SUBTEST: entries-too-many
 * Description: All free memory is in single pages, and the host takes no more than
 *	16384 entries: the ioctl says so. Without TTM: a blob without memory
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "igt.h"
#include "virtgpu.h"
#include "virtgpu_drm.h"

#define MIB(n) ((uint64_t)(n) << 20)
#define PAGE 4096u
#define LARGE MIB(64)
#define ENTRIES 64
/* QEMU's bound. */
#define MAX_ENTRIES 16384
#define ROUNDS 6
/* What the kernel may keep for itself; it comes in large pieces. */
#define MARGIN MIB(96)
#define COMPACT "/proc/sys/vm/compact_unevictable_allowed"
#define BOOST "/proc/sys/vm/watermark_boost_factor"
/* Since Linux 5.18. */
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

/* How many entries a blob takes, or a buffer of shmem. */
static uint64_t blob_entries(struct virtgpu *gpu, bool shmem)
{
	const char *count = shmem || !virtgpu_ttm_blobs() ? "shmem-entries" :
							    "ttm-entries";
	struct virtgpu_blob_params params = {
		.size = LARGE,
		.mem = VIRTGPU_BLOB_MEM_GUEST,
	};
	uint64_t before = virtgpu_guest_count(count);
	struct virtgpu_blob blob;

	if (shmem)
		virtgpu_buffer(gpu, LARGE, &blob);
	else
		igt_assert_eq(__virtgpu_blob(gpu, &params, &blob), 0);
	virtgpu_blob_close(gpu, &blob);
	return virtgpu_guest_count(count) - before;
}

static void test_entries_fresh(void)
{
	struct virtgpu gpu;
	uint64_t entries;

	virtgpu_open(&gpu, VIRTGPU_VIRGL);
	entries = blob_entries(&gpu, false);
	printf("64 MiB: %llu entries\n", (unsigned long long)entries);
	if (virtgpu_ttm_blobs())
		igt_assert_lte_u64(entries, ENTRIES);
	virtgpu_close(&gpu);
}

static void test_entries_churn(void)
{
	uint64_t worst = 0, shmem = 0, now;
	struct virtgpu gpu;

	virtgpu_open(&gpu, VIRTGPU_VIRGL);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		virtgpu_use_memory(MIB(64 + 32 * (round % 4)));
		now = blob_entries(&gpu, true);
		shmem = now > shmem ? now : shmem;
		now = blob_entries(&gpu, false);
		worst = now > worst ? now : worst;
	}
	printf("64 MiB: at most %llu entries, shmem %llu\n",
	       (unsigned long long)worst, (unsigned long long)shmem);
	virtgpu_close(&gpu);
	if (virtgpu_ttm_blobs()) {
		igt_assert_lte_u64(worst, ENTRIES);
		igt_assert_lt_u64(worst, shmem);
	} else {
		igt_assert_lt_u64(ENTRIES, worst > shmem ? worst : shmem);
	}
}

static uint64_t free_memory(void)
{
	struct sysinfo info;

	igt_assert_eq(sysinfo(&info), 0);
	return info.freeram * info.mem_unit;
}

/* Gives those pages back whose numbers are odd. */
static void free_odd_pages(char *map, size_t size)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry[512];

	igt_assert_fd(fd);
	for (size_t i = 0; i < size; i += 512 * PAGE, map += 512 * PAGE) {
		igt_assert_eq(pread(fd, entry, sizeof(entry),
				    (uintptr_t)map / PAGE * sizeof(*entry)),
			      sizeof(entry));
		for (int page = 0; page < 512; page++)
			if (entry[page] & 1)
				igt_assert_eq(madvise(map + page * PAGE, PAGE,
						      MADV_DONTNEED_LOCKED),
					      0);
	}
	close(fd);
}

/*
 * Takes all memory in pages that the kernel cannot move, and gives every second one
 * back: none has a free neighbour.
 */
static void break_memory(void)
{
	size_t size;
	char *map;

	virtgpu_write_file(COMPACT, "0");
	/* It would keep more and more back. */
	virtgpu_write_file(BOOST, "0");
	size = (free_memory() & ~(MIB(2) - 1)) - MARGIN;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(map != MAP_FAILED);
	madvise(map, size, MADV_NOHUGEPAGE);
	igt_assert_eq(mlock(map, size), 0);
	free_odd_pages(map, size);
}

static void test_entries_too_many(void)
{
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	bool ttm = virtgpu_ttm_blobs();
	const char *count = ttm ? "ttm-entries" : "shmem-entries";
	uint64_t before = virtgpu_guest_count(count), entries;
	struct virtgpu_blob_params params = {
		.mem = VIRTGPU_BLOB_MEM_GUEST,
	};
	int ret;

	/* Whose memory is whole again when it ends. */
	igt_fork(child, 1)
	{
		virtgpu_open(&gpu, VIRTGPU_VENUS);
		break_memory();
		params.size = free_memory() / 3 * 2;
		ret = __virtgpu_blob(&gpu, &params, &blob);
		entries = virtgpu_guest_count(count) - before;
		printf("%llu MiB: %llu entries\n",
		       (unsigned long long)params.size >> 20,
		       (unsigned long long)entries);
		igt_assert_lt_u64(MAX_ENTRIES, entries);
		igt_assert_eq(ret, ttm ? -EINVAL : 0);
		virtgpu_close(&gpu);
	}
	igt_waitchildren();
	virtgpu_write_file(COMPACT, "1");
	virtgpu_write_file(BOOST, "15000");
	/* Without TTM the host is told to forget it, too. */
	virtgpu_expect_refusals(
		(struct virtgpu_refusals){ .creates = 1, .unrefs = !ttm });
}

int igt_main()
{
	igt_describe(
		"Entries of 64 MiB in unused memory (twin: entries-churn)");
	igt_subtest("entries-fresh") test_entries_fresh();
	igt_describe(
		"Entries of 64 MiB in memory that was used (twin: within)");
	igt_subtest("entries-churn") test_entries_churn();
	igt_describe(
		"The host refuses a blob of too many pieces (twin: within)");
	igt_subtest("entries-too-many") test_entries_too_many();
}
