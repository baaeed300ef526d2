/*
 * What collectd's write_http sends: value lists, each with the values of one
 * reading ("if_octets" has rx and tx).
 *
 *   name    collectd_PLUGIN_TYPE, with _SOURCE where that is not "value"; a type
 *           that is called like its plugin stands there once
 *   labels  host, plugin_instance, type_instance, as far as there are any
 *   kind    "counter" and "derive" are counters, "gauge" and "absolute" gauges
 *   time    collectd's own: it sends what it has gathered for a while
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "inlet_http_report.h"
#include "intake.h"

#define TIME_MAX 1e11

static const char *
text_of(const json_t *item, const char *key)
{
	const char *s = json_string_value(json_object_get(item, key));

	return s != NULL ? s : "";
}

static const char *
nth(const json_t *item, const char *list, size_t i)
{
	const char *s = json_string_value(json_array_get(json_object_get(item, list), i));

	return s != NULL ? s : "";
}

size_t
inlet_http_collectd_values(const json_t *item)
{
	return json_array_size(json_object_get(item, "values"));
}

static bool
name_of(struct inlet_http_report *out, const json_t *item, size_t i)
{
	const char *plugin = text_of(item, "plugin"), *type = text_of(item, "type");
	const char *source = nth(item, "dsnames", i);
	const bool twice = strcmp(plugin, type) == 0, named = strcmp(source, "value") != 0;
	char raw[512];
	int n;

	if (plugin[0] == '\0' || type[0] == '\0' || source[0] == '\0')
		return false;
	n = snprintf(raw, sizeof(raw), "%s%s%s%s%s", plugin, twice ? "" : "_", twice ? "" : type,
	    named ? "_" : "", named ? source : "");
	return n > 0 && (size_t)n < sizeof(raw) &&
	       intake_clean_name("collectd", (struct bl_str){ raw, (size_t)n }, out->name);
}

static bool
labels_of(struct bl_series_def *def, const json_t *item)
{
	static const char *const keys[] = { "host", "plugin_instance", "type_instance" };

	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		const char *value = text_of(item, keys[k]);
		const size_t len = strlen(value);

		if (len > BL_LABEL_VALUE_MAX)
			return false;
		if (len > 0)
			def->label[def->n_labels++] =
			    (struct bl_label){ { keys[k], strlen(keys[k]) }, { value, len } };
	}
	return true;
}

static bool
kind_of(struct bl_series_def *def, const char *type)
{
	const bool counts = strcmp(type, "counter") == 0 || strcmp(type, "derive") == 0;

	def->kind = counts ? BL_COUNTER : BL_GAUGE;
	return counts || strcmp(type, "gauge") == 0 || strcmp(type, "absolute") == 0;
}

static const char *
read_it(struct inlet_http_report *out, const json_t *item, size_t i)
{
	const double at = json_number_value(json_object_get(item, "time"));

	if (!name_of(out, item, i))
		return "plugin, type and dsnames that make a name of at most 64 bytes";
	if (!labels_of(&out->r.def, item))
		return "host, plugin_instance and type_instance of at most 128 bytes each";
	if (!kind_of(&out->r.def, nth(item, "dstypes", i)))
		return "dstypes of counter, derive, gauge and absolute";
	if (!(at > 0 && at < TIME_MAX))
		return "time in seconds since 1970";
	out->r.def.name = (struct bl_str){ out->name, strlen(out->name) };
	out->r.def.unit = (struct bl_str){ "1", 1 };
	out->r.at_unix_ms = llround(at * 1000);
	return NULL;
}

int
inlet_http_collectd_read(
    struct inlet_http_report *out, json_t *item, size_t i, const char *path, struct bl_err *err)
{
	const json_t *value = json_array_get(json_object_get(item, "values"), i);
	const char *expected;

	memset(&out->r, 0, sizeof(out->r));
	out->r.kind = INLET_METRIC;
	if (json_is_null(value))
		return 0; /* it could not be read */
	if (!json_is_number(value))
		return bl_fail(err, BL_EINVAL, "%s%svalues[%zu]: expected a number or null", path,
		    path[0] != '\0' ? "." : "", i);
	if ((expected = read_it(out, item, i)) != NULL)
		return bl_fail(err, BL_EINVAL, "%s%sexpected %s", path,
		    path[0] != '\0' ? ": " : "", expected);
	out->r.value = json_number_value(value);
	return 1;
}
