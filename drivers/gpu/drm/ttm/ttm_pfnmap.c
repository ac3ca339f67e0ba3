// SPDX-License-Identifier: GPL-2.0-only
/*
 * TTM's PFNMAP mode: opting in, refusals, module parameters, VFIO's coming.
 */

/**
 * DOC: PFNMAP mode
 *
 * KVM up to Linux 6.12 guesses from struct page whether a PFN that it found in
 * a VM_PFNMAP mapping is refcounted, and refuses pages whose count is 0. TTM's
 * higher-order allocations consist of such pages, so a KVM guest cannot use
 * them as memory.
 *
 * A device that opts in has the pages of its BOs marked before user space can
 * see them, so that KVM maps them and leaves their count alone. Since KVM then
 * holds no reference either, TTM keeps a page that was exposed until nobody can
 * hold its PFN any more.
 *
 * .. code-block:: c
 *
 *	ret = ttm_device_init(&dev->ttm, &my_funcs, dev->dev, mapping,
 *			      vma_manager, false, false);
 *	if (ret)
 *		return ret;
 *	ret = ttm_pfnmap_enable(&dev->ttm);
 *	if (ret)
 *		dev_info(dev->dev, "no KVM guest can use our BOs: %d\n", ret);
 *
 * Nothing else changes for the driver, provided that its vm_ops use TTM's open
 * and have no pfn_mkwrite.
 */
#define pr_fmt(fmt) "[TTM pfnmap] " fmt

#include <linux/cc_platform.h>
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vfio.h>

#ifdef CONFIG_X86
#include <asm/cpufeature.h>
#include <asm/memtype.h>
#endif
#if IS_ENABLED(CONFIG_ACRN_HSM)
#include <asm/hypervisor.h>
#endif

#include <drm/drm_vma_manager.h>
#include <drm/ttm/ttm_device.h>

#include "ttm_pfnmap_internal.h"

DEFINE_STATIC_KEY_FALSE(ttm_pfnmap_used);

/* Entries are looked up under RCU. */
LIST_HEAD(ttm_pfnmap_devices);
/* Protects changes to the list, opting in, and whether VFIO may come. */
DEFINE_MUTEX(ttm_pfnmap_devices_lock);

const struct ttm_pfnmap_policy ttm_pfnmap_reserved = {
	.name = "reserved",
	.mark = ttm_pfnmap_reserved_mark,
	.unmark = ttm_pfnmap_reserved_unmark,
	.mm_drained = ttm_pfnmap_reserved_mm_drained,
	.patience = 50,
	.bounded = true,
};

const struct ttm_pfnmap_policy ttm_pfnmap_counted = {
	.name = "counted",
	.mark = ttm_pfnmap_counted_mark,
	.unmark = ttm_pfnmap_counted_unmark,
	.mm_drained = ttm_pfnmap_counted_mm_drained,
};

#if TTM_PFNMAP_NAIVE
const struct ttm_pfnmap_policy ttm_pfnmap_naive = {
	.name = "naive",
	.mark = ttm_pfnmap_naive_mark,
	.unmark = ttm_pfnmap_naive_unmark,
	.mm_drained = ttm_pfnmap_counted_mm_drained, /* asks nobody */
};
#endif

/* ---- Module parameters ------------------------------------------------- */

#define TTM_PFNMAP_NAMES_MAX 256
static char ttm_pfnmap_names[TTM_PFNMAP_NAMES_MAX];
static const struct kparam_string ttm_pfnmap_names_param = {
	.maxlen = sizeof(ttm_pfnmap_names),
	.string = ttm_pfnmap_names,
};

/**
 * ttm_pfnmap_names_check - is this a list of driver names?
 * @names: as given to ttm.pfnmap=; a trailing newline is allowed
 *
 * A name that no driver has cannot be told from that of a driver that is not
 * loaded yet, so names are only checked for their form.
 *
 * Context: Any.
 * Return: 0, -ENAMETOOLONG, or -EINVAL if a name is empty or has a character
 * that no driver's name has.
 */
