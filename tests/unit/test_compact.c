/*
 * Closed hours go into parts, one step after the other, with the store at hand: nothing is lost
 * and nothing doubled, whatever comes late.
 */
#include "compact_kit.h"

static const char *const devices[] = { "kiosk-1", "kiosk-2", "till-3" };

static void
closed_hours_are_packed(void **state)
{
	struct kit *k = *state;
	char *before, *after, *parts;

	for (uint8_t i = 0; i < 3; i++) {
		know(k, (uint8_t)(0xa + i), devices[i]);
		put_minutes(k, devices[i], (uint8_t)(0xa + i), 1, 90);
	}
	before = everything(k, devices, 3);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 0); /* the hour is not over */
	pass(k, HOUR + 10 * MINUTE);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 1);
	assert_int_equal(count(k, "SELECT devices FROM part"), 3);
	assert_int_equal(count(k, "SELECT samples FROM part"), 3 * 2 * 360);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 3); /* the second hour's */
	/* Rows stay for readers that are at work, and go then; half the batches are of the other
	 * hour. */
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 3 * 90);
	pass_round(k);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 3 * 30);
	assert_int_equal(count(k, "SELECT sum(last - first + 1) FROM packed_seq"), 3 * 60);
	assert_int_equal(count(k, "SELECT count(*) FROM packed_seq"), 3);
	after = everything(k, devices, 3);
	assert_string_equal(after, before);
	free(after);
	/* And the second hour. */
	pass(k, HOUR);
	settle(k);
	pass_round(k);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 0);
	/* The newest row stays: its id must not come again. */
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 1);
	assert_int_equal(count(k, "SELECT count(*) FROM packed_seq"), 3);
	after = everything(k, devices, 3);
	parts = in_parts(k);
	assert_string_equal(after, before);
	assert_string_equal(parts, before);
	free(before);
	free(after);
	free(parts);
}

static void
late_data_join_their_hour(void **state)
{
	struct kit *k = *state;
	char *before, *after, *parts;

	know(k, 0xa, devices[0]);
	know(k, 0xb, devices[1]);
	put_minutes(k, devices[0], 0xa, 1, 60);
	put_minutes(k, devices[1], 0xb, 31, 60);
	pass(k, HOUR + 15 * MINUTE);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 1);
	put_minutes(k, devices[1], 0xb, 1, 30);
	before = everything(k, devices, 2);
	settle(k);
	/* What else is late of this hour is waited for. */
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 1);
	pass(k, 31 * MINUTE);
	settle(k);
	pass_round(k);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	assert_int_equal(count(k, "SELECT count(*) FROM part_hidden"), 1);
	assert_int_equal(count(k, "SELECT count(*) FROM part_device"), 2);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 0);
	assert_int_equal(count(k, "SELECT count(*) FROM packed_seq"), 2);
	after = everything(k, devices, 2);
	parts = in_parts(k);
	assert_string_equal(after, before);
	assert_string_equal(parts, before);
	free(before);
	free(after);
	free(parts);
}

/* ---- what waits ---- */

/* Nothing of it is packed as long as it must not be; then all of it is. */
static void
pack_all(struct kit *k, const char *const *names, size_t n, const char *before)
{
	char *after, *parts;

	for (int i = 0; i < 4; i++) {
		pass(k, HOUR);
		settle(k);
	}
	pass_round(k);
	settle(k);
	after = everything(k, names, n);
	parts = in_parts(k);
	assert_string_equal(after, before);
	assert_string_equal(parts, before);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 0);
	assert_true(count(k, "SELECT count(*) FROM batch WHERE n_events = 0 AND kind = 0") <= 1);
	free(after);
	free(parts);
}

static void
what_the_evaluator_has_not_passed_waits(void **state)
{
	struct kit *k = *state;
	char *before;

	know(k, 0xa, devices[0]);
	know(k, 0xb, devices[1]);
	put_minutes(k, devices[0], 0xa, 1, 60);
	put_minutes(k, devices[1], 0xb, 1, 60);
	before = everything(k, devices, 2);
	k->passed = 119;
	pass(k, 2 * HOUR);
	settle(k);
	/* Of one device all was passed. */
	assert_int_equal(count(k, "SELECT devices FROM part"), 1);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 1);
	k->passed = 120;
	pack_all(k, devices, 2, before);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	free(before);
}

