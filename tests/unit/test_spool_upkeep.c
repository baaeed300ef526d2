/* Upkeep that meets a failure half-way: salvage, trimming, answers about former ids, upgrades. */
#include "spool_kit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "branchline/fault.h"

#include "shim.h"

#define BATCHES 20

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

static void
batches(struct kit *k, int n)
{
	for (int i = 0; i < n; i++) {
		for (int j = 0; j < 3; j++)
			kit_tick(k, BL_STREAM_HOST);
		kit_cut_all(k);
	}
}

/* The first page: SQLite cannot even open the file, and all that matters is in the others. */
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

/* A damaged file with batches that the centre has not, and open rows; nothing is declared yet. */
static void
replaced(struct kit *k)
{
	struct bl_err err = { 0 };

	kit_open(k, SPOOL_CREATED);
	batches(k, BATCHES);
	for (int j = 0; j < 3; j++)
		kit_tick(k, BL_STREAM_HOST);
	kit_commit(k);
	kit_close(k);
	hurt(k);
	assert_int_equal(spool_open(&k->s, &k->opts, &err), SPOOL_REPLACED);
}

static int64_t
number(const struct kit *k, const char *sql)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	int64_t n;

	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return n;
}

static struct spool_status
status(struct kit *k)
{
	struct bl_err err = { 0 };
	struct spool_status st;

	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	return st;
}

/* The names of the host series in the opposite order: all ids differ from those of before. */
static void
declare_others(struct kit *k)
{
	struct bl_err err = { 0 };

	for (unsigned j = 0; j < KIT_SERIES; j++) {
		char label[8];
		uint32_t id;
		struct bl_series_def def = {
			.stream = BL_STREAM_HOST,
			.kind = BL_GAUGE,
			.interval_ms = 1000,
			.name = { "cpu_used_pct", 12 },
			.unit = { "1", 1 },
			.n_labels = 1,
			.label[0].key = { "k", 1 },
		};

		(void)snprintf(label, sizeof(label), "%u", KIT_SERIES - 1 - j);
		def.label[0].value = (struct bl_str){ label, strlen(label) };
		assert_int_equal(spool_series(k->s, &def, &id, &err), BL_OK);
	}
}

/*
 * The commit of the names fails when the last page has been looked at; the next
 * slice goes on; a death before the names are in the file.  What came over must
 * not carry ids that others get.
 */
static void
no_batch_comes_over_before_its_names(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	bool more;

	replaced(k);
	assert_true(bl_fault_arm("spool.commit.before", 1));
	assert_int_equal(spool_trim(k->s, &more, &err), BL_EIO);
	bl_fault_disarm();
	assert_int_equal(number(k, "SELECT count(*) FROM dict"), 0);
	assert_int_equal(spool_trim(k->s, &more, &err), BL_OK);
	assert_true(more);
	kit_crash(k);
	assert_true(spool_open(&k->s, &k->opts, &err) >= 0);
	declare_others(k);
	kit_declare(k);
	kit_tick(k, BL_STREAM_HOST);
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, k->appended[2]);
	assert_int_equal(c->conflicts, 0);
	free(c);
}

/* Offers and receipts, without the recovery that centre_drain waits for. */
static void
deliver(struct kit *k, struct centre *c)
{
	const struct spool_want want = { .live = true, .past_bytes = 65536, .max_frames = 8 };
	struct spool_frame frames[8];
	struct bl_err err = { 0 };
	struct bl_receipt r;
	unsigned n = 1;
	bool hello;

	centre_handshake(c, k);
	while (n > 0) {
		struct spool_want now = want;

		centre_receipt(c, (struct bl_id[]){ status(k).spool }, false, &r);
		now.dict_known = r.dict_version;
		now.clock_known = r.clock_version;
		assert_int_equal(spool_offer(k->s, &now, frames, &n, &err), BL_OK);
		for (unsigned i = 0; i < n; i++) {
			centre_take(c, &frames[i]);
			bl_buf_free(&frames[i].msg);
		}
		centre_receipt(c, (struct bl_id[]){ status(k).spool }, false, &r);
		assert_int_equal(spool_on_receipt(k->s, &r, &hello, &err), SPOOL_ANSWER_OK);
	}
}

/* A recovery that cannot go on, turn after turn: what is too old goes all the same. */
static void
a_failing_recovery_keeps_nobody_from_trimming(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	bool more;

	replaced(k);
	kit_declare(k);
	kit_tick(k, BL_STREAM_HOST);
	kit_cut_all(k);
	deliver(k, c);
	assert_int_equal(status(k).stream[2].waiting_batches, 0);
	assert_int_equal(status(k).stream[2].held_batches, 1);
	assert_int_equal(spool_trim(k->s, &more, &err), BL_OK); /* all pages are looked at */
	kit_pass(&k->time, 73 * 3600 * INT64_C(1000));
	assert_true(bl_fault_arm("spool.commit.before", 1));
	assert_int_equal(spool_trim(k->s, &more, &err), BL_EIO);
	bl_fault_disarm();
	assert_non_null(strstr(err.msg, "made to fail"));
	assert_int_equal(status(k).stream[2].held_batches, 0);
	kit_salvage(k);
	free(c);
}

