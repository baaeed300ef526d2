/*
 * What tests of the part format share: columns made up at random, with
 * everything that a column may have.
 */
#ifndef CHUNK_KIT_H
#define CHUNK_KIT_H

#include "chunk.h"

#define KIT_N_MAX 900u
#define KIT_HOUR  (INT64_C(497222) * CHUNK_HOUR_MS)

/* One column as it goes in, with its own memory. */
struct kit_column {
	int64_t device, series;
	enum bl_stream stream;
	enum bl_series_kind kind;
	uint32_t interval_ms, n, n_runs;
	char metric[BL_NAME_MAX + 1];
	int64_t unix_ms[KIT_N_MAX];
	struct chunk_run run[KIT_N_MAX];
	double value[KIT_N_MAX]; /* NaN where unknown */
	uint8_t unknown[KIT_N_MAX];
	struct chunk_thin thin[KIT_N_MAX];
	bool any_unknown, any_thin;
	struct bl_seq seq; /* the known ones */
	int64_t ints[KIT_N_MAX];
	double doubles[KIT_N_MAX];
};

uint64_t kit_random(uint64_t *state);
/* 0 to below n. */
uint32_t kit_below(uint64_t *state, uint32_t n);

/* Times, values and all of a column whose device, stream, series and metric are set. */
void kit_fill(struct kit_column *c, uint64_t *state);
/* The same with the times of another one. */
void kit_fill_like(struct kit_column *c, const struct kit_column *like, uint64_t *state);
/* Adds it; what chunk_enc_times or chunk_enc_column returns. */
int kit_add(struct chunk_enc *e, const struct kit_column *c, struct bl_err *err);

/* What the roll-ups of the samples with from <= time < to are, worked out one by one. */
void kit_window(
    const struct kit_column *c, int64_t from_ms, int64_t to_ms, struct chunk_window *out);
/* The sketch of all values. */
struct bl_sketch *kit_sketch(const struct kit_column *c);

/* The column in a region of one level; the test fails when it is not there. */
struct kit_found {
	struct chunk_index *ix;
	struct chunk_column c;
};
void kit_find(struct kit_found *f, const struct bl_buf *region, const struct kit_column *c);
void kit_found_free(struct kit_found *f);

/* Integers of the coarsest scale where all n doubles have one, into q->i. */
void kit_seq(struct bl_seq *q);

/*
 * Reads all that a region has, each piece from memory of its own size.  How many steps said no;
 * a region that is cut off or too long is one.
 */
unsigned kit_read_region(const uint8_t *region, size_t len);

#endif
