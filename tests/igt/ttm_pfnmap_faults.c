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
 *	the same operation works right after, and nothing is left behind. Needs a
 *	kernel with fault injection, like those of make check-debug.
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
 * Description: ttm.ko says -ENOMEM if its tables cannot be allocated
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drm/drm_mode.h>

#include "igt.h"
#include "kvm_bo.h"

#define PAGE 4096u
#define BO_SIZE (64 * 1024)
#define DEBUGFS "/sys/kernel/debug/"
#define DEVICE "vttm.0"
#define DRIVER "/sys/bus/platform/drivers/vttm/"
#define NTH_MAX 2000
#define SECONDS 600

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

/* What may fail: everything, sleeping allocations included. */
static void setup_injection(void)
{
	igt_require_f(!access("/proc/self/fail-nth", W_OK),
		      "this kernel has no fault injection\n");
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

	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	snprintf(text, sizeof(text), "%u", n);
	if (nth_fd < 0 || write(nth_fd, text, strlen(text)) < 0)
		_exit(1);
}

/* Has it failed since arm()? How many more there would have been is @left. */
static bool disarm(unsigned int *left)
{
	char text[16] = "";
	ssize_t len = read(nth_fd, text, sizeof(text) - 1);

	*left = len > 0 ? atoi(text) : 1;
	/* Should this copy be the one that fails, then it is off as well. */
	if (write(nth_fd, "0", 1) != 1)
		*left = 1;
	close(nth_fd);
	return !*left;
}

/* One failure as the kernel's log tells it. */
struct failure {
	char kind[32]; /* failslab ..., empty if the kernel did not say */
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

/* "func+0x12/0x34 [ttm]" in a line of a trace that the unwinder is sure of */
static void log_frame(struct failure *failure, char *line)
{
	char *name = line + strspn(line, " "), *end = strchr(name, '+');
	size_t used = strlen(failure->trace);

	if (!end || *name == '?')
		return;
	*end = '\0';
	snprintf(failure->trace + used, sizeof(failure->trace) - used, " %s",
		 name);
	if (!failure->site[0] && strstr(name, "ttm_pfnmap_"))
		snprintf(failure->site, sizeof(failure->site), "%s", name);
}

/* The failure that the log tells of since the last call, if any. */
static void log_read(int fd, struct failure *failure)
{
	char record[8192], *text, *name;
	ssize_t len;

	memset(failure, 0, sizeof(*failure));
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
	char *map;
};

struct op {
	const char *name;
	const char *description;
	/* Everything before, without failures */
	void (*setup)(struct state *state);
	/* 0, a negative errno, or SIGBUS; may be called once more after it */
	int (*run)(struct state *state);
	/* A function of the mode that must have failed, or must never */
	const char *must_fail;
	const char *must_not_fail;
};

static sigjmp_buf sigbus_jump;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(sigbus_jump, 1);
}

/* Writes to each page: 0 or SIGBUS. */
static int touch(char *map)
{
	if (sigsetjmp(sigbus_jump, 1))
		return SIGBUS;
	for (unsigned int i = 0; i < BO_SIZE; i += PAGE)
		((volatile char *)map)[i] = 1;
	return 0;
}

static void new_bo(struct state *state, uint32_t flags)
{
	state->handle = vttm_create(state->fd, BO_SIZE, flags);
	state->map = vttm_mmap(state->fd, state->handle, BO_SIZE);
}

static void bo_new(struct state *state)
{
	new_bo(state, VTTM_BO_WC);
}

static void bo_touched(struct state *state)
{
	new_bo(state, VTTM_BO_CACHED);
	igt_assert_eq(touch(state->map), 0);
}

static void bo_swapped(struct state *state)
{
	bo_touched(state);
	vttm_swapout(state->fd, state->handle);
}

static void bo_in_vram(struct state *state)
{
	new_bo(state, VTTM_BO_CACHED | VTTM_BO_VRAM);
	igt_assert_eq(touch(state->map), 0);
}

static int run_touch(struct state *state)
{
	return touch(state->map);
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
	if (state->map && munmap(state->map, BO_SIZE))
		return -errno;
	state->map = NULL;
	return __vttm_close_bo(state->fd, state->handle);
}

