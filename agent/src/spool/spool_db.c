/*
 * The spool's file through SQLite: opening, statements, codes.
 *
 * WAL with synchronous=FULL: a transaction that committed is on the disk.
 * Transactions and checkpoints: spool_txn.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "spool_internal.h"

#define BATCH_COLUMNS                                                                              \
	"id,boot,begin_ms,end_ms,samples,events,gaps,bytes,crc,offered,receipted_unix_ms"
#define LEDGER_COLUMNS                                                                             \
	"id,spool,reason,stream,seq_first,seq_last,begin_boot,begin_ms,end_boot,end_ms,samples"

static const char *const sql_text[Q_COUNT] = {
	[Q_STATE_SAVE] = "UPDATE state SET spool=?1,predecessor=?2,epoch=?3,boot=?4,gen=?5,"
			 "commit_no=?6,covered_ms=?7,commit_unix_ms=?8,receipt_unix_ms=?9,"
			 "samples=?10,events=?11,gaps=?12,forgotten=?13,connections=?14,dict=?15,"
			 "clock=?16,seal=?17",
	[Q_STREAM_SAVE] = "UPDATE stream SET next_seq=?2,contiguous=?3,begin_ms=?4,held=?5,"
			  "held_bytes=?6,waiting=?7,waiting_bytes=?8,open_rows=?9,open_samples=?10,"
			  "open_bytes=?11,dropped_batches=?12,dropped_samples=?13,fork_seq=?14"
			  " WHERE stream=?1",
	[Q_OPEN_ADD] = "INSERT INTO open(stream,kind,boot_ms,samples,crc,data)"
		       " VALUES(?1,?2,?3,?4,?5,?6)",
	[Q_OPEN_READ] =
	    "SELECT n,kind,boot_ms,samples,crc,data FROM open WHERE stream=?1 ORDER BY n",
	[Q_OPEN_DROP] = "DELETE FROM open WHERE stream=?1 AND n<=?2",
	[Q_OPEN_NEWEST] = "SELECT max(boot_ms) FROM open WHERE stream=?1",
	[Q_DICT_ADD] = "INSERT INTO dict VALUES(?1,?2,?3)",
	[Q_DICT_FIND] = "SELECT id,def FROM dict WHERE hash=?1",
	[Q_DICT_READ] = "SELECT id,def FROM dict WHERE id>=?1 ORDER BY id",
	[Q_CLOCK_ADD] = "INSERT INTO clock VALUES(?1,?2,?3,?4,?5,?6)",
	[Q_CLOCK_READ] = "SELECT id,boot,from_ms,offset_ms,uncertainty_ms,source FROM clock"
			 " WHERE id>=?1 ORDER BY id",
	[Q_CLOCK_NEWEST] = "SELECT id,boot,from_ms,offset_ms,uncertainty_ms,source FROM clock"
			   " ORDER BY id DESC LIMIT 256",
	[Q_BATCH_BOOT_END] = "SELECT MAX(end_ms) FROM batch WHERE boot=?1",
	[Q_CLOCK_OF_BOOT] = "SELECT id,boot,from_ms,offset_ms,uncertainty_ms,source FROM clock"
			    " WHERE boot=?1 ORDER BY id DESC",
	[Q_SEEN_ADD] = "INSERT OR REPLACE INTO seen(id,unix_ms) VALUES(?1,?2)",
	[Q_SEEN_FIND] = "SELECT unix_ms FROM seen WHERE id=?1",
	[Q_SEEN_PRUNE] = "DELETE FROM seen WHERE n IN (SELECT n FROM seen ORDER BY n LIMIT ?3)"
			 " AND (unix_ms<?1 OR n<=(SELECT max(n) FROM seen)-?2)",
	[Q_BATCH_ADD] = "INSERT INTO batch VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,NULL)",
	[Q_BODY_ADD] = "INSERT INTO body VALUES(?1,?2)",
	[Q_BATCH_GET] = "SELECT " BATCH_COLUMNS " FROM batch WHERE id=?1",
	[Q_BODY_GET] = "SELECT msg FROM body WHERE id=?1",
	[Q_BATCH_DROP] = "DELETE FROM batch WHERE id=?1",
	[Q_BODY_DROP] = "DELETE FROM body WHERE id=?1",
	[Q_BATCH_WALK] = "SELECT " BATCH_COLUMNS " FROM batch WHERE id>=?1 AND id<=?2 ORDER BY id",
	[Q_BATCH_WALK_DOWN] =
	    "SELECT " BATCH_COLUMNS " FROM batch WHERE id>=?1 AND id<=?2 ORDER BY id DESC",
	/* While one id is still to be asked about, hello names no predecessor, and the centre,
	   which knows by it that something may come a second time, would store it twice. */
	[Q_BATCH_FORMER] = "SELECT " BATCH_COLUMNS " FROM batch"
			   " WHERE receipted_unix_ms IS NULL AND id<?1 AND"
			   " NOT EXISTS(SELECT 1 FROM spool_gen WHERE asked=0) ORDER BY id LIMIT 1",
	[Q_BATCH_RECEIPT] = "UPDATE batch SET receipted_unix_ms=?2 WHERE id=?1",
	[Q_BATCH_FLAGS] = "UPDATE batch SET offered=offered|?2 WHERE id=?1",
	[Q_WAITING_UP] = "SELECT " BATCH_COLUMNS " FROM batch WHERE receipted_unix_ms IS NULL"
			 " AND id>=?1 AND id<=?2 ORDER BY id",
	[Q_WAITING_DOWN] = "SELECT " BATCH_COLUMNS " FROM batch WHERE receipted_unix_ms IS NULL"
			   " AND id>=?1 AND id<=?2 ORDER BY id DESC",
	[Q_RECEIPTED_UP] = "SELECT " BATCH_COLUMNS " FROM batch WHERE receipted_unix_ms<?3"
			   " AND id>=?1 AND id<=?2 ORDER BY id LIMIT ?4",
	[Q_LEDGER_ADD] = "INSERT INTO ledger(spool,reason,stream,seq_first,seq_last,begin_boot,"
			 "begin_ms,end_boot,end_ms,samples,travel)"
			 " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,nullif(?11,0))",
	[Q_LEDGER_TOUCHING] = "SELECT " LEDGER_COLUMNS " FROM ledger WHERE travel IS NULL"
			      " AND spool=?1 AND reason=?2 AND stream=?3 ORDER BY id DESC LIMIT 1",
	[Q_LEDGER_EXTEND] = "UPDATE ledger SET seq_first=?2,seq_last=?3,begin_boot=?4,begin_ms=?5,"
			    "end_boot=?6,end_ms=?7,samples=?8 WHERE id=?1",
	[Q_LEDGER_TRAVEL] = "SELECT " LEDGER_COLUMNS " FROM ledger WHERE travel IS NULL ORDER BY id"
			    " LIMIT ?1",
	[Q_LEDGER_TRAVELLED] = "UPDATE ledger SET travel=?2 WHERE travel IS NULL AND id<=?1",
	[Q_LEDGER_RESET] = "UPDATE ledger SET travel=?2 WHERE travel=?1",
	/* Reason 0: other batches stand for these seqs; told to nobody. */
	[Q_LEDGER_REPLACED] =
	    "INSERT INTO ledger(spool,reason,stream,seq_first,seq_last,begin_boot,begin_ms,"
	    "end_boot,end_ms,samples,travel) VALUES(?1,0,?2,?3,?4,?5,?6,?7,?8,0,0)",
	[Q_LEDGER_UNTOLD] = "UPDATE ledger SET travel=NULL WHERE travel>=?1 AND travel<=?2",
	[Q_LEDGER_COUNT] = "SELECT count(*) FROM ledger",
	[Q_LEDGER_FORGET] = "DELETE FROM ledger WHERE id IN (SELECT id FROM ledger"
			    " ORDER BY travel IS NULL, id LIMIT ?1)",
	[Q_LEDGER_ABOUT] = "SELECT " LEDGER_COLUMNS " FROM ledger WHERE spool=?1 AND stream=?2"
			   " AND seq_first<=?4 AND seq_last>=?3 AND seq_first>0"
			   " ORDER BY seq_first,reason DESC",
	[Q_TRIMMED_PUT] = "INSERT OR REPLACE INTO trimmed VALUES(?1,?2)",
	[Q_TRIMMED_DROP] = "DELETE FROM trimmed WHERE first=?1",
	[Q_TRIMMED_CAP] = "DELETE FROM trimmed WHERE first=(SELECT min(first) FROM trimmed)"
			  " AND (SELECT count(*) FROM trimmed)>?1",
	[Q_TRIMMED_BELOW] =
	    "SELECT first,last FROM trimmed WHERE first<=?1 ORDER BY first DESC LIMIT 1",
	[Q_TRIMMED_FROM] =
	    "SELECT first,last FROM trimmed WHERE last>=?1 AND first<=?2 ORDER BY first LIMIT 1",
	[Q_BATCH_COUNT] = "SELECT count(*),total(bytes),sum(receipted_unix_ms IS NULL),"
			  "total(iif(receipted_unix_ms IS NULL,bytes,0)) FROM batch"
			  " WHERE (id>>?1)&3=?2",
	[Q_GEN_ADD] = "INSERT INTO spool_gen VALUES(?1,?2,?3,?4,?5,?6,NULL,0,NULL,0)",
	[Q_GEN_SALVAGE] = "SELECT gen,spool,page,aside,end_boot,end_ms FROM spool_gen"
			  " WHERE aside IS NOT NULL",
	[Q_GEN_FOUND] = "UPDATE spool_gen SET spool=?2,next_events=?3,next_probes=?4,next_host=?5,"
			"page=?6 WHERE gen=?1",
	[Q_GEN_PAGE] = "UPDATE spool_gen SET page=?2 WHERE gen=?1",
	/* An id that nobody knows is not asked about. */
	[Q_GEN_DONE] = "UPDATE spool_gen SET aside=NULL,asked=(spool=zeroblob(16)) WHERE gen=?1",
	[Q_GEN_OWED] = "SELECT 1 FROM spool_gen WHERE asked=0",
	[Q_GEN_ASKED] = "UPDATE spool_gen SET asked=1 WHERE gen=?1",
	[Q_GEN_UNASKED] =
	    "SELECT gen,spool,asked,next_events,next_probes,next_host FROM spool_gen "
	    "WHERE asked=0 AND NOT EXISTS(SELECT 1 FROM spool_gen WHERE aside IS NOT NULL)"
	    " ORDER BY gen LIMIT 1",
	[Q_GEN_OF_SPOOL] = "SELECT gen,spool,asked,next_events,next_probes,next_host FROM "
			   "spool_gen WHERE spool=?1",
	[Q_USAGE_PUT] = "INSERT OR REPLACE INTO usage VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)",
	[Q_USAGE_DROP] = "DELETE FROM usage WHERE period>=0 AND period<?1",
	[Q_GEN_GET] =
	    "SELECT gen,spool,asked,next_events,next_probes,next_host FROM spool_gen WHERE gen=?1",
};

