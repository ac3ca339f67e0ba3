// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap memory
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: TTM's PFNMAP mode, when all of memory is looked at
 * Description: Memory is taken offline, pages are, and a hibernation image is made
 *	and read back, while a guest has BOs. Needs a swap device for the last;
 *	guest script memory.sh.
 *
 * SUBTEST: %s-i4-offline-blocks
 * Description: Every block of memory is told to go offline while a guest uses
 *	BOs that come and go
 *
 * SUBTEST: %s-i4-soft-offline
 * Description: The pages of a BO are told to move elsewhere (soft_offline_page).
 *	They do not, and nothing happens to them
 *
 * SUBTEST: %s-i4-soft-offline-churn
 * Description: The same while the BO is replaced, so that they are in use, in
 *	quarantine, freed or another's when they are told. No page is leaked
 *
 * SUBTEST: %s-i3-fork-bomb
 * Description: A tree of 63 processes that map a guest's BO eight times each and
 *	are killed or end, while the BO is swapped out
 *
 * SUBTEST: %s-i8-hibernate
 * Description: A BO of a guest and pages in quarantine go through an image
 *	(test_resume; 6.1 writes it and cannot read it back)
 *
 * arg[1]:
 * @stock:	TTM without the mode; KVM refuses to map the BO
 * @mode:	the device that opted in
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "hazard.h"
#include "igt.h"
#include "kvm_bo.h"

#define SEED 0x0ff11e
#define SIZE KVM_BO_MIB(1)
#define PAGES (SIZE / KVM_GUEST_PAGE)
#define MEMORY "/sys/devices/system/memory"
#define BLOCK_SECONDS 20
#define CHURNS_A_BLOCK 2
#define OFFLINERS_BOS 60
#define OFFLINERS_SHARE 16 /* pages of a BO */
#define OFFLINERS_PAGES (4 * OFFLINERS_SHARE)

/* 0 or a negative errno. */
static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* ---- Blocks ------------------------------------------------------------ */

/* Who sets a block's state, which may take for ever. */
struct setter {
	pid_t pid;
	struct timespec start;
};

static void set_block_begin(struct setter *setter, const char *block,
			    const char *state)
{
	char path[512];

	snprintf(path, sizeof(path), MEMORY "/%s/state", block);
	*setter = (struct setter){ .pid = child_fork() };
	if (!setter->pid)
		_exit(-write_file(path, state));
	igt_nsec_elapsed(&setter->start);
}

/* Has it ended? It is stopped when it has tried for long enough. */
static bool set_block_ended(struct setter *setter, int *ret)
{
	int status;

	if (!waitpid(setter->pid, &status, WNOHANG)) {
		if (igt_nsec_elapsed(&setter->start) >
		    BLOCK_SECONDS * 1000000000ull)
			kill(setter->pid, SIGKILL);
		return false;
	}
	*ret = WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
	return true;
}

static int set_block(const char *block, const char *state)
{
	struct setter setter;
	int ret;

	set_block_begin(&setter, block, state);
	while (!set_block_ended(&setter, &ret))
		usleep(10000);
	return ret;
}

/* Another BO in its place; the old one's pages cannot be the new one's. */
static void replace(struct kvm_bo *bo)
{
	const uint32_t old = bo->handle;
	void *map;

	bo->handle = vttm_create(bo->fd, bo->size, VTTM_BO_CACHED);
	map = vttm_mmap(bo->fd, bo->handle, bo->size);
	memset(map, 0, bo->size);
	vttm_munmap(map, bo->size);
	igt_assert(mmap(bo->map, bo->size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED, bo->fd,
			vttm_mmap_offset(bo->fd, bo->handle)) == bo->map);
	vttm_close_bo(bo->fd, old);
}

/* Another BO, written by the guest and looked at by the host. */
static bool churn(struct kvm_bo *bo, struct kvm_guest *guest, uint32_t seed)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, seed);

	replace(bo);
	if (!kvm_bo_guest(bo, guest, &job))
		return false;
	kvm_host_verify(bo->map, &job);
	return true;
}

