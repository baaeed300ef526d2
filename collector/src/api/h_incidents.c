/* Incidents: lists, one with its entries and messages, and what people do about them. */
#include "api_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_sql.h"
#include "incident.h"
#include "outbox.h"

#define INCIDENTS_MAX 500  /* of a page: each carries its facts */
#define MESSAGES_MAX  100u /* of one incident */
/* The shortest window of a rule: what is placed better than that is in the right one, or next to
 * it. */
#define INCIDENT_DOUBT_MS 60000

/* ---- parameters and bodies -------------------------------------------------- */

struct incidents_query {
	struct given_str state, site, rule, assignee, cursor;
	struct given_bool ongoing;
	struct query_range range;
	struct given_int limit;
};

/* "open,acknowledged" to bits; 0: not such a list. */
static unsigned
parse_states(const char *text)
{
	unsigned bits = 0;
	enum incident_state s;
	char word[24];
	size_t len;

	for (const char *p = text;; p += len + 1) {
		len = strcspn(p, ",");
		(void)snprintf(word, sizeof(word), "%.*s", (int)len, p);
		if (len >= sizeof(word) || !incident_state_parse(word, &s))
			return 0;
		bits |= 1u << s;
		if (p[len] == '\0')
			return bits;
	}
}

static const char *
check_states(const struct api *api, const char *v)
{
	(void)api;
	return parse_states(v) != 0 ? NULL
				    : "some of open, acknowledged, resolved, withdrawn, merged, "
				      "separated by commas";
}

#define AT(m) offsetof(struct incidents_query, m)
static const struct field incidents_fields[] = {
	{ "state", FIELD_STR, AT(state), .min = 1, .max = 63, .check = check_states,
	    .help = "only in one of these states, separated by commas" },
	QUERY_ID(AT, site, false, "only of this site"),
	QUERY_ID(AT, rule, false, "only of this rule"),
	{ "assignee", FIELD_STR, AT(assignee), .min = 1, .max = AUTH_NAME_MAX, .check = check_user,
	    .help = "only this person's" },
	{ "ongoing", FIELD_BOOL, AT(ongoing), .help = "true: only those without an end" },
	QUERY_RANGE(AT),
	QUERY_LIMIT(AT, INCIDENTS_MAX),
	QUERY_CURSOR(AT, "before"),
};
const struct schema query_incidents = { "", sizeof(struct incidents_query), incidents_fields, 9 };

struct incident_body {
	struct given_str user, comment, text;
};

const struct schema body_empty = { "Nothing", 1, NULL, 0 };

static const struct field assign_fields[] = {
	{ "user", FIELD_STR, offsetof(struct incident_body, user), .required = true,
	    .nullable = true, .min = 1, .max = AUTH_NAME_MAX, .check = check_user,
	    .help = "who deals with it; null: nobody" },
};
const struct schema body_assign = { "IncidentAssign", sizeof(struct incident_body), assign_fields,
	1 };

static const struct field resolve_fields[] = {
	{ "comment", FIELD_STR, offsetof(struct incident_body, comment), .min = 1,
	    .max = INCIDENT_COMMENT_MAX, .check = check_text, .help = "what it was" },
};
const struct schema body_resolve = { "IncidentResolve", sizeof(struct incident_body),
	resolve_fields, 1 };

static const struct field comment_fields[] = {
	{ "text", FIELD_STR, offsetof(struct incident_body, text), .required = true, .min = 1,
	    .max = INCIDENT_COMMENT_MAX, .check = check_text, .help = "the comment" },
};
const struct schema body_comment = { "IncidentComment", sizeof(struct incident_body),
	comment_fields, 1 };

/* ---- one as JSON -------------------------------------------------------------- */

static const char *
notice_name(enum incident_notice n)
{
	static const char *const names[] = { "undecided", "paged", "digest", "none" };

	return names[n];
}

