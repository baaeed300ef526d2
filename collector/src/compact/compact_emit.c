/*
 * From pieces to the encoder.  The usual case copies: pieces ascend, so a series is one after
 * the other, and series that were sampled together share one time column.
 */
#include "compact_internal.h"

#include <stdlib.h>
#include <string.h>

static int
no_memory(struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "compact: out of memory");
}

/* ---- times ---- */

/* Whether two series have their samples at the same times, by the same columns. */
static bool
same_times(const struct gather *g, const struct series *a, const struct series *b)
{
	uint32_t i = a->first, j = b->first;

	if (a->sign != b->sign || a->n_pieces != b->n_pieces || a->stream != b->stream)
		return false;
	while (i != NONE && j != NONE && g->piece[i].times == g->piece[j].times) {
		i = g->piece[i].next;
		j = g->piece[j].next;
	}
	return i == NONE && j == NONE;
}

static bool
add_run(struct chunk_run *run, uint32_t *n, const struct chunk_run *more)
{
	struct chunk_run *last = *n > 0 ? &run[*n - 1] : NULL;

	if (last != NULL && last->boot == more->boot && last->offset_ms == more->offset_ms) {
		last->n += more->n;
		return false;
	}
	run[(*n)++] = *more;
	return true;
}

static int
put_times(struct gather *g, struct chunk_enc *e, const struct series *s, struct bl_err *err)
{
	int64_t *unix_ms = arena_take(&g->arena, s->n * sizeof(*unix_ms));
	struct chunk_run *run;
	uint32_t n = 0, n_runs = 0;

	for (uint32_t i = s->first; i != NONE; i = g->piece[i].next)
		n_runs += g->times[g->piece[i].times].n_runs;
	if (unix_ms == NULL || (run = arena_take(&g->arena, n_runs * sizeof(*run))) == NULL)
		return no_memory(err);
	n_runs = 0;
	for (uint32_t i = s->first; i != NONE; i = g->piece[i].next) {
		const struct times *t = &g->times[g->piece[i].times];

		memcpy(unix_ms + n, t->unix_ms, t->n * sizeof(*unix_ms));
		n += t->n;
		for (uint32_t k = 0; k < t->n_runs; k++)
			(void)add_run(run, &n_runs, &t->run[k]);
	}
	return chunk_enc_times(e, g->device_id, s->stream, unix_ms, n, run, n_runs, err);
}

/* The handle of the series' times. */
static int
times_handle(struct gather *g, struct chunk_enc *e, uint32_t series, struct bl_err *err)
{
	const struct series *s = &g->series[series];
	int handle;

	/* The last ones first: neighbours were sampled together. */
	for (size_t i = g->n_groups; i-- > 0;)
		if (same_times(g, &g->series[g->group[i].series], s))
			return g->group[i].handle;
	if ((handle = put_times(g, e, s, err)) < 0)
		return handle;
	/* More than a few are times of their own each: looking for them costs more than it saves.
	 */
	if (g->n_groups < 64) {
		if (!gather_grow(&g->group, g->n_groups, &g->size_groups, sizeof(*g->group)))
			return no_memory(err);
		g->group[g->n_groups++] = (struct times_group){ series, handle };
	}
	return handle;
}

/* ---- values ---- */

static bool
room_to_join(struct gather *g, uint32_t n)
{
	int64_t *i;
	double *d;

	if (n <= g->size_joined)
		return true;
	if ((i = realloc(g->joined.i, 2 * (size_t)n * sizeof(*i))) != NULL)
		g->joined.i = i;
	if ((d = realloc(g->joined.d, 2 * (size_t)n * sizeof(*d))) != NULL)
		g->joined.d = d;
	if (i == NULL || d == NULL)
		return false;
	g->size_joined = 2 * (size_t)n;
	return true;
}

