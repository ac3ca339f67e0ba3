// SPDX-License-Identifier: MIT
/**
 * TEST: virtgpu blob late
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: virtio-gpu
 * Functionality: a host that answers late, and a device that goes away
 * Description: The module late_host keeps the host's answers from the driver. With
 *	virtio_gpu.ttm_blobs=1 a task that needs a blob in the window waits for a
 *	time that has a bound, can be killed, and does not hold the mmap lock. The
 *	stock driver waits for as long as it takes and cannot be killed.
 *
 * SUBTEST: late-kill
 * Description: A process that waits for the host is killed: it is gone at once.
 *	Without TTM: only when the host has answered
 *
 * SUBTEST: late-kill-new
 * Description: The same, where what waits is the mapping of a new blob: the same calls
 *	with TTM and without
 *
 * SUBTEST: late-signals
 * Description: Who waits for the host gets signals that do not end it: the access works
 *	when the host answers, and its data are right. Without TTM: a new mapping
 *
 * SUBTEST: late-new
 * Description: A new blob can be mapped after the timeout, though the host has not
 *	answered. Without TTM: no bound
 *
 * SUBTEST: late-sigbus
 * Description: The access gets a SIGBUS after the timeout; when the host answers,
 *	it works. Without TTM: no bound
 *
 * SUBTEST: late-mmap-lock
 * Description: While one thread waits for the host another one can map and unmap.
 *	Without TTM: only when the host has answered
 *
 * SUBTEST: late-mmap-lock-new
 * Description: The same, where what waits for the host is the mapping of a new blob:
 *	the same calls with TTM and without
 *
 * SUBTEST: late-fork
 * Description: While one thread waits for the host another one can fork. Without
 *	TTM: only when the host has answered
 *
 * SUBTEST: late-munmap
 * Description: The control queue is full, and a thread unmaps a blob that nobody else
 *	has: another one can map and unmap. Without TTM: only when the host has answered
 *
 * SUBTEST: late-close
 * Description: A new blob is closed while the host has not answered that it mapped it:
 *	its place in the window comes back
 *
 * SUBTEST: late-left-out
 * Description: The host leaves out a blob that it is asked to map, and goes on to answer
 *	everything else: the access gets a SIGBUS, other blobs work, and so does this one
 *	when the answer comes after all. Without TTM: no bound
 *
 * SUBTEST: late-left-out-slowly
 * Description: The same, and the host is so slow with everything else that as many answers
 *	as its queue can hold would take minutes. Without TTM: no bound
 *
 * SUBTEST: late-left-out-closed
 * Description: The blob that the host left out is closed: others make room for one another
 *	as before. Without TTM: who has it cannot be killed
 *
 * SUBTEST: late-left-out-evicted
 * Description: Others have the blob evicted that the host left out, and it is asked for a
 *	second time: it works, also when the answer to the first time comes, a refusal.
 *	Without TTM: who has it cannot be killed
 *
 * SUBTEST: late-left-out-mapped
 * Description: The same, where that answer comes before the blob is asked for again, and is
 *	that it was mapped: these bytes of the window are lost, and the blob with them; the
 *	device that comes back has all of its window. Without TTM: who has it cannot be killed
 *
 * SUBTEST: late-import
 * Description: A driver imports a blob that has left the window, and the host does not
 *	answer: it gets an error after the timeout, can be killed before, on 6.1 also while
 *	an access waits for the same blob, and later it works
 *
 * SUBTEST: late-execbuffer
 * Description: A thread sends commands for all blobs at once, all the time, while
 *	another one uses them: each access ends before the timeout
 *
 * SUBTEST: late-closed-busy
 * Description: Blobs that the GPU uses were closed, and take up the window: an access
 *	that needs room gets it from others, and does not wait for the GPU; if all of
 *	the window is theirs, it gets a SIGBUS after the timeout, and works when the
 *	GPU is done. Without TTM: a range is another's while the GPU uses it
 *
 * SUBTEST: late-busy
 * Description: The host answers, but has more to do for others than it can in the time
 *	of the timeout: an access waits for its turn, and works
 *
 * SUBTEST: late-busy-queue
 * Description: Others send more commands than the queue takes, all the time, to a host
 *	that is slow: an access works all the same
 *
 * SUBTEST: late-guest-create
 * Description: A blob in the guest's memory is made while the host does not answer:
 *	it is there after the timeout, and works. Without TTM: at once
 *
 * SUBTEST: late-guest-refused
 * Description: The host's answer is late, and a refusal: mmap() says so. Without TTM the
 *	blob can be mapped, and the host does not know it
 *
 * SUBTEST: late-guest-free
 * Description: A blob in the guest's memory is closed: its pages are free only when
 *	the host has answered that it uses them no more
 *
 * SUBTEST: unplug-waiting-%s
 * Description: The device goes away while a process waits for the host, which does
 *	not answer: it gets an error, and the device that comes back works. Skipped
 *	without TTM, where it waits for ever: see unplug-stock.sh
 *
 * arg[1]:
 *
 * @unmap:	an access that needs room in the window
 * @map:	an access for which there is room
 * @create:	who makes a blob in the guest's memory
 * @ioctl:	who asks where a new blob can be mapped
 * @queue:	who sends more commands than the queue takes
 * @fence:	the same with commands for the GPU, whose fences somebody waits for
 *
 * SUBTEST: unplug-guest
 * Description: The device goes away while blobs in the guest's memory are mapped and
 *	exported: their contents stay, their pages are free when they are closed, and the
 *	device that comes back works. Skipped without TTM, where the pages are leaked: see
 *	unplug-stock.sh
 *
 * SUBTEST: unplug
 * Description: The device goes away while blobs are mapped: each access is a
 *	SIGBUS, and the device that comes back works. Skipped without TTM: the
 *	stock driver leaks blobs that are closed after an unplug, see unplug-stock.sh
 *
 * SUBTEST: unplug-again
 * Description: The device goes away and comes back several times, while blobs are mapped
 *	and just after they were closed: QEMU 11 does not answer a device that was
 *	reset when a blob was in the window or about to leave it. Skipped without TTM
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "dmabuf.h"
#include "igt.h"
#include "pageflags.h"
#include "param.h"
#include "virtgpu.h"
#include "virtgpu_drm.h"

#define MIB(n) ((uint64_t)(n) << 20)
#define BLOB MIB(4)
#define MAX_BLOBS 64
#define MAX_FENCES 1000
/* 10 s for the host, the timeout is 2. */
#define BUSY_COMMANDS 100
#define BUSY_EVERY_MS 100
/* Each slot of the queue is taken for 5 s. */
#define FLOOD_EVERY_MS 20
#define FLOODERS 2
/* An access to what is left out ends before the host has said so much else. */
#define TALK_EVERY_MS 200
#define TALK_ENOUGH 200
/* So many come within one timeout and a half. */
#define TALK_LEAST 8

