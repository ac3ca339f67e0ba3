// SPDX-License-Identifier: MIT
/*
 * The demo's program in the VM: one 64 MiB TTM BO as a KVM guest's memory. The
 * guest writes and reads back every word; the host reads what it wrote, writes
 * something else, and lets the guest verify that.
 *
 * Prints "key value" lines for demo.sh, and judges nothing: the same binary
 * runs with the stock ttm.ko and with ours.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "igt.h"
#include "kvm_bo.h"

#define DEMO_SIZE KVM_BO_MIB(64)
#define DEMO_SEED 0x5eed0001

static void say_counts(const char *when, int fd, uint32_t handle)
{
	struct drm_vttm_info info;

	vttm_info(fd, handle, &info);
	printf("%s_pages_zero %llu\n", when,
	       (unsigned long long)info.count_zero);
	printf("%s_pages_one %llu\n", when, (unsigned long long)info.count_one);
	printf("%s_pages_other %llu\n", when,
	       (unsigned long long)info.count_other);
	printf("%s_pages_reserved %llu\n", when,
	       (unsigned long long)info.reserved);
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

static uint64_t count_right(const uint32_t *map, uint32_t seed)
{
	uint64_t right = 0;

	for (uint32_t page = 0; page < DEMO_SIZE / KVM_GUEST_PAGE; page++)
		for (uint32_t word = 0; word < KVM_GUEST_WORDS; word++)
			right += *map++ == kvm_guest_word(seed, page, word);
	return right;
}

static void say_quarantine(void)
{
	struct vttm_counters left;

	if (__vttm_counters(NULL, &left))
		return; /* stock ttm.ko has none */
	__vttm_wait_quarantine_empty(10);
	__vttm_counters(NULL, &left);
	printf("left_marked %llu\n", (unsigned long long)left.pages_marked);
	printf("left_quarantined %llu\n",
	       (unsigned long long)left.pages_quarantined);
	printf("left_leaked %llu\n", (unsigned long long)left.pages_leaked);
	printf("retired %llu\n", (unsigned long long)left.pages_retired);
}

/* In a process of its own: pages may stay until the VMM is gone. */
static void walk(int fd)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	uint32_t handle = vttm_create(fd, DEMO_SIZE, VTTM_BO_CACHED);
	uint32_t *map = vttm_mmap(fd, handle, DEMO_SIZE);
	struct kvm_guest_job job = {
		.op = KVM_OP_WRITE_READ,
		.gpa = KVM_GUEST_GPA,
		.pages = DEMO_SIZE / KVM_GUEST_PAGE,
		.words = KVM_GUEST_WORDS,
		.seed = DEMO_SEED,
	};
	struct kvm_guest_result result;

	map[0] = 0; /* a first touch, so that the pages exist */
	say_counts("before", fd, handle);
	kvm_guest_map(guest, KVM_GUEST_GPA, map, DEMO_SIZE);

	kvm_guest_run(guest, &job, &result);
	say_result("walk", &result);
	printf("words_right %llu\n",
	       (unsigned long long)count_right(map, DEMO_SEED));

	job.op = KVM_OP_READ;
	job.seed = ~DEMO_SEED;
	kvm_host_write(map, &job);
	kvm_guest_run(guest, &job, &result);
	say_result("back", &result);
	say_counts("after", fd, handle);
	fflush(stdout);
}

int igt_simple_main()
{
	struct utsname name;
	int fd = __vttm_open(VTTM_MODE);

	if (fd < 0)
		fd = vttm_open(VTTM_STOCK);
	uname(&name);
	printf("kernel %s\n", name.release);
	printf("pages %zu\n", DEMO_SIZE / KVM_GUEST_PAGE);
	printf("words %zu\n", DEMO_SIZE / sizeof(uint32_t));
	fflush(stdout);

	igt_fork(vmm, 1) walk(fd);
	igt_waitchildren();
	close(fd);
	say_quarantine();
	printf("done 1\n");
}