static void offline_blocks(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	unsigned int offline = 0, refused = 0, churns = 0, meanwhile = 0;
	struct dirent *entry;
	DIR *dir = opendir(MEMORY);

	(void)arg;
	igt_assert(dir);
	kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	while ((entry = readdir(dir))) {
		struct kvm_guest_job job;
		struct setter setter;
		int ret;

		if (strncmp(entry->d_name, "memory", 6))
			continue;
		for (int i = 0; i < CHURNS_A_BLOCK; i++)
			if (!churn(bo, guest, SEED + churns++))
				goto out;
		set_block_begin(&setter, entry->d_name, "offline");
		for (; !set_block_ended(&setter, &ret); meanwhile++)
			churn(bo, guest, SEED + churns++);
		job = kvm_bo_job(bo, KVM_OP_READ, SEED + churns - 1);
		kvm_guest_run_ok(guest, &job);
		kvm_bo_check_counts(bo);
		if (!ret) {
			offline++;
			churn(bo, guest, SEED + churns++);
			igt_assert_eq(set_block(entry->d_name, "online"), 0);
		} else {
			refused++;
		}
	}
	igt_info(
		"%u blocks went offline and back, %u could not; %u BOs, %u of them meanwhile\n",
		offline, refused, churns, meanwhile);
	igt_assert_lt(0, offline);
	igt_assert_lt(0, refused);
	igt_assert_lt(0, meanwhile);
out:
	closedir(dir);
	kvm_guest_destroy(guest);
}

/* ---- Pages ------------------------------------------------------------- */

static void soft_offline(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	struct drm_vttm_page page;
	unsigned int refused = 0;

	(void)arg;
	kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	if (!kvm_bo_guest(bo, guest, &job)) {
		kvm_guest_destroy(guest);
		return;
	}
	for (uint32_t i = 0; i < PAGES; i += PAGES / 16) {
		char address[32];

		vttm_page(bo->fd, bo->handle, i, &page);
		snprintf(address, sizeof(address), "%#llx",
			 (unsigned long long)page.pfn * KVM_GUEST_PAGE);
		refused += !!write_file(MEMORY "/soft_offline_page", address);
	}
	igt_info("%u of 16 pages stayed\n", refused);
	igt_assert_eq(refused, 16);
	kvm_bo_check_counts(bo);
	kvm_host_verify(bo->map, &job);
	job.op = KVM_OP_READ;
	kvm_guest_run_ok(guest, &job);
	kvm_guest_destroy(guest);
}

/*
 * A process that tells the pages of the last BOs to move, in use or not; shared with
 * it. It says so in the kernel's log each time.
 */
struct offliner {
	volatile uint64_t address[OFFLINERS_PAGES];
	volatile unsigned int went, stayed;
	volatile bool stop;
	pid_t pid;
};

static void offliner_run(struct offliner *offliner)
{
	for (uint32_t i = 0; !offliner->stop; i++) {
		const uint64_t at = offliner->address[i % OFFLINERS_PAGES];
		char address[32];

		usleep(500);
		snprintf(address, sizeof(address), "%#llx",
			 (unsigned long long)at);
		if (!at)
			continue;
		if (write_file(MEMORY "/soft_offline_page", address))
			offliner->stayed++;
		else
			offliner->went++;
	}
}

