/*
 * Clock maps, and placing what came before them.
 *
 * A batch carries boot time.  Its wall time is worked out once, when it is
 * stored, by the segments known then.  A trusted segment that comes later is
 * noted in table placing; store_place then goes through the rows of that boot
 * in slices, so that a month of "clock unknown" does not hold up what is live.
 */
#include <stdlib.h>
#include <string.h>

#include "store_internal.h"

int64_t
store_place_time(const struct store_spool *sp, const struct bl_id *boot, int64_t boot_ms)
{
	uint32_t uncertainty;
	int64_t unix_ms;

	if (!bl_clock_place(sp->segs, sp->n_segs, boot, boot_ms, &unix_ms, &uncertainty))
		return STORE_TIME_NONE;
	return unix_ms;
}

static bool
same_segment(const struct bl_clock_segment *a, const struct bl_clock_segment *b)
{
	return bl_id_equal(&a->boot, &b->boot) && a->from_boot_ms == b->from_boot_ms &&
	       a->offset_ms == b->offset_ms && a->source == b->source;
}

static int
remember(struct store_spool *sp, const struct bl_clock_segment *seg, struct bl_err *err)
{
	if (sp->n_segs == sp->size_segs) {
		const size_t size = sp->size_segs == 0 ? 4 : sp->size_segs * 2;
		struct bl_clock_segment *segs = realloc(sp->segs, size * sizeof(*segs));

		if (segs == NULL)
			return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
		sp->segs = segs;
		sp->size_segs = size;
	}
	sp->segs[sp->n_segs++] = *seg;
	return BL_OK;
}

int
store_clock(
    struct store *s, struct store_spool *sp, const struct bl_clock_segment *seg, struct bl_err *err)
{
	int rc;

	/* Entries count from 1 without holes: an entry's place is its id. */
	if (seg->id >= 1 && seg->id <= sp->n_segs)
		return same_segment(&sp->segs[seg->id - 1], seg) ? STORE_ENTRY_KNOWN
								 : STORE_ENTRY_CONFLICT;
	if (seg->id != sp->n_segs + 1)
		return STORE_ENTRY_EARLY;
	if (seg->id > BL_CLOCK_SEGMENTS_MAX)
		return bl_fail(err, BL_EFULL, "clock map of %s: too many segments", sp->device);
	if ((rc = remember(sp, seg, err)) < 0 ||
	    (rc = store_run(s, SQL_SEGMENT_ADD, err, "iidiiii", sp->id, (int64_t)seg->id,
		 &seg->boot, seg->from_boot_ms, seg->offset_ms, (int64_t)seg->uncertainty_ms,
		 (int64_t)seg->source)) < 0)
		return rc;
	sp->clock_version = seg->id;
	sp->dirty = sp->row_dirty = true;
	if (seg->source == BL_CLOCK_UNTRUSTED)
		return STORE_ENTRY_NEW;
	rc = store_run(s, SQL_PLACING_ADD, err, "ii", sp->id, (int64_t)seg->id);
	s->placing = true;
	return rc < 0 ? rc : STORE_ENTRY_NEW;
}

/* ---- placing ---- */

struct placing {
	struct store *s;
	struct store_spool *sp;
	const struct bl_clock_segment *seg;
	int64_t boot_id;
	unsigned left;
	unsigned changed;
};

/* One row of: id, stream, begin, end (boot time). */
static int
place_row(struct placing *p, sqlite3_stmt *st, enum store_sql set, struct bl_err *err)
{
	const int64_t id = sqlite3_column_int64(st, 0);
	const int64_t stream = sqlite3_column_int64(st, 1);
	const int64_t begin = store_place_time(p->sp, &p->seg->boot, sqlite3_column_int64(st, 2));
	const int64_t end = store_place_time(p->sp, &p->seg->boot, sqlite3_column_int64(st, 3));
	struct store_stream *m;

	if (stream < 1 || stream > BL_STREAMS)
		return BL_OK;
	m = &p->sp->stream[stream - 1];
	if (set == SQL_COVERAGE_PLACE && end > m->until_unix_ms)
		m->until_unix_ms = end;
	if (set == SQL_BATCH_PLACE && end != STORE_TIME_NONE && end - begin > m->span_max_ms)
		m->span_max_ms = end - begin;
	m->dirty = p->sp->dirty = true;
	p->changed++;
	return store_run(p->s, set, err, "ooi", begin, end, id);
}

/* Rows of this boot without a time; each placed row leaves the index that is walked. */
static int
place_waiting(struct placing *p, enum store_sql get, enum store_sql set, struct bl_err *err)
{
	while (p->left > 0) {
		sqlite3_stmt *st =
		    store_bind(p->s, get, err, "iii", p->sp->id, p->boot_id, (int64_t)1);
		int rc = store_step(p->s, st, err);

		if (rc <= 0)
			return rc;
		p->left--;
		rc = place_row(p, st, set, err);
		(void)sqlite3_reset(st);
		if (rc < 0)
			return rc;
	}
	return BL_OK;
}

