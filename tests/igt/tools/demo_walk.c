// SPDX-License-Identifier: MIT
/*
 * The demo's program in the VM: one TTM BO, of 64 MiB unless --mib says otherwise, as a
 * KVM guest's memory; what is done with it is in walk.h.
 *
 * Prints "key value" lines for demo.sh, and judges nothing: the same binary
 * runs with the stock ttm.ko and with ours.
 */
#include <getopt.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "igt.h"
#include "kvm_bo.h"
#include "walk.h"

static size_t size = KVM_BO_MIB(64);

static const struct option options[] = {
	{ "mib", required_argument, NULL, 'm' },
	{},
};
static const char help[] = "  --mib N\tThe size of the BO, 1 to 1024 (64)\n";

static int option(int opt, int index, void *data)
{
	unsigned long mib;
	char *end;

	(void)index;
	(void)data;
	if (opt != 'm')
		return -2;
	mib = strtoul(optarg, &end, 10);
	size = KVM_BO_MIB(mib);
	return *optarg && !*end && mib >= 1 && mib <= 1024 ? 0 : -2;
}

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
	uint32_t handle = vttm_create(fd, size, VTTM_BO_CACHED);
	uint32_t *map = vttm_mmap(fd, handle, size);

	map[0] = 0; /* a first touch, so that the pages exist */
	say_counts("before", fd, handle);
	walk_memory(map, size);
	say_counts("after", fd, handle);
	fflush(stdout);
}

int igt_simple_main_args("", options, help, option, NULL)
{
	struct utsname name;
	int fd = __vttm_open(VTTM_MODE);

	if (fd < 0)
		fd = vttm_open(VTTM_STOCK);
	uname(&name);
	printf("kernel %s\n", name.release);
	printf("pages %zu\n", size / KVM_GUEST_PAGE);
	printf("words %zu\n", size / sizeof(uint32_t));
	fflush(stdout);

	igt_fork(vmm, 1) walk(fd);
	igt_waitchildren();
	close(fd);
	say_quarantine();
	printf("done 1\n");
}
