/*
 * What a store of parts must not lose or do for ever: times that move through several hours in a
 * row, a folder that is older than its database, a damaged store, small parts.
 */
#include <sqlite3.h>
#include <unistd.h>

#include "compact_kit.h"

static const char *const devices[] = { "kiosk-1", "kiosk-2" };

/* ---- clocks ---- */

static const struct {
	const char *name;
	int64_t from_ms, offset_ms;
} steps[] = {
	{ "on by half an hour", 0, 30 * MINUTE },
	{ "on by an hour", 0, HOUR },
	{ "on by an hour and a half, from the middle", 90 * MINUTE, 90 * MINUTE },
	{ "back by half an hour", 70 * MINUTE, -30 * MINUTE },
	{ "back by two hours", 0, -2 * HOUR },
};

/* Four hours; the step is told before or after they were packed. */
static void
play(struct kit *k, size_t step, bool late)
{
	begin(k);
	put_dict(k, 0xa, devices[0], 1, 1);
	put_dict(k, 0xa, devices[0], 2, 2);
	put_clock(k, 0xa, devices[0], 1, 1, 0, OFFSET);
	if (!late)
		put_clock(
		    k, 0xa, devices[0], 2, 1, steps[step].from_ms, OFFSET + steps[step].offset_ms);
	commit(k);
	put_minutes(k, devices[0], 0xa, 1, 235);
	if (!late)
		return;
	pass(k, 5 * HOUR);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 4);
	pass_round(k);
	settle(k);
	begin(k);
	put_clock(k, 0xa, devices[0], 2, 1, steps[step].from_ms, OFFSET + steps[step].offset_ms);
	commit(k);
}

static void
times_that_move_through_hours_in_a_row_take_every_sample_along(void **state)
{
	(void)state;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct kit *k = calloc(1, sizeof(*k));
		char *expected, *after;

		assert_non_null(k);
		kit_open(k, "loss-told");
		play(k, i, false);
		expected = everything(k, devices, 1);
		kit_close(k);
		kit_open(k, "loss-late");
		play(k, i, true);
		for (int j = 0; j < 8; j++) {
			settle(k);
			pass(k, HOUR);
		}
		after = everything(k, devices, 1);
		if (strcmp(after, expected) != 0)
			fail_msg("%s: %zu bytes of lines, %zu were expected", steps[i].name,
			    strlen(after), strlen(expected));
		kit_close(k);
		free(k);
		free(expected);
		free(after);
	}
}

/* ---- a folder that is older than its database ---- */

static void
what_rows_name_behind_the_end_of_a_file_is_not_written_over(void **state)
{
	struct kit *k = *state;
	char path[700], name[PARTS_NAME_SIZE];
	int64_t end;

	know(k, 0xa, devices[0]);
	know(k, 0xb, devices[1]);
	put_minutes(k, devices[0], 0xa, 1, 60);
	pass(k, 2 * HOUR);
	settle(k);
	end = count(k, "SELECT max(raw_offset + raw_bytes) FROM part");
	parts_name(PARTS_RAW, OFFSET, name);
	(void)snprintf(path, sizeof(path), "%s/%s", k->parts_path, name);
	kit_stop(k);
	assert_int_equal(truncate(path, 100), 0);
	kit_start(k);
	put_minutes(k, devices[1], 0xb, 1, 60);
	pass(k, 2 * HOUR);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	assert_true(count(k, "SELECT raw_offset FROM part ORDER BY id DESC LIMIT 1") >= end);
}

/* ---- a damaged store ---- */

static void
hours_of_a_damaged_store_are_awaited_before_they_are_packed_again(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };
	FILE *f;
	int rc;

	know(k, 0xa, devices[0]);
	put_minutes(k, devices[0], 0xa, 1, 50);
	pass(k, 2 * HOUR);
	settle(k);
	pass_round(k);
	settle(k);
	begin(k);
	commit(k);
	kit_stop(k);
	assert_non_null(f = fopen(k->path, "r+b"));
	assert_int_equal(fwrite("not a database at all", 1, 21, f), 21);
	assert_int_equal(fclose(f), 0);
	kit_start(k);
	assert_int_equal(k->opened, STORE_REPLACED);
	/* The rest of the hour comes to the new one, which has time to pack it. */
	know(k, 0xa, devices[0]);
	put_minutes(k, devices[0], 0xa, 51, 60);
	pass(k, 2 * HOUR);
	settle(k);
	do {
		begin(k);
		rc = store_salvage(k->s, 16, &err);
		must(rc, &err);
		commit(k);
	} while (rc == 1);
	pass(k, 2 * HOUR);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 0);
	/* All of its hour is in the part that readers are led to. */
	assert_int_equal(
	    count(k, "SELECT sum(samples) FROM part JOIN part_device ON part_id = id"), 720);
}

