/* Sketches: the error bound against exact quantiles, and sameness whatever the order. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/sketch.h"
#include "pure_kit.h"

#define VALUES 4000
#define CAP    (1u << 20)

static double
any_value(int kind, uint64_t *seed)
{
	switch (kind) {
	case 0: /* response times */
		return exp(10 * pure_unit(seed) - 3);
	case 1: /* both signs and zeros */
		return pure_next(seed) % 5 == 0 ? 0 : (pure_unit(seed) - 0.5) * 2000;
	case 2: /* far apart, still within the buckets that are kept */
		return ldexp(1 + pure_unit(seed), (int)(pure_next(seed) % 40) - 20);
	case 3: /* whole numbers, many alike */
		return (double)(pure_next(seed) % 17);
	default: /* at the edges of buckets */
		return ldexp(1 + (double)(pure_next(seed) % 50) / 50, (int)(pure_next(seed) % 20)) *
		       (pure_next(seed) % 2 == 0 ? -1 : 1);
	}
}

static int
by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
quantiles_are_within_one_per_cent(void **state)
{
	static double v[VALUES];

	(void)state;
	for (int kind = 0; kind < 5; kind++) {
		struct bl_sketch *s = bl_sketch_create();
		uint64_t seed = (uint64_t)kind + 1;

		for (int i = 0; i < VALUES; i++) {
			v[i] = any_value(kind, &seed);
			assert_int_equal(bl_sketch_add(s, v[i], 1), BL_OK);
		}
		qsort(v, VALUES, sizeof(v[0]), by_value);
		for (int i = 0; i <= 1000; i++) {
			const double q = i / 1000.0;
			const double exact = v[(int)floor(q * (VALUES - 1))];
			const double got = bl_sketch_quantile(s, q);

			if (!(fabs(got - exact) <= 0.01 * fabs(exact)))
				fail_msg("kind %d q %g: %.17g, exact %.17g", kind, q, got, exact);
		}
		bl_sketch_free(s);
	}
}

static void
encode(const struct bl_sketch *s, struct bl_buf *out)
{
	bl_buf_init(out, CAP);
	assert_int_equal(bl_sketch_encode(s, out), BL_OK);
}

static void
assert_same(const struct bl_sketch *a, const struct bl_sketch *b)
{
	struct bl_buf x, y;

	encode(a, &x);
	encode(b, &y);
	assert_int_equal(x.len, y.len);
	assert_memory_equal(x.data, y.data, x.len);
	assert_true(bl_sketch_equal(a, b));
	bl_buf_free(&x);
	bl_buf_free(&y);
}

/* Values over 1,000 powers of two: far more buckets than are kept. */
static double
wide_value(uint64_t *seed)
{
	return ldexp(1 + pure_unit(seed), (int)(pure_next(seed) % 1000) - 500) *
	       (pure_next(seed) % 3 == 0 ? -1 : 1);
}

static void
neither_order_nor_grouping_shows(void **state)
{
	static double v[VALUES * 3];
	const size_t n = sizeof(v) / sizeof(v[0]);

	(void)state;
	for (uint64_t round = 0; round < 12; round++) {
		struct bl_sketch *whole = bl_sketch_create(), *sum = bl_sketch_create();
		struct bl_sketch *part[7];
		uint64_t seed = round * 977;

		for (size_t i = 0; i < n; i++) {
			v[i] = round % 2 == 0 ? wide_value(&seed) : any_value(1, &seed);
			assert_int_equal(bl_sketch_add(whole, v[i], 1), BL_OK);
		}
		for (size_t i = 0; i < 7; i++)
			part[i] = bl_sketch_create();
		for (size_t i = n; i > 0; i--) {
			const size_t at = (size_t)(pure_next(&seed) % i);
			const double x = v[at];

			v[at] = v[i - 1];
			assert_int_equal(bl_sketch_add(part[pure_next(&seed) % 7], x, 1), BL_OK);
		}
		/* Pairs, then pairs of pairs, then the rest. */
		for (size_t i = 0; i + 1 < 7; i += 2)
			assert_int_equal(bl_sketch_merge(part[i], part[i + 1]), BL_OK);
		assert_int_equal(bl_sketch_merge(part[4], part[0]), BL_OK);
		assert_int_equal(bl_sketch_merge(sum, part[6]), BL_OK);
		assert_int_equal(bl_sketch_merge(sum, part[4]), BL_OK);
		assert_int_equal(bl_sketch_merge(sum, part[2]), BL_OK);
		assert_true(bl_sketch_count(sum) == n);
		assert_same(whole, sum);
		for (size_t i = 0; i < 7; i++)
			bl_sketch_free(part[i]);
		bl_sketch_free(whole);
		bl_sketch_free(sum);
	}
}

