/*
 * Thin helpers over SQLite, so that every return code is looked at and every
 * failure says what was being done.  For fleet, auth and others that keep their
 * tables in the control database.  Any thread, one connection each.
 */
#ifndef CONTROL_SQL_H
#define CONTROL_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "branchline/err.h"

/* The bl_code of an SQLite result: BL_EFULL, BL_ECORRUPT, BL_EBUSY, BL_EEXIST (constraint) ... */
int control_sql_code(int sqlite_rc);
/* Fills err from the connection: "what: reason"; returns the code. */
int control_sql_fail(sqlite3 *db, const char *what, struct bl_err *err);

/*
 * Prepares sql and binds by format, one letter a parameter:
 *   i int64_t   d double   t const char * (NULL: null)   n nothing: null
 *   o int known, double (null unless known)
 *   b const void *, size_t (the bytes are borrowed until finalised, as is text)
 * *st is NULL on failure.  The caller finalises.
 */
int control_sql_prepare(
    sqlite3_stmt **st, sqlite3 *db, struct bl_err *err, const char *sql, const char *format, ...);

/*
 * The same with a statement that the connection keeps, if it keeps any: to be given back with
 * control_sql_done before anybody asks in the same words.
 */
int control_sql_kept(
    sqlite3_stmt **st, sqlite3 *db, struct bl_err *err, const char *sql, const char *format, ...);
void control_sql_done(sqlite3_stmt *st); /* NULL is fine */

/* 1: a row is there; 0: no more; negative: failed. */
int control_sql_step(sqlite3_stmt *st, struct bl_err *err);

/* Binds and runs to the end; kept like the one below.  BL_OK or negative. */
int control_sql_run(sqlite3 *db, struct bl_err *err, const char *sql, const char *format, ...);

/* The first column of the only row as a number; dflt when there is no row or it is null. */
int control_sql_int(sqlite3 *db, struct bl_err *err, int64_t dflt, int64_t *out, const char *sql,
    const char *format, ...);

/*
 * From now on the connection keeps statements, at most CONTROL_SQL_KEPT of them: preparing one
 * costs ten times what running it does.  control_sql_forget: before it is closed.
 */
#define CONTROL_SQL_KEPT 200
int control_sql_keep(sqlite3 *db, struct bl_err *err);
void control_sql_forget(sqlite3 *db);

/* Copies a text column; cut at size.  Null gives "". */
void control_sql_text(sqlite3_stmt *st, int column, char *out, size_t size);

#endif
