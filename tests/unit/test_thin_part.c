/* A window's part of values that are not there one by one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "branchline/window.h"

static double
value(const struct bl_part *p, enum bl_function f, double q)
{
	double v = NAN;

	return bl_part_value(p, f, q, &v) ? v : (double)NAN;
}

static bool
near(double a, double b, double by)
{
	return fabs(a - b) <= by;
}

static void
many_count_as_so_many(void **state)
{
	const struct bl_part_many many = { 1.0 / 3, -2, 7.5, 30 };
	struct bl_part p;

	(void)state;
	assert_int_equal(bl_part_init(&p, true), BL_OK);
	assert_int_equal(bl_part_add_many(&p, &many, true), BL_OK);
	assert_int_equal(p.n, 30);
	assert_int_equal(p.hits, 30);
	assert_true(value(&p, BL_FN_MEAN, 0) == 1.0 / 3); /* exactly what came */
	assert_true(value(&p, BL_FN_MIN, 0) == -2 && value(&p, BL_FN_MAX, 0) == 7.5);
	assert_true(near(value(&p, BL_FN_SUM, 0), 10, 1e-12));
	assert_true(value(&p, BL_FN_COUNT, 0) == 30);
	assert_true(value(&p, BL_FN_SHARE, 0) == 100);
	/* A quantile: the bounds once each, the mean for the others. */
	assert_true(value(&p, BL_FN_PERCENTILE, 0) == -2);
	assert_true(near(value(&p, BL_FN_PERCENTILE, 0.5), 1.0 / 3, 0.01));
	assert_true(near(value(&p, BL_FN_PERCENTILE, 0.95), 1.0 / 3, 0.01));
	assert_true(near(value(&p, BL_FN_PERCENTILE, 1), 7.5, 0.08));
	/* Weighted: 30 of a third and 10 of 4. */
	for (int i = 0; i < 10; i++)
		assert_int_equal(bl_part_add(&p, 4, false), BL_OK);
	assert_true(near(value(&p, BL_FN_MEAN, 0), 50.0 / 40, 1e-12));
	assert_true(near(value(&p, BL_FN_PERCENTILE, 0.6), 1.0 / 3, 0.01));
	assert_true(near(value(&p, BL_FN_PERCENTILE, 0.8), 4, 0.04));
	assert_true(value(&p, BL_FN_SHARE, 0) == 75);
	bl_part_free(&p);
}

static void
one_and_two_are_what_they_are(void **state)
{
	(void)state;
	for (uint64_t n = 1; n <= 2; n++) {
		const struct bl_part_many many = { n == 1 ? 5 : 6, 5, n == 1 ? 5 : 7, n };
		struct bl_part a, b;

		assert_int_equal(bl_part_init(&a, true), BL_OK);
		assert_int_equal(bl_part_init(&b, true), BL_OK);
		assert_int_equal(bl_part_add_many(&a, &many, false), BL_OK);
		assert_int_equal(bl_part_add(&b, 5, false), BL_OK);
		if (n == 2)
			assert_int_equal(bl_part_add(&b, 7, false), BL_OK);
		assert_true(bl_part_equal(&a, &b));
		bl_part_free(&a);
		bl_part_free(&b);
	}
}

static void
what_is_no_number_adds_nothing(void **state)
{
	static const struct bl_part_many rows[] = { { 1, 0, 2, 0 }, { NAN, 0, 2, 5 },
		{ 1, -INFINITY, 2, 5 }, { 1, 0, INFINITY, 5 }, { 1e308, 0, 1e308, 30 } };
	struct bl_part p, empty;

	(void)state;
	assert_int_equal(bl_part_init(&p, true), BL_OK);
	assert_int_equal(bl_part_init(&empty, true), BL_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(bl_part_add_many(&p, &rows[i], true), BL_EINVAL);
	assert_true(bl_part_equal(&p, &empty));
	bl_part_free(&p);
	bl_part_free(&empty);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_count_as_so_many),
		cmocka_unit_test(one_and_two_are_what_they_are),
		cmocka_unit_test(what_is_no_number_adds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
