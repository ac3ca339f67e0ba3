// SPDX-License-Identifier: MIT
/*
 * What /proc says of a page: see pageflags.h.
 */
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <unistd.h>

#include "igt.h"
#include "pageflags.h"

/* Not in the kernel's exported header, but stable since 2.6.31. */
#define KPF_RESERVED_BIT 32

/* Of a file with 64 bits for each page. */
static uint64_t word_of(const char *path, uint64_t page)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t word;

	igt_assert_f(fd >= 0, "%s: %s\n", path, strerror(errno));
	igt_assert_eq(pread(fd, &word, sizeof(word), page * sizeof(word)),
		      sizeof(word));
	close(fd);
	return word;
}

static uint64_t page_flags(uint64_t pfn)
{
	return word_of("/proc/kpageflags", pfn);
}

bool page_is_reserved(uint64_t pfn)
{
	return page_flags(pfn) >> KPF_RESERVED_BIT & 1;
}

bool page_is_free(uint64_t pfn)
{
	return page_flags(pfn) >> KPF_BUDDY & 1;
}

bool page_is_poisoned(uint64_t pfn)
{
	return page_flags(pfn) >> KPF_HWPOISON & 1;
}
