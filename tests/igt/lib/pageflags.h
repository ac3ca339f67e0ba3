/* SPDX-License-Identifier: MIT */
/*
 * What /proc says of a page frame, for pages that are no BO's any more.
 */
#ifndef TTM_PFNMAP_PAGEFLAGS_H
#define TTM_PFNMAP_PAGEFLAGS_H

#include <stdbool.h>
#include <stdint.h>

/* PG_reserved is set. */
bool page_is_reserved(uint64_t pfn);
/* The page is free in the page allocator. */
bool page_is_free(uint64_t pfn);

#endif
