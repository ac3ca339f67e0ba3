// SPDX-License-Identifier: MIT
/*
 * The demo's walk with a dumb buffer of any DRM driver, which need not know of us:
 *
 *	dumb_walk walk DRIVER MIB	a KVM guest uses the buffer, which is freed then
 *	dumb_walk hold DRIVER MIB	... and the VM stays until a signal comes
 *	dumb_walk keep DRIVER MIB	... and so does the buffer, mapped
 *	dumb_walk move DRIVER MIB OTHER	the buffer is shown, which moves it into VRAM,
 *		and another of OTHER MiB after it, which drives it out again
 *
 * Prints "key value" lines for guest/stock-drivers.sh, and judges nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "igt.h"
#include "vttm.h"
#include "walk.h"

#define CARDS 16
#define WIDTH 1024u
#define ROW (WIDTH * 4)

struct dumb {
	int fd;
	uint32_t handle, height;
	size_t size;
	uint32_t *map;
};

static int open_driver(const char *name)
{
	for (int card = 0; card < CARDS; card++) {
		drmVersionPtr version;
		char path[32];
		bool found;
		int fd;

		snprintf(path, sizeof(path), "/dev/dri/card%d", card);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		version = drmGetVersion(fd);
		found = version && !strcmp(version->name, name);
		drmFreeVersion(version);
		if (found)
			return fd;
		close(fd);
	}
	fprintf(stderr, "dumb_walk: there is no card of %s\n", name);
	exit(1);
}

static void dumb_create(struct dumb *dumb, int fd, unsigned int mib)
{
	uint64_t offset, size;
	uint32_t pitch;

	dumb->fd = fd;
	dumb->height = ((size_t)mib << 20) / ROW;
	igt_assert_eq(drmModeCreateDumbBuffer(fd, WIDTH, dumb->height, 32, 0,
					      &dumb->handle, &pitch, &size),
		      0);
	igt_assert_eq_u32(pitch, ROW);
	dumb->size = size;
	igt_assert_eq(drmModeMapDumbBuffer(fd, dumb->handle, &offset), 0);
	dumb->map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 offset);
	igt_assert_f(dumb->map != MAP_FAILED, "mmap of a dumb buffer: %s\n",
		     strerror(errno));
}

static void dumb_free(struct dumb *dumb)
{
	igt_assert_eq(munmap(dumb->map, dumb->size), 0);
	igt_assert_eq(drmModeDestroyDumbBuffer(dumb->fd, dumb->handle), 0);
}

/*
 * How much of its VRAM is in use, in pages, for a driver of drm_vram_helper's. (Where
 * a PFNMAP mapping points /proc/self/pagemap does not tell.)
 */
static void say_vram(const char *when, const struct dumb *dumb)
{
	unsigned long long used = 0;
	char path[64], line[256];
	struct stat st;
	FILE *file;

	igt_assert_eq(fstat(dumb->fd, &st), 0);
	snprintf(path, sizeof(path), "/sys/kernel/debug/dri/%u/vram-mm",
		 minor(st.st_rdev));
	file = fopen(path, "r");
	igt_assert_f(file, "%s: %s\n", path, strerror(errno));
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "total: %*u, used %llu free", &used) == 1)
			printf("%s_vram %llu\n", when, used);
	fclose(file);
}

/* Of the whole machine; nothing with a stock ttm.ko. */
static void say_counters(const char *when)
{
	struct vttm_counters counters;

	if (__vttm_counters(NULL, &counters))
		return;
	printf("%s_marked %llu\n", when,
	       (unsigned long long)counters.pages_marked);
	printf("%s_quarantined %llu\n", when,
	       (unsigned long long)counters.pages_quarantined);
	fflush(stdout);
}

/* The first connector that has something to show on, and its first mode. */
static void show(const struct dumb *dumb)
{
	drmModeResPtr all = drmModeGetResources(dumb->fd);
	drmModeConnectorPtr connector = NULL;
	uint32_t fb;

	igt_assert(all && all->count_crtcs);
	for (int i = 0; i < all->count_connectors; i++) {
		connector = drmModeGetConnector(dumb->fd, all->connectors[i]);
		if (connector->count_modes)
			break;
		drmModeFreeConnector(connector);
		connector = NULL;
	}
	igt_assert_f(connector, "there is no screen\n");
	for (int i = 0; i < connector->count_modes; i++) {
		drmModeModeInfo *mode = &connector->modes[i];

		if (mode->hdisplay > WIDTH || mode->vdisplay > dumb->height)
			continue;
		igt_assert_eq(drmModeAddFB(dumb->fd, WIDTH, dumb->height, 24,
					   32, ROW, dumb->handle, &fb),
			      0);
		igt_assert_eq(drmModeSetCrtc(dumb->fd, all->crtcs[0], fb, 0, 0,
					     &connector->connector_id, 1, mode),
			      0);
		return;
	}
	igt_assert_f(false, "no mode fits\n");
}

/* What was shown can be moved away again. */
static void show_nothing(int fd)
{
	drmModeResPtr all = drmModeGetResources(fd);

	igt_assert_eq(drmModeSetCrtc(fd, all->crtcs[0], 0, 0, 0, NULL, 0, NULL),
		      0);
}

static void move(struct dumb *dumb, struct kvm_guest *guest, unsigned int mib)
{
	struct dumb other;

	show(dumb);
	walk_again(guest, "shown", dumb->size);
	say_vram("shown", dumb);
	say_counters("shown");

	show_nothing(dumb->fd);
	dumb_create(&other, dumb->fd, mib);
	show(&other);
	walk_again(guest, "evicted", dumb->size);
	say_vram("evicted", dumb);
	say_counters("evicted");
	show_nothing(dumb->fd);
}

int main(int argc, char **argv)
{
	bool moves = argc == 5 && !strcmp(argv[1], "move");
	bool holds = argc == 4 && !strcmp(argv[1], "hold");
	bool keeps = argc == 4 && !strcmp(argv[1], "keep");
	struct kvm_guest *guest;
	struct dumb dumb;
	int fd;

	if (!moves && !holds && !keeps &&
	    (argc != 4 || strcmp(argv[1], "walk"))) {
		fprintf(stderr,
			"usage: %s walk|hold|keep|move DRIVER MIB [OTHER]\n",
			argv[0]);
		return 2;
	}
	fd = open_driver(argv[2]);
	dumb_create(&dumb, fd, atoi(argv[3]));
	printf("pages %zu\n", dumb.size / KVM_GUEST_PAGE);
	printf("words %zu\n", dumb.size / sizeof(uint32_t));
	dumb.map[0] = 0;
	guest = walk_memory(dumb.map, dumb.size);
	say_counters("after");
	if (moves)
		move(&dumb, guest, atoi(argv[4]));
	if (!keeps) {
		dumb_free(&dumb);
		close(fd);
		say_counters("freed");
	}
	if (holds || keeps) {
		printf("held\n");
		fflush(stdout);
		pause();
	}
	printf("done 1\n");
	return 0;
}
