/*
 * One question, hour by hour: each is read at the level that the plan says, and
 * series whose device changed its place within it as samples, so that each
 * sample counts where the device was.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/clock.h"

#include "query_internal.h"

struct run {
	struct query_work w;
	struct query_kept kept;
	const struct query_source *src;
	const struct query_limits *limits;
	uint32_t *all, *whole, *split; /* indices into the series */
	size_t n_whole, n_split;
	bool one_place; /* no series ever changes its group: whole is all */
	size_t reads_size;
};

static int
still_time(const struct run *y, struct bl_err *err)
{
	const struct query_limits *l = y->limits;

	if (l == NULL || l->clock == NULL || bl_mono_ms(l->clock) < l->deadline_mono_ms)
		return BL_OK;
	return bl_fail(err, BL_ETIMEDOUT,
	    "reading took too long; ask for a shorter range, a longer step or fewer series");
}

/* ---- who is read how --------------------------------------------------- */

/* A border between two groups lies inside of (from, to). */
static bool
changes_in(const struct query_series *s, int64_t from, int64_t to)
{
	for (size_t i = 0; i + 1 < s->n_stays; i++)
		if (s->stay[i].to_unix_ms > from && s->stay[i].to_unix_ms < to)
			return true;
	return false;
}

/* In no group in all of [from, to). */
static bool
absent_in(const struct query_series *s, int64_t from, int64_t to)
{
	for (size_t i = 0; i < s->n_stays; i++)
		if (s->stay[i].group != QUERY_NO_GROUP && s->stay[i].from_unix_ms < to &&
		    s->stay[i].to_unix_ms > from)
			return false;
	return true;
}

static void
sort_out(struct run *y, int64_t hour, enum query_level level)
{
	y->n_whole = y->n_split = 0;
	for (size_t i = 0; i < y->w.n_series; i++) {
		const struct query_series *s = &y->w.series[i];

		if (absent_in(s, hour, hour + QUERY_HOUR_MS))
			continue;
		if (level != QUERY_RAW && hour >= y->kept.from_unix_ms[QUERY_RAW] &&
		    changes_in(s, hour, hour + QUERY_HOUR_MS))
			y->split[y->n_split++] = (uint32_t)i;
		else
			y->whole[y->n_whole++] = (uint32_t)i;
	}
}

/* ---- reading ----------------------------------------------------------- */

/* Neither extremes nor ends are needed. */
static bool
sums_do(enum query_agg agg)
{
	return agg == QUERY_AVG || agg == QUERY_SUM || agg == QUERY_TOTAL || agg == QUERY_COUNT;
}

static int
read_some(struct run *y, int64_t hour, enum query_level level, const uint32_t *want, size_t n,
    struct bl_err *err)
{
	const struct query_limits *l = y->limits;
	const struct query_take take = { &y->w, query_take_hour, query_take_five,
		query_take_samples };
	const struct query_want q = {
		.from_unix_ms = hour,
		.to_unix_ms = hour + QUERY_HOUR_MS,
		.level = level,
		.sketch = y->w.quantile > 0,
		.sums_only = !y->w.counts && sums_do(y->w.r->agg),
		.series = y->w.series,
		.n_series = y->w.n_series,
		.want = want,
		.n_want = n,
		.deadline_mono_ms = l != NULL && l->clock != NULL ? l->deadline_mono_ms : INT64_MAX,
	};

	return n > 0 ? y->src->read(y->src->ctx, &q, &take, err) : BL_OK;
}

static int
note_read(struct run *y, int64_t hour, enum query_level level, struct bl_err *err)
{
	const struct query_grid *r = y->w.r;
	struct query_result *res = y->w.res;
	const int64_t from = hour > r->from_unix_ms ? hour : r->from_unix_ms;
	const int64_t to =
	    hour + QUERY_HOUR_MS < r->to_unix_ms ? hour + QUERY_HOUR_MS : r->to_unix_ms;
	struct query_read *more;

	if (res->n_reads > 0 && res->read[res->n_reads - 1].level == level &&
	    res->read[res->n_reads - 1].to_unix_ms == from) {
		res->read[res->n_reads - 1].to_unix_ms = to;
		return BL_OK;
	}
	if (res->n_reads == y->reads_size) {
		const size_t size = y->reads_size == 0 ? 4 : y->reads_size * 2;

		if ((more = realloc(res->read, size * sizeof(*more))) == NULL)
			return bl_fail(err, BL_ENOMEM, "query: out of memory");
		res->read = more;
		y->reads_size = size;
	}
	res->read[res->n_reads++] = (struct query_read){ from, to, level };
	return BL_OK;
}

