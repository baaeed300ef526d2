/*
 * Ingest: from the broker into the telemetry store, and the receipts back.
 *
 * Three threads: two that each pump one connection (live: hello, live,
 * presence, and all that goes out; past: backlog alone, so that the broker's
 * queues do not mix them), and the writer, which owns the store.  Between them
 * bounded queues; what does not fit is dropped, counted and not receipted, so
 * it comes again.
 */
#ifndef INGEST_H
#define INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"
#include "branchline/link.h"

#include "ingest_core.h"
#include "store.h"

struct ingest;

struct ingest_connection {
	struct bl_link_cfg link; /* strings are borrowed for the call */
	const char *client_id;   /* the certificate's common name */
};

struct ingest_opts {
	struct ingest_connection live, past;
	struct store *store; /* keeps; used by the writer thread alone from now on */
	const struct bl_clock *clock;
	ingest_lookup_fn lookup; /* called on the writer thread */
	void *lookup_ctx;
	int64_t queue_bytes; /* of each of the two queues; 0: 32 MiB */
	unsigned queue_messages;
	int64_t credit_bytes_per_s;
	int64_t reconnect_floor_ms;
	const char *marker_path;
	ingest_took_fn
	    took; /* as ingest_core_opts has it, on the writer thread; NULL: nobody cares */
	void *took_ctx;
	/* Something new is in the store: called on the writer thread after each commit that stored
	 * something; must not wait.  NULL: nobody cares. */
	void (*stored)(void *ctx);
	void *stored_ctx;
	/*
	 * Whether there is room on the disk to begin with: called on the writer thread before
	 * each group; full: the last one did not fit.  Negative: there is none, err says why;
	 * nothing is taken in then.  NULL: there always is.
	 */
	int (*room)(void *ctx, bool full, struct bl_err *err);
	void *room_ctx;
	/*
	 * What a reader found damaged since the last call, as store_suspect takes it; negative:
	 * nothing.  Called on the writer thread at least once a second.  NULL: nobody reads.
	 */
	int64_t (*complaint)(void *ctx);
	void *complaint_ctx;
};

/* Starts the threads; connecting goes on in them.  BL_EINVAL names a bad certificate file. */
int ingest_start(struct ingest **out, const struct ingest_opts *opts, struct bl_err *err);
/*
 * Disconnects, commits what is queued, joins the threads.  The store is the
 * caller's again.  NULL is fine.
 */
void ingest_stop(struct ingest *in);

/*
 * Runs fn in a transaction of its own on the writer's thread, between two groups of messages,
 * and waits for it.  Any thread but the writer's; keep it short, what comes waits for it.  What fn
 * or the commit fails with; BL_EBUSY: stopping.
 */
typedef int (*ingest_write_fn)(struct store *s, void *arg, struct bl_err *err);
int ingest_write(struct ingest *in, ingest_write_fn fn, void *arg, struct bl_err *err);

/* Sites or devices changed: look them up anew.  Any thread. */
void ingest_devices_changed(struct ingest *in);

/*
 * Tries again what was set aside: the writer does it in slices between what comes.
 * Any thread.  BL_EBUSY: one is under way; nothing changes then.  One that a crash
 * ended is not taken up: asking again does the rest.
 */
int ingest_requeue(struct ingest *in, const struct ingest_requeue *what, struct bl_err *err);

struct ingest_requeue_status {
	bool running;
	int64_t begun_unix_ms, ended_unix_ms; /* 0: none in this run of the collector; not ended */
	struct ingest_requeue_sums sums;      /* of the one under way, or the last one */
};

/* Any thread. */
void ingest_requeue_status(struct ingest *in, struct ingest_requeue_status *out);

struct ingest_status {
	bool live_up, past_up;
	char why[256]; /* why one is down; empty: none is */
	bool store_ok; /* the last commit went well */
	char store_why[256];
	int64_t last_commit_mono_ms; /* 0: none yet */
	int64_t since_progress_ms;   /* since the writer last went round its loop */
	uint64_t queued_messages, queued_bytes, queue_dropped;
	uint64_t mailbox_dropped;
	int64_t broker_dropped;   /* messages, since the broker began, as it says; -1: not told */
	uint64_t commit_failures; /* groups that did not get into the store */
	struct ingest_core_stats core;
	struct store_stats store;
	struct store_damage damage;
};

/* Any thread. */
void ingest_status(struct ingest *in, struct ingest_status *out);

#endif
