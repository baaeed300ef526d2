/* Age decides: what holds pages at once, what is over stands in one digest, nobody is told twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rule_kit.h"

static int
setup(void **state)
{
	const int rc = kit_setup(state);

	(void)kit_threshold(*state, "r2", 3);
	return rc;
}

static void
notice(struct kit *k)
{
	assert_int_equal(kit_notice(k, false, 100), BL_OK);
}

/* One incident a subject; minutes before now. */
struct told {
	const char *subject;
	int64_t begin, end, last_true; /* end -1: open */
};

static int
reconcile(struct kit *k, void *ctx, struct bl_err *err)
{
	const struct told *t = ctx;
	struct rule_finding f = { .rule = &k->rule[0],
		.site = "east",
		.subject = t->subject,
		.begin_unix_ms = INT64_MIN,
		.end_unix_ms = INT64_MAX,
		.n = t->begin >= 0 ? 1 : 0 };

	f.at[0] = (struct bl_interval){ k->now - t->begin * MINUTE,
		t->end < 0 ? BL_RULE_OPEN : k->now - t->end * MINUTE,
		k->now - t->last_true * MINUTE };
	f.facts[0] = "{\"kind\":\"threshold\"}";
	return incident_reconcile(k->env.db, &f, k->now, err);
}

static void
find(struct kit *k, const char *subject, int64_t begin, int64_t end, int64_t last_true)
{
	struct told t = { subject, begin, end, last_true };

	assert_int_equal(kit_write(k, reconcile, &t), BL_OK);
}

static int64_t
messages(struct kit *k, const char *kind)
{
	char sql[96];

	(void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM outbox WHERE kind = '%s'", kind);
	return kit_int(k, sql);
}

static void
age_decides(void **state)
{
	static const struct {
		int64_t begin, end, last_true;
		enum incident_notice notice;
		int pages;
	} cases[] = {
		{ 5, -1, 0, INCIDENT_PAGED, 1 },
		{ 300, -1, 10, INCIDENT_PAGED, 1 },
		{ 300, -1, 11, INCIDENT_UNDECIDED, 0 },
		{ 9, 1, 1, INCIDENT_IN_DIGEST, 0 },
		{ 900, 800, 800, INCIDENT_IN_DIGEST, 0 },
	};
	struct kit *k = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		find(k, "east", cases[i].begin, cases[i].end, cases[i].last_true);
		notice(k);
		assert_int_equal(kit_int(k, "SELECT notice FROM incident"), cases[i].notice);
		assert_int_equal(messages(k, "page"), cases[i].pages);
		kit_sql(k, "DELETE FROM outbox");
		kit_sql(k, "DELETE FROM digest_item");
		kit_sql(k, "DELETE FROM notice_due");
		kit_sql(k, "DELETE FROM incident_entry");
		kit_sql(k, "DELETE FROM incident");
	}
}

static void
after_a_backlog_what_holds_pages_and_the_rest_is_one_digest(void **state)
{
	struct kit *k = *state;
	char subject[16];

	for (int i = 0; i < 52; i++) {
		(void)snprintf(subject, sizeof(subject), "s%d", i);
		if (i % 26 == 7)
			find(k, subject, 200, -1, 1);
		else
			find(k, subject, 500 - i, 100 + i, 100 + i);
		assert_int_equal(kit_notice(k, false, 5), BL_OK);
	}
	for (int i = 0; i < 20; i++)
		assert_int_equal(kit_notice(k, false, 5), BL_OK);
	assert_int_equal(messages(k, "page"), 2);
	assert_int_equal(messages(k, "digest"), 0); /* more may come */
	k->now += 3 * MINUTE;
	for (int i = 0; i < 20; i++)
		assert_int_equal(kit_notice(k, false, 5), BL_OK);
	assert_int_equal(messages(k, "page"), 2);
	assert_int_equal(messages(k, "digest"), 1);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM outbox"), 3);
	assert_int_equal(kit_int(k, "SELECT json_array_length(facts, '$.incidents') FROM outbox"
				    " WHERE kind = 'digest'"),
	    50);
	assert_int_equal(
	    kit_int(k, "SELECT json_extract(facts, '$.total') FROM outbox WHERE kind = 'digest'"),
	    50);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM digest_item"), 0);
	assert_int_equal(
	    kit_int(k, "SELECT count(*) FROM incident_entry WHERE kind = 'digested'"), 50);
	/* Their end is news for those who were paged, and for them alone. */
	find(k, "s7", 203, 0, 0);
	find(k, "s33", 203, 0, 0);
	notice(k);
	assert_int_equal(messages(k, "ended"), 2);
	assert_int_equal(messages(k, "page"), 2);
}

