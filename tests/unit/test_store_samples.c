/*
 * One way to samples: whoever asks gets the same ones, whatever holds them.
 */
#include "store_log_kit.h"

#define SPAN_FROM (-(int64_t)10 * MINUTE)
#define SPAN_TO   ((int64_t)60 * MINUTE)

struct count {
	uint64_t n[2];
	double sum[2];
};

static bool
count_sample(void *ctx, const struct store_log_sample *s)
{
	struct count *k = ctx;

	k->n[s->series]++;
	k->sum[s->series] += s->value;
	return true;
}

static void
tell_history(struct ctx *c)
{
	struct op o[80];
	const size_t n = history(o);

	for (size_t i = 0; i < n; i++)
		apply(c, &o[i]);
	place_all(c);
}

static struct store_query_result *
ask(struct ctx *c, const int64_t ids[2], int64_t from_ms, int64_t to_ms, int64_t step_ms)
{
	const struct store_query q = { .series = ids,
		.n_series = 2,
		.from_unix_ms = OFFSET + from_ms,
		.to_unix_ms = OFFSET + to_ms,
		.step_ms = step_ms };
	struct store_query_result *res;
	struct bl_err err = { 0 };

	must(store_read_query(c->r, &q, &res, &err), &err);
	return res;
}

static void
a_query_counts_once_what_two_spools_hold(void **state)
{
	struct ctx *c = *state;
	struct count k = { 0 };
	struct store_query_result *res;
	struct bl_err err = { 0 };
	int64_t ids[2];

	tell_history(c);
	find_ids(c, ids);
	must(store_log_samples(c->r, DEVICE, STREAM, ids, 2, OFFSET + SPAN_FROM, OFFSET + SPAN_TO,
		 count_sample, &k, &err),
	    &err);
	res = ask(c, ids, SPAN_FROM, SPAN_TO, SPAN_TO - SPAN_FROM);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(res->series[i].n[0], k.n[i]);
		assert_true(fabs(res->series[i].mean[0] - k.sum[i] / (double)k.n[i]) < 1e-9);
	}
	store_query_free(res);
}

/* Which of two doubles is left does not depend on where the span was cut. */
static void
windows_of_any_width_add_up(void **state)
{
	static const int64_t widths[] = { 7000, 60000, 390000, 3600000 };
	struct ctx *c = *state;
	struct count all = { 0 };
	struct bl_err err = { 0 };
	int64_t ids[2];

	tell_history(c);
	find_ids(c, ids);
	must(store_log_samples(c->r, DEVICE, STREAM, ids, 2, OFFSET + SPAN_FROM, OFFSET + SPAN_TO,
		 count_sample, &all, &err),
	    &err);
	for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
		struct count k = { 0 };

		for (int64_t at = SPAN_FROM; at < SPAN_TO; at += widths[w])
			must(store_log_samples(c->r, DEVICE, STREAM, ids, 2, OFFSET + at,
				 OFFSET + at + widths[w], count_sample, &k, &err),
			    &err);
		for (size_t i = 0; i < 2; i++) {
			assert_int_equal(k.n[i], all.n[i]);
			assert_true(fabs(k.sum[i] - all.sum[i]) < 1e-6);
		}
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_query_counts_once_what_two_spools_hold),
		T(windows_of_any_width_add_up),
	};

	return cmocka_run_group_tests_name("one way to samples", tests, NULL, NULL);
}
