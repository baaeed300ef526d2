/*
 * The API on a store and a control database in a folder, for test_api.py and
 * test_evaluation_api.py.
 *
 *   api_server FOLDER CERT KEY [WEB_ROOT]
 *
 * Prints "port N" and then takes one command a line on standard input, each
 * answered by one line:
 *   seed DEVICE       two hours of telemetry with a gap, events, presence online
 *   probe DEVICE 0|1  one more batch, in which the probe fails or not
 *   thin DEVICE 0|1   an hour more of host metrics, thinned; 1: the ledger has probes, too
 *   skip DEVICE N     N batches of its probes stay with it for now, the next one comes
 *   labels DEVICE N   of many_keys N series, each with a label of its own (long ones from the
 * 101st on) and a sample, and of odd_labels one offline DEVICE    its last will aside DEVICE one
 * message set aside broker up|down what the status callback says, also of evaluator and delivery
 * evaluate SITE DEVICE OTHER_SITE BASE_MS results of evaluation in the hour after BASE_MS:
 * api_evaluation.h doubt DEVICE BASE_MS LENGTH_MS UNCERTAINTY_MS telemetry of another boot, begun
 * at BASE_MS, whose clock is that uncertain changes           "done N M": how often the collector
 * was told of changed definitions and of messages idle              nothing; a sign of life Ends at
 * the end of its input.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/batch.h"
#include "branchline/log.h"

#include "api.h"
#include "api_evaluation.h"
#include "store.h"
#include "store_read.h"

#define HOUR_MS  INT64_C(3600000)
#define BATCH_MS 60000
#define THIN_MS  300000

static const struct {
	const char *name, *unit, *key, *value;
	enum bl_stream stream;
	enum bl_series_kind kind;
	uint32_t interval_ms;
} metrics[] = {
	{ "cpu_used_pct", "pct", NULL, NULL, BL_STREAM_HOST, BL_GAUGE, 10000 },
	{ "memory_used_pct", "pct", NULL, NULL, BL_STREAM_HOST, BL_GAUGE, 10000 },
	{ "net_received_bytes_total", "bytes", "interface", "eth0", BL_STREAM_HOST, BL_COUNTER,
	    10000 },
	{ "probe_up", "1", "probe", "shop", BL_STREAM_PROBES, BL_GAUGE, 60000 },
};

#define N_METRICS ((uint32_t)(sizeof(metrics) / sizeof(metrics[0])))

struct server {
	char store_path[512], control_path[512], socket_path[512];
	struct store *store;
	struct control *control;
	struct api *api;
	_Atomic bool broker_up;
	_Atomic unsigned definitions, messages; /* told of so often */
	uint8_t spools;
	uint64_t next_seq[BL_STREAMS];
	char last_device[64];
	struct bl_id last_spool;
	int64_t last_end_ms;
	struct api_requeue_status requeue;
};

static void
die(const char *what, const struct bl_err *err)
{
	(void)fprintf(stderr, "api_server: %s: %s\n", what, err->msg);
	exit(1);
}

static void
check(int rc, const char *what, const struct bl_err *err)
{
	if (rc < 0)
		die(what, err);
}

/* ---- what the collector would supply ----------------------------------- */

static int
reader_open(void *ctx, struct store_read **out, struct bl_err *err)
{
	return store_read_open(out, ((struct server *)ctx)->store_path, bl_clock_real(), err);
}

static void
reader_close(void *ctx, struct store_read *r)
{
	(void)ctx;
	store_read_close(r);
}

static void
status(void *ctx, struct api_status *out)
{
	const struct server *s = ctx;

	out->live_up = out->past_up = s->broker_up;
	out->store_ok = true;
	out->eval_ok = s->broker_up;
	out->eval_behind_batches = 3;
	out->eval_dirty_spans = 2;
	out->eval_waiting_batches = 1;
	if (s->broker_up)
		return;
	(void)snprintf(out->broker_why, sizeof(out->broker_why), "connection refused");
	out->broker_dropped = 7;
	(void)snprintf(out->eval_why, sizeof(out->eval_why), "disk full");
	(void)snprintf(out->delivery_problem, sizeof(out->delivery_problem), "no such host");
	out->messages_waiting = 1;
	out->oldest_message_unix_ms = 1763801990000;
}

