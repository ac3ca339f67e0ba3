// SPDX-License-Identifier: MIT
/*
 * gpu_check COUNT: that many 4 MiB blobs of virgl, all mapped at once, and the GPU
 * as the witness of what the mappings show: the CPU writes through a mapping and the
 * GPU copies the blob into a buffer that is no blob; such a buffer is copied into the
 * blob and the CPU reads the mapping. (What the CPU wrote and read back might be any
 * memory.) Says when all are mapped, then what is wrong. For guest/chain.sh.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "igt.h"
#include "virtgpu.h"

#define BLOB (4u << 20)
#define WORDS (BLOB / 4)
#define MAX_BLOBS 256
#define ROUNDS 2

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

static unsigned long cpu_to_gpu(unsigned int count, uint32_t seed)
{
	unsigned long wrong = 0;

	for (unsigned int i = 0; i < count; i++)
		fill(map[i], seed + i);
	for (unsigned int i = 0; i < count; i++) {
		virtgpu_copy(&gpu, &blob[i], &buffer);
		virtgpu_download(&gpu, &buffer);
		wrong += wrong_words(buffer_map, seed + i);
	}
	return wrong;
}

static unsigned long gpu_to_cpu(unsigned int count, uint32_t seed)
{
	unsigned long wrong = 0;

	for (unsigned int i = 0; i < count; i++) {
		fill(buffer_map, seed + i);
		virtgpu_upload(&gpu, &buffer);
		virtgpu_copy(&gpu, &buffer, &blob[i]);
	}
	for (unsigned int i = 0; i < count; i++)
		wrong += wrong_words(map[i], seed + i);
	return wrong;
}

int main(int argc, char **argv)
{
	unsigned int wanted = argc == 2 ? atoi(argv[1]) : 0, count = 0;
	unsigned long wrong_cpu = 0, wrong_gpu = 0;
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
	for (uint32_t round = 0; round < ROUNDS; round++) {
		wrong_cpu += cpu_to_gpu(count, 2 * round * MAX_BLOBS + 1);
		wrong_gpu += gpu_to_cpu(count, (2 * round + 1) * MAX_BLOBS + 1);
	}
	printf("checked=%u wrong-from-cpu=%lu wrong-from-gpu=%lu\n", count,
	       wrong_cpu, wrong_gpu);
	return 0;
}
