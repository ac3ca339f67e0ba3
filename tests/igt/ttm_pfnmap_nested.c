// SPDX-License-Identifier: MIT
/**
 * TEST: ttm pfnmap nested
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: TTM
 * Functionality: TTM BOs as KVM guest memory, nested virtualisation on Intel
 * Description: A guest, L1, uses VMX itself: it places the virtual-APIC page of a
 *	guest of its own, L2, in a BO. KVM maps that page for as long as L2 runs,
 *	and tells the CPU its address; whenever L2 writes CR8, the CPU writes to
 *	it. Needs kvm_intel with nested=1; guest script intel.sh.
 */

/**
 * SUBTEST: %s-nested-entry
 * Description: L1 starts L2, which writes its CR8
 *
 * arg[1]:
 * @mode:	the opted-in device: the BO has what the CPU wrote
 * @stock:	the twin: L1's VMLAUNCH fails, since KVM refuses the page
 */

/**
 * SUBTEST: i4-nested-virtual-apic-%s
 * Description: The BO gives its pages up while L2 is active, then L2 writes CR8.
 *	Naive: the page is another's by then, or KVM drops a reference to it that
 *	nobody took
 *
 * arg[1]:
 * @swapout:	it is swapped out
 * @move:	it is moved to VRAM
 * @free:	it is freed
 */
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hazard.h"
#include "igt.h"
#include "kvm_bo.h"
#include "pageflags.h"

#define SEED 0x16180339
#define SIZE KVM_BO_MIB(1)
#define PAGES (SIZE / KVM_GUEST_PAGE)
#define APIC_PAGE 200

/* ---- The guest --------------------------------------------------------- */

/* In the guest's own memory, behind what kvm.c has there. */
#define LOW_PML4 0x3000
#define LOW_L1_STACK 0x7000
#define LOW_VMXON 0x10000
#define LOW_VMCS 0x11000
#define LOW_FIELDS 0x12000
#define LOW_STATE 0x13000
#define LOW_CODE 0x14000
#define LOW_L2_STACK 0x16000

/* L2 stops at the first two, L1 at the last. */
#define PORT_ACTIVE 0x80
#define PORT_WRITTEN 0x81
#define PORT_END 0x82

/* CR8 is the upper half of a byte in the virtual-APIC page. */
#define APIC_TPR 0x80
#define CR8_FIRST 5
#define CR8_SECOND 9

enum nested_end {
	NESTED_RUNNING,
	NESTED_ENTRY_FAILED, /* detail: the instruction error */
	NESTED_EXITED,	     /* detail: the exit reason */
};

#define EXIT_REASON_VMCALL 18
#define ERROR_INVALID_CONTROL 7

/* Shared with the guest; the assembly knows the offsets. */
struct nested_state {
	uint64_t vmxon;	 /* 0 */
	uint64_t vmcs;	 /* 8 */
	uint64_t detail; /* 16 */
	uint32_t end;	 /* 24: enum nested_end */
	uint32_t cr8;	 /* 28: as L2 reads it in the end */
};

/* rbx: the state, rsi: fields and their values, rcx: how many */
asm(".pushsection .rodata\n"
    ".code64\n"
    "nested_code:\n"
    "	vmxon	(%rbx)\n"
    "	jbe	2f\n"
    "	vmclear	8(%rbx)\n"
    "	jbe	2f\n"
    "	vmptrld	8(%rbx)\n"
    "	jbe	2f\n"
    "1:	mov	(%rsi), %rax\n"
    "	mov	8(%rsi), %rdx\n"
    "	vmwrite	%rdx, %rax\n"
    "	jbe	2f\n"
    "	add	$16, %rsi\n"
    "	dec	%rcx\n"
    "	jnz	1b\n"
    "	vmlaunch\n"
    "2:	mov	$0x4400, %eax\n"
    "	vmread	%rax, 16(%rbx)\n"
    "	movl	$1, 24(%rbx)\n"
    "3:	out	%al, $0x82\n"
    "	jmp	3b\n"
    "nested_code_l1_exit:\n"
    "	mov	$0x4402, %eax\n"
    "	vmread	%rax, 16(%rbx)\n"
    "	movl	$2, 24(%rbx)\n"
    "	jmp	3b\n"
    "nested_code_l2:\n"
    "	mov	$5, %eax\n"
    "	mov	%rax, %cr8\n"
    "	out	%al, $0x80\n"
    "	mov	$9, %eax\n"
    "	mov	%rax, %cr8\n"
    "	out	%al, $0x81\n"
    "	mov	%cr8, %rax\n"
    "	mov	%eax, 28(%rbx)\n"
    "	vmcall\n"
    "nested_code_end:\n"
    ".popsection\n");
