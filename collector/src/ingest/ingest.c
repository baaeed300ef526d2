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
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "branchline/log.h"
#include "branchline/mqtt.h"

#include "ingest_internal.h"

#define GROUP_MESSAGES  200
#define GROUP_MS        50
#define GROUP_EVERY_MS  20 /* between groups that are not full: a commit costs as much as 20 batches */
#define GROUP_PAST      60 /* of a full group at least: backlog must move under live load */
#define CENTRE_LOOK_MS  60000 /* whether it is stale */
#define NAP_MS          20 /* of a thread that got a few messages: being woken costs more than those */
#define NAP_BELOW       8  /* of many it waits for the next at once: the broker may hold back 20 */
#define OUT_MESSAGES    1024
#define OUT_BYTES       (4u << 20)
#define STORE_RETRY_MS  1000
#define SCRUB_EVERY_MS  1000
#define REQUEUE_SLICE   20 /* messages of one transaction: what comes does not wait for them */

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

/* Somebody else's piece of work, on the stack of who waits for it. */
struct job {
	struct job *next;
	ingest_write_fn fn;
	void *arg;
	struct bl_err *err;
	int rc;
	bool done;
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

static void
wake_writer(struct ingest *in)
{
	(void)pthread_mutex_lock(&in->mtx);
	in->woken = true;
	(void)pthread_cond_signal(&in->cond);
	(void)pthread_mutex_unlock(&in->mtx);
}

/* A message came: while the writer pauses, only a full group wakes it. */
static void
wake_writer_for_message(struct ingest *in)
{
	(void)pthread_mutex_lock(&in->mtx);
	in->woken = true;
	in->came++;
	if (!in->pausing || in->came == GROUP_MESSAGES)
		(void)pthread_cond_signal(&in->cond);
	(void)pthread_mutex_unlock(&in->mtx);
}

static void
wake_io(const struct connection *c)
{
	const uint64_t one = 1;

	(void)!write(c->wake_fd, &one, sizeof(one));
}

/* ---- handlers: on the thread that pumps the connection ---- */

static void
on_up(void *ctx)
{
	struct connection *c = ctx;

	(void)pthread_mutex_lock(&c->in->mtx);
	c->up = true;
	c->why[0] = '\0';
	if (c == &c->in->live)
		c->in->centre_due = true;
	(void)pthread_mutex_unlock(&c->in->mtx);
	bl_info("ingest", "connected to the broker connection=%s", c->name);
	wake_writer(c->in);
}

static void
on_down(void *ctx, const char *why, int64_t retry_ms)
{
	struct connection *c = ctx;
	struct queue_item it;
	bool was;

	(void)pthread_mutex_lock(&c->in->mtx);
	was = c->up || strncmp(c->why, why, sizeof(c->why) - 1) != 0;
	c->up = false;
	(void)snprintf(c->why, sizeof(c->why), "%s", why);
	(void)pthread_mutex_unlock(&c->in->mtx);
	/* The same reason again and again is one line. */
	if (was && retry_ms >= 0)
		bl_warn("ingest",
		    "no connection to the broker connection=%s why=\"%s\""
		    " next attempt in %.1f s",
		    c->name, why, (double)retry_ms / 1000.0);
	/* What was to go out is worked out anew when the batches come again. */
	if (c == &c->in->live)
		while (queue_pop(c->in->out, &it))
			queue_item_free(&it);
}

/* How many messages the broker has dropped since it began: a queue of its own was full. */
static void
broker_dropped(struct connection *c, const struct bl_mqtt_msg *m)
{
	struct ingest *in = c->in;
	char text[24] = "";
	unsigned swallowed;
	int64_t n, before;

	memcpy(text, m->payload, m->len < sizeof(text) ? m->len : sizeof(text) - 1);
	n = strtoll(text, NULL, 10);
	(void)pthread_mutex_lock(&in->mtx);
	before = in->broker_dropped;
	in->broker_dropped = n;
	(void)pthread_mutex_unlock(&in->mtx);
	/* Another broker, or the same begun anew, counts from nothing. */
	if (n < before)
		before = 0;
	if (before >= 0 && n > before &&
	    bl_log_allow(&c->dropped_log, bl_mono_ms(in->clock), 60000, &swallowed))
		bl_warn("ingest",
		    "the broker dropped messages, its queue for a client was full; what was not "
		    "receipted comes again dropped=%lld suppressed=%u",
		    (long long)(n - before), swallowed);
}

static void
on_message(void *ctx, const struct bl_mqtt_msg *m)
{
	struct connection *c = ctx;

	if (m->topic[0] == '$') {
		broker_dropped(c, m);
		return;
	}
	c->handled++;
	if (queue_push(c->queue, m->topic, m->payload, m->len, m->retained))
		wake_writer_for_message(c->in);
}

static void
on_published(void *ctx, uint64_t token, int reason)
{
	const struct connection *c = ctx;

	(void)token;
	/* 16: nobody listens; the device is offline, it will ask. */
	if (reason >= 128)
		bl_warn("ingest", "the broker refused a message connection=%s reason=%d", c->name,
		    reason);
}

/* ---- the threads that pump ---- */

static void
send_out(struct connection *c)
{
	struct queue_item it;
	struct bl_err err = { 0 };
	int rc;

	while (queue_pop(c->in->out, &it)) {
		rc = bl_mqtt_publish(c->mqtt, it.topic, it.payload, it.len, it.retained, 0, &err);
		if (rc == BL_EBUSY) {
			queue_unpop(c->in->out, &it);
			return;
		}
		if (rc < 0 && rc != BL_ENET)
			bl_warn("ingest", "publish: %s", err.msg);
		queue_item_free(&it);
	}
	wake_writer(c->in); /* there is room again */
}

static bool
io_stops(struct connection *c)
{
	struct bl_mqtt_stats s;
	bool stop;

	bl_mqtt_stats(c->mqtt, &s);
	(void)pthread_mutex_lock(&c->in->mtx);
	stop = c->in->stop_io;
	c->mailbox_dropped = s.mailbox_dropped;
	(void)pthread_mutex_unlock(&c->in->mtx);
	return stop;
}

static bool
out_waits(struct ingest *in)
{
	uint64_t n, bytes, dropped;

	queue_figures(in->out, &n, &bytes, &dropped);
	return n > 0;
}

/* What comes meanwhile comes at once afterwards; what is to go out ends it. */
static void
nap(const struct connection *c)
{
	struct pollfd out = { .fd = c->wake_fd, .events = POLLIN };

	if (c->handled > 0 && c->handled < NAP_BELOW)
		(void)poll(&out, 1, NAP_MS);
}

static void *
io_main(void *ctx)
{
	struct connection *c = ctx;
	struct pollfd fds[2] = { { .fd = bl_mqtt_fd(c->mqtt), .events = POLLIN },
		{ .fd = c->wake_fd, .events = POLLIN } };
	struct bl_err err = { 0 };
	uint64_t n;

	if (bl_mqtt_start(c->mqtt, &err) < 0)
		bl_error("ingest", "start connection=%s: %s", c->name, err.msg);
	while (!io_stops(c)) {
		int timeout = bl_mqtt_timeout_ms(c->mqtt);

		if (timeout < 0 || timeout > 1000)
			timeout = 1000;
		if (poll(fds, 2, timeout) < 0 && errno != EINTR)
			break; /* cannot happen with two valid descriptors */
		if (fds[1].revents != 0)
			(void)!read(c->wake_fd, &n, sizeof(n));
		c->handled = 0;
		bl_mqtt_step(c->mqtt);
		if (c == &c->in->live && out_waits(c->in))
			send_out(c);
		nap(c);
	}
	bl_mqtt_free(c->mqtt);
	c->mqtt = NULL;
	return NULL;
}

/* ---- the writer ---- */

/* The core's way out. */
static bool
publish(void *ctx, const char *topic, const void *payload, size_t len, bool retained)
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
	return !ok || store_placing(in->core->store) || store_salvaging(in->core->store);
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
		wake_io(&in->live); /* once for all of it */
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

static void *
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

/* ---- starting and stopping ---- */

static int
open_connection(struct ingest *in, struct connection *c, const char *name,
    const struct ingest_connection *cfg, const struct ingest_opts *opts,
    const char *const *subscribe, struct bl_err *err)
{
	static const struct bl_mqtt_handlers handlers = { on_up, on_down, on_message,
		on_published };
	const struct bl_mqtt_opts mqtt = {
		.link = cfg->link,
		.client_id = cfg->client_id,
		.subscribe = subscribe,
		.keepalive_s = 30,
		.backoff_min_ms = 200,
		.backoff_max_ms = 5000, /* one client: no crowd to fear, and every device waits */
		.puback_ms = 5000,
		.window = 16,
		.window_bytes = 256 * 1024,
		.mailbox = 2000,
		.mailbox_bytes = 16 << 20,
	};
	int rc;

	c->in = in;
	c->name = name;
	if ((c->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
		return bl_fail_errno(err, BL_EIO, "ingest: eventfd");
	if ((rc = queue_create(&c->queue, in->queue_messages, in->queue_bytes, err)) < 0)
		return rc;
	(void)snprintf(c->why, sizeof(c->why), "not connected yet");
	if ((rc = bl_mqtt_create(&c->mqtt, &mqtt, opts->clock, &handlers, c, err)) < 0)
		bl_err_prefix(err, "connection %s", name);
	return rc;
}

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
		.publish = publish,
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
	    (rc = open_connection(in, &in->live, "live", &opts->live, opts, live, err)) < 0 ||
	    (rc = open_connection(in, &in->past, "past", &opts->past, opts, past, err)) < 0 ||
	    (rc = start_thread(&in->writer, writer_main, in, &in->writer_started, err)) < 0 ||
	    (rc = start_thread(&in->live.thread, io_main, &in->live, &in->live.started, err)) < 0 ||
	    (rc = start_thread(&in->past.thread, io_main, &in->past, &in->past.started, err)) < 0) {
		ingest_stop(in);
		return rc;
	}
	*out = in;
	return BL_OK;
}

static void
close_connection(struct connection *c)
{
	if (c->started)
		(void)pthread_join(c->thread, NULL);
	else
		bl_mqtt_free(c->mqtt);
	if (c->wake_fd >= 0)
		(void)close(c->wake_fd);
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
		wake_io(&in->live);
	if (in->past.wake_fd >= 0)
		wake_io(&in->past);
	close_connection(&in->past);
	close_connection(&in->live);
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
