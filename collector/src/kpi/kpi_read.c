/* Reading cells, parts and revisions: any connection, any thread. */
#include "kpi_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "control_sql.h"

#define CELL_COLUMNS                                                                               \
	"begin_unix_ms, end_unix_ms, site, version, value, n, completeness, ready, state,"         \
	" revisions, known_unix_ms"

/* Ends a statement whose last step returned rc; a visitor that stopped early is no failure. */
static int
finish(sqlite3_stmt *st, int rc)
{
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

static bool
tell_cell(sqlite3_stmt *st, kpi_cell_cb cb, void *ctx)
{
	const struct kpi_cell c = {
		.begin_unix_ms = sqlite3_column_int64(st, 0),
		.end_unix_ms = sqlite3_column_int64(st, 1),
		.site = (const char *)sqlite3_column_text(st, 2),
		.version = sqlite3_column_int64(st, 3),
		.known = sqlite3_column_type(st, 4) != SQLITE_NULL,
		.value = sqlite3_column_double(st, 4),
		.n = sqlite3_column_int64(st, 5),
		.completeness = sqlite3_column_double(st, 6),
		.ready = sqlite3_column_int(st, 7) != 0,
		.state = (enum kpi_state)sqlite3_column_int(st, 8),
		.revisions = sqlite3_column_int64(st, 9),
		.known_unix_ms = sqlite3_column_int64(st, 10),
	};

	return c.site != NULL && cb(ctx, &c);
}

/* ---- sites that have cells, one after another ---- */

/* 1: the first site after `after`; 0: none. */
static int
next_site(sqlite3 *db, const char *kpi, enum bl_window w, const char *after,
    char out[BL_ID_TEXT_MAX + 1], struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc = control_sql_prepare(&st, db, err,
	    "SELECT site FROM kpi_cell WHERE kpi = ? AND window = ? AND site > ?"
	    " ORDER BY site LIMIT 1",
	    "tit", kpi, (int64_t)w, after);

	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, err)) == 1)
		control_sql_text(st, 0, out, BL_ID_TEXT_MAX + 1);
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc;
}

/* ---- cells ---- */

struct range {
	const char *kpi;
	enum bl_window w;
	int64_t from, to;
	size_t left; /* of the limit */
	bool stopped;
	kpi_cell_cb cb;
	void *ctx;
};

/* A day may have 26 hours and more; everything else is as long as it says. */
static int64_t
longest_ms(enum bl_window w)
{
	return kpi_window_len_ms((int)w) * (w == BL_WINDOW_1D ? 2 : 1);
}

static int
cells_of(sqlite3 *db, const char *site, struct range *r, struct bl_err *err)
{
	const int64_t long_ms = longest_ms(r->w);
	const int64_t low = r->from > INT64_MIN + long_ms ? r->from - long_ms : INT64_MIN;
	sqlite3_stmt *st;
	int rc = control_sql_prepare(&st, db, err,
	    "SELECT " CELL_COLUMNS " FROM kpi_cell WHERE kpi = ? AND window = ? AND site = ?"
	    " AND begin_unix_ms >= ? AND begin_unix_ms < ? AND end_unix_ms > ?"
	    " ORDER BY begin_unix_ms LIMIT ?",
	    "titiiii", r->kpi, (int64_t)r->w, site, low, r->to, r->from, (int64_t)r->left);

	if (rc < 0)
		return rc;
	while (!r->stopped && (rc = control_sql_step(st, err)) == 1) {
		r->left--;
		r->stopped = !tell_cell(st, r->cb, r->ctx) || r->left == 0;
	}
	return finish(st, rc);
}

int
kpi_cells(struct sqlite3 *db, const char *kpi, enum bl_window w, const char *site, int64_t from,
    int64_t to, size_t limit, kpi_cell_cb cb, void *ctx, struct bl_err *err)
{
	struct range r = { kpi, w, from, to, limit, limit == 0, cb, ctx };
	char at[BL_ID_TEXT_MAX + 1] = "";
	int rc;

	if (site != NULL)
		return cells_of(db, site, &r, err);
	while (!r.stopped && (rc = next_site(db, kpi, w, at, at, err)) != 0)
		if (rc < 0 || (rc = cells_of(db, at, &r, err)) < 0)
			return rc;
	return BL_OK;
}

int
kpi_latest(struct sqlite3 *db, const char *kpi, enum bl_window w, kpi_cell_cb cb, void *ctx,
    struct bl_err *err)
{
	char at[BL_ID_TEXT_MAX + 1] = "";
	bool go_on = true;
	int rc;

	while (go_on && (rc = next_site(db, kpi, w, at, at, err)) != 0) {
		sqlite3_stmt *st;

		if (rc < 0 ||
		    (rc = control_sql_prepare(&st, db, err,
			 "SELECT " CELL_COLUMNS " FROM kpi_cell WHERE kpi = ? AND window = ?"
			 " AND site = ? AND ready = 1 ORDER BY begin_unix_ms DESC LIMIT 1",
			 "tit", kpi, (int64_t)w, at)) < 0)
			return rc;
		if ((rc = control_sql_step(st, err)) == 1)
			go_on = tell_cell(st, cb, ctx);
		if ((rc = finish(st, rc)) < 0)
			return rc;
	}
	return BL_OK;
}

/* ---- parts ---- */

struct telling {
	const struct define_set *set;
	const char *kpi;
	int64_t begin, end, version; /* of the cell */
	struct bl_part part;
	kpi_part_cb cb;
	void *ctx;
};

