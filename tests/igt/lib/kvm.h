/* SPDX-License-Identifier: MIT */
/*
 * A KVM guest with one vCPU that touches memory: 32-bit flat protected mode
 * without paging, real mode with 4 GiB segments, or long mode. Its code and
 * parameters lie in ordinary memory at guest physical 0; the memory under test
 * is put elsewhere by kvm_guest_map().
 *
 * kvm_guest_run() asserts nothing and may be called in any thread.
 */
#ifndef TTM_PFNMAP_KVM_H
#define TTM_PFNMAP_KVM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where memory under test usually goes; leaves room below for the guest. */
#define KVM_GUEST_GPA		0x10000000ull
/* A place above 4 GiB, for long mode only, which reaches 8 GiB. */
#define KVM_GUEST_GPA_HIGH	0x140000000ull

/* Where its code begins. */
#define KVM_GUEST_CODE		0x2000

#define KVM_GUEST_PAGE		4096u
#define KVM_GUEST_WORDS		(KVM_GUEST_PAGE / 4)

enum kvm_guest_mode {
	KVM_GUEST_FLAT32,
	KVM_GUEST_REAL16,
	KVM_GUEST_LONG64,
};

struct kvm_run;

struct kvm_guest {
	int kvm_fd, vm_fd, vcpu_fd;
	enum kvm_guest_mode mode;
	struct kvm_run *run;
	size_t run_size;
	void *low;		/* guest physical 0 */
	unsigned int slots;	/* number of the next slot */
	unsigned long retries;	/* spurious -EFAULTs, all runs together */
	bool watched;		/* is it where it can be? see kvm_guest_run() */
	/* How often its memory was unmapped, if somebody counts; see kvm_guest_run(). */
	const atomic_ulong *unmaps;
};

enum kvm_guest_op {
	KVM_OP_WRITE,		/* write the pattern */
	KVM_OP_READ,		/* verify the pattern */
	KVM_OP_WRITE_READ,	/* per page: write all words, then verify */
	KVM_OP_READ_WRITE,	/* verify, then write the pattern of ~seed */
};

/* What the guest does. Word w of page p is kvm_guest_word(seed, first + p, w). */
struct kvm_guest_job {
	enum kvm_guest_op op;
	uint64_t gpa;		/* of page 0 */
	uint32_t pages;		/* number of pages to touch */
	uint32_t stride;	/* bytes from page to page; 0: 4096 */
	uint32_t words;		/* words per page, from its start; 0: 1 */
	uint32_t seed;
	uint32_t first;		/* number of page 0 in the pattern */
	bool zero;		/* the pattern is all zeroes instead */
};

/* @op on each page of @size bytes at KVM_GUEST_GPA, the first 16 words of it. */
struct kvm_guest_job kvm_guest_job_of(enum kvm_guest_op op, uint64_t size,
				      uint32_t seed);

struct kvm_guest_result {
	int err;		/* of KVM_RUN: 0, or a negative errno */
	bool finished;		/* the guest did all and halted */
	uint32_t done;		/* pages it completed */
	bool mismatch;		/* it read something else ... */
	uint32_t bad_page;	/* ... in this page of the job, at this word: */
	uint32_t bad_word;
	uint32_t bad_value;
	uint32_t exit_reason;	/* KVM_EXIT_* of the last exit */
	uint32_t suberror;	/* if KVM_EXIT_INTERNAL_ERROR */
	uint64_t detail;	/* its first datum, hardware reason, MMIO address, RIP */
	uint64_t rip;		/* where a guest is that left, and has not finished */
	unsigned int retries;	/* spurious -EFAULTs of this run */
};

/* /dev/kvm can be opened and runs a guest of this API. */
bool kvm_available(void);
/* Skips if there is no KVM. */
struct kvm_guest *kvm_guest_create(enum kvm_guest_mode mode);
/* The same with KVM's own interrupt controllers; a halt never returns. */
struct kvm_guest *kvm_guest_create_irqchip(enum kvm_guest_mode mode);
void kvm_guest_destroy(struct kvm_guest *guest);

/* Memory at @hva as a slot of its own: its number, or a negative errno. */
int __kvm_guest_map(struct kvm_guest *guest, uint64_t gpa, void *hva,
		    uint64_t size, bool readonly);
int kvm_guest_map(struct kvm_guest *guest, uint64_t gpa, void *hva,
		  uint64_t size);
void kvm_guest_unmap(struct kvm_guest *guest, int slot);

/*
 * Where KVM is to write the guest's clock to, 32 bytes, at the next entry; it looks
 * the page up at once. A factor, which is not 0, is at KVM_GUEST_CLOCK_MUL. 0 or a
 * negative errno; asserts nothing.
 */
#define KVM_GUEST_CLOCK_MUL	24
int kvm_guest_clock(struct kvm_guest *guest, uint64_t gpa);

/* What a job that is not zero writes and expects. */
uint32_t kvm_guest_word(uint32_t seed, uint32_t page, uint32_t word);

/*
 * Runs @job to its end. KVM may answer -EFAULT once in a while when the memory
 * is unmapped at that moment: repeated up to KVM_GUEST_RETRIES times without
 * progress of the guest, then it is a real one and is returned. A guest may also make
 * no progress because its memory is unmapped faster than KVM can map it: with @unmaps,
 * only what KVM answers while that does not change is counted.
 *
 * A guest that is @watched is looked at each KVM_GUEST_WATCH seconds, and when it leaves as its
 * code never does. If it is not in its own code, where nothing can lead it, it would never
 * end, or has no reason to: -ENOTRECOVERABLE, with its RIP. QEMU's CPU 0 does that: see "The
 * emulated CPU" in Documentation/gpu/ttm-pfnmap.rst.
 */
#define KVM_GUEST_WATCH		2
#define KVM_GUEST_RETRIES	16
void kvm_guest_run(struct kvm_guest *guest, const struct kvm_guest_job *job,
		   struct kvm_guest_result *result);
/* One line for messages. Static buffer. */
const char *kvm_guest_result_str(const struct kvm_guest_result *result);
/* Asserts that the guest finished and saw what it expected. */
void kvm_guest_run_ok(struct kvm_guest *guest, const struct kvm_guest_job *job);
/* Asserts -EFAULT with exactly @done pages completed. */
void kvm_guest_run_efault(struct kvm_guest *guest,
			  const struct kvm_guest_job *job, uint32_t done);

/* The host's side of a job: write the pattern, or assert that it is there. */
void kvm_host_write(void *map, const struct kvm_guest_job *job);
void kvm_host_verify(const void *map, const struct kvm_guest_job *job);

#endif
