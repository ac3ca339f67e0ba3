// SPDX-License-Identifier: GPL-2.0-only
/*
 * TTM's PFNMAP mode: debugfs.
 *
 * <debugfs>/ttm_pfnmap, beside TTM's own folder, because that one goes with the
 * last device and the quarantine may not.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "ttm_pfnmap_internal.h"

#define TTM_PFNMAP_COLUMNS 8

static const char *const ttm_pfnmap_columns[TTM_PFNMAP_COLUMNS] = {
	"sets_exposed",	 "chunks_marked", "pages_marked", "pages_quarantined",
	"pages_retired", "pages_leaked",  "pages_reused", "records",
};

static void ttm_pfnmap_counters(const struct ttm_pfnmap_dev *dev,
				long values[TTM_PFNMAP_COLUMNS])
{
	values[0] = atomic_long_read(&dev->sets_exposed);
	values[1] = atomic_long_read(&dev->chunks_marked);
	values[2] = atomic_long_read(&dev->pages_marked);
	values[3] = atomic_long_read(&dev->pages_quarantined);
	values[4] = atomic_long_read(&dev->pages_retired);
	values[5] = atomic_long_read(&dev->pages_leaked);
	values[6] = atomic_long_read(&dev->pages_reused);
	/* Each set of pages that the mode knows has one, exposed or not. */
	values[7] = kref_read(&dev->ref) - !!dev->bdev;
}

static void ttm_pfnmap_row(struct seq_file *m, const char *name,
			   const char *policy,
			   const long values[TTM_PFNMAP_COLUMNS])
{
	unsigned int i;

	seq_printf(m, "%s %s", name, policy);
	for (i = 0; i < TTM_PFNMAP_COLUMNS; i++)
		seq_printf(m, " %ld", values[i]);
	seq_puts(m, "\n");
}

/* One row a device, those gone with a quarantine left included, and a sum. */
static int ttm_pfnmap_show(struct seq_file *m, void *unused)
{
	long values[TTM_PFNMAP_COLUMNS], total[TTM_PFNMAP_COLUMNS] = {};
	struct ttm_pfnmap_dev *dev;
	unsigned int i;

	seq_puts(m, "device policy");
	for (i = 0; i < TTM_PFNMAP_COLUMNS; i++)
		seq_printf(m, " %s", ttm_pfnmap_columns[i]);
	seq_puts(m, "\n");

	mutex_lock(&ttm_pfnmap_devices_lock);
	list_for_each_entry(dev, &ttm_pfnmap_devices, link) {
		ttm_pfnmap_counters(dev, values);
		for (i = 0; i < TTM_PFNMAP_COLUMNS; i++)
			total[i] += values[i];
		ttm_pfnmap_row(m, dev->name,
			       dev->bdev ? ttm_pfnmap_dev_policy(dev) : "gone",
			       values);
	}
	mutex_unlock(&ttm_pfnmap_devices_lock);
	ttm_pfnmap_row(m, "total", "-", total);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(ttm_pfnmap);

/**
 * ttm_pfnmap_debugfs_init - make the debugfs file
 *
 * Context: Module init.
 */
void ttm_pfnmap_debugfs_init(void)
{
	debugfs_create_file("ttm_pfnmap", 0400, NULL, NULL, &ttm_pfnmap_fops);
}

/**
 * ttm_pfnmap_debugfs_fini - remove it
 *
 * Context: Module exit; waits for readers.
 */
void ttm_pfnmap_debugfs_fini(void)
{
	debugfs_lookup_and_remove("ttm_pfnmap", NULL);
}
