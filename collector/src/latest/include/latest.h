/*
 * The newest value of every series, in memory: what boards ask for every few seconds.
 *
 * Ingest's writer feeds it with each batch that it stores; after a start it is
 * filled from the store.  It knows values by a spool's numbers, as batches have
 * them; what those mean is looked up in the store when somebody asks, and kept
 * until the table has grown.
 *
 * Nothing rests on it: a batch whose commit fails may be seen here a moment
 * before it comes again.  Any thread; a lock is held for some microseconds.
 */
#ifndef LATEST_H
#define LATEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/err.h"

struct bl_batch_header;
struct bl_clock;
struct bl_id;
struct latest;
struct store_read;

#define LATEST_SERIES_MAX  4000000u /* places, when none is given; 24 bytes each */
#define LATEST_METRICS_MAX 16u      /* whose series are kept looked up */

/* NULL: out of memory.  series_max 0: LATEST_SERIES_MAX.  Keeps clock. */
struct latest *latest_create(const struct bl_clock *clock, size_t series_max);
void latest_free(struct latest *l); /* NULL is fine; every view was given back */

/* A batch that was stored, as it is inflated (bl_batch_verify has passed it); all borrowed. */
struct latest_batch {
	const struct bl_batch_header *h;
	const void *raw;
	size_t raw_len;
	int64_t end_unix_ms; /* h->event_end_ms on the wall; STORE_TIME_NONE: clock unknown */
};

/*
 * Takes in what is newer than what is there.  One thread (the writer's).  What finds no
 * room is counted; out of memory likewise.
 */
void latest_take(struct latest *l, const struct latest_batch *b);

/*
 * Fills in what the store has and the table has not, of one metric or (NULL) of all.
 * stop (may be NULL): ends early, BL_EBUSY, when it is true.
 */
int latest_fill(struct latest *l, struct store_read *r, const char *metric, const atomic_bool *stop,
    struct bl_err *err);
/* For whoever fills: waits so long, or until latest_wake, or not at all when stop is true. */
void latest_wait(struct latest *l, int64_t ms, const atomic_bool *stop);
void latest_wake(struct latest *l);
/* All of it was filled in once. */
bool latest_complete(const struct latest *l);

/* ---- asking ---- */

enum latest_state { LATEST_NONE, LATEST_KNOWN, LATEST_UNKNOWN };

struct latest_row {
	int64_t series; /* for the life of the store */
	const char *device, *labels_json;
	int64_t interval_ms;
	/* NONE: nothing of it has come since it is looked at; the rest means nothing then. */
	enum latest_state state;
	int64_t unix_ms; /* STORE_TIME_NONE: clock unknown */
	double value; /* of a known one; of a thinned one the mean (gauge) or the last (counter) */
};

/* Every series of one metric, by device, then labels. */
struct latest_view {
	size_t n;
	struct latest_row *row;
	char unit[65];
	void *names; /* private: what the rows' texts belong to */
};

/* BL_ENOTFOUND: there is no such metric; err is then left alone. */
int latest_view(struct latest *l, struct store_read *r, const char *metric, struct latest_view *out,
    struct bl_err *err);
void latest_view_done(struct latest *l, struct latest_view *v); /* a zeroed one is fine */

struct latest_stats {
	uint64_t series;  /* values that are kept */
	uint64_t refused; /* values that found no room */
	uint64_t bytes;
};
void latest_stats(struct latest *l, struct latest_stats *out);

#endif
