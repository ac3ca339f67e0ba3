// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap refs
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: no page reference can be taken through a mapping of a BO
 * Description: Invariant I7 of TTM's PFNMAP mode: mappings of BOs are VM_PFNMAP
 *	and VM_IO, never VM_MIXEDMAP and never copy-on-write, so that nobody can
 *	take a reference to a page through them. Stock TTM's mappings are of the
 *	same kind, hence all but the violation test are regression tests: the
 *	mode and its stock twin must give the same answers. Each way is first
 *	tried on ordinary memory, where it must succeed, or the test would prove
 *	nothing. After each, struct page of every page of the BO (PFN, count,
 *	flags, mapcount) is as before.
 *
 * SUBTEST: i7-o-direct-write-%s
 * Description: write() from a BO to a block device opened with O_DIRECT: -EFAULT
 *
 * arg[1]:
 * @mode:	the opted-in device
 * @stock:	the twin that is not: the same answers
 *
 * SUBTEST: i7-o-direct-read-%s
 * Description: read() from such a device into a BO: -EFAULT
 *
 * SUBTEST: i7-vmsplice-%s
 * Description: vmsplice() of BO pages into a pipe: -EFAULT
 *
 * SUBTEST: i7-process-vm-readv-%s
 * Description: process_vm_readv() from a BO: -EFAULT
 *
 * SUBTEST: i7-process-vm-writev-%s
 * Description: process_vm_writev() to a BO: -EFAULT
 *
 * SUBTEST: i7-io-uring-buffers-%s
 * Description: A BO as registered buffer of an io_uring: -EFAULT
 *
 * SUBTEST: i7-msg-zerocopy-%s
 * Description: send() of a BO with MSG_ZEROCOPY: -EFAULT
 *
 * SUBTEST: i7-xdp-umem-%s
 * Description: A BO as packet memory of an AF_XDP socket: -EFAULT
 *
 * SUBTEST: i7-shared-futex-%s
 * Description: A futex between processes in a BO: -EFAULT
 *
 * SUBTEST: i7-userfaultfd-%s
 * Description: A BO registered with a userfaultfd: -EINVAL
 *
 * SUBTEST: i7-move-pages-%s
 * Description: move_pages() of BO pages: status -EFAULT
 *
 * SUBTEST: i7-gup-get-%s
 * Description: A driver calls get_user_pages()
 *
 * SUBTEST: i7-gup-get-fast-%s
 * Description: A driver calls get_user_pages_fast()
 *
 * SUBTEST: i7-gup-pin-%s
 * Description: A driver calls pin_user_pages() for long
 *
 * SUBTEST: i7-gup-pin-fast-%s
 * Description: A driver calls pin_user_pages_fast()
 *
 * SUBTEST: i7-copies-%s
 * Description: What copies and takes no reference works: write(), read(),
 *	send(), reading a pipe by vmsplice(), a process's own futex
 *
 * SUBTEST: i7-vma-flags-%s
 * Description: The VMA is VM_PFNMAP | VM_IO, shared and not VM_MIXEDMAP, also
 *	after mprotect(), mremap(), a split and fork()
 *
 * SUBTEST: i7-map-private-%s
 * Description: MAP_PRIVATE is refused with -EINVAL however it is asked for
 *
 * SUBTEST: i7-fork-%s
 * Description: A child shares the BO with its parent
 *
 * SUBTEST: i7-mremap-%s
 * Description: A mapping can be moved and shrunk, not grown or doubled
 *
 * SUBTEST: i7-madvise-%s
 * Description: What each advice answers; none changes the BO
 *
 * SUBTEST: i7-mlock-%s
 * Description: mlock(), mlockall(), MAP_LOCKED and MAP_POPULATE succeed and do
 *	nothing
 *
 * SUBTEST: i7-mbind-%s
 * Description: mbind() that wants pages moved succeeds and moves none
 *
 * SUBTEST: i7-ptrace-%s
 * Description: A debugger still reads and writes a BO (PTRACE_PEEKDATA,
 *	PTRACE_POKEDATA, /proc/PID/mem), which copies
 *
 * SUBTEST: i7-ptrace-marks-nothing-%s
 * Description: A debugger's access to a BO that was never mapped by a page
 *	table exposes nothing, so nothing is marked
 *
 * SUBTEST: control-i7-a-reference-is-seen-%s
 * Description: A module takes a reference to a page of a BO: what looks at the pages
 *	after each of the ways above says which one, until it is given back
 *
 * SUBTEST: control-i7-a-part-is-seen-%s
 * Description: A driver that gets some of the pages, for the others are a BO's, is
 *	told apart from one that gets none
 *
 * SUBTEST: i7-violation
 * Description: A driver makes a VMA VM_MIXEDMAP: access is SIGBUS, one warning
 *	is logged, nothing is exposed, and the BO's other mappings work
 *
 * SUBTEST: i7-violation-stock
 * Description: The device that is not opted in refuses to make such a VMA,
 *	because stock TTM would hit a BUG_ON() in vmf_insert_pfn_prot(); the guest
 *	script violation.sh makes it, in a VM of its own
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_xdp.h>
#include <linux/io_uring.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/futex.h>

#include "child.h"
#include "gup_try.h"
#include "igt.h"
#include "kvm_bo.h"
#include "meddle.h"
#include "modelog.h"

#define PAGE 4096u
/* A chunk of 1 MiB and some small ones */
#define BO_SIZE (KVM_BO_MIB(1) + 3 * PAGE)
#define BO_PAGES (BO_SIZE / PAGE)
#define TEST_SECONDS 120

#define SEED 0x5eed0001u

#define for_each_entry(i, table) \
	for (unsigned int i = 0; i < sizeof(table) / sizeof((table)[0]); i++)

/* ---- Memory: a BO mapped in one of several ways, or none of that ------- */

/* The ways a BO's memory can be */
static const struct variant {
	const char *name;
	uint32_t flags; /* VTTM_BO_* */
	bool cold;	/* never touched: no pages, no PTEs */
	bool dmabuf;	/* mapped through a dma-buf */
} variants[] = {
	{ "cached", VTTM_BO_CACHED, false, false },
	{ "write-combined", VTTM_BO_WC, false, false },
	{ "uncached", VTTM_BO_UC, false, false },
	{ "fake VRAM", VTTM_BO_VRAM, false, false },
	{ "dma-buf", VTTM_BO_CACHED, false, true },
	{ "cold", VTTM_BO_CACHED, true, false },
	{ "cold dma-buf", VTTM_BO_CACHED, true, true },
};

