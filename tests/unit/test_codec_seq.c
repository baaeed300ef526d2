/*
 * Sequences: what goes in comes out, number by number and bit by bit, whatever
 * scale it comes at and in whatever pieces.  Random cases print their seed
 * when they fail.
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

#include "branchline/seq.h"
#include "folder.h"

#define N_MAX 700u

static uint64_t rng_state;

static uint64_t
below(uint64_t n)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (rng_state >> 7) % n;
}

static bool
same(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

/* Arrays of one sequence. */
struct room {
	int64_t i[2 * N_MAX];
	double d[2 * N_MAX];
};

static struct bl_seq
seq_of(struct room *room)
{
	return (struct bl_seq){ .i = room->i, .d = room->d };
}

/* Numbers as series have them: levels, counters, constants, pages, decimals, anything. */
static void
fill(struct bl_seq *s, uint32_t n)
{
	const unsigned kind = (unsigned)below(8);
	int64_t level = (int64_t)below(1u << below(31)) * (below(2) ? 1 : -1);
	const int64_t step = (int64_t)below(1000), noise = (int64_t)below(1u << below(20)) + 1;

	s->n = n;
	s->integers = kind < 7;
	s->scale = (uint8_t)(s->integers ? below(8) : 0);
	s->shift = (uint8_t)(s->scale == BL_SEQ_SCALE_SHIFT ? below(50) : 0);
	for (uint32_t k = 0; k < n; k++) {
		if (kind == 1)
			level += step;
		else if (kind > 1 && (kind != 2 || below(8) == 0))
			level += (int64_t)below((uint64_t)noise) - noise / 2;
		s->i[k] = level;
		s->d[k] = sin((double)level) * 1e3;
	}
}

static void
assert_same_numbers(const struct bl_seq *a, const struct bl_seq *b)
{
	static double x[2 * N_MAX], y[2 * N_MAX];

	assert_int_equal(a->n, b->n);
	bl_seq_doubles(a, x);
	bl_seq_doubles(b, y);
	for (uint32_t k = 0; k < a->n; k++)
		assert_true(same(x[k], y[k]));
}

static void
numbers_come_back(void **state)
{
	static struct room in, back;
	const unsigned n_rounds = rounds(3000, 300000);
	struct bl_buf out;
	struct bl_rd rd;

	(void)state;
	bl_buf_init(&out, 1u << 20);
	for (unsigned round = 1; round <= n_rounds; round++) {
		struct bl_seq s = seq_of(&in), got = seq_of(&back);

		rng_state = round * UINT64_C(0x9e3779b97f4a7c15);
		fill(&s, 1 + (uint32_t)below(below(2) ? 10 : N_MAX));
		for (enum bl_effort effort = BL_EFFORT_FULL; effort <= BL_EFFORT_QUICK; effort++) {
			bl_buf_reset(&out);
			assert_int_equal(bl_seq_put(&out, &s, effort, NULL), BL_OK);
			bl_buf_u8(&out, 0x5a);
			bl_rd_init(&rd, out.data, out.len);
			assert_int_equal(bl_seq_get(&rd, s.n, &got, NULL), BL_OK);
			assert_int_equal(bl_rd_u8(&rd), 0x5a);
			assert_int_equal(bl_rd_left(&rd), 0);
			assert_same_numbers(&s, &got);
		}
	}
	bl_buf_free(&out);
}

static void
joined_runs_keep_their_numbers(void **state)
{
	static struct room a, b, all;
	static double want[2 * N_MAX], got[2 * N_MAX];
	const unsigned n_rounds = rounds(3000, 300000);

	(void)state;
	for (unsigned round = 1; round <= n_rounds; round++) {
		struct bl_seq s = seq_of(&a), more = seq_of(&b), both = seq_of(&all);

		rng_state = round * UINT64_C(0x9e3779b97f4a7c15);
		fill(&s, 1 + (uint32_t)below(20));
		fill(&more, 1 + (uint32_t)below(20));
		bl_seq_doubles(&s, want);
		bl_seq_doubles(&more, want + s.n);
		bl_seq_join(&both, &s);
		bl_seq_join(&both, &more);
		assert_int_equal(both.n, s.n + more.n);
		bl_seq_doubles(&both, got);
		for (uint32_t k = 0; k < both.n; k++)
			assert_true(same(got[k], want[k]));
	}
}

