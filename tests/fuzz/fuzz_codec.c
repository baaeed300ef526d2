/*
 * libFuzzer target: one message of any type, decoded and walked to its end.
 * The prefix is put right and the type brought into its range, so that the
 * fuzzer need not guess four bytes; a stored batch body also gets the checksum
 * that it wants, which otherwise hides everything behind it.
 * Begins well with the golden vectors of tests/data/wire, which are its corpus.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec_internal.h"

#include "branchline/report.h"
#include "branchline/seq.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Time columns that no column has: verify looks at them, readers do not. */
static bool
times_unused(const struct bl_batch_reader *r, uint64_t used)
{
	return r->n_times < 64 ? used != (UINT64_C(1) << r->n_times) - 1 : used != UINT64_MAX;
}

/* Both ways leave the same numbers, all of them finite, and what stands for several stays. */
static void
without_infinite(const struct bl_column *c, struct bl_seq *s, double *values, uint8_t *unknown,
    struct bl_thin *thin)
{
	static uint8_t reasons[BL_BATCH_SAMPLES_MAX];
	uint32_t known = 0;

	memcpy(reasons, unknown, c->n);
	bl_seq_drop_infinite(s, reasons);
	bl_column_drop_infinite(c, values, unknown, thin);
	if (!bl_seq_is_finite(s) || memcmp(reasons, unknown, c->n) != 0)
		abort();
	bl_seq_doubles(s, s->d);
	for (uint32_t i = 0; i < c->n; i++) {
		if ((unknown[i] == BL_KNOWN) != (thin[i].count > 0) ||
		    (unknown[i] == BL_KNOWN) != (isfinite(values[i]) != 0))
			abort();
		if (unknown[i] == BL_KNOWN && memcmp(&values[i], &s->d[known++], 8) != 0)
			abort();
	}
	if (known != s->n)
		abort();
}

/* The numbers of a column are the same either way. */
static int
walk_column(const struct bl_batch_reader *r, const struct bl_column *c)
{
	static int64_t times[BL_BATCH_SAMPLES_MAX], ints[BL_BATCH_SAMPLES_MAX];
	static double values[BL_BATCH_SAMPLES_MAX], numbers[BL_BATCH_SAMPLES_MAX];
	static uint8_t unknown[BL_BATCH_SAMPLES_MAX];
	static struct bl_thin thin[BL_BATCH_SAMPLES_MAX];
	struct bl_seq s = { .i = ints, .d = numbers };
	int rc = bl_column_decode(r, c, times, values, unknown, NULL);
	uint32_t known = 0;

	if ((rc == BL_OK) != (bl_column_seq(r, c, NULL, &s, NULL, NULL) == BL_OK) && rc == BL_OK)
		abort();
	if (rc != BL_OK)
		return rc;
	bl_seq_doubles(&s, numbers);
	for (uint32_t i = 0; i < c->n; i++)
		if (unknown[i] == BL_KNOWN && memcmp(&values[i], &numbers[known++], 8) != 0)
			abort();
	if (known != s.n)
		abort();
	if ((rc = bl_column_thin(r, c, values, unknown, thin, NULL)) == BL_OK)
		without_infinite(c, &s, values, unknown, thin);
	return rc;
}

static void
walk_batch(const struct bl_batch_header *h, const struct bl_buf *raw)
{
	const int verified = bl_batch_verify(h, raw->data, raw->len, NULL);
	struct bl_batch_reader r;
	struct bl_column c;
	struct bl_event ev;
	struct bl_gap gap;
	uint64_t used = 0;
	int rc = bl_batch_reader_init(&r, h, raw->data, raw->len, NULL);

	while (rc >= 0 && (rc = bl_batch_next_column(&r, &c, NULL)) > 0) {
		if (c.time_index >= 0)
			used |= UINT64_C(1) << c.time_index;
		rc = walk_column(&r, &c);
	}
	while (rc >= 0 && (rc = bl_batch_next_event(&r, &ev, NULL)) > 0)
		;
	while (rc >= 0 && (rc = bl_batch_next_gap(&r, &gap, NULL)) > 0)
		;
	/* What is verified never fails later, and the other way round. */
	if ((verified < 0) != (rc < 0) && (rc < 0 || !times_unused(&r, used)))
		abort();
}

