// SPDX-License-Identifier: MIT
/*
 * Children that a test starts by itself: see child.h.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "child.h"
#include "igt.h"

/* Before what the parent has for its own end, the last registered is the first. */
static void leave(int status, void *unused)
{
	(void)unused;
	fflush(NULL);
	_exit(status);
}

/* libigt's, which igt_fork() sets in its children. */
extern bool test_child;

pid_t child_fork(void)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	igt_assert_lte(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		igt_assert_eq(on_exit(leave, NULL), 0);
		test_child = true;
	}
	return pid;
}
