/* A KPI's values, and how sure it is of them: functions, sources, coverage, service, calendars. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_sql.h"
#include "kpi_kit.h"

#define HOST  BL_STREAM_HOST
#define PROBE BL_STREAM_PROBES
#define GAUGE BL_GAUGE

static int
setup(void **state)
{
	struct kit *k = malloc(sizeof(*k));

	if (k == NULL)
		return -1;
	kit_open(k);
	kit_site(k, "berlin", "Europe/Berlin");
	kit_site(k, "shanghai", "Asia/Shanghai");
	kit_site(k, "utc", "UTC");
	*state = k;
	return 0;
}

static int
teardown(void **state)
{
	kit_close(*state);
	free(*state);
	return 0;
}

/* One device at "utc" with series m every 10 s; a batch of the first minute. */
static struct kit_batch *
one_minute(struct kit *k)
{
	struct kit_batch *b;

	kit_service(k, "d1", "utc", KIT_T0, 0);
	kit_roster(k);
	b = kit_batch(k, "d1", HOST, KIT_T0, KIT_T0 + KIT_MINUTE);
	kit_ramp(k, b, kit_series(k, "d1", "m", "{}", GAUGE, HOST, 10000), 10000);
	return b;
}

static void
set_text(char *to, size_t size, const char *text)
{
	(void)snprintf(to, size, "%s", text);
}

/* ---- functions and sources ---- */

static void
each_function_of_a_series_gives_its_value(void **state)
{
	static const struct {
		enum bl_function f;
		const char *condition;
		double quantile, want, slack;
	} cases[] = {
		{ BL_FN_MEAN, "", 0, 3.5, 0 },
		{ BL_FN_COUNT, "", 0, 6, 0 },
		{ BL_FN_SUM, "", 0, 21, 0 },
		{ BL_FN_MIN, "", 0, 1, 0 },
		{ BL_FN_MAX, "", 0, 6, 0 },
		{ BL_FN_SHARE, "value > 4", 0, 100.0 / 3, 1e-12 },
		/* Unknown for the even ones: not counted at all. */
		{ BL_FN_SHARE, "if(value % 2 = 0, null, value > 4)", 0, 100.0 / 3, 1e-12 },
		{ BL_FN_SHARE, "value > 4 and device = \"d1\"", 0, 100.0 / 3, 1e-12 },
		{ BL_FN_PERCENTILE, "", 1.0, 6, 0.06 },
		{ BL_FN_PERCENTILE, "", 0.5, 3, 0.6 },
	};
	struct kit *k = *state;
	struct kit_batch *b = one_minute(k);
	char id[16];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct define_kpi *v;

		(void)snprintf(id, sizeof(id), "k%02zu", i);
		v = kit_kpi(k, id, 0);
		v->function = cases[i].f;
		v->quantile = cases[i].quantile;
		set_text(v->condition_text, sizeof(v->condition_text), cases[i].condition);
	}
	kit_compile(k);
	kit_arrive(k, b);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kit_cell c;

		(void)snprintf(id, sizeof(id), "k%02zu", i);
		c = kit_cell(k, id, BL_WINDOW_1M, "utc", KIT_T0);
		assert_true(c.there && c.known && c.ready);
		if (c.value < cases[i].want - cases[i].slack ||
		    c.value > cases[i].want + cases[i].slack)
			fail_msg("%s: %.17g, not %.17g", id, c.value, cases[i].want);
		assert_int_equal(c.state, KPI_FINAL);
	}
	assert_int_equal(k->reads, 1); /* one walk for all of them */
}