int ttm_pfnmap_names_check(const char *names)
{
	bool empty = true;

	if (strlen(names) >= TTM_PFNMAP_NAMES_MAX)
		return -ENAMETOOLONG;
	for (; *names && strcmp(names, "\n"); names++) {
		if (*names == ',' && empty)
			return -EINVAL;
		if (*names != ',' && *names != '-' && *names != '_' &&
		    !(isascii(*names) && isalnum(*names)))
			return -EINVAL;
		empty = *names == ',';
	}
	return empty ? -EINVAL : 0;
}

/**
 * ttm_pfnmap_names_match - is a driver in the list?
 * @names: a list that ttm_pfnmap_names_check() accepted, or ""
 * @driver: name of the driver
 *
 * Context: Any.
 * Return: true if @names holds @driver or "all".
 */
bool ttm_pfnmap_names_match(const char *names, const char *driver)
{
	while (*names) {
		size_t len = strcspn(names, ",\n");

		if (len == strlen("all") && !strncmp(names, "all", len))
			return true;
		if (len == strlen(driver) && !strncmp(names, driver, len))
			return true;
		names += len;
		names += !!*names;
	}
	return false;
}

static int ttm_pfnmap_names_set(const char *val, const struct kernel_param *kp)
{
	int ret = val ? ttm_pfnmap_names_check(val) : -EINVAL;

	if (ret) {
		pr_err("pfnmap= takes driver names separated by commas, or \"all\", in less than %d characters\n",
		       TTM_PFNMAP_NAMES_MAX);
		return ret;
	}
	return param_set_copystring(val, kp);
}

static const struct kernel_param_ops ttm_pfnmap_names_ops = {
	.set = ttm_pfnmap_names_set,
	.get = param_get_string,
};
module_param_cb(pfnmap, &ttm_pfnmap_names_ops, .str = &ttm_pfnmap_names_param,
		0444);
MODULE_PARM_DESC(
	pfnmap,
	"Drivers whose BOs KVM guests shall be able to use, separated by commas, or \"all\" (default: none but those that ask themselves)");

enum ttm_pfnmap_choice {
	TTM_PFNMAP_AUTO, /* reserved where it is sound, else counted */
	TTM_PFNMAP_RESERVED,
	TTM_PFNMAP_COUNTED,
#if TTM_PFNMAP_NAIVE
	TTM_PFNMAP_NAIVELY,
#endif
};

static const char *const ttm_pfnmap_choices[] = {
	"auto",
	"reserved",
	"counted",
#if TTM_PFNMAP_NAIVE
	"naive",
#endif
};

static enum ttm_pfnmap_choice ttm_pfnmap_choice;

static int ttm_pfnmap_choice_set(const char *val, const struct kernel_param *kp)
{
	int choice = val ? sysfs_match_string(ttm_pfnmap_choices, val) :
			   -EINVAL;

	if (choice < 0) {
		pr_err("pfnmap_policy= takes auto, reserved or counted\n");
		return choice;
	}
	ttm_pfnmap_choice = choice;
	return 0;
}

static int ttm_pfnmap_choice_get(char *buf, const struct kernel_param *kp)
{
	return scnprintf(buf, PAGE_SIZE, "%s\n",
			 ttm_pfnmap_choices[ttm_pfnmap_choice]);
}

static const struct kernel_param_ops ttm_pfnmap_choice_ops = {
	.set = ttm_pfnmap_choice_set,
	.get = ttm_pfnmap_choice_get,
};
module_param_cb(pfnmap_policy, &ttm_pfnmap_choice_ops, NULL, 0444);
MODULE_PARM_DESC(
	pfnmap_policy,
	"How pages are marked: reserved, counted, or auto (default): reserved where it is sound, else counted");

static int ttm_pfnmap_active_set(const char *val, const struct kernel_param *kp)
{
	return -EPERM;
}

