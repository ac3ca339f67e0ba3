// SPDX-License-Identifier: MIT
/**
 * TEST: virtgpu blob window
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: virtio-gpu
 * Functionality: which blobs are in the host-visible window, and where
 * Description: What the tracepoints of the window (virtio_gpu_window:*) tell while
 *	blobs of more than its size are used, and what can be done with a mapping.
 *
 * SUBTEST: window-lru
 * Description: The blobs that go are those whose faults are the longest ago, in that
 *	order
 *
 * SUBTEST: window-reuse
 * Description: No range is given to a blob while the host has another one there, or
 *	has not confirmed that it is gone
 *
 * SUBTEST: window-reuse-waits
 * Description: While the host has not confirmed that a blob left the window its place is
 *	nobody's, and who needs it waits
 *
 * SUBTEST: window-pinned
 * Description: A blob stays where it is while a driver that imports its dma-buf has
 *	its address, and can be evicted when it has not
 *
 * SUBTEST: window-all-pinned
 * Description: All of the window is an importer's: an access to another blob gets a SIGBUS
 *	after the timeout, and works when there is room again
 *
 * SUBTEST: window-pinned-evicted
 * Description: A driver imports the dma-buf of a blob that was evicted: the blob comes
 *	in, and stays
 *
 * SUBTEST: window-refused-create
 * Description: The host refuses to map a blob when it is made, and would not a second
 *	time: it is not asked again
 *
 * SUBTEST: window-refused-evicted
 * Description: The same, where nobody asked for the answer before others took the room
 *
 * SUBTEST: window-beside-churn
 * Description: Others make and close blobs all the time, while blobs of more than the
 *	window's size, each larger than theirs, are used: each access ends. Skipped
 *	without TTM
 *
 * SUBTEST: window-beside-small
 * Description: Others use small blobs all the time, of more than the window's size,
 *	while blobs of half of it are used: each access ends. Skipped without TTM
 *
 * SUBTEST: window-refused-map
 * Description: The host refuses to map a blob that was evicted: the access gets a
 *	SIGBUS, and the next one the contents when the host has changed its mind
 *
 * SUBTEST: window-refused-unmap
 * Description: The host refuses to unmap a blob that is evicted: no other blob gets
 *	its range, and the others have what is left. The device that comes back has
 *	all of its window
 *
 * SUBTEST: map-signals
 * Description: Signals arrive all the time while blobs are used; with TTM, of more
 *	than the window's size
 *
 * SUBTEST: map-moved
 * Description: A mapping is moved, and half of it unmapped
 *
 * SUBTEST: map-around
 * Description: All pages of a blob are used after few page faults, each of them at its
 *	place, and none where the mapping has a hole
 *
 * SUBTEST: map-no-gup
 * Description: Nobody gets a reference to a page of the window
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "dmabuf.h"
#include "igt.h"
#include "param.h"
#include "virtgpu.h"

#define MIB(n) ((uint64_t)(n) << 20)
#define BLOB MIB(4)
#define MAX_BLOBS 64
#define MAX_EVENTS 4096
#define ROUNDS 3
#define REFUSALS 100
#define PAGE_WORDS 1024
#define LARGE_BLOBS 6
#define CHURNERS 2
#define SMALL MIB(1)
#define HALVES 3
#define ENDS_SECONDS 90
/* Of 3 page tables that may map a blob, and of the test; TTM's prefault would be 64. */
#define FAULTS_MAX 16
/* Of the module host_refuses. */
#define REFUSES "host_refuses"

static struct virtgpu gpu;
static struct virtgpu_blob blob[MAX_BLOBS];
static uint32_t *volatile map[MAX_BLOBS];
static unsigned int blobs;

struct event {
	char name[16];
	uint32_t blob;
	uint64_t start, size;
};

static struct event events[MAX_EVENTS];
static unsigned int event_count;

static unsigned int window_blobs(void)
{
	return virtgpu_window_size() / BLOB;
}

/* Not what a page is that nobody wrote to. */
static void touch(unsigned int i)
{
	map[i][0] = i + 1;
}

