/*
 * One to twenty series over a range: count, least, greatest and mean per step,
 * and the gaps.
 *
 * Series of one stream of one device share the walk: a batch is inflated once
 * and of its columns only the wanted ones are decoded.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store_read_internal.h"

#define ENTRIES_MAX 4096 /* (spool, number) pairs of one series */

struct entry {
	int64_t spool_id;
	uint32_t number;
};

struct wanted {
	struct store_query_series *out;
	int64_t device_id;
	enum bl_stream stream;
	enum bl_series_kind kind;
	int64_t interval_ms;
	struct entry *entry;
	size_t n_entries;
	bool done; /* its group has been walked */
	struct spans unknown;
	/* rate: the sample before */
	bool has_before;
	int64_t before_boot_id, before_ms;
	double before;
};

struct query {
	const struct store_query *q;
	struct store_query_result *res;
	struct wanted *w;
};

/* ---- looking up what is asked for ---- */

static int
find_entries(struct store_read *r, struct wanted *w, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_SERIES_ENTRIES, err, "i", w->out->id);
	size_t size = 0;
	int rc;

	while ((rc = read_step(r, st, err)) == 1) {
		if (w->n_entries == size) {
			struct entry *e;

			size = size == 0 ? 4 : size * 2;
			if (size > ENTRIES_MAX ||
			    (e = realloc(w->entry, size * sizeof(*e))) == NULL) {
				(void)sqlite3_reset(st);
				return bl_fail(err, BL_EFULL, "series %lld is in too many spools",
				    (long long)w->out->id);
			}
			w->entry = e;
		}
		w->entry[w->n_entries++] = (struct entry){ sqlite3_column_int64(st, 0),
			(uint32_t)sqlite3_column_int64(st, 1) };
	}
	return rc;
}

static int
find_series(struct store_read *r, struct wanted *w, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_SERIES_ID, err, "i", w->out->id);
	int rc = read_step(r, st, err);

	if (rc < 0)
		return rc;
	if (rc == 0)
		return bl_fail(err, BL_ENOTFOUND, "there is no series %lld", (long long)w->out->id);
	w->kind = (enum bl_series_kind)sqlite3_column_int(st, 5);
	w->stream = (enum bl_stream)sqlite3_column_int(st, 6);
	w->interval_ms = sqlite3_column_int64(st, 7);
	w->device_id = sqlite3_column_int64(st, 8);
	(void)sqlite3_reset(st);
	return find_entries(r, w, err);
}

/* ---- taking samples in ---- */

static int64_t
pair_max_ms(const struct wanted *w)
{
	return w->interval_ms * 5 > 60000 ? w->interval_ms * 5 : 60000;
}

/* The step that an instant lies in. */
static bool
step_of(const struct query *y, int64_t unix_ms, size_t *i)
{
	if (unix_ms < y->q->from_unix_ms || unix_ms >= y->q->to_unix_ms)
		return false;
	*i = (size_t)((unix_ms - y->q->from_unix_ms) / y->q->step_ms);
	return true;
}

/* mean is a sum until the end. */
static void
add_value(struct query *y, struct store_query_series *s, int64_t unix_ms, double v,
    const struct bl_thin *t)
{
	size_t i;

	if (!step_of(y, unix_ms, &i))
		return;
	if (s->n[i] == 0) {
		s->min[i] = t->min;
		s->max[i] = t->max;
		s->mean[i] = 0;
	}
	if (t->min < s->min[i])
		s->min[i] = t->min;
	if (t->max > s->max[i])
		s->max[i] = t->max;
	s->mean[i] += v * t->count;
	s->n[i] += t->count;
}

/*
 * The increase per second since the sample before, when the two belong together: a thinned one
 * may be further away by what it stands for.
 */
static bool
rate_of(struct wanted *w, int64_t boot_id, int64_t boot_ms, double v, const struct bl_thin *t,
    double *out)
{
	const bool pair =
	    w->has_before && w->before_boot_id == boot_id && boot_ms > w->before_ms &&
	    boot_ms - w->before_ms <= pair_max_ms(w) + store_thin_span_ms(t->count, w->interval_ms);

	if (pair)
		*out = store_increase(w->before, v, t) * 1000.0 / (double)(boot_ms - w->before_ms);
	w->has_before = true;
	w->before_boot_id = boot_id;
	w->before_ms = boot_ms;
	w->before = v;
	return pair;
}

