/* Exact sums, held against another algorithm: Shewchuk's growing expansions. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/window.h"
#include "pure_kit.h"
#include "sum_internal.h"

#define VALUES 3000

static void
sums_are_rounded_once(void **state)
{
	static const struct {
		double v[6];
		double want;
	} cases[] = {
		{ { 0 }, 0 },
		{ { -0.0 }, 0 },
		{ { 1e300, 1, -1e300 }, 1 },
		{ { 0.1, 0.2 }, 0.1 + 0.2 },
		{ { 0.1, 0.1, 0.1, -0.3 }, 0x1p-55 },
		{ { DBL_MAX, DBL_MAX, -DBL_MAX }, DBL_MAX },
		{ { DBL_MAX, DBL_MAX }, INFINITY },
		{ { -DBL_MAX, -DBL_MAX }, -INFINITY },
		/* Half a last digit more is out of range, less is not. */
		{ { DBL_MAX, 0x1p969 }, DBL_MAX },
		{ { DBL_MAX, 0x1p970 }, INFINITY },
		{ { DBL_MAX, 0x1p970, -DBL_TRUE_MIN }, DBL_MAX },
		{ { DBL_TRUE_MIN, DBL_TRUE_MIN }, 2 * DBL_TRUE_MIN },
		{ { DBL_TRUE_MIN, -DBL_MIN }, -(DBL_MIN - DBL_TRUE_MIN) },
		{ { -1, 0x1p-60 }, -1 },
		/* Ties go to even; the smallest digit breaks them. */
		{ { 0x1p53, 1 }, 0x1p53 },
		{ { 0x1p53, 3 }, 0x1p53 + 4 },
		{ { 0x1p53, 1, DBL_TRUE_MIN }, 0x1p53 + 2 },
		{ { -0x1p53, -1, -DBL_TRUE_MIN }, -0x1p53 - 2 },
		{ { 0x1p53, 1, -DBL_TRUE_MIN }, 0x1p53 },
		/* Rounding up to the next power of two. */
		{ { 0x1.fffffffffffffp52, 0x1p-1 }, 0x1p53 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_sum s;
		double got;

		bl_sum_zero(&s);
		for (size_t k = 0; k < 6; k++)
			bl_sum_add(&s, cases[i].v[k]);
		got = bl_sum_value(&s);
		if (memcmp(&got, &cases[i].want, sizeof(got)) != 0)
			fail_msg("case %zu: %a, wanted %a", i, got, cases[i].want);
	}
}

/* Adds x to partials that do not overlap, smallest first; returns how many there are. */
static size_t
expand(double *partial, size_t n, double x)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		double y = partial[i], high, low;

		if (fabs(x) < fabs(y)) {
			const double t = x;

			x = y;
			y = t;
		}
		high = x + y;
		low = y - (high - x);
		if (low != 0)
			partial[kept++] = low;
		x = high;
	}
	partial[kept++] = x;
	return kept;
}

/* The partials' sum to the nearest double, ties to even. */
static double
round_off(const double *partial, size_t n)
{
	double high = 0, low = 0;

	while (n > 0) {
		const double x = high, y = partial[--n];

		high = x + y;
		low = y - (high - x);
		if (low != 0)
			break;
	}
	if (n > 0 && ((low < 0 && partial[n - 1] < 0) || (low > 0 && partial[n - 1] > 0))) {
		const double twice = low * 2, next = high + twice;

		if (twice == next - high)
			high = next;
	}
	return high;
}

static double
any_value(int kind, uint64_t *seed)
{
	const double sign = pure_next(seed) % 2 == 0 ? 1 : -1;

	switch (kind) {
	case 0: /* like measurements */
		return pure_unit(seed) * 100;
	case 1: /* money: two places, both signs */
		return sign * (double)(pure_next(seed) % 1000000) / 100;
	case 2: /* everything that is there, but for what overflows on its way */
		return sign * ldexp(1 + pure_unit(seed), (int)(pure_next(seed) % 2050) - 1074);
	case 3: /* much is taken away again */
		return sign *
		       ldexp((double)(1 + pure_next(seed) % 3), (int)(pure_next(seed) % 120));
	default: /* subnormal */
		return sign * (double)(pure_next(seed) % 1000) * DBL_TRUE_MIN;
	}
}

static void
assert_same_bits(double a, double b, const char *what, int kind)
{
	if (memcmp(&a, &b, sizeof(a)) != 0)
		fail_msg("%s, kind %d: %a and %a", what, kind, a, b);
}

