// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap reuse
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: TTM's PFNMAP mode, who gets pages that a VM may still hold
 * Description: A VMM frees a BO while its VM holds a page of it, and makes
 *	another. Needs kvm_hold.ko for the tests of stale writes.
 *
 * SUBTEST: i5-reused-at-once
 * Description: The next BO has the same pages, cleared; with reuse off (the
 *	twin) it has none of them
 *
 * SUBTEST: i5-larger-serves-smaller
 * Description: BOs of one page and of odd sizes get parts of a large chunk, and
 *	all of it can be freed afterwards
 *
 * SUBTEST: i5-kept-apart-by-caching
 * Description: A cached BO gets no page that is write-combined, and the next
 *	write-combined one gets them
 *
 * SUBTEST: i5-not-for-another-client
 * Description: Another process gets none of the pages, and then the client does
 *
 * SUBTEST: i5-outsider-gets-fresh-pages
 * Description: A BO with reused pages is mapped by another process: the contents
 *	are kept, the pages are not; what the VM still holds writes to the BO before
 *	(the twin), and not any more afterwards
 *
 * SUBTEST: i5-child-gets-fresh-pages
 * Description: The same for a child that inherits the mapping
 *
 * SUBTEST: i5-moved-bo-has-no-part
 * Description: A BO that comes back from VRAM gets none of the pages, whoever had
 *	it moved; a BO that is made does (the twin)
 *
 * SUBTEST: i5-first-touch-is-not-ownership
 * Description: The pages of a BO that another process touches first go to who
 *	made it (the twin), not to that process
 *
 * SUBTEST: i5-all-or-nothing-at-the-bound
 * Description: While there is no room for more reserved pages, a BO that needs
 *	more than is there gets none of it and is counted; one that does not gets
 *	all. With room (the twin) the first gets a part
 *
 * SUBTEST: i5-vmm-of-a-server-keeps-pages
 * Description: The other process had the first BO as well: it gets the same pages
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "igt.h"
#include "kvm_bo.h"
#include "kvm_hold.h"
#include "vmm.h"

#define DEFAULT_BOUND 256
#define BO_SIZE KVM_BO_MIB(1)
#define BO_PAGES (BO_SIZE / KVM_GUEST_PAGE)
#define HELD_PAGE 5u
#define SEED 11
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A process with a VM, whose first BO is in quarantine. */
struct client {
	int fd;
	struct kvm_guest *guest;
	int hold; /* has HELD_PAGE of the first BO, or -1 */
	uint64_t old[BO_PAGES];
};

struct bo {
	uint32_t handle;
	size_t size;
	uint32_t *map;
};

static const struct kvm_guest_job all_of_it = {
	.op = KVM_OP_WRITE,
	.gpa = KVM_GUEST_GPA,
	.pages = BO_PAGES,
	.words = KVM_GUEST_WORDS,
	.seed = SEED,
};

static void bo_make(struct client *client, struct bo *bo, size_t size,
		    uint32_t flags)
{
	bo->size = size;
	bo->handle = vttm_create(client->fd, size, flags);
	bo->map = vttm_mmap(client->fd, bo->handle, size);
}

static void bo_free(struct client *client, struct bo *bo)
{
	vttm_munmap(bo->map, bo->size);
	vttm_close_bo(client->fd, bo->handle);
}

static uint64_t bo_pfn(struct client *client, const struct bo *bo, uint32_t i)
{
	struct drm_vttm_page page;

	vttm_page(client->fd, bo->handle, i, &page);
	return page.pfn;
}

static bool is_old(const struct client *client, uint64_t pfn)
{
	for (uint32_t i = 0; i < BO_PAGES; i++)
		if (client->old[i] == pfn)
			return true;
	return false;
}

/* Touches every page; how many are of the first BO? */
static uint32_t bo_old_pages(struct client *client, const struct bo *bo)
{
	const uint32_t pages = bo->size / KVM_GUEST_PAGE;
	uint32_t old = 0;

	for (uint32_t i = 0; i < pages; i++) {
		igt_assert_eq(
			((volatile uint32_t *)bo->map)[i * KVM_GUEST_WORDS], 0);
		old += is_old(client, bo_pfn(client, bo, i));
	}
	return old;
}

