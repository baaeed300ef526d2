/*
 * Opening, closing, transactions and the epoch of the telemetry store.
 *
 * One writer, one thread.  What changes in memory during a transaction is
 * written by store_commit just before COMMIT; when that fails, the memory is
 * thrown away and read again from the database, which is the truth.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_internal.h"

#include "branchline/fault.h"
#include "branchline/log.h"

static int
load_totals(struct store *s, struct bl_err *err)
{
	static const char *const sql[] = { "SELECT lsn FROM total", "SELECT batches FROM total",
		"SELECT samples FROM total", "SELECT events FROM total",
		"SELECT duplicates FROM total", "SELECT conflicts FROM total",
		"SELECT aside_bytes FROM total", "SELECT aside_refused FROM total",
		"SELECT count(*) FROM aside", "SELECT count(*) FROM placing",
		"SELECT count(*) FROM hole", "SELECT requeued FROM total" };
	struct store_totals_memory *t = &s->total;
	int64_t placing = 0;
	int64_t *const out[] = { &t->lsn, &t->batches, &t->samples, &t->events, &t->duplicates,
		&t->conflicts, &t->aside_bytes, &t->aside_refused, &t->aside_rows, &placing,
		&t->holes, &t->requeued };
	sqlite3_stmt *st;
	int rc;

	memset(t, 0, sizeof(*t));
	for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]); i++)
		if ((rc = store_pragma_int(s->db, sql[i], out[i], err)) < 0)
			return rc;
	s->placing = placing > 0;
	if (sqlite3_prepare_v2(s->db, "SELECT reason, n FROM aside_count", -1, &st, NULL) !=
	    SQLITE_OK)
		return store_sql_fail(s->db, err, "read aside_count");
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		const int reason = sqlite3_column_int(st, 0);

		if (reason >= 1 && reason <= STORE_ASIDE_REASONS)
			t->aside_by[reason - 1] = sqlite3_column_int64(st, 1);
	}
	if (sqlite3_finalize(st) != SQLITE_OK || rc != SQLITE_DONE)
		return store_sql_fail(s->db, err, "read aside_count");
	s->total_committed = *t;
	return BL_OK;
}

static int
write_epoch(struct store *s, const struct bl_id *epoch, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc = BL_OK;

	if (sqlite3_prepare_v2(s->db, "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", -1,
		&st, NULL) != SQLITE_OK)
		return store_sql_fail(s->db, err, "write the epoch");
	if (sqlite3_bind_text(st, 1, "epoch", -1, SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_bind_blob(st, 2, epoch->b, BL_ID_BYTES, SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_DONE)
		rc = store_sql_fail(s->db, err, "write the epoch");
	(void)sqlite3_finalize(st);
	if (rc == BL_OK) {
		s->epoch = *epoch;
		store_mark_write(s);
	}
	return rc;
}

static int
load_epoch(struct store *s, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (sqlite3_prepare_v2(s->db, "SELECT value FROM meta WHERE key='epoch'", -1, &st, NULL) !=
	    SQLITE_OK)
		return store_sql_fail(s->db, err, "read the epoch");
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		store_column_id(st, 0, &s->epoch);
	if (sqlite3_finalize(st) != SQLITE_OK || (rc != SQLITE_ROW && rc != SQLITE_DONE))
		return store_sql_fail(s->db, err, "read the epoch");
	return BL_OK;
}

int
store_new_epoch(struct store *s, struct bl_err *err)
{
	const struct bl_id epoch = bl_id_random(s->clock);

	if (s->in_tx)
		return bl_fail(err, BL_EBUSY, "new epoch: a transaction is open");
	if (s->db == NULL)
		return bl_fail(err, BL_EIO, "new epoch: the store is not open");
	return write_epoch(s, &epoch, err);
}

/*
 * A new file beside one that is set aside: what can be read of that one is taken over.
 * Told by the name alone, so that a crash between the two changes nothing.
 */
static int
settle_new_file(struct store *s, struct bl_err *err)
{
	struct store_aside_files files;
	int rc;

	store_aside_files(s->path, &files);
	if (files.n == 0)
		return STORE_CREATED;
	rc = store_salvage_of(s, files.newest, err);
	return rc < 0 ? rc : STORE_REPLACED;
}

