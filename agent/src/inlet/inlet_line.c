/* The line protocol; see the header.  No state, no I/O. */
#include "inlet_line.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/topic.h"

#define EXACT_DIGITS 15 /* a double keeps every whole number of so many */
#define SNIP_MAX     40 /* bytes of somebody's text in a message */

/* One word of the line; its text is unescaped and lies in the line's text. */
struct word {
	unsigned column, value_column;
	bool has_key;
	bool quoted; /* the value, or the word without a key */
	struct bl_str key, value;
};

struct cursor {
	const char *p;
	size_t len, at;
	struct inlet_line *out;
	size_t used; /* of out->text */
	struct bl_err *err;
};

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

struct snip {
	char text[SNIP_MAX + 8];
};

/* A text as it is shown: in quotes, on one line, shortened between characters. */
static struct snip
snip(const char *p, size_t len)
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

#define wrong(c, column, ...) wrong_at((c)->err, (column), __VA_ARGS__)

static int wrong_at(struct bl_err *err, unsigned column, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int
wrong_at(struct bl_err *err, unsigned column, const char *fmt, ...)
{
	char text[224];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return bl_fail(err, BL_EINVAL, "column %u: %s", column, text);
}

/* ---- characters ---- */

/* The length of the well-formed UTF-8 sequence at p, or 0. */
static size_t
sequence(const unsigned char *p, size_t left)
{
	const unsigned char lead = p[0];
	unsigned char low = 0x80, high = 0xbf; /* of the second byte */
	size_t n;

	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	n = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : low;
	high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : high;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* All of it is text: every other function may rely on that. */
static int
check_text(const struct cursor *c)
{
	size_t n;

	for (size_t i = 0; i < c->len; i += n) {
		const unsigned char ch = (unsigned char)c->p[i];

		if ((n = sequence((const unsigned char *)c->p + i, c->len - i)) == 0)
			return wrong(c, column_of(c, i),
			    "expected UTF-8 text, got the byte 0x%02x, which is none", ch);
		if ((ch < 0x20 && ch != '\t') || ch == 0x7f)
			return wrong(c, column_of(c, i),
			    "expected text, got the control character 0x%02x; a line break is \\n "
			    "inside double quotes",
			    ch);
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
	c->out->text[c->used++] = ch; /* never more than the line has */
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
	*out = (struct bl_str){ c->out->text + from, c->used - from };
	return BL_OK;
}

/* Up to a space, the end, or the first of stop. */
static struct bl_str
bare(struct cursor *c, const char *stop)
{
	const size_t from = c->used;

	while (c->at < c->len && !is_space(c->p[c->at]) && strchr(stop, c->p[c->at]) == NULL)
		keep(c, c->p[c->at++]);
	return (struct bl_str){ c->out->text + from, c->used - from };
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
		    snip(w->key.p, w->key.len).text);
	w->quoted = c->p[c->at] == '"';
	if (w->quoted)
		return quoted(c, &w->value);
	w->value = bare(c, "\"");
	return c->at < c->len && c->p[c->at] == '"' ? stray_quote(c) : BL_OK;
}

/* 1: a word; 0: the end of the line. */
static int
next_word(struct cursor *c, struct word *w)
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

/* A number as JSON writes them; *whole: without fraction and exponent, that many digits. */
static bool
is_number(const char *p, size_t len, size_t *whole)
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

static bool
is(struct bl_str s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

static int
number(const struct cursor *c, const struct word *w, struct bl_attr *a)
{
	char copy[BL_ATTR_VALUE_MAX + 1];

	memcpy(copy, w->value.p, w->value.len); /* within the cap: checked before */
	copy[w->value.len] = '\0';
	a->type = BL_ATTR_NUMBER;
	a->number = strtod(copy, NULL); /* no locale is ever set here */
	if (isfinite(a->number))
		return BL_OK;
	return wrong(c, w->value_column, "expected a number below 1.8e308, got %s",
	    snip(w->value.p, w->value.len).text);
}

static int
typed(const struct cursor *c, const struct word *w, struct bl_attr *a)
{
	size_t whole;

	a->type = BL_ATTR_TEXT;
	a->text = w->value;
	if (w->quoted)
		return BL_OK;
	if (is(w->value, "true") || is(w->value, "false")) {
		a->type = BL_ATTR_BOOL;
		a->boolean = w->value.p[0] == 't';
		return BL_OK;
	}
	if (is_number(w->value.p, w->value.len, &whole) && whole <= EXACT_DIGITS)
		return number(c, w, a);
	return BL_OK;
}

/* ---- the event ---- */

static struct bl_str
constant(const char *text)
{
	return (struct bl_str){ text, strlen(text) };
}

static struct bl_attr *
add(struct bl_event *ev, struct bl_str key)
{
	struct bl_attr *a = &ev->attr[ev->n_attrs++];

	memset(a, 0, sizeof(*a));
	a->key = key;
	return a;
}

static void
add_text(struct bl_event *ev, const char *key, struct bl_str text)
{
	struct bl_attr *a = add(ev, constant(key));

	a->type = BL_ATTR_TEXT;
	a->text = text;
}

static int
check_length(const struct cursor *c, const char *what, unsigned column, struct bl_str s, size_t max)
{
	if (s.len > 0 && s.len <= max)
		return BL_OK;
	if (s.len == 0)
		return wrong(c, column, "expected %s, got an empty text", what);
	return wrong(
	    c, column, "expected %s of at most %zu bytes, got %zu bytes", what, max, s.len);
}

/* A word in its place: the case, the step. */
static int
place(struct cursor *c, const char *key, const char *what, size_t max)
{
	struct word w;
	int rc;

	if ((rc = next_word(c, &w)) < 0)
		return rc;
	if (rc == 0)
		return wrong(c, w.column, "expected %s, got the end of the line", what);
	if (w.has_key)
		return wrong(c, w.column,
		    "expected %s before the attributes, got %s=; put a word with \"=\" in double "
		    "quotes",
		    what, snip(w.key.p, w.key.len).text);
	if ((rc = check_length(c, what, w.column, w.value, max)) < 0)
		return rc;
	add_text(&c->out->ev, key, w.value);
	return BL_OK;
}

static int
set_process(const struct cursor *c, const struct word *w)
{
	char id[BL_ID_TEXT_MAX + 1] = "";

	if (w->value.len < sizeof(id))
		memcpy(id, w->value.p, w->value.len);
	if (!bl_id_text_valid(id))
		return wrong(c, w->value_column,
		    "expected the id of a process (a-z, 0-9 and hyphens, at most 63), got %s",
		    snip(w->value.p, w->value.len).text);
	c->out->ev.attr[0].text = w->value;
	return BL_OK;
}

/* What has a meaning of its own: 1, done; 0: an attribute like others. */
static int
special(const struct cursor *c, const struct word *w, bool *has_process)
{
	int rc;

	if (is(w->key, "process") && !*has_process) {
		*has_process = true;
		return (rc = set_process(c, w)) < 0 ? rc : 1;
	}
	if (is(w->key, "id") && c->out->ev.id.len == 0) {
		if ((rc = check_length(
			 c, "an event's id", w->value_column, w->value, BL_EVENT_ID_MAX)) < 0)
			return rc;
		c->out->ev.id = w->value;
		return 1;
	}
	if (is(w->key, "case") || is(w->key, "step"))
		return wrong(c, w->column,
		    "expected an attribute, got %s=; case and step are the words before the "
		    "attributes",
		    snip(w->key.p, w->key.len).text);
	return 0;
}

static bool
is_there(const struct inlet_line *out, struct bl_str key)
{
	for (uint32_t i = 0; i < out->ev.n_attrs; i++)
		if (out->ev.attr[i].key.len == key.len &&
		    memcmp(out->ev.attr[i].key.p, key.p, key.len) == 0)
			return true;
	return is(key, "id");
}

static int
attribute(const struct cursor *c, const struct word *w)
{
	struct bl_event *ev = &c->out->ev;

	if (is_there(c->out, w->key))
		return wrong(c, w->column, "expected every name once, got %s= a second time",
		    snip(w->key.p, w->key.len).text);
	if (w->key.len > BL_NAME_MAX)
		return wrong(c, w->column, "expected a name of at most %u bytes, got %zu bytes",
		    BL_NAME_MAX, w->key.len);
	if (w->value.len > BL_ATTR_VALUE_MAX)
		return wrong(c, w->value_column,
		    "expected a value of at most %u bytes, got %zu bytes", BL_ATTR_VALUE_MAX,
		    w->value.len);
	if (ev->n_attrs == BL_ATTRS_MAX)
		return wrong(c, w->column,
		    "expected at most %u attributes (process, case and step are among them), got "
		    "more",
		    BL_ATTRS_MAX);
	return typed(c, w, add(ev, w->key));
}

static int
attributes(struct cursor *c, bool step_may_come)
{
	bool has_process = false;
	struct word w;
	int rc;

	while ((rc = next_word(c, &w)) > 0) {
		if (!w.has_key && step_may_come) {
			if ((rc = check_length(c, "a step", w.column, w.value, INLET_STEP_MAX)) < 0)
				return rc;
			add_text(&c->out->ev, "step", w.value);
		} else if (!w.has_key) {
			return wrong(c, w.column,
			    "expected NAME=VALUE or the end of the line, got %s; a value with "
			    "spaces goes in double quotes",
			    snip(w.value.p, w.value.len).text);
		} else if ((rc = special(c, &w, &has_process)) < 0 ||
			   (rc == 0 && (rc = attribute(c, &w)) < 0)) {
			return rc;
		}
		step_may_come = false;
	}
	return rc;
}

static int
verb(struct cursor *c, bool *with_step)
{
	struct word w;
	int rc;

	if ((rc = next_word(c, &w)) < 0)
		return rc;
	if (rc == 0 || w.has_key || !is(w.value, "step"))
		return wrong(
		    c, w.column, "expected \"step begin\", \"step end\" or \"step event\"");
	if ((rc = next_word(c, &w)) < 0)
		return rc;
	*with_step = true;
	if (rc == 1 && !w.has_key && is(w.value, "begin"))
		c->out->ev.type = constant("step.begin");
	else if (rc == 1 && !w.has_key && is(w.value, "end"))
		c->out->ev.type = constant("step.end");
	else if (rc == 1 && !w.has_key && is(w.value, "event"))
		c->out->ev.type = constant("step.event");
	else
		return wrong(
		    c, w.column, "expected \"begin\", \"end\" or \"event\" after \"step\"");
	*with_step = !is(w.value, "event");
	return BL_OK;
}

int
inlet_line_parse(const char *line, size_t len, struct inlet_line *out, struct bl_err *err)
{
	struct cursor c = { .p = line, .len = len, .out = out, .err = err };
	bool with_step;
	int rc;

	memset(&out->ev, 0, sizeof(out->ev));
	out->ev.id = constant("");
	if (len > INLET_LINE_MAX)
		return wrong(
		    &c, 1, "expected a line of at most %u bytes, got %zu", INLET_LINE_MAX, len);
	if ((rc = check_text(&c)) < 0 || (rc = verb(&c, &with_step)) < 0)
		return rc;
	add_text(&out->ev, "process", constant(INLET_PROCESS_DEFAULT));
	if ((rc = place(&c, "case", "a case", INLET_CASE_MAX)) < 0)
		return rc;
	if (with_step && (rc = place(&c, "step", "a step", INLET_STEP_MAX)) < 0)
		return rc;
	return attributes(&c, !with_step);
}

/* ---- writing ---- */

static void
put_quoted(struct bl_buf *out, const char *text)
{
	static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";

	bl_buf_u8(out, '"');
	for (; *text != '\0'; text++) {
		const char *which = strchr(from, *text);

		if (which != NULL)
			bl_buf_u8(out, '\\');
		bl_buf_u8(out, which != NULL ? (uint8_t)to[which - from] : (uint8_t)*text);
	}
	bl_buf_u8(out, '"');
}

void
inlet_line_put_word(struct bl_buf *out, const char *word)
{
	bl_buf_u8(out, ' ');
	if (word[0] == '\0' || strpbrk(word, " \t\r\n\"\\=") != NULL)
		put_quoted(out, word);
	else
		bl_buf_bytes(out, word, strlen(word));
}

void
inlet_line_put_text(struct bl_buf *out, const char *key, const char *value)
{
	bl_buf_u8(out, ' ');
	bl_buf_bytes(out, key, strlen(key));
	bl_buf_u8(out, '=');
	put_quoted(out, value);
}

void
inlet_line_put_value(struct bl_buf *out, const char *key, const char *value)
{
	const struct bl_str v = constant(value);
	size_t whole;

	if (!is(v, "true") && !is(v, "false") && !is_number(value, v.len, &whole)) {
		inlet_line_put_text(out, key, value);
		return;
	}
	bl_buf_u8(out, ' ');
	bl_buf_bytes(out, key, strlen(key));
	bl_buf_u8(out, '=');
	bl_buf_bytes(out, value, v.len);
}
