/* What comes from outside is read strictly, and what is wrong with it is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_internal.h"
#include "schema_internal.h"

static void
targets_are_decoded_or_refused(void **state)
{
	static const struct {
		const char *target, *path; /* path NULL: refused */
		size_t params;
	} cases[] = {
		{ "/", "/", 0 },
		{ "/a/b?x=1&y=%20z+w", "/a/b", 2 },
		{ "/%e4%b8%8a", "/\xe4\xb8\x8a", 0 },
		{ "/a?", "/a", 0 },
		{ "/a?&&x&", "/a", 1 },
		{ "/..%2f..%2fetc%2fpasswd", "/../../etc/passwd", 0 },
		{ "/a%00b", NULL, 0 },
		{ "/a%0ab", NULL, 0 },
		{ "/a%7f", NULL, 0 },
		{ "/a%", NULL, 0 },
		{ "/a%2", NULL, 0 },
		{ "/a%zz", NULL, 0 },
		{ "/a\x01", NULL, 0 },
		{ "/a?x=%00", NULL, 0 },
		{ "/a?x=%g0", NULL, 0 },
		{ "/a#b", NULL, 0 },
		{ "*", NULL, 0 },
		{ "", NULL, 0 },
		{ "http://host/a", NULL, 0 },
		{ "/a?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q&r&s&t&u&v&w&x", "/a", 24 },
		{ "/a?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q&r&s&t&u&v&w&x&y", NULL, 0 },
	};
	static struct http_request q;
	static char long_target[HTTP_URI_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const bool ok = http_parse_target(&q, cases[i].target);
		if (ok != (cases[i].path != NULL))
			fail_msg("\"%s\"", cases[i].target);
		if (ok) {
			assert_string_equal(q.path, cases[i].path);
			assert_int_equal(q.n_params, cases[i].params);
		}
	}
	assert_true(http_parse_target(&q, "/a/b?x=1&y=%20z+w"));
	assert_string_equal(q.param[1].name, "y");
	assert_string_equal(q.param[1].value, " z w");
	memset(long_target, 'a', sizeof(long_target) - 1);
	long_target[0] = '/';
	assert_false(http_parse_target(&q, long_target));
	long_target[HTTP_URI_MAX] = '\0';
	assert_true(http_parse_target(&q, long_target));
}

static void
cookies_are_found_by_their_whole_name(void **state)
{
	static const struct {
		const char *header, *value; /* NULL: not found */
	} cases[] = {
		{ "c=v", "v" },
		{ "a=1; c=v; d=2", "v" },
		{ "a=1;c=v", "v" },
		{ "xc=v", NULL },
		{ "cx=v", NULL },
		{ "c", NULL },
		{ "c=", NULL },
		{ "", NULL },
		{ NULL, NULL },
		{ "a=c=v", NULL },
		{ ";;; c=v", "v" },
		{ "c=v=w", "v=w" },
		{ "c=12345678", NULL },
	};
	char out[8];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const bool found = http_cookie(cases[i].header, "c", out, sizeof(out));
		if (found != (cases[i].value != NULL))
			fail_msg("\"%s\"", cases[i].header);
		if (found)
			assert_string_equal(out, cases[i].value);
	}
}

static void
codings_tags_and_types_are_understood(void **state)
{
	(void)state;
	assert_true(http_accepts_coding("gzip, br", "br"));
	assert_true(http_accepts_coding("GZIP;q=0.5", "gzip"));
	assert_false(http_accepts_coding("gzip;q=0", "gzip"));
	assert_false(http_accepts_coding("gzip; q=0.000, br", "gzip"));
	assert_false(http_accepts_coding("xgzip", "gzip"));
	assert_false(http_accepts_coding(NULL, "gzip"));
	assert_true(http_etag_listed("\"a\", W/\"b\"", "\"b\""));
	assert_true(http_etag_listed("*", "\"b\""));
	assert_false(http_etag_listed("\"ab\"", "\"b\""));
	assert_false(http_etag_listed(NULL, "\"b\""));
	assert_true(http_is_json("application/json"));
	assert_true(http_is_json("Application/JSON; charset=UTF-8"));
	assert_false(http_is_json("application/json; charset=latin1"));
	assert_false(http_is_json("application/jsonx"));
	assert_false(http_is_json("text/plain"));
	assert_false(http_is_json(NULL));
}

/* ---- bodies ------------------------------------------------------------ */

struct thing {
	struct given_str name, tags;
	struct given_int count;
	struct given_num size;
	struct given_bool on;
	struct given_enum colour;
};

static const char *
check_no_x(const struct api *api, const char *v)
{
	(void)api;
	return strchr(v, 'x') == NULL ? NULL : "a text without x";
}