/* ---- codes ---- */

static bool
means_full(int sqlite_rc, int os_errno)
{
	return (sqlite_rc & 0xff) == SQLITE_FULL ||
	       (((sqlite_rc & 0xff) == SQLITE_IOERR || (sqlite_rc & 0xff) == SQLITE_CANTOPEN) &&
		   (os_errno == ENOSPC || os_errno == EDQUOT || os_errno == EFBIG));
}

static enum spool_trouble
trouble_of(int sqlite_rc, int os_errno)
{
	if (means_full(sqlite_rc, os_errno))
		return SPOOL_DISK_FULL;
	switch (sqlite_rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_TOOBIG:
		return SPOOL_IS_DAMAGED;
	case SQLITE_NOMEM:
		return SPOOL_NO_MEMORY;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return SPOOL_HELD_BACK;
	case SQLITE_READONLY:
		return SPOOL_DISK_READ_ONLY;
	default:
		return os_errno == EROFS ? SPOOL_DISK_READ_ONLY : SPOOL_DISK_FAILS;
	}
}

enum spool_trouble
spool_trouble_of(const struct spool *s)
{
	return s->trouble;
}

int
db_fail(struct spool *s, int sqlite_rc, struct bl_err *err, const char *what)
{
	const int os_errno = s->db != NULL ? sqlite3_system_errno(s->db) : 0;
	const char *why = s->db != NULL ? sqlite3_errmsg(s->db) : sqlite3_errstr(sqlite_rc);
	int code = BL_EIO;

	s->trouble = trouble_of(sqlite_rc, os_errno);
	if (means_full(sqlite_rc, os_errno)) {
		code = BL_EFULL;
	} else {
		switch (sqlite_rc & 0xff) {
		case SQLITE_CORRUPT:
		case SQLITE_NOTADB:
		case SQLITE_TOOBIG: /* a length that no row of ours has */
			s->damaged = true;
			code = BL_ECORRUPT;
			break;
		case SQLITE_NOMEM:
			code = BL_ENOMEM;
			break;
		case SQLITE_BUSY:
		case SQLITE_LOCKED:
			code = BL_EBUSY;
			break;
		case SQLITE_CANTOPEN:
		case SQLITE_READONLY:
		case SQLITE_PERM:
			s->suspect = true;
			code = os_errno == EACCES || os_errno == EPERM ? BL_EDENIED : BL_EIO;
			break;
		default:
			s->suspect = true;
			break;
		}
	}
	(void)bl_fail(err, code, "spool %s: %s: %s%s%s", s->path, what, why,
	    os_errno != 0 ? ": " : "", os_errno != 0 ? strerror(os_errno) : "");
	if (err != NULL)
		err->os_errno = os_errno;
	return code;
}

