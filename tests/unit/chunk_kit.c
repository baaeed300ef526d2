/* See chunk_kit.h. */
#include "chunk_kit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

uint64_t
kit_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint32_t
kit_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(kit_random(state) % n);
}

/* ---- times and boots ---- */

static void
fill_times(struct kit_column *c, uint64_t *s)
{
	static const uint32_t intervals[] = { 0, 1000, 10000, 10000, 10000, 60000, 900000 };
	int64_t t = kit_below(s, 4) == 0 ? kit_below(s, CHUNK_HOUR_MS) : kit_below(s, 12000);

	c->interval_ms = intervals[kit_below(s, 7)];
	c->n = 0;
	while (t < CHUNK_HOUR_MS && c->n < KIT_N_MAX) {
		c->unix_ms[c->n++] = KIT_HOUR + t;
		t += c->interval_ms == 0 ? kit_below(s, 90000)
					 : c->interval_ms - 10 + kit_below(s, 20);
		if (kit_below(s, 200) == 0)
			t += kit_below(s, 1500000); /* a hole */
		if (kit_below(s, 300) == 0 && c->n < KIT_N_MAX) {
			c->unix_ms[c->n] = c->unix_ms[c->n - 1]; /* two boots at one instant */
			c->n++;
		}
	}
	c->n_runs = 0;
	for (uint32_t left = c->n, n; left > 0; left -= n) {
		n = kit_below(s, 3) == 0 ? 1 + kit_below(s, left) : left;
		c->run[c->n_runs++] = (struct chunk_run){ (int64_t)kit_below(s, 3) - 1,
			KIT_HOUR - kit_below(s, 1000000), n };
	}
}

static int64_t
boot_of(const struct kit_column *c, uint32_t j)
{
	uint32_t i = 0;

	for (; j >= c->run[i].n; i++)
		j -= c->run[i].n;
	return c->run[i].boot;
}

/* ---- values ---- */

static double
next_value(uint64_t *s, unsigned kind, double before, uint32_t i)
{
	switch (kind) {
	case 0: /* constant */
		return i == 0 ? (double)kit_below(s, 1000) : before;
	case 1: /* a walk of two places */
		return round(before * 100 + (double)kit_below(s, 301) - 150) / 100;
	case 2: /* a counter, now and then reset */
		return kit_below(s, 150) == 0 ? (double)kit_below(s, 50)
					      : before + (double)kit_below(s, 5000);
	case 3: /* pages */
		return 4096.0 * (double)kit_below(s, 1u << 20);
	case 4: /* no decimals */
		return sqrt((double)kit_below(s, 1000000)) * (kit_below(s, 2) == 0 ? -1 : 1);
	case 5: /* few and small, zero among them */
		return (double)kit_below(s, 5);
	case 6: /* as wide as doubles are */
		return ldexp((double)kit_below(s, 1000000) - 500000, (int)kit_below(s, 1800) - 900);
	case 7: /* as large as integers may be */
		return (double)(INT64_C(1) << 53) - (double)kit_below(s, 3);
	default: /* a counter that runs */
		return before + (double)kit_below(s, 500);
	}
}

/* The known values as a sequence: integers where all are decimals of two places. */
static void
make_seq(struct kit_column *c)
{
	struct bl_seq *q = &c->seq;

	*q = (struct bl_seq){ .i = c->ints, .d = c->doubles, .integers = true, .scale = 2 };
	for (uint32_t j = 0; j < c->n; j++) {
		if (c->unknown[j] != BL_KNOWN)
			continue;
		c->doubles[q->n] = c->value[j];
		c->ints[q->n] = fabs(c->value[j]) < 1e12 ? llround(c->value[j] * 100) : 0;
		if ((double)c->ints[q->n] / 100 != c->value[j] ||
		    (c->value[j] == 0 && signbit(c->value[j])))
			q->integers = false;
		q->n++;
	}
	if (q->integers)
		return;
	q->integers = true;
	q->scale = 0;
	for (uint32_t i = 0; i < q->n; i++) {
		if (!(fabs(c->doubles[i]) <= 0x1p53) || floor(c->doubles[i]) != c->doubles[i] ||
		    (c->doubles[i] == 0 && signbit(c->doubles[i])))
			q->integers = false;
		else
			c->ints[i] = (int64_t)c->doubles[i];
	}
}

static void
thin_one(struct kit_column *c, uint32_t j, uint32_t prev, uint64_t *s)
{
	struct chunk_thin *t = &c->thin[j];

	t->thin.count = 2 + kit_below(s, 30);
	t->thin.min = c->value[j] - kit_below(s, 9);
	t->thin.max = c->value[j] + kit_below(s, 9);
	switch (kit_below(s, 4)) {
	case 0:
		break;
	case 1:
		t->before_ms = 1 + kit_below(s, 4000000);
		t->before = kit_below(s, 77);
		break;
	default:
		if (prev == UINT32_MAX || c->unix_ms[prev] == c->unix_ms[j])
			break;
		t->before_ms = c->unix_ms[j] - c->unix_ms[prev];
		t->before = c->value[prev];
		break;
	}
}

