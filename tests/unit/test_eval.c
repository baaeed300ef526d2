/* The evaluator as a whole, step by step: a real store, a real control database, a played clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "define.h"
#include "eval.h"
#include "fleet.h"
#include "incident.h"
#include "store.h"
#include "store_fixture.h"

#define MINUTE INT64_C(60000)
#define HOUR   INT64_C(3600000)
#define DAY    (24 * HOUR)
#define T0     INT64_C(1795824000000) /* 2026-11-28T00:00:00Z */
#define DEVICE "kiosk-1"

struct centre {
	char *folder, telemetry[600], control_path[600];
	struct fixture_clock clock;
	struct store *store;
	struct control *control;
	struct eval *eval;
	sqlite3 *db; /* reads */
};

static const struct control_actor actor = { "test", "" };

static void
must(int rc, const struct bl_err *err)
{
	if (rc < 0)
		fail_msg("%s (%d)", err->msg, rc);
}

/* ---- the centre ---- */

static struct store_spool *
spool(struct centre *c)
{
	const struct bl_id id = fixture_id(1);
	struct bl_err err = { 0 };
	struct store_spool *sp;

	must(store_spool(c->store, &id, DEVICE, &sp, &err), &err);
	return sp;
}

static void
add_site(struct centre *c, const char *id)
{
	struct fleet_site_edit e = { .name = id, .zone = "UTC" };
	struct fleet_site site;
	struct bl_err err = { 0 };

	must(fleet_site_create(c->control, &actor, id, &e, &site, &err), &err);
}

static void
add_device(struct centre *c, const char *id, const char *site)
{
	struct fleet_device d;
	struct bl_err err = { 0 };

	must(fleet_device_create(c->control, &actor, id, site, id, &d, &err), &err);
}

static void
define(struct centre *c, enum define_kind kind, const char *id, const char *body)
{
	struct define_edit e = {
		.name = id, .has_enabled = true, .enabled = true, .body = body, .from_unix_ms = T0
	};
	struct define_errors errs = { 0 };
	char made[BL_ID_TEXT_MAX + 1];
	struct bl_err err = { 0 };
	const int rc = define_create(c->control, &actor, kind, id, &e, made, &errs, &err);

	must(rc, &err);
	assert_int_equal(rc, DEFINE_DONE);
}

static void
open_centre(struct centre *c)
{
	const struct bl_clock_segment seg = {
		.id = 1, .boot = fixture_id(2), .offset_ms = T0, .source = BL_CLOCK_NTP
	};
	struct store_opts store = { .clock = &c->clock.clock };
	struct control_opts control = { .clock = &c->clock.clock };
	struct eval_opts eval = { .clock = &c->clock.clock };
	struct bl_err err = { 0 };

	memset(c, 0, sizeof(*c));
	c->folder = fixture_folder();
	(void)snprintf(c->telemetry, sizeof(c->telemetry), "%s/telemetry.db", c->folder);
	(void)snprintf(c->control_path, sizeof(c->control_path), "%s/control.db", c->folder);
	fixture_clock_init(&c->clock);
	c->clock.unix_ms = T0;
	store.path = c->telemetry;
	control.path = c->control_path;
	must(store_open(&c->store, &store, &err), &err);
	must(control_open(&c->control, &control, &err), &err);
	must(control_reader_open(c->control, &c->db, &err), &err);
	must(store_begin(c->store, &err), &err);
	must(store_clock(c->store, spool(c), &seg, &err), &err);
	must(store_commit(c->store, &err), &err);
	add_site(c, "north");
	add_site(c, "south");
	add_device(c, DEVICE, "north");
	define(c, DEFINE_CHANNEL, "ops", "{\"kind\":\"email\",\"to\":[\"ops@example.org\"]}");
	eval.control = c->control;
	eval.telemetry_path = c->telemetry;
	eval.keep = (struct kpi_keep){ .minutes_ms = 35 * DAY, .hours_ms = 396 * DAY };
	must(eval_open(&c->eval, &eval, &err), &err);
}

static void
close_centre(struct centre *c)
{
	eval_close(c->eval);
	control_reader_close(c->db);
	control_close(c->control);
	store_close(c->store);
	fixture_folder_remove(c->folder);
}

/* ---- what comes, and what is made of it ---- */

static void
attr(struct bl_event *ev, const char *key, const char *value)
{
	ev->attr[ev->n_attrs++] = (struct bl_attr){
		.key = { key, strlen(key) }, .type = BL_ATTR_TEXT, .text = { value, strlen(value) }
	};
}

static void
put_into(struct centre *c, struct store_spool *sp, const struct fixture_batch *b)
{
	struct bl_buf msg, raw;
	struct bl_batch_header h;
	struct bl_err err = { 0 };
	const uint8_t *body;
	size_t len;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	fixture_encode(b, &msg, &h);
	must(bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, &err), &err);
	must(bl_batch_inflate(&h, body, len, &raw, &err), &err);
	must(store_batch_put(c->store, sp, &h, body, len, raw.data, raw.len, &err), &err);
	bl_buf_free(&msg);
	bl_buf_free(&raw);
}