static const char *const colours[] = { "red", "green", NULL };
static const struct field fields[] = {
	{ "name", FIELD_STR, offsetof(struct thing, name), .required = true, .min = 1, .max = 8,
	    .check = check_no_x, .help = "a name" },
	{ "count", FIELD_INT, offsetof(struct thing, count), .min = 1, .max = 10,
	    .help = "how many" },
	{ "size", FIELD_NUM, offsetof(struct thing, size), .nullable = true, .help = "how large" },
	{ "on", FIELD_BOOL, offsetof(struct thing, on), .help = "whether" },
	{ "colour", FIELD_ENUM, offsetof(struct thing, colour), .choices = colours,
	    .help = "which" },
	{ "tags", FIELD_TAGS, offsetof(struct thing, tags), .help = "tags" },
};
static const struct schema schema = { "Thing", sizeof(struct thing), fields, 6 };

static void
bodies_are_checked_field_by_field(void **state)
{
	static const struct {
		const char *text;
		enum body_outcome outcome;
		const char *field, *expected, *got, *suggestion;
	} cases[] = {
		{ "{\"name\":\"a\"}", BODY_OK, NULL, NULL, NULL, NULL },
		{ "{\"name\":\"a\",\"size\":null,\"count\":10,\"on\":true,\"colour\":\"green\"}",
		    BODY_OK, NULL, NULL, NULL, NULL },
		{ "{}", BODY_INVALID, "name", "a name", "nothing", "" },
		{ "{\"nam\":\"a\",\"name\":\"b\"}", BODY_INVALID, "nam", "no such field", "it",
		    "name" },
		{ "{\"color\":1,\"name\":\"b\"}", BODY_INVALID, "color", "no such field", "it",
		    "colour" },
		{ "{\"zzzzzzzz\":1,\"name\":\"b\"}", BODY_INVALID, "zzzzzzzz", "no such field",
		    "it", "" },
		{ "{\"name\":7}", BODY_INVALID, "name", "a text", "7", "" },
		{ "{\"name\":null}", BODY_INVALID, "name", "a text", "null", "" },
		{ "{\"name\":\"axb\"}", BODY_INVALID, "name", "a text without x", "\"axb\"", "" },
		{ "{\"name\":\"123456789\"}", BODY_INVALID, "name", "1 to 8 bytes of text",
		    "\"123456789\"", "" },
		{ "{\"name\":\"\"}", BODY_INVALID, "name", "1 to 8 bytes of text", "\"\"", "" },
		{ "{\"name\":\"a\",\"count\":0}", BODY_INVALID, "count", "a number from 1 to 10",
		    "0", "" },
		{ "{\"name\":\"a\",\"count\":1.5}", BODY_INVALID, "count", "a whole number", "1.5",
		    "" },
		{ "{\"name\":\"a\",\"count\":\"1\"}", BODY_INVALID, "count", "a whole number",
		    "\"1\"", "" },
		{ "{\"name\":\"a\",\"on\":1}", BODY_INVALID, "on", "true or false", "1", "" },
		{ "{\"name\":\"a\",\"colour\":\"Red\"}", BODY_INVALID, "colour",
		    "\"red\" or \"green\"", "\"Red\"", "" },
		{ "{\"name\":\"a\",\"tags\":{\"k\":1}}", BODY_INVALID, "tags",
		    "an object of at most 32 short texts", "an object", "" },
		{ "{\"name\":\"a\",\"tags\":[]}", BODY_INVALID, "tags",
		    "an object of at most 32 short texts", "a list", "" },
		{ "", BODY_NOT_JSON, NULL, NULL, NULL, NULL },
		{ "[]", BODY_NOT_JSON, NULL, NULL, NULL, NULL },
		{ "7", BODY_NOT_JSON, NULL, NULL, NULL, NULL },
		{ "{\"name\":\"a\"", BODY_NOT_JSON, NULL, NULL, NULL, NULL },
		{ "{\"name\":\"a\"} x", BODY_NOT_JSON, NULL, NULL, NULL, NULL },
		{ "{\"name\":\"a\",\"name\":\"b\"}", BODY_NOT_JSON, NULL, NULL, NULL, NULL },
		{ "{\"name\":\"a\\u0000b\"}", BODY_NOT_JSON, NULL, NULL, NULL, NULL },
		{ "{\"name\":\"\xff\"}", BODY_NOT_JSON, NULL, NULL, NULL, NULL },
		{ "{\"name\":\"a\",\"size\":1e999}", BODY_NOT_JSON, NULL, NULL, NULL, NULL },
		{ "[[[[[[[[[[[[[[[[[[[[", BODY_NOT_JSON, NULL, NULL, NULL, NULL },
		{ "{\"a\":[[[[[[[[[[]]]]]]]]]]}", BODY_NOT_JSON, NULL, NULL, NULL, NULL },
	};
	struct parsed_body *body;
	struct field_errors errs;
	struct thing t;
	char why[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&errs, 0, sizeof(errs));
		if (body_parse(NULL, &schema, cases[i].text, strlen(cases[i].text), &t, &body,
			&errs, why, sizeof(why)) != cases[i].outcome)
			fail_msg("%s", cases[i].text);
		assert_true(cases[i].outcome != BODY_NOT_JSON || why[0] != '\0');
		if (cases[i].field != NULL) {
			assert_int_equal(errs.n, 1);
			assert_string_equal(errs.e[0].field, cases[i].field);
			assert_string_equal(errs.e[0].expected, cases[i].expected);
			assert_string_equal(errs.e[0].got, cases[i].got);
			assert_string_equal(errs.e[0].suggestion, cases[i].suggestion);
		}
		body_free(body);
	}
}

