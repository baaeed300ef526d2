/*
 * What comes late, twice, or after people have changed their minds: the same rows in the
 * end, and no more of them touched than there must be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "kpi_kit.h"

#define HOST   BL_STREAM_HOST
#define PIECE  (10 * KIT_MINUTE) /* a batch */
#define PIECES 72                /* half a day */

static uint64_t
next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* ---- a history ---- */

static void
define_all(struct kit *k)
{
	struct define_kpi *v;

	kit_kpi(k, "a-mean", 0);
	v = kit_kpi(k, "b-rate", 0);
	v->function = BL_FN_RATE;
	v->resolution = BL_WINDOW_5M;
	(void)snprintf(v->metric, sizeof(v->metric), "c");
	v = kit_kpi(k, "c-p90", 0);
	v->function = BL_FN_PERCENTILE;
	v->quantile = 0.9;
	v->resolution = BL_WINDOW_5M;
	v = kit_kpi(k, "d-share", 0);
	v->function = BL_FN_SHARE;
	v->resolution = BL_WINDOW_1D;
	(void)snprintf(v->condition_text, sizeof(v->condition_text), "value > 0.5");
	/* Another question from 05:17 on. */
	v = kit_kpi(k, "d-share", KIT_T0 + 5 * KIT_HOUR + 17 * KIT_MINUTE);
	v->resolution = BL_WINDOW_1M;
	(void)snprintf(v->condition_text, sizeof(v->condition_text), "value > 0.9");
	kit_compile(k);
}

static void
fill_batch(
    struct kit *k, struct kit_batch *b, int64_t gauge, int64_t counter, uint64_t *x, double *count)
{
	for (int64_t t = b->begin; t < b->end; t += 30000) {
		const double v = (double)(next_random(x) >> 11) * 0x1p-53;

		if (next_random(x) % 16 == 0)
			kit_unknown(k, b, gauge, t);
		else
			kit_sample(k, b, gauge, t, v * 1e3 - 1e2 * v * v);
		if (next_random(x) % 64 == 0)
			*count = 0;
		kit_sample(k, b, counter, t + 7, *count += v);
	}
}

/* Four devices at two sites, one of which moves; some batches will never come. */
static void
make_history(struct kit *k)
{
	static const char *const device[] = { "d1", "d2", "d3", "d4" };
	uint64_t x = 88172645463325252u;

	kit_site(k, "berlin", "Europe/Berlin");
	kit_site(k, "india", "Asia/Kolkata");
	kit_service(k, "d1", "berlin", KIT_T0 - KIT_DAY, 0);
	kit_service(k, "d2", "berlin", KIT_T0 + 90000, 0);
	kit_service(k, "d3", "india", KIT_T0, 0);
	kit_service(k, "d4", "india", KIT_T0, KIT_T0 + 3 * KIT_HOUR + 123456);
	kit_service(k, "d4", "berlin", KIT_T0 + 3 * KIT_HOUR + 123456, 0);
	kit_roster(k);
	define_all(k);
	for (int d = 0; d < 4; d++) {
		const int64_t gauge = kit_series(k, device[d], "m", "{}", BL_GAUGE, HOST, 30000);
		const int64_t counter =
		    kit_series(k, device[d], "c", "{}", BL_COUNTER, HOST, 30000);
		double count = 0;

		for (int i = 0; i < PIECES; i++) {
			struct kit_batch *b = kit_batch(
			    k, device[d], HOST, KIT_T0 + i * PIECE, KIT_T0 + (i + 1) * PIECE);

			b->boot = i / 20;
			b->gone = next_random(&x) % 12 == 0;
			fill_batch(k, b, gauge, counter, &x, &count);
		}
	}
}

