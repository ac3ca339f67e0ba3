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
 * Description: Create, close, map, unmap, mremap, fork, memslots, guests, swapouts,
 *	moves, long-lived holders that write late, slow releases, unplug, kill
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"
#include "hazard.h"
#include "igt.h"
#include "kvm_bo.h"
#include "kvm_hold.h"
#include "param.h"

#define PAGE KVM_GUEST_PAGE
#define BOS 8
#define PLACES 12 /* of the address space, where BOs are mapped */
#define SLOTS 6
#define HOLDS 3
#define MAX_PAGES 512u /* of a BO */
#define PLACE_SIZE ((size_t)MAX_PAGES * PAGE)
#define ROUND_SECONDS 120
#define SLOW_RELEASE "slow_release"
/* A stranger's BOs. */
#define RING 64
#define RING_PAGES 64u

/* What a page of a BO holds: the pattern of this seed, or nobody knows. */
#define UNKNOWN 0

struct bo {
	uint32_t handle; /* 0: none */
	uint32_t pages;
	uint32_t seeds[MAX_PAGES];
	unsigned int maps; /* places that map it */
	bool closed;	   /* but still mapped */
};

struct place {
	struct bo *bo; /* NULL: nothing is mapped there */
	uint32_t first, pages;
	unsigned int generation;
};

struct slot {
	int number; /* -1: none */
	unsigned int place, generation;
	uint32_t pages;
};

struct player {
	uint64_t random;
	int fd;
	struct bo bos[BOS];
	struct place places[PLACES];
	char *arena;
	struct kvm_guest *guest;
	struct slot slots[SLOTS];
	int holds[HOLDS];
	bool unplugged;
	/* The guest that runs in the background, over one slot: */
	pthread_t thread;
	struct slot *busy; /* NULL: none */
	atomic_bool stop;
	bool mismatch;
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

static uint32_t below(struct player *p, uint32_t n)
{
	return fuzz_below(&p->random, n);
}

/* Not UNKNOWN. */
static uint32_t fresh_seed(struct player *p)
{
	return fuzz_next(&p->random) | 1;
}

/* Wrong data are what naive is expected to show, and a failure elsewhere. */
static void wrong(const char *who, uint32_t page, uint32_t got, uint32_t want)
{
	report->wrong_data++;
	igt_assert_f(policy == HAZARD_NAIVE,
		     "%s read %#x, not %#x, in page %u\n", who, got, want,
		     page);
}

/* ---- The model --------------------------------------------------------- */

static char *place_addr(struct player *p, unsigned int place)
{
	return p->arena + place * PLACE_SIZE;
}

/* The first from a random one on that is @used or not, or NULL. */
static struct place *find_place(struct player *p, bool used)
{
	const uint32_t start = below(p, PLACES);

	for (uint32_t i = 0; i < PLACES; i++) {
		struct place *place = &p->places[(start + i) % PLACES];

		if (!!place->bo == used)
			return place;
	}
	return NULL;
}

static struct place *any_place(struct player *p)
{
	return find_place(p, true);
}

static struct bo *find_bo(struct player *p, bool open)
{
	const uint32_t start = below(p, BOS);

	for (uint32_t i = 0; i < BOS; i++) {
		struct bo *bo = &p->bos[(start + i) % BOS];

		if (open ? bo->handle && !bo->closed : !bo->handle)
			return bo;
	}
	return NULL;
}

static struct bo *any_bo(struct player *p)
{
	return find_bo(p, true);
}

static struct slot *find_slot(struct player *p, bool used)
{
	const uint32_t start = below(p, SLOTS);