/* One line a device: its name and the policy, or "none" if none is needed. */
static int ttm_pfnmap_active_get(char *buf, const struct kernel_param *kp)
{
	struct ttm_pfnmap_dev *dev;
	int len = 0;

	buf[0] = '\0';
	mutex_lock(&ttm_pfnmap_devices_lock);
	list_for_each_entry(dev, &ttm_pfnmap_devices, link)
		if (dev->bdev && atomic_read(&dev->state) != TTM_PFNMAP_OFF)
			len += scnprintf(buf + len, PAGE_SIZE - len, "%s %s\n",
					 dev->name, ttm_pfnmap_dev_policy(dev));
	mutex_unlock(&ttm_pfnmap_devices_lock);
	return len;
}

static const struct kernel_param_ops ttm_pfnmap_active_ops = {
	.set = ttm_pfnmap_active_set,
	.get = ttm_pfnmap_active_get,
};
module_param_cb(pfnmap_active, &ttm_pfnmap_active_ops, NULL, 0444);
MODULE_PARM_DESC(
	pfnmap_active,
	"Read only: the devices that run the mode, and each one's policy");

/* ---- Devices ----------------------------------------------------------- */

/**
 * ttm_pfnmap_dev_find - the mode's entry for a device
 * @bdev: the device
 *
 * Context: Any. The entry stays for as long as the caller keeps @bdev.
 * Return: the entry, or NULL if @bdev is not an initialised ttm_device.
 */
struct ttm_pfnmap_dev *ttm_pfnmap_dev_find(const struct ttm_device *bdev)
{
	struct ttm_pfnmap_dev *dev, *found = NULL;

	/* Entries that outlive their device have none. */
	if (!bdev)
		return NULL;

