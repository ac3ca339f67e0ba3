// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap hazard
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: TTM's PFNMAP mode, what could corrupt memory
 * Description: What goes wrong if pages are marked and nothing else is done.
 *	Under the policies "reserved" and "counted" nothing may go wrong; under
 *	"naive", which only a test build of ttm.ko has, it must, or the test
 *	proves nothing and fails. Needs slow_release.ko and kvm_hold.ko; guest
 *	script hazard.sh.
 *
 * SUBTEST: i2-kvm-warns-of-count
 * Description: KVM looks at the count of every reserved page. Naive: a WARN,
 *	once a boot, so this is to be the first that uses KVM
 *
 * SUBTEST: i4-release-race-%s
 * Description: The guest writes all pages while the BO is swapped out, moved,
 *	freed and made anew: KVM gives pages back that TTM has freed. Naive:
 *	pages with a count of -1, which the longest delay always shows
 *
 * arg[1]:
 * @natural:	KVM releases pages at its own pace
 * @2ms:	each release is delayed by 2 ms
 * @20ms:	by 20 ms
 *
 * SUBTEST: i4-long-lived-holder
 * Description: Nested virtualisation's kvm_vcpu_map() of a page of a BO that is
 *	freed, and a write through it. Naive: the page is another's by then
 *
 * SUBTEST: i4-long-lived-holder-vmm-exits
 * Description: The same, held by a file of another process after the VMM ended
 *
 * SUBTEST: i4-long-lived-holder-vmm-forked
 * Description: The same; the VMM is a child that inherited the BO's PTEs
 *
 * SUBTEST: i4-long-lived-holder-bo-purged
 * Description: The same; the BO stays, mapped, and its contents are dropped
 */
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "kvm_bo.h"
#include "kvm_hold.h"
#include "pageflags.h"

#define SLOW_RELEASE "/sys/module/slow_release/parameters/"
#define SEED 0x31415926
#define SIZE KVM_BO_MIB(1)
#define PAGES (SIZE / KVM_GUEST_PAGE)
#define HELD_PAGE 200
/*
 * One VMM of many: each retires less than what one may keep in quarantine by
 * default, so that all of its BOs are under the policy under test.
 */
#define ROUND_SWAPOUTS 40
#define ROUND_MOVES 4
#define ROUND_BOS 8
#define ROUND_SECONDS 300
#define BYTE_VICTIM 0x5a
#define BYTE_HOLDER 0xee

enum policy {
	NAIVE,
	RESERVED,
	COUNTED,
};

/* Of one subtest; shared with its processes. */
struct report {
	unsigned long swapouts, moves, bos, passes, retries;
	unsigned long releases, delayed;
	unsigned long bad_pages, negative, warnings, lost;
	/* Long-lived holder: */
	struct kvm_hold_state mapped, freed, filled, poked;
	bool reused;	 /* the held page is in a BO of another */
	int count_after; /* of that BO's page, the holder being gone */
	unsigned long stranger_bytes;
};

static unsigned long swapouts_wanted = 150;
static enum policy policy;
static struct report *report;
static int log_fd = -1;

/* ---- The kernel's log -------------------------------------------------- */

static void log_start(void)
{
	log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	igt_assert_f(log_fd >= 0, "/dev/kmsg: %s\n", strerror(errno));
	igt_assert_eq(lseek(log_fd, 0, SEEK_END), 0);
}

