/*
 * The kind "http": the request, the answer, the verdict (phases and deadlines
 * are probe_kind.c's, the way to the server is probe_connect.c's).
 *
 * A redirect that is followed is another request of the same run; its times
 * add up with those before it.  A kept connection that turns out to be closed before it gave a byte
 * is not the server's failure: the run starts over on a new one, once.
 */
#include "probe_http_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ROUNDS_MAX 8u /* reads of PROBE_BUF_BYTES in one step: others want a turn too */

/* What all runs of one probe share, and where the present one is. */
struct http {
	struct probe_url first; /* the address of the configuration; r->url is where we are */
	struct probe_proxy proxy;
	struct probe_want want;
	struct probe_body body;
	int method;
	unsigned hops;  /* redirects followed */
	bool over_kept; /* a connection that was used before: its end is not the server's failure */
	bool stale;     /* the request is to be made anew */
};

static uint32_t
http_due(const struct probe_run *r, bool reused)
{
	const struct http *k = r->kind;
	uint32_t due = probe_bit(PROBE_UP) | probe_bit(PROBE_FIRST_BYTE_MS) |
		       probe_bit(PROBE_TRANSFER_MS) | probe_bit(PROBE_TOTAL_MS) |
		       probe_bit(PROBE_STATUS_CODE);

	due |= probe_run_due_way(r, reused);
	if (!reused && r->url.tls && r->proxy != NULL)
		due |= probe_bit(PROBE_PROXY_MS);
	if (r->url.tls)
		due |= probe_bit(PROBE_CERTIFICATE_DAYS);
	if (k->method != PROBE_HEAD)
		due |= probe_bit(PROBE_BODY_BYTES);
	if (probe_want_any(&k->want))
		due |= probe_bit(PROBE_BODY_MATCH);
	return due;
}

/* ---- the request ---- */

/* The method may have changed on the way here; then the body was for another one. */
static const char *
body_of(const struct probe_run *r)
{
	const struct http *k = r->kind;

	return k->method == r->conf->method && r->conf->body != NULL ? r->conf->body : "";
}

/* What the configuration says to its server alone would go to somebody who may be another. */
static bool
is_withheld(const struct probe_run *r)
{
	const struct http *k = r->kind;

	return r->url.tls && r->peer.bad && probe_same_origin(&r->url, &k->first) &&
	       (r->conf->auth != PROBE_AUTH_NONE || r->conf->headers.n > 0 ||
		   body_of(r)[0] != '\0');
}

/* False: the run has ended. */
static bool
request_renew(struct probe_run *r)
{
	struct http *k = r->kind;
	const struct probe_conf *c = r->conf;
	const struct probe_request q = { .url = &r->url,
		.method = k->method,
		.body = body_of(r),
		.ours = probe_same_origin(&r->url, &k->first),
		.to_proxy = r->proxy != NULL && !r->url.tls,
		.conf = c };
	struct bl_err err = { 0 };
	int rc;

	if (r->request != NULL && !k->stale)
		return true;
	probe_request_free(r->request, r->request_len);
	r->request = NULL;
	r->request_len = 0;
	rc = probe_request_make(&q, &r->request, &r->request_len, &err);
	k->stale =
	    k->hops > 0 || c->auth != PROBE_AUTH_NONE || (q.to_proxy && c->proxy.user != NULL);
	if (rc == BL_OK)
		return true;
	r->due_values = http_due(r, false);
	probe_run_fail(
	    r, rc == BL_ENOMEM ? PROBE_FAIL_INTERNAL : PROBE_FAIL_NOT_ALLOWED, "%s", err.msg);
	return false;
}

static void
answer_begin(struct probe_run *r)
{
	struct http *k = r->kind;

	probe_http_init(
	    &r->http, k->method == PROBE_HEAD, (uint64_t)r->conf->body_max_bytes, &k->body);
}

/* Asks r->url, over the connection that there is or over a new one.  What it is to find out is set.
 */
static void
ask(struct probe_run *r, bool kept)
{
	struct http *k = r->kind;

	r->sent = 0;
	k->over_kept = kept;
	probe_body_begin(&k->body);
	answer_begin(r);
	if (!kept) {
		probe_connect_begin(r);
		return;
	}
	r->due_values = http_due(r, true);
	if (r->url.tls)
		probe_connect_certificate(r);
	probe_run_phase(r, PHASE_FIRST_BYTE);
}

