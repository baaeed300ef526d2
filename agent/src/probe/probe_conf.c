/*
 * The configuration of a probe, as data, and its checks.  Pure.
 */
#include "probe_http_internal.h"

#include <string.h>

static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS",
	NULL };
static const char *const auths[] = { "none", "basic", "bearer", NULL };

/* The type's own checks have passed: value points at the struct's member. */
static const char *
check_name(const void *value)
{
	const char *name = *(char *const *)value;

	for (const unsigned char *p = (const unsigned char *)name; *p != '\0'; p++)
		if (*p < 0x20 || *p == 0x7f)
			return "a name without control characters";
	return NULL;
}

static const char *
check_url(const void *value)
{
	struct probe_url url;

	return probe_url_parse(*(char *const *)value, &url);
}

static const char *
check_host(const void *value)
{
	struct probe_url url;

	return probe_host_set(&url, *(char *const *)value, 0);
}

static const char *
check_status(const void *value)
{
	return probe_status_check(*(char *const *)value);
}

/* RFC 9110, 5.6.2 */
static bool
is_token(const char *s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	if (*s == '\0' || strlen(s) > 64)
		return false;
	for (; *s != '\0'; s++) {
		const bool alnum = (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
				   (*s >= 'A' && *s <= 'Z');

		if (!alnum && strchr(others, *s) == NULL)
			return false;
	}
	return true;
}

static bool
is_header_value(const char *s)
{
	if (strlen(s) > 1024)
		return false;
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static const char *
check_headers(const void *value)
{
	static const char *const ours[] = { "Connection", "Content-Length", "Transfer-Encoding",
		"Upgrade", "Expect", "TE", "Trailer", "Proxy-Authorization" };
	const struct bl_conf_strmap *map = value;

	for (size_t i = 0; i < map->n; i++) {
		if (!is_token(map->key[i]))
			return "header names of letters, digits and hyphens, at most 64 bytes";
		if (!is_header_value(map->value[i]))
			return "header values of one line, at most 1024 bytes";
		for (size_t k = 0; k < sizeof(ours) / sizeof(ours[0]); k++)
			if (strcasecmp(map->key[i], ours[k]) == 0)
				return "other headers than those that the probe sets itself "
				       "(Connection, Content-Length, Transfer-Encoding ...)";
	}
	return NULL;
}

static const char *
check_regex(const void *value)
{
	struct bl_regex *re;
	struct bl_err err = { 0 };

	if (bl_regex_compile(&re, *(char *const *)value, &err) < 0)
		return "a regular expression (groups, classes, counts and \\b, but no references "
		       "and "
		       "no look-around; shared/regex)";
	bl_regex_free(re);
	return NULL;
}

static const char *
check_json(const void *value)
{
	const struct bl_conf_strmap *map = value;

	for (size_t i = 0; i < map->n; i++) {
		struct probe_json_want w;
		const char *expected = probe_json_want_parse(&w, map->key[i], map->value[i]);

		if (expected != NULL)
			return expected;
	}
	return NULL;
}

const char *
probe_check_user(const void *value)
{
	const char *user = *(char *const *)value;

	for (const unsigned char *p = (const unsigned char *)user; *p != '\0'; p++)
		if (*p < ' ' || *p == 0x7f || *p == ':')
			return "a user name without colons and control characters";
	return NULL;
}

static bool
is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static const char *
check_auth(const struct probe_conf *c, const char **key_out)
{
	*key_out = "auth";
	if (c->auth != PROBE_AUTH_NONE && !is_set(c->secret_file))
		return "a secret_file with auth: the password or the token is its first line";
	if ((c->auth == PROBE_AUTH_BASIC) != is_set(c->user))
		return "a user with auth basic, and only there";
	if (c->auth == PROBE_AUTH_NONE && is_set(c->secret_file))
		return "auth basic or bearer with a secret_file";
	for (size_t i = 0; c->auth != PROBE_AUTH_NONE && i < c->headers.n; i++)
		if (strcasecmp(c->headers.key[i], "Authorization") == 0)
			return "either auth or a header Authorization";
	return NULL;
}

/* What does not go together in a request. */
static const char *
check_request(const struct probe_conf *c, const char **key_out)
{
	const bool bodyless = c->method == PROBE_GET || c->method == PROBE_HEAD;

	if (bodyless && is_set(c->body)) {
		*key_out = "body";
		return "no body with methods GET and HEAD";
	}
	if (c->keep_alive && !probe_method_repeatable(c->method)) {
		*key_out = "keep_alive";
		return "no keep_alive with POST and PATCH: when a kept connection breaks, nobody "
		       "knows whether the server has done it";
	}
	if (c->method == PROBE_HEAD &&
	    (is_set(c->expect_body) || is_set(c->expect_regex) || c->expect_json.n > 0)) {
		*key_out = is_set(c->expect_body) ? "expect_body" : "method";
		return "no expectations of a body with method HEAD: its answer has none";
	}
	return check_auth(c, key_out);
}

static const char *
check_proxy(const struct probe_proxy_conf *c, const char **key_out)
{
	*key_out = "proxy";
	if (!is_set(c->url) && (is_set(c->user) || is_set(c->secret_file)))
		return "proxy.url with proxy.user or proxy.secret_file";
	if (is_set(c->user) != is_set(c->secret_file))
		return "proxy.user together with proxy.secret_file, whose first line is the "
		       "password";
	return NULL;
}

static const char *
check_probe(const void *section, const char **key_out)
{
	const struct probe_conf *c = section;
	const char *wrong;

	if (c->timeout_ms > c->interval_ms) {
		*key_out = "timeout";
		return "a timeout that is not longer than the interval";
	}
	if ((wrong = probe_kind_check(c, key_out)) != NULL)
		return wrong;
	if ((wrong = check_request(c, key_out)) != NULL)
		return wrong;
	return check_proxy(&c->proxy, key_out);
}

#define AT(member) offsetof(struct probe_conf, member)

static const struct bl_conf_key keys[] = {
	{ .name = "name",
	    .type = BL_CONF_STR,
	    .offset = AT(name),
	    .min = 1,
	    .max = PROBE_NAME_MAX,
	    .help = "its name in series and events",
	    .check = check_name },
	{ .name = "kind",
	    .type = BL_CONF_ENUM,
	    .dflt = "http",
	    .offset = AT(kind),
	    .help = "what is asked; keys of other kinds are refused",
	    .choices = probe_kind_names },
	{ .name = "url",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(url),
	    .min = 1,
	    .max = 2048,
	    .help = "kind http: http:// or https:// address to ask",
	    .check = check_url,
	    .secret = BL_CONF_HIDDEN_QUERY },
	{ .name = "host",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(host),
	    .min = 1,
	    .max = PROBE_HOST_MAX,
	    .help = "other kinds: the name or address to ask",
	    .check = check_host },
	{ .name = "port",
	    .type = BL_CONF_INT,
	    .dflt = "0",
	    .offset = AT(port),
	    .max = 65535,
	    .help = "its port; 0: the kind's usual one" },
	{ .name = "dns",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = AT(dns),
	    .help = "kind dns",
	    .section = &probe_dns_section },
	{ .name = "ping",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = AT(ping),
	    .help = "kind ping",
	    .section = &probe_ping_section },
	{ .name = "tls",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = AT(tls),
	    .help = "kind tls",
	    .section = &probe_tls_section },
	{ .name = "modbus",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = AT(modbus),
	    .help = "kind modbus",
	    .section = &probe_modbus_section },
	{ .name = "tcp",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = AT(tcp),
	    .help = "kind tcp",
	    .section = &probe_tcp_section },
	{ .name = "interval",
	    .type = BL_CONF_DURATION,
	    .dflt = "30s",
	    .offset = AT(interval_ms),
	    .min = 1000,
	    .max = 86400e3,
	    .help = "time between runs" },
	{ .name = "timeout",
	    .type = BL_CONF_DURATION,
	    .dflt = "5s",
	    .offset = AT(timeout_ms),
	    .min = 100,
	    .max = 60e3,
	    .help = "most time for each phase (look-up, connect, TLS, first byte, transfer)" },
	{ .name = "method",
	    .type = BL_CONF_ENUM,
	    .dflt = "GET",
	    .offset = AT(method),
	    .help = "how it is asked",
	    .choices = methods },
	{ .name = "body",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(body),
	    .max = 16384,
	    .help = "body of the request; its Content-Type is one of headers",
	    .secret = BL_CONF_HIDDEN },
	{ .name = "auth",
	    .type = BL_CONF_ENUM,
	    .dflt = "none",
	    .offset = AT(auth),
	    .help = "whether the request carries a password (basic) or a token (bearer)",
	    .choices = auths },
	{ .name = "user",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(user),
	    .max = PROBE_USER_MAX,
	    .help = "user name of auth basic",
	    .check = probe_check_user },
	{ .name = "secret_file",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(secret_file),
	    .max = 4096,
	    .help =
		"file with the password or token in its first line, which nobody else may read" },
	{ .name = "proxy",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = AT(proxy),
	    .help = "kind http: an HTTP proxy that is asked instead; https through a tunnel",
	    .section = &probe_proxy_section },
	{ .name = "redirects",
	    .type = BL_CONF_INT,
	    .dflt = "0",
	    .offset = AT(redirects),
	    .max = PROBE_REDIRECTS_MAX,
	    .help = "redirects followed at most; 0: a redirect is the answer" },
	{ .name = "compressed",
	    .type = BL_CONF_BOOL,
	    .dflt = "false",
	    .offset = AT(compressed),
	    .help = "ask for gzip or deflate (what comes compressed is looked at decoded anyway)" },
	{ .name = "headers",
	    .type = BL_CONF_MAP,
	    .dflt = "",
	    .offset = AT(headers),
	    .max = 16,
	    .help = "further request headers",
	    .check = check_headers,
	    .secret = BL_CONF_HIDDEN },
	{ .name = "expect_status",
	    .type = BL_CONF_STR,
	    .dflt = "200-399",
	    .offset = AT(expect_status),
	    .min = 3,
	    .max = 128,
	    .help = "status codes that are fine, such as \"200, 204, 300-399\"",
	    .check = check_status },
	{ .name = "expect_body",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(expect_body),
	    .max = PROBE_NEEDLE_MAX,
	    .help = "text that must occur in the body; empty: any body is fine" },
	{ .name = "expect_regex",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(expect_regex),
	    .max = BL_REGEX_PATTERN_MAX,
	    .help = "regular expression that must match somewhere in the body",
	    .check = check_regex },
	{ .name = "expect_json",
	    .type = BL_CONF_MAP,
	    .dflt = "",
	    .offset = AT(expect_json),
	    .max = PROBE_JSON_WANTS_MAX,
	    .help =
		"places in the body's JSON and what must stand there: {status: ok, \"queue[0].n\": "
		"\"< 100\"}",
	    .check = check_json },
	{ .name = "body_max",
	    .type = BL_CONF_SIZE,
	    .dflt = "64KiB",
	    .offset = AT(body_max_bytes),
	    .min = 1024,
	    .max = 4194304,
	    .help = "reading a body stops here" },
	{ .name = "keep_alive",
	    .type = BL_CONF_BOOL,
	    .dflt = "false",
	    .offset = AT(keep_alive),
	    .help = "keep the connection for the next run (look-up, connect and TLS then happen "
		    "once)" },
	{ .name = "ca_file",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(ca_file),
	    .max = 4096,
	    .help = "PEM file of trusted CAs; empty: the system's" },
	{ .name = "tls_resume",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = AT(tls_resume),
	    .help = "go on with the TLS session of an earlier run, for ten minutes; false: every "
		    "handshake "
		    "is a whole one" },
	{ .name = "verify",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = AT(verify),
	    .help = "a bad certificate makes the run fail (it is measured all the same)" },
	{ 0 },
};

const struct bl_conf_section probe_conf_section = { "probe", sizeof(struct probe_conf), keys,
	check_probe };
