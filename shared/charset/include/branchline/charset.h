/*
 * Text of other encodings than UTF-8, through the system's iconv.
 *
 * Chinese programs write GBK, Excel its code page or UTF-16.  Bytes like '|', '\\' and letters
 * stand within characters of GBK, so text is converted before anything is looked for in it; only a
 * line break is always one (of UTF-16: in an even place).
 *
 * A sequence that is none becomes U+FFFD and is counted; it never takes a line break with it.
 * Pure but for iconv, which reads its tables from the disk when it is opened.
 */
#ifndef BRANCHLINE_CHARSET_H
#define BRANCHLINE_CHARSET_H

#include <stdbool.h>
#include <stddef.h>

#include "branchline/err.h"

enum bl_charset {
	BL_CHARSET_UTF8,
	BL_CHARSET_GBK, /* with 0x80 for the euro sign, as Windows writes it */
	BL_CHARSET_GB18030,
	BL_CHARSET_UTF16LE,
	BL_CHARSET_UTF16BE,
	BL_CHARSET_LATIN1,
	BL_CHARSET_WINDOWS1252,
	BL_CHARSETS
};

/* As a configuration says them, in that order; NULL behind the last. */
extern const char *const bl_charset_names[BL_CHARSETS + 1];

/* What a byte order mark says that stands at p; where there is none, `otherwise`.  *mark: its
 * bytes. */
enum bl_charset bl_charset_told(const void *p, size_t len, enum bl_charset otherwise, size_t *mark);

/* Bytes of the smallest character, and of a line break: 1 or 2. */
size_t bl_charset_width(enum bl_charset c);

/* Behind the first line break from p on, which is the beginning of a character, or of a file;
 * NULL: none within len. */
const char *bl_charset_behind_line(enum bl_charset c, const char *p, size_t len);

/*
 * Text that is said to be c and is UTF-8 in truth, as after an update of the program that writes
 * it: nearly every such text is good GBK, too, of other characters.  It takes two characters of
 * Chinese, or for the two of one byte one that is not ASCII, to be sure; else false.
 */
bool bl_charset_is_utf8(enum bl_charset c, const char *p, size_t len);

struct bl_charset_conv;

/* BL_EUNSUPPORTED: this system has no table for it; says what to install.  BL_ENOMEM. */
int bl_charset_open(struct bl_charset_conv **out, enum bl_charset c, struct bl_err *err);
void bl_charset_close(struct bl_charset_conv *conv); /* NULL is fine */

struct bl_charset_text {
	const char *in;
	size_t in_len;
	char *out;
	size_t room;
	unsigned wrong; /* sequences that are none */
};

/*
 * Converts as much as is whole and finds room; in, out and what is left of both move.  end: what is
 * cut short at the end of in is wrong; else it stays.
 */
void bl_charset_convert(struct bl_charset_conv *conv, struct bl_charset_text *t, bool end);

#endif