/* Before there is a VM, which it would keep. */
static struct offliner *offliner_start(void)
{
	struct offliner *offliner = mmap(NULL, sizeof(*offliner),
					 PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	igt_assert(offliner != MAP_FAILED);
	pid = child_fork();
	if (!pid) {
		offliner_run(offliner);
		_exit(0);
	}
	offliner->pid = pid;
	return offliner;
}

static void offliner_stop(struct offliner *offliner)
{
	int status;

	offliner->stop = true;
	igt_assert_eq(waitpid(offliner->pid, &status, 0), offliner->pid);
	igt_assert_eq(status, 0);
}

/* The BO of this number: a few of its pages, in place of an older one's. */
static void offliner_show(struct offliner *offliner, const struct kvm_bo *bo,
			  unsigned int nr)
{
	struct drm_vttm_page page;

	for (uint32_t i = 0; i < OFFLINERS_SHARE; i++) {
		vttm_page(bo->fd, bo->handle, i * (PAGES / OFFLINERS_SHARE),
			  &page);
		offliner->address[(nr * OFFLINERS_SHARE + i) % OFFLINERS_PAGES] =
			page.pfn * KVM_GUEST_PAGE;
	}
}

static void soft_offline_churn(struct kvm_bo *bo, const void *arg)
{
	struct offliner *offliner = offliner_start();
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	struct vttm_counters before, after;
	unsigned int bos, stayed, went, waited = 0;

	(void)arg;
	vttm_counters_total(&before);
	kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	for (bos = 0; bos < OFFLINERS_BOS; bos++) {
		if (!churn(bo, guest, SEED + bos))
			break;
		offliner_show(offliner, bo, bos);
		usleep(20000);
		kvm_bo_check_counts(bo);
	}
	kvm_guest_destroy(guest);
	stayed = offliner->stayed;
	/* Without a VM all that was freed goes to the page allocator, one by one. */
	went = offliner->went;
	do {
		usleep(10000);
		vttm_counters_total(&after);
	} while (bos && waited++ < 1000 &&
		 (after.pages_quarantined || offliner->went == went));
	offliner_stop(offliner);
	if (bos) {
		igt_info(
			"%u BOs, %u times a page stayed; %u times one went, %u of them in the end\n",
			bos, stayed, offliner->went, offliner->went - went);
		igt_assert_lt(0, stayed);
		igt_assert_lt(0, offliner->went);
		igt_assert_eq_u64(after.pages_quarantined, 0);
		igt_assert_eq_u64(after.pages_leaked, before.pages_leaked);
	}
	munmap(offliner, sizeof(*offliner));
}

/* ---- Processes --------------------------------------------------------- */

#define BOMB_DEPTH 5
#define BOMB_MAPS 8

/* What the guest wrote is there in every process, mapped anew and inherited. */
static void bomb(const struct kvm_bo *bo, const struct kvm_guest_job *job,
		 int depth)
{
	int status;

	kvm_host_verify(bo->map, job);
	for (int i = 0; i < BOMB_MAPS; i++)
		kvm_host_verify(vttm_mmap(bo->fd, bo->handle, bo->size), job);
	for (int i = 0; depth && i < 2; i++) {
		pid_t pid = child_fork();

		if (!pid) {
			bomb(bo, job, depth - 1);
			if (i)
				kill(getpid(), SIGKILL);
			_exit(0);
		}
	}
	while (wait(&status) >= 0)
		igt_assert(!status || status == SIGKILL);
}

static void fork_bomb(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	unsigned int swapouts = 0;
	uint64_t pages;
	int status;
	pid_t pid;

	(void)arg;
	job.words = 1;
	kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	if (!kvm_bo_guest(bo, guest, &job))
		goto out;
	pid = child_fork();
	if (!pid) {
		bomb(bo, &job, BOMB_DEPTH);
		_exit(0);
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		usleep(5000);
		if (!__vttm_swapout(bo->fd, bo->handle, &pages) && pages)
			swapouts++;
	}
	igt_info("%u swapouts meanwhile\n", swapouts);
	igt_assert_eq(status, 0);
	igt_assert_lt(0, swapouts);
	job.op = KVM_OP_READ;
	kvm_guest_run_ok(guest, &job);
	kvm_bo_check_counts(bo);
out:
	kvm_guest_destroy(guest);
}

/* ---- All of it --------------------------------------------------------- */

/* Since @log was opened. */
static bool kernel_said(int log, const char *text)
{
	char record[8192];
	bool found = false;
	ssize_t len;

	while ((len = read(log, record, sizeof(record) - 1)) > 0) {
		record[len] = '\0';
		found |= !!strstr(record, text);
	}
	return found;
}

static void hibernate(struct kvm_bo *bo, const void *arg)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	struct vttm_counters before, after;
	cpu_set_t cpus;
	int ret;

