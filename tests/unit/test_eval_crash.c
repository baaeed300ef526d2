/*
 * The evaluator dies at its commits, one after the other, before and after each; and finds itself
 * beside another telemetry store, or an older control database. What it ends with is always what
 * it ends with undisturbed.
 *
 * A site's day (tests/sim/late_history.c) comes in portions; between two of them the evaluator
 * works in a child until there is nothing to do, and the parent starts another child where one
 * was killed. Wall time is played and shared with the children.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "branchline/fault.h"
#include "branchline/log.h"

#include "define.h"
#include "eval.h"
#include "fleet.h"
#include "ingest_core.h"
#include "late.h"
#include "store.h"
#include "store_fixture.h"

#define PORTIONS 12u
#define HOUR_MS  3600000
#define DAY_MS   86400000

/* After the last portion: patience, digests, the seven days of a hole. */
static const int64_t later_ms[] = { 0, HOUR_MS, DAY_MS, 8 * DAY_MS, 9 * DAY_MS };
#define LATER (sizeof(later_ms) / sizeof(later_ms[0]))

struct centre {
	char *folder;
	char telemetry[600], control[600];
	const struct late_history *h;
	const struct late_plan *p;
	unsigned portion; /* the next one */
};

static struct late_history history;
static struct late_plan plan;
/* Shared with the children: wall time goes on where a killed one left it. */
static int64_t *played_ms;

static void
must(int rc, const char *what, const struct bl_err *err)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "%s: %s\n", what, err->msg);
	abort();
}

/* ---- clock ---- */

static int64_t
fake_time(void *ctx)
{
	(void)ctx;
	return *played_ms;
}

static void
fake_random(void *ctx, void *out, size_t len)
{
	static uint64_t state = 1;

	(void)ctx;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)(late_random(&state) >> 32);
}

static bool
fake_synced(void *ctx)
{
	(void)ctx;
	return true;
}

static const struct bl_clock clock_ = { NULL, fake_time, fake_time, fake_time, fake_random,
	fake_synced };

/* ---- a centre ---- */

static const struct control_actor actor = { "test", "" };

static void
add_definition(struct control *c, enum define_kind kind, const char *id, const char *body)
{
	struct define_edit e = { .name = id,
		.has_enabled = true,
		.enabled = true,
		.body = body,
		.from_unix_ms = *played_ms };
	struct define_errors errs = { 0 };
	char made[BL_ID_TEXT_MAX + 1];
	struct bl_err err = { 0 };

	must(define_create(c, &actor, kind, id, &e, made, &errs, &err), id, &err);
	assert_int_equal(errs.n, 0);
}

static void
add_people_side(struct control *c)
{
	static const struct {
		enum define_kind kind;
		const char *id, *body;
	} all[] = {
		{ DEFINE_PROCESS, "order", "{\"steps\":[\"review\",\"picking\",\"shipping\"]}" },
		{ DEFINE_CHANNEL, "ops", "{\"kind\":\"email\",\"to\":[\"ops@example.org\"]}" },
		{ DEFINE_KPI, "failures",
		    "{\"source\":\"probe\",\"metric\":\"probe_up\",\"probe\":\"orders-api\","
		    "\"function\":\"share\",\"condition\":\"value < 1\",\"resolution\":\"1m\"}" },
		{ DEFINE_KPI, "cpu",
		    "{\"source\":\"series\",\"metric\":\"cpu_used_pct\",\"function\":"
		    "\"percentile\","
		    "\"percentile\":95,\"resolution\":\"1h\"}" },
		{ DEFINE_RULE, "api-down",
		    "{\"kind\":\"threshold\",\"kpi\":\"failures\",\"window\":\"1m\",\"op\":\">\","
		    "\"value\":2,\"for\":5,\"channels\":[\"ops\"]}" },
		{ DEFINE_RULE, "order-late",
		    "{\"kind\":\"case_open\",\"process\":\"order\",\"limit_ms\":1800000,"
		    "\"channels\":[\"ops\"]}" },
	};
	struct fleet_site_edit e = { .name = "Site", .zone = "Europe/Berlin" };
	struct fleet_site site;
	struct fleet_device d;
	struct bl_err err = { 0 };

	must(fleet_site_create(c, &actor, "site-00", &e, &site, &err), "site", &err);
	for (unsigned i = 0; i < history.n_devices; i++)
		must(fleet_device_create(c, &actor, history.device[i].id, "site-00",
			 history.device[i].id, &d, &err),
		    "device", &err);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		add_definition(c, all[i].kind, all[i].id, all[i].body);
}

