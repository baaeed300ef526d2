/*
 * Messages to test with.  Every encoding and every optional part occurs among
 * the golden ones; wire_random.c mixes them.
 */
#include "wire_samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec_internal.h"
#include "wire_content.h"

#include "branchline/report.h"

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
	wire_batch(wire_fill_ticks, wire_header(BL_STREAM_HOST), &msg);
	wire_must(bl_batch_header_decode(msg.data, msg.len, &h, &body, &body_len, NULL));
	wire_must(bl_batch_inflate(&h, body, body_len, &raw, NULL));
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
		.spool = wire_id(0x11),
		.predecessor = wire_id(0x10),
		.boot = wire_id(0x22),
		.boot_ms = 123456,
		.unix_ms = 1795300000000,
		.dict_version = 205,
		.clock_version = 3,
		.software = "0.1.0",
		.config_hash = "00ff",
		.stream = { { 1, 1, { 0 } }, { 40, 12, { 2, { { 12, 20 }, { 22, 39 } } } },
		    { UINT64_MAX, 1, { 1, { { 1, 1 } } } } } };

	wire_must(bl_hello_encode(&h, out));
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
		.spool = wire_id(0x11),
		.epoch = wire_id(0x55),
		.server_unix_ms = 1795300000123,
		.credit_bytes_per_s = 65536,
		.dict_version = 200,
		.clock_version = 2 };

	r.stream[1] = (struct bl_receipt_stream){ 11, { 2, { { 13, 13 }, { 15, UINT64_MAX } } },
		{ 1, { { 4, 5 } } } };
	wire_must(bl_receipt_encode(&r, out));
}

static void
make_receipt(struct bl_buf *out)
{
	struct bl_receipt r = { .spool = wire_id(0x11),
		.epoch = wire_id(0x55),
		.server_unix_ms = -1,
		.stream = { { .contiguous = 1 }, { .contiguous = 300 }, { .contiguous = 70000 } } };

	wire_must(bl_receipt_encode(&r, out));
}

static void
make_answer_rival(struct bl_buf *out)
{
	struct bl_receipt r = { .is_answer = true,
		.nonce = 4,
		.spool = wire_id(0x11),
		.epoch = wire_id(0x55),
		.server_unix_ms = 1795300000123,
		.rival_known = true,
		.rival = 300 };

	wire_must(bl_receipt_encode(&r, out));
}

static void
make_answer_takes(struct bl_buf *out)
{
	struct bl_receipt r = { .is_answer = true,
		.nonce = 5,
		.spool = wire_id(0x11),
		.epoch = wire_id(0x55),
		.server_unix_ms = 1795300000123,
		.takes = 13 };

	wire_must(bl_receipt_encode(&r, out));
}

static void
make_question(struct bl_buf *out)
{
	struct bl_question q = { .spool = wire_id(0x11),
		.need = { { 0 }, { 1, { { 5, 9 } } }, { 2, { { 1, 1 }, { 3, 3 } } } },
		.need_dict = true,
		.dict_from = 17 };

	wire_must(bl_question_encode(&q, out));
}

static void
make_gone(struct bl_buf *out)
{
	struct bl_gone g = { .spool = wire_id(0x11),
		.n = 2,
		.gone = { { BL_STREAM_HOST, { 1, 500 }, BL_GAP_EVICTED },
		    { BL_STREAM_EVENTS, { 9, 9 }, BL_GAP_DAMAGED } } };

	wire_must(bl_gone_encode(&g, out));
}

static void
make_presence(struct bl_buf *out)
{
	struct bl_presence p = { .online = true, .connections = 3, .software = "0.1.0" };

	if (!bl_id_parse("00112233445566778899aabbccddeeff", &p.boot))
		abort();
	wire_must(bl_presence_encode(&p, out));
}

static void
make_centre(struct bl_buf *out)
{
	struct bl_centre c = { .epoch = wire_id(0x55),
		.start = wire_id(0x66),
		.server_unix_ms = 1795300000000,
		.reconnect_floor_ms = 4000 };

	wire_must(bl_centre_encode(&c, out));
}

static void
make_report(struct bl_buf *out)
{
	struct bl_report r = { .spool = wire_id(0x11),
		.boot = wire_id(0x22),
		.boot_ms = 86400000,
		.backlog = { { true, 0, 0, 0, 0 }, { true, 3, 1200, 7, 90000 },
		    { true, 168, 9000000, UINT64_MAX, 604800000 } },
		.clock = { true, BL_CLOCK_CENTRE, -31536000000, 40, false, true, -20000, 2 },
		.link = { true, BL_TRANSPORT_WEBSOCKET, true, "192.0.2.17", 20480, 9, 310, 31000 },
		.n_months = 2,
		.month = { { 2026 * 12 + 9, 10, 2000, { 100, 200, 300 }, 1400 },
		    { 2026 * 12 + 10, 11, 3000, { 0, 0, 0 }, 3000 } },
		.budget = { true, 2097152, 1048576, 6, 1800000 } };

	wire_must(bl_report_encode(&r, out));
}

static void
make_report_small(struct bl_buf *out)
{
	struct bl_report r = { .spool = wire_id(0x11), .boot = wire_id(0x22), .boot_ms = -1 };

	wire_must(bl_report_encode(&r, out));
}

static void
make_dict(struct bl_buf *out)
{
	wire_dict(17, 20, out);
}