static void
those_that_wait_do_not_hold_up_the_others(void **state)
{
	struct kit *k = *state;
	char subject[16];

	for (int i = 0; i < 10; i++) {
		(void)snprintf(subject, sizeof(subject), "s%d", i);
		find(k, subject, 300, -1, 290);
	}
	find(k, "now", 5, -1, 0);
	assert_int_equal(kit_notice(k, false, 3), BL_OK);
	assert_int_equal(messages(k, "page"), 1);
}

static void
a_digest_waits_while_the_past_comes_in_but_not_for_ever(void **state)
{
	struct kit *k = *state;

	find(k, "east", 300, 200, 200);
	notice(k);
	kit_sql(k, "INSERT INTO eval_dirty (device, stream, begin_unix_ms, end_unix_ms, priority)"
		   " VALUES ('d1', 1, 0, 1, 1)");
	k->now += 30 * MINUTE;
	notice(k);
	assert_int_equal(messages(k, "digest"), 0);
	/* Another site's past is no reason. */
	kit_sql(k, "UPDATE eval_dirty SET device = 'd2'");
	kit_sql(k, "UPDATE digest_item SET added_unix_ms = added_unix_ms + 1740000");
	notice(k);
	assert_int_equal(messages(k, "digest"), 0); /* a minute ago: more may come */
	kit_sql(k, "UPDATE eval_dirty SET device = 'd1'");
	k->now += 59 * MINUTE;
	notice(k);
	assert_int_equal(messages(k, "digest"), 1);
}

static void
open_without_news_becomes_history_and_pages_when_it_holds_after_all(void **state)
{
	struct kit *k = *state;

	find(k, "east", 300, -1, 290);
	notice(k);
	assert_int_equal(kit_int(k, "SELECT notice FROM incident"), INCIDENT_UNDECIDED);
	k->now += 361 * MINUTE;
	notice(k);
	assert_int_equal(kit_int(k, "SELECT notice FROM incident"), INCIDENT_IN_DIGEST);
	k->now += 3 * MINUTE;
	notice(k);
	assert_int_equal(messages(k, "digest"), 1);
	find(k, "east", 300 + 364, -1, 0);
	notice(k);
	assert_int_equal(messages(k, "page"), 1);
	assert_int_equal(kit_int(k, "SELECT notice FROM incident"), INCIDENT_PAGED);
}

static void
paged_in_the_meantime_it_does_not_stand_in_the_digest(void **state)
{
	struct kit *k = *state;

	find(k, "east", 300, 100, 100);
	notice(k);
	find(k, "east", 300, -1, 0); /* it holds after all */
	notice(k);
	k->now += 3 * MINUTE;
	notice(k);
	assert_int_equal(messages(k, "page"), 1);
	assert_int_equal(messages(k, "digest"), 0);
}

static void
an_end_is_told_once_and_a_return_is_told_again(void **state)
{
	struct kit *k = *state;

	find(k, "east", 30, -1, 0);
	notice(k);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM outbox WHERE key = 'page/1/mail'"), 1);
	find(k, "east", 30, 5, 5);
	notice(k);
	find(k, "east", 30, 4, 4); /* the end moved */
	notice(k);
	assert_int_equal(messages(k, "ended"), 1);
	k->now += MINUTE;
	find(k, "east", 31, -1, 0);
	notice(k);
	assert_int_equal(messages(k, "page"), 2);
	find(k, "east", 31, 0, 0);
	notice(k);
	assert_int_equal(messages(k, "ended"), 2);
	assert_int_equal(messages(k, "page"), 2);
}

