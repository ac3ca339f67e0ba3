/* SPDX-License-Identifier: MIT */
/*
 * A dma-buf as a driver that imports it sees and uses it, by /dev/dmabuf_use
 * (tests/kmod/dmabuf_use.h), which must be there. All assert what they do.
 */
#ifndef TTM_PFNMAP_DMABUF_H
#define TTM_PFNMAP_DMABUF_H

#include <stdint.h>
#include <sys/types.h>

#include "dmabuf_use.h"

/* Attaches, fills in @look, and detaches. */
void dmabuf_look(int dmabuf, struct dmabuf_use_look *look);
/* Stays attached until the returned file is closed; @address: for the device. */
int dmabuf_hold(int dmabuf, uint64_t *address);
/* What that says where it is refused: a negative errno. Holds nothing. */
int dmabuf_hold_error(int dmabuf);
/* Is used by a GPU until the returned file is closed. */
int dmabuf_make_busy(int dmabuf);
/*
 * A child that keeps its reservation until it is killed, or 20 s are over: until then
 * the parameter "reserved" of the module is 1.
 */
pid_t dmabuf_keep_reserved(int dmabuf);
/* Inverts every 32-bit word by the kernel's mapping of it. */
void dmabuf_flip(int dmabuf);

#endif
