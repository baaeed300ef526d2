/*
 * Writes JSON: answers of the API, before and after in the audit log.
 *
 * Sticky like struct bl_buf: after the first failure (cap reached, no memory,
 * nesting over 16) nothing more happens, and jsonw_text says so once.  key is
 * NULL inside arrays and for the outermost value.  Text that is not valid UTF-8
 * is written with U+FFFD in place of what is wrong: it may come from outside.
 */
#ifndef JSONW_H
#define JSONW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/buf.h"

#define JSONW_DEPTH_MAX 16

struct jsonw {
	struct bl_buf buf;
	unsigned depth;
	bool comma[JSONW_DEPTH_MAX + 1];
};

void jsonw_init(struct jsonw *w, size_t cap_bytes);
void jsonw_free(struct jsonw *w);

void jsonw_object(struct jsonw *w, const char *key);
void jsonw_object_end(struct jsonw *w);
void jsonw_array(struct jsonw *w, const char *key);
void jsonw_array_end(struct jsonw *w);

/* NULL writes null. */
void jsonw_str(struct jsonw *w, const char *key, const char *value);
void jsonw_int(struct jsonw *w, const char *key, int64_t value);
/* null unless known */
void jsonw_int_or_null(struct jsonw *w, const char *key, bool known, int64_t value);
/* The shortest form that reads back the same; NaN and infinities write null. */
void jsonw_num(struct jsonw *w, const char *key, double value);
void jsonw_bool(struct jsonw *w, const char *key, bool value);
void jsonw_null(struct jsonw *w, const char *key);
/* value is JSON already (from our own store). */
void jsonw_raw(struct jsonw *w, const char *key, const char *value);

/* The text, NUL-terminated, owned by w; NULL when something failed or is still open. */
const char *jsonw_text(struct jsonw *w, size_t *len);

#endif
