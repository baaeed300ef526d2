/*
 * What arrives in a request line and in some headers.  Pure.
 *
 * Strict where leniency lets two parsers disagree: a target must be in origin
 * form, escapes well formed, no NUL and no control character however written.
 */
#include "http_internal.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int
hex(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	if (ch >= 'a' && ch <= 'f')
		return ch - 'a' + 10;
	if (ch >= 'A' && ch <= 'F')
		return ch - 'A' + 10;
	return -1;
}

/* Decodes in place; '+' is a blank in a query only.  False: malformed or a control character. */
static bool
decode(char *text, bool plus_is_blank)
{
	char *to = text;

	for (const char *p = text; *p != '\0'; p++) {
		unsigned char ch = (unsigned char)*p;
		if (ch == '%') {
			const int hi = hex(p[1]);
			const int lo = hi < 0 ? -1 : hex(p[2]);
			if (lo < 0)
				return false;
			ch = (unsigned char)(hi << 4 | lo);
			p += 2;
		} else if (ch == '+' && plus_is_blank) {
			ch = ' ';
		}
		if (ch < 0x20 || ch == 0x7f)
			return false;
		*to++ = (char)ch;
	}
	*to = '\0';
	return true;
}

static bool
parse_params(struct http_request *q)
{
	char *rest = q->query, *pair, *value;

	while ((pair = strsep(&rest, "&")) != NULL) {
		if (*pair == '\0')
			continue;
		if (q->n_params == HTTP_PARAMS_MAX)
			return false;
		if ((value = strchr(pair, '=')) != NULL)
			*value++ = '\0';
		else
			value = pair + strlen(pair);
		if (!decode(pair, true) || !decode(value, true))
			return false;
		q->param[q->n_params++] = (struct http_param){ pair, value };
	}
	return true;
}

bool
http_parse_target(struct http_request *q, const char *target)
{
	const char *mark = strchr(target, '?');
	const size_t path_len = mark != NULL ? (size_t)(mark - target) : strlen(target);

	q->path[0] = q->query[0] = '\0';
	q->n_params = 0;
	if (target[0] != '/' || strlen(target) > HTTP_URI_MAX || strchr(target, '#') != NULL)
		return false;
	memcpy(q->path, target, path_len);
	q->path[path_len] = '\0';
	if (!decode(q->path, false))
		return false;
	if (mark == NULL)
		return true;
	(void)snprintf(q->query, sizeof(q->query), "%s", mark + 1);
	return parse_params(q);
}

bool
http_cookie(const char *header, const char *name, char *out, size_t size)
{
	const size_t name_len = strlen(name);

	out[0] = '\0';
	while (header != NULL && *header != '\0') {
		size_t len;
		header += strspn(header, " \t;");
		len = strcspn(header, ";");
		if (len > name_len && strncmp(header, name, name_len) == 0 &&
		    header[name_len] == '=') {
			const size_t n = len - name_len - 1;
			if (n == 0 || n >= size)
				return false;
			memcpy(out, header + name_len + 1, n);
			out[n] = '\0';
			return true;
		}
		header += len;
	}
	return false;
}

bool
http_accepts_coding(const char *header, const char *coding)
{
	const size_t coding_len = strlen(coding);

	while (header != NULL && *header != '\0') {
		size_t len, token;
		header += strspn(header, " \t,");
		len = strcspn(header, ",");
		token = strcspn(header, ",; \t");
		if (token == coding_len && strncasecmp(header, coding, coding_len) == 0) {
			const char *q = memmem(header, len, "q=", 2);
			/* q=0, q=0.0 ... refuse */
			return q == NULL || strspn(q + 2, "0.") < strcspn(q + 2, ",; \t");
		}
		header += len;
	}
	return false;
}

bool
http_etag_listed(const char *header, const char *tag)
{
	const size_t tag_len = strlen(tag);

	while (header != NULL && *header != '\0') {
		size_t len;
		header += strspn(header, " \t,");
		if (strncmp(header, "W/", 2) == 0)
			header += 2;
		len = strcspn(header, ", \t");
		if (len == 1 && header[0] == '*')
			return true;
		if (len == tag_len && strncmp(header, tag, tag_len) == 0)
			return true;
		header += len;
	}
	return false;
}

bool
http_is_json(const char *content_type)
{
	static const char json[] = "application/json";
	const char *rest;

	if (content_type == NULL || strncasecmp(content_type, json, sizeof(json) - 1) != 0)
		return false;
	rest = content_type + sizeof(json) - 1;
	rest += strspn(rest, " \t");
	if (*rest == '\0')
		return true;
	if (*rest++ != ';')
		return false;
	rest += strspn(rest, " \t");
	return strcasecmp(rest, "charset=utf-8") == 0 || strcasecmp(rest, "charset=\"utf-8\"") == 0;
}

void
http_answer_header(struct http_answer *a, const char *name, const char *value)
{
	assert(a->n_headers < HTTP_HEADERS_MAX);
	a->header[a->n_headers].name = name;
	(void)snprintf(a->header[a->n_headers].value, sizeof(a->header[0].value), "%s", value);
	a->n_headers++;
}
