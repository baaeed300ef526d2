/*
 * The telemetry store on a disk that fails: call number k of one kind does, then all is
 * well again, then the power goes.  What was acknowledged is there, once; nothing is gone on
 * with through a handle that failed; no restart is needed.
 */
#include "store_kit.h"

#include "folder.h"
#include "shim.h"

#define SYNCS  200u /* k of F-S7; a batch is a commit, a commit a sync */
#define WRITES 60u

/* Ingest's writer and an agent: what was not committed comes again. */
static bool
try_put(struct ctx *c, uint64_t i)
{
	struct bl_err err = { 0 };
	int rc = store_begin(c->s, &err);

	if (rc < 0)
		return false;
	rc = put_minute(c, i);
	if (rc < 0) {
		store_rollback(c->s);
		return false;
	}
	assert_true(rc == STORE_NEW || rc == STORE_DUPLICATE);
	return store_commit(c->s, &err) == BL_OK;
}

/* One group after the other, each until it is in; returns how many attempts failed. */
static unsigned
deliver(struct ctx *c, uint64_t from, uint64_t to)
{
	unsigned failed = 0;

	for (uint64_t i = from; i < to; i++)
		while (!try_put(c, i)) {
			failed++;
			assert_true(failed < 100);
		}
	return failed;
}

static void
check_all_there(struct ctx *c, uint64_t n)
{
	sqlite3_stmt *st;
	sqlite3 *db;

	assert_int_equal(totals(c).batches, n);
	assert_int_equal(sqlite3_open(c->path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_string_equal(sqlite3_column_text(st, 0), "ok");
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	begin(c);
	assert_int_equal(receipt(c).stream[2].contiguous, n);
	store_rollback(c->s);
}

static void
open_again(struct ctx *c)
{
	const struct store_opts opts = { .path = c->path, .clock = &c->clock.clock };
	struct bl_err err = { 0 };
	int rc;

	/* Before the close, which would write everything anew. */
	store_read_close(c->r);
	c->r = NULL;
	shim_power_cut(c->folder, SHIM_LOSE_ALL);
	store_close(c->s);
	c->s = NULL;
	must(rc = store_open(&c->s, &opts, &err), &err);
	/* The mark is no file of SQLite's: it was never lost, and must not be ahead. */
	assert_int_equal(rc, STORE_OPENED);
	must(store_read_open(&c->r, c->path, &c->clock.clock, &err), &err);
}

/* False: the workload has no k-th operation of that kind. */
static bool
survives(enum shim_fault kind, uint64_t k, uint64_t count, uint64_t batches)
{
	struct shim_plan plan = { .kind = kind, .at_op = k, .count = count };
	struct ctx *c;
	void *state = NULL;
	bool fired;

	shim_vfs_install(k);
	assert_int_equal(setup(&state), 0);
	c = state;
	/*
	 * Alone, the store finds the log as it lies there when it opens it again: with what the
	 * failed commit had written.  A reader keeps the log's index, and with it the end before.
	 */
	if (k % 2 == 1) {
		store_read_close(c->r);
		c->r = NULL;
	}
	plan.below = c->folder;
	shim_plan(&plan);
	(void)deliver(c, 0, batches);
	fired = shim_fired();
	shim_plan(NULL);
	/* What is put behind the failed place must not go with it. */
	assert_int_equal(deliver(c, batches, batches + 3), 0);
	open_again(c);
	check_all_there(c, batches + 3);
	(void)teardown(&state);
	shim_vfs_uninstall();
	return fired;
}

/*
 * The same for reads, which a store has at its start: as often as it is started, a sound file is
 * not taken for a damaged one.
 */
static bool
survives_reads(uint64_t k)
{
	struct shim_plan plan = { .kind = SHIM_READ_EIO, .at_op = k };
	struct store_opts opts;
	struct ctx *c;
	void *state = NULL;
	bool fired;
	int rc = -1;

	shim_vfs_install(k);
	assert_int_equal(setup(&state), 0);
	c = state;
	opts = (struct store_opts){ .path = c->path, .clock = &c->clock.clock };
	assert_int_equal(deliver(c, 0, WRITES), 0);
	store_read_close(c->r);
	c->r = NULL;
	store_close(c->s);
	c->s = NULL;
	plan.below = c->folder;
	shim_plan(&plan);
	for (int i = 0; i < 3 && rc < 0; i++) {
		struct bl_err err = { 0 };

		rc = store_open(&c->s, &opts, &err);
	}
	assert_int_equal(rc, STORE_OPENED);
	(void)deliver(c, WRITES, WRITES + 10);
	fired = shim_fired();
	shim_plan(NULL);
	assert_int_equal(deliver(c, WRITES + 10, WRITES + 13), 0);
	open_again(c);
	check_all_there(c, WRITES + 13);
	(void)teardown(&state);
	shim_vfs_uninstall();
	return fired;
}

static void
reads_that_fail_are_no_damage(void **state)
{
	unsigned k = 1;

	(void)state;
	while (survives_reads(k))
		k++;
	print_message("read EIO: k = 1..%u\n", k - 1);
	assert_true(k > 20);
}

/* k = 1, 1 + step ... up to 200, as far as there are so many. */
static void
every(
    enum shim_fault kind, uint64_t count, unsigned usual_step, uint64_t batches, unsigned at_least)
{
	const unsigned step = getenv("BL_LONG") != NULL ? 1 : usual_step;
	unsigned k = 1;

	while (k <= 200 && survives(kind, k, count, batches))
		k += step;
	print_message("%s, %u in a row: k = 1..%u, every %u.\n", shim_fault_name(kind),
	    (unsigned)count, k, step);
	assert_true(k >= at_least);
}

static void
a_failed_sync_is_never_believed(void **state)
{
	(void)state;
	every(SHIM_SYNC_EIO, 1, 9, SYNCS, 200);
}

static void
syncs_that_fail_in_a_row_hold_up_and_lose_nothing(void **state)
{
	(void)state;
	every(SHIM_SYNC_EIO, 5, 33, SYNCS, 200);
}

static void
writes_that_fail_lose_nothing(void **state)
{
	(void)state;
	every(SHIM_EIO, 1, 11, WRITES, 100);
	every(SHIM_ENOSPC, 3, 11, WRITES, 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failed_sync_is_never_believed),
		cmocka_unit_test(syncs_that_fail_in_a_row_hold_up_and_lose_nothing),
		cmocka_unit_test(writes_that_fail_lose_nothing),
		cmocka_unit_test(reads_that_fail_are_no_damage),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
