/*
 * Named groups: what they hold (tests/data/regex/groups.json, which Python's re is
 * asked about in tests/contract/test_regex_groups.py, as at random), what is
 * refused, and that no line takes longer than its bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "branchline/regex.h"
#include "branchline/regex_groups.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct tried {
	struct bl_regex_groups *g;
	struct bl_regex_finder *f;
};

static struct tried
try_make(const char *pattern)
{
	struct bl_err err = { 0 };
	struct tried t;

	if (bl_regex_groups_compile(&t.g, pattern, &err) < 0)
		fail_msg("%s: %s", pattern, err.msg);
	assert_int_equal(bl_regex_finder_create(&t.f, t.g, &err), BL_OK);
	return t;
}

static void
try_free(struct tried *t)
{
	bl_regex_finder_free(t->f);
	bl_regex_groups_free(t->g);
}

/* Exactly as long as it is, so that a byte too far is seen. */
static int
find(const struct tried *t, const char *text, struct bl_regex_span span[BL_REGEX_GROUPS_MAX])
{
	const size_t len = strlen(text);
	char *exact = malloc(len > 0 ? len : 1);
	int rc;

	assert_non_null(exact);
	memcpy(exact, text, len);
	rc = bl_regex_find(t->f, exact, len, span);
	free(exact);
	return rc;
}

static void
check_groups(const struct tried *t, const char *pattern, const char *text, const json_t *groups)
{
	struct bl_regex_span span[BL_REGEX_GROUPS_MAX];

	if (find(t, text, span) != (groups != NULL && json_is_object(groups)))
		fail_msg("%s in %s", pattern, text);
	if (!json_is_object(groups))
		return;
	assert_int_equal(bl_regex_groups_count(t->g), json_object_size(groups));
	for (unsigned i = 0; i < bl_regex_groups_count(t->g); i++) {
		const char *name = bl_regex_groups_name(t->g, i);
		const json_t *holds = json_object_get(groups, name);

		assert_non_null(holds);
		if (json_is_null(holds) != (span[i].begin < 0))
			fail_msg("%s in %s: %s", pattern, text, name);
		if (span[i].begin < 0)
			continue;
		if ((size_t)(span[i].end - span[i].begin) != json_string_length(holds) ||
		    memcmp(text + span[i].begin, json_string_value(holds),
			json_string_length(holds)) != 0)
			fail_msg("%s in %s: %s is %.*s", pattern, text, name,
			    span[i].end - span[i].begin, text + span[i].begin);
	}
}

static void
groups_hold_what_the_table_says(void **state)
{
	json_error_t why;
	json_t *rows =
	    json_load_file(BL_TEST_DATA "/regex/groups.json", JSON_REJECT_DUPLICATES, &why);
	json_t *row;
	size_t i;

	(void)state;
	if (rows == NULL)
		fail_msg("groups.json:%d: %s", why.line, why.text);
	assert_true(json_array_size(rows) >= 30);
	json_array_foreach(rows, i, row)
	{
		const char *pattern = json_string_value(json_object_get(row, "pattern"));
		struct tried t = try_make(pattern);

		/* Twice: nothing is left of the first time. */
		for (int k = 0; k < 2; k++)
			check_groups(&t, pattern, json_string_value(json_object_get(row, "text")),
			    json_object_get(row, "groups"));
		try_free(&t);
	}
	json_decref(rows);
}

static void
an_empty_part_that_is_repeated_is_not_entered_for_nothing(void **state)
{
	struct bl_regex_span span[BL_REGEX_GROUPS_MAX];
	struct tried t = try_make("(?<x>a*)*");

	(void)state;
	assert_int_equal(find(&t, "aa", span), 1);
	assert_int_equal(span[0].begin, 0);
	assert_int_equal(span[0].end, 2);
	try_free(&t);
}

static void
what_is_not_understood_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *pattern, *error;
	} c[] = {
		{ "(?<a>x", "is not closed" },
		{ "(?<a", "a group's name" },
		{ "(?<>x)", "character 4: a group's name" },
		{ "(?<1a>x)", "a group's name" },
		{ "(?<a-b>x)", "a group's name" },
		{ "(?<abcdefghijklmnopqrstuvwxyz0123456>x)", "a group's name" },
		{ "(?<a>x)(?<a>y)", "character 11: two groups have this name" },
		{ "(?P<a>x)(?<a>y)", "two groups have this name" },
		{ "(?P=a)", "only (?<name>...)" },
		{ "(?<=a)b", "only (?<name>...)" },
		{ "(?<!a)b", "only (?<name>...)" },
		{ "(?=a)b", "only (?<name>...)" },
		{ "(?<a>x)\\1", "references" },
	};
	char many[BL_REGEX_PATTERN_MAX + 1] = "";

	(void)state;
	for (unsigned i = 0; i <= BL_REGEX_GROUPS_MAX; i++)
		snprintf(many + strlen(many), sizeof(many) - strlen(many), "(?<g%u>x)", i);
	for (size_t i = 0; i <= COUNT(c); i++) {
		const char *pattern = i < COUNT(c) ? c[i].pattern : many;
		const char *error = i < COUNT(c) ? c[i].error : "more than 24 groups";
		struct bl_regex_groups *g;
		struct bl_err err = { 0 };

		assert_int_equal(bl_regex_groups_compile(&g, pattern, &err), BL_EINVAL);
		assert_null(g);
		if (strstr(err.msg, error) == NULL)
			fail_msg("%s: %s", pattern, err.msg);
	}
}

/* What makes backtrackers explode, and programs of which every step lives at every place. */
static void
no_line_takes_longer_than_its_bound(void **state)
{
	static const struct {
		const char *pattern;
		int rc;
	} c[] = {
		{ "(?<x>(a|aa)+)$", 0 },
		{ "(a|b)*a(a|b){20}c(?<x>.)", BL_EFULL },
		{ "(?<x>(((a?){6}){6}){6}b)c", BL_EFULL },
		{ "(?<x>.*).*.*.*.*.*.*.*c", 0 },
		{ "^(?<x>.*?)(?<y>.*?)(?<z>.*)\\.$", 1 },
	};
	struct bl_regex_span span[BL_REGEX_GROUPS_MAX];
	char text[BL_REGEX_LINE_MAX + 2];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[BL_REGEX_LINE_MAX - 1] = '.';
	text[BL_REGEX_LINE_MAX] = '\0';
	for (size_t i = 0; i < COUNT(c); i++) {
		struct tried t = try_make(c[i].pattern);
		const int rc = find(&t, text, span);

		if (rc != c[i].rc)
			fail_msg("%s: %d", c[i].pattern, rc);
		try_free(&t);
	}
	text[BL_REGEX_LINE_MAX] = 'a';
	text[BL_REGEX_LINE_MAX + 1] = '\0';
	{
		struct tried t = try_make("(?<x>a)");

		assert_int_equal(find(&t, text, span), BL_EFULL);
		try_free(&t);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_hold_what_the_table_says),
		cmocka_unit_test(an_empty_part_that_is_repeated_is_not_entered_for_nothing),
		cmocka_unit_test(what_is_not_understood_is_refused_with_its_place),
		cmocka_unit_test(no_line_takes_longer_than_its_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
