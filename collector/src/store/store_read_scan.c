/*
 * The walk over stored batches.
 *
 * Coverage rows lead to them: a row names a run of seqs of one spool and one
 * boot.  A slice of rows is copied out, then the statement is reset: what
 * follows (inflating, decoding, the caller) happens outside any transaction.
 * A batch outside the range is passed over by its times, without its body.
 */
#include <stdlib.h>
#include <string.h>

#include "store_read_internal.h"

#define SLICE_ROWS  64
#define SLICE_BYTES (1u << 20) /* a slice of the largest batches ends sooner */
#define TIME_MAX    (INT64_MAX / 4)

int
read_reach(struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t *out,
    struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_SPAN_MAX, err, "ii", device_id, (int64_t)stream);
	int rc = read_step(r, st, err);

	*out = STORE_COVERAGE_SPAN_MS;
	if (rc == 1) {
		const int64_t span = sqlite3_column_int64(st, 0);

		if (span > *out)
			*out = span < TIME_MAX ? span : TIME_MAX;
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

int
read_reach_from(struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t from,
    int64_t *out, struct bl_err *err)
{
	int64_t wide = 0;
	sqlite3_stmt *st;
	int rc;

	if ((rc = read_reach(r, device_id, stream, out, err)) < 0 || *out <= STORE_WIDE_MS)
		return rc;
	st = read_bind(r, READ_SPAN_WIDE, err, "iii", device_id, (int64_t)stream, from);
	if ((rc = read_step(r, st, err)) == 1) {
		wide = sqlite3_column_int64(st, 0); /* NULL is 0 */
		(void)sqlite3_reset(st);
	}
	if (wide < STORE_WIDE_MS)
		wide = STORE_WIDE_MS;
	if (wide < *out)
		*out = wide;
	return rc < 0 ? rc : BL_OK;
}

int
read_edge(struct store_read *r, int64_t device_id, enum bl_stream stream, bool newest,
    int64_t *lo_unix_ms, int64_t *hi_unix_ms, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, newest ? READ_COVER_NEWEST : READ_COVER_OLDEST, err, "ii",
	    device_id, (int64_t)stream);
	const int rc = read_step(r, st, err);

	if (rc == 1) {
		*lo_unix_ms = sqlite3_column_int64(st, 0);
		*hi_unix_ms = sqlite3_column_int64(st, 1);
		(void)sqlite3_reset(st);
	}
	return rc;
}

static int64_t
clamp(int64_t t)
{
	return t > TIME_MAX ? TIME_MAX : t < -TIME_MAX ? -TIME_MAX : t;
}

int
scan_begin(struct scan *sc, struct store_read *r, enum scan_order order, int64_t device_id,
    enum bl_stream stream, int64_t from_unix_ms, int64_t to_unix_ms, int64_t deadline_mono_ms,
    struct bl_err *err)
{
	memset(sc, 0, sizeof(*sc));
	sc->r = sc->place.r = r;
	sc->order = order;
	sc->device_id = device_id;
	sc->stream = stream;
	sc->from_unix_ms = clamp(from_unix_ms);
	sc->to_unix_ms = clamp(to_unix_ms);
	sc->deadline_mono_ms = deadline_mono_ms;
	sc->covers_at_a_time = SCAN_COVERS;
	sc->rows_at_a_time = SLICE_ROWS;
	bl_buf_init(&sc->bodies, SLICE_BYTES + BL_BATCH_WIRE_MAX);
	if ((sc->rows = malloc(SLICE_ROWS * sizeof(*sc->rows))) == NULL)
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	/* Upwards the statement itself looks as far back as a row may reach. */
	sc->reach_ms = TIME_MAX;
	return order == SCAN_UP
		   ? BL_OK
		   : read_reach_from(r, device_id, stream, sc->from_unix_ms, &sc->reach_ms, err);
}

void
scan_end(struct scan *sc)
{
	free(sc->rows);
	placer_free(&sc->place);
	bl_buf_free(&sc->bodies);
	memset(sc, 0, sizeof(*sc));
}

