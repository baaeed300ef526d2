/*
 * Time columns: when a series was sampled.  Ticks are nearly regular, so a
 * column is its first time, the first difference, and what each later
 * difference differs from the one before; nothing at all when regular.
 */
#include "codec_internal.h"

enum { TIMES_RICE = 1, TIMES_EXPG = 2 }; /* in the parameters' upper bits; 0: regular */

static struct codec_code
code_of(uint8_t params)
{
	return (struct codec_code){ params >> 5 == TIMES_EXPG, params & 31u };
}

void
codec_times_put(struct bl_buf *out, int64_t base_ms, const int64_t *t, size_t n, uint64_t *scratch)
{
	struct codec_code code = { false, 0 };
	bool regular = true;
	uint64_t bits;

	if (n > 1) {
		for (size_t i = 2; i < n; i++) {
			scratch[i - 2] = bl_zigzag(t[i] - t[i - 1] - (t[i - 1] - t[i - 2]));
			regular = regular && scratch[i - 2] == 0;
		}
		code = codec_code_choose(scratch, n - 2, &bits);
		bl_buf_u8(out, regular ? 0 : (uint8_t)((code.expg ? 2u : 1u) << 5 | code.k));
	}
	bl_buf_varint(out, (uint64_t)(t[0] - base_ms));
	if (n > 1)
		bl_buf_varint(out, (uint64_t)(t[1] - t[0]));
	if (!regular)
		codec_code_put(out, code, scratch, n - 2);
}

const uint8_t *
codec_times_end(const uint8_t *p, const uint8_t *end, uint32_t n)
{
	struct bl_rd rd;
	uint8_t params = 0;

	bl_rd_init(&rd, p, (size_t)(end - p));
	if (n > 1)
		params = bl_rd_u8(&rd);
	(void)bl_rd_varint(&rd);
	if (n > 1)
		(void)bl_rd_varint(&rd);
	if (rd.failed || n == 0)
		return NULL;
	if (params == 0)
		return rd.p;
	if (params >> 5 != TIMES_RICE && params >> 5 != TIMES_EXPG)
		return NULL;
	return n < 3 ? NULL : codec_code_end(code_of(params), rd.p, end, n - 2);
}

bool
codec_times_get(const uint8_t *p, const uint8_t *end, int64_t base_ms, int64_t last_ms, uint32_t n,
    int64_t *out)
{
	int64_t width;
	struct codec_planes planes;
	struct codec_code code;
	uint64_t t, delta, bad = 0;
	uint8_t params = 0;
	uint64_t span;
	struct bl_rd rd;

	/* A row that a disk has damaged may name any two times. */
	if (__builtin_sub_overflow(last_ms, base_ms, &width) || width < 0)
		return false;
	span = (uint64_t)width;
	bl_rd_init(&rd, p, (size_t)(end - p));
	if (n > 1)
		params = bl_rd_u8(&rd);
	/* Offsets from base_ms from here on: none may pass the span, none may be negative. */
	t = bl_rd_varint(&rd);
	delta = n > 1 ? bl_rd_varint(&rd) : 0;
	if (t > span || delta > span)
		return false;
	out[0] = base_ms + (int64_t)t;
	if (n > 1) {
		t += delta;
		bad = t > span;
		out[1] = (int64_t)((uint64_t)base_ms + t);
	}
	if (params == 0) {
		if (n > 2 && delta > (span - (t - delta)) / (n - 1))
			return false;
		for (uint32_t i = 2; i < n; i++)
			out[i] = (int64_t)((uint64_t)base_ms + t + delta * (i - 1));
		return !bad;
	}
	code = code_of(params);
	codec_planes_init(&planes, code, rd.p, end, n - 2);
	for (uint32_t i = 2; i < n; i++) {
		delta += (uint64_t)bl_unzigzag(codec_planes_next(&planes, code.expg, code.k));
		bad |= delta > span;
		t += delta;
		bad |= t > span;
		out[i] = (int64_t)((uint64_t)base_ms + t);
	}
	return !bad;
}
