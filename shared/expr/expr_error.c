/*
 * One mistake for people: where it is in characters, what was expected there,
 * what stands there.  The first one counts.
 */
#include "expr_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_BYTES 40u

/* Takes half a character away from the end of a text that was cut. */
static void
mend_end(char *s)
{
	size_t n = strlen(s), start = n;
	uint32_t cp;

	while (start > 0 && n - start < 4 && (s[start - 1] & 0xc0) == 0x80)
		start--;
	if (start > 0 && (unsigned char)s[start - 1] >= 0xc0 &&
	    expr_utf8(s + start - 1, n - start + 1, &cp) != n - start + 1)
		s[start - 1] = '\0';
}

bool
expr_fail(struct expr_compile *c, struct expr_span at, const char *expected, const char *got)
{
	struct bl_expr_error *e = &c->error;

	if (c->failed)
		return false;
	c->failed = true;
	memset(e, 0, sizeof(*e));
	e->at_byte = at.at;
	e->len_bytes = at.len;
	e->column = (unsigned)expr_chars(c->text, at.at) + 1;
	(void)snprintf(e->expected, sizeof(e->expected), "%s", expected);
	mend_end(e->expected);
	(void)snprintf(e->got, sizeof(e->got), "%s", got);
	mend_end(e->got);
	(void)snprintf(e->what, sizeof(e->what), "expected %s, got %s", e->expected, e->got);
	return false;
}

bool
expr_fail_source(struct expr_compile *c, struct expr_span at, const char *expected)
{
	char shown[SHOWN_BYTES + 1], got[SHOWN_BYTES + 8];
	const size_t n = at.len < SHOWN_BYTES ? at.len : SHOWN_BYTES;

	if (at.len == 0)
		return expr_fail(c, at, expected, at.at == 0 ? "nothing" : "the end");
	(void)snprintf(shown, sizeof(shown), "%.*s", (int)n, c->text + at.at);
	mend_end(shown);
	(void)snprintf(got, sizeof(got), "\"%s%s\"", shown, n < at.len ? "..." : "");
	return expr_fail(c, at, expected, got);
}

void
expr_suggest(struct expr_compile *c, const char *fmt, ...)
{
	char *s = c->error.suggestion;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s, sizeof(c->error.suggestion), fmt, ap);
	va_end(ap);
	/* Half a proposal is none. */
	if (n < 0 || (size_t)n >= sizeof(c->error.suggestion))
		s[0] = '\0';
}

const char *
expr_type_name(unsigned type)
{
	static const char *const names[] = { "null", "true or false", "a number", "text", "a time",
		"a duration", "a value" };

	return type < sizeof(names) / sizeof(names[0]) ? names[type] : "a value";
}
