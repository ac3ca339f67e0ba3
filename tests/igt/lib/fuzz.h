/* SPDX-License-Identifier: MIT */
/*
 * What seeded fuzzers share: numbers that a seed decides, which step is next, and the
 * options of a program. Round n of --seed=S is the same as round 0 of --seed=S+n.
 */
#ifndef TTM_PFNMAP_FUZZ_H
#define TTM_PFNMAP_FUZZ_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fuzz_options {
	unsigned long seed; /* of the first round */
	unsigned long rounds, steps;
};

extern struct fuzz_options fuzz_options;

/* For igt_main_args(). */
extern const struct option fuzz_long_options[];
extern const char fuzz_help[];
int fuzz_option(int opt, int index, void *data);
/* What was not given is so many. */
void fuzz_defaults(unsigned long rounds, unsigned long steps);

/* How to replay one round. */
void fuzz_tell_round(unsigned long round);

/* A random number; @state is a seed first. */
uint64_t fuzz_next(uint64_t *state);
/* One below @n, which is not 0. */
uint32_t fuzz_below(uint64_t *state, uint32_t n);

/* Who does the steps: see fuzz_player.h. */
struct fuzz_player;

/* One kind of step, and how often it is to come beside the others. */
struct fuzz_kind {
	const char *name;
	bool (*step)(
		struct fuzz_player *player); /* false: it could not be done */
	unsigned int weight;
};

/* How much was done; shared by all processes. */
struct fuzz_done {
	_Atomic unsigned long steps[32]; /* of each kind */
	/* What was compared, and how often guests in the background were through. */
	_Atomic unsigned long host_words, guest_pages, guest_turns;
	/* Guests that were not where their code is, which nothing excuses. */
	_Atomic unsigned long guests_lost;
};

/* A line of the kinds, and one of what was compared. */
void fuzz_tell_done(const struct fuzz_done *done, const struct fuzz_kind *kinds,
		    size_t count);

/*
 * Asserts that each kind of step was done, that something of each kind was compared, and
 * that few guests were lost.
 */
void fuzz_assert_done(const struct fuzz_done *done,
		      const struct fuzz_kind *kinds, size_t count);

/* What the threads of a process and of its children are at, for who looks for a hang. */
void fuzz_tell_where(pid_t pid);

#endif
