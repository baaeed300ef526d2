/* A run to lines; see the header.  No I/O. */
#include "plugins_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inlet_line.h"
#include "plugins_output.h"

#define LIMITS_AGAIN_MS 3600000
#define TEXT_MAX        800u /* bytes of a text in an event: two, all escaped, fit into a line */

/* ---- a result ---- */

static void
init(struct plugins_result *out, const char *check, int64_t at_unix_ms, size_t cap)
{
	memset(out, 0, sizeof(*out));
	out->check = check;
	out->state = PLUGINS_UNKNOWN;
	out->at_unix_ms = at_unix_ms;
	bl_buf_init(&out->text, cap);
	bl_buf_init(&out->detail, cap);
	bl_buf_init(&out->perf, cap);
}

int
plugins_result_of(struct plugins_result *out, const struct plugins_run *r, int64_t at_unix_ms)
{
	/* What it says on standard error is better than nothing. */
	const struct bl_buf *said = r->out.len > 0 ? &r->out : &r->errors;

	init(out, r->check->name, at_unix_ms, 2 * said->len + 16);
	out->state = plugins_run_state(r, out->why, sizeof(out->why));
	out->duration_ms = r->ended_mono_ms - r->begun_mono_ms;
	if (said->len > 0)
		plugins_output_split(
		    (const char *)said->data, said->len, &out->text, &out->detail, &out->perf);
	/* What was cut off may be half a number. */
	if (out->why[0] != '\0')
		bl_buf_reset(&out->perf);
	return out->text.failed || out->detail.failed || out->perf.failed ? BL_ENOMEM : BL_OK;
}

void
plugins_result_failed(
    struct plugins_result *out, const char *check, const char *why, int64_t at_unix_ms)
{
	init(out, check, at_unix_ms, 16);
	(void)snprintf(
	    out->why, plugins_text_cut(why, strlen(why), sizeof(out->why) - 1) + 1, "%s", why);
}

void
plugins_result_free(struct plugins_result *r)
{
	bl_buf_free(&r->text);
	bl_buf_free(&r->detail);
	bl_buf_free(&r->perf);
}

/* ---- lines ---- */

struct line {
	struct plugins_teller *t;
	struct bl_buf text;
	bool event;
};

static void
put(struct line *l, const char *text)
{
	bl_buf_bytes(&l->text, text, strlen(text));
}

/* What a value in our unit was in the plug-in's must not get digits that nobody measured. */
static void
put_number(struct line *l, double v, bool exact)
{
	char text[40];

	(void)snprintf(text, sizeof(text), " %.15g", v);
	if (exact && strtod(text, NULL) != v) /* no locale is ever set here */
		(void)snprintf(text, sizeof(text), " %.16e", v);
	put(l, text);
}

static void
put_stamp(struct line *l, int64_t at_unix_ms)
{
	char text[96];

	(void)snprintf(text, sizeof(text), " id=%s-%" PRIu64 " at=%" PRId64 ".%03d", l->t->id,
	    ++l->t->n, at_unix_ms / 1000, (int)(at_unix_ms % 1000));
	put(l, text);
}

static void
put_bytes(struct line *l, const char *key, const char *p, size_t len)
{
	char *text = strndup(p, plugins_text_cut(p, len, TEXT_MAX));

	if (text == NULL)
		l->text.failed = true;
	else
		inlet_line_put_text(&l->text, key, text);
	free(text);
}

static void
begin(struct line *l, struct plugins_teller *t, const char *words, bool event)
{
	l->t = t;
	l->event = event;
	bl_buf_init(&l->text, INLET_LINE_MAX);
	put(l, words);
}

/* A line that memory did not let be whole is not told. */
static void
end(struct line *l)
{
	if (l->text.failed)
		l->t->unmade++;
	else
		l->t->line(l->t->ctx, (const char *)l->text.data, l->text.len, l->event);
	bl_buf_free(&l->text);
}

static void
begin_metric(struct line *l, struct plugins_teller *t, const char *name, double v, bool exact,
    const char *unit, bool counter, int64_t at_unix_ms)
{
	begin(l, t, "metric ", false);
	put(l, name);
	put_number(l, v, exact);
	if (strcmp(unit, "1") != 0)
		inlet_line_put_text(&l->text, "unit", unit);
	if (counter)
		put(l, " kind=counter");
	put_stamp(l, at_unix_ms);
}

void
plugins_report_own(
    struct plugins_teller *t, const char *metric, bool counter, double value, int64_t at_unix_ms)
{
	struct line l;

	begin_metric(&l, t, metric, value, true, "1", counter, at_unix_ms);
	end(&l);
}

static void
of_check(const struct plugins_result *r, struct plugins_teller *t, const char *name, double v,
    const char *unit)
{
	struct line l;

	begin_metric(&l, t, name, v, true, unit, false, r->at_unix_ms);
	inlet_line_put_text(&l.text, "check", r->check);
	end(&l);
}

