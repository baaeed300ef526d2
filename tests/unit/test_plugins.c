/*
 * Monitoring plug-ins without processes: what they print taken apart, what it is reported as, and
 * when a check runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inlet_line.h"
#include "plugins.h"
#include "plugins_output.h"
#include "plugins_report.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- text ---- */

static void
check_part(const char *what, const struct bl_buf *got, const char *want)
{
	if (got->failed || got->len != strlen(want) ||
	    (got->len > 0 && memcmp(got->data, want, got->len) != 0))
		fail_msg("%s: got \"%.*s\"", what, (int)got->len, (const char *)got->data);
}

static void
output_is_taken_apart(void **state)
{
	static const struct {
		const char *out, *text, *detail, *perf;
	} rows[] = {
		{ "OK\n", "OK", "", "" },
		{ "OK", "OK", "", "" },
		{ "", "", "", "" },
		{ "\n", "", "", "" },
		{ "OK - all|a=1", "OK - all", "", "a=1 " },
		{ "OK - all |  a=1 b=2 \n", "OK - all", "", "  a=1 b=2 " },
		{ "OK\nmore\nand more\n", "OK", "more\nand more", "" },
		/* the example of the guidelines */
		{ "DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n"
		  "/ 15272 MB (77%);\n"
		  "/boot 68 MB (69%);\n"
		  "/home 69357 MB (27%);\n"
		  "/var/log 819 MB (84%); | /boot=68MB;88;93;0;98\n"
		  "/home=69357MB;253404;253409;0;253414 \n"
		  "/var/log=818MB;970;975;0;980\n",
		    "DISK OK - free space: / 3326 MB (56%);",
		    "/ 15272 MB (77%);\n/boot 68 MB (69%);\n/home 69357 MB (27%);\n"
		    "/var/log 819 MB (84%);",
		    " /=2643MB;5948;5958;0;5968  /boot=68MB;88;93;0;98 "
		    "/home=69357MB;253404;253409;0;253414 /var/log=818MB;970;975;0;980 " },
		{ "OK | a=1\nmore\n", "OK", "more", " a=1 " },
		{ "OK\nmore\n\n  \n| a=1\n", "OK", "more", " a=1 " },
		{ "OK | a=1 | b\n", "OK", "", " a=1 | b " },
		{ "\nlater", "", "later", "" },
		{ "OK\r\nmore\r\n", "OK", "more", "" },
		{ "a\tb\x01"
		  "c\x7f",
		    "a b?c?", "", "" },
		{ "\xe6\xad\xa3\xe5\xb8\xb8 \xe6\xad\xa3", "\xe6\xad\xa3\xe5\xb8\xb8 \xe6\xad\xa3",
		    "", "" },
		{ "\xd5\xfd\xb3\xa3 \xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80 \xe6\xad",
		    "???? ?? ??? ???? ??", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct bl_buf text, detail, perf;

		bl_buf_init(&text, 4096);
		bl_buf_init(&detail, 4096);
		bl_buf_init(&perf, 4096);
		plugins_output_split(rows[i].out, strlen(rows[i].out), &text, &detail, &perf);
		check_part(rows[i].out, &text, rows[i].text);
		check_part(rows[i].out, &detail, rows[i].detail);
		check_part(rows[i].out, &perf, rows[i].perf);
		bl_buf_free(&text);
		bl_buf_free(&detail);
		bl_buf_free(&perf);
	}
}

static void
texts_are_cut_between_characters(void **state)
{
	static const char text[] = "ab\xe6\xad\xa3"
				   "c";
	static const size_t want[] = { 0, 1, 2, 2, 2, 5, 6, 6 };

	(void)state;
	for (size_t max = 0; max < COUNT(want); max++)
		assert_int_equal(plugins_text_cut(text, strlen(text), max), want[max]);
}

/* ---- performance data ---- */

static size_t
show_end(char *out, size_t size, const char *name, bool has, double v)
{
	return has ? (size_t)snprintf(out, size, " %s=%g", name, v) : 0;
}

static size_t
show_range(char *out, size_t size, const char *name, const struct plugins_range *r)
{
	char key[32];
	size_t n = 0;

	(void)snprintf(key, sizeof(key), "%s%s.low", r->inside ? "@" : "", name);
	n += show_end(out, size, key, r->has_low, r->low);
	(void)snprintf(key, sizeof(key), "%s%s.high", r->inside ? "@" : "", name);
	return n + show_end(out + n, size - n, key, r->has_high, r->high);
}

/* All of a value on one line. */
static void
show(const struct plugins_perf *p, char *out, size_t size)
{
	size_t n = p->known
		       ? (size_t)snprintf(out, size, "[%s] %.10g%s", p->label, p->value, p->uom)
		       : (size_t)snprintf(out, size, "[%s] U", p->label);

	n += show_range(out + n, size - n, "warn", &p->warn);
	n += show_range(out + n, size - n, "crit", &p->crit);
	n += show_end(out + n, size - n, "min", p->has_min, p->min);
	n += show_end(out + n, size - n, "max", p->has_max, p->max);
	(void)snprintf(out + n, size - n, "%s", p->bad_limit ? " bad" : "");
}

static const struct {
	const char *perf;
	const char *want[4]; /* what is none: its error from "expected" on */
} perfs[] = {
	{ "", { NULL } },
	{ "   ", { NULL } },
	{ "a=1", { "[a] 1" } },
	{ "a=1;;;; b=2", { "[a] 1", "[b] 2" } },
	{ "load1=0.250;5.000;10.000;0;", { "[load1] 0.25 warn.high=5 crit.high=10 min=0" } },
	{ "/=2643MiB;5948;5958;0;5968",
	    { "[/] 2643MiB warn.high=5948 crit.high=5958 min=0 max=5968" } },
	{ "'C:\\ %'=78%;80;90", { "[C:\\ %] 78% warn.high=80 crit.high=90" } },
	{ "'it''s'=1 b=2", { "[it's] 1", "[b] 2" } },
	{ "''=1 b=2", { "expected a label before =", "[b] 2" } },
	{ "'open=1 b=2", { "expected a label's closing quote" } },
	{ "'a'b=1 c=2", { "expected = after the label", "[c] 2" } },
	{ "=1 b=2", { "expected a label before =", "[b] 2" } },
	{ "rta of host=3.4ms", { "[rta of host] 3.4ms" } },
	{ "time=0.012306s;;;0.000000;10.000000", { "[time] 0.012306s min=0 max=10" } },
	{ "a=U b=2", { "[a] U", "[b] 2" } },
	{ "a=U;1;2", { "[a] U warn.high=1 crit.high=2" } },
	{ "a=Up", { "expected U alone, for a value that is not known" } },
	{ "a= b=2", { "expected a number after =", "[b] 2" } },
	{ "a=x b=2", { "expected a number after =", "[b] 2" } },
	{ "a=nan b=inf c=0x10",
	    { "expected a number after =", "expected a number after =", "[c] 0x10" } },
	{ "a=-1.5e-3s", { "[a] -0.0015s" } },
	{ "a=+2", { "[a] 2" } },
	{ "a=1e400", { "expected a number after =" } },
	{ "a=.5 b=5.", { "[a] 0.5", "[b] 5" } },
	{ "a=1,5%", { "[a] 1.5%" } },
	{ "a=1,234,567", { "expected one number and a unit of at most 16 bytes after =" } },
	{ "a=1.2.3 b=2",
	    { "expected one number and a unit of at most 16 bytes after =", "[b] 2" } },
	{ "a=5e", { "[a] 5e" } },
	{ "a=21\xc2\xb0"
	  "C",
	    { "[a] 21\xc2\xb0"
	      "C" } },
	{ "a=1abcdefghijklmnop b=2", { "[a] 1abcdefghijklmnop", "[b] 2" } },
	{ "a=1abcdefghijklmnopq b=2",
	    { "expected one number and a unit of at most 16 bytes after =", "[b] 2" } },
	/* ranges */
	{ "a=1;10:;~:10;;", { "[a] 1 warn.low=10 crit.high=10" } },
	{ "a=1;10:20;@10:20", { "[a] 1 warn.low=10 warn.high=20 @crit.low=10 @crit.high=20" } },
	{ "a=1;@10;:20", { "[a] 1 @warn.high=10 crit.high=20" } },
	{ "a=1;0:5;-5:-1", { "[a] 1 warn.low=0 warn.high=5 crit.low=-5 crit.high=-1" } },
	{ "a=1;10%;20%:30%;0%;100%",
	    { "[a] 1 warn.high=10 crit.low=20 crit.high=30 min=0 max=100" } },
	{ "a=1;x;2;3;4", { "[a] 1 crit.high=2 min=3 max=4 bad" } },
	{ "a=1;~;2", { "[a] 1 crit.high=2 bad" } },
	{ "a=1;1:2:3;2", { "[a] 1 crit.high=2 bad" } },
	{ "a=1;1;2;3;4;5 b=2", { "[a] 1 warn.high=1 crit.high=2 min=3 max=4 bad", "[b] 2" } },
	{ "a=1;2;3;x;y", { "[a] 1 warn.high=2 crit.high=3 bad" } },
	{ "a=1;2 b=3", { "[a] 1 warn.high=2", "[b] 3" } },
	{ "no data here", { "expected label=value" } },
	{ "a=1 rubbish", { "[a] 1", "expected label=value" } },
};

static void
performance_data_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(perfs); i++) {
		struct bl_str rest = { perfs[i].perf, strlen(perfs[i].perf) };
		struct plugins_perf p;
		struct bl_err err = { 0 };
		char got[512];
		unsigned n = 0;
		int rc;

		while ((rc = plugins_perf_next(&rest, &p, &err)) != 0) {
			const char *want = n < 4 ? perfs[i].want[n] : NULL;

			if (rc > 0)
				show(&p, got, sizeof(got));
			else
				(void)snprintf(got, sizeof(got), "%.*s",
				    (int)(strstr(err.msg, ", got") - err.msg), err.msg);
			if (want == NULL || strcmp(got, want) != 0)
				fail_msg("%s: number %u: got %s", perfs[i].perf, n, got);
			n++;
		}
		if (n < 4 && perfs[i].want[n] != NULL)
			fail_msg("%s: only %u", perfs[i].perf, n);
	}
}

