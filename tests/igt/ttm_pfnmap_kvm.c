// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap kvm
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: TTM BOs as KVM guest memory
 * Description: A KVM guest touches every page of a TTM BO. On a device in
 *	TTM's PFNMAP mode it works; its stock twin, the same function on a
 *	device that is not opted in, shows KVM_RUN = -EFAULT at the first page
 *	without a reference count.
 */

/**
 * SUBTEST: control-%s
 * Description: The guest touches ordinary anonymous memory: the tests' own
 *	guest code and KVM work
 *
 * arg[1]:
 * @flat32:	32-bit flat protected mode
 * @real16:	real mode with 4 GiB segments
 * @long64:	long mode
 */

/**
 * SUBTEST: %s-touch-%s-%s-%s-%s
 * Description: The guest touches every page of a BO, data is seen both ways,
 *	and (I2) every page is marked with count 1
 *
 * arg[1]:
 * @mode:	the opted-in device: works
 * @stock:	the twin: -EFAULT at the first tail page
 *
 * arg[2]:
 * @cached:	write-back BO
 * @wc:		write-combined BO
 * @uc:		uncached BO
 *
 * arg[3]:
 * @4k:		size; one page also works on stock
 * @8k:		size
 * @12k:	size
 * @1020k:	size
 * @2052k:	size
 * @4m:		size
 * @7188k:	size
 * @64m:	size
 *
 * arg[4]:
 * @write-first:	the guest's first access is a write
 * @read-first:		the guest's first access is a read
 *
 * arg[5]:
 * @cold:	nobody touched the BO before
 * @prefaulted:	the host wrote to every page before
 */

/**
 * SUBTEST: %s-cpu-mode-%s
 * Description: The same for other modes of the guest's CPU
 *
 * arg[1]:
 * @mode:	the opted-in device: works
 * @stock:	the twin: -EFAULT at the first tail page
 *
 * arg[2]:
 * @flat32:	protected mode without paging
 * @real16:	real mode
 * @long64:	long mode
 */

/**
 * SUBTEST: %s-cpu-caching-%s
 * Description: regression: The CPU's PTEs are of the BO's memory type
 *
 * arg[1]:
 * @mode:	the opted-in device
 * @stock:	the twin
 *
 * arg[2]:
 * @cached:	write-back BO
 * @wc:		write-combined BO
 * @uc:		uncached BO
 */

/**
 * SUBTEST: %s-above-4g
 * Description: The BO lies above 4 GiB in the guest
 *
 * arg[1]:
 * @mode:	the opted-in device: works
 * @stock:	the twin: -EFAULT at the first tail page
 */

/**
 * SUBTEST: %s-i2-count-is-one-%s
 * Description: KVM leaves the count of each page alone: 1 before, with the
 *	guest having written to all, and after the VM is closed
 *
 * arg[1]:
 * @mode:	the opted-in device: works
 * @stock:	the twin: -EFAULT at the first tail page
 *
 * arg[2]:
 * @cached:	write-back BO
 * @wc:		write-combined BO
 * @uc:		uncached BO
 */

/**
 * SUBTEST: %s-read-only-slot
 * Description: A read-only memslot: a write is an MMIO exit and changes nothing,
 *	on both devices; reads of all pages work, on the mode's alone
 *
 * arg[1]:
 * @mode:	the opted-in device: works
 * @stock:	the twin: -EFAULT at the first tail page
 */

/**
 * SUBTEST: %s-slot-over-a-hole
 * Description: A page in the middle of the memslot is not mapped any more:
 *	-EFAULT there, on both devices, and no harm; the rest works, on the
 *	mode's alone
 *
 * arg[1]:
 * @mode:	the opted-in device: works
 * @stock:	the twin: -EFAULT at the first tail page
 */
#include <sys/mman.h>
#include <linux/kvm.h>

#include "igt.h"
#include "kvm_bo.h"
#include "pte.h"

#define SEED_HOST 0x11223344
#define SEED_GUEST 0x55667788
#define SEED_HOST_2 0x99aabbcc

struct touch {
	enum kvm_guest_mode mode;
	uint64_t gpa;
	bool read_first;
	bool prefault;
};