/* ---- statements ---- */

static int
bind_all(sqlite3_stmt *st, const char *kinds, va_list ap)
{
	int rc = SQLITE_OK, at = 0;

	for (const char *k = kinds; *k != '\0' && rc == SQLITE_OK; k++) {
		at++;
		switch (*k) {
		case 'i':
			rc = sqlite3_bind_int64(st, at, va_arg(ap, int64_t));
			break;
		case 't':
			rc = sqlite3_bind_text(st, at, va_arg(ap, const char *), -1, SQLITE_STATIC);
			break;
		case 'b': {
			const void *p = va_arg(ap, const void *);

			rc = sqlite3_bind_blob64(st, at, p, va_arg(ap, size_t), SQLITE_STATIC);
			break;
		}
		case 'd': {
			const struct bl_id *id = va_arg(ap, const struct bl_id *);

			if (bl_id_is_zero(id))
				rc = sqlite3_bind_null(st, at);
			else
				rc = sqlite3_bind_blob(st, at, id->b, BL_ID_BYTES, SQLITE_STATIC);
			break;
		}
		default:
			rc = sqlite3_bind_null(st, at);
			break;
		}
	}
	return rc;
}

static sqlite3_stmt *
select_v(struct spool *s, enum spool_query q, struct bl_err *err, const char *kinds, va_list ap)
{
	int rc = SQLITE_OK;

	if (s->db == NULL) {
		(void)bl_fail(
		    err, BL_EIO, "spool %s: not open after an error; will try again", s->path);
		return NULL;
	}
	if (s->stmt[q] == NULL)
		rc = sqlite3_prepare_v3(
		    s->db, sql_text[q], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[q], NULL);
	if (rc == SQLITE_OK)
		rc = bind_all(s->stmt[q], kinds, ap);
	/* Our own text that means nothing any more: the schema is not what was written. */
	if (rc != SQLITE_OK) {
		(void)db_fail(s, rc == SQLITE_ERROR ? SQLITE_CORRUPT : rc, err, "prepare");
		return NULL;
	}
	return s->stmt[q];
}