static void
a_collapsed_sketch_is_right_for_large_values(void **state)
{
	static double v[VALUES * 3];
	const size_t n = sizeof(v) / sizeof(v[0]);
	struct bl_sketch *s = bl_sketch_create();
	uint64_t seed = 5;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		v[i] = fabs(wide_value(&seed));
		assert_int_equal(bl_sketch_add(s, v[i], 1), BL_OK);
	}
	qsort(v, n, sizeof(v[0]), by_value);
	for (int i = 85; i <= 100; i++) {
		const double exact = v[(size_t)floor(i / 100.0 * (double)(n - 1))];

		assert_true(fabs(bl_sketch_quantile(s, i / 100.0) - exact) <= 0.01 * exact);
	}
	bl_sketch_free(s);
}

static void
special_values_have_their_place(void **state)
{
	struct bl_sketch *s = bl_sketch_create();

	(void)state;
	assert_true(isnan(bl_sketch_quantile(s, 0.5)));
	assert_int_equal(bl_sketch_add(s, -0.0, 2), BL_OK);
	assert_int_equal(bl_sketch_add(s, DBL_TRUE_MIN, 1), BL_OK);
	assert_int_equal(bl_sketch_add(s, DBL_MAX, 1), BL_OK);
	assert_int_equal(bl_sketch_add(s, -DBL_MAX, 1), BL_OK);
	assert_int_equal(bl_sketch_add(s, DBL_MIN, 1), BL_OK);
	assert_true(bl_sketch_count(s) == 6);
	assert_true(fabs(bl_sketch_quantile(s, 0) / DBL_MAX + 1) <= 0.01);
	assert_true(bl_sketch_quantile(s, 0.2) == 0);
	assert_true(bl_sketch_quantile(s, 0.6) == 0);
	assert_true(fabs(bl_sketch_quantile(s, 0.8) / DBL_MIN - 1) <= 0.01);
	assert_true(fabs(bl_sketch_quantile(s, 1) / DBL_MAX - 1) <= 0.01);
	/* Out of range is the nearest end. */
	assert_true(bl_sketch_quantile(s, -1) < 0);
	assert_true(bl_sketch_quantile(s, 2) > 1);
	bl_sketch_reset(s);
	assert_true(bl_sketch_count(s) == 0);
	bl_sketch_free(s);
	bl_sketch_free(NULL);
}

static void
counts_stop_at_their_cap(void **state)
{
	struct bl_sketch *s = bl_sketch_create(), *t = bl_sketch_create();

	(void)state;
	assert_int_equal(bl_sketch_add(s, 1, BL_SKETCH_COUNT_MAX), BL_OK);
	assert_int_equal(bl_sketch_add(s, 2, 1), BL_EFULL);
	assert_int_equal(bl_sketch_add(s, 0, 1), BL_EFULL);
	assert_int_equal(bl_sketch_add(t, 1, 1), BL_OK);
	assert_int_equal(bl_sketch_merge(s, t), BL_EFULL);
	assert_true(bl_sketch_count(s) == BL_SKETCH_COUNT_MAX);
	assert_true(bl_sketch_quantile(s, 1) < 1.02);
	bl_sketch_free(s);
	bl_sketch_free(t);
}

/* Values as buckets with their counts, ascending; how many. */
static size_t
to_buckets(const double *v, size_t n, struct bl_sketch_bucket *out)
{
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		const int32_t ordinal = bl_sketch_ordinal(v[i]);

		if (m > 0 && out[m - 1].ordinal == ordinal)
			out[m - 1].count++;
		else
			out[m++] = (struct bl_sketch_bucket){ ordinal, 1 };
	}
	return m;
}

