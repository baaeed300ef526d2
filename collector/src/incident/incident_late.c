/*
 * Cases that are late still: until when that is seen moves on, nothing else does.
 *
 * What a whole finding would change is nothing but last_true, and only where the incident
 * stands as it was told; every other one is left to incident_reconcile.
 */
#include "incident_internal.h"

static sqlite3_stmt *
bind_late(sqlite3_stmt *st, const char *site, const struct rule_late *l)
{
	(void)sqlite3_reset(st); /* repeats the failure of the step */
	(void)sqlite3_bind_text(st, 1, l->rule, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 2, l->case_no);
	(void)sqlite3_bind_text(st, 3, site, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 4, l->deadline_unix_ms);
	(void)sqlite3_bind_int64(st, 5, l->version);
	(void)sqlite3_bind_text(st, 6, l->process_name, -1, SQLITE_STATIC);
	return st;
}

/* The only one that stands, as it was told: its id; 0: none such, or more than one. */
static int
find(sqlite3_stmt *st, int64_t *id, int64_t *last_true, bool *digest, struct bl_err *err)
{
	int rc = control_sql_step(st, err);

	*id = 0;
	if (rc != 1 || sqlite3_column_int(st, 3) == 0)
		return rc < 0 ? rc : BL_OK;
	*id = sqlite3_column_int64(st, 0);
	*last_true = sqlite3_column_int64(st, 1);
	*digest = sqlite3_column_int(st, 2) == INCIDENT_IN_DIGEST;
	if ((rc = control_sql_step(st, err)) == 1)
		*id = 0;
	return rc < 0 ? rc : BL_OK;
}

static int
note(sqlite3_stmt *set, int64_t id, int64_t last_true, struct bl_err *err)
{
	const int rc =
	    sqlite3_reset(set) == SQLITE_OK && sqlite3_bind_int64(set, 1, last_true) == SQLITE_OK &&
		    sqlite3_bind_int64(set, 2, id) == SQLITE_OK
		? control_sql_step(set, err)
		: bl_fail(err, BL_EIO, "incident %lld: note that it holds", (long long)id);

	return rc < 0 ? rc : BL_OK;
}

static int
note_one(
    sqlite3_stmt *get, sqlite3_stmt *set, const char *site, struct rule_late *l, struct bl_err *err)
{
	int64_t id, last_true = 0;
	bool digest = false;
	int rc = find(bind_late(get, site, l), &id, &last_true, &digest, err);

	/* Told of in a digest it may have to be paged: that is a finding's business. */
	if (rc < 0 || id == 0 || (digest && last_true != l->last_true_unix_ms))
		return rc;
	if (last_true != l->last_true_unix_ms &&
	    (rc = note(set, id, l->last_true_unix_ms, err)) < 0)
		return rc;
	l->done = true;
	return BL_OK;
}

int
incident_late(sqlite3 *db, const char *site, struct rule_late *l, size_t n, struct bl_err *err)
{
	/* Any that stands counts, whatever its interval: two are a finding's business, too. */
	static const char sql[] =
	    "SELECT id, last_true_unix_ms, notice, begin_unix_ms = ?4 AND end_unix_ms IS NULL"
	    " AND rule_version = ?5 AND json_extract(explanation, '$.process_name') = ?6"
	    " FROM incident WHERE rule = ?1"
	    " AND subject = (SELECT process || '/' || case_id FROM case_head WHERE id = ?2"
	    " AND events > 0)"
	    " AND +site = ?3 AND state NOT IN ('withdrawn', 'merged')";
	sqlite3_stmt *get, *set = NULL;
	int rc = control_sql_prepare(&get, db, err, sql, "");

	if (rc >= 0)
		rc = control_sql_prepare(
		    &set, db, err, "UPDATE incident SET last_true_unix_ms = ? WHERE id = ?", "");
	for (size_t i = 0; i < n && rc >= 0; i++)
		rc = note_one(get, set, site, &l[i], err);
	(void)sqlite3_finalize(get); /* repeats the failure of the step */
	(void)sqlite3_finalize(set);
	return rc < 0 ? rc : BL_OK;
}
