/* SPDX-License-Identifier: MIT */
/*
 * Declarations of the part of the IGT API that these tests use, for builds
 * against a distribution's libigt, which comes without headers. In an IGT tree
 * the tree's own igt.h is found instead and the tests build unchanged.
 *
 * The functions are libigt's. The macros are written from the documented
 * behaviour: a subtest or fixture is left early by a jump to its beginning, so
 * a local variable that is changed inside it and read after it must be
 * volatile or live outside of the function.
 */
#ifndef TTM_PFNMAP_IGT_H
#define TTM_PFNMAP_IGT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

/*
 * Every subtest is entered by sigsetjmp(), so -Wextra warns of each variable
 * that lives across one, also of those that do not change in it.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wclobbered"
#endif

struct option;

#define IGT_EXIT_SUCCESS 0
#define IGT_EXIT_SKIP 77
#define IGT_EXIT_INVALID 79
#define IGT_EXIT_FAILURE 98

enum igt_log_level {
	IGT_LOG_DEBUG,
	IGT_LOG_INFO,
	IGT_LOG_WARN,
	IGT_LOG_CRITICAL,
	IGT_LOG_NONE,
};

#ifndef IGT_LOG_DOMAIN
#define IGT_LOG_DOMAIN NULL
#endif

#define __igt_printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define __igt_noreturn __attribute__((noreturn))

/* libigt */
extern sigjmp_buf igt_subtest_jmpbuf;
extern sigjmp_buf igt_dynamic_jmpbuf;

typedef int (*igt_opt_handler_t)(int opt, int opt_index, void *data);

int igt_subtest_init_parse_opts(int *argc, char **argv,
				const char *extra_short_opts,
				const struct option *extra_long_opts,
				const char *help_str, igt_opt_handler_t handler,
				void *handler_data);
void igt_simple_init_parse_opts(int *argc, char **argv,
				const char *extra_short_opts,
				const struct option *extra_long_opts,
				const char *help_str, igt_opt_handler_t handler,
				void *handler_data);
void igt_exit(void) __igt_noreturn;
void igt_success(void);
void igt_skip(const char *f, ...) __igt_printf(1, 2) __igt_noreturn;
void igt_fail(int exitcode) __igt_noreturn;
void igt_describe_f(const char *fmt, ...) __igt_printf(1, 2);
const char *igt_test_name(void);
const char *igt_subtest_name(void);
bool igt_only_list_subtests(void);
void igt_log(const char *domain, enum igt_log_level level, const char *format,
	     ...) __igt_printf(3, 4);
void igt_set_timeout(unsigned int seconds, const char *op);
void igt_reset_timeout(void);
void igt_waitchildren(void);
void igt_waitchildren_timeout(int seconds, const char *reason);
typedef void (*igt_exit_handler_t)(int sig);
void igt_install_exit_handler(igt_exit_handler_t fn);
void igt_fork_signal_helper(void);
void igt_stop_signal_helper(void);
uint64_t igt_nsec_elapsed(struct timespec *start);
const char *igt_debugfs_mount(void);

bool __igt_fixture(void);
void __igt_fixture_complete(void);
bool __igt_run_subtest(const char *name, const char *file, const int line);
bool __igt_run_dynamic_subtest(const char *name);
void __igt_enter_dynamic_container(void);
bool __igt_fork(void);
void __igt_skip_check(const char *file, const int line, const char *func,
		      const char *check, const char *format, ...)
	__igt_printf(5, 6) __igt_noreturn;
void __igt_fail_assert(const char *domain, const char *file, const int line,
		       const char *func, const char *assertion,
		       const char *format, ...)
	__igt_printf(6, 7) __igt_noreturn;

/* Structure of a test */
#define __igt_paste2(a, b) a##b
#define __igt_paste(a, b) __igt_paste2(a, b)
#define __igt_unique(name) __igt_paste(__igt_##name##_, __LINE__)

/* "int igt_main()", then the body, as tests of current IGT have it. */
#define igt_main_args(short_opts, long_opts, help_str, handler, data) \
	main(int argc, char **argv); \
	static void __igt_unique(body)(void); \
	int main(int argc, char **argv) \
	{ \
		igt_subtest_init_parse_opts(&argc, argv, short_opts, \
					    long_opts, help_str, handler, \
					    data); \
		__igt_unique(body)(); \
		igt_exit(); \
	} \
	static void __igt_unique(body)(void)

#define igt_main() igt_main_args(NULL, NULL, NULL, NULL, NULL)

#define igt_simple_main_args(short_opts, long_opts, help_str, handler, data) \
	main(int argc, char **argv); \
	static void __igt_unique(body)(void); \
	int main(int argc, char **argv) \
	{ \
		igt_simple_init_parse_opts(&argc, argv, short_opts, long_opts, \
					   help_str, handler, data); \
		__igt_unique(body)(); \
		igt_exit(); \
	} \
	static void __igt_unique(body)(void)

#define igt_simple_main() igt_simple_main_args(NULL, NULL, NULL, NULL, NULL)

/* Runs the block that follows once and @done after it. */
#define __igt_block(done) \
	for (int __igt_unique(once) = 1; __igt_unique(once); \
	     __igt_unique(once) = 0, (done))

