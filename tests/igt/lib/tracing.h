/* SPDX-License-Identifier: MIT */
/*
 * One event of the kernel's tracing, in an instance of its own.
 */
#ifndef TTM_PFNMAP_TRACING_H
#define TTM_PFNMAP_TRACING_H

#include <stdint.h>
#include <stdio.h>

/*
 * Makes the instance, which stays until the program ends; call it in a fixture, which skips
 * without tracefs. @event is a path, "kmem/mm_page_free", and has to stay.
 */
void tracing_setup(const char *event);
/* From here on, with nothing of before; @filter may be NULL. */
void tracing_begin(const char *filter);
/* The event is off; the caller reads lines, and closes the file. */
FILE *tracing_end(void);

/* With the event TRACING_FREES: all frees of this page, alone or in a higher order. */
#define TRACING_FREES "kmem/mm_page_free"
void tracing_begin_frees(uint64_t pfn);
unsigned int tracing_end_frees(void);

#endif
