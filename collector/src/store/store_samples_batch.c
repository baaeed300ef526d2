/*
 * Samples out of batches: which of them hold wanted series, and decoding those.
 *
 * A batch is placed by the clock map as it is when it is read.  One that is gone since it was
 * listed held nothing that is still to be told.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"
#include "store_samples_internal.h"

#define BATCHES_MAX 200000u

/* ---- which columns are wanted ---- */

static int
by_entry(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->spool_id != y->spool_id)
		return x->spool_id < y->spool_id ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

static int
find_entries(struct gather *g, struct bl_err *err)
{
	for (size_t i = 0; i < g->ask->n; i++) {
		sqlite3_stmt *st = read_bind(g->r, READ_SERIES_ENTRIES, err, "i", g->ask->ids[i]);
		int rc;

		while ((rc = read_step(g->r, st, err)) == 1) {
			if (!samples_grow(
				&g->entry, g->n_entries, &g->size_entries, sizeof(*g->entry))) {
				(void)sqlite3_reset(st);
				return samples_no_memory(err);
			}
			g->entry[g->n_entries++] = (struct entry){ sqlite3_column_int64(st, 0),
				(uint32_t)sqlite3_column_int64(st, 1), (uint32_t)i };
		}
		if (rc < 0)
			return rc;
	}
	if (g->n_entries > 1)
		qsort(g->entry, g->n_entries, sizeof(*g->entry), by_entry);
	return BL_OK;
}

static bool
several_spools(const struct gather *g)
{
	return g->n_entries > 1 && g->entry[0].spool_id != g->entry[g->n_entries - 1].spool_id;
}

/* ---- which batches ---- */

