// SPDX-License-Identifier: MIT
/*
 * Seeded fuzzers: see fuzz.h.
 */
#include "fuzz.h"
#include "igt.h"

struct fuzz_options fuzz_options = { .seed = 1 };

const struct option fuzz_long_options[] = {
	{ "seed", required_argument, NULL, 0 },
	{ "rounds", required_argument, NULL, 1 },
	{ "steps", required_argument, NULL, 2 },
	{},
};

const char fuzz_help[] = "  --seed=N\tof the first round\n"
			 "  --rounds=N\tone after another\n"
			 "  --steps=N\tof each process in a round\n";

int fuzz_option(int opt, int index, void *data)
{
	unsigned long *const values[] = { &fuzz_options.seed,
					  &fuzz_options.rounds,
					  &fuzz_options.steps };
	char *end;

	(void)index;
	(void)data;
	if (opt < 0 || opt > 2)
		return -2;
	*values[opt] = strtoul(optarg, &end, 0);
	return *optarg && !*end ? 0 : -2;
}

void fuzz_defaults(unsigned long rounds, unsigned long steps)
{
	if (!fuzz_options.rounds)
		fuzz_options.rounds = rounds;
	if (!fuzz_options.steps)
		fuzz_options.steps = steps;
}

void fuzz_tell_round(unsigned long round)
{
	igt_info("round %lu: --seed=%lu --steps=%lu --rounds=1\n", round,
		 fuzz_options.seed + round, fuzz_options.steps);
}

/* splitmix64 */
uint64_t fuzz_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint32_t fuzz_below(uint64_t *state, uint32_t n)
{
	return fuzz_next(state) % n;
}

void fuzz_step(struct player *player, uint64_t *state,
	       const struct fuzz_kind *kinds, size_t count,
	       struct fuzz_done *done)
{
	unsigned int total = 0, i;
	uint32_t n;

	for (i = 0; i < count; i++)
		total += kinds[i].weight;
	n = fuzz_below(state, total);
	for (i = 0; n >= kinds[i].weight; i++)
		n -= kinds[i].weight;
	if (kinds[i].step(player))
		done->steps[i]++;
}

void fuzz_tell_done(const struct fuzz_done *done, const struct fuzz_kind *kinds,
		    size_t count)
{
	for (size_t i = 0; i < count; i++)
		igt_info("%s%s %lu", i ? ", " : "", kinds[i].name,
			 done->steps[i]);
	igt_info("\n");
}
