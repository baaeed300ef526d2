/*
 * The spool's transactions, and the log that they go into.
 *
 * Checkpoints are ours (wal_tidy_bytes), so that file and WAL together stay
 * under the cap: max_page_count bounds the one, wal_max_bytes the other; a
 * reader that holds the WAL back makes commits "full" rather than the file big.
 *
 * After an I/O error nothing is believed: the connection is closed and opened
 * again, and the number of the last transaction tells whether it got in.
 */
#include <string.h>

#include "branchline/fault.h"

#include "spool_internal.h"

/* Closes and opens again.  The durable state is the file's afterwards. */
static int
reopen(struct spool *s, struct bl_err *err)
{
	unsigned swallowed = 0;
	bool created = false;
	int rc;

	db_close(s);
	if ((rc = db_open(s, &created, err)) < 0)
		return rc;
	if (created) {
		/* Somebody removed the file under us: a new spool, as after damage. */
		s->damaged = true;
		return bl_fail(err, BL_ECORRUPT, "spool %s: the file is gone", s->path);
	}
	if (bl_log_allow(&s->reopen_log, bl_mono_ms(s->clock), 60000, &swallowed))
		bl_info("spool", "opened again after an error path=%s suppressed=%u", s->path,
		    swallowed);
	return BL_OK;
}

int
db_checkpoint(struct spool *s, int mode, struct bl_err *err)
{
	int log = 0, moved = 0;
	const int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, mode, &log, &moved);

	/* Busy: a reader is in the way; the WAL waits. */
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
		return db_fail(s, rc, err, "checkpoint");
	if (rc == SQLITE_OK)
		s->wal_frames = log == moved ? 0 : log;
	return BL_OK;
}

int
db_rewrite_log(struct spool *s, struct bl_err *err)
{
	int rc;

	if ((rc = db_checkpoint(s, SQLITE_CHECKPOINT_TRUNCATE, err)) < 0)
		return rc;
	if (s->wal_frames != 0)
		return bl_fail(err, BL_EBUSY, "spool %s: a reader holds the log back", s->path);
	return BL_OK;
}

static int64_t
log_bytes(const struct spool *s)
{
	return s->wal_frames * (s->page_bytes + 24);
}

/*
 * Sees to it that one more transaction, which adds so many bytes to the log, cannot
 * push file and log over the cap.
 */
static int
wal_room(struct spool *s, int64_t bytes, struct bl_err *err)
{
	int rc;

	if (log_bytes(s) + bytes <= s->wal_max_bytes)
		return BL_OK;
	if ((rc = db_checkpoint(s, SQLITE_CHECKPOINT_PASSIVE, err)) < 0)
		return rc;
	if (s->wal_frames == 0 || log_bytes(s) + bytes <= s->wal_max_bytes)
		return BL_OK;
	s->trouble = SPOOL_HELD_BACK;
	return bl_fail(err, BL_EFULL,
	    "spool %s: a reader holds the log back (%d pages); will try again", s->path,
	    s->wal_frames);
}

/*
 * After a commit whose fate is unknown, before anything else is written: what is
 * in the log now is written and synced anew, and then it is known whether that
 * commit is in it.  A later one would make its number say nothing, and would
 * itself be lost with pages that never reached the disk below it.
 */
static int
settle_log(struct spool *s, struct bl_err *err)
{
	int rc;

	if (!s->log_unsure)
		return BL_OK;
	if ((rc = db_rewrite_log(s, err)) < 0) {
		s->suspect = true;
		return rc;
	}
	s->log_unsure = false;
	if (s->p.doubt_no != 0 && s->d.commit_no == s->p.doubt_no)
		pending_release(&s->p, &s->p.doubt);
	s->p.doubt_no = 0;
	memset(&s->p.doubt, 0, sizeof(s->p.doubt));
	return BL_OK;
}

int64_t
txn_bytes_most(const struct spool *s)
{
	return (s->wal_max_bytes - SPOOL_TXN_WAL_BYTES) / 9 * 8;
}

int
txn_begin(struct spool *s, struct bl_err *err)
{
	return txn_begin_for(s, 0, err);
}