static void
buckets_in_and_out_are_the_sketch(void **state)
{
	static struct bl_sketch_bucket b[VALUES], out[2 * BL_SKETCH_BUCKETS_MAX + 1];
	static double v[VALUES];

	(void)state;
	for (int kind = 0; kind < 6; kind++) {
		struct bl_sketch *one = bl_sketch_create(), *two = bl_sketch_create();
		struct bl_sketch *again = bl_sketch_create();
		uint64_t seed = (uint64_t)kind + 5;
		size_t n;

		/* The same values in three lots; what is there already, new, and too much for the
		 * cap. */
		for (int lot = 0; lot < 3; lot++) {
			for (int i = 0; i < VALUES; i++) {
				v[i] = kind == 5 ? wide_value(&seed) : any_value(kind, &seed);
				v[i] = i == 0 ? 0x1p-1060 : v[i];
				assert_int_equal(bl_sketch_add(one, v[i], 1), BL_OK);
			}
			qsort(v, VALUES, sizeof(v[0]), by_value);
			n = to_buckets(v, VALUES, b);
			assert_int_equal(bl_sketch_add_buckets(two, b, n), BL_OK);
			assert_true(bl_sketch_equal(one, two));
		}
		n = bl_sketch_buckets(two, out);
		assert_int_equal(bl_sketch_add_buckets(again, out, n), BL_OK);
		assert_true(bl_sketch_equal(again, two));
		b[0] = (struct bl_sketch_bucket){ 7, BL_SKETCH_COUNT_MAX };
		assert_int_equal(bl_sketch_add_buckets(two, b, 1), BL_EFULL);
		assert_true(bl_sketch_equal(one, two));
		bl_sketch_free(one);
		bl_sketch_free(two);
		bl_sketch_free(again);
	}
	assert_int_equal(bl_sketch_ordinal(DBL_MAX), BL_SKETCH_ORDINAL_MAX);
	assert_int_equal(bl_sketch_ordinal(-DBL_MIN), -1);
	assert_int_equal(bl_sketch_ordinal(-0.0), 0);
}

/* Through counts where they reach so far, else in the other way, as one does who uses them. */
static bool
add_counted(struct bl_sketch *s, const struct bl_sketch_bucket *b, size_t n)
{
	uint64_t *at = bl_sketch_counts(s, b[0].ordinal, b[n - 1].ordinal);

	if (at == NULL) {
		assert_int_equal(bl_sketch_add_buckets(s, b, n), BL_OK);
		return false;
	}
	for (size_t i = 0; i < n; i++)
		at[b[i].ordinal - b[0].ordinal] += b[i].count;
	return true;
}

/* Runs that lie anywhere, each wider or elsewhere than the ones before. */
static void
counts_are_what_buckets_are(void **state)
{
	struct bl_sketch *one = bl_sketch_create(), *two = bl_sketch_create();
	struct bl_sketch_bucket b[300];
	uint64_t seed = 11;
	unsigned counted = 0, beyond = 0;

	(void)state;
	for (int round = 0; round < 300; round++) {
		const int32_t around = round % 3 == 0 ? 0 : round % 3 == 1 ? 51000 : -51000;

		bl_sketch_reset(one);
		bl_sketch_reset(two);
		for (int lot = 0; lot < 6; lot++) {
			size_t n = 1 + (size_t)(pure_next(&seed) % 300);
			int32_t at = around + (int32_t)(pure_next(&seed) % 5000) - 2500;

			for (size_t i = 0; i < n; i++) {
				b[i] = (struct bl_sketch_bucket){ at, 1 + pure_next(&seed) % 9 };
				at += 1 + (int32_t)(pure_next(&seed) % 7);
			}
			assert_int_equal(bl_sketch_add_buckets(one, b, n), BL_OK);
			if (add_counted(two, b, n))
				counted++;
			else
				beyond++;
			if (pure_next(&seed) % 3 == 0)
				assert_int_equal(bl_sketch_settle(two), BL_OK);
		}
		assert_int_equal(bl_sketch_settle(two), BL_OK);
		assert_true(bl_sketch_equal(one, two));
		assert_int_equal(bl_sketch_count(one), bl_sketch_count(two));
	}
	assert_true(counted > 500);
	assert_true(beyond > 50);
	assert_null(bl_sketch_counts(two, 0, BL_SKETCH_COUNTS_MAX));
	bl_sketch_free(one);
	bl_sketch_free(two);
}

