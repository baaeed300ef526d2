/* Bodies of definitions: every error in one answer and in its place; what is stored is whole. */
#include "define_kit.h"

/* ---- bodies ------------------------------------------------------------------ */

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
		cmocka_unit_test(any_body_is_refused_or_stores_again_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
