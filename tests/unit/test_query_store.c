/*
 * Queries over a real store: before its hours are packed, while some of them are, and
 * afterwards, the answers are the same.
 */
#include "compact_kit.h"

#include <math.h>

#include "query.h"
#include "query_store.h"

#define HOURS 5

static const char *const devices[] = { "kiosk-1", "kiosk-2", "till-3" };

/* ---- a history ------------------------------------------------------------ */

/* Series 1 is a gauge, 2 a counter (which falls a lot: each fall is a reset). */
static void
know_both(struct kit *k, uint8_t spool, const char *device)
{
	struct bl_series_def def;
	char name[16], value[16];
	struct bl_err err = { 0 };

	begin(k);
	put_dict(k, spool, device, 1, 1);
	fixture_series(&def, name, value, 2, BL_STREAM_HOST);
	def.kind = BL_COUNTER;
	must(store_dict(k->s, spool_of(k, spool, device), &def, &err), &err);
	put_clock(k, spool, device, 1, 1, 0, OFFSET);
	commit(k);
}

static void
put_second_boot(struct kit *k, uint8_t spool, const char *device, uint64_t first, uint64_t last)
{
	for (uint64_t i = first; i <= last; i++) {
		const struct put p = { .device = device,
			.spool = spool,
			.boot = 2,
			.seq = i,
			.from_ms = (int64_t)(i - first) * MINUTE,
			.to_ms = (int64_t)(i - first + 1) * MINUTE };

		assert_int_equal(put(k, &p), STORE_NEW);
	}
}

/* The first is whole, the second has a hole and an hour that was thinned, the third restarts. */
static void
make_history(struct kit *k)
{
	const struct put thinned = { .device = devices[1],
		.spool = 0xb,
		.seq = 121,
		.from_ms = 120 * MINUTE,
		.to_ms = 180 * MINUTE,
		.n_series = 1,
		.thin_ms = 300000 };

	for (uint8_t i = 0; i < 3; i++)
		know_both(k, (uint8_t)(0xa + i), devices[i]);
	put_minutes(k, devices[0], 0xa, 1, HOURS * 60);
	put_minutes(k, devices[1], 0xb, 31, 80);
	put_minutes(k, devices[1], 0xb, 100, 120);
	assert_int_equal(put(k, &thinned), STORE_NEW);
	put_minutes(k, devices[1], 0xb, 181, HOURS * 60);
	put_minutes(k, devices[2], 0xc, 1, 95);
	begin(k);
	put_clock(k, 0xc, devices[2], 2, 2, 0, OFFSET + 97 * (int64_t)MINUTE + 1234);
	commit(k);
	put_second_boot(k, 0xc, devices[2], 96, HOURS * 60 - 10);
}

static void
pass_until(struct kit *k, int64_t unix_ms)
{
	pass(k, unix_ms - k->clock.unix_ms);
}

/* ---- questions ----------------------------------------------------------------- */

struct question {
	const char *metric;
	enum query_agg agg;
	int64_t from, step; /* from: of the first hour's begin */
};

static const struct question questions[] = {
	{ "m1", QUERY_AVG, 0, HOUR },
	{ "m1", QUERY_AVG, 0, HOURS *(int64_t)HOUR },
	{ "m1", QUERY_AVG, 0, 5 * MINUTE },
	{ "m1", QUERY_AVG, 0, MINUTE },
	{ "m1", QUERY_AVG, 17 * MINUTE + 5, 7 * MINUTE },
	{ "m1", QUERY_MIN, 0, HOUR },
	{ "m1", QUERY_MAX, 0, 5 * MINUTE },
	{ "m1", QUERY_SUM, 25 * MINUTE, HOUR },
	{ "m1", QUERY_TOTAL, 0, HOUR },
	{ "m1", QUERY_TOTAL, 0, 10 * MINUTE },
	{ "m1", QUERY_COUNT, 0, 5 * MINUTE },
	{ "m1", QUERY_P50, 0, HOUR },
	{ "m1", QUERY_P95, 0, HOURS *(int64_t)HOUR },
	{ "m1", QUERY_P99, 0, 10 * MINUTE },
	{ "m2", QUERY_INCREASE, 0, HOUR },
	{ "m2", QUERY_INCREASE, 0, 5 * MINUTE },
	{ "m2", QUERY_INCREASE, 65 * MINUTE, 20 * MINUTE },
	{ "m2", QUERY_INCREASE, 61 * MINUTE + 1, HOUR },
	{ "m2", QUERY_INCREASE, 0, HOURS *(int64_t)HOUR },
	{ "m2", QUERY_MAX, 0, HOUR },
	{ "m2", QUERY_COUNT, 0, MINUTE },
};

