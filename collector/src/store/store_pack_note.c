/*
 * What is due: noted with each batch, so that the compactor finds its work by a key and
 * never looks through batches that stay.
 *
 * A row of pack_due speaks of a stretch of seqs, wider than what has come, so
 * that the batches of an hour of live data need one or two rows in all.  The memory of a
 * stream knows the two rows it was in last; what lies in them needs no statement.
 */
#include "store_internal.h"

/* How much wider: what follows is likely of the same hour. */
#define BEHIND 8u
#define AHEAD  32u

static bool
noted(const struct store *s, const struct store_stream *m, int64_t hour, uint64_t seq)
{
	for (int i = 0; i < 2; i++) {
		const struct due_note *n = &m->due[i];

		if (n->last > 0 && n->hour_unix_ms == hour && n->generation == s->due_generation &&
		    seq >= n->first && seq <= n->last)
			return true;
	}
	return false;
}

static void
remember(struct store *s, struct store_stream *m, int64_t hour, uint64_t first, uint64_t last)
{
	for (unsigned i = 0; i < 2; i++)
		if (m->due[i].hour_unix_ms == hour)
			m->due_older = i;
	m->due[m->due_older] = (struct due_note){ hour, first, last, s->due_generation };
	m->due_older ^= 1;
}

static int
note_hours(struct store *s, struct store_spool *sp, enum bl_stream stream, uint64_t first,
    uint64_t last, int64_t lo, int64_t hi, struct bl_err *err)
{
	struct store_stream *m = &sp->stream[stream - 1];
	int rc = BL_OK;

	for (int64_t hour = store_hour(lo); hour <= hi && rc == BL_OK; hour += STORE_HOUR_MS) {
		if (first == last && noted(s, m, hour, first))
			continue;
		const uint64_t from = first > BEHIND ? first - BEHIND : 1, to = last + AHEAD;

		rc = store_run(s, SQL_DUE_NOTE, err, "iiiiuui", hour, sp->device_id, sp->id,
		    (int64_t)stream, from, to, s->now_unix_ms);
		remember(s, m, hour, from, to);
	}
	return rc;
}

/* A row that is longer stays as it is; nothing would come of it but a thousand rows. */
static bool
packable(int64_t lo, int64_t hi)
{
	return hi - lo < STORE_PACK_HOURS_MAX * (int64_t)STORE_HOUR_MS;
}

int
store_pack_note_hour(struct store *s, struct store_spool *sp, enum bl_stream stream, uint64_t seq,
    int64_t hour, struct bl_err *err)
{
	return note_hours(s, sp, stream, seq, seq, hour, hour, err);
}

/* Events and entries of the ledger alone: nothing of it ever lies in a part. */
static bool
has_nothing(const struct bl_batch_header *h)
{
	return h->n_samples == 0 && (h->n_events > 0 || h->n_gaps > 0);
}

bool
store_pack_extent(
    const struct store_spool *sp, const struct bl_batch_header *h, int64_t *lo, int64_t *hi)
{
	return !has_nothing(h) &&
	       store_clock_extent(
		   sp->segs, sp->n_segs, &h->boot, h->event_begin_ms, h->event_end_ms, lo, hi) &&
	       packable(*lo, *hi);
}

int
store_pack_note(struct store *s, struct store_spool *sp, const struct bl_batch_header *h,
    int64_t batch_id, struct bl_err *err)
{
	int64_t lo, hi;
	const bool placed = store_pack_extent(sp, h, &lo, &hi);
	int rc;

	if (has_nothing(h))
		return BL_OK;
	if ((!placed || h->dict_version > sp->dict_version) &&
	    (rc = store_run(s, SQL_MARK_ADD, err, "ii", batch_id, STORE_MARK_NOTHING)) < 0)
		return rc;
	return placed ? note_hours(s, sp, h->stream, h->seq, h->seq, lo, hi, err) : BL_OK;
}

int
store_pack_note_cover(struct store *s, struct store_spool *sp, enum bl_stream stream,
    const struct coverage_row *c, const struct coverage_times *t, bool moved, struct bl_err *err)
{
	int rc;

	if (moved && (rc = store_run(s, SQL_MARK_SEQS, err, "iiiuu", STORE_MARK_NOTHING, sp->id,
			  (int64_t)stream, c->seq_first, c->seq_last)) < 0)
		return rc;
	if (t->lo == STORE_TIME_NONE || !packable(t->lo, t->hi))
		return BL_OK;
	return note_hours(s, sp, stream, c->seq_first, c->seq_last, t->lo, t->hi, err);
}
