/* SPDX-License-Identifier: MIT */
/*
 * Parameters of loaded modules: settings of ours, and counters of the tests' modules.
 */
#ifndef TTM_PFNMAP_PARAM_H
#define TTM_PFNMAP_PARAM_H

#include <stdbool.h>

/* Does the kernel have this parameter, and may it be written? */
bool param_exists(const char *module, const char *name);
/* Their value; asserts that it is there and a number. */
unsigned long param_get(const char *module, const char *name);
/* -1 and others below 0 are for parameters that have a sign. */
void param_set(const char *module, const char *name, long value);

#endif