#define QUESTIONS (sizeof(questions) / sizeof(questions[0]))

static int
ask_within(struct kit *k, const struct question *q, const struct query_limits *limits,
    struct query_result **out, struct bl_err *err)
{
	const struct query_filter f = { .by = QUERY_BY_DEVICE,
		.agg = q->agg,
		.from_unix_ms = OFFSET + q->from,
		.to_unix_ms = OFFSET + HOURS * (int64_t)HOUR };
	const struct query_grid g = { f.from_unix_ms, f.to_unix_ms, q->step, q->agg };
	struct query_store *store;
	struct query_set *set;
	size_t n;
	int rc;

	must(query_store_open(&store, k->r, &k->clock.clock, err), err);
	must(query_set_create(&set, &f, err), err);
	must(query_store_series(store, q->metric, set, NULL, &n, err), err);
	assert_int_equal(n, 3);
	must(query_set_end(set, err), err);
	rc = query_run(out, &g, set, query_store_source(store), limits, err);
	query_set_free(set);
	query_store_close(store);
	return rc;
}

static int
try_ask(struct kit *k, const struct question *q, struct query_result **out, struct bl_err *err)
{
	return ask_within(k, q, NULL, out, err);
}

static struct query_result *
ask(struct kit *k, const struct question *q)
{
	struct query_result *res;
	struct bl_err err = { 0 };

	must(try_ask(k, q, &res, &err), &err);
	assert_int_equal(res->n_groups, 3);
	return res;
}

static struct query_result **
ask_all(struct kit *k)
{
	struct query_result **res = calloc(QUESTIONS, sizeof(struct query_result *));

	assert_non_null(res);
	for (size_t i = 0; i < QUESTIONS; i++)
		res[i] = ask(k, &questions[i]);
	return res;
}

static void
answers_free(struct query_result **res)
{
	for (size_t i = 0; i < QUESTIONS; i++)
		query_result_free(res[i]);
	free(res);
}

static void
compare(size_t question, const struct query_result *a, const struct query_result *b)
{
	const struct question *q = &questions[question];
	const double least = query_agg_quantile(q->agg) > 0 ? 0.02 : 1e-12;

	assert_int_equal(a->n_steps, b->n_steps);
	for (size_t i = 0; i < a->n_groups * a->n_steps; i++) {
		const struct query_cell *x = &a->cell[i], *y = &b->cell[i];
		const bool same = isnan(x->value)
				      ? isnan(y->value)
				      : fabs(x->value - y->value) <= least * fabs(x->value) + 1e-9;

		if (x->n != y->n || x->unknown != y->unknown || x->series != y->series || !same)
			fail_msg("%s %s every %lld s, cell %zu: %.17g of %llu was %.17g of %llu",
			    q->metric, query_agg_name(q->agg), (long long)(q->step / 1000), i,
			    y->value, (unsigned long long)y->n, x->value, (unsigned long long)x->n);
	}
}

/* Takes before. */
static struct query_result **
same_as(struct kit *k, struct query_result **before)
{
	struct query_result **now = ask_all(k);

	for (size_t i = 0; i < QUESTIONS; i++)
		compare(i, before[i], now[i]);
	answers_free(before);
	return now;
}