static void
one_read_of_the_day_serves_every_larger_window(void **state)
{
	static const struct {
		enum bl_window w;
		int64_t len;
	} windows[] = {
		{ BL_WINDOW_1M, KIT_MINUTE },
		{ BL_WINDOW_5M, 5 * KIT_MINUTE },
		{ BL_WINDOW_1H, KIT_HOUR },
		{ BL_WINDOW_1D, KIT_DAY },
	};
	struct kit *k = *state;
	struct kit_batch *b = one_minute(k);

	(void)kit_kpi(k, "k", 0);
	kit_arrive(k, b);
	for (size_t i = 0; i < 4; i++) {
		const struct kit_cell c = kit_cell(k, "k", windows[i].w, "utc", KIT_T0);

		assert_true(c.there && c.known);
		assert_true(c.value == 3.5);
		assert_int_equal(c.end, KIT_T0 + windows[i].len);
		assert_true(c.completeness == (double)KIT_MINUTE / (double)windows[i].len);
		assert_int_equal(c.ready, i == 0);
	}
}

static void
labels_choose_series_and_a_new_one_is_noticed(void **state)
{
	struct kit *k = *state;
	struct kit_batch *b = one_minute(k), *more;
	struct define_kpi *v = kit_kpi(k, "k", 0);
	int64_t s;

	set_text(v->where_text, sizeof(v->where_text), "mode = \"user\" and device = \"d1\"");
	v->function = BL_FN_COUNT;
	kit_compile(k);
	kit_arrive(k, b);
	assert_int_equal(kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0).n, 0);
	assert_true(kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0).value == 0);

	more = kit_batch(k, "d1", HOST, KIT_T0 + KIT_MINUTE, KIT_T0 + 2 * KIT_MINUTE);
	s = kit_series(k, "d1", "m", "{\"mode\":\"user\"}", GAUGE, HOST, 10000);
	kit_ramp(k, more, s, 20000);
	kit_ramp(k, more, 1, 10000);
	kit_arrive(k, more);
	assert_int_equal(kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0 + KIT_MINUTE).n, 3);

	/* Another question about the same series: nothing old is remembered. */
	set_text(v->where_text, sizeof(v->where_text), "mode = \"idle\"");
	kit_compile(k);
	kit_arrive(k, more);
	assert_int_equal(kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0 + KIT_MINUTE).n, 0);
}

static void
a_probe_is_chosen_by_its_label(void **state)
{
	struct kit *k = *state;
	struct kit_batch *b;
	struct define_kpi *v;

	kit_service(k, "d1", "utc", KIT_T0, 0);
	kit_roster(k);
	b = kit_batch(k, "d1", PROBE, KIT_T0, KIT_T0 + KIT_MINUTE);
	kit_ramp(k, b, kit_series(k, "d1", "probe_up", "{\"probe\":\"api\"}", GAUGE, PROBE, 10000),
	    10000);
	kit_ramp(k, b, kit_series(k, "d1", "probe_up", "{\"probe\":\"web\"}", GAUGE, PROBE, 30000),
	    30000);
	for (int i = 0; i < 2; i++) {
		v = kit_kpi(k, i == 0 ? "all" : "web", 0);
		v->source = DEFINE_PROBE;
		v->stream = PROBE;
		v->function = BL_FN_COUNT;
		set_text(v->metric, sizeof(v->metric), "probe_up");
		set_text(v->probe, sizeof(v->probe), i == 0 ? "" : "web");
	}
	kit_arrive(k, b);
	assert_int_equal(kit_cell(k, "all", BL_WINDOW_1M, "utc", KIT_T0).n, 8);
	assert_int_equal(kit_cell(k, "web", BL_WINDOW_1M, "utc", KIT_T0).n, 2);
}

static void
unknown_samples_are_covered_time_without_values(void **state)
{
	struct kit *k = *state;
	struct kit_batch *b;
	struct kit_cell c;
	const int64_t s = kit_series(k, "d1", "m", "{}", GAUGE, HOST, 10000);

	kit_service(k, "d1", "utc", KIT_T0, 0);
	kit_roster(k);
	(void)kit_kpi(k, "k", 0);
	b = kit_batch(k, "d1", HOST, KIT_T0, KIT_T0 + 2 * KIT_MINUTE);
	kit_unknown(k, b, s, KIT_T0);
	kit_sample(k, b, s, KIT_T0 + 10000, 7);
	kit_unknown(k, b, s, KIT_T0 + KIT_MINUTE);
	kit_arrive(k, b);
	c = kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0);
	assert_true(c.ready && c.known && c.n == 1 && c.value == 7);
	c = kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0 + KIT_MINUTE);
	assert_true(c.ready && !c.known && c.n == 0);
	assert_int_equal(c.state, KPI_FINAL);
}

