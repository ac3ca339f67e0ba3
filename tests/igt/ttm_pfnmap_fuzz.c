// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap fuzz
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: TTM's PFNMAP mode, everything at once
 * Description: Processes that do anything to BOs and VMs, in an order that a seed
 *	decides, and end in any way. Under "reserved" and "counted" no data may
 *	be lost, no stranger's memory may change, nothing may be left, and the
 *	kernel may not complain; under "naive", which only a test build of ttm.ko
 *	has, something must break. Needs slow_release.ko and kvm_hold.ko; guest
 *	script fuzz.sh.
 *
 *	Each round prints how to replay it. The order of steps is replayed, the timing
 *	between threads is not.
 *
 * SUBTEST: i4-hostile-mix
 * Description: Open, create, close, purge, map, unmap, mremap, fork, memslots, guests,
 *	swapouts, moves, long-lived holders that write late, slow releases, unplug, kill
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "fuzz_player.h"
#include "hazard.h"
#include "igt.h"
#include "kvm_bo.h"
#include "kvm_hold.h"
#include "param.h"

#define ROUNDS 10
#define STEPS 250
#define BOS 8
#define HOLDS 3
#define MAX_PAGES 512u /* of a BO */
#define ROUND_SECONDS 120
#define SLOW_RELEASE "slow_release"
/* A stranger's BOs. */
#define RING 64
#define RING_PAGES 64u

struct bo {
	struct fuzz_memory *memory; /* NULL: none */
	uint32_t handle;
};

struct player {
	struct fuzz_player base;
	int fd;
	struct bo bos[BOS];
	int holds[HOLDS];
};

/* Of the whole run; shared with all processes. */
struct report {
	atomic_bool unplugged, end;
	atomic_ulong steps, wrong_data, stranger_words, strangers;
	struct fuzz_done done;
	struct kernel_log log;
};

static enum hazard_policy policy;
static struct report *report;

static struct player *to_player(struct fuzz_player *base)
{
	return (struct player *)base;
}

/* ---- The rules --------------------------------------------------------- */

/* Wrong data are what naive is expected to show, and a failure elsewhere. */
static void wrong(const char *who, uint32_t page, uint32_t got, uint32_t want)
{
	/* One page stands for all of a pulled device's. */
	if (report->unplugged)
		return;
	report->wrong_data++;
	igt_assert_f(policy == HAZARD_NAIVE,
		     "%s read %#x, not %#x, in page %u\n", who, got, want,
		     page);
}

static bool is_naive(void)
{
	return policy == HAZARD_NAIVE;
}

static bool excused(void)
{
	return is_naive() || report->unplugged;
}

static const struct fuzz_rules rules = {
	.wrong = wrong,
	.excused = excused,
	.child_excused = is_naive,
};

/* ---- Steps ------------------------------------------------------------- */

static struct bo *find_bo(struct player *p, bool used)
{
	const uint32_t start = fuzz_pick(&p->base, BOS);

	for (uint32_t i = 0; i < BOS; i++) {
		struct bo *bo = &p->bos[(start + i) % BOS];

		if (!!bo->memory == used)
			return bo;
	}
	return NULL;
}

static struct bo *any_bo(struct fuzz_player *base)
{
	return find_bo(to_player(base), true);
}

static bool step_create(struct fuzz_player *base)
{
	static const uint32_t flags[] = { VTTM_BO_CACHED, VTTM_BO_CACHED,
					  VTTM_BO_WC, VTTM_BO_UC };
	struct player *p = to_player(base);
	struct bo *bo = find_bo(p, false);
	struct fuzz_memory *memory = fuzz_memory_unused(base);
	uint64_t size;

	if (!bo || !memory)
		return false;
	memory->pages =
		1 + fuzz_pick(base, fuzz_pick(base, 4) ? 64 : MAX_PAGES);
	size = (uint64_t)memory->pages * FUZZ_PAGE;
	if (__vttm_create(p->fd, &size, flags[fuzz_pick(base, 4)], &bo->handle))
		return false;
	bo->memory = memory;
	memory->users = 1;
	return true;
}

static void forget_handle(struct bo *bo)
{
	bo->memory->users--;
	bo->memory = NULL;
}

static bool step_close(struct fuzz_player *base)
{
	struct bo *bo = any_bo(base);

	if (!bo)
		return false;
	__vttm_close_bo(to_player(base)->fd, bo->handle);
	forget_handle(bo);
	return true;
}

