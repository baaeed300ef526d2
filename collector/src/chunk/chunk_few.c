/*
 * A few integers in a row (the windows of an hour): a predictor, a parameter
 * for the Rice code, the first number, what the others differ from the
 * prediction.  Twelve numbers leave nothing to learn from, so the cheapest of
 * four predictors is found by counting bits.
 */
#include "chunk_internal.h"

enum { FEW_DELTA = 0, FEW_HALF = 1, FEW_QUARTER = 2, FEW_LEAST = 3 };

/* Predictors 0 to 2: the level moves by 1 / 2^predictor of every error. */
static unsigned
residuals(const int64_t *v, unsigned n, unsigned predictor, uint64_t *u)
{
	int64_t level = v[0];

	for (unsigned i = 1; i < n; i++) {
		const int64_t r = v[i] - level;

		u[i - 1] = bl_zigzag(r);
		level += r >> predictor;
	}
	return n - 1;
}

static int64_t
least(const int64_t *v, unsigned n)
{
	int64_t m = v[0];

	for (unsigned i = 1; i < n; i++)
		m = v[i] < m ? v[i] : m;
	return m;
}

static unsigned
cost_of(const uint64_t *u, unsigned n, unsigned k)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < n; i++)
		bits += chunk_rice_bits(u[i], k);
	return bits;
}

/* Binary length of the mean of numbers whose sum may have more than 64 bits. */
static unsigned
mean_length(const uint64_t *u, unsigned n)
{
	uint64_t high = 0, low = 0;

	for (unsigned i = 0; i < n; i++) {
		high += u[i] >> 8;
		low += u[i] & 255;
	}
	if (high >> 40 != 0)
		return bl_bits_length(high / n) + 8;
	return bl_bits_length(((high << 8) + low) / n);
}

/* The best parameter lies at the length of the mean or just below. */
static unsigned
best_k(const uint64_t *u, unsigned n, unsigned *k)
{
	const unsigned length = mean_length(u, n);
	unsigned bits, lower;

	*k = length < CHUNK_K_MAX ? length : CHUNK_K_MAX;
	bits = cost_of(u, n, *k);
	while (*k > 0 && (lower = cost_of(u, n, *k - 1)) < bits) {
		bits = lower;
		--*k;
	}
	return bits;
}

void
chunk_few_put(struct bl_bits_w *w, const int64_t *v, unsigned n)
{
	uint64_t u[CHUNK_WINDOWS], best_u[CHUNK_WINDOWS];
	unsigned best = UINT32_MAX, predictor = 0, best_param = 0, count = 0;
	int64_t first = v[0];

	if (n == 1) {
		chunk_put_num(w, bl_zigzag(v[0]));
		return;
	}
	for (unsigned p = FEW_DELTA; p <= FEW_LEAST; p++) {
		const int64_t begin = p == FEW_LEAST ? least(v, n) : v[0];
		unsigned some = n, k, bits;

		if (p == FEW_LEAST)
			for (unsigned i = 0; i < n; i++)
				u[i] = (uint64_t)(v[i] - begin);
		else
			some = residuals(v, n, p, u);
		bits = best_k(u, some, &k) + chunk_num_bits(bl_zigzag(begin));
		if (bits >= best)
			continue;
		best = bits;
		predictor = p;
		best_param = k;
		first = begin;
		count = some;
		memcpy(best_u, u, some * sizeof(u[0]));
	}
	bl_bits_put(w, predictor | best_param << 2, 8);
	chunk_put_num(w, bl_zigzag(first));
	for (unsigned i = 0; i < count; i++)
		chunk_put_rice(w, best_u[i], best_param);
}

bool
chunk_few_get(struct bl_bits_r *r, int64_t *v, unsigned n)
{
	unsigned predictor, k;
	uint64_t level, bad = 0;

	if (n == 1) {
		v[0] = bl_unzigzag(chunk_get_num(r));
		return v[0] >= -CHUNK_INT_MAX && v[0] <= CHUNK_INT_MAX;
	}
	predictor = (unsigned)bl_bits_get(r, 2);
	k = (unsigned)bl_bits_get(r, 6);
	if (k > CHUNK_K_MAX)
		return false;
	level = (uint64_t)bl_unzigzag(chunk_get_num(r));
	if (predictor != FEW_LEAST)
		v[0] = (int64_t)level;
	for (unsigned i = predictor != FEW_LEAST; i < n; i++) {
		const uint64_t code = chunk_get_rice(r, k);
		const int64_t step = bl_unzigzag(code);

		if (predictor == FEW_LEAST) {
			v[i] = (int64_t)(level + code);
			continue;
		}
		v[i] = (int64_t)(level + (uint64_t)step);
		level += (uint64_t)(step >> predictor);
	}
	for (unsigned i = 0; i < n; i++)
		bad |= v[i] < -CHUNK_INT_MAX || v[i] > CHUNK_INT_MAX;
	return bad == 0;
}
