/*
 * Numbers of one sequence, reading side: which encoding, at which scale, where
 * it ends; then the numbers themselves, a piece at a time and without memory.
 *
 * codec_numbers_get checks the structure and finds the end without decoding;
 * only then does anything walk.
 */
#include "codec_internal.h"

#include <math.h>
#include <string.h>

#define CHUNK 256u

static const double powers_of_ten[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6 };

double
codec_scaled(int64_t m, unsigned scale, unsigned shift)
{
	if (scale == CODEC_SCALE_SHIFT)
		return ldexp((double)m, (int)shift);
	return (double)m / powers_of_ten[scale];
}

void
codec_scale_ints(unsigned scale, unsigned shift, const int64_t *m, double *out, size_t n)
{
	if (scale == 0) {
		for (size_t i = 0; i < n; i++)
			out[i] = (double)m[i];
	} else if (scale == CODEC_SCALE_SHIFT) {
		const double factor = ldexp(1, (int)shift);

		for (size_t i = 0; i < n; i++)
			out[i] = (double)m[i] * factor;
	} else {
		const double divisor = powers_of_ten[scale];

		for (size_t i = 0; i < n; i++)
			out[i] = (double)m[i] / divisor;
	}
}

bool
codec_decimal(double v, unsigned e, int64_t *m)
{
	const double scaled = v * powers_of_ten[e];
	double back;

	if (!(scaled >= -9007199254740992.0 && scaled <= 9007199254740992.0))
		return false;
	*m = llrint(scaled);
	back = (double)*m / powers_of_ten[e];
	/* Bit for bit: -0.0 is no decimal. */
	return memcmp(&back, &v, sizeof(v)) == 0;
}

/* ---- head ---- */

static void
stated_scale(struct bl_bits_r *r, uint8_t *scale, uint8_t *shift)
{
	*scale = (uint8_t)bl_bits_get_few(r, 3);
	*shift = *scale == CODEC_SCALE_SHIFT ? (uint8_t)bl_bits_get_few(r, 6) : 0;
}

/* The encoding; it, predictor and code go to last, which the next sequence may refer to. */
static uint8_t
get_encoding(struct bl_bits_r *r, struct bl_coding *last)
{
	if (bl_bits_get_few(r, 1) == 0)
		return last->encoding;
	switch (bl_bits_get_few(r, 2)) {
	case 0:
		return last->encoding = ENC_ZERO;
	case 1:
		return last->encoding = ENC_CONST_INT;
	case 2:
		if (bl_bits_get_few(r, 1) != 0) {
			last->predictor = (uint8_t)bl_bits_get_few(r, 3);
			last->expg = bl_bits_get_few(r, 1) != 0;
		}
		return last->encoding = ENC_PREDICTED;
	default:
		return last->encoding = (uint8_t)(ENC_RUNS + bl_bits_get_few(r, 2));
	}
}

static bool
get_constant(struct bl_bits_r *r, struct bl_coding *last, struct bl_numbers *x)
{
	if (bl_bits_get_few(r, 1) != 0)
		stated_scale(r, &x->scale, &x->shift);
	x->first = bits_get_number(r, &last->class);
	return codec_int_ok(x->first);
}

static bool
get_predicted(struct bl_bits_r *r, struct bl_coding *last, struct bl_numbers *x)
{
	uint64_t k;

	if (bl_bits_get_few(r, 1) != 0)
		stated_scale(r, &last->scale, &last->shift);
	k = last->k + (uint64_t)bl_unzigzag(bits_get_expg(r, 1));
	if (k > CODEC_K_MAX || x->n < 2)
		return false;
	last->k = x->k = (uint8_t)k;
	x->predictor = last->predictor;
	x->scale = last->scale;
	x->shift = last->shift;
	if (last->expg)
		x->encoding = ENC_EXPG;
	x->first = bits_get_number(r, &last->class);
	if (x->predictor >= CODEC_SLOPED)
		x->slope = bl_unzigzag(bits_get_expg(r, codec_slope_k(x->k)));
	x->unary_at = (uint32_t)r->pos;
	return bl_bits_ok(r) && codec_planes_end(r, (struct codec_code){ last->expg, last->k },
				    x->n - codec_given(x->predictor), &x->rest_at);
}

static bool
get_runs(struct bl_bits_r *r, struct bl_coding *last, struct bl_numbers *x)
{
	if (bl_bits_get_few(r, 1) != 0)
		stated_scale(r, &last->scale, &last->shift);
	x->scale = last->scale;
	x->shift = last->shift;
	return codec_runs_get(r, &last->class, x);
}