extern const char nested_code[], nested_code_l1_exit[], nested_code_l2[],
	nested_code_end[];

#define CODE_AT(label) (LOW_CODE + (uint64_t)((label) - nested_code))

#define CR0 0x80000031u /* PE, ET, NE, PG */
#define CR4 0x2020u	/* PAE, VMXE */
#define SEL_CODE (1 << 3)
#define SEL_DATA (2 << 3)
#define SEL_TSS (3 << 3)

#define MSR_FEATURE_CONTROL 0x3a
#define FEATURE_CONTROL_VMX 5 /* locked, outside of SMX */
#define MSR_VMX_BASIC 0x480
#define MSR_VMX_PIN 0x48d
#define MSR_VMX_CPU 0x48e
#define MSR_VMX_EXIT 0x48f
#define MSR_VMX_ENTRY 0x490

struct field {
	uint64_t number, value;
};

static uint64_t get_msr(const struct kvm_guest *guest, uint32_t index)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry.index = index };

	igt_assert_eq(ioctl(guest->vcpu_fd, KVM_GET_MSRS, &msrs), 1);
	return msrs.entry.data;
}

static void set_msr(const struct kvm_guest *guest, uint32_t index,
		    uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1,
		   .entry = { .index = index, .data = value } };

	igt_assert_eq(ioctl(guest->vcpu_fd, KVM_SET_MSRS, &msrs), 1);
}

/* What has to be set, and what we want. */
static uint64_t controls(const struct kvm_guest *guest, uint32_t msr,
			 uint32_t wanted)
{
	const uint64_t limits = get_msr(guest, msr);

	igt_require_f(!(wanted & ~(limits >> 32)),
		      "KVM's VMX lacks controls %#x of MSR %#x\n", wanted, msr);
	return (uint32_t)limits | wanted;
}

/* L2's ES, CS, SS, DS, FS, GS: all of the memory. */
static unsigned int fill_segments(struct field *field)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < 6; i++) {
		const bool code = i == 1;

		field[n++] = (struct field){ 0x0800 + 2 * i,
					     code ? SEL_CODE : SEL_DATA };
		field[n++] = (struct field){ 0x4800 + 2 * i, ~0u };
		field[n++] = (struct field){ 0x4814 + 2 * i,
					     code ? 0xa09b : 0xc093 };
	}
	return n;
}

