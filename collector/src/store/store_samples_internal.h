/* Gathering the samples of a span: what store_samples.c and store_samples_batch.c share. */
#ifndef STORE_SAMPLES_INTERNAL_H
#define STORE_SAMPLES_INTERNAL_H

#include "store_fresh_internal.h"
#include "store_part_read.h"
#include "store_samples.h"

/* sample.from: who held it; spools have numbers from 1. */
#define SAMPLES_OF_PART 0u
/* Bodies that are kept from the list on: an open hour's, which is read once then. */
#define SAMPLES_BODIES_MAX ((size_t)256 << 10)
/* More columns of one piece than these are all of them. */
#define SAMPLES_ASKED_MAX 16u
/* Sums of times below stay within 64 bits. */
#define TIME_FAR (INT64_MAX / 4)

/* A batch of the span, without its body. */
struct listed {
	int64_t id, begin_unix_ms, end_unix_ms, spool_id, boot_id;
	bool thin;             /* it stands for others: what it holds may be thinned */
	bool packed;           /* some of it is in parts: */
	int64_t mark_unix_ms;  /* store_packed_has tells what */
	size_t kept, body_len; /* where in gather.bodies it is; 0 bytes: to be read by its id */
	const struct fresh_piece *piece; /* NULL: not in the memory of what came lately */
	const struct fresh_batch *in_piece;
};

/* A dictionary entry of one of the wanted series. */
struct entry {
	int64_t spool_id;
	uint32_t number;
	uint32_t series;
};

/* What was read of one series and not given out yet. */
struct bucket {
	struct sample *s;
	size_t n, size;
	bool unsorted;
	bool mixed; /* something may be in it twice */
};

/* What of the memory of what came lately is in use. */
struct samples_fresh {
	struct fresh_maker maker;
	struct fresh_piece **held;
	size_t n_held, size_held;
	uint32_t *number;                     /* those wanted of one spool */
	uint32_t both[2 * SAMPLES_ASKED_MAX]; /* and those of which a piece was made before */
	bool whole;                           /* all columns are kept */
};

struct gather {
	struct store_read *r;
	const struct samples_ask *ask;
	samples_fn fn;
	void *ctx;
	bool stopped;
	/* What of a batch is held: as asked, or the whole hours when doubles must be seen. */
	int64_t from, to;
	int64_t thin_to; /* a thinned one to here, see samples_ask.thin_reach_ms */
	struct entry *entry;
	size_t n_entries, size_entries;
	struct listed *batch; /* by begin */
	size_t n_batches, size_batches, next_batch;
	struct bl_buf bodies; /* of those that were listed first: each its header, then its body */
	bool bodies_full;
	struct bucket *bucket; /* one a series */
	size_t n_held;         /* in all of them */
	struct sample_boot *boot;
	size_t n_boots, size_boots;
	struct sample_thin *thin;
	size_t n_thin, size_thin;
	struct placer place;
	uint64_t n_read;
	struct samples_fresh fresh;
	/* the hours that are in parts, and where */
	struct store_packed packed;
	struct part_place *place_of; /* of each */
	bool *whole;                 /* of each: nothing of it is in batches alone */
	size_t next_hour;
	struct part_want *want; /* by metric; loaded when there is such an hour */
	size_t n_want;
};

/* Room for one more; p is the array's address. */
bool samples_grow(void *p, size_t n, size_t *size, size_t item);
int samples_no_memory(struct bl_err *err);
/* A thinned sample at that time, behind the end, stands for what lies before it, too. */
bool samples_reaches_back(const struct gather *g, int64_t unix_ms, const struct sample_thin *t);
/* Room for n more of a series, behind what it has; samples_held tells how many were put there. */
int samples_room(
    struct gather *g, uint32_t series, size_t n, struct sample **out, struct bl_err *err);
void samples_held(struct gather *g, uint32_t series, size_t n);
int samples_hold(struct gather *g, uint32_t series, const struct sample *x, struct bl_err *err);

/* Where a boot is in g->boot. */
int samples_boot(struct gather *g, int64_t boot_id, uint32_t *out, struct bl_err *err);

/* ---- store_samples_part.c ---- */

/* Which of the device's hours are in parts: before the batches are listed. */
int samples_load_hours(struct gather *g, struct bl_err *err);
/* Hour i of them into the buckets. */
int samples_take_part(struct gather *g, size_t i, struct bl_err *err);
void samples_part_free(struct gather *g);

/* ---- store_samples_fresh.c ---- */

/* Batches of open hours are listed out of the reader's memory of them, if it has one. */
int samples_fresh_begin(struct gather *g, struct scan *sc, struct bl_err *err);
/* The wanted columns of one that was into the buckets. */
int samples_take_fresh(struct gather *g, const struct listed *l, struct bl_err *err);
void samples_fresh_free(struct gather *g);

/* ---- store_samples_batch.c ---- */

/* The first wanted number of the spool, which ascend; g->entry + g->n_entries: there is none. */
const struct entry *samples_entry(const struct gather *g, int64_t spool_id);
/* The n samples that were just decoded, and what each stands for, into a bucket.  x: what they
 * share. */
int samples_hold_column(struct gather *g, const struct listed *l, uint32_t series, uint32_t n,
    bool thin, struct sample x, struct bl_err *err);

/* Which columns of which batches are wanted. */
int samples_find(struct gather *g, struct bl_err *err);
/* Decodes the wanted columns of one into the buckets. */
int samples_take_batch(struct gather *g, const struct listed *l, struct bl_err *err);

#endif
