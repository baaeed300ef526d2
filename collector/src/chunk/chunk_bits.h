/*
 * Codes for single numbers on top of branchline/bits.h: one that says its length first, and Rice's.
 */
#ifndef CHUNK_BITS_H
#define CHUNK_BITS_H

#include "branchline/bits.h"

/* Unary parts end here; a number that would need more follows as it is. */
#define CHUNK_UNARY_MAX 20u
#define CHUNK_K_MAX     57u

/* v < 2^63: its length in 6 bits, then what is below its highest one. */
static inline void
chunk_put_num(struct bl_bits_w *w, uint64_t v)
{
	const unsigned length = bl_bits_length(v);

	bl_bits_put(w, length, 6);
	if (length > 1)
		bl_bits_put(w, v, length - 1);
}

static inline unsigned
chunk_num_bits(uint64_t v)
{
	const unsigned length = bl_bits_length(v);

	return 6 + (length > 1 ? length - 1 : 0);
}

/* v < 2^63, k <= CHUNK_K_MAX. */
static inline void
chunk_put_rice(struct bl_bits_w *w, uint64_t v, unsigned k)
{
	const uint64_t q = v >> k;

	if (q < CHUNK_UNARY_MAX) {
		bl_bits_put(w, (UINT64_C(1) << q) - 1, (unsigned)q + 1);
		bl_bits_put(w, v, k);
		return;
	}
	bl_bits_put(w, (UINT64_C(1) << CHUNK_UNARY_MAX) - 1, CHUNK_UNARY_MAX);
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

static inline uint64_t
chunk_get_num(struct bl_bits_r *r)
{
	const unsigned length = (unsigned)bl_bits_get(r, 6);

	return length == 0 ? 0 : bl_bits_get(r, length - 1) | UINT64_C(1) << (length - 1);
}

/* Whatever the bytes are, the result is below 2^63 + 2^62. */
static inline uint64_t
chunk_get_rice(struct bl_bits_r *r, unsigned k)
{
	const uint64_t w = bl_bits_peek(r);
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
	return (uint64_t)q << k | bl_bits_get(r, k);
}

#endif
