// SPDX-License-Identifier: MIT
/*
 * bad_vma mode|stock: touches a mapping of a BO whose driver made it VM_MIXEDMAP
 * (I7). Prints "SIGBUS" if that is the answer. Stock TTM's is a BUG() in mm, and no
 * end of this program; vttm has to be loaded with bad_vma=1 to try that.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "igt.h"
#include "kvm_bo.h"

static void on_sigbus(int sig)
{
	static const char text[] = "SIGBUS\n";

	(void)sig;
	_exit(write(STDOUT_FILENO, text, sizeof(text) - 1) < 0);
}

int main(int argc, char **argv)
{
	enum vttm_kind kind = argc > 1 && !strcmp(argv[1], "mode") ? VTTM_MODE :
								     VTTM_STOCK;
	volatile char *map;
	uint32_t handle;
	int fd = __vttm_open(kind);

	if (fd < 0 || vttm_ctl(fd, VTTM_CTL_BAD_VMA)) {
		fprintf(stderr, "no %s device that makes such a mapping\n",
			vttm_kind_name(kind));
		return 1;
	}
	handle = vttm_create(fd, KVM_BO_MIB(1), VTTM_BO_CACHED);
	map = vttm_mmap(fd, handle, KVM_BO_MIB(1));
	signal(SIGBUS, on_sigbus);
	map[0] = 1;
	puts("touched");
	return 0;
}
