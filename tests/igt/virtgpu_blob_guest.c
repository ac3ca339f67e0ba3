// SPDX-License-Identifier: MIT
/**
 * TEST: virtgpu blob guest
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: virtio-gpu
 * Functionality: blobs in the guest's own memory
 * Description: With virtio_gpu.ttm_blobs=1 the pages of GUEST and HOST3D_GUEST
 *	blobs come from TTM's pool. The host needs few entries to know where they
 *	are (see virtgpu_blob_entries), and what it refuses is an error of the ioctl.
 *	The tests run with both values of the parameter.
 *
 * SUBTEST: guest-refused
 * Description: A HOST3D_GUEST blob that the host refuses: the ioctl says so. Without
 *	TTM: a blob that the host does not know
 *
 * SUBTEST: guest-bad-arguments
 * Description: Sizes and flags that make no sense get the same errno in both modes
 *
 * SUBTEST: guest-no-memory
 * Description: A blob as large as the machine's memory, or larger, is -ENOMEM in both
 *	modes, and nothing is lost: the next one can be had
 *
 * SUBTEST: guest-data-%s
 * Description: A new blob reads as zeroes and keeps what is written, through several
 *	mappings, parent and child, and when its handle is closed. With TTM each page that
 *	was touched is marked, as the device has opted in to the PFNMAP mode
 *
 * arg[1]:
 * @plain:		GUEST
 * @host3d-virgl:	HOST3D_GUEST, a GL buffer
 * @host3d-venus:	HOST3D_GUEST, shared memory
 *
 * SUBTEST: guest-kill
 * Description: Processes that are killed while they make blobs leave none
 *
 * SUBTEST: guest-dmabuf-%s
 * Description: A blob's dma-buf shows the blob, and keeps it
 *
 * SUBTEST: guest-import-%s
 * Description: A driver that imports the dma-buf gets all of its pages, and writes
 *	what the CPU reads
 *
 * SUBTEST: guest-import-foreign
 * Description: The dma-buf of another driver, a TTM driver's: it is refused, with the
 *	same errno in both modes, and the other driver's BO is as it was
 *
 * SUBTEST: guest-closed
 * Description: A blob is closed and still mapped: the host is told to forget it, and the
 *	mapping keeps what it holds. Without TTM: when the mapping ends
 *
 * SUBTEST: guest-swap
 * Description: TTM swaps out while a blob is in use and another one is mapped, but
 *	closed: the first has the same pages, the second the same contents, also for a
 *	guest. Skipped without TTM
 *
 * SUBTEST: guest-remove
 * Description: The device is removed from its bus and found again while blobs are
 *	mapped: those in the guest's memory stay, the others are a SIGBUS, and the device
 *	that comes back works. Behind an IOMMU the blobs' addresses end with the device.
 *	Skipped without TTM: the stock driver leaks blobs that are closed after an unplug,
 *	see unplug-stock.sh
 *
 * SUBTEST: guest-kvm-cold-%s
 * Description: A nested guest touches a blob that the CPU has never touched, and the
 *	CPU sees what it wrote
 *
 * SUBTEST: guest-kvm-warm-%s
 * Description: A nested guest sees what the CPU wrote
 *
 * SUBTEST: guest-kvm-dmabuf-%s
 * Description: The same through a mapping of the blob's dma-buf
 */

/**
 * SUBTEST: mmap-arguments-%s
 * Description: Sizes and offsets that are not the blob's, of the device and of its
 *	dma-buf, get the same errno in both modes. Half of a dma-buf is that half;
 *	without TTM it is the first half, whichever was asked for
 *
 * SUBTEST: import-client-%s
 * Description: Another client imports the dma-buf: it has the same resource, reads
 *	and writes the same memory, and has it still when the first one has closed it
 *
 * arg[1]:
 * @plain:		GUEST
 * @host3d-virgl:	HOST3D_GUEST, a GL buffer
 * @host3d-venus:	HOST3D_GUEST, shared memory
 * @window-virgl:	HOST3D, a GL buffer
 * @window-venus:	HOST3D, shared memory
 */