static void
fill_values(struct kit_column *c, uint64_t *s)
{
	const unsigned kind = kit_below(s, 9);
	const bool unknowns = kit_below(s, 3) == 0, thins = kit_below(s, 4) == 0;
	const uint32_t all = kit_below(s, 20);
	double v = (double)kit_below(s, 100000);
	uint32_t prev = UINT32_MAX;

	c->kind = kind == 2 || kind == 8 || kit_below(s, 4) == 0 ? BL_COUNTER : BL_GAUGE;
	c->any_unknown = c->any_thin = false;
	for (uint32_t j = 0; j < c->n; j++) {
		const bool unknown = unknowns && (all == 0 || kit_below(s, 5) == 0);

		v = next_value(s, kind, v, j);
		c->value[j] = unknown ? (double)NAN : v;
		c->unknown[j] = unknown ? (uint8_t)(1 + kit_below(s, 4)) : BL_KNOWN;
		c->thin[j] = (struct chunk_thin){ { v, v, unknown ? 0u : 1u }, 0, 0 };
		if (unknown)
			c->thin[j].thin.min = c->thin[j].thin.max = NAN;
		else if (thins && kind != 6 && kit_below(s, 3) == 0)
			thin_one(c, j, prev, s);
		c->any_unknown = c->any_unknown || unknown;
		c->any_thin = c->any_thin || c->thin[j].thin.count > 1;
		prev = unknown ? prev : j;
	}
	make_seq(c);
}

void
kit_fill(struct kit_column *c, uint64_t *s)
{
	fill_times(c, s);
	fill_values(c, s);
}

void
kit_fill_like(struct kit_column *c, const struct kit_column *like, uint64_t *s)
{
	c->interval_ms = like->interval_ms;
	c->n = like->n;
	c->n_runs = like->n_runs;
	memcpy(c->unix_ms, like->unix_ms, sizeof(c->unix_ms));
	memcpy(c->run, like->run, sizeof(c->run));
	fill_values(c, s);
}

int
kit_add(struct chunk_enc *e, const struct kit_column *c, struct bl_err *err)
{
	struct chunk_in in = { .metric = { c->metric, strlen(c->metric) },
		.series = c->series,
		.kind = c->kind,
		.interval_ms = c->interval_ms,
		.values = &c->seq,
		.unknown = c->any_unknown ? c->unknown : NULL,
		.thin = c->any_thin ? c->thin : NULL };

	in.times =
	    chunk_enc_times(e, c->device, c->stream, c->unix_ms, c->n, c->run, c->n_runs, err);
	return in.times < 0 ? in.times : chunk_enc_column(e, &in, err);
}

/* ---- the model ---- */

static int64_t
boot_ms_of(const struct kit_column *c, uint32_t j)
{
	const int64_t unix_ms = c->unix_ms[j];
	uint32_t i = 0;

	for (; j >= c->run[i].n; i++)
		j -= c->run[i].n;
	return unix_ms - c->run[i].offset_ms;
}

static double
increase_at(const struct kit_column *c, uint32_t prev, uint32_t j)
{
	const struct chunk_thin *t = &c->thin[j];
	int64_t span, boot_span;

	if (t->thin.count > 1 && t->before_ms > 0 &&
	    t->before_ms <= chunk_pair_ms(c->interval_ms) + CHUNK_HOUR_MS)
		return bl_increase(t->before, c->value[j], &t->thin);
	if (prev == UINT32_MAX || boot_of(c, prev) != boot_of(c, j))
		return 0;
	span = c->unix_ms[j] - c->unix_ms[prev];
	boot_span = boot_ms_of(c, j) - boot_ms_of(c, prev);
	return span <= chunk_pair_ms(c->interval_ms) && boot_span > 0 &&
		       boot_span <= chunk_pair_ms(c->interval_ms)
		   ? bl_increase(c->value[prev], c->value[j], &t->thin)
		   : 0;
}

