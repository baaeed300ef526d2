/*
 * Definitions keep their promises: every error in one answer and in its place,
 * versions in force from an instant, changes that name what they change, and
 * secrets that stand nowhere but in their table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "control_kit.h"
#include "control_sql.h"
#include "define_internal.h"
#include "nomem.h"

#define NOW  INT64_C(1700000000000)
#define DAY  INT64_C(86400000)
#define HOUR INT64_C(3600000)

static const struct control_actor actor = { "alice", "192.0.2.1" };

struct fixture {
	struct control_kit kit;
	struct sqlite3 *db; /* reads each commit at once */
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct bl_err err = { 0 };

	if (f == NULL)
		return -1;
	*state = f;
	control_kit_open(&f->kit, "define", NOW);
	return control_reader_open(f->kit.c, &f->db, &err);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	control_reader_close(f->db);
	control_kit_close(&f->kit);
	free(f);
	return 0;
}

/* ---- helpers ----------------------------------------------------------------- */

static int64_t
count(struct fixture *f, const char *text)
{
	struct bl_err err = { 0 };
	int64_t n = -1;

	if (control_sql_int(f->db, &err, -1, &n, text, "") < 0)
		fail_msg("%s", err.msg);
	return n;
}

static int
create(struct fixture *f, enum define_kind kind, const char *id, const char *body,
    struct define_errors *errs)
{
	const struct define_edit e = { .name = "Some name", .body = body };
	char out[BL_ID_TEXT_MAX + 1];
	struct bl_err err = { 0 };

	return define_create(f->kit.c, &actor, kind, id, &e, out, errs, &err);
}

static void
must_create(struct fixture *f, enum define_kind kind, const char *id, const char *body)
{
	struct define_errors errs;
	const int rc = create(f, kind, id, body, &errs);

	if (rc != DEFINE_DONE)
		fail_msg("%s: %d: %s: expected %s, got %s", id, rc, errs.e[0].field,
		    errs.e[0].expected, errs.e[0].got);
}

static int
change(struct fixture *f, enum define_kind kind, const char *id, int64_t version,
    const struct define_edit *e, struct define_errors *errs)
{
	struct bl_err err = { 0 };

	return define_change(f->kit.c, &actor, kind, id, version, e, errs, &err);
}

static void
must_change(struct fixture *f, enum define_kind kind, const char *id, const struct define_edit *e)
{
	struct define_errors errs;
	const int rc = change(f, kind, id, 0, e, &errs);

	if (rc != DEFINE_DONE)
		fail_msg("%s: %d: %s: expected %s, got %s", id, rc, errs.e[0].field,
		    errs.e[0].expected, errs.e[0].got);
}

struct copy {
	struct define_head head;
	bool has_secret;
	char body[8192];
	unsigned n;
};

static bool
copy_row(void *ctx, const struct define_row *row)
{
	struct copy *c = ctx;

	c->head = row->head;
	c->has_secret = row->has_secret;
	assert_true(snprintf(c->body, sizeof(c->body), "%s", row->body) < (int)sizeof(c->body));
	c->n++;
	return true;
}

static struct copy
get(struct fixture *f, enum define_kind kind, const char *id, int64_t version)
{
	struct copy c = { 0 };
	struct bl_err err = { 0 };

	assert_int_equal(define_get(f->db, kind, id, version, copy_row, &c, &err), BL_OK);
	return c;
}

static struct define_set *
load(struct fixture *f)
{
	struct define_set *s;
	struct bl_err err = { 0 };

	if (define_set_load(&s, f->db, &err) != BL_OK)
		fail_msg("%s", err.msg);
	return s;
}

/* A site, a KPI of five minutes, a channel: what others refer to. */
static void
fill(struct fixture *f)
{
	control_kit_sql(&f->kit,
	    "INSERT INTO site VALUES ('west', 'W', '', 'UTC', NULL, NULL, '{}', 1, 0, 1, 1)");
	must_create(f, DEFINE_KPI, "api-up",
	    "{\"source\":\"probe\",\"function\":\"mean\",\"resolution\":\"5m\"}");
	must_create(f, DEFINE_CHANNEL, "mail", "{\"kind\":\"email\",\"to\":[\"ops@example.com\"]}");
}

/* ---- bodies ------------------------------------------------------------------ */

#define P DEFINE_PROCESS
#define K DEFINE_KPI
#define R DEFINE_RULE
#define C DEFINE_CHANNEL

#define THRESHOLD                                                                                  \
	"\"kind\":\"threshold\",\"kpi\":\"api-up\",\"window\":\"5m\",\"op\":\"<\",\"value\":1"
#define SERIES "\"source\":\"series\",\"metric\":\"cpu_pct\",\"function\":\"mean\""
#define MAIL   "\"kind\":\"email\",\"to\":[\"a@example.com\"]"
#define HOOK   "\"kind\":\"webhook\",\"url\":\"https://example.com/\""

