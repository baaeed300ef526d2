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

/* How many bytes from s on can be written as they are: plain ASCII, in one go. */
static size_t
plain_len(const unsigned char *s)
{
	size_t n = 0;

	while (s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	return n;
}

static void
put_quoted(struct jsonw *w, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;
	size_t n;

	bl_buf_u8(&w->buf, '"');
	while (*s != '\0') {
		if ((n = plain_len(s)) == 0 && (n = utf8_len(s)) == 0) {
			put(w, "\xef\xbf\xbd"); /* U+FFFD */
			s++;
		} else if (*s < 0x20 || *s == '"' || *s == '\\' || *s == 0x7f) {
			put_escape(w, *s++);
		} else {
			bl_buf_bytes(&w->buf, s, n);
			s += n;
		}
	}
	bl_buf_u8(&w->buf, '"');
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

static void
put_int(struct jsonw *w, int64_t value)
{
	uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char text[24], *p = text + sizeof(text);

	do
		*--p = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (value < 0)
		*--p = '-';
	bl_buf_bytes(&w->buf, p, (size_t)(text + sizeof(text) - p));
}

void
jsonw_int(struct jsonw *w, const char *key, int64_t value)
{
	lead(w, key);
	put_int(w, value);
}

void
jsonw_int_or_null(struct jsonw *w, const char *key, bool known, int64_t value)
{
	if (known)
		jsonw_int(w, key, value);
	else
		jsonw_null(w, key);
}

/*
 * Most values have few decimals: those that are an integer below 2^53 over a power of ten are
 * written from it.  Dividing two exact doubles rounds once, as reading the decimals does.
 */
static bool
put_short(struct jsonw *w, double value)
{
	static const double ten[] = { 1, 10, 100, 1000, 10000 };
	const double size = fabs(value);

	if (size >= 1e11 || (value == 0 && signbit(value)))
		return false;
	for (int k = 0; k < 5; k++) {
		const double scaled = (double)(int64_t)(size * ten[k] + 0.5);
		char frac[8] = ".00000";
		int64_t left;

		if (scaled / ten[k] != size)
			continue;
		if (value < 0)
			bl_buf_u8(&w->buf, '-');
		put_int(w, (int64_t)scaled / (int64_t)ten[k]);
		left = (int64_t)scaled % (int64_t)ten[k];
		for (int i = k; i > 0; i--, left /= 10)
			frac[i] = (char)('0' + left % 10);
		if (k > 0)
			bl_buf_bytes(&w->buf, frac, (size_t)k + 1);
		return true;
	}
	return false;
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
	if (put_short(w, value))
		return;
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
