/*
 * One exporter: when it is asked, its connection, its page's end.
 *
 * A connection for each page: an exporter that was started anew, or that forgets
 * idle connections, is asked like any other.  Nothing waits: the socket is in the
 * inlet's epoll set, level-triggered, and each turn reads a bounded piece of it.
 * Nothing is followed: no redirect, no compression that was not asked for.
 */
#include "scrape_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LOG_EVERY_MS 3600000
#define LOG_NEWS_MS  60000
#define SPREAD_MS    250 /* between the first requests of exporters */

/* ---- its own series ---- */

static const struct {
	const char *name, *unit;
	enum bl_series_kind kind;
} own[SCRAPE_OWN] = {
	[SCRAPE_OWN_UP] = { "scrape_up", "1", BL_GAUGE },
	[SCRAPE_OWN_DURATION] = { "scrape_duration_ms", "ms", BL_GAUGE },
	[SCRAPE_OWN_SERIES] = { "scrape_series", "1", BL_GAUGE },
};

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

/* One that was refused is asked for again. */
static void
own_series(struct scrape_job *j)
{
	for (unsigned i = 0; i < SCRAPE_OWN; i++) {
		const struct bl_series_def def = { .stream = BL_STREAM_HOST,
			.kind = own[i].kind,
			.interval_ms = (uint32_t)j->conf->interval_ms,
			.name = str(own[i].name),
			.unit = str(own[i].unit),
			.n_labels = 1,
			.label = { { str(INTAKE_SOURCE_LABEL), str(j->conf->name) } } };

		if (j->own[i] < 0)
			j->own[i] = j->host->sink->declare(j->host->sink->ctx, &def);
	}
}

static void
put(const struct scrape_job *j, enum scrape_own which, double value)
{
	if (j->own[which] >= 0)
		j->host->sink->put(j->host->sink->ctx, j->own[which], value);
}

static void
unknown(const struct scrape_job *j, enum scrape_own which, enum bl_unknown reason)
{
	if (j->own[which] >= 0)
		j->host->sink->unknown(j->host->sink->ctx, j->own[which], reason);
}

/* ---- how it ends ---- */

static void
over(struct scrape_job *j)
{
	if (j->fd >= 0)
		(void)close(j->fd);
	j->fd = -1;
	j->state = SCRAPE_IDLE;
	own_series(j);
}

/* Once an hour, unless it is news: that it could be read in between, or another reason. */
static void
say_why(struct scrape_job *j, const char *why)
{
	const int64_t now = bl_mono_ms(j->host->clock);
	const bool news = !j->told || strcmp(why, j->why) != 0;

	if (j->said_mono_ms != 0 && now - j->said_mono_ms < (news ? LOG_NEWS_MS : LOG_EVERY_MS)) {
		j->swallowed++;
		return;
	}
	bl_warn("scrape", "exporter %s cannot be read: %s; asked again every %lld s suppressed=%u",
	    j->conf->name, why, (long long)j->conf->interval_ms / 1000, j->swallowed);
	j->told = true;
	j->said_mono_ms = now;
	j->swallowed = 0;
	(void)strcpy(j->why, why);
}

