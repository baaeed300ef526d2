/* SQLite helpers; see the header. */
#include "control_sql.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
control_sql_code(int sqlite_rc)
{
	switch (sqlite_rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return BL_OK;
	case SQLITE_NOMEM:
		return BL_ENOMEM;
	case SQLITE_FULL:
	case SQLITE_TOOBIG:
		return BL_EFULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return BL_ECORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return BL_EBUSY;
	case SQLITE_CONSTRAINT:
		return BL_EEXIST;
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_AUTH:
		return BL_EDENIED;
	default:
		return BL_EIO;
	}
}

int
control_sql_fail(sqlite3 *db, const char *what, struct bl_err *err)
{
	int code = control_sql_code(sqlite3_extended_errcode(db));

	if (code == BL_OK)
		code = BL_EIO;
	return bl_fail(err, code, "control database: %s: %s", what, sqlite3_errmsg(db));
}

/* The first words of a statement, for messages. */
static int
fail_statement(sqlite3 *db, const char *sql, struct bl_err *err)
{
	char what[64];

	(void)snprintf(what, sizeof(what), "%.60s", sql);
	return control_sql_fail(db, what, err);
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
	case 'b': {
		const void *bytes = va_arg(*args, const void *);
		const size_t len = va_arg(*args, size_t);
		return sqlite3_bind_blob64(st, at, bytes, len, SQLITE_STATIC);
	}
	default:
		return sqlite3_bind_null(st, at);
	}
}

/*
 * Kept statements are told from others by a comment that their text ends with, and found in
 * the list that SQLite itself has of a connection: there is nothing beside it to agree with.
 */
#define KEPT   "--kept"
#define KEEPER "SELECT 1" KEPT /* there while the connection keeps statements */

static bool
is_kept(const char *text)
{
	const size_t n = strlen(text), tail = sizeof(KEPT) - 1;

	return n >= tail && memcmp(text + n - tail, KEPT, tail) == 0;
}

static sqlite3_stmt *
find_kept(sqlite3 *db, const char *sql, bool *may_keep)
{
	const size_t n = strlen(sql);
	unsigned kept = 0;

	*may_keep = false;
	for (sqlite3_stmt *st = NULL; (st = sqlite3_next_stmt(db, st)) != NULL;) {
		const char *text = sqlite3_sql(st);

		if (text == NULL)
			continue;
		if (strncmp(text, sql, n) == 0 && strcmp(text + n, KEPT) == 0)
			return st;
		kept += is_kept(text);
		*may_keep = *may_keep || strcmp(text, KEEPER) == 0;
	}
	*may_keep = *may_keep && kept < CONTROL_SQL_KEPT;
	return NULL;
}

static int
prepare_kept(sqlite3_stmt **st, sqlite3 *db, const char *sql)
{
	char *text = sqlite3_mprintf("%s" KEPT, sql);
	int rc;

	if (text == NULL)
		return SQLITE_NOMEM;
	rc = sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
	sqlite3_free(text);
	return rc;
}

static int
borrow(sqlite3_stmt **st, sqlite3 *db, const char *sql)
{
	bool may_keep;

	*st = find_kept(db, sql, &may_keep);
	if (*st != NULL && !sqlite3_stmt_busy(*st))
		return SQLITE_OK;
	return *st == NULL && may_keep ? prepare_kept(st, db, sql)
				       : sqlite3_prepare_v2(db, sql, -1, st, NULL);
}

void
control_sql_done(sqlite3_stmt *st)
{
	if (st == NULL)
		return;
	if (!is_kept(sqlite3_sql(st))) {
		(void)sqlite3_finalize(st); /* repeats the failure of the step */
		return;
	}
	(void)sqlite3_reset(st);          /* the same */
	(void)sqlite3_clear_bindings(st); /* what they point at is the caller's */
}

int
control_sql_keep(sqlite3 *db, struct bl_err *err)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(db, KEEPER, -1, &st, NULL) != SQLITE_OK)
		return fail_statement(db, KEEPER, err);
	return BL_OK;
}

void
control_sql_forget(sqlite3 *db)
{
	sqlite3_stmt *st = NULL, *next;

	for (st = sqlite3_next_stmt(db, NULL); st != NULL; st = next) {
		next = sqlite3_next_stmt(db, st);
		if (is_kept(sqlite3_sql(st)))
			(void)sqlite3_finalize(st); /* repeats an old failure */
	}
}

static int
prepare_list(sqlite3_stmt **st, sqlite3 *db, bool keep, struct bl_err *err, const char *sql,
    const char *format, va_list *args)
{
	if ((keep ? borrow(st, db, sql) : sqlite3_prepare_v2(db, sql, -1, st, NULL)) != SQLITE_OK)
		return fail_statement(db, sql, err);
	for (int i = 0; format[i] != '\0'; i++) {
		if (bind_one(*st, i + 1, format[i], args) != SQLITE_OK) {
			const int rc = fail_statement(db, sql, err);
			control_sql_done(*st);
			*st = NULL;
			return rc;
		}
	}
	return BL_OK;
}

int
control_sql_prepare(
    sqlite3_stmt **st, sqlite3 *db, struct bl_err *err, const char *sql, const char *format, ...)
{
	va_list args;
	int rc;

	*st = NULL;
	va_start(args, format);
	rc = prepare_list(st, db, false, err, sql, format, &args);
	va_end(args);
	return rc;
}

int
control_sql_kept(
    sqlite3_stmt **st, sqlite3 *db, struct bl_err *err, const char *sql, const char *format, ...)
{
	va_list args;
	int rc;

	*st = NULL;
	va_start(args, format);
	rc = prepare_list(st, db, true, err, sql, format, &args);
	va_end(args);
	return rc;
}

int
control_sql_step(sqlite3_stmt *st, struct bl_err *err)
{
	const int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	return fail_statement(sqlite3_db_handle(st), sqlite3_sql(st), err);
}

static int
run_out(sqlite3_stmt *st, struct bl_err *err)
{
	int rc;

	do {
		rc = control_sql_step(st, err);
	} while (rc > 0);
	control_sql_done(st);
	return rc;
}

int
control_sql_run(sqlite3 *db, struct bl_err *err, const char *sql, const char *format, ...)
{
	sqlite3_stmt *st = NULL;
	va_list args;
	int rc;

	va_start(args, format);
	rc = prepare_list(&st, db, true, err, sql, format, &args);
	va_end(args);
	return rc < 0 ? rc : run_out(st, err);
}

int
control_sql_int(sqlite3 *db, struct bl_err *err, int64_t dflt, int64_t *out, const char *sql,
    const char *format, ...)
{
	sqlite3_stmt *st = NULL;
	va_list args;
	int rc;

	*out = dflt;
	va_start(args, format);
	rc = prepare_list(&st, db, true, err, sql, format, &args);
	va_end(args);
	if (rc < 0)
		return rc;
	rc = control_sql_step(st, err);
	if (rc == 1 && sqlite3_column_type(st, 0) != SQLITE_NULL)
		*out = sqlite3_column_int64(st, 0);
	control_sql_done(st);
	return rc < 0 ? rc : BL_OK;
}

void
control_sql_text(sqlite3_stmt *st, int column, char *out, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(st, column);

	(void)snprintf(out, size, "%s", text != NULL ? text : "");
}
