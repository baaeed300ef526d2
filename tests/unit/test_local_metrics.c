/* /metrics: names, values, both formats; what cannot be said without a lie is left out and counted.
 */
#include "local_metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/catalogue.h"

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

static struct current_row
row(const char *name, const char *unit, enum bl_series_kind kind, const char *key,
    const char *label, double value)
{
	struct current_row r = { .def = { .stream = BL_STREAM_HOST,
				     .kind = kind,
				     .name = str(name),
				     .unit = str(unit) },
		.value = value };

	if (key != NULL) {
		r.def.n_labels = 1;
		r.def.label[0] = (struct bl_label){ str(key), str(label) };
	}
	return r;
}

/* The text; free it. */
static char *
said(struct current_row *rows, size_t n, bool open)
{
	const struct current_snapshot s = { .row = rows, .n = n };
	const struct local_facts facts = { "1.2", "till-1", "shop", true };
	struct bl_err err = { 0 };
	struct bl_buf b;
	char *text;

	bl_buf_init(&b, LOCAL_METRIC_NAME_MAX * 1000);
	assert_int_equal(local_metrics(&s, &facts, open, &b, &err), BL_OK);
	text = strndup((const char *)b.data, b.len);
	bl_buf_free(&b);
	return text;
}

#define OWN_TEXT                                                                                   \
	"# HELP branchline_agent_info Which agent this is\n"                                       \
	"# TYPE branchline_agent_info gauge\n"                                                     \
	"branchline_agent_info{device=\"till-1\",site=\"shop\",version=\"1.2\"} 1\n"
#define LINK                                                                                       \
	"# HELP branchline_link_up 1 while the agent is connected to its broker\n"                 \
	"# TYPE branchline_link_up gauge\n"                                                        \
	"branchline_link_up 1\n"
#define LEFT_OUT(n)                                                                                \
	"# HELP branchline_series_left_out Series that cannot be shown here: two metrics would "   \
	"get one name, or a label has none\n"                                                      \
	"# TYPE branchline_series_left_out gauge\n"                                                \
	"branchline_series_left_out " n "\n"

static void
both_formats_say_the_same(void **state)
{
	struct current_row rows[] = {
		row("agent_cpu_ms_total", "ms", BL_COUNTER, NULL, NULL, 1234),
		row("cpu_used_pct", "pct", BL_GAUGE, NULL, NULL, 12.34),
		row("disk_used_pct", "pct", BL_GAUGE, "mount", "/a\\b\"c\nd", 0.5),
		row("zero_ms", "ms", BL_GAUGE, NULL, NULL, -0.0),
	};
	char *text;

	(void)state;
	text = said(rows, 4, false);
	assert_string_equal(text, OWN_TEXT
	    "# HELP branchline_agent_cpu_seconds_total Processor time that the agent has used\n"
	    "# TYPE branchline_agent_cpu_seconds_total counter\n"
	    "branchline_agent_cpu_seconds_total 1.234\n"
	    "# HELP branchline_cpu_used_ratio Share of all processors' time that was used for "
	    "work\n"
	    "# TYPE branchline_cpu_used_ratio gauge\n"
	    "branchline_cpu_used_ratio 0.1234\n"
	    "# HELP branchline_disk_used_ratio Used share of what an ordinary user may fill, as df "
	    "shows it\n"
	    "# TYPE branchline_disk_used_ratio gauge\n"
	    "branchline_disk_used_ratio{mount=\"/a\\\\b\\\"c\\nd\"} 0.005\n" LINK LEFT_OUT(
		"0") "# HELP branchline_zero_seconds Named by the configuration or by a program "
		     "here\n"
		     "# TYPE branchline_zero_seconds gauge\n"
		     "branchline_zero_seconds -0\n");
	free(text);
}

static void
is(const char *name, const char *unit, enum bl_series_kind kind, double value, const char *expected,
    double expected_value)
{
	const struct current_row r = row(name, unit, kind, NULL, NULL, value);
	struct local_metric m;

	local_metric_of(&r.def, &m);
	assert_string_equal(m.name, expected);
	/* The nearest double: what is printed is short. */
	assert_true(local_metric_value(&m, value) == expected_value);
}

