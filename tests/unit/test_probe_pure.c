/*
 * The pure parts of the kind "http": where a Location leads, places and values
 * in JSON, and which options go together.
 */
#include "probe_http_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Those of RFC 3986, 5.4, as far as a server may send them. */
static void
locations_are_resolved(void **state)
{
	static const struct {
		const char *location, *to; /* NULL: refused */
	} c[] = {
		{ "g", "http://a/b/c/g" },
		{ "./g", "http://a/b/c/g" },
		{ "g/", "http://a/b/c/g/" },
		{ "/g", "http://a/g" },
		{ "//g", "http://g/" },
		{ "?y", "http://a/b/c/d;p?y" },
		{ "g?y", "http://a/b/c/g?y" },
		{ "#s", "http://a/b/c/d;p?q" },
		{ "g#s", "http://a/b/c/g" },
		{ ";x", "http://a/b/c/;x" },
		{ ".", "http://a/b/c/" },
		{ "..", "http://a/b/" },
		{ "../g", "http://a/b/g" },
		{ "../../g", "http://a/g" },
		{ "../../../g", "http://a/g" },
		{ "/./g", "http://a/g" },
		{ "/../g", "http://a/g" },
		{ "g.", "http://a/b/c/g." },
		{ "..g", "http://a/b/c/..g" },
		{ "./../g", "http://a/b/g" },
		{ "./g/.", "http://a/b/c/g/" },
		{ "g/./h", "http://a/b/c/g/h" },
		{ "g/../h", "http://a/b/c/h" },
		{ "g?y/../x", "http://a/b/c/g?y/../x" },
		{ "http://h:81/x?y#z", "http://h:81/x?y" },
		{ "HTTPS://h", "https://h/" },
		{ "/a b\xc3\xa4", "http://a/a%20b%C3%A4" },
		{ "", NULL },
		{ "ftp://h/", NULL },
		{ "javascript:alert(1)", NULL },
		{ "http://user:pass@h/", NULL },
		{ "http://", NULL },
		{ "http://h:0/", NULL },
		{ "/a\x01", NULL },
	};
	struct probe_url from;

	(void)state;
	assert_null(probe_url_parse("http://a/b/c/d;p?q", &from));
	for (size_t i = 0; i < COUNT(c); i++) {
		struct probe_url to;
		char text[400];
		const char *wrong = probe_redirect_to(&from, c[i].location, &to);

		if ((wrong == NULL) != (c[i].to != NULL))
			fail_msg("%s: %s", c[i].location, wrong != NULL ? wrong : "accepted");
		if (wrong != NULL)
			continue;
		snprintf(text, sizeof(text), "%s://%s%s", to.tls ? "https" : "http", to.authority,
		    to.target);
		assert_string_equal(text, c[i].to);
	}
}

