/* Events and gaps: one entry each way.  Times go on from the entry before. */
#include "codec_internal.h"

#include <math.h>

/* Attribute types on the wire; decimals have their number of places in the low bits. */
enum {
	WIRE_NULL = 0,
	WIRE_TEXT = 1,
	WIRE_F64 = 2,
	WIRE_FALSE = 3,
	WIRE_TRUE = 4,
	WIRE_DECIMAL = 8, /* to 14: 0 to 6 places */
};

int
codec_event_check(const struct bl_event *ev)
{
	if (!codec_ms_ok(ev->boot_ms) || !codec_text_ok(ev->type, 1, BL_NAME_MAX) ||
	    !codec_text_ok(ev->id, 0, BL_EVENT_ID_MAX) || ev->n_attrs > BL_ATTRS_MAX)
		return BL_EINVAL;
	for (uint32_t i = 0; i < ev->n_attrs; i++) {
		const struct bl_attr *a = &ev->attr[i];

		if (!codec_text_ok(a->key, 1, BL_NAME_MAX) || a->type > BL_ATTR_BOOL)
			return BL_EINVAL;
		if (a->type == BL_ATTR_TEXT && !codec_text_ok(a->text, 0, BL_ATTR_VALUE_MAX))
			return BL_EINVAL;
		if (a->type == BL_ATTR_NUMBER && !isfinite(a->number))
			return BL_EINVAL;
	}
	return BL_OK;
}

static void
put_number(struct bl_buf *out, double v)
{
	int64_t m;

	for (unsigned e = 0; e <= 6; e++) {
		if (!codec_decimal(v, e, &m))
			continue;
		bl_buf_u8(out, (uint8_t)(WIRE_DECIMAL + e));
		bl_buf_zigzag(out, m);
		return;
	}
	bl_buf_u8(out, WIRE_F64);
	bl_buf_f64(out, v);
}

void
codec_event_put(struct bl_buf *out, const struct bl_event *ev, int64_t *last_ms)
{
	bl_buf_zigzag(out, ev->boot_ms - *last_ms);
	*last_ms = ev->boot_ms;
	codec_put_text(out, ev->type);
	codec_put_text(out, ev->id);
	bl_buf_varint(out, ev->n_attrs);
	for (uint32_t i = 0; i < ev->n_attrs; i++) {
		const struct bl_attr *a = &ev->attr[i];

		codec_put_text(out, a->key);
		switch (a->type) {
		case BL_ATTR_TEXT:
			bl_buf_u8(out, WIRE_TEXT);
			codec_put_text(out, a->text);
			break;
		case BL_ATTR_NUMBER:
			put_number(out, a->number);
			break;
		case BL_ATTR_BOOL:
			bl_buf_u8(out, a->boolean ? WIRE_TRUE : WIRE_FALSE);
			break;
		default:
			bl_buf_u8(out, WIRE_NULL);
			break;
		}
	}
}

static void
get_attr(struct bl_rd *rd, struct bl_attr *a)
{
	uint8_t type;

	a->key = codec_get_text(rd, 1, BL_NAME_MAX);
	type = bl_rd_u8(rd);
	a->text = (struct bl_str){ "", 0 };
	a->number = 0;
	a->boolean = type == WIRE_TRUE;
	if (type >= WIRE_DECIMAL && type <= WIRE_DECIMAL + 6) {
		a->type = BL_ATTR_NUMBER;
		a->number = codec_scaled(bl_rd_zigzag(rd), type - WIRE_DECIMAL, 0);
		return;
	}
	switch (type) {
	case WIRE_NULL:
		a->type = BL_ATTR_NULL;
		break;
	case WIRE_TEXT:
		a->type = BL_ATTR_TEXT;
		a->text = codec_get_text(rd, 0, BL_ATTR_VALUE_MAX);
		break;
	case WIRE_F64:
		a->type = BL_ATTR_NUMBER;
		a->number = bl_rd_f64(rd);
		break;
	case WIRE_FALSE:
	case WIRE_TRUE:
		a->type = BL_ATTR_BOOL;
		break;
	default:
		rd->failed = true;
		break;
	}
	if (!isfinite(a->number))
		rd->failed = true;
}

