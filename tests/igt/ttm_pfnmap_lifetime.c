// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap lifetime
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: TTM BOs as KVM guest memory
 * Description: When a page that KVM may still know is given back: it stays
 *	quarantined until nobody can hold it, and not longer. The stock twin,
 *	the same function, shows KVM_RUN = -EFAULT and that nothing is held.
 *
 * SUBTEST: %s-i1-mark-before-first-pte
 * Description: The CPU and the guest touch the same untouched pages at the same
 *	time: KVM, which looks at a page as soon as it has a PTE, never refuses
 *	one, not even once
 *
 * arg[1]:
 * @mode:	the opted-in device
 * @stock:	the twin
 *
 * SUBTEST: %s-i3-fork-copies-exposure
 * Description: A forked child, which faults nothing, is a VMM: it holds the
 *	pages as well
 *
 * SUBTEST: %s-i3-fork-beside-a-reservation
 * Description: The same, and another process has the BO reserved when the VMM is forked:
 *	fork does not wait for it, and leaves the child without a PTE. Stock TTM copies
 *	them, reserved or not
 *
 * SUBTEST: %s-i3-fork-child-keeps-bo
 * Description: The VMM's child has the BO mapped after the VMM freed it
 *
 * SUBTEST: %s-i3-mremap-keeps-exposure
 * Description: The VMM moves the mapping with its PTEs before the guest uses it, and frees
 *	the BO: as below
 *
 * SUBTEST: %s-i4-quarantine-until-vm-closed
 * Description: The BO is freed, the VM lives: its pages are quarantined and
 *	handed to nobody; when the VM is closed they are free within 5 s
 *
 * SUBTEST: %s-i4-quarantine-after-swapout
 * Description: The same for the pages that a swapout gives back
 *
 * SUBTEST: %s-i4-quarantine-until-vmm-exits
 * Description: The VMM ends without closing anything
 *
 * SUBTEST: %s-i4-quarantine-until-vmm-killed
 * Description: SIGKILL for a VMM that has freed the BO
 *
 * SUBTEST: %s-i4-quarantine-of-16-mib-until-vmm-killed
 * Description: The same for a BO of 16 MiB, which takes the reaper no more looks
 *
 * SUBTEST: %s-i4-vmm-killed-while-guest-runs
 * Description: SIGKILL for a VMM whose guest is writing to the BO
 *
 * SUBTEST: %s-i4-vcpu-passed-to-another-process
 * Description: The VMM has ended, another process has its vCPU: the pages stay
 *	until that is closed
 *
 * SUBTEST: %s-i4-quarantine-outlives-device
 * Description: The device's driver is unbound and bound while pages of it are
 *	quarantined
 *
 * SUBTEST: %s-swapout-under-running-guest-%s
 * Description: 100 swapouts while the guest reads and writes all pages
 *
 * arg[2]:
 * @cached:	write-back BO
 * @wc:		write-combined BO
 */

/**
 * SUBTEST: %s-i8-caching-is-restored-%s
 * Description: A guest used a BO that is not write-back, and KVM holds one page of
 *	it as for a nested guest, when the BO gives its pages up. What is held stays
 *	as it is; what is not (under "counted"), and all in the end, is write-back
 *	when it is free
 *
 * arg[1]:
 * @mode:	the opted-in device
 * @stock:	the twin
 *
 * arg[2]:
 * @free-wc:	a write-combined BO is freed
 * @free-uc:	an uncached BO is freed
 * @swapout-wc:	a write-combined BO is swapped out
 * @swapout-uc:	an uncached BO is swapped out
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "child.h"
#include "dmabuf.h"
#include "igt.h"
#include "kvm_bo.h"
#include "pageflags.h"
#include "param.h"
#include "pte.h"
#include "vmm.h"

#define SEED 0x27182818
#define SIZE KVM_BO_MIB(1)
#define PAGES (SIZE / KVM_GUEST_PAGE)
/* More than any chunk has. */
#define CHUNKS_SIZE KVM_BO_MIB(5)
#define EMPTY_SECONDS 5
/* Ten looks of 200 ms, and what a slow machine may need. */
#define HALVED_SECONDS 20
/*
 * It is to be empty in 2 s, which on a busy machine is nothing to be measured: the reaper
 * looks every 200 ms, so that is so many looks of it.
 */
