/* Accept of a request for /metrics: OpenMetrics, or the text format that everybody reads. */
#include "local_metrics.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What stands between two commas or semicolons. */
struct piece {
	const char *p;
	size_t len;
};

/* The next piece of s up to one of the ends (commas inside of quotes are none), without blanks. */
static bool
next(const char **s, const char *ends, struct piece *out)
{
	const char *p = *s, *q;
	bool quoted = false;

	if (*p == '\0')
		return false;
	for (q = p; *q != '\0' && (quoted || strchr(ends, *q) == NULL); q++)
		if (*q == '"')
			quoted = !quoted;
	*s = *q == '\0' || *q == ',' ? q : q + 1;
	while (p < q && (*p == ' ' || *p == '\t'))
		p++;
	while (q > p && (q[-1] == ' ' || q[-1] == '\t'))
		q--;
	*out = (struct piece){ p, (size_t)(q - p) };
	return true;
}

static bool
is(const struct piece *x, const char *text)
{
	return x->len == strlen(text) && strncasecmp(x->p, text, x->len) == 0;
}

/* 0..1000; what cannot be read is not wanted. */
static int
quality(const struct piece *x)
{
	char text[8] = "";
	char *end;
	double q;

	if (x->len < 3 || x->len >= sizeof(text) || strncasecmp(x->p, "q=", 2) != 0)
		return -1;
	memcpy(text, x->p + 2, x->len - 2);
	q = strtod(text, &end);
	return *end == '\0' && q >= 0 && q <= 1 ? (int)(q * 1000 + 0.5) : 0;
}

bool
local_metrics_open_wanted(const char *accept)
{
	int open = 0, text = 0;

	while (accept != NULL && *accept != '\0') {
		struct piece type, param;
		bool good = true;
		int q = 1000;

		if (*accept == ',')
			accept++;
		if (!next(&accept, ",;", &type))
			break;
		while (*accept != ',' && next(&accept, ",;", &param)) {
			if (param.len > 8 && strncasecmp(param.p, "version=", 8) == 0)
				good =
				    is(&param, "version=1.0.0") || is(&param, "version=\"1.0.0\"");
			else if (quality(&param) >= 0)
				q = quality(&param);
		}
		if (is(&type, "application/openmetrics-text") && good && q > open)
			open = q;
		else if ((is(&type, "text/plain") || is(&type, "text/*") || is(&type, "*/*")) &&
			 q > text)
			text = q;
	}
	return open > 0 && open >= text;
}
