/*
 * The ledger: what will never come, and why.
 *
 * An entry travels as a gap in the next events batch; "travel" then names that
 * batch.  When the batch itself is dropped, the entry is told again.  Entries
 * that have not travelled grow with their neighbours instead of multiplying.
 * The table has a cap; beyond it the oldest that have travelled go first and
 * what goes is counted.
 */
#include <string.h>

#include "spool_internal.h"

void
ledger_row(sqlite3_stmt *st, int64_t *id, struct bl_gap *gap)
{
	memset(gap, 0, sizeof(*gap));
	*id = sqlite3_column_int64(st, 0);
	gap->spool = db_column_id(st, 1);
	gap->reason = (enum bl_gap_reason)sqlite3_column_int(st, 2);
	gap->stream = (enum bl_stream)sqlite3_column_int(st, 3);
	gap->seq_first = (uint64_t)sqlite3_column_int64(st, 4);
	gap->seq_last = (uint64_t)sqlite3_column_int64(st, 5);
	gap->begin_boot = db_column_id(st, 6);
	gap->begin_boot_ms = sqlite3_column_int64(st, 7);
	gap->end_boot = db_column_id(st, 8);
	gap->end_boot_ms = sqlite3_column_int64(st, 9);
	gap->samples = (uint64_t)sqlite3_column_int64(st, 10);
}

/* Of one boot each, the same, of which one begins in the other or at its end. */
static bool
times_touch(const struct bl_gap *a, const struct bl_gap *b)
{
	return bl_id_equal(&a->begin_boot, &a->end_boot) &&
	       bl_id_equal(&b->begin_boot, &b->end_boot) &&
	       bl_id_equal(&a->end_boot, &b->begin_boot) && b->begin_boot_ms <= a->end_boot_ms &&
	       a->begin_boot_ms <= b->end_boot_ms;
}

/*
 * Neighbours by time, and by seq if they have any.  Seqs alone do not do: means and parts
 * are older than their seqs, so neighbours may be of other boots, or hours apart, and what
 * lies between is not lost.  Those of which only seqs are known are of one time: none.
 */
static bool
touches(const struct bl_gap *a, const struct bl_gap *b)
{
	if ((a->seq_first == 0) != (b->seq_first == 0))
		return false;
	if (a->seq_first != 0 && (b->seq_first > a->seq_last + 1 || a->seq_first > b->seq_last + 1))
		return false;
	return times_touch(a, b);
}

static void
widen(struct bl_gap *a, const struct bl_gap *b)
{
	if (b->seq_first < a->seq_first)
		a->seq_first = b->seq_first;
	if (b->seq_last > a->seq_last)
		a->seq_last = b->seq_last;
	if (b->begin_boot_ms < a->begin_boot_ms)
		a->begin_boot_ms = b->begin_boot_ms;
	if (b->end_boot_ms > a->end_boot_ms)
		a->end_boot_ms = b->end_boot_ms;
	a->samples += b->samples;
}

static int
extend(struct spool *s, int64_t id, const struct bl_gap *g, struct bl_err *err)
{
	return db_run(s, Q_LEDGER_EXTEND, err, "iiididii", id, (int64_t)g->seq_first,
	    (int64_t)g->seq_last, &g->begin_boot, g->begin_boot_ms, &g->end_boot, g->end_boot_ms,
	    (int64_t)g->samples);
}

static int
keep_under_cap(struct spool *s, struct bl_err *err)
{
	int64_t n = 0;
	sqlite3_stmt *st;
	int rc;

	/* Looked at every 64 entries: counting walks the table. */
	if (s->d.gaps % 64 != 0)
		return BL_OK;
	if ((st = db_select(s, Q_LEDGER_COUNT, err, "")) == NULL)
		return err != NULL ? err->code : BL_EIO;
	if ((rc = db_step(s, st, err)) == 1)
		n = sqlite3_column_int64(st, 0);
	db_done(st);
	if (rc < 0 || n <= SPOOL_LEDGER_ROWS)
		return rc < 0 ? rc : BL_OK;
	s->d.forgotten += n - SPOOL_LEDGER_ROWS;
	return db_run(s, Q_LEDGER_FORGET, err, "i", n - SPOOL_LEDGER_ROWS);
}

int
ledger_put(struct spool *s, const struct bl_gap *g, int64_t travel, struct bl_err *err)
{
	const int rc = db_run(s, Q_LEDGER_ADD, err, "diiiididiii", &g->spool, (int64_t)g->reason,
	    (int64_t)g->stream, (int64_t)g->seq_first, (int64_t)g->seq_last, &g->begin_boot,
	    g->begin_boot_ms, &g->end_boot, g->end_boot_ms, (int64_t)g->samples, travel);

	if (rc < 0)
		return rc;
	s->d.gaps++;
	return keep_under_cap(s, err);
}

