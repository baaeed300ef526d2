/* Every route there is; see route_internal.h. */
#include "route_internal.h"

#define V1 "/api/v1"

/* clang-format off */
const struct route api_routes[] = {
	/* verb, pattern, who, about, handler, body, query, if_match */
	{ VERB_GET,    V1 "/session", PERMIT_SESSION, ON_SELF, get_session, NULL, NULL, false },
	{ VERB_POST,   V1 "/session", PERMIT_ANYONE, ON_SELF, post_session, &body_sign_in, NULL, false },
	{ VERB_DELETE, V1 "/session", PERMIT_SESSION, ON_SELF, delete_session, NULL, NULL, false },
	{ VERB_PATCH,  V1 "/session", PERMIT_SESSION, ON_SELF, patch_session, &body_session_patch, NULL, false },
	{ VERB_POST,   V1 "/session/password", PERMIT_SESSION, ON_SELF, post_session_password, &body_password, NULL, false },
	{ VERB_GET,    V1 "/sessions", PERMIT_SESSION, ON_SELF, get_sessions, NULL, NULL, false },
	{ VERB_DELETE, V1 "/sessions/{id}", PERMIT_SESSION, ON_SELF, delete_sessions_id, NULL, NULL, false },

	{ VERB_GET,    V1 "/users", PERMIT_ROLE, ON_USERS, get_users, NULL, &query_page, false },
	{ VERB_POST,   V1 "/users", PERMIT_ROLE, ON_USERS, post_users, &body_user_new, NULL, false },
	{ VERB_PATCH,  V1 "/users/{name}", PERMIT_ROLE, ON_USERS, patch_users_name, &body_user_patch, NULL, true },
	{ VERB_DELETE, V1 "/users/{name}", PERMIT_ROLE, ON_USERS, delete_users_name, NULL, NULL, true },

	{ VERB_GET,    V1 "/sites", PERMIT_ROLE, ON_SITES, get_sites, NULL, &query_sites, false },
	{ VERB_POST,   V1 "/sites", PERMIT_ROLE, ON_SITES, post_sites, &body_site_new, NULL, false },
	{ VERB_GET,    V1 "/sites/{id}", PERMIT_ROLE, ON_SITES, get_sites_id, NULL, NULL, false },
	{ VERB_PATCH,  V1 "/sites/{id}", PERMIT_ROLE, ON_SITES, patch_sites_id, &body_site_patch, NULL, true },

	{ VERB_GET,    V1 "/devices", PERMIT_ROLE, ON_DEVICES, get_devices, NULL, &query_devices, false },
	{ VERB_POST,   V1 "/devices", PERMIT_ROLE, ON_DEVICES, post_devices, &body_device_new, NULL, false },
	{ VERB_GET,    V1 "/devices/{id}", PERMIT_ROLE, ON_DEVICES, get_devices_id, NULL, NULL, false },
	{ VERB_PATCH,  V1 "/devices/{id}", PERMIT_ROLE, ON_DEVICES, patch_devices_id, &body_device_patch, NULL, true },
	{ VERB_POST,   V1 "/devices/{id}/move", PERMIT_ROLE, ON_DEVICES, post_devices_id_move, &body_device_move, NULL, true },
	{ VERB_GET,    V1 "/devices/{id}/service", PERMIT_ROLE, ON_DEVICES, get_devices_id_service, NULL, NULL, false },
	{ VERB_GET,    V1 "/devices/{id}/usage", PERMIT_ROLE, ON_DEVICES, get_devices_id_usage, NULL, NULL, false },
	{ VERB_PUT,    V1 "/devices/{id}/certificate", PERMIT_ROLE, ON_DEVICES, put_devices_id_certificate, &body_certificate, NULL, false },

	{ VERB_GET,    V1 "/overview", PERMIT_ROLE, ON_TELEMETRY, get_overview, NULL, NULL, false },
	{ VERB_GET,    V1 "/devices/{id}/series", PERMIT_ROLE, ON_TELEMETRY, get_devices_id_series, NULL, NULL, false },
	{ VERB_GET,    V1 "/devices/{id}/events", PERMIT_ROLE, ON_TELEMETRY, get_devices_id_events, NULL, &query_events, false },
	{ VERB_GET,    V1 "/devices/{id}/coverage", PERMIT_ROLE, ON_TELEMETRY, get_devices_id_coverage, NULL, &query_range, false },
	{ VERB_GET,    V1 "/devices/{id}/link", PERMIT_ROLE, ON_TELEMETRY, get_devices_id_link, NULL, &query_link, false },
	{ VERB_GET,    V1 "/query", PERMIT_ROLE, ON_TELEMETRY, get_query, NULL, &query_query, false },
	{ VERB_GET,    V1 "/metrics", PERMIT_ROLE, ON_TELEMETRY, get_metrics_list, NULL, &query_metrics, false },
	{ VERB_GET,    V1 "/metrics/labels", PERMIT_ROLE, ON_TELEMETRY, get_metrics_labels, NULL, &query_metric, false },
	{ VERB_GET,    V1 "/metrics/catalogue", PERMIT_ROLE, ON_TELEMETRY, get_metrics_catalogue, NULL, NULL, false },
	{ VERB_GET,    V1 "/metrics/query", PERMIT_ROLE, ON_TELEMETRY, get_metrics_query, NULL, &query_metric_query, false },
	{ VERB_GET,    V1 "/metrics/latest", PERMIT_ROLE, ON_TELEMETRY, get_metrics_latest, NULL, &query_metric_latest, false },
	{ VERB_GET,    V1 "/metrics/export", PERMIT_ROLE, ON_TELEMETRY, get_metrics_export, NULL, &query_metric_export, false },
	{ VERB_GET,    V1 "/gaps", PERMIT_ROLE, ON_TELEMETRY, get_gaps, NULL, &query_gaps, false },
	{ VERB_GET,    V1 "/gaps/totals", PERMIT_ROLE, ON_TELEMETRY, get_gaps_totals, NULL, &query_gap_totals, false },
	{ VERB_GET,    V1 "/gaps/unexplained", PERMIT_ROLE, ON_TELEMETRY, get_gaps_unexplained, NULL, &query_missing, false },
	{ VERB_GET,    V1 "/set-aside/requeue", PERMIT_ROLE, ON_TELEMETRY, get_set_aside_requeue, NULL, NULL, false },
	{ VERB_POST,   V1 "/set-aside/requeue", PERMIT_ROLE, ON_TELEMETRY, post_set_aside_requeue, &body_requeue, NULL, false },
	{ VERB_GET,    V1 "/set-aside", PERMIT_ROLE, ON_TELEMETRY, get_set_aside, NULL, &query_page, false },
	{ VERB_GET,    V1 "/status", PERMIT_ROLE, ON_SYSTEM, get_status, NULL, NULL, false },
	{ VERB_GET,    V1 "/storage", PERMIT_ROLE, ON_SYSTEM, get_storage, NULL, NULL, false },

	{ VERB_GET,    V1 "/processes", PERMIT_ROLE, ON_DEFINITIONS, get_definitions, NULL, &query_page, false },
	{ VERB_POST,   V1 "/processes", PERMIT_ROLE, ON_DEFINITIONS, post_definitions, &body_process_new, NULL, false },
	{ VERB_GET,    V1 "/processes/{id}", PERMIT_ROLE, ON_DEFINITIONS, get_definitions_id, NULL, NULL, false },
	{ VERB_PATCH,  V1 "/processes/{id}", PERMIT_ROLE, ON_DEFINITIONS, patch_definitions_id, &body_process_change, NULL, true },
	{ VERB_GET,    V1 "/processes/{id}/versions", PERMIT_ROLE, ON_DEFINITIONS, get_definitions_id_versions, NULL, &query_versions, false },
	{ VERB_GET,    V1 "/kpis", PERMIT_ROLE, ON_DEFINITIONS, get_definitions, NULL, &query_page, false },
	{ VERB_POST,   V1 "/kpis", PERMIT_ROLE, ON_DEFINITIONS, post_definitions, &body_kpi_new, NULL, false },
	{ VERB_GET,    V1 "/kpis/{id}", PERMIT_ROLE, ON_DEFINITIONS, get_definitions_id, NULL, NULL, false },
	{ VERB_PATCH,  V1 "/kpis/{id}", PERMIT_ROLE, ON_DEFINITIONS, patch_definitions_id, &body_kpi_change, NULL, true },
	{ VERB_GET,    V1 "/kpis/{id}/versions", PERMIT_ROLE, ON_DEFINITIONS, get_definitions_id_versions, NULL, &query_versions, false },
	{ VERB_GET,    V1 "/rules", PERMIT_ROLE, ON_DEFINITIONS, get_definitions, NULL, &query_page, false },
	{ VERB_POST,   V1 "/rules", PERMIT_ROLE, ON_DEFINITIONS, post_definitions, &body_rule_new, NULL, false },
	{ VERB_GET,    V1 "/rules/{id}", PERMIT_ROLE, ON_DEFINITIONS, get_definitions_id, NULL, NULL, false },
	{ VERB_PATCH,  V1 "/rules/{id}", PERMIT_ROLE, ON_DEFINITIONS, patch_definitions_id, &body_rule_change, NULL, true },
	{ VERB_GET,    V1 "/rules/{id}/versions", PERMIT_ROLE, ON_DEFINITIONS, get_definitions_id_versions, NULL, &query_versions, false },
	{ VERB_GET,    V1 "/channels", PERMIT_ROLE, ON_CHANNELS, get_definitions, NULL, &query_page, false },
	{ VERB_POST,   V1 "/channels", PERMIT_ROLE, ON_CHANNELS, post_definitions, &body_channel_new, NULL, false },
	{ VERB_GET,    V1 "/channels/{id}", PERMIT_ROLE, ON_CHANNELS, get_definitions_id, NULL, NULL, false },
	{ VERB_PATCH,  V1 "/channels/{id}", PERMIT_ROLE, ON_CHANNELS, patch_definitions_id, &body_channel_change, NULL, true },
	{ VERB_GET,    V1 "/channels/{id}/versions", PERMIT_ROLE, ON_CHANNELS, get_definitions_id_versions, NULL, &query_versions, false },
	{ VERB_POST,   V1 "/channels/{id}/test", PERMIT_ROLE, ON_CHANNELS, post_channels_id_test, &body_empty, NULL, false },
	{ VERB_POST,   V1 "/expressions/check", PERMIT_ROLE, ON_DEFINITIONS, post_expressions_check, &body_expression, NULL, false },

	{ VERB_GET,    V1 "/kpis/{id}/cells", PERMIT_ROLE, ON_TELEMETRY, get_kpis_id_cells, NULL, &query_cells, false },
	{ VERB_GET,    V1 "/kpis/{id}/latest", PERMIT_ROLE, ON_TELEMETRY, get_kpis_id_latest, NULL, &query_latest, false },
	{ VERB_GET,    V1 "/kpis/{id}/parts", PERMIT_ROLE, ON_TELEMETRY, get_kpis_id_parts, NULL, &query_parts, false },
	{ VERB_GET,    V1 "/rules/{id}/runs", PERMIT_ROLE, ON_TELEMETRY, get_rules_id_runs, NULL, &query_runs, false },
	{ VERB_GET,    V1 "/cases", PERMIT_ROLE, ON_TELEMETRY, get_cases, NULL, &query_cases, false },
	{ VERB_GET,    V1 "/cases/{no}", PERMIT_ROLE, ON_TELEMETRY, get_cases_no, NULL, NULL, false },

	{ VERB_GET,    V1 "/incidents", PERMIT_ROLE, ON_INCIDENTS, get_incidents, NULL, &query_incidents, false },
	{ VERB_GET,    V1 "/incidents/{id}", PERMIT_ROLE, ON_INCIDENTS, get_incidents_id, NULL, NULL, false },
	{ VERB_POST,   V1 "/incidents/{id}/acknowledge", PERMIT_ROLE, ON_INCIDENTS, post_incidents_id_acknowledge, &body_empty, NULL, true },
	{ VERB_POST,   V1 "/incidents/{id}/assign", PERMIT_ROLE, ON_INCIDENTS, post_incidents_id_assign, &body_assign, NULL, true },
	{ VERB_POST,   V1 "/incidents/{id}/resolve", PERMIT_ROLE, ON_INCIDENTS, post_incidents_id_resolve, &body_resolve, NULL, true },
	{ VERB_POST,   V1 "/incidents/{id}/comments", PERMIT_ROLE, ON_INCIDENTS, post_incidents_id_comments, &body_comment, NULL, false },
	{ VERB_GET,    V1 "/messages", PERMIT_ROLE, ON_INCIDENTS, get_messages, NULL, &query_messages, false },
	{ VERB_GET,    V1 "/people", PERMIT_ROLE, ON_INCIDENTS, get_people, NULL, NULL, false },

	{ VERB_GET,    V1 "/openapi.json", PERMIT_ANYONE, ON_SYSTEM, get_openapi, NULL, NULL, false },
	{ VERB_GET,    "/livez", PERMIT_ANYONE, ON_SYSTEM, get_livez, NULL, NULL, false },
	{ VERB_GET,    "/readyz", PERMIT_ANYONE, ON_SYSTEM, get_readyz, NULL, &query_verbose, false },
	{ VERB_GET,    "/metrics", PERMIT_INSIDE, ON_SYSTEM, get_metrics, NULL, NULL, false },
};
/* clang-format on */

const size_t api_n_routes = sizeof(api_routes) / sizeof(api_routes[0]);