static int run_fork(struct state *state)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(state->map[PAGE] != 1);
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
		ret = map == MAP_FAILED ? -errno : touch(map);
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
	{ "touch", "regression: First access to a new BO.", bo_new, run_touch,
	  "ttm_pfnmap_prepare", NULL },
	{ "touch-again", "regression: First access after a swapout.",
	  bo_swapped, run_touch, NULL, NULL },
	{ "populate", "regression: A BO leaves VRAM.", bo_in_vram, run_populate,
	  "ttm_pfnmap_prepare", NULL },
	{ "move", "regression: A BO moves into VRAM.", bo_touched, run_move,
	  NULL, "ttm_pfnmap_retire" },
	{ "swapout", "regression: A BO is swapped out.", bo_touched,
	  run_swapout, NULL, "ttm_pfnmap_retire" },
	{ "free", "regression: A BO is freed.", bo_touched, run_free, NULL,
	  "ttm_pfnmap_" },
	{ "fork", "regression: fork() with a BO mapped.", bo_touched, run_fork,
	  NULL, "ttm_pfnmap_" },
	{ "create", "regression: A BO is created.", no_setup, run_create, NULL,
	  NULL },
	{ "share", "regression: A BO is exported and imported.", bo_touched,
	  run_share, NULL, NULL },
	{ "counters", "new call: The counters are read.", no_setup,
	  run_counters, NULL, NULL },
};

struct outcome {
	bool ran, failed;
	unsigned int left;
	int ret, again;
};

/* A process of its own, so that an attempt leaves nothing in the next one. */
static void attempt(const struct op *op, enum vttm_kind kind, unsigned int n,
		    struct outcome *outcome)
{
	const struct sigaction action = { .sa_handler = on_sigbus };
	struct state state = { .fd = __vttm_open(kind) };

	if (state.fd < 0 || sigaction(SIGBUS, &action, NULL))
		_exit(1);
	op->setup(&state);
	arm(n);
	outcome->ret = op->run(&state);
	outcome->failed = disarm(&outcome->left);
	outcome->again = outcome->ret ? op->run(&state) : 0;
	outcome->ran = true;
	_exit(0);
}

static void run_attempt(const struct op *op, enum vttm_kind kind,
			unsigned int n, struct outcome *outcome)
{
	memset(outcome, 0, sizeof(*outcome));
	igt_fork(child, 1) attempt(op, kind, n, outcome);
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

static bool was_site(const char *text)
{
	for (unsigned int i = 0; i < 32; i++)
		if (strstr(sites[i].name, text))
			return true;
	return false;
}

static void tell_sites(unsigned int failures)
{
	igt_info("%u failures\n", failures);
	for (unsigned int i = 0; i < 32 && sites[i].name[0]; i++)
		igt_info("  %u of them in %s()\n", sites[i].failures,
			 sites[i].name);
}

static void fail_each(const struct op *op, enum vttm_kind kind)
{
	struct outcome *outcome = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct failure why;
	unsigned int n = 0;
	int log = log_open();

	igt_assert(outcome != MAP_FAILED);
	memset(sites, 0, sizeof(sites));
	close(vttm_open(kind));
	do {
		n++;
		igt_assert_lt(n, NTH_MAX);
		run_attempt(op, kind, n, outcome);
		log_read(log, &why);
		igt_debug("%u: %s %s: %d\n", n, why.kind, why.trace,
			  outcome->ret);
		count_site(why.site);
		igt_assert_f(allowed(outcome, &why),
			     "failure %u (%s:%s) of %s gives %d\n", n, why.kind,
			     why.trace, op->name, outcome->ret);
		igt_assert_f(!outcome->again,
			     "%s does not work after failure %u: %d\n",
			     op->name, n, outcome->again);
		igt_assert_f(!op->must_not_fail ||
				     !strstr(why.site, op->must_not_fail),
			     "an allocation where there must be none:%s\n",
			     why.trace);
	} while (outcome->failed);
	tell_sites(n - 1);
	igt_assert_f(!outcome->ret, "%s without a failure gives %d\n", op->name,
		     outcome->ret);
	igt_assert_f(n > 1, "%s allocates and copies nothing\n", op->name);
	igt_assert_f(!op->must_fail || kind == VTTM_STOCK ||
			     was_site(op->must_fail),
		     "%s() was never made to fail\n", op->must_fail);
	kvm_bo_assert_nothing_left(kind);
	munmap(outcome, PAGE);
	close(log);
}

/* ---- Exposure ---------------------------------------------------------- */

/*
 * Touches a BO where page tables exist, with every small allocation failing, so
 * that nothing but the mode could need one.
 */
static void expose_starved(int fd, uint32_t handle, char *place)
{
	char *map = mmap(place, BO_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd,
			 vttm_mmap_offset(fd, handle));

	igt_assert(map == place);
	put("/proc/self/make-it-fail", "1");
	for (unsigned int i = 0; i < BO_SIZE; i += PAGE)
		((volatile char *)map)[i] = 1;
	put("/proc/self/make-it-fail", "0");
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

	put(DEBUGFS "failslab/times", "-1");
	put(DEBUGFS "failslab/task-filter", "Y");
	put(DEBUGFS "failslab/probability", "100");
	igt_fork(child, SPACES)
	{
		/* The page tables of the whole 2 MiB */
		place[huge - 1] = 1;
		expose_starved(fd, handle, place);
		/* All at the same time */
		sleep(2);
	}
	igt_waitchildren_timeout(60, "a starved exposure does not end");
	put(DEBUGFS "failslab/probability", "0");
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
	put(DEBUGFS "fail_page_alloc/min-order", none ? "10" : "0");
	put(DEBUGFS "fail_usercopy/verbose", "2");
}

/* Writes the device's name to @file with failure @n: 0 or a negative errno. */
static int bind_attempt(const char *file, unsigned int n, bool *failed)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC), ret = 0;
	unsigned int left;

	igt_assert_fd(fd);
	arm(n);
	if (write(fd, DEVICE, strlen(DEVICE)) < 0)
		ret = -errno;
	*failed = disarm(&left);
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

