/* Performance data; see plugins_output.h.  No state, no I/O. */
#include "plugins_output.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 64u /* bytes of one */

struct cursor {
	const char *p, *end;
};

static bool
is_space(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}

static bool
digit(const struct cursor *c, size_t at)
{
	return (size_t)(c->end - c->p) > at && c->p[at] >= '0' && c->p[at] <= '9';
}

static bool
one_of(const struct cursor *c, size_t at, const char *set)
{
	return (size_t)(c->end - c->p) > at && c->p[at] != '\0' && strchr(set, c->p[at]) != NULL;
}

static bool
take(struct cursor *c, char ch)
{
	if (c->p == c->end || *c->p != ch)
		return false;
	c->p++;
	return true;
}

/* Bytes of the decimal number that begins here; 0: none.  A comma in it is a point, as some write.
 */
static size_t
number_length(const struct cursor *c)
{
	size_t n = one_of(c, 0, "+-") ? 1 : 0, digits = 0, exponent;

	for (; digit(c, n); digits++)
		n++;
	if (one_of(c, n, ".,"))
		for (n++; digit(c, n); digits++)
			n++;
	if (digits == 0)
		return 0;
	exponent = n + 1 + (one_of(c, n + 1, "+-") ? 1 : 0);
	if (one_of(c, n, "eE") && digit(c, exponent))
		for (n = exponent; digit(c, n);)
			n++;
	return n;
}

static bool
number(struct cursor *c, double *out)
{
	char text[NUMBER_MAX + 1];
	const size_t n = number_length(c);

	if (n == 0 || n > NUMBER_MAX)
		return false;
	memcpy(text, c->p, n);
	text[n] = '\0';
	if (strchr(text, ',') != NULL)
		*strchr(text, ',') = '.';
	c->p += n;
	*out = strtod(text, NULL); /* no locale is ever set here */
	return isfinite(*out);
}

/* ---- limits ---- */

/* The unit of the value, or a percent sign, stands behind a limit of some plug-ins. */
static void
skip_uom(struct cursor *c)
{
	while (c->p < c->end && !is_space(*c->p) && *c->p != ';' && *c->p != ':' && !digit(c, 0))
		c->p++;
}

static bool
at_end(const struct cursor *c)
{
	return c->p == c->end || *c->p == ';' || is_space(*c->p);
}

/* What was not understood is not guessed at. */
static void
skip_field(struct cursor *c)
{
	while (!at_end(c))
		c->p++;
}

/* [@][low:][high]; low may be ~. */
static bool
range(struct cursor *c, struct plugins_range *r)
{
	double first;

	r->inside = take(c, '@');
	if (take(c, '~')) {
		if (!take(c, ':'))
			return false;
	} else if (number(c, &first)) {
		skip_uom(c);
		r->has_low = take(c, ':');
		r->has_high = !r->has_low;
		r->low = r->has_low ? first : 0;
		r->high = first;
		if (r->has_high)
			return at_end(c);
	} else if (!take(c, ':')) {
		return false;
	}
	if (at_end(c))
		return true;
	r->has_high = number(c, &r->high);
	skip_uom(c);
	return r->has_high && at_end(c);
}

static void
limit_range(struct cursor *c, struct plugins_range *r, bool *bad)
{
	if (!take(c, ';') || at_end(c))
		return;
	if (range(c, r))
		return;
	memset(r, 0, sizeof(*r));
	*bad = true;
	skip_field(c);
}

static void
limit_number(struct cursor *c, bool *has, double *out, bool *bad)
{
	if (!take(c, ';') || at_end(c))
		return;
	*has = number(c, out);
	skip_uom(c);
	if (*has && at_end(c))
		return;
	*has = false;
	*bad = true;
	skip_field(c);
}

/* ---- one value ---- */

static bool
keep_label(struct plugins_perf *out, size_t *n, char ch)
{
	if (*n == sizeof(out->label) - 1 || (unsigned char)ch < 0x20 || ch == 0x7f)
		return false;
	out->label[(*n)++] = ch;
	return true;
}

