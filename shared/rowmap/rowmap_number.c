/* Numbers as JSON writes them.  Pure. */
#include "rowmap_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX   64u
#define EXACT_DIGITS 15u /* a double keeps every whole number of so many */

static const char *
digits(const char *p)
{
	while (*p >= '0' && *p <= '9')
		p++;
	return p;
}

/* Behind the fraction and the exponent, each of which may not be there; NULL: they are wrong. */
static const char *
after_whole(const char *p)
{
	const char *from;

	if (*p == '.') {
		from = p + 1;
		if ((p = digits(from)) == from)
			return NULL;
	}
	if (*p == 'e' || *p == 'E') {
		p++;
		from = p += *p == '+' || *p == '-';
		if ((p = digits(from)) == from)
			return NULL;
	}
	return p;
}

bool
rowmap_number(struct bl_str s, double *out, bool *exact)
{
	char text[NUMBER_MAX + 1];
	const char *p = text, *first, *end;

	if (s.len == 0 || s.len > NUMBER_MAX)
		return false;
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	first = p += *p == '-';
	end = *p == '0' ? p + 1 : digits(p);
	if (end == first)
		return false;
	*exact = *end != '\0' || (size_t)(end - first) <= EXACT_DIGITS;
	if ((end = after_whole(end)) == NULL || end != text + s.len)
		return false;
	*out = strtod(text, NULL); /* no locale is ever set here */
	return isfinite(*out);
}