static struct virtgpu gpu;
static struct virtgpu_blob blob[MAX_BLOBS];
static uint32_t *volatile map[MAX_BLOBS];
static unsigned int blobs;

static void stall(bool on)
{
	param_set("late_host", "stall", on);
}

static void every_ms(unsigned int ms)
{
	param_set("late_host", "every_ms", ms);
}

/* The next blob to be mapped, until it is false again. */
static void leave_out(bool on)
{
	param_set("host_refuses", "leave_out", on);
}

static void timeout_ms(unsigned int ms)
{
	param_set("virtio_gpu", "ttm_blobs_timeout_ms", ms);
}

static void unstall_at_exit(int sig)
{
	(void)sig;
	stall(false);
	every_ms(0);
	leave_out(false);
}

static double seconds_since(struct timespec *start)
{
	return igt_nsec_elapsed(start) / 1e9;
}

/* Blobs 0 to n - 1 are evicted when the last ones have been touched. */
static void make_blobs(unsigned int count)
{
	igt_assert(count <= MAX_BLOBS);
	virtgpu_open(&gpu, VIRTGPU_VENUS);
	for (blobs = 0; blobs < count; blobs++) {
		virtgpu_blob(&gpu, BLOB, &blob[blobs]);
		map[blobs] = virtgpu_blob_mmap(&gpu, &blob[blobs]);
		map[blobs][0] = blobs + 1;
	}
	/* What is on its way is not to be counted. */
	sleep(1);
}

static void make_evicted(void)
{
	make_blobs(2 * virtgpu_window_size() / BLOB);
}

static void free_blobs(void)
{
	for (unsigned int i = 0; i < blobs; i++)
		if (map[i])
			munmap(map[i], BLOB);
	virtgpu_close(&gpu);
}

/* What the stock driver waits in: the mapping of a new blob. */
static void map_new_blob(void)
{
	struct virtgpu_blob new;
	struct virtgpu other;
	void *words;

	virtgpu_open(&other, VIRTGPU_VENUS);
	virtgpu_blob(&other, BLOB, &new);
	words = virtgpu_blob_mmap(&other, &new);
	munmap(words, BLOB);
	virtgpu_close(&other);
}

/* The last blob is in the window: its place becomes free. */
static void make_room(void)
{
	blobs--;
	munmap(map[blobs], BLOB);
	virtgpu_blob_close(&gpu, &blob[blobs]);
	/* The host is told of the close first. */
	for (int i = 0; virtgpu_window_count("largest-hole") < BLOB; i++) {
		igt_assert(i < 300);
		usleep(100000);
	}
}

/* Its exit status is in gone_status. */
static int gone_status;

static bool gone_within(pid_t pid, double seconds)
{
	struct timespec start = {};

	igt_nsec_elapsed(&start);
	do {
		if (waitpid(pid, &gone_status, WNOHANG) == pid)
			return true;
		usleep(10000);
	} while (seconds_since(&start) < seconds);
	return false;
}

static void wait_window_empty(void)
{
	virtgpu_window_wait_unused();
	if (virtgpu_ttm_blobs())
		igt_assert_eq_u64(virtgpu_window_count("lost"), 0);
}

static void test_kill(void)
{
	bool ttm = virtgpu_ttm_blobs();
	pid_t pid;

	if (ttm) {
		timeout_ms(60000);
		make_evicted();
	}
	stall(true);
	pid = child_fork();
	if (!pid) {
		if (ttm)
			map[0][0] = 1;
		else
			map_new_blob();
		_exit(0);
	}
	igt_assert(!gone_within(pid, 2));
	igt_assert_eq(kill(pid, SIGKILL), 0);
	igt_assert_eq(gone_within(pid, 3), ttm);
	stall(false);
	if (!ttm) {
		igt_assert(gone_within(pid, 10));
		return;
	}
	igt_assert_eq(map[0][0], 1);
	free_blobs();
}

static pid_t map_new_in_child(void)
{
	pid_t pid;

	/* Where there is no room the host is not asked yet. */
	wait_window_empty();
	stall(true);
	pid = child_fork();
	if (!pid) {
		map_new_blob();
		_exit(0);
	}
	return pid;
}

static void test_kill_new(void)
{
	bool ttm = virtgpu_ttm_blobs();
	pid_t pid;

	timeout_ms(60000);
	pid = map_new_in_child();
	igt_assert(!gone_within(pid, 2));
	igt_assert_eq(kill(pid, SIGKILL), 0);
	igt_assert_eq(gone_within(pid, 3), ttm);
	stall(false);
	if (!ttm)
		igt_assert(gone_within(pid, 10));
	wait_window_empty();
}

static volatile sig_atomic_t alarms;

static void count_alarm(int sig)
{
	(void)sig;
	alarms++;
}

static void use_host(void);

static void test_signals(void)
{
	const struct itimerval often = {
		.it_interval.tv_usec = 20000,
		.it_value.tv_usec = 20000,
	};
	bool ttm = virtgpu_ttm_blobs();
	uint64_t timeouts = 0;
	pid_t pid;

	timeout_ms(60000);
	if (ttm) {
		make_evicted();
		timeouts = virtgpu_window_count("timeouts");
	}
	stall(true);
	pid = child_fork();
	if (!pid) {
		signal(SIGALRM, count_alarm);
		igt_assert_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
		use_host();
		_exit(alarms ? 0 : 1);
	}
	igt_assert(!gone_within(pid, 2));
	stall(false);
	igt_assert(gone_within(pid, 30));
	igt_assert_eq(gone_status, 0);
	if (!ttm)
		return;
	igt_assert_eq_u64(virtgpu_window_count("timeouts"), timeouts);
	igt_assert_eq(map[0][0], 1);
	free_blobs();
}

static void test_new(void)
{
	bool ttm = virtgpu_ttm_blobs();
	uint64_t timeouts = ttm ? virtgpu_window_count("timeouts") : 0;
	pid_t pid;

	timeout_ms(2000);
	pid = map_new_in_child();
	igt_assert_eq(gone_within(pid, 6), ttm);
	stall(false);
	if (!ttm)
		igt_assert(gone_within(pid, 10));
	igt_assert_eq(gone_status, 0);
	if (ttm)
		igt_assert_eq_u64(timeouts + 1,
				  virtgpu_window_count("timeouts"));
	wait_window_empty();
}

/* The stock driver waits for as long as the host takes. */
static void assert_no_bound(void)
{
	pid_t pid;

	pid = map_new_in_child();
	igt_assert(!gone_within(pid, 6));
	stall(false);
	igt_assert(gone_within(pid, 10));
}

static void test_close(void)
{
	struct virtgpu_blob new;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	wait_window_empty();
	stall(true);
	for (int i = 0; i < 3; i++) {
		virtgpu_blob(&gpu, BLOB, &new);
		virtgpu_blob_close(&gpu, &new);
	}
	igt_assert_eq_u64(virtgpu_window_used(), 3 * BLOB);
	stall(false);
	wait_window_empty();
	map_new_blob();
	virtgpu_close(&gpu);
}

