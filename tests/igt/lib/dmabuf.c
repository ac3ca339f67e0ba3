// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "child.h"
#include "dmabuf.h"
#include "igt.h"
#include "param.h"

static void dmabuf_use(unsigned long request, void *arg)
{
	int fd = open("/dev/dmabuf_use", O_RDWR | O_CLOEXEC);

	igt_assert_fd(fd);
	igt_assert_eq(ioctl(fd, request, arg) ? -errno : 0, 0);
	close(fd);
}

void dmabuf_look(int dmabuf, struct dmabuf_use_look *look)
{
	look->fd = dmabuf;
	dmabuf_use(DMABUF_USE_LOOK, look);
}

/* @fd: what holds it, if it works. */
static int __dmabuf_hold(int dmabuf, uint64_t *address, int *fd)
{
	struct dmabuf_use_hold hold = { .fd = dmabuf };
	int ret;

	*fd = open("/dev/dmabuf_use", O_RDWR | O_CLOEXEC);
	igt_assert_fd(*fd);
	ret = ioctl(*fd, DMABUF_USE_HOLD, &hold) ? -errno : 0;
	*address = hold.address;
	return ret;
}

int dmabuf_hold(int dmabuf, uint64_t *address)
{
	int fd;

	igt_assert_eq(__dmabuf_hold(dmabuf, address, &fd), 0);
	return fd;
}

int dmabuf_hold_error(int dmabuf)
{
	uint64_t address;
	int fd, ret = __dmabuf_hold(dmabuf, &address, &fd);

	close(fd);
	return ret;
}

int dmabuf_make_busy(int dmabuf)
{
	int fd = open("/dev/dmabuf_use", O_RDWR | O_CLOEXEC);

	igt_assert_fd(fd);
	igt_assert_eq(ioctl(fd, DMABUF_USE_BUSY, dmabuf) ? -errno : 0, 0);
	return fd;
}

pid_t dmabuf_keep_reserved(int dmabuf)
{
	pid_t pid = child_fork();

	if (!pid) {
		dmabuf_use(DMABUF_USE_RESERVE, (void *)(uintptr_t)dmabuf);
		_exit(0);
	}
	for (int i = 0; !param_get("dmabuf_use", "reserved"); i++) {
		igt_assert(i < 100);
		usleep(100000);
	}
	return pid;
}

void dmabuf_flip(int dmabuf)
{
	dmabuf_use(DMABUF_USE_FLIP, (void *)(uintptr_t)dmabuf);
}
