// SPDX-License-Identifier: MIT
/**
 * TEST: virtgpu blob overcommit
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: virtio-gpu
 * Functionality: more mappable HOST3D blobs than the host-visible window holds
 * Description: With virtio_gpu.ttm_blobs=1 the window never runs out: TTM evicts
 *	the blobs that were not used for the longest time. Without it every blob
 *	keeps its part of the window from create to close. The tests run with
 *	both, and each asserts what its kind of window does.
 *
 * SUBTEST: overcommit-%s
 * Description: Ten times the window in blobs, all mapped at once: each word is
 *	written and then read back in later rounds. Without TTM: -ENOSPC when the
 *	window is full
 *
 * arg[1]:
 * @virgl:	GL buffers with a persistent mapping
 * @venus:	shared memory of the host
 *
 * SUBTEST: overcommit-fragmented
 * Description: A blob for which the window has the space, but not in one piece.
 *	Without TTM: -ENOSPC
 *
 * SUBTEST: overcommit-threads
 * Description: Threads that read and write blobs in random order, in a window
 *	that holds a third of them. Without TTM: -ENOSPC
 *
 * SUBTEST: overcommit-window-sized
 * Description: Two blobs as large as the window take turns. Without TTM: -ENOSPC
 *
 * SUBTEST: overcommit-too-large
 * Description: A blob larger than the window cannot be mapped: -ENOSPC, from
 *	mmap() in the mode, from the create ioctl without. In the mode a driver that
 *	imports it gets the same, and no other blob has to go
 *
 * SUBTEST: overcommit-close-mapped
 * Description: A mapping keeps its blob when the handle is closed, also through
 *	evictions. Without TTM: the window is full
 *
 * SUBTEST: overcommit-dmabuf
 * Description: The mapping of an evicted blob's dma-buf shows the blob. Without
 *	TTM: the window is full
 *
 * SUBTEST: overcommit-orphan-%s
 * Description: A blob whose maker has never mapped it, and is gone: another client, that
 *	has imported it, is the first to map it. With TTM there was no room when it was
 *	made, so that the host is asked only then
 *
 * arg[1]:
 * @virgl:	GL buffers with a persistent mapping
 * @venus:	shared memory of the host
 */

/**
 * SUBTEST: overcommit-fork
 * Description: Parent and child see each other's writes through evictions.
 *	Without TTM: the window is full
 *
 * SUBTEST: overcommit-kill
 * Description: A process that is killed while it uses blobs leaves an empty window
 *
 * SUBTEST: teardown-does-not-stall
 * Description: A process ends that has filled half of the window with small blobs. The
 *	next one maps a blob without waiting for the host to unmap more than a few.
 *	Without TTM it has to
 *
 * SUBTEST: teardown-full-does-not-stall
 * Description: The same, where all of the window was full: the next one waits until the
 *	host has unmapped as many as it needs, and not for all
 *
 * SUBTEST: untouched-blobs
 * Description: Blobs that are made, mapped and closed, and that nobody touches: the host
 *	is not asked to map more than a few of them, and is again when somebody touches
 *	one. Without TTM it maps and unmaps all
 *
 * SUBTEST: overcommit-traced
 * Description: The tracepoints tell of each map, eviction and unmap that debugfs
 *	counts. Without TTM there are none
 *
 * SUBTEST: bad-arguments
 * Description: Sizes, offsets and flags that make no sense get the same errno in
 *	both kinds of window
 *
 * SUBTEST: refused-map
 * Description: A blob that the host refuses to map: mmap() says -EINVAL
 */
#include <linux/virtio_gpu.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "dmabuf.h"
#include "igt.h"
#include "virtgpu.h"
#include "virtgpu_drm.h"

#define MIB(n) ((uint64_t)(n) << 20)
#define BLOB MIB(4)
#define WORDS (BLOB / 4)
#define MAX_BLOBS 256
#define ROUNDS 1
#define THREADS 4
#define THREAD_TURNS 40

struct set {
	struct virtgpu gpu;
	struct virtgpu_blob blob[MAX_BLOBS];
	uint32_t *map[MAX_BLOBS];
	unsigned int count;
};

static struct set set;

static uint32_t word(uint32_t blob, uint32_t round, uint32_t index)
{
	return (blob * 0x9e3779b1u) ^ (round * 0x85ebca77u) ^
	       (index * 0xc2b2ae3du);
}