static void
a_return_before_the_end_was_told_is_no_news(void **state)
{
	struct kit *k = *state;

	k->rule[0].tell_end = false;
	find(k, "east", 30, -1, 0);
	notice(k);
	find(k, "east", 30, 5, 5);
	notice(k);
	find(k, "east", 30, -1, 0);
	notice(k);
	assert_int_equal(messages(k, "page"), 1);
	assert_int_equal(messages(k, "ended"), 0);
}

static void
what_was_paged_wrongly_is_taken_back(void **state)
{
	struct kit *k = *state;

	find(k, "east", 30, -1, 0);
	find(k, "other", 30, 20, 20);
	notice(k);
	find(k, "east", -1, 0, 0);
	find(k, "other", -1, 0, 0);
	notice(k);
	k->now += 3 * MINUTE;
	notice(k);
	assert_int_equal(messages(k, "withdrawn"), 1);
	assert_int_equal(messages(k, "digest"), 0); /* nothing of it is left */
	assert_int_equal(kit_int(k, "SELECT count(*) FROM digest_item"), 0);
}

static void
withdrawn_before_anybody_was_told_nobody_is(void **state)
{
	struct kit *k = *state;

	find(k, "east", 30, -1, 0);
	find(k, "east", -1, 0, 0);
	notice(k);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM outbox"), 0);
	assert_int_equal(kit_int(k, "SELECT notice FROM incident"), INCIDENT_NOT_TOLD);
}

static void
after_a_restore_only_one_digest_follows(void **state)
{
	struct kit *k = *state;

	find(k, "a", 30, -1, 0);
	find(k, "b", 300, -1, 290);
	find(k, "c", 300, 200, 200);
	for (int i = 0; i < 3; i++)
		assert_int_equal(kit_notice(k, true, 100), BL_OK);
	k->now += 3 * MINUTE;
	assert_int_equal(kit_notice(k, true, 100), BL_OK);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM outbox"), 0);
	notice(k);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM outbox"), 1);
	assert_int_equal(
	    kit_int(k, "SELECT json_array_length(facts, '$.incidents') FROM outbox"), 3);
}

static void
channels_that_are_off_or_gone_are_not_written_to(void **state)
{
	struct kit *k = *state;

	k->rule[0].n_channels = 3;
	(void)snprintf(k->rule[0].channel[1], sizeof(k->rule[0].channel[1]), "ops");
	(void)snprintf(k->rule[0].channel[2], sizeof(k->rule[0].channel[2]), "gone");
	find(k, "a", 30, -1, 0);
	notice(k);
	assert_int_equal(messages(k, "page"), 2);
	k->channel[1].head.enabled = false;
	find(k, "b", 30, -1, 0);
	notice(k);
	assert_int_equal(messages(k, "page"), 3);
	k->channel[0].head.enabled = false;
	find(k, "c", 30, -1, 0);
	notice(k);
	assert_int_equal(messages(k, "page"), 3);
	assert_int_equal(
	    kit_int(k, "SELECT notice FROM incident WHERE subject = 'c'"), INCIDENT_NOT_TOLD);
}

static void
messages_carry_their_facts(void **state)
{
	struct kit *k = *state;

	find(k, "east", 30, -1, 0);
	notice(k);
	assert_int_equal(
	    kit_int(k, "SELECT facts = '{\"site\":\"east\",\"site_name\":\"East\",\"zone\":\"UTC\","
		       "\"incident\":{\"id\":1,\"rule_name\":\"The r2\",\"severity\":\"critical\","
		       "\"subject\":\"east\",\"begin_unix_ms\":1764322200000,\"end_unix_ms\":null,"
		       "\"facts\":{\"kind\":\"threshold\"}}}' FROM outbox"),
	    1);
	assert_int_equal(
	    kit_int(k, "SELECT detail = '{\"channels\":[\"mail\"]}' FROM incident_entry"
		       " WHERE kind = 'paged'"),
	    1);
}