/* The order of arrival: live (seed 0), or torn: shuffled within up to a day, some doubled. */
static void
play(struct kit *k, uint64_t seed)
{
	const size_t n = k->n_batches;
	size_t *order = malloc(n * sizeof(*order));

	assert_non_null(order);
	for (size_t i = 0; i < n; i++)
		order[i] = (i % 4) * PIECES + i / 4;
	for (size_t i = n; seed != 0 && i > 1; i--) {
		const size_t at = next_random(&seed) % i, swap = order[at];

		order[at] = order[i - 1];
		order[i - 1] = swap;
	}
	for (size_t i = 0; i < n; i++) {
		struct kit_batch *b = &k->batch[order[i]];

		if (b->gone)
			kit_redo(k, b->device, b->stream, b->begin, b->end);
		else
			kit_arrive(k, b);
		if (seed != 0 && next_random(&seed) % 8 == 0)
			kit_redo(k, b->device, b->stream, b->begin - 3 * KIT_HOUR, b->end);
	}
	free(order);
}

static char *
result_of(uint64_t seed)
{
	struct kit k;
	char *text;

	kit_open(&k);
	make_history(&k);
	play(&k, seed);
	text = kit_dump(&k);
	kit_close(&k);
	return text;
}

static void
the_order_of_arrival_does_not_show_in_a_byte(void **state)
{
	char *live = result_of(0);

	(void)state;
	assert_non_null(strstr(live, "cell a-mean 4 berlin"));
	assert_non_null(strstr(live, "cell b-rate 3 india"));
	assert_non_null(strstr(live, "cell c-p90 2 berlin"));
	assert_non_null(strstr(live, "cell d-share 4 india"));
	for (uint64_t seed = rounds(4, 40); seed > 0; seed--) {
		char *torn = result_of(seed * 0x9e3779b97f4a7c15u);

		if (strcmp(live, torn) != 0)
			fail_msg("seed %llu differs", (unsigned long long)seed);
		free(torn);
	}
	free(live);
}

/* ---- how much is touched ---- */

static void
open_one_site(struct kit *k)
{
	kit_open(k);
	kit_site(k, "utc", "UTC");
	kit_service(k, "d1", "utc", KIT_T0 - KIT_DAY, 0);
	kit_service(k, "d2", "utc", KIT_T0 - KIT_DAY, 0);
	kit_roster(k);
}

static struct kit_batch *
ramp_of(struct kit *k, const char *device, int64_t series, int64_t begin, int64_t end)
{
	struct kit_batch *b = kit_batch(k, device, HOST, begin, end);

	kit_ramp(k, b, series, 10000);
	return b;
}

static void
a_late_batch_touches_its_windows_and_their_parents_only(void **state)
{
	struct kit k;
	struct kit_batch *late;
	int64_t s, before;

	(void)state;
	open_one_site(&k);
	kit_kpi(&k, "k", 0);
	s = kit_series(&k, "d1", "m", "{}", BL_GAUGE, HOST, 10000);
	kit_arrive(&k, ramp_of(&k, "d1", s, KIT_T0 - KIT_DAY, KIT_T0 - 13 * KIT_HOUR));
	kit_arrive(&k, ramp_of(&k, "d1", s, KIT_T0 - 12 * KIT_HOUR, KIT_T0));
	late = ramp_of(&k, "d1", s, KIT_T0 - 12 * KIT_HOUR - 10 * KIT_MINUTE,
	    KIT_T0 - 12 * KIT_HOUR - 8 * KIT_MINUTE);

	before = sqlite3_total_changes(k.db);
	kit_arrive(&k, late);
	/* Two minutes, their 5 min, hour and day: five parts and five cells. */
	assert_int_equal(sqlite3_total_changes(k.db) - before, 10);
	assert_int_equal(k.changes.n, 5);

	/* Again: nothing is new, nothing is written. */
	before = sqlite3_total_changes(k.db);
	kit_redo(&k, "d1", HOST, KIT_T0 - KIT_DAY, KIT_T0);
	assert_int_equal(sqlite3_total_changes(k.db) - before, 0);
	assert_int_equal(k.changes.n, 0);

	/* Another device fills up: its own parts, and the cells. */
	before = sqlite3_total_changes(k.db);
	kit_arrive(&k, kit_batch(&k, "d2", HOST, late->begin, late->end));
	assert_int_equal(sqlite3_total_changes(k.db) - before, 10);
	kit_close(&k);
}