static pid_t talker;

static void end_talker(void)
{
	if (!talker)
		return;
	igt_assert_eq(kill(talker, SIGKILL), 0);
	igt_assert(gone_within(talker, 10));
	igt_assert(WIFSIGNALED(gone_status));
	talker = 0;
}

/*
 * A child that uses the GPU each @every_ms until it is killed, and is answered all the
 * time. @said: so often; may be NULL.
 */
static pid_t keep_host_talking(unsigned int every_ms,
			       volatile unsigned int *said)
{
	pid_t pid;

	pid = child_fork();
	if (!pid) {
		struct virtgpu other;
		int fence;

		virtgpu_open(&other, VIRTGPU_VIRGL);
		while (!__virtgpu_submit_nothing(&other, &fence)) {
			close(fence);
			if (said)
				++*said;
			if (every_ms)
				usleep(every_ms * 1000);
		}
		_exit(1);
	}
	return pid;
}

/* A child that said so in the end. */
static void assert_was_sigbus(pid_t pid)
{
	igt_assert(gone_within(pid, 120));
	igt_assert(WIFEXITED(gone_status));
	igt_assert_eq(WEXITSTATUS(gone_status), 1);
}

/* What is to be mapped is left out; the time has no bound, or the child gets SIGBUS. */
static void left_out_child(bool ttm)
{
	pid_t pid;

	leave_out(true);
	talker = keep_host_talking(0, NULL);
	pid = child_fork();
	if (!pid) {
		if (!ttm)
			map_new_blob();
		_exit(ttm && virtgpu_is_sigbus(map[0]) ? 1 : 0);
	}
	if (ttm)
		assert_was_sigbus(pid);
	else
		igt_assert(!gone_within(pid, 6));
	igt_assert_eq(param_get("host_refuses", "leave_out"), 1);
	if (ttm)
		igt_assert_eq(map[1][0], 2);
	/* Its next command tells the host that there is one more. */
	leave_out(false);
	if (!ttm)
		igt_assert(gone_within(pid, 10));
	end_talker();
}

/* Without TTM who maps it waits in the kernel, so it cannot be closed. */
static void assert_left_out_stays(void)
{
	pid_t pid;

	leave_out(true);
	pid = child_fork();
	if (!pid) {
		map_new_blob();
		_exit(0);
	}
	igt_assert(!gone_within(pid, 2));
	igt_assert_eq(param_get("host_refuses", "leave_out"), 1);
	igt_assert_eq(kill(pid, SIGKILL), 0);
	igt_assert(!gone_within(pid, 3));
	/* The next command tells the host that there is one more. */
	leave_out(false);
	map_new_blob();
	igt_assert(gone_within(pid, 10));
	wait_window_empty();
}

static void test_left_out(void)
{
	/* As many answers as count are there before twelve times that is over. */
	timeout_ms(12000);
	if (!virtgpu_ttm_blobs()) {
		left_out_child(false);
		return;
	}
	make_evicted();
	make_room();
	left_out_child(true);
	for (unsigned int i = 0; i < blobs; i++)
		igt_assert_eq(map[i][0], i + 1);
	free_blobs();
	wait_window_empty();
}

/* All but blob 0, which they leave no place in the window. */
static void assert_others_work(void)
{
	for (unsigned int round = 0; round < 2; round++)
		for (unsigned int i = 1; i < blobs; i++)
			igt_assert_eq(map[i][0], i + 1);
}

/* Each answer comes in time, and 1024 of them would be waited for for minutes. */
static void test_left_out_slowly(void)
{
	volatile unsigned int *said;
	unsigned int before;
	pid_t pid;

	timeout_ms(1000);
	if (!virtgpu_ttm_blobs()) {
		assert_left_out_stays();
		return;
	}
	said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert(said != MAP_FAILED);
	make_evicted();
	make_room();
	leave_out(true);
	talker = keep_host_talking(TALK_EVERY_MS, said);
	for (int i = 0; !*said; i++) {
		igt_assert(i < 600);
		usleep(100000);
	}
	before = *said;
	pid = child_fork();
	if (!pid)
		_exit(virtgpu_is_sigbus(map[0]) ? 1 : 0);
	assert_was_sigbus(pid);
	igt_info("after %u commands of another\n", *said - before);
	igt_assert_lt(*said, TALK_ENOUGH);
	/* It was not for silence. */
	igt_assert_lt(TALK_LEAST, *said - before);
	leave_out(false);
	end_talker();
	igt_assert_eq(map[0][0], 1);
	free_blobs();
	wait_window_empty();
	munmap((void *)said, sizeof(*said));
}

static void test_left_out_closed(void)
{
	uint64_t timeouts;

	timeout_ms(2000);
	if (!virtgpu_ttm_blobs()) {
		assert_left_out_stays();
		return;
	}
	make_evicted();
	make_room();
	leave_out(true);
	igt_assert(virtgpu_is_sigbus(map[0]));
	igt_assert_eq(param_get("host_refuses", "leave_out"), 1);
	munmap(map[0], BLOB);
	map[0] = NULL;
	virtgpu_blob_close(&gpu, &blob[0]);
	timeouts = virtgpu_window_count("timeouts");
	assert_others_work();
	igt_assert_eq_u64(virtgpu_window_count("timeouts"), timeouts);
	/* The host forgot the blob meanwhile. */
	leave_out(false);
	virtgpu_expect_refusals((struct virtgpu_refusals){ .maps = 1 });
	free_blobs();
	wait_window_empty();
}

/* Blob 0 is left out, and evicted by others; its range is nobody's. */
static void left_out_evicted(void)
{
	uint64_t timeouts;

	make_evicted();
	make_room();
	leave_out(true);
	igt_assert(virtgpu_is_sigbus(map[0]));
	igt_assert_eq(param_get("host_refuses", "leave_out"), 1);
	igt_assert_eq_u64(virtgpu_window_count("left-out"), 0);
	timeouts = virtgpu_window_count("timeouts");
	assert_others_work();
	igt_assert_eq_u64(virtgpu_window_count("left-out"), 1);
	igt_assert_eq_u64(virtgpu_window_count("timeouts"), timeouts);
}

/* The first answer; the next command tells the host that there is one more. */
static void answer_left_out(void)
{
	leave_out(false);
	assert_others_work();
	for (int i = 0; virtgpu_window_count("left-out"); i++) {
		igt_assert(i < 100);
		usleep(100000);
	}
}

static void test_left_out_evicted(void)
{
	uint64_t refused;

	timeout_ms(2000);
	if (!virtgpu_ttm_blobs()) {
		assert_left_out_stays();
		return;
	}
	left_out_evicted();
	igt_assert_eq(map[0][0], 1);
	/* The host has it, and does not map it a second time. */
	refused = virtgpu_window_count("refused");
	virtgpu_expect_refusals((struct virtgpu_refusals){ .maps = 1 });
	map[0][1] = 2;
	answer_left_out();
	igt_assert_eq_u64(virtgpu_window_count("refused"), refused + 1);
	igt_assert_eq(map[0][0], 1);
	igt_assert_eq(map[0][1], 2);
	free_blobs();
	wait_window_empty();
}

