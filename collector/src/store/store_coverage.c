/*
 * Coverage: which spans of time a device's stream has delivered, and when.
 *
 * Neighbouring batches that touch become one row, but only while they arrive
 * within two minutes of the row's first: "as it had arrived then" must stay
 * answerable.  The newest two rows of a stream stay in memory and are written
 * at commit, so that a backlog of a hundred batches costs one row.
 */
#include <string.h>

#include "store_internal.h"

static bool
touches(const struct coverage_row *c, const struct bl_batch_header *h)
{
	if (h->seq == c->seq_last + 1 && h->collect_begin_ms == c->end_ms)
		return h->collect_end_ms - c->begin_ms <= STORE_COVERAGE_SPAN_MS;
	if (h->seq + 1 == c->seq_first && h->collect_end_ms == c->begin_ms)
		return c->end_ms - h->collect_begin_ms <= STORE_COVERAGE_SPAN_MS;
	return false;
}

static bool
joins(const struct coverage_row *c, const struct bl_batch_header *h, int64_t boot_id,
    int64_t now_unix_ms)
{
	return c->used && c->boot_id == boot_id && now_unix_ms >= c->first_arrived_unix_ms &&
	       now_unix_ms - c->first_arrived_unix_ms <= STORE_COVERAGE_MERGE_MS && touches(c, h);
}

/* A batch's whole extent: events may lie outside of the collection interval. */
static void
reach(struct coverage_row *c, const struct bl_batch_header *h)
{
	const int64_t lo =
	    h->event_begin_ms < h->collect_begin_ms ? h->event_begin_ms : h->collect_begin_ms;
	const int64_t hi =
	    h->event_end_ms > h->collect_end_ms ? h->event_end_ms : h->collect_end_ms;

	if (lo < c->lo_ms)
		c->lo_ms = lo;
	if (hi > c->hi_ms)
		c->hi_ms = hi;
}

static void
extend(struct store *s, struct coverage_row *c, const struct bl_batch_header *h)
{
	if (h->seq < c->seq_first) {
		c->seq_first = h->seq;
		c->begin_ms = h->collect_begin_ms;
	} else {
		c->seq_last = h->seq;
		c->end_ms = h->collect_end_ms;
	}
	reach(c, h);
	c->arrived_unix_ms = s->now_unix_ms;
	c->dirty = true;
}

void
store_cover_times(struct store_spool *sp, enum bl_stream stream, const struct bl_id *boot,
    const struct coverage_row *c, struct coverage_times *t)
{
	struct store_stream *m = &sp->stream[stream - 1];

	t->begin = store_place_time(sp, boot, c->begin_ms);
	t->end = store_place_time(sp, boot, c->end_ms);
	if (!store_clock_extent(sp->segs, sp->n_segs, boot, c->lo_ms, c->hi_ms, &t->lo, &t->hi))
		return;
	if (t->end > m->until_unix_ms)
		m->until_unix_ms = t->end;
	/* Readers look this far before a range for rows that reach into it. */
	if (t->hi - t->lo > m->span_max_ms)
		m->span_max_ms = t->hi - t->lo;
	m->dirty = sp->dirty = true;
}

/* The upper end alone moved, as it does in order: no index is touched then. */
static bool
grew_upwards(const struct coverage_row *c, const struct coverage_times *t)
{
	return c->id != 0 && c->put_seq_first == c->seq_first && c->put_lo_ms == c->lo_ms &&
	       c->put_begin_unix_ms == t->begin && c->put_lo_unix_ms == t->lo;
}

int
store_cover_flush(struct store *s, struct store_spool *sp, enum bl_stream stream,
    struct coverage_row *c, struct bl_err *err)
{
	struct coverage_times t;
	int rc;

	store_cover_times(sp, stream, &c->boot, c, &t);
	if (grew_upwards(c, &t))
		rc = store_run(s, SQL_COVERAGE_GROW, err, "uiiooiii", c->seq_last, c->end_ms,
		    c->hi_ms, t.end, t.hi, c->arrived_unix_ms, s->total.lsn, c->id);
	else if (c->id != 0)
		rc = store_run(s, SQL_COVERAGE_SET, err, "uuiiiiooooiii", c->seq_first, c->seq_last,
		    c->begin_ms, c->end_ms, c->lo_ms, c->hi_ms, t.begin, t.end, t.lo, t.hi,
		    c->arrived_unix_ms, s->total.lsn, c->id);
	else
		rc = store_run(s, SQL_COVERAGE_ADD, err, "iiiuuiiiiiooooiii", sp->id, sp->device_id,
		    (int64_t)stream, c->seq_first, c->seq_last, c->boot_id, c->begin_ms, c->end_ms,
		    c->lo_ms, c->hi_ms, t.begin, t.end, t.lo, t.hi, c->first_arrived_unix_ms,
		    c->arrived_unix_ms, s->total.lsn);
	if (rc < 0)
		return rc;
	if (c->id == 0)
		c->id = sqlite3_last_insert_rowid(s->db);
	c->put_seq_first = c->seq_first;
	c->put_lo_ms = c->lo_ms;
	c->put_begin_unix_ms = t.begin;
	c->put_lo_unix_ms = t.lo;
	c->dirty = false;
	return BL_OK;
}

int
store_cover(struct store *s, struct store_spool *sp, const struct bl_batch_header *h,
    int64_t boot_id, struct bl_err *err)
{
	struct store_stream *m = &sp->stream[h->stream - 1];
	struct coverage_row *c;
	int rc;

	for (unsigned i = 0; i < 2; i++)
		if (joins(&m->cover[i], h, boot_id, s->now_unix_ms)) {
			extend(s, &m->cover[i], h);
			m->cover_older = 1 - i;
			return BL_OK;
		}
	c = &m->cover[m->cover_older];
	if (c->dirty && (rc = store_cover_flush(s, sp, h->stream, c, err)) < 0)
		return rc;
	*c = (struct coverage_row){
		.used = true,
		.dirty = true,
		.seq_first = h->seq,
		.seq_last = h->seq,
		.boot = h->boot,
		.boot_id = boot_id,
		.begin_ms = h->collect_begin_ms,
		.end_ms = h->collect_end_ms,
		.lo_ms = h->collect_begin_ms,
		.hi_ms = h->collect_end_ms,
		.first_arrived_unix_ms = s->now_unix_ms,
		.arrived_unix_ms = s->now_unix_ms,
	};
	reach(c, h);
	m->cover_older = 1 - m->cover_older;
	return BL_OK;
}

void
store_cover_forget(struct store_spool *sp)
{
	for (int i = 0; i < BL_STREAMS; i++)
		memset(sp->stream[i].cover, 0, sizeof(sp->stream[i].cover));
}
