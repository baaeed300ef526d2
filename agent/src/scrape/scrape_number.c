/* Numbers as exporters write them: what strtod reads, less what it reads beside numbers.  Pure. */
#include "scrape_internal.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 63u

/* strtod takes leading blanks, too, and "nan(...)". */
static bool
begins_as_one(const char *text)
{
	const char c = text[*text == '-' || *text == '+' ? 1 : 0];

	return (c >= '0' && c <= '9') || (c != '\0' && strchr(".nNiI", c) != NULL);
}

bool
scrape_number(const char *p, size_t len, double *out)
{
	char text[TEXT_MAX + 1], *end;

	if (len == 0 || len > TEXT_MAX)
		return false;
	memcpy(text, p, len);
	text[len] = '\0';
	if (!begins_as_one(text) || strchr(text, '(') != NULL)
		return false;
	*out = strtod(text, &end); /* no locale is ever set here */
	return end == text + len;
}
