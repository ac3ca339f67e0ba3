// SPDX-License-Identifier: MIT
/*
 * gpu_check COUNT: that many 4 MiB blobs of virgl, all mapped at once, and the GPU
 * as the witness of what the mappings show: the CPU writes through a mapping and the
 * GPU copies the blob into a buffer that is no blob; such a buffer is copied into the
 * blob and the CPU reads the mapping. (What the CPU wrote and read back might be any
 * memory.) Meanwhile a second thread counts in a word of the first blob: it never stops
 * using that page, and who takes it away without a word corrupts another blob.
 * Says when all are mapped, then what is wrong. For guest/chain.sh.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "virtgpu.h"

#define BLOB (4u << 20)
#define WORDS (BLOB / 4)
#define MAX_BLOBS 256
#define COUNTER (WORDS / 2)
#define BURST 65536

static struct virtgpu gpu;
static struct virtgpu_blob blob[MAX_BLOBS], buffer;
static uint32_t *map[MAX_BLOBS], *buffer_map;

static void fill(uint32_t *words, uint32_t seed)
{
	for (uint32_t i = 0; i < WORDS; i++)
		words[i] = seed * 0x9e3779b1u ^ i * 0x85ebca77u;
}

static unsigned long wrong_words(const uint32_t *words, uint32_t seed)
{
	unsigned long wrong = 0;

	for (uint32_t i = 0; i < WORDS; i++)
		wrong += words[i] != (seed * 0x9e3779b1u ^ i * 0x85ebca77u);
	return wrong;
}

static int make(unsigned int i)
{
	struct virtgpu_blob_params params = { .size = BLOB };
	int ret = __virtgpu_blob(&gpu, &params, &blob[i]);

	return ret ?: __virtgpu_blob_mmap(&gpu, &blob[i], (void **)&map[i]);
}

/* What the GPU sees of a blob, in the buffer's mapping. */
static void look_at(const struct virtgpu_blob *seen)
{
	virtgpu_copy(&gpu, seen, &buffer);
	virtgpu_download(&gpu, &buffer);
}

static unsigned long cpu_to_gpu(unsigned int count, uint32_t seed)
{
	unsigned long wrong = 0;

	for (unsigned int i = 1; i < count; i++)
		fill(map[i], seed + i);
	for (unsigned int i = 1; i < count; i++) {
		look_at(&blob[i]);
		wrong += wrong_words(buffer_map, seed + i);
	}
	return wrong;
}

static unsigned long gpu_to_cpu(unsigned int count, uint32_t seed)
{
	unsigned long wrong = 0;

	for (unsigned int i = 1; i < count; i++) {
		fill(buffer_map, seed + i);
		virtgpu_upload(&gpu, &buffer);
		virtgpu_copy(&gpu, &buffer, &blob[i]);
	}
	for (unsigned int i = 1; i < count; i++)
		wrong += wrong_words(map[i], seed + i);
	return wrong;
}

static atomic_bool stop;
static uint32_t counted;
static unsigned long miscounted;

static void *keep_counting(void *unused)
{
	volatile uint32_t *word = &map[0][COUNTER];

	*word = 0;
	while (!stop) {
		for (int i = 0; i < BURST; i++, counted++) {
			miscounted += *word != counted;
			*word = counted + 1;
		}
		usleep(1000);
	}
	return unused;
}

/* Also if the GPU sees another number at last. */
static unsigned long end_counting(pthread_t thread)
{
	stop = true;
	igt_assert_eq(pthread_join(thread, NULL), 0);
	look_at(&blob[0]);
	return miscounted + (buffer_map[COUNTER] != counted);
}

static void check(unsigned int count)
{
	unsigned long wrong_cpu, wrong_gpu, wrong_count;
	pthread_t thread;

	igt_assert_eq(pthread_create(&thread, NULL, keep_counting, NULL), 0);
	wrong_cpu = cpu_to_gpu(count, 1);
	wrong_gpu = gpu_to_cpu(count, 1 + MAX_BLOBS);
	wrong_count = end_counting(thread);
	printf("counted=%u wrong-from-cpu=%lu wrong-from-gpu=%lu miscounted=%lu\n",
	       counted, wrong_cpu, wrong_gpu, wrong_count);
}

int main(int argc, char **argv)
{
	unsigned int wanted = argc == 2 ? atoi(argv[1]) : 0, count = 0;
	int ret = 0;

	if (!wanted || wanted > MAX_BLOBS) {
		fprintf(stderr, "usage: %s COUNT\n", argv[0]);
		return 2;
	}
	virtgpu_open(&gpu, VIRTGPU_VIRGL);
	virtgpu_buffer(&gpu, BLOB, &buffer);
	buffer_map = virtgpu_blob_mmap(&gpu, &buffer);
	while (count < wanted && !ret) {
		ret = make(count);
		count += !ret;
	}
	printf("mapped=%u error=%d\n", count, -ret);
	fflush(stdout);
	if (count)
		check(count);
	return 0;
}
