/* Parts: values, merging that no order can change, bytes that are checked. */
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
#include "branchline/window.h"
#include "pure_kit.h"

#define CAP 65536

static void
values_are_what_their_names_say(void **state)
{
	static const struct {
		enum bl_function f;
		double q, want;
	} cases[] = {
		{ BL_FN_MEAN, 0, 2.5 },
		{ BL_FN_COUNT, 0, 4 },
		{ BL_FN_SUM, 0, 10 },
		{ BL_FN_MIN, 0, 1 },
		{ BL_FN_MAX, 0, 4 },
		{ BL_FN_SHARE, 0, 25 },
		{ BL_FN_PERCENTILE, 0, 1 },
		{ BL_FN_PERCENTILE, 1, 4 },
	};
	struct bl_part p;
	double v;

	(void)state;
	assert_int_equal(bl_part_init(&p, true), BL_OK);
	for (int i = 1; i <= 4; i++)
		assert_int_equal(bl_part_add(&p, i, i == 3), BL_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(bl_part_value(&p, cases[i].f, cases[i].q, &v));
		if (fabs(v - cases[i].want) > (cases[i].f == BL_FN_PERCENTILE ? 0.01 * v : 0))
			fail_msg("%s: %g", bl_function_name(cases[i].f), v);
	}
	assert_true(bl_part_value(&p, BL_FN_PERCENTILE, 0.5, &v));
	assert_true(fabs(v - 2) <= 0.02);
	/* No pairs, no rate. */
	assert_false(bl_part_value(&p, BL_FN_RATE, 0, &v));
	bl_part_free(&p);
}

static void
nothing_has_a_count_and_a_sum_only(void **state)
{
	struct bl_part p;
	double v = -1;

	(void)state;
	assert_int_equal(bl_part_init(&p, true), BL_OK);
	for (int f = BL_FN_MEAN; f <= BL_FN_PERCENTILE; f++)
		assert_int_equal(bl_part_value(&p, (enum bl_function)f, 0.5, &v),
		    f == BL_FN_COUNT || f == BL_FN_SUM);
	assert_true(v == 0);
	bl_part_free(&p);
}

static void
a_rate_is_increase_over_the_time_it_took(void **state)
{
	struct bl_part p;
	double v;

	(void)state;
	assert_int_equal(bl_part_init(&p, false), BL_OK);
	bl_part_add_increase(&p, 30, 10000);
	bl_part_add_increase(&p, 0, 20000);
	/* What is no increase is ignored. */
	bl_part_add_increase(&p, -1, 1000);
	bl_part_add_increase(&p, INFINITY, 1000);
	bl_part_add_increase(&p, NAN, 1000);
	bl_part_add_increase(&p, 1, 0);
	assert_true(p.n == 2);
	assert_true(bl_part_value(&p, BL_FN_RATE, 0, &v));
	assert_true(v == 1);
	bl_part_free(&p);
}

static void
one_value_is_itself(void **state)
{
	(void)state;
	/* Some lie above what their bucket stands for, some below. */
	for (double value = -20; value < 20; value += 0.137) {
		struct bl_part p;
		double v;

		assert_int_equal(bl_part_init(&p, true), BL_OK);
		for (int i = 0; i < 3; i++)
			assert_int_equal(bl_part_add(&p, value, false), BL_OK);
		for (int i = 0; i <= 10; i++) {
			assert_true(bl_part_value(&p, BL_FN_PERCENTILE, i / 10.0, &v));
			assert_true(v == value);
		}
		bl_part_free(&p);
	}
}

