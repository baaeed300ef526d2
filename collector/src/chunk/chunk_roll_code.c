/*
 * The bytes of roll-ups: of the twelve windows, and of the hour, which is one
 * window.  A sum is a mean and a remainder, the extremes are distances from
 * the mean; a steady counter is its increases and the first step of each
 * window, from which sums and extremes follow.
 */
#include "chunk_internal.h"

#include <math.h>

enum { ROLL_CONSTANT = 0, ROLL_SMOOTH = 1, ROLL_GENERAL = 2, ROLL_DOUBLES = 3 };

/* The windows that have known samples. */
struct list {
	unsigned n;
	uint8_t w[CHUNK_WINDOWS];
};

static void
list_windows(struct list *l, const struct chunk_roll *r)
{
	l->n = 0;
	for (unsigned w = 0; w < r->windows; w++)
		if (r->shape.known[w] > 0)
			l->w[l->n++] = (uint8_t)w;
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	const int64_t q = a / b;

	return q - (q * b > a);
}

/* ---- writing ---- */

static bool
constant(const struct chunk_roll *r, const struct list *l)
{
	const int64_t v = r->i.min[l->w[0]];

	for (unsigned i = 0; i < l->n; i++) {
		const unsigned w = l->w[i];

		if (r->i.min[w] != v || r->i.max[w] != v || (r->counter && r->i.total[w] != 0))
			return false;
	}
	return true;
}

static void
put_gauge(struct bl_bits_w *w, const struct chunk_roll *r, const struct list *l)
{
	int64_t mean[CHUNK_WINDOWS], low[CHUNK_WINDOWS], high[CHUNK_WINDOWS];

	for (unsigned i = 0; i < l->n; i++) {
		const unsigned at = l->w[i];

		mean[i] = floor_div(r->i.total[at], (int64_t)r->shape.known[at]);
		low[i] = mean[i] - r->i.min[at];
		high[i] = r->i.max[at] - mean[i];
	}
	chunk_few_put(w, mean, l->n);
	for (unsigned i = 0; i < l->n; i++) {
		const int64_t count = (int64_t)r->shape.known[l->w[i]];

		bl_bits_put(w, (uint64_t)(r->i.total[l->w[i]] - mean[i] * count),
		    bl_bits_length((uint64_t)count - 1));
	}
	chunk_few_put(w, low, l->n);
	chunk_few_put(w, high, l->n);
}

static void
put_steady(struct bl_bits_w *w, const struct chunk_roll *r, const struct list *l)
{
	int64_t step[CHUNK_WINDOWS], total[CHUNK_WINDOWS];

	for (unsigned i = 0; i < l->n; i++) {
		total[i] = r->i.total[l->w[i]];
		if (i > 0)
			step[i - 1] = r->i.min[l->w[i]] - r->i.max[l->w[i - 1]];
	}
	chunk_put_num(w, bl_zigzag(r->i.first));
	chunk_few_put(w, total, l->n);
	if (l->n > 1)
		chunk_few_put(w, step, l->n - 1);
}

static void
put_general(struct bl_bits_w *w, const struct chunk_roll *r, const struct list *l)
{
	int64_t total[CHUNK_WINDOWS], min[CHUNK_WINDOWS], span[CHUNK_WINDOWS];

	for (unsigned i = 0; i < l->n; i++) {
		total[i] = r->i.total[l->w[i]];
		min[i] = r->i.min[l->w[i]];
		span[i] = r->i.max[l->w[i]] - min[i];
	}
	chunk_few_put(w, total, l->n);
	chunk_put_num(w, bl_zigzag(r->i.first));
	chunk_put_num(w, bl_zigzag(r->i.last));
	chunk_few_put(w, min, l->n);
	chunk_few_put(w, span, l->n);
}

static void
put_numbers(struct bl_buf *out, double *v, unsigned n)
{
	const struct bl_seq s = { .d = v, .n = n };

	if (bl_seq_put(out, &s, BL_EFFORT_FULL, NULL) < 0)
		out->failed = true;
}

static void
put_doubles(struct bl_buf *out, const struct chunk_roll *r, const struct list *l)
{
	double total[CHUNK_WINDOWS], min[CHUNK_WINDOWS], max[CHUNK_WINDOWS];
	double ends[2] = { r->d.first, r->d.last };

	for (unsigned i = 0; i < l->n; i++) {
		total[i] = r->d.total[l->w[i]];
		min[i] = r->d.min[l->w[i]];
		max[i] = r->d.max[l->w[i]];
	}
	put_numbers(out, total, l->n);
	put_numbers(out, min, l->n);
	put_numbers(out, max, l->n);
	if (r->counter)
		put_numbers(out, ends, 2);
}

