/*
 * The writer: takes what waits in the queues into transactions, does what others have
 * for the store between them, and lets the core speak.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ingest_threads.h"

#define GROUP_MESSAGES 200
#define GROUP_MS       50
#define GROUP_EVERY_MS 20    /* not full: a commit costs as much as 20 batches */
#define GROUP_PAST     60    /* of a full group at least: backlog must move under live load */
#define CENTRE_LOOK_MS 60000 /* whether it is stale */
#define STORE_RETRY_MS 1000
#define SCRUB_EVERY_MS 1000
#define REQUEUE_SLICE  20 /* messages of one transaction: what comes does not wait for them */

/* Somebody else's piece of work, on the stack of who waits for it. */
struct job {
	struct job *next;
	ingest_write_fn fn;
	void *arg;
	struct bl_err *err;
	int rc;
	bool done;
};

void
writer_wake(struct ingest *in)
{
	(void)pthread_mutex_lock(&in->mtx);
	in->woken = true;
	(void)pthread_cond_signal(&in->cond);
	(void)pthread_mutex_unlock(&in->mtx);
}

void
writer_wake_for_message(struct ingest *in)
{
	(void)pthread_mutex_lock(&in->mtx);
	in->woken = true;
	in->came++;
	if (!in->pausing || in->came == GROUP_MESSAGES)
		(void)pthread_cond_signal(&in->cond);
	(void)pthread_mutex_unlock(&in->mtx);
}

bool
writer_publish(void *ctx, const char *topic, const void *payload, size_t len, bool retained)
{
	struct ingest *in = ctx;
	bool up;

	(void)pthread_mutex_lock(&in->mtx);
	up = in->live.up;
	(void)pthread_mutex_unlock(&in->mtx);
	if (!up || !queue_push(in->out, topic, payload, len, retained))
		return false;
	in->said = true;
	return true;
}

static void
note_store(struct ingest *in, bool ok, const char *why)
{
	bool was;

	(void)pthread_mutex_lock(&in->mtx);
	was = in->store_ok;
	in->store_ok = ok;
	(void)snprintf(in->store_why, sizeof(in->store_why), "%s", why);
	if (ok)
		in->last_commit_mono_ms = bl_mono_ms(in->clock);
	else
		in->commit_failures++;
	(void)pthread_mutex_unlock(&in->mtx);
	if (ok && !was)
		bl_info("ingest", "the store commits again");
}

/* No receipt goes out for what this group held; it comes again. */
static void
store_failed(struct ingest *in, const struct bl_err *err)
{
	unsigned swallowed;

	note_store(in, false, err->msg);
	in->no_room = err->code == BL_EFULL;
	if (bl_log_allow(&in->store_log, bl_mono_ms(in->clock), 10000, &swallowed))
		bl_error("ingest",
		    "nothing is acknowledged, the store does not commit: %s; trying again in"
		    " %d s suppressed=%u",
		    err->msg, STORE_RETRY_MS / 1000, swallowed);
}

static bool
next_item(struct ingest *in, unsigned n, struct queue_item *it)
{
	if (n >= GROUP_MESSAGES - GROUP_PAST && queue_pop(in->past.queue, it))
		return true;
	return queue_pop(in->live.queue, it) || queue_pop(in->past.queue, it);
}

static int
begin_group(struct ingest *in, struct bl_err *err)
{
	const bool full = in->no_room;

	in->no_room = false;
	if (in->room != NULL && in->room(in->room_ctx, full, err) < 0)
		return err->code;
	return ingest_core_begin(in->core, err);
}

