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
 */

/**
 * SUBTEST: i2-kvm-warns-of-count
 * Description: KVM looks at the count of every reserved page. Naive: a WARN,
 *	once a boot, so this is to be the first that uses KVM
 */

/**
 * SUBTEST: i4-release-race-%s
 * Description: The guest writes all pages while the BO is swapped out, moved,
 *	freed and made anew: KVM gives pages back that TTM has freed. Naive:
 *	pages with a count of -1, which the longest delay always shows
 *
 * arg[1]:
 * @natural:	KVM releases pages at its own pace
 * @2ms:	each release is delayed by 2 ms
 * @20ms:	by 20 ms
 */

/**
 * SUBTEST: i4-pfn-cache
 * Description: KVM looks a page up to write the guest's clock to it (a gfn-to-PFN
 *	cache) while the BO is swapped out and moved. Naive: a count of -1
 */

/**
 * SUBTEST: i4-long-lived-holder-%s
 * Description: Nested virtualisation's kvm_vcpu_map() of a page of a BO that is
 *	given up, and a write through it. Naive: the page is another's by then.
 *	The holder is a file of another process, which outlives the VMM
 *
 * arg[1]:
 * @free:		the BO is freed
 * @swapout:		it is swapped out
 * @move:		it is moved to VRAM
 * @purge:		it stays, mapped, and its contents are dropped
 * @unplug:		the device is pulled
 * @vmm-exits:		the BO is freed and the VMM ends
 * @vmm-killed:		the VMM is killed, then the BO is freed
 * @vmm-execs:		the VMM becomes another program; it keeps its vCPU
 * @fds-passed:		another process gets the VM and its vCPU, then the VMM ends
 * @vmm-forked:		the VMM is a child that inherited the BO's PTEs
 * @vmm-forks:		the VMM has a child that inherits the BO's PTEs
 * @cgroup-removed:	the memory cgroup is removed in which the BO was populated
 * @fork-bomb:		the BO is freed after 63 children inherited it and ended
 * @soft-offline:	it is freed, and the kernel told to take the page out of use, which
 *			it does if the page is free: it is not, but under naive
 */

/**
 * SUBTEST: i4-cve-2021-22543-read-only
 * Description: GHSA-7wq5-phmq-m584, first half: a guest writes to a mapping that
 *	its VMM may only read. KVM refuses, whether the PTE is there or not
 */

/**
 * SUBTEST: i4-cve-2021-22543-freed-in-use
 * Description: Second half: KVM takes and drops a page again and again while the
 *	VMM and the guest have it, and last when TTM has just freed it. Naive: a
 *	count of -1
 */
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "hazard.h"
#include "igt.h"
#include "kvm_bo.h"
#include "kvm_hold.h"
#include "pageflags.h"
#include "param.h"
#include "tracing.h"
#include "vmm.h"

#define SLOW_RELEASE "slow_release"
#define SEED 0x31415926
#define SIZE KVM_BO_MIB(1)
#define PAGES (SIZE / KVM_GUEST_PAGE)
#define HELD_PAGE 200
#define BOMB 63
#define SOFT_OFFLINE "/sys/devices/system/memory/soft_offline_page"
#define CLOCK_PAGE 5
#define CLOCK_NAIVE_MAX 600

/*
 * One VMM of many: each retires less than what one may keep in quarantine by
 * default, so that all of its BOs are under the policy under test. The small BO
 * is of one chunk, and what the guest has of it is soon swapped out: far more
 * swapouts meet KVM at its work.
 */
static const struct race_round {
	size_t size;
	unsigned int swapouts, moves, bos;
} race_rounds[] = {
	{ SIZE, 40, 4, 8 },
	{ KVM_BO_KIB(64), 600, 20, 20 },
}, cache_rounds[] = {
	{ SIZE, 10, 1, 0 },
	{ KVM_BO_KIB(64), 600, 20, 0 },
};

/* Of one subtest; shared with its processes. */
struct report {
	unsigned long swapouts, moves, bos, passes, retries;
	unsigned long releases, delayed;
	struct kernel_log log;
	/* Long-lived holder: */
	struct kvm_hold_state mapped, freed, filled, poked;
	bool taken; /* out of use */
};

static unsigned long swapouts_wanted = 900;
static enum hazard_policy policy;
static struct report *report;

/* ---- The modules ------------------------------------------------------- */

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
	kernel_log_read(&report->log);
	igt_info("%lu warnings\n", report->log.kvm_warnings);
	if (policy == HAZARD_NAIVE)
		igt_assert_f(
			report->log.kvm_warnings == 1 && !report->log.bad_pages,
			"naive: %lu warnings, not 1 (has another test run since boot?)\n",
			report->log.kvm_warnings);
	else
		kernel_log_assert_clean(&report->log);
}

