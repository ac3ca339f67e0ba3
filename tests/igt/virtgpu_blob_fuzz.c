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
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dmabuf.h"
#include "fuzz.h"
#include "igt.h"
#include "kvm.h"
#include "param.h"
#include "virtgpu.h"
#include "virtgpu_drm.h"

#define PAGE KVM_GUEST_PAGE
#define ROUNDS 4
#define STEPS 600
#define PLAYERS 3
#define CLIENTS 3
#define MEMORIES 40
#define HANDLES 60
#define PLACES 24 /* of the address space, where blobs are mapped */
#define SLOTS 6
#define MAX_PAGES 2048u /* of a blob */
#define FEW_PAGES 256u
#define PLACE_SIZE ((size_t)MAX_PAGES * PAGE)
#define ROUND_SECONDS 180
/* What the host may take for one thing: that is not what is tested. */
#define HOST_MS 30000

/* What a page of a blob holds: the pattern of this seed, or nobody knows. */
#define UNKNOWN 0

/* What is behind handles and mappings. */
struct memory {
	unsigned int users; /* 0: none */
	uint32_t pages;
	bool guest; /* of the guest's, not in the window */
	uint32_t seeds[MAX_PAGES];
};

struct handle {
	struct memory *memory; /* NULL: none */
	struct virtgpu *client;
	struct virtgpu_blob blob;
};

struct place {
	struct memory *memory; /* NULL: nothing is mapped there */
	uint32_t pages;
	unsigned int generation;
};

struct slot {
	int number; /* -1: none */
	unsigned int place, generation;
	uint32_t pages;
};

struct player {
	uint64_t random;
	struct virtgpu clients[CLIENTS];
	struct memory memories[MEMORIES];
	struct handle handles[HANDLES];
	struct place places[PLACES];
	char *arena;
	struct kvm_guest *guest;
	struct slot slots[SLOTS];
	int pin; /* -1: none */
	/* The guest that runs in the background, over one slot: */
	pthread_t thread;
	struct slot *busy; /* NULL: none */
	atomic_bool stop;
	struct kvm_guest_result last; /* of the guest's turns */
};

/* Of the whole run; shared with all processes. */
struct report {
	/* The device is about to go; it has gone. */
	atomic_bool unplugged, gone;
	atomic_ulong steps, refused, rounds_unplugged, rounds_killed;
	/* What was compared, and what was not as it should be. */
	atomic_ulong host_words, guest_pages, turns, wrong;
	struct fuzz_done done;
	unsigned long evictions;
};

static bool ttm;
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

/* A device that is gone excuses what cannot be done, never wrong data. */
#define assert_plugged(condition, ...) \
	igt_assert_f(report->unplugged || (condition), __VA_ARGS__)

/* The parent sees it in any case. */
#define assert_data(condition, ...) \
	do { \
		const bool __right = (condition); \
		report->wrong += !__right; \
		igt_assert_f(__right, __VA_ARGS__); \
	} while (0)

/* ---- The model --------------------------------------------------------- */

static char *place_addr(struct player *p, const struct place *place)
{
	return p->arena + (place - p->places) * PLACE_SIZE;
}

/* The first from a random one on that is @used or not, or NULL. */
static struct place *find_place(struct player *p, bool used)
{
	const uint32_t start = below(p, PLACES);

	for (uint32_t i = 0; i < PLACES; i++) {
		struct place *place = &p->places[(start + i) % PLACES];

		if (!!place->memory == used)
			return place;
	}
	return NULL;
}

static struct handle *find_handle(struct player *p, bool used)
{
	const uint32_t start = below(p, HANDLES);

