/* Rotations that nobody saw: names, order of time, copies, and a process that ends at every step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "folder.h"
#include "sample_log_internal.h"

static void
names_of_rotations_are_known(void **state)
{
	static const struct {
		const char *base, *name;
		bool is, compressed;
	} cases[] = {
		{ "app.log", "app.log.1", true, false },
		{ "app.log", "app.log.10.gz", true, true },
		{ "app.log", "app.log-20261128", true, false },
		{ "app.log", "app.log-20261128.xz", true, true },
		{ "app.log", "app-20261128.log", true, false },
		{ "app.log", "app.1.log", true, false },
		{ "app.log", "app.2026-11-28_10.log.gz", true, true },
		{ "app.log", "app.log.2026-11-28T10:00:00", true, false },
		{ "syslog", "syslog.1", true, false },
		{ "syslog", "syslog-1.bz2", true, true },
		{ "app.log", "app.log", false, false },
		{ "app.log", "app.log.old", false, false },
		{ "app.log", "app.log.1.swp", false, false },
		{ "app.log", "app-error.log", false, false },
		{ "app.log", "app-1.log", false, false }, /* another process writes it */
		{ "app.log", "app-1-error.log", false, false },
		{ "app.log", "app2.log", false, false },
		{ "app.log", "app.log1", false, false },
		{ "app.log", "app.log.gz", false, false },
		{ "app.log", "app.log.", false, false },
		{ "app.log", "app", false, false },
		{ ".log", ".log.1", true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool compressed = false;

		if (log_is_rotation(cases[i].base, cases[i].name, &compressed) != cases[i].is ||
		    (cases[i].is && compressed != cases[i].compressed))
			fail_msg("%s of %s", cases[i].name, cases[i].base);
	}
}

/* ---- reading ---- */

struct place {
	char root[FOLDER_MAX], path[FOLDER_MAX + 16];
	struct log_file log;
	char said[4096]; /* whole lines, in the order of reading */
	uint64_t skipped;
	int64_t seen_unix_ns;
	bool gone;  /* the file of the place */
	bool go_on; /* it is not the first process */
	struct log_place now, before;
	bool now_known, before_known;
};

static size_t
take(void *ctx, const char *data, size_t len, size_t *line)
{
	struct place *p = ctx;

	while (len > 0 && data[len - 1] != '\n')
		len--;
	assert_true(strlen(p->said) + len < sizeof(p->said));
	strncat(p->said, data, len);
	*line = len;
	return len;
}

static void
restart(void *ctx, bool within)
{
	(void)ctx;
	assert_false(within);
}

static void
init(struct place *p)
{
	const struct log_reader reader[2] = { { p, take, restart }, { p, take, restart } };

	log_file_init(&p->log, p->path, reader);
	p->log.seen_unix_ns = p->seen_unix_ns;
}

/* 8 bytes of each file. */
static void
read_at(struct place *p, int64_t boot_ms)
{
	static char buf[LOG_READ];
	const struct log_limits limits = { 8, 1 << 20, 1 << 19 };
	struct bl_err err = { 0 };
	const int rc = log_file_read(&p->log, buf, &limits, boot_ms, &p->skipped, &err);

	assert_true(rc == BL_OK || rc == BL_ENOTFOUND);
}

static void
read_some(struct place *p)
{
	read_at(p, 0);
}

/* A process that ends behind one read. */
static void
turn(struct place *p)
{
	init(p);
	if (p->now_known)
		assert_true(log_file_resume(&p->log, &p->now, 1) || p->gone);
	if (p->before_known)
		(void)log_file_resume_before(&p->log, &p->before, 0);
	read_some(p);
	p->now_known = log_cursor_place(&p->log.now, p->log.now.at.offset, &p->now);
	p->before_known = log_cursor_place(&p->log.before, p->log.before.at.offset, &p->before);
	log_file_close(&p->log);
}

static const char *
name(const struct place *p, const char *ending)
{
	static char out[4][FOLDER_MAX + 64];
	static unsigned i;

	(void)snprintf(out[++i % 4], sizeof(out[0]), "%s%s", p->path, ending);
	return out[i % 4];
}

/* Written at that second. */
static void
put(const struct place *p, const char *ending, const char *text, time_t at)
{
	const struct timespec times[2] = { { at, 0 }, { at, 0 } };
	const int fd = open(name(p, ending), O_WRONLY | O_CREAT | O_APPEND, 0600);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(futimens(fd, times), 0);
	assert_int_equal(close(fd), 0);
}

