/*
 * Thinned samples: what they stand for comes out bit for bit, whatever lies
 * between them, and neither a bad count nor a swapped bound gets past verify.
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
#include "codec_change.h"

#define N_MAX 400u

struct model {
	uint32_t series_id;
	int64_t boot_ms;
	double value;
	uint8_t unknown;
	struct bl_thin thin; /* what is expected to come out */
};

static uint64_t rng_state;

static uint64_t
below(uint64_t n)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (rng_state >> 7) % n;
}

static struct bl_batch_header
header(void)
{
	return (struct bl_batch_header){ .stream = BL_STREAM_HOST, .seq = 9 };
}

static bool
same(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0 || (isnan(a) && isnan(b));
}

static void
compare_column(
    const struct bl_batch_reader *r, const struct bl_column *c, const struct model *m, size_t n)
{
	static double value[N_MAX];
	static uint8_t unknown[N_MAX];
	static struct bl_thin got[2][N_MAX];
	uint32_t k = 0;

	assert_int_equal(bl_column_decode(r, c, NULL, value, unknown, NULL), BL_OK);
	assert_int_equal(bl_column_thin(r, c, value, unknown, got[0], NULL), BL_OK);
	assert_int_equal(bl_column_thin(r, c, value, NULL, got[1], NULL), BL_OK);
	for (size_t i = 0; i < n; i++) {
		if (m[i].series_id != c->series_id)
			continue;
		assert_int_equal(unknown[k], m[i].unknown);
		for (unsigned form = 0; form < 2; form++) {
			assert_int_equal(got[form][k].count, m[i].thin.count);
			assert_true(same(got[form][k].min, m[i].thin.min));
			assert_true(same(got[form][k].max, m[i].thin.max));
		}
		if (m[i].unknown == BL_KNOWN)
			assert_true(same(value[k], m[i].value));
		k++;
	}
	assert_int_equal(k, c->n);
}

static void
compare(const struct bl_buf *msg, const struct model *m, size_t n)
{
	struct bl_batch_header h;
	struct bl_batch_reader r;
	struct bl_column c;
	struct bl_buf raw;
	const uint8_t *body;
	size_t body_len;
	int rc;

	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	assert_int_equal(
	    bl_batch_header_decode(msg->data, msg->len, &h, &body, &body_len, NULL), BL_OK);
	assert_int_equal(h.n_samples, n);
	assert_int_equal(bl_batch_inflate(&h, body, body_len, &raw, NULL), BL_OK);
	assert_int_equal(bl_batch_verify(&h, raw.data, raw.len, NULL), BL_OK);
	assert_int_equal(bl_batch_reader_init(&r, &h, raw.data, raw.len, NULL), BL_OK);
	while ((rc = bl_batch_next_column(&r, &c, NULL)) > 0) {
		bool thin = false;

		for (size_t i = 0; i < n; i++)
			thin |= m[i].series_id == c.series_id && m[i].thin.count > 1;
		assert_int_equal(bl_column_is_thin(&c), thin);
		compare_column(&r, &c, m, n);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(r.unknown_sections, 0);
	bl_buf_free(&raw);
}

/* One sample of any kind, into the encoder and into the model. */
static void
add_any(struct bl_batch_enc *e, struct model *m, uint32_t id, int64_t at)
{
	const double third = (double)below(1000) / 3, cents = (double)below(100000) / 100;
	double value = below(2) == 0 ? third : cents;
	const double min = value - (double)below(100) / 7, max = value + (double)below(100) * 4096;

	*m = (struct model){ id, at, value, BL_KNOWN, { value, value, 1 } };
	switch (below(4)) {
	case 0:
		m->unknown = BL_UNKNOWN_TIMEOUT;
		m->thin = (struct bl_thin){ NAN, NAN, 0 };
		assert_int_equal(bl_batch_enc_sample(e, id, at, 0, BL_UNKNOWN_TIMEOUT), BL_OK);
		break;
	case 1:
		if (below(8) == 0) /* for itself it may be infinite */
			value = below(2) == 0 ? INFINITY : -INFINITY;
		m->value = m->thin.min = m->thin.max = value;
		assert_int_equal(bl_batch_enc_sample(e, id, at, value, BL_KNOWN), BL_OK);
		break;
	default:
		m->thin = (struct bl_thin){ min, max, 1 + (uint32_t)below(500) };
		assert_int_equal(bl_batch_enc_thin(e, id, at, value, &m->thin), BL_OK);
		if (m->thin.count == 1)
			m->thin.min = m->thin.max = value;
		break;
	}
}

static void
what_samples_stand_for_comes_out_as_it_went_in(void **state)
{
	static struct model m[N_MAX];
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_buf msg;

	(void)state;
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct bl_batch_header h = header();
		size_t n;

		rng_state = seed * UINT64_C(0x9e3779b97f4a7c15);
		n = 1 + (size_t)below(N_MAX - 1);
		for (size_t i = 0; i < n; i++)
			add_any(e, &m[i], 1 + (uint32_t)below(1 + seed % 9) * 3, 1000 + (int64_t)i);

		assert_int_equal(bl_batch_enc_finish(e, &h, &msg, NULL), BL_OK);
		compare(&msg, m, n);
		bl_buf_reset(&msg);
		bl_batch_enc_reset(e);
	}
	bl_buf_free(&msg);
	bl_batch_enc_free(e);
}