/* ---- counters ---- */

static void
a_rate_spans_batches_resets_and_no_boots(void **state)
{
	struct kit *k = *state;
	struct kit_batch *b[4];
	struct define_kpi *v = kit_kpi(k, "k", 0);
	const int64_t s = kit_series(k, "d1", "m", "{}", BL_COUNTER, HOST, 10000);
	/* each batch a minute; values at :00 :20 :40 */
	static const double value[4][3] = { { 100, 110, 120 }, { 130, 5, 10 }, { 1, 2, 3 },
		{ 7, 8, 9 } };
	/* 20; 10 + 5 (reset) + 5; a new boot: 1 + 1; 4 + 1 + 1 */
	static const double increase[4] = { 20, 20, 2, 6 };
	static const double seconds[4] = { 40, 60, 40, 60 };

	v->function = BL_FN_RATE;
	kit_service(k, "d1", "utc", KIT_T0, 0);
	kit_roster(k);
	for (int i = 0; i < 4; i++) {
		b[i] = kit_batch(
		    k, "d1", HOST, KIT_T0 + i * KIT_MINUTE, KIT_T0 + (i + 1) * KIT_MINUTE);
		b[i]->boot = i < 2 ? 1 : 2;
		for (int n = 0; n < 3; n++)
			kit_sample(k, b[i], s, b[i]->begin + n * 20000, value[i][n]);
	}
	/* The one before a window comes last: the window after it is worked out again. */
	kit_arrive(k, b[1]);
	kit_arrive(k, b[3]);
	kit_arrive(k, b[2]);
	kit_arrive(k, b[0]);
	for (int i = 0; i < 4; i++) {
		const struct kit_cell c =
		    kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0 + i * KIT_MINUTE);

		assert_true(c.there && c.known);
		if (c.value < increase[i] / seconds[i] - 1e-12 ||
		    c.value > increase[i] / seconds[i] + 1e-12)
			fail_msg("minute %d: %.17g", i, c.value);
	}
	/* Windows that nothing has been delivered of have no cell, though a rate reaches there. */
	assert_false(kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0 + 4 * KIT_MINUTE).there);
}

static void
a_rate_of_a_gauge_or_over_a_long_pause_is_unknown(void **state)
{
	struct kit *k = *state;
	struct kit_batch *b;
	struct define_kpi *v = kit_kpi(k, "gauge", 0);
	const int64_t g = kit_series(k, "d1", "g", "{}", GAUGE, HOST, 10000);
	const int64_t s = kit_series(k, "d1", "m", "{}", BL_COUNTER, HOST, 10000);

	v->function = BL_FN_RATE;
	set_text(v->metric, sizeof(v->metric), "g");
	v = kit_kpi(k, "pause", 0);
	v->function = BL_FN_RATE;
	v->resolution = BL_WINDOW_5M;
	kit_service(k, "d1", "utc", KIT_T0, 0);
	kit_roster(k);
	b = kit_batch(k, "d1", HOST, KIT_T0, KIT_T0 + 5 * KIT_MINUTE);
	kit_ramp(k, b, g, 10000);
	kit_sample(k, b, s, KIT_T0, 1);
	kit_sample(k, b, s, KIT_T0 + 60001, 100); /* more than 5 intervals, and than a minute */
	kit_arrive(k, b);
	assert_false(kit_cell(k, "gauge", BL_WINDOW_5M, "utc", KIT_T0).known);
	assert_false(kit_cell(k, "pause", BL_WINDOW_5M, "utc", KIT_T0).known);
	assert_true(kit_cell(k, "pause", BL_WINDOW_5M, "utc", KIT_T0).ready);
}

/* ---- completeness ---- */