int64_t
scan_bound(const struct scan *sc)
{
	return sc->at == NULL ? INT64_MAX : sc->at->lo_unix_ms + sc->reach_ms;
}

/* ---- coverage rows ---- */

static sqlite3_stmt *
bind_covers(struct scan *sc, struct bl_err *err)
{
	static const enum read_sql which[] = { READ_COVERS_UP, READ_COVERS_DOWN,
		READ_COVERS_UNPLACED };
	const struct scan_cover *last = sc->n_covers > 0 ? &sc->cover[sc->n_covers - 1] : NULL;
	const int64_t lowest = sc->from_unix_ms - sc->reach_ms;
	int64_t at, id, bound = lowest;

	if (sc->order == SCAN_UP) {
		at = last != NULL ? last->lo_unix_ms : lowest;
		id = last != NULL ? last->id : 0;
		bound = sc->to_unix_ms;
	} else {
		at = last != NULL && sc->order == SCAN_DOWN ? last->lo_unix_ms : sc->to_unix_ms;
		id = last != NULL ? last->id : sc->order == SCAN_DOWN ? 0 : INT64_MAX;
	}
	return read_bind(sc->r, which[sc->order], err, "iiiiiii", sc->device_id,
	    (int64_t)sc->stream, at, id, bound, sc->from_unix_ms, (int64_t)sc->covers_at_a_time);
}

static int
more_covers(struct scan *sc, struct bl_err *err)
{
	sqlite3_stmt *st = bind_covers(sc, err);
	size_t n = 0;
	int rc;

	while ((rc = read_step(sc->r, st, err)) == 1)
		sc->cover[n++] = (struct scan_cover){
			.id = sqlite3_column_int64(st, 0),
			.spool_id = sqlite3_column_int64(st, 1),
			.boot_id = sqlite3_column_int64(st, 2),
			.seq_first = (uint64_t)sqlite3_column_int64(st, 3),
			.seq_last = (uint64_t)sqlite3_column_int64(st, 4),
			.lo_unix_ms = store_column_time(st, 5),
			.first_arrived_unix_ms = sqlite3_column_int64(st, 6),
		};
	sc->n_covers = n;
	sc->next_cover = 0;
	sc->no_more_covers = n < sc->covers_at_a_time;
	return rc;
}

int64_t
scan_place(struct scan *sc, int64_t boot_ms)
{
	return placer_place(&sc->place, boot_ms);
}

/* ---- batches ---- */

/* What of a header a row says; spool, boot and stream are the caller's. */
void
read_take_header(sqlite3_stmt *st, struct bl_batch_header *h)
{
	h->seq = (uint64_t)sqlite3_column_int64(st, 1);
	h->crc32 = (uint32_t)sqlite3_column_int64(st, 2);
	h->kind = (enum bl_batch_kind)sqlite3_column_int(st, 3);
	h->event_begin_ms = sqlite3_column_int64(st, 4);
	h->event_end_ms = sqlite3_column_int64(st, 5);
	h->collect_begin_ms = sqlite3_column_int64(st, 6);
	h->collect_end_ms = sqlite3_column_int64(st, 7);
	h->dict_version = (uint32_t)sqlite3_column_int64(st, 8);
	h->n_samples = (uint32_t)sqlite3_column_int64(st, 9);
	h->n_events = (uint32_t)sqlite3_column_int64(st, 10);
	h->n_gaps = (uint32_t)sqlite3_column_int64(st, 11);
	h->raw_bytes = (uint32_t)sqlite3_column_int64(st, 12);
	h->supersedes_first = (uint64_t)sqlite3_column_int64(st, 13);
	h->supersedes_last = (uint64_t)sqlite3_column_int64(st, 14);
}

static bool
in_range(const struct scan *sc, const struct scan_batch *b)
{
	return b->begin_unix_ms < sc->to_unix_ms && b->end_unix_ms >= sc->from_unix_ms;
}

