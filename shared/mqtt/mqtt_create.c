/*
 * Making and ending a bl_mqtt: options checked and copied, descriptors and
 * Paho's client acquired, all released again in reverse order.
 */
#include "mqtt_internal.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LEAVE_MS 1000

static int
options_check(const struct bl_mqtt_opts *opts, struct bl_err *err)
{
	if (opts->client_id == NULL || opts->client_id[0] == '\0')
		return bl_fail(err, BL_EINVAL, "mqtt: a client id is needed");
	if (opts->keepalive_s == 0 || opts->keepalive_s > 30)
		return bl_fail(err, BL_EINVAL, "mqtt: keep-alive must be 1 to 30 s, not %u",
		    opts->keepalive_s);
	if (opts->window == 0 || opts->window > MQTT_WINDOW_MAX)
		return bl_fail(err, BL_EINVAL, "mqtt: window must be 1 to %d, not %u",
		    MQTT_WINDOW_MAX, opts->window);
	if (opts->window_bytes == 0 || opts->window_bytes > MQTT_WINDOW_BYTES_MAX)
		return bl_fail(err, BL_EINVAL, "mqtt: window must be 1 to %d bytes, not %zu",
		    MQTT_WINDOW_BYTES_MAX, opts->window_bytes);
	if (opts->backoff_min_ms == 0 || opts->backoff_max_ms < opts->backoff_min_ms)
		return bl_fail(err, BL_EINVAL, "mqtt: back-off of %u to %u ms is no range",
		    opts->backoff_min_ms, opts->backoff_max_ms);
	if (opts->mailbox == 0 || opts->mailbox_bytes == 0)
		return bl_fail(err, BL_EINVAL, "mqtt: the mailbox needs room");
	if (opts->will_len > 65535)
		return bl_fail(
		    err, BL_EINVAL, "mqtt: a will of %zu bytes is too long", opts->will_len);
	return BL_OK;
}

static int
topics_copy(struct bl_mqtt *m, const char *const *topics)
{
	unsigned n = 0;

	while (topics != NULL && topics[n] != NULL)
		n++;
	if ((m->subscribe = calloc(n + 1, sizeof(*m->subscribe))) == NULL)
		return BL_ENOMEM;
	for (; m->subscribe_count < n; m->subscribe_count++)
		if ((m->subscribe[m->subscribe_count] = strdup(topics[m->subscribe_count])) == NULL)
			return BL_ENOMEM;
	return BL_OK;
}

static int
options_copy(struct bl_mqtt *m, const struct bl_mqtt_opts *opts, struct bl_err *err)
{
	m->keepalive_s = opts->keepalive_s;
	m->lossy = opts->lossy;
	m->backoff_min_ms = opts->backoff_min_ms;
	m->backoff_max_ms = opts->backoff_max_ms;
	m->puback_ms = opts->puback_ms == 0 ? 5000 : opts->puback_ms;
	m->window = opts->window;
	m->window_bytes = opts->window_bytes;
	m->connack_ms = opts->link.ready_ms == 0 ? 5000 : opts->link.ready_ms;
	if ((m->client_id = strdup(opts->client_id)) == NULL || topics_copy(m, opts->subscribe) < 0)
		return bl_fail(err, BL_ENOMEM, "mqtt: out of memory");
	if (opts->will_topic == NULL)
		return BL_OK;
	m->will_len = opts->will_len;
	if ((m->will_topic = strdup(opts->will_topic)) == NULL ||
	    (m->will = malloc(opts->will_len + 1)) == NULL)
		return bl_fail(err, BL_ENOMEM, "mqtt: out of memory");
	if (opts->will_len > 0)
		memcpy(m->will, opts->will, opts->will_len);
	return BL_OK;
}

