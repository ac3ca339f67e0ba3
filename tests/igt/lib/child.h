/* SPDX-License-Identifier: MIT */
/*
 * Children that a test starts by itself, for which igt_fork() is too much: the test wants
 * to know the process, kill it, or see how it ended.
 */
#ifndef TTM_PFNMAP_CHILD_H
#define TTM_PFNMAP_CHILD_H

#include <sys/types.h>

/*
 * As fork(), which must not fail. What was printed is not printed twice, the child is
 * killed when its parent ends, and a failed assertion of the child ends it, alone, with a
 * wait status other than 0: IGT_EXIT_FAILURE below igt_fork(), elsewhere SIGABRT, for
 * libigt's exit handlers are the parent's. (After a plain fork() it would go on with the
 * other subtests.)
 */
pid_t child_fork(void);

#endif
