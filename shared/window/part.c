/*
 * Parts: what one device gives to one window of a KPI.  Merging is exact,
 * commutative and associative in every field: counts and spans are saturating
 * sums of what is not negative, -0 is 0, the sum is exact, the sketch is a
 * function of its values.
 */
#include "branchline/window.h"

#include <math.h>
#include <string.h>

#include "branchline/sketch.h"
#include "sum_internal.h"

int
bl_part_init(struct bl_part *p, bool with_sketch)
{
	p->sketch = NULL;
	bl_part_reset(p);
	if (!with_sketch)
		return BL_OK;
	p->sketch = bl_sketch_create();
	return p->sketch != NULL ? BL_OK : BL_ENOMEM;
}

void
bl_part_free(struct bl_part *p)
{
	bl_sketch_free(p->sketch);
	p->sketch = NULL;
}

void
bl_part_reset(struct bl_part *p)
{
	p->n = 0;
	p->hits = 0;
	p->min = 0;
	p->max = 0;
	p->span_ms = 0;
	bl_sum_zero(&p->sum);
	if (p->sketch != NULL)
		bl_sketch_reset(p->sketch);
}

static uint64_t
add_counts(uint64_t a, uint64_t b)
{
	return b < UINT64_MAX - a ? a + b : UINT64_MAX;
}

static int64_t
add_spans(int64_t a, int64_t b)
{
	return b < INT64_MAX - a ? a + b : INT64_MAX;
}

static void
add_value(struct bl_part *p, double value)
{
	if (p->n == 0 || value < p->min)
		p->min = value;
	if (p->n == 0 || value > p->max)
		p->max = value;
	p->n = add_counts(p->n, 1);
	bl_sum_add(&p->sum, value);
}

int
bl_part_add(struct bl_part *p, double value, bool hit)
{
	const double plain = value + 0.0; /* -0 becomes 0: which came first must not show */
	int rc;

	if (!isfinite(value))
		return BL_EINVAL;
	if (p->sketch != NULL && (rc = bl_sketch_add(p->sketch, plain, 1)) < 0)
		return rc;
	add_value(p, plain);
	p->hits = add_counts(p->hits, hit);
	return BL_OK;
}

/* Nothing is added to the sketch unless all of it is. */
static int
sketch_many(struct bl_sketch *s, const struct bl_part_many *m)
{
	struct bl_sketch *all = bl_sketch_create();
	int rc = BL_ENOMEM;

	if (all == NULL)
		return rc;
	rc = bl_sketch_add(all, m->count > 1 ? m->min + 0.0 : m->mean + 0.0, 1);
	if (rc == BL_OK && m->count > 1)
		rc = bl_sketch_add(all, m->max + 0.0, 1);
	if (rc == BL_OK && m->count > 2)
		rc = bl_sketch_add(all, m->mean + 0.0, m->count - 2);
	if (rc == BL_OK)
		rc = bl_sketch_merge(s, all);
	bl_sketch_free(all);
	return rc;
}

int
bl_part_add_many(struct bl_part *p, const struct bl_part_many *m, bool hit)
{
	const double mean = m->mean + 0.0, min = m->min + 0.0, max = m->max + 0.0;
	const double sum = mean * (double)m->count;
	int rc;

	if (m->count == 0 || !isfinite(sum) || !isfinite(min) || !isfinite(max))
		return BL_EINVAL;
	if (p->sketch != NULL && (rc = sketch_many(p->sketch, m)) < 0)
		return rc;
	if (p->n == 0 || min < p->min)
		p->min = min;
	if (p->n == 0 || max > p->max)
		p->max = max;
	p->n = add_counts(p->n, m->count);
	p->hits = add_counts(p->hits, hit ? m->count : 0);
	/* The product and what rounding took from it: so the mean comes back. */
	bl_sum_add(&p->sum, sum);
	bl_sum_add(&p->sum, fma(mean, (double)m->count, -sum));
	return BL_OK;
}

void
bl_part_add_increase(struct bl_part *p, double increase, int64_t span_ms)
{
	if (!isfinite(increase) || increase < 0 || span_ms <= 0)
		return;
	add_value(p, increase + 0.0);
	p->span_ms = add_spans(p->span_ms, span_ms);
}

int
bl_part_merge(struct bl_part *p, const struct bl_part *from)
{
	int rc;

	if (from->n == 0)
		return BL_OK;
	if (p->sketch != NULL && from->sketch == NULL)
		return BL_EINVAL;
	if (p->sketch != NULL && (rc = bl_sketch_merge(p->sketch, from->sketch)) < 0)
		return rc;
	if (p->n == 0 || from->min < p->min)
		p->min = from->min;
	if (p->n == 0 || from->max > p->max)
		p->max = from->max;
	p->n = add_counts(p->n, from->n);
	p->hits = add_counts(p->hits, from->hits);
	p->span_ms = add_spans(p->span_ms, from->span_ms);
	bl_sum_merge(&p->sum, &from->sum);
	return BL_OK;
}

/* A quantile is no value that was never there: one value is itself. */
static double
percentile(const struct bl_part *p, double q)
{
	const double v = bl_sketch_quantile(p->sketch, q);

	return v < p->min ? p->min : v > p->max ? p->max : v;
}

bool
bl_part_value(const struct bl_part *p, enum bl_function f, double q, double *out)
{
	double v = NAN;

	if (p->n == 0 && f != BL_FN_COUNT && f != BL_FN_SUM)
		return false;
	switch (f) {
	case BL_FN_MEAN:
		v = bl_sum_value(&p->sum) / (double)p->n;
		break;
	case BL_FN_COUNT:
		v = (double)p->n;
		break;
	case BL_FN_SUM:
		v = bl_sum_value(&p->sum);
		break;
	case BL_FN_MIN:
		v = p->min;
		break;
	case BL_FN_MAX:
		v = p->max;
		break;
	case BL_FN_RATE:
		if (p->span_ms > 0)
			v = bl_sum_value(&p->sum) / ((double)p->span_ms / 1000);
		break;
	case BL_FN_SHARE:
		v = 100.0 * (double)p->hits / (double)p->n;
		break;
	case BL_FN_PERCENTILE:
		if (p->sketch != NULL)
			v = percentile(p, q);
		break;
	}
	/* A sum beyond all doubles is no value. */
	if (!isfinite(v))
		return false;
	*out = v;
	return true;
}

static bool
sums_equal(const struct bl_sum *a, const struct bl_sum *b)
{
	struct sum_plain x, y;

	bl_sum_plain(a, &x);
	bl_sum_plain(b, &y);
	return x.negative == y.negative && x.lowest == y.lowest && x.n == y.n &&
	       memcmp(x.byte, y.byte, sizeof(x.byte)) == 0;
}

bool
bl_part_equal(const struct bl_part *a, const struct bl_part *b)
{
	if (a->n != b->n || a->hits != b->hits || a->span_ms != b->span_ms ||
	    (a->sketch == NULL) != (b->sketch == NULL))
		return false;
	if (a->n > 0 && (a->min < b->min || a->min > b->min || a->max < b->max || a->max > b->max))
		return false;
	return sums_equal(&a->sum, &b->sum) &&
	       (a->sketch == NULL || bl_sketch_equal(a->sketch, b->sketch));
}