sqlite3_stmt *
db_select(struct spool *s, enum spool_query q, struct bl_err *err, const char *kinds, ...)
{
	sqlite3_stmt *st;
	va_list ap;

	va_start(ap, kinds);
	st = select_v(s, q, err, kinds, ap);
	va_end(ap);
	return st;
}

int
db_step(struct spool *s, sqlite3_stmt *st, struct bl_err *err)
{
	const int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	/* A row that is there already, or an index that does not fit its table. */
	return db_fail(
	    s, (rc & 0xff) == SQLITE_CONSTRAINT ? SQLITE_CORRUPT : rc, err, "read or write");
}

void
db_done(sqlite3_stmt *st)
{
	if (st == NULL)
		return;
	(void)sqlite3_reset(st); /* repeats the step's code, which was looked at */
	(void)sqlite3_clear_bindings(st);
}

int
db_run(struct spool *s, enum spool_query q, struct bl_err *err, const char *kinds, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	int rc;

	va_start(ap, kinds);
	st = select_v(s, q, err, kinds, ap);
	va_end(ap);
	if (st == NULL)
		return err != NULL ? err->code : BL_EIO;
	while ((rc = db_step(s, st, err)) > 0)
		continue;
	db_done(st);
	return rc;
}

struct bl_id
db_column_id(sqlite3_stmt *st, int column)
{
	struct bl_id id = { { 0 } };
	const void *p = sqlite3_column_blob(st, column);

	if (p != NULL && sqlite3_column_bytes(st, column) == BL_ID_BYTES)
		memcpy(id.b, p, BL_ID_BYTES);
	return id;
}