	rcu_read_lock();
	list_for_each_entry_rcu(dev, &ttm_pfnmap_devices, link) {
		if (READ_ONCE(dev->bdev) == bdev) {
			found = dev;
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

/**
 * ttm_pfnmap_dev_marks - are a device's pages marked when they are exposed?
 * @dev: the mode's entry, or NULL
 *
 * Context: Any.
 * Return: true if so.
 */
bool ttm_pfnmap_dev_marks(const struct ttm_pfnmap_dev *dev)
{
	return dev && atomic_read_acquire(&dev->state) >= TTM_PFNMAP_IDLE;
}

/**
 * ttm_pfnmap_dev_activate - a first page is about to be marked
 * @dev: the mode's entry
 *
 * Context: Any.
 * Return: false if the device's mode was switched off in the meantime.
 */
bool ttm_pfnmap_dev_activate(struct ttm_pfnmap_dev *dev)
{
	return atomic_read(&dev->state) == TTM_PFNMAP_ACTIVE ||
	       atomic_cmpxchg(&dev->state, TTM_PFNMAP_IDLE,
			      TTM_PFNMAP_ACTIVE) != TTM_PFNMAP_OFF;
}

/**
 * ttm_pfnmap_dev_policy - what to tell people that a device does
 * @dev: the mode's entry
 *
 * Context: Any.
 * Return: a constant string.
 */
const char *ttm_pfnmap_dev_policy(const struct ttm_pfnmap_dev *dev)
{
	switch (atomic_read(&dev->state)) {
	case TTM_PFNMAP_OFF:
		return "off";
	case TTM_PFNMAP_UNNEEDED:
		return "none";
	default:
		return dev->policy->name;
	}
}

static void ttm_pfnmap_dev_release(struct kref *ref)
{
	struct ttm_pfnmap_dev *dev =
		container_of(ref, struct ttm_pfnmap_dev, ref);

	lockdep_assert_held(&ttm_pfnmap_devices_lock);
	list_del_rcu(&dev->link);
	mutex_unlock(&ttm_pfnmap_devices_lock);
	kfree_rcu(dev, rcu);
}

/**
 * ttm_pfnmap_dev_put - drop a reference to the mode's entry of a device
 * @dev: the entry
 *
 * Context: May sleep.
 */
void ttm_pfnmap_dev_put(struct ttm_pfnmap_dev *dev)
{
	kref_put_mutex(&dev->ref, ttm_pfnmap_dev_release,
		       &ttm_pfnmap_devices_lock);
}

static const char *ttm_pfnmap_driver_name(const struct ttm_device *bdev)
{
	struct device *dev = bdev->pool.dev;

	return dev && dev->driver ? dev->driver->name : "";
}

/**
 * __ttm_pfnmap_device_init - a ttm_device was initialised
 * @bdev: the device
 *
 * Opts it in if ttm.pfnmap= names its driver. A failure leaves the device as
 * it would be without the mode.
 *
 * Context: May sleep.
 */
void __ttm_pfnmap_device_init(struct ttm_device *bdev)
{
	struct device *parent = bdev->pool.dev;
	struct ttm_pfnmap_dev *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (!dev)
		return;
	kref_init(&dev->ref);
	dev->bdev = bdev;
	strscpy(dev->name, parent ? dev_name(parent) : "unnamed",
		sizeof(dev->name));
	mutex_lock(&ttm_pfnmap_devices_lock);
	list_add_tail_rcu(&dev->link, &ttm_pfnmap_devices);
	mutex_unlock(&ttm_pfnmap_devices_lock);

	if (!ttm_pfnmap_names[0])
		return;
	if (ttm_pfnmap_names_match(ttm_pfnmap_names,
				   ttm_pfnmap_driver_name(bdev)))
		dev->by_parameter = !ttm_pfnmap_enable(bdev);
	else
		pr_info("%s: driver \"%s\" is not in pfnmap=%s\n", dev->name,
			ttm_pfnmap_driver_name(bdev), ttm_pfnmap_names);
}

/**
 * __ttm_pfnmap_device_fini - a ttm_device goes away
 * @bdev: the device, without BOs
 *
 * What it has in quarantine stays there, under the entry that stays too.
 *
 * Context: May sleep.
 */
void __ttm_pfnmap_device_fini(struct ttm_device *bdev)
{
	struct ttm_pfnmap_dev *dev = ttm_pfnmap_dev_find(bdev);

	if (!dev)
		return;
	mutex_lock(&ttm_pfnmap_devices_lock);
	WRITE_ONCE(dev->bdev, NULL);
	mutex_unlock(&ttm_pfnmap_devices_lock);
	ttm_pfnmap_dev_put(dev);
}

/* ---- VFIO -------------------------------------------------------------- */

/*
 * VFIO type1 maps any reserved page for DMA without holding it and without an
 * MMU notifier, and forgets by itself when to stop (VFIO_DMA_MAP_FLAG_VADDR
 * hands its mm over). Reserved pages and VFIO must never meet: the policy is not
 * used while VFIO's core is there, and the core cannot be loaded while a page may
 * be reserved, nor, where the core was missed, type1. Pages that are counted VFIO
 * refuses, as it does those of stock TTM.
 */
static bool ttm_pfnmap_vfio_coming;

static bool ttm_pfnmap_vfio_present(void)
{
	lockdep_assert_held(&ttm_pfnmap_devices_lock);
	if (ttm_pfnmap_vfio_coming)
		return true;
	/* Exported by VFIO's core, without which no VFIO driver works. */
	if (!symbol_get(vfio_register_group_dev))
		return false;
	symbol_put(vfio_register_group_dev);
	return true;
}

#ifdef CONFIG_MODULES /* otherwise VFIO is there from the beginning, or never */
static bool ttm_pfnmap_reserved_in_use(void)
{
	struct ttm_pfnmap_dev *dev;

	lockdep_assert_held(&ttm_pfnmap_devices_lock);
	list_for_each_entry(dev, &ttm_pfnmap_devices, link)
		if (ttm_pfnmap_dev_marks(dev) &&
		    dev->policy == &ttm_pfnmap_reserved)
			return true;
	return false;
}

static int ttm_pfnmap_module_event(struct notifier_block *nb,
				   unsigned long event, void *data)
{
	struct module *mod = data;
	bool core = !strcmp(mod->name, "vfio");
	int ret = NOTIFY_DONE;

	/* What maps comes later: should the core have come just before this notifier. */
	if (!core && strcmp(mod->name, "vfio_iommu_type1"))
		return ret;

	mutex_lock(&ttm_pfnmap_devices_lock);
	if (event == MODULE_STATE_COMING && ttm_pfnmap_reserved_in_use()) {
		pr_err("%s is not loaded: it would map BO pages for DMA and never learn that they are gone. Load ttm with pfnmap_policy=counted to use it\n",
		       mod->name);
		ret = notifier_from_errno(-EBUSY);
	} else if (core) {
		ttm_pfnmap_vfio_coming = event != MODULE_STATE_GOING;
	}
	mutex_unlock(&ttm_pfnmap_devices_lock);
	return ret;
}

static struct notifier_block ttm_pfnmap_module_nb = {
	.notifier_call = ttm_pfnmap_module_event,
};
#else
static struct notifier_block ttm_pfnmap_module_nb; /* never called */
#endif

/* ---- Opting in --------------------------------------------------------- */

/*
 * Drivers of the kernel whose vm_ops ttm_pfnmap_dev_accepts() would find at the
 * first mapping. They are told when they ask, because a ttm_device knows nothing
 * of vm_ops.
 */
static const struct {
	const char *driver;
	const char *why;
} ttm_pfnmap_unfit[] = {
	{ "i915", "its vm_ops have an open of their own, so fork is not seen" },
	{ "vmwgfx", "its mappings have pfn_mkwrite, which KVM cannot handle" },
};

/* Why the device's driver cannot use the mode, or NULL. */
static const char *ttm_pfnmap_driver_unfit(const struct ttm_device *bdev)
{
	const char *driver = ttm_pfnmap_driver_name(bdev);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ttm_pfnmap_unfit); i++)
		if (!strcmp(driver, ttm_pfnmap_unfit[i].driver))
			return ttm_pfnmap_unfit[i].why;
	return NULL;
}

static bool ttm_pfnmap_memory_encrypted(void)
{
	return cc_platform_has(CC_ATTR_MEM_ENCRYPT);
}

/* Intra-host migration takes a mapped GHCB along (sev_migrate_from()). */
static bool ttm_pfnmap_sev_es(void)
{
#ifdef CONFIG_X86
	return boot_cpu_has(X86_FEATURE_SEV_ES);
#else
	return false;
#endif
}

/* acrn_vm_ram_map() maps a PFN for good, and takes no reference to a reserved one. */
static bool ttm_pfnmap_acrn(void)
{
#if IS_ENABLED(CONFIG_ACRN_HSM)
	return x86_hyper_type == X86_HYPER_ACRN;
#else
	return false;
#endif
}

static bool ttm_pfnmap_pat_enabled(void)
{
#ifdef CONFIG_X86
	return pat_enabled();
#else
	return false;
#endif
}

/* Why a device cannot opt in at all: an errno and the reason, or 0. */
static int ttm_pfnmap_refusal(struct ttm_device *bdev, const char **why)
{
	if (!IS_ENABLED(CONFIG_X86) || !IS_ENABLED(CONFIG_X86_64)) {
		*why = "the mode is for x86-64 alone";
		return -EOPNOTSUPP;
	}
	if (bdev->pool.use_dma_alloc) {
		*why = "its pages belong to the DMA API (use_dma_alloc)";
		return -EOPNOTSUPP;
	}
	*why = ttm_pfnmap_driver_unfit(bdev);
	if (*why)
		return -EOPNOTSUPP;
	if (!drm_mm_clean(&bdev->vma_manager->vm_addr_space_mm)) {
		*why = "it has BOs already; opt in right after ttm_device_init()";
		return -EBUSY;
	}
	return 0;
}

/* Why the policy "reserved" would not be sound here, or NULL. */
static const char *ttm_pfnmap_reserved_unsound(void)
{
	if (ttm_pfnmap_memory_encrypted())
		return "memory encryption is active; reserved pages would be mapped unencrypted";
	if (!ttm_pfnmap_pat_enabled())
		return "the kernel runs with nopat; reserved pages would be uncached";
	if (ttm_pfnmap_sev_es())
		return "SEV-ES guests can move to another process with pages they hold";
	if (ttm_pfnmap_acrn())
		return "ACRN's service VM; its guests would keep reserved pages for good";
	if (ttm_pfnmap_vfio_present())
		return "VFIO is loaded; it would map reserved pages for DMA";
	return NULL;
}

/* The policy for a device, or NULL and the reason why the forced one is not. */
static const struct ttm_pfnmap_policy *ttm_pfnmap_choose(const char **why)
{
#if TTM_PFNMAP_NAIVE
	if (ttm_pfnmap_choice == TTM_PFNMAP_NAIVELY)
		return &ttm_pfnmap_naive;
#endif
	if (ttm_pfnmap_choice == TTM_PFNMAP_COUNTED)
		return &ttm_pfnmap_counted;
	*why = ttm_pfnmap_reserved_unsound();
	if (!*why)
		return &ttm_pfnmap_reserved;
	return ttm_pfnmap_choice == TTM_PFNMAP_AUTO ? &ttm_pfnmap_counted :
						      NULL;
}

static int ttm_pfnmap_enable_locked(struct ttm_pfnmap_dev *dev)
{
	const struct ttm_pfnmap_policy *policy = NULL;
	const char *why = NULL;
	int ret = 0;

	lockdep_assert_held(&ttm_pfnmap_devices_lock);
	if (atomic_read(&dev->state) != TTM_PFNMAP_OFF) {
		why = "it has opted in before";
		ret = -EALREADY;
	} else if (TTM_PFNMAP_KVM_HEURISTIC) {
		ret = ttm_pfnmap_refusal(dev->bdev, &why);
	}
	if (!ret && !TTM_PFNMAP_KVM_HEURISTIC) {
		/* The mark would do harm where nobody needs it. */
		atomic_set(&dev->state, TTM_PFNMAP_UNNEEDED);
		pr_info("%s: opted in; this kernel's KVM needs no marks\n",
			dev->name);
		return 0;
	}
	if (!ret) {
		policy = ttm_pfnmap_choose(&why);
		ret = policy ? 0 : -EBUSY;
	}
	if (ret) {
		/* Once, though the administrator and the driver may both ask. */
		if (dev->refused != why)
			pr_warn("%s: not opted in: %s\n", dev->name, why);
		dev->refused = why;
		return ret;
	}

	dev->policy = policy;
	atomic_set_release(&dev->state, TTM_PFNMAP_IDLE);
	pr_info("%s: opted in, policy %s%s%s\n", dev->name, policy->name,
		why ? ": " : "", why ?: "");
	return 0;
}

/**
 * ttm_pfnmap_enable - opt a device in to the PFNMAP mode
 * @bdev: the device; ttm_device_init() was called and no BO exists yet
 *
 * From now on the pages of the device's BOs are marked before user space can
 * see them, so that KVM guests can use them as memory. There is no way back but
 * ttm_device_fini(), with one exception: if the first mapping shows that the
 * driver's vm_ops cannot be trusted, the mode ends, with a line in the kernel
 * log. A device that was refused works as if it had not asked.
 *
 * Context: May sleep. Not for use under a BO's reservation or mmap_lock.
 * Return: 0, also if ttm.pfnmap= has opted the device in and the driver asks for
 * the first time, or with one line in the kernel log that says why (not again for
 * the same reason):
 * -EINVAL for NULL, -ENODEV if @bdev was not initialised or there was no memory
 * for the mode then, -EALREADY if it opted in before, -EBUSY if it has BOs that
 * can be mapped or if ttm.pfnmap_policy= forces a policy that is not sound here,
 * -EOPNOTSUPP if the mode cannot be had with this machine or driver.
 */
int ttm_pfnmap_enable(struct ttm_device *bdev)
{
	struct ttm_pfnmap_dev *dev;
	int ret;

	if (!bdev) {
		pr_warn("not opted in: no device given\n");
		return -EINVAL;
	}

	mutex_lock(&ttm_pfnmap_devices_lock);
	dev = ttm_pfnmap_dev_find(bdev);
	if (dev && dev->by_parameter && ttm_pfnmap_enabled(bdev)) {
		/* The administrator was first; the driver asks only now. */
		dev->by_parameter = false;
		ret = 0;
	} else if (dev) {
		ret = ttm_pfnmap_enable_locked(dev);
	} else {
		pr_warn("not opted in: the device was not initialised, or there was no memory then\n");
		ret = -ENODEV;
	}
	mutex_unlock(&ttm_pfnmap_devices_lock);

	if (!ret && TTM_PFNMAP_KVM_HEURISTIC)
		static_branch_enable(&ttm_pfnmap_used);
	return ret;
}
EXPORT_SYMBOL_GPL(ttm_pfnmap_enable);

/**
 * ttm_pfnmap_enabled - does a device run the PFNMAP mode?
 * @bdev: the device
 *
 * Context: Any.
 * Return: true if @bdev opted in and was not refused, also if this kernel's KVM
 * needs no marks. It may become false at the device's first mapping, see
 * ttm_pfnmap_enable().
 */
bool ttm_pfnmap_enabled(const struct ttm_device *bdev)
{
	const struct ttm_pfnmap_dev *dev = ttm_pfnmap_dev_find(bdev);

	return dev && atomic_read(&dev->state) != TTM_PFNMAP_OFF;
}
EXPORT_SYMBOL_GPL(ttm_pfnmap_enabled);

/**
 * ttm_pfnmap_dev_accepts - can a device's mappings be trusted?
 * @dev: the mode's entry
 * @ops: a mapping's vm_ops, or NULL for TTM's own
 *
 * A driver whose vm_ops do not end in TTM's open would copy PTEs at fork
 * without telling (I3), and one that makes PTEs read-only first gives KVM
 * guests an error at the first write. Found before anything was marked, that
 * switches the device's mode off; later the mapping is refused.
 *
 * Context: Any.
 * Return: false if the mapping must be refused.
 */
bool ttm_pfnmap_dev_accepts(struct ttm_pfnmap_dev *dev,
			    const struct vm_operations_struct *ops)
{
	if (!ops || (ops->open == ttm_bo_vm_open && !ops->pfn_mkwrite &&
		     !ops->page_mkwrite))
		return true;

	switch (atomic_cmpxchg(&dev->state, TTM_PFNMAP_IDLE, TTM_PFNMAP_OFF)) {
	case TTM_PFNMAP_ACTIVE:
		pr_warn_ratelimited(
			"%s: a mapping whose vm_ops bypass TTM's, or have pfn_mkwrite, is refused\n",
			dev->name);
		return false;
	case TTM_PFNMAP_IDLE:
		pr_warn("%s: no longer opted in: its vm_ops bypass TTM's, or have pfn_mkwrite\n",
			dev->name);
		return true;
	default:
		return true;
	}
}

/**
 * __ttm_pfnmap_mmap - may this VMA be made?
 * @vma: with the driver's vm_ops, or none if it takes TTM's
 * @bo: the BO
 *
 * Context: mmap_lock held for writing; may sleep.
 * Return: true if it may be made.
 */
bool __ttm_pfnmap_mmap(struct vm_area_struct *vma, struct ttm_buffer_object *bo)
{
	struct ttm_pfnmap_dev *dev = ttm_pfnmap_dev_find(bo->bdev);

	return !ttm_pfnmap_dev_marks(dev) ||
	       ttm_pfnmap_dev_accepts(dev, vma->vm_ops);
}

static int __init ttm_pfnmap_module_init(void)
{
	int ret = ttm_pfnmap_lifetime_init();

	if (ret)
		return ret;
	ret = register_module_notifier(&ttm_pfnmap_module_nb);
	if (ret) {
		ttm_pfnmap_lifetime_fini();
		return ret;
	}
	ttm_pfnmap_debugfs_init();
	return 0;
}
module_init(ttm_pfnmap_module_init);

static void __exit ttm_pfnmap_module_exit(void)
{
	ttm_pfnmap_debugfs_fini();
	unregister_module_notifier(&ttm_pfnmap_module_nb);
	ttm_pfnmap_lifetime_fini();
}
module_exit(ttm_pfnmap_module_exit);