static struct control *
open_control(const struct centre *c)
{
	const struct control_opts opts = { .path = c->control, .clock = &clock_ };
	struct control *control;
	struct bl_err err = { 0 };

	must(control_open(&control, &opts, &err), "control", &err);
	return control;
}

static void
centre_make(struct centre *c)
{
	struct control *control;

	*c = (struct centre){ .folder = fixture_folder(), .h = &history, .p = &plan };
	(void)snprintf(c->telemetry, sizeof(c->telemetry), "%s/telemetry.db", c->folder);
	(void)snprintf(c->control, sizeof(c->control), "%s/control.db", c->folder);
	*played_ms = history.start_unix_ms - HOUR_MS;
	control = open_control(c);
	add_people_side(control);
	control_close(control);
}

/* ---- delivery ---- */

static int
lookup(void *ctx, const char *device, struct ingest_device *out, struct bl_err *err)
{
	(void)ctx;
	(void)device;
	(void)err;
	out->part = 1;
	out->retired = false;
	return 1;
}

static bool
publish(void *ctx, const char *topic, const void *payload, size_t len, bool retained)
{
	(void)ctx;
	(void)topic;
	(void)payload;
	(void)len;
	(void)retained;
	return true;
}

static void
take(struct ingest_core *core, const struct late_message *m)
{
	struct ingest_msg msg = { .payload = m->msg.data, .len = m->msg.len };
	struct bl_err err = { 0 };
	char topic[128];

	(void)snprintf(topic, sizeof(topic), "bl/1/up/01/%s/%s", history.device[m->device].id,
	    m->past ? "past" : "live");
	msg.topic = topic;
	must(ingest_core_take(core, &msg, &err), "take", &err);
}

/* Everything that is delivered before the portion's end, and wall time to it. */
static void
deliver_portion(struct centre *c, unsigned first, unsigned last)
{
	const int64_t span = plan.at_ms[plan.n - 1] + 1;
	const int64_t begin = span * first / PORTIONS, end = span * (last + 1) / PORTIONS;
	struct store_opts so = { .path = c->telemetry, .clock = &clock_ };
	struct ingest_core_opts io = { .clock = &clock_, .lookup = lookup, .publish = publish };
	struct ingest_core *core;
	struct store *s;
	struct bl_err err = { 0 };

	must(store_open(&s, &so, &err), "store", &err);
	io.store = s;
	must(ingest_core_create(&core, &io, &err), "ingest", &err);
	must(ingest_core_begin(core, &err), "begin", &err);
	for (size_t i = 0; i < plan.n; i++)
		if (plan.at_ms[i] >= begin && plan.at_ms[i] < end)
			take(core, &plan.m[i]);
	must(ingest_core_commit(core, &err), "commit", &err);
	/* The store places late rows with its commits. */
	for (int k = 0; k < 20; k++) {
		must(ingest_core_begin(core, &err), "begin", &err);
		must(ingest_core_commit(core, &err), "commit", &err);
	}
	ingest_core_free(core);
	store_close(s);
	if (first < PORTIONS && history.start_unix_ms + end > *played_ms)
		*played_ms = history.start_unix_ms + end;
}

/* ---- evaluation ---- */

/*
 * Until there is nothing to do at `until`. One failure is tried again, as the thread does. In a
 * child: it ends by _exit, since cmocka would go on with the tests there.
 */
