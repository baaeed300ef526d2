/*
 * Definitions change as they say: versions in force from an instant, changes that
 * name what they change, secrets that stand nowhere but in their table, and
 * nothing half there when memory ends.
 */
#include "define_kit.h"

/* ---- versions --------------------------------------------------------------------- */

static void
version_in_force_is_that_of_the_instant(void **state)
{
	static const struct {
		int64_t at;
		int64_t version; /* 0: none */
		bool enabled;
	} cases[] = {
		{ NOW - 10 * DAY - 1, 0, false },
		{ NOW - 10 * DAY, 1, true },
		{ NOW - 5 * DAY - 1, 1, true },
		{ NOW - 5 * DAY, 2, false },
		{ NOW - 1, 2, false },
		{ NOW, 4, true }, /* the third began at the same instant: it never was in force */
		{ NOW + DAY - 1, 4, true },
		{ NOW + DAY, 5, true },
		{ INT64_MAX, 5, true },
	};
	struct fixture *f = *state;
	const struct define_edit first = {
		.name = "First", .from_unix_ms = NOW - 10 * DAY, .body = "{" SERIES "}"
	};
	struct define_edit e = { .has_enabled = true, .from_unix_ms = NOW - 5 * DAY };
	char id[BL_ID_TEXT_MAX + 1];
	struct define_errors errs;
	struct define_set *s;
	struct bl_err err = { 0 };

	assert_int_equal(
	    define_create(f->kit.c, &actor, K, "k", &first, id, &errs, &err), DEFINE_DONE);
	must_create(f, K, "j", "{" SERIES "}");
	must_create(f, K, "l", "{" SERIES "}");
	must_change(f, K, "k", &e);
	must_change(f, K, "k", &(struct define_edit){ .name = "Third" });
	must_change(f, K, "k", &(struct define_edit){ .has_enabled = true, .enabled = true });
	must_change(f, K, "k", &(struct define_edit){ .from_unix_ms = NOW + DAY, .name = "Fifth" });
	s = load(f);
	assert_int_equal(s->versions, 7);
	assert_int_equal(s->n_kpis, 7);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct define_kpi *k = define_kpi_at(s, "k", cases[i].at);

		if ((k != NULL ? k->head.version : 0) != cases[i].version ||
		    (k != NULL && k->head.enabled != cases[i].enabled))
			fail_msg("at %lld: version %lld", (long long)(cases[i].at - NOW),
			    k != NULL ? (long long)k->head.version : 0);
	}
	assert_null(define_kpi_at(s, "i", NOW));
	assert_null(define_kpi_at(s, "kk", NOW));
	assert_null(define_kpi_at(s, "m", NOW));
	assert_null(define_rule_at(s, "k", NOW));
	assert_string_equal(define_kpi_at(s, "k", NOW + DAY)->head.name, "Fifth");
	define_set_free(s);
	assert_int_equal(get(f, K, "k", 2).head.until_unix_ms, NOW);
	assert_int_equal(get(f, K, "k", 0).head.until_unix_ms, INT64_MAX);
}

static void
from_is_bounded_and_never_goes_back(void **state)
{
	static const struct {
		int64_t from;
		bool ok;
	} cases[] = {
		{ NOW + DAY - 1, false }, /* before the version that is there */
		{ NOW + DAY, true },
		{ NOW + 400 * DAY + 1, false },
		{ 1, false },
		{ -1, false },
		{ INT64_MIN, false },
		{ INT64_MAX, false },
		{ NOW + 400 * DAY, true },
	};
	struct fixture *f = *state;
	struct define_edit e = { .name = "N", .body = "{" SERIES "}" };
	char id[BL_ID_TEXT_MAX + 1];
	struct define_errors errs;
	struct bl_err err = { 0 };

	e.from_unix_ms = NOW - 400 * DAY - 1;
	assert_int_equal(
	    define_create(f->kit.c, &actor, K, "k", &e, id, &errs, &err), DEFINE_INVALID);
	assert_string_equal(errs.e[0].field, "from_unix_ms");
	assert_string_equal(errs.e[0].expected, "a time at most 400 days from now");
	e.from_unix_ms = NOW - 400 * DAY;
	assert_int_equal(define_create(f->kit.c, &actor, K, "k", &e, id, &errs, &err), DEFINE_DONE);
	e = (struct define_edit){ .from_unix_ms = NOW + DAY };
	must_change(f, K, "k", &e);
	/* without a time: what has not begun yet is replaced from its begin on */
	must_change(f, K, "k", &(struct define_edit){ .name = "Other" });
	assert_int_equal(get(f, K, "k", 0).head.from_unix_ms, NOW + DAY);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		e.from_unix_ms = cases[i].from;
		if (change(f, K, "k", 0, &e, &errs) != (cases[i].ok ? DEFINE_DONE : DEFINE_INVALID))
			fail_msg("from %lld", (long long)cases[i].from);
	}
	/* and with time going on, a plain change begins when it is made */
	f->kit.now_unix_ms = NOW + 500 * DAY;
	must_change(f, K, "k", &(struct define_edit){ .name = "Late" });
	assert_int_equal(get(f, K, "k", 0).head.from_unix_ms, NOW + 500 * DAY);
}