static void fail_device_init(void)
{
	const unsigned int more = 5;
	unsigned int n, seen = 0;
	bool failed = true;
	struct failure why;
	int log = log_open(), ret;

	close(vttm_open(VTTM_MODE));
	memset(sites, 0, sizeof(sites));
	no_page_failures(true);
	put(DRIVER "unbind", DEVICE);
	for (n = 1; failed && (!seen || n <= seen + more); n++) {
		igt_assert_lt(n, NTH_MAX);
		ret = bind_attempt(DRIVER "bind", n, &failed);
		log_read(log, &why);
		count_site(why.site);
		igt_assert_f(!ret || ret == -ENOMEM || ret == -EFAULT ||
				     ret == -ENODEV,
			     "failure %u (%s:%s) of bind gives %d\n", n,
			     why.kind, why.trace, ret);
		if (strstr(why.trace, "ttm_pfnmap_device_init")) {
			device_without_entry(ret);
			seen = n;
		}
		if (is_bound())
			put(DRIVER "unbind", DEVICE);
	}
	no_page_failures(false);
	close(log);
	put(DRIVER "bind", DEVICE);
	tell_sites(n - 1);
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

/*
 * Its own allocations are among the last ones of a load, most of which is the
 * kernel's business.
 */
static void fail_module_init(void)
{
	const unsigned int last = 80;
	unsigned int total, n, left, init = 0, debugfs = 0;
	struct failure why;
	int log = log_open(), ret;
	bool failed;

	for (unsigned int i = 0; i < 3; i++)
		remove_module(users[i]);
	memset(sites, 0, sizeof(sites));
	no_page_failures(true);
	igt_assert_eq(insert_attempt(1000000, &failed, &left), 0);
	total = 1000000 - left;
	remove_module("ttm");
	for (n = total; n && n + last > total; n--) {
		ret = insert_attempt(n, &failed, &left);
		log_read(log, &why);
		count_site(why.site);
		igt_debug("%u: %s %s: %d\n", n, why.kind, why.trace, ret);
		igt_assert_f(!ret || ret == -ENOMEM || ret == -EFAULT,
			     "failure %u (%s:%s) of ttm.ko gives %d\n", n,
			     why.kind, why.trace, ret);
		if (strstr(why.trace, "ttm_pfnmap_lifetime_init")) {
			igt_assert_eq(ret, -ENOMEM);
			init++;
		}
		if (strstr(why.trace, "ttm_pfnmap_debugfs_init")) {
			igt_assert_eq(ret, 0);
			debugfs++;
		}
		if (!ret)
			remove_module("ttm");
	}
	no_page_failures(false);
	close(log);
	igt_assert_eq(insert_named("ttm", ""), 0);
	igt_assert_eq(insert_named("drm_ttm_helper", ""), 0);
	igt_assert_eq(insert_named("vttm", "twin=1 vram_mb=1"), 0);
	tell_sites(total - n);
	igt_assert_f(init, "the tables' allocation was never made to fail\n");
	igt_assert_f(debugfs, "the debugfs file was never made to fail\n");
	use_device(VTTM_MODE);
}

igt_main
{
	igt_fixture
	{
		setup_injection();
		igt_set_timeout(SECONDS, "fault injection");
	}

	for (unsigned int i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		igt_describe(ops[i].description);
		igt_subtest_f("i6-fail-%s", ops[i].name)
			fail_each(&ops[i], VTTM_MODE);
	}

	igt_describe(
		"regression: Exposure needs no memory that can be refused.");
	igt_subtest("i6-exposure-cannot-fail") exposure_cannot_fail();

	igt_describe(
		"new call: A device that cannot be recorded is a stock one.");
	igt_subtest("i6-fail-device-init") fail_device_init();

	igt_describe("new call: ttm.ko cannot be loaded without its tables.");
	igt_subtest("i6-fail-module-init") fail_module_init();
}
