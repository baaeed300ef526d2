/*
 * The bytes of what waits: rows of table open (one tick or one event each) and
 * of table dict.  Not a wire format: nobody but this spool reads them, and a
 * change of them is a change of the schema version.
 *
 *   tick   varint n, then n times: varint (id delta zigzag << 2 | kind),
 *          kind 0: whole number zigzag, 1: eight bytes, 2: one byte of reason
 *   event  str type, str id, varint n, then n times: str key, u8 type, value
 *   dict   u8 stream, u8 kind, varint interval, str name, str unit,
 *          varint n, then n times: str key, str value
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "spool_internal.h"

enum { SAMPLE_WHOLE = 0, SAMPLE_DOUBLE = 1, SAMPLE_UNKNOWN = 2 };

/* Whole numbers up to here are exact in a double and short in a varint. */
#define WHOLE_MAX 9007199254740992.0

static void
put_text(struct bl_buf *out, struct bl_str s)
{
	bl_buf_blob(out, s.p != NULL ? s.p : "", s.p != NULL ? s.len : 0);
}

static struct bl_str
get_text(struct bl_rd *rd, size_t max)
{
	struct bl_str s;

	s.p = (const char *)bl_rd_blob(rd, max, &s.len);
	return s;
}

static struct spool_row *
row_of_buf(const struct bl_buf *b, enum bl_stream stream, enum spool_row_kind kind, int64_t boot_ms,
    uint32_t n)
{
	struct spool_row *row;

	if (b->failed || (row = malloc(sizeof(*row) + b->len)) == NULL)
		return NULL;
	memset(row, 0, sizeof(*row));
	row->stream = stream;
	row->kind = kind;
	row->boot_ms = boot_ms;
	row->n = n;
	row->len = b->len;
	if (b->len > 0)
		memcpy(row->data, b->data, b->len);
	return row;
}

static void
put_sample(struct bl_buf *b, const struct spool_sample *sm, uint32_t *last_id)
{
	const uint64_t delta = bl_zigzag((int64_t)sm->series_id - (int64_t)*last_id) << 2;
	const double v = sm->value;

	*last_id = sm->series_id;
	if (sm->unknown != BL_KNOWN || !isfinite(v)) {
		bl_buf_varint(b, delta | SAMPLE_UNKNOWN);
		bl_buf_u8(b, sm->unknown != BL_KNOWN ? sm->unknown : BL_UNKNOWN_UNREADABLE);
	} else if (v > -WHOLE_MAX && v < WHOLE_MAX && v == (double)(int64_t)v &&
		   (v != 0 || !__builtin_signbit(v))) {
		bl_buf_varint(b, delta | SAMPLE_WHOLE);
		bl_buf_zigzag(b, (int64_t)v);
	} else {
		bl_buf_varint(b, delta | SAMPLE_DOUBLE);
		bl_buf_f64(b, v);
	}
}

static bool
get_sample(struct bl_rd *rd, struct spool_sample *sm, uint32_t *last_id)
{
	const uint64_t tag = bl_rd_varint(rd);
	const int64_t id = (int64_t)*last_id + bl_unzigzag(tag >> 2 & UINT64_C(0x1ffffffff));

	sm->value = 0;
	sm->unknown = BL_KNOWN;
	switch (tag & 3) {
	case SAMPLE_WHOLE:
		sm->value = (double)bl_rd_zigzag(rd);
		break;
	case SAMPLE_DOUBLE:
		sm->value = bl_rd_f64(rd);
		/* The wire takes infinity; rows written before knew that it would not. */
		if (!isfinite(sm->value)) {
			sm->value = 0;
			sm->unknown = BL_UNKNOWN_UNREADABLE;
		}
		break;
	default:
		sm->unknown = bl_rd_u8(rd);
		break;
	}
	if (rd->failed || id < 0 || id > UINT32_MAX)
		return false;
	*last_id = sm->series_id = (uint32_t)id;
	return true;
}

struct spool_row *
row_of_samples(
    enum bl_stream stream, int64_t boot_ms, const struct spool_sample *samples, uint32_t n)
{
	struct spool_row *row;
	uint32_t last_id = 0;
	struct bl_buf b;

	bl_buf_init(&b, SPOOL_ROW_SAMPLES * 20 + 64);
	bl_buf_varint(&b, n);
	for (uint32_t i = 0; i < n; i++)
		put_sample(&b, &samples[i], &last_id);
	row = row_of_buf(&b, stream, ROW_TICK, boot_ms, n);
	bl_buf_free(&b);
	return row;
}

