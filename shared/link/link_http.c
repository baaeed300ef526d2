/*
 * Heads of HTTP answers; see the header.
 *
 * Read as strictly as the answer decides something (status, the fields of an
 * upgrade), as leniently as it is only repeated to people.  Line ends may be
 * CR LF or LF alone (RFC 9112 section 2.2 allows it); a line folded over is
 * taken as one without a name, and ignored.
 */
#include "link_http.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const char *
line_end(const char *at, const char *end)
{
	const char *nl = memchr(at, '\n', (size_t)(end - at));

	return nl == NULL ? end : nl;
}

size_t
link_http_head_len(const char *data, size_t len)
{
	size_t start = 0;

	for (size_t i = 0; i < len; i++) {
		if (data[i] != '\n')
			continue;
		if (i == start || (i == start + 1 && data[start] == '\r'))
			return i + 1;
		start = i + 1;
	}
	return 0;
}

bool
link_http_begins(const char *data, size_t len)
{
	static const char begin[] = "HTTP/1.";
	const size_t n = len < sizeof(begin) - 1 ? len : sizeof(begin) - 1;

	return memcmp(data, begin, n) == 0;
}

void
link_http_printable(char *out, size_t size, const char *from, size_t len)
{
	size_t n = 0;

	while (n + 1 < size && n < len && from[n] != '\0') {
		out[n] = from[n] >= 0x20 && from[n] < 0x7f ? from[n] : '?';
		n++;
	}
	out[n] = '\0';
}

/* "HTTP/1.1 200 Connection established"; the reason may be missing. */
static bool
status_line(const char *at, const char *end, struct link_http *out)
{
	int status = 0;

	if (end - at < 12 || memcmp(at, "HTTP/1.", 7) != 0 || at[7] < '0' || at[7] > '9' ||
	    at[8] != ' ')
		return false;
	for (int i = 9; i < 12; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		status = status * 10 + (at[i] - '0');
	}
	if (status < 100 || (end - at > 12 && at[12] != ' '))
		return false;
	out->status = status;
	if (end - at > 13)
		link_http_printable(
		    out->reason, sizeof(out->reason), at + 13, (size_t)(end - at) - 13);
	return true;
}

/* The next element of a comma-separated list, trimmed; false at its end. */
static bool
list_next(const char **at, const char *end, const char **item, size_t *len)
{
	const char *stop;

	while (*at < end && (**at == ',' || **at == ' ' || **at == '\t'))
		(*at)++;
	if (*at == end)
		return false;
	*item = *at;
	stop = memchr(*at, ',', (size_t)(end - *at));
	*at = stop = stop == NULL ? end : stop;
	while (stop > *item && (stop[-1] == ' ' || stop[-1] == '\t'))
		stop--;
	*len = (size_t)(stop - *item);
	return true;
}

static bool
token_is(const char *token, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(token, word, len) == 0;
}

static bool
list_has(const char *value, const char *end, const char *word)
{
	const char *item;
	size_t len;

	while (list_next(&value, end, &item, &len))
		if (token_is(item, len, word))
			return true;
	return false;
}

/*
 * Schemes stand at the beginning of an element and have no '='; what follows
 * behind a blank, and elements like realm="a", are parameters.
 */
static void
add_schemes(const char *value, const char *end, struct link_http *out)
{
	const char *item;
	size_t len, used, n;

	while (list_next(&value, end, &item, &len)) {
		for (n = 0; n < len && (isalnum((unsigned char)item[n]) || item[n] == '-'); n++)
			;
		if (n == 0 || (n < len && item[n] != ' '))
			continue;
		if (token_is(item, n, "Basic"))
			out->basic = true;
		used = strlen(out->schemes);
		if (used + n + 3 >= sizeof(out->schemes))
			continue;
		if (used > 0) {
			memcpy(out->schemes + used, ", ", 3);
			used += 2;
		}
		link_http_printable(out->schemes + used, sizeof(out->schemes) - used, item, n);
	}
}

/* "http://user@login.example:80/path?secret" becomes "login.example:80"; a mere path has no host.
 */
static void
location_host(const char *value, const char *end, struct link_http *out)
{
	const char *at = value, *stop;

	while (at < end && strchr(":/?#", *at) == NULL)
		at++;
	if (at < end && *at == ':')
		at++;
	if (end - at < 2 || memcmp(at, "//", 2) != 0)
		return;
	for (stop = at += 2; stop < end && strchr("/?#", *stop) == NULL; stop++)
		if (*stop == '@')
			at = stop + 1;
	link_http_printable(out->location, sizeof(out->location), at, (size_t)(stop - at));
}

static void
field(const char *name, size_t len, const char *value, const char *end, struct link_http *out)
{
	const size_t n = (size_t)(end - value);

	if (token_is(name, len, "Location"))
		location_host(value, end, out);
	else if (token_is(name, len, "Proxy-Authenticate"))
		add_schemes(value, end, out);
	else if (token_is(name, len, "Upgrade"))
		out->upgrade = out->upgrade || list_has(value, end, "websocket");
	else if (token_is(name, len, "Connection"))
		out->connection_upgrade =
		    out->connection_upgrade || list_has(value, end, "upgrade");
	else if (token_is(name, len, "Sec-WebSocket-Protocol"))
		link_http_printable(out->protocol, sizeof(out->protocol), value, n);
	else if (token_is(name, len, "Sec-WebSocket-Accept"))
		link_http_printable(out->accept, sizeof(out->accept), value, n);
	else if (token_is(name, len, "Sec-WebSocket-Extensions"))
		out->extensions = n > 0;
}

static void
field_line(const char *at, const char *end, struct link_http *out)
{
	const char *colon = memchr(at, ':', (size_t)(end - at)), *value;

	if (colon == NULL || colon == at || *at == ' ' || *at == '\t')
		return;
	for (value = colon + 1; value < end && (*value == ' ' || *value == '\t'); value++)
		;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	field(at, (size_t)(colon - at), value, end, out);
}

bool
link_http_parse(const char *head, size_t len, struct link_http *out)
{
	const char *end = head + len, *at = head, *nl, *stop;

	memset(out, 0, sizeof(*out));
	for (bool first = true; at < end; at = nl + 1, first = false) {
		nl = line_end(at, end);
		stop = nl > at && nl[-1] == '\r' ? nl - 1 : nl;
		if (first && !status_line(at, stop, out)) {
			memset(out, 0, sizeof(*out));
			return false;
		}
		if (!first)
			field_line(at, stop, out);
		if (nl == end)
			break;
	}
	return out->status != 0;
}

bool
link_http_is_portal(const struct link_http *h)
{
	return (h->status >= 300 && h->status <= 399) || h->status == 511;
}