/* 1: a group was committed; 0: there was nothing; negative: the store failed. */
static int
take_group(struct ingest *in)
{
	const int64_t until = bl_mono_ms(in->clock) + GROUP_MS;
	struct bl_err err = { 0 };
	struct queue_item it;
	unsigned n = 0;
	int rc = BL_OK;

	while (n < GROUP_MESSAGES && (n == 0 || bl_mono_ms(in->clock) < until) &&
	       next_item(in, n, &it)) {
		const struct ingest_msg m = { it.topic, it.payload, it.len, it.retained };

		if (n++ == 0)
			rc = begin_group(in, &err);
		if (rc == BL_OK)
			rc = ingest_core_take(in->core, &m, &err);
		queue_item_free(&it);
		if (rc < 0)
			break;
	}
	if (n == 0)
		return 0;
	in->group_mono_ms = until - GROUP_MS;
	if (rc < 0)
		ingest_core_rollback(in->core);
	else
		rc = ingest_core_commit(in->core, &err);
	if (rc < 0) {
		store_failed(in, &err);
		return rc;
	}
	note_store(in, true, "");
	if (in->stored != NULL)
		in->stored(in->stored_ctx);
	return 1;
}

/* One slice of what was set aside.  1: there may be more; 0; negative: the store failed. */
static int
requeue_slice(struct ingest *in)
{
	struct ingest_requeue_at at;
	struct bl_err err = { 0 };
	bool running;
	int rc;

	(void)pthread_mutex_lock(&in->mtx);
	running = in->requeue_status.running;
	(void)pthread_mutex_unlock(&in->mtx);
	if (!running)
		return 0;
	at = in->requeue_at;
	if ((rc = begin_group(in, &err)) == BL_OK) {
		rc = ingest_core_requeue(in->core, &in->requeue, &at, REQUEUE_SLICE, &err);
		if (rc < 0)
			ingest_core_rollback(in->core);
		else
			rc = ingest_core_commit(in->core, &err);
	}
	if (rc < 0) {
		store_failed(in, &err); /* goes on from what was committed */
		return rc;
	}
	in->requeue_at = at;
	if (at.done) {
		bl_info("ingest",
		    "what was set aside was tried again tried=%llu taken=%llu kept=%llu",
		    (unsigned long long)at.sums.tried, (unsigned long long)at.sums.taken,
		    (unsigned long long)at.sums.kept);
		memset(&in->requeue_at, 0, sizeof(in->requeue_at));
	}
	(void)pthread_mutex_lock(&in->mtx);
	in->requeue_status.sums = at.sums;
	in->requeue_status.running = !at.done;
	if (at.done)
		in->requeue_status.ended_unix_ms = bl_unix_ms(in->clock);
	(void)pthread_mutex_unlock(&in->mtx);
	if (at.sums.taken > 0 && in->stored != NULL)
		in->stored(in->stored_ctx);
	return at.done ? 0 : 1;
}

/*
 * Nothing came, but a clock map still has rows to place, a damaged store something to take
 * over; or the last group failed, and it is tried whether the next would get in.
 */
static int
work_idle(struct ingest *in)
{
	struct bl_err err = { 0 };
	bool stored = store_salvaging(in->core->store);
	int rc;

	if ((rc = begin_group(in, &err)) >= 0 && ((rc = ingest_core_salvage(in->core, &err)) < 0 ||
						     (rc = ingest_core_commit(in->core, &err)) < 0))
		ingest_core_rollback(in->core);
	if (rc < 0) {
		store_failed(in, &err);
		return rc;
	}
	note_store(in, true, "");
	if (stored && in->stored != NULL)
		in->stored(in->stored_ctx);
	return BL_OK;
}

static bool
idle_work_waits(struct ingest *in)
{
	bool ok;

	(void)pthread_mutex_lock(&in->mtx);
	ok = in->store_ok;
	(void)pthread_mutex_unlock(&in->mtx);
	return !ok || store_placing(in->core->store) || store_salvaging(in->core->store) ||
	       store_due_again_left(in->core->store);
}

/* How full the queue of backlog is, by messages or bytes. */
static unsigned
past_pct(struct ingest *in)
{
	uint64_t n, bytes, dropped, by_n, by_bytes;

	queue_figures(in->past.queue, &n, &bytes, &dropped);
	by_n = n * 100 / in->queue_messages;
	by_bytes = bytes * 100 / in->queue_bytes;
	return (unsigned)(by_n > by_bytes ? by_n : by_bytes);
}

