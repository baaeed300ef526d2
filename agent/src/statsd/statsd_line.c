/* Lines of StatsD; see the header.  No state, no I/O. */
#include "statsd_line.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 64u  /* characters */
#define RATE_MIN   1e-9 /* one of a thousand million: nobody means less */
#define FAST_MAX   18u  /* digits that fit into 64 bits */

bool
statsd_split(struct bl_str *rest, char sep, struct bl_str *piece)
{
	const char *at;

	if (rest->p == NULL)
		return false;
	at = rest->len > 0 ? memchr(rest->p, sep, rest->len) : NULL;
	*piece = (struct bl_str){ rest->p, at != NULL ? (size_t)(at - rest->p) : rest->len };
	if (at == NULL)
		*rest = (struct bl_str){ NULL, 0 };
	else
		*rest = (struct bl_str){ at + 1, rest->len - piece->len - 1 };
	return true;
}

/* Exponents, and more digits than are quick. */
static bool
slow_number(const char *p, size_t len, double *out)
{
	char text[NUMBER_MAX + 1], *end;

	if (len > NUMBER_MAX)
		return false;
	memcpy(text, p, len);
	text[len] = '\0';
	if (text[strspn(text, "0123456789+-.eE")] != '\0') /* no hexadecimal, no "inf" */
		return false;
	*out = strtod(text, &end);
	return *end == '\0' && end != text && isfinite(*out);
}

bool
statsd_number(const char *p, size_t len, double *out)
{
	/* Both are exact in a double up to there, so one division rounds as strtod does. */
	static const double power[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
		1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18 };
	const size_t sign = len > 0 && (p[0] == '-' || p[0] == '+');
	uint64_t n = 0;
	unsigned digits = 0, places = 0;
	bool point = false;

	for (size_t i = sign; i < len; i++) {
		const unsigned d = (unsigned)(unsigned char)p[i] - '0';

		if (p[i] == '.' && !point) {
			point = true;
			continue;
		}
		if (d > 9 || ++digits > FAST_MAX)
			return slow_number(p, len, out);
		n = n * 10 + d;
		places += point;
	}
	if (digits == 0)
		return false;
	if (n > UINT64_C(1) << 53)
		return slow_number(p, len, out);
	*out = places > 0 ? (double)n / power[places] : (double)n;
	if (sign && p[0] == '-')
		*out = -*out;
	return true;
}

static bool
kind_of(struct bl_str type, enum statsd_kind *out)
{
	if (type.len == 2 && memcmp(type.p, "ms", 2) == 0) {
		*out = STATSD_TIMER;
		return true;
	}
	if (type.len != 1)
		return false;
	switch (type.p[0]) {
	case 'c':
		*out = STATSD_COUNTER;
		return true;
	case 'g':
		*out = STATSD_GAUGE;
		return true;
	case 'h':
	case 'd':
		*out = STATSD_HISTOGRAM;
		return true;
	case 's':
		*out = STATSD_SET;
		return true;
	default:
		return false;
	}
}

/* Of values that are not aggregated: whole seconds since 1970. */
static const char *
read_time(struct bl_str text, struct statsd_line *out)
{
	double s;

	if (text.len > 12 || !statsd_number(text.p, text.len, &s) || s < 1 || s > 1e12 ||
	    s != floor(s))
		return "whole seconds since 1970 behind the T";
	if (out->kind != STATSD_COUNTER && out->kind != STATSD_GAUGE)
		return "a time (T) on counts and gauges alone";
	out->at_unix_ms = (int64_t)s * 1000;
	return NULL;
}

const char *
statsd_line_parse(const char *p, size_t len, struct statsd_line *out)
{
	const char *colon = len > 0 ? memchr(p, ':', len) : NULL;
	const char *wrong = NULL;
	struct bl_str rest, piece;

	if (colon == NULL || colon == p)
		return "NAME:VALUE|TYPE, with a name before the colon";
	*out = (struct statsd_line){ .name = { p, (size_t)(colon - p) }, .rate = 1 };
	rest = (struct bl_str){ colon + 1, len - out->name.len - 1 };
	(void)statsd_split(&rest, '|', &out->values);
	if (out->values.len == 0)
		return "a value behind the colon";
	if (!statsd_split(&rest, '|', &piece) || !kind_of(piece, &out->kind))
		return "one of the types c, g, ms, h, d, s behind the value";
	while (statsd_split(&rest, '|', &piece)) {
		if (piece.len == 0)
			continue;
		if (piece.p[0] == '#')
			out->tags = (struct bl_str){ piece.p + 1, piece.len - 1 };
		else if (piece.p[0] == '@' &&
			 (!statsd_number(piece.p + 1, piece.len - 1, &out->rate) ||
			     out->rate < RATE_MIN || out->rate > 1))
			return "a sample rate above 0 and at most 1 behind the @";
		else if (piece.p[0] == 'T' &&
			 (wrong = read_time((struct bl_str){ piece.p + 1, piece.len - 1 }, out)) !=
			     NULL)
			return wrong;
	}
	return NULL;
}
