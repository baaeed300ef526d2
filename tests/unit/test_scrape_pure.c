/*
 * Numbers and lines of exporters' pages, and configurations, as tables.
 */
#include "scrape_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folder.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- numbers ---- */

static bool
same(double a, double b)
{
	return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof(a)) == 0;
}

static void
numbers_are_what_strtod_says(void **state)
{
	static const char *const good[] = { "0", "-0", "1", "-1", "+1", "1027", "1.5", ".5", "5.",
		"-.25", "0.1", "0.30000000000000004", "1.7976931348623157e308", "1e400", "4.9e-324",
		"9007199254740991", "9007199254740993", "9223372036854775807",
		"18446744073709551616", "1.234e+09", "1e22", "1e23", "1E5", "1e-5", "123456789e-22",
		"1.458255915e9", "1.4338198e+06", "0x1.8p3", "0X10", "00012", "1e0000005",
		"8.988465674311579e+307", "2.2250738585072011e-308",
		"123456789012345678901234567890", "0.000000000000000000000000000001" };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		double v = -7;

		if (!scrape_number(good[i], strlen(good[i]), &v))
			fail_msg("%s is refused", good[i]);
		if (!same(v, strtod(good[i], NULL)))
			fail_msg("%s is read as %.17g", good[i], v);
	}
}

static void
words_are_numbers_where_the_formats_have_them(void **state)
{
	static const struct {
		const char *text;
		double value;
	} good[] = { { "NaN", (double)NAN }, { "nan", (double)NAN }, { "-NaN", (double)NAN },
		{ "+Inf", (double)INFINITY }, { "Inf", (double)INFINITY },
		{ "-Inf", -(double)INFINITY }, { "infinity", (double)INFINITY } };
	static const char *const bad[] = { "", "-", "+", ".", "-.", "e5", ".e5", "1e", "1e+", "1 ",
		" 1", "1x", "0x", "nan(1)", "nano", "--1", "+-1", "1.2.3", "1,5", "1_000", "infin",
		"\n1", "1234567890123456789012345678901234567890123456789012345678901234", "{",
		"true" };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		double v = -7;

		if (!scrape_number(good[i].text, strlen(good[i].text), &v))
			fail_msg("%s is refused", good[i].text);
		if (!same(v, good[i].value))
			fail_msg("%s is read as %g", good[i].text, v);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		double v;

		if (scrape_number(bad[i], strlen(bad[i]), &v))
			fail_msg("\"%s\" is read as %g", bad[i], v);
	}
}

static int
print(char *out, size_t size, unsigned form, double v)
{
	static const int digits[] = { 17, 15, 6, 3, 0 };
	const int d = digits[form / 3 % COUNT(digits)];

	return form % 3 == 0   ? snprintf(out, size, "%.*g", d, v)
	       : form % 3 == 1 ? snprintf(out, size, "%.*f", d, v)
			       : snprintf(out, size, "%.*e", d, v);
}

/* Doubles in the forms in which programs print them, read back to the bit. */
static void
printed_doubles_come_back(void **state)
{
	const unsigned n = rounds(50000, 5000000);
	uint64_t x = 88172645463325252ull;

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		double v, got = 0;
		char text[512];
		int len;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (i % 4 == 0)
			memcpy(&v, &x, sizeof(v));
		else
			v = (double)(int64_t)(x >> (x % 60)) / (i % 4 == 1 ? 1000 : 1);
		if (!isfinite(v))
			continue;
		len = print(text, sizeof(text), i, v);
		if (len > 63)
			continue;
		if (!scrape_number(text, (size_t)len, &got) || !same(got, strtod(text, NULL)))
			fail_msg("%s is read as %.17g", text, got);
	}
}

/* ---- lines ---- */

