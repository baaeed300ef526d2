/* What single texts have to look like: names, addresses, URLs.  Pure. */
#include "define_internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fleet.h"

bool
define_name_ok(const char *s)
{
	return fleet_name_valid(s, BL_NAME_MAX);
}

bool
define_label_ok(const char *s)
{
	return fleet_name_valid(s, BL_LABEL_VALUE_MAX);
}

bool
define_region_ok(const char *s)
{
	return fleet_name_valid(s, FLEET_REGION_MAX);
}

/* As the wire takes them: [a-z][a-z0-9_]* */
bool
define_metric_ok(const char *s)
{
	return s[0] >= 'a' && s[0] <= 'z' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s);
}

/* Labels of letters, digits and '-' joined by dots, len bytes in all. */
static bool
host_ok(const char *s, size_t len)
{
	size_t label = 0;

	if (len == 0 || len > 253)
		return false;
	for (size_t i = 0; i < len; i++) {
		const unsigned char ch = (unsigned char)s[i];

		if (ch == '.') {
			if (label == 0 || s[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!(ch < 0x80 && isalnum(ch)) && !(ch == '-' && label > 0))
			return false;
		if (++label > 63)
			return false;
	}
	return label > 0 && s[len - 1] != '-';
}

/* The plain form of RFC 5321: dot-atom and a host.  No quotes, no comments: nothing to inject. */
bool
define_mail_ok(const char *s)
{
	static const char atom[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "!#$%&'*+-/=?^_`{|}~.";
	const size_t local = strspn(s, atom);

	if (local == 0 || local > 64 || s[local] != '@' || s[0] == '.' || s[local - 1] == '.' ||
	    strlen(s) > DEFINE_ADDRESS_MAX)
		return false;
	for (size_t i = 1; i < local; i++)
		if (s[i] == '.' && s[i - 1] == '.')
			return false;
	return host_ok(s + local + 1, strlen(s + local + 1));
}

static bool
port_ok(const char *s, size_t len)
{
	char text[6] = "";

	if (len == 0 || len > 5 || strspn(s, "0123456789") < len)
		return false;
	memcpy(text, s, len);
	return atoi(text) >= 1 && atoi(text) <= 65535;
}

/* This machine itself: what is sent there in the clear leaves nobody's wire. */
static bool
loopback(const char *host)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
}

/* "host", "host:port", "[v6]:port"; host gets what stands for the host. */
static bool
authority_ok(const char *s, size_t len, char host[256])
{
	const char *close = s[0] == '[' ? memchr(s, ']', len) : NULL;
	const char *colon =
	    memchr(close != NULL ? close : s, ':', len - (size_t)(close != NULL ? close - s : 0));
	const size_t n = colon != NULL ? (size_t)(colon - s) : len;
	struct in6_addr v6;

	if (n == 0 || n > 253 || (colon != NULL && !port_ok(colon + 1, len - n - 1)))
		return false;
	memcpy(host, s, n);
	host[n] = '\0';
	if (s[0] != '[')
		return host_ok(s, n);
	if (close == NULL || close != s + n - 1)
		return false;
	host[n - 1] = '\0';
	if (inet_pton(AF_INET6, host + 1, &v6) != 1)
		return false;
	host[n - 1] = ']';
	return true;
}

bool
define_url_ok(const char *s)
{
	const bool plain = strncmp(s, "http://", 7) == 0;
	char host[256];
	size_t len;

	if (!plain && strncmp(s, "https://", 8) != 0)
		return false;
	/* visible ASCII without what needs an escape; '#' leads nowhere in a request, '@' hides
	   a password, and both let one host look like another */
	for (const char *p = s; *p != '\0'; p++)
		if (*p <= 0x20 || *p >= 0x7f || strchr("\"<>\\^`{|}#", *p) != NULL)
			return false;
	s += plain ? 7 : 8;
	len = strcspn(s, "/?");
	if (len == 0 || memchr(s, '@', len) != NULL || !authority_ok(s, len, host))
		return false;
	return !plain || loopback(host);
}
