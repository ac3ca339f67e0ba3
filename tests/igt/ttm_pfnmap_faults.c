// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap faults
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: fault injection
 * Description: Each allocation and each copy from or to user space that an
 *	operation makes is made to fail, one at a time (/proc/self/fail-nth): the
 *	operation says -ENOMEM (-EFAULT for a copy, SIGBUS for an access) or works,
 *	the same operation works right after, and nothing is left behind. Without
 *	fault injection in the kernel the module alloc_fails does it, to what TTM and
 *	DRM allocate, and copies do not fail.
 *
 * SUBTEST: i6-fail-%s
 * Description: Each failure inside of this operation
 *
 * arg[1]:
 * @touch:		first access to a new BO
 * @touch-again:	first access after a swapout
 * @populate:		moving a BO out of VRAM, which gives it pages
 * @move:		moving a BO into VRAM
 * @swapout:		swapping a BO out
 * @free:		unmapping a BO and freeing it
 * @fork:		fork() with a BO mapped
 * @create:		creating and mapping a BO
 * @create-reuse:	the same with reuse on, where the BO's client is recorded
 * @touch-reuse:	first access to a BO that gets all but a page by reuse
 * @afresh:		first access to a BO of reused pages by another process,
 *			which gives it fresh ones and keeps its contents
 * @share:		export, import, mapping the dma-buf
 * @counters:		reading the mode's counters
 *
 * SUBTEST: i6-exposure-cannot-fail
 * Description: With every small allocation failing, a BO becomes visible to more
 *	address spaces than its record has room for
 *
 * SUBTEST: i6-fail-device-init
 * Description: A device whose entry cannot be allocated is a stock one
 *
 * SUBTEST: i6-fail-module-init
 * Description: ttm.ko is loaded, and works, with a smaller table than it asked
 *	for, and without its debugfs file
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc_fails.h"
#include "child.h"
#include "drm_mode.h"
#include "igt.h"
#include "kvm_bo.h"

#define PAGE 4096u
/* A chunk, which smaller ones replace, and a page, which nothing replaces. */
#define CHUNK_SIZE (64 * 1024)
#define BO_SIZE (CHUNK_SIZE + PAGE)
#define DEBUGFS "/sys/kernel/debug/"
#define DEVICE "vttm.0"
#define DRIVER "/sys/bus/platform/drivers/vttm/"
#define NTH_MAX 2000
#define NTH_NEVER 1000000
#define ROUNDS 5
#define NAMES 3
#define SECONDS 3000

/* Address spaces at a time: a set has room for four. */
#define SPACES 7

/* ---- The kernel's fault injection -------------------------------------- */

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	igt_assert_f(fd >= 0 && write(fd, text, strlen(text)) ==
					(ssize_t)strlen(text),
		     "'%s' to %s: %s\n", text, path, strerror(errno));
	close(fd);
}

/* The kernel has none, and the module does it. */
static bool by_module;

