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

static void remove_probes(int sig)
{
	(void)sig;
	tracefs_write(TRACING "events/" GROUP "/enable", "0");
	tracefs_write(TRACING "kprobe_events", "-:" GROUP "/");
}

void grace_watch(void)
{
	char line[128];

	igt_require_f(!access(TRACING "kprobe_events", W_OK),
		      "no kprobe events\n");
	igt_install_exit_handler(remove_probes);
	for (size_t i = 0; i < WAITS; i++) {
		snprintf(line, sizeof(line), "p:" GROUP "/grace_%s %s",
			 waits[i], waits[i]);
		igt_assert_f(tracefs_write(TRACING "kprobe_events", line),
			     "%s: %s\n", line, strerror(errno));
	}
	igt_assert(tracefs_write(TRACING "events/" GROUP "/enable", "1"));
}

uint64_t grace_waits(void)
{
	FILE *file = fopen(TRACING "kprobe_profile", "re");
	unsigned long long hits, missed;
	unsigned int found = 0;
	uint64_t calls = 0;
	char line[256];

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
