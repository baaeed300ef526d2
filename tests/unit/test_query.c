/*
 * Queries over a source that is made up: whatever the level at which an hour is
 * read, the answer is that of a plain look at all samples.
 */
#include "query_world.h"

/* ---- the plain answer ------------------------------------------------------ */

/* Series 0 moves from group 0 to group 1; odd ones are in 1, even ones in 0. */
static uint32_t
group_of(int i, int64_t t)
{
	if (i == 0)
		return t < MOVES_AT ? 0 : 1;
	return (uint32_t)i % 2;
}

static int
compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct plain {
	double value;
	uint64_t n, unknown;
	uint32_t series;
};

/* Of one series in [from, to) while it is in the group. */
struct own {
	uint64_t n, unknown;
	double sum, grown, known_ms, min, max;
};

static struct own
own_of(const struct world *w, int i, uint32_t group, int64_t from, int64_t to, double *all,
    size_t *n_all)
{
	const struct bl_thin one = { .count = 1 };
	struct own o = { .min = NAN, .max = NAN };
	const struct sample *before = NULL;

	for (size_t k = 0; k < w->n[i]; k++) {
		const struct sample *s = &w->s[i][k];
		const bool in = s->t >= from && s->t < to && group_of(i, s->t) == group;

		if (s->unknown) {
			o.unknown += in;
			continue;
		}
		if (in) {
			all[(*n_all)++] = s->v;
			o.n++;
			o.sum += s->v;
			o.min = fmin(o.min, s->v);
			o.max = fmax(o.max, s->v);
			if (before != NULL && pair(before, s)) {
				o.grown += bl_increase(before->v, s->v, &one);
				o.known_ms += (double)(s->t - before->t);
			}
		}
		before = s;
	}
	return o;
}

static struct plain
plain_of(const struct world *w, enum query_agg agg, uint32_t group, int64_t from, int64_t to)
{
	static double all[SERIES * HOURS * (QUERY_HOUR_MS / TICK)];
	struct plain p = { .value = NAN };
	double sum = 0, total = 0, grown = 0, rate = NAN, min = NAN, max = NAN;
	size_t n_all = 0;

	for (int i = 0; i < SERIES; i++) {
		const struct own o = own_of(w, i, group, from, to, all, &n_all);

		p.n += o.n;
		p.unknown += o.unknown;
		p.series += o.n > 0;
		sum += o.sum;
		grown += o.grown;
		min = fmin(min, o.min);
		max = fmax(max, o.max);
		if (o.n == 0)
			continue;
		total += o.sum / (double)o.n;
		if (o.known_ms > 0)
			rate = (isnan(rate) ? 0 : rate) + o.grown * 1000 / o.known_ms;
	}
	if (p.n == 0)
		return p;
	qsort(all, n_all, sizeof(*all), compare);
	switch (agg) {
	case QUERY_AVG:
		p.value = sum / (double)p.n;
		break;
	case QUERY_MIN:
		p.value = min;
		break;
	case QUERY_MAX:
		p.value = max;
		break;
	case QUERY_SUM:
		p.value = sum;
		break;
	case QUERY_TOTAL:
		p.value = total;
		break;
	case QUERY_COUNT:
		p.value = (double)p.n;
		break;
	case QUERY_INCREASE:
		p.value = grown;
		break;
	case QUERY_RATE:
		p.value = rate;
		break;
	default:
		p.value = all[(size_t)(query_agg_quantile(agg) * (double)(n_all - 1))];
		break;
	}
	return p;
}

/*
 * How far off an answer may be.  Roll-ups do not keep over what a pair reaches, nor where a boot
 * began: a rate by them is off by those samples of five minutes (test_query_rate has the others).
 */
static double
least_of(enum query_agg agg, bool rolled)
{
	if (query_agg_quantile(agg) > 0)
		return 0.01;
	return agg == QUERY_RATE && rolled ? 0.2 : 1e-9;
}