static void
evaluate(const struct centre *c, int64_t until_unix_ms)
{
	struct control *control = open_control(c);
	struct eval_opts opts = {
		.control = control, .telemetry_path = c->telemetry, .clock = &clock_
	};
	unsigned failed = 0;
	struct eval *e;
	struct bl_err err = { 0 };

	must(eval_open(&e, &opts, &err), "evaluator", &err);
	if (until_unix_ms > *played_ms)
		*played_ms = until_unix_ms;
	for (int round = 0; round < 2; round++) {
		*played_ms += 2000;
		for (unsigned n = 0;; n++) {
			const int rc = eval_step(e, &err);

			if (rc == 0)
				break;
			if (n > 100000 || (rc < 0 && ++failed > 1)) {
				(void)fprintf(stderr, "evaluator: %u steps, %s\n", n, err.msg);
				_exit(6);
			}
		}
	}
	eval_close(e);
	control_close(control);
}

struct killing {
	const char *place;    /* NULL: none */
	unsigned first, last; /* at its first ... last hit, one child after the other */
	enum bl_fault_action action;
	unsigned children, killed;
};

/* Children until one of them comes to the end. */
static void
evaluate_killed(const struct centre *c, int64_t until_unix_ms, struct killing *k)
{
	for (;;) {
		pid_t child;
		int status;

		(void)fflush(NULL);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			const unsigned nth = k->first + k->children % (k->last - k->first + 1);

			if (k->place != NULL && !bl_fault_arm_action(k->place, nth, k->action))
				_exit(4);
			evaluate(c, until_unix_ms);
			_exit(bl_fault_fired() && k->action == BL_FAULT_FAIL ? 5 : 0);
		}
		k->children++;
		assert_int_equal(waitpid(child, &status, 0), child);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			return;
		if (!(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 5);
		k->killed++;
		if (k->action == BL_FAULT_FAIL)
			return; /* it went on by itself */
	}
}

static void
run_from(struct centre *c, unsigned first, struct killing *k)
{
	for (unsigned i = first; i < PORTIONS; i++) {
		deliver_portion(c, i, i);
		evaluate_killed(c, 0, k);
	}
	for (size_t i = 0; i < LATER; i++)
		evaluate_killed(
		    c, history.start_unix_ms + history.length_ms + HOUR_MS + later_ms[i], k);
}

/* ---- what it ended with ---- */

static const char results_sql[] =
    "SELECT 'cell' || '|' || kpi || '|' || window || '|' || site || '|' || begin_unix_ms || '|' ||"
    " ifnull(printf('%!.17g', value), 'null') || '|' || n || '|' || completeness || '|' || ready ||"
    " '|' || state FROM kpi_cell UNION ALL "
    "SELECT 'run' || '|' || rule || '|' || subject || '|' || begin_unix_ms || '|' || end_unix_ms ||"
    " '|' || outcome || '|' || windows FROM rule_run UNION ALL "
    "SELECT 'case' || '|' || process || '|' || case_id || '|' || begin_unix_ms || '|' ||"
    " ifnull(end_unix_ms, 'open') || '|' || attrs || '|' || events FROM case_head UNION ALL "
    "SELECT 'incident' || '|' || rule || '|' || subject || '|' || begin_unix_ms || '|' ||"
    " ifnull(end_unix_ms, 'open') || '|' || state || '|' || explanation FROM incident"
    " WHERE state NOT IN ('withdrawn', 'merged') ORDER BY 1";

/* Keys have row ids in them, which say nothing: what a message tells, and how often. */
static const char messages_sql[] =
    "SELECT o.kind || '|' || o.channel || '|' || o.site || '|' || ifnull(i.rule || i.subject ||"
    " i.begin_unix_ms, '') || '|' || count(*) FROM outbox o LEFT JOIN incident i ON i.id = "
    "o.incident"
    " WHERE o.kind <> 'digest' GROUP BY o.kind, o.channel, o.site, i.rule, i.subject, "
    "i.begin_unix_ms"
    " UNION ALL SELECT 'digest|' || o.channel || '|' || o.site || '|' || i.rule || i.subject ||"
    " i.begin_unix_ms || '|' || count(*) FROM outbox o, json_each(o.facts, '$.incidents') e JOIN"
    " incident i ON i.id = json_extract(e.value, '$.id') WHERE o.kind = 'digest'"
    " GROUP BY o.channel, o.site, i.rule, i.subject, i.begin_unix_ms ORDER BY 1";

