/*
 * What ingest decides, without threads and without a network: a message comes
 * in, the store changes, answers go out.
 *
 * The caller groups messages: begin, take ..., commit, then due.  Receipts,
 * answers and questions are published by due alone, which comes after a commit,
 * so nothing is said before it is safe.  One thread; the store is used by it, too.
 *
 * Identity comes from the topic alone.  A message that cannot be taken in is
 * set aside once, with a reason; where it is known which batch of the sender's
 * own spool it was, its seq is receipted as set aside, so that nothing loops.
 */
#ifndef INGEST_CORE_H
#define INGEST_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"

struct ingest_core;
struct store;

struct ingest_device {
	uint8_t part;
	bool retired;
};

/*
 * Looks a device up: 1 and *out, 0: there is none, negative: cannot tell now
 * (the message is then dropped without a receipt; it comes again).
 */
typedef int (*ingest_lookup_fn)(
    void *ctx, const char *device, struct ingest_device *out, struct bl_err *err);

/* Hands a message to the broker.  False: not now; due tries again later. */
typedef bool (*ingest_publish_fn)(
    void *ctx, const char *topic, const void *payload, size_t len, bool retained);

struct bl_batch_header;

/* A batch that was stored, but for the commit; borrowed for the call. */
struct ingest_took {
	const struct bl_batch_header *h;
	const void *raw; /* the body, inflated */
	size_t raw_len;
	int64_t event_end_unix_ms; /* STORE_TIME_NONE: clock unknown */
};
typedef void (*ingest_took_fn)(void *ctx, const struct ingest_took *t);

struct ingest_core_opts {
	struct store *store;          /* keeps */
	const struct bl_clock *clock; /* keeps */
	ingest_lookup_fn lookup;
	void *lookup_ctx;
	ingest_publish_fn publish;
	void *publish_ctx;
	int64_t credit_bytes_per_s; /* handed out in all; 0: 4 MiB */
	int64_t reconnect_floor_ms; /* at least; grows with the number of devices */
	const char *marker_path;    /* decode marker; NULL: none */
	ingest_took_fn took;        /* some microseconds; NULL: nobody cares */
	void *took_ctx;
	unsigned devices_max; /* remembered; 0: 50,000 */
};

int ingest_core_create(
    struct ingest_core **out, const struct ingest_core_opts *opts, struct bl_err *err);
void ingest_core_free(struct ingest_core *c);

struct ingest_msg {
	const char *topic; /* terminated; borrowed, like payload */
	const void *payload;
	size_t len;
	bool retained;
};

int ingest_core_begin(struct ingest_core *c, struct bl_err *err);
/*
 * Takes one message in (inside begin ... commit).  BL_OK whatever the message
 * is like; negative only when the store failed: roll back.
 */
int ingest_core_take(struct ingest_core *c, const struct ingest_msg *m, struct bl_err *err);
int ingest_core_commit(struct ingest_core *c, struct bl_err *err);
/* Forgets what the group's messages had asked for: they come again. */
void ingest_core_rollback(struct ingest_core *c);

/* ---- what was set aside, tried again ---- */

#define INGEST_REQUEUE_IDS 1000

/* What is to be tried: by id, or all of a reason and a device. */
struct ingest_requeue {
	int reason;                     /* enum store_aside_reason; 0: any */
	char device[64];                /* empty: any */
	int64_t id[INGEST_REQUEUE_IDS]; /* ascending */
	unsigned n_ids;                 /* 0: not by id */
};

struct ingest_requeue_sums {
	uint64_t tried;
	uint64_t taken;   /* stored now, or known already */
	uint64_t kept;    /* still bad */
	uint64_t expired; /* said something of its moment only (hello, presence): dropped */
	uint64_t later;   /* neither: the device table could not be read, or too many holes */
};

/* A requeue under way; begins with zeroes. */
struct ingest_requeue_at {
	int64_t after_id, upto_id;
	unsigned next; /* of the ids */
	bool begun, done;
	struct ingest_requeue_sums sums;
};

/*
 * Tries up to max rows again, inside begin ... commit.  On failure (the store's) roll
 * back and go on from the place that was committed: *at is the caller's to keep.
 */
int ingest_core_requeue(struct ingest_core *c, const struct ingest_requeue *what,
    struct ingest_requeue_at *at, unsigned max, struct bl_err *err);

/*
 * Publishes what is due: answers at once, receipts at most one a device and
 * second, questions.  Returns in how many ms to call again at the latest.
 */
int64_t ingest_core_due(struct ingest_core *c);
/* A slice of what is to be taken over of a damaged store.  Inside begin ... commit, when there is
 * nothing else to do; with every commit a smaller one goes along. */
int ingest_core_salvage(struct ingest_core *c, struct bl_err *err);
/* When there is nothing to do: looks at the next rows of the store (store_scrub), outside begin ...
 * commit.  BL_ECORRUPT: found damage, the next begin sees to it. */
int ingest_core_scrub(struct ingest_core *c, struct bl_err *err);
/* How full the queue of backlog before the writer is: above a quarter there is less credit. */
void ingest_core_pressure(struct ingest_core *c, unsigned pct);
/* Publishes bl/1/centre (retained).  After a connection, and when it is stale. */
bool ingest_core_centre(struct ingest_core *c);
/*
 * Whether what was said there is out of date: the reconnection floor has moved by a quarter, an
 * hour has passed, or it did not get out.  Every agent gets it each time, and pays for it.
 */
bool ingest_core_centre_stale(const struct ingest_core *c);
/* The next look-ups ask again. */
void ingest_core_devices_changed(struct ingest_core *c);

struct ingest_core_stats {
	uint64_t batches, samples, duplicates, set_aside, hellos, answers, receipts, questions;
	uint64_t lookup_failures; /* messages dropped because the device table could not be read */
	uint64_t bundles;         /* messages with several batches */
	uint64_t refused_holes;   /* batches dropped because a stream has too many holes */
	unsigned devices, with_backlog;
	int64_t credit_bytes_per_s; /* handed out in all now: less than configured when the writer
				       is behind */
};

void ingest_core_stats(const struct ingest_core *c, struct ingest_core_stats *out);

#endif
