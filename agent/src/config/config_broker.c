/*
 * The way to the broker: the section `broker` with its proxy, and what the link
 * is told of it.
 */
#include "config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

const char *const config_transports[] = { "tcp", "websocket", NULL };

/* ---- the proxy's address ---- */

struct url {
	const char *host;
	size_t host_len;
	unsigned port;
};

/* "http://HOST:PORT" or "http://[ADDRESS]:PORT", a slash behind it at most. */
static bool
url_parse(const char *text, struct url *out)
{
	static const char scheme[] = "http://";
	const char *end;
	char *stop;

	if (strncmp(text, scheme, sizeof(scheme) - 1) != 0)
		return false;
	out->host = text + sizeof(scheme) - 1;
	if (*out->host == '[') {
		out->host++;
		out->host_len = strspn(out->host, "0123456789abcdefABCDEF:.");
		end = out->host + out->host_len;
		if (*end++ != ']')
			return false;
	} else {
		out->host_len =
		    strspn(out->host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-_");
		end = out->host + out->host_len;
	}
	if (out->host_len == 0 || out->host_len > 253 || end[0] != ':' ||
	    strspn(end + 1, "0123456789") == 0)
		return false;
	out->port = (unsigned)strtoul(end + 1, &stop, 10);
	if (*stop == '/')
		stop++;
	return *stop == '\0' && stop - end < 8 && out->port >= 1 && out->port <= 65535;
}

static const char *
check_url(const void *value)
{
	struct url u;

	return url_parse(*(char *const *)value, &u) ? NULL
						    : "the address of an HTTP proxy such as "
						      "http://proxy.example:3128, without user and "
						      "password (they have keys of their own)";
}

/* What stands in a line of HTTP. */
static bool
plain(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static const char *
check_user(const void *value)
{
	const char *text = *(char *const *)value;

	return plain(text) && strchr(text, ':') == NULL ? NULL : "a name without colon";
}

static const char *
check_path(const void *value)
{
	const char *text = *(char *const *)value;

	return text[0] == '/' && plain(text) && strchr(text, ' ') == NULL
		   ? NULL
		   : "a path that begins with / and has no blanks";
}

static const char *
check_proxy(const void *section, const char **key_out)
{
	const struct config_proxy *p = section;

	if (p->url == NULL && p->user != NULL) {
		*key_out = "user";
		return "there is no proxy to sign in at: set url";
	}
	if (p->user != NULL && p->password_file == NULL) {
		*key_out = "user";
		return "needs password_file";
	}
	return NULL;
}

static const struct bl_conf_key proxy_keys[] = {
	{ .name = "url",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_proxy, url),
	    .max = 300,
	    .help = "http://HOST:PORT; none: the broker is reached directly",
	    .check = check_url },
	{ .name = "user",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_proxy, user),
	    .max = 120,
	    .help = "user name for the proxy (Basic); none: without signing in",
	    .check = check_user },
	{ .name = "password_file",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_proxy, password_file),
	    .max = 4000,
	    .help =
		"file with the password alone in its first line; mode 0600, read anew for every "
		"connection" },
	{ 0 },
};

const struct bl_conf_section config_proxy_section = { "proxy", sizeof(struct config_proxy),
	proxy_keys, check_proxy };

/* ---- the broker ---- */

static const struct bl_conf_key broker_keys[] = {
	{ .name = "host",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct config_broker, host),
	    .min = 1,
	    .max = 253,
	    .help = "name or address of the broker" },
	{ .name = "port",
	    .type = BL_CONF_INT,
	    .dflt = "8883",
	    .offset = offsetof(struct config_broker, port),
	    .min = 1,
	    .max = 65535,
	    .help = "its TLS port; the WebSocket listener's with transport: websocket" },
	{ .name = "verify_name",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_broker, verify_name),
	    .max = 253,
	    .help = "the name that its certificate must carry; none: host" },
	{ .name = "ca",
	    .type = BL_CONF_STR,
	    .dflt = "ca.pem",
	    .offset = offsetof(struct config_broker, ca),
	    .min = 1,
	    .max = 4000,
	    .help = "certificate of the organisation's CA (PEM)" },
	{ .name = "certificate",
	    .type = BL_CONF_STR,
	    .dflt = "certificate.pem",
	    .offset = offsetof(struct config_broker, certificate),
	    .min = 1,
	    .max = 4000,
	    .help = "this device's certificate (PEM)" },
	{ .name = "key",
	    .type = BL_CONF_STR,
	    .dflt = "key.pem",
	    .offset = offsetof(struct config_broker, key),
	    .min = 1,
	    .max = 4000,
	    .help = "its private key (PEM), readable by the agent alone" },
	{ .name = "crl",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_broker, crl),
	    .max = 4000,
	    .help = "list of revoked certificates (PEM) to check the broker's against" },
	{ .name = "transport",
	    .type = BL_CONF_ENUM,
	    .dflt = "tcp",
	    .offset = offsetof(struct config_broker, transport),
	    .help = "MQTT on TLS, or inside of WebSocket on TLS where only the web is let through",
	    .choices = config_transports },
	{ .name = "path",
	    .type = BL_CONF_STR,
	    .dflt = "/mqtt",
	    .offset = offsetof(struct config_broker, path),
	    .min = 1,
	    .max = 120,
	    .help = "the path of the WebSocket",
	    .check = check_path },
	{ .name = "proxy",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_broker, proxy),
	    .help = "an HTTP proxy on the way to the broker",
	    .section = &config_proxy_section },
	{ 0 },
};

const struct bl_conf_section config_broker_section = { "broker", sizeof(struct config_broker),
	broker_keys, NULL };

int
config_broker_place(struct config *c, struct bl_err *err)
{
	struct url u;

	if (c->v->broker.proxy.url == NULL || !url_parse(c->v->broker.proxy.url, &u))
		return BL_OK;
	c->proxy_port = (uint16_t)u.port;
	if ((c->proxy_host = strndup(u.host, u.host_len)) == NULL)
		return bl_fail(err, BL_ENOMEM, "read %s: out of memory", c->path);
	return BL_OK;
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool
config_broker_same_way(const struct config_broker *a, const struct config_broker *b)
{
	return same(a->host, b->host) && a->port == b->port &&
	       same(a->verify_name, b->verify_name) && a->transport == b->transport &&
	       (a->transport == CONFIG_TCP || same(a->path, b->path)) &&
	       same(a->proxy.url, b->proxy.url) && same(a->proxy.user, b->proxy.user);
}

void
config_link(const struct config *c, struct bl_link_cfg *out)
{
	const struct config_broker *b = &c->v->broker;

	memset(out, 0, sizeof(*out));
	out->host = b->host;
	out->port = (uint16_t)b->port;
	out->verify_name = b->verify_name;
	out->ca_file = b->ca;
	out->cert_file = b->certificate;
	out->key_file = b->key;
	out->crl_file = b->crl;
	out->proxy_host = c->proxy_host;
	out->proxy_port = c->proxy_port;
	out->proxy_user = b->proxy.user;
	out->proxy_password_file = b->proxy.password_file;
	out->websocket_path = b->transport == CONFIG_WEBSOCKET ? b->path : NULL;
	out->resume = true;
	out->handover = true;
}