#include <fcntl.h>
#include <linux/virtio_gpu.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "dmabuf.h"
#include "freemem.h"
#include "igt.h"
#include "kvm.h"
#include "param.h"
#include "virtgpu.h"
#include "virtgpu_drm.h"
#include "vttm.h"

#define MIB(n) ((uint64_t)(n) << 20)
#define BLOB MIB(4)
#define WORDS (BLOB / 4)
/* Slabs that grew, and the like. */
#define LOST_KIB_MAX 4096

static const struct kind {
	const char *name;
	uint32_t mem;
	enum virtgpu_context context;
} kinds[] = {
	{ "plain", VIRTGPU_BLOB_MEM_GUEST, VIRTGPU_VENUS },
	{ "host3d-virgl", VIRTGPU_BLOB_MEM_HOST3D_GUEST, VIRTGPU_VIRGL },
	{ "host3d-venus", VIRTGPU_BLOB_MEM_HOST3D_GUEST, VIRTGPU_VENUS },
};

/* Those in the host's memory. */
static const struct kind window_kinds[] = {
	{ "window-virgl", VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_VIRGL },
	{ "window-venus", VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_VENUS },
};

static int make(struct virtgpu *gpu, const struct kind *kind, uint64_t size,
		struct virtgpu_blob *blob)
{
	struct virtgpu_blob_params params = { .size = size, .mem = kind->mem };

	return __virtgpu_blob(gpu, &params, blob);
}

/* ---- The ioctl ---------------------------------------------------------- */

static void test_refused(void)
{
	struct virtgpu_blob_params params = {
		.size = BLOB,
		.mem = VIRTGPU_BLOB_MEM_HOST3D_GUEST,
		.flags = VIRTGPU_BLOB_FLAG_USE_SHAREABLE,
	};
	bool ttm = virtgpu_ttm_blobs();
	struct virtgpu_blob blob;
	struct virtgpu gpu;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	igt_assert_eq(__virtgpu_blob(&gpu, &params, &blob), ttm ? -EINVAL : 0);
	virtgpu_close(&gpu);
	virtgpu_expect_refusals(
		(struct virtgpu_refusals){ .creates = 1, .unrefs = !ttm });
}

static void test_bad_arguments(void)
{
	static const struct {
		struct virtgpu_blob_params params;
		int ret;
	} bad[] = {
		{ { .size = 0 }, -ENOSPC },
		{ { .size = 1ull << 60 }, -ENOSPC },
		{ { .size = ~0ull }, -ENOSPC },
		{ { .size = BLOB, .flags = 1u << 31 }, -EINVAL },
		/* The device cannot share resources by UUID. */
		{ { .size = BLOB,
		    .flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE |
			     VIRTGPU_BLOB_FLAG_USE_CROSS_DEVICE },
		  -EINVAL },
	};
	struct virtgpu_blob_params params;
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	uint64_t offset;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		params = bad[i].params;
		params.mem = VIRTGPU_BLOB_MEM_GUEST;
		igt_assert_eq(__virtgpu_blob(&gpu, &params, &blob), bad[i].ret);
	}
	/* What is no multiple of a page becomes one. */
	params = (struct virtgpu_blob_params){
		.size = 5000,
		.mem = VIRTGPU_BLOB_MEM_GUEST,
	};
	igt_assert_eq(__virtgpu_blob(&gpu, &params, &blob), 0);
	offset = virtgpu_blob_offset(&gpu, &blob);
	igt_assert_eq(virtgpu_try_mmap(gpu.fd, MAP_SHARED, 8192, offset), 0);
	igt_assert_eq(virtgpu_try_mmap(gpu.fd, MAP_SHARED, 12288, offset),
		      -EINVAL);
	virtgpu_close(&gpu);
}

