// SPDX-License-Identifier: MIT
/**
 * TEST: virtgpu blob map info
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: virtio-gpu
 * Functionality: the memory type of blobs in the host-visible window
 * Description: The host says with each blob that it maps how the CPU is to cache it.
 *	The module host_map_info changes what it says. The memory type is the one
 *	that the kernel has noted for the addresses (debugfs x86/pat_memtype_list), and
 *	that of the PTEs.
 *	Asserted with both values of virtio_gpu.ttm_blobs, in a window above 4 GiB
 *	(below, firmware makes devices uncached by MTRRs, whatever is asked for).
 *
 * SUBTEST: map-info-%s
 * Description: A blob of which the host says this; with TTM, another time after it
 *	was evicted
 *
 * arg[1]:
 *
 * @cached:		VIRTIO_GPU_MAP_CACHE_CACHED
 * @uncached:		VIRTIO_GPU_MAP_CACHE_UNCACHED
 * @wc:			VIRTIO_GPU_MAP_CACHE_WC
 * @none:		VIRTIO_GPU_MAP_CACHE_NONE, which says nothing
 * @unknown:		a value that the protocol does not have
 *
 * SUBTEST: map-info-changes
 * Description: The host says something else each time that a blob comes in
 *
 * SUBTEST: map-info-unplug
 * Description: The device goes away while a blob is mapped: the kernel has noted
 *	nothing of its window any more, and the device that comes back may say something
 *	else of the same addresses. Skipped without TTM, as the stock driver leaks blobs
 *	that are closed after an unplug
 */
#include <inttypes.h>
#include <linux/virtio_gpu.h>
#include <sys/mman.h>

#include "igt.h"
#include "param.h"
#include "pte.h"
#include "virtgpu.h"

#define MAP_INFO "host_map_info"
#define MEMTYPES "/sys/kernel/debug/x86/pat_memtype_list"
#define MIB(n) ((uint64_t)(n) << 20)
#define BLOB MIB(4)

static const struct map_info {
	const char *name;
	unsigned int info;
	/* Of the kernel, for addresses of a device. */
	const char *type;
	enum pte_cache pte;
} infos[] = {
	{ "cached", VIRTIO_GPU_MAP_CACHE_CACHED, "write-back", PTE_CACHE_WB },
	{ "uncached", VIRTIO_GPU_MAP_CACHE_UNCACHED, "uncached-minus",
	  PTE_CACHE_UC_MINUS },
	{ "wc", VIRTIO_GPU_MAP_CACHE_WC, "write-combining", PTE_CACHE_WC },
	{ "none", VIRTIO_GPU_MAP_CACHE_NONE, "write-back", PTE_CACHE_WB },
	{ "unknown", 0xf, "write-back", PTE_CACHE_WB },
};

/* Its debugfs has another name while two devices are known. */
static uint64_t window_base, window_size;

static void host_says(int info)
{
	param_set(MAP_INFO, "info", info);
}

static void host_says_the_truth(int sig)
{
	(void)sig;
	host_says(-1);
}

/* Ranges of the window whose memory type this is, or (@other) is not. */
static unsigned int ranges_of_type(const char *type, bool other)
{
	uint64_t start, end;
	FILE *file = fopen(MEMTYPES, "r");
	unsigned int ranges = 0;
	char line[128], found[32];

	igt_assert_f(file, "there is no %s\n", MEMTYPES);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "PAT: [mem %" SCNx64 "-%" SCNx64 "] %31s",
			   &start, &end, found) != 3 ||
		    start < window_base || start >= window_base + window_size)
			continue;
		ranges += !strcmp(found, type) != other;
	}
	fclose(file);
	return ranges;
}

/* @words are mapped. */
static void assert_type(const struct map_info *info, const uint32_t *words)
{
	igt_assert_eq(pte_cache(words), info->pte);
	igt_assert_lt(0, ranges_of_type(info->type, false));
	igt_assert_eq(ranges_of_type(info->type, true), 0);
}

static void assert_words(const uint32_t *words, uint32_t seed)
{
	for (uint32_t i = 0; i < BLOB / 4; i++)
		igt_assert_eq_u32(words[i], i * seed);
}

