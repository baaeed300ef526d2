/* What a head asks for, and who may. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inlet_http_internal.h"
#include "local_text.h"
#include "probe_secret.h"

static const char words[] =
    "Programs of this machine report here. The answer comes when all is on disk.\n"
    "本机程序在此上报，全部写入磁盘后才应答。\n\n"
    "POST /v1/reports, application/json ([...]: up to 1000) or application/x-ndjson\n"
    "{\"report\":\"step\",\"phase\":\"begin\",\"case\":\"4711\",\"step\":\"picking\",\"id\":\"a1\"}"
    "\n"
    "{\"report\":\"case\",\"case\":\"4711\",\"process\":\"order\",\"status\":\"completed\"}\n"
    "{\"report\":\"event\",\"type\":\"till.opened\",\"attributes\":{\"till\":2}}\n"
    "{\"report\":\"metric\",\"name\":\"queue_length\",\"value\":3,\"labels\":{\"till\":\"2\"}}\n"
    "200: all stored 全部已保存; 422: some are wrong 部分有误; 503: try again 请重试\n"
    "The same id within 24 h is the same report. 24 小时内相同 id 视为同一上报。\n\n"
    "POST /v1/collectd: collectd, write_http, Format JSON\n";

/* A request that is refused before its body was read: what comes of it is thrown away. */
static void
refuse(struct inlet_http *in, struct inlet_http_client *c, int status,
    enum inlet_http_counter counter, const char *why)
{
	inlet_http_note(in, counter, 1, why);
	inlet_http_client_error(in, c, status, why);
}

/* Without a hint at where two texts begin to differ. */
static bool
same_secret(const char *a, const char *b)
{
	const size_t n = strlen(b);
	unsigned differs = strlen(a) != n;

	for (size_t i = 0; i < n; i++)
		differs |= (unsigned)(a[differs != 0 ? 0 : i] ^ b[i]);
	return differs == 0;
}

/* 0, or the status. */
static int
may_report(const struct inlet_http *in, const struct http_head *h, struct bl_err *err)
{
	char secret[PROBE_SECRET_MAX + 1];
	bool good;

	if (in->conf->token_file == NULL)
		return 0;
	if (probe_secret_read(secret, in->conf->token_file, err) < 0)
		return 503;
	good = strncasecmp(h->authorization, "bearer ", 7) == 0 &&
	       same_secret(h->authorization + 7, secret);
	explicit_bzero(secret, sizeof(secret));
	if (good)
		return 0;
	(void)bl_fail(err, BL_EDENIED,
	    "this inlet wants \"Authorization: Bearer TOKEN\", with the "
	    "token of inlets.http.token_file");
	return 401;
}

/* Programs of this machine alone: no page of a browser, whoever made it. */
static const char *
foreign(const struct inlet_http *in, const struct inlet_http_client *c, const struct http_head *h)
{
	if (c->from_port && !http_host_ok(h->host, &in->conf->hosts))
		return "this name is not known here: ask localhost, or put it in "
		       "inlets.http.hosts of the agent's configuration";
	if (h->has_origin || (h->fetch_site[0] != '\0' && strcmp(h->fetch_site, "none") != 0 &&
				 strcmp(h->fetch_site, "same-origin") != 0))
		return "web pages may not report here (Origin, Sec-Fetch-Site): let the page's "
		       "server do it";
	return NULL;
}

static bool
is_type(const char *type, const char *want)
{
	const size_t n = strlen(want);

	return strncmp(type, want, n) == 0 &&
	       (type[n] == '\0' || type[n] == ';' || type[n] == ' ' || type[n] == '\t');
}

/* 0, or the status that the request is refused with. */
static int
body_of(const struct inlet_http *in, const struct http_head *h, enum inlet_http_form *form,
    const char **why)
{
	*why = "expected Content-Type: application/json or application/x-ndjson";
	if (*form == INLET_HTTP_JSON && is_type(h->content_type, "application/x-ndjson"))
		*form = INLET_HTTP_LINES;
	else if (!is_type(h->content_type, "application/json"))
		return 415;
	*why = "a body is taken as it is, without a Content-Encoding";
	if (h->encoded)
		return 415;
	*why = "nothing else than 100-continue may be expected";
	if (h->expects_other)
		return 417;
	*why = "expected a Content-Length, or chunks";
	if (!h->chunked && !h->has_length)
		return 411;
	*why = "the body is longer than inlets.http.max_body; send it in parts";
	return h->length > (uint64_t)in->conf->max_body ? 413 : 0;
}