static void assert_touched(unsigned int i)
{
	igt_assert_eq(map[i][0], i + 1);
}

/* The first ones take the window, as far as they go. */
static void make_blobs(unsigned int count)
{
	igt_assert(count <= MAX_BLOBS);
	virtgpu_open(&gpu, VIRTGPU_VENUS);
	for (blobs = 0; blobs < count; blobs++) {
		virtgpu_blob(&gpu, BLOB, &blob[blobs]);
		map[blobs] = virtgpu_blob_mmap(&gpu, &blob[blobs]);
	}
}

static void free_blobs(void)
{
	for (unsigned int i = 0; i < blobs; i++)
		munmap(map[i], BLOB);
	virtgpu_close(&gpu);
	if (virtgpu_ttm_blobs())
		virtgpu_window_wait_empty();
}

static void read_events(void)
{
	FILE *file = virtgpu_trace_open();
	struct event *event = events;
	char line[512], *at;

	while (fgets(line, sizeof(line), file)) {
		at = strstr(line, " virtio_gpu_range_");
		if (*line == '#' || !at)
			continue;
		igt_assert(event < events + MAX_EVENTS);
		igt_assert_eq(sscanf(at,
				     " virtio_gpu_range_%15[a-z]: blob=%" SCNu32
				     " start=%" SCNx64 " size=%" SCNx64,
				     event->name, &event->blob, &event->start,
				     &event->size),
			      4);
		event++;
	}
	fclose(file);
	event_count = event - events;
}

static bool is(const struct event *event, const char *name)
{
	return !strcmp(event->name, name);
}

static unsigned int evicted(uint32_t resource)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < event_count; i++)
		n += is(&events[i], "evict") && events[i].blob == resource;
	return n;
}

static void require_ttm(void)
{
	igt_require_f(virtgpu_ttm_blobs(), "without TTM no blob is evicted\n");
	virtgpu_window_wait_empty();
}

static void test_lru(void)
{
	const unsigned int room = window_blobs();
	unsigned int next = 0;

	require_ttm();
	make_blobs(room + room / 2);
	/* The other way round than they were made. */
	for (unsigned int i = 0; i < room; i++)
		touch(room - 1 - i);
	virtgpu_trace_begin(VIRTGPU_EVENTS_WINDOW);
	for (unsigned int i = room; i < blobs; i++)
		touch(i);
	virtgpu_trace_end(VIRTGPU_EVENTS_WINDOW);
	read_events();
	for (unsigned int i = 0; i < event_count; i++)
		if (is(&events[i], "evict"))
			igt_assert_eq(events[i].blob,
				      blob[room - 1 - next++].resource);
	igt_assert_eq(next, blobs - room);
	free_blobs();
}

static bool overlap(const struct event *a, const struct event *b)
{
	return a->start < b->start + b->size && b->start < a->start + a->size;
}

/* Is there another blob where this one is to be mapped? */
static bool taken(unsigned int at)
{
	for (unsigned int i = at; i--;) {
		if (!overlap(&events[i], &events[at]))
			continue;
		/* What was there last. */
		return !is(&events[i], "returned");
	}
	return false;
}

static void test_reuse(void)
{
	unsigned int reused = 0;

	require_ttm();
	virtgpu_trace_begin(VIRTGPU_EVENTS_WINDOW);
	make_blobs(2 * window_blobs());
	for (unsigned int round = 0; round < ROUNDS; round++)
		for (unsigned int i = 0; i < blobs; i++)
			touch(i);
	free_blobs();
	virtgpu_trace_end(VIRTGPU_EVENTS_WINDOW);
	read_events();
	for (unsigned int i = 0; i < event_count; i++) {
		if (!is(&events[i], "map"))
			continue;
		igt_assert_f(!taken(i), "%" PRIx64 " is somebody's\n",
			     events[i].start);
		reused++;
	}
	igt_assert_lt(ROUNDS * (int)window_blobs(), reused);
}

static unsigned int events_named(const char *name)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < event_count; i++)
		n += is(&events[i], name);
	return n;
}

