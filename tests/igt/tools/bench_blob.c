// SPDX-License-Identifier: MIT
/*
 * The benchmark's program in a VM with a GPU: what virtio-gpu's blobs cost, and how
 * many there can be. Prints "NAME NUMBER" lines:
 *
 *   window      MiB
 *   overcommit  blobs of 4 MiB mapped and written at once, before one cannot be had
 *               or there are ten times as many as the window holds
 *   loop-unmaps UNMAP_BLOB commands of LOOPS times create, map, touch, close
 *   untouched-unmaps
 *               the same without the touch
 *   full-made   of LOOPS blobs made and closed untouched while the window is full
 *   full-unmaps UNMAP_BLOB commands of those
 *   entries     memory entries of a 64 MiB guest blob, the most of ROUNDS times while
 *               memory is used and freed
 *   create, map, touch, close: a blob's instructions
 *   map-large   those to map one that is LARGE
 *
 * Runs under QEMU -icount: a nanosecond of the process's CPU time is an instruction
 * that it executed, in the kernel or not; waiting for the host is not in it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "igt.h"
#include "virtgpu.h"
#include "virtgpu_drm.h"

#define MIB(n) ((uint64_t)(n) << 20)
#define BLOB MIB(4)
#define LOOPS 100
#define LARGE (8 * BLOB)
#define COSTS 32
#define ROUNDS 6
#define TRACING "/sys/kernel/tracing/"
#define QUEUED TRACING "events/virtio_gpu/virtio_gpu_cmd_queue/"
/* VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB */
#define ONLY_UNMAPS "type == 0x209"

static struct virtgpu gpu;

static void say(const char *name, uint64_t number)
{
	printf("%s %llu\n", name, (unsigned long long)number);
	fflush(stdout);
}

static int new_blob(struct virtgpu_blob *blob)
{
	const struct virtgpu_blob_params params = { .size = BLOB };

	return __virtgpu_blob(&gpu, &params, blob);
}

/* The host has confirmed everything. */
static void wait_empty(void)
{
	for (int i = 0; virtgpu_window_used(); i++) {
		igt_assert(i < 6000);
		usleep(10000);
	}
}

/* Maps as many as can be had; all stay until the device is closed. */
static unsigned int fill(unsigned int most)
{
	struct virtgpu_blob blob;
	unsigned int n;
	void *map;

	for (n = 0; n < most; n++) {
		if (new_blob(&blob))
			break;
		if (__virtgpu_blob_mmap(&gpu, &blob, &map))
			break;
		*(volatile uint32_t *)map = n;
	}
	return n;
}

static void unmaps_count(bool on)
{
	virtgpu_write_file(QUEUED "filter", ONLY_UNMAPS);
	/* Opened to be truncated, it is empty. */
	if (on)
		close(open(TRACING "trace", O_WRONLY | O_TRUNC));
	virtgpu_write_file(QUEUED "enable", on ? "1" : "0");
}

static unsigned int unmaps(void)
{
	FILE *file = fopen(TRACING "trace", "r");
	unsigned int found = 0;
	char line[512];

	igt_assert(file);
	while (fgets(line, sizeof(line), file))
		found += !!strstr(line, " virtio_gpu_cmd_queue: ");
	fclose(file);
	return found;
}

static void bench_overcommit(void)
{
	virtgpu_open(&gpu, VIRTGPU_VENUS);
	say("overcommit", fill(10 * virtgpu_window_size() / BLOB));
	/* Its end unmaps all of it. */
	exit(0);
}

static void loop(const char *name, bool touch)
{
	struct virtgpu_blob blob;
	uint32_t *map;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	unmaps_count(true);
	for (int i = 0; i < LOOPS; i++) {
		virtgpu_blob(&gpu, BLOB, &blob);
		map = virtgpu_blob_mmap(&gpu, &blob);
		if (touch)
			map[0] = i;
		munmap(map, BLOB);
		virtgpu_blob_close(&gpu, &blob);
	}
	wait_empty();
	unmaps_count(false);
	say(name, unmaps());
	virtgpu_close(&gpu);
}

