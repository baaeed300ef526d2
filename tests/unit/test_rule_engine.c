/*
 * Cells, cases and clocks become findings, whatever the order in which they come.
 */
#include "rule_engine_kit.h"

/* ---- thresholds ---- */

static void
sections_between_false_windows_hold_one_incident_each(void **state)
{
	/* T and F: final; U: no value; p, q: provisional T and F; '.': nothing came. */
	static const struct {
		const char *cells;
		uint32_t need;
		const char *incidents;
	} cases[] = {
		{ "FFFF", 1, "" },
		{ "FTTTF", 3, "[1,4)" },
		{ "FTTF", 3, "" },
		{ "TTT", 3, "[0,-)" },
		{ "TTTFTTTF", 3, "[0,3) [4,7)" },
		{ "TTTUTTF", 3, "[0,6)" }, /* unknown keeps it open ... */
		{ "TTUTTF", 3, "" },       /* ... and breaks the counting */
		{ "TT.TTF", 3, "" },
		{ "UUTTTUUF", 3, "[2,7)" },
		{ "FTTT..F", 3, "[1,6)" },
		{ "TTTUUUU", 3, "[0,-)" },
		{ "TUTUTTTUTF", 3, "[4,9)" },
		{ "FUF", 1, "" },
		{ "pppq", 3, "[0,3)" }, /* waited for long enough, and enough is there */
		{ "TTTTT", 5, "[0,-)" },
		{ "TTTT", 5, "" },
	};
	struct kit *k = *state;
	struct define_rule *v = kit_threshold(k, "r2", 1);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		v->for_windows = cases[i].need;
		kit_minutes(k, "east", T0, cases[i].cells);
		if (strcmp(kit_incidents(k, "r2", "east"), cases[i].incidents) != 0)
			print_error("case %zu %s\n", i, cases[i].cells);
		assert_string_equal(kit_incidents(k, "r2", "east"), cases[i].incidents);
		clear(k);
	}
}

static void
what_comes_late_opens_closes_joins_splits_and_withdraws(void **state)
{
	static const struct {
		const char *first, *incidents, *late, *after;
	} cases[] = {
		{ "TTT     ", "[0,-)", "   F", "[0,3)" },
		{ "TT TTTTF", "[3,7)", "  T", "[0,7)" },
		{ "TT TTF  ", "", "  T", "[0,5)" },
		{ "TTTFTTTF", "[0,3) [4,7)", "   T", "[0,7)" },
		{ "TTTTTTTF", "[0,7)", "   F", "[0,3) [4,7)" },
		{ "FTTTF   ", "[1,4)", "  F", "" },
		{ "FTTTF   ", "[1,4)", "  U", "" },
		{ "TTTTTTTF", "[0,7)", " F F", "[4,7)" },
		{ "TTTF    ", "[0,3)", "   T", "[0,-)" },
		{ "TTT   F ", "[0,6)", "   F", "[0,3)" },
	};
	struct kit *k = *state;

	kit_threshold(k, "r2", 3);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		kit_minutes(k, "east", T0, cases[i].first);
		assert_string_equal(kit_incidents(k, "r2", "east"), cases[i].incidents);
		kit_minutes(k, "east", T0, cases[i].late);
		if (strcmp(kit_incidents(k, "r2", "east"), cases[i].after) != 0)
			print_error("case %zu %s\n", i, cases[i].first);
		assert_string_equal(kit_incidents(k, "r2", "east"), cases[i].after);
		clear(k);
	}
}

static void
joined_incidents_point_to_the_oldest_and_split_ones_keep_it(void **state)
{
	struct kit *k = *state;

	kit_threshold(k, "r2", 3);
	kit_minutes(k, "east", T0, "TTTFTTTF");
	kit_minutes(k, "east", T0, "   T");
	assert_int_equal(kit_int(k, "SELECT min(id) FROM incident"),
	    kit_int(k, "SELECT merged_into FROM incident WHERE state = 'merged'"));
	kit_minutes(k, "east", T0, "   F");
	assert_string_equal(kit_incidents(k, "r2", "east"), "[0,3) [4,7)");
	assert_int_equal(kit_int(k, "SELECT min(id) FROM incident"),
	    kit_int(k, "SELECT id FROM incident WHERE end_unix_ms - begin_unix_ms = 180000"
		       " AND state = 'resolved' ORDER BY begin_unix_ms LIMIT 1"));
	/* The merged one stays merged: people were told so. */
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident WHERE state = 'merged'"), 1);
}