static void
compare_cell(const struct query_cell *c, const struct plain *p, enum query_agg agg, bool rolled,
    const char *what, size_t step)
{
	const double most = least_of(agg, rolled) * fabs(p->value) + 1e-9;

	if (c->n != p->n || c->unknown != p->unknown || c->series != p->series)
		fail_msg("%s %s step %zu: n %llu for %llu, unknown %llu for %llu, series %u for %u",
		    what, query_agg_name(agg), step, (unsigned long long)c->n,
		    (unsigned long long)p->n, (unsigned long long)c->unknown,
		    (unsigned long long)p->unknown, c->series, p->series);
	if (isnan(p->value) != isnan(c->value) ||
	    (!isnan(p->value) && fabs(c->value - p->value) > most))
		fail_msg("%s %s step %zu: %.17g for %.17g", what, query_agg_name(agg), step,
		    c->value, p->value);
}

static void
check_answer(struct world *w, const struct query_grid *g, const char *what)
{
	struct query_result *res = run(w, g, QUERY_BY_SITE);

	assert_int_equal(res->n_groups, 2);
	for (uint32_t group = 0; group < 2; group++)
		for (size_t i = 0; i < res->n_steps; i++) {
			const int64_t from = g->from_unix_ms + (int64_t)i * g->step_ms;
			const int64_t to =
			    from + g->step_ms < g->to_unix_ms ? from + g->step_ms : g->to_unix_ms;
			const struct plain p = plain_of(w, g->agg, group, from, to);

			compare_cell(&res->cell[group * res->n_steps + i], &p, g->agg, !w->raw_only,
			    what, i);
		}
	query_result_free(res);
}

/* ---- tests ----------------------------------------------------------------- */

static void
every_level_gives_the_answer_of_a_plain_look(void **state)
{
	static const struct {
		const char *what;
		int64_t from, to, step;
	} grids[] = {
		{ "hours", BASE, END, QUERY_HOUR_MS },
		{ "all in one", BASE, END, HOURS * QUERY_HOUR_MS },
		{ "two hours", BASE, END, 2 * QUERY_HOUR_MS },
		{ "five minutes", BASE, END, QUERY_M5_MS },
		{ "a minute", BASE, END, 60000 },
		{ "seven minutes", BASE, END, 7 * 60000 },
		{ "ninety minutes", BASE, END, 90 * 60000 },
		{ "begins between", BASE + 35 * 60000, END - 25 * 60000, 30 * 60000 },
		{ "begins anywhere", BASE + 1234567, END - 7654321, 1000003 },
		{ "ends within an hour", BASE, END - 20 * 60000, HOURS * QUERY_HOUR_MS },
		{ "ends within five minutes", BASE, END - 20 * 60000 - 1, QUERY_HOUR_MS },
		{ "reaches over both ends", BASE - QUERY_HOUR_MS, END + QUERY_HOUR_MS,
		    QUERY_M5_MS },
	};
	struct world *w = malloc(sizeof(*w));

	(void)state;
	for (int kind = BL_GAUGE; kind <= BL_COUNTER; kind++) {
		make_world(w, (enum bl_series_kind)kind, 7);
		for (size_t i = 0; i < sizeof(grids) / sizeof(grids[0]); i++)
			for (int agg = 0; agg < QUERY_AGGS; agg++) {
				const struct query_grid g = { grids[i].from, grids[i].to,
					grids[i].step, (enum query_agg)agg };

				if (!query_agg_takes((enum query_agg)agg, w->kind))
					continue;
				w->raw_only = false;
				check_answer(w, &g, grids[i].what);
				w->raw_only = true;
				check_answer(w, &g, grids[i].what);
			}
	}
	free(w);
}

/* From a second to a day, and those that suit no window. */
static int64_t
random_step(uint64_t *seed)
{
	static const int64_t nice[] = { 1000, 10000, 60000, QUERY_M5_MS, 3 * QUERY_M5_MS,
		QUERY_HOUR_MS, 2 * QUERY_HOUR_MS, 24 * QUERY_HOUR_MS };
	const uint64_t k = pure_next(seed) % 12;

	return k < 8 ? nice[k] : 1 + (int64_t)(pure_next(seed) % (3 * QUERY_HOUR_MS));
}