static void
values_arrive_where_they_belong(void **state)
{
	static const char text[] = "{\"name\":\"n\",\"count\":3,\"size\":null,\"on\":false,"
				   "\"colour\":\"green\",\"tags\":{\"z\":\"1\",\"a\":\"\\\"\"}}";
	struct field_errors errs = { 0 };
	struct parsed_body *body;
	struct thing t;
	char why[128];

	(void)state;
	assert_int_equal(
	    body_parse(NULL, &schema, text, strlen(text), &t, &body, &errs, why, sizeof(why)),
	    BODY_OK);
	assert_string_equal(t.name.v, "n");
	assert_int_equal(t.count.v, 3);
	assert_true(t.size.given && t.size.null);
	assert_true(t.on.given && !t.on.v);
	assert_int_equal(t.colour.v, 1);
	assert_string_equal(t.tags.v, "{\"a\":\"\\\"\",\"z\":\"1\"}");
	body_free(body);
}

static void
all_errors_are_counted_and_some_are_kept(void **state)
{
	struct field_errors errs = { 0 };
	struct parsed_body *body;
	struct thing t;
	char text[2048] = "{\"name\":\"a\"", why[128];
	size_t n = strlen(text);

	(void)state;
	for (int i = 0; i < 40; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ",\"unknown-%d\":1", i);
	(void)snprintf(text + n, sizeof(text) - n, "}");
	assert_int_equal(
	    body_parse(NULL, &schema, text, strlen(text), &t, &body, &errs, why, sizeof(why)),
	    BODY_INVALID);
	assert_int_equal(errs.n, 40);
	body_free(body);
}

static void
queries_are_checked_like_bodies(void **state)
{
	static const struct {
		const char *target;
		bool ok;
		const char *field;
	} cases[] = {
		{ "/?name=a&count=10&on", true, NULL },
		{ "/?name=a&on=true&colour=red", true, NULL },
		{ "/", false, "name" },
		{ "/?name=a&count=ten", false, "count" },
		{ "/?name=a&count=1x", false, "count" },
		{ "/?name=a&count=", false, "count" },
		{ "/?name=a&count=99999999999999999999", false, "count" },
		{ "/?name=a&count=11", false, "count" },
		{ "/?name=a&on=yes", false, "on" },
		{ "/?name=a&name=b", false, "name" },
		{ "/?name=a&cuont=1", false, "cuont" },
	};
	static struct http_request q;
	struct field_errors errs;
	struct thing t;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&errs, 0, sizeof(errs));
		assert_true(http_parse_target(&q, cases[i].target));
		if (query_parse(NULL, &schema, &q, &t, &errs) != cases[i].ok)
			fail_msg("%s", cases[i].target);
		if (!cases[i].ok)
			assert_string_equal(errs.e[0].field, cases[i].field);
	}
	assert_string_equal(errs.e[0].suggestion, "count");
}

static void
secrets_are_not_repeated(void **state)
{
	static const struct field secret[] = {
		{ "password", FIELD_STR, 0, .required = true, .max = 20, .check = check_no_x,
		    .help = "the password" },
	};
	static const struct schema s = { "Secret", sizeof(struct given_str), secret, 1 };
	static const char *const texts[] = { "{\"password\":\"canary x\"}",
		"{\"password\":[\"canary\"]}", "{\"password\":12345678}",
		"{\"password\":\"canary, and longer than allowed\"}" };
	struct field_errors errs;
	struct parsed_body *body;
	struct given_str out;
	char why[128];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		memset(&errs, 0, sizeof(errs));
		assert_int_equal(body_parse(NULL, &s, texts[i], strlen(texts[i]), &out, &body,
				     &errs, why, sizeof(why)),
		    BODY_INVALID);
		assert_string_equal(errs.e[0].got, "(not shown)");
		body_free(body);
	}
}

/* ---- fields that somebody else checks ------------------------------------- */