/*
 * The stock driver's fault looks for a page by its place in the mapping, not in the
 * dma-buf: half of a dma-buf is always the first half.
 */
static void assert_second_half(struct virtgpu *gpu,
			       const struct virtgpu_blob *blob, int dmabuf)
{
	uint32_t *words = virtgpu_blob_mmap(gpu, blob);
	uint32_t *half =
		mmap(NULL, BLOB / 2, PROT_READ, MAP_SHARED, dmabuf, BLOB / 2);

	igt_assert(half != MAP_FAILED);
	words[0] = 1;
	words[WORDS / 2] = 2;
	igt_assert_eq(half[0], virtgpu_ttm_blobs() ? 2 : 1);
	munmap(half, BLOB / 2);
	munmap(words, BLOB);
}

/* What becomes of mappings that are not of all of a blob, by kind and by file. */
static void test_mmap_arguments(const struct kind *kind)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	const struct {
		size_t size;
		uint64_t at;
		int device, window_device, dmabuf, window_dmabuf;
	} args[] = {
		{ BLOB, 0, 0, 0, 0, 0 },
		{ BLOB - page + 1, 0, 0, 0, 0, 0 },
		{ BLOB / 2, 0, 0, -EINVAL, 0, -EINVAL },
		{ BLOB / 2, BLOB / 2, -EINVAL, -EINVAL, 0, -EINVAL },
		{ BLOB, page, -EINVAL, -EINVAL, -EINVAL, -EINVAL },
		{ BLOB + page, 0, -EINVAL, -EINVAL, -EINVAL, -EINVAL },
		{ BLOB, BLOB, -EINVAL, -EINVAL, -EINVAL, -EINVAL },
		{ 0, 0, -EINVAL, -EINVAL, -EINVAL, -EINVAL },
	};
	const bool window = kind->mem == VIRTGPU_BLOB_MEM_HOST3D;
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	uint64_t offset;
	int fd, private;

	virtgpu_open(&gpu, kind->context);
	igt_assert_eq(make(&gpu, kind, BLOB, &blob), 0);
	offset = virtgpu_blob_offset(&gpu, &blob);
	fd = virtgpu_blob_export(&gpu, &blob);
	for (size_t i = 0; i < sizeof(args) / sizeof(*args); i++) {
		const int device = virtgpu_try_mmap(
			gpu.fd, MAP_SHARED, args[i].size, offset + args[i].at);
		const int dmabuf = virtgpu_try_mmap(fd, MAP_SHARED,
						    args[i].size, args[i].at);

		igt_info("%zu bytes at %lu: %d, of the dma-buf %d\n",
			 args[i].size, (unsigned long)args[i].at, device,
			 dmabuf);
		igt_assert_eq(device,
			      window ? args[i].window_device : args[i].device);
		igt_assert_eq(dmabuf,
			      window ? args[i].window_dmabuf : args[i].dmabuf);
	}
	/* TTM takes no copies on write; the difference is documented. */
	private = window && !virtgpu_ttm_blobs() ? 0 : -EINVAL;
	igt_assert_eq(virtgpu_try_mmap(gpu.fd, MAP_PRIVATE, BLOB, offset),
		      private);
	igt_assert_eq(virtgpu_try_mmap(fd, MAP_PRIVATE, BLOB, 0), private);
	if (!window)
		assert_second_half(&gpu, &blob, fd);
	close(fd);
	virtgpu_close(&gpu);
}

static uint64_t memory_size(void)
{
	struct sysinfo info;

	igt_assert_eq(sysinfo(&info), 0);
	return (uint64_t)info.totalram * info.mem_unit;
}

