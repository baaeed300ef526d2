/*
 * Bits within bytes, lowest bit first: a writer onto a bl_buf and a reader over a span.  The
 * reader never touches a byte beyond its end; what lies there reads as zero bits, and the caller
 * compares positions.  Batches (shared/WIRE.md, section 3) and the collector's parts are made of
 * them.
 */
#ifndef BRANCHLINE_BITS_H
#define BRANCHLINE_BITS_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "branchline/buf.h"

struct bl_bits_w {
	struct bl_buf *b;
	uint64_t acc;
	unsigned n; /* bits in acc, < 64 between calls */
};

static inline uint64_t
bl_bits_low(uint64_t v, unsigned n)
{
	return n >= 64 ? v : v & ((UINT64_C(1) << n) - 1);
}

/* The low n bits of v; n <= 64. */
static inline void
bl_bits_put(struct bl_bits_w *w, uint64_t v, unsigned n)
{
	const unsigned had = w->n;
	uint64_t full;

	v = bl_bits_low(v, n);
	w->acc |= v << had;
	w->n += n;
	if (w->n < 64)
		return;
	full = htole64(w->acc);
	bl_buf_bytes(w->b, &full, sizeof(full));
	w->acc = had == 0 ? 0 : v >> (64 - had);
	w->n -= 64;
}

/* Ends on a byte; the bits left over are zero. */
static inline void
bl_bits_flush(struct bl_bits_w *w)
{
	const uint64_t rest = htole64(w->acc);

	bl_buf_bytes(w->b, &rest, (w->n + 7) / 8);
	w->acc = 0;
	w->n = 0;
}

struct bl_bits_r {
	const uint8_t *p;
	size_t bytes;
	size_t pos; /* in bits */
	bool bad;   /* a code that there is not; positions are the caller's to compare */
};

/* At least 57 bits from pos on. */
static inline uint64_t
bl_bits_peek(const struct bl_bits_r *r)
{
	const size_t at = r->pos >> 3;
	uint64_t w = 0;

	if (__builtin_expect(at + 8 <= r->bytes, 1))
		memcpy(&w, r->p + at, 8);
	else if (at < r->bytes)
		memcpy(&w, r->p + at, r->bytes - at);
	return le64toh(w) >> (r->pos & 7);
}

/* n <= 56. */
static inline uint64_t
bl_bits_get_few(struct bl_bits_r *r, unsigned n)
{
	const uint64_t v = bl_bits_peek(r) & ((UINT64_C(1) << n) - 1);

	r->pos += n;
	return v;
}

/* n <= 64. */
static inline uint64_t
bl_bits_get(struct bl_bits_r *r, unsigned n)
{
	uint64_t v;

	if (__builtin_expect(n <= 56, 1))
		return bl_bits_get_few(r, n);
	v = bl_bits_get_few(r, 32);
	return v | bl_bits_get_few(r, n - 32) << 32;
}

/* Whether everything read so far was there. */
static inline bool
bl_bits_ok(const struct bl_bits_r *r)
{
	return !r->bad && r->pos <= r->bytes * 8;
}

/* Moves to the next byte; false: what was passed is not zero. */
static inline bool
bl_bits_pad(struct bl_bits_r *r)
{
	const unsigned n = (unsigned)(-r->pos & 7);

	return bl_bits_get_few(r, n) == 0 && bl_bits_ok(r);
}

/* What is left is less than a byte, and zero. */
static inline bool
bl_bits_at_end(const struct bl_bits_r *r)
{
	return bl_bits_ok(r) && r->bytes * 8 - r->pos < 8 && bl_bits_peek(r) == 0;
}

/* Ones before the next zero; the zero is taken, too. */
static inline unsigned
bl_bits_unary(struct bl_bits_r *r)
{
	uint64_t zeros = ~bl_bits_peek(r) & ((UINT64_C(1) << 56) - 1);
	unsigned n = 0;

	while (__builtin_expect(zeros == 0, 0)) {
		n += 56;
		r->pos += 56;
		zeros = ~bl_bits_peek(r) & ((UINT64_C(1) << 56) - 1);
	}
	r->pos += (unsigned)__builtin_ctzll(zeros) + 1u;
	return n + (unsigned)__builtin_ctzll(zeros);
}

static inline unsigned
bl_bits_length(uint64_t v)
{
	return v == 0 ? 0 : 64u - (unsigned)__builtin_clzll(v);
}

#endif
