/*
 * What an evaluation costs: a condition over six names whose slots the caller
 * has resolved, on values that let it run to its end, and some others.
 *
 * Prints `name value unit` lines.  Not part of the test run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "branchline/expr.h"

#define ROUNDS 3000000u
#define RUNS   5u

static const struct bl_expr_field fields[] = {
	{ "status", BL_VALUE_TEXT, NULL },
	{ "amount", BL_VALUE_NUMBER, NULL },
	{ "items", BL_VALUE_NUMBER, NULL },
	{ "weight", BL_VALUE_NUMBER, NULL },
	{ "age", BL_VALUE_DURATION, NULL },
	{ "paid", BL_VALUE_BOOL, NULL },
};

static const struct {
	const char *figure, *text;
} cases[] = {
	{ "expr_million_evals_per_s",
	    "status != \"completed\" and amount > 1000 and items <= 20 and weight < 31.5 and "
	    "age >= 30min and paid = true" },
	{ "expr_leaves_early_million_evals_per_s",
	    "status = \"completed\" and amount > 1000 and items <= 20 and weight < 31.5 and "
	    "age >= 30min and paid = true" },
	{ "expr_arithmetic_million_evals_per_s", "if(status = \"vip\", 30min, 2h) < age and amount "
						 "/ items * 1.19 + weight > 50 and paid" },
};

/* In the order of the names of the program. */
static void
lookup(void *ctx, size_t i, struct bl_value *out)
{
	*out = ((const struct bl_value *)ctx)[i];
}

static void
resolve(const struct bl_expr *e, struct bl_value *slots)
{
	static const struct bl_value values[] = {
		{ .type = BL_VALUE_TEXT, .text = "in progress", .text_len = 11 },
		{ .type = BL_VALUE_NUMBER, .number = 1250.5 },
		{ .type = BL_VALUE_NUMBER, .number = 7 },
		{ .type = BL_VALUE_NUMBER, .number = 12.25 },
		{ .type = BL_VALUE_DURATION, .ms = 8000000 },
		{ .type = BL_VALUE_BOOL, .boolean = true },
	};

	for (size_t i = 0; i < bl_expr_names(e); i++)
		for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++)
			if (strcmp(fields[f].name, bl_expr_name(e, i)) == 0)
				slots[i] = values[f];
}

static double
cpu_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
best_rate(const struct bl_expr *e, const struct bl_expr_env *env)
{
	double best = 0;

	for (unsigned run = 0; run < RUNS; run++) {
		const double begin = cpu_s();
		size_t met = 0;
		double rate;

		for (unsigned i = 0; i < ROUNDS; i++)
			met += bl_expr_truth(e, env) == BL_TRUE;
		rate = ROUNDS / (cpu_s() - begin) / 1e6;
		if (rate > best && met <= ROUNDS)
			best = rate;
	}
	return best;
}

int
main(void)
{
	const struct bl_expr_scope scope = { fields, sizeof(fields) / sizeof(fields[0]), false };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_value slots[BL_EXPR_NAMES_MAX];
		const struct bl_expr_env env = { .lookup = lookup, .ctx = slots };
		struct bl_expr *e;
		struct bl_err err;

		if (bl_expr_compile(&e, cases[i].text, strlen(cases[i].text), &scope, BL_VALUE_BOOL,
			NULL, &err) != BL_OK) {
			(void)fprintf(stderr, "bench_expr: %s\n", err.msg);
			return 1;
		}
		resolve(e, slots);
		printf("%s %.2f M/s\n", cases[i].figure, best_rate(e, &env));
		bl_expr_free(e);
	}
	return 0;
}
