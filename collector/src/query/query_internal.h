/* What the files of this folder share. */
#ifndef QUERY_INTERNAL_H
#define QUERY_INTERNAL_H

#include "query.h"

int64_t query_floor(int64_t v, int64_t unit);

/* Where one series is: the cell that its samples go into at the moment. */
struct query_at {
	int64_t from_unix_ms, to_unix_ms; /* of the cell, within one stay; empty: nowhere yet */
	uint32_t group, step; /* group QUERY_NO_GROUP: what lies there is not asked for */
	uint32_t stay;
	bool counted; /* among the cell's series */
	bool has_last;
	uint64_t n;             /* of total: samples behind sum */
	double sum;             /* what this series has added up in the cell */
	double known_ms;        /* of rate: the time in which sum grew */
	struct query_edge last; /* of counters: the known sample before */
	bool has_last_boot_ms;  /* not where it is the end of a roll-up */
	int64_t last_boot_ms;   /* its boot's own time */
};

struct query_work {
	const struct query_grid *r;
	const struct query_series *series;
	size_t n_series;
	struct query_at *at; /* one a series */
	struct query_result *res;
	bool counts;     /* increase or rate */
	double quantile; /* 0: no percentile */
	bool lead;       /* what is read lies before the range: only ends matter */
	/* Percentiles: [group * ring + step % ring], made when first needed. */
	struct bl_sketch **sketch;
	size_t ring;
	size_t done_steps; /* their sketches are values by now */
};

/* ---- query_fold.c: what a source gives, into cells */

int query_take_hour(void *ctx, size_t i, const struct query_hour_roll *h, struct bl_err *err);
int query_take_five(void *ctx, size_t i, int64_t begin_unix_ms,
    const struct query_roll roll[QUERY_M5_OF_HOUR], const struct query_edge *first,
    const struct query_edge *last, struct bl_err *err);
int query_take_samples(void *ctx, size_t i, const struct query_samples *s, struct bl_err *err);
/* Series i has nothing more for its cell. */
void query_fold_flush(struct query_work *w, size_t i);

/* ---- query_cells.c: from sums to values */

int query_cells_open(struct query_work *w, struct bl_err *err);
void query_cells_close(struct query_work *w);
/* Nothing more comes for steps before this one. */
int query_cells_pass(struct query_work *w, size_t step, struct bl_err *err);
/* Nothing more comes. */
int query_cells_end(struct query_work *w, struct bl_err *err);
/* The sketch of a cell; NULL: out of memory. */
struct bl_sketch *query_cells_sketch(struct query_work *w, uint32_t group, uint32_t step);

#endif