/* ---- i4: the release race ---------------------------------------------- */

struct race {
	struct kvm_bo *bo;
	struct kvm_guest *guest;
	enum kvm_guest_op op;
	atomic_bool stop, stopped;
	struct kvm_guest_result result;
	uint32_t seed;	     /* of what is in the BO */
	atomic_ulong unmaps; /* of its pages, by this test */
	atomic_ulong swapouts, moves;
	atomic_bool swapped; /* as often as is wanted */
	const struct race_round *round;
	unsigned int ms;
	pthread_t thread;
};

static struct kvm_guest_job race_job(const struct race *race,
				     enum kvm_guest_op op)
{
	struct kvm_guest_job job = kvm_bo_job(race->bo, op, race->seed);

	job.words = 4;
	return job;
}

/* One of the passes of the guest, or a part of it. */
static bool guest_pages(struct race *race, uint32_t first, uint32_t pages)
{
	struct kvm_guest_job job = race_job(race, race->op);

	job.gpa += first * KVM_GUEST_PAGE;
	job.first = first;
	job.pages = pages;
	kvm_guest_run(race->guest, &job, &race->result);
	return race->result.finished && !race->result.mismatch;
}

/*
 * The first page is the last, since under a long delay a pass gets no further
 * than where it begins: who allocates the chunk again may set the count of its
 * first page without a look at it, but a wrong one of the others is reported.
 */