/* Any series, any range, any step: what was asked is printed where the answer is another. */
static void
random_questions_are_answered_as_by_a_plain_look(void **state)
{
	struct world *w = malloc(sizeof(*w));
	uint64_t seed = 20261129;

	(void)state;
	assert_non_null(w);
	for (int n = 0; n < 150; n++) {
		const enum query_agg agg = (enum query_agg)(pure_next(&seed) % QUERY_AGGS);
		const bool counter = query_agg_takes(agg, BL_COUNTER) &&
				     (!query_agg_takes(agg, BL_GAUGE) || pure_next(&seed) % 2);
		struct query_grid g = { BASE + (int64_t)(pure_next(&seed) % (7 * QUERY_HOUR_MS)) -
					    QUERY_HOUR_MS,
			0, random_step(&seed), agg };
		struct bl_err err = { 0 };
		char what[64];

		g.to_unix_ms =
		    g.from_unix_ms + 1 + (int64_t)(pure_next(&seed) % (uint64_t)(g.step_ms * 40));
		make_world(w, counter ? BL_COUNTER : BL_GAUGE, 100 + (uint64_t)n);
		w->raw_only = pure_next(&seed) % 3 == 0;
		(void)snprintf(what, sizeof(what), "%d: %lld +%lld by %lld%s", n,
		    (long long)(g.from_unix_ms - BASE), (long long)(g.to_unix_ms - g.from_unix_ms),
		    (long long)g.step_ms, w->raw_only ? " raw" : "");
		/* As the API does: a step of what is kept, from a multiple of itself, or not. */
		if (query_plan(&g, &w->kept, pure_next(&seed) % 2 == 0, &err) != BL_OK)
			fail_msg("%s: %s", what, err.msg);
		check_answer(w, &g, what);
	}
	free(w);
}

/* The sample before the range makes a pair with its first. */
static void
the_pair_into_the_range_is_counted(void **state)
{
	static const int64_t begins[] = { BASE + QUERY_HOUR_MS, BASE + QUERY_HOUR_MS + QUERY_M5_MS,
		BASE + QUERY_HOUR_MS + 123456 };
	struct world *w = malloc(sizeof(*w));

	(void)state;
	make_world(w, BL_COUNTER, 11);
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		for (int raw = 0; raw < 2; raw++) {
			const struct query_grid g = { begins[i], begins[i] + 2 * QUERY_HOUR_MS,
				2 * QUERY_HOUR_MS, QUERY_INCREASE };

			w->raw_only = raw == 1;
			check_answer(w, &g, "lead");
		}
	free(w);
}

static void
levels_are_as_coarse_as_the_steps_let_them(void **state)
{
	static const struct {
		int64_t from, step;
		enum query_agg agg;
		enum query_level level; /* of the third hour */
	} cases[] = {
		{ BASE, QUERY_HOUR_MS, QUERY_AVG, QUERY_H1 },
		{ BASE, 3 * QUERY_HOUR_MS, QUERY_AVG, QUERY_H1 },
		{ BASE, QUERY_M5_MS, QUERY_AVG, QUERY_M5 },
		{ BASE, 90 * 60000, QUERY_AVG, QUERY_H1 },
		{ BASE + QUERY_M5_MS, QUERY_HOUR_MS, QUERY_AVG, QUERY_M5 },
		{ BASE + 1, QUERY_HOUR_MS, QUERY_AVG, QUERY_RAW },
		{ BASE, 7 * 60000, QUERY_AVG, QUERY_RAW },
		{ BASE, 60000, QUERY_AVG, QUERY_RAW },
		{ BASE, QUERY_HOUR_MS, QUERY_P95, QUERY_H1 },
		{ BASE, QUERY_M5_MS, QUERY_P95, QUERY_RAW },
	};
	const struct query_kept all = { { INT64_MIN, INT64_MIN, INT64_MIN }, BASE, END };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct query_grid g = { cases[i].from, END, cases[i].step, cases[i].agg };

		if (query_level_of(&g, &all, BASE + 2 * QUERY_HOUR_MS) != cases[i].level)
			fail_msg("case %zu", i);
	}
}