static int64_t
speak(struct ingest *in, bool centre_due)
{
	const int64_t now = bl_mono_ms(in->clock);
	int64_t next, centre_in;

	ingest_core_pressure(in->core, past_pct(in));
	next = ingest_core_due(in->core);
	/* A store that was replaced: agents say hello anew as soon as they hear of it. */
	if (!bl_id_equal(&in->epoch, store_epoch(in->core->store))) {
		in->epoch = *store_epoch(in->core->store);
		centre_due = true;
	}
	if (centre_due || now >= in->centre_at_mono_ms) {
		const bool said = (!centre_due && !ingest_core_centre_stale(in->core)) ||
				  ingest_core_centre(in->core);

		in->centre_at_mono_ms = now + (said ? CENTRE_LOOK_MS : STORE_RETRY_MS);
	}
	if (in->said)
		connection_wake(&in->live); /* once for all of it */
	in->said = false;
	centre_in = in->centre_at_mono_ms - now;
	return next < centre_in ? next : centre_in;
}

/* At rest, a slice a second of the daily round over every row. */
static void
scrub(struct ingest *in)
{
	const int64_t now = bl_mono_ms(in->clock);
	struct bl_err err = { 0 };

	if (now < in->scrub_at_mono_ms)
		return;
	in->scrub_at_mono_ms = now + SCRUB_EVERY_MS;
	if (ingest_core_scrub(in->core, &err) < 0) {
		bl_error("ingest", "%s", err.msg);
		(void)work_idle(in);
	}
}

#define LOOK_EVERY_MS 60000

/* What readers complained of, at most once a minute: looking costs up to some seconds. */
static void
follow_complaint(struct ingest *in)
{
	const int64_t now = bl_mono_ms(in->clock);
	const int64_t batch = in->complaint != NULL ? in->complaint(in->complaint_ctx) : -1;

	if (batch < 0 || (in->looked_mono_ms != 0 && now - in->looked_mono_ms < LOOK_EVERY_MS))
		return;
	in->looked_mono_ms = now;
	store_suspect(in->core->store, batch);
	(void)work_idle(in);
}

static struct timespec
in_ms(int64_t ms)
{
	struct timespec at;

	if (ms < 0)
		ms = 0; /* a time before the epoch of the clock would never be waited for */
	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += (time_t)(ms / 1000);
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	return at;
}

/*
 * The last group began a moment ago: what comes meanwhile goes into one transaction.  The
 * first message after a pause is not held up, nor is a full group.
 */
static void
let_gather(struct ingest *in)
{
	const int64_t ms = in->group_mono_ms + GROUP_EVERY_MS - bl_mono_ms(in->clock);
	const struct timespec until = in_ms(ms);
	uint64_t live, past, bytes, dropped;

	if (ms <= 0 || ms > GROUP_EVERY_MS)
		return;
	queue_figures(in->live.queue, &live, &bytes, &dropped);
	queue_figures(in->past.queue, &past, &bytes, &dropped);
	if (live + past >= GROUP_MESSAGES)
		return;
	(void)pthread_mutex_lock(&in->mtx);
	in->pausing = true;
	in->came = (unsigned)(live + past);
	while (in->came < GROUP_MESSAGES && !in->stop_writer)
		if (pthread_cond_timedwait(&in->cond, &in->mtx, &until) != 0)
			break;
	in->pausing = false;
	(void)pthread_mutex_unlock(&in->mtx);
}