/* The file lacks commits, and its log may have them behind a damaged place: it is kept. */
static int
keep_log(struct store *s, struct bl_err *err)
{
	char aside[STORE_PATH_MAX];
	int rc;

	if (store_file_bytes(s->path, "-wal") <= 32)
		return BL_OK;
	if ((rc = store_copy_log_aside(s, aside, err)) < 0)
		return rc;
	return store_salvage_of(s, store_file_name(aside), err);
}

/* Made, gone on with, or set back to an older copy: see store_mark.c. */
int
store_settle_epoch(struct store *s, bool created, struct bl_err *err)
{
	struct bl_id marked;
	int64_t lsn;
	int found, rc;

	if (created || bl_id_is_zero(&s->epoch)) {
		if ((found = settle_new_file(s, err)) < 0)
			return found;
		rc = store_new_epoch(s, err);
		return rc < 0 ? rc : created ? found : STORE_OPENED;
	}
	if (store_mark_read(s, &marked, &lsn) && bl_id_equal(&marked, &s->epoch) &&
	    lsn > s->total.lsn) {
		bl_warn("store",
		    "the database is an older copy of itself: commit %lld is there, %lld had been"
		    " reached; it gets a new epoch and agents are asked for what is missing",
		    (long long)s->total.lsn, (long long)lsn);
		if ((rc = keep_log(s, err)) < 0)
			return rc;
		rc = store_new_epoch(s, err);
		return rc < 0 ? rc : STORE_SET_BACK;
	}
	store_mark_write(s);
	return STORE_OPENED;
}

/*
 * A new file is made by ourselves: SQLite would take the process's umask; its log
 * and index follow.  EXCL: closing a descriptor of a file that is open elsewhere
 * in this process would drop SQLite's locks on it.
 */
static int
make_file(const char *path, struct bl_err *err)
{
	const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno != EEXIST)
		return bl_fail_errno(err, errno == EACCES || errno == EPERM ? BL_EDENIED : BL_EIO,
		    "open telemetry store %s", path);
	if (fd >= 0)
		(void)close(fd); /* nothing was written to it */
	return BL_OK;
}

#define LOG_WRITE_BACK                                                                             \
	3000 /* frames of 8 KiB: from here on what readers let go of is written back */
#define LOG_BEGIN_ANEW                                                                             \
	4500 /* and from here on the log is begun anew, waiting for readers a little */
#define LOG_WAIT_MS  2000
#define LOG_WAITS    5 /* in a row: as long as a statement of ours may last */
#define LOG_AGAIN_MS 10000

/*
 * After each commit.  Readers copy slices and let go, so the log begins anew below 64 MiB.
 * One that stays for long (a backup by another program) must not stop what comes in: it is
 * waited for ten seconds at first, then two now and then; the log grows, and the status
 * says so.
 */
static int
keep_log_short(void *ctx, sqlite3 *db, const char *name, int frames)
{
	struct store *s = ctx;
	const int64_t now = store_kernel_mono_ms();
	int rc = SQLITE_OK;

	if (frames >= LOG_BEGIN_ANEW && now >= s->log_again_mono_ms) {
		(void)sqlite3_busy_timeout(db, LOG_WAIT_MS);
		rc = sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
		(void)sqlite3_busy_timeout(db, 5000);
		s->log_waits = rc == SQLITE_OK ? 0 : s->log_waits + 1;
		s->log_again_mono_ms = s->log_waits <= LOG_WAITS ? 0 : now + LOG_AGAIN_MS;
	} else if (frames >= LOG_WRITE_BACK) {
		rc = sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	}
	/* The commit stands whatever becomes of this: the pages stay in the log and are written
	 * back again. */
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
		s->stats.checkpoint_failures++;
	return SQLITE_OK;
}