static void
what_is_no_number_is_refused(void **state)
{
	struct bl_part p;
	double v;

	(void)state;
	assert_int_equal(bl_part_init(&p, true), BL_OK);
	assert_int_equal(bl_part_add(&p, NAN, true), BL_EINVAL);
	assert_int_equal(bl_part_add(&p, INFINITY, true), BL_EINVAL);
	assert_int_equal(bl_part_add(&p, -INFINITY, true), BL_EINVAL);
	assert_true(p.n == 0 && p.hits == 0);
	assert_int_equal(bl_part_add(&p, DBL_MAX, false), BL_OK);
	assert_int_equal(bl_part_add(&p, DBL_MAX, false), BL_OK);
	/* Beyond all doubles: no value, rather than infinity. */
	assert_false(bl_part_value(&p, BL_FN_SUM, 0, &v));
	assert_true(bl_part_value(&p, BL_FN_MAX, 0, &v));
	bl_part_free(&p);
}

static void
a_sketch_cannot_be_half_there(void **state)
{
	struct bl_part with, without, empty;
	double v;

	(void)state;
	assert_int_equal(bl_part_init(&with, true), BL_OK);
	assert_int_equal(bl_part_init(&without, false), BL_OK);
	assert_int_equal(bl_part_init(&empty, false), BL_OK);
	assert_int_equal(bl_part_add(&with, 1, false), BL_OK);
	assert_int_equal(bl_part_add(&without, 2, false), BL_OK);
	assert_int_equal(bl_part_merge(&with, &without), BL_EINVAL);
	assert_true(with.n == 1 && with.max == 1);
	assert_int_equal(bl_part_merge(&with, &empty), BL_OK);
	assert_int_equal(bl_part_merge(&without, &with), BL_OK);
	assert_true(without.n == 2);
	assert_false(bl_part_value(&without, BL_FN_PERCENTILE, 0.5, &v));
	bl_part_free(&with);
	bl_part_free(&without);
	bl_part_free(&empty);
}

static void
an_empty_part_has_no_minimum(void **state)
{
	(void)state;
	for (int sign = -1; sign <= 1; sign += 2) {
		struct bl_part a, b;

		assert_int_equal(bl_part_init(&a, false), BL_OK);
		assert_int_equal(bl_part_init(&b, false), BL_OK);
		assert_int_equal(bl_part_add(&a, sign * 5, false), BL_OK);
		assert_int_equal(bl_part_merge(&b, &a), BL_OK);
		assert_true(b.min == sign * 5 && b.max == sign * 5);
		assert_int_equal(bl_part_add(&a, sign * 7, false), BL_OK);
		assert_int_equal(bl_part_merge(&b, &a), BL_OK);
		assert_true(fabs(b.max - b.min) == 2 && b.n == 3);
		bl_part_free(&a);
		bl_part_free(&b);
	}
}

static void
encode(const struct bl_part *p, struct bl_buf *out)
{
	bl_buf_init(out, CAP);
	assert_int_equal(bl_part_encode(p, out), BL_OK);
}

static void
assert_same(const struct bl_part *a, const struct bl_part *b)
{
	struct bl_buf x, y;

	encode(a, &x);
	encode(b, &y);
	assert_int_equal(x.len, y.len);
	assert_memory_equal(x.data, y.data, x.len);
	assert_true(bl_part_equal(a, b));
	bl_buf_free(&x);
	bl_buf_free(&y);
}

static void
add_any(struct bl_part *p, int kind, double v)
{
	if (kind == 1)
		bl_part_add_increase(p, fabs(v), 1 + (int64_t)fabs(v) % 100000);
	else
		assert_int_equal(bl_part_add(p, v, v > 0), BL_OK);
}