static void
the_same_span_twice_in_one_work_is_stored_once(void **state)
{
	struct bl_err err = { 0 };
	struct kit_batch *b[2];
	struct kit k;
	int64_t s, done;

	(void)state;
	open_one_site(&k);
	kit_kpi(&k, "k", 0);
	s = kit_series(&k, "d1", "m", "{}", BL_GAUGE, HOST, 10000);
	b[0] = ramp_of(&k, "d1", s, KIT_T0, KIT_T0 + 30000);
	b[1] = ramp_of(&k, "d1", s, KIT_T0 + 30000, KIT_T0 + KIT_MINUTE);
	for (int i = 0; i < 2; i++) {
		b[i]->here = true;
		assert_int_equal(
		    kpi_compute(k.work, (struct store_read *)(void *)&k, k.db, &k.set, k.roster,
			"d1", HOST, b[i]->begin, b[i]->end, NULL, &done, &err),
		    BL_OK);
		assert_int_equal(done, b[i]->end);
	}
	assert_int_equal(kpi_store(k.work, k.db, &k.set, k.roster, 1, "", &k.changes, &err), BL_OK);
	assert_int_equal(kit_cell(&k, "k", BL_WINDOW_1M, "utc", KIT_T0).n, 6);
	assert_int_equal(kit_count(&k, "SELECT count(*) FROM kpi_part WHERE window = 1"), 1);
	assert_int_equal(k.changes.n, 4);
	kit_close(&k);
}

static void
work_is_bounded_and_says_how_far_it_got(void **state)
{
	const int64_t begin = KIT_T0 - KIT_DAY;
	struct bl_err err = { 0 };
	int64_t done = begin, before;
	struct kit k;
	int pieces = 0;
	char id[8];

	(void)state;
	open_one_site(&k);
	for (int i = 0; i < 20; i++) {
		(void)snprintf(id, sizeof(id), "k%02d", i);
		kit_kpi(&k, id, 0)->function = i % 2 ? BL_FN_PERCENTILE : BL_FN_MEAN;
	}
	/* Until it is full, then nothing more goes in. */
	do {
		before = done;
		assert_int_equal(kpi_compute(k.work, (struct store_read *)(void *)&k, k.db, &k.set,
				     k.roster, "d1", HOST, before, KIT_T0, NULL, &done, &err),
		    BL_OK);
		assert_true(done >= before && done < KIT_T0);
		pieces++;
	} while (done > before);
	assert_true(pieces > 1);
	kpi_work_reset(k.work);
	assert_int_equal(kpi_compute(k.work, (struct store_read *)(void *)&k, k.db, &k.set,
			     k.roster, "d1", HOST, done, KIT_T0, NULL, &done, &err),
	    BL_OK);
	assert_true(done > before);
	kit_close(&k);
}

/* ---- people change their minds ---- */

static void
a_version_with_another_meaning_leaves_out_what_was_before_it(void **state)
{
	const int64_t noon = KIT_T0 + 12 * KIT_HOUR, change = noon + 90000;
	struct kit k;
	struct kit_cell c;
	struct define_kpi *v;
	int64_t s;

	(void)state;
	open_one_site(&k);
	kit_service(&k, "d9", "utc", 1, 2); /* d2 is in service: take it away */
	assert_int_equal(
	    sqlite3_exec(k.db, "DELETE FROM service WHERE device = 'd2'", NULL, NULL, NULL),
	    SQLITE_OK);
	kit_roster(&k);
	kit_kpi(&k, "k", 0);
	v = kit_kpi(&k, "k", change);
	v->function = BL_FN_MAX;
	/* And then one that only has another name. */
	(void)snprintf(kit_kpi(&k, "k", noon + 6 * KIT_MINUTE)->head.name, 8, "other");
	s = kit_series(&k, "d1", "m", "{}", BL_GAUGE, HOST, 10000);
	kit_arrive(&k, ramp_of(&k, "d1", s, noon, noon + 10 * KIT_MINUTE));

	c = kit_cell(&k, "k", BL_WINDOW_1M, "utc", noon + KIT_MINUTE);
	assert_true(c.version == 1 && c.value == 9.5); /* the change is within this minute */
	c = kit_cell(&k, "k", BL_WINDOW_1M, "utc", noon + 2 * KIT_MINUTE);
	assert_true(c.version == 2 && c.value == 18);
	/* The 5 min began under the first: its two minutes, the rest is not covered. */
	c = kit_cell(&k, "k", BL_WINDOW_5M, "utc", noon);
	assert_true(c.version == 1 && c.value == 6.5 && c.completeness == 0.4 && !c.ready);
	/* These began under the second; the third asks the same. */
	c = kit_cell(&k, "k", BL_WINDOW_5M, "utc", noon + 5 * KIT_MINUTE);
	assert_true(c.version == 2 && c.value == 60 && c.ready);
	c = kit_cell(&k, "k", BL_WINDOW_1H, "utc", noon);
	assert_true(c.version == 1 && c.n == 12);
	kit_close(&k);
}