struct memory {
	const struct variant *variant; /* NULL: not a BO */
	struct kvm_bo bo;
	char *map;
	size_t size;
	struct drm_vttm_page before[BO_PAGES];
};

static struct kvm_guest_job pattern(uint32_t seed)
{
	return (struct kvm_guest_job){
		.pages = BO_PAGES,
		.words = 16,
		.seed = seed,
	};
}

static void fill(const struct memory *mem, uint32_t seed)
{
	struct kvm_guest_job job = pattern(seed);

	kvm_host_write(mem->map, &job);
}

static void verify(const struct memory *mem, uint32_t seed)
{
	struct kvm_guest_job job = pattern(seed);

	kvm_host_verify(mem->map, &job);
}

static void map_dmabuf(struct memory *mem)
{
	int dmabuf = vttm_export(mem->bo.fd, mem->bo.handle);

	vttm_munmap(mem->bo.map, mem->size);
	mem->bo.map = mmap(NULL, mem->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			   dmabuf, 0);
	igt_assert(mem->bo.map != MAP_FAILED);
	close(dmabuf);
}

static void memory_init(struct memory *mem, enum vttm_kind kind,
			const struct variant *variant)
{
	memset(mem, 0, sizeof(*mem));
	mem->variant = variant;
	mem->size = BO_SIZE;
	kvm_bo_init(&mem->bo, kind, BO_SIZE, variant->flags);
	if (variant->dmabuf)
		map_dmabuf(mem);
	mem->map = mem->bo.map;
	if (!variant->cold)
		fill(mem, SEED);
}

/* Ordinary memory to compare with; @flags: MAP_SHARED or MAP_PRIVATE */
static void memory_init_anonymous(struct memory *mem, int flags)
{
	memset(mem, 0, sizeof(*mem));
	mem->size = BO_SIZE;
	mem->bo.fd = -1;
	mem->map = mmap(NULL, BO_SIZE, PROT_READ | PROT_WRITE,
			flags | MAP_ANONYMOUS, -1, 0);
	igt_assert(mem->map != MAP_FAILED);
	fill(mem, SEED);
}

/* The test may have moved the mapping. */
static void memory_fini(struct memory *mem)
{
	if (!mem->variant) {
		igt_assert_eq(munmap(mem->map, mem->size), 0);
		return;
	}
	mem->bo.map = mem->map;
	kvm_bo_fini(&mem->bo);
}

static void read_pages(const struct memory *mem, struct drm_vttm_page *pages)
{
	for (uint32_t i = 0; i < BO_PAGES; i++) {
		int ret = __vttm_page(mem->bo.fd, mem->bo.handle, i, &pages[i]);

		igt_assert_f(!ret || (ret == -ENXIO && mem->variant->cold),
			     "page %u: %s\n", i, strerror(-ret));
	}
}

/* What there is to know of the BO's pages, before ... */
static void remember_pages(struct memory *mem)
{
	if (!mem->variant)
		return;
	read_pages(mem, mem->before);
	if (!mem->variant->cold && !(mem->variant->flags & VTTM_BO_VRAM))
		kvm_bo_check_counts(&mem->bo);
}

/* The first page of which something is not as before; BO_PAGES if there is none. */
static uint32_t changed_page(const struct memory *mem,
			     struct drm_vttm_page now[BO_PAGES])
{
	uint32_t i;

	read_pages(mem, now);
	for (i = 0; i < BO_PAGES; i++)
		if (memcmp(&now[i], &mem->before[i], sizeof(now[i])))
			break;
	return i;
}

/* ... and after somebody tried to take a reference. */
static void check_pages(const struct memory *mem)
{
	struct drm_vttm_page now[BO_PAGES];
	uint32_t i;

	if (!mem->variant)
		return;
	i = changed_page(mem, now);
	igt_assert_f(
		i == BO_PAGES,
		"page %u of a %s BO: count %d, mapcount %d, flags %#x, pfn %#llx; was %d, %d, %#x, %#llx\n",
		i, mem->variant->name, now[i].count, now[i].mapcount,
		now[i].flags, (unsigned long long)now[i].pfn,
		mem->before[i].count, mem->before[i].mapcount,
		mem->before[i].flags, (unsigned long long)mem->before[i].pfn);
}

/* Nothing of the BO changed, its contents included. */
static void check_untouched(const struct memory *mem)
{
	check_pages(mem);
	if (!mem->variant || !mem->variant->cold)
		verify(mem, SEED);
}

/* ---- Ways to take a reference ------------------------------------------ */

/*
 * Each returns 0, or a negative errno. -ENODEV, -ENOSYS and -EAFNOSUPPORT
 * mean that this system does not have it.
 */

