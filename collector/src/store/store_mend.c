/*
 * When the handle or the file cannot be trusted any more.
 *
 * After a failed write or sync the connection is closed and opened again: what SQLite
 * and the kernel keep in memory then may not be what is on the disk.  What the file
 * says is the truth; a transaction that got in although its commit failed has no
 * receipt, and its batches are known when they come again.  Its pages may have been
 * dropped by the kernel after the failed sync, so they are written once more, from the
 * log into the file, before anything is put behind them.
 *
 * A damaged file is set aside, and a new one with a new epoch takes its place: agents
 * offer again what they hold, store_salvage.c takes over what can still be read.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store_internal.h"

#include "branchline/log.h"

#define CHECK_AT_START_MS 1000
#define CHECK_MS          5000
#define SUSPECTED_MAX                                                                              \
	3 /* times in a row that SQLite complains of a file that checks well, or not at all */

/* ---- checking a file that opens ---- */

int64_t
store_kernel_mono_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
past_deadline(void *ctx)
{
	return store_kernel_mono_ms() >= *(const int64_t *)ctx;
}

enum checked {
	CHECKED_WELL,
	CHECKED_DAMAGED,
	CHECKED_IN_PART, /* there was no more time */
	CHECKED_NOT,     /* it could not be read, or there was no memory */
};

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

/* why: the first complaint. */
static enum checked
check_once(sqlite3 *db, int64_t deadline, char *why, size_t size)
{
	enum checked found = CHECKED_NOT;
	sqlite3_stmt *st = NULL;
	int rc = SQLITE_ERROR;

	sqlite3_progress_handler(db, 10000, past_deadline, (void *)(uintptr_t)&deadline);
	if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &st, NULL) == SQLITE_OK)
		rc = sqlite3_step(st);
	else
		rc = sqlite3_errcode(db);
	if (rc == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(st, 0), "ok") == 0)
		found = CHECKED_WELL;
	else if ((rc & 0xff) == SQLITE_INTERRUPT)
		found = CHECKED_IN_PART;
	else if (rc == SQLITE_ROW &&
		 not_looked_at((const char *)sqlite3_column_text(st, 0)) != SQLITE_OK)
		found = CHECKED_NOT;
	else if (rc == SQLITE_ROW || (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB)
		found = CHECKED_DAMAGED;
	if (found == CHECKED_DAMAGED)
		(void)snprintf(why, size, "%.200s",
		    rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0)
				     : sqlite3_errmsg(db));
	(void)sqlite3_finalize(st); /* repeats the step's code */
	sqlite3_progress_handler(db, 0, NULL, NULL);
	return found;
}

/*
 * Of the map of pages that auto_vacuum keeps the check says no more than that it could not be
 * read: a disk that failed once reads it the second time.
 */
static enum checked
check(sqlite3 *db, int64_t ms, char *why, size_t size)
{
	const int64_t deadline = store_kernel_mono_ms() + ms;
	enum checked found = check_once(db, deadline, why, size);

	if (found == CHECKED_DAMAGED && strstr(why, "Failed to read ptrmap") != NULL)
		found = check_once(db, deadline, why, size);
	return found;
}

/* ---- a new file ---- */

static int
replace(struct store *s, const char *why, struct bl_err *err)
{
	char aside[STORE_PATH_MAX];
	bool created;
	int rc;

	store_disconnect(s);
	if ((rc = store_set_aside(s, aside, err)) < 0)
		return rc;
	/* Went with the file: the new one, if it is made only later, is not set aside for it. */
	s->damage[0] = '\0';
	s->suspected = 0;
	s->suspect_batch = 0;
	s->scrub = (struct scrub){ 0 };
	s->replaced++;
	bl_error("store",
	    "the telemetry store is damaged (%s); it was set aside as %s and a new one begins:"
	    " agents offer again what they hold, what can be read of it is taken over",
	    why, aside);
	if ((rc = store_connect(s, &created, err)) < 0)
		return rc;
	return store_settle_epoch(s, created, err);
}

