/*
 * Bundles: several batches of one device in one message.  Only the lengths are read here; what
 * lies between them is the batches' own affair, each by itself.  In a pack a batch does not say
 * again what the one before has at the same place: whose they are, mostly, and from when to when.
 */
#include "codec_internal.h"

#include <string.h>

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

/* As many bytes from at on as two batches have in common, each at the same place. */
static size_t
same_from(const struct bl_bundle_batch *a, const struct bl_bundle_batch *b, size_t at)
{
	const size_t end = a->len < b->len ? a->len : b->len;
	size_t i = at;

	while (i < end && a->msg[i] == b->msg[i])
		i++;
	return i - at;
}

/* Fewer bytes than this are not worth the two lengths between which they would be left out. */
#define SAME_MIN 4u

static void
put_packed(
    struct bl_buf *c, const struct bl_bundle_batch *before, const struct bl_bundle_batch *one)
{
	size_t at = 0, end, same;

	bl_buf_varint(c, one->len);
	while (at < one->len) {
		same = same_from(before, one, at);
		bl_buf_varint(c, same);
		if ((at += same) == one->len)
			break;
		for (end = at + 1; end < one->len; end++)
			if (same_from(before, one, end) >= SAME_MIN)
				break;
		bl_buf_blob(c, one->msg + at, end - at);
		at = end;
	}
}

static void
put_pack(const struct bl_bundle *b, struct bl_buf *out)
{
	struct bl_buf c;

	bl_buf_init(&c, BL_BATCH_WIRE_MAX);
	bl_buf_varint(&c, b->n);
	bl_buf_blob(&c, b->batch[0].msg, b->batch[0].len);
	for (unsigned i = 1; i < b->n; i++)
		put_packed(&c, &b->batch[i - 1], &b->batch[i]);
	codec_put_section(out, BUNDLE_BATCHES, &c);
	bl_buf_free(&c);
}

static void
put_bundle(const struct bl_bundle *b, size_t content, struct bl_buf *out)
{
	bl_buf_varint(out, BUNDLE_BATCHES);
	bl_buf_varint(out, content);
	bl_buf_varint(out, b->n);
	for (unsigned i = 0; i < b->n; i++)
		bl_buf_blob(out, b->batch[i].msg, b->batch[i].len);
}

int
bl_bundle_encode(const struct bl_bundle *b, struct bl_buf *out)
{
	const size_t len0 = out->len, content = content_bytes(b);
	const bool failed0 = out->failed;

	if (content == 0)
		return BL_EINVAL;
	codec_put_prefix(out, b->packed ? BL_MSG_PACK : BL_MSG_BUNDLE);
	if (b->packed)
		put_pack(b, out);
	else
		put_bundle(b, content, out);
	return codec_finish(out, len0, failed0);
}

/* What is read into; of a pack, where its batches are put together, and what is left of that. */
struct reading {
	struct bl_bundle *b;
	uint8_t *room;
	size_t left;
};

static void
get_batches(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_bundle *b = ((struct reading *)out)->b;

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

/* One batch into to, which has room for its len bytes; the one before has had len_before. */
static void
get_packed(struct bl_rd *rd, const uint8_t *before, size_t len_before, uint8_t *to, size_t len)
{
	size_t at = 0, same, other;
	const uint8_t *p;

	for (bool first = true; at < len && !rd->failed; first = false) {
		same = (size_t)bl_rd_varint_max(rd, len - at);
		if ((same == 0 && !first) || (same > 0 && at + same > len_before))
			rd->failed = true;
		if (rd->failed)
			return;
		memcpy(to + at, before + at, same);
		if ((at += same) == len)
			return;
		p = bl_rd_blob(rd, len - at, &other);
		if (other == 0)
			rd->failed = true;
		else
			memcpy(to + at, p, other);
		at += other;
	}
}

static void
get_pack(struct bl_rd *rd, void *out, unsigned stream)
{
	struct reading *r = out;
	struct bl_bundle *b = r->b;

	(void)stream;
	b->n = (unsigned)bl_rd_varint_max(rd, BL_BUNDLE_MAX);
	if (b->n < BL_BUNDLE_MIN)
		rd->failed = true;
	for (unsigned i = 0; i < b->n && !rd->failed; i++) {
		struct bl_bundle_batch *one = &b->batch[i];

		if (i == 0) {
			one->msg = bl_rd_blob(rd, r->left, &one->len);
		} else {
			one->msg = r->room;
			one->len = (size_t)bl_rd_varint_max(rd, r->left);
			get_packed(rd, one[-1].msg, one[-1].len, r->room, one->len);
			r->room += one->len;
		}
		r->left -= one->len;
		if (one->len == 0)
			rd->failed = true;
	}
}

int
bl_bundle_decode(const void *msg, size_t len, struct bl_bundle *b, uint8_t room[BL_BATCH_WIRE_MAX],
    struct bl_err *err)
{
	static const struct codec_section bundle[] = {
		{ BUNDLE_BATCHES, true, false, "batches", get_batches },
		{ 0, false, false, NULL, NULL },
	};
	static const struct codec_section pack[] = {
		{ BUNDLE_BATCHES, true, false, "batches", get_pack },
		{ 0, false, false, NULL, NULL },
	};
	struct reading r = { .b = b, .room = room, .left = BL_BATCH_WIRE_MAX };

	b->n = 0;
	b->unknown_sections = 0;
	b->packed = bl_msg_type(msg, len) == BL_MSG_PACK;
	return codec_get_message(msg, len, b->packed ? BL_MSG_PACK : BL_MSG_BUNDLE,
	    b->packed ? "pack" : "bundle", b->packed ? pack : bundle, &r, &b->unknown_sections,
	    err);
}
