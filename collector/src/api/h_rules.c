/* What rules found when they were evaluated: why one did (not) fire. */
#include "api_internal.h"

#include <math.h>

#include "rule_engine.h"

struct runs_query {
	struct given_str site, cursor;
	struct query_range range;
	struct given_int limit;
};

#define AT(m) offsetof(struct runs_query, m)
static const struct field runs_fields[] = {
	QUERY_ID(AT, site, true, "the site"),
	QUERY_RANGE(AT),
	QUERY_LIMIT(AT, API_LIMIT_MAX),
	QUERY_CURSOR(AT, "after"),
};
const struct schema query_runs = { "", sizeof(struct runs_query), runs_fields, 5 };

struct listing {
	struct api_req *r;
	struct api_page page;
	int64_t last; /* end of the last one */
};

static const char *
outcome_name(enum bl_outcome o)
{
	return o == BL_OUTCOME_TRUE ? "true" : o == BL_OUTCOME_FALSE ? "false" : "unknown";
}

static bool
write_run(void *ctx, const struct rule_run_row *run)
{
	struct listing *l = ctx;
	struct jsonw *w = &l->r->w;

	if (!api_page_room(l->r, &l->page))
		return false;
	jsonw_object(w, NULL);
	jsonw_int(w, "begin_unix_ms", run->begin_unix_ms);
	jsonw_int(w, "end_unix_ms", run->end_unix_ms);
	jsonw_str(w, "outcome", outcome_name(run->outcome));
	jsonw_int(w, "windows", run->windows);
	jsonw_num(w, "completeness", run->completeness);
	jsonw_num(w, "value_min", run->known ? run->value_min : NAN);
	jsonw_num(w, "value_max", run->known ? run->value_max : NAN);
	jsonw_int(w, "version", run->version);
	jsonw_object_end(w);
	l->last = run->end_unix_ms;
	return true;
}

int
get_rules_id_runs(struct api_req *r, struct bl_err *err)
{
	const struct runs_query *q = r->query;
	struct listing l = { .r = r };
	int64_t from, to;
	int rc;

	if (!api_range(r, &q->range, &from, &to))
		return 0;
	if ((rc = api_definition_there(r, DEFINE_RULE, r->param[0], err)) != BL_OK)
		return rc == BL_ENOTFOUND ? 0 : rc;
	if (api_number(q->cursor.v) > from)
		from = api_number(q->cursor.v);
	l.page.limit = q->limit.given ? (size_t)q->limit.v : API_LIMIT_DFLT;
	api_items(r);
	rc = rule_runs(
	    r->db, r->param[0], q->site.v, from, to, l.page.limit + 1, write_run, &l, err);
	return rc < 0 ? rc : api_items_send(r, &l.page, l.last);
}
