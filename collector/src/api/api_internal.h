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
#include "define.h"
#include "fleet.h"
#include "http_internal.h"
#include "jsonw.h"
#include "places_internal.h"
#include "query_internal.h"
#include "export_turns_internal.h"
#include "route_internal.h"
#include "schema_internal.h"
#include "static_internal.h"
#include "store_read.h"

#define API_ANSWER_MAX   (16u * 1024u * 1024u)
#define API_READERS_MAX  64u
#define API_FRESH_MS     180000 /* data older than this are not current */
#define API_BACKLOG_MIN  6      /* batches: fewer are on their way at any moment */
#define API_LIMIT_DFLT   200
#define API_LIMIT_MAX    1000
#define API_QUERIES_MAX  4 /* at once: others must find a thread */
#define API_QUERIES_WAIT 2 /* further ones that wait for a turn: a browser asks six at a time */
#define API_QUERY_WAIT_S 3
#define API_PAGE_BYTES   (8u * 1024u * 1024u) /* a page ends here, whatever its limit */
#define API_OVERVIEW_MS  2000                 /* an overview may be shown again for this long */

/* Why requests were refused, for /metrics: one number a code of a problem. */
enum { API_PROBLEM_CODES = 20 };

struct overview_cache {
	pthread_mutex_t
	    lock; /* held while one is made: others wait for it instead of making theirs */
	char *text;
	size_t len;
	int64_t made_mono_ms;
	atomic_bool stale; /* sites or devices changed */
};

