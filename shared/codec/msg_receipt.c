/* What the two sides tell each other about batches: receipts and answers, questions, gone. */
#include "codec_internal.h"

#define CONTENT_MAX 8192u /* of one section here */

/* ---- receipt, and the answer to a hello ---- */

enum {
	RECEIPT_STATE = 1,
	RECEIPT_ANSWER = 2,
	RECEIPT_STREAM = 3,
	RECEIPT_RIVAL = 4,
	RECEIPT_TAKES = 5
};

static bool
receipt_ok(const struct bl_receipt *r)
{
	for (int i = 0; i < BL_STREAMS; i++)
		if (!codec_ranges_ok(&r->stream[i].beyond) || !codec_ranges_ok(&r->stream[i].aside))
			return false;
	return codec_ms_ok(r->server_unix_ms) && r->dict_version <= BL_DICT_ENTRIES_MAX &&
	       r->clock_version <= BL_CLOCK_SEGMENTS_MAX && r->verdict <= BL_VERDICT_RETIRED;
}

static void
put_receipt(const struct bl_receipt *r, struct bl_buf *out, struct bl_buf *c)
{
	codec_put_id(c, &r->spool);
	codec_put_id(c, &r->epoch);
	bl_buf_zigzag(c, r->server_unix_ms);
	bl_buf_varint(c, r->credit_bytes_per_s);
	bl_buf_varint(c, r->dict_version);
	bl_buf_varint(c, r->clock_version);
	codec_put_section(out, RECEIPT_STATE, c);
	if (r->is_answer) {
		bl_buf_reset(c);
		bl_buf_u32(c, r->nonce);
		bl_buf_u8(c, (uint8_t)r->verdict);
		codec_put_section(out, RECEIPT_ANSWER, c);
	}
	if (r->is_answer && r->takes > 0) {
		bl_buf_reset(c);
		bl_buf_u8(c, r->takes);
		codec_put_section(out, RECEIPT_TAKES, c);
	}
	if (r->rival_known) {
		bl_buf_reset(c);
		bl_buf_varint(c, r->rival);
		codec_put_section(out, RECEIPT_RIVAL, c);
	}
	for (int i = 0; i < BL_STREAMS; i++) {
		bl_buf_reset(c);
		bl_buf_u8(c, (uint8_t)(i + 1));
		bl_buf_varint(c, r->stream[i].contiguous);
		codec_put_ranges(c, &r->stream[i].beyond);
		codec_put_ranges(c, &r->stream[i].aside);
		codec_put_section(out, RECEIPT_STREAM, c);
	}
}

int
bl_receipt_encode(const struct bl_receipt *r, struct bl_buf *out)
{
	const size_t len0 = out->len;
	const bool failed0 = out->failed;
	struct bl_buf content;

	if (!receipt_ok(r))
		return BL_EINVAL;
	bl_buf_init(&content, CONTENT_MAX);
	codec_put_prefix(out, r->is_answer ? BL_MSG_ANSWER : BL_MSG_RECEIPT);
	put_receipt(r, out, &content);
	bl_buf_free(&content);
	return codec_finish(out, len0, failed0);
}

static void
get_state(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_receipt *r = out;

	(void)stream;
	codec_get_id(rd, &r->spool);
	codec_get_id(rd, &r->epoch);
	r->server_unix_ms = bl_rd_zigzag(rd);
	r->credit_bytes_per_s = (uint32_t)bl_rd_varint_max(rd, UINT32_MAX);
	r->dict_version = (uint32_t)bl_rd_varint_max(rd, BL_DICT_ENTRIES_MAX);
	r->clock_version = (uint32_t)bl_rd_varint_max(rd, BL_CLOCK_SEGMENTS_MAX);
	if (!codec_ms_ok(r->server_unix_ms))
		rd->failed = true;
}

static void
get_answer(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_receipt *r = out;

	(void)stream;
	r->nonce = bl_rd_u32(rd);
	r->verdict = (enum bl_verdict)bl_rd_u8(rd);
	if (r->verdict > BL_VERDICT_RETIRED)
		rd->failed = true;
}

static void
get_receipt_stream(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_receipt_stream *s = &((struct bl_receipt *)out)->stream[stream - 1];

	s->contiguous = bl_rd_varint(rd);
	codec_get_ranges(rd, &s->beyond);
	codec_get_ranges(rd, &s->aside);
}

