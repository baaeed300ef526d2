/*
 * Processes, KPIs, rules and channels: one set of handlers, the kind from the
 * route.  The bodies' own fields are checked by `define`, which says of all of them
 * at once what is wrong; here stand their names and types.
 */
#include "api_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/platform_util.h>

struct definition_body {
	struct given_str id, name, secret;
	struct given_bool enabled;
	struct given_int from;
};

#define AT(m) offsetof(struct definition_body, m)
#define ID                                                                                         \
	{                                                                                          \
		"id", FIELD_STR, AT(id), .min = 1, .max = BL_ID_TEXT_MAX, .check = check_id,       \
					 .help = "made from the name unless given"                 \
	}
#define HEAD(needed)                                                                               \
	{ "name", FIELD_STR, AT(name), .required = (needed), .help = "the name to show" },         \
	    { "enabled", FIELD_BOOL, AT(enabled),                                                  \
		    .help = "false: no results from from_unix_ms on; true unless said" },          \
	{                                                                                          \
		"from_unix_ms", FIELD_INT, AT(from),                                               \
		    .min = 1, .max = QUERY_MS_MAX,                                                 \
		    .help = "event time from which it is in force; now unless said. In the past: " \
			    "what was then is worked out anew"                                     \
	}
/* A field that `define` knows: only the type matters here.  needed: of a new one. */
#define OWN(name_, type_, needed, text)                                                            \
	{                                                                                          \
		name_, type_, .raw = true, .required = (needed), .nullable = !(needed),            \
			      .help = (text)                                                       \
	}
#define CHOICE(name_, words, needed, text)                                                         \
	{                                                                                          \
		name_, FIELD_ENUM, .raw = true, .required = (needed), .nullable = !(needed),       \
				   .choices = (words), .help = (text)                              \
	}

static const char *const sources[] = { "series", "probe", "step", "case", NULL };
static const char *const functions[] = { "mean", "count", "sum", "min", "max", "rate", "share",
	"percentile", NULL };
static const char *const goods[] = { "low", "high", NULL };
static const char *const rule_kinds[] = { "threshold", "case_open", "no_data", NULL };
static const char *const severities[] = { "info", "warning", "critical", NULL };
static const char *const ops[] = { ">", ">=", "<", "<=", "=", "!=", NULL };
static const char *const channel_kinds[] = { "email", "webhook", NULL };
static const char *const languages[] = { "zh-CN", "en", NULL };

#define SCOPE_FIELDS                                                                               \
	OWN("region", FIELD_STR, false, "only sites in this region and below"),                    \
	    OWN("sites", FIELD_LIST, false, "and at each of these; both empty: everywhere")

#define PROCESS_FIELDS                                                                             \
	OWN("steps", FIELD_LIST, false, "names of steps in their usual order"),                    \
	    OWN("done", FIELD_STR, false,                                                          \
		"condition after which a case has ended; a usual last status or the last step "    \
		"unless said")

#define KPI_FIELDS(needed)                                                                         \
	CHOICE("source", sources, needed, "what is measured"),                                     \
	    OWN("metric", FIELD_STR, false, "of a series, or of a probe (probe_up unless said)"),  \
	    OWN("probe", FIELD_STR, false, "which probe; all of them unless said"),                \
	    OWN("process", FIELD_STR, false, "of steps and cases; default unless said"),           \
	    OWN("step", FIELD_STR, false, "which step; all of them unless said"),                  \
	    OWN("where", FIELD_STR, false, "condition: which values count; all unless said"),      \
	    CHOICE("function", functions, needed, "what becomes of the values of a window"),       \
	    OWN("percentile", FIELD_NUM, false, "0 to 100, for percentile"),                       \
	    OWN("condition", FIELD_STR, false,                                                     \
		"for share: per cent of the values for which it holds"),                           \
	    CHOICE("resolution", api_windows, false, "the smallest window; 1m unless said"),       \
	    OWN("unit", FIELD_STR, false, "to show"), OWN("target", FIELD_NUM, false, "to show"),  \
	    CHOICE("good", goods, false, "which way is good"), SCOPE_FIELDS

