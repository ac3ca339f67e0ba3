// SPDX-License-Identifier: MIT
/*
 * The benchmark's program in the VM: allocate, map, touch, unmap and free BOs;
 * and a KVM guest's first touch of a BO, beside ordinary memory.
 *
 * Runs under QEMU -icount, where the TSC counts executed instructions and
 * nothing else, so the numbers are nearly the same at every boot. Prints for each
 * round "round N total X create A touch B unmap C free D faults F", and
 * "guest WHAT pages P npf N instructions I".
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <x86intrin.h>

#include "igt.h"
#include "kvm_bo.h"

#define BENCH_SIZE (64ul << 20)
#define BENCH_ROUNDS 3 /* the first warms up and is not counted */

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

/* Nested page faults of all VMs since kvm was loaded. */
static unsigned long nested_faults(void)
{
	FILE *file = fopen("/sys/kernel/debug/kvm/pf_taken", "re");
	unsigned long faults = 0;

	igt_assert(file);
	igt_assert_eq(fscanf(file, "%lu", &faults), 1);
	fclose(file);
	return faults;
}

static void bench_guest(const char *what, void *map)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	const struct kvm_guest_job job = {
		.op = KVM_OP_WRITE,
		.gpa = KVM_GUEST_GPA,
		.pages = BENCH_SIZE / KVM_GUEST_PAGE,
	};
	struct kvm_guest_result result;
	unsigned long faults;
	uint64_t start;

	kvm_guest_map(guest, KVM_GUEST_GPA, map, BENCH_SIZE);
	faults = nested_faults();
	start = __rdtsc();
	kvm_guest_run(guest, &job, &result);
	printf("guest %s pages %u npf %lu instructions %llu\n", what,
	       result.done, nested_faults() - faults,
	       (unsigned long long)(__rdtsc() - start));
	fflush(stdout);
	kvm_guest_destroy(guest);
}

/* Both are touched by the host before, so that only KVM's part is counted. */
static void bench_guests(int fd)
{
	uint32_t handle = vttm_create(fd, BENCH_SIZE, VTTM_BO_CACHED);
	char *bo = vttm_mmap(fd, handle, BENCH_SIZE);
	char *memory = mmap(NULL, BENCH_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	igt_assert(memory != MAP_FAILED);
	for (size_t at = 0; at < BENCH_SIZE; at += KVM_GUEST_PAGE)
		bo[at] = memory[at] = 1;
	bench_guest("memory", memory);
	bench_guest("bo", bo);
	munmap(memory, BENCH_SIZE);
	vttm_munmap(bo, BENCH_SIZE);
	vttm_close_bo(fd, handle);
}

int igt_simple_main()
{
	int fd = __vttm_open(VTTM_MODE);

	if (fd < 0)
		fd = vttm_open(VTTM_STOCK);
	for (int round = 0; round < BENCH_ROUNDS; round++)
		bench_round(fd, round);
	bench_guests(fd);
	close(fd);
	printf("done 1\n");
}