static void
a_version_that_does_not_compile_leaves_nothing_in_force(void **state)
{
	struct fixture *f = *state;
	struct define_set *s;

	must_create(f, K, "k", "{" SERIES "}");
	must_change(f, K, "k", &(struct define_edit){ .from_unix_ms = NOW + HOUR });
	must_change(f, K, "k", &(struct define_edit){ .from_unix_ms = NOW + 2 * HOUR });
	control_kit_sql(&f->kit,
	    "UPDATE definition_version SET body = json_set(body, '$.where', '1 +') "
	    "WHERE version = 2");
	s = load(f);
	assert_int_equal(s->n_kpis, 2);
	assert_int_equal(s->versions, 3);
	assert_int_equal(define_kpi_at(s, "k", NOW + HOUR - 1)->head.version, 1);
	assert_null(define_kpi_at(s, "k", NOW + HOUR));
	assert_null(define_kpi_at(s, "k", NOW + 2 * HOUR - 1));
	assert_int_equal(define_kpi_at(s, "k", NOW + 2 * HOUR)->head.version, 3);
	define_set_free(s);
	control_kit_sql(&f->kit, "UPDATE definition_version SET body = '[' WHERE version = 3");
	s = load(f);
	assert_int_equal(s->n_kpis, 1);
	define_set_free(s);
	define_set_free(NULL);
}

/* ---- changes ------------------------------------------------------------------------- */

static void
given_members_replace_and_null_removes(void **state)
{
	struct fixture *f = *state;
	struct define_errors errs;
	struct copy c;

	fill(f);
	must_create(f, K, "k",
	    "{\"source\":\"step\",\"function\":\"percentile\",\"percentile\":90,\"step\":\"pick\","
	    "\"target\":5,\"where\":\"vip\"}");
	must_change(
	    f, K, "k", &(struct define_edit){ .body = "{\"percentile\":99,\"target\":null}" });
	c = get(f, K, "k", 0);
	assert_int_equal(c.head.version, 2);
	assert_non_null(strstr(c.body, "\"percentile\":99,"));
	assert_non_null(strstr(c.body, "\"target\":null"));
	assert_non_null(strstr(c.body, "\"step\":\"pick\""));
	/* another source: what the old one had and this has not goes away by itself */
	must_change(f, K, "k",
	    &(struct define_edit){ .body = "{\"source\":\"case\",\"function\":\"mean\"}" });
	c = get(f, K, "k", 0);
	assert_non_null(strstr(c.body, "\"step\":null"));
	assert_non_null(strstr(c.body, "\"percentile\":null"));
	assert_non_null(strstr(c.body, "\"where\":\"vip\""));
	/* but what is written now must apply */
	assert_int_equal(
	    change(f, K, "k", 0, &(struct define_edit){ .body = "{\"step\":\"x\"}" }, &errs),
	    DEFINE_INVALID);
	assert_string_equal(errs.e[0].field, "step");
	/* what must be given cannot be removed */
	assert_int_equal(
	    change(f, K, "k", 0, &(struct define_edit){ .body = "{\"function\":null}" }, &errs),
	    DEFINE_INVALID);
	assert_string_equal(errs.e[0].field, "function");
	assert_string_equal(errs.e[0].got, "nothing");
	assert_int_equal(get(f, K, "k", 0).head.version, 3);
	assert_int_equal(get(f, K, "k", 1).head.version, 1);
	assert_non_null(strstr(get(f, K, "k", 1).body, "\"percentile\":90"));
}