static void fail(struct scrape_job *j, enum bl_unknown reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
fail(struct scrape_job *j, enum bl_unknown reason, const char *fmt, ...)
{
	va_list ap;

	over(j);
	j->failed++;
	put(j, SCRAPE_OWN_UP, 0);
	unknown(j, SCRAPE_OWN_DURATION, reason);
	unknown(j, SCRAPE_OWN_SERIES, reason);
	scrape_page_unknown(j->page, reason);
	j->host->flush(j->host->ctx, bl_boot_ms(j->host->clock));
	va_start(ap, fmt);
	(void)vsnprintf(j->reason, sizeof(j->reason), fmt, ap);
	va_end(ap);
	if (j->failing_unix_ms == 0)
		j->failing_unix_ms = bl_unix_ms(j->host->clock);
	say_why(j, j->reason);
}

static void
tell(struct scrape_job *j, uint32_t bad, int64_t now)
{
	unsigned swallowed;

	if (bad > 0 && bl_log_allow(&j->bad_log, now, LOG_EVERY_MS, &swallowed))
		bl_warn("scrape",
		    "exporter %s: line %u of its page is not understood, and left out "
		    "suppressed=%u",
		    j->conf->name, bad, swallowed);
	if (j->told || j->scrapes == 1)
		bl_info("scrape", "exporter %s is read series=%u", j->conf->name, j->n_series);
	j->told = false;
}

/* The whole answer is here. */
static void
finish(struct scrape_job *j)
{
	const int64_t now = bl_mono_ms(j->host->clock);
	uint32_t bad = 0;
	const char *why = scrape_page_end(j->page, j->http.chunked || j->http.has_length, &bad);

	if (j->http.status != 200) {
		fail(j, BL_UNKNOWN_UNREADABLE, "it answers with status %d", j->http.status);
		return;
	}
	if (j->http.coding != PROBE_CODING_NONE) {
		fail(j, BL_UNKNOWN_UNREADABLE, "its page is compressed, which was not asked for");
		return;
	}
	if (why != NULL) {
		fail(j, BL_UNKNOWN_UNREADABLE, "%s", why);
		return;
	}
	over(j);
	j->failing_unix_ms = 0;
	j->scrapes++;
	j->n_series = scrape_page_put(j->page, now);
	put(j, SCRAPE_OWN_UP, 1);
	put(j, SCRAPE_OWN_DURATION, (double)(now - j->begun_mono_ms));
	put(j, SCRAPE_OWN_SERIES, j->n_series);
	j->host->flush(j->host->ctx, bl_boot_ms(j->host->clock));
	tell(j, bad, now);
}

/* ---- the answer ---- */

static void
body_begin(void *ctx, const struct probe_http *h)
{
	struct scrape_job *j = ctx;

	scrape_page_begin(j->page, strncasecmp(h->type, "application/openmetrics-text", 28) == 0,
	    bl_unix_ms(j->host->clock));
}

static void
body_data(void *ctx, const char *data, size_t len)
{
	struct scrape_job *j = ctx;

	/* A page of an error is none of metrics. */
	if (j->http.status == 200 && j->http.coding == PROBE_CODING_NONE)
		scrape_page_feed(j->page, data, len);
}

static void
body_cut(void *ctx)
{
	(void)ctx;
}

static void
verdict(struct scrape_job *j, enum probe_http_verdict v)
{
	if (v == PROBE_HTTP_DONE)
		finish(j);
	else if (v == PROBE_HTTP_CUT)
		fail(j, BL_UNKNOWN_UNREADABLE, "its page is longer than max_bytes, %lld bytes",
		    (long long)j->conf->max_bytes);
	else if (v == PROBE_HTTP_WRONG)
		fail(j, BL_UNKNOWN_UNREADABLE, "%s", j->http.error);
}

static void
receive(struct scrape_job *j, char *buf, size_t size, size_t *budget, int64_t until)
{
	do {
		const ssize_t n = recv(j->fd, buf, size < *budget ? size : *budget, MSG_DONTWAIT);
		size_t used;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return; /* it will be told again */
		if (n < 0) {
			fail(j, BL_UNKNOWN_UNREADABLE, "read: %s", strerror(errno));
		} else if (n == 0) {
			verdict(j, probe_http_end(&j->http));
		} else {
			*budget -= (size_t)n;
			verdict(j, probe_http_feed(&j->http, buf, (size_t)n, &used));
		}
	} while (j->state == SCRAPE_READING && *budget > 0 && bl_mono_ms(j->host->clock) < until);
}

/* ---- the request ---- */

static socklen_t
address(const struct scrape_job *j, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	struct sockaddr_un *un = (struct sockaddr_un *)out;

	memset(out, 0, sizeof(*out));
	if (j->conf->socket != NULL) {
		un->sun_family = AF_UNIX;
		(void)snprintf(un->sun_path, sizeof(un->sun_path), "%s", j->conf->socket);
		return sizeof(*un);
	}
	if (strchr(j->url.host, ':') != NULL || j->second) {
		v6->sin6_family = AF_INET6;
		v6->sin6_addr = in6addr_loopback;
		v6->sin6_port = htons(j->url.port);
		return sizeof(*v6);
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons(j->url.port);
	if (inet_pton(AF_INET, j->url.host, &v4->sin_addr) != 1)
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* localhost */
	return sizeof(*v4);
}

static void dial(struct scrape_job *j);

static void
refused(struct scrape_job *j, int error)
{
	if (j->conf->socket == NULL && !j->url.literal && !j->second) {
		j->second = true;
		(void)close(j->fd);
		j->fd = -1;
		dial(j);
		return;
	}
	fail(j, BL_UNKNOWN_UNREADABLE, "connect to %s: %s",
	    j->conf->socket != NULL ? j->conf->socket : j->url.authority, strerror(error));
}

static void
dial(struct scrape_job *j)
{
	struct sockaddr_storage a;
	const socklen_t len = address(j, &a);
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT, .data.ptr = j };

	j->fd = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (j->fd < 0) {
		fail(j, BL_UNKNOWN_UNREADABLE, "open a socket: %s", strerror(errno));
		return;
	}
	j->state = SCRAPE_SENDING;
	j->sent = 0;
	/* A Unix socket whose queue is full says EAGAIN: the exporter does not keep up. */
	if (connect(j->fd, (struct sockaddr *)&a, len) < 0 && errno != EINPROGRESS)
		refused(j, errno);
	else if (epoll_ctl(j->epoll_fd, EPOLL_CTL_ADD, j->fd, &ev) < 0)
		fail(j, BL_UNKNOWN_UNREADABLE, "watch a socket: %s", strerror(errno));
}

static void
transmit(struct scrape_job *j)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = j };
	int error = 0;
	socklen_t len = sizeof(error);
	ssize_t n;

	if (getsockopt(j->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error != 0) {
		refused(j, error);
		return;
	}
	n = send(
	    j->fd, j->request + j->sent, j->request_len - j->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == ENOTCONN || errno == EINTR))
		return;
	if (n < 0) {
		fail(j, BL_UNKNOWN_UNREADABLE, "send the request: %s", strerror(errno));
		return;
	}
	j->sent += (size_t)n;
	if (j->sent < j->request_len)
		return;
	j->state = SCRAPE_READING;
	(void)epoll_ctl(j->epoll_fd, EPOLL_CTL_MOD, j->fd, &ev);
}

