/*
 * Regular expressions over text that comes in pieces, in bounded time and memory.
 *
 * A pattern becomes a small program (at most BL_REGEX_PROGRAM_MAX steps); a
 * scan walks all its threads at once, byte by byte, so it keeps no text, never
 * goes back, and costs at most (steps x bytes) whatever pattern and text are.
 * It says whether the pattern occurs, not where, and captures nothing.
 *
 * What is understood (a part of what PCRE and RE2 do):
 *   . [abc] [^a-z] ab a|b (a) (?:a) a* a+ a? a{2} a{2,} a{2,5} and each with ? behind
 *   ^ $ (of lines), \b \B, \d \D \w \W \s \S, \t \n \r \xHH, \ before punctuation
 *   (?i) at the very beginning: ASCII letters of both cases are the same
 * . and [^x] do not match a newline.  Everything is bytes: a
 * character beyond ASCII stands for its UTF-8 bytes, not allowed in brackets.
 * References and look-around do not exist.
 *
 * A compiled pattern is constant: any number of threads may scan with it, each
 * with a scan of its own.
 */
#ifndef BRANCHLINE_REGEX_H
#define BRANCHLINE_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "branchline/err.h"

#define BL_REGEX_PATTERN_MAX 512u
#define BL_REGEX_PROGRAM_MAX 2000u
#define BL_REGEX_COUNT_MAX   255u /* of {m,n} */
#define BL_REGEX_DEPTH_MAX   24u  /* groups in groups */

struct bl_regex;
struct bl_regex_scan;

/* BL_OK; BL_EINVAL: what is wrong, with the place; BL_ENOMEM. */
int bl_regex_compile(struct bl_regex **out, const char *pattern, struct bl_err *err);
void bl_regex_free(struct bl_regex *re); /* NULL is fine */

/* Keeps re.  About 10 bytes a step of the program. */
int bl_regex_scan_create(struct bl_regex_scan **out, const struct bl_regex *re, struct bl_err *err);
void bl_regex_scan_free(struct bl_regex_scan *s); /* NULL is fine */
/* A new text begins. */
void bl_regex_scan_begin(struct bl_regex_scan *s);
/* The text goes on.  True: the pattern occurs in what has come; true from then on. */
bool bl_regex_scan_feed(struct bl_regex_scan *s, const char *data, size_t len);
/* The text has ended.  True: the pattern occurs in it. */
bool bl_regex_scan_end(struct bl_regex_scan *s);
/* All three for a text that is there as a whole. */
bool bl_regex_scan_text(struct bl_regex_scan *s, const char *data, size_t len);

#endif
