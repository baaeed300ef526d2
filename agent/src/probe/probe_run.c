/*
 * One run of one probe: look-up, connect, TLS, request, answer, verdict.
 *
 * A state machine that goes as far as it can without waiting; prober.c calls
 * it when its descriptor, its look-up or its deadline says so.  Each phase has
 * its own deadline, and the whole ends when the next run is due, so a probe has
 * exactly one result an interval.  Phases that do not happen (address instead
 * of a name, no TLS, connection reused) leave their value absent.
 *
 * A kept connection that turns out to be closed before it gave a byte is not
 * the server's failure: the run starts over on a new one, once.
 */
#include "probe_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX  8u /* reads of PROBE_BUF_BYTES in one step: others want a turn too */
#define REQUEST_MAX (32u * 1024u)

static uint64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* To 10 microseconds: below that it is noise, and every digit costs bytes on the wire. */
static double
ms_since(uint64_t from_ns)
{
	return round((double)(now_ns() - from_ns) / 1e4) / 100.0;
}

static bool
is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

/* ---- values ---- */

static void
have(struct probe_run *r, enum probe_series s, double v)
{
	r->result.value[s] = (struct probe_value){ PROBE_HAVE, v };
}

static uint32_t
bit(enum probe_series s)
{
	return 1u << s;
}

/* What this run is to find out, given how it goes. */
static uint32_t
values_due(const struct probe_run *r, bool reused)
{
	uint32_t due = bit(PROBE_UP) | bit(PROBE_FIRST_BYTE_MS) | bit(PROBE_TRANSFER_MS) |
		       bit(PROBE_TOTAL_MS) | bit(PROBE_STATUS_CODE);

	if (!reused && !r->url.literal)
		due |= bit(PROBE_DNS_MS);
	if (!reused)
		due |= bit(PROBE_CONNECT_MS);
	if (!reused && r->url.tls)
		due |= bit(PROBE_TLS_MS);
	if (r->url.tls)
		due |= bit(PROBE_CERTIFICATE_DAYS);
	if (r->conf->method != PROBE_HEAD)
		due |= bit(PROBE_BODY_BYTES);
	if (r->needle.len > 0)
		due |= bit(PROBE_BODY_MATCH);
	return due;
}

/* ---- phases and ends ---- */

static void
connection_close(struct probe_run *r)
{
	probe_tls_free(r->tls);
	r->tls = NULL;
	if (r->fd >= 0)
		(void)close(r->fd); /* a socket: nothing of ours is lost by its failure */
	r->fd = -1;
	r->generation++;
}

static void
phase_begin(struct probe_run *r, enum probe_phase phase)
{
	const int64_t deadline = bl_mono_ms(r->env->clock) + r->conf->timeout_ms;

	r->phase = phase;
	r->phase_ns = now_ns();
	r->deadline_mono_ms = deadline < r->due_mono_ms ? deadline : r->due_mono_ms;
}

/* Details hold file names, which may be cut in the middle of a character: plain ASCII for all. */
static void
detail_clean(char *detail)
{
	for (; *detail != '\0'; detail++)
		if (*detail < ' ' || *detail > '~')
			*detail = '?';
}

static void
deliver(struct probe_run *r, enum probe_reason reason)
{
	struct probe_result *res = &r->result;

	res->reason = reason;
	if (reason == PROBE_OK)
		res->detail[0] = '\0';
	detail_clean(res->detail);
	for (unsigned s = 0; s < PROBE_SERIES; s++)
		if ((r->due_values & bit(s)) != 0 && res->value[s].got == PROBE_ABSENT)
			res->value[s].got =
			    reason == PROBE_FAIL_TIMEOUT ? PROBE_LATE : PROBE_MISSING;
	/* What we could not try says nothing about the service. */
	if (reason == PROBE_FAIL_INTERNAL)
		res->value[PROBE_UP].got = PROBE_MISSING;
	else
		have(r, PROBE_UP, reason == PROBE_OK ? 1 : 0);
	r->phase = PHASE_IDLE;
	r->again = false;
	r->env->result(r->env->ctx, res);
}

static void fail(struct probe_run *r, enum probe_reason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
fail(struct probe_run *r, enum probe_reason reason, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->result.detail, sizeof(r->result.detail), fmt, ap);
	va_end(ap);
	probe_job_drop(r->job);
	r->job = NULL;
	connection_close(r);
	deliver(r, reason);
}