/* What may fail: everything, sleeping allocations included. */
static void setup_injection(void)
{
	by_module = access("/proc/self/fail-nth", W_OK);
	if (by_module) {
		igt_require_f(alloc_fails_is_there(),
			      "no fault injection, and no alloc_fails.ko\n");
		return;
	}
	put(DEBUGFS "failslab/ignore-gfp-wait", "N");
	put(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N");
	put(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N");
	put(DEBUGFS "fail_page_alloc/min-order", "0");
	put(DEBUGFS "failslab/verbose", "2");
	put(DEBUGFS "fail_page_alloc/verbose", "2");
	put(DEBUGFS "fail_usercopy/verbose", "2");
}

static int nth_fd = -1;

/* From now on the @n'th of this thread's allocations and copies fails. */
static void arm(unsigned int n)
{
	char text[16];

	if (by_module) {
		alloc_fails_arm(n);
		return;
	}
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	snprintf(text, sizeof(text), "%u", n);
	if (nth_fd < 0 || write(nth_fd, text, strlen(text)) < 0)
		_exit(1);
}

/* Has it failed since arm()? How many more there would have been is @left. */
static bool disarm(unsigned int *left)
{
	char text[16] = "";
	ssize_t len;

	if (by_module) {
		*left = alloc_fails_disarm();
		return !*left;
	}
	len = read(nth_fd, text, sizeof(text) - 1);
	*left = len > 0 ? atoi(text) : 1;
	/* Should this copy be the one that fails, then it is off as well. */
	if (write(nth_fd, "0", 1) != 1)
		*left = 1;
	close(nth_fd);
	return !*left;
}

/* One failure as the kernel's log tells it, or the module. */
struct failure {
	char kind[32]; /* failslab ..., empty if nobody says */
	char site[64]; /* the innermost function of the mode, or empty */
	char trace[2048];
};

/* Where the log stands now. */
static int log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	igt_assert_fd(fd);
	lseek(fd, 0, SEEK_END);
	return fd;
}

static void frame(struct failure *failure, const char *name)
{
	size_t used = strlen(failure->trace);

	snprintf(failure->trace + used, sizeof(failure->trace) - used, " %s",
		 name);
	if (!failure->site[0] && strstr(name, "ttm_pfnmap_"))
		snprintf(failure->site, sizeof(failure->site), "%s", name);
}

/* "func+0x12/0x34 [ttm]" in a line of a trace that the unwinder is sure of */
static void log_frame(struct failure *failure, char *line)
{
	char *name = line + strspn(line, " "), *end = strchr(name, '+');
	size_t len = strcspn(name, "+");

	if (!end || strncmp(end, "+0x", 3) || strcspn(name, "? ") < len)
		return;
	*end = '\0';
	frame(failure, name);
}

/* The same from the module. */
static void module_read(struct failure *failure)
{
	char text[4096], *rest = text, *name;

	alloc_fails_trace(text, sizeof(text));
	while ((name = strsep(&rest, " ")))
		if (*name)
			frame(failure, name);
	if (failure->trace[0])
		snprintf(failure->kind, sizeof(failure->kind), "alloc_fails");
}

/* The failure that the log tells of since the last call, if any. */
static void log_read(int fd, struct failure *failure)
{
	char record[8192], *text, *name;
	ssize_t len;

	memset(failure, 0, sizeof(*failure));
	if (by_module) {
		module_read(failure);
		return;
	}
	while ((len = read(fd, record, sizeof(record) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		if (len < 0)
			continue;
		record[len] = '\0';
		text = strchr(record, ';');
		if (!text)
			continue;
		text[strcspn(text, "\n")] = '\0';
		name = strstr(text, "forcing a failure");
		name = name ? strstr(name, "name ") : NULL;
		if (name)
			sscanf(name, "name %31[a-z_]", failure->kind);
		else if (failure->kind[0])
			log_frame(failure, text + 1);
	}
}

/* Where the mode was made to fail, and how often, in this subtest. */
static struct site {
	char name[64];
	unsigned int failures;
} sites[32];

static void count_site(const char *name)
{
	unsigned int i = 0;

	if (!name[0])
		return;
	while (i < 31 && sites[i].name[0] && strcmp(sites[i].name, name))
		i++;
	snprintf(sites[i].name, sizeof(sites[i].name), "%s", name);
	sites[i].failures++;
}

/* ---- One operation, many failures -------------------------------------- */

struct state {
	int fd;
	uint32_t handle;
	size_t size;
	char *map;
	uint64_t reused; /* pages, in setup */
};

struct op {
	const char *name;
	const char *description;
	/* Everything before, without failures */
	void (*setup)(struct state *state);
	/* 0, a negative errno, or SIGBUS; may be called once more after it */
	int (*run)(struct state *state);
	/* Afterwards, without failures */
	void (*check)(struct state *state);
	/* Functions in each of which an allocation must have failed */
	const char *must_fail[NAMES];
	/* One in which none ever may */
	const char *must_not_fail;
	/* What it allocates is the kernel's own, which the module does not see */
	bool kernels_own;
};

static sigjmp_buf sigbus_jump;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(sigbus_jump, 1);
}

/* Writes to each page: 0 or SIGBUS. */
static int touch(char *map, size_t size)
{
	if (sigsetjmp(sigbus_jump, 1))
		return SIGBUS;
	for (size_t i = 0; i < size; i += PAGE)
		((volatile char *)map)[i] = 1;
	return 0;
}

static void new_bo_of_size(struct state *state, size_t size, uint32_t flags)
{
	state->size = size;
	state->handle = vttm_create(state->fd, size, flags);
	state->map = vttm_mmap(state->fd, state->handle, size);
}

static void new_bo(struct state *state, uint32_t flags)
{
	new_bo_of_size(state, BO_SIZE, flags);
}

static void bo_new(struct state *state)
{
	new_bo(state, VTTM_BO_WC);
}

static void bo_touched(struct state *state)
{
	new_bo(state, VTTM_BO_CACHED);
	igt_assert_eq(touch(state->map, state->size), 0);
}

static void bo_swapped(struct state *state)
{
	bo_touched(state);
	vttm_swapout(state->fd, state->handle);
}

static void bo_in_vram(struct state *state)
{
	new_bo(state, VTTM_BO_CACHED | VTTM_BO_VRAM);
	igt_assert_eq(touch(state->map, state->size), 0);
}

static int run_touch(struct state *state)
{
	return touch(state->map, state->size);
}

static int run_populate(struct state *state)
{
	return __vttm_move(state->fd, state->handle, VTTM_PL_SYSTEM);
}

static int run_move(struct state *state)
{
	return __vttm_move(state->fd, state->handle, VTTM_PL_VRAM);
}

static int run_swapout(struct state *state)
{
	uint64_t pages;

	return __vttm_swapout(state->fd, state->handle, &pages);
}

static int run_free(struct state *state)
{
	if (state->map && munmap(state->map, state->size))
		return -errno;
	state->map = NULL;
	return __vttm_close_bo(state->fd, state->handle);
}

static bool within(const void *addr, unsigned long start, unsigned long end)
{
	return (unsigned long)addr >= start && (unsigned long)addr < end;
}

/*
 * A child of this process inherits what it needs to look at the BO and to end. Of all
 * that libigt has mapped each copy would be a failure of its own, and they take an hour
 * on a debug kernel.
 */
static void bo_touched_alone(struct state *state)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	char line[512];

	bo_touched(state);
	igt_assert(maps);
	while (fgets(line, sizeof(line), maps)) {
		igt_assert_eq(sscanf(line, "%lx-%lx", &start, &end), 2);
		if (strstr(line, "/ttm_pfnmap_") || strstr(line, "/libc.so") ||
		    within(state, start, end) || within(&errno, start, end) ||
		    within(state->map, start, end))
			continue;
		/* Some of the kernel's own cannot be left out. */
		madvise((void *)start, end - start, MADV_DONTFORK);
	}
	fclose(maps);
}

/* Not fork(), whose handlers would look for the rest of the libraries. */
static int run_fork(struct state *state)
{
	pid_t pid = syscall(SYS_fork);
	int status;

	if (pid < 0)
		return -errno;
	if (!pid)
		syscall(SYS_exit_group, state->map[PAGE] != 1);
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	igt_assert(WIFEXITED(status) && !WEXITSTATUS(status));
	return 0;
}

static void no_setup(struct state *state)
{
	(void)state;
}

static int run_create(struct state *state)
{
	uint64_t size = BO_SIZE;
	uint32_t handle;
	int ret = __vttm_create(state->fd, &size, VTTM_BO_CACHED, &handle);
	struct drm_mode_map_dumb args = { .handle = handle };
	void *map;

	if (!ret)
		ret = vttm_ioctl(state->fd, DRM_IOCTL_MODE_MAP_DUMB, &args);
	if (ret)
		return ret;
	map = mmap(NULL, BO_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, state->fd,
		   args.offset);
	return map == MAP_FAILED ? -errno : 0;
}

static void reuse_on(struct state *state)
{
	(void)state;
	vttm_parameter_set("pfnmap_reuse", true);
}

/* A BO was freed of which this process's VM may hold pages. */
static void bo_kept(struct state *state, size_t size)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	reuse_on(state);
	igt_assert(kvm >= 0 && ioctl(kvm, KVM_CREATE_VM, 0) >= 0);
	new_bo_of_size(state, size, VTTM_BO_CACHED);
	igt_assert_eq(touch(state->map, size), 0);
	igt_assert_eq(run_free(state), 0);
}

