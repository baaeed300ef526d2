/*
 * Bits within bytes, lowest bit first: a writer onto a bl_buf and a reader
 * over a span.  The reader never touches a byte beyond its end; what lies
 * there reads as zero bits, and the caller compares positions.
 *
 * Two codes for single numbers are here, too: Exp-Golomb, and the "number" that
 * says its length first.  shared/WIRE.md, section 3, has both.
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
	unsigned n; /* bits in acc, < 64 between calls */
};

static inline uint64_t
bits_low(uint64_t v, unsigned n)
{
	return n >= 64 ? v : v & ((UINT64_C(1) << n) - 1);
}

/* The low n bits of v; n <= 64. */
static inline void
bits_put(struct bits_w *w, uint64_t v, unsigned n)
{
	const unsigned had = w->n;
	uint64_t full;

	v = bits_low(v, n);
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
bits_flush(struct bits_w *w)
{
	const uint64_t rest = htole64(w->acc);

	bl_buf_bytes(w->b, &rest, (w->n + 7) / 8);
	w->acc = 0;
	w->n = 0;
}

struct bits_r {
	const uint8_t *p;
	size_t bytes;
	size_t pos; /* in bits */
	bool bad;   /* a code that there is not; positions are the caller's to compare */
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

/* Whether everything read so far was there. */
static inline bool
bits_ok(const struct bits_r *r)
{
	return !r->bad && r->pos <= r->bytes * 8;
}

/* Moves to the next byte; false: what was passed is not zero. */
static inline bool
bits_pad(struct bits_r *r)
{
	const unsigned n = (unsigned)(-r->pos & 7);

	return bits_get_few(r, n) == 0 && bits_ok(r);
}

/* What is left is less than a byte, and zero. */
static inline bool
bits_at_end(const struct bits_r *r)
{
	return bits_ok(r) && r->bytes * 8 - r->pos < 8 && bits_peek(r) == 0;
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

static inline unsigned
bits_length(uint64_t v)
{
	return v == 0 ? 0 : 64u - (unsigned)__builtin_clzll(v);
}

/* ---- single numbers: Exp-Golomb ---- */

/* Bucket q holds 2^(k+q) values from (2^q - 1) * 2^k on; 64: there is no code. */
static inline unsigned
bits_bucket(uint64_t u, unsigned k)
{
	const uint64_t high = u >> k;

	return high == UINT64_MAX ? 64 : bits_length(high + 1) - 1;
}

static inline unsigned
bits_expg_cost(uint64_t u, unsigned k)
{
	return 2 * bits_bucket(u, k) + 1 + k;
}

/* u has a code: bucket + k <= 63. */
static inline void
bits_put_expg(struct bits_w *w, uint64_t u, unsigned k)
{
	const unsigned q = bits_bucket(u, k);

	bits_put(w, (UINT64_C(1) << q) - 1, q + 1);
	bits_put(w, u - (((UINT64_C(1) << q) - 1) << k), k + q);
}

static inline uint64_t
bits_get_expg(struct bits_r *r, unsigned k)
{
	const unsigned q = bits_unary(r);

	if (__builtin_expect(q + k > 63, 0)) {
		r->bad = true;
		return 0;
	}
	return (((UINT64_C(1) << q) - 1) << k) + bits_get(r, k + q);
}

/* ---- single numbers: length first ---- */

#define BITS_NUMBER   55u /* the longest */
#define BITS_NEGATIVE 64u /* added to the length of a negative number */

static inline unsigned
bits_number_class(int64_t v)
{
	const unsigned n = bits_length((uint64_t)(v < 0 ? -v : v));

	return v < 0 ? n + BITS_NEGATIVE : n;
}

/* |v| < 2^55.  last: the class of the number before, and of this one afterwards. */
static inline void
bits_put_number(struct bits_w *w, int64_t v, uint8_t *last)
{
	const uint64_t u = (uint64_t)(v < 0 ? -v : v);
	const unsigned class = bits_number_class(v), n = bits_length(u);
	const int64_t change = (int64_t) class - *last;

	bits_put_expg(w, change < 0 ? (uint64_t)(-change * 2 - 1) : (uint64_t)change * 2, 2);
	*last = (uint8_t) class;
	/* Its highest bit is known. */
	if (n > 1)
		bits_put(w, u, n - 1);
}

static inline int64_t
bits_get_number(struct bits_r *r, uint8_t *last)
{
	const uint64_t change = bits_get_expg(r, 2);
	const uint64_t class = *last + ((change >> 1) ^ (0 - (change & 1)));
	const unsigned n = (unsigned)class & (BITS_NEGATIVE - 1);
	int64_t v;

	/* A negative number of no bits is none. */
	if (class > BITS_NEGATIVE + BITS_NUMBER || n > BITS_NUMBER || class == BITS_NEGATIVE) {
		r->bad = true;
		return 0;
	}
	*last = (uint8_t) class;
	if (n == 0)
		return 0;
	v = (int64_t)(bits_get_few(r, n - 1) | UINT64_C(1) << (n - 1));
	return class > BITS_NEGATIVE ? -v : v;
}

/* ---- planes of unary parts ---- */

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