static void write_words(uint32_t *map, uint32_t blob, uint32_t round)
{
	for (uint32_t i = 0; i < WORDS; i++)
		map[i] = word(blob, round, i);
}

/* The number of wrong words. */
static uint32_t wrong_words(const uint32_t *map, uint32_t blob, uint32_t round)
{
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < WORDS; i++)
		wrong += map[i] != word(blob, round, i);
	return wrong;
}

static void check_words(const uint32_t *map, uint32_t blob, uint32_t round)
{
	uint32_t wrong = wrong_words(map, blob, round);

	igt_assert_f(!wrong, "blob %u, round %u: %u of %u words are wrong\n",
		     blob, round, wrong, (uint32_t)WORDS);
}

static unsigned int window_blobs(void)
{
	return virtgpu_window_size() / BLOB;
}

/*
 * The last test's blobs may still be leaving. TTM waits for that; without it the
 * create ioctl fails while it lasts.
 */
static int create_patiently(struct virtgpu *gpu, uint64_t size,
			    struct virtgpu_blob *blob)
{
	struct virtgpu_blob_params params = { .size = size };
	int ret = 0;

	for (int i = 0; i < 50; i++) {
		ret = __virtgpu_blob(gpu, &params, blob);
		if (ret != -ENOSPC || virtgpu_ttm_blobs())
			break;
		usleep(100000);
	}
	return ret;
}

/*
 * Until the host has unmapped what was closed. (Debian's driver must not be asked while
 * blobs leave.)
 */
static void wait_used(uint64_t used)
{
	for (int i = 0; virtgpu_ttm_blobs() && i < 150; i++) {
		if (virtgpu_window_used() == used)
			return;
		usleep(100000);
	}
	for (int i = 0; !virtgpu_ttm_blobs() && i < 5; i++) {
		sleep(5);
		if (virtgpu_window_used() == used)
			return;
	}
	igt_assert_eq_u64(virtgpu_window_used(), used);
}

/* Creates and maps up to @count blobs; fewer if there is no more room. */
static void set_make(enum virtgpu_context context, unsigned int count)
{
	igt_assert(count <= MAX_BLOBS);
	memset(&set, 0, sizeof(set));
	virtgpu_open(&set.gpu, context);
	for (; set.count < count; set.count++) {
		struct virtgpu_blob *blob = &set.blob[set.count];
		int ret = create_patiently(&set.gpu, BLOB, blob);

		if (ret == -ENOSPC)
			break;
		igt_assert_eq(ret, 0);
		set.map[set.count] = virtgpu_blob_mmap(&set.gpu, blob);
	}
}

static void set_free(void)
{
	for (unsigned int i = 0; i < set.count; i++)
		if (set.map[i])
			munmap(set.map[i], BLOB);
	virtgpu_close(&set.gpu);
	set.count = 0;
	if (virtgpu_ttm_blobs()) {
		virtgpu_window_wait_empty();
		igt_assert_eq_u64(virtgpu_window_count("lost"), 0);
		igt_assert_eq_u64(virtgpu_window_count("timeouts"), 0);
	}
}

/* Asserts that the window without TTM was full; true if TTM gave all @count. */
static bool set_complete(unsigned int count)
{
	if (!virtgpu_ttm_blobs()) {
		igt_assert_eq(set.count, window_blobs());
		return false;
	}
	igt_assert_eq(set.count, count);
	return true;
}

static void set_write(uint32_t round)
{
	for (unsigned int i = 0; i < set.count; i++)
		write_words(set.map[i], i, round);
}

static void set_check(uint32_t round)
{
	for (unsigned int i = 0; i < set.count; i++)
		check_words(set.map[i], i, round);
}

/* Touches enough others to have TTM evict the first @count blobs. */
static void evict_first(unsigned int count)
{
	uint64_t evictions = virtgpu_window_count("evictions");

	for (unsigned int i = count; i < set.count; i++)
		set.map[i][0] = i;
	igt_assert_lte_u64(evictions + count,
			   virtgpu_window_count("evictions"));
}

static void test_overcommit(enum virtgpu_context context)
{
	unsigned int count = 10 * window_blobs();
	uint64_t evictions;

	set_make(context, count);
	evictions = virtgpu_ttm_blobs() ? virtgpu_window_count("evictions") : 0;
	set_write(0);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		set_check(round);
		set_write(round + 1);
	}
	set_check(ROUNDS);
	if (set_complete(count))
		igt_assert_lte_u64(count * ROUNDS,
				   virtgpu_window_count("evictions") -
					   evictions);
	set_free();
}