static uint64_t pages_reused(const struct state *state)
{
	struct vttm_counters counters;

	vttm_counters(state->fd, &counters);
	return counters.pages_reused;
}

static void bo_kept_in_part(struct state *state)
{
	bo_kept(state, CHUNK_SIZE);
	state->reused = pages_reused(state);
	new_bo(state, VTTM_BO_CACHED);
}

static void check_reused(struct state *state)
{
	igt_assert_lte_u64(state->reused + CHUNK_SIZE / PAGE,
			   pages_reused(state));
}

/*
 * A BO whose pages were in a BO that this process's VM may still hold, and a
 * child, which is who goes on.
 */
static void bo_reused(struct state *state)
{
	int status;
	pid_t pid;

	bo_kept(state, BO_SIZE);
	state->reused = pages_reused(state);
	bo_touched(state);
	check_reused(state);
	pid = child_fork();
	if (!pid)
		return;
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	_exit(!WIFEXITED(status) || WEXITSTATUS(status));
}

/* The pages that it touches have what bo_touched() wrote. */
static int run_afresh(struct state *state)
{
	if (sigsetjmp(sigbus_jump, 1))
		return SIGBUS;
	for (unsigned int i = 0; i < BO_SIZE; i += PAGE)
		if (((volatile char *)state->map)[i] != 1)
			return -EILSEQ;
	return 0;
}

