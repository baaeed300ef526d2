/*
 * Messages to test with.  Every encoding and every optional part occurs among
 * the golden ones; the random ones mix them.
 */
#include "wire_samples.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec_internal.h"

#include "branchline/report.h"

static void
must(int rc)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "wire_samples: %s\n", bl_code_name(rc));
	abort();
}

static struct bl_id
id_of(uint8_t byte)
{
	struct bl_id id;

	memset(id.b, byte, sizeof(id.b));
	return id;
}

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

static struct bl_batch_header
header(enum bl_stream stream)
{
	return (struct bl_batch_header){ .spool = id_of(0x11),
		.boot = id_of(0x22),
		.stream = stream,
		.seq = 41,
		.collect_begin_ms = 1000000,
		.collect_end_ms = 1060000,
		.next_seq = 43,
		.lowest_held = 7 };
}

static void
add(struct bl_batch_enc *e, uint32_t id, int64_t at, double v, enum bl_unknown u)
{
	must(bl_batch_enc_sample(e, id, at, v, u));
}

/* ---- the contents of golden batches ---- */

static void
fill_nothing(struct bl_batch_enc *e)
{
	(void)e;
}

static void
fill_ticks(struct bl_batch_enc *e)
{
	for (int t = 0; t < 6; t++)
		for (int i = 0; i < 10; i++) {
			/* Walks at two places, counters, constants, pages. */
			const double kinds[] = { (i * 977 + t * (37 + i) % 53) / 100.0,
				1e9 + t * 5000.0 + (t * t * i) % 17, 1234567.0 + i,
				4096.0 * (100000 + (t * 31 + i * 7) % 64) };

			add(e, 1 + (uint32_t)i, 1000123 + t * 10000 + (t * 7) % 5, kinds[i % 4],
			    BL_KNOWN);
		}
}

static void
fill_encodings(struct bl_batch_enc *e)
{
	for (int t = 0; t < 40; t++) {
		const int64_t at = 1000000 + t * 1000;

		add(e, 1, at, 3.5, BL_KNOWN);                            /* constant, decimal */
		add(e, 2, at, 1.0 / 3, BL_KNOWN);                        /* constant, other */
		add(e, 3, at, -0.0, BL_KNOWN);                           /* constant, no decimal */
		add(e, 5, at, 50 + (t * 37) % 11 / 10.0, BL_KNOWN);      /* Rice, level */
		add(e, 6, at, t * 1e5 + (t * 13) % 7, BL_KNOWN);         /* slope */
		add(e, 7, at, t % 9 == 4 ? 1e7 : (t * 5) % 4, BL_KNOWN); /* Exp-Golomb */
		add(e, 9, at, t < 25 ? 1e6 : -7e5, BL_KNOWN);            /* runs */
		add(e, 10, at, sin(t), BL_KNOWN);                        /* XOR */
		add(e, 11, at, t % 3 ? 1e300 : 4.9e-324, BL_KNOWN);      /* XOR, wide windows */
		add(e, 300, at, 512.0 * ((t * 29) % 50), BL_KNOWN);      /* shift */
		add(e, 301, at, 9007199254740992.0 - t % 2, BL_KNOWN);   /* the largest integers */
	}
}

/* What servers have most of: counters of nothing, families of a kind, a hole in the ids. */
static void
fill_families(struct bl_batch_enc *e)
{
	for (int t = 0; t < 6; t++) {
		const int64_t at = 1000017 + t * 10000 + (t * 11) % 7;

		for (int i = 0; i < 5; i++) {
			const uint32_t id = 1 + (uint32_t)i;

			add(e, id, at, 0, BL_KNOWN);
			add(e, 10 + id, at, -18.5 - i + (t * 7 + i) % 5 / 10.0, BL_KNOWN);
			add(e, 20 + id, at, 3e6 + i * 1e5 + t * (900.0 + i) + t % 2, BL_KNOWN);
			add(e, 30 + id, at, 4096.0 * (1000 + i), BL_KNOWN);
			add(e, 40 + id, at, t < 2 + i % 3 ? 5 : 6, BL_KNOWN);
		}
		add(e, 50, at, -1, BL_KNOWN);
	}
}