static int
read_hour(struct run *y, int64_t hour, struct bl_err *err)
{
	const struct query_grid *r = y->w.r;
	const enum query_level level = query_level_of(r, &y->kept, hour);
	int rc;

	if ((rc = still_time(y, err)) < 0)
		return rc;
	if (hour > r->from_unix_ms &&
	    (rc = query_cells_pass(&y->w, (size_t)((hour - r->from_unix_ms) / r->step_ms), err)) <
		0)
		return rc;
	if (!y->one_place)
		sort_out(y, hour, level);
	if ((rc = note_read(y, hour, level, err)) < 0 ||
	    (rc = read_some(y, hour, level, y->one_place ? y->all : y->whole, y->n_whole, err)) < 0)
		return rc;
	return read_some(y, hour, QUERY_RAW, y->split, y->n_split, err);
}

/* What counters said last before the range: the first sample in it makes a pair with that. */
static int
read_lead(struct run *y, int64_t hour, struct bl_err *err)
{
	int rc;

	if (!y->w.counts)
		return BL_OK;
	y->w.lead = true;
	rc = read_some(y, hour - QUERY_HOUR_MS, QUERY_H1, y->all, y->w.n_series, err);
	y->w.lead = false;
	return rc;
}

static int
read_all(struct run *y, struct bl_err *err)
{
	const struct query_grid *r = y->w.r;
	const int64_t begin =
	    r->from_unix_ms > y->kept.begin_unix_ms ? r->from_unix_ms : y->kept.begin_unix_ms;
	const int64_t end =
	    r->to_unix_ms < y->kept.end_unix_ms ? r->to_unix_ms : y->kept.end_unix_ms;
	int64_t hour = query_floor(begin, QUERY_HOUR_MS), next = hour;
	int rc;

	if (begin >= end)
		return BL_OK;
	rc = read_lead(y, hour, err);
	for (; rc == BL_OK && hour < end; hour += QUERY_HOUR_MS) {
		if (hour >= next && y->src->next != NULL &&
		    (rc = y->src->next(y->src->ctx, hour, &next, err)) < 0)
			break;
		rc = hour >= next ? read_hour(y, hour, err)
				  : note_read(y, hour, query_level_of(r, &y->kept, hour), err);
	}
	return rc;
}

/* ---- the whole --------------------------------------------------------- */

static int
open_run(struct run *y, struct bl_err *err)
{
	const size_t n = y->w.n_series;
	uint32_t *index = malloc((3 * n + 1) * sizeof(*index));

	if (index == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	y->all = index;
	y->whole = index + n;
	y->split = index + 2 * n;
	y->one_place = true;
	for (size_t i = 0; i < n; i++) {
		y->all[i] = (uint32_t)i;
		y->one_place = y->one_place && y->w.series[i].n_stays == 1;
	}
	y->n_whole = n;
	return query_cells_open(&y->w, err);
}

int
query_run(struct query_result **out, const struct query_grid *r, const struct query_set *s,
    const struct query_source *src, const struct query_limits *limits, struct bl_err *err)
{
	struct run y = { .src = src, .limits = limits };
	struct query_result *res = calloc(1, sizeof(*res));
	int rc;

	*out = NULL;
	if (res == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	(void)query_set_groups(s, &res->n_groups);
	res->n_steps = query_steps(r);
	y.w = (struct query_work){ .r = r,
		.res = res,
		.counts = r->agg == QUERY_INCREASE || r->agg == QUERY_RATE,
		.quantile = query_agg_quantile(r->agg) };
	y.w.series = query_set_series(s, &y.w.n_series);
	if ((rc = src->kept(src->ctx, r->from_unix_ms, &y.kept, err)) == BL_OK &&
	    (rc = open_run(&y, err)) == BL_OK && (rc = read_all(&y, err)) == BL_OK)
		rc = query_cells_end(&y.w, err);
	query_cells_close(&y.w);
	free(y.all);
	if (rc < 0) {
		query_result_free(res);
		return rc;
	}
	*out = res;
	return BL_OK;
}

void
query_result_free(struct query_result *res)
{
	if (res == NULL)
		return;
	free(res->cell);
	free(res->read);
	free(res);
}
