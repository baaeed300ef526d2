/*
 * libFuzzer target: what waits in the spool's file: a tick, an event, an entry
 * of the dictionary.  A damaged one is told, and a whole one becomes a batch
 * that every reader takes.
 */
#include "fuzz.h"
#include "spool_internal.h"

static struct bl_batch_enc *enc; /* large: made once */

static uint32_t
renumbered(void *ctx, uint32_t id)
{
	(void)ctx;
	return id % 5; /* 0: dropped */
}

static void
check_batch(void)
{
	static const struct bl_id id = { { 1 } };
	struct bl_batch_header h = { .spool = id,
		.boot = id,
		.stream = BL_STREAM_HOST,
		.seq = 1,
		.next_seq = 2,
		.lowest_held = 1,
		.collect_end_ms = INT64_C(1) << 40 };
	struct bl_batch_header read;
	const uint8_t *body;
	struct bl_buf msg, raw;
	size_t len;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	if (bl_batch_enc_finish(enc, &h, &msg, NULL) == BL_OK) {
		CHECK(bl_batch_header_decode(msg.data, msg.len, &read, &body, &len, NULL) == BL_OK);
		CHECK(bl_batch_inflate(&read, body, len, &raw, NULL) == BL_OK);
		CHECK(bl_batch_verify(&read, raw.data, raw.len, NULL) == BL_OK);
	}
	bl_buf_free(&msg);
	bl_buf_free(&raw);
}

static void
row(const uint8_t *data, size_t size, enum spool_row_kind kind)
{
	uint32_t skipped = 0;

	if (enc == NULL)
		CHECK((enc = bl_batch_enc_create()) != NULL);
	bl_batch_enc_reset(enc);
	if (row_encode(data, size, kind, 1000, enc, &skipped) == BL_OK)
		check_batch();
}

static void
renumber(const uint8_t *data, size_t size)
{
	struct spool_row *r = calloc(1, sizeof(*r) + size), *out;

	CHECK(r != NULL);
	r->stream = BL_STREAM_HOST;
	r->kind = ROW_TICK;
	r->len = size;
	memcpy(r->data, data, size);
	out = row_renumber(r, renumbered, NULL);
	free(out);
	free(r);
}

static void
definition(const uint8_t *data, size_t size)
{
	struct bl_series_def def, again;
	struct bl_buf b;

	if (def_decode(data, size, &def) != BL_OK)
		return;
	bl_buf_init(&b, BL_BATCH_WIRE_MAX);
	if (def_encode(&def, &b, NULL) == BL_OK) {
		CHECK(def_decode(b.data, b.len, &again) == BL_OK);
		CHECK(again.stream == def.stream && again.kind == def.kind &&
		      again.n_labels == def.n_labels && again.name.len == def.name.len);
	}
	bl_buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch (data[0] % 4) {
	case 0:
		row(data + 1, size - 1, ROW_TICK);
		break;
	case 1:
		row(data + 1, size - 1, ROW_EVENT);
		break;
	case 2:
		renumber(data + 1, size - 1);
		break;
	default:
		definition(data + 1, size - 1);
		break;
	}
	return 0;
}