/* See places.c. */
struct api_places_cache {
	pthread_mutex_t lock; /* held while one is made */
	struct api_places *now;
	atomic_bool stale;
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
	struct api_places_cache places;
	struct export_turns exports;
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
	const void *body;                 /* by route->body; NULL when it has none */
	const struct parsed_body *parsed; /* the same, for body_rest */
	const void *query;                /* by route->query */
	int64_t if_match;                 /* 0: none given */

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
/* May whoever asks also read of that?  For the one field that another resource would have. */
bool api_may_read(const struct api_req *r, enum resource about);
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
/* The member "report" of a device; NULL: none came. */
void api_report_member(struct jsonw *w, const struct store_report *r);
/* The member "identity_conflict" of a device: null or the machines that take turns with it. */
int api_identity_member(struct jsonw *w, struct store_read *reader, const char *device,
    int64_t now_unix_ms, struct bl_err *err);
/* The member "identity_conflicts" of the overview. */
int api_identity_conflicts(struct jsonw *w, struct store_read *reader, struct sqlite3 *db,
    int64_t now_unix_ms, struct bl_err *err);
void api_time(struct jsonw *w, const char *key, int64_t unix_ms);
const char *api_stream_name(enum bl_stream s);

/* Definitions changed: tells the collector. */
void api_definitions_changed(struct api *api);

/* Sites or devices changed: tells the collector, and the overview is made anew. */
void api_fleet_changed(struct api *api);

/* ---- how sure times are: doubt.c */

struct api_doubt {
	char who[BL_ID_TEXT_MAX + 1]; /* a device, or its site then */
	int64_t from_unix_ms, to_unix_ms;
	uint32_t ms;
};

struct api_doubts {
	struct api_doubt *s;
	size_t n, size;
};

/* Spans in which clocks were uncertain by least_ms or more; device NULL: of all. */
int api_doubts_of_devices(struct api_req *r, const char *device, int64_t from, int64_t to,
    int64_t least_ms, struct api_doubts *out, struct bl_err *err);
int api_doubts_of_sites(struct api_req *r, int64_t from, int64_t to, int64_t least_ms,
    struct api_doubts *out, struct bl_err *err);
/* Spans in which a stream of devices at a site was thinned; of ms nothing is meant. */
int api_thinned_of_sites(struct api_req *r, enum bl_stream stream, int64_t from, int64_t to,
    struct api_doubts *out, struct bl_err *err);
/* Any of them lies in [from, to). */
bool api_touches(const struct api_doubts *d, const char *who, int64_t from, int64_t to);
void api_doubts_free(struct api_doubts *d);
/* The largest of [from, to), or at from == to, as a member; null: none. */
void api_doubt(struct jsonw *w, const char *key, const struct api_doubts *d, const char *who,
    int64_t from, int64_t to);

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
const char *check_labels(const struct api *api, const char *v);
const char *check_number(const struct api *api, const char *v);
const char *check_text(const struct api *api, const char *v);

/* ---- lists: lists.c */

/* A list that is being written; limit set by whoever begins it. */
struct api_page {
	size_t n, limit;
	bool more; /* there were others */
};

/* Opens {"items":[ */
void api_items(struct api_req *r);
/* Room for one more?  Counts it; else there is more. */
bool api_page_room(struct api_req *r, struct api_page *p);
/* Ends the items and names the cursor; the object stays open. */
void api_items_end(struct api_req *r, const struct api_page *p, const char *cursor);
/* The same with a number as cursor, the object closed, and sent. */
int api_items_send(struct api_req *r, const struct api_page *p, int64_t last);

/* Members of a JSON object of our own store, into the object that is open. */
void api_splice(struct jsonw *w, const char *object);
/* A JSON object of our own store as a member; {} for none. */
void api_object(struct jsonw *w, const char *key, const char *object);

/* From and to of a query; false: an empty range, it has been answered. */
bool api_range(struct api_req *r, const struct query_range *q, int64_t *from, int64_t *to);
/* "123" to 123; 0: no such number (no id of ours is). */
int64_t api_number(const char *text);

/* A new state of the control database for the rest of the request: what it has just changed. */
int api_db_renew(struct api_req *r, struct bl_err *err);

/* ---- names for ids: names.c */

#define API_NAMES 16u

struct api_definition_name {
	enum define_kind kind;
	char id[BL_ID_TEXT_MAX + 1];
	char name[DEFINE_NAME_MAX + 1]; /* the id when there is no such definition */
	char language[8];               /* of a channel */
};
struct api_site_name {
	char id[BL_ID_TEXT_MAX + 1];
	char name[FLEET_NAME_MAX + 1]; /* the id when there is no such site */
	char zone[FLEET_ZONE_MAX + 1];
};
/* Those of one answer that were looked up last.  Zero to begin with. */
struct api_names {
	struct api_definition_name definition[API_NAMES];
	struct api_site_name site[API_NAMES];
	unsigned n_definitions, n_sites; /* looked up so far: the next one's place */
};
/* Both: *out stays valid until API_NAMES others have been looked up. */
int api_name_definition(struct api_names *names, struct sqlite3 *db, enum define_kind kind,
    const char *id, const struct api_definition_name **out, struct bl_err *err);
int api_name_site(struct api_names *names, struct sqlite3 *db, const char *id,
    const struct api_site_name **out, struct bl_err *err);

/* BL_ENOTFOUND: none, it has been answered; BL_OK; or failed. */
int api_definition_there(
    struct api_req *r, enum define_kind kind, const char *id, struct bl_err *err);

/* ---- of one handler, for others */

/* h_query.c: a turn to read a lot; BL_EBUSY when too many do.  End what was begun. */
int api_query_begin(struct api *api, struct bl_err *err);
void api_query_end(struct api *api);

/* case_waits.c: rules that have not judged the case yet, and the devices whose events they wait
 * for. */
int api_write_waits(
    struct api_req *r, int64_t no, const char *site, int64_t begin_unix_ms, struct bl_err *err);

struct incident_filter;
struct outbox_filter;
/* h_incidents.c, h_messages.c: what a filter finds, as items; f->limit is set from p. */
int api_write_incidents(struct api_req *r, struct incident_filter *f, struct api_page *p,
    int64_t *last, struct bl_err *err);
int api_write_messages(struct api_req *r, struct outbox_filter *f, struct api_page *p,
    int64_t *last, struct bl_err *err);

/* ---- metrics.c */

int api_metrics_write(struct api *api, struct bl_buf *out, struct bl_err *err);

#endif