int
txn_begin_for(struct spool *s, int64_t bytes, struct bl_err *err)
{
	/* A page of each run is its own, and one more touched where a row lies in the middle. */
	int64_t log = bytes + bytes / 8 + SPOOL_TXN_WAL_BYTES;
	int rc;

	if (s->group == TXN_GROUP_FAILED)
		return bl_fail(err, BL_EBUSY, "spool %s: the group has failed", s->path);
	if (s->group == TXN_GROUP) {
		if (s->in_txn)
			return BL_OK;
		log = s->group_bytes + s->group_bytes / 8 + SPOOL_TXN_WAL_BYTES;
	}
	if (s->damaged)
		return bl_fail(err, BL_ECORRUPT, "spool %s: damaged; it must be replaced", s->path);
	if ((s->db == NULL || s->suspect) && (rc = reopen(s, err)) < 0)
		return rc;
	if ((rc = settle_log(s, err)) < 0)
		return rc;
	if ((rc = wal_room(s, log, err)) < 0)
		return rc;
	rc = sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return db_fail(s, rc, err, "begin");
	s->saved = s->d;
	s->in_txn = true;
	return BL_OK;
}

/*
 * The commit failed on the way to the disk.  It may be in the file's cache
 * all the same: look, and when it is, copy it into the main file, which writes
 * and syncs it anew.
 */
static int
commit_doubtful(struct spool *s, int64_t attempted, struct bl_err *err)
{
	struct bl_err why = { 0 };

	if (reopen(s, &why) < 0) {
		s->log_unsure = true;
		return err->code;
	}
	if (s->d.commit_no != attempted)
		return err->code;
	if (db_rewrite_log(s, &why) < 0) {
		s->suspect = s->log_unsure = true;
		return err->code;
	}
	return BL_OK;
}

void
db_tidy(struct spool *s, int64_t bytes)
{
	struct bl_err ignored = { 0 };

	if (s->db != NULL && !s->suspect && !s->damaged && log_bytes(s) >= bytes &&
	    db_checkpoint(s, SQLITE_CHECKPOINT_PASSIVE, &ignored) < 0)
		bl_debug("spool", "%s", ignored.msg); /* tried again when the log needs room */
}

int
txn_commit(struct spool *s, struct bl_err *err)
{
	const int64_t attempted = s->d.commit_no + 1;
	int rc, sqlite_rc;

	if (s->group == TXN_GROUP)
		return BL_OK; /* with all others */
	s->d.commit_no = s->attempted_no = attempted;
	s->d.commit_unix_ms = bl_unix_ms(s->clock);
	if ((rc = durable_save(s, err)) < 0) {
		txn_rollback(s);
		return rc;
	}
	if (bl_fault_hit("spool.commit.before")) {
		txn_rollback(s);
		return bl_fail(err, BL_EIO, "spool %s: commit: made to fail", s->path);
	}
	sqlite_rc = sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
	if (sqlite_rc != SQLITE_OK) {
		rc = db_fail(s, sqlite_rc, err, "commit");
		txn_rollback(s);
		return s->suspect ? commit_doubtful(s, attempted, err) : rc;
	}
	s->in_txn = s->trimmed_fresh = s->usage_fresh = false;
	(void)bl_fault_hit("spool.commit.after"); /* a place to die: nothing can fail any more */
	db_tidy(s, s->wal_tidy_bytes + SPOOL_WAL_LATE_BYTES);
	return BL_OK;
}

void
txn_rollback(struct spool *s)
{
	if (s->db != NULL && !sqlite3_get_autocommit(s->db)) {
		const int rc = sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);

		if (rc != SQLITE_OK)
			s->suspect = true; /* closing the connection rolls back, too */
	}
	if (s->group == TXN_GROUP)
		s->group = TXN_GROUP_FAILED;
	s->d = s->saved;
	s->trimmed_missing = s->trimmed_missing || s->trimmed_fresh;
	s->usage_missing = s->usage_missing || s->usage_fresh;
	s->in_txn = s->trimmed_fresh = s->usage_fresh = false;
}

void
txn_group_begin(struct spool *s, int64_t bytes)
{
	s->group = TXN_GROUP;
	s->group_bytes = bytes;
}

int
txn_group_end(struct spool *s, int done, struct bl_err *err)
{
	const bool failed = s->group == TXN_GROUP_FAILED;

	if (done < 0 && s->in_txn)
		txn_rollback(s);
	s->group = TXN_SINGLE;
	if (done < 0 || failed)
		return bl_fail(err, done < 0 ? done : BL_EBUSY, "spool %s: rolled back", s->path);
	return s->in_txn ? txn_commit(s, err) : BL_OK;
}

int
db_free_pages(struct spool *s, int64_t *out, struct bl_err *err)
{
	int64_t pages, unused;
	int rc;

	if ((rc = db_number(s, "PRAGMA page_count", &pages, err)) < 0 ||
	    (rc = db_number(s, "PRAGMA freelist_count", &unused, err)) < 0)
		return rc;
	*out = s->max_pages - pages + unused;
	return BL_OK;
}
