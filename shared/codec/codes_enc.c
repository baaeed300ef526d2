/*
 * Residual codes, writing side: which of them is the cheapest, to the bit, and
 * the two planes.
 */
#include "codec_internal.h"

/* Unary parts this long are never the cheapest; the cap keeps sums from overflowing. */
#define RICE_Q_MAX 4096u

/* Residuals and what they have in common. */
struct residuals {
	const uint64_t *u;
	size_t n;
	uint64_t all; /* every bit that one of them has */
	unsigned middle;
};

static uint64_t
rice_bits(const struct residuals *r, unsigned k)
{
	uint64_t bits = (uint64_t)r->n * (1 + k);

	if (r->all >> k > RICE_Q_MAX)
		return UINT64_MAX;
	for (size_t i = 0; i < r->n; i++)
		bits += r->u[i] >> k;
	return bits;
}

static uint64_t
expg_bits(const struct residuals *r, unsigned k)
{
	uint64_t sum = 0;

	/* None of them has more bits than `all`: so each has a code, and adding 1 overflows
	 * nothing. */
	if (bl_bits_length(r->all) >= 62)
		return UINT64_MAX;
	for (size_t i = 0; i < r->n; i++)
		sum += bl_bits_length((r->u[i] >> k) + 1) - 1;
	return (uint64_t)r->n * (1 + k) + 2 * sum;
}

static unsigned
k_bits(unsigned k, unsigned last_k)
{
	if (last_k == CODEC_K_ANY)
		return 0;
	return bits_expg_cost(bl_zigzag((int64_t)k - (int64_t)last_k), 1);
}

/* The binary logarithm of the mean is the middle: the best k lies around it. */
static struct residuals
look_at(const uint64_t *u, size_t n)
{
	struct residuals r = { u, n, 0, 0 };
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		r.all |= u[i];
		sum += u[i] >> 16 > UINT32_MAX ? UINT64_C(1) << 48 : u[i];
	}
	r.middle = n == 0 ? 0 : bl_bits_length(sum / n);
	r.middle = r.middle < CODEC_K_MAX ? r.middle : CODEC_K_MAX;
	return r;
}

static void
consider(struct codec_code *best, uint64_t *best_bits, bool expg, unsigned k, unsigned last_k,
    uint64_t bits)
{
	if (bits == UINT64_MAX || bits + k_bits(k, last_k) >= *best_bits)
		return;
	*best_bits = bits + k_bits(k, last_k);
	*best = (struct codec_code){ expg, k };
}

struct codec_code
codec_code_choose(const uint64_t *u, size_t n, unsigned last_k, uint64_t *bits)
{
	const struct residuals r = look_at(u, n);
	struct codec_code best = { true, 0 };

	*bits = UINT64_MAX;
	for (unsigned k = r.middle > 3 ? r.middle - 3 : 0; k <= r.middle; k++) {
		if (k + 2 >= r.middle)
			consider(&best, bits, false, k, last_k, rice_bits(&r, k));
		consider(&best, bits, true, k, last_k, expg_bits(&r, k));
	}
	return best;
}

struct codec_code
codec_code_quick(const uint64_t *u, size_t n, unsigned last_k, bool expg_likely, uint64_t *bits)
{
	const struct residuals r = look_at(u, n);
	const unsigned k = r.middle, less = k > 0 ? k - 1 : 0, least = k > 1 ? k - 2 : 0;
	struct codec_code best = { true, 0 };

	*bits = UINT64_MAX;
	consider(&best, bits, false, less, last_k, rice_bits(&r, less));
	consider(&best, bits, true, least, last_k, expg_bits(&r, least));
	if (expg_likely)
		consider(&best, bits, true, less, last_k, expg_bits(&r, less));
	else
		consider(&best, bits, false, k, last_k, rice_bits(&r, k));
	return best;
}

/* The writer is kept in registers over each plane. */
static void
rice_put(struct bl_bits_w *out, unsigned k, const uint64_t *u, size_t n)
{
	struct bl_bits_w w = *out;

	for (size_t i = 0; i < n; i++) {
		uint64_t q = u[i] >> k;

		for (; q >= 32; q -= 32)
			bl_bits_put(&w, UINT32_MAX, 32);
		bl_bits_put(&w, (UINT64_C(1) << q) - 1, (unsigned)q + 1);
	}
	for (size_t i = 0; i < n; i++)
		bl_bits_put(&w, u[i], k);
	*out = w;
}

static void
expg_put(struct bl_bits_w *out, unsigned k, const uint64_t *u, size_t n)
{
	struct bl_bits_w w = *out;

	for (size_t i = 0; i < n; i++) {
		const unsigned q = bits_bucket(u[i], k);

		bl_bits_put(&w, (UINT64_C(1) << q) - 1, q + 1);
	}
	for (size_t i = 0; i < n; i++) {
		const unsigned q = bits_bucket(u[i], k);

		bl_bits_put(&w, u[i] - (((UINT64_C(1) << q) - 1) << k), k + q);
	}
	*out = w;
}

void
codec_code_put(struct bl_bits_w *out, struct codec_code code, const uint64_t *u, size_t n)
{
	if (code.expg)
		expg_put(out, code.k, u, n);
	else
		rice_put(out, code.k, u, n);
}
