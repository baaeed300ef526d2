/*
 * Where an answer sends the client on to.  Pure.
 *
 * A Location is a reference (RFC 3986, 4.1), resolved against the address that
 * was asked.  It comes from outside: what it leads to goes through the same
 * checks as an address of the configuration.
 */
#include "probe_http_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool
probe_redirect_status(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool
probe_same_origin(const struct probe_url *a, const struct probe_url *b)
{
	return a->tls == b->tls && a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

/* A 303, and as everybody does it a 301 or 302 behind a POST, is asked for with GET (RFC
 * 9110, 15.4). */
int
probe_redirect_method(int method, int status)
{
	if (method == PROBE_HEAD || status == 307 || status == 308)
		return method;
	return status == 303 || method == PROBE_POST ? PROBE_GET : method;
}

const char *
probe_redirect_not(const struct probe_url *from, const struct probe_url *to,
    const struct probe_url *first, bool with_body)
{
	if (from->tls && !to->tls)
		return "leads from https to http";
	if (with_body && !probe_same_origin(to, first))
		return "would send the request's body to another server";
	return NULL;
}

/* Without the fragment; blanks and bytes beyond ASCII, which many servers send raw, in percents. */
static bool
clean(const char *location, char *out, size_t size)
{
	size_t n = 0;

	for (const unsigned char *p = (const unsigned char *)location; *p != '\0' && *p != '#';
	     p++) {
		if (n + 4 > size || *p < ' ' || *p == 0x7f)
			return false;
		if (*p > '~' || *p == ' ')
			n += (size_t)sprintf(out + n, "%%%02X", *p);
		else
			out[n++] = (char)*p;
	}
	out[n] = '\0';
	return true;
}

/* Takes "." and ".." out of the path (RFC 3986, 5.2.4); a query is left alone. */
static void
dots_remove(char *path)
{
	char *from = path;
	char *to = path;

	while (*from == '/') {
		const size_t len = 1 + strcspn(from + 1, "/?");
		const bool dot = len == 2 && from[1] == '.';
		const bool dots = len == 3 && from[1] == '.' && from[2] == '.';

		if (dots)
			while (to > path && *--to != '/')
				;
		if (!dot && !dots) {
			memmove(to, from, len);
			to += len;
		} else if (from[len] != '/') {
			*to++ = '/'; /* the last one names a folder */
		}
		from += len;
	}
	if (to == path)
		*to++ = '/';
	memmove(to, from, strlen(from) + 1);
}

/* The reference as path and query, where it keeps to the host. */
static void
path_make(const struct probe_url *from, const char *ref, char *out, size_t size)
{
	size_t keep = 0; /* of the path that was asked */

	if (ref[0] == '?' || ref[0] == '\0')
		keep = strcspn(from->target, ref[0] == '?' ? "?" : "");
	else if (ref[0] != '/')
		for (size_t i = 0; from->target[i] != '\0' && from->target[i] != '?'; i++)
			keep = from->target[i] == '/' ? i + 1 : keep;
	snprintf(out, size, "%.*s%s", (int)keep, from->target, ref);
	dots_remove(out);
}

/* "http:" or "ftp:" at the beginning. */
static bool
has_scheme(const char *ref)
{
	const size_t n = strspn(ref, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789+-.");

	return n > 0 && ref[n] == ':';
}

const char *
probe_redirect_to(const struct probe_url *from, const char *location, struct probe_url *out)
{
	char ref[PROBE_LOCATION_MAX * 3 + 4];
	char text[PROBE_TARGET_MAX + sizeof(ref) + PROBE_HOST_MAX + 32];

	if (location[0] == '\0')
		return "there is no Location, or it is longer than 1024 bytes";
	if (!clean(location, ref, sizeof(ref)))
		return "the Location holds control characters";
	if (has_scheme(ref)) {
		const bool tls = strncasecmp(ref, "https:", 6) == 0;

		if (!tls && strncasecmp(ref, "http:", 5) != 0)
			return "the Location is neither http nor https";
		snprintf(
		    text, sizeof(text), "%s%s", tls ? "https:" : "http:", strchr(ref, ':') + 1);
	} else if (ref[0] == '/' && ref[1] == '/') {
		snprintf(text, sizeof(text), "%s:%s", from->tls ? "https" : "http", ref);
	} else {
		const int n = snprintf(
		    text, sizeof(text), "%s://%s", from->tls ? "https" : "http", from->authority);

		path_make(from, ref, text + n, sizeof(text) - (size_t)n);
	}
	return probe_url_parse(text, out) == NULL ? NULL
						  : "the Location is no address that can be asked";
}
