/*
 * Integer sequences, reading side: a predictor and the residuals against it,
 * or runs.  All arithmetic is modulo 2^64, so no input can overflow it; an
 * integer beyond 2^53 is refused.
 *
 * Residuals lie in two planes, first every unary part, then every rest, which
 * is why a sequence's end is found by counting bits and without decoding it.
 */
#include "codec_internal.h"

bool
codec_planes_end(struct bl_bits_r *r, struct codec_code code, size_t n, uint32_t *rest_at)
{
	struct bl_bits_r unary = *r;
	size_t ones;

	/* Each residual has at least its zero bit. */
	if (n > r->bytes * 8 || !bits_skip_unary(r, n, &ones))
		return false;
	*rest_at = (uint32_t)r->pos;
	r->pos += n * code.k;
	if (!code.expg)
		return bl_bits_ok(r);
	r->pos += ones;
	/* Rests have at most 63 bits; look for a longer one only where there can be one. */
	for (size_t i = 0; ones + code.k > 63 && i < n; i++)
		if (bl_bits_unary(&unary) + code.k > 63)
			return false;
	return bl_bits_ok(r);
}

bool
codec_runs_get(struct bl_bits_r *r, uint8_t *class, struct bl_numbers *x)
{
	uint64_t runs, values = 1; /* the last run has one at least, and its length is not said */

	x->k = (uint8_t)bl_bits_get_few(r, 5);
	x->predictor = (uint8_t)bl_bits_get_few(r, 5);
	runs = bits_get_expg(r, 2) + 2;
	x->first = bits_get_number(r, class);
	x->slope = (int64_t)runs;
	x->unary_at = (uint32_t)r->pos;
	if (runs > x->n)
		return false;
	for (uint64_t i = 1; i < runs && bl_bits_ok(r); i++) {
		const uint64_t more = bits_get_expg(r, x->k);

		if (more >= x->n || (values += more + 1) > x->n)
			return false;
		(void)bits_get_expg(r, x->predictor);
	}
	return bl_bits_ok(r);
}

void
codec_ints_init(struct codec_ints *s, const struct bl_numbers *x)
{
	s->x = x;
	s->planes.unary = (struct bl_bits_r){ x->p, x->bytes, x->unary_at, false };
	s->planes.rest = (struct bl_bits_r){ x->p, x->bytes, x->rest_at, false };
	s->level = (uint64_t)x->first;
	s->slope = (uint64_t)x->slope;
	s->at = 0;
	s->run_left = 0;
	s->left = x->n;
}

/* The value and the length of the next run; the last takes what is left. */
static void
begin_run(struct codec_ints *s)
{
	struct bl_bits_r *r = &s->planes.unary;

	if (s->at++ > 0)
		s->level += (uint64_t)bl_unzigzag(bits_get_expg(r, s->x->predictor) + 1);
	s->run_left = s->left;
	if (--s->slope > 0)
		s->run_left = bits_get_expg(r, s->x->k) + 1;
	s->left -= s->run_left;
}

static bool
runs_next(struct codec_ints *s, int64_t *out, size_t n)
{
	uint64_t beyond = 0;

	for (size_t i = 0; i < n; i++) {
		if (s->run_left == 0)
			begin_run(s);
		s->run_left--;
		out[i] = (int64_t)s->level;
		beyond |= codec_int_beyond(out[i]);
	}
	return beyond == 0;
}

/* Arithmetic shift: floor(v / 2^by), as every compiler of ours does it. */
static inline uint64_t
floor_shift(uint64_t v, unsigned by)
{
	return (uint64_t)((int64_t)v >> by);
}

/* The prediction follows the level: it moves 1 / 2^by of every error. */
static inline uint64_t
level_loop(struct codec_ints *s, int64_t *out, size_t n, bool expg, unsigned by)
{
	struct codec_planes pl = s->planes;
	uint64_t level = s->level, beyond = 0;
	const unsigned k = s->x->k;

	for (size_t i = 0; i < n; i++) {
		const uint64_t r = (uint64_t)bl_unzigzag(codec_planes_next(&pl, expg, k));

		out[i] = (int64_t)(level + r);
		beyond |= codec_int_beyond(out[i]);
		level += floor_shift(r, by);
	}
	s->planes = pl;
	s->level = level;
	return beyond;
}

/* The prediction follows the slope: last value plus a slope that moves 1 / 2^by of every error. */
static inline uint64_t
slope_loop(struct codec_ints *s, int64_t *out, size_t n, bool expg, unsigned by)
{
	struct codec_planes pl = s->planes;
	uint64_t level = s->level, slope = s->slope, beyond = 0;
	const unsigned k = s->x->k;

	for (size_t i = 0; i < n; i++) {
		const uint64_t r = (uint64_t)bl_unzigzag(codec_planes_next(&pl, expg, k));

		level += slope + r;
		slope += floor_shift(r, by);
		out[i] = (int64_t)level;
		beyond |= codec_int_beyond(out[i]);
	}
	s->planes = pl;
	s->level = level;
	s->slope = slope;
	return beyond;
}

bool
codec_ints_next(struct codec_ints *s, int64_t *out, size_t n)
{
	const unsigned predictor = s->x->predictor, by = predictor & 3u;
	const bool expg = s->x->encoding == ENC_EXPG;
	uint64_t beyond = 0;

	if (s->x->encoding == ENC_RUNS)
		return runs_next(s, out, n);
	/* The first one or two values are stated as such. */
	for (; n > 0 && s->at < codec_given(predictor); n--, s->at++) {
		if (s->at == 1)
			s->level += s->slope;
		beyond |= codec_int_beyond((int64_t)s->level);
		*out++ = (int64_t)s->level;
	}
	if (predictor >= CODEC_SLOPED && expg)
		beyond |= slope_loop(s, out, n, true, by);
	else if (predictor >= CODEC_SLOPED)
		beyond |= slope_loop(s, out, n, false, by);
	else if (expg)
		beyond |= level_loop(s, out, n, true, by);
	else
		beyond |= level_loop(s, out, n, false, by);
	return beyond == 0;
}