/* ---- small parts ---- */

static void
parts_that_are_full_by_their_devices_are_not_written_again(void **state)
{
	static const char *const all[] = { "kiosk-1", "kiosk-2", "till-3", "till-4", "till-5" };
	struct kit *k = *state;

	kit_stop(k);
	k->opts.part_devices = 1;
	kit_start(k);
	for (uint8_t i = 0; i < 5; i++) {
		know(k, (uint8_t)(0xa + i), all[i]);
		put_minutes(k, all[i], (uint8_t)(0xa + i), 1, 60);
	}
	for (int i = 0; i < 6; i++) {
		pass(k, HOUR);
		settle(k);
	}
	assert_int_equal(count(k, "SELECT max(id) FROM part"), 5);
}

/* Five devices, each in a part of its own, of two hours; five of an hour are worth joining. */
static void
two_worn_hours(struct kit *k)
{
	static const char *const all[] = { "kiosk-1", "kiosk-2", "till-3", "till-4", "till-5" };

	kit_stop(k);
	k->opts.part_devices = 1;
	kit_start(k);
	for (uint8_t i = 0; i < 5; i++) {
		know(k, (uint8_t)(0xa + i), all[i]);
		put_minutes(k, all[i], (uint8_t)(0xa + i), 1, 120);
	}
	pass(k, 3 * HOUR);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 10);
	kit_stop(k);
	k->opts.part_devices = 0;
}

/* Rounds until the newer hour is one part; how many of the older there are. */
static int64_t
parts_of_the_older(struct kit *k)
{
	for (int i = 0; i < 4; i++) {
		pass(k, HOUR);
		settle(k);
	}
	assert_int_equal(count(k, "SELECT count(*) FROM part WHERE hour_unix_ms ="
				  " (SELECT max(hour_unix_ms) FROM part)"),
	    1);
	return count(k, "SELECT count(*) FROM part WHERE hour_unix_ms ="
			" (SELECT min(hour_unix_ms) FROM part)");
}

static void
an_hour_that_cannot_be_written_anew_keeps_no_other_waiting(void **state)
{
	struct kit *k = *state;
	char path[700], name[PARTS_NAME_SIZE];
	FILE *f;

	two_worn_hours(k);
	parts_name(PARTS_RAW, OFFSET, name);
	(void)snprintf(path, sizeof(path), "%s/%s", k->parts_path, name);
	assert_non_null(f = fopen(path, "r+b"));
	assert_int_equal(fseek(f,
			     (long)count(k, "SELECT raw_offset FROM part ORDER BY hour_unix_ms, id"
					    " LIMIT 1"),
			     SEEK_SET),
	    0);
	assert_int_equal(fwrite("not a part at all", 1, 17, f), 17);
	assert_int_equal(fclose(f), 0);
	kit_start(k);
	assert_int_equal(parts_of_the_older(k), 5);
}

static void
an_hour_of_devices_that_nobody_knows_keeps_no_other_waiting(void **state)
{
	struct kit *k = *state;
	sqlite3 *db;

	two_worn_hours(k);
	/* Numbers of another store, without a word on what they are called here. */
	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
			     "UPDATE part SET space = 7 WHERE hour_unix_ms ="
			     " (SELECT min(hour_unix_ms) FROM part)",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	kit_start(k);
	assert_int_equal(parts_of_the_older(k), 5);
}

/* ---- damage ---- */

/* A region of the older of two parts: its files are of that day (month). */
static int64_t
place(struct kit *k, enum parts_level level, const char *what)
{
	static const char *const name[] = { "raw", "m5", "h1" };
	char sql[120];

	(void)snprintf(
	    sql, sizeof(sql), "SELECT %s_%s FROM part ORDER BY id LIMIT 1", name[level], what);
	return count(k, sql);
}

static FILE *
open_file_of(struct kit *k, enum parts_level level, char path[700])
{
	char name[PARTS_NAME_SIZE];
	FILE *f;

	parts_name(level, OFFSET, name);
	(void)snprintf(path, 700, "%s/%s", k->parts_path, name);
	assert_non_null(f = fopen(path, "r+b"));
	return f;
}

