/* The evaluator as a whole, step by step: a real store, a real control database, a played clock. */
#include "eval_kit.h"

/* Minute i of each of n devices, whose clocks are known: no samples, the span alone. */
static void
put_minute_of_all(struct centre *c, unsigned n, int64_t i)
{
	const struct bl_clock_segment seg = {
		.id = 1, .boot = fixture_id(2), .offset_ms = T0, .source = BL_CLOCK_NTP
	};
	struct bl_err err = { 0 };

	must(store_begin(c->store, &err), &err);
	for (unsigned k = 0; k < n; k++) {
		struct fixture_batch b = minute(BL_STREAM_HOST, i);
		struct store_spool *sp;
		char device[32];

		(void)snprintf(device, sizeof(device), "till-%u", k);
		b.spool = fixture_id((uint8_t)(10 + k));
		must(store_spool(c->store, &b.spool, device, &sp, &err), &err);
		if (i == 0)
			must(store_clock(c->store, sp, &seg, &err), &err);
		put_into(c, sp, &b);
	}
	must(store_commit(c->store, &err), &err);
}

/* ---- tests ---- */

/* Of more devices than one step works out: what it leaves is whole, and nobody else's. */
static void
a_backlog_makes_one_span_a_device(void **state)
{
#define TILLS "FROM eval_dirty WHERE device LIKE 'till-%'"
	const unsigned n = 2 * 64;
	struct bl_err err = { 0 };
	struct centre c;

	(void)state;
	open_centre(&c);
	for (int64_t i = 0; i < 3; i++)
		put_minute_of_all(&c, n, i);
	pass(&c, HOUR);
	must(eval_step(c.eval, &err), &err);
	assert_int_equal(number(&c, "SELECT count(*) " TILLS), n - 64);
	assert_int_equal(number(&c, "SELECT count(DISTINCT device) " TILLS), n - 64);
	assert_true(number(&c, "SELECT max(begin_unix_ms) " TILLS) <= T0);
	assert_true(number(&c, "SELECT min(end_unix_ms) " TILLS) >= T0 + 3 * MINUTE);
	assert_true(number(&c, "SELECT max(end_unix_ms - begin_unix_ms) " TILLS) < 4 * MINUTE);
#undef TILLS
	evaluate(&c);
	assert_int_equal(number(&c, "SELECT count(*) FROM eval_dirty"), 0);
	close_centre(&c);
}

static void
cases_move_with_their_device(void **state)
{
	struct centre c;
	struct fleet_device d;
	struct bl_err err = { 0 };

	(void)state;
	open_centre(&c);
	pass(&c, 10 * MINUTE);
	put_events(&c, 1, "step.begin", "early");
	put_events(&c, 4, "step.begin", "late");
	evaluate(&c);
	assert_int_equal(number(&c, "SELECT count(*) FROM case_head WHERE site = 'north'"
				    " AND events = 1"),
	    2);
	must(fleet_device_move(c.control, &actor, DEVICE, 0, "south", T0 + 3 * MINUTE, &d, &err),
	    &err);
	eval_fleet_changed(c.eval);
	evaluate(&c);
	evaluate(&c);
	assert_int_equal(number(&c, "SELECT count(*) FROM case_head WHERE site = 'north'"
				    " AND case_id = 'early' AND events = 1"),
	    1);
	assert_int_equal(number(&c, "SELECT count(*) FROM case_head WHERE site = 'south'"
				    " AND case_id = 'late' AND events = 1"),
	    1);
	assert_int_equal(number(&c, "SELECT count(*) FROM case_head WHERE events = 1"), 2);
	close_centre(&c);
}

/* The device stood at the other site from the beginning on: nothing stays at the first. */
static void
cases_move_whole(void **state)
{
	struct centre c;
	struct fleet_device d;
	struct bl_err err = { 0 };

	(void)state;
	open_centre(&c);
	pass(&c, 10 * MINUTE);
	put_events(&c, 1, "step.begin", "o-1");
	evaluate(&c);
	must(fleet_device_move(c.control, &actor, DEVICE, 0, "south", T0, &d, &err), &err);
	eval_fleet_changed(c.eval);
	evaluate(&c);
	evaluate(&c);
	assert_int_equal(number(&c, "SELECT count(*) FROM case_head WHERE site = 'south'"
				    " AND events = 1"),
	    1);
	assert_int_equal(number(&c, "SELECT count(*) FROM case_head WHERE events = 1"), 1);
	close_centre(&c);
}

/* Nothing has to be taken in again for that. */
static void
another_zone_moves_no_case(void **state)
{
	struct fleet_site_edit e = { .zone = "Asia/Shanghai" };
	struct centre c;
	struct fleet_site site;
	struct bl_err err = { 0 };

	(void)state;
	open_centre(&c);
	pass(&c, 10 * MINUTE);
	put_events(&c, 1, "step.begin", "o-1");
	evaluate(&c);
	must(fleet_site_change(c.control, &actor, "north", 0, &e, &site, &err), &err);
	eval_fleet_changed(c.eval);
	must(eval_step(c.eval, &err), &err);
	assert_int_equal(
	    number(&c, "SELECT count(*) FROM eval_service WHERE zone = 'Asia/Shanghai'"), 1);
	assert_int_equal(number(&c, "SELECT count(*) FROM eval_waiting"), 0);
	close_centre(&c);
}

