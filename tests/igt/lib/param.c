// SPDX-License-Identifier: MIT
/*
 * Parameters of loaded modules: see param.h.
 */
#include <fcntl.h>
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

bool param_exists(const char *module, const char *name)
{
	char path[PATH_MAX];

	return !access(param_path(path, module, name), W_OK);
}

unsigned long param_get(const char *module, const char *name)
{
	char path[PATH_MAX];
	FILE *file = fopen(param_path(path, module, name), "re");
	unsigned long value;

	igt_assert_f(file, "%s cannot be read\n", path);
	igt_assert_eq(fscanf(file, "%lu", &value), 1);
	fclose(file);
	return value;
}

/* Without stdio: exit handlers call it, which may run in a signal handler. */
void param_set(const char *module, const char *name, long value)
{
	char path[PATH_MAX], text[24];
	int len = snprintf(text, sizeof(text), "%ld", value);
	int fd = open(param_path(path, module, name), O_WRONLY | O_CLOEXEC);

	igt_assert_f(fd >= 0, "%s cannot be written\n", path);
	igt_assert_eq(write(fd, text, len), len);
	close(fd);
}