/* Rows that were placed by an earlier segment and reach into the new one. */
static int
place_again(struct placing *p, enum store_sql get, enum store_sql set, struct bl_err *err)
{
	const size_t before = p->seg->id - 1;
	uint32_t uncertainty;
	int64_t from;

	if (!bl_clock_place(
		p->sp->segs, before, &p->seg->boot, p->seg->from_boot_ms, &from, &uncertainty))
		return BL_OK;
	for (int64_t stream = 1; stream <= BL_STREAMS; stream++) {
		sqlite3_stmt *st = store_bind(p->s, get, err, "iiiiii", p->sp->device_id, stream,
		    from, p->sp->id, p->boot_id, p->seg->from_boot_ms);
		struct {
			int64_t id, stream, begin, end;
		} rows[256];
		size_t n = 0;
		int rc;

		/*
		 * Kept first, changed after: the change moves rows along the
		 * index that is walked.  More than 256 cannot lie beyond a step
		 * that just happened unless the map came hours late; those keep
		 * the earlier segment's time, which is off by the step.
		 */
		while ((rc = store_step(p->s, st, err)) == 1 && n < 256) {
			rows[n].id = sqlite3_column_int64(st, 0);
			rows[n].stream = sqlite3_column_int64(st, 1);
			rows[n].begin = sqlite3_column_int64(st, 2);
			rows[n++].end = sqlite3_column_int64(st, 3);
		}
		if (rc == 1)
			(void)sqlite3_reset(st);
		for (size_t i = 0; rc >= 0 && i < n; i++) {
			rc = store_run(p->s, set, err, "ooi",
			    store_place_time(p->sp, &p->seg->boot, rows[i].begin),
			    store_place_time(p->sp, &p->seg->boot, rows[i].end), rows[i].id);
			p->changed++;
		}
		if (rc < 0)
			return rc;
	}
	return BL_OK;
}

static int
place_one(struct placing *p, uint32_t entry, struct bl_err *err)
{
	int rc;

	if (entry < 1 || entry > p->sp->n_segs)
		return BL_OK;
	p->seg = &p->sp->segs[entry - 1];
	if ((rc = store_boot_id(p->s, p->sp, &p->seg->boot, &p->boot_id, err)) < 0)
		return rc;
	/* The coverage rows in memory are of these; new ones begin. */
	for (int i = 1; i <= BL_STREAMS; i++)
		if ((rc = store_stream_flush(p->s, p->sp, (enum bl_stream)i, err)) < 0)
			return rc;
	store_cover_forget(p->sp);
	if ((rc = place_waiting(p, SQL_UNPLACED_COVERAGE, SQL_COVERAGE_PLACE, err)) < 0 ||
	    (rc = place_waiting(p, SQL_UNPLACED_BATCH, SQL_BATCH_PLACE, err)) < 0)
		return rc;
	if (p->left == 0)
		return BL_OK; /* goes on in the next slice */
	if ((rc = place_again(p, SQL_PLACED_BATCH, SQL_BATCH_PLACE, err)) < 0 ||
	    (rc = place_again(p, SQL_PLACED_COVERAGE, SQL_COVERAGE_PLACE, err)) < 0 ||
	    (rc = store_gap_replace_boot(p->s, p->sp, &p->seg->boot, err)) < 0)
		return rc;
	return store_run(p->s, SQL_PLACING_DONE, err, "ii", p->sp->id, (int64_t)entry);
}

int
store_place(struct store *s, unsigned max_rows, struct bl_err *err)
{
	struct placing p = { .s = s, .left = max_rows };

	while (s->placing && p.left > 0) {
		sqlite3_stmt *st = store_bind(s, SQL_PLACING_GET, err, "");
		int rc = store_step(s, st, err);
		struct bl_id uuid;
		uint32_t entry;

		if (rc < 0)
			return rc;
		if (rc == 0) {
			s->placing = false;
			break;
		}
		entry = (uint32_t)sqlite3_column_int64(st, 1);
		store_column_id(st, 2, &uuid);
		(void)sqlite3_reset(st);
		p.left--; /* also a segment that changes nothing is work */
		if ((rc = store_spool_find(s, &uuid, &p.sp, err)) < 0)
			return rc;
		if (p.sp == NULL)
			return bl_fail(err, BL_ECORRUPT, "telemetry store: placing names no spool");
		if ((rc = place_one(&p, entry, err)) < 0)
			return rc;
	}
	return s->placing ? (int)(p.changed > 0 ? p.changed : 1) : (int)p.changed;
}

bool
store_placing(const struct store *s)
{
	return s->placing;
}
