/*
 * Exact sums: a fixed-point number of 2,240 bits, limb i weighing 2^(32i - 1074).
 *
 * Limbs are signed and twice as wide as their weight asks for, so that an
 * addition touches three of them and carries wait.  A double changes a limb by
 * less than 2^32; limbs stay within (adds + 1) * 2^32, and at 2^30 adds the
 * carries are done.
 */
#include "sum_internal.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define ADDS_MAX (UINT32_C(1) << 30)
#define UNIT_EXP (-1074) /* of the lowest bit */

void
bl_sum_zero(struct bl_sum *s)
{
	memset(s->limb, 0, sizeof(s->limb));
	s->adds = 0;
	s->lowest = BL_SUM_LIMBS;
	s->highest = -1;
}

/* Every limb below the highest into [0, 2^32), the highest into [-2^31, 2^31). */
static void
carry(struct bl_sum *s)
{
	for (int i = s->lowest; i <= s->highest; i++) {
		const int64_t over = s->limb[i] >> 32;

		if (i == s->highest) {
			if (s->limb[i] >= INT32_MIN && s->limb[i] <= INT32_MAX)
				break;
			assert(i + 1 < BL_SUM_LIMBS); /* 2^63 doubles end in limb 67 */
			s->highest = i + 1;
		}
		s->limb[i] -= over * (INT64_C(1) << 32);
		s->limb[i + 1] += over;
	}
	s->adds = 0;
}

static void
widen(struct bl_sum *s, int lowest, int highest)
{
	if (lowest < s->lowest)
		s->lowest = lowest;
	if (highest > s->highest)
		s->highest = highest;
}

void
bl_sum_add(struct bl_sum *s, double x)
{
	uint64_t bits, mantissa, low, high;
	int exponent, at, shift;
	int64_t sign;

	assert(isfinite(x));
	memcpy(&bits, &x, sizeof(bits));
	mantissa = bits & ((UINT64_C(1) << 52) - 1);
	exponent = (int)(bits >> 52 & 0x7ff);
	sign = bits >> 63 != 0 ? -1 : 1;
	if (exponent != 0) {
		mantissa |= UINT64_C(1) << 52;
		exponent--;
	}
	if (mantissa == 0)
		return;
	if (s->adds >= ADDS_MAX)
		carry(s);
	at = exponent / 32;
	shift = exponent % 32;
	/* 53 bits moved by up to 31: two limbs of the low part, one of the rest. */
	low = mantissa << shift;
	high = shift > 0 ? mantissa >> (64 - shift) : 0;
	s->limb[at] += sign * (int64_t)(low & UINT32_MAX);
	s->limb[at + 1] += sign * (int64_t)(low >> 32);
	s->limb[at + 2] += sign * (int64_t)high;
	s->adds++;
	widen(s, at, at + 2);
}

void
bl_sum_merge(struct bl_sum *s, const struct bl_sum *from)
{
	if (from->lowest > from->highest)
		return;
	if (s->adds >= ADDS_MAX - 1 || from->adds >= ADDS_MAX - 1 - s->adds)
		carry(s);
	for (int i = from->lowest; i <= from->highest; i++)
		s->limb[i] += from->limb[i];
	s->adds += from->adds + 1;
	widen(s, from->lowest, from->highest);
	if (s->adds >= ADDS_MAX)
		carry(s);
}

void
bl_sum_plain(const struct bl_sum *s, struct sum_plain *out)
{
	struct bl_sum t;
	int64_t over = 0;
	int highest;

	memset(out, 0, sizeof(*out));
	if (s->lowest > s->highest)
		return;
	t = *s;
	carry(&t);
	/* The highest limb that is not 0 has the sign of the whole. */
	for (highest = t.highest; highest > t.lowest && t.limb[highest] == 0; highest--)
		;
	out->negative = t.limb[highest] < 0;
	for (int i = t.lowest; i <= highest; i++) {
		const int64_t v = (out->negative ? -t.limb[i] : t.limb[i]) + over;

		over = v >> 32;
		for (int k = 0; k < 4; k++)
			out->byte[4 * i + k] = (uint8_t)((uint64_t)v >> (8 * k));
	}
	out->lowest = 4 * t.lowest;
	out->n = 4 * (highest - t.lowest + 1);
	while (out->n > 0 && out->byte[out->lowest + out->n - 1] == 0)
		out->n--;
	while (out->n > 0 && out->byte[out->lowest] == 0) {
		out->lowest++;
		out->n--;
	}
	if (out->n == 0)
		out->lowest = 0;
}

bool
bl_sum_from_plain(struct bl_sum *s, const struct sum_plain *in)
{
	bl_sum_zero(s);
	/* 2^63 doubles of less than 2^1024 each: below bit 1074 + 1024 + 63. */
	if (in->lowest + in->n > (1074 + 1024 + 63 + 7) / 8)
		return false;
	for (int b = in->lowest; b < in->lowest + in->n; b++) {
		const int64_t v = (int64_t)in->byte[b] << (8 * (b % 4));

		s->limb[b / 4] += in->negative ? -v : v;
	}
	if (in->n > 0)
		widen(s, in->lowest / 4, (in->lowest + in->n - 1) / 4);
	return true;
}

static bool
bit(const struct sum_plain *p, int at)
{
	return at >= 0 && (p->byte[at / 8] & 1u << at % 8) != 0;
}

/* Is any bit below `at` set? */
static bool
any_below(const struct sum_plain *p, int at)
{
	if (at <= 0)
		return false;
	for (int b = p->lowest; b < at / 8; b++)
		if (p->byte[b] != 0)
			return true;
	return (p->byte[at / 8] & ((1u << (at % 8)) - 1)) != 0;
}

double
bl_sum_value(const struct bl_sum *s)
{
	struct sum_plain p;
	uint64_t mantissa = 0;
	int top, low;
	double v;

	bl_sum_plain(s, &p);
	if (p.n == 0)
		return 0;
	top = 8 * (p.lowest + p.n) - 1;
	while (!bit(&p, top))
		top--;
	/* The 53 bits from the top, then to the nearest, ties to even. */
	low = top > 52 ? top - 52 : 0;
	for (int i = top; i >= low; i--)
		mantissa = mantissa << 1 | bit(&p, i);
	if (bit(&p, low - 1) && (any_below(&p, low - 1) || (mantissa & 1) != 0))
		mantissa++;
	v = ldexp((double)mantissa, low + UNIT_EXP);
	return p.negative ? -v : v;
}
