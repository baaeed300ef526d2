/*
 * How the centre counts what nothing explains: ranges, not batches; and that only
 * a reason or the batch itself takes one away.
 */
#include "store_kit.h"

#define VANISHED BL_GAP_VANISHED

static struct store_unexplained
unexplained(struct ctx *c)
{
	struct store_unexplained all, one;
	struct bl_err err = { 0 };

	must(store_read_unexplained(c->r, NULL, &all, &err), &err);
	must(store_read_unexplained(c->r, "kiosk-1", &one, &err), &err);
	assert_memory_equal(&all, &one, sizeof(all)); /* there is one device */
	assert_true((all.gaps > 0) == (all.since_unix_ms != STORE_TIME_NONE));
	return all;
}

static void
assert_counts(struct ctx *c, uint64_t n_gaps, uint64_t batches, uint64_t unanswered)
{
	const struct store_unexplained u = unexplained(c);

	assert_int_equal(u.gaps, n_gaps);
	assert_int_equal(u.batches, batches);
	assert_int_equal(u.unanswered, unanswered);
}

static void
gone(struct ctx *c, uint64_t first, uint64_t last, enum bl_gap_reason reason)
{
	struct bl_err err = { 0 };

	begin(c);
	must(store_gone(c->s, spool(c), BL_STREAM_HOST, first, last, reason, &err), &err);
	commit(c);
}

/* Minute i comes; the agent says that lowest is the first without a receipt. */
static int
put_lowest(struct ctx *c, uint64_t i, uint64_t lowest)
{
	struct fixture_batch b = minute(c, i);
	int rc;

	b.lowest_held = lowest;
	begin(c);
	rc = put(c, &b);
	commit(c);
	return rc;
}

static uint64_t
asked(struct ctx *c)
{
	struct bl_ranges need[BL_STREAMS];
	uint64_t n = 0;

	begin(c);
	store_missing(spool(c), need);
	commit(c);
	for (uint32_t i = 0; i < need[2].n; i++)
		n += need[2].r[i].last - need[2].r[i].first + 1;
	return n;
}

static void
ranges_are_counted_and_batches_beside_them(void **state)
{
	struct ctx *c = *state;

	put_minutes(c, 0, 2); /* 1, 2 */
	assert_counts(c, 0, 0, 0);
	assert_int_equal(put_lowest(c, 5, 1), STORE_NEW); /* 6; 3..5 may still come */
	assert_counts(c, 0, 0, 0);
	assert_int_equal(put_lowest(c, 8, 7), STORE_NEW); /* 9; 3..5 are nowhere */
	assert_counts(c, 1, 3, 3);
	assert_int_equal(put_lowest(c, 9, 9), STORE_NEW); /* 7, 8 neither */
	assert_counts(c, 2, 5, 5);
	assert_int_equal(put_lowest(c, 3, 1), STORE_NEW); /* 4 comes after all: 3 and 5 are left */
	assert_counts(c, 3, 4, 4);
}

static void
a_vanished_batch_counts_until_it_comes(void **state)
{
	struct ctx *c = *state;

	put_minutes(c, 0, 4);
	assert_int_equal(put_lowest(c, 5, 6), STORE_NEW); /* 5 is missing */
	assert_counts(c, 1, 1, 1);
	assert_int_equal(asked(c), 1);
	gone(c, 5, 5, VANISHED);
	assert_counts(c, 1, 1, 0); /* answered, and no reason */
	assert_int_equal(asked(c), 0);
	assert_int_equal(gaps(c).n, 1);
	assert_int_equal(gaps(c).last.reason, VANISHED);
	/* No receipt ever speaks of it. */
	assert_int_equal(receipt(c).stream[2].contiguous, 4);
	gone(c, 5, 5, VANISHED);
	assert_int_equal(gaps(c).n, 1);
	reopen(c, STORE_OPENED);
	assert_counts(c, 1, 1, 0);
	assert_int_equal(asked(c), 0);
	/* Somebody put the row back. */
	assert_int_equal(put_lowest(c, 4, 5), STORE_NEW);
	assert_counts(c, 0, 0, 0);
	assert_int_equal(gaps(c).n, 0);
	assert_int_equal(receipt(c).stream[2].contiguous, 6);
}

