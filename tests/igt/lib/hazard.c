// SPDX-License-Identifier: MIT
/*
 * What the hazard tests share: see hazard.h.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hazard.h"
#include "igt.h"
#include "vttm.h"

#define BO_SIZE ((size_t)1 << 20)
#define BO_PAGES (BO_SIZE / 4096)
#define STRANGERS_SECONDS 300

enum hazard_policy hazard_policy(void)
{
	struct vttm_counters counters;
	int fd = vttm_open(VTTM_MODE);

	vttm_counters(fd, &counters);
	close(fd);
	if (!strcmp(counters.policy, "naive"))
		return HAZARD_NAIVE;
	igt_require_f(!strcmp(counters.policy, "reserved") ||
			      !strcmp(counters.policy, "counted"),
		      "policy %s has no hazards\n", counters.policy);
	return strcmp(counters.policy, "reserved") ? HAZARD_COUNTED :
						     HAZARD_RESERVED;
}

/* ---- The kernel's log -------------------------------------------------- */

static int log_fd = -1;

void kernel_log_start(void)
{
	if (log_fd >= 0)
		close(log_fd);
	log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	igt_assert_f(log_fd >= 0, "/dev/kmsg: %s\n", strerror(errno));
	igt_assert_eq(lseek(log_fd, 0, SEEK_END), 0);
}

