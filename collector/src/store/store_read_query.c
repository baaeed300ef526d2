/*
 * One to twenty series over a range: count, least, greatest and mean per step,
 * and the gaps.
 *
 * Series of one stream of one device share the walk: what holds several of them is read once.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store_log.h"
#include "store_rate.h"
#include "store_samples.h"

/* Runs of one boot with one offset of which the last sample is remembered for a rate. */
#define RUNS 4

struct before {
	bool used;
	int64_t boot_id, boot_ms, offset_ms;
	double value;
};

struct wanted {
	struct store_query_series *out;
	int64_t device_id;
	enum bl_stream stream;
	enum bl_series_kind kind;
	int64_t interval_ms;
	bool done; /* its group has been walked */
	struct spans unknown;
	/* rate: the samples before, the newest first; and per step the time of its pairs */
	struct before before[RUNS];
	double *known_ms;
};

struct query {
	const struct store_query *q;
	struct store_query_result *res;
	struct wanted *w;
	/* the group that is walked */
	struct wanted *of[STORE_QUERY_SERIES];
	int64_t ids[STORE_QUERY_SERIES];
	size_t n;
	bool no_memory;
	int64_t kept_unix_ms; /* samples of before went by their age */
	/* the step that was found last, and where it begins behind the first one's begin */
	size_t step;
	int64_t step_begin_ms;
};

/* ---- looking up what is asked for ---- */

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
	return BL_OK;
}

/* ---- taking samples in ---- */

/* The step that an instant lies in; neighbours mostly lie in the one before. */
static bool
step_of(struct query *y, int64_t unix_ms, size_t *i)
{
	const int64_t at = unix_ms - y->q->from_unix_ms;

	if (at < y->step_begin_ms || at - y->step_begin_ms >= y->q->step_ms) {
		if (at < 0 || unix_ms >= y->q->to_unix_ms)
			return false;
		y->step = (size_t)(at / y->q->step_ms);
		y->step_begin_ms = (int64_t)y->step * y->q->step_ms;
	} else if (unix_ms >= y->q->to_unix_ms) {
		return false;
	}
	*i = y->step;
	return true;
}

/* A value at an instant; of a counter's rate, the pair that it comes from. */
struct value {
	int64_t unix_ms;
	double v;
	struct bl_thin of;
	double grown, known_ms;
};

/* mean is a sum until the end: of values, or of growth. */
static void
add_value(struct query *y, struct wanted *w, const struct value *x)
{
	struct store_query_series *s = w->out;
	const struct bl_thin *t = &x->of;
	size_t i;

	if (!step_of(y, x->unix_ms, &i))
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
	s->n[i] += t->count;
	if (w->known_ms == NULL) {
		s->mean[i] += x->v * t->count;
		return;
	}
	s->mean[i] += x->grown;
	w->known_ms[i] += x->known_ms;
}

/*
 * Where the clock was set back, two runs of a boot lie between one another: each goes on from
 * its own last sample, and the first of a new one from the last before it.
 */
static struct before *
find_before(struct wanted *w, int64_t boot_id, int64_t boot_ms, int64_t offset_ms)
{
	struct before *best = NULL;

	for (size_t i = 0; i < RUNS; i++) {
		struct before *b = &w->before[i];

		if (!b->used || b->boot_id != boot_id || b->boot_ms >= boot_ms)
			continue;
		if (b->offset_ms == offset_ms)
			return b;
		if (best == NULL || b->boot_ms > best->boot_ms)
			best = b;
	}
	return best;
}

static void
note_before(struct wanted *w, const struct before *now)
{
	size_t i = 0;

	while (i < RUNS - 1 && w->before[i].used &&
	       (w->before[i].boot_id != now->boot_id || w->before[i].offset_ms != now->offset_ms))
		i++;
	memmove(&w->before[1], &w->before[0], i * sizeof(w->before[0]));
	w->before[0] = *now;
}

/*
 * The increase since the sample before, when the two belong together: a thinned one may be further
 * away by what it stands for.
 */