static void
a_vanished_batch_counts_wherever_it_lies(void **state)
{
	struct ctx *c = *state;
	const struct {
		uint64_t first, last, gaps, batches;
	} rows[] = {
		{ 12, 12, 1, 1 }, /* above the lowest */
		{ 14, 14, 2, 2 }, /* apart */
		{ 13, 13, 1, 3 }, /* in between: one range */
	};

	put_minutes(c, 0, 4);
	assert_int_equal(put_lowest(c, 19, 5), STORE_NEW);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		gone(c, rows[i].first, rows[i].last, VANISHED);
		assert_counts(c, rows[i].gaps, rows[i].batches, 0);
	}
	/* The bound moves over 5..11, which nobody has: they join the range. */
	assert_int_equal(put_lowest(c, 20, 12), STORE_NEW);
	assert_counts(c, 1, 10, 7);
	assert_int_equal(asked(c), 7);
}

static void
only_a_reason_replaces_vanished(void **state)
{
	struct ctx *c = *state;
	const struct bl_gap evicted = { .reason = BL_GAP_EVICTED,
		.stream = BL_STREAM_HOST,
		.seq_first = 5,
		.seq_last = 5,
		.begin_boot = c->boot,
		.begin_boot_ms = 4 * MINUTE,
		.end_boot = c->boot,
		.end_boot_ms = 5 * MINUTE,
		.samples = 18 };
	struct fixture_batch b = minute(c, 5);

	put_minutes(c, 0, 3);
	assert_int_equal(put_lowest(c, 6, 7), STORE_NEW); /* 4, 5, 6 are missing */
	gone(c, 4, 6, VANISHED);
	assert_counts(c, 1, 3, 0);
	/* The agent's own ledger, later: it knows about 5. */
	b.stream = BL_STREAM_EVENTS;
	b.seq = 1;
	b.gap = &evicted;
	begin(c);
	assert_int_equal(put(c, &b), STORE_NEW);
	commit(c);
	assert_counts(c, 2, 2, 0);
	assert_int_equal(totals(c).gaps, 3);
	/* And what has a reason is not taken back by somebody who knows none. */
	gone(c, 4, 6, VANISHED);
	assert_counts(c, 2, 2, 0);
	gone(c, 4, 6, BL_GAP_LOST_AT_CENTRE);
	assert_counts(c, 0, 0, 0);
	assert_int_equal(totals(c).gaps, 3);
	assert_int_equal(totals(c).gaps_by[BL_GAP_LOST_AT_CENTRE - 1].entries, 2);
	assert_int_equal(totals(c).gaps_by[BL_GAP_LOST_AT_CENTRE - 1].batches, 2);
	assert_int_equal(totals(c).gaps_by[BL_GAP_EVICTED - 1].samples, 18);
	assert_int_equal(totals(c).gaps_by[VANISHED - 1].entries, 0);
	assert_int_equal(receipt(c).stream[2].contiguous, 7);
}

/* ---- holes in time ---- */

/* Host batch seq of [begin, end) minutes, carrying an entry perhaps. */
static void
put_span(struct ctx *c, uint64_t seq, int64_t begin_min, int64_t end_min, const struct bl_gap *gap)
{
	struct fixture_batch b = minute(c, 0);

	b.seq = seq;
	b.begin_ms = begin_min * MINUTE;
	b.end_ms = end_min * MINUTE;
	b.gap = gap;
	begin(c);
	assert_int_equal(put(c, &b), STORE_NEW);
	commit(c);
}

static struct bl_gap
off(const struct ctx *c, int64_t begin_min, int64_t end_min)
{
	return (struct bl_gap){ .reason = BL_GAP_OFF,
		.stream = BL_STREAM_HOST,
		.begin_boot = c->boot,
		.begin_boot_ms = begin_min * MINUTE,
		.end_boot = c->boot,
		.end_boot_ms = end_min * MINUTE };
}

static void
a_hole_between_neighbours_is_unexplained_until_the_ledger_names_it(void **state)
{
	struct ctx *c = *state;
	const struct bl_gap part = off(c, 2, 4), rest = off(c, 4, 7);

	know_clock(c, 1, 0, OFFSET);
	put_span(c, 1, 0, 1, NULL);
	put_span(c, 2, 1, 2, NULL);
	assert_counts(c, 0, 0, 0);
	put_span(c, 3, 7, 8, NULL); /* 2..7: nobody */
	assert_counts(c, 1, 0, 0);
	put_span(c, 4, 8, 9, &part);
	assert_counts(c, 1, 0, 0); /* half of it has a name */
	reopen(c, STORE_OPENED);
	put_span(c, 5, 9, 10, &rest);
	assert_counts(c, 0, 0, 0);
}