static void
fill_unknown(struct bl_batch_enc *e)
{
	for (int t = 0; t < 12; t++) {
		const int64_t at = 1000000 + t * 5000;

		add(e, 1, at, t * 1.5, t == 3 || t == 4 ? BL_UNKNOWN_TIMEOUT : BL_KNOWN);
		add(e, 2, at, 0, BL_UNKNOWN_UNSUPPORTED);
		add(e, 3, at, 7, t % 2 ? BL_UNKNOWN_LATE : BL_KNOWN);
		if (t == 5)
			add(e, 4, at, 2.25, BL_KNOWN);
		if (t % 3 == 0)
			add(e, 5, at + t, t, t == 0 ? BL_UNKNOWN_UNREADABLE : BL_KNOWN);
		if (t % 4 == 0) {
			add(e, 6, at + t, t, BL_KNOWN);
			add(e, 7, at + t, -t, BL_KNOWN);
		}
	}
}

/* Alone, among decimals, among other doubles, from one end to the other; by itself beside means. */
static void
fill_infinite(struct bl_batch_enc *e)
{
	const struct bl_thin window = { 18.5, 22.25, 30 };

	for (int t = 0; t < 12; t++) {
		const int64_t at = 1000000 + t * 5000;

		add(e, 1, at, INFINITY, BL_KNOWN);
		add(e, 2, at, -INFINITY, BL_KNOWN);
		add(e, 3, at, t == 5 ? INFINITY : t * 2.5, BL_KNOWN);
		add(e, 4, at, t % 4 == 1 ? -INFINITY : sin(t), t == 7 ? BL_UNKNOWN_LATE : BL_KNOWN);
		add(e, 5, at, t % 2 ? INFINITY : -INFINITY, BL_KNOWN);
		add(e, 6, at, t == 3 ? NAN : 21.5, BL_KNOWN); /* unreadable */
		if (t % 3 == 2)
			add(e, 7, at, INFINITY, BL_KNOWN);
		else
			must(bl_batch_enc_thin(e, 7, at, 20.5 + t % 2, &window));
	}
	add(e, 300, 1000000, -INFINITY, BL_KNOWN);
}

static void
add_thin(struct bl_batch_enc *e, uint32_t id, int64_t at, double value, double min, double max,
    uint32_t count)
{
	const struct bl_thin t = { min, max, count };

	must(bl_batch_enc_thin(e, id, at, value, &t));
}

/* Windows of 5 min, then samples every 10 s; series without and with unknown ones between. */
static void
fill_thin(struct bl_batch_enc *e)
{
	for (int t = 0; t < 12; t++) {
		const int64_t at = 1000000 + t * 300000;

		add_thin(e, 1, at, 20.55 + t % 3 / 100.0, 18.5 - t % 2, 30.25 + t % 4, 30);
		add(e, 2, at, t, BL_KNOWN);
		add_thin(e, 3, at, 4096.0 * (t + 1), 0, 4096.0 * (t + 1), t == 7 ? 1 : 29);
		if (t % 4 == 1)
			add(e, 4, at, 0, BL_UNKNOWN_TIMEOUT);
		else
			add_thin(e, 4, at, sin(t), -1.0 / 3, t / 7.0 + 1,
			    t == 0 ? BL_THIN_COUNT_MAX : 2);
	}
	for (int t = 0; t < 5; t++) {
		add(e, 1, 5000000 + t * 10000, 21.5, BL_KNOWN);
		add(e, 4, 5000000 + t * 10000, sin(t), t == 2 ? BL_UNKNOWN_LATE : BL_KNOWN);
	}
	add_thin(e, 300, 5000000, -0.0, -5, 9007199254740992.0, 360);
}