static void
put_head(struct bl_bits_w *w, const struct chunk_roll *r, unsigned mode)
{
	bl_bits_put(w, mode | (unsigned)r->scale << 2, 5);
	if (r->scale == BL_SEQ_SCALE_SHIFT)
		bl_bits_put(w, r->shift, 6);
}

void
chunk_roll_put(struct bl_bits_w *w, const struct chunk_roll *r)
{
	struct list l;

	list_windows(&l, r);
	if (l.n == 0)
		return;
	if (!r->integers) {
		bl_bits_put(w, ROLL_DOUBLES, 2);
		bl_bits_flush(w);
		put_doubles(w->b, r, &l);
	} else if (constant(r, &l)) {
		put_head(w, r, ROLL_CONSTANT);
		chunk_put_num(w, bl_zigzag(r->i.min[l.w[0]]));
	} else if (!r->counter) {
		put_head(w, r, ROLL_SMOOTH);
		put_gauge(w, r, &l);
	} else if (r->steady) {
		put_head(w, r, ROLL_SMOOTH);
		put_steady(w, r, &l);
	} else {
		put_head(w, r, ROLL_GENERAL);
		put_general(w, r, &l);
	}
}

/* ---- reading ---- */

static bool
get_int(struct bl_bits_r *r, int64_t *v)
{
	return chunk_few_get(r, v, 1);
}

static bool
get_constant(struct bl_bits_r *b, struct chunk_roll *r, const struct list *l)
{
	int64_t v, product;

	if (!get_int(b, &v))
		return false;
	for (unsigned i = 0; i < l->n; i++) {
		const unsigned w = l->w[i];

		if (__builtin_mul_overflow(v, (int64_t)r->shape.known[w], &product))
			return false;
		r->i.min[w] = r->i.max[w] = v;
		r->i.total[w] = r->counter ? 0 : product;
	}
	r->i.first = r->i.last = v;
	return true;
}

static bool
get_gauge(struct bl_bits_r *b, struct chunk_roll *r, const struct list *l, bool sums)
{
	int64_t mean[CHUNK_WINDOWS], low[CHUNK_WINDOWS], high[CHUNK_WINDOWS];
	bool ok = chunk_few_get(b, mean, l->n);

	for (unsigned i = 0; ok && i < l->n; i++) {
		const int64_t count = (int64_t)r->shape.known[l->w[i]];
		const int64_t rest = (int64_t)bl_bits_get(b, bl_bits_length((uint64_t)count - 1));
		int64_t *total = &r->i.total[l->w[i]];

		ok = rest < count && !__builtin_mul_overflow(mean[i], count, total) &&
		     !__builtin_add_overflow(*total, rest, total);
	}
	if (!ok || sums)
		return ok;
	ok = chunk_few_get(b, low, l->n) && chunk_few_get(b, high, l->n);
	for (unsigned i = 0; ok && i < l->n; i++) {
		/* All within 2^61, so no difference overflows. */
		r->i.min[l->w[i]] = mean[i] - low[i];
		r->i.max[l->w[i]] = mean[i] + high[i];
		ok = low[i] >= 0 && high[i] >= 0;
	}
	return ok;
}

static bool
get_steady(struct bl_bits_r *b, struct chunk_roll *r, const struct list *l, bool sums)
{
	int64_t total[CHUNK_WINDOWS], step[CHUNK_WINDOWS] = { 0 }, max;
	bool ok = get_int(b, &r->i.first) && chunk_few_get(b, total, l->n);

	for (unsigned i = 0; ok && i < l->n; i++)
		r->i.total[l->w[i]] = total[i];
	if (!ok || sums)
		return ok;
	ok = l->n == 1 || chunk_few_get(b, step + 1, l->n - 1);
	max = r->i.first;
	for (unsigned i = 0; ok && i < l->n; i++) {
		ok = step[i] >= 0 && total[i] >= step[i];
		r->i.min[l->w[i]] = max + step[i];
		max += total[i];
		ok = ok && max <= CHUNK_INT_MAX;
		r->i.max[l->w[i]] = max;
	}
	r->i.last = max;
	return ok;
}

