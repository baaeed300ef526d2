/* Incidents: matched, amended, merged, withdrawn; what people did stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rule_kit.h"

static const struct control_actor alice = { "alice", "192.0.2.1" };

static int
setup(void **state)
{
	const int rc = kit_setup(state);

	kit_sql(*state, "INSERT INTO user (name, display_name, role, language, disabled,"
			" password_hash, created_unix_ms, version) VALUES"
			" ('alice', 'Alice', 'operator', 'en', 0, 'x', 0, 1),"
			" ('bob', 'Bob', 'operator', 'en', 1, 'x', 0, 1)");
	(void)kit_threshold(*state, "r2", 3);
	return rc;
}

/* ---- the evaluator's side ---- */

struct finding {
	struct bl_interval at[4];
	size_t n;
	int64_t begin, end;
};

static int
reconcile(struct kit *k, void *ctx, struct bl_err *err)
{
	const struct finding *g = ctx;
	struct rule_finding f = { .rule = &k->rule[0],
		.site = "east",
		.subject = "east",
		.begin_unix_ms = g->begin,
		.end_unix_ms = g->end,
		.n = g->n };

	for (size_t i = 0; i < g->n; i++) {
		f.at[i] = g->at[i];
		f.facts[i] = "{\"kind\":\"threshold\"}";
	}
	return incident_reconcile(k->env.db, &f, k->now, err);
}

/* Minutes: pairs of begin and end (-1: open), ended by a negative begin. */
static void
find(struct kit *k, const int *pairs)
{
	struct finding f = { .begin = T0, .end = INT64_MAX };

	for (; pairs[0] >= 0; pairs += 2) {
		const int64_t begin = T0 + pairs[0] * MINUTE, end = T0 + pairs[1] * MINUTE;

		f.at[f.n++] = (struct bl_interval){ begin, pairs[1] < 0 ? BL_RULE_OPEN : end,
			pairs[1] < 0 ? begin + MINUTE : end };
	}
	assert_int_equal(kit_write(k, reconcile, &f), BL_OK);
}

static bool
take_entry(void *ctx, const struct incident_entry *e)
{
	char *out = ctx;
	const size_t len = strlen(out);

	(void)snprintf(out + len, 512 - len, "%s%s:%s", len > 0 ? " " : "", e->kind, e->actor);
	return true;
}

static const char *
entries(struct kit *k, int64_t id)
{
	static char out[512];
	struct bl_err err = { 0 };
	struct sqlite3 *db;

	out[0] = '\0';
	assert_int_equal(control_read_begin(k->c, &db, &err), BL_OK);
	assert_int_equal(incident_entries(db, id, take_entry, out, &err), BL_OK);
	control_read_end(k->c, db);
	return out;
}

struct seen {
	enum incident_state state;
	char assignee[64];
	int64_t version, merged_into;
	enum incident_notice notice;
};

static bool
take_incident(void *ctx, const struct incident *i)
{
	struct seen *s = ctx;

	s->state = i->state;
	s->version = i->version;
	s->merged_into = i->merged_into;
	s->notice = i->notice;
	(void)snprintf(s->assignee, sizeof(s->assignee), "%s", i->assignee);
	return true;
}

static struct seen
see(struct kit *k, int64_t id)
{
	struct bl_err err = { 0 };
	struct sqlite3 *db;
	struct seen s;

	assert_int_equal(control_read_begin(k->c, &db, &err), BL_OK);
	assert_int_equal(incident_get(db, id, take_incident, &s, &err), BL_OK);
	control_read_end(k->c, db);
	return s;
}

static void
each_change_leaves_an_entry(void **state)
{
	struct kit *k = *state;

	find(k, (const int[]){ 3, -1, -1 });
	assert_int_equal(see(k, 1).state, INCIDENT_STATE_OPEN);
	find(k, (const int[]){ 2, -1, -1 });
	find(k, (const int[]){ 2, 9, -1 });
	assert_int_equal(see(k, 1).state, INCIDENT_RESOLVED);
	find(k, (const int[]){ 2, 8, -1 });
	find(k, (const int[]){ 2, -1, -1 });
	assert_int_equal(see(k, 1).state, INCIDENT_STATE_OPEN);
	find(k, (const int[]){ -1 });
	assert_int_equal(see(k, 1).state, INCIDENT_WITHDRAWN);
	assert_string_equal(entries(k, 1),
	    "opened:system amended:system ended:system amended:system amended:system"
	    " reopened:system withdrawn:system");
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident"), 1);
	assert_int_equal(
	    kit_int(k, "SELECT detail = '{\"before\":{\"begin_unix_ms\":1764288180000,"
		       "\"end_unix_ms\":null},\"after\":{\"begin_unix_ms\":1764288120000,"
		       "\"end_unix_ms\":null}}' FROM incident_entry WHERE n = 2"),
	    1);
}

