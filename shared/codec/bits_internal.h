/*
 * Bits within bytes, lowest bit first: a writer onto a bl_buf and a reader
 * over a span.  The reader never touches a byte beyond its end; what lies
 * there reads as zero bits, and the caller compares positions.
 */
#ifndef CODEC_BITS_INTERNAL_H
#define CODEC_BITS_INTERNAL_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "branchline/buf.h"

struct bits_w {
	struct bl_buf *b;
	uint64_t acc;
	unsigned n; /* bits in acc, < 8 between calls */
};

static inline void
bits_put(struct bits_w *w, uint64_t v, unsigned n)
{
	while (n > 0) {
		const unsigned take = n < 56 ? n : 56;

		w->acc |= (v & ((UINT64_C(1) << take) - 1)) << w->n;
		w->n += take;
		v >>= take;
		n -= take;
		for (; w->n >= 8; w->n -= 8, w->acc >>= 8)
			bl_buf_u8(w->b, (uint8_t)w->acc);
	}
}

/* Ends on a byte; the bits left over are zero. */
static inline void
bits_flush(struct bits_w *w)
{
	if (w->n > 0)
		bl_buf_u8(w->b, (uint8_t)w->acc);
	w->acc = 0;
	w->n = 0;
}

struct bits_r {
	const uint8_t *p;
	size_t bytes;
	size_t pos; /* in bits */
};

/* At least 57 bits from pos on. */
static inline uint64_t
bits_peek(const struct bits_r *r)
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
bits_get_few(struct bits_r *r, unsigned n)
{
	const uint64_t v = bits_peek(r) & ((UINT64_C(1) << n) - 1);

	r->pos += n;
	return v;
}

/* n <= 64. */
static inline uint64_t
bits_get(struct bits_r *r, unsigned n)
{
	uint64_t v;

	if (__builtin_expect(n <= 56, 1))
		return bits_get_few(r, n);
	v = bits_get_few(r, 32);
	return v | bits_get_few(r, n - 32) << 32;
}

/* Ones before the next zero; the zero is taken, too. */
static inline unsigned
bits_unary(struct bits_r *r)
{
	uint64_t zeros = ~bits_peek(r) & ((UINT64_C(1) << 56) - 1);
	unsigned n = 0;

	while (__builtin_expect(zeros == 0, 0)) {
		n += 56;
		r->pos += 56;
		zeros = ~bits_peek(r) & ((UINT64_C(1) << 56) - 1);
	}
	r->pos += (unsigned)__builtin_ctzll(zeros) + 1u;
	return n + (unsigned)__builtin_ctzll(zeros);
}

/* Without -mpopcnt the compiler's own is a call into a table. */
static inline unsigned
bits_count(uint64_t v)
{
	v -= v >> 1 & 0x5555555555555555u;
	v = (v & 0x3333333333333333u) + (v >> 2 & 0x3333333333333333u);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fu;
	return (unsigned)(v * 0x0101010101010101u >> 56);
}

/*
 * Passes count zeros and the ones between them; *ones tells how many those
 * were.  False: they end beyond the span.
 */
static inline bool
bits_skip_unary(struct bits_r *r, size_t count, size_t *ones)
{
	const size_t begin = r->pos, want = count;

	while (count > 0) {
		uint64_t zeros = ~bits_peek(r) & ((UINT64_C(1) << 56) - 1);
		const unsigned n = bits_count(zeros);

		if (n < count) {
			count -= n;
			r->pos += 56;
		} else {
			while (--count > 0)
				zeros &= zeros - 1;
			r->pos += (unsigned)__builtin_ctzll(zeros) + 1u;
		}
		if (r->pos > r->bytes * 8)
			return false;
	}
	*ones = r->pos - begin - want;
	return true;
}

#endif
