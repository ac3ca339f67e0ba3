/* SPDX-License-Identifier: MIT */
/*
 * Who calls functions of the kernel, anywhere in it: kprobes on them, counted by the kernel
 * itself.
 */
#ifndef TTM_PFNMAP_CALLS_H
#define TTM_PFNMAP_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Sets the probes, which stay until the program ends; call it outside of a
 * subtest. False if the kernel has no kprobe events.
 */
bool calls_watch(const char *const functions[], size_t count);
/* Calls of these functions since then, all together, by any task; 0 without probes. */
uint64_t calls_counted(void);

#endif
