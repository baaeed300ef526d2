/*
 * Writing integer sequences: what ints_choose.c works out and ints_enc.c
 * writes.  `down` is how many zeros at the end all integers lose.
 */
#ifndef INTS_ENC_INTERNAL_H
#define INTS_ENC_INTERNAL_H

#include "codec_internal.h"

/* A hint says that there is one, the predictor in its low bits, and the code. */
enum { HINT = 0x80, HINT_EXPG = 8 };

struct ints_choice {
	uint8_t encoding, predictor;
	struct codec_code code;
	uint64_t bits;
};

struct ints_runs {
	uint64_t n, bits;
	uint8_t k_length, k;
};

/* Fills u with the zigzag residuals; returns how many. */
size_t ints_residuals(const int64_t *m, size_t n, unsigned down, unsigned predictor, uint64_t *u);

/* bits UINT64_MAX: not worth it. */
struct ints_runs ints_runs_plan(const int64_t *m, size_t n, unsigned down);

/* scratch: n entries.  n >= 2, not all equal. */
struct ints_choice ints_choose(
    const struct codec_ints_in *in, unsigned down, const struct bl_coding *last, uint64_t *scratch);

/* What the head costs that says the encoding. */
unsigned ints_encoding_bits(const struct bl_coding *last, unsigned encoding);
bool ints_as_last(const struct bl_coding *last, unsigned predictor, bool expg);

#endif
