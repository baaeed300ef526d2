/*
 * Codes for single numbers on top of branchline/bits.h: Exp-Golomb, and the "number" that says its
 * length first.  shared/WIRE.md, section 3, has both.
 */
#ifndef CODEC_BITS_INTERNAL_H
#define CODEC_BITS_INTERNAL_H

#include "branchline/bits.h"

/* ---- single numbers: Exp-Golomb ---- */

/* Bucket q holds 2^(k+q) values from (2^q - 1) * 2^k on; 64: there is no code. */
static inline unsigned
bits_bucket(uint64_t u, unsigned k)
{
	const uint64_t high = u >> k;

	return high == UINT64_MAX ? 64 : bl_bits_length(high + 1) - 1;
}

static inline unsigned
bits_expg_cost(uint64_t u, unsigned k)
{
	return 2 * bits_bucket(u, k) + 1 + k;
}

/* u has a code: bucket + k <= 63. */
static inline void
bits_put_expg(struct bl_bits_w *w, uint64_t u, unsigned k)
{
	const unsigned q = bits_bucket(u, k);

	bl_bits_put(w, (UINT64_C(1) << q) - 1, q + 1);
	bl_bits_put(w, u - (((UINT64_C(1) << q) - 1) << k), k + q);
}

static inline uint64_t
bits_get_expg(struct bl_bits_r *r, unsigned k)
{
	const unsigned q = bl_bits_unary(r);

	if (__builtin_expect(q + k > 63, 0)) {
		r->bad = true;
		return 0;
	}
	return (((UINT64_C(1) << q) - 1) << k) + bl_bits_get(r, k + q);
}

/* ---- single numbers: length first ---- */

#define BITS_NUMBER   55u /* the longest */
#define BITS_NEGATIVE 64u /* added to the length of a negative number */

static inline unsigned
bits_number_class(int64_t v)
{
	const unsigned n = bl_bits_length((uint64_t)(v < 0 ? -v : v));

	return v < 0 ? n + BITS_NEGATIVE : n;
}

/* |v| < 2^55.  last: the class of the number before, and of this one afterwards. */
static inline void
bits_put_number(struct bl_bits_w *w, int64_t v, uint8_t *last)
{
	const uint64_t u = (uint64_t)(v < 0 ? -v : v);
	const unsigned class = bits_number_class(v), n = bl_bits_length(u);
	const int64_t change = (int64_t) class - *last;

	bits_put_expg(w, change < 0 ? (uint64_t)(-change * 2 - 1) : (uint64_t)change * 2, 2);
	*last = (uint8_t) class;
	/* Its highest bit is known. */
	if (n > 1)
		bl_bits_put(w, u, n - 1);
}

static inline int64_t
bits_get_number(struct bl_bits_r *r, uint8_t *last)
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
	v = (int64_t)(bl_bits_get_few(r, n - 1) | UINT64_C(1) << (n - 1));
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
bits_skip_unary(struct bl_bits_r *r, size_t count, size_t *ones)
{
	const size_t begin = r->pos, want = count;

	while (count > 0) {
		uint64_t zeros = ~bl_bits_peek(r) & ((UINT64_C(1) << 56) - 1);
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
