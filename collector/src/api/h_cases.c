/* Cases: runs of business processes, with their steps and events. */
#include "api_internal.h"

#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "incident.h"

#define CASE_INCIDENTS_MAX 100u
#define CASE_DOUBT_MS      3600000 /* events beside a case are shown, too */

struct cases_query {
	struct given_str site, process, cursor;
	struct given_bool open;
	struct query_range range;
	struct given_int limit;
};

#define AT(m) offsetof(struct cases_query, m)
static const struct field cases_fields[] = {
	QUERY_ID(AT, site, false, "only of this site"),
	QUERY_ID(AT, process, false, "only of this process"),
	{ "open", FIELD_BOOL, AT(open), .help = "true: only those that have not ended" },
	QUERY_RANGE(AT),
	QUERY_LIMIT(AT, API_LIMIT_MAX),
	QUERY_CURSOR(AT, "before"),
};
const struct schema query_cases = { "", sizeof(struct cases_query), cases_fields, 7 };

struct listing {
	struct api_req *r;
	struct api_page page;
	int64_t last;
};

static void
write_members(struct jsonw *w, const struct cases_row *c)
{
	jsonw_int(w, "no", c->no);
	jsonw_str(w, "site", c->site);
	jsonw_str(w, "process", c->process);
	jsonw_str(w, "case", c->case_id);
	jsonw_str(w, "status", c->status);
	jsonw_int(w, "begin_unix_ms", c->begin_unix_ms);
	jsonw_int_or_null(w, "end_unix_ms", c->end_unix_ms != CASES_OPEN, c->end_unix_ms);
	jsonw_int(w, "events", c->events);
	api_object(w, "attrs", c->attrs);
}

static bool
write_case(void *ctx, const struct cases_row *c)
{
	struct listing *l = ctx;

	if (!api_page_room(l->r, &l->page))
		return false;
	jsonw_object(&l->r->w, NULL);
	write_members(&l->r->w, c);
	jsonw_object_end(&l->r->w);
	l->last = c->no;
	return true;
}

int
get_cases(struct api_req *r, struct bl_err *err)
{
	const struct cases_query *q = r->query;
	struct listing l = { .r = r };
	struct cases_filter f = {
		.site = q->site.v,
		.process = q->process.v,
		.open_only = q->open.v,
		.before_no = api_number(q->cursor.v),
	};
	int rc;

	if (!api_range(r, &q->range, &f.from_unix_ms, &f.to_unix_ms))
		return 0;
	l.page.limit = q->limit.given ? (size_t)q->limit.v : API_LIMIT_DFLT;
	f.limit = l.page.limit + 1;
	api_items(r);
	rc = cases_each(r->db, &f, write_case, &l, err);
	return rc < 0 ? rc : api_items_send(r, &l.page, l.last);
}

/* ---- one -------------------------------------------------------------------- */

struct detail {
	struct jsonw *w;
	struct api_doubts doubts; /* of devices */
	int64_t begin_unix_ms, end_unix_ms;
	char site[BL_ID_TEXT_MAX + 1];
	char subject[BL_ID_TEXT_MAX + CASES_ID_MAX + 2]; /* of incidents about it */
};

static bool
write_detail(void *ctx, const struct cases_row *c)
{
	struct detail *d = ctx;

	write_members(d->w, c);
	d->begin_unix_ms = c->begin_unix_ms;
	d->end_unix_ms = c->end_unix_ms;
	(void)snprintf(d->site, sizeof(d->site), "%s", c->site);
	(void)snprintf(d->subject, sizeof(d->subject), "%s/%s", c->process, c->case_id);
	return false;
}

static bool
write_step(void *ctx, const struct cases_step *s)
{
	const struct api_doubts *doubts = &((struct detail *)ctx)->doubts;
	struct jsonw *w = ((struct detail *)ctx)->w;
	const bool begun = s->begin_unix_ms != INT64_MIN, ended = s->end_unix_ms != CASES_OPEN;

	jsonw_object(w, NULL);
	jsonw_str(w, "step", s->step);
	jsonw_str(w, "device", s->device);
	jsonw_int_or_null(w, "begin_unix_ms", begun, s->begin_unix_ms);
	jsonw_int_or_null(w, "end_unix_ms", ended, s->end_unix_ms);
	api_doubt(w, "uncertainty_ms", doubts, s->device, begun ? s->begin_unix_ms : s->end_unix_ms,
	    ended ? s->end_unix_ms : s->begin_unix_ms);
	api_object(w, "attrs", s->attrs);
	jsonw_object_end(w);
	return !w->buf.failed;
}

static bool
write_event(void *ctx, const struct cases_event_row *e)
{
	const struct api_doubts *doubts = &((struct detail *)ctx)->doubts;
	struct jsonw *w = ((struct detail *)ctx)->w;

	jsonw_object(w, NULL);
	jsonw_int(w, "unix_ms", e->unix_ms);
	api_doubt(w, "uncertainty_ms", doubts, e->device, e->unix_ms, e->unix_ms);
	jsonw_str(w, "device", e->device);
	jsonw_str(w, "type", e->type);
	jsonw_str(w, "step", e->step);
	api_object(w, "attrs", e->attrs);
	jsonw_object_end(w);
	return !w->buf.failed;
}

static int
write_rest(struct api_req *r, struct detail *d, int64_t no, struct bl_err *err)
{
	struct incident_filter f = { .site = d->site, .subject = d->subject };
	struct api_page page = { .limit = CASE_INCIDENTS_MAX };
	int64_t last;
	int rc;

	if ((rc = api_doubts_of_devices(r, NULL, d->begin_unix_ms - CASE_DOUBT_MS,
		 d->end_unix_ms != CASES_OPEN ? d->end_unix_ms + CASE_DOUBT_MS : INT64_MAX,
		 STORE_DOUBT_MIN_MS, &d->doubts, err)) < 0)
		return rc;
	jsonw_array(&r->w, "steps");
	if ((rc = cases_steps(r->db, no, write_step, d, err)) < 0)
		return rc;
	jsonw_array_end(&r->w);
	jsonw_array(&r->w, "event_list");
	if ((rc = cases_events(r->db, no, write_event, d, err)) < 0)
		return rc;
	jsonw_array_end(&r->w);
	jsonw_array(&r->w, "incidents");
	if ((rc = api_write_incidents(r, &f, &page, &last, err)) < 0)
		return rc;
	jsonw_array_end(&r->w);
	return api_write_waits(r, no, d->site, d->begin_unix_ms, err);
}

int
get_cases_no(struct api_req *r, struct bl_err *err)
{
	const int64_t no = api_number(r->param[0]);
	struct detail d = { .w = &r->w };
	int rc;

	jsonw_object(&r->w, NULL);
	rc = cases_get(r->db, no, write_detail, &d, err);
	if (rc == BL_ENOTFOUND) {
		api_problem(r, 404, "not_found", "There is no case \"%s\".", r->param[0]);
		return 0;
	}
	if (rc >= 0)
		rc = write_rest(r, &d, no, err);
	api_doubts_free(&d.doubts);
	if (rc < 0)
		return rc;
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}
