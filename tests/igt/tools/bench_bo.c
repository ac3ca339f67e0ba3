// SPDX-License-Identifier: MIT
/*
 * The benchmark's program in the VM: allocate, map, touch, unmap and free BOs.
 *
 * Runs under QEMU -icount, where the TSC counts executed instructions and
 * nothing else, so the numbers are the same at every boot. Prints for each
 * round "round N total X alloc A touch B unmap C free D faults F".
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <x86intrin.h>

#include "igt.h"
#include "vttm.h"

#define BENCH_SIZE	(64ul << 20)
#define BENCH_ROUNDS	5	/* the first warms up and is not counted */

static long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

static void bench_round(int fd, int round)
{
	uint64_t t[5];
	long faults;
	uint32_t handle;
	volatile char *map;

	t[0] = __rdtsc();
	handle = vttm_create(fd, BENCH_SIZE, VTTM_BO_CACHED);
	map = vttm_mmap(fd, handle, BENCH_SIZE);
	t[1] = __rdtsc();
	faults = minor_faults();
	for (size_t at = 0; at < BENCH_SIZE; at += 4096)
		map[at] = 1;
	faults = minor_faults() - faults;
	t[2] = __rdtsc();
	vttm_munmap((void *)map, BENCH_SIZE);
	t[3] = __rdtsc();
	vttm_close_bo(fd, handle);
	t[4] = __rdtsc();

	printf("round %d total %llu create %llu touch %llu unmap %llu free %llu faults %ld\n",
	       round, (unsigned long long)(t[4] - t[0]),
	       (unsigned long long)(t[1] - t[0]),
	       (unsigned long long)(t[2] - t[1]),
	       (unsigned long long)(t[3] - t[2]),
	       (unsigned long long)(t[4] - t[3]), faults);
	fflush(stdout);
}

igt_simple_main
{
	int fd = __vttm_open(VTTM_MODE);

	if (fd < 0)
		fd = vttm_open(VTTM_STOCK);
	for (int round = 0; round < BENCH_ROUNDS; round++)
		bench_round(fd, round);
	close(fd);
	printf("done 1\n");
}
