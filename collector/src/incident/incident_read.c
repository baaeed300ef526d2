/* Incidents and their entries, as answers need them. */
#include "incident_internal.h"

#include <stdio.h>
#include <string.h>

#define LIMIT_MAX   1000u
#define ENTRIES_MAX 10000u

static enum define_severity
severity_of(const char *name)
{
	for (unsigned i = DEFINE_INFO; i < DEFINE_CRITICAL; i++)
		if (strcmp(name, define_severity_name((enum define_severity)i)) == 0)
			return (enum define_severity)i;
	return DEFINE_CRITICAL;
}

static const char *
text(sqlite3_stmt *st, int column)
{
	const char *t = (const char *)sqlite3_column_text(st, column);

	return t != NULL ? t : "";
}

void
incident_of(sqlite3_stmt *st, struct incident *out)
{
	*out = (struct incident){
		.id = sqlite3_column_int64(st, 0),
		.rule = text(st, 1),
		.site = text(st, 2),
		.subject = text(st, 3),
		.assignee = text(st, 4),
		.explanation = text(st, 5),
		.rule_version = sqlite3_column_int64(st, 6),
		.severity = severity_of(text(st, 7)),
		.begin_unix_ms = sqlite3_column_int64(st, 8),
		.end_unix_ms = sqlite3_column_int64(st, 9),
		.last_true_unix_ms = sqlite3_column_int64(st, 10),
		.known_unix_ms = sqlite3_column_int64(st, 11),
		.changed_unix_ms = sqlite3_column_int64(st, 12),
		.merged_into = sqlite3_column_int64(st, 14),
		.notice = (enum incident_notice)sqlite3_column_int(st, 15),
		.version = sqlite3_column_int64(st, 16),
	};
	if (!incident_state_parse(text(st, 13), &out->state))
		out->state = INCIDENT_WITHDRAWN; /* the schema allows no other word */
}

/* ---- lists ---- */

/* The condition that finds them by an index; the rest is looked at row by row. */
static const char *
by_index(const struct incident_filter *f)
{
	if (f->rule != NULL && f->subject != NULL)
		return "rule = ?2 AND subject = ?3";
	if (f->site != NULL)
		return "site = ?1";
	return "1";
}

static bool
live_only(const struct incident_filter *f)
{
	const unsigned live = 1u << INCIDENT_STATE_OPEN | 1u << INCIDENT_ACKNOWLEDGED;

	return f->states != 0 && (f->states & ~live) == 0;
}

static int
prepare_each(sqlite3_stmt **st, sqlite3 *db, const struct incident_filter *f, struct bl_err *err)
{
	const unsigned states = f->states == 0 ? 0x1f : f->states;
	const size_t limit = f->limit == 0 || f->limit > LIMIT_MAX ? LIMIT_MAX : f->limit;
	const int64_t to = f->to_unix_ms == 0 ? INT64_MAX : f->to_unix_ms;
	char sql[1400];

	(void)snprintf(sql, sizeof(sql),
	    "SELECT " INCIDENT_COLUMNS " FROM incident WHERE %s%s"
	    " AND (?1 IS NULL OR site = ?1) AND (?2 IS NULL OR rule = ?2)"
	    " AND (?3 IS NULL OR subject = ?3) AND (?4 IS NULL OR assignee = ?4)"
	    " AND (?5 >> (CASE state WHEN 'open' THEN 0 WHEN 'acknowledged' THEN 1"
	    " WHEN 'resolved' THEN 2 WHEN 'withdrawn' THEN 3 ELSE 4 END)) & 1"
	    " AND (?6 = 0 OR (end_unix_ms IS NULL AND state NOT IN ('withdrawn', 'merged')))"
	    " AND begin_unix_ms < ?8 AND (end_unix_ms IS NULL OR end_unix_ms > ?7)"
	    " AND (?9 = 0 OR id < ?9) ORDER BY id DESC LIMIT ?10",
	    by_index(f), live_only(f) ? " AND state IN ('open', 'acknowledged')" : "");
	return control_sql_prepare(st, db, err, sql, "ttttiiiiii", f->site, f->rule, f->subject,
	    f->assignee, (int64_t)states, (int64_t)f->ongoing_only, f->from_unix_ms, to,
	    f->before_id, (int64_t)limit);
}

int
incident_each(
    sqlite3 *db, const struct incident_filter *f, incident_cb cb, void *ctx, struct bl_err *err)
{
	struct incident i;
	sqlite3_stmt *st;
	int rc;

	if ((rc = prepare_each(&st, db, f, err)) < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1) {
		incident_of(st, &i);
		if (!cb(ctx, &i)) {
			rc = 0;
			break;
		}
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc;
}

int
incident_get(sqlite3 *db, int64_t id, incident_cb cb, void *ctx, struct bl_err *err)
{
	struct incident i;
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(
	    &st, db, err, "SELECT " INCIDENT_COLUMNS " FROM incident WHERE id = ?", "i", id);
	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, err)) == 1) {
		incident_of(st, &i);
		(void)cb(ctx, &i);
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : rc == 1 ? BL_OK : BL_ENOTFOUND;
}

int
incident_entries(sqlite3 *db, int64_t id, incident_entry_cb cb, void *ctx, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(&st, db, err,
	    "SELECT n, unix_ms, actor, kind, detail FROM incident_entry WHERE incident = ?"
	    " ORDER BY n LIMIT ?",
	    "ii", id, (int64_t)ENTRIES_MAX);
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1) {
		const struct incident_entry e = {
			.n = sqlite3_column_int64(st, 0),
			.unix_ms = sqlite3_column_int64(st, 1),
			.actor = text(st, 2),
			.kind = text(st, 3),
			.detail = text(st, 4),
		};

		if (!cb(ctx, &e)) {
			rc = 0;
			break;
		}
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc;
}

int
incident_oldest_live(sqlite3 *db, const char *site, int64_t *begin_unix_ms, struct bl_err *err)
{
	const int rc = control_sql_int(db, err, INT64_MIN, begin_unix_ms,
	    "SELECT min(begin_unix_ms) FROM incident WHERE state IN ('open', 'acknowledged')"
	    " AND site = ?",
	    "t", site);

	return rc < 0 ? rc : *begin_unix_ms != INT64_MIN;
}

int
incident_live_count(sqlite3 *db, const char *site, unsigned by_severity[3], struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	by_severity[0] = by_severity[1] = by_severity[2] = 0;
	rc = control_sql_prepare(&st, db, err,
	    "SELECT severity, count(*) FROM incident WHERE state IN ('open', 'acknowledged')"
	    " AND site = ? GROUP BY severity",
	    "t", site);
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1)
		by_severity[severity_of(text(st, 0))] = (unsigned)sqlite3_column_int64(st, 1);
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc;
}