static char *
query(const struct centre *c, const char *sql)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	sqlite3_stmt *st;
	sqlite3 *db;

	assert_non_null(f);
	assert_int_equal(sqlite3_open_v2(c->control, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	while (sqlite3_step(st) == SQLITE_ROW)
		(void)fprintf(f, "%s\n", (const char *)sqlite3_column_text(st, 0));
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(fclose(f), 0);
	return text;
}

static long
number(const struct centre *c, const char *sql)
{
	char *text = query(c, sql);
	const long n = strtol(text, NULL, 10);

	free(text);
	return n;
}

static void
same_text(const char *what, const char *wanted, const char *got)
{
	size_t at = 0, line = 0;

	while (wanted[at] != '\0' && wanted[at] == got[at]) {
		if (wanted[at] == '\n')
			line = at + 1;
		at++;
	}
	if (wanted[at] != got[at])
		fail_msg("%s differ:\n  wanted: %.*s\n  got:    %.*s", what,
		    (int)strcspn(wanted + line, "\n"), wanted + line,
		    (int)strcspn(got + line, "\n"), got + line);
}

static void
same_results(const struct centre *c, const char *wanted)
{
	char *got = query(c, results_sql);

	same_text("results", wanted, got);
	free(got);
	assert_int_equal(number(c, "SELECT count(*) FROM eval_dirty"), 0);
	assert_int_equal(
	    number(c, "SELECT count(*) - count(DISTINCT rule || '|' || subject || '|' ||"
		      " begin_unix_ms) FROM incident WHERE state NOT IN"
		      " ('withdrawn', 'merged')"),
	    0);
}

/* Undisturbed: made once. */
static char *reference_results, *reference_messages;

static int
setup(void **state)
{
	const struct late_opts o = { .sites = 1, .days = 1, .start_unix_ms = 1792800000000 };
	struct killing none = { .place = NULL, .action = BL_FAULT_KILL };
	struct centre c;

	(void)state;
	bl_log_level_set(BL_LOG_ERROR);
	played_ms = mmap(
	    NULL, sizeof(*played_ms), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(played_ms != MAP_FAILED);
	late_history_make(&history, &o);
	late_plan_make(&plan, &history, 0);
	centre_make(&c);
	run_from(&c, 0, &none);
	reference_results = query(&c, results_sql);
	reference_messages = query(&c, messages_sql);
	/* It shows something: each kind of message, and incidents of both rules. */
	assert_true(number(&c, "SELECT count(*) FROM kpi_cell") > 1000);
	assert_int_equal(number(&c, "SELECT count(DISTINCT rule) FROM incident"), 2);
	assert_true(number(&c, "SELECT count(*) FROM outbox WHERE kind = 'page'") > 0);
	assert_true(number(&c, "SELECT count(*) FROM outbox WHERE kind = 'digest'") > 0);
	fixture_folder_remove(c.folder);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(reference_results);
	free(reference_messages);
	late_plan_free(&plan);
	late_history_free(&history);
	return munmap(played_ms, sizeof(*played_ms));
}

/* ---- killed ---- */

static unsigned
run_killed(const char *place, unsigned first, unsigned last, enum bl_fault_action action)
{
	struct killing k = { .place = place, .first = first, .last = last, .action = action };
	struct centre c;
	char *messages;

	centre_make(&c);
	run_from(&c, 0, &k);
	same_results(&c, reference_results);
	messages = query(&c, messages_sql);
	same_text("messages", reference_messages, messages);
	free(messages);
	fixture_folder_remove(c.folder);
	print_message("%s:%u-%u: %u times\n", place, first, last, k.killed);
	return k.killed;
}

/*
 * A process begins with commits of its own (fleet, definitions, time): children die at their
 * first, second ... seventh, again and again, so that they get on and die at every sort of commit.
 */
static void
killed_after_commits(void **state)
{
	(void)state;
	assert_true(run_killed("control.committed", 1, 7, BL_FAULT_KILL) > 25);
}

static void
killed_before_commits(void **state)
{
	(void)state;
	assert_true(run_killed("control.commit", 1, 7, BL_FAULT_KILL) > 25);
}

/* A full disk, say: the step says so, keeps nothing, and the next one does it. */
static void
a_commit_that_fails_is_done_again(void **state)
{
	(void)state;
	assert_true(run_killed("control.commit", 2, 6, BL_FAULT_FAIL) > 0);
}

/* ---- restored ---- */

static void
copy_file(const char *from, const char *to)
{
	FILE *a = fopen(from, "rb"), *b = fopen(to, "wb");
	char piece[65536];
	size_t n;

	assert_true(a != NULL && b != NULL);
	while ((n = fread(piece, 1, sizeof(piece), a)) > 0)
		assert_int_equal(fwrite(piece, 1, n, b), n);
	assert_int_equal(fclose(a), 0);
	assert_int_equal(fclose(b), 0);
}

static void
put_back(const char *copy, const char *path)
{
	char more[640];

	(void)snprintf(more, sizeof(more), "%s-wal", path);
	(void)unlink(more);
	(void)snprintf(more, sizeof(more), "%s-shm", path);
	(void)unlink(more);
	copy_file(copy, path);
}

static void
an_older_control_database_catches_up(void **state)
{
	struct killing none = { .place = NULL, .action = BL_FAULT_KILL };
	struct centre c;
	char copy[640];

	(void)state;
	centre_make(&c);
	(void)snprintf(copy, sizeof(copy), "%s.copy", c.control);
	deliver_portion(&c, 0, 0);
	evaluate_killed(&c, 0, &none);
	copy_file(c.control, copy);
	deliver_portion(&c, 1, 2);
	evaluate_killed(&c, 0, &none);
	put_back(copy, c.control);
	run_from(&c, 3, &none);
	same_results(&c, reference_results);
	fixture_folder_remove(c.folder);
}

/* The store is an older copy; agents send again what it lacks. Nobody is paged of what is known. */
static void
an_older_telemetry_store_is_caught_up_with_quietly(void **state)
{
	static const char pages[] =
	    "SELECT count(*) FROM outbox WHERE kind IN ('page', 'withdrawn')";
	struct killing none = { .place = NULL, .action = BL_FAULT_KILL };
	struct centre c;
	char copy[640];
	long paged;

	(void)state;
	centre_make(&c);
	(void)snprintf(copy, sizeof(copy), "%s.copy", c.telemetry);
	deliver_portion(&c, 0, 1);
	evaluate_killed(&c, 0, &none);
	copy_file(c.telemetry, copy);
	deliver_portion(&c, 2, 2);
	evaluate_killed(&c, 0, &none);
	paged = number(&c, pages);
	put_back(copy, c.telemetry);
	*played_ms += HOUR_MS;
	deliver_portion(
	    &c, PORTIONS, PORTIONS); /* nothing: the store is opened, and gets its new epoch */
	evaluate_killed(&c, 0, &none);
	assert_int_equal(number(&c, "SELECT quiet FROM eval"), 0);
	deliver_portion(&c, 0, 2);
	evaluate_killed(&c, 0, &none);
	assert_int_equal(number(&c, pages), paged);
	run_from(&c, 3, &none);
	same_results(&c, reference_results);
	assert_int_equal(number(&c, "SELECT count(*) FROM outbox WHERE kind = 'withdrawn'"), 0);
	fixture_folder_remove(c.folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_after_commits),
		cmocka_unit_test(killed_before_commits),
		cmocka_unit_test(a_commit_that_fails_is_done_again),
		cmocka_unit_test(an_older_control_database_catches_up),
		cmocka_unit_test(an_older_telemetry_store_is_caught_up_with_quietly),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
