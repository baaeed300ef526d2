/*
 * The areas, the units, and finding a row.
 *
 * Rows are looked for one after the other: some two hundred comparisons, at
 * the rate at which people open pages.
 */
#include "catalogue_internal.h"

#include <string.h>

const struct bl_catalogue_area bl_catalogue_areas[] = {
	{ "cpu", catalogue_cpu },
	{ "memory", catalogue_memory },
	{ "disk", catalogue_disk },
	{ "network", catalogue_network },
	{ "file", catalogue_file },
	{ "pressure", catalogue_pressure },
	{ "log", catalogue_log },
	{ "process", catalogue_process },
	{ "sensors", catalogue_sensors },
	{ "system", catalogue_system },
	{ "probe", catalogue_probe },
	{ "agent", catalogue_agent },
	{ "plugins", catalogue_plugins },
	{ NULL, NULL },
};

const struct bl_unit bl_catalogue_units[] = {
	{ "1", "", "" },
	{ "pct", "%", "%" },
	{ "bytes", "B", "B" },
	{ "ms", "ms", "毫秒" },
	{ "us", "µs", "微秒" },
	{ "s", "s", "秒" },
	{ "days", "d", "天" },
	{ "ppm", "ppm", "ppm" },
	{ "celsius", "°C", "°C" },
	{ "volt", "V", "伏" },
	{ "ampere", "A", "安" },
	{ "watt", "W", "瓦" },
	{ "watt_hour", "Wh", "瓦时" },
	{ "joule", "J", "焦" },
	{ "rpm", "rpm", "转/分" },
	{ NULL, NULL, NULL },
};

static bool
is(const char *known, const char *name, size_t len)
{
	return strlen(known) == len && memcmp(known, name, len) == 0;
}

const struct bl_metric *
bl_catalogue_find(const char *name, size_t len)
{
	for (const struct bl_catalogue_area *a = bl_catalogue_areas; a->name != NULL; a++)
		for (const struct bl_metric *m = a->row; m->name != NULL; m++)
			if (is(m->name, name, len))
				return m;
	return NULL;
}

bool
bl_catalogue_own(const char *name, size_t len)
{
	const struct bl_metric *found = bl_catalogue_find(name, len);

	for (const struct bl_metric *m = catalogue_plugins; m->name != NULL; m++)
		if (m == found)
			return false;
	return found != NULL;
}

const struct bl_unit *
bl_catalogue_unit(const char *name, size_t len)
{
	for (const struct bl_unit *u = bl_catalogue_units; u->name != NULL; u++)
		if (is(u->name, name, len))
			return u;
	return NULL;
}
