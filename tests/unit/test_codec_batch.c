/*
 * The batch: what goes in comes out bit for bit, and what is broken is refused.
 * Random cases print their seed when they fail.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/batch.h"

#define N_SERIES_MAX 40u
#define N_TICKS_MAX  200u

struct model_sample {
	uint32_t series_id;
	int64_t boot_ms;
	double value;
	uint8_t unknown;
};

static uint64_t rng_state;

static uint64_t
rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

static uint64_t
below(uint64_t n)
{
	return rng() % n;
}

static struct bl_batch_header
header(void)
{
	struct bl_batch_header h = { .stream = BL_STREAM_HOST,
		.seq = 7,
		.collect_begin_ms = 1000,
		.collect_end_ms = 61000,
		.next_seq = 9,
		.lowest_held = 3 };

	memset(h.spool.b, 0xa1, sizeof(h.spool.b));
	memset(h.boot.b, 0xb2, sizeof(h.boot.b));
	return h;
}

/* A value of one of the kinds that the encoder treats differently. */
static double
value_of(unsigned kind, double *state)
{
	static const double odd[] = { 0.0, -0.0, 1e300, -1e300, 4.9e-324, 9007199254740992.0,
		9007199254740993.0, -9007199254740992.0, 1.7976931348623157e308, 1.0 / 3, 1e-7,
		0.1 + 0.2, 123456.789012, 1e15 + 0.3, 18446744073709551616.0 };
	uint64_t bits;
	double v;

	switch (kind) {
	case 0:
		return *state;
	case 1:
		return *state += (double)below(1000);
	case 2:
		return *state = (double)(int64_t)below(10000) / 100;
	case 3:
		return (double)(int64_t)(below(2000001) - 1000000) / 1e6;
	case 4:
		return (double)below(1u << 20) * 4096;
	case 5:
		return (double)(below(10) == 0);
	case 6:
		return odd[below(sizeof(odd) / sizeof(odd[0]))];
	case 7:
		do {
			bits = rng();
			memcpy(&v, &bits, sizeof(v));
		} while (!isfinite(v));
		return v;
	case 8:
		return below(20) == 0 ? 1e12 : (double)below(8);
	default:
		return *state += 0.1;
	}
}

static bool
same_bits(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

/* Finds the model's k-th sample of a series; the model is in order of arrival. */
static const struct model_sample *
model_find(const struct model_sample *m, size_t n, uint32_t series_id, uint32_t k)
{
	for (size_t i = 0; i < n; i++)
		if (m[i].series_id == series_id && k-- == 0)
			return &m[i];
	return NULL;
}

static void
compare(const struct bl_buf *msg, const struct model_sample *m, size_t n)
{
	static int64_t times[BL_BATCH_SAMPLES_MAX];
	static double values[BL_BATCH_SAMPLES_MAX];
	static uint8_t unknown[BL_BATCH_SAMPLES_MAX];
	struct bl_batch_header h;
	struct bl_batch_reader r;
	struct bl_column c;
	struct bl_buf raw;
	struct bl_err err;
	const uint8_t *body;
	size_t body_len, seen = 0;
	int rc;

	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	assert_int_equal(
	    bl_batch_header_decode(msg->data, msg->len, &h, &body, &body_len, &err), BL_OK);
	assert_int_equal(h.n_samples, n);
	assert_int_equal(bl_batch_inflate(&h, body, body_len, &raw, &err), BL_OK);
	assert_int_equal(bl_batch_verify(&h, raw.data, raw.len, &err), BL_OK);
	assert_int_equal(bl_batch_reader_init(&r, &h, raw.data, raw.len, &err), BL_OK);
	while ((rc = bl_batch_next_column(&r, &c, &err)) > 0) {
		assert_int_equal(bl_column_decode(&r, &c, times, values, unknown, &err), BL_OK);
		for (uint32_t i = 0; i < c.n; i++) {
			const struct model_sample *want = model_find(m, n, c.series_id, i);

			assert_non_null(want);
			assert_true(times[i] == want->boot_ms);
			assert_int_equal(unknown[i], want->unknown);
			if (want->unknown != BL_KNOWN)
				assert_true(isnan(values[i]));
			else if (!same_bits(values[i], want->value))
				fail_msg("series %u[%u]: %.17g became %.17g", c.series_id, i,
				    want->value, values[i]);
		}
		seen += c.n;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(seen, n);
	bl_buf_free(&raw);
}

static int64_t
next_time(unsigned pattern, int64_t t)
{
	switch (pattern) {
	case 0:
		return t + 10000;
	case 1:
		return t + 9990 + (int64_t)below(20);
	case 2:
		return t + (int64_t)below(3) * 1000;
	default:
		return t + (below(10) == 0 ? 3600000 : 10000);
	}
}

static size_t
make_model(struct bl_batch_enc *e, struct model_sample *m)
{
	const unsigned series = 1 + (unsigned)below(N_SERIES_MAX);
	const unsigned ticks = 1 + (unsigned)below(below(4) == 0 ? N_TICKS_MAX : 8);
	const unsigned pattern = (unsigned)below(4), misses = (unsigned)below(3);
	int64_t t = (int64_t)below(1u << 30) - (1 << 20);
	unsigned kind[N_SERIES_MAX];
	double state[N_SERIES_MAX];
	size_t n = 0;

	for (unsigned s = 0; s < series; s++) {
		kind[s] = (unsigned)below(10);
		state[s] = (double)below(1000000);
	}
	for (unsigned k = 0; k < ticks; k++) {
		t = next_time(pattern, t);
		for (unsigned s = 0; s < series; s++) {
			struct model_sample *one = &m[n];

			if (misses == 2 && below(10) == 0)
				continue;
			one->series_id = 1 + s * (s % 7 == 6 ? 3 : 1) + (s > 20 ? 1000 + s : 0);
			one->boot_ms = t;
			one->unknown = misses > 0 && below(8) == 0 ? (uint8_t)(1 + below(4)) : 0;
			one->value = value_of(kind[s], &state[s]);
			assert_int_equal(bl_batch_enc_sample(e, one->series_id, t, one->value,
					     (enum bl_unknown)one->unknown),
			    BL_OK);
			n++;
		}
	}
	return n;
}

static void
samples_come_back_bit_for_bit(void **state)
{
	static struct model_sample model[N_SERIES_MAX * N_TICKS_MAX];
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_buf out;
	struct bl_err err;

	(void)state;
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	for (unsigned seed = 1; seed <= 400; seed++) {
		struct bl_batch_header h = header();
		size_t n;

		rng_state = seed * UINT64_C(0x9e3779b97f4a7c15);
		bl_batch_enc_reset(e);
		bl_buf_reset(&out);
		n = make_model(e, model);
		if (bl_batch_enc_finish(e, &h, &out, &err) != BL_OK)
			fail_msg("seed %u: %s", seed, err.msg);
		compare(&out, model, n);
	}
	bl_batch_enc_free(e);
	bl_buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_come_back_bit_for_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
