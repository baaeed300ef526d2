/*
 * The cells of an answer.  A percentile's sketches live only while samples may
 * still come for their step: as many steps as an hour touches.
 */
#include <math.h>
#include <stdlib.h>

#include "branchline/sketch.h"

#include "query_internal.h"

/* How many steps an hour touches at most. */
static size_t
steps_of_hour(const struct query_grid *r)
{
	const size_t n = query_steps(r);
	const int64_t most = (QUERY_HOUR_MS + r->step_ms - 1) / r->step_ms + 1;

	return most < (int64_t)n ? (size_t)most : n;
}

static int
open_sketches(struct query_work *w, struct bl_err *err)
{
	size_t n;

	w->ring = steps_of_hour(w->r);
	n = w->res->n_groups * w->ring;
	if (n > QUERY_SKETCHES_MAX)
		return bl_fail(err, BL_EFULL,
		    "percentiles of %zu groups need steps of %lld s or more", w->res->n_groups,
		    (long long)(QUERY_HOUR_MS / 1000 * (int64_t)w->res->n_groups /
				QUERY_SKETCHES_MAX) +
			1);
	if ((w->sketch = calloc(n > 0 ? n : 1, sizeof(*w->sketch))) == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	return BL_OK;
}

int
query_cells_open(struct query_work *w, struct bl_err *err)
{
	struct query_result *res = w->res;
	const size_t n = res->n_groups * res->n_steps;

	if (n > QUERY_CELLS_MAX)
		return bl_fail(err, BL_EFULL,
		    "%zu groups of %zu steps would be more than %u values; ask for a longer step, "
		    "a shorter range or fewer groups",
		    res->n_groups, res->n_steps, QUERY_CELLS_MAX);
	if ((res->cell = calloc(n > 0 ? n : 1, sizeof(*res->cell))) == NULL ||
	    (w->at = calloc(w->n_series > 0 ? w->n_series : 1, sizeof(*w->at))) == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	for (size_t i = 0; i < n; i++)
		res->cell[i].value = (double)NAN;
	return w->quantile > 0 ? open_sketches(w, err) : BL_OK;
}

void
query_cells_close(struct query_work *w)
{
	for (size_t i = 0; w->sketch != NULL && i < w->res->n_groups * w->ring; i++)
		bl_sketch_free(w->sketch[i]);
	free(w->sketch);
	free(w->at);
}

struct bl_sketch *
query_cells_sketch(struct query_work *w, uint32_t group, uint32_t step)
{
	struct bl_sketch **s = &w->sketch[group * w->ring + step % w->ring];

	if (*s == NULL)
		*s = bl_sketch_create();
	return *s;
}

static int
sketch_done(struct query_work *w, size_t group, size_t step, struct bl_err *err)
{
	struct bl_sketch *s = w->sketch[group * w->ring + step % w->ring];
	int rc;

	if (s == NULL)
		return BL_OK;
	if ((rc = bl_sketch_settle(s)) < 0)
		return bl_fail(err, rc, "query: %s",
		    rc == BL_EFULL ? "more samples than a percentile can be of" : "out of memory");
	if (bl_sketch_count(s) > 0)
		w->res->cell[group * w->res->n_steps + step].value =
		    bl_sketch_quantile(s, w->quantile);
	bl_sketch_reset(s);
	return BL_OK;
}

int
query_cells_pass(struct query_work *w, size_t step, struct bl_err *err)
{
	int rc = BL_OK;

	for (; w->quantile > 0 && w->done_steps < step && rc == BL_OK; w->done_steps++)
		for (size_t g = 0; g < w->res->n_groups && rc == BL_OK; g++)
			rc = sketch_done(w, g, w->done_steps, err);
	return rc;
}

int
query_cells_end(struct query_work *w, struct bl_err *err)
{
	struct query_result *res = w->res;
	int rc;

	for (size_t i = 0; i < w->n_series; i++)
		query_fold_flush(w, i);
	if ((rc = query_cells_pass(w, res->n_steps, err)) < 0)
		return rc;
	for (size_t i = 0; i < res->n_groups * res->n_steps; i++) {
		struct query_cell *c = &res->cell[i];

		res->n += c->n;
		res->unknown += c->unknown;
		if (w->r->agg == QUERY_AVG && c->n > 0)
			c->value /= (double)c->n;
		else if (w->r->agg == QUERY_COUNT && c->n > 0)
			c->value = (double)c->n;
	}
	return BL_OK;
}