	for (uint32_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &p->slots[(start + i) % SLOTS];

		if ((slot->number >= 0) == used && slot != p->busy)
			return slot;
	}
	return NULL;
}

static struct slot *any_slot(struct player *p)
{
	return find_slot(p, true);
}

static bool busy(const struct player *p, const struct bo *bo)
{
	return p->busy && p->places[p->busy->place].bo == bo;
}

static void forget(struct bo *bo)
{
	memset(bo->seeds, UNKNOWN, sizeof(bo->seeds));
}

/* Does the slot still show what it was made for? */
static bool slot_intact(const struct player *p, const struct slot *slot)
{
	return p->places[slot->place].generation == slot->generation;
}

/* ---- Steps ------------------------------------------------------------- */

static bool step_create(struct player *p)
{
	static const uint32_t flags[] = { VTTM_BO_CACHED, VTTM_BO_CACHED,
					  VTTM_BO_WC, VTTM_BO_UC };
	struct bo *bo = find_bo(p, false);
	uint64_t size;

	if (!bo)
		return false;
	bo->pages = 1 + below(p, below(p, 4) ? 64 : MAX_PAGES);
	size = (uint64_t)bo->pages * PAGE;
	if (__vttm_create(p->fd, &size, flags[below(p, 4)], &bo->handle))
		bo->handle = 0;
	bo->closed = false;
	forget(bo);
	return bo->handle;
}

static void bo_gone_if_unused(struct bo *bo)
{
	if (bo->closed && !bo->maps)
		bo->handle = 0;
}

static bool step_close(struct player *p)
{
	struct bo *bo = any_bo(p);

	if (!bo)
		return false;
	__vttm_close_bo(p->fd, bo->handle);
	bo->closed = true;
	bo_gone_if_unused(bo);
	return true;
}

/* Addresses without a BO belong to nobody, so that no guest writes to us. */
static void reserve(char *addr, size_t size)
{
	igt_assert(mmap(addr, size, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
			-1, 0) == addr);
}

static void unmap(struct player *p, struct place *place)
{
	struct bo *bo = place->bo;

	reserve(place_addr(p, place - p->places), PLACE_SIZE);
	place->bo = NULL;
	place->generation++;
	bo->maps--;
	bo_gone_if_unused(bo);
}

/* The device maps a BO from its start alone, a dma-buf from anywhere. */
static void map_bo(struct player *p, char *addr, const struct bo *bo,
		   uint32_t first, uint32_t pages)
{
	uint64_t offset = (uint64_t)first * PAGE;
	int fd = p->fd;

	if (first)
		fd = vttm_export(p->fd, bo->handle);
	else
		offset = vttm_mmap_offset(p->fd, bo->handle);
	igt_assert_f(mmap(addr, (size_t)pages * PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED, fd, offset) == addr,
		     "mmap: %s\n", strerror(errno));
	if (first)
		close(fd);
}

static bool step_mmap(struct player *p)
{
	struct place *place = find_place(p, false);
	struct bo *bo = any_bo(p);
	uint32_t first, pages;

	if (!bo || !place || p->unplugged)
		return false;
	first = below(p, 2) ? below(p, bo->pages) : 0;
	pages = 1 + below(p, bo->pages - first);
	map_bo(p, place_addr(p, place - p->places), bo, first, pages);
	*place = (struct place){
		.bo = bo,
		.first = first,
		.pages = pages,
		.generation = place->generation + 1,
	};
	bo->maps++;
	return true;
}

static bool step_munmap(struct player *p)
{
	struct place *place = any_place(p);

	if (place)
		unmap(p, place);
	return place;
}

/* Unmap the second half. */
static bool step_split(struct player *p)
{
	struct place *place = any_place(p);
	char *addr;

	if (!place || place->pages < 2)
		return false;
	addr = place_addr(p, place - p->places);
	place->pages /= 2;
	reserve(addr + (size_t)place->pages * PAGE,
		PLACE_SIZE - (size_t)place->pages * PAGE);
	place->generation++;
	return true;
}

static bool step_mremap(struct player *p)
{
	struct place *from = any_place(p), *to = find_place(p, false);
	char *addr;
	size_t size;

	if (!from || !to)
		return false;
	addr = place_addr(p, to - p->places);
	size = (size_t)from->pages * PAGE;
	igt_assert_f(mremap(place_addr(p, from - p->places), size, size,
			    MREMAP_MAYMOVE | MREMAP_FIXED, addr) == addr,
		     "mremap: %s\n", strerror(errno));
	*to = (struct place){
		.bo = from->bo,
		.first = from->first,
		.pages = from->pages,
		.generation = to->generation + 1,
	};
	to->bo->maps++;
	unmap(p, from);
	return true;
}

static bool step_host_write(struct player *p)
{
	struct place *place = any_place(p);
	volatile uint32_t *word;
	uint32_t s = fresh_seed(p), n;

	if (!place || busy(p, place->bo))
		return false;
	n = below(p, place->pages);
	for (uint32_t i = n; i < place->pages; i++) {
		const uint32_t page = place->first + i;

		word = (void *)(place_addr(p, place - p->places) +
				(size_t)i * PAGE);
		*word = kvm_guest_word(s, page, 0);
		place->bo->seeds[page] = s;
	}
	return true;
}

static void host_verify(struct player *p, struct place *place, const char *who)
{
	for (uint32_t i = 0; i < place->pages; i++) {
		const uint32_t page = place->first + i;
		const volatile uint32_t *word =
			(void *)(place_addr(p, place - p->places) +
				 (size_t)i * PAGE);
		const uint32_t s = place->bo->seeds[page];
		const uint32_t got = *word;

		/* One page stands for all of a pulled device's. */
		if (s != UNKNOWN && !p->unplugged &&
		    got != kvm_guest_word(s, page, 0))
			wrong(who, page, got, kvm_guest_word(s, page, 0));
	}
}

static bool step_host_verify(struct player *p)
{
	struct place *place = any_place(p);

	if (!place || busy(p, place->bo))
		return false;
	host_verify(p, place, "host");
	return true;
}

static uint64_t slot_gpa(const struct player *p, const struct slot *slot)
{
	return KVM_GUEST_GPA + (slot - p->slots) * PLACE_SIZE;
}

static bool step_slot_set(struct player *p)
{
	struct slot *slot = find_slot(p, false);
	struct place *place = any_place(p);
	int number;

	if (!place || !slot)
		return false;
	number = __kvm_guest_map(p->guest, slot_gpa(p, slot),
				 place_addr(p, place - p->places),
				 (uint64_t)place->pages * PAGE, false);
	igt_assert_lte(0, number);
	*slot = (struct slot){
		.number = number,
		.place = place - p->places,
		.generation = place->generation,
		.pages = place->pages,
	};
	return true;
}

static bool step_slot_delete(struct player *p)
{
	struct slot *slot = any_slot(p);

	if (!slot)
		return false;
	kvm_guest_unmap(p->guest, slot->number);
	slot->number = -1;
	return true;
}

static struct kvm_guest_job slot_job(struct player *p, struct slot *slot,
				     enum kvm_guest_op op, uint32_t s)
{
	return (struct kvm_guest_job){
		.op = op,
		.gpa = slot_gpa(p, slot),
		.pages = slot->pages,
		.first = p->places[slot->place].first,
		.seed = s,
	};
}

/* What the guest did to whatever is behind the slot now. */
static void guest_wrote(struct player *p, struct slot *slot, uint32_t done,
			uint32_t s)
{
	struct place *place = &p->places[slot->place];

	if (!place->bo)
		return;
	if (!slot_intact(p, slot)) {
		forget(place->bo);
		return;
	}
	for (uint32_t i = 0; i < done; i++)
		place->bo->seeds[place->first + i] = s;
}

static bool step_guest_write(struct player *p)
{
	struct slot *slot = any_slot(p);
	struct kvm_guest_result result;
	struct kvm_guest_job job;

	/* One vCPU: it is in use if there is a busy slot. */
	if (!slot || p->busy)
		return false;
	job = slot_job(p, slot, KVM_OP_WRITE, fresh_seed(p));
	kvm_guest_run(p->guest, &job, &result);
	guest_wrote(p, slot, result.done, job.seed);
	if (policy != HAZARD_NAIVE && !p->unplugged && slot_intact(p, slot))
		igt_assert_f(result.finished, "%s of %u\n",
			     kvm_guest_result_str(&result), job.pages);
	return true;
}

static bool step_guest_verify(struct player *p)
{
	struct slot *slot = any_slot(p);
	struct kvm_guest_result result;
	struct kvm_guest_job job;
	struct place *place;
	uint32_t s;

	if (!slot || p->busy || !slot_intact(p, slot) || p->unplugged)
		return false;
	place = &p->places[slot->place];
	s = place->bo->seeds[place->first];
	job = slot_job(p, slot, KVM_OP_READ, s);
	for (job.pages = 0; job.pages < slot->pages; job.pages++)
		if (place->bo->seeds[place->first + job.pages] != s)
			break;
	if (s == UNKNOWN || !job.pages)
		return false;
	kvm_guest_run(p->guest, &job, &result);
	if (result.mismatch)
		wrong("guest", result.bad_page, result.bad_value, 0);
	if (policy != HAZARD_NAIVE)
		igt_assert_f(result.finished, "%s of %u\n",
			     kvm_guest_result_str(&result), job.pages);
	return true;
}

static void *background(void *arg)
{
	struct player *p = arg;
	struct kvm_guest_job job = slot_job(p, p->busy, KVM_OP_WRITE_READ, 3);
	struct kvm_guest_result result;

	do {
		job.seed += 2;
		kvm_guest_run(p->guest, &job, &result);
		p->mismatch |= result.mismatch;
	} while (!p->stop && result.finished);
	return NULL;
}

static bool step_guest_start(struct player *p)
{
	struct slot *slot = any_slot(p);

	if (!slot || p->busy || !slot_intact(p, slot))
		return false;
	forget(p->places[slot->place].bo);
	p->busy = slot;
	p->stop = false;
	igt_assert_eq(pthread_create(&p->thread, NULL, background, p), 0);
	return true;
}

static bool step_guest_stop(struct player *p)
{
	if (!p->busy)
		return false;
	p->stop = true;
	igt_assert_eq(pthread_join(p->thread, NULL), 0);
	/* Other guests than the one of its start may be behind it by now. */
	for (unsigned int i = 0; i < BOS; i++)
		if (p->mismatch || !slot_intact(p, p->busy))
			forget(&p->bos[i]);
	if (p->mismatch && slot_intact(p, p->busy) && !p->unplugged)
		wrong("guest", 0, 0, 0);
	p->mismatch = false;
	p->busy = NULL;
	return true;
}

static bool step_swapout(struct player *p)
{
	struct bo *bo = any_bo(p);
	uint64_t pages;

	return bo && !__vttm_swapout(p->fd, bo->handle, &pages) && pages;
}

static bool step_move(struct player *p)
{
	struct bo *bo = any_bo(p);

	return bo && !__vttm_move(p->fd, bo->handle,
				  below(p, 2) ? VTTM_PL_VRAM : VTTM_PL_SYSTEM);
}

static bool step_slow_release(struct player *p)
{
	static const unsigned int ms[] = { 0, 0, 2, 20 };

	param_set(SLOW_RELEASE, "ms", ms[below(p, 4)]);
	return true;
}

static bool step_hold(struct player *p)
{
	const unsigned int n = below(p, HOLDS);
	struct slot *slot = any_slot(p);
	struct kvm_hold_map map = { .vcpu_fd = p->guest->vcpu_fd };

	if (!slot || p->busy || p->holds[n] >= 0)
		return false;
	map.gfn = slot_gpa(p, slot) / PAGE + below(p, slot->pages);
	p->holds[n] = open("/dev/kvm_hold", O_RDWR | O_CLOEXEC);
	igt_assert_fd(p->holds[n]);
	if (!ioctl(p->holds[n], KVM_HOLD_MAP, &map))
		return true;
	close(p->holds[n]);
	p->holds[n] = -1;
	return false;
}

/* A BO has the page if it was not given up since, or got it again. */
static void forget_pfn(struct player *p, uint64_t pfn)
{
	struct drm_vttm_page page;

	for (unsigned int i = 0; i < BOS; i++) {
		struct bo *bo = &p->bos[i];

		/* The handle of a BO that is only mapped tells nothing. */
		if (bo->handle && bo->closed)
			forget(bo);
		if (!bo->handle || bo->closed)
			continue;
		for (uint32_t j = 0; j < bo->pages; j++)
			if (!__vttm_page(p->fd, bo->handle, j, &page) &&
			    page.pfn == pfn)
				bo->seeds[j] = UNKNOWN;
	}
}

static bool step_poke(struct player *p)
{
	const int hold = p->holds[below(p, HOLDS)];
	struct kvm_hold_state state;

	if (hold < 0 || p->busy || p->unplugged)
		return false;
	igt_assert_eq(ioctl(hold, KVM_HOLD_STATE, &state), 0);
	forget_pfn(p, state.pfn);
	igt_assert_eq(ioctl(hold, KVM_HOLD_POKE, BYTE_INTRUDER), 0);
	return true;
}

static bool step_unhold(struct player *p)
{
	const unsigned int n = below(p, HOLDS);

	if (p->holds[n] < 0 || p->busy)
		return false;
	close(p->holds[n]);
	p->holds[n] = -1;
	return true;
}

/* A child that looks at what it inherited, and stays a little or is killed. */
static bool step_fork(struct player *p)
{
	const uint32_t stay = below(p, 20000), killed = below(p, 2);
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	igt_assert_lte(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned int i = 0; i < PLACES; i++)
			if (p->places[i].bo && !busy(p, p->places[i].bo))
				host_verify(p, &p->places[i], "child");
		usleep(stay);
		_exit(0);
	}
	if (killed)
		kill(pid, SIGKILL);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert(status == 0 || (killed && status == SIGKILL) ||
		   policy == HAZARD_NAIVE);
	return true;
}