/* The device is opened anew; mappings of the old file's BOs, and memslots, stay. */
static bool step_open(struct fuzz_player *base)
{
	struct player *p = to_player(base);
	int fd = report->unplugged ? -1 : __vttm_open(VTTM_MODE);

	if (fd < 0)
		return false;
	close(p->fd);
	p->fd = fd;
	for (unsigned int i = 0; i < BOS; i++)
		if (p->bos[i].memory)
			forget_handle(&p->bos[i]);
	return true;
}

/* The device maps a BO from its start alone, a dma-buf from anywhere. */
static bool step_mmap(struct fuzz_player *base)
{
	struct fuzz_place *place = fuzz_find_place(base, false);
	struct bo *bo = any_bo(base);
	int fd = to_player(base)->fd;
	uint32_t first, pages;
	uint64_t offset;
	bool ret;

	if (!bo || !place || report->unplugged)
		return false;
	first = fuzz_pick(base, 2) ? fuzz_pick(base, bo->memory->pages) : 0;
	pages = 1 + fuzz_pick(base, bo->memory->pages - first);
	offset = (uint64_t)first * FUZZ_PAGE;
	if (first)
		fd = vttm_export(fd, bo->handle);
	else
		offset = vttm_mmap_offset(fd, bo->handle);
	ret = fuzz_place_map(base, place, bo->memory, first, pages, fd, offset);
	if (first)
		close(fd);
	return ret;
}

static bool step_swapout(struct fuzz_player *base)
{
	struct bo *bo = any_bo(base);
	uint64_t pages;

	return bo && !__vttm_swapout(to_player(base)->fd, bo->handle, &pages) &&
	       pages;
}

static bool step_move(struct fuzz_player *base)
{
	struct bo *bo = any_bo(base);

	return bo &&
	       !__vttm_move(to_player(base)->fd, bo->handle,
			    fuzz_pick(base, 2) ? VTTM_PL_VRAM : VTTM_PL_SYSTEM);
}

static bool step_purge(struct fuzz_player *base)
{
	struct bo *bo = any_bo(base);
	struct drm_vttm_purge args = { .handle = bo ? bo->handle : 0 };

	if (!bo || fuzz_memory_busy(base, bo->memory) ||
	    vttm_ioctl(to_player(base)->fd, DRM_IOCTL_VTTM_PURGE, &args))
		return false;
	fuzz_memory_forget(bo->memory);
	return true;
}

static bool step_slow_release(struct fuzz_player *base)
{
	static const unsigned int ms[] = { 0, 0, 2, 20 };

	param_set(SLOW_RELEASE, "ms", ms[fuzz_pick(base, 4)]);
	return true;
}

static bool step_hold(struct fuzz_player *base)
{
	int *hold = &to_player(base)->holds[fuzz_pick(base, HOLDS)];
	struct fuzz_slot *slot = fuzz_find_slot(base, true);
	struct kvm_hold_map map = { .vcpu_fd = base->guest->vcpu_fd };

	if (!slot || base->busy || *hold >= 0)
		return false;
	map.gfn = fuzz_slot_gpa(base, slot) / FUZZ_PAGE +
		  fuzz_pick(base, slot->pages);
	*hold = open("/dev/kvm_hold", O_RDWR | O_CLOEXEC);
	igt_assert_fd(*hold);
	if (!ioctl(*hold, KVM_HOLD_MAP, &map))
		return true;
	close(*hold);
	*hold = -1;
	return false;
}

/* Whose handle tells about its pages: not that of a BO that is only mapped. */
static const struct bo *bo_of(const struct player *p,
			      const struct fuzz_memory *memory)
{
	for (unsigned int i = 0; i < BOS; i++)
		if (p->bos[i].memory == memory)
			return &p->bos[i];
	return NULL;
}

/* A BO has the page if it was not given up since, or got it again. */
static void forget_pfn(struct player *p, uint64_t pfn)
{
	struct drm_vttm_page page;

	for (unsigned int i = 0; i < FUZZ_MEMORIES; i++) {
		struct fuzz_memory *memory = &p->base.memories[i];
		const struct bo *bo = bo_of(p, memory);

		if (!bo)
			fuzz_memory_forget(memory);
		for (uint32_t j = 0; bo && j < memory->pages; j++)
			if (!__vttm_page(p->fd, bo->handle, j, &page) &&
			    page.pfn == pfn)
				memory->seeds[j] = FUZZ_UNKNOWN;
	}
}