static void
sites_and_rules_do_not_touch_each_other(void **state)
{
	struct kit *k = *state;
	struct define_rule *v;

	kit_threshold(k, "r2", 3);
	v = kit_threshold(k, "r3", 2);
	v->scope.n_sites = 1;
	(void)snprintf(v->scope.site[0], sizeof(v->scope.site[0]), "west");
	kit_minutes(k, "east", T0, "TTTF");
	kit_minutes(k, "west", T0, "TTFF");
	assert_string_equal(kit_incidents(k, "r2", "east"), "[0,3)");
	assert_string_equal(kit_incidents(k, "r2", "west"), "");
	assert_string_equal(kit_incidents(k, "r3", "west"), "[0,2)");
	assert_string_equal(kit_incidents(k, "r3", "east"), "");
}

/* ---- whatever the order ---- */

#define MINUTES 150 /* over two lines of time */

static void
make_history(struct shuffle *s, char *cells)
{
	char is = 'F';

	for (int i = 0; i < MINUTES; i++) {
		if (next(s, 4) == 0)
			is = "TTTFFU."[next(s, 7)];
		cells[i] = is;
	}
}

static size_t
make_arrivals(struct shuffle *s, const char *cells, struct kit_cell *out)
{
	size_t n = 0;

	/* Some come in half first, or as something else that is revised later. */
	for (int i = 0; i < MINUTES; i++) {
		const int64_t begin = at(i);

		if (next(s, 3) == 0)
			out[n++] = (struct kit_cell){ "east", begin, "pqTFU"[next(s, 5)] };
		out[n++] = (struct kit_cell){ "east", begin, cells[i] };
	}
	/* Shuffled, but the last word on a window stays the last. */
	for (size_t i = n; i-- > 1;) {
		const size_t j = next(s, i + 1);
		const struct kit_cell c = out[i];

		out[i] = out[j];
		out[j] = c;
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			if (out[i].begin == out[j].begin &&
			    out[i].is == cells[(out[i].begin - T0) / MINUTE]) {
				const struct kit_cell c = out[i];

				out[i] = out[j];
				out[j] = c;
			}
	return n;
}

static void
any_order_of_arrival_gives_the_same_runs_and_incidents(void **state)
{
	struct kit *k = *state;

	kit_threshold(k, "r2", 3);
	kit_threshold(k, "r3", 1);
	for (uint64_t seed = rounds(16, 200); seed > 0; seed--) {
		struct shuffle s = { seed };
		struct kit_cell arrivals[2 * MINUTES];
		char cells[MINUTES + 1] = "", *expected, *got;
		size_t n, i = 0;

		make_history(&s, cells);
		kit_minutes(k, "east", T0, cells);
		expected = kit_dump(k);
		clear(k);
		n = make_arrivals(&s, cells, arrivals);
		while (i < n) {
			size_t m = 1 + next(&s, next(&s, 2) == 0 ? 3 : 60);

			m = m < n - i ? m : n - i;
			assert_int_equal(kit_cells(k, arrivals + i, m), BL_OK);
			i += m;
		}
		got = kit_dump(k);
		if (strcmp(expected, got) != 0)
			print_error("seed %llu: %s\n", (unsigned long long)seed, cells);
		assert_string_equal(expected, got);
		free(expected);
		free(got);
		clear(k);
	}
}

static void
the_same_again_changes_nothing(void **state)
{
	struct kit *k = *state;
	char *before, *after;
	int64_t entries;

	kit_threshold(k, "r2", 2);
	kit_minutes(k, "east", T0, "FTTFFTTTUUTTF");
	before = kit_dump(k);
	entries = kit_int(k, "SELECT count(*) FROM incident_entry");
	kit_minutes(k, "east", T0, "FTTFFTTTUUTTF");
	after = kit_dump(k);
	assert_string_equal(before, after);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident_entry"), entries);
	free(before);
	free(after);
}

static void
cut_off_in_the_middle_nothing_is_left(void **state)
{
	struct kit *k = *state;
	const struct kit_cell c[] = { { "east", at(0), 'T' }, { "east", at(1), 'T' } };

	kit_threshold(k, "r2", 2);
	k->fail_found = true;
	assert_int_equal(kit_cells(k, c, 2), BL_EIO);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM rule_run"), 0);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident"), 0);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM kpi_cell"), 0);
	k->fail_found = false;
	assert_int_equal(kit_cells(k, c, 2), BL_OK);
	assert_string_equal(kit_incidents(k, "r2", "east"), "[0,-)");
}

