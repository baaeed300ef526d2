/*
 * The samplers' pure parts, what happens when things vanish, and the machine
 * that runs this: plausible values and no allocation in a tick.
 */
#include "sample_harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- counting allocations, with and without sanitizers ---- */

static unsigned long allocations;

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

#ifdef SANITIZED
int __sanitizer_install_malloc_and_free_hooks(
    void (*on_malloc)(const volatile void *, size_t), void (*on_free)(const volatile void *));

static void
on_malloc(const volatile void *p, size_t n)
{
	(void)p;
	(void)n;
	allocations++;
}

static void
on_free(const volatile void *p)
{
	(void)p;
}

static void
count_allocations(void)
{
	assert_true(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0);
}
#else
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *
malloc(size_t n)
{
	allocations++;
	return __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	allocations++;
	return __libc_realloc(p, n);
}

static void
count_allocations(void)
{
}
#endif

/* ---- the scanner ---- */

static void
numbers_are_read_or_refused(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t v;
	} c[] = {
		{ "0", true, 0 },
		{ "  42 7", true, 42 },
		{ "\t1\n", true, 1 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "99999999999999999999999", false, 0 },
		{ "", false, 0 },
		{ "   ", false, 0 },
		{ "-1", false, 0 },
		{ "+1", false, 0 },
		{ "12kB", false, 0 },
		{ "0x10", false, 0 },
		{ "\n5", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		const size_t len = strlen(c[i].text);
		char *copy = malloc(len > 0 ? len : 1); /* its end is the end of the heap block */
		struct sample_scan s;
		uint64_t v = 0;

		assert_non_null(copy);
		memcpy(copy, c[i].text, len);
		s = (struct sample_scan){ copy, copy + len };
		assert_int_equal(sample_scan_u64(&s, &v), c[i].ok);
		assert_int_equal(v, c[i].v);
		free(copy);
	}
}

static void
decimals_are_the_nearest_double(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} c[] = {
		{ "0.08", true },
		{ "12.34", true },
		{ "0.1 ", true },
		{ "7", true },
		{ "7.", true },
		{ "123456789012.345", true },
		{ "1234567890123456", false },
		{ "1.2.3", false },
		{ ".", false },
		{ "nan", false },
		{ "1e3", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct sample_scan s = { c[i].text, c[i].text + strlen(c[i].text) };
		double v = -1;

		assert_int_equal(sample_scan_decimal(&s, &v), c[i].ok);
		if (c[i].ok)
			assert_true(v == strtod(c[i].text, NULL));
	}
}

static void
patterns_match_as_in_a_shell(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} c[] = {
		{ "eth0", "eth0", true },
		{ "eth0", "eth01", false },
		{ "eth?", "eth0", true },
		{ "eth?", "eth", false },
		{ "*", "", true },
		{ "*", "anything", true },
		{ "veth*", "veth1a2b", true },
		{ "veth*", "eth0", false },
		{ "*a*b", "xaxxab", true },
		{ "*a*b", "xaxxabc", false },
		{ "/mnt/*", "/mnt/a/b", true },
		{ "", "", true },
		{ "", "x", false },
		{ "a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++)
		assert_int_equal(sample_glob(c[i].pattern, c[i].name), c[i].match);
}

static void
labels_are_utf8_without_control_characters(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} c[] = {
		{ "/", true },
		{ "/mnt/\xe6\x95\xb0\xe6\x8d\xae", true },
		{ "", false },
		{ "a\nb", false },
		{ "a\x7f", false },
		{ "\xff", false },
		{ "\xc0\x80", false },
		{ "\xed\xa0\x80", false },
		{ "\xe6\x95", false },
		{ "\xf4\x90\x80\x80", false },
		{ "\xf0\x9f\x98\x80", true },
	};
	char longest[BL_LABEL_VALUE_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++)
		assert_int_equal(sample_label_valid(c[i].text, strlen(c[i].text)), c[i].ok);
	memset(longest, 'x', sizeof(longest));
	assert_true(sample_label_valid(longest, BL_LABEL_VALUE_MAX));
	assert_false(sample_label_valid(longest, BL_LABEL_VALUE_MAX + 1));
}

/* ---- things that vanish ---- */

static void
table_sample(struct running *run, struct recorder *rec, int64_t boot_ms)
{
	struct sample_sink sink = sink_of(rec);
	struct bl_err err = { 0 };

	rec_tick(rec);
	rec->len = 0;
	rec->n_put = 0;
	rec->n_unknown = 0;
	(void)run->ops->sample(run->s, boot_ms, &sink, &err);
}

