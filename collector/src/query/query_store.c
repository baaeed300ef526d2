/*
 * The store as a source: samples of what is not rolled up, device by device and
 * stream by stream, in the order of the log.
 */
#include "query_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/clock.h"

#include "store_log.h"
#include "store_metric.h"

#define BLOCK        512u                 /* samples handed on at a time */
#define FAR_AHEAD_MS (24 * QUERY_HOUR_MS) /* a clock may be so wrong */

/* The series of one stream of one device. */
struct unit {
	const char *device;
	enum bl_stream stream;
	size_t first, n; /* in order[] */
	bool looked, some;
	int64_t from_unix_ms, to_unix_ms; /* where its data lie, when some */
};

struct query_store {
	struct query_source source;
	struct store_read *r;
	const struct bl_clock *clock;
	const struct query_series *series; /* that the units are of */
	struct unit *unit;
	size_t n_units;
	uint32_t *order; /* indices into the series, unit by unit */
	uint32_t *named; /* those of one call */
	int64_t *id;
	bool *wanted;
	struct block {
		size_t n, series;
		int64_t unix_ms[BLOCK], boot[BLOCK];
		double value[BLOCK];
		uint8_t unknown[BLOCK];
		struct query_thin thin[BLOCK];
	} block;
};

/* ---- units ------------------------------------------------------------- */

static int
compare(const struct query_series *a, const struct query_series *b)
{
	const int c = strcmp(a->device, b->device);

	if (c != 0)
		return c;
	if (a->stream != b->stream)
		return a->stream < b->stream ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id);
}

static int
by_unit(const void *a, const void *b, void *series)
{
	const struct query_series *s = series;

	return compare(&s[*(const uint32_t *)a], &s[*(const uint32_t *)b]);
}

static void
forget_units(struct query_store *s)
{
	free(s->unit);
	free(s->order);
	free(s->named);
	free(s->id);
	free(s->wanted);
	s->unit = NULL;
	s->order = s->named = NULL;
	s->id = NULL;
	s->wanted = NULL;
	s->series = NULL;
	s->n_units = 0;
}

static void
cut_units(struct query_store *s, const struct query_series *series, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct query_series *e = &series[s->order[i]];
		struct unit *u = s->n_units > 0 ? &s->unit[s->n_units - 1] : NULL;

		if (u == NULL || u->stream != e->stream || strcmp(u->device, e->device) != 0) {
			u = &s->unit[s->n_units++];
			*u = (struct unit){ .device = e->device, .stream = e->stream, .first = i };
		}
		u->n++;
	}
}

/* The wanted ones of the first call are a superset of all later ones. */
static int
make_units(struct query_store *s, const struct query_want *w, struct bl_err *err)
{
	const size_t n = w->n_series;
	union {
		const struct query_series *in;
		void *out;
	} u = { .in = w->series };

	if (s->series == w->series)
		return BL_OK;
	forget_units(s);
	s->unit = malloc((n + 1) * sizeof(*s->unit));
	s->order = malloc((n + 1) * sizeof(*s->order));
	s->named = malloc((n + 1) * sizeof(*s->named));
	s->id = malloc((n + 1) * sizeof(*s->id));
	s->wanted = calloc(n + 1, sizeof(*s->wanted));
	if (s->unit == NULL || s->order == NULL || s->named == NULL || s->id == NULL ||
	    s->wanted == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	for (size_t i = 0; i < n; i++)
		s->order[i] = (uint32_t)i;
	qsort_r(s->order, n, sizeof(*s->order), by_unit, u.out);
	cut_units(s, w->series, n);
	s->series = w->series;
	return BL_OK;
}

/* ---- samples ----------------------------------------------------------- */

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
	b->value[b->n] = l->value;
	b->unknown[b->n] = l->unknown;
	b->thin[b->n] = (struct query_thin){ l->thin, l->before_ms, l->before };
	b->n++;
	return true;
}

static int
look_where(struct query_store *s, struct unit *u, struct bl_err *err)
{
	int rc;

	if (u->looked)
		return BL_OK;
	rc = store_read_extent(s->r, u->device, u->stream, &u->from_unix_ms, &u->to_unix_ms, err);
	if (rc < 0 && rc != BL_ENOTFOUND)
		return rc;
	u->looked = true;
	u->some = rc == BL_OK;
	return BL_OK;
}

static int
read_unit(struct query_store *s, struct unit *u, const struct query_want *w,
    const struct query_take *t, struct bl_err *err)
{
	struct reading y = { s, t, BL_OK, err };
	size_t n = 0;
	int rc;

	for (size_t i = u->first; i < u->first + u->n; i++) {
		if (!s->wanted[s->order[i]])
			continue;
		s->named[n] = s->order[i];
		s->id[n++] = w->series[s->order[i]].id;
	}
	if (n == 0)
		return BL_OK;
	if ((rc = look_where(s, u, err)) < 0 || !u->some || u->from_unix_ms >= w->to_unix_ms ||
	    u->to_unix_ms <= w->from_unix_ms)
		return rc;
	s->block.n = 0;
	rc = store_log_samples(s->r, u->device, u->stream, s->id, n, w->from_unix_ms, w->to_unix_ms,
	    take_sample, &y, err);
	if (rc >= 0 && y.rc == BL_OK)
		y.rc = hand_on(&y);
	return rc < 0 ? rc : y.rc;
}

static int
read_samples(void *ctx, const struct query_want *w, const struct query_take *t, struct bl_err *err)
{
	struct query_store *s = ctx;
	int rc = make_units(s, w, err);

	for (size_t i = 0; i < w->n_want && rc == BL_OK; i++)
		s->wanted[w->want[i]] = true;
	for (size_t i = 0; i < s->n_units && rc == BL_OK; i++)
		rc = read_unit(s, &s->unit[i], w, t, err);
	for (size_t i = 0; i < w->n_want && s->wanted != NULL; i++)
		s->wanted[w->want[i]] = false;
	return rc;
}

static void
kept(void *ctx, struct query_kept *out)
{
	const struct query_store *s = ctx;

	for (int i = 0; i < QUERY_LEVELS; i++)
		out->from_unix_ms[i] = INT64_MIN;
	out->begin_unix_ms = 0;
	out->end_unix_ms = bl_unix_ms(s->clock) + FAR_AHEAD_MS;
}

/* ---- the object -------------------------------------------------------- */

int
query_store_open(struct query_store **out, struct store_read *r, const struct bl_clock *clock,
    struct bl_err *err)
{
	struct query_store *s = calloc(1, sizeof(*s));

	if ((*out = s) == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	s->source = (struct query_source){ s, kept, read_samples };
	s->r = r;
	s->clock = clock;
	return BL_OK;
}

void
query_store_close(struct query_store *s)
{
	if (s == NULL)
		return;
	forget_units(s);
	free(s);
}

const struct query_source *
query_store_source(const struct query_store *s)
{
	return &s->source;
}

/* ---- series ------------------------------------------------------------ */

struct listing {
	struct query_set *set;
	char *unit;
	size_t n;
	int64_t newest;
	int rc;
	struct bl_err *err;
};

static bool
add_series(void *ctx, const struct store_series *s)
{
	struct listing *l = ctx;
	const struct query_entry e = {
		.id = s->id,
		.device = s->device,
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
	int rc = store_read_metric(s->r, metric, add_series, &l, err);

	*n_series = l.n;
	return rc < 0 ? rc : l.rc;
}

static bool
first_kind(void *ctx, const struct store_series *s)
{
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
