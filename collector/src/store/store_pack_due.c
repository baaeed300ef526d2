/*
 * What waits to be packed, as the compactor reads it: rows of pack_due, their batches with the
 * pieces of time that place them, and what the numbers of a dictionary mean.
 */
#include <stdlib.h>
#include <string.h>

#include "store_read_internal.h"

#define BATCHES_AT_ONCE 64

int
store_read_due(struct store_read *r, int64_t after_hour_unix_ms, int64_t after_device,
    int64_t upto_hour_unix_ms, int64_t noted_before_unix_ms, size_t limit, store_due_cb cb,
    void *ctx, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_DUE, err, "iiiii", after_hour_unix_ms, after_device,
	    upto_hour_unix_ms, noted_before_unix_ms, (int64_t)limit);
	int rc;

	while ((rc = read_step(r, st, err)) == 1) {
		const struct store_due d = {
			.hour_unix_ms = sqlite3_column_int64(st, 0),
			.device_id = sqlite3_column_int64(st, 1),
			.spool_id = sqlite3_column_int64(st, 2),
			.stream = (enum bl_stream)sqlite3_column_int(st, 3),
			.seq_first = (uint64_t)sqlite3_column_int64(st, 4),
			.seq_last = (uint64_t)sqlite3_column_int64(st, 5),
			.since_unix_ms = sqlite3_column_int64(st, 6),
		};

		if (!cb(ctx, &d)) {
			(void)sqlite3_reset(st);
			break;
		}
	}
	return rc < 0 ? rc : BL_OK;
}

int
store_read_due_sum(
    struct store_read *r, uint64_t *rows, int64_t *oldest_unix_ms, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_DUE_SUM, err, "i", STORE_DUE_NEVER);
	int rc = read_step(r, st, err);

	if (rc <= 0)
		return rc;
	*rows = (uint64_t)sqlite3_column_int64(st, 0);
	*oldest_unix_ms = store_column_time(st, 1);
	(void)sqlite3_reset(st);
	return BL_OK;
}