static int
decode(struct bl_sketch *s, const uint8_t *data, size_t len)
{
	/* Exactly its length, for the sanitizer. */
	uint8_t *copy = malloc(len > 0 ? len : 1);
	struct bl_err err = { 0 };
	struct bl_rd rd;
	int rc;

	assert_non_null(copy);
	memcpy(copy, data, len);
	bl_rd_init(&rd, copy, len);
	rc = bl_sketch_decode(s, &rd, &err);
	if (rc == BL_OK && bl_rd_left(&rd) != 0)
		rc = BL_ECORRUPT;
	free(copy);
	return rc;
}

static void
bytes_come_back_and_damage_is_seen(void **state)
{
	struct bl_sketch *s = bl_sketch_create(), *t = bl_sketch_create();
	uint64_t seed = 11;
	struct bl_buf b;

	(void)state;
	for (int i = 0; i < 60; i++)
		assert_int_equal(
		    bl_sketch_add(s, any_value(i % 5, &seed), 1 + pure_next(&seed) % 300), BL_OK);
	encode(s, &b);
	assert_int_equal(decode(t, b.data, b.len), BL_OK);
	assert_same(s, t);
	for (size_t cut = 0; cut < b.len; cut++) {
		assert_int_equal(decode(t, b.data, cut), BL_ECORRUPT);
		assert_true(bl_sketch_count(t) == 0);
	}
	/* Whatever decodes is the one way to write it. */
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		struct bl_buf again;

		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (decode(t, b.data, b.len) == BL_OK) {
			encode(t, &again);
			assert_int_equal(again.len, b.len);
			assert_memory_equal(again.data, b.data, b.len);
			bl_buf_free(&again);
		}
		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	bl_buf_free(&b);
	bl_sketch_free(s);
	bl_sketch_free(t);
}

static void
malformed_bytes_are_refused(void **state)
{
	static const struct {
		size_t len;
		uint8_t bytes[16];
	} cases[] = {
		{ 0, { 0 } },
		{ 2, { 0, 0 } },                         /* no negative side */
		{ 5, { 0, 1, 0, 0, 0 } },                /* a count of 0 */
		{ 4, { 0, 0x80, 0x10, 0 } },             /* 2,048 buckets in no bytes */
		{ 4, { 0, 0x81, 0x10, 0 } },             /* 2,049 buckets */
		{ 7, { 0, 1, 0x80, 0xc0, 0x06, 1, 0 } }, /* index over the largest */
		{ 7, { 0, 1, 0xfb, 0xbe, 0x06, 1, 0 } }, /* index below the smallest */
		{ 4, { 0x80, 0, 0, 0 } },                /* a varint in two bytes for one */
		/* Counts that together pass the cap. */
		{ 14, { 1, 1, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 0 } },
	};
	struct bl_sketch *s = bl_sketch_create();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (decode(s, cases[i].bytes, cases[i].len) != BL_ECORRUPT)
			fail_msg("case %zu was taken", i);
	bl_sketch_free(s);
}

static void
a_full_buffer_is_said(void **state)
{
	struct bl_sketch *s = bl_sketch_create();
	struct bl_buf b;

	(void)state;
	for (int i = 1; i < 40; i++)
		assert_int_equal(bl_sketch_add(s, i, 1), BL_OK);
	bl_buf_init(&b, 20);
	assert_int_equal(bl_sketch_encode(s, &b), BL_EFULL);
	bl_buf_free(&b);
	bl_sketch_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_within_one_per_cent),
		cmocka_unit_test(neither_order_nor_grouping_shows),
		cmocka_unit_test(a_collapsed_sketch_is_right_for_large_values),
		cmocka_unit_test(special_values_have_their_place),
		cmocka_unit_test(counts_stop_at_their_cap),
		cmocka_unit_test(buckets_in_and_out_are_the_sketch),
		cmocka_unit_test(counts_are_what_buckets_are),
		cmocka_unit_test(bytes_come_back_and_damage_is_seen),
		cmocka_unit_test(malformed_bytes_are_refused),
		cmocka_unit_test(a_full_buffer_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