static void *guest_thread(void *arg)
{
	struct race *race = arg;

	do {
		if (!guest_pages(race, 1, race->bo->pages - 1) ||
		    !guest_pages(race, 0, 1))
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

/* What it is at when this is called ends at full speed. */
static void guest_stop_thread(struct race *race)
{
	race->stop = true;
	param_set(SLOW_RELEASE, "ms", 0);
	igt_assert_eq(pthread_join(race->thread, NULL), 0);
}

static void guest_stop(struct race *race, unsigned int ms)
{
	guest_stop_thread(race);
	param_set(SLOW_RELEASE, "ms", ms);
	if (policy != HAZARD_NAIVE)
		igt_assert_f(race->result.finished && !race->result.mismatch,
			     "%s\n", kvm_guest_result_str(&race->result));
}

static void verify(struct race *race)
{
	const struct kvm_guest_job job = race_job(race, KVM_OP_READ);

	/* What naive has broken may be anybody's, this BO included. */
	if (policy != HAZARD_NAIVE)
		kvm_host_verify(race->bo->map, &job);
}

/* True if there was something to swap out. */
static bool swapout(struct race *race)
{
	uint64_t pages;
	int ret = __vttm_swapout(race->bo->fd, race->bo->handle, &pages);

	igt_assert_f(!ret || ret == -EBUSY, "swapout: %s\n", strerror(-ret));
	if (!ret && pages) {
		race->unmaps++;
		return true;
	}
	usleep(500);
	return false;
}

static bool move(struct race *race, uint32_t placement)
{
	int ret = __vttm_move(race->bo->fd, race->bo->handle, placement);

	igt_assert_f(!ret || ret == -EBUSY, "move: %s\n", strerror(-ret));
	race->unmaps += !ret;
	return !ret;
}

/* There and back, every so many swapouts, which bring back what is there as well. */
static void *mover_thread(void *arg)
{
	struct race *race = arg;
	const unsigned int period = race->round->swapouts / race->round->moves;
	unsigned long next = period / 2;

	while (!race->swapped) {
		if (race->swapouts < next) {
			usleep(500);
			continue;
		}
		next += period;
		race->moves += move(race, VTTM_PL_VRAM);
		usleep(3000);
		while (!move(race, VTTM_PL_SYSTEM))
			usleep(500);
	}
	return NULL;
}

/* One thread swaps the BO out, another one moves it. */
static void swap_and_move(struct race *race)
{
	pthread_t mover;

	race->swapouts = 0;
	race->moves = 0;
	race->swapped = false;
	igt_assert_eq(pthread_create(&mover, NULL, mover_thread, race), 0);
	while ((race->swapouts < race->round->swapouts || !race->moves) &&
	       !race->stopped)
		race->swapouts += swapout(race);
	race->swapped = true;
	igt_assert_eq(pthread_join(mover, NULL), 0);
	report->swapouts += race->swapouts;
	report->moves += race->moves;
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
	race->unmaps++;
	report->bos++;
}

static void race_round(struct kvm_bo *bo, const void *arg)
{
	struct race race = *(const struct race *)arg;
	const unsigned int ms = race.ms;
	struct kvm_guest_job job;

	race.bo = bo;
	job = race_job(&race, KVM_OP_WRITE);

	kvm_host_write(bo->map, &job);
	race.guest = kvm_guest_create(KVM_GUEST_FLAT32);
	race.guest->unmaps = &race.unmaps;
	kvm_guest_map(race.guest, KVM_GUEST_GPA, bo->map, bo->size);
	param_set(SLOW_RELEASE, "ms", ms);

	/* Each pass verifies what the one before has written. */
	guest_start(&race, KVM_OP_READ_WRITE);
	swap_and_move(&race);
	guest_stop(&race, ms);
	verify(&race);

	/* A new BO is empty, so here only the last pass can be verified. */
	guest_start(&race, KVM_OP_WRITE);
	for (int i = 0; i < (int)race.round->bos && !race.stopped; i++) {
		usleep(5000 + 2000 * ms);
		replace_bo(&race);
	}
	guest_stop(&race, ms);
	param_set(SLOW_RELEASE, "ms", 0);
	if (policy != HAZARD_NAIVE) {
		job = race_job(&race, KVM_OP_WRITE);
		kvm_guest_run_ok(race.guest, &job);
		verify(&race);
		kvm_bo_check_counts(bo);
	}
	report->retries += race.guest->retries;
	kvm_guest_destroy(race.guest);
}

/*
 * The guest's clock is in one of the BO's pages. KVM looks the page up when it is
 * told where the clock is, forgets it when it is unmapped, and writes to it when the
 * guest, which does nothing else, is entered.
 */
static bool clock_pass(struct race *race)
{
	return !kvm_guest_clock(race->guest,
				KVM_GUEST_GPA + CLOCK_PAGE * KVM_GUEST_PAGE) &&
	       guest_pages(race, 0, 0);
}

static void *clock_thread(void *arg)
{
	struct race *race = arg;

	while (clock_pass(race)) {
		report->passes++;
		if (race->stop)
			break;
	}
	race->stopped = true;
	return NULL;
}

static void cache_round(struct kvm_bo *bo, const void *arg)
{
	const volatile uint32_t *clock =
		bo->map + CLOCK_PAGE * KVM_GUEST_PAGE + KVM_GUEST_CLOCK_MUL;
	struct race race = *(const struct race *)arg;

	race.bo = bo;
	race.guest = kvm_guest_create(KVM_GUEST_FLAT32);
	race.guest->unmaps = &race.unmaps;
	kvm_guest_map(race.guest, KVM_GUEST_GPA, bo->map, bo->size);
	param_set(SLOW_RELEASE, "ms", race.ms);
	igt_assert_eq(pthread_create(&race.thread, NULL, clock_thread, &race),
		      0);
	swap_and_move(&race);
	guest_stop_thread(&race);
	if (policy != HAZARD_NAIVE) {
		igt_assert(clock_pass(&race));
		/* KVM's clock it is. */
		igt_assert(*clock);
		kvm_bo_check_counts(bo);
	}
	kvm_guest_destroy(race.guest);
}

/* Milliseconds with which naive always breaks. */
#define DELAY_SURE 20

/* @fn: race_round() or cache_round(), @rounds: two that take turns */
static void release_race(void (*fn)(struct kvm_bo *bo, const void *arg),
			 const struct race_round *rounds, unsigned int ms,
			 unsigned long swapouts)
{
	struct race race = { .seed = SEED, .ms = ms };
	struct kvm_bo_test test = {
		.fn = fn,
		.arg = &race,
		.flags = VTTM_BO_CACHED,
	};
	unsigned long before;
	unsigned int round = 0;

	report->releases = -param_get(SLOW_RELEASE, "hits");
	report->delayed = -param_get(SLOW_RELEASE, "delayed");
	do {
		race.round = &rounds[round++ % 2];
		test.size = race.round->size;
		before = report->swapouts;
		kvm_bo_run(VTTM_MODE, &test);
		kernel_log_read(&report->log);
		/* The kernel reports 60 bad pages a minute: leave some to others. */
	} while (report->swapouts < swapouts &&
		 (policy != HAZARD_NAIVE ||
		  (report->swapouts > before && !report->log.negative)));
	report->releases += param_get(SLOW_RELEASE, "hits");
	report->delayed += param_get(SLOW_RELEASE, "delayed");
	igt_info(
		"%lu swapouts, %lu moves, %lu new BOs, %lu passes of the guest, %lu releases by KVM, %lu of them delayed by %u ms, %lu spurious -EFAULT, %lu bad pages (%lu with a negative count)\n",
		report->swapouts, report->moves, report->bos, report->passes,
		report->releases, report->delayed, ms, report->retries,
		report->log.bad_pages, report->log.negative);
	igt_assert_f(report->releases > report->swapouts / 2 &&
			     (!ms || report->delayed > report->swapouts / 4),
		     "the probe did not see KVM's releases\n");
	if (policy != HAZARD_NAIVE) {
		kernel_log_assert_clean(&report->log);
		return;
	}
	if (ms >= DELAY_SURE)
		igt_assert_f(report->log.negative,
			     "naive survived, so this test proves nothing\n");
}

/* ---- i4: the long-lived holder ----------------------------------------- */

/* What becomes of the BO and its VMM while the holder stays. */
enum holder_kind {
	HOLDER_FREE,
	HOLDER_SWAPOUT,
	HOLDER_MOVE,
	HOLDER_PURGE,
	HOLDER_UNPLUG,
	HOLDER_EXITS,
	HOLDER_KILLED,
	HOLDER_EXECS,
	HOLDER_PASSED,
	HOLDER_FORKED,
	HOLDER_FORKS,
	HOLDER_CGROUP,
	HOLDER_FORK_BOMB,
	HOLDER_SOFT_OFFLINE,
};

/* The VMM has ended before the memory is looked at. */
static bool vmm_is_gone(enum holder_kind kind)
{
	return kind == HOLDER_EXITS || kind == HOLDER_EXECS ||
	       kind == HOLDER_PASSED || kind == HOLDER_CGROUP;
}

/*
 * Returns in the child, which has the BO by fork alone. The parent gives its
 * mapping up, waits for the end of the child, and frees the BO if that was
 * killed before it could.
 */
static void become_child(struct kvm_bo *bo, int ready)
{
	int status;
	pid_t pid;

	pid = child_fork();
	if (!pid)
		return;
	vttm_munmap(bo->map, bo->size);
	bo->map = NULL;
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		kvm_bo_fini(bo);
		signal_byte(ready);
	} else {
		igt_assert_eq(status, 0);
	}
	exit(0);
}

static void fork_bystanders(unsigned int count)
{
	int status;
	pid_t pid[BOMB];

	igt_assert_lte(count, BOMB);
	for (unsigned int i = 0; i < count; i++) {
		pid[i] = child_fork();
		if (!pid[i])
			_exit(0);
	}
	for (unsigned int i = 0; i < count; i++) {
		igt_assert_eq(waitpid(pid[i], &status, 0), pid[i]);
		igt_assert_eq(status, 0);
	}
}

/* Has the kernel taken the page out of use, which it does to a free one? */
static bool soft_offline(uint64_t pfn)
{
	int fd = open(SOFT_OFFLINE, O_WRONLY | O_CLOEXEC), len;
	char address[32];
	bool taken;

	igt_assert_fd(fd);
	len = snprintf(address, sizeof(address), "%#llx",
		       (unsigned long long)pfn * KVM_GUEST_PAGE);
	taken = write(fd, address, len) == len && page_is_poisoned(pfn);
	close(fd);
	return taken;
}

/* Its end is that of its standard input; its vCPU goes along. */
static void become_other_program(const struct kvm_guest *guest, int quit)
{
	igt_assert_eq(fcntl(guest->vcpu_fd, F_SETFD, 0), 0);
	igt_assert_eq(dup2(quit, STDIN_FILENO), STDIN_FILENO);
	fflush(stdout);
	dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
	execlp("cat", "cat", NULL);
	igt_assert_f(false, "exec: %s\n", strerror(errno));
}

static void pull_device(struct kvm_bo *bo)
{
	igt_assert_eq(vttm_ctl(bo->fd, VTTM_CTL_UNPLUG), 0);
	vttm_munmap(bo->map, bo->size);
	/* Ioctls fail now; the file's end frees the BO. */
	close(bo->fd);
	*bo = (struct kvm_bo){ .fd = -1 };
}

/* The BO's pages are no more the BO's. */
static void give_up_pages(enum holder_kind kind, struct kvm_bo *bo)
{
	switch (kind) {
	case HOLDER_SWAPOUT:
		igt_assert_eq_u64(vttm_swapout(bo->fd, bo->handle), PAGES);
		break;
	case HOLDER_MOVE:
		vttm_move(bo->fd, bo->handle, VTTM_PL_VRAM);
		break;
	case HOLDER_PURGE:
		vttm_purge(bo->fd, bo->handle);
		break;
	case HOLDER_UNPLUG:
		pull_device(bo);
		break;
	case HOLDER_KILLED:
		kill(getpid(), SIGKILL);
		break;
	case HOLDER_FORKS:
		fork_bystanders(1);
		kvm_bo_free(bo);
		break;
	case HOLDER_FORK_BOMB:
		fork_bystanders(BOMB);
		kvm_bo_free(bo);
		break;
	default:
		kvm_bo_free(bo);
	}
}

#define CGROUPS "/sys/fs/cgroup"
#define CGROUP CGROUPS "/ttm-pfnmap-hazard"

static void cgroup_make(void)
{
	igt_assert_f(!mkdir(CGROUP, 0755), "%s: %s\n", CGROUP, strerror(errno));
	/* It has memory to account for, or the test is about nothing. */
	igt_assert_f(!access(CGROUP "/memory.current", R_OK),
		     "no memory controller\n");
}

static void cgroup_enter(const char *procs)
{
	FILE *file = fopen(procs, "we");

	igt_assert(file);
	igt_assert(fputs("0\n", file) >= 0);
	igt_assert_eq(fclose(file), 0);
}

/* Who was in it may be on its way out still. */
static void cgroup_remove(void)
{
	struct timespec start = {};

	igt_nsec_elapsed(&start);
	while (rmdir(CGROUP)) {
		igt_assert_f(errno == EBUSY &&
				     igt_nsec_elapsed(&start) < 10000000000ull,
			     "%s: %s\n", CGROUP, strerror(errno));
		usleep(10000);
	}
}

/* A guest writes a BO, @hold holds a page of it, and the BO gives it up. */
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
	/* A VM's threads would keep the cgroup for as long as the VM lives. */
	if (kind == HOLDER_CGROUP)
		cgroup_enter(CGROUPS "/cgroup.procs");
	if (kind == HOLDER_FORKED || kind == HOLDER_KILLED)
		become_child(&bo, ready);
	guest = kvm_guest_create(KVM_GUEST_FLAT32);
	kvm_guest_map(guest, KVM_GUEST_GPA, bo.map, bo.size);
	kvm_guest_run_ok(guest, &job);

	map.vcpu_fd = guest->vcpu_fd;
	ret = hold_ioctl(hold, KVM_HOLD_MAP, (unsigned long)&map);
	igt_assert_f(!ret, "kvm_vcpu_map(): %s\n", strerror(-ret));
	hold_state(hold, &report->mapped);
	vttm_page(bo.fd, bo.handle, HELD_PAGE, &page);
	igt_assert_eq_u64(report->mapped.pfn, page.pfn);
	if (kind == HOLDER_PASSED) {
		vmm_send(ready, 1, guest->vm_fd);
		vmm_send(ready, 1, guest->vcpu_fd);
	}
	give_up_pages(kind, &bo);
	report->taken = kind == HOLDER_SOFT_OFFLINE &&
			soft_offline(report->mapped.pfn);
	signal_byte(ready);
	if (kind == HOLDER_EXECS)
		become_other_program(guest, quit);
	if (vmm_is_gone(kind))
		return;
	wait_byte(quit);
	kvm_guest_destroy(guest);
	kvm_bo_fini(&bo);
}