static void
resolved_by_a_person_while_it_goes_on_nobody_is_told(void **state)
{
	static const struct control_actor alice = { "alice", "" };
	struct kit *k = *state;
	struct bl_err err = { 0 };

	find(k, "east", 30, -1, 0);
	assert_int_equal(incident_resolve(k->c, &alice, 1, 0, NULL, &err), INCIDENT_DONE);
	notice(k);
	assert_int_equal(kit_int(k, "SELECT count(*) FROM outbox"), 0);
}

/* ---- more is on its way ---- */

static bool
more_is_coming(void *ctx, const char *site)
{
	(void)site;
	return *(const bool *)ctx;
}

static int
notice_while(struct kit *k, void *ctx, struct bl_err *err)
{
	const struct notice_opts opts = { .catching_up = more_is_coming, .ctx = ctx };
	const int rc = notice_run(k->env.db, &k->set, k->roster, &opts, k->now, false, 100, err);

	return rc < 0 ? rc : BL_OK; /* a positive answer would take the change back */
}

/* Seen true five minutes ago: its end may be in what is coming; seen true just now: it holds. */
static void
a_page_waits_while_its_end_may_be_on_its_way(void **state)
{
	struct kit *k = *state;
	bool coming = true;

	find(k, "a", 30, -1, 5);
	find(k, "b", 30, -1, 0);
	assert_int_equal(kit_write(k, notice_while, &coming), BL_OK);
	assert_int_equal(messages(k, "page"), 1);
	assert_int_equal(kit_int(k, "SELECT notice FROM incident WHERE site = 'a'"), 0);
	coming = false;
	assert_int_equal(kit_write(k, notice_while, &coming), BL_OK);
	assert_int_equal(messages(k, "page"), 2);
}

/* ---- cut off ---- */

static int
notice_and_fail(struct kit *k, void *ctx, struct bl_err *err)
{
	const struct notice_opts opts = { 0 };
	const int rc = notice_run(k->env.db, &k->set, k->roster, &opts, k->now, false, 100, err);

	(void)ctx;
	return rc < 0 ? rc : bl_fail(err, BL_EIO, "cut off");
}

static void
cut_off_in_the_middle_neither_loses_nor_doubles(void **state)
{
	struct kit *k = *state;

	find(k, "a", 30, -1, 0);
	find(k, "b", 300, 200, 200);
	k->fail_found = true; /* the failure is expected */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(kit_write(k, notice_and_fail, NULL), BL_EIO);
		assert_int_equal(kit_int(k, "SELECT count(*) FROM outbox"), 0);
		assert_int_equal(kit_int(k, "SELECT max(notice) FROM incident"), 0);
	}
	k->fail_found = false;
	notice(k);
	k->now += 3 * MINUTE;
	notice(k);
	assert_int_equal(messages(k, "page"), 1);
	assert_int_equal(messages(k, "digest"), 1);
}

/* ---- the outbox ---- */

static int
put_twice(struct kit *k, void *ctx, struct bl_err *err)
{
	struct outbox_new m = {
		.key = "test/1", .channel = "mail", .kind = "test", .site = "", .facts = "{}"
	};

	(void)ctx;
	assert_int_equal(outbox_put(k->env.db, &m, 5, err), 1);
	m.facts = "{\"other\":1}";
	assert_int_equal(outbox_put(k->env.db, &m, 6, err), 0);
	m.key = "test/2";
	m.site = "east";
	assert_int_equal(outbox_put(k->env.db, &m, 7, err), 1);
	return BL_OK;
}

static bool
take_key(void *ctx, const struct outbox_row *m)
{
	char *out = ctx;
	const size_t len = strlen(out);

	(void)snprintf(out + len, 256 - len, "%s %s %s %lld %lld;", m->key, m->state, m->facts,
	    (long long)m->due_unix_ms, (long long)m->sent_unix_ms);
	return true;
}