static void
each_wrong_field_is_told_exactly(void **state)
{
	static const struct {
		enum define_kind kind;
		const char *body, *field, *expected, *got, *suggestion;
	} cases[] = {
		/* names of fields and of choices */
		{ K, "{" SERIES ",\"metrik\":\"a\"}", "metrik", "no field of this name",
		    "text \"a\"", "metric" },
		{ K, "{" SERIES ",\"zzzzzzzz\":null}", "zzzzzzzz", "no field of this name", "null",
		    "" },
		{ K, "{\"function\":\"mean\"}", "source", "one of series, probe, step, case",
		    "nothing", "" },
		{ K, "{\"source\":\"prob\",\"function\":\"mean\"}", "source",
		    "one of series, probe, step, case", "text \"prob\"", "probe" },
		{ K, "{\"source\":7,\"function\":\"mean\"}", "source",
		    "one of series, probe, step, case", "7", "" },
		{ K, "{\"source\":\"case\"}", "function",
		    "one of mean, count, sum, min, max, rate, share, percentile", "nothing", "" },
		{ K, "{\"source\":\"case\",\"function\":\"avg\"}", "function",
		    "one of mean, count, sum, min, max, rate, share, percentile", "text \"avg\"",
		    "" },
		{ K, "{" SERIES ",\"resolution\":\"10m\"}", "resolution", "one of 1m, 5m, 1h, 1d",
		    "text \"10m\"", "1m" },
		{ K, "{" SERIES ",\"good\":\"hihg\"}", "good", "one of low, high", "text \"hihg\"",
		    "high" },
		/* texts */
		{ K, "{\"source\":\"series\",\"function\":\"mean\"}", "metric",
		    "a metric: a-z, 0-9 and '_', at most 64", "nothing", "" },
		{ K, "{\"source\":\"series\",\"function\":\"mean\",\"metric\":\"CPU\"}", "metric",
		    "a metric: a-z, 0-9 and '_', at most 64", "text \"CPU\"", "" },
		{ K, "{\"source\":\"probe\",\"function\":\"mean\",\"metric\":\"cpu_pct\"}",
		    "metric", "a probe's metric: probe_up ...", "text \"cpu_pct\"", "" },
		{ K, "{\"source\":\"probe\",\"function\":\"mean\",\"metric\":\"prob_up\"}",
		    "metric", "a probe's metric: probe_up ...", "text \"prob_up\"", "probe_up" },
		{ K, "{\"source\":\"probe\",\"function\":\"mean\",\"metric\":\"probe_\"}", "metric",
		    "a probe's metric: probe_up ...", "text \"probe_\"", "probe_up" },
		{ K, "{\"source\":\"probe\",\"function\":\"mean\",\"probe\":\" \"}", "probe",
		    "a probe of 1 to 128 bytes", "text \" \"", "" },
		{ K, "{\"source\":\"step\",\"function\":\"mean\",\"process\":\"Order\"}", "process",
		    "an id: a-z, 0-9 and '-', at most 63", "text \"Order\"", "" },
		{ K, "{" SERIES ",\"unit\":\"a unit that is too long\"}", "unit",
		    "a unit of 1 to 16 bytes", "text \"a unit that is too long\"", "" },
		{ K, "{" SERIES ",\"region\":\"a\\nb\"}", "region", "a region of 1 to 255 bytes",
		    "text \"a\nb\"", "" },
		/* numbers */
		{ K, "{" SERIES ",\"target\":\"5\"}", "target", "a number from -1e+15 to 1e+15",
		    "text \"5\"", "" },
		{ K, "{\"source\":\"case\",\"function\":\"percentile\"}", "percentile",
		    "a number from 0 to 100", "nothing", "" },
		{ K, "{\"source\":\"case\",\"function\":\"percentile\",\"percentile\":101}",
		    "percentile", "a number from 0 to 100", "101", "" },
		/* what belongs to something else */
		{ K, "{" SERIES ",\"percentile\":95}", "percentile", "nothing: series has none",
		    "95", "" },
		{ K, "{" SERIES ",\"condition\":\"value > 1\"}", "condition",
		    "nothing: series has none", "text \"value > 1\"", "" },
		{ K, "{" SERIES ",\"step\":\"pick\"}", "step", "nothing: series has none",
		    "text \"pick\"", "" },
		{ K, "{\"source\":\"step\",\"function\":\"rate\"}", "function",
		    "another function: only a series can be a counter", "text \"rate\"", "" },
		{ K, "{\"source\":\"case\",\"function\":\"share\"}", "condition",
		    "a text of 1 to 4096 bytes", "nothing", "" },
		/* lists */
		{ K, "{" SERIES ",\"sites\":\"west\"}", "sites", "a list of at most 64",
		    "text \"west\"", "" },
		{ K, "{" SERIES ",\"sites\":[\"west\",\"west\"]}", "sites[1]", "each only once",
		    "text \"west\"", "" },
		{ K, "{" SERIES ",\"sites\":[5]}", "sites[0]",
		    "an id: a-z, 0-9 and '-', at most 63", "5", "" },
		{ K, "{" SERIES ",\"sites\":[\"nowhere\"]}", "sites[0]",
		    "the id of a site that is there", "text \"nowhere\"", "" },
		{ P, "{\"steps\":[\"pick\",\"\"]}", "steps[1]", "a name of 1 to 64 bytes",
		    "text \"\"", "" },
		/* rules */
		{ R, "{\"kind\":\"treshold\"}", "kind", "one of threshold, case_open, no_data",
		    "text \"treshold\"", "threshold" },
		{ R, "{" THRESHOLD ",\"severity\":\"bad\"}", "severity",
		    "one of info, warning, critical", "text \"bad\"", "" },
		{ R, "{" THRESHOLD ",\"for\":0}", "for", "a whole number from 1 to 1000", "0", "" },
		{ R, "{" THRESHOLD ",\"for\":1.5}", "for", "a whole number from 1 to 1000", "1.5",
		    "" },
		{ R, "{" THRESHOLD ",\"completeness\":80}", "completeness", "a number from 0 to 1",
		    "80", "" },
		{ R, "{" THRESHOLD ",\"wait\":-1}", "wait", "a whole number from 0 to 1000", "-1",
		    "" },
		{ R, "{" THRESHOLD ",\"tell_end\":\"yes\"}", "tell_end", "true or false",
		    "text \"yes\"", "" },
		{ R, "{" THRESHOLD ",\"limit_ms\":5000}", "limit_ms", "nothing: threshold has none",
		    "5000", "" },
		{ R, "{" THRESHOLD ",\"channels\":[\"mail\",\"mial\"]}", "channels[1]",
		    "the id of a channel that is there", "text \"mial\"", "mail" },
		{ R,
		    "{\"kind\":\"threshold\",\"kpi\":\"api-pu\",\"window\":\"5m\",\"op\":\"<\","
		    "\"value\":1}",
		    "kpi", "the id of a KPI that is there", "text \"api-pu\"", "api-up" },
		{ R,
		    "{\"kind\":\"threshold\",\"kpi\":\"api-up\",\"window\":\"1m\",\"op\":\"<\","
		    "\"value\":1}",
		    "window", "5m or longer: the KPI has nothing shorter", "text \"1m\"", "" },
		{ R,
		    "{\"kind\":\"threshold\",\"kpi\":\"api-up\",\"window\":\"5m\",\"op\":\"=>\","
		    "\"value\":1}",
		    "op", "one of >, >=, <, <=, =, !=", "text \"=>\"", "" },
		{ R, "{\"kind\":\"threshold\",\"kpi\":\"api-up\",\"window\":\"5m\",\"op\":\">\"}",
		    "value", "a number from -1e+15 to 1e+15", "nothing", "" },
		{ R, "{\"kind\":\"case_open\"}", "limit_ms",
		    "a whole number from 1000 to 7776000000", "nothing", "" },
		{ R, "{\"kind\":\"no_data\",\"after_ms\":1}", "after_ms",
		    "a whole number from 10000 to 7776000000", "1", "" },
		/* channels */
		{ C, "{\"kind\":\"email\"}", "to", "a list of at most 32", "nothing", "" },
		{ C, "{\"kind\":\"email\",\"to\":[]}", "to", "at least one", "a list of 0", "" },
		{ C, "{\"kind\":\"email\",\"to\":[\"a@b\\nBcc: x\"]}", "to[0]",
		    "an e-mail address such as ops@example.com", "text \"a@b\nBcc: x\"", "" },
		{ C, "{" MAIL ",\"url\":\"https://example.com/\"}", "url",
		    "nothing: email has none", "text \"https://example.com/\"", "" },
		{ C, "{" MAIL ",\"language\":\"de\"}", "language", "one of zh-CN, en",
		    "text \"de\"", "" },
		{ C, "{\"kind\":\"webhook\"}", "url",
		    "an https URL of at most 512 bytes (http to this machine itself)", "nothing",
		    "" },
		{ C, "{\"kind\":\"webhook\",\"url\":\"http://example.com/\"}", "url",
		    "an https URL of at most 512 bytes (http to this machine itself)",
		    "text \"http://example.com/\"", "" },
		{ C, "{" HOOK ",\"to\":[\"a@example.com\"]}", "to", "nothing: webhook has none",
		    "a list of 1", "" },
		/* heads do not belong into bodies */
		{ C, "{" HOOK ",\"version\":3}", "version", "no field of this name", "3", "" },
	};
	struct fixture *f = *state;
	struct define_errors errs;

	fill(f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int rc = create(f, cases[i].kind, "new", cases[i].body, &errs);
		const struct define_error *e = &errs.e[0];

		if (rc != DEFINE_INVALID || errs.n != 1 || strcmp(e->field, cases[i].field) != 0 ||
		    strcmp(e->expected, cases[i].expected) != 0 ||
		    strcmp(e->got, cases[i].got) != 0 || e->column != 0 ||
		    strcmp(e->suggestion, cases[i].suggestion) != 0)
			fail_msg("%s: outcome %d, %zu errors: %s | %s | %s | %s", cases[i].body, rc,
			    errs.n, e->field, e->expected, e->got, e->suggestion);
	}
	assert_int_equal(count(f, "SELECT count(*) FROM definition WHERE id = 'new'"), 0);
}

