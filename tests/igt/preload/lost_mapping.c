// SPDX-License-Identifier: MIT
/*
 * Preloaded into a VMM: it loses its mappings of 4 MiB of a GPU's memory as soon as
 * it has them, and does not know. What is left is a hole that nothing else fills.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LOST_SIZE (4u << 20)
#define DRM_MAJOR 226
/* Far from where the kernel puts mappings by itself. */
#define LOST_ADDRESS (1ul << 44)

static bool is_lost(size_t length, int fd)
{
	struct stat stat;

	return length == LOST_SIZE && fd >= 0 && !fstat(fd, &stat) &&
	       S_ISCHR(stat.st_mode) && major(stat.st_rdev) == DRM_MAJOR;
}

void *mmap64(void *addr, size_t length, int prot, int flags, int fd,
	     off_t offset)
{
	static uintptr_t next = LOST_ADDRESS;
	bool lost = is_lost(length, fd);
	void *map;

	if (lost)
		addr = (void *)__atomic_fetch_add(&next, length,
						  __ATOMIC_RELAXED);
	map = (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
	if (lost && map != MAP_FAILED)
		munmap(map, length);
	return map;
}

void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
	__attribute__((alias("mmap64")));
