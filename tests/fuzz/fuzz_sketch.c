/*
 * libFuzzer target: a stored sketch.  What decodes encodes to the same bytes,
 * its quantiles ascend, and it merges with itself to twice the count.
 */
#include <math.h>

#include "branchline/sketch.h"

#include "fuzz.h"

static void
ask(const struct bl_sketch *s)
{
	double before = -INFINITY;

	for (int i = 0; i <= 10; i++) {
		const double v = bl_sketch_quantile(s, i / 10.0);

		CHECK(bl_sketch_count(s) == 0 ? isnan(v) : v >= before);
		before = v;
	}
}

static void
merge(const struct bl_sketch *s)
{
	struct bl_sketch *twice = bl_sketch_create();
	const uint64_t n = bl_sketch_count(s);

	CHECK(twice != NULL && bl_sketch_merge(twice, s) == BL_OK && bl_sketch_equal(twice, s));
	if (bl_sketch_merge(twice, s) == BL_OK)
		CHECK(bl_sketch_count(twice) == 2 * n);
	else
		CHECK(bl_sketch_count(twice) == n && bl_sketch_equal(twice, s));
	bl_sketch_free(twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bl_sketch *s = bl_sketch_create();
	struct bl_buf again;
	struct bl_rd rd;

	CHECK(s != NULL);
	bl_rd_init(&rd, data, size);
	if (bl_sketch_decode(s, &rd, NULL) == BL_OK) {
		bl_buf_init(&again, 1 << 20);
		CHECK(bl_sketch_encode(s, &again) == BL_OK);
		CHECK(again.len == size - bl_rd_left(&rd));
		CHECK(again.len == 0 || memcmp(again.data, data, again.len) == 0);
		bl_buf_free(&again);
		ask(s);
		merge(s);
	} else {
		CHECK(bl_sketch_count(s) == 0);
	}
	bl_sketch_free(s);
	return 0;
}