static bool is_state(const struct kvm_hold_state *state)
{
	return policy == HAZARD_RESERVED ?
		       state->flags & KVM_HOLD_RESERVED && state->count == 1 :
		       !(state->flags & KVM_HOLD_RESERVED) && state->count == 2;
}

static void assert_holder_safe(const struct strangers_report *strangers,
			       unsigned int frees)
{
	igt_assert_f(is_state(&report->mapped) && is_state(&report->freed) &&
			     is_state(&report->filled) &&
			     is_state(&report->poked),
		     "the held page changed its state\n");
	igt_assert(!report->taken);
	igt_assert(!strangers->has_page);
	igt_assert_eq_u64(strangers->bytes, 0);
	/* At least: it may have had an owner since. */
	igt_assert_f(frees, "the held page was never given back\n");
	igt_assert(!page_is_reserved(report->mapped.pfn));
	kernel_log_assert_clean(&report->log);
}

static void assert_holder_unsafe(const struct strangers_report *strangers)
{
	igt_assert_f(report->taken || strangers->bytes ||
			     (strangers->has_page && strangers->count < 0) ||
			     report->log.negative,
		     "naive survived, so this test proves nothing\n");
}

/* What HOLDER_PASSED is sent: the VM and its vCPU, else nothing. */
static void receive_fds(enum holder_kind kind, int sock, int fds[2])
{
	fds[0] = -1;
	fds[1] = -1;
	for (int i = 0; kind == HOLDER_PASSED && i < 2; i++) {
		igt_assert_f(vmm_receive(sock, &fds[i]),
			     "the VMM failed, see above\n");
		igt_assert_fd(fds[i]);
	}
}

