/*
 * Bits within bytes, lowest first, and the codes for single numbers made of
 * them.  The reader never touches a byte beyond its end: what lies there
 * reads as zero bits, and whoever reads asks chunk_bits_ok at the end.
 */
#ifndef CHUNK_BITS_H
#define CHUNK_BITS_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "branchline/buf.h"

/* Unary parts end here; a number that would need more follows as it is. */
#define CHUNK_UNARY_MAX 20u
#define CHUNK_K_MAX     57u

#define CHUNK_STAGE 256u

struct chunk_bits_w {
	struct bl_buf *b;
	uint64_t acc;
	unsigned n;    /* bits in acc, < 32 between calls */
	unsigned used; /* bytes in stage, which come before them */
	uint8_t stage[CHUNK_STAGE];
};

static inline void
chunk_bits_begin(struct chunk_bits_w *w, struct bl_buf *b)
{
	w->b = b;
	w->acc = 0;
	w->n = w->used = 0;
}

static inline unsigned
chunk_bit_length(uint64_t v)
{
	return v == 0 ? 0 : 64u - (unsigned)__builtin_clzll(v);
}

/* n <= 32; v has no bits beyond. */
static inline void
chunk_put_few(struct chunk_bits_w *w, uint64_t v, unsigned n)
{
	w->acc |= v << w->n;
	w->n += n;
	if (w->n >= 32) {
		const uint32_t word = htole32((uint32_t)w->acc);

		if (w->used == CHUNK_STAGE) {
			bl_buf_bytes(w->b, w->stage, w->used);
			w->used = 0;
		}
		memcpy(w->stage + w->used, &word, sizeof(word));
		w->used += 4;
		w->acc >>= 32;
		w->n -= 32;
	}
}

/* n <= 64; bits of v beyond are left out. */
static inline void
chunk_put_bits(struct chunk_bits_w *w, uint64_t v, unsigned n)
{
	if (n > 32) {
		chunk_put_few(w, v & UINT32_MAX, 32);
		v >>= 32;
		n -= 32;
	}
	chunk_put_few(w, v & ((UINT64_C(1) << n) - 1), n);
}

/* Ends on a byte; the bits left over are zero. */
static inline void
chunk_put_end(struct chunk_bits_w *w)
{
	bl_buf_bytes(w->b, w->stage, w->used);
	w->used = 0;
	for (; w->n > 0; w->n = w->n > 8 ? w->n - 8 : 0, w->acc >>= 8)
		bl_buf_u8(w->b, (uint8_t)w->acc);
	w->acc = 0;
}

/* v < 2^63: its length in 6 bits, then what is below its highest one. */
static inline void
chunk_put_num(struct chunk_bits_w *w, uint64_t v)
{
	const unsigned length = chunk_bit_length(v);

	chunk_put_few(w, length, 6);
	if (length > 1)
		chunk_put_bits(w, v, length - 1);
}

static inline unsigned
chunk_num_bits(uint64_t v)
{
	const unsigned length = chunk_bit_length(v);

	return 6 + (length > 1 ? length - 1 : 0);
}

/* v < 2^63, k <= CHUNK_K_MAX. */
static inline void
chunk_put_rice(struct chunk_bits_w *w, uint64_t v, unsigned k)
{
	const uint64_t q = v >> k;

	if (q < CHUNK_UNARY_MAX) {
		chunk_put_few(w, (UINT64_C(1) << q) - 1, (unsigned)q + 1);
		chunk_put_bits(w, v, k);
		return;
	}
	chunk_put_few(w, (UINT64_C(1) << CHUNK_UNARY_MAX) - 1, CHUNK_UNARY_MAX);
	chunk_put_num(w, v - ((uint64_t)CHUNK_UNARY_MAX << k));
}

static inline unsigned
chunk_rice_bits(uint64_t v, unsigned k)
{
	const uint64_t q = v >> k;

	return q < CHUNK_UNARY_MAX
		   ? (unsigned)q + 1 + k
		   : CHUNK_UNARY_MAX + chunk_num_bits(v - ((uint64_t)CHUNK_UNARY_MAX << k));
}

struct chunk_bits_r {
	const uint8_t *p;
	size_t bytes;
	size_t pos; /* in bits */
};

/* At least 57 bits from pos on. */
static inline uint64_t
chunk_peek(const struct chunk_bits_r *r)
{
	const size_t at = r->pos >> 3;
	uint64_t w = 0;

	if (__builtin_expect(at + 8 <= r->bytes, 1))
		memcpy(&w, r->p + at, 8);
	else if (at < r->bytes)
		memcpy(&w, r->p + at, r->bytes - at);
	return le64toh(w) >> (r->pos & 7);
}

/* n <= 64. */
static inline uint64_t
chunk_get_bits(struct chunk_bits_r *r, unsigned n)
{
	uint64_t v;

	if (__builtin_expect(n <= 56, 1)) {
		v = chunk_peek(r) & ((UINT64_C(1) << n) - 1);
		r->pos += n;
		return v;
	}
	v = chunk_peek(r) & UINT32_MAX;
	r->pos += 32;
	return v | chunk_get_bits(r, n - 32) << 32;
}

static inline uint64_t
chunk_get_num(struct chunk_bits_r *r)
{
	const unsigned length = (unsigned)chunk_get_bits(r, 6);

	return length == 0 ? 0 : chunk_get_bits(r, length - 1) | UINT64_C(1) << (length - 1);
}

/* Whatever the bytes are, the result is below 2^63 + 2^62. */
static inline uint64_t
chunk_get_rice(struct chunk_bits_r *r, unsigned k)
{
	const uint64_t w = chunk_peek(r);
	const unsigned q = (unsigned)__builtin_ctzll(~w | UINT64_C(1) << CHUNK_UNARY_MAX);

	if (__builtin_expect(q == CHUNK_UNARY_MAX, 0)) {
		r->pos += CHUNK_UNARY_MAX;
		return chunk_get_num(r) + ((uint64_t)CHUNK_UNARY_MAX << k);
	}
	r->pos += q + 1;
	if (__builtin_expect(q + 1 + k <= 56, 1)) {
		r->pos += k;
		return (uint64_t)q << k | (w >> (q + 1) & ((UINT64_C(1) << k) - 1));
	}
	return (uint64_t)q << k | chunk_get_bits(r, k);
}

/* Exactly the padding of the last byte is left, and it is zero. */
static inline bool
chunk_bits_ok(const struct chunk_bits_r *r)
{
	return r->pos <= r->bytes * 8 && r->bytes * 8 - r->pos < 8 && chunk_peek(r) == 0;
}

#endif
