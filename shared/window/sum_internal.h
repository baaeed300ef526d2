/*
 * A sum in its one canonical form: a sign, and bytes of a magnitude whose lowest
 * and highest ones are not 0.
 */
#ifndef BL_SUM_INTERNAL_H
#define BL_SUM_INTERNAL_H

#include "branchline/window.h"

#define SUM_BYTES (BL_SUM_LIMBS * 4)

struct sum_plain {
	bool negative;
	int lowest, n;           /* byte b weighs 2^(8b - 1074); n 0: the sum is zero */
	uint8_t byte[SUM_BYTES]; /* byte[lowest] to byte[lowest + n - 1]; the others are 0 */
};

void bl_sum_plain(const struct bl_sum *s, struct sum_plain *out);
/* From a canonical form; false: it lies beyond what any 2^63 doubles add up to. */
bool bl_sum_from_plain(struct bl_sum *s, const struct sum_plain *in);

#endif
