// SPDX-License-Identifier: MIT
/*
 * An allocation that fails: see alloc_fails.h.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "alloc_fails.h"
#include "igt.h"
#include "param.h"

#define MODULE "alloc_fails"
#define PARAMETER(name) "/sys/module/" MODULE "/parameters/" name

bool alloc_fails_is_there(void)
{
	return param_exists(MODULE, "nth");
}

void alloc_fails_arm(unsigned int nth)
{
	param_set(MODULE, "nth", nth);
}

unsigned int alloc_fails_disarm(void)
{
	unsigned int left = param_get(MODULE, "nth");

	param_set(MODULE, "nth", 0);
	return left;
}

void alloc_fails_trace(char *text, size_t size)
{
	int fd = open(PARAMETER("trace"), O_RDONLY | O_CLOEXEC);
	ssize_t len;

	igt_assert_fd(fd);
	len = read(fd, text, size - 1);
	igt_assert_lte(0, len);
	close(fd);
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

void alloc_fails_within(const char *function)
{
	const char *text = function ?: "\n";
	int fd = open(PARAMETER("within"), O_WRONLY | O_CLOEXEC);

	igt_assert_fd(fd);
	igt_assert_eq(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

int alloc_fails_lock(void)
{
	int fd = open(PARAMETER("trace"), O_RDONLY | O_CLOEXEC);

	igt_assert_fd(fd);
	igt_assert_eq(flock(fd, LOCK_EX), 0);
	return fd;
}