static bool touch_first(struct kvm_bo *bo, struct kvm_guest *guest,
			const struct touch *touch)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED_GUEST);

	job.gpa = touch->gpa;
	if (touch->read_first) {
		job.op = KVM_OP_READ;
		job.seed = SEED_HOST;
		job.zero = !touch->prefault;
	}
	return kvm_bo_guest(bo, guest, &job);
}

/* Guest writes, host verifies; host writes, guest verifies. */
static bool touch_both_ways(struct kvm_bo *bo, struct kvm_guest *guest,
			    uint64_t gpa)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED_GUEST);

	job.gpa = gpa;
	if (!kvm_bo_guest(bo, guest, &job))
		return false;
	kvm_host_verify(bo->map, &job);

	job.op = KVM_OP_READ;
	job.seed = SEED_HOST_2;
	kvm_host_write(bo->map, &job);
	return kvm_bo_guest(bo, guest, &job);
}

static void touch_bo(struct kvm_bo *bo, const void *arg)
{
	const struct touch *touch = arg;
	struct kvm_guest_job host = kvm_bo_job(bo, KVM_OP_WRITE, SEED_HOST);
	struct kvm_guest *guest = kvm_guest_create(touch->mode);

	if (touch->prefault)
		kvm_host_write(bo->map, &host);
	kvm_guest_map(guest, touch->gpa, bo->map, bo->size);
	if (touch_first(bo, guest, touch) &&
	    touch_both_ways(bo, guest, touch->gpa))
		kvm_bo_check_counts(bo);
	/* Nothing takes a PTE away here. */
	igt_assert_eq_u64(guest->retries, 0);
	kvm_guest_destroy(guest);
}

static void check_count(struct kvm_bo *bo, uint32_t index)
{
	struct drm_vttm_page page;

	vttm_page(bo->fd, bo->handle, index, &page);
	igt_assert_eq(page.count, 1);
	igt_assert_eq(!!(page.flags & VTTM_PAGE_RESERVED),
		      vttm_policy_is(bo->fd, "reserved"));
}

static void count_is_one(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED_GUEST);
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	bool works;

	(void)arg;
	kvm_host_write(bo->map, &job);
	kvm_bo_check_counts(bo);
	kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	works = kvm_bo_guest(bo, guest, &job);
	kvm_bo_check_counts(bo);
	kvm_guest_destroy(guest);
	kvm_bo_check_counts(bo);
	if (!works)
		return;
	check_count(bo, 0);
	check_count(bo, 1);
	check_count(bo, bo->pages - 1);
}

/*
 * The next three look at one place first, which the guest reaches on stock TTM as
 * well, then at the whole BO, which it does not.
 */

static void expect_mmio(struct kvm_guest *guest,
			const struct kvm_guest_job *job)
{
	struct kvm_guest_job write = *job;
	struct kvm_guest_result result;

	write.op = KVM_OP_WRITE;
	write.seed = SEED_GUEST;
	kvm_guest_run(guest, &write, &result);
	igt_assert_f(!result.err && !result.done &&
			     result.exit_reason == KVM_EXIT_MMIO &&
			     result.detail == job->gpa,
		     "%s\n", kvm_guest_result_str(&result));
}

static void read_only_slot(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_READ, SEED_HOST);
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);

	(void)arg;
	kvm_host_write(bo->map, &job);
	igt_assert_lte(0, __kvm_guest_map(guest, KVM_GUEST_GPA, bo->map,
					  bo->size, true));
	expect_mmio(guest, &job);
	if (kvm_bo_guest(bo, guest, &job))
		expect_mmio(guest, &job);
	kvm_host_verify(bo->map, &job);
	kvm_guest_destroy(guest);
}

/* Nothing is mapped at @page, which the guest runs into, coming from elsewhere. */
static void expect_efault_at(struct kvm_bo *bo, struct kvm_guest *guest,
			     uint32_t page)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED_GUEST);

	/* The first page of a chunk, which has a count on stock, too. */
	job.pages = 1;
	kvm_guest_run_ok(guest, &job);
	job.gpa += (uint64_t)page * KVM_GUEST_PAGE;
	kvm_guest_run_efault(guest, &job, 0);
}

