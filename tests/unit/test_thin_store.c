/*
 * Thinned batches at the centre: what a chart, a KPI and the ledger make of
 * them, compared with the same history sample by sample.
 */
#include "thin_store_kit.h"

/* The figures of [from, to) as the samples have them. */
static void
figures(int64_t from, int64_t to, double *min, double *max, double *mean)
{
	double sum = 0;

	*min = INFINITY;
	*max = -INFINITY;
	for (int64_t t = from; t < to; t += INTERVAL) {
		const double v = fixture_value(2, (uint64_t)(t / INTERVAL));

		*min = v < *min ? v : *min;
		*max = v > *max ? v : *max;
		sum += v;
	}
	*mean = sum / (double)((to - from) / INTERVAL);
}

static void
a_chart_has_the_mean_and_the_band_of_what_was_thinned(void **state)
{
	static const struct {
		int64_t window, from, to, step;
		/* Steps with samples: every so many-th, and so many each. */
		int64_t every;
		uint64_t n;
	} rows[] = {
		{ FIVE, 0, HOURS * HOUR, FIVE, 1, 30 },
		{ FIVE, 0, HOURS * HOUR, HOUR, 1, 360 },
		{ HOUR, 0, HOURS * HOUR, HOUR, 1, 360 },
		{ HOUR, 0, HOURS * HOUR, FIVE, 12, 360 }, /* filled up with the hour's */
		{ FIVE, HOUR, 2 * HOUR, MINUTE, 5, 30 },
		{ HOUR, HOUR + 7 * (int64_t)MINUTE, HOUR + 9 * (int64_t)MINUTE, MINUTE, 0, 0 },
	};

	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		const int64_t whole = rows[k].step > rows[k].window ? rows[k].step : rows[k].window;
		struct store_query_result *res;
		const struct store_query_series *s;
		struct fixture_batch b;
		struct ctx *c;

		(void)state;
		assert_int_equal(setup((void **)&c), 0);
		know_all(c, BL_GAUGE);
		b = thinned(c, rows[k].window);
		put_one(c, &b, STORE_NEW);
		res = ask(c, rows[k].from, rows[k].to, rows[k].step, false);
		s = &res->series[0];
		assert_non_null(s->thin);
		assert_int_equal(s->n_gaps, 0);
		for (size_t i = 0; i < res->n_steps; i++) {
			const int64_t at = rows[k].from + (int64_t)i * rows[k].step;
			const int64_t begin = at / whole * whole;
			double min, max, mean;

			figures(begin, begin + whole, &min, &max, &mean);
			assert_true(s->thin[i]);
			assert_int_equal(s->n[i],
			    rows[k].every > 0 && (int64_t)i % rows[k].every == rows[k].every - 1
				? rows[k].n
				: 0);
			assert_true(fabs(s->min[i] - min) < 1e-9);
			assert_true(fabs(s->max[i] - max) < 1e-9);
			/* Sent with two places more than the series has. */
			assert_true(fabs(s->mean[i] - mean) < 5.01e-4);
		}
		store_query_free(res);
		teardown((void **)&c);
	}
}

static void
plain_samples_beside_thinned_ones_stay_as_they_are(void **state)
{
	struct ctx *c = *state;
	struct fixture_batch b = thinned(c, FIVE), after = hour(c, HOURS);
	struct store_query_result *res;
	const struct store_query_series *s;

	know_all(c, BL_GAUGE);
	c->clock.unix_ms += HOUR;
	after.seq = HOURS + 2;
	put_one(c, &b, STORE_NEW);
	put_one(c, &after, STORE_NEW);
	res = ask(c, (HOURS - 1) * HOUR, (HOURS + 1) * HOUR, FIVE, false);
	s = &res->series[0];
	for (size_t i = 0; i < 24; i++) {
		double min, max, mean;
		const int64_t at = (HOURS - 1) * HOUR + (int64_t)i * FIVE;

		figures(at, at + FIVE, &min, &max, &mean);
		assert_int_equal(s->n[i], 30);
		assert_true(s->thin[i] == (i < 12));
		assert_true(fabs(s->mean[i] - mean) < (i < 12 ? 5.01e-4 : 1e-6));
		assert_true(fabs(s->min[i] - min) < 1e-9 && fabs(s->max[i] - max) < 1e-9);
	}
	store_query_free(res);
	res = ask(c, HOURS * HOUR, (HOURS + 1) * HOUR, FIVE, false);
	assert_null(res->series[0].thin);
	store_query_free(res);
}

/* ---- counters ---- */