static void
get_rival(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_receipt *r = out;

	(void)stream;
	r->rival_known = true;
	r->rival = (uint32_t)bl_rd_varint_max(rd, UINT32_MAX);
}

static void
get_takes(struct bl_rd *rd, void *out, unsigned stream)
{
	(void)stream;
	((struct bl_receipt *)out)->takes = bl_rd_u8(rd);
}

/* What only an answer has is unknown in a receipt. */
int
bl_receipt_decode(const void *msg, size_t len, struct bl_receipt *r, struct bl_err *err)
{
	static const struct codec_section answer[] = {
		{ RECEIPT_STATE, true, false, "state", get_state },
		{ RECEIPT_ANSWER, true, false, "answer", get_answer },
		{ RECEIPT_STREAM, true, true, "stream", get_receipt_stream },
		{ RECEIPT_RIVAL, false, false, "rival", get_rival },
		{ RECEIPT_TAKES, false, false, "takes", get_takes },
		{ 0, false, false, NULL, NULL },
	};
	static const struct codec_section receipt[] = {
		{ RECEIPT_STATE, true, false, "state", get_state },
		{ RECEIPT_STREAM, true, true, "stream", get_receipt_stream },
		{ RECEIPT_RIVAL, false, false, "rival", get_rival },
		{ 0, false, false, NULL, NULL },
	};
	const bool is_answer = bl_msg_type(msg, len) == BL_MSG_ANSWER;

	*r = (struct bl_receipt){ .is_answer = is_answer };
	return codec_get_message(msg, len, is_answer ? BL_MSG_ANSWER : BL_MSG_RECEIPT,
	    is_answer ? "answer" : "receipt", is_answer ? answer : receipt, r, &r->unknown_sections,
	    err);
}

/* ---- question ---- */

enum { QUESTION_SPOOL = 1, QUESTION_BATCHES = 2, QUESTION_DICT = 3, QUESTION_CLOCK = 4 };

static bool
question_ok(const struct bl_question *q)
{
	for (int i = 0; i < BL_STREAMS; i++)
		if (!codec_ranges_ok(&q->need[i]))
			return false;
	return (!q->need_dict || (q->dict_from >= 1 && q->dict_from <= BL_DICT_ENTRIES_MAX)) &&
	       (!q->need_clock || (q->clock_from >= 1 && q->clock_from <= BL_CLOCK_SEGMENTS_MAX));
}

static void
put_question(const struct bl_question *q, struct bl_buf *out, struct bl_buf *c)
{
	codec_put_id(c, &q->spool);
	codec_put_section(out, QUESTION_SPOOL, c);
	for (int i = 0; i < BL_STREAMS; i++) {
		if (q->need[i].n == 0)
			continue;
		bl_buf_reset(c);
		bl_buf_u8(c, (uint8_t)(i + 1));
		codec_put_ranges(c, &q->need[i]);
		codec_put_section(out, QUESTION_BATCHES, c);
	}
	bl_buf_reset(c);
	bl_buf_varint(c, q->dict_from);
	if (q->need_dict)
		codec_put_section(out, QUESTION_DICT, c);
	bl_buf_reset(c);
	bl_buf_varint(c, q->clock_from);
	if (q->need_clock)
		codec_put_section(out, QUESTION_CLOCK, c);
}

int
bl_question_encode(const struct bl_question *q, struct bl_buf *out)
{
	const size_t len0 = out->len;
	const bool failed0 = out->failed;
	struct bl_buf content;

	if (!question_ok(q))
		return BL_EINVAL;
	bl_buf_init(&content, CONTENT_MAX);
	codec_put_prefix(out, BL_MSG_QUESTION);
	put_question(q, out, &content);
	bl_buf_free(&content);
	return codec_finish(out, len0, failed0);
}

static void
get_question_spool(struct bl_rd *rd, void *out, unsigned stream)
{
	(void)stream;
	codec_get_id(rd, &((struct bl_question *)out)->spool);
}

static void
get_need(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_ranges *need = &((struct bl_question *)out)->need[stream - 1];

	codec_get_ranges(rd, need);
	if (need->n == 0)
		rd->failed = true;
}

