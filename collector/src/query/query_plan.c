/*
 * Which steps, and at which level each hour is read.
 *
 * A step that older data cannot fill is made longer here, before anything is
 * read: values of an hour in minutes would look more exact than they are.
 */
#include <stdlib.h>
#include <string.h>

#include "query_internal.h"

const char *const query_agg_names[] = { "avg", "min", "max", "sum", "total", "count", "increase",
	"rate", "p50", "p75", "p90", "p95", "p99", NULL };

const char *
query_agg_name(enum query_agg agg)
{
	return query_agg_names[agg];
}

double
query_agg_quantile(enum query_agg agg)
{
	static const double q[QUERY_AGGS] = { [QUERY_P50] = 0.5,
		[QUERY_P75] = 0.75,
		[QUERY_P90] = 0.9,
		[QUERY_P95] = 0.95,
		[QUERY_P99] = 0.99 };

	return q[agg];
}

bool
query_agg_takes(enum query_agg agg, enum bl_series_kind kind)
{
	switch (agg) {
	case QUERY_MIN:
	case QUERY_MAX:
	case QUERY_COUNT:
		return true;
	case QUERY_INCREASE:
	case QUERY_RATE:
		return kind == BL_COUNTER;
	default:
		return kind != BL_COUNTER;
	}
}

const char *
query_level_name(enum query_level level)
{
	static const char *const name[QUERY_LEVELS] = { "raw", "5m", "1h" };

	return name[level];
}

/* Rounded down; right for times before 1970, too. */
int64_t
query_floor(int64_t v, int64_t unit)
{
	const int64_t rest = v % unit;

	return v - (rest < 0 ? rest + unit : rest);
}

/* The windows in which what lies at t is kept; 1: as samples. */
static int64_t
window_at(int64_t t, enum query_agg agg, const struct query_kept *kept)
{
	if (t >= kept->from_unix_ms[QUERY_RAW])
		return 1;
	/* Sketches are of hours. */
	if (t < kept->from_unix_ms[QUERY_M5] || query_agg_quantile(agg) > 0)
		return QUERY_HOUR_MS;
	return QUERY_M5_MS;
}

size_t
query_steps(const struct query_grid *r)
{
	return (size_t)((r->to_unix_ms - r->from_unix_ms - 1) / r->step_ms) + 1;
}

int64_t
query_step_for(int64_t range_ms, int64_t points)
{
	static const int64_t nice_ms[] = { 1000, 2000, 5000, 10000, 15000, 30000, 60000, 120000,
		QUERY_M5_MS, 2 * QUERY_M5_MS, 3 * QUERY_M5_MS, 6 * QUERY_M5_MS, QUERY_HOUR_MS,
		2 * QUERY_HOUR_MS, 3 * QUERY_HOUR_MS, 6 * QUERY_HOUR_MS, 12 * QUERY_HOUR_MS };
	const int64_t day_ms = 24 * QUERY_HOUR_MS;
	/* A grid that is aligned has a step more, and must not be too many then. */
	const int64_t most = points < (int64_t)QUERY_STEPS_MAX ? points : QUERY_STEPS_MAX - 1;
	const int64_t least = (range_ms - 1) / (most > 1 ? most : 1) + 1;

	for (size_t i = 0; i < sizeof(nice_ms) / sizeof(nice_ms[0]); i++)
		if (nice_ms[i] >= least)
			return nice_ms[i];
	return query_floor(least + day_ms - 1, day_ms);
}

static void
begin_at(struct query_grid *r, int64_t asked_unix_ms, int64_t unit, bool align)
{
	r->step_ms = r->step_ms <= unit ? unit : query_floor(r->step_ms + unit - 1, unit);
	r->from_unix_ms = query_floor(asked_unix_ms, align ? r->step_ms : unit);
}

int
query_plan(struct query_grid *r, const struct query_kept *kept, bool align, struct bl_err *err)
{
	const int64_t asked_unix_ms = r->from_unix_ms;
	int64_t unit;

	/* Bounds keep every sum below within 64 bits. */
	if (r->from_unix_ms < -INT64_MAX / 8 || r->to_unix_ms > INT64_MAX / 8 ||
	    r->to_unix_ms <= r->from_unix_ms)
		return bl_fail(err, BL_EINVAL, "the range is empty: to must be later than from");
	if (r->step_ms < 1 || r->step_ms > INT64_MAX / 8)
		return bl_fail(err, BL_EINVAL, "a step must be 1 ms or longer");
	unit = window_at(r->from_unix_ms, r->agg, kept);
	begin_at(r, asked_unix_ms, unit, align);
	/* It may reach back to where finer data are gone. */
	while (unit < window_at(r->from_unix_ms, r->agg, kept)) {
		unit = window_at(r->from_unix_ms, r->agg, kept);
		begin_at(r, asked_unix_ms, unit, align);
	}
	/* A window at the end comes as a whole. */
	unit = window_at(r->to_unix_ms - 1, r->agg, kept);
	r->to_unix_ms = query_floor(r->to_unix_ms + unit - 1, unit);
	if ((r->to_unix_ms - r->from_unix_ms - 1) / r->step_ms >= (int64_t)QUERY_STEPS_MAX)
		return bl_fail(err, BL_EINVAL,
		    "that would be more than %u steps; ask for a longer step or a shorter range",
		    QUERY_STEPS_MAX);
	return BL_OK;
}

/* [from, to) lies in one step, whole. */
static bool
in_one_step(const struct query_grid *r, int64_t from, int64_t to)
{
	if (from < r->from_unix_ms || to > r->to_unix_ms)
		return false;
	return (from - r->from_unix_ms) / r->step_ms == (to - 1 - r->from_unix_ms) / r->step_ms;
}

static bool
fives_fit(const struct query_grid *r, int64_t hour)
{
	for (int i = 0; i < QUERY_M5_OF_HOUR; i++) {
		const int64_t from = hour + i * QUERY_M5_MS;

		if (from + QUERY_M5_MS <= r->from_unix_ms || from >= r->to_unix_ms)
			continue;
		if (!in_one_step(r, from, from + QUERY_M5_MS))
			return false;
	}
	return true;
}

enum query_level
query_level_of(const struct query_grid *r, const struct query_kept *kept, int64_t hour_unix_ms)
{
	const bool percentile = query_agg_quantile(r->agg) > 0;

	if (in_one_step(r, hour_unix_ms, hour_unix_ms + QUERY_HOUR_MS) ||
	    hour_unix_ms < kept->from_unix_ms[QUERY_M5])
		return QUERY_H1;
	if (hour_unix_ms < kept->from_unix_ms[QUERY_RAW])
		return percentile ? QUERY_H1 : QUERY_M5;
	return percentile || !fives_fit(r, hour_unix_ms) ? QUERY_RAW : QUERY_M5;
}
