/*
 * What the files of the part format share.  README.md has the bytes.
 */
#ifndef CHUNK_INTERNAL_H
#define CHUNK_INTERNAL_H

#include "chunk.h"

#include "chunk_bits.h"

#define CHUNK_MAGIC     "BLPART"
#define CHUNK_MAGIC_LEN 6u

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

void chunk_few_put(struct bl_bits_w *w, const int64_t *v, unsigned n);
/* False: out of bounds.  Whether there were so many bits is for the caller to ask. */
bool chunk_few_get(struct bl_bits_r *r, int64_t *v, unsigned n);

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
	int64_t gap_min_ms, gap_max_ms; /* between neighbours, by either clock; n < 2: 0 */
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
void chunk_roll_put(struct bl_bits_w *w, const struct chunk_roll *r);
/*
 * The other way; r has counter, windows and shape.  sums: only totals are wanted, b ends anywhere
 * then; else behind the body.  False: ill-formed; bits beyond the end are for the caller to find.
 */
bool chunk_roll_get(struct bl_bits_r *b, struct chunk_roll *r, bool sums);
/* As doubles in d. */
void chunk_roll_doubles(struct chunk_roll *r);

/* The bucket of the hour's min or max. */
int32_t chunk_roll_ordinal(const struct chunk_roll *r, bool max);

double chunk_scaled(int64_t i, unsigned scale, unsigned shift);
double chunk_power_of_ten(unsigned scale); /* 0 to 6 */

/* ---- sketches (chunk_sketch.c) ---- */

struct chunk_sketcher; /* what the writing side works in */

struct chunk_sketcher *chunk_sketcher_create(void); /* NULL: out of memory */
void chunk_sketcher_free(struct chunk_sketcher *k);
/*
 * Writes the values of a column of n times, of which h1 is the roll-up; there is a known one.
 * BL_OK, BL_ENOMEM.
 */
int chunk_sketch_put(struct bl_bits_w *w, struct chunk_sketcher *k, const struct chunk_in *in,
    uint32_t n, const struct chunk_roll *h1);
/*
 * Fills out (CHUNK_BUCKETS_MAX of room), or, *n is 0 then, the counts of into (NULL: not there)
 * where they can be; r ends behind it.  False: ill-formed.
 */
bool chunk_sketch_get(struct bl_bits_r *r, const struct chunk_roll *h1, struct bl_sketch *into,
    struct bl_sketch_bucket *out, uint32_t *n);

/* ---- raw columns (chunk_raw.c) and time columns (chunk_times.c), writing side ---- */

/* What stands behind a raw column's entry; scratch: n entries.  BL_OK or as bl_seq_put. */
int chunk_raw_put(struct bl_buf *out, const struct chunk_in *in, const struct chunk_ticks *ticks,
    double *scratch, struct bl_err *err);
int chunk_times_put(
    struct bl_buf *out, int64_t hour_unix_ms, const struct chunk_ticks *ticks, struct bl_err *err);

int chunk_thin_put(struct bl_buf *out, const struct chunk_in *in, const struct chunk_ticks *ticks,
    double *scratch, struct bl_err *err);
/* Numbers that may be more than one sequence holds. */
int chunk_put_values(struct bl_buf *out, const struct bl_seq *s, struct bl_err *err);

/* ---- and reading side ---- */

/* out's arrays have room for n; out->integers is true and out->n 0 before. */
bool chunk_get_values(struct bl_rd *rd, uint32_t n, struct bl_seq *out);
/* BL_OK, BL_ECORRUPT, BL_ENOMEM.  out has counts, and no neighbours, before. */
int chunk_thin_get(struct bl_rd *rd, uint32_t n, uint32_t known, const int64_t *unix_ms,
    const double *value, struct chunk_thin *out);
/* One time column; rd has nothing behind it. */
bool chunk_times_read(struct bl_rd *rd, int64_t hour_unix_ms, uint32_t n, int64_t *unix_ms,
    struct chunk_run *runs, uint32_t size, uint32_t *n_runs);

/* ---- things that come more than once (chunk_intern.c) ---- */

struct chunk_item {
	size_t at;
	uint32_t len, uses, hash;
};

struct chunk_intern {
	struct bl_buf bytes;
	struct chunk_item *item;
	uint32_t n, size;
	uint32_t *slot; /* place + 1, or 0 */
	uint32_t slots; /* a power of two, or 0 */
};