bool
codec_event_get(struct bl_rd *rd, struct bl_event *ev, int64_t *last_ms)
{
	const int64_t delta = bl_rd_zigzag(rd);

	if (__builtin_add_overflow(*last_ms, delta, &ev->boot_ms) || !codec_ms_ok(ev->boot_ms))
		return false;
	*last_ms = ev->boot_ms;
	ev->type = codec_get_text(rd, 1, BL_NAME_MAX);
	ev->id = codec_get_text(rd, 0, BL_EVENT_ID_MAX);
	ev->n_attrs = (uint32_t)bl_rd_varint_max(rd, BL_ATTRS_MAX);
	for (uint32_t i = 0; i < ev->n_attrs && !rd->failed; i++)
		get_attr(rd, &ev->attr[i]);
	return !rd->failed;
}

/* How a boot id is stated. */
enum { BOOT_NONE = 0, BOOT_SAME = 1, BOOT_STATED = 2 };

bool
codec_gap_ok(const struct bl_gap *gap)
{
	if (gap->reason < BL_GAP_OFF || gap->reason > BL_GAP_LAST ||
	    gap->stream < BL_STREAM_EVENTS || gap->stream > BL_STREAM_HOST)
		return false;
	if (gap->seq_first == 0 ? gap->seq_last != 0 : gap->seq_last < gap->seq_first)
		return false;
	return codec_ms_ok(gap->begin_boot_ms) && codec_ms_ok(gap->end_boot_ms);
}

static unsigned
boot_form(const struct bl_id *id, const struct bl_id *boot)
{
	if (bl_id_is_zero(id))
		return BOOT_NONE;
	return bl_id_equal(id, boot) ? BOOT_SAME : BOOT_STATED;
}

void
codec_gap_put(struct bl_buf *out, const struct bl_gap *gap, const struct bl_id *boot)
{
	const unsigned begin = boot_form(&gap->begin_boot, boot);
	const unsigned end = boot_form(&gap->end_boot, boot);
	const bool spool = !bl_id_is_zero(&gap->spool);

	bl_buf_u8(out, (uint8_t)gap->reason);
	bl_buf_u8(out, (uint8_t)gap->stream);
	bl_buf_u8(out, (uint8_t)(begin | end << 2 | (unsigned)spool << 4));
	if (spool)
		codec_put_id(out, &gap->spool);
	bl_buf_varint(out, gap->seq_first);
	if (gap->seq_first != 0)
		bl_buf_varint(out, gap->seq_last - gap->seq_first);
	if (begin == BOOT_STATED)
		codec_put_id(out, &gap->begin_boot);
	bl_buf_zigzag(out, gap->begin_boot_ms);
	if (end == BOOT_STATED)
		codec_put_id(out, &gap->end_boot);
	bl_buf_zigzag(out, gap->end_boot_ms);
	bl_buf_varint(out, gap->samples);
}

static void
get_boot(struct bl_rd *rd, unsigned form, const struct bl_id *boot, struct bl_id *id)
{
	if (form == BOOT_STATED)
		codec_get_id(rd, id);
	else if (form == BOOT_SAME)
		*id = *boot;
	else
		rd->failed |= form != BOOT_NONE;
}

bool
codec_gap_get(struct bl_rd *rd, struct bl_gap *gap, const struct bl_id *boot)
{
	uint8_t flags;

	*gap = (struct bl_gap){ 0 };
	gap->reason = (enum bl_gap_reason)bl_rd_u8(rd);
	gap->stream = (enum bl_stream)bl_rd_u8(rd);
	flags = bl_rd_u8(rd);
	if (flags >> 5 != 0)
		return false;
	if ((flags & 16) != 0)
		codec_get_id(rd, &gap->spool);
	gap->seq_first = bl_rd_varint(rd);
	if (gap->seq_first != 0 &&
	    __builtin_add_overflow(gap->seq_first, bl_rd_varint(rd), &gap->seq_last))
		return false;
	get_boot(rd, flags & 3u, boot, &gap->begin_boot);
	gap->begin_boot_ms = bl_rd_zigzag(rd);
	get_boot(rd, flags >> 2 & 3u, boot, &gap->end_boot);
	gap->end_boot_ms = bl_rd_zigzag(rd);
	gap->samples = bl_rd_varint(rd);
	return !rd->failed && codec_gap_ok(gap);
}
