/* What was thinned is no hole; what is still to come, and what was dropped after all, are. */
#include "thin_store_kit.h"

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

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_thinned_is_named_and_no_hole),
		cmocka_unit_test(what_was_thinned_is_still_to_come),
		cmocka_unit_test(seqs_beside_a_superseding_batch_show_holes_as_ever),
		T(thinned_spans_are_found_by_stream_and_time),
		T(thinned_spans_that_touch_are_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