static void test_no_memory(void)
{
	const bool ttm = virtgpu_ttm_blobs();
	uint64_t size = memory_size();
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	long before;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	freemem_drop_caches();
	before = freemem_kib();
	/* To the stock driver both are the same. */
	if (ttm)
		igt_assert_eq(make(&gpu, &kinds[0], 2 * size, &blob), -ENOMEM);
	igt_assert_eq(make(&gpu, &kinds[0], size, &blob), -ENOMEM);
	freemem_assert_not_lost(before, LOST_KIB_MAX);
	igt_assert_eq(make(&gpu, &kinds[0], BLOB, &blob), 0);
	virtgpu_close(&gpu);
}

/* ---- Data -------------------------------------------------------------- */

static void write_words(uint32_t *map, uint32_t seed)
{
	for (uint32_t i = 0; i < WORDS; i++)
		map[i] = i * 2654435761u ^ seed;
}

static void check_words(const uint32_t *map, uint32_t seed)
{
	for (uint32_t i = 0; i < WORDS; i++)
		igt_assert_eq_u32(map[i], i * 2654435761u ^ seed);
}

static uint64_t pages_marked(void)
{
	struct vttm_counters counters;

	vttm_counters_total(&counters);
	return counters.pages_marked;
}

static void wait_nothing_marked(void)
{
	for (int i = 0; pages_marked(); i++) {
		igt_assert(i < 100);
		usleep(100000);
	}
}

static void test_data(const struct kind *kind)
{
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	uint32_t *map[2];

	wait_nothing_marked();
	virtgpu_open(&gpu, kind->context);
	igt_assert_eq(make(&gpu, kind, BLOB, &blob), 0);
	for (int i = 0; i < 2; i++)
		map[i] = virtgpu_blob_mmap(&gpu, &blob);
	for (uint32_t i = 0; i < WORDS; i++)
		igt_assert_eq_u32(map[0][i], 0);
	/* The device has opted in. */
	igt_assert_eq_u64(pages_marked(),
			  virtgpu_ttm_blobs() ? BLOB / 4096 : 0);
	write_words(map[0], 1);
	check_words(map[1], 1);
	igt_fork(child, 1)
	{
		check_words(map[0], 1);
		write_words(map[1], 2);
	}
	igt_waitchildren();
	check_words(map[0], 2);
	munmap(map[0], BLOB);
	virtgpu_blob_close(&gpu, &blob);
	virtgpu_close(&gpu);
	/* Others get pages; not these. */
	virtgpu_use_memory(MIB(64));
	check_words(map[1], 2);
	munmap(map[1], BLOB);
}

static void test_kill(void)
{
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	int status;
	pid_t pid;

	for (int i = 0; i < 4; i++) {
		pid = child_fork();
		if (!pid) {
			virtgpu_open(&gpu, VIRTGPU_VENUS);
			for (;; virtgpu_blob_close(&gpu, &blob)) {
				void *map;

				igt_assert_eq(make(&gpu, &kinds[i % 3], BLOB,
						   &blob),
					      0);
				map = virtgpu_blob_mmap(&gpu, &blob);
				write_words(map, i);
				munmap(map, BLOB);
			}
		}
		usleep(300000 + 100000 * i);
		igt_assert_eq(kill(pid, SIGKILL), 0);
		igt_assert_eq(waitpid(pid, &status, 0), pid);
		igt_assert(WIFSIGNALED(status));
		igt_assert_eq(WTERMSIG(status), SIGKILL);
	}
	test_data(&kinds[0]);
}