static void
what_was_read_is_told_in_joined_spans(void **state)
{
	struct world *w = malloc(sizeof(*w));
	const struct query_grid g = { BASE + 30 * 60000, END, QUERY_HOUR_MS * 3 / 2, QUERY_AVG };
	struct query_result *res;

	(void)state;
	make_world(w, BL_GAUGE, 1);
	res = run(w, &g, QUERY_BY_ALL);
	/* steps end at 2:00, 3:30, 5:00, 6:00: hour 3 is cut in the middle, hour 0 is not whole */
	assert_int_equal(res->n_reads, 4);
	assert_true(
	    res->read[0].level == QUERY_M5 && res->read[0].to_unix_ms == BASE + QUERY_HOUR_MS);
	assert_true(
	    res->read[1].level == QUERY_H1 && res->read[1].to_unix_ms == BASE + 3 * QUERY_HOUR_MS);
	assert_true(res->read[2].level == QUERY_M5 && res->read[3].level == QUERY_H1);
	assert_true(res->read[3].to_unix_ms == END);
	query_result_free(res);
	free(w);
}

/* Nothing but the first and the last two hours. */
static int
next_of(void *ctx, int64_t hour, int64_t *out, struct bl_err *err)
{
	(void)ctx;
	(void)err;
	*out = hour == BASE                     ? BASE
	       : hour < END - 2 * QUERY_HOUR_MS ? END - 2 * QUERY_HOUR_MS
						: hour;
	return BL_OK;
}

static void
hours_without_anything_are_passed_over(void **state)
{
	struct world *w = malloc(sizeof(*w));
	const struct query_source src = { w, kept_of, next_of, read_world };
	const struct query_grid g = { BASE, END, QUERY_HOUR_MS, QUERY_P50 };
	struct bl_err err = { 0 };
	struct query_result *res;
	struct query_set *s;

	(void)state;
	make_world(w, BL_GAUGE, 1);
	s = set_of(w, &g, QUERY_BY_ALL);
	assert_int_equal(query_run(&res, &g, s, &src, NULL, &err), BL_OK);
	assert_int_equal(w->reads[QUERY_H1], 3);
	assert_int_equal(res->n_reads, 1);
	assert_true(res->read[0].from_unix_ms == BASE && res->read[0].to_unix_ms == END);
	for (size_t i = 0; i < HOURS; i++)
		assert_int_equal(res->cell[i].n > 0, i == 0 || i >= HOURS - 2);
	query_result_free(res);
	query_set_free(s);
	free(w);
}

static void
a_step_is_never_finer_than_what_is_kept(void **state)
{
	const struct query_kept kept = {
		{ BASE + 4 * QUERY_HOUR_MS, BASE + 2 * QUERY_HOUR_MS, INT64_MIN }, BASE, END
	};
	static const struct {
		int64_t from, step;
		enum query_agg agg;
		int64_t from_then, step_then;
	} cases[] = {
		{ BASE + 4 * QUERY_HOUR_MS + 1, 1000, QUERY_AVG, BASE + 4 * QUERY_HOUR_MS + 1,
		    1000 },
		{ BASE + 3 * QUERY_HOUR_MS + 1, 1000, QUERY_AVG, BASE + 3 * QUERY_HOUR_MS,
		    QUERY_M5_MS },
		{ BASE + 3 * QUERY_HOUR_MS + 1, QUERY_M5_MS + 1, QUERY_AVG,
		    BASE + 3 * QUERY_HOUR_MS, 2 * QUERY_M5_MS },
		{ BASE + 3 * QUERY_HOUR_MS + QUERY_M5_MS, 1000, QUERY_P50, BASE + 3 * QUERY_HOUR_MS,
		    QUERY_HOUR_MS },
		{ BASE + QUERY_M5_MS, 1000, QUERY_AVG, BASE, QUERY_HOUR_MS },
	};
	const int64_t raw = kept.from_unix_ms[QUERY_RAW], five = kept.from_unix_ms[QUERY_M5];
	const struct {
		int64_t from, to, step;
		int64_t from_then, to_then, step_then;
	} ends[] = {
		{ raw + 1, END, 7 * 60000, raw, END, 2 * QUERY_M5_MS },
		{ raw + 60000, raw + 3600001, 60000, raw + 60000, raw + 3600001, 60000 },
		{ five, five + 60000, 60000, five, five + QUERY_M5_MS, QUERY_M5_MS },
		{ BASE, BASE + 1, 60000, BASE, BASE + QUERY_HOUR_MS, QUERY_HOUR_MS },
		{ BASE, raw + 1, 60000, BASE, raw + 1, QUERY_HOUR_MS },
	};
	struct bl_err err = { 0 };
	struct query_grid g;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		g = (struct query_grid){ cases[i].from, cases[i].from + QUERY_HOUR_MS,
			cases[i].step, cases[i].agg };
		assert_int_equal(query_plan(&g, &kept, false, &err), BL_OK);
		if (g.from_unix_ms != cases[i].from_then || g.step_ms != cases[i].step_then)
			fail_msg("case %zu: from +%lld step %lld", i,
			    (long long)(g.from_unix_ms - BASE), (long long)g.step_ms);
	}
	/* Nor where a step reaches back to before what is kept, or ends within a window of it. */
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		g = (struct query_grid){ ends[i].from, ends[i].to, ends[i].step, QUERY_AVG };
		assert_int_equal(query_plan(&g, &kept, true, &err), BL_OK);
		if (g.from_unix_ms != ends[i].from_then || g.step_ms != ends[i].step_then ||
		    g.to_unix_ms != ends[i].to_then)
			fail_msg("end %zu: from %+lld to %+lld step %lld", i,
			    (long long)(g.from_unix_ms - kept.from_unix_ms[QUERY_RAW]),
			    (long long)(g.to_unix_ms - kept.from_unix_ms[QUERY_RAW]),
			    (long long)g.step_ms);
	}
	/* Then no hour is read at a level that is gone. */
	g = (struct query_grid){ BASE, END, 1000, QUERY_AVG };
	assert_int_equal(query_plan(&g, &kept, true, &err), BL_OK);
	for (int64_t hour = BASE; hour < END; hour += QUERY_HOUR_MS)
		assert_true(hour >= kept.from_unix_ms[query_level_of(&g, &kept, hour)]);
}

