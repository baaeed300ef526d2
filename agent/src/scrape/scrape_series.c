/*
 * What a line's name and labels mean: which series of ours, or none.
 *
 * Done once for each line that is new; the page remembers.  The exporter's name
 * is what include, exclude and rename speak of; kind and unit come from the
 * comments before the line, where they are of its family, else from the name.
 */
#include "scrape_internal.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* A key taken apart; each text is followed by a NUL. */
struct parsed {
	struct bl_str name;
	uint32_t n;
	bool many; /* more labels than there is room for */
	struct bl_label label[BL_LABELS_MAX];
	size_t used;
	char text[SCRAPE_LINE_MAX + 3 * BL_LABELS_MAX];
};

struct cursor {
	const char *p, *end;
};

static void
blanks(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t'))
		c->p++;
}

static bool
take(struct cursor *c, char sign)
{
	blanks(c);
	if (c->p == c->end || *c->p != sign)
		return false;
	c->p++;
	return true;
}

/* The text in the buffer since from, terminated. */
static struct bl_str
stored(struct parsed *x, size_t from)
{
	const struct bl_str s = { x->text + from, x->used - from };

	x->text[x->used++] = '\0';
	return s;
}

static bool
is_word_char(char c, bool colon)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (c >= '0' && c <= '9') || (colon && c == ':');
}

static struct bl_str
name(struct cursor *c, struct parsed *x, bool colon)
{
	const size_t from = x->used;

	blanks(c);
	while (c->p < c->end && is_word_char(*c->p, colon))
		x->text[x->used++] = *c->p++;
	return stored(x, from);
}

/* Behind the opening quote; false: it never closes. */
static bool
value(struct cursor *c, struct parsed *x, struct bl_str *out)
{
	const size_t from = x->used;

	for (; c->p < c->end && *c->p != '"'; c->p++) {
		const char next = c->p + 1 < c->end ? c->p[1] : '\0';

		if (*c->p == '\\' && (next == '\\' || next == '"' || next == 'n')) {
			x->text[x->used++] = next == 'n' ? '\n' : next;
			c->p++;
		} else {
			x->text[x->used++] = *c->p;
		}
	}
	*out = stored(x, from);
	return take(c, '"');
}

/* One label without a value is none. */
static bool
label(struct cursor *c, struct parsed *x)
{
	const size_t from = x->used;
	struct bl_label l;

	l.key = name(c, x, false);
	if (l.key.len == 0 || (l.key.p[0] >= '0' && l.key.p[0] <= '9') || !take(c, '=') ||
	    !take(c, '"') || !value(c, x, &l.value))
		return false;
	if (l.value.len == 0 || x->n == BL_LABELS_MAX) {
		x->many = x->many || l.value.len > 0;
		x->used = from;
		return true;
	}
	x->label[x->n++] = l;
	return true;
}

static bool
parse(const char *key, size_t len, struct parsed *x)
{
	struct cursor c = { key, key + len };

	x->n = 0;
	x->many = false;
	x->used = 0;
	x->name = name(&c, x, true);
	if (!take(&c, '{'))
		return c.p == c.end;
	while (!take(&c, '}')) {
		if (!label(&c, x))
			return false;
		blanks(&c);
		if (!take(&c, ',') && (c.p == c.end || *c.p != '}'))
			return false;
	}
	return c.p == c.end;
}

/* ---- include, exclude ---- */

/* "name", or "name{label=value}", wildcards in name and value. */
static bool
matches(const char *pattern, const struct parsed *x)
{
	const char *brace = strchr(pattern, '{'),
		   *equals = brace != NULL ? strchr(brace, '=') : NULL;
	char part[2 * BL_LABEL_VALUE_MAX];

	if (brace == NULL || equals == NULL)
		return fnmatch(pattern, x->name.p, 0) == 0;
	(void)snprintf(part, sizeof(part), "%.*s", (int)(brace - pattern), pattern);
	if (fnmatch(part, x->name.p, 0) != 0)
		return false;
	(void)snprintf(part, sizeof(part), "%.*s", (int)strcspn(equals + 1, "}"), equals + 1);
	for (uint32_t i = 0; i < x->n; i++)
		if (x->label[i].key.len == (size_t)(equals - brace - 1) &&
		    memcmp(x->label[i].key.p, brace + 1, x->label[i].key.len) == 0)
			return fnmatch(part, x->label[i].value.p, 0) == 0;
	return false;
}

static bool
any_matches(const struct bl_conf_strlist *list, const struct parsed *x)
{
	for (size_t i = 0; i < list->n; i++)
		if (matches(list->item[i], x))
			return true;
	return false;
}

/* ---- what it is ---- */

static bool
is(const char *p, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(p, text, len) == 0;
}

static bool
ends(struct bl_str s, const char *end)
{
	const size_t n = strlen(end);

	return s.len > n && memcmp(s.p + s.len - n, end, n) == 0;
}

/* What the name has behind the family's; NULL: it is not of that family. */
static const char *
suffix_of(struct bl_str name, const struct scrape_family *f)
{
	if (f->name_len == 0 || name.len < f->name_len || memcmp(name.p, f->name, f->name_len) != 0)
		return NULL;
	if (name.len > f->name_len && name.p[f->name_len] != '_')
		return NULL;
	return name.p + f->name_len;
}

