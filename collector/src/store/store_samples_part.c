/*
 * Samples out of parts: which of a device's hours are closed, and their columns.
 *
 * The hours, and where their bytes are, are loaded before the batches are listed: what a pack
 * moves meanwhile is then met at least once, and what is met twice is told apart by boot
 * and boot time, as everything is (store_pack.h).
 */
#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"
#include "store_samples_internal.h"

/* A part may be swept away between its device's hours and its row: both are loaded again. */
#define LOAD_TRIES 16

/* ---- which hours ---- */

static int
load_places(struct gather *g, struct bl_err *err)
{
	struct part_place *place;
	struct store_part row;
	int rc;

	if ((place = calloc(g->packed.n, sizeof(*place))) == NULL)
		return samples_no_memory(err);
	free(g->place_of);
	g->place_of = place;
	for (size_t i = 0; i < g->packed.n; i++) {
		const struct store_packed_hour *h = &g->packed.h[i];

		if ((rc = store_read_part(g->r, h->part, &row, err)) < 0)
			return rc;
		place[i] = (struct part_place){ { row.id, row.hour_unix_ms, PARTS_RAW,
						    row.offset[PARTS_RAW], row.bytes[PARTS_RAW] },
			row.space };
	}
	return BL_OK;
}

static int
load_packed(struct gather *g, struct store_packed *out, struct bl_err *err)
{
	store_packed_free(out);
	*out = (struct store_packed){ .h = NULL };
	return store_read_packed(g->r, g->ask->device_id, g->from, g->thin_to, out, err);
}

/* 1: something of the hour waits to be packed; 0. */
static int
is_due(struct gather *g, int64_t hour, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(
	    g->r, READ_PACK_DUE, err, "iii", hour, g->ask->device_id, (int64_t)g->ask->stream);
	const int rc = read_step(g->r, st, err);

	if (rc == 1)
		(void)sqlite3_reset(st);
	return rc;
}

/* What is due is asked before the hours are loaded that count: what goes from the one to the
 * other meanwhile is then looked for in both. */
static int
load_hours(struct gather *g, const struct store_packed *before, struct bl_err *err)
{
	struct store_packed settled = { 0 };
	int rc = BL_OK;

	if ((settled.h = calloc(before->n + 1, sizeof(*settled.h))) == NULL)
		return samples_no_memory(err);
	for (size_t i = 0; i < before->n && rc >= 0; i++)
		if ((rc = is_due(g, before->h[i].hour_unix_ms, err)) == 0)
			settled.h[settled.n++] = before->h[i];
	if (rc >= 0 && (rc = load_packed(g, &g->packed, err)) == BL_OK) {
		free(g->whole);
		g->whole = calloc(g->packed.n + 1, sizeof(*g->whole));
		rc = g->whole == NULL ? samples_no_memory(err) : load_places(g, err);
	}
	for (size_t i = 0; i < g->packed.n && rc == BL_OK; i++)
		g->whole[i] = store_packed_at(&settled, g->packed.h[i].hour_unix_ms) != NULL;
	free(settled.h);
	return rc;
}

int
samples_load_hours(struct gather *g, struct bl_err *err)
{
	struct store_packed before = { 0 };
	int rc = BL_ENOTFOUND;

	for (unsigned i = 0; i < LOAD_TRIES && rc == BL_ENOTFOUND; i++) {
		g->packed.n = 0;
		if ((rc = load_packed(g, &before, err)) < 0 || before.n == 0)
			break;
		rc = load_hours(g, &before, err);
	}
	store_packed_free(&before);
	if (rc == BL_ENOTFOUND)
		return bl_fail(
		    err, BL_EBUSY, "parts of the telemetry store change too fast to be read");
	return rc;
}

/* ---- which columns ---- */

static int
name_of(struct gather *g, size_t i, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(g->r, READ_SERIES_NAME, err, "i", g->ask->ids[i]);
	const int rc = read_step(g->r, st, err);
	struct part_want *w = &g->want[g->n_want];
	char *name;

	if (rc <= 0)
		return rc; /* no such series: nothing of it anywhere */
	w->metric.len = (size_t)sqlite3_column_bytes(st, 0);
	if ((name = malloc(w->metric.len + 1)) != NULL && w->metric.len > 0)
		memcpy(name, sqlite3_column_blob(st, 0), w->metric.len);
	(void)sqlite3_reset(st);
	if (name == NULL)
		return samples_no_memory(err);
	w->metric.p = name;
	w->series = g->ask->ids[i];
	w->index = (uint32_t)i;
	g->n_want++;
	return BL_OK;
}