/* Whatever was idle in the window is not there any more. */
static void evict_all(struct virtgpu *gpu)
{
	uint64_t evictions = virtgpu_window_count("evictions");
	struct virtgpu_blob blob;
	uint32_t *map;

	virtgpu_blob(gpu, virtgpu_window_size(), &blob);
	map = virtgpu_blob_mmap(gpu, &blob);
	map[0] = 1;
	munmap(map, virtgpu_window_size());
	virtgpu_blob_close(gpu, &blob);
	igt_assert_lt_u64(evictions, virtgpu_window_count("evictions"));
}

static uint32_t *map_and_write(struct virtgpu *gpu, struct virtgpu_blob *blob)
{
	uint32_t *words;

	virtgpu_blob(gpu, BLOB, blob);
	words = virtgpu_blob_mmap(gpu, blob);
	for (uint32_t i = 0; i < BLOB / 4; i++)
		words[i] = i * 2654435761u;
	return words;
}

static void test_info(const struct map_info *info)
{
	unsigned long changed = param_get(MAP_INFO, "changed");
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	uint32_t *words;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	host_says(info->info);
	words = map_and_write(&gpu, &blob);
	igt_assert_lt_u64(changed, param_get(MAP_INFO, "changed"));
	assert_type(info, words);
	assert_words(words, 2654435761u);
	if (virtgpu_ttm_blobs()) {
		evict_all(&gpu);
		assert_words(words, 2654435761u);
		assert_type(info, words);
	}
	host_says(-1);
	munmap(words, BLOB);
	virtgpu_close(&gpu);
	if (virtgpu_ttm_blobs())
		virtgpu_window_wait_empty();
}

static void test_changes(void)
{
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	uint32_t *words;

	igt_require_f(virtgpu_ttm_blobs(),
		      "the stock driver asks the host once\n");
	host_says(-1);
	virtgpu_open(&gpu, VIRTGPU_VENUS);
	words = map_and_write(&gpu, &blob);
	for (unsigned int i = 0; i < sizeof(infos) / sizeof(*infos); i++) {
		evict_all(&gpu);
		host_says(infos[i].info);
		assert_words(words, 2654435761u);
		assert_type(&infos[i], words);
		host_says(-1);
	}
	munmap(words, BLOB);
	virtgpu_close(&gpu);
	virtgpu_window_wait_empty();
}

static void test_unplug(void)
{
	const struct map_info *before = &infos[2], *after = &infos[0];
	struct virtgpu_device device;
	struct virtgpu_blob blob;
	struct virtgpu gpu, again;
	uint32_t *words, *new_words;

	igt_require_f(virtgpu_ttm_blobs(), "the stock driver leaks them\n");
	virtgpu_device(&device);
	virtgpu_open(&gpu, VIRTGPU_VENUS);
	host_says(before->info);
	words = map_and_write(&gpu, &blob);
	assert_type(before, words);
	virtgpu_unbind(&device);
	igt_assert_eq(ranges_of_type("", true), 0);
	igt_assert(virtgpu_is_sigbus(words));

	virtgpu_bind(&device);
	virtgpu_open(&again, VIRTGPU_VENUS);
	host_says(after->info);
	new_words = map_and_write(&again, &blob);
	assert_type(after, new_words);
	assert_words(new_words, 2654435761u);
	igt_assert(virtgpu_is_sigbus(words));
	host_says(-1);
	munmap(new_words, BLOB);
	munmap(words, BLOB);
	virtgpu_close(&again);
	virtgpu_close(&gpu);

	/* Under the name that it had, for who comes next. */
	virtgpu_unbind(&device);
	virtgpu_bind(&device);
}

int igt_main()
{
	igt_fixture()
	{
		window_base = virtgpu_window_base();
		window_size = virtgpu_window_size();
		igt_require_f(window_base >> 32,
			      "the firmware's MTRRs rule below 4 GiB\n");
		igt_install_exit_handler(host_says_the_truth);
	}
	for (unsigned int i = 0; i < sizeof(infos) / sizeof(*infos); i++) {
		igt_describe(
			"regression: the memory type is the host's choice");
		igt_subtest_f("map-info-%s", infos[i].name)
			test_info(&infos[i]);
	}
	igt_describe("new call: the host changes its mind with an eviction");
	igt_subtest("map-info-changes") test_changes();
	igt_describe(
		"mode alone: the driver's own mapping ends with the device");
	igt_subtest("map-info-unplug") test_unplug();
}
