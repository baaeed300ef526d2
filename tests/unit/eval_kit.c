/* See eval_kit.h. */
#include "eval_kit.h"

const struct control_actor actor = { "test", "" };

void
must(int rc, const struct bl_err *err)
{
	if (rc < 0)
		fail_msg("%s (%d)", err->msg, rc);
}

struct store_spool *
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

void
add_device(struct centre *c, const char *id, const char *site)
{
	struct fleet_device d;
	struct bl_err err = { 0 };

	must(fleet_device_create(c->control, &actor, id, site, id, &d, &err), &err);
}

void
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

void
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

void
close_centre(struct centre *c)
{
	eval_close(c->eval);
	control_reader_close(c->db);
	control_close(c->control);
	store_close(c->store);
	fixture_folder_remove(c->folder);
}

static void
attr(struct bl_event *ev, const char *key, const char *value)
{
	ev->attr[ev->n_attrs++] = (struct bl_attr){
		.key = { key, strlen(key) }, .type = BL_ATTR_TEXT, .text = { value, strlen(value) }
	};
}

void
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

void
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

struct fixture_batch
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

void
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

void
put_host(struct centre *c, int64_t i)
{
	struct fixture_batch b = minute(BL_STREAM_HOST, i);

	b.n_series = 1;
	put_at_once(c, &b);
}

void
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

void
pass(struct centre *c, int64_t ms)
{
	c->clock.unix_ms += ms;
	c->clock.mono_ms += ms;
}

void
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

int64_t
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

int64_t
running_mono(void *ctx)
{
	return ((struct fixture_clock *)ctx)->mono_ms += 7;
}
