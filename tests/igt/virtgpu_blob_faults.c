// SPDX-License-Identifier: MIT
/**
 * TEST: virtgpu blob faults
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: virtio-gpu
 * Functionality: allocations that fail
 * Description: Each allocation that an operation makes in virtio-gpu.ko, ttm.ko or DRM, or
 *	in what they call, is made to fail, one at a time (the module alloc_fails): the
 *	operation says -ENOMEM (SIGBUS for an access) or works, the same operation works right
 *	after, what other blobs hold is as it was, and nothing is left behind.
 *
 * SUBTEST: no-memory-%s
 * Description: Each failure inside of this operation
 *
 * arg[1]:
 * @create:		a blob is made, and there is room in the window
 * @map:		a blob in the window gets an address for mmap(), and is mapped: there is
 *			no allocation that could fail
 * @touch:		the first access to a blob that is in the window
 * @evict:		an access to a blob that has left the window, which is full
 * @export:		a blob's dma-buf is made and mapped
 * @import:		a dma-buf becomes a handle of another client's
 * @attach:		a driver imports the dma-buf of a blob that has left the window
 * @guest-create:	a blob is made in the guest's memory
 * @guest-touch:	the first access to such a blob
 * @guest-export:	the dma-buf of such a blob is made, mapped and touched
 * @guest-attach:	a driver imports such a dma-buf, and its pages with it
 * @host3d-guest:	a blob of both is made
 *
 * SUBTEST: no-memory-bind
 * Description: Each failure inside of what makes the window TTM's when the device comes: it
 *	works, if need be as with the stock driver, and the next time the window is TTM's
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alloc_fails.h"
#include "dmabuf.h"
#include "igt.h"
#include "virtgpu.h"
#include "virtgpu_drm.h"
#include "vttm.h"

#define MIB(n) ((uint64_t)(n) << 20)
#define BLOB MIB(4)
#define WORDS (BLOB / sizeof(uint32_t))
#define MAX_BLOBS 64
#define WINDOW "/sys/kernel/debug/dri/0/virtio-gpu-window"
#define ACTIVE "/sys/module/ttm/parameters/pfnmap_active"
#define BOS "/sys/kernel/debug/ttm/buffer_objects"
#define NTH_MAX 500
#define ROUNDS 5
#define NAMES 6
#define MAX_SITES 32

static struct virtgpu gpu = { .fd = -1 }, other = { .fd = -1 };
/* Twice as many as the window holds, each with its number at both ends. */
static struct virtgpu_blob blob[MAX_BLOBS];
static uint32_t *map[MAX_BLOBS];
static unsigned int blobs, next;

/* What an attempt makes. */
struct state {
	struct virtgpu_blob blob, imported;
	uint32_t *map;
	int dmabuf;
};

struct op {
	const char *name;
	const char *description;
	void (*setup)(struct state *state);
	/* 0, a negative errno, or SIGBUS; may be called once more after it */
	int (*run)(struct state *state);
	/* What was made is used, if it has to be looked at */
	void (*check)(struct state *state);
	/* Innermost functions of the drivers in which an allocation must have failed */
	const char *must_fail[NAMES];
	bool none; /* there are no allocations */
	bool full; /* needs blobs that have left the window */
};

/* ---- One allocation that fails ----------------------------------------- */

static char trace[4096];

/* Has it failed? Then @trace says where. */
static bool disarm(void)
{
	bool failed = !alloc_fails_disarm();

	alloc_fails_trace(trace, sizeof(trace));
	return failed;
}

/* Where they failed in this subtest, and how often. */
static struct site {
	char name[64];
	unsigned int failures;
} sites[MAX_SITES];

static bool of_a_driver(const char *symbol)
{
	static const char *const begins[] = {
		"virtio_gpu_", "ttm_", "__ttm_", "drm_", "drmm_", "__drmm_"
	};

	for (size_t i = 0; i < sizeof(begins) / sizeof(*begins); i++)
		if (!strncmp(symbol, begins[i], strlen(begins[i])))
			return true;
	return false;
}

/* The innermost function of virtio-gpu, TTM or DRM. */
static void site_of_trace(char *name, size_t size)
{
	const char *symbol = trace;

	name[0] = '\0';
	while (*symbol && !of_a_driver(symbol)) {
		symbol += strcspn(symbol, " ");
		symbol += strspn(symbol, " ");
	}
	snprintf(name, size, "%.*s", (int)strcspn(symbol, " "), symbol);
}

