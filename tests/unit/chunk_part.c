/* See chunk_part.h. */
#include "chunk_part.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

void
part_free(struct part *p)
{
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bl_buf_free(&p->out[l]);
	free(p->c);
}

void
part_begin(struct part *p, unsigned n)
{
	*p = (struct part){ .n = n };
	assert_non_null(p->c = calloc(n, sizeof(*p->c)));
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bl_buf_init(&p->out[l], CHUNK_REGION_MAX);
}

void
part_random(struct part *p, unsigned n, uint64_t *s)
{
	int64_t device = (int64_t)kit_below(s, 100) - 50, series = -20;
	enum bl_stream stream;

	part_begin(p, n);
	for (unsigned i = 0; i < n; i++) {
		struct kit_column *c = &p->c[i];

		/* Its streams take turns. */
		stream = (enum bl_stream)(1 + kit_below(s, BL_STREAMS));
		if (kit_below(s, 6) == 0)
			device += 1 + kit_below(s, 3) * (kit_below(s, 4) == 0 ? 1000000007 : 0);
		c->device = device;
		c->stream = stream;
		series += 1 + kit_below(s, 200);
		c->series = series;
		(void)snprintf(c->metric, sizeof(c->metric), "m%u", kit_below(s, 5) * 5);
		if (i > 1 && kit_below(s, 3) == 0)
			kit_fill_like(c, &p->c[i - 1 - kit_below(s, 2)], s);
		else
			kit_fill(c, s);
	}
}

void
part_write(struct part *p, struct chunk_enc *e)
{
	struct bl_err err = { 0 };

	for (unsigned i = 0; i < p->n; i++)
		if (kit_add(e, &p->c[i], &err) < 0)
			fail_msg("column %u: %s", i, err.msg);
	if (chunk_enc_finish(e, p->out, &p->counts, &err) < 0)
		fail_msg("finish: %s", err.msg);
}

/* ---- what comes out ---- */

static void
check_raw(const struct part *p, const struct kit_column *c)
{
	static struct chunk_thin thin[KIT_N_MAX];
	static struct chunk_run runs[KIT_N_MAX];
	static int64_t ms[KIT_N_MAX], scratch[KIT_N_MAX];
	static double value[KIT_N_MAX];
	static uint8_t unknown[KIT_N_MAX];
	const uint8_t *region = p->out[CHUNK_RAW].data;
	struct chunk_source src;
	struct bl_err err = { 0 };
	struct kit_found f;
	uint32_t n_runs;

	kit_find(&f, &p->out[CHUNK_RAW], c);
	assert_int_equal(f.c.n, c->n);
	assert_int_equal(f.c.kind, c->kind);
	assert_int_equal(f.c.interval_ms, c->interval_ms);
	assert_int_equal(chunk_has_unknown(&f.c), c->any_unknown);
	assert_int_equal(chunk_has_thin(&f.c), c->any_thin);
	chunk_source_at(f.ix, f.c.source, &src);
	assert_int_equal(chunk_times_get(f.ix, f.c.source, f.c.times, region + src.times.offset, ms,
			     runs, KIT_N_MAX, &n_runs, &err),
	    BL_OK);
	assert_memory_equal(ms, c->unix_ms, c->n * sizeof(ms[0]));
	assert_int_equal(n_runs, c->n_runs);
	for (uint32_t i = 0; i < n_runs; i++)
		assert_true(runs[i].boot == c->run[i].boot && runs[i].n == c->run[i].n &&
			    runs[i].offset_ms == c->run[i].offset_ms);
	assert_int_equal(chunk_raw_doubles(&f.c, value, unknown, scratch, &err), BL_OK);
	assert_memory_equal(unknown, c->unknown, c->n);
	assert_int_equal(chunk_raw_thin(&f.c, ms, value, thin, &err), BL_OK);
	for (uint32_t j = 0; j < c->n; j++) {
		assert_true(c->unknown[j] != BL_KNOWN
				? isnan(value[j])
				: memcmp(&value[j], &c->value[j], sizeof(value[j])) == 0);
		assert_int_equal(thin[j].thin.count, c->thin[j].thin.count);
		if (c->unknown[j] != BL_KNOWN)
			continue;
		assert_true(thin[j].thin.min == c->thin[j].thin.min &&
			    thin[j].thin.max == c->thin[j].thin.max);
		assert_true(thin[j].before_ms == c->thin[j].before_ms &&
			    (thin[j].before_ms == 0 || thin[j].before == c->thin[j].before));
	}
	kit_found_free(&f);
}

