/* Retention of KPI rows: what goes, what stays, and that what comes later spoils nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kpi_kit.h"

#define HOST   BL_STREAM_HOST
#define OLD    6 /* hours of the first day that came */
#define RECENT 3 /* of the fortieth */
#define DAYS40 (KIT_T0 + 40 * KIT_DAY)

#define OLD_ROWS "begin_unix_ms < 1795824000000 + 86400000"

static const struct kpi_keep keep = { .minutes_ms = 35 * KIT_DAY, .hours_ms = 396 * KIT_DAY };

static void
exec(struct kit *k, const char *sql)
{
	assert_int_equal(sqlite3_exec(k->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* A round, or as many slices of one as it takes; returns how many. */
static unsigned
forget(struct kit *k, const struct kpi_forget_opts *opts)
{
	struct kpi_forgetting f = { 0 };
	struct kpi_closed closed;
	struct bl_err err = { 0 };
	unsigned slices = 0;
	int rc = 1;

	for (; rc == 1; slices++) {
		exec(k, "BEGIN");
		rc = kpi_forget(&f, k->db, opts, &err);
		if (rc < 0)
			fail_msg("%s", err.msg);
		exec(k, "COMMIT");
		assert_true(slices < 10000);
	}
	assert_false(kpi_forget_due(&f, opts->now_unix_ms));
	assert_true(kpi_forget_due(&f, opts->now_unix_ms + KIT_HOUR));
	assert_int_equal(kpi_closed_load(k->db, &closed, &err), BL_OK);
	kpi_work_closed(k->work, &closed);
	return slices;
}

static struct kpi_forget_opts
opts_of(const struct kit *k)
{
	return (struct kpi_forget_opts){
		.keep = keep, .now_unix_ms = k->now, .before_unix_ms = INT64_MAX, .rows = 100000
	};
}

static void
finalise(struct kit *k)
{
	struct kpi_changes changes = { 0 };
	struct bl_err err = { 0 };
	int n;

	while ((n = kpi_finalise(k->db, k->now, KPI_FINAL_AFTER_MS, 1000, &changes, &err)) > 0)
		;
	assert_int_equal(n, 0);
	kpi_changes_free(&changes);
}

static struct kit_batch *
hour(struct kit *k, int64_t series, int64_t begin)
{
	struct kit_batch *b = kit_batch(k, "d1", HOST, begin, begin + KIT_HOUR);

	kit_ramp(k, b, series, 10000);
	return b;
}

/* Hours of the first and of the fortieth day, by three KPIs; the fourth hour of the first is
 * missing. */
static int
setup(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));
	struct define_kpi *v;
	int64_t series;

	assert_non_null(k);
	*state = k;
	kit_open(k);
	kit_site(k, "utc", "UTC");
	kit_site(k, "kolkata", "Asia/Kolkata");
	kit_service(k, "d1", "utc", KIT_T0, 0);
	kit_service(k, "e1", "kolkata", KIT_T0, 0);
	kit_roster(k);
	(void)kit_kpi(k, "a-minutes", 0);
	v = kit_kpi(k, "b-hours", 0);
	v->resolution = BL_WINDOW_1H;
	v = kit_kpi(k, "c-days", 0);
	v->resolution = BL_WINDOW_1D;
	kit_compile(k);
	series = kit_series(k, "d1", "m", "{}", BL_GAUGE, HOST, 10000);
	for (int64_t h = 0; h < OLD; h++)
		if (h != 3)
			kit_arrive(k, hour(k, series, KIT_T0 + h * KIT_HOUR));
	for (int64_t h = 0; h < RECENT; h++)
		kit_arrive(k, hour(k, series, DAYS40 + h * KIT_HOUR));
	k->now = KIT_T0 + 41 * KIT_DAY + 10 * KIT_MINUTE;
	finalise(k);
	return 0;
}

static int
teardown(void **state)
{
	kit_close(*state);
	free(*state);
	return 0;
}

static int64_t
old_rows(struct kit *k, const char *table, const char *windows)
{
	char sql[200];

	(void)snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM %s WHERE " OLD_ROWS " AND window IN (%s)", table, windows);
	return kit_count(k, sql);
}

/* ---- what goes and what stays ---- */

static void
minutes_go_then_hours_and_days_stay(void **state)
{
	struct kit *k = *state;
	struct kpi_forget_opts o = opts_of(k);
	const int64_t hours = old_rows(k, "kpi_part", "3, 4, 13");
	const int64_t recent = kit_count(k, "SELECT count(*) FROM kpi_part WHERE NOT " OLD_ROWS);
	int64_t days;

	assert_int_equal(old_rows(k, "kpi_cell", "1"), (OLD - 1) * 60);
	assert_true(hours > 0 && recent > 0);
	(void)forget(k, &o);
	assert_int_equal(old_rows(k, "kpi_cell", "1, 2"), 0);
	assert_int_equal(old_rows(k, "kpi_part", "1, 2"), 0);
	assert_int_equal(old_rows(k, "kpi_part", "3, 4, 13"), hours);
	assert_int_equal(kit_count(k, "SELECT count(*) FROM kpi_part WHERE NOT " OLD_ROWS), recent);

	days = old_rows(k, "kpi_cell", "4");
	assert_true(days > 0);
	o.now_unix_ms = KIT_T0 + 400 * KIT_DAY;
	k->now = o.now_unix_ms;
	finalise(k);
	(void)forget(k, &o);
	assert_int_equal(old_rows(k, "kpi_part", "1, 2, 3, 13"), 0);
	assert_int_equal(old_rows(k, "kpi_cell", "3"), 0);
	assert_int_equal(old_rows(k, "kpi_cell", "4"), days);
	o.now_unix_ms = KIT_T0 + 40000 * KIT_DAY;
	(void)forget(k, &o);
	assert_int_equal(old_rows(k, "kpi_cell", "4"), days);
}

static void
revisions_go_with_their_cells(void **state)
{
	struct kit *k = *state;
	const struct kpi_forget_opts o = opts_of(k);

	exec(k, "INSERT INTO kpi_revision SELECT kpi, window, site, begin_unix_ms, 1, value,"
		" completeness, state, known_unix_ms, known_unix_ms, 'why' FROM kpi_cell");
	(void)forget(k, &o);
	assert_int_equal(kit_count(k, "SELECT count(*) FROM kpi_revision"),
	    kit_count(k, "SELECT count(*) FROM kpi_cell"));
	assert_int_equal(old_rows(k, "kpi_revision", "1, 2"), 0);
}

static void
slices_take_the_same_away(void **state)
{
	struct kit *k = *state;
	struct kpi_forget_opts o = opts_of(k);
	char *whole, *sliced;

	exec(k, "CREATE TEMP TABLE part AS SELECT * FROM kpi_part;"
		"CREATE TEMP TABLE cell AS SELECT * FROM kpi_cell;");
	assert_int_equal(forget(k, &o), 1);
	whole = kit_dump(k);
	exec(k,
	    "DELETE FROM kpi_part; INSERT INTO kpi_part SELECT * FROM part; DELETE FROM kpi_cell;"
	    "INSERT INTO kpi_cell SELECT * FROM cell; DELETE FROM kpi_kept");
	o.rows = 3;
	assert_true(forget(k, &o) > 100);
	sliced = kit_dump(k);
	assert_string_equal(whole, sliced);
	free(whole);
	free(sliced);
}

/* ---- what is needed stays ---- */

static void
provisional_cells_keep_what_is_later(void **state)
{
	struct kit *k = *state;
	const struct kpi_forget_opts o = opts_of(k);
	const int64_t rows = kit_count(k, "SELECT count(*) FROM kpi_part");

	exec(k, "UPDATE kpi_cell SET state = 0 WHERE kpi = 'a-minutes' AND window = 1"
		" AND begin_unix_ms = (SELECT min(begin_unix_ms) FROM kpi_cell)");
	(void)forget(k, &o);
	assert_int_equal(kit_count(k, "SELECT count(*) FROM kpi_part"), rows);
	finalise(k);
	(void)forget(k, &o);
	assert_int_equal(old_rows(k, "kpi_part", "1, 2"), 0);
}

static void
what_is_not_worked_out_yet_keeps_what_is_later(void **state)
{
	struct kit *k = *state;
	struct kpi_forget_opts o = opts_of(k);

	o.before_unix_ms = KIT_T0 + 2 * KIT_HOUR + 5 * KIT_MINUTE;
	(void)forget(k, &o);
	assert_int_equal(old_rows(k, "kpi_cell", "1"), (OLD - 1 - 2) * 60);
}

static int
needed_from_hour_4(
    void *ctx, struct sqlite3 *db, const char *site, int64_t *from, struct bl_err *err)
{
	(void)ctx;
	(void)db;
	(void)err;
	if (strcmp(site, "utc") == 0 && *from > KIT_T0 + 4 * KIT_HOUR)
		*from = KIT_T0 + 4 * KIT_HOUR;
	return BL_OK;
}

static void
what_somebody_needs_stays_at_that_site(void **state)
{
	struct kit *k = *state;
	struct kpi_forget_opts o = opts_of(k);

	exec(k, "INSERT INTO kpi_cell SELECT kpi, window, 'kolkata', begin_unix_ms, end_unix_ms,"
		" version, value, n, completeness, ready, state, revisions, known_unix_ms"
		" FROM kpi_cell WHERE window = 1");
	o.needed = needed_from_hour_4;
	(void)forget(k, &o);
	assert_int_equal(old_rows(k, "kpi_cell", "1"), (OLD - 4) * 60);
	o.needed = NULL; /* the incident is over */
	(void)forget(k, &o);
	assert_int_equal(old_rows(k, "kpi_cell", "1"), 0);
}

/* ---- what comes afterwards ---- */

/* Rows of the KPI of minutes in one number; larger windows are made from its minutes. */
static int64_t
mark_of_minutes(struct kit *k)
{
	return kit_count(k, "SELECT count(*) * 1000003 + sum(n * (begin_unix_ms / 60000 % 977))"
			    " FROM kpi_cell WHERE kpi = 'a-minutes'");
}

/* The hour's minutes are gone: made from the late ones alone it would be another. */
static void
what_comes_later_still_leaves_closed_windows_alone(void **state)
{
	struct kit *k = *state;
	const struct kpi_forget_opts o = opts_of(k);
	struct kit_cell c;
	int64_t before;

	(void)forget(k, &o);
	before = mark_of_minutes(k);
	kit_arrive(k, hour(k, 1, KIT_T0 + 3 * KIT_HOUR)); /* the one that was missing */
	kit_redo(k, "d1", HOST, KIT_T0, KIT_T0 + KIT_DAY);
	assert_int_equal(mark_of_minutes(k), before);
	/* Hours that are made from samples have all of them. */
	c = kit_cell(k, "b-hours", BL_WINDOW_1D, "utc", KIT_T0);
	assert_int_equal(c.n, OLD * 360);
}

static void
what_is_open_is_worked_out_as_ever(void **state)
{
	struct kit *k = *state;
	const struct kpi_forget_opts o = opts_of(k);
	struct kit_cell c;

	(void)forget(k, &o);
	kit_arrive(k, hour(k, 1, DAYS40 + 5 * KIT_HOUR));
	c = kit_cell(k, "a-minutes", BL_WINDOW_1M, "utc", DAYS40 + 5 * KIT_HOUR);
	assert_true(c.there && c.known && c.n == 6);
	c = kit_cell(k, "a-minutes", BL_WINDOW_1D, "utc", DAYS40);
	assert_int_equal(c.n, (RECENT + 1) * 360);
	c = kit_cell(k, "c-days", BL_WINDOW_1D, "utc", DAYS40);
	assert_int_equal(c.n, (RECENT + 1) * 360);
}

/* Samples are kept for a shorter time than hours: an hour made of what is left would be wrong. */
static void
windows_whose_samples_may_have_gone_are_closed(void **state)
{
	struct kit *k = *state;
	struct kpi_forget_opts o = opts_of(k);
	struct kit_cell before, after;

	o.keep.raw_ms = 35 * KIT_DAY;
	o.keep.minutes_ms = 0;
	(void)forget(k, &o);
	assert_int_equal(old_rows(k, "kpi_cell", "1"), (OLD - 1) * 60);
	before = kit_cell(k, "b-hours", BL_WINDOW_1H, "utc", KIT_T0);
	k->batch[0].here = false; /* retention took it */
	kit_redo(k, "d1", HOST, KIT_T0, KIT_T0 + KIT_HOUR);
	after = kit_cell(k, "b-hours", BL_WINDOW_1H, "utc", KIT_T0);
	assert_true(after.there && after.n == before.n && before.n == 360);
}

static void
a_longer_retention_opens_nothing_again(void **state)
{
	struct kit *k = *state;
	struct kpi_forget_opts o = opts_of(k);
	struct kpi_closed closed;
	struct bl_err err = { 0 };

	(void)forget(k, &o);
	o.keep.minutes_ms = 300 * KIT_DAY;
	(void)forget(k, &o);
	assert_int_equal(kpi_closed_load(k->db, &closed, &err), BL_OK);
	assert_int_equal(closed.minutes_unix_ms, KIT_T0 + 6 * KIT_DAY);
	kit_redo(k, "d1", HOST, KIT_T0, KIT_T0 + KIT_HOUR);
	assert_int_equal(old_rows(k, "kpi_cell", "1"), 0);
}

static void
each_kind_of_row_is_closed_by_what_it_is_made_of(void **state)
{
	static const struct {
		struct kpi_closed c;
		int window;
		enum bl_stream stream;
		int64_t want;
	} cases[] = {
		{ { INT64_MIN, INT64_MIN, INT64_MIN }, BL_WINDOW_1M, HOST, INT64_MIN },
		{ { INT64_MIN, 0, INT64_MIN }, BL_WINDOW_1M, HOST, 8 * KIT_HOUR },
		{ { INT64_MIN, 0, INT64_MIN }, BL_WINDOW_5M, HOST, 8 * KIT_HOUR },
		{ { INT64_MIN, 0, INT64_MIN }, BL_WINDOW_1H, HOST, INT64_MIN },
		{ { INT64_MIN, 0, INT64_MIN }, BL_WINDOW_1D, HOST, INT64_MIN },
		{ { INT64_MIN, 0, 0 }, BL_WINDOW_1H, HOST, 72 * KIT_HOUR },
		{ { 0, INT64_MIN, INT64_MIN }, BL_WINDOW_1H, HOST, 26 * KIT_HOUR },
		{ { 0, INT64_MIN, INT64_MIN }, BL_WINDOW_1H, BL_STREAM_EVENTS, INT64_MIN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    kpi_closed_at(&cases[i].c, cases[i].window, cases[i].stream), cases[i].want);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(minutes_go_then_hours_and_days_stay),
		TEST(revisions_go_with_their_cells),
		TEST(slices_take_the_same_away),
		TEST(provisional_cells_keep_what_is_later),
		TEST(what_is_not_worked_out_yet_keeps_what_is_later),
		TEST(what_somebody_needs_stays_at_that_site),
		TEST(what_comes_later_still_leaves_closed_windows_alone),
		TEST(what_is_open_is_worked_out_as_ever),
		TEST(windows_whose_samples_may_have_gone_are_closed),
		TEST(a_longer_retention_opens_nothing_again),
		TEST(each_kind_of_row_is_closed_by_what_it_is_made_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
