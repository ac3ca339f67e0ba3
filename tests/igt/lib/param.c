// SPDX-License-Identifier: MIT
/*
 * Parameters of loaded modules: see param.h.
 */
#include <limits.h>
#include <unistd.h>

#include "igt.h"
#include "param.h"

static const char *param_path(char path[PATH_MAX], const char *module,
			      const char *name)
{
	snprintf(path, PATH_MAX, "/sys/module/%s/parameters/%s", module, name);
	return path;
}

static FILE *param_open(const char *module, const char *name, const char *how)
{
	char path[PATH_MAX];
	FILE *file = fopen(param_path(path, module, name), how);

	igt_assert_f(file, "%s cannot be opened\n", path);
	return file;
}

bool param_exists(const char *module, const char *name)
{
	char path[PATH_MAX];

	return !access(param_path(path, module, name), W_OK);
}

unsigned long param_get(const char *module, const char *name)
{
	FILE *file = param_open(module, name, "re");
	unsigned long value;

	igt_assert_eq(fscanf(file, "%lu", &value), 1);
	fclose(file);
	return value;
}

void param_set(const char *module, const char *name, long value)
{
	FILE *file = param_open(module, name, "we");

	igt_assert(fprintf(file, "%ld\n", value) > 0);
	igt_assert_eq(fclose(file), 0);
}