int
bl_mqtt_set_will(struct bl_mqtt *m, const void *will, size_t len, struct bl_err *err)
{
	void *copy;

	if (m->will_topic == NULL || len > 65535)
		return bl_fail(err, BL_EINVAL, "mqtt: no will of %zu bytes can be set", len);
	if ((copy = malloc(len + 1)) == NULL)
		return bl_fail(err, BL_ENOMEM, "mqtt: out of memory");
	if (len > 0)
		memcpy(copy, will, len);
	free(m->will);
	m->will = copy;
	m->will_len = len;
	return BL_OK;
}

static void
options_free(struct bl_mqtt *m)
{
	for (unsigned i = 0; m->subscribe != NULL && i < m->subscribe_count; i++)
		free(m->subscribe[i]);
	free(m->subscribe);
	free(m->client_id);
	free(m->will_topic);
	free(m->will);
}

static int
watch_open(struct bl_mqtt *m, struct bl_err *err)
{
	struct epoll_event event = { .events = EPOLLIN };

	m->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (m->epoll_fd < 0)
		return bl_fail_errno(err, BL_EIO, "mqtt: epoll");
	if (epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, bl_link_fd(m->link), &event) != 0 ||
	    epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, m->mailbox.wake_fd, &event) != 0)
		return bl_fail_errno(err, BL_EIO, "mqtt: epoll");
	return BL_OK;
}

/* In reverse order of acquisition; whatever was not acquired is skipped. */
static void
release(struct bl_mqtt *m)
{
	mqtt_paho_close(m);
	if (m->epoll_fd >= 0)
		(void)close(m->epoll_fd);
	mqtt_mailbox_close(&m->mailbox);
	bl_link_free(m->link);
	options_free(m);
	free(m);
}

int
bl_mqtt_create(struct bl_mqtt **out, const struct bl_mqtt_opts *opts, const struct bl_clock *clock,
    const struct bl_mqtt_handlers *handlers, void *ctx, struct bl_err *err)
{
	struct bl_link_cfg link = opts->link;
	struct bl_mqtt *m;
	int rc;

	*out = NULL;
	if ((rc = options_check(opts, err)) < 0 || (rc = mqtt_paho_environment(err)) < 0)
		return rc;
	if ((m = calloc(1, sizeof(*m))) == NULL)
		return bl_fail(err, BL_ENOMEM, "mqtt: out of memory");
	m->clock = clock;
	m->handlers = *handlers;
	m->ctx = ctx;
	m->epoll_fd = m->mailbox.wake_fd = -1;
	m->stats.since_mono_ms = m->stage_mono_ms = bl_mono_ms(clock);
	link.handover = true;
	if ((rc = options_copy(m, opts, err)) < 0 ||
	    (rc = bl_link_create(&m->link, &link, clock, err)) < 0 ||
	    (rc = mqtt_mailbox_open(&m->mailbox, opts->mailbox, opts->mailbox_bytes, err)) < 0 ||
	    (rc = watch_open(m, err)) < 0 || (rc = mqtt_paho_open(m, err)) < 0) {
		release(m);
		return rc;
	}
	*out = m;
	return BL_OK;
}

/* Steps without handlers until DISCONNECT is out, at most LEAVE_MS. */
static void
leave(struct bl_mqtt *m)
{
	const int64_t until = bl_mono_ms(m->clock) + LEAVE_MS;
	struct pollfd pfd = { .fd = m->epoll_fd, .events = POLLIN };
	int64_t now;

	memset(&m->handlers, 0, sizeof(m->handlers));
	bl_mqtt_stop(m);
	while (m->stage != MQTT_STOPPED && (now = bl_mono_ms(m->clock)) < until) {
		const int wait = bl_mqtt_timeout_ms(m);
		const int left = (int)(until - now);

		(void)poll(&pfd, 1, wait >= 0 && wait < left ? wait : left);
		bl_mqtt_step(m);
	}
}

void
bl_mqtt_free(struct bl_mqtt *m)
{
	if (m == NULL)
		return;
	if (m->stage != MQTT_STOPPED)
		leave(m);
	release(m);
}
