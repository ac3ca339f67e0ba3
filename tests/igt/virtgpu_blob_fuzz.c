// SPDX-License-Identifier: MIT
/**
 * TEST: virtgpu blob fuzz
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: virtio-gpu
 * Functionality: blobs of all kinds, everything at once
 * Description: Processes that do anything to blobs and VMs, in an order that a seed
 *	decides, in a window that does not hold their blobs, and end in any way. With
 *	virtio_gpu.ttm_blobs=1 no blob is refused, without it the window is full; in
 *	both no data may be lost, and nothing may be left. Needs dmabuf_use.ko and
 *	late_host.ko.
 *
 *	Each round prints how to replay it. The order of steps is replayed, the timing
 *	between processes and threads is not.
 *
 * SUBTEST: overcommit-hostile-mix
 * Description: Create, close, map, unmap, mremap, export, import, pin, fork,
 *	memslots, guests; a late host, kill, and unplug with TTM alone
 *
 * SUBTEST: control-a-lost-guest-is-seen
 * Description: A guest that loops outside of its code, or leaves from there, ends, and
 *	says so
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "dmabuf.h"
#include "fuzz_player.h"
#include "igt.h"
#include "param.h"
#include "virtgpu.h"
#include "virtgpu_drm.h"

#define ROUNDS 4
#define STEPS 600
#define PLAYERS 3
#define CLIENTS 3
#define HANDLES 60
#define FEW_PAGES 256u
/* So long no step may be done: a round has no limit, on a host that is slow. */
#define QUIET_SECONDS 180
/* What the host may take for one thing: that is not what is tested. */
#define HOST_MS 30000

struct handle {
	struct fuzz_memory *memory; /* NULL: none */
	bool guest;		    /* of the guest's, not in the window */
	struct virtgpu *client;
	struct virtgpu_blob blob;
};

struct player {
	struct fuzz_player base;
	struct virtgpu clients[CLIENTS];
	struct handle handles[HANDLES];
	int pin; /* -1: none */
};

/* Of the whole run; shared with all processes. */
struct report {
	/* The device is about to go; it has gone. */
	atomic_bool unplugged, gone;
	atomic_ulong steps, refused, rounds_unplugged, rounds_killed;
	atomic_ulong wrong; /* pages */
	struct fuzz_done done;
	unsigned long evictions;
};

static bool ttm;
static struct report *report;

static struct player *to_player(struct fuzz_player *base)
{
	return (struct player *)base;
}

/* ---- The rules --------------------------------------------------------- */

/* The parent sees it in any case. */
static void wrong(const char *who, uint32_t page, uint32_t got, uint32_t want)
{
	report->wrong++;
	igt_assert_f(false, "%s read %#x, not %#x, in page %u\n", who, got,
		     want, page);
}

/* A device that is gone excuses what cannot be done, never wrong data. */
static bool excused(void)
{
	return report->unplugged;
}

static const struct fuzz_rules rules = {
	.wrong = wrong,
	.excused = excused,
	.child_excused = excused,
};

#define assert_plugged(condition, ...) \
	igt_assert_f(excused() || (condition), __VA_ARGS__)

/* ---- Steps: blobs ------------------------------------------------------ */

static struct handle *find_handle(struct player *p, bool used)
{
	const uint32_t start = fuzz_pick(&p->base, HANDLES);

	for (uint32_t i = 0; i < HANDLES; i++) {
		struct handle *handle = &p->handles[(start + i) % HANDLES];

		if (!!handle->memory == used)
			return handle;
	}
	return NULL;
}

static struct virtgpu *any_client(struct player *p)
{
	return &p->clients[fuzz_pick(&p->base, CLIENTS)];
}

