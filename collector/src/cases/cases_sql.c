/* The statements of one transaction, prepared when first used. */
#include <stdarg.h>
#include <stdlib.h>

#include "cases_internal.h"
#include "control_sql.h"

static const char *const text[CASES_SQL_COUNT] = {
	[CASES_SQL_KNOWN] = "SELECT e.case_no, e.unix_ms, h.site FROM case_event e JOIN case_head h"
			    " ON h.id = e.case_no WHERE e.batch_id = ? AND e.n = ?",
	[CASES_SQL_FORGET] = "DELETE FROM case_event WHERE batch_id = ? AND n = ?",
	[CASES_SQL_FIND] =
	    "SELECT id FROM case_head WHERE site = ? AND process = ? AND case_id = ?",
	[CASES_SQL_ADD] =
	    "INSERT INTO case_head (site, process, case_id, begin_unix_ms, end_unix_ms,"
	    " end_device, status, attrs, events) VALUES (?, ?, ?, ?, NULL, '', '', '{}', 0)",
	[CASES_SQL_EVENT_ADD] =
	    "INSERT INTO case_event (case_no, unix_ms, device, batch_id, n, boot_ms, type, step,"
	    " event_id, attrs) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[CASES_SQL_HEAD] =
	    "SELECT site, process, case_id, begin_unix_ms, end_unix_ms, end_device, status, attrs,"
	    " events FROM case_head WHERE id = ?",
	[CASES_SQL_EVENTS] =
	    "SELECT unix_ms, boot_ms, n, device, type, step, event_id, attrs, batch_id"
	    " FROM case_event WHERE case_no = ? ORDER BY unix_ms, device",
	[CASES_SQL_STEPS] = "SELECT step, device, begin_unix_ms, end_unix_ms, attrs FROM case_step"
			    " WHERE case_no = ? ORDER BY n",
	[CASES_SQL_HEAD_SET] =
	    "UPDATE case_head SET begin_unix_ms = ?, end_unix_ms = ?, end_device = ?, status = ?,"
	    " attrs = ?, events = ? WHERE id = ?",
	[CASES_SQL_STEP_SET] =
	    "INSERT OR REPLACE INTO case_step (case_no, n, step, begin_unix_ms, end_unix_ms,"
	    " device, attrs) VALUES (?, ?, ?, ?, ?, ?, ?)",
	[CASES_SQL_NEXT] = "SELECT id FROM case_head WHERE process = ? AND +begin_unix_ms >= ?"
			   " AND id > ? AND events > 0 ORDER BY id LIMIT 1",
	[CASES_SQL_OLD] = "SELECT 1 FROM case_event WHERE batch_id < 0 LIMIT 1",
	[CASES_SQL_FORGET_OLD] =
	    "DELETE FROM case_event WHERE case_no = ? AND unix_ms = ? AND device = ?"
	    " AND batch_id < 0 AND type = ? AND step = ? AND event_id = ? AND attrs = ?",
	[CASES_SQL_STEPS_CUT] = "DELETE FROM case_step WHERE case_no = ? AND n >= ?",
};

int
cases_work(struct cases_changes *l, struct sqlite3 *db, struct cases_work **out, struct bl_err *err)
{
	if (l->work == NULL) {
		if ((l->work = calloc(1, sizeof(*l->work))) == NULL)
			return bl_fail(err, BL_ENOMEM, "cases: out of memory");
		l->work->db = db;
		jsonw_init(&l->work->json, CASES_JSON_MAX);
	}
	*out = l->work;
	return BL_OK;
}

void
cases_work_free(struct cases_work *w)
{
	if (w == NULL)
		return;
	for (int i = 0; i < CASES_SQL_COUNT; i++)
		(void)sqlite3_finalize(w->stmt[i]); /* repeats a failure that was reported */
	jsonw_free(&w->json);
	free(w->touched);
	free(w);
}

static int
bind_one(sqlite3_stmt *st, int at, char letter, va_list *args)
{
	int64_t v;

	if (letter == 't')
		return sqlite3_bind_text(st, at, va_arg(*args, const char *), -1, SQLITE_STATIC);
	v = va_arg(*args, int64_t);
	if ((letter == 'e' && v == CASES_OPEN) || (letter == 'g' && v == CASES_NONE))
		return sqlite3_bind_null(st, at);
	return sqlite3_bind_int64(st, at, v);
}

sqlite3_stmt *
cases_bind(struct cases_work *w, enum cases_sql which, struct bl_err *err, const char *format, ...)
{
	sqlite3_stmt **st = &w->stmt[which];
	int rc = SQLITE_OK;
	va_list args;

	if (*st == NULL && sqlite3_prepare_v2(w->db, text[which], -1, st, NULL) != SQLITE_OK) {
		(void)control_sql_fail(w->db, text[which], err);
		return NULL;
	}
	(void)sqlite3_reset(*st); /* repeats a failure that was reported */
	va_start(args, format);
	for (int i = 0; format[i] != '\0' && rc == SQLITE_OK; i++)
		rc = bind_one(*st, i + 1, format[i], &args);
	va_end(args);
	if (rc != SQLITE_OK) {
		(void)control_sql_fail(w->db, text[which], err);
		return NULL;
	}
	return *st;
}

int
cases_step(sqlite3_stmt *st, struct bl_err *err)
{
	int rc;

	if (st == NULL) /* binding failed and said why */
		return err != NULL && err->code < 0 ? err->code : BL_EIO;
	rc = control_sql_step(st, err);
	if (rc <= 0)
		(void)sqlite3_reset(st); /* repeats a failure that was reported */
	return rc;
}

int64_t
cases_column_end(sqlite3_stmt *st, int i)
{
	return sqlite3_column_type(st, i) == SQLITE_NULL ? CASES_OPEN : sqlite3_column_int64(st, i);
}

int64_t
cases_column_begin(sqlite3_stmt *st, int i)
{
	return sqlite3_column_type(st, i) == SQLITE_NULL ? CASES_NONE : sqlite3_column_int64(st, i);
}
