/*
 * Values that bring their own time (DogStatsD 1.3): their sender has aggregated them, so they are
 * not added to anything here.  Each is a report, one sample at its time, within the day that
 * other reported values have:
 *
 *	gauge     a sample of the gauge NAME
 *	count     a sample of the gauge NAME_counted: what was counted at that time.  The counter
 *	          NAME_total goes on by itself: nothing can be added to it in the past
 */
#include <math.h>
#include <string.h>

#include "statsd_internal.h"

#define VALUE_MAX 1e100
#define COUNTED   "_counted"

/* Of several the last of a gauge, the sum of counts; false: one is no number within bounds. */
static bool
value_of(const struct statsd_line *l, double *out)
{
	struct bl_str rest = l->values, text;
	double value, sum = 0;

	while (statsd_split(&rest, ':', &text)) {
		if (!statsd_number(text.p, text.len, &value) || fabs(value) > VALUE_MAX * l->rate)
			return false;
		sum = l->kind == STATSD_GAUGE ? value : sum + value / l->rate;
	}
	*out = sum;
	return isfinite(sum);
}

/* Within the inlet's cap, too, as series that happen now and then; false: refused and counted. */
static bool
has_room(struct statsd *s, struct intake_name *n)
{
	const struct intake_opts opts = { .source = "statsd",
		.prefix = s->conf->prefix,
		.max_series = (uint32_t)s->conf->max_series,
		.sink = s->host->sink };

	if (s->series.stamped == NULL && intake_open(&s->series.stamped, &opts, NULL) < 0) {
		intake_refuse(s->series.intake, INTAKE_NO_MEMORY, n->name);
		return false;
	}
	return intake_series(s->series.stamped, n) >= 0;
}

/* The report has the name as ours, with the prefix: it has no other way to get one. */
static bool
define(struct statsd *s, struct intake_name *n, struct bl_str name, enum statsd_kind kind,
    char clean[BL_NAME_MAX + 1], struct bl_series_def *out)
{
	char text[STATSD_NAME_MAX + sizeof(COUNTED)];
	size_t len = name.len;

	memcpy(text, name.p, name.len);
	if (kind == STATSD_COUNTER) {
		memcpy(text + len, COUNTED, sizeof(COUNTED) - 1);
		len += sizeof(COUNTED) - 1;
	}
	n->name = (struct bl_str){ text, len };
	n->kind = BL_GAUGE;
	if (!has_room(s, n) || !intake_clean_name(s->conf->prefix, n->name, clean))
		return false;
	*out = (struct bl_series_def){ .kind = BL_GAUGE,
		.name = { clean, strlen(clean) },
		.unit = n->unit,
		.n_labels = n->n_labels };
	memcpy(out->label, n->label, n->n_labels * sizeof(n->label[0]));
	return true;
}

static bool
stamped(struct statsd *s, const struct statsd_line *l)
{
	struct inlet_report r = { .kind = INLET_METRIC, .at_unix_ms = l->at_unix_ms };
	char text[BL_NAME_MAX + 1];
	struct bl_err err = { 0 };
	struct intake_name n;
	struct bl_str name;
	int64_t boot_ms;

	if (inlet_report_place(&r, s->host->clock, &boot_ms, &err) < 0) {
		statsd_refuse(s, STATSD_BAD_TIME, err.msg);
		return true;
	}
	if (!value_of(l, &r.value)) {
		intake_refuse(s->series.intake, INTAKE_BAD_VALUE, l->name);
		return true;
	}
	if (!statsd_series_named(&s->series, l, &n, &name) ||
	    !define(s, &n, name, l->kind, text, &r.def))
		return true;
	return statsd_event_report(s, &r);
}

bool
statsd_stamped_line(struct statsd *s, const char *p, size_t len)
{
	struct statsd_line l;

	/* It was parsed before it waited. */
	return statsd_line_parse(p, len, &l) != NULL || stamped(s, &l);
}
