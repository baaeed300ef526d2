/* Rules about cases that stay open and about devices that fall silent. */
#include "rule_engine_kit.h"

/* ---- cases ---- */

static void
a_case_is_late_once_every_device_is_known_up_to_the_deadline(void **state)
{
	struct kit *k = *state;

	kit_sql(k,
	    "INSERT INTO device (id, name, site, part, retired, since_unix_ms, created_unix_ms,"
	    " version) VALUES ('d3', 'd', 'east', 0, 0, 0, 0, 1)");
	kit_sql(k, "INSERT INTO service (device, from_unix_ms, to_unix_ms, site)"
		   " VALUES ('d3', 1764200000000, NULL, 'east')");
	kit_reload_roster(k);
	kit_case_open(k, "r1", 30 * MINUTE);
	kit_cover(k, "d1", at(-10), at(50));
	assert_int_equal(kit_case(k, "east", "o1", at(0), 0, "new"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "");
	assert_int_equal(kit_int(k, "SELECT count(*) FROM rule_case WHERE outcome = 2"), 1);
	kit_cover(k, "d3", at(-10), at(10));
	kit_cover(k, "d3", at(12), at(60)); /* a hole: the order may have ended there */
	assert_int_equal(kit_coverage(k, "east"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "");
	kit_device(k, "d3")->n = 0;
	kit_cover(k, "d3", at(-10), at(60));
	assert_int_equal(kit_coverage(k, "east"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "[30,-)");
	assert_int_equal(kit_int(k, "SELECT last_true_unix_ms FROM incident"), at(50));
	kit_cover(k, "d1", at(50), at(55));
	assert_int_equal(kit_coverage(k, "east"), BL_OK);
	assert_int_equal(kit_int(k, "SELECT last_true_unix_ms FROM incident"), at(55));
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident"), 1);
	assert_int_equal(kit_case(k, "east", "o1", at(0), at(52), "new"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "[30,52)");
	assert_int_equal(
	    kit_int(k,
		"SELECT explanation = '{\"kind\":\"case_open\",\"process\":\"order\","
		"\"process_name\":\"The order\",\"case\":\"o1\",\"limit_ms\":1800000,"
		"\"begin_unix_ms\":1764288000000,\"deadline_unix_ms\":1764289800000,"
		"\"end_unix_ms\":1764291120000,\"status\":\"done\",\"attrs\":{}}' FROM incident"),
	    1);
}

/* Thousands may be late at once: what has not changed is noted, and not told anew. */
static void
a_case_that_is_late_still_is_only_noted(void **state)
{
	struct kit *k = *state;
	unsigned told;

	kit_case_open(k, "r1", 30 * MINUTE);
	kit_cover(k, "d1", at(-10), at(40));
	assert_int_equal(kit_case(k, "east", "o1", at(0), 0, "new"), BL_OK);
	assert_int_equal(kit_case(k, "east", "o2", at(1), 0, "new"), BL_OK);
	told = k->findings;
	for (int until = 45; until <= 60; until += 5) {
		kit_cover(k, "d1", at(-10), at(until));
		assert_int_equal(kit_coverage(k, "east"), BL_OK);
		assert_int_equal(
		    kit_int(k, "SELECT min(last_true_unix_ms) FROM incident"), at(until));
	}
	assert_int_equal(k->findings, told);
	assert_int_equal(k->late, 8);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "[30,-)");
	/* what stands otherwise than it was told is told again */
	kit_sql(k, "UPDATE incident SET rule_version = 7 WHERE subject = 'order/o1'");
	kit_sql(k, "UPDATE incident SET notice = 2 WHERE subject = 'order/o2'");
	kit_cover(k, "d1", at(-10), at(61));
	assert_int_equal(kit_coverage(k, "east"), BL_OK);
	assert_int_equal(k->findings, told + 2);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident WHERE rule_version = 1"), 2);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM notice_due"), 1);
	/* a hole that opens before the deadline makes it unknown again */
	kit_device(k, "d1")->n = 0;
	kit_cover(k, "d1", at(-10), at(20));
	assert_int_equal(kit_coverage(k, "east"), BL_OK);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM rule_case WHERE outcome = 2"), 2);
}

static void
covered_up_to_the_deadline_is_not_over_it(void **state)
{
	struct kit *k = *state;

	kit_case_open(k, "r1", 30 * MINUTE);
	kit_cover(k, "d1", at(-10), at(30)); /* an event at the deadline itself may be missing */
	assert_int_equal(kit_case(k, "east", "o1", at(0), 0, "new"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "");
	kit_cover(k, "d1", at(30), at(30) + 1);
	assert_int_equal(kit_coverage(k, "east"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "[30,-)");
}

/* Coverage is read as it is stored; the end of the case may be stored and not taken in yet. */
static void
what_is_stored_but_not_taken_in_is_waited_for(void **state)
{
	struct kit *k = *state;

	kit_case_open(k, "r1", 30 * MINUTE);
	kit_cover(k, "d1", at(-10), at(40));
	k->behind = true;
	assert_int_equal(kit_case(k, "east", "o1", at(0), 0, "new"), BL_OK);
	assert_int_equal(kit_case(k, "east", "o2", at(0), 0, "new"), BL_OK);
	assert_int_equal(kit_coverage(k, "east"), BL_OK);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident"), 0);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM rule_case WHERE outcome = 2"), 2);
	/* What was stored: o1 had ended in time, o2 had not. */
	k->behind = false;
	assert_int_equal(kit_case(k, "east", "o1", at(0), at(20), "new"), BL_OK);
	assert_int_equal(kit_coverage(k, "east"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o2"), "[30,-)");
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident"), 1);
	/* What was found stays while something more is stored and not taken in. */
	k->behind = true;
	kit_cover(k, "d1", at(40), at(50));
	assert_int_equal(kit_coverage(k, "east"), BL_OK);
	assert_int_equal(kit_case(k, "east", "o2", at(0), 0, "changed"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o2"), "[30,-)");
	assert_int_equal(kit_int(k, "SELECT last_true_unix_ms FROM incident"), at(40));
	/* An end that is known needs nothing more. */
	assert_int_equal(kit_case(k, "east", "o2", at(0), at(45), "new"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o2"), "[30,45)");
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident"), 1);
}

/* Found with the simulation: what came while it was behind was noted as "late still" afterwards. */
static void
what_changed_while_it_was_behind_is_judged_anew(void **state)
{
	struct kit *k = *state;

	kit_case_open(k, "r1", 30 * MINUTE);
	kit_cover(k, "d1", at(-10), at(50));
	assert_int_equal(kit_case(k, "east", "o1", at(5), 0, "new"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "[35,-)");
	/* An earlier event of it comes, and more is stored than is taken in. */
	k->behind = true;
	assert_int_equal(kit_case(k, "east", "o1", at(0), 0, "new"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "[35,-)");
	k->behind = false;
	assert_int_equal(kit_coverage(k, "east"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "[30,-)");
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident"), 1);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM rule_case WHERE version = 0"), 0);
}

static void
a_late_end_before_the_deadline_withdraws(void **state)
{
	struct kit *k = *state;

	kit_case_open(k, "r1", 30 * MINUTE);
	kit_cover(k, "d1", at(-10), at(40));
	assert_int_equal(kit_case(k, "east", "o1", at(0), 0, "new"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "[30,-)");
	assert_int_equal(kit_case(k, "east", "o1", at(0), at(20), "new"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "");
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident WHERE state = 'withdrawn'"), 1);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM rule_case"), 0);
}

static void
a_case_whose_events_belong_elsewhere_is_withdrawn(void **state)
{
	struct kit *k = *state;

	kit_case_open(k, "r1", 30 * MINUTE);
	kit_cover(k, "d1", at(-10), at(40));
	assert_int_equal(kit_case(k, "east", "o1", at(0), 0, "new"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "[30,-)");
	kit_sql(k, "UPDATE case_head SET events = 0");
	assert_int_equal(kit_coverage(k, "east"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "");
}

static void
ended_late_is_known_without_any_coverage(void **state)
{
	struct kit *k = *state;

	kit_case_open(k, "r1", 30 * MINUTE);
	assert_int_equal(kit_case(k, "east", "o1", at(0), at(45), "new"), BL_OK);
	assert_int_equal(kit_case(k, "west", "o1", at(0), at(30), "new"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "[30,45)");
	assert_int_equal(kit_int(k, "SELECT count(*) FROM rule_case"), 1);
}

static void
cases_of_one_name_at_two_sites_are_two(void **state)
{
	struct kit *k = *state;

	kit_case_open(k, "r1", 30 * MINUTE);
	assert_int_equal(kit_case(k, "east", "o1", at(0), at(45), "new"), BL_OK);
	assert_int_equal(kit_case(k, "west", "o1", at(5), at(50), "new"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "[30,45) [35,50)");
	assert_int_equal(kit_case(k, "west", "o1", at(5), at(20), "new"), BL_OK);
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "[30,45)");
}

static void
condition_sees_the_case_as_it_was_at_the_deadline(void **state)
{
	static const struct {
		const char *where, *status;
		bool late;
	} cases[] = {
		{ "status != \"hold\"", "new", true },
		{ "status != \"hold\"", "hold", false },
		{ "status != \"done\"", "new", true }, /* done later */
		{ "status = \"done\"", "new", false },
		{ "age >= 30min and process = \"order\"", "new", true },
		{ "amount > 5", "new", false }, /* not known: not raised */
		{ "case = \"o1\"", "new", true },
	};
	struct kit *k = *state;
	struct define_rule *v = kit_case_open(k, "r1", 30 * MINUTE);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct bl_expr_scope open = { .open = true };
		struct bl_expr_error why;
		struct bl_err err = { 0 };

		assert_int_equal(bl_expr_compile(&v->where, cases[i].where, strlen(cases[i].where),
				     &open, BL_VALUE_BOOL, &why, &err),
		    BL_OK);
		assert_int_equal(kit_case(k, "east", "o1", at(0), at(45), cases[i].status), BL_OK);
		if ((kit_incidents(k, "r1", "order/o1")[0] != '\0') != cases[i].late)
			print_error("case %zu\n", i);
		assert_int_equal(kit_incidents(k, "r1", "order/o1")[0] != '\0', cases[i].late);
		bl_expr_free(v->where);
		v->where = NULL;
		kit_sql(k, "DELETE FROM rule_case");
		clear(k);
	}
}

static void
another_version_leaves_late_cases_alone_and_switching_off_ends_them(void **state)
{
	struct kit *k = *state;
	struct define_rule *v = kit_case_open(k, "r1", 30 * MINUTE), *off;

	kit_cover(k, "d1", at(-10), at(90));
	assert_int_equal(kit_case(k, "east", "o1", at(0), 0, "new"), BL_OK);
	v = kit_new_version(k, v, at(40));
	v->limit_ms = 50 * MINUTE;
	(void)kit_redo(k, "r1", at(40));
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "[30,-)");
	off = kit_new_version(k, v, at(60));
	off->head.enabled = false;
	(void)kit_redo(k, "r1", at(60));
	assert_string_equal(kit_incidents(k, "r1", "order/o1"), "[30,60)");
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident"), 1);
}

static void
a_rule_about_cases_made_for_the_past_finds_them(void **state)
{
	struct kit *k = *state;
	struct define_rule *v;

	kit_cover(k, "d1", at(-10), at(500));
	for (int i = 0; i < 150; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "o%d", i);
		assert_int_equal(kit_case(k, i % 2 ? "east" : "west", id, at(i),
				     i % 3 ? at(i + 10) : at(i + 40), "new"),
		    BL_OK);
	}
	v = kit_case_open(k, "r1", 30 * MINUTE);
	(void)kit_redo(k, "r1", v->head.from_unix_ms);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident"), 50);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM rule_case"), 50);
}

struct story {
	char id[8];
	const char *site;
	int64_t begin, end; /* end 0: never */
	int told;           /* 0 nothing, 1 open, 2 all */
};

#define STORIES 12

static void
tell_story(struct kit *k, struct story *s)
{
	s->told++;
	assert_int_equal(
	    kit_case(k, s->site, s->id, s->begin, s->told == 2 ? s->end : 0, "new"), BL_OK);
}

/* Open first, ended later; coverage moves on in between, here a little, there far. */
static void
live_stories(struct kit *k, struct shuffle *s, struct story *story)
{
	int64_t until[2] = { at(-60), at(-60) };

	for (int left = 2 * STORIES; left > 0;) {
		struct story *one = &story[next(s, STORIES)];
		const size_t d = next(s, 2);

		if (next(s, 3) == 0 && until[d] < at(200)) {
			const int64_t to = until[d] + (int64_t)next(s, 60) * MINUTE + 1;

			kit_cover(k, d ? "d2" : "d1", until[d], to < at(200) ? to : at(200));
			until[d] = to < at(200) ? to : at(200);
			assert_int_equal(kit_coverage(k, d ? "west" : "east"), BL_OK);
		}
		if (one->told < 2) {
			tell_story(k, one);
			left--;
		}
	}
	for (int d = 0; d < 2; d++) {
		kit_cover(k, d ? "d2" : "d1", until[d], at(200));
		assert_int_equal(kit_coverage(k, d ? "west" : "east"), BL_OK);
	}
}

static void
cases_and_coverage_in_any_order_end_the_same(void **state)
{
	struct kit *k = *state;
	struct define_rule *v = kit_case_open(k, "r1", 30 * MINUTE);

	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct shuffle s = { seed };
		struct story story[STORIES];
		char *lived, *expected;

		for (int i = 0; i < STORIES; i++) {
			(void)snprintf(story[i].id, sizeof(story[i].id), "o%d", i);
			story[i].site = next(&s, 2) ? "east" : "west";
			story[i].begin = at((int64_t)next(&s, 190));
			story[i].end =
			    next(&s, 3) ? story[i].begin + (int64_t)next(&s, 60) * MINUTE : 0;
			story[i].told = 0;
		}
		live_stories(k, &s, story);
		lived = kit_dump(k);
		kit_sql(k, "DELETE FROM rule_case");
		clear(k);
		(void)kit_redo(k, "r1", v->head.from_unix_ms); /* all at once */
		expected = kit_dump(k);
		if (strcmp(lived, expected) != 0)
			print_error("seed %llu\n", (unsigned long long)seed);
		assert_string_equal(lived, expected);
		free(lived);
		free(expected);
		kit_sql(k, "DELETE FROM rule_case");
		clear(k);
		kit_sql(k, "DELETE FROM case_event");
		kit_sql(k, "DELETE FROM case_head");
		kit_device(k, "d1")->n = kit_device(k, "d2")->n = 0;
	}
}

/* ---- silence ---- */

static void
look_until(struct kit *k, int64_t until)
{
	for (; k->now < until; k->now += MINUTE)
		assert_int_equal(kit_no_data_look(k), BL_OK);
	k->now = until;
	assert_int_equal(kit_no_data_look(k), BL_OK);
}

static void
silence_begins_with_the_last_arrival_and_ends_with_the_next(void **state)
{
	struct kit *k = *state;

	kit_no_data(k, "quiet", 15 * MINUTE);
	kit_device(k, "d1")->last_arrival = at(0);
	kit_device(k, "d2")->last_arrival = at(100);
	k->now = at(1);
	look_until(k, at(14));
	assert_string_equal(kit_incidents(k, "quiet", "d1"), "");
	look_until(k, at(16));
	assert_string_equal(kit_incidents(k, "quiet", "d1"), "[0,-)");
	assert_int_equal(kit_int(k, "SELECT last_true_unix_ms FROM incident"), at(15));
	look_until(k, at(30));
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident"), 1);
	kit_device(k, "d1")->last_arrival = at(30) + 5000;
	look_until(k, at(31));
	assert_string_equal(kit_incidents(k, "quiet", "d1"), "[0,30.0833)");
	look_until(k, at(60));
	assert_string_equal(kit_incidents(k, "quiet", "d1"), "[0,30.0833) [30.0833,-)");
}

static void
a_centre_that_was_down_calls_nobody_silent_at_once(void **state)
{
	struct kit *k = *state;

	kit_no_data(k, "quiet", 15 * MINUTE);
	kit_device(k, "d1")->last_arrival = at(0);
	kit_device(k, "d2")->last_arrival = at(0);
	k->now = at(1);
	look_until(k, at(2));
	k->now = at(300);
	assert_int_equal(kit_no_data_look(k), BL_OK);
	assert_string_equal(kit_incidents(k, "quiet", "d1"), "");
	kit_device(k, "d2")->last_arrival = at(301);
	look_until(k, at(315));
	assert_string_equal(kit_incidents(k, "quiet", "d1"), "[0,-)");
	assert_string_equal(kit_incidents(k, "quiet", "d2"), "");
}

static void
never_heard_of_counts_from_its_service_and_a_retired_one_ends(void **state)
{
	struct kit *k = *state;

	kit_no_data(k, "quiet", 15 * MINUTE);
	kit_device(k, "d2")->last_arrival = at(100);
	kit_sql(k, "UPDATE service SET from_unix_ms = 1764288000000 WHERE device = 'd1'");
	kit_reload_roster(k);
	k->now = at(14);
	look_until(k, at(16));
	assert_string_equal(kit_incidents(k, "quiet", "d1"), "[0,-)");
	kit_sql(k, "UPDATE service SET to_unix_ms = 1764289200000 WHERE device = 'd1'");
	kit_reload_roster(k);
	look_until(k, at(21));
	assert_string_equal(kit_incidents(k, "quiet", "d1"), "[0,20)");
	assert_int_equal(kit_int(k, "SELECT count(*) FROM rule_silent"), 0);
}

/* The centre's clock was far ahead for a while, which looked like a break. */
static void
silence_is_heard_when_the_clock_was_ahead(void **state)
{
	struct kit *k = *state;

	kit_no_data(k, "quiet", 15 * MINUTE);
	kit_device(k, "d1")->last_arrival = at(0);
	kit_device(k, "d2")->last_arrival = at(100);
	k->now = at(1);
	look_until(k, at(2));
	k->now = at(100000);
	assert_int_equal(kit_no_data_look(k), BL_OK);
	k->now = at(3);
	look_until(k, at(20));
	assert_string_equal(kit_incidents(k, "quiet", "d1"), "[0,-)");
}

static void
switched_off_silences_end(void **state)
{
	struct kit *k = *state;
	struct define_rule *v = kit_no_data(k, "quiet", 15 * MINUTE);

	kit_device(k, "d1")->last_arrival = at(0);
	kit_device(k, "d2")->last_arrival = at(100);
	k->now = at(1);
	look_until(k, at(20));
	assert_string_equal(kit_incidents(k, "quiet", "d1"), "[0,-)");
	kit_new_version(k, v, at(22))->head.enabled = false;
	look_until(k, at(25));
	assert_string_equal(kit_incidents(k, "quiet", "d1"), "[0,22)");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
	const struct CMUnitTest tests[] = {
		TEST(cases_and_coverage_in_any_order_end_the_same),
		TEST(a_case_is_late_once_every_device_is_known_up_to_the_deadline),
		TEST(a_case_that_is_late_still_is_only_noted),
		TEST(covered_up_to_the_deadline_is_not_over_it),
		TEST(what_is_stored_but_not_taken_in_is_waited_for),
		TEST(what_changed_while_it_was_behind_is_judged_anew),
		TEST(a_late_end_before_the_deadline_withdraws),
		TEST(a_case_whose_events_belong_elsewhere_is_withdrawn),
		TEST(ended_late_is_known_without_any_coverage),
		TEST(cases_of_one_name_at_two_sites_are_two),
		TEST(condition_sees_the_case_as_it_was_at_the_deadline),
		TEST(another_version_leaves_late_cases_alone_and_switching_off_ends_them),
		TEST(a_rule_about_cases_made_for_the_past_finds_them),
		TEST(silence_begins_with_the_last_arrival_and_ends_with_the_next),
		TEST(a_centre_that_was_down_calls_nobody_silent_at_once),
		TEST(never_heard_of_counts_from_its_service_and_a_retired_one_ends),
		TEST(silence_is_heard_when_the_clock_was_ahead),
		TEST(switched_off_silences_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