static void
long_labels_are_refused_as_a_whole(void **state)
{
	char text[256];
	struct plugins_perf p;
	struct bl_str rest = { text, sizeof(text) };

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text + 129, "=1 b=2", 6);
	rest.len = 135;
	assert_int_equal(plugins_perf_next(&rest, &p, NULL), BL_EINVAL);
	assert_int_equal(plugins_perf_next(&rest, &p, NULL), 1);
	assert_string_equal(p.label, "b");
	rest = (struct bl_str){ text + 1, 130 };
	assert_int_equal(plugins_perf_next(&rest, &p, NULL), 1);
	assert_int_equal(strlen(p.label), 128);
}

static void
units_become_ours(void **state)
{
	static const struct {
		const char *uom, *metric, *unit;
		double scale;
		bool counter;
	} rows[] = {
		{ "", "plugin_value", "1", 1, false },
		{ "c", "plugin_total", "1", 1, true },
		{ "%", "plugin_pct", "pct", 1, false },
		{ "s", "plugin_ms", "ms", 1000, false },
		{ "ms", "plugin_ms", "ms", 1, false },
		{ "us", "plugin_ms", "ms", 1e-3, false },
		{ "B", "plugin_bytes", "bytes", 1, false },
		{ "KB", "plugin_bytes", "bytes", 1024, false },
		{ "kB", "plugin_bytes", "bytes", 1024, false },
		{ "KiB", "plugin_bytes", "bytes", 1024, false },
		{ "MB", "plugin_bytes", "bytes", 1048576, false },
		{ "MiB", "plugin_bytes", "bytes", 1048576, false },
		{ "GB", "plugin_bytes", "bytes", 1073741824, false },
		{ "TB", "plugin_bytes", "bytes", 1099511627776, false },
		{ "iB", "plugin_value", "iB", 1, false },
		{ "b", "plugin_value", "b", 1, false },
		{ "Mb", "plugin_value", "Mb", 1, false },
		{ "M", "plugin_value", "M", 1, false },
		{ "V", "plugin_value", "V", 1, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct plugins_unit u = plugins_unit_of(rows[i].uom);

		assert_string_equal(u.metric, rows[i].metric);
		assert_string_equal(u.unit, rows[i].unit);
		assert_true(u.scale == rows[i].scale);
		assert_int_equal(u.counter, rows[i].counter);
	}
}

/* ---- reports ---- */

struct told {
	char text[16384];
	size_t len;
	unsigned n, events;
};

static void
keep_line(void *ctx, const char *line, size_t len, bool event)
{
	static struct inlet_line parsed;
	struct told *t = ctx;
	struct bl_err err = { 0 };

	assert_true(t->len + len + 2 < sizeof(t->text));
	if (inlet_line_parse(line, len, &parsed, &err) < 0)
		fail_msg("the agent refuses %.*s: %s", (int)len, line, err.msg);
	assert_int_equal(parsed.r.kind, event ? INLET_EVENT : INLET_METRIC);
	memcpy(t->text + t->len, line, len);
	t->len += len;
	t->text[t->len++] = '\n';
	t->text[t->len] = '\0';
	t->n++;
	t->events += event;
}

static void
result(struct plugins_result *r, enum plugins_state state, const char *text, const char *detail,
    const char *perf)
{
	plugins_result_failed(r, "disk", "", 1764324000123);
	r->state = state;
	r->duration_ms = 12;
	bl_buf_init(&r->text, 4096);
	bl_buf_init(&r->detail, 4096);
	bl_buf_init(&r->perf, 65536);
	bl_buf_bytes(&r->text, text, strlen(text));
	bl_buf_bytes(&r->detail, detail, strlen(detail));
	bl_buf_bytes(&r->perf, perf, strlen(perf));
}

static void
a_result_becomes_lines(void **state)
{
	static const char first[] =
	    "event plugin.state id=run-1 at=1764324000.123 check=\"disk\" state=\"warning\" code=1 "
	    "text=\"say \\\"1\\\"\" detail=\"a\\nb\"\n"
	    "metric plugin_state 1 id=run-2 at=1764324000.123 check=\"disk\"\n"
	    "metric plugin_duration_ms 12 unit=\"ms\" id=run-3 at=1764324000.123 check=\"disk\"\n"
	    "metric plugin_ms 12.306 unit=\"ms\" id=run-4 at=1764324000.123 check=\"disk\" "
	    "label=\"time\"\n"
	    "metric plugin_ms_limit 1000 unit=\"ms\" id=run-5 at=1764324000.123 check=\"disk\" "
	    "label=\"time\" "
	    "limit=\"warn_high\"\n"
	    "metric plugin_ms_limit 500 unit=\"ms\" id=run-6 at=1764324000.123 check=\"disk\" "
	    "label=\"time\" "
	    "limit=\"crit_inside_low\"\n"
	    "metric plugin_ms_limit 2000 unit=\"ms\" id=run-7 at=1764324000.123 check=\"disk\" "
	    "label=\"time\" "
	    "limit=\"crit_inside_high\"\n"
	    "metric plugin_ms_limit 0 unit=\"ms\" id=run-8 at=1764324000.123 check=\"disk\" "
	    "label=\"time\" "
	    "limit=\"min\"\n"
	    "metric plugin_total 1.2345678901234568e+17 kind=counter id=run-9 at=1764324000.123 "
	    "check=\"disk\" "
	    "label=\"a b\"\n"
	    "metric plugin_value 0.1 unit=\"V\" id=run-10 at=1764324000.123 check=\"disk\" "
	    "label=\"v\"\n";
	static const char again[] =
	    "metric plugin_state 1 id=run-11 at=1764324000.123 check=\"disk\"\n"
	    "metric plugin_duration_ms 12 unit=\"ms\" id=run-12 at=1764324000.123 check=\"disk\"\n"
	    "metric plugin_ms 12.306 unit=\"ms\" id=run-13 at=1764324000.123 check=\"disk\" "
	    "label=\"time\"\n"
	    "metric plugin_total 1.2345678901234568e+17 kind=counter id=run-14 at=1764324000.123 "
	    "check=\"disk\" "
	    "label=\"a b\"\n"
	    "metric plugin_value 0.1 unit=\"V\" id=run-15 at=1764324000.123 check=\"disk\" "
	    "label=\"v\"\n";
	static const char perf[] = "time=0.012306s;1;@0.5:2;0 'a b'=123456789012345678c v=0.1V "
				   "time=2s x=U nonsense";
	struct told told = { .len = 0 };
	struct plugins_teller t = { .ctx = &told, .line = keep_line, .id = "run" };
	struct plugins_memory m = { .known = false };
	struct plugins_counted counted = { 0 };
	struct plugins_result r;

	(void)state;
	result(&r, PLUGINS_WARNING, "say \"1\"", "a\nb", perf);
	plugins_report(&r, &t, &m, 5000, &counted);
	assert_string_equal(told.text, first);
	assert_int_equal(told.events, 1);
	assert_int_equal(counted.values, 3);
	assert_int_equal(counted.bad_values, 2);

	told.len = 0;
	plugins_report(&r, &t, &m, 65000, &counted);
	assert_string_equal(told.text, again);

	/* Limits come again after an hour, and when they change. */
	told.n = 0;
	plugins_report(&r, &t, &m, 5000 + 3600000, &counted);
	assert_int_equal(told.n, 9);
	plugins_result_free(&r);
	result(&r, PLUGINS_WARNING, "", "", "time=0.012306s;2;@0.5:2;0 v=0.1V");
	told.n = 0;
	plugins_report(&r, &t, &m, 5000 + 3660000, &counted);
	assert_int_equal(told.n, 2 + 2 + 4);
	told.n = 0;
	plugins_report(&r, &t, &m, 5000 + 3720000, &counted);
	assert_int_equal(told.n, 2 + 2);
	plugins_result_free(&r);
}

static void
another_state_is_an_event(void **state)
{
	struct told told = { .len = 0 };
	struct plugins_teller t = { .ctx = &told, .line = keep_line, .id = "run" };
	struct plugins_memory m = { .known = true, .state = PLUGINS_OK };
	struct plugins_counted counted = { 0 };
	struct plugins_result r;

	(void)state;
	plugins_result_failed(&r, "disk", "no such plug-in", 1764324000000);
	plugins_report(&r, &t, &m, 0, &counted);
	assert_non_null(strstr(told.text, "event plugin.state id=run-1 at=1764324000.000 "
					  "check=\"disk\" state=\"unknown\" code=3 before=\"ok\" "
					  "why=\"no such plug-in\"\n"));
	told.events = 0;
	plugins_report(&r, &t, &m, 0, &counted);
	assert_int_equal(told.events, 0);
	plugins_result_free(&r);
}

/* The longest texts, each byte of them escaped, still make a line that the agent takes. */
static void
the_longest_event_fits(void **state)
{
	struct told told = { .len = 0 };
	struct plugins_teller t = {
		.ctx = &told, .line = keep_line, .id = "0123456789012345678901234567890"
	};
	struct plugins_memory m = { .known = true, .state = PLUGINS_OK };
	struct plugins_counted counted = { 0 };
	struct plugins_result r;
	char text[2001], why[400], name[65];

	(void)state;
	memset(text, '"', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memset(why, '\\', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	plugins_result_failed(&r, name, why, 253402300799999);
	bl_buf_init(&r.text, 4096);
	bl_buf_init(&r.detail, 4096);
	bl_buf_bytes(&r.text, text, strlen(text));
	bl_buf_bytes(&r.detail, text, strlen(text));
	t.n = UINT64_MAX - 2;
	plugins_report(&r, &t, &m, 0, &counted);
	assert_int_equal(told.events, 1);
	assert_int_equal(t.unmade, 0);
	plugins_result_free(&r);
}

static void
values_of_a_run_are_bounded(void **state)
{
	struct told *told = calloc(1, sizeof(*told));
	struct plugins_teller t = { .ctx = told, .line = keep_line, .id = "r" };
	struct plugins_memory m = { .known = true, .state = PLUGINS_OK };
	struct plugins_counted counted = { 0 };
	struct plugins_result r;
	char item[16];

	(void)state;
	assert_non_null(told);
	result(&r, PLUGINS_OK, "", "", "");
	for (unsigned i = 0; i < PLUGINS_VALUES_MAX + 10; i++) {
		(void)snprintf(item, sizeof(item), "a%u=U ", i);
		bl_buf_bytes(&r.perf, item, strlen(item));
	}
	bl_buf_bytes(&r.perf, "b=1", 3);
	plugins_report(&r, &t, &m, 0, &counted);
	assert_int_equal(told->n, 2);
	assert_int_equal(counted.bad_values, 11);
	plugins_result_free(&r);
	free(told);
}

/* ---- when ---- */

static void
checks_are_spread_over_their_interval(void **state)
{
	const size_t n = 10;

	(void)state;
	for (int64_t interval = 1000; interval <= 300000; interval *= 300)
		for (size_t i = 0; i < n; i++) {
			const int64_t span = interval < 30000 ? interval : 30000;
			const struct plugins_due d =
			    plugins_due_first(5000, interval, i, n, 0xffffffffu);

			assert_true(d.mono_ms >= 5000 + span * (int64_t)i / 10);
			assert_true(d.mono_ms < 5000 + span * (int64_t)(i + 1) / 10);
			assert_true(d.mono_ms == d.even_mono_ms);
		}
	assert_int_equal(plugins_due_first(7, 1000, 499, 500, 0).mono_ms, 7 + 998);
	assert_int_equal(plugins_due_first(7, 1000, 0, 5000, 9).mono_ms, 7);
}

static void
runs_keep_their_pace(void **state)
{
	struct plugins_due d = { 100000, 100000 };
	unsigned missed = 9;

	(void)state;
	/* A twentieth to both sides, which does not add up. */
	d = plugins_due_next(d, 100000, 60000, 0, &missed);
	assert_int_equal(d.mono_ms, 157000);
	assert_int_equal(d.even_mono_ms, 160000);
	d = plugins_due_next(d, 157001, 60000, 6000, &missed);
	assert_int_equal(d.mono_ms, 223000);
	d = plugins_due_next(d, 223000, 60000, 6001, &missed);
	assert_int_equal(d.mono_ms, 277000);
	assert_int_equal(missed, 0);
	/* Ten minutes asleep: nothing is made up for. */
	d = plugins_due_next(d, 277000 + 600000, 60000, 3000, &missed);
	assert_int_equal(d.even_mono_ms, 880000);
	assert_int_equal(missed, 9);
	/* Begun late, within the interval: nothing is missed. */
	d = plugins_due_next(d, 930000, 60000, 3000, &missed);
	assert_int_equal(d.mono_ms, 940000);
	assert_int_equal(missed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_is_taken_apart),
		cmocka_unit_test(texts_are_cut_between_characters),
		cmocka_unit_test(performance_data_is_read),
		cmocka_unit_test(long_labels_are_refused_as_a_whole),
		cmocka_unit_test(units_become_ours),
		cmocka_unit_test(a_result_becomes_lines),
		cmocka_unit_test(another_state_is_an_event),
		cmocka_unit_test(the_longest_event_fits),
		cmocka_unit_test(values_of_a_run_are_bounded),
		cmocka_unit_test(checks_are_spread_over_their_interval),
		cmocka_unit_test(runs_keep_their_pace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
