// SPDX-License-Identifier: MIT
/*
 * PTEs of this process: see pte.h.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "igt.h"
#include "pte.h"
#include "pte_read.h"

#define PTE_PRESENT (1u << 0)
#define PTE_PWT (1u << 3)
#define PTE_PCD (1u << 4)
#define PTE_PAT (1u << 7)

static uint64_t pte_of(const volatile void *address)
{
	struct pte_read read = { .address = (uintptr_t)address };
	int fd = open("/dev/pte_read", O_RDWR | O_CLOEXEC);

	igt_require_f(fd >= 0, "/dev/pte_read: %s\n", strerror(errno));
	igt_assert_eq(ioctl(fd, PTE_READ_READ, &read), 0);
	close(fd);
	return read.pte;
}

bool pte_is_present(const volatile void *address)
{
	return pte_of(address) & PTE_PRESENT;
}

enum pte_cache pte_cache(const volatile void *address)
{
	const uint64_t pte = pte_of(address);
	unsigned int entry;

	igt_assert_f(pte & PTE_PRESENT, "%p is not mapped: PTE %#llx\n",
		     address, (unsigned long long)pte);
	entry = pte & PTE_PWT ? 1 : 0;
	entry |= pte & PTE_PCD ? 2 : 0;
	entry |= pte & PTE_PAT ? 4 : 0;
	return entry;
}
