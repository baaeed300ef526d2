/* The line protocol: what the words of a line mean; see the header.  No state, no I/O. */
#include "inlet_line.h"

#include <stdbool.h>
#include <string.h>

#include "branchline/topic.h"

#include "inlet_words.h"

#define EXACT_DIGITS 15                  /* a double keeps every whole number of so many */
#define LABELS_MAX   (BL_LABELS_MAX - 1) /* one is the agent's: where it came from */

enum form { FORM_CASE, FORM_EVENT, FORM_METRIC };

struct verb {
	const char *first, *second; /* second: NULL where there is none */
	const char *type;           /* of its event */
	enum form form;
	bool step_must, step_may;
};

static const struct verb verbs[] = {
	{ "step", "begin", "step.begin", FORM_CASE, true, false },
	{ "step", "end", "step.end", FORM_CASE, true, false },
	{ "step", "event", "step.event", FORM_CASE, false, true },
	{ "case", NULL, "step.event", FORM_CASE, false, false },
	{ "event", NULL, NULL, FORM_EVENT, false, false },
	{ "metric", NULL, NULL, FORM_METRIC, false, false },
};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

/* A line on its way to a report. */
struct reading {
	struct cursor c;
	struct inlet_report *r;
	const struct verb *verb;
	bool has_process, has_kind, has_unit;
};