/* Numbers of the SDM, volume 3, appendix B. What is not here is 0. */
static unsigned int fill_vmcs(const struct kvm_guest *guest,
			      struct field *field)
{
	const struct field fields[] = {
		{ 0x2012, KVM_GUEST_GPA + APIC_PAGE * KVM_GUEST_PAGE },
		{ 0x2800, ~0ull }, /* link */
		{ 0x4000, controls(guest, MSR_VMX_PIN, 0) },
		{ 0x4002, controls(guest, MSR_VMX_CPU, 1u << 21) }, /* TPR */
		{ 0x400c, controls(guest, MSR_VMX_EXIT, 1u << 9) }, /* 64 bit */
		{ 0x4012, controls(guest, MSR_VMX_ENTRY, 1u << 9) },
		/* L2: LDTR (none), TR; the same page tables as L1 */
		{ 0x4820, 0x10000 },
		{ 0x080e, SEL_TSS },
		{ 0x480e, 0x67 },
		{ 0x4822, 0x8b },
		{ 0x6800, CR0 },
		{ 0x6802, LOW_PML4 },
		{ 0x6804, CR4 },
		{ 0x681a, 0x400 }, /* DR7 */
		{ 0x681c, LOW_L2_STACK },
		{ 0x681e, CODE_AT(nested_code_l2) },
		{ 0x6820, 2 }, /* RFLAGS */
		/* L1: ES, CS, SS, DS, TR */
		{ 0x0c00, SEL_DATA },
		{ 0x0c02, SEL_CODE },
		{ 0x0c04, SEL_DATA },
		{ 0x0c06, SEL_DATA },
		{ 0x0c0c, SEL_TSS },
		{ 0x6c00, CR0 },
		{ 0x6c02, LOW_PML4 },
		{ 0x6c04, CR4 },
		{ 0x6c14, LOW_L1_STACK },
		{ 0x6c16, CODE_AT(nested_code_l1_exit) },
	};

	memcpy(field, fields, sizeof(fields));
	return sizeof(fields) / sizeof(fields[0]) +
	       fill_segments(field + sizeof(fields) / sizeof(fields[0]));
}

static volatile struct nested_state *state_of(const struct kvm_guest *guest)
{
	return (struct nested_state *)((char *)guest->low + LOW_STATE);
}

/* A guest in long mode that begins to be a hypervisor when it runs. */
static struct kvm_guest *nested_create(const struct kvm_bo *bo)
{
	/* Without KVM's APIC, KVM emulates CR8 itself, L2's as well. */
	struct kvm_guest *guest = kvm_guest_create_irqchip(KVM_GUEST_LONG64);
	struct kvm_sregs sregs;
	struct kvm_regs regs = {
		.rip = LOW_CODE,
		.rsp = LOW_L1_STACK,
		.rflags = 2,
		.rbx = LOW_STATE,
		.rsi = LOW_FIELDS,
	};
	uint32_t revision;

	kvm_guest_map(guest, KVM_GUEST_GPA, bo->map, bo->size);
	set_msr(guest, MSR_FEATURE_CONTROL, FEATURE_CONTROL_VMX);
	igt_assert_eq(ioctl(guest->vcpu_fd, KVM_GET_SREGS, &sregs), 0);
	sregs.cr4 = CR4;
	igt_assert_eq(ioctl(guest->vcpu_fd, KVM_SET_SREGS, &sregs), 0);

	revision = get_msr(guest, MSR_VMX_BASIC) & 0x7fffffff;
	memcpy((char *)guest->low + LOW_VMXON, &revision, sizeof(revision));
	memcpy((char *)guest->low + LOW_VMCS, &revision, sizeof(revision));
	memcpy((char *)guest->low + LOW_CODE, nested_code,
	       nested_code_end - nested_code);
	*state_of(guest) = (struct nested_state){
		.vmxon = LOW_VMXON,
		.vmcs = LOW_VMCS,
	};
	regs.rcx = fill_vmcs(guest,
			     (struct field *)((char *)guest->low + LOW_FIELDS));
	igt_assert_eq(ioctl(guest->vcpu_fd, KVM_SET_REGS, &regs), 0);
	return guest;
}

/* Until the guest stops at @port. */
static void nested_run(struct kvm_guest *guest, uint16_t port)
{
	const struct kvm_run *run = guest->run;
	int ret;

	do {
		ret = ioctl(guest->vcpu_fd, KVM_RUN, 0) ? -errno : 0;
	} while (ret == -EINTR || ret == -EAGAIN);
	igt_assert_f(!ret, "KVM_RUN: %s\n", strerror(-ret));
	igt_assert_f(run->exit_reason == KVM_EXIT_IO && run->io.port == port,
		     "KVM_RUN: exit reason %u; the guest: %u, %llu\n",
		     run->exit_reason, state_of(guest)->end,
		     (unsigned long long)state_of(guest)->detail);
}

