/*
 * Sequences in memory: scales, and runs of one series put behind each other.
 *
 * i / 10^e and (10 i) / 10^(e+1) are the same rational number, and a division
 * gives the double nearest to it, so a finer scale changes no value as long as
 * the integers stay within 2^53.
 */
#include "codec_internal.h"

#include <math.h>
#include <string.h>

#include "branchline/seq.h"

#define INTEGER_MAX (INT64_C(1) << 53)

static const int64_t powers_of_ten[] = { 1, 10, 100, 1000, 10000, 100000, 1000000 };

void
bl_seq_doubles(const struct bl_seq *s, double *out)
{
	if (s->integers)
		codec_scale_ints(s->scale, s->shift, s->i, out, s->n);
	else if (out != s->d)
		memcpy(out, s->d, s->n * sizeof(*out));
}

void
bl_seq_to_doubles(struct bl_seq *s)
{
	if (s->integers)
		codec_scale_ints(s->scale, s->shift, s->i, s->d, s->n);
	s->integers = false;
	s->scale = s->shift = 0;
}

/* A scale as zeros before the point (a power of two) and places behind it (of ten). */
struct point {
	unsigned zeros, places;
};

static struct point
point_of(uint8_t scale, uint8_t shift)
{
	if (scale == BL_SEQ_SCALE_SHIFT)
		return (struct point){ shift, 0 };
	return (struct point){ 0, scale };
}

static bool
multiply(int64_t *v, int64_t factor)
{
	const int64_t most = INTEGER_MAX / factor;

	if (*v > most || *v < -most)
		return false;
	*v *= factor;
	return true;
}

static bool
multiply_by_two(int64_t *v, unsigned times)
{
	if (*v == 0)
		return true;
	return times <= 53 && multiply(v, INT64_C(1) << times);
}

static bool
divide(int64_t *v, int64_t factor)
{
	if (*v % factor != 0)
		return false;
	*v /= factor;
	return true;
}

static bool
divide_by_two(int64_t *v, unsigned times)
{
	if (*v == 0)
		return true;
	return times <= 53 && divide(v, INT64_C(1) << times);
}

/* The integer that v is at another scale; false: there is none within 2^53. */
static bool
convert(int64_t v, struct point from, struct point to, int64_t *out)
{
	*out = v;
	if (from.zeros >= to.zeros && !multiply_by_two(out, from.zeros - to.zeros))
		return false;
	if (from.places > to.places && !divide(out, powers_of_ten[from.places - to.places]))
		return false;
	if (from.places < to.places && !multiply(out, powers_of_ten[to.places - from.places]))
		return false;
	return from.zeros >= to.zeros || divide_by_two(out, to.zeros - from.zeros);
}

bool
bl_seq_rescale(struct bl_seq *s, uint8_t scale, uint8_t shift)
{
	const struct point from = point_of(s->scale, s->shift), to = point_of(scale, shift);
	int64_t v;

	if (!s->integers || scale > BL_SEQ_SCALE_SHIFT || shift > 63 ||
	    (scale != BL_SEQ_SCALE_SHIFT && shift != 0))
		return false;
	if (s->scale == scale && s->shift == shift)
		return true;
	for (uint32_t k = 0; k < s->n; k++)
		if (!convert(s->i[k], from, to, &v))
			return false;
	for (uint32_t k = 0; k < s->n; k++)
		(void)convert(s->i[k], from, to, &s->i[k]);
	s->scale = scale;
	s->shift = shift;
	return true;
}

/* The coarsest scale that holds what both hold. */
static void
common_scale(const struct bl_seq *a, const struct bl_seq *b, uint8_t *scale, uint8_t *shift)
{
	const struct point p = point_of(a->scale, a->shift), q = point_of(b->scale, b->shift);
	const unsigned zeros = p.zeros < q.zeros ? p.zeros : q.zeros;
	const unsigned places = p.places > q.places ? p.places : q.places;

	*scale = places > 0 ? (uint8_t)places : zeros > 0 ? BL_SEQ_SCALE_SHIFT : 0;
	*shift = places > 0 ? 0 : (uint8_t)zeros;
}

static bool
join_integers(struct bl_seq *s, const struct bl_seq *more)
{
	struct bl_seq tail = *more;
	uint8_t scale, shift;

	if (!s->integers || !more->integers)
		return false;
	if (s->n == 0) {
		s->scale = more->scale;
		s->shift = more->shift;
	}
	tail.i = s->i + s->n;
	memcpy(tail.i, more->i, more->n * sizeof(*tail.i));
	if (s->scale == more->scale && s->shift == more->shift)
		return true;
	common_scale(s, more, &scale, &shift);
	return bl_seq_rescale(&tail, scale, shift) && bl_seq_rescale(s, scale, shift);
}

void
bl_seq_join(struct bl_seq *s, const struct bl_seq *more)
{
	if (s->n == 0) {
		s->integers = more->integers;
		s->scale = s->shift = s->hint = 0;
	}
	/* The longer run says best how the whole will code. */
	if (more->n >= s->n)
		s->hint = more->hint;
	if (!join_integers(s, more)) {
		bl_seq_to_doubles(s);
		bl_seq_doubles(more, s->d + s->n);
	}
	s->n += more->n;
}
