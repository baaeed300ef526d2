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
bool bl_sketch_equal(const struct bl_sketch *a, const struct bl_sketch *b);

/* Canonical: equal contents give equal bytes.  Appends; BL_OK; BL_EFULL when out has failed. */
int bl_sketch_encode(const struct bl_sketch *s, struct bl_buf *out);
/* Checks everything; BL_ECORRUPT, BL_ENOMEM.  s is reset first. */
int bl_sketch_decode(struct bl_sketch *s, struct bl_rd *rd, struct bl_err *err);

#endif
