/* A line's words and values; see the header.  No state, no I/O. */
#include "inlet_words.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- messages ---- */

/* Characters before a place, counted from 1. */
static unsigned
column_of(const struct cursor *c, size_t at)
{
	unsigned column = 1;

	for (size_t i = 0; i < at; i++)
		column += ((unsigned char)c->p[i] & 0xc0) != 0x80;
	return column;
}

struct snip
inlet_snip(const char *p, size_t len)
{
	struct snip s;
	size_t n = len;

	if (n > SNIP_MAX)
		for (n = SNIP_MAX; n > 0 && ((unsigned char)p[n] & 0xc0) == 0x80; n--)
			;
	(void)snprintf(s.text, sizeof(s.text), "\"%.*s%s\"", (int)n, p, n < len ? "..." : "");
	for (char *at = s.text; *at != '\0'; at++)
		if ((unsigned char)*at < 0x20)
			*at = ' '; /* it was escaped */
	return s;
}

int
inlet_wrong(struct bl_err *err, unsigned column, const char *fmt, ...)
{
	char text[224];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return bl_fail(err, BL_EINVAL, "column %u: %s", column, text);
}

/* ---- characters ---- */

int
inlet_check_text(const struct cursor *c)
{
	size_t n;

	for (size_t i = 0; i < c->len; i += n) {
		const unsigned char ch = (unsigned char)c->p[i];

		if ((ch < 0x20 && ch != '\t') || ch == 0x7f)
			return wrong(c, column_of(c, i),
			    "expected text, got the control character 0x%02x; a line break is \\n "
			    "inside double quotes",
			    ch);
		if ((n = bl_wire_utf8_step(c->p + i, c->len - i)) == 0)
			return wrong(c, column_of(c, i),
			    "expected UTF-8 text, got the byte 0x%02x, which is none", ch);
	}
	return BL_OK;
}

static bool
is_space(char ch)
{
	return ch == ' ' || ch == '\t';
}

/* ---- words ---- */

static void
keep(struct cursor *c, char ch)
{
	c->text[c->used++] = ch; /* never more than the line has */
}

static int
unescape(struct cursor *c)
{
	static const char from[] = "\"\\nrt", to[] = "\"\\\n\r\t";
	const char *which;

	if (c->at + 1 < c->len && (which = strchr(from, c->p[c->at + 1])) != NULL &&
	    c->p[c->at + 1] != '\0') {
		keep(c, to[which - from]);
		c->at += 2;
		return BL_OK;
	}
	return wrong(c, column_of(c, c->at),
	    "expected one of \\\" \\\\ \\n \\r \\t inside double quotes, got another backslash; "
	    "write it twice");
}

/* From the opening quote to behind the closing one. */
static int
quoted(struct cursor *c, struct bl_str *out)
{
	const size_t open = c->at++, from = c->used;
	int rc;

	while (c->at < c->len && c->p[c->at] != '"') {
		if (c->p[c->at] != '\\')
			keep(c, c->p[c->at++]);
		else if ((rc = unescape(c)) < 0)
			return rc;
	}
	if (c->at == c->len)
		return wrong(c, column_of(c, open),
		    "expected a closing double quote, got the end of the line");
	c->at++;
	if (c->at < c->len && !is_space(c->p[c->at]))
		return wrong(
		    c, column_of(c, c->at), "expected a space after the closing double quote");
	*out = (struct bl_str){ c->text + from, c->used - from };
	return BL_OK;
}

/* Up to a space, the end, or the first of stop. */
static struct bl_str
bare(struct cursor *c, const char *stop)
{
	const size_t from = c->used;

	while (c->at < c->len && !is_space(c->p[c->at]) && strchr(stop, c->p[c->at]) == NULL)
		keep(c, c->p[c->at++]);
	return (struct bl_str){ c->text + from, c->used - from };
}

static int
stray_quote(const struct cursor *c)
{
	return wrong(c, column_of(c, c->at),
	    "expected the double quote to open a word or a value; inside one write \\\" and put "
	    "all of it in double quotes");
}

static int
value(struct cursor *c, struct word *w)
{
	w->has_key = true;
	w->key = w->value;
	w->value_column = column_of(c, ++c->at);
	if (w->key.len == 0)
		return wrong(c, w->column, "expected a name before \"=\"");
	if (c->at == c->len || is_space(c->p[c->at]))
		return wrong(c, w->value_column, "expected a value after %s=; an empty one is \"\"",
		    inlet_snip(w->key.p, w->key.len).text);
	w->quoted = c->p[c->at] == '"';
	if (w->quoted)
		return quoted(c, &w->value);
	w->value = bare(c, "\"");
	return c->at < c->len && c->p[c->at] == '"' ? stray_quote(c) : BL_OK;
}

int
inlet_next_word(struct cursor *c, struct word *w)
{
	int rc;

	memset(w, 0, sizeof(*w));
	while (c->at < c->len && is_space(c->p[c->at]))
		c->at++;
	w->column = w->value_column = column_of(c, c->at);
	if (c->at == c->len)
		return 0;
	if (c->p[c->at] == '"') {
		w->quoted = true;
		return (rc = quoted(c, &w->value)) < 0 ? rc : 1;
	}
	w->value = bare(c, "=\"");
	if (c->at < c->len && c->p[c->at] == '=')
		return (rc = value(c, w)) < 0 ? rc : 1;
	return c->at < c->len && c->p[c->at] == '"' ? stray_quote(c) : 1;
}

/* ---- values ---- */

static bool
digit(const char *p, const char *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

static const char *
digits(const char *p, const char *end)
{
	while (digit(p, end))
		p++;
	return p;
}

bool
inlet_is_number(const char *p, size_t len, size_t *whole)
{
	const char *end = p + len, *first;

	p += p < end && *p == '-';
	first = p;
	if (!digit(p, end))
		return false;
	p = *p == '0' ? p + 1 : digits(p, end);
	*whole = (size_t)(p - first);
	if (p == end)
		return true;
	*whole = 0;
	if (*p == '.') {
		if (!digit(p + 1, end))
			return false;
		p = digits(p + 1, end);
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		p += p < end && (*p == '+' || *p == '-');
		if (!digit(p, end))
			return false;
		p = digits(p, end);
	}
	return p == end;
}

int
inlet_number(const struct cursor *c, const struct word *w, double *out)
{
	char copy[BL_ATTR_VALUE_MAX + 1];

	memcpy(copy, w->value.p, w->value.len); /* within the cap: checked before */
	copy[w->value.len] = '\0';
	*out = strtod(copy, NULL); /* no locale is ever set here */
	if (isfinite(*out))
		return BL_OK;
	return wrong(c, w->value_column, "expected a number below 1.8e308, got %s",
	    inlet_snip(w->value.p, w->value.len).text);
}
