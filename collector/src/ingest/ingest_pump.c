/*
 * The threads that pump a connection each: what comes goes into its queue, what the
 * writer has to say out on the live one.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ingest_threads.h"

#define NAP_MS    20 /* of a thread that got a few messages: being woken costs more than those */
#define NAP_BELOW 8  /* of many it waits for the next at once: the broker may hold back 20 */

void
connection_wake(const struct connection *c)
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
	writer_wake(c->in);
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
		writer_wake_for_message(c->in);
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
	writer_wake(c->in); /* there is room again */
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

void *
connection_main(void *ctx)
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

/* ---- opening and closing ---- */

int
connection_open(struct ingest *in, struct connection *c, const char *name,
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

void
connection_close(struct connection *c)
{
	if (c->started)
		(void)pthread_join(c->thread, NULL);
	else
		bl_mqtt_free(c->mqtt);
	if (c->wake_fd >= 0)
		(void)close(c->wake_fd);
}