static void
expressions_are_checked_where_they_stand(void **state)
{
	static const struct {
		enum define_kind kind;
		const char *body, *field; /* field NULL: fine */
		unsigned column;
	} cases[] = {
		{ K, "{" SERIES ",\"where\":\"disk = \\\"sda\\\"\"}", NULL, 0 },
		{ K, "{" SERIES ",\"where\":\"disk = \"}", "where", 8 },
		{ K, "{" SERIES ",\"where\":\"1 + 2\"}", "where", 1 },
		{ K, "{\"source\":\"probe\",\"function\":\"share\",\"condition\":\"value = 1\"}",
		    NULL, 0 },
		{ K, "{\"source\":\"probe\",\"function\":\"share\",\"condition\":\"value > 5min\"}",
		    "condition", 9 },
		{ K, "{\"source\":\"step\",\"function\":\"share\",\"condition\":\"value > 5min\"}",
		    NULL, 0 },
		{ K, "{\"source\":\"case\",\"function\":\"share\",\"condition\":\"value > 5\"}",
		    "condition", 9 },
		{ K, "{\"source\":\"step\",\"function\":\"mean\",\"where\":\"step = 5\"}", "where",
		    8 },
		{ K,
		    "{\"source\":\"case\",\"function\":\"mean\",\"where\":"
		    "\"\xe9\x87\x91\xe9\xa2\x9d > 5\"}",
		    NULL, 0 },
		{ R,
		    "{\"kind\":\"case_open\",\"limit_ms\":60000,\"where\":\"age > 1h and status = "
		    "'x'\"}",
		    NULL, 0 },
		{ R, "{\"kind\":\"case_open\",\"limit_ms\":60000,\"where\":\"age > 1\"}", "where",
		    7 },
		{ P, "{\"done\":\"step = 'ship' or status = 'done'\"}", NULL, 0 },
		{ P, "{\"done\":\"(step = 'ship'\"}", "done", 15 },
	};
	struct fixture *f = *state;
	struct define_errors errs;
	char id[16];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct define_error *e = &errs.e[0];
		int rc;

		(void)snprintf(id, sizeof(id), "x%zu", i);
		rc = create(f, cases[i].kind, id, cases[i].body, &errs);
		if (rc != (cases[i].field == NULL ? DEFINE_DONE : DEFINE_INVALID) ||
		    errs.n != (cases[i].field != NULL) ||
		    (errs.n == 1 && (strcmp(e->field, cases[i].field) != 0 ||
					e->column != cases[i].column || e->expected[0] == '\0')))
			fail_msg("%s: outcome %d, %zu errors: %s, column %u: %s | %s",
			    cases[i].body, rc, errs.n, e->field, e->column, e->expected, e->got);
	}
}