/* Doubles in another order, or summed before they are scaled: near, not the same. */
static bool
near(double a, double b, double scale)
{
	return (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-9 * (fabs(scale) + fabs(b)) + 1e-300;
}

static void
check_window(const struct chunk_window *got, const struct chunk_window *want)
{
	const double most = fmax(fabs(want->min), fabs(want->max)) * (double)want->count;

	assert_int_equal(got->count, want->count);
	assert_int_equal(got->unknown, want->unknown);
	assert_true(near(got->sum, want->sum, most));
	assert_true(near(got->increase, want->increase, most));
	assert_true(want->count == 0 ? isnan(got->min) && isnan(got->max)
				     : got->min == want->min && got->max == want->max);
}

static void
check_edges(const struct kit_column *c, const struct chunk_edges *g)
{
	uint32_t first = 0, last = c->n - 1, run = 0, end = c->run[0].n;

	while (first < c->n && c->unknown[first] != BL_KNOWN)
		first++;
	if (c->kind == BL_GAUGE || first == c->n) {
		assert_false(g->there);
		return;
	}
	while (c->unknown[last] != BL_KNOWN)
		last--;
	assert_true(g->there && g->first == c->value[first] && g->last == c->value[last]);
	assert_true(g->first_unix_ms == c->unix_ms[first] && g->last_unix_ms == c->unix_ms[last]);
	for (; first >= end; end += c->run[++run].n)
		;
	assert_int_equal(g->first_boot, c->run[run].boot);
	for (; last >= end; end += c->run[++run].n)
		;
	assert_int_equal(g->last_boot, c->run[run].boot);
	assert_int_equal(
	    g->first_own, c->thin[first].thin.count > 1 && c->thin[first].before_ms > 0);
}

static void
check_m5(const struct part *p, const struct kit_column *c)
{
	struct chunk_window got[CHUNK_WINDOWS], sums[CHUNK_WINDOWS], want;
	struct chunk_edges edges;
	struct bl_err err = { 0 };
	struct kit_found f;

	kit_find(&f, &p->out[CHUNK_M5], c);
	assert_int_equal(chunk_m5_get(&f.c, got, &edges, &err), BL_OK);
	assert_int_equal(chunk_m5_sums(&f.c, sums, &err), BL_OK);
	for (unsigned w = 0; w < CHUNK_WINDOWS; w++) {
		const int64_t from = KIT_HOUR + (int64_t)w * CHUNK_WINDOW_MS;

		kit_window(c, from, from + CHUNK_WINDOW_MS, &want);
		check_window(&got[w], &want);
		sums[w].min = got[w].min;
		sums[w].max = got[w].max;
		assert_memory_equal(&sums[w], &got[w], sizeof(sums[w]));
	}
	check_edges(c, &edges);
	kit_found_free(&f);
}

static void
check_h1(const struct part *p, const struct kit_column *c)
{
	struct chunk_window got, want;
	struct chunk_edges edges;
	struct bl_err err = { 0 };
	struct kit_found f;

	kit_find(&f, &p->out[CHUNK_H1], c);
	assert_int_equal(chunk_h1_get(&f.c, &got, &edges, &err), BL_OK);
	kit_window(c, KIT_HOUR, KIT_HOUR + CHUNK_HOUR_MS, &want);
	check_window(&got, &want);
	check_edges(c, &edges);
	if (c->kind == BL_GAUGE) {
		struct bl_sketch *s = bl_sketch_create(), *model = kit_sketch(c);

		assert_int_equal(chunk_h1_sketch(&f.c, s, &err), BL_OK);
		assert_true(bl_sketch_equal(s, model));
		bl_sketch_reset(s);
		assert_int_equal(chunk_h1_counts(&f.c, s, &err), BL_OK);
		assert_int_equal(bl_sketch_settle(s), BL_OK);
		assert_true(bl_sketch_equal(s, model));
		bl_sketch_free(s);
		bl_sketch_free(model);
	}
	kit_found_free(&f);
}

void
part_check(const struct part *p, const struct kit_column *c)
{
	check_raw(p, c);
	check_m5(p, c);
	check_h1(p, c);
}
