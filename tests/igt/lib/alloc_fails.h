/* SPDX-License-Identifier: MIT */
/*
 * An allocation that fails, by the module alloc_fails (tests/kmod/alloc_fails.c): of
 * those that TTM, virtio-gpu or DRM make for the calling thread, or what they call. For
 * one thread at a time.
 */
#ifndef TTM_PFNMAP_ALLOC_FAILS_H
#define TTM_PFNMAP_ALLOC_FAILS_H

#include <stdbool.h>
#include <stddef.h>

/* Is the module there? */
bool alloc_fails_is_there(void);
/* From now on the @nth of them fails, and no other one. */
void alloc_fails_arm(unsigned int nth);
/* No more: how many there would have been until one fails, 0 if it did. */
unsigned int alloc_fails_disarm(void);
/* Who made the one that failed, from the inside out; empty if none did. */
void alloc_fails_trace(char *text, size_t size);
/* Only what this function calls counts; NULL: everything. */
void alloc_fails_within(const char *function);
/* Waits for other processes that did the same, until what is returned is closed. */
int alloc_fails_lock(void);

#endif