#define REAPS 10
#define SWAPOUTS 100
#define HELD_PAGE 100
/* Of a second client, at a time. */
#define NEW_BOS 4
#define RACES 80
#define RACE_NSEC 300000

static uint64_t quarantined(void)
{
	struct vttm_counters counters;

	vttm_counters_total(&counters);
	return counters.pages_quarantined;
}

/*
 * Under "counted" KVM lets go of pages that are unmapped, and nothing stays: what
 * a test then shows is that this is so.
 */
static bool reserved;

/* @pages that a VM could see are in quarantine. */
static void assert_held(uint64_t pages)
{
	igt_assert_eq_u64(quarantined(), reserved ? pages : 0);
}

/* All went back while the VM still lives; "counted". */
static void assert_given_back(const struct vttm_counters *before,
			      uint64_t pages)
{
	struct vttm_counters now;

	vttm_counters_total(&now);
	igt_assert_eq_u64(now.pages_retired - before->pages_retired, pages);
	igt_assert_eq_u64(now.pages_marked, 0);
}

/* Held now, and still after the reaper had time for several rounds. */
static void assert_stays_held(uint64_t pages)
{
	for (int i = 0; i < 10; i++) {
		assert_held(pages);
		usleep(200000);
	}
}

static int compare_u64(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void assert_has_none(int fd, uint32_t handle, const uint64_t *pfns,
			    uint32_t count)
{
	uint64_t *theirs = vttm_pfns(fd, handle, PAGES);

	for (size_t i = 0; i < PAGES; i++)
		igt_assert_f(!bsearch(&theirs[i], pfns, count, sizeof(*pfns),
				      compare_u64),
			     "pfn %#llx belongs to a second client\n",
			     (unsigned long long)theirs[i]);
	free(theirs);
}

/*
 * BOs of another client on @kind's device have none of @pfns, sorted. By @flags they come
 * from the page allocator or from one of TTM's pools, and by their size in such chunks.
 */
static void assert_not_in_new_bos(enum vttm_kind kind, uint32_t flags,
				  const uint64_t *pfns, uint32_t count)
{
	uint32_t handles[NEW_BOS];
	int fd = __vttm_open(kind);

	for (int i = 0; i < NEW_BOS; i++) {
		void *map;

		handles[i] = vttm_create(fd, SIZE, flags);
		map = vttm_mmap(fd, handles[i], SIZE);
		memset(map, 0xee, SIZE);
		assert_has_none(fd, handles[i], pfns, count);
		vttm_munmap(map, SIZE);
	}
	for (int i = 0; i < NEW_BOS; i++)
		vttm_close_bo(fd, handles[i]);
	close(fd);
}

/* A process that never knew the VM takes memory where it can. */
static void other_client_gets_none(const uint64_t *pfns, uint32_t count)
{
	static const uint32_t flags[] = { VTTM_BO_WC, VTTM_BO_UC,
					  VTTM_BO_CACHED };
	int status;
	pid_t pid;

	pid = child_fork();
	if (!pid) {
		for (int i = 0; i < 4; i++) {
			for (size_t j = 0; j < sizeof(flags) / sizeof(flags[0]);
			     j++) {
				assert_not_in_new_bos(VTTM_MODE, flags[j], pfns,
						      count);
				assert_not_in_new_bos(VTTM_STOCK, flags[j],
						      pfns, count);
			}
		}
		exit(0);
	}
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
}

static void assert_untouched(const uint64_t *pfns, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		igt_assert(page_is_reserved(pfns[i]));
		igt_assert(!page_is_free(pfns[i]));
	}
}