static void
a_counter_grows_by_its_last_values(void **state)
{
	static const struct {
		const char *name;
		double before, value;
		struct bl_thin t;
		double increase;
	} rows[] = {
		{ "plain", 100, 130, { 130, 130, 1 }, 30 },
		{ "plain, reset", 100, 30, { 30, 30, 1 }, 30 },
		{ "stepped back a little", 1e9, 1e9 - 2, { 1e9 - 2, 1e9 - 2, 1 }, 0 },
		{ "by an eighth", 800, 700, { 700, 700, 1 }, 0 },
		{ "by more: a reset", 800, 699, { 699, 699, 1 }, 699 },
		{ "32 bits are full", 4294967290, 10, { 10, 10, 1 }, 10 },
		{ "0 stays 0", 0, 0, { 0, 0, 1 }, 0 },
		{ "thinned, stepped back within", 99.5, 103, { 98, 103, 30 }, 3.5 },
		{ "thinned, and still below", 100, 98, { 97, 99, 30 }, 0 },
		{ "thinned", 100, 130, { 101, 130, 30 }, 30 },
		{ "reset within, having come to 150", 100, 60, { 10, 150, 30 }, 110 },
		{ "reset at once", 100, 60, { 0, 60, 30 }, 60 },
		{ "reset, and beyond what it was", 100, 200, { 5, 200, 30 }, 200 },
		{ "nothing happened", 100, 100, { 100, 100, 30 }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const double got = bl_increase(rows[i].before, rows[i].value, &rows[i].t);

		if (fabs(got - rows[i].increase) > 1e-9)
			fail_msg("%s: %g", rows[i].name, got);
	}
}

static void
what_a_thinned_sample_spans_is_an_hour_at_most(void **state)
{
	static const struct {
		uint32_t count;
		int64_t interval, span;
	} rows[] = { { 0, 10000, 0 }, { 1, 10000, 0 }, { 2, 10000, 20000 }, { 30, 10000, 300000 },
		{ 360, 10000, HOUR }, { 361, 10000, HOUR }, { BL_THIN_COUNT_MAX, UINT32_MAX, HOUR },
		{ 30, 0, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(store_thin_span_ms(rows[i].count, rows[i].interval), rows[i].span);
}

static void
a_rate_of_thinned_samples_is_that_of_their_window(void **state)
{
	struct ctx *c = *state;
	struct fixture_batch b = thinned(c, FIVE);
	struct store_query_result *res;
	const struct store_query_series *s;

	b.counter = true;
	know_all(c, BL_COUNTER);
	put_one(c, &b, STORE_NEW);
	res = ask(c, 0, HOURS * HOUR, FIVE, true);
	s = &res->series[0];
	assert_int_equal(s->n[0], 0); /* nothing before the first */
	for (uint64_t i = 1; i < HOURS * 12; i++) {
		const double before = fixture_value(2, i * 30 - 1),
			     v = fixture_value(2, i * 30 + 29);
		double min, max, mean;
		struct bl_thin t = { .count = 30 };

		figures((int64_t)i * FIVE, (int64_t)(i + 1) * FIVE, &min, &max, &mean);
		t.min = min;
		t.max = max;
		assert_int_equal(s->n[i], 30);
		assert_true(fabs(s->mean[i] - bl_increase(before, v, &t) / 300) < 1e-9);
		assert_true(s->min[i] == s->max[i] && fabs(s->min[i] - s->mean[i]) < 1e-9);
	}
	store_query_free(res);
}

static void
the_log_says_what_each_sample_stands_for(void **state)
{
	struct ctx *c = *state;
	struct fixture_batch b = thinned(c, FIVE), after = hour(c, HOURS);
	struct seen x;

	know_all(c, BL_GAUGE);
	after.seq = HOURS + 2;
	put_one(c, &b, STORE_NEW);
	put_one(c, &after, STORE_NEW);
	x = log_of(c, 0, (HOURS + 1) * HOUR);
	assert_int_equal(x.thin, HOURS * 12);
	assert_int_equal(x.n, HOURS * 12 + 360);
	assert_int_equal(x.count, (HOURS + 1) * 360);
	x = log_of(c, HOUR, 2 * HOUR);
	assert_int_equal(x.count, 360);
}

/* The file was set back before it was thinned: what another id has sample by sample wins. */
static void
a_plain_sample_of_the_same_instant_wins(void **state)
{
	struct ctx *c = *state;
	struct fixture_batch plain = hour(c, 0), b;
	struct seen x;

	know_all(c, BL_GAUGE);
	put_one(c, &plain, STORE_NEW);
	c->spool = fixture_id(0x55);
	know_all(c, BL_GAUGE);
	b = thinned(c, FIVE);
	b.end_ms = 2 * HOUR;
	put_one(c, &b, STORE_NEW);
	x = log_of(c, 0, 2 * HOUR);
	assert_int_equal(x.n, 360 + 12);
	assert_int_equal(x.count, 720);
}

/* ---- what comes again, or late ---- */

static void
originals_that_come_late_change_nothing(void **state)
{
	struct ctx *c = *state;
	struct fixture_batch b = thinned(c, FIVE), late;
	struct seen before, after;

	know_all(c, BL_GAUGE);
	put_one(c, &b, STORE_NEW);
	before = log_of(c, 0, HOURS * HOUR);
	put_one(c, &b, STORE_DUPLICATE);
	for (uint64_t i = 0; i < HOURS; i++) {
		late = hour(c, i);
		put_one(c, &late, STORE_SUPERSEDED);
	}
	b.twist = 1; /* another content under the same seq */
	put_one(c, &b, STORE_CONFLICT);
	after = log_of(c, 0, HOURS * HOUR);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(totals(c).batches, 1);
	assert_int_equal(receipt(c).stream[2].contiguous, HOURS + 1);
}

/* The file's first page is overwritten; its rows are looked for one by one. */
static void
what_salvage_takes_over_supersedes_as_before(void **state)
{
	struct ctx *c = *state;
	struct fixture_batch b = thinned(c, FIVE), late = hour(c, 1);
	static const char rubbish[100] = "not a database any more";
	struct seen before, after;
	struct bl_err err = { 0 };
	FILE *f;

	know_all(c, BL_GAUGE);
	put_one(c, &b, STORE_NEW);
	before = log_of(c, 0, HOURS * HOUR);
	store_read_close(c->r);
	c->r = NULL;
	store_close(c->s);
	c->s = NULL;
	assert_non_null(f = fopen(c->path, "r+b"));
	assert_int_equal(fwrite(rubbish, sizeof(rubbish), 1, f), 1);
	assert_int_equal(fclose(f), 0);
	reopen(c, STORE_REPLACED);
	for (int n = 0; store_salvaging(c->s); n++) {
		assert_true(n < 1000);
		begin(c);
		must(store_salvage(c->s, 4, &err), &err);
		commit(c);
	}
	after = log_of(c, 0, HOURS * HOUR);
	assert_memory_equal(&before, &after, sizeof(before));
	put_one(c, &b, STORE_DUPLICATE);
	put_one(c, &late, STORE_SUPERSEDED);
	assert_int_equal(receipt(c).stream[2].contiguous, HOURS + 1);
	assert_int_equal(totals(c).batches, 1);
}

/* Parts of a split, and parts of a thinning, supersede the same: none is in the other's way. */
static void
several_parts_stand_for_the_same_originals(void **state)
{
	static const int64_t windows[] = { 0, FIVE };

	for (size_t k = 0; k < 2; k++) {
		struct fixture_batch part, late;
		struct ctx *c;

		(void)state;
		assert_int_equal(setup((void **)&c), 0);
		know_all(c, BL_GAUGE);
		for (uint64_t i = 0; i < HOURS; i++) {
			part = thinned(c, windows[k]);
			part.seq = HOURS + HOURS - i; /* the newest first */
			part.begin_ms = (int64_t)(HOURS - 1 - i) * HOUR;
			part.end_ms = part.begin_ms + HOUR;
			put_one(c, &part, STORE_NEW);
		}
		late = hour(c, 2);
		put_one(c, &late, STORE_SUPERSEDED);
		assert_int_equal(totals(c).batches, HOURS);
		assert_int_equal(receipt(c).stream[2].contiguous, 2 * HOURS);
		teardown((void **)&c);
	}
}

struct steps_seen {
	unsigned n;
};

static bool
see_steps(void *ctx, const struct store_log_sample *s)
{
	struct steps_seen *x = ctx;
	/* Samples every INTERVAL; from the n-th minute on, n * 7 ms more. */
	const int64_t boot_ms = (int64_t)x->n++ * INTERVAL;

	assert_true(s->unix_ms == OFFSET + boot_ms + boot_ms / MINUTE * 7);
	return true;
}

/* Segments stand in any order of their begins, and each sample goes by its own. */
static void
each_sample_goes_by_its_segment(void **state)
{
	struct ctx *c = *state;
	struct fixture_batch b = hour(c, 0);
	struct steps_seen x = { 0 };
	struct bl_err err = { 0 };
	uint32_t entry_id = 1;
	int64_t id;

	know_all(c, BL_GAUGE);
	for (int64_t m = 59; m > 0; m -= 2)
		know_clock(c, ++entry_id, m * MINUTE, OFFSET + m * 7);
	for (int64_t m = 2; m < 60; m += 2)
		know_clock(c, ++entry_id, m * MINUTE, OFFSET + m * 7);
	put_one(c, &b, STORE_NEW);
	id = id_of(c, "m2");
	must(store_log_samples(c->r, "kiosk-1", BL_STREAM_HOST, &id, 1, OFFSET, OFFSET + 2 * HOUR,
		 see_steps, &x, &err),
	    &err);
	assert_int_equal(x.n, 360);
}

static void
thinned_has_its_name(void **state)
{
	(void)state;
	assert_string_equal(store_gap_reason_name(BL_GAP_THINNED), "thinned");
	assert_int_equal(STORE_GAP_REASONS, BL_GAP_LAST);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chart_has_the_mean_and_the_band_of_what_was_thinned),
		T(plain_samples_beside_thinned_ones_stay_as_they_are),
		cmocka_unit_test(a_counter_grows_by_its_last_values),
		cmocka_unit_test(what_a_thinned_sample_spans_is_an_hour_at_most),
		T(a_rate_of_thinned_samples_is_that_of_their_window),
		T(the_log_says_what_each_sample_stands_for),
		T(a_plain_sample_of_the_same_instant_wins),
		T(originals_that_come_late_change_nothing),
		T(what_salvage_takes_over_supersedes_as_before),
		cmocka_unit_test(several_parts_stand_for_the_same_originals),
		T(each_sample_goes_by_its_segment),
		cmocka_unit_test(thinned_has_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
