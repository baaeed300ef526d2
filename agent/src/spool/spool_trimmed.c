/*
 * What left the table of batches by right: ranges of ids that were deleted after
 * their receipt.  With the ledger and the table itself it tells a batch that the
 * centre lost from one that vanished: a row that neither trimming nor the ledger
 * knows of was taken by nobody of ours, and must not be given a reason.  What the centre
 * had of another life of the file, which an older copy of it never cut, stands here, too: it
 * can be had from nobody but the centre.
 *
 * Trimming goes oldest first, so this is a row or two a stream.  Files of before
 * get the table when they are opened; what they had receipted in one piece counts
 * as trimmed then.  When there is no room for it, the file is gone on with all the
 * same: the first batch to be trimmed makes the table, in the room that it leaves.
 */
#include "spool_internal.h"

static const char table_sql[] =
    "CREATE TABLE trimmed(first INTEGER PRIMARY KEY, last INTEGER NOT NULL)";

static int
add_former(struct spool *s, struct bl_err *err)
{
	int rc = BL_OK;

	for (unsigned i = 0; i < BL_STREAMS && rc == BL_OK; i++) {
		const enum bl_stream stream = (enum bl_stream)(i + 1);
		const int64_t contiguous = s->d.stream[i].contiguous;

		if (contiguous > 0)
			rc = db_run(s, Q_TRIMMED_PUT, err, "ii", batch_id(s->d.gen, stream, 1),
			    batch_id(s->d.gen, stream, (uint64_t)contiguous));
	}
	return rc;
}

/* In a transaction. */
static int
make(struct spool *s, struct bl_err *err)
{
	int rc;

	if (sqlite3_exec(s->db, table_sql, NULL, NULL, NULL) != SQLITE_OK)
		return db_fail(
		    s, sqlite3_errcode(s->db), err, "make the table of what was trimmed");
	if ((rc = add_former(s, err)) < 0)
		return rc;
	return layout_note(s, err);
}

/* What the table will say when it is made, of [id, end]: 1; 0: nothing. */
static int
former_next(const struct spool *s, int64_t id, int64_t end, int64_t *first, int64_t *last)
{
	const enum bl_stream stream = batch_stream(id);

	if (!stream_valid(stream))
		return 0;
	*first = batch_id(s->d.gen, stream, 1);
	*last = *first - 1 + s->d.stream[stream_index(stream)].contiguous;
	if (*first < id)
		*first = id;
	if (*last > end)
		*last = end;
	return *first <= *last ? 1 : 0;
}

