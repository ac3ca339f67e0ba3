// SPDX-License-Identifier: MIT
/*
 * unplug_use WHAT: what a process does with virtio-gpu that is unplugged meanwhile.
 * For guest/unplug-stock.sh, which looks from outside: some of them never end.
 *
 *	window	maps HOST3D blobs and says "held"; looks at them when it gets a SIGUSR1,
 *		says how many were right and how many a SIGBUS, and closes all
 *	guest	the same with blobs in the guest's memory
 *	map	maps a new HOST3D blob
 *	create	makes blobs in the guest's memory until one fails
 *	flood	sends commands for the GPU until one fails
 *	fence	sends a few, and waits 5 s for their fences
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "virtgpu.h"
#include "virtgpu_drm.h"

#define BLOB (4u << 20)
#define BLOBS 4
#define FENCES 8

static struct virtgpu gpu;
static struct virtgpu_blob blob[BLOBS];
static uint32_t *map[BLOBS];

static void wait_for_signal(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	printf("held\n");
	sigwait(&set, &sig);
}

static bool is_right(const uint32_t *words, uint32_t seed)
{
	for (uint32_t i = 0; i < BLOB / 4; i++)
		if (words[i] != i * seed)
			return false;
	return true;
}

static void hold(uint32_t mem)
{
	const struct virtgpu_blob_params params = { .size = BLOB, .mem = mem };
	unsigned int right = 0, sigbus = 0;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	for (uint32_t n = 0; n < BLOBS; n++) {
		igt_assert_eq(__virtgpu_blob(&gpu, &params, &blob[n]), 0);
		map[n] = virtgpu_blob_mmap(&gpu, &blob[n]);
		for (uint32_t i = 0; i < BLOB / 4; i++)
			map[n][i] = i * (n + 3);
	}
	wait_for_signal();
	for (uint32_t n = 0; n < BLOBS; n++) {
		if (virtgpu_is_sigbus(map[n]))
			sigbus++;
		else
			right += is_right(map[n], n + 3);
		munmap(map[n], BLOB);
	}
	printf("right=%u sigbus=%u\n", right, sigbus);
	virtgpu_close(&gpu);
}

static void map_new(void)
{
	void *words;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	virtgpu_blob(&gpu, BLOB, &blob[0]);
	printf("mmap=%d\n", __virtgpu_blob_mmap(&gpu, &blob[0], &words));
}

static void create(void)
{
	const struct virtgpu_blob_params params = {
		.size = 4096,
		.mem = VIRTGPU_BLOB_MEM_GUEST,
	};
	int ret = 0;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	while (!ret)
		ret = __virtgpu_blob(&gpu, &params, &blob[0]);
	printf("create=%d\n", ret);
}

static void flood(void)
{
	int fence, ret = 0;

	virtgpu_open(&gpu, VIRTGPU_VIRGL);
	while (!(ret = __virtgpu_submit_nothing(&gpu, &fence)))
		close(fence);
	printf("flood=%d\n", ret);
}

static void wait_for_fences(void)
{
	struct pollfd fence[FENCES];
	int waited = 5000, signalled = 0;

	virtgpu_open(&gpu, VIRTGPU_VIRGL);
	for (int i = 0; i < FENCES; i++) {
		fence[i].events = POLLIN;
		igt_assert_eq(__virtgpu_submit_nothing(&gpu, &fence[i].fd), 0);
	}
	printf("held\n");
	for (int i = 0; i < FENCES; i++) {
		/* They are signalled in order. */
		if (poll(&fence[i], 1, waited) == 1)
			signalled++;
		else
			waited = 0;
	}
	printf("signalled=%d of %d\n", signalled, FENCES);
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	setlinebuf(stdout);
	if (!strcmp(what, "window"))
		hold(VIRTGPU_BLOB_MEM_HOST3D);
	else if (!strcmp(what, "guest"))
		hold(VIRTGPU_BLOB_MEM_GUEST);
	else if (!strcmp(what, "map"))
		map_new();
	else if (!strcmp(what, "create"))
		create();
	else if (!strcmp(what, "flood"))
		flood();
	else if (!strcmp(what, "fence"))
		wait_for_fences();
	else
		return 2;
	return 0;
}