static int run_share(struct state *state)
{
	struct drm_prime_handle args = {
		.handle = state->handle,
		.flags = DRM_RDWR | DRM_CLOEXEC,
	};
	int ret = vttm_ioctl(state->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args);
	void *map;

	if (ret)
		return ret;
	ret = vttm_ioctl(state->fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &args);
	if (!ret) {
		map = mmap(NULL, BO_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			   args.fd, 0);
		ret = map == MAP_FAILED ? -errno : touch(map, BO_SIZE);
	}
	close(args.fd);
	return ret;
}

static int run_counters(struct state *state)
{
	char text[4096];
	int fd = open(DEBUGFS "ttm_pfnmap", O_RDONLY | O_CLOEXEC);
	int ret = 0;

	(void)state;
	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text)) <= 0)
		ret = -errno;
	close(fd);
	return ret;
}

static const struct op ops[] = {
	{ .name = "touch",
	  .description = "mode alone: First access to a new BO.",
	  .setup = bo_new,
	  .run = run_touch,
	  .must_fail = { "ttm_pfnmap_set_make" } },
	{ .name = "touch-again",
	  .description = "mode alone: First access after a swapout.",
	  .setup = bo_swapped,
	  .run = run_touch },
	{ .name = "populate",
	  .description = "mode alone: A BO leaves VRAM.",
	  .setup = bo_in_vram,
	  .run = run_populate,
	  .must_fail = { "ttm_pfnmap_set_make", "ttm_pool_alloc" } },
	{ .name = "move",
	  .description = "mode alone: A BO moves into VRAM.",
	  .setup = bo_touched,
	  .run = run_move,
	  .must_not_fail = "ttm_pfnmap_retire" },
	{ .name = "swapout",
	  .description = "mode alone: A BO is swapped out.",
	  .setup = bo_touched,
	  .run = run_swapout,
	  .must_not_fail = "ttm_pfnmap_retire" },
	{ .name = "free",
	  .description = "mode alone: A BO is freed.",
	  .setup = bo_touched,
	  .run = run_free,
	  .must_not_fail = "ttm_pfnmap_" },
	{ .name = "fork",
	  .description = "mode alone: fork() with a BO mapped.",
	  .setup = bo_touched_alone,
	  .run = run_fork,
	  .must_not_fail = "ttm_pfnmap_" },
	{ .name = "create",
	  .description = "mode alone: A BO is created.",
	  .setup = no_setup,
	  .run = run_create },
	{ .name = "create-reuse",
	  .description = "mode alone: A BO is created, with reuse on.",
	  .setup = reuse_on,
	  .run = run_create,
	  .must_fail = { "ttm_pfnmap_set_make", "ttm_pfnmap_mm_get" } },
	{ .name = "touch-reuse",
	  .description = "mode alone: First access to a BO, with reuse on.",
	  .setup = bo_kept_in_part,
	  .run = run_touch,
	  .check = check_reused,
	  .must_fail = { "ttm_pool_alloc" } },
	{ .name = "afresh",
	  .description = "mode alone: A child gets fresh pages.",
	  .setup = bo_reused,
	  .run = run_afresh,
	  .must_fail = { "ttm_tt_swapout", "ttm_pfnmap_set_make",
			 "ttm_pool_alloc" } },
	{ .name = "share",
	  .description = "mode alone: A BO is exported and imported.",
	  .setup = bo_touched,
	  .run = run_share },
	{ .name = "counters",
	  .description = "new call: The counters are read.",
	  .setup = no_setup,
	  .run = run_counters,
	  .kernels_own = true },
};

