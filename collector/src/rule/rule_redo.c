/*
 * A rule that was defined anew or switched, worked out again from an instant on:
 * site by site, in slices, so that no transaction is long.  The place within a
 * site is a row; sites that are done are the caller's to remember.
 *
 * Before: an incident ends where its version does.  So runs of versions that are
 * not in force any more go first, and every slice of time is told of, also where
 * there is nothing (any more).
 */
#include "rule_internal.h"

#include <string.h>

#define LINES       8   /* lines of time in a slice: about 500 windows */
#define CASES       64u /* cases in a slice */
#define STAGE_CELLS 0
#define STAGE_CASES 1 /* and above: one for each process */
#define AT_BEGIN    INT64_MIN

struct place {
	char site[BL_ID_TEXT_MAX + 1];
	int64_t stage, at;
};

struct redo {
	const struct rule_env *e;
	const struct define_rule *first;
	int64_t newest; /* version */
	int64_t from;
	struct store_read *telemetry;
	struct bl_err *err;
};

/* ---- the place ---- */

static int
load_place(const struct redo *r, struct place *out)
{
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(&st, r->e->db, r->err,
	    "SELECT site, stage, at FROM rule_place WHERE rule = ? AND from_unix_ms = ?"
	    " AND version = ?",
	    "tii", r->first->head.id, r->from, r->newest);
	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, r->err)) == 1) {
		char site[BL_ID_TEXT_MAX + 1];

		control_sql_text(st, 0, site, sizeof(site));
		if (strcmp(site, out->site) == 0) {
			out->stage = sqlite3_column_int64(st, 1);
			out->at = sqlite3_column_int64(st, 2);
		}
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

static int
keep_place(const struct redo *r, const struct place *p)
{
	return control_sql_run(r->e->db, r->err,
	    "INSERT OR REPLACE INTO rule_place (rule, site, from_unix_ms, version, stage, at)"
	    " VALUES (?, ?, ?, ?, ?, ?)",
	    "ttiiii", r->first->head.id, p->site, r->from, r->newest, p->stage, p->at);
}

static int
forget_place(const struct redo *r)
{
	return control_sql_run(
	    r->e->db, r->err, "DELETE FROM rule_place WHERE rule = ?", "t", r->first->head.id);
}

/* ---- windows ---- */

static bool
first_begin(void *ctx, const struct kpi_cell *c)
{
	int64_t *out = ctx;

	*out = c->begin_unix_ms;
	return false;
}

/* Where the next window of any version in force from t on begins; INT64_MAX: there is none. */
static int
next_window(const struct redo *r, const char *site, int64_t t, int64_t *out)
{
	int rc = BL_OK;

	*out = INT64_MAX;
	for (const struct define_rule *v = r->first; v != NULL && rc >= 0;
	     v = rule_next_version(r->e->set, v)) {
		const int64_t from = t > v->head.from_unix_ms ? t : v->head.from_unix_ms;
		int64_t begin = INT64_MAX;

		if (!rule_watches(r->e, v, site) || from >= v->head.until_unix_ms)
			continue;
		rc = kpi_cells(r->e->db, v->kpi, v->window, site, from, v->head.until_unix_ms, 1,
		    first_begin, &begin, r->err);
		*out = begin < *out ? begin : *out;
	}
	return rc;
}

/* The version in force at t, else the next one that comes to be; NULL: none. */
static const struct define_rule *
version_from(const struct redo *r, int64_t t)
{
	const struct define_rule *v = define_rule_at(r->e->set, r->first->head.id, t);

	if (v != NULL)
		return v;
	for (const struct define_rule *w = r->first; w != NULL; w = rule_next_version(r->e->set, w))
		if (w->head.from_unix_ms > t && w->head.from_unix_ms < w->head.until_unix_ms &&
		    (v == NULL || w->head.from_unix_ms < v->head.from_unix_ms))
			v = w;
	return v;
}

/* The slice [t, end) under one version. */
static int
redo_version(
    const struct redo *r, const struct define_rule *v, const char *site, int64_t t, int64_t end)
{
	struct rule_span span = { t, end };
	int rc;

	if (v->kind != DEFINE_THRESHOLD) /* has a stage of its own, or none */
		return BL_OK;
	if (rule_watches(r->e, v, site) &&
	    (rc = rule_amend(r->e, v, site, t, end, NULL, &span, r->err)) < 0)
		return rc;
	return rule_stretch(r->e, v, site, &span, r->err);
}

/* In order of time: a version ends before the next begins. */
static int
redo_span(const struct redo *r, const char *site, int64_t t, int64_t end)
{
	const struct define_rule *v;
	int rc = BL_OK;

	while (t < end && rc >= 0 && (v = version_from(r, t)) != NULL) {
		const int64_t until = v->head.until_unix_ms < end ? v->head.until_unix_ms : end;

		if (v->head.from_unix_ms > t)
			t = v->head.from_unix_ms;
		if (t < until)
			rc = redo_version(r, v, site, t, until);
		t = until;
	}
	return rc;
}

/* By the shortest line of its versions. */
static int64_t
slice_ms(const struct redo *r)
{
	int64_t line = 0;

	for (const struct define_rule *v = r->first; v != NULL; v = rule_next_version(r->e->set, v))
		if (v->kind == DEFINE_THRESHOLD && (line == 0 || rule_line_ms(v->window) < line))
			line = rule_line_ms(v->window);
	return LINES * line;
}

static int
forget_versions(const struct redo *r, const char *site)
{
	int rc = BL_OK;

	for (const struct define_rule *v = r->first; v != NULL && rc >= 0;
	     v = rule_next_version(r->e->set, v))
		rc = rule_forget(r->e, v, site, r->from, r->err);
	return rc;
}

/* One slice; p moves on, to the next stage when there is no more. */
static int
redo_cells(const struct redo *r, struct place *p)
{
	const int64_t slice = slice_ms(r);
	int64_t next, end;
	int rc;

	if (slice == 0) {
		p->stage = STAGE_CASES;
		p->at = 0;
		return BL_OK;
	}
	if (p->at == AT_BEGIN) { /* one instant before: the version that ends there, too */
		if ((rc = forget_versions(r, p->site)) < 0)
			return rc;
		p->at = rule_add(r->from, -1);
	}
	if ((rc = next_window(r, p->site, p->at, &next)) < 0)
		return rc;
	end = next == INT64_MAX ? INT64_MAX : rule_add(next > p->at ? next : p->at, slice);
	if ((rc = redo_span(r, p->site, p->at, end)) < 0)
		return rc;
	p->at = end;
	if (end == INT64_MAX) {
		p->stage = STAGE_CASES;
		p->at = 0;
	}
	return BL_OK;
}

/* ---- cases ---- */

/* The n-th process that versions speak of, each once; NULL: no more. */
static const char *
process_of(const struct redo *r, int64_t n)
{
	for (const struct define_rule *v = r->first; v != NULL;
	     v = rule_next_version(r->e->set, v)) {
		bool seen = v->kind != DEFINE_CASE_OPEN;

		for (const struct define_rule *w = r->first; w != v && !seen;
		     w = rule_next_version(r->e->set, w))
			seen = w->kind == DEFINE_CASE_OPEN && strcmp(w->process, v->process) == 0;
		if (!seen && n-- == 0)
			return v->process;
	}
	return NULL;
}

struct numbers {
	int64_t no[CASES];
	size_t n;
};

static bool
take_number(void *ctx, const struct cases_row *c)
{
	struct numbers *l = ctx;

	l->no[l->n++] = c->no;
	return l->n < CASES;
}

static int
redo_cases(const struct redo *r, struct place *p)
{
	const struct cases_filter f = {
		.site = p->site,
		.process = process_of(r, p->stage - STAGE_CASES),
		.from_unix_ms = r->from,
		.to_unix_ms = INT64_MAX,
		.before_no = p->at,
		.limit = CASES,
	};
	struct numbers l = { .n = 0 };
	struct rule_cover *cover = NULL;
	int rc;

	rc = cases_each(r->e->db, &f, take_number, &l, r->err);
	for (size_t i = 0; i < l.n && rc >= 0; i++)
		rc = rule_case_settle(r->e, r->first, l.no[i], &cover, r->telemetry, r->err);
	rule_cover_free(cover);
	if (rc < 0)
		return rc;
	if (l.n == CASES) {
		p->at = l.no[CASES - 1];
	} else {
		p->stage++;
		p->at = 0;
	}
	return BL_OK;
}

/* ---- sites ---- */

/* The first site after `after`; NULL: no more. */
static const struct roster_site *
next_site(const struct roster *r, const char *after)
{
	for (size_t i = 0; i < roster_sites(r); i++)
		if (after == NULL || strcmp(roster_site_at(r, i)->id, after) > 0)
			return roster_site_at(r, i);
	return NULL;
}

/* One slice of the site that p is at; 1: the site is done. */
static int
redo_slice(const struct redo *r, struct place *p)
{
	int rc;

	if (p->stage == STAGE_CELLS)
		rc = redo_cells(r, p);
	else
		rc = redo_cases(r, p);
	if (rc < 0)
		return rc;
	return p->stage >= STAGE_CASES && process_of(r, p->stage - STAGE_CASES) == NULL;
}

int
rule_redo(const struct rule_env *e, const char *rule, int64_t from, const char *after, size_t limit,
    char last[BL_ID_TEXT_MAX + 1], struct store_read *telemetry, struct bl_err *err)
{
	struct redo r = { .e = e, .from = from, .telemetry = telemetry, .err = err };
	const struct roster_site *site;
	int n = 0, rc;

	last[0] = '\0';
	if (after != NULL)
		memmove(last, after, strlen(after) + 1);
	if ((r.first = rule_first_version(e->set, rule)) == NULL)
		return 0;
	for (const struct define_rule *v = r.first; v != NULL; v = rule_next_version(e->set, v))
		r.newest = v->head.version > r.newest ? v->head.version : r.newest;
	while (limit > 0 && (site = next_site(e->roster, after)) != NULL) {
		struct place p = { .stage = STAGE_CELLS, .at = AT_BEGIN };
		bool done = false;

		memcpy(p.site, site->id, strlen(site->id) + 1);
		if ((rc = load_place(&r, &p)) < 0)
			return rc;
		for (; limit > 0 && !done; limit--, n++) {
			if ((rc = redo_slice(&r, &p)) < 0)
				return rc;
			done = rc == 1;
		}
		if ((rc = done ? forget_place(&r) : keep_place(&r, &p)) < 0)
			return rc;
		if (!done)
			break;
		memcpy(last, p.site, strlen(p.site) + 1);
		after = last;
	}
	return n;
}
