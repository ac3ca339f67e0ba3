// SPDX-License-Identifier: MIT
/*
 * The demo's program in the VM: one 64 MiB TTM BO as a KVM guest's memory; what is
 * done with it is in walk.h.
 *
 * Prints "key value" lines for demo.sh, and judges nothing: the same binary
 * runs with the stock ttm.ko and with ours.
 */
#include <sys/utsname.h>
#include <unistd.h>

#include "igt.h"
#include "kvm_bo.h"
#include "walk.h"

#define DEMO_SIZE KVM_BO_MIB(64)

static void say_counts(const char *when, int fd, uint32_t handle)
{
	struct drm_vttm_info info;

	vttm_info(fd, handle, &info);
	printf("%s_pages_zero %llu\n", when,
	       (unsigned long long)info.count_zero);
	printf("%s_pages_one %llu\n", when, (unsigned long long)info.count_one);
	printf("%s_pages_other %llu\n", when,
	       (unsigned long long)info.count_other);
	printf("%s_pages_reserved %llu\n", when,
	       (unsigned long long)info.reserved);
}

static void say_quarantine(void)
{
	struct vttm_counters left;

	if (__vttm_counters(NULL, &left))
		return; /* stock ttm.ko has none */
	__vttm_wait_quarantine_empty(10);
	__vttm_counters(NULL, &left);
	printf("left_marked %llu\n", (unsigned long long)left.pages_marked);
	printf("left_quarantined %llu\n",
	       (unsigned long long)left.pages_quarantined);
	printf("left_leaked %llu\n", (unsigned long long)left.pages_leaked);
	printf("retired %llu\n", (unsigned long long)left.pages_retired);
}

/* In a process of its own: pages may stay until the VMM is gone. */
static void walk(int fd)
{
	uint32_t handle = vttm_create(fd, DEMO_SIZE, VTTM_BO_CACHED);
	uint32_t *map = vttm_mmap(fd, handle, DEMO_SIZE);

	map[0] = 0; /* a first touch, so that the pages exist */
	say_counts("before", fd, handle);
	walk_memory(map, DEMO_SIZE);
	say_counts("after", fd, handle);
	fflush(stdout);
}

int igt_simple_main()
{
	struct utsname name;
	int fd = __vttm_open(VTTM_MODE);

	if (fd < 0)
		fd = vttm_open(VTTM_STOCK);
	uname(&name);
	printf("kernel %s\n", name.release);
	printf("pages %zu\n", DEMO_SIZE / KVM_GUEST_PAGE);
	printf("words %zu\n", DEMO_SIZE / sizeof(uint32_t));
	fflush(stdout);

	igt_fork(vmm, 1) walk(fd);
	igt_waitchildren();
	close(fd);
	say_quarantine();
	printf("done 1\n");
}