/* ---- answers with much to do ---- */

static int64_t step_ms;

static int64_t
slow_mono_ms(void *ctx)
{
	struct kit_clock *c = ctx;

	kit_pass(c, step_ms);
	return c->mono_ms;
}

#define FORMER "SELECT count(*) FROM batch WHERE id>>50<(SELECT gen FROM state)"

static void
an_answer_about_a_former_id_takes_no_longer_than_it_may(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	struct bl_receipt r;
	struct bl_hello h;
	bool more = true;
	int64_t left, before;

	replaced(k);
	kit_declare(k);
	kit_salvage(k);
	assert_int_equal(spool_hello(k->s, &h, &err), BL_OK);
	assert_false(bl_id_equal(&h.spool, (struct bl_id[]){ status(k).spool }));
	centre_receipt(c, &h.spool, true, &r);
	before = number(k, FORMER);
	k->time.clock.mono_ms = slow_mono_ms;
	step_ms = 1000;
	assert_int_equal(spool_on_answer(k->s, &r, &err), SPOOL_ANSWER_ROLLED_BACK);
	step_ms = 0;
	left = number(k, FORMER);
	assert_true(left > 0 && left < before);
	while (more)
		assert_int_equal(spool_trim(k->s, &more, &err), BL_OK);
	assert_int_equal(number(k, FORMER), 0);
	kit_tick(k, BL_STREAM_HOST);
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, k->appended[2]);
	free(c);
}

/* In turns: every hello asks about the former id again, until nothing of it is left. */
static void
a_refused_former_id_is_given_up_in_turns(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	struct bl_receipt r;
	struct bl_hello h;
	unsigned turns = 0;

	replaced(k);
	kit_declare(k);
	kit_salvage(k);
	k->time.clock.mono_ms = slow_mono_ms;
	step_ms = 600;
	for (;; turns++) {
		assert_int_equal(spool_hello(k->s, &h, &err), BL_OK);
		if (bl_id_equal(&h.spool, (struct bl_id[]){ status(k).spool }))
			break;
		assert_true(turns < BATCHES + 2);
		centre_receipt(c, &h.spool, true, &r);
		r.verdict = BL_VERDICT_CONFLICT;
		assert_int_equal(spool_on_answer(k->s, &r, &err), SPOOL_ANSWER_ROLLED_BACK);
	}
	step_ms = 0;
	assert_in_range(turns, 3, BATCHES);
	assert_int_equal(number(k, FORMER), 0);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	assert_int_equal(
	    centre_lost(c, BL_STREAM_HOST, BL_GAP_DAMAGED), k->appended[2] * KIT_SERIES);
	free(c);
}

/* The centre knows seqs from where the open rows begin: they are named in turns, too. */
static void
rows_that_may_be_there_are_dropped_in_turns(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	struct bl_receipt r;
	struct bl_hello h;
	unsigned turns = 0;
	int64_t before;

	kit_open(k, SPOOL_CREATED);
	batches(k, 1);
	for (int j = 0; j < 6000; j++) {
		kit_tick(k, BL_STREAM_HOST);
		if (j % 100 == 0)
			kit_commit(k);
	}
	kit_commit(k);
	kit_close(k);
	hurt(k);
	kit_open(k, SPOOL_REPLACED);
	kit_salvage(k);
	before = number(k, FORMER);
	assert_true(before >= 3);
	k->time.clock.mono_ms = slow_mono_ms;
	step_ms = 3000;
	for (;; turns++) {
		assert_int_equal(spool_hello(k->s, &h, &err), BL_OK);
		if (bl_id_equal(&h.spool, (struct bl_id[]){ status(k).spool }))
			break;
		assert_true((int64_t)turns <= before);
		centre_receipt(c, &h.spool, true, &r);
		r.stream[2].contiguous = 2; /* seq 2: of another life of the file */
		assert_int_equal(spool_on_answer(k->s, &r, &err), SPOOL_ANSWER_ROLLED_BACK);
	}
	step_ms = 0;
	assert_true(turns >= 2);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	assert_int_equal(centre_lost(c, BL_STREAM_HOST, BL_GAP_DAMAGED), 6000 * KIT_SERIES);
	free(c);
}

/* ---- an upgrade on a full disk ---- */

static void
age_to_version_1(struct kit *k)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db,
		"ALTER TABLE state DROP COLUMN seal;ALTER TABLE state DROP COLUMN layout;"
		"ALTER TABLE spool_gen DROP COLUMN aside;"
		"ALTER TABLE spool_gen DROP COLUMN page;"
		"ALTER TABLE spool_gen DROP COLUMN end_boot;"
		"ALTER TABLE spool_gen DROP COLUMN end_ms;"
		"DELETE FROM open;DROP TABLE trimmed;PRAGMA user_version=1",
		NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Host batches 1..n are neither held nor vanished. */
