/*
 * Numbers of one sequence, writing side: finds the scale in which all of them
 * are integers, then lets ints_enc.c choose; what has no such scale goes by
 * XOR.  What is decoded equals what came in, bit for bit.
 */
#include "codec_internal.h"

#include <string.h>

#define EXPONENT_MAX 6u

/* Fills m; false: some value is no decimal of up to six places. */
static bool
to_decimals(const double *v, size_t n, unsigned *exponent, int64_t *m)
{
	unsigned e = 0;

	/* A finer scale holds what a coarser one does, as long as it fits. */
	for (size_t i = 0; i < n; i++) {
		while (!codec_decimal(v[i], e, &m[i])) {
			if (e++ == EXPONENT_MAX)
				return false;
			i = 0; /* start over; at most six times */
		}
	}
	*exponent = e;
	return true;
}

static bool
all_equal(const double *v, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (memcmp(&v[i], &v[0], sizeof(v[0])) != 0)
			return false;
	return true;
}

static void
put_doubles(struct bl_bits_w *out, struct bl_coding *last, const double *d, size_t n)
{
	const bool constant = all_equal(d, n);
	uint64_t bits;

	codec_encoding_put(out, last, constant ? ENC_CONST_F64 : ENC_XOR);
	if (!constant) {
		codec_xor_put(out, d, n);
		return;
	}
	memcpy(&bits, &d[0], sizeof(bits));
	bl_bits_put(out, bits, 64);
}

void
codec_numbers_put(struct bl_bits_w *out, struct bl_coding *last, const double *d, size_t n,
    const struct codec_scratch *s)
{
	struct codec_ints_in in = { .m = s->ints, .n = n };
	unsigned e;

	if (!to_decimals(d, n, &e, s->ints)) {
		put_doubles(out, last, d, n);
		return;
	}
	in.scale = (uint8_t)e;
	codec_ints_put(out, last, &in, s->residuals);
}

void
codec_seq_put(struct bl_buf *out, const double *v, size_t n, const struct codec_scratch *s)
{
	struct bl_coding last = CODEC_CODING_FIRST;
	struct bl_bits_w w = { out, 0, 0 };

	codec_numbers_put(&w, &last, v, n, s);
	bl_bits_flush(&w);
}