static void
fill_events(struct bl_batch_enc *e)
{
	struct bl_event ev = { .boot_ms = 1000500,
		.type = str("step.begin"),
		.id = str("order-77/\xe6\xa3\x80\xe8\xb4\xa7"),
		.n_attrs = 8 };

	ev.attr[0] = (struct bl_attr){ .key = str("none"), .type = BL_ATTR_NULL };
	ev.attr[1] = (struct bl_attr){ .key = str("text"),
		.type = BL_ATTR_TEXT,
		.text = str("\xe4\xbb\x93\xe5\xba\x93 \"A\"\n\xf0\x9f\x93\xa6") };
	ev.attr[2] = (struct bl_attr){ .key = str("ten"), .type = BL_ATTR_NUMBER, .number = 10 };
	ev.attr[3] =
	    (struct bl_attr){ .key = str("cents"), .type = BL_ATTR_NUMBER, .number = -12.34 };
	ev.attr[4] =
	    (struct bl_attr){ .key = str("third"), .type = BL_ATTR_NUMBER, .number = 1.0 / 3 };
	ev.attr[5] =
	    (struct bl_attr){ .key = str("minus zero"), .type = BL_ATTR_NUMBER, .number = -0.0 };
	ev.attr[6] = (struct bl_attr){ .key = str("yes"), .type = BL_ATTR_BOOL, .boolean = true };
	ev.attr[7] = (struct bl_attr){ .key = str("no"), .type = BL_ATTR_BOOL };
	must(bl_batch_enc_event(e, &ev));
	ev = (struct bl_event){ .boot_ms = 1000400, .type = str("probe.state") };
	must(bl_batch_enc_event(e, &ev));
}

static void
fill_many_events(struct bl_batch_enc *e)
{
	char id[32];

	for (int i = 0; i < 60; i++) {
		struct bl_event ev = {
			.boot_ms = 1000000 + i * 300, .type = str("step.end"), .n_attrs = 1
		};

		(void)snprintf(id, sizeof(id), "order-%d", 1000 + i);
		ev.id = str(id);
		ev.attr[0] = (struct bl_attr){ .key = str("result"),
			.type = BL_ATTR_TEXT,
			.text = str(i % 7 ? "shipped" : "returned to sender") };
		must(bl_batch_enc_event(e, &ev));
	}
}

static void
fill_gaps(struct bl_batch_enc *e)
{
	const struct bl_gap gaps[] = {
		{ .reason = BL_GAP_OFF,
		    .stream = BL_STREAM_HOST,
		    .begin_boot = id_of(0x33),
		    .begin_boot_ms = 5000,
		    .end_boot = id_of(0x22),
		    .end_boot_ms = 12000 },
		{ .spool = id_of(0x44),
		    .reason = BL_GAP_DAMAGED,
		    .stream = BL_STREAM_EVENTS,
		    .seq_first = 5,
		    .seq_last = 9 },
		{ .reason = BL_GAP_EVICTED,
		    .stream = BL_STREAM_PROBES,
		    .seq_first = 1,
		    .seq_last = 1,
		    .begin_boot = id_of(0x22),
		    .begin_boot_ms = -5,
		    .end_boot = id_of(0x22),
		    .end_boot_ms = 1000,
		    .samples = UINT64_MAX },
	};

	for (size_t i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++)
		must(bl_batch_enc_gap(e, &gaps[i]));
}

static void
fill_all(struct bl_batch_enc *e)
{
	fill_ticks(e);
	fill_events(e);
	fill_gaps(e);
}

static void
batch_of(void (*fill)(struct bl_batch_enc *), struct bl_batch_header h, struct bl_buf *out)
{
	struct bl_batch_enc *e = bl_batch_enc_create();

	if (e == NULL)
		abort();
	fill(e);
	must(bl_batch_enc_finish(e, &h, out, NULL));
	bl_batch_enc_free(e);
}

/* A batch with a section from the future, tag 77, behind the ones it has. */
static void
batch_with_unknown(struct bl_buf *out)
{
	struct bl_buf msg, raw, more;
	struct bl_batch_header h;
	const uint8_t *body;
	size_t body_len;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	bl_buf_init(&more, 64);
	batch_of(fill_ticks, header(BL_STREAM_HOST), &msg);
	must(bl_batch_header_decode(msg.data, msg.len, &h, &body, &body_len, NULL));
	must(bl_batch_inflate(&h, body, body_len, &raw, NULL));
	bl_buf_str(&more, "from the future");
	codec_put_section(&raw, 77, &more);
	h.raw_bytes = (uint32_t)raw.len;
	h.crc32 = codec_crc32(raw.data, raw.len);
	codec_header_put(out, &h, false);
	bl_buf_bytes(out, raw.data, raw.len);
	bl_buf_free(&msg);
	bl_buf_free(&raw);
	bl_buf_free(&more);
}

