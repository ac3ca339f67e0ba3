// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap vfio
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: TTM's PFNMAP mode, DMA by devices of user space
 * Description: VFIO type1 maps a reserved page without holding it, and nobody
 *	tells it when the page goes. Real DMA by QEMU's device "edu" behind an
 *	emulated IOMMU. Stock TTM and the policy "counted": VFIO refuses a BO.
 *	"naive", which only a test build of ttm.ko has: it does not, or the test
 *	proves nothing and fails. Guest script vfio.sh, which has what loads and
 *	unloads the modules.
 *
 * SUBTEST: control-dma
 * Description: The device copies one page of ordinary memory to another
 *
 * SUBTEST: i4-vfio-loaded-%s
 * Description: A BO is mapped for DMA as soon as it can be, and again when it is
 *	exposed
 *
 * arg[1]:
 * @first:		VFIO is loaded before TTM's device opts in
 * @after-opt-in:	after that
 * @after-mmap:		after a BO was mapped
 * @after-exposure:	after it was written to
 *
 * SUBTEST: i4-vfio-handover
 * Description: A mapping for DMA is handed over to a process that has a BO there
 *	(VFIO_DMA_MAP_FLAG_VADDR). What the device writes to is what was mapped
 *
 * SUBTEST: i4-vfio-dma-after-free
 * Description: The device writes to a BO that was freed. Naive: the memory is
 *	another's
 *
 * SUBTEST: i4-vfio-unmap-after-free
 * Description: VFIO gives the pages of a freed BO back. Naive: it never took
 *	them, and leaves a count of -1024. To be run last
 */
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hazard.h"
#include "igt.h"
#include "kvm_bo.h"
#include "pageflags.h"

#define PCI_DEVICES "/sys/bus/pci/devices"
#define EDU_ID "0x11e8"
#define EDU_VENDOR "0x1234"

/* The device's registers, from QEMU's documentation of it. */
#define EDU_DMA_SOURCE 0x80
#define EDU_DMA_TARGET 0x88
#define EDU_DMA_BYTES 0x90
#define EDU_DMA_COMMAND 0x98
#define EDU_DMA_START 1
#define EDU_DMA_TO_MEMORY 2
#define EDU_BUFFER 0x40000

/* Not the whole buffer: QEMU refuses the last byte of it. */
#define DMA_BYTES 2048
#define PAGE 4096u
#define SIZE KVM_BO_MIB(1)
#define BO_IOVA 0x100000ull
#define PLAIN_IOVA 0x800000ull
#define DMA_PAGE 200 /* of the BO: a tail page of its chunk */
#define TRIES 5	     /* from BO_IOVA to PLAIN_IOVA there is room for more */
#define DMA_SECONDS 60
/* What VFIO subtracts from the count of a page that it believes it pinned. */
#define PIN_BIAS 1024

struct edu {
	int container, group, device;
	volatile uint64_t *bar;
	size_t bar_size;
};

static enum hazard_policy policy;
static const char *script = "/guest/vfio-modules.sh";

/* ---- The device -------------------------------------------------------- */

static void modules(const char *what)
{
	char command[PATH_MAX + 64];

	snprintf(command, sizeof(command), "sh %s %s", script, what);
	igt_assert_f(system(command) == 0, "%s failed\n", command);
}

