/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * /dev/page_meddle: do to a page what nobody may, for tests.
 *
 * One open file meddles with at most one page, and puts it right again when it is
 * closed.
 */
#ifndef PAGE_MEDDLE_H
#define PAGE_MEDDLE_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum page_meddle_how {
	PAGE_MEDDLE_HOLD,	/* take a reference */
	PAGE_MEDDLE_LOSE,	/* take its only one away; nothing is freed */
	PAGE_MEDDLE_FLIP,	/* clear PG_reserved, or set it */
	PAGE_MEDDLE_HOWS
};

/**
 * struct page_meddle - for writing
 * @pfn: which; -ENXIO if there is no such page
 * @how: enum page_meddle_how
 * @pad: 0
 */
struct page_meddle {
	__u64 pfn;
	__u32 how;
	__u32 pad;
};

/*
 * -EBUSY if the file meddles already, or if the page has no reference to begin with
 * (HOLD) or not just one (LOSE).
 */
#define PAGE_MEDDLE_MEDDLE _IOW('M', 0x70, struct page_meddle)

#endif