static void
all_errors_come_in_one_answer(void **state)
{
	struct fixture *f = *state;
	const struct define_edit e = { .name = "\n",
		.from_unix_ms = 5,
		.secret = "whsec_x",
		.body = "{\"kind\":\"threshold\",\"kpi\":\"none\",\"window\":\"2m\",\"for\":\"x\","
			"\"a\":1,"
			"\"where\":\"1 +\",\"channels\":[\"x\",\"y\"],\"sites\":[\"z\"]}" };
	static const char *const fields[] = { "name", "from_unix_ms", "a", "window", "op", "value",
		"for", "where", "secret", "sites[0]", "kpi", "channels[0]", "channels[1]" };
	char id[BL_ID_TEXT_MAX + 1], body[4096] = "{\"kind\":\"email\",\"to\":[\"a@b.cn\"]";
	struct define_errors errs;
	struct bl_err err = { 0 };

	assert_int_equal(
	    define_create(f->kit.c, &actor, R, NULL, &e, id, &errs, &err), DEFINE_INVALID);
	assert_int_equal(errs.n, sizeof(fields) / sizeof(fields[0]));
	for (size_t i = 0; i < errs.n; i++)
		assert_string_equal(errs.e[i].field, fields[i]);
	assert_string_equal(id, "");
	/* beyond the cap they are counted */
	for (int i = 0; i < 40; i++) {
		const size_t len = strlen(body);

		(void)snprintf(
		    body + len, sizeof(body) - len, ",\"x%d\":1%s", i, i == 39 ? "}" : "");
	}
	assert_int_equal(create(f, C, "new", body, &errs), DEFINE_INVALID);
	assert_int_equal(errs.n, 40);
	assert_string_equal(errs.e[DEFINE_ERRORS_MAX - 1].field, "x15");
	/* what is no object at all */
	assert_int_equal(create(f, C, "new", "[]", &errs), DEFINE_INVALID);
	assert_int_equal(create(f, C, "new", "{", &errs), BL_EINVAL);
	assert_int_equal(
	    create(f, C, "new", "{\"kind\":\"email\",\"kind\":\"email\"}", &errs), BL_EINVAL);
	/* ids and names */
	assert_int_equal(create(f, C, "New", "{" MAIL "}", &errs), DEFINE_INVALID);
	assert_string_equal(errs.e[0].field, "id");
	assert_int_equal(define_create(f->kit.c, &actor, C, NULL,
			     &(struct define_edit){ .body = "{" MAIL "}" }, id, &errs, &err),
	    DEFINE_INVALID);
	assert_string_equal(errs.e[0].field, "name");
	assert_string_equal(errs.e[0].got, "nothing");
}

