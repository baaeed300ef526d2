/*
 * Checksums of packed batches go with the samples: what was packed stays known, so nothing that
 * comes again is taken for new, and nothing is left that grows with every batch.
 */
#include <sqlite3.h>

#include "compact_kit.h"

#define DAY     (24 * (int64_t)HOUR)
#define BATCHES 1500u /* more than a row of checks has */

static const char *const till = "kiosk-1";

static int
again(struct kit *k, uint64_t seq, unsigned twist)
{
	const struct put p = { .device = till,
		.spool = 0xa,
		.seq = seq,
		.from_ms = (int64_t)(seq - 1) * MINUTE,
		.to_ms = (int64_t)seq * MINUTE,
		.twist = twist };

	return put(k, &p);
}

static int64_t
known(struct kit *k)
{
	return count(k, "SELECT sum(last - first + 1) FROM packed_seq");
}

static int64_t
bytes(struct kit *k)
{
	return count(k, "SELECT sum(length(checks)) FROM packed_seq");
}

/* A day and an hour of batches, packed, their rows gone but for the last one's. */
static void
a_day(struct kit *k)
{
	kit_stop(k);
	k->opts.retention.raw_ms = 2 * DAY;
	kit_start(k);
	know(k, 0xa, till);
	put_minutes(k, till, 0xa, 1, BATCHES);
	pass(k, BATCHES * (int64_t)MINUTE + HOUR);
	settle(k);
	pass_round(k);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 1);
	assert_int_equal(known(k), BATCHES);
	assert_int_equal(bytes(k), 4 * BATCHES);
}

static void
checks_go_with_the_samples_and_what_was_packed_stays_known(void **state)
{
	struct kit *k = *state;

	a_day(k);
	assert_int_equal(again(k, 7, 0), STORE_DUPLICATE);
	assert_int_equal(again(k, 7, 1), STORE_CONFLICT);
	pass(k, 4 * DAY);
	settle(k);
	assert_int_equal(count(k, "SELECT max(raw_bytes) FROM part"), 0);
	assert_int_equal(known(k), BATCHES);
	assert_int_equal(bytes(k), 0);
	assert_int_equal(count(k, "SELECT count(*) FROM packed_seq"), 1);
	/* Nothing of it is taken for new, be it the same or not. */
	for (unsigned twist = 0; twist < 2; twist++)
		for (uint64_t seq = 1; seq < BATCHES; seq += 1024)
			assert_int_equal(again(k, seq, twist), STORE_DUPLICATE);
	assert_int_equal(count(k, "SELECT count(*) FROM batch"), 1);
}

static void
what_is_younger_keeps_its_checks(void **state)
{
	struct kit *k = *state;
	struct put p = { .device = till, .spool = 0xa };
	int64_t left;

	a_day(k);
	/* Three days later, hours that are packed behind what has none any more. */
	pass(k, 3 * DAY);
	begin(k);
	commit(k);
	for (p.seq = BATCHES + 1; p.seq <= BATCHES + 60; p.seq++) {
		p.from_ms = 4 * DAY + (int64_t)(p.seq - BATCHES) * MINUTE;
		p.to_ms = p.from_ms + MINUTE;
		assert_int_equal(put(k, &p), STORE_NEW);
	}
	pass(k, DAY);
	settle(k);
	pass_round(k);
	settle(k);
	assert_int_equal(known(k), BATCHES + 60);
	left = bytes(k) / 4;
	/* Whole rows go: of the younger ones none, of the older at most what shares a row with
	 * them. */
	assert_true(left >= 60 && left < 1024);
	p.seq = BATCHES + 30;
	p.from_ms = 4 * DAY + 30 * MINUTE;
	p.to_ms = p.from_ms + MINUTE;
	assert_int_equal(put(k, &p), STORE_DUPLICATE);
	p.twist = 1;
	assert_int_equal(put(k, &p), STORE_CONFLICT);
	pass(k, 4 * DAY);
	settle(k);
	assert_int_equal(bytes(k), 0);
	assert_int_equal(known(k), BATCHES + 60);
	assert_int_equal(count(k, "SELECT count(*) FROM packed_seq"), 1);
}

static void
a_damaged_store_hands_on_what_was_packed(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };
	FILE *f;
	int rc;

	a_day(k);
	pass(k, 4 * DAY);
	settle(k);
	assert_int_equal(bytes(k), 0);
	kit_stop(k);
	assert_non_null(f = fopen(k->path, "r+b"));
	assert_int_equal(fwrite("not a database at all", 1, 21, f), 21);
	assert_int_equal(fclose(f), 0);
	kit_start(k);
	assert_int_equal(k->opened, STORE_REPLACED);
	do {
		begin(k);
		rc = store_salvage(k->s, 16, &err);
		must(rc, &err);
		commit(k);
	} while (rc == 1);
	assert_int_equal(count(k, "SELECT max(contiguous) FROM stream"), BATCHES);
	assert_int_equal(known(k), BATCHES);
	assert_int_equal(again(k, 1, 0), STORE_DUPLICATE);
	assert_int_equal(again(k, BATCHES - 1, 0), STORE_DUPLICATE);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(checks_go_with_the_samples_and_what_was_packed_stays_known),
		T(what_is_younger_keeps_its_checks),
		T(a_damaged_store_hands_on_what_was_packed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
