// SPDX-License-Identifier: MIT
/*
 * Free memory: see freemem.h.
 */
#include <fcntl.h>
#include <glob.h>
#include <unistd.h>

#include "freemem.h"
#include "igt.h"

#define PAGE_KIB 4
#define SETTLE_SECONDS 5

void freemem_drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	igt_assert_fd(fd);
	igt_assert_eq(write(fd, "3", 1), 1);
	close(fd);
}

/* What KASAN keeps of freed objects, to see who still uses them, can be much. */
void freemem_shrink_slabs(void)
{
	glob_t shrinks;

	igt_assert_eq(glob("/sys/kernel/slab/*/shrink", 0, NULL, &shrinks), 0);
	for (size_t i = 0; i < shrinks.gl_pathc; i++) {
		int fd = open(shrinks.gl_pathv[i], O_WRONLY | O_CLOEXEC);

		/* A cache may have gone meanwhile. */
		if (fd < 0)
			continue;
		igt_assert(write(fd, "1", 1) == 1 || errno == ENODEV);
		close(fd);
	}
	globfree(&shrinks);
}

/*
 * Not MemFree: that leaves out the pages that each CPU keeps for its next
 * allocations, which can be tens of MiB.
 */
long freemem_kib(void)
{
	FILE *file = fopen("/proc/zoneinfo", "re");
	long pages = 0, n;
	char line[256];

	igt_assert(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " pages free %ld", &n) == 1 ||
		    sscanf(line, " count: %ld", &n) == 1)
			pages += n;
	fclose(file);
	igt_assert_lt(0, pages);
	return pages * PAGE_KIB;
}

void freemem_assert_not_lost(long before, long max)
{
	struct timespec start = {};
	long lost;

	igt_nsec_elapsed(&start);
	for (;;) {
		freemem_drop_caches();
		lost = before - freemem_kib();
		if (lost <= max ||
		    igt_nsec_elapsed(&start) > SETTLE_SECONDS * 1000000000ull)
			break;
		freemem_shrink_slabs();
		usleep(50000);
	}
	igt_info("lost: %ld KiB of %ld KiB\n", lost, before);
	igt_assert_f(lost <= max, "%ld KiB of memory are missing\n", lost);
}
