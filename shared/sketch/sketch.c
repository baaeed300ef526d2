/*
 * DDSketch with the linear mapping: a power of two is cut into 50 buckets of
 * equal width.  A bucket [l, u) stands for 2lu/(l+u), which is at most
 * (u-l)/(u+l) <= 1/101 away from any value in it.
 *
 * The index is taken from a double's own bits by integers alone.  The logarithm
 * of the paper would need 35 buckets a power of two instead of 50, but libm's
 * last digit differs between machines, and agent and centre must agree.
 *
 * More than 2,048 buckets of one sign: the smallest magnitude is joined to the
 * next.  What is kept is always the 2,048 largest distinct indices seen, and
 * what lay below counts to the smallest of them: a function of the values,
 * not of their order or of how they were grouped.
 */
#include "sketch_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bl_sketch *
bl_sketch_create(void)
{
	return calloc(1, sizeof(struct bl_sketch));
}

void
bl_sketch_free(struct bl_sketch *s)
{
	if (s == NULL)
		return;
	free(s->positive.b);
	free(s->negative.b);
	free(s->counts.count);
	free(s);
}

void
bl_sketch_reset(struct bl_sketch *s)
{
	s->count = 0;
	s->zeros = 0;
	s->positive.n = 0;
	s->negative.n = 0;
	/* What comes next may lie elsewhere. */
	free(s->counts.count);
	s->counts = (struct sketch_counts){ 0 };
}

uint64_t
bl_sketch_count(const struct bl_sketch *s)
{
	return s->count;
}

int
bl_sketch_reserve(struct sketch_side *side, size_t n)
{
	struct sketch_bucket *b;
	size_t size = side->size != 0 ? side->size : 16;

	if (n <= side->size)
		return BL_OK;
	while (size < n)
		size *= 2;
	if ((b = realloc(side->b, size * sizeof(*b))) == NULL)
		return BL_ENOMEM;
	side->b = b;
	side->size = size;
	return BL_OK;
}

/* Of a normal number's magnitude: 50 x exponent + the fiftieth in which its mantissa lies. */
static int32_t
index_of(double magnitude)
{
	uint64_t bits, mantissa;

	memcpy(&bits, &magnitude, sizeof(bits));
	mantissa = bits & ((UINT64_C(1) << 52) - 1);
	return ((int32_t)(bits >> 52) - 1023) * SKETCH_STEPS +
	       (int32_t)((mantissa * SKETCH_STEPS) >> 52);
}

/* 2lu/(l+u) of [50+k, 51+k) / 50, scaled: one division, the same everywhere. */
static double
value_of(int32_t index)
{
	const int32_t shifted = index - SKETCH_INDEX_MIN;
	const int k = shifted % SKETCH_STEPS;
	const int exponent = shifted / SKETCH_STEPS - 1022;
	const double top = 2.0 * (SKETCH_STEPS + k) * (SKETCH_STEPS + k + 1);
	const double bottom = (double)SKETCH_STEPS * (2 * (SKETCH_STEPS + k) + 1);

	return ldexp(top / bottom, exponent);
}