static uint64_t
samples_in(struct query_result **res)
{
	return res[0]->n;
}

/* ---- tests ------------------------------------------------------------------------- */

static void
packing_changes_no_answer(void **state)
{
	struct kit *k = *state;
	struct query_result **answers;

	make_history(k);
	answers = ask_all(k);
	assert_int_equal(samples_in(answers), 6 * (300 + 50 + 21 + 60 + 120 + 95 + 195));
	/* Two hours are closed, the others are not. */
	pass_until(k, OFFSET + 2 * (int64_t)HOUR + 45 * MINUTE);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), 2);
	answers = same_as(k, answers);
	/* All are, and no batch is left to read from. */
	pass_until(k, OFFSET + 7 * (int64_t)HOUR);
	settle(k);
	pass_round(k);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part"), HOURS);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 0);
	assert_true(count(k, "SELECT count(*) FROM batch") <= 3);
	answers_free(same_as(k, answers));
}

/* A device's hour with something late is read as samples until it is packed again. */
static void
what_comes_late_counts_at_once_and_once(void **state)
{
	struct kit *k = *state;
	struct query_result **answers;
	uint64_t n;

	make_history(k);
	pass_until(k, OFFSET + 7 * (int64_t)HOUR);
	settle(k);
	answers = ask_all(k);
	n = samples_in(answers);
	answers_free(answers);
	put_minutes(k, devices[1], 0xb, 81, 99); /* of two hours */
	answers = ask_all(k);
	assert_int_equal(samples_in(answers), n + 19 * 6);
	pass(k, 31 * MINUTE);
	settle(k);
	pass_round(k);
	settle(k);
	assert_int_equal(count(k, "SELECT count(*) FROM part_hidden"), 1);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 0);
	answers_free(same_as(k, answers));
}

static int64_t
next_raw(struct query_store *store, int64_t hour_unix_ms)
{
	struct bl_err err = { 0 };
	int64_t hour;

	must(query_store_next_raw(store, hour_unix_ms, &hour, &err), &err);
	return hour;
}

/* Levels that retention has taken make steps longer, and what is left still answers. */
static void
retention_makes_steps_longer(void **state)
{
	struct kit *k = *state;
	const struct query_source *src;
	struct query_result *raw, *rolled;
	struct query_store *store;
	struct query_kept kept;
	struct bl_err err = { 0 };

	make_history(k);
	pass_until(k, OFFSET + 7 * (int64_t)HOUR);
	settle(k);
	raw = ask(k, &questions[0]);
	begin(k);
	assert_int_equal(
	    store_pack_forget(k->s, PARTS_RAW, OFFSET + 3 * (int64_t)HOUR, 100, &err), 0);
	assert_int_equal(
	    store_pack_forget(k->s, PARTS_M5, OFFSET + 2 * (int64_t)HOUR, 100, &err), 0);
	commit(k);
	must(query_store_open(&store, k->r, &k->clock.clock, &err), &err);
	src = query_store_source(store);
	must(src->kept(src->ctx, OFFSET, &kept, &err), &err);
	assert_true(kept.from_unix_ms[QUERY_RAW] == OFFSET + 3 * (int64_t)HOUR);
	assert_true(kept.from_unix_ms[QUERY_M5] == OFFSET + 2 * (int64_t)HOUR);
	assert_true(kept.from_unix_ms[QUERY_H1] == INT64_MIN);
	assert_true(kept.begin_unix_ms == OFFSET);
	/* Samples begin where raw does. */
	assert_true(next_raw(store, OFFSET) == OFFSET + 3 * (int64_t)HOUR);
	assert_true(next_raw(store, OFFSET + 4 * (int64_t)HOUR) == OFFSET + 4 * (int64_t)HOUR);
	assert_true(next_raw(store, OFFSET + HOURS * (int64_t)HOUR) == INT64_MAX);
	rolled = ask(k, &questions[0]); /* by the hour: nothing is missed */
	compare(0, raw, rolled);
	query_result_free(raw);
	query_result_free(rolled);
	put_minutes(k, devices[1], 0xb, 81, 81); /* what comes late is a sample, too */
	assert_true(next_raw(store, OFFSET) == OFFSET + HOUR);
	query_store_close(store);
}