static void test_reuse_waits(void)
{
	unsigned int leaving;
	uint64_t waits;
	int status;
	pid_t pid;

	require_ttm();
	make_blobs(2 * window_blobs());
	for (unsigned int i = 0; i < blobs; i++)
		touch(i);
	waits = virtgpu_window_count("waits");
	virtgpu_trace_begin(VIRTGPU_EVENTS_WINDOW);
	param_set("late_host", "stall", 1);
	pid = child_fork();
	if (!pid) {
		touch(0);
		_exit(0);
	}
	sleep(3);
	igt_assert_eq(waitpid(pid, &status, WNOHANG), 0);
	leaving = virtgpu_window_count("leaving");
	igt_assert_eq_u64(virtgpu_window_count("used"), virtgpu_window_size());
	igt_assert_lt_u64(waits, virtgpu_window_count("waits"));
	virtgpu_trace_end(VIRTGPU_EVENTS_WINDOW);
	read_events();
	igt_assert_lt(0, leaving);
	igt_assert_eq(events_named("unmap"), leaving);
	igt_assert_eq(events_named("returned"), 0);
	igt_assert_eq(events_named("map"), 0);

	virtgpu_trace_begin(VIRTGPU_EVENTS_WINDOW);
	param_set("late_host", "stall", 0);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
	virtgpu_trace_end(VIRTGPU_EVENTS_WINDOW);
	read_events();
	igt_assert_lte(leaving, events_named("returned"));
	igt_assert_eq(events_named("map"), 1);
	for (unsigned int i = 0; i < blobs; i++)
		assert_touched(i);
	free_blobs();
}

static void host_accepts(int sig)
{
	(void)sig;
	if (param_exists("late_host", "stall"))
		param_set("late_host", "stall", 0);
	if (!param_exists(REFUSES, "map"))
		return;
	param_set(REFUSES, "map", 0);
	param_set(REFUSES, "unmap", 0);
}

static void require_host_refuses(void)
{
	igt_require_f(param_exists(REFUSES, "map"),
		      "host_refuses.ko is not loaded\n");
}

/* What a failed test has left: a range that is lost until the device comes back. */
static void heal(void)
{
	host_accepts(0);
	virtgpu_window_heal();
}

/* A blob that the host refuses when it is made is never asked for again. */
static void test_refused_create(void)
{
	struct virtgpu_blob refused;
	void *again;

	require_host_refuses();
	/* There is to be room, so that the host is asked at once. */
	if (virtgpu_ttm_blobs())
		virtgpu_window_wait_empty();
	virtgpu_open(&gpu, VIRTGPU_VENUS);
	param_set(REFUSES, "map", 1);
	virtgpu_blob(&gpu, BLOB, &refused);
	for (int i = 0; i < 3; i++)
		igt_assert_eq(__virtgpu_blob_mmap(&gpu, &refused, &again),
			      -EINVAL);
	igt_assert_eq(param_get(REFUSES, "map"), 0);
	virtgpu_expect_refusals((struct virtgpu_refusals){ .maps = 1 });
	virtgpu_close(&gpu);
}

/* Its answer came, and nobody asked for it before the blob had to go. */
static void test_refused_evicted(void)
{
	struct virtgpu_blob refused;
	struct virtgpu own;
	void *again;

	require_ttm();
	require_host_refuses();
	virtgpu_open(&own, VIRTGPU_VENUS);
	param_set(REFUSES, "map", 1);
	virtgpu_blob(&own, BLOB, &refused);
	for (int i = 0; param_get(REFUSES, "map"); i++) {
		igt_assert(i < 300);
		usleep(100000);
	}
	virtgpu_expect_refusals((struct virtgpu_refusals){ .maps = 1 });
	make_blobs(2 * window_blobs());
	for (unsigned int i = 0; i < blobs; i++)
		touch(i);
	for (int i = 0; i < 3; i++)
		igt_assert_eq(__virtgpu_blob_mmap(&own, &refused, &again),
			      -EINVAL);
	virtgpu_close(&own);
	free_blobs();
}

