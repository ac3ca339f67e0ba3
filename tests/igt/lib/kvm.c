// SPDX-License-Identifier: MIT
/*
 * A KVM guest that touches memory: see kvm.h.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "igt.h"
#include "kvm.h"

/* The guest's own memory */
#define LOW_SIZE 0x20000
#define LOW_PARAMS 0x1000
#define LOW_PML4 0x3000
#define LOW_PDPT 0x4000
#define LOW_STACK 0x7000
#define LOW_PD 0x8000 /* 8 pages of 2 MiB entries: 8 GiB */
#define LOW_PD_COUNT 8

#define CR0_PE (1u << 0)
#define CR0_ET (1u << 4)
#define CR0_NE (1u << 5)
#define CR0_PG (1u << 31)
#define CR4_PAE (1u << 5)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)
#define PTE_RW 0x63 /* present, writable, accessed, dirty */
#define PTE_HUGE 0x80

/* Steps of a job, in this order */
#define STEP_VERIFY 1
#define STEP_INVERT 2
#define STEP_WRITE 4
#define STEP_VERIFY_2 8

/* Shared with the guest; the assembly knows the offsets. */
struct params {
	uint32_t steps;	    /* 0 */
	uint32_t end;	    /* 4: one more than the last page's number */
	uint64_t gpa;	    /* 8 */
	uint32_t stride;    /* 16 */
	uint32_t words;	    /* 20 */
	uint32_t seed;	    /* 24 */
	uint32_t page;	    /* 28: number of the current page */
	uint32_t mismatch;  /* 32 */
	uint32_t bad_word;  /* 36 */
	uint32_t bad_value; /* 40 */
	uint32_t halted;    /* 44 */
	uint32_t factor;    /* 48: the pattern's step from page to page */
	uint32_t increment; /* 52: and from word to word */
};

#define PAGE_FACTOR 0x9e3779b1u
#define WORD_INCREMENT 0x01000193u

/*
 * One text for the three modes; @P is the prefix of the registers that hold
 * an address. bx: parameters, bp: page number, di: page address, si: stride,
 * dx: the page's first word, ax: the current word, cx: its number.
 *
 * The page's number is stored after the last access to it, so after an -EFAULT
 * it says how many pages are done.
 */
#define GUEST_CODE(name, bits, P) \
	asm(".pushsection .rodata\n" \
	    ".code" #bits "\n" \
	    ".global kvm_guest_code_" #name "\n" \
	    ".global kvm_guest_code_" #name "_end\n" \
	    "kvm_guest_code_" #name ":\n" \
	    "	mov	$0x1000, %ebx\n" \
	    "	mov	8(%" #P "bx), %" #P "di\n" \
	    "	mov	16(%" #P "bx), %esi\n" \
	    "	mov	28(%" #P "bx), %ebp\n" \
	    "1:	cmp	4(%" #P "bx), %ebp\n" \
	    "	jae	9f\n" \
	    "	mov	48(%" #P "bx), %edx\n" \
	    "	imul	%ebp, %edx\n" \
	    "	xor	24(%" #P "bx), %edx\n" \
	    "	testl	$1, (%" #P "bx)\n" \
	    "	jz	2f\n" \
	    "	call	7f\n" \
	    "2:	testl	$2, (%" #P "bx)\n" \
	    "	jz	2f\n" \
	    "	not	%edx\n" \
	    "2:	testl	$4, (%" #P "bx)\n" \
	    "	jz	2f\n" \
	    "	call	5f\n" \
	    "2:	testl	$8, (%" #P "bx)\n" \
	    "	jz	2f\n" \
	    "	call	7f\n" \
	    "2:	inc	%ebp\n" \
	    "	mov	%ebp, 28(%" #P "bx)\n" \
	    "	add	%" #P "si, %" #P "di\n" \
	    "	jmp	1b\n" /* write */ \
	    "5:	xor	%ecx, %ecx\n" \
	    "	mov	%edx, %eax\n" \
	    "6:	mov	%eax, (%" #P "di, %" #P "cx, 4)\n" \
	    "	add	52(%" #P "bx), %eax\n" \
	    "	inc	%ecx\n" \
	    "	cmp	20(%" #P "bx), %ecx\n" \
	    "	jb	6b\n" \
	    "	ret\n" /* verify; each word is read once */ \
	    "7:	xor	%ecx, %ecx\n" \
	    "	mov	%edx, %eax\n" \
	    "8:	push	%" #P "dx\n" \
	    "	mov	(%" #P "di, %" #P "cx, 4), %edx\n" \
	    "	cmp	%eax, %edx\n" \
	    "	jne	3f\n" \
	    "	pop	%" #P "dx\n" \
	    "	add	52(%" #P "bx), %eax\n" \
	    "	inc	%ecx\n" \
	    "	cmp	20(%" #P "bx), %ecx\n" \
	    "	jb	8b\n" \
	    "	ret\n" \
	    "3:	mov	%edx, 40(%" #P "bx)\n" \
	    "	mov	%ecx, 36(%" #P "bx)\n" \
	    "	movl	$1, 32(%" #P "bx)\n" \
	    "9:	movl	$1, 44(%" #P "bx)\n" \
	    "	hlt\n" \
	    "	jmp	9b\n" \
	    "kvm_guest_code_" #name "_end:\n" \
	    ".code64\n" \
	    ".popsection\n"); \
	extern const char kvm_guest_code_##name[]; \
	extern const char kvm_guest_code_##name##_end[]