static void count_site(void)
{
	char name[64];
	unsigned int i = 0;

	site_of_trace(name, sizeof(name));
	igt_assert_f(name[0], "not of a driver: %s\n", trace);
	while (sites[i].name[0] && strcmp(sites[i].name, name)) {
		i++;
		igt_assert_lt(i, MAX_SITES);
	}
	snprintf(sites[i].name, sizeof(sites[i].name), "%s", name);
	sites[i].failures++;
}

static void tell_sites(unsigned int failures)
{
	igt_info("%u failures\n", failures);
	for (unsigned int i = 0; i < MAX_SITES && sites[i].name[0]; i++)
		igt_info("  %u of them in %s()\n", sites[i].failures,
			 sites[i].name);
}

/* The first of @names where nothing failed, or NULL. */
static const char *not_failed(const char *const names[])
{
	for (unsigned int i = 0; i < NAMES && names[i]; i++) {
		bool seen = false;

		for (unsigned int s = 0; s < MAX_SITES; s++)
			seen |= !strncmp(sites[s].name, names[i],
					 strlen(names[i]));
		if (!seen)
			return names[i];
	}
	return NULL;
}

/* ---- Operations -------------------------------------------------------- */

static int make(struct state *state, uint32_t mem)
{
	const struct virtgpu_blob_params params = { .size = BLOB, .mem = mem };

	return __virtgpu_blob(&gpu, &params, &state->blob);
}

static int run_create(struct state *state)
{
	return make(state, VIRTGPU_BLOB_MEM_HOST3D);
}

static int run_guest_create(struct state *state)
{
	return make(state, VIRTGPU_BLOB_MEM_GUEST);
}

static int run_host3d_guest(struct state *state)
{
	return make(state, VIRTGPU_BLOB_MEM_HOST3D_GUEST);
}

static void no_setup(struct state *state)
{
	(void)state;
}

static void created(struct state *state)
{
	igt_assert_eq(run_create(state), 0);
}

static void guest_created(struct state *state)
{
	igt_assert_eq(run_guest_create(state), 0);
}

static int run_map(struct state *state)
{
	struct drm_virtgpu_map args = { .handle = state->blob.handle };
	void *mapped;

	if (ioctl(gpu.fd, DRM_IOCTL_VIRTGPU_MAP, &args))
		return -errno;
	mapped = mmap(NULL, BLOB, PROT_READ | PROT_WRITE, MAP_SHARED, gpu.fd,
		      args.offset);
	if (mapped == MAP_FAILED)
		return -errno;
	state->map = mapped;
	return 0;
}

static void mapped(struct state *state)
{
	created(state);
	igt_assert_eq(run_map(state), 0);
}

static int touch(uint32_t *words)
{
	if (virtgpu_is_sigbus(words))
		return SIGBUS;
	words[0] = 1;
	return 0;
}

/* What an allocation that failed inside of the creation may have spoilt. */
static void use_blob(struct state *state)
{
	igt_assert_eq(run_map(state), 0);
	igt_assert_eq(touch(state->map), 0);
	igt_assert_eq_u32(state->map[0], 1);
}

static void guest_mapped(struct state *state)
{
	guest_created(state);
	igt_assert_eq(run_map(state), 0);
}

static int run_touch(struct state *state)
{
	return touch(state->map);
}

/* The blob that has been out of the window for the longest. */
static int run_evict(struct state *state)
{
	(void)state;
	return virtgpu_is_sigbus(map[next]) ? SIGBUS : 0;
}

static int run_export(struct state *state)
{
	struct drm_prime_handle args = {
		.handle = state->blob.handle,
		.flags = DRM_RDWR | DRM_CLOEXEC,
	};
	void *words;
	int ret;

	if (state->dmabuf < 0) {
		if (ioctl(gpu.fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args))
			return -errno;
		state->dmabuf = args.fd;
	}
	words = mmap(NULL, BLOB, PROT_READ | PROT_WRITE, MAP_SHARED,
		     state->dmabuf, 0);
	if (words == MAP_FAILED)
		return -errno;
	ret = touch(words);
	munmap(words, BLOB);
	return ret;
}

static void exported(struct state *state)
{
	created(state);
	state->dmabuf = virtgpu_blob_export(&gpu, &state->blob);
}

static void guest_exported(struct state *state)
{
	guest_created(state);
	state->dmabuf = virtgpu_blob_export(&gpu, &state->blob);
}

static void evicted_exported(struct state *state)
{
	state->dmabuf = virtgpu_blob_export(&gpu, &blob[next]);
}

