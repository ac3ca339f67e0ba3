// SPDX-License-Identifier: MIT
/*
 * Calls of functions of the kernel, counted by its kprobe events.
 */
#include <fcntl.h>
#include <unistd.h>

#include "calls.h"
#include "igt.h"

#define TRACING "/sys/kernel/tracing/"
#define GROUP "rig_calls"

/* A command a write; stdio would seek, which such files refuse. */
static bool tracefs_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 &&
		  write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

static size_t watched;

static void remove_probes(int sig)
{
	(void)sig;
	tracefs_write(TRACING "events/" GROUP "/enable", "0");
	tracefs_write(TRACING "kprobe_events", "-:" GROUP "/");
	tracefs_write(TRACING "options/record-cmd", "1");
}

bool calls_watch(const char *const functions[], size_t count)
{
	char line[128];

	if (access(TRACING "kprobe_events", W_OK))
		return false;
	/* Of one that was killed. */
	remove_probes(0);
	igt_install_exit_handler(remove_probes);
	/* The names of tasks would be noted in __schedule(), by patching it. */
	igt_assert(tracefs_write(TRACING "options/record-cmd", "0"));
	for (size_t i = 0; i < count; i++) {
		snprintf(line, sizeof(line), "p:" GROUP "/calls_%s %s",
			 functions[i], functions[i]);
		igt_assert_f(tracefs_write(TRACING "kprobe_events", line),
			     "%s: %s\n", line, strerror(errno));
	}
	igt_assert(tracefs_write(TRACING "events/" GROUP "/enable", "1"));
	watched = count;
	return true;
}

uint64_t calls_counted(void)
{
	unsigned long long hits, missed;
	unsigned int found = 0;
	uint64_t calls = 0;
	char line[256];
	FILE *file;

	if (!watched)
		return 0;
	file = fopen(TRACING "kprobe_profile", "re");
	igt_assert(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " calls_%*s %llu %llu", &hits, &missed) == 2) {
			calls += hits + missed;
			found++;
		}
	fclose(file);
	igt_assert_eq_u64(found, watched);
	return calls;
}
