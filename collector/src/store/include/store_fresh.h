/*
 * A memory of what came lately: the decoded columns of hours that are in no part yet.
 *
 * Shared by readers of one store file, from any thread.  It says nothing by itself: a reader
 * asks the database which runs of coverage there are, and takes from here what it would decode
 * of their batches otherwise, which never change.  So an answer is the same, to the last byte,
 * with and without it, whatever comes late, moves, is thinned or deleted meanwhile.
 *
 * Bounded by bytes.  When it is full, what nobody has asked for lately goes first; while all of it
 * is in use, nothing new is kept, and what would have been is read from batches as before.
 */
#ifndef STORE_FRESH_H
#define STORE_FRESH_H

#include <stdint.h>

#include "branchline/err.h"

struct store_read;
struct store_fresh;

int store_fresh_open(struct store_fresh **out, uint64_t max_bytes, struct bl_err *err);
/* After all readers that use it.  NULL is fine. */
void store_fresh_close(struct store_fresh *f);

/* The reader keeps f.  NULL: none (as it begins). */
void store_read_use_fresh(struct store_read *r, struct store_fresh *f);

struct store_fresh_stats {
	uint64_t bytes, max_bytes;
	uint64_t pieces;  /* runs of coverage of which something is held */
	uint64_t hits;    /* asked for and there */
	uint64_t misses;  /* not there */
	uint64_t refused; /* found no room */
	uint64_t dropped; /* gone: for others, or because nobody asked for them any more */
};
void store_fresh_stats(struct store_fresh *f, struct store_fresh_stats *out);

#endif