static int run_import(struct state *state)
{
	return __virtgpu_import(&other, state->dmabuf, &state->imported);
}

static int run_attach(struct state *state)
{
	return dmabuf_hold_error(state->dmabuf);
}

static const struct op ops[] = {
	{ .name = "create",
	  .description = "mode alone: A blob is made.",
	  .setup = no_setup,
	  .run = run_create,
	  .check = use_blob,
	  .must_fail = { "virtio_gpu_window_create", "virtio_gpu_window_alloc",
			 "virtio_gpu_host_alloc",
			 "drm_gem_handle_create_tail" } },
	{ .name = "map",
	  .description = "mode alone: A blob is mapped.",
	  .setup = created,
	  .run = run_map,
	  .none = true },
	{ .name = "touch",
	  .description = "mode alone: First access to a blob in the window.",
	  .setup = mapped,
	  .run = run_touch,
	  .must_fail = { "virtio_gpu_io_mem_reserve",
			 "ttm_bo_vm_fault_reserved" } },
	{ .name = "evict",
	  .description = "mode alone: An access makes room in the window.",
	  .setup = no_setup,
	  .run = run_evict,
	  .must_fail = { "virtio_gpu_window_alloc", "virtio_gpu_host_alloc",
			 "virtio_gpu_io_mem_reserve" },
	  .full = true },
	{ .name = "export",
	  .description = "mode alone: A blob's dma-buf is made and mapped.",
	  .setup = created,
	  .run = run_export,
	  .must_fail = { "virtio_gpu_tbo_export", "virtio_gpu_io_mem_reserve",
			 "drm_prime_add_buf_handle" } },
	{ .name = "import",
	  .description = "mode alone: A dma-buf becomes a handle.",
	  .setup = exported,
	  .run = run_import,
	  .must_fail = { "drm_gem_handle_create_tail",
			 "virtio_gpu_array_alloc" } },
	{ .name = "attach",
	  .description =
		  "mode alone: A driver imports a blob that has left the window.",
	  .setup = evicted_exported,
	  .run = run_attach,
	  .must_fail = { "virtio_gpu_window_alloc", "virtio_gpu_host_alloc",
			 "virtio_gpu_vram_map_dma_buf" },
	  .full = true },
	{ .name = "guest-create",
	  .description = "mode alone: A blob is made in the guest's memory.",
	  .setup = no_setup,
	  .run = run_guest_create,
	  .check = use_blob,
	  .must_fail = { "virtio_gpu_guest_create",
			 "virtio_gpu_guest_tt_create", "ttm_tt_init",
			 "ttm_pool_alloc", "drm_prime_pages_to_sg",
			 "virtio_gpu_array_alloc" } },
	{ .name = "guest-touch",
	  .description =
		  "mode alone: First access to a blob in the guest's memory.",
	  .setup = guest_mapped,
	  .run = run_touch,
	  .must_fail = { "ttm_bo_vm_fault_reserved" } },
	{ .name = "guest-export",
	  .description = "mode alone: The dma-buf of one is made and mapped.",
	  .setup = guest_created,
	  .run = run_export,
	  .must_fail = { "virtio_gpu_tbo_export",
			 "drm_prime_add_buf_handle" } },
	{ .name = "guest-attach",
	  .description = "mode alone: A driver imports one.",
	  .setup = guest_exported,
	  .run = run_attach,
	  .must_fail = { "drm_prime_pages_to_sg" } },
	{ .name = "host3d-guest",
	  .description = "mode alone: A blob of both is made.",
	  .setup = no_setup,
	  .run = run_host3d_guest,
	  .check = use_blob,
	  .must_fail = { "virtio_gpu_guest_create",
			 "virtio_gpu_guest_tt_create", "ttm_tt_init",
			 "ttm_pool_alloc", "drm_prime_pages_to_sg",
			 "virtio_gpu_array_alloc" } },
};

/* ---- Each of them ------------------------------------------------------ */

/* What the attempt has that is under way. */
static struct state state = { .dmabuf = -1 };

static void unmap(struct state *state)
{
	if (state->map)
		munmap(state->map, BLOB);
	if (state->dmabuf >= 0)
		close(state->dmabuf);
	*state = (struct state){ .dmabuf = -1 };
}

static void undo(struct state *state)
{
	if (state->imported.handle)
		virtgpu_blob_close(&other, &state->imported);
	if (state->blob.handle)
		virtgpu_blob_close(&gpu, &state->blob);
	unmap(state);
}

