/*
 * One line of the protocol, pure: text in, a report out, and the other
 * way round for whoever writes such lines.
 *
 *   step begin CASE STEP [KEY=VALUE ...]
 *   step end   CASE STEP [KEY=VALUE ...]
 *   step event CASE [STEP] [KEY=VALUE ...]
 *   case CASE [KEY=VALUE ...]                     (step event without a step)
 *   event TYPE [KEY=VALUE ...]
 *   metric NAME VALUE [unit=U] [kind=gauge|counter] [LABEL=VALUE ...]
 *
 * A word is bare (no space, no double quote) or in double quotes with the
 * escapes \" \\ \n \r \t.  A bare value that is a JSON number becomes a number,
 * true and false become booleans, everything else, and whatever is in quotes,
 * is text.  A whole number of more than 15 digits is text: it names something,
 * and a double would not keep it.  `id` (the report's, unique for 24 h) and `at` (when it
 * was; else now) have a meaning in all of them, `process` (default "default")
 * in those of cases; all other keys, of any script, are attributes, or labels, which are texts.
 */
#ifndef INLET_LINE_H
#define INLET_LINE_H

#include <stddef.h>

#include "branchline/buf.h"
#include "branchline/err.h"

#include "inlet_report.h"

#define INLET_LINE_MAX        4096u /* bytes, without the newline */
#define INLET_CASE_MAX        128u  /* bytes, as the collector takes */
#define INLET_STEP_MAX        BL_NAME_MAX
#define INLET_PROCESS_DEFAULT "default"

/* What a line says.  Its texts lie in text. */
struct inlet_line {
	struct inlet_report r;
	char text[INLET_LINE_MAX + sizeof(INLET_PROCESS_DEFAULT)];
};

/*
 * Borrows line (no newline, len bytes).  BL_OK, or BL_EINVAL with a sentence
 * for the one who wrote it: "column 12: expected ..., got ...".  Columns count
 * characters from 1.  out is then undefined.
 */
int inlet_line_parse(const char *line, size_t len, struct inlet_line *out, struct bl_err *err);

/*
 * Where the message of a line begins that may stand in a syslog envelope (RFC 3164 as `logger`
 * writes it to a local socket, or RFC 5424); 0: in none.
 */
size_t inlet_line_message(const char *line, size_t len);

/* Appends a space and the word, in double quotes where it needs them. */
void inlet_line_put_word(struct bl_buf *out, const char *word);
/* Appends a space and KEY=VALUE; the value as text also where it looks like something else. */
void inlet_line_put_text(struct bl_buf *out, const char *key, const char *value);
/* The same; a value that looks like a number, true or false is one. */
void inlet_line_put_value(struct bl_buf *out, const char *key, const char *value);

#endif