static void
neither_order_nor_grouping_shows(void **state)
{
	static double v[500];
	const size_t n = sizeof(v) / sizeof(v[0]);

	(void)state;
	for (int round = 0; round < 60; round++) {
		const int kind = round % 3; /* plain, rate, with a sketch */
		uint64_t seed = (uint64_t)round;
		struct bl_part whole, sum, group[9], back;
		struct bl_buf b;

		assert_int_equal(bl_part_init(&whole, kind == 2), BL_OK);
		assert_int_equal(bl_part_init(&sum, kind == 2), BL_OK);
		assert_int_equal(bl_part_init(&back, round % 2 == 0), BL_OK);
		for (size_t i = 0; i < n; i++) {
			v[i] = ldexp(pure_unit(&seed) - 0.5, (int)(pure_next(&seed) % 60));
			if (pure_next(&seed) % 7 == 0)
				v[i] = pure_next(&seed) % 2 == 0 ? 0.0 : -0.0;
			add_any(&whole, kind, v[i]);
		}
		pure_shuffle(v, n, &seed);
		for (size_t g = 0; g < 9; g++)
			assert_int_equal(bl_part_init(&group[g], kind == 2), BL_OK);
		for (size_t i = 0; i < n; i++)
			add_any(&group[pure_next(&seed) % 8], kind, v[i]);
		/* Into a random one of those left; one was empty all along. */
		for (size_t g = 8; g > 0; g--)
			assert_int_equal(
			    bl_part_merge(&group[pure_next(&seed) % g], &group[g]), BL_OK);
		assert_int_equal(bl_part_merge(&sum, &group[0]), BL_OK);
		assert_same(&whole, &sum);

		encode(&whole, &b);
		assert_int_equal(bl_part_decode(&back, b.data, b.len, NULL), BL_OK);
		assert_same(&whole, &back);
		bl_buf_free(&b);
		for (size_t g = 0; g < 9; g++)
			bl_part_free(&group[g]);
		bl_part_free(&whole);
		bl_part_free(&sum);
		bl_part_free(&back);
	}
}

/* A minimum of {0, -0} would show which came first. */
static void
minus_zero_is_zero(void **state)
{
	struct bl_part a, b;

	(void)state;
	assert_int_equal(bl_part_init(&a, true), BL_OK);
	assert_int_equal(bl_part_init(&b, true), BL_OK);
	assert_int_equal(bl_part_add(&a, -0.0, false), BL_OK);
	assert_int_equal(bl_part_add(&b, 0.0, false), BL_OK);
	assert_same(&a, &b);
	assert_false(signbit(a.min));
	bl_part_free(&a);
	bl_part_free(&b);
}

static void
a_part_is_small(void **state)
{
	static const struct {
		int n;
		double step;
		size_t most;
	} cases[] = {
		{ 0, 0, 3 }, { 1, 12.7, 22 }, { 6, 0, 22 }, /* six times the same */
		{ 6, 0.37, 32 },                            /* a minute of samples */
		{ 8640, 1e-3, 33 },                         /* a day of them */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_part p;
		struct bl_buf b;

		assert_int_equal(bl_part_init(&p, false), BL_OK);
		for (int k = 0; k < cases[i].n; k++)
			assert_int_equal(bl_part_add(&p, 41.7 + k * cases[i].step, false), BL_OK);
		encode(&p, &b);
		if (b.len > cases[i].most)
			fail_msg("case %zu: %zu bytes", i, b.len);
		bl_buf_free(&b);
		bl_part_free(&p);
	}
}

static int
decode(struct bl_part *p, const uint8_t *data, size_t len)
{
	/* Exactly its length, for the sanitizer. */
	uint8_t *copy = malloc(len > 0 ? len : 1);
	struct bl_err err = { 0 };
	int rc;

	assert_non_null(copy);
	memcpy(copy, data, len);
	rc = bl_part_decode(p, copy, len, &err);
	free(copy);
	if (rc < 0) {
		assert_true(err.msg[0] != '\0');
		assert_true(p->n == 0 && p->span_ms == 0 && bl_sum_value(&p->sum) == 0);
	}
	return rc;
}