static void assert_intact(unsigned int i)
{
	igt_assert_eq_u32(map[i][0], i + 1);
	igt_assert_eq_u32(map[i][WORDS - 1], i + 1);
}

/* Failure @n of @op: was there one? */
static bool attempt(const struct op *op, unsigned int n)
{
	bool failed;
	int ret;

	op->setup(&state);
	alloc_fails_arm(n);
	ret = op->run(&state);
	failed = disarm();
	if (failed)
		count_site();
	igt_debug("%u: %d%s%s\n", n, ret, failed ? " " : "",
		  failed ? trace : "");
	igt_assert_f(!ret || (failed && (ret == -ENOMEM || ret == SIGBUS)),
		     "failure %u of %s (%s) gives %d\n", n, op->name,
		     failed ? trace : "none", ret);
	if (ret) {
		ret = op->run(&state);
		igt_assert_f(!ret, "%s gives %d after failure %u (%s)\n",
			     op->name, ret, n, trace);
	}
	if (op->check)
		op->check(&state);
	undo(&state);
	if (op->full) {
		assert_intact(next);
		next = (next + 1) % blobs;
	}
	return failed;
}

/* Half of them have left the window, of which nothing is free. */
static void fill_window(void)
{
	blobs = 2 * virtgpu_window_size() / BLOB;
	igt_assert(blobs <= MAX_BLOBS);
	for (unsigned int i = 0; i < blobs; i++) {
		virtgpu_blob(&gpu, BLOB, &blob[i]);
		map[i] = virtgpu_blob_mmap(&gpu, &blob[i]);
		map[i][0] = i + 1;
		map[i][WORDS - 1] = i + 1;
	}
	next = 0;
}

static void empty_window(void)
{
	for (unsigned int i = 0; i < blobs; i++) {
		assert_intact(i);
		munmap(map[i], BLOB);
		virtgpu_blob_close(&gpu, &blob[i]);
	}
	blobs = 0;
}

/* Failure after failure, until one is not reached any more. */
static unsigned int one_round(const struct op *op)
{
	unsigned int n = 1;

	while (attempt(op, n))
		igt_assert_lt(++n, NTH_MAX);
	return n - 1;
}

/* Of all of TTM's devices; the other one has none. */
static unsigned int bos(void)
{
	FILE *file = fopen(BOS, "re");
	unsigned int count;

	igt_assert(file);
	igt_assert_eq(fscanf(file, "%u", &count), 1);
	fclose(file);
	return count;
}

/* No range, no BO, no marked page. */
static void assert_nothing_left(void)
{
	struct vttm_counters counters;

	virtgpu_window_wait_empty();
	igt_assert_eq_u64(virtgpu_window_count("lost"), 0);
	for (int i = 0;; i++) {
		vttm_counters_total(&counters);
		if (!counters.pages_marked && !bos())
			break;
		igt_assert_f(i < 100,
			     "%" PRIu64 " pages are marked, of %u BOs\n",
			     counters.pages_marked, bos());
		usleep(100000);
	}
}

static void disarm_at_exit(int sig)
{
	(void)sig;
	if (alloc_fails_is_there())
		alloc_fails_disarm();
}

static void end(void)
{
	virtgpu_close(&gpu);
	virtgpu_close(&other);
}

/* What a subtest that failed has left would fail the next one, too. */
static void begin(void)
{
	disarm_at_exit(0);
	alloc_fails_within(NULL);
	unmap(&state);
	for (unsigned int i = 0; i < blobs; i++)
		munmap(map[i], BLOB);
	blobs = 0;
	if (gpu.fd >= 0)
		close(gpu.fd);
	if (other.fd >= 0)
		close(other.fd);
	memset(sites, 0, sizeof(sites));
	virtgpu_open(&gpu, VIRTGPU_VENUS);
	virtgpu_open(&other, VIRTGPU_VENUS);
}

static void fail_each(const struct op *op)
{
	const uint64_t refused = virtgpu_window_count("refused");
	unsigned int failures = 0, round = 0;

	begin();
	if (op->full)
		fill_window();
	do {
		failures += one_round(op);
	} while (not_failed(op->must_fail) && ++round < ROUNDS);
	tell_sites(failures);
	igt_assert_f(op->none || failures, "it allocates nothing\n");
	igt_assert_f(!op->none || !failures, "%u allocations are made\n",
		     failures);
	igt_assert_f(!not_failed(op->must_fail),
		     "no allocation in %s() was made to fail\n",
		     not_failed(op->must_fail));
	empty_window();
	end();
	assert_nothing_left();
	igt_assert_eq_u64(virtgpu_window_count("refused"), refused);
}