static void
a_hole_whose_entry_came_first_or_with_it_is_none(void **state)
{
	struct ctx *c = *state;
	const struct bl_gap before = off(c, 1, 3), with = off(c, 4, 6);

	put_span(c, 1, 0, 1, &before);
	put_span(c, 2, 3, 4, NULL);
	put_span(c, 3, 6, 7, &with);
	assert_counts(c, 0, 0, 0);
}

static void
the_order_of_arrival_makes_no_hole(void **state)
{
	struct ctx *c = *state;

	put_span(c, 5, 4, 5, NULL);
	put_span(c, 1, 0, 1, NULL);
	put_span(c, 3, 2, 3, NULL);
	put_span(c, 4, 3, 4, NULL);
	put_span(c, 2, 1, 2, NULL);
	assert_counts(c, 0, 0, 0);
	/* From above as well. */
	put_span(c, 7, 9, 10, NULL);
	assert_counts(c, 0, 0, 0);
	put_span(c, 6, 5, 6, NULL);
	assert_counts(c, 1, 0, 0);
}

/* What was cut again under another seq, or another id, fills it. */
static void
another_batch_of_that_time_fills_a_hole(void **state)
{
	struct ctx *c = *state;
	const struct bl_id first = c->spool;

	put_span(c, 1, 0, 1, NULL);
	put_span(c, 2, 3, 4, NULL);
	assert_counts(c, 1, 0, 0);
	c->spool.b[0] ^= 0xff;
	put_span(c, 1, 1, 2, NULL);
	assert_counts(c, 1, 0, 0);
	put_span(c, 2, 2, 3, NULL);
	assert_counts(c, 0, 0, 0);
	/* And it does when it was there before. */
	put_span(c, 3, 4, 6, NULL);
	c->spool = first;
	put_span(c, 3, 6, 7, NULL);
	assert_counts(c, 0, 0, 0);
}

static void
samples_that_vanished_before_the_cut_are_a_gap(void **state)
{
	struct ctx *c = *state;
	struct bl_gap g = off(c, 1, 2);

	g.reason = VANISHED;
	g.samples = 5;
	put_span(c, 1, 0, 1, NULL);
	put_span(c, 2, 1, 2, &g);
	assert_counts(c, 1, 0, 0);
	assert_int_equal(totals(c).gaps_by[VANISHED - 1].samples, 5);
}

struct missing_seen {
	unsigned n, by[4];
	struct store_missing last;
};

static bool
see_missing(void *ctx, const struct store_missing *m)
{
	struct missing_seen *s = ctx;

	s->n++;
	s->by[m->what]++;
	s->last = *m;
	return true;
}

static void
each_is_listed_once(void **state)
{
	struct ctx *c = *state;
	struct missing_seen seen = { 0 };
	struct bl_err err = { 0 };
	struct bl_gap g = off(c, 1, 2);

	know_clock(c, 1, 0, OFFSET);
	g.reason = VANISHED;
	put_span(c, 1, 0, 1, NULL);
	put_span(c, 2, 1, 2, &g);
	put_span(c, 3, 4, 5, NULL);
	gone(c, 7, 7, VANISHED);
	assert_int_equal(put_lowest(c, 9, 6), STORE_NEW); /* 4, 5 are missing */
	assert_counts(c, 4, 3, 2);
	must(store_read_missing(c->r, "kiosk-1", 100, see_missing, &seen, &err), &err);
	assert_int_equal(seen.n, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(seen.by[i], 1);
	seen.n = 0;
	must(store_read_missing(c->r, NULL, 1, see_missing, &seen, &err), &err);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.last.seq_first, 4);
	assert_int_equal(seen.last.seq_last, 5);
	assert_int_equal(seen.last.from_unix_ms, OFFSET + 5 * MINUTE);
	assert_int_equal(seen.last.to_unix_ms, OFFSET + 9 * MINUTE);
	seen.n = 0;
	must(store_read_missing(c->r, "nobody", 100, see_missing, &seen, &err), &err);
	assert_int_equal(seen.n, 0);
}

/* ---- entries that know no times ---- */