static void
an_incident_known_when_it_is_over_is_resolved_at_once(void **state)
{
	struct kit *k = *state;

	find(k, (const int[]){ 3, 6, -1 });
	assert_int_equal(see(k, 1).state, INCIDENT_RESOLVED);
	assert_string_equal(entries(k, 1), "opened:system ended:system");
}

static void
the_same_finding_again_changes_nothing(void **state)
{
	struct kit *k = *state;

	find(k, (const int[]){ 3, 6, 8, -1, -1 });
	find(k, (const int[]){ 3, 6, 8, -1, -1 });
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident"), 2);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident_entry"), 3);
	assert_int_equal(kit_int(k, "SELECT max(version) FROM incident"), 1);
}

static void
what_lies_outside_the_stretch_is_left_alone(void **state)
{
	struct kit *k = *state;
	struct finding f = { .begin = T0 + 6 * MINUTE, .end = T0 + 20 * MINUTE };

	find(k, (const int[]){ 3, 6, 8, 10, 20, -1, -1 });
	assert_int_equal(kit_write(k, reconcile, &f), BL_OK); /* nothing in [6,20) */
	assert_string_equal(kit_incidents(k, "r2", "east"), "[3,6) [20,-)");
}

static void
merging_keeps_the_oldest_and_what_people_did(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };

	find(k, (const int[]){ 3, 6, 8, -1, -1 });
	assert_int_equal(incident_acknowledge(k->c, &alice, 2, 0, &err), INCIDENT_DONE);
	assert_int_equal(incident_assign(k->c, &alice, 2, 0, "alice", &err), INCIDENT_DONE);
	assert_int_equal(incident_comment(k->c, &alice, 2, "looking", &err), INCIDENT_DONE);
	kit_sql(k, "UPDATE incident SET notice = 1 WHERE id = 2");
	find(k, (const int[]){ 3, -1, -1 });
	assert_int_equal(see(k, 2).state, INCIDENT_MERGED);
	assert_int_equal(see(k, 2).merged_into, 1);
	assert_string_equal(entries(k, 2), "opened:system acknowledged:alice assigned:alice"
					   " commented:alice merged:system");
	assert_int_equal(see(k, 1).state, INCIDENT_ACKNOWLEDGED);
	assert_string_equal(see(k, 1).assignee, "alice");
	assert_int_equal(see(k, 1).notice, INCIDENT_PAGED); /* told already, as 2 */
	assert_string_equal(kit_incidents(k, "r2", "east"), "[3,-)");
	/* Ended together, it is resolved. */
	find(k, (const int[]){ 3, 20, -1 });
	assert_int_equal(see(k, 1).state, INCIDENT_RESOLVED);
}

static void
joined_and_ended_at_once_it_is_resolved(void **state)
{
	struct kit *k = *state;

	find(k, (const int[]){ 3, 6, 8, -1, -1 });
	find(k, (const int[]){ 3, 20, -1 });
	assert_int_equal(see(k, 1).state, INCIDENT_RESOLVED);
	assert_string_equal(kit_incidents(k, "r2", "east"), "[3,20)");
}

static void
what_a_person_resolved_stays_resolved(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };

	find(k, (const int[]){ 3, -1, -1 });
	assert_int_equal(incident_resolve(k->c, &alice, 1, 1, "known", &err), INCIDENT_DONE);
	assert_int_equal(see(k, 1).state, INCIDENT_RESOLVED);
	find(k, (const int[]){ 2, -1, -1 });
	find(k, (const int[]){ 2, 9, -1 });
	find(k, (const int[]){ 2, -1, -1 });
	assert_int_equal(see(k, 1).state, INCIDENT_RESOLVED);
	assert_string_equal(entries(k, 1),
	    "opened:system resolved:alice amended:system ended:system"
	    " amended:system");
}

static void
reopened_it_is_acknowledged_still(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };

	find(k, (const int[]){ 3, -1, -1 });
	assert_int_equal(incident_acknowledge(k->c, &alice, 1, 0, &err), INCIDENT_DONE);
	find(k, (const int[]){ 3, 9, -1 });
	find(k, (const int[]){ 3, -1, -1 });
	assert_int_equal(see(k, 1).state, INCIDENT_ACKNOWLEDGED);
}

