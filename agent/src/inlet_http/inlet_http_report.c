/* One report; see the header. */
#include "inlet_http_report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "branchline/json.h"
#include "branchline/topic.h"

#include "intake.h"

#define WHOLE_MAX   INT64_C(999999999999999) /* 15 digits: a double keeps all of them */
#define SECONDS_MAX 1e11                     /* beyond, it was milliseconds that were meant */

enum kind { KIND_STEP, KIND_CASE, KIND_EVENT, KIND_METRIC };
static const char *const kinds[] = { "step", "case", "event", "metric", NULL };
static const char *const known[][10] = {
	{ "report", "phase", "case", "step", "process", "id", "at", "attributes", NULL },
	{ "report", "case", "process", "status", "id", "at", "attributes", NULL },
	{ "report", "type", "id", "at", "attributes", NULL },
	{ "report", "name", "value", "unit", "kind", "labels", "id", "at", NULL },
};

/* What is being read, and into what. */
struct reading {
	struct bl_json_obj o;
	struct inlet_http_report *out;
	struct bl_json_fault fault;
};

static struct bl_str
str(const char *text)
{
	return (struct bl_str){ text, strlen(text) };
}

static bool
wrong(struct reading *g, const char *in, const char *key, const char *expected, const char *got)
{
	(void)snprintf(g->fault.field, sizeof(g->fault.field), "%s%s%s%s%s", g->o.path,
	    g->o.path[0] != '\0' && key[0] != '\0' ? "." : "", in, in[0] != '\0' ? "." : "", key);
	(void)snprintf(g->fault.expected, sizeof(g->fault.expected), "%s", expected);
	(void)snprintf(g->fault.got, sizeof(g->fault.got), "%s", got);
	return false;
}

/* As the line protocol takes it: line breaks and tabs, no other control characters. */
static bool
clean(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
		if ((*p < 0x20 && strchr("\n\r\t", *p) == NULL) || *p == 0x7f)
			return false;
	return true;
}

static bool
text(struct reading *g, const char *key, enum bl_json_need need, size_t max, struct bl_str *out)
{
	const char *s = NULL;

	if (!bl_json_get_str(&g->o, key, need, 1, max, &s, &g->fault))
		return false;
	if (s == NULL)
		return true;
	if (!clean(s))
		return wrong(g, "", key, "text", "control characters");
	*out = str(s);
	return true;
}

/* ---- when it was ---- */

static bool
at_of(struct reading *g)
{
	const json_t *v = json_object_get(g->o.json, "at");
	int64_t *at = &g->out->r.at_unix_ms;
	double seconds;

	if (v == NULL || json_is_null(v))
		return true;
	if (json_is_string(v) && inlet_report_time(str(json_string_value(v)), at))
		return true;
	seconds = json_number_value(v); /* 0 for what is none */
	if (seconds > 0 && seconds < SECONDS_MAX && (*at = llround(seconds * 1000)) > 0)
		return true;
	return wrong(g, "", "at",
	    "a time: RFC 3339 with its zone, or seconds since 1970 (a number)",
	    json_is_string(v)        ? json_string_value(v)
	    : seconds >= SECONDS_MAX ? "milliseconds, as it seems"
	    : json_is_number(v)      ? "a number that is none"
				     : "something else");
}

/* ---- attributes ---- */

static bool
attribute_text(struct reading *g, const char *key, const json_t *v, struct bl_attr *a)
{
	const struct bl_str s = { json_string_value(v), json_string_length(v) };
	char got[48];

	(void)snprintf(got, sizeof(got), "%zu bytes", s.len);
	if (s.len > BL_ATTR_VALUE_MAX)
		return wrong(g, "attributes", key, "a text of at most 1024 bytes", got);
	if (!clean(s.p))
		return wrong(g, "attributes", key, "text", "control characters");
	a->type = BL_ATTR_TEXT;
	a->text = s;
	return true;
}

/* A whole number that a double would not keep names something, and is text. */
static void
attribute_whole(struct reading *g, json_int_t n, struct bl_attr *a)
{
	char *digits = g->out->number[a - g->out->r.ev.attr];

	if (n >= -WHOLE_MAX && n <= WHOLE_MAX) {
		a->type = BL_ATTR_NUMBER;
		a->number = (double)n;
		return;
	}
	(void)snprintf(digits, sizeof(g->out->number[0]), "%" JSON_INTEGER_FORMAT, n);
	a->type = BL_ATTR_TEXT;
	a->text = str(digits);
}