static bool step_create(struct fuzz_player *base)
{
	static const uint32_t mems[] = {
		VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_MEM_HOST3D,
		VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_MEM_HOST3D,
		VIRTGPU_BLOB_MEM_GUEST,	 VIRTGPU_BLOB_MEM_HOST3D_GUEST,
	};
	struct player *p = to_player(base);
	struct handle *handle = find_handle(p, false);
	struct fuzz_memory *memory = fuzz_memory_unused(base);
	struct virtgpu_blob_params params;
	int ret;

	if (!handle || !memory)
		return false;
	memory->pages = 1 + fuzz_pick(base, fuzz_pick(base, 2) ? FEW_PAGES :
								 FUZZ_PAGES);
	params = (struct virtgpu_blob_params){
		.size = (uint64_t)memory->pages * FUZZ_PAGE,
		.mem = mems[fuzz_pick(base, 6)],
	};
	handle->client = any_client(p);
	ret = __virtgpu_blob(handle->client, &params, &handle->blob);
	if (ret == -ENOSPC && !ttm) {
		report->refused++;
		return false;
	}
	assert_plugged(!ret, "create: %d\n", ret);
	if (ret)
		return false;
	handle->guest = params.mem != VIRTGPU_BLOB_MEM_HOST3D;
	handle->memory = memory;
	memory->users = 1;
	return true;
}

static bool step_close(struct fuzz_player *base)
{
	struct handle *handle = find_handle(to_player(base), true);

	if (!handle)
		return false;
	virtgpu_blob_close(handle->client, &handle->blob);
	handle->memory->users--;
	handle->memory = NULL;
	return true;
}

/* A client that has it already would get its handle again. */
static bool has(const struct player *p, const struct virtgpu *client,
		const struct fuzz_memory *memory)
{
	for (unsigned int i = 0; i < HANDLES; i++)
		if (p->handles[i].memory == memory &&
		    p->handles[i].client == client)
			return true;
	return false;
}

static bool step_import(struct fuzz_player *base)
{
	struct player *p = to_player(base);
	struct handle *from = find_handle(p, true), *to = find_handle(p, false);
	struct virtgpu *client = any_client(p);
	int dmabuf, ret;

	if (!from || !to || has(p, client, from->memory))
		return false;
	dmabuf = virtgpu_blob_export(from->client, &from->blob);
	ret = __virtgpu_import(client, dmabuf, &to->blob);
	close(dmabuf);
	assert_plugged(!ret, "import: %d\n", ret);
	if (ret)
		return false;
	to->client = client;
	to->guest = from->guest;
	to->memory = from->memory;
	to->memory->users++;
	return true;
}

/* A driver imports it, and its place in the window is fixed. */
static bool step_pin(struct fuzz_player *base)
{
	struct player *p = to_player(base);
	struct handle *handle = find_handle(p, true);
	uint64_t address;
	int dmabuf;

	/* A large one could be in the way of the largest blobs. */
	if (!handle || p->pin >= 0 || handle->memory->pages > FEW_PAGES)
		return false;
	dmabuf = virtgpu_blob_export(handle->client, &handle->blob);
	p->pin = dmabuf_hold(dmabuf, &address);
	close(dmabuf);
	return true;
}

static bool step_unpin(struct fuzz_player *base)
{
	struct player *p = to_player(base);

	if (p->pin < 0)
		return false;
	close(p->pin);
	p->pin = -1;
	return true;
}

/* By the kernel's mapping, which blobs in the window have none of; and back. */
static bool step_flip(struct fuzz_player *base)
{
	struct handle *handle = find_handle(to_player(base), true);
	int dmabuf;

	if (!handle || !handle->guest || fuzz_memory_busy(base, handle->memory))
		return false;
	dmabuf = virtgpu_blob_export(handle->client, &handle->blob);
	dmabuf_flip(dmabuf);
	dmabuf_flip(dmabuf);
	close(dmabuf);
	return true;
}

/* ---- Steps: mappings --------------------------------------------------- */