static void test_left_out_mapped(void)
{
	struct virtgpu_device device;
	uint64_t refused;

	timeout_ms(2000);
	if (!virtgpu_ttm_blobs()) {
		assert_left_out_stays();
		return;
	}
	virtgpu_device(&device);
	left_out_evicted();
	answer_left_out();
	igt_assert_eq_u64(virtgpu_window_count("lost"), BLOB);
	assert_others_work();
	/* The host has it where it was. */
	refused = virtgpu_window_count("refused");
	igt_assert(virtgpu_is_sigbus(map[0]));
	igt_assert_lt_u64(refused, virtgpu_window_count("refused"));
	virtgpu_expect_refusals((struct virtgpu_refusals){
		.maps = virtgpu_window_count("refused") - refused });
	assert_others_work();
	free_blobs();
	for (int i = 0; virtgpu_window_used() != BLOB; i++) {
		igt_assert(i < 300);
		usleep(100000);
	}

	virtgpu_unbind(&device);
	virtgpu_bind(&device);
	igt_assert_eq_u64(virtgpu_window_count("largest-hole"),
			  virtgpu_window_size());
	make_evicted();
	assert_others_work();
	igt_assert_eq(map[0][0], 1);
	free_blobs();
	wait_window_empty();
}

static pid_t import_in_child(int dmabuf)
{
	pid_t pid = child_fork();

	if (!pid)
		_exit(-dmabuf_hold_error(dmabuf));
	return pid;
}

/* It waits, until it is killed. */
static void kill_import(int dmabuf)
{
	pid_t pid = import_in_child(dmabuf);

	igt_assert(!gone_within(pid, 2));
	igt_assert_eq(kill(pid, SIGKILL), 0);
	igt_assert(gone_within(pid, 3));
}

/* DRM of 6.12 reserves a blob that is to be pinned, and cannot be interrupted in that. */
static bool driver_reserves_to_pin(void)
{
	struct utsname name;

	igt_assert_eq(uname(&name), 0);
	return !strncmp(name.release, "6.1.", 4);
}

static void test_import(void)
{
	uint64_t address;
	int dmabuf, hold;
	pid_t pid, accesses;

	igt_require_f(virtgpu_ttm_blobs(), "only TTM evicts\n");
	make_evicted();
	make_room();
	dmabuf = virtgpu_blob_export(&gpu, &blob[0]);
	timeout_ms(2000);
	stall(true);
	pid = import_in_child(dmabuf);
	igt_assert(gone_within(pid, 6));
	igt_assert(WIFEXITED(gone_status));
	igt_assert_eq(WEXITSTATUS(gone_status), ETIMEDOUT);
	timeout_ms(60000);
	kill_import(dmabuf);
	/* Also while an access has the blob reserved, and waits itself. */
	accesses = child_fork();
	if (!accesses) {
		map[0][0] = 1;
		_exit(0);
	}
	igt_assert(!gone_within(accesses, 1));
	if (driver_reserves_to_pin())
		kill_import(dmabuf);
	stall(false);
	igt_assert(gone_within(accesses, 10));
	igt_assert_eq(gone_status, 0);
	hold = dmabuf_hold(dmabuf, &address);
	close(hold);
	close(dmabuf);
	for (unsigned int i = 0; i < blobs; i++)
		igt_assert_eq(map[i][0], i + 1);
	free_blobs();
	wait_window_empty();
}

/* The kernel's log from here on. */
static int log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	igt_assert_fd(fd);
	igt_assert(lseek(fd, 0, SEEK_END) >= 0);
	return fd;
}

/* How many lines of it hold @text. */
static unsigned int log_count(int fd, const char *text)
{
	char line[1024];
	unsigned int n = 0;
	ssize_t len;

	for (;;) {
		len = read(fd, line, sizeof(line) - 1);
		/* Lines were overwritten before they were read: go on behind them. */
		if (len < 0 && errno == EPIPE)
			continue;
		if (len <= 0)
			break;
		line[len] = '\0';
		n += !!strstr(line, text);
	}
	igt_assert_eq(len, -1);
	igt_assert_eq(errno, EAGAIN);
	return n;
}

static void test_sigbus(void)
{
	struct timespec start = {};
	uint64_t timeouts;
	int log;

	timeout_ms(2000);
	if (!virtgpu_ttm_blobs()) {
		assert_no_bound();
		return;
	}
	make_evicted();
	timeouts = virtgpu_window_count("timeouts");
	log = log_open();
	stall(true);
	igt_nsec_elapsed(&start);
	/* Many times its bound, for a machine that is slow. */
	igt_set_timeout(30, "an access that has a bound of 2 s");
	igt_assert(virtgpu_is_sigbus(map[0]));
	igt_reset_timeout();
	igt_assert(seconds_since(&start) > 1.8);
	/* Once, although the fault is tried twice: it would have the mmap lock then. */
	igt_assert_eq_u64(timeouts + 1, virtgpu_window_count("timeouts"));
	igt_assert_eq(log_count(log, "*ERROR*"), 1);
	close(log);
	/* The first access finds its time over and the answer on its way. */
	stall(false);
	for (unsigned int i = 0; i < blobs; i++)
		igt_assert_eq(map[i][0], i + 1);
	free_blobs();
}

/* What a process that watches another's mmap lock tells, and is told. */
struct watch {
	unsigned int taken;
	bool maps_new; /* the host is needed for a new blob */
	bool moves;
	bool had_host;	     /* who needed the host had it */
	bool had_host_early; /* before it was back */
	bool ended;
};

static void *need_the_host(void *arg)
{
	volatile struct watch *watch = arg;

	if (virtgpu_ttm_blobs() && !watch->maps_new)
		(void)*(volatile uint32_t *)map[0];
	else
		map_new_blob();
	watch->had_host = true;
	return NULL;
}

/*
 * In a process of its own: a thread would need the mmap lock for its first page
 * fault, and the stock driver's wait for the host has it.
 */
static pid_t watch_then_unstall(volatile struct watch *watch)
{
	unsigned int before;
	pid_t pid;

	pid = child_fork();
	if (!pid) {
		sleep(5);
		before = watch->taken;
		sleep(1);
		watch->moves = watch->taken != before;
		watch->had_host_early = watch->had_host;
		stall(false);
		watch->ended = true;
		_exit(0);
	}
	return pid;
}

static void map_and_unmap(void)
{
	void *page =
		mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(page, 4096);
}

/* The child gets what the mapped blobs' PTEs are. */
static void fork_and_wait(void)
{
	pid_t pid = child_fork();

	if (!pid)
		_exit(0);
	igt_assert_eq(waitpid(pid, NULL, 0), pid);
}