static void
impossible_grids_are_refused_in_words(void **state)
{
	static const struct {
		int64_t from, to, step;
		const char *words;
	} cases[] = {
		{ 5, 5, 1, "empty" },
		{ 5, 4, 1, "empty" },
		{ 0, 10, 0, "1 ms" },
		{ 0, 5001, 1, "more than 5000 steps" },
		{ INT64_MIN, INT64_MAX, 1, "empty" },
	};
	const struct query_kept all = { { INT64_MIN, INT64_MIN, INT64_MIN }, BASE, END };
	struct bl_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct query_grid g = { cases[i].from, cases[i].to, cases[i].step, QUERY_AVG };

		assert_int_equal(query_plan(&g, &all, false, &err), BL_EINVAL);
		assert_non_null(strstr(err.msg, cases[i].words));
	}
	assert_int_equal(query_step_for(24 * QUERY_HOUR_MS, 600), QUERY_M5_MS);
	assert_int_equal(query_step_for(QUERY_HOUR_MS, 600), 10000);
	assert_int_equal(query_step_for(1, 1), 1000);
	assert_int_equal(query_step_for(365 * 24 * QUERY_HOUR_MS, 10), 37 * 24 * QUERY_HOUR_MS);
}

/* An aligned grid has a step more: also of the most that may be asked for. */
static void
as_many_points_as_are_allowed_can_be_had(void **state)
{
	const struct query_kept all = { { INT64_MIN, INT64_MIN, INT64_MIN }, BASE, END };
	const int64_t ranges[] = { (int64_t)QUERY_STEPS_MAX * 1000,
		(int64_t)QUERY_STEPS_MAX * 60000, QUERY_STEPS_MAX * 24 * QUERY_HOUR_MS };
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct query_grid g = { BASE + 1, BASE + 1 + ranges[i],
			query_step_for(ranges[i], QUERY_STEPS_MAX), QUERY_AVG };

		if (query_plan(&g, &all, true, &err) != BL_OK)
			fail_msg("range %zu: %s", i, err.msg);
	}
}

static void
limits_hold(void **state)
{
	struct world *w = malloc(sizeof(*w));
	const struct query_grid wide = { BASE, BASE + 5000 * 1000, 1000, QUERY_P95 };
	const struct query_grid day = { BASE, END, QUERY_HOUR_MS, QUERY_AVG };
	const struct query_limits late = { bl_clock_real(), 0 };
	const struct query_source src = { w, kept_of, NULL, read_world };
	struct bl_err err = { 0 };
	struct query_result *res = (void *)1;
	struct query_set *s;

	(void)state;
	make_world(w, BL_GAUGE, 5);
	s = set_of(w, &wide, QUERY_BY_DEVICE); /* 5 groups of 3,601 steps of an hour */
	assert_int_equal(query_run(&res, &wide, s, &src, NULL, &err), BL_EFULL);
	assert_null(res);
	assert_non_null(strstr(err.msg, "percentiles of 5 groups need steps of"));
	query_set_free(s);
	s = set_of(w, &day, QUERY_BY_ALL);
	assert_int_equal(query_run(&res, &day, s, &src, &late, &err), BL_ETIMEDOUT);
	assert_null(res);
	query_set_free(s);
	free(w);
}

