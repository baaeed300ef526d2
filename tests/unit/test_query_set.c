/* Labels, filters, groups: which series a question is about, and where each counts when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "query.h"

#define BORDER 5000 /* device "mover" goes from site a to site b then */

static void
labels_are_read_as_they_are_written(void **state)
{
	static const struct {
		const char *json, *key, *value; /* value NULL: it has no such label */
	} cases[] = {
		{ "{\"mode\":\"user\"}", "mode", "user" },
		{ "{\"mode\":\"user\"}", "mod", NULL },
		{ "{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}", "c", "3" },
		{ "{\"a\":\"x\\\"y\\\\z\"}", "a", "x\"y\\z" },
		{ "{\"a\":\"\\u000a\\u001f\"}", "a", "\n\x1f" },
		{ "{\"a\\\"\":\"v\"}", "a\"", "v" },
		{ "{\"a\":\"\"}", "a", "" },
		{ "{\"a\":\"\xe4\xb8\xad\"}", "a", "\xe4\xb8\xad" },
		{ "{}", "a", NULL },
		{ "", "a", NULL },
		{ "{\"a\":\"1", "a", NULL },
		{ "{\"a\"", "a", NULL },
		{ "{\"a\":\"\\u0", "a", NULL },
		{ "{\"a\":\"\\", "a", NULL },
	};
	char value[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const bool found = query_label(cases[i].json, cases[i].key, value, sizeof(value));

		if (found != (cases[i].value != NULL))
			fail_msg("case %zu", i);
		if (found)
			assert_string_equal(value, cases[i].value);
	}
	assert_true(query_label("{\"a\":\"12345\"}", "a", value, 3));
	assert_string_equal(value, "12");
}

static void
pairs_are_cut_at_commas_and_equals_signs(void **state)
{
	static const struct {
		const char *text;
		size_t n;                /* 0: malformed */
		const char *key, *value; /* of the last one */
	} cases[] = {
		{ "a=1", 1, "a", "1" },
		{ "a=1,b=2", 2, "b", "2" },
		{ "a=", 1, "a", "" },
		{ "a=b=c", 1, "a", "b=c" },
		{ "a=x\\,y", 1, "a", "x,y" },
		{ "a\\=b=c", 1, "a=b", "c" },
		{ "a=\\\\", 1, "a", "\\" },
		{ "1=1,2=2,3=3,4=4,5=5,6=6,7=7,8=8", 8, "8", "8" },
		{ "1=1,2=2,3=3,4=4,5=5,6=6,7=7,8=8,9=9", 0, NULL, NULL },
		{ "", 0, NULL, NULL },
		{ "a", 0, NULL, NULL },
		{ "=1", 0, NULL, NULL },
		{ "a=1,", 0, NULL, NULL },
		{ "a=1,b", 0, NULL, NULL },
		{ "a=\\", 0, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct query_pair pair[QUERY_PAIRS_MAX];
		char text[64];
		size_t n;

		(void)snprintf(text, sizeof(text), "%s", cases[i].text);
		if (query_pairs_parse(text, pair, &n) != (cases[i].n > 0))
			fail_msg("\"%s\"", cases[i].text);
		if (cases[i].n == 0)
			continue;
		assert_int_equal(n, cases[i].n);
		assert_string_equal(pair[n - 1].key, cases[i].key);
		assert_string_equal(pair[n - 1].value, cases[i].value);
	}
}

/* ---- sets ---------------------------------------------------------------- */

static size_t
places(void *ctx, const char *device, const struct query_place **out)
{
	static const struct query_place at_a[] = { { 0, INT64_MAX, "a", "Asia/China" } };
	static const struct query_place at_b[] = { { 0, INT64_MAX, "b", "Asia/Japan/Kanto" } };
	static const struct query_place moves[] = { { 0, BORDER, "a", "Asia/China" },
		{ BORDER, INT64_MAX, "b", "Asia/Japan/Kanto" } };
	static const struct query_place left[] = { { 0, BORDER, "a", "Asia/China" } };

	(void)ctx;
	*out = at_a;
	if (strcmp(device, "one") == 0 || strcmp(device, "two") == 0)
		return 1;
	*out = at_b;
	if (strcmp(device, "three") == 0)
		return 1;
	*out = moves;
	if (strcmp(device, "mover") == 0)
		return 2;
	*out = left;
	return strcmp(device, "left") == 0 ? 1 : 0;
}

static const struct query_entry entries[] = {
	{ 9, "three", 9, "{\"disk\":\"sda\"}", BL_GAUGE, BL_STREAM_HOST, 10000 },
	{ 2, "one", 2, "{\"disk\":\"sda\"}", BL_GAUGE, BL_STREAM_HOST, 10000 },
	{ 3, "one", 3, "{\"disk\":\"sdb\"}", BL_GAUGE, BL_STREAM_HOST, 10000 },
	{ 5, "two", 5, "{}", BL_GAUGE, BL_STREAM_HOST, 10000 },
	{ 6, "two", 6, "{\"disk\":\"sda\",\"fs\":\"ext4\"}", BL_COUNTER, BL_STREAM_HOST, 10000 },
	{ 7, "mover", 7, "{\"disk\":\"sda\"}", BL_GAUGE, BL_STREAM_HOST, 10000 },
	{ 1, "left", 1, "{\"disk\":\"sdc\"}", BL_GAUGE, BL_STREAM_HOST, 10000 },
	{ 8, "stray", 8, "{\"disk\":\"sda\"}", BL_GAUGE, BL_STREAM_HOST, 10000 },
};

static struct query_set *
set_of(const struct query_filter *filter)
{
	struct query_filter f = *filter;
	struct bl_err err = { 0 };
	struct query_set *s;

	f.places = places;
	f.from_unix_ms = 1000;
	f.to_unix_ms = 9000;
	assert_int_equal(query_set_create(&s, &f, &err), BL_OK);
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		assert_int_equal(query_set_add(s, &entries[i], &err), BL_OK);
	assert_int_equal(query_set_end(s, &err), BL_OK);
	return s;
}

/* "key:series key:series" of all groups; "-" for no key. */
static void
groups_are(const struct query_filter *f, const char *expected)
{
	struct query_set *s = set_of(f);
	char text[256] = "";
	size_t n, at = 0;
	const struct query_group *g = query_set_groups(s, &n);

	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s:%zu", i > 0 ? " " : "",
		    g[i].key != NULL ? g[i].key : "-", g[i].n_series);
	assert_string_equal(text, expected);
	query_set_free(s);
}