/* ---- golden messages ---- */

static void
make_hello(struct bl_buf *out)
{
	struct bl_hello h = { .nonce = 0xdeadbeef,
		.device = "till-1",
		.spool = id_of(0x11),
		.predecessor = id_of(0x10),
		.boot = id_of(0x22),
		.boot_ms = 123456,
		.unix_ms = 1795300000000,
		.dict_version = 205,
		.clock_version = 3,
		.software = "0.1.0",
		.config_hash = "00ff",
		.stream = { { 1, 1, { 0 } }, { 40, 12, { 2, { { 12, 20 }, { 22, 39 } } } },
		    { UINT64_MAX, 1, { 1, { { 1, 1 } } } } } };

	must(bl_hello_encode(&h, out));
}

static void
make_hello_later(struct bl_buf *out)
{
	make_hello(out);
	bl_buf_varint(out, 300);
	bl_buf_str(out, "a later version says this");
}

static void
make_answer(struct bl_buf *out)
{
	struct bl_receipt r = { .is_answer = true,
		.nonce = 0xdeadbeef,
		.verdict = BL_VERDICT_CONFLICT,
		.spool = id_of(0x11),
		.epoch = id_of(0x55),
		.server_unix_ms = 1795300000123,
		.credit_bytes_per_s = 65536,
		.dict_version = 200,
		.clock_version = 2 };

	r.stream[1] = (struct bl_receipt_stream){ 11, { 2, { { 13, 13 }, { 15, UINT64_MAX } } },
		{ 1, { { 4, 5 } } } };
	must(bl_receipt_encode(&r, out));
}

static void
make_receipt(struct bl_buf *out)
{
	struct bl_receipt r = { .spool = id_of(0x11),
		.epoch = id_of(0x55),
		.server_unix_ms = -1,
		.stream = { { .contiguous = 1 }, { .contiguous = 300 }, { .contiguous = 70000 } } };

	must(bl_receipt_encode(&r, out));
}

static void
make_answer_rival(struct bl_buf *out)
{
	struct bl_receipt r = { .is_answer = true,
		.nonce = 4,
		.spool = id_of(0x11),
		.epoch = id_of(0x55),
		.server_unix_ms = 1795300000123,
		.rival_known = true,
		.rival = 300 };

	must(bl_receipt_encode(&r, out));
}

static void
make_question(struct bl_buf *out)
{
	struct bl_question q = { .spool = id_of(0x11),
		.need = { { 0 }, { 1, { { 5, 9 } } }, { 2, { { 1, 1 }, { 3, 3 } } } },
		.need_dict = true,
		.dict_from = 17 };

	must(bl_question_encode(&q, out));
}

static void
make_gone(struct bl_buf *out)
{
	struct bl_gone g = { .spool = id_of(0x11),
		.n = 2,
		.gone = { { BL_STREAM_HOST, { 1, 500 }, BL_GAP_EVICTED },
		    { BL_STREAM_EVENTS, { 9, 9 }, BL_GAP_DAMAGED } } };

	must(bl_gone_encode(&g, out));
}

static void
make_presence(struct bl_buf *out)
{
	struct bl_presence p = { .online = true, .connections = 3, .software = "0.1.0" };

	if (!bl_id_parse("00112233445566778899aabbccddeeff", &p.boot))
		abort();
	must(bl_presence_encode(&p, out));
}

static void
make_centre(struct bl_buf *out)
{
	struct bl_centre c = { .epoch = id_of(0x55),
		.start = id_of(0x66),
		.server_unix_ms = 1795300000000,
		.reconnect_floor_ms = 4000 };

	must(bl_centre_encode(&c, out));
}

