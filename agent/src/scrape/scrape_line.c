/*
 * Lines of a page, text format 0.0.4 and OpenMetrics 1.0 alike.  Pure.
 *
 *   name{label="value",...} value [time] [# exemplar]
 *   # TYPE name type      # UNIT name unit      # HELP ...      # EOF
 *
 * What stands between the braces is looked at only where a line is new
 * (scrape_series.c); here its end is found.
 */
#include "scrape_internal.h"

#include <math.h>
#include <string.h>

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
	       (c >= '0' && c <= '9');
}

struct text {
	const char *p, *end;
};

/* The next word; empty at the end. */
static struct bl_str
word(struct text *t)
{
	struct bl_str w;

	while (t->p < t->end && is_blank(*t->p))
		t->p++;
	w.p = t->p;
	while (t->p < t->end && !is_blank(*t->p))
		t->p++;
	w.len = (size_t)(t->p - w.p);
	return w;
}

static bool
is(struct bl_str s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

/* ---- comments ---- */

static enum scrape_type
type_of(struct bl_str s)
{
	static const char *const name[] = { "untyped", "counter", "gauge", "histogram",
		"gaugehistogram", "summary", "info", "stateset" };

	for (unsigned i = 0; i < sizeof(name) / sizeof(name[0]); i++)
		if (is(s, name[i]))
			return (enum scrape_type)i;
	return SCRAPE_UNTYPED; /* "unknown" is OpenMetrics' word for it */
}

/* Another name: what was said of the last one is over. */
static void
family_set(struct scrape_family *f, struct bl_str name)
{
	if (f->name_len == name.len && memcmp(f->name, name.p, name.len) == 0)
		return;
	f->type = SCRAPE_UNTYPED;
	f->unit_len = 0;
	f->name_len = (uint16_t)name.len;
	memcpy(f->name, name.p, name.len);
}

void
scrape_comment(struct scrape_family *f, const char *line, size_t len)
{
	struct text t = { line + 1, line + len };
	struct bl_str what, name, how;

	/* Most of them are HELP. */
	if (len < 3 || (line[1] == ' ' && line[2] == 'H'))
		return;
	what = word(&t);
	if (is(what, "EOF")) {
		f->ended = true;
		return;
	}
	if (!is(what, "TYPE") && !is(what, "UNIT"))
		return;
	name = word(&t);
	how = word(&t);
	if (name.len == 0 || name.len > SCRAPE_FAMILY_MAX || word(&t).len > 0)
		return;
	family_set(f, name);
	if (what.p[0] == 'T') {
		f->type = type_of(how);
	} else if (how.len <= sizeof(f->unit)) {
		f->unit_len = (uint16_t)how.len;
		memcpy(f->unit, how.p, how.len);
	}
}

/* ---- samples ---- */

/* Behind the brace that closes; NULL: none does. */
static const char *
braces(const char *p, const char *end)
{
	bool quoted = false;

	for (; p < end; p++) {
		if (quoted && *p == '\\')
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (*p == '}' && !quoted)
			return p + 1;
	}
	return NULL;
}

size_t
scrape_line_key(const char *line, size_t len)
{
	const char *p = line, *end = line + len, *after;

	while (p < end && is_name_char(*p))
		p++;
	if (p == line || (*line >= '0' && *line <= '9'))
		return 0;
	after = p;
	while (p < end && is_blank(*p))
		p++;
	if (p < end && *p == '{')
		after = braces(p + 1, end);
	else if (p == after)
		return 0; /* no value, or no blank before it */
	return after != NULL ? (size_t)(after - line) : 0;
}

bool
scrape_line_value(const char *p, size_t len, struct scrape_value *out)
{
	struct text t = { p, p + len };
	struct bl_str w = word(&t);

	out->timed = false;
	if (w.len == 0 || !scrape_number(w.p, w.len, &out->value))
		return false;
	w = word(&t);
	if (w.len == 0 || w.p[0] == '#')
		return true; /* what an exemplar says is not looked at */
	if (!scrape_number(w.p, w.len, &out->time) || !isfinite(out->time))
		return false;
	out->timed = true;
	w = word(&t);
	return w.len == 0 || w.p[0] == '#';
}