static bool
get_general(struct bl_bits_r *b, struct chunk_roll *r, const struct list *l, bool sums)
{
	int64_t total[CHUNK_WINDOWS], min[CHUNK_WINDOWS], span[CHUNK_WINDOWS];
	bool ok = chunk_few_get(b, total, l->n);

	for (unsigned i = 0; ok && i < l->n; i++)
		r->i.total[l->w[i]] = total[i];
	if (!ok || sums)
		return ok;
	ok = get_int(b, &r->i.first) && get_int(b, &r->i.last) && chunk_few_get(b, min, l->n) &&
	     chunk_few_get(b, span, l->n);
	for (unsigned i = 0; ok && i < l->n; i++) {
		r->i.min[l->w[i]] = min[i];
		r->i.max[l->w[i]] = min[i] + span[i];
		ok = span[i] >= 0;
	}
	return ok;
}

static bool
get_numbers(struct bl_rd *rd, double *v, unsigned n)
{
	int64_t ints[CHUNK_WINDOWS];
	struct bl_seq s = { .i = ints, .d = v };

	if (bl_seq_get(rd, n, &s, NULL) < 0)
		return false;
	bl_seq_doubles(&s, v);
	return true;
}

static bool
get_doubles(struct bl_rd *rd, struct chunk_roll *r, const struct list *l)
{
	double total[CHUNK_WINDOWS], min[CHUNK_WINDOWS], max[CHUNK_WINDOWS], ends[2] = { 0, 0 };
	bool ok = get_numbers(rd, total, l->n) && get_numbers(rd, min, l->n) &&
		  get_numbers(rd, max, l->n) && (!r->counter || get_numbers(rd, ends, 2));

	for (unsigned i = 0; ok && i < l->n; i++) {
		r->d.total[l->w[i]] = total[i];
		r->d.min[l->w[i]] = min[i];
		r->d.max[l->w[i]] = max[i];
		ok = min[i] <= max[i];
	}
	r->d.first = ends[0];
	r->d.last = ends[1];
	return ok;
}

bool
chunk_roll_get(struct bl_bits_r *b, struct chunk_roll *r, bool sums)
{
	struct list l;
	struct bl_rd rd;
	unsigned mode;
	bool ok;

	list_windows(&l, r);
	if (l.n == 0)
		return true;
	mode = (unsigned)bl_bits_get(b, 2);
	r->integers = mode != ROLL_DOUBLES;
	r->steady = mode == ROLL_SMOOTH && r->counter;
	r->shift = 0;
	if (mode == ROLL_DOUBLES) {
		if (b->bytes == 0 || b->p[0] != ROLL_DOUBLES)
			return false;
		bl_rd_init(&rd, b->p + 1, b->bytes - 1);
		ok = get_doubles(&rd, r, &l) && !rd.failed;
		*b = (struct bl_bits_r){ .p = rd.p, .bytes = (size_t)(rd.end - rd.p) };
		return ok;
	}
	r->scale = (uint8_t)bl_bits_get(b, 3);
	if (r->scale == BL_SEQ_SCALE_SHIFT)
		r->shift = (uint8_t)bl_bits_get(b, 6);
	if (mode == ROLL_CONSTANT)
		return get_constant(b, r, &l);
	if (mode == ROLL_GENERAL)
		return r->counter && get_general(b, r, &l, sums);
	return r->counter ? get_steady(b, r, &l, sums) : get_gauge(b, r, &l, sums);
}

/* ---- as doubles ---- */

static const double powers_of_ten[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6 };

double
chunk_power_of_ten(unsigned scale)
{
	return powers_of_ten[scale];
}

double
chunk_scaled(int64_t i, unsigned scale, unsigned shift)
{
	if (scale == BL_SEQ_SCALE_SHIFT)
		return ldexp((double)i, (int)shift);
	return (double)i / powers_of_ten[scale];
}

void
chunk_roll_doubles(struct chunk_roll *r)
{
	if (!r->integers)
		return;
	for (unsigned w = 0; w < r->windows; w++) {
		if (r->shape.known[w] == 0)
			continue;
		r->d.total[w] = chunk_scaled(r->i.total[w], r->scale, r->shift);
		r->d.min[w] = chunk_scaled(r->i.min[w], r->scale, r->shift);
		r->d.max[w] = chunk_scaled(r->i.max[w], r->scale, r->shift);
	}
	if (!r->counter)
		return;
	r->d.first = chunk_scaled(r->i.first, r->scale, r->shift);
	r->d.last = chunk_scaled(r->i.last, r->scale, r->shift);
}

int32_t
chunk_roll_ordinal(const struct chunk_roll *r, bool max)
{
	if (r->integers)
		return bl_sketch_ordinal(
		    chunk_scaled(max ? r->i.max[0] : r->i.min[0], r->scale, r->shift));
	return bl_sketch_ordinal(max ? r->d.max[0] : r->d.min[0]);
}
