/* What happened to an incident, in order; nothing is ever deleted. */
#include "incident_internal.h"

int
incident_put_entry(sqlite3 *db, int64_t id, int64_t unix_ms, const char *actor, const char *kind,
    const char *detail, struct bl_err *err)
{
	return control_sql_run(db, err,
	    "INSERT INTO incident_entry (incident, n, unix_ms, actor, kind, detail)"
	    " SELECT ?1, coalesce(max(n), 0) + 1, ?2, ?3, ?4, ?5 FROM incident_entry"
	    " WHERE incident = ?1",
	    "iittt", id, unix_ms, actor, kind, detail);
}

void
incident_write_interval(struct jsonw *w, const char *key, int64_t begin, int64_t end)
{
	if (key != NULL)
		jsonw_object(w, key);
	jsonw_int(w, "begin_unix_ms", begin);
	jsonw_int_or_null(w, "end_unix_ms", end != INCIDENT_OPEN, end);
	if (key != NULL)
		jsonw_object_end(w);
}

int
incident_put_json(const struct incident_change *c, int64_t id, const char *kind, struct jsonw *w)
{
	size_t len;
	const char *text = jsonw_text(w, &len);
	int rc;

	if (text == NULL)
		rc = bl_fail(
		    c->err, BL_ENOMEM, "incident %lld: no room for what happened", (long long)id);
	else
		rc = incident_put_entry(
		    c->db, id, c->now_unix_ms, INCIDENT_SYSTEM, kind, text, c->err);
	jsonw_free(w);
	return rc;
}

int
incident_note(sqlite3 *db, int64_t id, int64_t now_unix_ms, const char *kind, const char *detail,
    struct bl_err *err)
{
	return incident_put_entry(db, id, now_unix_ms, INCIDENT_SYSTEM, kind, detail, err);
}

int
incident_set_notice(sqlite3 *db, int64_t id, enum incident_notice n, struct bl_err *err)
{
	return control_sql_run(
	    db, err, "UPDATE incident SET notice = ? WHERE id = ?", "ii", (int64_t)n, id);
}

int
incident_resolved_by_person(sqlite3 *db, int64_t id, struct bl_err *err)
{
	int64_t n;
	/* The system's own resolution is the entry "ended". */
	const int rc = control_sql_int(db, err, 0, &n,
	    "SELECT kind = 'resolved' FROM incident_entry WHERE incident = ?"
	    " AND kind IN ('resolved', 'reopened') ORDER BY n DESC LIMIT 1",
	    "i", id);

	return rc < 0 ? rc : n != 0;
}

int
incident_was_acknowledged(sqlite3 *db, int64_t id, struct bl_err *err)
{
	int64_t n;
	const int rc = control_sql_int(db, err, 0, &n,
	    "SELECT EXISTS (SELECT 1 FROM incident_entry WHERE incident = ?"
	    " AND kind = 'acknowledged')",
	    "i", id);

	return rc < 0 ? rc : n != 0;
}