	(void)arg;
	igt_assert_eq(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	/* One BO goes into quarantine, if there is one, the next stays. */
	if (!kvm_bo_guest(bo, guest, &job) || !churn(bo, guest, ~SEED))
		goto out;
	vttm_counters_total(&before);
	igt_assert_eq_u64(before.pages_quarantined,
			  vttm_policy_is(bo->fd, "reserved") ? PAGES : 0);
	igt_assert_eq(lseek(log, 0, SEEK_END), 0);
	igt_assert_eq(write_file("/sys/power/disk", "test_resume"), 0);
	ret = write_file("/sys/power/state", "disk");
	/* Not on CPU 0, the only one there was meanwhile. */
	igt_assert_eq(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	/* 6.1 opens the device exclusively, which the swap on it forbids. */
	igt_info("hibernation: %s\n",
		 ret ? "written, this kernel cannot read it back" :
		       "written and read back");
	igt_assert_f(!ret || (ret == -EBUSY &&
			      kernel_said(log, "Image saving done")),
		     "hibernation: %s\n", strerror(-ret));

	vttm_counters_total(&after);
	igt_assert_eq_u64(after.pages_quarantined, before.pages_quarantined);
	kvm_bo_check_counts(bo);
	job = kvm_bo_job(bo, KVM_OP_READ, ~SEED);
	kvm_guest_run_ok(guest, &job);
	kvm_host_verify(bo->map, &job);
	job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	kvm_guest_run_ok(guest, &job);
	kvm_host_verify(bo->map, &job);
out:
	close(log);
	kvm_guest_destroy(guest);
}

static bool has_swap(void)
{
	char line[256];
	FILE *file = fopen("/proc/swaps", "re");
	bool found;

	igt_assert(file);
	found = fgets(line, sizeof(line), file) &&
		fgets(line, sizeof(line), file);
	fclose(file);
	return found;
}

static void run(enum vttm_kind kind, void (*fn)(struct kvm_bo *, const void *))
{
	const struct kvm_bo_test test = {
		.fn = fn,
		.size = SIZE,
		.flags = VTTM_BO_CACHED,
	};
	struct kernel_log log = {};

	kernel_log_start();
	kvm_bo_run(kind, &test);
	kernel_log_read(&log);
	log.lost =
		0; /* a machine that sleeps, or is told of pages, says much */
	kernel_log_assert_clean(&log);
}

int igt_main()
{
	for (enum vttm_kind kind = VTTM_STOCK; kind <= VTTM_MODE; kind++) {
		const char *name = vttm_kind_name(kind);

		igt_describe("Blocks of memory are taken offline.");
		igt_subtest_f("%s-i4-offline-blocks", name)
		{
			igt_require_f(!access(MEMORY "/block_size_bytes", R_OK),
				      "no memory hotplug\n");
			run(kind, offline_blocks);
		}

		igt_describe("Pages of a BO are taken offline.");
		igt_subtest_f("%s-i4-soft-offline", name)
		{
			igt_require_f(!access(MEMORY "/soft_offline_page",
					      W_OK),
				      "no soft offlining\n");
			run(kind, soft_offline);
		}

		igt_describe(
			"Pages of BOs that come and go are taken offline.");
		igt_subtest_f("%s-i4-soft-offline-churn", name)
		{
			igt_require_f(!access(MEMORY "/soft_offline_page",
					      W_OK),
				      "no soft offlining\n");
			run(kind, soft_offline_churn);
		}

		igt_describe("Many processes map a guest's BO many times.");
		igt_subtest_f("%s-i3-fork-bomb", name) run(kind, fork_bomb);

		igt_describe("Memory becomes an image, and is read back.");
		igt_subtest_f("%s-i8-hibernate", name)
		{
			igt_require_f(!access("/sys/power/disk", W_OK) &&
					      has_swap(),
				      "no hibernation, or no swap device\n");
			run(kind, hibernate);
		}
	}
}