/* False: outside the range; the body was not touched. */
static bool
take_row(struct scan *sc, sqlite3_stmt *st, struct scan_batch *b)
{
	memset(b, 0, sizeof(*b));
	read_take_header(st, &b->h);
	(void)placer_extent(
	    &sc->place, b->h.event_begin_ms, b->h.event_end_ms, &b->begin_unix_ms, &b->end_unix_ms);
	if (sc->order != SCAN_UNPLACED_DOWN && !sc->unfiltered && !in_range(sc, b))
		return false;
	b->id = sqlite3_column_int64(st, 0);
	b->spool_id = sc->at->spool_id;
	b->boot_id = sc->at->boot_id;
	b->h.boot = sc->place.boot;
	b->h.stream = sc->stream;
	b->arrived_unix_ms = sqlite3_column_int64(st, 15);
	if (sc->bare)
		return true;
	b->body_len = (size_t)sqlite3_column_bytes(st, 16);
	/* Where the body lies is known when the buffer has stopped moving. */
	if (b->body_len > 0)
		bl_buf_bytes(&sc->bodies, sqlite3_column_blob(st, 16), b->body_len);
	return true;
}

static void
point_at_bodies(struct scan *sc)
{
	size_t at = 0;

	/* All empty: there is no buffer to point into. */
	for (size_t i = 0; sc->bodies.data != NULL && i < sc->n; i++) {
		sc->rows[i].body = sc->bodies.data + at;
		at += sc->rows[i].body_len;
	}
}

/* The next slice of the present row of coverage; its seqs shrink by what was read. */
static int
read_batches(struct scan *sc, struct bl_err *err)
{
	const bool up = sc->order == SCAN_UP;
	sqlite3_stmt *st;
	unsigned seen = 0;
	int rc = 0;

	sc->n = sc->next = 0;
	bl_buf_reset(&sc->bodies);
	st = read_bind(sc->r, up ? READ_BATCHES_UP : READ_BATCHES_DOWN, err, "iiuu",
	    sc->at->spool_id, (int64_t)sc->stream, sc->seq_first, sc->seq_last);
	/* 512 rows passed over are a slice, too: no transaction for longer. */
	while (sc->n < sc->rows_at_a_time && seen < 512 && sc->bodies.len < SLICE_BYTES &&
	       (rc = read_step(sc->r, st, err)) == 1) {
		const uint64_t seq = (uint64_t)sqlite3_column_int64(st, 1);

		seen++;
		if (take_row(sc, st, &sc->rows[sc->n]))
			sc->n++;
		if (up)
			sc->seq_first = seq + 1;
		else
			sc->seq_last = seq - 1;
	}
	if (rc < 0)
		return rc;
	if (rc == 1)
		(void)sqlite3_reset(st);
	else
		sc->seq_first = sc->seq_last + 1; /* all of it was read */
	if (sc->bodies.failed)
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	point_at_bodies(sc);
	return BL_OK;
}

int
scan_read_all(struct scan *sc, struct bl_err *err)
{
	const bool bare = sc->bare;
	int rc;

	sc->unfiltered = true;
	sc->bare = false;
	rc = read_batches(sc, err);
	sc->unfiltered = false;
	sc->bare = bare;
	return rc;
}

static bool
is_fresh(const struct scan *sc, const struct scan_cover *c)
{
	return sc->fresh != NULL && c->lo_unix_ms >= sc->fresh_from_unix_ms &&
	       c->seq_last - c->seq_first < SCAN_FRESH_BATCHES;
}

static int
fresh_batches(struct scan *sc, struct bl_err *err)
{
	const int rc = sc->fresh(sc->fresh_ctx, sc, err);
	size_t n = 0;

	if (rc <= 0)
		return rc;
	for (size_t i = 0; i < sc->n; i++)
		if (in_range(sc, &sc->rows[i]))
			sc->rows[n++] = sc->rows[i];
	sc->n = n;
	return rc;
}

static int
more_batches(struct scan *sc, struct bl_err *err)
{
	int rc;

	if (is_fresh(sc, sc->at) && sc->seq_first == sc->at->seq_first &&
	    sc->seq_last == sc->at->seq_last) {
		sc->next = 0;
		if ((rc = fresh_batches(sc, err)) != 0)
			return rc < 0 ? rc : BL_OK;
	}
	return read_batches(sc, err);
}