/* The first bucket whose index is not below. */
static size_t
find(const struct sketch_side *side, int32_t index)
{
	size_t low = 0, high = side->n;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (side->b[mid].index < index)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void
bl_sketch_collapse(struct sketch_side *side)
{
	const size_t over = side->n > BL_SKETCH_BUCKETS_MAX ? side->n - BL_SKETCH_BUCKETS_MAX : 0;

	if (over == 0)
		return;
	for (size_t i = 0; i < over; i++)
		side->b[over].count += side->b[i].count;
	side->n -= over;
	memmove(side->b, side->b + over, side->n * sizeof(*side->b));
}

static int
side_add(struct sketch_side *side, int32_t index, uint64_t count)
{
	const size_t at = find(side, index);
	int rc;

	if (at < side->n && side->b[at].index == index) {
		side->b[at].count += count;
		return BL_OK;
	}
	if ((rc = bl_sketch_reserve(side, side->n + 1)) < 0)
		return rc;
	memmove(side->b + at + 1, side->b + at, (side->n - at) * sizeof(*side->b));
	side->b[at] = (struct sketch_bucket){ index, count };
	side->n++;
	bl_sketch_collapse(side);
	return BL_OK;
}

int
bl_sketch_add(struct bl_sketch *s, double value, uint64_t count)
{
	const double magnitude = fabs(value);
	int rc = BL_OK;

	assert(isfinite(value));
	if (count > BL_SKETCH_COUNT_MAX - s->count)
		return BL_EFULL;
	if (count == 0)
		return BL_OK;
	if (magnitude < 0x1p-1022) /* a subnormal has too few digits for a relative error */
		s->zeros += count;
	else
		rc = side_add(value < 0 ? &s->negative : &s->positive, index_of(magnitude), count);
	if (rc == BL_OK)
		s->count += count;
	return rc;
}

/* side has room for both.  From the back, so that nothing is overwritten before it was read. */
static void
side_merge(struct sketch_side *side, const struct sketch_side *from)
{
	size_t i = side->n, j = from->n, both = 0, to;

	for (size_t a = 0, b = 0; a < i && b < j;) {
		both += side->b[a].index == from->b[b].index;
		if (side->b[a].index <= from->b[b].index)
			a++;
		else
			b++;
	}
	to = i + j - both;
	side->n = to;
	while (j > 0) {
		if (i > 0 && side->b[i - 1].index > from->b[j - 1].index) {
			side->b[--to] = side->b[--i];
		} else if (i > 0 && side->b[i - 1].index == from->b[j - 1].index) {
			side->b[--to] = side->b[--i];
			side->b[to].count += from->b[--j].count;
		} else {
			side->b[--to] = from->b[--j];
		}
	}
	bl_sketch_collapse(side);
}

int
bl_sketch_merge(struct bl_sketch *s, const struct bl_sketch *from)
{
	int rc;

	if (from->count > BL_SKETCH_COUNT_MAX - s->count)
		return BL_EFULL;
	if ((rc = bl_sketch_reserve(&s->positive, s->positive.n + from->positive.n)) < 0 ||
	    (rc = bl_sketch_reserve(&s->negative, s->negative.n + from->negative.n)) < 0)
		return rc;
	side_merge(&s->positive, &from->positive);
	side_merge(&s->negative, &from->negative);
	s->zeros += from->zeros;
	s->count += from->count;
	return BL_OK;
}

static bool
side_equal(const struct sketch_side *a, const struct sketch_side *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->b[i].index != b->b[i].index || a->b[i].count != b->b[i].count)
			return false;
	return true;
}

bool
bl_sketch_equal(const struct bl_sketch *a, const struct bl_sketch *b)
{
	return a->zeros == b->zeros && side_equal(&a->positive, &b->positive) &&
	       side_equal(&a->negative, &b->negative);
}

/* The rank-th smallest value, counted from 0. */
static double
value_at(const struct bl_sketch *s, uint64_t rank)
{
	for (size_t i = s->negative.n; i > 0; i--) {
		const struct sketch_bucket *b = &s->negative.b[i - 1];

		if (rank < b->count)
			return -value_of(b->index);
		rank -= b->count;
	}
	if (rank < s->zeros)
		return 0;
	rank -= s->zeros;
	for (size_t i = 0; i < s->positive.n; i++) {
		if (rank < s->positive.b[i].count)
			return value_of(s->positive.b[i].index);
		rank -= s->positive.b[i].count;
	}
	return NAN; /* not reached: rank < count */
}

double
bl_sketch_quantile(const struct bl_sketch *s, double q)
{
	double rank;

	if (s->count == 0)
		return NAN;
	if (!(q > 0))
		return value_at(s, 0);
	rank = floor(q * (double)(s->count - 1));
	return value_at(s, rank < (double)(s->count - 1) ? (uint64_t)rank : s->count - 1);
}
