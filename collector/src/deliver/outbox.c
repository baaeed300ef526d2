/*
 * The outbox's rows: put once, read newest first.
 *
 * Nothing here sends.  A key that is there already is no error: the cause was
 * worked out again, and the same cause is told once.
 */
#include "outbox.h"

#include "control_sql.h"

#define COLUMNS                                                                                    \
	"SELECT id, key, channel, kind, site, coalesce(incident, 0), facts, created_unix_ms,"      \
	" due_unix_ms, tries, state, coalesce(sent_unix_ms, 0), answer FROM outbox"
#define LIMIT_MAX 1000u

int
outbox_put(sqlite3 *db, const struct outbox_new *m, int64_t now_unix_ms, struct bl_err *err)
{
	static const char sql[] =
	    "INSERT INTO outbox (key, channel, kind, site, incident, facts, created_unix_ms,"
	    " due_unix_ms, tries, state, sent_unix_ms, answer)"
	    " VALUES (?, ?, ?, ?, nullif(?, 0), ?, ?, ?, 0, 'waiting', NULL, '')"
	    " ON CONFLICT (key) DO NOTHING";
	const int rc = control_sql_run(db, err, sql, "ttttitii", m->key, m->channel, m->kind,
	    m->site, m->incident, m->facts, now_unix_ms, now_unix_ms);

	return rc < 0 ? rc : sqlite3_changes(db);
}

static void
read_row(sqlite3_stmt *st, struct outbox_row *out)
{
	*out = (struct outbox_row){
		.id = sqlite3_column_int64(st, 0),
		.key = (const char *)sqlite3_column_text(st, 1),
		.channel = (const char *)sqlite3_column_text(st, 2),
		.kind = (const char *)sqlite3_column_text(st, 3),
		.site = (const char *)sqlite3_column_text(st, 4),
		.incident = sqlite3_column_int64(st, 5),
		.facts = (const char *)sqlite3_column_text(st, 6),
		.created_unix_ms = sqlite3_column_int64(st, 7),
		.due_unix_ms = sqlite3_column_int64(st, 8),
		.tries = sqlite3_column_int64(st, 9),
		.state = (const char *)sqlite3_column_text(st, 10),
		.sent_unix_ms = sqlite3_column_int64(st, 11),
		.answer = (const char *)sqlite3_column_text(st, 12),
	};
}

int
outbox_each(sqlite3 *db, const struct outbox_filter *f, outbox_cb cb, void *ctx, struct bl_err *err)
{
	static const char sql[] = COLUMNS " WHERE (?1 IS NULL OR state = ?1)"
					  " AND (?2 IS NULL OR channel = ?2)"
					  " AND (?3 IS NULL OR site = ?3)"
					  " AND (?4 = 0 OR incident = ?4)"
					  " AND (?5 = 0 OR id < ?5)"
					  " ORDER BY id DESC LIMIT ?6";
	/* Few and by an index of its own: not a walk through all there is. */
	static const char sql_incident[] = COLUMNS " WHERE (?1 IS NULL OR state = ?1)"
						   " AND (?2 IS NULL OR channel = ?2)"
						   " AND (?3 IS NULL OR site = ?3)"
						   " AND incident = ?4"
						   " AND (?5 = 0 OR id < ?5)"
						   " ORDER BY id DESC LIMIT ?6";
	const size_t limit = f->limit == 0 || f->limit > LIMIT_MAX ? LIMIT_MAX : f->limit;
	struct outbox_row row;
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(&st, db, err, f->incident != 0 ? sql_incident : sql, "tttiii",
	    f->state, f->channel, f->site, f->incident, f->before_id, (int64_t)limit);
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1) {
		read_row(st, &row);
		if (!cb(ctx, &row)) {
			rc = 0;
			break;
		}
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc;
}

int
outbox_get(sqlite3 *db, int64_t id, outbox_cb cb, void *ctx, struct bl_err *err)
{
	struct outbox_row row;
	sqlite3_stmt *st;
	int rc;

	if ((rc = control_sql_prepare(&st, db, err, COLUMNS " WHERE id = ?", "i", id)) < 0)
		return rc;
	if ((rc = control_sql_step(st, err)) == 1) {
		read_row(st, &row);
		(void)cb(ctx, &row);
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : rc == 1 ? BL_OK : BL_ENOTFOUND;
}