static void slot_over_a_hole(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED_GUEST);
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	const uint32_t hole = bo->pages / 2;

	(void)arg;
	kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	vttm_munmap((char *)bo->map + hole * KVM_GUEST_PAGE, KVM_GUEST_PAGE);
	expect_efault_at(bo, guest, hole);
	job.pages = hole;
	if (kvm_bo_guest(bo, guest, &job)) {
		job.pages = bo->pages;
		kvm_guest_run_efault(guest, &job, hole);
		job.pages = hole;
		kvm_host_verify(bo->map, &job);
		kvm_bo_check_counts(bo);
	}
	kvm_guest_destroy(guest);
}

static void control(enum kvm_guest_mode mode)
{
	const size_t size = KVM_BO_MIB(1);
	struct kvm_guest_job job = {
		.op = KVM_OP_READ,
		.gpa = KVM_GUEST_GPA,
		.pages = size / KVM_GUEST_PAGE,
		.words = KVM_GUEST_WORDS,
		.seed = SEED_HOST,
	};
	struct kvm_guest_result result;
	struct kvm_guest *guest;
	uint32_t *map;

	guest = kvm_guest_create(mode);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(map != MAP_FAILED);
	kvm_guest_map(guest, job.gpa, map, size);

	kvm_host_write(map, &job);
	kvm_guest_run_ok(guest, &job);
	job.op = KVM_OP_READ_WRITE;
	kvm_guest_run_ok(guest, &job);
	job.op = KVM_OP_READ;
	job.seed = ~job.seed;
	kvm_host_verify(map, &job);
	job.op = KVM_OP_WRITE_READ;
	job.seed = SEED_GUEST;
	kvm_guest_run_ok(guest, &job);
	kvm_host_verify(map, &job);

	/* The guest does see a wrong word, and says which. */
	map[5 * KVM_GUEST_WORDS + 7] ^= 1;
	job.op = KVM_OP_READ;
	kvm_guest_run(guest, &job, &result);
	igt_assert_f(result.finished && result.mismatch &&
			     result.bad_page == 5 && result.bad_word == 7 &&
			     result.bad_value == map[5 * KVM_GUEST_WORDS + 7],
		     "%s\n", kvm_guest_result_str(&result));
	munmap(map, size);
	kvm_guest_destroy(guest);
}

static const struct {
	const char *name;
	size_t size;
} sizes[] = {
	{ "4k", KVM_BO_KIB(4) },       { "8k", KVM_BO_KIB(8) },
	{ "12k", KVM_BO_KIB(12) },     { "1020k", KVM_BO_KIB(1020) },
	{ "2052k", KVM_BO_KIB(2052) }, { "4m", KVM_BO_MIB(4) },
	{ "7188k", KVM_BO_KIB(7188) }, { "64m", KVM_BO_MIB(64) },
};

/* Of kvm_bo_cachings. Linux means UC-, which an MTRR can make WC, where it says uncached. */
static const enum pte_cache pte_caches[KVM_BO_CACHINGS] = {
	PTE_CACHE_WB,
	PTE_CACHE_WC,
	PTE_CACHE_UC_MINUS,
};

static void cpu_caching(struct kvm_bo *bo, const void *wanted)
{
	volatile const char *map = bo->map;

	for (uint32_t i = 0; i < bo->pages; i++) {
		(void)map[i * KVM_GUEST_PAGE];
		igt_assert_eq(pte_cache(&map[i * KVM_GUEST_PAGE]),
			      *(const enum pte_cache *)wanted);
	}
}

static const struct {
	const char *name;
	enum kvm_guest_mode mode;
} cpu_modes[] = {
	{ "flat32", KVM_GUEST_FLAT32 },
	{ "real16", KVM_GUEST_REAL16 },
	{ "long64", KVM_GUEST_LONG64 },
};

#define for_each_index(i, table) \
	for (unsigned int i = 0; i < sizeof(table) / sizeof((table)[0]); i++)

