/*
 * Mapping a row.  Texts are not copied unless they are put together of several
 * pieces: reports borrow from the row.
 */
#include "rowmap_internal.h"

#include <stdio.h>
#include <string.h>

#include "branchline/topic.h"

#define SHOWN_MAX 48u /* bytes of somebody's text in a message */

/* ---- words ---- */

struct shown {
	char text[SHOWN_MAX + 4];
};

/* A text as a message shows it: on one line, shortened between characters. */
static struct shown
shown(struct bl_str s)
{
	struct shown out;
	size_t n = s.len;

	if (n > SHOWN_MAX)
		for (n = SHOWN_MAX; n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80; n--)
			;
	(void)snprintf(out.text, sizeof(out.text), "%.*s%s", (int)n, s.p, n < s.len ? "..." : "");
	for (char *at = out.text; *at != '\0'; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = ' ';
	return out;
}

static struct shown
source(const struct rowmap_template *t)
{
	return shown((struct bl_str){ t->source, strlen(t->source) });
}

static bool
is(struct bl_str s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

static struct bl_str
constant(const char *text)
{
	return (struct bl_str){ text, strlen(text) };
}

static int
trimmed(struct rowmap_run *r, const char *key, const struct rowmap_template *t, struct bl_str *out)
{
	const int rc = rowmap_expand(r, key, t, out);

	*out = rowmap_trim(*out);
	return rc;
}

/* A text on one line, neither empty nor longer than max. */
static int
word(struct rowmap_run *r, const char *key, const struct rowmap_template *t, size_t max,
    struct bl_str *out)
{
	const int rc = trimmed(r, key, t, out);

	if (rc < 0)
		return rc;
	if (out->len == 0)
		return bl_fail(r->err, BL_EINVAL, "%s: %s is empty", key, source(t).text);
	if (out->len > max)
		return bl_fail(r->err, BL_EINVAL,
		    "%s: %s: expected at most %zu bytes, got %zu (\"%s\")", key, source(t).text,
		    max, out->len, shown(*out).text);
	for (size_t i = 0; i < out->len; i++)
		if ((unsigned char)out->p[i] < 0x20 || out->p[i] == 0x7f)
			return bl_fail(r->err, BL_EINVAL,
			    "%s: %s: expected text on one line, got the control character 0x%02x",
			    key, source(t).text, (unsigned)out->p[i]);
	return BL_OK;
}

/* ---- parts of reports ---- */

static bool
condition_holds(const struct rowmap_run *r, const struct rowmap_condition *c)
{
	const struct bl_rowmap_value *v = &r->row[c->field];
	const struct bl_str got = v->type == BL_ROWMAP_ABSENT ? constant("") : rowmap_trim(v->text);

	if (strcmp(c->values, "*") == 0)
		return got.len > 0;
	for (const char *at = c->values; *at != '\0';) {
		const size_t len = strcspn(at, "|");

		if (len == got.len && memcmp(at, got.p, len) == 0)
			return true;
		at += len + (at[len] == '|');
	}
	return false;
}

/* *there: there is a text at all. */
static int
instant(struct rowmap_run *r, const char *key, const struct rowmap_template *t, bool *there,
    int64_t *out)
{
	const char *format = r->m->conf->time_format;
	struct bl_str text;
	int rc;

	*there = false;
	if (t->source == NULL)
		return BL_OK;
	if ((rc = trimmed(r, key, t, &text)) < 0)
		return rc;
	*there = text.len > 0;
	if (!*there)
		return BL_OK;
	if (!rowmap_time_parse(text, format, r->m->tz, r->now_unix_ms, out))
		return bl_fail(r->err, BL_EINVAL, "%s: %s: expected a time like %s, got \"%s\"",
		    key, source(t).text,
		    format == NULL || strcmp(format, "iso") == 0 ? "2026-11-28T14:03:07+08:00"
		    : strcmp(format, "unix") == 0                ? "1795849387.5 (seconds)"
		    : strcmp(format, "unix_ms") == 0             ? "1795849387500"
								 : format,
		    shown(text).text);
	*out += *out == 0; /* 0 would be now */
	return BL_OK;
}

static int
take_id(struct rowmap_run *r, struct bl_str given, size_t suffix, struct bl_str *out)
{
	*out = given;
	if (r->m->id.source == NULL)
		return BL_OK;
	return word(r, "id", &r->m->id, BL_EVENT_ID_MAX - suffix, out);
}

/* Text that looks like a number or a boolean becomes one. */
static void
typed(struct bl_attr *a, const struct bl_rowmap_value *v)
{
	const struct bl_str text = rowmap_trim(a->text);
	double number = v->number;
	bool exact = true;

	if (v->type == BL_ROWMAP_NUMBER ||
	    (v->type == BL_ROWMAP_BARE && rowmap_number(text, &number, &exact) && exact)) {
		a->type = BL_ATTR_NUMBER;
		a->number = number;
	} else if (v->type == BL_ROWMAP_BOOL ||
		   (v->type == BL_ROWMAP_BARE && (is(text, "true") || is(text, "false")))) {
		a->type = BL_ATTR_BOOL;
		a->boolean = v->type == BL_ROWMAP_BOOL ? v->boolean : is(text, "true");
	}
}

static int
attribute(struct rowmap_run *r, const struct rowmap_pair *p, struct bl_event *ev)
{
	const struct bl_rowmap_value *lone = rowmap_lone(r, &p->value);
	struct bl_str text;
	struct bl_attr *a;
	int rc;

	if ((rc = rowmap_expand(r, p->key, &p->value, &text)) < 0)
		return rc;
	if (text.len > BL_ATTR_VALUE_MAX)
		return bl_fail(r->err, BL_EINVAL, "%s: %s: expected at most %u bytes, got %zu",
		    shown(constant(p->key)).text, source(&p->value).text, BL_ATTR_VALUE_MAX,
		    text.len);
	if (text.len == 0)
		return BL_OK;
	a = bl_event_attr(ev, constant(p->key));
	a->type = BL_ATTR_TEXT;
	a->text = text;
	if (lone != NULL && !p->as_text)
		typed(a, lone);
	return BL_OK;
}

/* A report that would take half of what may wait for the disk would stop all others. */
static int
check_size(struct rowmap_run *r, const struct bl_event *ev)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < ev->n_attrs; i++)
		bytes += ev->attr[i].key.len + ev->attr[i].text.len;
	return bytes <= ROWMAP_REPORT_MAX
		   ? BL_OK
		   : bl_fail(r->err, BL_EINVAL,
			 "attributes: expected at most %u bytes in all, got %zu", ROWMAP_REPORT_MAX,
			 bytes);
}