#define RULE_FIELDS(needed)                                                                        \
	CHOICE("kind", rule_kinds, needed, "what it looks at; stays"),                             \
	    CHOICE("severity", severities, false, "warning unless said"), SCOPE_FIELDS,            \
	    OWN("kpi", FIELD_STR, false, "threshold: the KPI"),                                    \
	    CHOICE("window", api_windows, false, "threshold: one that the KPI has"),               \
	    CHOICE("op", ops, false, "threshold: how a value is compared"),                        \
	    OWN("value", FIELD_NUM, false, "threshold: with what"),                                \
	    OWN("for", FIELD_INT, false, "threshold: windows in a row; 1 unless said"),            \
	    OWN("completeness", FIELD_NUM, false,                                                  \
		"threshold: 0 to 1, with less of the data a window is unknown; 0.8 unless said"),  \
	    OWN("wait", FIELD_INT, false,                                                          \
		"threshold: windows to wait for missing data; 2 unless said"),                     \
	    OWN("process", FIELD_STR, false, "case_open: default unless said"),                    \
	    OWN("limit_ms", FIELD_INT, false, "case_open: open for longer than this"),             \
	    OWN("where", FIELD_STR, false, "case_open: condition, which cases; all unless said"),  \
	    OWN("after_ms", FIELD_INT, false, "no_data: silent for so long"),                      \
	    OWN("channels", FIELD_LIST, false, "who is told"),                                     \
	    OWN("tell_end", FIELD_BOOL, false, "a message when it is over; true unless said")

#define CHANNEL_FIELDS(needed)                                                                     \
	CHOICE("kind", channel_kinds, needed, "how messages go; stays"),                           \
	    CHOICE("language", languages, false, "of the messages; zh-CN unless said"),            \
	    OWN("to", FIELD_LIST, false, "email: addresses"),                                      \
	    OWN("url", FIELD_STR, false, "webhook: https, or http to the collector's machine"),    \
	{                                                                                          \
		"secret", FIELD_STR, AT(secret),                                                   \
		    .help = "webhook: whsec_ and base64 of 24 to 64 bytes; made unless given, "    \
			    "and shown in no answer but that one"                                  \
	}

#define BODY(variable, name, fields)                                                               \
	const struct schema variable = { name, sizeof(struct definition_body), fields,             \
		sizeof(fields) / sizeof((fields)[0]) }

static const struct field process_new[] = { ID, HEAD(true), PROCESS_FIELDS };
static const struct field process_change[] = { HEAD(false), PROCESS_FIELDS };
static const struct field kpi_new[] = { ID, HEAD(true), KPI_FIELDS(true) };
static const struct field kpi_change[] = { HEAD(false), KPI_FIELDS(false) };
static const struct field rule_new[] = { ID, HEAD(true), RULE_FIELDS(true) };
static const struct field rule_change[] = { HEAD(false), RULE_FIELDS(false) };
static const struct field channel_new[] = { ID, HEAD(true), CHANNEL_FIELDS(true) };
static const struct field channel_change[] = { HEAD(false), CHANNEL_FIELDS(false) };
BODY(body_process_new, "ProcessNew", process_new);
BODY(body_process_change, "ProcessChange", process_change);
BODY(body_kpi_new, "KpiNew", kpi_new);
BODY(body_kpi_change, "KpiChange", kpi_change);
BODY(body_rule_new, "RuleNew", rule_new);
BODY(body_rule_change, "RuleChange", rule_change);
BODY(body_channel_new, "ChannelNew", channel_new);
BODY(body_channel_change, "ChannelChange", channel_change);

struct versions_query {
	struct given_int limit;
	struct given_str cursor;
};
#define AT_VERSIONS(m) offsetof(struct versions_query, m)
static const struct field versions_fields[] = {
	QUERY_LIMIT(AT_VERSIONS, API_LIMIT_MAX),
	QUERY_CURSOR(AT_VERSIONS, "before"),
};
const struct schema query_versions = { "", sizeof(struct versions_query), versions_fields, 2 };

static enum define_kind
kind_of(const struct api_req *r)
{
	static const char *const paths[DEFINE_KINDS] = { "processes", "kpis", "rules", "channels" };
	const char *at = r->route->pattern + strlen("/api/v1/");

	for (unsigned k = 0; k < DEFINE_KINDS; k++)
		if (strncmp(at, paths[k], strlen(paths[k])) == 0)
			return (enum define_kind)k;
	return DEFINE_KINDS; /* the table has no such route */
}