static void
make_dict_small(struct bl_buf *out)
{
	wire_dict(1, 1, out);
}

static void
make_clock(struct bl_buf *out)
{
	const struct bl_clock_segment segs[] = {
		{ 4, wire_id(0x22), 0, 0, 100000, BL_CLOCK_UNTRUSTED },
		{ 5, wire_id(0x22), 7000, 1795300000000, 20, BL_CLOCK_NTP },
		{ 6, wire_id(0x23), -3, -5, UINT32_MAX, BL_CLOCK_CENTRE },
	};
	struct bl_id spool = wire_id(0x11);
	uint32_t encoded;

	wire_must(bl_clockmap_encode(&spool, segs, 3, out, &encoded, NULL));
}

static void
make_supersedes(struct bl_buf *out)
{
	struct bl_batch_header h = wire_header(BL_STREAM_PROBES);

	h.kind = BL_BATCH_SUPERSEDES;
	h.supersedes_first = 3;
	h.supersedes_last = 40;
	wire_batch(wire_fill_ticks, h, out);
}

static void
make_thin(struct bl_buf *out)
{
	struct bl_batch_header h = wire_header(BL_STREAM_HOST);

	h.kind = BL_BATCH_SUPERSEDES;
	h.supersedes_first = 7;
	h.supersedes_last = 31;
	wire_batch(wire_fill_thin, h, out);
}

static void
make_infinite(struct bl_buf *out)
{
	wire_batch(wire_fill_infinite, wire_header(BL_STREAM_HOST), out);
}

static void
make_offered_again(struct bl_buf *out)
{
	struct bl_buf first;

	bl_buf_init(&first, BL_BATCH_WIRE_MAX);
	wire_batch(wire_fill_ticks, wire_header(BL_STREAM_HOST), &first);
	wire_must(bl_batch_reoffer(first.data, first.len, 999999, 41, out, NULL));
	bl_buf_free(&first);
}

static void
make_empty(struct bl_buf *out)
{
	wire_batch(wire_fill_nothing, wire_header(BL_STREAM_EVENTS), out);
}

static void
make_ticks(struct bl_buf *out)
{
	wire_batch(wire_fill_ticks, wire_header(BL_STREAM_HOST), out);
}

static void
make_families(struct bl_buf *out)
{
	wire_batch(wire_fill_families, wire_header(BL_STREAM_HOST), out);
}

static void
make_encodings(struct bl_buf *out)
{
	wire_batch(wire_fill_encodings, wire_header(BL_STREAM_HOST), out);
}

static void
make_unknown(struct bl_buf *out)
{
	wire_batch(wire_fill_unknown, wire_header(BL_STREAM_PROBES), out);
}

static void
make_events(struct bl_buf *out)
{
	wire_batch(wire_fill_events, wire_header(BL_STREAM_EVENTS), out);
}

static void
make_deflated(struct bl_buf *out)
{
	wire_batch(wire_fill_many_events, wire_header(BL_STREAM_EVENTS), out);
}

static void
make_gaps(struct bl_buf *out)
{
	wire_batch(wire_fill_gaps, wire_header(BL_STREAM_EVENTS), out);
}

static void
make_all(struct bl_buf *out)
{
	wire_batch(wire_fill_all, wire_header(BL_STREAM_EVENTS), out);
}

/* A minute of an agent: nothing happened, nothing was probed, the machine was looked at. */
static void
make_minute(bool packed, struct bl_buf *out)
{
	struct bl_buf of[3];

	for (unsigned i = 0; i < 3; i++)
		bl_buf_init(&of[i], BL_BATCH_WIRE_MAX);
	make_empty(&of[0]);
	wire_batch(wire_fill_nothing, wire_header(BL_STREAM_PROBES), &of[1]);
	make_ticks(&of[2]);
	wire_bundle(of, 3, packed, out);
}

static void
make_bundle(struct bl_buf *out)
{
	make_minute(false, out);
}

static void
make_pack(struct bl_buf *out)
{
	make_minute(true, out);
}

/* One good batch among what is none; a section of a later version before it. */
static void
make_mixed(bool packed, struct bl_buf *out)
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
	wire_bundle(of, 6, packed, &bundle);
	bl_buf_bytes(out, bundle.data, 4);
	bl_buf_varint(out, 300);
	bl_buf_str(out, "a later version says this");
	bl_buf_bytes(out, bundle.data + 4, bundle.len - 4);
	bl_buf_free(&bundle);
}

static void
make_bundle_mixed(struct bl_buf *out)
{
	make_mixed(false, out);
}

static void
make_pack_mixed(struct bl_buf *out)
{
	make_mixed(true, out);
}

static const struct {
	const char *name;
	void (*make)(struct bl_buf *out);
} golden[] = {
	{ "hello", make_hello },
	{ "hello-unknown-section", make_hello_later },
	{ "answer", make_answer },
	{ "answer-rival", make_answer_rival },
	{ "answer-takes", make_answer_takes },
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
	{ "pack", make_pack },
	{ "pack-mixed", make_pack_mixed },
};

const char *
wire_golden_name(unsigned i)
{
	return i < sizeof(golden) / sizeof(golden[0]) ? golden[i].name : NULL;
}

unsigned
wire_golden_count(void)
{
	return sizeof(golden) / sizeof(golden[0]);
}

void
wire_golden(unsigned i, struct bl_buf *out)
{
	golden[i].make(out);
}
