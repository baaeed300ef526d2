/*
 * The footer of a TZif file: a POSIX TZ string, with times of day from -167 to
 * 167 hours (RFC 9636, section 3.3.1).  "<+03>-3", "CET-1CEST,M3.5.0,M10.5.0/3".
 *
 * A second time without rules is refused: POSIX leaves them to the system, and
 * zic never writes it.
 */
#include "tz_internal.h"

#include <string.h>

struct text {
	const char *p, *end;
};

static char
peek(const struct text *t)
{
	return t->p < t->end ? *t->p : '\0';
}

static bool
skip(struct text *t, char c)
{
	if (peek(t) != c || t->p == t->end)
		return false;
	t->p++;
	return true;
}

static bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A whole number of at most three digits within [least, most]. */
static bool
number(struct text *t, int least, int most, int *out)
{
	int v = 0, digits = 0;

	while (is_digit(peek(t)) && digits < 4) {
		v = v * 10 + (*t->p++ - '0');
		digits++;
	}
	*out = v;
	return digits > 0 && digits < 4 && v >= least && v <= most;
}

/* "CET", or "<+0330>" with signs and digits; three characters at least. */
static bool
name(struct text *t, char out[TZ_ABBR_MAX + 1])
{
	const bool quoted = skip(t, '<');
	const char *begin = t->p;
	size_t len;

	while (is_alpha(peek(t)) ||
	       (quoted && (is_digit(peek(t)) || peek(t) == '+' || peek(t) == '-')))
		t->p++;
	len = (size_t)(t->p - begin);
	if (len < 3 || (quoted && !skip(t, '>')))
		return false;
	len = len < TZ_ABBR_MAX ? len : TZ_ABBR_MAX;
	memcpy(out, begin, len);
	out[len] = '\0';
	return true;
}

/* [+-]h[h[h]][:mm[:ss]] */
static bool
clock_time(struct text *t, int most_hours, int32_t *out_s)
{
	const bool minus = skip(t, '-');
	int h, m = 0, s = 0;

	if (!minus)
		(void)skip(t, '+');
	if (!number(t, 0, most_hours, &h))
		return false;
	if (skip(t, ':')) {
		if (!number(t, 0, 59, &m))
			return false;
		if (skip(t, ':') && !number(t, 0, 59, &s))
			return false;
	}
	*out_s = (h * 60 + m) * 60 + s;
	if (minus)
		*out_s = -*out_s;
	return true;
}

/* In the string west is positive. */
static bool
offset(struct text *t, int32_t *out_s)
{
	if (!clock_time(t, 24, out_s))
		return false;
	*out_s = -*out_s;
	return *out_s >= TZ_OFFSET_MIN && *out_s <= TZ_OFFSET_MAX;
}

static bool
rule_day(struct text *t, struct tz_rule *r)
{
	if (skip(t, 'M')) {
		r->kind = TZ_RULE_MONTH;
		return number(t, 1, 12, &r->month) && skip(t, '.') && number(t, 1, 5, &r->week) &&
		       skip(t, '.') && number(t, 0, 6, &r->day);
	}
	if (skip(t, 'J')) {
		r->kind = TZ_RULE_JULIAN;
		return number(t, 1, 365, &r->day);
	}
	r->kind = TZ_RULE_DAY;
	return number(t, 0, 365, &r->day);
}

static bool
rule(struct text *t, struct tz_rule *r)
{
	r->time_s = 2 * 3600;
	return skip(t, ',') && rule_day(t, r) && (!skip(t, '/') || clock_time(t, 167, &r->time_s));
}

bool
bl_tz_parse_footer(struct tz_footer *f, const char *text, size_t len)
{
	struct text t = { text, text + len };

	*f = (struct tz_footer){ .present = true };
	if (!name(&t, f->std.abbr) || !offset(&t, &f->std.offset_s))
		return false;
	if (t.p == t.end)
		return true;
	f->has_dst = true;
	if (!name(&t, f->dst.abbr))
		return false;
	f->dst.offset_s = f->std.offset_s + 3600;
	if (peek(&t) != ',' && !offset(&t, &f->dst.offset_s))
		return false;
	return f->dst.offset_s <= TZ_OFFSET_MAX && rule(&t, &f->begin) && rule(&t, &f->end) &&
	       t.p == t.end;
}

static bool
leap_year(int64_t y)
{
	return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

/* The rule's day in that year, in days since 1970. */
static int64_t
rule_date(const struct tz_rule *r, int64_t year)
{
	const int64_t january = bl_tz_days(year, 1, 1);
	int64_t first, next;

	switch (r->kind) {
	case TZ_RULE_JULIAN: /* the 29th of February is never counted */
		return january + r->day - 1 + (r->day >= 60 && leap_year(year));
	case TZ_RULE_DAY:
		return january + r->day;
	case TZ_RULE_MONTH:
		break;
	}
	first = bl_tz_days(year, r->month, 1);
	next = r->month < 12 ? bl_tz_days(year, r->month + 1, 1) : bl_tz_days(year + 1, 1, 1);
	/* 1970-01-01 was a Thursday (4). */
	first += (r->day - (first + 4) % 7 + 14) % 7;
	first += 7 * (r->week - 1);
	return first < next ? first : first - 7; /* week 5: the last one */
}

/* When that year's rule strikes; before_s: the offset in force until then. */
static int64_t
rule_time(const struct tz_rule *r, int64_t year, int32_t before_s)
{
	return rule_date(r, year) * TZ_DAY_S + r->time_s - before_s;
}

struct tz_piece
bl_tz_footer_piece(const struct tz_footer *f, int64_t at_s)
{
	struct tz_piece piece = { &f->std, INT64_MAX };
	int64_t year;
	int month, day;

	if (!f->has_dst)
		return piece;
	bl_tz_date(tz_floor_div(at_s + f->std.offset_s, TZ_DAY_S), &year, &month, &day);
	/*
	 * The second time holds from its begin to the next end, which in the
	 * south lies in the next year.  Neighbouring years, because a rule may
	 * reach days over its own.  Stretches that touch (a second time that holds
	 * all year) are one.
	 */
	for (int64_t y = year - 2; y <= year + 2; y++) {
		const int64_t begin = rule_time(&f->begin, y, f->std.offset_s);
		int64_t end = rule_time(&f->end, y, f->dst.offset_s);

		if (end <= begin)
			end = rule_time(&f->end, y + 1, f->dst.offset_s);
		if (at_s < begin) {
			if (piece.type == &f->std)
				piece.until_s = begin;
			break;
		}
		if (at_s < end) {
			piece.type = &f->dst;
			piece.until_s = end;
			break;
		}
	}
	return piece;
}
