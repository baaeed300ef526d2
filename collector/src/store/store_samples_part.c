/*
 * Samples out of parts: which of a device's hours are closed, and their columns.
 *
 * The hours, where their bytes are and what of them is due are one statement, before the
 * batches are listed: what a pack moves meanwhile is then met at least once, and what is met
 * twice is told apart by boot and boot time, as everything is (store_pack.h).
 */
#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"
#include "store_samples_internal.h"

/* ---- which hours ---- */

static int
add_hour(struct gather *g, sqlite3_stmt *st, struct bl_err *err)
{
	const size_t n = g->packed.n;
	size_t same[2] = { g->packed.size, g->packed.size };

	if (!samples_grow(&g->packed.h, n, &g->packed.size, sizeof(*g->packed.h)) ||
	    !samples_grow(&g->place_of, n, &same[0], sizeof(*g->place_of)) ||
	    !samples_grow(&g->whole, n, &same[1], sizeof(*g->whole)))
		return samples_no_memory(err);
	g->packed.h[n] = (struct store_packed_hour){ sqlite3_column_int64(st, 0),
		sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 2) };
	g->place_of[n] = (struct part_place){ { .part = g->packed.h[n].part,
						  .hour_unix_ms = g->packed.h[n].hour_unix_ms,
						  .level = PARTS_RAW,
						  .offset = sqlite3_column_int64(st, 4),
						  .bytes = sqlite3_column_int64(st, 5) },
		sqlite3_column_int64(st, 3) };
	g->whole[n] = sqlite3_column_int(st, 6) == 0;
	g->packed.n++;
	return BL_OK;
}

int
samples_load_hours(struct gather *g, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(g->r, READ_SAMPLE_HOURS, err, "iiii", g->ask->device_id,
	    (int64_t)g->ask->stream, store_hour(g->from > -TIME_FAR ? g->from : -TIME_FAR),
	    g->thin_to);
	int rc;

	while ((rc = read_step(g->r, st, err)) == 1)
		if ((rc = add_hour(g, st, err)) < 0) {
			(void)sqlite3_reset(st);
			return rc;
		}
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
	struct sample *to;
	uint32_t end = first + run->n, n = 0;
	int rc;

	/* Of times that do not descend: what lies outside is at the ends. */
	while (first < end && c->unix_ms[first] < g->from)
		first++;
	while (end > first && c->unix_ms[end - 1] >= g->thin_to)
		end--;
	if (first == end)
		return BL_OK;
	if ((rc = samples_boot(g, run->boot, &x.boot, err)) < 0 ||
	    (rc = samples_room(g, series, end - first, &to, err)) < 0)
		return rc;
	for (uint32_t i = first; i < end; i++) {
		x.unix_ms = c->unix_ms[i];
		x.boot_ms = x.unix_ms - run->offset_ms;
		x.value = c->value[i];
		x.unknown = c->unknown != NULL ? c->unknown[i] : BL_KNOWN;
		if (c->thin != NULL)
			take_thin(g, &c->thin[i], &x);
		if (x.unix_ms >= g->to &&
		    (x.thin == 0 || !samples_reaches_back(g, x.unix_ms, &g->thin[x.thin - 1])))
			continue;
		to[n++] = x;
	}
	samples_held(g, series, n);
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
	/* It is told as a hole with its reason. */
	if (!g->ask->need_all && store_read_lost_hour(g->r, g->ask->device_id, g->ask->stream,
				     place->region.hour_unix_ms, &why) == 1)
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
