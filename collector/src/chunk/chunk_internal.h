/*
 * What the files of the part format share.  README.md has the bytes.
 */
#ifndef CHUNK_INTERNAL_H
#define CHUNK_INTERNAL_H

#include "chunk.h"

#include "chunk_bits.h"

/* Sums and extremes of roll-ups stay within; what would pass goes as doubles. */
#define CHUNK_INT_MAX (INT64_C(1) << 61)

/* Samples of an hour when each thinned one counts for those it stands for. */
#define CHUNK_WEIGHT_MAX ((uint64_t)CHUNK_SAMPLES_MAX * BL_THIN_COUNT_MAX)

#define CHUNK_PIECE_MAX BL_SEQ_MAX /* numbers of one sequence; a longer column has several */

/* Flags of a column's entry in a block. */
enum {
	COL_STEP = 3, /* source: 0 the same, 1 the next one, 2 stated; 3 is nothing */
	COL_STEP_NEXT = 1,
	COL_STEP_STATED = 2,
	COL_SERIES = 4,   /* the step to its series is stated */
	COL_INTERVAL = 8, /* the interval is stated */
	COL_COUNTER = 16,
	COL_REF = 32,     /* time column or shape stated; else 0 */
	COL_UNKNOWN = 64, /* raw: has unknown samples; roll-up of a counter: edge stated */
	COL_THIN = 128, /* raw: has thinned ones; roll-up of a counter: the first brings its own */
};

/* ---- a few integers in a row (chunk_few.c); n from 1 to CHUNK_WINDOWS ---- */

void chunk_few_put(struct chunk_bits_w *w, const int64_t *v, unsigned n);
/* False: out of bounds.  Whether there were so many bits is for the caller to ask. */
bool chunk_few_get(struct chunk_bits_r *r, int64_t *v, unsigned n);

/* ---- shapes (chunk_shape.c): known and unknown samples of each window ---- */

struct chunk_shape {
	uint64_t known[CHUNK_WINDOWS], unknown[CHUNK_WINDOWS];
};

void chunk_shape_put(struct bl_buf *out, const struct chunk_shape *s, unsigned windows);
/* Sets rd->failed on anything wrong. */
void chunk_shape_get(struct bl_rd *rd, struct chunk_shape *s, unsigned windows);

/* ---- roll-ups (chunk_roll.c works them out, chunk_roll_code.c writes and reads them) ---- */

/*
 * What is known of the windows of a series.  integers: in i, at scale and
 * shift; else in d.  Only windows with known samples mean anything.
 */
struct chunk_roll {
	bool counter, integers;
	/* A counter whose pairs all count and that never falls: increases are differences of max.
	 */
	bool steady;
	uint8_t scale, shift;
	unsigned windows;
	struct chunk_shape shape;
	struct {
		int64_t total[CHUNK_WINDOWS]; /* gauge: sum; counter: increase */
		int64_t min[CHUNK_WINDOWS], max[CHUNK_WINDOWS];
		int64_t first, last; /* counter */
	} i;
	struct {
		double total[CHUNK_WINDOWS], min[CHUNK_WINDOWS], max[CHUNK_WINDOWS];
		double first, last;
	} d;
};

/* What the times of a column say about its roll-ups. */
struct chunk_ticks {
	const int64_t *unix_ms;
	uint32_t n;
	uint32_t begin[CHUNK_WINDOWS + 1]; /* of the windows */
	const struct chunk_run *runs;
	uint32_t n_runs;
	bool one_boot;
	int64_t gap_min_ms, gap_max_ms; /* between neighbours; n < 2: 0 */
};

/* Which samples are a series' first and last known one; n: none. */
struct chunk_ends {
	uint32_t first, last;
	bool first_own; /* the first is thinned and has a neighbour of its own */
};

/* scratch: ticks->n entries. */
void chunk_roll_make(struct chunk_roll *m5, const struct chunk_in *in,
    const struct chunk_ticks *ticks, double *scratch, struct chunk_ends *ends);
/* The hour of its windows. */
void chunk_roll_hour(struct chunk_roll *h1, const struct chunk_roll *m5);

/* Writes a body; nothing when there is no known sample.  w ends on whatever bit that is. */
void chunk_roll_put(struct chunk_bits_w *w, const struct chunk_roll *r);
/*
 * The other way; r has counter, windows and shape.  sums: only totals are wanted, b ends anywhere
 * then; else behind the body.  False: ill-formed; bits beyond the end are for the caller to find.
 */
bool chunk_roll_get(struct chunk_bits_r *b, struct chunk_roll *r, bool sums);
/* As doubles in d. */
void chunk_roll_doubles(struct chunk_roll *r);

/* ---- integers at a scale ---- */

double chunk_scaled(int64_t i, unsigned scale, unsigned shift);

uint32_t chunk_crc(const void *bytes, size_t len);

#endif
