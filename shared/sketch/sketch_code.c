/*
 * A sketch as bytes:
 *   zeros varint
 *   side  positive, then negative: number of buckets varint; each bucket: index
 *         zigzag (the first) or how far it lies over its neighbour, less one,
 *         varint; count varint
 * Nothing in it can be written in two ways.  Whoever stores it puts a version in
 * front.
 */
#include "sketch_internal.h"

static void
encode_side(const struct sketch_side *side, struct bl_buf *out)
{
	bl_buf_varint(out, side->n);
	for (size_t i = 0; i < side->n; i++) {
		if (i == 0)
			bl_buf_zigzag(out, side->b[0].index);
		else
			bl_buf_varint(out, (uint64_t)(side->b[i].index - side->b[i - 1].index - 1));
		bl_buf_varint(out, side->b[i].count);
	}
}

int
bl_sketch_encode(const struct bl_sketch *s, struct bl_buf *out)
{
	bl_buf_varint(out, s->zeros);
	encode_side(&s->positive, out);
	encode_side(&s->negative, out);
	return out->failed ? BL_EFULL : BL_OK;
}

/* Counts are added to *total, which never passes the cap. */
static int
decode_side(struct sketch_side *side, struct bl_rd *rd, uint64_t *total)
{
	const uint64_t n = bl_rd_varint_max(rd, BL_SKETCH_BUCKETS_MAX);
	int64_t index = 0;
	int rc;

	/* A bucket is two bytes at least: no memory for what cannot be there. */
	if (rd->failed || n > bl_rd_left(rd) / 2)
		return BL_ECORRUPT;
	if ((rc = bl_sketch_reserve(side, (size_t)n)) < 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		const int64_t step =
		    i == 0 ? bl_rd_zigzag(rd)
			   : (int64_t)bl_rd_varint_max(rd, SKETCH_INDEX_MAX - SKETCH_INDEX_MIN) + 1;
		const uint64_t count = bl_rd_varint_max(rd, BL_SKETCH_COUNT_MAX - *total);

		if (rd->failed || count == 0 || step < SKETCH_INDEX_MIN ||
		    step > SKETCH_INDEX_MAX - SKETCH_INDEX_MIN || index + step > SKETCH_INDEX_MAX)
			return BL_ECORRUPT;
		index += step;
		*total += count;
		side->b[side->n++] = (struct sketch_bucket){ (int32_t)index, count };
	}
	return BL_OK;
}

int
bl_sketch_decode(struct bl_sketch *s, struct bl_rd *rd, struct bl_err *err)
{
	uint64_t total;
	int rc;

	bl_sketch_reset(s);
	total = s->zeros = bl_rd_varint_max(rd, BL_SKETCH_COUNT_MAX);
	rc = rd->failed ? BL_ECORRUPT : decode_side(&s->positive, rd, &total);
	if (rc == BL_OK)
		rc = decode_side(&s->negative, rd, &total);
	if (rc == BL_OK) {
		s->count = total;
		return BL_OK;
	}
	bl_sketch_reset(s);
	return bl_fail(err, rc, rc == BL_ENOMEM ? "sketch: out of memory" : "sketch: malformed");
}
