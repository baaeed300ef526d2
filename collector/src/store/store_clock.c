/*
 * Clock maps, and placing what came before them.
 *
 * Batches carry boot time and keep it; readers place samples by the clock map.
 * What is placed and stored is coverage, the way to batches by time.  A trusted
 * segment that comes later is noted in table placing; store_place then goes
 * through the rows of that boot in slices, so that a month of "clock unknown"
 * does not hold up what is live.
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

int64_t
store_spool_unix_ms(const struct store_spool *sp, const struct bl_id *boot, int64_t boot_ms)
{
	return store_place_time(sp, boot, boot_ms);
}

int64_t
store_clock_until(const struct bl_clock_segment *segs, size_t n, const struct bl_id *boot,
    int64_t boot_ms, int64_t end_ms)
{
	int64_t until = end_ms;

	for (size_t i = 0; i < n; i++)
		if (segs[i].source != BL_CLOCK_UNTRUSTED && segs[i].from_boot_ms > boot_ms &&
		    segs[i].from_boot_ms < until && bl_id_equal(&segs[i].boot, boot))
			until = segs[i].from_boot_ms;
	return until;
}

bool
store_clock_extent(const struct bl_clock_segment *segs, size_t n, const struct bl_id *boot,
    int64_t begin_ms, int64_t end_ms, int64_t *lo, int64_t *hi)
{
	uint32_t uncertainty;
	int64_t at = begin_ms, until, a, b;

	*lo = *hi = STORE_TIME_NONE;
	if (!bl_clock_place(segs, n, boot, begin_ms, lo, &uncertainty))
		return false;
	*hi = *lo;
	do {
		until = store_clock_until(segs, n, boot, at, end_ms);
		(void)bl_clock_place(segs, n, boot, at, &a, &uncertainty);
		(void)bl_clock_place(
		    segs, n, boot, until < end_ms ? until - 1 : end_ms, &b, &uncertainty);
		*lo = a < *lo ? a : *lo;
		*lo = b < *lo ? b : *lo;
		*hi = a > *hi ? a : *hi;
		*hi = b > *hi ? b : *hi;
		at = until;
	} while (at < end_ms);
	return true;
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

/*
 * Placing reads rows of coverage from the database, and says what is due and what has moved.  For
 * those in memory that has to be right before they are written with the new segment.  One that has
 * a place is written as it stands, so that placing finds it there, and a new one begins.  One that
 * gets its place now is written with it, since whoever reads the log takes what the map places for
 * placed; so placing never meets it, and what is due is noted here.
 */
typedef int (*row_fn)(struct store *s, struct store_spool *sp, enum bl_stream stream,
    struct coverage_row *c, struct bl_err *err);

static int
end_placed(struct store *s, struct store_spool *sp, enum bl_stream stream, struct coverage_row *c,
    struct bl_err *err)
{
	int rc = BL_OK;

	if (store_place_time(sp, &c->boot, c->begin_ms) == STORE_TIME_NONE)
		return BL_OK;
	if (c->dirty)
		rc = store_cover_flush(s, sp, stream, c, err);
	memset(c, 0, sizeof(*c));
	return rc;
}

static int
note_waiting(struct store *s, struct store_spool *sp, enum bl_stream stream, struct coverage_row *c,
    struct bl_err *err)
{
	struct coverage_times t;

	store_cover_times(sp, stream, &c->boot, c, &t);
	return store_pack_note_cover(s, sp, stream, c, &t, false, err);
}

static int
rows_of(struct store *s, struct store_spool *sp, const struct bl_id *boot, row_fn fn,
    struct bl_err *err)
{
	int rc = BL_OK;

