/*
 * Holes in time: collection intervals of neighbouring batches touch, so a span
 * between two of one boot means something.  It is explained by other batches of
 * the device (cut again under another id, or thinned) and by entries of the
 * ledger with times; what nothing explains is a row of "hole" until something
 * does.
 *
 * In order nothing is looked up: the neighbour is in memory.  Where there are no
 * holes at all, which is as it should be, nothing is looked at again.
 */
#include "store_internal.h"

#define REVIEW_MAX 64   /* holes of a boot looked at again in one go */
#define STEPS_MAX  1024 /* pieces that explain one hole */
#define SKIP_MAX   256  /* superseding batches between two neighbours */

struct span_ms {
	int64_t begin, end;
};

/* Where the batch seq of this boot begins or ends: 1; 0: it is not there, or of another boot. */
static int
neighbour(struct store *s, struct store_spool *sp, enum bl_stream stream, uint64_t seq,
    int64_t boot_id, struct span_ms *out, struct bl_err *err)
{
	struct store_stream *m = &sp->stream[stream - 1];
	sqlite3_stmt *st;
	int rc;

	if (seq < 1 || !seqs_has(&m->settled, seq))
		return 0;
	for (unsigned i = 0; i < 2; i++) {
		const struct coverage_row *c = &m->cover[i];

		if (!c->used || c->boot_id != boot_id || seq < c->seq_first || seq > c->seq_last)
			continue;
		/* One row has no hole inside. */
		*out = (struct span_ms){ c->begin_ms, c->end_ms };
		return 1;
	}
	st = store_bind(s, SQL_BATCH_GET, err, "iiu", sp->id, (int64_t)stream, seq);
	if ((rc = store_step(s, st, err)) < 0)
		return rc;
	if (rc == 0) {
		int64_t other;

		rc = store_packed_span(s, sp, stream, seq, &other, &out->begin, &out->end, err);
		return rc == 1 ? other == boot_id : rc;
	}
	rc = sqlite3_column_int64(st, 2) == boot_id ? 1 : 0;
	*out = (struct span_ms){ sqlite3_column_int64(st, 3), sqlite3_column_int64(st, 4) };
	(void)sqlite3_reset(st);
	return rc;
}

static int
supersedes(struct store *s, const struct store_spool *sp, enum bl_stream stream, uint64_t seq,
    struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_BATCH_GET, err, "iiu", sp->id, (int64_t)stream, seq);
	int rc = store_step(s, st, err);

	if (rc <= 0)
		return rc;
	rc = sqlite3_column_int64(st, 6) == BL_BATCH_SUPERSEDES;
	(void)sqlite3_reset(st);
	return rc;
}

/*
 * The nearest by seq, below or above, that is a neighbour in time as well: superseding ones
 * stand elsewhere in it and are passed over.  In order it touches, and nothing is looked up.
 */
static int
neighbour_in_time(struct store *s, struct store_spool *sp, const struct bl_batch_header *h,
    int64_t boot_id, bool above, struct span_ms *out, struct bl_err *err)
{
	for (uint64_t i = 1; i <= SKIP_MAX; i++) {
		const uint64_t seq = above ? h->seq + i : h->seq > i ? h->seq - i : 0;
		int rc = neighbour(s, sp, h->stream, seq, boot_id, out, err);

		if (rc != 1)
			return rc;
		if (above ? out->begin == h->collect_end_ms : out->end == h->collect_begin_ms)
			return 1;
		if ((rc = supersedes(s, sp, h->stream, seq, err)) <= 0)
			return rc < 0 ? rc : 1;
	}
	return 0;
}

int
store_hole_edges(struct store *s, struct store_spool *sp, const struct bl_batch_header *h,
    int64_t boot_id, struct store_edges *out, struct bl_err *err)
{
	struct span_ms n;
	int rc;

	*out = (struct store_edges){ 0 };
	if (h->kind != BL_BATCH_NORMAL)
		return BL_OK; /* a thinned one has no neighbours in time */
	if ((rc = neighbour_in_time(s, sp, h, boot_id, false, &n, err)) < 0)
		return rc;
	if (rc == 1 && n.end < h->collect_begin_ms) {
		out->below = true;
		out->below_ms = n.end;
	}
	if ((rc = neighbour_in_time(s, sp, h, boot_id, true, &n, err)) < 0)
		return rc;
	if (rc == 1 && n.begin > h->collect_end_ms) {
		out->above = true;
		out->above_ms = n.begin;
	}
	return BL_OK;
}

