/* The section of a mapping as a table, and which keys go with which report. */
#include "rowmap_internal.h"

#include <stddef.h>
#include <string.h>

#define AT(field) offsetof(struct bl_rowmap_conf, field)

static const char *const reports[] = { "step", "case", "event", "metric", NULL };
static const char *const metric_kinds[] = { "gauge", "counter", NULL };

static const char *
check_format(const void *value)
{
	return rowmap_time_check(*(char *const *)value);
}

static const char *
check_zone(const void *value)
{
	struct bl_err err = { 0 };
	struct bl_tz *tz;

	if (bl_tz_load(&tz, *(char *const *)value, NULL, &err) < 0)
		return "a time zone that this machine knows, like \"Asia/Shanghai\"";
	bl_tz_free(tz);
	return NULL;
}

static const char *
check_text(const void *value)
{
	return rowmap_template_check(*(char *const *)value);
}

/* Names, each with a template. */
static const char *
check_pairs(const void *value)
{
	const struct bl_conf_strmap *map = value;
	const char *expected = NULL;

	for (size_t i = 0; expected == NULL && i < map->n; i++) {
		if (strlen(map->key[i]) > BL_NAME_MAX)
			return "names of at most 64 bytes";
		expected = rowmap_template_check(map->value[i]);
	}
	return expected;
}

static const char *
check_when(const void *value)
{
	const struct bl_conf_strmap *map = value;

	for (size_t i = 0; i < map->n; i++)
		if (map->key[i][strcspn(map->key[i], "{}")] != '\0')
			return "names of fields, without braces, before each colon";
	return NULL;
}

#define TEMPLATE(key, field, text)                                                                 \
	{                                                                                          \
		.name = (key), .type = BL_CONF_STR, .dflt = "", .offset = AT(field), .max = 512,   \
		.help = (text), .check = check_text                                                \
	}

static const struct bl_conf_key keys[] = {
	{ .name = "report",
	    .type = BL_CONF_ENUM,
	    .dflt = "step",
	    .offset = AT(report),
	    .choices = reports,
	    .help = "what a row is; all texts below may hold fields in braces, \"desk {no}\" (in "
		    "quotes where they begin with one), and {{ is a brace" },
	{ .name = "when",
	    .type = BL_CONF_MAP,
	    .dflt = "",
	    .offset = AT(when),
	    .max = ROWMAP_PAIRS_MAX,
	    .help = "only rows whose fields have these values: {state: \"done|failed\"}; \"*\": "
		    "any but an empty one",
	    .check = check_when },
	TEMPLATE("process", process, "step, case: the process's id at the centre; none: default"),
	TEMPLATE("case", case_id, "step, case: the case"),
	TEMPLATE("step", step, "step: the step's name"),
	TEMPLATE("phase", phase, "step: begin, end or event; or say `begin` and `end`"),
	TEMPLATE("status", status, "step, case: its status"),
	TEMPLATE("type", type, "event: its type"),
	TEMPLATE("name", name, "metric: its name"),
	TEMPLATE("value", value, "metric: its value, a number"),
	TEMPLATE("unit", unit, "metric: its unit"),
	{ .name = "kind",
	    .type = BL_CONF_ENUM,
	    .dflt = "gauge",
	    .offset = AT(metric),
	    .choices = metric_kinds,
	    .help = "metric: a value of its own, or one that only grows" },
	TEMPLATE("id", id, "what makes it unique for 24 h; none: made of where the row stands"),
	TEMPLATE("time", time, "when it was; none: when it is read"),
	TEMPLATE("begin", begin, "step: when it began; with `end` one row makes two reports"),
	TEMPLATE("end", end, "step: when it ended; an empty one: not yet"),
	{ .name = "time_format",
	    .type = BL_CONF_STR,
	    .dflt = "iso",
	    .offset = AT(time_format),
	    .min = 1,
	    .max = 64,
	    .help = "of all times: iso, unix (s), unix_ms, or with %Y %m %d %H %M %S, %y, %b, %I "
		    "%p, %f (fraction), %z (offset), %s, %a, %F, %T; what is missing of a date is "
		    "taken so that it is near now",
	    .check = check_format },
	{ .name = "zone",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(zone),
	    .max = 63,
	    .help = "time zone of times that do not say it; none: this machine's",
	    .check = check_zone },
	{ .name = "attributes",
	    .type = BL_CONF_MAP,
	    .dflt = "",
	    .offset = AT(attributes),
	    .max = BL_ATTRS_MAX - 4,
	    .help = "step, case, event: further attributes: {owner: \"{clerk}\"}; empty ones are "
		    "left out",
	    .check = check_pairs },
	{ .name = "as_text",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = AT(as_text),
	    .max = BL_ATTRS_MAX,
	    .help = "attributes that stay text where they look like a number" },
	{ .name = "labels",
	    .type = BL_CONF_MAP,
	    .dflt = "",
	    .offset = AT(labels),
	    .max = BL_LABELS_MAX - 1,
	    .help = "metric: labels: {desk: \"{no}\"}",
	    .check = check_pairs },
	{ 0 },
};