/* The day is asked whole by the version that it began under, though there is another since noon. */
static void
a_day_keeps_the_version_that_it_began_under(void **state)
{
	struct kit k;
	struct kit_cell c;
	struct define_kpi *v;
	int64_t s;

	(void)state;
	open_one_site(&k);
	assert_int_equal(
	    sqlite3_exec(k.db, "DELETE FROM service WHERE device = 'd2'", NULL, NULL, NULL),
	    SQLITE_OK);
	kit_roster(&k);
	kit_kpi(&k, "k", 0)->resolution = BL_WINDOW_1D;
	v = kit_kpi(&k, "k", KIT_T0 + KIT_DAY / 2 + 1);
	v->function = BL_FN_MAX;
	v->resolution = BL_WINDOW_1H;
	s = kit_series(&k, "d1", "m", "{}", BL_GAUGE, HOST, 10000);
	kit_arrive(&k, ramp_of(&k, "d1", s, KIT_T0, KIT_T0 + KIT_DAY / 2));
	kit_arrive(&k, ramp_of(&k, "d1", s, KIT_T0 + KIT_DAY / 2, KIT_T0 + KIT_DAY));
	c = kit_cell(&k, "k", BL_WINDOW_1D, "utc", KIT_T0);
	assert_true(c.version == 1 && c.ready && c.n == 8640 && c.value == 2160.5);
	assert_false(kit_cell(&k, "k", BL_WINDOW_1H, "utc", KIT_T0 + KIT_DAY / 2).there);
	c = kit_cell(&k, "k", BL_WINDOW_1H, "utc", KIT_T0 + 13 * KIT_HOUR);
	assert_true(c.version == 2 && c.ready && c.value == 720);
	kit_close(&k);
}

static void
what_is_switched_off_in_the_past_goes(void **state)
{
	struct kit k;
	int64_t s;

	(void)state;
	open_one_site(&k);
	kit_kpi(&k, "k", 0);
	s = kit_series(&k, "d1", "m", "{}", BL_GAUGE, HOST, 10000);
	kit_arrive(&k, ramp_of(&k, "d1", s, KIT_T0, KIT_T0 + 10 * KIT_MINUTE));
	assert_int_equal(kit_count(&k, "SELECT count(*) FROM kpi_cell"), 14);

	kit_kpi(&k, "k", KIT_T0 + 4 * KIT_MINUTE)->head.enabled = false;
	kit_redo(&k, "d1", HOST, KIT_T0, KIT_T0 + 10 * KIT_MINUTE);
	assert_int_equal(k.changes.n, 6 + 1 + 3); /* minutes, a 5 min; what lies above changed */
	assert_int_equal(kit_count(&k, "SELECT count(*) FROM kpi_cell WHERE window = 1"), 4);
	assert_int_equal(kit_count(&k, "SELECT count(*) FROM kpi_cell WHERE window = 2"), 1);
	assert_int_equal(kit_count(&k, "SELECT n FROM kpi_cell WHERE window = 4"), 24);

	/* Nothing comes back by another batch. */
	kit_arrive(&k, ramp_of(&k, "d1", s, KIT_T0 + 10 * KIT_MINUTE, KIT_T0 + 20 * KIT_MINUTE));
	assert_int_equal(kit_count(&k, "SELECT count(*) FROM kpi_part WHERE window = 1"), 4);
	kit_close(&k);
}