static bool step_mmap(struct fuzz_player *base)
{
	struct handle *handle = find_handle(to_player(base), true);
	struct fuzz_place *place = fuzz_find_place(base, false);
	int dmabuf = -1;
	uint64_t offset;
	bool ret;

	if (!handle || !place)
		return false;
	offset = virtgpu_blob_offset(handle->client, &handle->blob);
	if (fuzz_pick(base, 3) == 0) {
		dmabuf = virtgpu_blob_export(handle->client, &handle->blob);
		offset = 0;
	}
	ret = fuzz_place_map(base, place, handle->memory, 0,
			     handle->memory->pages,
			     dmabuf >= 0 ? dmabuf : handle->client->fd, offset);
	if (dmabuf >= 0)
		close(dmabuf);
	return ret;
}

/*
 * Of the stock driver's mappings that are split or moved the kernel complains: not
 * here, see virtgpu_blob_window.
 */
static bool step_split(struct fuzz_player *base)
{
	return ttm && fuzz_split(base);
}

static bool step_mremap(struct fuzz_player *base)
{
	return ttm && fuzz_mremap(base);
}

/* Others have to go. */
static bool step_touch_all(struct fuzz_player *base)
{
	for (unsigned int i = 0; i < FUZZ_PLACES; i++)
		if (base->places[i].memory)
			(void)*fuzz_place_word(base, &base->places[i], 0);
	return true;
}

/* ---- Steps: the host --------------------------------------------------- */

/* The driver learns of one answer each so many ms. */
static bool step_late_host(struct fuzz_player *base)
{
	static const unsigned int ms[] = { 0, 0, 1, 4 };

	/* Nobody could be killed who waits for it in the stock driver. */
	if (!ttm || report->unplugged)
		return false;
	param_set("late_host", "every_ms", ms[fuzz_pick(base, 4)]);
	return true;
}