static void
a_long_location_is_refused_or_kept_whole(void **state)
{
	char text[PROBE_LOCATION_MAX + 1];
	struct probe_url from;
	struct probe_url to;

	(void)state;
	assert_null(probe_url_parse("http://a/b/c?d", &from));
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_non_null(probe_redirect_to(&from, text, &to)); /* "/b/" before it: too long */
	text[PROBE_TARGET_MAX - 3] = '\0';
	assert_null(probe_redirect_to(&from, text, &to));
	assert_int_equal(strlen(to.target), PROBE_TARGET_MAX);
	memset(text, 0xc3, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_non_null(probe_redirect_to(&from, text, &to));
}

static void
json_says_what_it_must(void **state)
{
	static const char text[] = "{\"s\": \"ok\", \"n\": 5, \"big\": 9007199254740993, \"f\": "
				   "0.5, \"t\": true, \"z\": null,"
				   " \"num\": \"7\", \"a\": [1, {\"b\": [[2]]}], \"o\": {\"p\": "
				   "{\"q\": \"r\"}}, \"e\": {}}";
	static const struct {
		const char *path, *value;
		bool valid;
		const char *why; /* NULL: it is so */
	} c[] = {
		{ "s", "ok", true, NULL },
		{ "s", "== ok", true, NULL },
		{ "s", "!= ok", true, "s is ok, expected other than ok" },
		{ "s", "OK", true, "s is ok, expected OK" },
		{ "n", "5", true, NULL },
		{ "n", "5.0", true, NULL },
		{ "n", "<5", true, "less than 5" },
		{ "n", "<= 5", true, NULL },
		{ "n", "> 4.5", true, NULL },
		{ "n", ">= 6", true, "n is 5, expected at least 6" },
		{ "n", "!= 5", true, "other than 5" },
		{ "f", "0.5", true, NULL },
		{ "t", "true", true, NULL },
		{ "t", "1", true, "t is true" },
		{ "z", "null", true, NULL },
		{ "num", "7", true, NULL },
		{ "num", "> 5", true, "num is 7" }, /* a text is no number */
		{ "a[0]", "1", true, NULL },
		{ "a[1].b[0][0]", "2", true, NULL },
		{ "a[2]", "1", true, "a[2] is not in the JSON" },
		{ "a", "1", true, "a is an array" },
		{ "o.p.q", "r", true, NULL },
		{ "o.p", "r", true, "o.p is an object" },
		{ "o.x.q", "r", true, "is not in the JSON" },
		{ "s.x", "r", true, "is not in the JSON" },
		{ "e", "", true, "e is an object" },
		{ "", "x", false, NULL },
		{ ".a", "x", false, NULL },
		{ "a.", "x", false, NULL },
		{ "a..b", "x", false, NULL },
		{ "a[", "x", false, NULL },
		{ "a[x]", "x", false, NULL },
		{ "a]", "x", false, NULL },
		{ "a[1]b", "x", false, NULL },
		{ "a[9999999]", "x", false, NULL },
		{ "a", "< x", false, NULL },
		{ "a", ">= inf", false, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		struct probe_json_want w;
		char out[160];
		const char *expected = probe_json_want_parse(&w, c[i].path, c[i].value);
		const char *why;

		if ((expected == NULL) != c[i].valid)
			fail_msg("%s %s: %s", c[i].path, c[i].value,
			    expected != NULL ? expected : "accepted");
		if (expected != NULL)
			continue;
		why = probe_json_check(text, strlen(text), &w, 1, out, sizeof(out));
		if ((why == NULL) != (c[i].why == NULL) ||
		    (why != NULL && strstr(why, c[i].why) == NULL))
			fail_msg(
			    "%s %s: %s", c[i].path, c[i].value, why != NULL ? why : "so it is");
	}
}

static void
what_is_no_json_is_said(void **state)
{
	static const char *const texts[] = { "", "no", "{\"s\": 1", "{\"s\": 1, \"s\": 2}", "5",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]" };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct probe_json_want w;
		char out[160] = "";

		assert_null(probe_json_want_parse(&w, "s", "1"));
		assert_non_null(
		    probe_json_check(texts[i], strlen(texts[i]), &w, 1, out, sizeof(out)));
		assert_true(out[0] != '\0');
	}
}

/* ---- options ---- */

static void
options_go_together_or_are_refused(void **state)
{
	static const struct {
		const char *text;
		const char *error; /* part of the first message; NULL: fine */
	} c[] = {
		{ "method: POST\nbody: x", NULL },
		{ "body: x", "no body with methods" },
		{ "method: HEAD\nbody: x", "no body with methods" },
		{ "method: TRACE", "method" },
		{ "method: POST\nkeep_alive: true", "no keep_alive with POST" },
		{ "method: PUT\nkeep_alive: true", NULL },
		{ "auth: bearer\nsecret_file: t", NULL },
		{ "auth: bearer", "a secret_file with auth" },
		{ "auth: basic\nsecret_file: t", "a user with auth basic" },
		{ "auth: basic\nuser: u\nsecret_file: t", NULL },
		{ "auth: basic\nuser: \"u:v\"\nsecret_file: t", "without colons" },
		{ "auth: bearer\nuser: u\nsecret_file: t", "a user with auth basic" },
		{ "secret_file: t", "auth basic or bearer" },
		{ "auth: bearer\nsecret_file: t\nheaders: {authorization: x}", "either auth or" },
		{ "redirects: 10", NULL },
		{ "redirects: 11", "from 0 to 10" },
		{ "redirects: -1", "from 0 to 10" },
		{ "expect_regex: \"^a(b|c)+\\\\d$\"", NULL },
		{ "expect_regex: \"a(b\"", "a regular expression" },
		{ "expect_json: {status: ok, \"q[0].n\": \"< 5\", up: true}", NULL },
		{ "expect_json: {\"a b\": \"< x\"}", "a number behind" },
		{ "expect_json: {\"a[\": x}", "places such as" },
		{ "method: HEAD\nexpect_json: {a: b}", "no expectations" },
		{ "method: HEAD\nexpect_regex: a", "no expectations" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		struct probe_conf conf = { 0 };
		struct bl_conf_errors errors = { 0 };
		struct bl_err err = { 0 };
		char text[300];
		int rc;

		snprintf(text, sizeof(text), "name: a\nurl: http://a/\n%s\n", c[i].text);
		rc = bl_conf_parse(
		    "t.yaml", text, strlen(text), &probe_conf_section, &conf, &errors, &err);
		if ((rc == BL_OK) != (c[i].error == NULL) ||
		    (rc != BL_OK && strstr(errors.line[0], c[i].error) == NULL))
			fail_msg("%s: %s", c[i].text, rc == BL_OK ? "accepted" : errors.line[0]);
		if (rc == BL_OK)
			bl_conf_release(&probe_conf_section, &conf);
		bl_conf_errors_free(&errors);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locations_are_resolved),
		cmocka_unit_test(a_long_location_is_refused_or_kept_whole),
		cmocka_unit_test(json_says_what_it_must),
		cmocka_unit_test(what_is_no_json_is_said),
		cmocka_unit_test(options_go_together_or_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