static void *dmabuf_mmap(struct virtgpu *gpu, const struct virtgpu_blob *blob,
			 int *fd)
{
	void *map;

	*fd = virtgpu_blob_export(gpu, blob);
	map = mmap(NULL, BLOB, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	igt_assert(map != MAP_FAILED);
	return map;
}

static void test_dmabuf(const struct kind *kind)
{
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	uint32_t *map[2];
	int fd;

	virtgpu_open(&gpu, kind->context);
	igt_assert_eq(make(&gpu, kind, BLOB, &blob), 0);
	map[0] = virtgpu_blob_mmap(&gpu, &blob);
	map[1] = dmabuf_mmap(&gpu, &blob, &fd);
	write_words(map[0], 1);
	check_words(map[1], 1);
	write_words(map[1], 2);
	check_words(map[0], 2);
	munmap(map[0], BLOB);
	munmap(map[1], BLOB);
	virtgpu_blob_close(&gpu, &blob);
	virtgpu_close(&gpu);
	/* The dma-buf alone keeps it. */
	virtgpu_use_memory(MIB(64));
	map[0] = mmap(NULL, BLOB, PROT_READ, MAP_SHARED, fd, 0);
	igt_assert(map[0] != MAP_FAILED);
	close(fd);
	check_words(map[0], 2);
	munmap(map[0], BLOB);
}

static void test_import(const struct kind *kind)
{
	struct dmabuf_use_look look;
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	uint32_t *map;
	int fd;

	virtgpu_open(&gpu, kind->context);
	igt_assert_eq(make(&gpu, kind, BLOB, &blob), 0);
	map = dmabuf_mmap(&gpu, &blob, &fd);
	dmabuf_look(fd, &look);
	igt_assert_eq_u64(look.bytes, BLOB);
	write_words(map, 1);
	dmabuf_flip(fd);
	for (uint32_t i = 0; i < WORDS; i++)
		map[i] ^= ~0u;
	check_words(map, 1);
	munmap(map, BLOB);
	close(fd);
	virtgpu_close(&gpu);
}

static void test_import_client(const struct kind *kind)
{
	struct virtgpu_blob blob, imported;
	struct virtgpu gpu, other;
	uint32_t *map[2];
	int fd;

	virtgpu_open(&gpu, kind->context);
	virtgpu_open(&other, kind->context);
	igt_assert_eq(make(&gpu, kind, BLOB, &blob), 0);
	map[0] = virtgpu_blob_mmap(&gpu, &blob);
	write_words(map[0], 1);
	fd = virtgpu_blob_export(&gpu, &blob);
	igt_assert_eq(__virtgpu_import(&other, fd, &imported), 0);
	close(fd);
	igt_assert_eq(imported.resource, blob.resource);
	igt_assert_eq_u64(imported.size, BLOB);
	map[1] = virtgpu_blob_mmap(&other, &imported);
	check_words(map[1], 1);
	write_words(map[1], 2);
	check_words(map[0], 2);
	munmap(map[0], BLOB);
	munmap(map[1], BLOB);
	virtgpu_blob_close(&gpu, &blob);
	virtgpu_close(&gpu);
	virtgpu_use_memory(MIB(64));
	map[1] = virtgpu_blob_mmap(&other, &imported);
	check_words(map[1], 2);
	munmap(map[1], BLOB);
	virtgpu_close(&other);
}

static void test_import_foreign(void)
{
	int device = vttm_open(VTTM_STOCK);
	uint32_t handle = vttm_create(device, BLOB, VTTM_BO_CACHED);
	uint32_t *map = vttm_mmap(device, handle, BLOB);
	int fd = vttm_export(device, handle);
	struct virtgpu_blob blob;
	struct virtgpu gpu;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	write_words(map, 1);
	igt_assert_eq(__virtgpu_import(&gpu, fd, &blob), -ENODEV);
	check_words(map, 1);
	virtgpu_close(&gpu);
	/* Nothing holds the BO where it was. */
	close(fd);
	igt_assert_eq_u64(vttm_swapout(device, handle), BLOB / 4096);
	check_words(map, 1);
	vttm_munmap(map, BLOB);
	close(device);
}

/* Shared memory, swapped out or not; what TTM swaps to is that, too. */
static uint64_t shared_memory(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long long kib = 0;
	char line[128];

	igt_assert(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Shmem: %llu", &kib) == 1)
			break;
	fclose(file);
	return kib << 10;
}

static uint64_t first_page(struct virtgpu *gpu, const struct virtgpu_blob *blob)
{
	int fd = virtgpu_blob_export(gpu, blob);
	struct dmabuf_use_look look;

	dmabuf_look(fd, &look);
	close(fd);
	return look.pfn;
}

/* How often the host was told to forget a resource, since the trace began. */
static unsigned int unrefs(void)
{
	FILE *file = virtgpu_trace_open();
	unsigned int count = 0, type;
	const char *at;
	char line[512];

	while (fgets(line, sizeof(line), file)) {
		at = strstr(line, " type=0x");
		if (at && sscanf(at, " type=%x", &type) == 1)
			count += type == VIRTIO_GPU_CMD_RESOURCE_UNREF;
	}
	fclose(file);
	return count;
}

/* So many are on their way; and no more. */
static unsigned int unrefs_become(unsigned int wanted)
{
	for (int i = 0; i < 50 && unrefs() < wanted; i++)
		usleep(100000);
	sleep(1);
	return unrefs();
}

static void test_closed(void)
{
	struct virtgpu_blob blob;
	struct virtgpu gpu;
	uint32_t *map;

	virtgpu_open(&gpu, VIRTGPU_VENUS);
	igt_assert_eq(make(&gpu, &kinds[0], BLOB, &blob), 0);
	map = virtgpu_blob_mmap(&gpu, &blob);
	write_words(map, 1);
	/* What others have left is forgotten before. */
	sleep(2);
	virtgpu_trace_begin(VIRTGPU_EVENT_QUEUE);
	virtgpu_blob_close(&gpu, &blob);
	if (virtgpu_ttm_blobs())
		igt_assert_eq(unrefs_become(1), 1);
	else
		igt_assert_eq(unrefs_become(0), 0);
	check_words(map, 1);
	munmap(map, BLOB);
	igt_assert_eq(unrefs_become(1), 1);
	virtgpu_trace_end(VIRTGPU_EVENT_QUEUE);
	virtgpu_close(&gpu);
}

/* The next pages that TTM allocates are too many. */
static void swap_out(struct virtgpu *gpu)
{
	struct virtgpu_blob blob;
	unsigned long limit = param_get("ttm", "pages_limit");

	param_set("ttm", "pages_limit", 1);
	igt_assert_eq(make(gpu, &kinds[0], BLOB, &blob), 0);
	param_set("ttm", "pages_limit", limit);
	virtgpu_blob_close(gpu, &blob);
}

static void test_swap(void)
{
	struct kvm_guest_job todo = kvm_guest_job_of(KVM_OP_READ, BLOB, 5);
	struct virtgpu_blob used, closed;
	uint64_t before, page;
	struct virtgpu gpu;
	uint32_t *map[2];

	igt_require_f(virtgpu_ttm_blobs(), "only TTM swaps blobs\n");
	virtgpu_open(&gpu, VIRTGPU_VENUS);
	igt_assert_eq(make(&gpu, &kinds[0], BLOB, &used), 0);
	igt_assert_eq(make(&gpu, &kinds[0], BLOB, &closed), 0);
	map[0] = virtgpu_blob_mmap(&gpu, &used);
	map[1] = virtgpu_blob_mmap(&gpu, &closed);
	write_words(map[0], 1);
	kvm_host_write(map[1], &todo);
	page = first_page(&gpu, &used);
	virtgpu_blob_close(&gpu, &closed);
	/* The host's answer makes the difference. */
	sleep(1);
	before = shared_memory();
	swap_out(&gpu);
	igt_assert_lte_u64(before + BLOB / 2, shared_memory());
	igt_assert_lt_u64(shared_memory(), before + BLOB + BLOB / 2);
	igt_assert_eq_u64(first_page(&gpu, &used), page);
	check_words(map[0], 1);
	/*
	 * A guest is the first to touch it again. In a child: of a process that had a VM once,
	 * freed pages stay in quarantine while an idle CPU borrows its address space.
	 */
	igt_fork(child, 1)
	{
		struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);

		kvm_guest_map(guest, KVM_GUEST_GPA, map[1], BLOB);
		kvm_guest_run_ok(guest, &todo);
		kvm_guest_destroy(guest);
	}
	igt_waitchildren();
	kvm_host_verify(map[1], &todo);
	for (int i = 0; i < 2; i++)
		munmap(map[i], BLOB);
	virtgpu_close(&gpu);
}

/* ---- KVM --------------------------------------------------------------- */

struct setup {
	struct virtgpu gpu;
	struct virtgpu_blob blob;
	void *map;
	struct kvm_guest *guest;
};

static struct setup setup;

static void setup_make(const struct kind *kind)
{
	igt_require(kvm_available());
	virtgpu_open(&setup.gpu, kind->context);
	igt_assert_eq(make(&setup.gpu, kind, BLOB, &setup.blob), 0);
	setup.map = virtgpu_blob_mmap(&setup.gpu, &setup.blob);
	setup.guest = kvm_guest_create(KVM_GUEST_FLAT32);
}

static void setup_free(void)
{
	kvm_guest_destroy(setup.guest);
	munmap(setup.map, BLOB);
	virtgpu_close(&setup.gpu);
}

static void run(enum kvm_guest_op op, uint32_t seed)
{
	struct kvm_guest_job todo = kvm_guest_job_of(op, BLOB, seed);

	kvm_guest_run_ok(setup.guest, &todo);
}

static void test_kvm_cold(const struct kind *kind)
{
	struct kvm_guest_job done = kvm_guest_job_of(KVM_OP_WRITE, BLOB, 1);

	setup_make(kind);
	kvm_guest_map(setup.guest, KVM_GUEST_GPA, setup.map, BLOB);
	run(KVM_OP_WRITE, 1);
	kvm_host_verify(setup.map, &done);
	setup_free();
}

static void test_kvm_warm(const struct kind *kind)
{
	struct kvm_guest_job todo = kvm_guest_job_of(KVM_OP_READ, BLOB, 2);

	setup_make(kind);
	kvm_host_write(setup.map, &todo);
	kvm_guest_map(setup.guest, KVM_GUEST_GPA, setup.map, BLOB);
	run(KVM_OP_READ, 2);
	run(KVM_OP_READ_WRITE, 2);
	run(KVM_OP_READ, ~2u);
	setup_free();
}

static void test_kvm_dmabuf(const struct kind *kind)
{
	struct kvm_guest_job cold = kvm_guest_job_of(KVM_OP_WRITE, BLOB, 4);
	struct kvm_guest_job todo = kvm_guest_job_of(KVM_OP_READ, BLOB, 3);
	void *map;
	int fd;

	setup_make(kind);
	map = dmabuf_mmap(&setup.gpu, &setup.blob, &fd);
	kvm_guest_map(setup.guest, KVM_GUEST_GPA, map, BLOB);
	/* The guest is the first to touch the blob at all. */
	run(KVM_OP_WRITE, 4);
	kvm_host_verify(setup.map, &cold);
	kvm_host_write(setup.map, &todo);
	run(KVM_OP_READ, 3);
	setup_free();
	munmap(map, BLOB);
	close(fd);
}

static void subtest_import_client(const struct kind *kind)
{
	igt_describe("regression: another client imports a blob");
	igt_subtest_f("import-client-%s", kind->name) test_import_client(kind);
}

static void subtest_mmap_arguments(const struct kind *kind)
{
	igt_describe("regression: mappings that are not of all of a blob");
	igt_subtest_f("mmap-arguments-%s", kind->name)
		test_mmap_arguments(kind);
}

static uint32_t *make_words(struct virtgpu *gpu, const struct kind *kind,
			    struct virtgpu_blob *blob)
{
	uint32_t *words;

	igt_assert_eq(make(gpu, kind, BLOB, blob), 0);
	words = virtgpu_blob_mmap(gpu, blob);
	for (uint32_t i = 0; i < WORDS; i++)
		words[i] = ~i;
	return words;
}

static void assert_words(const uint32_t *words)
{
	for (uint32_t i = 0; i < WORDS; i++)
		igt_assert_eq_u32(words[i], ~i);
}

/* In the guest's memory, and in the host's. */
static void make_both(struct virtgpu *gpu, uint32_t *words[2])
{
	struct virtgpu_blob blob;

	virtgpu_open(gpu, VIRTGPU_VENUS);
	words[0] = make_words(gpu, &kinds[0], &blob);
	words[1] = make_words(gpu, &window_kinds[1], &blob);
}

static void test_remove(void)
{
	struct virtgpu_device device;
	struct virtgpu gpu;
	uint32_t *words[2];

	igt_require_f(virtgpu_ttm_blobs(), "the stock driver leaks them\n");
	virtgpu_device(&device);
	make_both(&gpu, words);
	virtgpu_remove(&device);
	assert_words(words[0]);
	igt_assert(virtgpu_is_sigbus(words[1]));
	virtgpu_close(&gpu);
	assert_words(words[0]);
	for (int i = 0; i < 2; i++)
		munmap(words[i], BLOB);

	virtgpu_rescan();
	make_both(&gpu, words);
	for (int i = 0; i < 2; i++) {
		assert_words(words[i]);
		munmap(words[i], BLOB);
	}
	virtgpu_close(&gpu);
}

int igt_main()
{
	igt_describe("The host refuses a HOST3D_GUEST blob (twin: within)");
	igt_subtest("guest-refused") test_refused();
	igt_describe("regression: the errno of arguments that make no sense");
	igt_subtest("guest-bad-arguments") test_bad_arguments();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		subtest_mmap_arguments(&kinds[i]);
	for (size_t i = 0; i < sizeof(window_kinds) / sizeof(*window_kinds);
	     i++)
		subtest_mmap_arguments(&window_kinds[i]);
	igt_describe("regression: a blob for which there is no memory");
	igt_subtest("guest-no-memory") test_no_memory();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		igt_describe("regression: a blob keeps what is written to it");
		igt_subtest_f("guest-data-%s", kinds[i].name)
			test_data(&kinds[i]);
		igt_describe("regression: a blob's dma-buf shows the blob");
		igt_subtest_f("guest-dmabuf-%s", kinds[i].name)
			test_dmabuf(&kinds[i]);
		igt_describe("regression: a driver imports a blob");
		igt_subtest_f("guest-import-%s", kinds[i].name)
			test_import(&kinds[i]);
		subtest_import_client(&kinds[i]);
	}
	for (size_t i = 0; i < sizeof(window_kinds) / sizeof(*window_kinds);
	     i++)
		subtest_import_client(&window_kinds[i]);
	igt_describe("regression: another driver's dma-buf is refused");
	igt_subtest("guest-import-foreign") test_import_foreign();
	igt_describe("A blob that is closed and still mapped (twin: within)");
	igt_subtest("guest-closed") test_closed();
	igt_describe("new call: what TTM swaps out, and what not");
	igt_subtest("guest-swap") test_swap();
	igt_describe(
		"The device leaves its bus and comes back (twin: script unplug-stock.sh)");
	igt_subtest("guest-remove") test_remove();
	igt_describe("regression: processes are killed that make blobs");
	igt_subtest("guest-kill") test_kill();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		igt_describe(
			"regression: a guest is the first to touch a blob");
		igt_subtest_f("guest-kvm-cold-%s", kinds[i].name)
			test_kvm_cold(&kinds[i]);
		igt_describe(
			"regression: a guest sees a blob that the CPU wrote");
		igt_subtest_f("guest-kvm-warm-%s", kinds[i].name)
			test_kvm_warm(&kinds[i]);
		igt_describe(
			"regression: a guest uses a blob through its dma-buf");
		igt_subtest_f("guest-kvm-dmabuf-%s", kinds[i].name)
			test_kvm_dmabuf(&kinds[i]);
	}
}