/* One bit, or back again. */
static void
flip(struct kit *k, enum parts_level level, int64_t at)
{
	char path[700];
	FILE *f = open_file_of(k, level, path);
	int byte;

	assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
	assert_true((byte = fgetc(f)) != EOF);
	assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
	assert_true(fputc(byte ^ 4, f) != EOF);
	assert_int_equal(fclose(f), 0);
}

/* The next day's round, to its end. */
static struct compact_status
next_round(struct kit *k)
{
	struct compact_status s;
	const int64_t begun = k->clock.unix_ms += 25 * (int64_t)HOUR;

	k->clock.mono_ms += 25 * (int64_t)HOUR;
	for (int i = 0; i < 4; i++) {
		settle(k);
		pass(k, MINUTE);
	}
	compact_status(k->compact, &s);
	assert_true(s.checked_unix_ms >= begun);
	return s;
}

static void
two_parts(struct kit *k)
{
	know(k, 0xa, devices[0]);
	put_minutes(k, devices[0], 0xa, 1, 120);
	pass(k, 3 * HOUR);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	assert_int_equal(next_round(k).damaged, 0);
}

/* Wherever it is, in whatever level. */
static void
every_damaged_byte_of_a_part_is_found_and_named(void **state)
{
	struct kit *k = *state;
	struct compact_status s;
	char file[PARTS_NAME_SIZE];

	two_parts(k);
	for (int level = 0; level < PARTS_LEVELS; level++) {
		const int64_t at = place(k, (enum parts_level)level, "offset");
		const int64_t bytes = place(k, (enum parts_level)level, "bytes");
		const int64_t step = rounds((unsigned)bytes / 24 + 1, 1);

		parts_name((enum parts_level)level, OFFSET, file);
		for (int64_t i = 0; i < bytes; i += step) {
			flip(k, (enum parts_level)level, at + i);
			s = next_round(k);
			if (s.damaged != 1 || s.damaged_listed != 1)
				fail_msg("byte %lld of %s: %llu damaged", (long long)i, file,
				    (unsigned long long)s.damaged);
			assert_string_equal(s.damaged_at[0].file, file);
			assert_int_equal(s.damaged_at[0].hour_unix_ms, OFFSET);
			assert_true(s.damaged_at[0].why[0] != '\0');
			flip(k, (enum parts_level)level, at + i);
			assert_int_equal(next_round(k).damaged, 0);
		}
	}
}

static void
a_file_that_is_gone_or_short_is_named_for_every_hour_of_it(void **state)
{
	struct kit *k = *state;
	struct compact_status s;
	char path[700], away[710];

	two_parts(k);
	assert_int_equal(fclose(open_file_of(k, PARTS_M5, path)), 0);
	assert_int_equal(truncate(path, (off_t)place(k, PARTS_M5, "bytes")), 0);
	s = next_round(k);
	assert_int_equal(s.damaged, 1);
	assert_int_equal(s.damaged_at[0].hour_unix_ms, OFFSET + HOUR);
	assert_int_equal(fclose(open_file_of(k, PARTS_RAW, path)), 0);
	(void)snprintf(away, sizeof(away), "%s-away", path);
	assert_int_equal(rename(path, away), 0);
	assert_int_equal(next_round(k).damaged, 3);
	/* Known again with the start, and until it is back. */
	kit_stop(k);
	kit_start(k);
	settle(k);
	compact_status(k->compact, &s);
	assert_int_equal(s.damaged, 3);
	assert_int_equal(rename(away, path), 0);
	assert_int_equal(next_round(k).damaged, 1);
}

static void
a_row_that_does_not_agree_with_its_sum_is_named(void **state)
{
	struct kit *k = *state;
	struct compact_status s;
	sqlite3 *db;

	two_parts(k);
	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE part SET samples = samples + 1 WHERE id = 2",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	s = next_round(k);
	assert_int_equal(s.damaged, 1);
	assert_string_equal(s.damaged_at[0].file, "telemetry.db");
	assert_int_equal(s.damaged_at[0].hour_unix_ms, OFFSET + HOUR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_that_move_through_hours_in_a_row_take_every_sample_along),
		cmocka_unit_test_setup_teardown(
		    hours_of_a_damaged_store_are_awaited_before_they_are_packed_again, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    parts_that_are_full_by_their_devices_are_not_written_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    an_hour_that_cannot_be_written_anew_keeps_no_other_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    an_hour_of_devices_that_nobody_knows_keeps_no_other_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    every_damaged_byte_of_a_part_is_found_and_named, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_file_that_is_gone_or_short_is_named_for_every_hour_of_it, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_row_that_does_not_agree_with_its_sum_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_rows_name_behind_the_end_of_a_file_is_not_written_over, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
