/*
 * The threads of ingest: two that pump a connection each, and the writer.
 *
 *   broker -> live thread -> queue --+
 *   broker -> past thread -> queue --+-> writer: begin, take ..., commit, due -> way out -> live
 *
 * A message waits in exactly one place at a time, each of them bounded.  The
 * writer takes what is there (at most 200 messages or 50 ms) into one
 * transaction: under load the groups grow by themselves, at rest each message
 * is committed at once.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ingest_threads.h"

#define OUT_MESSAGES 1024
#define OUT_BYTES    (4u << 20)

static int
start_thread(pthread_t *t, void *(*fn)(void *), void *ctx, bool *started, struct bl_err *err)
{
	const int rc = pthread_create(t, NULL, fn, ctx);

	if (rc != 0) {
		errno = rc;
		return bl_fail_errno(err, BL_ENOMEM, "ingest: start a thread");
	}
	*started = true;
	return BL_OK;
}

static void
init_locks(struct ingest *in)
{
	pthread_condattr_t attr;

	/* None of these can fail with these arguments. */
	(void)pthread_mutex_init(&in->mtx, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&in->cond, &attr);
	(void)pthread_cond_init(&in->job_done, NULL);
	(void)pthread_condattr_destroy(&attr);
}

int
ingest_start(struct ingest **out, const struct ingest_opts *opts, struct bl_err *err)
{
	static const char *const live[] = { "bl/1/up/+/+/hello", "bl/1/up/+/+/live",
		"bl/1/up/+/+/presence", "$SYS/broker/publish/messages/dropped", NULL };
	static const char *const past[] = { "bl/1/up/+/+/past", NULL };
	struct ingest_core_opts core = {
		.store = opts->store,
		.clock = opts->clock,
		.lookup = opts->lookup,
		.lookup_ctx = opts->lookup_ctx,
		.publish = writer_publish,
		.credit_bytes_per_s = opts->credit_bytes_per_s,
		.reconnect_floor_ms = opts->reconnect_floor_ms,
		.marker_path = opts->marker_path,
		.took = opts->took,
		.took_ctx = opts->took_ctx,
	};
	struct ingest *in;
	int rc;

	*out = NULL;
	if ((in = calloc(1, sizeof(*in))) == NULL)
		return bl_fail(err, BL_ENOMEM, "ingest: out of memory");
	init_locks(in);
	in->clock = opts->clock;
	in->stored = opts->stored;
	in->stored_ctx = opts->stored_ctx;
	in->room = opts->room;
	in->room_ctx = opts->room_ctx;
	in->complaint = opts->complaint;
	in->complaint_ctx = opts->complaint_ctx;
	in->queue_messages = opts->queue_messages > 0 ? opts->queue_messages : 10000;
	in->queue_bytes = opts->queue_bytes > 0 ? (uint64_t)opts->queue_bytes : 32u << 20;
	in->epoch = *store_epoch(opts->store);
	in->store_ok = true;
	in->broker_dropped = -1;
	in->live.wake_fd = in->past.wake_fd = -1;
	in->last_round_mono_ms = bl_mono_ms(in->clock);
	core.publish_ctx = in;
	if ((rc = ingest_core_create(&in->core, &core, err)) < 0 ||
	    (rc = queue_create(&in->out, OUT_MESSAGES, OUT_BYTES, err)) < 0 ||
	    (rc = connection_open(in, &in->live, "live", &opts->live, opts, live, err)) < 0 ||
	    (rc = connection_open(in, &in->past, "past", &opts->past, opts, past, err)) < 0 ||
	    (rc = start_thread(&in->writer, writer_main, in, &in->writer_started, err)) < 0 ||
	    (rc = start_thread(
		 &in->live.thread, connection_main, &in->live, &in->live.started, err)) < 0 ||
	    (rc = start_thread(
		 &in->past.thread, connection_main, &in->past, &in->past.started, err)) < 0) {
		ingest_stop(in);
		return rc;
	}
	*out = in;
	return BL_OK;
}

void
ingest_stop(struct ingest *in)
{
	if (in == NULL)
		return;
	(void)pthread_mutex_lock(&in->mtx);
	in->stop_io = true;
	(void)pthread_mutex_unlock(&in->mtx);
	if (in->live.wake_fd >= 0)
		connection_wake(&in->live);
	if (in->past.wake_fd >= 0)
		connection_wake(&in->past);
	connection_close(&in->past);
	connection_close(&in->live);
	(void)pthread_mutex_lock(&in->mtx);
	in->stop_writer = true;
	(void)pthread_cond_signal(&in->cond);
	(void)pthread_mutex_unlock(&in->mtx);
	if (in->writer_started)
		(void)pthread_join(in->writer, NULL);
	queue_free(in->live.queue);
	queue_free(in->past.queue);
	queue_free(in->out);
	ingest_core_free(in->core);
	(void)pthread_cond_destroy(&in->job_done);
	(void)pthread_cond_destroy(&in->cond);
	(void)pthread_mutex_destroy(&in->mtx);
	free(in);
}

void
ingest_devices_changed(struct ingest *in)
{
	(void)pthread_mutex_lock(&in->mtx);
	in->devices_changed = true;
	(void)pthread_cond_signal(&in->cond);
	(void)pthread_mutex_unlock(&in->mtx);
}

int
ingest_requeue(struct ingest *in, const struct ingest_requeue *what, struct bl_err *err)
{
	bool busy;

	(void)pthread_mutex_lock(&in->mtx);
	busy = in->requeue_status.running;
	if (!busy) {
		in->requeue = *what;
		in->requeue_status = (struct ingest_requeue_status){ .running = true,
			.begun_unix_ms = bl_unix_ms(in->clock) };
		in->woken = true;
		(void)pthread_cond_signal(&in->cond);
	}
	(void)pthread_mutex_unlock(&in->mtx);
	return busy ? bl_fail(err, BL_EBUSY, "what was set aside is being tried again already")
		    : BL_OK;
}

void
ingest_requeue_status(struct ingest *in, struct ingest_requeue_status *out)
{
	(void)pthread_mutex_lock(&in->mtx);
	*out = in->requeue_status;
	(void)pthread_mutex_unlock(&in->mtx);
}

void
ingest_status(struct ingest *in, struct ingest_status *out)
{
	uint64_t n, bytes, dropped;

	memset(out, 0, sizeof(*out));
	(void)pthread_mutex_lock(&in->mtx);
	out->live_up = in->live.up;
	out->past_up = in->past.up;
	if (!in->live.up || !in->past.up)
		(void)snprintf(
		    out->why, sizeof(out->why), "%s", !in->live.up ? in->live.why : in->past.why);
	out->store_ok = in->store_ok;
	(void)snprintf(out->store_why, sizeof(out->store_why), "%s", in->store_why);
	out->last_commit_mono_ms = in->last_commit_mono_ms;
	out->since_progress_ms = bl_mono_ms(in->clock) - in->last_round_mono_ms;
	out->mailbox_dropped = in->live.mailbox_dropped + in->past.mailbox_dropped;
	out->core = in->stats;
	out->store = in->store_stats;
	out->damage = in->damage;
	out->commit_failures = in->commit_failures;
	out->broker_dropped = in->broker_dropped;
	(void)pthread_mutex_unlock(&in->mtx);
	queue_figures(in->live.queue, &n, &bytes, &dropped);
	out->queued_messages = n;
	out->queued_bytes = bytes;
	out->queue_dropped = dropped;
	queue_figures(in->past.queue, &n, &bytes, &dropped);
	out->queued_messages += n;
	out->queued_bytes += bytes;
	out->queue_dropped += dropped;
}