static void touch_subtest(enum vttm_kind kind, unsigned int caching,
			  unsigned int size, bool read_first, bool prefault)
{
	const struct touch touch = {
		.mode = KVM_GUEST_FLAT32,
		.gpa = KVM_GUEST_GPA,
		.read_first = read_first,
		.prefault = prefault,
	};
	const struct kvm_bo_test test = {
		.fn = touch_bo,
		.arg = &touch,
		.size = sizes[size].size,
		.flags = kvm_bo_cachings[caching].flags,
		.stock_works = sizes[size].size == KVM_GUEST_PAGE,
	};

	igt_describe(
		test.stock_works ?
			"regression: one page, which stock KVM takes, too." :
			"A guest touches every page, data is seen both ways.");
	igt_subtest_f("%s-touch-%s-%s-%s-%s", vttm_kind_name(kind),
		      kvm_bo_cachings[caching].name, sizes[size].name,
		      read_first ? "read-first" : "write-first",
		      prefault ? "prefaulted" : "cold") kvm_bo_run(kind, &test);
}

static void touch_subtests(enum vttm_kind kind)
{
	for_each_index(caching, kvm_bo_cachings)
		for_each_index(size, sizes) for (int i = 0; i < 4; i++)
			touch_subtest(kind, caching, size, i & 1, i & 2);
}

static void cpu_mode_subtests(enum vttm_kind kind)
{
	struct touch touch = { .gpa = KVM_GUEST_GPA };
	struct kvm_bo_test test = {
		.fn = touch_bo,
		.arg = &touch,
		.size = KVM_BO_MIB(2),
	};

	for_each_index(i, cpu_modes)
	{
		touch.mode = cpu_modes[i].mode;
		igt_describe("The same in another mode of the guest's CPU.");
		igt_subtest_f("%s-cpu-mode-%s", vttm_kind_name(kind),
			      cpu_modes[i].name) kvm_bo_run(kind, &test);
	}

	touch.mode = KVM_GUEST_LONG64;
	touch.gpa = KVM_GUEST_GPA_HIGH;
	igt_describe("The BO lies above 4 GiB in the guest.");
	igt_subtest_f("%s-above-4g", vttm_kind_name(kind))
		kvm_bo_run(kind, &test);
}

static void other_subtests(enum vttm_kind kind)
{
	const char *name = vttm_kind_name(kind);
	struct kvm_bo_test test = { .size = KVM_BO_MIB(2) };

	for_each_index(i, kvm_bo_cachings)
	{
		test.fn = count_is_one;
		test.flags = kvm_bo_cachings[i].flags;
		igt_describe("KVM leaves the count of each page alone.");
		igt_subtest_f("%s-i2-count-is-one-%s", name,
			      kvm_bo_cachings[i].name) kvm_bo_run(kind, &test);
	}

	test.stock_works = true;
	for_each_index(i, kvm_bo_cachings)
	{
		test.fn = cpu_caching;
		test.arg = &pte_caches[i];
		test.flags = kvm_bo_cachings[i].flags;
		igt_describe(
			"regression: the CPU's PTEs are of the BO's type.");
		igt_subtest_f("%s-cpu-caching-%s", name,
			      kvm_bo_cachings[i].name) kvm_bo_run(kind, &test);
	}

	test = (struct kvm_bo_test){ .size = KVM_BO_MIB(2) };
	test.flags = VTTM_BO_CACHED;
	test.fn = read_only_slot;
	igt_describe("A read-only memslot: reads work, a write exits.");
	igt_subtest_f("%s-read-only-slot", name) kvm_bo_run(kind, &test);

	test.fn = slot_over_a_hole;
	igt_describe("A memslot with an unmapped page: -EFAULT there.");
	igt_subtest_f("%s-slot-over-a-hole", name) kvm_bo_run(kind, &test);
}

int igt_main()
{
	igt_fixture() igt_require_f(kvm_available(), "no usable /dev/kvm\n");

	for_each_index(i, cpu_modes)
	{
		igt_describe(
			"control: the guest code works on anonymous memory.");
		igt_subtest_f("control-%s", cpu_modes[i].name)
			control(cpu_modes[i].mode);
	}

	for (int kind = VTTM_STOCK; kind <= VTTM_MODE; kind++) {
		touch_subtests(kind);
		cpu_mode_subtests(kind);
		other_subtests(kind);
	}
}