static int
add_unknown(struct query *y, struct wanted *w, int64_t unix_ms)
{
	const int64_t len = w->interval_ms > 0 ? w->interval_ms : 1;
	const int64_t from = unix_ms > y->q->from_unix_ms ? unix_ms : y->q->from_unix_ms;
	const int64_t to = unix_ms + len < y->q->to_unix_ms ? unix_ms + len : y->q->to_unix_ms;

	/* Half an interval: ticks jitter. */
	return spans_add(&w->unknown, from, to, STORE_GAP_UNKNOWN_VALUE, len / 2);
}

/* What of the samples of a column is known beyond their values. */
static int
column_thin(struct store_read *r, const struct bl_batch_reader *rd, const struct bl_column *c,
    struct wanted *w, size_t n_steps, struct bl_err *err)
{
	if (w->out->thin == NULL && (w->out->thin = calloc(n_steps, sizeof(*w->out->thin))) == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	return read_thin(r, rd, c, err);
}

/*
 * A thinned sample at unix_ms that stands for the span_ms before it: its steps are marked, and
 * those in which nothing else is get its values.
 */
static void
spread(struct query *y, struct store_query_series *s, int64_t unix_ms, int64_t span_ms, double v,
    const struct bl_thin *t)
{
	const struct store_query *q = y->q;
	const int64_t from = unix_ms - span_ms + 1;
	const int64_t first = from > q->from_unix_ms ? from : q->from_unix_ms;
	const int64_t last = unix_ms < q->to_unix_ms ? unix_ms : q->to_unix_ms - 1;
	size_t i, end;

	if (!step_of(y, first, &i) || !step_of(y, last, &end))
		return;
	for (; i <= end; i++) {
		s->thin[i] = true;
		if (s->n[i] > 0)
			continue;
		s->min[i] = t->min;
		s->max[i] = t->max;
		s->mean[i] = v;
	}
}

/* How much of the time before sample i of a column it stands for: not what others do. */
static int64_t
span_of(const struct store_read *r, const struct scan_batch *b, const struct wanted *w, uint32_t i)
{
	const int64_t before = i > 0 ? r->boot_ms[i - 1] : b->h.collect_begin_ms;
	const int64_t span = store_thin_span_ms(r->thin[i].count, w->interval_ms);

	return r->boot_ms[i] - before < span ? r->boot_ms[i] - before : span;
}

static void
take_known(struct query *y, struct scan *sc, const struct scan_batch *b, struct wanted *w,
    uint32_t i, bool thin)
{
	const struct store_read *r = sc->r;
	const int64_t t = scan_place(sc, r->boot_ms[i]);
	double v = r->value[i];
	struct bl_thin of = thin ? r->thin[i] : (struct bl_thin){ v, v, 1 };

	if (y->q->rate && w->kind == BL_COUNTER) {
		if (!rate_of(w, b->boot_id, r->boot_ms[i], v, &of, &v))
			return;
		of.min = of.max = v; /* of the rate within it nothing more is known */
	}
	if (of.count > 1)
		spread(y, w->out, t, span_of(r, b, w, i), v, &of);
	add_value(y, w->out, t, v, &of);
}

static int
take_column(struct query *y, struct scan *sc, const struct scan_batch *b,
    const struct bl_batch_reader *rd, const struct bl_column *c, struct wanted *w,
    struct bl_err *err)
{
	const bool thin = bl_column_is_thin(c);
	struct store_read *r = sc->r;
	int rc;

	if ((rc = bl_column_decode(rd, c, r->boot_ms, r->value, r->unknown, err)) < 0 ||
	    (thin && (rc = column_thin(r, rd, c, w, y->res->n_steps, err)) < 0))
		return rc;
	for (uint32_t i = 0; i < c->n; i++) {
		if (r->unknown[i] == BL_KNOWN)
			take_known(y, sc, b, w, i, thin);
		else if (add_unknown(y, w, scan_place(sc, r->boot_ms[i])) < 0)
			return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	}
	return BL_OK;
}

static bool
same_group(const struct wanted *a, const struct wanted *b)
{
	return a->device_id == b->device_id && a->stream == b->stream;
}

/* The wanted series of this group that has this number in this spool. */
static struct wanted *
who_wants(struct query *y, const struct wanted *group, int64_t spool_id, uint32_t number)
{
	for (size_t k = 0; k < y->q->n_series; k++) {
		struct wanted *w = &y->w[k];

		if (!same_group(w, group))
			continue;
		for (size_t i = 0; i < w->n_entries; i++)
			if (w->entry[i].number == number && w->entry[i].spool_id == spool_id)
				return w;
	}
	return NULL;
}

static int
take_batch(struct query *y, struct scan *sc, const struct scan_batch *b, struct wanted *group,
    struct bl_err *err)
{
	struct bl_batch_reader rd;
	struct bl_column c;
	struct wanted *w;
	int rc;

