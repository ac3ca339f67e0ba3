/* SPDX-License-Identifier: MIT */
/*
 * A vttm BO as guest memory, with the expectation that goes with the device:
 * in the mode every access works, on stock TTM KVM refuses the first page that
 * has no reference count. A test is one function for both.
 */
#ifndef TTM_PFNMAP_KVM_BO_H
#define TTM_PFNMAP_KVM_BO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm.h"
#include "vttm.h"

#define KVM_BO_KIB(n)		((size_t)(n) << 10)
#define KVM_BO_MIB(n)		((size_t)(n) << 20)

struct kvm_bo {
	enum vttm_kind kind;
	int fd;			/* the device, opened for this BO */
	uint32_t handle;
	size_t size;
	uint32_t pages;
	uint32_t words;		/* per page in kvm_bo_job(); 1 if BO is large */
	void *map;		/* the whole BO; the caller may unmap it */
	bool refused;		/* KVM refused a page, as expected of stock */
};

/* Each way to cache a BO's pages. */
#define KVM_BO_CACHINGS		3
extern const struct kvm_bo_caching {
	const char *name;
	uint32_t flags;		/* VTTM_BO_* */
} kvm_bo_cachings[KVM_BO_CACHINGS];

void kvm_bo_init(struct kvm_bo *bo, enum vttm_kind kind, size_t size,
		 uint32_t flags);
/* Unmaps and frees it, all at once; the device stays open. */
void kvm_bo_free(struct kvm_bo *bo);
/* Unmaps, frees and closes what is still there. */
void kvm_bo_fini(struct kvm_bo *bo);

/* A job over the whole BO at KVM_GUEST_GPA. */
struct kvm_guest_job kvm_bo_job(const struct kvm_bo *bo, enum kvm_guest_op op,
				uint32_t seed);
/*
 * The first of @count pages from @first on that KVM cannot take: not marked and
 * of count 0. first + count if there is none.
 */
uint32_t kvm_bo_first_refused(const struct kvm_bo *bo, uint32_t first,
			      uint32_t count);
/*
 * Runs @job, whose page 0 is page @job->first of the BO, and asserts what the
 * device promises: the guest finishes with the right data (returns true), or,
 * on stock only, KVM refuses exactly kvm_bo_first_refused() (returns false: the
 * test is over).
 */
bool kvm_bo_guest(struct kvm_bo *bo, struct kvm_guest *guest,
		  const struct kvm_guest_job *job);
/*
 * A VM whose guest has written all of the BO at KVM_GUEST_GPA, as the host has
 * seen; NULL if stock refused it.
 */
struct kvm_guest *kvm_bo_start_guest(struct kvm_bo *bo, uint32_t seed);
/* I2: every page marked with count 1 in the mode, none marked on stock. */
void kvm_bo_check_counts(const struct kvm_bo *bo);

/*
 * One test of one device, in a process of its own, because an address space
 * that had a VM is never again as if it had none.
 */
struct kvm_bo_test {
	void (*fn)(struct kvm_bo *bo, const void *arg);
	const void *arg;
	size_t size;		/* of the BO; 0: @fn gets none, only a kind */
	uint32_t flags;		/* VTTM_BO_* */
	bool stock_works;	/* stock TTM is enough: every page has a count */
};

/* Skips without KVM or the device. */
void kvm_bo_require(enum vttm_kind kind);
/*
 * Runs @test and asserts that stock failed and the mode did not, and that
 * nothing is left: no BO, no quarantined page, no leak.
 */
void kvm_bo_run(enum vttm_kind kind, const struct kvm_bo_test *test);
/* The last part alone, for tests that are not run by kvm_bo_run(). */
void kvm_bo_assert_nothing_left(enum vttm_kind kind);

/*
 * KVM holds page @page of the guest's BO at KVM_GUEST_GPA as it does for a nested guest
 * (tests/kmod/kvm_hold.c): under "counted", too, something stays. Until the returned file
 * descriptor is closed.
 */
int kvm_hold_page(const struct kvm_guest *guest, uint32_t page);

#endif
