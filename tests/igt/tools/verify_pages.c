// SPDX-License-Identifier: MIT
/*
 * Compares all page frames of the machine with the mode's books.
 *
 *	verify_pages baseline FILE	which pages are reserved before ttm.ko is there
 *	verify_pages check FILE NAME	one result line: PASS|FAIL NAME MESSAGE
 *	verify_pages hold	touch a BO of 1 MiB, say "held", wait for a signal
 *
 * A page that is reserved now and was not then is ours: there must be as many as
 * the counters say are marked or leaked, each with a count of 1, mapped by nobody
 * in a way that counts, and neither free nor anybody else's. A page that was
 * reserved then still is.
 *
 * What it cannot see: /proc tells a page's flags and its map count, not its
 * reference count, so that one is asked of vttm, if vttm is loaded. The policy
 * "counted" sets no flag, so all that is seen of it is that nothing is reserved.
 */
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <unistd.h>

#include "igt.h"
#include "vttm.h"

/* Not in the kernel's exported header, but stable since 2.6.31. */
#define KPF_RESERVED 32

#define BIT(n) (1ull << (n))
/* What no page of a BO in use or in quarantine can be. */
#define FOREIGN \
	(BIT(KPF_BUDDY) | BIT(KPF_LRU) | BIT(KPF_SLAB) | BIT(KPF_MMAP) | \
	 BIT(KPF_ANON) | BIT(KPF_COMPOUND_HEAD) | BIT(KPF_COMPOUND_TAIL) | \
	 BIT(KPF_HWPOISON) | BIT(KPF_NOPAGE))

#define BLOCK 4096
/* The reaper looks every 200 ms; a walk that it disturbs is repeated. */
#define TRIES 50
#define PAUSE_US 200000

struct walk {
	uint64_t pages, ours, lost, foreign, miscounted;
	uint64_t bad_pfn, bad_flags;
	long long bad_count;
};

static int open_or_exit(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0) {
		fprintf(stderr, "verify_pages: %s: %s\n", path,
			strerror(errno));
		exit(2);
	}
	return fd;
}

/* The next flags of @fd: their number, 0 at the end of memory. */
static size_t next_flags(int fd, uint64_t *flags)
{
	ssize_t len = read(fd, flags, BLOCK * sizeof(*flags));

	return len > 0 ? len / sizeof(*flags) : 0;
}

static int baseline(const char *path)
{
	uint64_t flags[BLOCK], reserved = 0;
	int in = open_or_exit("/proc/kpageflags", O_RDONLY);
	FILE *out =
		fdopen(open_or_exit(path, O_WRONLY | O_CREAT | O_TRUNC), "w");
	size_t n;

	while ((n = next_flags(in, flags)))
		for (size_t i = 0; i < n; i++) {
			bool is = flags[i] & BIT(KPF_RESERVED);

			fputc(is, out);
			reserved += is;
		}
	close(in);
	printf("%llu pages are reserved before ttm.ko\n",
	       (unsigned long long)reserved);
	return fclose(out) ? 2 : 0;
}

/* Counts are asked of vttm: of whichever device there is, or of none. */
static int any_vttm(void)
{
	int fd = __vttm_open(VTTM_MODE);

	return fd < 0 ? __vttm_open(VTTM_STOCK) : fd;
}

static void look_at(struct walk *walk, int vttm, uint64_t pfn, uint64_t flags)
{
	struct drm_vttm_pfn args = { .pfn = pfn };

	walk->ours++;
	if (flags & FOREIGN) {
		walk->foreign++;
		walk->bad_pfn = pfn;
		walk->bad_flags = flags;
	}
	if (vttm < 0)
		return;
	if (vttm_ioctl(vttm, DRM_IOCTL_VTTM_PFN, &args) || args.count != 1) {
		walk->miscounted++;
		walk->bad_pfn = pfn;
		walk->bad_count = args.count;
	}
}