static bool
rate_of(struct wanted *w, int64_t boot_id, const struct sample *x, struct value *out)
{
	const struct before now = { true, boot_id, x->boot_ms, x->unix_ms - x->boot_ms, x->value };
	const struct before *b = find_before(w, boot_id, x->boot_ms, now.offset_ms);
	const bool pair = b != NULL && x->boot_ms - b->boot_ms <=
					   store_pair_max_ms(w->interval_ms) +
					       store_thin_span_ms(out->of.count, w->interval_ms);

	if (pair) {
		out->grown = bl_increase(b->value, x->value, &out->of);
		out->known_ms = (double)(x->boot_ms - b->boot_ms);
		out->v = store_rate(out->grown, out->known_ms);
		out->of.min = out->of.max = out->v; /* within it nothing more is known */
	}
	note_before(w, &now);
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

/*
 * How much of the time before it a sample stands for: not what others do; without one before it,
 * no more than back to the first that it stands for.
 */
static int64_t
span_of(const struct wanted *w, const struct sample_thin *t)
{
	const int64_t span = store_thin_span_ms(t->thin.count, w->interval_ms);

	if (t->before_ms > 0)
		return t->before_ms < span ? t->before_ms : span;
	return span > w->interval_ms ? span - w->interval_ms : span;
}

static void
take_known(struct query *y, struct wanted *w, const struct samples *l, const struct sample *x)
{
	const struct sample_thin *t = x->thin > 0 ? &l->thin[x->thin - 1] : NULL;
	struct value v = { .unix_ms = x->unix_ms,
		.v = x->value,
		.of = t != NULL ? t->thin : (struct bl_thin){ x->value, x->value, 1 } };

	if (w->known_ms != NULL && !rate_of(w, l->boot[x->boot].id, x, &v))
		return;
	if (t != NULL)
		spread(y, w->out, v.unix_ms, span_of(w, t), v.v, &v.of);
	add_value(y, w, &v);
}

static bool
take_samples(void *ctx, const struct samples *l)
{
	struct query *y = ctx;
	struct wanted *w = y->of[l->series];

	for (size_t i = 0; i < l->n && !y->no_memory; i++) {
		const struct sample *x = &l->s[i];

		if (x->thin > 0 && w->out->thin == NULL)
			y->no_memory =
			    (w->out->thin = calloc(y->res->n_steps, sizeof(*w->out->thin))) == NULL;
		if (x->unknown != BL_KNOWN)
			y->no_memory = add_unknown(y, w, x->unix_ms) < 0;
		else if (!y->no_memory)
			take_known(y, w, l, x);
	}
	return !y->no_memory;
}

static bool
same_group(const struct wanted *a, const struct wanted *b)
{
	return a->device_id == b->device_id && a->stream == b->stream;
}

static int
walk_group(struct store_read *r, struct query *y, struct wanted *group, int64_t deadline_mono_ms,
    struct bl_err *err)
{
	const struct store_query *q = y->q;
	struct samples_ask a = { .device_id = group->device_id,
		.stream = group->stream,
		.ids = y->ids,
		.from_unix_ms = q->from_unix_ms,
		.to_unix_ms = q->to_unix_ms,
		.thin_reach_ms = STORE_THIN_MAX_MS,
		.deadline_mono_ms = deadline_mono_ms };
	uint64_t n_batches;
	int64_t lead = 0;
	int rc;

	y->n = 0;
	for (size_t i = 0; i < q->n_series; i++) {
		if (!same_group(&y->w[i], group))
			continue;
		y->of[y->n] = &y->w[i];
		y->ids[y->n++] = y->w[i].out->id;
		if (q->rate && store_pair_max_ms(y->w[i].interval_ms) > lead)
			lead = store_pair_max_ms(y->w[i].interval_ms);
	}
	a.n = y->n;
	a.from_unix_ms -= lead;
	rc = samples_of(r, &a, take_samples, y, &n_batches, err);
	y->res->batches_read += n_batches;
	if (rc >= 0 && y->no_memory)
		rc = bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	return rc;
}

/* ---- gaps ---- */

static int
by_from(const void *a, const void *b)
{
	const struct store_span *x = a, *y = b;

	return (x->from_unix_ms > y->from_unix_ms) - (x->from_unix_ms < y->from_unix_ms);
}

/* [from, to) without what the holes, which ascend, say of it; those before *at end before it. */
static int
add_between(struct spans *all, const struct spans *holes, size_t *at, int64_t from, int64_t to)
{
	int rc = BL_OK;

	while (*at < holes->n && holes->s[*at].to_unix_ms <= from)
		(*at)++;
	for (size_t i = *at; rc == BL_OK && i < holes->n && holes->s[i].from_unix_ms < to; i++) {
		if (holes->s[i].to_unix_ms <= from)
			continue;
		rc = spans_add(all, from, holes->s[i].from_unix_ms, STORE_GAP_NOT_KEPT, 0);
		from = holes->s[i].to_unix_ms;
	}
	return rc == BL_OK ? spans_add(all, from, to, STORE_GAP_NOT_KEPT, 0) : rc;
}

/* Steps without a sample that lie before what retention has left: they came. */
static int
add_not_kept(const struct query *y, const struct store_query_series *s, const struct spans *holes,
    struct spans *all)
{
	int64_t from = y->q->from_unix_ms, end;
	size_t at = 0;
	int rc = BL_OK;

	for (size_t i = 0; rc == BL_OK && i < y->res->n_steps && from < y->kept_unix_ms; i++) {
		end =
		    from + y->q->step_ms < y->kept_unix_ms ? from + y->q->step_ms : y->kept_unix_ms;
		if (s->n[i] == 0 && (s->thin == NULL || !s->thin[i]))
			rc = add_between(
			    all, holes, &at, from, end < y->q->to_unix_ms ? end : y->q->to_unix_ms);
		from = end;
	}
	return rc;
}

static int
finish_gaps(const struct query *y, struct wanted *w, const struct spans *holes, struct bl_err *err)
{
	struct spans all = { 0 };
	int rc = add_not_kept(y, w->out, holes, &all);

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
			rc = finish_gaps(y, &y->w[i], &holes, err);
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
finish_steps(const struct query *y)
{
	const struct store_query_result *res = y->res;

	for (size_t k = 0; k < res->n_series; k++) {
		const double *known_ms = y->w[k].known_ms;
		struct store_query_series *s = &res->series[k];

		for (size_t i = 0; i < res->n_steps; i++) {
			if (s->n[i] > 0 && known_ms != NULL)
				s->mean[i] = store_rate(s->mean[i], known_ms[i]);
			else if (s->n[i] > 0)
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

/* Retention goes from the oldest hour on: where the first one's samples are, all are. */
static int
find_kept(struct store_read *r, int64_t from_unix_ms, int64_t *kept_unix_ms, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_RAW_GONE, err, "i", from_unix_ms - STORE_HOUR_MS);
	const int rc = read_step(r, st, err);
	bool gone;

	*kept_unix_ms = INT64_MIN;
	if (rc <= 0)
		return rc;
	gone = sqlite3_column_int(st, 0) != 0;
	(void)sqlite3_reset(st);
	return gone ? store_log_retained(r, kept_unix_ms, err) : BL_OK;
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
	if ((rc = check(q, err)) < 0)
		return rc;
	if ((y.w = calloc(q->n_series, sizeof(*y.w))) == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	if ((rc = make_result(q, &y.res, err)) < 0)
		goto done;
	for (size_t i = 0; i < q->n_series; i++) {
		y.w[i].out = &y.res->series[i];
		if ((rc = find_series(r, &y.w[i], err)) < 0)
			goto done;
		if (q->rate && y.w[i].kind == BL_COUNTER &&
		    (y.w[i].known_ms = calloc(y.res->n_steps, sizeof(double))) == NULL) {
			rc = bl_fail(err, BL_ENOMEM, "query: out of memory");
			goto done;
		}
	}
	if ((rc = find_kept(r, q->from_unix_ms, &y.kept_unix_ms, err)) < 0)
		goto done;
	for (size_t i = 0; i < q->n_series; i++)
		if (!y.w[i].done && (rc = answer_group(r, &y, &y.w[i], deadline, err)) < 0)
			goto done;
	finish_steps(&y);
	*out = y.res;
	y.res = NULL;
	rc = BL_OK;
done:
	for (size_t i = 0; i < q->n_series; i++) {
		free(y.w[i].unknown.s);
		free(y.w[i].known_ms);
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