/* ---- redirects ---- */

static void
go_on(struct probe_run *r, const struct probe_url *to)
{
	struct http *k = r->kind;
	const bool kept =
	    r->fd >= 0 && probe_same_origin(&r->url, to) && probe_method_repeatable(k->method);

	memcpy(r->before, r->result.value, sizeof(r->before));
	memset(r->result.value, 0, sizeof(r->result.value));
	r->url = *to;
	k->hops++;
	k->stale = true;
	probe_run_have(r, PROBE_REDIRECTS, k->hops);
	if (!kept)
		probe_run_close(r);
	if (!request_renew(r))
		return;
	ask(r, kept);
	r->again = r->again || kept; /* nothing will happen on the connection before we ask */
}

/* True: the answer leads elsewhere, and the run goes on there or has ended. */
static bool
follow(struct probe_run *r)
{
	struct http *k = r->kind;
	const struct probe_http *h = &r->http;
	struct probe_url to;
	const char *wrong;
	bool with_body;

	if (r->conf->redirects == 0 || !probe_redirect_status(h->status) ||
	    (r->url.tls && r->peer.bad))
		return false;
	wrong = probe_redirect_to(&r->url, h->location, &to);
	if (wrong == NULL && k->hops >= (unsigned)r->conf->redirects) {
		probe_run_fail(r, PROBE_FAIL_REDIRECT,
		    "status %d leads on from %.60s to %.60s, after %u redirects already", h->status,
		    r->url.authority, to.authority, k->hops);
		return true;
	}
	if (wrong != NULL) {
		probe_run_fail(r, PROBE_FAIL_REDIRECT, "status %d from %.80s: %s", h->status,
		    r->url.authority, wrong);
		return true;
	}
	k->method = probe_redirect_method(k->method, h->status);
	with_body = r->conf->body != NULL && k->method == r->conf->method;
	if ((wrong = probe_redirect_not(&r->url, &to, &k->first, with_body)) != NULL) {
		probe_run_fail(r, PROBE_FAIL_REDIRECT, "status %d from %.60s to %.60s %s",
		    h->status, r->url.authority, to.authority, wrong);
		return true;
	}
	go_on(r, &to);
	return true;
}

/* ---- the verdict ---- */

/* The answer is whole: is it what was expected? */
static enum probe_reason
judge(struct probe_run *r, const char *body_wrong)
{
	const struct http *k = r->kind;
	const int status = r->http.status;
	char *detail = r->result.detail;
	const size_t size = sizeof(r->result.detail);
	char at[80] = "";

	if (k->hops > 0)
		snprintf(at, sizeof(at), " (%.50s, redirect %u)", r->url.authority, k->hops);
	if (status == 407 && r->proxy != NULL && !r->url.tls) {
		probe_proxy_refusal(r, status, detail, size);
		return PROBE_FAIL_PROXY;
	}
	if (r->url.tls && r->peer.bad) {
		snprintf(detail, size, "%s%s", r->peer.why, at);
		return PROBE_FAIL_CERTIFICATE;
	}
	if (!probe_status_in(r->conf->expect_status, status)) {
		snprintf(detail, size, "status %d, expected %.60s%s", status,
		    r->conf->expect_status, at);
		return PROBE_FAIL_STATUS;
	}
	if (body_wrong != NULL) {
		snprintf(detail, size, "%.100s%s", body_wrong, at);
		return PROBE_FAIL_BODY;
	}
	return PROBE_OK;
}

static void
answered(struct probe_run *r)
{
	struct http *k = r->kind;
	const struct probe_http *h = &r->http;
	char why[160];
	const char *wrong = probe_body_end(&k->body, why, sizeof(why));

	probe_run_have(r, PROBE_TRANSFER_MS, probe_run_ms_since(r->phase_ns));
	probe_run_have(r, PROBE_TOTAL_MS, probe_run_ms_since(r->run_ns));
	if (r->due_values & probe_bit(PROBE_BODY_BYTES))
		probe_run_have(r, PROBE_BODY_BYTES, (double)h->body_bytes);
	if (r->due_values & probe_bit(PROBE_BODY_MATCH))
		probe_run_have(r, PROBE_BODY_MATCH, wrong == NULL ? 1 : 0);
	if (!h->reusable || !r->conf->keep_alive)
		probe_run_close(r);
	if (!follow(r))
		probe_run_done(r, judge(r, wrong));
}

