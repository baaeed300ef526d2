/*
 * /metrics; see the header.  Rows come by name, so a metric's rows stand
 * together; metrics are put in order by the name that they get here.
 */
#include "local_metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/catalogue.h"

#include "local_text.h"

#define PREFIX "branchline_"

/* clang-format off */
static const struct {
	const char *unit;    /* of the series */
	const char *ends[2]; /* how names say it */
	const char *base;
	double times, by;
} units[] = {
	{ "ms", { "_ms", "_milliseconds" }, "seconds", 1, 1000 },
	{ "us", { "_us", "_microseconds" }, "seconds", 1, 1000000 },
	{ "s", { "_s", "_seconds" }, "seconds", 1, 1 },
	{ "days", { "_days" }, "seconds", 86400, 1 },
	{ "pct", { "_pct", "_percent" }, "ratio", 1, 100 },
	{ "ppm", { "_ppm" }, "ratio", 1, 1000000 },
	{ "bytes", { "_bytes" }, "bytes", 1, 1 },
	{ "celsius", { "_celsius" }, "celsius", 1, 1 },
	{ "volt", { "_volts", "_volt" }, "volts", 1, 1 },
	{ "ampere", { "_amperes", "_ampere" }, "amperes", 1, 1 },
	{ "watt", { "_watts", "_watt" }, "watts", 1, 1 },
	{ "watt_hour", { "_watt_hours", "_watt_hour" }, "joules", 3600, 1 },
	{ "joule", { "_joules", "_joule" }, "joules", 1, 1 },
	{ "rpm", { "_rpm" }, "rpm", 1, 1 },
	{ "1", { "_bits" }, "", 1, 1 }, /* of entropy, which is no size */
};
/* clang-format on */

/* What one metric's rows are, or one of the agent's own. */
struct family {
	struct local_metric m;
	const struct current_row *row; /* NULL: one of own_families */
	size_t n;
	unsigned own;
};

struct state {
	const struct current_snapshot *s;
	const struct local_facts *facts;
	bool open;
	struct bl_buf *out;
	struct family *family;
	size_t n, left_out;
};

static const struct {
	const char *name, *help;
} own_families[] = {
	{ PREFIX "agent", "Which agent this is" },
	{ PREFIX "link_up", "1 while the agent is connected to its broker" },
	{ PREFIX "series_left_out", "Series that cannot be shown here: two metrics would get one "
				    "name, or a label has none" },
	{ PREFIX "unknown", "Series that have no value at the moment, by metric and reason" },
};

enum { OWN_AGENT, OWN_LINK, OWN_LEFT_OUT, OWN_UNKNOWN, OWN_FAMILIES };

static bool
cut_end(char *name, const char *end)
{
	const size_t len = strlen(name), n = end != NULL ? strlen(end) : 0;

	if (n == 0 || len <= n || strcmp(name + len - n, end) != 0)
		return false;
	name[len - n] = '\0';
	return true;
}

static bool
is(struct bl_str s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

void
local_metric_of(const struct bl_series_def *def, struct local_metric *out)
{
	char name[BL_NAME_MAX + 16];

	(void)snprintf(name, sizeof(name), "%.*s", (int)def->name.len, def->name.p);
	*out = (struct local_metric){
		.unit = "", .times = 1, .by = 1, .counter = def->kind == BL_COUNTER
	};
	/* A gauge must not look like a counter, nor like a part of a histogram. */
	(void)cut_end(name, "_total");
	if (cut_end(name, "_count"))
		(void)strcat(name, "_number");
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!is(def->unit, units[i].unit))
			continue;
		out->unit = units[i].base;
		out->times = units[i].times;
		out->by = units[i].by;
		if (!cut_end(name, units[i].ends[0]))
			(void)cut_end(name, units[i].ends[1]);
	}
	(void)snprintf(out->name, sizeof(out->name), PREFIX "%s%s%s", name,
	    out->unit[0] != '\0' ? "_" : "", out->unit);
}

double
local_metric_value(const struct local_metric *m, double value)
{
	char text[40];

	if (m->by == 1 || !isfinite(value))
		return value * m->times;
	/* 12.3 ms are 0.0123 s, not 0.012300000000000002. */
	(void)snprintf(text, sizeof(text), "%.15g", value / m->by);
	return strtod(text, NULL);
}

/* ---- lines ---- */