void
kit_window(const struct kit_column *c, int64_t from_ms, int64_t to_ms, struct chunk_window *out)
{
	uint32_t prev = UINT32_MAX;
	long double sum = 0, increase = 0;

	*out = (struct chunk_window){ .sum = NAN, .min = NAN, .max = NAN, .increase = NAN };
	for (uint32_t j = 0; j < c->n; j++) {
		const struct bl_thin *t = &c->thin[j].thin;

		if (c->unix_ms[j] >= from_ms && c->unix_ms[j] < to_ms) {
			out->count += t->count;
			out->unknown += t->count == 0;
			out->min = fmin(out->min, t->min);
			out->max = fmax(out->max, t->max);
			if (t->count > 0) {
				sum += (long double)c->value[j] * t->count;
				increase += increase_at(c, prev, j);
			}
		}
		prev = t->count > 0 ? j : prev;
	}
	if (out->count == 0)
		return;
	if (c->kind == BL_GAUGE)
		out->sum = (double)sum;
	else
		out->increase = (double)increase;
}

struct bl_sketch *
kit_sketch(const struct kit_column *c)
{
	struct bl_sketch *s = bl_sketch_create();

	assert_non_null(s);
	for (uint32_t j = 0; j < c->n; j++)
		if (c->thin[j].thin.count > 0)
			assert_int_equal(
			    bl_sketch_add(s, c->value[j], c->thin[j].thin.count), BL_OK);
	return s;
}

/* ---- finding it again ---- */

void
kit_find(struct kit_found *f, const struct bl_buf *region, const struct kit_column *c)
{
	struct chunk_block_it it;
	struct chunk_metric m;
	struct chunk_block b;
	struct chunk_head head;
	struct chunk_dir d;
	struct bl_err err = { 0 };
	int64_t source, metric;

	assert_int_equal(chunk_head_parse(region->data, region->len, &head, &err), BL_OK);
	assert_int_equal(head.region_bytes, region->len);
	assert_int_equal(
	    chunk_index_parse(&f->ix, &head, region->data + head.index.offset, &err), BL_OK);
	source = chunk_source_find(f->ix, c->device, c->stream);
	metric = chunk_metric_find(f->ix, (struct bl_str){ c->metric, strlen(c->metric) });
	assert_true(source >= 0 && metric >= 0);
	chunk_metric_at(f->ix, (uint32_t)metric, &m);
	assert_int_equal(chunk_dir_open(&d, f->ix, &m, region->data + m.dir.offset, &err), BL_OK);
	while (chunk_dir_find(&d, (uint32_t)source, &b, &err) == 1) {
		assert_int_equal(
		    chunk_block_open(&it, f->ix, &b, region->data + b.span.offset, &err), BL_OK);
		while (chunk_block_next(&it, &f->c, &err) == 1)
			if (f->c.source == (uint32_t)source && f->c.series == c->series)
				return;
	}
	fail_msg("series %lld is not there: %s", (long long)c->series, err.msg);
}

void
kit_found_free(struct kit_found *f)
{
	chunk_index_free(f->ix);
}

void
kit_seq(struct bl_seq *q)
{
	double scale = 1;
	unsigned e = 0;

	for (uint32_t i = 0; i < q->n; i++)
		for (; e < 6 && round(q->d[i] * scale) / scale != q->d[i]; e++)
			scale *= 10;
	for (uint32_t i = 0; i < q->n; i++)
		q->i[i] = llround(q->d[i] * scale);
	q->integers = true;
	q->scale = (uint8_t)e;
}

/* ---- reading everything ---- */

struct reader {
	const uint8_t *region;
	struct chunk_index *ix;
	unsigned failed;
};

/* A copy of exactly these bytes; NULL: out of memory. */
static void *
piece(struct reader *r, const struct chunk_span *s)
{
	void *p = malloc(s->len + (s->len == 0));

	if (p == NULL)
		r->failed++;
	else
		memcpy(p, r->region + s->offset, s->len);
	return p;
}

static void
note(struct reader *r, int rc)
{
	r->failed += rc < 0;
}

/* Of a size that a small hostile index cannot blow up: larger columns are left alone. */
#define READ_N_MAX 70000u

static void
read_raw(struct reader *r, const struct chunk_column *c)
{
	static struct chunk_thin thin[READ_N_MAX];
	static int64_t scratch[READ_N_MAX], ms[READ_N_MAX];
	static double value[READ_N_MAX];
	static uint8_t unknown[READ_N_MAX];
	int rc;

	if (c->n > READ_N_MAX)
		return;
	for (uint32_t i = 0; i < c->n; i++)
		ms[i] = KIT_HOUR + i;
	note(r, rc = chunk_raw_doubles(c, value, unknown, scratch, NULL));
	if (rc < 0)
		return;
	for (uint32_t i = 0; i < c->n; i++)
		assert_int_equal(unknown[i] != BL_KNOWN, isnan(value[i]) != 0);
	note(r, rc = chunk_raw_thin(c, ms, value, thin, NULL));
	for (uint32_t i = 0; rc == BL_OK && i < c->n; i++)
		assert_true(thin[i].thin.count == 0 || thin[i].thin.min <= thin[i].thin.max);
}

