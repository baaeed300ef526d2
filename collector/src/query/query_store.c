/*
 * The store as a source.  Hours of streams that lie in parts as a whole are read
 * there, all devices of a metric in one go; of the others, samples are read stream
 * by stream as the store's log gives them, which knows parts and batches.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/clock.h"

#include "query_store_internal.h"
#include "store_log.h"
#include "store_metric.h"

#define FAR_AHEAD_MS (24 * QUERY_HOUR_MS) /* a clock may be so wrong */
#define HELD_MS      20                   /* one state of the store is read from for so long */
#define FEW_UNITS    4u                   /* samples of so few are cheaper found one by one */

/* ---- samples, stream by stream -------------------------------------------------- */

struct reading {
	struct query_store *s;
	const struct query_take *take;
	int rc;
	struct bl_err *err;
};

static int
hand_on(struct reading *y)
{
	struct block *b = &y->s->block;
	const struct query_samples q = { .n = b->n,
		.unix_ms = b->unix_ms,
		.value = b->value,
		.unknown = b->unknown,
		.boot = b->boot,
		.offset_ms = b->offset_ms,
		.thin = b->thin };
	int rc = BL_OK;

	if (b->n > 0)
		rc = y->take->samples(y->take->ctx, y->s->named[b->series], &q, y->err);
	b->n = 0;
	return rc;
}

static bool
take_sample(void *ctx, const struct store_log_sample *l)
{
	struct reading *y = ctx;
	struct block *b = &y->s->block;

	if (b->n > 0 && (b->n == BLOCK || b->series != l->series) && (y->rc = hand_on(y)) < 0)
		return false;
	b->series = l->series;
	b->unix_ms[b->n] = l->unix_ms;
	b->boot[b->n] = l->boot;
	b->offset_ms[b->n] = l->unix_ms - l->boot_ms;
	b->value[b->n] = l->value;
	b->unknown[b->n] = l->unknown;
	b->thin[b->n] = (struct query_thin){ l->thin, l->before_ms, l->before };
	b->n++;
	return true;
}

static int
read_unit(struct query_store *s, const struct unit *u, const struct query_want *w,
    const struct query_take *t, bool one_of_few, struct bl_err *err)
{
	struct reading y = { s, t, BL_OK, err };
	struct store_log_ask a = { .device_no = u->device_no,
		.stream = u->stream,
		.ids = s->id,
		.from_unix_ms = w->from_unix_ms,
		.to_unix_ms = w->to_unix_ms,
		.deadline_mono_ms = w->deadline_mono_ms,
		.sparse = !one_of_few };
	size_t n = 0;
	int rc;

	for (size_t i = u->first; i < u->first + u->n; i++) {
		if (!s->wanted[s->order[i]])
			continue;
		s->named[n] = s->order[i];
		s->id[n++] = s->series[s->order[i]].id;
	}
	if (n == 0)
		return BL_OK;
	s->block.n = 0;
	a.n = n;
	rc = store_log_samples_whole(s->r, &a, take_sample, &y, err);
	if (rc >= 0 && y.rc == BL_OK)
		y.rc = hand_on(&y);
	return rc < 0 ? rc : y.rc;
}

/* ---- an hour ----------------------------------------------------------------------- */

static size_t
units_wanted(const struct query_store *s, const struct query_want *w)
{
	size_t n = 0;
	uint32_t last = UINT32_MAX;

	for (size_t i = 0; i < w->n_want && n <= FEW_UNITS; i++) {
		n += s->unit_of[w->want[i]] != last;
		last = s->unit_of[w->want[i]];
	}
	return n;
}

/*
 * Each statement that begins and ends a transaction of its own costs as much again: some
 * milliseconds of them are one.
 */
static int
read_units(struct query_store *s, const struct query_want *w, const struct query_take *t, bool all,
    struct bl_err *err)
{
	int64_t until = INT64_MIN;
	int rc = BL_OK;

	for (size_t i = 0; i < s->n_units && rc == BL_OK; i++) {
		int64_t now;

		if (!all && !s->unit[i].due)
			continue;
		if ((now = bl_mono_ms(s->clock)) >= until) {
			store_read_release(s->r);
			until = now + HELD_MS;
			rc = store_read_hold(s->r, err);
		}
		if (rc == BL_OK)
			rc = read_unit(s, &s->unit[i], w, t, s->n_units <= FEW_UNITS, err);
	}
	store_read_release(s->r);
	return rc;
}

static int
read_wanted(struct query_store *s, const struct query_want *w, const struct query_take *t,
    struct bl_err *err)
{
	const bool one_by_one = w->level == QUERY_RAW && units_wanted(s, w) <= FEW_UNITS;
	int rc = BL_OK;

	if (!one_by_one &&
	    (rc = query_hour_load(s, w->from_unix_ms - w->from_unix_ms % QUERY_HOUR_MS, err)) < 0)
		return rc;
	if (rc == BL_OK)
		rc = read_units(s, w, t, one_by_one, err);
	for (size_t i = 0; !one_by_one && i < s->n_parts && rc == BL_OK; i++)
		rc = query_parts_read(s, &s->part[i], w, t, err);
	return rc;
}