static void churn(const atomic_bool *stop)
{
	unsigned int rounds = 0;
	struct virtgpu own;
	struct virtgpu_blob one;

	virtgpu_open(&own, VIRTGPU_VENUS);
	while (!*stop) {
		virtgpu_blob(&own, BLOB, &one);
		virtgpu_blob_close(&own, &one);
		/* Or the control queue is full all the time. */
		if (!(++rounds % 16))
			usleep(1000);
	}
}

/* All of the window, and as much again. */
static void use_small_blobs(const atomic_bool *stop)
{
	const unsigned int count = 2 * virtgpu_window_size() / SMALL / CHURNERS;
	volatile uint32_t *small[256];
	struct virtgpu_blob one;
	struct virtgpu own;

	igt_assert_lte(count, 256);
	virtgpu_open(&own, VIRTGPU_VENUS);
	for (unsigned int i = 0; i < count; i++) {
		virtgpu_blob(&own, SMALL, &one);
		small[i] = virtgpu_blob_mmap(&own, &one);
	}
	while (!*stop)
		for (unsigned int i = 0; !*stop && i < count; i++)
			++*small[i];
	virtgpu_close(&own);
}

static void use_large_blobs(unsigned int count, uint64_t size)
{
	uint32_t *large[LARGE_BLOBS];
	struct virtgpu own;

	virtgpu_open(&own, VIRTGPU_VENUS);
	for (unsigned int i = 0; i < count; i++) {
		struct virtgpu_blob one;

		virtgpu_blob(&own, size, &one);
		large[i] = virtgpu_blob_mmap(&own, &one);
	}
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int i = 0; i < count; i++) {
			volatile uint32_t *word = large[i];

			igt_assert_eq(*word, round ? i + 1 : 0);
			*word = i + 1;
		}
	}
	virtgpu_close(&own);
}

