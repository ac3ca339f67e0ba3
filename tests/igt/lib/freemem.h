/* SPDX-License-Identifier: MIT */
/*
 * Free memory, for tests that must not lose any.
 */
#ifndef TTM_PFNMAP_FREEMEM_H
#define TTM_PFNMAP_FREEMEM_H

/* Gives back caches, TTM's page pools among them. */
void freemem_drop_caches(void);
/* Gives back what slabs keep. */
void freemem_shrink_slabs(void);
/* In KiB. */
long freemem_kib(void);
/*
 * Asserts that at most @max KiB are missing of @before, which was free with the
 * caches dropped. Waits for what goes with a delay.
 */
void freemem_assert_not_lost(long before, long max);

#endif
