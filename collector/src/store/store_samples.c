/*
 * Samples of a span, hour by hour.
 *
 * The rows of coverage that lead to batches are grouped by arrival, so their order says
 * nothing.  All batches of the span are listed first, without their bodies, and sorted by their
 * times.  Each that begins in an hour is decoded into one bucket a series; what of it lies
 * beyond the hour stays there for the next one.  A bucket that filled in order of time and from
 * one spool is given out as it is; else it is sorted and rid of what two spools hold.  An hour that
 * is in a part comes from there, and from the batches that hold what of it is in none yet.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"
#include "store_order.h"
#include "store_samples_internal.h"

/* An hour that grows beyond this is given out in pieces: memory is worth more than its order. */
#define HELD_MAX (1u << 20)

bool
samples_grow(void *p, size_t n, size_t *size, size_t item)
{
	void **array = p, *more;
	size_t want;

	if (n < *size)
		return true;
	want = *size == 0 ? 16 : *size * 2;
	if ((more = realloc(*array, want * item)) == NULL)
		return false;
	*array = more;
	*size = want;
	return true;
}

int
samples_no_memory(struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
}

/* ---- order ---- */

static struct store_order
order_of(const struct gather *g, const struct sample *x)
{
	struct store_order o = { .unix_ms = x->unix_ms,
		.boot_ms = x->boot_ms,
		.boot = &g->boot[x->boot].uuid,
		.value = x->value,
		.unknown = x->unknown };

	if (x->thin > 0) {
		const struct sample_thin *t = &g->thin[x->thin - 1];

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

/* What two batches hold of the same boot at the same instant is one sample.  Returns how many are
 * left of the n. */
static size_t
drop_doubles(struct gather *g, struct sample *s, size_t n)
{
	size_t left = 0;

	qsort_r(s, n, sizeof(*s), in_boot_order, g);
	for (size_t i = 0; i < n; i++)
		if (left == 0 || s[left - 1].boot != s[i].boot ||
		    s[left - 1].boot_ms != s[i].boot_ms)
			s[left++] = s[i];
	qsort_r(s, left, sizeof(*s), in_order, g);
	return left;
}

/* ---- buckets ---- */

int
samples_room(struct gather *g, uint32_t series, size_t n, struct sample **out, struct bl_err *err)
{
	struct bucket *b = &g->bucket[series];

	while (b->size - b->n < n)
		if (!samples_grow(&b->s, b->size, &b->size, sizeof(*b->s)))
			return samples_no_memory(err);
	*out = b->s + b->n;
	return BL_OK;
}

void
samples_held(struct gather *g, uint32_t series, size_t n)
{
	struct bucket *b = &g->bucket[series];

	for (size_t i = b->n > 0 ? b->n : 1; i < b->n + n; i++) {
		const struct sample *last = &b->s[i - 1], *x = &b->s[i];

		if (x->unix_ms <= last->unix_ms)
			b->unsorted = b->mixed = true;
		if (x->from != last->from)
			b->mixed = true;
	}
	b->n += n;
	g->n_held += n;
}

int
samples_hold(struct gather *g, uint32_t series, const struct sample *x, struct bl_err *err)
{
	struct sample *to;
	const int rc = samples_room(g, series, 1, &to, err);

	if (rc < 0)
		return rc;
	*to = *x;
	samples_held(g, series, 1);
	return BL_OK;
}

/* Of what is sorted: two of one instant, or from two who hold it. */
static bool
may_double(const struct sample *s, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (s[i].unix_ms == s[i - 1].unix_ms || s[i].from != s[i - 1].from)
			return true;
	return false;
}

bool
samples_reaches_back(const struct gather *g, int64_t unix_ms, const struct sample_thin *t)
{
	const int64_t reach = t->before_ms > 0 ? t->before_ms : STORE_THIN_MAX_MS;

	return t->thin.count > 1 && unix_ms < g->ask->to_unix_ms + g->ask->thin_reach_ms &&
	       unix_ms - reach < g->ask->to_unix_ms;
}

static bool
wanted(const struct gather *g, const struct sample *x)
{
	if (x->unix_ms < g->ask->from_unix_ms)
		return false;
	return x->unix_ms < g->ask->to_unix_ms ||
	       (x->thin > 0 && samples_reaches_back(g, x->unix_ms, &g->thin[x->thin - 1]));
}

/* Leaves what of the n is asked for; returns how many. */
static size_t
clip(const struct gather *g, struct sample *s, size_t n)
{
	size_t left = 0;

	if (n == 0 ||
	    (s[0].unix_ms >= g->ask->from_unix_ms && s[n - 1].unix_ms < g->ask->to_unix_ms))
		return n;
	for (size_t i = 0; i < n; i++)
		if (wanted(g, &s[i]))
			s[left++] = s[i];
	return left;
}

static void
give_bucket(struct gather *g, size_t series, int64_t until)
{
	struct bucket *b = &g->bucket[series];
	size_t end = b->n, n;

	if (b->unsorted)
		qsort_r(b->s, b->n, sizeof(*b->s), in_order, g);
	b->unsorted = false;
	while (end > 0 && b->s[end - 1].unix_ms >= until)
		end--;
	n = b->mixed && end > 1 ? drop_doubles(g, b->s, end) : end;
	n = clip(g, b->s, n);
	if (n > 0) {
		const struct samples out = { series, b->s, n, g->thin, g->boot };

		g->stopped = !g->fn(g->ctx, &out);
	}
	memmove(b->s, b->s + end, (b->n - end) * sizeof(*b->s));
	b->n -= end;
	g->n_held -= end;
	b->mixed = may_double(b->s, b->n);
}

/* All that lies before until. */
static void
give(struct gather *g, int64_t until)
{
	for (size_t i = 0; i < g->ask->n && !g->stopped; i++)
		if (g->bucket[i].n > 0)
			give_bucket(g, i, until);
	if (g->n_held == 0)
		g->n_thin = 0;
}

int
samples_boot(struct gather *g, int64_t boot_id, uint32_t *out, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	/* The last ones first: neighbours are of the same boot. */
	for (size_t i = g->n_boots; i-- > 0;)
		if (g->boot[i].id == boot_id) {
			*out = (uint32_t)i;
			return BL_OK;
		}
	if (!samples_grow(&g->boot, g->n_boots, &g->size_boots, sizeof(*g->boot)))
		return samples_no_memory(err);
	g->boot[g->n_boots].id = boot_id;
	if (g->place.boot_id == boot_id) {
		g->boot[g->n_boots].uuid = g->place.boot;
	} else {
		st = read_bind(g->r, READ_BOOT, err, "i", boot_id);
		if ((rc = read_step(g->r, st, err)) < 0)
			return rc;
		if (rc == 0)
			return bl_fail(err, BL_ECORRUPT, "telemetry store: a sample names no boot");
		store_column_id(st, 0, &g->boot[g->n_boots].uuid);
		(void)sqlite3_reset(st);
	}
	*out = (uint32_t)g->n_boots++;
	return BL_OK;
}

/* ---- hours ---- */

/* The first instant from which on something is left; INT64_MAX: nothing is. */
static int64_t
next_instant(const struct gather *g)
{
	int64_t at = INT64_MAX;

	if (g->next_batch < g->n_batches)
		at = g->batch[g->next_batch].begin_unix_ms;
	if (g->next_hour < g->packed.n && g->packed.h[g->next_hour].hour_unix_ms < at)
		at = g->packed.h[g->next_hour].hour_unix_ms;
	for (size_t i = 0; g->n_held > 0 && i < g->ask->n; i++)
		for (size_t k = 0; k < g->bucket[i].n; k++)
			at = g->bucket[i].s[k].unix_ms < at ? g->bucket[i].s[k].unix_ms : at;
	return at;
}

/* Keeps within memory: what lies before all that is still to be read goes first. */
static void
relieve(struct gather *g)
{
	if (g->n_held < HELD_MAX)
		return;
	if (g->next_batch < g->n_batches)
		give(g, g->batch[g->next_batch].begin_unix_ms);
	if (g->n_held >= HELD_MAX)
		give(g, INT64_MAX);
}

static int
too_late(const struct gather *g, struct bl_err *err)
{
	if (bl_mono_ms(g->r->clock) <= g->ask->deadline_mono_ms)
		return BL_OK;
	return bl_fail(err, BL_ETIMEDOUT,
	    "the question took too long: ask for a shorter range (%llu batches were read)",
	    (unsigned long long)g->n_read);
}

static int
give_hour(struct gather *g, int64_t hour, struct bl_err *err)
{
	const int64_t end = hour + SAMPLES_HOUR_MS;
	int rc;

	while (g->next_hour < g->packed.n && g->packed.h[g->next_hour].hour_unix_ms <= hour) {
		if ((rc = too_late(g, err)) < 0 ||
		    (rc = samples_take_part(g, g->next_hour, err)) < 0)
			return rc;
		g->next_hour++;
	}
	while (g->next_batch < g->n_batches && !g->stopped &&
	       g->batch[g->next_batch].begin_unix_ms < end) {
		if ((rc = too_late(g, err)) < 0 ||
		    (rc = samples_take_batch(g, &g->batch[g->next_batch], err)) < 0)
			return rc;
		g->next_batch++;
		relieve(g);
	}
	give(g, end);
	return BL_OK;
}

static void
gather_free(struct gather *g)
{
	for (size_t i = 0; g->bucket != NULL && i < g->ask->n; i++)
		free(g->bucket[i].s);
	free(g->bucket);
	free(g->entry);
	free(g->batch);
	bl_buf_free(&g->bodies);
	samples_fresh_free(g);
	free(g->boot);
	free(g->thin);
	samples_part_free(g);
	placer_free(&g->place);
}

int
samples_of(struct store_read *r, const struct samples_ask *a, samples_fn fn, void *ctx,
    uint64_t *n_batches, struct bl_err *err)
{
	struct gather g = { .r = r, .ask = a, .fn = fn, .ctx = ctx, .place = { .r = r } };
	int64_t at;
	int rc;

	if (n_batches != NULL)
		*n_batches = 0;
	if (a->n == 0 || a->from_unix_ms >= a->to_unix_ms)
		return BL_OK;
	if ((g.bucket = calloc(a->n, sizeof(*g.bucket))) == NULL)
		return samples_no_memory(err);
	bl_buf_init(&g.bodies, SAMPLES_BODIES_MAX);
	if ((rc = read_scratch(r, err)) == BL_OK && (rc = samples_find(&g, err)) == BL_OK)
		while (!g.stopped && rc == BL_OK && (at = next_instant(&g)) != INT64_MAX)
			rc = give_hour(&g, store_hour(at), err);
	if (n_batches != NULL)
		*n_batches = g.n_read;
	gather_free(&g);
	return rc;
}
