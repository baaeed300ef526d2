/*
 * Numbers, durations and texts, from the character at c->pos on.
 *
 * A number is decimal with a point; exact whatever the locale.  A duration is
 * numbers with units glued to them, larger ones first: 1h30min.  A text is one
 * line between quotes with \" \' \\ \n \t inside.
 */
#include "expr_internal.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 48u
/* 100,000 years: beyond it is a slip, and sums of many stay far from overflow. */
#define DURATION_MAX_MS 3.2e15

static const struct {
	const char *unit;
	double ms;
} units[] = {
	{ "ms", 1 }, { "s", 1e3 }, { "min", 6e4 }, { "h", 36e5 }, { "d", 864e5 },
	{ "\xe6\xaf\xab\xe7\xa7\x92", 1 },    /* 毫秒 */
	{ "\xe7\xa7\x92", 1e3 },              /* 秒 */
	{ "\xe5\x88\x86\xe9\x92\x9f", 6e4 },  /* 分钟 */
	{ "\xe5\xb0\x8f\xe6\x97\xb6", 36e5 }, /* 小时 */
	{ "\xe5\xa4\xa9", 864e5 },            /* 天 */
};

static size_t
peek(const struct expr_compile *c, uint32_t *cp)
{
	const size_t n = c->pos >= c->len ? 0 : expr_utf8(c->text + c->pos, c->len - c->pos, cp);

	if (n == 0)
		*cp = 0;
	return n;
}

static struct expr_span
span_from(const struct expr_compile *c, size_t at)
{
	return (struct expr_span){ .at = (uint16_t)at, .len = (uint16_t)(c->pos - at) };
}

struct digits {
	char s[DIGITS_MAX + 1];
	size_t n;
	bool full;
};

static void
keep(struct digits *d, uint32_t cp)
{
	if (d->n < DIGITS_MAX)
		d->s[d->n++] = (char)cp;
	else
		d->full = true;
}

/* A run of digits, ASCII or full-width.  False: none. */
static bool
digits(struct expr_compile *c, struct digits *d)
{
	bool any = false;
	uint32_t cp;
	size_t n;

	while ((n = peek(c, &cp)) != 0 && (cp = expr_plain(cp)) >= '0' && cp <= '9') {
		keep(d, cp);
		c->pos += n;
		any = true;
	}
	return any;
}

/* "e-3"; nothing when no digit follows: then it is a letter behind a number. */
static void
exponent(struct expr_compile *c, struct digits *d)
{
	const char *s = c->text + c->pos, *end = c->text + c->len;
	const size_t sign = end - s > 1 && (s[1] == '+' || s[1] == '-') ? 1 : 0;

	if (s == end || (*s != 'e' && *s != 'E') || (size_t)(end - s) < 2 + sign ||
	    s[1 + sign] < '0' || s[1 + sign] > '9')
		return;
	keep(d, 'e');
	if (sign == 1)
		keep(d, (unsigned char)s[1]);
	c->pos += 1 + sign;
	(void)digits(c, d);
}

/* strtod takes the point of the locale, which a program around us may have set. */
static double
to_double(struct digits *d)
{
	const char *point = localeconv()->decimal_point;
	char *dot;

	d->s[d->n] = '\0';
	if ((dot = strchr(d->s, '.')) != NULL && point[0] != '\0' && point[1] == '\0')
		*dot = point[0];
	return strtod(d->s, NULL);
}

static bool
lex_plain_number(struct expr_compile *c, double *out)
{
	const size_t begin = c->pos;
	struct digits d = { .n = 0 };
	uint32_t cp;
	size_t n;

	(void)digits(c, &d);
	n = peek(c, &cp);
	if (n != 0 && expr_plain(cp) == '.') {
		const size_t point = c->pos;

		c->pos += n;
		keep(&d, '.');
		if (!digits(c, &d)) {
			(void)expr_fail_source(c, span_from(c, begin), "a digit after the point");
			expr_suggest(c, "%.*s", (int)(point - begin), c->text + begin);
			return false;
		}
	}
	exponent(c, &d);
	if (d.full)
		return expr_fail_source(
		    c, span_from(c, begin), "a number of at most 48 characters");
	*out = to_double(&d);
	if (!(fabs(*out) <= DBL_MAX))
		return expr_fail_source(c, span_from(c, begin), "a number below 1.8e308");
	return true;
}

/* The letters at pos, which is where a unit would be. */
static struct expr_span
letters(const struct expr_compile *c)
{
	size_t at = c->pos;
	uint32_t cp;
	size_t n;

	/* 且 and 或 are operators also without a blank. */
	while (
	    at < c->len && (n = expr_utf8(c->text + at, c->len - at, &cp)) != 0 &&
	    expr_is_letter(cp) && cp != 0x4e14 && cp != 0x6216 &&
	    !(cp == 0x5e76 && at + 5 < c->len && memcmp(c->text + at + 3, "\xe4\xb8\x94", 3) == 0))
		at += n;
	return (struct expr_span){ (uint16_t)c->pos, (uint16_t)(at - c->pos) };
}

static double
unit_ms(const char *s, size_t len)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (expr_word_is(s, len, units[i].unit))
			return units[i].ms;
	return 0;
}

