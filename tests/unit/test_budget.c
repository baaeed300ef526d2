/* The budget of a metered link: hours of the day, windows, shares, what outlives a process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/tz.h"

#include "budget.h"

#define MIN  INT64_C(60000)
#define HOUR INT64_C(3600000)
#define KIB  UINT64_C(1024)
#define DAY0 INT64_C(1795824000000) /* 2026-11-28 00:00 UTC */

static struct bl_tz *
zone(const char *name)
{
	struct bl_err err = { 0 };
	struct bl_tz *tz;

	if (bl_tz_load(&tz, name, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	return tz;
}

static void
hours_are_read_or_refused(void **state)
{
	static const struct {
		const char *text;
		unsigned n; /* 99: refused */
	} cases[] = { { "", 0 }, { "22:00-06:00", 1 }, { "00:00-24:00", 1 },
		{ "12:00-13:00,22:00-06:00", 2 }, { "12:00-13:00, 22:00-06:00", 2 },
		{ "01:00-02:00,03:00-04:00,05:00-06:00,07:00-08:00", 4 }, { "22-06", 99 },
		{ "22:00", 99 }, { "22:00-", 99 }, { "24:00-01:00", 99 }, { "22:60-23:00", 99 },
		{ "25:00-26:00", 99 }, { "22:00-06:00,", 99 }, { "2:00-06:00", 99 },
		{ "22:00-24:01", 99 }, { "22:00-06:00;", 99 },
		{ "01:00-02:00,03:00-04:00,05:00-06:00,07:00-08:00,09:00-10:00", 99 } };
	struct budget_hours h;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const bool ok = budget_hours_parse(cases[i].text, &h);

		if (ok != (cases[i].n != 99) || (ok && h.n != cases[i].n))
			fail_msg("\"%s\"", cases[i].text);
	}
}

/* Instants in UTC, and what the clock on the wall says to them. */
static void
hours_are_those_of_the_zone(void **state)
{
	static const struct {
		const char *zone, *hours;
		int64_t unix_ms;
		bool open;
		int64_t next_in_min; /* until they are open */
	} cases[] = {
		{ "UTC", "", DAY0, true, 0 },
		{ "UTC", "22:00-06:00", DAY0, true, 0 },
		{ "UTC", "22:00-06:00", DAY0 + 6 * HOUR - 1, true, 0 },
		{ "UTC", "22:00-06:00", DAY0 + 6 * HOUR, false, 16 * 60 },
		{ "UTC", "22:00-06:00", DAY0 + 22 * HOUR - 1, false, 1 },
		{ "UTC", "22:00-06:00", DAY0 + 22 * HOUR, true, 0 },
		{ "UTC", "12:00-13:00,14:30-15:00", DAY0 + 13 * HOUR, false, 90 },
		{ "UTC", "00:00-00:00", DAY0 + 7 * HOUR, true, 0 },
		{ "Asia/Shanghai", "22:00-06:00", DAY0 + 13 * HOUR, false, 60 },
		{ "Asia/Shanghai", "22:00-06:00", DAY0 + 14 * HOUR, true, 0 },
		{ "Asia/Kolkata", "22:00-06:00", DAY0 + 16 * HOUR, false, 30 },
		/* Berlin, 2026-03-29: 02:00 is 03:00.  01:30 UTC is 03:30 there. */
		{ "Europe/Berlin", "02:15-02:45", 1774746000000, false, 24 * 60 + 15 - 60 },
		{ "Europe/Berlin", "01:30-03:30", 1774746000000, true, 0 },
		{ "Europe/Berlin", "22:00-06:00", 1774746000000 + 3 * HOUR, false, 16 * 60 },
		/* 2026-10-25: 02:30 comes twice, at 00:30 and 01:30 UTC. */
		{ "Europe/Berlin", "02:15-02:45", 1792888200000, true, 0 },
		{ "Europe/Berlin", "02:15-02:45", 1792888200000 + 20 * MIN, false, 25 },
		{ "Europe/Berlin", "02:15-02:45", 1792888200000 + 60 * MIN, true, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_tz *tz = zone(cases[i].zone);
		struct budget_hours h;
		int64_t in;

		assert_true(budget_hours_parse(cases[i].hours, &h));
		in = budget_hours_next(&h, tz, cases[i].unix_ms) - cases[i].unix_ms;
		if (budget_hours_open(&h, tz, cases[i].unix_ms) != cases[i].open ||
		    (in + MIN - 1) / MIN != cases[i].next_in_min)
			fail_msg("case %zu: %s %s opens in %lld min", i, cases[i].zone,
			    cases[i].hours, (long long)(in / MIN));
		bl_tz_free(tz);
	}
}

/* ---- windows ---- */

struct world {
	struct bl_tz *tz;
	struct budget_conf conf;
	struct budget b;
	struct budget_now now;
	struct bl_id boot;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->tz = zone("Asia/Shanghai");
	w->conf =
	    (struct budget_conf){ .bytes_per_hour = 1000 * KIB, .window_ms = HOUR, .tz = w->tz };
	/* Ten minutes past. */
	w->now =
	    (struct budget_now){ .boot_ms = 5000, .trusted = true, .unix_ms = DAY0 + 10 * MIN };
	memset(w->boot.b, 1, sizeof(w->boot.b));
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	bl_tz_free(w->tz);
	free(w);
	return 0;
}

static void
start(struct world *w)
{
	budget_init(&w->b, &w->conf, &w->boot, &w->now);
}

static void
pass(struct world *w, int64_t ms)
{
	w->now.boot_ms += ms;
	w->now.unix_ms += ms;
}

static struct budget_room
room(struct world *w, uint64_t under_way)
{
	struct budget_room r;

	budget_room(&w->b, &w->now, under_way, &r);
	return r;
}

#define EVENTS 0
#define PROBES 1
#define HOST   2

static void
without_limits_everything_may_go(void **state)
{
	struct world *w = *state;
	struct budget_room r;

	w->conf.bytes_per_hour = 0;
	start(w);
	budget_carried(&w->b, &w->now, UINT64_C(1) << 50);
	r = room(w, 1000);
	for (int i = 0; i < BL_STREAMS; i++)
		assert_true(r.live[i] == UINT64_MAX && r.past[i] == UINT64_MAX);
	assert_int_equal(r.held, 0);
	assert_true(r.again_boot_ms == BUDGET_NEVER);
	assert_int_equal(budget_packet(&w->b), 0);
}

static void
classes_stop_in_their_order(void **state)
{
	struct world *w = *state;
	static const struct {
		uint64_t carried, under_way;
		uint8_t held;
	} steps[] = { { 0, 0, 0 }, { 740, 0, 0 }, { 0, 15, 4 }, { 15, 0, 4 }, { 130, 0, 4 },
		{ 0, 20, 6 }, { 15, 0, 6 }, { 99, 0, 6 }, { 0, 5, 7 }, { 5, 0, 7 } };

	start(w);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		budget_carried(&w->b, &w->now, steps[i].carried * KIB);
		if (room(w, steps[i].under_way * KIB).held != steps[i].held)
			fail_msg("step %zu: held %u", i, room(w, steps[i].under_way * KIB).held);
	}
	assert_int_equal(budget_opens(&w->b, &w->now, BL_STREAM_EVENTS), 5000 + 50 * MIN);
	/* The hour is over, and not before. */
	pass(w, 50 * MIN - 1);
	assert_int_equal(room(w, 0).held, 7);
	pass(w, 1);
	assert_int_equal(room(w, 0).held, 0);
	assert_true(room(w, 0).live[EVENTS] == 1000 * KIB / 100 * 100);
}

static void
past_goes_no_faster_than_the_hour_passes(void **state)
{
	struct world *w = *state;
	struct budget_room r;

	pass(w, 50 * MIN); /* the full hour */
	start(w);
	assert_int_equal(room(w, 0).past[EVENTS], 0);
	assert_true(room(w, 0).live[EVENTS] > 900 * KIB);
	pass(w, 30 * MIN);
	r = room(w, 0);
	assert_in_range(r.past[EVENTS], 499 * KIB, 500 * KIB);
	assert_true(r.again_boot_ms == w->now.boot_ms + MIN);
	budget_carried(&w->b, &w->now, 400 * KIB);
	assert_in_range(room(w, 0).past[EVENTS], 99 * KIB, 100 * KIB);
	assert_in_range(room(w, 100 * KIB).past[EVENTS], 0, KIB);
	pass(w, 29 * MIN + 59999);
	r = room(w, 0);
	assert_in_range(r.past[HOST], 349 * KIB, 350 * KIB);
	assert_int_equal(r.again_boot_ms, w->now.boot_ms + 1);
}

static void
a_class_has_its_own_limit(void **state)
{
	struct world *w = *state;
	struct budget_room r;

	w->conf.class[HOST].bytes_per_hour = 100 * KIB;
	start(w);
	assert_int_equal(room(w, 0).live[HOST], 100 * KIB);
	budget_sent(&w->b, &w->now, BL_STREAM_HOST, 50 * KIB, false);
	r = room(w, 0);
	assert_int_equal(r.live[HOST], 100 * KIB - 50 * KIB - 50 * KIB / 16 - BUDGET_FRAME_BYTES);
	budget_sent(&w->b, &w->now, BL_STREAM_HOST, 50 * KIB, false);
	r = room(w, 0);
	assert_int_equal(r.held, 4);
	assert_true(r.live[PROBES] > 800 * KIB);
	/* Messages are so long that several of the smallest class go in an hour. */
	assert_int_equal(budget_packet(&w->b), 25 * KIB);
	pass(w, HOUR);
	assert_int_equal(room(w, 0).held, 0);
}

/* It shares the message of another one, which has paid for it; what did not go is given back. */
static void
a_batch_in_a_shared_message_pays_for_its_bytes_alone(void **state)
{
	const uint64_t most = 100 * KIB, alone = 1600 + 100 + BUDGET_FRAME_BYTES;
	struct world *w = *state;

	w->conf.class[HOST].bytes_per_hour = most;
	start(w);
	budget_sent(&w->b, &w->now, BL_STREAM_HOST, 1600, false);
	budget_sent(&w->b, &w->now, BL_STREAM_HOST, 1600, true);
	assert_int_equal(room(w, 0).live[HOST], most - alone - 1600 - 100);
	budget_unsent(&w->b, &w->now, BL_STREAM_HOST, 1600, true);
	assert_int_equal(room(w, 0).live[HOST], most - alone);
	budget_unsent(&w->b, &w->now, BL_STREAM_HOST, 1600, false);
	assert_int_equal(room(w, 0).live[HOST], most);
}

static void
keeping_the_connection_up_comes_first(void **state)
{
	struct world *w = *state;
	uint64_t before;

	w->conf.keepalive_ms = 30000;
	start(w);
	before = 1000 * KIB - room(w, 0).live[EVENTS];
	assert_in_range(before, 27000, 29000); /* 50 minutes of it */
	pass(w, 25 * MIN);
	assert_in_range(1000 * KIB - room(w, 0).live[EVENTS], before / 2 - 300, before / 2 + 300);
	w->conf.bytes_per_hour = 40 * KIB; /* of so little, a quarter */
	budget_change(&w->b, &w->conf, &w->now);
	assert_true(room(w, 0).live[EVENTS] >= 30 * KIB - 100);
}

static void
hours_hold_a_class_back_and_let_it_go(void **state)
{
	struct world *w = *state;

	assert_true(budget_hours_parse("22:00-06:00", &w->conf.class[HOST].hours));
	start(w); /* 08:10 in Shanghai */
	assert_int_equal(room(w, 0).held, 4);
	assert_int_equal(budget_opens(&w->b, &w->now, BL_STREAM_HOST), 5000 + 13 * HOUR + 50 * MIN);
	pass(w, 13 * HOUR + 50 * MIN);
	assert_int_equal(room(w, 0).held, 0);
	pass(w, 8 * HOUR);
	assert_int_equal(room(w, 0).held, 4);
}

/* What happens while nobody knows the time: said in the header. */
static void
without_a_clock_hours_are_closed_and_budgets_run_by_boot_time(void **state)
{
	struct world *w = *state;

	assert_true(budget_hours_parse("00:00-24:00", &w->conf.class[HOST].hours));
	w->now.trusted = false;
	start(w);
	assert_int_equal(room(w, 0).held, 4);
	assert_true(budget_opens(&w->b, &w->now, BL_STREAM_HOST) == BUDGET_NEVER);
	budget_carried(&w->b, &w->now, 1000 * KIB);
	assert_int_equal(room(w, 0).held, 7);
	/* The centre tells the time: hours count, and what was spent stays spent. */
	w->now.trusted = true;
	assert_int_equal(room(w, 0).held, 7);
	w->now.trusted = false;
	pass(w, HOUR);
	assert_int_equal(room(w, 0).held, 4);
}

/* In no hour of the clock more than the budget, though the time became known in its middle. */
static void
a_window_of_before_ends_with_the_hour(void **state)
{
	struct world *w = *state;

	w->now.trusted = false;
	start(w); /* ten minutes past */
	budget_carried(&w->b, &w->now, 1000 * KIB);
	pass(w, 5 * MIN);
	w->now.trusted = true;
	assert_int_equal(room(w, 0).held, 7);
	pass(w, 45 * MIN);
	assert_int_equal(room(w, 0).held, 0);
	assert_int_equal(budget_window_bytes(&w->b), 1000 * KIB);
	assert_int_equal(w->b.at.ends_boot_ms, w->now.boot_ms + HOUR);
}

/* A clock that is set makes one window short: it has its part of the budget. */
static void
a_short_window_after_another_has_its_part(void **state)
{
	struct world *w = *state;
	struct budget_room r;

	start(w);
	w->now.unix_ms += 30 * MIN;
	pass(w, 50 * MIN); /* the window is over; it is half past */
	r = room(w, 0);
	assert_int_equal(w->b.at.ends_boot_ms, w->now.boot_ms + 30 * MIN);
	assert_int_equal(budget_window_bytes(&w->b), 500 * KIB);
	assert_int_equal(r.live[EVENTS], 500 * KIB / 100 * 100);
	pass(w, 15 * MIN);
	assert_in_range(room(w, 0).past[EVENTS], 249 * KIB, 250 * KIB);
	pass(w, 15 * MIN);
	assert_int_equal(room(w, 0).live[EVENTS], 1000 * KIB / 100 * 100);
}

/* Whatever is done to the clock, two full budgets lie a window's length apart. */
static void
no_step_of_a_clock_gives_a_budget_twice(void **state)
{
	static const int64_t steps[] = { HOUR, -HOUR, 24 * HOUR, 20 * 365 * 24 * HOUR,
		-20 * 365 * 24 * HOUR, 1, -1 };
	struct world *w = *state;

	start(w);
	budget_carried(&w->b, &w->now, 1000 * KIB);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		w->now.unix_ms += steps[i];
		assert_int_equal(room(w, 0).held, 7);
		w->now.trusted = i % 2 == 0;
		assert_int_equal(room(w, 0).held, 7);
	}
	w->now.trusted = true;
	pass(w, 50 * MIN);
	assert_int_equal(room(w, 0).held, 0);
}