/* What was printed since it was called last. */
static void log_read(void)
{
	char record[8192];
	ssize_t len;

	while ((len = read(log_fd, record, sizeof(record) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		record[len > 0 ? len : 0] = '\0';
		report->lost += len < 0;
		report->bad_pages += !!strstr(record, "Bad page state in");
		report->negative += !!strstr(record, "refcount:-");
		/* kvm_is_zone_device_page(), often inlined */
		report->warnings += strstr(record, "WARNING: ") &&
				    strstr(record, "virt/kvm/kvm_main.c:");
	}
	igt_assert_f(len < 0 && errno == EAGAIN, "/dev/kmsg: %s\n",
		     strerror(errno));
}

/* No word of the kernel that a page is broken. */
static void assert_log_clean(void)
{
	igt_assert_f(
		!report->bad_pages && !report->negative && !report->warnings &&
			!report->lost,
		"the kernel reported %lu bad pages, %lu negative counts, %lu warnings of KVM, and lost %lu lines\n",
		report->bad_pages, report->negative, report->warnings,
		report->lost);
}

/* ---- The modules ------------------------------------------------------- */

/* @path: of one of the module's counters */
static unsigned long slow_release_get(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long value;

	igt_assert(file);
	igt_assert_eq(fscanf(file, "%lu", &value), 1);
	fclose(file);
	return value;
}

static void slow_release_set(unsigned int ms)
{
	FILE *file = fopen(SLOW_RELEASE "ms", "we");

	igt_assert(file);
	igt_assert(fprintf(file, "%u\n", ms) > 0);
	igt_assert_eq(fclose(file), 0);
}

static int hold_ioctl(int hold, unsigned long request, unsigned long arg)
{
	return ioctl(hold, request, arg) ? -errno : 0;
}

static void hold_state(int hold, struct kvm_hold_state *state)
{
	igt_assert_eq(hold_ioctl(hold, KVM_HOLD_STATE, (unsigned long)state),
		      0);
}

static const char *state_str(const struct kvm_hold_state *state)
{
	static char text[4][64];
	static int next;
	char *s = text[next++ % 4];

	snprintf(s, sizeof(text[0]), "%s, count %d",
		 state->flags & KVM_HOLD_RESERVED ? "reserved" : "not reserved",
		 state->count);
	return s;
}

/* ---- i2: the count of a marked page ------------------------------------ */

static void touch_all(struct kvm_bo *bo, const void *arg)
{
	const struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);

	(void)arg;
	kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	kvm_guest_run_ok(guest, &job);
	kvm_host_verify(bo->map, &job);
	kvm_guest_destroy(guest);
}

static void kvm_warns_of_count(void)
{
	static const struct kvm_bo_test test = {
		.fn = touch_all,
		.size = SIZE,
		.flags = VTTM_BO_CACHED,
	};

	kvm_bo_run(VTTM_MODE, &test);
	log_read();
	igt_info("%lu warnings\n", report->warnings);
	if (policy == NAIVE)
		igt_assert_f(
			report->warnings == 1 && !report->bad_pages,
			"naive: %lu warnings, not 1 (has another test run since boot?)\n",
			report->warnings);
	else
		assert_log_clean();
}

/* ---- i4: the release race ---------------------------------------------- */

struct race {
	struct kvm_bo *bo;
	struct kvm_guest *guest;
	enum kvm_guest_op op;
	atomic_bool stop, stopped;
	struct kvm_guest_result result;
	uint32_t seed; /* of what is in the BO */
	pthread_t thread;
};

static struct kvm_guest_job race_job(const struct race *race,
				     enum kvm_guest_op op)
{
	struct kvm_guest_job job = kvm_bo_job(race->bo, op, race->seed);

	job.words = 4;
	return job;
}

static void *guest_thread(void *arg)
{
	struct race *race = arg;
	struct kvm_guest_job job;

	do {
		job = race_job(race, race->op);
		kvm_guest_run(race->guest, &job, &race->result);
		if (!race->result.finished || race->result.mismatch)
			break;
		if (race->op == KVM_OP_READ_WRITE)
			race->seed = ~race->seed;
		report->passes++;
	} while (!race->stop);
	race->stopped = true;
	return NULL;
}

static void guest_start(struct race *race, enum kvm_guest_op op)
{
	race->op = op;
	race->stop = false;
	race->stopped = false;
	igt_assert_eq(pthread_create(&race->thread, NULL, guest_thread, race),
		      0);
}

/* Its last pass is at full speed. */
static void guest_stop(struct race *race, unsigned int ms)
{
	race->stop = true;
	slow_release_set(0);
	igt_assert_eq(pthread_join(race->thread, NULL), 0);
	slow_release_set(ms);
	if (policy != NAIVE)
		igt_assert_f(race->result.finished && !race->result.mismatch,
			     "%s\n", kvm_guest_result_str(&race->result));
}

static void verify(struct race *race)
{
	const struct kvm_guest_job job = race_job(race, KVM_OP_READ);

	/* What naive has broken may be anybody's, this BO included. */
	if (policy != NAIVE)
		kvm_host_verify(race->bo->map, &job);
}

/* True if there was something to swap out. */
static bool swapout(struct race *race)
{
	uint64_t pages;
	int ret = __vttm_swapout(race->bo->fd, race->bo->handle, &pages);

	igt_assert_f(!ret || ret == -EBUSY, "swapout: %s\n", strerror(-ret));
	if (!ret && pages)
		return true;
	usleep(500);
	return false;
}

static void move(struct race *race, uint32_t placement)
{
	int ret = __vttm_move(race->bo->fd, race->bo->handle, placement);

	igt_assert_f(!ret || ret == -EBUSY, "move: %s\n", strerror(-ret));
	report->moves += !ret;
}

static void swap_and_move(struct race *race)
{
	unsigned int swapouts = 0;

	while (swapouts < ROUND_SWAPOUTS && !race->stopped) {
		if (!swapout(race))
			continue;
		swapouts++;
		if (swapouts % (ROUND_SWAPOUTS / ROUND_MOVES))
			continue;
		usleep(3000);
		move(race, VTTM_PL_VRAM);
		usleep(3000);
		move(race, VTTM_PL_SYSTEM);
	}
	report->swapouts += swapouts;
}

/* Another BO takes the place of this one, which is freed by that. */
static void replace_bo(struct race *race)
{
	struct kvm_bo *bo = race->bo;
	uint32_t handle = vttm_create(bo->fd, bo->size, VTTM_BO_CACHED);
	uint64_t offset = vttm_mmap_offset(bo->fd, handle);

	vttm_close_bo(bo->fd, bo->handle);
	bo->handle = handle;
	igt_assert(mmap(bo->map, bo->size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED, bo->fd, offset) == bo->map);
	report->bos++;
}

static void race_round(struct kvm_bo *bo, const void *arg)
{
	const unsigned int ms = *(const unsigned int *)arg;
	struct race race = { .bo = bo, .seed = SEED };
	struct kvm_guest_job job = race_job(&race, KVM_OP_WRITE);

	kvm_host_write(bo->map, &job);
	race.guest = kvm_guest_create(KVM_GUEST_FLAT32);
	kvm_guest_map(race.guest, KVM_GUEST_GPA, bo->map, bo->size);
	slow_release_set(ms);

	/* Each pass verifies what the one before has written. */
	guest_start(&race, KVM_OP_READ_WRITE);
	swap_and_move(&race);
	guest_stop(&race, ms);
	verify(&race);

	/* A new BO is empty, so here only the last pass can be verified. */
	guest_start(&race, KVM_OP_WRITE);
	for (int i = 0; i < ROUND_BOS && !race.stopped; i++) {
		usleep(5000 + 2000 * ms);
		replace_bo(&race);
	}
	guest_stop(&race, ms);
	slow_release_set(0);
	if (policy != NAIVE) {
		job = race_job(&race, KVM_OP_WRITE);
		kvm_guest_run_ok(race.guest, &job);
		verify(&race);
		kvm_bo_check_counts(bo);
	}
	report->retries += race.guest->retries;
	kvm_guest_destroy(race.guest);
}

static void release_race(unsigned int ms)
{
	const struct kvm_bo_test test = {
		.fn = race_round,
		.arg = &ms,
		.size = SIZE,
		.flags = VTTM_BO_CACHED,
	};
	unsigned long before;

	report->releases = -slow_release_get(SLOW_RELEASE "hits");
	report->delayed = -slow_release_get(SLOW_RELEASE "delayed");
	do {
		before = report->swapouts;
		kvm_bo_run(VTTM_MODE, &test);
		log_read();
	} while (report->swapouts < swapouts_wanted &&
		 (policy != NAIVE || report->swapouts > before));
	report->releases += slow_release_get(SLOW_RELEASE "hits");
	report->delayed += slow_release_get(SLOW_RELEASE "delayed");
	igt_info(
		"%lu swapouts, %lu moves, %lu new BOs, %lu passes of the guest, %lu releases by KVM, %lu of them delayed by %u ms, %lu spurious -EFAULT, %lu bad pages (%lu with a negative count)\n",
		report->swapouts, report->moves, report->bos, report->passes,
		report->releases, report->delayed, ms, report->retries,
		report->bad_pages, report->negative);
	igt_assert_f(report->releases > report->swapouts &&
			     (!ms || report->delayed > report->swapouts / 4),
		     "the probe did not see KVM's releases\n");
	if (policy != NAIVE) {
		assert_log_clean();
		return;
	}
	if (ms >= 20)
		igt_assert_f(report->negative,
			     "naive survived, so this test proves nothing\n");
}

/* ---- i4: the long-lived holder ----------------------------------------- */

static void signal_byte(int fd)
{
	igt_assert_eq(write(fd, "", 1), 1);
}

/* False if the other side has ended. */
static bool wait_byte(int fd)
{
	char byte;
	ssize_t len;

	do {
		len = read(fd, &byte, 1);
	} while (len < 0 && errno == EINTR);
	igt_assert_lte(0, len);
	return len;
}

enum holder_kind {
	HOLDER_STAYS,
	HOLDER_EXITS,  /* as soon as the BO is freed, the holder does not */
	HOLDER_FORKED, /* a child, which has the BO by fork alone */
	HOLDER_PURGED, /* the BO stays, mapped, and loses its contents */
};

/* Returns in the child; its parent ends here, without a mapping of the BO. */
static void become_child(struct kvm_bo *bo)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	igt_assert_lte(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return;
	}
	vttm_munmap(bo->map, bo->size);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
	exit(0);
}