static void
damaged_bytes_are_refused_or_another_part(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		uint64_t seed = 77;
		struct bl_part p, t;
		struct bl_buf b;

		assert_int_equal(bl_part_init(&p, kind == 2), BL_OK);
		assert_int_equal(bl_part_init(&t, false), BL_OK);
		for (int i = 0; i < 20; i++)
			add_any(&p, kind, pure_unit(&seed) * 1000 - 300);
		encode(&p, &b);
		for (size_t cut = 0; cut < b.len; cut++)
			assert_int_equal(decode(&t, b.data, cut), BL_ECORRUPT);
		for (size_t bit = 0; bit < b.len * 8; bit++) {
			struct bl_buf again;
			int rc;

			b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			rc = decode(&t, b.data, b.len);
			assert_true(
			    rc == BL_OK || rc == BL_ECORRUPT || (rc == BL_ENEWER && bit < 8));
			if (rc == BL_OK) {
				encode(&t, &again);
				assert_int_equal(again.len, b.len);
				assert_memory_equal(again.data, b.data, b.len);
				bl_buf_free(&again);
			}
			b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		bl_buf_free(&b);
		bl_part_free(&p);
		bl_part_free(&t);
	}
}

static void
random_bytes_are_refused_or_the_one_way_to_write_it(void **state)
{
	struct bl_part t;
	uint64_t seed = 3;
	int taken = 0;

	(void)state;
	assert_int_equal(bl_part_init(&t, false), BL_OK);
	for (int i = 0; i < 200000; i++) {
		uint8_t bytes[40];
		const size_t len = 3 + (size_t)(pure_next(&seed) % 37);
		struct bl_buf again;

		for (size_t k = 0; k < len; k++)
			bytes[k] = (uint8_t)(pure_next(&seed) % (k > 2 && k < 19 ? 256 : 9));
		bytes[0] = 1;
		if (decode(&t, bytes, len) != BL_OK)
			continue;
		taken++;
		encode(&t, &again);
		assert_int_equal(again.len, len);
		assert_memory_equal(again.data, bytes, len);
		bl_buf_free(&again);
	}
	assert_true(taken > 10);
	bl_part_free(&t);
}

#define ONE 0, 0, 0, 0, 0, 0, 0xf0, 0x3f
#define TWO 0, 0, 0, 0, 0, 0, 0, 0x40

static void
bytes_have_one_form(void **state)
{
	static const struct {
		int code;
		size_t len;
		uint8_t bytes[40];
	} cases[] = {
		{ BL_OK, 3, { 1, 0, 0 } },
		{ BL_ENEWER, 3, { 2, 0, 0 } },
		{ BL_ECORRUPT, 3, { 0, 0, 0 } },
		{ BL_ECORRUPT, 0, { 0 } },
		{ BL_ECORRUPT, 4, { 1, 0, 0, 0 } },    /* bytes behind its end */
		{ BL_ECORRUPT, 3, { 1, 0x40, 0 } },    /* a flag of no meaning */
		{ BL_ECORRUPT, 3, { 1, 0, 1 } },       /* values and none */
		{ BL_ECORRUPT, 11, { 1, 1, 0, ONE } }, /* no values and some */
		{ BL_OK, 11, { 1, 1, 1, ONE } },
		{ BL_ECORRUPT, 19, { 1, 3, 1, ONE, ONE } }, /* a maximum that says nothing */
		{ BL_ECORRUPT, 19, { 1, 3, 1, TWO, ONE } }, /* the wrong way round */
		{ BL_OK, 19, { 1, 3, 2, ONE, TWO } },
		{ BL_ECORRUPT, 11, { 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0x80 } },    /* -0 */
		{ BL_ECORRUPT, 11, { 1, 1, 1, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f } }, /* infinite */
		{ BL_ECORRUPT, 11, { 1, 1, 1, 1, 0, 0, 0, 0, 0, 0xf8, 0x7f } }, /* no number */
		{ BL_ECORRUPT, 12, { 1, 5, 1, ONE, 0 } }, /* hits that are none */
		{ BL_OK, 12, { 1, 5, 1, ONE, 1 } },
		{ BL_ECORRUPT, 12, { 1, 5, 1, ONE, 2 } }, /* more hits than values */
		{ BL_ECORRUPT, 12, { 1, 9, 1, ONE, 0 } }, /* a span of nothing */
		{ BL_ECORRUPT, 21,
		    { 1, 9, 1, ONE, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1 } },
		{ BL_OK, 14, { 1, 17, 1, ONE, 4, 1, 7 } },
		{ BL_ECORRUPT, 13, { 1, 17, 1, ONE, 4, 0 } },       /* a sum of no bytes */
		{ BL_ECORRUPT, 15, { 1, 17, 1, ONE, 4, 2, 0, 7 } }, /* bytes of 0 at its ends */
		{ BL_ECORRUPT, 15, { 1, 17, 1, ONE, 4, 2, 7, 0 } },
		{ BL_ECORRUPT, 14, { 1, 17, 1, ONE, 4, 2, 7 } }, /* longer than what is there */
		{ BL_ECORRUPT, 15, { 1, 17, 1, ONE, 0xae, 4, 1, 7 } }, /* byte 279: out of range */
		{ BL_ECORRUPT, 16, { 1, 17, 1, ONE, 0x9c, 4, 2, 7, 7 } },
		{ BL_OK, 15, { 1, 17, 1, ONE, 0x9c, 4, 1, 7 } }, /* byte 270: the last */
		{ BL_OK, 6, { 1, 32, 0, 0, 0, 0 } },
		{ BL_ECORRUPT, 6, { 1, 32, 0, 1, 0, 0 } }, /* a sketch of other values */
		{ BL_OK, 14, { 1, 33, 1, ONE, 1, 0, 0 } },
	};
	struct bl_part p;

	(void)state;
	assert_int_equal(bl_part_init(&p, false), BL_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int rc = decode(&p, cases[i].bytes, cases[i].len);

		if (rc != cases[i].code)
			fail_msg("case %zu: %d", i, rc);
	}
	bl_part_free(&p);
}