static uint32_t old_pages_of_new(struct client *client, size_t size,
				 uint32_t flags)
{
	struct bo bo;
	uint32_t old;

	bo_make(client, &bo, size, flags);
	old = bo_old_pages(client, &bo);
	bo_free(client, &bo);
	return old;
}

static void client_init(struct client *client, uint32_t flags, bool hold)
{
	struct vttm_counters counters;
	struct bo bo;
	int slot;

	client->fd = vttm_open(VTTM_MODE);
	client->guest = kvm_guest_create(KVM_GUEST_FLAT32);
	bo_make(client, &bo, BO_SIZE, flags);
	slot = kvm_guest_map(client->guest, KVM_GUEST_GPA, bo.map, BO_SIZE);
	kvm_guest_run_ok(client->guest, &all_of_it);
	for (uint32_t i = 0; i < BO_PAGES; i++)
		client->old[i] = bo_pfn(client, &bo, i);
	client->hold = hold ? kvm_hold_page(client->guest, HELD_PAGE) : -1;
	kvm_guest_unmap(client->guest, slot);
	bo_free(client, &bo);
	vttm_counters(client->fd, &counters);
	igt_assert_eq_u64(counters.pages_quarantined, BO_PAGES);
}

static void client_fini(struct client *client)
{
	if (client->hold >= 0)
		close(client->hold);
	kvm_guest_destroy(client->guest);
	close(client->fd);
}

static void reused_at_once(void)
{
	struct client client;

	client_init(&client, VTTM_BO_CACHED, false);
	vttm_parameter_set("pfnmap_reuse", false);
	igt_assert_eq(old_pages_of_new(&client, BO_SIZE, VTTM_BO_CACHED), 0);
	vttm_parameter_set("pfnmap_reuse", true);
	igt_assert_eq(old_pages_of_new(&client, BO_SIZE, VTTM_BO_CACHED),
		      BO_PAGES);
	client_fini(&client);
}

static void all_or_nothing_at_the_bound(void)
{
	struct client client;
	struct vttm_counters counters;

	client_init(&client, VTTM_BO_CACHED, false);
	vttm_parameter_set("pfnmap_quarantine_mb", BO_SIZE >> 20);
	igt_assert_eq(old_pages_of_new(&client, 2 * BO_SIZE, VTTM_BO_CACHED),
		      0);
	vttm_counters(client.fd, &counters);
	igt_assert_eq_u64(counters.pages_quarantined, BO_PAGES);
	igt_assert_eq(old_pages_of_new(&client, BO_SIZE, VTTM_BO_CACHED),
		      BO_PAGES);
	vttm_parameter_set("pfnmap_quarantine_mb", DEFAULT_BOUND);
	igt_assert_eq(old_pages_of_new(&client, 2 * BO_SIZE, VTTM_BO_CACHED),
		      BO_PAGES);
	client_fini(&client);
}

static void larger_serves_smaller(void)
{
	static const size_t pages[] = { 1, 3, 1, 37, 2, 100 };
	struct bo bos[COUNT(pages)];
	struct client client;

	client_init(&client, VTTM_BO_CACHED, false);
	for (unsigned int i = 0; i < COUNT(pages); i++) {
		bo_make(&client, &bos[i], pages[i] * KVM_GUEST_PAGE,
			VTTM_BO_CACHED);
		igt_assert_eq(bo_old_pages(&client, &bos[i]), pages[i]);
	}
	for (unsigned int i = 0; i < COUNT(pages); i += 2)
		bo_free(&client, &bos[i]);
	/* 256 - 144 that were never taken, and 1 + 1 + 2 that came back */
	igt_assert_eq(old_pages_of_new(&client, BO_SIZE, VTTM_BO_CACHED),
		      256 - 144 + 4);
	for (unsigned int i = 1; i < COUNT(pages); i += 2)
		bo_free(&client, &bos[i]);
	client_fini(&client);
}