static int
by_begin(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	if (x->begin_unix_ms != y->begin_unix_ms)
		return x->begin_unix_ms < y->begin_unix_ms ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static int
by_boot_and_spool(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	if (x->boot_id != y->boot_id)
		return x->boot_id < y->boot_id ? -1 : 1;
	return (x->spool_id > y->spool_id) - (x->spool_id < y->spool_id);
}

/* Its header and body, until there is no room: what follows is read by its id when its hour comes.
 */
static int
keep_body(struct gather *g, const struct scan_batch *b, struct listed *l, struct bl_err *err)
{
	g->bodies_full =
	    g->bodies_full || sizeof(b->h) + b->body_len > SAMPLES_BODIES_MAX - g->bodies.len;
	if (g->bodies_full || b->body_len == 0)
		return BL_OK;
	l->kept = g->bodies.len;
	l->body_len = b->body_len;
	bl_buf_bytes(&g->bodies, &b->h, sizeof(b->h));
	bl_buf_bytes(&g->bodies, b->body, b->body_len);
	return g->bodies.failed ? samples_no_memory(err) : BL_OK;
}

static int
add_batch(struct gather *g, const struct scan_batch *b, struct bl_err *err)
{
	if (g->n_batches >= BATCHES_MAX)
		return bl_fail(err, BL_EFULL,
		    "the range has more than %u batches: ask for a shorter one", BATCHES_MAX);
	if (!samples_grow(&g->batch, g->n_batches, &g->size_batches, sizeof(*g->batch)))
		return samples_no_memory(err);
	g->batch[g->n_batches++] = (struct listed){ .id = b->id,
		.begin_unix_ms = b->begin_unix_ms,
		.end_unix_ms = b->end_unix_ms,
		.spool_id = b->spool_id,
		.boot_id = b->boot_id,
		.thin = b->h.kind == BL_BATCH_SUPERSEDES,
		.mark_unix_ms = STORE_TIME_NONE,
		.piece = b->piece,
		.in_piece = b->in_piece };
	return keep_body(g, b, &g->batch[g->n_batches - 1], err);
}

static int
list_span(struct gather *g, int64_t from, int64_t to, struct bl_err *err)
{
	const struct samples_ask *a = g->ask;
	struct scan_batch *b;
	struct scan sc;
	int rc;

	if ((rc = scan_begin(&sc, g->r, SCAN_UP, a->device_id, a->stream, from, to,
		 a->deadline_mono_ms, err)) < 0 ||
	    (rc = samples_fresh_begin(g, &sc, err)) < 0)
		goto done;
	while ((rc = scan_next(&sc, &b, err)) == 1) {
		if (b->h.n_samples > 0 && (rc = add_batch(g, b, err)) < 0)
			break;
		sc.bare = g->bodies_full;
	}
	/* The first batches to be decoded are mostly of the boot that was listed last. */
	placer_free(&g->place);
	g->place = sc.place;
	memset(&sc.place, 0, sizeof(sc.place));
done:
	scan_end(&sc);
	return rc;
}

/* All but the hours that are in parts as a whole: rows of coverage lead to nothing there. */
static int
list(struct gather *g, struct bl_err *err)
{
	int64_t at = g->from;
	int rc = BL_OK;

	for (size_t i = 0; i < g->packed.n && rc == BL_OK && at < g->thin_to; i++) {
		const int64_t hour = g->packed.h[i].hour_unix_ms;

		if (!g->whole[i])
			continue;
		if (hour > at)
			rc = list_span(g, at, hour < g->thin_to ? hour : g->thin_to, err);
		at = hour + SAMPLES_HOUR_MS;
	}
	return rc == BL_OK && at < g->thin_to ? list_span(g, at, g->thin_to, err) : rc;
}

static int
by_id(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* One that reaches over such hours was met on both sides of them. */
static void
drop_met_twice(struct gather *g)
{
	size_t n = 0;

	if (g->n_batches > 1)
		qsort(g->batch, g->n_batches, sizeof(*g->batch), by_id);
	for (size_t i = 0; i < g->n_batches; i++)
		if (n == 0 || g->batch[n - 1].id != g->batch[i].id)
			g->batch[n++] = g->batch[i];
	g->n_batches = n;
}

/* Two spools tell of one boot: one was set back, and both may hold the same samples. */
static bool
boot_in_two_spools(struct gather *g)
{
	if (g->n_batches > 1)
		qsort(g->batch, g->n_batches, sizeof(*g->batch), by_boot_and_spool);
	for (size_t i = 1; i < g->n_batches; i++)
		if (g->batch[i].boot_id == g->batch[i - 1].boot_id &&
		    g->batch[i].spool_id != g->batch[i - 1].spool_id)
			return true;
	return false;
}

static int64_t
clamp(int64_t t)
{
	return t > TIME_FAR ? TIME_FAR : t < -TIME_FAR ? -TIME_FAR : t;
}

/*
 * Which of two doubles is left must not depend on where the span was cut: two clock maps
 * may place them apart.  So when there may be some, all of the hours concerned is read.
 */
static void
set_bounds(struct gather *g, bool whole_hours)
{
	const struct samples_ask *a = g->ask;

	g->from = a->from_unix_ms;
	g->to = a->to_unix_ms;
	g->thin_to = a->to_unix_ms + a->thin_reach_ms;
	if (whole_hours) {
		g->from = store_hour(clamp(g->from));
		g->to = g->thin_to = store_hour(clamp(g->thin_to) - 1) + SAMPLES_HOUR_MS;
	}
}

static void
drop_outside(struct gather *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n_batches; i++) {
		const struct listed *l = &g->batch[i];

		if (l->begin_unix_ms < (l->thin ? g->thin_to : g->to) && l->end_unix_ms >= g->from)
			g->batch[n++] = *l;
	}
	g->n_batches = n;
}

/* ---- what of them is in parts ---- */

static int
mark_of(struct gather *g, struct listed *l, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(g->r, READ_PACK_MARK, err, "i", l->id);
	const int rc = read_step(g->r, st, err);

	if (rc == 1) {
		l->mark_unix_ms = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

/* 1: something of it is in no part; 0: all of it is. */
static int
look_at(struct gather *g, struct listed *l, struct bl_err *err)
{
	bool all = true;
	int rc;

	for (int64_t h = store_hour(l->begin_unix_ms); h <= l->end_unix_ms; h += STORE_HOUR_MS)
		if (store_packed_at(&g->packed, h) != NULL)
			l->packed = true;
		else
			all = false;
	if (!l->packed)
		return 1;
	if ((rc = mark_of(g, l, err)) < 0)
		return rc;
	if (!all || l->mark_unix_ms != STORE_TIME_NONE)
		return 1;
	for (int64_t h = store_hour(l->begin_unix_ms); h <= l->end_unix_ms; h += STORE_HOUR_MS)
		if (!store_packed_has(&g->packed, l->id, STORE_TIME_NONE, h))
			return 1;
	return 0;
}

static int
drop_packed(struct gather *g, struct bl_err *err)
{
	size_t n = 0;

	for (size_t i = 0; g->packed.n > 0 && i < g->n_batches; i++) {
		const int rc = look_at(g, &g->batch[i], err);

		if (rc < 0)
			return rc;
		if (rc == 1)
			g->batch[n++] = g->batch[i];
	}
	if (g->packed.n > 0)
		g->n_batches = n;
	return BL_OK;
}

/* ---- all of it ---- */

static int
list_batches(struct gather *g, struct bl_err *err)
{
	const bool several = several_spools(g);
	int rc;

	set_bounds(g, several);
	if ((rc = samples_load_hours(g, err)) < 0 ||
	    (g->n_entries > 0 && !g->ask->parts_only && (rc = list(g, err)) < 0))
		return rc;
	drop_met_twice(g);
	if ((rc = drop_packed(g, err)) < 0)
		return rc;
	/* A part is rid of doubles; with batches beside it there may be new ones. */
	if (several && !boot_in_two_spools(g) && (g->packed.n == 0 || g->n_batches == 0))
		set_bounds(g, false);
	drop_outside(g);
	if (g->n_batches > 1)
		qsort(g->batch, g->n_batches, sizeof(*g->batch), by_begin);
	return BL_OK;
}

int
samples_find(struct gather *g, struct bl_err *err)
{
	const int rc = find_entries(g, err);

	return rc < 0 ? rc : list_batches(g, err);
}

/* ---- one batch ---- */

/* What sample i of the column that was decoded last stands for; x->thin: where. */
static bool
hold_thin(struct gather *g, uint32_t i, struct sample *x)
{
	const struct store_read *r = g->r;
	struct sample_thin t = { .thin = r->thin[i] };
	uint32_t k = i;

	x->thin = 0;
	if (t.thin.count <= 1)
		return true;
	if (!samples_grow(&g->thin, g->n_thin, &g->size_thin, sizeof(*g->thin)))
		return false;
	while (k > 0 && r->unknown[k - 1] != BL_KNOWN)
		k--;
	if (k > 0) {
		t.before_ms = r->boot_ms[i] - r->boot_ms[k - 1];
		t.before = r->value[k - 1];
	}
	g->thin[g->n_thin++] = t;
	x->thin = (uint32_t)g->n_thin;
	return true;
}

int
samples_hold_column(struct gather *g, const struct listed *l, uint32_t series, uint32_t n,
    bool thin, struct sample x, struct bl_err *err)
{
	const struct store_read *r = g->r;
	int rc;

	for (uint32_t i = 0; i < n; i++) {
		x.boot_ms = r->boot_ms[i];
		x.unix_ms = placer_place(&g->place, x.boot_ms);
		if (x.unix_ms < g->from || x.unix_ms >= g->thin_to ||
		    (l->packed && store_packed_has(&g->packed, l->id, l->mark_unix_ms, x.unix_ms)))
			continue;
		x.unknown = r->unknown[i];
		x.value = x.unknown == BL_KNOWN ? r->value[i] : (double)NAN;
		if (thin && !hold_thin(g, i, &x))
			return samples_no_memory(err);
		if (x.unix_ms >= g->to &&
		    (x.thin == 0 || !samples_reaches_back(g, x.unix_ms, &g->thin[x.thin - 1])))
			continue;
		if ((rc = samples_hold(g, series, &x, err)) < 0)
			return rc;
	}
	return BL_OK;
}

static int
take_column(struct gather *g, const struct listed *l, const struct bl_batch_reader *rd,
    const struct bl_column *c, uint32_t series, struct sample x, struct bl_err *err)
{
	const bool thin = bl_column_is_thin(c);
	struct store_read *r = g->r;
	int rc;

	if ((rc = bl_column_decode(rd, c, r->boot_ms, r->value, r->unknown, err)) < 0 ||
	    (thin && (rc = read_thin(r, rd, c, err)) < 0))
		return rc;
	bl_column_drop_infinite(c, r->value, r->unknown, thin ? r->thin : NULL);
	return samples_hold_column(g, l, series, c->n, thin, x, err);
}

const struct entry *
samples_entry(const struct gather *g, int64_t spool_id)
{
	size_t lo = 0, hi = g->n_entries;

	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;

		if (g->entry[mid].spool_id < spool_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return g->entry + lo;
}

/* Columns ascend as the numbers do; what lies behind the last wanted one is not looked at. */
static int
take_columns(
    struct gather *g, const struct listed *l, const struct bl_batch_header *h, struct bl_err *err)
{
	const struct entry *e = samples_entry(g, l->spool_id), *end = g->entry + g->n_entries;
	struct sample x = { .from = (uint32_t)l->spool_id };
	struct bl_batch_reader rd;
	struct bl_column c;
	int rc;

	if ((rc = samples_boot(g, l->boot_id, &x.boot, err)) < 0 ||
	    (rc = bl_batch_reader_init(&rd, h, g->r->raw.data, g->r->raw.len, err)) < 0)
		return rc;
	while (e < end && e->spool_id == l->spool_id) {
		if ((rc = bl_batch_next_column(&rd, &c, err)) != 1)
			return rc;
		while (e < end && e->spool_id == l->spool_id && e->number < c.series_id)
			e++;
		if (e == end || e->spool_id != l->spool_id || e->number != c.series_id)
			continue;
		if ((rc = take_column(g, l, &rd, &c, e->series, x, err)) < 0)
			return rc;
		e++;
	}
	return BL_OK;
}

/* Its header and, inflated, its body: 1; 0: it is gone; negative. */
static int
fetch(struct gather *g, const struct listed *l, struct bl_batch_header *h, struct bl_err *err)
{
	int64_t spool_id, boot_id;
	const uint8_t *kept;
	int rc;

	if (l->body_len == 0)
		return read_batch(g->r, l->id, h, &spool_id, &boot_id, err);
	kept = g->bodies.data + l->kept;
	memcpy(h, kept, sizeof(*h));
	rc = read_inflate(g->r, l->id, h, kept + sizeof(*h), l->body_len, err);
	return rc < 0 ? rc : 1;
}

int
samples_take_batch(struct gather *g, const struct listed *l, struct bl_err *err)
{
	struct bl_batch_header h;
	int rc;

	if (l->piece != NULL)
		return samples_take_fresh(g, l, err);
	rc = fetch(g, l, &h, err);
	if (rc == 1) {
		g->n_read++;
		if ((rc = placer_for(&g->place, l->spool_id, l->boot_id, err)) < 0)
			return rc;
		h.boot = g->place.boot;
		rc = take_columns(g, l, &h, err);
		read_tell_damaged(g->r, l->id, rc);
	}
	if (rc != BL_ECORRUPT || !g->ask->leave_damaged)
		return rc;
	/* Who watches the store was told: the file is replaced, and what is lost is named. */
	bl_error("store", "samples of batch %lld are left out: %s", (long long)l->id, err->msg);
	return BL_OK;
}