static int
attributes(struct rowmap_run *r, struct bl_event *ev)
{
	int rc = BL_OK;

	for (unsigned i = 0; rc == BL_OK && i < r->m->attributes.n; i++)
		rc = attribute(r, &r->m->attributes.pair[i], ev);
	return rc == BL_OK ? check_size(r, ev) : rc;
}

/* ---- steps, cases, events ---- */

static int
process(struct rowmap_run *r, struct bl_event *ev)
{
	struct bl_str text = constant("default");
	char id[BL_ID_TEXT_MAX + 1] = "";
	int rc;

	if (r->m->process.source != NULL) {
		if ((rc = word(r, "process", &r->m->process, BL_ATTR_VALUE_MAX, &text)) < 0)
			return rc;
		if (text.len < sizeof(id))
			memcpy(id, text.p, text.len);
		if (!bl_id_text_valid(id))
			return bl_fail(r->err, BL_EINVAL,
			    "process: %s: expected the id of a process (a-z, 0-9 and hyphens, at "
			    "most 63), got \"%s\"",
			    source(&r->m->process).text, shown(text).text);
	}
	bl_event_text(ev, "process", text);
	return BL_OK;
}

static int
add_word(struct rowmap_run *r, const char *key, const struct rowmap_template *t, size_t max,
    struct bl_event *ev)
{
	struct bl_str text;
	int rc;

	if ((rc = word(r, key, t, max, &text)) == BL_OK)
		bl_event_text(ev, key, text);
	return rc;
}