/* Upwards, rows whose seqs go on where the last one's end are walked as one: live data have twenty
 * an hour. */
static void
join_covers(struct scan *sc)
{
	if (is_fresh(sc, sc->at))
		return;
	while (sc->order == SCAN_UP && sc->next_cover < sc->n_covers) {
		const struct scan_cover *c = &sc->cover[sc->next_cover];

		if (c->spool_id != sc->at->spool_id || c->boot_id != sc->at->boot_id ||
		    c->seq_first != sc->seq_last + 1 || is_fresh(sc, c))
			break;
		sc->seq_last = c->seq_last;
		sc->next_cover++;
	}
}

/* 1: there is a row of coverage with batches left; 0: no more. */
static int
next_cover(struct scan *sc, struct bl_err *err)
{
	int rc;

	if (sc->at != NULL && sc->seq_first <= sc->seq_last)
		return 1;
	if (sc->next_cover == sc->n_covers) {
		if (sc->no_more_covers)
			return 0;
		if ((rc = more_covers(sc, err)) < 0)
			return rc;
		if (sc->n_covers == 0)
			return 0;
	}
	sc->at = &sc->cover[sc->next_cover++];
	sc->seq_first = sc->at->seq_first;
	sc->seq_last = sc->at->seq_last;
	join_covers(sc);
	rc = placer_for(&sc->place, sc->at->spool_id, sc->at->boot_id, err);
	return rc < 0 ? rc : 1;
}

int
scan_next(struct scan *sc, struct scan_batch **b, struct bl_err *err)
{
	int rc;

	while (sc->next == sc->n) {
		if (bl_mono_ms(sc->r->clock) > sc->deadline_mono_ms)
			return bl_fail(err, BL_ETIMEDOUT,
			    "the question took too long: ask for a shorter range (%llu batches were"
			    " read)",
			    (unsigned long long)sc->n_read);
		if ((rc = next_cover(sc, err)) <= 0 || (rc = more_batches(sc, err)) < 0)
			return rc;
	}
	*b = &sc->rows[sc->next++];
	sc->n_read++;
	return 1;
}

void
read_tell_damaged(const struct store_read *r, int64_t batch, int rc)
{
	if (rc == BL_ECORRUPT && r->sql.damaged != NULL)
		r->sql.damaged(r->sql.damaged_ctx, batch);
}

int
read_inflate(struct store_read *r, int64_t id, const struct bl_batch_header *h, const uint8_t *body,
    size_t body_len, struct bl_err *err)
{
	const int rc = bl_batch_inflate(h, body, body_len, &r->raw, err);

	read_tell_damaged(r, id, rc);
	return rc;
}

int
scan_open(
    struct scan *sc, const struct scan_batch *b, struct bl_batch_reader *rd, struct bl_err *err)
{
	int rc = read_inflate(sc->r, b->id, &b->h, b->body, b->body_len, err);

	if (rc < 0)
		return rc;
	rc = bl_batch_reader_init(rd, &b->h, sc->r->raw.data, sc->r->raw.len, err);
	read_tell_damaged(sc->r, b->id, rc);
	return rc;
}

int
read_batch(struct store_read *r, int64_t id, struct bl_batch_header *h, int64_t *spool_id,
    int64_t *boot_id, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_LOG_WHOLE, err, "i", id);
	int rc = read_step(r, st, err);

	if (rc <= 0)
		return rc;
	memset(h, 0, sizeof(*h));
	read_take_header(st, h);
	*spool_id = sqlite3_column_int64(st, 17);
	*boot_id = sqlite3_column_int64(st, 18);
	h->stream = (enum bl_stream)sqlite3_column_int(st, 19);
	rc = read_inflate(
	    r, id, h, sqlite3_column_blob(st, 16), (size_t)sqlite3_column_bytes(st, 16), err);
	(void)sqlite3_reset(st);
	return rc < 0 ? rc : 1;
}
