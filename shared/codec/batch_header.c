/*
 * The batch header: everything that a receiver needs to recognise, refuse or
 * file a batch without inflating it.  next_seq and lowest_held stand right
 * before the body, as distances that are small nearly always; another offer of
 * the same batch differs from the first in these two numbers and in nothing
 * else.
 */
#include "codec_internal.h"

const char *
codec_header_bad(const struct bl_batch_header *h)
{
	if (h->stream < BL_STREAM_EVENTS || h->stream > BL_STREAM_HOST)
		return "stream";
	if (h->kind != BL_BATCH_NORMAL && h->kind != BL_BATCH_SUPERSEDES)
		return "kind";
	if (h->seq == 0 || h->seq == UINT64_MAX)
		return "seq";
	if (!codec_ms_ok(h->collect_begin_ms) || !codec_ms_ok(h->collect_end_ms) ||
	    h->collect_end_ms < h->collect_begin_ms)
		return "collection interval";
	if (!codec_ms_ok(h->event_begin_ms) || !codec_ms_ok(h->event_end_ms) ||
	    h->event_end_ms < h->event_begin_ms)
		return "event range";
	if (h->dict_version > BL_DICT_ENTRIES_MAX)
		return "dictionary version";
	if (h->n_samples > BL_BATCH_SAMPLES_MAX || h->n_events > BL_BATCH_EVENTS_MAX ||
	    h->n_gaps > BL_BATCH_GAPS_MAX)
		return "counts";
	if (h->kind == BL_BATCH_SUPERSEDES &&
	    (h->supersedes_first == 0 || h->supersedes_last < h->supersedes_first ||
		h->supersedes_last >= h->seq))
		return "superseded range";
	if (h->raw_bytes > BL_BATCH_RAW_MAX)
		return "raw size";
	if (h->next_seq <= h->seq)
		return "next seq";
	if (h->lowest_held == 0 || h->lowest_held > h->next_seq)
		return "lowest held";
	return NULL;
}

/* What the header's kind byte says, beside the stream in bits 0 and 1. */
enum {
	KIND_SUPERSEDES = 4,
	KIND_EVENTS = 8,
	KIND_GAPS = 16,
	KIND_DEFLATED = 32,
	KIND_UNUSED = 192
};

static uint8_t
kind_byte(const struct bl_batch_header *h, bool deflated)
{
	unsigned kind = h->stream;

	if (h->kind == BL_BATCH_SUPERSEDES)
		kind |= KIND_SUPERSEDES;
	if (h->n_events > 0)
		kind |= KIND_EVENTS;
	if (h->n_gaps > 0)
		kind |= KIND_GAPS;
	if (deflated)
		kind |= KIND_DEFLATED;
	return (uint8_t)kind;
}

static void
offer_put(struct bl_buf *out, uint64_t seq, uint64_t next_seq, uint64_t lowest_held)
{
	bl_buf_varint(out, next_seq - seq - 1);
	bl_buf_varint(out, next_seq - lowest_held);
}

void
codec_header_put(struct bl_buf *out, const struct bl_batch_header *h, bool deflated)
{
	codec_put_prefix(out, BL_MSG_BATCH);
	codec_put_id(out, &h->spool);
	codec_put_id(out, &h->boot);
	bl_buf_u8(out, kind_byte(h, deflated));
	bl_buf_varint(out, h->seq);
	bl_buf_zigzag(out, h->collect_begin_ms);
	bl_buf_varint(out, (uint64_t)(h->collect_end_ms - h->collect_begin_ms));
	bl_buf_zigzag(out, h->event_begin_ms - h->collect_begin_ms);
	bl_buf_varint(out, (uint64_t)(h->event_end_ms - h->event_begin_ms));
	bl_buf_varint(out, h->dict_version);
	bl_buf_varint(out, h->n_samples);
	if (h->n_events > 0)
		bl_buf_varint(out, h->n_events);
	if (h->n_gaps > 0)
		bl_buf_varint(out, h->n_gaps);
	if (h->kind == BL_BATCH_SUPERSEDES) {
		bl_buf_varint(out, h->supersedes_first);
		bl_buf_varint(out, h->supersedes_last - h->supersedes_first);
	}
	if (deflated)
		bl_buf_varint(out, h->raw_bytes);
	bl_buf_u32(out, h->crc32);
	offer_put(out, h->seq, h->next_seq, h->lowest_held);
}

/* A time that is stated as a difference; out of bounds on overflow, too. */
static int64_t
add_ms(int64_t base, int64_t delta)
{
	int64_t sum;

	return __builtin_add_overflow(base, delta, &sum) ? INT64_MAX : sum;
}

static uint64_t
get_span(struct bl_rd *rd)
{
	return bl_rd_varint_max(rd, (uint64_t)CODEC_MS_MAX * 2);
}

/* A count that the kind byte announces: then it is not 0. */
static uint32_t
get_count(struct bl_rd *rd, bool announced)
{
	const uint32_t n = announced ? (uint32_t)bl_rd_varint_max(rd, UINT32_MAX) : 0;

	if (announced && n == 0)
		rd->failed = true;
	return n;
}

static void
get_superseded(struct bl_rd *rd, struct bl_batch_header *h)
{
	uint64_t more;

	h->supersedes_first = bl_rd_varint(rd);
	more = bl_rd_varint(rd);
	if (__builtin_add_overflow(h->supersedes_first, more, &h->supersedes_last))
		rd->failed = true;
}