static void
assert_between(struct ctx *c, int64_t not_before_min, int64_t not_after_min)
{
	const struct store_gap g = gaps(c).last; /* the oldest entry */
	const int64_t after = not_after_min < 0 ? g.known_unix_ms : OFFSET + not_after_min * MINUTE;

	assert_int_equal(g.from_unix_ms, STORE_TIME_NONE);
	assert_int_equal(g.to_unix_ms, STORE_TIME_NONE);
	assert_int_equal(g.not_before_unix_ms,
	    not_before_min < 0 ? STORE_TIME_NONE : OFFSET + not_before_min * MINUTE);
	assert_int_equal(g.not_after_unix_ms, after);
}

static void
an_entry_without_times_lies_between_its_neighbours(void **state)
{
	struct ctx *c = *state;

	know_clock(c, 1, 0, OFFSET);
	gone(c, 4, 5, BL_GAP_DAMAGED);
	assert_between(c, -1, -1); /* when it became known is the latest that it can be */
	put_minutes(c, 0, 2);
	assert_between(c, 2, -1);
	put_minutes(c, 2, 3);
	assert_between(c, 3, -1);
	put_minutes(c, 7, 9);
	assert_between(c, 3, 7);
	put_minutes(c, 5, 6);
	assert_between(c, 3, 5);
	reopen(c, STORE_OPENED);
	assert_between(c, 3, 5);
}

/* Its spool was replaced: nothing with a higher number comes any more. */
static void
an_entry_of_a_spool_that_is_gone_ends_before_its_successor_begins(void **state)
{
	struct ctx *c = *state;

	know_clock(c, 1, 0, OFFSET);
	put_minutes(c, 0, 3);
	gone(c, 4, 5, BL_GAP_DAMAGED);
	c->spool.b[0] ^= 0xff;
	know_clock(c, 1, 0, OFFSET);
	put_minutes(c, 1, 2); /* what it held from before is no bound */
	assert_between(c, 3, -1);
	put_minutes(c, 11, 12);
	assert_between(c, 3, 11);
	put_minutes(c, 8, 9);
	assert_between(c, 3, 8);
}

static void
bounds_are_none_where_clocks_contradict_them(void **state)
{
	struct ctx *c = *state;

	know_clock(c, 1, 0, OFFSET);
	put_span(c, 1, 5, 6, NULL);
	gone(c, 2, 2, BL_GAP_DAMAGED);
	put_span(c, 3, 2, 3, NULL);
	assert_between(c, -1, 2);
}

static int64_t
slow_ms(void *ctx)
{
	struct fixture_clock *clock = ctx;

	return clock->mono_ms += 200;
}

static bool
count_bounded(void *ctx, const struct store_gap *g)
{
	*(int *)ctx += g->not_before_unix_ms != STORE_TIME_NONE;
	return true;
}

/* Each is a walk through coverage, that of a year on a cold disk. */
static void
bounds_that_take_long_are_left_out(void **state)
{
	const struct store_gap_filter f = { .limit = 10 };
	struct ctx *c = *state;
	struct bl_err err = { 0 };
	int n = 0;

	know_clock(c, 1, 0, OFFSET);
	put_minutes(c, 0, 2);
	gone(c, 4, 5, BL_GAP_DAMAGED);
	gone(c, 7, 8, BL_GAP_DAMAGED);
	must(store_read_gaps(c->r, &f, count_bounded, &n, &err), &err);
	assert_int_equal(n, 2);
	c->clock.clock.mono_ms = slow_ms;
	n = 0;
	must(store_read_gaps(c->r, &f, count_bounded, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_int_equal(gaps(c).n, 2);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(ranges_are_counted_and_batches_beside_them),
		CASE(a_vanished_batch_counts_until_it_comes),
		CASE(a_vanished_batch_counts_wherever_it_lies),
		CASE(only_a_reason_replaces_vanished),
		CASE(a_hole_between_neighbours_is_unexplained_until_the_ledger_names_it),
		CASE(a_hole_whose_entry_came_first_or_with_it_is_none),
		CASE(the_order_of_arrival_makes_no_hole),
		CASE(another_batch_of_that_time_fills_a_hole),
		CASE(samples_that_vanished_before_the_cut_are_a_gap),
		CASE(each_is_listed_once),
		CASE(an_entry_without_times_lies_between_its_neighbours),
		CASE(an_entry_of_a_spool_that_is_gone_ends_before_its_successor_begins),
		CASE(bounds_are_none_where_clocks_contradict_them),
		CASE(bounds_that_take_long_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