int
store_attach(struct store *s, struct bl_err *err)
{
	struct bl_err why = { 0 };
	char said[256] = "";
	bool created = false;
	int64_t version = 0;
	int rc;

	/* SQLite throws the log of an empty file away. */
	if (store_file_bytes(s->path, "") <= 0 && store_file_bytes(s->path, "-wal") > 32)
		return replace(s, "its file is empty, its log is not", err);
	rc = store_connect(s, &created, &why);
	if (rc == BL_OK && !created &&
	    check(s->db, CHECK_AT_START_MS, said, sizeof(said)) == CHECKED_DAMAGED)
		rc = bl_fail(&why, BL_ECORRUPT, "telemetry store: %s", said);
	/* Without a mark there never was a store: somebody put a file of another kind there. */
	if (rc == BL_ECORRUPT && (sqlite3_errcode(s->db) & 0xff) == SQLITE_NOTADB &&
	    !store_mark_known(s))
		s->foreign = true;
	/* A schema of this version that does not know our columns: its text has changed. */
	if (rc == BL_EIO && (sqlite3_errcode(s->db) & 0xff) == SQLITE_ERROR &&
	    store_pragma_int(s->db, "PRAGMA user_version", &version, NULL) == BL_OK &&
	    version == store_schema_version())
		rc = BL_ECORRUPT;
	if (rc == BL_ECORRUPT && !s->foreign)
		return replace(s, why.msg, err);
	if (rc < 0) {
		*err = why;
		return rc;
	}
	return store_settle_epoch(s, created, err);
}

/* ---- while it runs ---- */

/* The pages of the log into the file, and the log begun anew: whole, or not at all. */
static int
write_anew(struct store *s, struct bl_err *err)
{
	if (sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) !=
	    SQLITE_OK)
		return store_sql_fail(s->db, err, "write the log into the file after a failure");
	return BL_OK;
}

static int
look_closely(struct store *s, struct bl_err *err)
{
	char said[256] = "SQLite found it damaged";
	const enum checked found = check(s->db, CHECK_MS, said, sizeof(said));

	if (found == CHECKED_WELL && ++s->suspected < SUSPECTED_MAX) {
		bl_warn("store", "SQLite found the telemetry store damaged; opened again, it checks"
				 " well, and is gone on with");
		return BL_OK;
	}
	/* Tried again before the next transaction; what can never be read is as good as damaged. */
	if (found == CHECKED_NOT && ++s->suspected < SUSPECTED_MAX)
		return bl_fail(err, BL_EIO,
		    "telemetry store: SQLite found it damaged, and it cannot be looked at now");
	return replace(s, said, err);
}

int
store_mend(struct store *s, struct bl_err *err)
{
	struct bl_err why = { 0 };
	const bool suspect = s->suspect;
	bool created = false;
	int rc;

	store_disconnect(s);
	rc = store_connect(s, &created, &why);
	if (rc == BL_ECORRUPT && !s->foreign)
		rc = replace(s, why.msg, &why);
	else if (rc == BL_OK && !created && suspect)
		rc = look_closely(s, &why);
	if (rc >= 0 && (rc = store_settle_epoch(s, created, &why)) >= 0)
		rc = write_anew(s, &why);
	if (rc < 0) {
		store_disconnect(s);
		s->suspect = suspect;
		if (err != NULL)
			*err = why;
		return rc;
	}
	s->stats.reopened++;
	bl_info("store", "the telemetry store was opened again");
	return BL_OK;
}

bool
store_moved(struct store *s)
{
	int moved = 0;

	return sqlite3_file_control(s->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
	       moved != 0;
}

void
store_suspect(struct store *s, int64_t batch)
{
	if (batch > 0)
		s->suspect_batch = batch;
	else
		s->suspect = true;
}

int
store_found_damaged(struct store *s, struct bl_err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(s->damage, sizeof(s->damage), fmt, ap);
	va_end(ap);
	return bl_fail(err, BL_ECORRUPT,
	    "telemetry store: %s does not agree with its checksum; the file is set aside",
	    s->damage);
}

int
store_mend_found(struct store *s, struct bl_err *err)
{
	char why[128];
	int rc;

	if (s->suspect_batch != 0) {
		rc = store_batch_holds(s, s->suspect_batch, err);
		if (rc == 0)
			(void)snprintf(s->damage, sizeof(s->damage), "batch %lld",
			    (long long)s->suspect_batch);
		s->suspect_batch = 0;
		if (rc < 0)
			return rc;
	}
	if (s->damage[0] == '\0')
		return BL_OK;
	(void)snprintf(why, sizeof(why), "%s does not agree with its checksum", s->damage);
	rc = replace(s, why, err);
	return rc < 0 ? rc : BL_OK;
}