static void
assert_trimmed(struct kit *k, uint64_t n)
{
	struct bl_question q = { .spool = status(k).spool };
	struct bl_err err = { 0 };
	struct bl_gone gone;

	assert_true(bl_ranges_add(&q.need[2], 1, n));
	if (spool_on_question(k->s, &q, &gone, &err) != SPOOL_ANSWER_OK)
		fail_msg("question: %s", err.msg);
	assert_int_equal(gone.n, 1);
	assert_int_equal(gone.gone[0].range.first, 1);
	assert_int_equal(gone.gone[0].range.last, n);
	assert_int_equal(gone.gone[0].reason, BL_GAP_LOST_AT_CENTRE);
}

static void
trim_all(struct kit *k)
{
	struct bl_err err = { 0 };
	bool more = true;

	while (more)
		if (spool_trim(k->s, &more, &err) != BL_OK)
			fail_msg("trim: %s", err.msg);
}

#define TABLE "SELECT count(*) FROM sqlite_schema WHERE name='trimmed'"

/* Whatever did not fit: the file is sound, is gone on with, and gets its table later. */
static void
an_upgrade_on_a_full_disk_leaves_a_sound_file(void **state)
{
	unsigned without = 0;
	bool fired = true;

	(void)state;
	for (uint64_t nth = 1; fired; nth++) {
		const struct shim_plan plan = {
			.kind = SHIM_ENOSPC, .at_op = nth, .count = 100000
		};
		struct bl_err err = { 0 };
		struct centre *c;
		struct kit *k;
		bool more;
		int rc;

		shim_vfs_install(nth);
		assert_int_equal(kit_setup((void **)&k), 0);
		c = centre_new(k);
		kit_open(k, SPOOL_CREATED);
		batches(k, 5);
		centre_drain(c, k);
		kit_pass(&k->time, 73 * 3600 * INT64_C(1000));
		trim_all(k);
		assert_int_equal(status(k).stream[2].held_batches, 0);
		batches(k, 3);
		centre_drain(c, k);
		kit_close(k);
		age_to_version_1(k);
		shim_plan(&plan);
		rc = spool_open(&k->s, &k->opts, &err);
		fired = shim_fired();
		if (rc < 0) { /* of the older version still; tried again */
			shim_plan(NULL);
			rc = spool_open(&k->s, &k->opts, &err);
		}
		if (rc != SPOOL_OPENED)
			fail_msg("operation %llu: %d %s", (unsigned long long)nth, rc, err.msg);
		without += number(k, TABLE) == 0;
		kit_pass(&k->time, 73 * 3600 * INT64_C(1000));
		(void)spool_trim(k->s, &more, &err);
		assert_false(spool_damaged(k->s));
		shim_plan(NULL);
		assert_trimmed(k, 5);
		/* Made within a transaction that is taken back, and again. */
		assert_true(bl_fault_arm("spool.commit.before", 1));
		(void)spool_trim(k->s, &more, &err);
		bl_fault_disarm();
		trim_all(k);
		assert_int_equal(status(k).stream[2].held_batches, 0);
		assert_int_equal(number(k, TABLE), 1);
		assert_trimmed(k, 8);
		kit_close(k);
		kit_open(k, SPOOL_OPENED);
		assert_trimmed(k, 8);
		free(c);
		kit_teardown((void **)&k);
		shim_vfs_uninstall();
	}
	assert_true(without > 0);
}

static int64_t
log_file_bytes(const struct kit *k)
{
	char path[128];
	struct stat st = { 0 };

	(void)snprintf(path, sizeof(path), "%s-wal", k->path);
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/*
 * The log grows as long as the cap allows, so that pages which change again and again are written
 * to the file seldom. Upkeep works it off at 512 KiB; what commits without it, as here, at 640.
 */
static void
the_log_is_worked_off_as_late_as_the_cap_allows(void **state)
{
	static const struct {
		int64_t cap_kib, log_kib;
	} row[] = { { 1024, 256 }, { 2048, 320 }, { 2560, 448 }, { 4096, 640 }, { 65536, 640 } };
	struct kit *k = *state;

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		int64_t before = -1, log = 0;

		k->opts.max_bytes = row[i].cap_kib * 1024;
		kit_open(k, i == 0 ? SPOOL_CREATED : SPOOL_OPENED);
		/* Once round: when its file grows no more, it has begun at its front again. */
		for (int commits = 0; commits < 300; commits++) {
			kit_tick(k, BL_STREAM_HOST);
			kit_commit(k);
			if (commits % 50 == 49)
				kit_cut_all(k);
			if ((log = log_file_bytes(k)) != before)
				commits = 0;
			before = log;
			assert_true(kit_file_bytes(k) <= k->opts.max_bytes);
		}
		assert_in_range(log, row[i].log_kib * 1024, (row[i].log_kib + 16) * 1024);
		kit_close(k);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(no_batch_comes_over_before_its_names),
		T(a_failing_recovery_keeps_nobody_from_trimming),
		T(an_answer_about_a_former_id_takes_no_longer_than_it_may),
		T(a_refused_former_id_is_given_up_in_turns),
		T(rows_that_may_be_there_are_dropped_in_turns),
		T(the_log_is_worked_off_as_late_as_the_cap_allows),
		cmocka_unit_test(an_upgrade_on_a_full_disk_leaves_a_sound_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
