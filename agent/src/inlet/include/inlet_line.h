/*
 * One line of the step protocol, pure: text in, an event out, and the other
 * way round for whoever writes such lines.
 *
 *   step begin CASE STEP [KEY=VALUE ...]
 *   step end   CASE STEP [KEY=VALUE ...]
 *   step event CASE [STEP] [KEY=VALUE ...]
 *
 * A word is bare (no space, no double quote) or in double quotes with the
 * escapes \" \\ \n \r \t.  A bare value that is a JSON number becomes a number,
 * true and false become booleans, everything else, and whatever is in quotes,
 * is text.  A whole number of more than 15 digits is text: it names something,
 * and a double would not keep it.  `process` (default "default") and `id` (the
 * event's, unique for 24 h) have a meaning of their own; all other keys, of
 * any script, are attributes.
 */
#ifndef INLET_LINE_H
#define INLET_LINE_H

#include <stddef.h>

#include "branchline/buf.h"
#include "branchline/err.h"
#include "branchline/wire.h"

#define INLET_LINE_MAX        4096u /* bytes, without the newline */
#define INLET_CASE_MAX        128u  /* bytes, as the collector takes */
#define INLET_STEP_MAX        BL_NAME_MAX
#define INLET_PROCESS_DEFAULT "default"

/* What a line says.  The event's texts lie in text; boot_ms is 0. */
struct inlet_line {
	struct bl_event ev;
	char text[INLET_LINE_MAX + sizeof(INLET_PROCESS_DEFAULT)];
};

/*
 * Borrows line (no newline, len bytes).  BL_OK, or BL_EINVAL with a sentence
 * for the one who wrote it: "column 12: expected ..., got ...".  Columns count
 * characters from 1.  out is then undefined.
 */
int inlet_line_parse(const char *line, size_t len, struct inlet_line *out, struct bl_err *err);

/* Appends a space and the word, in double quotes where it needs them. */
void inlet_line_put_word(struct bl_buf *out, const char *word);
/* Appends a space and KEY=VALUE; the value as text also where it looks like something else. */
void inlet_line_put_text(struct bl_buf *out, const char *key, const char *value);
/* The same; a value that looks like a number, true or false is one. */
void inlet_line_put_value(struct bl_buf *out, const char *key, const char *value);

#endif
