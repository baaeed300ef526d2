/*
 * Fair credit: the level as a table, and fleets of links that take what they can, second by
 * second, over the real sweep.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ingest_internal.h"

#define TOTAL 4000000
#define MAX   300
#define ANY   UINT32_MAX

/* ---- the level ---- */

static void
the_level_is_max_min_fair(void **state)
{
	static const struct {
		const char *what;
		uint32_t demand[5];
		size_t n;
		int64_t total;
		uint32_t level;
	} cases[] = {
		{ "nobody asks", { 0 }, 0, 1000, 1000 },
		{ "one may have all", { ANY }, 1, 1000, 1000 },
		{ "equal", { ANY, ANY, ANY, ANY }, 4, 1000, 250 },
		{ "a slow one leaves its rest", { 100, ANY, ANY, ANY }, 4, 1000, 300 },
		{ "in rounds: what one leaves brings another below", { 100, 260, ANY, ANY }, 4,
		    1000, 320 },
		{ "one just at the level", { 250, ANY, ANY, ANY }, 4, 1000, 250 },
		{ "all are content", { 10, 20, 30 }, 3, 1000, 1000 },
		{ "all content with exactly all", { 500, 500 }, 2, 1000, 1000 },
		{ "less than a byte each", { ANY, ANY, ANY }, 3, 2, 0 },
		{ "more than fits", { ANY }, 1, INT64_C(1) << 40, ANY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].what);
		assert_int_equal(ingest_credit_level(cases[i].demand, cases[i].n, cases[i].total),
		    cases[i].level);
	}
}

/* ---- fleets ---- */

static int64_t mono;

static int64_t
mono_ms(void *ctx)
{
	(void)ctx;
	return mono;
}

static const struct bl_clock clock_of_ours = { .mono_ms = mono_ms };

/* A device behind a link: takes batches of so many bytes, each when the one before is through. */
struct link {
	struct device d;
	double takes; /* bytes a second at most */
	size_t batch;
	double ready; /* bytes the link and the credit have let through, not yet a batch */
	double got;   /* since the measuring began */
};

struct fleet {
	struct ingest_core core;
	struct link link[MAX];
	unsigned n;
};

static struct fleet *
fleet_new(void)
{
	struct fleet *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	mono = 1000000;
	f->core.clock = &clock_of_ours;
	f->core.opts.credit_bytes_per_s = f->core.total = TOTAL;
	f->core.credit_stale = true;
	return f;
}

static void
fleet_free(struct fleet *f)
{
	free(f->core.backlog);
	free(f->core.demand);
	free(f);
}

static void
join(struct fleet *f, unsigned n, double takes, size_t batch)
{
	for (unsigned i = 0; i < n; i++) {
		struct link *l = &f->link[f->n++];

		*l = (struct link){ .takes = takes, .batch = batch };
		ingest_backlog_seen(&f->core, &l->d, 0); /* its hello */
	}
}

static void
run(struct fleet *f, unsigned seconds)
{
	for (unsigned s = 0; s < seconds; s++) {
		mono += 1000;
		for (unsigned i = 0; i < f->n; i++) {
			struct link *l = &f->link[i];
			const double credit = ingest_credit(&f->core, &l->d);

			l->ready += credit < l->takes ? credit : l->takes;
			for (; l->ready >= (double)l->batch; l->ready -= (double)l->batch) {
				ingest_backlog_seen(&f->core, &l->d, l->batch);
				l->got += (double)l->batch;
			}
		}
		ingest_backlog_sweep(&f->core);
	}
}

static void
measure(struct fleet *f, unsigned seconds)
{
	for (unsigned i = 0; i < f->n; i++)
		f->link[i].got = 0;
	run(f, seconds);
}

static double
sum(const struct fleet *f, unsigned from, unsigned n)
{
	double got = 0;

	for (unsigned i = from; i < from + n; i++)
		got += f->link[i].got;
	return got;
}

static double
jain(const struct fleet *f, unsigned from, unsigned n)
{
	double squares = 0;

	for (unsigned i = from; i < from + n; i++)
		squares += f->link[i].got * f->link[i].got;
	return sum(f, from, n) * sum(f, from, n) / (n * squares);
}

