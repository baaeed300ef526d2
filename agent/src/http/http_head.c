/* The head of a request; see the header. */
#include "http_head.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

struct text {
	const char *p;
	size_t len;
};

size_t
http_head_end(const char *text, size_t len)
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

/* Leaves "/path?query" of "http://host/path?query", the way that is asked of a proxy; "" stands for
 * "/". */
static void
split_target(struct text *target, struct text *host)
{
	static const char scheme[] = "http://";
	const size_t n = sizeof(scheme) - 1;

	*host = (struct text){ NULL, 0 };
	if (target->len < n || strncasecmp(target->p, scheme, n) != 0)
		return;
	target->p += n;
	target->len -= n;
	host->p = target->p;
	while (host->len < target->len && host->p[host->len] != '/' && host->p[host->len] != '?')
		host->len++;
	target->p += host->len;
	target->len -= host->len;
}

/* "GET /path?query HTTP/1.1"; host: the one of its target, or none. */
static int
request_line(struct text line, struct http_head *out, struct text *host)
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
	if (!copy(out->method, sizeof(out->method), (struct text){ line.p, (size_t)(sp - line.p) }))
		return 501;
	target.len = (size_t)(end - target.p);
	if (!printable(target))
		return 400;
	split_target(&target, host);
	end = target.len > 0 ? memchr(target.p, '?', target.len) : NULL;
	path = (struct text){ target.p, end != NULL ? (size_t)(end - target.p) : target.len };
	if (path.len == 0 && host->p != NULL)
		path = (struct text){ "/", 1 };
	if (path.len == 0 || path.p[0] != '/')
		return 400;
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

/* A list like "keep-alive, Upgrade". */
static bool
lists(struct text value, const char *what)
{
	const size_t len = strlen(what);

	for (size_t i = 0; i + len <= value.len; i++) {
		const bool begins = i == 0 || strchr(" \t,", value.p[i - 1]) != NULL;
		const bool ends = i + len == value.len || strchr(" \t,", value.p[i + len]) != NULL;

		if (begins && ends && strncasecmp(value.p + i, what, len) == 0)
			return true;
	}
	return false;
}

/* Framing: what is told twice, or in a way of its own, would be read differently by others. */
static int
content_length(struct text value, struct http_head *out)
{
	if (out->has_length || value.len == 0 || value.len > 18 ||
	    !digits(value.p, value.p + value.len))
		return 400;
	out->has_length = true;
	for (size_t i = 0; i < value.len; i++)
		out->length = out->length * 10 + (uint64_t)(value.p[i] - '0');
	return 0;
}

static int
transfer_encoding(struct text value, struct http_head *out)
{
	if (out->chunked)
		return 400;
	out->chunked = named(value, "chunked");
	return out->chunked ? 0 : 501;
}

static int
expect(struct text value, struct http_head *out)
{
	*(named(value, "100-continue") ? &out->expects : &out->expects_other) = true;
	return 0;
}

static int
content_type(struct text value, struct http_head *out)
{
	if (out->content_type[0] != '\0')
		return 400;
	if (!copy(out->content_type, sizeof(out->content_type), value))
		(void)strcpy(out->content_type, "?"); /* none of ours is so long */
	for (char *c = out->content_type; *c != '\0' && *c != ';'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return 0;
}

static int
accept_of(struct text value, struct http_head *out)
{
	/* The first one; one that is too long asks for nothing in particular. */
	if (out->accept[0] == '\0')
		(void)copy(out->accept, sizeof(out->accept), value);
	return 0;
}

static int
authorization(struct text value, struct http_head *out)
{
	if (out->authorization[0] != '\0')
		return 400;
	(void)copy(out->authorization, sizeof(out->authorization), value);
	return 0;
}

static int
host_field(struct text value, struct http_head *out)
{
	return out->host[0] == '\0' && host_of(value, out->host, sizeof(out->host)) ? 0 : 400;
}

static int
connection(struct text value, struct http_head *out)
{
	out->close = out->close || lists(value, "close");
	out->keep_alive = out->keep_alive || lists(value, "keep-alive");
	return 0;
}

static int
origin(struct text value, struct http_head *out)
{
	(void)value;
	out->has_origin = true;
	return 0;
}

static int
fetch_site(struct text value, struct http_head *out)
{
	if (!copy(out->fetch_site, sizeof(out->fetch_site), value))
		(void)strcpy(out->fetch_site, "?");
	return 0;
}

static int
content_encoding(struct text value, struct http_head *out)
{
	out->encoded = out->encoded || !named(value, "identity");
	return 0;
}

static const struct {
	const char *name;
	int (*take)(struct text value, struct http_head *out);
} fields[] = {
	{ "accept", accept_of },
	{ "authorization", authorization },
	{ "connection", connection },
	{ "content-encoding", content_encoding },
	{ "content-length", content_length },
	{ "content-type", content_type },
	{ "expect", expect },
	{ "host", host_field },
	{ "origin", origin },
	{ "sec-fetch-site", fetch_site },
	{ "transfer-encoding", transfer_encoding },
};

/* One "Name: value". */
static int
field(struct text line, struct http_head *out)
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
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (named(name, fields[i].name))
			return fields[i].take(value, out);
	return 0;
}

int
http_head_parse(const char *text, size_t len, struct http_head *out)
{
	struct text s = { text, len }, line, host;
	int status;

	memset(out, 0, sizeof(*out));
	if (memchr(text, '\0', len) != NULL || !next_line(&s, &line))
		return 400;
	if ((status = request_line(line, out, &host)) != 0)
		return status;
	while (next_line(&s, &line) && line.len > 0)
		if ((status = field(line, out)) != 0)
			return status;
	if (out->host[0] == '\0' || (out->chunked && (out->has_length || out->http_minor == 0)))
		return 400;
	return host.p == NULL || host_of(host, out->host, sizeof(out->host)) ? 0 : 400;
}

bool
http_host_ok(const char *host, const struct bl_conf_strlist *more)
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
http_hosts_check(const void *value)
{
	static const char of_names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789.-_";
	const struct bl_conf_strlist *hosts = value;
	struct in6_addr v6;

	for (size_t i = 0; i < hosts->n; i++) {
		const char *name = hosts->item[i];

		if (inet_pton(AF_INET6, name, &v6) != 1 &&
		    (name[0] == '\0' || name[strspn(name, of_names)] != '\0'))
			return "names or addresses alone, such as till-7.shop.example: their port "
			       "does not matter";
	}
	return NULL;
}

const char *
http_reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{ 200, "OK" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 422, "Unprocessable Content" },
		{ 431, "Request Header Fields Too Large" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Error";
}
