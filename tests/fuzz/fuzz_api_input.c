/*
 * libFuzzer target: what comes with a request, by the tables of every route:
 * target, path, query string, body, cookies and the headers that are looked
 * into.  The first byte chooses; the rest is text.
 *
 *	'0' a target, matched with the routes and asked of the query's schema
 *	'1' the lists and cookies of headers
 *	else a body for the route of that number
 */
#include "api_internal.h"
#include "fuzz.h"

static union {
	char room[SCHEMA_SIZE_MAX];
	int64_t aligned;
} out;

static void
check_faults(const struct field_errors *errs)
{
	for (size_t i = 0; i < errs->n && i < SCHEMA_ERRORS_MAX; i++)
		CHECK(errs->e[i].expected[0] != '\0');
}

static void
target(const char *text)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE",
		"X" };
	static struct http_request q;
	char param[ROUTE_PARAMS_MAX][ROUTE_PARAM_SIZE], allow[128];
	const struct route *route;

	if (!http_parse_target(&q, text))
		return;
	CHECK(q.path[0] == '/' && q.n_params <= HTTP_PARAMS_MAX);
	for (const char *p = q.path; *p != '\0'; p++)
		CHECK((unsigned char)*p >= 0x20 && *p != 0x7f);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		struct field_errors errs = { 0 };

		if (route_find(api_routes, api_n_routes, methods[i], q.path, &route, param, allow,
			sizeof(allow)) != ROUTE_FOUND)
			continue;
		if (route->query != NULL && !query_parse(NULL, route->query, &q, &out, &errs))
			CHECK(errs.n > 0);
		check_faults(&errs);
	}
}

static void
headers(const char *text)
{
	char value[64];

	if (http_cookie(text, API_COOKIE, value, sizeof(value)))
		CHECK(value[0] != '\0' && strlen(value) < sizeof(value));
	(void)http_accepts_coding(text, "gzip");
	(void)http_etag_listed(text, "\"7\"");
	(void)http_is_json(text);
	(void)static_type(text);
	(void)static_immutable(text);
}

static void
body(const struct route *route, const char *text, size_t len)
{
	struct field_errors errs = { 0 };
	struct parsed_body *parsed;
	char why[192] = "", *rest;
	enum body_outcome rc;

	rc = body_parse(NULL, route->body, text, len, &out, &parsed, &errs, why, sizeof(why));
	CHECK(rc != BODY_NOT_JSON || why[0] != '\0');
	CHECK((rc == BODY_INVALID) == (errs.n > 0));
	check_faults(&errs);
	if (rc == BODY_OK) {
		CHECK((rest = body_rest(parsed, route->body)) != NULL);
		free(rest);
	}
	body_free(parsed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct route *route;
	char *text;

	if (size == 0)
		return 0;
	text = fuzz_text(data + 1, size - 1);
	route = &api_routes[data[0] % api_n_routes];
	if (data[0] == '0')
		target(text);
	else if (data[0] == '1')
		headers(text);
	else if (route->body != NULL)
		body(route, text, size - 1);
	free(text);
	return 0;
}
