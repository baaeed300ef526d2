/* Byte buffers and cursors; see the header. */
#include "branchline/buf.h"

#include <stdlib.h>
#include <string.h>

void
bl_buf_init(struct bl_buf *b, size_t cap_bytes)
{
	*b = (struct bl_buf){ .cap = cap_bytes };
}

void
bl_buf_free(struct bl_buf *b)
{
	free(b->data);
	*b = (struct bl_buf){ .cap = b->cap };
}

void
bl_buf_reset(struct bl_buf *b)
{
	b->len = 0;
	b->failed = false;
}

/* Room for len more bytes at b->data + b->len; false and sticky when there is none. */
static bool
reserve(struct bl_buf *b, size_t len)
{
	const size_t least = b->cap < 64 ? b->cap : 64;
	size_t size = b->size != 0 ? b->size : least;
	uint8_t *data;

	if (b->failed)
		return false;
	if (len <= b->size - b->len)
		return true;
	if (len > b->cap - b->len) {
		b->failed = true;
		return false;
	}
	while (size - b->len < len)
		size = size > b->cap / 2 ? b->cap : size * 2;
	if ((data = realloc(b->data, size)) == NULL) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->size = size;
	return true;
}

void
bl_buf_bytes(struct bl_buf *b, const void *src, size_t len)
{
	if (len == 0 || !reserve(b, len))
		return;
	memcpy(b->data + b->len, src, len);
	b->len += len;
}

static void
put_le(struct bl_buf *b, uint64_t v, size_t width)
{
	uint8_t tmp[8];

	for (size_t i = 0; i < width; i++)
		tmp[i] = (uint8_t)(v >> (8 * i));
	bl_buf_bytes(b, tmp, width);
}

void
bl_buf_u8(struct bl_buf *b, uint8_t v)
{
	put_le(b, v, 1);
}

void
bl_buf_u16(struct bl_buf *b, uint16_t v)
{
	put_le(b, v, 2);
}

void
bl_buf_u32(struct bl_buf *b, uint32_t v)
{
	put_le(b, v, 4);
}

void
bl_buf_u64(struct bl_buf *b, uint64_t v)
{
	put_le(b, v, 8);
}

void
bl_buf_f64(struct bl_buf *b, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	put_le(b, bits, 8);
}

void
bl_buf_varint(struct bl_buf *b, uint64_t v)
{
	uint8_t tmp[10];
	size_t n = 0;

	while (v >= 0x80) {
		tmp[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	tmp[n++] = (uint8_t)v;
	bl_buf_bytes(b, tmp, n);
}

void
bl_buf_zigzag(struct bl_buf *b, int64_t v)
{
	bl_buf_varint(b, bl_zigzag(v));
}

void
bl_buf_blob(struct bl_buf *b, const void *src, size_t len)
{
	bl_buf_varint(b, len);
	bl_buf_bytes(b, src, len);
}

void
bl_buf_str(struct bl_buf *b, const char *s)
{
	bl_buf_blob(b, s, strlen(s));
}

void
bl_rd_init(struct bl_rd *r, const void *data, size_t len)
{
	r->p = data;
	r->end = len != 0 ? r->p + len : r->p;
	r->failed = false;
}

size_t
bl_rd_left(const struct bl_rd *r)
{
	return r->failed ? 0 : (size_t)(r->end - r->p);
}

const uint8_t *
bl_rd_bytes(struct bl_rd *r, size_t len)
{
	const uint8_t *at = r->p;

	if (r->failed || len > (size_t)(r->end - r->p)) {
		r->failed = true;
		return NULL;
	}
	if (len != 0)
		r->p += len;
	return at;
}

static uint64_t
get_le(struct bl_rd *r, size_t width)
{
	const uint8_t *p = bl_rd_bytes(r, width);
	uint64_t v = 0;

	if (p == NULL)
		return 0;
	for (size_t i = 0; i < width; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint8_t
bl_rd_u8(struct bl_rd *r)
{
	return (uint8_t)get_le(r, 1);
}

uint16_t
bl_rd_u16(struct bl_rd *r)
{
	return (uint16_t)get_le(r, 2);
}

uint32_t
bl_rd_u32(struct bl_rd *r)
{
	return (uint32_t)get_le(r, 4);
}

uint64_t
bl_rd_u64(struct bl_rd *r)
{
	return get_le(r, 8);
}

double
bl_rd_f64(struct bl_rd *r)
{
	const uint64_t bits = get_le(r, 8);
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

uint64_t
bl_rd_varint(struct bl_rd *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70 && !r->failed && r->p < r->end; shift += 7) {
		const uint8_t byte = *r->p++;

		/* The tenth byte holds one bit; a zero last byte is a longer form. */
		if ((shift == 63 && byte > 1) || (shift > 0 && byte == 0))
			break;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return v;
	}
	r->failed = true;
	return 0;
}

int64_t
bl_rd_zigzag(struct bl_rd *r)
{
	return bl_unzigzag(bl_rd_varint(r));
}

uint64_t
bl_rd_varint_max(struct bl_rd *r, uint64_t max)
{
	const uint64_t v = bl_rd_varint(r);

	if (v <= max)
		return v;
	r->failed = true;
	return 0;
}

const uint8_t *
bl_rd_blob(struct bl_rd *r, size_t max, size_t *len)
{
	const uint64_t n = bl_rd_varint_max(r, max);
	const uint8_t *p = r->failed ? NULL : bl_rd_bytes(r, (size_t)n);

	*len = p != NULL ? (size_t)n : 0;
	return p;
}
