/*
 * Reading cases: for the API, for KPIs and for rules, on any connection.
 *
 * Rows are borrowed from the statement for the call, so a visitor must not
 * change the same case.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases_internal.h"
#include "control_sql.h"

#define ROW_COLUMNS                                                                                \
	"c.id, c.site, c.process, c.case_id, c.status, c.attrs, c.begin_unix_ms, c.end_unix_ms,"   \
	" c.events"

static const char *
text(sqlite3_stmt *st, int i)
{
	const char *t = (const char *)sqlite3_column_text(st, i);

	return t != NULL ? t : "";
}

static void
take_row(sqlite3_stmt *st, struct cases_row *c)
{
	*c = (struct cases_row){
		.no = sqlite3_column_int64(st, 0),
		.site = text(st, 1),
		.process = text(st, 2),
		.case_id = text(st, 3),
		.status = text(st, 4),
		.attrs = text(st, 5),
		.begin_unix_ms = sqlite3_column_int64(st, 6),
		.end_unix_ms = cases_column_end(st, 7),
		.events = sqlite3_column_int64(st, 8),
	};
}

static int
each_row(sqlite3_stmt *st, cases_row_cb cb, void *ctx, struct bl_err *err)
{
	struct cases_row c;
	int rc;

	while ((rc = control_sql_step(st, err)) == 1) {
		take_row(st, &c);
		if (!cb(ctx, &c))
			break;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

/* Where a page goes on; nothing before_no: from the newest. */
static int
page_at(struct sqlite3 *db, int64_t before_no, int64_t *begin, int64_t *no, struct bl_err *err)
{
	*begin = *no = INT64_MAX;
	if (before_no == 0)
		return BL_OK;
	*no = before_no;
	return control_sql_int(db, err, INT64_MIN, begin,
	    "SELECT begin_unix_ms FROM case_head WHERE id = ?", "i", before_no);
}

int
cases_each(struct sqlite3 *db, const struct cases_filter *f, cases_row_cb cb, void *ctx,
    struct bl_err *err)
{
	int64_t begin, no;
	sqlite3_stmt *st;
	char sql[768];
	int rc;

	if ((rc = page_at(db, f->before_no, &begin, &no, err)) < 0)
		return rc;
	/* Each shape of the question has its index: by site or not, open ones or all. */
	(void)snprintf(sql, sizeof(sql),
	    "SELECT " ROW_COLUMNS " FROM case_head c WHERE c.begin_unix_ms < ?1"
	    " AND (c.begin_unix_ms, c.id) < (?2, ?3) AND c.events > 0"
	    " AND (c.end_unix_ms IS NULL OR c.end_unix_ms >= ?4)%s%s%s"
	    " ORDER BY c.begin_unix_ms DESC, c.id DESC LIMIT ?5",
	    f->site != NULL ? " AND c.site = ?6" : " AND ?6 IS NULL",
	    f->process != NULL ? " AND c.process = ?7" : " AND ?7 IS NULL",
	    f->open_only ? " AND c.end_unix_ms IS NULL" : "");
	rc = control_sql_prepare(&st, db, err, sql, "iiiiitt", f->to_unix_ms, begin, no,
	    f->from_unix_ms, (int64_t)f->limit, f->site, f->process);
	return rc < 0 ? rc : each_row(st, cb, ctx, err);
}

