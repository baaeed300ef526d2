/*
 * Parts: what goes in comes out, roll-ups are those of a model that works them
 * out sample by sample, and bytes that somebody has changed are refused and
 * nothing worse.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "mix.h"
#include "chunk_kit.h"
#include "folder.h"
#include "nomem.h"
#include "store_read.h"

#define COLUMNS 40u

struct part {
	struct kit_column *c;
	unsigned n;
	struct bl_buf out[CHUNK_LEVELS];
	struct chunk_counts counts;
};

static void
part_free(struct part *p)
{
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bl_buf_free(&p->out[l]);
	free(p->c);
}

static void
part_begin(struct part *p, unsigned n)
{
	*p = (struct part){ .n = n };
	assert_non_null(p->c = calloc(n, sizeof(*p->c)));
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bl_buf_init(&p->out[l], CHUNK_REGION_MAX);
}

/* Columns at random: some devices with some metrics, many of one metric among them. */
static void
part_random(struct part *p, unsigned n, uint64_t *s)
{
	int64_t device = (int64_t)kit_below(s, 100) - 50, series = -20;
	enum bl_stream stream = BL_STREAM_EVENTS;

	part_begin(p, n);
	for (unsigned i = 0; i < n; i++) {
		struct kit_column *c = &p->c[i];

		if (kit_below(s, 3) == 0 && stream < BL_STREAM_HOST) {
			stream++;
		} else if (kit_below(s, 2) == 0) {
			stream = BL_STREAM_EVENTS;
			device += 1 + kit_below(s, 3) * (kit_below(s, 4) == 0 ? 1000000007 : 0);
		}
		c->device = device;
		c->stream = stream;
		series += 1 + kit_below(s, 200);
		c->series = series;
		(void)snprintf(c->metric, sizeof(c->metric), "m%u", kit_below(s, 5) * 5);
		kit_fill(c, s);
	}
}

static void
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
		bl_sketch_free(s);
		bl_sketch_free(model);
	}
	kit_found_free(&f);
}

static void
what_goes_in_comes_out(void **state)
{
	const unsigned n = rounds(40, 2000);
	uint64_t s = 1;
	struct chunk_enc *e = chunk_enc_create(0);

	(void)state;
	assert_non_null(e);
	for (unsigned i = 0; i < n; i++) {
		struct part p;

		part_random(&p, 1 + kit_below(&s, COLUMNS), &s);
		chunk_enc_reset(e, KIT_HOUR);
		part_write(&p, e);
		for (unsigned k = 0; k < p.n; k++) {
			check_raw(&p, &p.c[k]);
			check_m5(&p, &p.c[k]);
			check_h1(&p, &p.c[k]);
		}
		assert_int_equal(p.counts.series, p.n);
		part_free(&p);
	}
	chunk_enc_free(e);
}

/* ---- more than a sequence holds, and as large as it may be ---- */

static void
check_long(const struct part *p, const struct kit_column *c, const int64_t *v, uint32_t n)
{
	struct chunk_window w[CHUNK_WINDOWS];
	struct bl_seq got = { .i = calloc(n, sizeof(int64_t)), .d = calloc(n, sizeof(double)) };
	int64_t *ms = calloc(n, sizeof(*ms));
	struct chunk_source src;
	struct bl_err err = { 0 };
	struct kit_found f;

	assert_true(got.i != NULL && got.d != NULL && ms != NULL);
	kit_find(&f, &p->out[CHUNK_RAW], c);
	assert_int_equal(f.c.n, n);
	chunk_source_at(f.ix, f.c.source, &src);
	assert_int_equal(chunk_times_get(f.ix, f.c.source, f.c.times,
			     p->out[CHUNK_RAW].data + src.times.offset, ms, NULL, 0, NULL, &err),
	    BL_OK);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(ms[i], KIT_HOUR + (int64_t)i * 20);
	assert_int_equal(chunk_raw_seq(&f.c, &got, NULL, &err), BL_OK);
	assert_int_equal(got.n, n);
	bl_seq_doubles(&got, got.d);
	for (uint32_t i = 0; i < n; i++)
		assert_true(got.d[i] == (double)v[i]);
	kit_found_free(&f);
	kit_find(&f, &p->out[CHUNK_M5], c);
	assert_int_equal(chunk_m5_get(&f.c, w, NULL, &err), BL_OK);
	for (uint32_t k = 0; k < CHUNK_WINDOWS; k++) {
		double sum = 0;

		for (uint32_t i = k * 15000; i < (k + 1) * 15000; i++)
			sum += (double)v[i];
		assert_true(fabs(w[k].sum - sum) <= 1e-9 * fabs(sum) && w[k].count == 15000);
	}
	kit_found_free(&f);
	free(got.i);
	free(got.d);
	free(ms);
}

