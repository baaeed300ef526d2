/* Bytes out and bytes in: caps hold, cursors never pass their end, failures stick. */
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/buf.h"

static void
varints_have_one_form(void **state)
{
	static const struct {
		uint64_t v;
		size_t len;
		uint8_t bytes[10];
	} cases[] = {
		{ 0, 1, { 0 } },
		{ 127, 1, { 0x7f } },
		{ 128, 2, { 0x80, 1 } },
		{ 300, 2, { 0xac, 2 } },
		{ 16383, 2, { 0xff, 0x7f } },
		{ 16384, 3, { 0x80, 0x80, 1 } },
		{ UINT64_C(1) << 63, 10,
		    { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1 } },
		{ UINT64_MAX, 10, { 255, 255, 255, 255, 255, 255, 255, 255, 255, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_buf b;
		struct bl_rd r;

		bl_buf_init(&b, 64);
		bl_buf_varint(&b, cases[i].v);
		assert_int_equal(b.len, cases[i].len);
		assert_memory_equal(b.data, cases[i].bytes, b.len);
		bl_rd_init(&r, b.data, b.len);
		assert_true(bl_rd_varint(&r) == cases[i].v);
		assert_false(r.failed);
		assert_int_equal(bl_rd_left(&r), 0);
		bl_buf_free(&b);
	}
}

static void
other_varints_are_refused(void **state)
{
	static const struct {
		size_t len;
		uint8_t bytes[11];
	} cases[] = {
		{ 0, { 0 } },
		{ 1, { 0x80 } },
		{ 2, { 0x80, 0 } },
		{ 2, { 0xff, 0 } },
		{ 3, { 0xff, 0x80, 0 } },
		{ 10, { 255, 255, 255, 255, 255, 255, 255, 255, 255, 2 } },
		{ 10, { 255, 255, 255, 255, 255, 255, 255, 255, 255, 0x81 } },
		{ 11, { 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_rd r;

		bl_rd_init(&r, cases[i].bytes, cases[i].len);
		assert_int_equal(bl_rd_varint(&r), 0);
		assert_true(r.failed);
	}
}

static void
zigzag_keeps_small_numbers_small(void **state)
{
	static const struct {
		int64_t v;
		uint64_t u;
	} cases[] = {
		{ 0, 0 },
		{ -1, 1 },
		{ 1, 2 },
		{ -2, 3 },
		{ INT64_MAX, UINT64_MAX - 1 },
		{ INT64_MIN, UINT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(bl_zigzag(cases[i].v) == cases[i].u);
		assert_true(bl_unzigzag(cases[i].u) == cases[i].v);
	}
}

static void
everything_written_is_read_back(void **state)
{
	const double v = -DBL_MIN;
	struct bl_buf b;
	struct bl_rd r;
	const uint8_t *p;
	size_t len;
	double back;

	(void)state;
	bl_buf_init(&b, 1000);
	bl_buf_u8(&b, 0xfe);
	bl_buf_u16(&b, 0x1234);
	bl_buf_u32(&b, 0x12345678);
	bl_buf_u64(&b, UINT64_C(0x123456789abcdef0));
	bl_buf_f64(&b, v);
	bl_buf_zigzag(&b, INT64_MIN);
	bl_buf_blob(&b, "abc", 3);
	bl_buf_str(&b, "");
	assert_false(b.failed);
	assert_memory_equal(b.data, "\xfe\x34\x12\x78\x56\x34\x12", 7);
	bl_rd_init(&r, b.data, b.len);
	assert_int_equal(bl_rd_u8(&r), 0xfe);
	assert_int_equal(bl_rd_u16(&r), 0x1234);
	assert_int_equal(bl_rd_u32(&r), 0x12345678);
	assert_true(bl_rd_u64(&r) == UINT64_C(0x123456789abcdef0));
	back = bl_rd_f64(&r);
	assert_memory_equal(&back, &v, sizeof(v));
	assert_true(bl_rd_zigzag(&r) == INT64_MIN);
	p = bl_rd_blob(&r, 3, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(p, "abc", 3);
	assert_non_null(bl_rd_blob(&r, 0, &len));
	assert_int_equal(len, 0);
	assert_false(r.failed);
	assert_int_equal(bl_rd_left(&r), 0);
	bl_buf_free(&b);
}

static void
the_cap_holds_to_the_byte(void **state)
{
	static const size_t caps[] = { 1, 2, 15, 63, 64, 65, 100, 127, 128, 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		struct bl_buf b;

		bl_buf_init(&b, caps[i]);
		for (size_t n = 0; n < caps[i]; n++)
			bl_buf_u8(&b, 1);
		assert_false(b.failed);
		assert_int_equal(b.len, caps[i]);
		assert_true(b.size <= caps[i]);
		bl_buf_u8(&b, 1);
		assert_true(b.failed);
		assert_int_equal(b.len, caps[i]);
		bl_buf_free(&b);
	}
}

static void
a_failure_sticks_until_reset(void **state)
{
	struct bl_buf b;

	(void)state;
	bl_buf_init(&b, 4);
	bl_buf_u32(&b, 1);
	bl_buf_bytes(&b, "toolong", 7);
	assert_true(b.failed);
	bl_buf_reset(&b);
	assert_false(b.failed);
	assert_int_equal(b.len, 0);
	bl_buf_bytes(&b, "huge", SIZE_MAX);
	assert_true(b.failed);
	bl_buf_u8(&b, 1);
	assert_int_equal(b.len, 0);
	bl_buf_free(&b);
	assert_null(b.data);
	assert_int_equal(b.cap, 4);
}

static void
a_cursor_never_passes_its_end(void **state)
{
	static const uint8_t bytes[] = { 1, 2, 3 };
	struct bl_rd r;
	size_t len = 99;

	(void)state;
	bl_rd_init(&r, bytes, sizeof(bytes));
	assert_int_equal(bl_rd_u32(&r), 0);
	assert_true(r.failed);
	/* Sticky: what would have fitted does not come any more. */
	assert_int_equal(bl_rd_u8(&r), 0);
	assert_int_equal(bl_rd_left(&r), 0);
	assert_null(bl_rd_bytes(&r, 0));
	bl_rd_init(&r, bytes, sizeof(bytes));
	assert_null(bl_rd_bytes(&r, SIZE_MAX));
	bl_rd_init(&r, bytes, sizeof(bytes));
	assert_null(bl_rd_blob(&r, 0, &len));
	assert_int_equal(len, 0);
	bl_rd_init(&r, bytes + 1, 2);
	assert_null(bl_rd_blob(&r, 10, &len)); /* says 2, has 1 */
	bl_rd_init(&r, bytes, sizeof(bytes));
	assert_int_equal(bl_rd_varint_max(&r, 1), 1);
	assert_int_equal(bl_rd_varint_max(&r, 1), 0);
	assert_true(r.failed);
	bl_rd_init(&r, NULL, 0);
	assert_int_equal(bl_rd_left(&r), 0);
	assert_int_equal(bl_rd_u8(&r), 0);
	assert_true(r.failed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(varints_have_one_form),
		cmocka_unit_test(other_varints_are_refused),
		cmocka_unit_test(zigzag_keeps_small_numbers_small),
		cmocka_unit_test(everything_written_is_read_back),
		cmocka_unit_test(the_cap_holds_to_the_byte),
		cmocka_unit_test(a_failure_sticks_until_reset),
		cmocka_unit_test(a_cursor_never_passes_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