static void
a_batch_without_thinned_samples_has_no_section_for_them(void **state)
{
	const struct bl_thin itself = { -100, 100, 1 };
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_batch_header h = header();
	struct bl_buf one, two;

	(void)state;
	bl_buf_init(&one, BL_BATCH_WIRE_MAX);
	bl_buf_init(&two, BL_BATCH_WIRE_MAX);
	for (int i = 0; i < 5; i++)
		assert_int_equal(bl_batch_enc_thin(e, 1, i, i * 1.5, &itself), BL_OK);
	assert_int_equal(bl_batch_enc_finish(e, &h, &one, NULL), BL_OK);
	bl_batch_enc_reset(e);
	for (int i = 0; i < 5; i++)
		assert_int_equal(bl_batch_enc_sample(e, 1, i, i * 1.5, BL_KNOWN), BL_OK);
	h = header();
	assert_int_equal(bl_batch_enc_finish(e, &h, &two, NULL), BL_OK);
	assert_int_equal(one.len, two.len);
	assert_memory_equal(one.data, two.data, one.len);
	bl_buf_free(&one);
	bl_buf_free(&two);
	bl_batch_enc_free(e);
}

static void
what_makes_no_sense_is_not_taken(void **state)
{
	static const struct {
		double value;
		struct bl_thin t;
	} rows[] = {
		{ 1, { 0, 2, 0 } },
		{ 1, { 0, 2, BL_THIN_COUNT_MAX + 1 } },
		{ 1, { 2, 0, 5 } },
		{ 1, { NAN, 2, 5 } },
		{ 1, { 0, NAN, 5 } },
		{ 1, { -INFINITY, 2, 5 } },
		{ 1, { 0, INFINITY, 5 } },
		{ NAN, { 0, 2, 5 } },
		{ INFINITY, { 0, 2, 5 } },
	};
	const struct bl_thin fine = { 0, 2, 5 }, most = { 7, 7, BL_THIN_COUNT_MAX };
	struct bl_batch_enc *e = bl_batch_enc_create();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(bl_batch_enc_thin(e, 1, 10, rows[i].value, &rows[i].t), BL_EINVAL);
	assert_int_equal(bl_batch_enc_thin(e, 0, 10, 1, &fine), BL_EINVAL);
	assert_int_equal(bl_batch_enc_samples(e), 0);
	/* The value need not lie between: a mean may be rounded. */
	assert_int_equal(bl_batch_enc_thin(e, 1, 10, 3, &most), BL_OK);
	for (uint32_t i = 1; i < BL_BATCH_SAMPLES_MAX; i++)
		assert_int_equal(bl_batch_enc_thin(e, 1, 10 + i, 1, &fine), BL_OK);
	assert_int_equal(bl_batch_enc_thin(e, 2, 10, 1, &fine), BL_EFULL);
	bl_batch_enc_free(e);
}

