/*
 * One event that comes days late makes its row of coverage days long.  White box: it is found
 * wherever it reaches to, and whoever asks behind it looks no further back than before it came.
 */
#include "store_kit.h"

#include "store_read_internal.h"

#define DAY         ((int64_t)24 * 60 * MINUTE)
#define FIRST       (10 * DAY / MINUTE) /* in minutes of boot time */
#define ROWS        40
#define LATE        20 /* the row that carries the late event */
#define LATE_AT     (OFFSET + (FIRST + LATE) * MINUTE - 7 * DAY)
#define MINUTE_N(n) (OFFSET + (FIRST + (n)) * MINUTE)

/* One row a batch: each comes too long after the one before to be joined with it. */
static void
put_rows(struct ctx *c)
{
	const struct bl_event late = { .boot_ms = (FIRST + LATE) * MINUTE - 7 * DAY,
		.type = { "step.event", 10 } };

	know_clock(c, 1, 0, OFFSET);
	for (uint64_t i = 0; i < ROWS; i++) {
		struct fixture_batch b = minute(c, (uint64_t)FIRST + i);

		b.stream = BL_STREAM_EVENTS;
		b.seq = i + 1;
		b.n_series = 0;
		b.event = i == LATE ? &late : NULL;
		c->clock.unix_ms += 3 * MINUTE;
		begin(c);
		assert_int_equal(put(c, &b), STORE_NEW);
		commit(c);
	}
}

static int
rows_at(struct ctx *c, int64_t from, int64_t to)
{
	struct cover_seen seen = { 0 };
	struct bl_err err = { 0 };

	must(store_read_coverage(c->r, "kiosk-1", from, to, see_cover, &seen, &err), &err);
	return seen.n;
}

static bool
count_event(void *ctx, const struct store_event *e)
{
	(void)e;
	++*(unsigned *)ctx;
	return true;
}

static unsigned
events_at(struct ctx *c, int64_t from, int64_t to)
{
	struct bl_err err = { 0 };
	unsigned n = 0;

	must(store_read_events(c->r, "kiosk-1", from, to, 100, count_event, &n, &err), &err);
	return n;
}

static int64_t
reach(struct ctx *c, int64_t from)
{
	struct bl_err err = { 0 };
	int64_t device_id, out;

	assert_int_equal(read_device_id(c->r, "kiosk-1", &device_id, &err), 1);
	must(read_reach_from(c->r, device_id, BL_STREAM_EVENTS, from, &out, &err), &err);
	return out;
}

static void
a_row_that_is_days_long_is_found_wherever_it_reaches(void **state)
{
	struct ctx *c = *state;

	put_rows(c);
	for (int64_t n = 0; n < ROWS; n++) {
		assert_int_equal(rows_at(c, MINUTE_N(n), MINUTE_N(n) + MINUTE), 1);
		assert_int_equal(rows_at(c, MINUTE_N(n) + MINUTE / 2, MINUTE_N(n) + MINUTE), 1);
	}
	assert_int_equal(rows_at(c, MINUTE_N(0), MINUTE_N(ROWS)), ROWS);
	assert_int_equal(events_at(c, LATE_AT, LATE_AT + 1), 1);
	assert_int_equal(events_at(c, LATE_AT - 2 * DAY, MINUTE_N(ROWS)), 1);
	assert_int_equal(events_at(c, LATE_AT + 1, MINUTE_N(ROWS)), 0);
	assert_int_equal(events_at(c, MINUTE_N(0), MINUTE_N(ROWS)), 0);
}

static void
who_asks_behind_it_does_not_look_days_back(void **state)
{
	struct ctx *c = *state;

	put_rows(c);
	assert_true(reach(c, LATE_AT) >= 7 * DAY);
	assert_true(reach(c, MINUTE_N(LATE)) >= 7 * DAY);
	assert_int_equal(reach(c, MINUTE_N(LATE + 2)), STORE_WIDE_MS);
	reopen(c, STORE_OPENED);
	assert_int_equal(reach(c, MINUTE_N(LATE + 2)), STORE_WIDE_MS);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_row_that_is_days_long_is_found_wherever_it_reaches),
		CASE(who_asks_behind_it_does_not_look_days_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
