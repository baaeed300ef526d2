/*
 * A sketch in memory: two sorted lists of buckets, and how many values were zero.
 */
#ifndef BL_SKETCH_INTERNAL_H
#define BL_SKETCH_INTERNAL_H

#include "branchline/sketch.h"

#include <stddef.h>

/* Each power of two is cut into so many buckets of equal width: see sketch.c. */
#define SKETCH_STEPS     50
#define SKETCH_INDEX_MIN (-1022 * SKETCH_STEPS)
#define SKETCH_INDEX_MAX (1024 * SKETCH_STEPS - 1)

struct sketch_bucket {
	int32_t index;
	uint64_t count; /* never 0 */
};

/* Ascending by index, which ascends with magnitude. */
struct sketch_side {
	struct sketch_bucket *b;
	size_t n, size;
};

struct bl_sketch {
	uint64_t count, zeros;
	struct sketch_side positive, negative;
	/* Counts that are not settled yet: of ordinals from `first` on. */
	struct sketch_counts {
		uint64_t *count;
		int32_t first;
		uint32_t n;
	} counts;
};

/* Joins the smallest magnitudes until no more than the cap are left. */
void bl_sketch_collapse(struct sketch_side *side);
/* Room for n buckets; BL_OK or BL_ENOMEM (nothing lost). */
int bl_sketch_reserve(struct sketch_side *side, size_t n);

#endif