static void test_beside(void (*others)(const atomic_bool *stop),
			unsigned int count, uint64_t size)
{
	atomic_bool *stop = mmap(NULL, sizeof(*stop), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	require_ttm();
	igt_assert(stop != MAP_FAILED);
	igt_fork(child, 1 + CHURNERS)
	{
		if (child) {
			others(stop);
		} else {
			use_large_blobs(count, size);
			*stop = true;
		}
	}
	igt_waitchildren_timeout(ENDS_SECONDS, "an access does not end");
	munmap(stop, sizeof(*stop));
	virtgpu_window_wait_empty();
}

static void test_refused_map(void)
{
	uint64_t refused;
	unsigned int n;
	void *again;

	require_ttm();
	require_host_refuses();
	make_blobs(2 * window_blobs());
	for (unsigned int i = 0; i < blobs; i++)
		touch(i);
	refused = virtgpu_window_count("refused");
	virtgpu_trace_begin(VIRTGPU_EVENTS_WINDOW);
	param_set(REFUSES, "map", REFUSALS);
	igt_assert(virtgpu_is_sigbus(map[0]));
	n = REFUSALS - param_get(REFUSES, "map");
	host_accepts(0);
	virtgpu_expect_refusals((struct virtgpu_refusals){ .maps = n });
	virtgpu_trace_end(VIRTGPU_EVENTS_WINDOW);
	read_events();
	igt_assert_eq(events_named("refused"), n);
	/* A fault is tried twice, the second time with the mmap lock. */
	igt_assert_lte(1, n);
	igt_assert_lte(n, 2);
	igt_assert_eq_u64(virtgpu_window_count("refused"), refused + n);
	/* As of one that was refused when it was made, but not for ever. */
	igt_assert_eq(__virtgpu_blob_mmap(&gpu, &blob[0], &again), -EINVAL);
	for (unsigned int i = 0; i < blobs; i++)
		assert_touched(i);
	igt_assert_eq(__virtgpu_blob_mmap(&gpu, &blob[0], &again), 0);
	munmap(again, BLOB);
	free_blobs();
}

/* The events since virtgpu_trace_begin(). */
static void assert_no_range_taken(void)
{
	for (unsigned int i = 0; i < event_count; i++)
		igt_assert_f(!is(&events[i], "map") || !taken(i),
			     "%" PRIx64 " is somebody's\n", events[i].start);
}

static void test_refused_unmap(void)
{
	const unsigned int room = window_blobs();
	struct virtgpu_device device;
	uint64_t refused;
	unsigned int n;

	require_ttm();
	require_host_refuses();
	virtgpu_device(&device);
	make_blobs(2 * room);
	for (unsigned int i = 0; i < room; i++)
		touch(i);
	virtgpu_trace_begin(VIRTGPU_EVENTS_WINDOW);
	param_set(REFUSES, "unmap", 1);
	for (unsigned int i = room; i < blobs; i++)
		touch(i);
	igt_assert_eq(param_get(REFUSES, "unmap"), 0);
	igt_assert_eq_u64(virtgpu_window_count("lost"), BLOB);
	/* All but the one that the host kept. */
	for (unsigned int round = 0; round < ROUNDS; round++)
		for (unsigned int i = 1; i < blobs; i++)
			assert_touched(i);
	virtgpu_trace_end(VIRTGPU_EVENTS_WINDOW);
	read_events();
	igt_assert_eq(evicted(blob[0].resource), 1);
	igt_assert_eq(events_named("lost"), 1);
	assert_no_range_taken();
	igt_assert_eq_u64(virtgpu_window_count("lost"), BLOB);

	/* The host still has it where it was. */
	refused = virtgpu_window_count("refused");
	igt_assert(virtgpu_is_sigbus(map[0]));
	n = virtgpu_window_count("refused") - refused;
	igt_assert_lte(1, n);
	igt_assert_lte(n, 2);
	virtgpu_expect_refusals(
		(struct virtgpu_refusals){ .maps = n, .unmaps = 1 });
	for (unsigned int i = 0; i < blobs; i++)
		munmap(map[i], BLOB);
	virtgpu_close(&gpu);
	for (int i = 0; virtgpu_window_used() != BLOB; i++) {
		igt_assert(i < 300);
		usleep(100000);
	}

	virtgpu_unbind(&device);
	virtgpu_bind(&device);
	make_blobs(room);
	for (unsigned int i = 0; i < blobs; i++)
		touch(i);
	igt_assert_eq_u64(virtgpu_window_count("lost"), 0);
	free_blobs();
}

/* A driver imports the dma-buf, until what it returns is closed. */
static int hold_in_window(int dmabuf)
{
	uint64_t address;
	int hold = dmabuf_hold(dmabuf, &address);

	igt_assert_lte_u64(virtgpu_window_base(), address);
	igt_assert_lte_u64(address + BLOB,
			   virtgpu_window_base() + virtgpu_window_size());
	return hold;
}

static void test_pinned(void)
{
	int dmabuf, hold;

	require_ttm();
	make_blobs(2 * window_blobs());
	dmabuf = virtgpu_blob_export(&gpu, &blob[0]);
	hold = hold_in_window(dmabuf);
	virtgpu_trace_begin(VIRTGPU_EVENTS_WINDOW);
	for (unsigned int i = 0; i < blobs; i++)
		touch(i);
	read_events();
	igt_assert_eq(evicted(blob[0].resource), 0);
	igt_assert_lt(0, evicted(blob[1].resource));
	close(hold);
	for (unsigned int i = 1; i < blobs; i++)
		touch(i);
	virtgpu_trace_end(VIRTGPU_EVENTS_WINDOW);
	read_events();
	igt_assert_eq(evicted(blob[0].resource), 1);
	assert_touched(0);
	close(dmabuf);
	free_blobs();
}

static void test_all_pinned(void)
{
	const unsigned int room = window_blobs();
	int dmabuf[MAX_BLOBS], hold[MAX_BLOBS];
	unsigned long timeout = param_get("virtio_gpu", "ttm_blobs_timeout_ms");
	uint64_t evictions;
	bool sigbus;

	require_ttm();
	make_blobs(room + 1);
	for (unsigned int i = 0; i < room; i++) {
		dmabuf[i] = virtgpu_blob_export(&gpu, &blob[i]);
		hold[i] = hold_in_window(dmabuf[i]);
	}
	evictions = virtgpu_window_count("evictions");
	param_set("virtio_gpu", "ttm_blobs_timeout_ms", 1000);
	sigbus = virtgpu_is_sigbus(map[room]);
	param_set("virtio_gpu", "ttm_blobs_timeout_ms", timeout);
	igt_assert(sigbus);
	igt_assert_eq_u64(virtgpu_window_count("evictions"), evictions);
	for (unsigned int i = 0; i < room; i++)
		touch(i);
	close(hold[0]);
	touch(room);
	igt_assert_eq_u64(virtgpu_window_count("evictions"), evictions + 1);
	for (unsigned int i = 0; i < room; i++) {
		if (i)
			close(hold[i]);
		close(dmabuf[i]);
	}
	for (unsigned int i = 0; i < blobs; i++)
		assert_touched(i);
	free_blobs();
}

static void test_pinned_evicted(void)
{
	int dmabuf, hold;

	require_ttm();
	make_blobs(2 * window_blobs());
	dmabuf = virtgpu_blob_export(&gpu, &blob[0]);
	touch(0);
	virtgpu_trace_begin(VIRTGPU_EVENTS_WINDOW);
	for (unsigned int i = 1; i < blobs; i++)
		touch(i);
	read_events();
	igt_assert_eq(evicted(blob[0].resource), 1);
	virtgpu_trace_begin(VIRTGPU_EVENTS_WINDOW);
	hold = hold_in_window(dmabuf);
	for (unsigned int i = 1; i < blobs; i++)
		touch(i);
	virtgpu_trace_end(VIRTGPU_EVENTS_WINDOW);
	read_events();
	igt_assert_eq(evicted(blob[0].resource), 0);
	assert_touched(0);
	close(hold);
	close(dmabuf);
	free_blobs();
}

static void test_signals(void)
{
	make_blobs(virtgpu_ttm_blobs() ? 2 * window_blobs() :
					 window_blobs() / 2);
	igt_fork_signal_helper();
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int i = 0; i < blobs; i++)
			for (uint32_t j = 0; j < BLOB / 4; j += 1024)
				map[i][j] = i * j + round;
		for (unsigned int i = 0; i < blobs; i++)
			for (uint32_t j = 0; j < BLOB / 4; j += 1024)
				igt_assert_eq_u32(map[i][j], i * j + round);
	}
	igt_stop_signal_helper();
	free_blobs();
}

