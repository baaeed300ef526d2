/* What the store answers where clock maps are not sure: which spans, by how much, of whom. */
#include "store_kit.h"

struct seen {
	int n;
	struct store_doubt d[32];
};

static bool
see(void *ctx, const struct store_doubt *d)
{
	struct seen *s = ctx;

	assert_string_equal(d->device, "kiosk-1");
	s->d[s->n++] = *d;
	return s->n < 32;
}

static void
know(struct ctx *c, uint32_t id, int64_t from, int64_t offset, uint32_t uncertainty_ms)
{
	const struct bl_clock_segment seg = { .id = id,
		.boot = c->boot,
		.from_boot_ms = from,
		.offset_ms = offset,
		.uncertainty_ms = uncertainty_ms,
		.source = BL_CLOCK_CENTRE };
	struct bl_err err = { 0 };

	begin(c);
	assert_int_equal(store_clock(c->s, spool(c), &seg, &err), STORE_ENTRY_NEW);
	commit(c);
}

static struct seen
ask(struct ctx *c, const char *device, int64_t from, int64_t to, uint32_t least)
{
	struct seen s = { 0 };
	struct bl_err err = { 0 };

	must(store_read_doubts(c->r, device, from, to, least, see, &s, &err), &err);
	return s;
}

/* Minutes 0..29: sure for ten, then less and less; a correction stands for what was said before. */
static void
ten_uncertain_minutes(struct ctx *c)
{
	know(c, 1, 0, OFFSET, 100);
	know(c, 2, 10 * MINUTE, OFFSET, 3000);
	know(c, 3, 15 * MINUTE, OFFSET, 90000);
	know(c, 4, 15 * MINUTE, OFFSET + 2000, 20000); /* corrected */
	know(c, 5, 20 * MINUTE, OFFSET + 4000, 100);
	put_minutes(c, 0, 30);
	c->clock.unix_ms = OFFSET + 60 * MINUTE;
}

static void
doubts_are_told_span_by_span(void **state)
{
	struct ctx *c = *state;
	struct seen s;

	ten_uncertain_minutes(c);
	for (int i = 0; i < 2; i++) {
		s = ask(c, i == 0 ? "kiosk-1" : NULL, INT64_MIN, INT64_MAX, 0);
		assert_int_equal(s.n, 2);
		assert_int_equal(s.d[0].from_unix_ms, OFFSET + 10 * MINUTE);
		assert_int_equal(s.d[0].to_unix_ms, OFFSET + 15 * MINUTE);
		assert_int_equal(s.d[0].uncertainty_ms, 3000);
		assert_int_equal(s.d[1].from_unix_ms, OFFSET + 2000 + 15 * MINUTE);
		assert_int_equal(s.d[1].to_unix_ms, OFFSET + 2000 + 20 * MINUTE);
		assert_int_equal(s.d[1].uncertainty_ms, 20000);
	}
}

static void
only_what_is_asked_for_is_told(void **state)
{
	static const struct {
		const char *device;
		int64_t from, to; /* minutes */
		uint32_t least;
		int n;
	} rows[] = {
		{ "kiosk-1", 0, 30, 3000, 2 },
		{ "kiosk-1", 0, 30, 3001, 1 },
		{ "kiosk-1", 0, 30, 60000, 0 }, /* what was corrected does not count */
		{ "kiosk-1", 0, 10, 1000, 0 },
		{ "kiosk-1", 12, 13, 1000, 1 },
		{ "kiosk-1", 21, 30, 1000, 0 },
		{ "kiosk-2", 0, 30, 1000, 0 },
	};
	struct ctx *c = *state;

	ten_uncertain_minutes(c);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct seen s = ask(c, rows[i].device, OFFSET + rows[i].from * MINUTE,
		    OFFSET + rows[i].to * MINUTE, rows[i].least);

		if (s.n != rows[i].n)
			fail_msg("row %zu: %d spans", i, s.n);
		for (int k = 0; k < s.n; k++) {
			assert_true(s.d[k].from_unix_ms >= OFFSET + rows[i].from * MINUTE);
			assert_true(s.d[k].to_unix_ms <= OFFSET + rows[i].to * MINUTE);
		}
	}
}

/* A boot that nobody has told the time, and one of which nothing came. */
static void
what_has_no_time_has_no_doubt(void **state)
{
	struct ctx *c = *state;

	put_minutes(c, 0, 3);
	assert_int_equal(ask(c, "kiosk-1", INT64_MIN, INT64_MAX, 0).n, 0);
	c->boot = fixture_id(0x77);
	know(c, 1, 0, OFFSET, 5000);
	assert_int_equal(ask(c, NULL, INT64_MIN, INT64_MAX, 0).n, 0);
}

/* Read by its index: a store of thousands of sure devices costs nothing. */
static void
doubts_of_all_devices_are_found_by_index(void **state)
{
	struct ctx *c = *state;
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	bool found = false;

	assert_int_equal(sqlite3_open_v2(c->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(db,
		"EXPLAIN QUERY PLAN SELECT DISTINCT s.device_id, d.name, c.spool_id, b.id"
		" FROM clock_segment c JOIN spool s ON s.id = c.spool_id"
		" JOIN device d ON d.id = s.device_id JOIN boot b ON b.uuid = c.boot_uuid"
		" WHERE c.source > 0 AND c.uncertainty_ms >= ?1 AND c.uncertainty_ms >= 1000"
		" LIMIT ?2",
		-1, &st, NULL),
	    SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW)
		found = found ||
			strstr((const char *)sqlite3_column_text(st, 3), "clock_doubt") != NULL;
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_true(found);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(doubts_are_told_span_by_span),
		T(only_what_is_asked_for_is_told),
		T(what_has_no_time_has_no_doubt),
		T(doubts_of_all_devices_are_found_by_index),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
