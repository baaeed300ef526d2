/*
 * The configuration of the kinds other than http, as data, and which key goes
 * with which kind.  Pure.
 *
 * All keys of a probe stand in one table, so that one list can hold all kinds;
 * a key that the probe's kind does not use is refused unless it has its default,
 * since somebody expects something of it.
 */
#include "probe_internal.h"
#include "probe_dns.h"
#include "probe_modbus.h"

#include <stdlib.h>
#include <string.h>

const char *const probe_kind_names[] = { "http", "tcp", "dns", "ping", "tls", "modbus", NULL };

/* ---- tables ---- */

#define AT(member) offsetof(struct probe_tcp_conf, member)

static const struct bl_conf_key tcp_keys[] = {
	{ .name = "greeting",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(greeting),
	    .min = 1,
	    .max = PROBE_NEEDLE_MAX,
	    .help =
		"text that must occur in what the server says first; empty: none is waited for" },
	{ .name = "send",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(send),
	    .min = 1,
	    .max = 1024,
	    .help = "what is sent then; empty: nothing",
	    .secret = BL_CONF_HIDDEN },
	{ .name = "expect",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(expect),
	    .min = 1,
	    .max = PROBE_NEEDLE_MAX,
	    .help = "text that must occur in what it says after that; empty: none is waited for" },
	{ 0 },
};

const struct bl_conf_section probe_tcp_section = { "tcp", sizeof(struct probe_tcp_conf), tcp_keys,
	NULL };

#undef AT
#define AT(member) offsetof(struct probe_dns_conf, member)

static const char *
check_dns_name(const void *value)
{
	return probe_dns_name_ok(*(char *const *)value)
		   ? NULL
		   : "a name of labels of letters, digits, hyphens and underscores";
}

static const char *
check_dns(const void *section, const char **key_out)
{
	const struct probe_dns_conf *c = section;
	static const char *const expected[] = {
		"expected IPv4 addresses, since type is A",
		"expected IPv6 addresses, since type is AAAA",
		"expected names, since type is CNAME",
		"expected \"10 mail.example\" or the name alone, since type is MX",
	};

	*key_out = "expect";
	for (size_t i = 0; i < c->expect.n; i++)
		if (!probe_dns_expect_ok((enum probe_dns_type)c->type, c->expect.item[i]))
			return expected[c->type];
	*key_out = NULL;
	return NULL;
}

static const struct bl_conf_key dns_keys[] = {
	{ .name = "name",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(name),
	    .min = 1,
	    .max = PROBE_DNS_NAME_MAX,
	    .help = "what is asked for",
	    .check = check_dns_name },
	{ .name = "type",
	    .type = BL_CONF_ENUM,
	    .dflt = "A",
	    .offset = AT(type),
	    .help = "which records",
	    .choices = probe_dns_type_names },
	{ .name = "expect",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = AT(expect),
	    .max = PROBE_DNS_EXPECT_MAX,
	    .help =
		"records that must be among the answers (TXT: texts that occur in one); none: any "
		"will do" },
	{ .name = "recursion",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = AT(recursion),
	    .help = "the server is to ask others when it does not know" },
	{ 0 },
};

const struct bl_conf_section probe_dns_section = { "dns", sizeof(struct probe_dns_conf), dns_keys,
	check_dns };

#undef AT
#define AT(member) offsetof(struct probe_ping_conf, member)

static const struct bl_conf_key ping_keys[] = {
	{ .name = "count",
	    .type = BL_CONF_INT,
	    .dflt = "3",
	    .offset = AT(count),
	    .min = 1,
	    .max = PROBE_PING_COUNT_MAX,
	    .help = "requests in each run" },
	{ .name = "gap",
	    .type = BL_CONF_DURATION,
	    .dflt = "200ms",
	    .offset = AT(gap_ms),
	    .min = 10,
	    .max = 10000,
	    .help = "time between them" },
	{ .name = "size",
	    .type = BL_CONF_SIZE,
	    .dflt = "56",
	    .offset = AT(size_bytes),
	    .min = PROBE_PING_SIZE_MIN,
	    .max = PROBE_PING_SIZE_MAX,
	    .help = "bytes of data in each" },
	{ 0 },
};