/* ---- the whole section ---- */

enum {
	STEP = 1 << BL_ROWMAP_STEP,
	CASE = 1 << BL_ROWMAP_CASE,
	EVENT = 1 << BL_ROWMAP_EVENT,
	METRIC = 1 << BL_ROWMAP_METRIC
};

/* Keys that not every report has: which have it, and which need it. */
static const struct rule {
	const char *key;
	size_t offset;
	unsigned may, must;
} rules[] = {
	{ "process", AT(process), STEP | CASE, 0 },
	{ "case", AT(case_id), STEP | CASE, STEP | CASE },
	{ "step", AT(step), STEP, 0 },
	{ "phase", AT(phase), STEP, 0 },
	{ "status", AT(status), STEP | CASE, 0 },
	{ "type", AT(type), EVENT, EVENT },
	{ "name", AT(name), METRIC, METRIC },
	{ "value", AT(value), METRIC, METRIC },
	{ "unit", AT(unit), METRIC, 0 },
	{ "begin", AT(begin), STEP, 0 },
	{ "end", AT(end), STEP, 0 },
};

/* Literal texts, because a check returns one. */
static const char *const missing[] = { "a step needs `case`", "a case needs `case`",
	"an event needs `type`", "a metric needs `name` and `value`" };
static const char *const strange[] = { "a step has no such key", "a case has no such key",
	"an event has no such key", "a metric has no such key" };

static const char *
check_step(const struct bl_rowmap_conf *c, const char **key)
{
	const bool times = c->begin != NULL || c->end != NULL;

	*key = "report";
	if (times == (c->phase != NULL))
		return times ? "a step has either `phase` or `begin` and `end`"
			     : "a step needs `phase` (begin, end or event), or `begin` and `end`";
	if (times && c->time != NULL)
		return "`begin` and `end` are the times of a step: `time` has no meaning beside "
		       "them";
	if (c->step == NULL && (times || strcmp(c->phase, "event") != 0))
		return "a step needs `step`";
	return NULL;
}

static const char *
check_names(const struct bl_rowmap_conf *c, const char **key)
{
	static const char *const own[] = { "process", "case", "step", "status" };

	*key = "attributes";
	for (size_t i = 0; i < c->attributes.n && c->report <= BL_ROWMAP_CASE; i++)
		for (size_t k = 0; k < sizeof(own) / sizeof(own[0]); k++)
			if (strcmp(c->attributes.key[i], own[k]) == 0)
				return "process, case, step and status are keys of their own";
	*key = "as_text";
	for (size_t i = 0; i < c->as_text.n; i++) {
		bool known = false;

		for (size_t k = 0; k < c->attributes.n; k++)
			known = known || strcmp(c->attributes.key[k], c->as_text.item[i]) == 0;
		if (!known)
			return "only attributes can be kept as text, by their names";
	}
	return NULL;
}

static const char *
check_section(const void *section, const char **key)
{
	const struct bl_rowmap_conf *c = section;
	const unsigned is = 1u << c->report;
	const char *wrong;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const bool said = *(char *const *)((const char *)section + rules[i].offset) != NULL;

		*key = said ? rules[i].key : "report";
		if (said && (rules[i].may & is) == 0)
			return strange[c->report];
		if (!said && (rules[i].must & is) != 0)
			return missing[c->report];
	}
	*key = "attributes";
	if (c->attributes.n > 0 && is == METRIC)
		return "a metric has `labels`, no attributes";
	*key = "labels";
	if (c->labels.n > 0 && is != METRIC)
		return "only a metric has labels; others have `attributes`";
	if ((wrong = check_names(c, key)) != NULL)
		return wrong;
	return is == STEP ? check_step(c, key) : NULL;
}

const struct bl_conf_section bl_rowmap_section = { "mapping", sizeof(struct bl_rowmap_conf), keys,
	check_section };
