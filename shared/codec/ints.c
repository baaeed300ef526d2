/*
 * Integer sequences, reading side: a predictor and the residuals against it,
 * or runs.  All arithmetic is modulo 2^64, so no input can overflow it.
 *
 * Residuals lie in two planes, first every unary part, then every rest, which
 * is why a column's end is found by counting bits and without decoding it.
 */
#include "codec_internal.h"

const uint8_t *
codec_code_end(struct codec_code code, const uint8_t *p, const uint8_t *end, size_t n)
{
	struct bits_r r = { p, (size_t)(end - p), 0 };
	size_t ones, bits;

	/* Each residual has at least its zero bit. */
	if (n > r.bytes * 8 || !bits_skip_unary(&r, n, &ones))
		return NULL;
	if (code.expg) {
		/* Rests have at most 63 bits; look for a longer one only where there can be one. */
		if (ones + code.k > 63) {
			struct bits_r u = { p, r.bytes, 0 };

			for (size_t i = 0; i < n; i++)
				if (bits_unary(&u) + code.k > 63)
					return NULL;
		}
		bits = r.pos + n * code.k + ones;
	} else {
		bits = r.pos + n * code.k;
	}
	if (bits > r.bytes * 8)
		return NULL;
	/* What pads the last byte is zero. */
	if ((bits & 7) != 0 && p[bits >> 3] >> (bits & 7) != 0)
		return NULL;
	return p + (bits + 7) / 8;
}

void
codec_planes_init(
    struct codec_planes *pl, struct codec_code code, const uint8_t *p, const uint8_t *end, size_t n)
{
	size_t ones;

	(void)code;
	pl->unary = (struct bits_r){ p, (size_t)(end - p), 0 };
	pl->rest = pl->unary;
	(void)bits_skip_unary(&pl->rest, n, &ones);
}

static size_t
residuals(struct codec_choice c, size_t n)
{
	return n - (c.predictor >= CODEC_SLOPED ? 2 : 1);
}

static struct codec_code
code_of(struct codec_choice c)
{
	return (struct codec_code){ c.encoding == ENC_EXPG, c.k };
}

static const uint8_t *
runs_end(const uint8_t *p, const uint8_t *end, size_t n)
{
	struct bl_rd rd;
	uint64_t runs, values = 0;

	bl_rd_init(&rd, p, (size_t)(end - p));
	runs = bl_rd_varint_max(&rd, n);
	for (uint64_t i = 0; i < runs && !rd.failed; i++) {
		(void)bl_rd_varint(&rd);
		values += bl_rd_varint_max(&rd, n - 1) + 1;
	}
	return rd.failed || values != n ? NULL : rd.p;
}

const uint8_t *
codec_ints_end(struct codec_choice c, const uint8_t *p, const uint8_t *end, size_t n)
{
	struct bl_rd rd;

	if (n < 2)
		return NULL;
	if (c.encoding == ENC_RUNS)
		return runs_end(p, end, n);
	bl_rd_init(&rd, p, (size_t)(end - p));
	(void)bl_rd_varint(&rd);
	if (c.predictor >= CODEC_SLOPED)
		(void)bl_rd_varint(&rd);
	return rd.failed ? NULL : codec_code_end(code_of(c), rd.p, end, residuals(c, n));
}

void
codec_ints_init(
    struct codec_ints *s, struct codec_choice c, const uint8_t *p, const uint8_t *end, size_t n)
{
	s->choice = c;
	s->at = 0;
	s->slope = 0;
	s->run_left = 0;
	bl_rd_init(&s->runs, p, (size_t)(end - p));
	if (c.encoding == ENC_RUNS) {
		(void)bl_rd_varint(&s->runs);
		s->level = 0;
		return;
	}
	s->level = (uint64_t)bl_rd_zigzag(&s->runs);
	if (c.predictor >= CODEC_SLOPED)
		s->slope = (uint64_t)bl_rd_zigzag(&s->runs);
	codec_planes_init(&s->planes, code_of(c), s->runs.p, end, residuals(c, n));
}

static void
runs_next(struct codec_ints *s, int64_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s->run_left == 0) {
			s->level += (uint64_t)bl_rd_zigzag(&s->runs);
			s->run_left = bl_rd_varint(&s->runs) + 1;
		}
		s->run_left--;
		out[i] = (int64_t)s->level;
	}
}

/* Arithmetic shift: floor(v / 2^by), as every compiler of ours does it. */
static inline uint64_t
floor_shift(uint64_t v, unsigned by)
{
	return (uint64_t)((int64_t)v >> by);
}

/* The prediction follows the level: it moves 1 / 2^by of every error. */
static inline void
level_loop(struct codec_ints *s, int64_t *out, size_t n, bool expg, unsigned by)
{
	struct codec_planes pl = s->planes;
	uint64_t level = s->level;
	const unsigned k = s->choice.k;

	for (size_t i = 0; i < n; i++) {
		const uint64_t r = (uint64_t)bl_unzigzag(codec_planes_next(&pl, expg, k));

		out[i] = (int64_t)(level + r);
		level += floor_shift(r, by);
	}
	s->planes = pl;
	s->level = level;
}

/* The prediction follows the slope: last value plus a slope that moves 1 / 2^by of every error. */
static inline void
slope_loop(struct codec_ints *s, int64_t *out, size_t n, bool expg, unsigned by)
{
	struct codec_planes pl = s->planes;
	uint64_t level = s->level, slope = s->slope;
	const unsigned k = s->choice.k;

	for (size_t i = 0; i < n; i++) {
		const uint64_t r = (uint64_t)bl_unzigzag(codec_planes_next(&pl, expg, k));

		level += slope + r;
		slope += floor_shift(r, by);
		out[i] = (int64_t)level;
	}
	s->planes = pl;
	s->level = level;
	s->slope = slope;
}

void
codec_ints_next(struct codec_ints *s, int64_t *out, size_t n)
{
	const bool sloped = s->choice.predictor >= CODEC_SLOPED;
	const unsigned by = s->choice.predictor & 3u;
	const bool expg = s->choice.encoding == ENC_EXPG;
	const size_t given = sloped ? 2 : 1;

	if (s->choice.encoding == ENC_RUNS) {
		runs_next(s, out, n);
		return;
	}
	/* The first one or two values are stated as such. */
	while (n > 0 && s->at < given) {
		if (s->at == 1)
			s->level += s->slope;
		*out++ = (int64_t)s->level;
		s->at++;
		n--;
	}
	if (sloped && expg)
		slope_loop(s, out, n, true, by);
	else if (sloped)
		slope_loop(s, out, n, false, by);
	else if (expg)
		level_loop(s, out, n, true, by);
	else
		level_loop(s, out, n, false, by);
}