int
trimmed_make(struct spool *s, struct bl_err *err)
{
	int64_t there = 0;
	int rc;

	s->trimmed_fresh = false;
	if ((rc = db_number(
		 s, "SELECT count(*) FROM sqlite_schema WHERE name='trimmed'", &there, err)) < 0 ||
	    there > 0)
		return rc;
	if (sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		return db_fail(
		    s, sqlite3_errcode(s->db), err, "make the table of what was trimmed");
	if ((rc = make(s, err)) == BL_OK &&
	    sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		rc = db_fail(s, sqlite3_errcode(s->db), err, "make the table of what was trimmed");
	if (rc < 0 && !sqlite3_get_autocommit(s->db))
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL); /* as it was */
	return rc;
}

/* The range that begins at or before id; {0, 0}: none. */
static int
range_below(struct spool *s, int64_t id, int64_t *first, int64_t *last, struct bl_err *err)
{
	sqlite3_stmt *st = db_select(s, Q_TRIMMED_BELOW, err, "i", id);
	int rc;

	*first = *last = 0;
	if (st == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1) {
		*first = sqlite3_column_int64(st, 0);
		*last = sqlite3_column_int64(st, 1);
	}
	db_done(st);
	return rc < 0 ? rc : BL_OK;
}

static int
make_missing(struct spool *s, struct bl_err *err)
{
	int rc;

	if (!s->trimmed_missing)
		return BL_OK;
	if ((rc = make(s, err)) < 0)
		return rc;
	s->trimmed_missing = false;
	s->trimmed_fresh = true;
	return BL_OK;
}

int
trimmed_add(struct spool *s, int64_t id, struct bl_err *err)
{
	int64_t first, last, next_first, next_last;
	int rc;

	if ((rc = make_missing(s, err)) < 0)
		return rc;
	if ((rc = range_below(s, id, &first, &last, err)) < 0 ||
	    (rc = range_below(s, id + 1, &next_first, &next_last, err)) < 0)
		return rc;
	if (first != 0 && last >= id)
		return BL_OK;
	if (first == 0 || last + 1 != id)
		first = id;
	last = id;
	if (next_first == id + 1) {
		last = next_last;
		if ((rc = db_run(s, Q_TRIMMED_DROP, err, "i", next_first)) < 0)
			return rc;
	}
	if ((rc = db_run(s, Q_TRIMMED_PUT, err, "ii", first, last)) < 0)
		return rc;
	/* One more range: what is forgotten here would be answered as vanished, not hidden. */
	return first == id ? db_run(s, Q_TRIMMED_CAP, err, "i", (int64_t)SPOOL_TRIMMED_ROWS)
			   : BL_OK;
}

int
trimmed_elsewhere(struct spool *s, int64_t gen, enum bl_stream stream, uint64_t first,
    uint64_t last, struct bl_err *err)
{
	const int64_t id = batch_id(gen, stream, first);
	int64_t a, b;
	int rc;

	if ((rc = trimmed_add(s, id, err)) < 0 || (rc = range_below(s, id, &a, &b, err)) < 0)
		return rc;
	if (batch_id(gen, stream, last) <= b)
		return BL_OK;
	return db_run(s, Q_TRIMMED_PUT, err, "ii", a, batch_id(gen, stream, last));
}

int
trimmed_next(
    struct spool *s, int64_t id, int64_t end, int64_t *first, int64_t *last, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (s->trimmed_missing)
		return former_next(s, id, end, first, last);
	if ((st = db_select(s, Q_TRIMMED_FROM, err, "ii", id, end)) == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1) {
		*first = sqlite3_column_int64(st, 0);
		*last = sqlite3_column_int64(st, 1);
		if (*first < id)
			*first = id;
		if (*last > end)
			*last = end;
	}
	db_done(st);
	return rc;
}

int
trimmed_unheld(
    struct spool *s, int64_t gen, enum bl_stream stream, uint64_t upto, struct bl_err *err)
{
	uint64_t from = 1, seq;
	int rc = BL_OK;

	for (; from <= upto && rc >= 0; from = seq + 1) {
		sqlite3_stmt *st = db_select(s, Q_BATCH_WALK, err, "ii",
		    batch_id(gen, stream, from), batch_id(gen, stream, upto));

		if (st == NULL)
			return err->code;
		seq = from;
		while ((rc = db_step(s, st, err)) == 1 &&
		       batch_seq(sqlite3_column_int64(st, 0)) == seq)
			seq++;
		from = seq;
		seq = rc == 1 ? batch_seq(sqlite3_column_int64(st, 0)) : upto + 1;
		db_done(st);
		if (rc >= 0 && from < seq)
			rc = db_run(s, Q_TRIMMED_PUT, err, "ii", batch_id(gen, stream, from),
			    batch_id(gen, stream, seq - 1));
	}
	return rc < 0 ? rc : BL_OK;
}

/* A batch that had its receipt and is held yet says when that was; ends the run before or after it. */
static int
name_held(struct spool *s, struct bl_gap *gap, int64_t first, int64_t *last, struct bl_err *err)
{
	sqlite3_stmt *st = db_select(s, Q_BATCH_WALK, err, "ii", first, *last);
	int rc;

	if (st == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1) {
		const int64_t id = sqlite3_column_int64(st, 0);

		*last = id > first ? id - 1 : id;
		if (id == first && sqlite3_column_type(st, 10) != SQLITE_NULL) {
			gap->begin_boot = gap->end_boot = db_column_id(st, 1);
			gap->begin_boot_ms = sqlite3_column_int64(st, 2);
			gap->end_boot_ms = sqlite3_column_int64(st, 3);
			gap->samples = (uint64_t)(sqlite3_column_int64(st, 4) +
						  sqlite3_column_int64(st, 5));
		}
	}
	db_done(st);
	return rc;
}

int
trimmed_name_former(struct spool *s, struct bl_err *err)
{
	const int64_t end = batch_id(s->d.gen, 0, 0) - 1;
	int64_t first, last = 0;
	int rc;

	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	while (rc >= 0 && (rc = trimmed_next(s, last + 1, end, &first, &last, err)) == 1) {
		struct bl_gap gap = { .reason = BL_GAP_LOST_AT_CENTRE };

		if ((rc = name_held(s, &gap, first, &last, err)) < 0)
			break;
		gap.stream = batch_stream(first);
		gap.seq_first = batch_seq(first);
		gap.seq_last = batch_seq(last);
		/* What travelled in them is told again. */
		if ((rc = spool_of_gen(s, first >> BATCH_GEN_BITS, &gap.spool, err)) == BL_OK &&
		    (rc = db_run(s, Q_LEDGER_UNTOLD, err, "ii", first, last)) == BL_OK)
			rc = ledger_add(s, &gap, err);
	}
	if (rc < 0) {
		txn_rollback(s);
		return rc;
	}
	return txn_commit(s, err);
}

int
batches_recount(struct spool *s, enum bl_stream stream, struct bl_err *err)
{
	struct spool_stream *m = &s->d.stream[stream_index(stream)];
	sqlite3_stmt *st =
	    db_select(s, Q_BATCH_COUNT, err, "ii", (int64_t)BATCH_SEQ_BITS, (int64_t)stream);
	int rc;

	if (st == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1) {
		m->held = sqlite3_column_int64(st, 0);
		m->held_bytes = sqlite3_column_int64(st, 1);
		m->waiting = sqlite3_column_int64(st, 2);
		m->waiting_bytes = sqlite3_column_int64(st, 3);
	}
	db_done(st);
	return rc < 0 ? rc : BL_OK;
}
