/* SPDX-License-Identifier: MIT */
/*
 * What the demo does with a buffer, for any device's: a KVM guest writes and reads
 * back every word; the host reads what it wrote, writes something else, and lets
 * the guest verify that. Says how it went in "key value" lines, and judges nothing.
 */
#ifndef TTM_PFNMAP_WALK_H
#define TTM_PFNMAP_WALK_H

#include <stddef.h>
#include <stdint.h>

#include "kvm.h"

/* Lines walk_*, words_right and back_*. The guest stays, with @map at KVM_GUEST_GPA. */
struct kvm_guest *walk_memory(uint32_t *map, size_t size);
/* The guest reads @map again and finds what walk_memory() left there: lines @what_*. */
void walk_again(struct kvm_guest *guest, const char *what, size_t size);

#endif