static bool attribute_is(const char *device, const char *name,
			 const char *wanted)
{
	char path[PATH_MAX], value[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s", device, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(value, sizeof(value), file))
		value[0] = '\0';
	fclose(file);
	value[strcspn(value, "\n")] = '\0';
	return !strcmp(value, wanted);
}

static const char *edu_name(void)
{
	static char name[NAME_MAX + 1];
	struct dirent *entry;
	DIR *dir = opendir(PCI_DEVICES);

	igt_assert(dir);
	name[0] = '\0';
	while (!name[0] && (entry = readdir(dir)))
		if (attribute_is(entry->d_name, "vendor", EDU_VENDOR) &&
		    attribute_is(entry->d_name, "device", EDU_ID))
			strcpy(name, entry->d_name);
	closedir(dir);
	igt_require_f(name[0], "there is no edu device\n");
	return name;
}

static int edu_group(void)
{
	char link[PATH_MAX], target[PATH_MAX], node[64];
	ssize_t len;

	snprintf(link, sizeof(link), PCI_DEVICES "/%s/iommu_group", edu_name());
	len = readlink(link, target, sizeof(target) - 1);
	igt_require_f(len > 0, "edu is behind no IOMMU\n");
	target[len] = '\0';
	snprintf(node, sizeof(node), "/dev/vfio/%s", strrchr(target, '/') + 1);
	return open(node, O_RDWR | O_CLOEXEC);
}

static void edu_enable(struct edu *edu)
{
	const uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	struct vfio_region_info region = {
		.argsz = sizeof(region),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};

	igt_assert_eq(ioctl(edu->device, VFIO_DEVICE_GET_REGION_INFO, &region),
		      0);
	igt_assert_eq(pwrite(edu->device, &command, sizeof(command),
			     region.offset + PCI_COMMAND),
		      sizeof(command));

	region.index = VFIO_PCI_BAR0_REGION_INDEX;
	igt_assert_eq(ioctl(edu->device, VFIO_DEVICE_GET_REGION_INFO, &region),
		      0);
	edu->bar_size = region.size;
	edu->bar = mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			edu->device, region.offset);
	igt_assert(edu->bar != MAP_FAILED);
}

static void edu_open(struct edu *edu)
{
	edu->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	igt_assert_f(edu->container >= 0, "/dev/vfio/vfio: %s\n",
		     strerror(errno));
	edu->group = edu_group();
	igt_assert_f(edu->group >= 0, "edu's VFIO group: %s\n",
		     strerror(errno));
	igt_assert_eq(ioctl(edu->group, VFIO_GROUP_SET_CONTAINER,
			    &edu->container),
		      0);
	igt_assert_eq(ioctl(edu->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU),
		      0);
	edu->device = ioctl(edu->group, VFIO_GROUP_GET_DEVICE_FD, edu_name());
	igt_assert_fd(edu->device);
	edu_enable(edu);
}

static void edu_close(struct edu *edu)
{
	munmap((void *)edu->bar, edu->bar_size);
	close(edu->device);
	close(edu->group);
	close(edu->container);
}

/* @flags: of VFIO_DMA_MAP_FLAG_* */
static int edu_map(struct edu *edu, uint64_t iova, void *map, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map req = {
		.argsz = sizeof(req),
		.flags = flags,
		.vaddr = (uintptr_t)map,
		.iova = iova,
		.size = SIZE,
	};

	return ioctl(edu->container, VFIO_IOMMU_MAP_DMA, &req) ? -errno : 0;
}

#define READ_WRITE (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

static void edu_unmap(struct edu *edu, uint64_t iova, uint32_t flags)
{
	struct vfio_iommu_type1_dma_unmap req = {
		.argsz = sizeof(req),
		.flags = flags,
		.iova = iova,
		.size = SIZE,
	};

	igt_assert_f(!ioctl(edu->container, VFIO_IOMMU_UNMAP_DMA, &req) &&
			     req.size == SIZE,
		     "unmap: %s, %#llx bytes\n", strerror(errno),
		     (unsigned long long)req.size);
}

static void edu_dma(struct edu *edu, uint64_t source, uint64_t target,
		    uint64_t command)
{
	struct timespec start = {};

	edu->bar[EDU_DMA_SOURCE / 8] = source;
	edu->bar[EDU_DMA_TARGET / 8] = target;
	edu->bar[EDU_DMA_BYTES / 8] = DMA_BYTES;
	edu->bar[EDU_DMA_COMMAND / 8] = command | EDU_DMA_START;
	igt_nsec_elapsed(&start);
	while (edu->bar[EDU_DMA_COMMAND / 8] & EDU_DMA_START) {
		igt_assert(igt_nsec_elapsed(&start) <
			   DMA_SECONDS * 1000000000ull);
		usleep(10000);
	}
}