static void
what_vanishes_is_unknown_for_a_bounded_time(void **state)
{
	static const char one[] = "h\nh\n eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
	static const char none[] = "h\nh\n";
	struct recorder *rec = calloc(1, sizeof(*rec));
	struct running run;
	char root[128];
	char path[256];

	(void)state;
	assert_non_null(rec);
	root_make(root, sizeof(root));
	snprintf(path, sizeof(path), "%s/proc/net/dev", root);
	put_file(path, one, sizeof(one) - 1);
	run_open(&run, &sampler_network, "{}", root);
	table_sample(&run, rec, 1000);
	assert_int_equal(rec->n_put, 8);

	put_file(path, none, sizeof(none) - 1);
	table_sample(&run, rec, 11000);
	assert_int_equal(rec->n_unknown, 8);
	table_sample(&run, rec, 11000 + SAMPLE_GONE_MS - 1);
	assert_int_equal(rec->n_unknown, 8);
	table_sample(&run, rec, 11000 + SAMPLE_GONE_MS);
	assert_int_equal(rec->n_unknown, 0);

	/* Back again: the same eight series. */
	put_file(path, one, sizeof(one) - 1);
	table_sample(&run, rec, 11000 + SAMPLE_GONE_MS + 10000);
	assert_int_equal(rec->n_put, 8);
	assert_int_equal(rec->n, 8);

	/* An unreadable source says nothing about what vanished: unknown for as long as it lasts.
	 */
	assert_int_equal(truncate(path, 0), 0);
	table_sample(&run, rec, 11000 + SAMPLE_GONE_MS * 3);
	assert_int_equal(rec->n_unknown, 8);
	table_sample(&run, rec, 11000 + SAMPLE_GONE_MS * 5);
	assert_int_equal(rec->n_unknown, 8);
	run_close(&run);
	remove_tree(root);
	free(rec);
}

/* ---- this machine ---- */

static void
live_open(struct running run[RUN_MAX], unsigned *n)
{
	for (*n = 0; samplers[*n] != NULL && *n < RUN_MAX; (*n)++)
		run_open(&run[*n], samplers[*n], "{}", "");
}

static void
live_tick(struct running *run, unsigned n, struct recorder *rec, int64_t boot_ms)
{
	struct sample_sink sink = sink_of(rec);

	rec_tick(rec);
	rec->len = 0;
	for (unsigned i = 0; i < n; i++) {
		struct bl_err err = { 0 };

		/* A sandbox may forbid to ask (adjtimex, netlink): unknown, and said. */
		if (run[i].ops->sample(run[i].s, boot_ms, &sink, &err) < 0 &&
		    err.os_errno != EPERM && err.os_errno != EACCES)
			fail_msg("%s", err.msg);
	}
}

/* CPU time must pass between two readings; burn it rather than sleep. */
static void
burn(double ms)
{
	struct timespec a;
	struct timespec b;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	while ((double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6 < ms);
}

static double
count_folders(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	double n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL)
		n += e->d_name[0] >= '0' && e->d_name[0] <= '9' ? 1 : 0;
	closedir(dir);
	return n;
}