int
store_read_due_seqs(struct store_read *r, const struct store_due *d, int64_t hour_unix_ms,
    struct bl_range *out, bool *there, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_DUE_SEQS, err, "iiii", hour_unix_ms, d->device_id,
	    d->spool_id, (int64_t)d->stream);
	int rc = read_step(r, st, err);

	*there = rc == 1;
	if (rc == 1) {
		out->first = (uint64_t)sqlite3_column_int64(st, 0);
		out->last = (uint64_t)sqlite3_column_int64(st, 1);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

int
store_read_clean(struct store_read *r, int64_t *after_unix_ms, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_CLEAN, err, "");
	int rc = read_step(r, st, err);

	if (rc == 1) {
		*after_unix_ms = store_column_time(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

int
store_read_boot(struct store_read *r, int64_t boot, struct bl_id *out, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_BOOT, err, "i", boot);
	int rc = read_step(r, st, err);

	if (rc == 1) {
		store_column_id(st, 0, out);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : rc == 1 ? BL_OK : bl_fail(err, BL_ENOTFOUND, "there is no such boot");
}

int
store_read_retained(struct store_read *r, enum parts_level level, int64_t before_unix_ms, bool *out,
    struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_RETAINED, err, "ii", (int64_t)level, before_unix_ms);
	int rc = read_step(r, st, err);

	*out = rc == 1;
	if (rc == 1)
		(void)sqlite3_reset(st);
	return rc < 0 ? rc : BL_OK;
}

int
store_read_worn_hour(struct store_read *r, int64_t after_hour_unix_ms, int64_t small_bytes,
    unsigned small_devices, unsigned n_small, int64_t made_before_unix_ms, int64_t *hour_unix_ms,
    struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_WORN_HOUR, err, "iiiii", small_bytes,
	    (int64_t)n_small, made_before_unix_ms, (int64_t)small_devices, after_hour_unix_ms);
	int rc = read_step(r, st, err);

	*hour_unix_ms = STORE_TIME_NONE;
	if (rc == 1) {
		*hour_unix_ms = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

int
store_read_free_pages(struct store_read *r, int64_t *out, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_FREE_PAGES, err, "");
	int rc = read_step(r, st, err);

	if (rc == 1) {
		*out = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

int
store_read_moved(struct store_read *r, struct store_moved_row *out, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_MOVED_NEXT, err, "");
	int rc = read_step(r, st, err);

	if (rc != 1)
		return rc;
	*out = (struct store_moved_row){ sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1),
		sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 3),
		sqlite3_column_int64(st, 4), sqlite3_column_int64(st, 5),
		sqlite3_column_int64(st, 6) };
	(void)sqlite3_reset(st);
	return 1;
}

int
store_read_places(struct store_read *r, int64_t spool_id, int64_t boot_id, const int64_t *boot_ms,
    int64_t *unix_ms, size_t n, struct bl_err *err)
{
	struct placer place = { .r = r };
	const int rc = placer_for(&place, spool_id, boot_id, err);

	for (size_t i = 0; i < n && rc == BL_OK; i++) {
		const int64_t t = placer_place(&place, boot_ms[i]);

		if (t != STORE_TIME_NONE)
			unix_ms[i] = t;
	}
	placer_free(&place);
	return rc;
}

int
store_read_oldest_batch(struct store_read *r, int64_t *arrived_unix_ms, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_OLDEST_BATCH, err, "");
	int rc = read_step(r, st, err);

	if (rc == 1) {
		*arrived_unix_ms = store_column_time(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

int
store_read_part_end(struct store_read *r, enum parts_level level, int64_t from_unix_ms,
    int64_t to_unix_ms, int64_t *end, struct bl_err *err)
{
	sqlite3_stmt *st =
	    read_bind(r, READ_PART_END, err, "iii", (int64_t)level, from_unix_ms, to_unix_ms);
	int rc = read_step(r, st, err);

	if (rc == 1) {
		*end = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

int
store_read_placing(struct store_read *r, int64_t spool_id, bool *out, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_DUE_PLACING, err, "i", spool_id);
	int rc = read_step(r, st, err);

	*out = rc == 1;
	if (rc == 1)
		(void)sqlite3_reset(st);
	return rc < 0 ? rc : BL_OK;
}

int
store_read_parts_come(struct store_read *r, bool *out, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_PARTS_COME, err, "");
	int rc = read_step(r, st, err);

	*out = rc == 1;
	if (rc == 1)
		(void)sqlite3_reset(st);
	return rc < 0 ? rc : BL_OK;
}

int
store_read_pack_series(
    struct store_read *r, int64_t spool_id, store_pack_series_cb cb, void *ctx, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_DUE_SERIES, err, "i", spool_id);
	int rc;

	while ((rc = read_step(r, st, err)) == 1) {
		const struct store_pack_series s = {
			.id = sqlite3_column_int64(st, 1),
			.name = (const char *)sqlite3_column_text(st, 2),
			.kind = (enum bl_series_kind)sqlite3_column_int(st, 3),
			.stream = (enum bl_stream)sqlite3_column_int(st, 4),
			.interval_ms = (uint32_t)sqlite3_column_int64(st, 5),
		};

		if (!cb(ctx, (uint32_t)sqlite3_column_int64(st, 0), &s)) {
			(void)sqlite3_reset(st);
			break;
		}
	}
	return rc < 0 ? rc : BL_OK;
}

int
store_read_dead(struct store_read *r, int64_t since_before_unix_ms, size_t limit, store_dead_cb cb,
    void *ctx, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_DEAD, err, "ii", since_before_unix_ms, (int64_t)limit);
	int rc;

	while ((rc = read_step(r, st, err)) == 1) {
		const struct store_dead d = {
			.id = sqlite3_column_int64(st, 0),
			.level = (enum parts_level)sqlite3_column_int(st, 1),
			.hour_unix_ms = sqlite3_column_int64(st, 2),
			.offset = sqlite3_column_int64(st, 3),
			.bytes = sqlite3_column_int64(st, 4),
			.since_unix_ms = sqlite3_column_int64(st, 5),
		};

		if (!cb(ctx, &d)) {
			(void)sqlite3_reset(st);
			break;
		}
	}
	return rc < 0 ? rc : BL_OK;
}

/* ---- batches ---- */

struct due_walk {
	struct store_read *r;
	const struct store_due *d;
	struct placer place;
	struct store_piece *piece;
	size_t n_pieces, size_pieces;
	store_pack_batch_cb cb;
	void *ctx;
	bool stopped;
};

static int
no_memory(struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
}

/* Where its clock was one way and where another, over what is inside. */
static int
cut_pieces(struct due_walk *w, struct store_pack_batch *b, struct bl_err *err)
{
	int64_t at = b->h.event_begin_ms;

	w->n_pieces = 0;
	b->placed =
	    placer_extent(&w->place, at, b->h.event_end_ms, &b->begin_unix_ms, &b->end_unix_ms);
	while (b->placed && at <= b->h.event_end_ms) {
		const int64_t until = placer_until(&w->place, at, b->h.event_end_ms + 1);

		if (w->n_pieces == w->size_pieces) {
			const size_t size = w->size_pieces == 0 ? 8 : w->size_pieces * 2;
			struct store_piece *more = realloc(w->piece, size * sizeof(*more));

			if (more == NULL)
				return no_memory(err);
			w->piece = more;
			w->size_pieces = size;
		}
		w->piece[w->n_pieces++] =
		    (struct store_piece){ at, until, placer_place(&w->place, at) - at };
		at = until;
	}
	b->piece = w->piece;
	b->n_pieces = w->n_pieces;
	return BL_OK;
}

static bool
touches(const struct store_due *d, const struct store_pack_batch *b)
{
	return !b->placed || (b->begin_unix_ms < d->hour_unix_ms + STORE_HOUR_MS &&
				 b->end_unix_ms >= d->hour_unix_ms);
}

/* One row; its body lies in the statement. */
static int
visit(struct due_walk *w, sqlite3_stmt *st, struct bl_err *err)
{
	struct store_pack_batch b = { .id = sqlite3_column_int64(st, 0),
		.spool_id = w->d->spool_id,
		.boot_id = sqlite3_column_int64(st, 17),
		.mark_unix_ms = store_column_time(st, 18) };
	int rc;

	read_take_header(st, &b.h);
	b.h.stream = w->d->stream;
	if ((rc = placer_for(&w->place, b.spool_id, b.boot_id, err)) < 0)
		return rc;
	b.h.boot = w->place.boot;
	if ((rc = cut_pieces(w, &b, err)) < 0 || !touches(w->d, &b))
		return rc;
	b.body = sqlite3_column_blob(st, 16);
	b.body_len = (size_t)sqlite3_column_bytes(st, 16);
	w->stopped = !w->cb(w->ctx, &b);
	return BL_OK;
}

/* A slice; returns how many rows it had. */
static int
visit_some(struct due_walk *w, uint64_t *first, int64_t upto_id, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(w->r, READ_DUE_BATCHES, err, "iiuuii", w->d->spool_id,
	    (int64_t)w->d->stream, *first, w->d->seq_last, upto_id, (int64_t)BATCHES_AT_ONCE);
	int rc, n = 0;

	while ((rc = read_step(w->r, st, err)) == 1) {
		n++;
		*first = (uint64_t)sqlite3_column_int64(st, 1) + 1;
		if ((rc = visit(w, st, err)) < 0 || w->stopped) {
			(void)sqlite3_reset(st);
			break;
		}
	}
	return rc < 0 ? rc : n;
}

int
store_read_due_batches(struct store_read *r, const struct store_due *d, int64_t upto_id,
    store_pack_batch_cb cb, void *ctx, struct bl_err *err)
{
	struct due_walk w = { .r = r, .d = d, .place = { .r = r }, .cb = cb, .ctx = ctx };
	uint64_t first = d->seq_first;
	int rc = BATCHES_AT_ONCE;

	while (rc == BATCHES_AT_ONCE && !w.stopped && first <= d->seq_last)
		rc = visit_some(&w, &first, upto_id, err);
	placer_free(&w.place);
	free(w.piece);
	return rc < 0 ? rc : BL_OK;
}