static void
a_cell_is_ready_when_every_device_in_service_is_in(void **state)
{
	struct kit *k = *state;
	struct kit_batch *b1 = one_minute(k), *b2;
	struct kit_cell c;

	kit_service(k, "d2", "utc", KIT_T0, 0);
	kit_service(k, "d3", "utc", KIT_T0 - KIT_DAY, KIT_T0); /* no more */
	kit_roster(k);
	(void)kit_kpi(k, "k", 0);
	kit_arrive(k, b1);
	c = kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0);
	assert_true(c.known && c.value == 3.5 && c.completeness == 0.5);
	assert_true(!c.ready && c.state == KPI_PROVISIONAL);

	b2 = kit_batch(k, "d2", HOST, KIT_T0, KIT_T0 + KIT_MINUTE / 2);
	kit_arrive(k, b2); /* no series of this KPI: covered, no values */
	c = kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0);
	assert_true(c.value == 3.5 && c.completeness == 0.75 && !c.ready);

	b2 = kit_batch(k, "d2", HOST, KIT_T0 + KIT_MINUTE / 2, KIT_T0 + KIT_MINUTE);
	kit_sample(k, b2, kit_series(k, "d2", "m", "{}", GAUGE, HOST, 10000), KIT_T0 + 40000, 38.5);
	kit_arrive(k, b2);
	c = kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0);
	assert_true(c.value == 8.5 && c.completeness == 1 && c.ready && c.n == 7);
	assert_int_equal(c.state, KPI_FINAL);
	assert_int_equal(k->changes.n, 4);
	assert_int_equal(c.revisions, 0);
}

static void
what_the_ledger_gives_up_makes_it_final_and_incomplete(void **state)
{
	struct kit *k = *state;
	struct kit_batch *b1 = one_minute(k), *b2;
	struct kit_cell c;

	(void)kit_kpi(k, "k", 0);
	b1->end -= 20000;
	b2 = kit_batch(k, "d1", HOST, KIT_T0 + 40000, KIT_T0 + KIT_MINUTE);
	kit_sample(k, b2, 1, KIT_T0 + 45000, 10);
	kit_arrive(k, b1);
	assert_int_equal(kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0).state, KPI_PROVISIONAL);
	b2->gone = true;
	kit_redo(k, "d1", HOST, b2->begin, b2->end);
	c = kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0);
	assert_int_equal(c.state, KPI_FINAL_INCOMPLETE);
	assert_true(!c.ready && c.completeness == 2.0 / 3 && c.value == 3.5);
	assert_int_equal(kit_count(k, "SELECT gone_ms FROM kpi_part WHERE window = 1"), 20000);
	assert_int_equal(k->changes.n, 1);

	/* It comes after all: the value is revised, and what stood before is kept. */
	kit_arrive(k, b2);
	c = kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0);
	assert_true(c.ready && c.state == KPI_FINAL && c.revisions == 1 && c.n == 7);
	assert_int_equal(kit_count(k, "SELECT count(*) FROM kpi_revision WHERE n = 1 AND"
				      " value = 3.5 AND state = 2 AND why = 'data came' AND"
				      " revised_unix_ms > known_unix_ms"),
	    1);
}

static void
a_count_of_what_is_gone_is_unknown_not_zero(void **state)
{
	struct kit *k = *state;
	struct kit_batch *b1 = one_minute(k), *b2;
	struct kit_cell c;

	kit_kpi(k, "k", 0)->function = BL_FN_COUNT;
	b2 = kit_batch(k, "d1", HOST, KIT_T0 + KIT_MINUTE, KIT_T0 + 2 * KIT_MINUTE);
	b2->gone = true;
	kit_arrive(k, b1);
	kit_redo(k, "d1", HOST, b2->begin, b2->end);
	c = kit_cell(k, "k", BL_WINDOW_1M, "utc", b2->begin);
	assert_true(c.there && !c.known && c.completeness == 0);
	assert_int_equal(c.state, KPI_FINAL_INCOMPLETE);
	c = kit_cell(k, "k", BL_WINDOW_5M, "utc", KIT_T0);
	assert_true(c.known && c.value == 6);
}

/* The roster has overtaken the rows of one device; those of another one bring the cell up to date.
 */
