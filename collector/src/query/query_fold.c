/*
 * What a source gives, added to the cells it lies in.
 *
 * Each series remembers its cell, so that neighbours need no division; and of a
 * counter its last sample, so that pairs reach over hours and levels.  A pair
 * counts where its later sample lies.
 */
#include <math.h>

#include "branchline/sketch.h"

#include "store_rate.h"
#include "store_read.h"

#include "query_internal.h"

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static struct query_cell *
cell_of(struct query_work *w, const struct query_at *at)
{
	return &w->res->cell[at->group * w->res->n_steps + at->step];
}

static void
add(double *to, double v)
{
	*to = isnan(*to) ? v : *to + v;
}

void
query_fold_flush(struct query_work *w, size_t i)
{
	struct query_at *at = &w->at[i];

	if (at->n > 0 && w->r->agg == QUERY_TOTAL)
		add(&cell_of(w, at)->value, at->sum / (double)at->n);
	else if (at->known_ms > 0 && w->r->agg == QUERY_RATE)
		add(&cell_of(w, at)->value, store_rate(at->sum, at->known_ms));
	at->n = 0;
	at->sum = at->known_ms = 0;
	at->counted = false;
}

/* ---- where t lies ------------------------------------------------------ */

static void
find_stay(const struct query_series *s, struct query_at *at, int64_t t)
{
	if (at->stay >= s->n_stays || s->stay[at->stay].from_unix_ms > t)
		at->stay = 0;
	while (at->stay + 1 < s->n_stays && s->stay[at->stay].to_unix_ms <= t)
		at->stay++;
}

/* Of t, which lies in the range.  Mostly the step behind the present one: no division. */
static uint32_t
step_of(const struct query_grid *r, const struct query_at *at, int64_t t)
{
	const int64_t next = r->from_unix_ms + ((int64_t)at->step + 1) * r->step_ms;

	if (t >= next && t - next < r->step_ms)
		return at->step + 1;
	return (uint32_t)((t - r->from_unix_ms) / r->step_ms);
}

/* Goes to the cell of t, which lies in the range.  False: it is in none. */
static bool
move_to(struct query_work *w, size_t i, int64_t t)
{
	const struct query_grid *r = w->r;
	const struct query_series *s = &w->series[i];
	struct query_at *at = &w->at[i];
	const uint32_t step = step_of(r, at, t);
	const int64_t begin = r->from_unix_ms + step * r->step_ms;
	const struct query_stay *stay;
	uint32_t group = QUERY_NO_GROUP;

	find_stay(s, at, t);
	stay = &s->stay[at->stay];
	at->from_unix_ms = begin;
	at->to_unix_ms = sooner(begin + r->step_ms, r->to_unix_ms);
	if (stay->from_unix_ms <= t && t < stay->to_unix_ms) {
		group = stay->group;
		at->from_unix_ms = later(at->from_unix_ms, stay->from_unix_ms);
		at->to_unix_ms = sooner(at->to_unix_ms, stay->to_unix_ms);
	} else {
		at->to_unix_ms = t + 1;
		at->from_unix_ms = t;
	}
	if (group != at->group || step != at->step) {
		if (at->group != QUERY_NO_GROUP)
			query_fold_flush(w, i);
		at->group = group;
		at->step = step;
	}
	return group != QUERY_NO_GROUP;
}

/* The cell of t; NULL: outside of what is asked for. */
static struct query_cell *
find_cell(struct query_work *w, size_t i, int64_t t)
{
	struct query_at *at = &w->at[i];

	if (t >= at->from_unix_ms && t < at->to_unix_ms)
		return at->group != QUERY_NO_GROUP ? cell_of(w, at) : NULL;
	if (t < w->r->from_unix_ms || t >= w->r->to_unix_ms)
		return NULL;
	return move_to(w, i, t) ? cell_of(w, at) : NULL;
}

/* ---- adding ------------------------------------------------------------ */

static void
count_series(struct query_at *at, struct query_cell *c)
{
	c->series += !at->counted;
	at->counted = true;
}