GUEST_CODE(real16, 16, e);
GUEST_CODE(flat32, 32, e);
GUEST_CODE(long64, 64, r);

uint32_t kvm_guest_word(uint32_t seed, uint32_t page, uint32_t word)
{
	return (seed ^ (page * PAGE_FACTOR)) + word * WORD_INCREMENT;
}

static struct params *guest_params(const struct kvm_guest *guest)
{
	return (struct params *)((char *)guest->low + LOW_PARAMS);
}

static const struct {
	const char *start, *end;
} code[] = {
	[KVM_GUEST_FLAT32] = { kvm_guest_code_flat32,
			       kvm_guest_code_flat32_end },
	[KVM_GUEST_REAL16] = { kvm_guest_code_real16,
			       kvm_guest_code_real16_end },
	[KVM_GUEST_LONG64] = { kvm_guest_code_long64,
			       kvm_guest_code_long64_end },
};

static void load_code(struct kvm_guest *guest)
{
	size_t size = code[guest->mode].end - code[guest->mode].start;

	igt_assert_lte_u64(size, LOW_PML4 - KVM_GUEST_CODE);
	memcpy((char *)guest->low + KVM_GUEST_CODE, code[guest->mode].start,
	       size);
}

static void load_page_tables(struct kvm_guest *guest)
{
	uint64_t *pml4 = (uint64_t *)((char *)guest->low + LOW_PML4);
	uint64_t *pdpt = (uint64_t *)((char *)guest->low + LOW_PDPT);
	uint64_t *pd = (uint64_t *)((char *)guest->low + LOW_PD);

	pml4[0] = LOW_PDPT | PTE_RW;
	for (uint64_t i = 0; i < LOW_PD_COUNT; i++)
		pdpt[i] = (LOW_PD + i * KVM_GUEST_PAGE) | PTE_RW;
	for (uint64_t i = 0; i < LOW_PD_COUNT * 512; i++)
		pd[i] = i << 21 | PTE_RW | PTE_HUGE;
}

static void set_cpuid(struct kvm_guest *guest)
{
	const unsigned int max = 256;
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + max * sizeof(cpuid->entries[0]));
	igt_assert(cpuid);
	cpuid->nent = max;
	igt_assert_eq(ioctl(guest->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid), 0);
	igt_assert_eq(ioctl(guest->vcpu_fd, KVM_SET_CPUID2, cpuid), 0);
	free(cpuid);
}

