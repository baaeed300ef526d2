/*
 * The walk over stored batches.
 *
 * A slice of at most 64 rows is copied out, then the statement is reset: what
 * follows (inflating, decoding, the caller) happens outside any transaction.
 * The next slice begins after the last row's (end, id).
 */
#include <stdlib.h>
#include <string.h>

#include "store_read_internal.h"

#define SLICE_ROWS  64
#define SLICE_BYTES (1u << 20) /* a slice of the largest batches ends sooner */

int
read_span_max(struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t *out,
    struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_SPAN_MAX, err, "ii", device_id, (int64_t)stream);
	int rc = read_step(r, st, err);

	*out = 0;
	if (rc == 1) {
		*out = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

int
scan_begin(struct scan *sc, struct store_read *r, enum scan_order order, int64_t device_id,
    enum bl_stream stream, int64_t from_unix_ms, int64_t to_unix_ms, int64_t deadline_mono_ms,
    struct bl_err *err)
{
	memset(sc, 0, sizeof(*sc));
	sc->r = r;
	sc->order = order;
	sc->device_id = device_id;
	sc->stream = stream;
	sc->from_unix_ms = from_unix_ms;
	sc->to_unix_ms = to_unix_ms;
	sc->deadline_mono_ms = deadline_mono_ms;
	sc->slice = SLICE_ROWS;
	if (order == SCAN_UP) {
		sc->at_end = from_unix_ms;
		sc->at_id = 0;
	} else {
		sc->at_end = to_unix_ms;
		sc->at_id = INT64_MAX;
	}
	bl_buf_init(&sc->bodies, SLICE_BYTES + BL_BATCH_WIRE_MAX);
	if ((sc->rows = malloc(SLICE_ROWS * sizeof(*sc->rows))) == NULL)
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	return BL_OK;
}

int
scan_begin_one(struct scan *sc, struct store_read *r, enum scan_order order, int64_t device_id,
    enum bl_stream stream, struct bl_err *err)
{
	const int rc = scan_begin(
	    sc, r, order, device_id, stream, -INT64_MAX / 2, INT64_MAX / 2, INT64_MAX, err);

	sc->slice = 1;
	return rc;
}

void
scan_end(struct scan *sc)
{
	free(sc->rows);
	free(sc->seg);
	bl_buf_free(&sc->bodies);
	memset(sc, 0, sizeof(*sc));
}

static void
take_row(struct scan *sc, sqlite3_stmt *st, struct scan_batch *b)
{
	const size_t len = (size_t)sqlite3_column_bytes(st, 20);

	memset(b, 0, sizeof(*b));
	b->id = sqlite3_column_int64(st, 0);
	b->spool_id = sqlite3_column_int64(st, 1);
	b->boot_id = sqlite3_column_int64(st, 2);
	b->h.stream = sc->stream;
	b->h.seq = (uint64_t)sqlite3_column_int64(st, 3);
	b->h.crc32 = (uint32_t)sqlite3_column_int64(st, 4);
	b->h.kind = (enum bl_batch_kind)sqlite3_column_int(st, 5);
	b->h.event_begin_ms = sqlite3_column_int64(st, 6);
	b->h.event_end_ms = sqlite3_column_int64(st, 7);
	b->begin_unix_ms = store_column_time(st, 8);
	b->end_unix_ms = store_column_time(st, 9);
	b->h.collect_begin_ms = sqlite3_column_int64(st, 10);
	b->h.collect_end_ms = sqlite3_column_int64(st, 11);
	b->h.dict_version = (uint32_t)sqlite3_column_int64(st, 12);
	b->h.n_samples = (uint32_t)sqlite3_column_int64(st, 13);
	b->h.n_events = (uint32_t)sqlite3_column_int64(st, 14);
	b->h.n_gaps = (uint32_t)sqlite3_column_int64(st, 15);
	b->h.raw_bytes = (uint32_t)sqlite3_column_int64(st, 16);
	b->h.supersedes_first = (uint64_t)sqlite3_column_int64(st, 17);
	b->h.supersedes_last = (uint64_t)sqlite3_column_int64(st, 18);
	b->arrived_unix_ms = sqlite3_column_int64(st, 19);
	b->body_len = len;
	/* Where the body lies is known when the buffer has stopped moving. */
	if (len > 0)
		bl_buf_bytes(&sc->bodies, sqlite3_column_blob(st, 20), len);
}

static int
fill(struct scan *sc, struct bl_err *err)
{
	static const enum read_sql which[] = { READ_BATCHES_UP, READ_BATCHES_DOWN,
		READ_BATCHES_UNPLACED };
	sqlite3_stmt *st = read_bind(sc->r, which[sc->order], err, "iiiiii", sc->device_id,
	    (int64_t)sc->stream, sc->at_end, sc->at_id,
	    sc->order == SCAN_UP ? sc->to_unix_ms : sc->from_unix_ms, (int64_t)sc->slice);
	size_t at = 0;
	int rc = 0;

	sc->n = sc->next = 0;
	bl_buf_reset(&sc->bodies);
	while (sc->n < sc->slice && sc->bodies.len < SLICE_BYTES &&
	       (rc = read_step(sc->r, st, err)) == 1)
		take_row(sc, st, &sc->rows[sc->n++]);
	if (rc < 0)
		return rc;
	if (rc == 1)
		(void)sqlite3_reset(st);
	if (sc->n < sc->slice && rc == 0)
		sc->finished = true;
	if (sc->bodies.failed)
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	for (size_t i = 0; i < sc->n; i++) {
		sc->rows[i].body = sc->bodies.data + at;
		at += sc->rows[i].body_len;
	}
	if (sc->n > 0) {
		if (sc->order != SCAN_UNPLACED_DOWN)
			sc->at_end = sc->rows[sc->n - 1].end_unix_ms;
		sc->at_id = sc->rows[sc->n - 1].id;
	}
	return BL_OK;
}

static int
find_boot(struct scan *sc, struct scan_batch *b, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (sc->boot_id != b->boot_id) {
		st = read_bind(sc->r, READ_BOOT, err, "i", b->boot_id);
		if ((rc = read_step(sc->r, st, err)) < 0)
			return rc;
		if (rc == 0)
			return bl_fail(err, BL_ECORRUPT, "telemetry store: a batch names no boot");
		store_column_id(st, 0, &sc->boot);
		(void)sqlite3_reset(st);
		sc->boot_id = b->boot_id;
	}
	b->h.boot = sc->boot;
	return BL_OK;
}

int
scan_next(struct scan *sc, struct scan_batch **b, struct bl_err *err)
{
	int rc;

	if (sc->next == sc->n) {
		if (sc->finished)
			return 0;
		if ((rc = fill(sc, err)) < 0)
			return rc;
		if (sc->n == 0)
			return 0;
	}
	if (bl_mono_ms(sc->r->clock) > sc->deadline_mono_ms)
		return bl_fail(err, BL_ETIMEDOUT,
		    "the question took too long: ask for a shorter range (%llu batches were read)",
		    (unsigned long long)sc->n_read);
	*b = &sc->rows[sc->next++];
	sc->n_read++;
	rc = find_boot(sc, *b, err);
	return rc < 0 ? rc : 1;
}

int
scan_open(
    struct scan *sc, const struct scan_batch *b, struct bl_batch_reader *rd, struct bl_err *err)
{
	int rc;

	if ((rc = bl_batch_inflate(&b->h, b->body, b->body_len, &sc->r->raw, err)) < 0)
		return rc;
	return bl_batch_reader_init(rd, &b->h, sc->r->raw.data, sc->r->raw.len, err);
}

int
scan_segments(struct scan *sc, const struct scan_batch *b, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (sc->seg_spool_id == b->spool_id && bl_id_equal(&sc->seg_boot, &b->h.boot))
		return BL_OK;
	sc->n_segs = 0;
	st = read_bind(sc->r, READ_SEGMENTS, err, "id", b->spool_id, &b->h.boot);
	while ((rc = read_step(sc->r, st, err)) == 1) {
		struct bl_clock_segment *seg;

		if (sc->n_segs == sc->size_segs) {
			const size_t size = sc->size_segs == 0 ? 8 : sc->size_segs * 2;

			if ((seg = realloc(sc->seg, size * sizeof(*seg))) == NULL) {
				(void)sqlite3_reset(st);
				return bl_fail(
				    err, BL_ENOMEM, "read telemetry store: out of memory");
			}
			sc->seg = seg;
			sc->size_segs = size;
		}
		seg = &sc->seg[sc->n_segs++];
		seg->id = (uint32_t)sqlite3_column_int64(st, 0);
		seg->boot = b->h.boot;
		seg->from_boot_ms = sqlite3_column_int64(st, 1);
		seg->offset_ms = sqlite3_column_int64(st, 2);
		seg->uncertainty_ms = (uint32_t)sqlite3_column_int64(st, 3);
		seg->source = (enum bl_clock_source)sqlite3_column_int(st, 4);
	}
	sc->seg_spool_id = b->spool_id;
	sc->seg_boot = b->h.boot;
	return rc;
}

int64_t
scan_place(const struct scan *sc, const struct scan_batch *b, int64_t boot_ms)
{
	uint32_t uncertainty;
	int64_t unix_ms;

	if (!bl_clock_place(sc->seg, sc->n_segs, &b->h.boot, boot_ms, &unix_ms, &uncertainty))
		return STORE_TIME_NONE;
	return unix_ms;
}