static void
what_is_spent_outlives_the_process(void **state)
{
	struct world *w = *state;
	struct budget_saved saved;

	start(w);
	budget_carried(&w->b, &w->now, 990 * KIB);
	budget_sent(&w->b, &w->now, BL_STREAM_HOST, 100, false);
	saved = w->b.at;

	/* The same boot: to the millisecond. */
	pass(w, 10 * MIN);
	w->now.trusted = false; /* as at a start */
	start(w);
	budget_carried(&w->b, &w->now, 5 * KIB);
	budget_restore(&w->b, &saved, &w->now);
	assert_int_equal(w->b.at.used_bytes, 995 * KIB);
	assert_int_equal(w->b.at.ends_boot_ms, saved.ends_boot_ms);
	pass(w, 40 * MIN);
	assert_int_equal(room(w, 0).held, 0);

	/* Saved so long ago that it is over. */
	start(w);
	budget_restore(&w->b, &saved, &w->now);
	assert_int_equal(w->b.at.used_bytes, 0);
}

static void
after_another_boot_the_clock_says_whether_the_hour_is_over(void **state)
{
	struct world *w = *state;
	struct budget_saved saved;

	start(w);
	budget_carried(&w->b, &w->now, 1000 * KIB);
	saved = w->b.at;
	memset(w->boot.b, 2, sizeof(w->boot.b));
	w->now = (struct budget_now){ .boot_ms = 100, .unix_ms = DAY0 + 20 * MIN };
	start(w);
	budget_restore(&w->b, &saved, &w->now);
	assert_int_equal(room(w, 0).held, 7); /* nobody knows */
	w->now.trusted = true;
	assert_int_equal(room(w, 0).held, 7); /* the same hour */
	w->now.unix_ms = DAY0 + 61 * MIN;
	assert_int_equal(room(w, 0).held, 0);

	/* And when nobody ever tells the time, a window's length. */
	w->now = (struct budget_now){ .boot_ms = 100 };
	start(w);
	budget_restore(&w->b, &saved, &w->now);
	pass(w, HOUR - 1);
	assert_int_equal(room(w, 0).held, 7);
	pass(w, 1);
	assert_int_equal(room(w, 0).held, 0);
}