static int
open_database(struct store *s, bool *created, struct bl_err *err)
{
	enum store_found found = STORE_FOUND_OURS;
	int rc;

	if ((rc = make_file(s->path, err)) < 0)
		return rc;
	if (sqlite3_open_v2(s->path, &s->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
		NULL) != SQLITE_OK)
		return bl_fail(err, BL_EDENIED, "open telemetry store %s: %s", s->path,
		    s->db != NULL ? sqlite3_errmsg(s->db) : "out of memory");
	if (sqlite3_extended_result_codes(s->db, 1) != SQLITE_OK ||
	    sqlite3_busy_timeout(s->db, 5000) != SQLITE_OK || row_sum_register(s->db) != SQLITE_OK)
		return store_sql_fail(s->db, err, "open");
	s->sql = (struct sql_set){ .db = s->db, .text = store_sql_text, .stmt = s->stmt };
	/* A file that is refused stays as it is, byte for byte, its log too. */
	if (sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) != SQLITE_OK)
		return store_sql_fail(s->db, err, "open");
	rc = store_migrate(s->db, s->path, &found, err);
	s->foreign = found == STORE_FOUND_FOREIGN;
	*created = found == STORE_FOUND_EMPTY;
	if (rc < 0)
		return rc;
	if (sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL) != SQLITE_OK)
		return store_sql_fail(s->db, err, "open");
	/*
	 * FULL: a receipt follows the commit, so the commit must be on disk.
	 * 32 MiB of cache hold the inner pages of the indexes of thousands of
	 * devices.
	 */
	rc = store_exec(s->db,
	    "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32768;"
	    "PRAGMA journal_size_limit = 67108864; PRAGMA trusted_schema = OFF",
	    err);
	/* In the place of SQLite's own checkpoints. */
	if (rc == BL_OK)
		(void)sqlite3_wal_hook(s->db, keep_log_short, s);
	return rc;
}

int
store_connect(struct store *s, bool *created, struct bl_err *err)
{
	int rc;

	*created = false;
	memset(&s->epoch, 0, sizeof(s->epoch));
	if ((rc = open_database(s, created, err)) < 0 || (rc = load_totals(s, err)) < 0 ||
	    (rc = load_epoch(s, err)) < 0 || (rc = store_salvage_load(s, err)) < 0 ||
	    (rc = store_due_again_load(s, err)) < 0)
		return rc;
	s->broken = s->suspect = false;
	s->def_last = s->series_last = -1;
	return BL_OK;
}