/* known_ms: the time in which a counter grew, which rates need. */
static void
fold_roll(struct query_work *w, struct query_at *at, struct query_cell *c,
    const struct query_roll *r, double known_ms)
{
	c->unknown += r->unknown;
	if (r->n == 0)
		return;
	count_series(at, c);
	c->n += r->n;
	switch (w->r->agg) {
	case QUERY_AVG:
	case QUERY_SUM:
		add(&c->value, r->sum);
		break;
	case QUERY_MIN:
		c->value = fmin(c->value, r->min); /* prefers a number to NaN */
		break;
	case QUERY_MAX:
		c->value = fmax(c->value, r->max);
		break;
	case QUERY_TOTAL:
		at->sum += r->sum;
		at->n += r->n;
		break;
	case QUERY_INCREASE:
		add(&c->value, r->increase);
		break;
	case QUERY_RATE:
		at->sum += r->increase;
		at->known_ms += known_ms;
		break;
	default:
		break; /* count: n says it; percentiles: the sketch */
	}
}

static bool
pairs(const struct query_series *s, const struct query_at *at, int64_t t, int64_t boot)
{
	return at->has_last && at->last.boot == boot &&
	       t - at->last.unix_ms <= store_pair_max_ms(s->interval_ms);
}

static void
set_last(struct query_at *at, const struct query_edge *e)
{
	at->last = *e;
	at->has_last = true;
	at->has_last_boot_ms = false;
}

/* What the samples of an hour's roll-ups stand for; rates alone want to know. */
static struct store_pace
pace_of(const struct query_series *s, uint64_t n, uint64_t unknown, const struct query_edge *first,
    const struct query_edge *last)
{
	struct store_hour_ticks h = { .n = n, .unknown = unknown };

	if (first != NULL && last != NULL && first->boot == last->boot) {
		h.one_boot = true;
		h.span_ms = last->unix_ms - first->unix_ms;
	}
	return store_pace(&h, s->interval_ms);
}

/*
 * The pair of the hour's first sample with the one before the hour.  Roll-ups count each sample as
 * one tick of known time; of this one it is known how far back it reaches, or that it has no pair.
 * True: it has none, and lies in a cell.
 */
static bool
fold_first(
    struct query_work *w, size_t i, const struct query_edge *first, const struct store_pace *pace)
{
	const struct bl_thin one = { .count = 1 };
	struct query_at *at = &w->at[i];
	const bool pair = pairs(&w->series[i], at, first->unix_ms, first->boot);
	/* Before the cell is found: that may be another one, but last is the series'. */
	const struct query_edge last = at->last;
	struct query_cell *c = find_cell(w, i, first->unix_ms);
	double grown;

	if (c == NULL)
		return false;
	at->known_ms -= pace->tick_ms;
	if (!pair)
		return true;
	grown = bl_increase(last.value, first->value, &one);
	at->known_ms += (double)(first->unix_ms - last.unix_ms);
	if (w->r->agg == QUERY_RATE)
		at->sum += grown;
	else
		add(&c->value, grown);
	return false;
}

static int
merge_sketch(struct query_work *w, const struct query_at *at, const struct query_hour_roll *h,
    struct bl_err *err)
{
	struct bl_sketch *s = query_cells_sketch(w, at->group, at->step);