static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	folder_make(p->root, "between");
	(void)snprintf(p->path, sizeof(p->path), "%s/app.log", p->root);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;

	folder_remove(p->root);
	free(p);
	return 0;
}

#define BEGIN 1700000000

/* Three files more than the one that was read up to a2. */
static void
rotate(struct place *p)
{
	put(p, "", "a3\na4\na5\n", BEGIN + 1);
	assert_int_equal(rename(p->path, name(p, ".3")), 0);
	put(p, ".2", "b1\nb2\nb3\nb4\n", BEGIN + 2);
	put(p, ".1", "c1\nc2\n", BEGIN + 3);
	put(p, ".0.gz", "zzz", BEGIN + 3);
	put(p, ".1.gz", "half of it", BEGIN + 9); /* at this very moment */
	put(p, "-error.1", "other\n", BEGIN + 3);
	put(p, "", "d1\n", BEGIN + 4);
}

static void
assert_each_once(const struct place *p)
{
	for (const char *at = "a2\0a3\0a4\0a5\0b1\0b2\0b3\0b4\0c1\0c2\0d1\0"; *at != '\0';
	     at += 3) {
		const char *found = strstr(p->said, at);

		if (found == NULL || strstr(found + 1, at) != NULL)
			fail_msg("%s in\n%s", at, p->said);
	}
	assert_int_equal(strlen(p->said), 3 * 11);
}

static void
each_file_is_read_once_whenever_a_process_ends(void **state)
{
	struct place *p = *state;

	put(p, ".9", "old\n", BEGIN - 100);
	put(p, "", "a1\n", BEGIN);
	turn(p); /* begins at the end */
	put(p, "", "a2\n", BEGIN);
	turn(p);
	assert_string_equal(p->said, "a2\n");
	rotate(p);
	for (unsigned i = 0; i < 12; i++)
		turn(p);
	assert_each_once(p);
	assert_int_equal(p->skipped, 3);
}

/* In one process: rotated thrice between two looks. */
static void
each_file_is_read_once_between_two_looks(void **state)
{
	struct place *p = *state;

	put(p, "", "a1\n", BEGIN);
	init(p);
	read_some(p);
	put(p, "", "a2\n", BEGIN);
	read_some(p);
	rotate(p);
	for (unsigned i = 0; i < 12; i++)
		read_some(p);
	log_file_close(&p->log);
	assert_each_once(p);
	assert_int_equal(p->skipped, 3);
}

/* Long enough to be known again by what stands before it. */
#define A1 "a1 .............................................................\n"

static void
a_copy_is_gone_on_with_where_the_log_was(void **state)
{
	struct place *p = *state;

	put(p, "", A1, BEGIN);
	turn(p);
	put(p, "", "a3\n", BEGIN);
	turn(p);
	p->seen_unix_ns = (BEGIN + 1) * INT64_C(1000000000);
	put(p, ".4", "old\n", BEGIN - 100);
	put(p, ".3", "read\n", BEGIN);
	put(p, ".2", A1 "a3\na4\n", BEGIN);
	put(p, ".1", "b1\n", BEGIN + 2);
	assert_int_equal(truncate(p->path, 0), 0);
	put(p, "", "c1\n", BEGIN + 3);
	for (unsigned i = 0; i < 6; i++)
		turn(p);
	assert_non_null(strstr(p->said, "a4\n"));
	assert_non_null(strstr(p->said, "b1\n"));
	assert_non_null(strstr(p->said, "c1\n"));
	assert_int_equal(strlen(p->said), 4 * 3);
}

/* By a process that runs: what came behind its last look stands in the copy alone. */
static void
what_was_copied_between_two_looks_is_read(void **state)
{
	struct place *p = *state;

	put(p, "", A1, BEGIN);
	init(p);
	read_some(p);
	put(p, "", "a3\n", BEGIN);
	read_some(p);
	put(p, ".3", "other\n", time(NULL));
	put(p, ".2", A1 "a3\n", BEGIN);
	put(p, ".1", A1 "a3\na4\n", time(NULL));
	assert_int_equal(truncate(p->path, 0), 0);
	put(p, "", "c1\n", BEGIN + 3);
	for (unsigned i = 0; i < 4; i++)
		read_some(p);
	assert_string_equal(p->said, "a3\nc1\na4\n");
	assert_int_equal(truncate(p->path, 0), 0); /* and without a copy */
	put(p, "", "d\n", BEGIN + 4);
	for (unsigned i = 0; i < 4; i++)
		read_some(p);
	assert_string_equal(p->said, "a3\nc1\na4\nd\n");
	assert_int_equal(p->skipped, 0);
	log_file_close(&p->log);
}