/* What is stored has every field in the table's order, defaults filled in; it stores again as it
 * is. */
static void
stored_form_is_whole_and_stable(void **state)
{
	static const struct {
		enum define_kind kind;
		const char *body, *stored;
	} cases[] = {
		{ P, "{}", "{\"steps\":[],\"done\":null}" },
		{ P, "{\"done\":\"\",\"steps\":[\"\xe6\x8b\xa3\xe8\xb4\xa7\",\"ship\"]}",
		    "{\"steps\":[\"\xe6\x8b\xa3\xe8\xb4\xa7\",\"ship\"],\"done\":null}" },
		{ K, "{\"source\":\"probe\",\"function\":\"mean\",\"probe\":\"\",\"good\":null}",
		    "{\"source\":\"probe\",\"metric\":\"probe_up\",\"probe\":null,\"process\":null,"
		    "\"step\":null,\"where\":null,\"function\":\"mean\",\"percentile\":null,"
		    "\"condition\":null,\"resolution\":\"1m\",\"unit\":null,\"target\":null,"
		    "\"good\":null,\"region\":\"\",\"sites\":[]}" },
		{ K,
		    "{\"sites\":[\"west\"],\"source\":\"step\",\"function\":\"percentile\","
		    "\"percentile\":99.9,\"target\":0,\"good\":\"low\",\"step\":\"pick\",\"unit\":"
		    "\"ms\","
		    "\"where\":\"type = 'x'\",\"resolution\":\"1h\",\"region\":\"cn/east\"}",
		    "{\"source\":\"step\",\"metric\":null,\"probe\":null,\"process\":\"default\","
		    "\"step\":\"pick\",\"where\":\"type = 'x'\",\"function\":\"percentile\","
		    "\"percentile\":99.9,\"condition\":null,\"resolution\":\"1h\",\"unit\":\"ms\","
		    "\"target\":0,\"good\":\"low\",\"region\":\"cn/east\",\"sites\":[\"west\"]}" },
		{ R, "{" THRESHOLD "}",
		    "{\"kind\":\"threshold\",\"severity\":\"warning\",\"region\":\"\",\"sites\":[],"
		    "\"kpi\":\"api-up\",\"window\":\"5m\",\"op\":\"<\",\"value\":1,\"for\":1,"
		    "\"completeness\":0.8,\"wait\":2,\"process\":null,\"limit_ms\":null,\"where\":"
		    "null,"
		    "\"after_ms\":null,\"channels\":[],\"tell_end\":true}" },
		{ R,
		    "{\"kind\":\"no_data\",\"after_ms\":600000,\"severity\":\"info\","
		    "\"channels\":[\"mail\"],\"tell_end\":false}",
		    "{\"kind\":\"no_data\",\"severity\":\"info\",\"region\":\"\",\"sites\":[],"
		    "\"kpi\":null,\"window\":null,\"op\":null,\"value\":null,\"for\":null,"
		    "\"completeness\":null,\"wait\":null,\"process\":null,\"limit_ms\":null,"
		    "\"where\":null,\"after_ms\":600000,\"channels\":[\"mail\"],\"tell_end\":"
		    "false}" },
		{ C, "{" MAIL "}",
		    "{\"kind\":\"email\",\"language\":\"zh-CN\",\"to\":[\"a@example.com\"],\"url\":"
		    "null}" },
		{ C, "{" HOOK ",\"language\":\"en\",\"to\":[]}",
		    "{\"kind\":\"webhook\",\"language\":\"en\",\"to\":[],"
		    "\"url\":\"https://example.com/\"}" },
	};
	struct fixture *f = *state;
	char id[16];

	fill(f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct define_edit again = { 0 };
		struct copy c;

		(void)snprintf(id, sizeof(id), "x%zu", i);
		must_create(f, cases[i].kind, id, cases[i].body);
		c = get(f, cases[i].kind, id, 0);
		assert_string_equal(c.body, cases[i].stored);
		again.body = c.body;
		again.name = "Some name";
		again.has_enabled = again.enabled = true;
		must_change(f, cases[i].kind, id, &again);
		assert_int_equal(get(f, cases[i].kind, id, 0).head.version, 1);
	}
}

