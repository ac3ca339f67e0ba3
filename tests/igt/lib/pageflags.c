// SPDX-License-Identifier: MIT
/*
 * What /proc says of a page frame: see pageflags.h.
 */
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <unistd.h>

#include "igt.h"
#include "pageflags.h"

/* Not in the kernel's exported header, but stable since 2.6.31. */
#define KPF_RESERVED_BIT 32

static uint64_t page_flags(uint64_t pfn)
{
	const char *path = "/proc/kpageflags";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t flags;

	igt_assert_f(fd >= 0, "%s: %s\n", path, strerror(errno));
	igt_assert_eq(pread(fd, &flags, sizeof(flags), pfn * sizeof(flags)),
		      sizeof(flags));
	close(fd);
	return flags;
}

bool page_is_reserved(uint64_t pfn)
{
	return page_flags(pfn) >> KPF_RESERVED_BIT & 1;
}

bool page_is_free(uint64_t pfn)
{
	return page_flags(pfn) >> KPF_BUDDY & 1;
}
