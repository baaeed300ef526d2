/* The clock map: what boot times are in wall time, segment by segment. */
#include "codec_internal.h"

enum { CLOCK_FRAME = 1, CLOCK_SEGMENTS = 2 };

/* Flags of a segment: the source in the low bits. */
enum { SOURCE_MASK = 3, SAME_BOOT = 4 };

#define SEGMENT_BYTES_MAX 48u

static bool
segment_ok(const struct bl_clock_segment *s)
{
	return codec_ms_ok(s->from_boot_ms) && codec_ms_ok(s->offset_ms) &&
	       s->source <= BL_CLOCK_CENTRE;
}

static void
put_segment(struct bl_buf *out, const struct bl_clock_segment *s, const struct bl_id *boot)
{
	const bool same = bl_id_equal(&s->boot, boot);

	bl_buf_u8(out, (uint8_t)((unsigned)s->source | (same ? SAME_BOOT : 0)));
	if (!same)
		codec_put_id(out, &s->boot);
	bl_buf_zigzag(out, s->from_boot_ms);
	bl_buf_zigzag(out, s->offset_ms);
	bl_buf_varint(out, s->uncertainty_ms);
}

int
bl_clockmap_encode(const struct bl_id *spool, const struct bl_clock_segment *segs, uint32_t n,
    struct bl_buf *out, uint32_t *encoded, struct bl_err *err)
{
	const uint32_t fit = (BL_BATCH_WIRE_MAX - 256) / SEGMENT_BYTES_MAX;
	const uint32_t some = n < fit ? n : fit;
	const size_t len0 = out->len;
	const bool failed0 = out->failed;
	struct bl_id boot = { 0 };
	struct bl_buf c;

	*encoded = 0;
	for (uint32_t i = 0; i < some; i++)
		if (!segment_ok(&segs[i]) || segs[i].id != segs[0].id + i || segs[i].id == 0 ||
		    segs[i].id > BL_CLOCK_SEGMENTS_MAX)
			return bl_fail(err, BL_EINVAL, "encode clock map: segment %u is not valid",
			    segs[i].id);
	bl_buf_init(&c, BL_BATCH_WIRE_MAX);
	codec_put_prefix(out, BL_MSG_CLOCK);
	codec_put_id(&c, spool);
	bl_buf_varint(&c, n > 0 ? segs[0].id : 1);
	bl_buf_varint(&c, some);
	codec_put_section(out, CLOCK_FRAME, &c);
	bl_buf_reset(&c);
	for (uint32_t i = 0; i < some; i++) {
		put_segment(&c, &segs[i], &boot);
		boot = segs[i].boot;
	}
	codec_put_section(out, CLOCK_SEGMENTS, &c);
	bl_buf_free(&c);
	if (codec_finish(out, len0, failed0) != BL_OK)
		return bl_fail(err, BL_ENOMEM, "encode clock map: out of memory");
	*encoded = some;
	return BL_OK;
}

static void
get_frame(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_clockmap_reader *r = out;

	(void)stream;
	codec_get_id(rd, &r->spool);
	r->first = (uint32_t)bl_rd_varint_max(rd, BL_CLOCK_SEGMENTS_MAX);
	r->n = (uint32_t)bl_rd_varint_max(rd, BL_CLOCK_SEGMENTS_MAX);
	if (r->first == 0 || r->n > BL_CLOCK_SEGMENTS_MAX - r->first + 1)
		rd->failed = true;
}

static void
get_segments(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_clockmap_reader *r = out;
	const size_t len = bl_rd_left(rd);

	(void)stream;
	bl_rd_init(&r->rd, bl_rd_bytes(rd, len), len);
}

int
bl_clockmap_decode(const void *msg, size_t len, struct bl_clockmap_reader *r, struct bl_err *err)
{
	static const struct codec_section known[] = {
		{ CLOCK_FRAME, true, false, "frame", get_frame },
		{ CLOCK_SEGMENTS, true, false, "segments", get_segments },
		{ 0, false, false, NULL, NULL },
	};
	uint32_t unknown = 0;
	int rc;

	*r = (struct bl_clockmap_reader){ 0 };
	rc = codec_get_message(msg, len, BL_MSG_CLOCK, "clock map", known, r, &unknown, err);
	if (rc == BL_OK)
		r->left = r->n;
	return rc;
}

int
bl_clockmap_next(struct bl_clockmap_reader *r, struct bl_clock_segment *seg, struct bl_err *err)
{
	struct bl_rd *rd = &r->rd;
	uint8_t flags;

	if (r->left == 0)
		return bl_rd_left(rd) == 0 && !rd->failed
			   ? 0
			   : bl_fail(err, BL_ECORRUPT, "clock map: bytes behind the last segment");
	*seg = (struct bl_clock_segment){ .id = r->first + (r->n - r->left) };
	flags = bl_rd_u8(rd);
	if ((flags & SAME_BOOT) == 0)
		codec_get_id(rd, &r->boot);
	seg->boot = r->boot;
	seg->source = (enum bl_clock_source)(flags & SOURCE_MASK);
	seg->from_boot_ms = bl_rd_zigzag(rd);
	seg->offset_ms = bl_rd_zigzag(rd);
	seg->uncertainty_ms = (uint32_t)bl_rd_varint_max(rd, UINT32_MAX);
	if (rd->failed || flags > (SOURCE_MASK | SAME_BOOT) || !segment_ok(seg))
		return bl_fail(err, BL_ECORRUPT, "clock map: segment %u does not decode", seg->id);
	r->left--;
	return 1;
}

bool
bl_clock_place(const struct bl_clock_segment *segs, size_t n, const struct bl_id *boot,
    int64_t boot_ms, int64_t *unix_ms, uint32_t *uncertainty_ms)
{
	const struct bl_clock_segment *best = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct bl_clock_segment *s = &segs[i];

		if (s->source == BL_CLOCK_UNTRUSTED || !bl_id_equal(&s->boot, boot))
			continue;
		/* The first one serves what lies before it; the latest begun one the rest. */
		if (best == NULL ||
		    (s->from_boot_ms <= boot_ms &&
			(best->from_boot_ms > boot_ms || s->from_boot_ms >= best->from_boot_ms)) ||
		    (best->from_boot_ms > boot_ms && s->from_boot_ms < best->from_boot_ms))
			best = s;
	}
	if (best == NULL)
		return false;
	*unix_ms = boot_ms + best->offset_ms;
	*uncertainty_ms = best->uncertainty_ms;
	return true;
}
