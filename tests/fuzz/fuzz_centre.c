#include "fuzz_centre.h"

#include <sys/stat.h>
#include <unistd.h>

#include "branchline/batch.h"

#include "define.h"
#include "fleet.h"
#include "fuzz.h"

#define MINUTE_MS INT64_C(60000)

static const struct control_actor who = { "system", "" };

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

static void
put_batch(struct fuzz_centre *c, struct store_spool *sp, const struct bl_id *id,
    enum bl_stream stream, uint64_t seq)
{
	struct bl_batch_header h = { .spool = *id,
		.boot = *id,
		.stream = stream,
		.seq = seq,
		.collect_begin_ms = (int64_t)(seq - 1) * MINUTE_MS,
		.collect_end_ms = (int64_t)seq * MINUTE_MS };
	struct bl_event ev = {
		.boot_ms = h.collect_begin_ms, .type = str("order.picking.begin"), .n_attrs = 1
	};
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_buf msg, raw;
	const uint8_t *body;
	size_t len;

	ev.attr[0] = (struct bl_attr){ .key = str("amount"), .type = BL_ATTR_NUMBER, .number = 5 };
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	for (int64_t t = h.collect_begin_ms; stream == BL_STREAM_HOST && t < h.collect_end_ms;
	     t += 10000)
		CHECK(bl_batch_enc_sample(e, 1, t, (double)(t % 77), BL_KNOWN) == BL_OK);
	if (stream == BL_STREAM_EVENTS)
		CHECK(bl_batch_enc_event(e, &ev) == BL_OK);
	CHECK(bl_batch_enc_finish(e, &h, &msg, NULL) == BL_OK);
	CHECK(bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, NULL) == BL_OK);
	CHECK(bl_batch_inflate(&h, body, len, &raw, NULL) == BL_OK);
	CHECK(store_batch_put(c->store, sp, &h, body, len, raw.data, raw.len, NULL) == STORE_NEW);
	bl_batch_enc_free(e);
	bl_buf_free(&msg);
	bl_buf_free(&raw);
}

static void
put_telemetry(struct fuzz_centre *c)
{
	const struct bl_id id = { { 7 } };
	const struct bl_series_def def = { .id = 1,
		.stream = BL_STREAM_HOST,
		.kind = BL_GAUGE,
		.interval_ms = 10000,
		.name = str("cpu_used_pct"),
		.unit = str("pct") };
	const struct bl_clock_segment seg = {
		.id = 1, .boot = id, .offset_ms = 1790000000000, .source = BL_CLOCK_NTP
	};
	struct store_spool *sp;

	CHECK(store_begin(c->store, NULL) == BL_OK);
	CHECK(store_spool(c->store, &id, "till", &sp, NULL) == STORE_SPOOL_NEW);
	CHECK(store_dict(c->store, sp, &def, NULL) == STORE_ENTRY_NEW);
	CHECK(store_clock(c->store, sp, &seg, NULL) == STORE_ENTRY_NEW);
	for (uint64_t seq = 1; seq <= 4; seq++) {
		put_batch(c, sp, &id, BL_STREAM_HOST, seq);
		put_batch(c, sp, &id, BL_STREAM_EVENTS, seq);
	}
	CHECK(store_commit(c->store, NULL) == BL_OK);
}

static void
put_definition(struct fuzz_centre *c, enum define_kind kind, const char *id, const char *body)
{
	const struct define_edit e = {
		.name = id, .has_enabled = true, .enabled = true, .body = body
	};
	struct define_errors errs = { 0 };
	char made[BL_ID_TEXT_MAX + 1];

	CHECK(define_create(c->control, &who, kind, id, &e, made, &errs, NULL) == DEFINE_DONE);
}

static void
put_control(struct fuzz_centre *c)
{
	const struct fleet_site_edit site = { .name = "North", .region = "east", .zone = "UTC" };
	struct fleet_device device;
	struct fleet_site made;

	CHECK(fleet_site_create(c->control, &who, "north", &site, &made, NULL) == FLEET_DONE);
	CHECK(fleet_device_create(c->control, &who, "till", "north", "Till", &device, NULL) ==
	      FLEET_DONE);
	put_definition(c, DEFINE_PROCESS, "order", "{\"steps\":[\"picking\",\"packing\"]}");
	put_definition(c, DEFINE_KPI, "cpu",
	    "{\"source\":\"series\",\"metric\":\"cpu_used_pct\",\"function\":"
	    "\"mean\",\"resolution\":\"1m\"}");
	put_definition(c, DEFINE_CHANNEL, "mail",
	    "{\"kind\":\"email\",\"language\":\"en\",\"to\":[\"a@example.org\"]}");
	put_definition(c, DEFINE_RULE, "hot",
	    "{\"kind\":\"threshold\",\"severity\":\"warning\",\"kpi\":\"cpu\",\"window\":\"1m\","
	    "\"op\":\">\",\"value\":90,\"for\":2,\"channels\":[\"mail\"]}");
}

static void
put_web(const struct fuzz_centre *c)
{
	char path[FOLDER_MAX + 64];
	FILE *f;

	CHECK(mkdir(c->web, 0700) == 0);
	(void)snprintf(path, sizeof(path), "%s/index.html", c->web);
	CHECK((f = fopen(path, "w")) != NULL && fputs("<!doctype html>", f) >= 0 && fclose(f) == 0);
}

void
fuzz_centre_open(struct fuzz_centre *c)
{
	struct store_opts store = { .clock = bl_clock_real() };
	struct control_opts control = { .clock = bl_clock_real() };
	char name[32];

	memset(c, 0, sizeof(*c));
	(void)snprintf(name, sizeof(name), "fuzz-%d", (int)getpid());
	folder_make(c->folder, name);
	(void)snprintf(c->store_path, sizeof(c->store_path), "%s/telemetry.db", c->folder);
	(void)snprintf(c->control_path, sizeof(c->control_path), "%s/control.db", c->folder);
	(void)snprintf(c->web, sizeof(c->web), "%s/web", c->folder);
	store.path = c->store_path;
	control.path = c->control_path;
	CHECK(store_open(&c->store, &store, NULL) == STORE_CREATED);
	CHECK(control_open(&c->control, &control, NULL) == BL_OK);
	put_telemetry(c);
	put_control(c);
	put_web(c);
}

void
fuzz_centre_close(struct fuzz_centre *c)
{
	control_close(c->control);
	store_close(c->store);
	folder_remove(c->folder);
}