static bool
get_doubles(struct bl_bits_r *r, struct bl_numbers *x)
{
	uint64_t bits;

	if (x->encoding == ENC_CONST_F64) {
		x->first = (int64_t)bl_bits_get(r, 64);
		return codec_bits_ok((uint64_t)x->first, false);
	}
	bits = bits_get_expg(r, 6);
	x->unary_at = (uint32_t)r->pos;
	if (!bl_bits_ok(r) || x->n < 2 || bits < 64 || bits > r->bytes * 8 - r->pos)
		return false;
	r->pos += (size_t)bits;
	x->rest_at = (uint32_t)r->pos;
	return true;
}

bool
codec_numbers_get(struct bl_bits_r *r, struct bl_coding *last, uint32_t n, struct bl_numbers *x)
{
	bool ok;

	*x = (struct bl_numbers){ .p = r->p, .bytes = (uint32_t)r->bytes, .n = n };
	if (n == 0)
		return true;
	switch (x->encoding = get_encoding(r, last)) {
	case ENC_PREDICTED:
		ok = get_predicted(r, last, x);
		break;
	case ENC_ZERO:
		x->encoding = ENC_CONST_INT;
		return bl_bits_ok(r);
	case ENC_CONST_INT:
		ok = get_constant(r, last, x);
		break;
	case ENC_RUNS:
		ok = get_runs(r, last, x);
		break;
	case ENC_XOR:
	case ENC_CONST_F64:
		ok = get_doubles(r, x);
		break;
	default:
		return false;
	}
	return ok && bl_bits_ok(r);
}

bool
codec_seq_get(struct bl_rd *rd, uint32_t n, struct bl_numbers *x)
{
	const size_t left = bl_rd_left(rd);
	struct bl_bits_r r = { rd->p, left < BL_BATCH_RAW_MAX ? left : BL_BATCH_RAW_MAX, 0, false };
	struct bl_coding last = CODEC_CODING_FIRST;

	if (rd->failed || !codec_numbers_get(&r, &last, n, x) || !bl_bits_pad(&r) ||
	    (x->encoding == ENC_CONST_F64 && !codec_bits_ok((uint64_t)x->first, true))) {
		rd->failed = true;
		return false;
	}
	x->finite = true;
	rd->p += r.pos >> 3;
	return true;
}

/* ---- walking ---- */

void
codec_walk_init(struct codec_walk *w, const struct bl_numbers *x)
{
	w->x = x;
	if (x->encoding == ENC_XOR)
		codec_xor_init(&w->of.floats, x);
	else if (x->encoding != ENC_CONST_INT && x->encoding != ENC_CONST_F64)
		codec_ints_init(&w->of.ints, x);
}

bool
codec_walk_ints(struct codec_walk *w, int64_t *out, size_t n)
{
	if (w->x->encoding != ENC_CONST_INT)
		return codec_ints_next(&w->of.ints, out, n);
	for (size_t i = 0; i < n; i++)
		out[i] = w->x->first;
	return true;
}

static void
fill_double(const struct bl_numbers *x, double *out, size_t n)
{
	double v;

	if (x->encoding == ENC_CONST_INT)
		v = codec_scaled(x->first, x->scale, x->shift);
	else
		memcpy(&v, &x->first, sizeof(v));
	for (size_t i = 0; i < n; i++)
		out[i] = v;
}

bool
codec_walk_doubles(struct codec_walk *w, double *out, size_t n)
{
	int64_t ints[CHUNK];

	switch (w->x->encoding) {
	case ENC_XOR:
		return codec_xor_next(&w->of.floats, out, n);
	case ENC_CONST_INT:
	case ENC_CONST_F64:
		fill_double(w->x, out, n);
		return true;
	default:
		break;
	}
	while (n > 0) {
		const size_t some = n < CHUNK ? n : CHUNK;

		if (!codec_ints_next(&w->of.ints, ints, some))
			return false;
		codec_scale_ints(w->x->scale, w->x->shift, ints, out, some);
		out += some;
		n -= some;
	}
	return true;
}

bool
codec_walk_done(const struct codec_walk *w)
{
	return w->x->encoding != ENC_XOR || codec_xor_done(&w->of.floats);
}

bool
codec_walk_check(const struct bl_numbers *x)
{
	struct codec_walk w;
	int64_t ints[CHUNK];
	double doubles[CHUNK];
	uint32_t left = x->n;

	if (codec_is_constant(x))
		return true;
	codec_walk_init(&w, x);
	while (left > 0) {
		const uint32_t some = left < CHUNK ? left : CHUNK;

		if (x->encoding == ENC_XOR ? !codec_walk_doubles(&w, doubles, some)
					   : !codec_walk_ints(&w, ints, some))
			return false;
		left -= some;
	}
	return codec_walk_done(&w);
}
