/*
 * Batches: known or new by their header, then stored as they came.
 *
 * "Settled" (stream ranges in memory) answers most questions without touching
 * the database; only a seq that is settled already needs its row.  Stored with
 * a batch, in the same transaction: its range, its coverage, its gaps.
 */
#include <string.h>

#include "store_internal.h"

static bool
header_fits(const struct bl_batch_header *h)
{
	return h->stream >= 1 && (int)h->stream <= BL_STREAMS && h->seq >= 1 &&
	       h->seq <= STORE_SEQ_MAX && h->next_seq <= STORE_SEQ_MAX &&
	       h->lowest_held <= STORE_SEQ_MAX && h->supersedes_last <= STORE_SEQ_MAX &&
	       h->collect_end_ms >= h->collect_begin_ms && h->event_end_ms >= h->event_begin_ms;
}

/* A row in the answer, and whether it is this batch. */
static int
stored_as(struct store *s, struct store_spool *sp, const struct bl_batch_header *h, bool *same,
    struct bl_err *err)
{
	sqlite3_stmt *st =
	    store_bind(s, SQL_BATCH_GET, err, "iiu", sp->id, (int64_t)h->stream, h->seq);
	int64_t boot_id, row_boot, id;
	int rc = store_step(s, st, err);

	if (rc <= 0)
		return rc < 0 ? rc : store_packed_same(s, sp, h, same, err);
#ifdef BL_BROKEN_DEDUPE_WITHOUT_CHECKSUM
	(void)sqlite3_reset(st);
	*same = true; /* wrong: a rolled-back spool fills old numbers with new data */
	return 1;
#endif
	*same = (uint32_t)sqlite3_column_int64(st, 0) == h->crc32 &&
		(uint32_t)sqlite3_column_int64(st, 1) == h->raw_bytes &&
		sqlite3_column_int64(st, 3) == h->collect_begin_ms &&
		sqlite3_column_int64(st, 4) == h->collect_end_ms;
	row_boot = sqlite3_column_int64(st, 2);
	id = sqlite3_column_int64(st, 5);
	(void)sqlite3_reset(st);
	if (*same) {
		if ((rc = store_boot_id(s, sp, &h->boot, &boot_id, err)) < 0)
			return rc;
		*same = row_boot == boot_id;
	}
	/* Before an agent is told that it contradicts itself: is it the disk that does? */
	if (!*same && (rc = store_batch_holds(s, id, err)) <= 0)
		return rc < 0 ? rc : store_found_damaged(s, err, "batch %lld", (long long)id);
	return 1;
}

/* Is any batch of [first, last] stored? */
static int
any_stored(struct store *s, const struct store_spool *sp, enum bl_stream stream, uint64_t first,
    uint64_t last, struct bl_err *err)
{
	sqlite3_stmt *st =
	    store_bind(s, SQL_BATCH_ANY, err, "iiuu", sp->id, (int64_t)stream, first, last);
	int rc = store_step(s, st, err);

	if (rc == 1)
		(void)sqlite3_reset(st);
	return rc != 0 ? rc : store_packed_any(s, sp, stream, first, last, err);
}

/* Rows of what stands for others stay when their samples are packed. */
static int
superseded(struct store *s, const struct store_spool *sp, const struct bl_batch_header *h,
    struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(
	    s, SQL_BATCH_SUPERSEDED, err, "iiuu", sp->id, (int64_t)h->stream, h->seq, h->seq);
	int rc = store_step(s, st, err);

	if (rc == 1)
		(void)sqlite3_reset(st);
	return rc;
}

int
store_batch_peek(
    struct store *s, struct store_spool *sp, const struct bl_batch_header *h, struct bl_err *err)
{
	const struct store_stream *m;
	bool same = false;
	int rc;