static void test_fragmented(void)
{
	unsigned int fill = window_blobs();
	struct virtgpu_blob_params params = { .size = 2 * BLOB };
	struct virtgpu_blob large;
	uint64_t evictions;
	uint32_t *map;
	int ret;

	virtgpu_window_wait_unused();
	set_make(VIRTGPU_VENUS, fill);
	igt_assert_eq(set.count, fill);
	set_write(1);
	for (unsigned int i = 0; i < fill; i += 2) {
		munmap(set.map[i], BLOB);
		set.map[i] = NULL;
		virtgpu_blob_close(&set.gpu, &set.blob[i]);
	}
	/* Half of it is free, in pieces of which none is large enough. */
	wait_used(fill / 2 * BLOB);
	ret = __virtgpu_blob(&set.gpu, &params, &large);
	if (!virtgpu_ttm_blobs()) {
		igt_assert_eq(ret, -ENOSPC);
	} else {
		igt_assert_eq(ret, 0);
		igt_assert_eq_u64(virtgpu_window_count("largest-hole"), BLOB);
		evictions = virtgpu_window_count("evictions");
		map = virtgpu_blob_mmap(&set.gpu, &large);
		write_words(map, fill, 2);
		igt_assert_lt_u64(evictions, virtgpu_window_count("evictions"));
		write_words(map + WORDS, fill + 1, 2);
		for (unsigned int i = 1; i < fill; i += 2)
			check_words(set.map[i], i, 1);
		check_words(map, fill, 2);
		check_words(map + WORDS, fill + 1, 2);
		munmap(map, 2 * BLOB);
	}
	set_free();
}

struct turn {
	pthread_mutex_t lock;
	uint32_t round;
};

static struct turn turns[MAX_BLOBS];
static uint32_t wrong_in_threads;