static void kept_apart_by_caching(void)
{
	struct client client;

	client_init(&client, VTTM_BO_WC, false);
	igt_assert_eq(old_pages_of_new(&client, BO_SIZE, VTTM_BO_CACHED), 0);
	igt_assert_eq(old_pages_of_new(&client, BO_SIZE, VTTM_BO_UC), 0);
	igt_assert_eq(old_pages_of_new(&client, BO_SIZE, VTTM_BO_WC), BO_PAGES);
	client_fini(&client);
}

/* igt_fork() is for the test itself; these children are of its child. */
static void in_child(void (*fn)(struct client *client, const struct bo *bo),
		     struct client *client, const struct bo *bo)
{
	pid_t pid = child_fork();
	int status;

	if (!pid) {
		fn(client, bo);
		_exit(0);
	}
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
}

/* Of the child, whose address space is another; @client is its copy. */
static void other_client(struct client *client, const struct bo *bo)
{
	(void)bo;
	client->fd = vttm_open(VTTM_MODE);
	igt_assert_eq(old_pages_of_new(client, BO_SIZE, VTTM_BO_CACHED), 0);
}

static void not_for_another_client(void)
{
	struct client client;

	client_init(&client, VTTM_BO_CACHED, false);
	in_child(other_client, &client, NULL);
	igt_assert_eq(old_pages_of_new(&client, BO_SIZE, VTTM_BO_CACHED),
		      BO_PAGES);
	client_fini(&client);
}

static void moved_bo_has_no_part(void)
{
	struct client client;
	struct bo bo;

	client_init(&client, VTTM_BO_CACHED, false);
	bo_make(&client, &bo, BO_SIZE, VTTM_BO_CACHED);
	vttm_move(client.fd, bo.handle, VTTM_PL_VRAM);
	vttm_move(client.fd, bo.handle, VTTM_PL_SYSTEM);
	igt_assert_eq(bo_old_pages(&client, &bo), 0);
	bo_free(&client, &bo);
	igt_assert_eq(old_pages_of_new(&client, BO_SIZE, VTTM_BO_CACHED),
		      BO_PAGES);
	client_fini(&client);
}

static void poke(const struct client *client)
{
	igt_assert_eq(ioctl(client->hold, KVM_HOLD_POKE, 0xaa), 0);
}

/* A BO of reused pages, into which what the VM holds still writes. */
static void bo_reuse(struct client *client, struct bo *bo)
{
	bo_make(client, bo, BO_SIZE, VTTM_BO_CACHED);
	igt_assert_eq(bo_old_pages(client, bo), BO_PAGES);
	poke(client);
	igt_assert(memchr(bo->map, 0xaa, bo->size));
	kvm_host_write(bo->map, &all_of_it);
}

/* Afterwards it does not, and the contents are what they were. */
static void bo_check_fresh(struct client *client, const struct bo *bo)
{
	kvm_host_verify(bo->map, &all_of_it);
	for (uint32_t i = 0; i < BO_PAGES; i++)
		igt_assert(!is_old(client, bo_pfn(client, bo, i)));
	poke(client);
	kvm_host_verify(bo->map, &all_of_it);
}

/* Maps what it is sent, verifies it, says so, and waits before the next. */
static void outsider(int sock)
{
	int dmabuf;

	while (vmm_receive(sock, &dmabuf)) {
		void *map = mmap(NULL, BO_SIZE, PROT_READ | PROT_WRITE,
				 MAP_SHARED, dmabuf, 0);
		int none;

		igt_assert(map != MAP_FAILED);
		kvm_host_verify(map, &all_of_it);
		vmm_send(sock, 'm', -1);
		igt_assert(vmm_receive(sock, &none));
		kvm_host_verify(map, &all_of_it);
		munmap(map, BO_SIZE);
		close(dmabuf);
		vmm_send(sock, 'd', -1);
	}
}

