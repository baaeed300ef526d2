/*
 * The route table: one row a verb and pattern.  It drives routing, "method not
 * allowed", the permission check, the validation of bodies and queries, and the
 * test of the OpenAPI document.  A route that is not in it does not exist, and
 * a row without a class of permission does not compile into anything useful:
 * 0 is "nobody".
 */
#ifndef ROUTE_INTERNAL_H
#define ROUTE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "schema_internal.h"

#define ROUTE_PARAMS_MAX 1
#define ROUTE_PARAM_SIZE 64

struct api_req;

enum permission {
	PERMIT_NOBODY = 0, /* not classified */
	PERMIT_ANYONE,     /* no session needed */
	PERMIT_SESSION,    /* a signed-in person, about oneself */
	PERMIT_ROLE,       /* by role: verb and resource, see access.c */
	PERMIT_INSIDE,     /* a session, the local socket or a loopback address */
};

enum verb { VERB_GET, VERB_POST, VERB_PUT, VERB_PATCH, VERB_DELETE, VERBS };

/* What a permission is about. */
enum resource {
	ON_SELF,
	ON_USERS,
	ON_SITES,
	ON_DEVICES,
	ON_TELEMETRY, /* and what was worked out from it */
	ON_DEFINITIONS,
	ON_CHANNELS, /* addresses of people, and URLs that may be secret */
	ON_INCIDENTS,
	ON_SYSTEM,
};

typedef int (*route_handler)(struct api_req *r, struct bl_err *err);

struct route {
	enum verb verb;
	const char *pattern; /* "/api/v1/sites/{id}" */
	enum permission permission;
	enum resource resource;
	route_handler handler;      /* 0: answered; negative: failed, err says why */
	const struct schema *body;  /* NULL: takes none */
	const struct schema *query; /* NULL: takes none */
	bool if_match;              /* looks at If-Match */
};

extern const struct route api_routes[];
extern const size_t api_n_routes;

const char *verb_name(enum verb v);
/* HEAD counts as GET.  False: a verb that no route has. */
bool verb_parse(const char *method, enum verb *out);

enum route_match { ROUTE_FOUND, ROUTE_NO_PATH, ROUTE_NO_VERB };

/*
 * Finds the row.  ROUTE_NO_VERB: others exist for this path; allow gets their
 * verbs ("GET, HEAD, PATCH").  Pure.
 */
enum route_match route_find(const struct route *routes, size_t n, const char *method,
    const char *path, const struct route **out, char param[ROUTE_PARAMS_MAX][ROUTE_PARAM_SIZE],
    char *allow, size_t allow_size);