static void assert_none_marked(const uint64_t *pfns, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		igt_assert(!page_is_reserved(pfns[i]));
}

struct toucher {
	volatile char *map;
	uint64_t delay;
	atomic_bool go;
};

static void spin(uint64_t nsec)
{
	struct timespec start = {};

	igt_nsec_elapsed(&start);
	while (igt_nsec_elapsed(&start) < nsec)
		;
}

static void *touch_thread(void *arg)
{
	struct toucher *t = arg;

	while (!t->go)
		;
	spin(t->delay);
	t->map[0] = 1;
	return NULL;
}

/*
 * The CPU's fault on page 0 makes PTEs for the pages after it, too. KVM looks
 * for the one of page 1 at about that time. False if it refused the page.
 */
static bool race_for_ptes(struct kvm_bo *bo, struct kvm_guest *guest)
{
	struct toucher t = {
		.map = bo->map,
		.delay = rand() % (2 * RACE_NSEC),
	};
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	struct kvm_guest_result result;
	pthread_t thread;

	job.gpa += KVM_GUEST_PAGE;
	job.pages = 1;
	igt_assert_eq(pthread_create(&thread, NULL, touch_thread, &t), 0);
	t.go = true;
	spin(RACE_NSEC);
	kvm_guest_run(guest, &job, &result);
	igt_assert_eq(pthread_join(thread, NULL), 0);
	if (bo->kind == VTTM_STOCK)
		igt_assert_eq(result.err, -EFAULT);
	else
		igt_assert_f(result.finished && !result.retries, "%s\n",
			     kvm_guest_result_str(&result));
	return result.finished;
}

static void mark_before_pte(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	const size_t size = KVM_BO_MIB(8);
	struct kvm_bo racer;
	int slot;

	(void)arg;
	for (int i = 0; i < RACES && !bo->refused; i++) {
		/* Through VRAM: its pages exist, but no PTE ever did. */
		kvm_bo_init(&racer, bo->kind, size, VTTM_BO_VRAM);
		memset(racer.map, 1, KVM_GUEST_PAGE);
		vttm_move(racer.fd, racer.handle, VTTM_PL_SYSTEM);
		slot = kvm_guest_map(guest, KVM_GUEST_GPA, racer.map, size);
		bo->refused = !race_for_ptes(&racer, guest);
		kvm_guest_unmap(guest, slot);
		kvm_bo_fini(&racer);
	}
	kvm_guest_destroy(guest);
}

static void give_up(struct kvm_bo *bo, const void *swapout)
{
	if (swapout)
		igt_assert_eq_u64(vttm_swapout(bo->fd, bo->handle), bo->pages);
	else
		kvm_bo_free(bo);
}

static void until_vm_closed(struct kvm_bo *bo, const void *swapout)
{
	struct kvm_guest *guest = kvm_bo_start_guest(bo, SEED);
	uint64_t *pfns = vttm_pfns(bo->fd, bo->handle, bo->pages);
	struct vttm_counters before;

	vttm_counters_total(&before);
	qsort(pfns, bo->pages, sizeof(*pfns), compare_u64);
	give_up(bo, swapout);
	if (guest) {
		assert_held(bo->pages);
		if (reserved) {
			assert_untouched(pfns, bo->pages);
			other_client_gets_none(pfns, bo->pages);
			assert_stays_held(bo->pages);
			assert_untouched(pfns, bo->pages);
		} else {
			assert_given_back(&before, bo->pages);
		}
		/* This process lives on: closing the VM must be enough. */
		kvm_guest_destroy(guest);
		vttm_wait_quarantine_empty(EMPTY_SECONDS);
	}
	assert_none_marked(pfns, bo->pages);
	free(pfns);
}