	if (b->h.n_samples == 0)
		return BL_OK;
	if ((rc = scan_open(sc, b, &rd, err)) < 0)
		return rc;
	while ((rc = bl_batch_next_column(&rd, &c, err)) == 1) {
		if ((w = who_wants(y, group, b->spool_id, c.series_id)) == NULL)
			continue;
		if ((rc = take_column(y, sc, b, &rd, &c, w, err)) < 0)
			return rc;
	}
	return rc;
}

static int
walk_group(struct store_read *r, struct query *y, struct wanted *group, int64_t deadline_mono_ms,
    struct bl_err *err)
{
	const struct store_query *q = y->q;
	int64_t lead = 0;
	struct scan_batch *b;
	struct scan sc;
	int rc;

	for (size_t i = 0; i < q->n_series; i++)
		if (same_group(&y->w[i], group) && q->rate && pair_max_ms(&y->w[i]) > lead)
			lead = pair_max_ms(&y->w[i]);
	if ((rc = scan_begin(&sc, r, SCAN_UP, group->device_id, group->stream,
		 q->from_unix_ms - lead, q->to_unix_ms, deadline_mono_ms, err)) < 0)
		goto done;
	while ((rc = scan_next(&sc, &b, err)) == 1)
		if ((rc = take_batch(y, &sc, b, group, err)) < 0)
			break;
done:
	y->res->batches_read += sc.n_read;
	scan_end(&sc);
	return rc;
}

/* ---- gaps ---- */

static int
by_from(const void *a, const void *b)
{
	const struct store_span *x = a, *y = b;

	return (x->from_unix_ms > y->from_unix_ms) - (x->from_unix_ms < y->from_unix_ms);
}

static int
finish_gaps(struct wanted *w, const struct spans *holes, struct bl_err *err)
{
	struct spans all = { 0 };
	int rc = BL_OK;

	for (size_t i = 0; rc == BL_OK && i < holes->n; i++)
		rc = spans_add(
		    &all, holes->s[i].from_unix_ms, holes->s[i].to_unix_ms, holes->s[i].reason, 0);
	for (size_t i = 0; rc == BL_OK && i < w->unknown.n; i++)
		rc = spans_add(&all, w->unknown.s[i].from_unix_ms, w->unknown.s[i].to_unix_ms,
		    STORE_GAP_UNKNOWN_VALUE, -1);
	if (rc < 0) {
		free(all.s);
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	}
	if (all.n > 1)
		qsort(all.s, all.n, sizeof(*all.s), by_from);
	w->out->gap = all.s;
	w->out->n_gaps = all.n;
	return BL_OK;
}

/* Walks the samples and the holes of w's device and stream, for all that share them. */
static int
answer_group(struct store_read *r, struct query *y, struct wanted *w, int64_t deadline_mono_ms,
    struct bl_err *err)
{
	const int64_t now = bl_unix_ms(r->clock);
	const int64_t to = y->q->to_unix_ms < now ? y->q->to_unix_ms : now;
	struct spans holes = { 0 };
	int rc;