/* A guest writes a BO, @hold holds a page of it, and the BO is freed. */
static void holder_vmm(enum holder_kind kind, int hold, int ready, int quit)
{
	struct kvm_hold_map map = {
		.gfn = KVM_GUEST_GPA / KVM_GUEST_PAGE + HELD_PAGE,
	};
	struct drm_vttm_page page;
	struct kvm_guest *guest;
	struct kvm_guest_job job;
	struct kvm_bo bo;
	int ret;

	kvm_bo_init(&bo, VTTM_MODE, SIZE, VTTM_BO_CACHED);
	job = kvm_bo_job(&bo, KVM_OP_WRITE, SEED);
	kvm_host_write(bo.map, &job);
	if (kind == HOLDER_FORKED)
		become_child(&bo);
	guest = kvm_guest_create(KVM_GUEST_FLAT32);
	kvm_guest_map(guest, KVM_GUEST_GPA, bo.map, bo.size);
	kvm_guest_run_ok(guest, &job);

	map.vcpu_fd = guest->vcpu_fd;
	ret = hold_ioctl(hold, KVM_HOLD_MAP, (unsigned long)&map);
	igt_assert_f(!ret, "kvm_vcpu_map(): %s\n", strerror(-ret));
	hold_state(hold, &report->mapped);
	vttm_page(bo.fd, bo.handle, HELD_PAGE, &page);
	igt_assert_eq_u64(report->mapped.pfn, page.pfn);
	if (kind == HOLDER_PURGED)
		vttm_purge(bo.fd, bo.handle);
	else
		kvm_bo_free(&bo);
	signal_byte(ready);
	if (kind == HOLDER_EXITS)
		return;
	wait_byte(quit);
	kvm_guest_destroy(guest);
	kvm_bo_fini(&bo);
}