/* NULL, or why there is no room at the moment. */
static const char *
busy(const struct inlet_http *in, uint32_t user, const struct http_head *h)
{
	if (in->finishing)
		return "the agent ends; try again in a minute";
	if (in->stuck)
		return "not stored: what came before still waits for the disk; try again later";
	return inlet_http_has_memory(in, user, h->length)
		   ? NULL
		   : "too much is reported at once; try again in a second";
}

static void
begin_body(struct inlet_http *in, struct inlet_http_client *c, const struct http_head *h)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	c->state = INLET_HTTP_BODY;
	c->deadline_mono_ms = bl_mono_ms(in->host->clock) + INLET_HTTP_BODY_MS;
	c->chunked = h->chunked;
	c->left = h->length;
	memset(&c->chunk, 0, sizeof(c->chunk));
	bl_buf_init(&c->body, (size_t)in->conf->max_body);
	/* 25 bytes on a connection where nothing else is under way; if they do not go, it waits. */
	if (h->expects && c->in_len == 0 && (h->chunked || h->length > 0))
		(void)!send(c->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
post(struct inlet_http *in, struct inlet_http_client *c, const struct http_head *h)
{
	struct bl_err err = { 0 };
	const char *why;
	int status;

	if ((status = may_report(in, h, &err)) != 0) {
		refuse(in, c, status,
		    status == 401 ? INLET_HTTP_N_UNAUTHORIZED : INLET_HTTP_N_NO_TOKEN, err.msg);
		return;
	}
	if ((status = body_of(in, h, &c->form, &why)) != 0)
		refuse(in, c, status,
		    status == 413 ? INLET_HTTP_N_TOO_LARGE : INLET_HTTP_N_BAD_REQUESTS, why);
	else if ((why = busy(in, c->user, h)) != NULL)
		refuse(in, c, 503, in->stuck ? INLET_HTTP_N_NOT_STORED : INLET_HTTP_N_BUSY, why);
	else
		begin_body(in, c, h);
}

static void
say_words(struct inlet_http *in, struct inlet_http_client *c)
{
	local_text_put(&c->out, words);
	inlet_http_client_answer(in, c, 200, "text/plain; charset=utf-8");
}

static void
route(struct inlet_http *in, struct inlet_http_client *c, const struct http_head *h)
{
	static const struct {
		const char *path, *method;
		enum inlet_http_form form;
	} routes[] = {
		{ "/", "GET", INLET_HTTP_JSON },
		{ "/v1", "GET", INLET_HTTP_JSON },
		{ "/v1/", "GET", INLET_HTTP_JSON },
		{ "/v1/reports", "POST", INLET_HTTP_JSON },
		{ "/v1/collectd", "POST", INLET_HTTP_COLLECTD },
	};
	size_t i = 0;

	while (i < sizeof(routes) / sizeof(routes[0]) && strcmp(routes[i].path, h->path) != 0)
		i++;
	if (i == sizeof(routes) / sizeof(routes[0])) {
		refuse(in, c, 404, INLET_HTTP_N_BAD_REQUESTS,
		    "there is POST /v1/reports and POST /v1/collectd; GET /v1/ says how");
		return;
	}
	c->allow = routes[i].method[0] == 'P' ? "POST" : "GET, HEAD";
	c->form = routes[i].form;
	if (strcmp(c->head ? "GET" : h->method, routes[i].method) != 0)
		refuse(in, c, 405, INLET_HTTP_N_BAD_REQUESTS,
		    routes[i].method[0] == 'P' ? "this address takes POST; GET /v1/ says how"
					       : "this address takes GET");
	else if (routes[i].method[0] == 'P')
		post(in, c, h);
	else if (h->length > 0 || h->chunked)
		refuse(in, c, 400, INLET_HTTP_N_BAD_REQUESTS, "expected no body here");
	else
		say_words(in, c);
}

void
inlet_http_request(struct inlet_http *in, struct inlet_http_client *c, size_t head_len)
{
	struct http_head h;
	const int status = http_head_parse(c->in, head_len, &h);
	const char *why;

	c->in_len -= head_len;
	memmove(c->in, c->in + head_len, c->in_len);
	c->round++;
	c->keep = false;
	c->head = strcmp(h.method, "HEAD") == 0;
	in->count[INLET_HTTP_N_REQUESTS]++;
	if (status != 0) {
		refuse(in, c, status, INLET_HTTP_N_BAD_REQUESTS,
		    "this is no request of HTTP/1.1 that is understood here");
		return;
	}
	if ((why = foreign(in, c, &h)) != NULL) {
		refuse(in, c, 403, INLET_HTTP_N_FOREIGN, why);
		return;
	}
	c->keep = h.http_minor == 0 ? h.keep_alive : !h.close;
	route(in, c, &h);
}