static void outsider_gets_fresh_pages(int sock)
{
	struct client client;
	struct bo bo;
	int dmabuf, none;

	client_init(&client, VTTM_BO_CACHED, true);
	bo_reuse(&client, &bo);
	dmabuf = vttm_export(client.fd, bo.handle);
	vmm_send(sock, 'b', dmabuf);
	igt_assert_eq(vmm_receive(sock, &none), 'm');
	bo_check_fresh(&client, &bo);
	vmm_send(sock, 'g', -1);
	igt_assert_eq(vmm_receive(sock, &none), 'd');
	close(dmabuf);
	bo_free(&client, &bo);
	client_fini(&client);
}

static void child_gets_fresh_pages(void)
{
	struct client client;
	struct bo bo;

	client_init(&client, VTTM_BO_CACHED, true);
	bo_reuse(&client, &bo);
	in_child(bo_check_fresh, &client, &bo);
	bo_check_fresh(&client, &bo);
	bo_free(&client, &bo);
	client_fini(&client);
}

/* The VM is the other process's; so it is admitted. */
static void server(int sock)
{
	struct client client = { .fd = vttm_open(VTTM_MODE), .hold = -1 };

	for (int round = 0; round < 2; round++) {
		struct bo bo;
		int dmabuf, none;

		bo_make(&client, &bo, BO_SIZE, VTTM_BO_CACHED);
		kvm_host_write(bo.map, &all_of_it);
		dmabuf = vttm_export(client.fd, bo.handle);
		vmm_send(sock, 'b', dmabuf);
		igt_assert_eq(vmm_receive(sock, &none), 'm');
		for (uint32_t i = 0; i < BO_PAGES; i++) {
			uint64_t pfn = bo_pfn(&client, &bo, i);

			igt_assert(!round || is_old(&client, pfn));
			client.old[i] = pfn;
		}
		vmm_send(sock, 'g', -1);
		igt_assert_eq(vmm_receive(sock, &none), 'd');
		close(dmabuf);
		bo_free(&client, &bo);
	}
	close(client.fd);
}

/* Shared between the two of first_touch(): the frames of the BO. */
static uint64_t *shared_old;

/* Another client, and the first to touch the BO. */
static void touches_first(int sock)
{
	struct client client = { .fd = vttm_open(VTTM_MODE) };
	volatile char *map;
	int dmabuf, none;

	igt_assert(vmm_receive(sock, &dmabuf));
	map = mmap(NULL, BO_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf,
		   0);
	igt_assert(map != MAP_FAILED);
	map[0] = 0;
	vttm_munmap((void *)map, BO_SIZE);
	close(dmabuf);
	vmm_send(sock, 't', -1);
	/* Now it is gone. */
	igt_assert_eq(vmm_receive(sock, &none), 'f');
	memcpy(client.old, shared_old, sizeof(client.old));
	igt_assert_eq(old_pages_of_new(&client, BO_SIZE, VTTM_BO_CACHED), 0);
	vmm_send(sock, 'd', -1);
	close(client.fd);
}

static void makes(int sock)
{
	struct client client = { .fd = vttm_open(VTTM_MODE) };
	struct kvm_guest *guest = kvm_guest_create(KVM_GUEST_FLAT32);
	struct bo bo;
	int dmabuf, none, slot;

	bo_make(&client, &bo, BO_SIZE, VTTM_BO_CACHED);
	dmabuf = vttm_export(client.fd, bo.handle);
	vmm_send(sock, 'b', dmabuf);
	close(dmabuf);
	igt_assert_eq(vmm_receive(sock, &none), 't');
	slot = kvm_guest_map(guest, KVM_GUEST_GPA, bo.map, BO_SIZE);
	kvm_guest_run_ok(guest, &all_of_it);
	kvm_guest_unmap(guest, slot);
	for (uint32_t i = 0; i < BO_PAGES; i++)
		client.old[i] = bo_pfn(&client, &bo, i);
	memcpy(shared_old, client.old, sizeof(client.old));
	bo_free(&client, &bo);
	vmm_send(sock, 'f', -1);
	igt_assert_eq(vmm_receive(sock, &none), 'd');
	igt_assert_eq(old_pages_of_new(&client, BO_SIZE, VTTM_BO_CACHED),
		      BO_PAGES);
	kvm_guest_destroy(guest);
	close(client.fd);
}

