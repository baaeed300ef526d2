/*
 * What a part has of a device's hour, for late data and for writing anew.
 *
 * The whole raw region is read at once and kept until another one is needed: late
 * data of many devices are of the same hours.
 */
#include "compact_internal.h"

#include <stdlib.h>
#include <string.h>

struct take {
	struct gather *g;
	const struct old_part *o;
	struct dicts *names;
	struct store_read *r;
	const struct store_moved_row *moved; /* NULL: nothing has */
	uint32_t source;
	struct chunk_source src;
	uint32_t *times; /* by time column; NONE: not decoded yet */
};

void
old_part_free(struct old_part *o)
{
	chunk_index_free(o->index);
	free(o->bytes);
	for (int i = 0; i < 3; i++)
		free(o->alias[i].p);
	memset(o, 0, sizeof(*o));
}

static int
no_memory(struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "compact: out of memory");
}

/* ---- numbers ---- */

static bool
take_alias(void *ctx, int64_t old_id, int64_t new_id)
{
	struct old_alias *a = ctx;

	a->failed = !gather_grow(&a->p, a->n, &a->size, sizeof(*a->p));
	if (!a->failed)
		a->p[a->n++] = (struct old_pair){ old_id, new_id };
	return !a->failed;
}

static int
load_aliases(struct old_part *o, struct store_read *r, struct bl_err *err)
{
	int rc = BL_OK;

	for (int i = 0; i < 3 && o->space != 0 && rc >= 0; i++) {
		rc = store_read_alias(
		    r, o->space, (enum store_alias)(i + 1), take_alias, &o->alias[i], err);
		if (o->alias[i].failed)
			rc = no_memory(err);
	}
	return rc;
}

