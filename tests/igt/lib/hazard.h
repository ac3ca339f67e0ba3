/* SPDX-License-Identifier: MIT */
/*
 * What the hazard tests share: the policy they run under, what the kernel says,
 * and strangers, whose memory must stay theirs.
 */
#ifndef TTM_PFNMAP_HAZARD_H
#define TTM_PFNMAP_HAZARD_H

#include <stdbool.h>
#include <stdint.h>

/* What a stranger writes, and what somebody who should not write there does. */
#define BYTE_STRANGER	0x5a
#define BYTE_INTRUDER	0xee

enum hazard_policy {
	HAZARD_NAIVE,	/* the mark alone: a test build's */
	HAZARD_RESERVED,
	HAZARD_COUNTED,
};

/* The policy of the device that opted in; skips if it has another one. */
enum hazard_policy hazard_policy(void);

/* What the kernel has printed. */
struct kernel_log {
	unsigned long bad_pages;	/* "Bad page state" */
	unsigned long negative;		/* counts below 0 among them */
	unsigned long kvm_warnings;	/* of kvm_is_zone_device_page() */
	unsigned long lost;		/* lines we came too late for */
};

/* From now on; one reader a process. */
void kernel_log_start(void);
/* Adds what was printed since it was called last. */
void kernel_log_read(struct kernel_log *log);
/* No word of the kernel that a page is broken. */
void kernel_log_assert_clean(const struct kernel_log *log);

/*
 * A process that takes memory until it has one particular page, or most of the
 * memory: BOs of the stock device, then pipes.
 */
struct strangers_report {
	bool has_page;		/* the page is in one of their BOs ... */
	int count;		/* ... where it has this count in the end */
	unsigned long bytes;	/* of theirs that somebody else has changed */
};

struct strangers {
	struct strangers_report *report; /* shared with the process */
	int filled, check;		 /* pipes */
};

/* Returns when they have taken the memory; report->has_page is valid. */
void strangers_start(struct strangers *s, uint64_t pfn);
/* They look at their memory and end; the report is complete and returned. */
struct strangers_report strangers_end(struct strangers *s);

/* A pipe to wait for another process with. */
void make_pipe(int fds[2]);
void signal_byte(int fd);
/* False if the other side has ended. */
bool wait_byte(int fd);

#endif