static unsigned long mem_total_mib(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long kib;

	igt_assert(file);
	igt_assert_eq(fscanf(file, "MemTotal: %lu", &kib), 1);
	fclose(file);
	return kib >> 10;
}

/* Strangers: BOs of the stock device, and pipes, whose pages nobody moves. */
struct victims {
	int fd;
	unsigned long bos, max_bos, pipes, max_pipes;
	uint32_t *handles;
	char **maps;
	int (*pipe_fds)[2];
	unsigned long hit_bo, hit_page;
};

static void victims_init(struct victims *v)
{
	const unsigned long total = mem_total_mib();

	memset(v, 0, sizeof(*v));
	v->fd = __vttm_open(VTTM_STOCK);
	igt_assert_fd(v->fd);
	/* TTM swaps out above half of the memory. */
	v->max_bos = total * 3 / 8;
	v->max_pipes = total / 8;
	v->handles = calloc(v->max_bos, sizeof(*v->handles));
	v->maps = calloc(v->max_bos, sizeof(*v->maps));
	v->pipe_fds = calloc(v->max_pipes, sizeof(*v->pipe_fds));
	igt_assert(v->handles && v->maps && v->pipe_fds);
}

static bool bo_has_pfn(struct victims *v, unsigned long bo, uint64_t pfn)
{
	struct drm_vttm_page page;

	for (unsigned long i = 0; i < PAGES; i++) {
		vttm_page(v->fd, v->handles[bo], i, &page);
		if (page.pfn != pfn)
			continue;
		v->hit_bo = bo;
		v->hit_page = i;
		return true;
	}
	return false;
}

