/*
 * Doubles that are no decimals: each one's bits XOR those of the one before.
 * 0: the same; 10: within the last window; 11: a new window (6 bits of leading
 * zeros, 6 bits of length - 1), then the window's bits.
 */
#include "codec_internal.h"

#include <string.h>

static uint64_t
bits_of(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

static void
put_one(struct bits_w *w, uint64_t x, unsigned *lead, unsigned *len)
{
	unsigned new_lead, new_len;

	if (x == 0) {
		bits_put(w, 0, 1);
		return;
	}
	new_lead = (unsigned)__builtin_clzll(x);
	new_len = 64 - new_lead - (unsigned)__builtin_ctzll(x);
	bits_put(w, 1, 1);
	/* A new window costs 12 bits. */
	if (*len != 0 && new_lead >= *lead && *lead + *len >= new_lead + new_len &&
	    *len <= new_len + 12) {
		bits_put(w, 0, 1);
	} else {
		bits_put(w, 1, 1);
		*lead = new_lead;
		*len = new_len;
		bits_put(w, *lead, 6);
		bits_put(w, *len - 1, 6);
	}
	bits_put(w, x >> (64 - *lead - *len), *len);
}

void
codec_xor_put(struct bl_buf *out, const double *v, size_t n)
{
	struct bl_buf data;
	struct bits_w w = { &data, 0, 0 };
	unsigned lead = 0, len = 0;

	bl_buf_init(&data, BL_BATCH_RAW_MAX);
	bl_buf_f64(&data, v[0]);
	for (size_t i = 1; i < n; i++)
		put_one(&w, bits_of(v[i]) ^ bits_of(v[i - 1]), &lead, &len);
	bits_flush(&w);
	if (data.failed)
		out->failed = true;
	bl_buf_blob(out, data.data, data.len);
	bl_buf_free(&data);
}

const uint8_t *
codec_xor_end(const uint8_t *p, const uint8_t *end)
{
	struct bl_rd rd;
	size_t len;

	bl_rd_init(&rd, p, (size_t)(end - p));
	(void)bl_rd_blob(&rd, BL_BATCH_RAW_MAX, &len);
	return rd.failed || len < 8 ? NULL : rd.p;
}

void
codec_xor_init(struct codec_xor *x, const uint8_t *p, const uint8_t *end)
{
	struct bl_rd rd;
	size_t len = 0;

	bl_rd_init(&rd, p, (size_t)(end - p));
	p = bl_rd_blob(&rd, BL_BATCH_RAW_MAX, &len);
	*x = (struct codec_xor){ .bits = { p, len, 0 } };
	x->last = bits_get(&x->bits, 64);
}

static bool
next_bits(struct codec_xor *x)
{
	if (!x->begun) {
		x->begun = true;
		return true;
	}
	if (bits_get(&x->bits, 1) == 0)
		return true;
	if (bits_get(&x->bits, 1) != 0) {
		x->lead = (unsigned)bits_get(&x->bits, 6);
		x->len = (unsigned)bits_get(&x->bits, 6) + 1;
	}
	/* Also the case of no window so far: its length is 0. */
	if (x->len == 0 || x->lead + x->len > 64)
		return false;
	x->last ^= bits_get(&x->bits, x->len) << (64 - x->lead - x->len);
	return true;
}

bool
codec_xor_next(struct codec_xor *x, double *out, size_t n)
{
	const uint64_t exponent = UINT64_C(0x7ff) << 52;

	for (size_t i = 0; i < n; i++) {
		if (!next_bits(x) || (x->last & exponent) == exponent)
			return false;
		memcpy(&out[i], &x->last, sizeof(out[i]));
	}
	return x->bits.pos <= x->bits.bytes * 8;
}

bool
codec_xor_done(const struct codec_xor *x)
{
	return x->bits.pos <= x->bits.bytes * 8 && x->bits.bytes * 8 - x->bits.pos < 8 &&
	       bits_peek(&x->bits) == 0;
}