static void
changes_are_refused_for_these_reasons(void **state)
{
	struct fixture *f = *state;
	const struct define_edit name = { .name = "Other" };
	struct define_errors errs;

	fill(f);
	must_create(f, R, "r", "{" THRESHOLD "}");
	assert_int_equal(create(f, R, "r", "{" THRESHOLD "}", &errs), DEFINE_EXISTS);
	assert_int_equal(change(f, R, "none", 0, &name, &errs), DEFINE_NONE);
	assert_int_equal(change(f, K, "r", 0, &name, &errs), DEFINE_NONE);
	assert_int_equal(change(f, R, "r", 2, &name, &errs), DEFINE_STALE);
	assert_int_equal(change(f, R, "r", 1, &name, &errs), DEFINE_DONE);
	assert_int_equal(change(f, R, "r", 1, &name, &errs), DEFINE_STALE);
	/* nothing would differ: no version, and nothing in the log */
	assert_int_equal(change(f, R, "r", 2, &name, &errs), DEFINE_DONE);
	assert_int_equal(get(f, R, "r", 0).head.version, 2);
	assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE subject = 'rule/r'"), 2);
	/* the kind stays */
	assert_int_equal(
	    change(f, R, "r", 0,
		&(struct define_edit){ .body = "{\"kind\":\"no_data\",\"after_ms\":60000}" },
		&errs),
	    DEFINE_INVALID);
	assert_string_equal(errs.e[0].field, "kind");
	assert_string_equal(errs.e[0].expected, "threshold: the kind of a rule stays");
	/* a KPI keeps the windows that a rule counts; unless the rule is off */
	assert_int_equal(change(f, K, "api-up", 0,
			     &(struct define_edit){ .body = "{\"resolution\":\"1h\"}" }, &errs),
	    DEFINE_INVALID);
	assert_string_equal(errs.e[0].field, "resolution");
	assert_string_equal(errs.e[0].expected, "5m or shorter: rule r counts its windows");
	must_change(f, R, "r", &(struct define_edit){ .has_enabled = true });
	must_change(f, K, "api-up", &(struct define_edit){ .body = "{\"resolution\":\"1h\"}" });
}

static void
there_is_an_end_to_how_many(void **state)
{
	struct fixture *f = *state;
	struct define_errors errs;

	must_create(f, P, "p", "{}");
	control_kit_sql(&f->kit,
	    "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
	    " INSERT INTO definition_version SELECT 'process', 'p', i, 5, 'N', 1, '{}', 'a', 1"
	    " FROM n; UPDATE definition SET version = 1000 WHERE id = 'p'");
	assert_int_equal(
	    change(f, P, "p", 0, &(struct define_edit){ .name = "Other" }, &errs), DEFINE_FULL);
	control_kit_sql(&f->kit,
	    "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 499)"
	    " INSERT INTO definition SELECT 'process', printf('p%d', i), 1 FROM n");
	must_create(f, P, "q", "{}");
	assert_int_equal(create(f, P, "s", "{}", &errs), DEFINE_FULL);
	must_create(f, K, "s", "{" SERIES "}"); /* of another kind */
	control_kit_sql(&f->kit,
	    "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)"
	    " INSERT INTO definition_version SELECT 'kpi', 's', i, 5, 'N', 1, '{}', 'a', 1 FROM n");
	assert_int_equal(
	    change(f, K, "s", 0, &(struct define_edit){ .name = "Other" }, &errs), DEFINE_FULL);
}

static void
ids_are_made_from_names(void **state)
{
	static const struct {
		const char *name, *id;
	} cases[] = {
		{ "Orders too late", "orders-too-late" },
		{ "Orders too late!", "orders-too-late-2" },
		{ "\xe8\xae\xa2\xe5\x8d\x95", "process" },
		{ "\xe5\x8f\x91\xe8\xb4\xa7", "process-2" },
	};
	struct fixture *f = *state;
	struct define_errors errs;
	struct bl_err err = { 0 };
	char id[BL_ID_TEXT_MAX + 1];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct define_edit e = { .name = cases[i].name };

		assert_int_equal(
		    define_create(f->kit.c, &actor, P, NULL, &e, id, &errs, &err), DEFINE_DONE);
		assert_string_equal(id, cases[i].id);
		assert_string_equal(get(f, P, id, 0).head.name, cases[i].name);
	}
}

struct rival {
	pthread_t thread;
	struct fixture *f;
	char name[16];
	int outcome;
};

