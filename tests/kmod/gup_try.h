/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * /dev/gup_try: take references to pages of the caller and give them back, for tests.
 */
#ifndef GUP_TRY_H
#define GUP_TRY_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum gup_try_how {
	GUP_TRY_GET,		/* get_user_pages() */
	GUP_TRY_GET_FAST,	/* get_user_pages_fast() */
	GUP_TRY_PIN,		/* pin_user_pages(), for long */
	GUP_TRY_PIN_FAST,	/* pin_user_pages_fast() */
	GUP_TRY_HOWS
};

/**
 * struct gup_try - for writing
 * @address: of the first page
 * @pages: how many, at most GUP_TRY_PAGES
 * @how: enum gup_try_how
 */
struct gup_try {
	__u64 address;
	__u32 pages;
	__u32 how;
};

#define GUP_TRY_PAGES 4096

/*
 * 0 if each page could be had, -EREMOTEIO if some could, else what the call says, -EFAULT
 * if that is none without a word.
 */
#define GUP_TRY_TRY _IOW('G', 0x70, struct gup_try)

#endif
