// SPDX-License-Identifier: MIT
/**
 * TEST: virtgpu blob kvm
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: virtio-gpu
 * Functionality: mappable HOST3D blobs as memory of a nested KVM guest
 * Description: A blob's mapping is a memslot. In both kinds of window the guest
 *	can use it; with virtio_gpu.ttm_blobs=1 also while blobs are evicted.
 *
 * SUBTEST: kvm-cold-%s
 * Description: The guest touches a blob that the CPU has never touched, and the
 *	CPU sees what it wrote
 *
 * arg[1]:
 * @virgl:	GL buffers with a persistent mapping
 * @venus:	shared memory of the host
 *
 * SUBTEST: kvm-warm-%s
 * Description: The guest sees what the CPU wrote
 *
 * SUBTEST: kvm-dmabuf-%s
 * Description: The same through a mapping of the blob's dma-buf
 *
 * SUBTEST: kvm-overcommit-evicted
 * Description: The guest's blob is evicted between its runs: its data is there.
 *	Without TTM: -ENOSPC for blobs that do not fit beside it
 *
 * SUBTEST: kvm-overcommit-running
 * Description: The guest's blob is evicted again and again while the guest runs and
 *	uses it: its PTEs are seen to be gone. Skipped without TTM
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "kvm.h"
#include "pte.h"
#include "virtgpu.h"

#define MIB(n) ((uint64_t)(n) << 20)
#define BLOB MIB(4)
#define MAX_FILL 64
#define RUNS 20
#define GONE 8
/* Even where the one that evicts rarely gets a CPU. */
#define RUNS_MAX 20000

struct setup {
	struct virtgpu gpu;
	struct virtgpu_blob blob;
	void *map;
	struct kvm_guest *guest;
};

static struct setup setup;

