// SPDX-License-Identifier: MIT
/*
 * What /proc says of pages: see pageflags.h.
 */
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <unistd.h>

#include "igt.h"
#include "pageflags.h"

/* Not in the kernel's exported header, but stable since 2.6.31. */
#define KPF_RESERVED_BIT	32

#define PM_PRESENT		(1ull << 63)
#define PM_PFN_MASK		((1ull << 55) - 1)

static uint64_t read_u64(const char *path, uint64_t index)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t value;

	igt_assert_f(fd >= 0, "%s: %s\n", path, strerror(errno));
	igt_assert_eq(pread(fd, &value, sizeof(value), index * sizeof(value)),
		      sizeof(value));
	close(fd);
	return value;
}

uint64_t page_mapped_pfn(const void *addr)
{
	uint64_t entry = read_u64("/proc/self/pagemap",
				  (uintptr_t)addr / sysconf(_SC_PAGESIZE));

	return entry & PM_PRESENT ? entry & PM_PFN_MASK : 0;
}

bool page_is_reserved(uint64_t pfn)
{
	return read_u64("/proc/kpageflags", pfn) >> KPF_RESERVED_BIT & 1;
}

bool page_is_free(uint64_t pfn)
{
	return read_u64("/proc/kpageflags", pfn) >> KPF_BUDDY & 1;
}