static void
long_columns_come_out_whole(void **state)
{
	enum { N = 180000 };
	static struct kit_column c;
	int64_t *v = calloc(N, sizeof(*v)), *ms = calloc(N, sizeof(*ms));
	struct chunk_enc *e = chunk_enc_create(KIT_HOUR);
	const struct chunk_run run = { 5, 6, N };
	const struct bl_seq q = { .i = v, .n = N, .integers = true };
	struct chunk_in in = { .metric = { "m", 1 }, .kind = BL_GAUGE, .values = &q };
	struct bl_err err = { 0 };
	uint64_t s = 17;
	struct part p;

	(void)state;
	assert_true(v != NULL && ms != NULL && e != NULL);
	part_begin(&p, 0);
	c.stream = BL_STREAM_HOST;
	(void)strcpy(c.metric, "m");
	for (int huge = 0; huge < 2; huge++) {
		for (uint32_t i = 0; i < N; i++) {
			ms[i] = KIT_HOUR + (int64_t)i * 20;
			v[i] = (huge ? INT64_C(1) << 53 : 1000) - kit_below(&s, 200);
		}
		chunk_enc_reset(e, KIT_HOUR);
		in.times = chunk_enc_times(e, 0, BL_STREAM_HOST, ms, N, &run, 1, &err);
		assert_true(in.times >= 0);
		assert_int_equal(chunk_enc_column(e, &in, &err), BL_OK);
		for (unsigned l = 0; l < CHUNK_LEVELS; l++)
			bl_buf_reset(&p.out[l]);
		assert_int_equal(chunk_enc_finish(e, p.out, NULL, &err), BL_OK);
		check_long(&p, &c, v, N);
	}
	part_free(&p);
	chunk_enc_free(e);
	free(v);
	free(ms);
}

/* A counter that falls all the time sums its values. */
static void
huge_increases_come_out(void **state)
{
	struct chunk_enc *e = chunk_enc_create(KIT_HOUR);
	struct kit_column *c;
	struct part p;

	(void)state;
	assert_non_null(e);
	part_begin(&p, 1);
	c = p.c;
	c->stream = BL_STREAM_HOST;
	c->kind = BL_COUNTER;
	c->interval_ms = 4000;
	(void)strcpy(c->metric, "m");
	c->n = KIT_N_MAX;
	c->run[c->n_runs++] = (struct chunk_run){ 1, 2, c->n };
	c->seq = (struct bl_seq){ .i = c->ints, .n = c->n, .integers = true };
	for (uint32_t j = 0; j < c->n; j++) {
		c->unix_ms[j] = KIT_HOUR + j * 4000;
		c->ints[j] = (INT64_C(1) << 53) - (j & 1);
		c->value[j] = (double)c->ints[j];
		c->thin[j].thin = (struct bl_thin){ c->value[j], c->value[j], 1 };
	}
	part_write(&p, e);
	check_raw(&p, c);
	check_m5(&p, c);
	check_h1(&p, c);
	part_free(&p);
	chunk_enc_free(e);
}

/* ---- the increase is the store's ---- */

static void
increase_is_that_of_the_store(void **state)
{
	uint64_t s = 3;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		const double before = kit_below(&s, 20), value = kit_below(&s, 20);
		const struct bl_thin t = { kit_below(&s, 20), kit_below(&s, 20), kit_below(&s, 3) };

		assert_true(chunk_increase(before, value, &t) == store_increase(before, value, &t));
	}
}

/* ---- what is refused ---- */

