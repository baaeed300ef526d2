/*
 * What KPIs cost: smallest parts worked out and stored a second, with all larger
 * windows and the sites' cells, in a database in memory; telemetry is a list in memory.
 *
 * 10 sites of 4 devices, 10 KPIs of one minute, a batch a minute from each device,
 * as an evaluator that keeps up would take them: 5 batches a transaction, and as
 * one that catches up: an hour a device at a time.
 *
 * Prints `name value unit` lines.  Not part of the test run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kpi_kit.h"

#define SITES   10
#define DEVICES 4 /* of a site */
#define KPIS    10
#define MINUTES 60
#define A_TIME  5 /* batches of a transaction */

static char site[SITES][8], device[SITES * DEVICES][8];

static double
seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
make(struct kit *k)
{
	char id[8];

	kit_open(k);
	for (int i = 0; i < KPIS; i++) {
		struct define_kpi *v;

		(void)snprintf(id, sizeof(id), "k%02d", i);
		v = kit_kpi(k, id, 0);
		v->function = i == 9 ? BL_FN_PERCENTILE : BL_FN_MEAN;
		v->quantile = 0.95;
	}
	for (int i = 0; i < SITES; i++) {
		(void)snprintf(site[i], sizeof(site[i]), "s%02d", i);
		kit_site(k, site[i], "Asia/Shanghai");
	}
	for (int d = 0; d < SITES * DEVICES; d++) {
		(void)snprintf(device[d], sizeof(device[d]), "d%02d", d);
		kit_service(k, device[d], site[d / DEVICES], KIT_T0 - KIT_DAY, 0);
		(void)kit_series(k, device[d], "m", "{}", BL_GAUGE, BL_STREAM_HOST, 10000);
	}
	kit_roster(k);
}

static void
add_batches(struct kit *k, int64_t begin)
{
	for (int d = 0; d < SITES * DEVICES; d++) {
		struct kit_batch *b =
		    kit_batch(k, device[d], BL_STREAM_HOST, begin, begin + KIT_MINUTE);

		b->here = true;
		for (int64_t t = b->begin; t < b->end; t += 10000)
			kit_sample(k, b, d + 1, t, (double)(rand() % 1000) / 7);
	}
}

struct cost {
	double compute_s, store_s;
	uint64_t parts;
};

static void
flush(struct kit *k, struct cost *c)
{
	struct bl_err err = { 0 };
	const double t0 = seconds();

	kpi_changes_free(&k->changes);
	assert_int_equal(sqlite3_exec(k->db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(
	    kpi_store(k->work, k->db, &k->set, k->roster, 1, "data came", &k->changes, &err),
	    BL_OK);
	assert_int_equal(sqlite3_exec(k->db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	kpi_work_reset(k->work);
	c->store_s += seconds() - t0;
}

static void
compute(struct kit *k, const char *name, int64_t begin, int64_t end, struct cost *c)
{
	struct bl_err err = { 0 };
	const double t0 = seconds();
	int64_t done;

	assert_int_equal(kpi_compute(k->work, (struct store_read *)(void *)k, k->db, &k->set,
			     k->roster, name, BL_STREAM_HOST, begin, end, NULL, &done, &err),
	    BL_OK);
	assert_int_equal(done, end);
	c->parts += (uint64_t)((end - begin) / KIT_MINUTE) * KPIS;
	c->compute_s += seconds() - t0;
}

static void
report(const char *name, const struct cost *c)
{
	(void)printf(
	    "kpi_%s_parts_per_s %.0f 1/s\n", name, (double)c->parts / (c->compute_s + c->store_s));
	(void)printf(
	    "kpi_%s_store_us_per_part %.1f us\n", name, c->store_s * 1e6 / (double)c->parts);
	(void)printf(
	    "kpi_%s_compute_us_per_part %.1f us\n", name, c->compute_s * 1e6 / (double)c->parts);
}

static void
live(void **state)
{
	struct cost c = { 0 };
	struct kit k;

	(void)state;
	make(&k);
	for (int m = 0; m < MINUTES; m++) {
		add_batches(&k, KIT_T0 + m * KIT_MINUTE);
		for (int d = 0; d < SITES * DEVICES; d++) {
			compute(&k, device[d], KIT_T0 + m * KIT_MINUTE,
			    KIT_T0 + (m + 1) * KIT_MINUTE, &c);
			if (d % A_TIME == A_TIME - 1)
				flush(&k, &c);
		}
	}
	report("live", &c);
	kit_close(&k);
}

static void
backlog(void **state)
{
	struct cost c = { 0 };
	struct kit k;

	(void)state;
	make(&k);
	for (int m = 0; m < MINUTES; m++)
		add_batches(&k, KIT_T0 + m * KIT_MINUTE);
	for (int d = 0; d < SITES * DEVICES; d++) {
		compute(&k, device[d], KIT_T0, KIT_T0 + KIT_HOUR, &c);
		flush(&k, &c);
	}
	report("backlog", &c);
	kit_close(&k);
}

int
main(void)
{
	const struct CMUnitTest runs[] = { cmocka_unit_test(live), cmocka_unit_test(backlog) };

	return cmocka_run_group_tests(runs, NULL, NULL);
}