static void
extra_metrics(void *ctx, struct api_metrics *m)
{
	(void)ctx;
	api_metric(m, "branchline_ingest_queue_bytes", API_GAUGE, "Bytes waiting.", NULL, 0);
}

static void
definitions_changed(void *ctx)
{
	((struct server *)ctx)->definitions++;
}

static void
messages_put(void *ctx)
{
	((struct server *)ctx)->messages++;
}

/* ---- telemetry --------------------------------------------------------- */

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, s != NULL ? strlen(s) : 0 };
}

static double
value_of(uint32_t series, int64_t boot_ms)
{
	if (metrics[series - 1].kind == BL_COUNTER)
		return (double)boot_ms;
	return series == 4 ? 1 : (double)(series * 10 + (uint32_t)(boot_ms / 10000 % 7));
}

/* Windows of five minutes: mean or last value, min, max, count. */
static void
put_thinned(struct bl_batch_enc *e, uint32_t series, int64_t begin_ms, int64_t end_ms)
{
	const int64_t step = metrics[series - 1].interval_ms;
	struct bl_err err = { 0 };

	for (int64_t at = begin_ms, end; at < end_ms; at = end) {
		struct bl_thin t = { .min = INFINITY, .max = -INFINITY };
		double sum = 0, last = 0;

		end = at + THIN_MS;
		for (int64_t k = at; k < end; k += step, t.count++) {
			last = value_of(series, k);
			t.min = fmin(t.min, last);
			t.max = fmax(t.max, last);
			sum += last;
		}
		if (metrics[series - 1].kind != BL_COUNTER)
			last = bl_thin_round(sum / t.count, t.min, t.max);
		check(bl_batch_enc_thin(e, series, end - step, last, &t), "thin", &err);
	}
}

/* Into the store, as the next of its stream. */
static void
put_encoded(struct server *s, const char *device, struct bl_batch_enc *e, struct bl_batch_header *h)
{
	struct bl_err err = { 0 };
	struct store_spool *sp;
	struct bl_buf out, raw;
	const uint8_t *body;
	size_t body_len;

	h->seq = ++s->next_seq[h->stream - 1];
	h->next_seq = h->seq + 1;
	h->lowest_held = 1;
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	check(bl_batch_enc_finish(e, h, &out, &err), "encode", &err);
	check(bl_batch_header_decode(out.data, out.len, h, &body, &body_len, &err), "header", &err);
	check(bl_batch_inflate(h, body, body_len, &raw, &err), "inflate", &err);
	check(store_spool(s->store, &h->spool, device, &sp, &err), "spool", &err);
	check(
	    store_batch_put(s->store, sp, h, body, body_len, raw.data, raw.len, &err), "put", &err);
	bl_buf_free(&out);
	bl_buf_free(&raw);
}

static void
put_batch(struct server *s, const char *device, const struct bl_id *spool, enum bl_stream stream,
    int64_t begin_ms, int64_t end_ms, double probe, const struct bl_gap *gap,
    const struct bl_event *event)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_batch_header h = { .spool = *spool, .boot = *spool, .stream = stream };
	struct bl_err err = { 0 };

	for (uint32_t i = 1; i <= N_METRICS; i++)
		for (int64_t t = begin_ms; metrics[i - 1].stream == stream && t < end_ms;
		     t += metrics[i - 1].interval_ms)
			check(
			    bl_batch_enc_sample(e, i, t, i == 4 ? probe : value_of(i, t), BL_KNOWN),
			    "sample", &err);
	if (gap != NULL)
		check(bl_batch_enc_gap(e, gap), "gap", &err);
	if (event != NULL)
		check(bl_batch_enc_event(e, event), "event", &err);
	h.collect_begin_ms = begin_ms;
	h.collect_end_ms = end_ms;
	put_encoded(s, device, e, &h);
	bl_batch_enc_free(e);
}

