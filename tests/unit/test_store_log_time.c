/*
 * The store as a log, and time: what the ledger says of what is missing, where
 * events are placed, and what a clock map that comes late moves.
 */
#include "store_log_kit.h"

/* ---- the ledger ---- */

struct gaps {
	struct store_gap g[8];
	size_t n;
};

static bool
keep_gap(void *ctx, const struct store_gap *g)
{
	struct gaps *l = ctx;

	assert_true(l->n < 8);
	assert_string_equal(g->device, DEVICE);
	l->g[l->n++] = *g;
	return true;
}

static void
an_entry_without_times_gets_them_from_its_neighbours(void **state)
{
	struct ctx *c = *state;
	const struct op gone = { .what = GONE, .spool = 0xa, .seq = 3, .last = 4 };
	struct gaps l = { .n = 0 };
	struct bl_err err = { 0 };

	know_clock(c);
	put_minute(c, 2, 1);
	apply(c, &gone);
	must(store_log_gaps(c->r, 0, 100, keep_gap, &l, &err), &err);
	assert_int_equal(l.n, 1);
	assert_true(l.g[0].from_unix_ms == STORE_TIME_NONE && l.g[0].to_unix_ms == STORE_TIME_NONE);
	assert_coverage(c, 0, (int64_t)6 * MINUTE, "covered 60000 120000\n");
	/* Seq 5 is missing between: it may still come. */
	put_minute(c, 6, 5);
	l.n = 0;
	must(store_log_gaps(c->r, 0, 100, keep_gap, &l, &err), &err);
	assert_true(l.g[0].from_unix_ms == STORE_TIME_NONE);
	assert_coverage(c, 0, (int64_t)6 * MINUTE, "covered 60000 120000\ncovered 300000 360000\n");
	put_minute(c, 5, 4);
	l.n = 0;
	must(store_log_gaps(c->r, 0, 100, keep_gap, &l, &err), &err);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.g[0].from_unix_ms, OFFSET + 2 * MINUTE - 2000);
	assert_int_equal(l.g[0].to_unix_ms, OFFSET + 4 * MINUTE + 2000);
	assert_coverage(c, 0, (int64_t)6 * MINUTE,
	    "covered 60000 120000\ngone 120000 240000\ncovered 240000 360000\n");
	/* In the middle of the hole, far from its ends. */
	assert_coverage(
	    c, (int64_t)2 * MINUTE + 30000, (int64_t)3 * MINUTE, "gone 150000 180000\n");
	l.n = 0;
	must(store_log_gaps(c->r, l.g[0].id, 100, keep_gap, &l, &err), &err);
	assert_int_equal(l.n, 0);
}

static void
an_entry_with_times_explains_its_time(void **state)
{
	struct ctx *c = *state;
	struct op o = minute_of(0xa, 1, 2, 10);
	struct gaps l = { .n = 0 };
	struct bl_err err = { 0 };

	know_clock(c);
	put_minute(c, 1, 0);
	/* The agent was off, says its next start: from its last commit, a tick after the batch. */
	o.has_gap = true;
	o.gap = (struct bl_gap){ .reason = BL_GAP_OFF,
		.stream = STREAM,
		.begin_boot = fixture_id(1),
		.begin_boot_ms = MINUTE + 1000,
		.end_boot = fixture_id(1),
		.end_boot_ms = (int64_t)5 * MINUTE };
	apply(c, &o);
	must(store_log_gaps(c->r, 0, 100, keep_gap, &l, &err), &err);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.g[0].reason, BL_GAP_OFF);
	assert_int_equal(l.g[0].from_unix_ms, OFFSET + MINUTE + 1000 - 2000);
	assert_int_equal(l.g[0].to_unix_ms, OFFSET + 5 * MINUTE + 2000);
	/* Seqs 1 and 2 are neighbours: nothing can come between them at all. */
	assert_coverage(c, 0, (int64_t)11 * MINUTE,
	    "covered 0 60000\ngone 60000 600000\ncovered 600000 660000\n");
}

static void
time_that_may_still_come_is_neither(void **state)
{
	struct ctx *c = *state;
	struct op o = minute_of(0xa, 1, 3, 10);

	know_clock(c);
	put_minute(c, 1, 0);
	o.has_gap = true;
	o.gap = (struct bl_gap){ .reason = BL_GAP_OFF,
		.stream = STREAM,
		.begin_boot = fixture_id(1),
		.begin_boot_ms = MINUTE + 1000,
		.end_boot = fixture_id(1),
		.end_boot_ms = (int64_t)5 * MINUTE };
	apply(c, &o);
	assert_coverage(c, 0, (int64_t)11 * MINUTE,
	    "covered 0 60000\ngone 60000 300000\ncovered 600000 660000\n");
	assert_coverage(c, -(int64_t)5 * MINUTE, 0, "");
	assert_coverage(c, (int64_t)11 * MINUTE, (int64_t)20 * MINUTE, "");
	assert_coverage(c, (int64_t)6 * MINUTE, (int64_t)8 * MINUTE, "");
}

/* ---- events ---- */