	for (uint32_t i = 0; i < HANDLES; i++) {
		struct handle *handle = &p->handles[(start + i) % HANDLES];

		if (!!handle->memory == used)
			return handle;
	}
	return NULL;
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

static struct memory *unused_memory(struct player *p)
{
	for (unsigned int i = 0; i < MEMORIES; i++)
		if (!p->memories[i].users)
			return &p->memories[i];
	return NULL;
}

static bool busy(const struct player *p, const struct memory *memory)
{
	return p->busy && p->places[p->busy->place].memory == memory;
}

static void forget(struct memory *memory)
{
	memset(memory->seeds, UNKNOWN, sizeof(memory->seeds));
}

/* The guest was at work there until now, if it has not had an error since. */
static void forget_if_busy(struct player *p, struct place *place)
{
	if (busy(p, place->memory))
		forget(place->memory);
}

/* Does the slot still show what it was made for? */
static bool slot_intact(const struct player *p, const struct slot *slot)
{
	return p->places[slot->place].generation == slot->generation;
}

/* ---- Steps: blobs ------------------------------------------------------ */

static bool step_create(struct player *p)
{
	static const uint32_t mems[] = {
		VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_MEM_HOST3D,
		VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_MEM_HOST3D,
		VIRTGPU_BLOB_MEM_GUEST,	 VIRTGPU_BLOB_MEM_HOST3D_GUEST,
	};
	struct handle *handle = find_handle(p, false);
	struct memory *memory = unused_memory(p);
	struct virtgpu_blob_params params;
	int ret;

	if (!handle || !memory)
		return false;
	memory->pages = 1 + below(p, below(p, 2) ? FEW_PAGES : MAX_PAGES);
	params = (struct virtgpu_blob_params){
		.size = (uint64_t)memory->pages * PAGE,
		.mem = mems[below(p, 6)],
	};
	handle->client = &p->clients[below(p, CLIENTS)];
	ret = __virtgpu_blob(handle->client, &params, &handle->blob);
	if (ret == -ENOSPC && !ttm) {
		report->refused++;
		return false;
	}
	assert_plugged(!ret, "create: %d\n", ret);
	if (ret)
		return false;
	handle->memory = memory;
	memory->users = 1;
	memory->guest = params.mem != VIRTGPU_BLOB_MEM_HOST3D;
	forget(memory);
	return true;
}

static bool step_close(struct player *p)
{
	struct handle *handle = find_handle(p, true);

	if (!handle)
		return false;
	virtgpu_blob_close(handle->client, &handle->blob);
	handle->memory->users--;
	handle->memory = NULL;
	return true;
}

/* A client that has it already would get its handle again. */
static bool has(const struct player *p, const struct virtgpu *client,
		const struct memory *memory)
{
	for (unsigned int i = 0; i < HANDLES; i++)
		if (p->handles[i].memory == memory &&
		    p->handles[i].client == client)
			return true;
	return false;
}

static bool step_import(struct player *p)
{
	struct handle *from = find_handle(p, true), *to = find_handle(p, false);
	struct virtgpu *client = &p->clients[below(p, CLIENTS)];
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
	to->memory = from->memory;
	to->memory->users++;
	return true;
}

/* A driver imports it, and its place in the window is fixed. */
static bool step_pin(struct player *p)
{
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

static bool step_unpin(struct player *p)
{
	if (p->pin < 0)
		return false;
	close(p->pin);
	p->pin = -1;
	return true;
}

/* By the kernel's mapping, which blobs in the window have none of; and back. */
static bool step_flip(struct player *p)
{
	struct handle *handle = find_handle(p, true);
	int dmabuf;

	if (!handle || !handle->memory->guest || busy(p, handle->memory))
		return false;
	dmabuf = virtgpu_blob_export(handle->client, &handle->blob);
	dmabuf_flip(dmabuf);
	dmabuf_flip(dmabuf);
	close(dmabuf);
	return true;
}

/* ---- Steps: mappings --------------------------------------------------- */

/* Addresses without a blob belong to nobody, so that no guest writes to us. */
static void reserve(char *addr, size_t size)
{
	igt_assert(mmap(addr, size, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
			-1, 0) == addr);
}

static bool step_mmap(struct player *p)
{
	struct handle *handle = find_handle(p, true);
	struct place *place = find_place(p, false);
	int dmabuf = -1;
	uint64_t offset;
	char *addr;

	if (!handle || !place)
		return false;
	addr = place_addr(p, place);
	offset = virtgpu_blob_offset(handle->client, &handle->blob);
	if (below(p, 3) == 0) {
		dmabuf = virtgpu_blob_export(handle->client, &handle->blob);
		offset = 0;
	}
	addr = mmap(addr, handle->blob.size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED,
		    dmabuf >= 0 ? dmabuf : handle->client->fd, offset);
	assert_plugged(addr == place_addr(p, place), "mmap: %s\n",
		       strerror(errno));
	if (dmabuf >= 0)
		close(dmabuf);
	*place = (struct place){
		.memory = handle->memory,
		.pages = handle->memory->pages,
		.generation = place->generation + 1,
	};
	place->memory->users++;
	return true;
}

static bool step_munmap(struct player *p)
{
	struct place *place = find_place(p, true);

	if (!place)
		return false;
	reserve(place_addr(p, place), PLACE_SIZE);
	forget_if_busy(p, place);
	place->memory->users--;
	place->memory = NULL;
	place->generation++;
	return true;
}

/*
 * Unmap the second half. Of the stock driver's mappings that are split or moved the
 * kernel complains: not here, see virtgpu_blob_window.
 */
static bool step_split(struct player *p)
{
	struct place *place = find_place(p, true);

	if (!ttm || !place || place->pages < 2)
		return false;
	place->pages /= 2;
	reserve(place_addr(p, place) + (size_t)place->pages * PAGE,
		PLACE_SIZE - (size_t)place->pages * PAGE);
	place->generation++;
	return true;
}

static bool step_mremap(struct player *p)
{
	struct place *from = find_place(p, true), *to = find_place(p, false);
	char *addr;
	size_t size;

	if (!ttm || !from || !to)
		return false;
	addr = place_addr(p, to);
	size = (size_t)from->pages * PAGE;
	igt_assert_f(mremap(place_addr(p, from), size, size,
			    MREMAP_MAYMOVE | MREMAP_FIXED, addr) == addr,
		     "mremap: %s\n", strerror(errno));
	reserve(place_addr(p, from), PLACE_SIZE);
	forget_if_busy(p, from);
	*to = (struct place){
		.memory = from->memory,
		.pages = from->pages,
		.generation = to->generation + 1,
	};
	from->memory = NULL;
	from->generation++;
	return true;
}

static volatile uint32_t *word_of(struct player *p, const struct place *place,
				  uint32_t page)
{
	return (void *)(place_addr(p, place) + (size_t)page * PAGE);
}

static bool step_write(struct player *p)
{
	struct place *place = find_place(p, true);
	const uint32_t seed = fresh_seed(p);

	if (!place || busy(p, place->memory))
		return false;
	for (uint32_t i = below(p, place->pages); i < place->pages; i++) {
		*word_of(p, place, i) = kvm_guest_word(seed, i, 0);
		place->memory->seeds[i] = seed;
	}
	return true;
}

static void verify(struct player *p, const struct place *place, const char *who)
{
	for (uint32_t i = 0; i < place->pages; i++) {
		const uint32_t seed = place->memory->seeds[i];
		const uint32_t got = *word_of(p, place, i);

		if (seed == UNKNOWN)
			continue;
		report->host_words++;
		assert_data(got == kvm_guest_word(seed, i, 0),
			    "%s read %#x, not %#x, in page %u of %u\n", who,
			    got, kvm_guest_word(seed, i, 0), i,
			    place->memory->pages);
	}
}

static bool step_verify(struct player *p)
{
	struct place *place = find_place(p, true);

	if (!place || busy(p, place->memory))
		return false;
	verify(p, place, "host");
	return true;
}

/* Others have to go. */
static bool step_touch_all(struct player *p)
{
	for (unsigned int i = 0; i < PLACES; i++)
		if (p->places[i].memory)
			(void)*word_of(p, &p->places[i], 0);
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
			if (p->places[i].memory &&
			    !busy(p, p->places[i].memory))
				verify(p, &p->places[i], "child");
		usleep(stay);
		_exit(0);
	}
	if (killed)
		kill(pid, SIGKILL);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	assert_plugged(status == 0 || (killed && status == SIGKILL),
		       "the child ended with wait status %#x\n", status);
	return true;
}

/* ---- Steps: guests ----------------------------------------------------- */

static uint64_t slot_gpa(const struct player *p, const struct slot *slot)
{
	return KVM_GUEST_GPA + (slot - p->slots) * PLACE_SIZE;
}

static bool step_slot_set(struct player *p)
{
	struct slot *slot = find_slot(p, false);
	struct place *place = find_place(p, true);
	int number;

	if (!place || !slot)
		return false;
	number = __kvm_guest_map(p->guest, slot_gpa(p, slot),
				 place_addr(p, place),
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
	struct slot *slot = find_slot(p, true);

	if (!slot)
		return false;
	kvm_guest_unmap(p->guest, slot->number);
	slot->number = -1;
	return true;
}

static struct kvm_guest_job slot_job(struct player *p, const struct slot *slot,
				     enum kvm_guest_op op, uint32_t seed)
{
	return (struct kvm_guest_job){
		.op = op,
		.gpa = slot_gpa(p, slot),
		.pages = slot->pages,
		.seed = seed,
	};
}

/* One vCPU: it is in use if there is a busy slot. */
static bool step_guest_write(struct player *p)
{
	struct slot *slot = find_slot(p, true);
	struct kvm_guest_result result;
	struct kvm_guest_job job;
	struct memory *memory;

	if (!slot || p->busy)
		return false;
	memory = p->places[slot->place].memory;
	job = slot_job(p, slot, KVM_OP_WRITE, fresh_seed(p));
	kvm_guest_run(p->guest, &job, &result);
	if (!slot_intact(p, slot)) {
		/* It wrote to whatever is there now, if anything. */
		if (memory)
			forget(memory);
		return true;
	}
	assert_plugged(result.finished, "guest: %s of %u\n",
		       kvm_guest_result_str(&result), job.pages);
	for (uint32_t i = 0; i < result.done; i++)
		memory->seeds[i] = job.seed;
	return true;
}

static bool step_guest_verify(struct player *p)
{
	struct slot *slot = find_slot(p, true);
	struct kvm_guest_result result;
	struct kvm_guest_job job;
	const uint32_t *seeds;

	if (!slot || p->busy || !slot_intact(p, slot))
		return false;
	seeds = p->places[slot->place].memory->seeds;
	job = slot_job(p, slot, KVM_OP_READ, seeds[0]);
	for (job.pages = 0; job.pages < slot->pages; job.pages++)
		if (seeds[job.pages] != seeds[0])
			break;
	if (seeds[0] == UNKNOWN || !job.pages)
		return false;
	kvm_guest_run(p->guest, &job, &result);
	report->guest_pages += result.done;
	assert_data(!result.mismatch, "guest: %s of %u\n",
		    kvm_guest_result_str(&result), job.pages);
	assert_plugged(result.finished, "guest: %s of %u\n",
		       kvm_guest_result_str(&result), job.pages);
	return true;
}

static void *background(void *arg)
{
	struct player *p = arg;
	struct kvm_guest_job job = slot_job(p, p->busy, KVM_OP_WRITE_READ, 3);

	do {
		job.seed += 2;
		kvm_guest_run(p->guest, &job, &p->last);
		report->turns += p->last.finished;
	} while (!p->stop && p->last.finished);
	return NULL;
}

static bool step_guest_start(struct player *p)
{
	struct slot *slot = find_slot(p, true);

	if (!slot || p->busy || !slot_intact(p, slot))
		return false;
	forget(p->places[slot->place].memory);
	p->busy = slot;
	p->stop = false;
	igt_assert_eq(pthread_create(&p->thread, NULL, background, p), 0);
	return true;
}

static bool step_guest_stop(struct player *p)
{
	struct slot *slot = p->busy;

	if (!slot)
		return false;
	p->stop = true;
	igt_assert_eq(pthread_join(p->thread, NULL), 0);
	if (slot_intact(p, slot)) {
		assert_data(!p->last.mismatch, "guest: %s\n",
			    kvm_guest_result_str(&p->last));
		assert_plugged(p->last.finished, "guest: %s\n",
			       kvm_guest_result_str(&p->last));
	}
	/* Others than the blob of its start may be behind it by now. */
	for (unsigned int i = 0; i < MEMORIES && !slot_intact(p, slot); i++)
		forget(&p->memories[i]);
	p->busy = NULL;
	return true;
}

/* ---- Steps: the host --------------------------------------------------- */

/* The driver learns of one answer each so many ms. */
static bool step_late_host(struct player *p)
{
	static const unsigned int ms[] = { 0, 0, 1, 4 };

	/* Nobody could be killed who waits for it in the stock driver. */
	if (!ttm || report->unplugged)
		return false;
	param_set("late_host", "every_ms", ms[below(p, 4)]);
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
	{ "munmap", step_munmap, 6 },
	{ "split", step_split, 2 },
	{ "mremap", step_mremap, 4 },
	{ "write", step_write, 14 },
	{ "verify", step_verify, 14 },
	{ "touch-all", step_touch_all, 3 },
	{ "slot-set", step_slot_set, 10 },
	{ "slot-delete", step_slot_delete, 6 },
	{ "guest-write", step_guest_write, 12 },
	{ "guest-verify", step_guest_verify, 10 },
	{ "guest-start", step_guest_start, 4 },
	{ "guest-stop", step_guest_stop, 6 },
	{ "fork", step_fork, 1 },
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

	p.random = random;
	igt_assert_eq(sigaction(SIGBUS, &action, NULL), 0);
	for (unsigned int i = 0; i < CLIENTS; i++)
		virtgpu_open(&p.clients[i], contexts[i]);
	p.arena = mmap(NULL, PLACES * PLACE_SIZE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	igt_assert(p.arena != MAP_FAILED);
	p.guest = kvm_guest_create(KVM_GUEST_FLAT32);
	for (unsigned int i = 0; i < SLOTS; i++)
		p.slots[i].number = -1;

	for (unsigned long i = 0; i < fuzz_options.steps; i++) {
		if (report->gone)
			_exit(0);
		fuzz_step(&p, &p.random, kinds, KINDS, &report->done);
		report->steps++;
	}
	/* Some of them leave all as it is. */
	if (below(&p, 3) == 0)
		_exit(0);
	step_guest_stop(&p);
	for (unsigned int i = 0; i < PLACES; i++)
		if (p.places[i].memory)
			verify(&p, &p.places[i], "host");
	kvm_guest_destroy(p.guest);
	_exit(0);
}

static pid_t start_player(uint64_t random)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	igt_assert_lte(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		play(random);
	}
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
	struct timespec start = {};

	igt_nsec_elapsed(&start);
	while (players->left) {
		igt_assert_f(igt_nsec_elapsed(&start) <
				     ROUND_SECONDS * 1000000000ull,
			     "the round does not end\n");
		look_at_players(players);
	}
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
	/* Not in the short form: a round after that did not end, see the docs. */
	const bool unplugged = ttm && fuzz_options.rounds != ROUNDS &&
			       seed % 4 == 3;
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
		"%lu rounds (%lu killed, %lu unplugged), %lu steps; %lu words and %lu pages of guests compared, %lu turns of guests; %lu blobs refused, %lu evictions\n",
		fuzz_options.rounds, report->rounds_killed,
		report->rounds_unplugged, report->steps, report->host_words,
		report->guest_pages, report->turns, report->refused,
		report->evictions);
	/* One round that is replayed need not have all of it. */
	if (fuzz_options.rounds < ROUNDS)
		return;
	igt_assert_lt_u64(0, report->host_words);
	igt_assert_lt_u64(0, report->guest_pages);
	igt_assert_lt_u64(0, report->turns);
	igt_assert_f(ttm ? report->evictions : report->refused,
		     "the window was large enough\n");
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
		igt_waitchildren_timeout(fuzz_options.rounds * ROUND_SECONDS,
					 "the mix does not end");
	}
}

int igt_main_args("", fuzz_long_options, fuzz_help, fuzz_option, NULL)
{
	subtests();
}
