/*
 * One device's columns of one part.
 *
 * Columns lie by metric, device after device: of each wanted metric the directory is fetched,
 * and of its blocks those that may have this device.  The times of a device's stream lie
 * in one piece, fetched once; most of its columns share one of them, so the one
 * decoded last is kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_part_internal.h"

/* One call's place. */
struct visit {
	struct part_read *p;
	const struct parts_region *region;
	const struct alias *alias;
	const struct chunk_index *ix;
	uint32_t source;
	bool fetched; /* the times */
	part_column_fn fn;
	void *ctx;
};

struct part_read *
part_read_create(struct store_read *r, struct parts *parts)
{
	struct part_read *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->r = r;
	p->parts = parts;
	return p;
}

void
part_read_free(struct part_read *p)
{
	if (p == NULL)
		return;
	part_read_forget(p);
	free(p->alias);
	free(p->times.p);
	free(p->dir.p);
	free(p->block.p);
	chunk_room_free(&p->room);
	free(p);
}

/* ---- what a reader keeps ---- */

/* Of a reader that was given none: what one query of a day needs. */
#define OWN_CACHE_BYTES (16u << 20)

void
store_read_use_parts(struct store_read *r, struct parts *parts)
{
	read_parts_close(r);
	r->parts = parts;
}

void
read_parts_close(struct store_read *r)
{
	part_read_free(r->part);
	parts_close(r->own_parts);
	r->part = NULL;
	r->parts = r->own_parts = NULL;
}

static int
open_own(struct store_read *r, struct bl_err *err)
{
	const size_t dir = (size_t)(store_file_name(r->path) - r->path);
	char folder[STORE_PATH_MAX];

	(void)snprintf(folder, sizeof(folder), "%.*sparts", (int)dir, r->path);
	return parts_open(&r->own_parts, folder, OWN_CACHE_BYTES, err);
}

int
read_parts(struct store_read *r, struct part_read **out, struct bl_err *err)
{
	int rc;

	if (r->parts == NULL) {
		if ((rc = open_own(r, err)) < 0)
			return rc;
		r->parts = r->own_parts;
	}
	if (r->part == NULL && (r->part = part_read_create(r, r->parts)) == NULL)
		return samples_no_memory(err);
	*out = r->part;
	return BL_OK;
}

/* ---- order ---- */

int
part_want_order(const void *a, const void *b)
{
	const struct part_want *x = a, *y = b;
	const size_t n = x->metric.len < y->metric.len ? x->metric.len : y->metric.len;
	const int d = n == 0 ? 0 : memcmp(x->metric.p, y->metric.p, n);

	if (d != 0)
		return d;
	if (x->metric.len != y->metric.len)
		return x->metric.len < y->metric.len ? -1 : 1;
	return (x->series > y->series) - (x->series < y->series);
}

static bool
same_metric(const struct part_want *a, const struct part_want *b)
{
	return a->metric.len == b->metric.len &&
	       (a->metric.len == 0 || memcmp(a->metric.p, b->metric.p, a->metric.len) == 0);
}

/* ---- bytes ---- */

static int
fetch(struct visit *v, const struct chunk_span *s, struct part_bytes *b, struct bl_err *err)
{
	if (s->len > b->size) {
		uint8_t *more = realloc(b->p, s->len);

		if (more == NULL)
			return samples_no_memory(err);
		b->p = more;
		b->size = s->len;
	}
	return parts_read(v->p->parts, v->region, s->offset, b->p, s->len, err);
}

/* The boots of the runs are named as here; of a boot that nobody knows there is nothing. */
static int
name_boots(struct visit *v, struct bl_err *err)
{
	struct chunk_room *room = &v->p->room;

	for (uint32_t i = 0; i < room->n_runs; i++)
		if (!alias_new(v->alias, STORE_ALIAS_BOOT, &room->run[i].boot))
			return bl_fail(err, BL_ECORRUPT, "a part names a boot that has no number");
	return BL_OK;
}

static int
times_of(struct visit *v, uint32_t k, struct bl_err *err)
{
	struct part_read *p = v->p;
	struct chunk_source s;
	int rc;

	if (chunk_room_has(&p->room, k))
		return BL_OK;
	chunk_source_at(v->ix, v->source, &s);
	if (!v->fetched && (rc = fetch(v, &s.times, &p->times, err)) < 0)
		return rc;
	v->fetched = true;
	if ((rc = chunk_room_times(&p->room, v->ix, v->source, k, p->times.p, err)) < 0)
		return rc;
	if ((rc = name_boots(v, err)) < 0)
		chunk_room_forget(&p->room);
	return rc;
}

