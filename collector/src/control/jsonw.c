/* The JSON writer; see the header.  Pure, one thread a writer. */
#include "jsonw.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
jsonw_init(struct jsonw *w, size_t cap_bytes)
{
	memset(w, 0, sizeof(*w));
	bl_buf_init(&w->buf, cap_bytes);
}

void
jsonw_free(struct jsonw *w)
{
	bl_buf_free(&w->buf);
}

static void
put(struct jsonw *w, const char *s)
{
	bl_buf_bytes(&w->buf, s, strlen(s));
}

/* Length of the valid UTF-8 sequence at s, 0 when there is none; s ends with NUL. */
static size_t
utf8_len(const unsigned char *s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t cp;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] < 0xe0) {
		n = 2;
		cp = s[0] & 0x1fu;
	} else if (s[0] >= 0xe0 && s[0] < 0xf0) {
		n = 3;
		cp = s[0] & 0x0fu;
	} else if (s[0] >= 0xf0 && s[0] < 0xf5) {
		n = 4;
		cp = s[0] & 0x07u;
	} else {
		return 0;
	}
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0; /* also where the text ends */
		cp = cp << 6 | (s[i] & 0x3fu);
	}
	if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return 0;
	return n;
}

static void
put_escape(struct jsonw *w, unsigned char ch)
{
	char text[8];

	if (ch == '"' || ch == '\\')
		(void)snprintf(text, sizeof(text), "\\%c", ch);
	else if (ch == '\n')
		(void)snprintf(text, sizeof(text), "\\n");
	else if (ch == '\t')
		(void)snprintf(text, sizeof(text), "\\t");
	else
		(void)snprintf(text, sizeof(text), "\\u%04x", ch);
	put(w, text);
}

static void
put_quoted(struct jsonw *w, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;

	put(w, "\"");
	while (*s != '\0') {
		const size_t n = utf8_len(s);
		if (n == 0) {
			put(w, "\xef\xbf\xbd"); /* U+FFFD */
			s++;
		} else if (*s < 0x20 || *s == '"' || *s == '\\' || *s == 0x7f) {
			put_escape(w, *s++);
		} else {
			bl_buf_bytes(&w->buf, s, n);
			s += n;
		}
	}
	put(w, "\"");
}

static void
lead(struct jsonw *w, const char *key)
{
	if (w->comma[w->depth])
		put(w, ",");
	w->comma[w->depth] = true;
	if (key != NULL) {
		put_quoted(w, key);
		put(w, ":");
	}
}

static void
open_level(struct jsonw *w, const char *key, const char *bracket)
{
	lead(w, key);
	put(w, bracket);
	if (w->depth == JSONW_DEPTH_MAX) {
		w->buf.failed = true;
		return;
	}
	w->comma[++w->depth] = false;
}

static void
close_level(struct jsonw *w, const char *bracket)
{
	if (w->depth == 0) {
		w->buf.failed = true;
		return;
	}
	w->depth--;
	put(w, bracket);
}

void
jsonw_object(struct jsonw *w, const char *key)
{
	open_level(w, key, "{");
}

void
jsonw_object_end(struct jsonw *w)
{
	close_level(w, "}");
}

void
jsonw_array(struct jsonw *w, const char *key)
{
	open_level(w, key, "[");
}

void
jsonw_array_end(struct jsonw *w)
{
	close_level(w, "]");
}

void
jsonw_str(struct jsonw *w, const char *key, const char *value)
{
	lead(w, key);
	if (value == NULL)
		put(w, "null");
	else
		put_quoted(w, value);
}

void
jsonw_int(struct jsonw *w, const char *key, int64_t value)
{
	char text[24];

	lead(w, key);
	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	put(w, text);
}

void
jsonw_int_or_null(struct jsonw *w, const char *key, bool known, int64_t value)
{
	if (known)
		jsonw_int(w, key, value);
	else
		jsonw_null(w, key);
}

void
jsonw_num(struct jsonw *w, const char *key, double value)
{
	char text[32];

	lead(w, key);
	if (!isfinite(value)) {
		put(w, "null");
		return;
	}
	(void)snprintf(text, sizeof(text), "%.15g", value);
	if (strtod(text, NULL) != value)
		(void)snprintf(text, sizeof(text), "%.17g", value);
	put(w, text);
}

void
jsonw_bool(struct jsonw *w, const char *key, bool value)
{
	lead(w, key);
	put(w, value ? "true" : "false");
}

void
jsonw_null(struct jsonw *w, const char *key)
{
	lead(w, key);
	put(w, "null");
}

void
jsonw_raw(struct jsonw *w, const char *key, const char *value)
{
	lead(w, key);
	put(w, value);
}

const char *
jsonw_text(struct jsonw *w, size_t *len)
{
	const size_t n = w->buf.len;

	if (w->depth != 0)
		w->buf.failed = true;
	bl_buf_u8(&w->buf, 0);
	if (w->buf.failed)
		return NULL;
	w->buf.len = n; /* the NUL stays behind the end */
	if (len != NULL)
		*len = n;
	return (const char *)w->buf.data;
}
