/*
 * The control database: opening, the one writer, the pool of readers.
 *
 * Threads: any.  A turn lasts one transaction; the lock is held for moving a
 * pointer.  (A condition, not pthread_mutex_clocklock, which gcc 12's thread
 * sanitizer does not know.)  FULL because a change that was confirmed to a
 * person must survive the plug being pulled.
 */
#include "control_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "branchline/fault.h"
#include "branchline/log.h"

#include "control_sql.h"

#define READERS_DEFAULT       32u
#define WRITE_WAIT_DEFAULT_MS 5000
#define BUSY_TIMEOUT_MS       2000 /* another process: a backup, a tool */

struct control {
	char *path;
	const struct bl_clock *clock;
	int64_t write_wait_ms;
	void (*full)(void *ctx);
	void *full_ctx;

	sqlite3 *writer; /* used by whoever has the turn, as is the mark */
	int mark_fd;

	pthread_mutex_t lock; /* guards all below; held for moving a pointer */
	pthread_cond_t turn;  /* writing became false; CLOCK_MONOTONIC */
	bool writing;
	sqlite3 **free_readers;
	unsigned n_free, n_open, readers_max;
	uint64_t commits, busy;
	char trouble[256]; /* empty: healthy */
};

/* ---- opening ----------------------------------------------------------- */

/* The file first, by ourselves: SQLite would take the process's umask, and -wal and -shm follow. */
static int
make_file(const char *path, struct bl_err *err)
{
	const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return bl_fail_errno(err, errno == EACCES || errno == EPERM ? BL_EDENIED : BL_EIO,
		    "control database %s", path);
	if (close(fd) != 0)
		return bl_fail_errno(err, BL_EIO, "control database %s: close", path);
	return BL_OK;
}

static int
open_connection(sqlite3 **db, const char *path, int flags, const char *pragmas, struct bl_err *err)
{
	int rc;

	if (sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		rc = *db != NULL ? control_sql_fail(*db, path, err)
				 : bl_fail(err, BL_ENOMEM, "control database: out of memory");
		goto fail;
	}
	(void)sqlite3_extended_result_codes(*db, 1); /* only fails for NULL */
	if (sqlite3_busy_timeout(*db, BUSY_TIMEOUT_MS) != SQLITE_OK ||
	    sqlite3_exec(*db, pragmas, NULL, NULL, NULL) != SQLITE_OK) {
		rc = control_sql_fail(*db, path, err);
		goto fail;
	}
	return BL_OK;
fail:
	(void)sqlite3_close(*db); /* nothing is prepared on it; NULL is fine */
	*db = NULL;
	return rc;
}

static int
open_writer(struct control *c, struct bl_err *err)
{
	return open_connection(&c->writer, c->path, SQLITE_OPEN_READWRITE,
	    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
	    "PRAGMA journal_size_limit = 16777216; PRAGMA trusted_schema = OFF;",
	    err);
}

static int
open_reader(struct control *c, sqlite3 **db, struct bl_err *err)
{
	return open_connection(db, c->path, SQLITE_OPEN_READONLY,
	    "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;", err);
}

static bool
init_locks(struct control *c)
{
	pthread_condattr_t attr;
	bool ok;

	if (pthread_condattr_init(&attr) != 0)
		return false;
	ok = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
	     pthread_cond_init(&c->turn, &attr) == 0;
	(void)pthread_condattr_destroy(&attr); /* cannot fail on Linux */
	return ok && pthread_mutex_init(&c->lock, NULL) == 0;
}

/*
 * What people decided must not be begun anew, nor gone on with half: some of it would
 * be gone without anybody having been told.  A file of some MiB is checked in
 * a fraction of a second; what takes longer is gone on with.
 */
#define CHECK_OPS 2000 /* of 100,000 steps of SQLite's machine: seconds */

static int
check_ends(void *ctx)
{
	int *left = ctx;

	return --*left <= 0;
}

/*
 * SQLite 3.40 (Debian 12) says "NULL value in" of every row of a WITHOUT ROWID table whose key is
 * not its first columns in order, eval_dirty for one: no sign of damage.
 */
static bool
is_complaint(const char *said)
{
	return strcmp(said, "ok") != 0 && strncmp(said, "NULL value in ", 14) != 0;
}

/*
 * The check reports a page that it could not read, or had no memory for, as if it were damaged.
 * Why it did not get it: SQLITE_NOMEM or SQLITE_IOERR; SQLITE_OK: it had them all.
 */
