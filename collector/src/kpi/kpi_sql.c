/*
 * The statements of kpi_store, prepared once a connection: preparing costs ten
 * times what running them does.
 */
#include "kpi_internal.h"

#include <stdarg.h>
#include <string.h>

#include "control_sql.h"

#define PART_KEY "kpi = ? AND window = ? AND site = ? AND begin_unix_ms = ? AND device = ?"
#define CELL_KEY "kpi = ? AND window = ? AND site = ? AND begin_unix_ms = ?"

static const char *const text[KPI_SQL_COUNT] = {
	[KPI_SQL_PART_GET] = "SELECT version, end_unix_ms, expected_ms, covered_ms, gone_ms, data"
			     " FROM kpi_part WHERE " PART_KEY,
	[KPI_SQL_PART_PUT] =
	    "INSERT INTO kpi_part (kpi, window, site, begin_unix_ms, device, end_unix_ms,"
	    " version, expected_ms, covered_ms, gone_ms, data)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	    " ON CONFLICT DO UPDATE SET end_unix_ms = excluded.end_unix_ms,"
	    " version = excluded.version, expected_ms = excluded.expected_ms,"
	    " covered_ms = excluded.covered_ms, gone_ms = excluded.gone_ms, data = excluded.data",
	[KPI_SQL_PART_DELETE] = "DELETE FROM kpi_part WHERE " PART_KEY,
	[KPI_SQL_PARTS_ACROSS] =
	    "DELETE FROM kpi_part WHERE kpi = ?1 AND window = ?2 AND site = ?3"
	    " AND begin_unix_ms > ?4 AND begin_unix_ms < ?5 AND end_unix_ms > ?6"
	    " AND begin_unix_ms <> ?6 AND device = ?7",
	[KPI_SQL_PARTS_BELOW] =
	    "SELECT version, covered_ms, gone_ms, data FROM kpi_part INDEXED BY kpi_part_device"
	    " WHERE device = ? AND kpi = ? AND window = ? AND begin_unix_ms >= ?"
	    " AND begin_unix_ms < ? AND site = ? ORDER BY begin_unix_ms",
	[KPI_SQL_PARTS_SITE] = "SELECT device, version, covered_ms, gone_ms, data FROM kpi_part"
			       " WHERE " CELL_KEY " ORDER BY device",
	[KPI_SQL_CELL_GET] = "SELECT end_unix_ms, version, value, n, completeness, ready, state,"
			     " revisions, known_unix_ms FROM kpi_cell WHERE " CELL_KEY,
	[KPI_SQL_CELL_PUT] =
	    "INSERT INTO kpi_cell (kpi, window, site, begin_unix_ms, end_unix_ms, version, value,"
	    " n, completeness, ready, state, revisions, known_unix_ms)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	    " ON CONFLICT DO UPDATE SET end_unix_ms = excluded.end_unix_ms,"
	    " version = excluded.version, value = excluded.value, n = excluded.n,"
	    " completeness = excluded.completeness, ready = excluded.ready,"
	    " state = excluded.state, revisions = excluded.revisions,"
	    " known_unix_ms = excluded.known_unix_ms",
	[KPI_SQL_CELL_DELETE] = "DELETE FROM kpi_cell WHERE " CELL_KEY,
	[KPI_SQL_CELL_ACROSS] =
	    "SELECT begin_unix_ms, end_unix_ms FROM kpi_cell WHERE kpi = ?1 AND window = ?2"
	    " AND site = ?3 AND begin_unix_ms > ?4 AND begin_unix_ms < ?5 AND end_unix_ms > ?6"
	    " AND begin_unix_ms <> ?6 LIMIT 1",
	[KPI_SQL_REVISION_LAST] = "SELECT coalesce(max(n), 0) FROM kpi_revision WHERE " CELL_KEY,
	[KPI_SQL_REVISION_PUT] =
	    "INSERT INTO kpi_revision (kpi, window, site, begin_unix_ms, n, value, completeness,"
	    " state, known_unix_ms, revised_unix_ms, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
};

void
kpi_sql_free(struct kpi_sql *s)
{
	for (int i = 0; i < KPI_SQL_COUNT; i++)
		(void)sqlite3_finalize(s->st[i]); /* each was reset: nothing left to report */
	memset(s, 0, sizeof(*s));
}

void
kpi_sql_attach(struct kpi_sql *s, sqlite3 *db)
{
	if (s->db == db)
		return;
	kpi_sql_free(s);
	s->db = db;
}

static int
bind_one(sqlite3_stmt *st, int at, char letter, va_list *args)
{
	switch (letter) {
	case 'i':
		return sqlite3_bind_int64(st, at, va_arg(*args, int64_t));
	case 'd':
		return sqlite3_bind_double(st, at, va_arg(*args, double));
	case 't':
		return sqlite3_bind_text(st, at, va_arg(*args, const char *), -1, SQLITE_STATIC);
	case 'o': {
		const int known = va_arg(*args, int);
		const double value = va_arg(*args, double);

		return known ? sqlite3_bind_double(st, at, value) : sqlite3_bind_null(st, at);
	}
	default: {
		const void *bytes = va_arg(*args, const void *);
		const size_t len = va_arg(*args, size_t);

		return sqlite3_bind_blob64(st, at, bytes, len, SQLITE_STATIC);
	}
	}
}

sqlite3_stmt *
kpi_sql_bind(struct kpi_sql *s, enum kpi_sql_id id, struct bl_err *err, const char *format, ...)
{
	int rc = SQLITE_OK;
	va_list args;

	if (s->st[id] == NULL)
		rc = sqlite3_prepare_v3(
		    s->db, text[id], -1, SQLITE_PREPARE_PERSISTENT, &s->st[id], NULL);
	va_start(args, format);
	for (int i = 0; rc == SQLITE_OK && format[i] != '\0'; i++)
		rc = bind_one(s->st[id], i + 1, format[i], &args);
	va_end(args);
	if (rc == SQLITE_OK)
		return s->st[id];
	(void)control_sql_fail(s->db, "kpi", err);
	return NULL;
}

void
kpi_sql_reset(sqlite3_stmt *st)
{
	(void)sqlite3_reset(st);          /* repeats the failure of the step */
	(void)sqlite3_clear_bindings(st); /* borrowed text and bytes; cannot fail */
}

int
kpi_sql_step(sqlite3_stmt *st, struct bl_err *err)
{
	int rc;

	if (st == NULL)
		return err != NULL && err->code < 0 ? err->code : BL_EIO;
	if ((rc = control_sql_step(st, err)) != 1)
		kpi_sql_reset(st);
	return rc;
}

int
kpi_sql_run(sqlite3_stmt *st, struct bl_err *err)
{
	const int rc = kpi_sql_step(st, err);

	if (rc == 1)
		kpi_sql_reset(st);
	return rc < 0 ? rc : BL_OK;
}