int
db_number(struct spool *s, const char *sql, int64_t *out, struct bl_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

	if (rc == SQLITE_OK) {
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW)
			*out = sqlite3_column_int64(st, 0);
	}
	(void)sqlite3_finalize(st); /* repeats the code above */
	if (rc == SQLITE_ROW)
		return BL_OK;
	return db_fail(s, rc == SQLITE_DONE || rc == SQLITE_ERROR ? SQLITE_CORRUPT : rc, err, sql);
}

/* ---- opening ---- */

static int
wal_hook_cb(void *ctx, sqlite3 *db, const char *name, int frames)
{
	(void)db;
	(void)name;
	((struct spool *)ctx)->wal_frames = frames;
	return SQLITE_OK;
}

#ifdef BL_BROKEN_SYNC_OFF
#define SYNCHRONOUS "OFF" /* wrong: accepted would not survive a power cut */
#else
#define SYNCHRONOUS "FULL"
#endif

static int
pragmas(struct spool *s, struct bl_err *err)
{
	char sql[640];
	int rc;

	/* Of a file that is there already, nothing changes. */
	(void)snprintf(sql, sizeof(sql), "PRAGMA page_size=%d", SPOOL_PAGE_BYTES);
	if ((rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL)) != SQLITE_OK)
		return db_fail(s, rc, err, "open");
	if ((rc = db_number(s, "PRAGMA page_size", &s->page_bytes, err)) < 0)
		return rc;

	/* The WAL's share: a quarter of a small spool, at most 2 MiB. */
	s->wal_max_bytes = s->max_bytes / 4;
	if (s->wal_max_bytes < 448 * 1024)
		s->wal_max_bytes = 448 * 1024;
	if (s->wal_max_bytes > 2 * 1024 * 1024)
		s->wal_max_bytes = 2 * 1024 * 1024;
	s->max_pages = (s->max_bytes - s->wal_max_bytes) / s->page_bytes;
	/* As late as leaves room for a transaction: changes of a page between are written to the file once. */
	s->wal_tidy_bytes = s->wal_max_bytes - SPOOL_TXN_WAL_BYTES;
	if (s->wal_tidy_bytes > SPOOL_WAL_TIDY_BYTES)
		s->wal_tidy_bytes = SPOOL_WAL_TIDY_BYTES;

	(void)snprintf(sql, sizeof(sql),
	    "PRAGMA cache_size=-192;PRAGMA cell_size_check=ON;"
	    "PRAGMA trusted_schema=OFF;PRAGMA secure_delete=ON;PRAGMA temp_store=MEMORY;"
	    "PRAGMA mmap_size=0;"
	    "PRAGMA journal_mode=WAL;PRAGMA synchronous=" SYNCHRONOUS
	    ";PRAGMA wal_autocheckpoint=0;"
	    "PRAGMA journal_size_limit=%lld;PRAGMA max_page_count=%lld",
	    (long long)s->wal_max_bytes, (long long)s->max_pages);
	rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return db_fail(s, rc, err, "open");
	(void)sqlite3_wal_hook(s->db, wal_hook_cb, s);
	return BL_OK;
}