	for (int i = 0; i < BL_STREAMS; i++)
		for (int k = 0; k < 2 && rc >= 0; k++) {
			struct coverage_row *c = &sp->stream[i].cover[k];

			if (c->used && bl_id_equal(&c->boot, boot))
				rc = fn(s, sp, (enum bl_stream)(i + 1), c, err);
		}
	return rc;
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
		return bl_fail(err, BL_EINVAL, "clock map of %s: too many segments", sp->device);
	if ((rc = rows_of(s, sp, &seg->boot, end_placed, err)) < 0 ||
	    (rc = remember(sp, seg, err)) < 0 ||
	    (rc = rows_of(s, sp, &seg->boot, note_waiting, err)) < 0 ||
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

/* A row of: id, begin, end, lo, hi (boot time), first and last seq. */
static void
row_of(sqlite3_stmt *st, struct coverage_row *c)
{
	c->id = sqlite3_column_int64(st, 0);
	c->begin_ms = sqlite3_column_int64(st, 1);
	c->end_ms = sqlite3_column_int64(st, 2);
	c->lo_ms = sqlite3_column_int64(st, 3);
	c->hi_ms = sqlite3_column_int64(st, 4);
	c->seq_first = (uint64_t)sqlite3_column_int64(st, 5);
	c->seq_last = (uint64_t)sqlite3_column_int64(st, 6);
}

static int
place_row(struct placing *p, enum bl_stream stream, const struct coverage_row *c, bool moved,
    struct bl_err *err)
{
	struct coverage_times t;
	int rc;

	store_cover_times(p->sp, stream, &p->seg->boot, c, &t);
	p->changed++;
	if ((rc = store_pack_note_cover(p->s, p->sp, stream, c, &t, moved, err)) < 0)
		return rc;
	return store_run(p->s, SQL_COVERAGE_PLACE, err, "ooooi", t.begin, t.end, t.lo, t.hi, c->id);
}

/* Rows of this boot without a time; each placed row leaves the index that is walked. */
static int
place_waiting(struct placing *p, enum bl_stream stream, struct bl_err *err)
{
	while (p->left > 0) {
		sqlite3_stmt *st = store_bind(p->s, SQL_UNPLACED_COVERAGE, err, "iiii",
		    p->sp->device_id, (int64_t)stream, p->sp->id, p->boot_id);
		struct coverage_row c;
		int rc = store_step(p->s, st, err);

		if (rc <= 0)
			return rc;
		row_of(st, &c);
		(void)sqlite3_reset(st);
		p->left--;
		if ((rc = place_row(p, stream, &c, false, err)) < 0)
			return rc;
	}
	return BL_OK;
}

/* Rows that were placed by an earlier segment and reach into the new one. */
static int
rows_to_move(struct placing *p, enum bl_stream stream, int64_t from_unix_ms,
    struct coverage_row **out, size_t *n, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(p->s, SQL_PLACED_COVERAGE, err, "iiiiii", p->sp->device_id,
	    (int64_t)stream, from_unix_ms - p->sp->stream[stream - 1].span_max_ms, p->sp->id,
	    p->boot_id, p->seg->from_boot_ms);
	struct coverage_row *more;
	size_t size = 0;
	int rc;

	*out = NULL;
	*n = 0;
	while ((rc = store_step(p->s, st, err)) == 1) {
		if (*n == size) {
			size = size == 0 ? 64 : size * 2;
			if ((more = realloc(*out, size * sizeof(*more))) == NULL) {
				(void)sqlite3_reset(st);
				return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
			}
			*out = more;
		}
		row_of(st, &(*out)[(*n)++]);
	}
	return rc;
}

/* Where what of a row lies in the new segment stood, and where it stands now: joined to the rest.
 */
static void
join_moved(const struct placing *p, const struct coverage_row *c, int64_t *begin, int64_t *end)
{
	const int64_t from = c->lo_ms > p->seg->from_boot_ms ? c->lo_ms : p->seg->from_boot_ms;
	const size_t known[] = { p->seg->id - 1, p->sp->n_segs };
	int64_t lo, hi;

	for (size_t i = 0; i < 2 && from <= c->hi_ms; i++) {
		if (!store_clock_extent(
			p->sp->segs, known[i], &p->seg->boot, from, c->hi_ms, &lo, &hi))
			continue;
		*begin = lo < *begin ? lo : *begin;
		*end = hi >= *end ? hi + 1 : *end;
	}
}

/*
 * Kept first, changed after: the change moves rows along the index that is
 * walked.  All at once: a step that is told late is rare, and its rows are few.
 */
static int
place_again(struct placing *p, enum bl_stream stream, struct bl_err *err)
{
	int64_t from, begin = INT64_MAX, end = INT64_MIN;
	struct coverage_row *rows;
	uint32_t uncertainty;
	size_t n;
	int rc;

	if (!bl_clock_place(p->sp->segs, p->seg->id - 1, &p->seg->boot, p->seg->from_boot_ms, &from,
		&uncertainty))
		return BL_OK;
	rc = rows_to_move(p, stream, from, &rows, &n, err);
	for (size_t i = 0; i < n && rc >= 0; i++) {
		join_moved(p, &rows[i], &begin, &end);
		rc = place_row(p, stream, &rows[i], true, err);
	}
	free(rows);
	if (rc < 0 || begin >= end)
		return rc;
	return store_run(p->s, SQL_MOVED_ADD, err, "iiiiiii", p->sp->id, p->sp->device_id,
	    (int64_t)stream, p->boot_id, p->seg->from_boot_ms, begin, end);
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
	for (int i = 1; i <= BL_STREAMS; i++)
		if ((rc = place_waiting(p, (enum bl_stream)i, err)) < 0)
			return rc;
	if (p->left == 0)
		return BL_OK; /* goes on in the next slice */
	for (int i = 1; i <= BL_STREAMS; i++)
		if ((rc = place_again(p, (enum bl_stream)i, err)) < 0)
			return rc;
	if ((rc = store_gap_replace_boot(p->s, p->sp, &p->seg->boot, err)) < 0)
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
