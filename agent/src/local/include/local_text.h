/* Texts into a struct bl_buf; failures stick there. */
#ifndef LOCAL_TEXT_H
#define LOCAL_TEXT_H

#include "branchline/buf.h"
#include "branchline/wire.h"

void local_text_put(struct bl_buf *b, const char *s);
void local_text_printf(struct bl_buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A JSON string with its quotes.  What is no UTF-8 becomes "?". */
void local_text_json(struct bl_buf *b, const char *s, size_t len);
/* The shortest decimal that reads back as the same; "+Inf", "-Inf", "NaN" as Prometheus says it. */
void local_text_number(struct bl_buf *b, double v);
/* Bytes of the UTF-8 character at s; 0: it is none. */
size_t local_text_utf8(const char *s, size_t len);

#endif