/* @waiter needs the host, which is stalled, while this task takes the mmap lock. */
static void watch_mmap_lock(volatile struct watch *watch, void (*use)(void),
			    void *(*waiter)(void *))
{
	pthread_t thread;
	pid_t pid = watch_then_unstall(watch);

	igt_assert_eq(pthread_create(&thread, NULL, waiter, (void *)watch), 0);
	while (!watch->ended) {
		use();
		watch->taken++;
		usleep(1000);
	}
	pthread_join(thread, NULL);
	igt_assert_eq(waitpid(pid, NULL, 0), pid);
}

static void test_mmap_lock(void (*use)(void), bool maps_new)
{
	volatile struct watch *watch;

	watch = mmap(NULL, sizeof(*watch), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert(watch != MAP_FAILED);
	if (virtgpu_ttm_blobs()) {
		timeout_ms(60000);
		make_evicted();
		if (maps_new)
			make_room();
	}
	watch->maps_new = maps_new;
	stall(true);
	watch_mmap_lock(watch, use, need_the_host);
	igt_assert(!watch->had_host_early);
	igt_assert_eq(watch->moves, virtgpu_ttm_blobs());
	if (virtgpu_ttm_blobs()) {
		igt_assert_eq(map[0][0], 1);
		free_blobs();
	}
	munmap((void *)watch, sizeof(*watch));
}

static void flood(volatile unsigned int *sent);
static void wait_for_gpu(void);

/* A process that sends commands until it has to wait, and then until it is killed. */
static pid_t fill_queue(volatile unsigned int *sent)
{
	unsigned int before;
	pid_t pid;

	*sent = 0;
	pid = child_fork();
	if (!pid)
		flood(sent);
	for (int i = 0; !*sent; i++) {
		igt_assert(i < 100);
		usleep(100000);
	}
	stall(true);
	/* The host may only be slow. */
	for (int quiet = 0; quiet < 3;
	     quiet = *sent == before ? quiet + 1 : 0) {
		before = *sent;
		sleep(1);
	}
	return pid;
}

static void *unmap_first(void *arg)
{
	volatile struct watch *watch = arg;

	igt_assert_eq(munmap(map[0], BLOB), 0);
	map[0] = NULL;
	watch->had_host = true;
	return NULL;
}

static void test_munmap(void)
{
	volatile unsigned int *sent = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	volatile struct watch *watch = (void *)(sent + 1024 / sizeof(*sent));
	pid_t flooder;

	igt_assert(sent != MAP_FAILED);
	timeout_ms(60000);
	/* The first one is evicted, or the only one. */
	make_blobs(virtgpu_ttm_blobs() ? 2 * virtgpu_window_size() / BLOB : 1);
	virtgpu_blob_close(&gpu, &blob[0]);
	/* This mapping has the last reference when the host has answered to that. */
	igt_assert_eq(madvise(map[0], BLOB, MADV_DONTFORK), 0);
	wait_for_gpu();
	sleep(1);
	flooder = fill_queue(sent);
	watch_mmap_lock(watch, map_and_unmap, unmap_first);
	igt_assert_eq(kill(flooder, SIGKILL), 0);
	igt_assert_eq(waitpid(flooder, NULL, 0), flooder);
	igt_assert_eq(watch->moves, virtgpu_ttm_blobs());
	/* It ended when the host was not back yet. */
	igt_assert_eq(watch->had_host_early, virtgpu_ttm_blobs());
	wait_for_gpu();
	free_blobs();
	munmap((void *)sent, 4096);
}

#define EXEC_ROUNDS 10

static volatile bool exec_stop;
static volatile unsigned int execs;

/* The driver reserves them one by one, and has the others while it waits for the last. */
static void *exec_all(void *arg)
{
	uint32_t handles[MAX_BLOBS];

	for (unsigned int i = 0; i < blobs; i++)
		handles[i] = blob[blobs - 1 - i].handle;
	while (!exec_stop) {
		virtgpu_submit_with(&gpu, handles, blobs);
		execs++;
	}
	return arg;
}

/*
 * The last one needs the room of half the others, which go one after the other. (Of the
 * window, the rest is to be free without TTM.)
 */
static void test_execbuffer(void)
{
	const unsigned int room = virtgpu_window_size() / BLOB;
	unsigned int count = virtgpu_ttm_blobs() ? room : room / 4;
	uint64_t large = room / 2 * BLOB;
	pthread_t thread;

	timeout_ms(2000);
	virtgpu_open(&gpu, VIRTGPU_VIRGL);
	for (blobs = 0; blobs < count; blobs++) {
		virtgpu_blob(&gpu, blobs ? BLOB : large, &blob[blobs]);
		map[blobs] = virtgpu_blob_mmap(&gpu, &blob[blobs]);
		map[blobs][0] = blobs + 1;
	}
	exec_stop = false;
	igt_assert_eq(pthread_create(&thread, NULL, exec_all, NULL), 0);
	for (unsigned int round = 0; round < EXEC_ROUNDS; round++) {
		unsigned int before = execs;

		for (unsigned int i = 0; i < blobs; i++)
			igt_assert(!virtgpu_is_sigbus(map[i]));
		/* Both get on. */
		for (int i = 0; execs == before; i++) {
			igt_assert(i < 600);
			usleep(100000);
		}
	}
	exec_stop = true;
	pthread_join(thread, NULL);
	for (unsigned int i = 0; i < blobs; i++)
		igt_assert_eq(map[i][0], i + 1);
	munmap(map[0], large);
	map[0] = NULL;
	free_blobs();
}

/* What ends the GPU's work on a blob when it is closed. */
static int busy[MAX_BLOBS];

static void end_busy(void)
{
	for (unsigned int i = 0; i < MAX_BLOBS; i++) {
		if (busy[i])
			close(busy[i]);
		busy[i] = 0;
	}
}

/* The GPU works on a blob, and nobody has it any more. */
static void close_busy(unsigned int i)
{
	int dmabuf = virtgpu_blob_export(&gpu, &blob[i]);

	busy[i] = dmabuf_make_busy(dmabuf);
	close(dmabuf);
	munmap(map[i], BLOB);
	map[i] = NULL;
	virtgpu_blob_close(&gpu, &blob[i]);
}

/*
 * In a process of its own, since it may take long. Blobs are closed for good only when
 * the host has answered to that.
 */
static pid_t touch_in_child(unsigned int i)
{
	pid_t pid;

	sleep(2);
	pid = child_fork();
	if (!pid)
		_exit(virtgpu_is_sigbus(map[i]) ? 1 : 2);
	return pid;
}

/* The stock driver gives its range away. */
static void closed_busy_keeps_range(void)
{
	make_blobs(1);
	close_busy(0);
	sleep(3);
	igt_assert_eq_u64(virtgpu_window_used(),
			  virtgpu_ttm_blobs() ? BLOB : 0);
	end_busy();
	free_blobs();
	wait_window_empty();
}

static void test_closed_busy(void)
{
	unsigned int in_window = virtgpu_window_size() / BLOB, first;

	closed_busy_keeps_range();
	if (!virtgpu_ttm_blobs())
		return;
	timeout_ms(30000);
	make_evicted();
	first = blobs - in_window;
	/* The next victims, but for the fences. */
	for (unsigned int i = first; i < first + in_window / 2; i++)
		close_busy(i);
	igt_assert(gone_within(touch_in_child(0), 10));
	igt_assert_eq(WEXITSTATUS(gone_status), 2);

	/* The rest of the window. */
	close_busy(0);
	for (unsigned int i = first + in_window / 2; i < blobs; i++)
		close_busy(i);
	timeout_ms(2000);
	igt_assert(gone_within(touch_in_child(1), 10));
	igt_assert_eq(WEXITSTATUS(gone_status), 1);

	timeout_ms(30000);
	end_busy();
	for (unsigned int i = 1; i < first; i++)
		igt_assert_eq(map[i][0], i + 1);
	free_blobs();
	virtgpu_window_wait_empty();
}

/* The host is needed for it: for an evicted blob, or the mapping of a new one. */
static void use_host(void)
{
	if (virtgpu_ttm_blobs())
		igt_assert_eq(map[0][0], 1);
	else
		map_new_blob();
}

/*
 * Commands without fences: QEMU answers one with a fence when that is signalled, which
 * may be behind what comes later.
 */
static void test_busy(void)
{
	struct timespec start = {};
	struct virtgpu other;

	timeout_ms(2000);
	if (virtgpu_ttm_blobs())
		make_evicted();
	every_ms(BUSY_EVERY_MS);
	for (int i = 0; i < BUSY_COMMANDS / 2; i++) {
		/* Makes a context, and ends it. */
		virtgpu_open(&other, VIRTGPU_VIRGL);
		virtgpu_close(&other);
	}
	igt_nsec_elapsed(&start);
	use_host();
	/* Or it was not behind them. */
	igt_assert_f(seconds_since(&start) > 2.5, "the host was not busy\n");
	every_ms(0);
	if (virtgpu_ttm_blobs())
		free_blobs();
}

/* How many commands each has sent is in @sent. */
static void flood(volatile unsigned int *sent)
{
	struct virtgpu other;
	int fence;

	virtgpu_open(&other, VIRTGPU_VIRGL);
	while (!__virtgpu_submit_nothing(&other, &fence)) {
		close(fence);
		++*sent;
	}
	_exit(1);
}

/* What was sent before is done. */
static void wait_for_gpu(void)
{
	struct pollfd fence = { .events = POLLIN };
	struct virtgpu other;

	virtgpu_open(&other, VIRTGPU_VIRGL);
	igt_assert_eq(__virtgpu_submit_nothing(&other, &fence.fd), 0);
	igt_assert_eq(poll(&fence, 1, 60000), 1);
	close(fence.fd);
	virtgpu_close(&other);
}

static unsigned int flooded(const volatile unsigned int *sent)
{
	unsigned int sum = 0;

	for (int i = 0; i < FLOODERS; i++)
		sum += sent[i];
	return sum;
}

static void test_busy_queue(void)
{
	volatile unsigned int *sent = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid[FLOODERS];
	unsigned int before;

	igt_assert(sent != MAP_FAILED);
	timeout_ms(2000);
	if (virtgpu_ttm_blobs())
		make_evicted();
	for (int i = 0; i < FLOODERS; i++) {
		pid[i] = child_fork();
		if (!pid[i])
			flood(&sent[i]);
	}
	for (int i = 0; !sent[0] || !sent[1]; i++) {
		igt_assert(i < 100);
		usleep(100000);
	}
	every_ms(FLOOD_EVERY_MS);
	/* Until the queue is full. */
	do {
		before = flooded(sent);
		sleep(1);
	} while (flooded(sent) - before > 100);
	before = flooded(sent);
	use_host();
	/* They got on, too. */
	igt_assert_lt(before, flooded(sent));
	for (int i = 0; i < FLOODERS; i++)
		igt_assert_eq(kill(pid[i], SIGKILL), 0);
	every_ms(0);
	for (int i = 0; i < FLOODERS; i++) {
		igt_assert_eq(waitpid(pid[i], &gone_status, 0), pid[i]);
		igt_assert(WIFSIGNALED(gone_status));
	}
	wait_for_gpu();
	if (virtgpu_ttm_blobs())
		free_blobs();
	munmap((void *)sent, 4096);
}

static void guest_blob(struct virtgpu_blob *new)
{
	struct virtgpu_blob_params params = {
		.size = BLOB,
		.mem = VIRTGPU_BLOB_MEM_GUEST,
	};

	igt_assert_eq(__virtgpu_blob(&gpu, &params, new), 0);
}

static void test_guest_create(void)
{
	bool ttm = virtgpu_ttm_blobs();
	struct timespec start = {};
	uint32_t *words;

	timeout_ms(2000);
	virtgpu_open(&gpu, VIRTGPU_VENUS);
	stall(true);
	igt_nsec_elapsed(&start);
	igt_set_timeout(30, "a creation that has a bound of 2 s");
	/* Without TTM it returns as well, but waits for nothing. */
	guest_blob(&blob[0]);
	igt_reset_timeout();
	if (ttm)
		igt_assert(seconds_since(&start) > 1.8);
	stall(false);
	words = virtgpu_blob_mmap(&gpu, &blob[0]);
	words[0] = 1;
	igt_assert_eq(words[0], 1);
	munmap(words, BLOB);
	virtgpu_close(&gpu);
}

static void test_guest_refused(void)
{
	/* The same as in guest-refused, of virtgpu_blob_guest. */
	const struct virtgpu_blob_params params = {
		.size = BLOB,
		.mem = VIRTGPU_BLOB_MEM_HOST3D_GUEST,
		.flags = VIRTGPU_BLOB_FLAG_USE_SHAREABLE,
	};
	bool ttm = virtgpu_ttm_blobs();
	void *words;
	int ret = 0;

	timeout_ms(2000);
	virtgpu_open(&gpu, VIRTGPU_VENUS);
	stall(true);
	igt_assert_eq(__virtgpu_blob(&gpu, &params, &blob[0]), 0);
	stall(false);
	for (int i = 0; i < 20 && !ret; i++) {
		ret = __virtgpu_blob_mmap(&gpu, &blob[0], &words);
		if (!ret)
			munmap(words, BLOB);
		usleep(100000);
	}
	igt_assert_eq(ret, ttm ? -EINVAL : 0);
	virtgpu_close(&gpu);
	virtgpu_expect_refusals(
		(struct virtgpu_refusals){ .creates = 1, .unrefs = !ttm });
}

/* Pages on a CPU's own list are not told from those in use. */
static bool free_within(uint64_t pfn, double seconds)
{
	struct timespec start = {};

	igt_nsec_elapsed(&start);
	while (!page_is_free(pfn)) {
		if (seconds_since(&start) > seconds)
			return false;
		usleep(10000);
	}
	return true;
}

static void test_guest_free(void)
{
	struct dmabuf_use_look look;
	int dmabuf;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	guest_blob(&blob[0]);
	dmabuf = virtgpu_blob_export(&gpu, &blob[0]);
	dmabuf_look(dmabuf, &look);
	close(dmabuf);
	igt_assert_eq_u64(look.bytes, BLOB);
	stall(true);
	virtgpu_blob_close(&gpu, &blob[0]);
	igt_assert(!free_within(look.pfn, 2));
	stall(false);
	if (virtgpu_ttm_blobs())
		igt_assert(free_within(look.pfn, 10));
	virtgpu_close(&gpu);
}

static void test_unplug(void)
{
	struct virtgpu_device device;

	igt_require_f(virtgpu_ttm_blobs(), "the stock driver leaks them\n");
	virtgpu_device(&device);
	make_evicted();
	virtgpu_unbind(&device);
	for (unsigned int i = 0; i < blobs; i++)
		igt_assert(virtgpu_is_sigbus(map[i]));
	free_blobs();
	virtgpu_bind(&device);

	make_evicted();
	for (unsigned int i = 0; i < blobs; i++)
		igt_assert_eq(map[i][0], i + 1);
	free_blobs();
	virtgpu_window_wait_empty();
}

/* How often the host was told to unmap a blob, since the trace began. */
static unsigned int unmaps_traced(void)
{
	FILE *file = virtgpu_trace_open();
	unsigned int count = 0;
	char line[512];

	while (fgets(line, sizeof(line), file))
		count += !!strstr(line, " virtio_gpu_range_unmap: ");
	fclose(file);
	return count;
}

static void test_unplug_again(void)
{
	struct virtgpu_device device;
	int log;

	igt_require_f(virtgpu_ttm_blobs(), "the stock driver leaks them\n");
	virtgpu_device(&device);
	log = log_open();
	for (unsigned int round = 0; round < 8; round++) {
		make_blobs(4);
		if (round % 2)
			free_blobs();
		virtgpu_trace_begin(VIRTGPU_EVENTS_WINDOW);
		virtgpu_unbind(&device);
		virtgpu_trace_end(VIRTGPU_EVENTS_WINDOW);
		/* Before the reset, which the stock driver leaves to the host. */
		if (!(round % 2)) {
			igt_assert_eq(unmaps_traced(), blobs);
			free_blobs();
		}
		virtgpu_bind(&device);
	}
	igt_assert_eq(log_count(log, "does not answer"), 0);
	close(log);
	make_evicted();
	for (unsigned int i = 0; i < blobs; i++)
		igt_assert_eq(map[i][0], i + 1);
	free_blobs();
	virtgpu_window_wait_empty();
}

/*
 * In a process of its own, since it may take for ever; one that has no blob mapped.
 * It begins when something is written to @go.
 */
static pid_t unbind_later(const struct virtgpu_device *device, int *go)
{
	int ends[2], fd;
	char byte;
	pid_t pid;

	igt_assert_eq(pipe(ends), 0);
	pid = child_fork();
	if (!pid) {
		close(ends[1]);
		if (read(ends[0], &byte, 1) != 1)
			_exit(1);
		fd = open(VIRTGPU_DRIVER "unbind", O_WRONLY);
		_exit(write(fd, device->name, strlen(device->name)) < 0);
	}
	close(ends[0]);
	*go = ends[1];
	return pid;
}

enum waits {
	WAITS_UNMAP,
	WAITS_MAP,
	WAITS_CREATE,
	WAITS_IOCTL,
	WAITS_QUEUE,
	WAITS_FENCE,
};

static int make_until_error(uint32_t mem)
{
	const struct virtgpu_blob_params params = { .size = BLOB, .mem = mem };
	struct virtgpu_blob new;
	int ret = 0;

	for (int i = 0; i < 1000 && !ret; i++)
		ret = __virtgpu_blob(&gpu, &params, &new);
	return ret;
}

/*
 * Nobody tells whether a command for the GPU was sent, and its fence is to be waited for
 * in any case.
 */
static bool submit_until_error(void)
{
	struct pollfd fence = { .events = POLLIN };
	struct virtgpu other;
	int fences[MAX_FENCES], count = 0;

	virtgpu_open(&other, VIRTGPU_VIRGL);
	while (count < MAX_FENCES &&
	       !__virtgpu_submit_nothing(&other, &fences[count]))
		count++;
	while (count--) {
		fence.fd = fences[count];
		if (poll(&fence, 1, 20000) != 1)
			return false;
	}
	return true;
}

/* There is room for it. It waits in the ioctl for the host to map it. */
static bool new_blob_is_out_of_reach(void)
{
	struct timespec start = {};
	struct virtgpu_blob new;
	struct virtgpu other;
	uint64_t offset;
	uint32_t *words;

	virtgpu_open(&other, VIRTGPU_VENUS);
	virtgpu_blob(&other, BLOB, &new);
	igt_nsec_elapsed(&start);
	offset = virtgpu_blob_offset(&other, &new);
	/* It is the ioctl that waits, not the access. */
	if (seconds_since(&start) < 1)
		return false;
	words = mmap(NULL, BLOB, PROT_READ, MAP_SHARED, other.fd, offset);
	return words == MAP_FAILED ? errno == ENODEV : virtgpu_is_sigbus(words);
}

/* Whether what waited got the error that it should. */
static bool wait_for_error(enum waits what)
{
	switch (what) {
	case WAITS_UNMAP:
	case WAITS_MAP:
		return virtgpu_is_sigbus(map[0]);
	case WAITS_CREATE:
		return make_until_error(VIRTGPU_BLOB_MEM_GUEST) == -ENODEV;
	case WAITS_IOCTL:
		return new_blob_is_out_of_reach();
	case WAITS_QUEUE:
		return make_until_error(VIRTGPU_BLOB_MEM_HOST3D);
	case WAITS_FENCE:
		return submit_until_error();
	}
	return false;
}

static void test_unplug_waiting(enum waits what)
{
	pid_t unbinder, waiter;
	struct virtgpu_device device;
	int go;

	igt_require_f(virtgpu_ttm_blobs(), "the stock driver waits for ever\n");
	virtgpu_device(&device);
	unbinder = unbind_later(&device, &go);
	timeout_ms(120000);
	make_evicted();
	if (what == WAITS_MAP || what == WAITS_IOCTL)
		make_room();
	stall(true);
	waiter = child_fork();
	if (!waiter)
		_exit(wait_for_error(what) ? 1 : 2);
	igt_assert(!gone_within(waiter, 3));
	igt_assert_eq(write(go, "", 1), 1);
	igt_assert(gone_within(unbinder, 30));
	igt_assert_eq(gone_status, 0);
	close(go);
	igt_assert(gone_within(waiter, 30));
	igt_assert(WIFEXITED(gone_status));
	igt_assert_eq(WEXITSTATUS(gone_status), 1);
	stall(false);
	free_blobs();
	virtgpu_bind(&device);

	make_evicted();
	for (unsigned int i = 0; i < blobs; i++)
		igt_assert_eq(map[i][0], i + 1);
	free_blobs();
	virtgpu_window_wait_empty();
}

static void guest_words(uint32_t *words, bool write)
{
	for (uint32_t i = 0; i < BLOB / 4; i++) {
		if (write)
			words[i] = ~i;
		else
			igt_assert_eq_u32(words[i], ~i);
	}
}

static void test_unplug_guest(void)
{
	struct virtgpu_device device;
	struct dmabuf_use_look look;
	uint32_t *words[2];
	int dmabuf;

	igt_require_f(virtgpu_ttm_blobs(), "the stock driver leaks them\n");
	virtgpu_device(&device);
	virtgpu_open(&gpu, VIRTGPU_VENUS);
	for (int i = 0; i < 2; i++) {
		guest_blob(&blob[i]);
		words[i] = virtgpu_blob_mmap(&gpu, &blob[i]);
		guest_words(words[i], true);
	}
	dmabuf = virtgpu_blob_export(&gpu, &blob[0]);
	dmabuf_look(dmabuf, &look);
	virtgpu_unbind(&device);
	for (int i = 0; i < 2; i++)
		guest_words(words[i], false);
	virtgpu_close(&gpu);
	munmap(words[0], BLOB);
	words[0] = mmap(NULL, BLOB, PROT_READ, MAP_SHARED, dmabuf, 0);
	igt_assert(words[0] != MAP_FAILED);
	close(dmabuf);
	for (int i = 0; i < 2; i++) {
		guest_words(words[i], false);
		munmap(words[i], BLOB);
	}
	igt_assert(free_within(look.pfn, 10));
	virtgpu_bind(&device);

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	guest_blob(&blob[0]);
	words[0] = virtgpu_blob_mmap(&gpu, &blob[0]);
	guest_words(words[0], true);
	guest_words(words[0], false);
	munmap(words[0], BLOB);
	virtgpu_close(&gpu);
}

static const char *const waits[] = {
	[WAITS_UNMAP] = "unmap",   [WAITS_MAP] = "map",
	[WAITS_CREATE] = "create", [WAITS_QUEUE] = "queue",
	[WAITS_IOCTL] = "ioctl",   [WAITS_FENCE] = "fence",
};

int igt_main()
{
	igt_fixture() igt_install_exit_handler(unstall_at_exit);
	igt_describe("Kill a process that waits for the host (twin: within)");
	igt_subtest("late-kill") test_kill();
	igt_describe(
		"Kill a process that waits to map a new blob (twin: within)");
	igt_subtest("late-kill-new") test_kill_new();
	igt_describe("regression: signals for a process that waits");
	igt_subtest("late-signals") test_signals();
	igt_describe("A new blob that the host does not map (twin: within)");
	igt_subtest("late-new") test_new();
	igt_describe("An access that the host does not answer (twin: within)");
	igt_subtest("late-sigbus") test_sigbus();
	igt_describe(
		"The mmap lock while a fault waits for the host (twin: within)");
	igt_subtest("late-mmap-lock") test_mmap_lock(map_and_unmap, false);
	igt_describe(
		"The mmap lock while a new blob's mapping waits (twin: within)");
	igt_subtest("late-mmap-lock-new") test_mmap_lock(map_and_unmap, true);
	igt_describe(
		"A process forks while a thread waits for the host (twin: within)");
	igt_subtest("late-fork") test_mmap_lock(fork_and_wait, false);
	igt_describe(
		"The mmap lock while a thread unmaps a closed blob (twin: within)");
	igt_subtest("late-munmap") test_munmap();
	igt_describe(
		"regression: a blob is closed before the host has mapped it");
	igt_subtest("late-close") test_close();
	igt_describe(
		"A blob that the host leaves out, and it alone (twin: within)");
	igt_subtest("late-left-out") test_left_out();
	igt_fixture()
	{
		leave_out(false);
		end_talker();
	}
	igt_describe(
		"A blob that the host leaves out, and it is slow (twin: within)");
	igt_subtest("late-left-out-slowly") test_left_out_slowly();
	igt_fixture()
	{
		leave_out(false);
		end_talker();
	}
	igt_describe(
		"A blob that the host leaves out is closed (twin: within)");
	igt_subtest("late-left-out-closed") test_left_out_closed();
	igt_fixture() leave_out(false);
	igt_describe(
		"A blob that the host leaves out is evicted (twin: within)");
	igt_subtest("late-left-out-evicted") test_left_out_evicted();
	igt_fixture() leave_out(false);
	igt_describe("An evicted blob that the host maps late (twin: within)");
	igt_subtest("late-left-out-mapped") test_left_out_mapped();
	igt_fixture()
	{
		leave_out(false);
		virtgpu_window_heal();
	}
	igt_describe("new call: an import that the host does not answer");
	igt_subtest("late-import") test_import();
	igt_describe("regression: commands for all blobs while they are used");
	igt_subtest("late-execbuffer") test_execbuffer();
	igt_describe("Closed blobs that the GPU still uses (twin: within)");
	igt_subtest("late-closed-busy") test_closed_busy();
	/* Or a failure would keep the others from unplugging. */
	igt_fixture() end_busy();
	igt_describe(
		"regression: a host that is busy for longer than the timeout");
	igt_subtest("late-busy") test_busy();
	igt_fixture() every_ms(0);
	igt_describe("regression: others keep the queue to a slow host full");
	igt_subtest("late-busy-queue") test_busy_queue();
	igt_fixture() every_ms(0);
	igt_describe("regression: a blob that is made while the host is late");
	igt_subtest("late-guest-create") test_guest_create();
	igt_describe(
		"A blob that the host refuses when it was made (twin: within)");
	igt_subtest("late-guest-refused") test_guest_refused();
	igt_describe(
		"regression: the host's pages are not free before it gave them back");
	igt_subtest("late-guest-free") test_guest_free();
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		igt_describe(
			"The device goes away while somebody waits (twin: script unplug-stock.sh)");
		igt_subtest_f("unplug-waiting-%s", waits[i])
			test_unplug_waiting(i);
	}
	igt_describe(
		"The device goes away with blobs of the guest mapped (twin: script unplug-stock.sh)");
	igt_subtest("unplug-guest") test_unplug_guest();
	igt_describe(
		"The device goes away with evicted blobs mapped (twin: script unplug-stock.sh)");
	igt_subtest("unplug") test_unplug();
	igt_describe(
		"The device goes away and comes back again and again (twin: script unplug-stock.sh)");
	igt_subtest("unplug-again") test_unplug_again();
}
