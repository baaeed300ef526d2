/*
 * Between which times what an entry of the ledger names must lie, when the entry does not know
 * its times: an answer to a question, or what a damaged or replaced spool says of seqs that it
 * does not hold, knows numbers only.
 *
 * Not before the batch with the next lower seq ends, not after that with the next higher one
 * begins.  Where there is none any more (the spool was replaced), not after the next thing that the
 * device has delivered under another id begins, and never after the loss became known.
 */
#include "store_read_internal.h"

static int64_t
sooner(int64_t a, int64_t b)
{
	return a == STORE_TIME_NONE || (b != STORE_TIME_NONE && b < a) ? b : a;
}

static int
under_another_id(struct store_read *r, const struct read_gap_of *of, const struct store_gap *g,
    int64_t *out, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	*out = STORE_TIME_NONE;
	if (g->not_before_unix_ms == STORE_TIME_NONE)
		return BL_OK;
	st = read_bind(r, READ_GAP_SUCCESSOR, err, "iiii", of->device_id, (int64_t)g->stream,
	    of->spool_id, g->not_before_unix_ms);
	if ((rc = read_step(r, st, err)) == 1) {
		*out = store_column_time(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

int
read_gap_bounds(
    struct store_read *r, const struct read_gap_of *of, struct store_gap *g, struct bl_err *err)
{
	int64_t next = STORE_TIME_NONE;
	sqlite3_stmt *st;
	int rc;

	if (g->seq_first == 0)
		return BL_OK;
	st = read_bind(r, READ_MISSING_BESIDE, err, "iiiuu", of->device_id, (int64_t)g->stream,
	    of->spool_id, g->seq_first, g->seq_last);
	if ((rc = read_step(r, st, err)) == 1) {
		g->not_before_unix_ms = store_column_time(st, 0);
		next = store_column_time(st, 1);
		(void)sqlite3_reset(st);
	}
	if (rc >= 0 && next == STORE_TIME_NONE)
		rc = under_another_id(r, of, g, &next, err);
	if (rc < 0)
		return rc;
	if (g->from_unix_ms != STORE_TIME_NONE)
		g->not_before_unix_ms = g->from_unix_ms;
	g->not_after_unix_ms =
	    g->to_unix_ms != STORE_TIME_NONE ? g->to_unix_ms : sooner(next, g->known_unix_ms);
	/* Clocks that were set in between: such bounds would say nothing. */
	if (g->not_before_unix_ms != STORE_TIME_NONE &&
	    g->not_before_unix_ms >= g->not_after_unix_ms)
		g->not_before_unix_ms = STORE_TIME_NONE;
	return BL_OK;
}