/* "2nd": a name after all, or a number with something behind it. */
static bool
no_unit(struct expr_compile *c, size_t begin, double number, struct expr_span word)
{
	struct expr_span whole;
	uint32_t cp;
	size_t n;

	c->pos = (size_t)word.at + word.len;
	while ((n = peek(c, &cp)) != 0 && expr_is_name_char(cp))
		c->pos += n;
	whole = span_from(c, begin);
	(void)expr_fail_source(c, whole, "a number, with ms, s, min, h or d for a duration");
	if (!expr_slip_unit(c, number, c->text + word.at, word.len))
		expr_slip_name(c, whole, false);
	return false;
}

static bool
duration(struct expr_compile *c, size_t begin, double number)
{
	double last = INFINITY, sum = 0;

	for (;;) {
		const struct expr_span word = letters(c);
		const double ms = unit_ms(c->text + word.at, word.len);
		uint32_t cp;

		if (ms == 0 && word.len == 0) {
			(void)expr_fail_source(c, span_from(c, begin), "a unit after each number");
			expr_suggest(c, "%.*smin", EXPR_SPAN(c, span_from(c, begin)));
			return false;
		}
		if (ms == 0)
			return no_unit(c, begin, number, word);
		c->pos += word.len;
		if (ms >= last)
			return expr_fail_source(
			    c, span_from(c, begin), "units from large to small, each once");
		last = ms;
		sum += number * ms;
		if (peek(c, &cp) == 0 || (cp = expr_plain(cp)) < '0' || cp > '9')
			break;
		if (!lex_plain_number(c, &number))
			return false;
	}
	c->tok.span = span_from(c, begin);
	if (!(sum <= DURATION_MAX_MS))
		return expr_fail_source(c, c->tok.span, "a duration below 100000 years");
	c->tok.kind = TOK_DURATION;
	c->tok.value = (struct expr_cell){ .type = BL_VALUE_DURATION, .ms = llround(sum) };
	return true;
}

bool
expr_lex_number(struct expr_compile *c)
{
	const size_t begin = c->pos;
	double number = 0;

	if (!lex_plain_number(c, &number))
		return false;
	if (letters(c).len > 0)
		return duration(c, begin, number);
	c->tok.kind = TOK_NUMBER;
	c->tok.span = span_from(c, begin);
	c->tok.value = (struct expr_cell){ .type = BL_VALUE_NUMBER, .number = number };
	return true;
}

/* ---- texts ---- */

static bool
unclosed(struct expr_compile *c, size_t begin, uint32_t quote)
{
	const struct expr_span whole = span_from(c, begin);
	uint32_t cp;
	size_t words = whole.len;

	(void)expr_fail(
	    c, whole, quote == '"' ? "a closing \"" : "a closing '", "the end of the line");
	while (words > 0 && c->text[begin + words - 1] == ' ')
		words--;
	/* Typed as ", closed by ”: it looks the same in many fonts. */
	if (words > 3 && expr_utf8(c->text + begin + words - 3, 3, &cp) == 3 &&
	    expr_plain(cp) == quote)
		words -= 3;
	expr_suggest(c, "%.*s%c", (int)words, c->text + begin, (char)quote);
	return false;
}

static bool
escape(struct expr_compile *c, char *out)
{
	static const char from[] = "\"'\\nt", to[] = "\"'\\\n\t";
	const char *found = c->pos + 1 < c->len && c->text[c->pos + 1] != '\0'
				? strchr(from, c->text[c->pos + 1])
				: NULL;

	if (found == NULL) {
		const struct expr_span at = { (uint16_t)c->pos, 1 };

		(void)expr_fail_source(c, at, "one of \\\\ \\\" \\' \\n \\t in a text");
		expr_suggest(c, "\\\\");
		return false;
	}
	*out = to[found - from];
	c->pos += 2;
	return true;
}

bool
expr_lex_text(struct expr_compile *c)
{
	const size_t begin = c->pos, pool_begin = c->pool_len;
	uint32_t open, cp, quote;
	size_t n = peek(c, &open);

	quote = expr_plain(open);
	c->pos += n;
	for (;;) {
		n = peek(c, &cp);
		if (n == 0 || cp == '\n' || cp == '\r')
			return unclosed(c, begin, quote);
		/* A curly quote is closed by a curly one of either direction. */
		if ((open == quote && cp == quote) ||
		    (open != quote && cp != quote && expr_plain(cp) == quote))
			break;
		if (cp == '\\') {
			if (!escape(c, &c->pool[c->pool_len]))
				return false;
			c->pool_len++;
			continue;
		}
		if ((cp < 0x20 && cp != '\t') || cp == 0x7f) {
			const struct expr_span at = { (uint16_t)c->pos, 1 };

			return expr_fail(c, at, "text", "a control character");
		}
		memcpy(c->pool + c->pool_len, c->text + c->pos, n);
		c->pool_len += n;
		c->pos += n;
	}
	c->pos += n;
	c->tok.kind = TOK_TEXT;
	c->tok.span = span_from(c, begin);
	c->tok.value = (struct expr_cell){
		.type = BL_VALUE_TEXT, .text = c->pool + pool_begin, .len = c->pool_len - pool_begin
	};
	return true;
}

enum expr_tok
expr_lex_what(const char *s, size_t len)
{
	struct expr_compile c = { .text = s, .len = len };

	if (len == 0 || len > DIGITS_MAX || s[0] < '0' || s[0] > '9' || !expr_lex_number(&c) ||
	    c.pos != len)
		return TOK_END;
	return c.tok.kind;
}
