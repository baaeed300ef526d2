/*
 * Pieces that overlap, or come from several spools or from a part: sorted, and of what two hold
 * of one boot and boot time one is left.  The order is total, and that of samples_of
 * (store_order.h): what is left and how it lies does not depend on what was packed before what.
 */
#include "compact_internal.h"

#include <stdlib.h>
#include <string.h>

#include "store_order.h"

struct row {
	int64_t unix_ms, boot_ms, boot;
	double value;
	uint32_t at;   /* place among the joined numbers */
	uint32_t from; /* piece */
	uint32_t i;    /* place in the piece */
	uint8_t unknown;
	bool thinned;
};

struct merging {
	struct gather *g;
	const struct series *s;
	gather_boot_fn boot;
	void *ctx;
	struct bl_err *err;
	int rc;
	struct row *row;
	uint32_t n;
	/* boots that were met */
	struct met {
		int64_t boot;
		struct bl_id id;
	} * met;
	size_t n_met, size_met;
};

/* ---- the order ---- */

static const struct bl_id *
id_of(const struct merging *m, int64_t boot)
{
	static const struct bl_id none;

	for (size_t i = 0; i < m->n_met; i++)
		if (m->met[i].boot == boot)
			return &m->met[i].id;
	return &none;
}

static const struct chunk_thin *
thin_at(const struct merging *m, const struct row *x)
{
	return &m->g->piece[x->from].thin[x->i];
}

static struct store_order
order_of(const struct merging *m, const struct row *x)
{
	struct store_order o = { .unix_ms = x->unix_ms,
		.boot_ms = x->boot_ms,
		.boot = id_of(m, x->boot),
		.value = x->value,
		.unknown = x->unknown };

	if (x->thinned) {
		const struct chunk_thin *t = thin_at(m, x);

		o.thin = &t->thin;
		o.before_ms = t->before_ms;
		o.before = t->before;
	}
	return o;
}

static int
in_boot_order(const void *a, const void *b, void *ctx)
{
	const struct store_order x = order_of(ctx, a), y = order_of(ctx, b);

	return store_order_by_boot(&x, &y);
}

static int
in_order(const void *a, const void *b, void *ctx)
{
	const struct store_order x = order_of(ctx, a), y = order_of(ctx, b);

	return store_order_by_time(&x, &y);
}

/* ---- rows ---- */

static int
meet(struct merging *m, int64_t boot)
{
	for (size_t i = 0; i < m->n_met; i++)
		if (m->met[i].boot == boot)
			return BL_OK;
	if (!gather_grow(&m->met, m->n_met, &m->size_met, sizeof(*m->met)))
		return bl_fail(m->err, BL_ENOMEM, "compact: out of memory");
	m->met[m->n_met].boot = boot;
	if ((m->rc = m->boot(m->ctx, boot, &m->met[m->n_met].id, m->err)) < 0)
		return m->rc;
	m->n_met++;
	return BL_OK;
}

/* The rows of one piece; *at: how many known ones were before. */
static int
add_rows(struct merging *m, uint32_t from, const double *value, uint32_t *at)
{
	const struct piece *p = &m->g->piece[from];
	const struct times *t = &m->g->times[p->times];
	uint32_t i = 0;
	int rc;

	for (uint32_t k = 0; k < t->n_runs; k++) {
		if ((rc = meet(m, t->run[k].boot)) < 0)
			return rc;
		for (uint32_t j = 0; j < t->run[k].n && i < t->n; j++, i++) {
			const uint8_t u = p->unknown != NULL ? p->unknown[i] : BL_KNOWN;

			m->row[m->n++] = (struct row){ .unix_ms = t->unix_ms[i],
				.boot_ms = t->unix_ms[i] - t->run[k].offset_ms,
				.boot = t->run[k].boot,
				.value = u == BL_KNOWN ? value[*at] : 0,
				.at = *at,
				.from = from,
				.i = i,
				.unknown = u,
				.thinned = p->thin != NULL && p->thin[i].thin.count > 1 };
			*at += u == BL_KNOWN;
		}
	}
	return BL_OK;
}