static void
escaped(struct bl_buf *b, const char *s, size_t len, bool quotes)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\\')
			local_text_put(b, "\\\\");
		else if (s[i] == '\n')
			local_text_put(b, "\\n");
		else if (s[i] == '"' && quotes)
			local_text_put(b, "\\\"");
		else
			bl_buf_u8(b, (uint8_t)s[i]);
	}
}

/* In OpenMetrics a family has its own name, in the text format that of its samples. */
static void
head(const struct state *st, const struct local_metric *m, const char *type, const char *help)
{
	const char *end = st->open || !m->counter ? "" : "_total";

	local_text_printf(st->out, "# HELP %s%s ", m->name, end);
	escaped(st->out, help, strlen(help), st->open);
	local_text_put(st->out, "\n");
	local_text_printf(st->out, "# TYPE %s%s %s\n", m->name, end, type);
	if (st->open && m->unit[0] != '\0')
		local_text_printf(st->out, "# UNIT %s %s\n", m->name, m->unit);
}

static void
label(const struct state *st, const char *sign, struct bl_str key, struct bl_str value)
{
	local_text_put(st->out, sign);
	bl_buf_bytes(st->out, key.p, key.len);
	local_text_put(st->out, "=\"");
	escaped(st->out, value.p, value.len, true);
	local_text_put(st->out, "\"");
}

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

static void
end_line(const struct state *st, double value)
{
	local_text_put(st->out, " ");
	local_text_number(st->out, value);
	local_text_put(st->out, "\n");
}

/* [a-z][a-z0-9_]*, and none of those that Prometheus keeps for itself. */
static bool
key_ok(struct bl_str key)
{
	for (size_t i = 0; i < key.len; i++)
		if (!(key.p[i] >= 'a' && key.p[i] <= 'z') &&
		    (i == 0 || (key.p[i] != '_' && !(key.p[i] >= '0' && key.p[i] <= '9'))))
			return false;
	return true;
}

static bool
labels_ok(const struct bl_series_def *def)
{
	for (uint32_t i = 0; i < def->n_labels; i++)
		if (!key_ok(def->label[i].key))
			return false;
	return true;
}

static void
row_line(const struct state *st, const struct local_metric *m, const struct current_row *row)
{
	const struct bl_series_def *d = &row->def;

	local_text_printf(st->out, "%s%s", m->name, m->counter ? "_total" : "");
	for (uint32_t i = 0; i < d->n_labels; i++)
		label(st, i == 0 ? "{" : ",", d->label[i].key, d->label[i].value);
	local_text_put(st->out, d->n_labels > 0 ? "}" : "");
	end_line(st, local_metric_value(m, row->value));
}

static void
series_family(const struct state *st, const struct family *f)
{
	const struct bl_metric *known = bl_catalogue_find(f->row->def.name.p, f->row->def.name.len);
	bool begun = false;

	for (size_t i = 0; i < f->n; i++) {
		if (f->row[i].unknown != BL_KNOWN || !labels_ok(&f->row[i].def))
			continue;
		if (!begun)
			head(st, &f->m, f->m.counter ? "counter" : "gauge",
			    known != NULL ? known->en
					  : "Named by the configuration or by a program here");
		begun = true;
		row_line(st, &f->m, &f->row[i]);
	}
}

static bool
count_unknown(
    const struct state *st, const struct local_metric *own, const struct family *f, bool begun)
{
	static const char *const reason[] = { "", "unreadable", "timeout", "unsupported", "late" };
	const char *total = f->m.counter ? "_total" : "";
	char name[LOCAL_METRIC_NAME_MAX + 8];

	(void)snprintf(name, sizeof(name), "%s%s", f->m.name, total);
	for (unsigned r = BL_UNKNOWN_UNREADABLE; r <= BL_UNKNOWN_LATE; r++) {
		double n = 0;

		for (size_t i = 0; i < f->n; i++)
			n += f->row[i].unknown == r ? 1 : 0;
		if (n == 0)
			continue;
		if (!begun)
			head(st, own, "gauge", own_families[OWN_UNKNOWN].help);
		begun = true;
		local_text_put(st->out, own->name);
		label(st, "{", str("metric"), str(name));
		label(st, ",", str("reason"), str(reason[r]));
		local_text_put(st->out, "}");
		end_line(st, n);
	}
	return begun;
}