static void set_segments(struct kvm_sregs *sregs, enum kvm_guest_mode mode)
{
	struct kvm_segment seg = {
		.limit = 0xffffffff,
		.selector = 2 << 3,
		.type = 3, /* data, writable, accessed */
		.present = 1,
		.s = 1,
		.g = 1,
		.db = mode != KVM_GUEST_REAL16,
	};

	if (mode == KVM_GUEST_REAL16)
		seg.selector = 0;
	sregs->ds = seg;
	sregs->es = seg;
	sregs->fs = seg;
	sregs->gs = seg;
	sregs->ss = seg;

	if (mode == KVM_GUEST_REAL16) {
		seg.limit = 0xffff;
		seg.g = 0;
	} else {
		seg.selector = 1 << 3;
	}
	seg.type = 11; /* code, readable, accessed */
	seg.db = mode == KVM_GUEST_FLAT32;
	seg.l = mode == KVM_GUEST_LONG64;
	sregs->cs = seg;
}

static void set_sregs(struct kvm_guest *guest)
{
	struct kvm_sregs sregs;

	igt_assert_eq(ioctl(guest->vcpu_fd, KVM_GET_SREGS, &sregs), 0);
	set_segments(&sregs, guest->mode);
	/* CD and NW stay clear: the guest must use caches. */
	sregs.cr0 = CR0_ET | CR0_NE;
	if (guest->mode != KVM_GUEST_REAL16)
		sregs.cr0 |= CR0_PE;
	if (guest->mode == KVM_GUEST_LONG64) {
		sregs.cr0 |= CR0_PG;
		sregs.cr3 = LOW_PML4;
		sregs.cr4 = CR4_PAE;
		sregs.efer = EFER_LME | EFER_LMA;
	}
	igt_assert_eq(ioctl(guest->vcpu_fd, KVM_SET_SREGS, &sregs), 0);
}

static int rewind_guest(struct kvm_guest *guest)
{
	struct kvm_regs regs = {
		.rip = KVM_GUEST_CODE,
		.rsp = LOW_STACK,
		.rflags = 2,
	};

	return ioctl(guest->vcpu_fd, KVM_SET_REGS, &regs) ? -errno : 0;
}

bool kvm_available(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	bool ok = fd >= 0 && ioctl(fd, KVM_GET_API_VERSION, 0) == 12;

	if (fd >= 0)
		close(fd);
	return ok;
}

static void create_vcpu(struct kvm_guest *guest)
{
	int size = ioctl(guest->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	igt_assert_lt(0, size);
	guest->vcpu_fd = ioctl(guest->vm_fd, KVM_CREATE_VCPU, 0);
	igt_assert_fd(guest->vcpu_fd);
	guest->run_size = size;
	guest->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			  guest->vcpu_fd, 0);
	igt_assert(guest->run != MAP_FAILED);
	set_cpuid(guest);
	set_sregs(guest);
}

static struct kvm_guest *create(enum kvm_guest_mode mode, bool irqchip)
{
	struct kvm_guest *guest;

	igt_require_f(kvm_available(), "no usable /dev/kvm\n");
	guest = calloc(1, sizeof(*guest));
	igt_assert(guest);
	guest->mode = mode;
	guest->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	igt_assert_fd(guest->kvm_fd);
	guest->vm_fd = ioctl(guest->kvm_fd, KVM_CREATE_VM, 0);
	igt_assert_fd(guest->vm_fd);
	/* Needed by Intel, out of the way of all slots. */
	igt_assert_eq(ioctl(guest->vm_fd, KVM_SET_TSS_ADDR, 0xfffbd000ul), 0);
	if (irqchip)
		igt_assert_eq(ioctl(guest->vm_fd, KVM_CREATE_IRQCHIP, 0), 0);

