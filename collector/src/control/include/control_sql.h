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

/* 1: a row is there; 0: no more; negative: failed. */
int control_sql_step(sqlite3_stmt *st, struct bl_err *err);

/* Prepares, binds, runs to the end, finalises.  BL_OK or negative. */
int control_sql_run(sqlite3 *db, struct bl_err *err, const char *sql, const char *format, ...);

/* The first column of the only row as a number; dflt when there is no row or it is null. */
int control_sql_int(sqlite3 *db, struct bl_err *err, int64_t dflt, int64_t *out, const char *sql,
    const char *format, ...);

/* Copies a text column; cut at size.  Null gives "". */
void control_sql_text(sqlite3_stmt *st, int column, char *out, size_t size);

#endif
