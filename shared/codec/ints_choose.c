/*
 * Integer sequences, writing side: works out what each predictor and code
 * would cost, to the bit, and takes the cheapest; or, when told to be quick,
 * goes by sums of residuals and by what the sequence was coded with before.
 *
 * All of it comes to about 0.1 us a sample, 7 ms of CPU an hour for 200 series
 * every 10 s: at the agent bytes are dearer.
 */
#include "ints_enc_internal.h"

#include <string.h>

/* ---- predictors ---- */

static uint64_t
floor_shift(uint64_t v, unsigned by)
{
	return (uint64_t)((int64_t)v >> by);
}

/* Fills u with the zigzag residuals of the integers less `down` zeros; returns how many. */
size_t
ints_residuals(const int64_t *m, size_t n, unsigned down, unsigned predictor, uint64_t *u)
{
	const unsigned by = predictor & 3u;
	uint64_t level = (uint64_t)(m[0] >> down), slope;
	size_t count = 0;

	if (predictor < CODEC_SLOPED) {
		for (size_t i = 1; i < n; i++) {
			const uint64_t r = (uint64_t)(m[i] >> down) - level;

			u[count++] = bl_zigzag((int64_t)r);
			level += floor_shift(r, by);
		}
		return count;
	}
	slope = (uint64_t)(m[1] >> down) - level;
	level = (uint64_t)(m[1] >> down);
	for (size_t i = 2; i < n; i++) {
		const uint64_t v = (uint64_t)(m[i] >> down), r = v - level - slope;

		u[count++] = bl_zigzag((int64_t)r);
		level = v;
		slope += floor_shift(r, by);
	}
	return count;
}

/* ---- runs ---- */

/* What each run but the last says of its length, and each but the first of its difference. */
static uint64_t
runs_sums(const int64_t *m, size_t n, unsigned down, uint64_t *lengths, uint64_t *differences)
{
	size_t begin = 0;
	uint64_t runs = 1;

	*lengths = *differences = 0;
	for (size_t i = 1; i < n; i++) {
		if (m[i] == m[i - 1])
			continue;
		*lengths += i - begin - 1;
		*differences += bl_zigzag((m[i] >> down) - (m[i - 1] >> down)) - 1;
		begin = i;
		runs++;
	}
	return runs;
}

static uint8_t
mean_k(uint64_t sum, uint64_t n)
{
	const unsigned k = bl_bits_length(sum / n);

	return (uint8_t)(k == 0 ? 0 : k - 1 < CODEC_K_MAX ? k - 1 : CODEC_K_MAX);
}

struct ints_runs
ints_runs_plan(const int64_t *m, size_t n, unsigned down)
{
	uint64_t lengths, differences;
	struct ints_runs r = { .n = runs_sums(m, n, down, &lengths, &differences) };
	size_t begin = 0;

	r.bits = UINT64_MAX;
	/* A run costs more than three bits; a residual of nothing costs one. */
	if (r.n < 2 || r.n > n / 2)
		return r;
	r.k_length = mean_k(lengths, r.n - 1);
	r.k = mean_k(differences, r.n - 1);
	r.bits = 10 + bits_expg_cost(r.n - 2, 2);
	for (size_t i = 1; i < n; i++) {
		if (m[i] == m[i - 1])
			continue;
		r.bits += bits_expg_cost(i - begin - 1, r.k_length);
		r.bits += bits_expg_cost(bl_zigzag((m[i] >> down) - (m[i - 1] >> down)) - 1, r.k);
		begin = i;
	}
	return r;
}

/* ---- choosing ---- */

bool
ints_as_last(const struct bl_coding *last, unsigned predictor, bool expg)
{
	return last->predictor == predictor && last->expg == expg;
}

static unsigned
predicted_bits(const struct bl_coding *last, unsigned predictor, bool expg)
{
	const bool same = ints_as_last(last, predictor, expg);

	if (last->encoding == ENC_PREDICTED && same)
		return 1;
	return same ? 4 : 8;
}

/* What the residuals in u cost with the code, everything but the first value included. */
static void
weigh(struct ints_choice *best, const struct bl_coding *last, unsigned predictor,
    struct codec_code code, uint64_t bits, int64_t slope)
{
	if (bits == UINT64_MAX)
		return;
	bits += predicted_bits(last, predictor, code.expg);
	if (predictor >= CODEC_SLOPED)
		bits += bits_expg_cost(bl_zigzag(slope), codec_slope_k(code.k));
	if (bits < best->bits)
		*best = (struct ints_choice){ ENC_PREDICTED, (uint8_t)predictor, code, bits };
}

/* What the digits of n residuals come to: how good a predictor is, before any code is weighed. */
static uint64_t
digits(const uint64_t *u, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += bl_bits_length(u[i]);
	return sum;
}

/* From this many numbers on only the FEW best predictors are weighed: what is lost is below a
 * thousandth. */
#define MANY 100u
#define FEW  3u

