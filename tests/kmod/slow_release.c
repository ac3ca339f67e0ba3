// SPDX-License-Identifier: GPL-2.0-only
/*
 * slow_release: make KVM slow at giving a page back.
 *
 * KVM decides twice whether a page has a reference count: when it takes the
 * page and when it releases it. The delay goes before the second decision, in
 * the window that an MMU notifier does not wait for.
 */
#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/processor.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>

/* A probe's handler runs with preemption off. */
#define SLOW_RELEASE_MAX_MS 50

static unsigned int ms;
static atomic_long_t hits, delayed;

static int ms_set(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, SLOW_RELEASE_MAX_MS);
}

static const struct kernel_param_ops ms_ops = {
	.set = ms_set,
	.get = param_get_uint,
};
module_param_cb(ms, &ms_ops, &ms, 0644);
MODULE_PARM_DESC(
	ms,
	"Milliseconds of busy waiting before each release, 0 to 50 (default 0: count only)");

static int counter_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%ld\n", atomic_long_read(kp->arg));
}

static const struct kernel_param_ops counter_ops = {
	.get = counter_get,
};
module_param_cb(hits, &counter_ops, &hits, 0444);
MODULE_PARM_DESC(hits, "Releases seen since the module was loaded");
module_param_cb(delayed, &counter_ops, &delayed, 0444);
MODULE_PARM_DESC(delayed, "Those of them that were delayed");

/* mdelay() can be many times too short on an emulated CPU, see its calibration. */
static void slow_release_wait(unsigned int delay)
{
	const u64 end = ktime_get_mono_fast_ns() + delay * NSEC_PER_MSEC;

	while (ktime_get_mono_fast_ns() < end)
		cpu_relax();
}

static int slow_release_handler(struct kprobe *probe, struct pt_regs *regs)
{
	unsigned int delay = READ_ONCE(ms);

	atomic_long_inc(&hits);
	if (delay) {
		atomic_long_inc(&delayed);
		slow_release_wait(delay);
	}
	return 0;
}

static struct kprobe slow_release_clean = {
	.symbol_name = "kvm_release_pfn_clean",
	.pre_handler = slow_release_handler,
};

static struct kprobe slow_release_dirty = {
	.symbol_name = "kvm_release_pfn_dirty",
	.pre_handler = slow_release_handler,
};

static struct kprobe *slow_release_probes[] = {
	&slow_release_clean,
	&slow_release_dirty,
};

static int __init slow_release_init(void)
{
	int ret = register_kprobes(slow_release_probes,
				   ARRAY_SIZE(slow_release_probes));

	if (ret)
		pr_err("kvm_release_pfn_clean() and _dirty() cannot be probed (%d): is kvm.ko loaded, and of a kernel that has them?\n",
		       ret);
	return ret;
}
module_init(slow_release_init);

static void __exit slow_release_exit(void)
{
	unregister_kprobes(slow_release_probes,
			   ARRAY_SIZE(slow_release_probes));
}
module_exit(slow_release_exit);

MODULE_SOFTDEP("pre: kvm");
MODULE_DESCRIPTION("Delay KVM's release of guest pages, for tests");
MODULE_LICENSE("GPL");
