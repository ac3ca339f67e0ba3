// SPDX-License-Identifier: GPL-2.0-only
/*
 * alloc_fails: make one allocation of ttm.ko's, virtio-gpu.ko's or DRM's fail, on a kernel
 * that was built without fault injection.
 *
 * A thread writes N to nth: of the allocations that it makes in one of these modules, or in
 * what they call, the N'th from then on fails. 0 ends that. Reading says how many are left
 * until then: 0 if it has failed. trace says where it was, from the inside out. within is
 * the name of a function: what is not called by that does not count, unless it is blank.
 *
 * What may not fail (__GFP_NOFAIL) does not count, nor do the pages that a slab needs,
 * which are not the same ones each time, and what a thread of the kernel's allocates. Nor
 * what the IOMMU needs to map a command for the host: stock virtio-gpu has no answer to
 * that but a WARN_ON() (virtio_gpu_queue_ctrl_sgs()), and forgets the command.
 */
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/stacktrace.h>
#include <linux/version.h>

#define ALLOC_FAILS_DEPTH 64

/*
 * One thread at a time, so none of these needs a lock. If it ends, its address may be
 * another one's: when it began is not.
 */
static struct task_struct *task; /* only compared */
static u64 task_began;
static unsigned int nth_left;
static bool failed;
static unsigned long entries[ALLOC_FAILS_DEPTH];
static unsigned int entry_count;

/* Where a call goes that is to fail. */
static noinline void *alloc_fails_null(void)
{
	return NULL;
}

static char within[64];

static int within_set(const char *val, const struct kernel_param *kp)
{
	char name[sizeof(within)];

	if (strscpy(name, val, sizeof(name)) < 0)
		return -ENOSPC;
	strscpy(within, strim(name), sizeof(within));
	return 0;
}

static int within_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", within);
}

static const struct kernel_param_ops within_ops = {
	.set = within_set,
	.get = within_get,
};
module_param_cb(within, &within_ops, NULL, 0644);
MODULE_PARM_DESC(within, "The function by which what counts is called");

static bool alloc_fails_begins(const char *symbol, const char *name)
{
	return !strncmp(symbol, name, strlen(name));
}

/* One of the modules is in the trace, and nothing that does not count. */
static bool alloc_fails_is_theirs(void)
{
	char symbol[KSYM_SYMBOL_LEN];
	bool theirs = false, there = !within[0];
	bool queues = false, maps = false;
	unsigned int i;

	entry_count = stack_trace_save(entries, ALLOC_FAILS_DEPTH, 0);
	for (i = 0; i < entry_count; i++) {
		sprint_symbol(symbol, entries[i]);
		if (alloc_fails_begins(symbol, "___slab_alloc+") ||
		    alloc_fails_begins(symbol, "new_slab+") ||
		    alloc_fails_begins(symbol, "allocate_slab+"))
			return false;
		theirs |= strstr(symbol, "[ttm]") || strstr(symbol, "[drm]") ||
			  strstr(symbol, "[virtio_gpu]");
		there |= within[0] && alloc_fails_begins(symbol, within);
		queues |= alloc_fails_begins(symbol, "virtqueue_add");
		maps |= alloc_fails_begins(symbol, "dma_map_");
	}
	return theirs && there && !(queues && maps);
}

/* A function that allocates, returns NULL without memory, and is told gfp_t how. */
struct alloc_fails_probe {
	struct kprobe probe;
	unsigned int gfp;
};

static int alloc_fails_pre(struct kprobe *probe, struct pt_regs *regs)
{
	const struct alloc_fails_probe *entry =
		container_of(probe, struct alloc_fails_probe, probe);

	if (READ_ONCE(task) != current || current->start_time != task_began ||
	    !in_task())
		return 0;
	if (regs_get_kernel_argument(regs, entry->gfp) &
	    (__force unsigned long)__GFP_NOFAIL)
		return 0;
	if (!alloc_fails_is_theirs() || --nth_left)
		return 0;
	failed = true;
	WRITE_ONCE(task, NULL);
	instruction_pointer_set(regs, (unsigned long)alloc_fails_null);
	return 1;
}

/* With this a probe may change where the call goes. */
static void alloc_fails_post(struct kprobe *probe, struct pt_regs *regs,
			     unsigned long flags)
{
}