/* secret NULL: not shown. */
static void
write_definition(struct jsonw *w, const struct define_row *row, const char *secret)
{
	jsonw_object(w, NULL);
	jsonw_str(w, "id", row->head.id);
	jsonw_str(w, "name", row->head.name);
	jsonw_int(w, "version", row->head.version);
	jsonw_bool(w, "enabled", row->head.enabled);
	jsonw_int(w, "from_unix_ms", row->head.from_unix_ms);
	jsonw_str(w, "author", row->head.author);
	jsonw_int(w, "created_unix_ms", row->head.created_unix_ms);
	api_splice(w, row->body);
	if (row->kind == DEFINE_CHANNEL)
		jsonw_bool(w, "has_secret", row->has_secret);
	if (secret != NULL)
		jsonw_str(w, "secret", secret);
	jsonw_object_end(w);
}

/* ---- one ---------------------------------------------------------------- */

struct single {
	struct api_req *r;
	const char *secret;
};

static bool
write_single(void *ctx, const struct define_row *row)
{
	struct single *s = ctx;

	api_etag(s->r, row->head.version);
	write_definition(&s->r->w, row, s->secret);
	return false;
}

static int
none(struct api_req *r, const char *id)
{
	api_problem(
	    r, 404, "not_found", "There is no %s \"%s\".", define_kind_name(kind_of(r)), id);
	return 0;
}

static int
send_definition(
    struct api_req *r, unsigned status, const char *id, const char *secret, struct bl_err *err)
{
	struct single s = { r, secret };
	const int rc = define_get(r->db, kind_of(r), id, 0, write_single, &s, err);

	if (rc == BL_ENOTFOUND)
		return none(r, id);
	return rc < 0 ? rc : api_json_send(r, status);
}

int
get_definitions_id(struct api_req *r, struct bl_err *err)
{
	return send_definition(r, 200, r->param[0], NULL, err);
}

/* ---- lists ---------------------------------------------------------------- */

struct listing {
	struct api_req *r;
	struct api_page page;
	int64_t before; /* versions below this one */
	char last[BL_ID_TEXT_MAX + 1];
	int64_t last_version;
};

static bool
list_one(void *ctx, const struct define_row *row)
{
	struct listing *l = ctx;

	if (row->head.version >= l->before)
		return true;
	if (!api_page_room(l->r, &l->page))
		return false;
	write_definition(&l->r->w, row, NULL);
	(void)snprintf(l->last, sizeof(l->last), "%s", row->head.id);
	l->last_version = row->head.version;
	return true;
}

int
get_definitions(struct api_req *r, struct bl_err *err)
{
	const struct page_query *q = r->query;
	struct listing l = { .r = r, .before = INT64_MAX };
	int rc;

	l.page.limit = q->limit.given ? (size_t)q->limit.v : API_LIMIT_DFLT;
	api_items(r);
	if ((rc = define_each(r->db, kind_of(r), q->after.v, list_one, &l, err)) < 0)
		return rc;
	api_items_end(r, &l.page, l.last);
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}

int
get_definitions_id_versions(struct api_req *r, struct bl_err *err)
{
	const struct versions_query *q = r->query;
	struct listing l = { .r = r, .before = INT64_MAX };
	int rc;

	l.page.limit = q->limit.given ? (size_t)q->limit.v : API_LIMIT_DFLT;
	if (q->cursor.given)
		l.before = api_number(q->cursor.v);
	api_items(r);
	rc = define_history(r->db, kind_of(r), r->param[0], list_one, &l, err);
	if (rc == BL_ENOTFOUND)
		return none(r, r->param[0]);
	return rc < 0 ? rc : api_items_send(r, &l.page, l.last_version);
}

/* ---- changes ---------------------------------------------------------------- */

static void
invalid(struct api_req *r, const struct define_errors *errs)
{
	struct field_errors out = { 0 };

	for (size_t i = 0; i < errs->n && i < DEFINE_ERRORS_MAX && i < SCHEMA_ERRORS_MAX; i++) {
		const struct define_error *e = &errs->e[i];

		field_error_add(&out, e->field, e->expected, e->got, e->suggestion);
		out.e[i].column = e->column;
	}
	out.n = errs->n;
	api_problem_fields(r, &out);
}