void kernel_log_read(struct kernel_log *log)
{
	char record[8192];
	ssize_t len;

	while ((len = read(log_fd, record, sizeof(record) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		record[len > 0 ? len : 0] = '\0';
		log->lost += len < 0;
		log->bad_pages += !!strstr(record, "Bad page state in");
		log->negative += !!strstr(record, "refcount:-");
		/* kvm_is_zone_device_page(), often inlined */
		log->kvm_warnings += strstr(record, "WARNING: ") &&
				     strstr(record, "virt/kvm/kvm_main.c:");
	}
	igt_assert_f(len < 0 && errno == EAGAIN, "/dev/kmsg: %s\n",
		     strerror(errno));
}

void kernel_log_assert_clean(const struct kernel_log *log)
{
	igt_assert_f(
		!log->bad_pages && !log->negative && !log->kvm_warnings &&
			!log->lost,
		"the kernel reported %lu bad pages, %lu negative counts, %lu warnings of KVM, and lost %lu lines\n",
		log->bad_pages, log->negative, log->kvm_warnings, log->lost);
}

/* ---- Pipes ------------------------------------------------------------- */

void make_pipe(int fds[2])
{
	igt_assert_eq(pipe2(fds, O_CLOEXEC), 0);
}

void signal_byte(int fd)
{
	igt_assert_eq(write(fd, "", 1), 1);
}

bool wait_byte(int fd)
{
	char byte;
	ssize_t len;

	do {
		len = read(fd, &byte, 1);
	} while (len < 0 && errno == EINTR);
	igt_assert_lte(0, len);
	return len;
}

/* ---- Strangers --------------------------------------------------------- */

struct belongings {
	int fd;
	unsigned long bos, max_bos, pipes, max_pipes;
	uint32_t *handles;
	char **maps;
	int (*pipe_fds)[2];
	unsigned long hit_bo, hit_page;
};

static unsigned long mem_total_mib(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long kib;

	igt_assert(file);
	igt_assert_eq(fscanf(file, "MemTotal: %lu", &kib), 1);
	fclose(file);
	return kib >> 10;
}

static void belongings_init(struct belongings *v)
{
	const unsigned long total = mem_total_mib();

	memset(v, 0, sizeof(*v));
	v->fd = __vttm_open(VTTM_STOCK);
	igt_assert_fd(v->fd);
	/* TTM swaps out above half of the memory. */
	v->max_bos = total * 3 / 8;
	v->max_pipes = total / 8;
	v->handles = calloc(v->max_bos, sizeof(*v->handles));
	v->maps = calloc(v->max_bos, sizeof(*v->maps));
	v->pipe_fds = calloc(v->max_pipes, sizeof(*v->pipe_fds));
	igt_assert(v->handles && v->maps && v->pipe_fds);
}

static bool bo_has_pfn(struct belongings *v, unsigned long bo, uint64_t pfn)
{
	struct drm_vttm_page page;

	for (unsigned long i = 0; i < BO_PAGES; i++) {
		vttm_page(v->fd, v->handles[bo], i, &page);
		if (page.pfn != pfn)
			continue;
		v->hit_bo = bo;
		v->hit_page = i;
		return true;
	}
	return false;
}

/* Until one of them has the page, or the memory is well filled. */
static bool fill_with_bos(struct belongings *v, uint64_t pfn)
{
	while (v->bos < v->max_bos) {
		const unsigned long bo = v->bos++;

		v->handles[bo] = vttm_create(v->fd, BO_SIZE, VTTM_BO_CACHED);
		v->maps[bo] = vttm_mmap(v->fd, v->handles[bo], BO_SIZE);
		memset(v->maps[bo], BYTE_STRANGER, BO_SIZE);
		if (bo_has_pfn(v, bo, pfn))
			return true;
	}
	return false;
}

static void fill_with_pipes(struct belongings *v)
{
	char *buf = malloc(BO_SIZE);

	igt_assert(buf);
	memset(buf, BYTE_STRANGER, BO_SIZE);
	while (v->pipes < v->max_pipes) {
		int *fds = v->pipe_fds[v->pipes];

		igt_assert_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
		igt_assert_eq(fcntl(fds[1], F_SETPIPE_SZ, BO_SIZE), BO_SIZE);
		igt_assert_eq(write(fds[1], buf, BO_SIZE), BO_SIZE);
		v->pipes++;
	}
	free(buf);
}

static unsigned long changed_bytes(const char *buf)
{
	unsigned long changed = 0;

	/* The same byte all over is equal to itself, shifted by one. */
	if (*buf == BYTE_STRANGER && !memcmp(buf, buf + 1, BO_SIZE - 1))
		return 0;
	for (size_t i = 0; i < BO_SIZE; i++)
		changed += buf[i] != BYTE_STRANGER;
	return changed;
}

static unsigned long belongings_changed(const struct belongings *v)
{
	char *buf = malloc(BO_SIZE);
	unsigned long changed = 0;

	igt_assert(buf);
	for (unsigned long i = 0; i < v->bos; i++)
		changed += changed_bytes(v->maps[i]);
	for (unsigned long i = 0; i < v->pipes; i++) {
		igt_assert_eq(read(v->pipe_fds[i][0], buf, BO_SIZE), BO_SIZE);
		changed += changed_bytes(buf);
	}
	free(buf);
	return changed;
}

static void strangers_main(struct strangers_report *report, uint64_t pfn,
			   int filled, int check)
{
	struct drm_vttm_page page;
	struct belongings v;

	belongings_init(&v);
	report->has_page = fill_with_bos(&v, pfn);
	if (!report->has_page)
		fill_with_pipes(&v);
	igt_info("%lu MiB in BOs and %lu MiB in pipes of another process\n",
		 v.bos, v.pipes);
	signal_byte(filled);
	wait_byte(check);
	report->bytes = belongings_changed(&v);
	if (report->has_page) {
		vttm_page(v.fd, v.handles[v.hit_bo], v.hit_page, &page);
		report->count = page.count;
	}
	/* The process's end gives all back. */
}

void strangers_start(struct strangers *s, uint64_t pfn)
{
	int filled[2], check[2];

	s->report = mmap(NULL, sizeof(*s->report), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert(s->report != MAP_FAILED);
	make_pipe(filled);
	make_pipe(check);
	igt_fork(strangers, 1)
	{
		close(filled[0]);
		close(check[1]);
		strangers_main(s->report, pfn, filled[1], check[0]);
	}
	close(filled[1]);
	close(check[0]);
	s->filled = filled[0];
	s->check = check[1];
	igt_assert_f(wait_byte(s->filled), "the strangers failed, see above\n");
}

struct strangers_report strangers_end(struct strangers *s)
{
	struct strangers_report report;

	signal_byte(s->check);
	igt_waitchildren_timeout(STRANGERS_SECONDS, "somebody does not end");
	report = *s->report;
	munmap(s->report, sizeof(*s->report));
	close(s->filled);
	close(s->check);
	igt_info(
		"strangers: %lu bytes of theirs changed; the page is %s%s (count %d)\n",
		report.bytes, report.has_page ? "" : "not ", "theirs",
		report.count);
	return report;
}
