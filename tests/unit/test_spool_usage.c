/* What the link carried, in the spool's file: by month, over restarts, damage and a file from
 * before. */
#include "spool_kit.h"

#include <sqlite3.h>

#include "branchline/log.h"
#include "branchline/report.h"

#define NOV 24322u
#define DEC 24323u

static void
add(struct kit *k, uint32_t month, uint64_t in, uint64_t out)
{
	const struct spool_usage_add a = {
		.month = month, .in_bytes = in, .out_bytes = out, .class_bytes = { 1, 2, 3 }
	};

	spool_usage_add(k->s, &a);
}

static struct spool_usage
usage(struct kit *k)
{
	struct spool_status st;
	struct bl_err err = { 0 };

	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	return st.usage;
}

static void
assert_month(const struct spool_usage *u, uint32_t at, uint32_t month, uint64_t in, uint64_t out)
{
	assert_true(at < u->n);
	assert_int_equal(u->month[at].month, month);
	assert_int_equal(u->month[at].in_bytes, in);
	assert_int_equal(u->month[at].out_bytes, out);
}

static void
what_is_committed_survives_and_what_is_not_does_not(void **state)
{
	struct kit *k = *state;
	struct spool_usage u;
	struct spool_status st;
	struct bl_err err = { 0 };

	kit_open(k, SPOOL_CREATED);
	kit_commit(k);
	add(k, NOV, 10, 100);
	add(k, NOV, 10, 100);
	kit_commit(k);
	add(k, NOV, 1, 1);
	kit_crash(k);
	assert_int_equal(spool_status_of_file(k->path, &st, &err), BL_OK);
	assert_month(&st.usage, 0, NOV, 20, 200);
	kit_open(k, SPOOL_OPENED);
	u = usage(k);
	assert_int_equal(u.n, 1);
	assert_month(&u, 0, NOV, 20, 200);
	assert_int_equal(u.month[0].class_bytes[2], 6);
	assert_int_equal(u.month[0].other_bytes, 200 - 12);
	add(k, DEC, 5, 50);
	kit_close(k);
	kit_open(k, SPOOL_OPENED);
	u = usage(k);
	assert_month(&u, 1, DEC, 5, 50);
	kit_close(k);
}

static void
what_has_no_month_yet_goes_into_the_first_that_is_known(void **state)
{
	struct kit *k = *state;
	struct spool_usage u;

	kit_open(k, SPOOL_CREATED);
	add(k, 0, 7, 70);
	kit_commit(k);
	kit_crash(k);
	kit_open(k, SPOOL_OPENED);
	u = usage(k);
	assert_month(&u, 0, 0, 7, 70);
	add(k, DEC, 0, 0);
	kit_commit(k);
	kit_crash(k);
	kit_open(k, SPOOL_OPENED);
	u = usage(k);
	assert_int_equal(u.n, 1);
	assert_month(&u, 0, DEC, 7, 70);
	kit_close(k);
}

static void
thirteen_months_are_kept(void **state)
{
	struct kit *k = *state;
	struct spool_usage u;

	kit_open(k, SPOOL_CREATED);
	for (uint32_t i = 0; i < 20; i++) {
		add(k, NOV + i, 1, i + 10);
		kit_commit(k);
	}
	add(k, NOV, 1, 1); /* the clock was set back: too old to be kept */
	add(k, NOV + 10, 1, 1);
	kit_close(k);
	kit_open(k, SPOOL_OPENED);
	u = usage(k);
	assert_int_equal(u.n, BL_REPORT_MONTHS_MAX);
	assert_month(&u, 0, NOV + 7, 1, 17);
	assert_month(&u, 3, NOV + 10, 2, 21);
	assert_month(&u, 12, NOV + 19, 1, 29);
	kit_close(k);
}

static void
the_hour_is_there_after_a_crash(void **state)
{
	struct kit *k = *state;
	struct spool_usage_add a = { .hour = { .has = true,
					 .boot = { { 7 } },
					 .ends_boot_ms = 3600000,
					 .hour = 495000,
					 .used_bytes = 9000,
					 .class_bytes = { 1, 20, 300 } } };
	struct spool_usage u;

	kit_open(k, SPOOL_CREATED);
	spool_usage_add(k->s, &a);
	kit_commit(k);
	a.hour.used_bytes = 9500;
	spool_usage_add(k->s, &a);
	kit_commit(k);
	kit_crash(k);
	kit_open(k, SPOOL_OPENED);
	u = usage(k);
	assert_int_equal(u.n, 0);
	assert_true(u.hour.has && bl_id_equal(&u.hour.boot, &a.hour.boot));
	assert_int_equal(u.hour.ends_boot_ms, a.hour.ends_boot_ms);
	assert_int_equal(u.hour.hour, a.hour.hour);
	assert_int_equal(u.hour.used_bytes, a.hour.used_bytes);
	for (int i = 0; i < BL_STREAMS; i++)
		assert_int_equal(u.hour.class_bytes[i], a.hour.class_bytes[i]);
	kit_close(k);
}

/* A table of before, or none: nothing but the first count changes the file. */
static void
a_file_from_before_gets_the_table_when_it_counts(void **state)
{
	struct kit *k = *state;
	struct spool_usage u;
	sqlite3 *db;

	kit_open(k, SPOOL_CREATED);
	kit_tick(k, BL_STREAM_HOST);
	kit_close(k);
	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "SELECT * FROM usage", NULL, NULL, NULL), SQLITE_ERROR);
	(void)sqlite3_close(db);
	kit_open(k, SPOOL_OPENED);
	assert_int_equal(usage(k).n, 0);
	add(k, NOV, 1, 2);
	kit_close(k);
	kit_open(k, SPOOL_OPENED); /* its layout is sound */
	u = usage(k);
	assert_month(&u, 0, NOV, 1, 2);
	kit_close(k);
}

/* A process that finds its file damaged goes on counting in the one that takes its place. */
static void
a_replaced_file_gets_what_was_counted(void **state)
{
	struct kit *k = *state;
	struct spool_usage u;
	struct bl_err err = { 0 };
	FILE *f;

	kit_open(k, SPOOL_CREATED);
	add(k, NOV, 10, 100);
	kit_commit(k);
	assert_non_null(f = fopen(k->path, "r+"));
	for (int i = 0; i < 4096; i++)
		assert_int_equal(fputc('x', f), 'x');
	assert_int_equal(fclose(f), 0);
	assert_int_equal(spool_replace(k->s, &err), SPOOL_REPLACED);
	kit_declare(k);
	kit_commit(k);
	kit_crash(k);
	kit_open(k, SPOOL_OPENED);
	add(k, NOV, 1, 1);
	u = usage(k);
	assert_month(&u, 0, NOV, 11, 101);
	kit_close(k);
}

#define T(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_committed_survives_and_what_is_not_does_not),
		T(what_has_no_month_yet_goes_into_the_first_that_is_known),
		T(thirteen_months_are_kept),
		T(the_hour_is_there_after_a_crash),
		T(a_file_from_before_gets_the_table_when_it_counts),
		T(a_replaced_file_gets_what_was_counted),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("spool usage", tests, NULL, NULL);
}
