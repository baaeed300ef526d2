/* What KPIs came to: cells, the newest of each site, and what each device gave to one. */
#include "api_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kpi.h"

#define CELLS_MAX     5000u /* of a page: as many as a query has steps */
#define PARTS_MAX     4096u
#define REVISIONS_MAX 1000u
#define CURSOR_MAX    (BL_ID_TEXT_MAX + 20)

struct cells_query {
	struct given_enum window;
	struct given_str site, cursor;
	struct query_range range;
	struct given_int limit, begin;
};

/* "site@end": after the cell of that site that ends then. */
static bool
parse_cursor(const char *text, char site[BL_ID_TEXT_MAX + 1], int64_t *end)
{
	const char *at = strchr(text, '@');
	const size_t len = at != NULL ? (size_t)(at - text) : 0;

	if (at == NULL || len > BL_ID_TEXT_MAX || check_number(NULL, at + 1) != NULL)
		return false;
	(void)snprintf(site, BL_ID_TEXT_MAX + 1, "%.*s", (int)len, text);
	*end = strtoll(at + 1, NULL, 10);
	return bl_id_text_valid(site);
}

static const char *
check_cursor(const struct api *api, const char *v)
{
	char site[BL_ID_TEXT_MAX + 1];
	int64_t end;

	(void)api;
	return parse_cursor(v, site, &end) ? NULL : "a cursor from an earlier answer";
}

#define AT(m)         offsetof(struct cells_query, m)
#define WINDOW_UNSAID "length of the windows; the KPI's smallest unless given"

static const struct field cells_fields[] = {
	QUERY_WINDOW(AT, false, WINDOW_UNSAID),
	QUERY_ID(AT, site, false, "only of this site; all of them, in order of id, unless given"),
	QUERY_RANGE(AT),
	QUERY_LIMIT(AT, CELLS_MAX),
	{ "after", FIELD_STR, AT(cursor), .min = 1, .max = CURSOR_MAX, .check = check_cursor,
	    .help = "the cursor of the answer before" },
};
const struct schema query_cells = { "", sizeof(struct cells_query), cells_fields, 6 };

static const struct field latest_fields[] = { QUERY_WINDOW(AT, false, WINDOW_UNSAID) };
const struct schema query_latest = { "", sizeof(struct cells_query), latest_fields, 1 };

static const struct field parts_fields[] = {
	QUERY_WINDOW(AT, true, "of the cell"),
	QUERY_ID(AT, site, true, "of the cell"),
	{ "begin", FIELD_INT, AT(begin), .required = true, .min = 0, .max = QUERY_MS_MAX,
	    .help = "of the cell, Unix milliseconds" },
};
const struct schema query_parts = { "", sizeof(struct cells_query), parts_fields, 3 };

static const char *
state_name(enum kpi_state s)
{
	static const char *const names[] = { "provisional", "final", "final_incomplete" };

	return names[s];
}

/* ---- the KPI ------------------------------------------------------------- */

struct answer {
	struct api_req *r;
	struct api_page page;
	enum bl_window window;
	char unit[DEFINE_UNIT_MAX + 1];
	int64_t from, to;
	enum bl_stream stream;     /* where its values come from */
	struct api_doubts doubts;  /* of sites: as long as a window and longer */
	struct api_doubts thinned; /* of sites, in that stream */
	/* of the last one written */
	char site[BL_ID_TEXT_MAX + 1];
	int64_t end;
	int rc;
	struct bl_err *err;
};

static bool
take_kpi(void *ctx, const struct define_row *row)
{
	struct answer *a = ctx;
	char window[8], source[16];

	member_text(row->body, "source", source, sizeof(source));
	a->stream = strcmp(source, "series") == 0  ? BL_STREAM_HOST
		    : strcmp(source, "probe") == 0 ? BL_STREAM_PROBES
						   : BL_STREAM_EVENTS;
	member_text(row->body, "unit", a->unit, sizeof(a->unit));
	member_text(row->body, "resolution", window, sizeof(window));
	if (!bl_window_parse(window, &a->window))
		a->window = BL_WINDOW_1M;
	return false;
}

