/*
 * Where a webhook may go: resolve, check every address, dial what was checked.
 *
 * Private, loopback, link-local and other special ranges (IANA's special-purpose registries) are
 * refused unless the administrator allows them: a webhook must not become a way into the
 * network that the collector stands in.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "deliver_internal.h"

static bool
v4_public(const uint8_t *a)
{
	static const struct {
		uint8_t net[4];
		unsigned bits;
	} special[] = {
		{ { 0, 0, 0, 0 }, 8 }, { { 10, 0, 0, 0 }, 8 }, { { 100, 64, 0, 0 }, 10 },
		{ { 127, 0, 0, 0 }, 8 }, { { 169, 254, 0, 0 }, 16 }, { { 172, 16, 0, 0 }, 12 },
		{ { 192, 0, 0, 0 }, 24 }, { { 192, 0, 2, 0 }, 24 }, { { 192, 168, 0, 0 }, 16 },
		{ { 198, 18, 0, 0 }, 15 }, { { 198, 51, 100, 0 }, 24 }, { { 203, 0, 113, 0 }, 24 },
		{ { 224, 0, 0, 0 }, 3 },
	};
	const uint32_t v = (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 | (uint32_t)a[2] << 8 | a[3];

	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		const uint8_t *n = special[i].net;
		const uint32_t net =
		    (uint32_t)n[0] << 24 | (uint32_t)n[1] << 16 | (uint32_t)n[2] << 8 | n[3];

		if ((v ^ net) >> (32 - special[i].bits) == 0)
			return false;
	}
	return true;
}

static bool
v6_public(const uint8_t *a)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };

	if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
		return v4_public(a + 12);
	if (a[0] == 0x20 && a[1] == 0x02) /* 6to4 */
		return v4_public(a + 2);
	if (a[0] == 0x20 && a[1] == 0x01 && (a[2] == 0x0d || a[2] < 2)) /* documentation, protocols */
		return false;
	return (a[0] & 0xe0) == 0x20; /* global unicast: 2000::/3 */
}

bool
deliver_address_public(int family, const uint8_t *bytes)
{
	return family == AF_INET ? v4_public(bytes) : family == AF_INET6 && v6_public(bytes);
}

static bool
url_parts(const char *url, char **host, char **port)
{
	CURLU *u = curl_url();
	bool ok;

	*host = *port = NULL;
	ok = u != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	     curl_url_get(u, CURLUPART_HOST, host, 0) == CURLUE_OK &&
	     curl_url_get(u, CURLUPART_PORT, port, CURLU_DEFAULT_PORT) == CURLUE_OK;
	curl_url_cleanup(u);
	return ok;
}

/* Appends each address; false: one may not be dialled, or there is no room. */
static bool
take_addresses(const struct addrinfo *list, bool private_allowed, const char *host,
    const char *port, char *resolve, size_t size, char *why, size_t why_size)
{
	int at = snprintf(resolve, size, "%s:%s:", host, port);
	unsigned n = 0;

	for (const struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next) {
		const void *bytes = ai->ai_family == AF_INET
		    ? (const void *)&((const struct sockaddr_in *)(const void *)ai->ai_addr)->sin_addr
		    : (const void *)&((const struct sockaddr_in6 *)(const void *)ai->ai_addr)
			  ->sin6_addr;
		char text[INET6_ADDRSTRLEN];

		if ((ai->ai_family != AF_INET && ai->ai_family != AF_INET6) ||
		    inet_ntop(ai->ai_family, bytes, text, sizeof(text)) == NULL)
			continue;
		if (!private_allowed && !deliver_address_public(ai->ai_family, bytes)) {
			(void)snprintf(why, why_size,
			    "%s is at %s, an address inside this network; private_webhooks in"
			    " collector.yaml allows such",
			    host, text);
			return false;
		}
		if (at < 0 || (size_t)at + strlen(text) + 2 > size || n == 16)
			break;
		at += snprintf(resolve + at, size - (size_t)at, "%s%s", n++ > 0 ? "," : "", text);
	}
	if (n == 0)
		(void)snprintf(why, why_size, "%s has no address", host);
	return n > 0;
}

bool
deliver_target(const char *url, bool private_allowed, char *resolve, size_t size, char *why,
    size_t why_size)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	char *host, *port, bare[256];
	bool ok = false;
	size_t len;
	int rc;

	if (!url_parts(url, &host, &port)) {
		(void)snprintf(why, why_size, "the address of the webhook is not a valid URL");
		goto done;
	}
	(void)snprintf(bare, sizeof(bare), "%s", host[0] == '[' ? host + 1 : host);
	len = strlen(bare);
	if (len > 0 && bare[len - 1] == ']')
		bare[len - 1] = '\0';
	if ((rc = getaddrinfo(bare, port, &hints, &list)) != 0) {
		(void)snprintf(why, why_size, "look up %s: %s", bare, gai_strerror(rc));
		goto done;
	}
	ok = take_addresses(list, private_allowed, bare, port, resolve, size, why, why_size);
	if (host[0] == '[') /* what was checked stands in the URL: there is nothing to look up */
		resolve[0] = '\0';
	freeaddrinfo(list);
done:
	curl_free(host);
	curl_free(port);
	return ok;
}