/* Ordinary memory, all of one byte, that the device may read and write. */
static void *plain_map(struct edu *edu, uint64_t iova, int byte)
{
	void *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	igt_assert(map != MAP_FAILED);
	memset(map, byte, SIZE);
	igt_assert_eq(edu_map(edu, iova, map, READ_WRITE), 0);
	return map;
}

/* The device writes BYTE_INTRUDER, which it reads from ordinary memory. */
static void edu_intrude(struct edu *edu, uint64_t iova)
{
	void *plain = plain_map(edu, PLAIN_IOVA, BYTE_INTRUDER);

	edu_dma(edu, PLAIN_IOVA, EDU_BUFFER, 0);
	edu_dma(edu, EDU_BUFFER, iova, EDU_DMA_TO_MEMORY);
	edu_unmap(edu, PLAIN_IOVA, 0);
	munmap(plain, SIZE);
}

static unsigned long intruded(const void *map)
{
	const unsigned char *bytes = map;
	unsigned long n = 0;

	for (size_t i = 0; i < SIZE; i++)
		n += bytes[i] == BYTE_INTRUDER;
	return n;
}

static void control_dma(void)
{
	struct edu edu;
	void *map;

	edu_open(&edu);
	map = plain_map(&edu, BO_IOVA, 0);
	edu_intrude(&edu, BO_IOVA);
	igt_assert_eq_u64(intruded(map), DMA_BYTES);
	edu_close(&edu);
	munmap(map, SIZE);
}

/* ---- Every order ------------------------------------------------------- */

/* Stock TTM and ours must be refused; the mark alone must not. */
static bool may_map(enum vttm_kind kind)
{
	return kind == VTTM_MODE && policy == HAZARD_NAIVE;
}

static void try_to_map(struct edu *edu, struct kvm_bo *bo, bool exposed)
{
	int ret = edu_map(edu, BO_IOVA, bo->map, READ_WRITE);

	igt_assert_f(ret == (may_map(bo->kind) ? 0 : -EFAULT),
		     "%s, %s: VFIO says %s\n", vttm_kind_name(bo->kind),
		     exposed ? "exposed" : "not exposed yet", strerror(-ret));
	igt_info("%s, %s: VFIO says %s\n", vttm_kind_name(bo->kind),
		 exposed ? "exposed" : "not exposed yet", strerror(-ret));
	if (!ret) {
		edu_unmap(edu, BO_IOVA, 0);
		return;
	}
	edu_intrude(edu, BO_IOVA + DMA_PAGE * PAGE);
	if (exposed)
		igt_assert_eq_u64(intruded(bo->map), 0);
}

enum when {
	FIRST,
	AFTER_OPT_IN,
	AFTER_MMAP,
	AFTER_EXPOSURE,
};

static void load_and_map(enum vttm_kind kind, enum when when)
{
	struct kvm_bo bo;
	struct edu edu;

	kvm_bo_init(&bo, kind, SIZE, VTTM_BO_CACHED);
	if (when == AFTER_MMAP)
		modules("load-vfio");
	if (when != AFTER_EXPOSURE) {
		edu_open(&edu);
		try_to_map(&edu, &bo, false);
	}
	memset(bo.map, BYTE_STRANGER, SIZE);
	if (when == AFTER_EXPOSURE) {
		modules("load-vfio");
		edu_open(&edu);
	}
	try_to_map(&edu, &bo, true);
	if (policy != HAZARD_NAIVE)
		kvm_bo_check_counts(&bo);
	edu_close(&edu);
	kvm_bo_fini(&bo);
}