static bool
is(struct bl_str s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

static bool
same(struct bl_str a, struct bl_str b)
{
	return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

static struct bl_str
constant(const char *text)
{
	return (struct bl_str){ text, strlen(text) };
}

static int
twice(const struct reading *l, const struct word *w)
{
	return wrong(&l->c, w->column, "expected every name once, got %s= a second time",
	    inlet_snip(w->key.p, w->key.len).text);
}

static int
check_length(
    const struct reading *l, const char *what, unsigned column, struct bl_str s, size_t max)
{
	if (s.len > 0 && s.len <= max)
		return BL_OK;
	if (s.len == 0)
		return wrong(&l->c, column, "expected %s, got an empty text", what);
	return wrong(
	    &l->c, column, "expected %s of at most %zu bytes, got %zu bytes", what, max, s.len);
}

/* A word in its place: the case, the step, the type, the name. */
static int
place(struct reading *l, const char *what, size_t max, struct bl_str *out)
{
	struct word w;
	int rc;

	if ((rc = inlet_next_word(&l->c, &w)) < 0)
		return rc;
	if (rc == 0)
		return wrong(&l->c, w.column, "expected %s, got the end of the line", what);
	if (w.has_key)
		return wrong(&l->c, w.column,
		    "expected %s before the attributes, got %s=; put a word with \"=\" in double "
		    "quotes",
		    what, inlet_snip(w.key.p, w.key.len).text);
	*out = w.value;
	return check_length(l, what, w.column, w.value, max);
}

/* ---- what all lines may say ---- */

/* 1: done; 0: it is something else. */
static int
common(struct reading *l, const struct word *w)
{
	int rc;

	if (is(w->key, "id")) {
		if (l->r->id.len > 0)
			return twice(l, w);
		rc = check_length(l, "a report's id", w->value_column, w->value, BL_EVENT_ID_MAX);
		l->r->id = w->value;
		return rc < 0 ? rc : 1;
	}
	if (is(w->key, "at")) {
		if (l->r->at_unix_ms != 0)
			return twice(l, w);
		if (inlet_report_time(w->value, &l->r->at_unix_ms))
			return 1;
		return wrong(&l->c, w->value_column,
		    "expected a time like 2026-11-28T10:00:00+08:00 or seconds since 1970, got %s",
		    inlet_snip(w->value.p, w->value.len).text);
	}
	return 0;
}

static int
check_key(const struct reading *l, const struct word *w, size_t value_max)
{
	if (w->key.len > BL_NAME_MAX)
		return wrong(&l->c, w->column, "expected a name of at most %u bytes, got %zu bytes",
		    BL_NAME_MAX, w->key.len);
	if (w->value.len > value_max)
		return wrong(&l->c, w->value_column,
		    "expected a value of at most %zu bytes, got %zu bytes", value_max,
		    w->value.len);
	return BL_OK;
}

/* ---- events ---- */

static int
typed(const struct reading *l, const struct word *w, struct bl_attr *a)
{
	size_t whole;

	a->type = BL_ATTR_TEXT;
	a->text = w->value;
	if (w->quoted)
		return BL_OK;
	if (is(w->value, "true") || is(w->value, "false")) {
		a->type = BL_ATTR_BOOL;
		a->boolean = w->value.p[0] == 't';
		return BL_OK;
	}
	if (!inlet_is_number(w->value.p, w->value.len, &whole) || whole > EXACT_DIGITS)
		return BL_OK;
	a->type = BL_ATTR_NUMBER;
	return inlet_number(&l->c, w, &a->number);
}

static int
set_process(struct reading *l, const struct word *w)
{
	char id[BL_ID_TEXT_MAX + 1] = "";

	if (l->has_process)
		return twice(l, w);
	l->has_process = true;
	if (w->value.len < sizeof(id))
		memcpy(id, w->value.p, w->value.len);
	if (!bl_id_text_valid(id))
		return wrong(&l->c, w->value_column,
		    "expected the id of a process (a-z, 0-9 and hyphens, at most 63), got %s",
		    inlet_snip(w->value.p, w->value.len).text);
	l->r->ev.attr[0].text = w->value;
	return BL_OK;
}

static int
attribute(struct reading *l, const struct word *w)
{
	struct bl_event *ev = &l->r->ev;
	const bool of_case = l->verb->form == FORM_CASE;
	int rc;

	if (of_case && is(w->key, "process"))
		return set_process(l, w);
	if (of_case && (is(w->key, "case") || is(w->key, "step")))
		return wrong(&l->c, w->column,
		    "expected an attribute, got %s=; case and step are the words before the "
		    "attributes",
		    inlet_snip(w->key.p, w->key.len).text);
	for (uint32_t i = 0; i < ev->n_attrs; i++)
		if (same(ev->attr[i].key, w->key))
			return twice(l, w);
	if ((rc = check_key(l, w, BL_ATTR_VALUE_MAX)) < 0)
		return rc;
	if (ev->n_attrs == BL_ATTRS_MAX)
		return wrong(&l->c, w->column, "expected at most %u attributes%s, got more",
		    BL_ATTRS_MAX, of_case ? " (process, case and step are among them)" : "");
	return typed(l, w, bl_event_attr(ev, w->key));
}

/* The words in their places, before the attributes. */
static int
begin_event(struct reading *l)
{
	struct bl_event *ev = &l->r->ev;
	struct bl_str word;
	int rc;

	l->r->kind = INLET_EVENT;
	if (l->verb->form == FORM_EVENT) {
		if ((rc = place(l, "a type", BL_NAME_MAX, &ev->type)) < 0)
			return rc;
		return !inlet_report_own_type(ev->type)
			   ? BL_OK
			   : wrong(&l->c, 7,
				 "expected a type of your own, got %s, which only the agent uses",
				 inlet_snip(ev->type.p, ev->type.len).text);
	}
	ev->type = constant(l->verb->type);
	bl_event_text(ev, "process", constant(INLET_PROCESS_DEFAULT));
	if ((rc = place(l, "a case", INLET_CASE_MAX, &word)) < 0)
		return rc;
	bl_event_text(ev, "case", word);
	if (!l->verb->step_must)
		return BL_OK;
	if ((rc = place(l, "a step", INLET_STEP_MAX, &word)) < 0)
		return rc;
	bl_event_text(ev, "step", word);
	return BL_OK;
}

/* ---- metrics ---- */

static int
begin_metric(struct reading *l)
{
	struct word w;
	size_t whole;
	int rc;

	l->r->kind = INLET_METRIC;
	l->r->def.kind = BL_GAUGE;
	l->r->def.unit = constant("");
	if ((rc = place(l, "a name", BL_NAME_MAX, &l->r->def.name)) < 0 ||
	    (rc = inlet_next_word(&l->c, &w)) < 0)
		return rc;
	if (rc == 0)
		return wrong(&l->c, w.column, "expected a value, got the end of the line");
	if (w.has_key || w.quoted || w.value.len > BL_ATTR_VALUE_MAX ||
	    !inlet_is_number(w.value.p, w.value.len, &whole))
		return wrong(&l->c, w.column, "expected a value, a number like 12.5, got %s",
		    w.has_key ? inlet_snip(w.key.p, w.key.len).text
			      : inlet_snip(w.value.p, w.value.len).text);
	return inlet_number(&l->c, &w, &l->r->value);
}

static int
set_kind(struct reading *l, const struct word *w)
{
	if (l->has_kind)
		return twice(l, w);
	l->has_kind = true;
	if (!is(w->value, "gauge") && !is(w->value, "counter"))
		return wrong(&l->c, w->value_column, "expected gauge or counter, got %s",
		    inlet_snip(w->value.p, w->value.len).text);
	l->r->def.kind = w->value.p[0] == 'g' ? BL_GAUGE : BL_COUNTER;
	return BL_OK;
}

/* Its place among those that ascend by key. */
static int
label(struct reading *l, const struct word *w)
{
	struct bl_series_def *def = &l->r->def;
	uint32_t at = def->n_labels;
	int rc, order;

	if ((rc = check_key(l, w, BL_LABEL_VALUE_MAX)) < 0)
		return rc;
	if (def->n_labels == LABELS_MAX)
		return wrong(&l->c, w->column, "expected at most %u labels, got more", LABELS_MAX);
	for (; at > 0; at--) {
		const struct bl_str *k = &def->label[at - 1].key;

		if (same(*k, w->key))
			return twice(l, w);
		order = memcmp(k->p, w->key.p, k->len < w->key.len ? k->len : w->key.len);
		if (order < 0 || (order == 0 && k->len < w->key.len))
			break;
	}
	memmove(def->label + at + 1, def->label + at, (def->n_labels - at) * sizeof(def->label[0]));
	def->label[at] = (struct bl_label){ w->key, w->value };
	def->n_labels++;
	return BL_OK;
}

static int
metric_word(struct reading *l, const struct word *w)
{
	if (is(w->key, "kind"))
		return set_kind(l, w);
	if (!is(w->key, "unit"))
		return label(l, w);
	if (l->has_unit)
		return twice(l, w);
	l->has_unit = true;
	l->r->def.unit = w->value;
	return check_length(l, "a unit", w->value_column, w->value, BL_NAME_MAX);
}

/* ---- the line ---- */

static int
unknown_verb(const struct reading *l, const struct word *w, bool second)
{
	static const char expected[] = "expected \"step\", \"case\", \"event\" or \"metric\"";
	const struct bl_str got = w->has_key ? w->key : w->value;

	if (second)
		return wrong(
		    &l->c, w->column, "expected \"begin\", \"end\" or \"event\" after \"step\"");
	if (got.len == 0)
		return wrong(&l->c, w->column, "%s", expected);
	return wrong(&l->c, w->column, "%s, got %s", expected, inlet_snip(got.p, got.len).text);
}

static int
find_verb(struct reading *l)
{
	struct word w;
	bool known = false;
	int rc;

	if ((rc = inlet_next_word(&l->c, &w)) < 0)
		return rc;
	for (size_t i = 0; i < VERBS && rc == 1 && !w.has_key; i++) {
		l->verb = &verbs[i];
		known = is(w.value, verbs[i].first);
		if (known && verbs[i].second == NULL)
			return BL_OK;
		if (known)
			break;
	}
	if (!known)
		return unknown_verb(l, &w, false);
	if ((rc = inlet_next_word(&l->c, &w)) < 0)
		return rc;
	for (; l->verb < verbs + VERBS && l->verb->second != NULL; l->verb++)
		if (rc == 1 && !w.has_key && is(w.value, l->verb->second))
			return BL_OK;
	return unknown_verb(l, &w, true);
}

/* What follows the words in their places. */
static int
rest(struct reading *l)
{
	bool step_may = l->verb->step_may;
	struct word w;
	int rc;

	while ((rc = inlet_next_word(&l->c, &w)) > 0) {
		if (!w.has_key && step_may) {
			if ((rc = check_length(l, "a step", w.column, w.value, INLET_STEP_MAX)) < 0)
				return rc;
			bl_event_text(&l->r->ev, "step", w.value);
		} else if (!w.has_key) {
			return wrong(&l->c, w.column,
			    "expected NAME=VALUE or the end of the line, got %s; a value with "
			    "spaces goes in double quotes",
			    inlet_snip(w.value.p, w.value.len).text);
		} else if ((rc = common(l, &w)) < 0) {
			return rc;
		} else if (rc == 0) {
			rc = l->verb->form == FORM_METRIC ? metric_word(l, &w) : attribute(l, &w);
			if (rc < 0)
				return rc;
		}
		step_may = false;
	}
	return rc;
}

int
inlet_line_parse(const char *line, size_t len, struct inlet_line *out, struct bl_err *err)
{
	struct reading l = { .c = { .p = line, .len = len, .text = out->text, .err = err },
		.r = &out->r };
	int rc;

	memset(&out->r, 0, sizeof(out->r));
	out->r.id = constant("");
	if (len > INLET_LINE_MAX)
		return wrong(
		    &l.c, 1, "expected a line of at most %u bytes, got %zu", INLET_LINE_MAX, len);
	if (len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) { /* some libraries begin with one */
		l.c.p += 3;
		l.c.len -= 3;
	}
	if ((rc = inlet_check_text(&l.c)) < 0 || (rc = find_verb(&l)) < 0)
		return rc;
	rc = l.verb->form == FORM_METRIC ? begin_metric(&l) : begin_event(&l);
	return rc < 0 ? rc : rest(&l);
}