static void
a_clock_that_comes_late_is_waited_for(void **state)
{
	struct kit *k = *state;
	char *before;

	begin(k);
	put_dict(k, 0xa, devices[0], 1, 1);
	put_dict(k, 0xa, devices[0], 2, 2);
	commit(k);
	know(k, 0xb, devices[1]);
	put_minutes(k, devices[0], 0xa, 1, 90);
	put_minutes(k, devices[1], 0xb, 1, 90);
	pass(k, 5 * HOUR);
	settle(k);
	pass_round(k);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_mark"), 90);
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 91);
	/* Their hours are packed already, and their ids lower than what those have taken in. */
	begin(k);
	put_clock(k, 0xa, devices[0], 1, 1, 0, OFFSET);
	commit(k);
	before = everything(k, devices, 2);
	/* The evaluator still has one on its list. */
	k->awaited = 30;
	pass(k, HOUR);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 1);
	k->awaited = 0;
	pack_all(k, devices, 2, before);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_mark"), 0);
	free(before);
}

static void
a_dictionary_that_comes_late_is_waited_for(void **state)
{
	struct kit *k = *state;
	char *before;

	begin(k);
	put_dict(k, 0xa, devices[0], 1, 1);
	put_clock(k, 0xa, devices[0], 1, 1, 0, OFFSET);
	commit(k);
	put_minutes(k, devices[0], 0xa, 1, 70);
	pass(k, 3 * HOUR);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 0);
	begin(k);
	put_dict(k, 0xa, devices[0], 2, 2);
	commit(k);
	before = everything(k, devices, 1);
	pack_all(k, devices, 1, before);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	assert_int_equal(
	    count(k, "SELECT count(*) FROM pack_mark"), 1); /* of the newest, which stays */
	free(before);
}

/* ---- batches of all kinds ---- */

static void
batches_that_span_hours_go_with_the_last_one(void **state)
{
	const struct put first = { .device = devices[0],
		.spool = 0xa,
		.seq = 1,
		.from_ms = 30 * MINUTE,
		.to_ms = 30 * MINUTE + 3 * HOUR };
	const struct put second = { .device = devices[0],
		.spool = 0xa,
		.seq = 2,
		.from_ms = 30 * MINUTE + 3 * HOUR,
		.to_ms = 31 * MINUTE + 3 * HOUR };
	struct kit *k = *state;
	char *before;

	know(k, 0xa, devices[0]);
	assert_int_equal(put(k, &first), STORE_NEW);
	assert_int_equal(put(k, &second), STORE_NEW);
	before = everything(k, devices, 1);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 4);
	pass(k, 3 * HOUR + 20 * MINUTE);
	settle(k);
	pass_round(k);
	settle(k);
	/* The fourth hour is still open. */
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 3);
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 2);
	assert_int_equal(count(k, "SELECT count(*) FROM packed_seq"), 0);
	pack_all(k, devices, 1, before);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 4);
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 1);
	free(before);
}