static void
a_cell_expects_what_the_roster_says_now(void **state)
{
	struct kit *k = *state;
	struct kit_batch *b1 = one_minute(k);
	struct kit_cell c;

	(void)kit_kpi(k, "k", 0);
	kit_service(k, "d2", "utc", KIT_T0, 0);
	kit_roster(k);
	kit_arrive(k, b1);
	assert_int_equal(sqlite3_exec(k->db,
			     "UPDATE service SET to_unix_ms = from_unix_ms + 15000"
			     " WHERE device = 'd1'",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	kit_roster(k);
	kit_arrive(k, kit_batch(k, "d2", HOST, KIT_T0, KIT_T0 + KIT_MINUTE));
	c = kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0);
	assert_true(c.ready && c.completeness == 1 && c.n == 6);
	kit_redo(k, "d1", HOST, KIT_T0, KIT_T0 + KIT_MINUTE);
	c = kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0);
	assert_true(c.ready && c.n == 2 && c.value == 1.5 && c.revisions == 1);
	c = kit_cell(k, "k", BL_WINDOW_1D, "utc", KIT_T0);
	assert_true(c.completeness == 75000.0 / (15000 + (double)KIT_DAY));
}

static void
a_limit_ends_the_wait_and_late_data_revise(void **state)
{
	struct kit *k = *state;
	struct kit_batch *b1 = one_minute(k), *b2;
	struct kpi_changes changes = { 0 };
	struct bl_err err = { 0 };
	struct kit_cell c;
	int64_t end = KIT_T0 + KIT_MINUTE;

	(void)kit_kpi(k, "k", 0);
	kit_service(k, "d2", "utc", KIT_T0, 0);
	kit_roster(k);
	kit_arrive(k, b1);
	assert_int_equal(kpi_finalise(k->db, end + KPI_FINAL_AFTER_MS - 1, KPI_FINAL_AFTER_MS, 10,
			     &changes, &err),
	    0);
	assert_int_equal(
	    kpi_finalise(k->db, end + KPI_FINAL_AFTER_MS, KPI_FINAL_AFTER_MS, 10, &changes, &err),
	    1);
	assert_int_equal(changes.n, 1);
	assert_int_equal(changes.c[0].window, BL_WINDOW_1M);
	c = kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0);
	assert_true(c.state == KPI_FINAL_INCOMPLETE && c.completeness == 0.5);
	/* The rest, in slices. */
	end = KIT_T0 + KIT_DAY + KPI_FINAL_AFTER_MS;
	assert_int_equal(kpi_finalise(k->db, end, KPI_FINAL_AFTER_MS, 2, &changes, &err), 2);
	assert_int_equal(kpi_finalise(k->db, end, KPI_FINAL_AFTER_MS, 2, &changes, &err), 1);
	assert_int_equal(kpi_finalise(k->db, end, KPI_FINAL_AFTER_MS, 2, &changes, &err), 0);
	kpi_changes_free(&changes);

	/* A piece of what was missing: no going back to provisional. */
	b2 = kit_batch(k, "d2", HOST, KIT_T0, KIT_T0 + KIT_MINUTE / 2);
	kit_sample(k, b2, kit_series(k, "d2", "m", "{}", GAUGE, HOST, 10000), KIT_T0, 10.5);
	kit_arrive(k, b2);
	c = kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0);
	assert_true(c.state == KPI_FINAL_INCOMPLETE && c.completeness == 0.75);
	assert_true(c.value == 4.5 && c.revisions == 1);
}