	if ((rc = walk_group(r, y, w, deadline_mono_ms, err)) < 0)
		return rc;
	/* The future is not a gap. */
	if (to > y->q->from_unix_ms)
		rc = read_holes(r, w->device_id, w->stream, y->q->from_unix_ms, to, &holes, err);
	for (size_t i = 0; rc >= 0 && i < y->q->n_series; i++)
		if (!y->w[i].done && same_group(&y->w[i], w)) {
			y->w[i].done = true;
			rc = finish_gaps(&y->w[i], &holes, err);
		}
	free(holes.s);
	return rc;
}

/* ---- the whole ---- */

static int
make_result(const struct store_query *q, struct store_query_result **out, struct bl_err *err)
{
	struct store_query_result *res = calloc(1, sizeof(*res));

	if (res == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	*out = res;
	res->n_steps = (size_t)((q->to_unix_ms - q->from_unix_ms + q->step_ms - 1) / q->step_ms);
	if ((res->series = calloc(q->n_series, sizeof(*res->series))) == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	res->n_series = q->n_series;
	for (size_t i = 0; i < q->n_series; i++) {
		struct store_query_series *s = &res->series[i];

		s->id = q->series[i];
		s->n = calloc(res->n_steps, sizeof(*s->n));
		s->min = malloc(res->n_steps * sizeof(*s->min));
		s->max = malloc(res->n_steps * sizeof(*s->max));
		s->mean = malloc(res->n_steps * sizeof(*s->mean));
		if (s->n == NULL || s->min == NULL || s->max == NULL || s->mean == NULL)
			return bl_fail(err, BL_ENOMEM, "query: out of memory");
	}
	return BL_OK;
}

static void
finish_steps(struct store_query_result *res)
{
	for (size_t k = 0; k < res->n_series; k++) {
		struct store_query_series *s = &res->series[k];

		for (size_t i = 0; i < res->n_steps; i++) {
			if (s->n[i] > 0)
				s->mean[i] /= (double)s->n[i];
			else if (s->thin == NULL || !s->thin[i])
				s->min[i] = s->max[i] = s->mean[i] = (double)NAN;
		}
	}
}

static int
check(const struct store_query *q, struct bl_err *err)
{
	if (q->n_series < 1 || q->n_series > STORE_QUERY_SERIES)
		return bl_fail(err, BL_EINVAL, "query: 1 to %u series", STORE_QUERY_SERIES);
	for (size_t i = 0; i < q->n_series; i++)
		for (size_t j = 0; j < i; j++)
			if (q->series[i] == q->series[j])
				return bl_fail(err, BL_EINVAL, "query: series %lld is named twice",
				    (long long)q->series[i]);
	/* Bounds keep every sum below within 64 bits. */
	if (q->from_unix_ms < -INT64_MAX / 4 || q->to_unix_ms > INT64_MAX / 4 ||
	    q->to_unix_ms <= q->from_unix_ms || q->step_ms < 1)
		return bl_fail(err, BL_EINVAL, "query: the range or the step is impossible");
	if ((q->to_unix_ms - q->from_unix_ms - 1) / q->step_ms >= (int64_t)STORE_QUERY_STEPS)
		return bl_fail(err, BL_EINVAL, "query: at most %u steps", STORE_QUERY_STEPS);
	return BL_OK;
}

int
store_read_query(struct store_read *r, const struct store_query *q, struct store_query_result **out,
    struct bl_err *err)
{
	const int64_t deadline =
	    bl_mono_ms(r->clock) + (q->deadline_ms > 0 ? q->deadline_ms : STORE_QUERY_DEADLINE);
	struct query y = { .q = q };
	int rc;

	*out = NULL;
	if ((rc = check(q, err)) < 0 || (rc = read_scratch(r, err)) < 0)
		return rc;
	if ((y.w = calloc(q->n_series, sizeof(*y.w))) == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	if ((rc = make_result(q, &y.res, err)) < 0)
		goto done;
	for (size_t i = 0; i < q->n_series; i++) {
		y.w[i].out = &y.res->series[i];
		if ((rc = find_series(r, &y.w[i], err)) < 0)
			goto done;
	}
	for (size_t i = 0; i < q->n_series; i++)
		if (!y.w[i].done && (rc = answer_group(r, &y, &y.w[i], deadline, err)) < 0)
			goto done;
	finish_steps(y.res);
	*out = y.res;
	y.res = NULL;
	rc = BL_OK;
done:
	for (size_t i = 0; i < q->n_series; i++) {
		free(y.w[i].entry);
		free(y.w[i].unknown.s);
	}
	free(y.w);
	store_query_free(y.res);
	return rc;
}

void
store_query_free(struct store_query_result *res)
{
	if (res == NULL)
		return;
	for (size_t i = 0; i < res->n_series; i++) {
		free(res->series[i].n);
		free(res->series[i].min);
		free(res->series[i].max);
		free(res->series[i].mean);
		free(res->series[i].thin);
		free(res->series[i].gap);
	}
	free(res->series);
	free(res);
}