static void
make_report(struct bl_buf *out)
{
	struct bl_report r = { .spool = id_of(0x11),
		.boot = id_of(0x22),
		.boot_ms = 86400000,
		.backlog = { { true, 0, 0, 0, 0 }, { true, 3, 1200, 7, 90000 },
		    { true, 168, 9000000, UINT64_MAX, 604800000 } },
		.clock = { true, BL_CLOCK_CENTRE, -31536000000, 40, false, true, -20000, 2 },
		.link = { true, BL_TRANSPORT_WEBSOCKET, true, "192.0.2.17", 20480, 9, 310, 31000 },
		.n_months = 2,
		.month = { { 2026 * 12 + 9, 10, 2000, { 100, 200, 300 }, 1400 },
		    { 2026 * 12 + 10, 11, 3000, { 0, 0, 0 }, 3000 } },
		.budget = { true, 2097152, 1048576, 6, 1800000 } };

	must(bl_report_encode(&r, out));
}

static void
make_report_small(struct bl_buf *out)
{
	struct bl_report r = { .spool = id_of(0x11), .boot = id_of(0x22), .boot_ms = -1 };

	must(bl_report_encode(&r, out));
}

static void
dict_of(uint32_t first, uint32_t n, struct bl_buf *out)
{
	static const char *const names[] = { "cpu_used_pct", "disk_free_bytes", "probe_ms" };
	struct bl_series_def *defs = calloc(n, sizeof(*defs));
	struct bl_id spool = id_of(0x11);
	uint32_t encoded;

	if (defs == NULL)
		abort();
	for (uint32_t i = 0; i < n; i++) {
		struct bl_series_def *d = &defs[i];

		*d = (struct bl_series_def){ .id = first + i,
			.stream = (enum bl_stream)(1 + i % 3),
			.kind = (enum bl_series_kind)(1 + i % 2),
			.interval_ms = i * 5000,
			.name = str(names[i % 3]),
			.unit = str(i % 4 ? "bytes" : ""),
			.n_labels = i % 3 };
		d->label[0] = (struct bl_label){ str("host"), str("\xe9\x97\xa8\xe5\xba\x97") };
		d->label[1] = (struct bl_label){ str("mount"), str(i % 2 ? "/var" : "") };
	}
	must(bl_dict_encode(&spool, defs, n, out, &encoded, NULL));
	free(defs);
}

static void
make_dict(struct bl_buf *out)
{
	dict_of(17, 20, out);
}

static void
make_dict_small(struct bl_buf *out)
{
	dict_of(1, 1, out);
}

static void
make_clock(struct bl_buf *out)
{
	const struct bl_clock_segment segs[] = {
		{ 4, id_of(0x22), 0, 0, 100000, BL_CLOCK_UNTRUSTED },
		{ 5, id_of(0x22), 7000, 1795300000000, 20, BL_CLOCK_NTP },
		{ 6, id_of(0x23), -3, -5, UINT32_MAX, BL_CLOCK_CENTRE },
	};
	struct bl_id spool = id_of(0x11);
	uint32_t encoded;

	must(bl_clockmap_encode(&spool, segs, 3, out, &encoded, NULL));
}

static void
make_supersedes(struct bl_buf *out)
{
	struct bl_batch_header h = header(BL_STREAM_PROBES);

	h.kind = BL_BATCH_SUPERSEDES;
	h.supersedes_first = 3;
	h.supersedes_last = 40;
	batch_of(fill_ticks, h, out);
}

static void
make_thin(struct bl_buf *out)
{
	struct bl_batch_header h = header(BL_STREAM_HOST);

	h.kind = BL_BATCH_SUPERSEDES;
	h.supersedes_first = 7;
	h.supersedes_last = 31;
	batch_of(fill_thin, h, out);
}

static void
make_infinite(struct bl_buf *out)
{
	batch_of(fill_infinite, header(BL_STREAM_HOST), out);
}

static void
make_offered_again(struct bl_buf *out)
{
	struct bl_buf first;

	bl_buf_init(&first, BL_BATCH_WIRE_MAX);
	batch_of(fill_ticks, header(BL_STREAM_HOST), &first);
	must(bl_batch_reoffer(first.data, first.len, 999999, 41, out, NULL));
	bl_buf_free(&first);
}

static void
make_empty(struct bl_buf *out)
{
	batch_of(fill_nothing, header(BL_STREAM_EVENTS), out);
}

static void
make_ticks(struct bl_buf *out)
{
	batch_of(fill_ticks, header(BL_STREAM_HOST), out);
}