static void mremap_keeps_exposure(struct kvm_bo *bo, const void *arg)
{
	void *moved = mmap(NULL, bo->size, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg;
	igt_assert(moved != MAP_FAILED);
	memset(bo->map, 1, bo->size);
	igt_assert(mremap(bo->map, bo->size, bo->size,
			  MREMAP_MAYMOVE | MREMAP_FIXED, moved) == moved);
	bo->map = moved;
	until_vm_closed(bo, NULL);
}

/*
 * What is in quarantine is as the BO had it, for somebody may still use it so; what
 * is not there, is free. Under "reserved" that is all of the BO, under "counted" the
 * chunk of the held page at first, and after some looks that page alone.
 */
static void assert_caching(const struct kvm_bo *bo, const uint64_t *pfns)
{
	for (int i = 0; !reserved && quarantined() != 1; i++) {
		igt_assert_f(i < 10 * HALVED_SECONDS,
			     "%llu pages are kept for one\n",
			     (unsigned long long)quarantined());
		usleep(100000);
	}
	igt_assert_eq_u64(quarantined(), reserved ? bo->pages : 1);
	for (uint32_t i = 0; i < bo->pages; i++) {
		const bool held = reserved || i == HELD_PAGE;

		igt_assert_f(vttm_uncached(bo->fd, &pfns[i], 1) == held,
			     "page %u: flags %#x, and it is %s\n", i,
			     vttm_pfn_flags(bo->fd, pfns[i]),
			     held ? "held" : "not held");
	}
}

static void caching_is_restored(struct kvm_bo *bo, const void *swapout)
{
	struct kvm_guest *guest = kvm_bo_start_guest(bo, SEED);
	uint64_t *pfns;
	int hold;

	if (!guest)
		return;
	pfns = vttm_pfns(bo->fd, bo->handle, bo->pages);
	hold = kvm_hold_page(guest, HELD_PAGE);
	igt_assert_eq_u32(vttm_uncached(bo->fd, pfns, bo->pages), bo->pages);
	give_up(bo, swapout);
	assert_caching(bo, pfns);
	close(hold);
	kvm_guest_destroy(guest);
	vttm_wait_quarantine_empty(EMPTY_SECONDS);
	for (uint32_t i = 0; i < bo->pages; i++)
		igt_assert_f(!vttm_pfn_flags(bo->fd, pfns[i]),
			     "PFN %#llx is free and has flags %#x\n",
			     (unsigned long long)pfns[i],
			     vttm_pfn_flags(bo->fd, pfns[i]));
	free(pfns);
}

/* How a VMM ends, whose BO has @size bytes. */
struct ending {
	size_t size;
	bool killed;
};

static const struct ending ends = { SIZE, false }, is_killed = { SIZE, true };
static const struct ending large_is_killed = { KVM_BO_MIB(16), true };

static void until_vmm_ends(struct kvm_bo *bo, const void *arg)
{
	const struct ending *ending = arg;
	uint64_t before, reaps;
	struct vmm vmm;

	vmm_start(&vmm, bo->kind, ending->size, VTTM_BO_CACHED, VMM_FREE_BO);
	bo->refused = vmm.refused;
	before = calls_counted();
	if (!vmm.refused) {
		assert_stays_held(ending->size / KVM_GUEST_PAGE);
		igt_assert(!reserved || before < calls_counted());
	}
	if (ending->killed)
		vmm_kill(&vmm);
	else
		vmm_exit(&vmm);
	before = calls_counted();
	vttm_wait_quarantine_empty(EMPTY_SECONDS);
	reaps = calls_counted() - before;
	igt_info("empty after %llu reaps\n", (unsigned long long)reaps);
	igt_assert_lte_u64(reaps, REAPS);
}

static void killed_while_guest_runs(struct kvm_bo *bo, const void *arg)
{
	struct vmm vmm;

	(void)arg;
	for (int i = 0; i < 5; i++) {
		vmm_start(&vmm, bo->kind, SIZE, VTTM_BO_WC, VMM_KEEP_RUNNING);
		bo->refused = vmm.refused;
		usleep(100000 + i * 7000);
		vmm_kill(&vmm);
		if (vmm.refused)
			return;
		vttm_wait_quarantine_empty(EMPTY_SECONDS);
	}
}

static void vcpu_passed(struct kvm_bo *bo, const void *arg)
{
	struct vmm vmm;

	(void)arg;
	vmm_start(&vmm, bo->kind, SIZE, VTTM_BO_CACHED,
		  VMM_FREE_BO | VMM_SEND_VCPU);
	bo->refused = vmm.refused;
	if (vmm.refused)
		return;
	igt_assert_fd(vmm.vcpu_fd);
	assert_held(PAGES);
	vmm_exit(&vmm);
	assert_stays_held(PAGES);
	close(vmm.vcpu_fd);
	vttm_wait_quarantine_empty(EMPTY_SECONDS);
}

static void outlives_device(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest *guest = kvm_bo_start_guest(bo, SEED);
	char *device = strdup(vttm_dev_name(bo->fd));

	(void)arg;
	kvm_bo_free(bo);
	kvm_bo_fini(bo);
	if (guest) {
		assert_held(bo->pages);
		vttm_replug(device);
		assert_stays_held(bo->pages);
		kvm_guest_destroy(guest);
		vttm_wait_quarantine_empty(EMPTY_SECONDS);
	}
	free(device);
}

/* In the child, whose page table has the BO by fork alone. */
static void child_is_vmm(struct kvm_bo *bo, int ready, int quit)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_READ, SEED);
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	char works;

	kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	works = kvm_bo_guest(bo, guest, &job);
	vttm_munmap(bo->map, bo->size);
	igt_assert_eq(write(ready, &works, 1), 1);
	igt_assert_eq(read(quit, &works, 1), 0);
	exit(0);
}