static void
a_device_that_moved_counts_at_each_site_for_its_time(void **state)
{
	struct kit *k = *state;
	struct kit_batch *b;
	const int64_t moved = KIT_T0 + 20000, back = KIT_T0 + 50000;
	const int64_t s = kit_series(k, "d1", "m", "{}", GAUGE, HOST, 10000);
	struct kit_cell c;

	kit_service(k, "d1", "utc", KIT_T0, moved);
	kit_service(k, "d1", "berlin", moved, back);
	kit_service(k, "d1", "utc", back, 0);
	kit_roster(k);
	(void)kit_kpi(k, "k", 0);
	b = kit_batch(k, "d1", HOST, KIT_T0, KIT_T0 + KIT_MINUTE);
	kit_ramp(k, b, s, 10000); /* 1 2 | 3 4 5 | 6 */
	kit_arrive(k, b);
	c = kit_cell(k, "k", BL_WINDOW_1M, "utc", KIT_T0);
	assert_true(c.value == 3 && c.n == 3 && c.ready);
	assert_int_equal(kit_count(k, "SELECT expected_ms FROM kpi_part WHERE window = 1"
				      " AND site = 'utc'"),
	    30000);
	c = kit_cell(k, "k", BL_WINDOW_1M, "berlin", KIT_T0);
	assert_true(c.value == 4 && c.n == 3 && c.ready);
	/* A day at Berlin begins an hour earlier, and expects no more than was served there. */
	c = kit_cell(k, "k", BL_WINDOW_1D, "berlin", KIT_T0 - KIT_HOUR);
	assert_true(c.value == 4 && c.ready && c.state == KPI_FINAL);
	c = kit_cell(k, "k", BL_WINDOW_1D, "utc", KIT_T0);
	assert_true(c.value == 3 && !c.ready);
}

/* ---- calendars ---- */

static void
days_have_the_hours_that_the_zone_gives_them(void **state)
{
	static const struct {
		int64_t begin;
		int hours;
	} days[] = {
		{ INT64_C(1792879200000), 25 }, /* 2026-10-25, Berlin */
		{ INT64_C(1774738800000), 23 }, /* 2026-03-29 */
	};
	struct kit *k = *state;

	for (size_t i = 0; i < 2; i++) {
		const int64_t end = days[i].begin + days[i].hours * KIT_HOUR;
		const char *device = i == 0 ? "d1" : "d2";
		struct kit_batch *b;
		struct kit_cell c;

		kit_service(k, device, "berlin", days[i].begin, end + KIT_DAY);
		kit_roster(k);
		if (i == 0)
			kit_kpi(k, "day", 0)->resolution = BL_WINDOW_1D;
		if (i == 0)
			kit_kpi(k, "five", 0)->resolution = BL_WINDOW_5M;
		b = kit_batch(k, device, HOST, days[i].begin, end);
		kit_ramp(k, b, kit_series(k, device, "m", "{}", GAUGE, HOST, 60000), 60000);
		kit_arrive(k, b);
		for (int d = 0; d < 2; d++) {
			c = kit_cell(
			    k, d == 0 ? "day" : "five", BL_WINDOW_1D, "berlin", days[i].begin);
			assert_true(c.ready && c.state == KPI_FINAL);
			assert_int_equal(c.end, end);
			assert_int_equal(c.n, days[i].hours * 60);
			assert_true(c.value == (days[i].hours * 60 + 1) / 2.0);
		}
	}
	assert_int_equal(
	    kit_count(k, "SELECT count(*) FROM kpi_cell WHERE kpi = 'five' AND window = 3"
			 " AND ready = 1"),
	    48);
	/* Of a KPI by day there are days to be seen, and no other cells. */
	assert_int_equal(kit_count(k, "SELECT count(*) FROM kpi_cell WHERE kpi = 'day'"), 2);
}

/* ---- steps and cases ---- */

static void
add_case(struct kit *k, int no, const char *case_id, int64_t begin, int64_t end, const char *attrs)
{
	struct bl_err err = { 0 };

	if (control_sql_run(k->db, &err,
		"INSERT INTO case_head (id, site, process, case_id, begin_unix_ms, end_unix_ms,"
		" end_device, status, attrs, events)"
		" VALUES (?, 'utc', 'order', ?, ?, nullif(?, 0), 'd1', 'completed', ?, 2)",
		"itiit", (int64_t)no, case_id, begin, end, attrs) < 0)
		fail_msg("%s", err.msg);
}

static void
add_step(
    struct kit *k, int no, int n, const char *step, int64_t begin, int64_t end, const char *attrs)
{
	struct bl_err err = { 0 };