static void
make_families(struct bl_buf *out)
{
	batch_of(fill_families, header(BL_STREAM_HOST), out);
}

static void
make_encodings(struct bl_buf *out)
{
	batch_of(fill_encodings, header(BL_STREAM_HOST), out);
}

static void
make_unknown(struct bl_buf *out)
{
	batch_of(fill_unknown, header(BL_STREAM_PROBES), out);
}

static void
make_events(struct bl_buf *out)
{
	batch_of(fill_events, header(BL_STREAM_EVENTS), out);
}

static void
make_deflated(struct bl_buf *out)
{
	batch_of(fill_many_events, header(BL_STREAM_EVENTS), out);
}

static void
make_gaps(struct bl_buf *out)
{
	batch_of(fill_gaps, header(BL_STREAM_EVENTS), out);
}

static void
make_all(struct bl_buf *out)
{
	batch_of(fill_all, header(BL_STREAM_EVENTS), out);
}

/* n messages in a bundle; frees them. */
static void
bundle_of(struct bl_buf *of, unsigned n, struct bl_buf *out)
{
	struct bl_bundle b = { .n = n };

	for (unsigned i = 0; i < n; i++)
		b.batch[i] = (struct bl_bundle_batch){ of[i].data, of[i].len };
	must(bl_bundle_encode(&b, out));
	for (unsigned i = 0; i < n; i++)
		bl_buf_free(&of[i]);
}

/* A minute of an agent: nothing happened, nothing was probed, the machine was looked at. */
static void
make_bundle(struct bl_buf *out)
{
	struct bl_buf of[3];

	for (unsigned i = 0; i < 3; i++)
		bl_buf_init(&of[i], BL_BATCH_WIRE_MAX);
	make_empty(&of[0]);
	batch_of(fill_nothing, header(BL_STREAM_PROBES), &of[1]);
	make_ticks(&of[2]);
	bundle_of(of, 3, out);
}

/* One good batch among what is none; a section of a later version before it. */
static void
make_bundle_mixed(struct bl_buf *out)
{
	struct bl_buf of[6], bundle;

	for (unsigned i = 0; i < 6; i++)
		bl_buf_init(&of[i], BL_BATCH_WIRE_MAX);
	make_bundle(&of[0]);
	make_presence(&of[1]);
	make_ticks(&of[2]);
	of[2].data[of[2].len - 1] ^= 1; /* its checksum tells */
	make_empty(&of[3]);
	make_empty(&of[4]);
	of[4].data[2] = 2; /* a later format */
	bl_buf_bytes(&of[5], "BL\1", 3);
	bl_buf_init(&bundle, BL_BATCH_WIRE_MAX);
	bundle_of(of, 6, &bundle);
	bl_buf_bytes(out, bundle.data, 4);
	bl_buf_varint(out, 300);
	bl_buf_str(out, "a later version says this");
	bl_buf_bytes(out, bundle.data + 4, bundle.len - 4);
	bl_buf_free(&bundle);
}

static const struct {
	const char *name;
	void (*make)(struct bl_buf *out);
} golden[] = {
	{ "hello", make_hello },
	{ "hello-unknown-section", make_hello_later },
	{ "answer", make_answer },
	{ "answer-rival", make_answer_rival },
	{ "receipt", make_receipt },
	{ "question", make_question },
	{ "gone", make_gone },
	{ "presence", make_presence },
	{ "centre", make_centre },
	{ "report", make_report },
	{ "report-small", make_report_small },
	{ "dictionary", make_dict },
	{ "dictionary-stored", make_dict_small },
	{ "clock-map", make_clock },
	{ "batch-empty", make_empty },
	{ "batch-ticks", make_ticks },
	{ "batch-encodings", make_encodings },
	{ "batch-families", make_families },
	{ "batch-unknown", make_unknown },
	{ "batch-events", make_events },
	{ "batch-deflated", make_deflated },
	{ "batch-gaps", make_gaps },
	{ "batch-all", make_all },
	{ "batch-supersedes", make_supersedes },
	{ "batch-thin", make_thin },
	{ "batch-infinite", make_infinite },
	{ "batch-offered-again", make_offered_again },
	{ "batch-unknown-section", batch_with_unknown },
	{ "bundle", make_bundle },
	{ "bundle-mixed", make_bundle_mixed },
};