static bool step_unplug(struct player *p)
{
	/* The last part of few rounds. */
	if (p->unplugged || below(p, 8))
		return false;
	report->unplugged = true;
	p->unplugged = true;
	igt_assert_eq(vttm_ctl(p->fd, VTTM_CTL_UNPLUG), 0);
	return true;
}

static const struct fuzz_kind kinds[] = {
	{ "create", step_create, 12 },
	{ "close", step_close, 6 },
	{ "mmap", step_mmap, 14 },
	{ "munmap", step_munmap, 5 },
	{ "split", step_split, 2 },
	{ "mremap", step_mremap, 4 },
	{ "host-write", step_host_write, 10 },
	{ "host-verify", step_host_verify, 10 },
	{ "slot-set", step_slot_set, 12 },
	{ "slot-delete", step_slot_delete, 8 },
	{ "guest-write", step_guest_write, 14 },
	{ "guest-verify", step_guest_verify, 10 },
	{ "guest-start", step_guest_start, 4 },
	{ "guest-stop", step_guest_stop, 6 },
	{ "swapout", step_swapout, 14 },
	{ "move", step_move, 6 },
	{ "slow-release", step_slow_release, 1 },
	{ "hold", step_hold, 6 },
	{ "poke", step_poke, 6 },
	{ "unhold", step_unhold, 2 },
	{ "fork", step_fork, 1 },
	{ "unplug", step_unplug, 1 },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* ---- Processes --------------------------------------------------------- */

static void play(uint64_t round_seed)
{
	static struct player p;
	unsigned int end;

	p.random = round_seed;
	p.fd = __vttm_open(VTTM_MODE);
	igt_assert_fd(p.fd);
	p.arena = mmap(NULL, PLACES * PLACE_SIZE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	igt_assert(p.arena != MAP_FAILED);
	p.guest = kvm_guest_create(KVM_GUEST_FLAT32);
	for (unsigned int i = 0; i < SLOTS; i++)
		p.slots[i].number = -1;
	for (unsigned int i = 0; i < HOLDS; i++)
		p.holds[i] = -1;

	for (unsigned long i = 0; i < fuzz_options.steps; i++) {
		fuzz_step(&p, &p.random, kinds, KINDS, &report->done);
		report->steps++;
	}
	end = below(&p, 3);
	if (end == 0)
		kill(getpid(), SIGKILL);
	if (end == 1)
		_exit(0);
	step_guest_stop(&p);
	for (unsigned int i = 0; i < PLACES; i++)
		if (p.places[i].bo)
			host_verify(&p, &p.places[i], "host");
	kvm_guest_destroy(p.guest);
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
		const size_t old = (size_t)ring[n].pages * PAGE;

		stranger_check(ring[n].map, ring[n].pages, ring[n].seed);
		if (ring[n].map) {
			vttm_munmap(ring[n].map, old);
			vttm_close_bo(fd, ring[n].handle);
		}
		ring[n].pages = 1 + fuzz_next(&random) % RING_PAGES;
		ring[n].seed = fuzz_next(&random);
		ring[n].handle = vttm_create(fd, (size_t)ring[n].pages * PAGE,
					     VTTM_BO_CACHED);
		ring[n].map = vttm_mmap(fd, ring[n].handle,
					(size_t)ring[n].pages * PAGE);
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
	fflush(NULL);
	pid = fork();
	igt_assert_lte(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		play(round_seed);
	}
	if (killed) {
		usleep(us);
		kill(pid, SIGKILL);
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		usleep(10000);
		igt_assert_f(waited++ < ROUND_SECONDS * 100,
			     "the round does not end\n");
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
	pid_t pid;

	fflush(NULL);
	pid = fork();
	igt_assert_lte(0, pid);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
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
	kernel_log_assert_clean(&report->log);
}

static void subtests(void)
{
	fuzz_defaults(10, 250);
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