/* The members alone. */
static int
write_members(struct api_req *r, struct api_names *names, const struct api_doubts *doubts,
    const struct incident *i, struct bl_err *err)
{
	const struct api_definition_name *rule;
	const struct api_site_name *site;
	struct jsonw *w = &r->w;
	int rc;

	if ((rc = api_name_definition(names, r->db, DEFINE_RULE, i->rule, &rule, err)) < 0 ||
	    (rc = api_name_site(names, r->db, i->site, &site, err)) < 0)
		return rc;
	jsonw_int(w, "id", i->id);
	jsonw_str(w, "rule", i->rule);
	jsonw_str(w, "rule_name", rule->name);
	jsonw_int(w, "rule_version", i->rule_version);
	jsonw_str(w, "site", i->site);
	jsonw_str(w, "site_name", site->name);
	jsonw_str(w, "zone", site->zone);
	jsonw_str(w, "subject", i->subject);
	jsonw_str(w, "severity", define_severity_name(i->severity));
	jsonw_int(w, "begin_unix_ms", i->begin_unix_ms);
	jsonw_int_or_null(w, "end_unix_ms", i->end_unix_ms != INCIDENT_OPEN, i->end_unix_ms);
	api_doubt(w, "clock_doubt_ms", doubts, i->site, i->begin_unix_ms, i->last_true_unix_ms);
	jsonw_int(w, "last_true_unix_ms", i->last_true_unix_ms);
	jsonw_int(w, "known_unix_ms", i->known_unix_ms);
	jsonw_int(w, "changed_unix_ms", i->changed_unix_ms);
	jsonw_str(w, "state", incident_state_name(i->state));
	jsonw_str(w, "assignee", i->assignee[0] != '\0' ? i->assignee : NULL);
	jsonw_int_or_null(w, "merged_into", i->merged_into != 0, i->merged_into);
	jsonw_str(w, "notice", notice_name(i->notice));
	api_object(w, "explanation", i->explanation);
	jsonw_int(w, "version", i->version);
	return BL_OK;
}

/* ---- lists ---------------------------------------------------------------------- */

struct listing {
	struct api_req *r;
	struct api_page *page;
	struct api_names names;
	struct api_doubts doubts;
	int64_t last;
	int rc;
	struct bl_err *err;
};

static bool
write_one(void *ctx, const struct incident *i)
{
	struct listing *l = ctx;

	if (!api_page_room(l->r, l->page))
		return false;
	jsonw_object(&l->r->w, NULL);
	l->rc = write_members(l->r, &l->names, &l->doubts, i, l->err);
	jsonw_object_end(&l->r->w);
	l->last = i->id;
	return l->rc == BL_OK;
}

int
api_write_incidents(struct api_req *r, struct incident_filter *f, struct api_page *p, int64_t *last,
    struct bl_err *err)
{
	struct listing l = { .r = r, .page = p, .err = err };
	int rc;

	f->limit = p->limit + 1;
	if ((rc = api_doubts_of_sites(r, INT64_MIN, INT64_MAX, INCIDENT_DOUBT_MS, &l.doubts, err)) <
	    0)
		return rc;
	rc = incident_each(r->db, f, write_one, &l, err);
	api_doubts_free(&l.doubts);
	*last = l.last;
	return rc < 0 ? rc : l.rc;
}

int
get_incidents(struct api_req *r, struct bl_err *err)
{
	const struct incidents_query *q = r->query;
	struct incident_filter f = {
		.site = q->site.v,
		.rule = q->rule.v,
		.assignee = q->assignee.v,
		.states = q->state.given ? parse_states(q->state.v) : 0,
		.ongoing_only = q->ongoing.v,
		.before_id = api_number(q->cursor.v),
	};
	struct api_page page = { .limit = q->limit.given ? (size_t)q->limit.v : API_LIMIT_DFLT };
	int64_t last;
	int rc;

	if (!api_range(r, &q->range, &f.from_unix_ms, &f.to_unix_ms))
		return 0;
	api_items(r);
	rc = api_write_incidents(r, &f, &page, &last, err);
	return rc < 0 ? rc : api_items_send(r, &page, last);
}

/* ---- one with all that belongs to it --------------------------------------------- */

struct detail {
	struct api_req *r;
	struct api_names names;
	struct api_doubts doubts;
	char site[BL_ID_TEXT_MAX + 1];
	char subject[256];
	int rc;
	struct bl_err *err;
};

static bool
write_detail(void *ctx, const struct incident *i)
{
	struct detail *d = ctx;

	api_etag(d->r, i->version);
	(void)snprintf(d->site, sizeof(d->site), "%s", i->site);
	(void)snprintf(d->subject, sizeof(d->subject), "%s", i->subject);
	d->rc = write_members(d->r, &d->names, &d->doubts, i, d->err);
	return false;
}

/* A subject "process/case" is a case, if it is still one; other subjects have no '/'. */
static int
write_case_no(const struct detail *d)
{
	const char *slash = strchr(d->subject, '/');
	char process[BL_ID_TEXT_MAX + 1] = "";
	int64_t no = 0;
	int rc = BL_OK;

	if (slash != NULL) {
		(void)snprintf(
		    process, sizeof(process), "%.*s", (int)(slash - d->subject), d->subject);
		rc = control_sql_int(d->r->db, d->err, 0, &no,
		    "SELECT id FROM case_head WHERE site = ? AND process = ? AND case_id = ?"
		    " AND events > 0",
		    "ttt", d->site, process, slash + 1);
	}
	jsonw_int_or_null(&d->r->w, "case_no", no != 0, no);
	return rc;
}

