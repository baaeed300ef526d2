/*
 * What the writer still knows of batches whose rows are gone: their checks (store_pack.h), and
 * through coverage where they stood in time.
 *
 * Rows of packed_seq do not overlap, so of a stretch of seqs the row that begins last before
 * its end decides.
 */
#include "store_internal.h"

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The last row that begins at or before seq, when it reaches at; 1, 0 or negative. */
static int
row_at(struct store *s, const struct store_spool *sp, enum bl_stream stream, uint64_t seq,
    uint64_t at, sqlite3_stmt **st, struct bl_err *err)
{
	int rc;

	*st = store_bind(s, SQL_PACKED_CHECK, err, "iiu", sp->id, (int64_t)stream, seq);
	if ((rc = store_step(s, *st, err)) != 1)
		return rc;
	if ((uint64_t)sqlite3_column_int64(*st, 1) >= at)
		return 1;
	(void)sqlite3_reset(*st);
	return 0;
}

int
store_packed_same(struct store *s, const struct store_spool *sp, const struct bl_batch_header *h,
    bool *same, struct bl_err *err)
{
	sqlite3_stmt *st;
	uint64_t first, last;
	bool whole;
	int rc = row_at(s, sp, h->stream, h->seq, h->seq, &st, err);

	if (rc != 1)
		return rc;
	first = (uint64_t)sqlite3_column_int64(st, 0);
	last = (uint64_t)sqlite3_column_int64(st, 1);
	whole = sqlite3_column_int(st, 3) != 0 &&
		(uint64_t)sqlite3_column_bytes(st, 2) == 4 * (last - first + 1);
	if (sqlite3_column_int(st, 3) != 0 && sqlite3_column_bytes(st, 2) == 0)
		*same = whole = true; /* nothing more is known of it */
	else if (whole)
		*same = get32((const uint8_t *)sqlite3_column_blob(st, 2) + 4 * (h->seq - first)) ==
			store_pack_check(h);
	(void)sqlite3_reset(st);
	/* Before an agent is told that it contradicts itself: is it the disk that does? */
	if (!whole)
		return store_found_damaged(
		    s, err, "what is left of packed batches of device %s", sp->device);
	return 1;
}

int
store_packed_any(struct store *s, const struct store_spool *sp, enum bl_stream stream,
    uint64_t first, uint64_t last, struct bl_err *err)
{
	sqlite3_stmt *st;
	const int rc = row_at(s, sp, stream, last, first, &st, err);

	if (rc == 1)
		(void)sqlite3_reset(st);
	return rc;
}

int
store_packed_remove(struct store *s, const struct store_spool *sp, enum bl_stream stream,
    uint64_t first, uint64_t last, struct seqs *from, struct bl_err *err)
{
	sqlite3_stmt *st =
	    store_bind(s, SQL_PACKED_RANGES, err, "iiuu", sp->id, (int64_t)stream, first, last);
	int rc;

	while ((rc = store_step(s, st, err)) == 1)
		if (seqs_remove(from, (uint64_t)sqlite3_column_int64(st, 0),
			(uint64_t)sqlite3_column_int64(st, 1)) < 0) {
			(void)sqlite3_reset(st);
			return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
		}
	return rc;
}

int
store_packed_span(struct store *s, const struct store_spool *sp, enum bl_stream stream,
    uint64_t seq, int64_t *boot_id, int64_t *begin_ms, int64_t *end_ms, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc = row_at(s, sp, stream, seq, seq, &st, err);

	if (rc != 1)
		return rc;
	(void)sqlite3_reset(st);
	st = store_bind(
	    s, SQL_COVERAGE_OF, err, "iiiu", sp->device_id, (int64_t)stream, sp->id, seq);
	if ((rc = store_step(s, st, err)) != 1)
		return rc;
	/* One row has no hole inside. */
	*boot_id = sqlite3_column_int64(st, 0);
	*begin_ms = sqlite3_column_int64(st, 1);
	*end_ms = sqlite3_column_int64(st, 2);
	(void)sqlite3_reset(st);
	return 1;
}

int
store_own_reader(struct store *s, struct bl_err *err)
{
	return s->reader != NULL ? store_read_refresh(s->reader, err)
				 : store_read_open(&s->reader, s->path, s->clock, err);
}