	if (!header_fits(h))
		return bl_fail(err, BL_EINVAL, "batch: a number in its header is impossible");
	m = &sp->stream[h->stream - 1];
#ifdef BL_BROKEN_DEDUPE_BY_TIME
	/* Wrong: what ends before the newest that came is taken for known, whatever its number. */
	for (int i = 0; i < 2; i++)
		if (m->cover[i].used && h->collect_end_ms <= m->cover[i].end_ms)
			return store_settle(sp, h->stream, h->seq, h->seq) < 0 ? BL_ENOMEM
									       : STORE_DUPLICATE;
#endif
	if (seqs_has(&m->settled, h->seq)) {
		if ((rc = stored_as(s, sp, h, &same, err)) < 0)
			return rc;
		if (rc == 1)
			return same ? STORE_DUPLICATE : STORE_CONFLICT;
		/* A whole one may still take the place of one that did not decode. */
		if (sp->closed && seqs_has(&m->aside, h->seq)) {
			if (!s->again)
				return STORE_DUPLICATE;
			if (h->seq >= m->next_seq)
				return STORE_CONFLICT; /* never ours */
		}
		if ((rc = superseded(s, sp, h, err)) != 0)
			return rc < 0 ? rc : STORE_SUPERSEDED;
		/* Settled as gone, and here it is after all. */
	} else if (sp->closed && h->seq >= m->next_seq && !s->lifting) {
		return STORE_CONFLICT;
	}
	if (h->kind == BL_BATCH_SUPERSEDES) {
		rc = any_stored(s, sp, h->stream, h->supersedes_first, h->supersedes_last, err);
		if (rc != 0)
			return rc < 0 ? rc : STORE_SUPERSEDED;
	}
	return STORE_NEW;
}

/* ---- storing ---- */

static int
insert(struct store *s, const struct store_spool *sp, const struct bl_batch_header *h,
    int64_t boot_id, const void *body, size_t body_len, struct bl_err *err)
{
	const int64_t row[] = { sp->id, (int64_t)h->stream, (int64_t)h->seq, (int64_t)h->crc32,
		sp->device_id, boot_id, (int64_t)h->kind, h->event_begin_ms, h->event_end_ms,
		h->collect_begin_ms, h->collect_end_ms, (int64_t)h->dict_version,
		(int64_t)h->n_samples, (int64_t)h->n_events, (int64_t)h->n_gaps,
		(int64_t)h->raw_bytes, (int64_t)h->supersedes_first, (int64_t)h->supersedes_last,
		s->now_unix_ms };
	const size_t n = sizeof(row) / sizeof(row[0]);

	return store_run(s, SQL_BATCH_ADD, err, "aibi", row, n, s->total.lsn, body, body_len,
	    row_sum_ints("batch", row, n));
}

/* Walks the gaps twice: all are checked before anything is written. */
static int
take_gaps(struct store *s, struct store_spool *sp, const struct bl_batch_header *h, const void *raw,
    size_t raw_len, bool write, struct bl_err *err)
{
	struct bl_batch_reader rd;
	struct bl_gap g;
	int rc;

	if (h->n_gaps == 0)
		return BL_OK;
	if ((rc = bl_batch_reader_init(&rd, h, raw, raw_len, err)) < 0)
		return rc;
	while ((rc = bl_batch_next_gap(&rd, &g, err)) == 1) {
		rc = write ? store_gap_add(s, sp, &g, err) : store_gap_check(&g, err);
		if (rc < 0)
			return rc;
	}
	return rc;
}

static void
note_figures(struct store *s, struct store_spool *sp, const struct bl_batch_header *h)
{
	struct store_stream *m = &sp->stream[h->stream - 1];

	m->batches++;
	m->samples += h->n_samples;
	m->last_arrival_unix_ms = s->now_unix_ms;
	s->total.batches++;
	s->total.samples += h->n_samples;
	s->total.events += h->n_events;
	s->stats.stored++;
}

/* What a header says of its stream, whatever becomes of the batch. */
static void
note_stream(struct store_spool *sp, const struct bl_batch_header *h)
{
	struct store_stream *m = &sp->stream[h->stream - 1];
	const uint64_t held = h->lowest_held < h->next_seq ? h->lowest_held : h->next_seq;

	if (sp->closed)
		return;
	if (h->next_seq > m->next_seq)
		m->next_seq = h->next_seq;
	if (held > m->lowest_held)
		m->lowest_held = held;
	m->dirty = sp->dirty = true;
}

static int
settle_batch(struct store *s, struct store_spool *sp, const struct bl_batch_header *h, bool late,
    struct bl_err *err)
{
	int rc = store_settle(sp, h->stream, h->seq, h->seq);

	if (rc == BL_OK && h->kind == BL_BATCH_SUPERSEDES && h->supersedes_first >= 1 &&
	    h->supersedes_last >= h->supersedes_first) {
		if (sp->stream[h->stream - 1].vanished.n > 0 &&
		    (rc = store_gap_carve_vanished(
			 s, sp, h->stream, h->supersedes_first, h->supersedes_last, err)) < 0)
			return rc;
		rc = store_settle(sp, h->stream, h->supersedes_first, h->supersedes_last);
		if (rc == BL_EFULL && !late &&
		    seqs_remove(&sp->stream[h->stream - 1].settled, h->seq, h->seq) < 0)
			rc = BL_ENOMEM;
	}
	if (rc == BL_EFULL) {
		s->stats.holes_refused++;
		return STORE_REFUSED;
	}
	return rc < 0 ? bl_fail(err, rc, "telemetry store: out of memory") : BL_OK;
}