/* Until one of them has the page, or the memory is well filled. */
static bool fill_with_bos(struct victims *v, uint64_t pfn)
{
	while (v->bos < v->max_bos) {
		const unsigned long bo = v->bos++;

		v->handles[bo] = vttm_create(v->fd, SIZE, VTTM_BO_CACHED);
		v->maps[bo] = vttm_mmap(v->fd, v->handles[bo], SIZE);
		memset(v->maps[bo], BYTE_VICTIM, SIZE);
		if (bo_has_pfn(v, bo, pfn))
			return true;
	}
	return false;
}

static void fill_with_pipes(struct victims *v)
{
	char *buf = malloc(SIZE);

	igt_assert(buf);
	memset(buf, BYTE_VICTIM, SIZE);
	while (v->pipes < v->max_pipes) {
		int *fds = v->pipe_fds[v->pipes];

		igt_assert_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
		igt_assert_eq(fcntl(fds[1], F_SETPIPE_SZ, SIZE), SIZE);
		igt_assert_eq(write(fds[1], buf, SIZE), SIZE);
		v->pipes++;
	}
	free(buf);
}

static unsigned long changed_bytes(const char *buf)
{
	unsigned long changed = 0;

	/* The same byte all over is equal to itself, shifted by one. */
	if (*buf == BYTE_VICTIM && !memcmp(buf, buf + 1, SIZE - 1))
		return 0;
	for (size_t i = 0; i < SIZE; i++)
		changed += buf[i] != BYTE_VICTIM;
	return changed;
}

static unsigned long victims_changed(const struct victims *v)
{
	char *buf = malloc(SIZE);
	unsigned long changed = 0;

	igt_assert(buf);
	for (unsigned long i = 0; i < v->bos; i++)
		changed += changed_bytes(v->maps[i]);
	for (unsigned long i = 0; i < v->pipes; i++) {
		igt_assert_eq(read(v->pipe_fds[i][0], buf, SIZE), SIZE);
		changed += changed_bytes(buf);
	}
	free(buf);
	return changed;
}