static void
lines_are_taken_apart(void **state)
{
	static const struct {
		const char *line, *key; /* NULL: malformed */
		double value;
		double time; /* 0: none */
	} c[] = {
		{ "up 1", "up", 1, 0 },
		{ "up\t1", "up", 1, 0 },
		{ "up  1   1395066363000", "up", 1, 1395066363000 },
		{ "a:b_c{} 2", "a:b_c{}", 2, 0 },
		{ "m{a=\"x y\"} 3", "m{a=\"x y\"}", 3, 0 },
		{ "m{a=\"}\",b=\"\\\"}\"} 4", "m{a=\"}\",b=\"\\\"}\"}", 4, 0 },
		{ "m {a=\"b\"} 5", "m {a=\"b\"}", 5, 0 },
		{ "m{a=\"b\"}6", "m{a=\"b\"}", 6, 0 },
		{ "m{a=\"\\\\\"} 7", "m{a=\"\\\\\"}", 7, 0 },
		{ "m_bucket{le=\"1\"} 8 # {trace=\"x\"} 0.67", "m_bucket{le=\"1\"}", 8, 0 },
		{ "m_total 9 1520879607.789 # {a=\"b\"} 1 1.5", "m_total", 9, 1520879607.789 },
		{ "m NaN", "m", (double)NAN, 0 },
		{ "m +Inf -5", "m", (double)INFINITY, -5 },
		{ "", NULL, 0, 0 },
		{ "1up 1", NULL, 0, 0 },
		{ "up", NULL, 0, 0 },
		{ "up ", NULL, 0, 0 },
		{ "up-1", NULL, 0, 0 },
		{ "up x", NULL, 0, 0 },
		{ "up 1 x", NULL, 0, 0 },
		{ "up 1 nan", NULL, 0, 0 },
		{ "up 1 2 3", NULL, 0, 0 },
		{ "m{a=\"b\" 1", NULL, 0, 0 },
		{ "m{a=\"b\\\"} 1", NULL, 0, 0 },
		{ "{a=\"b\"} 1", NULL, 0, 0 },
		{ "<html>", NULL, 0, 0 },
		{ "\xff 1", NULL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		const size_t len = strlen(c[i].line), key = scrape_line_key(c[i].line, len);
		struct scrape_value v = { 0 };
		const bool ok = key > 0 && scrape_line_value(c[i].line + key, len - key, &v);

		if (ok != (c[i].key != NULL))
			fail_msg("\"%s\" is %s", c[i].line, ok ? "taken" : "refused");
		if (!ok)
			continue;
		if (key != strlen(c[i].key) || memcmp(c[i].line, c[i].key, key) != 0 ||
		    !same(v.value, c[i].value) || v.timed != (c[i].time != 0) ||
		    (v.timed && !same(v.time, c[i].time)))
			fail_msg("\"%s\": %zu %g %d %g", c[i].line, key, v.value, v.timed, v.time);
	}
}

static void
comments_say_what_follows(void **state)
{
	static const struct {
		const char *line, *name;
		enum scrape_type type;
		const char *unit;
	} c[] = {
		{ "# TYPE a counter", "a", SCRAPE_COUNTER, "" },
		{ "# HELP b something", "a", SCRAPE_COUNTER, "" },
		{ "# UNIT a seconds", "a", SCRAPE_COUNTER, "seconds" },
		{ "#  \tTYPE\tb   gauge", "b", SCRAPE_GAUGE, "" },
		{ "# TYPE c histogram", "c", SCRAPE_HISTOGRAM, "" },
		{ "# TYPE c gaugehistogram", "c", SCRAPE_GAUGEHISTOGRAM, "" },
		{ "# TYPE c summary", "c", SCRAPE_SUMMARY, "" },
		{ "# TYPE c info", "c", SCRAPE_INFO, "" },
		{ "# TYPE c stateset", "c", SCRAPE_STATESET, "" },
		{ "# TYPE c unknown", "c", SCRAPE_UNTYPED, "" },
		{ "# TYPE c counter", "c", SCRAPE_COUNTER, "" },
		{ "# TYPE c what is this", "c", SCRAPE_COUNTER, "" },
		{ "# TYPE", "c", SCRAPE_COUNTER, "" },
		{ "#", "c", SCRAPE_COUNTER, "" },
		{ "# a remark", "c", SCRAPE_COUNTER, "" },
		{ "# TYPE c ", "c", SCRAPE_UNTYPED, "" },
	};
	struct scrape_family f = { .type = SCRAPE_UNTYPED };

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		scrape_comment(&f, c[i].line, strlen(c[i].line));
		if (f.type != c[i].type || f.name_len != strlen(c[i].name) ||
		    memcmp(f.name, c[i].name, f.name_len) != 0 || f.unit_len != strlen(c[i].unit) ||
		    memcmp(f.unit, c[i].unit, f.unit_len) != 0)
			fail_msg("%s: %.*s %d", c[i].line, (int)f.name_len, f.name, (int)f.type);
	}
	assert_false(f.ended);
	scrape_comment(&f, "# EOF", 5);
	assert_true(f.ended);
}

