/*
 * Small tables as people keep them in a spreadsheet: RFC 4180 with a line of column names,
 * a byte order mark and either line end allowed, semicolons or tabs instead of commas where the
 * first line has them.  The whole table is read, or an error names the line.
 */
#ifndef CSV_H
#define CSV_H

#include <stddef.h>

#include "branchline/err.h"

#define CSV_COLUMNS_MAX 8u

struct csv;

/*
 * columns[n]: the names that are known, n up to CSV_COLUMNS_MAX; required of them must be there,
 * the first ones.  Large letters or small; another name in
 * the first line is an error.
 */
int csv_read(struct csv **out, const char *path, const char *const *columns, size_t n,
    size_t required, struct bl_err *err);
void csv_free(struct csv *c); /* NULL is fine */

size_t csv_rows(const struct csv *c);
/* Where a row begins in the file, counted from 1. */
size_t csv_line(const struct csv *c, size_t row);
/* A field by the place of its name in columns; "" where the file has no such column. */
const char *csv_field(const struct csv *c, size_t row, size_t column);

#endif
