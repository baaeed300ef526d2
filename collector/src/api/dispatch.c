/*
 * One request through its route: known?  allowed method?  same origin?  who?
 * may that one?  well-formed?  then the handler, and what its failure means.
 * Any of the server's threads.
 */
#include "api_internal.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"

static bool
unsafe(const struct http_request *q)
{
	return strcmp(q->method, "GET") != 0 && strcmp(q->method, "HEAD") != 0;
}

/* ---- the steps: each returns false after it has answered --------------- */

static bool
step_origin(struct api_req *r)
{
	if (r->http->local_socket) {
		if (!r->http->peer_allowed)
			api_problem(r, 403, "forbidden",
			    "Only root and the collector's own user may administrate here.");
		return r->http->peer_allowed;
	}
	if (!unsafe(r->http) || api_same_origin(r->api, r->http))
		return true;
	api_problem(r, 403, "cross_origin",
	    "A page of another origin asked for this change; it was not made.");
	return false;
}

static bool
step_permission(struct api_req *r)
{
	const bool somebody = r->has_session || r->http->local_socket;

	switch (r->route->permission) {
	case PERMIT_ANYONE:
		return true;
	case PERMIT_INSIDE:
		if (somebody || r->http->loopback)
			return true;
		break;
	case PERMIT_SESSION:
		if (r->has_session)
			return true;
		if (r->http->local_socket) {
			api_problem(r, 403, "forbidden",
			    "This is about one's own session; the local administrator has none.");
			return false;
		}
		break;
	case PERMIT_ROLE:
		if (somebody && api_permits(r->role, r->route))
			return true;
		if (somebody) {
			api_problem(r, 403, "forbidden",
			    "Your role does not allow this; nothing was done.");
			return false;
		}
		break;
	case PERMIT_NOBODY:
		assert(r->route->permission != PERMIT_NOBODY); /* a row without a class */
		break;
	}
	api_problem(r, 401, "not_signed_in", "Sign in first: there is no valid session.");
	return false;
}

static bool
step_query(struct api_req *r, void *out)
{
	static const struct schema none = { "", 1, NULL, 0 };
	const struct schema *schema = r->route->query != NULL ? r->route->query : &none;
	struct field_errors errs = { 0 };

	assert(schema->size <= SCHEMA_SIZE_MAX);
	if (!query_parse(r->api, schema, r->http, out, &errs)) {
		api_problem_fields(r, &errs);
		return false;
	}
	r->query = out;
	return true;
}

static bool
step_body(struct api_req *r, void *out, struct parsed_body **body)
{
	const struct http_request *q = r->http;
	struct field_errors errs = { 0 };
	char why[192];

	if (r->route->body == NULL) {
		if (q->body_len == 0)
			return true;
		api_problem(r, 400, "invalid_request", "This takes no body.");
		return false;
	}
	assert(r->route->body->size <= SCHEMA_SIZE_MAX);
	if (q->body_len > 0 && !http_is_json(http_header(q, "Content-Type"))) {
		api_problem(
		    r, 415, "unsupported_media_type", "The body has to be application/json.");
		return false;
	}
	switch (body_parse(r->api, r->route->body, q->body_len > 0 ? q->body : "", q->body_len, out,
	    body, &errs, why, sizeof(why))) {
	case BODY_OK:
		r->body = out;
		r->parsed = *body;
		return true;
	case BODY_NOT_JSON:
		api_problem(r, 400, "invalid_json", "The body is not a JSON object: %s.", why);
		return false;
	case BODY_INVALID:
		api_problem_fields(r, &errs);
		return false;
	}
	return false;
}

/* "\"7\"": one strong tag of ours; "*": whatever there is. */
static bool
step_if_match(struct api_req *r)
{
	const char *tag = http_header(r->http, "If-Match");
	char *end;
	size_t len;

	if (tag == NULL || strcmp(tag, "*") == 0 || !r->route->if_match)
		return true;
	len = strlen(tag);
	if (len > 2 && len < 21 && tag[0] == '"' && tag[len - 1] == '"' &&
	    strspn(tag + 1, "0123456789") == len - 2) {
		r->if_match = strtoll(tag + 1, &end, 10);
		if (r->if_match > 0)
			return true;
	}
	api_problem(r, 412, "precondition_failed",
	    "If-Match is not a version of this; read it again. Nothing was changed.");
	return false;
}