static void
what_slow_links_leave_goes_to_the_others(void **state)
{
	struct fleet *f = fleet_new();

	(void)state;
	join(f, 20, 8000, 26000);  /* 64 kbit/s */
	join(f, 20, 32000, 17000); /* 256 kbit/s */
	join(f, 10, 1e9, 17000);
	run(f, 60);
	measure(f, 100);
	/* An equal share for all would be 80,000, and 2.4 MB a second would lie idle. */
	assert_true(sum(f, 0, 20) > 0.9 * 20 * 8000 * 100);
	assert_true(sum(f, 20, 20) > 0.95 * 20 * 32000 * 100);
	assert_true(sum(f, 40, 10) > 0.85 * (TOTAL - 20 * 40000.0) * 100);
	assert_true(sum(f, 0, 50) < 1.05 * TOTAL * 100);
	assert_true(jain(f, 0, 20) > 0.99 && jain(f, 20, 20) > 0.99 && jain(f, 40, 10) > 0.99);
	fleet_free(f);
}

static void
equal_links_get_equal_shares(void **state)
{
	struct fleet *f = fleet_new();

	(void)state;
	join(f, 200, 1e9, 17000);
	run(f, 5);
	measure(f, 100);
	assert_true(jain(f, 0, 200) > 0.999);
	assert_true(sum(f, 0, 200) > 0.97 * TOTAL * 100 && sum(f, 0, 200) < 1.01 * TOTAL * 100);
	fleet_free(f);
}

static void
who_comes_later_gets_its_share_within_seconds(void **state)
{
	struct fleet *f = fleet_new();

	(void)state;
	join(f, 10, 1e9, 17000);
	run(f, 60);
	join(f, 10, 1e9, 17000);
	measure(f, 5);
	assert_true(jain(f, 0, 20) > 0.99);
	fleet_free(f);
}

static void
nobody_starves_in_a_crowd_or_behind_a_busy_writer(void **state)
{
	struct fleet *f = fleet_new();

	(void)state;
	join(f, MAX, 1e9, 4000);
	ingest_core_pressure(&f->core, 90);
	run(f, 30);
	measure(f, 60);
	for (unsigned i = 0; i < f->n; i++)
		assert_true(f->link[i].got >= 60 * 4000);
	assert_int_equal(f->core.total, 65536);
	/* And back to what is configured when it has caught up. */
	ingest_core_pressure(&f->core, 0);
	run(f, 60);
	assert_int_equal(f->core.total, TOTAL);
	fleet_free(f);
}

static void
a_link_that_turns_fast_catches_up_with_the_others(void **state)
{
	struct fleet *f = fleet_new();

	(void)state;
	join(f, 10, 1e9, 17000);
	join(f, 1, 8000, 8000);
	run(f, 60);
	assert_true(ingest_credit(&f->core, &f->link[10].d) < 20000);
	f->link[10].takes = 1e9;
	run(f, 15);
	measure(f, 10);
	assert_true(jain(f, 0, 11) > 0.98);
	fleet_free(f);
}

/* One behind 64 kbit/s whose connection breaks again and again: nothing of the centre's holds it
 * back. */
static void
nobody_is_held_back_for_nobody(void **state)
{
	struct fleet *f = fleet_new();

	(void)state;
	join(f, 1, 2000, 26000);
	run(f, 120);
	assert_true(ingest_credit(&f->core, &f->link[0].d) > TOTAL / 2);
	f->link[0].takes = 0;
	run(f, 20);
	assert_true(ingest_credit(&f->core, &f->link[0].d) > TOTAL / 2);
	fleet_free(f);
}

static void
who_has_no_backlog_any_more_is_not_counted(void **state)
{
	struct fleet *f = fleet_new();

	(void)state;
	join(f, 4, 1e9, 17000);
	run(f, 10);
	f->n = 1;
	run(f, 40);
	assert_int_equal(f->core.n_backlog, 1);
	assert_int_equal(ingest_credit(&f->core, &f->link[0].d), TOTAL);
	ingest_backlog_forget(&f->core, &f->link[0].d);
	assert_int_equal(f->core.n_backlog, 0);
	fleet_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_level_is_max_min_fair),
		cmocka_unit_test(what_slow_links_leave_goes_to_the_others),
		cmocka_unit_test(equal_links_get_equal_shares),
		cmocka_unit_test(who_comes_later_gets_its_share_within_seconds),
		cmocka_unit_test(nobody_starves_in_a_crowd_or_behind_a_busy_writer),
		cmocka_unit_test(a_link_that_turns_fast_catches_up_with_the_others),
		cmocka_unit_test(nobody_is_held_back_for_nobody),
		cmocka_unit_test(who_has_no_backlog_any_more_is_not_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
