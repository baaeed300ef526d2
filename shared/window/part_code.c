/*
 * A part as bytes, in one way only:
 *   version  u8, 1
 *   flags    u8, which of the following are there
 *   n        varint
 *   min f64; max f64 unless it is the same            (n > 0)
 *   hits     varint                                   (not 0)
 *   span     varint, ms                               (not 0)
 *   sum      varint lowest byte * 2 + negative; varint number of bytes; the bytes,
 *            the first and last of them not 0         (not 0)
 *   sketch   see shared/sketch                        (PERCENTILE)
 */
#include "sum_internal.h"

#include <math.h>
#include <string.h>

#include "branchline/sketch.h"

#define VERSION     1
#define FLAG_VALUES 0x01u
#define FLAG_MAX    0x02u
#define FLAG_HITS   0x04u
#define FLAG_SPAN   0x08u
#define FLAG_SUM    0x10u
#define FLAG_SKETCH 0x20u
#define FLAGS_ALL   0x3fu

static unsigned
flags_of(const struct bl_part *p, const struct sum_plain *sum)
{
	return (p->n > 0 ? FLAG_VALUES : 0) | (p->n > 0 && p->min < p->max ? FLAG_MAX : 0) |
	       (p->hits > 0 ? FLAG_HITS : 0) | (p->span_ms > 0 ? FLAG_SPAN : 0) |
	       (sum->n > 0 ? FLAG_SUM : 0) | (p->sketch != NULL ? FLAG_SKETCH : 0);
}

int
bl_part_encode(const struct bl_part *p, struct bl_buf *out)
{
	struct sum_plain sum;
	unsigned flags;

	bl_sum_plain(&p->sum, &sum);
	flags = flags_of(p, &sum);
	bl_buf_u8(out, VERSION);
	bl_buf_u8(out, (uint8_t)flags);
	bl_buf_varint(out, p->n);
	if (flags & FLAG_VALUES)
		bl_buf_f64(out, p->min);
	if (flags & FLAG_MAX)
		bl_buf_f64(out, p->max);
	if (flags & FLAG_HITS)
		bl_buf_varint(out, p->hits);
	if (flags & FLAG_SPAN)
		bl_buf_varint(out, (uint64_t)p->span_ms);
	if (flags & FLAG_SUM) {
		bl_buf_varint(out, (uint64_t)sum.lowest * 2 + sum.negative);
		bl_buf_varint(out, (uint64_t)sum.n);
		bl_buf_bytes(out, sum.byte + sum.lowest, (size_t)sum.n);
	}
	if (flags & FLAG_SKETCH)
		return bl_sketch_encode(p->sketch, out);
	return out->failed ? BL_EFULL : BL_OK;
}

static bool
read_sum(struct bl_sum *s, struct bl_rd *rd)
{
	const uint64_t head = bl_rd_varint_max(rd, 2 * SUM_BYTES);
	const uint64_t n = bl_rd_varint_max(rd, SUM_BYTES - head / 2);
	const uint8_t *bytes = bl_rd_bytes(rd, (size_t)n);
	struct sum_plain plain = {
		.negative = head & 1,
		.lowest = (int)(head / 2),
		.n = (int)n,
	};

	if (bytes == NULL || n == 0 || bytes[0] == 0 || bytes[n - 1] == 0)
		return false;
	memcpy(plain.byte + plain.lowest, bytes, (size_t)n);
	return bl_sum_from_plain(s, &plain);
}

static bool
plain_double(double v)
{
	return isfinite(v) && !(v == 0 && signbit(v));
}

/* Everything but the sketch.  False: malformed, or not the one way to write it. */
static bool
read_fields(struct bl_part *p, struct bl_rd *rd, unsigned flags)
{
	p->n = bl_rd_varint(rd);
	if ((p->n > 0) != ((flags & FLAG_VALUES) != 0))
		return false;
	if (p->n == 0)
		return (flags & ~FLAG_SKETCH) == 0 && !rd->failed;
	p->min = p->max = bl_rd_f64(rd);
	if (flags & FLAG_MAX) {
		p->max = bl_rd_f64(rd);
		if (!(p->min < p->max))
			return false;
	}
	if (!plain_double(p->min) || !plain_double(p->max))
		return false;
	if (flags & FLAG_HITS)
		p->hits = bl_rd_varint_max(rd, p->n);
	if (flags & FLAG_SPAN)
		p->span_ms = (int64_t)bl_rd_varint_max(rd, INT64_MAX);
	if (rd->failed || (p->hits > 0) != ((flags & FLAG_HITS) != 0) ||
	    (p->span_ms > 0) != ((flags & FLAG_SPAN) != 0))
		return false;
	return (flags & FLAG_SUM) == 0 || read_sum(&p->sum, rd);
}

/* The sketch appears or goes as the flags say. */
static int
read_sketch(struct bl_part *p, struct bl_rd *rd, unsigned flags, struct bl_err *err)
{
	int rc;

	if ((flags & FLAG_SKETCH) == 0) {
		bl_part_free(p);
		return BL_OK;
	}
	if (p->sketch == NULL && (p->sketch = bl_sketch_create()) == NULL)
		return bl_fail(err, BL_ENOMEM, "part: out of memory");
	if ((rc = bl_sketch_decode(p->sketch, rd, err)) < 0)
		return rc;
	if (bl_sketch_count(p->sketch) != p->n)
		return bl_fail(err, BL_ECORRUPT, "part: its sketch counts other values");
	return BL_OK;
}

int
bl_part_decode(struct bl_part *p, const void *data, size_t len, struct bl_err *err)
{
	struct bl_rd rd;
	unsigned version, flags;
	int rc;

	bl_part_reset(p);
	bl_rd_init(&rd, data, len);
	version = bl_rd_u8(&rd);
	flags = bl_rd_u8(&rd);
	if (version > VERSION)
		return bl_fail(err, BL_ENEWER, "part: written by a newer version (%u)", version);
	if (rd.failed || version != VERSION || (flags & ~FLAGS_ALL) != 0 ||
	    !read_fields(p, &rd, flags)) {
		bl_part_reset(p);
		return bl_fail(err, BL_ECORRUPT, "part: malformed");
	}
	rc = read_sketch(p, &rd, flags, err);
	if (rc == BL_OK && (rd.failed || bl_rd_left(&rd) != 0))
		rc = bl_fail(err, BL_ECORRUPT, "part: bytes behind its end");
	if (rc < 0)
		bl_part_reset(p);
	return rc;
}