/* fork() has been there, and not waited for it. */
static void end_reservation(pid_t holder)
{
	int status;

	igt_assert_eq(param_get("dmabuf_use", "reserved"), 1);
	igt_assert_eq(kill(holder, SIGKILL), 0);
	igt_assert_eq(waitpid(holder, &status, 0), holder);
	igt_assert(WIFSIGNALED(status));
}

/* @beside: another process has the BO reserved while the child is forked. */
static void fork_copies_exposure(struct kvm_bo *bo, const void *beside)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	int ready[2], quit[2], status, dmabuf;
	pid_t pid, holder = 0;
	char works;

	kvm_host_write(bo->map, &job);
	igt_assert_eq(pipe(ready), 0);
	igt_assert_eq(pipe(quit), 0);
	if (beside) {
		igt_assert(pte_is_present(bo->map));
		dmabuf = vttm_export(bo->fd, bo->handle);
		holder = dmabuf_keep_reserved(dmabuf);
		close(dmabuf);
	}
	pid = child_fork();
	if (!pid) {
		close(quit[1]);
		if (beside)
			igt_assert_eq(pte_is_present(bo->map),
				      bo->kind == VTTM_STOCK);
		child_is_vmm(bo, ready[1], quit[0]);
	}
	if (beside)
		end_reservation(holder);
	close(ready[1]);
	igt_assert_eq(read(ready[0], &works, 1), 1);
	bo->refused = !works;
	kvm_bo_free(bo);
	if (works)
		assert_stays_held(bo->pages);
	close(quit[1]);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
	if (works)
		vttm_wait_quarantine_empty(EMPTY_SECONDS);
}

/* In the child, which has no VM: the data is there until it says so. */
static void child_keeps_bo(struct kvm_bo *bo, int quit)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_READ, SEED);
	char byte;

	igt_assert_eq(read(quit, &byte, 1), 0);
	kvm_host_verify(bo->map, &job);
	exit(0);
}

