/*
 * Hours that came and cannot be read any more: the ledger names them, nobody takes them for known,
 * and they are out of it when the part is whole again.
 */
#include <sqlite3.h>
#include <unistd.h>

#include "compact_kit.h"

#define DAY     (24 * (int64_t)HOUR)
#define DEVICES 130u /* more than a slice of the writer */
#define LOST    " FROM gap WHERE reason = 6 AND seq_first = 0"

static const char *const till[] = { "kiosk-1", "kiosk-2" };

/* The next day's round, to its end. */
static void
next_round(struct kit *k)
{
	struct compact_status s;
	int64_t begun;

	pass(k, DAY + HOUR);
	begun = k->clock.unix_ms;
	for (int i = 0; i < 4; i++) {
		settle(k);
		pass(k, MINUTE);
	}
	compact_status(k->compact, &s);
	assert_true(s.checked_unix_ms >= begun);
}

/* Two hours of one device, an hour of another, packed. */
static void
two_parts(struct kit *k)
{
	know(k, 0xa, till[0]);
	know(k, 0xb, till[1]);
	put_minutes(k, till[0], 0xa, 1, 120);
	put_minutes(k, till[1], 0xb, 1, 60);
	pass(k, 3 * HOUR);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	next_round(k);
	assert_int_equal(count(k, "SELECT count(*)" LOST), 0);
}

/* ---- what readers say ---- */

struct said {
	int64_t covered, gone;
};

static void
add_span(void *ctx, bool gone, int64_t from, int64_t to)
{
	struct said *s = ctx;

	*(gone ? &s->gone : &s->covered) += to - from;
}

/* Minutes of the first two hours that are covered, and that are gone. */
static struct said
coverage(struct kit *k, const char *device)
{
	struct said s = { 0, 0 };
	struct bl_err err = { 0 };

	must(store_log_coverage(
		 k->r, device, BL_STREAM_HOST, OFFSET, OFFSET + 2 * HOUR, add_span, &s, &err),
	    &err);
	return (struct said){ s.covered / MINUTE, s.gone / MINUTE };
}

static bool
first_series(void *ctx, const struct store_series *s)
{
	*(int64_t *)ctx = s->id;
	return false;
}

struct answer {
	uint64_t samples[2];
	int64_t lost_from, lost_to; /* 0: no hole with that reason */
	size_t holes;
};

/* A query by the hour of the first device's first series; its code. */
static int
ask(struct kit *k, struct answer *a)
{
	struct store_query_result *res;
	struct bl_err err = { 0 };
	int64_t id = 0;
	struct store_query q = { .series = &id,
		.n_series = 1,
		.from_unix_ms = OFFSET,
		.to_unix_ms = OFFSET + 2 * HOUR,
		.step_ms = HOUR };
	int rc;

	*a = (struct answer){ .holes = 0 };
	must(store_read_series(k->r, till[0], first_series, &id, &err), &err);
	if ((rc = store_read_query(k->r, &q, &res, &err)) < 0)
		return rc;
	a->samples[0] = res->series[0].n[0];
	a->samples[1] = res->series[0].n[1];
	a->holes = res->series[0].n_gaps;
	for (size_t i = 0; i < a->holes; i++)
		if (res->series[0].gap[i].reason == BL_GAP_LOST_AT_CENTRE) {
			a->lost_from = res->series[0].gap[i].from_unix_ms;
			a->lost_to = res->series[0].gap[i].to_unix_ms;
		}
	store_query_free(res);
	return BL_OK;
}

static void
all_is_known(struct kit *k)
{
	struct answer a;

	assert_int_equal(count(k, "SELECT count(*)" LOST), 0);
	assert_int_equal(coverage(k, till[0]).covered, 120);
	assert_int_equal(ask(k, &a), BL_OK);
	assert_int_equal(a.samples[0], 360);
	assert_int_equal(a.samples[1], 360);
	assert_int_equal(a.holes, 0);
}