struct outcome {
	bool ran, failed;
	unsigned int left;
	int ret, again;
};

/* A process of its own, so that an attempt leaves nothing in the next one. */
static void attempt(const struct op *op, unsigned int n,
		    struct outcome *outcome)
{
	const struct sigaction action = { .sa_handler = on_sigbus };
	struct state state = { .fd = __vttm_open(VTTM_MODE) };

	if (state.fd < 0 || sigaction(SIGBUS, &action, NULL))
		_exit(1);
	op->setup(&state);
	arm(n);
	outcome->ret = op->run(&state);
	outcome->failed = disarm(&outcome->left);
	outcome->again = outcome->ret ? op->run(&state) : 0;
	if (op->check)
		op->check(&state);
	outcome->ran = true;
	_exit(0);
}

static void run_attempt(const struct op *op, unsigned int n,
			struct outcome *outcome)
{
	memset(outcome, 0, sizeof(*outcome));
	igt_fork(child, 1) attempt(op, n, outcome);
	igt_waitchildren_timeout(60, "an attempt does not end");
	igt_assert_f(outcome->ran, "failure %u of %s ended the process\n", n,
		     op->name);
}

static bool allowed(const struct outcome *outcome, const struct failure *why)
{
	if (!outcome->ret)
		return true;
	if (!strcmp(why->kind, "fail_usercopy"))
		return outcome->ret == -EFAULT;
	return outcome->ret == -ENOMEM || outcome->ret == SIGBUS;
}

static void tell_sites(unsigned int failures)
{
	igt_info("%u failures\n", failures);
	for (unsigned int i = 0; i < 32 && sites[i].name[0]; i++)
		igt_info("  %u of them in %s()\n", sites[i].failures,
			 sites[i].name);
}

static void check_outcome(const struct op *op, unsigned int n,
			  const struct outcome *outcome,
			  const struct failure *why)
{
	igt_debug("%u: %s %s: %d\n", n, why->kind, why->trace, outcome->ret);
	igt_assert_f(allowed(outcome, why),
		     "failure %u (%s:%s) of %s gives %d\n", n, why->kind,
		     why->trace, op->name, outcome->ret);
	igt_assert_f(!outcome->again, "%s does not work after failure %u: %d\n",
		     op->name, n, outcome->again);
	igt_assert_f(!op->must_not_fail ||
			     !strstr(why->trace, op->must_not_fail),
		     "an allocation where there must be none:%s\n", why->trace);
}

/* The first of @names that was not seen to fail, or NULL; @seen: a bit each. */
static const char *not_failed(const char *const names[], unsigned int seen)
{
	for (unsigned int i = 0; i < NAMES; i++)
		if (names[i] && !(seen & 1u << i))
			return names[i];
	return NULL;
}

static unsigned int names_in(const char *const names[], const char *trace)
{
	unsigned int seen = 0;

	for (unsigned int i = 0; i < NAMES; i++)
		if (names[i] && strstr(trace, names[i]))
			seen |= 1u << i;
	return seen;
}

