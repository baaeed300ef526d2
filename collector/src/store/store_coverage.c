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

static void
extend(struct store *s, const struct store_spool *sp, struct coverage_row *c,
    const struct bl_batch_header *h)
{
	if (h->seq < c->seq_first) {
		c->seq_first = h->seq;
		c->begin_ms = h->collect_begin_ms;
		c->begin_unix_ms = store_place_time(sp, &h->boot, c->begin_ms);
	} else {
		c->seq_last = h->seq;
		c->end_ms = h->collect_end_ms;
		c->end_unix_ms = store_place_time(sp, &h->boot, c->end_ms);
	}
	c->arrived_unix_ms = s->now_unix_ms;
	c->dirty = true;
}

int
store_cover_flush(struct store *s, const struct store_spool *sp, enum bl_stream stream,
    struct coverage_row *c, struct bl_err *err)
{
	int rc;

	if (c->id != 0)
		rc = store_run(s, SQL_COVERAGE_SET, err, "uuiiooiii", c->seq_first, c->seq_last,
		    c->begin_ms, c->end_ms, c->begin_unix_ms, c->end_unix_ms, c->arrived_unix_ms,
		    s->total.lsn, c->id);
	else
		rc = store_run(s, SQL_COVERAGE_ADD, err, "iiiuuiiiooiii", sp->id, sp->device_id,
		    (int64_t)stream, c->seq_first, c->seq_last, c->boot_id, c->begin_ms, c->end_ms,
		    c->begin_unix_ms, c->end_unix_ms, c->first_arrived_unix_ms, c->arrived_unix_ms,
		    s->total.lsn);
	if (rc < 0)
		return rc;
	if (c->id == 0)
		c->id = sqlite3_last_insert_rowid(s->db);
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
			extend(s, sp, &m->cover[i], h);
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
		.boot_id = boot_id,
		.begin_ms = h->collect_begin_ms,
		.end_ms = h->collect_end_ms,
		.begin_unix_ms = store_place_time(sp, &h->boot, h->collect_begin_ms),
		.end_unix_ms = store_place_time(sp, &h->boot, h->collect_end_ms),
		.first_arrived_unix_ms = s->now_unix_ms,
		.arrived_unix_ms = s->now_unix_ms,
	};
	m->cover_older = 1 - m->cover_older;
	return BL_OK;
}

void
store_cover_forget(struct store_spool *sp)
{
	for (int i = 0; i < BL_STREAMS; i++)
		memset(sp->stream[i].cover, 0, sizeof(sp->stream[i].cover));
}