/* What the chart of one series says of a counter. */
static struct store_query_result *
ask_one(struct kit *k, int64_t id, const struct question *q)
{
	const struct store_query one = { .series = &id,
		.n_series = 1,
		.from_unix_ms = OFFSET + q->from,
		.to_unix_ms = OFFSET + HOURS * (int64_t)HOUR,
		.step_ms = q->step,
		.rate = true };
	struct store_query_result *res;
	struct bl_err err = { 0 };

	must(store_read_query(k->r, &one, &res, &err), &err);
	return res;
}

static int64_t
id_of(struct kit *k, const char *device, const char *name)
{
	char sql[256];

	(void)snprintf(sql, sizeof(sql),
	    "SELECT series.id FROM series JOIN device ON device.id = device_id"
	    " WHERE device.name = '%s' AND series.name = '%s'",
	    device, name);
	return count(k, sql);
}

/* least: of what a reboot and a hole leave unsaid in roll-ups. */
static void
rates_agree(struct kit *k, const struct question *q, double least)
{
	struct query_result *many = ask(k, q);

	for (size_t d = 0; d < 3; d++) {
		struct store_query_result *one = ask_one(k, id_of(k, devices[d], "m2"), q);

		assert_int_equal(one->n_steps, many->n_steps);
		for (size_t i = 0; i < one->n_steps; i++) {
			const double x = one->series[0].mean[i];
			const double y = many->cell[d * many->n_steps + i].value;

			if (isnan(x) ? !isnan(y) : !(fabs(x - y) <= least * x + 1e-9))
				fail_msg("%s, step %zu of %lld s: %.9g of one, %.9g of many",
				    devices[d], i, (long long)(q->step / 1000), x, y);
		}
		store_query_free(one);
	}
	query_result_free(many);
}

static void
a_rate_is_the_same_however_it_is_asked_for(void **state)
{
	static const struct question asked[] = {
		{ "m2", QUERY_RATE, 0, MINUTE },
		{ "m2", QUERY_RATE, 17 * MINUTE + 5, 7 * MINUTE },
		{ "m2", QUERY_RATE, 0, 5 * MINUTE },
		{ "m2", QUERY_RATE, 0, HOUR },
	};
	struct kit *k = *state;

	make_history(k);
	for (size_t i = 0; i < 4; i++)
		rates_agree(k, &asked[i], 1e-9);
	pass_until(k, OFFSET + 7 * (int64_t)HOUR);
	settle(k);
	for (size_t i = 0; i < 4; i++)
		rates_agree(k, &asked[i], i < 2 ? 1e-9 : 0.08);
}