/* Empty, ours, or something else that must not be written to. */
static int
look_at(struct spool *s, bool *empty, struct bl_err *err)
{
	int64_t version, app, tables;
	int rc;

	if ((rc = db_number(s, "PRAGMA user_version", &version, err)) < 0 ||
	    (rc = db_number(s, "PRAGMA application_id", &app, err)) < 0 ||
	    (rc = db_number(s, "SELECT count(*) FROM sqlite_schema", &tables, err)) < 0)
		return rc;
	*empty = tables == 0 && version == 0;
	if (*empty)
		return BL_OK;
	if (app != SPOOL_APPLICATION_ID) {
		s->damaged = true;
		return bl_fail(err, BL_ECORRUPT, "spool %s: not a spool (application id %lld)",
		    s->path, (long long)app);
	}
	if (version > SPOOL_SCHEMA)
		return bl_fail(err, BL_ENEWER,
		    "spool %s: written by a newer version (schema %lld, this build knows %d); "
		    "left untouched: install the newer version, or move the file away",
		    s->path, (long long)version, SPOOL_SCHEMA);
	return BL_OK;
}

int
db_open(struct spool *s, bool *created, struct bl_err *err)
{
	struct bl_err ignored = { 0 };
	char device[BL_DEVICE_ID_MAX + 1];
	bool empty = false;
	int rc;

	rc = sqlite3_open_v2(s->path, &s->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK) {
		rc = db_fail(s, rc, err, "open");
		db_close(s);
		return rc;
	}
	(void)sqlite3_extended_result_codes(s->db, 1);
	(void)sqlite3_busy_timeout(s->db, 2000);
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 128, 100);
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if ((rc = look_at(s, &empty, err)) < 0 || (rc = pragmas(s, err)) < 0)
		goto fail;
	if (empty && (rc = schema_make(s, err)) < 0)
		goto fail;
	if (!empty && (rc = schema_upgrade(s, err)) < 0)
		goto fail;
	rc = durable_load(s->db, &s->d, device, sizeof(device));
	s->loaded = rc == SQLITE_OK;
	if (rc != SQLITE_OK) {
		rc = db_fail(s, rc, err, "read the state");
		goto fail;
	}
	if ((rc = layout_check(s, err)) < 0 || (rc = salvage_find(s, err)) < 0)
		goto fail;
	rc = trimmed_make(s, err);
	s->trimmed_missing = rc == BL_EFULL; /* there will be room when something goes */
	if (rc < 0 && rc != BL_EFULL)
		goto fail;
	if ((rc = usage_load(s, err)) < 0)
		goto fail;
	/* A log that was left behind: only now is its length known. */
	if (!empty && db_checkpoint(s, SQLITE_CHECKPOINT_PASSIVE, &ignored) < 0)
		bl_debug("spool", "%s", ignored.msg);
	*created = empty;
	s->suspect = false;
	return BL_OK;

fail:
	db_close(s);
	return rc;
}

void
db_close(struct spool *s)
{
	int rc;

	for (int i = 0; i < Q_COUNT; i++) {
		(void)sqlite3_finalize(s->stmt[i]); /* its code was looked at when it ran */
		s->stmt[i] = NULL;
	}
	if (s->db != NULL && (rc = sqlite3_close(s->db)) != SQLITE_OK)
		bl_warn("spool", "close %s: %s", s->path, sqlite3_errstr(rc));
	s->db = NULL;
	s->in_txn = false;
	s->wal_frames = 0;
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

int
db_check(struct spool *s, struct bl_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(s->db, "PRAGMA integrity_check(1)", -1, &st, NULL);
	const char *text;
	int why;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(st, 0);
		rc = BL_OK;
		if (text != NULL && (why = not_looked_at(text)) != SQLITE_OK) {
			rc = db_fail(s, why, err, "check");
		} else if (text == NULL || strcmp(text, "ok") != 0) {
			s->damaged = true;
			rc = bl_fail(err, BL_ECORRUPT, "spool %s: damaged: %s", s->path,
			    text != NULL ? text : "no answer from the check");
		}
	} else {
		rc = db_fail(s, rc, err, "check");
	}
	(void)sqlite3_finalize(st); /* repeats the code above */
	return rc;
}

void
spool_shrink(struct spool *s)
{
	if (s->db != NULL)
		(void)sqlite3_db_release_memory(s->db);
}
