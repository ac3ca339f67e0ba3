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
 * killed when its parent ends, and a failed assertion of the child ends it, alone, with
 * IGT_EXIT_FAILURE. (After a plain fork() it would go on with the other subtests.) What
 * the parent has for its own end, libigt's exit handlers for example, the child's exit()
 * does not call.
 */
pid_t child_fork(void);

#endif
