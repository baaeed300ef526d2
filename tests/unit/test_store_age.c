/* What goes by its age is not left to a clock that leaps. */
#include "compact_kit.h"

#include "store_age.h"

#define DAY (24 * (int64_t)HOUR)

static int64_t
now_of(struct kit *k, struct store_age *a)
{
	struct bl_err err = { 0 };
	int64_t now;

	must(store_age_now(a, k->r, &k->clock.clock, &now, &err), &err);
	return now;
}

static void
put_hours(struct kit *k)
{
	k->clock.unix_ms = OFFSET + 2 * (int64_t)HOUR;
	know(k, 0xa, "kiosk-1");
	put_minutes(k, "kiosk-1", 0xa, 1, 120);
}

static void
a_store_without_samples_believes_the_clock(void **state)
{
	struct kit *k = *state;
	struct store_age a = { 0 };

	assert_true(now_of(k, &a) == k->clock.unix_ms);
}

static void
a_clock_that_is_near_is_believed(void **state)
{
	static const int64_t off[] = { 0, 6 * DAY, -DAY, -3 * 365 * DAY };
	struct kit *k = *state;

	put_hours(k);
	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		struct store_age a = { 0 };

		k->clock.unix_ms = OFFSET + 2 * (int64_t)HOUR + off[i];
		assert_true(now_of(k, &a) == k->clock.unix_ms);
		pass(k, 30 * DAY); /* as by both clocks */
		assert_true(now_of(k, &a) == k->clock.unix_ms);
	}
}

static void
a_leap_is_believed_when_it_has_stood_for_days(void **state)
{
	const int64_t newest = OFFSET + 2 * (int64_t)HOUR;
	struct kit *k = *state;
	struct store_age a = { 0 };

	put_hours(k);
	k->clock.unix_ms += 20 * 365 * DAY; /* as it came up */
	assert_true(now_of(k, &a) == newest);
	pass(k, STORE_AGE_HOLD_MS - 1);
	assert_true(now_of(k, &a) == newest + STORE_AGE_HOLD_MS - 1);
	pass(k, 1);
	assert_true(now_of(k, &a) == k->clock.unix_ms);
	k->clock.unix_ms -= 20 * 365 * DAY; /* it is set right */
	assert_true(now_of(k, &a) == k->clock.unix_ms);
	k->clock.unix_ms += 8 * DAY; /* and leaps while it runs */
	assert_true(now_of(k, &a) == k->clock.unix_ms - 8 * DAY);
	k->clock.unix_ms -= 8 * DAY;
	assert_true(now_of(k, &a) == k->clock.unix_ms);
}

static void
put_ahead(struct kit *k, uint64_t seq)
{
	const struct put ahead = { .device = "kiosk-1",
		.spool = 0xa,
		.seq = seq,
		.from_ms = 20 * 365 * DAY,
		.to_ms = 20 * 365 * DAY + MINUTE };

	begin(k);
	assert_int_equal(put_in(k, &ahead), STORE_NEW);
	commit(k);
}

/* One device whose clock is wrong has samples of then for as long as they are kept. */
static void
a_device_that_is_ahead_vouches_for_no_clock(void **state)
{
	struct kit *k = *state;
	struct store_age a = { 0 };

	put_hours(k);
	put_ahead(k, 121);
	assert_true(now_of(k, &a) == k->clock.unix_ms);
	k->clock.unix_ms += 20 * 365 * DAY;
	a = (struct store_age){ 0 }; /* it comes up */
	assert_true(now_of(k, &a) <= OFFSET + 3 * (int64_t)HOUR);
	assert_true(a.held);
}

/* The same through the compactor. */
static void
a_leap_of_the_clock_deletes_nothing(void **state)
{
	struct kit *k = *state;
	struct compact_status s;

	put_hours(k);
	pass(k, HOUR);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part WHERE raw_bytes > 0"), 2);
	kit_stop(k);
	k->opts.retention =
	    (struct compact_retention){ 35 * DAY, 396 * DAY, 1826 * DAY, 396 * DAY };
	k->clock.unix_ms += 20 * 365 * DAY;
	kit_start(k);
	settle(k);
	pass(k, DAY);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part WHERE raw_bytes > 0"), 2);
	compact_status(k->compact, &s);
	assert_true(s.age_held);
	pass(k, STORE_AGE_HOLD_MS); /* nobody set it right */
	settle(k);
	compact_status(k->compact, &s);
	assert_false(s.age_held);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 0);
	assert_true(s.given_back > 0); /* whole files */
}

/* Age that began before that goes on: what comes then bears the time of the wrong clock. */
static void
what_comes_vouches_for_no_clock_either(void **state)
{
	struct kit *k = *state;

	put_hours(k);
	put_ahead(k, 121);
	pass(k, HOUR);
	settle(k);
	k->clock.unix_ms += 20 * 365 * DAY;
	(void)now_of(k, &k->opts.age);
	put_minutes(k, "kiosk-1", 0xa, 122, 123);
	kit_stop(k);
	k->opts.retention =
	    (struct compact_retention){ 35 * DAY, 396 * DAY, 1826 * DAY, 396 * DAY };
	kit_start(k);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part WHERE raw_bytes > 0"), 3);
}