/* process, case, step, status and the attributes; step may be missing where it may. */
static int
case_event(struct rowmap_run *r, bool step_needed, struct bl_event *ev)
{
	const struct bl_rowmap *m = r->m;
	struct bl_str step = constant(""), status = constant("");
	int rc;

	if ((rc = process(r, ev)) < 0 ||
	    (rc = add_word(r, "case", &m->case_id, BL_ROWMAP_CASE_MAX, ev)) < 0 ||
	    (rc = trimmed(r, "step", &m->step, &step)) < 0 ||
	    (rc = trimmed(r, "status", &m->status, &status)) < 0)
		return rc;
	if (step_needed || step.len > 0)
		rc = add_word(r, "step", &m->step, BL_NAME_MAX, ev);
	if (rc == BL_OK && status.len > 0)
		rc = add_word(r, "status", &m->status, BL_ATTR_VALUE_MAX, ev);
	return rc == BL_OK ? attributes(r, ev) : rc;
}

static struct bl_rowmap_report *
next(struct rowmap_run *r)
{
	struct bl_rowmap_report *p = &r->out->report[r->out->n++];

	p->metric = false;
	p->at_unix_ms = 0;
	p->ev.boot_ms = 0;
	p->ev.id = p->id = constant("");
	p->ev.type = constant("");
	p->ev.n_attrs = 0;
	memset(&p->def, 0, sizeof(p->def));
	p->value = 0;
	return p;
}

static int
timed(struct rowmap_run *r, struct bl_rowmap_report *p)
{
	bool there;
	int rc;

	if ((rc = instant(r, "time", &r->m->time, &there, &p->at_unix_ms)) < 0)
		return rc;
	if (r->m->time.source != NULL && !there)
		return bl_fail(r->err, BL_EINVAL, "time: %s is empty", source(&r->m->time).text);
	return BL_OK;
}

static int
plain_step(struct rowmap_run *r, struct bl_str id)
{
	static const char *const types[] = { "step.begin", "step.end", "step.event" };
	struct bl_rowmap_report *p = next(r);
	struct bl_str phase = constant("event");
	int rc;

	if (r->m->conf->report == BL_ROWMAP_STEP &&
	    (rc = word(r, "phase", &r->m->phase, BL_ATTR_VALUE_MAX, &phase)) < 0)
		return rc;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (is(phase, types[i] + strlen("step.")))
			p->ev.type = constant(types[i]);
	if (p->ev.type.len == 0)
		return bl_fail(r->err, BL_EINVAL,
		    "phase: %s: expected begin, end or event, got \"%s\"",
		    source(&r->m->phase).text, shown(phase).text);
	if ((rc = take_id(r, id, 0, &p->id)) < 0 || (rc = timed(r, p)) < 0)
		return rc;
	return case_event(r, !is(phase, "event"), &p->ev);
}

/* ID.begin and ID.end; an id that is empty stays so. */
static int
suffixed(struct rowmap_run *r, struct bl_str id, const char *phase, struct bl_str *out)
{
	char *to = r->out->text + r->used;
	const size_t len = id.len + 1 + strlen(phase);

	*out = id;
	if (id.len == 0)
		return BL_OK;
	if (len + 1 > BL_ROWMAP_TEXT_MAX - r->used)
		return bl_fail(r->err, BL_EINVAL,
		    "id: the texts of this row take more than %u bytes", BL_ROWMAP_TEXT_MAX);
	(void)snprintf(to, len + 1, "%.*s.%s", (int)id.len, id.p, phase);
	r->used += len;
	*out = (struct bl_str){ to, len };
	return BL_OK;
}

static int
one_end(struct rowmap_run *r, const char *phase, const char *type,
    const struct rowmap_template *when, struct bl_str id)
{
	struct bl_rowmap_report *p;
	int64_t at = 0;
	bool there;
	int rc;

	if ((rc = instant(r, phase, when, &there, &at)) < 0 || !there)
		return rc;
	p = next(r);
	p->ev.type = constant(type);
	p->at_unix_ms = at;
	if ((rc = suffixed(r, id, phase, &p->id)) < 0)
		return rc;
	if (p == &r->out->report[0])
		return case_event(r, true, &p->ev);
	/* The same as of its begin. */
	p->ev.n_attrs = r->out->report[0].ev.n_attrs;
	memcpy(p->ev.attr, r->out->report[0].ev.attr, p->ev.n_attrs * sizeof(p->ev.attr[0]));
	return BL_OK;
}