static void setup_make(enum virtgpu_context context)
{
	virtgpu_open(&setup.gpu, context);
	virtgpu_blob(&setup.gpu, BLOB, &setup.blob);
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

static void test_cold(enum virtgpu_context context)
{
	struct kvm_guest_job done = kvm_guest_job_of(KVM_OP_WRITE, BLOB, 1);

	setup_make(context);
	kvm_guest_map(setup.guest, KVM_GUEST_GPA, setup.map, BLOB);
	run(KVM_OP_WRITE, 1);
	kvm_host_verify(setup.map, &done);
	setup_free();
}

static void test_warm(enum virtgpu_context context)
{
	struct kvm_guest_job todo = kvm_guest_job_of(KVM_OP_READ, BLOB, 2);

	setup_make(context);
	kvm_host_write(setup.map, &todo);
	kvm_guest_map(setup.guest, KVM_GUEST_GPA, setup.map, BLOB);
	run(KVM_OP_READ, 2);
	run(KVM_OP_READ_WRITE, 2);
	run(KVM_OP_READ, ~2u);
	setup_free();
}

static void test_dmabuf(enum virtgpu_context context)
{
	struct kvm_guest_job cold = kvm_guest_job_of(KVM_OP_WRITE, BLOB, 4);
	struct kvm_guest_job todo = kvm_guest_job_of(KVM_OP_READ, BLOB, 3);
	int dmabuf;
	void *map;

	setup_make(context);
	dmabuf = virtgpu_blob_export(&setup.gpu, &setup.blob);
	map = mmap(NULL, BLOB, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf, 0);
	igt_assert(map != MAP_FAILED);
	kvm_guest_map(setup.guest, KVM_GUEST_GPA, map, BLOB);
	/* The guest is the first to touch the blob at all. */
	run(KVM_OP_WRITE, 4);
	kvm_host_verify(setup.map, &cold);
	kvm_host_write(setup.map, &todo);
	run(KVM_OP_READ, 3);
	setup_free();
	munmap(map, BLOB);
	close(dmabuf);
}

/* Blobs that fill the window, so that touching them evicts all others. */
static uint32_t *fill[MAX_FILL];
static unsigned int fills;
static atomic_bool stop;
static atomic_bool guest_runs;
/* So often the guest's blob was not there while the guest ran. */
static atomic_uint gone;

static void fill_make(void)
{
	struct virtgpu_blob blob;

	fills = virtgpu_window_size() / BLOB;
	igt_assert(fills <= MAX_FILL);
	for (unsigned int i = 0; i < fills; i++) {
		virtgpu_blob(&setup.gpu, BLOB, &blob);
		fill[i] = virtgpu_blob_mmap(&setup.gpu, &blob);
	}
}

static void fill_touch(void)
{
	for (unsigned int i = 0; i < fills; i++)
		fill[i][0] = i;
}

static void fill_free(void)
{
	for (unsigned int i = 0; i < fills; i++)
		munmap(fill[i], BLOB);
}

/* Beside the guest's blob there is no room for as many as the window holds. */
static void assert_stock_is_full(void)
{
	const struct virtgpu_blob_params params = { .size = BLOB };
	struct virtgpu_blob blob;
	int ret = 0;

	virtgpu_window_wait_unused();
	setup_make(VIRTGPU_VENUS);
	kvm_guest_map(setup.guest, KVM_GUEST_GPA, setup.map, BLOB);
	run(KVM_OP_WRITE, 0);
	for (uint64_t i = 0; i < virtgpu_window_size() / BLOB && !ret; i++)
		ret = __virtgpu_blob(&setup.gpu, &params, &blob);
	igt_assert_eq(ret, -ENOSPC);
	run(KVM_OP_READ, 0);
	setup_free();
	virtgpu_window_wait_unused();
}

static void test_evicted(void)
{
	uint64_t before;

	if (!virtgpu_ttm_blobs()) {
		assert_stock_is_full();
		return;
	}
	setup_make(VIRTGPU_VENUS);
	fill_make();
	kvm_guest_map(setup.guest, KVM_GUEST_GPA, setup.map, BLOB);
	before = virtgpu_window_count("evictions");
	for (uint32_t i = 0; i < 4; i++) {
		run(KVM_OP_WRITE, i);
		fill_touch();
		run(KVM_OP_READ, i);
		fill_touch();
	}
	igt_assert_lte_u64(before + 8, virtgpu_window_count("evictions"));
	fill_free();
	setup_free();
}

static void *keep_touching(void *unused)
{
	while (!stop) {
		fill_touch();
		if (guest_runs && !pte_is_present(setup.map))
			gone++;
	}
	return unused;
}

static void test_running(void)
{
	pthread_t thread;
	uint32_t runs;

	igt_require_f(virtgpu_ttm_blobs(), "only TTM evicts\n");
	setup_make(VIRTGPU_VENUS);
	/* Skips here if it cannot be asked. */
	pte_is_present(setup.map);
	fill_make();
	kvm_guest_map(setup.guest, KVM_GUEST_GPA, setup.map, BLOB);
	stop = false;
	gone = 0;
	igt_assert_eq(pthread_create(&thread, NULL, keep_touching, NULL), 0);
	run(KVM_OP_WRITE, 0);
	for (runs = 0; runs < RUNS || (gone < GONE && runs < RUNS_MAX);
	     runs++) {
		guest_runs = true;
		run(KVM_OP_READ_WRITE, runs % 2 ? ~0u : 0);
		guest_runs = false;
	}
	stop = true;
	pthread_join(thread, NULL);
	run(KVM_OP_READ, runs % 2 ? ~0u : 0);
	igt_info("%u runs, the blob was gone in %u\n", runs, gone);
	igt_assert_lte(GONE, gone);
	fill_free();
	setup_free();
}

int igt_main()
{
	igt_fixture() igt_require(kvm_available());
	for (int i = VIRTGPU_VIRGL; i <= VIRTGPU_VENUS; i++) {
		igt_describe(
			"regression: a guest is the first to touch a blob");
		igt_subtest_f("kvm-cold-%s", virtgpu_context_name(i))
			test_cold(i);
		igt_describe(
			"regression: a guest sees a blob that the CPU wrote");
		igt_subtest_f("kvm-warm-%s", virtgpu_context_name(i))
			test_warm(i);
		igt_describe(
			"regression: a guest uses a blob through its dma-buf");
		igt_subtest_f("kvm-dmabuf-%s", virtgpu_context_name(i))
			test_dmabuf(i);
	}
	igt_describe("A guest's blob is evicted between runs (twin: within)");
	igt_subtest("kvm-overcommit-evicted") test_evicted();
	igt_describe(
		"new call: a guest's blob is evicted while the guest runs");
	igt_subtest("kvm-overcommit-running") test_running();
}
