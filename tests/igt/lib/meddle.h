/* SPDX-License-Identifier: MIT */
/*
 * Doing to a page what nobody may: tests/kmod/page_meddle.c.
 */
#ifndef TTM_PFNMAP_MEDDLE_H
#define TTM_PFNMAP_MEDDLE_H

#include <stdint.h>

#include "page_meddle.h"

/* A file that can meddle with one page, until it is closed. Skips without the module. */
int meddle_open(void);
/* Asserts that it can be done. */
void meddle(int fd, uint64_t pfn, enum page_meddle_how how);

#endif
