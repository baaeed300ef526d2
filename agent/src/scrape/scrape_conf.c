/* The configuration: the table, and what is refused in it. */
#include "scrape_internal.h"

#include <stddef.h>
#include <string.h>

#define LISTED_MAX 64

static const char *
check_name(const void *value)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
	/* agent_inlets.c: an exporter must not write into the series of another source. */
	static const char *const others[] = { "socket", "loglines", "statsd", "http", "drop" };
	const char *text = *(char *const *)value;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(text, others[i]) == 0)
			return "another name, not socket, loglines, statsd, http or drop: other "
			       "inlets have these as `source`";
	return text[strspn(text, ok)] == '\0'
		   ? NULL
		   : "a name of lower-case letters, digits, hyphens and underscores";
}

static bool
is_loopback(const struct probe_url *u)
{
	return strcmp(u->host, "localhost") == 0 || strcmp(u->host, "::1") == 0 ||
	       (u->literal && strncmp(u->host, "127.", 4) == 0);
}

static const char *
check_url(const void *value)
{
	struct probe_url u;

	if (probe_url_parse(*(char *const *)value, &u) != NULL || u.tls || !is_loopback(&u))
		return "an address of this machine, like http://127.0.0.1:9100/metrics";
	return NULL;
}

/* "name" or "name{label=value}". */
static const char *
check_patterns(const void *value)
{
	const struct bl_conf_strlist *list = value;

	for (size_t i = 0; i < list->n; i++) {
		const char *p = list->item[i], *brace = strchr(p, '{');
		const char *equals = brace != NULL ? strchr(brace, '=') : NULL;
		const size_t len = strlen(p);

		if (len > BL_LABEL_VALUE_MAX ||
		    (brace != NULL && (equals == NULL || equals == brace + 1 || p[len - 1] != '}' ||
					  strchr(brace, '}') != p + len - 1)))
			return "names of metrics (wildcards * and ?), or name{label=value} with "
			       "one label, at most 128 bytes";
	}
	return NULL;
}

static const char *
check_rename(const void *value)
{
	const struct bl_conf_strmap *map = value;
	char name[BL_NAME_MAX + 1];

	for (size_t i = 0; i < map->n; i++)
		if (!intake_clean_name(
			NULL, (struct bl_str){ map->value[i], strlen(map->value[i]) }, name) ||
		    strcmp(name, map->value[i]) != 0)
			return "new names of lower-case letters, digits and underscores, at most "
			       "64 bytes";
	return NULL;
}

static const char *
check_labels(const void *value)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
	const struct bl_conf_strmap *map = value;

	for (size_t i = 0; i < map->n; i++) {
		const size_t len = strlen(map->value[i]);
		const char *key = map->key[i];

		if (key[0] < 'a' || key[0] > 'z' || key[strspn(key, ok)] != '\0' ||
		    strlen(key) > BL_NAME_MAX || len == 0 || len > BL_LABEL_VALUE_MAX ||
		    strcmp(key, INTAKE_SOURCE_LABEL) == 0)
			return "labels of lower-case letters, digits and underscores (not "
			       "`source`), "
			       "with values of 1 to 128 bytes";
	}
	return NULL;
}

static const struct bl_conf_key exporter_keys[] = {
	{ .name = "name",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct scrape_exporter_conf, name),
	    .min = 1,
	    .max = SCRAPE_NAME_MAX,
	    .help = "what it is called: the label `source` of its series",
	    .check = check_name },
	{ .name = "url",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct scrape_exporter_conf, url),
	    .min = 1,
	    .max = 1024,
	    .help = "its page: http on this machine, like http://127.0.0.1:9100/metrics",
	    .check = check_url },
	{ .name = "socket",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct scrape_exporter_conf, socket),
	    .max = 4000,
	    .help = "its Unix socket, which is asked instead of the url's host and port" },
	{ .name = "interval",
	    .type = BL_CONF_DURATION,
	    .dflt = "1m",
	    .offset = offsetof(struct scrape_exporter_conf, interval_ms),
	    .min = 1000,
	    .max = 3600000,
	    .help = "time between pages" },
	{ .name = "timeout",
	    .type = BL_CONF_DURATION,
	    .dflt = "5s",
	    .offset = offsetof(struct scrape_exporter_conf, timeout_ms),
	    .min = 100,
	    .max = 60000,
	    .help = "a page that is not whole by then is none" },
	{ .name = "include",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct scrape_exporter_conf, include),
	    .max = LISTED_MAX,
	    .help = "only these metrics (wildcards * and ?; name{label=value})",
	    .check = check_patterns },
	{ .name = "exclude",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct scrape_exporter_conf, exclude),
	    .max = LISTED_MAX,
	    .help = "not these metrics (wildcards * and ?; name{label=value})",
	    .check = check_patterns },
	{ .name = "rename",
	    .type = BL_CONF_MAP,
	    .dflt = "",
	    .offset = offsetof(struct scrape_exporter_conf, rename),
	    .max = LISTED_MAX,
	    .help = "new names of metrics, by their old ones",
	    .check = check_rename },
	{ .name = "labels",
	    .type = BL_CONF_MAP,
	    .dflt = "",
	    .offset = offsetof(struct scrape_exporter_conf, labels),
	    .max = BL_LABELS_MAX - 1,
	    .help = "labels that each of its series gets",
	    .check = check_labels },
	{ .name = "max_series",
	    .type = BL_CONF_INT,
	    .dflt = "1000",
	    .offset = offsetof(struct scrape_exporter_conf, max_series),
	    .min = 1,
	    .max = 16384,
	    .help = "series of it since the start; further ones are refused and counted" },
	{ .name = "max_bytes",
	    .type = BL_CONF_SIZE,
	    .dflt = "4MiB",
	    .offset = offsetof(struct scrape_exporter_conf, max_bytes),
	    .min = 1024,
	    .max = 64 << 20,
	    .help = "a longer page is none" },
	{ 0 },
};

static const struct bl_conf_section exporter_section = { "exporter",
	sizeof(struct scrape_exporter_conf), exporter_keys, NULL };

static const struct bl_conf_key scrape_keys[] = {
	{ .name = "exporters",
	    .type = BL_CONF_LIST,
	    .dflt = "",
	    .offset = offsetof(struct scrape_conf, exporters),
	    .max = SCRAPE_EXPORTERS_MAX,
	    .help = "Prometheus exporters of this machine whose pages are read",
	    .section = &exporter_section,
	    .unique = "name" },
	{ 0 },
};

const struct bl_conf_section scrape_conf_section = { "scrape", sizeof(struct scrape_conf),
	scrape_keys, NULL };