void chunk_intern_init(struct chunk_intern *t);
void chunk_intern_free(struct chunk_intern *t);
void chunk_intern_reset(struct chunk_intern *t);
/* The place of these bytes, which have one use more now; -1: out of memory. */
int64_t chunk_intern_add(struct chunk_intern *t, const void *bytes, uint32_t len);

/* ---- the encoder (chunk_enc.c takes columns, chunk_finish.c writes regions) ---- */

struct chunk_piece {
	uint32_t at, len; /* in the level's bytes */
};

struct chunk_edge {
	int64_t first_unix_ms, last_unix_ms, first_boot, last_boot;
};

struct enc_source {
	int64_t device;
	enum bl_stream stream;
	uint32_t n_times, n_edges;
};

struct enc_times {
	uint32_t n, source, place; /* samples; of the source's columns */
	uint64_t hash;
	struct chunk_piece bytes; /* of enc.time_bytes */
	/* Of the current device, whose times are still there: in enc.ms and enc.run. */
	size_t at, runs;
	struct chunk_ticks ticks; /* its pointers are set when it is used */
};

struct enc_edge {
	struct chunk_edge edge;
	uint32_t source, place;
};

struct enc_column {
	int64_t series;
	uint32_t source, metric, interval_ms, times;
	uint32_t shape[2], edge; /* of M5 and H1 */
	uint8_t counter, unknown, thin, first_own, has_edge;
	struct chunk_piece piece[CHUNK_LEVELS];
};

struct chunk_enc {
	int64_t hour_unix_ms;
	uint64_t n_samples;
	struct bl_buf level[CHUNK_LEVELS]; /* bodies, in the order in which they came */
	struct bl_buf time_bytes;
	struct chunk_intern metric, shape[2];
	struct enc_source *source;
	size_t n_sources, size_sources;
	struct enc_times *times;
	size_t n_times, size_times;
	struct enc_edge *edge;
	size_t n_edges, size_edges;
	struct enc_column *column;
	size_t n_columns, size_columns;
	/* Of the current device only; where its sources and time columns begin. */
	size_t device_sources, device_times;
	int64_t *ms;
	size_t n_ms, size_ms;
	struct chunk_run *run;
	size_t n_runs, size_runs;
	double *scratch;
	size_t size_scratch;
	struct chunk_sketcher *sketcher;
};

/* ---- in which order all of it is written (chunk_order.c) ---- */

/* The commonest shapes are in the index; one's reference is its place in this order. */
struct chunk_shape_refs {
	uint32_t *ref; /* by place in the intern table */
	uint32_t *order;
	uint32_t n; /* in the index */
};

/* Places in the encoder's arrays, in order; a rank is the other way. */
struct chunk_orders {
	struct chunk_enc *e;
	uint32_t *source, *source_rank;
	uint32_t *metric, *metric_rank;
	uint32_t *column;
	uint32_t *times, *edge; /* source by source */
	uint32_t n_metrics;     /* that have columns */
	struct chunk_shape_refs shapes[2];
};

/* BL_EINVAL when a device or a series comes twice, BL_ENOMEM; to be freed in any case. */
int chunk_orders_make(struct chunk_orders *o, struct chunk_enc *e, struct bl_err *err);
void chunk_orders_free(struct chunk_orders *o);

/* ---- the index in memory (chunk_index.c) ---- */

struct ix_source {
	int64_t device;
	uint32_t first, n; /* raw: of ix.times; a roll-up: of ix.edge */
	struct chunk_span times;
	uint8_t stream;
};

struct ix_times {
	uint32_t n, offset, len; /* samples; within the source's bytes */
};

struct ix_metric {
	uint32_t name, n_series, blocks, offset, dir_len, dir_crc, len;
	uint8_t name_len;
};

struct chunk_index {
	struct chunk_head head;
	struct ix_source *source;
	struct ix_times *times;
	struct chunk_edge *edge;
	struct ix_metric *metric;
	uint8_t *shapes;    /* their bytes */
	uint32_t *shape_at; /* n_shapes + 1 places in it */
	struct bl_buf names;
	uint32_t n_sources, n_metrics, n_shapes;
	size_t n_times, size_times, n_edges, size_edges;
};

/* Room for more; p is the array's address.  False: out of memory. */
bool chunk_grow(void *p, size_t n, size_t more, size_t *size, size_t item);

uint32_t chunk_crc(const void *bytes, size_t len);

#endif