/* The answer is whole: is it what was expected? */
static void
answered(struct probe_run *r)
{
	const struct probe_http *h = &r->http;
	char *detail = r->result.detail;
	const size_t size = sizeof(r->result.detail);
	enum probe_reason reason = PROBE_OK;

	have(r, PROBE_TRANSFER_MS, ms_since(r->phase_ns));
	have(r, PROBE_TOTAL_MS, ms_since(r->run_ns));
	if (r->due_values & bit(PROBE_BODY_BYTES))
		have(r, PROBE_BODY_BYTES, (double)h->body_bytes);
	if (r->needle.len > 0)
		have(r, PROBE_BODY_MATCH, h->matched ? 1 : 0);
	if (!h->reusable || !r->conf->keep_alive)
		connection_close(r);

	if (r->url.tls && r->peer.bad) {
		reason = PROBE_FAIL_CERTIFICATE;
		snprintf(detail, size, "%s", r->peer.why);
	} else if (!probe_status_in(r->conf->expect_status, h->status)) {
		reason = PROBE_FAIL_STATUS;
		snprintf(
		    detail, size, "status %d, expected %.100s", h->status, r->conf->expect_status);
	} else if (r->needle.len > 0 && !h->matched) {
		reason = PROBE_FAIL_BODY;
		snprintf(detail, size,
		    "the expected text is not in the first %llu bytes of the body",
		    (unsigned long long)h->body_bytes);
	}
	deliver(r, reason);
}

/* ---- request ---- */

static bool
has_header(const struct probe_conf *c, const char *name)
{
	for (size_t i = 0; i < c->headers.n; i++)
		if (strcasecmp(c->headers.key[i], name) == 0)
			return true;
	return false;
}

static int
request_make(struct probe_run *r, struct bl_err *err)
{
	const struct probe_conf *c = r->conf;
	FILE *f = open_memstream(&r->request, &r->request_len);

	if (f == NULL)
		return bl_fail(err, BL_ENOMEM, "probe %s: out of memory", c->name);
	fprintf(f, "%s %s HTTP/1.1\r\n", c->method == PROBE_HEAD ? "HEAD" : "GET", r->url.target);
	if (!has_header(c, "Host"))
		fprintf(f, "Host: %s\r\n", r->url.authority);
	if (!has_header(c, "User-Agent"))
		fprintf(f, "User-Agent: branchline/%s\r\n", BL_VERSION);
	if (!has_header(c, "Accept"))
		fprintf(f, "Accept: */*\r\n");
	if (!c->keep_alive)
		fprintf(f, "Connection: close\r\n");
	for (size_t i = 0; i < c->headers.n; i++)
		fprintf(f, "%s: %s\r\n", c->headers.key[i], c->headers.value[i]);
	fprintf(f, "\r\n");
	if (fclose(f) != 0)
		return bl_fail(err, BL_ENOMEM, "probe %s: out of memory", c->name);
	if (r->request_len > REQUEST_MAX)
		return bl_fail(err, BL_EINVAL, "probe %s: its headers are longer than %u bytes",
		    c->name, REQUEST_MAX);
	return BL_OK;
}

int
probe_run_init(struct probe_run *r, struct probe_env *env, const struct probe_conf *conf,
    unsigned index, struct bl_err *err)
{
	const char *expected;

	memset(r, 0, sizeof(*r));
	r->fd = -1;
	r->env = env;
	r->conf = conf;
	r->index = index;
	if ((expected = probe_url_parse(conf->url, &r->url)) != NULL)
		return bl_fail(err, BL_EINVAL, "probe %s: url: expected %s", conf->name, expected);
	if ((expected = probe_status_check(conf->expect_status)) != NULL)
		return bl_fail(
		    err, BL_EINVAL, "probe %s: expect_status: expected %s", conf->name, expected);
	if (conf->interval_ms <= 0 || conf->timeout_ms <= 0 || conf->body_max_bytes <= 0)
		return bl_fail(err, BL_EINVAL,
		    "probe %s: interval, timeout and body_max must be > 0", conf->name);
	probe_needle_init(&r->needle, conf->method == PROBE_HEAD ? "" : conf->expect_body);
	return request_make(r, err);
}

void
probe_run_release(struct probe_run *r)
{
	probe_job_drop(r->job);
	r->job = NULL;
	connection_close(r);
	free(r->request);
	r->request = NULL;
}

