// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap leak
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: TTM's PFNMAP mode, pages that are not as they were left
 * Description: Invariant I2: every page is verified before it leaves, and the chunk
 *	of one that somebody has changed is never given back, which is counted, and
 *	reported once. A module does to a page of a BO what nobody may (page_meddle).
 *	What is leaked stays so: other programs, which see to it that nothing is, run
 *	before this one or in another machine.
 *
 * SUBTEST: control-i2-untouched-pages-go-back-%s
 * Description: The same steps, with nobody who meddles: all pages are given back
 *
 * arg[1]:
 * @vm:		the BO was guest memory, and the VMM ends after it has freed the BO
 * @no-vm:	no VM ever saw the BO
 *
 * SUBTEST: i2-passing-reference-is-waited-for-%s
 * Description: Somebody has a reference to one page for two seconds: its chunk is
 *	kept for so long, and nothing is leaked
 *
 * SUBTEST: i2-held-page-is-not-given-back-%s
 * Description: Somebody keeps a reference to one page. Under the policy "reserved",
 *	under which nobody should have one, its chunk is leaked, after 50 looks. Under
 *	"counted" it is kept for as long as it takes
 *
 * SUBTEST: i2-flipped-flag-is-leaked-%s
 * Description: One page is not reserved any more, or, under the policy "counted", it
 *	suddenly is
 *
 * SUBTEST: i2-lost-reference-is-leaked-%s
 * Description: One page has lost TTM's reference
 */
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "kvm_bo.h"
#include "meddle.h"
#include "modelog.h"

/* Of several chunks, of which one alone is not given back. */
#define BO_SIZE (KVM_BO_KIB(512) + 3 * KVM_GUEST_PAGE)
#define BO_PAGES (BO_SIZE / KVM_GUEST_PAGE)
/* Its page that is meddled with; not the first of its chunk. */
#define ODD_PAGE 5

#define TEST_SECONDS 120
/* Until what nobody holds is given back. */
#define EMPTY_SECONDS 5
/* Until it is given back what is not held of a chunk: ten looks of 200 ms. */
#define HALVED_SECONDS 20
#define PASSING_SECONDS 2
/* More than 50 looks take; a bit less than they do, and what a slow machine may need. */
#define HOLD_SECONDS 14
#define PATIENCE_SECONDS 6
#define LEAK_SECONDS 40

#define WARNING "do not look as they were left"

/* What somebody does to a page, and what comes of its chunk. */
static const struct meddling {
	const char *name;
	const char *description;
	bool meddles;
	enum page_meddle_how how;
	bool passes; /* put right before anybody loses patience */
} meddlings[] = {
	{ "control-i2-untouched-pages-go-back",
	  "control: nothing is leaked of itself.", false, 0, false },
	{ "i2-passing-reference-is-waited-for",
	  "A page is held for a moment (twin: i2-held-page-is-not-given-back-vm).",
	  true, PAGE_MEDDLE_HOLD, true },
	{ "i2-held-page-is-not-given-back",
	  "A page is held (twin: control-i2-untouched-pages-go-back-vm).", true,
	  PAGE_MEDDLE_HOLD, false },
	{ "i2-flipped-flag-is-leaked",
	  "PG_reserved is wrong (twin: control-i2-untouched-pages-go-back-vm).",
	  true, PAGE_MEDDLE_FLIP, false },
	{ "i2-lost-reference-is-leaked",
	  "A count is 0 (twin: control-i2-untouched-pages-go-back-vm).", true,
	  PAGE_MEDDLE_LOSE, false },
};
#define MEDDLINGS (sizeof(meddlings) / sizeof(meddlings[0]))

static bool reserved; /* the policy; the other one is "counted" */

/* Told by the VMM, which is another process. */
static struct chunk {
	uint64_t first; /* PFN */
	uint64_t pages;
	uint64_t odd; /* PFN of the page that is meddled with */
} *chunk;

/* ---- The books ---------------------------------------------------------- */

/* Where the pages of a BO are that was freed, besides those that are still marked */
struct fate {
	uint64_t quarantined, leaked, retired;
};

/* Since @before, when nothing was in use. */
static struct fate fate_now(const struct vttm_counters *before)
{
	struct vttm_counters now;

