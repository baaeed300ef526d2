/*
 * Addresses and sets of status codes, as they stand in the configuration.
 *
 * Pure.  Strict: what is accepted goes into a request line unchanged, so no
 * blanks, no control characters, no user names (they belong into a header,
 * where they do not end up in logs), no fragments (a server never sees them).
 */
#include "probe_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
host_valid(const char *host, size_t len)
{
	if (len == 0 || len > PROBE_HOST_MAX || host[0] == '.' || host[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(host[i]) && host[i] != '.' && host[i] != '-' && host[i] != '_')
			return false;
	return true;
}

static bool
is_v4(const char *host)
{
	struct in_addr a;

	return inet_pton(AF_INET, host, &a) == 1;
}

static bool
is_v6(const char *host)
{
	struct in6_addr a;

	return inet_pton(AF_INET6, host, &a) == 1;
}

/* Copies the host; returns what stands behind it, or NULL. */
static const char *
host_parse(const char *p, struct probe_url *out)
{
	const bool bracket = *p == '[';
	const char *begin = bracket ? p + 1 : p;
	const size_t len = strcspn(begin, bracket ? "]" : ":/?#");

	if (len == 0 || len > PROBE_HOST_MAX)
		return NULL;
	memcpy(out->host, begin, len);
	out->host[len] = '\0';
	if (bracket) {
		out->literal = true;
		return begin[len] == ']' && is_v6(out->host) ? begin + len + 1 : NULL;
	}
	out->literal = is_v4(out->host);
	return host_valid(out->host, len) ? begin + len : NULL;
}

/* ":8080"; returns what stands behind it, or NULL. */
static const char *
port_parse(const char *p, struct probe_url *out)
{
	unsigned long port = 0;
	const char *begin = ++p;

	for (; is_digit(*p) && p - begin < 6; p++)
		port = port * 10 + (unsigned long)(*p - '0');
	if (p == begin || port == 0 || port > 65535)
		return NULL;
	out->port = (uint16_t)port;
	return p;
}

static bool
target_parse(const char *p, struct probe_url *out)
{
	const size_t slash = *p == '/' ? 0 : 1; /* "http://host?x" asks for "/?x" */
	const size_t len = strlen(p);

	if (*p != '\0' && *p != '/' && *p != '?')
		return false;
	if (len + slash > PROBE_TARGET_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (p[i] <= ' ' || p[i] > '~' || p[i] == '#')
			return false;
	out->target[0] = '/';
	memcpy(out->target + slash, p, len + 1);
	return true;
}

const char *
probe_url_parse(const char *text, struct probe_url *out)
{
	const char *p = text;
	uint16_t usual;

	memset(out, 0, sizeof(*out));
	if (strncmp(p, "https://", 8) == 0)
		out->tls = true;
	else if (strncmp(p, "http://", 7) != 0)
		return "an address that begins with http:// or https://";
	p += out->tls ? 8 : 7;
	usual = out->tls ? 443 : 80;
	out->port = usual;
	if (memchr(p, '@', strcspn(p, "/?#")) != NULL)
		return "an address without user name (put credentials into headers)";
	if ((p = host_parse(p, out)) == NULL)
		return "a host name in ASCII, an IPv4 address, or an IPv6 address in brackets";
	if (*p == ':' && (p = port_parse(p, out)) == NULL)
		return "a port from 1 to 65535";
	if (!target_parse(p, out))
		return "a path of printable ASCII without blanks and #, at most 1024 bytes";

	const bool v6 = strchr(out->host, ':') != NULL;
	if (out->port == usual)
		snprintf(out->authority, sizeof(out->authority), v6 ? "[%s]" : "%s", out->host);
	else
		snprintf(out->authority, sizeof(out->authority), v6 ? "[%s]:%u" : "%s:%u",
		    out->host, out->port);
	return NULL;
}

/* ---- status sets ---- */

/* Reads three digits; false: there are none. */
static bool
code_parse(const char **p, int *code)
{
	const char *s = *p;

	if (!is_digit(s[0]) || !is_digit(s[1]) || !is_digit(s[2]) || is_digit(s[3]))
		return false;
	*code = (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0');
	*p = s + 3;
	return *code >= 100;
}

static void
blanks_skip(const char **p)
{
	while (**p == ' ')
		(*p)++;
}

/* The next range of the set; false: malformed.  *p stands at the end or behind a comma then. */
static bool
range_next(const char **p, int *lo, int *hi)
{
	blanks_skip(p);
	if (!code_parse(p, lo))
		return false;
	*hi = *lo;
	blanks_skip(p);
	if (**p == '-') {
		(*p)++;
		blanks_skip(p);
		if (!code_parse(p, hi) || *hi < *lo)
			return false;
		blanks_skip(p);
	}
	if (**p == '\0')
		return true;
	if (**p != ',')
		return false;
	(*p)++;
	return **p != '\0';
}

const char *
probe_status_check(const char *set)
{
	int lo;
	int hi;

	do {
		if (!range_next(&set, &lo, &hi))
			return "status codes and ranges such as \"200, 204, 300-399\"";
	} while (*set != '\0');
	return NULL;
}

bool
probe_status_in(const char *set, int status)
{
	int lo;
	int hi;

	do {
		if (!range_next(&set, &lo, &hi))
			return false;
		if (status >= lo && status <= hi)
			return true;
	} while (*set != '\0');
	return false;
}

const char *
probe_host_set(struct probe_url *out, const char *host, uint16_t port)
{
	memset(out, 0, sizeof(*out));
	out->port = port;
	out->literal = is_v4(host) || is_v6(host);
	if (!out->literal && !host_valid(host, strlen(host)))
		return "a host name in ASCII, or an IP address";
	snprintf(out->host, sizeof(out->host), "%s", host);
	return NULL;
}