#define igt_fixture() \
	if (sigsetjmp(igt_subtest_jmpbuf, 1) == 0 && __igt_fixture()) \
	__igt_block(__igt_fixture_complete())

#define igt_subtest(name) \
	if (__igt_run_subtest((name), __FILE__, __LINE__) && \
	    sigsetjmp(igt_subtest_jmpbuf, 1) == 0) \
	__igt_block(igt_success())

#define igt_subtest_with_dynamic(name) \
	if (__igt_run_subtest((name), __FILE__, __LINE__) && \
	    sigsetjmp(igt_subtest_jmpbuf, 1) == 0 && \
	    (__igt_enter_dynamic_container(), true)) \
	__igt_block(igt_success())

#define igt_dynamic(name) \
	if (__igt_run_dynamic_subtest(name) && \
	    sigsetjmp(igt_dynamic_jmpbuf, 1) == 0) \
	__igt_block(igt_success())

static inline __igt_printf(1, 2) const char *__igt_name(const char *fmt, ...)
{
	static char name[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	return name;
}

#define igt_subtest_f(fmt...) igt_subtest(__igt_name(fmt))
#define igt_subtest_with_dynamic_f(fmt...) \
	igt_subtest_with_dynamic(__igt_name(fmt))
#define igt_dynamic_f(fmt...) igt_dynamic(__igt_name(fmt))

#define igt_describe(text) igt_describe_f("%s", (text))

/* Children, numbered from 0: each runs the block, then exits 0. */
#define igt_fork(number, count) \
	for (int number = -1; ++number < (count);) \
		for (bool is_child = __igt_fork(); is_child; exit(0))

/* Skips */
#define __igt_skip_if(cond, text, fmt...) \
	do { \
		if (cond) \
			__igt_skip_check(__FILE__, __LINE__, __func__, text, \
					 fmt); \
	} while (0)

#define igt_require(e) __igt_skip_if(!(e), #e, NULL)
#define igt_require_f(e, f...) __igt_skip_if(!(e), #e, f)
#define igt_require_fd(fd) __igt_skip_if((fd) < 0, #fd " >= 0", NULL)
#define igt_skip_on(e) __igt_skip_if((e), "!(" #e ")", NULL)
#define igt_skip_on_f(e, f...) __igt_skip_if((e), "!(" #e ")", f)

/* Assertions */
#define __igt_fail_if(cond, text, fmt...) \
	do { \
		if (cond) \
			__igt_fail_assert(IGT_LOG_DOMAIN, __FILE__, __LINE__, \
					  __func__, text, fmt); \
	} while (0)

#define igt_assert(e) __igt_fail_if(!(e), #e, NULL)
#define igt_assert_f(e, f...) __igt_fail_if(!(e), #e, f)
#define igt_fail_on(e) __igt_fail_if((e), "!(" #e ")", NULL)
#define igt_fail_on_f(e, f...) __igt_fail_if((e), "!(" #e ")", f)

#define __igt_assert_cmp(type, fmt, a, not_op, op, b) \
	do { \
		type __igt_a = (a), __igt_b = (b); \
		__igt_fail_if(!(__igt_a op __igt_b), #a " " #op " " #b, \
			      "error: " fmt " " #not_op " " fmt "\n", __igt_a, \
			      __igt_b); \
	} while (0)

#define igt_assert_eq(a, b) __igt_assert_cmp(int, "%d", a, !=, ==, b)
#define igt_assert_neq(a, b) __igt_assert_cmp(int, "%d", a, ==, !=, b)
#define igt_assert_lt(a, b) __igt_assert_cmp(int, "%d", a, >=, <, b)
#define igt_assert_lte(a, b) __igt_assert_cmp(int, "%d", a, >, <=, b)
#define igt_assert_eq_u32(a, b) __igt_assert_cmp(uint32_t, "%#x", a, !=, ==, b)
#define igt_assert_eq_s64(a, b) \
	__igt_assert_cmp(long long, "%lld", a, !=, ==, b)
#define igt_assert_eq_u64(a, b) \
	__igt_assert_cmp(unsigned long long, "%llu", a, !=, ==, b)
#define igt_assert_neq_u64(a, b) \
	__igt_assert_cmp(unsigned long long, "%llu", a, ==, !=, b)
#define igt_assert_lt_u64(a, b) \
	__igt_assert_cmp(unsigned long long, "%llu", a, >=, <, b)
#define igt_assert_lte_u64(a, b) \
	__igt_assert_cmp(unsigned long long, "%llu", a, >, <=, b)
#define igt_assert_fd(fd) \
	igt_assert_f((fd) >= 0, "file descriptor %s is %d\n", #fd, (fd))

/* Log */
#define igt_debug(f...) igt_log(IGT_LOG_DOMAIN, IGT_LOG_DEBUG, f)
#define igt_info(f...) igt_log(IGT_LOG_DOMAIN, IGT_LOG_INFO, f)
#define igt_warn(f...) igt_log(IGT_LOG_DOMAIN, IGT_LOG_WARN, f)
#define igt_critical(f...) igt_log(IGT_LOG_DOMAIN, IGT_LOG_CRITICAL, f)
#define igt_warn_on_f(e, f...) \
	do { \
		if (e) \
			igt_warn(f); \
	} while (0)

#endif