static void bench_loop(void)
{
	loop("loop-unmaps", true);
}

static void bench_untouched(void)
{
	loop("untouched-unmaps", false);
}

static void bench_full(void)
{
	struct virtgpu_blob blob;
	unsigned int made = 0;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	fill(virtgpu_window_size() / BLOB);
	/* What is made next finds no room, so it is not mapped. */
	unmaps_count(true);
	for (int i = 0; i < LOOPS; i++) {
		if (new_blob(&blob))
			continue;
		virtgpu_blob_close(&gpu, &blob);
		made++;
	}
	sleep(1);
	unmaps_count(false);
	say("full-made", made);
	say("full-unmaps", unmaps());
	exit(0);
}

static void bench_entries(void)
{
	const char *count = virtgpu_ttm_blobs() ? "ttm-entries" :
						  "shmem-entries";
	const struct virtgpu_blob_params params = {
		.size = MIB(64),
		.mem = VIRTGPU_BLOB_MEM_GUEST,
	};
	uint64_t before, now, most = 0;
	struct virtgpu_blob blob;

	virtgpu_open(&gpu, VIRTGPU_VIRGL);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		virtgpu_use_memory(MIB(64 + 32 * (round % 4)));
		before = virtgpu_guest_count(count);
		igt_assert_eq(__virtgpu_blob(&gpu, &params, &blob), 0);
		now = virtgpu_guest_count(count) - before;
		most = now > most ? now : most;
		virtgpu_blob_close(&gpu, &blob);
	}
	say("entries", most);
	virtgpu_close(&gpu);
}

static uint64_t instructions(void)
{
	struct timespec now;

	igt_assert_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void bench_costs(void)
{
	uint64_t sum[4] = {}, at[5];
	struct virtgpu_blob blob;
	char *map;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	/* The first one warms up. */
	for (int i = -1; i < COSTS; i++) {
		at[0] = instructions();
		virtgpu_blob(&gpu, BLOB, &blob);
		at[1] = instructions();
		map = virtgpu_blob_mmap(&gpu, &blob);
		at[2] = instructions();
		for (size_t page = 0; page < BLOB; page += 4096)
			*(volatile char *)(map + page) = 1;
		at[3] = instructions();
		munmap(map, BLOB);
		virtgpu_blob_close(&gpu, &blob);
		at[4] = instructions();
		for (int j = 0; j < 4 && i >= 0; j++)
			sum[j] += at[j + 1] - at[j];
		wait_empty();
	}
	say("create", sum[0] / COSTS);
	say("map", sum[1] / COSTS);
	say("touch", sum[2] / COSTS);
	say("close", sum[3] / COSTS);
	virtgpu_close(&gpu);
}

static void bench_map_large(void)
{
	struct virtgpu_blob blob;
	uint64_t sum = 0;
	void *map;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	/* The first one warms up. */
	for (int i = -1; i < ROUNDS; i++) {
		virtgpu_blob(&gpu, LARGE, &blob);
		sum -= i < 0 ? 0 : instructions();
		map = virtgpu_blob_mmap(&gpu, &blob);
		sum += i < 0 ? 0 : instructions();
		munmap(map, LARGE);
		virtgpu_blob_close(&gpu, &blob);
		wait_empty();
	}
	say("map-large", sum / ROUNDS);
	virtgpu_close(&gpu);
}

/* In a process of its own, so that nothing of it is left. */
static void bench(void (*fn)(void))
{
	igt_fork(child, 1) fn();
	igt_waitchildren();
	wait_empty();
}

int igt_simple_main()
{
	say("window", virtgpu_window_size() >> 20);
	bench(bench_overcommit);
	bench(bench_loop);
	bench(bench_untouched);
	bench(bench_full);
	bench(bench_entries);
	bench(bench_costs);
	bench(bench_map_large);
	say("done", 1);
}