static void every_order(enum when when)
{
	for (enum vttm_kind kind = VTTM_STOCK; kind <= VTTM_MODE; kind++) {
		modules("opt-out");
		modules("unload-vfio");
		if (when == FIRST)
			modules("load-vfio");
		modules("opt-in");
		if (when == AFTER_OPT_IN)
			modules("load-vfio");
		igt_fork(child, 1) load_and_map(kind, when);
		igt_waitchildren_timeout(DMA_SECONDS * 2, "VFIO hangs");
	}
	kvm_bo_assert_nothing_left(VTTM_MODE);
}

/* ---- A BO that is gone ------------------------------------------------- */

static uint64_t held_pfn(const struct kvm_bo *bo)
{
	struct drm_vttm_page page;

	vttm_page(bo->fd, bo->handle, DMA_PAGE, &page);
	return page.pfn;
}

static int page_count(int fd, uint64_t pfn)
{
	struct drm_vttm_pfn req = { .pfn = pfn };

	igt_assert_eq(vttm_ioctl(fd, DRM_IOCTL_VTTM_PFN, &req), 0);
	return req.count;
}

/*
 * A BO that VFIO was asked to map and that is freed: the PFN of a page of it.
 * Naive: the mapping is there. Otherwise it was refused.
 */
static uint64_t map_and_free(struct edu *edu, enum vttm_kind kind,
			     uint64_t iova)
{
	struct kvm_bo bo;
	uint64_t pfn;
	int ret;

	kvm_bo_init(&bo, kind, SIZE, VTTM_BO_CACHED);
	memset(bo.map, BYTE_STRANGER, SIZE);
	pfn = held_pfn(&bo);
	ret = edu_map(edu, iova, bo.map, READ_WRITE);
	igt_assert_eq(ret, may_map(kind) ? 0 : -EFAULT);
	kvm_bo_fini(&bo);
	return pfn;
}

/*
 * Until strangers have a page of such a BO: it may lie on a list of the other CPU's,
 * or somebody else was first. Returns where the device would reach it.
 */
static uint64_t map_and_hand_on(struct edu *edu, enum vttm_kind kind,
				struct strangers *strangers)
{
	uint64_t iova = BO_IOVA;

	for (int try = 0;; try++, iova += SIZE) {
		strangers_start(strangers, map_and_free(edu, kind, iova));
		if (strangers->report->has_page)
			return iova;
		strangers_end(strangers);
		igt_assert_f(try < TRIES,
			     "nobody has the page to be written to\n");
	}
}

static void dma_after_free(enum vttm_kind kind)
{
	struct strangers_report report;
	struct strangers strangers;
	struct edu edu;
	uint64_t iova;

	edu_open(&edu);
	iova = map_and_hand_on(&edu, kind, &strangers);
	edu_intrude(&edu, iova + DMA_PAGE * PAGE);
	report = strangers_end(&strangers);
	igt_assert_eq_u64(report.bytes, may_map(kind) ? DMA_BYTES : 0);
	edu_close(&edu);
}

static void unmap_after_free(enum vttm_kind kind)
{
	const bool mapped = may_map(kind);
	int fd = __vttm_open(VTTM_STOCK), count;
	struct edu edu;
	uint64_t pfn;

	edu_open(&edu);
	pfn = map_and_free(&edu, kind, BO_IOVA);
	igt_assert(page_is_free(pfn));
	igt_assert_eq(page_count(fd, pfn), 0);
	if (mapped)
		edu_unmap(&edu, BO_IOVA, 0);
	count = page_count(fd, pfn);
	igt_info("%s: the free page's count is %d\n", vttm_kind_name(kind),
		 count);
	igt_assert_eq(count, mapped ? -PIN_BIAS : 0);
	edu_close(&edu);
	close(fd);
}

static void both_kinds(void (*fn)(enum vttm_kind kind))
{
	for (enum vttm_kind kind = VTTM_STOCK; kind <= VTTM_MODE; kind++) {
		fn(kind);
		if (policy != HAZARD_NAIVE)
			kvm_bo_assert_nothing_left(kind);
	}
}

/* ---- The handover ------------------------------------------------------ */