static void
facts_say_why_in_numbers(void **state)
{
	struct kit *k = *state;

	kit_threshold(k, "r2", 2);
	kit_minutes(k, "east", T0, "TTUTF");
	assert_int_equal(
	    kit_int(k,
		"SELECT explanation = '{\"kind\":\"threshold\",\"kpi\":\"failures\","
		"\"kpi_name\":\"The failures\",\"unit\":\"%\",\"window\":\"1m\",\"op\":\">\","
		"\"threshold\":2,\"for\":2,\"worst\":6,\"windows\":["
		"{\"begin_unix_ms\":1764288000000,\"end_unix_ms\":1764288060000,\"value\":3,"
		"\"completeness\":1},"
		"{\"begin_unix_ms\":1764288060000,\"end_unix_ms\":1764288120000,\"value\":4,"
		"\"completeness\":1},"
		"{\"begin_unix_ms\":1764288180000,\"end_unix_ms\":1764288240000,\"value\":6,"
		"\"completeness\":1}],"
		"\"true_windows\":3,\"unknown_ms\":60000}' FROM incident"),
	    1);
}

static void
only_the_first_ten_windows_are_named(void **state)
{
	struct kit *k = *state;

	kit_threshold(k, "r2", 2);
	kit_minutes(k, "east", T0, "TTTUTTTTTTTTTTTF");
	assert_int_equal(
	    kit_int(k, "SELECT json_array_length(explanation, '$.windows') FROM incident"), 10);
	assert_int_equal(
	    kit_int(k, "SELECT json_extract(explanation, '$.true_windows') FROM incident"), 14);
}

/* ---- patience ---- */

static void
a_window_with_a_hole_is_waited_for(void **state)
{
	struct kit *k = *state;

	kit_threshold(k, "r2", 2);
	k->now = at(2); /* the second has just ended */
	kit_minutes(k, "east", T0, "pp");
	assert_string_equal(kit_incidents(k, "r2", "east"), "");
	assert_int_equal(kit_int(k, "SELECT count(*) FROM rule_run"), 0);
	k->now = at(3); /* two windows after the first one's end */
	assert_int_equal(kit_on_time(k, 100), BL_OK);
	assert_int_equal(kit_int(k, "SELECT sum(windows) FROM rule_run"), 1);
	k->now = at(4);
	assert_int_equal(kit_on_time(k, 100), BL_OK);
	assert_string_equal(kit_incidents(k, "r2", "east"), "[0,-)");
	/* Then the rest comes: it had been fine. */
	kit_minutes(k, "east", T0, "F");
	assert_string_equal(kit_incidents(k, "r2", "east"), "");
}

static void
patience_is_looked_at_in_bounded_pieces_and_none_is_left_out(void **state)
{
	struct kit *k = *state;
	int64_t before = 0, now;
	int calls = 0;

	kit_threshold(k, "r2", 2);
	k->now = at(0);
	for (int i = 0; i < 20; i++) { /* hours apart: each has runs of its own */
		kit_minutes(k, "east", at(60 * i), "p");
		kit_minutes(k, "west", at(60 * i), "p");
	}
	k->now = at(60 * 19 + 10);
	do {
		assert_int_equal(kit_on_time(k, 4), BL_OK);
		now = kit_int(k, "SELECT coalesce(sum(windows), 0) FROM rule_run");
		assert_true(now > before && now - before <= 5);
		before = now;
		calls++;
	} while (now < 40);
	assert_true(calls >= 8);
}

static void
more_intervals_than_one_finding_holds_are_all_told(void **state)
{
	struct kit *k = *state;
	char cells[201];

	kit_threshold(k, "r2", 1);
	for (int i = 0; i < 200; i++)
		cells[i] = "TF"[i % 2];
	cells[200] = '\0';
	kit_minutes(k, "east", T0, cells);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident WHERE state = 'resolved'"), 100);
	kit_minutes(k, "east", T0, cells);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident"), 100);
}

static void
too_little_of_a_window_says_nothing(void **state)
{
	struct kit *k = *state;
	struct define_rule *v = kit_threshold(k, "r2", 1);

	v->completeness = 0.9;
	kit_minutes(k, "east", T0, "ppp");
	assert_int_equal(kit_on_time(k, 100), BL_OK);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM rule_run"), 0);
}