static void
fields_reach_their_places(void **state)
{
	struct fixture *f = *state;
	struct define_set *s;
	const struct define_kpi *k;
	const struct define_rule *r;

	fill(f);
	must_create(f, K, "k",
	    "{\"source\":\"case\",\"process\":\"order\",\"function\":\"share\","
	    "\"condition\":\"value < 2h\",\"where\":\"vip\",\"resolution\":\"1h\",\"target\":99,"
	    "\"good\":\"low\",\"sites\":[\"west\"],\"region\":\"cn\",\"unit\":\"%\"}");
	must_create(
	    f, K, "p", "{\"source\":\"step\",\"function\":\"percentile\",\"percentile\":95}");
	must_create(f, K, "s", "{" SERIES "}");
	must_create(f, R, "r",
	    "{" THRESHOLD ",\"for\":3,\"completeness\":0.5,\"wait\":0,\"channels\":[\"mail\"]}");
	must_create(f, R, "c",
	    "{\"kind\":\"case_open\",\"process\":\"order\",\"limit_ms\":7200000,"
	    "\"where\":\"status != 'hold'\",\"severity\":\"critical\"}");
	must_create(f, P, "order", "{\"steps\":[\"a\",\"b\"],\"done\":\"step = 'b'\"}");
	s = load(f);
	k = define_kpi_at(s, "k", NOW);
	assert_non_null(k);
	assert_int_equal(k->source, DEFINE_CASE);
	assert_int_equal(k->stream, BL_STREAM_EVENTS);
	assert_string_equal(k->process, "order");
	assert_int_equal(k->function, BL_FN_SHARE);
	assert_int_equal(k->resolution, BL_WINDOW_1H);
	assert_true(k->has_target && k->target == 99 && k->low_is_good);
	assert_non_null(k->where);
	assert_string_equal(k->condition_text, "value < 2h");
	assert_int_equal(bl_expr_names(k->condition), 1);
	assert_string_equal(k->scope.region, "cn");
	assert_int_equal(k->scope.n_sites, 1);
	assert_string_equal(k->unit, "%");
	assert_true(define_kpi_at(s, "p", NOW)->quantile == 0.95);
	assert_int_equal(define_kpi_at(s, "p", NOW)->stream, BL_STREAM_EVENTS);
	assert_int_equal(define_kpi_at(s, "s", NOW)->stream, BL_STREAM_HOST);
	assert_int_equal(define_kpi_at(s, "api-up", NOW)->stream, BL_STREAM_PROBES);
	r = define_rule_at(s, "r", NOW);
	assert_non_null(r);
	assert_int_equal(r->kind, DEFINE_THRESHOLD);
	assert_int_equal(r->window, BL_WINDOW_5M);
	assert_int_equal(r->op, BL_OP_LT);
	assert_true(r->value == 1 && r->completeness == 0.5 && r->tell_end);
	assert_int_equal(r->for_windows, 3);
	assert_int_equal(r->wait_windows, 0);
	assert_string_equal(r->channel[0], "mail");
	assert_int_equal(r->n_channels, 1);
	r = define_rule_at(s, "c", NOW);
	assert_int_equal(r->kind, DEFINE_CASE_OPEN);
	assert_int_equal(r->severity, DEFINE_CRITICAL);
	assert_int_equal(r->limit_ms, 7200000);
	assert_non_null(r->where);
	assert_string_equal(define_process_at(s, "order", NOW)->step[1], "b");
	assert_non_null(define_process_at(s, "order", NOW)->done);
	assert_string_equal(define_channel_newest(s, "mail")->to[0], "ops@example.com");
	assert_string_equal(define_channel_newest(s, "mail")->language, "zh-CN");
	assert_null(define_channel_newest(s, "none"));
	define_set_free(s);
}