static int
load_names(struct gather *g, struct bl_err *err)
{
	int rc = BL_OK;

	if (g->want != NULL)
		return BL_OK;
	if ((g->want = calloc(g->ask->n, sizeof(*g->want))) == NULL)
		return samples_no_memory(err);
	for (size_t i = 0; i < g->ask->n && rc == BL_OK; i++)
		rc = name_of(g, i, err);
	if (rc == BL_OK && g->n_want > 1)
		qsort(g->want, g->n_want, sizeof(*g->want), part_want_order);
	return rc;
}

/* ---- one hour ---- */

static void
take_thin(struct gather *g, const struct chunk_thin *t, struct sample *x)
{
	x->thin = 0;
	if (t->thin.count <= 1)
		return;
	g->thin[g->n_thin++] = (struct sample_thin){ t->thin, t->before_ms, t->before };
	x->thin = (uint32_t)g->n_thin;
}

static bool
room_for_thin(struct gather *g, uint32_t n)
{
	while (g->n_thin + n > g->size_thin)
		if (!samples_grow(&g->thin, g->size_thin, &g->size_thin, sizeof(*g->thin)))
			return false;
	return true;
}

static int
take_run(struct gather *g, uint32_t series, const struct part_column *c,
    const struct chunk_run *run, uint32_t first, struct bl_err *err)
{
	struct sample x = { .from = SAMPLES_OF_PART };
	int rc;

	if ((rc = samples_boot(g, run->boot, &x.boot, err)) < 0)
		return rc;
	for (uint32_t i = first; i < first + run->n; i++) {
		if (c->unix_ms[i] < g->from || c->unix_ms[i] >= g->thin_to)
			continue;
		x.unix_ms = c->unix_ms[i];
		x.boot_ms = x.unix_ms - run->offset_ms;
		x.value = c->value[i];
		x.unknown = c->unknown != NULL ? c->unknown[i] : BL_KNOWN;
		if (c->thin != NULL)
			take_thin(g, &c->thin[i], &x);
		if (x.unix_ms >= g->to &&
		    (x.thin == 0 || !samples_reaches_back(g, x.unix_ms, &g->thin[x.thin - 1])))
			continue;
		if ((rc = samples_hold(g, series, &x, err)) < 0)
			return rc;
	}
	return BL_OK;
}

static int
take_part_column(void *ctx, uint32_t series, const struct part_column *c, struct bl_err *err)
{
	struct gather *g = ctx;
	uint32_t at = 0;
	int rc;

	if (c->thin != NULL && !room_for_thin(g, c->n))
		return samples_no_memory(err);
	for (uint32_t k = 0; k < c->n_runs; k++) {
		if ((rc = take_run(g, series, c, &c->run[k], at, err)) < 0)
			return rc;
		at += c->run[k].n;
	}
	return BL_OK;
}

/* 1: retention has taken it since its hour was loaded; 0: it should be there; negative. */
static int
is_gone(struct gather *g, int64_t part, struct bl_err *err)
{
	struct store_part row;
	const int rc = store_read_part(g->r, part, &row, err);

	if (rc == BL_ENOTFOUND)
		return 1;
	return rc < 0 ? rc : row.bytes[PARTS_RAW] == 0;
}

static int
part_failed(struct gather *g, const struct part_place *place, int rc, struct bl_err *err)
{
	struct bl_err why = { 0 };

	if (rc != BL_ECORRUPT && rc != BL_ENOTFOUND)
		return rc;
	if (is_gone(g, place->region.part, &why) == 1)
		return BL_OK;
	if (!g->ask->leave_damaged)
		return rc == BL_ENOTFOUND ? bl_fail(err, BL_ECORRUPT, "%s", err->msg) : rc;
	bl_error("store", "samples of part %lld are left out: %s", (long long)place->region.part,
	    err->msg);
	return BL_OK;
}

int
samples_take_part(struct gather *g, size_t i, struct bl_err *err)
{
	const struct part_place *place = &g->place_of[i];
	struct part_read *p;
	int rc;

	if (place->region.bytes == 0)
		return BL_OK;
	if ((rc = load_names(g, err)) < 0 || (rc = read_parts(g->r, &p, err)) < 0)
		return rc;
	rc = part_read_columns(p, place, g->ask->device_id, g->ask->stream, g->want, g->n_want,
	    take_part_column, g, err);
	return rc < 0 ? part_failed(g, place, rc, err) : BL_OK;
}

void
samples_part_free(struct gather *g)
{
	for (size_t i = 0; i < g->n_want; i++)
		free((void *)(uintptr_t)g->want[i].metric.p);
	free(g->want);
	free(g->place_of);
	free(g->whole);
	store_packed_free(&g->packed);
}
