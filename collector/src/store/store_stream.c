/*
 * What is settled of one stream, and its row: loaded with its spool, written
 * back at commit.
 *
 * The row holds 1..contiguous; table seq_range holds what lies beyond, and what
 * was set aside.  In order, nothing but the row changes.
 */
#include <string.h>

#include "store_internal.h"

enum { RANGE_BEYOND = 1, RANGE_ASIDE = 2, RANGE_VANISHED = 3, RANGE_NAMED = 4 };

static struct seqs *
of_kind(struct store_stream *m, int kind)
{
	return kind == RANGE_ASIDE      ? &m->aside
	       : kind == RANGE_VANISHED ? &m->vanished
	       : kind == RANGE_NAMED    ? &m->named
					: &m->settled;
}

/*
 * Receipts go out by these rows: a flipped bit would let an agent drop what is not here.
 * A row from before there were sums has none.
 */
static bool
row_agrees(sqlite3_stmt *st, int column)
{
	return sqlite3_column_type(st, column) == SQLITE_NULL ||
	       sqlite3_column_int(st, column) != 0;
}

static int
load_ranges(struct store *s, struct store_spool *sp, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_RANGE_GET, err, "i", sp->id);
	int rc;

	while ((rc = store_step(s, st, err)) == 1) {
		const int64_t n = sqlite3_column_int64(st, 0);
		struct store_stream *m;
		int added;

		if (!row_agrees(st, 4)) {
			(void)sqlite3_reset(st);
			return store_found_damaged(s, err, "a range of device %s", sp->device);
		}
		if (n < 1 || n > BL_STREAMS)
			continue;
		m = &sp->stream[n - 1];
		added = seqs_add(of_kind(m, sqlite3_column_int(st, 1)),
		    (uint64_t)sqlite3_column_int64(st, 2), (uint64_t)sqlite3_column_int64(st, 3),
		    STORE_RANGES_MAX * 2);
		if (added < 0) {
			(void)sqlite3_reset(st);
			return bl_fail(err, added, "telemetry store: ranges of a stream");
		}
	}
	return rc;
}

int
store_stream_load(struct store *s, struct store_spool *sp, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	for (int i = 0; i < BL_STREAMS; i++) {
		sp->stream[i].next_seq = 1;
		sp->stream[i].lowest_held = 1;
		sp->stream[i].last_arrival_unix_ms = STORE_TIME_NONE;
		sp->stream[i].until_unix_ms = STORE_TIME_NONE;
		sp->stream[i].unexplained_since_unix_ms = STORE_TIME_NONE;
	}
	st = store_bind(s, SQL_STREAM_GET, err, "i", sp->id);
	while ((rc = store_step(s, st, err)) == 1) {
		const int64_t n = sqlite3_column_int64(st, 0);
		struct store_stream *m;
		uint64_t contiguous;

		if (!row_agrees(st, 12)) {
			(void)sqlite3_reset(st);
			return store_found_damaged(s, err, "a stream of device %s", sp->device);
		}
		if (n < 1 || n > BL_STREAMS)
			continue;
		m = &sp->stream[n - 1];
		contiguous = (uint64_t)sqlite3_column_int64(st, 1);
		if (contiguous > 0 && seqs_add(&m->settled, 1, contiguous, 1) < 0) {
			(void)sqlite3_reset(st);
			return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
		}
		m->next_seq = (uint64_t)sqlite3_column_int64(st, 2);
		m->lowest_held = (uint64_t)sqlite3_column_int64(st, 3);
		m->unexplained = (uint64_t)sqlite3_column_int64(st, 4);
		m->batches = (uint64_t)sqlite3_column_int64(st, 5);
		m->samples = (uint64_t)sqlite3_column_int64(st, 6);
		m->last_arrival_unix_ms = store_column_time(st, 7);
		m->until_unix_ms = store_column_time(st, 8);
		m->span_max_ms = sqlite3_column_int64(st, 9);
		m->unexplained_gaps = (uint64_t)sqlite3_column_int64(st, 10);
		m->unexplained_since_unix_ms = store_column_time(st, 11);
		m->exists = true;
	}
	return rc < 0 ? rc : load_ranges(s, sp, err);
}