static void
put_dictionary(struct server *s, struct store_spool *sp)
{
	struct bl_err err = { 0 };

	for (uint32_t i = 0; i < N_METRICS; i++) {
		struct bl_series_def def = {
			.id = i + 1,
			.stream = metrics[i].stream,
			.kind = metrics[i].kind,
			.interval_ms = metrics[i].interval_ms,
			.name = str(metrics[i].name),
			.unit = str(metrics[i].unit),
		};
		if (metrics[i].key != NULL) {
			def.n_labels = 1;
			def.label[0] =
			    (struct bl_label){ str(metrics[i].key), str(metrics[i].value) };
		}
		check(store_dict(s->store, sp, &def, &err), "dictionary", &err);
	}
}

static void
put_presence(struct server *s, const char *device, bool online)
{
	struct bl_presence p = { .online = online, .connections = 1, .software = "0.1.0" };
	struct bl_err err = { 0 };

	p.boot = s->last_spool;
	check(store_presence(s->store, device, &p, &err), "presence", &err);
}

static void
put_report(struct server *s, const char *device)
{
	const struct bl_report r = { .spool = s->last_spool,
		.boot = s->last_spool,
		.boot_ms = 2 * HOUR_MS,
		.backlog = { { .has = true },
		    { .has = true, .batches = 2, .bytes = 900, .samples = 4, .age_ms = 90000 },
		    { .has = true, .batches = 1, .bytes = 9, .age_ms = UINT64_MAX } },
		.clock = { .has = true, .source = BL_CLOCK_NTP, .wall_usable = true },
		.link = { .has = true, .local_address = "192.0.2.7", .connections = 3 },
		.n_months = 2,
		.month = { { 2025 * 12 + 11, 1, 20, { 1, 2, 3 }, 14 },
		    { 2026 * 12, UINT64_MAX, 30, { 4, 5, 6 }, 15 } },
		.budget = { .has = true, .used_bytes = 7, .held = 6, .opens_in_ms = 1000 },
		.sampling = { .has = true, .safe_mode = true, .whole_in_ms = 1800000 } };
	struct bl_err err = { 0 };
	struct bl_buf msg;

	bl_buf_init(&msg, BL_REPORT_WIRE_MAX);
	check(bl_report_encode(&r, &msg), "report", &err);
	check(store_report(s->store, device, &r, msg.data, msg.len, &err), "report", &err);
	bl_buf_free(&msg);
}

/* Two machines with the device's identity; of one the address is not known. */
static void
put_rivals(struct server *s, const char *device)
{
	struct store_party p = {
		.spool = s->last_spool, .boot = s->last_spool, .software = "0.1.0"
	};
	struct bl_err err = { 0 };

	p.address = "192.0.2.7";
	p.returned = true;
	check(store_party(s->store, device, &p, &err), "party", &err);
	p.boot.b[0] ^= 1;
	p.address = "";
	check(store_party(s->store, device, &p, &err), "party", &err);
	check(store_party(s->store, device, &p, &err), "party", &err);
}

static void
put_events(struct server *s, const char *device, const struct bl_id *spool)
{
	struct bl_event ev = { .boot_ms = HOUR_MS, .type = str("probe.state"), .n_attrs = 3 };

	ev.attr[0] = (struct bl_attr){
		.key = str("probe"), .type = BL_ATTR_TEXT, .text = str("<script>alert(1)</script>")
	};
	ev.attr[1] = (struct bl_attr){ .key = str("up"), .type = BL_ATTR_BOOL };
	ev.attr[2] = (struct bl_attr){ .key = str("n"), .type = BL_ATTR_NUMBER, .number = 1.5 };
	put_batch(s, device, spool, BL_STREAM_EVENTS, 0, 2 * HOUR_MS, 1, NULL, &ev);
}

