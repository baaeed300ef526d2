/*
 * Bytes going out (struct bl_buf: grows up to a cap) and bytes coming in
 * (struct bl_rd: a cursor that never passes its end).
 *
 * Both are sticky: after the first failure every later call does nothing, so a
 * flat encoder or decoder checks once at its end.  Fixed-width integers are
 * little-endian; varints are unsigned LEB128 of at most 10 bytes in the
 * shortest form (a longer one is an error); signed ones are zigzag first.
 */
#ifndef BRANCHLINE_BUF_H
#define BRANCHLINE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bl_buf {
	uint8_t *data; /* owned; NULL while empty */
	size_t len;
	size_t size; /* allocated */
	size_t cap;  /* never grows beyond */
	bool failed; /* out of memory, or the cap was reached */
};

/* cap_bytes > 0.  Allocates nothing yet. */
void bl_buf_init(struct bl_buf *b, size_t cap_bytes);
void bl_buf_free(struct bl_buf *b);
/* Length 0, failure forgotten, memory kept. */
void bl_buf_reset(struct bl_buf *b);

void bl_buf_bytes(struct bl_buf *b, const void *src, size_t len);
void bl_buf_u8(struct bl_buf *b, uint8_t v);
void bl_buf_u16(struct bl_buf *b, uint16_t v);
void bl_buf_u32(struct bl_buf *b, uint32_t v);
void bl_buf_u64(struct bl_buf *b, uint64_t v);
void bl_buf_f64(struct bl_buf *b, double v);
void bl_buf_varint(struct bl_buf *b, uint64_t v);
void bl_buf_zigzag(struct bl_buf *b, int64_t v);
/* Varint length, then the bytes. */
void bl_buf_blob(struct bl_buf *b, const void *src, size_t len);
void bl_buf_str(struct bl_buf *b, const char *s);

struct bl_rd {
	const uint8_t *p;
	const uint8_t *end;
	bool failed; /* read past the end, or a malformed varint */
};

void bl_rd_init(struct bl_rd *r, const void *data, size_t len);
size_t bl_rd_left(const struct bl_rd *r);
/* All return 0 or NULL after a failure. */
uint8_t bl_rd_u8(struct bl_rd *r);
uint16_t bl_rd_u16(struct bl_rd *r);
uint32_t bl_rd_u32(struct bl_rd *r);
uint64_t bl_rd_u64(struct bl_rd *r);
double bl_rd_f64(struct bl_rd *r);
uint64_t bl_rd_varint(struct bl_rd *r);
int64_t bl_rd_zigzag(struct bl_rd *r);
/* Borrowed from the input; valid as long as that is. */
const uint8_t *bl_rd_bytes(struct bl_rd *r, size_t len);
/* A length-prefixed run of at most max bytes; *len is 0 on failure. */
const uint8_t *bl_rd_blob(struct bl_rd *r, size_t max, size_t *len);
/* A varint that must not exceed max. */
uint64_t bl_rd_varint_max(struct bl_rd *r, uint64_t max);

static inline uint64_t
bl_zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

static inline int64_t
bl_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

#endif