static int
not_looked_at(const char *complaint)
{
	const char *code = strstr(complaint, "error code=");
	const int rc = code != NULL ? atoi(code + strlen("error code=")) & 0xff : SQLITE_OK;

	if (rc == SQLITE_NOMEM || rc == SQLITE_IOERR)
		return rc;
	return strstr(complaint, "failed to get page") != NULL ? SQLITE_IOERR : SQLITE_OK;
}

static int
check_whole(sqlite3 *db, struct bl_err *err)
{
	int left = CHECK_OPS, rc, why;
	sqlite3_stmt *st = NULL;

	sqlite3_progress_handler(db, 100000, check_ends, &left);
	rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(2147483647)", -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	while (rc == SQLITE_ROW && !is_complaint((const char *)sqlite3_column_text(st, 0)))
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW &&
	    (why = not_looked_at((const char *)sqlite3_column_text(st, 0))) != SQLITE_OK)
		rc = bl_fail(err, why == SQLITE_NOMEM ? BL_ENOMEM : BL_EIO,
		    "control database: check it: %s", sqlite3_errstr(why));
	else if (rc == SQLITE_ROW)
		rc = bl_fail(err, BL_ECORRUPT, "control database: %.120s",
		    (const char *)sqlite3_column_text(st, 0));
	else if (rc == SQLITE_DONE || (rc & 0xff) == SQLITE_INTERRUPT)
		rc = BL_OK;
	else
		rc = control_sql_fail(db, "check it", err);
	(void)sqlite3_finalize(st); /* repeats the step's code */
	sqlite3_progress_handler(db, 0, NULL, NULL);
	return rc;
}

static void
say_how_to_restore(const char *path, struct bl_err *err)
{
	const struct bl_err why = *err;
	const char *said = strstr(why.msg, ": ");

	(void)bl_fail(err, BL_ECORRUPT,
	    "%.80s is damaged and was left as it is. To go on: put a backup in its place, without"
	    " -wal and -shm, and start (collector/README.md, Damage). SQLite says: %.60s",
	    path, said != NULL ? said + 2 : why.msg);
}

/* Where there was a database, an empty one is not begun in its place. */
static int
check_there(const char *path, struct bl_err *err)
{
	struct control_mark m;
	struct stat sb;

	if ((stat(path, &sb) == 0 && sb.st_size > 0) || !control_mark_read(path, &m) ||
	    m.audit == 0)
		return BL_OK;
	return bl_fail(
	    err, BL_ECORRUPT, "control database: it is empty or gone (%s.mark stays)", path);
}

