/*
 * Doubles that are no decimals: each one's bits XOR those of the one before.
 * 0: the same; 10: within the last window; 11: a new window (6 bits of leading
 * zeros, 6 bits of length - 1), then the window's bits.
 */
#include "codec_internal.h"

#include <string.h>

struct window {
	unsigned lead, len; /* len 0: none yet */
};

static uint64_t
bits_of(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

/* Exponents of all ones: nothing behind is infinity, anything else is no number. */
#define INFINITE (UINT64_C(0x7ff) << 52)

bool
codec_bits_ok(uint64_t bits, bool finite)
{
	const uint64_t size = bits & INT64_MAX;

	return finite ? size < INFINITE : size <= INFINITE;
}

/* Whether x goes within the window or gets one of its own, which costs 12 bits. */
static bool
keeps(const struct window *w, uint64_t x, struct window *own)
{
	own->lead = (unsigned)__builtin_clzll(x);
	own->len = 64 - own->lead - (unsigned)__builtin_ctzll(x);
	return w->len != 0 && own->lead >= w->lead && w->lead + w->len >= own->lead + own->len &&
	       w->len <= own->len + 12;
}

static uint64_t
cost(const double *v, size_t n)
{
	struct window w = { 0, 0 }, own;
	uint64_t bits = 64;

	for (size_t i = 1; i < n; i++) {
		const uint64_t x = bits_of(v[i]) ^ bits_of(v[i - 1]);

		if (x == 0) {
			bits += 1;
		} else if (keeps(&w, x, &own)) {
			bits += 2 + w.len;
		} else {
			w = own;
			bits += 14 + w.len;
		}
	}
	return bits;
}

static void
put_one(struct bl_bits_w *out, uint64_t x, struct window *w)
{
	struct window own;

	bl_bits_put(out, x != 0, 1);
	if (x == 0)
		return;
	if (keeps(w, x, &own)) {
		bl_bits_put(out, 0, 1);
	} else {
		bl_bits_put(out, 1, 1);
		*w = own;
		bl_bits_put(out, w->lead, 6);
		bl_bits_put(out, w->len - 1, 6);
	}
	bl_bits_put(out, x >> (64 - w->lead - w->len), w->len);
}

void
codec_xor_put(struct bl_bits_w *out, const double *v, size_t n)
{
	struct window w = { 0, 0 };

	bits_put_expg(out, cost(v, n), 6);
	bl_bits_put(out, bits_of(v[0]), 64);
	for (size_t i = 1; i < n; i++)
		put_one(out, bits_of(v[i]) ^ bits_of(v[i - 1]), &w);
}

void
codec_xor_init(struct codec_xor *x, const struct bl_numbers *numbers)
{
	*x = (struct codec_xor){ .bits = { numbers->p, numbers->bytes, numbers->unary_at, false },
		.end = numbers->rest_at,
		.finite = numbers->finite };
	x->last = bl_bits_get(&x->bits, 64);
}

static bool
next_bits(struct codec_xor *x)
{
	if (!x->begun) {
		x->begun = true;
		return true;
	}
	if (bl_bits_get(&x->bits, 1) == 0)
		return true;
	if (bl_bits_get(&x->bits, 1) != 0) {
		x->lead = (unsigned)bl_bits_get(&x->bits, 6);
		x->len = (unsigned)bl_bits_get(&x->bits, 6) + 1;
	}
	/* Also the case of no window so far: its length is 0. */
	if (x->len == 0 || x->lead + x->len > 64)
		return false;
	x->last ^= bl_bits_get(&x->bits, x->len) << (64 - x->lead - x->len);
	return true;
}

bool
codec_xor_next(struct codec_xor *x, double *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!next_bits(x) || !codec_bits_ok(x->last, x->finite))
			return false;
		memcpy(&out[i], &x->last, sizeof(out[i]));
	}
	return x->bits.pos <= x->end;
}

bool
codec_xor_done(const struct codec_xor *x)
{
	return x->bits.pos == x->end;
}