static const struct field raw_fields[] = {
	{ "user", FIELD_STR, 0, .nullable = true, .help = "a person" },
	{ "kind", FIELD_ENUM, .raw = true, .choices = colours, .help = "which" },
	{ "value", FIELD_NUM, .raw = true, .nullable = true, .help = "how much" },
	{ "for", FIELD_INT, .raw = true, .nullable = true, .help = "how often" },
	{ "end", FIELD_BOOL, .raw = true, .nullable = true, .help = "whether" },
	{ "to", FIELD_LIST, .raw = true, .nullable = true, .help = "whom" },
};
static const struct schema raw_schema = { "Raw", sizeof(struct given_str), raw_fields, 6 };

static void
raw_fields_are_checked_by_type_and_handed_on(void **state)
{
	static const struct {
		const char *text, *rest; /* NULL: refused */
		const char *expected;
	} cases[] = {
		{ "{}", "{}", NULL },
		{ "{\"user\":\"u\"}", "{}", NULL },
		/* order and values as they came; what they mean is not looked at */
		{ "{\"value\":-1.5,\"kind\":\"no colour\"}",
		    "{\"kind\":\"no colour\",\"value\":-1.5}", NULL },
		{ "{\"to\":[\"\\\"\",\"\"],\"for\":-9,\"end\":false}",
		    "{\"for\":-9,\"end\":false,\"to\":[\"\\\"\",\"\"]}", NULL },
		{ "{\"to\":null,\"for\":null,\"value\":null,\"end\":null}",
		    "{\"value\":null,\"for\":null,\"end\":null,\"to\":null}", NULL },
		{ "{\"kind\":null}", NULL, "a text" },
		{ "{\"kind\":7}", NULL, "a text" },
		{ "{\"value\":\"7\"}", NULL, "a number" },
		{ "{\"for\":1.5}", NULL, "a whole number" },
		{ "{\"end\":0}", NULL, "true or false" },
		{ "{\"to\":\"a\"}", NULL, "a list of texts" },
		{ "{\"to\":[\"a\",7]}", NULL, "a list of texts" },
		{ "{\"to\":[[\"a\"]]}", NULL, "a list of texts" },
		{ "{\"user\":7}", NULL, "a text or null" },
	};
	struct field_errors errs;
	struct parsed_body *body;
	struct given_str out;
	char why[128], *rest;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&errs, 0, sizeof(errs));
		if (body_parse(NULL, &raw_schema, cases[i].text, strlen(cases[i].text), &out, &body,
			&errs, why,
			sizeof(why)) != (cases[i].rest != NULL ? BODY_OK : BODY_INVALID))
			fail_msg("%s", cases[i].text);
		rest = body_rest(body, &raw_schema);
		if (cases[i].rest != NULL)
			assert_string_equal(rest, cases[i].rest);
		else
			assert_string_equal(errs.e[0].expected, cases[i].expected);
		free(rest);
		body_free(body);
	}
}

static void
null_is_told_from_nothing(void **state)
{
	struct field_errors errs = { 0 };
	struct parsed_body *body;
	struct given_str out;
	char why[128];

	(void)state;
	assert_int_equal(body_parse(NULL, &raw_schema, "{\"user\":null}", 13, &out, &body, &errs,
			     why, sizeof(why)),
	    BODY_OK);
	assert_true(out.given);
	assert_null(out.v);
	body_free(body);
	assert_int_equal(
	    body_parse(NULL, &raw_schema, "{}", 2, &out, &body, &errs, why, sizeof(why)), BODY_OK);
	assert_false(out.given);
	body_free(body);
}

static void
members_of_stored_objects_are_found(void **state)
{
	static const struct {
		const char *object, *member;
	} cases[] = {
		{ "{\"unit\":\"ms\",\"a\":1}", "ms" },
		{ "{\"unit\":\"milliseconds\"}", "millise" }, /* cut at its room */
		{ "{\"unit\":null}", "" },
		{ "{\"unit\":7}", "" },
		{ "{}", "" },
		{ "no JSON", "" },
	};
	char out[8];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		member_text(cases[i].object, "unit", out, sizeof(out));
		assert_string_equal(out, cases[i].member);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_decoded_or_refused),
		cmocka_unit_test(cookies_are_found_by_their_whole_name),
		cmocka_unit_test(codings_tags_and_types_are_understood),
		cmocka_unit_test(bodies_are_checked_field_by_field),
		cmocka_unit_test(values_arrive_where_they_belong),
		cmocka_unit_test(all_errors_are_counted_and_some_are_kept),
		cmocka_unit_test(queries_are_checked_like_bodies),
		cmocka_unit_test(secrets_are_not_repeated),
		cmocka_unit_test(raw_fields_are_checked_by_type_and_handed_on),
		cmocka_unit_test(null_is_told_from_nothing),
		cmocka_unit_test(members_of_stored_objects_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