	vttm_counters_total(&now);
	return (struct fate){
		.quarantined = now.pages_quarantined,
		.leaked = now.pages_leaked - before->pages_leaked,
		.retired = now.pages_retired - before->pages_retired,
	};
}

static bool fate_is(const struct fate *a, const struct fate *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void assert_fate(const struct fate *is, const struct fate *expected)
{
	igt_assert_f(
		fate_is(is, expected),
		"%lu quarantined, %lu leaked, %lu given back, not: %lu, %lu, %lu\n",
		(unsigned long)is->quarantined, (unsigned long)is->leaked,
		(unsigned long)is->retired,
		(unsigned long)expected->quarantined,
		(unsigned long)expected->leaked,
		(unsigned long)expected->retired);
}

/* Seconds that it took */
static double wait_for_fate(const struct vttm_counters *before,
			    const struct fate *expected, int seconds)
{
	struct timespec start = {};
	struct fate now;

	igt_nsec_elapsed(&start);
	for (;;) {
		now = fate_now(before);
		if (fate_is(&now, expected))
			return igt_nsec_elapsed(&start) / 1e9;
		if (igt_nsec_elapsed(&start) > seconds * 1000000000ull)
			break;
		usleep(20000);
	}
	assert_fate(&now, expected);
	return 0;
}

static void assert_stays(const struct vttm_counters *before,
			 const struct fate *expected, int seconds)
{
	for (int i = 0; i < seconds * 10; i++) {
		const struct fate now = fate_now(before);

		assert_fate(&now, expected);
		usleep(100000);
	}
}

/* Nothing but what went through the quarantine is left of the BO either. */
static void assert_nothing_in_use(void)
{
	struct vttm_counters now;

	vttm_counters_total(&now);
	igt_assert_eq_u64(now.pages_quarantined, 0);
	igt_assert_eq_u64(now.pages_marked, 0);
	igt_assert_eq_u64(now.chunks_marked, 0);
	igt_assert_eq_u64(now.sets_exposed, 0);
}

static unsigned int warnings(void)
{
	bool complete;

	return modelog_lines(WARNING, &complete);
}

/* ---- The steps ---------------------------------------------------------- */

/* The chunk that page @index of the BO is in */
static void find_chunk(const struct kvm_bo *bo, uint32_t index)
{
	struct drm_vttm_page page;
	uint32_t i;

	memset(chunk, 0, sizeof(*chunk));
	for (i = 0; i < bo->pages; i++) {
		vttm_page(bo->fd, bo->handle, i, &page);
		if (i > index && page.flags & VTTM_PAGE_HEAD)
			break;
		if (page.flags & VTTM_PAGE_HEAD) {
			chunk->first = page.pfn;
			chunk->pages = 0;
		}
		if (i == index)
			chunk->odd = page.pfn;
		chunk->pages++;
	}
	/* Otherwise nothing is said of the other chunks, or of the other pages. */
	igt_assert_f(i < bo->pages && chunk->pages > 1,
		     "a chunk of %lu pages\n", (unsigned long)chunk->pages);
}

/* Right after the BO was freed */
static struct fate fate_at_first(const struct meddling *m, bool vm)
{
	struct fate fate = { .retired = BO_PAGES };

	if (vm && reserved)
		return (struct fate){ .quarantined = BO_PAGES };
	if (!m->meddles)
		return fate;
	fate.retired -= chunk->pages;
	if (m->how == PAGE_MEDDLE_HOLD)
		fate.quarantined = chunk->pages;
	else
		fate.leaked = chunk->pages;
	return fate;
}

static void use(struct kvm_bo *bo, bool vm)
{
	if (vm)
		/* It ends with the process. */
		igt_assert(kvm_bo_start_guest(bo, 1));
	else
		memset(bo->map, 1, bo->size);
	kvm_bo_check_counts(bo);
}

/* A process that uses a BO and frees it, with a page that was meddled with. */
static void use_and_free(const struct meddling *m, bool vm, int fd,
			 const struct vttm_counters *before)
{
	struct fate expected, now;
	struct kvm_bo bo;

	kvm_bo_init(&bo, VTTM_MODE, BO_SIZE, VTTM_BO_CACHED);
	use(&bo, vm);
	/* No KVM that looks at a page whose count is 0, which would warn. */
	vttm_munmap(bo.map, bo.size);
	bo.map = NULL;
	find_chunk(&bo, ODD_PAGE);
	if (m->meddles)
		meddle(fd, chunk->odd, m->how);
	kvm_bo_fini(&bo);
	expected = fate_at_first(m, vm);
	now = fate_now(before);
	assert_fate(&now, &expected);
}

/*
 * All that is left of it is a chunk that somebody holds, under "counted" in the end the
 * page alone.
 */
static void chunk_is_held(const struct meddling *m, int fd,
			  const struct vttm_counters *before)
{
	const uint64_t pages = reserved ? chunk->pages : 1;
	const struct fate held = {
		.quarantined = pages,
		.retired = BO_PAGES - pages,
	};
	const struct fate leaked = {
		.leaked = chunk->pages,
		.retired = BO_PAGES - chunk->pages,
	};
	const struct fate free = { .retired = BO_PAGES };
	double seconds;

	wait_for_fate(before, &held, reserved ? EMPTY_SECONDS : HALVED_SECONDS);
	if (reserved && !m->passes) {
		seconds = wait_for_fate(before, &leaked, LEAK_SECONDS);
		igt_info("leaked after %.1f s\n", seconds);
		igt_assert(seconds > PATIENCE_SECONDS);
		close(fd);
		return;
	}
	assert_stays(before, &held, m->passes ? PASSING_SECONDS : HOLD_SECONDS);
	close(fd);
	wait_for_fate(before, &free, EMPTY_SECONDS);
}

static void chunk_is_leaked(const struct meddling *m, int fd,
			    const struct vttm_counters *before)
{
	const struct fate expected = {
		.leaked = m->meddles ? chunk->pages : 0,
		.retired = BO_PAGES - (m->meddles ? chunk->pages : 0),
	};

	wait_for_fate(before, &expected, EMPTY_SECONDS);
	close(fd);
}

/* Once the page is put right, the whole chunk is marked as it was: nobody has it. */
static void assert_still_marked(void)
{
	int fd = vttm_open(VTTM_MODE);

	for (uint64_t i = 0; i < chunk->pages; i++) {
		struct drm_vttm_pfn page = { .pfn = chunk->first + i };

		igt_assert_eq(vttm_ioctl(fd, DRM_IOCTL_VTTM_PFN, &page), 0);
		igt_assert_f(
			page.count == 1 &&
				!!(page.flags & VTTM_PAGE_RESERVED) == reserved,
			"page %lu of a leaked chunk: count %d, flags %#x\n",
			(unsigned long)i, page.count, page.flags);
	}
	close(fd);
}

static void run(const struct meddling *m, bool vm)
{
	const bool leaks = m->meddles && !m->passes &&
			   (reserved || m->how != PAGE_MEDDLE_HOLD);
	const unsigned int warned = warnings();
	struct vttm_counters before;
	int fd = meddle_open();

	vttm_counters_total(&before);
	igt_assert_eq_u64(before.pages_marked, 0);
	igt_fork(vmm, 1) use_and_free(m, vm, fd, &before);
	igt_waitchildren_timeout(TEST_SECONDS, "a VMM does not end");

	if (m->meddles && m->how == PAGE_MEDDLE_HOLD)
		chunk_is_held(m, fd, &before);
	else
		chunk_is_leaked(m, fd, &before);
	assert_nothing_in_use();
	if (leaks) {
		assert_still_marked();
		modelog_assert_once(WARNING);
	} else {
		igt_assert_eq(warnings(), warned);
	}
}

int igt_main()
{
	igt_fixture()
	{
		int fd;

		kvm_bo_require(VTTM_MODE);
		close(meddle_open());
		fd = vttm_open(VTTM_MODE);
		reserved = vttm_policy_is(fd, "reserved");
		close(fd);
		chunk = mmap(NULL, sizeof(*chunk), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		igt_assert(chunk != MAP_FAILED);
	}

	for (size_t i = 0; i < MEDDLINGS; i++) {
		for (int vm = 1; vm >= 0; vm--) {
			igt_describe(meddlings[i].description);
			igt_subtest_f("%s-%s", meddlings[i].name,
				      vm ? "vm" : "no-vm")
				run(&meddlings[i], vm);
		}
	}
}