static void assert_end(const struct kvm_guest *guest, enum nested_end end,
		       uint64_t detail)
{
	igt_assert_eq_u32(state_of(guest)->end, end);
	igt_assert_eq_u64(state_of(guest)->detail, detail);
}

/* From its second stop to its end. */
static void nested_finish(struct kvm_guest *guest)
{
	nested_run(guest, PORT_WRITTEN);
	nested_run(guest, PORT_END);
	assert_end(guest, NESTED_EXITED, EXIT_REASON_VMCALL);
}

static unsigned int tpr_of(const struct kvm_bo *bo)
{
	return ((volatile uint8_t *)
			bo->map)[APIC_PAGE * KVM_GUEST_PAGE + APIC_TPR];
}

/* ---- Entry ------------------------------------------------------------- */

static void nested_entry(struct kvm_bo *bo, const void *arg)
{
	struct kvm_guest_job job = kvm_bo_job(bo, KVM_OP_WRITE, SEED);
	struct kvm_guest *guest = nested_create(bo);

	(void)arg;
	kvm_host_write(bo->map, &job);
	if (bo->kind == VTTM_STOCK) {
		igt_assert(kvm_bo_first_refused(bo, APIC_PAGE, 1) == APIC_PAGE);
		nested_run(guest, PORT_END);
		assert_end(guest, NESTED_ENTRY_FAILED, ERROR_INVALID_CONTROL);
		bo->refused = true;
	} else {
		nested_run(guest, PORT_ACTIVE);
		igt_assert_eq_u32(tpr_of(bo), CR8_FIRST << 4);
		nested_finish(guest);
		igt_assert_eq_u32(tpr_of(bo), CR8_SECOND << 4);
		igt_assert_eq_u32(state_of(guest)->cr8, CR8_SECOND);
		kvm_bo_check_counts(bo);
	}
	kvm_guest_destroy(guest);
}

/* ---- i4: the holder ---------------------------------------------------- */

enum give_up {
	GIVE_UP_SWAPOUT,
	GIVE_UP_MOVE,
	GIVE_UP_FREE,
};

/* Shared with the VMM's process. */
struct report {
	uint64_t pfn;
	unsigned int tpr; /* in the BO, after all */
	unsigned int cr8; /* as L2 read it */
	struct kernel_log log;
};

static struct report *report;
static enum hazard_policy policy;

static void give_up_pages(enum give_up how, struct kvm_bo *bo)
{
	switch (how) {
	case GIVE_UP_SWAPOUT:
		igt_assert_eq_u64(vttm_swapout(bo->fd, bo->handle), PAGES);
		break;
	case GIVE_UP_MOVE:
		vttm_move(bo->fd, bo->handle, VTTM_PL_VRAM);
		break;
	case GIVE_UP_FREE:
		kvm_bo_free(bo);
		break;
	}
}

static void holder_vmm(enum give_up how, int ready, int go)
{
	struct kvm_guest_job job;
	struct drm_vttm_page page;
	struct kvm_guest *guest;
	struct kvm_bo bo;

	kvm_bo_init(&bo, VTTM_MODE, SIZE, VTTM_BO_CACHED);
	job = kvm_bo_job(&bo, KVM_OP_WRITE, SEED);
	kvm_host_write(bo.map, &job);
	guest = nested_create(&bo);
	nested_run(guest, PORT_ACTIVE);
	igt_assert_eq_u32(tpr_of(&bo), CR8_FIRST << 4);
	vttm_page(bo.fd, bo.handle, APIC_PAGE, &page);
	report->pfn = page.pfn;

	give_up_pages(how, &bo);
	signal_byte(ready);
	if (!wait_byte(go))
		return;
	nested_finish(guest);
	report->cr8 = state_of(guest)->cr8;
	report->tpr = bo.map ? tpr_of(&bo) : 0;
	signal_byte(ready);
	kvm_guest_destroy(guest);
	kvm_bo_fini(&bo);
}

