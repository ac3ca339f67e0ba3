/* SPDX-License-Identifier: MIT */
/*
 * Who waits for a grace period of RCU or SRCU, anywhere in the kernel: kprobes on
 * the functions that do, counted by the kernel itself.
 */
#ifndef TTM_PFNMAP_GRACE_H
#define TTM_PFNMAP_GRACE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Sets the probes, which stay until the program ends; call it outside of a
 * subtest. False if the kernel has no kprobe events.
 */
bool grace_watch(void);
/* Calls of these functions since then, by any task; 0 without probes. */
uint64_t grace_waits(void);

#endif