/* Two hours until now, without the minutes 60 to 70, which the ledger explains for "host". */
static void
seed(struct server *s, const char *device)
{
	const int64_t now = bl_unix_ms(bl_clock_real());
	struct bl_clock_segment seg = {
		.id = 1, .offset_ms = now - 2 * HOUR_MS, .source = BL_CLOCK_NTP
	};
	struct bl_gap gap = { .reason = BL_GAP_OFF, .stream = BL_STREAM_HOST };
	struct store_spool *sp;
	struct bl_id spool;
	struct bl_err err = { 0 };

	memset(spool.b, ++s->spools, sizeof(spool.b));
	memset(s->next_seq, 0, sizeof(s->next_seq));
	s->last_spool = spool;
	seg.boot = gap.begin_boot = gap.end_boot = spool;
	gap.begin_boot_ms = HOUR_MS;
	gap.end_boot_ms = HOUR_MS + 10 * BATCH_MS;
	check(store_begin(s->store, &err), "begin", &err);
	check(store_spool(s->store, &spool, device, &sp, &err), "spool", &err);
	put_dictionary(s, sp);
	check(store_clock(s->store, sp, &seg, &err), "clock", &err);
	for (int64_t t = 0; t < 2 * HOUR_MS; t += BATCH_MS) {
		if (t >= gap.begin_boot_ms && t < gap.end_boot_ms)
			continue;
		put_batch(s, device, &spool, BL_STREAM_HOST, t, t + BATCH_MS, 1,
		    t == gap.end_boot_ms ? &gap : NULL, NULL);
		put_batch(s, device, &spool, BL_STREAM_PROBES, t, t + BATCH_MS, 1, NULL, NULL);
	}
	put_events(s, device, &spool);
	put_presence(s, device, true);
	put_report(s, device);
	put_rivals(s, device);
	check(store_commit(s->store, &err), "commit", &err);
	s->last_end_ms = 2 * HOUR_MS;
	(void)snprintf(s->last_device, sizeof(s->last_device), "%s", device);
}

static void
probe(struct server *s, const char *device, bool up)
{
	struct bl_err err = { 0 };

	check(store_begin(s->store, &err), "begin", &err);
	put_batch(s, device, &s->last_spool, BL_STREAM_PROBES, s->last_end_ms,
	    s->last_end_ms + BATCH_MS, up ? 1 : 0, NULL, NULL);
	check(store_commit(s->store, &err), "commit", &err);
	s->last_end_ms += BATCH_MS;
}

/* Series that differ in what their labels are called, and one whose label's value is hard to quote.
 */
static void
labels(struct server *s, const char *device, uint32_t n)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_batch_header h = { .spool = s->last_spool,
		.boot = s->last_spool,
		.stream = BL_STREAM_HOST,
		.collect_begin_ms = s->last_end_ms,
		.collect_end_ms = s->last_end_ms + BATCH_MS };
	struct bl_series_def def = { .id = N_METRICS + 1,
		.stream = BL_STREAM_HOST,
		.kind = BL_GAUGE,
		.interval_ms = BATCH_MS,
		.name = str("odd_labels"),
		.unit = str("1"),
		.n_labels = 2,
		.label = { { str("a=b"), str("c,d=e\\f") }, { str("g"), str("") } } };
	struct bl_err err = { 0 };
	struct store_spool *sp;
	char key[16], text[BL_LABEL_VALUE_MAX + 1];

	memset(text, 'x', BL_LABEL_VALUE_MAX);
	text[BL_LABEL_VALUE_MAX] = '\0';
	check(store_begin(s->store, &err), "begin", &err);
	check(store_spool(s->store, &s->last_spool, device, &sp, &err), "spool", &err);
	check(store_dict(s->store, sp, &def, &err), "dictionary", &err);
	check(bl_batch_enc_sample(e, def.id, s->last_end_ms, 1, BL_KNOWN), "sample", &err);
	def.name = str("many_keys");
	for (uint32_t i = 0; i < n; i++) {
		(void)snprintf(key, sizeof(key), "key_%03u", i);
		def.id++;
		def.n_labels = 1;
		def.label[0] = (struct bl_label){ str(key), str(i < 101 ? "x" : text) };
		check(store_dict(s->store, sp, &def, &err), "dictionary", &err);
		check(bl_batch_enc_sample(e, def.id, s->last_end_ms, i, BL_KNOWN), "sample", &err);
	}
	put_encoded(s, device, e, &h);
	check(store_commit(s->store, &err), "commit", &err);
	s->last_end_ms += BATCH_MS;
	bl_batch_enc_free(e);
}