static void fork_child_keeps_bo(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest *guest = kvm_bo_start_guest(bo, SEED);
	int quit[2], status;
	pid_t pid;

	(void)arg;
	if (!guest)
		return;
	igt_assert_eq(pipe(quit), 0);
	pid = child_fork();
	if (!pid) {
		/* A VM's descriptors hold it: they are the parent's alone. */
		close(guest->vcpu_fd);
		close(guest->vm_fd);
		munmap(guest->run, guest->run_size);
		close(quit[1]);
		child_keeps_bo(bo, quit[0]);
	}
	kvm_bo_free(bo);
	assert_held(0);
	close(quit[1]);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
	assert_held(bo->pages);
	kvm_guest_destroy(guest);
	vttm_wait_quarantine_empty(EMPTY_SECONDS);
}

struct swapper {
	struct kvm_bo *bo;
	struct kvm_guest *guest;
	atomic_bool stop, stopped;
	struct kvm_guest_result result;
	uint32_t seed; /* of what is in the BO */
	unsigned int passes;
};

/* Each pass verifies what the one before has written. */
static void *guest_thread(void *arg)
{
	struct swapper *s = arg;
	struct kvm_guest_job job;

	do {
		job = kvm_bo_job(s->bo, KVM_OP_READ_WRITE, s->seed);
		job.words = 16;
		kvm_guest_run(s->guest, &job, &s->result);
		if (!s->result.finished || s->result.mismatch)
			break;
		s->seed = ~s->seed;
		s->passes++;
	} while (!s->stop);
	s->stopped = true;
	return NULL;
}

static void swapout_loop(struct swapper *s)
{
	unsigned int swapouts = 0;
	uint64_t pages;
	int ret;

	/* A swapout that found nothing, or the BO locked, does not count. */
	while (swapouts < SWAPOUTS && !s->stopped) {
		ret = __vttm_swapout(s->bo->fd, s->bo->handle, &pages);
		igt_assert_f(!ret || ret == -EBUSY, "swapout: %s\n",
			     strerror(-ret));
		swapouts += !ret && pages;
		if (ret || !pages)
			usleep(1000);
	}
	igt_info("%u swapouts under the running guest\n", swapouts);
}

static void swapout_under_guest(struct kvm_bo *bo, const void *arg)
{
	struct swapper s = { .bo = bo, .seed = SEED };
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	pthread_t thread;

	(void)arg;
	job.words = 16;
	kvm_host_write(bo->map, &job);
	s.guest = kvm_guest_create(KVM_GUEST_FLAT32);
	kvm_guest_map(s.guest, KVM_GUEST_GPA, bo->map, bo->size);
	igt_assert_eq(pthread_create(&thread, NULL, guest_thread, &s), 0);
	swapout_loop(&s);
	s.stop = true;
	igt_assert_eq(pthread_join(thread, NULL), 0);
	igt_info("%u passes of the guest, %lu spurious -EFAULT\n", s.passes,
		 s.guest->retries);

	if (bo->kind == VTTM_STOCK)
		igt_assert_eq(s.result.err, -EFAULT);
	else
		igt_assert_f(s.result.finished && !s.result.mismatch, "%s\n",
			     kvm_guest_result_str(&s.result));
	/* Alone, now: stock's failure is no race. */
	job.seed = s.seed;
	if (bo->kind == VTTM_STOCK)
		kvm_host_write(bo->map, &job);
	job.op = KVM_OP_READ;
	if (kvm_bo_guest(bo, s.guest, &job)) {
		kvm_host_verify(bo->map, &job);
		kvm_bo_check_counts(bo);
	}
	kvm_guest_destroy(s.guest);
}

