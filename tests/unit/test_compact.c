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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(closed_hours_are_packed, setup, teardown),
		cmocka_unit_test_setup_teardown(late_data_join_their_hour, setup, teardown),
	};

	return cmocka_run_group_tests_name("compact", tests, NULL, NULL);
}