/* INT64_MIN: it has none. */
static int64_t
alias_of(const struct old_part *o, enum store_alias kind, int64_t id)
{
	const struct old_alias *a = &o->alias[kind - 1];
	size_t lo = 0, hi = a->n;

	if (o->space == 0)
		return id;
	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;

		if (a->p[mid].old < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < a->n && a->p[lo].old == id ? a->p[lo].new : INT64_MIN;
}

int64_t
old_part_device(const struct old_part *o, int64_t device)
{
	return alias_of(o, STORE_ALIAS_DEVICE, device);
}

/* The part's number of a device of this store. */
static int64_t
device_in(const struct old_part *o, int64_t device)
{
	const struct old_alias *a = &o->alias[STORE_ALIAS_DEVICE - 1];

	for (size_t i = 0; i < a->n; i++)
		if (a->p[i].new == device)
			return a->p[i].old;
	return o->space == 0 ? device : INT64_MIN;
}

/* ---- the region ---- */

static int
load(struct old_part *o, struct parts *parts, const struct store_part *p, struct bl_err *err)
{
	const struct parts_region g = { p->id, p->hour_unix_ms, PARTS_RAW, p->offset[PARTS_RAW],
		p->bytes[PARTS_RAW] };
	struct chunk_head head;
	int rc;

	if (g.bytes < (int64_t)CHUNK_HEAD_BYTES || g.bytes > (int64_t)CHUNK_REGION_MAX)
		return bl_fail(
		    err, BL_ECORRUPT, "part %lld: an impossible length", (long long)p->id);
	if ((o->bytes = malloc((size_t)g.bytes)) == NULL)
		return no_memory(err);
	if ((rc = parts_read(parts, &g, 0, o->bytes, (size_t)g.bytes, err)) < 0 ||
	    (rc = chunk_head_parse(o->bytes, (size_t)g.bytes, &head, err)) < 0)
		return rc;
	if (head.level != CHUNK_RAW || head.hour_unix_ms != p->hour_unix_ms ||
	    (int64_t)head.region_bytes != g.bytes || head.index.offset > g.bytes ||
	    head.index.len > g.bytes - head.index.offset)
		return bl_fail(err, BL_ECORRUPT, "part %lld: there is another one in its place",
		    (long long)p->id);
	return chunk_index_parse(&o->index, &head, o->bytes + head.index.offset, err);
}

int
old_part_load(struct old_part *o, struct parts *parts, struct store_read *r,
    const struct store_part *p, struct bl_err *err)
{
	int rc;

	if (o->part == p->id)
		return BL_OK;
	old_part_free(o);
	o->space = p->space;
	if ((rc = load(o, parts, p, err)) < 0 || (rc = load_aliases(o, r, err)) < 0) {
		old_part_free(o);
		return rc;
	}
	o->part = p->id;
	return BL_OK;
}

/* The bytes of a span; NULL: it lies outside. */
static const uint8_t *
at(const struct old_part *o, const struct chunk_span *s)
{
	const uint32_t all = chunk_index_head(o->index)->region_bytes;

	return s->offset > all || s->len > all - s->offset ? NULL : o->bytes + s->offset;
}

static int
outside(struct bl_err *err)
{
	return bl_fail(err, BL_ECORRUPT, "a part's index leads out of it");
}

static int
unnamed(struct bl_err *err)
{
	return bl_fail(err, BL_ECORRUPT, "a part has a number that nothing is known of");
}

/* ---- times ---- */

/* Where they lie by the clock map as it is now.  *boot_ms: in memory of the device's. */
static int
place_again(struct take *t, const struct times *x, int64_t **boot_ms, struct bl_err *err)
{
	const struct store_moved_row *m = t->moved;
	int64_t *b = *boot_ms = arena_take(&t->g->arena, x->total * sizeof(*b));
	uint32_t at = 0;
	int rc = BL_OK;

	if (b == NULL)
		return no_memory(err);
	for (uint32_t k = 0; k < x->n_runs && rc >= 0; k++) {
		const struct chunk_run *run = &x->run[k];
		uint32_t first = at;

		for (uint32_t i = 0; i < run->n; i++, at++) {
			b[at] = x->unix_ms[at] - run->offset_ms;
			first += run->boot == m->boot_id && b[at] < m->from_ms && first == at;
		}
		if (run->boot == m->boot_id && first < at)
			rc = store_read_places(t->r, m->spool_id, m->boot_id, b + first,
			    x->unix_ms + first, at - first, err);
	}
	return rc;
}

/* Leaves what lies in the gather's hour now. */
static int
move_times(struct take *t, struct times *x, struct bl_err *err)
{
	const struct chunk_run *was = x->run;
	const uint32_t n_was = x->n_runs;
	const int64_t hour = t->g->hour_unix_ms;
	int64_t *boot_ms;
	uint32_t at = 0;
	int rc = place_again(t, x, &boot_ms, err);

	x->mask = arena_take(&t->g->arena, x->total);
	x->run = arena_take(&t->g->arena, x->total * sizeof(*x->run));
	if (rc < 0)
		return rc;
	if (x->mask == NULL || x->run == NULL)
		return no_memory(err);
	x->n = x->n_runs = 0;
	for (uint32_t k = 0; k < n_was; k++)
		for (uint32_t i = 0; i < was[k].n; i++, at++) {
			const int64_t unix_ms = x->unix_ms[at], offset = unix_ms - boot_ms[at];
			struct chunk_run *last = x->n_runs > 0 ? &x->run[x->n_runs - 1] : NULL;

			x->mask[at] = unix_ms >= hour && unix_ms < hour + STORE_HOUR_MS;
			if (!x->mask[at])
				continue;
			x->ascends = x->ascends && (x->n == 0 || unix_ms > x->unix_ms[x->n - 1]);
			x->unix_ms[x->n++] = unix_ms;
			if (last == NULL || last->boot != was[k].boot ||
			    last->offset_ms != offset) {
				last = &x->run[x->n_runs++];
				*last = (struct chunk_run){ was[k].boot, offset, 0 };
			}
			last->n++;
		}
	return BL_OK;
}

static int
decode_times(struct take *t, uint32_t k, struct times *x, struct bl_err *err)
{
	const uint32_t n = chunk_times_n(t->o->index, t->source, k);
	const uint8_t *bytes = at(t->o, &t->src.times);
	int rc;

	if (bytes == NULL)
		return outside(err);
	x->n = x->total = n;
	x->unix_ms = arena_take(&t->g->arena, n * sizeof(*x->unix_ms));
	if (x->unix_ms == NULL)
		return no_memory(err);
	if ((rc = chunk_times_get(
		 t->o->index, t->source, k, bytes, x->unix_ms, NULL, 0, &x->n_runs, err)) < 0)
		return rc;
	if ((x->run = arena_take(&t->g->arena, x->n_runs * sizeof(*x->run))) == NULL)
		return no_memory(err);
	if ((rc = chunk_times_more(t->o->index, t->source, k, bytes, x->unix_ms, x->run, x->n_runs,
		 &x->n_runs, err)) < 0)
		return rc;
	for (uint32_t i = 0; i < x->n_runs; i++)
		if ((x->run[i].boot = alias_of(t->o, STORE_ALIAS_BOOT, x->run[i].boot)) ==
		    INT64_MIN)
			return unnamed(err);
	if (t->moved != NULL)
		return move_times(t, x, err);
	for (uint32_t i = 1; i < n; i++)
		x->ascends = x->ascends && x->unix_ms[i] > x->unix_ms[i - 1];
	return BL_OK;
}

static int
times_of(struct take *t, uint32_t k, uint32_t *place, struct bl_err *err)
{
	struct times x = { .source = -1, .ascends = true };
	int rc;

	if (k >= t->src.n_times)
		return outside(err);
	if (t->times[k] == NONE) {
		if ((rc = decode_times(t, k, &x, err)) < 0)
			return rc;
		if ((t->times[k] = gather_add_times(t->g, &x)) == NONE)
			return no_memory(err);
	}
	*place = t->times[k];
	return BL_OK;
}

/* ---- columns ---- */

static int
thin_of(struct take *t, const struct chunk_column *c, struct piece *p, struct bl_err *err)
{
	struct gather *g = t->g;
	uint8_t *unknown = arena_take(&g->arena, c->n);
	double *value = arena_take(&g->arena, c->n * sizeof(*value));
	int64_t *scratch = arena_take(&g->arena, c->n * sizeof(*scratch));
	int rc;

	p->thin = arena_take(&g->arena, c->n * sizeof(*p->thin));
	if (unknown == NULL || value == NULL || scratch == NULL || p->thin == NULL)
		return no_memory(err);
	rc = chunk_raw_doubles(c, value, unknown, scratch, err);
	return rc < 0 ? rc : chunk_raw_thin(c, g->times[p->times].unix_ms, value, p->thin, err);
}

static void
cut_thin(const struct times *x, struct piece *p)
{
	uint32_t n = 0;

	for (uint32_t i = 0; p->thin != NULL && i < x->total; i++)
		if (x->mask[i])
			p->thin[n++] = p->thin[i];
}

static int
take_column(struct take *t, const struct chunk_column *c, struct bl_str metric, struct bl_err *err)
{
	struct gather *g = t->g;
	const struct series like = { .id = alias_of(t->o, STORE_ALIAS_SERIES, c->series),
		.metric = dicts_intern(t->names, metric.p, metric.len),
		.kind = c->kind,
		.stream = t->src.stream,
		.interval_ms = c->interval_ms };
	struct piece p = { 0 };
	uint32_t series;
	int rc;

	if (like.id == INT64_MIN)
		return unnamed(err);
	if (like.metric == NULL || (series = gather_series(g, &like)) == NONE)
		return no_memory(err);
	if ((rc = times_of(t, c->times, &p.times, err)) < 0)
		return rc;
	p.seq.i = arena_take(&g->arena, c->n * sizeof(*p.seq.i));
	p.seq.d = arena_take(&g->arena, c->n * sizeof(*p.seq.d));
	if (chunk_has_unknown(c))
		p.unknown = arena_take(&g->arena, c->n);
	if (p.seq.i == NULL || p.seq.d == NULL || (chunk_has_unknown(c) && p.unknown == NULL))
		return no_memory(err);
	if ((rc = chunk_raw_seq(c, &p.seq, p.unknown, err)) < 0 ||
	    (chunk_has_thin(c) && (rc = thin_of(t, c, &p, err)) < 0))
		return rc;
	if (g->times[p.times].n == 0)
		return BL_OK;
	if (g->times[p.times].mask != NULL) {
		cut_thin(&g->times[p.times], &p);
		if ((rc = gather_cut(g, &g->times[p.times], &p, err)) < 0)
			return rc;
	}
	return gather_add(g, series, &p, err);
}

static int
take_block(struct take *t, const struct chunk_block *b, struct bl_str metric, struct bl_err *err)
{
	const uint8_t *bytes = at(t->o, &b->span);
	struct chunk_block_it it;
	struct chunk_column c;
	int rc;

	if (bytes == NULL)
		return outside(err);
	if ((rc = chunk_block_open(&it, t->o->index, b, bytes, err)) < 0)
		return rc;
	while ((rc = chunk_block_next(&it, &c, err)) == 1)
		if (c.source == t->source && (rc = take_column(t, &c, metric, err)) < 0)
			return rc;
	return rc;
}

static int
take_metric(struct take *t, const struct chunk_metric *m, struct bl_err *err)
{
	const uint8_t *bytes = at(t->o, &m->dir);
	struct chunk_block b;
	struct chunk_dir d;
	int rc;

	if (bytes == NULL)
		return outside(err);
	if ((rc = chunk_dir_open(&d, t->o->index, m, bytes, err)) < 0)
		return rc;
	while ((rc = chunk_dir_find(&d, t->source, &b, err)) == 1)
		if ((rc = take_block(t, &b, m->name, err)) < 0)
			return rc;
	return rc;
}

static int
take_source(struct take *t, struct bl_err *err)
{
	const uint32_t n = chunk_metrics(t->o->index);
	int rc = BL_OK;

	chunk_source_at(t->o->index, t->source, &t->src);
	if ((t->times = arena_take(&t->g->arena, (t->src.n_times + 1) * sizeof(*t->times))) == NULL)
		return no_memory(err);
	memset(t->times, 0xff, t->src.n_times * sizeof(*t->times));
	for (uint32_t i = 0; i < n && rc >= 0; i++) {
		struct chunk_metric m;

		chunk_metric_at(t->o->index, i, &m);
		rc = take_metric(t, &m, err);
	}
	return rc;
}

int
gather_part(struct gather *g, struct old_part *o, struct parts *parts, struct store_read *r,
    struct dicts *names, const struct store_part *p, const struct store_moved_row *moved,
    struct bl_err *err)
{
	struct take t = { .g = g, .o = o, .names = names, .r = r, .moved = moved };
	int64_t device;
	int rc;

	if ((rc = old_part_load(o, parts, r, p, err)) < 0)
		return rc;
	if ((device = device_in(o, g->device_id)) == INT64_MIN)
		return unnamed(err);
	for (int i = 1; i <= BL_STREAMS && rc >= 0; i++) {
		const int64_t source = chunk_source_find(o->index, device, (enum bl_stream)i);

		if (source < 0)
			continue;
		t.source = (uint32_t)source;
		rc = take_source(&t, err);
	}
	return rc < 0 ? rc : BL_OK;
}

/* ---- where it lies now ---- */

static bool
add_hour(int64_t *hour, size_t max, size_t *n, int64_t at)
{
	for (size_t i = 0; i < *n; i++)
		if (hour[i] == at)
			return true;
	if (*n == max)
		return false;
	hour[(*n)++] = at;
	return true;
}

static int
hours_of(struct take *t, int64_t *hour, size_t max, size_t *n, bool *changed, struct bl_err *err)
{
	const struct store_moved_row *moved = t->moved;
	int rc = BL_OK;

	chunk_source_at(t->o->index, t->source, &t->src);
	for (uint32_t k = 0; k < t->src.n_times && rc >= 0; k++) {
		struct times x = { .source = -1, .ascends = true };
		int64_t *boot_ms, *was;

		t->moved = NULL;
		rc = decode_times(t, k, &x, err);
		t->moved = moved;
		if (rc < 0)
			return rc;
		if ((was = arena_take(&t->g->arena, x.n * sizeof(*was))) == NULL)
			return no_memory(err);
		memcpy(was, x.unix_ms, x.n * sizeof(*was));
		if ((rc = place_again(t, &x, &boot_ms, err)) < 0)
			return rc;
		for (uint32_t i = 0; i < x.n; i++) {
			*changed = *changed || x.unix_ms[i] != was[i];
			if (!add_hour(hour, max, n, store_hour(x.unix_ms[i])))
				return bl_fail(
				    err, BL_EFULL, "an hour was torn into more than %zu", max);
		}
	}
	return rc;
}

int
old_part_hours(struct gather *g, struct old_part *o, struct store_read *r,
    const struct store_moved_row *moved, int64_t *hour, size_t max, size_t *n, bool *changed,
    struct bl_err *err)
{
	struct take t = { .g = g, .o = o, .r = r, .moved = moved };
	const int64_t device = device_in(o, moved->device_id);
	int rc = BL_OK;

	*n = 0;
	*changed = false;
	for (int i = 1; i <= BL_STREAMS && rc >= 0 && device != INT64_MIN; i++) {
		const int64_t source = chunk_source_find(o->index, device, (enum bl_stream)i);

		if (source < 0)
			continue;
		t.source = (uint32_t)source;
		rc = hours_of(&t, hour, max, n, changed, err);
	}
	return rc;
}