/* The centre's clock was far ahead and was set right. */
static void
patience_goes_on_when_the_clock_was_ahead(void **state)
{
	struct kit *k = *state;

	kit_threshold(k, "r2", 2);
	k->now = at(100000);
	assert_int_equal(kit_on_time(k, 100), BL_OK);
	k->now = at(2);
	kit_minutes(k, "east", T0, "pp");
	assert_int_equal(kit_on_time(k, 100), BL_OK);
	k->now = at(4);
	assert_int_equal(kit_on_time(k, 100), BL_OK);
	assert_string_equal(kit_incidents(k, "r2", "east"), "[0,-)");
}

static int
count_thousands(void *ctx)
{
	++*(unsigned *)ctx;
	return 0;
}

static int
look_and_count(struct kit *k, void *ctx, struct bl_err *err)
{
	int rc;

	sqlite3_progress_handler(k->env.db, 1000, count_thousands, ctx);
	rc = rule_on_time(&k->env, 100, err);
	sqlite3_progress_handler(k->env.db, 0, NULL, NULL);
	return rc;
}

/* Once a second, whatever lies in the past. */
static void
a_look_at_patience_does_not_walk_through_the_past(void **state)
{
	struct kit *k = *state;
	unsigned thousands = 0;

	kit_threshold(k, "r2", 2);
	kit_sql(k,
	    "WITH RECURSIVE i (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < 20000)"
	    " INSERT INTO kpi_cell (kpi, window, site, begin_unix_ms, end_unix_ms, version,"
	    " value, n, completeness, ready, state, revisions, known_unix_ms)"
	    " SELECT 'failures', 1, 'east', 60000 * n, 60000 * n + 60000, 1, 1, 1, 1, 1, 1, 0,"
	    " 0 FROM i");
	k->now = at(10);
	assert_int_equal(kit_write(k, look_and_count, &thousands), BL_OK);
	assert_true(thousands < 10);
}

/* ---- versions ---- */

static void
switched_off_an_incident_ends_there_and_nothing_follows(void **state)
{
	struct kit *k = *state;
	struct define_rule *v = kit_threshold(k, "r2", 2);

	kit_minutes(k, "east", T0, "TTTTTTTT");
	kit_new_version(k, v, at(5))->head.enabled = false;
	(void)kit_redo(k, "r2", at(5));
	assert_string_equal(kit_incidents(k, "r2", "east"), "[0,5)");
	kit_minutes(k, "east", at(8), "TTTT");
	assert_string_equal(kit_incidents(k, "r2", "east"), "[0,5)");
	assert_int_equal(kit_int(k, "SELECT max(end_unix_ms) FROM rule_run"), at(5));
}

static void
runs_beyond_a_line_go_too_when_a_version_is_cut_short(void **state)
{
	struct kit *k = *state;
	struct define_rule *v = kit_threshold(k, "r2", 2);

	kit_minutes(k, "east", at(50), "TTTTTTTTTTTTTTTTTTTT"); /* over the line at 60 */
	kit_new_version(k, v, at(55))->head.enabled = false;
	(void)kit_redo(k, "r2", at(55));
	assert_string_equal(kit_incidents(k, "r2", "east"), "[50,55)");
	assert_int_equal(kit_int(k, "SELECT max(end_unix_ms) FROM rule_run"), at(55));
}

static void
a_new_version_counts_from_its_instant(void **state)
{
	struct kit *k = *state;
	struct define_rule *v = kit_threshold(k, "r2", 2);

	kit_minutes(k, "east", T0, "TTTTTTTTF");
	kit_new_version(k, v, at(5))->for_windows = 4;
	(void)kit_redo(k, "r2", at(5));
	assert_string_equal(kit_incidents(k, "r2", "east"), "[0,5)");
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident WHERE state = 'withdrawn'"), 0);
}

static void
a_cell_that_comes_before_the_new_version_is_worked_out_does_no_harm(void **state)
{
	struct kit *k = *state;
	struct define_rule *v = kit_threshold(k, "r2", 2);

	kit_minutes(k, "east", T0, "TTTTT");
	(void)kit_new_version(k, v, at(5));
	kit_minutes(k, "east", at(5), "TTT");
	assert_string_equal(kit_incidents(k, "r2", "east"), "[0,5) [5,-)");
	(void)kit_redo(k, "r2", at(5));
	assert_string_equal(kit_incidents(k, "r2", "east"), "[0,5) [5,-)");
	assert_int_equal(kit_int(k, "SELECT min(id) FROM incident"),
	    kit_int(k, "SELECT id FROM incident WHERE end_unix_ms IS NOT NULL"));
}