static void
rows_with_events_stay_and_empty_ones_go(void **state)
{
	struct put p = { .device = devices[0], .spool = 0xa };
	struct kit *k = *state;
	char *before;

	know(k, 0xa, devices[0]);
	for (uint64_t i = 1; i <= 60; i++) {
		p.seq = i;
		p.from_ms = (int64_t)(i - 1) * MINUTE;
		p.to_ms = (int64_t)i * MINUTE;
		p.event = i % 20 == 0;
		p.n_series = i % 3 == 0 ? NOTHING : 2;
		assert_int_equal(put(k, &p), STORE_NEW);
	}
	before = everything(k, devices, 1);
	pack_all(k, devices, 1, before);
	assert_int_equal(count(k, "SELECT count(*) FROM batch WHERE n_events > 0"), 3);
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 3);
	/* Known as before: the same is a duplicate, another one contradicts it. */
	for (uint64_t i = 1; i <= 60; i++) {
		p.seq = i;
		p.from_ms = (int64_t)(i - 1) * MINUTE;
		p.to_ms = (int64_t)i * MINUTE;
		p.event = i % 20 == 0;
		p.n_series = i % 3 == 0 ? NOTHING : 2;
		p.twist = 0;
		assert_int_equal(put(k, &p), STORE_DUPLICATE);
		p.twist = 1;
		p.to_ms +=
		    p.n_series == NOTHING ? 1 : 0; /* empty ones differ by their times alone */
		if (i % 20 != 0)
			assert_int_equal(put(k, &p), STORE_CONFLICT);
	}
	free(before);
}

static void
thinned_samples_keep_what_they_stand_for(void **state)
{
	const struct put fine = { .device = devices[0],
		.spool = 0xa,
		.seq = 2,
		.from_ms = 2 * HOUR,
		.to_ms = 2 * HOUR + 20 * MINUTE };
	const struct put thin = { .device = devices[0],
		.spool = 0xa,
		.seq = 3,
		.from_ms = 10 * MINUTE,
		.to_ms = 110 * MINUTE,
		.supersedes_first = 1,
		.supersedes_last = 1,
		.thin_ms = 5 * MINUTE };
	struct kit *k = *state;
	char *before;

	know(k, 0xa, devices[0]);
	assert_int_equal(put(k, &fine), STORE_NEW);
	assert_int_equal(put(k, &thin), STORE_NEW);
	before = everything(k, devices, 1);
	assert_non_null(strstr(before, " n30"));
	pack_all(k, devices, 1, before);
	/* Its row says what it stands for. */
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 1);
	free(before);
}

static void
two_spools_of_one_boot_are_one(void **state)
{
	struct kit *k = *state;
	char *before;

	know(k, 0xa, devices[0]);
	know(k, 0xb, devices[0]);
	put_minutes(k, devices[0], 0xa, 1, 40);
	for (uint64_t i = 21; i <= 60; i += 5) {
		const struct put p = { .device = devices[0],
			.spool = 0xb,
			.seq = i,
			.from_ms = (int64_t)(i - 1) * MINUTE,
			.to_ms = (int64_t)(i + 4) * MINUTE };

		(void)put(k, &p);
	}
	before = everything(k, devices, 1);
	assert_int_equal(count(k, "SELECT count(DISTINCT spool_id) FROM batch"), 2);
	pack_all(k, devices, 1, before);
	assert_int_equal(count(k, "SELECT samples FROM part"), 2 * 360);
	free(before);
}

/* ---- large and small ---- */

static void
parts_end_at_their_size_and_go_on_with_the_next_device(void **state)
{
	struct kit *k = *state;
	char *before;

	kit_stop(k);
	k->opts.part_devices = 2;
	kit_start(k);
	for (uint8_t i = 0; i < 3; i++) {
		know(k, (uint8_t)(0xa + i), devices[i]);
		put_minutes(k, devices[i], (uint8_t)(0xa + i), 1, 60);
	}
	before = everything(k, devices, 3);
	pack_all(k, devices, 3, before);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	assert_int_equal(count(k, "SELECT max(devices) FROM part"), 2);
	free(before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(closed_hours_are_packed, setup, teardown),
		cmocka_unit_test_setup_teardown(late_data_join_their_hour, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_the_evaluator_has_not_passed_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_clock_that_comes_late_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_dictionary_that_comes_late_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    batches_that_span_hours_go_with_the_last_one, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    rows_with_events_stay_and_empty_ones_go, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    thinned_samples_keep_what_they_stand_for, setup, teardown),
		cmocka_unit_test_setup_teardown(two_spools_of_one_boot_are_one, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    parts_end_at_their_size_and_go_on_with_the_next_device, setup, teardown),
	};

	return cmocka_run_group_tests_name("compact", tests, NULL, NULL);
}