/* An hour of host metrics behind what is there, thinned: sixty batches superseded by one. */
static void
thin(struct server *s, const char *device, bool with_probes)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	uint64_t *next = &s->next_seq[BL_STREAM_HOST - 1];
	struct bl_batch_header h = { .spool = s->last_spool,
		.boot = s->last_spool,
		.stream = BL_STREAM_HOST,
		.kind = BL_BATCH_SUPERSEDES,
		.collect_begin_ms = s->last_end_ms,
		.collect_end_ms = s->last_end_ms + HOUR_MS,
		.supersedes_first = *next + 1,
		.supersedes_last = *next + 60 };
	struct bl_gap gap = { .reason = BL_GAP_THINNED,
		.stream = BL_STREAM_HOST,
		.seq_first = *next + 1,
		.seq_last = *next + 60,
		.begin_boot = s->last_spool,
		.begin_boot_ms = h.collect_begin_ms,
		.end_boot = s->last_spool,
		.end_boot_ms = h.collect_end_ms,
		.samples = 1080 };
	struct bl_err err = { 0 };

	*next += 60;
	for (uint32_t i = 1; i <= N_METRICS; i++)
		if (metrics[i - 1].stream == BL_STREAM_HOST)
			put_thinned(e, i, h.collect_begin_ms, h.collect_end_ms);
	check(bl_batch_enc_gap(e, &gap), "gap", &err);
	gap.stream = BL_STREAM_PROBES; /* told of only: two hours */
	gap.begin_boot_ms -= HOUR_MS;
	if (with_probes)
		check(bl_batch_enc_gap(e, &gap), "gap", &err);
	check(store_begin(s->store, &err), "begin", &err);
	put_encoded(s, device, e, &h);
	check(store_commit(s->store, &err), "commit", &err);
	s->last_end_ms += HOUR_MS;
	bl_batch_enc_free(e);
}

static void
doubt(struct server *s, const char *line)
{
	struct bl_clock_segment seg = { .id = 1, .source = BL_CLOCK_CENTRE };
	struct bl_event ev = { .type = str("clock.jump") };
	long long base = 0, length = 0, uncertainty = 0;
	struct store_spool *sp;
	char device[64] = "";
	struct bl_err err = { 0 };

	(void)sscanf(line, "%*s %63s %lld %lld %lld", device, &base, &length, &uncertainty);
	memset(seg.boot.b, ++s->spools, sizeof(seg.boot.b));
	memset(s->next_seq, 0, sizeof(s->next_seq));
	seg.offset_ms = base;
	seg.uncertainty_ms = (uint32_t)uncertainty;
	ev.boot_ms = length / 2;
	check(store_begin(s->store, &err), "begin", &err);
	check(store_spool(s->store, &seg.boot, device, &sp, &err), "spool", &err);
	put_dictionary(s, sp);
	check(store_clock(s->store, sp, &seg, &err), "clock", &err);
	put_batch(s, device, &seg.boot, BL_STREAM_EVENTS, 0, length, 1, NULL, &ev);
	check(store_commit(s->store, &err), "commit", &err);
}

static void
offline(struct server *s, const char *device)
{
	struct bl_err err = { 0 };

	check(store_begin(s->store, &err), "begin", &err);
	put_presence(s, device, false);
	check(store_commit(s->store, &err), "commit", &err);
}

static void
aside(struct server *s, const char *device)
{
	const struct store_aside a = {
		.reason = STORE_ASIDE_UNDECODABLE,
		.topic = "bl/1/up/07/x/live\x01\xff",
		.device = device,
		.part = 7,
		.detail = "no magic",
		.payload = "rubbish",
		.len = 7,
	};
	struct bl_err err = { 0 };

	check(store_begin(s->store, &err), "begin", &err);
	check(store_aside(s->store, &a, &err), "aside", &err);
	check(store_commit(s->store, &err), "commit", &err);
}

static void
evaluate(struct server *s, const char *line)
{
	char site[64] = "", device[64] = "", other[64] = "";
	struct bl_err err = { 0 };
	long long base = 0;

	(void)sscanf(line, "%*s %63s %63s %63s %lld", site, device, other, &base);
	check(api_evaluation_put(s->control, site, device, other, base, &err), "evaluate", &err);
}

