/*
 * DDSketch: quantiles with a relative error of at most 1 %, mergeable, and the
 * same whatever the order in which values came.
 * Source: Masson, Rim, Lee: DDSketch, PVLDB 12(12), 2019.
 *
 * Pure code, any thread, one object by one thread at a time.
 */
#ifndef BRANCHLINE_SKETCH_H
#define BRANCHLINE_SKETCH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "branchline/buf.h"
#include "branchline/err.h"

#define BL_SKETCH_BUCKETS_MAX 2048u /* of one sign; beyond, the smallest magnitudes are joined */
#define BL_SKETCH_COUNT_MAX   (UINT64_C(1) << 62)

struct bl_sketch;

struct bl_sketch *bl_sketch_create(void); /* NULL: out of memory */
void bl_sketch_free(struct bl_sketch *s); /* NULL is fine */
void bl_sketch_reset(struct bl_sketch *s);
/*
 * value must be finite; magnitudes below 2.3e-308 count as zero.  BL_OK; BL_ENOMEM,
 * or BL_EFULL when the count would pass its cap (then nothing was added).
 */
int bl_sketch_add(struct bl_sketch *s, double value, uint64_t count);
/* Adds from to s.  BL_OK; BL_ENOMEM or BL_EFULL (then s is as before). */
int bl_sketch_merge(struct bl_sketch *s, const struct bl_sketch *from);
uint64_t bl_sketch_count(const struct bl_sketch *s);
/*
 * q from 0 to 1: of n values in order the one at floor(q * (n - 1)), counted from 0.
 * NaN when it is empty.
 */
double bl_sketch_quantile(const struct bl_sketch *s, double q);
/*
 * A bucket's place in the order of values: 0 is zero, what is positive comes
 * above, what is negative below.  For those who keep sketches in a form of
 * their own.
 */
#define BL_SKETCH_ORDINAL_MAX 102300
struct bl_sketch_bucket {
	int32_t ordinal; /* -BL_SKETCH_ORDINAL_MAX to BL_SKETCH_ORDINAL_MAX */
	uint64_t count;
};
/* value must be finite. */
static inline int32_t
bl_sketch_ordinal(double value)
{
	uint64_t bits;
	int32_t at;

	memcpy(&bits, &value, sizeof(bits));
	/* Times 50, the upper bits are 50 x exponent, then the fiftieth of the mantissa. */
	at = ((int32_t)(bits >> 52 & 0x7ff) - 1) * 50 + 1 +
	     (int32_t)(((bits & ((UINT64_C(1) << 52) - 1)) * 50) >> 52);
	/* Zero, or a subnormal number; no branches, since this is done once for every sample. */
	at = at > 0 ? at : 0;
	return (at ^ -(int32_t)(bits >> 63)) + (int32_t)(bits >> 63);
}
/*
 * Adds n buckets, ordinals ascending and within bounds, no count 0: what adding each of their
 * values would do.  BL_OK; BL_ENOMEM or BL_EFULL (then s is as before).  Fast where s has most of
 * them already.
 */
int bl_sketch_add_buckets(struct bl_sketch *s, const struct bl_sketch_bucket *b, size_t n);
/*
 * For who adds very many buckets one after the other: the counts of ordinals first to last, to be
 * added to by the caller; the place of the first one's, good until the next call.  Nothing of them
 * shows before bl_sketch_settle has taken them in; bl_sketch_reset forgets them.  NULL: out of
 * memory, or with what was asked for before it would be more than BL_SKETCH_COUNTS_MAX ordinals;
 * add them in the other way.
 */
#define BL_SKETCH_COUNTS_MAX 4096u
uint64_t *bl_sketch_counts(struct bl_sketch *s, int32_t first, int32_t last);
/* BL_OK; BL_ENOMEM, BL_EFULL: what was counted is lost. */
int bl_sketch_settle(struct bl_sketch *s);
/* Its buckets in ascending order into out (room for 2 * BL_SKETCH_BUCKETS_MAX + 1); how many. */
size_t bl_sketch_buckets(const struct bl_sketch *s, struct bl_sketch_bucket *out);
bool bl_sketch_equal(const struct bl_sketch *a, const struct bl_sketch *b);

/* Canonical: equal contents give equal bytes.  Appends; BL_OK; BL_EFULL when out has failed. */
int bl_sketch_encode(const struct bl_sketch *s, struct bl_buf *out);
/* Checks everything; BL_ECORRUPT, BL_ENOMEM.  s is reset first. */
int bl_sketch_decode(struct bl_sketch *s, struct bl_rd *rd, struct bl_err *err);

#endif