static int open_ram_disk(void)
{
	/* O_EXCL: not if it is mounted. */
	int fd = open("/dev/ram0", O_RDWR | O_DIRECT | O_EXCL | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	igt_info("/dev/ram0: %s; it needs \"modprobe brd\"\n", strerror(errno));
	return -ENODEV;
}

static int full_length(ssize_t done, size_t len)
{
	if (done < 0)
		return -errno;
	return (size_t)done == len ? 0 : -EIO;
}

static int o_direct_write(void *addr, size_t len)
{
	int fd = open_ram_disk();
	int ret = fd;

	if (fd < 0)
		return ret;
	ret = full_length(pwrite(fd, addr, len, 0), len);
	close(fd);
	return ret;
}

static int o_direct_read(void *addr, size_t len)
{
	int fd = open_ram_disk();
	int ret = fd;

	if (fd < 0)
		return ret;
	ret = full_length(pread(fd, addr, len, 0), len);
	close(fd);
	return ret;
}

static int vmsplice_pages(void *addr, size_t len)
{
	struct iovec iov = { .iov_base = addr, .iov_len = PAGE };
	int pipes[2], ret;

	/* A pipe takes 16 pages; the last one will do, too. */
	igt_assert_eq(pipe(pipes), 0);
	ret = full_length(vmsplice(pipes[1], &iov, 1, 0), PAGE);
	iov.iov_base = (char *)addr + len - PAGE;
	if (!ret)
		ret = full_length(vmsplice(pipes[1], &iov, 1, 0), PAGE);
	close(pipes[0]);
	close(pipes[1]);
	return ret;
}

static int process_vm(void *addr, size_t len, bool write)
{
	struct iovec remote = { .iov_base = addr, .iov_len = len };
	struct iovec local = { .iov_base = calloc(1, len), .iov_len = len };
	int ret;

	igt_assert(local.iov_base);
	if (write)
		ret = full_length(process_vm_writev(getpid(), &local, 1,
						    &remote, 1, 0),
				  len);
	else
		ret = full_length(process_vm_readv(getpid(), &local, 1, &remote,
						   1, 0),
				  len);
	free(local.iov_base);
	return ret;
}

static int process_vm_read(void *addr, size_t len)
{
	return process_vm(addr, len, false);
}

static int process_vm_write(void *addr, size_t len)
{
	return process_vm(addr, len, true);
}

static int io_uring_buffers(void *addr, size_t len)
{
	struct iovec iov = { .iov_base = addr, .iov_len = len };
	struct io_uring_params params = {};
	int fd = syscall(SYS_io_uring_setup, 4, &params);
	int ret = 0;

	if (fd < 0)
		return errno == EPERM ? -ENOSYS : -errno;
	if (syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, &iov,
		    1))
		ret = -errno;
	close(fd);
	return ret;
}

/* A network of its own, of which nothing is left when its sockets are closed. */
static int own_loopback(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd, ret = 0;

	if (unshare(CLONE_NEWNET))
		return -ENOSYS;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr))
		ret = -errno;
	if (fd >= 0)
		close(fd);
	return ret;
}

static void tcp_pair(int fds[2])
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	igt_assert_fd(listener);
	igt_assert_eq(bind(listener, (void *)&addr, len), 0);
	igt_assert_eq(listen(listener, 1), 0);
	igt_assert_eq(getsockname(listener, (void *)&addr, &len), 0);
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	igt_assert_fd(fds[0]);
	igt_assert_eq(connect(fds[0], (void *)&addr, len), 0);
	fds[1] = accept(listener, NULL, NULL);
	igt_assert_fd(fds[1]);
	close(listener);
}

static int tcp_send(void *addr, size_t len, int flags)
{
	const int on = 1;
	int fds[2], ret;

	ret = own_loopback();
	if (ret)
		return ret;
	/* Small enough for the socket's buffer: nobody reads meanwhile. */
	if (len > 4 * PAGE)
		len = 4 * PAGE;
	tcp_pair(fds);
	igt_assert_eq(setsockopt(fds[0], SOL_SOCKET, SO_ZEROCOPY, &on,
				 sizeof(on)),
		      0);
	ret = full_length(send(fds[0], addr, len, flags), len);
	close(fds[0]);
	close(fds[1]);
	return ret;
}

static int msg_zerocopy(void *addr, size_t len)
{
	return tcp_send(addr, len, MSG_ZEROCOPY);
}

static int xdp_umem(void *addr, size_t len)
{
	struct xdp_umem_reg reg = {
		.addr = (uintptr_t)addr,
		.len = len,
		.chunk_size = PAGE,
	};
	int fd = socket(AF_XDP, SOCK_RAW, 0);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)))
		ret = -errno;
	close(fd);
	return ret;
}

static int futex_wake(void *addr, int op)
{
	return syscall(SYS_futex, addr, op, 1, NULL, NULL, 0) < 0 ? -errno : 0;
}

static int gup(void *addr, size_t len, enum gup_try_how how)
{
	struct gup_try try = {
		.address = (uintptr_t)addr,
		.pages = len / PAGE,
		.how = how,
	};
	int fd = open("/dev/gup_try", O_RDWR | O_CLOEXEC), ret;

	if (fd < 0)
		return -ENODEV;
	ret = ioctl(fd, GUP_TRY_TRY, &try) ? -errno : 0;
	close(fd);
	return ret;
}

static int gup_get(void *addr, size_t len)
{
	return gup(addr, len, GUP_TRY_GET);
}

static int gup_get_fast(void *addr, size_t len)
{
	return gup(addr, len, GUP_TRY_GET_FAST);
}

static int gup_pin(void *addr, size_t len)
{
	return gup(addr, len, GUP_TRY_PIN);
}

static int gup_pin_fast(void *addr, size_t len)
{
	return gup(addr, len, GUP_TRY_PIN_FAST);
}

static int shared_futex(void *addr, size_t len)
{
	int ret = futex_wake(addr, FUTEX_WAKE);

	return ret ?: futex_wake((char *)addr + len - PAGE, FUTEX_WAKE);
}

static int userfaultfd_register(void *addr, size_t len)
{
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)addr, .len = len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return errno == EPERM ? -ENOSYS : -errno;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		ret = -errno;
	close(fd);
	return ret;
}

static int move_one_page(void *addr)
{
	int node = 0, status = -EIO;

	if (syscall(SYS_move_pages, 0, 1, &addr, &node, &status,
		    MPOL_MF_MOVE_ALL) < 0)
		return -errno;
	return status < 0 ? status : 0;
}

static int move_pages_to_node(void *addr, size_t len)
{
	int ret = move_one_page(addr);

	return ret ?: move_one_page((char *)addr + len - PAGE);
}

