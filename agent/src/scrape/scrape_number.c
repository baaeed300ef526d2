/*
 * Numbers as exporters write them.  Pure.
 *
 * Most have few digits: a whole number below 2^53 times or over a power of ten up
 * to 10^22 is exact in one operation (Clinger, PLDI 1990), which is what strtod
 * would give and a fifth of its time.  The others are strtod's.
 */
#include "scrape_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TEXT_MAX  63u
#define EXACT_MAX (1ull << 53)
#define POWER_MAX 22

static const double power[POWER_MAX + 1] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10,
	1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ---- the fast way ---- */

/* Takes digits into *n; false: too many for an exact number. */
static bool
digits(const char **p, const char *end, uint64_t *n)
{
	const char *q = *p;

	for (; q < end && is_digit(*q); q++) {
		if (*n >= EXACT_MAX / 10)
			return false;
		*n = *n * 10 + (uint64_t)(*q - '0');
	}
	*p = q;
	return true;
}

/* "e+09"; false: none, or beyond a few digits. */
static bool
exponent(const char *p, const char *end, int *out)
{
	const bool minus = p < end && *p == '-';
	int n = 0;

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	if (p == end || end - p > 3)
		return false;
	for (; p < end; p++) {
		if (!is_digit(*p))
			return false;
		n = n * 10 + (*p - '0');
	}
	*out = minus ? -n : n;
	return true;
}

static bool
quick(const char *p, size_t len, double *out)
{
	const char *end = p + len, *begin, *point = NULL;
	const bool minus = len > 0 && *p == '-';
	uint64_t n = 0;
	int e = 0;
	double v;

	p += len > 0 && (*p == '-' || *p == '+') ? 1 : 0;
	begin = p;
	if (!digits(&p, end, &n))
		return false;
	if (p < end && *p == '.') {
		point = ++p;
		if (!digits(&p, end, &n))
			return false;
	}
	if (p - begin == (point != NULL ? 1 : 0))
		return false;
	if (p < end && ((*p | 0x20) != 'e' || !exponent(p + 1, end, &e)))
		return false;
	if (point != NULL) {
		const char *last = point;

		while (last < end && is_digit(*last))
			last++;
		e -= (int)(last - point);
	}
	if (e < -POWER_MAX || e > POWER_MAX)
		return false;
	v = e < 0 ? (double)n / power[-e] : (double)n * power[e];
	*out = minus ? -v : v;
	return true;
}

/* ---- the others ---- */

static bool
is_word(const char *text, const char *word, double value, double *out)
{
	const bool minus = *text == '-';

	if (strcasecmp(text + (minus || *text == '+' ? 1 : 0), word) != 0)
		return false;
	*out = minus ? -value : value;
	return true;
}

/* strtod takes more than is written here: leading blanks, "nan(...)". */
static bool
looks_like_one(const char *p)
{
	p += *p == '-' || *p == '+' ? 1 : 0;
	return is_digit(*p) || (*p == '.' && is_digit(p[1]));
}

bool
scrape_number(const char *p, size_t len, double *out)
{
	char text[TEXT_MAX + 1], *end;

	if (len == 0 || len > TEXT_MAX)
		return false;
	if (quick(p, len, out))
		return true;
	memcpy(text, p, len);
	text[len] = '\0';
	if (is_word(text, "nan", (double)NAN, out) || is_word(text, "inf", (double)INFINITY, out) ||
	    is_word(text, "infinity", (double)INFINITY, out))
		return true;
	if (!looks_like_one(text))
		return false;
	*out = strtod(text, &end);
	return *end == '\0' && end == text + len;
}
