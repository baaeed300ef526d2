/*
 * One run of one probe: its phases, the request, the answer, the verdict (the
 * way to the server is probe_connect.c's).
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

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
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
double
probe_run_ms_since(uint64_t from_ns)
{
	return round((double)(now_ns() - from_ns) / 1e4) / 100.0;
}

/* ---- values ---- */

void
probe_run_have(struct probe_run *r, enum probe_series s, double v)
{
	r->result.value[s] = (struct probe_value){ PROBE_HAVE, v };
}

static uint32_t
bit(enum probe_series s)
{
	return 1u << s;
}

uint32_t
probe_run_due(const struct probe_run *r, bool reused)
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

void
probe_run_close(struct probe_run *r)
{
	probe_tls_free(r->tls);
	r->tls = NULL;
	if (r->fd >= 0)
		(void)close(r->fd); /* a socket: nothing of ours is lost by its failure */
	r->fd = -1;
	r->generation++;
}

void
probe_run_phase(struct probe_run *r, enum probe_phase phase)
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
		probe_run_have(r, PROBE_UP, reason == PROBE_OK ? 1 : 0);
	r->phase = PHASE_IDLE;
	r->again = false;
	r->env->result(r->env->ctx, res);
}

void
probe_run_fail(struct probe_run *r, enum probe_reason reason, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->result.detail, sizeof(r->result.detail), fmt, ap);
	va_end(ap);
	probe_job_drop(r->job);
	r->job = NULL;
	probe_run_close(r);
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

	probe_run_have(r, PROBE_TRANSFER_MS, probe_run_ms_since(r->phase_ns));
	probe_run_have(r, PROBE_TOTAL_MS, probe_run_ms_since(r->run_ns));
	if (r->due_values & bit(PROBE_BODY_BYTES))
		probe_run_have(r, PROBE_BODY_BYTES, (double)h->body_bytes);
	if (r->needle.len > 0)
		probe_run_have(r, PROBE_BODY_MATCH, h->matched ? 1 : 0);
	if (!h->reusable || !r->conf->keep_alive)
		probe_run_close(r);

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
	probe_run_close(r);
	free(r->request);
	r->request = NULL;
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
		probe_connect_begin(r);
		return;
	}
	probe_run_fail(r, PROBE_FAIL_HTTP, "%s", why);
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
		probe_run_have(r, PROBE_FIRST_BYTE_MS, probe_run_ms_since(r->phase_ns));
		probe_run_phase(r, PHASE_TRANSFER);
	}
	v = probe_http_feed(h, r->env->buf, n, &used);
	if (h->status >= 200)
		probe_run_have(r, PROBE_STATUS_CODE, h->status);
	if (v == PROBE_HTTP_MORE)
		return true;
	if (v == PROBE_HTTP_WRONG) {
		probe_run_fail(r, PROBE_FAIL_HTTP, "%s", h->error);
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
		probe_run_fail(r, PROBE_FAIL_HTTP, "%s", r->http.error);
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
				probe_run_fail(r, PROBE_FAIL_HTTP, "%s", err.msg);
			return;
		}
	}
	r->again = true;
}

/* ---- what prober.c calls ---- */

void
probe_run_begin(struct probe_run *r)
{
	const bool reused =
	    r->fd >= 0 && bl_mono_ms(r->env->clock) - r->connected_mono_ms < PROBE_KEEP_MAX_MS;

	memset(&r->result, 0, sizeof(r->result));
	r->result.probe = r->index;
	r->result.boot_ms = bl_boot_ms(r->env->clock);
	r->run_ns = now_ns();
	r->sent = 0;
	probe_http_init(
	    &r->http, r->conf->method == PROBE_HEAD, (uint64_t)r->conf->body_max_bytes, &r->needle);
	if (!reused) {
		probe_connect_begin(r);
	} else {
		r->result.reused = true;
		r->due_values = probe_run_due(r, true);
		if (r->url.tls)
			probe_connect_certificate(r);
		probe_run_phase(r, PHASE_FIRST_BYTE);
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
			probe_connect_dns(r);
			break;
		case PHASE_CONNECT:
			probe_connect_tcp(r);
			break;
		case PHASE_TLS:
			probe_connect_tls(r);
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
		probe_connect_next(r);
		probe_run_step(r);
		return;
	}
	probe_run_fail(r, PROBE_FAIL_TIMEOUT, "%s took longer than %.0f ms", what,
	    probe_run_ms_since(r->phase_ns));
}

void
probe_run_idle_event(struct probe_run *r)
{
	char byte;
	const ssize_t n = recv(r->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	/* An event of bytes that the run itself has read already says nothing. */
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	probe_run_close(r);
}