static void
agent_family(const struct state *st, struct local_metric m)
{
	if (!st->open)
		(void)strcat(m.name, "_info");
	head(st, &m, st->open ? "info" : "gauge", own_families[OWN_AGENT].help);
	local_text_put(st->out, PREFIX "agent_info");
	label(st, "{", str("device"), str(st->facts->device));
	label(st, ",", str("site"), str(st->facts->site));
	label(st, ",", str("version"), str(st->facts->version));
	local_text_put(st->out, "}");
	end_line(st, 1);
}

static void
own_family(const struct state *st, const struct family *f)
{
	bool begun = false;

	if (f->own == OWN_AGENT) {
		agent_family(st, f->m);
		return;
	}
	if (f->own == OWN_UNKNOWN) {
		for (size_t i = 0; i < st->n; i++)
			if (st->family[i].row != NULL)
				begun = count_unknown(st, &f->m, &st->family[i], begun);
		return;
	}
	head(st, &f->m, "gauge", own_families[f->own].help);
	local_text_put(st->out, f->m.name);
	end_line(st, f->own == OWN_LINK ? (double)st->facts->link_up : (double)st->left_out);
}

/* ---- families ---- */

/* Those of the agent itself come first: another one of that name is left out. */
static int
compare_families(const void *x, const void *y)
{
	const struct family *a = x, *b = y;
	const int order = strcmp(a->m.name, b->m.name);

	if (order != 0)
		return order;
	if ((a->row == NULL) != (b->row == NULL))
		return a->row == NULL ? -1 : 1;
	return (a->row > b->row) - (a->row < b->row);
}

static bool
same_metric(const struct bl_series_def *a, const struct bl_series_def *b)
{
	return a->kind == b->kind && a->name.len == b->name.len && a->unit.len == b->unit.len &&
	       memcmp(a->name.p, b->name.p, a->name.len) == 0 &&
	       (a->unit.len == 0 || memcmp(a->unit.p, b->unit.p, a->unit.len) == 0);
}

static bool
gather(struct state *st)
{
	const struct current_snapshot *s = st->s;

	st->family = calloc(s->n + OWN_FAMILIES, sizeof(*st->family));
	if (st->family == NULL)
		return false;
	for (unsigned i = 0; i < OWN_FAMILIES; i++) {
		struct family *f = &st->family[st->n++];

		f->own = i;
		f->m = (struct local_metric){ .unit = "", .times = 1, .by = 1 };
		(void)snprintf(f->m.name, sizeof(f->m.name), "%s", own_families[i].name);
	}
	for (size_t i = 0; i < s->n; i++) {
		struct family *f = &st->family[st->n - 1];

		if (f->row != NULL && same_metric(&f->row->def, &s->row[i].def)) {
			f->n++;
			continue;
		}
		f = &st->family[st->n++];
		f->row = &s->row[i];
		f->n = 1;
		local_metric_of(&s->row[i].def, &f->m);
	}
	qsort(st->family, st->n, sizeof(*st->family), compare_families);
	return true;
}

/* Leaves out what would have another one's name. */
static void
choose(struct state *st)
{
	size_t kept = 0;

	for (size_t i = 0; i < st->n; i++) {
		const struct family *f = &st->family[i];

		/* The family branchline_agent has a sample of another name. */
		if ((kept > 0 && strcmp(st->family[kept - 1].m.name, f->m.name) == 0) ||
		    strcmp(f->m.name, PREFIX "agent_info") == 0) {
			st->left_out += f->n;
			continue;
		}
		for (size_t k = 0; k < f->n; k++)
			st->left_out += labels_ok(&f->row[k].def) ? 0 : 1;
		st->family[kept++] = *f;
	}
	st->n = kept;
}

int
local_metrics(const struct current_snapshot *s, const struct local_facts *f, bool open,
    struct bl_buf *out, struct bl_err *err)
{
	struct state st = { .s = s, .facts = f, .open = open, .out = out };

	if (!gather(&st))
		return bl_fail(err, BL_EFULL, "write metrics: out of memory");
	choose(&st);
	for (size_t i = 0; i < st.n; i++) {
		if (st.family[i].row != NULL)
			series_family(&st, &st.family[i]);
		else
			own_family(&st, &st.family[i]);
	}
	if (open)
		local_text_put(out, "# EOF\n");
	free(st.family);
	return out->failed ? bl_fail(err, BL_EFULL, "write metrics: too long") : BL_OK;
}
