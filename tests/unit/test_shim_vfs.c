/*
 * The shim's model of the disk, by a database that is as small as can be: what
 * SQLite promises under synchronous=FULL holds at every cut, and what it does
 * not promise under less is seen to be lost.  A model that loses nothing would
 * prove nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "folder.h"
#include "shim.h"

#define ROWS 12

struct disk {
	char dir[FOLDER_MAX], below[FOLDER_MAX + 1], path[FOLDER_MAX + 16];
};

static int
setup(void **state)
{
	struct disk *d = calloc(1, sizeof(*d));

	folder_make(d->dir, "shim");
	(void)snprintf(d->below, sizeof(d->below), "%s/", d->dir);
	(void)snprintf(d->path, sizeof(d->path), "%s/t.db", d->dir);
	shim_vfs_install(1);
	*state = d;
	return 0;
}

static int
teardown(void **state)
{
	struct disk *d = *state;

	shim_vfs_uninstall();
	folder_remove(d->dir);
	free(d);
	return 0;
}

static void
start_over(struct disk *d)
{
	shim_plan(NULL);
	folder_remove(d->dir);
	shim_power_cut(d->below, SHIM_LOSE_NONE); /* so that the shim forgets them */
	folder_make(d->dir, "shim");
	(void)snprintf(d->below, sizeof(d->below), "%s/", d->dir);
	(void)snprintf(d->path, sizeof(d->path), "%s/t.db", d->dir);
}

static sqlite3 *
db_open(const char *path, const char *pragmas)
{
	sqlite3 *db = NULL;

	if (sqlite3_open(path, &db) == SQLITE_OK)
		(void)sqlite3_exec(db, pragmas, NULL, NULL, NULL);
	return db;
}

/* A number from SQL; -1: an error. */
static int
number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int n = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int(st, 0);
	(void)sqlite3_finalize(st);
	return n;
}