static int
flush_ranges(struct store *s, const struct store_spool *sp, struct store_stream *m, int64_t stream,
    struct bl_err *err)
{
	const size_t beyond = seqs_contiguous(&m->settled) > 0 ? 1 : 0;
	int rc = store_run(s, SQL_RANGE_CLEAR, err, "ii", sp->id, stream);

	for (size_t i = beyond; rc == BL_OK && i < m->settled.n; i++)
		rc = store_run(s, SQL_RANGE_ADD, err, "iiiuu", sp->id, stream,
		    (int64_t)RANGE_BEYOND, m->settled.r[i].first, m->settled.r[i].last);
	for (size_t i = 0; rc == BL_OK && i < m->aside.n; i++)
		rc = store_run(s, SQL_RANGE_ADD, err, "iiiuu", sp->id, stream, (int64_t)RANGE_ASIDE,
		    m->aside.r[i].first, m->aside.r[i].last);
	for (size_t i = 0; rc == BL_OK && i < m->vanished.n; i++)
		rc = store_run(s, SQL_RANGE_ADD, err, "iiiuu", sp->id, stream,
		    (int64_t)RANGE_VANISHED, m->vanished.r[i].first, m->vanished.r[i].last);
	for (size_t i = 0; rc == BL_OK && i < m->named.n; i++)
		rc = store_run(s, SQL_RANGE_ADD, err, "iiiuu", sp->id, stream, (int64_t)RANGE_NAMED,
		    m->named.r[i].first, m->named.r[i].last);
	return rc;
}

static int
set_row(struct store *s, const struct store_spool *sp, const struct store_stream *m,
    enum bl_stream stream, struct bl_err *err)
{
	const int64_t summed[] = { sp->id, (int64_t)stream, (int64_t)seqs_contiguous(&m->settled),
		(int64_t)m->next_seq, (int64_t)m->lowest_held };

	return store_run(s, SQL_STREAM_SET, err, "auuuooiuoiii", &summed[2], (size_t)3,
	    m->unexplained, m->batches, m->samples, m->last_arrival_unix_ms, m->until_unix_ms,
	    m->span_max_ms, m->unexplained_gaps, m->unexplained_since_unix_ms,
	    row_sum_ints("stream", summed, 5), summed[0], summed[1]);
}

int
store_stream_flush(
    struct store *s, struct store_spool *sp, enum bl_stream stream, struct bl_err *err)
{
	struct store_stream *m = &sp->stream[stream - 1];
	int rc;

	for (int i = 0; i < 2; i++)
		if (m->cover[i].dirty &&
		    (rc = store_cover_flush(s, sp, stream, &m->cover[i], err)) < 0)
			return rc;
	if (!m->dirty)
		return BL_OK;
	if (m->ranges_dirty && (rc = flush_ranges(s, sp, m, stream, err)) < 0)
		return rc;
	store_stream_unexplained(sp, m, s->now_unix_ms);
	if (!m->exists &&
	    (rc = store_run(s, SQL_STREAM_ADD, err, "ii", sp->id, (int64_t)stream)) < 0)
		return rc;
	if ((rc = set_row(s, sp, m, stream, err)) < 0)
		return rc;
	m->exists = true;
	m->dirty = m->ranges_dirty = false;
	return BL_OK;
}

int
store_settle(struct store_spool *sp, enum bl_stream stream, uint64_t first, uint64_t last)
{
	struct store_stream *m = &sp->stream[stream - 1];
	const size_t n = m->settled.n;
	const uint64_t contiguous = seqs_contiguous(&m->settled);
	int rc;

	if ((rc = seqs_add(&m->settled, first, last, STORE_RANGES_MAX)) < 0)
		return rc;
	if (m->vanished.n > 0 || m->named.n > 0) {
		if (seqs_remove(&m->vanished, first, last) < 0 ||
		    seqs_remove(&m->named, first, last) < 0)
			return BL_ENOMEM;
		m->ranges_dirty = true;
	}
	/* Only the contiguous one grew: it stands in the stream's own row. */
	if (n != m->settled.n || contiguous == seqs_contiguous(&m->settled))
		m->ranges_dirty = true;
	if (last >= m->next_seq)
		m->next_seq = last + 1;
	m->dirty = true;
	sp->dirty = true;
	return BL_OK;
}
