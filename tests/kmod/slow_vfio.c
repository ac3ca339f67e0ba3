// SPDX-License-Identifier: GPL-2.0-only
/*
 * slow_vfio: VFIO's core waits before it is initialized, so that ttm.ko can be loaded when
 * the others have been told that it is coming, and it is not there yet.
 */
#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/notifier.h>

/* Somebody who never says go_on is not to keep a load for ever. */
#define SLOW_VFIO_SECONDS 60

static bool waiting;
module_param(waiting, bool, 0444);
MODULE_PARM_DESC(waiting, "Whether vfio is about to be initialized");

static DECLARE_COMPLETION(slow_vfio_go_on);

static int go_on_set(const char *val, const struct kernel_param *kp)
{
	complete(&slow_vfio_go_on);
	return 0;
}

static const struct kernel_param_ops go_on_ops = {
	.set = go_on_set,
};
module_param_cb(go_on, &go_on_ops, NULL, 0200);
MODULE_PARM_DESC(go_on, "Written: vfio is initialized");

static int (*slow_vfio_real_init)(void);

static int slow_vfio_wait(void)
{
	WRITE_ONCE(waiting, true);
	wait_for_completion_timeout(&slow_vfio_go_on, SLOW_VFIO_SECONDS * HZ);
	WRITE_ONCE(waiting, false);
	return slow_vfio_real_init();
}

static int slow_vfio_event(struct notifier_block *nb, unsigned long event,
			   void *data)
{
	struct module *mod = data;

	if (event != MODULE_STATE_COMING || strcmp(mod->name, "vfio"))
		return NOTIFY_DONE;
	reinit_completion(&slow_vfio_go_on);
	slow_vfio_real_init = mod->init;
	mod->init = slow_vfio_wait;
	return NOTIFY_OK;
}

static struct notifier_block slow_vfio_nb = {
	.notifier_call = slow_vfio_event,
};

static int __init slow_vfio_init(void)
{
	return register_module_notifier(&slow_vfio_nb);
}
module_init(slow_vfio_init);

/* Not to be unloaded while it waits. */
static void __exit slow_vfio_exit(void)
{
	unregister_module_notifier(&slow_vfio_nb);
}
module_exit(slow_vfio_exit);

MODULE_DESCRIPTION("Delay the load of VFIO's core, for tests");
MODULE_LICENSE("GPL");