/* What a handler's failure means for the one who asked. */
static void
failed(struct api_req *r, int rc, const struct bl_err *err)
{
	switch (rc) {
	case BL_EBUSY:
	case BL_ETIMEDOUT:
		http_answer_header(r->answer, "Retry-After", "2");
		api_problem(
		    r, 503, "busy", "Too much is going on at once (%s); try again soon.", err->msg);
		return;
	case BL_EINVAL:
		api_problem(r, 422, "invalid_field", "%s", err->msg);
		return;
	case BL_EFULL:
		bl_error("api", "%s %s: %s", r->http->method, r->route->pattern, err->msg);
		if (unsafe(r->http))
			api_problem(r, 507, "no_room",
			    "There is no room on the collector's disk for this change (%s)."
			    " Nothing was changed; make room and try again.",
			    err->msg);
		else
			api_problem(r, 503, "busy", "There was no room for it: %s", err->msg);
		return;
	case BL_ECORRUPT:
		bl_error("api", "%s %s: %s (%s)", r->http->method, r->route->pattern, err->msg,
		    bl_code_name(rc));
		http_answer_header(r->answer, "Retry-After", "60");
		api_problem(r, 503, "unavailable",
		    "What this needs is damaged on the collector's disk and cannot be read. Its "
		    "log,"
		    " /readyz and the page of storage say where; what can still be had comes back"
		    " by itself, the rest gets its reason in the ledger. Nothing was changed.");
		return;
	case BL_EIO:
	case BL_EDENIED:
		/* Nothing to do with the question: the databases cannot be read or written now. */
		bl_error("api", "%s %s: %s (%s)", r->http->method, r->route->pattern, err->msg,
		    bl_code_name(rc));
		http_answer_header(r->answer, "Retry-After", "10");
		api_problem(r, 503, "unavailable",
		    "The collector's disk does not let it do this now; its log and /readyz say why."
		    " Nothing was changed.");
		return;
	default:
		bl_error("api", "%s %s: %s (%s)", r->http->method, r->route->pattern, err->msg,
		    bl_code_name(rc));
		api_problem(r, 500, "internal",
		    "The collector could not do this; its log says why. Nothing was changed.");
		return;
	}
}

static void
run(struct api_req *r)
{
	alignas(max_align_t) unsigned char body_room[SCHEMA_SIZE_MAX], query_room[SCHEMA_SIZE_MAX];
	struct parsed_body *body = NULL;
	struct bl_err err = { 0 };
	int rc;

	if (!step_origin(r))
		return;
	if ((rc = control_read_begin(r->api->opts.control, &r->db, &err)) < 0 ||
	    (rc = api_identify(r, &err)) < 0) {
		failed(r, rc, &err);
	} else if (step_permission(r) && step_query(r, query_room) && step_if_match(r) &&
		   step_body(r, body_room, &body)) {
		jsonw_init(&r->w, API_ANSWER_MAX);
		if ((rc = r->route->handler(r, &err)) < 0)
			failed(r, rc, &err);
		jsonw_free(&r->w);
	}
	body_free(body);
	control_read_end(r->api->opts.control, r->db);
	r->db = NULL;
	if (r->has_session)
		auth_session_seen(r->api->auth, &r->session);
}

int
api_db_renew(struct api_req *r, struct bl_err *err)
{
	control_read_end(r->api->opts.control, r->db);
	r->db = NULL;
	return control_read_begin(r->api->opts.control, &r->db, err);
}

static bool
is_api(const char *path)
{
	return strncmp(path, "/api/", 5) == 0 || strcmp(path, "/api") == 0;
}

/* Not a route: a file of the web app, or nothing. */
static void
no_route(struct api_req *r, enum route_match match, const char *allow)
{
	const bool read = !unsafe(r->http);

	if (match == ROUTE_NO_VERB || (!read && !is_api(r->http->path))) {
		http_answer_header(
		    r->answer, "Allow", match == ROUTE_NO_VERB ? allow : "GET, HEAD");
		api_problem(
		    r, 405, "method_not_allowed", "%.20s is not possible here.", r->http->method);
		return;
	}
	if (!is_api(r->http->path) && !r->http->local_socket &&
	    static_answer(r->api->files, r->http, r->answer))
		return;
	api_problem(r, 404, "not_found", "There is nothing at this address.");
}

static void
finish(struct api *api, const struct http_request *q, struct http_answer *a)
{
	bool cached = false;

	for (size_t i = 0; i < a->n_headers; i++)
		cached |= strcmp(a->header[i].name, "Cache-Control") == 0;
	api_compress(a, q);
	api_common_headers(a, q, cached);
	atomic_fetch_add_explicit(&api->requests[a->status / 100 % 6], 1, memory_order_relaxed);
}

void
api_handle(struct api *api, const struct http_request *q, struct http_answer *a)
{
	struct api_req r = { .api = api, .http = q, .answer = a };
	enum route_match match;
	char allow[64];

	match = route_find(
	    api_routes, api_n_routes, q->method, q->path, &r.route, r.param, allow, sizeof(allow));
	if (match == ROUTE_FOUND)
		run(&r);
	else
		no_route(&r, match, allow);
	finish(api, q, a);
}

void
api_refuse(struct api *api, const struct http_request *q, unsigned status, const char *code,
    const char *detail, struct http_answer *a)
{
	api_problem_fill(api, a, status, code, detail, NULL);
	finish(api, q, a);
}
