/*
 * What one batch holds of the hour: each column's numbers as the integers they are on the
 * wire, never through doubles, unless samples are thinned, which is rare.
 */
#include "compact_internal.h"

#include <string.h>

struct from {
	struct gather *g;
	const struct store_pack_batch *b;
	const struct bl_batch_reader *rd;
	const struct bl_column *c;
};

static int
no_memory(struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "compact: out of memory");
}

/* ---- times ---- */

/* The first of n that is not before at. */
static uint32_t
first_from(const int64_t *ms, uint32_t n, int64_t at)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		const uint32_t mid = lo + (hi - lo) / 2;

		if (ms[mid] < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* One offset: what lies in the hour is one stretch. */
static int
times_plain(struct from *f, struct times *t, struct bl_err *err)
{
	struct gather *g = f->g;
	const int64_t offset = f->b->piece[0].offset_ms;
	const int64_t from = g->hour_unix_ms - offset;
	const uint32_t a = first_from(g->boot_ms, t->total, from),
		       e = first_from(g->boot_ms, t->total, from + STORE_HOUR_MS);

	t->a = a;
	t->n = e - a;
	t->ascends = true;
	if (t->n == 0)
		return BL_OK;
	t->unix_ms = arena_take(&g->arena, t->n * sizeof(*t->unix_ms));
	t->run = arena_take(&g->arena, sizeof(*t->run));
	if (t->unix_ms == NULL || t->run == NULL)
		return no_memory(err);
	for (uint32_t i = 0; i < t->n; i++)
		t->unix_ms[i] = g->boot_ms[a + i] + offset;
	for (uint32_t i = 1; i < t->n; i++)
		t->ascends = t->ascends && t->unix_ms[i] > t->unix_ms[i - 1];
	t->run[0] = (struct chunk_run){ f->b->boot_id, offset, t->n };
	t->n_runs = 1;
	return BL_OK;
}

static int64_t
offset_at(const struct store_pack_batch *b, int64_t boot_ms)
{
	size_t i = 0;

	while (i + 1 < b->n_pieces && boot_ms >= b->piece[i].to_ms)
		i++;
	return b->piece[i].offset_ms;
}

/* The clock was set within the batch. */
static int
times_pieces(struct from *f, struct times *t, struct bl_err *err)
{
	struct gather *g = f->g;
	const int64_t hour = g->hour_unix_ms;

	t->ascends = true;
	t->unix_ms = arena_take(&g->arena, t->total * sizeof(*t->unix_ms));
	t->run = arena_take(&g->arena, f->b->n_pieces * sizeof(*t->run));
	t->mask = arena_take(&g->arena, t->total);
	if (t->unix_ms == NULL || t->run == NULL || t->mask == NULL)
		return no_memory(err);
	for (uint32_t i = 0; i < t->total; i++) {
		const int64_t offset = offset_at(f->b, g->boot_ms[i]);
		const int64_t at = g->boot_ms[i] + offset;
		struct chunk_run *last = t->n_runs > 0 ? &t->run[t->n_runs - 1] : NULL;

		t->mask[i] = at >= hour && at < hour + STORE_HOUR_MS;
		if (!t->mask[i])
			continue;
		if (t->n > 0 && at <= t->unix_ms[t->n - 1])
			t->ascends = false;
		t->unix_ms[t->n++] = at;
		if (last == NULL || last->offset_ms != offset) {
			t->run[t->n_runs++] = (struct chunk_run){ f->b->boot_id, offset, 0 };
			last = &t->run[t->n_runs - 1];
		}
		last->n++;
	}
	return BL_OK;
}

/* A time column that was just decoded into boot_ms. */
static int
add_times(struct from *f, uint32_t *place, struct bl_err *err)
{
	struct gather *g = f->g;
	struct times t = { .source = f->b->spool_id, .total = f->c->n };
	const int rc = f->b->n_pieces == 1 ? times_plain(f, &t, err) : times_pieces(f, &t, err);

	if (rc < 0)
		return rc;
	if ((*place = gather_add_times(g, &t)) == NONE)
		return no_memory(err);
	if (f->c->time_index >= 0)
		g->times_of[f->c->time_index] = *place;
	return BL_OK;
}

/* ---- values ---- */

static bool
is_in(const struct times *t, uint32_t i)
{
	return t->mask != NULL ? t->mask[i] != 0 : i >= t->a && i < t->a + t->n;
}

static bool
all_known(const uint8_t *unknown, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (unknown[i] != BL_KNOWN)
			return false;
	return true;
}

/* What of the whole column's numbers and unknowns lies in the hour. */
int
gather_cut(struct gather *g, const struct times *t, struct piece *p, struct bl_err *err)
{
	uint32_t known = 0, n = 0, kept = 0;
	uint8_t *unknown;

	if (t->mask == NULL && p->unknown == NULL) {
		p->seq.n = t->n;
		if (p->seq.integers)
			p->seq.i += t->a;
		else
			p->seq.d += t->a;
		return BL_OK;
	}
	if ((unknown = arena_take(&g->arena, t->n)) == NULL)
		return no_memory(err);
	for (uint32_t i = 0; i < t->total; i++) {
		const uint8_t u = p->unknown != NULL ? p->unknown[i] : BL_KNOWN;

		if (is_in(t, i)) {
			unknown[n++] = u;
			if (u == BL_KNOWN && p->seq.integers)
				p->seq.i[kept++] = p->seq.i[known];
			else if (u == BL_KNOWN)
				p->seq.d[kept++] = p->seq.d[known];
		}
		known += u == BL_KNOWN;
	}
	p->seq.n = kept;
	p->unknown = all_known(unknown, n) ? NULL : unknown;
	return BL_OK;
}

/* What each sample in the hour stands for, and the known one before it, which may lie outside. */
static int
thin_of(struct from *f, const struct times *t, struct piece *p, struct bl_err *err)
{
	struct gather *g = f->g;
	uint32_t n = 0, before = NONE;
	int rc;

	if ((rc = bl_column_decode(f->rd, f->c, g->boot_ms, g->value, g->unknown, err)) < 0 ||
	    (rc = bl_column_thin(f->rd, f->c, g->value, g->unknown, g->thin, err)) < 0)
		return rc;
	bl_column_drop_infinite(f->c, g->value, g->unknown, g->thin);
	if ((p->thin = arena_take(&g->arena, t->n * sizeof(*p->thin))) == NULL)
		return no_memory(err);
	for (uint32_t i = 0; i < t->total; i++) {
		struct chunk_thin x = { .thin = g->thin[i] };

		if (x.thin.count > 1 && before != NONE) {
			x.before_ms = g->boot_ms[i] - g->boot_ms[before];
			x.before = g->value[before];
		}
		if (g->unknown[i] == BL_KNOWN)
			before = i;
		if (is_in(t, i))
			p->thin[n++] = x;
	}
	return BL_OK;
}

/* A part holds nothing infinite: readers answer it as unreadable anyway. */
static int
only_finite(struct from *f, struct piece *p, struct bl_err *err)
{
	if (bl_seq_is_finite(&p->seq))
		return BL_OK;
	if (p->unknown == NULL) {
		if ((p->unknown = arena_take(&f->g->arena, f->c->n)) == NULL)
			return no_memory(err);
		memset(p->unknown, BL_KNOWN, f->c->n);
	}
	bl_seq_drop_infinite(&p->seq, p->unknown);
	return BL_OK;
}

/* The numbers into memory of the device's; boot_ms (may be NULL): and the times. */
static int
values_of(struct from *f, struct piece *p, int64_t *boot_ms, struct bl_err *err)
{
	struct gather *g = f->g;
	const uint32_t n = f->c->n;
	int64_t *words = arena_take(&g->arena, n * sizeof(*words));
	int rc;

	if (words == NULL)
		return no_memory(err);
	p->seq = (struct bl_seq){ .i = words, .d = g->value };
	if (bl_column_has_unknown(f->c) && (p->unknown = arena_take(&g->arena, n)) == NULL)
		return no_memory(err);
	if ((rc = bl_column_seq(f->rd, f->c, boot_ms, &p->seq, p->unknown, err)) < 0 ||
	    (rc = only_finite(f, p, err)) < 0)
		return rc;
	if (!p->seq.integers) {
		memcpy(words, p->seq.d, p->seq.n * sizeof(double));
		p->seq.d = (double *)(void *)words;
		p->seq.i = NULL;
	} else {
		p->seq.d = NULL;
	}
	return BL_OK;
}

static int
take_column(struct from *f, const struct dict *d, struct bl_err *err)
{
	struct gather *g = f->g;
	const uint32_t entry = f->c->series_id;
	const struct dict_entry *e;
	const int32_t k = f->c->time_index;
	struct piece p = { .times = k >= 0 ? g->times_of[k] : NONE };
	struct series like;
	uint32_t series;
	int rc;

	if (entry < 1 || entry > d->n || d->e[entry - 1].series == 0)
		return bl_fail(err, BL_ENOTFOUND, "batch %lld names an entry that is not there",
		    (long long)f->b->id);
	if (p.times != NONE && g->times[p.times].n == 0)
		return BL_OK;
	if ((rc = values_of(f, &p, p.times == NONE ? g->boot_ms : NULL, err)) < 0 ||
	    (p.times == NONE && (rc = add_times(f, &p.times, err)) < 0))
		return rc;
	if (g->times[p.times].n == 0)
		return BL_OK;
	e = &d->e[entry - 1];
	like = (struct series){ .id = e->series,
		.metric = e->metric,
		.kind = e->kind,
		.stream = f->b->h.stream,
		.interval_ms = e->interval_ms };
	if ((series = gather_series(g, &like)) == NONE)
		return no_memory(err);
	if ((bl_column_is_thin(f->c) && (rc = thin_of(f, &g->times[p.times], &p, err)) < 0) ||
	    (rc = gather_cut(g, &g->times[p.times], &p, err)) < 0)
		return rc;
	return gather_add(g, series, &p, err);
}

int
gather_batch(
    struct gather *g, const struct store_pack_batch *b, const struct dict *d, struct bl_err *err)
{
	struct bl_batch_reader rd;
	struct bl_column c;
	struct from f = { .g = g, .b = b, .rd = &rd, .c = &c };
	int rc;

	if (b->h.n_samples == 0)
		return BL_OK;
	if ((rc = bl_batch_inflate(&b->h, b->body, b->body_len, &g->raw, err)) < 0 ||
	    (rc = bl_batch_reader_init(&rd, &b->h, g->raw.data, g->raw.len, err)) < 0)
		return rc;
	memset(g->times_of, 0xff, sizeof(g->times_of));
	while ((rc = bl_batch_next_column(&rd, &c, err)) == 1)
		if ((rc = take_column(&f, d, err)) < 0)
			return rc;
	return rc;
}
