/* The words of a line: what is read before anybody asks what they mean.  Pure. */
#ifndef INLET_WORDS_H
#define INLET_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "branchline/err.h"
#include "branchline/wire.h"

#define SNIP_MAX 40 /* bytes of somebody's text in a message */

struct snip {
	char text[SNIP_MAX + 8];
};

/* One word of the line; its text is unescaped and lies in the cursor's. */
struct word {
	unsigned column, value_column;
	bool has_key;
	bool quoted; /* the value, or the word without a key */
	struct bl_str key, value;
};

struct cursor {
	const char *p;
	size_t len, at;
	char *text;  /* room for the whole line */
	size_t used; /* of it */
	struct bl_err *err;
};

/* A text as it is shown: in quotes, on one line, shortened between characters. */
struct snip inlet_snip(const char *p, size_t len);

/* "column N: ..."; BL_EINVAL. */
#define wrong(c, column, ...) inlet_wrong((c)->err, (column), __VA_ARGS__)
int inlet_wrong(struct bl_err *err, unsigned column, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* All of it is text: every other function may rely on that. */
int inlet_check_text(const struct cursor *c);
/* 1: a word; 0: the end of the line. */
int inlet_next_word(struct cursor *c, struct word *w);
/* A number as JSON writes them; *whole: without fraction and exponent, that many digits. */
bool inlet_is_number(const char *p, size_t len, size_t *whole);
/* A word's value that is one, and within BL_ATTR_VALUE_MAX. */
int inlet_number(const struct cursor *c, const struct word *w, double *out);

#endif