static void
obey(struct server *s, char *line)
{
	char word[16] = "", device[64] = "", value[8] = "";

	(void)sscanf(line, "%15s %63s %7s", word, device, value);
	if (strcmp(word, "seed") == 0)
		seed(s, device);
	else if (strcmp(word, "probe") == 0)
		probe(s, device, value[0] == '1');
	else if (strcmp(word, "thin") == 0)
		thin(s, device, value[0] == '1');
	else if (strcmp(word, "labels") == 0)
		labels(s, device, (uint32_t)strtoul(value, NULL, 10));
	else if (strcmp(word, "doubt") == 0)
		doubt(s, line);
	else if (strcmp(word, "skip") == 0) {
		s->next_seq[BL_STREAM_PROBES - 1] += strtoull(value, NULL, 10);
		s->last_end_ms += (int64_t)strtoull(value, NULL, 10) * BATCH_MS;
		probe(s, device, true);
	} else if (strcmp(word, "offline") == 0)
		offline(s, device);
	else if (strcmp(word, "aside") == 0)
		aside(s, device);
	else if (strcmp(word, "broker") == 0)
		s->broker_up = strcmp(device, "up") == 0;
	else if (strcmp(word, "evaluate") == 0)
		evaluate(s, line);
	else if (strcmp(word, "requeue") == 0) /* goes on, or has ended */
		s->requeue.running = strcmp(device, "goes-on") == 0;
	if (strcmp(word, "changes") == 0)
		(void)printf("done %u %u\n", s->definitions, s->messages);
	else
		(void)printf("done\n");
	(void)fflush(stdout);
}

/* Nobody decodes here: what was asked for is counted as tried. */
static int
requeue(void *ctx, const struct api_requeue *what, struct bl_err *err)
{
	struct server *s = ctx;

	if (s->requeue.running)
		return bl_fail(err, BL_EBUSY, "one is under way");
	s->requeue = (struct api_requeue_status){ .begun_unix_ms = bl_unix_ms(bl_clock_real()),
		.ended_unix_ms = bl_unix_ms(bl_clock_real()),
		.tried = what->n_ids > 0 ? what->n_ids : 1,
		.kept = what->n_ids > 0 ? what->n_ids : 1 };
	return BL_OK;
}

static void
requeue_status(void *ctx, struct api_requeue_status *out)
{
	*out = ((struct server *)ctx)->requeue;
}

/* ---- main -------------------------------------------------------------- */

static void
open_all(struct server *s, char **argv)
{
	struct store_opts store = { .path = s->store_path, .clock = bl_clock_real() };
	struct control_opts control = { .path = s->control_path, .clock = bl_clock_real() };
	struct api_opts opts = {
		.listen_address = "127.0.0.1",
		.cert_file = argv[2],
		.key_file = argv[3],
		.web_root = argv[4],
		.admin_socket = s->socket_path,
		.default_zone = "Asia/Shanghai",
		.idle_timeout_s = 3,
		.password_memory_kib = 64, /* the strength is tested elsewhere */
		.clock = bl_clock_real(),
		.board_url = "https://board.example",
		.hooks = { s, reader_open, reader_close, status, extra_metrics, NULL,
		    definitions_changed, messages_put, requeue, requeue_status, NULL },
	};
	struct bl_err err = { 0 };

	check(store_open(&s->store, &store, &err), "store", &err);
	check(control_open(&s->control, &control, &err), "control", &err);
	opts.control = s->control;
	check(api_start(&s->api, &opts, &err), "api", &err);
}

int
main(int argc, char **argv)
{
	struct server s = { .broker_up = true };
	char line[256];

	if (argc < 4) {
		(void)fprintf(stderr, "usage: api_server FOLDER CERT KEY [WEB_ROOT]\n");
		return 2;
	}
	(void)snprintf(s.store_path, sizeof(s.store_path), "%s/telemetry.db", argv[1]);
	(void)snprintf(s.control_path, sizeof(s.control_path), "%s/control.db", argv[1]);
	(void)snprintf(s.socket_path, sizeof(s.socket_path), "%s/admin.sock", argv[1]);
	open_all(&s, argv);
	(void)printf("port %u\n", api_port(s.api));
	(void)fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL)
		obey(&s, line);
	api_stop(s.api);
	control_close(s.control);
	store_close(s.store);
	return 0;
}
