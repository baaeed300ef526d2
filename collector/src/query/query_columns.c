/* Columns of a metric's section as what a query takes: hours, windows, samples. */
#include <stdlib.h>

#include "query_store_internal.h"

/* ---- roll-ups --------------------------------------------------------------- */

static struct query_roll
roll_of(const struct chunk_window *w)
{
	return (struct query_roll){ .n = w->count,
		.unknown = w->unknown,
		.sum = w->sum,
		.min = w->min,
		.max = w->max,
		.increase = w->increase };
}

/* Boots are named as here; of a boot that nobody knows no pair is made. */
static const struct query_edge *
edge_of(const struct section *x, const struct chunk_edges *e, bool first, struct query_edge *out)
{
	if (!e->there || (first && e->first_own))
		return NULL;
	*out = first ? (struct query_edge){ e->first_unix_ms, e->first_boot, e->first }
		     : (struct query_edge){ e->last_unix_ms, e->last_boot, e->last };
	return query_hour_number(x->numbers, STORE_ALIAS_BOOT, &out->boot) ? out : NULL;
}

static int
add_sketch(const void *of, struct bl_sketch *into, struct bl_err *err)
{
	return chunk_h1_counts(of, into, err);
}

static int
give_hour(struct section *x, const struct chunk_column *c, size_t i, struct bl_err *err)
{
	struct query_hour_roll h = { .begin_unix_ms = x->part->hour_unix_ms };
	struct query_edge first, last;
	struct chunk_edges edges = { .there = false };
	struct chunk_window w;
	int rc;

	if ((rc = chunk_h1_get(c, &w, c->kind == BL_COUNTER ? &edges : NULL, err)) < 0)
		return rc;
	h.roll = roll_of(&w);
	h.first = edge_of(x, &edges, true, &first);
	h.last = edge_of(x, &edges, false, &last);
	if (x->w->sketch && c->kind != BL_COUNTER) {
		h.add_sketch = add_sketch;
		h.of = c;
	}
	return x->t->hour(x->t->ctx, i, &h, err);
}

static int
give_five(struct section *x, const struct chunk_column *c, size_t i, struct bl_err *err)
{
	struct query_roll roll[QUERY_M5_OF_HOUR];
	struct chunk_window w[CHUNK_WINDOWS];
	struct query_edge first, last;
	struct chunk_edges edges = { .there = false };
	int rc;

	if (x->w->sums_only)
		rc = chunk_m5_sums(c, w, err);
	else
		rc = chunk_m5_get(c, w, c->kind == BL_COUNTER ? &edges : NULL, err);
	if (rc < 0)
		return rc;
	for (int k = 0; k < QUERY_M5_OF_HOUR; k++)
		roll[k] = roll_of(&w[k]);
	return x->t->five(x->t->ctx, i, x->part->hour_unix_ms, roll,
	    edge_of(x, &edges, true, &first), edge_of(x, &edges, false, &last), err);
}

/* ---- samples ------------------------------------------------------------------ */

static int
fetch_times(struct section *x, uint32_t source, struct bl_err *err)
{
	struct room *room = &x->s->room;
	struct chunk_source from;

	chunk_source_at(x->ix, source, &from);
	if (from.times.len > room->times_size) {
		uint8_t *more = realloc(room->times, from.times.len);

		if (more == NULL)
			return bl_fail(err, BL_ENOMEM, "query: out of memory");
		room->times = more;
		room->times_size = from.times.len;
	}
	return parts_read(x->parts, x->region, from.times.offset, room->times, from.times.len, err);
}

/* The times of c into the room. */
static int
times_of(struct section *x, const struct chunk_column *c, struct bl_err *err)
{
	struct room *room = &x->s->room;
	int rc;

	if (chunk_room_has(&room->column, c->times))
		return BL_OK;
	if (!x->times_fetched && (rc = fetch_times(x, c->source, err)) < 0)
		return rc;
	x->times_fetched = true;
	return chunk_room_times(&room->column, x->ix, c->source, c->times, room->times, err);
}

static int
thin_of(struct room *room, uint32_t n, struct bl_err *err)
{
	const struct chunk_thin *from = room->column.thin;

	if (n > room->thin_size) {
		struct query_thin *more = realloc(room->thin, n * sizeof(*more));

		if (more == NULL)
			return bl_fail(err, BL_ENOMEM, "query: out of memory");
		room->thin = more;
		room->thin_size = n;
	}
	for (uint32_t k = 0; k < n; k++)
		room->thin[k] =
		    (struct query_thin){ from[k].thin, from[k].before_ms, from[k].before };
	return BL_OK;
}

static int
give_runs(struct section *x, const struct chunk_column *c, size_t i, struct bl_err *err)
{
	const struct chunk_room *room = &x->s->room.column;
	size_t at = 0;
	int rc = BL_OK;

	for (uint32_t k = 0; k < room->n_runs && rc == BL_OK; k++) {
		struct query_samples q = { .n = room->run[k].n,
			.unix_ms = room->unix_ms + at,
			.value = room->value + at,
			.unknown = chunk_has_unknown(c) ? room->unknown + at : NULL,
			.boot_all = room->run[k].boot,
			.offset_all_ms = room->run[k].offset_ms,
			.thin = chunk_has_thin(c) ? x->s->room.thin + at : NULL };

		if (!query_hour_number(x->numbers, STORE_ALIAS_BOOT, &q.boot_all))
			return bl_fail(err, BL_ECORRUPT, "a part names a boot that has no number");
		rc = x->t->samples(x->t->ctx, i, &q, err);
		at += room->run[k].n;
	}
	return rc;
}

static int
give_samples(struct section *x, const struct chunk_column *c, size_t i, struct bl_err *err)
{
	struct room *room = &x->s->room;
	int rc;

	if ((rc = times_of(x, c, err)) < 0 || (rc = chunk_room_column(&room->column, c, err)) < 0 ||
	    (chunk_has_thin(c) && (rc = thin_of(room, c->n, err)) < 0))
		return rc;
	return give_runs(x, c, i, err);
}

int
query_column_give(struct section *x, const struct chunk_column *c, size_t i, struct bl_err *err)
{
	switch (x->w->level) {
	case QUERY_H1:
		return give_hour(x, c, i, err);
	case QUERY_M5:
		return give_five(x, c, i, err);
	default:
		return give_samples(x, c, i, err);
	}
}
