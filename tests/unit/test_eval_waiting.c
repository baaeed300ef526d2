/* What cannot be taken in yet, or never: it waits, and keeps nothing else from going on. */
#include "eval_kit.h"

/* From outside, as a disk does. */
static void
damage(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
a_damaged_batch_stops_nothing(void **state)
{
	struct centre c;

	(void)state;
	open_centre(&c);
	add_series(&c);
	define(&c, DEFINE_KPI, "mean", MEAN);
	pass(&c, 10 * MINUTE);
	for (int64_t i = 0; i < 3; i++)
		put_host(&c, i);
	damage(c.telemetry, "UPDATE batch SET body = zeroblob(length(body)) WHERE seq = 2");
	evaluate(&c);
	assert_int_equal(number(&c, "SELECT count(*) FROM eval_dirty"), 0);
	assert_int_equal(number(&c, "SELECT count(*) FROM kpi_cell WHERE window = 1 AND n = 6"), 2);
	close_centre(&c);
}

static void
what_fails_keeps_nothing_else_from_going_on(void **state)
{
	struct centre c;
	struct bl_err err = { 0 };

	(void)state;
	open_centre(&c);
	add_series(&c);
	define(&c, DEFINE_KPI, "mean", MEAN);
	pass(&c, 10 * MINUTE);
	put_events(&c, 1, "step.begin", "o-1");
	evaluate(&c);
	damage(c.control_path, "UPDATE case_event SET attrs = '{'");
	define(&c, DEFINE_PROCESS, "order", "{\"steps\":[\"picking\"]}"); /* all cases anew */
	put_host(&c, 0);
	for (int i = 0; i < 5; i++)
		(void)eval_step(c.eval, &err);
	assert_true(eval_step(c.eval, &err) < 0);
	assert_int_equal(number(&c, "SELECT count(*) FROM kpi_cell WHERE window = 1 AND n = 6"), 1);
	close_centre(&c);
}

/* Batches of a boot whose clock nobody will ever know, and behind them one that comes to be known.
 */
static void
what_can_never_be_read_hides_nothing(void **state)
{
	const struct bl_clock_segment seg = {
		.id = 2, .boot = fixture_id(4), .offset_ms = T0, .source = BL_CLOCK_NTP
	};
	struct fixture_batch b = minute(BL_STREAM_HOST, 0);
	struct centre c;
	struct bl_err err = { 0 };

	(void)state;
	open_centre(&c);
	b.boot = fixture_id(3);
	must(store_begin(c.store, &err), &err);
	for (; b.seq <= 4200; b.seq++)
		put(&c, &b);
	b.boot = fixture_id(4);
	put(&c, &b);
	must(store_commit(c.store, &err), &err);
	evaluate(&c);
	assert_int_equal(number(&c, "SELECT count(*) FROM eval_waiting"), 4201);
	must(store_begin(c.store, &err), &err);
	must(store_clock(c.store, spool(&c), &seg, &err), &err);
	must(store_commit(c.store, &err), &err);
	for (int i = 0; i < 3; i++)
		evaluate(&c);
	assert_int_equal(number(&c, "SELECT count(*) FROM eval_waiting"), 4200);
	close_centre(&c);
}

static uint64_t
looks(struct centre *c)
{
	struct eval_status st;

	for (int i = 0; i < 2; i++) { /* they are counted now and then */
		pass(c, MINUTE);
		evaluate(c);
	}
	eval_status(c->eval, &st);
	return st.waiting_looks;
}

/* A device in 1970 leaves hundreds of batches; what others send does not pay for them. */
static void
what_waits_is_left_alone_until_something_helps(void **state)
{
	struct bl_clock_segment seg = {
		.id = 2, .boot = fixture_id(9), .offset_ms = T0, .source = BL_CLOCK_NTP
	};
	struct fixture_batch b = minute(BL_STREAM_HOST, 0);
	struct store_spool *other;
	struct bl_id id = fixture_id(0x55);
	struct centre c;
	struct bl_err err = { 0 };
	uint64_t before;

	(void)state;
	open_centre(&c);
	b.boot = fixture_id(9);
	must(store_begin(c.store, &err), &err);
	for (; b.seq <= 300; b.seq++)
		put(&c, &b);
	must(store_commit(c.store, &err), &err);
	evaluate(&c);
	/* Other devices' batches, and what other devices' clocks say; the first time it may be
	 * seen. */
	for (uint32_t i = 1; i <= 3; i++) {
		before = looks(&c);
		put_events(&c, i, "step.begin", "o-1");
		must(store_begin(c.store, &err), &err);
		must(store_spool(c.store, &id, "another-1", &other, &err), &err);
		seg.id = i;
		seg.offset_ms++;
		must(store_clock(c.store, other, &seg, &err), &err);
		must(store_commit(c.store, &err), &err);
		if (i > 1)
			assert_int_equal(looks(&c), before);
	}
	assert_int_equal(number(&c, "SELECT count(*) FROM eval_waiting"), 300);
	/* Its own. */
	seg.id = 2;
	must(store_begin(c.store, &err), &err);
	must(store_clock(c.store, spool(&c), &seg, &err), &err);
	must(store_commit(c.store, &err), &err);
	for (int i = 0; i < 3; i++)
		evaluate(&c);
	assert_int_equal(number(&c, "SELECT count(*) FROM eval_waiting"), 0);
	close_centre(&c);
}

/* Batches of a boot that nobody knows, and of one whose clock came later. */
static void
put_unknown(struct centre *c, unsigned never, unsigned later)
{
	const struct bl_clock_segment seg = {
		.id = 2, .boot = fixture_id(4), .offset_ms = T0, .source = BL_CLOCK_NTP
	};
	struct fixture_batch b = minute(BL_STREAM_HOST, 0);
	struct bl_err err = { 0 };

	b.boot = fixture_id(3);
	must(store_begin(c->store, &err), &err);
	for (; b.seq <= never; b.seq++)
		put(c, &b);
	b.boot = fixture_id(4);
	for (; b.seq <= never + later; b.seq++)
		put(c, &b);
	must(store_commit(c->store, &err), &err);
	evaluate(c);
	assert_int_equal(number(c, "SELECT count(*) FROM eval_waiting"), never + later);
	must(store_begin(c->store, &err), &err);
	must(store_clock(c->store, spool(c), &seg, &err), &err);
	must(store_commit(c->store, &err), &err);
}

/* A full disk for a moment: no map changes after it, and what waits is taken in all the same. */
static void
what_waits_outlives_a_write_that_fails(void **state)
{
	struct centre c;
	struct bl_err err = { 0 };
	int rc = 0;

	(void)state;
	open_centre(&c);
	put_unknown(&c, 3, 20);
	damage(c.control_path, "CREATE TRIGGER full BEFORE DELETE ON eval_waiting BEGIN SELECT "
			       "RAISE(ABORT, 'full'); END");
	for (int i = 0; i < 3 && rc >= 0; i++)
		rc = eval_step(c.eval, &err);
	assert_true(rc < 0);
	damage(c.control_path, "DROP TRIGGER full");
	for (int i = 0; i < 4; i++)
		evaluate(&c);
	assert_int_equal(number(&c, "SELECT count(*) FROM eval_waiting"), 3);
	close_centre(&c);
}

/* However many steps it takes: what was looked at is not looked at again with each of them. */
static void
what_waits_is_taken_in_piece_by_piece(void **state)
{
	struct centre c;
	struct bl_err err = { 0 };
	unsigned steps = 0;

	(void)state;
	open_centre(&c);
	put_unknown(&c, 600, 200);
	c.clock.clock.mono_ms = running_mono;
	for (; number(&c, "SELECT count(*) FROM eval_waiting") > 600; steps++) {
		assert_in_range(steps, 0, 200);
		must(eval_step(c.eval, &err), &err);
	}
	assert_in_range(steps, 5, 200); /* it was in pieces */
	/* All of them once before their clock came, once more after it, and each piece twice. */
	assert_in_range(looks(&c), 800, 2 * 800 + 2 * 200 * steps);
	close_centre(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits_is_left_alone_until_something_helps),
		cmocka_unit_test(what_waits_outlives_a_write_that_fails),
		cmocka_unit_test(what_waits_is_taken_in_piece_by_piece),
		cmocka_unit_test(a_damaged_batch_stops_nothing),
		cmocka_unit_test(what_fails_keeps_nothing_else_from_going_on),
		cmocka_unit_test(what_can_never_be_read_hides_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