	if (s == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	return h->add_sketch(h->of, s, err);
}

int
query_take_hour(void *ctx, size_t i, const struct query_hour_roll *h, struct bl_err *err)
{
	struct query_work *w = ctx;
	const struct query_roll *r = &h->roll;
	struct query_at *at = &w->at[i];
	struct store_pace pace = { 0 };
	struct query_cell *c;

	if (w->counts)
		pace = pace_of(&w->series[i], r->n, r->unknown, h->first, h->last);
	if (w->counts && h->first != NULL && !w->lead)
		(void)fold_first(w, i, h->first, &pace);
	if (w->counts && h->last != NULL)
		set_last(at, h->last);
	if (w->lead || (c = find_cell(w, i, h->begin_unix_ms)) == NULL)
		return BL_OK;
	at->known_ms += pace.off_ms;
	fold_roll(w, at, c, r, store_known_ms(&pace, r->n, r->unknown, r->unknown, QUERY_HOUR_MS));
	if (w->quantile > 0 && h->add_sketch != NULL && h->roll.n > 0)
		return merge_sketch(w, at, h, err);
	return BL_OK;
}

/* Whether each five minutes of the hour are a cell of their own, all of one group, and are only
 * added up: then nobody needs to look for them one by one. */
static bool
cells_in_a_row(const struct query_work *w, size_t i, int64_t begin_unix_ms)
{
	const struct query_grid *r = w->r;
	const struct query_series *s = &w->series[i];
	const int64_t end = begin_unix_ms + QUERY_M5_OF_HOUR * QUERY_M5_MS;

	return (r->agg == QUERY_AVG || r->agg == QUERY_SUM || r->agg == QUERY_MIN ||
		   r->agg == QUERY_MAX) &&
	       r->step_ms == QUERY_M5_MS && begin_unix_ms >= r->from_unix_ms &&
	       end <= r->to_unix_ms && (begin_unix_ms - r->from_unix_ms) % QUERY_M5_MS == 0 &&
	       s->n_stays == 1 && s->stay[0].from_unix_ms <= begin_unix_ms &&
	       end <= s->stay[0].to_unix_ms && s->stay[0].group != QUERY_NO_GROUP;
}

/* One after the other from the first one's cell on; afterwards the series is in the last. */
static void
fold_row(struct query_work *w, size_t i, int64_t begin_unix_ms,
    const struct query_roll roll[QUERY_M5_OF_HOUR])
{
	struct query_at *at = &w->at[i];
	struct query_cell *c = find_cell(w, i, begin_unix_ms);

	for (int k = 0; k < QUERY_M5_OF_HOUR; k++, c++) {
		if (k > 0)
			at->counted = false;
		fold_roll(w, at, c, &roll[k], 0);
	}
	at->step += QUERY_M5_OF_HOUR - 1;
	at->from_unix_ms = begin_unix_ms + (QUERY_M5_OF_HOUR - 1) * QUERY_M5_MS;
	at->to_unix_ms = at->from_unix_ms + QUERY_M5_MS;
}

static struct store_pace
pace_of_windows(const struct query_series *s, const struct query_roll roll[QUERY_M5_OF_HOUR],
    const struct query_edge *first, const struct query_edge *last)
{
	uint64_t n = 0, unknown = 0;

	for (int k = 0; k < QUERY_M5_OF_HOUR; k++) {
		n += roll[k].n;
		unknown += roll[k].unknown;
	}
	return pace_of(s, n, unknown, first, last);
}

/* In the window and its neighbours of the hour. */
static uint64_t
unknown_near(const struct query_roll roll[QUERY_M5_OF_HOUR], int k)
{
	return roll[k].unknown + (k > 0 ? roll[k - 1].unknown : 0) +
	       (k + 1 < QUERY_M5_OF_HOUR ? roll[k + 1].unknown : 0);
}

int
query_take_five(void *ctx, size_t i, int64_t begin_unix_ms,
    const struct query_roll roll[QUERY_M5_OF_HOUR], const struct query_edge *first,
    const struct query_edge *last, struct bl_err *err)
{
	struct query_work *w = ctx;
	struct query_at *at = &w->at[i];
	struct store_pace pace = { 0 };
	double off_ms = 0; /* the first tick of all is off the beat: with the second, its pair */
	bool seen = false;
	struct query_cell *c;

	(void)err;
	if (w->counts)
		pace = pace_of_windows(&w->series[i], roll, first, last);
	if (w->counts && first != NULL && !w->lead && fold_first(w, i, first, &pace))
		off_ms = pace.off_ms;
	if (w->counts && last != NULL)
		set_last(at, last);
	if (!w->lead && cells_in_a_row(w, i, begin_unix_ms)) {
		fold_row(w, i, begin_unix_ms, roll);
		return BL_OK;
	}
	for (int k = 0; k < QUERY_M5_OF_HOUR && !w->lead; k++) {
		if (roll[k].n == 0 && roll[k].unknown == 0)
			continue;
		c = find_cell(w, i, begin_unix_ms + k * QUERY_M5_MS);
		if (c != NULL && (seen || roll[k].n > 1)) {
			at->known_ms += off_ms;
			off_ms = 0;
		}
		seen = seen || roll[k].n > 0;
		if (c != NULL)
			fold_roll(w, at, c, &roll[k],
			    store_known_ms(&pace, roll[k].n, roll[k].unknown, unknown_near(roll, k),
				QUERY_M5_MS));
	}
	return BL_OK;
}

/* ---- samples ----------------------------------------------------------- */

/*
 * Where the clock was set back, two stretches of a boot lie between one another: each step from the
 * earlier to the later one would be growth again.
 */
static bool
in_order(const struct query_series *s, const struct query_at *at, int64_t boot_ms)
{
	return !at->has_last_boot_ms ||
	       (boot_ms > at->last_boot_ms &&
		   boot_ms - at->last_boot_ms <= store_pair_max_ms(s->interval_ms));
}

/*
 * By how much the counter has grown to e, which is of boot_ms by its boot's own time, and since how
 * long.  A thinned sample brings its neighbour along, so that nothing that comes later changes the
 * pair.  False: nothing is known of it.
 */
static bool
growth(const struct query_series *s, const struct query_at *at, const struct query_edge *e,
    int64_t boot_ms, const struct query_thin *t, double *out, double *known_ms)
{
	static const struct bl_thin one = { .count = 1 };
	const bool own = t != NULL && t->before_ms > 0 &&
			 t->before_ms <= store_pair_max_ms(s->interval_ms) + STORE_THIN_MAX_MS;

	if (!own && (!pairs(s, at, e->unix_ms, e->boot) || !in_order(s, at, boot_ms)))
		return false;
	*out = bl_increase(own ? t->before : at->last.value, e->value, t != NULL ? &t->thin : &one);
	*known_ms = own                    ? (double)t->before_ms
		    : at->has_last_boot_ms ? (double)(boot_ms - at->last_boot_ms)
					   : (double)(e->unix_ms - at->last.unix_ms);
	return true;
}

/* One known sample as a window of its own.  False: a counter's, and its growth is not known. */
static bool
roll_of_one(struct query_work *w, size_t i, const struct query_samples *s, size_t k,
    struct query_roll *out, double *known_ms)
{
	const double v = s->value[k];
	const struct query_thin *t =
	    s->thin != NULL && s->thin[k].thin.count > 1 ? &s->thin[k] : NULL;
	const struct query_edge e = { s->unix_ms[k], s->boot != NULL ? s->boot[k] : s->boot_all,
		v };
	bool known = true;

