/* SPDX-License-Identifier: MIT */
/*
 * What /proc says of pages: for what a BO's ioctls cannot answer any more or
 * must not be asked.
 */
#ifndef TTM_PFNMAP_PAGEFLAGS_H
#define TTM_PFNMAP_PAGEFLAGS_H

#include <stdbool.h>
#include <stdint.h>

/* The page frame mapped at @addr in this process, 0 if none is. */
uint64_t page_mapped_pfn(const void *addr);
/* PG_reserved is set. */
bool page_is_reserved(uint64_t pfn);
/* The page is free in the page allocator. */
bool page_is_free(uint64_t pfn);

#endif
