/* Inside ingest: what its threads share.  The core and the queues know nothing of it. */
#ifndef INGEST_THREADS_H
#define INGEST_THREADS_H

#include <pthread.h>

#include "branchline/log.h"
#include "branchline/mqtt.h"

#include "ingest_internal.h"

struct connection {
	struct ingest *in;
	const char *name; /* "live", "past" */
	struct bl_mqtt *mqtt;
	struct queue *queue;
	pthread_t thread;
	bool started;
	int wake_fd;
	/* under in->mtx: what others may read */
	bool up;
	char why[256];
	uint64_t mailbox_dropped;
	struct bl_log_limit dropped_log; /* this thread's own, as is: */
	unsigned handled;                /* messages of the last step */
};

struct ingest {
	const struct bl_clock *clock;
	struct ingest_core *core;
	struct connection live, past;
	struct queue *out; /* to the broker, by the live thread */
	uint64_t queue_messages, queue_bytes;
	pthread_t writer;
	bool writer_started;
	pthread_mutex_t mtx;
	pthread_cond_t cond;
	pthread_cond_t job_done;
	/* under mtx: */
	struct job *jobs; /* the oldest first */
	bool writer_gone; /* takes no more of them */
	bool woken, stop_io, stop_writer, devices_changed, centre_due;
	bool pausing;  /* the writer lets messages gather */
	unsigned came; /* since it began to */
	bool store_ok;
	char store_why[256];
	int64_t last_commit_mono_ms, last_round_mono_ms;
	struct ingest_core_stats stats;
	struct store_stats store_stats;
	struct store_damage damage;
	uint64_t commit_failures;
	int64_t broker_dropped;        /* -1: not told */
	struct ingest_requeue requeue; /* changes only while none is under way */
	struct ingest_requeue_status requeue_status;
	/* the writer's own: */
	struct ingest_requeue_at requeue_at;
	int (*room)(void *ctx, bool full, struct bl_err *err);
	void *room_ctx;
	bool no_room; /* the last group did not fit */
	int64_t (*complaint)(void *ctx);
	void *complaint_ctx;
	struct bl_id epoch;
	int64_t scrub_at_mono_ms;
	int64_t looked_mono_ms; /* when a reader's complaint was last followed */
	void (*stored)(void *ctx);
	void *stored_ctx;
	int64_t centre_at_mono_ms;
	int64_t group_mono_ms; /* when the last group began */
	bool said;             /* something waits for the live thread, which is not woken yet */
	struct bl_log_limit store_log;
};

/* ---- ingest_pump.c: a connection and the thread that pumps it ---- */

/* Also after a failure connection_close is called. */
int connection_open(struct ingest *in, struct connection *c, const char *name,
    const struct ingest_connection *cfg, const struct ingest_opts *opts,
    const char *const *subscribe, struct bl_err *err);
/* Waits for the thread, which ends once in->stop_io is set. */
void connection_close(struct connection *c);
void connection_wake(const struct connection *c);
/* The thread; its argument is the connection. */
void *connection_main(void *ctx);

/* ---- ingest_write.c: the writer ---- */

/* The thread; its argument is the ingest. */
void *writer_main(void *ctx);
void writer_wake(struct ingest *in);
/* A message came: while the writer pauses, only a full group wakes it. */
void writer_wake_for_message(struct ingest *in);
/* The core's way out. */
bool writer_publish(void *ctx, const char *topic, const void *payload, size_t len, bool retained);

#endif