static enum bl_series_kind
kind_of(enum scrape_type type, struct bl_str name, const char *suffix)
{
	bool counter = false;

	if (suffix == NULL || type == SCRAPE_UNTYPED)
		counter = ends(name, "_total");
	else if (type == SCRAPE_COUNTER)
		counter = *suffix == '\0' || strcmp(suffix, "_total") == 0;
	else if (type == SCRAPE_HISTOGRAM || type == SCRAPE_SUMMARY)
		counter = strcmp(suffix, "_bucket") == 0 || strcmp(suffix, "_count") == 0 ||
			  strcmp(suffix, "_sum") == 0;
	return counter ? BL_COUNTER : BL_GAUGE;
}

/* Words for units, as exporters have them at the end of names, and ours. */
static const char *const units[][2] = { { "seconds", "s" }, { "bytes", "bytes" },
	{ "celsius", "celsius" }, { "volts", "volt" }, { "amperes", "ampere" }, { "watts", "watt" },
	{ "joules", "joule" }, { "milliseconds", "ms" }, { "microseconds", "us" },
	{ "percent", "pct" }, { "rpm", "rpm" } };
#define UNITS (sizeof(units) / sizeof(units[0]))

static struct bl_str
unit_known(const char *p, size_t len)
{
	for (size_t i = 0; i < UNITS; i++)
		if (is(p, len, units[i][0]))
			return (struct bl_str){ units[i][1], strlen(units[i][1]) };
	return (struct bl_str){ "", 0 };
}

/* Endings that say what of a thing is told, not what it is. */
static struct bl_str
without_end(struct bl_str name)
{
	static const char *const end[] = { "_total", "_sum" };

	for (size_t i = 0; i < sizeof(end) / sizeof(end[0]); i++)
		if (ends(name, end[i]))
			name.len -= strlen(end[i]);
	return name;
}

static struct bl_str
unit_of(const struct scrape_family *f, struct bl_str name, const char *suffix)
{
	const char *last;

	if (ends(name, "_bucket") || ends(name, "_count") || ends(name, "_gcount"))
		return (struct bl_str){ "", 0 };
	if (suffix != NULL && f->unit_len > 0) {
		const struct bl_str known = unit_known(f->unit, f->unit_len);

		return known.len > 0 ? known : (struct bl_str){ f->unit, f->unit_len };
	}
	name = without_end(name);
	last = memrchr(name.p, '_', name.len);
	return last != NULL ? unit_known(last + 1, name.len - (size_t)(last + 1 - name.p))
			    : (struct bl_str){ "", 0 };
}

/* ---- its name here ---- */

/* By its own name, or by that of its family, whose endings stay. */
static struct bl_str
renamed(const struct scrape_exporter_conf *conf, struct bl_str name, const char *suffix, char *out,
    size_t size)
{
	for (size_t i = 0; i < conf->rename.n; i++) {
		const char *from = conf->rename.key[i];
		const size_t len = strlen(from);
		int n;

		if (strncmp(from, name.p, len) != 0 ||
		    (name.p[len] != '\0' && name.p + len != suffix))
			continue;
		n = snprintf(out, size, "%s%s", conf->rename.value[i], name.p + len);
		return (struct bl_str){ out, n > 0 && (size_t)n < size ? (size_t)n : 0 };
	}
	return name;
}

static bool
labels_set(struct intake_name *n, const struct parsed *x, const struct bl_conf_strmap *more)
{
	if (x->many || x->n + more->n > BL_LABELS_MAX)
		return false;
	memcpy(n->label, x->label, x->n * sizeof(x->label[0]));
	n->n_labels = x->n;
	for (size_t i = 0; i < more->n; i++)
		n->label[n->n_labels++] = (struct bl_label){ { more->key[i], strlen(more->key[i]) },
			{ more->value[i], strlen(more->value[i]) } };
	return true;
}

/* What an agent put of an exporter, as its own page shows it: read again, it would go on for ever.
 */
static bool
is_ours(const struct parsed *x, const char *source)
{
	if (strncmp(x->name.p, "branchline_", 11) != 0)
		return false;
	for (uint32_t i = 0; i < x->n; i++)
		if (strcmp(x->label[i].key.p, INTAKE_SOURCE_LABEL) == 0)
			return strcmp(x->label[i].value.p, source) == 0;
	return false;
}

int32_t
scrape_series(struct intake *t, const struct scrape_exporter_conf *conf,
    const struct scrape_family *f, const char *key, size_t len)
{
	struct parsed x;
	struct intake_name n;
	char buf[SCRAPE_LINE_MAX];
	const char *suffix;

	if (len > SCRAPE_LINE_MAX || !parse(key, len, &x))
		return SCRAPE_MALFORMED;
	if ((conf->include.n > 0 && !any_matches(&conf->include, &x)) ||
	    any_matches(&conf->exclude, &x) || is_ours(&x, conf->name))
		return SCRAPE_EXCLUDED;
	suffix = suffix_of(x.name, f);
	n.kind = kind_of(f->type, x.name, suffix);
	n.unit = unit_of(f, x.name, suffix);
	n.name = renamed(conf, x.name, suffix, buf, sizeof(buf));
	if (!labels_set(&n, &x, &conf->labels)) {
		intake_refuse(t, INTAKE_BAD_LABEL, x.name);
		return -1 - (int32_t)INTAKE_BAD_LABEL;
	}
	return intake_series(t, &n);
}
