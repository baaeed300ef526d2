/*
 * Out of memory at every single allocation of ours, and the database giving up after ever
 * so many steps: it says so, the work is as it was, and the next try stores the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kpi_kit.h"
#include "nomem.h"

#define HOST BL_STREAM_HOST

static bool fired; /* what was to fail in the last try */

/* Two devices and three KPIs, one of them with a condition over labels and a version before it. */
static void
make(struct kit *k)
{
	struct define_kpi *v;

	kit_open(k);
	kit_site(k, "utc", "UTC");
	kit_service(k, "d1", "utc", KIT_T0, 0);
	kit_service(k, "d2", "utc", KIT_T0, 0);
	kit_roster(k);
	kit_kpi(k, "a", 0);
	v = kit_kpi(k, "b", 0);
	v->function = BL_FN_PERCENTILE;
	v->quantile = 0.5;
	v = kit_kpi(k, "b", 1);
	v->function = BL_FN_SHARE;
	(void)snprintf(
	    v->condition_text, sizeof(v->condition_text), "value > 3 and mode = \"user\"");
	v = kit_kpi(k, "c", 0);
	v->function = BL_FN_PERCENTILE;
	v->quantile = 0.5;
	kit_compile(k);
	for (int d = 0; d < 2; d++) {
		struct kit_batch *b =
		    kit_batch(k, d == 0 ? "d1" : "d2", HOST, KIT_T0, KIT_T0 + 3 * KIT_MINUTE);

		kit_ramp(k, b,
		    kit_series(k, b->device, "m", "{\"mode\":\"user\"}", BL_GAUGE, HOST, 10000),
		    10000);
		b->here = true;
	}
}

static int
compute(struct kit *k, const char *device, struct bl_err *err)
{
	int64_t done;

	return kpi_compute(k->work, (struct store_read *)(void *)k, k->db, &k->set, k->roster,
	    device, HOST, KIT_T0, KIT_T0 + 3 * KIT_MINUTE, NULL, &done, err);
}

static int
store(struct kit *k, struct bl_err *err)
{
	return kpi_store(k->work, k->db, &k->set, k->roster, 1, "", &k->changes, err);
}

static void
exec(struct kit *k, const char *sql)
{
	assert_int_equal(sqlite3_exec(k->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static char *
wanted(void)
{
	struct kit k;
	char *text;

	make(&k);
	kit_redo(&k, "d1", HOST, KIT_T0, KIT_T0 + 3 * KIT_MINUTE);
	kit_redo(&k, "d2", HOST, KIT_T0, KIT_T0 + 3 * KIT_MINUTE);
	text = kit_dump(&k);
	kit_close(&k);
	return text;
}

/* A buffer that cannot grow does not say why. */
static bool
says_so(int rc)
{
	return fired ? rc == BL_ENOMEM || rc == BL_EFULL : rc == BL_OK;
}

static void
working_out_survives_each_failed_allocation(void **state)
{
	struct kit k;
	struct bl_err err = { 0 };
	unsigned n = 0;
	size_t parts;

	(void)state;
	make(&k);
	assert_int_equal(compute(&k, "d1", &err), BL_OK);
	parts = kpi_work_parts(k.work);
	assert_int_equal(parts, 9);
	do {
		int rc;

		kpi_work_free(k.work); /* nothing is kept from the last time */
		assert_int_equal(kpi_work_create(&k.work, &err), BL_OK);
		assert_int_equal(compute(&k, "d1", &err), BL_OK);
		memset(&err, 0, sizeof(err));
		nomem_arm(++n);
		rc = compute(&k, "d2", &err);
		fired = nomem_disarm();
		assert_true(says_so(rc));
		assert_int_equal(err.code, rc);
		assert_int_equal(kpi_work_parts(k.work), fired ? parts : 2 * parts);
	} while (fired);
	assert_true(n > 10);
	kit_close(&k);
}

static void
storing_survives_each_failed_allocation(void **state)
{
	char *want = wanted(), *text;
	struct kit k;
	struct bl_err err = { 0 };
	unsigned n = 0;

	(void)state;
	make(&k);
	assert_int_equal(compute(&k, "d1", &err), BL_OK);
	assert_int_equal(compute(&k, "d2", &err), BL_OK);
	do {
		int rc;

		exec(&k, "BEGIN");
		nomem_arm(++n);
		rc = store(&k, &err);
		fired = nomem_disarm();
		assert_true(says_so(rc));
		exec(&k, fired ? "ROLLBACK" : "COMMIT");
	} while (fired);
	assert_true(n > 10);
	text = kit_dump(&k);
	assert_string_equal(text, want);
	free(text);
	free(want);
	kit_close(&k);
}

static int
give_up(void *ctx)
{
	fired = true;
	return ctx != NULL;
}

static void
storing_survives_a_database_that_gives_up(void **state)
{
	char *want = wanted(), *text;
	struct kit k;
	struct bl_err err = { 0 };
	int rc, ops = 1, tries = 0;

	(void)state;
	make(&k);
	assert_int_equal(compute(&k, "d1", &err), BL_OK);
	assert_int_equal(compute(&k, "d2", &err), BL_OK);
	do {
		exec(&k, "BEGIN");
		fired = false;
		sqlite3_progress_handler(k.db, ops, give_up, &k);
		rc = store(&k, &err);
		sqlite3_progress_handler(k.db, 0, NULL, NULL);
		assert_int_equal(rc < 0, fired);
		/* An interrupted change has rolled back already. */
		if (sqlite3_get_autocommit(k.db) == 0)
			exec(&k, fired ? "ROLLBACK" : "COMMIT");
		ops += 1 + ops / 8;
		tries++;
	} while (rc < 0);
	assert_true(tries > 10);
	text = kit_dump(&k);
	assert_string_equal(text, want);
	free(text);
	free(want);
	kit_close(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(working_out_survives_each_failed_allocation),
		cmocka_unit_test(storing_survives_each_failed_allocation),
		cmocka_unit_test(storing_survives_a_database_that_gives_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