static void
this_machine_gives_plausible_values(void **state)
{
	struct recorder *rec = calloc(1, sizeof(*rec));
	struct running run[RUN_MAX];
	unsigned n;
	double sum = 0;

	(void)state;
	assert_non_null(rec);
	live_open(run, &n);
	live_tick(run, n, rec, 123456789);
	for (int i = 0; i < rec->n; i++) /* no percent without two readings */
		assert_true(strncmp(rec->key[i], "cpu_used", 8) != 0 &&
			    strncmp(rec->key[i], "cpu_mode", 8) != 0);
	burn(60);
	live_tick(run, n, rec, 123466789);

	for (int i = 0; i < rec->n; i++)
		if (strncmp(rec->key[i], "cpu_mode", 8) == 0)
			sum += rec->value[i];
	assert_true(fabs(sum - 100.0) < 0.1);
	assert_true(value_of(rec, "cpu_used_pct") > 0 && value_of(rec, "cpu_used_pct") <= 100);
	assert_true(value_of(rec, "cpu_count") == (double)sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(value_of(rec, "load1") >= 0);
	assert_true(value_of(rec, "processes_running") >= 1);
	if (!isnan(value_of(rec, "processes_total")))
		assert_true(fabs(value_of(rec, "processes_total") - count_folders("/proc")) < 40);
	assert_true(value_of(rec, "memory_total_bytes") > 32e6);
	assert_true(value_of(rec, "memory_used_bytes") < value_of(rec, "memory_total_bytes"));
	assert_true(value_of(rec, "memory_used_pct") > 0);
	assert_true(value_of(rec, "uptime_s") == 123466);
	assert_true(value_of(rec, "agent_cpu_ms_total") > 50);
	assert_true(value_of(rec, "agent_resident_bytes") > 500e3);
	assert_true(value_of(rec, "agent_threads") == count_folders("/proc/self/task"));
	/* The listing itself holds a descriptor open. */
	assert_true(value_of(rec, "agent_open_files") == count_folders("/proc/self/fd") - 1);
	for (unsigned i = 0; i < n; i++)
		run_close(&run[i]);
	free(rec);
}

static void
a_tick_allocates_nothing(void **state)
{
	struct recorder *rec = calloc(1, sizeof(*rec));
	struct running run[RUN_MAX];
	unsigned long before;
	void *volatile block;
	unsigned n;

	(void)state;
	assert_non_null(rec);
	live_open(run, &n);
	live_tick(run, n, rec, 1000);
	live_tick(run, n, rec, 2000);
	before = allocations;
	for (int64_t tick = 3; tick < 53; tick++) /* all are due, whatever their `every` */
		live_tick(run, n, rec, tick * 3600000);
	assert_int_equal(allocations, before);
	block = malloc(1);
	free(block);
	assert_true(allocations > before); /* it does count */
	for (unsigned i = 0; i < n; i++)
		run_close(&run[i]);
	free(rec);
}

static void
write_below(const char *root, const char *path, const char *text)
{
	char full[256];

	snprintf(full, sizeof(full), "%s%s", root, path);
	put_file(full, text, strlen(text));
}

/* What is watched by name only when configured: every kind finds something, and more each time. */
static void
a_tick_of_what_is_watched_allocates_nothing(void **state)
{
	static const char *const watched[][2] = {
		{ "processes",
		    "states: yes\nevery: 10s\nwatch: [{name: w, command: x, arguments: y}]" },
		{ "files", "every: 10s\n"
			   "watch: [{name: w, path: /var, match: '*', recursive: yes}]" },
		{ "logs", "state_file: ''\n"
			  "watch: [{name: w, path: /var/log, match: 'a+b', ignore: '[0-9]c'}]" },
		{ "units", "watch: [till]" },
	};
	enum { N = sizeof(watched) / sizeof(watched[0]) };
	struct recorder *rec = calloc(1, sizeof(*rec));
	char *text = calloc(1, 4096);
	struct running run[N];
	unsigned long before = 0;
	char root[64];

	(void)state;
	assert_non_null(rec);
	assert_non_null(text);
	root_make(root, sizeof(root));
	write_below(root, "/proc/self/mountinfo", "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
	write_below(root, "/proc/1/stat",
	    "1 (x) S 1 7 7 0 -1 4194560 10 20 30 40 100 23 5 6 20 0 1 0 4711 2500000 321 1\n");
	write_below(root, "/proc/1/cmdline", "y");
	write_below(root, "/var/a/b/c", "x");
	write_below(root, "/var/log", "");
	write_below(root, "/run/systemd/units/invocation:till.service", "");
	for (unsigned i = 0; i < N; i++)
		run_open(&run[i], ops_of(watched[i][0]), watched[i][1], root);
	for (int tick = 1; tick <= 20; tick++) {
		before = tick == 3 ? allocations : before;
		memcpy(text + strlen(text), "aaab 1\n", 8);
		write_below(root, "/var/log", text);
		live_tick(run, N, rec, tick * 10000);
	}
	assert_int_equal(allocations, before);
	assert_true(value_of(rec, "process_up{w}") == 1);
	assert_true(value_of(rec, "file_count{w}") == 2);
	assert_true(value_of(rec, "log_matched_lines_total{w}") == 19);
	assert_true(isnan(value_of(rec, "unit_up{till.service}")));
	for (unsigned i = 0; i < N; i++)
		run_close(&run[i]);
	remove_tree(root);
	free(text);
	free(rec);
}

static void
a_refused_series_is_asked_for_once(void **state)
{
	struct recorder *rec = calloc(1, sizeof(*rec));
	struct running run[RUN_MAX];
	unsigned n;

	(void)state;
	assert_non_null(rec);
	rec->refuse_from = 5;
	live_open(run, &n);
	live_tick(run, n, rec, 1000);
	live_tick(run, n, rec, 2000);
	assert_int_equal(rec->n, 5);
	rec->refuse_from = 0;
	live_tick(run, n, rec, 3000);
	assert_in_range(rec->n, 5, 14); /* but for the percentages, first due in the second tick */
	for (unsigned i = 0; i < n; i++)
		run_close(&run[i]);
	free(rec);
}

static void
a_disabled_sampler_puts_nothing(void **state)
{
	struct recorder *rec = calloc(1, sizeof(*rec));
	struct sample_sink sink;
	struct bl_err err = { 0 };

	(void)state;
	assert_non_null(rec);
	sink = sink_of(rec);
	for (size_t i = 0; samplers[i] != NULL; i++) {
		struct running run;

		run_open(&run, samplers[i], "enabled: false\n", "");
		assert_int_equal(run.ops->sample(run.s, 1000, &sink, &err), BL_OK);
		run_close(&run);
		samplers[i]->close(NULL);
	}
	assert_int_equal(rec->n, 0);
	free(rec);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_or_refused),
		cmocka_unit_test(decimals_are_the_nearest_double),
		cmocka_unit_test(patterns_match_as_in_a_shell),
		cmocka_unit_test(labels_are_utf8_without_control_characters),
		cmocka_unit_test(what_vanishes_is_unknown_for_a_bounded_time),
		cmocka_unit_test(this_machine_gives_plausible_values),
		cmocka_unit_test(a_tick_allocates_nothing),
		cmocka_unit_test(a_tick_of_what_is_watched_allocates_nothing),
		cmocka_unit_test(a_refused_series_is_asked_for_once),
		cmocka_unit_test(a_disabled_sampler_puts_nothing),
	};

	count_allocations();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
