/*
 * libFuzzer target: a sequence of numbers, or a time column, apart from any
 * batch.  What decodes is written again, with both efforts, and must come back
 * as the same numbers.  Two bytes in front say how many there are.
 */
#include <stdlib.h>
#include <string.h>

#include "branchline/seq.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define N_MAX 4096u

struct room {
	int64_t i[N_MAX];
	double d[N_MAX];
};

static void
again(const struct bl_seq *s, enum bl_effort effort)
{
	static struct room room;
	static double want[N_MAX], have[N_MAX];
	struct bl_seq got = { .i = room.i, .d = room.d };
	struct bl_buf out;
	struct bl_rd rd;

	bl_buf_init(&out, 1u << 20);
	CHECK(bl_seq_put(&out, s, effort, NULL) == BL_OK);
	bl_rd_init(&rd, out.data, out.len);
	CHECK(bl_seq_get(&rd, s->n, &got, NULL) == BL_OK);
	CHECK(bl_rd_left(&rd) == 0);
	bl_seq_doubles(s, want);
	bl_seq_doubles(&got, have);
	CHECK(memcmp(want, have, s->n * sizeof(want[0])) == 0);
	bl_buf_free(&out);
}

static void
numbers(struct bl_rd rd, uint32_t n)
{
	static struct room room;
	struct bl_seq s = { .i = room.i, .d = room.d };

	if (bl_seq_get(&rd, n, &s, NULL) != BL_OK)
		return;
	CHECK(s.n == n);
	again(&s, BL_EFFORT_FULL);
	again(&s, BL_EFFORT_QUICK);
	if (s.integers && bl_seq_rescale(&s, 3, 0))
		again(&s, BL_EFFORT_QUICK);
}

static void
times(struct bl_rd rd, uint32_t n)
{
	static int64_t ms[N_MAX], got[N_MAX];
	struct bl_buf out;

	if (bl_times_get(&rd, -7, INT64_C(1) << 52, n, ms, NULL) != BL_OK)
		return;
	bl_buf_init(&out, 1u << 20);
	CHECK(bl_times_put(&out, -7, ms, n, NULL) == BL_OK);
	bl_rd_init(&rd, out.data, out.len);
	CHECK(bl_times_get(&rd, -7, ms[n - 1], n, got, NULL) == BL_OK);
	CHECK(bl_rd_left(&rd) == 0 && memcmp(ms, got, n * sizeof(ms[0])) == 0);
	bl_buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bl_rd rd;
	uint32_t n;

	if (size < 3)
		return 0;
	bl_rd_init(&rd, data + 2, size - 2);
	n = 1 + (data[0] | (uint32_t)data[1] << 8) % N_MAX;
	numbers(rd, n);
	times(rd, n);
	return 0;
}