static void assert_holder_safe(enum give_up how,
			       const struct strangers_report *strangers)
{
	igt_assert(!strangers->has_page);
	igt_assert_eq_u64(strangers->bytes, 0);
	/* L2 sees what it wrote; the BO, which has other pages now, does not. */
	igt_assert_eq_u32(report->cr8, CR8_SECOND);
	if (how != GIVE_UP_FREE)
		igt_assert_eq_u32(report->tpr, CR8_FIRST << 4);
	kernel_log_assert_clean(&report->log);
}

static void assert_holder_unsafe(const struct strangers_report *strangers)
{
	igt_assert_f(strangers->bytes ||
			     (strangers->has_page && strangers->count < 1) ||
			     report->log.negative,
		     "naive survived, so this test proves nothing\n");
}

static void nested_holder(enum give_up how)
{
	struct strangers_report result;
	struct strangers strangers;
	int ready[2], go[2];

	memset(report, 0, sizeof(*report));
	kernel_log_start();
	make_pipe(ready);
	make_pipe(go);
	igt_fork(vmm, 1)
	{
		close(ready[0]);
		close(go[1]);
		holder_vmm(how, ready[1], go[0]);
	}
	close(ready[1]);
	close(go[0]);
	igt_assert_f(wait_byte(ready[0]), "the VMM failed, see above\n");
	strangers_start(&strangers, report->pfn);
	signal_byte(go[1]);
	igt_assert_f(wait_byte(ready[0]), "the VMM failed, see above\n");
	result = strangers_end(&strangers);
	close(ready[0]);
	close(go[1]);
	kvm_bo_assert_nothing_left(VTTM_MODE);
	kernel_log_read(&report->log);

	igt_info(
		"L2 wrote CR8 and read %u; the page was %s a stranger's (count %d), %lu bytes of strangers changed, %lu bad pages\n",
		report->cr8, result.has_page ? "by then" : "not", result.count,
		result.bytes, report->log.bad_pages);
	if (policy == HAZARD_NAIVE)
		assert_holder_unsafe(&result);
	else
		assert_holder_safe(how, &result);
}

static bool has_nested(void)
{
	FILE *file = fopen("/sys/module/kvm_intel/parameters/nested", "re");
	int c = file ? fgetc(file) : 'N';

	if (file)
		fclose(file);
	return c == 'Y' || c == '1';
}

int igt_main()
{
	static const char *const ways[] = {
		[GIVE_UP_SWAPOUT] = "swapout",
		[GIVE_UP_MOVE] = "move",
		[GIVE_UP_FREE] = "free",
	};
	static const struct kvm_bo_test entry = {
		.fn = nested_entry,
		.size = SIZE,
		.flags = VTTM_BO_CACHED,
	};

	igt_fixture()
	{
		igt_require_f(has_nested(), "no kvm_intel with nested\n");
		kvm_bo_require(VTTM_MODE);
		close(vttm_open(VTTM_STOCK));
		policy = hazard_policy();
		report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		igt_assert(report != MAP_FAILED);
	}

	for (int kind = VTTM_STOCK; kind <= VTTM_MODE; kind++) {
		igt_describe("A nested guest's virtual-APIC page is in a BO.");
		igt_subtest_f("%s-nested-entry", vttm_kind_name(kind))
			kvm_bo_run(kind, &entry);
	}

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		igt_describe(
			"L2 writes to a page given up (twin: policy naive).");
		igt_subtest_f("i4-nested-virtual-apic-%s", ways[i])
			nested_holder(i);
	}
}