/* Failure after failure, until one is not reached any more; what was seen. */
static unsigned int one_round(const struct op *op, struct outcome *outcome)
{
	unsigned int n = 0, seen = 0;
	struct failure why;
	int log = log_open();

	do {
		n++;
		igt_assert_lt(n, NTH_MAX);
		run_attempt(op, n, outcome);
		log_read(log, &why);
		count_site(why.site);
		seen |= names_in(op->must_fail, why.trace);
		check_outcome(op, n, outcome, &why);
	} while (outcome->failed);
	close(log);
	igt_assert_f(!outcome->ret, "%s without a failure gives %d\n", op->name,
		     outcome->ret);
	/* The module sees less than the kernel: nothing, where none of ours may fail. */
	igt_assert_f(n > 1 || (by_module && op->must_not_fail),
		     "%s allocates and copies nothing\n", op->name);
	tell_sites(n - 1);
	return seen;
}

/*
 * The kernel's own allocations, a slab's pages for example, are not the same each
 * time, so that a round may pass over one of the others.
 */
static void fail_each(const struct op *op)
{
	struct outcome *outcome = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int seen = 0, round = 0;
	struct vttm_counters before, after;

	igt_require_f(!by_module || !op->kernels_own,
		      "what it allocates is the kernel's own\n");
	igt_assert(outcome != MAP_FAILED);
	memset(sites, 0, sizeof(sites));
	close(vttm_open(VTTM_MODE));
	vttm_parameter_set("pfnmap_reuse", false);
	kvm_bo_assert_nothing_left(VTTM_MODE);
	vttm_counters_total(&before);
	do {
		seen |= one_round(op, outcome);
	} while (not_failed(op->must_fail, seen) && ++round < ROUNDS);
	igt_assert_f(!not_failed(op->must_fail, seen),
		     "no allocation in %s() was made to fail\n",
		     not_failed(op->must_fail, seen));
	kvm_bo_assert_nothing_left(VTTM_MODE);
	/* What was in quarantine is gone before the record of it. */
	for (int tries = 0;; tries++) {
		vttm_counters_total(&after);
		if (after.records <= before.records)
			break;
		igt_assert_f(tries < 100, "%llu records, %llu before\n",
			     (unsigned long long)after.records,
			     (unsigned long long)before.records);
		usleep(100000);
	}
	munmap(outcome, PAGE);
}

/* ---- Exposure ---------------------------------------------------------- */

/*
 * From here on every small allocation of this process fails, until what is returned is
 * given to feed(): to open that later would need memory. The module makes the first one
 * of ours fail, of which there must be none, in one process after the other.
 */
static int starve(void)
{
	int fd;

	if (by_module) {
		fd = alloc_fails_lock();
		arm(1);
		return fd;
	}
	fd = open("/proc/self/make-it-fail", O_WRONLY | O_CLOEXEC);
	igt_assert_fd(fd);
	igt_assert_eq(write(fd, "1", 1), 1);
	return fd;
}

static void feed(int fd)
{
	unsigned int left;

	if (by_module)
		igt_assert_f(!disarm(&left),
			     "an allocation was made to fail\n");
	else
		igt_assert_eq(pwrite(fd, "0", 1, 0), 1);
	close(fd);
}

/*
 * Touches a BO where page tables exist, so that nothing but the mode could need memory.
 */
static void expose_starved(int fd, uint32_t handle, char *place)
{
	char *map = mmap(place, BO_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd,
			 vttm_mmap_offset(fd, handle));
	int starved = starve();

	igt_assert(map == place);
	for (unsigned int i = 0; i < BO_SIZE; i += PAGE)
		((volatile char *)map)[i] = 1;
	feed(starved);
}

static void fail_starved(bool all)
{
	if (by_module)
		return;
	put(DEBUGFS "failslab/times", "-1");
	put(DEBUGFS "failslab/task-filter", "Y");
	put(DEBUGFS "failslab/probability", all ? "100" : "0");
}