const struct bl_seq *
gather_join(struct gather *g, const struct series *s)
{
	if (s->first == s->last)
		return &g->piece[s->first].seq;
	if (!room_to_join(g, s->n_known))
		return NULL;
	g->joined.n = 0;
	g->joined.integers = true;
	g->joined.scale = g->joined.shift = g->joined.hint = 0;
	for (uint32_t i = s->first; i != NONE; i = g->piece[i].next)
		if (g->piece[i].seq.n > 0)
			bl_seq_join(&g->joined, &g->piece[i].seq);
	return &g->joined;
}

/* NULL: all known. */
static int
unknown_of(struct gather *g, const struct series *s, const uint8_t **out, struct bl_err *err)
{
	uint8_t *u;
	uint32_t n = 0;

	*out = NULL;
	if (!s->has_unknown)
		return BL_OK;
	if ((u = arena_take(&g->arena, s->n)) == NULL)
		return no_memory(err);
	memset(u, BL_KNOWN, s->n);
	for (uint32_t i = s->first; i != NONE; i = g->piece[i].next) {
		const uint32_t k = g->times[g->piece[i].times].n;

		if (g->piece[i].unknown != NULL)
			memcpy(u + n, g->piece[i].unknown, k);
		n += k;
	}
	*out = u;
	return BL_OK;
}

static int
thin_of(struct gather *g, const struct series *s, const struct chunk_thin **out, struct bl_err *err)
{
	struct chunk_thin *t;
	uint32_t n = 0;

	*out = NULL;
	if (!s->has_thin)
		return BL_OK;
	if ((t = arena_take(&g->arena, s->n * sizeof(*t))) == NULL)
		return no_memory(err);
	for (uint32_t i = s->first; i != NONE; i = g->piece[i].next) {
		const uint32_t k = g->times[g->piece[i].times].n;

		for (uint32_t j = 0; j < k; j++)
			t[n + j] = g->piece[i].thin != NULL
				       ? g->piece[i].thin[j]
				       : (struct chunk_thin){ .thin = { .count = 1 } };
		n += k;
	}
	*out = t;
	return BL_OK;
}

/* ---- series ---- */

static struct chunk_in
head_of(const struct series *s)
{
	return (struct chunk_in){ .metric = { s->metric, strlen(s->metric) },
		.series = s->id,
		.kind = s->kind,
		.interval_ms = s->interval_ms };
}

static int
emit_plain(struct gather *g, struct chunk_enc *e, uint32_t series, struct bl_err *err)
{
	const struct series *s = &g->series[series];
	struct chunk_in in = head_of(s);
	int rc;

	if ((in.times = times_handle(g, e, series, err)) < 0)
		return in.times;
	if ((in.values = gather_join(g, s)) == NULL)
		return no_memory(err);
	if ((rc = unknown_of(g, s, &in.unknown, err)) < 0 ||
	    (rc = thin_of(g, s, &in.thin, err)) < 0)
		return rc;
	return chunk_enc_column(e, &in, err);
}

static int
emit_mixed(struct gather *g, struct chunk_enc *e, uint32_t series, gather_boot_fn boot, void *ctx,
    struct bl_err *err)
{
	const struct series *s = &g->series[series];
	struct chunk_in in = head_of(s);
	struct merged m;
	int rc;

	if ((rc = gather_merge(g, s, boot, ctx, &m, err)) < 0)
		return rc;
	if ((in.times = chunk_enc_times(
		 e, g->device_id, s->stream, m.unix_ms, m.n, m.run, m.n_runs, err)) < 0)
		return in.times;
	in.values = &m.seq;
	in.unknown = m.unknown;
	in.thin = m.thin;
	return chunk_enc_column(e, &in, err);
}

int
gather_emit(struct gather *g, struct chunk_enc *e, gather_boot_fn boot, void *ctx,
    uint32_t *columns, struct bl_err *err)
{
	int rc = BL_OK;

	*columns = 0;
	for (uint32_t i = 0; i < g->n_series && rc >= 0; i++) {
		if (g->series[i].n == 0)
			continue;
		rc = g->series[i].mixed ? emit_mixed(g, e, i, boot, ctx, err)
					: emit_plain(g, e, i, err);
		(*columns)++;
	}
	return rc < 0 ? rc : BL_OK;
}
