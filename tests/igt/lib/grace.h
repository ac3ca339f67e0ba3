/* SPDX-License-Identifier: MIT */
/*
 * Who waits for a grace period of RCU or SRCU, anywhere in the kernel: kprobes on
 * the functions that do, counted by the kernel itself.
 */
#ifndef TTM_PFNMAP_GRACE_H
#define TTM_PFNMAP_GRACE_H

#include <stdint.h>

/*
 * Sets the probes, which stay until the program ends; call it outside of a
 * subtest. Skips if the kernel has no kprobe events.
 */
void grace_watch(void);
/* Calls of these functions since then, by any task. */
uint64_t grace_waits(void);

#endif