static const struct way {
	const char *name;
	const char *description;
	int (*fn)(void *addr, size_t len);
	int refusal;
} ways[] = {
	{ "o-direct-write", "regression: O_DIRECT write() from a BO.",
	  o_direct_write, -EFAULT },
	{ "o-direct-read", "regression: O_DIRECT read() into a BO.",
	  o_direct_read, -EFAULT },
	{ "vmsplice", "regression: vmsplice() from a BO.", vmsplice_pages,
	  -EFAULT },
	{ "process-vm-readv", "regression: process_vm_readv() of a BO.",
	  process_vm_read, -EFAULT },
	{ "process-vm-writev", "regression: process_vm_writev() to a BO.",
	  process_vm_write, -EFAULT },
	{ "io-uring-buffers", "regression: io_uring registered buffers.",
	  io_uring_buffers, -EFAULT },
	{ "msg-zerocopy", "regression: send() with MSG_ZEROCOPY.", msg_zerocopy,
	  -EFAULT },
	{ "xdp-umem", "regression: packet memory of AF_XDP.", xdp_umem,
	  -EFAULT },
	{ "shared-futex", "regression: a shared futex in a BO.", shared_futex,
	  -EFAULT },
	{ "userfaultfd", "regression: userfaultfd on a BO.",
	  userfaultfd_register, -EINVAL },
	{ "gup-get", "regression: get_user_pages() of a BO.", gup_get,
	  -EFAULT },
	{ "gup-get-fast", "regression: get_user_pages_fast() of a BO.",
	  gup_get_fast, -EFAULT },
	{ "gup-pin", "regression: pin_user_pages(FOLL_LONGTERM) of a BO.",
	  gup_pin, -EFAULT },
	{ "gup-pin-fast", "regression: pin_user_pages_fast() of a BO.",
	  gup_pin_fast, -EFAULT },
	{ "move-pages", "regression: move_pages() of a BO.", move_pages_to_node,
	  -EFAULT },
};

/* The first page of the BO, which has a count on stock; a tail; everything. */
static const struct {
	size_t offset, len;
} ranges[] = {
	{ 0, PAGE },
	{ PAGE, PAGE },
	{ 7 * PAGE, 9 * PAGE },
	{ BO_SIZE - PAGE, PAGE },
	{ 0, BO_SIZE },
};

static bool is_missing(int ret)
{
	return ret == -ENODEV || ret == -ENOSYS || ret == -EAFNOSUPPORT;
}

/* It works on ordinary memory, in which it does take references. */
static void way_control(const struct way *way)
{
	struct memory mem;
	int ret;

	memory_init_anonymous(&mem, MAP_PRIVATE);
	for_each_entry(i, ranges)
	{
		ret = way->fn(mem.map + ranges[i].offset, ranges[i].len);
		igt_require_f(!is_missing(ret), "%s: %s\n", way->name,
			      strerror(-ret));
		igt_assert_f(!ret, "%s of ordinary memory: %s\n", way->name,
			     strerror(-ret));
	}
	memory_fini(&mem);
}

static void way_refused(const struct way *way, struct memory *mem)
{
	remember_pages(mem);
	for_each_entry(i, ranges)
	{
		int ret = way->fn(mem->map + ranges[i].offset, ranges[i].len);

		igt_assert_f(
			ret == way->refusal,
			"%s of %zu bytes at %#zx of a %s BO: %s, not: %s\n",
			way->name, ranges[i].len, ranges[i].offset,
			mem->variant->name, strerror(-ret),
			strerror(-way->refusal));
		check_pages(mem);
	}
	check_untouched(mem);
}

static void way_in_child(enum vttm_kind kind, const struct way *way)
{
	struct memory mem;

	for_each_entry(i, variants)
	{
		memory_init(&mem, kind, &variants[i]);
		way_refused(way, &mem);
		memory_fini(&mem);
	}
}

static void wait_for_child(enum vttm_kind kind)
{
	igt_waitchildren_timeout(TEST_SECONDS, "a test does not end");
	kvm_bo_assert_nothing_left(kind);
}

static void way_run(enum vttm_kind kind, const struct way *way)
{
	close(vttm_open(kind));
	way_control(way);
	igt_fork(child, 1) way_in_child(kind, way);
	wait_for_child(kind);
}

/* ---- That a reference would be seen ------------------------------------ */

/* Somebody has one, and has not any more. */
static void reference_is_seen(const struct memory *mem, uint32_t page)
{
	struct drm_vttm_page now[BO_PAGES];
	int fd = meddle_open();

	meddle(fd, mem->before[page].pfn, PAGE_MEDDLE_HOLD);
	igt_assert_eq(changed_page(mem, now), page);
	igt_assert_eq(now[page].count, mem->before[page].count + 1);
	close(fd);
	check_pages(mem);
}

static void references_in_child(enum vttm_kind kind)
{
	struct memory mem;

	for_each_entry(i, variants)
	{
		if (variants[i].cold)
			continue;
		memory_init(&mem, kind, &variants[i]);
		remember_pages(&mem);
		/* On stock the first one alone has a count. */
		reference_is_seen(&mem, 0);
		if (kind == VTTM_MODE && !(variants[i].flags & VTTM_BO_VRAM)) {
			reference_is_seen(&mem, 7);
			reference_is_seen(&mem, BO_PAGES - 1);
		}
		memory_fini(&mem);
	}
}

static void references_run(enum vttm_kind kind)
{
	close(meddle_open());
	close(vttm_open(kind));
	igt_fork(child, 1) references_in_child(kind);
	wait_for_child(kind);
}

/* One page of ordinary memory, which can be had, then one of a BO. */
static void part_in_child(enum vttm_kind kind, const struct way *way)
{
	struct kvm_bo bo;
	char *map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret;

	igt_assert(map != MAP_FAILED);
	kvm_bo_init(&bo, kind, PAGE, VTTM_BO_CACHED);
	igt_assert(mmap(map + PAGE, PAGE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED, bo.fd,
			vttm_mmap_offset(bo.fd, bo.handle)) == map + PAGE);
	memset(map, 1, 2 * PAGE);
	ret = way->fn(map, 2 * PAGE);
	igt_assert_f(ret == -EREMOTEIO, "%s: %s, not: %s\n", way->name,
		     strerror(-ret), strerror(EREMOTEIO));
	igt_assert_eq(munmap(map, 2 * PAGE), 0);
	kvm_bo_fini(&bo);
}

static void parts_run(enum vttm_kind kind)
{
	close(vttm_open(kind));
	igt_require_f(!access("/dev/gup_try", F_OK), "no /dev/gup_try\n");
	for_each_entry(i, ways)
	{
		if (strncmp(ways[i].name, "gup-", 4))
			continue;
		igt_fork(child, 1) part_in_child(kind, &ways[i]);
		wait_for_child(kind);
	}
}

/* ---- What the kernel says of a mapping --------------------------------- */