/* One series' samples: what retention has taken is a gap of its own, beside those of the device. */
static void
what_is_not_kept_is_named(void **state)
{
	static const struct store_span wanted[] = {
		{ OFFSET, OFFSET + 30 * MINUTE, STORE_GAP_NOT_ARRIVED },
		{ OFFSET + 30 * MINUTE, OFFSET + 80 * MINUTE, STORE_GAP_NOT_KEPT },
		{ OFFSET + 80 * MINUTE, OFFSET + 99 * MINUTE, STORE_GAP_NOT_ARRIVED },
		/* The step that begins there has samples, of the third hour. */
		{ OFFSET + 99 * MINUTE, OFFSET + 119 * MINUTE, STORE_GAP_NOT_KEPT },
	};
	struct kit *k = *state;
	int64_t series;
	struct store_query q = { .series = &series,
		.n_series = 1,
		.from_unix_ms = OFFSET,
		.to_unix_ms = OFFSET + HOURS * (int64_t)HOUR,
		.step_ms = 7 * MINUTE };
	struct store_query_result *res;
	struct bl_err err = { 0 };

	make_history(k);
	series = count(k, "SELECT min(s.id) FROM series s JOIN device d ON d.id = s.device_id"
			  " WHERE d.name = 'kiosk-2' AND s.name = 'm1'");
	pass_until(k, OFFSET + 7 * (int64_t)HOUR);
	settle(k);
	begin(k);
	assert_int_equal(
	    store_pack_forget(k->s, PARTS_RAW, OFFSET + 2 * (int64_t)HOUR, 100, &err), 0);
	commit(k);
	must(store_read_query(k->r, &q, &res, &err), &err);
	assert_int_equal(res->series[0].n_gaps, 4);
	for (size_t i = 0; i < 4; i++) {
		const struct store_span *g = &res->series[0].gap[i];

		if (g->from_unix_ms != wanted[i].from_unix_ms ||
		    g->to_unix_ms != wanted[i].to_unix_ms || g->reason != wanted[i].reason)
			fail_msg("%s from minute %g to %g", store_gap_reason_name(g->reason),
			    (double)(g->from_unix_ms - OFFSET) / MINUTE,
			    (double)(g->to_unix_ms - OFFSET) / MINUTE);
	}
	store_query_free(res);
}

/* A part's samples are gone with their file: no answer, also where they are read one by one. */
static void
damage_fails_a_question_for_samples(void **state)
{
	struct kit *k = *state;
	const struct question by_minute = { "m1", QUERY_COUNT, 0, MINUTE };
	struct query_result *res;
	struct bl_err err = { 0 };
	char command[700];

	make_history(k);
	pass_until(k, OFFSET + 7 * (int64_t)HOUR);
	settle(k);
	must(try_ask(k, &by_minute, &res, &err), &err);
	query_result_free(res);
	(void)snprintf(command, sizeof(command), "rm %s/raw-*", k->parts_path);
	assert_int_equal(system(command), 0);
	kit_stop(k);
	kit_start(k);
	assert_int_equal(try_ask(k, &by_minute, &res, &err), BL_ECORRUPT);
	assert_null(res);
}

/* A clock that has gone on whenever somebody looks. */
static int64_t
later_each_time(void *ctx)
{
	struct fixture_clock *c = ctx;

	return ++c->mono_ms;
}

/* One hour alone is asked for: what ends the question is inside of it. */
static void
the_deadline_holds_within_an_hour(void **state)
{
	static const struct question last[] = { { "m1", QUERY_COUNT, 4 * (int64_t)HOUR, MINUTE },
		{ "m1", QUERY_COUNT, 4 * (int64_t)HOUR, HOUR } };
	struct kit *k = *state;
	struct query_limits limits = { .clock = &k->clock.clock };
	struct query_result *res;
	struct bl_err err = { 0 };

	make_history(k);
	k->clock.clock.mono_ms = later_each_time;
	for (unsigned i = 0; i < 4; i++) {
		const struct question *q = &last[i % 2];

		limits.deadline_mono_ms = k->clock.mono_ms + 1000000;
		must(ask_within(k, q, &limits, &res, &err), &err);
		assert_true(res->n > 0);
		query_result_free(res);
		limits.deadline_mono_ms = k->clock.mono_ms + 2; /* the hour's begin is in time */
		assert_int_equal(ask_within(k, q, &limits, &res, &err), BL_ETIMEDOUT);
		assert_null(res);
		if (i != 1)
			continue;
		pass_until(k, OFFSET + 7 * (int64_t)HOUR);
		settle(k);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(packing_changes_no_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_comes_late_counts_at_once_and_once, setup, teardown),
		cmocka_unit_test_setup_teardown(retention_makes_steps_longer, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_kept_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    damage_fails_a_question_for_samples, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_rate_is_the_same_however_it_is_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(the_deadline_holds_within_an_hour, setup, teardown),
	};

	return cmocka_run_group_tests_name("query_store", tests, NULL, NULL);
}