static bool
attribute_value(struct reading *g, const char *key, const json_t *v, struct bl_attr *a)
{
	switch (json_typeof(v)) {
	case JSON_STRING:
		return attribute_text(g, key, v, a);
	case JSON_INTEGER:
		attribute_whole(g, json_integer_value(v), a);
		return true;
	case JSON_REAL:
		a->type = BL_ATTR_NUMBER;
		a->number = json_real_value(v);
		return true;
	case JSON_TRUE:
	case JSON_FALSE:
		a->type = BL_ATTR_BOOL;
		a->boolean = json_is_true(v);
		return true;
	case JSON_NULL:
		a->type = BL_ATTR_NULL;
		return true;
	default:
		return wrong(g, "attributes", key, "text, a number, true, false or null",
		    json_is_object(v) ? "an object" : "a list");
	}
}

static bool
is_there(const struct bl_event *ev, const char *key)
{
	for (uint32_t i = 0; i < ev->n_attrs; i++)
		if (ev->attr[i].key.len == strlen(key) &&
		    memcmp(ev->attr[i].key.p, key, strlen(key)) == 0)
			return true;
	return false;
}

static bool
attribute(struct reading *g, const char *key, const json_t *v, uint32_t own)
{
	struct bl_event *ev = &g->out->r.ev;

	if (key[0] == '\0' || strlen(key) > BL_NAME_MAX || !clean(key))
		return wrong(g, "attributes", key, "a name of 1 to 64 bytes", "another one");
	/* In a step or a case these two are the report's, whether it has them or not. */
	if (own > 0 && (strcmp(key, "case") == 0 || strcmp(key, "step") == 0 || is_there(ev, key)))
		return wrong(g, "attributes", key, "it beside `attributes`", "it in there");
	if (ev->n_attrs == BL_ATTRS_MAX)
		return wrong(g, "", "attributes",
		    "at most 32 (process, case, step and status are among them)", "more");
	return attribute_value(g, key, v, bl_event_attr(ev, (struct bl_str){ key, strlen(key) }));
}

static bool
attributes(struct reading *g)
{
	const uint32_t own = g->out->r.ev.n_attrs;
	struct bl_json_obj o = { 0 };
	const char *key;
	json_t *v;

	if (!bl_json_get_obj(&g->o, "attributes", BL_JSON_NULLABLE, &o, &g->fault))
		return false;
	json_object_foreach(o.json, key, v) if (!attribute(g, key, v, own)) return false;
	return true;
}

/* ---- the four kinds ---- */

/* process, case: what steps and cases have in common, in the order of the line protocol. */
static bool
case_of(struct reading *g)
{
	struct bl_str process = str("default"), id;

	if (!text(g, "process", BL_JSON_NULLABLE, BL_ID_TEXT_MAX, &process) ||
	    !text(g, "case", BL_JSON_REQUIRED, INLET_HTTP_CASE_MAX, &id))
		return false;
	if (!bl_id_text_valid(process.p))
		return wrong(g, "", "process",
		    "the id of a process (a-z, 0-9 and hyphens, at most 63)", process.p);
	bl_event_text(&g->out->r.ev, "process", process);
	bl_event_text(&g->out->r.ev, "case", id);
	return true;
}

static bool
step(struct reading *g)
{
	static const char *const phases[] = { "begin", "end", "event", NULL };
	static const char *const types[] = { "step.begin", "step.end", "step.event" };
	struct bl_str name = { 0 };
	unsigned phase = 0;

	if (!bl_json_get_choice(&g->o, "phase", BL_JSON_REQUIRED, phases, &phase, &g->fault) ||
	    !case_of(g) ||
	    !text(g, "step", phase < 2 ? BL_JSON_REQUIRED : BL_JSON_NULLABLE, BL_NAME_MAX, &name))
		return false;
	g->out->r.ev.type = str(types[phase]);
	if (name.len > 0)
		bl_event_text(&g->out->r.ev, "step", name);
	return attributes(g);
}

static bool
state_of_case(struct reading *g)
{
	struct bl_str status = { 0 };

	if (!case_of(g) || !text(g, "status", BL_JSON_NULLABLE, BL_ATTR_VALUE_MAX, &status))
		return false;
	g->out->r.ev.type = str("step.event");
	if (status.len > 0)
		bl_event_text(&g->out->r.ev, "status", status);
	return attributes(g);
}

static bool
event(struct reading *g)
{
	struct bl_str *type = &g->out->r.ev.type;

	if (!text(g, "type", BL_JSON_REQUIRED, BL_NAME_MAX, type))
		return false;
	/* Steps among them: they are reported as such, with what belongs to them. */
	if (inlet_report_own_type(*type))
		return wrong(g, "", "type", "a type that the agent does not use itself",
		    type->p);
	return attributes(g);
}

