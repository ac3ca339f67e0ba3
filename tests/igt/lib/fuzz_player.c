// SPDX-License-Identifier: MIT
/*
 * Players of seeded fuzzers: see fuzz_player.h.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "fuzz_player.h"
#include "igt.h"

#define assert_unless_excused(p, condition, ...) \
	igt_assert_f((condition) || (p)->rules->excused(), __VA_ARGS__)

uint32_t fuzz_pick(struct fuzz_player *p, uint32_t n)
{
	return fuzz_below(&p->random, n);
}

static uint32_t fresh_seed(struct fuzz_player *p)
{
	/* Not FUZZ_UNKNOWN. */
	return fuzz_next(&p->random) | 1;
}

/* ---- The model --------------------------------------------------------- */

struct fuzz_memory *fuzz_memory_unused(struct fuzz_player *p)
{
	for (unsigned int i = 0; i < FUZZ_MEMORIES; i++) {
		if (p->memories[i].users)
			continue;
		fuzz_memory_forget(&p->memories[i]);
		return &p->memories[i];
	}
	return NULL;
}

void fuzz_memory_forget(struct fuzz_memory *memory)
{
	memset(memory->seeds, FUZZ_UNKNOWN, sizeof(memory->seeds));
}

bool fuzz_memory_busy(const struct fuzz_player *p,
		      const struct fuzz_memory *memory)
{
	return p->busy && p->places[p->busy->place].memory == memory;
}

struct fuzz_place *fuzz_find_place(struct fuzz_player *p, bool used)
{
	const uint32_t start = fuzz_pick(p, FUZZ_PLACES);

	for (uint32_t i = 0; i < FUZZ_PLACES; i++) {
		struct fuzz_place *place =
			&p->places[(start + i) % FUZZ_PLACES];

		if (!!place->memory == used)
			return place;
	}
	return NULL;
}

struct fuzz_slot *fuzz_find_slot(struct fuzz_player *p, bool used)
{
	const uint32_t start = fuzz_pick(p, FUZZ_SLOTS);

	for (uint32_t i = 0; i < FUZZ_SLOTS; i++) {
		struct fuzz_slot *slot = &p->slots[(start + i) % FUZZ_SLOTS];

		if ((slot->number >= 0) == used && slot != p->busy)
			return slot;
	}
	return NULL;
}

/* Does the slot still show what it was made for? */
static bool slot_intact(const struct fuzz_player *p,
			const struct fuzz_slot *slot)
{
	return p->places[slot->place].generation == slot->generation;
}

/* ---- Mappings ---------------------------------------------------------- */

static char *place_addr(struct fuzz_player *p, const struct fuzz_place *place)
{
	return p->arena + (place - p->places) * FUZZ_PLACE_SIZE;
}

volatile uint32_t *fuzz_place_word(struct fuzz_player *p,
				   const struct fuzz_place *place,
				   uint32_t page)
{
	return (void *)(place_addr(p, place) + (size_t)page * FUZZ_PAGE);
}

/* Addresses without a memory belong to nobody, so that no guest writes to us. */
static void reserve(char *addr, size_t size)
{
	igt_assert(mmap(addr, size, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
			-1, 0) == addr);
}

bool fuzz_place_map(struct fuzz_player *p, struct fuzz_place *place,
		    struct fuzz_memory *memory, uint32_t first, uint32_t pages,
		    int fd, uint64_t offset)
{
	char *addr = place_addr(p, place);

	if (mmap(addr, (size_t)pages * FUZZ_PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, fd, offset) != addr) {
		assert_unless_excused(p, false, "mmap: %s\n", strerror(errno));
		reserve(addr, FUZZ_PLACE_SIZE);
		return false;
	}
	*place = (struct fuzz_place){
		.memory = memory,
		.first = first,
		.pages = pages,
		.generation = place->generation + 1,
	};
	memory->users++;
	return true;
}

/* The guest was at work there until now, if it has not had an error since. */
static void forget_if_busy(struct fuzz_player *p, struct fuzz_place *place)
{
	if (fuzz_memory_busy(p, place->memory))
		fuzz_memory_forget(place->memory);
}

bool fuzz_munmap(struct fuzz_player *p)
{
	struct fuzz_place *place = fuzz_find_place(p, true);

	if (!place)
		return false;
	reserve(place_addr(p, place), FUZZ_PLACE_SIZE);
	forget_if_busy(p, place);
	place->memory->users--;
	place->memory = NULL;
	place->generation++;
	return true;
}

bool fuzz_split(struct fuzz_player *p)
{
	struct fuzz_place *place = fuzz_find_place(p, true);
	size_t size;

	if (!place || place->pages < 2)
		return false;
	place->pages /= 2;
	size = (size_t)place->pages * FUZZ_PAGE;
	reserve(place_addr(p, place) + size, FUZZ_PLACE_SIZE - size);
	place->generation++;
	return true;
}