static bool
write_entry(void *ctx, const struct incident_entry *e)
{
	struct jsonw *w = &((struct detail *)ctx)->r->w;

	jsonw_object(w, NULL);
	jsonw_int(w, "n", e->n);
	jsonw_int(w, "unix_ms", e->unix_ms);
	jsonw_str(w, "actor", e->actor);
	jsonw_str(w, "kind", e->kind);
	api_object(w, "detail", e->detail);
	jsonw_object_end(w);
	return !w->buf.failed;
}

static int
write_rest(struct detail *d, int64_t id, struct bl_err *err)
{
	struct outbox_filter messages = { .incident = id };
	struct api_page page = { .limit = MESSAGES_MAX };
	int64_t last;
	int rc;

	if ((rc = write_case_no(d)) < 0)
		return rc;
	jsonw_array(&d->r->w, "entries");
	if ((rc = incident_entries(d->r->db, id, write_entry, d, err)) < 0)
		return rc;
	jsonw_array_end(&d->r->w);
	jsonw_array(&d->r->w, "messages");
	if ((rc = api_write_messages(d->r, &messages, &page, &last, err)) < 0)
		return rc;
	jsonw_array_end(&d->r->w);
	return BL_OK;
}

static int
none(struct api_req *r)
{
	api_problem(r, 404, "not_found", "There is no incident \"%s\".", r->param[0]);
	return 0;
}

int
get_incidents_id(struct api_req *r, struct bl_err *err)
{
	const int64_t id = api_number(r->param[0]);
	struct detail d = { .r = r, .err = err };
	int rc;

	rc = api_doubts_of_sites(r, INT64_MIN, INT64_MAX, INCIDENT_DOUBT_MS, &d.doubts, err);
	if (rc < 0)
		return rc;
	jsonw_object(&r->w, NULL);
	rc = incident_get(r->db, id, write_detail, &d, err);
	api_doubts_free(&d.doubts);
	if (rc == BL_ENOTFOUND)
		return none(r);
	if (rc < 0 || (rc = d.rc) < 0 || (rc = write_rest(&d, id, err)) < 0)
		return rc;
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}

/* ---- people ------------------------------------------------------------------------ */

static void
nobody(struct api_req *r, const char *user)
{
	struct field_errors errs = { 0 };
	char got[96];

	(void)snprintf(got, sizeof(got), "\"%s\"", user);
	field_error_add(&errs, "user", "a person who can sign in, or null", got, NULL);
	api_problem_fields(r, &errs);
}

/* Answers what became of it: the incident as it stands now, or why not. */
static int
acted(struct api_req *r, int rc, const char *user, struct bl_err *err)
{
	switch (rc) {
	case INCIDENT_DONE:
		atomic_store(&r->api->overview.stale, true);
		rc = api_db_renew(r, err);
		return rc < 0 ? rc : get_incidents_id(r, err);
	case INCIDENT_STALE:
		api_problem(r, 412, "precondition_failed",
		    "Incident %s was changed meanwhile; read it again. Nothing was changed.",
		    r->param[0]);
		return 0;
	case INCIDENT_ENDED:
		api_problem(r, 409, "conflict",
		    "Incident %s was withdrawn or merged into another; nothing can be done to it.",
		    r->param[0]);
		return 0;
	case INCIDENT_FULL:
		api_problem(r, 409, "conflict",
		    "People have done %u things to incident %s, which is the limit.",
		    INCIDENT_COMMENTS_MAX, r->param[0]);
		return 0;
	case INCIDENT_NOBODY:
		nobody(r, user);
		return 0;
	default:
		return rc < 0 ? rc : none(r);
	}
}

int
post_incidents_id_acknowledge(struct api_req *r, struct bl_err *err)
{
	const int rc = incident_acknowledge(
	    r->api->opts.control, &r->actor, api_number(r->param[0]), r->if_match, err);

	return acted(r, rc, NULL, err);
}

int
post_incidents_id_assign(struct api_req *r, struct bl_err *err)
{
	const struct incident_body *b = r->body;
	const char *user = b->user.v != NULL ? b->user.v : "";
	const int rc = incident_assign(
	    r->api->opts.control, &r->actor, api_number(r->param[0]), r->if_match, user, err);

	return acted(r, rc, user, err);
}

int
post_incidents_id_resolve(struct api_req *r, struct bl_err *err)
{
	const struct incident_body *b = r->body;
	const int rc = incident_resolve(r->api->opts.control, &r->actor, api_number(r->param[0]),
	    r->if_match, b->comment.v, err);

	return acted(r, rc, NULL, err);
}

int
post_incidents_id_comments(struct api_req *r, struct bl_err *err)
{
	const struct incident_body *b = r->body;
	const int rc = incident_comment(
	    r->api->opts.control, &r->actor, api_number(r->param[0]), b->text.v, err);

	return acted(r, rc, NULL, err);
}