static void
news_alone_makes_no_version(void **state)
{
	struct kit *k = *state;
	struct finding f = { .begin = T0, .end = INT64_MAX, .n = 1 };

	find(k, (const int[]){ 3, -1, -1 });
	f.at[0] = (struct bl_interval){ T0 + 3 * MINUTE, BL_RULE_OPEN, T0 + 99 * MINUTE };
	assert_int_equal(kit_write(k, reconcile, &f), BL_OK);
	assert_int_equal(kit_int(k, "SELECT last_true_unix_ms FROM incident"), T0 + 99 * MINUTE);
	assert_int_equal(see(k, 1).version, 1);
}

/* ---- people's side ---- */

static void
people_are_answered_in_words_that_fit(void **state)
{
	struct kit *k = *state;
	char *longest = malloc(INCIDENT_COMMENT_MAX + 2);
	struct bl_err err = { 0 };

	assert_non_null(longest);
	memset(longest, 'x', INCIDENT_COMMENT_MAX + 1);
	longest[INCIDENT_COMMENT_MAX + 1] = '\0';
	find(k, (const int[]){ 3, -1, -1 });
	assert_int_equal(incident_acknowledge(k->c, &alice, 9, 0, &err), INCIDENT_NONE);
	assert_int_equal(incident_acknowledge(k->c, &alice, 1, 7, &err), INCIDENT_STALE);
	assert_int_equal(incident_assign(k->c, &alice, 1, 1, "carol", &err), INCIDENT_NOBODY);
	assert_int_equal(incident_assign(k->c, &alice, 1, 1, "bob", &err), INCIDENT_NOBODY);
	assert_int_equal(incident_assign(k->c, &alice, 1, 1, "alice", &err), INCIDENT_DONE);
	assert_int_equal(incident_assign(k->c, &alice, 1, 2, "", &err), INCIDENT_DONE);
	assert_string_equal(see(k, 1).assignee, "");
	assert_int_equal(incident_comment(k->c, &alice, 1, longest, &err), BL_EINVAL);
	longest[INCIDENT_COMMENT_MAX] = '\0';
	assert_int_equal(incident_comment(k->c, &alice, 1, longest, &err), INCIDENT_DONE);
	kit_sql(k,
	    "WITH RECURSIVE c(n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM c WHERE n < 1100)"
	    " INSERT INTO incident_entry SELECT 1, n, 0, 'alice', 'commented', '{}' FROM c");
	assert_int_equal(incident_comment(k->c, &alice, 1, "one more", &err), INCIDENT_FULL);
	find(k, (const int[]){ -1 });
	assert_int_equal(incident_acknowledge(k->c, &alice, 1, 0, &err), INCIDENT_ENDED);
	free(longest);
}

static void
what_people_do_stands_in_the_audit_log_without_their_words(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };

	find(k, (const int[]){ 3, -1, -1 });
	assert_int_equal(incident_resolve(k->c, &alice, 1, 0, "the cable", &err), INCIDENT_DONE);
	assert_int_equal(
	    kit_int(k,
		"SELECT count(*) FROM audit WHERE actor = 'alice'"
		" AND action = 'incident.resolve' AND subject = 'incident/1'"
		" AND before = '{\"state\":\"open\",\"assignee\":null}'"
		" AND after = '{\"state\":\"resolved\",\"assignee\":null,\"comment\":true}'"),
	    1);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM incident_entry"
				    " WHERE detail = '{\"text\":\"the cable\"}'"),
	    1);
}

/* ---- lists ---- */

static bool
take_id(void *ctx, const struct incident *i)
{
	char *out = ctx;
	const size_t len = strlen(out);

	(void)snprintf(out + len, 64 - len, "%s%lld", len > 0 ? " " : "", (long long)i->id);
	return true;
}