static bool step_poke(struct fuzz_player *base)
{
	struct player *p = to_player(base);
	const int hold = p->holds[fuzz_pick(base, HOLDS)];
	struct kvm_hold_state state;

	if (hold < 0 || base->busy || report->unplugged)
		return false;
	igt_assert_eq(ioctl(hold, KVM_HOLD_STATE, &state), 0);
	forget_pfn(p, state.pfn);
	igt_assert_eq(ioctl(hold, KVM_HOLD_POKE, BYTE_INTRUDER), 0);
	return true;
}

static bool step_unhold(struct fuzz_player *base)
{
	int *hold = &to_player(base)->holds[fuzz_pick(base, HOLDS)];

	if (*hold < 0 || base->busy)
		return false;
	close(*hold);
	*hold = -1;
	return true;
}

static bool step_unplug(struct fuzz_player *base)
{
	/* The last part of few rounds. */
	if (report->unplugged || fuzz_pick(base, 8))
		return false;
	report->unplugged = true;
	igt_assert_eq(vttm_ctl(to_player(base)->fd, VTTM_CTL_UNPLUG), 0);
	return true;
}

static const struct fuzz_kind kinds[] = {
	{ "open", step_open, 1 },
	{ "create", step_create, 12 },
	{ "close", step_close, 6 },
	{ "mmap", step_mmap, 14 },
	{ "munmap", fuzz_munmap, 5 },
	{ "split", fuzz_split, 2 },
	{ "mremap", fuzz_mremap, 4 },
	{ "host-write", fuzz_write, 10 },
	{ "host-verify", fuzz_verify, 10 },
	{ "slot-set", fuzz_slot_set, 12 },
	{ "slot-delete", fuzz_slot_delete, 8 },
	{ "guest-write", fuzz_guest_write, 14 },
	{ "guest-verify", fuzz_guest_verify, 10 },
	{ "guest-start", fuzz_guest_start, 4 },
	{ "guest-stop", fuzz_guest_stop, 6 },
	{ "swapout", step_swapout, 14 },
	{ "move", step_move, 6 },
	{ "purge", step_purge, 3 },
	{ "slow-release", step_slow_release, 1 },
	{ "hold", step_hold, 6 },
	{ "poke", step_poke, 6 },
	{ "unhold", step_unhold, 2 },
	{ "fork", fuzz_inherit, 1 },
	{ "unplug", step_unplug, 1 },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* ---- Processes --------------------------------------------------------- */

static void play(uint64_t round_seed)
{
	static struct player p;
	struct fuzz_player *base = &p.base;
	unsigned int end;

	p.fd = __vttm_open(VTTM_MODE);
	igt_assert_fd(p.fd);
	for (unsigned int i = 0; i < HOLDS; i++)
		p.holds[i] = -1;
	fuzz_player_begin(base, round_seed, &rules, &report->done);

	for (unsigned long i = 0; i < fuzz_options.steps; i++) {
		fuzz_step(base, kinds, KINDS);
		report->steps++;
	}
	end = fuzz_pick(base, 3);
	if (end == 0)
		kill(getpid(), SIGKILL);
	if (end == 1)
		_exit(0);
	fuzz_player_end(base);
	close(p.fd);
	exit(0);
}

static void stranger_check(const uint32_t *map, uint32_t pages, uint32_t s)
{
	for (uint32_t i = 0; map && i < pages * KVM_GUEST_WORDS; i++)
		report->stranger_words += map[i] != s;
}

/* BOs that come and go on the stock device; no word of them may change. */
static void stranger(uint64_t random)
{
	struct {
		uint32_t handle, pages, seed;
		uint32_t *map;
	} ring[RING] = {};
	int fd = __vttm_open(VTTM_STOCK);

	igt_assert_fd(fd);
	for (unsigned int n = 0; !report->end; n = (n + 1) % RING) {
		const size_t old = (size_t)ring[n].pages * FUZZ_PAGE;

		stranger_check(ring[n].map, ring[n].pages, ring[n].seed);
		if (ring[n].map) {
			vttm_munmap(ring[n].map, old);
			vttm_close_bo(fd, ring[n].handle);
		}
		ring[n].pages = 1 + fuzz_next(&random) % RING_PAGES;
		ring[n].seed = fuzz_next(&random);
		ring[n].handle = vttm_create(
			fd, (size_t)ring[n].pages * FUZZ_PAGE, VTTM_BO_CACHED);
		ring[n].map = vttm_mmap(fd, ring[n].handle,
					(size_t)ring[n].pages * FUZZ_PAGE);
		for (uint32_t i = 0; i < ring[n].pages * KVM_GUEST_WORDS; i++)
			ring[n].map[i] = ring[n].seed;
		report->strangers++;
		usleep(1000);
	}
	for (unsigned int n = 0; n < RING; n++)
		stranger_check(ring[n].map, ring[n].pages, ring[n].seed);
}

/* A player, who may be killed at any moment. */
static void one_round(unsigned long n, const char *device)
{
	const uint64_t round_seed = fuzz_options.seed + n;
	uint64_t random = ~round_seed;
	const bool killed = fuzz_next(&random) % 4 == 0;
	const unsigned int us = fuzz_next(&random) % 2000000;
	int status, waited = 0;
	pid_t pid;

	fuzz_tell_round(n);
	pid = child_fork();
	if (!pid)
		play(round_seed);
	if (killed) {
		usleep(us);
		kill(pid, SIGKILL);
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		usleep(10000);
		if (waited++ < ROUND_SECONDS * 100)
			continue;
		fuzz_tell_where(pid);
		igt_assert_f(false, "the round does not end\n");
	}
	param_set(SLOW_RELEASE, "ms", 0);
	if (report->unplugged) {
		vttm_replug(device);
		report->unplugged = false;
	}
	kernel_log_read(&report->log);
	if (policy == HAZARD_NAIVE)
		return;
	igt_assert_f(!status || status == SIGKILL,
		     "the player failed, wait status %#x\n", status);
	kvm_bo_assert_nothing_left(VTTM_MODE);
	kernel_log_assert_clean(&report->log);
}

static bool broken(void)
{
	return report->log.bad_pages || report->wrong_data ||
	       report->stranger_words;
}

static pid_t start_stranger(void)
{
	pid_t pid = child_fork();

	if (pid)
		return pid;
	stranger(fuzz_options.seed);
	exit(0);
}

static void hostile_mix(void)
{
	unsigned long n;
	char device[64];
	int status, fd = vttm_open(VTTM_MODE);
	pid_t other;

	snprintf(device, sizeof(device), "%s", vttm_dev_name(fd));
	close(fd);
	kernel_log_start();
	other = start_stranger();
	for (n = 0; n < fuzz_options.rounds; n++) {
		one_round(n, device);
		/* The twin is done as soon as the hazard is seen. */
		if (policy == HAZARD_NAIVE && broken())
			break;
	}
	report->end = true;
	igt_assert_eq(waitpid(other, &status, 0), other);
	igt_assert(!status || policy == HAZARD_NAIVE);
	kernel_log_read(&report->log);
	fuzz_tell_done(&report->done, kinds, KINDS);
	igt_info(
		"%lu rounds, %lu steps; %lu wrong words in BOs, %lu in %lu BOs of a stranger, %lu bad pages\n",
		n, report->steps, report->wrong_data, report->stranger_words,
		report->strangers, report->log.bad_pages);
	if (policy == HAZARD_NAIVE) {
		igt_assert_f(broken(),
			     "naive survived, so this test proves nothing\n");
		return;
	}
	igt_assert_eq_u64(report->stranger_words, 0);
	igt_assert_eq_u64(report->wrong_data, 0);
	igt_assert_eq_u64(report->done.guests_lost, 0);
	/* One round that is replayed need not have all of it. */
	if (fuzz_options.rounds >= ROUNDS)
		fuzz_assert_done(&report->done, kinds, KINDS);
	kernel_log_assert_clean(&report->log);
}

static void subtests(void)
{
	fuzz_defaults(ROUNDS, STEPS);
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
	}

	igt_describe("Anything, in any order (twin: policy naive).");
	igt_subtest("i4-hostile-mix")
	{
		/* Whose children's failed assertions end them alone. */
		igt_fork(mix, 1) hostile_mix();
		igt_waitchildren_timeout(fuzz_options.rounds * ROUND_SECONDS,
					 "the mix does not end");
	}
}

int igt_main_args("", fuzz_long_options, fuzz_help, fuzz_option, NULL)
{
	subtests();
}
