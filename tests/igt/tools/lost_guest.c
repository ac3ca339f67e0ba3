// SPDX-License-Identifier: MIT
/*
 * lost_guest CPU TURNS: does CPU run a guest of KVM as it should, while the other CPUs
 * restore the state of their FPUs all the time? See "The emulated CPU" in
 * Documentation/gpu/ttm-pfnmap.rst. Prints "it runs", and "kept", or how the guest was lost,
 * which may take the machine with it. No TTM: memory is a process's own.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm.h"

#define PAGES 512
#define SIZE ((size_t)PAGES * KVM_GUEST_PAGE)

static void run_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("sched_setaffinity");
		exit(2);
	}
}

/* Of CPU @arg. */
static void *restore_fpu(void *arg)
{
	char environment[28];

	run_on((uintptr_t)arg);
	asm volatile("fnstenv %0" : "=m"(environment));
	for (;;)
		asm volatile("fldenv %0" : : "m"(environment));
	return NULL;
}

static void restore_on_others(unsigned int cpu)
{
	const unsigned int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t thread;

	for (uintptr_t i = 0; i < cpus; i++) {
		if (i == cpu ||
		    !pthread_create(&thread, NULL, restore_fpu, (void *)i))
			continue;
		fprintf(stderr, "pthread_create failed\n");
		exit(2);
	}
}

static bool kept(struct kvm_guest *guest, void *memory, unsigned int turn)
{
	struct kvm_guest_job job =
		kvm_guest_job_of(KVM_OP_WRITE_READ, SIZE, 2 * turn + 1);
	struct kvm_guest_result result;

	/* The guest leaves for each page. */
	madvise(memory, SIZE, MADV_DONTNEED);
	kvm_guest_run(guest, &job, &result);
	if (result.finished && !result.mismatch && result.done == PAGES)
		return true;
	printf("lost in turn %u: %s\n", turn, kvm_guest_result_str(&result));
	return false;
}

int main(int argc, char **argv)
{
	unsigned int cpu, turns;
	struct kvm_guest *guest;
	void *memory;

	if (argc != 3) {
		fprintf(stderr, "usage: lost_guest CPU TURNS\n");
		return 2;
	}
	cpu = atoi(argv[1]);
	turns = atoi(argv[2]);
	run_on(cpu);
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	guest = kvm_guest_create(KVM_GUEST_FLAT32);
	guest->watched = true;
	kvm_guest_map(guest, KVM_GUEST_GPA, memory, SIZE);
	restore_on_others(cpu);
	printf("it runs\n");
	fflush(stdout);
	for (unsigned int i = 0; i < turns; i++)
		if (!kept(guest, memory, i))
			return 1;
	printf("kept\n");
	return 0;
}