static void
names_and_units_are_those_of_prometheus(void **state)
{
	(void)state;
	is("probe_total_ms", "ms", BL_GAUGE, 12.3, "branchline_probe_total_seconds", 0.0123);
	is("pressure_some_us_total", "us", BL_COUNTER, 5, "branchline_pressure_some_seconds", 5e-6);
	is("uptime_s", "s", BL_GAUGE, 7, "branchline_uptime_seconds", 7);
	/* Names of others', who write units out. */
	is("node_time_seconds", "s", BL_GAUGE, 7, "branchline_node_time_seconds", 7);
	is("cpu_seconds_total", "s", BL_COUNTER, 7, "branchline_cpu_seconds", 7);
	is("lag_milliseconds", "ms", BL_GAUGE, 7, "branchline_lag_seconds", 0.007);
	is("fan_percent", "pct", BL_GAUGE, 7, "branchline_fan_ratio", 0.07);
	is("probe_certificate_days", "days", BL_GAUGE, 2, "branchline_probe_certificate_seconds",
	    172800);
	is("cpu_used_pct", "pct", BL_GAUGE, 99.9, "branchline_cpu_used_ratio", 0.999);
	is("time_frequency_ppm", "ppm", BL_GAUGE, -3.5, "branchline_time_frequency_ratio", -3.5e-6);
	is("disk_used_bytes", "bytes", BL_GAUGE, 9e15, "branchline_disk_used_bytes", 9e15);
	is("temperature_celsius", "celsius", BL_GAUGE, 41.5, "branchline_temperature_celsius",
	    41.5);
	is("power_watts", "watt", BL_GAUGE, 3, "branchline_power_watts", 3);
	is("energy", "watt_hour", BL_COUNTER, 2, "branchline_energy_joules", 7200);
	is("fan_rpm", "rpm", BL_GAUGE, 900, "branchline_fan_rpm", 900);
	is("log_lines_total", "1", BL_COUNTER, 3, "branchline_log_lines", 3);
	is("processes_total", "1", BL_GAUGE, 3, "branchline_processes", 3);
	is("process_count", "1", BL_GAUGE, 3, "branchline_process_number", 3);
	is("oven", "furlong", BL_GAUGE, 3, "branchline_oven", 3);
	is("ms", "ms", BL_GAUGE, 3, "branchline_ms_seconds", 0.003);
}

/* Two rows of the catalogue must not end up under one name. */
static void
every_metric_of_the_catalogue_has_a_name_of_its_own(void **state)
{
	static struct local_metric seen[512];
	size_t n = 0;

	(void)state;
	for (const struct bl_catalogue_area *a = bl_catalogue_areas; a->name != NULL; a++)
		for (const struct bl_metric *m = a->row; m->name != NULL; m++) {
			const struct current_row r = row(m->name, m->unit, m->kind, NULL, NULL, 0);

			assert_true(n < 512);
			local_metric_of(&r.def, &seen[n]);
			for (size_t i = 0; i < n; i++)
				assert_string_not_equal(seen[i].name, seen[n].name);
			assert_null(strstr(seen[n].name + strlen(seen[n].name) - 6, "_total"));
			n++;
		}
	assert_true(n > 100);
}

static void
unknown_is_no_sample(void **state)
{
	struct current_row rows[] = {
		row("cpu_used_pct", "pct", BL_GAUGE, NULL, NULL, 0),
		row("probe_total_ms", "ms", BL_GAUGE, "probe", "a", 0),
		row("probe_total_ms", "ms", BL_GAUGE, "probe", "b", 5),
		row("probe_total_ms", "ms", BL_GAUGE, "probe", "c", 0),
	};
	char *text;

	(void)state;
	rows[0].unknown = BL_UNKNOWN_UNREADABLE;
	rows[1].unknown = rows[3].unknown = BL_UNKNOWN_TIMEOUT;
	text = said(rows, 4, false);
	assert_string_equal(text,
	    OWN_TEXT LINK "# HELP branchline_probe_total_seconds Time of the whole probe\n"
			  "# TYPE branchline_probe_total_seconds gauge\n"
			  "branchline_probe_total_seconds{probe=\"b\"} 0.005\n" LEFT_OUT(
			      "0") "# HELP branchline_unknown Series that have no value at the "
				   "moment, by metric and reason\n"
				   "# TYPE branchline_unknown gauge\n"
				   "branchline_unknown{metric=\"branchline_cpu_used_ratio\",reason="
				   "\"unreadable\"} 1\n"
				   "branchline_unknown{metric=\"branchline_probe_total_seconds\","
				   "reason=\"timeout\"} 2\n");
	free(text);
}

