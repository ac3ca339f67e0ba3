// SPDX-License-Identifier: MIT
/*
 * Doing to a page what nobody may: see meddle.h.
 */
#include <fcntl.h>
#include <sys/ioctl.h>

#include "igt.h"
#include "meddle.h"

int meddle_open(void)
{
	int fd = open("/dev/page_meddle", O_RDWR | O_CLOEXEC);

	igt_require_f(fd >= 0, "/dev/page_meddle: %s\n", strerror(errno));
	return fd;
}

void meddle(int fd, uint64_t pfn, enum page_meddle_how how)
{
	const struct page_meddle args = { .pfn = pfn, .how = how };

	igt_assert_f(!ioctl(fd, PAGE_MEDDLE_MEDDLE, &args),
		     "PFN %#lx cannot be meddled with: %s\n",
		     (unsigned long)pfn, strerror(errno));
}