/* What the restored store holds is taken in without a page, all of it. */
static void
a_restore_is_quiet_until_all_is_taken_in(void **state)
{
	struct centre c;
	struct bl_err err = { 0 };

	(void)state;
	open_centre(&c);
	define(&c, DEFINE_PROCESS, "order", "{\"steps\":[\"picking\"]}");
	define(&c, DEFINE_RULE, "late",
	    "{\"kind\":\"case_open\",\"severity\":\"warning\",\"process\":\"order\","
	    "\"limit_ms\":60000,\"channels\":[\"ops\"]}");
	evaluate(&c);
	pass(&c, 4 * MINUTE);
	put_events(&c, 0, "step.begin", "o-1");
	for (int64_t i = 1; i < 4; i++)
		put_events(&c, i, "", NULL);
	must(store_new_epoch(c.store, &err), &err);
	evaluate(&c);
	assert_int_equal(number(&c, "SELECT count(*) FROM incident WHERE state = 'open'"), 1);
	assert_int_equal(number(&c, "SELECT count(*) FROM outbox WHERE kind = 'page'"), 0);
	evaluate(&c);
	assert_int_equal(number(&c, "SELECT quiet FROM eval"), 0);
	assert_int_equal(number(&c, "SELECT count(*) FROM digest_item"), 1);
	close_centre(&c);
}

/* Ids of a store that was set back begin low again: what was reached in the one before says nothing
 * of them. */
static void
what_was_passed_is_of_one_epoch(void **state)
{
	struct centre c;
	struct bl_id old;
	struct bl_err err = { 0 };

	(void)state;
	open_centre(&c);
	for (int64_t i = 0; i < 4; i++)
		put_events(&c, i, "", NULL);
	assert_int_equal(eval_passed(c.db, store_epoch(c.store)), 0);
	evaluate(&c);
	assert_int_equal(eval_passed(c.db, store_epoch(c.store)), 4);
	old = *store_epoch(c.store);
	must(store_new_epoch(c.store, &err), &err);
	assert_int_equal(eval_passed(c.db, store_epoch(c.store)), 0);
	evaluate(&c);
	assert_int_equal(eval_passed(c.db, store_epoch(c.store)), 4);
	assert_int_equal(eval_passed(c.db, &old), 0);
	close_centre(&c);
}

/*
 * The store knows that the case has ended and that its deadline is covered, but the log is longer
 * than one step takes in: coverage must not be believed before the events are among the cases.
 */
static void
coverage_is_not_ahead_of_cases(void **state)
{
	struct centre c;
	struct bl_err err = { 0 };

	(void)state;
	open_centre(&c);
	define(&c, DEFINE_PROCESS, "order", "{\"steps\":[\"picking\"]}");
	define(&c, DEFINE_KPI, "orders",
	    "{\"source\":\"step\",\"process\":\"order\",\"function\":\"count\",\"resolution\":"
	    "\"1m\"}");
	define(&c, DEFINE_RULE, "late",
	    "{\"kind\":\"case_open\",\"severity\":\"warning\",\"process\":\"order\","
	    "\"limit_ms\":120000,\"channels\":[\"ops\"]}");
	define(&c, DEFINE_RULE, "none",
	    "{\"kind\":\"threshold\",\"severity\":\"warning\",\"kpi\":\"orders\",\"window\":\"1m\","
	    "\"op\":\"<\",\"value\":1,\"for\":1,\"channels\":[\"ops\"]}");
	evaluate(&c);
	pass(&c, 5 * MINUTE);
	put_events(&c, 0, "step.begin", "o-1");
	must(store_begin(c.store, &err), &err);
	for (int64_t i = 0; i < 600; i++) { /* a step takes 500 */
		struct fixture_batch b = minute(BL_STREAM_HOST, i);

		put(&c, &b);
	}
	must(store_commit(c.store, &err), &err);
	put_events(&c, 1, "step.end", "o-1");
	for (int64_t i = 2; i < 5; i++)
		put_events(&c, i, "", NULL);
	evaluate(&c);
	evaluate(&c);
	assert_int_equal(
	    number(&c, "SELECT count(*) FROM case_head WHERE end_unix_ms IS NOT NULL"), 1);
	assert_int_equal(number(&c, "SELECT count(*) FROM incident WHERE rule = 'late'"), 0);
	/* The minute in which the step ended never looked empty; the others are. */
	assert_int_equal(
	    number(&c, "SELECT count(*) FROM kpi_cell WHERE kpi = 'orders' AND window = 1"
		       " AND ready = 1 AND n = 1"),
	    1);
	assert_int_equal(number(&c, "SELECT count(*) FROM incident_entry WHERE kind IN"
				    " ('withdrawn', 'amended', 'merged')"),
	    0);
	close_centre(&c);
}

