// SPDX-License-Identifier: MIT
/*
 * One event of the kernel's tracing: see tracing.h.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "igt.h"
#include "tracing.h"

#define INSTANCE "/sys/kernel/tracing/instances/ttm_pfnmap"
/* Of the page allocator, and of no CONFIG_ARCH_FORCE_MAX_ORDER that Debian sets. */
#define MAX_ORDER 10

static const char *traced;

static void event_write(const char *file, const char *text)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), INSTANCE "/events/%s/%s", traced, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	igt_assert_f(fd >= 0, "%s: %s\n", path, strerror(errno));
	igt_assert_f(write(fd, text, strlen(text)) == (ssize_t)strlen(text),
		     "%s: %s: %s\n", path, text, strerror(errno));
	close(fd);
}

static void remove_instance(int sig)
{
	(void)sig;
	rmdir(INSTANCE);
}

void tracing_setup(const char *event)
{
	/* Of one that was killed. */
	remove_instance(0);
	igt_require_f(!mkdir(INSTANCE, 0700), INSTANCE ": %s\n",
		      strerror(errno));
	igt_install_exit_handler(remove_instance);
	traced = event;
}

void tracing_begin(const char *filter)
{
	int fd = open(INSTANCE "/trace", O_WRONLY | O_TRUNC | O_CLOEXEC);

	igt_assert_fd(fd);
	close(fd);
	/* "0" is no filter. */
	event_write("filter", filter ?: "0");
	event_write("enable", "1");
}

FILE *tracing_end(void)
{
	FILE *file;

	event_write("enable", "0");
	file = fopen(INSTANCE "/trace", "re");
	igt_assert(file);
	return file;
}

void tracing_begin_frees(uint64_t pfn)
{
	char filter[1024];
	int len = 0;

	/* The event names the first page of a block, which is aligned to its size. */
	for (unsigned int order = 0; order <= MAX_ORDER; order++)
		len += snprintf(filter + len, sizeof(filter) - len,
				"%s(pfn == %#lx && order == %u)",
				order ? " || " : "", pfn >> order << order,
				order);
	tracing_begin(filter);
}

unsigned int tracing_end_frees(void)
{
	FILE *file = tracing_end();
	unsigned int frees = 0;
	char line[512];

	while (fgets(line, sizeof(line), file))
		frees += !!strstr(line, " mm_page_free: ");
	fclose(file);
	return frees;
}
