/* What the collector says of itself: status, health, metrics, its own description. */
#include "api_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METRICS_MAX (1024u * 1024u)

extern const unsigned char api_openapi_json[];
extern const unsigned long api_openapi_json_size;

struct verbose_query {
	struct given_bool verbose;
};

static const struct field verbose_fields[] = {
	{ "verbose", FIELD_BOOL, offsetof(struct verbose_query, verbose),
	    .help = "every part on a line of its own" },
};
const struct schema query_verbose = { "", sizeof(struct verbose_query), verbose_fields, 1 };

static void
ask_status(struct api *api, struct api_status *s)
{
	memset(s, 0, sizeof(*s));
	if (api->opts.hooks.status != NULL)
		api->opts.hooks.status(api->opts.hooks.ctx, s);
	else
		(void)snprintf(s->broker_why, sizeof(s->broker_why), "not connected to ingest");
}

static int
read_totals(struct api *api, struct store_totals *t, struct bl_err *err)
{
	struct store_read *reader;
	int rc;

	if ((rc = api_reader_take(api, &reader, err)) < 0)
		return rc;
	rc = store_read_totals(reader, t, err);
	api_reader_give(api, reader);
	return rc;
}

static void
write_damaged(struct jsonw *w, const struct api_status *s)
{
	if (s->damaged_file[0] == '\0') {
		jsonw_null(w, "damaged");
		return;
	}
	jsonw_object(w, "damaged");
	jsonw_str(w, "file", s->damaged_file);
	jsonw_bool(w, "salvaging", s->salvaging);
	jsonw_int(w, "percent", s->salvaged_percent);
	jsonw_int(w, "batches", (int64_t)s->salvaged_batches);
	jsonw_int(w, "samples", (int64_t)s->salvaged_samples);
	jsonw_int(w, "known", (int64_t)s->salvaged_known);
	jsonw_int(w, "conflicts", (int64_t)s->salvaged_conflicts);
	jsonw_int(w, "unreadable", (int64_t)s->salvaged_unreadable);
	jsonw_object_end(w);
}

static void
write_store(struct jsonw *w, const struct api_status *s)
{
	jsonw_object(w, "store");
	jsonw_bool(w, "ok", s->store_ok);
	jsonw_str(w, "why", s->store_why[0] != '\0' ? s->store_why : NULL);
	jsonw_int_or_null(w, "disk_free_bytes", s->disk_free_bytes >= 0, s->disk_free_bytes);
	jsonw_bool(w, "disk_full", s->disk_full);
	jsonw_int(w, "wal_bytes", s->wal_bytes);
	jsonw_int(w, "commit_failures", (int64_t)s->commit_failures);
	write_damaged(w, s);
	jsonw_int(w, "damaged_files", s->damaged_files);
	jsonw_int(w, "damaged_bytes", s->damaged_bytes);
	jsonw_object_end(w);
}

static void
write_evaluation(struct api_req *r, const struct api_status *s)
{
	struct jsonw *w = &r->w;

	jsonw_object(w, "evaluator");
	jsonw_bool(w, "ok", s->eval_ok);
	jsonw_str(w, "why", s->eval_why[0] != '\0' ? s->eval_why : NULL);
	jsonw_int(w, "behind_batches", s->eval_behind_batches);
	jsonw_int(w, "dirty_spans", s->eval_dirty_spans);
	jsonw_int(w, "waiting_batches", s->eval_waiting_batches);
	jsonw_object_end(w);
	jsonw_object(w, "delivery");
	jsonw_int(w, "messages_waiting", s->messages_waiting);
	jsonw_int_or_null(
	    w, "oldest_message_unix_ms", s->oldest_message_unix_ms != 0, s->oldest_message_unix_ms);
	jsonw_str(w, "problem",
	    s->delivery_problem[0] != '\0' && api_may_read(r, ON_CHANNELS) ? s->delivery_problem
									   : NULL);
	jsonw_object_end(w);
}