static void
drop_doubles(struct merging *m)
{
	uint32_t left = 0;

	qsort_r(m->row, m->n, sizeof(*m->row), in_boot_order, m);
	for (uint32_t i = 0; i < m->n; i++)
		if (left == 0 || m->row[left - 1].boot != m->row[i].boot ||
		    m->row[left - 1].boot_ms != m->row[i].boot_ms)
			m->row[left++] = m->row[i];
	m->n = left;
	qsort_r(m->row, m->n, sizeof(*m->row), in_order, m);
}

/* ---- what is left, as columns ---- */

static void
fill(const struct merging *m, const struct bl_seq *all, struct merged *out)
{
	out->n = m->n;
	out->seq.integers = all->integers;
	out->seq.scale = all->scale;
	out->seq.shift = all->shift;
	for (uint32_t i = 0; i < m->n; i++) {
		const struct row *x = &m->row[i];
		struct chunk_run *last = out->n_runs > 0 ? &out->run[out->n_runs - 1] : NULL;
		const int64_t offset = x->unix_ms - x->boot_ms;

		out->unix_ms[i] = x->unix_ms;
		if (last == NULL || last->boot != x->boot || last->offset_ms != offset) {
			last = &out->run[out->n_runs++];
			*last = (struct chunk_run){ x->boot, offset, 0 };
		}
		last->n++;
		if (out->unknown != NULL)
			out->unknown[i] = x->unknown;
		if (out->thin != NULL)
			out->thin[i] =
			    m->g->piece[x->from].thin != NULL
				? *thin_at(m, x)
				: (struct chunk_thin){ .thin.count = x->unknown == BL_KNOWN };
		if (x->unknown != BL_KNOWN)
			continue;
		if (all->integers)
			out->seq.i[out->seq.n++] = all->i[x->at];
		else
			out->seq.d[out->seq.n++] = all->d[x->at];
	}
}

static bool
room(struct gather *g, const struct series *s, struct merged *out)
{
	memset(out, 0, sizeof(*out));
	out->unix_ms = arena_take(&g->arena, s->n * sizeof(*out->unix_ms));
	out->run = arena_take(&g->arena, s->n * sizeof(*out->run));
	out->seq.i = arena_take(&g->arena, s->n * sizeof(*out->seq.i));
	out->seq.d = arena_take(&g->arena, s->n * sizeof(*out->seq.d));
	if (s->has_unknown)
		out->unknown = arena_take(&g->arena, s->n);
	if (s->has_thin)
		out->thin = arena_take(&g->arena, s->n * sizeof(*out->thin));
	return out->unix_ms != NULL && out->run != NULL && out->seq.i != NULL &&
	       out->seq.d != NULL && (!s->has_unknown || out->unknown != NULL) &&
	       (!s->has_thin || out->thin != NULL);
}

int
gather_merge(struct gather *g, const struct series *s, gather_boot_fn boot, void *ctx,
    struct merged *out, struct bl_err *err)
{
	struct merging m = { .g = g, .s = s, .boot = boot, .ctx = ctx, .err = err };
	const struct bl_seq *all = gather_join(g, s);
	double *value = arena_take(&g->arena, (s->n_known + 1) * sizeof(*value));
	uint32_t at = 0;
	int rc = BL_OK;

	m.row = arena_take(&g->arena, s->n * sizeof(*m.row));
	if (all == NULL || value == NULL || m.row == NULL || !room(g, s, out))
		return bl_fail(err, BL_ENOMEM, "compact: out of memory");
	bl_seq_doubles(all, value);
	for (uint32_t i = s->first; i != NONE && rc >= 0; i = g->piece[i].next)
		rc = add_rows(&m, i, value, &at);
	if (rc >= 0) {
		drop_doubles(&m);
		fill(&m, all, out);
	}
	free(m.met);
	return rc < 0 ? rc : BL_OK;
}