static void *
rival_main(void *arg)
{
	struct rival *r = arg;
	struct define_errors errs;

	r->outcome = change(r->f, P, "p", 1, &(struct define_edit){ .name = r->name }, &errs);
	return NULL;
}

/* Eight people have read version 1; one of them changes it, the others hear that. */
static void
of_those_who_change_one_version_one_wins(void **state)
{
	struct fixture *f = *state;
	struct rival r[8] = { 0 };
	unsigned done = 0, stale = 0;

	must_create(f, P, "p", "{}");
	for (size_t i = 0; i < 8; i++) {
		r[i].f = f;
		(void)snprintf(r[i].name, sizeof(r[i].name), "Name %zu", i);
		assert_int_equal(pthread_create(&r[i].thread, NULL, rival_main, &r[i]), 0);
	}
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(pthread_join(r[i].thread, NULL), 0);
		done += r[i].outcome == DEFINE_DONE;
		stale += r[i].outcome == DEFINE_STALE;
	}
	assert_int_equal(done, 1);
	assert_int_equal(stale, 7);
	assert_int_equal(get(f, P, "p", 0).head.version, 2);
	assert_int_equal(count(f, "SELECT count(*) FROM definition_version"), 2);
}

/* ---- secrets and the audit log ---------------------------------------------------------- */

#define SECRET "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"

static void
secrets_stand_in_their_table_alone(void **state)
{
	struct fixture *f = *state;
	const struct define_edit hook = {
		.name = "Hook",
		.secret = SECRET,
		.body =
		    "{\"kind\":\"webhook\",\"url\":\"https://example.com/in?access_token=t0ken\"}"
	};
	const struct define_edit bad = { .secret = "whsec_verysecretbutwrong" };
	char id[BL_ID_TEXT_MAX + 1], out[DEFINE_SECRET_MAX + 1], made[DEFINE_SECRET_MAX + 1];
	struct define_errors errs;
	struct bl_err err = { 0 };

	fill(f);
	assert_int_equal(
	    define_create(f->kit.c, &actor, C, NULL, &hook, id, &errs, &err), DEFINE_DONE);
	assert_int_equal(define_secret(f->db, "hook", out, &err), BL_OK);
	assert_string_equal(out, SECRET);
	assert_true(get(f, C, "hook", 0).has_secret);
	/* not given: made */
	must_create(f, C, "made", "{" HOOK "}");
	assert_int_equal(define_secret(f->db, "made", made, &err), BL_OK);
	assert_true(define_secret_ok(made));
	/* a change of something else leaves it; a new one is a new version */
	must_change(f, C, "made", &(struct define_edit){ .name = "Other" });
	assert_int_equal(define_secret(f->db, "made", out, &err), BL_OK);
	assert_string_equal(out, made);
	must_change(f, C, "made", &(struct define_edit){ .secret = SECRET });
	assert_int_equal(define_secret(f->db, "made", out, &err), BL_OK);
	assert_string_equal(out, SECRET);
	assert_int_equal(get(f, C, "made", 0).head.version, 3);
	/* no error says what it was */
	assert_int_equal(change(f, C, "made", 0, &bad, &errs), DEFINE_INVALID);
	assert_string_equal(errs.e[0].field, "secret");
	assert_string_equal(errs.e[0].got, "another text");
	assert_int_equal(change(f, C, "mail", 0, &bad, &errs), DEFINE_INVALID);
	assert_string_equal(errs.e[0].expected, "nothing: email has none");
	assert_int_equal(change(f, K, "api-up", 0, &bad, &errs), DEFINE_INVALID);
	assert_string_equal(errs.e[0].expected, "no field of this name");
	assert_false(get(f, C, "mail", 0).has_secret);
	assert_int_equal(define_secret(f->db, "mail", out, &err), BL_ENOTFOUND);
	assert_string_equal(out, "");
	assert_int_equal(
	    count(f, "SELECT count(*) FROM definition_version WHERE body LIKE '%whsec%'"), 0);
	assert_int_equal(
	    count(f, "SELECT count(*) FROM audit WHERE before || after LIKE '%whsec%' OR "
		     "after LIKE '%whsec%' OR after LIKE '%t0ken%' OR before LIKE '%t0ken%'"),
	    0);
	assert_int_equal(
	    count(f, "SELECT count(*) FROM audit WHERE after LIKE '%\"secret\":\"new\"%'"), 3);
	/* the URL itself is whole where it is used */
	assert_non_null(strstr(get(f, C, "hook", 0).body, "access_token=t0ken"));
}

