/*
 * Times as files and logs write them.  No locale, no glibc: months and halves of a
 * day are English (and 上午, 下午), zones are tzdata's.  Pure.
 */
#include "rowmap_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DAY_MS 86400000ll

/* What has been read so far. */
struct when {
	struct bl_civil c;
	bool year, month, day, hour, pm, am, offset, absolute;
	int offset_minutes;
	int64_t unix_ms; /* of %s; c.ms is added */
};

struct text {
	const char *p, *end;
};

/* ---- pieces ---- */

/* A number of min to max digits. */
static bool
number(struct text *t, unsigned min, unsigned max, int *out)
{
	unsigned n = 0;
	int v = 0;

	for (; n < max && t->p < t->end && *t->p >= '0' && *t->p <= '9'; n++)
		v = v * 10 + (*t->p++ - '0');
	*out = v;
	return n >= min;
}

static bool
literal(struct text *t, const char *word, size_t len)
{
	if ((size_t)(t->end - t->p) < len || strncasecmp(t->p, word, len) != 0)
		return false;
	t->p += len;
	return true;
}

static bool
letter(const struct text *t)
{
	return t->p < t->end && ((*t->p | 0x20) >= 'a' && (*t->p | 0x20) <= 'z');
}

static void
letters(struct text *t)
{
	while (letter(t))
		t->p++;
}

static void
spaces(struct text *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
		t->p++;
}

/* ".5", ",250": what is finer than a millisecond is cut. */
static bool
fraction(struct text *t, int *ms)
{
	int scale = 100;
	unsigned n = 0;

	for (*ms = 0; t->p < t->end && *t->p >= '0' && *t->p <= '9' && n < 9; n++, scale /= 10)
		*ms += (*t->p++ - '0') * scale;
	return n > 0;
}

/* "Z", "+08:00", "+0800", "+08". */
static bool
offset(struct text *t, struct when *w)
{
	int hours, minutes = 0, sign = 1;

	w->offset = true;
	w->offset_minutes = 0;
	if (literal(t, "Z", 1))
		return true;
	if (t->p == t->end || (*t->p != '+' && *t->p != '-'))
		return false;
	sign = *t->p++ == '-' ? -1 : 1;
	if (!number(t, 2, 2, &hours) || hours > 25)
		return false;
	if (t->p < t->end && *t->p == ':')
		t->p++;
	if (t->p < t->end && !number(t, 2, 2, &minutes))
		return false;
	w->offset_minutes = sign * (hours * 60 + minutes);
	return minutes < 60;
}

/* "Nov", "November". */
static bool
month_name(struct text *t, int *month)
{
	static const char *const names[12] = { "january", "february", "march", "april", "may",
		"june", "july", "august", "september", "october", "november", "december" };

	for (int i = 0; i < 12; i++) {
		if (!literal(t, names[i], 3))
			continue;
		(void)literal(t, names[i] + 3, strlen(names[i] + 3));
		*month = i + 1;
		return !letter(t);
	}
	return false;
}

static bool
half_of_day(struct text *t, struct when *w)
{
	static const char am[] = "上午", pm[] = "下午";

	w->am = literal(t, "AM", 2) || literal(t, am, sizeof(am) - 1);
	w->pm = !w->am && (literal(t, "PM", 2) || literal(t, pm, sizeof(pm) - 1));
	return w->am || w->pm;
}

/* Since 1970, in units of so many ms; seconds may have a fraction. */
static bool
unix_time(struct text *t, struct when *w, int64_t unit, bool with_fraction)
{
	const bool negative = literal(t, "-", 1);
	int64_t v = 0;
	unsigned n = 0;
	int ms = 0;

	for (; n < 15 && t->p < t->end && *t->p >= '0' && *t->p <= '9'; n++)
		v = v * 10 + (*t->p++ - '0');
	if (n == 0)
		return false;
	if (with_fraction && literal(t, ".", 1) && !fraction(t, &ms))
		return false;
	w->absolute = true;
	w->unix_ms = (v * unit + ms) * (negative ? -1 : 1);
	return true;
}

/* ---- formats ---- */

/* Year, month, day and so on, each by its letter.  False: the text is none of it. */
static bool
directive(struct text *t, char which, struct when *w)
{
	struct bl_civil *c = &w->c;
	int v;

	switch (which) {
	case 'Y':
		return w->year = number(t, 4, 4, &c->year);
	case 'y':
		w->year = number(t, 2, 2, &v);
		c->year = v < 69 ? 2000 + v : 1900 + v;
		return w->year;
	case 'm':
		return w->month = number(t, 1, 2, &c->month);
	case 'b':
	case 'B':
		return w->month = month_name(t, &c->month);
	case 'e':
		spaces(t);
		/* fall through */
	case 'd':
		return w->day = number(t, 1, 2, &c->day);
	case 'H':
	case 'I':
		return w->hour = number(t, 1, 2, &c->hour);
	case 'M':
		return number(t, 1, 2, &c->minute);
	case 'S':
		return number(t, 1, 2, &c->second);
	case 'f':
		return fraction(t, &c->ms);
	case 'p':
		return half_of_day(t, w);
	case 'z':
		return offset(t, w);
	case 's':
		return unix_time(t, w, 1000, false);
	case 'a':
	case 'A':
		letters(t);
		return true;
	default:
		return literal(t, "%", 1);
	}
}

static bool by_format(struct text *t, const char *format, struct when *w);