	if (control_sql_run(k->db, &err,
		"INSERT INTO case_step VALUES (?, ?, ?, ?, nullif(?, 0), 'd1', ?)", "iitiit",
		(int64_t)no, (int64_t)n, step, begin, end, attrs) < 0)
		fail_msg("%s", err.msg);
}

static struct define_kpi *
about_orders(struct kit *k, const char *id, enum define_source source, enum bl_function f)
{
	struct define_kpi *v = kit_kpi(k, id, 0);

	v->source = source;
	v->stream = BL_STREAM_EVENTS;
	v->function = f;
	set_text(v->process, sizeof(v->process), "order");
	return v;
}

static void
steps_and_cases_count_in_the_window_of_their_end(void **state)
{
	struct kit *k = *state;
	const int64_t m = KIT_MINUTE;
	struct define_kpi *v;
	struct kit_batch *b;
	struct kit_cell c;

	kit_service(k, "d1", "utc", KIT_T0, 0);
	kit_roster(k);
	(void)about_orders(k, "case-mean", DEFINE_CASE, BL_FN_MEAN);
	v = about_orders(k, "case-slow", DEFINE_CASE, BL_FN_SHARE);
	set_text(
	    v->condition_text, sizeof(v->condition_text), "value > 70s and status = \"completed\"");
	v = about_orders(k, "step-big", DEFINE_STEP, BL_FN_COUNT);
	set_text(v->where_text, sizeof(v->where_text), "amount > 100 and process = \"order\"");
	v = about_orders(k, "step-pick", DEFINE_STEP, BL_FN_MEAN);
	set_text(v->step, sizeof(v->step), "pick");
	v = about_orders(k, "step-slow", DEFINE_STEP, BL_FN_SHARE);
	set_text(v->condition_text, sizeof(v->condition_text), "value >= 30s and amount >= 0");
	kit_compile(k);

	/* Two cases end within the second minute, one is open. */
	add_case(k, 1, "a", KIT_T0, KIT_T0 + m + 20000, "{\"owner\":\"x\"}");
	add_step(k, 1, 1, "review", KIT_T0, KIT_T0 + 30000, "{\"amount\":50}");
	add_step(k, 1, 2, "pick", KIT_T0 + 30000, KIT_T0 + m + 20000, "{\"amount\":500}");
	add_case(k, 2, "b", KIT_T0 + 40000, KIT_T0 + m + 30000, "{}");
	add_step(k, 2, 1, "pick", KIT_T0 + m, KIT_T0 + m + 10000, "{\"amount\":101}");
	add_case(k, 3, "c", KIT_T0, 0, "{}");
	add_step(k, 3, 1, "pick", KIT_T0, 0, "{\"amount\":7000}");
	b = kit_batch(k, "d1", BL_STREAM_EVENTS, KIT_T0, KIT_T0 + 2 * m);
	kit_arrive(k, b);

	c = kit_cell(k, "case-mean", BL_WINDOW_1M, "utc", KIT_T0 + m);
	assert_true(c.ready && c.n == 2 && c.value == (80000 + 50000) / 2.0);
	assert_int_equal(kit_cell(k, "case-mean", BL_WINDOW_1M, "utc", KIT_T0).n, 0);
	c = kit_cell(k, "case-slow", BL_WINDOW_1M, "utc", KIT_T0 + m);
	assert_true(c.value == 50);
	assert_int_equal(kit_cell(k, "step-big", BL_WINDOW_1M, "utc", KIT_T0).n, 0);
	assert_int_equal(kit_cell(k, "step-big", BL_WINDOW_1M, "utc", KIT_T0 + m).n, 2);
	c = kit_cell(k, "step-pick", BL_WINDOW_1M, "utc", KIT_T0 + m);
	assert_true(c.n == 2 && c.value == (50000 + 10000) / 2.0);
	c = kit_cell(k, "step-slow", BL_WINDOW_5M, "utc", KIT_T0);
	assert_int_equal(c.n, 3);
	assert_true(c.value > 66.6 && c.value < 66.7);
}