static int
step(struct rowmap_run *r, struct bl_str id)
{
	const struct bl_rowmap *m = r->m;
	int rc;

	if (m->conf->report == BL_ROWMAP_CASE || m->phase.source != NULL)
		return plain_step(r, id);
	if ((rc = take_id(r, id, BL_ROWMAP_SUFFIX_MAX, &id)) < 0 ||
	    (rc = one_end(r, "begin", "step.begin", &m->begin, id)) < 0)
		return rc;
	return one_end(r, "end", "step.end", &m->end, id);
}

static int
event(struct rowmap_run *r, struct bl_str id)
{
	struct bl_rowmap_report *p = next(r);
	int rc;

	if ((rc = word(r, "type", &r->m->type, BL_NAME_MAX, &p->ev.type)) < 0 ||
	    (rc = take_id(r, id, 0, &p->id)) < 0 || (rc = timed(r, p)) < 0)
		return rc;
	return attributes(r, &p->ev);
}

/* ---- metrics ---- */

static int
metric_value(struct rowmap_run *r, double *out)
{
	const struct rowmap_template *t = &r->m->value;
	const struct bl_rowmap_value *lone = rowmap_lone(r, t);
	struct bl_str text;
	bool exact;
	int rc;

	if (lone != NULL && (lone->type == BL_ROWMAP_NUMBER || lone->type == BL_ROWMAP_BOOL)) {
		*out = lone->type == BL_ROWMAP_NUMBER ? lone->number : lone->boolean;
		return BL_OK;
	}
	if ((rc = word(r, "value", t, BL_ATTR_VALUE_MAX, &text)) < 0)
		return rc;
	if (rowmap_number(text, out, &exact))
		return BL_OK;
	return bl_fail(r->err, BL_EINVAL, "value: %s: expected a number like 12.5, got \"%s\"",
	    source(t).text, shown(text).text);
}

static int
label(struct rowmap_run *r, const struct rowmap_pair *p, struct bl_series_def *def)
{
	struct bl_label *to = &def->label[def->n_labels];
	int rc;

	if ((rc = trimmed(r, p->key, &p->value, &to->value)) < 0 || to->value.len == 0)
		return rc;
	if ((rc = word(r, p->key, &p->value, BL_LABEL_VALUE_MAX, &to->value)) < 0)
		return rc;
	to->key = constant(p->key);
	def->n_labels++;
	return BL_OK;
}

static int
metric(struct rowmap_run *r, struct bl_str id)
{
	const struct bl_rowmap *m = r->m;
	struct bl_rowmap_report *p = next(r);
	struct bl_series_def *def = &p->def;
	int rc;

	p->metric = true;
	def->kind = m->conf->metric == 1 ? BL_COUNTER : BL_GAUGE;
	if ((rc = word(r, "name", &m->name, BL_NAME_MAX, &def->name)) < 0 ||
	    (rc = trimmed(r, "unit", &m->unit, &def->unit)) < 0 ||
	    (rc = metric_value(r, &p->value)) < 0 || (rc = take_id(r, id, 0, &p->id)) < 0 ||
	    (rc = timed(r, p)) < 0)
		return rc;
	if (def->unit.len == 0)
		def->unit = constant("1");
	else if ((rc = word(r, "unit", &m->unit, BL_NAME_MAX, &def->unit)) < 0)
		return rc;
	for (unsigned i = 0; rc == BL_OK && i < m->labels.n; i++)
		rc = label(r, &m->labels.pair[i], def);
	return rc;
}

int
bl_rowmap_apply(const struct bl_rowmap *m, const struct bl_rowmap_value *row, struct bl_str id,
    int64_t now_unix_ms, struct bl_rowmap_out *out, struct bl_err *err)
{
	struct rowmap_run r = {
		.m = m, .row = row, .now_unix_ms = now_unix_ms, .out = out, .err = err
	};

	out->n = 0;
	for (unsigned i = 0; i < m->n_when; i++)
		if (!condition_holds(&r, &m->when[i]))
			return BL_OK;
	switch (m->conf->report) {
	case BL_ROWMAP_EVENT:
		return event(&r, id);
	case BL_ROWMAP_METRIC:
		return metric(&r, id);
	default:
		return step(&r, id);
	}
}