static void
put(struct centre *c, const struct fixture_batch *b)
{
	put_into(c, spool(c), b);
}

static void
put_at_once(struct centre *c, const struct fixture_batch *b)
{
	struct bl_err err = { 0 };

	must(store_begin(c->store, &err), &err);
	put(c, b);
	must(store_commit(c->store, &err), &err);
}

static struct fixture_batch
minute(enum bl_stream stream, int64_t i)
{
	return (struct fixture_batch){ .spool = fixture_id(1),
		.boot = fixture_id(2),
		.stream = stream,
		.seq = (uint64_t)i + 1,
		.begin_ms = i * MINUTE,
		.end_ms = (i + 1) * MINUTE,
		.interval_ms = 10000 };
}

/* With an event of that case at its begin, unless case_id is NULL. */
static void
put_events(struct centre *c, int64_t i, const char *type, const char *case_id)
{
	struct bl_event ev = { .boot_ms = i * MINUTE, .type = { type, strlen(type) } };
	struct fixture_batch b = minute(BL_STREAM_EVENTS, i);

	attr(&ev, "process", "order");
	attr(&ev, "case", case_id != NULL ? case_id : "");
	attr(&ev, "step", "picking");
	b.event = case_id != NULL ? &ev : NULL;
	put_at_once(c, &b);
}

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

static void
put_host(struct centre *c, int64_t i)
{
	struct fixture_batch b = minute(BL_STREAM_HOST, i);

	b.n_series = 1;
	put_at_once(c, &b);
}

static void
add_series(struct centre *c)
{
	struct bl_series_def def;
	char name[16], value[16];
	struct bl_err err = { 0 };

	fixture_series(&def, name, value, 1, BL_STREAM_HOST);
	must(store_begin(c->store, &err), &err);
	must(store_dict(c->store, spool(c), &def, &err), &err);
	must(store_commit(c->store, &err), &err);
}

static void
pass(struct centre *c, int64_t ms)
{
	c->clock.unix_ms += ms;
	c->clock.mono_ms += ms;
}

/* Until there is nothing to do. */
static void
evaluate(struct centre *c)
{
	struct bl_err err = { 0 };
	int rc;

	pass(c, 2500);
	for (unsigned n = 0; (rc = eval_step(c->eval, &err)) != 0; n++) {
		must(rc, &err);
		assert_true(n < 1000);
	}
}

static int64_t
number(struct centre *c, const char *sql)
{
	sqlite3_stmt *st;
	int64_t n = -1;

	assert_int_equal(sqlite3_prepare_v2(c->db, sql, -1, &st, NULL), SQLITE_OK);
	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	return n;
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
	    "{\"source\":\"step\",\"process\":\"order\",\"function\":\"count\",\"resolution\":\"1m\"}");
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
	assert_int_equal(number(&c, "SELECT count(*) FROM kpi_cell WHERE kpi = 'orders' AND window = 1"
				    " AND ready = 1 AND n = 1"),
	    1);
	assert_int_equal(number(&c, "SELECT count(*) FROM incident_entry WHERE kind IN"
				    " ('withdrawn', 'amended', 'merged')"),
	    0);
	close_centre(&c);
}

#define MEAN "{\"source\":\"series\",\"metric\":\"m1\",\"function\":\"mean\",\"resolution\":\"1m\"}"

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

/* Each look at the clock takes a while. */
static int64_t
running_mono(void *ctx)
{
	return ((struct fixture_clock *)ctx)->mono_ms += 7;
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
		cmocka_unit_test(a_backlog_makes_one_span_a_device),
		cmocka_unit_test(what_waits_is_left_alone_until_something_helps),
		cmocka_unit_test(what_waits_outlives_a_write_that_fails),
		cmocka_unit_test(what_waits_is_taken_in_piece_by_piece),
		cmocka_unit_test(cases_move_with_their_device),
		cmocka_unit_test(cases_move_whole),
		cmocka_unit_test(another_zone_moves_no_case),
		cmocka_unit_test(a_restore_is_quiet_until_all_is_taken_in),
		cmocka_unit_test(what_was_passed_is_of_one_epoch),
		cmocka_unit_test(coverage_is_not_ahead_of_cases),
		cmocka_unit_test(a_damaged_batch_stops_nothing),
		cmocka_unit_test(what_fails_keeps_nothing_else_from_going_on),
		cmocka_unit_test(old_minutes_go_but_not_those_of_a_live_incident),
		cmocka_unit_test(what_people_changed_is_taken_in_piece_by_piece),
		cmocka_unit_test(parts_are_stored_piece_by_piece),
		cmocka_unit_test(what_can_never_be_read_hides_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