/* ---- the way to the server ---- */

static void
address_text(const struct probe_addr *a, char *out, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (a->ss.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->ss;

		(void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(out, size, "[%s]:%u", host, ntohs(in6->sin6_port));
	} else {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&a->ss;

		(void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(out, size, "%s:%u", host, ntohs(in->sin_port));
	}
}

static enum probe_reason
reason_of_errno(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return PROBE_FAIL_REFUSED;
	case ETIMEDOUT:
		return PROBE_FAIL_TIMEOUT;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return PROBE_FAIL_INTERNAL;
	default: /* ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL, EACCES of a firewall ... */
		return PROBE_FAIL_UNREACHABLE;
	}
}

/* Starts connecting to one address.  0: begun; else errno. */
static int
dial(struct probe_run *r, const struct probe_addr *a)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
	};
	const int one = 1;
	int error = 0;

	connection_close(r);
	r->fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->fd < 0)
		return errno;
	/* A request and a TLS flight each leave in one piece: nothing to wait for. */
	(void)setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	ev.data.u64 = (uint64_t)r->generation << 32 | r->index;
	if (epoll_ctl(r->env->epoll_fd, EPOLL_CTL_ADD, r->fd, &ev) < 0)
		return errno;
	if (connect(r->fd, (const struct sockaddr *)&a->ss, a->len) < 0 && errno != EINPROGRESS)
		error = errno;
	return error;
}

/*
 * The current address, or when it fails at once the next one.  Those left
 * share what is left of the phase, so that a silent one leaves time for others.
 */
static void
connect_next(struct probe_run *r)
{
	int error = EHOSTUNREACH;
	char text[80];

	for (; r->addr_at < r->n_addrs; r->addr_at++) {
		const int64_t now = bl_mono_ms(r->env->clock);
		const int64_t left = r->connect_end_mono_ms - now;

		r->deadline_mono_ms = now + left / (int64_t)(r->n_addrs - r->addr_at);
		if ((error = dial(r, &r->addr[r->addr_at])) == 0)
			return;
	}
	address_text(&r->addr[r->n_addrs - 1], text, sizeof(text));
	fail(r, reason_of_errno(error), "connect %s: %s", text, strerror(error));
}

static void
connect_begin(struct probe_run *r)
{
	phase_begin(r, PHASE_CONNECT);
	r->connect_end_mono_ms = r->deadline_mono_ms;
	r->addr_at = 0;
	connect_next(r);
}

static void
connect_step(struct probe_run *r)
{
	int error = 0;
	socklen_t len = sizeof(error);
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof(peer);

	if (getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0 && getpeername(r->fd, (struct sockaddr *)&peer, &peer_len) < 0)
		return; /* still under way */
	if (error != 0) {
		char text[80];

		address_text(&r->addr[r->addr_at], text, sizeof(text));
		if (++r->addr_at < r->n_addrs)
			connect_next(r);
		else
			fail(r, reason_of_errno(error), "connect %s: %s", text, strerror(error));
		return;
	}
	have(r, PROBE_CONNECT_MS, ms_since(r->phase_ns));
	if (r->url.tls) {
		struct bl_err err = { 0 };

		phase_begin(r, PHASE_TLS);
		if (probe_tls_create(&r->tls, r->env->tls, r->fd, &r->url,
			is_set(r->conf->ca_file) ? r->conf->ca_file : "", r->conf->verify,
			&err) < 0)
			fail(r, PROBE_FAIL_INTERNAL, "%s", err.msg);
	} else {
		phase_begin(r, PHASE_FIRST_BYTE);
	}
}

static void
literal_address(struct probe_run *r)
{
	struct probe_addr *a = &r->addr[0];

	memset(a, 0, sizeof(*a));
	if (strchr(r->url.host, ':') != NULL) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->ss;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(r->url.port);
		(void)inet_pton(AF_INET6, r->url.host, &in6->sin6_addr);
		a->len = sizeof(*in6);
	} else {
		struct sockaddr_in *in = (struct sockaddr_in *)&a->ss;

		in->sin_family = AF_INET;
		in->sin_port = htons(r->url.port);
		(void)inet_pton(AF_INET, r->url.host, &in->sin_addr);
		a->len = sizeof(*in);
	}
	r->n_addrs = 1;
}