/* ---- columns ---- */

static int
give_column(struct visit *v, const struct chunk_column *c, uint32_t index, struct bl_err *err)
{
	struct chunk_room *room = &v->p->room;
	struct part_column out = { .n = c->n };
	int rc;

	if ((rc = times_of(v, c->times, err)) < 0 || (rc = chunk_room_column(room, c, err)) < 0)
		return rc;
	out.thin = chunk_has_thin(c) ? room->thin : NULL;
	out.unix_ms = room->unix_ms;
	out.value = room->value;
	out.unknown = chunk_has_unknown(c) ? room->unknown : NULL;
	out.run = room->run;
	out.n_runs = room->n_runs;
	return v->fn(v->ctx, index, &out, err);
}

static const struct part_want *
find_want(const struct part_want *want, size_t n, int64_t series)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;

		if (want[mid].series < series)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && want[lo].series == series ? &want[lo] : NULL;
}

static int
read_block(struct visit *v, const struct chunk_block *b, const struct part_want *want, size_t n,
    struct bl_err *err)
{
	struct chunk_block_it it;
	struct chunk_column c;
	int rc;

	if ((rc = fetch(v, &b->span, &v->p->block, err)) < 0 ||
	    (rc = chunk_block_open(&it, v->ix, b, v->p->block.p, err)) < 0)
		return rc;
	while ((rc = chunk_block_next(&it, &c, err)) == 1 && c.source <= v->source) {
		int64_t series = c.series;
		const struct part_want *w;

		if (c.source != v->source || !alias_new(v->alias, STORE_ALIAS_SERIES, &series) ||
		    (w = find_want(want, n, series)) == NULL)
			continue;
		if ((rc = give_column(v, &c, w->index, err)) < 0)
			return rc;
	}
	return rc < 0 ? rc : BL_OK;
}

/* want[n]: all of one metric. */
static int
read_metric(struct visit *v, const struct part_want *want, size_t n, struct bl_err *err)
{
	const int64_t at = chunk_metric_find(v->ix, want->metric);
	struct chunk_metric m;
	struct chunk_block b;
	struct chunk_dir d;
	int rc;

	if (at < 0)
		return BL_OK;
	chunk_metric_at(v->ix, (uint32_t)at, &m);
	if ((rc = fetch(v, &m.dir, &v->p->dir, err)) < 0 ||
	    (rc = chunk_dir_open(&d, v->ix, &m, v->p->dir.p, err)) < 0)
		return rc;
	while ((rc = chunk_dir_find(&d, v->source, &b, err)) == 1)
		if ((rc = read_block(v, &b, want, n, err)) < 0)
			return rc;
	return rc;
}

static int
read_metrics(struct visit *v, int64_t device, enum bl_stream stream, const struct part_want *want,
    size_t n, struct bl_err *err)
{
	const int64_t source = chunk_source_find(v->ix, device, stream);
	int rc = BL_OK;

	if (source < 0)
		return BL_OK;
	v->source = (uint32_t)source;
	chunk_room_forget(&v->p->room);
	for (size_t i = 0, end; i < n && rc == BL_OK; i = end) {
		for (end = i + 1; end < n && same_metric(&want[i], &want[end]); end++)
			continue;
		rc = read_metric(v, &want[i], end - i, err);
	}
	return rc;
}

int
part_read_columns(struct part_read *p, const struct part_place *place, int64_t device_id,
    enum bl_stream stream, const struct part_want *want, size_t n, part_column_fn fn, void *ctx,
    struct bl_err *err)
{
	struct visit v = { .p = p, .region = &place->region, .fn = fn, .ctx = ctx };
	int rc;

	if ((rc = alias_of(p, place->space, &v.alias, err)) < 0 ||
	    !alias_old(v.alias, STORE_ALIAS_DEVICE, &device_id))
		return rc; /* no number: it has nothing of this device */
	if ((rc = parts_index(p->parts, v.region, &v.ix, err)) < 0)
		return rc;
	rc = read_metrics(&v, device_id, stream, want, n, err);
	parts_index_done(p->parts, v.ix);
	return rc;
}