/* False: it has been answered, or *rc says what failed. */
static bool
begin(struct api_req *r, struct answer *a, int *rc, struct bl_err *err)
{
	const struct cells_query *q = r->query;

	a->r = r;
	a->err = err;
	*rc = define_get(r->db, DEFINE_KPI, r->param[0], 0, take_kpi, a, err);
	if (*rc == BL_ENOTFOUND) {
		api_problem(r, 404, "not_found", "There is no kpi \"%s\".", r->param[0]);
		*rc = 0;
		return false;
	}
	if (q->window.given)
		a->window = (enum bl_window)(q->window.v + BL_WINDOW_1M);
	return *rc == BL_OK;
}

/* What may lie in another window than it is counted in. */
static int
read_doubts(struct answer *a, int64_t from, int64_t to)
{
	static const int64_t length_ms[] = { [BL_WINDOW_1M] = 60000,
		[BL_WINDOW_5M] = 300000,
		[BL_WINDOW_1H] = 3600000,
		[BL_WINDOW_1D] = 86400000 };

	const int rc =
	    api_doubts_of_sites(a->r, from, to, length_ms[a->window], &a->doubts, a->err);

	/* Events are never thinned. */
	if (rc < 0 || a->stream == BL_STREAM_EVENTS)
		return rc;
	return api_thinned_of_sites(a->r, a->stream, from, to, &a->thinned, a->err);
}

static void
free_doubts(struct answer *a)
{
	api_doubts_free(&a->doubts);
	api_doubts_free(&a->thinned);
}

/* ---- cells ---------------------------------------------------------------- */

static bool
write_cell(void *ctx, const struct kpi_cell *c)
{
	struct answer *a = ctx;
	struct jsonw *w = &a->r->w;

	if (!api_page_room(a->r, &a->page))
		return false;
	jsonw_object(w, NULL);
	jsonw_str(w, "site", c->site);
	jsonw_int(w, "begin_unix_ms", c->begin_unix_ms);
	jsonw_int(w, "end_unix_ms", c->end_unix_ms);
	jsonw_int(w, "version", c->version);
	jsonw_num(w, "value", c->known ? c->value : NAN);
	jsonw_int(w, "n", c->n);
	jsonw_num(w, "completeness", c->completeness);
	jsonw_bool(w, "ready", c->ready);
	jsonw_str(w, "state", state_name(c->state));
	jsonw_int(w, "revisions", c->revisions);
	jsonw_int(w, "known_unix_ms", c->known_unix_ms);
	api_doubt(w, "clock_doubt_ms", &a->doubts, c->site, c->begin_unix_ms, c->end_unix_ms);
	jsonw_bool(
	    w, "thinned", api_touches(&a->thinned, c->site, c->begin_unix_ms, c->end_unix_ms));
	jsonw_object_end(w);
	(void)snprintf(a->site, sizeof(a->site), "%s", c->site);
	a->end = c->end_unix_ms;
	return true;
}

static int
send_cells(struct answer *a)
{
	char cursor[CURSOR_MAX + 1];

	(void)snprintf(cursor, sizeof(cursor), "%s@%lld", a->site, (long long)a->end);
	api_items_end(a->r, &a->page, cursor);
	jsonw_str(&a->r->w, "kpi", a->r->param[0]);
	jsonw_str(&a->r->w, "window", bl_window_name(a->window));
	jsonw_str(&a->r->w, "unit", a->unit);
	jsonw_object_end(&a->r->w);
	return api_json_send(a->r, 200);
}

/* One more than there is room for, to see whether there are more. */
static int
cells_of(struct answer *a, const char *site, int64_t from)
{
	return kpi_cells(a->r->db, a->r->param[0], a->window, site, from, a->to,
	    a->page.limit - a->page.n + 1, write_cell, a, a->err);
}

static bool
cells_of_site(const struct fleet_site *s, void *ctx)
{
	struct answer *a = ctx;

	a->rc = cells_of(a, s->id, a->from);
	return a->rc == BL_OK && !a->page.more;
}

/* All sites at once; from a cursor on, the rest of its site, then the sites after it. */
static int
cells_of_all(struct answer *a, const char *cursor)
{
	struct fleet_filter f = { .with_retired = true };
	char site[BL_ID_TEXT_MAX + 1];
	int64_t end;
	int rc;

	if (cursor == NULL || !parse_cursor(cursor, site, &end))
		return cells_of(a, NULL, a->from);
	f.after = site;
	if ((rc = cells_of(a, site, end > a->from ? end : a->from)) < 0 || a->page.more)
		return rc;
	rc = fleet_site_each(a->r->db, &f, cells_of_site, a, a->err);
	return rc < 0 ? rc : a->rc;
}