static int
fail_to_read(void *ctx, const struct query_want *q, const struct query_take *t, struct bl_err *err)
{
	unsigned *left = ctx;

	(void)q;
	(void)t;
	return (*left)-- > 0 ? BL_OK : bl_fail(err, BL_EIO, "the disk is gone");
}

static void
a_failing_source_is_passed_on(void **state)
{
	const struct query_grid g = { BASE, END, QUERY_HOUR_MS, QUERY_P99 };
	struct world *w = malloc(sizeof(*w));
	struct query_set *s;

	(void)state;
	make_world(w, BL_GAUGE, 5);
	s = set_of(w, &g, QUERY_BY_ALL);
	for (unsigned n = 0; n < HOURS; n++) {
		unsigned left = n;
		const struct query_source src = { &left, kept_all, NULL, fail_to_read };
		struct bl_err err = { 0 };
		struct query_result *res;

		assert_int_equal(query_run(&res, &g, s, &src, NULL, &err), BL_EIO);
		assert_null(res);
		assert_string_equal(err.msg, "the disk is gone");
	}
	query_set_free(s);
	free(w);
}

/*
 * A thinned sample counts as often as it stands for, with its own least and greatest.  A
 * counter's brings its neighbour along; the one between has none near enough.
 */
static void
thinned_samples_weigh_what_they_stand_for(void **state)
{
	static const int64_t t[] = { BASE + 300000, BASE + 400000, BASE + 700000 };
	static const double v[] = { 10, 20, 130 };
	static const struct query_thin thin[] = { { { 2, 30, 30 }, 0, 0 }, { { 20, 20, 1 }, 0, 0 },
		{ { 100, 130, 30 }, 290000, 100 } };
	static struct query_samples b = {
		.n = 3, .unix_ms = t, .value = v, .boot_all = 1, .thin = thin
	};
	static const struct {
		enum query_agg agg;
		double value;
	} cases[] = { { QUERY_COUNT, 61 }, { QUERY_SUM, 10 * 30 + 20 + 130 * 30 }, { QUERY_MIN, 2 },
		{ QUERY_MAX, 130 }, { QUERY_INCREASE, 30 } };
	const struct query_source src = { &b, kept_all, NULL, give_block };
	struct world *w = malloc(sizeof(*w));

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct query_grid g = { BASE, END, END - BASE, cases[i].agg };
		struct bl_err err = { 0 };
		struct query_result *res;
		struct query_set *s;

		w->kind = cases[i].agg == QUERY_INCREASE ? BL_COUNTER : BL_GAUGE;
		s = set_of(w, &g, QUERY_BY_ALL);
		assert_int_equal(query_run(&res, &g, s, &src, NULL, &err), BL_OK);
		assert_true(fabs(res->cell[0].value - cases[i].value) < 1e-9);
		assert_int_equal(res->cell[0].n, 61);
		query_result_free(res);
		query_set_free(s);
	}
	free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_level_gives_the_answer_of_a_plain_look),
		cmocka_unit_test(random_questions_are_answered_as_by_a_plain_look),
		cmocka_unit_test(the_pair_into_the_range_is_counted),
		cmocka_unit_test(levels_are_as_coarse_as_the_steps_let_them),
		cmocka_unit_test(what_was_read_is_told_in_joined_spans),
		cmocka_unit_test(hours_without_anything_are_passed_over),
		cmocka_unit_test(a_step_is_never_finer_than_what_is_kept),
		cmocka_unit_test(impossible_grids_are_refused_in_words),
		cmocka_unit_test(as_many_points_as_are_allowed_can_be_had),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(a_failing_source_is_passed_on),
		cmocka_unit_test(thinned_samples_weigh_what_they_stand_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
