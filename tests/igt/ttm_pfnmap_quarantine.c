// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap quarantine
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: TTM's PFNMAP mode, what freed BOs keep
 * Description: A VMM allocates, uses and frees BOs for as long as it lives.
 *
 * SUBTEST: i5-churn-without-bound
 * Description: The twin: with the bound out of reach, every BO that a guest saw
 *	stays in quarantine while the VM lives
 *
 * SUBTEST: i5-churn-with-bound
 * Description: At the bound new BOs are counted, work as well, and go back when
 *	they are freed
 *
 * SUBTEST: i5-bound-is-per-address-space
 * Description: A VMM at its bound does not change the policy of another
 */
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "kvm_bo.h"

#define BOUND_PARAMETER	"/sys/module/ttm/parameters/pfnmap_quarantine_mb"
#define NO_BOUND	1000000
#define BOUND_MB	8
#define CHURN		40	/* BOs of 1 MiB, one after another */
#define BO_SIZE		KVM_BO_MIB(1)
#define BO_PAGES	(BO_SIZE / KVM_GUEST_PAGE)

struct report {
	uint64_t quarantined;	/* most pages at any time */
	uint64_t reserved;	/* BOs whose pages were reserved */
};

static unsigned int old_bound;

static unsigned int bound_get(void)
{
	FILE *file = fopen(BOUND_PARAMETER, "re");
	unsigned int bound;

	igt_require_f(file, "ttm.ko has no mode\n");
	igt_assert_eq(fscanf(file, "%u", &bound), 1);
	fclose(file);
	return bound;
}

static void bound_set(unsigned int bound)
{
	FILE *file = fopen(BOUND_PARAMETER, "we");

	igt_assert(file);
	igt_assert(fprintf(file, "%u\n", bound) > 0);
	igt_assert_eq(fclose(file), 0);
}

static bool policy_is(const char *policy)
{
	struct vttm_counters counters;
	int fd = vttm_open(VTTM_MODE);

	vttm_counters(fd, &counters);
	close(fd);
	return !strcmp(counters.policy, policy);
}

/* One BO from create to free, used by the guest; is it reserved? */
static bool use_one(int fd, struct kvm_guest *guest, uint32_t seed)
{
	uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);
	void *map = vttm_mmap(fd, handle, BO_SIZE);
	const struct kvm_guest_job job = {
		.op = KVM_OP_WRITE,
		.gpa = KVM_GUEST_GPA,
		.pages = BO_PAGES,
		.seed = seed,
	};
	struct drm_vttm_info info;
	int slot = kvm_guest_map(guest, KVM_GUEST_GPA, map, BO_SIZE);

	kvm_guest_run_ok(guest, &job);
	kvm_host_verify(map, &job);
	vttm_info(fd, handle, &info);
	kvm_guest_unmap(guest, slot);
	vttm_munmap(map, BO_SIZE);
	vttm_close_bo(fd, handle);
	return info.reserved == BO_PAGES;
}

static void churn(struct report *report)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	int fd = vttm_open(VTTM_MODE);
	struct vttm_counters counters;

	for (int i = 0; i < CHURN; i++) {
		report->reserved += use_one(fd, guest, i);
		vttm_counters(fd, &counters);
		if (counters.pages_quarantined > report->quarantined)
			report->quarantined = counters.pages_quarantined;
	}
	close(fd);
	kvm_guest_destroy(guest);
}

/* In a process of its own, which is what the quarantine is charged to. */
static void churn_in_child(struct report *report)
{
	igt_fork(vmm, 1)
		churn(report);
	igt_waitchildren();
	igt_info("%lu of %d BOs reserved, at most %lu pages in quarantine\n",
		 (unsigned long)report->reserved, CHURN,
		 (unsigned long)report->quarantined);
	vttm_wait_quarantine_empty(5);
}

igt_main
{
	struct report *report = NULL;

	igt_fixture {
		kvm_bo_require(VTTM_MODE);
		old_bound = bound_get();
		igt_require_f(policy_is("reserved"),
			      "only reserved pages are kept\n");
		report = mmap(NULL, 2 * sizeof(*report), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		igt_assert(report != MAP_FAILED);
	}

	igt_describe("The twin: every BO that a guest saw stays in quarantine");
	igt_subtest("i5-churn-without-bound") {
		memset(report, 0, sizeof(*report));
		bound_set(NO_BOUND);
		churn_in_child(report);
		igt_assert_eq_u64(report->reserved, CHURN);
		igt_assert_eq_u64(report->quarantined, CHURN * BO_PAGES);
	}

	igt_describe("At the bound new BOs are counted, and go back when freed");
	igt_subtest("i5-churn-with-bound") {
		memset(report, 0, sizeof(*report));
		bound_set(BOUND_MB);
		churn_in_child(report);
		igt_assert_eq_u64(report->reserved, BOUND_MB);
		igt_assert_eq_u64(report->quarantined, BOUND_MB * BO_PAGES);
	}

	igt_describe("A VMM at its bound does not change another's policy");
	igt_subtest("i5-bound-is-per-address-space") {
		memset(report, 0, 2 * sizeof(*report));
		bound_set(BOUND_MB);
		igt_fork(vmm, 2)
			churn(&report[vmm]);
		igt_waitchildren();
		igt_assert_eq_u64(report[0].reserved, BOUND_MB);
		igt_assert_eq_u64(report[1].reserved, BOUND_MB);
		vttm_wait_quarantine_empty(5);
	}

	igt_fixture
		bound_set(old_bound);
}