static const struct {
	const char *name, *describe;
	void (*fn)(struct kvm_bo *bo, const void *arg);
	size_t size; /* of the BO; 0: a VMM process has it */
	uint32_t flags;
	const void *arg;
} tests[] = {
	{ "i1-mark-before-first-pte", "The guest and the CPU race for PTEs.",
	  mark_before_pte, 0, VTTM_BO_CACHED, NULL },
	{ "i3-fork-copies-exposure", "A forked child is the VMM.",
	  fork_copies_exposure, SIZE, VTTM_BO_CACHED, NULL },
	{ "i3-fork-beside-a-reservation", "The same, of a BO that is reserved.",
	  fork_copies_exposure, SIZE, VTTM_BO_CACHED, "beside" },
	{ "i3-fork-child-keeps-bo", "A child keeps the BO the VMM freed.",
	  fork_child_keeps_bo, SIZE, VTTM_BO_CACHED, NULL },
	{ "i3-mremap-keeps-exposure", "The mapping is moved first.",
	  mremap_keeps_exposure, SIZE, VTTM_BO_CACHED, NULL },
	{ "i4-quarantine-until-vm-closed", "The BO is freed, the VM lives.",
	  until_vm_closed, SIZE, VTTM_BO_CACHED, NULL },
	{ "i4-quarantine-after-swapout", "Swapped out, the VM lives.",
	  until_vm_closed, SIZE, VTTM_BO_WC, "swapout" },
	{ "i4-quarantine-until-vmm-exits", "The VMM just ends.", until_vmm_ends,
	  0, VTTM_BO_CACHED, &ends },
	{ "i4-quarantine-until-vmm-killed", "The VMM is killed.",
	  until_vmm_ends, 0, VTTM_BO_CACHED, &is_killed },
	{ "i4-quarantine-of-16-mib-until-vmm-killed",
	  "The VMM of a large BO is killed.", until_vmm_ends, 0, VTTM_BO_CACHED,
	  &large_is_killed },
	{ "i4-vmm-killed-while-guest-runs", "The VMM is killed at work.",
	  killed_while_guest_runs, 0, VTTM_BO_CACHED, NULL },
	{ "i4-vcpu-passed-to-another-process", "Another process has the vCPU.",
	  vcpu_passed, 0, VTTM_BO_CACHED, NULL },
	{ "i4-quarantine-outlives-device", "The driver is unbound.",
	  outlives_device, SIZE, VTTM_BO_CACHED, NULL },
	{ "i8-caching-is-restored-free-wc", "Free pages are write-back again.",
	  caching_is_restored, CHUNKS_SIZE, VTTM_BO_WC, NULL },
	{ "i8-caching-is-restored-free-uc", "Free pages are write-back again.",
	  caching_is_restored, CHUNKS_SIZE, VTTM_BO_UC, NULL },
	{ "i8-caching-is-restored-swapout-wc", "The same after a swapout.",
	  caching_is_restored, CHUNKS_SIZE, VTTM_BO_WC, "swapout" },
	{ "i8-caching-is-restored-swapout-uc", "The same after a swapout.",
	  caching_is_restored, CHUNKS_SIZE, VTTM_BO_UC, "swapout" },
	{ "swapout-under-running-guest-cached", "100 swapouts under a guest.",
	  swapout_under_guest, SIZE, VTTM_BO_CACHED, NULL },
	{ "swapout-under-running-guest-wc", "100 swapouts under a guest.",
	  swapout_under_guest, SIZE, VTTM_BO_WC, NULL },
};

int igt_main()
{
	static const char *const reaper = "ttm_pfnmap_reap";

	igt_fixture()
	{
		int fd = vttm_open(VTTM_MODE);

		igt_require_f(kvm_available(), "no usable /dev/kvm\n");
		igt_require_f(calls_watch(&reaper, 1), "no kprobe events\n");
		reserved = vttm_policy_is(fd, "reserved");
		close(fd);
	}

	for (int kind = VTTM_STOCK; kind <= VTTM_MODE; kind++) {
		for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
			const struct kvm_bo_test test = {
				.fn = tests[i].fn,
				.arg = tests[i].arg,
				.size = tests[i].size,
				.flags = tests[i].flags,
			};

			igt_describe(tests[i].describe);
			igt_subtest_f("%s-%s", vttm_kind_name(kind),
				      tests[i].name) kvm_bo_run(kind, &test);
		}
	}
}