struct spool_row *
row_renumber(const struct spool_row *row, uint32_t (*map)(void *ctx, uint32_t id), void *ctx)
{
	struct spool_row *out = NULL;
	struct spool_sample *samples;
	uint32_t last_id = 0, n, kept = 0;
	struct bl_rd rd;

	bl_rd_init(&rd, row->data, row->len);
	n = (uint32_t)bl_rd_varint_max(&rd, SPOOL_ROW_SAMPLES);
	if ((samples = calloc(n > 0 ? n : 1, sizeof(*samples))) == NULL)
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		if (!get_sample(&rd, &samples[kept], &last_id))
			goto out;
		samples[kept].series_id = map(ctx, samples[kept].series_id);
		kept += samples[kept].series_id != 0;
	}
	out = row_of_samples(row->stream, row->boot_ms, samples, kept);
	if (out != NULL) {
		memcpy(out->id, row->id, sizeof(out->id));
		out->promised = row->promised;
	}
out:
	free(samples);
	return out;
}

/* ---- events ---- */

static void
put_event(struct bl_buf *b, const struct bl_event *ev)
{
	put_text(b, ev->type);
	put_text(b, ev->id);
	bl_buf_varint(b, ev->n_attrs);
	for (uint32_t i = 0; i < ev->n_attrs; i++) {
		const struct bl_attr *a = &ev->attr[i];

		put_text(b, a->key);
		bl_buf_u8(b, (uint8_t)a->type);
		if (a->type == BL_ATTR_TEXT)
			put_text(b, a->text);
		else if (a->type == BL_ATTR_NUMBER)
			bl_buf_f64(b, a->number);
		else if (a->type == BL_ATTR_BOOL)
			bl_buf_u8(b, a->boolean);
	}
}

static bool
get_event(struct bl_rd *rd, struct bl_event *ev)
{
	ev->type = get_text(rd, BL_NAME_MAX);
	ev->id = get_text(rd, BL_EVENT_ID_MAX);
	ev->n_attrs = (uint32_t)bl_rd_varint_max(rd, BL_ATTRS_MAX);
	for (uint32_t i = 0; i < ev->n_attrs && !rd->failed; i++) {
		struct bl_attr *a = &ev->attr[i];

		memset(a, 0, sizeof(*a));
		a->key = get_text(rd, BL_NAME_MAX);
		a->type = (enum bl_attr_type)bl_rd_u8(rd);
		if (a->type == BL_ATTR_TEXT)
			a->text = get_text(rd, BL_ATTR_VALUE_MAX);
		else if (a->type == BL_ATTR_NUMBER)
			a->number = bl_rd_f64(rd);
		else if (a->type == BL_ATTR_BOOL)
			a->boolean = bl_rd_u8(rd) != 0;
	}
	return !rd->failed;
}

/* The codec's own rules decide what a valid event is: what it refuses later is refused now. */
static int
event_check(const struct bl_event *ev, struct bl_err *err)
{
	struct bl_batch_enc *enc;
	int rc = BL_EINVAL;

	if (ev->n_attrs > BL_ATTRS_MAX)
		return bl_fail(err, BL_EINVAL, "event: more than %u attributes", BL_ATTRS_MAX);
	if ((enc = bl_batch_enc_create()) == NULL)
		return bl_fail(err, BL_ENOMEM, "event: out of memory");
	rc = bl_batch_enc_event(enc, ev);
	bl_batch_enc_free(enc);
	if (rc == BL_EINVAL)
		return bl_fail(err, rc, "event %.*s: a name, id or value is not valid or too long",
		    (int)(ev->type.len < BL_NAME_MAX ? ev->type.len : BL_NAME_MAX),
		    ev->type.p != NULL ? ev->type.p : "");
	return rc < 0 ? bl_fail(err, rc, "event: %s", bl_code_name(rc)) : BL_OK;
}

struct spool_row *
row_of_event(const struct bl_event *ev, struct bl_err *err)
{
	struct spool_row *row;
	struct bl_buf b;

	if (event_check(ev, err) < 0)
		return NULL;
	bl_buf_init(&b, BL_BATCH_WIRE_MAX);
	put_event(&b, ev);
	row = row_of_buf(&b, BL_STREAM_EVENTS, ROW_EVENT, ev->boot_ms, 1);
	bl_buf_free(&b);
	if (row == NULL)
		(void)bl_fail(err, BL_ENOMEM, "event: out of memory");
	else if (ev->id.len > 0)
		memcpy(row->id, ev->id.p, ev->id.len); /* <= BL_EVENT_ID_MAX: checked */
	return row;
}

