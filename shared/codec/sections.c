/* Prefix, sections and the small parts that several messages have in common. */
#include "codec_internal.h"

#include <string.h>

#define PREFIX_BYTES 4u

int
bl_msg_type(const void *msg, size_t len)
{
	const uint8_t *p = msg;

	if (len < PREFIX_BYTES || p[0] != 'B' || p[1] != 'L')
		return BL_ECORRUPT;
	if (p[2] != BL_WIRE_FORMAT)
		return p[2] > BL_WIRE_FORMAT ? BL_ENEWER : BL_ECORRUPT;
	if (p[3] < BL_MSG_HELLO || p[3] > BL_MSG_LAST)
		return BL_ECORRUPT;
	return p[3];
}

void
codec_put_prefix(struct bl_buf *out, enum bl_msg_type type)
{
	const uint8_t prefix[PREFIX_BYTES] = { 'B', 'L', BL_WIRE_FORMAT, (uint8_t)type };

	bl_buf_bytes(out, prefix, sizeof(prefix));
}

int
codec_get_prefix(const void *msg, size_t len, enum bl_msg_type type, const char *what,
    struct bl_rd *rd, struct bl_err *err)
{
	const int found = bl_msg_type(msg, len);

	if (found == BL_ENEWER)
		return bl_fail(err, BL_ENEWER, "%s: format %u is newer than this program's %u",
		    what, ((const uint8_t *)msg)[2], BL_WIRE_FORMAT);
	if (found < 0)
		return bl_fail(err, BL_ECORRUPT, "%s: prefix: no Branchline message", what);
	if (found != (int)type)
		return bl_fail(err, BL_ECORRUPT, "%s: prefix: message type is %d, expected %d",
		    what, found, (int)type);
	if (len > BL_BATCH_WIRE_MAX)
		return bl_fail(err, BL_ECORRUPT, "%s: message of %zu bytes is over the limit of %u",
		    what, len, BL_BATCH_WIRE_MAX);
	bl_rd_init(rd, (const uint8_t *)msg + PREFIX_BYTES, len - PREFIX_BYTES);
	return BL_OK;
}

void
codec_put_section(struct bl_buf *out, unsigned tag, const struct bl_buf *content)
{
	if (content->failed)
		out->failed = true;
	bl_buf_varint(out, tag);
	bl_buf_blob(out, content->data, content->len);
}

int
codec_get_section(struct bl_rd *rd, uint64_t *tag, struct bl_rd *content)
{
	const uint8_t *p;
	size_t len;

	if (!rd->failed && rd->p == rd->end)
		return 0;
	*tag = bl_rd_varint(rd);
	p = bl_rd_blob(rd, BL_BATCH_RAW_MAX, &len);
	if (rd->failed)
		return BL_ECORRUPT;
	bl_rd_init(content, p, len);
	return 1;
}

static const struct codec_section *
find_section(const struct codec_section *known, uint64_t tag)
{
	for (; known->tag != 0; known++)
		if (known->tag == tag)
			return known;
	return NULL;
}

/* Which appearance this is: bit tag * 4 + stream.  -1: not a stream. */
static int
seen_bit(const struct codec_section *section, struct bl_rd *content, unsigned *stream)
{
	*stream = section->per_stream ? bl_rd_u8(content) : 0;
	if (section->per_stream && (*stream < 1 || *stream > BL_STREAMS))
		return -1;
	return (int)(section->tag * 4 + *stream);
}

static const struct codec_section *
find_missing(const struct codec_section *known, uint32_t seen)
{
	for (; known->tag != 0; known++) {
		const uint32_t want = known->per_stream ? 14 : 1;

		if (known->required && (seen >> known->tag * 4 & want) != want)
			return known;
	}
	return NULL;
}

int
codec_get_message(const void *msg, size_t len, enum bl_msg_type type, const char *what,
    const struct codec_section *known, void *out, uint32_t *unknown, struct bl_err *err)
{
	const struct codec_section *section;
	struct bl_rd rd, content;
	uint32_t seen = 0;
	unsigned stream;
	uint64_t tag;
	int rc, bit;

	if ((rc = codec_get_prefix(msg, len, type, what, &rd, err)) != BL_OK)
		return rc;
	while ((rc = codec_get_section(&rd, &tag, &content)) > 0) {
		if (tag == 0)
			return bl_fail(err, BL_ECORRUPT, "%s: a section has tag 0", what);
		if ((section = find_section(known, tag)) == NULL) {
			++*unknown;
			continue;
		}
		bit = seen_bit(section, &content, &stream);
		if (bit < 0 || (seen >> bit & 1) != 0)
			return bl_fail(err, BL_ECORRUPT, "%s: %s comes twice or for no stream",
			    what, section->name);
		seen |= UINT32_C(1) << bit;
		section->get(&content, out, stream);
		if (content.failed || bl_rd_left(&content) != 0)
			return bl_fail(
			    err, BL_ECORRUPT, "%s: %s does not decode", what, section->name);
	}
	if (rc < 0)
		return bl_fail(err, BL_ECORRUPT, "%s: a section is cut off", what);
	if ((section = find_missing(known, seen)) != NULL)
		return bl_fail(err, BL_ECORRUPT, "%s: %s is missing", what, section->name);
	return BL_OK;
}

void
codec_put_id(struct bl_buf *out, const struct bl_id *id)
{
	bl_buf_bytes(out, id->b, sizeof(id->b));
}

void
codec_get_id(struct bl_rd *rd, struct bl_id *id)
{
	const uint8_t *p = bl_rd_bytes(rd, sizeof(id->b));

	if (p != NULL)
		memcpy(id->b, p, sizeof(id->b));
	else
		*id = (struct bl_id){ 0 };
}

int
codec_finish(struct bl_buf *out, size_t len0, bool failed0)
{
	if (!out->failed)
		return BL_OK;
	out->len = len0;
	out->failed = failed0;
	return BL_ENOMEM;
}
