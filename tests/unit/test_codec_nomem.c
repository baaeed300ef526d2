/*
 * Out of memory at every single allocation: the encoder says so, leaves the
 * output alone, and works again afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/batch.h"
#include "branchline/message.h"
#include "branchline/report.h"
#include "branchline/seq.h"
#include "nomem.h"

/* Everything that a batch can hold.  The first code that is not BL_OK. */
static int
encode(struct bl_batch_enc *e, struct bl_buf *out)
{
	struct bl_batch_header h = { .stream = BL_STREAM_EVENTS, .seq = 1 };
	const struct bl_thin thin = { 1.0 / 3, 70, 30 };
	const struct bl_gap gap = { .reason = BL_GAP_OFF, .stream = BL_STREAM_HOST };
	const struct bl_event ev = { .boot_ms = 5, .type = { "a.b", 3 }, .id = { "x", 1 } };
	int rc = BL_OK;

	for (uint32_t t = 0; t < 5 && rc == BL_OK; t++)
		for (uint32_t s = 0; s < 80 && rc == BL_OK; s++)
			rc = bl_batch_enc_sample(
			    e, 1 + s, t + s / 79, s % 5 ? s * t : 1.0 / (s + t + 1), BL_KNOWN);
	for (uint32_t i = 0; i < 70 && rc == BL_OK; i++)
		rc = bl_batch_enc_thin(e, 90 + i % 2, 10 + i, i, &thin);
	for (int i = 0; i < 70 && rc == BL_OK; i++)
		rc = bl_batch_enc_event(e, &ev);
	for (int i = 0; i < 70 && rc == BL_OK; i++)
		rc = bl_batch_enc_gap(e, &gap);
	return rc == BL_OK ? bl_batch_enc_finish(e, &h, out, NULL) : rc;
}

static void
batches_survive_each_failed_allocation(void **state)
{
	unsigned n = 0;
	bool failed;

	(void)state;
	do {
		struct bl_batch_enc *e = bl_batch_enc_create();
		struct bl_buf out;
		int rc;

		bl_buf_init(&out, BL_BATCH_WIRE_MAX);
		nomem_arm(++n);
		rc = encode(e, &out);
		failed = nomem_disarm();
		assert_int_equal(rc, failed ? BL_ENOMEM : BL_OK);
		assert_int_equal(out.len > 0, !failed);
		assert_false(out.failed);
		bl_batch_enc_reset(e);
		bl_buf_reset(&out);
		assert_int_equal(encode(e, &out), BL_OK);
		bl_batch_enc_free(e);
		bl_buf_free(&out);
	} while (failed);
	assert_true(n > 25);
}

static int
decode(const struct bl_buf *msg, struct bl_buf *raw)
{
	struct bl_batch_header h;
	const uint8_t *body;
	size_t len;
	int rc;

	if ((rc = bl_batch_header_decode(msg->data, msg->len, &h, &body, &len, NULL)) != BL_OK ||
	    (rc = bl_batch_inflate(&h, body, len, raw, NULL)) != BL_OK)
		return rc;
	return bl_batch_verify(&h, raw->data, raw->len, NULL);
}

static void
decoding_survives_each_failed_allocation(void **state)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_buf msg;
	unsigned n = 0;
	bool failed;

	(void)state;
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(bl_batch_enc_sample(e, 1, i, i % 7, BL_KNOWN), BL_OK);
	bl_batch_enc_reset(e);
	assert_int_equal(encode(e, &msg), BL_OK);
	do {
		struct bl_buf raw;
		int rc;

		bl_buf_init(&raw, BL_BATCH_RAW_MAX);
		nomem_arm(++n);
		rc = decode(&msg, &raw);
		failed = nomem_disarm();
		assert_int_equal(rc, failed ? BL_ENOMEM : BL_OK);
		bl_buf_free(&raw);
	} while (failed);
	bl_batch_enc_free(e);
	bl_buf_free(&msg);
}

static int
encode_messages(struct bl_buf *out)
{
	const struct bl_hello h = { .stream = {
					{ 1, 1, { 0 } }, { 1, 1, { 0 } }, { 1, 1, { 0 } } } };
	const struct bl_series_def def = { .id = 1,
		.stream = BL_STREAM_HOST,
		.kind = BL_GAUGE,
		.name = { "abcdefghijklmnopq", 17 } };
	const struct bl_receipt r = { .is_answer = true };
	const struct bl_clock_segment seg = { .id = 1 };
	const struct bl_report report = { .n_months = 1 };
	uint32_t encoded;
	int rc;

	if ((rc = bl_hello_encode(&h, out)) != BL_OK ||
	    (rc = bl_report_encode(&report, out)) != BL_OK ||
	    (rc = bl_receipt_encode(&r, out)) != BL_OK ||
	    (rc = bl_dict_encode(&h.spool, &def, 1, out, &encoded, NULL)) != BL_OK)
		return rc;
	return bl_clockmap_encode(&h.spool, &seg, 1, out, &encoded, NULL);
}

static void
messages_survive_each_failed_allocation(void **state)
{
	unsigned n = 0;
	bool failed;

	(void)state;
	do {
		struct bl_buf out;
		int rc;

		bl_buf_init(&out, BL_BATCH_WIRE_MAX);
		nomem_arm(++n);
		rc = encode_messages(&out);
		failed = nomem_disarm();
		assert_int_equal(rc, failed ? BL_ENOMEM : BL_OK);
		assert_false(out.failed);
		bl_buf_free(&out);
	} while (failed);
	assert_true(n > 5);
}

/* Long ones: only those ask for memory of their own. */
static int
encode_sequences(struct bl_buf *out)
{
	static int64_t i[1000], ms[1000];
	static double d[1000];
	struct bl_seq s = { .i = i, .d = d, .n = 1000, .integers = true };
	int rc;

	for (int k = 0; k < 1000; k++) {
		i[k] = (int64_t)k * k;
		d[k] = 1.0 / (k + 1);
		ms[k] = 10 * i[k];
	}
	if ((rc = bl_seq_put(out, &s, BL_EFFORT_QUICK, NULL)) != BL_OK)
		return rc;
	s.integers = false;
	if ((rc = bl_seq_put(out, &s, BL_EFFORT_FULL, NULL)) != BL_OK)
		return rc;
	return bl_times_put(out, 0, ms, 1000, NULL);
}

static void
sequences_survive_each_failed_allocation(void **state)
{
	unsigned n = 0;
	bool failed;

	(void)state;
	do {
		struct bl_buf out;
		int rc;

		bl_buf_init(&out, 1u << 20);
		nomem_arm(++n);
		rc = encode_sequences(&out);
		failed = nomem_disarm();
		assert_int_equal(rc, failed ? BL_ENOMEM : BL_OK);
		assert_false(out.failed);
		bl_buf_free(&out);
	} while (failed);
	assert_true(n > 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_survive_each_failed_allocation),
		cmocka_unit_test(decoding_survives_each_failed_allocation),
		cmocka_unit_test(messages_survive_each_failed_allocation),
		cmocka_unit_test(sequences_survive_each_failed_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
