/*
 * Bundles: several batches of one device in one message.  Only the lengths are read here; what
 * lies between them is the batches' own affair, each by itself.
 */
#include "codec_internal.h"

enum { BUNDLE_BATCHES = 1 };

static size_t
varint_bytes(uint64_t v)
{
	size_t n = 1;

	for (; v > 0x7f; v >>= 7)
		n++;
	return n;
}

/* The content of the section; 0: no bundle can be made of this. */
static size_t
content_bytes(const struct bl_bundle *b)
{
	size_t bytes = varint_bytes(b->n);

	if (b->n < BL_BUNDLE_MIN || b->n > BL_BUNDLE_MAX)
		return 0;
	for (unsigned i = 0; i < b->n; i++) {
		if (b->batch[i].len == 0 || b->batch[i].len > BL_BATCH_WIRE_MAX)
			return 0;
		bytes += varint_bytes(b->batch[i].len) + b->batch[i].len;
	}
	return bytes + BL_BUNDLE_HEAD_BYTES - 1 <= BL_BATCH_WIRE_MAX ? bytes : 0;
}

int
bl_bundle_encode(const struct bl_bundle *b, struct bl_buf *out)
{
	const size_t len0 = out->len, content = content_bytes(b);
	const bool failed0 = out->failed;

	if (content == 0)
		return BL_EINVAL;
	codec_put_prefix(out, BL_MSG_BUNDLE);
	bl_buf_varint(out, BUNDLE_BATCHES);
	bl_buf_varint(out, content);
	bl_buf_varint(out, b->n);
	for (unsigned i = 0; i < b->n; i++)
		bl_buf_blob(out, b->batch[i].msg, b->batch[i].len);
	return codec_finish(out, len0, failed0);
}

static void
get_batches(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_bundle *b = out;

	(void)stream;
	b->n = (unsigned)bl_rd_varint_max(rd, BL_BUNDLE_MAX);
	if (b->n < BL_BUNDLE_MIN)
		rd->failed = true;
	for (unsigned i = 0; i < b->n && !rd->failed; i++) {
		b->batch[i].msg = bl_rd_blob(rd, BL_BATCH_WIRE_MAX, &b->batch[i].len);
		if (b->batch[i].len == 0)
			rd->failed = true;
	}
}

int
bl_bundle_decode(const void *msg, size_t len, struct bl_bundle *b, struct bl_err *err)
{
	static const struct codec_section known[] = {
		{ BUNDLE_BATCHES, true, false, "batches", get_batches },
		{ 0, false, false, NULL, NULL },
	};

	b->n = 0;
	b->unknown_sections = 0;
	return codec_get_message(
	    msg, len, BL_MSG_BUNDLE, "bundle", known, b, &b->unknown_sections, err);
}