const char *
wire_golden_name(unsigned i)
{
	return i < sizeof(golden) / sizeof(golden[0]) ? golden[i].name : NULL;
}

void
wire_golden(unsigned i, struct bl_buf *out)
{
	golden[i].make(out);
}

/* ---- random ---- */

static uint64_t state = 1;

void
wire_random_seed(uint64_t seed)
{
	state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static uint64_t
below(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % n;
}

/* Of every kind that the column encoder treats differently. */
static double
random_value(unsigned kind, double *last)
{
	switch (kind) {
	case 0:
		return *last;
	case 1:
		return *last += (double)below(100000);
	case 2:
		return (double)below(10000) / 100 - 20;
	case 3:
		return ldexp((double)below(1000), 12);
	case 4:
		return below(8) == 0 ? 1 : 0;
	case 5:
		return *last *= 1.0001;
	case 6:
		return below(30) == 0 ? -1e15 : (double)below(5);
	case 7:
		return ldexp((double)below(UINT64_C(1) << 53), (int)below(2000) - 1050);
	case 8:
		return below(9) != 0 ? ldexp((double)below(99), -9)
		       : below(2)    ? INFINITY
				     : -INFINITY;
	default:
		return (double)below(UINT64_C(1) << 53) - 4503599627370496.0;
	}
}

static void
add_random_thin(struct bl_batch_enc *e, uint32_t id, int64_t at, double value)
{
	const double low = below(4) == 0 ? value - (double)below(1000) / 8 : value;
	const uint32_t count = below(3) == 0 ? 30 : 1 + (uint32_t)below(400);

	add_thin(e, id, at, value, low, low + (double)below(1000) / 4, count);
}

static void
add_random(struct bl_batch_enc *e, uint32_t id, int64_t at, double value, bool holes, bool thin)
{
	if (holes && below(5) == 0)
		add(e, id, at, value, (enum bl_unknown)(1 + below(4)));
	else if (thin && isfinite(value))
		add_random_thin(e, id, at, value);
	else
		add(e, id, at, value, BL_KNOWN);
}

static void
fill_random(struct bl_batch_enc *e)
{
	const unsigned series = 1 + (unsigned)below(20), ticks = 1 + (unsigned)below(30);
	const bool holes = below(3) == 0;
	const unsigned thin = below(3) == 0 ? 1 + (unsigned)below(series) : 0;
	double last[20];
	unsigned kind[20];
	int64_t at = 1000000;

	for (unsigned s = 0; s < series; s++) {
		kind[s] = (unsigned)below(10);
		last[s] = (double)below(1000);
	}
	for (unsigned t = 0; t < ticks; t++, at += 1000 + (int64_t)below(3))
		for (unsigned s = 0; s < series; s++)
			if (!holes || below(6) != 0)
				add_random(e, 1 + s * (1 + s % 5 / 4), at,
				    random_value(kind[s], &last[s]), holes, s < thin);
	if (below(4) == 0)
		fill_events(e);
	if (below(4) == 0)
		fill_gaps(e);
}

static void
random_batch(struct bl_buf *out)
{
	struct bl_batch_header h = header((enum bl_stream)(1 + below(3)));

	h.seq = 1 + below(UINT64_C(1) << (1 + below(60)));
	h.next_seq = 0;
	h.lowest_held = 0;
	batch_of(fill_random, h, out);
}

static void
random_bundle(struct bl_buf *out)
{
	const unsigned n = 2 + (unsigned)below(5);
	struct bl_buf of[6];

	for (unsigned i = 0; i < n; i++) {
		bl_buf_init(&of[i], BL_BATCH_WIRE_MAX);
		random_batch(&of[i]);
	}
	bundle_of(of, n, out);
}

void
wire_random(struct bl_buf *out)
{
	switch (below(13)) {
	case 0:
		dict_of(1 + (uint32_t)below(60000), 1 + (uint32_t)below(50), out);
		break;
	case 1:
		golden[below(sizeof(golden) / sizeof(golden[0]))].make(out);
		break;
	case 2:
		random_bundle(out);
		break;
	default:
		random_batch(out);
		break;
	}
}