/* Waits for something to do; false: stop. */
static bool
wait_for_work(struct ingest *in, int64_t ms, bool *centre_due)
{
	const struct timespec until = in_ms(ms);
	bool go_on, changed;

	(void)pthread_mutex_lock(&in->mtx);
	while (!in->woken && !in->stop_writer && !in->centre_due && !in->devices_changed)
		if (pthread_cond_timedwait(&in->cond, &in->mtx, &until) != 0)
			break;
	in->woken = false;
	*centre_due = in->centre_due;
	in->centre_due = false;
	changed = in->devices_changed;
	in->devices_changed = false;
	go_on = !in->stop_writer;
	in->last_round_mono_ms = bl_mono_ms(in->clock);
	ingest_core_stats(in->core, &in->stats);
	store_stats(in->core->store, &in->store_stats);
	store_damage(in->core->store, &in->damage);
	(void)pthread_mutex_unlock(&in->mtx);
	follow_complaint(in);
	if (changed)
		ingest_core_devices_changed(in->core);
	return go_on;
}

/* ---- what others have for the writer ---- */

static int
run_job(struct ingest *in, const struct job *j)
{
	struct store *s = in->core->store;
	int rc;

	if ((rc = store_begin(s, j->err)) < 0)
		return rc;
	if ((rc = j->fn(s, j->arg, j->err)) < 0) {
		store_rollback(s);
		return rc;
	}
	return store_commit(s, j->err);
}

/* One of them.  True: there may be more. */
static bool
take_job(struct ingest *in)
{
	struct job *j;
	bool more;
	int rc;

	(void)pthread_mutex_lock(&in->mtx);
	j = in->jobs;
	(void)pthread_mutex_unlock(&in->mtx);
	if (j == NULL)
		return false;
	rc = run_job(in, j);
	(void)pthread_mutex_lock(&in->mtx);
	in->jobs = j->next;
	j->rc = rc;
	j->done = true;
	more = in->jobs != NULL;
	(void)pthread_cond_broadcast(&in->job_done);
	(void)pthread_mutex_unlock(&in->mtx);
	return more;
}

static void
refuse_jobs(struct ingest *in)
{
	(void)pthread_mutex_lock(&in->mtx);
	in->writer_gone = true;
	for (; in->jobs != NULL; in->jobs = in->jobs->next) {
		in->jobs->rc = bl_fail(in->jobs->err, BL_EBUSY, "the store is being closed");
		in->jobs->done = true;
	}
	(void)pthread_cond_broadcast(&in->job_done);
	(void)pthread_mutex_unlock(&in->mtx);
}

int
ingest_write(struct ingest *in, ingest_write_fn fn, void *arg, struct bl_err *err)
{
	struct job j = { .fn = fn, .arg = arg, .err = err }, **at;

	(void)pthread_mutex_lock(&in->mtx);
	if (in->writer_gone) {
		(void)pthread_mutex_unlock(&in->mtx);
		return bl_fail(err, BL_EBUSY, "the store is being closed");
	}
	for (at = &in->jobs; *at != NULL; at = &(*at)->next)
		;
	*at = &j;
	in->woken = true;
	(void)pthread_cond_signal(&in->cond);
	while (!j.done)
		(void)pthread_cond_wait(&in->job_done, &in->mtx);
	(void)pthread_mutex_unlock(&in->mtx);
	return j.rc;
}

void *
writer_main(void *ctx)
{
	struct ingest *in = ctx;
	bool centre_due = false;
	int64_t next = 0;
	int rc, again;

	while (wait_for_work(in, next, &centre_due)) {
		let_gather(in);
		rc = take_group(in);
		if (rc == 0 && idle_work_waits(in))
			rc = work_idle(in);
		else if (rc == 0)
			scrub(in);
		again = rc < 0 ? 0 : requeue_slice(in);
		if (take_job(in) && again >= 0)
			again = 1;
		next = speak(in, centre_due);
		if (rc < 0 || again < 0)
			next = STORE_RETRY_MS;
		else if (rc > 0 || again > 0 || idle_work_waits(in))
			next = 0; /* there may be more */
		if (next > 1000)
			next = 1000; /* shows that the loop turns */
	}
	/* The connections are gone: what had come is committed. */
	while (take_group(in) > 0)
		;
	refuse_jobs(in);
	return NULL;
}
