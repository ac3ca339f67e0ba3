/* SPDX-License-Identifier: MIT */
/*
 * What /proc says of a page: of a frame, for those that are no BO's any more, or of an
 * address.
 */
#ifndef TTM_PFNMAP_PAGEFLAGS_H
#define TTM_PFNMAP_PAGEFLAGS_H

#include <stdbool.h>
#include <stdint.h>

/* PG_reserved is set. */
bool page_is_reserved(uint64_t pfn);
/* The page is free in the page allocator. */
bool page_is_free(uint64_t pfn);
/* The page is out of use for good. */
bool page_is_poisoned(uint64_t pfn);

#endif