/* ---- damage ---- */

static void
path_of(struct kit *k, enum parts_level level, char path[700])
{
	char name[PARTS_NAME_SIZE];

	parts_name(level, OFFSET, name);
	(void)snprintf(path, 700, "%s/%s", k->parts_path, name);
}

static void
move_away(struct kit *k, enum parts_level level, bool back)
{
	char path[700], away[710];

	path_of(k, level, path);
	(void)snprintf(away, sizeof(away), "%s-away", path);
	assert_int_equal(back ? rename(away, path) : rename(path, away), 0);
}

/* The first byte of the second hour's region, or back again. */
static void
flip(struct kit *k)
{
	const long at = (long)count(k, "SELECT raw_offset FROM part WHERE hour_unix_ms ="
				       " (SELECT max(hour_unix_ms) FROM part)");
	char path[700];
	FILE *f;
	int byte;

	path_of(k, PARTS_RAW, path);
	assert_non_null(f = fopen(path, "r+b"));
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	assert_true((byte = fgetc(f)) != EOF);
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	assert_true(fputc(byte ^ 4, f) != EOF);
	assert_int_equal(fclose(f), 0);
}

static void
hours_of_a_lost_file_are_unknown_until_it_is_back(void **state)
{
	struct kit *k = *state;
	struct answer a;

	two_parts(k);
	all_is_known(k);
	kit_stop(k);
	move_away(k, PARTS_RAW, false);
	kit_start(k);
	/* Before it is named, a query does not give less than there should be. */
	assert_int_equal(ask(k, &a), BL_ECORRUPT);
	next_round(k);
	assert_int_equal(count(k, "SELECT count(*)" LOST), 3);
	assert_int_equal(coverage(k, till[0]).covered, 0);
	assert_int_equal(coverage(k, till[0]).gone, 120);
	assert_int_equal(coverage(k, till[1]).gone, 60);
	assert_int_equal(ask(k, &a), BL_OK);
	assert_int_equal(a.samples[0] + a.samples[1], 0);
	assert_int_equal(a.holes, 1);
	assert_int_equal(a.lost_from, OFFSET);
	assert_int_equal(a.lost_to, OFFSET + 2 * HOUR);
	/* Named once, whatever happens. */
	kit_stop(k);
	kit_start(k);
	next_round(k);
	assert_int_equal(count(k, "SELECT count(*)" LOST), 3);
	move_away(k, PARTS_RAW, true);
	next_round(k);
	all_is_known(k);
}

static void
one_damaged_part_takes_no_other_hour_along(void **state)
{
	struct kit *k = *state;
	struct answer a;

	two_parts(k);
	flip(k);
	next_round(k);
	assert_int_equal(count(k, "SELECT count(*)" LOST), 1);
	assert_int_equal(coverage(k, till[0]).covered, 60);
	assert_int_equal(coverage(k, till[1]).covered, 60);
	assert_int_equal(coverage(k, till[1]).gone, 0);
	kit_stop(k); /* indexes that readers keep */
	kit_start(k);
	assert_int_equal(ask(k, &a), BL_OK);
	assert_int_equal(a.samples[0], 360);
	assert_int_equal(a.samples[1], 0);
	assert_int_equal(a.lost_from, OFFSET + HOUR);
	flip(k);
	next_round(k);
	all_is_known(k);
}

static void
coarser_levels_are_no_loss_while_samples_are_there(void **state)
{
	struct kit *k = *state;
	struct compact_status s;

	two_parts(k);
	move_away(k, PARTS_M5, false);
	move_away(k, PARTS_H1, false);
	next_round(k);
	compact_status(k->compact, &s);
	assert_int_equal(s.damaged, 4);
	all_is_known(k);
}

