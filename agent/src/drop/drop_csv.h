/* CSV by RFC 4180, a record at a time, from bytes that are there.  Pure. */
#ifndef DROP_CSV_H
#define DROP_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "branchline/wire.h"

#define DROP_ROW_MAX   16384u /* bytes of a record, without its line break */
#define DROP_CELLS_MAX 256u

struct drop_csv_row {
	size_t used;     /* bytes that it takes, with its line break */
	unsigned lines;  /* line breaks in them */
	bool rest;       /* what follows up to the next line break belongs to it, too */
	const char *why; /* what is wrong */
	unsigned n;
	struct bl_str cell[DROP_CELLS_MAX]; /* in the input, or unquoted in scratch */
};

enum drop_csv { DROP_CSV_ROW, DROP_CSV_MORE, DROP_CSV_WRONG };

/*
 * The record that begins at p.  end: nothing comes behind len.  MORE: it does not end within len,
 * which is then less than DROP_ROW_MAX + 2.  WRONG: `used` says what to pass over; of a quote that
 * is never closed that is its first line alone, what follows is looked at again.
 * A quote within a cell that does not begin with one is text; a line break is \n or \r\n.
 */
enum drop_csv drop_csv_next(const char *p, size_t len, bool end, char separator,
    char scratch[DROP_ROW_MAX], struct drop_csv_row *row);

/* A line, for formats of one record a line.  The same; cell[0] is the line without its break. */
enum drop_csv drop_line_next(const char *p, size_t len, bool end, struct drop_csv_row *row);

#endif
