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

static bool
room_for(struct room *room, size_t n, size_t runs)
{
	if (n > room->n) {
		free(room->unix_ms);
		free(room->scratch);
		free(room->value);
		free(room->unknown);
		free(room->chunk_thin);
		free(room->thin);
		room->unix_ms = malloc(n * sizeof(*room->unix_ms));
		room->scratch = malloc(n * sizeof(*room->scratch));
		room->value = malloc(n * sizeof(*room->value));
		room->unknown = malloc(n);
		room->chunk_thin = malloc(n * sizeof(*room->chunk_thin));
		room->thin = malloc(n * sizeof(*room->thin));
		room->n = n;
		if (room->unix_ms == NULL || room->scratch == NULL || room->value == NULL ||
		    room->unknown == NULL || room->chunk_thin == NULL || room->thin == NULL) {
			room->n = 0;
			return false;
		}
	}
	if (runs > room->runs) {
		free(room->run);
		room->run = malloc(runs * sizeof(*room->run));
		room->runs = room->run != NULL ? runs : 0;
	}
	return room->run != NULL;
}

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

static int
decode_times(struct section *x, const struct chunk_column *c, struct bl_err *err)
{
	struct room *room = &x->s->room;

	return (x->times_fetched ? chunk_times_more : chunk_times_get)(x->ix, c->source, c->times,
	    room->times, room->unix_ms, room->run, (uint32_t)room->runs, &x->n_runs, err);
}

/* The times of c into the room: most columns of a source share them. */
static int
times_of(struct section *x, const struct chunk_column *c, struct bl_err *err)
{
	struct room *room = &x->s->room;
	int rc;

	if (x->have_times && x->times == c->times)
		return BL_OK;
	x->have_times = false;
	x->n_times = chunk_times_n(x->ix, c->source, c->times);
	if (!room_for(room, x->n_times > 1024 ? x->n_times : 1024, room->runs > 8 ? room->runs : 8))
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	if (!x->times_fetched && (rc = fetch_times(x, c->source, err)) < 0)
		return rc;
	if ((rc = decode_times(x, c, err)) < 0)
		return rc;
	x->times_fetched = true;
	if (x->n_runs > room->runs) {
		if (!room_for(room, room->n, x->n_runs))
			return bl_fail(err, BL_ENOMEM, "query: out of memory");
		if ((rc = decode_times(x, c, err)) < 0)
			return rc;
	}
	x->have_times = true;
	x->times = c->times;
	return BL_OK;
}

static int
thin_of(struct section *x, const struct chunk_column *c, struct bl_err *err)
{
	struct room *room = &x->s->room;
	const int rc = chunk_raw_thin(c, room->unix_ms, room->value, room->chunk_thin, err);

	for (uint32_t k = 0; k < c->n && rc >= 0; k++)
		room->thin[k] = (struct query_thin){ room->chunk_thin[k].thin,
			room->chunk_thin[k].before_ms, room->chunk_thin[k].before };
	return rc;
}

static int
give_runs(struct section *x, const struct chunk_column *c, size_t i, struct bl_err *err)
{
	const struct room *room = &x->s->room;
	size_t at = 0;
	int rc = BL_OK;

	for (uint32_t k = 0; k < x->n_runs && rc == BL_OK; k++) {
		struct query_samples q = { .n = room->run[k].n,
			.unix_ms = room->unix_ms + at,
			.value = room->value + at,
			.unknown = chunk_has_unknown(c) ? room->unknown + at : NULL,
			.boot_all = room->run[k].boot,
			.thin = chunk_has_thin(c) ? room->thin + at : NULL };

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

	if ((rc = times_of(x, c, err)) < 0)
		return rc;
	if (c->n != x->n_times)
		return bl_fail(
		    err, BL_ECORRUPT, "a part has a column of another length than its times");
	if ((rc = chunk_raw_doubles(c, room->value, room->unknown, room->scratch, err)) < 0 ||
	    (chunk_has_thin(c) && (rc = thin_of(x, c, err)) < 0))
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