static int
read_hour(void *ctx, const struct query_want *w, const struct query_take *t, struct bl_err *err)
{
	struct query_store *s = ctx;
	int rc;

	if ((rc = query_units_make(s, w, err)) < 0)
		return rc;
	for (size_t i = 0; i < w->n_want; i++)
		s->wanted[w->want[i]] = true;
	rc = read_wanted(s, w, t, err);
	for (size_t i = 0; i < w->n_want; i++)
		s->wanted[w->want[i]] = false;
	return rc;
}

static int
next_hour(void *ctx, int64_t hour_unix_ms, int64_t *out, struct bl_err *err)
{
	const struct query_store *s = ctx;

	return store_read_next_hour(s->r, hour_unix_ms, out, err);
}

static int
kept(void *ctx, int64_t from_unix_ms, struct query_kept *out, struct bl_err *err)
{
	const struct query_store *s = ctx;
	int64_t from[PARTS_LEVELS];
	int rc;

	if ((rc = store_read_levels(s->r, from_unix_ms, from, &out->begin_unix_ms, err)) < 0)
		return rc;
	out->from_unix_ms[QUERY_RAW] = from[PARTS_RAW];
	out->from_unix_ms[QUERY_M5] = from[PARTS_M5];
	out->from_unix_ms[QUERY_H1] = from[PARTS_H1];
	out->end_unix_ms = bl_unix_ms(s->clock) + FAR_AHEAD_MS;
	return BL_OK;
}

/* ---- the object ---------------------------------------------------------------------- */

int
query_store_open(struct query_store **out, struct store_read *r, const struct bl_clock *clock,
    struct bl_err *err)
{
	struct query_store *s = calloc(1, sizeof(*s));

	if ((*out = s) == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	s->source = (struct query_source){ s, kept, next_hour, read_hour };
	s->r = r;
	s->clock = clock;
	return BL_OK;
}

void
query_store_close(struct query_store *s)
{
	if (s == NULL)
		return;
	query_units_forget(s);
	query_hour_forget(s);
	query_parts_free_room(s);
	for (size_t i = 0; i < s->n_others; i++)
		for (int k = STORE_ALIAS_DEVICE; k <= STORE_ALIAS_BOOT; k++) {
			free(s->other[i].of[k].old_id);
			free(s->other[i].of[k].new_id);
		}
	free(s->other);
	free(s->part);
	free(s);
}

const struct query_source *
query_store_source(const struct query_store *s)
{
	return &s->source;
}

/* ---- series ---------------------------------------------------------------------------- */

struct listing {
	struct query_set *set;
	char *unit;
	size_t n;
	int64_t newest;
	int rc;
	struct bl_err *err;
};

static bool
add_series(void *ctx, int64_t device_no, const struct store_series *s)
{
	struct listing *l = ctx;
	const struct query_entry e = {
		.id = s->id,
		.device = s->device,
		.device_no = device_no,
		.labels_json = s->labels_json,
		.kind = s->kind,
		.stream = s->stream,
		.interval_ms = s->interval_ms,
	};

	l->n++;
	if (s->id > l->newest && l->unit != NULL) {
		(void)snprintf(l->unit, BL_NAME_MAX + 1, "%s", s->unit);
		l->newest = s->id;
	}
	l->rc = query_set_add(l->set, &e, l->err);
	return l->rc == BL_OK;
}

int
query_store_series(struct query_store *s, const char *metric, struct query_set *set,
    char unit[BL_NAME_MAX + 1], size_t *n_series, struct bl_err *err)
{
	struct listing l = { .set = set, .unit = unit, .err = err };
	int rc;

	(void)snprintf(s->metric, sizeof(s->metric), "%s", metric);
	rc = store_read_metric(s->r, metric, add_series, &l, err);
	*n_series = l.n;
	return rc < 0 ? rc : l.rc;
}

int
query_store_next_raw(struct query_store *s, int64_t hour_unix_ms, int64_t *out, struct bl_err *err)
{
	return store_read_next_raw(s->r, hour_unix_ms, out, err);
}

void
query_store_metric(struct query_store *s, const char *metric)
{
	(void)snprintf(s->metric, sizeof(s->metric), "%s", metric);
}

static bool
first_kind(void *ctx, int64_t device_no, const struct store_series *s)
{
	(void)device_no;
	*(enum bl_series_kind *)ctx = s->kind;
	return false;
}

int
query_store_kind(
    struct query_store *s, const char *metric, enum bl_series_kind *out, struct bl_err *err)
{
	enum bl_series_kind kind = 0;
	const int rc = store_read_metric(s->r, metric, first_kind, &kind, err);

	*out = kind;
	if (rc < 0)
		return rc;
	return kind == 0 ? BL_ENOTFOUND : BL_OK;
}