int
get_status(struct api_req *r, struct bl_err *err)
{
	struct api_status s;
	struct store_totals t;
	char epoch[BL_ID_HEX_SIZE];
	int rc;

	ask_status(r->api, &s);
	if ((rc = read_totals(r->api, &t, err)) < 0)
		return rc;
	bl_id_hex(&t.epoch, epoch);
	jsonw_object(&r->w, NULL);
	jsonw_str(&r->w, "version", BL_VERSION);
	jsonw_str(&r->w, "epoch", epoch);
	jsonw_int(&r->w, "started_unix_ms", r->api->started_unix_ms);
	jsonw_int(&r->w, "now_unix_ms", bl_unix_ms(r->api->opts.clock));
	jsonw_object(&r->w, "broker");
	jsonw_str(&r->w, "live", s.live_up ? "up" : "down");
	jsonw_str(&r->w, "past", s.past_up ? "up" : "down");
	jsonw_str(&r->w, "why", s.broker_why[0] != '\0' ? s.broker_why : NULL);
	jsonw_int_or_null(&r->w, "dropped", s.broker_dropped >= 0, s.broker_dropped);
	jsonw_object_end(&r->w);
	jsonw_int(&r->w, "batches", (int64_t)t.batches);
	jsonw_int(&r->w, "samples", (int64_t)t.samples);
	jsonw_int(&r->w, "set_aside", (int64_t)t.set_aside);
	jsonw_int(&r->w, "conflicts", (int64_t)t.conflicts);
	jsonw_int(&r->w, "unexplained", (int64_t)t.unexplained.gaps);
	jsonw_int(&r->w, "requeued", (int64_t)t.requeued);
	api_time(&r->w, "last_commit_unix_ms", t.last_commit_unix_ms);
	jsonw_int(&r->w, "store_bytes", t.store_bytes);
	write_store(&r->w, &s);
	write_evaluation(r, &s);
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}

int
get_openapi(struct api_req *r, struct bl_err *err)
{
	(void)err;
	r->answer->status = 200;
	r->answer->content_type = "application/json";
	r->answer->shared = api_openapi_json;
	r->answer->len = api_openapi_json_size;
	return 0;
}

static int
send_text(struct api_req *r, unsigned status, struct bl_buf *b, const char *type)
{
	if (b->failed) {
		bl_buf_free(b);
		return BL_EFULL;
	}
	r->answer->status = status;
	r->answer->content_type = type;
	r->answer->body = (char *)b->data; /* handed over */
	r->answer->len = b->len;
	return 0;
}

int
get_livez(struct api_req *r, struct bl_err *err)
{
	struct bl_buf b;

	(void)err;
	bl_buf_init(&b, 64);
	bl_buf_bytes(&b, "ok\n", 3);
	return send_text(r, 200, &b, "text/plain; charset=utf-8");
}

static void
part(struct bl_buf *b, bool ok, bool verbose, const char *name, const char *why)
{
	char line[400];
	int n;

	if (!verbose && ok)
		return;
	n = snprintf(line, sizeof(line), "%s %s%s%s\n", ok ? "[+]" : "[-]", name,
	    ok ? " ok" : " failed: ", ok ? "" : why);
	bl_buf_bytes(b, line, strnlen(line, (size_t)n));
}

/*
 * Ready: data are taken in, evaluated and can be read.  Reasons are told to whoever may
 * know them; a stranger hears which part, not why.
 */
int
get_readyz(struct api_req *r, struct bl_err *err)
{
	const struct verbose_query *q = r->query;
	const bool inside = r->has_session || r->http->local_socket || r->http->loopback;
	const char *hidden = "the reason is shown to who is signed in";
	struct api_status s;
	struct store_totals t;
	struct bl_buf b;
	char control_why[256];
	bool store_read_ok, control_ok, ready;

	ask_status(r->api, &s);
	store_read_ok = read_totals(r->api, &t, err) == BL_OK;
	control_ok = control_healthy(r->api->opts.control, control_why, sizeof(control_why));
	ready = store_read_ok && control_ok && s.live_up && s.past_up && s.store_ok && s.eval_ok;
	bl_buf_init(&b, 4096);
	part(&b, store_read_ok, q->verbose.v, "store-open", inside ? err->msg : hidden);
	part(&b, s.store_ok, q->verbose.v, "store-commit", inside ? s.store_why : hidden);
	part(&b, control_ok, q->verbose.v, "control-commit", inside ? control_why : hidden);
	part(&b, s.eval_ok, q->verbose.v, "evaluator", inside ? s.eval_why : hidden);
	part(&b, s.live_up, q->verbose.v, "broker-live", inside ? s.broker_why : hidden);
	part(&b, s.past_up, q->verbose.v, "broker-past", inside ? s.broker_why : hidden);
	bl_buf_bytes(&b, ready ? "ready\n" : "not ready\n", ready ? 6 : 10);
	return send_text(r, ready ? 200 : 503, &b, "text/plain; charset=utf-8");
}

int
get_metrics(struct api_req *r, struct bl_err *err)
{
	struct bl_buf b;
	int rc;

	bl_buf_init(&b, METRICS_MAX);
	if ((rc = api_metrics_write(r->api, &b, err)) < 0) {
		bl_buf_free(&b);
		return rc;
	}
	return send_text(r, 200, &b, "text/plain; version=0.0.4; charset=utf-8");
}