/* The holder is gone; a VM that could have another keeps the pages as well. */
static void close_fds(const int fds[2])
{
	const uint64_t wanted = policy == HAZARD_RESERVED ? PAGES : 0;
	struct vttm_counters counters;
	uint64_t wrong = wanted;

	for (int i = 0; fds[0] >= 0 && i < 50; i++) {
		vttm_counters_total(&counters);
		if (counters.pages_quarantined == wanted)
			break;
		usleep(100000);
	}
	/* Either of the two is enough, for as long as the reaper has several looks. */
	for (int i = 0; fds[0] >= 0 && i < 2; i++) {
		for (int look = 0; look < 10; look++) {
			usleep(100000);
			vttm_counters_total(&counters);
			if (counters.pages_quarantined != wanted)
				wrong = counters.pages_quarantined;
		}
		close(fds[i]);
	}
	/* With the files closed, so that the next subtest finds nothing of this one. */
	if (policy != HAZARD_NAIVE)
		igt_assert_eq_u64(wrong, wanted);
}

static struct strangers_report poke_between(int hold, int quit)
{
	struct vttm_counters counters;
	struct strangers strangers;

	hold_state(hold, &report->freed);
	vttm_counters_total(&counters);
	/* Of a counted page's chunk the rest goes back after a while. */
	if (policy != HAZARD_NAIVE)
		igt_assert_lte_u64(policy == HAZARD_RESERVED ? PAGES : 1,
				   counters.pages_quarantined);
	strangers_start(&strangers, report->mapped.pfn);
	hold_state(hold, &report->filled);
	igt_assert_eq(hold_ioctl(hold, KVM_HOLD_POKE, BYTE_INTRUDER), 0);
	hold_state(hold, &report->poked);
	tracing_begin_frees(report->mapped.pfn);
	igt_assert_eq(hold_ioctl(hold, KVM_HOLD_UNMAP, true), 0);
	signal_byte(quit);
	close(quit);
	return strangers_end(&strangers);
}

