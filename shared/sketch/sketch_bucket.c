/*
 * Buckets in and out, by their place in the order of values.
 */
#include "sketch_internal.h"

#include <assert.h>

static_assert(BL_SKETCH_ORDINAL_MAX == SKETCH_INDEX_MAX - SKETCH_INDEX_MIN + 1,
    "an ordinal for every bucket of a sign");

/* A side's buckets within the argument, from the one of the smallest magnitude on. */
struct part {
	const struct bl_sketch_bucket *first;
	int step; /* 1 or -1 */
	size_t n;
};

static int32_t
index_at(const struct part *p, size_t i)
{
	const int32_t ordinal = p->first[(ptrdiff_t)i * p->step].ordinal;

	return (ordinal < 0 ? -ordinal : ordinal) - 1 + SKETCH_INDEX_MIN;
}

static uint64_t
count_at(const struct part *p, size_t i)
{
	return p->first[(ptrdiff_t)i * p->step].count;
}

/*
 * The first bucket from at on whose index is not below.  Indices are distinct, so it lies no
 * further away than they differ, and exactly there when none between them is missing.
 */
static size_t
find_from(const struct sketch_side *side, size_t at, int32_t index)
{
	size_t low, high;

	if (at == side->n || side->b[at].index >= index)
		return at;
	low = at + 1;
	high = at + (size_t)(index - side->b[at].index);
	if (high < side->n && side->b[high].index == index)
		return high;
	high = high < side->n ? high : side->n;
	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (side->b[mid].index < index)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Where the side has each of the part's buckets; how many it does not have. */
static size_t
find_all(const struct sketch_side *side, const struct part *p, uint32_t *place)
{
	size_t at = 0, missing = 0;

	for (size_t i = 0; i < p->n; i++) {
		const int32_t index = index_at(p, i);

		at = find_from(side, at, index);
		missing += at == side->n || side->b[at].index != index;
		place[i] = (uint32_t)at;
	}
	return missing;
}

/* There is room for `more` buckets that the side does not have. */
static void
merge(struct sketch_side *side, const struct part *p, size_t more)
{
	size_t i = side->n, j = p->n, to = side->n + more;

	side->n = to;
	while (j > 0) {
		const int32_t index = index_at(p, j - 1);

		if (i > 0 && side->b[i - 1].index > index) {
			side->b[--to] = side->b[--i];
		} else if (i > 0 && side->b[i - 1].index == index) {
			side->b[--to] = side->b[--i];
			side->b[to].count += count_at(p, --j);
		} else {
			side->b[--to] = (struct sketch_bucket){ index, count_at(p, --j) };
		}
	}
	bl_sketch_collapse(side);
}

static void
side_add(struct sketch_side *side, const struct part *p, const uint32_t *place, size_t missing)
{
	if (missing > 0) {
		merge(side, p, missing);
		return;
	}
	for (size_t i = 0; i < p->n; i++)
		side->b[place[i]].count += count_at(p, i);
}

/* Of zero apart: it is no side's. */
static void
split(const struct bl_sketch_bucket *b, size_t n, struct part *negative, uint64_t *zeros,
    struct part *positive)
{
	size_t below = 0;

	while (below < n && b[below].ordinal < 0)
		below++;
	*zeros = below < n && b[below].ordinal == 0 ? b[below].count : 0;
	*negative = (struct part){ below > 0 ? b + below - 1 : b, -1, below };
	below += *zeros > 0;
	*positive = (struct part){ b + below, 1, n - below };
}

/* So many are looked up before any is added. */
#define AT_ONCE 512u

/* There is room for all of them on both sides. */
static void
add_some(struct bl_sketch *s, const struct bl_sketch_bucket *b, size_t n)
{
	uint32_t place[AT_ONCE];
	struct part negative, positive;
	uint64_t zeros;

	split(b, n, &negative, &zeros, &positive);
	side_add(&s->negative, &negative, place, find_all(&s->negative, &negative, place));
	side_add(&s->positive, &positive, place, find_all(&s->positive, &positive, place));
	s->zeros += zeros;
}

int
bl_sketch_add_buckets(struct bl_sketch *s, const struct bl_sketch_bucket *b, size_t n)
{
	uint64_t total = 0;
	size_t below = 0;
	int rc;

	for (size_t i = 0; i < n; i++) {
		assert(b[i].count > 0 && (i == 0 || b[i].ordinal > b[i - 1].ordinal));
		if (b[i].count > BL_SKETCH_COUNT_MAX - s->count - total)
			return BL_EFULL;
		total += b[i].count;
		below += b[i].ordinal < 0;
	}
	if ((rc = bl_sketch_reserve(&s->negative, s->negative.n + below)) < 0 ||
	    (rc = bl_sketch_reserve(&s->positive, s->positive.n + (n - below))) < 0)
		return rc;
	for (size_t at = 0; at < n; at += AT_ONCE)
		add_some(s, b + at, n - at < AT_ONCE ? n - at : AT_ONCE);
	s->count += total;
	return BL_OK;
}

size_t
bl_sketch_buckets(const struct bl_sketch *s, struct bl_sketch_bucket *out)
{
	size_t n = 0;

	for (size_t i = s->negative.n; i > 0; i--)
		out[n++] =
		    (struct bl_sketch_bucket){ -(s->negative.b[i - 1].index - SKETCH_INDEX_MIN + 1),
			    s->negative.b[i - 1].count };
	if (s->zeros > 0)
		out[n++] = (struct bl_sketch_bucket){ 0, s->zeros };
	for (size_t i = 0; i < s->positive.n; i++)
		out[n++] = (struct bl_sketch_bucket){ s->positive.b[i].index - SKETCH_INDEX_MIN + 1,
			s->positive.b[i].count };
	return n;
}
