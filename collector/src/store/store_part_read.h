/*
 * Columns of one device out of one part: fetching, checking, decoding.  Inside the store's
 * folder only.
 *
 * Keeps what it needs of memory from one call to the next, and the numbers of parts that
 * were taken over from another store (part_alias).  One thread at a time.
 */
#ifndef STORE_PART_READ_H
#define STORE_PART_READ_H

#include "chunk.h"
#include "store_read_internal.h"

struct part_read;

/* NULL: out of memory.  Keeps r and parts. */
struct part_read *part_read_create(struct store_read *r, struct parts *parts);
void part_read_free(struct part_read *p); /* NULL is fine */
/* Forgets the numbers of other stores: the reader has gone over to another file. */
void part_read_forget(struct part_read *p);

/* A series that is wanted.  Sorted by part_want_order. */
struct part_want {
	struct bl_str metric; /* borrowed */
	int64_t series;       /* of this store */
	uint32_t index;       /* the caller's */
};
int part_want_order(const void *a, const void *b);

/* One series' hour, decoded; numbers are this store's.  Borrowed for the call. */
struct part_column {
	uint32_t n;
	const int64_t *unix_ms;
	const double *value;           /* NaN: unknown */
	const uint8_t *unknown;        /* NULL: all are known */
	const struct chunk_thin *thin; /* NULL: each stands for itself */
	const struct chunk_run *run;   /* boots of this store */
	uint32_t n_runs;
};

typedef int (*part_column_fn)(
    void *ctx, uint32_t index, const struct part_column *c, struct bl_err *err);

/* Where raw columns of an hour lie. */
struct part_place {
	struct parts_region region;
	int64_t space;
};

/*
 * The wanted columns of a device's stream in a part, metric by metric; fn's failure ends it.
 * BL_ECORRUPT: something of it does not hold; BL_ENOTFOUND: the file is not there.
 */
int part_read_columns(struct part_read *p, const struct part_place *place, int64_t device_id,
    enum bl_stream stream, const struct part_want *want, size_t n, part_column_fn fn, void *ctx,
    struct bl_err *err);

#endif
