/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TTM's opt-in PFNMAP mode: what a driver includes.
 *
 * See Documentation/gpu/ttm-pfnmap.rst for what it is and when to use it.
 */
#ifndef _TTM_PFNMAP_H_
#define _TTM_PFNMAP_H_

#include <linux/types.h>

struct ttm_device;

int ttm_pfnmap_enable(struct ttm_device *bdev);
bool ttm_pfnmap_enabled(const struct ttm_device *bdev);

#endif