static void
state_event(
    const struct plugins_result *r, struct plugins_teller *t, const struct plugins_memory *m)
{
	char code[8];
	struct line l;

	(void)snprintf(code, sizeof(code), "%d", (int)r->state);
	begin(&l, t, "event plugin.state", true);
	put_stamp(&l, r->at_unix_ms);
	inlet_line_put_text(&l.text, "check", r->check);
	inlet_line_put_text(&l.text, "state", plugins_state_names[r->state]);
	inlet_line_put_value(&l.text, "code", code);
	if (m->known)
		inlet_line_put_text(&l.text, "before", plugins_state_names[m->state]);
	if (r->why[0] != '\0')
		inlet_line_put_text(&l.text, "why", r->why);
	if (r->text.len > 0)
		put_bytes(&l, "text", (const char *)r->text.data, r->text.len);
	if (r->detail.len > 0)
		put_bytes(&l, "detail", (const char *)r->detail.data, r->detail.len);
	end(&l);
}

/* ---- values and their limits ---- */

struct values {
	const struct plugins_result *r;
	struct plugins_teller *t;
	bool with_limits;
	uint64_t hash; /* of all limits */
	unsigned n;
	uint64_t seen[PLUGINS_VALUES_MAX]; /* hashes of labels */
};

static uint64_t
hash(uint64_t h, const void *p, size_t len)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < len; i++)
		h = (h ^ b[i]) * 0x100000001b3u; /* FNV-1a */
	return h;
}

static void
one_limit(struct values *v, const struct plugins_perf *p, const struct plugins_unit *u,
    const char *limit, double at)
{
	struct line l;

	at *= u->scale;
	v->hash = hash(v->hash, p->label, strlen(p->label));
	v->hash = hash(v->hash, limit, strlen(limit));
	v->hash = hash(v->hash, &at, sizeof(at));
	if (!v->with_limits || !isfinite(at))
		return;
	begin_metric(&l, v->t, u->limit, at, u->scale == 1, u->unit, false, v->r->at_unix_ms);
	inlet_line_put_text(&l.text, "check", v->r->check);
	inlet_line_put_text(&l.text, "label", p->label);
	inlet_line_put_text(&l.text, "limit", limit);
	end(&l);
}

static void
range_limits(struct values *v, const struct plugins_perf *p, const struct plugins_unit *u,
    const struct plugins_range *r, const char *which)
{
	char name[24];

	for (unsigned high = 0; high < 2; high++) {
		if (high ? !r->has_high : !r->has_low)
			continue;
		(void)snprintf(name, sizeof(name), "%s_%s%s", which, r->inside ? "inside_" : "",
		    high ? "high" : "low");
		one_limit(v, p, u, name, high ? r->high : r->low);
	}
}

static void
limits(struct values *v, const struct plugins_perf *p, const struct plugins_unit *u)
{
	range_limits(v, p, u, &p->warn, "warn");
	range_limits(v, p, u, &p->crit, "crit");
	if (p->has_min)
		one_limit(v, p, u, "min", p->min);
	if (p->has_max)
		one_limit(v, p, u, "max", p->max);
}

static bool
is_new(struct values *v, const char *label)
{
	const uint64_t h = hash(0xcbf29ce484222325u, label, strlen(label));

	for (unsigned i = 0; i < v->n; i++)
		if (v->seen[i] == h)
			return false;
	if (v->n == PLUGINS_VALUES_MAX)
		return false;
	v->seen[v->n++] = h;
	return true;
}

static void
value(struct values *v, const struct plugins_perf *p, const struct plugins_unit *u)
{
	struct line l;

	begin_metric(&l, v->t, u->metric, p->value * u->scale, u->scale == 1, u->unit, u->counter,
	    v->r->at_unix_ms);
	inlet_line_put_text(&l.text, "check", v->r->check);
	inlet_line_put_text(&l.text, "label", p->label);
	end(&l);
}

/* with_values: tells them; else only the limits' hash is found out. */
static uint64_t
walk(const struct plugins_result *r, struct plugins_teller *t, bool with_values, bool with_limits,
    struct plugins_counted *counted)
{
	struct bl_str rest = { (const char *)r->perf.data, r->perf.len };
	struct values v = { .r = r, .t = t, .with_limits = with_limits, .hash = 1 };
	struct plugins_perf p;
	int rc;

	while (rest.len > 0 && (rc = plugins_perf_next(&rest, &p, NULL)) != 0) {
		const struct plugins_unit u = plugins_unit_of(p.uom);
		const bool good =
		    rc > 0 && is_new(&v, p.label) && (!p.known || isfinite(p.value * u.scale));

		counted->bad_values += !good;
		if (!good)
			continue;
		counted->values += p.known;
		counted->bad_limits += p.bad_limit;
		if (with_values && p.known)
			value(&v, &p, &u);
		limits(&v, &p, &u);
	}
	return v.hash;
}

void
plugins_report(const struct plugins_result *r, struct plugins_teller *t, struct plugins_memory *m,
    int64_t now_mono_ms, struct plugins_counted *counted)
{
	struct plugins_counted once = { 0 };
	const uint64_t at = walk(r, t, false, false, &once);
	const bool with_limits =
	    at != m->limits || now_mono_ms - m->limits_mono_ms >= LIMITS_AGAIN_MS;

	if (!m->known || m->state != r->state)
		state_event(r, t, m);
	of_check(r, t, "plugin_state", (double)r->state, "1");
	of_check(r, t, "plugin_duration_ms", (double)r->duration_ms, "ms");
	(void)walk(r, t, true, with_limits, counted);
	m->known = true;
	m->state = r->state;
	if (with_limits) {
		m->limits = at;
		m->limits_mono_ms = now_mono_ms;
	}
}
