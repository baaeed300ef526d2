/*
 * Taking step events in: each becomes a row of its case, once.
 *
 * What a case is follows from its rows alone, and is worked out when the
 * transaction is settled (cases_settle.c): here a case is only touched.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases_internal.h"
#include "control_sql.h"

void
cases_changes_free(struct cases_changes *l)
{
	cases_work_free(l->work);
	free(l->c);
	memset(l, 0, sizeof(*l));
}

static bool
is_step_event(const struct bl_str *type)
{
	static const char *const ours[] = { "step.begin", "step.end", "step.event" };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (type->len == strlen(ours[i]) && memcmp(type->p, ours[i], type->len) == 0)
			return true;
	return false;
}

static int
touch(struct cases_work *w, int64_t no, struct bl_err *err)
{
	int64_t *more;

	if (w->n_touched > 0 && w->touched[w->n_touched - 1] == no)
		return BL_OK;
	if (w->n_touched == w->size_touched) {
		const size_t size = w->size_touched == 0 ? 64 : w->size_touched * 2;

		if ((more = realloc(w->touched, size * sizeof(*more))) == NULL)
			return bl_fail(err, BL_ENOMEM, "cases: out of memory");
		w->touched = more;
		w->size_touched = size;
	}
	w->touched[w->n_touched++] = no;
	return BL_OK;
}

/* The case's number; a case that is not there is made, and is nothing until it is settled. */
static int
find_case(struct cases_work *w, const char *site, const struct cases_names *names, int64_t unix_ms,
    int64_t *no, struct bl_err *err)
{
	sqlite3_stmt *st =
	    cases_bind(w, CASES_SQL_FIND, err, "ttt", site, names->process, names->case_id);
	int rc = cases_step(st, err);

	if (rc == 1) {
		*no = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st); /* a row: nothing failed */
		return BL_OK;
	}
	if (rc < 0)
		return rc;
	st = cases_bind(
	    w, CASES_SQL_ADD, err, "ttti", site, names->process, names->case_id, unix_ms);
	if ((rc = cases_step(st, err)) < 0)
		return rc;
	*no = sqlite3_last_insert_rowid(w->db);
	return BL_OK;
}

/* 1: its row is there and right; 0: there is none (any more). */
static int
known(struct cases_work *w, const struct cases_event *e, const char *site, struct bl_err *err)
{
	sqlite3_stmt *st = cases_bind(w, CASES_SQL_KNOWN, err, "ii", e->batch_id, (int64_t)e->n);
	int rc = cases_step(st, err);
	int64_t no;
	bool right;

	if (rc <= 0)
		return rc;
	no = sqlite3_column_int64(st, 0);
	right = site != NULL && sqlite3_column_int64(st, 1) == e->unix_ms &&
		strcmp((const char *)sqlite3_column_text(st, 2), site) == 0;
	(void)sqlite3_reset(st); /* a row: nothing failed */
	if (right)
		return 1;
	st = cases_bind(w, CASES_SQL_FORGET, err, "ii", e->batch_id, (int64_t)e->n);
	rc = cases_step(st, err);
	return rc < 0 ? rc : touch(w, no, err);
}

/* Its row of an earlier store, if it has one, goes: this one stands for it. */
static int
forget_old(struct cases_work *w, const struct cases_event *e, int64_t no, const char *type,
    const char *step, const char *id, const char *attrs, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (w->old == CASES_OLD_UNKNOWN) {
		st = cases_bind(w, CASES_SQL_OLD, err, "");
		if ((rc = cases_step(st, err)) < 0)
			return rc;
		(void)sqlite3_reset(st); /* nothing failed */
		w->old = rc == 1 ? CASES_OLD_SOME : CASES_OLD_NONE;
	}
	if (w->old == CASES_OLD_NONE)
		return BL_OK;
	return cases_step(cases_bind(w, CASES_SQL_FORGET_OLD, err, "iittttt", no, e->unix_ms,
			      e->device, type, step, id, attrs),
	    err);
}

static int
add_event(struct cases_work *w, const struct cases_event *e, const struct cases_names *names,
    int64_t no, struct bl_err *err)
{
	const char *attrs = cases_attrs_json(&w->json, e->ev);
	char type[BL_NAME_MAX + 1], id[BL_EVENT_ID_MAX + 1];
	int rc;

	if (attrs == NULL)
		return bl_fail(err, BL_ENOMEM, "cases: out of memory");
	(void)snprintf(type, sizeof(type), "%.*s", (int)e->ev->type.len, e->ev->type.p);
	(void)snprintf(
	    id, sizeof(id), "%.*s", (int)e->ev->id.len, e->ev->id.len > 0 ? e->ev->id.p : "");
	rc = cases_step(
	    cases_bind(w, CASES_SQL_EVENT_ADD, err, "iitiiitttt", no, e->unix_ms, e->device,
		e->batch_id, (int64_t)e->n, e->ev->boot_ms, type, names->step, id, attrs),
	    err);
	if (rc < 0 || (rc = forget_old(w, e, no, type, names->step, id, attrs, err)) < 0)
		return rc;
	return touch(w, no, err);
}

int
cases_take(struct sqlite3 *db, const struct roster *roster, const struct cases_event *e,
    struct cases_changes *out, struct bl_err *err)
{
	const struct roster_site *site;
	struct cases_names names;
	struct cases_work *w;
	int64_t no;
	int rc;

	if (!is_step_event(&e->ev->type))
		return CASES_OTHER;
	if (!cases_names_of(e->ev, &names)) {
		out->refused++;
		return CASES_OTHER;
	}
	if ((rc = cases_work(out, db, &w, err)) < 0)
		return rc;
	site = roster_site_of(roster, e->device, e->unix_ms);
	if ((rc = known(w, e, site != NULL ? site->id : NULL, err)) != 0)
		return rc < 0 ? rc : CASES_TAKEN;
	if (site == NULL) {
		out->refused++;
		return CASES_OTHER;
	}
	if ((rc = find_case(w, site->id, &names, e->unix_ms, &no, err)) < 0 ||
	    (rc = add_event(w, e, &names, no, err)) < 0)
		return rc;
	return CASES_TAKEN;
}

int
cases_new_epoch(struct sqlite3 *db, struct bl_err *err)
{
	/* Below all that is there: ids of two earlier stores do not meet. */
	return control_sql_run(db, err,
	    "UPDATE case_event SET batch_id = (SELECT min(min(batch_id), 0) FROM case_event)"
	    " - batch_id WHERE batch_id > 0",
	    "");
}