static void
lists_are_filtered_and_paged(void **state)
{
	static const struct {
		struct incident_filter f;
		const char *ids;
	} cases[] = {
		{ { .limit = 10 }, "4 3 2 1" },
		{ { .limit = 2 }, "4 3" },
		{ { .limit = 2, .before_id = 3 }, "2 1" },
		{ { .site = "west" }, "" },
		{ { .site = "east", .rule = "r2", .subject = "east" }, "4 3 2 1" },
		{ { .states = 1u << INCIDENT_RESOLVED }, "3 1" },
		{ { .states = 1u << INCIDENT_STATE_OPEN | 1u << INCIDENT_ACKNOWLEDGED }, "4" },
		{ { .states = 1u << INCIDENT_WITHDRAWN }, "2" },
		{ { .ongoing_only = true }, "4" },
		{ { .from_unix_ms = T0 + 6 * MINUTE, .to_unix_ms = T0 + 12 * MINUTE }, "2" },
		{ { .from_unix_ms = T0 + 12 * MINUTE }, "4 3" },
		{ { .assignee = "alice" }, "4" },
		{ { .assignee = "" }, "3 2 1" },
	};
	struct kit *k = *state;
	struct bl_err err = { 0 };
	unsigned live[3];
	struct sqlite3 *db;

	find(k, (const int[]){ 3, 6, 8, 10, 12, 15, 20, -1, -1 });
	find(k, (const int[]){ 3, 6, 12, 15, 20, -1, -1 });
	assert_int_equal(incident_assign(k->c, &alice, 4, 0, "alice", &err), INCIDENT_DONE);
	assert_int_equal(control_read_begin(k->c, &db, &err), BL_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char ids[64] = "";

		assert_int_equal(incident_each(db, &cases[i].f, take_id, ids, &err), BL_OK);
		if (strcmp(ids, cases[i].ids) != 0)
			print_error("case %zu: %s\n", i, ids);
		assert_string_equal(ids, cases[i].ids);
	}
	assert_int_equal(incident_live_count(db, "east", live, &err), BL_OK);
	assert_int_equal(live[DEFINE_CRITICAL], 1);
	assert_int_equal(live[DEFINE_WARNING] + live[DEFINE_INFO], 0);
	assert_int_equal(incident_get(db, 99, take_id, NULL, &err), BL_ENOTFOUND);
	control_read_end(k->c, db);
}

/* ---- the many others ---- */

static int
count_work(void *ctx)
{
	(*(int64_t *)ctx)++;
	return 0;
}

/* How much SQLite did for a finding about a subject that has no incident. */
static int
work_of_a_finding(struct kit *k, void *ctx, struct bl_err *err)
{
	struct rule_finding f = { .rule = &k->rule[0],
		.site = "east",
		.subject = "order/new",
		.begin_unix_ms = INT64_MIN,
		.end_unix_ms = INT64_MAX };
	int rc;

	sqlite3_progress_handler(k->env.db, 10, count_work, ctx);
	rc = incident_reconcile(k->env.db, &f, k->now, err);
	sqlite3_progress_handler(k->env.db, 0, NULL, NULL);
	return rc;
}

/* Thousands of late cases at a site: each is told of by its own subject, not looked for among all.
 */
static void
a_finding_costs_the_same_however_many_incidents_its_site_has(void **state)
{
	struct kit *k = *state;
	int64_t alone = 0, among_many = 0;

	assert_int_equal(kit_write(k, work_of_a_finding, &alone), BL_OK);
	kit_sql(k,
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
	    " INSERT INTO incident SELECT NULL, 'r2', 1, 'east', 'order/' || i, 'warning', i, NULL,"
	    " i, i, 'open', '', NULL, 1, '{}', i, 1 FROM n");
	assert_int_equal(kit_write(k, work_of_a_finding, &among_many), BL_OK);
	assert_true(among_many <= alone + 10);
}

static void
every_state_has_a_name(void **state)
{
	enum incident_state back;

	(void)state;
	for (int s = INCIDENT_STATE_OPEN; s <= INCIDENT_MERGED; s++) {
		assert_true(
		    incident_state_parse(incident_state_name((enum incident_state)s), &back));
		assert_int_equal(back, s);
	}
	assert_false(incident_state_parse("closed", &back));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, kit_teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_change_leaves_an_entry),
		TEST(an_incident_known_when_it_is_over_is_resolved_at_once),
		TEST(the_same_finding_again_changes_nothing),
		TEST(what_lies_outside_the_stretch_is_left_alone),
		TEST(merging_keeps_the_oldest_and_what_people_did),
		TEST(joined_and_ended_at_once_it_is_resolved),
		TEST(what_a_person_resolved_stays_resolved),
		TEST(reopened_it_is_acknowledged_still),
		TEST(news_alone_makes_no_version),
		TEST(people_are_answered_in_words_that_fit),
		TEST(what_people_do_stands_in_the_audit_log_without_their_words),
		TEST(lists_are_filtered_and_paged),
		TEST(a_finding_costs_the_same_however_many_incidents_its_site_has),
		TEST(every_state_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