static void
redo_moved(struct kit *k, int64_t end)
{
	kit_roster(k);
	kpi_work_look_back(k->work, true);
	kit_redo(k, "d1", HOST, KIT_T0, end);
}

/* It turns out that the device had been moved hours ago, or never was at that site. */
static void
what_a_moved_device_gave_to_the_site_before_goes(void **state)
{
	const int64_t end = KIT_T0 + 8 * KIT_HOUR, moved = KIT_T0 + KIT_HOUR;
	struct kit k;
	int64_t s;

	(void)state;
	open_one_site(&k);
	kit_site(&k, "hanoi", "UTC");
	kit_kpi(&k, "k", 0);
	s = kit_series(&k, "d1", "m", "{}", BL_GAUGE, HOST, 10000);
	kit_arrive(&k, ramp_of(&k, "d1", s, KIT_T0, end));
	assert_int_equal(
	    kit_count(&k, "SELECT count(*) FROM kpi_cell WHERE window = 3 AND site = 'utc'"), 8);

	assert_int_equal(sqlite3_exec(k.db, "UPDATE service SET to_unix_ms = 1795827600000"
					    " WHERE device = 'd1'", NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(moved, 1795827600000);
	kit_service(&k, "d1", "hanoi", moved, 0);
	redo_moved(&k, end);
	assert_int_equal(
	    kit_count(&k, "SELECT count(*) FROM kpi_cell WHERE window = 3 AND site = 'utc'"), 1);
	assert_int_equal(kit_count(&k, "SELECT count(*) FROM kpi_part WHERE site = 'utc'"
				       " AND window = 1"), 60);
	assert_int_equal(
	    kit_count(&k, "SELECT count(*) FROM kpi_cell WHERE window = 3 AND site = 'hanoi'"), 7);

	assert_int_equal(
	    sqlite3_exec(k.db, "DELETE FROM service WHERE site = 'utc'", NULL, NULL, NULL),
	    SQLITE_OK);
	redo_moved(&k, end);
	assert_int_equal(kit_count(&k, "SELECT count(*) FROM kpi_part WHERE site = 'utc'"), 0);
	assert_int_equal(kit_count(&k, "SELECT count(*) FROM kpi_cell WHERE site = 'utc'"), 0);
	kit_close(&k);
}

static void
another_resolution_in_the_past_replaces_the_rows(void **state)
{
	static const enum bl_window other[] = { BL_WINDOW_5M, BL_WINDOW_1H, BL_WINDOW_1D };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct kit k, fresh;
		char *changed, *made;
		int64_t s;

		open_one_site(&k);
		kit_kpi(&k, "k", 0)->resolution = i == 1 ? BL_WINDOW_1D : BL_WINDOW_1M;
		s = kit_series(&k, "d1", "m", "{}", BL_GAUGE, HOST, 10000);
		kit_arrive(&k, ramp_of(&k, "d1", s, KIT_T0, KIT_T0 + 3 * KIT_HOUR));
		kit_kpi(&k, "k", KIT_T0 - KIT_DAY)->resolution = other[i];
		kit_redo(&k, "d1", HOST, KIT_T0, KIT_T0 + 3 * KIT_HOUR);
		changed = kit_dump(&k);

		/* The same as if it had been so from the beginning. */
		open_one_site(&fresh);
		kit_kpi(&fresh, "k", 0);
		kit_kpi(&fresh, "k", KIT_T0 - KIT_DAY)->resolution = other[i];
		s = kit_series(&fresh, "d1", "m", "{}", BL_GAUGE, HOST, 10000);
		kit_arrive(&fresh, ramp_of(&fresh, "d1", s, KIT_T0, KIT_T0 + 3 * KIT_HOUR));
		made = kit_dump(&fresh);
		assert_string_equal(changed, made);
		free(changed);
		free(made);
		kit_close(&k);
		kit_close(&fresh);
	}
}

static void
a_final_value_asked_anew_is_revised_once(void **state)
{
	struct kit k;
	struct kit_cell c;
	int64_t s;

	(void)state;
	open_one_site(&k);
	kit_kpi(&k, "k", 0);
	s = kit_series(&k, "d1", "m", "{}", BL_GAUGE, HOST, 10000);
	kit_arrive(&k, ramp_of(&k, "d1", s, KIT_T0, KIT_T0 + KIT_MINUTE));
	s = kit_series(&k, "d2", "m", "{}", BL_GAUGE, HOST, 10000);
	kit_arrive(&k, ramp_of(&k, "d2", s, KIT_T0, KIT_T0 + KIT_MINUTE));
	assert_int_equal(kit_cell(&k, "k", BL_WINDOW_1M, "utc", KIT_T0).state, KPI_FINAL);

	kit_kpi(&k, "k", KIT_T0 - 1)->function = BL_FN_SUM;
	kit_redo(&k, "d1", HOST, KIT_T0, KIT_T0 + KIT_MINUTE);
	c = kit_cell(&k, "k", BL_WINDOW_1M, "utc", KIT_T0);
	assert_true(c.state == KPI_PROVISIONAL && c.version == 2 && c.value == 21);
	kit_redo(&k, "d2", HOST, KIT_T0, KIT_T0 + KIT_MINUTE);
	c = kit_cell(&k, "k", BL_WINDOW_1M, "utc", KIT_T0);
	assert_true(c.state == KPI_FINAL && c.value == 42 && c.revisions == 1);
	assert_int_equal(
	    kit_count(&k, "SELECT count(*) FROM kpi_revision WHERE window = 1 AND value = 3.5"), 1);
	kit_close(&k);
}

static void
another_zone_moves_hours_and_days(void **state)
{
	static const char *const zones[] = { "Asia/Kolkata", "Europe/Berlin", "UTC" };
	const int64_t from = KIT_T0 - KIT_DAY;
	struct kit k;
	int64_t s;

	(void)state;
	open_one_site(&k);
	kit_kpi(&k, "day", 0)->resolution = BL_WINDOW_1D;
	kit_kpi(&k, "five", 0)->resolution = BL_WINDOW_5M;
	kit_kpi(&k, "hour", 0)->resolution = BL_WINDOW_1H;
	s = kit_series(&k, "d1", "m", "{}", BL_GAUGE, HOST, 10000);
	kit_arrive(&k, ramp_of(&k, "d1", s, from, KIT_T0));
	for (size_t i = 0; i < 3; i++) {
		char *changed, *made;
		char sql[64];

		(void)snprintf(sql, sizeof(sql), "UPDATE site SET zone = '%s'", zones[i]);
		assert_int_equal(sqlite3_exec(k.db, sql, NULL, NULL, NULL), SQLITE_OK);
		kit_roster(&k);
		/* Backwards, as a backlog is taken. */
		for (int64_t at = KIT_T0; at > from; at -= 3 * KIT_HOUR)
			kit_redo(&k, "d1", HOST, at - 3 * KIT_HOUR, at);
		changed = kit_dump(&k);
		assert_int_equal(sqlite3_exec(k.db, "DELETE FROM kpi_part; DELETE FROM kpi_cell",
				     NULL, NULL, NULL),
		    SQLITE_OK);
		kit_redo(&k, "d1", HOST, from, KIT_T0);
		made = kit_dump(&k);
		assert_string_equal(changed, made);
		free(changed);
		free(made);
	}
	kit_close(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_order_of_arrival_does_not_show_in_a_byte),
		cmocka_unit_test(a_late_batch_touches_its_windows_and_their_parents_only),
		cmocka_unit_test(the_same_span_twice_in_one_work_is_stored_once),
		cmocka_unit_test(work_is_bounded_and_says_how_far_it_got),
		cmocka_unit_test(a_version_with_another_meaning_leaves_out_what_was_before_it),
		cmocka_unit_test(a_day_keeps_the_version_that_it_began_under),
		cmocka_unit_test(what_is_switched_off_in_the_past_goes),
		cmocka_unit_test(what_a_moved_device_gave_to_the_site_before_goes),
		cmocka_unit_test(another_resolution_in_the_past_replaces_the_rows),
		cmocka_unit_test(a_final_value_asked_anew_is_revised_once),
		cmocka_unit_test(another_zone_moves_hours_and_days),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