const struct bl_conf_section probe_ping_section = { "ping", sizeof(struct probe_ping_conf),
	ping_keys, NULL };

#undef AT
#define AT(member) offsetof(struct probe_tls_conf, member)

static const char *const tls_versions[] = { "1.0", "1.1", "1.2", NULL };

static const char *
check_server_name(const void *value)
{
	struct probe_url name;

	return probe_host_set(&name, *(char *const *)value, 0);
}

static const char *
check_tls_names(const void *value)
{
	const struct bl_conf_strlist *l = value;
	struct probe_url name;

	for (size_t i = 0; i < l->n; i++)
		if (probe_host_set(&name, l->item[i], 0) != NULL || name.literal)
			return "host names in ASCII";
	return NULL;
}

static const struct bl_conf_key tls_keys[] = {
	{ .name = "server_name",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(server_name),
	    .min = 1,
	    .max = PROBE_HOST_MAX,
	    .help = "which of its names the server is asked for and has to be; empty: host",
	    .check = check_server_name },
	{ .name = "names",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = AT(names),
	    .max = PROBE_TLS_NAMES_MAX,
	    .help = "names that the certificate must be for as well",
	    .check = check_tls_names },
	{ .name = "min_days",
	    .type = BL_CONF_INT,
	    .dflt = "0",
	    .offset = AT(min_days),
	    .max = 3650,
	    .help = "a chain that ends in fewer days fails; 0: once it has ended" },
	{ .name = "min_version",
	    .type = BL_CONF_ENUM,
	    .dflt = "1.2",
	    .offset = AT(min_version),
	    .help = "an older version of TLS fails",
	    .choices = tls_versions },
	{ 0 },
};

const struct bl_conf_section probe_tls_section = { "tls", sizeof(struct probe_tls_conf), tls_keys,
	NULL };

#undef AT
#define AT(member) offsetof(struct probe_register_conf, member)

static const char *const modbus_tables[] = { "coil", "discrete", "holding", "input", NULL };
static const char *const modbus_types[] = { "uint16", "int16", "int32", "uint32", "float32", NULL };
static const char *const modbus_orders[] = { "ABCD", "CDAB", "BADC", "DCBA", NULL };

