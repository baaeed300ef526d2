/* Bundles: only lengths are read, within their caps, and what is written is what is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/message.h"

static uint8_t stuff[BL_BATCH_WIRE_MAX], place[BL_BATCH_WIRE_MAX];

static struct bl_bundle
bundle(unsigned n, size_t len)
{
	struct bl_bundle b = { .n = n };

	for (unsigned i = 0; i < n && i < BL_BUNDLE_MAX; i++)
		b.batch[i] = (struct bl_bundle_batch){ stuff + i, len };
	return b;
}

static void
what_goes_in_comes_out(void **state)
{
	static const unsigned ns[] = { 2, 3, 63, BL_BUNDLE_MAX };
	static const size_t lens[] = { 1, 60, 127, 128, 4000 };

	(void)state;
	for (size_t i = 0; i < sizeof(stuff); i++)
		stuff[i] = (uint8_t)(i * 7);
	for (size_t k = 0; k < sizeof(ns) / sizeof(ns[0]) * 5; k++) {
		const struct bl_bundle b = bundle(ns[k / 5], lens[k % 5]);
		struct bl_bundle got;
		struct bl_buf out;

		bl_buf_init(&out, BL_BATCH_WIRE_MAX);
		assert_int_equal(bl_bundle_encode(&b, &out), BL_OK);
		assert_int_equal(bl_msg_type(out.data, out.len), BL_MSG_BUNDLE);
		/* What the sender reckons with is never too little. */
		assert_true(
		    out.len <= BL_BUNDLE_HEAD_BYTES + b.n * (BL_BUNDLE_ENTRY_BYTES + lens[k % 5]));
		assert_int_equal(bl_bundle_decode(out.data, out.len, &got, place, NULL), BL_OK);
		assert_int_equal(got.n, b.n);
		for (unsigned i = 0; i < b.n; i++) {
			assert_int_equal(got.batch[i].len, lens[k % 5]);
			assert_memory_equal(got.batch[i].msg, stuff + i, got.batch[i].len);
		}
		bl_buf_free(&out);
	}
}

static void
what_is_no_bundle_is_not_written(void **state)
{
	/* The prefix, the section's head, n, and for each a length of three bytes. */
	const size_t most = (BL_BATCH_WIRE_MAX - BL_BUNDLE_HEAD_BYTES) / 2 - BL_BUNDLE_ENTRY_BYTES;
	const struct {
		unsigned n;
		size_t len;
		int rc;
	} cases[] = {
		{ 0, 60, BL_EINVAL },
		{ 1, 60, BL_EINVAL },
		{ BL_BUNDLE_MAX + 1, 60, BL_EINVAL },
		{ 2, 0, BL_EINVAL },
		{ 2, most, BL_OK },
		{ 2, most + 1, BL_EINVAL },
		{ 2, SIZE_MAX, BL_EINVAL },
		{ BL_BUNDLE_MAX, BL_BATCH_WIRE_MAX, BL_EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct bl_bundle b = bundle(cases[i].n, cases[i].len);
		struct bl_buf out;

		bl_buf_init(&out, 2 * BL_BATCH_WIRE_MAX);
		bl_buf_bytes(&out, "before", 6);
		assert_int_equal(bl_bundle_encode(&b, &out), cases[i].rc);
		assert_true(cases[i].rc == BL_OK || out.len == 6);
		assert_true(out.len <= 6 + BL_BATCH_WIRE_MAX);
		bl_buf_free(&out);
	}
}

static void
a_full_output_is_left_as_it_was(void **state)
{
	const struct bl_bundle b = bundle(3, 100);

	(void)state;
	for (size_t room = 6; room < 6 + 3 * 101 + 7; room++) {
		struct bl_buf out;

		bl_buf_init(&out, room);
		bl_buf_bytes(&out, "before", 6);
		assert_int_equal(bl_bundle_encode(&b, &out), BL_ENOMEM);
		assert_true(out.len == 6 && !out.failed);
		bl_buf_free(&out);
	}
}

#define PRE "BL\1\14"

static void
lengths_are_held_against_what_is_there(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int n; /* or what is wrong */
	} cases[] = {
		{ PRE "\1\5\2\1a\1b", 11, 2 }, { PRE "\1\7\3\1a\1b\1c", 13, 3 },
		{ PRE "\11\0\1\5\2\1a\1b", 13, 2 }, /* a section of a later version */
		{ PRE, 4, BL_ECORRUPT }, { PRE "\1\0", 6, BL_ECORRUPT },
		{ PRE "\1\1\0", 7, BL_ECORRUPT },
		{ PRE "\1\3\1\1a", 9, BL_ECORRUPT },         /* one is no bundle */
		{ PRE "\1\5\3\1a\1b", 11, BL_ECORRUPT },     /* the third is missing */
		{ PRE "\1\5\2\1a\2b", 11, BL_ECORRUPT },     /* beyond the end */
		{ PRE "\1\5\2\1a\1bX", 12, BL_ECORRUPT },    /* behind the section: no section */
		{ PRE "\1\6\2\1a\1bX", 12, BL_ECORRUPT },    /* left over in it */
		{ PRE "\1\4\2\1a\0", 10, BL_ECORRUPT },      /* an empty one */
		{ PRE "\1\6\2\201\0a\1b", 12, BL_ECORRUPT }, /* a length in a longer form */
		{ PRE "\1\5\2\1a\1b\1\5\2\1a\1b", 18, BL_ECORRUPT }, /* twice */
		{ PRE "\1\15\2\1a\377\377\377\377\377\377\377\377\177", 19, BL_ECORRUPT },
		{ PRE "\1\5\377\1a\1b", 11, BL_ECORRUPT }, { "BL\2\14\1\5\2\1a\1b", 11, BL_ENEWER },
		{ "BL\1\3\1\5\2\1a\1b", 11, BL_ECORRUPT }, /* a batch is none */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_err err = { 0 };
		struct bl_bundle b;
		const int rc = bl_bundle_decode(cases[i].bytes, cases[i].len, &b, place, &err);

		assert_int_equal(rc == BL_OK ? (int)b.n : rc, cases[i].n);
		assert_true(rc == BL_OK || err.msg[0] != '\0');
	}
}

static void
hundreds_are_refused(void **state)
{
	struct bl_bundle got;
	struct bl_buf out;

	(void)state;
	for (unsigned n = BL_BUNDLE_MAX; n <= 400; n += 56) {
		bl_buf_init(&out, BL_BATCH_WIRE_MAX);
		bl_buf_bytes(&out, PRE "\1", 5);
		bl_buf_varint(&out, 2 * n + (n > 127 ? 2 : 1));
		bl_buf_varint(&out, n);
		for (unsigned i = 0; i < n; i++)
			bl_buf_bytes(&out, "\1x", 2);
		assert_int_equal(bl_bundle_decode(out.data, out.len, &got, place, NULL),
		    n == BL_BUNDLE_MAX ? BL_OK : BL_ECORRUPT);
		bl_buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out),
		cmocka_unit_test(what_is_no_bundle_is_not_written),
		cmocka_unit_test(a_full_output_is_left_as_it_was),
		cmocka_unit_test(lengths_are_held_against_what_is_there),
		cmocka_unit_test(hundreds_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