	guest->low = mmap(NULL, LOW_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(guest->low != MAP_FAILED);
	load_code(guest);
	if (mode == KVM_GUEST_LONG64)
		load_page_tables(guest);
	kvm_guest_map(guest, 0, guest->low, LOW_SIZE);
	create_vcpu(guest);
	return guest;
}

struct kvm_guest *kvm_guest_create(enum kvm_guest_mode mode)
{
	return create(mode, false);
}

struct kvm_guest *kvm_guest_create_irqchip(enum kvm_guest_mode mode)
{
	return create(mode, true);
}

void kvm_guest_destroy(struct kvm_guest *guest)
{
	munmap(guest->run, guest->run_size);
	close(guest->vcpu_fd);
	close(guest->vm_fd);
	close(guest->kvm_fd);
	munmap(guest->low, LOW_SIZE);
	free(guest);
}

int kvm_guest_clock(struct kvm_guest *guest, uint64_t gpa)
{
	struct {
		struct kvm_msrs msrs;
		struct kvm_msr_entry entry;
	} request = {
		.msrs.nmsrs = 1,
		.entry = { .index = MSR_KVM_SYSTEM_TIME_NEW, .data = gpa | 1 },
	};

	if (ioctl(guest->vcpu_fd, KVM_SET_MSRS, &request) == 1)
		return 0;
	return errno ? -errno : -EINVAL;
}

static int set_slot(struct kvm_guest *guest, unsigned int slot, uint32_t flags,
		    uint64_t gpa, void *hva, uint64_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	if (ioctl(guest->vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
		return -errno;
	return 0;
}

int __kvm_guest_map(struct kvm_guest *guest, uint64_t gpa, void *hva,
		    uint64_t size, bool readonly)
{
	unsigned int slot = guest->slots;
	int ret = set_slot(guest, slot, readonly ? KVM_MEM_READONLY : 0, gpa,
			   hva, size);

	if (ret)
		return ret;
	guest->slots++;
	return slot;
}

int kvm_guest_map(struct kvm_guest *guest, uint64_t gpa, void *hva,
		  uint64_t size)
{
	int slot = __kvm_guest_map(guest, gpa, hva, size, false);

	igt_assert_f(slot >= 0, "memslot of %#llx bytes at %#llx: %s\n",
		     (unsigned long long)size, (unsigned long long)gpa,
		     strerror(-slot));
	return slot;
}

void kvm_guest_unmap(struct kvm_guest *guest, int slot)
{
	igt_assert_eq(set_slot(guest, slot, 0, 0, NULL, 0), 0);
}

static void set_params(struct params *params, const struct kvm_guest_job *job)
{
	static const uint32_t steps[] = {
		[KVM_OP_WRITE] = STEP_WRITE,
		[KVM_OP_READ] = STEP_VERIFY,
		[KVM_OP_WRITE_READ] = STEP_WRITE | STEP_VERIFY_2,
		[KVM_OP_READ_WRITE] = STEP_VERIFY | STEP_INVERT | STEP_WRITE,
	};

	*params = (struct params){
		.steps = steps[job->op],
		.end = job->first + job->pages,
		.gpa = job->gpa,
		.stride = job->stride ?: KVM_GUEST_PAGE,
		.words = job->words ?: 1,
		.seed = job->zero ? 0 : job->seed,
		.page = job->first,
		.factor = job->zero ? 0 : PAGE_FACTOR,
		.increment = job->zero ? 0 : WORD_INCREMENT,
	};
}

/* ---- Is it where it can be? -------------------------------------------- */

#define WATCH_SIGNAL SIGRTMIN

static void on_watch(int sig)
{
	(void)sig;
}

/* KVM_RUN is interrupted from now on, in this thread alone. */
static bool watch_begin(timer_t *timer)
{
	const struct sigaction action = { .sa_handler = on_watch };
	const struct itimerspec often = { { KVM_GUEST_WATCH, 0 },
					  { KVM_GUEST_WATCH, 0 } };
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = WATCH_SIGNAL,
	};

	event._sigev_un._tid = syscall(SYS_gettid);
	return !sigaction(WATCH_SIGNAL, &action, NULL) &&
	       !timer_create(CLOCK_MONOTONIC, &event, timer) &&
	       !timer_settime(*timer, 0, &often, NULL);
}

/* False, and @rip stays as it is, if KVM does not tell. */
static bool rip_of(const struct kvm_guest *guest, uint64_t *rip)
{
	struct kvm_regs regs;

	if (ioctl(guest->vcpu_fd, KVM_GET_REGS, &regs))
		return false;
	*rip = regs.rip;
	return true;
}

static bool is_lost(const struct kvm_guest *guest, uint64_t *at)
{
	const size_t size = code[guest->mode].end - code[guest->mode].start;
	uint64_t rip;

	/* Behind its last instruction, which is HLT, it is not. */
	if (!rip_of(guest, &rip) ||
	    (rip >= KVM_GUEST_CODE && rip <= KVM_GUEST_CODE + size))
		return false;
	*at = rip;
	return true;
}

/*
 * Has it left in a way that its code never does? With its host's state the CPU may look for
 * page tables where no memory is, and run whatever it takes for the host's code.
 */
static bool has_strayed(const struct kvm_guest *guest)
{
	switch (guest->run->exit_reason) {
	case KVM_EXIT_HLT:
		return !guest_params(guest)->halted;
	case KVM_EXIT_MMIO:
	case KVM_EXIT_INTERNAL_ERROR:
		return true;
	default:
		return false;
	}
}

/* ---- Running it -------------------------------------------------------- */

static unsigned long unmaps_so_far(const struct kvm_guest *guest)
{
	return guest->unmaps ? atomic_load(guest->unmaps) : 0;
}

/* Enters the guest until it leaves for another reason than a spurious fault. */
static int run_bounded(struct kvm_guest *guest, struct kvm_guest_result *result)
{
	const volatile uint32_t *page = &guest_params(guest)->page;
	unsigned long unmaps = unmaps_so_far(guest);
	unsigned int in_a_row = 0;
	uint32_t last = *page;

	for (;;) {
		int ret;

		/* KVM leaves it alone when it fails: no stale one, then. */
		guest->run->exit_reason = KVM_EXIT_UNKNOWN;
		ret = ioctl(guest->vcpu_fd, KVM_RUN, 0) ? -errno : 0;

		if ((ret == -EINTR || (!ret && has_strayed(guest))) &&
		    guest->watched && is_lost(guest, &result->detail))
			return -ENOTRECOVERABLE;
		if (ret == -EINTR || ret == -EAGAIN)
			continue;
		if (*page != last || unmaps_so_far(guest) != unmaps || !ret) {
			last = *page;
			unmaps = unmaps_so_far(guest);
			result->retries += in_a_row;
			in_a_row = 0;
		}
		if (ret != -EFAULT || in_a_row == KVM_GUEST_RETRIES)
			return ret;
		in_a_row++;
		sched_yield();
	}
}

static int run_watched(struct kvm_guest *guest, struct kvm_guest_result *result)
{
	timer_t timer;
	int ret;

	if (!guest->watched)
		return run_bounded(guest, result);
	if (!watch_begin(&timer))
		return -errno;
	ret = run_bounded(guest, result);
	timer_delete(timer);
	return ret;
}

static void read_exit(const struct kvm_guest *guest,
		      struct kvm_guest_result *result)
{
	const struct kvm_run *run = guest->run;

	result->exit_reason = run->exit_reason;
	switch (run->exit_reason) {
	case KVM_EXIT_INTERNAL_ERROR:
		result->suberror = run->internal.suberror;
		if (run->internal.ndata)
			result->detail = run->internal.data[0];
		break;
	case KVM_EXIT_FAIL_ENTRY:
		result->detail = run->fail_entry.hardware_entry_failure_reason;
		break;
	case KVM_EXIT_MMIO:
		result->detail = run->mmio.phys_addr;
		break;
	}
}

void kvm_guest_run(struct kvm_guest *guest, const struct kvm_guest_job *job,
		   struct kvm_guest_result *result)
{
	volatile struct params *params = guest_params(guest);

	memset(result, 0, sizeof(*result));
	set_params(guest_params(guest), job);
	result->err = rewind_guest(guest);
	if (!result->err)
		result->err = run_watched(guest, result);

	/* Of one that is lost it is known where it is. */
	if (result->err != -ENOTRECOVERABLE)
		read_exit(guest, result);
	result->done = params->page - job->first;
	result->mismatch = params->mismatch;
	result->bad_page = result->done;
	result->bad_word = params->bad_word;
	result->bad_value = params->bad_value;
	result->finished = !result->err && params->halted &&
			   result->exit_reason == KVM_EXIT_HLT;
	if (!result->err && !result->finished)
		rip_of(guest, &result->rip);
	guest->retries += result->retries;
	if (result->retries)
		igt_info("%u spurious -EFAULT of KVM_RUN, repeated\n",
			 result->retries);
}

struct kvm_guest_job kvm_guest_job_of(enum kvm_guest_op op, uint64_t size,
				      uint32_t seed)
{
	return (struct kvm_guest_job){
		.op = op,
		.gpa = KVM_GUEST_GPA,
		.pages = size / KVM_GUEST_PAGE,
		.words = 16,
		.seed = seed,
	};
}

const char *kvm_guest_result_str(const struct kvm_guest_result *result)
{
	static __thread char text[256];
	int len;

	len = snprintf(text, sizeof(text),
		       "KVM_RUN: %s, exit reason %u, %u repeats, %u pages done",
		       result->err ? strerror(-result->err) : "success",
		       result->exit_reason, result->retries, result->done);
	if (result->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		len += snprintf(text + len, sizeof(text) - len,
				", internal error %u", result->suberror);
	if (result->detail)
		len += snprintf(text + len, sizeof(text) - len,
				", detail %#llx",
				(unsigned long long)result->detail);
	if (result->rip)
		len += snprintf(text + len, sizeof(text) - len, ", at %#llx",
				(unsigned long long)result->rip);
	if (result->mismatch)
		snprintf(text + len, sizeof(text) - len,
			 ", guest read %#x in page %u word %u",
			 result->bad_value, result->bad_page, result->bad_word);
	return text;
}

void kvm_guest_run_ok(struct kvm_guest *guest, const struct kvm_guest_job *job)
{
	struct kvm_guest_result result;

	kvm_guest_run(guest, job, &result);
	igt_assert_f(result.finished && !result.mismatch &&
			     result.done == job->pages,
		     "%s of %u\n", kvm_guest_result_str(&result), job->pages);
	igt_assert_f(result.retries <= KVM_GUEST_RETRIES,
		     "%u times -EFAULT, which is too often to be KVM's own\n",
		     result.retries);
}

void kvm_guest_run_efault(struct kvm_guest *guest,
			  const struct kvm_guest_job *job, uint32_t done)
{
	struct kvm_guest_result result;

	kvm_guest_run(guest, job, &result);
	igt_assert_f(result.err == -EFAULT && result.done == done,
		     "expected -EFAULT at page %u, but: %s of %u\n", done,
		     kvm_guest_result_str(&result), job->pages);
}

static uint32_t job_word(const struct kvm_guest_job *job, uint32_t page,
			 uint32_t word)
{
	return job->zero ? 0 :
			   kvm_guest_word(job->seed, job->first + page, word);
}

void kvm_host_write(void *map, const struct kvm_guest_job *job)
{
	const size_t stride = job->stride ?: KVM_GUEST_PAGE;
	const uint32_t words = job->words ?: 1;

	for (uint32_t p = 0; p < job->pages; p++) {
		volatile uint32_t *w = (void *)((char *)map + p * stride);

		for (uint32_t i = 0; i < words; i++)
			w[i] = job_word(job, p, i);
	}
}

void kvm_host_verify(const void *map, const struct kvm_guest_job *job)
{
	const size_t stride = job->stride ?: KVM_GUEST_PAGE;
	const uint32_t words = job->words ?: 1;

	for (uint32_t p = 0; p < job->pages; p++) {
		const volatile uint32_t *w =
			(const void *)((const char *)map + p * stride);

		for (uint32_t i = 0; i < words; i++) {
			uint32_t got = w[i], want = job_word(job, p, i);

			igt_assert_f(
				got == want,
				"host read %#x, not %#x, in page %u word %u\n",
				got, want, p, i);
		}
	}
}
