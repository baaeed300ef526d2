/*
 * Parts: what goes in comes out, and roll-ups are those of a model that works
 * them out sample by sample.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "chunk_part.h"
#include "folder.h"

#define COLUMNS 40u

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
			part_check(&p, &p.c[k]);
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

/* A counter that begins anew all the time sums its values. */
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
		c->ints[j] = (INT64_C(1) << 53) - (j & 1) * (INT64_C(1) << 51);
		c->value[j] = (double)c->ints[j];
		c->thin[j].thin = (struct bl_thin){ c->value[j], c->value[j], 1 };
	}
	part_write(&p, e);
	part_check(&p, c);
	part_free(&p);
	chunk_enc_free(e);
}

/* A fall is decided as it is of doubles: 0.8 - 0.7 is more than 0.1 there, which is an eighth of
 * 0.8. */
static void
small_falls_of_integers_are_those_of_doubles(void **state)
{
	static const int64_t rows[] = { 8, 7, 80, 70, 69, 1000, 999, 500, 505, 440, 7, 9 };
	struct chunk_enc *e = chunk_enc_create(KIT_HOUR);
	struct kit_column *c;
	struct part p;

	(void)state;
	assert_non_null(e);
	part_begin(&p, 1);
	c = p.c;
	c->stream = BL_STREAM_HOST;
	c->kind = BL_COUNTER;
	c->interval_ms = 10000;
	(void)strcpy(c->metric, "m");
	c->n = sizeof(rows) / sizeof(rows[0]);
	c->run[c->n_runs++] = (struct chunk_run){ 1, 2, c->n };
	c->seq = (struct bl_seq){ .i = c->ints, .n = c->n, .scale = 1, .integers = true };
	for (uint32_t j = 0; j < c->n; j++) {
		c->unix_ms[j] = KIT_HOUR + j * 10000;
		c->ints[j] = rows[j];
		c->value[j] = (double)rows[j] / 10;
		c->thin[j].thin = (struct bl_thin){ c->value[j], c->value[j], 1 };
	}
	part_write(&p, e);
	part_check(&p, c);
	part_free(&p);
	chunk_enc_free(e);
}

/* A clock that is set back by ten minutes: the boot has them twice, between one another. */
static void
minutes_that_come_twice_are_not_growth_again(void **state)
{
	struct chunk_enc *e = chunk_enc_create(KIT_HOUR);
	struct kit_column *c;
	struct chunk_window w;
	struct part p;
	double grown = 0;

	(void)state;
	assert_non_null(e);
	part_begin(&p, 1);
	c = p.c;
	c->stream = BL_STREAM_HOST;
	c->kind = BL_COUNTER;
	c->interval_ms = 10000;
	(void)strcpy(c->metric, "m");
	for (; c->n < 120; c->n++) {
		const int again = (int)c->n % 2, k = (int)c->n / 2;

		c->run[c->n_runs++] = (struct chunk_run){ 1, 1000 - again * 600000, 1 };
		c->unix_ms[c->n] = KIT_HOUR + k * 10000 + again * 5000;
		c->ints[c->n] = 1000000000 + (again * 60 + k) * 10;
		c->value[c->n] = (double)c->ints[c->n];
		c->thin[c->n].thin = (struct bl_thin){ c->value[c->n], c->value[c->n], 1 };
	}
	c->seq = (struct bl_seq){ .i = c->ints, .n = c->n, .integers = true };
	part_write(&p, e);
	part_check(&p, c);
	for (int i = 0; i < 2; i++) {
		kit_window(c, KIT_HOUR + i * 300000, KIT_HOUR + (i + 1) * 300000, &w);
		grown += w.increase;
	}
	assert_true(grown <= 119 * 10);
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
		cmocka_unit_test(small_falls_of_integers_are_those_of_doubles),
		cmocka_unit_test(minutes_that_come_twice_are_not_growth_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
