/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the Mesa programs share: buffers that the GPU fills and the CPU checks
 * through mappings that stay, until one cannot be had.
 */
#ifndef TTM_PFNMAP_MESA_CHECK_H
#define TTM_PFNMAP_MESA_CHECK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_SIZE (4u << 20)
#define BUFFER_WORDS (BUFFER_SIZE / 4)
#define MAX_BUFFERS 1024
#define THREADS 4

/*
 * What the GPU writes into every word of a buffer, and then the CPU. No two programs
 * that run at the same time write the same.
 */
static inline uint32_t gpu_word(unsigned int buffer)
{
	return 0x9e3779b1u * (buffer + 1) ^ (uint32_t)getpid();
}

static inline uint32_t cpu_word(unsigned int buffer)
{
	return ~gpu_word(buffer);
}

static inline void fill_words(uint32_t *map, uint32_t word)
{
	for (unsigned int i = 0; i < BUFFER_WORDS; i++)
		map[i] = word;
}

static inline unsigned long wrong_words(const uint32_t *map, uint32_t word)
{
	unsigned long wrong = 0;

	for (unsigned int i = 0; i < BUFFER_WORDS; i++)
		wrong += map[i] != word;
	return wrong;
}

/* What was wrong with each buffer. */
static unsigned long wrong_in[MAX_BUFFERS];

/* A program's mapping of a buffer. */
static uint32_t *map_of(unsigned int buffer);

/* Buffers @first, @first + THREADS, ...: is @word(i) all that buffer @from + i holds? */
struct check_thread {
	pthread_t thread;
	unsigned int first, from, count;
	uint32_t (*word)(unsigned int buffer);
	unsigned long wrong;
};

static inline void *check_some(void *arg)
{
	struct check_thread *check = arg;

	for (unsigned int i = check->first; i < check->count; i += THREADS) {
		unsigned int buffer = check->from + i;
		unsigned long wrong =
			wrong_words(map_of(buffer), check->word(i));

		wrong_in[buffer] += wrong;
		check->wrong += wrong;
	}
	return NULL;
}

/* By threads, which compete for the window. */
static inline unsigned long wrong_buffers(unsigned int from, unsigned int count,
					  uint32_t (*word)(unsigned int buffer))
{
	struct check_thread checks[THREADS];
	unsigned long wrong = 0;

	for (unsigned int i = 0; i < THREADS; i++) {
		checks[i] = (struct check_thread){
			.first = i, .from = from, .count = count, .word = word
		};
		if (pthread_create(&checks[i].thread, NULL, check_some,
				   &checks[i])) {
			fprintf(stderr, "no thread\n");
			exit(1);
		}
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(checks[i].thread, NULL);
		wrong += checks[i].wrong;
	}
	/* At once, in case that it does not come to report(). */
	if (wrong)
		fprintf(stderr, "%lu words are wrong\n", wrong);
	return wrong;
}

static inline unsigned int wanted_buffers(int argc, char **argv)
{
	long count = argc == 2 ? strtol(argv[1], NULL, 0) : 0;

	if (count < 1 || count > MAX_BUFFERS) {
		fprintf(stderr, "usage: %s NUMBER (of 4 MiB buffers)\n",
			argv[0]);
		exit(2);
	}
	/* What was said is not to be lost if a driver calls abort(). */
	setvbuf(stdout, NULL, _IOLBF, 0);
	return count;
}

/*
 * A character for each buffer, for the demo's picture: every word verified, one
 * wrong, mapped and no more, not mapped.
 */
static inline void show_buffers(unsigned int mapped, unsigned int wanted,
				bool verified)
{
	printf("buffers ");
	for (unsigned int i = 0; i < wanted; i++)
		putchar(i >= mapped ? '-' :
			!verified   ? 'm' :
			wrong_in[i] ? 'w' :
				      'v');
	putchar('\n');
}

/*
 * The program's answer, for guest/mesa.sh. @error is that of the first buffer that
 * could not be mapped.
 */
static inline int report(unsigned int mapped, long error,
			 unsigned long wrong_gpu, unsigned long wrong_cpu)
{
	printf("mapped=%u error=%ld wrong-from-gpu=%lu wrong-from-cpu=%lu\n",
	       mapped, error, wrong_gpu, wrong_cpu);
	return 0;
}

#endif