/* The best predictors by their digits, so many of them. */
static void
best_predictors(
    const struct codec_ints_in *in, unsigned down, uint64_t *scratch, unsigned best[FEW])
{
	const int64_t slope = (in->m[1] >> down) - (in->m[0] >> down);
	uint64_t weight[FEW + 1];
	unsigned order[FEW + 1], n = 0;

	for (unsigned predictor = 0; predictor < 8; predictor++) {
		const size_t count = ints_residuals(in->m, in->n, down, predictor, scratch);
		uint64_t w = digits(scratch, count);
		unsigned at = n;

		if (predictor >= CODEC_SLOPED)
			w += bl_bits_length(bl_zigzag(slope));
		for (; at > 0 && w < weight[at - 1]; at--) {
			weight[at] = weight[at - 1];
			order[at] = order[at - 1];
		}
		weight[at] = w;
		order[at] = predictor;
		n = n < FEW ? n + 1 : FEW;
	}
	memcpy(best, order, FEW * sizeof(*best));
}

static struct ints_choice
choose_full(
    const struct codec_ints_in *in, unsigned down, const struct bl_coding *last, uint64_t *scratch)
{
	const int64_t slope = (in->m[1] >> down) - (in->m[0] >> down);
	struct ints_choice best = { .bits = UINT64_MAX };
	unsigned tried[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };

	if (in->n >= MANY)
		best_predictors(in, down, scratch, tried);
	for (unsigned i = 0; i < (in->n >= MANY ? FEW : 8); i++) {
		const size_t count = ints_residuals(in->m, in->n, down, tried[i], scratch);
		uint64_t bits;
		struct codec_code code = codec_code_choose(scratch, count, last->k, &bits);

		weigh(&best, last, tried[i], code, bits, slope);
	}
	return best;
}

/* 2^40 stands for all beyond: no sum overflows, and nothing that large is chosen by its sum. */
static uint64_t
clipped(uint64_t r)
{
	const uint64_t v = (int64_t)r < 0 ? 0 - r : r, most = UINT64_C(1) << 40;

	return v < most ? v : most;
}

/*
 * Which of three predictors leaves least, in one walk: the last value (0), an
 * average (2), the last slope (4).
 */
static unsigned
least_of_three(const int64_t *m, size_t n, unsigned down, uint64_t *least)
{
	uint64_t last = (uint64_t)(m[0] >> down), level = last, slope;
	uint64_t by_last = 0, by_level = 0, by_slope = 0;

	slope = (uint64_t)(m[1] >> down) - last;
	for (size_t i = 1; i < n; i++) {
		const uint64_t v = (uint64_t)(m[i] >> down), d = v - last, r = v - level;

		by_last += clipped(d);
		by_level += clipped(r);
		by_slope += clipped(d - slope);
		level += floor_shift(r, 2);
		last = v;
		slope = d;
	}
	*least = by_last < by_level ? by_last : by_level;
	if (by_slope < *least) {
		*least = by_slope;
		return 4;
	}
	return by_last <= by_level ? 0 : 2;
}

/* Sums of residuals tell predictors apart well enough; the codes are then weighed for one. */
static struct ints_choice
choose_quick(
    const struct codec_ints_in *in, unsigned down, const struct bl_coding *last, uint64_t *scratch)
{
	const int64_t slope = (in->m[1] >> down) - (in->m[0] >> down);
	const bool hinted = (in->hint & HINT) != 0;
	unsigned hint = in->hint & 7u, predictor;
	struct ints_choice best = { .bits = UINT64_MAX };
	struct codec_code code;
	uint64_t least, bits, sum = 0;
	size_t count;

	predictor = least_of_three(in->m, in->n, down, &least);
	if (!hinted || hint == 0 || hint == 2 || hint == 4)
		hint = predictor;
	count = ints_residuals(in->m, in->n, down, hint, scratch);
	if (hint != predictor) {
		for (size_t i = 0; i < count; i++)
			sum += clipped((uint64_t)bl_unzigzag(scratch[i]));
		if (sum < least)
			predictor = hint;
		else
			count = ints_residuals(in->m, in->n, down, predictor, scratch);
	}
	code = codec_code_quick(scratch, count, last->k, (in->hint & HINT_EXPG) != 0, &bits);
	weigh(&best, last, predictor, code, bits, slope);
	return best;
}

struct ints_choice
ints_choose(
    const struct codec_ints_in *in, unsigned down, const struct bl_coding *last, uint64_t *scratch)
{
	return in->quick ? choose_quick(in, down, last, scratch)
			 : choose_full(in, down, last, scratch);
}

unsigned
ints_encoding_bits(const struct bl_coding *last, unsigned encoding)
{
	return last->encoding == encoding ? 1 : encoding < ENC_RUNS ? 3 : 5;
}

uint8_t
codec_hint(const struct bl_numbers *x)
{
	if (x->encoding != ENC_PREDICTED && x->encoding != ENC_EXPG)
		return 0;
	return (uint8_t)(HINT | x->predictor | (x->encoding == ENC_EXPG ? HINT_EXPG : 0));
}
