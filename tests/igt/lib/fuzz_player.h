/* SPDX-License-Identifier: MIT */
/*
 * What seeded fuzzers share of their players: a process that maps memories of the driver
 * at places of its address space, knows what should be in each page of them, and has a
 * VM with one vCPU and memslots over those places.
 *
 * A program's player begins with one of these. What creates and closes memories is the
 * program's; the steps below are the same for all.
 */
#ifndef TTM_PFNMAP_FUZZ_PLAYER_H
#define TTM_PFNMAP_FUZZ_PLAYER_H

#include <pthread.h>
#include <stdatomic.h>

#include "fuzz.h"
#include "kvm.h"

#define FUZZ_PAGE KVM_GUEST_PAGE
#define FUZZ_MEMORIES 40
#define FUZZ_PLACES 24
#define FUZZ_SLOTS 6
#define FUZZ_PAGES 2048u /* of a memory, at the most */
#define FUZZ_PLACE_SIZE ((size_t)FUZZ_PAGES * FUZZ_PAGE)

/* What a page holds: the pattern of this seed, or nobody knows. */
#define FUZZ_UNKNOWN 0

/* What is behind handles and mappings. */
struct fuzz_memory {
	unsigned int users; /* handles and places; 0: there is none */
	uint32_t pages;
	uint32_t seeds[FUZZ_PAGES];
};

/* In the address space. */
struct fuzz_place {
	struct fuzz_memory *memory; /* NULL: nothing is mapped there */
	uint32_t first, pages;	    /* of the memory */
	unsigned int generation;
};

/* A memslot. */
struct fuzz_slot {
	int number; /* -1: none */
	unsigned int place, generation;
	uint32_t first, pages;
};

/* What differs between programs. */
struct fuzz_rules {
	/* A page does not hold what it should; asserts if that is a failure. */
	void (*wrong)(const char *who, uint32_t page, uint32_t got,
		      uint32_t want);
	/* May things fail (never: data be wrong), since the device is gone, say? */
	bool (*excused)(void);
	/* The same of a child that looks at what it inherited. */
	bool (*child_excused)(void);
};

struct fuzz_player {
	uint64_t random;
	const struct fuzz_rules *rules;
	struct fuzz_done *done;
	struct fuzz_memory memories[FUZZ_MEMORIES];
	struct fuzz_place places[FUZZ_PLACES];
	char *arena;
	struct kvm_guest *guest;
	struct fuzz_slot slots[FUZZ_SLOTS];
	/* The guest that runs in the background, over one slot: */
	pthread_t thread;
	struct fuzz_slot *busy; /* NULL: none, and the vCPU is free */
	atomic_bool stop;
	struct kvm_guest_result last; /* of the guest's turns */
	uint32_t last_seed;
};

/* @p: all zero. Asserts that there is memory for it. */
void fuzz_player_begin(struct fuzz_player *p, uint64_t random,
		       const struct fuzz_rules *rules, struct fuzz_done *done);
/* What is still mapped is compared. */
void fuzz_player_end(struct fuzz_player *p);

/* One step, of @count kinds. */
void fuzz_step(struct fuzz_player *p, const struct fuzz_kind *kinds,
	       size_t count);
/* A random number below @n, which is not 0. */
uint32_t fuzz_pick(struct fuzz_player *p, uint32_t n);

/* ---- For the steps of a program ---------------------------------------- */

/* One with no user yet, whose pages nobody knows, or NULL. */
struct fuzz_memory *fuzz_memory_unused(struct fuzz_player *p);
void fuzz_memory_forget(struct fuzz_memory *memory);
/* Is the guest in the background at work there? */
bool fuzz_memory_busy(const struct fuzz_player *p,
		      const struct fuzz_memory *memory);
/* The first from a random one on that is @used or not, or NULL. */
struct fuzz_place *fuzz_find_place(struct fuzz_player *p, bool used);
/* The same; not the busy one. */
struct fuzz_slot *fuzz_find_slot(struct fuzz_player *p, bool used);
/* False if it is excused that mmap() failed. */
bool fuzz_place_map(struct fuzz_player *p, struct fuzz_place *place,
		    struct fuzz_memory *memory, uint32_t first, uint32_t pages,
		    int fd, uint64_t offset);
volatile uint32_t *fuzz_place_word(struct fuzz_player *p,
				   const struct fuzz_place *place,
				   uint32_t page);
/* Where the guest has it. */
uint64_t fuzz_slot_gpa(const struct fuzz_player *p,
		       const struct fuzz_slot *slot);

/* ---- Steps; false: it could not be done -------------------------------- */

bool fuzz_munmap(struct fuzz_player *p);
/* Unmaps the second half. */
bool fuzz_split(struct fuzz_player *p);
bool fuzz_mremap(struct fuzz_player *p);
bool fuzz_write(struct fuzz_player *p);
bool fuzz_verify(struct fuzz_player *p);
/* A child that looks at what it inherited, and stays a little or is killed. */
bool fuzz_inherit(struct fuzz_player *p);
bool fuzz_slot_set(struct fuzz_player *p);
bool fuzz_slot_delete(struct fuzz_player *p);
bool fuzz_guest_write(struct fuzz_player *p);
bool fuzz_guest_verify(struct fuzz_player *p);
bool fuzz_guest_start(struct fuzz_player *p);
bool fuzz_guest_stop(struct fuzz_player *p);

#endif
