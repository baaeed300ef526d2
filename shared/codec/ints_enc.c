/* Integer sequences, writing side: the bytes of what ints_choose.c has chosen. */
#include "ints_enc_internal.h"

static void
runs_put(struct bl_bits_w *out, const struct ints_runs *r, const int64_t *m, size_t n,
    unsigned down, uint8_t *class)
{
	size_t begin = 0;

	bl_bits_put(out, r->k_length, 5);
	bl_bits_put(out, r->k, 5);
	bits_put_expg(out, r->n - 2, 2);
	bits_put_number(out, m[0] >> down, class);
	for (size_t i = 1; i < n; i++) {
		if (m[i] == m[i - 1])
			continue;
		bits_put_expg(out, i - begin - 1, r->k_length);
		bits_put_expg(out, bl_zigzag((m[i] >> down) - (m[i - 1] >> down)) - 1, r->k);
		begin = i;
	}
}

void
codec_encoding_put(struct bl_bits_w *out, struct bl_coding *last, unsigned encoding)
{
	bl_bits_put(out, last->encoding != encoding, 1);
	if (last->encoding != encoding) {
		if (encoding == ENC_ZERO)
			bl_bits_put(out, 0, 2);
		else if (encoding == ENC_CONST_INT)
			bl_bits_put(out, 1, 2);
		else
			bl_bits_put(out, 3 | (encoding - ENC_RUNS) << 2, 4);
	}
	last->encoding = (uint8_t)encoding;
}

static void
predicted_head_put(struct bl_bits_w *out, struct bl_coding *last, const struct ints_choice *c)
{
	const bool same = ints_as_last(last, c->predictor, c->code.expg);

	if (last->encoding == ENC_PREDICTED && same) {
		bl_bits_put(out, 0, 1);
		return;
	}
	bl_bits_put(out, 1 | 2 << 1, 3);
	bl_bits_put(out, !same, 1);
	if (!same)
		bl_bits_put(out, c->predictor | (unsigned)c->code.expg << 3, 4);
	last->encoding = ENC_PREDICTED;
	last->predictor = c->predictor;
	last->expg = c->code.expg;
}

static void
stated_scale_put(struct bl_bits_w *out, unsigned scale, unsigned shift)
{
	bl_bits_put(out, scale, 3);
	if (scale == CODEC_SCALE_SHIFT)
		bl_bits_put(out, shift, 6);
}

static void
scale_put(struct bl_bits_w *out, struct bl_coding *last, unsigned scale, unsigned shift)
{
	const bool same = scale == last->scale && shift == last->shift;

	bl_bits_put(out, !same, 1);
	if (!same)
		stated_scale_put(out, scale, shift);
	last->scale = (uint8_t)scale;
	last->shift = (uint8_t)shift;
}

#define SHIFT_MAX 63u

static unsigned
at_most(unsigned v, unsigned most)
{
	return v < most ? v : most;
}

static void
constant_put(struct bl_bits_w *out, struct bl_coding *last, const struct codec_ints_in *in)
{
	unsigned scale = in->scale, shift = in->shift, zeros;
	int64_t v = in->m[0];

	if (v == 0) {
		codec_encoding_put(out, last, ENC_ZERO);
		return;
	}
	codec_encoding_put(out, last, ENC_CONST_INT);
	zeros = at_most((unsigned)__builtin_ctzll((uint64_t)v), SHIFT_MAX - shift);
	/* Twelve bits of zeros pay for saying that they are left out. */
	if (scale == CODEC_SCALE_SHIFT || (scale == 0 && zeros >= 12)) {
		scale = CODEC_SCALE_SHIFT;
		shift += zeros;
		v >>= zeros;
	}
	bl_bits_put(out, scale != 0, 1);
	if (scale != 0)
		stated_scale_put(out, scale, shift);
	bits_put_number(out, v, &last->class);
}

/*
 * Multiples of a power of two (bytes in pages, sectors) lose their zeros: how
 * many, and the scale that says so.  A shift that stands there already may be
 * taken even where it leaves some.
 */
static unsigned
zeros_to_drop(
    const struct codec_ints_in *in, const struct bl_coding *last, unsigned *scale, unsigned *shift)
{
	uint64_t all = 0;
	unsigned zeros;

	*scale = in->scale;
	*shift = in->shift;
	if (in->scale != 0 && in->scale != CODEC_SCALE_SHIFT)
		return 0;
	for (size_t i = 0; i < in->n; i++)
		all |= (uint64_t)in->m[i];
	zeros = at_most((unsigned)__builtin_ctzll(all), SHIFT_MAX - *shift);
	if (last->scale == CODEC_SCALE_SHIFT && last->shift >= *shift &&
	    last->shift <= *shift + zeros && (*shift + zeros - last->shift) * in->n < 10)
		zeros = last->shift - *shift;
	else if (in->scale == 0 && (zeros < 3 || zeros * in->n < 16))
		return 0;
	*scale = CODEC_SCALE_SHIFT;
	*shift += zeros;
	return zeros;
}

static bool
all_equal(const struct codec_ints_in *in)
{
	for (size_t i = 1; i < in->n; i++)
		if (in->m[i] != in->m[0])
			return false;
	return true;
}

static void
predicted_put(struct bl_bits_w *out, struct bl_coding *last, const struct codec_ints_in *in,
    unsigned down, const struct ints_choice *c, uint64_t *scratch)
{
	const int64_t first = in->m[0] >> down;
	const size_t count = ints_residuals(in->m, in->n, down, c->predictor, scratch);

	bits_put_expg(out, bl_zigzag((int64_t)c->code.k - last->k), 1);
	last->k = (uint8_t)c->code.k;
	bits_put_number(out, first, &last->class);
	if (c->predictor >= CODEC_SLOPED)
		bits_put_expg(out, bl_zigzag((in->m[1] >> down) - first), codec_slope_k(c->code.k));
	codec_code_put(out, c->code, scratch, count);
}

void
codec_ints_put(struct bl_bits_w *out, struct bl_coding *last, const struct codec_ints_in *in,
    uint64_t *scratch)
{
	unsigned scale, shift, down;
	struct ints_choice c;
	struct ints_runs runs;

	if (all_equal(in)) {
		constant_put(out, last, in);
		return;
	}
	down = zeros_to_drop(in, last, &scale, &shift);
	runs = ints_runs_plan(in->m, in->n, down);
	c = ints_choose(in, down, last, scratch);
	if (runs.bits != UINT64_MAX && runs.bits + ints_encoding_bits(last, ENC_RUNS) < c.bits) {
		codec_encoding_put(out, last, ENC_RUNS);
		scale_put(out, last, scale, shift);
		runs_put(out, &runs, in->m, in->n, down, &last->class);
		return;
	}
	predicted_head_put(out, last, &c);
	scale_put(out, last, scale, shift);
	predicted_put(out, last, in, down, &c, scratch);
}