static bool
item(struct text *t, char which, struct when *w)
{
	if (which == 'F')
		return by_format(t, "%Y-%m-%d", w);
	if (which == 'T')
		return by_format(t, "%H:%M:%S", w);
	return directive(t, which, w);
}

static bool
by_format(struct text *t, const char *format, struct when *w)
{
	for (; *format != '\0'; format++) {
		if (*format == '%') {
			if (!item(t, *++format, w))
				return false;
		} else if (*format == ' ') {
			spaces(t);
		} else if (t->p == t->end || *t->p++ != *format) {
			return false;
		}
	}
	return true;
}

/* "2026-11-28", "2026-11-28T14:03", "2026-11-28 14:03:07.25+08:00". */
static bool
iso(struct text *t, struct when *w)
{
	if (!by_format(t, "%F", w))
		return false;
	if (t->p == t->end)
		return true;
	if (!literal(t, "T", 1) && !literal(t, " ", 1))
		return false;
	if (!by_format(t, "%H:%M", w))
		return false;
	if (literal(t, ":", 1)) {
		if (!directive(t, 'S', w))
			return false;
		if ((literal(t, ".", 1) || literal(t, ",", 1)) && !fraction(t, &w->c.ms))
			return false;
	}
	(void)literal(t, " ", 1);
	return t->p == t->end || offset(t, w);
}

static bool
read_text(struct text *t, const char *format, struct when *w)
{
	if (strcmp(format, "iso") == 0)
		return iso(t, w);
	if (strcmp(format, "unix") == 0)
		return unix_time(t, w, 1000, true);
	if (strcmp(format, "unix_ms") == 0)
		return unix_time(t, w, 1, false);
	return by_format(t, format, w);
}

/* ---- from what was read to an instant ---- */

static bool
to_instant(const struct when *w, const struct bl_tz *tz, int64_t *out)
{
	struct bl_tz *utc;

	if (!bl_tz_civil_valid(&w->c))
		return false;
	if (!w->offset) {
		*out = bl_tz_unix_ms(tz, &w->c);
		return true;
	}
	if ((utc = bl_tz_utc()) == NULL)
		return false;
	*out = bl_tz_unix_ms(utc, &w->c) - w->offset_minutes * 60000ll;
	bl_tz_free(utc);
	return true;
}

static void
nearer(const struct when *w, const struct bl_tz *tz, int64_t now, bool *found, int64_t *best)
{
	int64_t at;

	if (!to_instant(w, tz, &at))
		return;
	if (!*found || llabs(at - now) < llabs(*best - now))
		*best = at;
	*found = true;
}

/* Without a year, or without a date: what is nearest to now. */
static bool
guess_date(struct when *w, const struct bl_tz *tz, int64_t now, int64_t *out)
{
	struct bl_civil c;
	bool found = false;

	for (int i = -1; i <= 1; i++) {
		bl_tz_civil(tz, w->day ? now : now + i * DAY_MS, &c);
		w->c.year = w->day ? c.year + i : c.year;
		if (!w->day) {
			w->c.month = c.month;
			w->c.day = c.day;
		}
		nearer(w, tz, now, &found, out);
	}
	return found;
}

bool
rowmap_time_parse(struct bl_str text, const char *format, const struct bl_tz *tz,
    int64_t now_unix_ms, int64_t *unix_ms)
{
	struct text t = { text.p, text.p + text.len };
	struct when w = { 0 };

	if (!read_text(&t, format != NULL ? format : "iso", &w) || t.p != t.end)
		return false;
	if (w.absolute) {
		*unix_ms = w.unix_ms + w.c.ms;
		return true;
	}
	if (w.am || w.pm) {
		if (w.c.hour < 1 || w.c.hour > 12)
			return false;
		w.c.hour = w.c.hour % 12 + (w.pm ? 12 : 0);
	}
	return w.year && w.day ? to_instant(&w, tz, unix_ms)
			       : guess_date(&w, tz, now_unix_ms, unix_ms);
}

/* ---- checking a format ---- */

const char *
rowmap_time_check(const char *format)
{
	static const char known[] = "YymbBdeHIMSfpzsaAFT%";
	bool has[128] = { false };

	if (strcmp(format, "iso") == 0 || strcmp(format, "unix") == 0 ||
	    strcmp(format, "unix_ms") == 0)
		return NULL;
	for (const char *at = strchr(format, '%'); at != NULL; at = strchr(at + 1, '%')) {
		if (*++at == '\0' || strchr(known, *at) == NULL)
			return "only %Y %y %m %b %d %e %H %I %M %S %f %p %z %s %a %F %T and %% "
			       "behind a percent sign";
		has[(unsigned char)*at] = true;
	}
	if (has['s'])
		return NULL;
	has['d'] = has['d'] || has['e'] || has['F'];
	has['m'] = has['m'] || has['b'] || has['B'] || has['F'];
	has['Y'] = has['Y'] || has['y'] || has['F'];
	if (has['d'] != has['m'] || (has['Y'] && !has['d']))
		return "iso, unix, unix_ms, or a format with day and month, as in "
		       "\"%d.%m.%Y %H:%M:%S\"";
	if (has['I'] != has['p'])
		return "%I together with %p (AM, PM)";
	if (!has['d'] && !has['H'] && !has['I'] && !has['T'])
		return "iso, unix, unix_ms, or a format with % in it, as in \"%d.%m.%Y %H:%M:%S\"";
	return NULL;
}
