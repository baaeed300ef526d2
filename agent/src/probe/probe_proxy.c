/*
 * Through an HTTP proxy: CONNECT (RFC 9110, 9.3.6) before TLS begins, and what its
 * refusals mean.
 *
 * The proxy gets host and port of the server, and a password when it is to have
 * one: nothing else of the configuration, and the server gets nothing of the
 * proxy's.  Where no TLS is spoken there is no tunnel: probe_request.c then writes
 * the whole address into the request.
 */
#include "probe_http_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

const char *
probe_proxy_url(const char *text, struct probe_url *out)
{
	static const char expected[] = "http://HOST:PORT of an HTTP proxy, without user and path";
	const char *port = strrchr(text, ':');

	if (probe_url_parse(text, out) != NULL || out->tls || strcmp(out->target, "/") != 0 ||
	    port == strchr(text, ':') || strchr(port, ']') != NULL)
		return expected;
	return NULL;
}

static const char *
check_url(const void *value)
{
	struct probe_url url;

	return probe_proxy_url(*(char *const *)value, &url);
}

#define AT(member) offsetof(struct probe_proxy_conf, member)

static const struct bl_conf_key keys[] = {
	{ .name = "url",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(url),
	    .min = 1,
	    .max = 300,
	    .help = "http://HOST:PORT; none: the server is asked directly",
	    .check = check_url },
	{ .name = "user",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(user),
	    .max = PROBE_USER_MAX,
	    .help = "user name for the proxy (Basic); none: without signing in",
	    .check = probe_check_user },
	{ .name = "secret_file",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(secret_file),
	    .max = 4096,
	    .help = "file with its password in the first line, which nobody else may read" },
	{ 0 },
};

const struct bl_conf_section probe_proxy_section = { "proxy", sizeof(struct probe_proxy_conf), keys,
	NULL };

int
probe_proxy_init(struct probe_proxy *p, const struct probe_conf *conf, struct bl_err *err)
{
	const char *expected;

	memset(p, 0, sizeof(*p));
	if (conf->proxy.url == NULL)
		return BL_OK;
	if ((expected = probe_proxy_url(conf->proxy.url, &p->at)) != NULL)
		return bl_fail(
		    err, BL_EINVAL, "probe %s: proxy.url: expected %s", conf->name, expected);
	p->used = true;
	return BL_OK;
}

static void
forget(struct probe_proxy *p)
{
	probe_request_free(p->request, p->len);
	p->request = NULL;
	p->len = p->sent = 0;
}

void
probe_proxy_release(struct probe_proxy *p)
{
	forget(p);
}

/* ---- asking ---- */

/* A host that is an IPv6 address in brackets; the port always. */
static void
put_target(FILE *f, const struct probe_url *to)
{
	fprintf(f, strchr(to->host, ':') != NULL ? "[%s]:%u" : "%s:%u", to->host, to->port);
}

static int
make(struct probe_proxy *p, const struct probe_run *r, struct bl_err *err)
{
	FILE *f = open_memstream(&p->request, &p->len);
	int rc;

	if (f == NULL)
		return bl_fail(err, BL_ENOMEM, "probe %s: out of memory", r->conf->name);
	fputs("CONNECT ", f);
	put_target(f, &r->url);
	fputs(" HTTP/1.1\r\nHost: ", f);
	put_target(f, &r->url);
	fprintf(f, "\r\nUser-Agent: branchline/%s\r\n", BL_VERSION);
	rc = probe_request_proxy_put(f, &r->conf->proxy, err);
	fputs("\r\n", f);
	if (fclose(f) != 0 && rc == BL_OK)
		rc = bl_fail(err, BL_ENOMEM, "probe %s: out of memory", r->conf->name);
	return rc;
}

void
probe_proxy_begin(struct probe_proxy *p, struct probe_run *r)
{
	struct bl_err err = { 0 };
	int rc;

	forget(p);
	probe_run_phase(r, PHASE_PROXY);
	/* An answer to CONNECT has no body, whatever its headers say: like one to HEAD. */
	probe_http_init(&r->http, true, 1, NULL);
	if ((rc = make(p, r, &err)) < 0) {
		forget(p);
		probe_run_fail(r, rc == BL_ENOMEM ? PROBE_FAIL_INTERNAL : PROBE_FAIL_NOT_ALLOWED,
		    "%s", err.msg);
	}
}

/* ---- its answer ---- */

void
probe_proxy_refusal(const struct probe_run *r, int status, char *out, size_t size)
{
	const char *proxy = r->proxy->authority, *server = r->url.authority;

	if (status == 407)
		(void)snprintf(out, size, "the proxy %.60s wants %suser and password (status 407)",
		    proxy, r->conf->proxy.user != NULL ? "another " : "a ");
	else if (status == 403 || status == 405)
		(void)snprintf(out, size, "the proxy %.60s does not let us to %.60s (status %d)",
		    proxy, server, status);
	else if (status >= 502 && status <= 504)
		(void)snprintf(out, size, "the proxy %.60s cannot reach %.60s (status %d)", proxy,
		    server, status);
	else
		(void)snprintf(out, size, "the proxy %.60s refuses the way to %.60s (status %d)",
		    proxy, server, status);
}

static void
answered(struct probe_proxy *p, struct probe_run *r, bool more)
{
	char why[160];

	forget(p);
	if (r->http.status < 200 || r->http.status > 299) {
		probe_proxy_refusal(r, r->http.status, why, sizeof(why));
		probe_run_fail(r, PROBE_FAIL_PROXY, "%s", why);
	} else if (more) {
		probe_run_fail(r, PROBE_FAIL_PROXY,
		    "the proxy %.80s says more than that the way is open", r->proxy->authority);
	} else {
		probe_run_have(r, PROBE_PROXY_MS, probe_run_ms_since(r->phase_ns));
		probe_connect_through(r);
	}
}

/* False: the run has ended, or nothing more can be sent now. */
static bool
send_step(struct probe_proxy *p, struct probe_run *r)
{
	while (p->sent < p->len) {
		const ssize_t n = send(r->fd, p->request + p->sent, p->len - p->sent, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n < 0) {
			probe_run_fail(r, PROBE_FAIL_PROXY, "send to the proxy %.80s: %s",
			    r->proxy->authority, strerror(errno));
			return false;
		}
		p->sent += (size_t)n;
	}
	return true;
}

void
probe_proxy_step(struct probe_proxy *p, struct probe_run *r)
{
	enum probe_http_verdict v = PROBE_HTTP_MORE;
	size_t used = 0;
	ssize_t n = 0;

	if (!send_step(p, r))
		return;
	/* Its end is near: probe_http.c bounds headers and interim answers. */
	while (v == PROBE_HTTP_MORE) {
		n = recv(r->fd, r->env->buf, sizeof(r->env->buf), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			probe_run_fail(r, PROBE_FAIL_PROXY, "the proxy %.80s %s",
			    r->proxy->authority,
			    n == 0 ? "closed the connection before it had answered"
				   : strerror(errno));
			return;
		}
		v = probe_http_feed(&r->http, r->env->buf, (size_t)n, &used);
	}
	if (v == PROBE_HTTP_WRONG)
		probe_run_fail(r, PROBE_FAIL_PROXY, "the proxy %.60s answers something else: %s",
		    r->proxy->authority, r->http.error);
	else
		answered(p, r, used < (size_t)n);
}
