// SPDX-License-Identifier: MIT
/*
 * Seeded fuzzers: see fuzz.h.
 */
#include <dirent.h>

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

void fuzz_tell_done(const struct fuzz_done *done, const struct fuzz_kind *kinds,
		    size_t count)
{
	for (size_t i = 0; i < count; i++)
		igt_info("%s%s %lu", i ? ", " : "", kinds[i].name,
			 done->steps[i]);
	igt_info(
		"\n%lu words and %lu pages of guests compared, %lu turns of guests\n",
		done->host_words, done->guest_pages, done->guest_turns);
}

void fuzz_assert_done(const struct fuzz_done *done,
		      const struct fuzz_kind *kinds, size_t count)
{
	/* What is seldom is sure to come in many rounds alone. */
	for (size_t i = 0; i < count; i++)
		igt_assert_f(done->steps[i] || (kinds[i].weight == 1 &&
						fuzz_options.rounds < 50),
			     "no step of the kind %s was done\n",
			     kinds[i].name);
	igt_assert_lt_u64(0, done->host_words);
	igt_assert_lt_u64(0, done->guest_pages);
	igt_assert_lt_u64(0, done->guest_turns);
	igt_assert_eq_u64(done->guests_lost, 0);
}

/* A file of /proc, indented. */
static void tell_file(const char *dir, const char *name)
{
	char path[128], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "%.100s/%s", dir, name);
	file = fopen(path, "r");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		igt_info("    %s", line);
	fclose(file);
}

static void tell_children(const char *dir)
{
	char path[64];
	FILE *file;
	int pid;

	snprintf(path, sizeof(path), "%.50s/children", dir);
	file = fopen(path, "r");
	if (!file)
		return;
	while (fscanf(file, "%d", &pid) == 1)
		fuzz_tell_where(pid);
	fclose(file);
}

void fuzz_tell_where(pid_t pid)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (*entry->d_name == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s", pid,
			 entry->d_name);
		igt_info("process %d, thread %s\n", pid, entry->d_name);
		tell_file(path, "stat");
		tell_file(path, "syscall");
		tell_file(path, "stack");
		tell_children(path);
	}
	closedir(dir);
}