static struct walk walk_all(const char *path, int vttm)
{
	uint64_t flags[BLOCK], pfn = 0;
	unsigned char was[BLOCK];
	struct walk walk = {};
	int in = open_or_exit("/proc/kpageflags", O_RDONLY);
	int base = open_or_exit(path, O_RDONLY);
	size_t n;

	while ((n = next_flags(in, flags))) {
		ssize_t known = read(base, was, n);

		/* Memory that came since is not in the file. */
		if (known < 0)
			known = 0;
		memset(was + known, 0, n - known);
		for (size_t i = 0; i < n; i++, pfn++) {
			bool is = flags[i] & BIT(KPF_RESERVED);

			if (is && !was[i])
				look_at(&walk, vttm, pfn, flags[i]);
			if (was[i] && !is)
				walk.lost++;
		}
	}
	walk.pages = pfn;
	close(base);
	close(in);
	return walk;
}

/* Is a device's policy one that reserves pages? "naive", in a test build, does. */
static bool reserving(void)
{
	FILE *file = fopen("/sys/module/ttm/parameters/pfnmap_active", "re");
	char line[128] = "";
	bool counted = false;

	while (file && fgets(line, sizeof(line), file))
		counted |= !!strstr(line, " counted");
	if (file)
		fclose(file);
	return !counted;
}

static bool verdict(const char *name, const struct walk *walk,
		    const struct vttm_counters *books, int vttm)
{
	uint64_t booked = books->pages_marked + books->pages_leaked;
	bool right = reserving() ? walk->ours == booked : walk->ours == 0;
	bool ok = right && !walk->lost && !walk->foreign && !walk->miscounted;

	printf("%s %s %llu pages walked; %llu reserved since ttm.ko, %llu marked and %llu leaked in the books%s",
	       ok ? "PASS" : "FAIL", name, (unsigned long long)walk->pages,
	       (unsigned long long)walk->ours,
	       (unsigned long long)books->pages_marked,
	       (unsigned long long)books->pages_leaked,
	       vttm < 0 ? "; counts not seen" : "");
	if (walk->lost)
		printf("; %llu not reserved any more",
		       (unsigned long long)walk->lost);
	if (walk->foreign)
		printf("; %llu of somebody else, like PFN %llx with flags %llx",
		       (unsigned long long)walk->foreign,
		       (unsigned long long)walk->bad_pfn,
		       (unsigned long long)walk->bad_flags);
	if (walk->miscounted)
		printf("; %llu without a count of 1, like PFN %llx with %lld",
		       (unsigned long long)walk->miscounted,
		       (unsigned long long)walk->bad_pfn, walk->bad_count);
	printf("\n");
	return ok;
}

static int check(const char *path, const char *name)
{
	struct vttm_counters before, after;
	int vttm = any_vttm();
	struct walk walk;

	for (unsigned int try = 0; try < TRIES; try++) {
		if (__vttm_counters(NULL, &before)) {
			printf("FAIL %s there are no counters; is it our ttm.ko?\n",
			       name);
			return 1;
		}
		walk = walk_all(path, vttm);
		__vttm_counters(NULL, &after);
		if (!memcmp(&before, &after, sizeof(before)))
			return !verdict(name, &walk, &after, vttm);
		usleep(PAUSE_US);
	}
	printf("FAIL %s the counters never stood still for one walk\n", name);
	return 1;
}

/* So that there is something to see. */
static int hold(void)
{
	const size_t size = 1 << 20;
	int fd = vttm_open(VTTM_MODE);

	memset(vttm_mmap(fd, vttm_create(fd, size, VTTM_BO_CACHED), size), 1,
	       size);
	printf("held\n");
	fflush(stdout);
	return pause();
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "baseline"))
		return baseline(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "check"))
		return check(argv[2], argv[3]);
	if (argc == 2 && !strcmp(argv[1], "hold"))
		return hold();
	fprintf(stderr,
		"usage: verify_pages baseline FILE | check FILE NAME | hold\n");
	return 2;
}