/* handlers, one file a resource */
int get_session(struct api_req *r, struct bl_err *err);
int post_session(struct api_req *r, struct bl_err *err);
int delete_session(struct api_req *r, struct bl_err *err);
int patch_session(struct api_req *r, struct bl_err *err);
int post_session_password(struct api_req *r, struct bl_err *err);
int get_sessions(struct api_req *r, struct bl_err *err);
int delete_sessions_id(struct api_req *r, struct bl_err *err);
int get_users(struct api_req *r, struct bl_err *err);
int post_users(struct api_req *r, struct bl_err *err);
int patch_users_name(struct api_req *r, struct bl_err *err);
int delete_users_name(struct api_req *r, struct bl_err *err);
int get_sites(struct api_req *r, struct bl_err *err);
int post_sites(struct api_req *r, struct bl_err *err);
int get_sites_id(struct api_req *r, struct bl_err *err);
int patch_sites_id(struct api_req *r, struct bl_err *err);
int get_devices(struct api_req *r, struct bl_err *err);
int post_devices(struct api_req *r, struct bl_err *err);
int get_devices_id(struct api_req *r, struct bl_err *err);
int patch_devices_id(struct api_req *r, struct bl_err *err);
int post_devices_id_move(struct api_req *r, struct bl_err *err);
int get_devices_id_service(struct api_req *r, struct bl_err *err);
int get_devices_id_usage(struct api_req *r, struct bl_err *err);
int put_devices_id_certificate(struct api_req *r, struct bl_err *err);
int get_overview(struct api_req *r, struct bl_err *err);
int get_devices_id_series(struct api_req *r, struct bl_err *err);
int get_query(struct api_req *r, struct bl_err *err);
int get_metrics_list(struct api_req *r, struct bl_err *err);
int get_metrics_labels(struct api_req *r, struct bl_err *err);
int get_metrics_catalogue(struct api_req *r, struct bl_err *err);
int get_metrics_query(struct api_req *r, struct bl_err *err);
int get_metrics_latest(struct api_req *r, struct bl_err *err);
int get_metrics_export(struct api_req *r, struct bl_err *err);
int get_storage(struct api_req *r, struct bl_err *err);
int get_devices_id_events(struct api_req *r, struct bl_err *err);
int get_devices_id_coverage(struct api_req *r, struct bl_err *err);
int get_devices_id_link(struct api_req *r, struct bl_err *err);
int get_gaps(struct api_req *r, struct bl_err *err);
int get_gaps_totals(struct api_req *r, struct bl_err *err);
int get_gaps_unexplained(struct api_req *r, struct bl_err *err);
int get_set_aside(struct api_req *r, struct bl_err *err);
int get_set_aside_requeue(struct api_req *r, struct bl_err *err);
int post_set_aside_requeue(struct api_req *r, struct bl_err *err);
int get_definitions(struct api_req *r, struct bl_err *err);
int post_definitions(struct api_req *r, struct bl_err *err);
int get_definitions_id(struct api_req *r, struct bl_err *err);
int patch_definitions_id(struct api_req *r, struct bl_err *err);
int get_definitions_id_versions(struct api_req *r, struct bl_err *err);
int post_expressions_check(struct api_req *r, struct bl_err *err);
int get_kpis_id_cells(struct api_req *r, struct bl_err *err);
int get_kpis_id_latest(struct api_req *r, struct bl_err *err);
int get_kpis_id_parts(struct api_req *r, struct bl_err *err);
int get_rules_id_runs(struct api_req *r, struct bl_err *err);
int get_incidents(struct api_req *r, struct bl_err *err);
int get_incidents_id(struct api_req *r, struct bl_err *err);
int post_incidents_id_acknowledge(struct api_req *r, struct bl_err *err);
int post_incidents_id_assign(struct api_req *r, struct bl_err *err);
int post_incidents_id_resolve(struct api_req *r, struct bl_err *err);
int post_incidents_id_comments(struct api_req *r, struct bl_err *err);
int get_cases(struct api_req *r, struct bl_err *err);
int get_cases_no(struct api_req *r, struct bl_err *err);
int get_messages(struct api_req *r, struct bl_err *err);
int post_channels_id_test(struct api_req *r, struct bl_err *err);
int get_people(struct api_req *r, struct bl_err *err);
int get_status(struct api_req *r, struct bl_err *err);
int get_openapi(struct api_req *r, struct bl_err *err);
int get_livez(struct api_req *r, struct bl_err *err);
int get_readyz(struct api_req *r, struct bl_err *err);
int get_metrics(struct api_req *r, struct bl_err *err);

/* bodies, beside their handlers */
extern const struct schema body_requeue, body_sign_in, body_session_patch, body_password,
    body_user_new, body_user_patch, body_site_new, body_site_patch, body_device_new,
    body_device_patch, body_device_move, body_certificate, body_process_new, body_process_change,
    body_kpi_new, body_kpi_change, body_rule_new, body_rule_change, body_channel_new,
    body_channel_change, body_expression, body_empty, body_assign, body_resolve, body_comment;
extern const struct schema query_metrics, query_metric, query_metric_query, query_metric_latest,
    query_metric_export;
extern const struct schema query_page, query_sites, query_devices, query_query, query_range,
    query_events, query_gaps, query_link, query_gap_totals, query_missing, query_verbose, query_cells,
    query_latest, query_parts, query_runs, query_incidents, query_cases, query_messages,
    query_versions;

/* Of every list: limit and after stand first, so that handlers can share a reader. */
struct page_query {
	struct given_int limit;
	struct given_str after;
};

#endif
