/*
 * Windows of event time, and what a KPI keeps of one: a mergeable part.
 *
 * Pure code, any thread.  A part merges exactly: sums are exact (a sparse
 * superaccumulator; Neal, "Fast exact summation using small and large
 * superaccumulators", 2015), so neither order nor grouping can show in a value.
 */
#ifndef BRANCHLINE_WINDOW_H
#define BRANCHLINE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/buf.h"
#include "branchline/err.h"
#include "branchline/tz.h"

/* ---- windows ---- */

enum bl_window {
	BL_WINDOW_1M = 1, /* on whole UTC minutes */
	BL_WINDOW_5M = 2, /* on whole UTC multiples of five minutes */
	BL_WINDOW_1H = 3, /* an hour counted from the site's own midnight; the day's last may be shorter */
	BL_WINDOW_1D = 4, /* the site's own calendar day */
};
#define BL_WINDOWS 4

/* "1m", "5m", "1h", "1d"; NULL: no such window. */
const char *bl_window_name(enum bl_window w);
/* False: no such name. */
bool bl_window_parse(const char *name, enum bl_window *out);
/*
 * The window that holds the instant, [*begin, *end).  Windows of a kind touch;
 * each smaller one lies within one larger one: in all zones since 1972 days begin
 * at whole multiples of five minutes UTC, which a test walks through (but for
 * Africa/Monrovia until 1972-01-07).
 */
void bl_window_at(
    enum bl_window w, const struct bl_tz *tz, int64_t unix_ms, int64_t *begin, int64_t *end);

/* ---- exact sums ---- */

#define BL_SUM_LIMBS 70 /* of 32 bits: every double, and 2^63 of them */

struct bl_sum {
	int64_t limb[BL_SUM_LIMBS];
	uint32_t adds; /* until the next carry */
	int lowest, highest; /* limbs in use; lowest > highest: zero */
};

void bl_sum_zero(struct bl_sum *s);
void bl_sum_add(struct bl_sum *s, double x); /* finite */
void bl_sum_merge(struct bl_sum *s, const struct bl_sum *from);
/* The nearest double (ties to even); infinite only when the exact sum is out of range. */
double bl_sum_value(const struct bl_sum *s);

/* ---- parts ---- */

enum bl_function {
	BL_FN_MEAN = 1,
	BL_FN_COUNT,
	BL_FN_SUM,
	BL_FN_MIN,
	BL_FN_MAX,
	BL_FN_RATE,  /* of a counter: increase per second over the seconds that neighbours span */
	BL_FN_SHARE, /* per cent of the values for which a condition holds */
	BL_FN_PERCENTILE,
};
const char *bl_function_name(enum bl_function f); /* "mean" ... */
bool bl_function_parse(const char *name, enum bl_function *out);

struct bl_sketch;

struct bl_part {
	uint64_t n;      /* values */
	uint64_t hits;   /* of them the condition held (SHARE) */
	struct bl_sum sum; /* RATE: of the increases */
	double min, max; /* n > 0 only */
	int64_t span_ms; /* RATE: what the pairs of neighbours span */
	struct bl_sketch *sketch; /* PERCENTILE only, else NULL; owned */
};

/* with_sketch: for PERCENTILE.  BL_OK or BL_ENOMEM. */
int bl_part_init(struct bl_part *p, bool with_sketch);
void bl_part_free(struct bl_part *p);
/* Keeps its sketch, empties it. */
void bl_part_reset(struct bl_part *p);
/*
 * hit: the condition held (for SHARE).  BL_OK; BL_EINVAL when value is not finite, BL_ENOMEM,
 * BL_EFULL (the sketch's count): nothing was added.
 */
int bl_part_add(struct bl_part *p, double value, bool hit);
/* What is left of values that are not there one by one. */
struct bl_part_many {
	double mean, min, max; /* finite, min <= max */
	uint64_t count;        /* > 0 */
};
/*
 * As if each of them were added, as far as that is known: count and hits are exact, the sum is
 * count times the mean, min and max are those of all.  PERCENTILE takes min and max once each
 * and the mean for the rest.  hit is said of all.  Returns as bl_part_add does; BL_EINVAL also
 * for a count of 0.
 */
int bl_part_add_many(struct bl_part *p, const struct bl_part_many *m, bool hit);
/*
 * One pair of neighbouring samples of a counter; counts as one value, its increase.
 * Ignored unless increase >= 0 and finite and span_ms > 0.
 */
void bl_part_add_increase(struct bl_part *p, double increase, int64_t span_ms);
/*
 * A part without a sketch that holds values leaves a hole in one with a sketch: BL_EINVAL.
 * That, BL_ENOMEM and BL_EFULL (the sketch's count) change nothing.
 */
int bl_part_merge(struct bl_part *p, const struct bl_part *from);
/*
 * False: no value (nothing in it; COUNT and SUM of nothing are 0 and true; a sum beyond all
 * doubles).  q: PERCENTILE, 0..1.
 */
bool bl_part_value(const struct bl_part *p, enum bl_function f, double q, double *out);
bool bl_part_equal(const struct bl_part *a, const struct bl_part *b);

/* Canonical (equal parts, equal bytes), versioned.  Appends.  BL_OK; BL_EFULL: out has failed. */
int bl_part_encode(const struct bl_part *p, struct bl_buf *out);
/*
 * p must be initialised; its sketch appears or goes as the bytes say.  BL_ECORRUPT, BL_ENEWER,
 * BL_ENOMEM (p is empty then).
 */
int bl_part_decode(struct bl_part *p, const void *data, size_t len, struct bl_err *err);

/* ---- sets of spans: coverage ---- */

struct bl_span {
	int64_t begin_unix_ms, end_unix_ms; /* [begin, end) */
};

/* Disjoint, ascending, touching ones joined.  Grows up to cap spans. */
struct bl_spans {
	struct bl_span *s;
	size_t n, size, cap;
};

void bl_spans_init(struct bl_spans *l, size_t cap);
void bl_spans_free(struct bl_spans *l);
/* BL_OK, BL_ENOMEM, BL_EFULL (cap).  An empty span is nothing. */
int bl_spans_add(struct bl_spans *l, int64_t begin, int64_t end);
/* How much of [begin, end) is in it. */
int64_t bl_spans_covered_ms(const struct bl_spans *l, int64_t begin, int64_t end);
/* The first instant of [begin, end) that is not in it; end: none. */
int64_t bl_spans_first_hole(const struct bl_spans *l, int64_t begin, int64_t end);

#endif