static void
addresses_and_urls_are_plain_ones(void **state)
{
	static const struct {
		bool (*check)(const char *s);
		const char *text;
		bool ok;
	} cases[] = {
		{ define_mail_ok, "a@example.com", true },
		{ define_mail_ok, "first.last+tag@sub.example.co", true },
		{ define_mail_ok, "root@localhost", true },
		{ define_mail_ok, "1'2@1.2", true },
		{ define_mail_ok, "@example.com", false },
		{ define_mail_ok, "a@", false },
		{ define_mail_ok, "a@b@c", false },
		{ define_mail_ok, "a b@example.com", false },
		{ define_mail_ok, "a@exa mple.com", false },
		{ define_mail_ok, "a@example.com\r\nBcc: b@example.com", false },
		{ define_mail_ok, "<a@example.com>", false },
		{ define_mail_ok, "\"a\"@example.com", false },
		{ define_mail_ok, "a,b@example.com", false },
		{ define_mail_ok, ".a@example.com", false },
		{ define_mail_ok, "a.@example.com", false },
		{ define_mail_ok, "a..b@example.com", false },
		{ define_mail_ok, "a@-example.com", false },
		{ define_mail_ok, "a@example-.com", false },
		{ define_mail_ok, "a@example..com", false },
		{ define_mail_ok, "a@.com", false },
		{ define_mail_ok, "a@example.com.", false },
		{ define_mail_ok, "a@[127.0.0.1]", false },
		{ define_mail_ok, "\xe5\xbc\xa0@example.com", false },
		{ define_url_ok, "https://example.com", true },
		{ define_url_ok, "https://example.com:8443/a/b?c=d&e=%20", true },
		{ define_url_ok, "https://192.0.2.7/", true },
		{ define_url_ok, "https://[2001:db8::1]:8443/x", true },
		{ define_url_ok, "http://localhost:8080/x", true },
		{ define_url_ok, "http://127.0.0.1/", true },
		{ define_url_ok, "http://127.9.9.9:1/", true },
		{ define_url_ok, "http://[::1]:9000", true },
		{ define_url_ok, "https://example.com?x", true },
		{ define_url_ok, "http://example.com/", false },
		{ define_url_ok, "http://127.0.0.1.example.com/", false },
		{ define_url_ok, "http://localhost.example.com/", false },
		{ define_url_ok, "http://128.0.0.1/", false },
		{ define_url_ok, "http://[::2]/", false },
		{ define_url_ok, "HTTPS://example.com/", false },
		{ define_url_ok, "ftp://example.com/", false },
		{ define_url_ok, "file:///etc/passwd", false },
		{ define_url_ok, "https://", false },
		{ define_url_ok, "https:///x", false },
		{ define_url_ok, "https://user:pw@example.com/", false },
		{ define_url_ok, "http://localhost@example.com/", false },
		{ define_url_ok, "https://example.com/#a", false },
		{ define_url_ok, "https://exam ple.com/", false },
		{ define_url_ok, "https://example.com/a b", false },
		{ define_url_ok, "https://example.com/\r\nX: y", false },
		{ define_url_ok, "https://example.com\\@localhost/", false },
		{ define_url_ok, "https://example.com:0/", false },
		{ define_url_ok, "https://example.com:65536/", false },
		{ define_url_ok, "https://example.com:/", false },
		{ define_url_ok, "https://example.com:8x/", false },
		{ define_url_ok, "https://[::1/", false },
		{ define_url_ok, "https://[::1]x/", false },
		{ define_url_ok, "https://[]/", false },
		{ define_url_ok, "https://[1.2.3.4]/", false },
		{ define_url_ok, "https://\xe4\xbe\x8b\xe5\xad\x90.cn/", false },
		{ define_secret_ok, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", true }, /* 24 bytes */
		{ define_secret_ok, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY=", false }, /* 23 */
		{ define_secret_ok, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3OA==", true },
		{ define_secret_ok, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3OA=", false },
		{ define_secret_ok, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3OB==", false },
		{ define_secret_ok, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", false },
		{ define_secret_ok, "whsec_MDEyMzQ1Njc4OWFi\nY2RlZjAxMjM0NTY3", false },
		{ define_secret_ok, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NT-_", false },
		{ define_secret_ok,
		    "whsec_"
		    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		    "AAAAAAAAAA==",
		    true }, /* 64 */
		{ define_secret_ok,
		    "whsec_"
		    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		    "AAAAAAAAAAA=",
		    false },
		{ define_secret_ok, "whsec_", false },
		{ define_secret_ok, "", false },
	};
	char made[2][DEFINE_SECRET_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (cases[i].check(cases[i].text) != cases[i].ok)
			fail_msg("\"%s\"", cases[i].text);
	define_secret_make(made[0]);
	define_secret_make(made[1]);
	assert_true(define_secret_ok(made[0]));
	assert_string_not_equal(made[0], made[1]);
}

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

/* ---- any body ------------------------------------------------------------------------------ */

static uint32_t
next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* What may stand in a field: right in some, wrong in others. */
static const char *const pool[] = { "null", "true", "false", "0", "1", "-1", "99.5", "1e300",
	"60000", "0.1", "\"\"", "\"a\"", "\"default\"", "\"series\"", "\"probe\"", "\"step\"",
	"\"case\"", "\"mean\"", "\"percentile\"", "\"share\"", "\"rate\"", "\"probe_up\"",
	"\"cpu_pct\"", "\"5m\"", "\"1h\"", "\"low\"", "\"threshold\"", "\"case_open\"",
	"\"no_data\"", "\"critical\"", "\"<\"", "\"email\"", "\"webhook\"", "\"en\"",
	"\"https://example.com/\"", "\"value > 1\"", "\"status = 'x'\"", "\"1 +\"", "\"vip\"", "[]",
	"[\"a\"]", "[\"a\",\"b\"]", "[\"a\",\"a\"]", "[1]", "[[]]", "[\"ops@example.com\"]", "{}",
	"{\"a\":1}", "\"\xe4\xb8\xad\xe6\x96\x87\"", "\"\\u0001\"", "\"a\\\"b\\\\\"" };

static const char *const bases[DEFINE_KINDS][3] = {
	[P] = { "{}", "{\"steps\":[\"a\",\"b\"]}", "{\"done\":\"vip\"}" },
	[K] = { "{" SERIES "}", "{\"source\":\"probe\",\"function\":\"max\"}",
	    "{\"source\":\"step\",\"function\":\"share\",\"condition\":\"vip\"}" },
	[R] = { "{" THRESHOLD "}", "{\"kind\":\"case_open\",\"limit_ms\":60000}",
	    "{\"kind\":\"no_data\",\"after_ms\":60000}" },
	[C] = { "{" MAIL "}", "{" HOOK "}", "{}" },
};

/* A base with some of its fields set to anything, half of the time to a word of theirs. */
static json_t *
random_body(enum define_kind kind, uint32_t *seed)
{
	const struct define_table *t = &define_tables[kind];
	json_t *body = json_loads(bases[kind][next_random(seed) % 3], 0, NULL);

	assert_non_null(body);
	for (uint32_t n = next_random(seed) % 5; n > 0; n--) {
		const struct define_field *f = &t->field[next_random(seed) % t->n];
		const struct define_words *w = f->words;
		json_t *v;

		if (w != NULL && next_random(seed) % 2 == 0)
			v = json_string(
			    w->name(w->first + next_random(seed) % (w->last - w->first + 1)));
		else
			v = json_loads(pool[next_random(seed) % (sizeof(pool) / sizeof(pool[0]))],
			    JSON_DECODE_ANY, NULL);
		assert_int_equal(json_object_set_new(body, f->name, v), 0);
	}
	return body;
}

static char *
canonical_text(enum define_kind kind, const union define_any *a)
{
	struct jsonw w;
	const char *text;
	char *out;

	jsonw_init(&w, 65536);
	jsonw_object(&w, NULL);
	define_write_members(&w, kind, a);
	jsonw_object_end(&w);
	assert_non_null(text = jsonw_text(&w, NULL));
	assert_non_null(out = strdup(text));
	jsonw_free(&w);
	return out;
}

/* Whatever comes is refused with reasons, or has a stored form that reads back to itself. */
static void
any_body_is_refused_or_stores_again_as_it_is(void **state)
{
	union define_any *a = malloc(sizeof(*a)), *again = malloc(sizeof(*again));
	unsigned accepted[DEFINE_KINDS] = { 0 };
	uint32_t seed = 20261128;

	(void)state;
	assert_non_null(a);
	assert_non_null(again);
	for (unsigned i = 0; i < 20000; i++) {
		const enum define_kind kind = (enum define_kind)(i % DEFINE_KINDS);
		json_t *body = random_body(kind, &seed), *stored;
		struct define_errors errs = { 0 };
		struct bl_err err = { 0 };
		char *text, *text_again;

		assert_int_equal(define_parse(kind, body, body, a, &errs, &err), BL_OK);
		for (size_t k = 0; k < errs.n && k < DEFINE_ERRORS_MAX; k++)
			assert_true(errs.e[k].field[0] != '\0' && errs.e[k].expected[0] != '\0');
		if (errs.n == 0) {
			accepted[kind]++;
			text = canonical_text(kind, a);
			assert_non_null(stored = json_loads(text, 0, NULL));
			assert_int_equal(
			    define_parse(kind, stored, stored, again, &errs, &err), BL_OK);
			if (errs.n > 0)
				fail_msg("%s: %s: expected %s", text, errs.e[0].field,
				    errs.e[0].expected);
			text_again = canonical_text(kind, again);
			assert_string_equal(text, text_again);
			define_any_release(kind, again);
			json_decref(stored);
			free(text);
			free(text_again);
		}
		define_any_release(kind, a);
		json_decref(body);
	}
	for (size_t k = 0; k < DEFINE_KINDS; k++)
		assert_in_range(accepted[k], 500, 4900);
	free(a);
	free(again);
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
		cmocka_unit_test_setup_teardown(each_wrong_field_is_told_exactly, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    expressions_are_checked_where_they_stand, setup, teardown),
		cmocka_unit_test_setup_teardown(all_errors_come_in_one_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(stored_form_is_whole_and_stable, setup, teardown),
		cmocka_unit_test_setup_teardown(fields_reach_their_places, setup, teardown),
		cmocka_unit_test_setup_teardown(addresses_and_urls_are_plain_ones, setup, teardown),
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
		cmocka_unit_test(any_body_is_refused_or_stores_again_as_it_is),
		cmocka_unit_test_setup_teardown(
		    each_allocation_that_fails_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