static void exposure_cannot_fail(void)
{
	const size_t huge = 2 << 20;
	struct vttm_counters counters;
	int fd = vttm_open(VTTM_MODE), log = log_open();
	uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);
	char *map = vttm_mmap(fd, handle, BO_SIZE), *place;
	struct failure why;

	igt_assert_eq(madvise(map, BO_SIZE, MADV_DONTFORK), 0);
	memset(map, 1, BO_SIZE);
	place = mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(place != MAP_FAILED);
	place = (char *)(((uintptr_t)place + huge - 1) & -huge);
	igt_assert_eq(madvise(place, huge, MADV_NOHUGEPAGE), 0);

	fail_starved(true);
	igt_fork(child, SPACES)
	{
		/* The page tables of the whole 2 MiB */
		place[huge - 1] = 1;
		expose_starved(fd, handle, place);
		/* All at the same time */
		sleep(2);
	}
	igt_waitchildren_timeout(60, "a starved exposure does not end");
	fail_starved(false);
	log_read(log, &why);
	close(log);
	igt_assert_f(!why.site[0], "the mode was made to fail:%s\n", why.trace);
	vttm_counters(fd, &counters);
	igt_assert_eq_u64(counters.pages_marked, BO_SIZE / PAGE);
	vttm_munmap(map, BO_SIZE);
	vttm_close_bo(fd, handle);
	close(fd);
	kvm_bo_assert_nothing_left(VTTM_MODE);
}

/* ---- A device's coming ------------------------------------------------- */

static void no_page_failures(bool none)
{
	if (by_module)
		return;
	put(DEBUGFS "fail_page_alloc/min-order", none ? "10" : "0");
	put(DEBUGFS "fail_usercopy/verbose", "2");
}

/* Binds the device with failure @n: 0 or a negative errno. */
static int bind_attempt(unsigned int n, unsigned int *left)
{
	int fd = open(DRIVER "bind", O_WRONLY | O_CLOEXEC), ret = 0;

	igt_assert_fd(fd);
	arm(n);
	if (write(fd, DEVICE, strlen(DEVICE)) < 0)
		ret = -errno;
	disarm(left);
	close(fd);
	return ret;
}

static bool is_bound(void)
{
	return !access(DRIVER DEVICE, F_OK);
}

/* A BO works, in the mode or as with stock TTM. */
static void use_device(enum vttm_kind kind)
{
	int fd = vttm_open(kind);
	uint32_t handle = vttm_create(fd, BO_SIZE, VTTM_BO_CACHED);
	char *map = vttm_mmap(fd, handle, BO_SIZE);

	memset(map, 1, BO_SIZE);
	vttm_munmap(map, BO_SIZE);
	vttm_close_bo(fd, handle);
	close(fd);
}

/* The device comes without the mode's entry: that is the one failure looked for. */
static void device_without_entry(int ret)
{
	int fd;

	igt_assert_eq(ret, 0);
	fd = __vttm_open(VTTM_MODE);
	igt_assert_f(fd < 0, "the device opted in without an entry\n");
	use_device(VTTM_STOCK);
}

/*
 * From the last failure on to the first ones, until the entry's allocation was
 * made to fail, and never into drm_minor_alloc(): the kernel's DRM dereferences
 * an error there. True if the entry's has failed.
 */
static bool fail_device_round(int log)
{
	unsigned int left, n;
	struct failure why = {};
	bool seen = false;
	int ret;

	igt_assert_eq(bind_attempt(NTH_NEVER, &left), 0);
	put(DRIVER "unbind", DEVICE);
	for (n = NTH_NEVER - left; !seen && n; n--) {
		ret = bind_attempt(n, &left);
		log_read(log, &why);
		count_site(why.site);
		igt_debug("%u: %s %s: %d\n", n, why.kind, why.trace, ret);
		igt_assert_f(!ret || ret == -ENOMEM || ret == -EFAULT ||
				     ret == -ENODEV,
			     "failure %u (%s:%s) of bind gives %d\n", n,
			     why.kind, why.trace, ret);
		seen = strstr(why.trace, "ttm_pfnmap_device_init");
		if (seen)
			device_without_entry(ret);
		if (is_bound())
			put(DRIVER "unbind", DEVICE);
		if (strstr(why.trace, "drm_dev_init"))
			break;
	}
	return seen;
}

static void fail_device_init(void)
{
	unsigned int round = 0;
	int log = log_open();
	bool seen;

	close(vttm_open(VTTM_MODE));
	memset(sites, 0, sizeof(sites));
	no_page_failures(true);
	put(DRIVER "unbind", DEVICE);
	do {
		seen = fail_device_round(log);
	} while (!seen && ++round < ROUNDS);
	no_page_failures(false);
	close(log);
	put(DRIVER "bind", DEVICE);
	igt_assert_f(seen, "the entry's allocation was never made to fail\n");
	use_device(VTTM_MODE);
	kvm_bo_assert_nothing_left(VTTM_MODE);
}