static bool
is_sound(sqlite3 *db)
{
	return number(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1;
}

/*
 * Rows 1, 2, 3 ... each a transaction of several pages, a checkpoint now and
 * then.  Returns how many were said to be there.
 */
static int
write_rows(sqlite3 *db)
{
	char sql[200];
	int n = 0;

	if (sqlite3_exec(db, "CREATE TABLE t(n INTEGER PRIMARY KEY, x BLOB)", NULL, NULL, NULL) !=
	    SQLITE_OK)
		return 0;
	for (int i = 1; i <= ROWS; i++) {
		(void)snprintf(sql, sizeof(sql), "INSERT INTO t VALUES(%d, randomblob(6000))", i);
		if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
			break;
		n = i;
		if (i % 5 == 0)
			(void)sqlite3_wal_checkpoint_v2(
			    db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	}
	return n;
}

struct outcome {
	unsigned cuts, lost, damaged, invented;
};

/* Power goes at the nth operation.  False: the work ended before. */
static bool
cut_once(struct disk *d, const char *pragmas, enum shim_fault kind, enum shim_loss how,
    uint64_t nth, struct outcome *o)
{
	const struct shim_plan plan = { .kind = kind, .at_op = nth };
	int said, found;
	sqlite3 *db;
	bool fired;

	start_over(d);
	shim_plan(&plan);
	db = db_open(d->path, pragmas);
	said = write_rows(db);
	fired = shim_fired();
	assert_int_equal(shim_power_is_off(), fired);
	shim_power_cut(d->below, how);
	(void)sqlite3_close(db); /* of the dead machine: changes nothing */
	shim_plan(NULL);

	db = db_open(d->path, pragmas);
	found = number(db, "SELECT count(*) FROM t");
	o->cuts += fired;
	if (!is_sound(db))
		o->damaged++;
	else if (found < said && !(found < 0 && said == 0))
		o->lost++;
	else if (found > said + 1)
		o->invented++;
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return fired;
}

static struct outcome
cut_everywhere(struct disk *d, const char *pragmas, enum shim_fault kind)
{
	struct outcome o = { 0 };

	const unsigned many = rounds(1, 12);

	for (int how = 0; how < SHIM_LOSSES; how++)
		for (unsigned times = 0; times < many; times++) {
			uint64_t nth = 1;

			shim_vfs_install(1000u * (unsigned)how + times);
			while (cut_once(d, pragmas, kind, (enum shim_loss)how, nth, &o))
				nth++;
			assert_true(nth > 30);
		}
	print_message("%s, %s: %u cuts, %u lost, %u damaged\n", pragmas, shim_fault_name(kind),
	    o.cuts, o.lost, o.damaged);
	return o;
}

static void
full_survives_every_cut(void **state)
{
	static const char *const pragmas[] = {
		"PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL",
		"PRAGMA journal_mode=DELETE;PRAGMA synchronous=EXTRA",
	};
	static const enum shim_fault kinds[] = { SHIM_CUT, SHIM_TEAR };

	for (int p = 0; p < 2; p++)
		for (int k = 0; k < 2; k++) {
			const struct outcome o = cut_everywhere(*state, pragmas[p], kinds[k]);

			assert_int_equal(o.lost + o.damaged + o.invented, 0);
		}
}

static void
normal_loses_rows_but_not_the_file(void **state)
{
	const struct outcome o =
	    cut_everywhere(*state, "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL", SHIM_CUT);

	assert_true(o.lost > 10);
	assert_int_equal(o.damaged, 0);
}

static void
off_loses_rows_and_files(void **state)
{
	const struct outcome o =
	    cut_everywhere(*state, "PRAGMA journal_mode=WAL;PRAGMA synchronous=OFF", SHIM_CUT);

	assert_true(o.lost > 10);
	assert_true(o.damaged > 0);
}

static void
a_kill_loses_nothing_even_so(void **state)
{
	struct outcome o = { 0 };
	uint64_t nth = 1;

	while (cut_once(*state, "PRAGMA journal_mode=WAL;PRAGMA synchronous=OFF", SHIM_CUT,
	    SHIM_LOSE_NONE, nth, &o))
		nth++;
	assert_int_equal(o.lost + o.damaged, 0);
}

#define FULL "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL"

static void
a_lying_sync_is_found_out_by_the_cut(void **state)
{
	const struct shim_plan plan = { .kind = SHIM_SYNC_LIES, .at_op = 1, .count = 1000000 };
	struct disk *d = *state;
	sqlite3 *db;

	shim_plan(&plan);
	db = db_open(d->path, FULL);
	assert_int_equal(write_rows(db), ROWS);
	assert_true(shim_fired());
	shim_power_cut(d->below, SHIM_LOSE_ALL);
	(void)sqlite3_close(db);
	assert_int_not_equal(access(d->path, F_OK), 0);
}

/*
 * Rows 1 and 2; the sync of 2 fails; then the log is copied by a checkpoint, or
 * not; row 3, or not; the power is cut.
 */
static int
rows_after_failed_sync(struct disk *d, bool rewrite, bool commit_again)
{
	const struct shim_plan plan = { .kind = SHIM_SYNC_EIO, .at_op = 1 };
	sqlite3 *db;
	int n;

	start_over(d);
	db = db_open(d->path, FULL);
	assert_int_equal(
	    sqlite3_exec(db, "CREATE TABLE t(n);INSERT INTO t VALUES(1)", NULL, NULL, NULL),
	    SQLITE_OK);
	shim_plan(&plan);
	assert_int_not_equal(
	    sqlite3_exec(db, "INSERT INTO t VALUES(2)", NULL, NULL, NULL), SQLITE_OK);
	assert_true(shim_fired());
	shim_plan(NULL);
	/* As if the machine had been restarted: the log in the cache is taken for committed. */
	shim_power_cut(d->below, SHIM_LOSE_NONE);
	(void)sqlite3_close(db);
	db = db_open(d->path, FULL);
	assert_int_equal(number(db, "SELECT count(*) FROM t"), 2);
	if (rewrite)
		assert_int_equal(
		    sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL),
		    SQLITE_OK);
	if (commit_again)
		assert_int_equal(
		    sqlite3_exec(db, "INSERT INTO t VALUES(3)", NULL, NULL, NULL), SQLITE_OK);
	shim_power_cut(d->below, SHIM_LOSE_ALL);
	(void)sqlite3_close(db);
	db = db_open(d->path, FULL);
	assert_true(is_sound(db));
	n = number(db, "SELECT count(*) FROM t");
	(void)sqlite3_close(db);
	return n;
}

static void
what_a_failed_sync_carried_needs_to_be_written_anew(void **state)
{
	/* The next commit's sync succeeds; what lay before it in the log is gone all the same. */
	assert_int_equal(rows_after_failed_sync(*state, false, true), 1);
	/* In the main file it would be safe, but the old log is still on the platter and wins. */
	assert_int_equal(rows_after_failed_sync(*state, true, false), 1);
	assert_int_equal(rows_after_failed_sync(*state, true, true), 3);
}

static void
the_machine_that_died_changes_nothing(void **state)
{
	struct disk *d = *state;
	sqlite3 *old = db_open(d->path, FULL), *db;

	assert_int_equal(write_rows(old), ROWS);
	shim_power_cut(d->below, SHIM_LOSE_ALL);
	assert_int_equal(number(old, "SELECT count(*) FROM t"), -1);
	db = db_open(d->path, FULL);
	assert_int_equal(number(db, "SELECT count(*) FROM t"), ROWS);
	assert_int_not_equal(sqlite3_exec(old, "DELETE FROM t", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(old);
	assert_int_equal(
	    sqlite3_exec(db, "INSERT INTO t VALUES(99, NULL)", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(number(db, "SELECT count(*) FROM t"), ROWS + 1);
	assert_true(is_sound(db));
	(void)sqlite3_close(db);
}

static void
only_the_files_below_stop(void **state)
{
	struct disk *d = *state;
	char folder[FOLDER_MAX + 8], path[FOLDER_MAX + 16];
	const struct shim_plan plan = { .kind = SHIM_CUT, .at_op = 20, .below = folder };
	sqlite3 *a, *b = db_open(d->path, FULL);

	(void)snprintf(folder, sizeof(folder), "%s/other", d->dir);
	(void)snprintf(path, sizeof(path), "%s.db", folder);
	shim_plan(&plan);
	a = db_open(path, FULL);
	assert_true(write_rows(a) < ROWS);
	assert_true(shim_power_is_off());
	assert_non_null(strstr(shim_fired_at(), "other"));
	assert_int_equal(write_rows(b), ROWS);
	(void)sqlite3_close(a);
	(void)sqlite3_close(b);
}

static void
every_error_is_told_and_leaves_the_file_sound(void **state)
{
	static const enum shim_fault kinds[] = { SHIM_EIO, SHIM_ENOSPC, SHIM_SYNC_EIO,
		SHIM_READ_EIO };
	struct disk *d = *state;

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		for (uint64_t nth = 1;; nth++) {
			const struct shim_plan plan = { .kind = kinds[k], .at_op = nth };
			sqlite3 *db;
			bool fired;

			start_over(d);
			shim_plan(&plan);
			db = db_open(d->path, FULL);
			(void)write_rows(db);
			fired = shim_fired();
			(void)sqlite3_close(db);
			shim_plan(NULL);
			db = db_open(d->path, FULL);
			assert_true(is_sound(db));
			(void)sqlite3_close(db);
			if (!fired)
				break;
		}
}

/* The bytes that a cut leaves, added up. */
static uint64_t
bytes_after_cut(struct disk *d, uint64_t seed)
{
	static const char *const suffix[] = { "", "-wal" };
	const struct shim_plan plan = { .kind = SHIM_CUT, .at_op = 60 };
	uint64_t sum = 0;
	sqlite3 *db;

	start_over(d);
	shim_vfs_install(seed);
	shim_plan(&plan);
	db = db_open(d->path, "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL");
	(void)write_rows(db);
	shim_power_cut(d->below, SHIM_TEAR_SOME);
	(void)sqlite3_close(db);
	for (int i = 0; i < 2; i++) {
		char name[FOLDER_MAX + 32];
		FILE *f;

		(void)snprintf(name, sizeof(name), "%s%s", d->path, suffix[i]);
		if ((f = fopen(name, "r")) == NULL)
			continue;
		for (int c; (c = fgetc(f)) != EOF;)
			sum = sum * 31 + (uint64_t)c;
		(void)fclose(f);
	}
	return sum;
}

static void
a_seed_decides_everything(void **state)
{
	const uint64_t a = bytes_after_cut(*state, 7), b = bytes_after_cut(*state, 7);

	assert_true(a == b);
	assert_true(bytes_after_cut(*state, 8) != a);
}

static void
nothing_is_remembered_for_ever(void **state)
{
	struct disk *d = *state;
	sqlite3 *db;

	for (int i = 0; i < 20; i++) {
		db = db_open(d->path, FULL);
		(void)write_rows(db);
		(void)sqlite3_close(db);
		assert_true(shim_files() <= 3);
	}
	shim_power_cut(d->below, SHIM_LOSE_NONE);
	assert_int_equal(shim_files(), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(full_survives_every_cut),
		CASE(normal_loses_rows_but_not_the_file),
		CASE(off_loses_rows_and_files),
		CASE(a_kill_loses_nothing_even_so),
		CASE(a_lying_sync_is_found_out_by_the_cut),
		CASE(what_a_failed_sync_carried_needs_to_be_written_anew),
		CASE(the_machine_that_died_changes_nothing),
		CASE(only_the_files_below_stop),
		CASE(every_error_is_told_and_leaves_the_file_sound),
		CASE(a_seed_decides_everything),
		CASE(nothing_is_remembered_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