static void
wrong_columns_are_refused_and_change_nothing(void **state)
{
	static struct kit_column c, good;
	struct chunk_enc *e = chunk_enc_create(KIT_HOUR);
	struct bl_err err;
	uint64_t s = 5;
	struct part p;
	size_t bytes;

	(void)state;
	assert_non_null(e);
	do {
		kit_fill(&good, &s);
	} while (good.n < 10 || good.any_unknown || good.seq.integers || good.n_runs > 1);
	good.device = 1;
	good.stream = BL_STREAM_HOST;
	(void)strcpy(good.metric, "m");
	assert_int_equal(kit_add(e, &good, &err), BL_OK);
	bytes = chunk_enc_bytes(e);
	for (unsigned i = 0; i < 11; i++) {
		c = good;
		c.series = 1 + i;
		c.seq.d = c.doubles;
		switch (i) {
		case 0:
			c.unix_ms[0] = KIT_HOUR - 1;
			break;
		case 1:
			c.unix_ms[c.n - 1] = KIT_HOUR + CHUNK_HOUR_MS;
			break;
		case 2:
			c.unix_ms[4] = c.unix_ms[3] - 1;
			break;
		case 3:
			c.run[0].n--;
			break;
		case 4:
			c.metric[0] = '\0';
			break;
		case 5:
			c.doubles[3] = INFINITY;
			break;
		case 6:
			c.seq.n--;
			break;
		case 7:
			c.kind = (enum bl_series_kind)3;
			break;
		case 8:
			c.any_unknown = true;
			c.unknown[3] = BL_UNKNOWN_LATE + 1;
			c.seq.n--;
			break;
		case 9:
			c.any_thin = true;
			c.thin[3].thin = (struct bl_thin){ 2, 1, 2 };
			break;
		default:
			c.stream = (enum bl_stream)4;
			break;
		}
		assert_int_equal(kit_add(e, &c, &err), BL_EINVAL);
		assert_int_equal(chunk_enc_bytes(e), bytes);
	}
	part_begin(&p, 0);
	assert_int_equal(chunk_enc_finish(e, p.out, &p.counts, &err), BL_OK);
	assert_int_equal(p.counts.series, 1);
	check_raw(&p, &good);

	/* A series twice; a device in two pieces; nothing at all. */
	chunk_enc_reset(e, KIT_HOUR);
	assert_int_equal(kit_add(e, &good, &err), BL_OK);
	assert_int_equal(kit_add(e, &good, &err), BL_OK);
	assert_int_equal(chunk_enc_finish(e, p.out, NULL, &err), BL_EINVAL);
	chunk_enc_reset(e, KIT_HOUR);
	c = good;
	c.seq.d = c.doubles;
	for (int64_t device = 1; device < 4; device++) {
		c.device = device % 2;
		c.series = device;
		assert_int_equal(kit_add(e, &c, &err), BL_OK);
	}
	assert_int_equal(chunk_enc_finish(e, p.out, NULL, &err), BL_EINVAL);
	chunk_enc_reset(e, KIT_HOUR);
	assert_int_equal(chunk_enc_finish(e, p.out, NULL, &err), BL_EINVAL);
	chunk_enc_free(e);
	part_free(&p);
}

/* ---- changed bytes ---- */

static void
changed_bytes_are_noticed(void **state)
{
	struct chunk_enc *e = chunk_enc_create(KIT_HOUR);
	const unsigned places = rounds(200, 20000);
	uint64_t s = 7;
	struct part p;

	(void)state;
	assert_non_null(e);
	part_random(&p, 12, &s);
	part_write(&p, e);
	for (unsigned l = 0; l < CHUNK_LEVELS; l++) {
		struct bl_buf *b = &p.out[l];
		const size_t step = b->len / places + 1;

		assert_int_equal(kit_read_region(b->data, b->len), 0);
		for (size_t at = 0; at < b->len; at += 1 + kit_below(&s, (uint32_t)step * 2)) {
			const uint8_t bit = (uint8_t)(1u << kit_below(&s, 8));

			b->data[at] ^= bit;
			if (kit_read_region(b->data, b->len) == 0)
				fail_msg("level %u: byte %zu may change", l, at);
			b->data[at] ^= bit;
		}
		assert_true(kit_read_region(b->data, b->len - 1) > 0);
	}
	part_free(&p);
	chunk_enc_free(e);
}

/* ---- caps ---- */

static void
a_full_buffer_is_said_and_left_as_it_was(void **state)
{
	struct chunk_enc *e = chunk_enc_create(KIT_HOUR);
	struct bl_err err = { 0 };
	uint64_t s = 13;
	struct part p;

	(void)state;
	assert_non_null(e);
	part_random(&p, 8, &s);
	for (unsigned i = 0; i < p.n; i++)
		assert_true(kit_add(e, &p.c[i], &err) >= 0);
	p.out[CHUNK_M5].cap = 300;
	bl_buf_u32(&p.out[CHUNK_RAW], 7);
	bl_buf_u32(&p.out[CHUNK_M5], 8);
	assert_int_equal(chunk_enc_finish(e, p.out, NULL, &err), BL_EFULL);
	assert_true(p.out[CHUNK_RAW].len == 4 && p.out[CHUNK_M5].len == 4);
	assert_false(p.out[CHUNK_M5].failed);
	/* What stands before a region stays there. */
	p.out[CHUNK_M5].cap = CHUNK_REGION_MAX;
	assert_int_equal(chunk_enc_finish(e, p.out, NULL, &err), BL_OK);
	assert_int_equal(p.out[CHUNK_M5].data[0], 8);
	assert_int_equal(kit_read_region(p.out[CHUNK_M5].data + 4, p.out[CHUNK_M5].len - 4), 0);
	assert_int_equal(kit_read_region(p.out[CHUNK_RAW].data + 4, p.out[CHUNK_RAW].len - 4), 0);
	part_free(&p);
	chunk_enc_free(e);
}

/* ---- memory that ends ---- */

