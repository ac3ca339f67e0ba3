/* SPDX-License-Identifier: MIT */
/*
 * Is there a PTE, and how is a mapping cached, as it says: tests/kmod/pte_read.c, also of
 * VM_PFNMAP mappings, which /proc/PID/pagemap leaves out.
 */
#ifndef TTM_PFNMAP_PTE_H
#define TTM_PFNMAP_PTE_H

#include <stdbool.h>

/*
 * Entries of the PAT as Linux programs it, which a PTE chooses by its bits PAT, PCD and
 * PWT (Intel's manual, volume 3, 12.12.3); not with nopat.
 */
enum pte_cache {
	PTE_CACHE_WB,
	PTE_CACHE_WC,
	PTE_CACHE_UC_MINUS,
	PTE_CACHE_UC,
};

/* Of 4 KiB. Skips without the module. */
bool pte_is_present(const volatile void *address);
/* Of the page at @address, which is mapped. Asserts that; skips without the module. */
enum pte_cache pte_cache(const volatile void *address);

#endif
