/*
 * Samples of one raw column after the other, decoded into arrays that grow and are used again.
 *
 * Most columns of a source go by one time column: the one decoded last stays.  Whoever reads brings
 * the bytes, from wherever they lie; one thread at a time.
 */
#ifndef CHUNK_ROOM_H
#define CHUNK_ROOM_H

#include "chunk.h"

/* Zero to begin with. */
struct chunk_room {
	/* Of the column that was decoded last, n of each: */
	int64_t *unix_ms;
	double *value;           /* NaN: unknown */
	uint8_t *unknown;        /* right when chunk_has_unknown */
	struct chunk_thin *thin; /* right when chunk_has_thin */
	struct chunk_run *run;   /* of its times, n_runs of them; the caller may rename boots */
	uint32_t n, n_runs;
	/* private: */
	int64_t *scratch;
	uint32_t size, thin_size, runs_size;
	uint32_t times;           /* the time column that is there */
	bool have_times, checked; /* checked: the sum of the source's bytes */
};

void chunk_room_free(struct chunk_room *r);
/* Columns of another source follow. */
void chunk_room_forget(struct chunk_room *r);
/* Time column k of the source is there. */
static inline bool
chunk_room_has(const struct chunk_room *r, uint32_t k)
{
	return r->have_times && r->times == k;
}
/* Decodes it; bytes: what chunk_source.times says.  BL_ENOMEM, BL_ECORRUPT. */
int chunk_room_times(struct chunk_room *r, const struct chunk_index *ix, uint32_t source,
    uint32_t k, const void *bytes, struct bl_err *err);
/* The samples of a column whose times are there. */
int chunk_room_column(struct chunk_room *r, const struct chunk_column *c, struct bl_err *err);

#endif
