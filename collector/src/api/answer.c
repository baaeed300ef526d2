/* Answers: JSON, RFC 9457 problems, the headers of every answer. */
#include "api_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	unsigned status;
	const char *title;
} titles[] = {
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 409, "Conflict" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 415, "Unsupported Media Type" },
	{ 422, "Unprocessable Content" },
	{ 429, "Too Many Requests" },
	{ 500, "Internal Server Error" },
	{ 503, "Service Unavailable" },
	{ 507, "Insufficient Storage" },
};

/* Stable: clients tell them apart by these. */
static const char *const codes[API_PROBLEM_CODES] = { "not_signed_in", "wrong_credentials",
	"forbidden", "cross_origin", "not_found", "method_not_allowed", "conflict", "exists",
	"precondition_failed", "too_large", "unsupported_media_type", "invalid_json",
	"invalid_field", "too_many_requests", "too_many_points", "busy", "internal",
	"invalid_request", "no_room", "unavailable" };

const char *
api_problem_code(size_t i)
{
	return codes[i];
}

static const char *
title_of(unsigned status)
{
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Error";
}

/*
 * Strict transport is not asked for on a loopback name: the header counts for
 * all ports of a name, and a developer's other servers on localhost are none of ours.
 */
static bool
loopback_name(const char *host)
{
	return host == NULL || strncmp(host, "localhost", 9) == 0 ||
	       strncmp(host, "127.", 4) == 0 || strncmp(host, "[::1]", 5) == 0;
}

void
api_common_headers(struct http_answer *a, const struct http_request *q, bool store)
{
	http_answer_header(a, "Content-Security-Policy",
	    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
	    "img-src 'self' data:; style-src 'self' 'unsafe-inline'");
	http_answer_header(a, "X-Content-Type-Options", "nosniff");
	http_answer_header(a, "Referrer-Policy", "no-referrer");
	if (!store)
		http_answer_header(a, "Cache-Control", "no-store");
	if (!q->local_socket && !loopback_name(http_header(q, "Host")))
		http_answer_header(a, "Strict-Transport-Security", "max-age=31536000");
}

int
api_json_send(struct api_req *r, unsigned status)
{
	size_t len;

	if (jsonw_text(&r->w, &len) == NULL)
		return BL_EFULL;
	r->answer->status = status;
	r->answer->content_type = "application/json";
	r->answer->body = (char *)r->w.buf.data; /* handed over */
	r->answer->len = len;
	r->w.buf.data = NULL;
	r->w.buf.len = r->w.buf.size = 0;
	return BL_OK;
}

void
api_no_content(struct api_req *r)
{
	r->answer->status = 204;
}

void
api_etag(struct api_req *r, int64_t version)
{
	char tag[32];

	(void)snprintf(tag, sizeof(tag), "\"%lld\"", (long long)version);
	http_answer_header(r->answer, "ETag", tag);
}

static void
count_problem(struct api *api, const char *code)
{
	for (size_t i = 0; i < API_PROBLEM_CODES; i++)
		if (strcmp(codes[i], code) == 0)
			atomic_fetch_add_explicit(&api->problems[i], 1, memory_order_relaxed);
}

void
api_problem_fill(struct api *api, struct http_answer *a, unsigned status, const char *code,
    const char *detail, const struct field_errors *errs)
{
	struct jsonw w;

	count_problem(api, code);
	jsonw_init(&w, 64u * 1024u);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "type", "about:blank");
	jsonw_str(&w, "title", title_of(status));
	jsonw_int(&w, "status", status);
	jsonw_str(&w, "code", code);
	jsonw_str(&w, "detail", detail);
	jsonw_array(&w, "errors");
	for (size_t i = 0; errs != NULL && i < errs->n && i < SCHEMA_ERRORS_MAX; i++) {
		const struct field_error *e = &errs->e[i];
		jsonw_object(&w, NULL);
		jsonw_str(&w, "field", e->field);
		jsonw_str(&w, "expected", e->expected);
		jsonw_str(&w, "got", e->got);
		jsonw_str(&w, "suggestion", e->suggestion[0] != '\0' ? e->suggestion : NULL);
		if (e->column > 0)
			jsonw_int(&w, "column", e->column);
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	a->status = status;
	http_answer_drop_stream(a);
	free(a->body);
	a->body = NULL;
	if (jsonw_text(&w, &a->len) == NULL) {
		jsonw_free(&w); /* out of memory: the status alone has to say it */
		return;
	}
	a->content_type = "application/problem+json";
	a->body = (char *)w.buf.data;
}

void
api_problem(struct api_req *r, unsigned status, const char *code, const char *detail, ...)
{
	char text[512];
	va_list args;

	va_start(args, detail);
	(void)vsnprintf(text, sizeof(text), detail, args);
	va_end(args);
	api_problem_fill(r->api, r->answer, status, code, text, NULL);
}

void
api_problem_fields(struct api_req *r, const struct field_errors *errs)
{
	char detail[512];
	size_t n;

	n = (size_t)snprintf(detail, sizeof(detail), "%zu field%s not valid: ", errs->n,
	    errs->n == 1 ? " is" : "s are");
	for (size_t i = 0; i < errs->n && i < SCHEMA_ERRORS_MAX && n < sizeof(detail) - 80; i++)
		n += (size_t)snprintf(
		    detail + n, sizeof(detail) - n, "%s%s", i > 0 ? ", " : "", errs->e[i].field);
	api_problem_fill(r->api, r->answer, 422, "invalid_field", detail, errs);
}

void
http_answer_drop_stream(struct http_answer *a)
{
	if (a->stream.next != NULL)
		a->stream.end(a->stream.ctx);
	a->stream.next = NULL;
}