static void wait_for_fence(int fence)
{
	struct pollfd poll_fd = { .fd = fence, .events = POLLIN };

	igt_assert_eq(poll(&poll_fd, 1, 10000), 1);
	close(fence);
}

/* It does what it is told in order. */
static void wait_for_host(void)
{
	int fence;

	igt_assert_eq(__virtgpu_submit_nothing(&other, &fence), 0);
	wait_for_fence(fence);
}

/*
 * Blobs of both kinds work. The host has forgotten them when this returns: QEMU might not
 * answer a device that comes back after it went with blobs in the window.
 */
static void use_device(void)
{
	virtgpu_open(&gpu, VIRTGPU_VENUS);
	virtgpu_open(&other, VIRTGPU_VIRGL);
	created(&state);
	use_blob(&state);
	undo(&state);
	guest_created(&state);
	use_blob(&state);
	undo(&state);
	virtgpu_close(&gpu);
	wait_for_host();
	/* The driver sends the UNREF of a blob when the host has answered the DETACH. */
	usleep(100000);
	wait_for_host();
	virtgpu_close(&other);
}

/* Does the driver say that TTM has nothing to do with the window? */
static bool window_is_stock(void)
{
	char word[16] = "";
	FILE *file = fopen(WINDOW, "re");

	igt_assert(file);
	igt_assert_eq(fscanf(file, "%15s", word), 1);
	fclose(file);
	return !strcmp(word, "off");
}

/* What came of failures of the window's coming. */
struct comings {
	unsigned int stock, not_opted_in;
};

/* Is there a device that has opted in? Each is a line of the parameter. */
static bool opted_in(void)
{
	FILE *file = fopen(ACTIVE, "re");
	char word[16] = "";

	igt_assert(file);
	if (fscanf(file, "%15s", word) != 1)
		word[0] = '\0';
	fclose(file);
	return word[0];
}

/* Failure @n: was there one? Without one the window is TTM's, and the mode is on. */
static bool bind_attempt(const struct virtgpu_device *device, unsigned int n,
			 struct comings *comings)
{
	bool failed, stock, mode;

	virtgpu_unbind(device);
	alloc_fails_within("virtio_gpu_window_init");
	alloc_fails_arm(n);
	virtgpu_bind(device);
	failed = disarm();
	alloc_fails_within(NULL);
	if (failed)
		count_site();
	stock = window_is_stock();
	mode = opted_in();
	igt_debug("%u: window %s, mode %s: %s\n", n, stock ? "stock" : "TTM's",
		  mode ? "on" : "off", trace);
	igt_assert(failed || (!stock && mode));
	igt_assert(!stock || !mode);
	comings->stock += stock;
	comings->not_opted_in += !stock && !mode;
	use_device();
	return failed;
}

static void test_bind(void)
{
	static const char *const must_fail[NAMES] = { "drmm_kmalloc",
						      "__drmm_add_action",
						      "__ttm_pfnmap_" };
	struct virtgpu_device device;
	struct comings comings = {};
	unsigned int n = 1;

	begin();
	end();
	virtgpu_device(&device);
	while (bind_attempt(&device, n, &comings))
		igt_assert_lt(++n, NTH_MAX);
	tell_sites(n - 1);
	igt_info(
		"with %u of them the window is not TTM's, with %u the mode is not on\n",
		comings.stock, comings.not_opted_in);
	igt_assert_f(!not_failed(must_fail),
		     "no allocation in %s() was made to fail\n",
		     not_failed(must_fail));
	igt_assert_lt(0, comings.stock);
	igt_assert_lt(0, comings.not_opted_in);
	assert_nothing_left();
}

int igt_main()
{
	igt_fixture()
	{
		igt_require(virtgpu_ttm_blobs());
		igt_require_f(alloc_fails_is_there(), "no alloc_fails.ko\n");
		/*
		 * TTM of 6.1 (ttm_global_init()) leaves a shrinker registered if its
		 * first device comes and a page cannot be had, and registers it again.
		 */
		igt_require_f(!access("/sys/module/vttm", F_OK),
			      "virtio-gpu is TTM's only device\n");
		igt_install_exit_handler(disarm_at_exit);
	}

	for (unsigned int i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		igt_describe(ops[i].description);
		igt_subtest_f("no-memory-%s", ops[i].name) fail_each(&ops[i]);
	}
	igt_describe(
		"mode alone: The device comes, and its window cannot be TTM's.");
	igt_subtest("no-memory-bind") test_bind();
}
