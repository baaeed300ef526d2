/*
 * Sequences: the numbers of one series, and times, apart from any batch.
 * What a batch's columns hold is taken out as integers at a scale, without
 * going through doubles, and written as a "sequence" of shared/WIRE.md; the
 * parts of the store are made of these.
 *
 * Pure code, any thread, no I/O.  Decoding believes nothing.
 */
#ifndef BRANCHLINE_SEQ_H
#define BRANCHLINE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/batch.h"
#include "branchline/buf.h"
#include "branchline/err.h"

#define BL_SEQ_MAX         BL_BATCH_SAMPLES_MAX /* numbers in one sequence */
#define BL_SEQ_SCALE_SHIFT 7u

/*
 * n numbers.  integers: number j is the double nearest to i[j] / 10^scale for
 * scales 0 to 6, i[j] * 2^shift for scale 7, and |i[j]| <= 2^53; d means
 * nothing then.  Else number j is d[j]; scale and shift are 0.  d[j] is finite,
 * but for what bl_column_seq gives, where it may be infinite.
 *
 * The two arrays are the caller's; what fills a bl_seq says how long they must
 * be, and leaves the pointers alone.
 */
struct bl_seq {
	int64_t *i;
	double *d;
	uint32_t n;
	uint8_t scale, shift;
	bool integers;
	uint8_t hint; /* how it was coded where it came from, for BL_EFFORT_QUICK; 0: not known */
};

/*
 * Takes the known samples out of a column: out->n <= c->n of them, the arrays
 * have room for c->n.  boot_ms (c->n entries) as for bl_column_decode, and may
 * be NULL; unknown (c->n entries, enum bl_unknown) may be NULL when
 * bl_column_has_unknown says false.  Sample j of the column is the next number
 * of out when unknown[j] is BL_KNOWN.
 */
int bl_column_seq(const struct bl_batch_reader *r, const struct bl_column *c, int64_t *boot_ms,
    struct bl_seq *out, uint8_t *unknown, struct bl_err *err);
static inline bool
bl_column_has_unknown(const struct bl_column *c)
{
	return c->unknown_at != 0;
}

/* False: some are infinite, which bl_seq_put refuses. */
bool bl_seq_is_finite(const struct bl_seq *s);
/*
 * Takes infinite numbers out of s, which bl_column_seq has filled, and says in
 * unknown (an entry for each sample of the column) that they are unreadable.
 */
void bl_seq_drop_infinite(struct bl_seq *s, uint8_t *unknown);

/* The numbers as doubles into out (n entries; out may be s->d). */
void bl_seq_doubles(const struct bl_seq *s, double *out);
/* s becomes doubles, which always works: the numbers stay what they are. */
void bl_seq_to_doubles(struct bl_seq *s);
/*
 * Gives the numbers another scale, each of them exactly.  False: one of them
 * has no integer there (or s is doubles); s is then as before.
 */
bool bl_seq_rescale(struct bl_seq *s, uint8_t scale, uint8_t shift);
/*
 * Adds more's numbers behind those of s, whose arrays have room for both.  The
 * scale is then the coarsest that holds both; both as doubles where there is
 * none.  An empty s takes the scale of more.
 */
void bl_seq_join(struct bl_seq *s, const struct bl_seq *more);

enum bl_effort {
	BL_EFFORT_FULL,  /* tries everything: what the agent does, where bytes are dear */
	BL_EFFORT_QUICK, /* the hint and its neighbours: a few ns a number, a little larger */
};

/*
 * Writes the numbers (1 to BL_SEQ_MAX).  n is not written: the reader has to
 * know it.  BL_EINVAL: no number, too many, one that is not finite or passes
 * 2^53; BL_EFULL: out's cap; BL_ENOMEM.  out is then as before.
 */
int bl_seq_put(
    struct bl_buf *out, const struct bl_seq *s, enum bl_effort effort, struct bl_err *err);
/*
 * Reads n numbers (1 to BL_SEQ_MAX; the arrays of out have room for n) and
 * moves rd behind them.  BL_ECORRUPT on anything that WIRE.md does not allow.
 */
int bl_seq_get(struct bl_rd *rd, uint32_t n, struct bl_seq *out, struct bl_err *err);

/*
 * Times, ms that do not descend, written as a time column without its count; the
 * first is less base_ms and not before it.  BL_EINVAL, BL_EFULL, BL_ENOMEM as above.
 */
int bl_times_put(
    struct bl_buf *out, int64_t base_ms, const int64_t *ms, uint32_t n, struct bl_err *err);
/* n times into ms: from base_ms on, not descending, none after last_ms, else BL_ECORRUPT. */
int bl_times_get(struct bl_rd *rd, int64_t base_ms, int64_t last_ms, uint32_t n, int64_t *ms,
    struct bl_err *err);

#endif
