/*
 * Thinned batches at the centre: what a chart, a KPI and the ledger make of
 * them, compared with the same history sample by sample.
 */
#include "store_kit.h"
#include "store_log.h"

#define HOUR   (60 * (int64_t)MINUTE)
#define FIVE   (5 * (int64_t)MINUTE)
#define HOURS  4
#define SERIES 2

/* Batches 1..HOURS hold an hour each; what supersedes them is one batch. */
static struct fixture_batch
hour(const struct ctx *c, uint64_t i)
{
	struct fixture_batch b = minute(c, i);

	b.begin_ms = (int64_t)i * HOUR;
	b.end_ms = b.begin_ms + HOUR;
	b.n_series = SERIES;
	return b;
}

static struct fixture_batch
thinned(const struct ctx *c, int64_t window_ms)
{
	struct fixture_batch b = hour(c, 0);

	b.seq = HOURS + 1;
	b.end_ms = HOURS * HOUR;
	b.supersedes_first = 1;
	b.supersedes_last = HOURS;
	b.thin_ms = window_ms;
	return b;
}

static void
know_all(struct ctx *c, enum bl_series_kind kind)
{
	struct bl_err err = { 0 };

	know_clock(c, 1, 0, OFFSET);
	begin(c);
	for (uint32_t i = 1; i <= SERIES; i++) {
		struct bl_series_def def;
		char name[16], label[16];

		fixture_series(&def, name, label, i, BL_STREAM_HOST);
		def.kind = kind;
		must(store_dict(c->s, spool(c), &def, &err), &err);
	}
	commit(c);
	c->clock.unix_ms = OFFSET + HOURS * HOUR;
}

static void
put_one(struct ctx *c, const struct fixture_batch *b, int expect)
{
	begin(c);
	assert_int_equal(put(c, b), expect);
	commit(c);
}

static bool
keep_id(void *ctx, const struct store_log_series *s)
{
	*(int64_t *)ctx = s->id;
	return false;
}

static int64_t
id_of(struct ctx *c, const char *metric)
{
	struct bl_err err = { 0 };
	int64_t id = 0;

	must(store_log_series(c->r, "kiosk-1", metric, keep_id, &id, &err), &err);
	assert_true(id > 0);
	return id;
}

static struct store_query_result *
ask(struct ctx *c, int64_t from, int64_t to, int64_t step, bool rate)
{
	const int64_t id = id_of(c, "m2");
	const struct store_query q = { .series = &id,
		.n_series = 1,
		.from_unix_ms = OFFSET + from,
		.to_unix_ms = OFFSET + to,
		.step_ms = step,
		.rate = rate };
	struct store_query_result *res;
	struct bl_err err = { 0 };

	must(store_read_query(c->r, &q, &res, &err), &err);
	return res;
}

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

/* ---- the log, which KPIs read ---- */

struct seen {
	size_t n, thin;
	uint64_t count;
	double sum;
	int64_t last_ms;
};

static bool
see_sample(void *ctx, const struct store_log_sample *s)
{
	struct seen *x = ctx;

	assert_true(s->unix_ms > x->last_ms);
	assert_int_equal(s->unknown, BL_KNOWN);
	if (s->thin.count > 1) {
		/* All but the first of its batch have a neighbour, wherever the span begins. */
		assert_int_equal(s->before_ms, s->unix_ms == OFFSET + FIVE - INTERVAL ? 0 : FIVE);
		assert_true(s->thin.min <= s->value && s->value <= s->thin.max);
		x->thin++;
	} else {
		assert_true(s->thin.min == s->value && s->thin.max == s->value);
		assert_int_equal(s->before_ms, 0);
	}
	x->n++;
	x->count += s->thin.count;
	x->sum += s->value * s->thin.count;
	x->last_ms = s->unix_ms;
	return true;
}