int
cases_get(struct sqlite3 *db, int64_t no, cases_row_cb cb, void *ctx, struct bl_err *err)
{
	struct cases_row c;
	sqlite3_stmt *st;
	int rc;

	if ((rc = control_sql_prepare(&st, db, err,
		 "SELECT " ROW_COLUMNS " FROM case_head c WHERE c.id = ? AND c.events > 0", "i",
		 no)) < 0)
		return rc;
	if ((rc = control_sql_step(st, err)) == 1) {
		take_row(st, &c);
		(void)cb(ctx, &c);
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc == 1 ? BL_OK : rc < 0 ? rc : BL_ENOTFOUND;
}

static void
take_step(sqlite3_stmt *st, int i, struct cases_step *s)
{
	*s = (struct cases_step){
		.step = text(st, i),
		.device = text(st, i + 1),
		.attrs = text(st, i + 2),
		.begin_unix_ms = cases_column_begin(st, i + 3),
		.end_unix_ms = cases_column_end(st, i + 4),
	};
}

int
cases_steps(struct sqlite3 *db, int64_t no, cases_step_cb cb, void *ctx, struct bl_err *err)
{
	struct cases_step s;
	sqlite3_stmt *st;
	int rc;

	if ((rc = control_sql_prepare(&st, db, err,
		 "SELECT step, device, attrs, begin_unix_ms, end_unix_ms FROM case_step"
		 " WHERE case_no = ? ORDER BY n",
		 "i", no)) < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1) {
		take_step(st, 0, &s);
		if (!cb(ctx, &s))
			break;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

/* Sorted as the fold sorts them, with what was sent twice left out. */
int
cases_events(struct sqlite3 *db, int64_t no, cases_event_cb cb, void *ctx, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	if ((rc = control_sql_prepare(&st, db, err,
		 "SELECT device, type, step, attrs, unix_ms FROM case_event WHERE case_no = ?"
		 " GROUP BY unix_ms, device, type, step, event_id, attrs"
		 " ORDER BY unix_ms, device, min(boot_ms), min(n), type, step, event_id, attrs",
		 "i", no)) < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1) {
		const struct cases_event_row e = { text(st, 0), text(st, 1), text(st, 2),
			text(st, 3), sqlite3_column_int64(st, 4) };

		if (!cb(ctx, &e))
			break;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

static int
each_ended(sqlite3_stmt *st, bool steps, cases_ended_cb cb, void *ctx, struct bl_err *err)
{
	struct cases_step s;
	struct cases_row c;
	int rc;

	while ((rc = control_sql_step(st, err)) == 1) {
		take_row(st, &c);
		if (steps)
			take_step(st, 9, &s);
		if (!cb(ctx, &c, steps ? &s : NULL))
			break;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

int
cases_ended_steps(struct sqlite3 *db, const char *device, int64_t from, int64_t to,
    cases_ended_cb cb, void *ctx, struct bl_err *err)
{
	sqlite3_stmt *st;
	const int rc = control_sql_prepare(&st, db, err,
	    "SELECT " ROW_COLUMNS ", s.step, s.device, s.attrs, s.begin_unix_ms, s.end_unix_ms"
	    " FROM case_step s JOIN case_head c ON c.id = s.case_no"
	    " WHERE s.device = ? AND s.end_unix_ms >= ? AND s.end_unix_ms < ?"
	    " AND s.begin_unix_ms IS NOT NULL"
	    " ORDER BY s.end_unix_ms, c.site, c.process, c.case_id, s.n",
	    "tii", device, from, to);

	return rc < 0 ? rc : each_ended(st, true, cb, ctx, err);
}

int
cases_ended(struct sqlite3 *db, const char *device, int64_t from, int64_t to, cases_ended_cb cb,
    void *ctx, struct bl_err *err)
{
	sqlite3_stmt *st;
	const int rc = control_sql_prepare(&st, db, err,
	    "SELECT " ROW_COLUMNS " FROM case_head c"
	    " WHERE c.end_device = ? AND c.end_unix_ms >= ? AND c.end_unix_ms < ?"
	    " ORDER BY c.end_unix_ms, c.site, c.process, c.case_id",
	    "tii", device, from, to);

	return rc < 0 ? rc : each_ended(st, false, cb, ctx, err);
}

/* ---- attributes then ---- */

struct attrs_then {
	json_t *o;
	int64_t until;
	bool any;
	int rc;
	struct bl_err *err;
};

static bool
fold_until(void *ctx, const struct cases_event_row *e)
{
	struct attrs_then *a = ctx;
	json_t *attrs;

	a->any = true;
	if (e->unix_ms > a->until)
		return false;
	if ((attrs = cases_object(e->attrs, a->err)) == NULL) {
		a->rc = BL_ECORRUPT;
		return false;
	}
	if (!cases_attrs_fold(a->o, attrs))
		a->rc = bl_fail(a->err, BL_ENOMEM, "cases: out of memory");
	json_decref(attrs);
	return a->rc == BL_OK;
}

int
cases_attrs_at(
    struct cases_attrs **out, struct sqlite3 *db, int64_t no, int64_t unix_ms, struct bl_err *err)
{
	struct attrs_then a = { .o = json_object(), .until = unix_ms, .err = err };
	int rc;

	*out = NULL;
	if (a.o == NULL)
		return bl_fail(err, BL_ENOMEM, "cases: out of memory");
	if ((rc = cases_events(db, no, fold_until, &a, err)) == BL_OK)
		rc = a.rc;
	if (rc == BL_OK && !a.any)
		rc = BL_ENOTFOUND;
	if (rc < 0) {
		json_decref(a.o);
		return rc;
	}
	return cases_attrs_make(out, a.o, err);
}