/* What fails here was told when it failed first; the handle goes in any case. */
void
store_disconnect(struct store *s)
{
	store_read_close(s->reader);
	s->reader = NULL;
	store_forget_spools(s);
	for (int i = 0; i < SQL_COUNT; i++) {
		(void)sqlite3_finalize(s->stmt[i]); /* repeats the last step's code */
		s->stmt[i] = NULL;
	}
	if (s->db != NULL) {
		/* Nothing more is done through it, not even a checkpoint. */
		(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		if (sqlite3_close(s->db) != SQLITE_OK)
			bl_error("store", "close %s: %s", s->path, sqlite3_errmsg(s->db));
	}
	s->db = NULL;
	s->in_tx = false;
	store_salvage_stop(s);
	store_pack_clean_stop(s);
}

int
store_open(struct store **out, const struct store_opts *opts, struct bl_err *err)
{
	struct store *s;
	int rc;

	*out = NULL;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return bl_fail(err, BL_ENOMEM, "open telemetry store: out of memory");
	s->mark_fd = -1;
	s->clock = opts->clock;
	s->opts = *opts;
	if (s->opts.aside_bytes == 0)
		s->opts.aside_bytes = 64 << 20;
	if (s->opts.aside_rows == 0)
		s->opts.aside_rows = 100000;
	if (s->opts.spools_in_memory == 0)
		s->opts.spools_in_memory = STORE_DEFAULT_SPOOLS;
	if (s->opts.spools_per_device == 0)
		s->opts.spools_per_device = 1000;
	s->n_buckets = 4096;
	s->path = strdup(opts->path);
	s->opts.path = s->path;
	s->bucket = calloc(s->n_buckets, sizeof(struct store_spool *));
	if (s->path == NULL || s->bucket == NULL) {
		rc = bl_fail(err, BL_ENOMEM, "open telemetry store: out of memory");
		goto fail;
	}
	if ((rc = store_mark_open(s, err)) < 0 || (rc = store_attach(s, err)) < 0)
		goto fail;
	*out = s;
	return rc;

fail:
	store_close(s);
	return rc;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	if (s->in_tx)
		store_rollback(s);
	store_forget_spools(s);
	store_read_close(s->reader);
	s->reader = NULL;
	for (int i = 0; i < SQL_COUNT; i++) {
		(void)sqlite3_finalize(s->stmt[i]); /* repeats the last step's code */
		s->stmt[i] = NULL;
	}
	/* A handle that failed is not asked to empty the log into the file. */
	if (s->db != NULL && !s->broken && !s->suspect) {
		if (sqlite3_close(s->db) != SQLITE_OK)
			bl_error("store", "close %s: %s", s->path, sqlite3_errmsg(s->db));
		s->db = NULL;
	}
	store_disconnect(s);
	if (s->mark_fd >= 0)
		(void)close(s->mark_fd);
	free(s->bucket);
	free(s->path);
	free(s);
}

const struct bl_id *
store_epoch(const struct store *s)
{
	return &s->epoch;
}

bool
store_in_transaction(const struct store *s)
{
	return s->in_tx;
}

int
store_begin(struct store *s, struct bl_err *err)
{
	int rc;

	if (s->in_tx)
		return bl_fail(err, BL_EBUSY, "begin: a transaction is open");
	/* One that was moved away or removed would take in what nobody ever finds. */
	if (s->db != NULL && store_moved(s))
		s->broken = true;
	if ((s->db == NULL || s->broken || s->suspect) && (rc = store_mend(s, err)) < 0)
		return rc;
	if ((s->suspect_batch != 0 || s->damage[0] != '\0') && (rc = store_mend_found(s, err)) < 0)
		return rc;
	if ((rc = store_run(s, SQL_BEGIN, err, "")) < 0) {
		s->in_tx = true; /* as after any other failure */
		store_rollback(s);
		return rc;
	}
	s->in_tx = true;
	s->now_unix_ms = bl_unix_ms(s->clock);
	s->total.lsn++; /* what this transaction writes carries it */
	return BL_OK;
}

static int
flush_totals(struct store *s, struct bl_err *err)
{
	struct store_totals_memory *t = &s->total;
	int rc;

	rc = store_run(s, SQL_TOTAL_SET, err, "iiiiiiiiii", t->lsn, s->now_unix_ms, t->batches,
	    t->samples, t->events, t->duplicates, t->conflicts, t->aside_bytes, t->aside_refused,
	    t->requeued);
	for (int64_t i = 0; rc == BL_OK && t->aside_dirty && i < STORE_ASIDE_REASONS; i++)
		rc = store_run(s, SQL_ASIDE_COUNT_SET, err, "ii", i + 1, t->aside_by[i]);
	return rc;
}

int
store_commit(struct store *s, struct bl_err *err)
{
	int rc;

	if (!s->in_tx)
		return bl_fail(err, BL_EINVAL, "commit: no transaction is open");
	if ((rc = store_flush_spools(s, err)) >= 0 && (rc = flush_totals(s, err)) >= 0) {
		(void)bl_fault_hit("store.commit");
		rc = store_run(s, SQL_COMMIT, err, "");
	}
	if (rc < 0) {
		s->stats.commit_failures++;
		store_rollback(s);
		return rc;
	}
	(void)bl_fault_hit("store.committed");
	s->in_tx = false;
	s->suspected = 0;
	s->total.aside_dirty = false;
	s->total_committed = s->total;
	s->stats.commits++;
	s->stats.last_commit_mono_ms = bl_mono_ms(s->clock);
	store_salvage_committed(s);
	store_mark_write(s);
	(void)bl_fault_hit("store.marked");
	store_shrink_spools(s);
	return BL_OK;
}

void
store_rollback(struct store *s)
{
	struct bl_err err = { 0 };

	if (!s->in_tx)
		return;
	/* A statement in the middle of its rows would keep the transaction open. */
	for (int i = 0; i < SQL_COUNT; i++)
		if (s->stmt[i] != NULL)
			(void)sqlite3_reset(s->stmt[i]);
	/* Some failures roll back by themselves; then there is nothing left to do. */
	if (sqlite3_get_autocommit(s->db) == 0 && store_run(s, SQL_ROLLBACK, &err, "") < 0)
		bl_error("store", "%s", err.msg);
	s->in_tx = false;
	s->total = s->total_committed;
	s->placing = true; /* ask again */
	s->def_last = s->series_last = -1;
	store_forget_spools(s);
	store_salvage_rolled_back(s);
	store_pack_clean_stop(s);
	/* What the failure was decides what is done before the next transaction. */
	s->broken = s->broken || s->sql.failed == BL_EIO;
	s->suspect = s->suspect || s->sql.failed == BL_ECORRUPT;
	s->sql.failed = BL_OK;
}

void
store_stats(const struct store *s, struct store_stats *out)
{
	*out = s->stats;
	out->spools_in_memory = s->n_spools;
	out->wal_bytes = store_file_bytes(s->path, "-wal");
	if (out->wal_bytes < 0)
		out->wal_bytes = 0;
}