static void
joined_runs_stay_integers_at_the_coarsest_scale_of_both(void **state)
{
	static const struct {
		uint8_t scale[2], shift[2], want, want_shift;
	} cases[] = {
		{ { 0, 2 }, { 0, 0 }, 2, 0 },
		{ { 3, 1 }, { 0, 0 }, 3, 0 },
		{ { 7, 7 }, { 12, 9 }, 7, 9 },
		{ { 7, 0 }, { 4, 0 }, 0, 0 },
		{ { 7, 2 }, { 4, 0 }, 2, 0 },
	};

	(void)state;
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		static struct room room;
		int64_t i[2][2] = { { 125, 7 }, { -3, 50 } };
		struct bl_seq all = seq_of(&room);

		for (int half = 0; half < 2; half++) {
			const struct bl_seq s = { .i = i[half],
				.n = 2,
				.scale = cases[k].scale[half],
				.shift = cases[k].shift[half],
				.integers = true };

			bl_seq_join(&all, &s);
		}
		assert_true(all.integers);
		assert_int_equal(all.scale, cases[k].want);
		assert_int_equal(all.shift, cases[k].want_shift);
	}
}

/* Levels, counters and levels that drift: each has a predictor of its own. */
static void
quick_is_a_little_larger_than_full(void **state)
{
	static struct room room;
	struct bl_seq s = seq_of(&room);
	size_t len[2] = { 0, 0 };
	struct bl_buf out;

	(void)state;
	bl_buf_init(&out, 1u << 20);
	s.integers = true;
	s.n = 360;
	for (unsigned kind = 0; kind < 3; kind++) {
		rng_state = kind + 1;
		for (uint32_t k = 0; k < s.n; k++)
			s.i[k] = (kind == 1 ? 5000 * (int64_t)k : 0) + (int64_t)below(200) +
				 (kind == 2 && k > 0 ? s.i[k - 1] - 100 : 1000);
		for (enum bl_effort effort = BL_EFFORT_FULL; effort <= BL_EFFORT_QUICK; effort++) {
			bl_buf_reset(&out);
			assert_int_equal(bl_seq_put(&out, &s, effort, NULL), BL_OK);
			len[effort] += out.len;
		}
	}
	assert_in_range(len[BL_EFFORT_QUICK], len[BL_EFFORT_FULL], len[BL_EFFORT_FULL] * 103 / 100);
	bl_buf_free(&out);
}

static void
scales_change_only_where_every_number_is_exact(void **state)
{
	static const struct {
		int64_t v;
		uint8_t scale, shift, to_scale, to_shift;
		bool fine;
		int64_t want;
	} cases[] = {
		{ 125, 2, 0, 3, 0, true, 1250 },
		{ 1250, 3, 0, 2, 0, true, 125 },
		{ 1251, 3, 0, 2, 0, false, 0 },
		{ 3, 7, 12, 0, 0, true, 12288 },
		{ 12288, 0, 0, 7, 12, true, 3 },
		{ 12289, 0, 0, 7, 12, false, 0 },
		{ 3, 7, 12, 7, 10, true, 12 },
		{ 3, 7, 10, 7, 12, false, 0 },
		{ 3, 7, 2, 2, 0, true, 1200 },
		{ 1200, 2, 0, 7, 2, true, 3 },
		{ 1, 7, 60, 0, 0, false, 0 },
		{ 1, 7, 60, 7, 58, true, 4 },
		{ 0, 7, 60, 6, 0, true, 0 },
		{ INT64_C(1) << 53, 0, 0, 1, 0, false, 0 },
		{ -(INT64_C(1) << 53), 0, 0, 7, 53, true, -1 },
		{ 5, 0, 0, 8, 0, false, 0 },
		{ 5, 0, 0, 0, 1, false, 0 },
	};

	(void)state;
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		int64_t i[2] = { 0, cases[k].v };
		struct bl_seq s = { .i = i,
			.n = 2,
			.scale = cases[k].scale,
			.shift = cases[k].shift,
			.integers = true };

		assert_int_equal(
		    bl_seq_rescale(&s, cases[k].to_scale, cases[k].to_shift), cases[k].fine);
		assert_int_equal(i[1], cases[k].fine ? cases[k].want : cases[k].v);
		assert_int_equal(s.scale, cases[k].fine ? cases[k].to_scale : cases[k].scale);
	}
}

