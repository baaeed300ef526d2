/*
 * CSV as RFC 4180 has it, and as spreadsheets read it: UTF-8, CRLF, a comma
 * between cells.  A text that a spreadsheet would take for a formula gets an
 * apostrophe in front.  Pure; everything is appended to out.
 */
#ifndef CSV_INTERNAL_H
#define CSV_INTERNAL_H

#include <stdint.h>

#include "branchline/buf.h"

struct csv {
	struct bl_buf *out;
	bool begun; /* the row has a cell */
};

void csv_bom(struct bl_buf *out);
void csv_text(struct csv *c, const char *text); /* NULL: an empty cell */
void csv_int(struct csv *c, int64_t v);
void csv_number(struct csv *c, double v);      /* not finite: an empty cell */
void csv_time(struct csv *c, int64_t unix_ms); /* 2026-11-28T12:00:00.000Z */
void csv_row(struct csv *c);                   /* ends the row */

#endif