/* Ascending by key; JSON has each key once. */
static void
label_in(struct bl_series_def *def, struct bl_str key, struct bl_str value)
{
	uint32_t i = def->n_labels++;

	for (; i > 0 && strcmp(def->label[i - 1].key.p, key.p) > 0; i--)
		def->label[i] = def->label[i - 1];
	def->label[i] = (struct bl_label){ key, value };
}

static bool
labels(struct reading *g)
{
	struct bl_series_def *def = &g->out->r.def;
	struct bl_json_obj o = { 0 };
	const char *key;
	json_t *v;

	if (!bl_json_get_obj(&g->o, "labels", BL_JSON_NULLABLE, &o, &g->fault))
		return false;
	json_object_foreach(o.json, key, v)
	{
		const size_t len = json_string_length(v);

		if (key[0] == '\0' || strlen(key) > BL_NAME_MAX || !clean(key))
			return wrong(g, "labels", key, "a name of 1 to 64 bytes", "another one");
		if (!json_is_string(v) || len == 0 || len > BL_LABEL_VALUE_MAX ||
		    !clean(json_string_value(v)))
			return wrong(g, "labels", key, "a text of 1 to 128 bytes",
			    json_is_string(v) ? "another one" : "no text");
		/* The agent says by a label of its own where a series comes from. */
		if (def->n_labels == BL_LABELS_MAX - 1)
			return wrong(g, "", "labels", "at most 7", "more");
		label_in(def, str(key), (struct bl_str){ json_string_value(v), len });
	}
	return true;
}

static bool
metric(struct reading *g)
{
	static const char *const ways[] = { "gauge", "counter", NULL };
	const json_t *value = json_object_get(g->o.json, "value");
	struct inlet_report *r = &g->out->r;
	struct bl_str name = { 0 };
	unsigned way = 0;

	r->kind = INLET_METRIC;
	r->value = json_number_value(value);
	r->def.unit = str("1");
	if (!json_is_number(value))
		return wrong(g, "", "value", "a number",
		    value == NULL           ? "nothing"
		    : json_is_string(value) ? "text"
					    : "something else");
	if (!text(g, "name", BL_JSON_REQUIRED, 4 * BL_NAME_MAX, &name) ||
	    !text(g, "unit", BL_JSON_NULLABLE, BL_NAME_MAX, &r->def.unit) ||
	    !bl_json_get_choice(&g->o, "kind", BL_JSON_NULLABLE, ways, &way, &g->fault))
		return false;
	if (!intake_clean_name(NULL, name, g->out->name))
		return wrong(g, "", "name",
		    "a name of at most 64 bytes (a-z, 0-9 and _; others become _)", name.p);
	r->def.name = str(g->out->name);
	r->def.kind = way == 1 ? BL_COUNTER : BL_GAUGE;
	return labels(g);
}

static bool
read_it(struct reading *g, json_t *item)
{
	static bool (*const of[])(struct reading *) = { step, state_of_case, event, metric };
	unsigned kind = 0;

	g->o.json = item;
	if (!json_is_object(item))
		return wrong(
		    g, "", "", "an object", json_is_array(item) ? "a list" : "something else");
	if (!bl_json_get_choice(&g->o, "report", BL_JSON_REQUIRED, kinds, &kind, &g->fault) ||
	    !bl_json_only(&g->o, known[kind], &g->fault))
		return false;
	return text(g, "id", BL_JSON_NULLABLE, BL_EVENT_ID_MAX, &g->out->r.id) && at_of(g) &&
	       of[kind](g);
}

int
inlet_http_report_read(
    struct inlet_http_report *out, json_t *item, const char *path, struct bl_err *err)
{
	struct reading g = { .out = out };

	memset(&out->r, 0, sizeof(out->r));
	out->r.kind = INLET_EVENT;
	(void)snprintf(g.o.path, sizeof(g.o.path), "%s", path);
	if (read_it(&g, item))
		return BL_OK;
	return bl_fail(err, BL_EINVAL, "%s%sexpected %s, got %s%s%s%s", g.fault.field,
	    g.fault.field[0] != '\0' ? ": " : "", g.fault.expected, g.fault.got,
	    g.fault.suggestion[0] != '\0' ? "; did you mean \"" : "", g.fault.suggestion,
	    g.fault.suggestion[0] != '\0' ? "\"?" : "");
}