/* True: done; else it has been answered. */
static bool
outcome(struct api_req *r, int rc, const char *id, const struct define_errors *errs)
{
	const char *kind = define_kind_name(kind_of(r));

	switch (rc) {
	case DEFINE_DONE:
		return true;
	case DEFINE_INVALID:
		invalid(r, errs);
		return false;
	case DEFINE_EXISTS:
		api_problem(r, 409, "exists", "There is a %s \"%s\" already.", kind, id);
		return false;
	case DEFINE_STALE:
		api_problem(r, 412, "precondition_failed",
		    "The %s \"%s\" was changed meanwhile; read it again. Nothing was changed.",
		    kind, id);
		return false;
	case DEFINE_FULL:
		api_problem(r, 409, "conflict",
		    "There is room for %u of a kind, %u versions of one and %u of all; nothing was "
		    "changed.",
		    DEFINE_MAX, DEFINE_VERSIONS_MAX, DEFINE_ALL_MAX);
		return false;
	default:
		(void)none(r, id);
		return false;
	}
}

/* e->body is to be freed.  1: it is too much of it, and that has been answered. */
static int
edit_of(struct api_req *r, struct define_edit *e, char **body, struct bl_err *err)
{
	const struct definition_body *b = r->body;

	if ((*body = body_rest(r->parsed, r->route->body)) == NULL)
		return bl_fail(err, BL_ENOMEM, "definition: out of memory");
	if (strlen(*body) > DEFINE_BODY_MAX) {
		free(*body);
		api_problem(r, 413, "too_large",
		    "A definition may have at most %u KiB; nothing was changed.",
		    DEFINE_BODY_MAX / 1024);
		return 1;
	}
	*e = (struct define_edit){
		.name = b->name.v,
		.has_enabled = b->enabled.given,
		.enabled = b->enabled.v,
		.from_unix_ms = b->from.v,
		.body = *body,
		.secret = b->secret.v,
	};
	return BL_OK;
}

void
api_definitions_changed(struct api *api)
{
	if (api->opts.hooks.definitions_changed != NULL)
		api->opts.hooks.definitions_changed(api->opts.hooks.ctx);
}

/* The secret of a webhook stands in the one answer to its making, if it was made here. */
static int
send_made(struct api_req *r, const char *id, bool secret_given, struct bl_err *err)
{
	char secret[DEFINE_SECRET_MAX + 1] = "";
	int rc = BL_ENOTFOUND;

	if (kind_of(r) == DEFINE_CHANNEL && !secret_given)
		rc = define_secret(r->db, id, secret, err);
	if (rc == BL_OK || rc == BL_ENOTFOUND)
		rc = send_definition(r, 201, id, rc == BL_OK ? secret : NULL, err);
	mbedtls_platform_zeroize(secret, sizeof(secret));
	return rc;
}

int
post_definitions(struct api_req *r, struct bl_err *err)
{
	const struct definition_body *b = r->body;
	struct define_errors errs = { 0 };
	struct define_edit e;
	char id[BL_ID_TEXT_MAX + 1] = "", *body;
	int rc;

	if ((rc = edit_of(r, &e, &body, err)) != BL_OK)
		return rc < 0 ? rc : 0;
	rc =
	    define_create(r->api->opts.control, &r->actor, kind_of(r), b->id.v, &e, id, &errs, err);
	free(body);
	if (rc < 0)
		return rc;
	if (!outcome(r, rc, b->id.v != NULL ? b->id.v : b->name.v, &errs))
		return 0;
	api_definitions_changed(r->api);
	rc = api_db_renew(r, err);
	return rc < 0 ? rc : send_made(r, id, b->secret.given, err);
}

int
patch_definitions_id(struct api_req *r, struct bl_err *err)
{
	struct define_errors errs = { 0 };
	struct define_edit e;
	char *body;
	int rc;

	if ((rc = edit_of(r, &e, &body, err)) != BL_OK)
		return rc < 0 ? rc : 0;
	rc = define_change(
	    r->api->opts.control, &r->actor, kind_of(r), r->param[0], r->if_match, &e, &errs, err);
	free(body);
	if (rc < 0)
		return rc;
	if (!outcome(r, rc, r->param[0], &errs))
		return 0;
	api_definitions_changed(r->api);
	rc = api_db_renew(r, err);
	return rc < 0 ? rc : send_definition(r, 200, r->param[0], NULL, err);
}
