/*
 * /metrics: every current value as Prometheus reads it, in its text format
 * (0.0.4) or as OpenMetrics (1.0).  Pure.
 *
 *   names    branchline_ and the name, with the base unit at its end: cpu_used_pct is
 *            branchline_cpu_used_ratio, probe_total_ms branchline_probe_total_seconds;
 *            counters end with _total, nothing else does
 *   values   those that the centre gets, bit for bit; in another unit, to 15 digits
 *   HELP     from the catalogue of metrics
 *   unknown  no sample, never a zero; branchline_unknown counts them by metric and reason
 *
 * A series that cannot be said without a lie (two metrics that would get one
 * name, a label whose key is none there) is left out and counted in
 * branchline_series_left_out.
 */
#ifndef LOCAL_METRICS_H
#define LOCAL_METRICS_H

#include "branchline/buf.h"

#include "current.h"

#define LOCAL_METRICS_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define LOCAL_METRICS_OPEN "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Of the agent itself, beside its series. */
struct local_facts {
	const char *version, *device, *site;
	bool link_up;
};

#define LOCAL_METRIC_NAME_MAX 112u

struct local_metric {
	char name[LOCAL_METRIC_NAME_MAX]; /* without the _total of counters */
	const char *unit;                 /* "seconds"; empty: none */
	double times, by;                 /* value * times, or value / by */
	bool counter;
};

void local_metric_of(const struct bl_series_def *def, struct local_metric *out);
double local_metric_value(const struct local_metric *m, double value);

/* Does an Accept header (NULL: there is none) ask for OpenMetrics? */
bool local_metrics_open_wanted(const char *accept);
/* BL_EFULL: longer than out may be, or out of memory. */
int local_metrics(const struct current_snapshot *s, const struct local_facts *f, bool open,
    struct bl_buf *out, struct bl_err *err);

#endif
