/*
 * The agent's configuration: its tables.
 *
 * The table of the section `samplers` is put together at run time from the
 * samplers there are, each bringing its own; so a new sampler needs no change
 * here.  Their structs lie behind struct config_values in one allocation.
 */
#include "agent_memory.h"
#include "config_internal.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/topic.h"
#include "branchline/wire.h"

#include "probe.h"
#include "sample.h"

static const char *
check_id(const void *value)
{
	return bl_id_text_valid(*(char *const *)value)
		   ? NULL
		   : "an id of lower-case letters, digits and hyphens, at most 63";
}

static const struct bl_conf_key device_keys[] = {
	{ .name = "id",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct config_device, id),
	    .help = "the device's id, the common name of its certificate",
	    .check = check_id },
	{ .name = "site",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct config_device, site),
	    .help = "the id of the site where it stands",
	    .check = check_id },
	{ .name = "part",
	    .type = BL_CONF_INT,
	    .offset = offsetof(struct config_device, part),
	    .min = 0,
	    .max = BL_PARTS - 1,
	    .help = "the site's part of the fleet, as `branchline device add` wrote it" },
	{ 0 },
};

static const struct bl_conf_section device_section = { "device", sizeof(struct config_device),
	device_keys, NULL };

static const char *
check_memory(const void *value)
{
	const int64_t *bytes = value;

	return *bytes == 0 || *bytes >= MEMORY_LEAST ? NULL : "0 for no ceiling, or 12MiB and more";
}

static const struct bl_conf_key spool_keys[] = {
	{ .name = "max_bytes",
	    .type = BL_CONF_SIZE,
	    .dflt = "64MiB",
	    .offset = offsetof(struct config_spool, max_bytes),
	    .min = 1 << 20,
	    .max = 1ll << 40,
	    .help = "the spool file with its log never grows beyond" },
	{ .name = "memory",
	    .type = BL_CONF_SIZE,
	    .dflt = "512KiB",
	    .offset = offsetof(struct config_spool, memory_bytes),
	    .min = 16 << 10,
	    .max = 64 << 20,
	    .help = "how much waits in memory while the disk is full or read-only" },
	{ .name = "group",
	    .type = BL_CONF_DURATION,
	    .dflt = "0s",
	    .offset = offsetof(struct config_spool, group_ms),
	    .min = 0,
	    .max = 15ll * 60000,
	    .help =
		"for SD cards: samples wait so long in memory and are written together; a crash "
		"or power cut loses that much, named in the ledger (events are written at "
		"once); with a link they are sent that seldom, too" },
	{ .name = "keep_receipted",
	    .type = BL_CONF_DURATION,
	    .dflt = "72h",
	    .offset = offsetof(struct config_spool, keep_receipted_ms),
	    .min = 0,
	    .max = 365ll * 86400000,
	    .help = "how long delivered data stays while there is room; longer than the centre's "
		    "backup interval" },
	{ 0 },
};

const struct bl_conf_section config_spool_section = { "spool", sizeof(struct config_spool),
	spool_keys, NULL };

static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };

static const struct bl_conf_key inlets_keys[] = {
	{ .name = "steps",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_inlets, steps),
	    .help = "steps of business processes, a line each",
	    .section = &steps_conf_section },
	{ .name = "http",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_inlets, http),
	    .help = "reports by HTTP, as JSON",
	    .section = &inlet_http_conf_section },
	{ .name = "statsd",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_inlets, statsd),
	    .help = "what StatsD and DogStatsD clients send",
	    .section = &statsd_conf_section },
	{ .name = "scrape",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_inlets, scrape),
	    .help = "pages of Prometheus exporters of this machine",
	    .section = &scrape_conf_section },
	{ .name = "drop",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_inlets, drop),
	    .help = "files of rows that applications put into folders",
	    .section = &drop_conf_section },
	{ .name = "loglines",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_inlets, loglines),
	    .help = "lines of other programs' logs, by regular expressions",
	    .section = &loglines_conf_section },
	{ 0 },
};

const struct bl_conf_section config_inlets_section = { "inlets", sizeof(struct config_inlets),
	inlets_keys, NULL };

