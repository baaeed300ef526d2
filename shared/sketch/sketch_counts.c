/*
 * Counts by ordinal in an array, for those who merge thousands of sketches: adding to a bucket is
 * one addition there, and no look-up.
 *
 * The array reaches over all ordinals that were asked for, and a few more on each side, so
 * that it seldom has to grow.
 */
#include "sketch_internal.h"

#include <stdlib.h>
#include <string.h>

#define SPARE 64 /* ordinals beyond what is asked for: more than a power of two */

static int32_t
lower(int32_t a, int32_t b)
{
	return a < b ? a : b;
}

static int32_t
higher(int32_t a, int32_t b)
{
	return a > b ? a : b;
}

/* Reaches from first to last, too. */
static bool
widen(struct sketch_counts *c, int32_t first, int32_t last)
{
	uint64_t *more;
	uint32_t n;

	if (c->n > 0) {
		first = lower(first, c->first);
		last = higher(last, c->first + (int32_t)c->n - 1);
	}
	n = (uint32_t)(last - first) + 1;
	if (n > BL_SKETCH_COUNTS_MAX)
		return false;
	if (n + 2 * SPARE <= BL_SKETCH_COUNTS_MAX) {
		first -= SPARE;
		n += 2 * SPARE;
	}
	if ((more = calloc(n, sizeof(*more))) == NULL)
		return false;
	if (c->n > 0)
		memcpy(more + (c->first - first), c->count, c->n * sizeof(*more));
	free(c->count);
	*c = (struct sketch_counts){ more, first, n };
	return true;
}

uint64_t *
bl_sketch_counts(struct bl_sketch *s, int32_t first, int32_t last)
{
	struct sketch_counts *c = &s->counts;

	if ((c->n == 0 || first < c->first || last >= c->first + (int32_t)c->n) &&
	    !widen(c, first, last))
		return NULL;
	return c->count + (first - c->first);
}

#define AT_ONCE 512u

int
bl_sketch_settle(struct bl_sketch *s)
{
	struct sketch_counts *c = &s->counts;
	struct bl_sketch_bucket some[AT_ONCE];
	size_t n = 0;
	int rc = BL_OK;

	for (uint32_t i = 0; i < c->n && rc == BL_OK; i++) {
		if (c->count[i] == 0)
			continue;
		some[n++] = (struct bl_sketch_bucket){ c->first + (int32_t)i, c->count[i] };
		if (n == AT_ONCE) {
			rc = bl_sketch_add_buckets(s, some, n);
			n = 0;
		}
	}
	if (rc == BL_OK)
		rc = bl_sketch_add_buckets(s, some, n);
	if (c->n > 0)
		memset(c->count, 0, c->n * sizeof(*c->count));
	return rc;
}
