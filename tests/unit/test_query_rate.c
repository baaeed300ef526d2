/* How much counters grow: by what is known, whatever the steps, gaps and clocks are. */
#include "query_world.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_is_growth_by_what_is_known),
		cmocka_unit_test(a_rate_does_not_leap_where_a_step_is_cut_off),
		cmocka_unit_test(minutes_that_come_twice_are_not_growth_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