/* Up to and with the "=". */
static const char *
label(struct cursor *c, struct plugins_perf *out)
{
	const bool quoted = take(c, '\'');
	size_t n = 0;

	for (;; c->p++) {
		if (c->p == c->end)
			return quoted ? "a label's closing quote" : "label=value";
		if (quoted && *c->p == '\'' && !(c->p + 1 < c->end && c->p[1] == '\''))
			break;
		if (!quoted && *c->p == '=')
			break;
		c->p += quoted && *c->p == '\'';
		if (!keep_label(out, &n, *c->p))
			return "a label of at most 128 bytes, without control characters";
	}
	c->p += quoted;
	while (!quoted && n > 0 && out->label[n - 1] == ' ')
		n--;
	out->label[n] = '\0';
	if (n == 0)
		return "a label before =";
	return take(c, '=') ? NULL : "= after the label";
}

static const char *
value(struct cursor *c, struct plugins_perf *out)
{
	const char *from;

	if (take(c, 'U'))
		return at_end(c) ? NULL : "U alone, for a value that is not known";
	if (!number(c, &out->value))
		return "a number after =";
	out->known = true;
	for (from = c->p; !at_end(c);)
		c->p++;
	if ((size_t)(c->p - from) > PLUGINS_UOM_MAX ||
	    (c->p > from && strchr("0123456789+-.,:", *from) != NULL))
		return "one number and a unit of at most 16 bytes after =";
	memcpy(out->uom, from, (size_t)(c->p - from));
	return NULL;
}

static const char *
item(struct cursor *c, struct plugins_perf *out)
{
	const char *expected = label(c, out);

	if (expected == NULL)
		expected = value(c, out);
	if (expected != NULL)
		return expected;
	limit_range(c, &out->warn, &out->bad_limit);
	limit_range(c, &out->crit, &out->bad_limit);
	limit_number(c, &out->has_min, &out->min, &out->bad_limit);
	limit_number(c, &out->has_max, &out->max, &out->bad_limit);
	if (take(c, ';') && !at_end(c))
		out->bad_limit = true;
	return NULL;
}

int
plugins_perf_next(struct bl_str *rest, struct plugins_perf *out, struct bl_err *err)
{
	struct cursor c = { rest->p, rest->p + rest->len };
	const char *begin, *expected;
	size_t shown;

	memset(out, 0, sizeof(*out));
	while (c.p < c.end && is_space(*c.p))
		c.p++;
	begin = c.p;
	if (c.p == c.end) {
		*rest = (struct bl_str){ c.p, 0 };
		return 0;
	}
	expected = item(&c, out);
	while (c.p < c.end && !is_space(*c.p))
		c.p++;
	*rest = (struct bl_str){ c.p, (size_t)(c.end - c.p) };
	if (expected == NULL)
		return 1;
	shown = plugins_text_cut(begin, (size_t)(c.p - begin), 60);
	return bl_fail(err, BL_EINVAL, "expected %s, got \"%.*s\"", expected, (int)shown, begin);
}

/* ---- units ---- */

struct plugins_unit
plugins_unit_of(const char *uom)
{
	static const struct {
		const char *uom;
		struct plugins_unit is;
	} rows[] = {
		{ "", { "plugin_value", "plugin_value_limit", "1", 1, false } },
		{ "c", { "plugin_total", "plugin_total_limit", "1", 1, true } },
		{ "%", { "plugin_pct", "plugin_pct_limit", "pct", 1, false } },
		{ "s", { "plugin_ms", "plugin_ms_limit", "ms", 1e3, false } },
		{ "ms", { "plugin_ms", "plugin_ms_limit", "ms", 1, false } },
		{ "us", { "plugin_ms", "plugin_ms_limit", "ms", 1e-3, false } },
		{ "ns", { "plugin_ms", "plugin_ms_limit", "ms", 1e-6, false } },
	};
	static const char prefixes[] = "KMGTPE";
	const char *p;
	double scale = 1;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].uom, uom) == 0)
			return rows[i].is;
	p = uom[0] == 'k' ? prefixes : uom[0] != '\0' ? strchr(prefixes, uom[0]) : NULL;
	for (const char *at = prefixes; p != NULL && at <= p; at++)
		scale *= 1024;
	uom += p != NULL;
	if (strcmp(uom, "B") == 0 || (p != NULL && strcmp(uom, "iB") == 0))
		return (struct plugins_unit){ "plugin_bytes", "plugin_bytes_limit", "bytes", scale,
			false };
	return (struct plugins_unit){ "plugin_value", "plugin_value_limit", uom - (p != NULL), 1,
		false };
}