static void
memory_that_ends_leaves_the_encoder_usable(void **state)
{
	struct chunk_enc *e = chunk_enc_create(KIT_HOUR);
	struct bl_err err = { 0 };
	uint64_t s = 11;
	struct part p;
	bool fired = true;

	(void)state;
	assert_non_null(e);
	part_random(&p, 6, &s);
	for (unsigned nth = 1; fired; nth++) {
		struct chunk_enc *fresh;
		int rc = BL_OK;

		nomem_arm(nth);
		fresh = chunk_enc_create(KIT_HOUR);
		for (unsigned i = 0; fresh != NULL && rc >= 0 && i < p.n; i++)
			rc = kit_add(fresh, &p.c[i], &err);
		if (fresh != NULL && rc >= 0)
			rc = chunk_enc_finish(fresh, p.out, NULL, &err);
		fired = nomem_disarm();
		assert_true(fired ? fresh == NULL || rc == BL_ENOMEM : rc == BL_OK);
		assert_true(!fired || p.out[CHUNK_RAW].len == 0);
		chunk_enc_free(fresh);
	}
	for (unsigned k = 0; k < p.n; k++)
		check_raw(&p, &p.c[k]);
	for (unsigned l = 0; l < CHUNK_LEVELS; l++) {
		fired = true;
		for (unsigned nth = 1; fired; nth++) {
			unsigned failed;

			nomem_arm(nth);
			failed = kit_read_region(p.out[l].data, p.out[l].len);
			fired = nomem_disarm();
			assert_true((failed > 0) == fired);
		}
	}
	part_free(&p);
	chunk_enc_free(e);
}

/* ---- sizes ---- */

/* A fleet of the mix: the parts stay as small as README.md says. */
static void
a_part_is_as_small_as_it_is_said_to_be(void **state)
{
	enum { DEVICES = 4, SERIES = 100, TICKS = 360 };
	struct mix mix;
	static int64_t ints[TICKS], ms[TICKS];
	static double v[DEVICES][SERIES][TICKS];
	const struct chunk_run run = { 1, 0, TICKS };
	struct chunk_enc *e = chunk_enc_create(KIT_HOUR);
	struct bl_err err = { 0 };
	struct part p;
	double rollup, guess;

	(void)state;
	assert_non_null(e);
	part_begin(&p, 0);
	for (unsigned d = 0; d < DEVICES; d++) {
		int times;

		mix_init(&mix, 1, d);
		for (unsigned t = 0; t < TICKS; t++) {
			double tick[MIX_SERIES];

			ms[t] = KIT_HOUR + 10000 * (int64_t)t + mix_jitter_ms(&mix);
			mix_tick(&mix, tick);
			for (unsigned i = 0; i < SERIES; i++)
				v[d][i][t] = tick[i];
		}
		times = chunk_enc_times(e, d, BL_STREAM_HOST, ms, TICKS, &run, 1, &err);
		assert_true(times >= 0);
		for (unsigned i = 0; i < SERIES; i++) {
			struct bl_seq q = { .i = ints, .d = v[d][i], .n = TICKS };
			const char *name = mix_series(i)->metric;
			struct chunk_in in = { .series = d * SERIES + i,
				.kind = mix_series(i)->kind,
				.interval_ms = 10000,
				.times = times,
				.values = &q };

			in.metric = (struct bl_str){ name, strlen(name) };
			kit_seq(&q);
			assert_int_equal(chunk_enc_column(e, &in, &err), BL_OK);
		}
	}
	guess = (double)chunk_enc_bytes(e);
	assert_int_equal(chunk_enc_finish(e, p.out, &p.counts, &err), BL_OK);
	guess /= (double)(p.out[CHUNK_RAW].len + p.out[CHUNK_M5].len + p.out[CHUNK_H1].len);
	(void)printf("guess of the size: %.3f\n", guess);
	assert_true(guess > 0.85 && guess < 1.1);
	assert_int_equal(p.counts.samples, DEVICES * SERIES * TICKS);
	rollup = (double)(p.out[CHUNK_M5].len + p.out[CHUNK_H1].len) / (double)p.counts.samples;
	(void)printf("roll-ups: %.4f B a sample\n", rollup);
	assert_true(rollup <= 0.28); /* four devices: what 100 metrics have once weighs 0.04 */
	part_free(&p);
	chunk_enc_free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out),
		cmocka_unit_test(long_columns_come_out_whole),
		cmocka_unit_test(huge_increases_come_out),
		cmocka_unit_test(increase_is_that_of_the_store),
		cmocka_unit_test(wrong_columns_are_refused_and_change_nothing),
		cmocka_unit_test(changed_bytes_are_noticed),
		cmocka_unit_test(a_full_buffer_is_said_and_left_as_it_was),
		cmocka_unit_test(memory_that_ends_leaves_the_encoder_usable),
		cmocka_unit_test(a_part_is_as_small_as_it_is_said_to_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