static void test_moved(void)
{
	uint32_t *moved, *to;

	make_blobs(virtgpu_ttm_blobs() ? 2 * window_blobs() : 2);
	for (unsigned int i = 0; i < blobs; i++)
		touch(i);
	map[0][BLOB / 4 - 1] = 17;
	to = mmap(NULL, BLOB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(to != MAP_FAILED);
	moved = mremap(map[0], BLOB, BLOB, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	igt_assert(moved == to);
	igt_assert_eq(munmap(moved, BLOB / 2), 0);
	for (unsigned int i = 1; i < blobs; i++)
		touch(i);
	/* By now it was evicted. */
	igt_assert_eq_u32(moved[BLOB / 4 - 1], 17);
	igt_assert_eq(munmap(moved + BLOB / 8, BLOB / 2), 0);
	map[0] = virtgpu_blob_mmap(&gpu, &blob[0]);
	igt_assert_eq_u32(map[0][BLOB / 4 - 1], 17);
	free_blobs();
}

static long minor_faults(void)
{
	struct rusage usage;

	igt_assert_eq(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_minflt;
}

/* Each page holds its number. */
static void verify_pages(uint32_t *words, unsigned int first, unsigned int end)
{
	for (unsigned int page = first; page < end; page++)
		igt_assert_eq_u32(words[page * PAGE_WORDS], page);
}

static void test_around(void)
{
	const unsigned int pages = BLOB / 4 / PAGE_WORDS, hole = pages / 3,
			   hole_end = hole + 100;
	uint32_t *other;
	int ends[2];
	long faults;

	make_blobs(virtgpu_ttm_blobs() ? 2 * window_blobs() : 2);
	faults = minor_faults();
	for (unsigned int page = 0; page < pages; page++)
		map[0][page * PAGE_WORDS] = page;
	faults = minor_faults() - faults;
	igt_info("%ld faults for %u pages\n", faults, pages);
	igt_assert_lte(faults, FAULTS_MAX);

	igt_assert_eq(munmap(map[0] + hole * PAGE_WORDS,
			     (hole_end - hole) * PAGE_WORDS * 4),
		      0);
	for (unsigned int i = 1; i < blobs; i++)
		touch(i);
	/* By now it was evicted. */
	verify_pages(map[0], hole_end, pages);
	verify_pages(map[0], 0, hole);
	/* A PTE there would do, though nothing is mapped. */
	igt_assert_eq(pipe(ends), 0);
	for (unsigned int page = hole; page < hole_end; page++) {
		igt_assert_eq(write(ends[1], map[0] + page * PAGE_WORDS, 1),
			      -1);
		igt_assert_eq(errno, EFAULT);
	}
	close(ends[0]);
	close(ends[1]);
	other = virtgpu_blob_mmap(&gpu, &blob[0]);
	verify_pages(other, 0, pages);
	munmap(other, BLOB);
	free_blobs();
}

static void test_no_gup(void)
{
	uint32_t word;
	struct iovec here = { .iov_base = &word, .iov_len = sizeof(word) };
	struct iovec there = { .iov_len = sizeof(word) };
	int ends[2];

	make_blobs(1);
	touch(0);
	there.iov_base = map[0];
	igt_assert_eq(process_vm_readv(getpid(), &here, 1, &there, 1, 0), -1);
	igt_assert_eq(errno, EFAULT);
	igt_assert_eq(pipe(ends), 0);
	igt_assert_eq(vmsplice(ends[1], &there, 1, 0), -1);
	igt_assert_eq(errno, EFAULT);
	close(ends[0]);
	close(ends[1]);
	free_blobs();
}

int igt_main()
{
	igt_fixture() igt_install_exit_handler(host_accepts);
	igt_describe("new call: the window's tracepoints tell who goes first");
	igt_subtest("window-lru") test_lru();
	igt_describe("new call: the window's tracepoints tell who was where");
	igt_subtest("window-reuse") test_reuse();
	igt_describe("new call: a place in the window waits for the host");
	igt_subtest("window-reuse-waits") test_reuse_waits();
	igt_fixture() heal();
	igt_describe("new call: an importer keeps a blob from being evicted");
	igt_subtest("window-pinned") test_pinned();
	igt_describe("new call: importers have all of the window");
	igt_subtest("window-all-pinned") test_all_pinned();
	igt_describe("new call: an importer brings back what was evicted");
	igt_subtest("window-pinned-evicted") test_pinned_evicted();
	igt_describe("regression: the host refuses to map a blob once");
	igt_subtest("window-refused-create") test_refused_create();
	igt_fixture() heal();
	igt_describe("new call: a refusal that nobody saw is not forgotten");
	igt_subtest("window-refused-evicted") test_refused_evicted();
	igt_fixture() heal();
	igt_describe(
		"new call: an access ends while others make and close blobs");
	igt_subtest("window-beside-churn")
		test_beside(churn, LARGE_BLOBS, virtgpu_window_size() / 4);
	igt_describe("new call: an access ends while others use small blobs");
	igt_subtest("window-beside-small")
		test_beside(use_small_blobs, HALVES, virtgpu_window_size() / 2);
	igt_describe("new call: stock maps a blob once, when it is made");
	igt_subtest("window-refused-map") test_refused_map();
	igt_fixture() heal();
	igt_describe("new call: stock unmaps what it forgets, without a look");
	igt_subtest("window-refused-unmap") test_refused_unmap();
	igt_fixture() heal();
	igt_describe("regression: signals while blobs are used");
	igt_subtest("map-signals") test_signals();
	igt_describe("regression: mremap() and munmap() of a part");
	igt_subtest("map-moved") test_moved();
	igt_describe("regression: what one fault maps of a blob");
	igt_subtest("map-around") test_around();
	igt_describe("regression: GUP is refused");
	igt_subtest("map-no-gup") test_no_gup();
}