static void
a_rule_made_for_the_past_equals_one_that_was_there(void **state)
{
	struct kit *k = *state;
	struct define_rule *v = kit_threshold(k, "r2", 3);
	struct shuffle s = { 7 };
	char cells[MINUTES + 1] = "", *expected, *got;
	size_t rules = k->set.n_rules;
	int slices;

	make_history(&s, cells);
	kit_minutes(k, "east", T0, cells);
	kit_minutes(k, "west", at(4000), cells);
	expected = kit_dump(k);
	clear(k);
	k->set.n_rules = 0;
	kit_minutes(k, "east", T0, cells);
	kit_minutes(k, "west", at(4000), cells);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM rule_run"), 0);
	k->set.n_rules = rules;
	slices = kit_redo(k, "r2", v->head.from_unix_ms);
	assert_true(slices >= 4); /* more than one for each site */
	got = kit_dump(k);
	assert_string_equal(expected, got);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM rule_place"), 0);
	free(expected);
	free(got);
}

static void
a_window_over_the_end_of_a_version_ends_with_it(void **state)
{
	struct kit *k = *state;
	struct define_rule *v = kit_threshold(k, "r2", 2);

	kit_minutes(k, "east", T0, "TTTTTT");
	kit_new_version(k, v, at(4) + 20000)->head.enabled = false;
	(void)kit_redo(k, "r2", at(4) + 20000);
	assert_string_equal(kit_incidents(k, "r2", "east"), "[0,4.33333)");
	assert_int_equal(kit_int(k, "SELECT last_true_unix_ms FROM incident"), at(4) + 20000);
}

/* ---- runs, read ---- */

struct runs {
	char text[512];
	size_t len;
};

static bool
take_run(void *ctx, const struct rule_run_row *r)
{
	struct runs *l = ctx;

	l->len += (size_t)snprintf(l->text + l->len, sizeof(l->text) - l->len, "%s%c%lld+%lld",
	    l->len > 0 ? " " : "", "FTU"[r->outcome], (long long)((r->begin_unix_ms - T0) / MINUTE),
	    (long long)r -> windows);
	return true;
}

static void
runs_are_shown_whole(void **state)
{
	struct kit *k = *state;
	struct runs all = { .len = 0 }, some = { .len = 0 };
	struct bl_err err = { 0 };
	char cells[101];
	struct sqlite3 *db;

	kit_threshold(k, "r2", 3);
	memset(cells, 'F', 100);
	cells[100] = '\0';
	memcpy(cells + 57, "TTTTTT", 6); /* over the line at 60 */
	cells[80] = '.';
	kit_minutes(k, "east", T0, cells);
	assert_int_equal(control_read_begin(k->c, &db, &err), BL_OK);
	assert_int_equal(
	    rule_runs(db, "r2", "east", T0, at(1000), 100, take_run, &all, &err), BL_OK);
	assert_string_equal(all.text, "F0+57 T57+6 F63+17 F81+19");
	assert_int_equal(
	    rule_runs(db, "r2", "east", at(59), at(70), 2, take_run, &some, &err), BL_OK);
	assert_string_equal(some.text, "T57+6 F63+17");
	control_read_end(k->c, db);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
	const struct CMUnitTest tests[] = {
		TEST(sections_between_false_windows_hold_one_incident_each),
		TEST(what_comes_late_opens_closes_joins_splits_and_withdraws),
		TEST(joined_incidents_point_to_the_oldest_and_split_ones_keep_it),
		TEST(sites_and_rules_do_not_touch_each_other),
		TEST(any_order_of_arrival_gives_the_same_runs_and_incidents),
		TEST(the_same_again_changes_nothing),
		TEST(cut_off_in_the_middle_nothing_is_left),
		TEST(facts_say_why_in_numbers),
		TEST(only_the_first_ten_windows_are_named),
		TEST(a_window_with_a_hole_is_waited_for),
		TEST(patience_is_looked_at_in_bounded_pieces_and_none_is_left_out),
		TEST(patience_goes_on_when_the_clock_was_ahead),
		TEST(a_look_at_patience_does_not_walk_through_the_past),
		TEST(too_little_of_a_window_says_nothing),
		TEST(more_intervals_than_one_finding_holds_are_all_told),
		TEST(a_window_over_the_end_of_a_version_ends_with_it),
		TEST(switched_off_an_incident_ends_there_and_nothing_follows),
		TEST(runs_beyond_a_line_go_too_when_a_version_is_cut_short),
		TEST(a_new_version_counts_from_its_instant),
		TEST(a_cell_that_comes_before_the_new_version_is_worked_out_does_no_harm),
		TEST(a_rule_made_for_the_past_equals_one_that_was_there),
		TEST(runs_are_shown_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