static void
restart(struct kit *k)
{
	settle(k);
	kit_stop(k);
	k->opts.age = (struct store_age){ 0 };
	kit_start(k);
	settle(k);
}

static bool
is_held(struct kit *k)
{
	struct compact_status s;

	compact_status(k->compact, &s);
	return s.age_held;
}

/*
 * The centre starts again while its clock is wrong, by when a device has told of that future and
 * what it brought has come then, too: nothing that is stored says what time it is any more.
 */
static void
a_restart_believes_no_clock_sooner(void **state)
{
	struct kit *k = *state;
	struct compact_status s;

	k->opts.retention =
	    (struct compact_retention){ 35 * DAY, 396 * DAY, 1826 * DAY, 396 * DAY };
	put_hours(k);
	pass(k, HOUR);
	settle(k);
	k->clock.unix_ms += 20 * 365 * DAY;
	restart(k);
	assert_true(is_held(k));
	for (int day = 1; day <= 2; day++) {
		put_ahead(k, 120 + (uint64_t)day);
		pass(k, DAY);
		restart(k);
		assert_true(is_held(k));
		compact_status(k->compact, &s);
		assert_true(s.age_left_ms == STORE_AGE_HOLD_MS - day * DAY);
	}
	assert_true(count(k, "SELECT count(*) FROM part WHERE raw_bytes > 0") >= 2);
	pass(k, DAY); /* the third of three, in which it has run */
	settle(k);
	assert_false(is_held(k));
	assert_int_equal(
	    count(k, "SELECT count(*) FROM part WHERE hour_unix_ms < 1893456000000"), 0);
}

/* It is set right in that time, and nothing has gone. */
static void
a_clock_that_was_set_right_is_believed_after_a_restart(void **state)
{
	struct kit *k = *state;

	k->opts.retention =
	    (struct compact_retention){ 35 * DAY, 396 * DAY, 1826 * DAY, 396 * DAY };
	put_hours(k);
	pass(k, HOUR);
	settle(k);
	k->clock.unix_ms += 20 * 365 * DAY;
	restart(k);
	pass(k, DAY);
	settle(k);
	k->clock.unix_ms -= 20 * 365 * DAY;
	restart(k);
	assert_false(is_held(k));
	assert_int_equal(count(k, "SELECT count(*) FROM part WHERE raw_bytes > 0"), 2);
	k->clock.unix_ms += 20 * 365 * DAY; /* once more: three days anew */
	restart(k);
	pass(k, STORE_AGE_HOLD_MS - HOUR);
	settle(k);
	assert_true(is_held(k));
}

/* A machine without a clock of its own comes up in 1970 and is told the time after a while. */
static void
a_clock_that_was_never_set_begins_no_hold(void **state)
{
	const int64_t right = OFFSET + 2 * (int64_t)HOUR;
	struct kit *k = *state;
	struct store_age a = { 0 };

	k->clock.unix_ms = MINUTE; /* the first start of all */
	(void)now_of(k, &a);
	assert_true(now_of(k, &a) <= MINUTE);
	k->clock.unix_ms = right;
	assert_true(now_of(k, &a) == right);
	assert_false(a.held);
	put_hours(k);
	k->clock.unix_ms = MINUTE; /* a later one, which goes by what came */
	a = (struct store_age){ 0 };
	assert_true(now_of(k, &a) == right);
	pass(k, HOUR);
	assert_true(now_of(k, &a) == right + HOUR);
	k->clock.unix_ms = right + 2 * HOUR;
	assert_true(now_of(k, &a) == right + 2 * HOUR);
	assert_false(a.held);
}

/* While it is held, too: the three days are not begun anew at each start. */
static void
a_clock_that_was_never_set_ends_no_hold(void **state)
{
	struct kit *k = *state;
	struct store_age a = { 0 };

	put_hours(k);
	k->clock.unix_ms += 20 * 365 * DAY;
	(void)now_of(k, &a);
	assert_true(a.held);
	k->clock.unix_ms = MINUTE;
	pass(k, DAY);
	(void)now_of(k, &a);
	assert_true(a.held);
	assert_true(store_age_left_ms(&a) == STORE_AGE_HOLD_MS - DAY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_store_without_samples_believes_the_clock, setup, teardown),
		cmocka_unit_test_setup_teardown(a_clock_that_is_near_is_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_clock_that_was_never_set_begins_no_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_clock_that_was_never_set_ends_no_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_leap_is_believed_when_it_has_stood_for_days, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_device_that_is_ahead_vouches_for_no_clock, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_restart_believes_no_clock_sooner, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_clock_that_was_set_right_is_believed_after_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_comes_vouches_for_no_clock_either, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_leap_of_the_clock_deletes_nothing, setup, teardown),
	};

	return cmocka_run_group_tests_name("store_age", tests, NULL, NULL);
}