/*
 * The process that takes the mapping over. What VFIO has pinned stays pinned; a
 * BO at the new address must not take its place.
 */
static void take_over(struct edu *edu, enum vttm_kind kind)
{
	struct kvm_bo bo;
	int ret;

	kvm_bo_init(&bo, kind, SIZE, VTTM_BO_CACHED);
	memset(bo.map, BYTE_STRANGER, SIZE);
	ret = edu_map(edu, BO_IOVA, bo.map, VFIO_DMA_MAP_FLAG_VADDR);
	igt_info("%s: the handover to a BO: %s\n", vttm_kind_name(kind),
		 strerror(-ret));
	edu_intrude(edu, BO_IOVA + DMA_PAGE * PAGE);
	igt_assert_eq_u64(intruded(bo.map), 0);
	if (policy != HAZARD_NAIVE)
		kvm_bo_check_counts(&bo);

	/* What the new owner maps anew is looked at again. */
	edu_unmap(edu, BO_IOVA, 0);
	ret = edu_map(edu, BO_IOVA, bo.map, READ_WRITE);
	igt_assert_eq(ret, may_map(kind) ? 0 : -EFAULT);
	edu_intrude(edu, BO_IOVA + DMA_PAGE * PAGE);
	igt_assert_eq_u64(intruded(bo.map), ret ? 0 : DMA_BYTES);
	if (!ret)
		edu_unmap(edu, BO_IOVA, 0);
	kvm_bo_fini(&bo);
}

static void handover(enum vttm_kind kind)
{
	struct edu edu;
	void *map;

	edu_open(&edu);
	map = plain_map(&edu, BO_IOVA, BYTE_STRANGER);
	edu_unmap(&edu, BO_IOVA, VFIO_DMA_UNMAP_FLAG_VADDR);
	igt_fork(heir, 1) take_over(&edu, kind);
	igt_waitchildren_timeout(DMA_SECONDS * 2, "VFIO hangs");
	/* The device wrote here, to what was mapped in the beginning. */
	igt_assert_eq_u64(intruded(map), DMA_BYTES);
	edu_close(&edu);
	munmap(map, SIZE);
}

/* ------------------------------------------------------------------------ */

static int option(int opt, int index, void *data)
{
	(void)index;
	(void)data;
	if (opt != 's')
		return -2;
	script = optarg;
	return 0;
}

static const struct option options[] = {
	{ "modules", required_argument, NULL, 's' },
	{},
};

static const char help[] =
	"  --modules=SCRIPT\tthat is given load-vfio, unload-vfio, opt-in or opt-out\n";

static void subtests(void)
{
	static const struct {
		const char *name;
		enum when when;
	} orders[] = {
		{ "after-opt-in", AFTER_OPT_IN },
		{ "after-mmap", AFTER_MMAP },
		{ "after-exposure", AFTER_EXPOSURE },
		{ "first", FIRST },
	};

	igt_fixture()
	{
		close(vttm_open(VTTM_STOCK));
		edu_name();
		policy = hazard_policy();
		igt_require_f(
			policy != HAZARD_RESERVED,
			"VFIO and the policy reserved exclude each other\n");
	}

	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		igt_describe("A BO is mapped for DMA (twin: policy naive).");
		igt_subtest_f("i4-vfio-loaded-%s", orders[i].name)
			every_order(orders[i].when);
	}

	igt_describe("control: the device reads and writes ordinary memory.");
	igt_subtest("control-dma") control_dma();

	igt_describe("A mapping for DMA is handed over (twin: policy naive).");
	igt_subtest("i4-vfio-handover") both_kinds(handover);

	igt_describe("The device writes to a freed BO (twin: policy naive).");
	igt_subtest("i4-vfio-dma-after-free") both_kinds(dma_after_free);

	igt_describe("VFIO gives a freed BO back (twin: policy naive).");
	igt_subtest("i4-vfio-unmap-after-free") both_kinds(unmap_after_free);
}

int igt_main_args("", options, help, option, NULL)
{
	subtests();
}