static void
fresh_begin(struct probe_run *r)
{
	connection_close(r);
	r->sent = 0;
	r->result.reused = false;
	r->due_values = values_due(r, false);
	if (r->url.literal) {
		literal_address(r);
		connect_begin(r);
		return;
	}
	phase_begin(r, PHASE_DNS);
	r->job = probe_job_start(r->env->resolver, r->url.host, r->url.port);
	if (r->job == NULL)
		fail(r, PROBE_FAIL_DNS, "look up %.100s: too many look-ups hang already",
		    r->url.host);
}

static void
dns_step(struct probe_run *r)
{
	int rc;

	if (!probe_job_done(r->job, &rc, r->addr, &r->n_addrs))
		return;
	probe_job_drop(r->job);
	r->job = NULL;
	if (rc != 0) {
		const bool ours = rc == EAI_MEMORY || rc == EAI_SYSTEM;

		fail(r, ours ? PROBE_FAIL_INTERNAL : PROBE_FAIL_DNS, "look up %.100s: %s",
		    r->url.host, gai_strerror(rc));
		return;
	}
	have(r, PROBE_DNS_MS, ms_since(r->phase_ns));
	connect_begin(r);
}

static void
certificate_put(struct probe_run *r)
{
	const double left_s =
	    (double)r->peer.not_after_unix_s - (double)bl_unix_ms(r->env->clock) / 1e3;

	/* A tenth of a day: it changes ten times a day, not with every sample. */
	if (r->peer.not_after_unix_s != 0)
		have(r, PROBE_CERTIFICATE_DAYS, floor(left_s / 8640.0) / 10.0);
}

static void
tls_step(struct probe_run *r)
{
	struct bl_err err = { 0 };

	switch (probe_tls_step(r->tls, &err)) {
	case PROBE_IO_AGAIN:
		return;
	case PROBE_IO_OK:
		have(r, PROBE_TLS_MS, ms_since(r->phase_ns));
		probe_tls_peer(r->tls, &r->peer);
		certificate_put(r);
		phase_begin(r, PHASE_FIRST_BYTE);
		return;
	default:
		fail(r, PROBE_FAIL_TLS, "%s", err.msg);
	}
}

/* ---- talking ---- */

static enum probe_io
plain_result(ssize_t n, size_t *out, const char *what, struct bl_err *err)
{
	*out = n > 0 ? (size_t)n : 0;
	if (n > 0)
		return PROBE_IO_OK;
	if (n == 0)
		return PROBE_IO_END;
	if (errno == EAGAIN || errno == EINTR)
		return PROBE_IO_AGAIN;
	bl_fail_errno(err, BL_ENET, "%s", what);
	return PROBE_IO_FAIL;
}

static enum probe_io
io_send(struct probe_run *r, const char *data, size_t len, size_t *n, struct bl_err *err)
{
	if (r->tls != NULL)
		return probe_tls_send(r->tls, data, len, n, err);
	return plain_result(send(r->fd, data, len, MSG_NOSIGNAL), n, "send the request", err);
}

static enum probe_io
io_recv(struct probe_run *r, char *data, size_t size, size_t *n, struct bl_err *err)
{
	if (r->tls != NULL)
		return probe_tls_recv(r->tls, data, size, n, err);
	return plain_result(recv(r->fd, data, size, 0), n, "read the answer", err);
}

/* The connection is of no use any more, and no byte of an answer has come: whose fault is that? */
static void
lost(struct probe_run *r, const char *why)
{
	if (r->result.reused) {
		memset(r->result.value, 0, sizeof(r->result.value));
		fresh_begin(r);
		return;
	}
	fail(r, PROBE_FAIL_HTTP, "%s", why);
}

/* False: the run is elsewhere now. */
static bool
send_step(struct probe_run *r)
{
	while (r->sent < r->request_len) {
		struct bl_err err = { 0 };
		size_t n;
		const enum probe_io io =
		    io_send(r, r->request + r->sent, r->request_len - r->sent, &n, &err);

		if (io == PROBE_IO_AGAIN)
			return true;
		if (io != PROBE_IO_OK) {
			lost(r, err.msg);
			return false;
		}
		r->sent += n;
	}
	return true;
}

