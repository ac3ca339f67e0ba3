/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TTM's PFNMAP mode: the differences between kernels, in one place.
 *
 * Probed by what a header offers, not by version. ttm_pfnmap_config.h is made
 * by the build; it holds what the preprocessor cannot see, or sparse cannot.
 */
#ifndef _TTM_PFNMAP_COMPAT_H_
#define _TTM_PFNMAP_COMPAT_H_

#include <linux/mmzone.h>

#include "ttm_pfnmap_config.h"

/*
 * 1 in the build that the hazard tests use to show what is wrong with marking
 * alone. Never in a package.
 */
#ifndef TTM_PFNMAP_NAIVE
#define TTM_PFNMAP_NAIVE 0
#endif

/* TTM's BO header was split differently up to 6.2. */
#if TTM_PFNMAP_BO_DRIVER_H
#include <drm/ttm/ttm_bo_driver.h>
#else
#include <drm/ttm/ttm_bo.h>
#endif

#ifndef TTM_PFNMAP_KVM_HEURISTIC
#error "ttm_pfnmap_config.h does not say whether this kernel's KVM guesses"
#endif

/* The number of page orders had no name of its own before 6.8. */
#ifdef MAX_PAGE_ORDER
#define TTM_PFNMAP_ORDERS (MAX_PAGE_ORDER + 1)
#else
#define TTM_PFNMAP_ORDERS MAX_ORDER
#endif

/*
 * Kernels with this option may borrow an address space without counting it;
 * those that do not know it always count (kernel/sched/core.c).
 */
#if IS_ENABLED(CONFIG_MMU_LAZY_TLB_SHOOTDOWN)
#define TTM_PFNMAP_LAZY_TLB_COUNTED 0
#else
#define TTM_PFNMAP_LAZY_TLB_COUNTED 1
#endif

#endif
