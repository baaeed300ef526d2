/* The head of a request; see the header. */
#include "local_http.h"

#include <string.h>
#include <strings.h>

struct text {
	const char *p;
	size_t len;
};

size_t
local_http_head(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '\n')
			continue;
		if (i + 1 < len && text[i + 1] == '\n')
			return i + 2;
		if (i + 2 < len && text[i + 1] == '\r' && text[i + 2] == '\n')
			return i + 3;
	}
	return 0;
}

/* Cuts the next line off, without its end. */
static bool
next_line(struct text *s, struct text *line)
{
	const char *end = s->len > 0 ? memchr(s->p, '\n', s->len) : NULL;

	if (end == NULL)
		return false;
	*line = (struct text){ s->p, (size_t)(end - s->p) };
	s->len -= line->len + 1;
	s->p = end + 1;
	if (line->len > 0 && line->p[line->len - 1] == '\r')
		line->len--;
	return true;
}

static bool
token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
printable(struct text s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t')
			return false;
	return true;
}

static bool
copy(char *out, size_t size, struct text s)
{
	if (s.len >= size)
		return false;
	memcpy(out, s.p, s.len);
	out[s.len] = '\0';
	return true;
}

/* "GET /path?query HTTP/1.1" */
static int
request_line(struct text line, struct local_request *out)
{
	const char *sp = line.len > 0 ? memchr(line.p, ' ', line.len) : NULL;
	struct text target, path;
	const char *end;

	if (sp == NULL || sp == line.p)
		return 400;
	for (const char *p = line.p; p < sp; p++)
		if (!token_char(*p))
			return 400;
	target = (struct text){ sp + 1, line.len - (size_t)(sp + 1 - line.p) };
	end = target.len > 0 ? memchr(target.p, ' ', target.len) : NULL;
	if (end == NULL || line.p + line.len - end != 9 || memcmp(end + 1, "HTTP/", 5) != 0)
		return 400;
	if (end[6] != '1' || end[7] != '.' || (end[8] != '0' && end[8] != '1'))
		return 505;
	out->http_minor = end[8] - '0';
	if (sp - line.p != 3 || memcmp(line.p, "GET", 3) != 0)
		return 405;
	target.len = (size_t)(end - target.p);
	if (target.len == 0 || target.p[0] != '/' || !printable(target))
		return 400;
	end = memchr(target.p, '?', target.len);
	path = (struct text){ target.p, end != NULL ? (size_t)(end - target.p) : target.len };
	return copy(out->path, sizeof(out->path), path) ? 0 : 414;
}

static bool
digits(const char *p, const char *end)
{
	for (; p < end; p++)
		if (*p < '0' || *p > '9')
			return false;
	return true;
}

/* "localhost:9480", "[::1]:9480" */
static bool
host_of(struct text v, char *out, size_t size)
{
	const char *end = v.p + v.len, *p = v.p, *name_end;
	const bool bracket = v.len > 0 && *p == '[';

	if (bracket)
		p++;
	name_end = p < end ? memchr(p, bracket ? ']' : ':', (size_t)(end - p)) : NULL;
	if (name_end == NULL && bracket)
		return false;
	if (name_end == NULL)
		name_end = end;
	if (name_end == p || !copy(out, size, (struct text){ p, (size_t)(name_end - p) }))
		return false;
	for (char *c = out; *c != '\0'; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
		else if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9') &&
			 strchr(bracket ? ":." : ".-_", *c) == NULL)
			return false;
	}
	p = name_end + (bracket ? 1 : 0);
	return p == end || (*p == ':' && digits(p + 1, end));
}

static bool
named(struct text name, const char *what)
{
	return name.len == strlen(what) && strncasecmp(name.p, what, name.len) == 0;
}

/* One "Name: value". */
static int
field(struct text line, struct local_request *out, bool *has_accept)
{
	const char *colon = line.len > 0 ? memchr(line.p, ':', line.len) : NULL;
	struct text name, value;

	if (colon == NULL || colon == line.p || !printable(line))
		return 400;
	name = (struct text){ line.p, (size_t)(colon - line.p) };
	for (size_t i = 0; i < name.len; i++)
		if (!token_char(name.p[i]))
			return 400;
	value = (struct text){ colon + 1, line.len - name.len - 1 };
	while (value.len > 0 && (*value.p == ' ' || *value.p == '\t')) {
		value.p++;
		value.len--;
	}
	while (value.len > 0 && strchr(" \t", value.p[value.len - 1]) != NULL)
		value.len--;
	if (named(name, "host"))
		return out->host[0] == '\0' && host_of(value, out->host, sizeof(out->host)) ? 0
											    : 400;
	if (named(name, "content-length") && !(value.len == 1 && *value.p == '0'))
		return 400;
	if (named(name, "transfer-encoding"))
		return 400;
	if (named(name, "accept") && !*has_accept) {
		/* One that is too long asks for nothing in particular. */
		*has_accept = true;
		(void)copy(out->accept, sizeof(out->accept), value);
	}
	return 0;
}

int
local_http_parse(const char *text, size_t len, struct local_request *out)
{
	struct text s = { text, len }, line;
	bool has_accept = false;
	int status;

	memset(out, 0, sizeof(*out));
	if (memchr(text, '\0', len) != NULL || !next_line(&s, &line))
		return 400;
	if ((status = request_line(line, out)) != 0)
		return status;
	while (next_line(&s, &line) && line.len > 0)
		if ((status = field(line, out, &has_accept)) != 0)
			return status;
	return out->host[0] != '\0' ? 0 : 400;
}

bool
local_http_host_ok(const char *host, const struct bl_conf_strlist *more)
{
	static const char *const own[] = { "localhost", "127.0.0.1", "::1" };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strcmp(host, own[i]) == 0)
			return true;
	for (size_t i = 0; i < more->n; i++)
		if (strcasecmp(host, more->item[i]) == 0)
			return true;
	return false;
}

const char *
local_http_reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{ 200, "OK" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 414, "URI Too Long" },
		{ 431, "Request Header Fields Too Large" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Error";
}