static void
a_full_buffer_is_said(void **state)
{
	(void)state;
	for (size_t cap = 1; cap < 26; cap++) {
		struct bl_part p;
		struct bl_buf b;

		assert_int_equal(bl_part_init(&p, cap % 2 == 0), BL_OK);
		assert_int_equal(bl_part_add(&p, 0.1, false), BL_OK);
		assert_int_equal(bl_part_add(&p, 0.3, false), BL_OK);
		bl_buf_init(&b, cap);
		assert_int_equal(bl_part_encode(&p, &b), BL_EFULL);
		bl_buf_free(&b);
		bl_part_free(&p);
	}
}

static void
names_come_back(void **state)
{
	enum bl_function f;
	enum bl_window w;

	(void)state;
	for (int i = BL_FN_MEAN; i <= BL_FN_PERCENTILE; i++) {
		assert_true(bl_function_parse(bl_function_name((enum bl_function)i), &f));
		assert_int_equal(f, i);
	}
	for (int i = BL_WINDOW_1M; i <= BL_WINDOW_1D; i++) {
		assert_true(bl_window_parse(bl_window_name((enum bl_window)i), &w));
		assert_int_equal(w, i);
	}
	assert_false(bl_function_parse("median", &f));
	assert_false(bl_window_parse("2m", &w));
	assert_null(bl_function_name((enum bl_function)99));
	assert_null(bl_window_name((enum bl_window)99));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_what_their_names_say),
		cmocka_unit_test(nothing_has_a_count_and_a_sum_only),
		cmocka_unit_test(a_rate_is_increase_over_the_time_it_took),
		cmocka_unit_test(one_value_is_itself),
		cmocka_unit_test(what_is_no_number_is_refused),
		cmocka_unit_test(an_empty_part_has_no_minimum),
		cmocka_unit_test(a_sketch_cannot_be_half_there),
		cmocka_unit_test(neither_order_nor_grouping_shows),
		cmocka_unit_test(minus_zero_is_zero),
		cmocka_unit_test(a_part_is_small),
		cmocka_unit_test(damaged_bytes_are_refused_or_another_part),
		cmocka_unit_test(random_bytes_are_refused_or_the_one_way_to_write_it),
		cmocka_unit_test(bytes_have_one_form),
		cmocka_unit_test(a_full_buffer_is_said),
		cmocka_unit_test(names_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