static int
store_new(struct store *s, struct store_spool *sp, const struct bl_batch_header *h, bool late,
    const void *body, size_t body_len, const void *raw, size_t raw_len, struct bl_err *err)
{
	struct store_stream *m = &sp->stream[h->stream - 1];
	/* Given up, with an entry that must go now. */
	const bool named = late || seqs_has(&m->vanished, h->seq) || seqs_has(&m->named, h->seq);
	struct store_edges edges;
	int64_t boot_id;
	int rc;

	if ((rc = take_gaps(s, sp, h, raw, raw_len, false, err)) < 0 ||
	    (rc = settle_batch(s, sp, h, late, err)) != BL_OK)
		return rc;
	if ((rc = store_boot_id(s, sp, &h->boot, &boot_id, err)) < 0 ||
	    (rc = insert(s, sp, h, boot_id, body, body_len, err)) < 0 ||
	    (rc = store_pack_note(s, sp, h, sqlite3_last_insert_rowid(s->db), err)) < 0 ||
	    (rc = store_hole_edges(s, sp, h, boot_id, &edges, err)) < 0 ||
	    (rc = store_cover(s, sp, h, boot_id, err)) < 0 ||
	    (named && (rc = store_gap_carve(s, sp, h->stream, h->seq, h->seq, err)) < 0) ||
	    (rc = take_gaps(s, sp, h, raw, raw_len, true, err)) < 0 ||
	    (rc = store_hole_note(s, sp, h, &edges, err)) < 0)
		return rc;
	if (late && seqs_has(&m->aside, h->seq)) {
		if (seqs_remove(&m->aside, h->seq, h->seq) < 0)
			return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
		m->ranges_dirty = true;
	}
	note_stream(sp, h);
	note_figures(s, sp, h);
	return STORE_NEW;
}

int
store_batch_put(struct store *s, struct store_spool *sp, const struct bl_batch_header *h,
    const void *body, size_t body_len, const void *raw, size_t raw_len, struct bl_err *err)
{
	const int put = store_batch_peek(s, sp, h, err);
	bool late;
	int rc;

	if (put < 0 || put == STORE_CONFLICT)
		return put;
	if (put == STORE_DUPLICATE) {
		s->total.duplicates++;
		s->stats.duplicates++;
		note_stream(sp, h);
		return put;
	}
	late = seqs_has(&sp->stream[h->stream - 1].settled, h->seq);
	if (put == STORE_NEW) {
		if ((rc = store_came_before(s, sp, h, raw, raw_len, err)) < 0)
			return rc;
		if (rc == STORE_BEFORE_SOME && sp->closed)
			return STORE_CONFLICT;
		if (rc != STORE_BEFORE_ALL)
			return store_new(s, sp, h, late, body, body_len, raw, raw_len, err);
		note_stream(sp, h);
	}
	s->stats.superseded++;
	rc = settle_batch(s, sp, h, late, err);
	return rc != BL_OK ? rc : STORE_SUPERSEDED;
}

bool
store_body_holds(uint32_t crc32, uint32_t raw_bytes, const void *body, size_t len)
{
	const struct bl_batch_header h = { .crc32 = crc32, .raw_bytes = raw_bytes };
	struct bl_err why = { 0 };
	struct bl_buf raw;
	bool holds;

	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	holds = bl_batch_inflate(&h, body, len, &raw, &why) == BL_OK;
	/* Without memory nothing is known of it. */
	holds = holds || why.code == BL_ENOMEM;
	bl_buf_free(&raw);
	return holds;
}

int
store_batch_holds(struct store *s, int64_t id, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_BATCH_CHECK, err, "i", id);
	bool holds;
	int rc = store_step(s, st, err);

	if (rc <= 0)
		return rc < 0 ? rc : 1;
	holds = sqlite3_column_int(st, 3) != 0 &&
		store_body_holds((uint32_t)sqlite3_column_int64(st, 0),
		    (uint32_t)sqlite3_column_int64(st, 1), sqlite3_column_blob(st, 2),
		    (size_t)sqlite3_column_bytes(st, 2));
	(void)sqlite3_reset(st);
	return holds;
}
