/*
 * The dictionary: what series ids stand for.  Entries are compressed together;
 * an entry's id is its place.
 */
#include "codec_internal.h"

#include <string.h>

enum { DICT_FRAME = 1, DICT_ENTRIES = 2 };

/* Raw entries up to this size fit a message even when they do not compress. */
#define ENTRIES_RAW_MAX (BL_BATCH_WIRE_MAX - 256u)

static int
compare(struct bl_str a, struct bl_str b)
{
	const size_t len = a.len < b.len ? a.len : b.len;
	const int order = len == 0 ? 0 : memcmp(a.p, b.p, len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool
name_ok(struct bl_str s)
{
	if (s.len == 0 || s.len > BL_NAME_MAX || s.p[0] < 'a' || s.p[0] > 'z')
		return false;
	for (size_t i = 1; i < s.len; i++)
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9') &&
		    s.p[i] != '_')
			return false;
	return true;
}

static bool
def_ok(const struct bl_series_def *def)
{
	if (def->stream < BL_STREAM_EVENTS || def->stream > BL_STREAM_HOST ||
	    def->kind < BL_GAUGE || def->kind > BL_COUNTER || !name_ok(def->name) ||
	    !codec_text_ok(def->unit, 0, BL_NAME_MAX) || def->n_labels > BL_LABELS_MAX)
		return false;
	for (uint32_t i = 0; i < def->n_labels; i++) {
		if (!codec_text_ok(def->label[i].key, 1, BL_NAME_MAX) ||
		    !codec_text_ok(def->label[i].value, 0, BL_LABEL_VALUE_MAX))
			return false;
		if (i > 0 && compare(def->label[i - 1].key, def->label[i].key) >= 0)
			return false;
	}
	return true;
}

static void
put_def(struct bl_buf *out, const struct bl_series_def *def)
{
	bl_buf_u8(out, (uint8_t)def->stream);
	bl_buf_u8(out, (uint8_t)def->kind);
	bl_buf_varint(out, def->interval_ms);
	codec_put_text(out, def->name);
	codec_put_text(out, def->unit);
	bl_buf_varint(out, def->n_labels);
	for (uint32_t i = 0; i < def->n_labels; i++) {
		codec_put_text(out, def->label[i].key);
		codec_put_text(out, def->label[i].value);
	}
}

/* Fills raw with as many entries as fit a message; *encoded tells how many. */
static int
put_defs(struct bl_buf *raw, const struct bl_series_def *defs, uint32_t n, uint32_t *encoded,
    struct bl_err *err)
{
	for (uint32_t i = 0; i < n; i++) {
		const size_t len = raw->len;

		if (!def_ok(&defs[i]) || defs[i].id != defs[0].id + i || defs[i].id == 0 ||
		    defs[i].id > BL_DICT_ENTRIES_MAX)
			return bl_fail(err, BL_EINVAL,
			    "encode dictionary: entry %u (%.*s) is not a valid series", defs[i].id,
			    (int)(defs[i].name.len & 127), defs[i].name.p);
		put_def(raw, &defs[i]);
		if (raw->len > ENTRIES_RAW_MAX) {
			raw->len = len;
			break;
		}
		++*encoded;
	}
	return raw->failed ? bl_fail(err, BL_ENOMEM, "encode dictionary: out of memory") : BL_OK;
}

static void
put_message(struct bl_buf *out, const struct bl_id *spool, uint32_t first, uint32_t n,
    const struct bl_buf *raw)
{
	struct bl_buf c;

	bl_buf_init(&c, BL_BATCH_WIRE_MAX);
	codec_put_prefix(out, BL_MSG_DICT);
	codec_put_id(&c, spool);
	bl_buf_varint(&c, first);
	bl_buf_varint(&c, n);
	bl_buf_varint(&c, raw->len);
	bl_buf_u32(&c, codec_crc32(raw->data, raw->len));
	codec_put_section(out, DICT_FRAME, &c);
	bl_buf_reset(&c);
	if (codec_deflate(&c, raw->data, raw->len) != BL_OK)
		out->failed = true;
	codec_put_section(out, DICT_ENTRIES, &c);
	bl_buf_free(&c);
}

int
bl_dict_encode(const struct bl_id *spool, const struct bl_series_def *defs, uint32_t n,
    struct bl_buf *out, uint32_t *encoded, struct bl_err *err)
{
	const size_t len0 = out->len;
	const bool failed0 = out->failed;
	struct bl_buf raw;
	int rc;

	*encoded = 0;
	bl_buf_init(&raw, 2 * BL_BATCH_WIRE_MAX);
	if ((rc = put_defs(&raw, defs, n, encoded, err)) == BL_OK) {
		put_message(out, spool, n > 0 ? defs[0].id : 1, *encoded, &raw);
		if ((rc = codec_finish(out, len0, failed0)) != BL_OK)
			(void)bl_fail(err, rc, "encode dictionary: out of memory");
	}
	if (rc != BL_OK)
		*encoded = 0;
	bl_buf_free(&raw);
	return rc;
}

/* What the two sections say, before anything is inflated. */
struct frame {
	struct bl_id spool;
	uint32_t first, n, raw_bytes, crc32;
	const uint8_t *body;
	size_t body_len;
	uint32_t unknown;
};

static void
get_frame(struct bl_rd *rd, void *out, unsigned stream)
{
	struct frame *f = out;

	(void)stream;
	codec_get_id(rd, &f->spool);
	f->first = (uint32_t)bl_rd_varint_max(rd, BL_DICT_ENTRIES_MAX);
	f->n = (uint32_t)bl_rd_varint_max(rd, BL_DICT_ENTRIES_MAX);
	f->raw_bytes = (uint32_t)bl_rd_varint_max(rd, BL_BATCH_RAW_MAX);
	f->crc32 = bl_rd_u32(rd);
	if (f->first == 0 || f->n > BL_DICT_ENTRIES_MAX - f->first + 1)
		rd->failed = true;
}

static void
get_entries(struct bl_rd *rd, void *out, unsigned stream)
{
	struct frame *f = out;

	(void)stream;
	f->body_len = bl_rd_left(rd);
	f->body = bl_rd_bytes(rd, f->body_len);
}

int
bl_dict_decode(
    const void *msg, size_t len, struct bl_dict_reader *r, struct bl_buf *raw, struct bl_err *err)
{
	static const struct codec_section known[] = {
		{ DICT_FRAME, true, false, "frame", get_frame },
		{ DICT_ENTRIES, true, false, "entries", get_entries },
		{ 0, false, false, NULL, NULL },
	};
	struct frame f = { 0 };
	int rc;

	*r = (struct bl_dict_reader){ 0 };
	rc = codec_get_message(msg, len, BL_MSG_DICT, "dictionary", known, &f, &f.unknown, err);
	if (rc == BL_OK)
		rc =
		    codec_inflate("dictionary", f.body, f.body_len, f.raw_bytes, f.crc32, raw, err);
	if (rc != BL_OK)
		return rc;
	r->spool = f.spool;
	r->first = f.first;
	r->n = r->left = f.n;
	bl_rd_init(&r->rd, raw->data, raw->len);
	return BL_OK;
}

int
bl_dict_next(struct bl_dict_reader *r, struct bl_series_def *def, struct bl_err *err)
{
	struct bl_rd *rd = &r->rd;

	if (r->left == 0)
		return bl_rd_left(rd) == 0 && !rd->failed
			   ? 0
			   : bl_fail(err, BL_ECORRUPT, "dictionary: bytes behind the last entry");
	*def = (struct bl_series_def){ .id = r->first + (r->n - r->left) };
	def->stream = (enum bl_stream)bl_rd_u8(rd);
	def->kind = (enum bl_series_kind)bl_rd_u8(rd);
	def->interval_ms = (uint32_t)bl_rd_varint_max(rd, UINT32_MAX);
	def->name = codec_get_text(rd, 1, BL_NAME_MAX);
	def->unit = codec_get_text(rd, 0, BL_NAME_MAX);
	def->n_labels = (uint32_t)bl_rd_varint_max(rd, BL_LABELS_MAX);
	for (uint32_t i = 0; i < def->n_labels; i++) {
		def->label[i].key = codec_get_text(rd, 1, BL_NAME_MAX);
		def->label[i].value = codec_get_text(rd, 0, BL_LABEL_VALUE_MAX);
	}
	if (rd->failed || !def_ok(def))
		return bl_fail(err, BL_ECORRUPT, "dictionary: entry %u does not decode", def->id);
	r->left--;
	return 1;
}