/* Everything before the two fields of an offer; *deflated: the raw size is stated. */
static void
get_fields(struct bl_rd *rd, struct bl_batch_header *h, bool *deflated)
{
	uint8_t kind;

	codec_get_id(rd, &h->spool);
	codec_get_id(rd, &h->boot);
	kind = bl_rd_u8(rd);
	h->stream = (enum bl_stream)(kind & 3);
	h->kind = (kind & KIND_SUPERSEDES) != 0 ? BL_BATCH_SUPERSEDES : BL_BATCH_NORMAL;
	*deflated = (kind & KIND_DEFLATED) != 0;
	if ((kind & KIND_UNUSED) != 0)
		rd->failed = true;
	h->seq = bl_rd_varint(rd);
	h->collect_begin_ms = bl_rd_zigzag(rd);
	h->collect_end_ms = add_ms(h->collect_begin_ms, (int64_t)get_span(rd));
	h->event_begin_ms = add_ms(h->collect_begin_ms, bl_rd_zigzag(rd));
	h->event_end_ms = add_ms(h->event_begin_ms, (int64_t)get_span(rd));
	h->dict_version = (uint32_t)bl_rd_varint_max(rd, UINT32_MAX);
	h->n_samples = (uint32_t)bl_rd_varint_max(rd, UINT32_MAX);
	h->n_events = get_count(rd, (kind & KIND_EVENTS) != 0);
	h->n_gaps = get_count(rd, (kind & KIND_GAPS) != 0);
	if (h->kind == BL_BATCH_SUPERSEDES)
		get_superseded(rd, h);
	if (*deflated)
		h->raw_bytes = (uint32_t)bl_rd_varint_max(rd, UINT32_MAX);
	h->crc32 = bl_rd_u32(rd);
}

static void
get_offer(struct bl_rd *rd, struct bl_batch_header *h)
{
	const uint64_t later = bl_rd_varint(rd), held = bl_rd_varint(rd);

	if (__builtin_add_overflow(h->seq, later, &h->next_seq) ||
	    __builtin_add_overflow(h->next_seq, 1, &h->next_seq) || held >= h->next_seq)
		rd->failed = true;
	h->lowest_held = h->next_seq - held;
}

/* The whole header; *offer and *body are where those begin. */
static int
header_decode(const void *msg, size_t len, struct bl_batch_header *h, const uint8_t **offer,
    const uint8_t **body, struct bl_err *err)
{
	bool deflated = false;
	struct bl_rd rd;
	const char *bad;
	size_t left;
	int rc;

	*h = (struct bl_batch_header){ 0 };
	if ((rc = codec_get_prefix(msg, len, BL_MSG_BATCH, "batch", &rd, err)) != BL_OK)
		return rc;
	get_fields(&rd, h, &deflated);
	*offer = rd.p;
	get_offer(&rd, h);
	if (rd.failed)
		return bl_fail(err, BL_ECORRUPT, "batch header: ends early or has a bad number");
	*body = rd.p;
	left = bl_rd_left(&rd);
	if (!deflated)
		h->raw_bytes = (uint32_t)left;
	if ((bad = codec_header_bad(h)) != NULL)
		return bl_fail(err, BL_ECORRUPT, "batch header: %s is out of bounds", bad);
	if (deflated && (left >= h->raw_bytes || !codec_ratio_ok(h->raw_bytes, left)))
		return bl_fail(err, BL_ECORRUPT,
		    "batch header: raw size %u for a body of %zu bytes", h->raw_bytes, left);
	return BL_OK;
}

int
bl_batch_header_decode(const void *msg, size_t len, struct bl_batch_header *h, const uint8_t **body,
    size_t *body_len, struct bl_err *err)
{
	const uint8_t *offer;
	int rc = header_decode(msg, len, h, &offer, body, err);

	if (rc != BL_OK) {
		*body = NULL;
		*body_len = 0;
		return rc;
	}
	*body_len = len - (size_t)(*body - (const uint8_t *)msg);
	return BL_OK;
}

int
bl_batch_reoffer(const void *msg, size_t len, uint64_t next_seq, uint64_t lowest_held,
    struct bl_buf *out, struct bl_err *err)
{
	const uint8_t *offer, *body, *begin = msg;
	const size_t len0 = out->len;
	const bool failed0 = out->failed;
	struct bl_batch_header h;
	const char *bad;
	int rc;

	if ((rc = header_decode(msg, len, &h, &offer, &body, err)) != BL_OK)
		return rc;
	h.next_seq = next_seq;
	h.lowest_held = lowest_held;
	if ((bad = codec_header_bad(&h)) != NULL)
		return bl_fail(err, BL_EINVAL, "offer batch %llu again: %s is out of bounds",
		    (unsigned long long)h.seq, bad);
	bl_buf_bytes(out, msg, (size_t)(offer - begin));
	offer_put(out, h.seq, next_seq, lowest_held);
	bl_buf_bytes(out, body, len - (size_t)(body - begin));
	if (codec_finish(out, len0, failed0) != BL_OK)
		return bl_fail(err, BL_ENOMEM, "offer batch %llu again: out of memory",
		    (unsigned long long)h.seq);
	return BL_OK;
}

int
bl_batch_inflate(const struct bl_batch_header *h, const uint8_t *body, size_t body_len,
    struct bl_buf *raw, struct bl_err *err)
{
	return codec_inflate("batch", body, body_len, h->raw_bytes, h->crc32, raw, err);
}