static struct seen
log_of(struct ctx *c, int64_t from, int64_t to)
{
	const int64_t id = id_of(c, "m2");
	struct seen x = { 0 };
	struct bl_err err = { 0 };

	must(store_log_samples(c->r, "kiosk-1", BL_STREAM_HOST, &id, 1, OFFSET + from, OFFSET + to,
		 see_sample, &x, &err),
	    &err);
	return x;
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

/* ---- the ledger ---- */

static struct bl_gap
entry(const struct ctx *c)
{
	return (struct bl_gap){ .reason = BL_GAP_THINNED,
		.stream = BL_STREAM_HOST,
		.seq_first = 1,
		.seq_last = HOURS,
		.begin_boot = c->boot,
		.end_boot = c->boot,
		.end_boot_ms = HOURS * HOUR,
		.samples = SERIES * 360 * HOURS };
}

static bool
never(void *ctx, const struct store_missing *m)
{
	(void)ctx;
	fail_msg("%s: nothing should be missing", m->device);
	return false;
}

/* The entry travels with the stream of events: it may come before the batch, with it or after. */
static void
what_was_thinned_is_named_and_no_hole(void **state)
{
	for (int when = 0; when < 3; when++) {
		struct bl_err err = { 0 };
		struct fixture_batch b, carrier;
		struct store_gap_sum sum;
		struct bl_gap g;
		struct ctx *c;

		(void)state;
		assert_int_equal(setup((void **)&c), 0);
		know_all(c, BL_GAUGE);
		g = entry(c);
		b = thinned(c, FIVE);
		b.lowest_held = HOURS + 1;
		carrier = hour(c, 0);
		carrier.stream = BL_STREAM_EVENTS;
		carrier.n_series = 0;
		carrier.gap = &g;
		if (when == 0)
			put_one(c, &carrier, STORE_NEW);
		if (when == 1)
			b.gap = &g;
		put_one(c, &b, STORE_NEW);
		if (when == 2)
			put_one(c, &carrier, STORE_NEW);
		sum = totals(c).gaps_by[BL_GAP_THINNED - 1];
		assert_int_equal(sum.entries, 1);
		assert_int_equal(sum.batches, HOURS);
		assert_int_equal(sum.samples, g.samples);
		assert_int_equal(gaps(c).last.reason, BL_GAP_THINNED);
		assert_int_equal(totals(c).unexplained.gaps, 0);
		must(store_read_missing(c->r, NULL, 10, never, NULL, &err), &err);
		assert_int_equal(receipt(c).stream[2].contiguous, HOURS + 1);
		assert_int_equal(log_of(c, 0, HOURS * HOUR).count, HOURS * 360);
		/* Told again, or one of the originals late: as before. */
		put_one(c, when == 1 ? &b : &carrier, STORE_DUPLICATE);
		b = hour(c, 1);
		put_one(c, &b, STORE_SUPERSEDED);
		assert_int_equal(totals(c).gaps_by[BL_GAP_THINNED - 1].samples, g.samples);
		teardown((void **)&c);
	}
}

struct cover {
	int64_t covered_ms, gone_ms;
};

static void
add_span(void *ctx, bool gone, int64_t begin, int64_t end)
{
	struct cover *x = ctx;

	*(gone ? &x->gone_ms : &x->covered_ms) += end - begin;
}

static struct cover
cover_of(struct ctx *c, int64_t from, int64_t to)
{
	struct cover x = { 0 };
	struct bl_err err = { 0 };

	must(store_log_coverage(
		 c->r, "kiosk-1", BL_STREAM_HOST, OFFSET + from, OFFSET + to, add_span, &x, &err),
	    &err);
	return x;
}

/* The only hole of the hours, and why it is there. */
static int
hole_reason(struct ctx *c)
{
	struct store_query_result *res = ask(c, 0, HOURS * HOUR, HOUR, false);
	const int reason = res->series[0].n_gaps == 1 ? res->series[0].gap[0].reason : -1;

	if (res->series[0].n_gaps > 0)
		assert_int_equal(res->series[0].gap[0].to_unix_ms, OFFSET + HOURS * HOUR);
	store_query_free(res);
	return reason;
}

/*
 * The entry comes with what is live, long before the batch, which is backlog: until then
 * the hours have not arrived and are not given up, so that no KPI is final without them.
 */
static void
what_was_thinned_is_still_to_come(void **state)
{
	static const struct {
		bool with_times, dropped;
	} rows[] = { { true, false }, { false, false }, { true, true } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture_batch b, carrier, after;
		struct bl_gap g, dropped;
		struct ctx *c;

		(void)state;
		assert_int_equal(setup((void **)&c), 0);
		know_all(c, BL_GAUGE);
		c->clock.unix_ms += HOUR;
		g = entry(c);
		if (!rows[i].with_times)
			g.begin_boot = g.end_boot = (struct bl_id){ { 0 } };
		dropped = g;
		dropped.reason = BL_GAP_EVICTED;
		dropped.seq_first = dropped.seq_last = HOURS + 1;
		carrier = hour(c, 0);
		carrier.stream = BL_STREAM_EVENTS;
		carrier.n_series = 0;
		carrier.gap = &g;
		put_one(c, &carrier, STORE_NEW);
		after = hour(c, HOURS);
		after.seq = HOURS + 2;
		put_one(c, &after, STORE_NEW);
		assert_int_equal(cover_of(c, 0, HOURS * HOUR).gone_ms, 0);
		assert_int_equal(hole_reason(c), STORE_GAP_NOT_ARRIVED);
		if (rows[i].dropped) {
			carrier.seq++;
			carrier.gap = &dropped;
			put_one(c, &carrier, STORE_NEW);
			assert_int_equal(cover_of(c, 0, HOURS * HOUR).gone_ms, HOURS * HOUR);
			assert_int_equal(hole_reason(c), BL_GAP_EVICTED);
		} else {
			b = thinned(c, FIVE);
			put_one(c, &b, STORE_NEW);
			assert_int_equal(cover_of(c, 0, HOURS * HOUR).covered_ms, HOURS * HOUR);
			assert_int_equal(hole_reason(c), -1);
		}
		teardown((void **)&c);
	}
}

/*
 * A superseding batch stands between two by seq and elsewhere in time: the one after it touches
 * the one before it, and is measured by that.
 */
static void
seqs_beside_a_superseding_batch_show_holes_as_ever(void **state)
{
	static const struct {
		const char *name;
		bool between;    /* batch 5, of hour 4, comes before batch 7 */
		int64_t late_ms; /* batch 7 begins so much after hour 5 */
		bool downwards;  /* 7 comes before 5 and 6 */
		uint64_t unexplained;
	} rows[] = {
		{ "what lies between is backlog", false, 0, false, 0 },
		{ "all is there", true, 0, false, 0 },
		{ "all is there, newest first", true, 0, true, 0 },
		{ "ten minutes are missing", true, 10 * MINUTE, false, 1 },
		{ "ten minutes are missing, newest first", true, 10 * MINUTE, true, 1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture_batch s, five, seven;
		struct bl_gap g;
		struct ctx *c;

		(void)state;
		assert_int_equal(setup((void **)&c), 0);
		know_all(c, BL_GAUGE);
		g = entry(c);
		s = thinned(c, FIVE);
		s.seq = HOURS + 2;
		s.gap = &g;
		five = hour(c, HOURS);
		seven = hour(c, HOURS + 1);
		seven.seq = HOURS + 3;
		seven.begin_ms += rows[i].late_ms;
		if (rows[i].downwards)
			put_one(c, &seven, STORE_NEW);
		if (rows[i].downwards || !rows[i].between)
			put_one(c, &s, STORE_NEW);
		if (rows[i].between)
			put_one(c, &five, STORE_NEW);
		if (!rows[i].downwards && rows[i].between)
			put_one(c, &s, STORE_NEW);
		if (!rows[i].downwards)
			put_one(c, &seven, STORE_NEW);
		if (totals(c).unexplained.gaps != rows[i].unexplained)
			fail_msg("%s: %llu", rows[i].name,
			    (unsigned long long)totals(c).unexplained.gaps);
		teardown((void **)&c);
	}
}

struct spans_seen {
	size_t n;
	int64_t from, to;
};

static bool
see_thinned(void *ctx, const struct store_thinned *t)
{
	struct spans_seen *x = ctx;

	assert_string_equal(t->device, "kiosk-1");
	x->n++;
	x->from = t->from_unix_ms;
	x->to = t->to_unix_ms;
	return true;
}

static void
thinned_spans_are_found_by_stream_and_time(void **state)
{
	static const struct {
		enum bl_stream stream;
		int64_t from, to;
		size_t n;
	} rows[] = { { BL_STREAM_HOST, 0, HOUR, 1 }, { BL_STREAM_HOST, 3 * HOUR, 9 * HOUR, 1 },
		{ BL_STREAM_HOST, HOURS * HOUR, 9 * HOUR, 0 }, { BL_STREAM_HOST, -HOUR, 0, 0 },
		{ BL_STREAM_PROBES, 0, HOUR, 0 } };
	struct ctx *c = *state;
	struct fixture_batch b = thinned(c, FIVE);
	struct bl_gap g = entry(c);
	struct bl_err err = { 0 };

	know_all(c, BL_GAUGE);
	for (int there = 0; there < 2; there++) {
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct spans_seen x = { 0 };

			must(store_read_thinned(c->r, rows[i].stream, OFFSET + rows[i].from,
				 OFFSET + rows[i].to, see_thinned, &x, &err),
			    &err);
			assert_int_equal(x.n, there ? rows[i].n : 0);
			if (x.n > 0)
				assert_true(x.from == OFFSET && x.to == OFFSET + HOURS * HOUR);
		}
		b.gap = &g;
		if (!there)
			put_one(c, &b, STORE_NEW);
	}
}

struct spans_kept {
	size_t n;
	struct {
		int64_t from, to;
	} s[8];
};

static bool
keep_thinned(void *ctx, const struct store_thinned *t)
{
	struct spans_kept *x = ctx;

	assert_in_range(x->n, 0, 7);
	x->s[x->n].from = t->from_unix_ms - OFFSET;
	x->s[x->n++].to = t->to_unix_ms - OFFSET;
	return true;
}

/* A month without a link is thinned in a thousand slices, and one span to whoever asks. */
static void
thinned_spans_that_touch_are_one(void **state)
{
	static const struct {
		int64_t from, to;
	} slices[] = { { HOUR, 2 * HOUR }, { 3 * HOUR, 4 * HOUR }, { 0, HOUR },
		{ 3 * HOUR + 1000, 3 * HOUR + 2000 }, { 3 * HOUR + 3000, 5 * HOUR } };
	struct ctx *c = *state;
	struct spans_kept x = { 0 };
	struct bl_err err = { 0 };

	know_all(c, BL_GAUGE);
	for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++) {
		struct fixture_batch b = hour(c, i);
		struct bl_gap g = entry(c);

		g.seq_first = g.seq_last = 100 + i;
		g.begin_boot_ms = slices[i].from;
		g.end_boot_ms = slices[i].to;
		b.gap = &g;
		put_one(c, &b, STORE_NEW);
	}
	must(store_read_thinned(
		 c->r, BL_STREAM_HOST, OFFSET, OFFSET + 9 * HOUR, keep_thinned, &x, &err),
	    &err);
	assert_int_equal(x.n, 2);
	assert_true(x.s[0].from == 0 && x.s[0].to == 2 * HOUR);
	assert_true(x.s[1].from == 3 * HOUR && x.s[1].to == 5 * HOUR);
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
		cmocka_unit_test(what_was_thinned_is_named_and_no_hole),
		cmocka_unit_test(what_was_thinned_is_still_to_come),
		cmocka_unit_test(seqs_beside_a_superseding_batch_show_holes_as_ever),
		T(thinned_spans_are_found_by_stream_and_time),
		T(thinned_spans_that_touch_are_one),
		T(each_sample_goes_by_its_segment),
		cmocka_unit_test(thinned_has_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