int
ledger_add(struct spool *s, const struct bl_gap *gap, struct bl_err *err)
{
	struct bl_gap g = *gap, at;
	sqlite3_stmt *st;
	int64_t id = 0;
	int rc;

	if (bl_id_is_zero(&g.spool))
		g.spool = s->d.spool;
	/* Until the centre hears it, these batches are missing there without a reason. */
	if (g.seq_first > 0 && s->event_mono_ms == INT64_MAX)
		s->event_mono_ms = bl_mono_ms(s->clock);
	st = db_select(
	    s, Q_LEDGER_TOUCHING, err, "dii", &g.spool, (int64_t)g.reason, (int64_t)g.stream);
	if (st == NULL)
		return err != NULL ? err->code : BL_EIO;
	if ((rc = db_step(s, st, err)) == 1)
		ledger_row(st, &id, &at);
	db_done(st);
	if (rc < 0)
		return rc;
	if (rc == 1 && touches(&at, &g)) {
		widen(&at, &g);
		return extend(s, id, &at, err);
	}
	return ledger_put(s, &g, 0, err);
}

int
ledger_replaced(struct spool *s, const struct bl_gap *gap, struct bl_err *err)
{
	return db_run(s, Q_LEDGER_REPLACED, err, "diiididi", &s->d.spool, (int64_t)gap->stream,
	    (int64_t)gap->seq_first, (int64_t)gap->seq_last, &gap->begin_boot, gap->begin_boot_ms,
	    &gap->end_boot, gap->end_boot_ms);
}

int
ledger_encode(
    struct spool *s, struct bl_batch_enc *enc, int64_t *last_id, unsigned *n, struct bl_err *err)
{
	struct bl_gap gap;
	sqlite3_stmt *st;
	int64_t id;
	int rc;

	*last_id = 0;
	*n = 0;
	st = db_select(s, Q_LEDGER_TRAVEL, err, "i", (int64_t)SPOOL_BATCH_GAPS);
	if (st == NULL)
		return err != NULL ? err->code : BL_EIO;
	while ((rc = db_step(s, st, err)) == 1) {
		ledger_row(st, &id, &gap);
		if (bl_id_equal(&gap.spool, &s->d.spool))
			memset(&gap.spool, 0, sizeof(gap.spool));
		rc = bl_batch_enc_gap(enc, &gap);
		if (rc == BL_EFULL)
			break; /* the next batch takes the rest */
		if (rc < 0)
			bl_warn("spool", "a ledger entry cannot be told id=%lld code=%s",
			    (long long)id, bl_code_name(rc));
		else
			(*n)++;
		*last_id = id;
	}
	db_done(st);
	return rc < 0 && rc != BL_EFULL ? rc : BL_OK;
}

static int
read_recent(sqlite3 *db, struct bl_gap *out, unsigned max)
{
	sqlite3_stmt *st = NULL;
	unsigned n = 0;
	int64_t id;
	int rc;

	rc = sqlite3_prepare_v2(db,
	    "SELECT id,spool,reason,stream,seq_first,seq_last,begin_boot,begin_ms,end_boot,end_ms,"
	    "samples FROM ledger WHERE reason>0 ORDER BY id DESC LIMIT ?1",
	    -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(st, 1, max);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW && n < max)
			ledger_row(st, &id, &out[n++]);
	}
	(void)sqlite3_finalize(st); /* repeats the code above */
	return rc == SQLITE_DONE ? (int)n : -rc;
}

int
spool_recent_gaps(struct spool *s, struct bl_gap *out, unsigned max, struct bl_err *err)
{
	int rc;

	if (s->db == NULL)
		return bl_fail(err, BL_EIO, "spool %s: not open after an error", s->path);
	rc = read_recent(s->db, out, max);
	return rc >= 0 ? rc : db_fail(s, -rc, err, "read the ledger");
}

int
spool_recent_gaps_of_file(const char *path, struct bl_gap *out, unsigned max, struct bl_err *err)
{
	sqlite3 *db;
	int rc;

	if ((rc = db_open_to_read(&db, path, err)) < 0)
		return rc;
	rc = read_recent(db, out, max);
	if (rc < 0)
		rc = bl_fail(
		    err, db_code_plain(-rc), "read the ledger of %s: %s", path, sqlite3_errmsg(db));
	(void)sqlite3_close(db); /* only read */
	return rc;
}
