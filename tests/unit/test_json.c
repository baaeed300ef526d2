/* JSON from outside: caps hold, and every refusal names the field and what belongs there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/json.h"

static void
bad_texts_are_refused_with_a_place(void **state)
{
	static const struct {
		const char *text;
		const char *says; /* NULL: fine */
	} cases[] = {
		{ "{}", NULL },
		{ "[1, 2.5, \"\xe5\xba\x97\", null]", NULL },
		{ "", "empty" },
		{ "{", "line 1, column 1" },
		{ "{\n \"a\": tru }", "line 2" },
		{ "{\"a\": 1, \"a\": 2}", "duplicate" },
		{ "{\"a\": 1} x", "line 1" },
		{ "{\"a\": 1e400}", "line 1" },
		{ "{\"a\": 99999999999999999999}", "line 1" },
		{ "{\"a\": \"\\u0000\"}", "line 1" },
		{ "{\"a\": \"\xff\"}", "line 1" },
		{ "{'a': 1}", "line 1" },
		{ "NaN", "line 1" },
		{ "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "deeper" },
		{ "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", NULL },
		{ "[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[\"]", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_err err = { 0 };
		json_t *v;
		const int rc =
		    bl_json_parse(&v, cases[i].text, strlen(cases[i].text), 1000, "request", &err);

		if ((rc == BL_OK) != (cases[i].says == NULL))
			fail_msg("%s: %d %s", cases[i].text, rc, err.msg);
		if (rc != BL_OK) {
			assert_null(v);
			assert_int_equal(rc, BL_EINVAL);
			if (strstr(err.msg, cases[i].says) == NULL)
				fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].text, err.msg,
				    cases[i].says);
		}
		json_decref(v);
	}
}

static void
size_is_checked_before_parsing(void **state)
{
	struct bl_err err;
	json_t *v;

	(void)state;
	assert_int_equal(bl_json_parse(&v, "[1,2]", 5, 4, "request", &err), BL_EFULL);
	assert_null(v);
	assert_non_null(strstr(err.msg, "request: 5 bytes"));
	assert_int_equal(bl_json_parse(&v, "[1,2]", 5, 5, "request", &err), BL_OK);
	json_decref(v);
}

/* One getter on {"k": VALUE} or {}; what it takes for granted is in the function below. */
enum getter { STR, INT, NUM, BOOL, CHOICE, OBJ, ARRAY };

static bool
get(enum getter g, const struct bl_json_obj *o, enum bl_json_need need, struct bl_json_fault *f)
{
	static const char *const choices[] = { "red", "green", NULL };
	struct bl_json_obj child;
	const char *s = NULL;
	unsigned choice;
	json_t *array;
	int64_t n;
	double d;
	bool b;

	switch (g) {
	case STR:
		return bl_json_get_str(o, "k", need, 1, 5, &s, f);
	case INT:
		return bl_json_get_int(o, "k", need, -5, 63, &n, f);
	case NUM:
		return bl_json_get_num(o, "k", need, -90, 90.5, &d, f);
	case BOOL:
		return bl_json_get_bool(o, "k", need, &b, f);
	case CHOICE:
		return bl_json_get_choice(o, "k", need, choices, &choice, f);
	case OBJ:
		return bl_json_get_obj(o, "k", need, &child, f);
	default:
		return bl_json_get_array(o, "k", need, 2, &array, f);
	}
}