/* Bytes of the answer.  False: nothing more to read now. */
static bool
take(struct probe_run *r, size_t n)
{
	struct probe_http *h = &r->http;
	enum probe_http_verdict v;
	size_t used;

	if (r->phase == PHASE_FIRST_BYTE) {
		have(r, PROBE_FIRST_BYTE_MS, ms_since(r->phase_ns));
		phase_begin(r, PHASE_TRANSFER);
	}
	v = probe_http_feed(h, r->env->buf, n, &used);
	if (h->status >= 200)
		have(r, PROBE_STATUS_CODE, h->status);
	if (v == PROBE_HTTP_MORE)
		return true;
	if (v == PROBE_HTTP_WRONG) {
		fail(r, PROBE_FAIL_HTTP, "%s", h->error);
		return false;
	}
	if (used < n)
		h->reusable = false; /* bytes behind the answer: the two sides do not agree */
	answered(r);
	return false;
}

static void
stream_end(struct probe_run *r)
{
	if (r->phase == PHASE_FIRST_BYTE) {
		lost(r, "the server closed the connection before an answer");
		return;
	}
	if (probe_http_end(&r->http) == PROBE_HTTP_DONE)
		answered(r);
	else
		fail(r, PROBE_FAIL_HTTP, "%s", r->http.error);
}

static void
talk_step(struct probe_run *r)
{
	if (!send_step(r))
		return;
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		struct bl_err err = { 0 };
		size_t n;

		switch (io_recv(r, r->env->buf, sizeof(r->env->buf), &n, &err)) {
		case PROBE_IO_OK:
			if (!take(r, n))
				return;
			break;
		case PROBE_IO_AGAIN:
			return;
		case PROBE_IO_END:
			stream_end(r);
			return;
		case PROBE_IO_FAIL:
			if (r->phase == PHASE_FIRST_BYTE)
				lost(r, err.msg);
			else
				fail(r, PROBE_FAIL_HTTP, "%s", err.msg);
			return;
		}
	}
	r->again = true;
}

/* ---- what prober.c calls ---- */

void
probe_run_begin(struct probe_run *r)
{
	const bool reused = r->fd >= 0;

	memset(&r->result, 0, sizeof(r->result));
	r->result.probe = r->index;
	r->result.boot_ms = bl_boot_ms(r->env->clock);
	r->run_ns = now_ns();
	r->sent = 0;
	probe_http_init(
	    &r->http, r->conf->method == PROBE_HEAD, (uint64_t)r->conf->body_max_bytes, &r->needle);
	if (!reused) {
		fresh_begin(r);
	} else {
		r->result.reused = true;
		r->due_values = values_due(r, true);
		if (r->url.tls)
			certificate_put(r);
		phase_begin(r, PHASE_FIRST_BYTE);
	}
	probe_run_step(r);
}

void
probe_run_step(struct probe_run *r)
{
	enum probe_phase before;
	uint32_t generation;

	/* As long as a step leads into another phase, the next one may be possible at once. */
	do {
		before = r->phase;
		generation = r->generation;
		r->again = false;
		switch (r->phase) {
		case PHASE_IDLE:
			return;
		case PHASE_DNS:
			dns_step(r);
			break;
		case PHASE_CONNECT:
			connect_step(r);
			break;
		case PHASE_TLS:
			tls_step(r);
			break;
		case PHASE_FIRST_BYTE:
		case PHASE_TRANSFER:
			talk_step(r);
			break;
		}
	} while ((r->phase != before && r->phase != PHASE_TRANSFER) || generation != r->generation);
}

void
probe_run_timeout(struct probe_run *r)
{
	static const char *const doing[] = {
		[PHASE_IDLE] = "nothing",
		[PHASE_DNS] = "the name look-up",
		[PHASE_CONNECT] = "the TCP connect",
		[PHASE_TLS] = "the TLS handshake",
		[PHASE_FIRST_BYTE] = "the first byte of the answer",
		[PHASE_TRANSFER] = "the rest of the answer",
	};
	const char *what = doing[r->phase];

	if (r->phase == PHASE_CONNECT && r->addr_at + 1 < r->n_addrs) {
		r->addr_at++;
		connect_next(r);
		probe_run_step(r);
		return;
	}
	fail(r, PROBE_FAIL_TIMEOUT, "%s took longer than %.0f ms", what, ms_since(r->phase_ns));
}

void
probe_run_idle_event(struct probe_run *r)
{
	char byte;
	const ssize_t n = recv(r->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	/* An event of bytes that the run itself has read already says nothing. */
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	connection_close(r);
}