static void mode_device(char *name, size_t size)
{
	int fd = vttm_open(VTTM_MODE);

	snprintf(name, size, "%s", vttm_dev_name(fd));
	close(fd);
}

static void long_lived_holder(enum holder_kind kind)
{
	int hold = open("/dev/kvm_hold", O_RDWR | O_CLOEXEC);
	struct strangers_report result;
	char device[64];
	int ready[2], quit[2], fds[2];
	unsigned int frees;

	igt_assert_fd(hold);
	mode_device(device, sizeof(device));
	if (kind == HOLDER_CGROUP)
		cgroup_make();
	igt_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ready),
		      0);
	make_pipe(quit);
	igt_fork(vmm, 1)
	{
		close(ready[0]);
		close(quit[1]);
		if (kind == HOLDER_CGROUP)
			cgroup_enter(CGROUP "/cgroup.procs");
		holder_vmm(kind, hold, ready[1], quit[0]);
	}
	close(ready[1]);
	receive_fds(kind, ready[0], fds);
	igt_assert_f(wait_byte(ready[0]), "the VMM failed, see above\n");
	/* Its descriptors are closed after its memory is gone. */
	if (vmm_is_gone(kind))
		igt_assert(!wait_byte(ready[0]));
	if (kind == HOLDER_CGROUP)
		cgroup_remove();

	result = poke_between(hold, quit[1]);
	close_fds(fds);
	close(hold);
	close(quit[0]);
	close(ready[0]);
	if (kind == HOLDER_UNPLUG)
		vttm_replug(device);
	kvm_bo_assert_nothing_left(VTTM_MODE);
	frees = tracing_end_frees();
	kernel_log_read(&report->log);

	igt_info(
		"held page: mapped: %s; given up: %s%s; memory filled: %s; written to: %s; then %s a stranger's (count %d), %lu bytes of strangers changed\n",
		state_str(&report->mapped), state_str(&report->freed),
		report->taken ? ", and out of use" : "",
		state_str(&report->filled), state_str(&report->poked),
		result.has_page ? "it was" : "not", result.count, result.bytes);
	if (policy == HAZARD_NAIVE)
		assert_holder_unsafe(&result);
	else
		assert_holder_safe(&result, frees);
}

/* ---- i4: CVE-2021-22543 ------------------------------------------------ */

/*
 * GHSA-7wq5-phmq-m584 says of KVM before 5.13 that it mapped PFNMAP memory past
 * read-only permissions, and that pages could be freed while the VMM and the
 * guest still had them. The mode makes KVM map such memory again.
 */

/* The guest tries to write all of @map; all stays as it was. */
static void refused_write(struct kvm_guest *guest, struct kvm_bo *bo,
			  uint64_t gpa, void *map)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, ~SEED);
	struct kvm_guest_result result;

	job.gpa = gpa;
	kvm_guest_run(guest, &job, &result);
	igt_assert_f(!result.finished && !result.done,
		     "the guest wrote to a read-only mapping: %s\n",
		     kvm_guest_result_str(&result));
	job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	kvm_host_verify(map, &job);
}

