/*
 * What the files of this folder share: the running API, one request on its way
 * through it, the route table.
 */
#ifndef API_INTERNAL_H
#define API_INTERNAL_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "api.h"
#include "auth.h"
#include "fleet.h"
#include "http_internal.h"
#include "jsonw.h"
#include "route_internal.h"
#include "schema_internal.h"
#include "static_internal.h"
#include "store_read.h"

#define API_ANSWER_MAX   (16u * 1024u * 1024u)
#define API_READERS_MAX  64u
#define API_FRESH_MS     180000 /* data older than this are not current */
#define API_LIMIT_DFLT   200
#define API_LIMIT_MAX    1000
#define API_QUERIES_MAX  4 /* at once: others must find a thread */
#define API_QUERIES_WAIT 2 /* further ones that wait for a turn: a browser asks six at a time */
#define API_QUERY_WAIT_S 3
#define API_OVERVIEW_MS  2000 /* an overview may be shown again for this long */

/* Why requests were refused, for /metrics: one number a code of a problem. */
enum { API_PROBLEM_CODES = 18 };

struct overview_cache {
	pthread_mutex_t
	    lock; /* held while one is made: others wait for it instead of making theirs */
	char *text;
	size_t len;
	int64_t made_mono_ms;
	atomic_bool stale; /* sites or devices changed */
};

struct api {
	struct api_opts opts;
	char default_zone[FLEET_ZONE_MAX + 1];
	char **origins; /* own copies, NULL-terminated */
	struct auth *auth;
	struct static_files *files;
	struct http_server *https, *local;
	uint16_t port;
	int64_t started_unix_ms;

	pthread_mutex_t readers_lock; /* guards the two below */
	struct store_read *readers[API_READERS_MAX];
	unsigned n_readers;

	struct overview_cache overview;
	atomic_int queries;        /* running or waiting for a turn */
	sem_t query_turns;         /* API_QUERIES_MAX of them */
	atomic_ullong requests[6]; /* by hundreds of the status; [0] unused */
	atomic_ullong problems[API_PROBLEM_CODES];
};

/* One request, from its route to its answer. */
struct api_req {
	struct api *api;
	const struct http_request *http;
	struct http_answer *answer;
	const struct route *route;
	char param[ROUTE_PARAMS_MAX][ROUTE_PARAM_SIZE];
	const void *body;  /* by route->body; NULL when it has none */
	const void *query; /* by route->query */
	int64_t if_match;  /* 0: none given */

	enum auth_role role;
	bool has_session; /* session is one; else the local administrator, or nobody */
	struct auth_session session;
	struct control_actor actor;

	struct sqlite3 *db; /* read-only, lent for this request */
	struct jsonw w;     /* the answer, for api_json_send */
};

/* ---- answers: answer.c */

/* Sends what r->w holds.  0, or BL_EFULL when it did not fit. */
int api_json_send(struct api_req *r, unsigned status);
void api_no_content(struct api_req *r);
/* An RFC 9457 answer with a stable code; detail is a sentence for people. */
void api_problem(struct api_req *r, unsigned status, const char *code, const char *detail, ...)
    __attribute__((format(printf, 4, 5)));
void api_problem_fields(struct api_req *r, const struct field_errors *errs);
/* The same without a request on its way (framing). */
void api_problem_fill(struct api *api, struct http_answer *a, unsigned status, const char *code,
    const char *detail, const struct field_errors *errs);
void api_etag(struct api_req *r, int64_t version);
/* The headers of every answer. */
void api_common_headers(struct http_answer *a, const struct http_request *q, bool store);
const char *api_problem_code(size_t i);

/* Compresses a large body when the browser accepts it. */
void api_compress(struct http_answer *a, const struct http_request *q);

/* ---- dispatch.c */

void api_handle(struct api *api, const struct http_request *q, struct http_answer *a);
void api_refuse(struct api *api, const struct http_request *q, unsigned status, const char *code,
    const char *detail, struct http_answer *a);

/* ---- access.c */

/* May this role do what the route does? */
bool api_permits(enum auth_role role, const struct route *route);
/* Finds out who asks; r->has_session, role, actor.  Negative: could not be looked up. */
int api_identify(struct api_req *r, struct bl_err *err);
/* May a page of that origin make this browser send an unsafe request? */
bool api_same_origin(const struct api *api, const struct http_request *q);

#define API_COOKIE       "__Host-branchline"
#define API_COOKIE_KNOWN "__Host-branchline-known"

/* ---- telemetry readers: readers.c */

int api_reader_take(struct api *api, struct store_read **out, struct bl_err *err);
void api_reader_give(struct api *api, struct store_read *r);
void api_readers_close(struct api *api);

/* ---- shared by handlers: device_state.c */

enum api_state { API_UP, API_DOWN, API_UNKNOWN, API_NEVER, API_RETIRED };
const char *api_state_name(enum api_state s);
/* d NULL: the store has never heard of it.  *since STORE_TIME_NONE: not known.  Pure. */
enum api_state api_device_state(
    bool retired, const struct store_device *d, int64_t now_unix_ms, int64_t *since_unix_ms);
/* A value that may be STORE_TIME_NONE. */
void api_time(struct jsonw *w, const char *key, int64_t unix_ms);
const char *api_stream_name(enum bl_stream s);

/* Sites or devices changed: tells the collector, and the overview is made anew. */
void api_fleet_changed(struct api *api);

/* ---- checks of fields: checks.c */

const char *check_id(const struct api *api, const char *v);
const char *check_name(const struct api *api, const char *v);
const char *check_region(const struct api *api, const char *v);
const char *check_zone(const struct api *api, const char *v);
const char *check_user(const struct api *api, const char *v);
const char *check_password(const struct api *api, const char *v);
const char *check_hex(const struct api *api, const char *v);
const char *check_fingerprint(const struct api *api, const char *v);
const char *check_series(const struct api *api, const char *v);
const char *check_number(const struct api *api, const char *v);

/* ---- metrics.c */

int api_metrics_write(struct api *api, struct bl_buf *out, struct bl_err *err);

#endif