bool fuzz_mremap(struct fuzz_player *p)
{
	struct fuzz_place *from = fuzz_find_place(p, true);
	struct fuzz_place *to = fuzz_find_place(p, false);
	char *addr;
	size_t size;

	if (!from || !to)
		return false;
	addr = place_addr(p, to);
	size = (size_t)from->pages * FUZZ_PAGE;
	igt_assert_f(mremap(place_addr(p, from), size, size,
			    MREMAP_MAYMOVE | MREMAP_FIXED, addr) == addr,
		     "mremap: %s\n", strerror(errno));
	reserve(place_addr(p, from), FUZZ_PLACE_SIZE);
	forget_if_busy(p, from);
	*to = (struct fuzz_place){
		.memory = from->memory,
		.first = from->first,
		.pages = from->pages,
		.generation = to->generation + 1,
	};
	from->memory = NULL;
	from->generation++;
	return true;
}

bool fuzz_write(struct fuzz_player *p)
{
	struct fuzz_place *place = fuzz_find_place(p, true);
	const uint32_t seed = fresh_seed(p);

	if (!place || fuzz_memory_busy(p, place->memory))
		return false;
	for (uint32_t i = fuzz_pick(p, place->pages); i < place->pages; i++) {
		const uint32_t page = place->first + i;

		*fuzz_place_word(p, place, i) = kvm_guest_word(seed, page, 0);
		place->memory->seeds[page] = seed;
	}
	return true;
}

static void verify(struct fuzz_player *p, const struct fuzz_place *place,
		   const char *who)
{
	for (uint32_t i = 0; i < place->pages; i++) {
		const uint32_t page = place->first + i;
		const uint32_t seed = place->memory->seeds[page];
		const uint32_t want = kvm_guest_word(seed, page, 0);
		const uint32_t got = *fuzz_place_word(p, place, i);

		if (seed == FUZZ_UNKNOWN)
			continue;
		p->done->host_words++;
		if (got != want)
			p->rules->wrong(who, page, got, want);
	}
}

static void verify_all(struct fuzz_player *p, const char *who)
{
	for (unsigned int i = 0; i < FUZZ_PLACES; i++)
		if (p->places[i].memory &&
		    !fuzz_memory_busy(p, p->places[i].memory))
			verify(p, &p->places[i], who);
}

bool fuzz_verify(struct fuzz_player *p)
{
	struct fuzz_place *place = fuzz_find_place(p, true);

	if (!place || fuzz_memory_busy(p, place->memory))
		return false;
	verify(p, place, "host");
	return true;
}

bool fuzz_inherit(struct fuzz_player *p)
{
	const uint32_t stay = fuzz_pick(p, 20000), killed = fuzz_pick(p, 2);
	int status;
	pid_t pid = child_fork();

	if (!pid) {
		verify_all(p, "child");
		usleep(stay);
		_exit(0);
	}
	if (killed)
		kill(pid, SIGKILL);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_f(!status || (killed && status == SIGKILL) ||
			     p->rules->child_excused(),
		     "the child ended with wait status %#x\n", status);
	return true;
}

/* ---- The guest --------------------------------------------------------- */

uint64_t fuzz_slot_gpa(const struct fuzz_player *p,
		       const struct fuzz_slot *slot)
{
	return KVM_GUEST_GPA + (slot - p->slots) * FUZZ_PLACE_SIZE;
}

bool fuzz_slot_set(struct fuzz_player *p)
{
	struct fuzz_slot *slot = fuzz_find_slot(p, false);
	struct fuzz_place *place = fuzz_find_place(p, true);
	int number;

	if (!place || !slot)
		return false;
	number = __kvm_guest_map(p->guest, fuzz_slot_gpa(p, slot),
				 place_addr(p, place),
				 (uint64_t)place->pages * FUZZ_PAGE, false);
	igt_assert_lte(0, number);
	*slot = (struct fuzz_slot){
		.number = number,
		.place = place - p->places,
		.generation = place->generation,
		.first = place->first,
		.pages = place->pages,
	};
	return true;
}

bool fuzz_slot_delete(struct fuzz_player *p)
{
	struct fuzz_slot *slot = fuzz_find_slot(p, true);

	if (!slot)
		return false;
	kvm_guest_unmap(p->guest, slot->number);
	slot->number = -1;
	return true;
}

static struct kvm_guest_job slot_job(const struct fuzz_player *p,
				     const struct fuzz_slot *slot,
				     enum kvm_guest_op op, uint32_t seed)
{
	return (struct kvm_guest_job){
		.op = op,
		.gpa = fuzz_slot_gpa(p, slot),
		.first = slot->first,
		.pages = slot->pages,
		.seed = seed,
	};
}

/* Nothing leads it out of its code: a CPU that does not do what it should. */
static void assert_not_lost(struct fuzz_player *p,
			    const struct kvm_guest_result *result)
{
	if (result->err != -ENOTRECOVERABLE)
		return;
	p->done->guests_lost++;
	igt_assert_f(false, "the guest is at %#llx, not in its code\n",
		     (unsigned long long)result->detail);
}

static void assert_finished(struct fuzz_player *p,
			    const struct kvm_guest_result *result)
{
	assert_unless_excused(p, result->finished, "guest: %s\n",
			      kvm_guest_result_str(result));
}