/* Of all that it stands for, or of itself: the second may be infinite. */
static void
an_infinite_mean_is_corrupt(void **state)
{
	static const struct bl_thin one = { 0, 2, 5 };
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_batch_header h = header();
	struct bl_buf msg, raw;
	struct bl_batch_reader r;
	struct bl_column c;
	struct bl_thin thin[2];
	double value[2];
	const uint8_t *body;
	size_t len;

	(void)state;
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	for (unsigned itself = 0; itself < 2; itself++) {
		bl_buf_reset(&msg);
		bl_batch_enc_reset(e);
		assert_int_equal(bl_batch_enc_thin(e, 1, 5, 1.0 / 3, &one), BL_OK);
		if (itself)
			assert_int_equal(bl_batch_enc_sample(e, 1, 6, INFINITY, BL_KNOWN), BL_OK);
		assert_int_equal(bl_batch_enc_finish(e, &h, &msg, NULL), BL_OK);
		assert_int_equal(
		    bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, NULL), BL_OK);
		assert_int_equal(bl_batch_inflate(&h, body, len, &raw, NULL), BL_OK);
		if (!itself)
			change_double(&raw, 1.0 / 3, UINT64_C(0x7ff0000000000000));
		assert_int_equal(bl_batch_reader_init(&r, &h, raw.data, raw.len, NULL), BL_OK);
		assert_int_equal(bl_batch_next_column(&r, &c, NULL), 1);
		assert_int_equal(bl_column_decode(&r, &c, NULL, value, NULL, NULL), BL_OK);
		assert_int_equal(
		    bl_column_thin(&r, &c, value, NULL, thin, NULL), itself ? BL_OK : BL_ECORRUPT);
		assert_int_equal(
		    bl_batch_verify(&h, raw.data, raw.len, NULL), itself ? BL_OK : BL_ECORRUPT);
	}
	bl_buf_free(&msg);
	bl_buf_free(&raw);
	bl_batch_enc_free(e);
}

/* Hundredths, or (odd) thirds, for which no scale is found. */
static void
guess_of(bool odd)
{
	const double unit = odd ? 3 : 100;
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_batch_header h = header();
	struct bl_buf msg;
	size_t guess;

	rng_state = 5;
	for (uint32_t i = 0; i < 9600; i++) {
		const double low = (double)below(10000), high = low + (double)below(500);
		const struct bl_thin t = { low / unit, high / unit, 30 };
		const double mean = bl_thin_round((low + high) / 2 / unit, t.min, t.max);

		assert_int_equal(
		    bl_batch_enc_thin(e, 1 + i % 200, i / 200 * 300000, mean, &t), BL_OK);
	}
	guess = bl_batch_enc_raw_guess(e);
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	assert_int_equal(bl_batch_enc_finish(e, &h, &msg, NULL), BL_OK);
	print_message("200 series, 4 h of 5 min: %zu bytes, %.2f a sample; raw %u, guess %zu\n",
	    msg.len, (double)msg.len / 9600, h.raw_bytes, guess);
	assert_in_range(h.raw_bytes, guess / 2, guess + guess / 10);
	bl_buf_free(&msg);
	bl_batch_enc_free(e);
}

static void
the_guess_is_near_enough_to_cut_by(void **state)
{
	(void)state;
	guess_of(false);
	guess_of(true);
}

static void
a_mean_is_rounded_and_stays_between(void **state)
{
	static const struct {
		double mean, min, max, want;
	} rows[] = {
		{ 1.0 / 3, 0, 1, 0.33 },
		{ 2.0 / 3, 0.5, 1, 0.667 },
		{ 20.123456789, 18.52, 30.1, 20.1235 },
		{ 0.123456789, 0.00001, 0.5, 0.123457 },
		{ 0.123456789, 0.000001, 0.5, 0.123457 },
		{ 0.123456789, 1.0 / 3 - 1, 0.5, 0.123456789 }, /* no decimals: as it is */
		{ 4096.0 * 1000001 / 3, 4096, 8192e6, 1365334698.67 },
		{ 1e300 / 3, 0, 1e300, 1e300 / 3 }, /* too large for two places more */
		{ 0.99999, 0.9, 0.999, 0.999 },     /* brought back */
		{ -7, -5, 5, -5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_true(
		    same(bl_thin_round(rows[i].mean, rows[i].min, rows[i].max), rows[i].want));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_samples_stand_for_comes_out_as_it_went_in),
		cmocka_unit_test(a_batch_without_thinned_samples_has_no_section_for_them),
		cmocka_unit_test(what_makes_no_sense_is_not_taken),
		cmocka_unit_test(an_infinite_mean_is_corrupt),
		cmocka_unit_test(the_guess_is_near_enough_to_cut_by),
		cmocka_unit_test(a_mean_is_rounded_and_stays_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