static void
getters_say_what_is_wrong(void **state)
{
	static const struct {
		const char *text;
		enum getter getter;
		enum bl_json_need need;
		const char *expected, *got; /* NULL: fine */
	} cases[] = {
		{ "{\"k\": \"abc\"}", STR, BL_JSON_REQUIRED, NULL, NULL },
		{ "{}", STR, BL_JSON_REQUIRED, "a text of 1 to 5 bytes", "nothing" },
		{ "{}", STR, BL_JSON_OPTIONAL, NULL, NULL },
		{ "{\"k\": null}", STR, BL_JSON_OPTIONAL, "a text", "null" },
		{ "{\"k\": null}", STR, BL_JSON_NULLABLE, NULL, NULL },
		{ "{\"k\": \"\"}", STR, BL_JSON_REQUIRED, "a text", "text \"\"" },
		{ "{\"k\": \"abcdef\"}", STR, BL_JSON_REQUIRED, "a text", "text \"abcdef\"" },
		{ "{\"k\": \"abcdefghijklmnopqrstuvwxyz\"}", STR, BL_JSON_REQUIRED, "a text",
		    "text \"abcdefghijklmnopqrstuvwx\"..." },
		{ "{\"k\": \"abcdefghijklmnopqrstuvw\xe5\xba\x97xyz\"}", STR, BL_JSON_REQUIRED,
		    "a text", "text \"abcdefghijklmnopqrstuvw\"..." },
		{ "{\"k\": 5}", STR, BL_JSON_REQUIRED, "a text", "5" },
		{ "{\"k\": 63}", INT, BL_JSON_REQUIRED, NULL, NULL },
		{ "{\"k\": 64}", INT, BL_JSON_REQUIRED, "a whole number from -5 to 63", "64" },
		{ "{\"k\": -6}", INT, BL_JSON_REQUIRED, "a whole number", "-6" },
		{ "{\"k\": 1.0}", INT, BL_JSON_REQUIRED, "a whole number", "1" },
		{ "{\"k\": \"1\"}", INT, BL_JSON_REQUIRED, "a whole number", "text \"1\"" },
		{ "{\"k\": 12}", NUM, BL_JSON_REQUIRED, NULL, NULL },
		{ "{\"k\": 90.5}", NUM, BL_JSON_REQUIRED, NULL, NULL },
		{ "{\"k\": 90.6}", NUM, BL_JSON_REQUIRED, "a number from -90 to 90.5", "90.6" },
		{ "{\"k\": []}", NUM, BL_JSON_REQUIRED, "a number", "a list of 0" },
		{ "{\"k\": false}", BOOL, BL_JSON_REQUIRED, NULL, NULL },
		{ "{\"k\": 0}", BOOL, BL_JSON_REQUIRED, "true or false", "0" },
		{ "{\"k\": \"green\"}", CHOICE, BL_JSON_REQUIRED, NULL, NULL },
		{ "{\"k\": \"blue\"}", CHOICE, BL_JSON_REQUIRED, "one of red, green",
		    "text \"blue\"" },
		{ "{\"k\": true}", CHOICE, BL_JSON_REQUIRED, "one of", "true" },
		{ "{\"k\": {}}", OBJ, BL_JSON_REQUIRED, NULL, NULL },
		{ "{\"k\": []}", OBJ, BL_JSON_REQUIRED, "an object", "a list of 0" },
		{ "{\"k\": [1, 2]}", ARRAY, BL_JSON_REQUIRED, NULL, NULL },
		{ "{\"k\": [1, 2, 3]}", ARRAY, BL_JSON_REQUIRED, "a list of at most 2",
		    "a list of 3" },
		{ "{\"k\": {}}", ARRAY, BL_JSON_REQUIRED, "a list", "an object" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_json_fault f = { 0 };
		struct bl_json_obj o;
		json_t *v;
		bool ok;

		assert_int_equal(
		    bl_json_parse(&v, cases[i].text, strlen(cases[i].text), 1000, "request", NULL),
		    BL_OK);
		assert_true(bl_json_root(v, &o, &f));
		ok = get(cases[i].getter, &o, cases[i].need, &f);
		if (ok != (cases[i].expected == NULL))
			fail_msg("%s: %d", cases[i].text, ok);
		if (!ok) {
			assert_string_equal(f.field, "k");
			assert_string_equal(f.got, cases[i].got);
			assert_non_null(strstr(f.expected, cases[i].expected));
		}
		json_decref(v);
	}
}

static void
paths_lead_to_the_field(void **state)
{
	static const char text[] = "{\"a\": {\"items\": [{\"id\": \"x\"}, {\"id\": 5}, 7]}}";
	struct bl_json_fault f = { 0 };
	struct bl_json_obj o, a, item;
	const char *id = "before";
	struct bl_err err;
	json_t *v, *items;

	(void)state;
	assert_int_equal(bl_json_parse(&v, text, strlen(text), 1000, "request", NULL), BL_OK);
	assert_true(bl_json_root(v, &o, &f));
	assert_true(bl_json_get_obj(&o, "a", BL_JSON_REQUIRED, &a, &f));
	assert_true(bl_json_get_array(&a, "items", BL_JSON_REQUIRED, 10, &items, &f));
	assert_true(bl_json_item_obj(&a, "items", items, 0, &item, &f));
	assert_true(bl_json_get_str(&item, "id", BL_JSON_REQUIRED, 1, 5, &id, &f));
	assert_string_equal(id, "x");
	assert_true(bl_json_item_obj(&a, "items", items, 1, &item, &f));
	assert_false(bl_json_get_str(&item, "id", BL_JSON_REQUIRED, 1, 5, &id, &f));
	assert_string_equal(id, "x");
	assert_int_equal(bl_json_fault_err(&f, "request", &err), BL_EINVAL);
	assert_string_equal(
	    err.msg, "request: a.items[1].id: expected a text of 1 to 5 bytes, got 5");
	assert_false(bl_json_item_obj(&a, "items", items, 2, &item, &f));
	assert_string_equal(f.field, "a.items[2]");
	json_decref(v);
}

static void
unknown_keys_are_errors_with_a_suggestion(void **state)
{
	static const char *const known[] = { "name", "zone", "region", NULL };
	static const struct {
		const char *text, *field, *suggestion; /* field NULL: fine */
	} cases[] = {
		{ "{}", NULL, NULL },
		{ "{\"name\": 1, \"zone\": 2}", NULL, NULL },
		{ "{\"nmae\": 1}", "nmae", "name" },
		{ "{\"regoin\": 1}", "regoin", "region" },
		{ "{\"zones\": 1}", "zones", "zone" },
		{ "{\"colour\": 1}", "colour", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_json_fault f = { 0 };
		struct bl_json_obj o;
		json_t *v;
		bool ok;

		assert_int_equal(
		    bl_json_parse(&v, cases[i].text, strlen(cases[i].text), 1000, "request", NULL),
		    BL_OK);
		assert_true(bl_json_root(v, &o, &f));
		ok = bl_json_only(&o, known, &f);
		assert_int_equal(ok, cases[i].field == NULL);
		if (!ok) {
			assert_string_equal(f.field, cases[i].field);
			assert_string_equal(f.suggestion, cases[i].suggestion);
		}
		json_decref(v);
	}
}

static void
a_root_must_be_an_object(void **state)
{
	struct bl_json_fault f = { 0 };
	struct bl_json_obj o;
	json_t *v = json_array();

	(void)state;
	assert_false(bl_json_root(v, &o, &f));
	assert_string_equal(f.field, "");
	assert_string_equal(f.expected, "an object");
	json_decref(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_texts_are_refused_with_a_place),
		cmocka_unit_test(size_is_checked_before_parsing),
		cmocka_unit_test(getters_say_what_is_wrong),
		cmocka_unit_test(paths_lead_to_the_field),
		cmocka_unit_test(unknown_keys_are_errors_with_a_suggestion),
		cmocka_unit_test(a_root_must_be_an_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