/* How far what begins at or before at reaches; at: nothing does. */
static int
reach(struct store *s, enum store_sql which, int64_t device_id, enum bl_stream stream,
    const struct bl_id *boot, int64_t *at, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, which, err, "iidi", device_id, (int64_t)stream, boot, *at);
	int rc = store_step(s, st, err);

	if (rc == 1) {
		const int64_t end = store_column_time(st, 0); /* NULL: nothing */

		if (end != STORE_TIME_NONE && end > *at)
			*at = end;
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

/* 1: all of [begin, end) is accounted for; 0; negative. */
static int
explained(struct store *s, int64_t device_id, enum bl_stream stream, const struct bl_id *boot,
    int64_t begin, int64_t end, struct bl_err *err)
{
	int64_t at = begin;
	int rc;

	for (unsigned i = 0; i < STEPS_MAX && at < end; i++) {
		const int64_t before = at;

		if ((rc = reach(s, SQL_HOLE_COVERED, device_id, stream, boot, &at, err)) < 0 ||
		    (rc = reach(s, SQL_HOLE_NAMED, device_id, stream, boot, &at, err)) < 0)
			return rc;
		if (at == before)
			return 0;
	}
	return at >= end;
}

static int
flush_covers(struct store *s, struct store_spool *sp, enum bl_stream stream, struct bl_err *err)
{
	struct store_stream *m = &sp->stream[stream - 1];
	int rc;

	for (int i = 0; i < 2; i++)
		if (m->cover[i].dirty &&
		    (rc = store_cover_flush(s, sp, stream, &m->cover[i], err)) < 0)
			return rc;
	return BL_OK;
}

static int
note(struct store *s, struct store_spool *sp, enum bl_stream stream, const struct bl_id *boot,
    int64_t begin, int64_t end, struct bl_err *err)
{
	int rc;

	if ((rc = flush_covers(s, sp, stream, err)) < 0 ||
	    (rc = explained(s, sp->device_id, stream, boot, begin, end, err)) != 0)
		return rc < 0 ? rc : BL_OK;
	if (s->total.holes >= STORE_HOLES_MAX)
		return BL_OK; /* many are counted already: it does not say zero */
	if ((rc = store_run(s, SQL_HOLE_ADD, err, "iiidiiooi", sp->id, sp->device_id,
		 (int64_t)stream, boot, begin, end, store_place_time(sp, boot, begin),
		 store_place_time(sp, boot, end), s->now_unix_ms)) < 0)
		return rc;
	s->total.holes += sqlite3_changes(s->db);
	return BL_OK;
}

int
store_hole_note(struct store *s, struct store_spool *sp, const struct bl_batch_header *h,
    const struct store_edges *e, struct bl_err *err)
{
	int rc = BL_OK;

	if (e->below)
		rc = note(s, sp, h->stream, &h->boot, e->below_ms, h->collect_begin_ms, err);
	if (rc == BL_OK && e->above)
		rc = note(s, sp, h->stream, &h->boot, h->collect_end_ms, e->above_ms, err);
	if (rc == BL_OK && s->total.holes > 0)
		rc = flush_covers(s, sp, h->stream, err);
	return rc < 0 ? rc : store_hole_review(s, sp->device_id, h->stream, &h->boot, err);
}

int
store_hole_review(struct store *s, int64_t device_id, enum bl_stream stream,
    const struct bl_id *boot, struct bl_err *err)
{
	struct {
		int64_t id, begin, end;
	} row[REVIEW_MAX];
	unsigned n = 0;
	sqlite3_stmt *st;
	int rc;

	if (s->total.holes == 0 || bl_id_is_zero(boot))
		return BL_OK;
	st = store_bind(s, SQL_HOLE_GET, err, "iid", device_id, (int64_t)stream, boot);
	while (n < REVIEW_MAX && (rc = store_step(s, st, err)) == 1) {
		row[n].id = sqlite3_column_int64(st, 0);
		row[n].begin = sqlite3_column_int64(st, 1);
		row[n++].end = sqlite3_column_int64(st, 2);
	}
	if (n == REVIEW_MAX)
		(void)sqlite3_reset(st);
	else if (rc < 0)
		return rc;
	for (unsigned i = 0; i < n; i++) {
		rc = explained(s, device_id, stream, boot, row[i].begin, row[i].end, err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			continue;
		if ((rc = store_run(s, SQL_HOLE_REMOVE, err, "i", row[i].id)) < 0)
			return rc;
		s->total.holes--;
	}
	return BL_OK;
}