static void
what_would_lie_is_left_out_and_counted(void **state)
{
	struct current_row rows[] = {
		/* a register with the name of one of our own */
		row("link_up", "1", BL_GAUGE, "probe", "x", 5),
		row("agent_info", "1", BL_GAUGE, "probe", "x", 5),
		/* two metrics, one name */
		row("oven_ms", "ms", BL_GAUGE, "probe", "x", 5),
		row("oven_s", "s", BL_GAUGE, "probe", "x", 6),
		row("oven_s", "s", BL_GAUGE, "probe", "y", 7),
		/* keys that are none there */
		row("pan", "1", BL_GAUGE, "a-b", "x", 1),
		row("pan", "1", BL_GAUGE, "__name__", "x", 2),
		row("pan", "1", BL_GAUGE, "probe", "x", INFINITY),
		row("pan", "1", BL_COUNTER, "probe", "x", 3), /* one name, two kinds */
	};
	char *text;

	(void)state;
	text = said(rows, 9, false);
	assert_string_equal(text, OWN_TEXT LINK
	    "# HELP branchline_oven_seconds Named by the configuration or by a program here\n"
	    "# TYPE branchline_oven_seconds gauge\n"
	    "branchline_oven_seconds{probe=\"x\"} 0.005\n"
	    "# HELP branchline_pan Named by the configuration or by a program here\n"
	    "# TYPE branchline_pan gauge\n"
	    "branchline_pan{probe=\"x\"} +Inf\n" LEFT_OUT("7"));
	free(text);
	text = said(rows, 9, true); /* there, it is a sample of the family branchline_agent */
	assert_null(strstr(text, "branchline_agent_info{probe"));
	assert_non_null(strstr(text, "branchline_series_left_out 7\n"));
	free(text);
}

static void
openmetrics_has_units_families_and_an_end(void **state)
{
	struct current_row rows[] = {
		row("agent_cpu_ms_total", "ms", BL_COUNTER, NULL, NULL, 1234),
		row("load1", "1", BL_GAUGE, NULL, NULL, 0.1),
	};
	char *text;

	(void)state;
	text = said(rows, 2, true);
	assert_string_equal(text,
	    "# HELP branchline_agent Which agent this is\n"
	    "# TYPE branchline_agent info\n"
	    "branchline_agent_info{device=\"till-1\",site=\"shop\",version=\"1.2\"} 1\n"
	    "# HELP branchline_agent_cpu_seconds Processor time that the agent has used\n"
	    "# TYPE branchline_agent_cpu_seconds counter\n"
	    "# UNIT branchline_agent_cpu_seconds seconds\n"
	    "branchline_agent_cpu_seconds_total 1.234\n" LINK
	    "# HELP branchline_load1 Tasks that run or wait for disks, on average over 1 minute\n"
	    "# TYPE branchline_load1 gauge\n"
	    "branchline_load1 0.1\n" LEFT_OUT("0") "# EOF\n");
	free(text);
}

static void
a_text_that_is_too_long_is_refused(void **state)
{
	struct current_row rows[] = { row("load1", "1", BL_GAUGE, NULL, NULL, 0.1) };
	const struct current_snapshot s = { .row = rows, .n = 1 };
	const struct local_facts facts = { "1.2", "till-1", "shop", true };
	struct bl_err err = { 0 };
	struct bl_buf b;

	(void)state;
	bl_buf_init(&b, 100);
	assert_int_equal(local_metrics(&s, &facts, true, &b, &err), BL_EFULL);
	bl_buf_free(&b);
}

static void
accept_decides_the_format(void **state)
{
#define OPEN "application/openmetrics-text"
	static const struct {
		const char *accept;
		bool open;
	} cases[] = {
		{ NULL, false },
		{ "", false },
		{ "*/*", false },
		{ "text/plain", false },
		{ OPEN, true },
		{ OPEN "; version=1.0.0; charset=utf-8", true },
		{ OPEN ";version=\"1.0.0\"", true },
		{ OPEN ";version=0.0.1", false },
		{ OPEN ";version=2.0.0,text/plain;q=0.1", false },
		{ OPEN ";q=0", false },
		{ OPEN ";q=0.5, text/plain;q=0.6", false },
		{ OPEN ";q=0.6, text/plain;q=0.5", true },
		{ OPEN ", text/plain", true },
		{ "text/html, " OPEN ";q=0.9, */*;q=0.8", true },
		{ OPEN ";q=x", false },
		{ OPEN ";q=7", false },
		{ OPEN "x", false },
		{ ",,;;," OPEN, true },
		{ "a;b=\"," OPEN "\"", false },
		/* Prometheus 2.42 */
		{ OPEN ";version=1.0.0," OPEN
		       ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		    true },
		/* VictoriaMetrics */
		{ "text/plain;version=0.0.4;q=1,*/*;q=0.1", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (local_metrics_open_wanted(cases[i].accept) != cases[i].open)
			fail_msg("%s", cases[i].accept);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_formats_say_the_same),
		cmocka_unit_test(names_and_units_are_those_of_prometheus),
		cmocka_unit_test(every_metric_of_the_catalogue_has_a_name_of_its_own),
		cmocka_unit_test(unknown_is_no_sample),
		cmocka_unit_test(what_would_lie_is_left_out_and_counted),
		cmocka_unit_test(openmetrics_has_units_families_and_an_end),
		cmocka_unit_test(a_text_that_is_too_long_is_refused),
		cmocka_unit_test(accept_decides_the_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
