// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap ept
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: TTM BOs as KVM guest memory, on Intel
 * Description: Which entries KVM makes in Intel's EPT for the pages of a BO: the
 *	memory type, and whether the guest's own PAT has a say. The policy and
 *	the BO's caching decide. Read from the tracepoint at which KVM makes
 *	them; needs kvm_intel with EPT, guest script intel.sh.
 *
 * SUBTEST: %s-ept-type-%s
 * Description: A guest touches all pages of a BO, and again after a swapout
 *
 * arg[1]:
 * @mode:	the opted-in device: an entry for every page, of the type that
 *		the policy promises
 * @stock:	the twin: -EFAULT, and no entry from that page on
 *
 * arg[2]:
 * @cached:	write-back BO
 * @wc:		write-combined BO
 * @uc:		uncached BO
 */
#include "igt.h"
#include "kvm_bo.h"
#include "tracing.h"

#define SEED 0x27182818
#define SIZE KVM_BO_KIB(256)
#define PAGES (SIZE / KVM_GUEST_PAGE)

/* Intel's SDM, volume 3: EPT entry that maps a page */
#define EPT_TYPE(entry) ((entry) >> 3 & 7)
#define EPT_IGNORE_PAT (1ull << 6)
#define EPT_PFN(entry) ((entry) >> 12 & ((1ull << 40) - 1))

enum ept_type {
	EPT_UC = 0,
	EPT_WC = 1,
	EPT_WB = 6,
};

struct ept_kind {
	enum ept_type type;
	bool ignore_pat;
};

/* The table in Documentation/gpu/ttm-pfnmap.rst; cached, WC, UC. */
static const struct ept_kind promised_reserved[KVM_BO_CACHINGS] = {
	{ EPT_WB, true },
	{ EPT_UC, false },
	{ EPT_UC, false },
};
static const struct ept_kind promised_counted[KVM_BO_CACHINGS] = {
	{ EPT_WB, true },
	{ EPT_WB, true },
	{ EPT_WB, true },
};

static const char *type_name(unsigned int type)
{
	switch (type) {
	case EPT_UC:
		return "UC";
	case EPT_WC:
		return "WC";
	case EPT_WB:
		return "WB";
	default:
		return "another";
	}
}

/* ---- The tracepoint ---------------------------------------------------- */

#define EVENT "kvmmmu/kvm_mmu_set_spte"

/* Entries by page of the BO; 0: KVM made none. */
static unsigned int trace_stop(uint64_t entries[PAGES])
{
	unsigned long long gfn, entry;
	unsigned int found = 0;
	char line[512], *event;
	FILE *file = tracing_end();

	memset(entries, 0, PAGES * sizeof(*entries));
	while (fgets(line, sizeof(line), file)) {
		event = strstr(line, "kvm_mmu_set_spte: gfn ");
		if (!event)
			continue;
		igt_assert_f(sscanf(event,
				    "kvm_mmu_set_spte: gfn %llx spte %llx",
				    &gfn, &entry) == 2,
			     "%s", line);
		gfn -= KVM_GUEST_GPA / KVM_GUEST_PAGE;
		if (gfn >= PAGES)
			continue;
		found += !entries[gfn];
		entries[gfn] = entry;
	}
	fclose(file);
	return found;
}

/* ---- The test ---------------------------------------------------------- */

static struct ept_kind promised(const struct kvm_bo *bo, unsigned int caching)
{
	/* What a page of stock TTM gets that KVM holds a reference to. */
	return vttm_policy_is(bo->fd, "reserved") && bo->kind == VTTM_MODE ?
		       promised_reserved[caching] :
		       promised_counted[caching];
}

static void check_entry(const struct kvm_bo *bo, uint32_t index, uint64_t entry,
			struct ept_kind want)
{
	struct drm_vttm_page page;

	vttm_page(bo->fd, bo->handle, index, &page);
	igt_assert_eq_u64(EPT_PFN(entry), page.pfn);
	igt_assert_f(EPT_TYPE(entry) == want.type &&
			     !!(entry & EPT_IGNORE_PAT) == want.ignore_pat,
		     "page %u: entry %#llx is %s, guest's PAT %s\n", index,
		     (unsigned long long)entry, type_name(EPT_TYPE(entry)),
		     entry & EPT_IGNORE_PAT ? "ignored" : "honoured");
}

/* True if the guest reached all of the BO. */
static bool touch_and_check(struct kvm_bo *bo, struct kvm_guest *guest,
			    enum kvm_guest_op op, unsigned int caching)
{
	const struct kvm_guest_job job = kvm_bo_job(bo, op, SEED);
	const struct ept_kind want = promised(bo, caching);
	uint64_t entries[PAGES];
	unsigned int found, works = PAGES;
	bool all;

	tracing_begin(NULL);
	all = kvm_bo_guest(bo, guest, &job);
	found = trace_stop(entries);
	if (!all)
		works = kvm_bo_first_refused(bo, 0, PAGES);
	igt_assert_eq_u32(found, works);
	for (uint32_t i = 0; i < works; i++)
		check_entry(bo, i, entries[i], want);
	igt_info("%s BO: %u of %u pages have an entry: %s, guest's PAT %s\n",
		 kvm_bo_cachings[caching].name, found, bo->pages,
		 type_name(want.type),
		 want.ignore_pat ? "ignored" : "honoured");
	return all;
}

static void ept_type(struct kvm_bo *bo, const void *arg)
{
	const unsigned int caching = *(const unsigned int *)arg;
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);

	kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	if (touch_and_check(bo, guest, KVM_OP_WRITE, caching)) {
		igt_assert_eq_u64(vttm_swapout(bo->fd, bo->handle), PAGES);
		touch_and_check(bo, guest, KVM_OP_READ, caching);
	}
	kvm_guest_destroy(guest);
}

static bool has_ept(void)
{
	FILE *file = fopen("/sys/module/kvm_intel/parameters/ept", "re");
	bool yes = file && fgetc(file) == 'Y';

	if (file)
		fclose(file);
	return yes;
}

int igt_main()
{
	igt_fixture()
	{
		igt_require_f(has_ept(), "no kvm_intel with EPT\n");
		kvm_bo_require(VTTM_MODE);
		tracing_setup(EVENT);
	}

	for (int kind = VTTM_STOCK; kind <= VTTM_MODE; kind++) {
		for (unsigned int i = 0; i < KVM_BO_CACHINGS; i++) {
			const struct kvm_bo_test test = {
				.fn = ept_type,
				.arg = &i,
				.size = SIZE,
				.flags = kvm_bo_cachings[i].flags,
			};

			igt_describe("The memory type of KVM's EPT entries.");
			igt_subtest_f("%s-ept-type-%s", vttm_kind_name(kind),
				      kvm_bo_cachings[i].name)
				kvm_bo_run(kind, &test);
		}
	}
}
