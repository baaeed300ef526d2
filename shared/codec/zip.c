/*
 * Compression of bodies: one-shot zlib with a small window, stored when that
 * is not larger.
 *
 * Level 6, window 2^12, memLevel 5: 37 KiB while it runs where zlib's default
 * takes 261 KiB, and at most 2.5 % more bytes (25 KiB of events 4,798 instead of
 * 4,690; dictionaries and samples the same).  Inflating needs 7 KiB and no
 * window, since the output buffer holds everything.
 */
#include "codec_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define WINDOW_BITS 12
#define MEM_LEVEL   5
#define LEVEL       6

bool
codec_ratio_ok(size_t raw_bytes, size_t body_len)
{
	return raw_bytes <= 4096 || raw_bytes / BL_INFLATE_RATIO_MAX <= body_len;
}

uint32_t
codec_crc32(const void *p, size_t len)
{
	return (uint32_t)crc32(0, p, (uInt)len);
}

/* Deflates to tmp (tmp_len bytes).  Returns the length, 0 when it does not fit, or BL_ENOMEM. */
static long
deflate_to(uint8_t *tmp, size_t tmp_len, const void *raw, size_t len, int strategy)
{
	z_stream z = { 0 };
	long n = 0;

	if (deflateInit2(&z, LEVEL, Z_DEFLATED, WINDOW_BITS, MEM_LEVEL, strategy) != Z_OK)
		return BL_ENOMEM;
	z.next_in = (z_const Bytef *)raw;
	z.avail_in = (uInt)len;
	z.next_out = tmp;
	z.avail_out = (uInt)tmp_len;
	if (deflate(&z, Z_FINISH) == Z_STREAM_END)
		n = (long)z.total_out;
	/* Z_DATA_ERROR only says that output was left behind: it did not fit. */
	(void)deflateEnd(&z);
	return n;
}

int
codec_deflate(struct bl_buf *out, const void *raw, size_t len)
{
	uint8_t *tmp;
	long n;

	if (len < 16) {
		bl_buf_bytes(out, raw, len);
		return out->failed ? BL_ENOMEM : BL_OK;
	}
	if ((tmp = malloc(len - 1)) == NULL)
		return BL_ENOMEM;
	n = deflate_to(tmp, len - 1, raw, len, Z_DEFAULT_STRATEGY);
	/* A decoder refuses what inflates too well; Huffman codes alone never do. */
	if (n > 0 && !codec_ratio_ok(len, (size_t)n))
		n = deflate_to(tmp, len - 1, raw, len, Z_HUFFMAN_ONLY);
	if (n > 0)
		bl_buf_bytes(out, tmp, (size_t)n);
	else if (n == 0)
		bl_buf_bytes(out, raw, len);
	free(tmp);
	return n < 0 || out->failed ? BL_ENOMEM : BL_OK;
}

/* True: exactly raw_bytes came out and nothing is left on either side. */
static int
inflate_to(uint8_t *to, size_t raw_bytes, const uint8_t *body, size_t body_len)
{
	z_stream z = { 0 };
	int rc;

	if (inflateInit2(&z, 15) != Z_OK)
		return BL_ENOMEM;
	z.next_in = (z_const Bytef *)body;
	z.avail_in = (uInt)body_len;
	z.next_out = to;
	z.avail_out = (uInt)raw_bytes;
	rc = inflate(&z, Z_FINISH);
	(void)inflateEnd(&z);
	return rc == Z_STREAM_END && z.avail_in == 0 && z.avail_out == 0 ? BL_OK : BL_ECORRUPT;
}

/* Room for n bytes in an empty buffer. */
static uint8_t *
buf_room(struct bl_buf *b, size_t n)
{
	uint8_t *p;

	if (n <= b->size)
		return b->data;
	if (n > b->cap || (p = realloc(b->data, n)) == NULL)
		return NULL;
	b->data = p;
	b->size = n;
	return p;
}

int
codec_inflate(const char *what, const uint8_t *body, size_t body_len, size_t raw_bytes,
    uint32_t crc, struct bl_buf *raw, struct bl_err *err)
{
	int rc = BL_OK;

	bl_buf_reset(raw);
	if (body_len > raw_bytes || !codec_ratio_ok(raw_bytes, body_len))
		return bl_fail(err, BL_ECORRUPT, "%s: body: %zu bytes cannot hold %zu", what,
		    body_len, raw_bytes);
	if (raw_bytes > 0 && buf_room(raw, raw_bytes) == NULL)
		return bl_fail(
		    err, BL_ENOMEM, "%s: body: no memory for %zu bytes", what, raw_bytes);
	if (body_len == raw_bytes)
		bl_buf_bytes(raw, body, body_len);
	else
		rc = inflate_to(raw->data, raw_bytes, body, body_len);
	if (rc != BL_OK)
		return bl_fail(err, rc, "%s: body: does not inflate to %zu bytes", what, raw_bytes);
	raw->len = raw_bytes;
	if (codec_crc32(raw->data, raw->len) != crc) {
		bl_buf_reset(raw);
		return bl_fail(err, BL_ECORRUPT, "%s: body: checksum differs", what);
	}
	return BL_OK;
}