/* No copy: what is older than the last look was read, or is none of ours. */
static void
of_a_log_that_is_gone_only_what_is_newer_is_read(void **state)
{
	struct place *p = *state;

	put(p, "", "a1\n", BEGIN);
	turn(p);
	p->seen_unix_ns = (BEGIN + 1) * INT64_C(1000000000);
	p->gone = true;
	put(p, ".2", "a1\n", BEGIN);
	put(p, ".1", "b1\n", BEGIN + 2);
	put(p, ".3.gz", "x", BEGIN);
	assert_int_equal(truncate(p->path, 0), 0);
	for (unsigned i = 0; i < 4; i++)
		turn(p);
	assert_string_equal(p->said, "b1\n");
	assert_int_equal(p->skipped, 0);
}

/*
 * Its writer went on with a file for a moment after the next one was made, and had nothing to say
 * until that was rotated, too: by its time that file is the newer one.  after_ms: what is between
 * the two rotations.
 */
static void
rotate_idle(struct place *p, int64_t after_ms)
{
	put(p, "", "a1\n", BEGIN);
	init(p);
	read_some(p);
	put(p, "", "a2\n", BEGIN);
	read_some(p);
	assert_int_equal(rename(p->path, name(p, ".1")), 0);
	put(p, "", "", BEGIN + 1);
	read_some(p);
	put(p, ".1", "a3\n", BEGIN + 2);
	read_some(p);
	read_at(p, after_ms);
	assert_int_equal(rename(name(p, ".1"), name(p, ".2")), 0);
	assert_int_equal(rename(p->path, name(p, ".1")), 0);
	put(p, "", "c1\n", BEGIN + 100);
	for (unsigned i = 0; i < 4; i++)
		read_at(p, after_ms);
	log_file_close(&p->log);
	assert_string_equal(p->said, "a2\na3\nc1\n");
	assert_int_equal(p->skipped, 0);
}

static void
what_was_read_is_not_read_again_behind_an_idle_log(void **state)
{
	rotate_idle(*state, LOG_LINGER_MS);
}

static void
nor_where_it_is_still_open(void **state)
{
	rotate_idle(*state, 1);
}

/* A line whose end never comes keeps no file open, and its disk full, that is removed. */
static void
half_a_line_holds_no_file(void **state)
{
	struct place *p = *state;

	put(p, "", "a1\n", BEGIN);
	init(p);
	read_some(p);
	put(p, "", "half", BEGIN);
	read_some(p);
	assert_int_equal(unlink(p->path), 0);
	read_at(p, 1);
	assert_int_not_equal(p->log.now.fd, -1);
	read_at(p, LOG_LINGER_MS + 1);
	assert_int_equal(p->log.now.fd, -1);
	log_file_close(&p->log);
}

/* More than are remembered: the oldest go, and are counted. */
static void
too_many_are_counted(void **state)
{
	struct place *p = *state;
	char ending[16];

	put(p, "", "a\n", BEGIN);
	turn(p);
	assert_int_equal(rename(p->path, name(p, ".99")), 0);
	for (unsigned i = 0; i < LOG_BETWEEN_MAX + 2; i++) {
		(void)snprintf(ending, sizeof(ending), ".%u", 50 - i);
		put(p, ending, "bb\n", BEGIN + 1 + (time_t)i);
	}
	put(p, "", "c\n", BEGIN + 100);
	turn(p);
	assert_int_equal(p->skipped, 6);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_rotations_are_known),
		T(each_file_is_read_once_whenever_a_process_ends),
		T(each_file_is_read_once_between_two_looks),
		T(a_copy_is_gone_on_with_where_the_log_was),
		T(what_was_copied_between_two_looks_is_read),
		T(of_a_log_that_is_gone_only_what_is_newer_is_read),
		T(what_was_read_is_not_read_again_behind_an_idle_log),
		T(nor_where_it_is_still_open),
		T(half_a_line_holds_no_file),
		T(too_many_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