static void *thread_turns(void *arg)
{
	unsigned int seed = (uintptr_t)arg;

	for (int i = 0; i < THREAD_TURNS; i++) {
		unsigned int n = rand_r(&seed) % set.count;
		struct turn *turn = &turns[n];
		uint32_t wrong;

		pthread_mutex_lock(&turn->lock);
		wrong = wrong_words(set.map[n], n, turn->round);
		write_words(set.map[n], n, ++turn->round);
		pthread_mutex_unlock(&turn->lock);
		__atomic_add_fetch(&wrong_in_threads, wrong, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_threads(void)
{
	unsigned int count = 3 * window_blobs();
	pthread_t thread[THREADS];

	set_make(VIRTGPU_VENUS, count);
	wrong_in_threads = 0;
	for (unsigned int i = 0; i < set.count; i++) {
		turns[i] = (struct turn){ PTHREAD_MUTEX_INITIALIZER, 0 };
		write_words(set.map[i], i, 0);
	}
	for (uintptr_t i = 0; i < THREADS; i++)
		igt_assert_eq(pthread_create(&thread[i], NULL, thread_turns,
					     (void *)(i + 1)),
			      0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	igt_assert_eq_u32(wrong_in_threads, 0);
	for (unsigned int i = 0; i < set.count; i++)
		check_words(set.map[i], i, turns[i].round);
	set_complete(count);
	set_free();
}

static void test_window_sized(void)
{
	uint64_t size = virtgpu_window_size();
	struct virtgpu_blob_params params = { .size = size };
	uint32_t blobs = size / BLOB;
	struct virtgpu_blob blob[2];
	uint32_t *map[2];
	struct virtgpu gpu;
	int ret;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	igt_assert_eq(create_patiently(&gpu, size, &blob[0]), 0);
	map[0] = virtgpu_blob_mmap(&gpu, &blob[0]);
	ret = __virtgpu_blob(&gpu, &params, &blob[1]);
	if (!virtgpu_ttm_blobs()) {
		igt_assert_eq(ret, -ENOSPC);
	} else {
		igt_assert_eq(ret, 0);
		map[1] = virtgpu_blob_mmap(&gpu, &blob[1]);
		for (uint32_t i = 0; i < blobs; i += 4)
			for (int which = 0; which < 2; which++)
				write_words(map[which] + i * WORDS, i, which);
		for (uint32_t i = 0; i < blobs; i += 4)
			for (int which = 0; which < 2; which++)
				check_words(map[which] + i * WORDS, i, which);
		munmap(map[1], size);
	}
	munmap(map[0], size);
	virtgpu_close(&gpu);
}

/* @large does not fit in a window that is full of others, nor in an empty one. */
static void import_too_large(struct virtgpu *gpu,
			     const struct virtgpu_blob *large)
{
	const unsigned int count = window_blobs();
	int dmabuf = virtgpu_blob_export(gpu, large);
	uint64_t evictions;

	set_make(VIRTGPU_VENUS, count);
	set_write(1);
	evictions = virtgpu_window_count("evictions");
	igt_assert_eq(dmabuf_hold_error(dmabuf), -ENOSPC);
	igt_assert_eq_u64(virtgpu_window_count("evictions"), evictions);
	set_check(1);
	set_free();
	close(dmabuf);
}

static void test_too_large(void)
{
	struct virtgpu_blob_params params = {
		.size = virtgpu_window_size() + 4096,
	};
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	void *map;
	int ret;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	ret = __virtgpu_blob(&gpu, &params, &blob);
	if (virtgpu_ttm_blobs()) {
		igt_assert_eq(ret, 0);
		ret = __virtgpu_blob_mmap(&gpu, &blob, &map);
		import_too_large(&gpu, &blob);
	}
	igt_assert_eq(ret, -ENOSPC);
	virtgpu_close(&gpu);
}

static void test_close_mapped(void)
{
	unsigned int count = 2 * window_blobs();

	set_make(VIRTGPU_VENUS, count);
	if (set_complete(count)) {
		set_write(1);
		for (unsigned int i = 0; i < count; i++)
			virtgpu_blob_close(&set.gpu, &set.blob[i]);
		set_check(1);
	}
	set_free();
}

static void test_dmabuf(void)
{
	unsigned int count = 2 * window_blobs();
	uint32_t *map;
	int dmabuf;

	set_make(VIRTGPU_VENUS, count);
	if (set_complete(count)) {
		dmabuf = virtgpu_blob_export(&set.gpu, &set.blob[0]);
		map = mmap(NULL, BLOB, PROT_READ | PROT_WRITE, MAP_SHARED,
			   dmabuf, 0);
		igt_assert(map != MAP_FAILED);
		write_words(map, 0, 1);
		evict_first(1);
		check_words(set.map[0], 0, 1);
		write_words(set.map[0], 0, 2);
		evict_first(1);
		check_words(map, 0, 2);
		/* The dma-buf alone keeps it. */
		munmap(set.map[0], BLOB);
		set.map[0] = NULL;
		virtgpu_blob_close(&set.gpu, &set.blob[0]);
		evict_first(1);
		close(dmabuf);
		check_words(map, 0, 2);
		munmap(map, BLOB);
	}
	set_free();
}

static void test_orphan(enum virtgpu_context context)
{
	struct virtgpu_blob made, imported;
	struct virtgpu maker, client;
	uint64_t maps = 0, evictions = 0;
	uint32_t *map;
	int dmabuf;

	if (virtgpu_ttm_blobs()) {
		set_make(VIRTGPU_VENUS, window_blobs());
		set_write(1);
		maps = virtgpu_window_count("maps");
		evictions = virtgpu_window_count("evictions");
	}
	virtgpu_open(&client, context);
	virtgpu_open(&maker, context);
	igt_assert_eq(create_patiently(&maker, BLOB, &made), 0);
	dmabuf = virtgpu_blob_export(&maker, &made);
	igt_assert_eq(__virtgpu_import(&client, dmabuf, &imported), 0);
	close(dmabuf);
	virtgpu_close(&maker);
	/* The host has forgotten its context by then. */
	usleep(200000);
	if (virtgpu_ttm_blobs())
		igt_assert_eq_u64(virtgpu_window_count("maps"), maps);
	map = virtgpu_blob_mmap(&client, &imported);
	write_words(map, MAX_BLOBS, 1);
	if (virtgpu_ttm_blobs()) {
		set_check(1);
		check_words(map, MAX_BLOBS, 1);
		igt_assert_lt_u64(evictions, virtgpu_window_count("evictions"));
	}
	check_words(map, MAX_BLOBS, 1);
	munmap(map, BLOB);
	virtgpu_close(&client);
	if (virtgpu_ttm_blobs())
		set_free();
}

static void test_fork(void)
{
	unsigned int count = 2 * window_blobs();

	set_make(VIRTGPU_VENUS, count);
	if (set_complete(count)) {
		set_write(1);
		igt_fork(child, 1)
		{
			set_check(1);
			set_write(2);
		}
		igt_waitchildren();
		set_check(2);
	}
	set_free();
}

static void test_kill(void)
{
	unsigned int count = 2 * window_blobs();
	int status;
	pid_t pid;

	for (int i = 0; i < 3; i++) {
		pid = child_fork();
		if (!pid) {
			set_make(VIRTGPU_VENUS, count);
			for (uint32_t round = 0;; round++)
				set_write(round);
		}
		usleep(700000 + 300000 * i);
		igt_assert_eq(kill(pid, SIGKILL), 0);
		igt_assert_eq(waitpid(pid, &status, 0), pid);
		igt_assert(WIFSIGNALED(status));
		igt_assert_eq(WTERMSIG(status), SIGKILL);
		if (virtgpu_ttm_blobs())
			virtgpu_window_wait_empty();
	}
	/* And the next one finds a window that works. */
	set_make(VIRTGPU_VENUS, window_blobs());
	igt_assert_eq(set.count, window_blobs());
	set_write(1);
	set_check(1);
	set_free();
}

#define SMALL (MIB(1) / 2)
#define TEARDOWN_LEFT 10
#define TEARDOWN_WAITS 5
#define MAX_COMMANDS 4096
#define TEARDOWN_TRIES 10

/* Leaves small blobs in the window that nobody has any more. */
static void leave_small_blobs(unsigned int count)
{
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	int status;
	pid_t pid;

	pid = child_fork();
	if (!pid) {
		virtgpu_open(&gpu, VIRTGPU_VENUS);
		for (unsigned int i = 0; i < count; i++) {
			virtgpu_blob(&gpu, SMALL, &blob);
			*(uint32_t *)virtgpu_blob_mmap(&gpu, &blob) = i;
		}
		_exit(0);
	}
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
}

/* What another process's closed blobs cost who maps one. */
struct teardown {
	unsigned int left;   /* that the host was not told to unmap */
	unsigned int waited; /* that it was to unmap first */
};

/* A line of the trace; false if it is none of a command or answer without fence. */
static bool command_of(const char *line, bool *answer, unsigned int *type)
{
	const char *at = strstr(line, " virtio_gpu_cmd_");
	unsigned int flags;
	char name[16];

	if (!at || sscanf(at, " virtio_gpu_cmd_%15[a-z]:", name) != 1)
		return false;
	*answer = !strcmp(name, "response");
	at = strstr(at, " type=0x");
	return at && sscanf(at, " type=%x flags=%x", type, &flags) == 2 &&
	       !(flags & VIRTIO_GPU_FLAG_FENCE);
}

/*
 * The host takes commands in order, and answers those without a fence so. The last
 * one that maps is the one in question.
 */
static void teardown_traced(struct teardown *teardown)
{
	static unsigned int queue[MAX_COMMANDS];
	FILE *file = virtgpu_trace_open();
	unsigned int first = 0, end = 0, maps = 0, unmaps = 0, type;
	char line[512];
	bool answer;

	while (fgets(line, sizeof(line), file)) {
		if (!command_of(line, &answer, &type))
			continue;
		if (answer) {
			first += first < end;
			continue;
		}
		igt_assert(end < MAX_COMMANDS);
		queue[end++] = type;
		unmaps += type == VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB;
		if (type != VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB)
			continue;
		teardown->left = maps++ - unmaps;
		teardown->waited = 0;
		for (unsigned int i = first; i < end; i++)
			teardown->waited += queue[i] ==
					    VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB;
	}
	fclose(file);
	igt_assert(maps);
}

static void teardown_once(struct teardown *teardown, unsigned int count)
{
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	uint32_t *map;

	/* What others have left is to be answered before. */
	sleep(1);
	virtgpu_trace_begin(VIRTGPU_EVENTS);
	leave_small_blobs(count);
	/* It frees in the background, too. */
	if (!virtgpu_ttm_blobs())
		usleep(100000);
	virtgpu_open(&gpu, VIRTGPU_VENUS);
	igt_assert_eq(create_patiently(&gpu, BLOB, &blob), 0);
	map = virtgpu_blob_mmap(&gpu, &blob);
	map[0] = 1;
	virtgpu_trace_end(VIRTGPU_EVENTS);
	munmap(map, BLOB);
	virtgpu_close(&gpu);
	teardown_traced(teardown);
	igt_info(
		"%u blobs were closed and mapped, %u more were to be unmapped first\n",
		teardown->left, teardown->waited);
}

/*
 * Tried again where the blobs had gone before they could be in the way, or where
 * the stock driver had not begun to free them.
 */
static void test_teardown(unsigned int count)
{
	const bool ttm = virtgpu_ttm_blobs();
	struct teardown teardown;
	bool proved = false;

	for (int try = 0; !proved && try < TEARDOWN_TRIES; try++) {
		teardown_once(&teardown, count);
		proved = ttm ? teardown.left >= TEARDOWN_LEFT :
			       teardown.waited >= TEARDOWN_WAITS;
	}
	igt_assert_f(proved, ttm ? "too few closed blobs were left\n" :
				   "stock did not wait for closed blobs\n");
	/* Two at a time. */
	if (ttm)
		igt_assert_lt(teardown.waited, TEARDOWN_WAITS);
}

/* Commands of this type, of those that were traced. */
static unsigned int commands_traced(unsigned int wanted)
{
	FILE *file = virtgpu_trace_open();
	unsigned int type, found = 0;
	char line[512];
	bool answer;

	while (fgets(line, sizeof(line), file))
		found += command_of(line, &answer, &type) && !answer &&
			 type == wanted;
	fclose(file);
	return found;
}

#define UNTOUCHED 30
#define UNTOUCHED_UNMAPS 10

/* Makes and closes them, until the host is not asked any more. */
static void make_untouched(struct virtgpu *gpu)
{
	struct virtgpu_blob blob;
	uint64_t maps;

	for (int i = 0; i < UNTOUCHED; i++) {
		maps = virtgpu_window_count("maps");
		virtgpu_blob(gpu, BLOB, &blob);
		virtgpu_blob_close(gpu, &blob);
		if (virtgpu_window_count("maps") == maps)
			return;
	}
	igt_assert_f(false, "the host is asked for each\n");
}

/* Does the host map a new blob, without a touch? */
static bool is_mapped_at_once(struct virtgpu *gpu, struct virtgpu_blob *blob)
{
	const uint64_t maps = virtgpu_window_count("maps");

	virtgpu_blob(gpu, BLOB, blob);
	return virtgpu_window_count("maps") == maps + 1;
}

/* It begins anew for a context that gets the number of one that is gone, and an import. */
static void untouched_again(void)
{
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	uint64_t address;
	int fd;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	make_untouched(&gpu);
	virtgpu_close(&gpu);
	virtgpu_window_wait_empty();
	virtgpu_open(&gpu, VIRTGPU_VENUS);
	igt_assert(is_mapped_at_once(&gpu, &blob));
	virtgpu_blob_close(&gpu, &blob);
	make_untouched(&gpu);
	/* Those that TTM frees later are counted then, and not to be behind the import. */
	virtgpu_window_wait_empty();
	igt_assert(!is_mapped_at_once(&gpu, &blob));
	fd = virtgpu_blob_export(&gpu, &blob);
	close(dmabuf_hold(fd, &address));
	close(fd);
	igt_assert(is_mapped_at_once(&gpu, &blob));
	virtgpu_close(&gpu);
	virtgpu_window_wait_empty();
}

static void test_untouched(void)
{
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	unsigned int unmaps;
	uint32_t *map;
	uint64_t maps;

	virtgpu_window_wait_unused();
	virtgpu_open(&gpu, VIRTGPU_VENUS);
	virtgpu_trace_begin(VIRTGPU_EVENTS);
	for (int i = 0; i < UNTOUCHED; i++) {
		igt_assert_eq(create_patiently(&gpu, BLOB, &blob), 0);
		map = virtgpu_blob_mmap(&gpu, &blob);
		munmap(map, BLOB);
		virtgpu_blob_close(&gpu, &blob);
	}
	virtgpu_window_wait_unused();
	virtgpu_trace_end(VIRTGPU_EVENTS);
	unmaps = commands_traced(VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB);
	igt_info("%u unmaps of %d blobs\n", unmaps, UNTOUCHED);
	if (virtgpu_ttm_blobs()) {
		igt_assert_lte(unmaps, UNTOUCHED_UNMAPS);
		igt_assert_eq(commands_traced(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB),
			      unmaps);
		/* The first that is touched is waited for, and the next one is not. */
		maps = virtgpu_window_count("maps");
		virtgpu_blob(&gpu, BLOB, &blob);
		igt_assert_eq_u64(virtgpu_window_count("maps"), maps);
		map = virtgpu_blob_mmap(&gpu, &blob);
		map[0] = 1;
		igt_assert_eq_u64(virtgpu_window_count("maps"), maps + 1);
		munmap(map, BLOB);
		virtgpu_blob(&gpu, BLOB, &blob);
		igt_assert_eq_u64(virtgpu_window_count("maps"), maps + 2);
	} else {
		igt_assert_eq(unmaps, UNTOUCHED);
	}
	virtgpu_close(&gpu);
	if (virtgpu_ttm_blobs())
		untouched_again();
}

static uint64_t traced(const char *event)
{
	FILE *file = virtgpu_trace_open();
	char line[512], name[64];
	uint64_t found = 0;

	snprintf(name, sizeof(name), " virtio_gpu_range_%s: blob=", event);
	while (fgets(line, sizeof(line), file))
		found += !!strstr(line, name);
	fclose(file);
	return found;
}

static void wait_no_blobs(void)
{
	virtgpu_window_wait_empty();
	for (int i = 0; virtgpu_window_count("blobs-in") +
			virtgpu_window_count("blobs-out");
	     i++) {
		igt_assert(i < 50);
		usleep(100000);
	}
}

static void test_traced(void)
{
	static const char *const events[][2] = {
		{ "map", "maps" },
		{ "evict", "evictions" },
		{ "unmap", "unmaps" },
	};
	const unsigned int count = 2 * window_blobs();
	uint64_t before[3];

	igt_require_f(virtgpu_ttm_blobs(), "only TTM has something to tell\n");
	wait_no_blobs();
	virtgpu_trace_begin(VIRTGPU_EVENTS_WINDOW);
	for (int i = 0; i < 3; i++)
		before[i] = virtgpu_window_count(events[i][1]);
	set_make(VIRTGPU_VENUS, count);
	set_write(1);
	set_check(1);
	igt_assert_eq_u64(virtgpu_window_count("blobs-in"), window_blobs());
	igt_assert_eq_u64(virtgpu_window_count("blobs-out"),
			  count - window_blobs());
	set_free();
	wait_no_blobs();
	virtgpu_trace_end(VIRTGPU_EVENTS_WINDOW);
	for (int i = 0; i < 3; i++)
		igt_assert_eq_u64(traced(events[i][0]),
				  virtgpu_window_count(events[i][1]) -
					  before[i]);
	igt_assert_lte_u64(count / 2, traced("evict"));
	igt_assert_eq_u64(traced("mapped"), traced("map"));
	igt_assert_eq_u64(traced("returned"), traced("unmap"));
}

static int try_mmap(struct virtgpu *gpu, size_t size, uint64_t offset)
{
	return virtgpu_try_mmap(gpu->fd, MAP_SHARED, size, offset);
}

static void test_bad_arguments(void)
{
	static const struct {
		struct virtgpu_blob_params params;
		int ret;
	} bad[] = {
		{ { .size = 0 }, -ENOSPC },
		{ { .size = BLOB, .flags = 1u << 31 }, -EINVAL },
		{ { .size = BLOB, .flags = 1u << 3 }, -EINVAL },
		{ { .size = BLOB, .mem = 77 }, -EINVAL },
		{ { .size = BLOB, .no_mem = true }, -EINVAL },
		/* The device cannot share resources by UUID. */
		{ { .size = BLOB,
		    .flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE |
			     VIRTGPU_BLOB_FLAG_USE_CROSS_DEVICE },
		  -EINVAL },
		{ { .size = 1ull << 60 }, -ENOSPC },
	};
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	uint64_t offset, small;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		igt_assert_eq(__virtgpu_blob(&gpu, &bad[i].params, &blob),
			      bad[i].ret);

	igt_assert_eq(create_patiently(&gpu, BLOB, &blob), 0);
	offset = virtgpu_blob_offset(&gpu, &blob);
	igt_assert_eq(try_mmap(&gpu, BLOB, offset), 0);
	igt_assert_eq(try_mmap(&gpu, BLOB / 2, offset), -EINVAL);
	igt_assert_eq(try_mmap(&gpu, BLOB * 2, offset), -EINVAL);
	igt_assert_eq(try_mmap(&gpu, BLOB / 2, offset + BLOB / 2), -EINVAL);
	igt_assert_eq(try_mmap(&gpu, BLOB, offset + 4096), -EINVAL);
	/* TTM takes no copies on write; the difference is documented. */
	igt_assert_eq(virtgpu_try_mmap(gpu.fd, MAP_PRIVATE, BLOB, offset),
		      virtgpu_ttm_blobs() ? -EINVAL : 0);
	/* What is no multiple of a page becomes one. */
	igt_assert_eq(create_patiently(&gpu, 5000, &blob), 0);
	small = virtgpu_blob_offset(&gpu, &blob);
	igt_assert_eq(try_mmap(&gpu, 8192, small), 0);
	igt_assert_eq(try_mmap(&gpu, 4096, small), -EINVAL);
	igt_assert_eq(try_mmap(&gpu, 12288, small), -EINVAL);
	virtgpu_close(&gpu);
	/* Nobody else's file may map it. */
	virtgpu_open(&gpu, VIRTGPU_VENUS);
	igt_assert_neq(try_mmap(&gpu, BLOB, offset), 0);
	virtgpu_close(&gpu);
}

static void test_refused_map(void)
{
	struct virtgpu_blob_params params = {
		.size = BLOB,
		.unmappable = true,
	};
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	void *map;

	virtgpu_open(&gpu, VIRTGPU_VIRGL);
	igt_assert_eq(__virtgpu_blob(&gpu, &params, &blob), 0);
	for (int i = 0; i < 2; i++)
		igt_assert_eq(__virtgpu_blob_mmap(&gpu, &blob, &map), -EINVAL);
	virtgpu_expect_refusals((struct virtgpu_refusals){ .maps = 1 });
	virtgpu_close(&gpu);
}

int igt_main()
{
	for (int i = VIRTGPU_VIRGL; i <= VIRTGPU_VENUS; i++) {
		igt_describe(
			"Ten times the window in blobs, every word verified (twin: within)");
		igt_subtest_f("overcommit-%s", virtgpu_context_name(i))
			test_overcommit(i);
	}
	igt_describe("Free space that is not in one piece (twin: within)");
	igt_subtest("overcommit-fragmented") test_fragmented();
	igt_describe(
		"Threads compete for a window that is too small (twin: within)");
	igt_subtest("overcommit-threads") test_threads();
	igt_describe(
		"Two blobs of the window's size take turns (twin: within)");
	igt_subtest("overcommit-window-sized") test_window_sized();
	igt_describe("A blob that is larger than the window (twin: within)");
	igt_subtest("overcommit-too-large") test_too_large();
	igt_describe(
		"A mapping keeps an evicted blob whose handle was closed (twin: within)");
	igt_subtest("overcommit-close-mapped") test_close_mapped();
	igt_describe("The dma-buf of an evicted blob (twin: within)");
	igt_subtest("overcommit-dmabuf") test_dmabuf();
	for (int i = VIRTGPU_VIRGL; i <= VIRTGPU_VENUS; i++) {
		igt_describe(
			"regression: the first to map a blob is an importer");
		igt_subtest_f("overcommit-orphan-%s", virtgpu_context_name(i))
			test_orphan(i);
	}
	igt_describe("Parent and child share evicted blobs (twin: within)");
	igt_subtest("overcommit-fork") test_fork();
	igt_describe("regression: a killed process leaves an empty window");
	igt_subtest("overcommit-kill") test_kill();
	igt_describe(
		"One process's teardown and another's first mapping (twin: within)");
	igt_subtest("teardown-does-not-stall")
		test_teardown(virtgpu_window_size() / 2 / SMALL);
	igt_describe("The same, where there is no room left (twin: within)");
	igt_subtest("teardown-full-does-not-stall")
		test_teardown(virtgpu_window_size() / SMALL);
	igt_describe("Blobs that nobody touches (twin: within)");
	igt_subtest("untouched-blobs") test_untouched();
	igt_describe("new call: the window's tracepoints");
	igt_subtest("overcommit-traced") test_traced();
	igt_describe("regression: the errno of arguments that make no sense");
	igt_subtest("bad-arguments") test_bad_arguments();
	igt_describe("regression: the host refuses to map a blob");
	igt_subtest("refused-map") test_refused_map();
}
