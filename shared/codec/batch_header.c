/*
 * The batch header: everything that a receiver needs to recognise, refuse or
 * file a batch without inflating it.  next_seq and lowest_held have a fixed
 * width and a fixed place before the body, so that another offer of the same
 * batch differs from the first in 16 bytes and in nothing else.
 */
#include "codec_internal.h"

#include <string.h>

#define MUTABLE_BYTES 16u

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

void
codec_header_put(struct bl_buf *out, const struct bl_batch_header *h)
{
	codec_put_prefix(out, BL_MSG_BATCH);
	codec_put_id(out, &h->spool);
	codec_put_id(out, &h->boot);
	bl_buf_u8(out, (uint8_t)h->stream);
	bl_buf_u8(out, (uint8_t)h->kind);
	bl_buf_varint(out, h->seq);
	bl_buf_zigzag(out, h->collect_begin_ms);
	bl_buf_varint(out, (uint64_t)(h->collect_end_ms - h->collect_begin_ms));
	bl_buf_zigzag(out, h->event_begin_ms - h->collect_begin_ms);
	bl_buf_varint(out, (uint64_t)(h->event_end_ms - h->event_begin_ms));
	bl_buf_varint(out, h->dict_version);
	bl_buf_varint(out, h->n_samples);
	bl_buf_varint(out, h->n_events);
	bl_buf_varint(out, h->n_gaps);
	if (h->kind == BL_BATCH_SUPERSEDES) {
		bl_buf_varint(out, h->supersedes_first);
		bl_buf_varint(out, h->supersedes_last - h->supersedes_first);
	}
	bl_buf_varint(out, h->raw_bytes);
	bl_buf_u32(out, h->crc32);
	bl_buf_u64(out, h->next_seq);
	bl_buf_u64(out, h->lowest_held);
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

static void
get_fields(struct bl_rd *rd, struct bl_batch_header *h)
{
	uint64_t more;

	codec_get_id(rd, &h->spool);
	codec_get_id(rd, &h->boot);
	h->stream = (enum bl_stream)bl_rd_u8(rd);
	h->kind = (enum bl_batch_kind)bl_rd_u8(rd);
	h->seq = bl_rd_varint(rd);
	h->collect_begin_ms = bl_rd_zigzag(rd);
	h->collect_end_ms = add_ms(h->collect_begin_ms, (int64_t)get_span(rd));
	h->event_begin_ms = add_ms(h->collect_begin_ms, bl_rd_zigzag(rd));
	h->event_end_ms = add_ms(h->event_begin_ms, (int64_t)get_span(rd));
	h->dict_version = (uint32_t)bl_rd_varint_max(rd, UINT32_MAX);
	h->n_samples = (uint32_t)bl_rd_varint_max(rd, UINT32_MAX);
	h->n_events = (uint32_t)bl_rd_varint_max(rd, UINT32_MAX);
	h->n_gaps = (uint32_t)bl_rd_varint_max(rd, UINT32_MAX);
	if (h->kind == BL_BATCH_SUPERSEDES) {
		h->supersedes_first = bl_rd_varint(rd);
		more = bl_rd_varint(rd);
		if (__builtin_add_overflow(h->supersedes_first, more, &h->supersedes_last))
			rd->failed = true;
	}
	h->raw_bytes = (uint32_t)bl_rd_varint_max(rd, UINT32_MAX);
	h->crc32 = bl_rd_u32(rd);
}

int
bl_batch_header_decode(const void *msg, size_t len, struct bl_batch_header *h, const uint8_t **body,
    size_t *body_len, struct bl_err *err)
{
	struct bl_rd rd;
	const char *bad;
	int rc;

	*h = (struct bl_batch_header){ 0 };
	*body = NULL;
	*body_len = 0;
	if ((rc = codec_get_prefix(msg, len, BL_MSG_BATCH, "batch", &rd, err)) != BL_OK)
		return rc;
	get_fields(&rd, h);
	h->next_seq = bl_rd_u64(&rd);
	h->lowest_held = bl_rd_u64(&rd);
	if (rd.failed)
		return bl_fail(err, BL_ECORRUPT, "batch header: ends early or has a bad number");
	if ((bad = codec_header_bad(h)) != NULL)
		return bl_fail(err, BL_ECORRUPT, "batch header: %s is out of bounds", bad);
	*body = bl_rd_blob(&rd, BL_BATCH_WIRE_MAX, body_len);
	if (rd.failed || bl_rd_left(&rd) != 0)
		return bl_fail(
		    err, BL_ECORRUPT, "batch header: body length differs from what follows");
	if (*body_len > h->raw_bytes || !codec_ratio_ok(h->raw_bytes, *body_len))
		return bl_fail(err, BL_ECORRUPT,
		    "batch header: raw size %u for a body of %zu bytes", h->raw_bytes, *body_len);
	return BL_OK;
}

int
bl_batch_reoffer(const void *msg, size_t len, uint64_t next_seq, uint64_t lowest_held,
    struct bl_buf *out, struct bl_err *err)
{
	const size_t len0 = out->len;
	const bool failed0 = out->failed;
	struct bl_batch_header h, changed;
	const uint8_t *body;
	size_t body_len, head;
	struct bl_buf lengths;
	const char *bad;
	int rc;

	if ((rc = bl_batch_header_decode(msg, len, &h, &body, &body_len, err)) != BL_OK)
		return rc;
	changed = h;
	changed.next_seq = next_seq;
	changed.lowest_held = lowest_held;
	if ((bad = codec_header_bad(&changed)) != NULL)
		return bl_fail(err, BL_EINVAL, "offer batch %llu again: %s is out of bounds",
		    (unsigned long long)h.seq, bad);
	/* Before the body there is its length, and before that the two fields. */
	bl_buf_init(&lengths, 16);
	bl_buf_varint(&lengths, body_len);
	head = len - body_len - lengths.len - MUTABLE_BYTES;
	bl_buf_bytes(out, msg, head);
	bl_buf_u64(out, next_seq);
	bl_buf_u64(out, lowest_held);
	bl_buf_bytes(out, (const uint8_t *)msg + head + MUTABLE_BYTES, len - head - MUTABLE_BYTES);
	if (lengths.failed)
		out->failed = true;
	bl_buf_free(&lengths);
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