static const struct fuzz_kind kinds[] = {
	{ "create", step_create, 24 },
	{ "close", step_close, 6 },
	{ "import", step_import, 4 },
	{ "pin", step_pin, 3 },
	{ "unpin", step_unpin, 2 },
	{ "flip", step_flip, 2 },
	{ "mmap", step_mmap, 20 },
	{ "munmap", fuzz_munmap, 6 },
	{ "split", step_split, 2 },
	{ "mremap", step_mremap, 4 },
	{ "write", fuzz_write, 14 },
	{ "verify", fuzz_verify, 14 },
	{ "touch-all", step_touch_all, 3 },
	{ "slot-set", fuzz_slot_set, 10 },
	{ "slot-delete", fuzz_slot_delete, 6 },
	{ "guest-write", fuzz_guest_write, 12 },
	{ "guest-verify", fuzz_guest_verify, 10 },
	{ "guest-start", fuzz_guest_start, 4 },
	{ "guest-stop", fuzz_guest_stop, 6 },
	{ "fork", fuzz_inherit, 1 },
	{ "late-host", step_late_host, 1 },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* ---- Processes --------------------------------------------------------- */

static void on_sigbus(int sig)
{
	_exit(report->unplugged ? 0 : 128 + sig);
}

static void play(uint64_t random)
{
	static const enum virtgpu_context contexts[CLIENTS] = { VIRTGPU_VIRGL,
								VIRTGPU_VENUS,
								VIRTGPU_VENUS };
	const struct sigaction action = { .sa_handler = on_sigbus };
	static struct player p = { .pin = -1 };
	struct fuzz_player *base = &p.base;

	igt_assert_eq(sigaction(SIGBUS, &action, NULL), 0);
	for (unsigned int i = 0; i < CLIENTS; i++)
		virtgpu_open(&p.clients[i], contexts[i]);
	fuzz_player_begin(base, random, &rules, &report->done);

	for (unsigned long i = 0; i < fuzz_options.steps; i++) {
		if (report->gone)
			_exit(0);
		fuzz_step(base, kinds, KINDS);
		report->steps++;
	}
	/* Some of them leave all as it is. */
	if (fuzz_pick(base, 3))
		fuzz_player_end(base);
	_exit(0);
}

static pid_t start_player(uint64_t random)
{
	pid_t pid = child_fork();

	if (!pid)
		play(random);
	return pid;
}

struct players {
	pid_t pids[PLAYERS]; /* 0: has ended */
	int status[PLAYERS];
	unsigned int left;
};

static void start_players(struct players *players, uint64_t seed)
{
	players->left = PLAYERS;
	for (unsigned int i = 0; i < PLAYERS; i++)
		players->pids[i] = start_player(seed + ((uint64_t)i << 32));
}

/* Who has ended is noted. */
static void look_at_players(struct players *players)
{
	for (unsigned int i = 0; i < PLAYERS; i++) {
		pid_t *pid = &players->pids[i];

		if (*pid && waitpid(*pid, &players->status[i], WNOHANG)) {
			*pid = 0;
			players->left--;
		}
	}
	usleep(1000);
}

/* Until they have done @steps more together, or all have ended. */
static void wait_steps(struct players *players, unsigned long steps)
{
	steps += report->steps;
	while (players->left && report->steps < steps)
		look_at_players(players);
}

/* The round ends in any case. */
static void wait_players(struct players *players)
{
	unsigned long steps = report->steps;
	struct timespec since = {};

	while (players->left &&
	       igt_nsec_elapsed(&since) < QUIET_SECONDS * 1000000000ull) {
		look_at_players(players);
		if (steps != report->steps) {
			steps = report->steps;
			since = (struct timespec){};
		}
	}
	for (unsigned int i = 0; i < PLAYERS; i++)
		if (players->pids[i])
			fuzz_tell_where(players->pids[i]);
	igt_assert_f(!players->left, "the round does not end\n");
}

/* Of those that have ended. The first one may have been @killed. */
static void check_players(const struct players *players, bool killed,
			  bool unplugged)
{
	for (unsigned int i = 0; i < PLAYERS; i++) {
		const int status = players->status[i];
		const bool excused = (killed && !i && status == SIGKILL) ||
				     (unplugged && WIFEXITED(status) &&
				      WEXITSTATUS(status) == IGT_EXIT_FAILURE);

		igt_assert_f(players->pids[i] || !status || excused,
			     "player %u failed, wait status %#x\n", i, status);
	}
	igt_assert_eq_u64(report->wrong, 0);
	igt_assert_eq_u64(report->done.guests_lost, 0);
}

/* Of the device, when the round began. */
static uint64_t timeouts;

static void assert_host_in_time(void)
{
	igt_assert_eq_u64(virtgpu_window_count("lost"), 0);
	igt_assert_eq_u64(virtgpu_window_count("timeouts"), timeouts);
}

static void wait_nothing_left(void)
{
	virtgpu_window_wait_unused();
	if (ttm)
		assert_host_in_time();
}

/* Under all players, whose steps go on meanwhile. */
static void unplug(const struct players *players,
		   const struct virtgpu_device *device)
{
	check_players(players, false, false);
	assert_host_in_time();
	report->unplugged = true;
	/* Who is about to make the host late has done it by then. */
	usleep(20000);
	param_set("late_host", "every_ms", 0);
	virtgpu_unbind(device);
	report->gone = true;
}

/*
 * Players, one of which may be killed at any moment. The device may be pulled under all
 * of them (the stock driver leaks what they have then).
 */
static void one_round(unsigned long n, const struct virtgpu_device *device)
{
	const uint64_t seed = fuzz_options.seed + n;
	uint64_t random = ~seed;
	const bool killed = seed % 4 == 2;
	const bool unplugged = ttm && seed % 4 == 3;
	const uint64_t evictions = ttm ? virtgpu_window_count("evictions") : 0;
	/* When half of them are done, on average. */
	const unsigned long steps = fuzz_options.steps * PLAYERS / 4 +
				    fuzz_below(&random, fuzz_options.steps * 2);
	struct players players = {};

	fuzz_tell_round(n);
	timeouts = ttm ? virtgpu_window_count("timeouts") : 0;
	start_players(&players, seed);
	if (killed || unplugged)
		wait_steps(&players, steps);
	/* The number is not another's: who has ended is known of. */
	if (killed && players.pids[0])
		kill(players.pids[0], SIGKILL);
	if (unplugged)
		unplug(&players, device);
	wait_players(&players);
	param_set("late_host", "every_ms", 0);
	if (unplugged) {
		virtgpu_bind(device);
		report->unplugged = report->gone = false;
		timeouts = 0;
	}
	report->rounds_killed += killed;
	report->rounds_unplugged += unplugged;
	check_players(&players, killed, unplugged);
	wait_nothing_left();
	if (ttm && !unplugged)
		report->evictions +=
			virtgpu_window_count("evictions") - evictions;
}

static void hostile_mix(void)
{
	struct virtgpu_device device;

	virtgpu_device(&device);
	for (unsigned long n = 0; n < fuzz_options.rounds; n++)
		one_round(n, &device);
	fuzz_tell_done(&report->done, kinds, KINDS);
	igt_info(
		"%lu rounds (%lu killed, %lu unplugged), %lu steps; %lu blobs refused, %lu evictions\n",
		fuzz_options.rounds, report->rounds_killed,
		report->rounds_unplugged, report->steps, report->refused,
		report->evictions);
	/* One round that is replayed need not have all of it. */
	if (fuzz_options.rounds < ROUNDS)
		return;
	/* Without TTM some are not done. */
	fuzz_assert_done(&report->done, kinds, ttm ? KINDS : 0);
	igt_assert_f(ttm ? report->evictions : report->refused,
		     "the window was large enough\n");
}

/*
 * The guest goes from its code to a place of its memory, where there is @then, and ends
 * @behind it.
 */
static void lost_guest(const char *then, size_t size, uint64_t behind)
{
	static const char jump[] = "\xe9\xfb\x2f\x00";
	const uint64_t place = KVM_GUEST_CODE + 0x3000;
	const struct kvm_guest_job job = { .pages = 1 };
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	struct kvm_guest_result result;

	memcpy((char *)guest->low + KVM_GUEST_CODE, jump, sizeof(jump));
	memcpy((char *)guest->low + place, then, size);
	guest->watched = true;
	kvm_guest_run(guest, &job, &result);
	igt_assert_eq(result.err, -ENOTRECOVERABLE);
	igt_assert_eq_u64(result.detail, place + behind);
	kvm_guest_destroy(guest);
}

static void subtests(void)
{
	fuzz_defaults(ROUNDS, STEPS);
	igt_fixture()
	{
		igt_require(kvm_available());
		ttm = virtgpu_ttm_blobs();
		if (ttm)
			param_set("virtio_gpu", "ttm_blobs_timeout_ms",
				  HOST_MS);
		report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		igt_assert(report != MAP_FAILED);
	}

	igt_describe("Anything, in any order (twin: within)");
	igt_subtest("overcommit-hostile-mix")
	{
		/* Whose children's failed assertions end them alone. */
		igt_fork(mix, 1) hostile_mix();
		igt_waitchildren_timeout((fuzz_options.rounds + 1) *
						 QUIET_SECONDS,
					 "the mix does not end");
	}

	igt_describe("control: a guest that is outside of its code.");
	igt_subtest("control-a-lost-guest-is-seen")
	{
		/* To itself; a load from where there is no memory; a halt. */
		lost_guest("\xeb\xfe", 2, 0);
		lost_guest("\xa1\x00\x00\x00\x50", 5, 0);
		lost_guest("\xf4", 1, 1);
	}
}

int igt_main_args("", fuzz_long_options, fuzz_help, fuzz_option, NULL)
{
	subtests();
}