/* As a name of a series; those of probes themselves mean something else. */
static const char *
check_register_name(const void *value)
{
	static const char expected[] = "a name of a-z, 0-9 and underscores that begins with a "
				       "letter, but not with \"probe_\"";
	const char *name = *(char *const *)value;

	if (name[0] < 'a' || name[0] > 'z' || strncmp(name, "probe_", 6) == 0 ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0')
		return expected;
	return NULL;
}

static const char *
check_register_unit(const void *value)
{
	for (const char *p = *(char *const *)value; *p != '\0'; p++)
		if (*p < '!' || *p > '~')
			return "a unit of printable ASCII without spaces, such as V or degC";
	return NULL;
}

static const char *
check_register(const void *section, const char **key_out)
{
	const struct probe_register_conf *r = section;

	*key_out = "address";
	if (r->address + probe_modbus_width(r) > 65536)
		return "expected an address whose second register is there, too";
	*key_out = "type";
	if (probe_modbus_is_bits((enum probe_modbus_table)r->table) &&
	    (r->type != PROBE_MODBUS_UINT16 || r->order != PROBE_MODBUS_ABCD || r->scale < 1 ||
		r->scale > 1 || r->offset < 0 || r->offset > 0))
		return "expected no type, order, scale or offset: coils and discrete inputs are 0 "
		       "or 1";
	*key_out = "scale";
	if (!(r->scale < 0) && !(r->scale > 0))
		return "expected a scale that is not 0";
	*key_out = NULL;
	return NULL;
}

static const struct bl_conf_key register_keys[] = {
	{ .name = "name",
	    .type = BL_CONF_STR,
	    .offset = AT(name),
	    .min = 1,
	    .max = 64,
	    .help = "its series",
	    .check = check_register_name },
	{ .name = "table",
	    .type = BL_CONF_ENUM,
	    .dflt = "holding",
	    .offset = AT(table),
	    .help = "where it is",
	    .choices = modbus_tables },
	{ .name = "address",
	    .type = BL_CONF_INT,
	    .offset = AT(address),
	    .max = 65535,
	    .help = "as it stands in the request: the first one is 0 (40001 of a manual is holding "
		    "0)" },
	{ .name = "type",
	    .type = BL_CONF_ENUM,
	    .dflt = "uint16",
	    .offset = AT(type),
	    .help = "those of 32 bits take two registers",
	    .choices = modbus_types },
	{ .name = "order",
	    .type = BL_CONF_ENUM,
	    .dflt = "ABCD",
	    .offset = AT(order),
	    .help = "how the bytes come, A being the most significant",
	    .choices = modbus_orders },
	{ .name = "scale",
	    .type = BL_CONF_NUMBER,
	    .dflt = "1",
	    .offset = AT(scale),
	    .min = -1e12,
	    .max = 1e12,
	    .help = "value = raw * scale + offset" },
	{ .name = "offset",
	    .type = BL_CONF_NUMBER,
	    .dflt = "0",
	    .offset = AT(offset),
	    .min = -1e12,
	    .max = 1e12,
	    .help = "see scale" },
	{ .name = "unit",
	    .type = BL_CONF_STR,
	    .dflt = "1",
	    .offset = AT(unit),
	    .min = 1,
	    .max = 16,
	    .help = "of the value; 1: none",
	    .check = check_register_unit },
	{ 0 },
};

static const struct bl_conf_section register_section = { "register",
	sizeof(struct probe_register_conf), register_keys, check_register };

#undef AT
#define AT(member) offsetof(struct probe_modbus_conf, member)

static const struct bl_conf_key modbus_keys[] = {
	{ .name = "unit",
	    .type = BL_CONF_INT,
	    .dflt = "1",
	    .offset = AT(unit),
	    .max = 255,
	    .help = "which device behind the address" },
	{ .name = "at_once",
	    .type = BL_CONF_INT,
	    .dflt = "125",
	    .offset = AT(at_once),
	    .min = 1,
	    .max = PROBE_MODBUS_AT_ONCE_MAX,
	    .help = "most registers in one request; of coils 16 times as many" },
	{ .name = "registers",
	    .type = BL_CONF_LIST,
	    .dflt = "",
	    .offset = AT(registers),
	    .max = PROBE_POINTS_MAX,
	    .help = "what is read",
	    .section = &register_section,
	    .unique = "name" },
	{ 0 },
};

const struct bl_conf_section probe_modbus_section = { "modbus", sizeof(struct probe_modbus_conf),
	modbus_keys, NULL };

unsigned
probe_points(const struct probe_conf *conf)
{
	if (conf->kind != PROBE_MODBUS)
		return 0;
	return conf->modbus.registers.n < PROBE_POINTS_MAX ? (unsigned)conf->modbus.registers.n
							   : PROBE_POINTS_MAX;
}

unsigned
probe_points_most(const struct bl_conf_list *probes)
{
	const struct probe_conf *c = probes->item;
	unsigned most = 0;

	for (size_t i = 0; i < probes->n; i++)
		most = probe_points(&c[i]) > most ? probe_points(&c[i]) : most;
	return most;
}

/* ---- which key goes with which kind ---- */

#define KIND(k) (1u << (k))
#define ALL     (~0u)

/* Keys that are not here are http's. */
static const struct {
	const char *key;
	unsigned kinds;
} used_by[] = {
	{ "name", ALL },
	{ "kind", ALL },
	{ "interval", ALL },
	{ "timeout", ALL },
	{ "host", ALL & ~KIND(PROBE_HTTP) },
	{ "port", KIND(PROBE_TCP) | KIND(PROBE_DNS) | KIND(PROBE_TLS) | KIND(PROBE_MODBUS) },
	{ "tcp", KIND(PROBE_TCP) },
	{ "dns", KIND(PROBE_DNS) },
	{ "ping", KIND(PROBE_PING) },
	{ "tls", KIND(PROBE_TLS) },
	{ "modbus", KIND(PROBE_MODBUS) },
	{ "ca_file", KIND(PROBE_HTTP) | KIND(PROBE_TLS) },
	{ "verify", KIND(PROBE_HTTP) | KIND(PROBE_TLS) },
};

static bool
is_used(const char *key, int kind)
{
	for (size_t i = 0; i < sizeof(used_by) / sizeof(used_by[0]); i++)
		if (strcmp(used_by[i].key, key) == 0)
			return (used_by[i].kinds & KIND(kind)) != 0;
	return kind == PROBE_HTTP;
}

static bool section_is_default(const struct bl_conf_section *s, const void *conf);

/* What stands in the struct is what stands there without the key. */
static bool
is_default(const struct bl_conf_key *k, const void *conf)
{
	const void *field = (const char *)conf + k->offset;
	const char *text;
	int64_t n = 0;

	switch (k->type) {
	case BL_CONF_STR:
		text = *(char *const *)field;
		return text == NULL || (k->dflt != NULL && strcmp(text, k->dflt) == 0);
	case BL_CONF_INT:
		return *(const int64_t *)field == strtoll(k->dflt, NULL, 10);
	case BL_CONF_NUMBER:
		return !(*(const double *)field < strtod(k->dflt, NULL)) &&
		       !(*(const double *)field > strtod(k->dflt, NULL));
	case BL_CONF_BOOL:
		return *(const bool *)field ==
		       (strcmp(k->dflt, "true") == 0 || strcmp(k->dflt, "yes") == 0);
	case BL_CONF_DURATION:
		return bl_conf_duration_parse(k->dflt, &n) && *(const int64_t *)field == n;
	case BL_CONF_SIZE:
		return bl_conf_size_parse(k->dflt, &n) && *(const int64_t *)field == n;
	case BL_CONF_ENUM:
		return strcmp(k->choices[*(const int *)field], k->dflt) == 0;
	case BL_CONF_STRLIST:
		return ((const struct bl_conf_strlist *)field)->n == 0;
	case BL_CONF_MAP:
		return ((const struct bl_conf_strmap *)field)->n == 0;
	case BL_CONF_LIST:
		return ((const struct bl_conf_list *)field)->n == 0;
	case BL_CONF_SECTION:
		return section_is_default(k->section, field);
	case BL_CONF_INCLUDE:
		return true;
	}
	return true;
}

static bool
section_is_default(const struct bl_conf_section *s, const void *conf)
{
	for (const struct bl_conf_key *k = s->keys; k->name != NULL; k++)
		if (!is_default(k, conf))
			return false;
	return true;
}

const char *
probe_kind_check(const struct probe_conf *c, const char **key_out)
{
	for (const struct bl_conf_key *k = probe_conf_section.keys; k->name != NULL; k++) {
		if (is_used(k->name, c->kind) || is_default(k, c))
			continue;
		*key_out = k->name;
		return "a key that this kind of probe does not use";
	}
	*key_out = c->kind == PROBE_HTTP ? "url" : "host";
	if (c->kind == PROBE_HTTP && c->url == NULL)
		return "expected an http:// or https:// address: kind http needs it";
	if (c->kind != PROBE_HTTP && c->host == NULL)
		return "expected a host name or an address: this kind of probe needs it";
	if (c->kind == PROBE_TCP && c->port == 0) {
		*key_out = "port";
		return "expected a port: kind tcp has no usual one";
	}
	if (c->kind == PROBE_DNS && c->dns.name == NULL) {
		*key_out = "dns";
		return "expected dns.name: what to ask for";
	}
	if (c->kind == PROBE_PING &&
	    (c->ping.count - 1) * c->ping.gap_ms + c->timeout_ms > c->interval_ms) {
		*key_out = "ping";
		return "expected that all requests and the last one's timeout fit into the "
		       "interval";
	}
	if (c->kind == PROBE_MODBUS && c->modbus.registers.n == 0) {
		*key_out = "modbus";
		return "expected modbus.registers: what to read";
	}
	*key_out = NULL;
	return NULL;
}