static void victims_main(uint64_t pfn, int ready, int check)
{
	struct drm_vttm_page page;
	struct victims v;

	victims_init(&v);
	report->reused = fill_with_bos(&v, pfn);
	if (!report->reused)
		fill_with_pipes(&v);
	igt_info("%lu MiB in BOs and %lu MiB in pipes of another process\n",
		 v.bos, v.pipes);
	signal_byte(ready);
	wait_byte(check);
	report->stranger_bytes = victims_changed(&v);
	if (report->reused) {
		vttm_page(v.fd, v.handles[v.hit_bo], v.hit_page, &page);
		report->count_after = page.count;
	}
	/* The process's end gives all back. */
}

static bool is_state(const struct kvm_hold_state *state)
{
	return policy == RESERVED ?
		       state->flags & KVM_HOLD_RESERVED && state->count == 1 :
		       !(state->flags & KVM_HOLD_RESERVED) && state->count == 2;
}

static void assert_holder_safe(void)
{
	const uint64_t pfn = report->mapped.pfn;
	struct timespec start = {};

	igt_assert_f(is_state(&report->mapped) && is_state(&report->freed) &&
			     is_state(&report->filled) &&
			     is_state(&report->poked),
		     "the held page changed its state\n");
	igt_assert(!report->reused);
	igt_assert_eq_u64(report->stranger_bytes, 0);
	/* Given back once, after its holder. */
	igt_nsec_elapsed(&start);
	while (!page_is_free(pfn) && igt_nsec_elapsed(&start) < 2000000000ull)
		usleep(10000);
	igt_assert(page_is_free(pfn));
	igt_assert(!page_is_reserved(pfn));
	assert_log_clean();
}

static void assert_holder_unsafe(void)
{
	igt_assert_f(report->stranger_bytes ||
			     (report->reused && report->count_after < 0) ||
			     report->negative,
		     "naive survived, so this test proves nothing\n");
}

static void make_pipe(int fds[2])
{
	igt_assert_eq(pipe2(fds, O_CLOEXEC), 0);
}

static void poke_between(int hold, int ready, int check)
{
	struct vttm_counters counters;

	hold_state(hold, &report->freed);
	vttm_counters_total(&counters);
	if (policy != NAIVE)
		igt_assert_eq_u64(counters.pages_quarantined, PAGES);
	igt_assert(wait_byte(ready));
	hold_state(hold, &report->filled);
	igt_assert_eq(hold_ioctl(hold, KVM_HOLD_POKE, BYTE_HOLDER), 0);
	hold_state(hold, &report->poked);
	igt_assert_eq(hold_ioctl(hold, KVM_HOLD_UNMAP, true), 0);
	signal_byte(check);
}

static void long_lived_holder(enum holder_kind kind)
{
	int hold = open("/dev/kvm_hold", O_RDWR | O_CLOEXEC);
	int ready[2], quit[2], filled[2], check[2];

	igt_assert_fd(hold);
	make_pipe(ready);
	make_pipe(quit);
	igt_fork(vmm, 1)
	{
		close(ready[0]);
		holder_vmm(kind, hold, ready[1], quit[0]);
	}
	close(ready[1]);
	igt_assert_f(wait_byte(ready[0]), "the VMM failed, see above\n");
	/* Its descriptors are closed after its memory is gone. */
	if (kind == HOLDER_EXITS)
		igt_assert(!wait_byte(ready[0]));

	make_pipe(filled);
	make_pipe(check);
	igt_fork(victims, 1)
	{
		close(filled[0]);
		victims_main(report->mapped.pfn, filled[1], check[0]);
	}
	close(filled[1]);
	poke_between(hold, filled[0], check[1]);
	if (kind != HOLDER_EXITS)
		signal_byte(quit[1]);
	igt_waitchildren_timeout(ROUND_SECONDS, "VMM or victims do not end");
	close(hold);
	close(quit[0]);
	close(quit[1]);
	close(ready[0]);
	close(filled[0]);
	close(check[0]);
	close(check[1]);
	kvm_bo_assert_nothing_left(VTTM_MODE);
	log_read();

	igt_info(
		"held page: mapped: %s; BO freed: %s; memory filled: %s; written to: %s\n",
		state_str(&report->mapped), state_str(&report->freed),
		state_str(&report->filled), state_str(&report->poked));
	igt_info(
		"in another's BO: %s; count there after the unmap: %d; %lu bytes of others changed; %lu bad pages\n",
		report->reused ? "yes" : "no", report->count_after,
		report->stranger_bytes, report->bad_pages);
	if (policy == NAIVE)
		assert_holder_unsafe();
	else
		assert_holder_safe();
}