static void
filters_and_groups_are_these(void **state)
{
	static const struct {
		struct query_filter f;
		const char *groups;
	} cases[] = {
		{ { .by = QUERY_BY_ALL }, ":7" },
		{ { .by = QUERY_BY_SITE }, "a:5 b:2 -:2" },
		{ { .by = QUERY_BY_REGION }, "Asia/China:5 Asia/Japan/Kanto:2 -:2" },
		{ { .by = QUERY_BY_REGION, .by_depth = 1 }, "Asia:6 -:2" },
		{ { .by = QUERY_BY_REGION, .by_depth = 2 }, "Asia/China:5 Asia/Japan:2 -:2" },
		{ { .by = QUERY_BY_DEVICE }, "left:1 mover:1 one:2 stray:1 three:1 two:1" },
		{ { .by = QUERY_BY_LABEL, .by_label = "disk" }, "sda:4 sdb:1 sdc:1 -:1" },
		{ { .site = "b" }, ":2" },
		{ { .site = "nowhere" }, "" },
		{ { .region = "Asia" }, ":6" },
		{ { .region = "Asia/Japan" }, ":2" },
		{ { .region = "Asia/Jap" }, "" },
		{ { .device = "one" }, ":2" },
		{ { .label = { { "disk", "sda" } }, .n_labels = 1 }, ":4" },
		{ { .label = { { "disk", "sda" }, { "fs", "ext4" } },
		      .n_labels = 2,
		      .agg = QUERY_COUNT },
		    ":1" },
		{ { .agg = QUERY_RATE }, ":1" },
		{ { .agg = QUERY_MAX }, ":8" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		groups_are(&cases[i].f, cases[i].groups);
}

static void
series_ascend_and_the_other_kind_is_counted(void **state)
{
	const struct query_filter f = { .agg = QUERY_AVG };
	struct query_set *s = set_of(&f);
	size_t n;
	const struct query_series *e = query_set_series(s, &n);

	(void)state;
	assert_int_equal(n, 7);
	for (size_t i = 1; i < n; i++)
		assert_true(e[i - 1].id < e[i].id);
	assert_int_equal(query_set_left_out(s), 1);
	query_set_free(s);
}

static void
a_device_counts_where_it_was(void **state)
{
	const struct query_filter by_site = { .by = QUERY_BY_SITE, .device = "mover" };
	const struct query_filter at_b = { .site = "b", .device = "mover" };
	const struct query_filter left = { .by = QUERY_BY_SITE, .device = "left" };
	struct query_set *s = set_of(&by_site);
	const struct query_series *e;
	size_t n;

	(void)state;
	e = query_set_series(s, &n);
	assert_int_equal(n, 1);
	assert_int_equal(e->n_stays, 2);
	assert_true(e->stay[0].from_unix_ms == 1000 && e->stay[0].to_unix_ms == BORDER);
	assert_true(e->stay[1].from_unix_ms == BORDER && e->stay[1].to_unix_ms == 9000);
	assert_int_equal(e->stay[0].group, 0);
	assert_int_equal(e->stay[1].group, 1);
	query_set_free(s);

	s = set_of(&at_b);
	e = query_set_series(s, &n);
	assert_int_equal(e->stay[0].group, QUERY_NO_GROUP);
	assert_int_equal(e->stay[1].group, 0);
	query_set_free(s);

	s = set_of(&left);
	e = query_set_series(s, &n);
	assert_int_equal(e->n_stays, 2); /* at a, then nowhere: the group without a key */
	query_set_free(s);
}

static void
too_many_groups_are_refused_in_words(void **state)
{
	const struct query_filter f = { .by = QUERY_BY_DEVICE, .to_unix_ms = 1, .groups_max = 2 };
	struct bl_err err = { 0 };
	struct query_set *s;

	(void)state;
	assert_int_equal(query_set_create(&s, &f, &err), BL_OK);
	assert_int_equal(query_set_add(s, &entries[0], &err), BL_OK);
	assert_int_equal(query_set_add(s, &entries[1], &err), BL_OK);
	assert_int_equal(query_set_add(s, &entries[2], &err), BL_OK); /* the same device */
	assert_int_equal(query_set_add(s, &entries[3], &err), BL_EFULL);
	assert_non_null(strstr(err.msg, "more than 2 groups"));
	query_set_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_read_as_they_are_written),
		cmocka_unit_test(pairs_are_cut_at_commas_and_equals_signs),
		cmocka_unit_test(filters_and_groups_are_these),
		cmocka_unit_test(series_ascend_and_the_other_kind_is_counted),
		cmocka_unit_test(a_device_counts_where_it_was),
		cmocka_unit_test(too_many_groups_are_refused_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