static void
what_retention_takes_is_out_of_the_ledger(void **state)
{
	struct kit *k = *state;

	two_parts(k);
	move_away(k, PARTS_RAW, false);
	next_round(k);
	assert_int_equal(count(k, "SELECT count(*)" LOST), 3);
	kit_stop(k);
	k->opts.retention.raw_ms = DAY;
	kit_start(k);
	pass(k, 2 * DAY);
	next_round(k);
	assert_int_equal(count(k, "SELECT max(raw_bytes) FROM part"), 0);
	assert_int_equal(count(k, "SELECT count(*)" LOST), 0);
}

static void
hours_of_many_devices_are_named_in_slices(void **state)
{
	struct kit *k = *state;
	char name[16];

	for (unsigned i = 0; i < DEVICES; i++) {
		const struct put p = {
			.device = name, .spool = (uint8_t)(i + 3), .seq = 1, .to_ms = MINUTE
		};

		(void)snprintf(name, sizeof(name), "till-%03u", i);
		know(k, (uint8_t)(i + 3), name);
		assert_int_equal(put(k, &p), STORE_NEW);
	}
	pass(k, 3 * HOUR);
	settle(k);
	move_away(k, PARTS_RAW, false);
	next_round(k);
	assert_int_equal(count(k, "SELECT count(*)" LOST), DEVICES);
	move_away(k, PARTS_RAW, true);
	next_round(k);
	assert_int_equal(count(k, "SELECT count(*)" LOST), 0);
}

/* ---- salvage ---- */

static void
run_sql(struct kit *k, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The database is replaced and what it had is taken over. */
static void
salvage(struct kit *k)
{
	struct bl_err err = { 0 };
	FILE *f;
	int rc;

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
	next_round(k);
}

static void
clean_rows(struct kit *k)
{
	two_parts(k);
	begin(k);
	commit(k);
	kit_stop(k);
}

static void
a_file_that_was_gone_when_a_store_was_taken_over_is_named(void **state)
{
	struct kit *k = *state;

	clean_rows(k);
	move_away(k, PARTS_RAW, false);
	salvage(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	assert_int_equal(count(k, "SELECT count(*)" LOST), 3);
	assert_int_equal(coverage(k, till[0]).gone, 120);
	move_away(k, PARTS_RAW, true);
	next_round(k);
	all_is_known(k);
}

static void
an_hour_whose_row_of_the_manifest_is_lost_is_named(void **state)
{
	struct kit *k = *state;

	clean_rows(k);
	run_sql(k, "UPDATE part SET samples = samples + 1"
		   " WHERE hour_unix_ms = (SELECT max(hour_unix_ms) FROM part)");
	salvage(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 1);
	assert_int_equal(count(k, "SELECT count(*)" LOST), 1);
	assert_int_equal(coverage(k, till[0]).covered, 60);
	assert_int_equal(coverage(k, till[0]).gone, 60);
}

static void
files_that_went_by_their_age_are_no_loss(void **state)
{
	struct kit *k = *state;

	clean_rows(k);
	kit_start(k);
	/* Three days later, another hour: its file is the younger one. */
	begin(k);
	put_clock(k, 0xa, till[0], 2, 1, 121 * MINUTE, OFFSET + 3 * DAY);
	commit(k);
	put_minutes(k, till[0], 0xa, 122, 180);
	pass(k, 4 * DAY);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 3);
	kit_stop(k);
	move_away(k, PARTS_RAW, false);
	salvage(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part WHERE raw_bytes > 0"), 1);
	assert_int_equal(count(k, "SELECT count(*)" LOST), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(hours_of_a_lost_file_are_unknown_until_it_is_back),
		T(one_damaged_part_takes_no_other_hour_along),
		T(coarser_levels_are_no_loss_while_samples_are_there),
		T(what_retention_takes_is_out_of_the_ledger),
		T(hours_of_many_devices_are_named_in_slices),
		T(a_file_that_was_gone_when_a_store_was_taken_over_is_named),
		T(an_hour_whose_row_of_the_manifest_is_lost_is_named),
		T(files_that_went_by_their_age_are_no_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
