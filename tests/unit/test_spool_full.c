/* Damage and a full disk at once, ledgers that a damaged file had not told, files of before. */
#include "spool_kit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>
#include <zlib.h>

#include "shim.h"

static int
setup(void **state)
{
	shim_vfs_install(20261128);
	return kit_setup(state);
}

static int
teardown(void **state)
{
	const int rc = kit_teardown(state);

	shim_vfs_uninstall();
	return rc;
}

/* 30 ticks in 10 batches of which the centre has none, 3 open ones, and a gap that nobody was told.
 */
static void
fill(struct kit *k)
{
	struct bl_err err = { 0 };
	const struct bl_gap gap = { .reason = BL_GAP_OVERLOAD,
		.stream = BL_STREAM_PROBES,
		.begin_boot = k->opts.boot,
		.begin_boot_ms = 1,
		.end_boot = k->opts.boot,
		.end_boot_ms = 2,
		.samples = 77 };

	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 10; i++) {
		for (int j = 0; j < 3; j++)
			kit_tick(k, BL_STREAM_HOST);
		kit_cut_all(k);
	}
	for (int j = 0; j < 3; j++)
		kit_tick(k, BL_STREAM_HOST);
	assert_int_equal(spool_gap(k->s, &gap, &err), BL_OK);
	kit_commit(k);
}

/* The first page: SQLite cannot even open it. */
static void
hurt(const struct kit *k)
{
	char junk[100];
	int fd = open(k->path, O_RDWR);

	assert_true(fd >= 0);
	memset(junk, 0xa5, sizeof(junk));
	assert_int_equal(pwrite(fd, junk, sizeof(junk), 0), sizeof(junk));
	assert_int_equal(close(fd), 0);
}

static void
all_came(struct kit *k, struct centre *c)
{
	kit_tick(k, BL_STREAM_HOST);
	kit_cut_all(k);
	centre_drain(c, k);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, k->appended[2]);
	assert_int_equal(centre_lost(c, BL_STREAM_HOST, BL_GAP_DAMAGED), 0);
	assert_int_equal(centre_lost(c, BL_STREAM_PROBES, BL_GAP_OVERLOAD), 77);
	assert_int_equal(c->conflicts, 0);
}

/* One bad page, and nothing of the rest is lost: batches, open samples, ledger. */
static void
the_first_page_costs_nothing_else(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct spool_recovery r;

	fill(k);
	kit_close(k);
	hurt(k);
	kit_open(k, SPOOL_REPLACED);
	kit_salvage(k);
	spool_recovery(k->s, &r);
	assert_int_equal(r.samples, 3 * KIT_SERIES);
	all_came(k, c);
	free(c);
}

/* The disk is full when the new file is to be made, at any of its operations: tried again, nothing
 * is forgotten. */
static void
damage_on_a_full_disk_waits_and_goes_on(void **state)
{
	bool fired = true;

	(void)state;
	for (uint64_t nth = 1; fired; nth += nth < 12 ? 1 : 7) {
		const struct shim_plan plan = { .kind = SHIM_ENOSPC, .at_op = nth, .count = 5 };
		struct bl_err err = { 0 };
		struct centre *c;
		struct kit *k;
		int rc;

		shim_vfs_install(nth);
		assert_int_equal(kit_setup((void **)&k), 0);
		c = centre_new(k);
		fill(k);
		kit_close(k);
		hurt(k);
		shim_plan(&plan);
		rc = spool_open(&k->s, &k->opts, &err);
		fired = shim_fired();
		shim_plan(NULL);
		if (rc < 0) /* its service manager starts it again */
			rc = spool_open(&k->s, &k->opts, &err);
		if (rc < 0)
			fail_msg("operation %llu: %s", (unsigned long long)nth, err.msg);
		kit_declare(k);
		all_came(k, c);
		free(c);
		kit_teardown((void **)&k);
		shim_vfs_uninstall();
	}
}

/* While it runs: what comes meanwhile waits in memory. */
static void
damage_found_on_a_full_disk_while_running(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	const struct shim_plan full = { .kind = SHIM_ENOSPC, .at_op = 1, .count = 6 };
	struct bl_err err = { 0 };
	uint64_t lost;
	int rc = -1;

	fill(k);
	/* From outside, past SQLite's cache: every page but what the log has. */
	kit_close(k);
	kit_open(k, SPOOL_OPENED);
	hurt(k);
	for (int i = 0; i < 40 && !spool_damaged(k->s); i++) {
		struct bl_hello h;

		kit_tick(k, BL_STREAM_HOST);
		if (spool_commit(k->s, &lost, &err) == BL_OK)
			k->accepted[2] = k->appended[2];
		(void)spool_hello(k->s, &h, &err);
		if (i == 5) {
			kit_crash(k); /* the next process meets it */
			break;
		}
	}
	shim_plan(&full);
	for (int i = 0; i < 20 && rc < 0; i++)
		rc = k->s == NULL ? spool_open(&k->s, &k->opts, &err) : spool_replace(k->s, &err);
	shim_plan(NULL);
	assert_true(rc >= 0);
	kit_declare(k);
	k->appended[2] = k->accepted[2];
	kit_salvage(k);
	all_came(k, c);
	free(c);
}

/* ---- a file of version 1 ---- */

static void
old_crc(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	(void)n;
	sqlite3_result_int64(
	    ctx, (int64_t)crc32_z(0, sqlite3_value_blob(v[0]), (size_t)sqlite3_value_bytes(v[0])));
}

static void
a_file_of_version_1_goes_on(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	sqlite3 *db;

	fill(k);
	kit_close(k);
	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_create_function(db, "old_crc", 1, SQLITE_UTF8, NULL, old_crc, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db,
		"ALTER TABLE state DROP COLUMN seal;ALTER TABLE state DROP COLUMN layout;"
		"ALTER TABLE spool_gen DROP COLUMN aside;"
		"ALTER TABLE spool_gen DROP COLUMN page;"
		"ALTER TABLE spool_gen DROP COLUMN end_boot;"
		"ALTER TABLE spool_gen DROP COLUMN end_ms;"
		"UPDATE open SET crc=old_crc(data);DROP TABLE trimmed;"
		"PRAGMA user_version=1",
		NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	kit_open(k, SPOOL_OPENED);
	all_came(k, c);
	kit_close(k);
	kit_open(k, SPOOL_OPENED); /* sealed now */
	free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(the_first_page_costs_nothing_else),
		cmocka_unit_test(damage_on_a_full_disk_waits_and_goes_on),
		T(damage_found_on_a_full_disk_while_running),
		T(a_file_of_version_1_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