int
row_encode(const void *data, size_t len, enum spool_row_kind kind, int64_t boot_ms,
    struct bl_batch_enc *enc, uint32_t *skipped)
{
	struct spool_sample sm;
	struct bl_event ev;
	uint32_t last_id = 0, n;
	struct bl_rd rd;
	int rc;

	bl_rd_init(&rd, data, len);
	if (kind == ROW_EVENT) {
		if (!get_event(&rd, &ev))
			return BL_ECORRUPT;
		ev.boot_ms = boot_ms;
		return bl_batch_enc_event(enc, &ev);
	}
	n = (uint32_t)bl_rd_varint_max(&rd, SPOOL_ROW_SAMPLES);
	for (uint32_t i = 0; i < n; i++) {
		if (!get_sample(&rd, &sm, &last_id))
			return BL_ECORRUPT;
		rc = bl_batch_enc_sample(
		    enc, sm.series_id, boot_ms, sm.value, (enum bl_unknown)sm.unknown);
		if (rc == BL_EFULL || rc == BL_ENOMEM)
			return rc;
		*skipped += rc < 0; /* no time that could be sent */
	}
	return rd.failed ? BL_ECORRUPT : BL_OK;
}

/* Of all of an open row: a wrong time or stream is as bad as a wrong value. */
int64_t
row_crc(
    int64_t stream, int64_t kind, int64_t boot_ms, int64_t samples, const void *data, size_t len)
{
	const int64_t head[] = { stream, kind, boot_ms, samples };

	return (int64_t)crc32_z(crc32_z(0, (const void *)head, sizeof(head)), data, len);
}

/* ---- dictionary ---- */

int
def_encode(const struct bl_series_def *def, struct bl_buf *out, struct bl_err *err)
{
	static const struct bl_id nobody = { { 1 } };
	struct bl_series_def probe = *def;
	struct bl_buf scratch;
	uint32_t encoded = 0;
	int rc;

	/* The codec's rules: what it would refuse to send is refused here. */
	probe.id = 1;
	if (def->n_labels > BL_LABELS_MAX)
		return bl_fail(err, BL_EINVAL, "series: more than %u labels", BL_LABELS_MAX);
	bl_buf_init(&scratch, BL_BATCH_WIRE_MAX);
	rc = bl_dict_encode(&nobody, &probe, 1, &scratch, &encoded, err);
	bl_buf_free(&scratch);
	if (rc < 0)
		return rc;

	bl_buf_u8(out, (uint8_t)def->stream);
	bl_buf_u8(out, (uint8_t)def->kind);
	bl_buf_varint(out, def->interval_ms);
	put_text(out, def->name);
	put_text(out, def->unit);
	bl_buf_varint(out, def->n_labels);
	for (uint32_t i = 0; i < def->n_labels; i++) {
		put_text(out, def->label[i].key);
		put_text(out, def->label[i].value);
	}
	return out->failed ? bl_fail(err, BL_ENOMEM, "series: out of memory") : BL_OK;
}

int
def_decode(const void *data, size_t len, struct bl_series_def *def)
{
	struct bl_rd rd;

	memset(def, 0, sizeof(*def));
	bl_rd_init(&rd, data, len);
	def->stream = (enum bl_stream)bl_rd_u8(&rd);
	def->kind = (enum bl_series_kind)bl_rd_u8(&rd);
	def->interval_ms = (uint32_t)bl_rd_varint_max(&rd, UINT32_MAX);
	def->name = get_text(&rd, BL_NAME_MAX);
	def->unit = get_text(&rd, BL_NAME_MAX);
	def->n_labels = (uint32_t)bl_rd_varint_max(&rd, BL_LABELS_MAX);
	for (uint32_t i = 0; i < def->n_labels; i++) {
		def->label[i].key = get_text(&rd, BL_NAME_MAX);
		def->label[i].value = get_text(&rd, BL_LABEL_VALUE_MAX);
	}
	return rd.failed ? BL_ECORRUPT : BL_OK;
}

/* FNV-1a, 63 bits of it: only finds candidates, the bytes decide. */
int64_t
hash_bytes(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return (int64_t)(h >> 1);
}

uint32_t
crc_bytes(const void *data, size_t len)
{
	return (uint32_t)crc32_z(0, data, len);
}
