// SPDX-License-Identifier: MIT
/*
 * A vttm BO as guest memory: see kvm_bo.h.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "kvm_bo.h"
#include "kvm_hold.h"

/* Much longer than any of them takes, also under an emulator. */
#define TEST_SECONDS 300
/* The mode's promise, see the documentation of the quarantine. */
#define EMPTY_SECONDS 5

const struct kvm_bo_caching kvm_bo_cachings[KVM_BO_CACHINGS] = {
	{ "cached", VTTM_BO_CACHED },
	{ "wc", VTTM_BO_WC },
	{ "uc", VTTM_BO_UC },
};

void kvm_bo_init(struct kvm_bo *bo, enum vttm_kind kind, size_t size,
		 uint32_t flags)
{
	memset(bo, 0, sizeof(*bo));
	bo->kind = kind;
	bo->fd = __vttm_open(kind);
	igt_assert_fd(bo->fd);
	bo->size = size;
	bo->pages = size / KVM_GUEST_PAGE;
	bo->words = size > KVM_BO_MIB(4) ? 1 : KVM_GUEST_WORDS;
	bo->handle = vttm_create(bo->fd, size, flags);
	bo->map = vttm_mmap(bo->fd, bo->handle, size);
}

void kvm_bo_free(struct kvm_bo *bo)
{
	vttm_munmap(bo->map, bo->size);
	bo->map = NULL;
	vttm_close_bo(bo->fd, bo->handle);
	bo->handle = 0;
}

void kvm_bo_fini(struct kvm_bo *bo)
{
	if (bo->map)
		vttm_munmap(bo->map, bo->size);
	if (bo->handle)
		vttm_close_bo(bo->fd, bo->handle);
	if (bo->fd >= 0)
		close(bo->fd);
	bo->map = NULL;
	bo->handle = 0;
	bo->fd = -1;
}

struct kvm_guest_job kvm_bo_job(const struct kvm_bo *bo, enum kvm_guest_op op,
				uint32_t seed)
{
	return (struct kvm_guest_job){
		.op = op,
		.gpa = KVM_GUEST_GPA,
		.pages = bo->pages,
		.words = bo->words,
		.seed = seed,
	};
}

uint32_t kvm_bo_first_refused(const struct kvm_bo *bo, uint32_t first,
			      uint32_t count)
{
	struct drm_vttm_page page;

	for (uint32_t i = first; i < first + count; i++) {
		vttm_page(bo->fd, bo->handle, i, &page);
		if (!page.count && !(page.flags & VTTM_PAGE_RESERVED))
			return i;
	}
	return first + count;
}

bool kvm_bo_guest(struct kvm_bo *bo, struct kvm_guest *guest,
		  const struct kvm_guest_job *job)
{
	struct kvm_guest_result result;
	uint32_t works = job->pages;

	kvm_guest_run(guest, job, &result);
	if (bo->kind == VTTM_STOCK)
		works = kvm_bo_first_refused(bo, job->first, job->pages) -
			job->first;

	igt_assert_f(result.done == works && !result.mismatch &&
			     (works == job->pages ? result.finished :
						    result.err == -EFAULT),
		     "%s: expected %s after %u of %u pages, but: %s\n",
		     vttm_kind_name(bo->kind),
		     works == job->pages ? "success" : "-EFAULT", works,
		     job->pages, kvm_guest_result_str(&result));
	/* Each may be repeated so often, and all of them together. */
	igt_assert_f(result.retries <= KVM_GUEST_RETRIES, "%s: %s\n",
		     vttm_kind_name(bo->kind), kvm_guest_result_str(&result));
	if (works == job->pages)
		return true;

	igt_info("stock: %s of %u, as expected\n",
		 kvm_guest_result_str(&result), job->pages);
	bo->refused = true;
	return false;
}

struct kvm_guest *kvm_bo_start_guest(struct kvm_bo *bo, uint32_t seed)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, seed);
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);

	kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	if (kvm_bo_guest(bo, guest, &job)) {
		kvm_host_verify(bo->map, &job);
		return guest;
	}
	kvm_guest_destroy(guest);
	return NULL;
}

void kvm_bo_check_counts(const struct kvm_bo *bo)
{
	struct drm_vttm_info info;

	vttm_info(bo->fd, bo->handle, &info);
	if (bo->kind == VTTM_STOCK) {
		igt_assert_eq_u64(info.reserved, 0);
		return;
	}
	igt_assert_eq_u64(info.reserved,
			  vttm_policy_is(bo->fd, "reserved") ? bo->pages : 0);
	igt_assert_eq_u64(info.count_one, bo->pages);
	igt_assert_eq_u64(info.count_zero, 0);
	igt_assert_eq_u64(info.count_other, 0);
}

void kvm_bo_require(enum vttm_kind kind)
{
	igt_require_f(kvm_available(), "no usable /dev/kvm\n");
	close(vttm_open(kind));
}

static void assert_no_bo_left(enum vttm_kind kind)
{
	struct timespec start = {};
	int fd = __vttm_open(kind);
	uint64_t left;

	igt_assert_fd(fd);
	igt_nsec_elapsed(&start);
	do {
		left = vttm_param(fd, VTTM_PARAM_LIVE_BOS);
		if (left)
			usleep(20000);
	} while (left &&
		 igt_nsec_elapsed(&start) < EMPTY_SECONDS * 1000000000ull);
	close(fd);
	igt_assert_f(!left, "%llu BOs left of the test\n",
		     (unsigned long long)left);
}

void kvm_bo_assert_nothing_left(enum vttm_kind kind)
{
	struct vttm_counters counters;

	assert_no_bo_left(kind);
	if (kind == VTTM_STOCK)
		return;
	vttm_wait_quarantine_empty(EMPTY_SECONDS);
	vttm_counters_total(&counters);
	igt_assert_f(!counters.pages_marked, "%llu pages still marked\n",
		     (unsigned long long)counters.pages_marked);
}

static void run_in_child(enum vttm_kind kind, const struct kvm_bo_test *test)
{
	struct kvm_bo bo = { .kind = kind, .fd = -1 };

	if (test->size)
		kvm_bo_init(&bo, kind, test->size, test->flags);
	test->fn(&bo, test->arg);
	kvm_bo_fini(&bo);
	/* A stock twin that works proves nothing about the mode. */
	igt_assert_f(bo.refused == (kind == VTTM_STOCK && !test->stock_works),
		     "stock TTM worked, so this test proves nothing\n");
}

void kvm_bo_run(enum vttm_kind kind, const struct kvm_bo_test *test)
{
	kvm_bo_require(kind);
	/* A failed test before this one may have left something. */
	if (kind == VTTM_MODE)
		__vttm_wait_quarantine_empty(EMPTY_SECONDS);
	igt_fork(child, 1) run_in_child(kind, test);
	igt_waitchildren_timeout(TEST_SECONDS, "a KVM test does not end");
	kvm_bo_assert_nothing_left(kind);
}

int kvm_hold_page(const struct kvm_guest *guest, uint32_t page)
{
	struct kvm_hold_map map = {
		.gfn = KVM_GUEST_GPA / KVM_GUEST_PAGE + page,
		.vcpu_fd = guest->vcpu_fd,
	};
	int hold = open("/dev/kvm_hold", O_RDWR | O_CLOEXEC);

	igt_assert_f(hold >= 0, "kvm_hold.ko is not loaded\n");
	igt_assert_eq(ioctl(hold, KVM_HOLD_MAP, &map), 0);
	return hold;
}