	*out = (struct query_roll){ .n = 1, .sum = v, .min = v, .max = v };
	if (t != NULL)
		*out = (struct query_roll){ .n = t->thin.count,
			.sum = v * (double)t->thin.count,
			.min = t->thin.min,
			.max = t->thin.max };
	if (w->counts) {
		const int64_t boot_ms =
		    e.unix_ms - (s->offset_ms != NULL ? s->offset_ms[k] : s->offset_all_ms);

		known = growth(&w->series[i], &w->at[i], &e, boot_ms, t, &out->increase, known_ms);
		set_last(&w->at[i], &e);
		w->at[i].has_last_boot_ms = true;
		w->at[i].last_boot_ms = boot_ms;
	}
	return known;
}

static int
fold_sample(
    struct query_work *w, size_t i, const struct query_samples *s, size_t k, struct bl_err *err)
{
	struct query_at *at = &w->at[i];
	struct bl_sketch *sketch;
	struct query_cell *c;
	struct query_roll one;
	double known_ms = 0;
	bool whole;

	if (s->unknown != NULL && s->unknown[k] != BL_KNOWN) {
		if (!w->lead && (c = find_cell(w, i, s->unix_ms[k])) != NULL)
			c->unknown++;
		return BL_OK;
	}
	whole = roll_of_one(w, i, s, k, &one, &known_ms);
	if (w->lead || (c = find_cell(w, i, s->unix_ms[k])) == NULL)
		return BL_OK;
	if (whole) {
		fold_roll(w, at, c, &one, known_ms);
	} else { /* a counter's first: nothing is known of its growth */
		count_series(at, c);
		c->n += one.n;
	}
	if (w->quantile == 0)
		return BL_OK;
	if ((sketch = query_cells_sketch(w, at->group, at->step)) == NULL ||
	    bl_sketch_add(sketch, s->value[k], one.n) < 0)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	return BL_OK;
}

int
query_take_samples(void *ctx, size_t i, const struct query_samples *s, struct bl_err *err)
{
	int rc = BL_OK;

	for (size_t k = 0; k < s->n && rc == BL_OK; k++)
		rc = fold_sample(ctx, i, s, k, err);
	return rc;
}
