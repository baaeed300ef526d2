/*
 * The kind "http": the request, the answer, the verdict (phases and deadlines
 * are probe_kind.c's, the way to the server is probe_connect.c's).
 *
 * A kept connection that turns out to be closed before it gave a byte is not
 * the server's failure: the run starts over on a new one, once.
 */
#include "probe_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define ROUNDS_MAX  8u /* reads of PROBE_BUF_BYTES in one step: others want a turn too */
#define REQUEST_MAX (32u * 1024u)

static uint32_t
http_due(const struct probe_run *r, bool reused)
{
	uint32_t due = probe_bit(PROBE_UP) | probe_bit(PROBE_FIRST_BYTE_MS) |
		       probe_bit(PROBE_TRANSFER_MS) | probe_bit(PROBE_TOTAL_MS) |
		       probe_bit(PROBE_STATUS_CODE);

	if (!reused && !r->url.literal)
		due |= probe_bit(PROBE_DNS_MS);
	if (!reused)
		due |= probe_bit(PROBE_CONNECT_MS);
	if (!reused && r->url.tls)
		due |= probe_bit(PROBE_TLS_MS);
	if (r->url.tls)
		due |= probe_bit(PROBE_CERTIFICATE_DAYS);
	if (r->conf->method != PROBE_HEAD)
		due |= probe_bit(PROBE_BODY_BYTES);
	if (r->needle.len > 0)
		due |= probe_bit(PROBE_BODY_MATCH);
	return due;
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
	if (r->due_values & probe_bit(PROBE_BODY_BYTES))
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
	probe_run_done(r, reason);
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

static int
http_init(struct probe_run *r, struct bl_err *err)
{
	const struct probe_conf *conf = r->conf;
	const char *expected;
	int rc;

	if ((expected = probe_url_parse(conf->url, &r->url)) != NULL)
		return bl_fail(err, BL_EINVAL, "probe %s: url: expected %s", conf->name, expected);
	if ((expected = probe_status_check(conf->expect_status)) != NULL)
		return bl_fail(
		    err, BL_EINVAL, "probe %s: expect_status: expected %s", conf->name, expected);
	if (conf->body_max_bytes <= 0)
		return bl_fail(err, BL_EINVAL, "probe %s: body_max must be > 0", conf->name);
	probe_needle_init(&r->needle, conf->method == PROBE_HEAD ? "" : conf->expect_body);
	if (conf->tls_resume && r->url.tls && (rc = probe_sessions_create(&r->sessions, err)) < 0)
		return rc;
	return request_make(r, err);
}

static void
http_release(struct probe_run *r)
{
	probe_sessions_free(r->sessions);
	r->sessions = NULL;
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

/* ---- the kind ---- */

static void
http_begin(struct probe_run *r)
{
	const bool reused =
	    r->fd >= 0 && bl_mono_ms(r->env->clock) - r->connected_mono_ms < PROBE_KEEP_MAX_MS;

	r->sent = 0;
	probe_http_init(
	    &r->http, r->conf->method == PROBE_HEAD, (uint64_t)r->conf->body_max_bytes, &r->needle);
	if (!reused) {
		probe_connect_begin(r);
		return;
	}
	r->result.reused = true;
	r->due_values = http_due(r, true);
	if (r->url.tls)
		probe_connect_certificate(r);
	probe_run_phase(r, PHASE_FIRST_BYTE);
}

const struct probe_kind_ops probe_kind_http = {
	.name = "http",
	.init = http_init,
	.release = http_release,
	.due = http_due,
	.begin = http_begin,
	.talk = talk_step,
};
