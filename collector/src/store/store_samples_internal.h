/* Gathering the samples of a span: what store_samples.c and store_samples_batch.c share. */
#ifndef STORE_SAMPLES_INTERNAL_H
#define STORE_SAMPLES_INTERNAL_H

#include "store_samples.h"

/* A batch of the span, without its body. */
struct listed {
	int64_t id, begin_unix_ms, end_unix_ms, spool_id, boot_id;
	bool thin; /* it stands for others: what it holds may be thinned */
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
	struct bucket *bucket; /* one a series */
	size_t n_held;         /* in all of them */
	struct sample_boot *boot;
	size_t n_boots, size_boots;
	struct sample_thin *thin;
	size_t n_thin, size_thin;
	struct placer place;
	uint64_t n_read;
};

/* Room for one more; p is the array's address. */
bool samples_grow(void *p, size_t n, size_t *size, size_t item);
int samples_no_memory(struct bl_err *err);
/* A thinned sample at that time, behind the end, stands for what lies before it, too. */
bool samples_reaches_back(const struct gather *g, int64_t unix_ms, const struct sample_thin *t);
int samples_hold(struct gather *g, uint32_t series, const struct sample *x, struct bl_err *err);

/* ---- store_samples_batch.c ---- */

/* Which columns of which batches are wanted. */
int samples_find(struct gather *g, struct bl_err *err);
/* Decodes the wanted columns of one into the buckets. */
int samples_take_batch(struct gather *g, const struct listed *l, struct bl_err *err);

#endif