static void
times_come_back(void **state)
{
	static int64_t ms[N_MAX], got[N_MAX];
	const unsigned n_rounds = rounds(2000, 200000);
	struct bl_buf out;
	struct bl_rd rd;

	(void)state;
	bl_buf_init(&out, 1u << 20);
	for (unsigned round = 1; round <= n_rounds; round++) {
		int64_t base;
		uint64_t jitter;
		uint32_t n;

		rng_state = round * UINT64_C(0x9e3779b97f4a7c15);
		base = (int64_t)below(1u << 30) - (1 << 29);
		jitter = below(4) ? below(40) + 1 : 1;
		n = 1 + (uint32_t)below(below(2) ? 10 : N_MAX);
		for (uint32_t k = 0; k < n; k++)
			ms[k] = base + 10000 * (int64_t)k + (int64_t)below(jitter);
		bl_buf_reset(&out);
		assert_int_equal(bl_times_put(&out, base, ms, n, NULL), BL_OK);
		bl_rd_init(&rd, out.data, out.len);
		assert_int_equal(bl_times_get(&rd, base, ms[n - 1], n, got, NULL), BL_OK);
		assert_int_equal(bl_rd_left(&rd), 0);
		assert_memory_equal(ms, got, n * sizeof(*ms));
		bl_rd_init(&rd, out.data, out.len);
		if (ms[n - 1] > base)
			assert_int_equal(
			    bl_times_get(&rd, base, ms[n - 1] - 1, n, got, NULL), BL_ECORRUPT);
	}
	bl_buf_free(&out);
}

static void
what_is_no_sequence_is_refused(void **state)
{
	double d[2] = { 1, INFINITY };
	int64_t i[2] = { 1, (INT64_C(1) << 53) + 1 }, descending[2] = { 5, 4 };
	struct bl_seq s = { .i = i, .d = d, .n = 2, .integers = true };
	struct bl_buf out;

	(void)state;
	bl_buf_init(&out, 1024);
	bl_buf_u8(&out, 7);
	assert_int_equal(bl_seq_put(&out, &s, BL_EFFORT_FULL, NULL), BL_EINVAL);
	s.integers = false;
	assert_int_equal(bl_seq_put(&out, &s, BL_EFFORT_QUICK, NULL), BL_EINVAL);
	s.n = 0;
	assert_int_equal(bl_seq_put(&out, &s, BL_EFFORT_QUICK, NULL), BL_EINVAL);
	assert_int_equal(bl_times_put(&out, 0, descending, 2, NULL), BL_EINVAL);
	assert_int_equal(bl_times_put(&out, 6, descending, 1, NULL), BL_EINVAL);
	assert_int_equal(bl_times_put(&out, 0, descending, 0, NULL), BL_EINVAL);
	assert_int_equal(out.len, 1);
	bl_buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_come_back),
		cmocka_unit_test(joined_runs_keep_their_numbers),
		cmocka_unit_test(joined_runs_stay_integers_at_the_coarsest_scale_of_both),
		cmocka_unit_test(quick_is_a_little_larger_than_full),
		cmocka_unit_test(scales_change_only_where_every_number_is_exact),
		cmocka_unit_test(times_come_back),
		cmocka_unit_test(what_is_no_sequence_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