static void read_only(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	int slot;
	void *map;

	(void)arg;
	kvm_host_write(bo->map, &job);
	map = __vttm_mmap(bo->fd, bo->handle, 0, bo->size, PROT_READ,
			  MAP_SHARED);
	igt_assert(map != MAP_FAILED);

	/* Without PTEs; with them; with KVM's own for reading. */
	slot = kvm_guest_map(guest, KVM_GUEST_GPA, map, bo->size);
	refused_write(guest, bo, KVM_GUEST_GPA, bo->map);
	kvm_host_verify(map, &job);
	refused_write(guest, bo, KVM_GUEST_GPA, bo->map);
	job.op = KVM_OP_READ;
	kvm_guest_run_ok(guest, &job);
	refused_write(guest, bo, KVM_GUEST_GPA, bo->map);

	/* The same write is refused for no other reason. */
	kvm_guest_unmap(guest, slot);
	kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	job = kvm_bo_job(bo, KVM_OP_WRITE, ~SEED);
	kvm_guest_run_ok(guest, &job);
	kvm_host_verify(map, &job);
	vttm_munmap(map, bo->size);
	kvm_guest_destroy(guest);
}

static void cve_read_only(void)
{
	static const struct kvm_bo_test test = {
		.fn = read_only,
		.size = SIZE,
		.flags = VTTM_BO_CACHED,
	};

	kvm_bo_run(VTTM_MODE, &test);
	kernel_log_read(&report->log);
	if (policy != HAZARD_NAIVE)
		kernel_log_assert_clean(&report->log);
}

#define TAKES 32
#define FREES 3
#define NAIVE_FREES 20
#define RELEASE_MS 50

/* KVM takes every page and lets go, over and over; nobody frees one. */
static void take_and_drop(struct kvm_bo *bo, struct kvm_guest *guest)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	struct drm_vttm_page page;

	kvm_host_write(bo->map, &job);
	vttm_page(bo->fd, bo->handle, HELD_PAGE, &page);
	for (int i = 0; i < TAKES; i++) {
		int slot =
			kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);

		job.seed++;
		kvm_guest_run_ok(guest, &job);
		kvm_guest_unmap(guest, slot);
		igt_assert(!page_is_free(page.pfn));
	}
	kvm_host_verify(bo->map, &job);
	if (policy != HAZARD_NAIVE)
		kvm_bo_check_counts(bo);
}

static void *touch_thread(void *arg)
{
	struct race *race = arg;
	struct kvm_guest_job job = race_job(race, KVM_OP_WRITE);

	job.pages = 1;
	job.gpa += HELD_PAGE * KVM_GUEST_PAGE;
	kvm_guest_run(race->guest, &job, &race->result);
	return NULL;
}

/* The count of a page that is freed while KVM is about to drop it. */
static int free_before_drop(struct kvm_bo *bo, struct kvm_guest *guest)
{
	struct race race = { .bo = bo, .guest = guest, .seed = SEED };
	const unsigned long delayed = param_get(SLOW_RELEASE, "delayed");
	struct kvm_guest_job job = race_job(&race, KVM_OP_WRITE);
	struct drm_vttm_pfn pfn = {};
	struct drm_vttm_page page;
	int slot, fd = __vttm_open(VTTM_STOCK);

	memset(bo->map, BYTE_STRANGER, bo->size);
	vttm_page(bo->fd, bo->handle, HELD_PAGE, &page);
	slot = kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	/* So that the next page that KVM takes is not one of the code's. */
	job.pages = 1;
	kvm_guest_run_ok(guest, &job);
	param_set(SLOW_RELEASE, "ms", RELEASE_MS);
	igt_assert_eq(pthread_create(&race.thread, NULL, touch_thread, &race),
		      0);
	while (param_get(SLOW_RELEASE, "delayed") == delayed)
		usleep(100);
	kvm_bo_free(bo);
	igt_assert_eq(pthread_join(race.thread, NULL), 0);
	param_set(SLOW_RELEASE, "ms", 0);
	kvm_guest_unmap(guest, slot);

	pfn.pfn = page.pfn;
	igt_assert_eq(vttm_ioctl(fd, DRM_IOCTL_VTTM_PFN, &pfn), 0);
	close(fd);
	return pfn.count;
}

static void freed_in_use(struct kvm_bo *bo, const void *arg)
{
	const int frees = policy == HAZARD_NAIVE ? NAIVE_FREES : FREES;
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	int count = 0;

	(void)arg;
	take_and_drop(bo, guest);
	for (int i = 0; i < frees && count >= 0; i++) {
		if (i) {
			bo->handle =
				vttm_create(bo->fd, bo->size, VTTM_BO_CACHED);
			bo->map = vttm_mmap(bo->fd, bo->handle, bo->size);
		}
		count = free_before_drop(bo, guest);
		report->bos++;
	}
	igt_info("%lu BOs freed, the last page's count is %d\n", report->bos,
		 count);
	if (policy == HAZARD_NAIVE)
		igt_assert_f(count < 0,
			     "naive survived, so this test proves nothing\n");
	else
		igt_assert_lte(0, count);
	kvm_guest_destroy(guest);
}