static const struct bl_conf_key root_keys[] = {
	{ .name = "include",
	    .type = BL_CONF_INCLUDE,
	    .dflt = "",
	    .help = "further files, relative to the folder of the first one: sections are merged, "
		    "lists of sections go on, and no other key may stand twice" },
	{ .name = "device",
	    .type = BL_CONF_SECTION,
	    .offset = offsetof(struct config_values, device),
	    .help = "who this is",
	    .section = &device_section },
	{ .name = "broker",
	    .type = BL_CONF_SECTION,
	    .offset = offsetof(struct config_values, broker),
	    .help = "where data goes, and with which identity",
	    .section = &config_broker_section },
	{ .name = "state_dir",
	    .type = BL_CONF_STR,
	    .dflt = CONFIG_STATE_DEFAULT,
	    .offset = offsetof(struct config_values, state_dir),
	    .min = 1,
	    .max = 4000,
	    .help = "folder of the spool, the saved time and the control socket" },
	{ .name = "spool",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_values, spool),
	    .help = "the durable queue",
	    .section = &config_spool_section },
	{ .name = "interval",
	    .type = BL_CONF_DURATION,
	    .dflt = "10s",
	    .offset = offsetof(struct config_values, interval_ms),
	    .min = 1000,
	    .max = 3600000,
	    .help = "time between samples of this machine" },
	{ .name = "max_series",
	    .type = BL_CONF_INT,
	    .dflt = "5000",
	    .offset = offsetof(struct config_values, max_series),
	    .min = 10,
	    .max = BL_DICT_ENTRIES_MAX,
	    .help = "series of samplers and probes since the start; further ones are refused, "
		    "counted and named in the ledger" },
	{ .name = "max_memory",
	    .type = BL_CONF_SIZE,
	    .dflt = "64MiB",
	    .offset = offsetof(struct config_values, max_memory),
	    .max = 1ll << 40,
	    .help =
		"the agent's own memory never grows beyond: what has no room is refused, counted "
		"and named in the ledger; 0: no ceiling, else at least 12MiB",
	    .check = check_memory },
	{ .name = "log_level",
	    .type = BL_CONF_ENUM,
	    .dflt = "info",
	    .offset = offsetof(struct config_values, log_level),
	    .help = "what goes to standard error",
	    .choices = log_levels },
	{ .name = "probes",
	    .type = BL_CONF_LIST,
	    .dflt = "",
	    .offset = offsetof(struct config_values, probes),
	    .max = PROBES_MAX,
	    .help = "services to check",
	    .section = &probe_conf_section,
	    .unique = "name" },
	{ .name = "inlets",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_values, inlets),
	    .help = "what programs of this machine may report",
	    .section = &config_inlets_section },
	{ .name = "metered",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_values, metered),
	    .help = "what the link may carry, where it is paid for by the byte",
	    .section = &config_metered_section },
	{ .name = "local",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_values, local),
	    .help = "what people and programs at this machine see: a status page, /metrics",
	    .section = &config_local_section },
	{ 0 },
};

_Static_assert(
    sizeof(root_keys) / sizeof(root_keys[0]) <= CONFIG_ROOT_KEYS_MAX, "and one for the samplers");

static size_t
aligned(size_t n)
{
	const size_t to = _Alignof(max_align_t);

	return (n + to - 1) / to * to;
}

/* The tables: the fixed keys, and one section of the samplers' own. */
struct config_schema *
config_schema_create(void)
{
	struct config_schema *s = calloc(1, sizeof(*s));
	const size_t n_root = sizeof(root_keys) / sizeof(root_keys[0]) - 1;
	size_t at = 0, n = 0;

	if (s == NULL)
		return NULL;
	for (size_t i = 0; samplers[i] != NULL && n < CONFIG_SAMPLERS_MAX; i++) {
		if (samplers[i]->options == NULL)
			continue;
		s->samplers[n] = (struct bl_conf_key){ .name = samplers[i]->kind,
			.type = BL_CONF_SECTION,
			.dflt = "",
			.offset = (uint32_t)at,
			.section = samplers[i]->options };
		s->sampler_of[n] = i;
		s->sampler_offset[n] = aligned(sizeof(struct config_values)) + at;
		at += aligned(samplers[i]->options->size);
		n++;
	}
	s->samplers_section =
	    (struct bl_conf_section){ "samplers", at == 0 ? 1 : at, s->samplers, NULL };
	memcpy(s->root, root_keys, n_root * sizeof(root_keys[0]));
	s->root[n_root] = (struct bl_conf_key){ .name = "samplers",
		.type = BL_CONF_SECTION,
		.dflt = "",
		.offset = (uint32_t)aligned(sizeof(struct config_values)),
		.help = "what is sampled of this machine",
		.section = &s->samplers_section };
	s->root_section = (struct bl_conf_section){ "agent",
		aligned(sizeof(struct config_values)) + s->samplers_section.size, s->root, NULL };
	return s;
}

const void *
config_sampler(const struct config *c, size_t i)
{
	for (size_t n = 0; n < CONFIG_SAMPLERS_MAX && c->schema->samplers[n].name != NULL; n++)
		if (c->schema->sampler_of[n] == i)
			return (const char *)c->v + c->schema->sampler_offset[n];
	return NULL;
}

int
config_print(const struct config *c, FILE *to)
{
	return bl_conf_print(&c->schema->root_section, c->v, to);
}

int
config_print_for_people(
    const struct config *c, const struct bl_conf_sources *sources, bool with_secrets, FILE *to)
{
	return bl_conf_print_for_people(&c->schema->root_section, c->v, sources, with_secrets, to);
}

int
config_print_options(FILE *to)
{
	struct config_schema *s = config_schema_create();

	if (s == NULL)
		return BL_ENOMEM;
	bl_conf_print_options(&s->root_section, to);
	free(s);
	return BL_OK;
}