/* Its explanation is made of them. */
static void
old_minutes_go_but_not_those_of_a_live_incident(void **state)
{
	static const char cells[] = "SELECT count(*) FROM kpi_cell WHERE window IN (1, 2)";
	struct centre c;
	struct eval_status status;
	struct bl_err err = { 0 };

	(void)state;
	open_centre(&c);
	add_series(&c);
	define(&c, DEFINE_KPI, "mean", MEAN);
	define(&c, DEFINE_RULE, "high",
	    "{\"kind\":\"threshold\",\"severity\":\"warning\",\"kpi\":\"mean\",\"window\":\"1m\","
	    "\"op\":\">\",\"value\":-1e9,\"for\":1,\"channels\":[\"ops\"]}");
	evaluate(&c);
	pass(&c, 5 * MINUTE);
	for (int64_t i = 0; i < 3; i++)
		put_host(&c, i);
	evaluate(&c);
	assert_int_equal(number(&c, "SELECT count(*) FROM incident WHERE state = 'open'"), 1);
	pass(&c, 60 * DAY);
	evaluate(&c);
	evaluate(&c);
	assert_int_equal(number(&c, "SELECT count(*) FROM kpi_kept"), 2);
	assert_int_equal(number(&c, cells), 3 + 1);

	must(incident_resolve(
		 c.control, &actor, number(&c, "SELECT id FROM incident"), 0, NULL, &err),
	    &err);
	pass(&c, HOUR);
	evaluate(&c);
	assert_int_equal(number(&c, cells), 0);
	assert_int_equal(number(&c, "SELECT count(*) FROM kpi_cell"), 2);
	assert_int_equal(number(&c, "SELECT count(*) FROM incident WHERE state = 'withdrawn'"), 0);
	eval_status(c.eval, &status);
	assert_int_equal(status.kpi_rows_forgotten, 2 * 4);

	/* What comes for then changes nothing any more. */
	put_host(&c, 3);
	evaluate(&c);
	assert_int_equal(number(&c, "SELECT count(*) FROM eval_dirty"), 0);
	assert_int_equal(number(&c, "SELECT n FROM kpi_cell WHERE window = 3"), 3 * 6);
	close_centre(&c);
}

static void
what_people_changed_is_taken_in_piece_by_piece(void **state)
{
	struct centre c;
	struct bl_err err = { 0 };
	char id[16];

	(void)state;
	open_centre(&c);
	pass(&c, 10 * MINUTE);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(id, sizeof(id), "kpi-%d", i);
		define(&c, DEFINE_KPI, id, MEAN);
		(void)snprintf(id, sizeof(id), "device-%d", i);
		add_device(&c, id, "south");
	}
	pass(&c, MINUTE);
	c.clock.clock.mono_ms = running_mono;
	must(eval_step(c.eval, &err), &err);
	assert_in_range(number(&c, "SELECT count(*) FROM eval_service"), 1, 40);
	assert_in_range(number(&c, "SELECT count(*) FROM eval_seen"), 1, 40);
	evaluate(&c);
	assert_int_equal(number(&c, "SELECT count(*) FROM eval_service"), 41);
	assert_int_equal(number(&c, "SELECT count(*) FROM eval_seen"), 41);
	close_centre(&c);
}

/* A backlog does not become one transaction, however much of it there is. */
static void
parts_are_stored_piece_by_piece(void **state)
{
	const char *const parts = "SELECT count(*) FROM kpi_part WHERE window = 1";
	struct centre c;
	struct bl_err err = { 0 };
	int64_t before = 0, now;
	char id[16];

	(void)state;
	open_centre(&c);
	add_series(&c);
	for (int i = 0; i < 12; i++) {
		(void)snprintf(id, sizeof(id), "kpi-%d", i);
		define(&c, DEFINE_KPI, id, MEAN);
	}
	pass(&c, 200 * MINUTE);
	for (int64_t i = 0; i < 100; i++)
		put_host(&c, i);
	do {
		must(eval_step(c.eval, &err), &err);
		now = number(&c, parts);
		assert_in_range(now - before, 0, 12 * 60);
		before = now;
	} while (now < 12 * 100);
	evaluate(&c);
	assert_int_equal(number(&c, parts), 12 * 100);
	close_centre(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_backlog_makes_one_span_a_device),
		cmocka_unit_test(cases_move_with_their_device),
		cmocka_unit_test(cases_move_whole),
		cmocka_unit_test(another_zone_moves_no_case),
		cmocka_unit_test(a_restore_is_quiet_until_all_is_taken_in),
		cmocka_unit_test(what_was_passed_is_of_one_epoch),
		cmocka_unit_test(coverage_is_not_ahead_of_cases),
		cmocka_unit_test(old_minutes_go_but_not_those_of_a_live_incident),
		cmocka_unit_test(what_people_changed_is_taken_in_piece_by_piece),
		cmocka_unit_test(parts_are_stored_piece_by_piece),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
