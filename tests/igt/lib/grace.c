// SPDX-License-Identifier: MIT
/*
 * Calls of the functions that wait for a grace period.
 */
#include <fcntl.h>
#include <unistd.h>

#include "grace.h"
#include "igt.h"

#define TRACING "/sys/kernel/tracing/"
#define GROUP "rig_grace"

/* A wait may call another of them: it is counted more than once then. */
static const char *const waits[] = {
	"synchronize_rcu",  "synchronize_rcu_expedited",
	"synchronize_srcu", "synchronize_srcu_expedited",
	"rcu_barrier",	    "srcu_barrier",
	"__wait_rcu_gp",
};
#define WAITS (sizeof(waits) / sizeof(waits[0]))

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

static bool watching;

static void remove_probes(int sig)
{
	(void)sig;
	tracefs_write(TRACING "events/" GROUP "/enable", "0");
	tracefs_write(TRACING "kprobe_events", "-:" GROUP "/");
	tracefs_write(TRACING "options/record-cmd", "1");
}

bool grace_watch(void)
{
	char line[128];

	if (access(TRACING "kprobe_events", W_OK))
		return false;
	/* Of one that was killed. */
	remove_probes(0);
	igt_install_exit_handler(remove_probes);
	/* The names of tasks would be noted in __schedule(), by patching it. */
	igt_assert(tracefs_write(TRACING "options/record-cmd", "0"));
	for (size_t i = 0; i < WAITS; i++) {
		snprintf(line, sizeof(line), "p:" GROUP "/grace_%s %s",
			 waits[i], waits[i]);
		igt_assert_f(tracefs_write(TRACING "kprobe_events", line),
			     "%s: %s\n", line, strerror(errno));
	}
	igt_assert(tracefs_write(TRACING "events/" GROUP "/enable", "1"));
	watching = true;
	return true;
}

uint64_t grace_waits(void)
{
	unsigned long long hits, missed;
	unsigned int found = 0;
	uint64_t calls = 0;
	char line[256];
	FILE *file;

	if (!watching)
		return 0;
	file = fopen(TRACING "kprobe_profile", "re");
	igt_assert(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " grace_%*s %llu %llu", &hits, &missed) == 2) {
			calls += hits + missed;
			found++;
		}
	fclose(file);
	igt_assert_eq(found, WAITS);
	return calls;
}