/* ---- configurations ---- */

static void
configurations_are_taken_or_refused(void **state)
{
	static const struct {
		const char *yaml, *wrong; /* NULL: right */
	} c[] = {
		{ "exporters: [{name: node, url: \"http://127.0.0.1:9100/metrics\"}]", NULL },
		{ "exporters: [{name: node, url: \"http://localhost:9100\"}]", NULL },
		{ "exporters: [{name: node, url: \"http://[::1]:9100/metrics\"}]", NULL },
		{ "exporters: [{name: node, url: \"http://127.9.9.9/m\"}]", NULL },
		{ "exporters: [{name: node, url: \"http://localhost/\", socket: /run/x}]", NULL },
		{ "exporters: [{name: n, url: \"http://localhost/\", exclude: [\"go_*\", "
		  "\"net{device=lo*}\"], rename: {a: b_c}, labels: {till: \"1\"}}]",
		    NULL },
		{ "exporters: [{name: node}]", "url" },
		{ "exporters: [{name: Node, url: \"http://localhost/\"}]", "lower-case" },
		/* what the values of other inlets have as their source */
		{ "exporters: [{name: statsd, url: \"http://localhost/\"}]", "not socket, " },
		{ "exporters: [{name: http, url: \"http://localhost/\"}]", "not socket, " },
		{ "exporters: [{name: statsd-exporter, url: \"http://localhost/\"}]", NULL },
		{ "exporters: [{name: node, url: \"http://192.168.1.1/metrics\"}]",
		    "an address of this machine" },
		{ "exporters: [{name: node, url: \"http://127.example/metrics\"}]",
		    "an address of this machine" },
		{ "exporters: [{name: node, url: \"https://localhost/metrics\"}]",
		    "an address of this machine" },
		{ "exporters: [{name: n, url: \"http://localhost/\", include: [\"a{b}\"]}]",
		    "name{label=value}" },
		{ "exporters: [{name: n, url: \"http://localhost/\", include: [\"a{b=c},d\"]}]",
		    "name{label=value}" },
		{ "exporters: [{name: n, url: \"http://localhost/\", rename: {a: B}}]",
		    "new names of" },
		{ "exporters: [{name: n, url: \"http://localhost/\", labels: {source: x}}]",
		    "labels of" },
		{ "exporters: [{name: n, url: \"http://localhost/\", interval: 10ms}]",
		    "interval" },
		{ "exporters: [{name: n, url: \"http://localhost/\"}, "
		  "{name: n, url: \"http://localhost/\"}]",
		    "name" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct bl_conf_errors errors;
		struct scrape_conf conf = { { 0, NULL } };
		struct bl_err err;
		const int rc = bl_conf_parse("t.yaml", c[i].yaml, strlen(c[i].yaml),
		    &scrape_conf_section, &conf, &errors, &err);

		if ((rc == BL_OK) != (c[i].wrong == NULL))
			fail_msg("%s: %s", c[i].yaml, errors.n_kept > 0 ? errors.line[0] : "taken");
		if (rc != BL_OK && strstr(errors.line[0], c[i].wrong) == NULL)
			fail_msg("%s: %s", c[i].yaml, errors.line[0]);
		if (rc == BL_OK)
			bl_conf_release(&scrape_conf_section, &conf);
		bl_conf_errors_free(&errors);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_what_strtod_says),
		cmocka_unit_test(words_are_numbers_where_the_formats_have_them),
		cmocka_unit_test(printed_doubles_come_back),
		cmocka_unit_test(lines_are_taken_apart),
		cmocka_unit_test(comments_say_what_follows),
		cmocka_unit_test(configurations_are_taken_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