/* ------------------------------------------------------------------------ */

static enum policy policy_get(void)
{
	struct vttm_counters counters;
	int fd = vttm_open(VTTM_MODE);

	vttm_counters(fd, &counters);
	close(fd);
	if (!strcmp(counters.policy, "naive"))
		return NAIVE;
	igt_require_f(!strcmp(counters.policy, "reserved") ||
			      !strcmp(counters.policy, "counted"),
		      "policy %s has no hazards\n", counters.policy);
	return strcmp(counters.policy, "reserved") ? COUNTED : RESERVED;
}

static void start(void)
{
	memset(report, 0, sizeof(*report));
	if (log_fd >= 0)
		close(log_fd);
	log_start();
}

static int option(int opt, int index, void *data)
{
	char *end;

	(void)index;
	(void)data;
	if (opt != 'n')
		return -2;
	swapouts_wanted = strtoul(optarg, &end, 0);
	return *optarg && !*end && swapouts_wanted ? 0 : -2;
}

static const struct option options[] = {
	{ "swapouts", required_argument, NULL, 'n' },
	{},
};

static const char help[] =
	"  --swapouts=N\tof each release race, at least (default 150)\n";

static void slow_release_off(int sig)
{
	(void)sig;
	if (!access(SLOW_RELEASE "ms", W_OK))
		slow_release_set(0);
}

static void subtests(void)
{
	static const struct {
		const char *name;
		unsigned int ms;
	} delays[] = { { "natural", 0 }, { "2ms", 2 }, { "20ms", 20 } };
	static const char *const holders[] = {
		[HOLDER_STAYS] = "",
		[HOLDER_EXITS] = "-vmm-exits",
		[HOLDER_FORKED] = "-vmm-forked",
		[HOLDER_PURGED] = "-bo-purged",
	};

	igt_fixture
	{
		kvm_bo_require(VTTM_MODE);
		close(vttm_open(VTTM_STOCK));
		igt_require_f(!access(SLOW_RELEASE "ms", W_OK),
			      "slow_release.ko is not loaded\n");
		igt_require_f(!access("/dev/kvm_hold", R_OK | W_OK),
			      "kvm_hold.ko is not loaded\n");
		policy = policy_get();
		report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		igt_assert(report != MAP_FAILED);
		igt_install_exit_handler(slow_release_off);
	}

	igt_describe(
		"KVM looks at every reserved page's count (twin: policy naive).");
	igt_subtest("i2-kvm-warns-of-count")
	{
		start();
		kvm_warns_of_count();
	}

	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		igt_describe(
			"KVM gives back what TTM has freed (twin: policy naive).");
		igt_subtest_f("i4-release-race-%s", delays[i].name)
		{
			start();
			release_race(delays[i].ms);
		}
	}

	for (size_t i = 0; i < sizeof(holders) / sizeof(holders[0]); i++) {
		igt_describe(
			"kvm_vcpu_map() of a freed BO's page (twin: policy naive).");
		igt_subtest_f("i4-long-lived-holder%s", holders[i])
		{
			start();
			long_lived_holder(i);
		}
	}
}

int main(int argc, char **argv)
{
	igt_subtest_init_parse_opts(&argc, argv, "", options, help, option,
				    NULL);
	subtests();
	igt_exit();
}
