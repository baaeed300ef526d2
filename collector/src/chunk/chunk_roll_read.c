/*
 * Roll-ups as they are asked for.
 */
#include "chunk_internal.h"

#include <math.h>
#include <stdlib.h>

static int
bad_column(const struct chunk_column *c, const char *what, struct bl_err *err)
{
	return bl_fail(err, BL_ECORRUPT, "part: series %lld: %s", (long long)c->series, what);
}

/* Reads the shape, and the body into r; b stands behind it. */
static int
open_roll(const struct chunk_column *c, enum chunk_level level, struct chunk_roll *r,
    struct bl_bits_r *b, bool sums, struct bl_err *err)
{
	struct bl_rd rd;

	if (c->ix->head.level != level)
		return bl_fail(err, BL_EINVAL, "part: a column of another level");
	r->counter = c->kind == BL_COUNTER;
	r->integers = false;
	r->windows = level == CHUNK_M5 ? CHUNK_WINDOWS : 1;
	bl_rd_init(&rd, c->shape, (size_t)(c->shape_end - c->shape));
	chunk_shape_get(&rd, &r->shape, r->windows);
	*b = (struct bl_bits_r){ .p = c->data, .bytes = (size_t)(c->end - c->data) };
	if (rd.failed || !chunk_roll_get(b, r, sums))
		return bad_column(c, "roll-ups", err);
	return BL_OK;
}

static void
give_window(const struct chunk_roll *r, unsigned w, bool sums, struct chunk_window *out)
{
	const bool any = r->shape.known[w] > 0;

	out->count = r->shape.known[w];
	out->unknown = r->shape.unknown[w];
	out->sum = any && !r->counter ? r->d.total[w] : (double)NAN;
	out->increase = any && r->counter ? r->d.total[w] : (double)NAN;
	if (sums)
		return;
	out->min = any ? r->d.min[w] : (double)NAN;
	out->max = any ? r->d.max[w] : (double)NAN;
}

static bool
any_known(const struct chunk_roll *r)
{
	for (unsigned w = 0; w < r->windows; w++)
		if (r->shape.known[w] > 0)
			return true;
	return false;
}

static bool
give_edges(const struct chunk_column *c, const struct chunk_roll *r, struct chunk_edges *out)
{
	const struct ix_source *s = &c->ix->source[c->source];
	const struct chunk_edge *g;

	*out = (struct chunk_edges){ 0 };
	if (!r->counter || !any_known(r))
		return true;
	if (c->edge >= s->n)
		return false;
	g = &c->ix->edge[s->first + c->edge];
	*out = (struct chunk_edges){ true, r->d.first, r->d.last, g->first_unix_ms, g->last_unix_ms,
		g->first_boot, g->last_boot, (c->flags & COL_THIN) != 0 };
	return true;
}

int
chunk_m5_get(const struct chunk_column *c, struct chunk_window out[CHUNK_WINDOWS],
    struct chunk_edges *edges, struct bl_err *err)
{
	struct chunk_roll r;
	struct bl_bits_r b;
	int rc = open_roll(c, CHUNK_M5, &r, &b, false, err);

	if (rc < 0)
		return rc;
	if (!bl_bits_at_end(&b))
		return bad_column(c, "roll-ups", err);
	chunk_roll_doubles(&r);
	for (unsigned w = 0; w < CHUNK_WINDOWS; w++)
		give_window(&r, w, false, &out[w]);
	if (edges != NULL && !give_edges(c, &r, edges))
		return bad_column(c, "edges", err);
	return BL_OK;
}

int
chunk_m5_sums(
    const struct chunk_column *c, struct chunk_window out[CHUNK_WINDOWS], struct bl_err *err)
{
	struct chunk_roll r;
	struct bl_bits_r b;
	int rc = open_roll(c, CHUNK_M5, &r, &b, true, err);

	if (rc < 0)
		return rc;
	for (unsigned w = 0; r.integers && w < CHUNK_WINDOWS; w++)
		if (r.shape.known[w] > 0)
			r.d.total[w] = chunk_scaled(r.i.total[w], r.scale, r.shift);
	for (unsigned w = 0; w < CHUNK_WINDOWS; w++)
		give_window(&r, w, true, &out[w]);
	return BL_OK;
}

int
chunk_h1_get(const struct chunk_column *c, struct chunk_window *out, struct chunk_edges *edges,
    struct bl_err *err)
{
	struct chunk_roll r;
	struct bl_bits_r b;
	int rc = open_roll(c, CHUNK_H1, &r, &b, false, err);

	if (rc < 0)
		return rc;
	/* The sketch of a gauge follows. */
	if (b.pos > b.bytes * 8 || ((r.counter || !any_known(&r)) && !bl_bits_at_end(&b)))
		return bad_column(c, "roll-ups", err);
	chunk_roll_doubles(&r);
	give_window(&r, 0, false, out);
	if (edges != NULL && !give_edges(c, &r, edges))
		return bad_column(c, "edges", err);
	return BL_OK;
}

/* counts: where they can be, into s's counts. */
static int
add_sketch(const struct chunk_column *c, struct bl_sketch *s, bool counts, struct bl_err *err)
{
	struct bl_sketch_bucket bucket[CHUNK_BUCKETS_MAX];
	struct chunk_roll r;
	struct bl_bits_r b;
	uint32_t n;
	int rc;

	if (c->kind == BL_COUNTER)
		return bl_fail(err, BL_EINVAL, "part: a counter has no sketch");
	if ((rc = open_roll(c, CHUNK_H1, &r, &b, false, err)) < 0)
		return rc;
	if (!any_known(&r))
		return bl_bits_at_end(&b) ? BL_OK : bad_column(c, "sketch", err);
	if (!chunk_sketch_get(&b, &r, counts ? s : NULL, bucket, &n))
		return bad_column(c, "sketch", err);
	rc = n > 0 ? bl_sketch_add_buckets(s, bucket, n) : BL_OK;
	return rc < 0 ? bl_fail(err, rc, "part: %s",
			    rc == BL_EFULL ? "a sketch's count passes its cap" : "out of memory")
		      : BL_OK;
}

int
chunk_h1_sketch(const struct chunk_column *c, struct bl_sketch *s, struct bl_err *err)
{
	return add_sketch(c, s, false, err);
}

int
chunk_h1_counts(const struct chunk_column *c, struct bl_sketch *s, struct bl_err *err)
{
	return add_sketch(c, s, true, err);
}
