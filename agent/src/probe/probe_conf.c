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
		"Upgrade", "Expect", "TE", "Trailer" };
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

static const char *
check_user(const void *value)
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
	return check_request(c, key_out);
}

const char *
probe_list_check(const void *list)
{
	const struct bl_conf_list *l = list;
	const struct probe_conf *c = l->item;

	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(c[i].name, c[k].name) == 0)
				return "probes with distinct names";
	return NULL;
}

#define AT(member) offsetof(struct probe_conf, member)

static const struct bl_conf_key keys[] = {
	{ "name", BL_CONF_STR, NULL, AT(name), 1, PROBE_NAME_MAX, "its name in series and events",
	    NULL, NULL, check_name },
	{ "kind", BL_CONF_ENUM, "http", AT(kind), 0, 0,
	    "what is asked; keys of other kinds are refused", probe_kind_names, NULL, NULL },
	{ "url", BL_CONF_STR, "", AT(url), 1, 2048, "kind http: http:// or https:// address to ask",
	    NULL, NULL, check_url },
	{ "host", BL_CONF_STR, "", AT(host), 1, PROBE_HOST_MAX,
	    "other kinds: the name or address to ask", NULL, NULL, check_host },
	{ "port", BL_CONF_INT, "0", AT(port), 0, 65535, "its port; 0: the kind's usual one", NULL,
	    NULL, NULL },
	{ "dns", BL_CONF_SECTION, "", AT(dns), 0, 0, "kind dns", NULL, &probe_dns_section, NULL },
	{ "ping", BL_CONF_SECTION, "", AT(ping), 0, 0, "kind ping", NULL, &probe_ping_section,
	    NULL },
	{ "tls", BL_CONF_SECTION, "", AT(tls), 0, 0, "kind tls", NULL, &probe_tls_section, NULL },
	{ "modbus", BL_CONF_SECTION, "", AT(modbus), 0, 0, "kind modbus", NULL,
	    &probe_modbus_section, NULL },
	{ "tcp", BL_CONF_SECTION, "", AT(tcp), 0, 0, "kind tcp", NULL, &probe_tcp_section, NULL },
	{ "interval", BL_CONF_DURATION, "30s", AT(interval_ms), 1000, 86400e3, "time between runs",
	    NULL, NULL, NULL },
	{ "timeout", BL_CONF_DURATION, "5s", AT(timeout_ms), 100, 60e3,
	    "most time for each phase (look-up, connect, TLS, first byte, transfer)", NULL, NULL,
	    NULL },
	{ "method", BL_CONF_ENUM, "GET", AT(method), 0, 0, "how it is asked", methods, NULL, NULL },
	{ "body", BL_CONF_STR, "", AT(body), 0, 16384,
	    "body of the request; its Content-Type is one of headers", NULL, NULL, NULL },
	{ "auth", BL_CONF_ENUM, "none", AT(auth), 0, 0,
	    "whether the request carries a password (basic) or a token (bearer)", auths, NULL,
	    NULL },
	{ "user", BL_CONF_STR, "", AT(user), 0, PROBE_USER_MAX, "user name of auth basic", NULL,
	    NULL, check_user },
	{ "secret_file", BL_CONF_STR, "", AT(secret_file), 0, 4096,
	    "file with the password or token in its first line, which nobody else may read", NULL,
	    NULL, NULL },
	{ "redirects", BL_CONF_INT, "0", AT(redirects), 0, PROBE_REDIRECTS_MAX,
	    "redirects followed at most; 0: a redirect is the answer", NULL, NULL, NULL },
	{ "compressed", BL_CONF_BOOL, "false", AT(compressed), 0, 0,
	    "ask for gzip or deflate (what comes compressed is looked at decoded anyway)", NULL,
	    NULL, NULL },
	{ "headers", BL_CONF_MAP, "", AT(headers), 0, 16, "further request headers", NULL, NULL,
	    check_headers },
	{ "expect_status", BL_CONF_STR, "200-399", AT(expect_status), 3, 128,
	    "status codes that are fine, such as \"200, 204, 300-399\"", NULL, NULL, check_status },
	{ "expect_body", BL_CONF_STR, "", AT(expect_body), 0, PROBE_NEEDLE_MAX,
	    "text that must occur in the body; empty: any body is fine", NULL, NULL, NULL },
	{ "expect_regex", BL_CONF_STR, "", AT(expect_regex), 0, BL_REGEX_PATTERN_MAX,
	    "regular expression that must match somewhere in the body", NULL, NULL, check_regex },
	{ "expect_json", BL_CONF_MAP, "", AT(expect_json), 0, PROBE_JSON_WANTS_MAX,
	    "places in the body's JSON and what must stand there: {status: ok, \"queue[0].n\": "
	    "\"< 100\"}",
	    NULL, NULL, check_json },
	{ "body_max", BL_CONF_SIZE, "64KiB", AT(body_max_bytes), 1024, 4194304,
	    "reading a body stops here", NULL, NULL, NULL },
	{ "keep_alive", BL_CONF_BOOL, "false", AT(keep_alive), 0, 0,
	    "keep the connection for the next run (look-up, connect and TLS then happen once)",
	    NULL, NULL, NULL },
	{ "ca_file", BL_CONF_STR, "", AT(ca_file), 0, 4096,
	    "PEM file of trusted CAs; empty: the system's", NULL, NULL, NULL },
	{ "tls_resume", BL_CONF_BOOL, "true", AT(tls_resume), 0, 0,
	    "go on with the TLS session of an earlier run, for ten minutes; false: every handshake "
	    "is a whole one",
	    NULL, NULL, NULL },
	{ "verify", BL_CONF_BOOL, "true", AT(verify), 0, 0,
	    "a bad certificate makes the run fail (it is measured all the same)", NULL, NULL,
	    NULL },
	{ 0 },
};

const struct bl_conf_section probe_conf_section = { "probe", sizeof(struct probe_conf), keys,
	check_probe };