static void
sums_are_the_nearest_double_in_any_order(void **state)
{
	static double v[VALUES], partial[VALUES];

	(void)state;
	for (int round = 0; round < 40; round++) {
		const int kind = round % 5;
		uint64_t seed = (uint64_t)round + 100;
		struct bl_sum whole, group[5];
		size_t n = 0;
		double want;

		bl_sum_zero(&whole);
		for (size_t i = 0; i < 5; i++)
			bl_sum_zero(&group[i]);
		for (size_t i = 0; i < VALUES; i++) {
			v[i] = any_value(kind, &seed);
			n = expand(partial, n, v[i]);
			bl_sum_add(&whole, v[i]);
		}
		want = round_off(partial, n);
		assert_same_bits(bl_sum_value(&whole), want + 0.0, "in order", kind);

		pure_shuffle(v, VALUES, &seed);
		for (size_t i = 0; i < VALUES; i++)
			bl_sum_add(&group[pure_next(&seed) % 5], v[i]);
		bl_sum_merge(&group[1], &group[3]);
		bl_sum_merge(&group[4], &group[1]);
		bl_sum_merge(&group[0], &group[2]);
		bl_sum_merge(&group[0], &group[4]);
		assert_same_bits(bl_sum_value(&group[0]), want + 0.0, "grouped", kind);
	}
}

/* Carries wait for 2^30 additions; limb and counter are set as if those had been made. */
static void
carries_come_in_time(void **state)
{
	(void)state;
	for (int sign = 1; sign >= -1; sign -= 2) {
		struct bl_sum s;

		bl_sum_zero(&s);
		bl_sum_add(&s, sign * DBL_TRUE_MIN);
		s.limb[0] = sign * ((INT64_C(1) << 62) - 1);
		s.adds = (UINT32_C(1) << 30) - 2;
		for (int i = 0; i < 5; i++)
			bl_sum_add(&s, sign * DBL_TRUE_MIN);
		assert_true(s.adds < 5);
		assert_in_range(llabs(s.limb[0]), 0, UINT32_MAX);
		assert_same_bits(bl_sum_value(&s),
		    sign * ldexp((double)((INT64_C(1) << 62) + 4), -1074), "carried", sign);
		bl_sum_add(&s, -sign * ldexp(1, 62 - 1074));
		assert_same_bits(bl_sum_value(&s), 4 * sign * DBL_TRUE_MIN, "the rest", sign);
	}
}

/* Both hold as much as may wait for its carries. */
static void
sums_full_of_carries_merge(void **state)
{
	struct bl_sum a, b;

	(void)state;
	bl_sum_zero(&a);
	bl_sum_add(&a, DBL_TRUE_MIN);
	a.limb[0] = ((INT64_C(1) << 30) + 1) * (int64_t)UINT32_MAX;
	a.adds = UINT32_C(1) << 30;
	b = a;
	bl_sum_merge(&a, &b);
	assert_same_bits(bl_sum_value(&a),
	    ldexp((double)(((UINT64_C(1) << 30) + 1) * UINT32_MAX), 1 - 1074), "merged", 0);
}

static void
doubling_sixty_two_times_is_exact(void **state)
{
	struct bl_sum s, minus, t;
	struct sum_plain plain;

	(void)state;
	bl_sum_zero(&s);
	bl_sum_zero(&minus);
	bl_sum_add(&s, DBL_MAX);
	bl_sum_add(&s, DBL_TRUE_MIN);
	bl_sum_add(&minus, -DBL_MAX);
	for (int i = 0; i < 62; i++) {
		t = s;
		bl_sum_merge(&s, &t);
		t = minus;
		bl_sum_merge(&minus, &t);
	}
	assert_true(isinf(bl_sum_value(&s)));
	bl_sum_plain(&minus, &plain);
	assert_true(bl_sum_from_plain(&t, &plain));
	bl_sum_merge(&s, &t);
	assert_same_bits(bl_sum_value(&s), ldexp(DBL_TRUE_MIN, 62), "what is left", 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_rounded_once),
		cmocka_unit_test(sums_are_the_nearest_double_in_any_order),
		cmocka_unit_test(carries_come_in_time),
		cmocka_unit_test(sums_full_of_carries_merge),
		cmocka_unit_test(doubling_sixty_two_times_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