struct entry {
	char action[32], subject[64], before[1024], after[1024];
};

static struct entry
newest_entry(struct fixture *f)
{
	struct entry e;
	sqlite3_stmt *st;
	struct bl_err err = { 0 };

	assert_int_equal(
	    control_sql_prepare(&st, f->db, &err,
		"SELECT action, subject, before, after FROM audit ORDER BY n DESC", ""),
	    BL_OK);
	assert_int_equal(control_sql_step(st, &err), 1);
	control_sql_text(st, 0, e.action, sizeof(e.action));
	control_sql_text(st, 1, e.subject, sizeof(e.subject));
	control_sql_text(st, 2, e.before, sizeof(e.before));
	control_sql_text(st, 3, e.after, sizeof(e.after));
	(void)sqlite3_finalize(st);
	return e;
}

static void
each_change_is_in_the_log_with_before_and_after(void **state)
{
	struct fixture *f = *state;
	struct control_audit_report report;
	struct bl_err err = { 0 };
	struct entry e;

	must_create(f, P, "p", "{\"steps\":[\"a\"]}");
	e = newest_entry(f);
	assert_string_equal(e.action, "process.create");
	assert_string_equal(e.subject, "process/p");
	assert_string_equal(e.before, "");
	assert_string_equal(e.after,
	    "{\"id\":\"p\",\"name\":\"Some name\",\"version\":1,\"enabled\":true,"
	    "\"from_unix_ms\":1700000000000,\"steps\":[\"a\"],\"done\":null}");
	must_change(f, P, "p",
	    &(struct define_edit){ .name = "New", .has_enabled = true, .body = "{\"steps\":[]}" });
	e = newest_entry(f);
	assert_string_equal(e.action, "process.change");
	assert_string_equal(e.before,
	    "{\"id\":\"p\",\"name\":\"Some name\",\"version\":1,\"enabled\":true,"
	    "\"from_unix_ms\":1700000000000,\"steps\":[\"a\"],\"done\":null}");
	assert_string_equal(e.after,
	    "{\"id\":\"p\",\"name\":\"New\",\"version\":2,\"enabled\":false,"
	    "\"from_unix_ms\":1700000000000,\"steps\":[],\"done\":null}");
	assert_string_equal(get(f, P, "p", 0).head.author, "alice");
	assert_int_equal(control_audit_verify(f->db, &report, &err), BL_OK);
	assert_int_equal(report.bad_entry, 0);
	assert_int_equal(report.entries, 2);
}

/* ---- lists --------------------------------------------------------------------------------- */

struct names {
	char text[128];
	unsigned stop_after;
};

static bool
note(void *ctx, const struct define_row *row)
{
	struct names *n = ctx;
	const size_t len = strlen(n->text);

	(void)snprintf(n->text + len, sizeof(n->text) - len, "%s.%lld ", row->head.id,
	    (long long)row->head.version);
	return --n->stop_after > 0;
}

static void
lists_have_the_newest_and_histories_all(void **state)
{
	struct fixture *f = *state;
	struct names n = { .stop_after = 99 };
	struct bl_err err = { 0 };
	struct copy c = { 0 };
	int64_t versions;

	must_create(f, P, "b", "{}");
	must_create(f, P, "a", "{}");
	must_create(f, P, "c", "{}");
	must_create(f, K, "b", "{" SERIES "}");
	must_change(f, P, "b", &(struct define_edit){ .name = "B" });
	assert_int_equal(define_each(f->db, P, NULL, note, &n, &err), BL_OK);
	assert_string_equal(n.text, "a.1 b.2 c.1 ");
	n = (struct names){ .stop_after = 1 };
	assert_int_equal(define_each(f->db, P, "a", note, &n, &err), BL_OK);
	assert_string_equal(n.text, "b.2 ");
	n = (struct names){ .stop_after = 99 };
	assert_int_equal(define_history(f->db, P, "b", note, &n, &err), BL_OK);
	assert_string_equal(n.text, "b.2 b.1 ");
	assert_int_equal(define_history(f->db, P, "x", note, &n, &err), BL_ENOTFOUND);
	assert_int_equal(define_get(f->db, P, "b", 3, copy_row, &c, &err), BL_ENOTFOUND);
	assert_int_equal(define_get(f->db, P, "x", 0, copy_row, &c, &err), BL_ENOTFOUND);
	assert_int_equal(c.n, 0);
	assert_int_equal(define_versions(f->db, &versions, &err), BL_OK);
	assert_int_equal(versions, 5);
}