static bool
say_event(void *ctx, uint32_t index, int64_t unix_ms, const struct bl_event *ev)
{
	say(ctx, "%u %lld %.*s\n", index,
	    unix_ms == STORE_TIME_NONE ? -1LL : (long long)(unix_ms - OFFSET), (int)ev->type.len,
	    ev->type.p);
	return true;
}

static void
events_of_a_batch_are_placed(void **state)
{
	struct ctx *c = *state;
	const struct bl_event ev = { .boot_ms = 90000, .type = { "step.begin", 10 } };
	const struct fixture_batch b = { .spool = fixture_id(0xa),
		.boot = fixture_id(1),
		.stream = BL_STREAM_EVENTS,
		.seq = 1,
		.begin_ms = 0,
		.end_ms = MINUTE,
		.interval_ms = INTERVAL,
		.event = &ev };
	struct bl_buf msg, raw;
	struct bl_batch_header h;
	struct bl_err err = { 0 };
	struct text t = { 0 };
	const uint8_t *body;
	size_t len;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	fixture_encode(&b, &msg, &h);
	must(bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, &err), &err);
	must(bl_batch_inflate(&h, body, len, &raw, &err), &err);
	must(store_begin(c->s, &err), &err);
	must(store_batch_put(c->s, spool(c, 0xa), &h, body, len, raw.data, raw.len, &err), &err);
	must(store_commit(c->s, &err), &err);
	bl_buf_free(&msg);
	bl_buf_free(&raw);
	must(store_log_events(c->r, 1, say_event, &t, &err), &err);
	assert_string_equal(t.p, "0 -1 step.begin\n");
	know_clock(c);
	t.len = 0;
	must(store_log_events(c->r, 1, say_event, &t, &err), &err);
	assert_string_equal(t.p, "0 90000 step.begin\n");
	/* An event behind the collection interval is inside the span. */
	assert_int_equal(newest(c).b.end_unix_ms, OFFSET + 90001);
	assert_int_equal(newest(c).b.n_events, 1);
	assert_int_equal(store_log_events(c->r, 2, say_event, &t, &err), BL_ENOTFOUND);
	free(t.p);
}

/* ---- clock maps that come late ---- */

struct moved {
	struct store_log_moved m[8];
	size_t n;
};

static bool
keep_moved(void *ctx, const struct store_log_moved *m)
{
	struct moved *l = ctx;

	assert_true(l->n < 8);
	assert_string_equal(m->device, DEVICE);
	l->m[l->n++] = *m;
	return true;
}

static void
what_a_late_map_moves_is_told(void **state)
{
	struct ctx *c = *state;
	struct op o = minute_of(0xa, 1, 3, 2);
	const struct op step = { .what = CLOCK,
		.spool = 0xa,
		.boot = 1,
		.entry = 2,
		.from_ms = MINUTE + 30000,
		.offset_ms = OFFSET + (int64_t)60 * MINUTE };
	const struct op other = {
		.what = CLOCK, .spool = 0xa, .boot = 2, .entry = 3, .offset_ms = OFFSET
	};
	struct store_log_head head;
	struct moved l = { .n = 0 };
	struct bl_err err = { 0 };

	know_clock(c);
	put_minute(c, 1, 0);
	put_minute(c, 2, 1);
	o.has_gap = true;
	o.gap = (struct bl_gap){ .reason = BL_GAP_OFF,
		.stream = BL_STREAM_EVENTS,
		.begin_boot = fixture_id(2),
		.begin_boot_ms = 0,
		.end_boot = fixture_id(2),
		.end_boot_ms = MINUTE };
	apply(c, &o);
	place_all(c);
	must(store_log_moved(c->r, 0, 10, keep_moved, NULL, &l, &err), &err);
	assert_int_equal(l.n, 0);
	apply(c, &step);
	place_all(c);
	must(store_log_moved(c->r, 0, 10, keep_moved, NULL, &l, &err), &err);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.m[0].stream, STREAM);
	/* From the step on, where it stood; to the end, where it stands. */
	assert_int_equal(l.m[0].begin_unix_ms, OFFSET + MINUTE + 30000 - 2000);
	assert_int_equal(l.m[0].end_unix_ms, OFFSET + (int64_t)63 * MINUTE + 1 + 2000);
	must(store_log_head(c->r, &head, &err), &err);
	assert_int_equal(head.moved_id, l.m[0].id);
	/* The ledger entry of another boot gets its times. */
	apply(c, &other);
	place_all(c);
	l.n = 0;
	must(store_log_moved(c->r, head.moved_id, 10, keep_moved, NULL, &l, &err), &err);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.m[0].stream, BL_STREAM_EVENTS);
	assert_int_equal(l.m[0].begin_unix_ms, OFFSET - 2000);
	assert_int_equal(l.m[0].end_unix_ms, OFFSET + MINUTE + 2000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    an_entry_without_times_gets_them_from_its_neighbours, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    an_entry_with_times_explains_its_time, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    time_that_may_still_come_is_neither, setup, teardown),
		cmocka_unit_test_setup_teardown(events_of_a_batch_are_placed, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_late_map_moves_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
