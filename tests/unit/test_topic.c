/* Topics: what is not exactly ours is nothing, and what is formatted parses back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/topic.h"

#define ID63 "a23456789012345678901234567890123456789012345678901234567890123"

static void
ids_follow_their_grammar(void **state)
{
	static const struct {
		const char *id;
		bool ok;
	} cases[] = {
		{ "a", true },
		{ "0", true },
		{ "till-1", true },
		{ "a--b-", true },
		{ ID63, true },
		{ ID63 "x", false },
		{ "", false },
		{ "-a", false },
		{ "A", false },
		{ "a_b", false },
		{ "a/b", false },
		{ "a+b", false },
		{ "a#", false },
		{ "$sys", false },
		{ "caf\xc3\xa9", false },
		{ "a b", false },
		{ "a.b", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (bl_id_text_valid(cases[i].id) != cases[i].ok)
			fail_msg("\"%s\"", cases[i].id);
}

static void
only_our_topics_parse(void **state)
{
	static const struct {
		const char *topic;
		enum bl_topic_kind kind;
		unsigned part;
		const char *device;
	} cases[] = {
		{ "bl/1/up/07/till-1/hello", BL_TOPIC_HELLO, 7, "till-1" },
		{ "bl/1/up/00/a/live", BL_TOPIC_LIVE, 0, "a" },
		{ "bl/1/up/63/a/past", BL_TOPIC_PAST, 63, "a" },
		{ "bl/1/up/63/" ID63 "/presence", BL_TOPIC_PRESENCE, 63, ID63 },
		{ "bl/1/down/a/receipt", BL_TOPIC_RECEIPT, 0, "a" },
		{ "bl/1/down/a/config", BL_TOPIC_CONFIG, 0, "a" },
		{ "bl/1/down/a/command", BL_TOPIC_COMMAND, 0, "a" },
		{ "bl/1/centre", BL_TOPIC_CENTRE, 0, "" },
		{ "", BL_TOPIC_OTHER, 0, "" },
		{ "bl", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/up/", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/up/07/", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/up/07//hello", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/up/07/a/", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/up/07/a/receipt", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/up/07/a/hello/x", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/up/07/a/Hello", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/up/07/a/hell", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/up/64/a/hello", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/up/7/a/hello", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/up/007/a/hello", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/up/-1/a/hello", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/up/0x/a/hello", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/up/07/" ID63 "x/live", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/up/07/A/live", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/up/+/a/live", BL_TOPIC_OTHER, 0, "" },
		{ "bl/2/up/07/a/live", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/down/a/live", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/down//receipt", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/down/07/a/receipt", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/centre/", BL_TOPIC_OTHER, 0, "" },
		{ "bl/1/centr", BL_TOPIC_OTHER, 0, "" },
		{ "/bl/1/centre", BL_TOPIC_OTHER, 0, "" },
		{ "$SYS/broker", BL_TOPIC_OTHER, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const bool ours = cases[i].kind != BL_TOPIC_OTHER;
		struct bl_topic t;
		char out[BL_TOPIC_MAX];

		if (bl_topic_parse(cases[i].topic, strlen(cases[i].topic), &t) != ours ||
		    t.kind != cases[i].kind)
			fail_msg("\"%s\"", cases[i].topic);
		if (!ours)
			continue;
		assert_int_equal(t.part, cases[i].part);
		assert_string_equal(t.device, cases[i].device);
		assert_true(bl_topic_format(out, sizeof(out), t.kind, t.part, t.device));
		assert_string_equal(out, cases[i].topic);
	}
}

static void
parsing_stops_at_the_length(void **state)
{
	struct bl_topic t;

	(void)state;
	assert_true(bl_topic_parse("bl/1/centreXXXX", 11, &t));
	assert_true(bl_topic_parse("bl/1/up/07/a/liveXXXX", 17, &t));
	assert_false(bl_topic_parse("bl/1/up/07/a/live", 16, &t));
	assert_false(bl_topic_parse("bl/1/up/07/a\0b/live", 19, &t));
}

static void
formatting_refuses_what_would_not_parse(void **state)
{
	char out[BL_TOPIC_MAX], tight[sizeof("bl/1/down/a/config")];

	(void)state;
	assert_false(bl_topic_format(out, sizeof(out), BL_TOPIC_LIVE, 64, "a"));
	assert_false(bl_topic_format(out, sizeof(out), BL_TOPIC_LIVE, 0, "a/b"));
	assert_false(bl_topic_format(out, sizeof(out), BL_TOPIC_LIVE, 0, NULL));
	assert_false(bl_topic_format(out, sizeof(out), BL_TOPIC_OTHER, 0, "a"));
	assert_true(bl_topic_format(out, sizeof(out), BL_TOPIC_CENTRE, 99, NULL));
	assert_true(bl_topic_format(tight, sizeof(tight), BL_TOPIC_CONFIG, 0, "a"));
	assert_false(bl_topic_format(tight, sizeof(tight) - 1, BL_TOPIC_CONFIG, 0, "a"));
	assert_true(bl_topic_format(out, sizeof(out), BL_TOPIC_PRESENCE, 63, ID63));
}

static void
the_part_of_a_site_never_changes(void **state)
{
	/* FNV-1a by hand of the first three; all of them are for ever. */
	static const struct {
		const char *site;
		unsigned part;
	} cases[] = {
		{ "", 2166136261u % 64 },
		{ "a", 0xe40c292cu % 64 },
		{ "foobar", 0xbf9cf968u % 64 },
	};
	unsigned used[BL_PARTS] = { 0 };
	char site[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(bl_part_of_site(cases[i].site), cases[i].part);
	for (int i = 0; i < 6400; i++) {
		(void)snprintf(site, sizeof(site), "site-%d", i);
		used[bl_part_of_site(site)]++;
	}
	for (unsigned i = 0; i < BL_PARTS; i++)
		assert_in_range(used[i], 50, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_follow_their_grammar),
		cmocka_unit_test(only_our_topics_parse),
		cmocka_unit_test(parsing_stops_at_the_length),
		cmocka_unit_test(formatting_refuses_what_would_not_parse),
		cmocka_unit_test(the_part_of_a_site_never_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