static void
get_need_dict(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_question *q = out;

	(void)stream;
	q->need_dict = true;
	q->dict_from = (uint32_t)bl_rd_varint_max(rd, BL_DICT_ENTRIES_MAX);
	if (q->dict_from == 0)
		rd->failed = true;
}

static void
get_need_clock(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_question *q = out;

	(void)stream;
	q->need_clock = true;
	q->clock_from = (uint32_t)bl_rd_varint_max(rd, BL_CLOCK_SEGMENTS_MAX);
	if (q->clock_from == 0)
		rd->failed = true;
}

int
bl_question_decode(const void *msg, size_t len, struct bl_question *q, struct bl_err *err)
{
	static const struct codec_section known[] = {
		{ QUESTION_SPOOL, true, false, "spool", get_question_spool },
		{ QUESTION_BATCHES, false, true, "batches", get_need },
		{ QUESTION_DICT, false, false, "dictionary", get_need_dict },
		{ QUESTION_CLOCK, false, false, "clock map", get_need_clock },
		{ 0, false, false, NULL, NULL },
	};

	*q = (struct bl_question){ 0 };
	return codec_get_message(
	    msg, len, BL_MSG_QUESTION, "question", known, q, &q->unknown_sections, err);
}

/* ---- gone ---- */

enum { GONE_SPOOL = 1, GONE_RANGES = 2 };

static bool
gone_range_ok(const struct bl_gone_range *g)
{
	return g->stream >= BL_STREAM_EVENTS && g->stream <= BL_STREAM_HOST &&
	       g->reason >= BL_GAP_OFF && g->reason <= BL_GAP_LAST && g->range.first != 0 &&
	       g->range.last >= g->range.first;
}

int
bl_gone_encode(const struct bl_gone *g, struct bl_buf *out)
{
	const size_t len0 = out->len;
	const bool failed0 = out->failed;
	struct bl_buf c;

	if (g->n > BL_RANGES_MAX)
		return BL_EINVAL;
	for (uint32_t i = 0; i < g->n; i++)
		if (!gone_range_ok(&g->gone[i]))
			return BL_EINVAL;
	bl_buf_init(&c, CONTENT_MAX);
	codec_put_prefix(out, BL_MSG_GONE);
	codec_put_id(&c, &g->spool);
	codec_put_section(out, GONE_SPOOL, &c);
	bl_buf_reset(&c);
	bl_buf_varint(&c, g->n);
	for (uint32_t i = 0; i < g->n; i++) {
		bl_buf_u8(&c, (uint8_t)g->gone[i].stream);
		bl_buf_u8(&c, (uint8_t)g->gone[i].reason);
		bl_buf_varint(&c, g->gone[i].range.first);
		bl_buf_varint(&c, g->gone[i].range.last - g->gone[i].range.first);
	}
	codec_put_section(out, GONE_RANGES, &c);
	bl_buf_free(&c);
	return codec_finish(out, len0, failed0);
}

static void
get_gone_spool(struct bl_rd *rd, void *out, unsigned stream)
{
	(void)stream;
	codec_get_id(rd, &((struct bl_gone *)out)->spool);
}

static void
get_gone_ranges(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_gone *g = out;

	(void)stream;
	g->n = (uint32_t)bl_rd_varint_max(rd, BL_RANGES_MAX);
	for (uint32_t i = 0; i < g->n && !rd->failed; i++) {
		struct bl_gone_range *one = &g->gone[i];

		one->stream = (enum bl_stream)bl_rd_u8(rd);
		one->reason = (enum bl_gap_reason)bl_rd_u8(rd);
		one->range.first = bl_rd_varint(rd);
		if (__builtin_add_overflow(one->range.first, bl_rd_varint(rd), &one->range.last) ||
		    !gone_range_ok(one))
			rd->failed = true;
	}
}

int
bl_gone_decode(const void *msg, size_t len, struct bl_gone *g, struct bl_err *err)
{
	static const struct codec_section known[] = {
		{ GONE_SPOOL, true, false, "spool", get_gone_spool },
		{ GONE_RANGES, true, false, "ranges", get_gone_ranges },
		{ 0, false, false, NULL, NULL },
	};

	*g = (struct bl_gone){ 0 };
	return codec_get_message(
	    msg, len, BL_MSG_GONE, "gone", known, g, &g->unknown_sections, err);
}
