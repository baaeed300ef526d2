/*
 * Pieces of the memory of what came lately: one row of coverage each, at most
 * SCAN_FRESH_BATCHES batches of one boot, decoded.  Inside the store's folder only.
 *
 * A piece never changes once it is made: a row of coverage that has grown is another key, and a
 * question for further series makes the piece anew.
 */
#ifndef STORE_FRESH_INTERNAL_H
#define STORE_FRESH_INTERNAL_H

#include "store_fresh.h"
#include "store_read_internal.h"

/* Compaction takes an hour half an hour after its end: what is older is waiting for something. */
#define FRESH_BEHIND_MS ((int64_t)3 * 60 * 60 * 1000)

/* What a row of coverage is told by.  When it came is in it: a copy of the store that was put
 * back gives the same numbers again, but not at the same instant. */
struct fresh_key {
	int64_t cover_id, spool_id, boot_id, first_arrived_unix_ms;
	uint64_t seq_first, seq_last;
	int64_t stream;
};

struct fresh_batch {
	int64_t id, event_begin_ms, event_end_ms;
	uint32_t n_samples;
	uint32_t column, n_columns; /* its columns, by number */
	uint32_t times;             /* its first time column */
};

/* How the values of a column lie: offsets of so many bytes from a base, all at one scale; or: */
#define FRESH_DOUBLES 8u /* as they are */
#define FRESH_UNKNOWN 9u /* and behind them a byte each, enum bl_unknown */

struct fresh_column {
	uint32_t number; /* of the spool's dictionary */
	uint32_t at;     /* in values */
	uint16_t times;  /* among its batch's */
	uint8_t width, scale;
};

/* Of one or more columns: ms behind its batch's begin. */
struct fresh_times {
	uint32_t at, n;
};

struct fresh_piece {
	struct fresh_key key;
	struct fresh_piece *chain, *newer, *older;
	unsigned refs;
	bool kept;
	bool whole; /* all columns; else those of asked[] */
	size_t bytes;
	uint64_t placed; /* where its batches lay in time when it was made */
	int64_t made_mono_ms, used_mono_ms;
	uint32_t n_batches, n_asked;
	const struct fresh_batch *batch;
	const struct fresh_column *column;
	const struct fresh_times *times;
	const int32_t *ms;
	const uint32_t *asked; /* ascending */
	const uint8_t *values;
};

/* ---- store_fresh.c: the memory ---- */

/* What is asked for of one spool. */
struct fresh_want {
	const uint32_t *number; /* ascending */
	uint32_t n;
	bool whole; /* others of its columns will be asked for, too */
};

/* The piece of that row, held for the caller; NULL.  *has: all that is wanted is in it. */
struct fresh_piece *fresh_get(struct store_fresh *f, const struct fresh_key *key,
    const struct fresh_want *w, int64_t now_mono_ms, bool *has);
/* Takes p in the place of older ones of the same row, if there is room, and holds it for the
 * caller in any case. */
void fresh_put(struct store_fresh *f, struct fresh_piece *p, int64_t now_mono_ms);
/* Lets go of n of them, NULL ones too. */
void fresh_release(struct store_fresh *f, struct fresh_piece *const *p, size_t n);
/* There is room for what was not asked for, too. */
bool fresh_roomy(struct store_fresh *f);

/* ---- store_fresh_make.c: pieces ---- */

/* Zero to begin with; used for one piece after the other. */
struct fresh_maker {
	bool open;
	struct bl_buf batch, column, times, ms, values;
	struct bl_buf raw;
};

/* The rows of one row of coverage, with their bodies.  NULL: they are not of the kind that is
 * kept (thinned, very large, damaged, no memory), and have to be read as they are. */
struct fresh_piece *fresh_make(struct fresh_maker *m, struct store_read *r,
    const struct fresh_key *key, const struct scan_batch *b, size_t n, const struct fresh_want *w);
void fresh_maker_free(struct fresh_maker *m);

/* NULL: that batch has nothing of it. */
const struct fresh_column *fresh_find(
    const struct fresh_piece *p, const struct fresh_batch *b, uint32_t number);
/* Into arrays of BL_BATCH_SAMPLES_MAX; returns how many samples it has. */
uint32_t fresh_decode(const struct fresh_piece *p, const struct fresh_batch *b,
    const struct fresh_column *c, int64_t *boot_ms, double *value, uint8_t *unknown);

#endif