static void
one_batch(const uint8_t *msg, size_t len)
{
	struct bl_batch_header h;
	const uint8_t *body;
	struct bl_buf raw;
	size_t body_len;

	if (bl_batch_header_decode(msg, len, &h, &body, &body_len, NULL) != BL_OK)
		return;
	if (body_len == h.raw_bytes)
		h.crc32 = codec_crc32(body, body_len);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	if (bl_batch_inflate(&h, body, body_len, &raw, NULL) == BL_OK)
		walk_batch(&h, &raw);
	bl_buf_free(&raw);
}

static void
one_dict(const uint8_t *msg, size_t len)
{
	struct bl_series_def def;
	struct bl_dict_reader r;
	struct bl_buf raw;

	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	if (bl_dict_decode(msg, len, &r, &raw, NULL) == BL_OK)
		while (bl_dict_next(&r, &def, NULL) > 0)
			;
	bl_buf_free(&raw);
}

static void
one_clock(const uint8_t *msg, size_t len)
{
	struct bl_clockmap_reader r;
	struct bl_clock_segment seg;

	if (bl_clockmap_decode(msg, len, &r, NULL) == BL_OK)
		while (bl_clockmap_next(&r, &seg, NULL) > 0)
			;
}

static void
one_small(const uint8_t *msg, size_t len)
{
	static union {
		struct bl_hello hello;
		struct bl_receipt receipt;
		struct bl_question question;
		struct bl_gone gone;
		struct bl_presence presence;
		struct bl_centre centre;
		struct bl_report report;
	} u;

	(void)bl_hello_decode(msg, len, &u.hello, NULL);
	(void)bl_receipt_decode(msg, len, &u.receipt, NULL);
	(void)bl_question_decode(msg, len, &u.question, NULL);
	(void)bl_gone_decode(msg, len, &u.gone, NULL);
	(void)bl_presence_decode(msg, len, &u.presence, NULL);
	(void)bl_centre_decode(msg, len, &u.centre, NULL);
	(void)bl_report_decode(msg, len, &u.report, NULL);
}

/* Of a pack there are several forms: what one holds is in ours as well. */
static bool
same_batches(const struct bl_bundle *a, const struct bl_buf *msg)
{
	static uint8_t room[BL_BATCH_WIRE_MAX];
	struct bl_bundle b;

	if (bl_bundle_decode(msg->data, msg->len, &b, room, NULL) != BL_OK || b.n != a->n)
		return false;
	for (unsigned i = 0; i < b.n; i++)
		if (b.batch[i].len != a->batch[i].len ||
		    memcmp(b.batch[i].msg, a->batch[i].msg, b.batch[i].len) != 0)
			return false;
	return true;
}

/* What decodes is the same bytes again, but for sections that were skipped. */
static void
one_bundle(const uint8_t *msg, size_t len)
{
	static uint8_t room[BL_BATCH_WIRE_MAX];
	struct bl_bundle b;
	struct bl_buf again;
	int rc;

	if (bl_bundle_decode(msg, len, &b, room, NULL) != BL_OK)
		return;
	bl_buf_init(&again, BL_BATCH_WIRE_MAX);
	rc = bl_bundle_encode(&b, &again);
	if (b.n < BL_BUNDLE_MIN || b.n > BL_BUNDLE_MAX)
		abort();
	/* Some that fit a pack would as a bundle be longer than any message. */
	if (rc != BL_OK && !(b.packed && rc == BL_EINVAL))
		abort();
	if (rc == BL_OK && !b.packed && b.unknown_sections == 0 &&
	    (again.len != len || memcmp(again.data, msg, len) != 0))
		abort();
	if (rc == BL_OK && !same_batches(&b, &again))
		abort();
	for (unsigned i = 0; i < b.n; i++)
		if (bl_msg_type(b.batch[i].msg, b.batch[i].len) == BL_MSG_BATCH)
			one_batch(b.batch[i].msg, b.batch[i].len);
	bl_buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *msg;

	if (size < 4 || (msg = malloc(size)) == NULL)
		return 0;
	memcpy(msg, data, size);
	memcpy(msg, "BL\1", 3);
	if (msg[3] < BL_MSG_HELLO || msg[3] > BL_MSG_LAST)
		msg[3] = (uint8_t)(1 + msg[3] % BL_MSG_LAST);
	if (msg[3] == BL_MSG_BATCH)
		one_batch(msg, size);
	else if (msg[3] == BL_MSG_DICT)
		one_dict(msg, size);
	else if (msg[3] == BL_MSG_CLOCK)
		one_clock(msg, size);
	else if (msg[3] == BL_MSG_BUNDLE || msg[3] == BL_MSG_PACK)
		one_bundle(msg, size);
	else
		one_small(msg, size);
	free(msg);
	return 0;
}
