/* How much counters grow: by what is known, whatever the steps, gaps and clocks are. */
#include "query_world.h"

#define FIRST 598000 /* alone in its minute and in its five minutes */

/* Whole hours of one boot, in which each sample but the first has a neighbour. */
static void
a_rate_is_growth_by_what_is_known(void **state)
{
	struct world *w = malloc(sizeof(*w));
	struct query_result *res;

	(void)state;
	make_world(w, BL_COUNTER, 3);
	for (int i = 0; i < SERIES; i++) {
		w->n[i] = 0;
		for (int64_t t = BASE; t < END; t += TICK)
			if (t < GAP_FROM || t >= GAP_TO)
				w->s[i][w->n[i]++] = (struct sample){ t, 1,
					(double)(t - BASE) / 1000 * (i + 1), BL_KNOWN };
	}
	for (int raw = 0; raw < 2; raw++) {
		const struct query_grid g = { BASE, END, QUERY_HOUR_MS, QUERY_RATE };

		w->raw_only = raw == 1;
		res = run(w, &g, QUERY_BY_ALL);
		for (size_t i = 1; i < res->n_steps; i++) /* 1+2+3+4+5 a second, gap or not */
			assert_true(fabs(res->cell[i].value - 15) < 15 * 0.01);
		query_result_free(res);
	}
	free(w);
}

/* Few samples fit into a step that the end cuts off; the growth of each began before it. */
static void
a_rate_does_not_leap_where_a_step_is_cut_off(void **state)
{
	static const struct {
		int64_t end, step;
	} ends[] = {
		{ BASE + 2 * QUERY_HOUR_MS + 1, QUERY_M5_MS },
		{ BASE + 2 * QUERY_HOUR_MS + 1000, QUERY_M5_MS },
		{ BASE + 2 * QUERY_HOUR_MS + 22000, QUERY_HOUR_MS },
		{ BASE + 2 * QUERY_HOUR_MS + 15000, 15000 },
	};
	struct world *w = malloc(sizeof(*w));
	struct query_result *res;

	(void)state;
	make_world(w, BL_COUNTER, 3);
	for (int i = 0; i < SERIES; i++) {
		w->n[i] = 0;
		for (int64_t t = BASE; t < GAP_FROM; t += TICK)
			w->s[i][w->n[i]++] =
			    (struct sample){ t, 1, (double)(t - BASE) / 1000 * (i + 1), BL_KNOWN };
	}
	for (size_t e = 0; e < sizeof(ends) / sizeof(ends[0]); e++) {
		const struct query_grid g = { BASE + QUERY_HOUR_MS, ends[e].end, ends[e].step,
			QUERY_RATE };

		res = run(w, &g, QUERY_BY_ALL);
		for (size_t i = 0; i < res->n_steps; i++)
			if (fabs(res->cell[i].value - 15) > 15 * 0.01)
				fail_msg("end %zu, step %zu: %g a second instead of 15", e, i,
				    res->cell[i].value);
		query_result_free(res);
	}
	free(w);
}

/* A clock that is set back by ten minutes: the boot has them twice, between one another. */
static void
minutes_that_come_twice_are_not_growth_again(void **state)
{
	static int64_t t[120], offset[120];
	static double v[120];
	static struct query_samples b = {
		.n = 120, .unix_ms = t, .value = v, .boot_all = 1, .offset_ms = offset
	};
	const struct query_source src = { &b, kept_all, NULL, give_block };
	const struct query_grid g = { BASE, END, END - BASE, QUERY_INCREASE };
	struct world *w = malloc(sizeof(*w));
	struct query_result *res;
	struct bl_err err = { 0 };
	struct query_set *s;

	(void)state;
	assert_non_null(w);
	make_world(w, BL_COUNTER, 1);
	for (int i = 0; i < 120; i++) {
		t[i] = BASE + i / 2 * 10000 + i % 2 * 5000;
		offset[i] = 1000 - i % 2 * 600000;
		v[i] = 1e9 + 10.0 * (i % 2 * 60 + i / 2);
	}
	s = set_of(w, &g, QUERY_BY_ALL);
	assert_int_equal(query_run(&res, &g, s, &src, NULL, &err), BL_OK);
	assert_true(!(res->cell[0].value > 119 * 10));
	assert_int_equal(res->cell[0].n, 120);
	query_result_free(res);
	query_set_free(s);
	free(w);
}

/* Of one series in [from, to): the growth of its pairs by their time. */
static double
plain_rate(const struct world *w, int64_t from, int64_t to)
{
	const struct sample *before = NULL;
	double grown = 0, known_ms = 0;

	for (size_t k = 0; k < w->n[0]; k++) {
		const struct sample *s = &w->s[0][k];

		if (s->unknown)
			continue;
		if (before != NULL && s->t >= from && s->t < to && pair(before, s)) {
			grown += s->v - before->v;
			known_ms += (double)(s->t - before->t);
		}
		before = s;
	}
	return grown * 1000 / known_ms;
}

/* Ticks that come late, some that say nothing, and a first one before the beat begins. */
static void
a_rate_is_the_same_at_every_level(void **state)
{
	static const int64_t steps[] = { 60000, QUERY_M5_MS, QUERY_HOUR_MS, 2 * QUERY_HOUR_MS };
	/* Roll-ups: the jitter at both ends of five minutes. */
	static const double least[] = { 1e-9, 0.1 / 300, 0.1 / 3600, 0.1 / 7200 };
	struct world *w = malloc(sizeof(*w));
	uint64_t seed = 9;
	double v = 0;

	(void)state;
	assert_non_null(w);
	make_world(w, BL_COUNTER, 3);
	memset(w->n, 0, sizeof(w->n));
	for (int64_t t = BASE + FIRST, n = 0; t < END - TICK;
	     t += TICK - (n == 0 ? 4000 : 0), n++) {
		struct sample *s = &w->s[0][w->n[0]++];

		v += 1000 + floor(pure_unit(&seed) * 10);
		*s = (struct sample){ t + (int64_t)(pure_next(&seed) % 50), 1, v, BL_KNOWN };
		if (n % 100 == 57 || n % 400 == 58) /* at no end of a window */
			*s = (struct sample){ s->t, 1, NAN, 1 };
	}
	for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
		const struct query_grid g = { BASE, END, steps[k], QUERY_RATE };

		for (int raw = 0; raw < 2; raw++) {
			const double most = raw == 1 ? 1e-9 : least[k];
			struct query_result *res;

			w->raw_only = raw == 1;
			res = run(w, &g, QUERY_BY_ALL);
			for (size_t i = 0; i < res->n_steps; i++) {
				const int64_t from = BASE + (int64_t)i * steps[k];
				double want;

				if (from + steps[k] <= BASE + FIRST)
					continue;
				want = plain_rate(w, from, from + steps[k]);
				if (isnan(want) && isnan(res->cell[i].value))
					continue;

				if (!(fabs(res->cell[i].value - want) <= want * most))
					fail_msg("step of %lld s, %s, %zu: %.9g for %.9g",
					    (long long)(steps[k] / 1000), raw ? "raw" : "rolled", i,
					    res->cell[i].value, want);
			}
			query_result_free(res);
		}
	}
	free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_is_growth_by_what_is_known),
		cmocka_unit_test(a_rate_does_not_leap_where_a_step_is_cut_off),
		cmocka_unit_test(a_rate_is_the_same_at_every_level),
		cmocka_unit_test(minutes_that_come_twice_are_not_growth_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