void
scrape_job_step(struct scrape_job *j, char *buf, size_t size, size_t *budget, int64_t until_mono_ms)
{
	if (j->state == SCRAPE_SENDING)
		transmit(j);
	if (j->state == SCRAPE_READING)
		receive(j, buf, size, budget, until_mono_ms);
}

/* ---- when ---- */

/* Whole intervals of the monotonic clock, each exporter a little later than the one before it. */
static void
next_due(struct scrape_job *j, int64_t now)
{
	const int64_t interval = j->conf->interval_ms;

	j->due_mono_ms = ((now - j->offset_ms) / interval + 1) * interval + j->offset_ms;
}

static void
begin(struct scrape_job *j, int64_t now)
{
	static const struct probe_http_sink sink = { body_begin, body_data, body_cut };

	next_due(j, now);
	j->begun_mono_ms = now;
	j->deadline_mono_ms = now + j->conf->timeout_ms;
	j->second = false;
	probe_http_into(&j->http, false, (uint64_t)j->conf->max_bytes, &sink, j);
	scrape_page_begin(j->page, false, bl_unix_ms(j->host->clock));
	dial(j);
}

void
scrape_job_due(struct scrape_job *j, int64_t mono_ms)
{
	if (j->state != SCRAPE_IDLE && mono_ms >= j->deadline_mono_ms)
		fail(j, BL_UNKNOWN_TIMEOUT, "no whole answer within %lld ms",
		    (long long)j->conf->timeout_ms);
	if (j->state == SCRAPE_IDLE && mono_ms >= j->due_mono_ms)
		begin(j, mono_ms);
}

int64_t
scrape_job_deadline(const struct scrape_job *j)
{
	return j->state == SCRAPE_IDLE ? j->due_mono_ms : j->deadline_mono_ms;
}

/* ---- life ---- */

static int
request_make(struct scrape_job *j)
{
	const int n = asprintf(&j->request,
	    "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: branchline-agent\r\n"
	    "Accept: text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.5\r\n"
	    "X-Prometheus-Scrape-Timeout-Seconds: %g\r\nConnection: close\r\n\r\n",
	    j->url.target, j->url.authority, (double)j->conf->timeout_ms / 1000);

	if (n < 0) {
		j->request = NULL;
		return BL_ENOMEM;
	}
	j->request_len = (size_t)n;
	return BL_OK;
}

int
scrape_job_open(struct scrape_job *j, const struct scrape_exporter_conf *conf,
    const struct inlet_host *host, int epoll_fd, unsigned index, struct bl_err *err)
{
	const struct intake_opts opts = { .source = conf->name,
		.max_series = (uint32_t)conf->max_series,
		.interval_ms = (uint32_t)conf->interval_ms,
		.sink = host->sink };
	int rc;

	j->conf = conf;
	j->host = host;
	j->epoll_fd = epoll_fd;
	j->fd = -1;
	memset(j->own, 0xff, sizeof(j->own));
	j->offset_ms = (int64_t)index * SPREAD_MS % conf->interval_ms;
	j->due_mono_ms = bl_mono_ms(host->clock) + j->offset_ms;
	if (probe_url_parse(conf->url, &j->url) != NULL)
		return bl_fail(err, BL_EINVAL, "exporter %s: its url is none", conf->name);
	if (conf->socket != NULL &&
	    strlen(conf->socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return bl_fail(
		    err, BL_EINVAL, "exporter %s: the path of its socket is too long", conf->name);
	if (request_make(j) < 0)
		return bl_fail(err, BL_ENOMEM, "exporter %s: out of memory", conf->name);
	if ((rc = intake_open(&j->intake, &opts, err)) < 0)
		return rc;
	return scrape_page_create(&j->page, j->intake, conf, &j->counts, err);
}

void
scrape_job_close(struct scrape_job *j)
{
	if (j->fd >= 0)
		(void)close(j->fd);
	scrape_page_free(j->page);
	intake_close(j->intake);
	free(j->request);
}