static void first_touch(void)
{
	const size_t size = BO_PAGES * sizeof(*shared_old);
	int sock[2];

	shared_old = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert(shared_old != MAP_FAILED);
	igt_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock), 0);
	igt_fork(child, 2)
	{
		close(sock[!child]);
		if (child)
			touches_first(sock[1]);
		else
			makes(sock[0]);
	}
	close(sock[0]);
	close(sock[1]);
	igt_waitchildren();
	vttm_wait_quarantine_empty(5);
	munmap(shared_old, size);
}

static void two_processes(void (*first)(int sock), bool vm)
{
	int sock[2];

	igt_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock), 0);
	igt_fork(child, 2)
	{
		close(sock[!child]);
		if (!child) {
			first(sock[0]);
		} else {
			struct kvm_guest *guest =
				vm ? kvm_guest_create(KVM_GUEST_FLAT32) : NULL;

			outsider(sock[1]);
			if (guest)
				kvm_guest_destroy(guest);
		}
	}
	close(sock[0]);
	close(sock[1]);
	igt_waitchildren();
	vttm_wait_quarantine_empty(5);
}

/* A VM stays with its address space, so each test has one of its own. */
static void one_process(void (*fn)(void))
{
	igt_fork(client, 1) fn();
	igt_waitchildren();
	vttm_wait_quarantine_empty(5);
}

int igt_main()
{
	igt_fixture()
	{
		int fd;

		kvm_bo_require(VTTM_MODE);
		fd = vttm_open(VTTM_MODE);
		igt_require_f(vttm_policy_is(fd, "reserved"),
			      "only reserved pages are kept\n");
		close(fd);
		vttm_parameter_set("pfnmap_reuse", true);
	}

	igt_describe(
		"The next BO of a client has the last one's pages (twin: within)");
	igt_subtest("i5-reused-at-once") one_process(reused_at_once);

	igt_describe(
		"Small BOs get parts of a chunk (twin: i5-reused-at-once)");
	igt_subtest("i5-larger-serves-smaller")
		one_process(larger_serves_smaller);

	igt_describe("Pages keep the caching that they have (twin: within)");
	igt_subtest("i5-kept-apart-by-caching")
		one_process(kept_apart_by_caching);

	igt_describe("Another process gets none of the pages (twin: within)");
	igt_subtest("i5-not-for-another-client")
		one_process(not_for_another_client);

	igt_describe(
		"Who maps reused pages for the first time gets others (twin: within)");
	igt_subtest("i5-outsider-gets-fresh-pages")
		two_processes(outsider_gets_fresh_pages, false);

	igt_describe(
		"So does a child by fork (twin: i5-outsider-gets-fresh-pages)");
	igt_subtest("i5-child-gets-fresh-pages")
		one_process(child_gets_fresh_pages);

	igt_describe("A BO back from VRAM gets none of them (twin: within)");
	igt_subtest("i5-moved-bo-has-no-part")
		one_process(moved_bo_has_no_part);

	igt_describe(
		"They go to who made the BO, not to the first to touch it (twin: within)");
	igt_subtest("i5-first-touch-is-not-ownership") first_touch();

	igt_describe(
		"At the bound a BO gets all from there, or none (twin: within)");
	igt_subtest("i5-all-or-nothing-at-the-bound")
		one_process(all_or_nothing_at_the_bound);

	igt_describe(
		"Who had them gets them again (twin: i5-outsider-gets-fresh-pages)");
	igt_subtest("i5-vmm-of-a-server-keeps-pages")
		two_processes(server, true);

	igt_fixture()
	{
		vttm_parameter_set("pfnmap_reuse", false);
		vttm_parameter_set("pfnmap_quarantine_mb", DEFAULT_BOUND);
	}
}
