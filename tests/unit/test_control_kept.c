/* Statements that a connection of the control database keeps: reused, bounded, given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "control_sql.h"

static int
setup(void **state)
{
	sqlite3 *db;
	struct bl_err err = { 0 };

	if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
	    sqlite3_exec(db, "CREATE TABLE t (a, b)", NULL, NULL, NULL) != SQLITE_OK ||
	    control_sql_keep(db, &err) < 0)
		return -1;
	*state = db;
	return 0;
}

/* Nothing is left open, or closing says so. */
static int
teardown(void **state)
{
	control_sql_forget(*state);
	return sqlite3_close(*state) == SQLITE_OK ? 0 : -1;
}

static unsigned
statements(sqlite3 *db)
{
	unsigned n = 0;

	for (sqlite3_stmt *st = NULL; (st = sqlite3_next_stmt(db, st)) != NULL;)
		n++;
	return n;
}

static void
the_same_words_are_prepared_once(void **state)
{
	sqlite3 *db = *state;
	struct bl_err err = { 0 };
	unsigned after_first;
	int64_t n;

	assert_int_equal(
	    control_sql_run(db, &err, "INSERT INTO t VALUES (?, ?)", "it", (int64_t)1, "x"), 0);
	after_first = statements(db);
	for (int64_t i = 2; i <= 50; i++)
		assert_int_equal(
		    control_sql_run(db, &err, "INSERT INTO t VALUES (?, ?)", "it", i, "x"), 0);
	assert_int_equal(statements(db), after_first);
	/* Words that only begin alike are others. */
	assert_int_equal(control_sql_int(db, &err, 0, &n, "SELECT count(*) FROM t", ""), 0);
	assert_int_equal(n, 50);
	assert_int_equal(control_sql_int(db, &err, 0, &n, "SELECT count(*) FROM t WHERE a > ?", "i",
			     (int64_t)40),
	    0);
	assert_int_equal(n, 10);
}

static void
a_failure_is_told_each_time(void **state)
{
	sqlite3 *db = *state;

	assert_int_equal(sqlite3_exec(db, "CREATE UNIQUE INDEX u ON t (a)", NULL, NULL, NULL), 0);
	for (int i = 0; i < 3; i++) {
		struct bl_err err = { 0 };
		const int rc =
		    control_sql_run(db, &err, "INSERT INTO t VALUES (?, 0)", "i", (int64_t)7);

		assert_int_equal(rc, i == 0 ? BL_OK : BL_EEXIST);
	}
	/* One that failed holds nothing: the table can go. */
	assert_int_equal(sqlite3_exec(db, "DROP TABLE t", NULL, NULL, NULL), SQLITE_OK);
}

/* A statement that is under way is not taken from whoever reads it. */
static void
one_in_use_is_left_alone(void **state)
{
	sqlite3 *db = *state;
	struct bl_err err = { 0 };
	sqlite3_stmt *outer, *inner;
	int64_t seen = 0;

	assert_int_equal(
	    sqlite3_exec(db, "INSERT INTO t VALUES (1,0),(2,0),(3,0)", NULL, NULL, NULL), 0);
	assert_int_equal(control_sql_kept(&outer, db, &err, "SELECT a FROM t", ""), 0);
	while (control_sql_step(outer, &err) == 1) {
		seen = seen * 10 + sqlite3_column_int64(outer, 0);
		assert_int_equal(control_sql_kept(&inner, db, &err, "SELECT a FROM t", ""), 0);
		assert_ptr_not_equal(inner, outer);
		assert_int_equal(control_sql_step(inner, &err), 1);
		assert_int_equal(sqlite3_column_int64(inner, 0), 1);
		control_sql_done(inner);
	}
	control_sql_done(outer);
	assert_int_equal(seen, 123);
}

static void
so_many_are_kept_and_no_more(void **state)
{
	sqlite3 *db = *state;
	struct bl_err err = { 0 };
	char sql[64];
	int64_t n;

	for (unsigned i = 0; i < 3 * CONTROL_SQL_KEPT; i++) {
		(void)snprintf(sql, sizeof(sql), "SELECT %u", i);
		assert_int_equal(control_sql_int(db, &err, 0, &n, sql, ""), 0);
		assert_int_equal(n, i);
	}
	assert_int_equal(statements(db), CONTROL_SQL_KEPT);
}

/* A connection of somebody who was not asked: nothing stays behind. */
static void
others_keep_nothing(void **state)
{
	struct bl_err err = { 0 };
	sqlite3 *db;
	int64_t n;

	(void)state;
	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(control_sql_int(db, &err, 0, &n, "SELECT 5", ""), 0);
	assert_int_equal(n, 5);
	assert_int_equal(statements(db), 0);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_same_words_are_prepared_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failure_is_told_each_time, setup, teardown),
		cmocka_unit_test_setup_teardown(one_in_use_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(so_many_are_kept_and_no_more, setup, teardown),
		cmocka_unit_test(others_keep_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