static void
scope_is_the_region_and_the_sites(void **state)
{
	static const struct {
		const char *region, *site; /* of the scope */
		const char *of_site, *of_region;
		bool in;
	} cases[] = {
		{ "", NULL, "west", "cn/east", true },
		{ "cn", NULL, "west", "cn/east", true },
		{ "cn/east", NULL, "west", "cn/east", true },
		{ "cn/ea", NULL, "west", "cn/east", false },
		{ "cn/east", NULL, "west", "cn", false },
		{ "cn/east", NULL, "west", "", false },
		{ "", "west", "west", "cn/east", true },
		{ "", "west", "east", "cn/east", false },
		{ "us", "west", "west", "cn/east", true },
		{ "cn", "west", "east", "cn/east", true },
		{ "us", "west", "east", "cn/east", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct define_scope s = { .n_sites = cases[i].site != NULL };

		(void)snprintf(s.region, sizeof(s.region), "%s", cases[i].region);
		if (cases[i].site != NULL)
			(void)snprintf(s.site[0], sizeof(s.site[0]), "%s", cases[i].site);
		if (define_in_scope(&s, cases[i].of_site, cases[i].of_region) != cases[i].in)
			fail_msg("case %zu", i);
	}
}

/* ---- out of memory ------------------------------------------------------------------------- */

struct attempt {
	struct fixture *f;
	struct define_set *set;
};

static int
try_create(struct attempt *a)
{
	struct define_errors errs;

	return create(a->f, R, "r",
	    "{\"kind\":\"case_open\",\"limit_ms\":60000,\"where\":\"age > "
	    "1h\",\"sites\":[\"west\"],"
	    "\"channels\":[\"mail\"]}",
	    &errs);
}

static int
try_change(struct attempt *a)
{
	struct define_errors errs;

	return change(a->f, K, "k", 1,
	    &(struct define_edit){ .body = "{\"where\":\"vip\",\"target\":5}" }, &errs);
}

static int
try_load(struct attempt *a)
{
	struct bl_err err = { 0 };
	const int rc = define_set_load(&a->set, a->f->db, &err);

	assert_true((rc == BL_OK) == (a->set != NULL));
	define_set_free(a->set);
	return rc;
}

/*
 * Whichever allocation fails, it is a failure, nothing is half there, and the next try does it.
 * jansson has its own way to the allocator: its reader cuts texts silently when a buffer cannot
 * grow.
 */
static void
each_allocation_that_fails_is_told(void **state)
{
	static const struct {
		const char *name;
		int (*run)(struct attempt *a);
	} cases[] = { { "create", try_create }, { "change", try_change }, { "load", try_load } };
	struct fixture *f = *state;
	struct attempt a = { .f = f };

	fill(f);
	must_create(f, K, "k",
	    "{\"source\":\"step\",\"function\":\"share\",\"condition\":\"value < 5min\"}");
	must_create(f, P, "p", "{\"done\":\"step = 'x'\"}");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int64_t versions = count(f, "SELECT count(*) FROM definition_version");
		unsigned n = 0;
		bool fired;
		int rc;

		do {
			nomem_arm(++n);
			rc = cases[i].run(&a);
			fired = nomem_disarm();
			if (fired &&
			    (rc >= 0 ||
				count(f, "SELECT count(*) FROM definition_version") != versions))
				fail_msg("%s, allocation %u: outcome %d", cases[i].name, n, rc);
		} while (fired);
		assert_int_equal(rc, DEFINE_DONE);
		assert_true(n > 5);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    version_in_force_is_that_of_the_instant, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    from_is_bounded_and_never_goes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_version_that_does_not_compile_leaves_nothing_in_force, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    given_members_replace_and_null_removes, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    changes_are_refused_for_these_reasons, setup, teardown),
		cmocka_unit_test_setup_teardown(there_is_an_end_to_how_many, setup, teardown),
		cmocka_unit_test_setup_teardown(ids_are_made_from_names, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    of_those_who_change_one_version_one_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    secrets_stand_in_their_table_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    each_change_is_in_the_log_with_before_and_after, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    lists_have_the_newest_and_histories_all, setup, teardown),
		cmocka_unit_test_setup_teardown(scope_is_the_region_and_the_sites, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    each_allocation_that_fails_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