static void
a_key_is_put_once(void **state)
{
	static const struct {
		struct outbox_filter f;
		const char *rows;
	} cases[] = {
		{ { .site = "east" }, "test/2 waiting {\"other\":1} 7 0;" },
		{ { .before_id = 2 }, "test/1 waiting {} 5 0;" },
		{ { .limit = 1 }, "test/2 waiting {\"other\":1} 7 0;" },
		{ { .state = "sent" }, "" },
		{ { .channel = "ops" }, "" },
		{ { .incident = 4 }, "" },
	};
	struct kit *k = *state;
	struct bl_err err = { 0 };
	char one[256] = "";
	struct sqlite3 *db;

	assert_int_equal(kit_write(k, put_twice, NULL), BL_OK);
	assert_int_equal(control_read_begin(k->c, &db, &err), BL_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char rows[256] = "";

		assert_int_equal(outbox_each(db, &cases[i].f, take_key, rows, &err), BL_OK);
		assert_string_equal(rows, cases[i].rows);
	}
	assert_int_equal(outbox_get(db, 1, take_key, one, &err), BL_OK);
	assert_string_equal(one, "test/1 waiting {} 5 0;");
	assert_int_equal(outbox_get(db, 9, take_key, one, &err), BL_ENOTFOUND);
	control_read_end(k->c, db);
}

static int
count_thousands(void *ctx)
{
	++*(unsigned *)ctx;
	return 0;
}

static int
run_and_count(struct kit *k, void *ctx, struct bl_err *err)
{
	const struct notice_opts opts = { 0 };
	int rc;

	sqlite3_progress_handler(k->env.db, 1000, count_thousands, ctx);
	rc = notice_run(k->env.db, &k->set, k->roster, &opts, k->now, false, 100, err);
	sqlite3_progress_handler(k->env.db, 0, NULL, NULL);
	return rc < 0 ? rc : BL_OK;
}

/* Once a second, whatever lies in the past. */
static void
what_is_decided_costs_nothing(void **state)
{
	struct kit *k = *state;
	unsigned thousands = 0;

	kit_sql(k, "WITH RECURSIVE i (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < 20000)"
		   " INSERT INTO incident (rule, rule_version, site, subject, severity,"
		   " begin_unix_ms, end_unix_ms, last_true_unix_ms, known_unix_ms, state, assignee,"
		   " notice, explanation, changed_unix_ms, version) SELECT 'r2', 1, 'east', 'east',"
		   " 'info', n, n + 1, n + 1, n, 'resolved', '', 2, '{}', n, 1 FROM i");
	assert_int_equal(kit_write(k, run_and_count, &thousands), BL_OK);
	assert_true(thousands < 10);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, kit_teardown)
	const struct CMUnitTest tests[] = {
		TEST(age_decides),
		TEST(after_a_backlog_what_holds_pages_and_the_rest_is_one_digest),
		TEST(those_that_wait_do_not_hold_up_the_others),
		TEST(a_digest_waits_while_the_past_comes_in_but_not_for_ever),
		TEST(open_without_news_becomes_history_and_pages_when_it_holds_after_all),
		TEST(paged_in_the_meantime_it_does_not_stand_in_the_digest),
		TEST(an_end_is_told_once_and_a_return_is_told_again),
		TEST(a_return_before_the_end_was_told_is_no_news),
		TEST(what_was_paged_wrongly_is_taken_back),
		TEST(withdrawn_before_anybody_was_told_nobody_is),
		TEST(after_a_restore_only_one_digest_follows),
		TEST(channels_that_are_off_or_gone_are_not_written_to),
		TEST(messages_carry_their_facts),
		TEST(resolved_by_a_person_while_it_goes_on_nobody_is_told),
		TEST(a_page_waits_while_its_end_may_be_on_its_way),
		TEST(cut_off_in_the_middle_neither_loses_nor_doubles),
		TEST(a_key_is_put_once),
		TEST(what_is_decided_costs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