/* ---- reading ---- */

static bool
count_part(void *ctx, const struct kpi_part_row *p)
{
	char *text = ctx;

	(void)snprintf(text + strlen(text), 256 - strlen(text), "%s %lld/%lld %s%g n%lld;",
	    p->device, (long long)p->covered_ms, (long long)p->expected_ms, p->known ? "" : "?",
	    p->value, (long long)p->n);
	return true;
}

static bool
note_cell(void *ctx, const struct kpi_cell *c)
{
	char *text = ctx;

	(void)snprintf(text + strlen(text), 256 - strlen(text), "%s+%lld ", c->site,
	    (long long)((c->begin_unix_ms - KIT_T0) / KIT_MINUTE));
	return true;
}

static bool
stop_at_once(void *ctx, const struct kpi_cell *c)
{
	++*(int *)ctx;
	return c == NULL;
}

static void
readers_say_who_is_missing_and_what_is_newest(void **state)
{
	struct kit *k = *state;
	struct kit_batch *b = one_minute(k);
	struct bl_err err = { 0 };
	char text[256] = "";
	int n = 0;

	(void)kit_kpi(k, "k", 0);
	kit_service(k, "d0", "utc", KIT_T0 + 30000, 0);
	kit_service(k, "e1", "shanghai", KIT_T0, 0);
	kit_roster(k);
	kit_arrive(k, b);
	b = kit_batch(k, "e1", HOST, KIT_T0, KIT_T0 + 2 * KIT_MINUTE);
	kit_arrive(k, b);
	assert_int_equal(
	    kpi_parts(k->db, &k->set, "k", BL_WINDOW_1M, "utc", KIT_T0, count_part, text, &err),
	    BL_OK);
	assert_string_equal(text, "d0 0/30000 ?0 n0;d1 60000/60000 3.5 n6;");
	text[0] = '\0';
	assert_int_equal(
	    kpi_parts(k->db, &k->set, "k", BL_WINDOW_1M, "utc", 0, count_part, text, &err), BL_OK);
	assert_int_equal(kpi_latest(k->db, "k", BL_WINDOW_1M, note_cell, text, &err), BL_OK);
	assert_string_equal(text, "shanghai+1 ");
	text[0] = '\0';
	assert_int_equal(kpi_cells(k->db, "k", BL_WINDOW_1M, NULL, KIT_T0 + 59999,
			     KIT_T0 + KIT_MINUTE + 1, 10, note_cell, text, &err),
	    BL_OK);
	assert_string_equal(text, "shanghai+0 shanghai+1 utc+0 ");
	text[0] = '\0';
	assert_int_equal(kpi_cells(k->db, "k", BL_WINDOW_1M, NULL, KIT_T0, KIT_T0 + KIT_DAY, 2,
			     note_cell, text, &err),
	    BL_OK);
	assert_string_equal(text, "shanghai+0 shanghai+1 ");
	assert_int_equal(kpi_cells(k->db, "k", BL_WINDOW_1M, NULL, KIT_T0, KIT_T0 + KIT_DAY, 9,
			     stop_at_once, &n, &err),
	    BL_OK);
	assert_int_equal(n, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    each_function_of_a_series_gives_its_value, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    one_read_of_the_day_serves_every_larger_window, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    labels_choose_series_and_a_new_one_is_noticed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_probe_is_chosen_by_its_label, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    unknown_samples_are_covered_time_without_values, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_rate_spans_batches_resets_and_no_boots, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_rate_of_a_gauge_or_over_a_long_pause_is_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_cell_is_ready_when_every_device_in_service_is_in, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_the_ledger_gives_up_makes_it_final_and_incomplete, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_count_of_what_is_gone_is_unknown_not_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_cell_expects_what_the_roster_says_now, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_limit_ends_the_wait_and_late_data_revise, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_device_that_moved_counts_at_each_site_for_its_time, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    days_have_the_hours_that_the_zone_gives_them, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    steps_and_cases_count_in_the_window_of_their_end, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    readers_say_who_is_missing_and_what_is_newest, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