static void
read_roll(struct reader *r, const struct chunk_column *c)
{
	struct chunk_window w[CHUNK_WINDOWS];
	const bool m5 = chunk_index_head(r->ix)->level == CHUNK_M5;
	struct chunk_edges edges;
	struct bl_sketch *s;
	int rc, got, counts;

	note(
	    r, got = rc = m5 ? chunk_m5_get(c, w, &edges, NULL) : chunk_h1_get(c, w, &edges, NULL));
	for (unsigned i = 0; rc == BL_OK && i < (m5 ? CHUNK_WINDOWS : 1); i++)
		assert_true(w[i].count == 0 ? isnan(w[i].min) : w[i].min <= w[i].max);
	if (m5)
		note(r, chunk_m5_sums(c, w, NULL));
	if (m5 || c->kind == BL_COUNTER)
		return;
	if ((s = bl_sketch_create()) == NULL) {
		r->failed++;
		return;
	}
	note(r, rc = chunk_h1_sketch(c, s, NULL));
	assert_true(got == BL_OK || rc < 0);
	assert_int_equal(bl_sketch_count(s), rc == BL_OK ? w[0].count : 0);
	bl_sketch_reset(s);
	/* Where memory ends, one of the two ways to it fails. */
	note(r, counts = chunk_h1_counts(c, s, NULL));
	assert_true(counts == rc || counts == BL_ENOMEM || rc == BL_ENOMEM);
	if (counts == BL_OK) {
		note(r, counts = bl_sketch_settle(s));
		assert_true(counts == BL_OK || counts == BL_ENOMEM);
		assert_true(counts < 0 || bl_sketch_count(s) == w[0].count);
	}
	bl_sketch_free(s);
}

static void
read_block(struct reader *r, const struct chunk_block *b)
{
	void *bytes = piece(r, &b->span);
	struct chunk_block_it it;
	struct chunk_column c = { 0 };
	bool begun = false;
	int rc;

	if (bytes == NULL)
		return;
	note(r, rc = chunk_block_open(&it, r->ix, b, bytes, NULL));
	for (; rc >= 0; begun = true) {
		const struct chunk_column before = c;

		if ((rc = chunk_block_next(&it, &c, NULL)) != 1)
			break;
		assert_true(c.source >= b->first && c.source <= b->last);
		assert_true(!begun || c.source > before.source ||
			    (c.source == before.source && c.series > before.series));
		if (chunk_index_head(r->ix)->level == CHUNK_RAW)
			read_raw(r, &c);
		else
			read_roll(r, &c);
	}
	note(r, rc);
	free(bytes);
}

static void
read_metric(struct reader *r, uint32_t i)
{
	struct chunk_metric m;
	struct chunk_block b;
	struct chunk_dir d;
	void *bytes;
	int rc;

	chunk_metric_at(r->ix, i, &m);
	if ((bytes = piece(r, &m.dir)) == NULL)
		return;
	assert_int_equal(chunk_metric_find(r->ix, m.name), i);
	note(r, rc = chunk_dir_open(&d, r->ix, &m, bytes, NULL));
	while (rc >= 0 && (rc = chunk_dir_next(&d, &b, NULL)) == 1)
		read_block(r, &b);
	note(r, rc);
	free(bytes);
}

static void
read_source(struct reader *r, uint32_t i)
{
	static int64_t ms[READ_N_MAX];
	struct chunk_source s;
	struct chunk_run runs[8];
	uint32_t n_runs;
	void *bytes;

	chunk_source_at(r->ix, i, &s);
	assert_int_equal(chunk_source_find(r->ix, s.device, s.stream), i);
	if (s.n_times == 0 || (bytes = piece(r, &s.times)) == NULL)
		return;
	for (uint32_t k = 0; k < s.n_times; k++) {
		if (chunk_times_n(r->ix, i, k) > READ_N_MAX)
			continue;
		note(r, chunk_times_get(r->ix, i, k, bytes, ms, runs, 8, &n_runs, NULL));
	}
	free(bytes);
}

unsigned
kit_read_region(const uint8_t *region, size_t len)
{
	struct reader r = { .region = region };
	struct chunk_head head;
	void *index;

	if (chunk_head_parse(region, len, &head, NULL) < 0 || head.region_bytes != len)
		return 1;
	if ((index = piece(&r, &head.index)) == NULL)
		return 1;
	if (chunk_index_parse(&r.ix, &head, index, NULL) < 0) {
		free(index);
		return 1;
	}
	free(index);
	for (uint32_t i = 0; i < chunk_metrics(r.ix); i++)
		read_metric(&r, i);
	for (uint32_t i = 0; i < chunk_sources(r.ix); i++)
		read_source(&r, i);
	chunk_index_free(r.ix);
	return r.failed;
}