/* The VmFlags line of the VMA at @addr in /proc/self/smaps, with a blank end. */
static void vm_flags(const void *addr, char flags[256])
{
	unsigned long start, end;
	bool inside = false;
	char line[512];
	FILE *file = fopen("/proc/self/smaps", "re");

	igt_assert(file);
	flags[0] = '\0';
	while (!flags[0] && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = (uintptr_t)addr >= start &&
				 (uintptr_t)addr < end;
		else if (inside && !strncmp(line, "VmFlags:", 8))
			snprintf(flags, 256, "%.*s ",
				 (int)strcspn(line + 8, "\n"), line + 8);
	}
	fclose(file);
	igt_assert_f(flags[0], "no VmFlags for %p\n", addr);
}

static bool has_flag(const void *addr, const char *flag)
{
	char flags[256], word[8];

	vm_flags(addr, flags);
	snprintf(word, sizeof(word), " %s ", flag);
	return strstr(flags, word);
}

static void check_vm_flags(const void *addr)
{
	char flags[256];

	vm_flags(addr, flags);
	igt_assert_f(
		strstr(flags, " pf ") && strstr(flags, " io ") &&
			strstr(flags, " sh ") && !strstr(flags, " mm "),
		"VmFlags:%s: not a shared VM_PFNMAP | VM_IO without VM_MIXEDMAP\n",
		flags);
}

/* VmLck of this process, in KiB */
static long locked_kib(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long kib = -1;

	igt_assert(file);
	while (kib < 0 && fgets(line, sizeof(line), file))
		sscanf(line, "VmLck: %ld", &kib);
	fclose(file);
	igt_assert_lte(0, kib);
	return kib;
}

/* Runs @fn in a child that inherits @mem, and asserts that it ended well. */
static void in_child_process(struct memory *mem, void (*fn)(struct memory *))
{
	int status;
	pid_t pid = child_fork();

	if (!pid) {
		fn(mem);
		_exit(0);
	}
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_f(WIFEXITED(status) && !WEXITSTATUS(status),
		     "the child ended with status %#x\n", status);
}

/* ---- What is not refused, or not with one errno ------------------------ */

/* Of a BO (mem->variant is set), or of ordinary memory */

static int copy_through_pipe(char *from, char *to, size_t len)
{
	struct iovec iov = { .iov_base = to, .iov_len = len };
	int pipes[2], ret;

	igt_assert_eq(pipe(pipes), 0);
	ret = full_length(write(pipes[1], from, len), len);
	/* From a pipe to memory, vmsplice() copies. */
	if (!ret)
		ret = full_length(vmsplice(pipes[0], &iov, 1, 0), len);
	close(pipes[0]);
	close(pipes[1]);
	return ret;
}

static void copies(struct memory *mem)
{
	const size_t len = 8 * PAGE;
	int fd = memfd_create("copies", MFD_CLOEXEC);

	igt_assert_fd(fd);
	igt_assert_eq(full_length(write(fd, mem->map, BO_SIZE), BO_SIZE), 0);
	fill(mem, ~SEED);
	igt_assert_eq(full_length(pread(fd, mem->map, BO_SIZE, 0), BO_SIZE), 0);
	verify(mem, SEED);
	close(fd);

	igt_assert_eq(tcp_send(mem->map, BO_SIZE, 0), 0);
	igt_assert_eq(futex_wake(mem->map + PAGE,
				 FUTEX_WAKE | FUTEX_PRIVATE_FLAG),
		      0);
	memset(mem->map + 64 * PAGE, 0, len);
	igt_assert_eq(copy_through_pipe(mem->map, mem->map + 64 * PAGE, len),
		      0);
	igt_assert(!memcmp(mem->map, mem->map + 64 * PAGE, len));
	fill(mem, SEED);
}

static void child_checks_flags(struct memory *mem)
{
	check_vm_flags(mem->map);
	verify(mem, SEED);
	check_vm_flags(mem->map);
}

