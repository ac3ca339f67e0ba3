// SPDX-License-Identifier: MIT
/*
 * What the mode says in the kernel's log: see modelog.h.
 */
#include <fcntl.h>
#include <unistd.h>

#include "igt.h"
#include "modelog.h"

unsigned int modelog_lines(const char *text, bool *complete)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	unsigned int level, lines = 0;
	unsigned long long sequence;
	char record[8192];
	bool first = true;
	ssize_t len;

	igt_assert_fd(fd);
	*complete = true;
	while ((len = read(fd, record, sizeof(record) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		record[len > 0 ? len : 0] = '\0';
		if (strstr(record, "[TTM pfnmap]") && strstr(record, text))
			lines++;
		if (len < 0 ||
		    (first &&
		     sscanf(record, "%u,%llu", &level, &sequence) == 2 &&
		     sequence))
			*complete = false;
		first = false;
	}
	igt_assert_f(len < 0 && errno == EAGAIN, "/dev/kmsg: %s\n",
		     strerror(errno));
	close(fd);
	return lines;
}

void modelog_assert_once(const char *text)
{
	bool complete;
	unsigned int lines = modelog_lines(text, &complete);

	igt_require_f(lines || complete,
		      "the kernel's log does not go back far enough\n");
	igt_assert_f(lines == 1, "\"%s\" is in %u lines of the log, not 1\n",
		     text, lines);
}
