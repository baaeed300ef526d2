/*
 * Reading numbers and words out of /proc text.
 *
 * Pure.  Written for text that may be cut anywhere, overlong or rubbish: a
 * number that does not fit is refused, not wrapped, and nothing is read at or
 * beyond `end`.  No locale, no sscanf: 1,200 numbers a tick have to cost
 * microseconds.
 */
#include "sample_internal.h"

#include <string.h>

#include "branchline/wire.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void
skip_blanks(struct sample_scan *s)
{
	while (s->p < s->end && is_blank(*s->p))
		s->p++;
}

static bool
ends_word(const struct sample_scan *s, const char *p)
{
	return p == s->end || is_blank(*p) || *p == '\n';
}

bool
sample_scan_u64(struct sample_scan *s, uint64_t *v)
{
	const char *p;
	uint64_t n = 0;

	skip_blanks(s);
	p = s->p;
	if (p == s->end || !is_digit(*p))
		return false;
	for (; p < s->end && is_digit(*p); p++) {
		const unsigned digit = (unsigned)(*p - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	if (!ends_word(s, p))
		return false;
	s->p = p;
	*v = n;
	return true;
}

bool
sample_scan_decimal(struct sample_scan *s, double *v)
{
	const char *p;
	uint64_t n = 0;
	uint64_t scale = 1;
	unsigned digits = 0;
	bool fraction = false;

	skip_blanks(s);
	for (p = s->p; p < s->end && (is_digit(*p) || (*p == '.' && !fraction)); p++) {
		if (*p == '.') {
			fraction = true;
			continue;
		}
		if (++digits > 15) /* beyond, the integer would not be exact in a double */
			return false;
		n = n * 10 + (unsigned)(*p - '0');
		if (fraction)
			scale *= 10;
	}
	if (digits == 0 || !ends_word(s, p))
		return false;
	s->p = p;
	/* Both are exact, so the one rounding gives the double nearest to the text. */
	*v = (double)n / (double)scale;
	return true;
}

bool
sample_scan_word(struct sample_scan *s, const char **word, size_t *len)
{
	skip_blanks(s);
	*word = s->p;
	while (!ends_word(s, s->p))
		s->p++;
	*len = (size_t)(s->p - *word);
	return *len > 0;
}

bool
sample_scan_line(struct sample_scan *s, struct sample_scan *line)
{
	const char *nl;

	if (s->p >= s->end)
		return false;
	nl = memchr(s->p, '\n', (size_t)(s->end - s->p));
	line->p = s->p;
	line->end = nl != NULL ? nl : s->end;
	s->p = nl != NULL ? nl + 1 : s->end;
	return true;
}

bool
sample_scan_skip(struct sample_scan *s, const char *text)
{
	const size_t len = strlen(text);

	if ((size_t)(s->end - s->p) < len || memcmp(s->p, text, len) != 0)
		return false;
	s->p += len;
	return true;
}

bool
sample_glob(const char *pattern, const char *name)
{
	const char *star = NULL; /* the last * seen, and where its run began */
	const char *from = NULL;

	while (*name != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			from = name;
		} else if (*pattern == '?' || *pattern == *name) {
			pattern++;
			name++;
		} else if (star != NULL) {
			pattern = star + 1;
			name = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

bool
sample_glob_any(const struct bl_conf_strlist *patterns, const char *name)
{
	for (size_t i = 0; i < patterns->n; i++)
		if (sample_glob(patterns->item[i], name))
			return true;
	return false;
}

bool
sample_label_valid(const char *text, size_t len)
{
	if (len == 0 || len > BL_LABEL_VALUE_MAX)
		return false;
	for (size_t i = 0; i < len;) {
		const unsigned char c = (unsigned char)text[i];
		const size_t n = bl_wire_utf8_step(text + i, len - i);

		if (n == 0 || c < 0x20 || c == 0x7f)
			return false;
		i += n;
	}
	return true;
}
