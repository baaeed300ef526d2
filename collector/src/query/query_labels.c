/* Labels: canonical JSON of the store, and the pairs of a question.  Pure. */
#include <string.h>

#include "query_internal.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * One text of the store's own JSON (escapes are \" \\ and \u00XX of control characters),
 * after its opening quote.  Returns what stands behind the closing one, NULL: malformed.
 */
static const char *
take_text(const char *p, char *out, size_t size)
{
	size_t n = 0;

	while (*p != '"') {
		char c = *p++;

		if (c == '\0')
			return NULL;
		if (c == '\\' && p[0] == 'u') {
			if (p[1] != '0' || p[2] != '0' || hex_digit(p[3]) < 0 ||
			    hex_digit(p[4]) < 0)
				return NULL;
			c = (char)(hex_digit(p[3]) << 4 | hex_digit(p[4]));
			p += 5;
		} else if (c == '\\') {
			if ((c = *p++) == '\0')
				return NULL;
		}
		if (n + 1 < size)
			out[n++] = c;
	}
	out[n] = '\0';
	return p + 1;
}

void
query_labels_each(const char *labels_json, query_label_cb cb, void *ctx)
{
	char key[BL_NAME_MAX + 1], value[BL_LABEL_VALUE_MAX + 1];
	const char *p = labels_json;

	if (p == NULL || *p++ != '{')
		return;
	while (*p == '"') {
		if ((p = take_text(p + 1, key, sizeof(key))) == NULL || *p++ != ':' ||
		    *p++ != '"' || (p = take_text(p, value, sizeof(value))) == NULL)
			return;
		if (!cb(ctx, key, value) || *p++ != ',')
			return;
	}
}

struct looked_for {
	const char *key;
	char *out;
	size_t size;
	bool found;
};

static bool
look(void *ctx, const char *key, const char *value)
{
	struct looked_for *l = ctx;
	size_t n;

	if (strcmp(key, l->key) != 0)
		return true;
	n = strlen(value) < l->size ? strlen(value) : l->size - 1;
	memcpy(l->out, value, n);
	l->out[n] = '\0';
	l->found = true;
	return false;
}

bool
query_label(const char *labels_json, const char *key, char *out, size_t size)
{
	struct looked_for l = { key, out, size, false };

	query_labels_each(labels_json, look, &l);
	return l.found;
}

/* Cuts the text at p off at its end, escapes taken out; *end: what ended it. */
static char *
cut(char *p, char *end, bool equals_ends)
{
	char *to = p;

	while (*p != '\0' && *p != ',' && !(equals_ends && *p == '=')) {
		if (*p == '\\' && *++p == '\0')
			return NULL;
		*to++ = *p++;
	}
	*end = *p;
	if (*p != '\0')
		p++;
	*to = '\0';
	return p;
}

bool
query_pairs_parse(char *text, struct query_pair *out, size_t *n)
{
	char end = ',';

	*n = 0;
	while (end == ',') {
		struct query_pair *pair = &out[*n];

		if (*n == QUERY_PAIRS_MAX)
			return false;
		pair->key = text;
		if ((text = cut(text, &end, true)) == NULL || end != '=' || pair->key[0] == '\0')
			return false;
		pair->value = text;
		if ((text = cut(text, &end, false)) == NULL)
			return false;
		++*n;
	}
	return true;
}
