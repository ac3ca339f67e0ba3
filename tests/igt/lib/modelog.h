/* SPDX-License-Identifier: MIT */
/*
 * What the mode says in the kernel's log.
 */
#ifndef TTM_PFNMAP_MODELOG_H
#define TTM_PFNMAP_MODELOG_H

#include <stdbool.h>

/*
 * Lines of the mode that hold @text. @complete: is the log all there, from the boot
 * on? There may have been more of them if not.
 */
unsigned int modelog_lines(const char *text, bool *complete);
/*
 * Asserts that there is one since ttm.ko was loaded. Skips if there is none in a log
 * that has been overwritten.
 */
void modelog_assert_once(const char *text);

#endif