static int
cells_of_one(struct answer *a, const char *site, const char *cursor)
{
	char of[BL_ID_TEXT_MAX + 1];
	int64_t end, from = a->from;

	if (cursor != NULL && parse_cursor(cursor, of, &end) && end > from)
		from = end;
	return cells_of(a, site, from);
}

int
get_kpis_id_cells(struct api_req *r, struct bl_err *err)
{
	const struct cells_query *q = r->query;
	struct answer a = { 0 };
	int rc = 0;

	if (!api_range(r, &q->range, &a.from, &a.to) || !begin(r, &a, &rc, err))
		return rc;
	a.page.limit = q->limit.given ? (size_t)q->limit.v : API_LIMIT_DFLT;
	if ((rc = read_doubts(&a, a.from, a.to)) < 0) {
		free_doubts(&a);
		return rc;
	}
	api_items(r);
	rc = q->site.given ? cells_of_one(&a, q->site.v, q->cursor.v)
			   : cells_of_all(&a, q->cursor.v);
	free_doubts(&a);
	return rc < 0 ? rc : send_cells(&a);
}

int
get_kpis_id_latest(struct api_req *r, struct bl_err *err)
{
	struct answer a = { .page.limit = FLEET_SITES_MAX };
	int rc;

	if (!begin(r, &a, &rc, err))
		return rc;
	if ((rc = read_doubts(&a, INT64_MIN, INT64_MAX)) < 0) {
		free_doubts(&a);
		return rc;
	}
	api_items(r);
	rc = kpi_latest(r->db, r->param[0], a.window, write_cell, &a, err);
	free_doubts(&a);
	return rc < 0 ? rc : send_cells(&a);
}

/* ---- parts ---------------------------------------------------------------- */

static bool
write_part(void *ctx, const struct kpi_part_row *p)
{
	struct answer *a = ctx;
	struct jsonw *w = &a->r->w;

	if (!api_page_room(a->r, &a->page))
		return false;
	jsonw_object(w, NULL);
	jsonw_str(w, "device", p->device);
	jsonw_int(w, "version", p->version);
	jsonw_int(w, "expected_ms", p->expected_ms);
	jsonw_int(w, "covered_ms", p->covered_ms);
	jsonw_int(w, "gone_ms", p->gone_ms);
	jsonw_num(w, "value", p->known ? p->value : NAN);
	jsonw_int(w, "n", p->n);
	jsonw_object_end(w);
	return true;
}

static bool
write_revision(void *ctx, const struct kpi_revision *v)
{
	struct answer *a = ctx;
	struct jsonw *w = &a->r->w;

	if (!api_page_room(a->r, &a->page))
		return false;
	jsonw_object(w, NULL);
	jsonw_int(w, "n", v->n);
	jsonw_num(w, "value", v->known ? v->value : NAN);
	jsonw_num(w, "completeness", v->completeness);
	jsonw_str(w, "state", state_name(v->state));
	jsonw_int(w, "known_unix_ms", v->known_unix_ms);
	jsonw_int(w, "revised_unix_ms", v->revised_unix_ms);
	jsonw_str(w, "why", v->why);
	jsonw_object_end(w);
	return true;
}

static int
write_parts(struct answer *a, struct bl_err *err)
{
	const struct cells_query *q = a->r->query;
	struct define_set *set = NULL;
	int rc;

	if ((rc = define_set_load(&set, a->r->db, err)) < 0)
		return rc;
	a->page = (struct api_page){ .limit = PARTS_MAX };
	rc = kpi_parts(
	    a->r->db, set, a->r->param[0], a->window, q->site.v, q->begin.v, write_part, a, err);
	define_set_free(set);
	return rc;
}

int
get_kpis_id_parts(struct api_req *r, struct bl_err *err)
{
	const struct cells_query *q = r->query;
	struct answer a = { 0 };
	int rc;

	if (!begin(r, &a, &rc, err))
		return rc;
	api_items(r);
	if ((rc = write_parts(&a, err)) < 0)
		return rc;
	jsonw_array_end(&r->w);
	jsonw_array(&r->w, "revisions");
	a.page = (struct api_page){ .limit = REVISIONS_MAX };
	rc = kpi_revisions(
	    r->db, r->param[0], a.window, q->site.v, q->begin.v, write_revision, &a, err);
	if (rc < 0)
		return rc;
	jsonw_array_end(&r->w);
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}