/* 1: there is such a cell. */
static int
find_cell(sqlite3 *db, const char *kpi, enum bl_window w, const char *site, struct telling *t,
    struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc = control_sql_prepare(&st, db, err,
	    "SELECT end_unix_ms, version FROM kpi_cell"
	    " WHERE kpi = ? AND window = ? AND site = ? AND begin_unix_ms = ?",
	    "titi", kpi, (int64_t)w, site, t->begin);

	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, err)) == 1) {
		t->end = sqlite3_column_int64(st, 0);
		t->version = sqlite3_column_int64(st, 1);
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc;
}

static const struct define_kpi *
version_at(const struct telling *t, int64_t version)
{
	for (size_t i = 0; i < t->set->n_kpis; i++)
		if (t->set->kpi[i].head.version == version &&
		    strcmp(t->set->kpi[i].head.id, t->kpi) == 0)
			return &t->set->kpi[i];
	return NULL;
}

/* Columns: device, expected of the roster; version, covered, gone, data of the row or null. */
static int
tell_part(sqlite3_stmt *st, struct telling *t, bool *go_on, struct bl_err *err)
{
	const bool has_row = sqlite3_column_type(st, 2) != SQLITE_NULL;
	struct kpi_part_row p = { .device = (const char *)sqlite3_column_text(st, 0),
		.expected_ms = sqlite3_column_int64(st, 1),
		.version = has_row ? sqlite3_column_int64(st, 2) : t->version };
	const struct define_kpi *v;
	int rc;

	if (p.device == NULL)
		return bl_fail(err, BL_ENOMEM, "kpi: out of memory");
	if (has_row) {
		p.covered_ms = sqlite3_column_int64(st, 3);
		p.gone_ms = sqlite3_column_int64(st, 4);
		if ((rc = bl_part_decode(&t->part, sqlite3_column_blob(st, 5),
			 (size_t)sqlite3_column_bytes(st, 5), err)) < 0)
			return rc;
		p.n = t->part.n > INT64_MAX ? INT64_MAX : (int64_t)t->part.n;
		v = version_at(t, p.version);
		p.known = v != NULL && (p.covered_ms > 0 || p.n > 0) &&
			  bl_part_value(&t->part, v->function, v->quantile, &p.value) &&
			  isfinite(p.value);
		if (!p.known)
			p.value = 0;
	}
	*go_on = t->cb(t->ctx, &p);
	return BL_OK;
}

int
kpi_parts(struct sqlite3 *db, const struct define_set *set, const char *kpi, enum bl_window w,
    const char *site, int64_t begin, kpi_part_cb cb, void *ctx, struct bl_err *err)
{
	struct telling t = { .set = set, .kpi = kpi, .begin = begin, .cb = cb, .ctx = ctx };
	sqlite3_stmt *st;
	bool go_on = true;
	int rc = find_cell(db, kpi, w, site, &t, err);

	if (rc <= 0)
		return rc;
	if ((rc = bl_part_init(&t.part, false)) < 0)
		return bl_fail(err, rc, "kpi: out of memory");
	/* Every device in service then, with or without a row. */
	rc = control_sql_prepare(&st, db, err,
	    "SELECT s.device, s.expected, p.version, p.covered_ms, p.gone_ms, p.data FROM"
	    " (SELECT device, sum(min(coalesce(to_unix_ms, ?1), ?1) - max(from_unix_ms, ?2))"
	    "  AS expected FROM service WHERE site = ?3 AND from_unix_ms < ?1"
	    "  AND coalesce(to_unix_ms, ?1) > ?2 GROUP BY device) s"
	    " LEFT JOIN kpi_part p ON p.kpi = ?4 AND p.window = ?5 AND p.site = ?3"
	    " AND p.begin_unix_ms = ?2 AND p.device = s.device ORDER BY s.device",
	    "iitti", t.end, begin, site, kpi, (int64_t)w);
	while (rc >= 0 && go_on && (rc = control_sql_step(st, err)) == 1)
		rc = tell_part(st, &t, &go_on, err);
	bl_part_free(&t.part);
	return finish(st, rc);
}

/* ---- revisions ---- */

int
kpi_revisions(struct sqlite3 *db, const char *kpi, enum bl_window w, const char *site,
    int64_t begin, kpi_revision_cb cb, void *ctx, struct bl_err *err)
{
	sqlite3_stmt *st;
	bool go_on = true;
	int rc = control_sql_prepare(&st, db, err,
	    "SELECT n, known_unix_ms, revised_unix_ms, value, completeness, state, why"
	    " FROM kpi_revision WHERE kpi = ? AND window = ? AND site = ? AND begin_unix_ms = ?"
	    " ORDER BY n",
	    "titi", kpi, (int64_t)w, site, begin);

	if (rc < 0)
		return rc;
	while (go_on && (rc = control_sql_step(st, err)) == 1) {
		const struct kpi_revision r = {
			.n = sqlite3_column_int64(st, 0),
			.known_unix_ms = sqlite3_column_int64(st, 1),
			.revised_unix_ms = sqlite3_column_int64(st, 2),
			.known = sqlite3_column_type(st, 3) != SQLITE_NULL,
			.value = sqlite3_column_double(st, 3),
			.completeness = sqlite3_column_double(st, 4),
			.state = (enum kpi_state)sqlite3_column_int(st, 5),
			.why = (const char *)sqlite3_column_text(st, 6),
		};

		go_on = r.why != NULL && cb(ctx, &r);
	}
	return finish(st, rc);
}
