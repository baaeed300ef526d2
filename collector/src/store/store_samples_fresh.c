/*
 * Samples out of the memory of what came lately (store_fresh.h).
 *
 * Which batches there are the database says, row of coverage by row of coverage; the memory spares
 * reading their rows, inflating and decoding.  A row that is not in it is read, and put there, on
 * the way.  Pieces are held until the question is answered.
 */
#include <stdlib.h>
#include <string.h>

#include "store_samples_internal.h"

/* What is asked for of a spool. */
static struct fresh_want
want_of(struct gather *g, int64_t spool_id)
{
	const struct entry *e = samples_entry(g, spool_id), *end = g->entry + g->n_entries;
	struct fresh_want w = { .number = g->fresh.number, .whole = g->fresh.whole };

	for (; e < end && e->spool_id == spool_id; e++)
		g->fresh.number[w.n++] = e->number;
	return w;
}

/* What a piece was made for is asked for again: it stays in the one that comes for it. */
static void
add_asked(struct gather *g, const struct fresh_piece *p, struct fresh_want *w)
{
	uint32_t *const both = g->fresh.both;
	uint32_t n = 0, i = 0, k = 0;

	if (w->n > SAMPLES_ASKED_MAX || p->n_asked > SAMPLES_ASKED_MAX) {
		w->whole = true; /* it is the device that is looked at */
		return;
	}
	while (i < w->n || k < p->n_asked) {
		const uint32_t a = i < w->n ? w->number[i] : UINT32_MAX;
		const uint32_t b = k < p->n_asked ? p->asked[k] : UINT32_MAX;

		both[n++] = a < b ? a : b;
		i += a <= b;
		k += b <= a;
	}
	w->number = both;
	w->n = n;
}

static int
hold_piece(struct gather *g, struct fresh_piece *p, struct bl_err *err)
{
	struct samples_fresh *f = &g->fresh;

	if (!samples_grow(&f->held, f->n_held, &f->size_held, sizeof(*f->held))) {
		fresh_release(g->r->fresh, &p, 1);
		return samples_no_memory(err);
	}
	f->held[f->n_held++] = p;
	return BL_OK;
}

/* Where the rows of the scan lie in time, as one number. */
static uint64_t
placed(const struct scan *sc)
{
	uint64_t h = sc->n;

	for (size_t i = 0; i < sc->n; i++)
		h = (h * 31 + (uint64_t)sc->rows[i].begin_unix_ms) * 31 +
		    (uint64_t)sc->rows[i].end_unix_ms;
	return h;
}

/*
 * The batches of a piece as rows of the scan.  False: a clock map has moved them since it was
 * made, and those that a pack had taken where they lay before have no rows any more.
 */
static bool
fill_rows(struct scan *sc, const struct fresh_piece *p)
{
	for (uint32_t i = 0; i < p->n_batches; i++) {
		const struct fresh_batch *f = &p->batch[i];
		struct scan_batch *b = &sc->rows[i];

		*b = (struct scan_batch){ .id = f->id,
			.spool_id = sc->at->spool_id,
			.boot_id = sc->at->boot_id,
			.h = { .kind = BL_BATCH_NORMAL,
			    .stream = sc->stream,
			    .boot = sc->place.boot,
			    .event_begin_ms = f->event_begin_ms,
			    .event_end_ms = f->event_end_ms,
			    .n_samples = f->n_samples },
			.piece = p,
			.in_piece = f };
		(void)placer_extent(&sc->place, f->event_begin_ms, f->event_end_ms,
		    &b->begin_unix_ms, &b->end_unix_ms);
	}
	sc->n = p->n_batches;
	return placed(sc) == p->placed;
}

/* A row that is not in the memory: 1, and *out NULL when it is not of the kind that is kept. */
static int
make_piece(struct gather *g, struct scan *sc, const struct fresh_key *key,
    const struct fresh_want *w, struct fresh_piece **out, struct bl_err *err)
{
	const int rc = scan_read_all(sc, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	if (sc->seq_first > sc->seq_last)
		*out = fresh_make(&g->fresh.maker, g->r, key, sc->rows, sc->n, w);
	if (*out != NULL) {
		(*out)->placed = placed(sc);
		fresh_put(g->r->fresh, *out, bl_mono_ms(g->r->clock));
	}
	return 1;
}

static int
rows_of(void *ctx, struct scan *sc, struct bl_err *err)
{
	struct gather *g = ctx;
	const struct scan_cover *c = sc->at;
	const struct fresh_key key = { .cover_id = c->id,
		.spool_id = c->spool_id,
		.boot_id = c->boot_id,
		.first_arrived_unix_ms = c->first_arrived_unix_ms,
		.seq_first = c->seq_first,
		.seq_last = c->seq_last,
		.stream = sc->stream };
	struct fresh_want w = want_of(g, c->spool_id);
	struct fresh_piece *p;
	bool has;
	int rc;

	if (w.n == 0)
		return 0;
	p = fresh_get(g->r->fresh, &key, &w, bl_mono_ms(g->r->clock), &has);
	if (p != NULL && !(has && fill_rows(sc, p))) {
		add_asked(g, p, &w);
		fresh_release(g->r->fresh, &p, 1);
		p = NULL;
	}
	if (p == NULL && ((rc = make_piece(g, sc, &key, &w, &p, err)) < 0 || p == NULL))
		return rc;
	if ((rc = hold_piece(g, p, err)) < 0)
		return rc;
	(void)fill_rows(sc, p);
	sc->seq_first = sc->seq_last + 1; /* all of it was read */
	return 1;
}

int
samples_fresh_begin(struct gather *g, struct scan *sc, struct bl_err *err)
{
	struct samples_fresh *f = &g->fresh;

	if (g->r->fresh == NULL)
		return BL_OK;
	if (f->number == NULL) {
		if ((f->number = malloc(g->n_entries * sizeof(*f->number))) == NULL)
			return samples_no_memory(err);
		f->whole = !g->ask->sparse && fresh_roomy(g->r->fresh);
	}
	sc->fresh = rows_of;
	sc->fresh_ctx = g;
	sc->fresh_from_unix_ms = bl_unix_ms(g->r->clock) - FRESH_BEHIND_MS;
	return BL_OK;
}

int
samples_take_fresh(struct gather *g, const struct listed *l, struct bl_err *err)
{
	const struct entry *e = samples_entry(g, l->spool_id), *end = g->entry + g->n_entries;
	struct sample x = { .from = (uint32_t)l->spool_id };
	struct store_read *r = g->r;
	int rc;

	g->n_read++;
	if ((rc = placer_for(&g->place, l->spool_id, l->boot_id, err)) < 0 ||
	    (rc = samples_boot(g, l->boot_id, &x.boot, err)) < 0)
		return rc;
	for (; e < end && e->spool_id == l->spool_id; e++) {
		const struct fresh_column *c = fresh_find(l->piece, l->in_piece, e->number);
		uint32_t n;

		if (c == NULL)
			continue;
		n = fresh_decode(l->piece, l->in_piece, c, r->boot_ms, r->value, r->unknown);
		if ((rc = samples_hold_column(g, l, e->series, n, false, x, err)) < 0)
			return rc;
	}
	return BL_OK;
}

void
samples_fresh_free(struct gather *g)
{
	fresh_release(g->r->fresh, g->fresh.held, g->fresh.n_held);
	fresh_maker_free(&g->fresh.maker);
	free(g->fresh.held);
	free(g->fresh.number);
}