bool fuzz_guest_write(struct fuzz_player *p)
{
	struct fuzz_slot *slot = fuzz_find_slot(p, true);
	struct kvm_guest_result result;
	struct kvm_guest_job job;
	struct fuzz_memory *memory;

	if (!slot || p->busy)
		return false;
	memory = p->places[slot->place].memory;
	job = slot_job(p, slot, KVM_OP_WRITE, fresh_seed(p));
	kvm_guest_run(p->guest, &job, &result);
	assert_not_lost(p, &result);
	if (!slot_intact(p, slot)) {
		/* It wrote to whatever is there now, if anything. */
		if (memory)
			fuzz_memory_forget(memory);
		return true;
	}
	for (uint32_t i = 0; i < result.done; i++)
		memory->seeds[job.first + i] = job.seed;
	assert_finished(p, &result);
	return true;
}

bool fuzz_guest_verify(struct fuzz_player *p)
{
	struct fuzz_slot *slot = fuzz_find_slot(p, true);
	struct kvm_guest_result result;
	struct kvm_guest_job job;
	const uint32_t *seeds;

	if (!slot || p->busy || !slot_intact(p, slot))
		return false;
	seeds = &p->places[slot->place].memory->seeds[slot->first];
	job = slot_job(p, slot, KVM_OP_READ, seeds[0]);
	for (job.pages = 0; job.pages < slot->pages; job.pages++)
		if (seeds[job.pages] != seeds[0])
			break;
	if (seeds[0] == FUZZ_UNKNOWN)
		return false;
	kvm_guest_run(p->guest, &job, &result);
	assert_not_lost(p, &result);
	p->done->guest_pages += result.done;
	if (result.mismatch)
		p->rules->wrong("guest", slot->first + result.bad_page,
				result.bad_value,
				kvm_guest_word(job.seed,
					       slot->first + result.bad_page,
					       0));
	else
		assert_finished(p, &result);
	return true;
}

static void *background(void *arg)
{
	struct fuzz_player *p = arg;
	struct kvm_guest_job job = slot_job(p, p->busy, KVM_OP_WRITE_READ, 3);

	do {
		job.seed += 2;
		p->last_seed = job.seed;
		kvm_guest_run(p->guest, &job, &p->last);
		p->done->guest_turns += p->last.finished;
	} while (!p->stop && p->last.finished);
	return NULL;
}

bool fuzz_guest_start(struct fuzz_player *p)
{
	struct fuzz_slot *slot = fuzz_find_slot(p, true);

	if (!slot || p->busy || !slot_intact(p, slot))
		return false;
	fuzz_memory_forget(p->places[slot->place].memory);
	p->busy = slot;
	p->stop = false;
	igt_assert_eq(pthread_create(&p->thread, NULL, background, p), 0);
	return true;
}

bool fuzz_guest_stop(struct fuzz_player *p)
{
	struct fuzz_slot *slot = p->busy;

	if (!slot)
		return false;
	p->stop = true;
	igt_assert_eq(pthread_join(p->thread, NULL), 0);
	assert_not_lost(p, &p->last);
	if (slot_intact(p, slot) && p->last.mismatch)
		p->rules->wrong("guest", slot->first + p->last.bad_page,
				p->last.bad_value,
				kvm_guest_word(p->last_seed,
					       slot->first + p->last.bad_page,
					       0));
	else if (slot_intact(p, slot))
		assert_finished(p, &p->last);
	/* Others than the memory of its start may be behind it by now. */
	for (unsigned int i = 0; i < FUZZ_MEMORIES && !slot_intact(p, slot);
	     i++)
		fuzz_memory_forget(&p->memories[i]);
	p->busy = NULL;
	return true;
}

/* ---- Its life ---------------------------------------------------------- */

void fuzz_player_begin(struct fuzz_player *p, uint64_t random,
		       const struct fuzz_rules *rules, struct fuzz_done *done)
{
	p->random = random;
	p->rules = rules;
	p->done = done;
	p->arena = mmap(NULL, FUZZ_PLACES * FUZZ_PLACE_SIZE, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	igt_assert(p->arena != MAP_FAILED);
	p->guest = kvm_guest_create(KVM_GUEST_FLAT32);
	p->guest->watched = true;
	for (unsigned int i = 0; i < FUZZ_SLOTS; i++)
		p->slots[i].number = -1;
}

void fuzz_player_end(struct fuzz_player *p)
{
	fuzz_guest_stop(p);
	verify_all(p, "host");
	kvm_guest_destroy(p->guest);
}

void fuzz_step(struct fuzz_player *p, const struct fuzz_kind *kinds,
	       size_t count)
{
	unsigned int total = 0, i;
	uint32_t n;

	for (i = 0; i < count; i++)
		total += kinds[i].weight;
	n = fuzz_pick(p, total);
	for (i = 0; n >= kinds[i].weight; i++)
		n -= kinds[i].weight;
	if (kinds[i].step(p))
		p->done->steps[i]++;
}