int
control_open(struct control **out, const struct control_opts *opts, struct bl_err *err)
{
	struct control *c;
	int rc;

	*out = NULL;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return bl_fail(err, BL_ENOMEM, "control database: out of memory");
	c->mark_fd = -1;
	c->clock = opts->clock;
	c->full = opts->full;
	c->full_ctx = opts->full_ctx;
	c->write_wait_ms = opts->write_wait_ms > 0 ? opts->write_wait_ms : WRITE_WAIT_DEFAULT_MS;
	c->readers_max = opts->readers_max > 0 ? opts->readers_max : READERS_DEFAULT;
	c->path = strdup(opts->path);
	c->free_readers = calloc(c->readers_max, sizeof(c->free_readers[0]));
	if (c->path == NULL || c->free_readers == NULL) {
		rc = bl_fail(err, BL_ENOMEM, "control database: out of memory");
		goto fail_memory;
	}
	if ((rc = check_there(c->path, err)) < 0 || (rc = make_file(c->path, err)) < 0)
		goto fail_memory;
	if ((rc = open_writer(c, err)) < 0)
		goto fail_memory;
	if ((rc = check_whole(c->writer, err)) < 0 ||
	    (rc = control_migrate(c->writer, c->clock, err)) < 0 ||
	    (rc = control_mark_settle(c->path, c->writer, err)) < 0)
		goto fail_writer;
	if ((rc = control_sql_keep(c->writer, err)) < 0)
		goto fail_writer;
	if (!init_locks(c)) {
		rc = bl_fail(err, BL_ENOMEM, "control database: no mutex");
		goto fail_writer;
	}
	c->mark_fd = control_mark_open(c->path);
	control_mark_write(c->mark_fd, c->writer);
	*out = c;
	return BL_OK;

fail_writer:
	/* A file that is refused stays as it is, its log too. */
	(void)sqlite3_db_config(c->writer, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	control_sql_forget(c->writer);
	(void)sqlite3_close(c->writer); /* nothing is prepared on it any more */
fail_memory:
	if (rc == BL_ECORRUPT)
		say_how_to_restore(c->path, err);
	free(c->free_readers);
	free(c->path);
	free(c);
	return rc;
}

void
control_close(struct control *c)
{
	if (c == NULL)
		return;
	for (unsigned i = 0; i < c->n_free; i++)
		if (sqlite3_close(c->free_readers[i]) != SQLITE_OK)
			bl_error("control", "a reader was closed with statements open");
	if (c->n_free != c->n_open)
		bl_error("control", "%u readers were not given back", c->n_open - c->n_free);
	control_sql_forget(c->writer);
	if (sqlite3_close(c->writer) != SQLITE_OK)
		bl_error("control", "the writer was closed with statements open");
	if (c->mark_fd >= 0)
		(void)close(c->mark_fd);
	(void)pthread_mutex_destroy(&c->lock); /* nobody holds it any more */
	(void)pthread_cond_destroy(&c->turn);
	free(c->free_readers);
	free(c->path);
	free(c);
}

/* ---- readers ----------------------------------------------------------- */

/* A free connection, or permission to open one more (*db NULL), or BL_EBUSY. */
static int
pool_take(struct control *c, sqlite3 **db, struct bl_err *err)
{
	int rc = BL_OK;

	*db = NULL;
	pthread_mutex_lock(&c->lock);
	if (c->n_free > 0)
		*db = c->free_readers[--c->n_free];
	else if (c->n_open < c->readers_max)
		c->n_open++;
	else
		rc = bl_fail(
		    err, BL_EBUSY, "control database: all %u readers are in use", c->readers_max);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

static void
pool_drop(struct control *c, sqlite3 *db)
{
	if (sqlite3_close(db) != SQLITE_OK)
		bl_error("control", "a reader was given back with statements open");
	pthread_mutex_lock(&c->lock);
	c->n_open--;
	pthread_mutex_unlock(&c->lock);
}

int
control_read_begin(struct control *c, sqlite3 **db, struct bl_err *err)
{
	int rc;

	if ((rc = pool_take(c, db, err)) < 0)
		return rc;
	if (*db == NULL && (rc = open_reader(c, db, err)) < 0)
		goto fail;
	if (sqlite3_exec(*db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK) {
		rc = control_sql_fail(*db, "begin to read", err);
		goto fail;
	}
	return BL_OK;
fail:
	pool_drop(c, *db);
	*db = NULL;
	return rc;
}

void
control_read_end(struct control *c, sqlite3 *db)
{
	if (db == NULL)
		return;
	/* A connection that cannot end its transaction is worth nothing more. */
	if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
		bl_error("control", "cannot end a read: %s; the connection is dropped",
		    sqlite3_errmsg(db));
		pool_drop(c, db);
		return;
	}
	pthread_mutex_lock(&c->lock);
	c->free_readers[c->n_free++] = db;
	pthread_mutex_unlock(&c->lock);
}

int
control_reader_open(struct control *c, sqlite3 **db, struct bl_err *err)
{
	int rc;

	if ((rc = open_reader(c, db, err)) < 0)
		return rc;
	/* It asks the same again and again, unlike those of the pool. */
	if ((rc = control_sql_keep(*db, err)) < 0) {
		control_reader_close(*db);
		*db = NULL;
	}
	return rc;
}

void
control_reader_close(sqlite3 *db)
{
	if (db == NULL)
		return;
	control_sql_forget(db);
	if (sqlite3_close(db) != SQLITE_OK)
		bl_error("control", "a reader was closed with statements open");
}

/* ---- the writer -------------------------------------------------------- */

static void
note_outcome(struct control *c, int rc, const struct bl_err *err)
{
	pthread_mutex_lock(&c->lock);
	if (rc >= 0) {
		c->commits += rc == 0;
		c->trouble[0] = '\0';
	} else {
		(void)snprintf(c->trouble, sizeof(c->trouble), "%s", err->msg);
	}
	pthread_mutex_unlock(&c->lock);
}

static int
take_turn(struct control *c, struct bl_err *err)
{
	struct timespec until;
	bool late = false;

	if (clock_gettime(CLOCK_MONOTONIC, &until) != 0)
		return bl_fail_errno(err, BL_EIO, "control database: monotonic clock");
	until.tv_sec += c->write_wait_ms / 1000;
	until.tv_nsec += c->write_wait_ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&c->lock);
	while (c->writing && !late)
		late = pthread_cond_timedwait(&c->turn, &c->lock, &until) == ETIMEDOUT;
	if (!c->writing) {
		c->writing = true;
		pthread_mutex_unlock(&c->lock);
		return BL_OK;
	}
	c->busy++;
	pthread_mutex_unlock(&c->lock);
	return bl_fail(err, BL_EBUSY, "control database: no turn to write within %lld ms",
	    (long long)c->write_wait_ms);
}

static void
end_turn(struct control *c)
{
	pthread_mutex_lock(&c->lock);
	c->writing = false;
	pthread_cond_signal(&c->turn);
	pthread_mutex_unlock(&c->lock);
}

static int
step(struct control *c, const char *sql, const char *what, struct bl_err *err)
{
	if (sqlite3_exec(c->writer, sql, NULL, NULL, NULL) != SQLITE_OK)
		return control_sql_fail(c->writer, what, err);
	return BL_OK;
}

static int
commit(struct control *c, struct bl_err *err)
{
	int rc;

	if (bl_fault_hit("control.commit"))
		return bl_fail(err, BL_EIO, "commit a change: made to fail");
	if ((rc = step(c, "COMMIT", "commit a change", err)) == BL_OK)
		(void)bl_fault_hit("control.committed"); /* kept, and nobody knows yet */
	return rc;
}

/* The transaction itself; *broken tells a failing database from a refused change, *full a full disk
 * from a cap. */
static int
change_locked(struct control *c, const struct control_actor *actor, control_change_fn fn, void *ctx,
    bool *broken, bool *full, struct bl_err *err)
{
	struct control_tx tx = { .control = c, .db = c->writer, .actor = actor };
	sqlite3_int64 before;
	int rc;

	*broken = true;
	*full = false;
	if ((rc = step(c, "BEGIN IMMEDIATE", "begin a change", err)) < 0)
		return rc;
	before = sqlite3_total_changes64(c->writer);
	tx.unix_ms = bl_unix_ms(c->clock);
	rc = fn(&tx, ctx, err);
	*broken = rc == BL_EIO || rc == BL_EFULL || rc == BL_ECORRUPT || rc == BL_ENOMEM;
	if (rc == 0 && sqlite3_total_changes64(c->writer) != before && tx.audit_entries == 0 &&
	    !tx.unaudited)
		rc = bl_fail(err, BL_EINVAL, "control database: a change without an audit entry");
	if (rc == 0 && (rc = commit(c, err)) < 0)
		*broken = true;
	else if (rc == 0)
		control_mark_write(c->mark_fd, c->writer);
	*full = rc == BL_EFULL && sqlite3_errcode(c->writer) == SQLITE_FULL;
	/* Some failures have rolled back already; the first one is what counts. */
	if (rc != 0 && sqlite3_get_autocommit(c->writer) == 0 &&
	    step(c, "ROLLBACK", "roll back a change", NULL) < 0)
		bl_error("control", "cannot roll back: %s", sqlite3_errmsg(c->writer));
	return rc;
}

int
control_write(struct control *c, const struct control_actor *actor, control_change_fn fn, void *ctx,
    struct bl_err *err)
{
	struct bl_err local = { 0 };
	bool broken, full = false;
	int rc;

	if ((rc = take_turn(c, &local)) == BL_OK) {
		rc = change_locked(c, actor, fn, ctx, &broken, &full, &local);
		end_turn(c);
		if (rc >= 0 || broken)
			note_outcome(c, rc, &local);
	}
	if (full && c->full != NULL)
		c->full(c->full_ctx);
	if (rc < 0 && err != NULL)
		*err = local;
	return rc;
}

sqlite3 *
control_tx_db(struct control_tx *tx)
{
	return tx->db;
}

int64_t
control_tx_unix_ms(const struct control_tx *tx)
{
	return tx->unix_ms;
}

void
control_tx_unaudited(struct control_tx *tx)
{
	tx->unaudited = true;
}

/* ---- the rest ---------------------------------------------------------- */

int
control_backup(struct control *c, const char *dst, struct bl_err *err)
{
	sqlite3 *db;
	int rc;

	/* Not query_only: SQLite takes VACUUM INTO for a write. */
	if ((rc = open_connection(&db, c->path, SQLITE_OPEN_READWRITE, "", err)) < 0)
		return rc;
	rc = control_sql_run(db, err, "VACUUM INTO ?", "t", dst);
	(void)sqlite3_close(db); /* nothing is prepared on it */
	if (rc == BL_OK && chmod(dst, 0600) != 0)
		rc = bl_fail_errno(err, BL_EIO, "backup %s: chmod 0600", dst);
	return rc;
}

bool
control_healthy(struct control *c, char *why, size_t size)
{
	bool healthy;

	pthread_mutex_lock(&c->lock);
	healthy = c->trouble[0] == '\0';
	(void)snprintf(why, size, "%s", c->trouble);
	pthread_mutex_unlock(&c->lock);
	return healthy;
}

void
control_counters(struct control *c, uint64_t *commits, uint64_t *busy)
{
	pthread_mutex_lock(&c->lock);
	*commits = c->commits;
	*busy = c->busy;
	pthread_mutex_unlock(&c->lock);
}