/* ---- once ---- */

static int
http_init(struct probe_run *r, struct bl_err *err)
{
	const struct probe_conf *conf = r->conf;
	struct http *k = calloc(1, sizeof(*k));
	const char *expected;
	int rc;

	if ((r->kind = k) == NULL)
		return bl_fail(err, BL_ENOMEM, "probe %s: out of memory", conf->name);
	if ((expected = probe_url_parse(conf->url, &k->first)) != NULL)
		return bl_fail(err, BL_EINVAL, "probe %s: url: expected %s", conf->name, expected);
	if ((expected = probe_status_check(conf->expect_status)) != NULL)
		return bl_fail(
		    err, BL_EINVAL, "probe %s: expect_status: expected %s", conf->name, expected);
	if (conf->body_max_bytes <= 0)
		return bl_fail(err, BL_EINVAL, "probe %s: body_max must be > 0", conf->name);
	r->url = k->first;
	k->method = conf->method;
	r->needs_tls = r->url.tls || conf->redirects > 0;
	if ((rc = probe_proxy_init(&k->proxy, conf, err)) < 0)
		return rc;
	r->proxy = k->proxy.used ? &k->proxy.at : NULL;
	if ((rc = probe_want_init(&k->want, conf, err)) < 0)
		return rc;
	if ((rc = probe_body_init(&k->body, &k->want, (uint64_t)conf->body_max_bytes, err)) < 0)
		return rc;
	if (conf->tls_resume && r->needs_tls)
		return probe_sessions_create(&r->sessions, err);
	return BL_OK;
}

static void
http_release(struct probe_run *r)
{
	struct http *k = r->kind;

	probe_sessions_free(r->sessions);
	r->sessions = NULL;
	probe_request_free(r->request, r->request_len);
	r->request = NULL;
	if (k == NULL)
		return;
	probe_proxy_release(&k->proxy);
	probe_body_release(&k->body);
	probe_want_release(&k->want);
	free(k);
	r->kind = NULL;
}

/* ---- talking ---- */

/* ---- through a proxy ---- */

static bool
http_connected(struct probe_run *r)
{
	struct http *k = r->kind;

	if (r->proxy == NULL || !r->url.tls)
		return false;
	probe_proxy_begin(&k->proxy, r);
	return true;
}

static void
http_tunnel(struct probe_run *r)
{
	struct http *k = r->kind;

	probe_proxy_step(&k->proxy, r);
	if (r->phase == PHASE_TLS)
		answer_begin(r); /* it was the proxy's that was read until now */
}

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
	struct http *k = r->kind;

	if (k->over_kept) {
		k->over_kept = false;
		memset(r->result.value, 0, sizeof(r->result.value));
		if (r->conf->redirects > 0)
			probe_run_have(r, PROBE_REDIRECTS, k->hops);
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
	if (is_withheld(r)) {
		probe_run_fail(r, PROBE_FAIL_CERTIFICATE, "%s; nothing was sent", r->peer.why);
		return;
	}
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
	struct http *k = r->kind;
	bool kept;

	if (!probe_same_origin(&r->url, &k->first))
		probe_run_close(r); /* kept where a redirect had led to */
	if (r->tls != NULL && r->peer.undated != atomic_load(&r->env->clock_wrong))
		probe_run_close(
		    r); /* what was found out about its certificate is not so any more */
	r->url = k->first;
	k->method = r->conf->method;
	k->hops = 0;
	if (r->conf->redirects > 0)
		probe_run_have(r, PROBE_REDIRECTS, 0);
	kept = r->fd >= 0 && bl_mono_ms(r->env->clock) - r->connected_mono_ms < PROBE_KEEP_MAX_MS;
	if (!request_renew(r))
		return;
	r->result.reused = kept;
	ask(r, kept);
}

const struct probe_kind_ops probe_kind_http = {
	.name = "http",
	.init = http_init,
	.release = http_release,
	.due = http_due,
	.connected = http_connected,
	.tunnel = http_tunnel,
	.begin = http_begin,
	.talk = talk_step,
};
