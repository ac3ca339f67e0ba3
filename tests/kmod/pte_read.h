/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * /dev/pte_read: a PTE of the caller's, for tests.
 */
#ifndef PTE_READ_H
#define PTE_READ_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct pte_read - for reading
 * @address: in the caller's memory
 * @pte: returned, as the CPU has it; 0 if there is none, or a larger entry
 */
struct pte_read {
	__u64 address;
	__u64 pte;
};

#define PTE_READ_READ _IOWR('P', 0x70, struct pte_read)

#endif