/* ---- The module's coming ----------------------------------------------- */

static const char *const users[] = { "vttm", "drm_ttm_helper", "ttm" };

static int insert(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	igt_assert_f(fd >= 0, "%s: %s\n", path, strerror(errno));
	ret = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
	close(fd);
	return ret;
}

static int insert_named(const char *name, const char *parameters)
{
	struct utsname uts;
	char path[256];

	uname(&uts);
	snprintf(path, sizeof(path), "/lib/modules/%s/%s.ko", uts.release,
		 name);
	return insert(path, parameters);
}

static void remove_module(const char *name)
{
	int tries = 100;

	while (syscall(SYS_delete_module, name, O_NONBLOCK) && --tries)
		usleep(100000);
	igt_assert_f(tries, "%s cannot be unloaded: %s\n", name,
		     strerror(errno));
}

/* ttm.ko with failure @n: 0 or a negative errno. */
static int insert_attempt(unsigned int n, bool *failed, unsigned int *left)
{
	int ret;

	arm(n);
	ret = insert_named("ttm", "");
	*failed = disarm(left);
	return ret;
}

/* What was made to fail in ttm.ko's loading. */
struct loading {
	unsigned int table, debugfs;
};

/*
 * Its own allocations are among the last ones of a load, most of which is the
 * kernel's business.
 */
static void fail_module_round(int log, struct loading *failures)
{
	const unsigned int last = 30;
	bool failed, is_table, is_file;
	unsigned int total, n, left;
	struct failure why;
	int ret;

	igt_assert_eq(insert_attempt(NTH_NEVER, &failed, &left), 0);
	total = NTH_NEVER - left;
	remove_module("ttm");
	for (n = total; n && n + last > total; n--) {
		ret = insert_attempt(n, &failed, &left);
		log_read(log, &why);
		igt_debug("%u: %s %s: %d\n", n, why.kind, why.trace, ret);
		igt_assert_f(!ret || ret == -ENOMEM || ret == -EFAULT,
			     "failure %u (%s:%s) of ttm.ko gives %d\n", n,
			     why.kind, why.trace, ret);
		/* Whom ours call last: only these are in a trace. */
		is_table = strstr(why.trace, "rhashtable_init");
		is_file = strstr(why.trace, "debugfs_create_file");
		failures->table += is_table;
		failures->debugfs += is_file;
		igt_assert(!ret || !(is_table || is_file));
		if (!ret)
			remove_module("ttm");
	}
}

static void fail_module_init(void)
{
	struct loading failures = {};
	unsigned int round = 0;
	int log = log_open();

	for (unsigned int i = 0; i < 3; i++)
		remove_module(users[i]);
	no_page_failures(true);
	do {
		fail_module_round(log, &failures);
	} while (!(failures.table && failures.debugfs) && ++round < ROUNDS);
	no_page_failures(false);
	close(log);
	igt_assert_eq(insert_named("ttm", ""), 0);
	igt_assert_eq(insert_named("drm_ttm_helper", ""), 0);
	igt_assert_eq(insert_named("vttm", "twin=1 vram_mb=1"), 0);
	igt_info("the table failed %u times, the debugfs file %u times\n",
		 failures.table, failures.debugfs);
	igt_assert(failures.table && failures.debugfs);
	use_device(VTTM_MODE);
}

int igt_main()
{
	igt_fixture()
	{
		setup_injection();
		igt_set_timeout(SECONDS, "fault injection");
	}

	for (unsigned int i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		igt_describe(ops[i].description);
		igt_subtest_f("i6-fail-%s", ops[i].name) fail_each(&ops[i]);
	}

	igt_describe(
		"mode alone: Exposure needs no memory that can be refused.");
	igt_subtest("i6-exposure-cannot-fail") exposure_cannot_fail();

	igt_describe(
		"new call: A device that cannot be recorded is a stock one.");
	igt_subtest("i6-fail-device-init") fail_device_init();

	igt_describe("new call: ttm.ko is loaded with a smaller table.");
	igt_subtest("i6-fail-module-init") fail_module_init();
}
