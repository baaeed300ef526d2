/*
 * One series of a batch, writing side: finds the scale in which all values
 * are integers, then lets the integer coder choose; what has no such scale
 * goes by XOR.  What is decoded equals what came in, bit for bit.
 */
#include "codec_internal.h"

#include <string.h>

#define EXPONENT_MAX 6u

/* Fills m; false: some value is no decimal of up to six places. */
static bool
to_decimals(const double *v, size_t n, unsigned *exponent, int64_t *m)
{
	unsigned e = 0;

	/* A finer scale holds what a coarser one does, as long as it fits. */
	for (size_t i = 0; i < n; i++) {
		while (!codec_decimal(v[i], e, &m[i])) {
			if (e++ == EXPONENT_MAX)
				return false;
			i = 0; /* start over; at most six times */
		}
	}
	*exponent = e;
	return true;
}

/* Multiples of a power of two (bytes in pages, sectors) lose their zeros. */
static bool
to_shifted(const double *v, size_t n, bool constant, unsigned *shift, int64_t *m)
{
	const size_t stated = constant ? 1 : n;
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++) {
		if (!codec_decimal(v[i], 0, &m[i]))
			return false;
		all |= (uint64_t)m[i];
	}
	*shift = all == 0 ? 0 : (unsigned)__builtin_ctzll(all);
	/* One byte for the shift must come back: worth it from 16 bits on. */
	if (*shift * stated < 16 || *shift < 3)
		return false;
	for (size_t i = 0; i < n; i++)
		m[i] >>= *shift;
	return true;
}

static bool
all_equal(const double *v, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (memcmp(&v[i], &v[0], sizeof(v[0])) != 0)
			return false;
	return true;
}

struct plan {
	uint8_t encoding, scale, shift;
	struct codec_choice choice;
};

static struct plan
make_plan(const double *v, size_t n, const struct codec_column_scratch *s)
{
	struct plan plan = { ENC_CONST_INT, 0, 0, { 0, 0, 0 } };
	const bool constant = all_equal(v, n);
	unsigned e = 0, shift = 0;

	if (n == 0)
		return plan;
	if (to_shifted(v, n, constant, &shift, s->ints)) {
		plan.scale = CODEC_SCALE_SHIFT;
		plan.shift = (uint8_t)shift;
	} else if (to_decimals(v, n, &e, s->ints)) {
		plan.scale = (uint8_t)e;
	} else {
		plan.encoding = constant ? ENC_CONST_F64 : ENC_XOR;
		return plan;
	}
	if (!constant) {
		plan.choice = codec_ints_choose(s->ints, n, s->residuals);
		plan.encoding = plan.choice.encoding;
	}
	return plan;
}

static void
put_unknown(struct bl_buf *out, const uint8_t *unknown, size_t n)
{
	uint64_t runs = 1;
	size_t len;

	for (size_t i = 1; i < n; i++)
		runs += unknown[i] != unknown[i - 1];
	bl_buf_varint(out, runs);
	for (size_t i = 0; i < n; i += len) {
		for (len = 1; i + len < n && unknown[i + len] == unknown[i]; len++)
			;
		bl_buf_varint(out, (uint64_t)len << 3 | unknown[i]);
	}
}

static bool
any_unknown(const uint8_t *unknown, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (unknown[i] != BL_KNOWN)
			return true;
	return false;
}

/* Everything before the values; leaves st as the reader will have it. */
static void
put_head(struct bl_buf *out, struct bl_column_state *st, const struct codec_column_in *in,
    const struct plan *plan, uint64_t *scratch)
{
	const uint32_t step = in->series_id - st->series_id;
	const bool coded = plan->encoding == ENC_RICE || plan->encoding == ENC_EXPG;
	uint8_t extra = 0;

	if (step != 1)
		extra |= 1;
	if (in->time_index != (int32_t)st->time_index)
		extra |= 2;
	if (any_unknown(in->unknown, in->n))
		extra |= 4;
	st->series_id = in->series_id;
	if (extra == 0 && plan->encoding == ENC_RICE && plan->choice.k < 16 &&
	    plan->scale == st->scale && plan->shift == st->shift) {
		bl_buf_u8(out, (uint8_t)(plan->choice.predictor << 4 | plan->choice.k));
		return;
	}
	bl_buf_u8(out, (uint8_t)(0x80 | (extra != 0) << 6 | plan->scale << 3 | plan->encoding));
	if (extra != 0)
		bl_buf_u8(out, extra);
	if (plan->scale == CODEC_SCALE_SHIFT)
		bl_buf_u8(out, plan->shift);
	if ((extra & 1) != 0)
		bl_buf_varint(out, step);
	if ((extra & 2) != 0)
		bl_buf_varint(out, (uint64_t)(in->time_index + 1));
	if (in->time_index < 0) {
		bl_buf_varint(out, in->n);
		codec_times_put(out, in->base_ms, in->times, in->n, scratch);
	} else {
		st->time_index = (uint32_t)in->time_index;
	}
	if ((extra & 4) != 0)
		put_unknown(out, in->unknown, in->n);
	if (coded)
		bl_buf_u8(out, (uint8_t)(plan->choice.predictor << 5 | plan->choice.k));
	if (coded || plan->encoding == ENC_RUNS) {
		st->scale = plan->scale;
		st->shift = plan->shift;
	}
}

static void
put_values(struct bl_buf *out, const struct plan *plan, const double *v, size_t n,
    const struct codec_column_scratch *s)
{
	switch (plan->encoding) {
	case ENC_CONST_INT:
		if (n > 0)
			bl_buf_zigzag(out, s->ints[0]);
		break;
	case ENC_CONST_F64:
		bl_buf_f64(out, v[0]);
		break;
	case ENC_XOR:
		codec_xor_put(out, v, n);
		break;
	default:
		codec_ints_put(out, plan->choice, s->ints, n, s->residuals);
		break;
	}
}

void
codec_column_put(struct bl_buf *out, struct bl_column_state *st, const struct codec_column_in *in,
    const struct codec_column_scratch *s)
{
	struct plan plan;
	size_t known = 0;

	for (size_t i = 0; i < in->n; i++)
		if (in->unknown[i] == BL_KNOWN)
			s->known[known++] = in->values[i];
	plan = make_plan(s->known, known, s);
	put_head(out, st, in, &plan, s->residuals);
	put_values(out, &plan, s->known, known, s);
}

void
codec_seq_put(struct bl_buf *out, const double *v, size_t n, const struct codec_column_scratch *s)
{
	const struct plan plan = make_plan(v, n, s);

	bl_buf_u8(out, (uint8_t)(plan.scale << 3 | plan.encoding));
	if (plan.scale == CODEC_SCALE_SHIFT)
		bl_buf_u8(out, plan.shift);
	if (plan.encoding == ENC_RICE || plan.encoding == ENC_EXPG)
		bl_buf_u8(out, (uint8_t)(plan.choice.predictor << 5 | plan.choice.k));
	put_values(out, &plan, v, n, s);
}
