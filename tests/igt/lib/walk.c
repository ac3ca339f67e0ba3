// SPDX-License-Identifier: MIT
/*
 * A buffer as guest memory, in words: see walk.h.
 */
#include <stdio.h>
#include <string.h>

#include "igt.h"
#include "walk.h"

#define WALK_SEED 0x5eed0001

static struct kvm_guest_job walk_job(enum kvm_guest_op op, size_t size,
				     uint32_t seed)
{
	return (struct kvm_guest_job){
		.op = op,
		.gpa = KVM_GUEST_GPA,
		.pages = size / KVM_GUEST_PAGE,
		.words = KVM_GUEST_WORDS,
		.seed = seed,
	};
}

static void say_result(const char *what, const struct kvm_guest_result *result)
{
	printf("%s_pages %u\n", what, result->done);
	printf("%s_result %s\n", what,
	       result->err	? strerror(-result->err) :
	       result->mismatch ? "wrong data" :
	       result->finished ? "ok" :
				  kvm_guest_result_str(result));
	printf("%s_retries %u\n", what, result->retries);
}

static uint64_t count_right(const uint32_t *map, size_t size, uint32_t seed)
{
	uint64_t right = 0;

	for (uint32_t page = 0; page < size / KVM_GUEST_PAGE; page++)
		for (uint32_t word = 0; word < KVM_GUEST_WORDS; word++)
			right += *map++ == kvm_guest_word(seed, page, word);
	return right;
}

struct kvm_guest *walk_memory(uint32_t *map, size_t size)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	struct kvm_guest_job job = walk_job(KVM_OP_WRITE_READ, size, WALK_SEED);
	struct kvm_guest_result result;

	kvm_guest_map(guest, KVM_GUEST_GPA, map, size);
	kvm_guest_run(guest, &job, &result);
	say_result("walk", &result);
	printf("words_right %llu\n",
	       (unsigned long long)count_right(map, size, WALK_SEED));

	job = walk_job(KVM_OP_READ, size, ~WALK_SEED);
	kvm_host_write(map, &job);
	walk_again(guest, "back", size);
	return guest;
}

void walk_again(struct kvm_guest *guest, const char *what, size_t size)
{
	struct kvm_guest_job job = walk_job(KVM_OP_READ, size, ~WALK_SEED);
	struct kvm_guest_result result;

	kvm_guest_run(guest, &job, &result);
	say_result(what, &result);
	fflush(stdout);
}