static void
a_short_window_has_its_part_of_the_hour(void **state)
{
	struct world *w = *state;

	w->conf.bytes_per_hour = UINT64_C(3600) << 40; /* large numbers do not overflow */
	w->conf.window_ms = 10000;
	start(w);
	assert_true(budget_window_bytes(&w->b) == UINT64_C(10) << 40);
	w->conf.bytes_per_hour = 3600;
	budget_change(&w->b, &w->conf, &w->now);
	assert_int_equal(budget_window_bytes(&w->b), 10);
	assert_int_equal(room(w, 0).held, 7);
	assert_int_equal(budget_packet(&w->b), BUDGET_PACKET_LEAST);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* What the configuration takes at least (config_metered.c): the smallest packet goes, even after a
 * handshake. */
static void
the_least_budget_lets_the_smallest_packet_go(void **state)
{
	const size_t cost = BUDGET_PACKET_LEAST + BUDGET_PACKET_LEAST / 16 + BUDGET_FRAME_BYTES;
	struct budget_conf conf = { .bytes_per_hour = 24 * KIB,
		.window_ms = HOUR,
		.keepalive_ms = 30000,
		.class[2].bytes_per_hour = 8 * KIB };
	const struct bl_id boot = { { 1 } };
	struct budget_now now = { .boot_ms = 5000 };
	struct budget_room room;
	struct budget b;

	(void)state;
	budget_init(&b, &conf, &boot, &now);
	assert_int_equal(budget_packet(&b), BUDGET_PACKET_LEAST);
	budget_carried(&b, &now, 4096);
	budget_room(&b, &now, 0, &room);
	for (int i = 0; i < BL_STREAMS; i++)
		assert_true(room.live[i] >= cost);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hours_are_read_or_refused),
		cmocka_unit_test(hours_are_those_of_the_zone),
		cmocka_unit_test(the_least_budget_lets_the_smallest_packet_go),
		T(without_limits_everything_may_go),
		T(classes_stop_in_their_order),
		T(past_goes_no_faster_than_the_hour_passes),
		T(a_class_has_its_own_limit),
		T(a_batch_in_a_shared_message_pays_for_its_bytes_alone),
		T(keeping_the_connection_up_comes_first),
		T(hours_hold_a_class_back_and_let_it_go),
		T(without_a_clock_hours_are_closed_and_budgets_run_by_boot_time),
		T(a_window_of_before_ends_with_the_hour),
		T(a_short_window_after_another_has_its_part),
		T(no_step_of_a_clock_gives_a_budget_twice),
		T(what_is_spent_outlives_the_process),
		T(after_another_boot_the_clock_says_whether_the_hour_is_over),
		T(a_short_window_has_its_part_of_the_hour),
	};

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
