/*
 * A metric's section of a part: all devices side by side, fetched in one go.
 */
#include <stdlib.h>
#include <string.h>

#include "branchline/clock.h"

#include "query_store_internal.h"
#include "store_metric.h"

void
query_parts_free_room(struct query_store *s)
{
	struct room *room = &s->room;

	free(room->section);
	free(room->times);
	free(room->thin);
	chunk_room_free(&room->column);
}

/* ---- which columns -------------------------------------------------------------- */

static bool
is_hidden(const struct hour_part *p, int64_t device)
{
	size_t low = 0, high = p->n_hidden;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (p->hidden[mid] == device)
			return true;
		if (p->hidden[mid] < device)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* A new source begins: its times are not known, and its device may be read elsewhere. */
static void
meet_source(struct section *x, uint32_t source)
{
	struct chunk_source from;

	if (x->source_known && x->source == source)
		return;
	x->source_known = true;
	x->source = source;
	x->times_fetched = false;
	chunk_room_forget(&x->s->room.column);
	x->source_hidden = false;
	if (x->part->n_hidden == 0)
		return;
	chunk_source_at(x->ix, source, &from);
	x->source_hidden = is_hidden(x->part, from.device);
}

/* Index of a series; n_series: it is none of the question's. */
static size_t
find_series(const struct section *x, int64_t id)
{
	const struct query_series *s = x->s->series;
	const size_t n = x->s->n_series, next = x->last + 1;
	size_t low = 0, high = n;

	if (next < n && s[next].id == id)
		return next;
	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (s[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n && s[low].id == id ? low : n;
}

/* ---- the walk ----------------------------------------------------------------------- */

static int
read_block(struct section *x, const struct chunk_block *b, const uint8_t *bytes, struct bl_err *err)
{
	struct chunk_block_it it;
	struct chunk_column c;
	int rc;

	if ((rc = chunk_block_open(&it, x->ix, b, bytes, err)) < 0)
		return rc;
	while ((rc = chunk_block_next(&it, &c, err)) == 1) {
		int64_t id = c.series;
		size_t i;

		meet_source(x, c.source);
		if (x->source_hidden || !query_hour_number(x->numbers, STORE_ALIAS_SERIES, &id) ||
		    (i = find_series(x, id)) == x->s->n_series)
			continue;
		x->last = i;
		if (!x->s->wanted[i] || x->s->unit[x->s->unit_of[i]].due)
			continue;
		if ((rc = query_column_give(x, &c, i, err)) < 0)
			return rc;
	}
	return rc;
}

static int
fetch_section(struct section *x, const struct chunk_metric *m, struct bl_err *err)
{
	struct room *room = &x->s->room;

	if (m->len > room->section_size) {
		uint8_t *more = realloc(room->section, m->len);

		if (more == NULL)
			return bl_fail(err, BL_ENOMEM, "query: out of memory");
		room->section = more;
		room->section_size = m->len;
	}
	return parts_read(x->parts, x->region, m->offset, room->section, m->len, err);
}

static int
still_time(const struct section *x, struct bl_err *err)
{
	if (bl_mono_ms(x->s->clock) < x->w->deadline_mono_ms)
		return BL_OK;
	return bl_fail(err, BL_ETIMEDOUT,
	    "reading took too long; ask for a shorter range, a longer step or fewer series");
}

static int
read_section(struct section *x, struct bl_err *err)
{
	const char *name = x->s->metric;
	const int64_t at =
	    chunk_metric_find(x->ix, (struct bl_str){ .p = name, .len = strlen(name) });
	struct chunk_metric m;
	struct chunk_block b;
	struct chunk_dir d;
	int rc;

	if (at < 0)
		return BL_OK;
	chunk_metric_at(x->ix, (uint32_t)at, &m);
	if ((rc = fetch_section(x, &m, err)) < 0 ||
	    (rc = chunk_dir_open(
		 &d, x->ix, &m, x->s->room.section + (m.dir.offset - m.offset), err)) < 0)
		return rc;
	while ((rc = chunk_dir_next(&d, &b, err)) == 1) {
		if (b.span.offset < m.offset || b.span.len > m.len ||
		    b.span.offset - m.offset > m.len - b.span.len)
			return bl_fail(
			    err, BL_ECORRUPT, "a part's block lies outside of its section");
		if ((rc = still_time(x, err)) < 0 ||
		    (rc = read_block(x, &b, x->s->room.section + (b.span.offset - m.offset), err)) <
			0)
			return rc;
	}
	return rc;
}

/* Retention, or a pack, may have taken it since its hour was loaded: then there is nothing. */
static int
part_failed(struct query_store *s, const struct parts_region *g, int rc, struct bl_err *err)
{
	struct bl_err why = { 0 };
	struct store_part row;

	if (rc != BL_ECORRUPT && rc != BL_ENOTFOUND)
		return rc;
	if (store_read_part(s->r, g->part, &row, &why) == BL_ENOTFOUND ||
	    (why.code == 0 && row.bytes[g->level] == 0))
		return BL_OK;
	return rc == BL_ENOTFOUND ? bl_fail(err, BL_ECORRUPT, "a part's file is missing") : rc;
}

int
query_parts_read(struct query_store *s, const struct hour_part *p, const struct query_want *w,
    const struct query_take *t, struct bl_err *err)
{
	static const enum parts_level level_of[QUERY_LEVELS] = {
		[QUERY_RAW] = PARTS_RAW, [QUERY_M5] = PARTS_M5, [QUERY_H1] = PARTS_H1
	};
	const enum parts_level level = level_of[w->level];
	const struct parts_region g = { p->id, p->hour_unix_ms, level, p->offset[level],
		p->bytes[level] };
	struct section x = { .s = s, .w = w, .t = t, .region = &g, .part = p };
	int rc;

	if (g.bytes == 0)
		return BL_OK;
	if ((rc = store_read_parts_files(s->r, &x.parts, err)) < 0 ||
	    (rc = query_hour_numbers(s, p->space, &x.numbers, err)) < 0)
		return rc;
	if ((rc = parts_index(x.parts, &g, &x.ix, err)) == BL_OK) {
		rc = read_section(&x, err);
		parts_index_done(x.parts, x.ix);
	}
	return rc < 0 ? part_failed(s, &g, rc, err) : BL_OK;
}