static void cve_freed_in_use(void)
{
	static const struct kvm_bo_test test = {
		.fn = freed_in_use,
		.size = SIZE,
		.flags = VTTM_BO_CACHED,
	};

	kvm_bo_run(VTTM_MODE, &test);
	kernel_log_read(&report->log);
	if (policy != HAZARD_NAIVE)
		kernel_log_assert_clean(&report->log);
}

/* ------------------------------------------------------------------------ */

static void start(void)
{
	memset(report, 0, sizeof(*report));
	kernel_log_start();
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
	"  --swapouts=N\tof the three release races together, at least (a round is 40, the next\n"
	"\t\t600): 65 of 100 at natural timing, 5 with 20 ms and 30 with 2 ms,\n"
	"\t\tsince the delays take their time (default 900); of i4-pfn-cache, 1 of 100\n";

static void slow_release_off(int sig)
{
	(void)sig;
	if (param_exists(SLOW_RELEASE, "ms"))
		param_set(SLOW_RELEASE, "ms", 0);
}

static void subtests(void)
{
	static const struct {
		const char *name;
		unsigned int ms, percent;
	} delays[] = { { "natural", 0, 65 },
		       { "20ms", 20, 5 },
		       { "2ms", 2, 30 } };
	static const char *const holders[] = {
		[HOLDER_FREE] = "free",
		[HOLDER_SWAPOUT] = "swapout",
		[HOLDER_MOVE] = "move",
		[HOLDER_PURGE] = "purge",
		[HOLDER_UNPLUG] = "unplug",
		[HOLDER_EXITS] = "vmm-exits",
		[HOLDER_KILLED] = "vmm-killed",
		[HOLDER_EXECS] = "vmm-execs",
		[HOLDER_PASSED] = "fds-passed",
		[HOLDER_FORKED] = "vmm-forked",
		[HOLDER_FORKS] = "vmm-forks",
		[HOLDER_CGROUP] = "cgroup-removed",
		[HOLDER_FORK_BOMB] = "fork-bomb",
		[HOLDER_SOFT_OFFLINE] = "soft-offline",
	};

	igt_fixture()
	{
		kvm_bo_require(VTTM_MODE);
		close(vttm_open(VTTM_STOCK));
		igt_require_f(param_exists(SLOW_RELEASE, "ms"),
			      "slow_release.ko is not loaded\n");
		igt_require_f(!access("/dev/kvm_hold", R_OK | W_OK),
			      "kvm_hold.ko is not loaded\n");
		policy = hazard_policy();
		report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		igt_assert(report != MAP_FAILED);
		igt_install_exit_handler(slow_release_off);
		tracing_setup(TRACING_FREES);
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
			delays[i].ms >= DELAY_SURE ?
				"KVM gives back what TTM has freed (twin: policy naive)." :
				"The same, and naive may survive it (twin: i4-release-race-20ms under naive).");
		igt_subtest_f("i4-release-race-%s", delays[i].name)
		{
			start();
			release_race(race_round, race_rounds, delays[i].ms,
				     swapouts_wanted * delays[i].percent / 100);
		}
	}

	igt_describe(
		"KVM gives back a page of its own caches that TTM has freed (twin: policy naive).");
	igt_subtest("i4-pfn-cache")
	{
		start();
		/* Naive ends at the first wrong count. */
		release_race(cache_round, cache_rounds, 20,
			     policy == HAZARD_NAIVE ? CLOCK_NAIVE_MAX :
						      swapouts_wanted / 100);
	}

	for (size_t i = 0; i < sizeof(holders) / sizeof(holders[0]); i++) {
		igt_describe(
			"kvm_vcpu_map() of a page given up (twin: policy naive).");
		igt_subtest_f("i4-long-lived-holder-%s", holders[i])
		{
			start();
			long_lived_holder(i);
		}
	}

	igt_describe(
		"mode alone: a guest writes where its VMM may only read; stock KVM takes no such BO.");
	igt_subtest("i4-cve-2021-22543-read-only")
	{
		start();
		cve_read_only();
	}

	igt_describe("KVM drops what TTM has just freed (twin: policy naive).");
	igt_subtest("i4-cve-2021-22543-freed-in-use")
	{
		start();
		cve_freed_in_use();
	}
}

int igt_main_args("", options, help, option, NULL)
{
	subtests();
}
