/* Packs: bundles whose batches do not say again what the one before has at the same place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/batch.h"
#include "branchline/message.h"

static uint8_t place[BL_BATCH_WIRE_MAX];

static void
must_be_same(const struct bl_bundle *got, const struct bl_bundle *b)
{
	assert_true(got->packed);
	assert_int_equal(got->n, b->n);
	for (unsigned i = 0; i < b->n; i++) {
		assert_int_equal(got->batch[i].len, b->batch[i].len);
		assert_memory_equal(got->batch[i].msg, b->batch[i].msg, b->batch[i].len);
	}
}

/* Encodes, decodes, compares; returns the bytes of the message. */
static size_t
there_and_back(const struct bl_bundle *b)
{
	struct bl_bundle got;
	struct bl_buf out;
	size_t len;

	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	assert_int_equal(bl_bundle_encode(b, &out), BL_OK);
	assert_int_equal(bl_msg_type(out.data, out.len), BL_MSG_PACK);
	assert_int_equal(bl_bundle_decode(out.data, out.len, &got, place, NULL), BL_OK);
	must_be_same(&got, b);
	len = out.len;
	bl_buf_free(&out);
	return len;
}

#define PRE "BL\1\15"

static void
what_is_the_same_is_left_out(void **state)
{
	static const struct {
		const char *batch[3]; /* up to NULL */
		const char *bytes;    /* behind the prefix */
		size_t len;
	} cases[] = {
		{ { "a", "b" }, "\1\7\2\1a\1\0\1b", 9 },
		{ { "aaaa", "aaaa" }, "\1\10\2\4aaaa\4\4", 10 },
		{ { "head-x", "head-y" }, "\1\14\2\6head-x\6\5\1y", 14 },
		{ { "head-x", "head-y", "head-y" }, "\1\16\3\6head-x\6\5\1y\6\6", 16 },
		{ { "head-x-tail", "head-y-tail" }, "\1\22\2\13head-x-tail\13\5\1y\5", 20 },
		/* Three bytes in between cost as much as they are long. */
		{ { "x123y", "X123Y" }, "\1\17\2\5x123y\5\0\5X123Y", 17 },
		{ { "x1234y", "X1234Y" }, "\1\17\2\6x1234y\6\0\1X\4\1Y", 17 },
		/* The last ones, however few: nothing is behind them. */
		{ { "head", "headlong" }, "\1\15\2\4head\10\4\4long", 15 },
		{ { "headlong", "head" }, "\1\14\2\10headlong\4\4", 14 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_bundle b = { .packed = true };
		struct bl_buf out;

		for (; b.n < 3 && cases[i].batch[b.n] != NULL; b.n++)
			b.batch[b.n] =
			    (struct bl_bundle_batch){ (const uint8_t *)cases[i].batch[b.n],
				    strlen(cases[i].batch[b.n]) };
		(void)there_and_back(&b);
		bl_buf_init(&out, BL_BATCH_WIRE_MAX);
		assert_int_equal(bl_bundle_encode(&b, &out), BL_OK);
		assert_int_equal(out.len, 4 + cases[i].len);
		assert_memory_equal(out.data + 4, cases[i].bytes, cases[i].len);
		bl_buf_free(&out);
	}
}

static void
lengths_are_held_against_what_is_there(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int n; /* or what is wrong */
	} cases[] = {
		{ PRE "\1\7\2\1a\1\0\1b", 13, 2 }, { PRE "\1\10\2\2ab\2\1\1x", 14, 2 },
		{ PRE "\1\5\2\1a\1\1", 11, 2 },
		{ PRE "\11\0\1\5\2\1a\1\1", 13, 2 }, /* a section of a later version */
		{ PRE "\1\14\2\2ab\4\1\1x\0\2yz", 18, BL_ECORRUPT }, /* "same" of 0 in between */
		{ PRE "\1\7\2\2ab\2\1\1x", 14, BL_ECORRUPT },   /* the section ends too early ... */
		{ PRE "\1\11\2\2ab\2\1\1xX", 15, BL_ECORRUPT }, /* ... or too late */
		{ PRE "\1\6\2\2ab\2\1", 12, BL_ECORRUPT },      /* its other byte is missing */
		{ PRE "\1\7\2\2ab\2\1\0", 13, BL_ECORRUPT },    /* "other" of 0 */
		{ PRE "\1\5\2\1a\2\2", 11, BL_ECORRUPT },       /* more than the one before has */
		{ PRE "\1\5\2\1a\1\2", 11, BL_ECORRUPT },       /* more than the batch has */
		{ PRE "\1\10\2\1a\1\0\2bc", 14, BL_ECORRUPT },  /* the same */
		{ PRE "\1\5\2\1a\0\0", 11, BL_ECORRUPT },       /* an empty one */
		{ PRE "\1\4\2\1a\0", 10, BL_ECORRUPT },
		{ PRE "\1\4\2\0\1\1", 10, BL_ECORRUPT },               /* an empty first one */
		{ PRE "\1\3\1\1a", 9, BL_ECORRUPT },                   /* one is no pack */
		{ PRE "\1\5\3\1a\1\1", 11, BL_ECORRUPT },              /* the third is missing */
		{ PRE "\1\5\2\1a\1\1\1\5\2\1a\1\1", 18, BL_ECORRUPT }, /* twice */
		{ PRE "\1\14\2\1a\377\377\377\377\377\377\377\177\1", 18, BL_ECORRUPT },
		{ PRE, 4, BL_ECORRUPT }, { "BL\2\15\1\5\2\1a\1\1", 11, BL_ENEWER },
		{ "BL\1\14\1\5\2\1a\1\1", 11, 2 }, /* a bundle, which has other lengths */
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

/* A few bytes that say "the same" again and again come to no more than a message may be. */
static void
it_does_not_unfold_without_end(void **state)
{
	static uint8_t big[BL_BATCH_WIRE_MAX];
	const size_t most = BL_BATCH_WIRE_MAX;
	const struct {
		size_t first;
		unsigned n;
		int rc;
	} cases[] = {
		{ 1000, BL_BUNDLE_MAX, BL_OK },
		{ most / 64, 64, BL_OK },
		{ most / 64 + 1, 64, BL_ECORRUPT },
		{ most / 2, 2, BL_OK },
		{ most / 2 + 1, 2, BL_ECORRUPT },
		{ most - 100, 3, BL_ECORRUPT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_buf content, msg;
		struct bl_bundle got;

		bl_buf_init(&content, BL_BATCH_WIRE_MAX);
		bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
		bl_buf_varint(&content, cases[i].n);
		bl_buf_blob(&content, big, cases[i].first);
		for (unsigned k = 1; k < cases[i].n; k++) {
			bl_buf_varint(&content, cases[i].first);
			bl_buf_varint(&content, cases[i].first);
		}
		bl_buf_bytes(&msg, PRE "\1", 5);
		bl_buf_blob(&msg, content.data, content.len);
		assert_false(msg.failed);
		assert_int_equal(
		    bl_bundle_decode(msg.data, msg.len, &got, place, NULL), cases[i].rc);
		bl_buf_free(&content);
		bl_buf_free(&msg);
	}
}

/* Of any bytes; alike here and there, and of no two lengths. */
static void
whatever_goes_in_comes_out(void **state)
{
	static uint8_t stuff[BL_BUNDLE_MAX][900];
	uint64_t rng = 7;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct bl_bundle b = { .n = 2 + round % (BL_BUNDLE_MAX - 1), .packed = true };
		size_t all = 0;

		for (unsigned i = 0; i < b.n; i++) {
			for (size_t k = 0; k < sizeof(stuff[i]); k++) {
				rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
				stuff[i][k] = (rng >> 60) < round % 16 ? (uint8_t)(rng >> 40) : 9;
			}
			b.batch[i] = (struct bl_bundle_batch){ stuff[i],
				1 + (rng >> 33) % sizeof(stuff[i]) };
			all += b.batch[i].len;
		}
		/* Who makes room for a bundle has room for this; garbage may have no head in
		 * common. */
		assert_true(there_and_back(&b) <=
			    BL_BUNDLE_HEAD_BYTES + all + b.n * (BL_BUNDLE_ENTRY_BYTES + 4));
	}
}

static size_t
batch_of(struct bl_batch_header *h, unsigned series, struct bl_buf *out)
{
	struct bl_batch_enc *e = bl_batch_enc_create();

	assert_non_null(e);
	bl_buf_init(out, BL_BATCH_WIRE_MAX);
	for (unsigned s = 1; s <= series; s++)
		for (unsigned k = 0; k < 6; k++)
			assert_int_equal(
			    bl_batch_enc_sample(e, s, h->collect_begin_ms + 1000 + k * 10000,
				s * 1000 + k * s * 7919 % 100, BL_KNOWN),
			    BL_OK);
	assert_int_equal(bl_batch_enc_finish(e, h, out, NULL), BL_OK);
	bl_batch_enc_free(e);
	return out->len;
}

/* What an agent cuts in a minute: two streams in which nothing happened, one of samples. */
static void
a_quiet_stream_costs_a_few_bytes(void **state)
{
	static const struct {
		uint64_t seq[3];
		size_t most; /* of all that is not the first and the last batch */
	} cases[] = {
		{ { 1000, 1000, 1000 }, 20 },
		{ { 77, 77, 77 }, 20 },
		{ { 100, 102, 129 }, 40 },
		{ { 40000, 40001, 300 }, 40 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_bundle b = { .n = 3, .packed = true };
		struct bl_buf of[3];
		size_t plain = 0, len;

		for (unsigned k = 0; k < 3; k++) {
			struct bl_batch_header h = { .spool = { { 1, 2, 3, 4 } },
				.boot = { { 9, 8, 7 } },
				.stream = (enum bl_stream)(k + 1),
				.seq = cases[i].seq[k],
				.next_seq = cases[i].seq[k] + 1,
				.lowest_held = cases[i].seq[k],
				.collect_begin_ms = 123456789,
				.collect_end_ms = 123456789 + 60003 };

			plain += batch_of(&h, k == 2 ? 40 : 0, &of[k]);
			b.batch[k] = (struct bl_bundle_batch){ of[k].data, of[k].len };
		}
		len = there_and_back(&b);
		assert_true(len < plain);
		assert_true(len <= of[0].len + of[2].len - 36 + cases[i].most);
		for (unsigned k = 0; k < 3; k++)
			bl_buf_free(&of[k]);
	}
}

static void
without_memory_nothing_is_written(void **state)
{
	const struct bl_bundle b = { .n = 2,
		.packed = true,
		.batch = { { (const uint8_t *)"one batch", 9 }, { (const uint8_t *)"two", 3 } } };

	(void)state;
	for (size_t cap = 6; cap < 6 + 4 + 2 + 1 + 10 + 6; cap++) {
		struct bl_buf out;

		bl_buf_init(&out, cap);
		bl_buf_bytes(&out, "before", 6);
		assert_int_equal(bl_bundle_encode(&b, &out), BL_ENOMEM);
		assert_true(out.len == 6 && !out.failed);
		bl_buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_the_same_is_left_out),
		cmocka_unit_test(lengths_are_held_against_what_is_there),
		cmocka_unit_test(it_does_not_unfold_without_end),
		cmocka_unit_test(whatever_goes_in_comes_out),
		cmocka_unit_test(a_quiet_stream_costs_a_few_bytes),
		cmocka_unit_test(without_memory_nothing_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