static void move_map(struct memory *mem)
{
	void *to = mmap(NULL, BO_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	char *old = mem->map;

	igt_assert(to != MAP_FAILED);
	mem->map = mremap(old, BO_SIZE, BO_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
			  to);
	igt_assert(mem->map == to && mem->map != old);
}

static void vma_flags(struct memory *mem)
{
	if (!mem->variant) {
		/* The check can fail. */
		igt_assert(!has_flag(mem->map, "pf"));
		igt_assert(has_flag(mem->map, "sh"));
		return;
	}
	check_vm_flags(mem->map);
	move_map(mem);
	check_vm_flags(mem->map);
	in_child_process(mem, child_checks_flags);

	igt_assert_eq(mprotect(mem->map + PAGE, PAGE, PROT_READ), 0);
	for (int i = 0; i < 3; i++)
		check_vm_flags(mem->map + i * PAGE);
	igt_assert_eq(mprotect(mem->map, BO_SIZE, PROT_READ | PROT_WRITE), 0);
	for (int i = 0; i < 3; i++)
		check_vm_flags(mem->map + i * PAGE);
}

static int try_private(int fd, off_t offset, int prot)
{
	void *map = mmap(NULL, BO_SIZE, prot, MAP_PRIVATE, fd, offset);

	if (map == MAP_FAILED)
		return -errno;
	igt_assert_eq(munmap(map, BO_SIZE), 0);
	return 0;
}

static void private_of(int fd, off_t offset, int expected)
{
	static const int prots[] = {
		PROT_NONE,
		PROT_READ,
		PROT_WRITE,
		PROT_READ | PROT_WRITE,
		PROT_READ | PROT_EXEC,
	};

	for_each_entry(i, prots)
	{
		int ret = try_private(fd, offset, prots[i]);

		igt_assert_f(ret == expected,
			     "MAP_PRIVATE with protection %#x: %s\n", prots[i],
			     strerror(-ret));
	}
}

static void map_private(struct memory *mem)
{
	int fd, expected = mem->variant ? -EINVAL : 0;

	if (!mem->variant) {
		fd = memfd_create("private", MFD_CLOEXEC);
		igt_assert_fd(fd);
		igt_assert_eq(ftruncate(fd, BO_SIZE), 0);
		private_of(fd, 0, expected);
		close(fd);
		return;
	}
	private_of(mem->bo.fd, vttm_mmap_offset(mem->bo.fd, mem->bo.handle),
		   expected);
	fd = vttm_export(mem->bo.fd, mem->bo.handle);
	private_of(fd, 0, expected);
	close(fd);
}

static void child_shares(struct memory *mem)
{
	verify(mem, SEED);
	check_pages(mem);
	fill(mem, ~SEED);
	check_pages(mem);
}

static void fork_shares(struct memory *mem)
{
	in_child_process(mem, child_shares);
	verify(mem, ~SEED);
	check_pages(mem);
	fill(mem, SEED);
}

static int try_mremap(struct memory *mem, size_t old_size, size_t new_size,
		      int flags)
{
	char *map =
		mremap(mem->map, old_size, new_size, MREMAP_MAYMOVE | flags);

	if (map == MAP_FAILED)
		return -errno;
	if (!old_size || flags & MREMAP_DONTUNMAP) {
		igt_assert_eq(munmap(map, new_size), 0);
	} else {
		mem->map = map;
		mem->size = new_size;
	}
	return 0;
}

static void mremap_all(struct memory *mem)
{
	const int grown = mem->variant ? -EFAULT : 0;

	move_map(mem);
	verify(mem, SEED);
	check_pages(mem);
	igt_assert_eq(try_mremap(mem, 0, BO_SIZE, 0), grown);
	igt_assert_eq(try_mremap(mem, BO_SIZE, BO_SIZE, MREMAP_DONTUNMAP),
		      mem->variant ? -EINVAL : 0);
	igt_assert_eq(try_mremap(mem, BO_SIZE, 2 * BO_SIZE, 0), grown);
	check_pages(mem);
	igt_assert_eq(try_mremap(mem, mem->size, BO_SIZE - PAGE, 0), 0);
	igt_assert_eq(try_mremap(mem, BO_SIZE - PAGE, BO_SIZE, 0), grown);
	check_pages(mem);
	if (!mem->variant)
		return;
	/* The whole BO again, for the checks that follow. */
	vttm_munmap(mem->map, BO_SIZE - PAGE);
	mem->map = vttm_mmap(mem->bo.fd, mem->bo.handle, BO_SIZE);
	mem->size = BO_SIZE;
}

/* Not in every libc's header */
#define ADV_PAGEOUT 21
#define ADV_POPULATE_READ 22
#define ADV_POPULATE_WRITE 23
#define ADV_DONTNEED_LOCKED 24
#define ADV_COLLAPSE 25
#define ADV_SOFT_OFFLINE 101

/* On ordinary memory it destroys contents, or a page of the machine. */
#define NO_CONTROL 1

/*
 * Refused with -EINVAL on a VM_PFNMAP mapping, but harmless ones, which only
 * set a flag. -EFAULT is GUP's word, -ENODEV that of vfs_fallocate().
 */
static const struct advice {
	const char *name;
	int advice;
	int bo;
	int anonymous;
} advices[] = {
	{ "NORMAL", MADV_NORMAL, 0, 0 },
	{ "RANDOM", MADV_RANDOM, 0, 0 },
	{ "SEQUENTIAL", MADV_SEQUENTIAL, 0, 0 },
	{ "WILLNEED", MADV_WILLNEED, 0, 0 },
	{ "DONTNEED", MADV_DONTNEED, -EINVAL, 0 },
	{ "FREE", MADV_FREE, -EINVAL, 0 },
	{ "REMOVE", MADV_REMOVE, -ENODEV, NO_CONTROL },
	{ "DONTFORK", MADV_DONTFORK, 0, 0 },
	{ "DOFORK", MADV_DOFORK, -EINVAL, 0 },
	{ "MERGEABLE", MADV_MERGEABLE, 0, 0 },
	{ "UNMERGEABLE", MADV_UNMERGEABLE, 0, 0 },
	{ "NOHUGEPAGE", MADV_NOHUGEPAGE, 0, 0 },
	{ "HUGEPAGE", MADV_HUGEPAGE, 0, 0 },
	{ "DONTDUMP", MADV_DONTDUMP, 0, 0 },
	{ "DODUMP", MADV_DODUMP, -EINVAL, 0 },
	{ "WIPEONFORK", MADV_WIPEONFORK, -EINVAL, 0 },
	{ "KEEPONFORK", MADV_KEEPONFORK, 0, 0 },
	{ "COLD", MADV_COLD, -EINVAL, 0 },
	{ "PAGEOUT", ADV_PAGEOUT, -EINVAL, 0 },
	{ "POPULATE_READ", ADV_POPULATE_READ, -EINVAL, 0 },
	{ "POPULATE_WRITE", ADV_POPULATE_WRITE, -EINVAL, 0 },
	{ "DONTNEED_LOCKED", ADV_DONTNEED_LOCKED, -EINVAL, 0 },
	{ "COLLAPSE", ADV_COLLAPSE, -EINVAL, NO_CONTROL },
	{ "HWPOISON", MADV_HWPOISON, -EFAULT, NO_CONTROL },
	{ "SOFT_OFFLINE", ADV_SOFT_OFFLINE, -EFAULT, NO_CONTROL },
};

/* The advice for the whole of a fresh mapping. */
static void try_advice(const struct memory *mem, const struct advice *advice)
{
	const int expected = mem->variant ? advice->bo : advice->anonymous;
	char *map;
	int ret;

	if (mem->variant)
		map = vttm_mmap(mem->bo.fd, mem->bo.handle, BO_SIZE);
	else
		map = mmap(NULL, BO_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(map != MAP_FAILED);
	memcpy(map, mem->map, BO_SIZE);

	ret = madvise(map, BO_SIZE, advice->advice) ? -errno : 0;
	igt_assert_f(ret == expected, "MADV_%s: %s, not: %s\n", advice->name,
		     strerror(-ret), strerror(-expected));
	if (advice->advice == MADV_MERGEABLE)
		igt_assert_eq(has_flag(map, "mg"), !mem->variant);
	if (mem->variant)
		igt_assert(!memcmp(map, mem->map, BO_SIZE));
	igt_assert_eq(munmap(map, BO_SIZE), 0);
}

static void madvise_all(struct memory *mem)
{
	for_each_entry(i, advices)
	{
		if (!mem->variant && advices[i].anonymous == NO_CONTROL)
			continue;
		try_advice(mem, &advices[i]);
		check_untouched(mem);
	}
}

/* A mapping that asks to be populated is not: its BO has no pages yet. */
static void map_populate(const struct memory *mem, int flags)
{
	struct drm_vttm_info info;
	uint32_t handle = vttm_create(mem->bo.fd, BO_SIZE, VTTM_BO_CACHED);
	char *map = __vttm_mmap(mem->bo.fd, handle, 0, BO_SIZE,
				PROT_READ | PROT_WRITE, MAP_SHARED | flags);

	igt_assert(map != MAP_FAILED);
	vttm_info(mem->bo.fd, handle, &info);
	igt_assert_eq(info.placement, VTTM_PL_NONE);
	vttm_munmap(map, BO_SIZE);
	vttm_close_bo(mem->bo.fd, handle);
}

static void mlock_all(struct memory *mem)
{
	const long before = locked_kib();
	const long more = mem->variant ? 0 : BO_SIZE / 1024;

	igt_assert_eq(mlock(mem->map, BO_SIZE), 0);
	igt_assert_eq(locked_kib() - before, more);
	igt_assert_eq(has_flag(mem->map, "lo"), !mem->variant);
	igt_assert_eq(munlock(mem->map, BO_SIZE), 0);
	igt_assert_eq(mlock2(mem->map, BO_SIZE, MLOCK_ONFAULT), 0);
	igt_assert_eq(locked_kib() - before, more);
	igt_assert_eq(munlock(mem->map, BO_SIZE), 0);
	check_untouched(mem);
	if (!mem->variant)
		return;

	map_populate(mem, MAP_POPULATE);
	map_populate(mem, MAP_LOCKED);
	igt_assert_eq(mlockall(MCL_CURRENT | MCL_FUTURE), 0);
	igt_assert(!has_flag(mem->map, "lo"));
	map_populate(mem, 0);
	igt_assert_eq(munlockall(), 0);
}

static void mbind_all(struct memory *mem)
{
	const unsigned long node_0 = 1;

	igt_assert_eq(syscall(SYS_mbind, mem->map, BO_SIZE, MPOL_BIND, &node_0,
			      sizeof(node_0) * 8,
			      MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL),
		      0);
}

/* ---- Debuggers --------------------------------------------------------- */

/* A stopped child that has inherited our mappings */
static pid_t stopped_child(void)
{
	int status;
	pid_t pid = child_fork();

	if (!pid) {
		if (!ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			raise(SIGSTOP);
		_exit(1);
	}
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_f(WIFSTOPPED(status), "PTRACE_TRACEME: %#x\n", status);
	return pid;
}

static void kill_child(pid_t pid)
{
	int status;

	igt_assert_eq(kill(pid, SIGKILL), 0);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
}

static int open_mem(pid_t pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	igt_assert_fd(fd);
	return fd;
}

/* One word, at the end of a page */
static void peek_and_poke(pid_t pid, long *word)
{
	const long old = *(volatile long *)word;
	long got;

	errno = 0;
	got = ptrace(PTRACE_PEEKDATA, pid, word, NULL);
	igt_assert_f(got == old && !errno, "PTRACE_PEEKDATA: %#lx, %s\n", got,
		     strerror(errno));
	igt_assert_f(!ptrace(PTRACE_POKEDATA, pid, word, ~old),
		     "PTRACE_POKEDATA: %s\n", strerror(errno));
	igt_assert(*(volatile long *)word == ~old);
	igt_assert(!ptrace(PTRACE_POKEDATA, pid, word, old));
}

/* Three pages' worth, unaligned */
static void through_proc_mem(pid_t pid, char *addr)
{
	const size_t len = 3 * PAGE;
	char *copy = malloc(len);
	int fd = open_mem(pid);

	igt_assert(copy);
	igt_assert_eq(full_length(pread(fd, copy, len, (off_t)(uintptr_t)addr),
				  len),
		      0);
	igt_assert(!memcmp(copy, addr, len));
	memset(addr, 0xa5, len);
	igt_assert_eq(full_length(pwrite(fd, copy, len, (off_t)(uintptr_t)addr),
				  len),
		      0);
	igt_assert(!memcmp(copy, addr, len));
	free(copy);
	close(fd);
}

static void ptrace_all(struct memory *mem)
{
	struct iovec remote = { .iov_base = mem->map, .iov_len = PAGE };
	char page[PAGE];
	struct iovec local = { .iov_base = page, .iov_len = PAGE };
	pid_t pid = stopped_child();

	peek_and_poke(pid, (long *)(mem->map + PAGE - sizeof(long)));
	peek_and_poke(pid, (long *)(mem->map + 9 * PAGE - sizeof(long)));
	through_proc_mem(pid, mem->map + PAGE / 2);
	through_proc_mem(pid, mem->map + BO_SIZE - 3 * PAGE);
	check_pages(mem);

	/* The same without a copy by the driver */
	igt_assert_eq(
		full_length(process_vm_readv(pid, &local, 1, &remote, 1, 0),
			    PAGE),
		mem->variant ? -EFAULT : 0);
	kill_child(pid);
}

/* By the books; the flag of a page is that of one policy alone. */
static void check_nothing_marked(int fd)
{
	struct vttm_counters counters;

	vttm_counters(fd, &counters);
	igt_assert_eq_u64(counters.sets_exposed, 0);
	igt_assert_eq_u64(counters.pages_marked, 0);
}

static void ptrace_cold(enum vttm_kind kind)
{
	const struct variant cold = { "cold", VTTM_BO_CACHED, true, false };
	struct drm_vttm_info info;
	struct memory mem;
	uint64_t words[2] = { 0x123456789abcdef0, 0 };
	pid_t pid;
	int fd;

	memory_init(&mem, kind, &cold);
	pid = stopped_child();
	fd = open_mem(pid);
	igt_assert_eq(
		pwrite(fd, &words[0], 8, (off_t)(uintptr_t)mem.map + PAGE), 8);
	igt_assert_eq(pread(fd, &words[1], 8, (off_t)(uintptr_t)mem.map + PAGE),
		      8);
	igt_assert_eq_u64(words[1], words[0]);
	vttm_info(mem.bo.fd, mem.bo.handle, &info);
	igt_assert_eq(info.placement, VTTM_PL_SYSTEM);
	igt_assert_eq_u64(info.reserved, 0);
	check_nothing_marked(mem.bo.fd);
	close(fd);
	kill_child(pid);

	/* The first access of our own marks it. */
	igt_assert_eq_u64(*(volatile uint64_t *)(mem.map + PAGE), words[0]);
	kvm_bo_check_counts(&mem.bo);
	memory_fini(&mem);
}

static const struct behaviour {
	const char *name;
	const char *description;
	void (*fn)(struct memory *mem);
	int anonymous; /* kind of ordinary memory to compare with */
} behaviours[] = {
	{ "copies", "regression: what copies works on a BO.", copies,
	  MAP_PRIVATE },
	{ "vma-flags", "regression: VM_PFNMAP | VM_IO, no VM_MIXEDMAP.",
	  vma_flags, MAP_SHARED },
	{ "map-private", "regression: no private mapping of a BO.", map_private,
	  MAP_PRIVATE },
	{ "fork", "regression: a child shares the BO.", fork_shares,
	  MAP_SHARED },
	{ "mremap", "regression: a mapping can move, not grow.", mremap_all,
	  MAP_SHARED },
	{ "madvise", "regression: what each advice answers.", madvise_all,
	  MAP_PRIVATE },
	{ "mlock", "regression: mlock() and the like do nothing.", mlock_all,
	  MAP_PRIVATE },
	{ "mbind", "regression: mbind() moves nothing.", mbind_all,
	  MAP_PRIVATE },
	{ "ptrace", "regression: debuggers read and write BOs.", ptrace_all,
	  MAP_SHARED },
};

static void behaviour_in_child(enum vttm_kind kind,
			       const struct behaviour *behaviour)
{
	struct memory mem;

	memory_init_anonymous(&mem, behaviour->anonymous);
	behaviour->fn(&mem);
	memory_fini(&mem);

	for_each_entry(i, variants)
	{
		/* A dma-buf's mapping is the same one; see way_in_child(). */
		if (variants[i].cold || variants[i].dmabuf)
			continue;
		memory_init(&mem, kind, &variants[i]);
		remember_pages(&mem);
		behaviour->fn(&mem);
		check_untouched(&mem);
		memory_fini(&mem);
	}
}

static void behaviour_run(enum vttm_kind kind,
			  const struct behaviour *behaviour)
{
	close(vttm_open(kind));
	igt_fork(child, 1) behaviour_in_child(kind, behaviour);
	wait_for_child(kind);
}

/* ---- The violation ----------------------------------------------------- */

static sigjmp_buf sigbus_jump;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(sigbus_jump, 1);
}

static bool is_sigbus(char *addr, bool write)
{
	const struct sigaction action = { .sa_handler = on_sigbus };
	struct sigaction old;
	volatile bool caught = true;

	igt_assert_eq(sigaction(SIGBUS, &action, &old), 0);
	if (!sigsetjmp(sigbus_jump, 1)) {
		if (write)
			*(volatile char *)addr = 1;
		else
			(void)*(volatile char *)addr;
		caught = false;
	}
	igt_assert_eq(sigaction(SIGBUS, &old, NULL), 0);
	return caught;
}

static void violate(struct kvm_bo *bo)
{
	struct drm_vttm_info info;
	char *map;

	igt_assert_eq(vttm_ctl(bo->fd, VTTM_CTL_BAD_VMA), 0);
	map = vttm_mmap(bo->fd, bo->handle, bo->size);
	igt_assert(has_flag(map, "mm"));

	/* Before and after the BO has pages. */
	igt_assert(is_sigbus(map, false));
	igt_assert(is_sigbus(map + PAGE, true));
	vttm_info(bo->fd, bo->handle, &info);
	igt_assert_eq_u64(info.reserved, 0);
	check_nothing_marked(bo->fd);
	igt_assert_eq(process_vm_read(map, PAGE), -EFAULT);

	check_vm_flags(bo->map);
	memset(bo->map, 0x5a, bo->size);
	kvm_bo_check_counts(bo);
	igt_assert(is_sigbus(map, false));
	igt_assert(is_sigbus(map + bo->size - 1, true));
	igt_assert_eq(process_vm_read(map, PAGE), -EFAULT);
	kvm_bo_check_counts(bo);
	igt_assert_eq(((volatile char *)bo->map)[bo->size - 1], 0x5a);
	vttm_munmap(map, bo->size);
}

static void violation_in_child(uint32_t flags)
{
	struct kvm_bo bo;

	kvm_bo_init(&bo, VTTM_MODE, BO_SIZE, flags);
	violate(&bo);
	kvm_bo_fini(&bo);
}

static void violation(void)
{
	close(vttm_open(VTTM_MODE));
	igt_fork(child, 1)
	{
		violation_in_child(VTTM_BO_CACHED);
		violation_in_child(VTTM_BO_WC);
	}
	wait_for_child(VTTM_MODE);
	modelog_assert_once("a mapping is not VM_PFNMAP");
}

static void violation_stock(void)
{
	int fd = vttm_open(VTTM_STOCK);

	igt_assert_eq(vttm_ctl(fd, VTTM_CTL_BAD_VMA), -EOPNOTSUPP);
	close(fd);
}

int igt_main()
{
	for (int kind = VTTM_STOCK; kind <= VTTM_MODE; kind++) {
		const char *name = vttm_kind_name(kind);

		for_each_entry(i, ways)
		{
			igt_describe(ways[i].description);
			igt_subtest_f("i7-%s-%s", ways[i].name, name)
				way_run(kind, &ways[i]);
		}
		for_each_entry(i, behaviours)
		{
			igt_describe(behaviours[i].description);
			igt_subtest_f("i7-%s-%s", behaviours[i].name, name)
				behaviour_run(kind, &behaviours[i]);
		}

		igt_describe(
			"regression: a debugger exposes and marks nothing.");
		igt_subtest_f("i7-ptrace-marks-nothing-%s", name)
		{
			close(vttm_open(kind));
			igt_fork(child, 1) ptrace_cold(kind);
			wait_for_child(kind);
		}

		igt_describe("control: one reference is noticed.");
		igt_subtest_f("control-i7-a-reference-is-seen-%s", name)
			references_run(kind);
		igt_describe("control: references to some pages are noticed.");
		igt_subtest_f("control-i7-a-part-is-seen-%s", name)
			parts_run(kind);
	}

	igt_describe("VM_MIXEDMAP is SIGBUS (twin: script violation.sh).");
	igt_subtest("i7-violation") violation();

	igt_describe("control: vttm does not try what would be a BUG().");
	igt_subtest("i7-violation-stock") violation_stock();
}