#define ALLOC_FAILS(symbol, argument) \
	{                                                    \
		.probe = { .symbol_name = symbol,            \
			   .pre_handler = alloc_fails_pre,   \
			   .post_handler = alloc_fails_post, \
		},                                           \
		.gfp = argument,                             \
	}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define ALLOC_FAILS_NAME(name) name "_noprof"
#else
#define ALLOC_FAILS_NAME(name) name
#endif

/* With buckets of their own such functions are told which, before the gfp_t. */
#define ALLOC_FAILS_BUCKET (1 + IS_ENABLED(CONFIG_SLAB_BUCKETS))

/* What allocates inside of another one of these counts twice. */
static struct alloc_fails_probe alloc_fails_probes[] = {
	ALLOC_FAILS(ALLOC_FAILS_NAME("__alloc_pages"), 0),
	ALLOC_FAILS(ALLOC_FAILS_NAME("__kmalloc"), 1),
	ALLOC_FAILS(ALLOC_FAILS_NAME("__kmalloc_node"), ALLOC_FAILS_BUCKET),
	ALLOC_FAILS(ALLOC_FAILS_NAME("__kmalloc_node_track_caller"),
		    ALLOC_FAILS_BUCKET),
	ALLOC_FAILS(ALLOC_FAILS_NAME("kmem_cache_alloc"), 1),
	ALLOC_FAILS(ALLOC_FAILS_NAME("kmem_cache_alloc_lru"), 2),
	ALLOC_FAILS(ALLOC_FAILS_NAME("kmem_cache_alloc_node"), 1),
	ALLOC_FAILS(ALLOC_FAILS_NAME("__vmalloc_node_range"), 4),
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	ALLOC_FAILS("__kmalloc_cache_noprof", 1),
	ALLOC_FAILS("__kmalloc_cache_node_noprof", 1),
	ALLOC_FAILS("__kvmalloc_node_noprof", ALLOC_FAILS_BUCKET),
#else
	ALLOC_FAILS("kmalloc_trace", 1),
	ALLOC_FAILS("kmalloc_node_trace", 1),
	ALLOC_FAILS("kvmalloc_node", 1),
#endif
};

static int nth_set(const char *val, const struct kernel_param *kp)
{
	unsigned int n;
	int ret = kstrtouint(val, 0, &n);

	if (ret)
		return ret;
	WRITE_ONCE(task, NULL);
	if (n)
		failed = false;
	nth_left = n;
	task_began = current->start_time;
	if (n)
		WRITE_ONCE(task, current);
	return 0;
}

static int nth_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(task) ? nth_left : 0);
}

static const struct kernel_param_ops nth_ops = {
	.set = nth_set,
	.get = nth_get,
};
module_param_cb(nth, &nth_ops, NULL, 0644);
MODULE_PARM_DESC(nth, "Which allocation of the writer's fails (0: none)");

static int trace_get(char *buf, const struct kernel_param *kp)
{
	int len = 0;
	unsigned int i;

	for (i = 0; failed && i < entry_count; i++)
		len += sysfs_emit_at(buf, len, "%ps ", (void *)entries[i]);
	return len + sysfs_emit_at(buf, len, "\n");
}

static const struct kernel_param_ops trace_ops = {
	.get = trace_get,
};
module_param_cb(trace, &trace_ops, NULL, 0444);
MODULE_PARM_DESC(trace, "Where it failed");

static void alloc_fails_end(unsigned int count)
{
	while (count--)
		unregister_kprobe(&alloc_fails_probes[count].probe);
}

static int __init alloc_fails_init(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(alloc_fails_probes); i++) {
		ret = register_kprobe(&alloc_fails_probes[i].probe);
		if (ret) {
			pr_err("no probe of %s: %d\n",
			       alloc_fails_probes[i].probe.symbol_name, ret);
			alloc_fails_end(i);
			return ret;
		}
	}
	return 0;
}
module_init(alloc_fails_init);

static void __exit alloc_fails_exit(void)
{
	WRITE_ONCE(task, NULL);
	alloc_fails_end(ARRAY_SIZE(alloc_fails_probes));
}
module_exit(alloc_fails_exit);

MODULE_DESCRIPTION(
	"Makes an allocation of ttm.ko, virtio-gpu.ko or DRM fail, for tests");
MODULE_LICENSE("GPL");
