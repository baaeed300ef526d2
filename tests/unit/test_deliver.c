/* Facts in words, letters, signatures, and where a webhook may go. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control_sql.h"
#include "deliver_internal.h"
#include "outbox.h"

/* ---- words ---- */

#define THRESHOLD                                                                                  \
	"{\"kind\":\"threshold\",\"kpi\":\"api\",\"kpi_name\":\"API failures\",\"unit\":\"pct\","     \
	"\"window\":\"1m\",\"op\":\">\",\"threshold\":2,\"for\":5,\"worst\":33.333333,"               \
	"\"true_windows\":7}"
#define CASE_OPEN                                                                                  \
	"{\"kind\":\"case_open\",\"process\":\"order\",\"process_name\":\"订单\",\"case\":\"4711\"," \
	"\"limit_ms\":1800000,\"begin_unix_ms\":1795824000000,\"deadline_unix_ms\":1795825800000,"     \
	"\"end_unix_ms\":null,\"status\":\"\",\"attrs\":{}}"
#define CASE_DONE                                                                                  \
	"{\"kind\":\"case_open\",\"process\":\"order\",\"case\":\"4711\",\"limit_ms\":1800000,"         \
	"\"begin_unix_ms\":1795824000000,\"end_unix_ms\":1795831200000}"
#define NO_DATA                                                                                    \
	"{\"kind\":\"no_data\",\"device\":\"till-1\",\"last_unix_ms\":1795824000000,"                  \
	"\"after_ms\":600000}"
#define HEAD "{\"site\":\"west\",\"site_name\":\"上海西分店\",\"zone\":\"Asia/Shanghai\","
#define ONE(facts, end)                                                                            \
	"{\"id\":7,\"rule_name\":\"API down\",\"severity\":\"critical\",\"subject\":\"west\","         \
	"\"begin_unix_ms\":1795824000000,\"end_unix_ms\":" end ",\"facts\":" facts "}"

static const struct {
	const char *name, *kind, *facts, *language;
	const char *subject;    /* whole */
	const char *has[5];     /* in the text */
	const char *has_not[2];
} words[] = {
	{ "page, English", "page", HEAD "\"incident\":" ONE(THRESHOLD, "null") "}", "en",
	    "[Alarm · critical] 上海西分店: API down",
	    { "Since: 2026-11-28 08:00:00 +08:00", "API failures was above 2 %",
		" in 7 windows of a minute in a row", "at worst 33.33 %", "https://board/incidents/7" },
	    { "Until", "null" } },
	{ "page, Chinese", "page", HEAD "\"incident\":" ONE(THRESHOLD, "null") "}", "zh-CN",
	    "[告警 · 严重] 上海西分店: API down",
	    { "站点：上海西分店", "API failures 高于 2 %", "连续 7 个 1 分钟 窗口", "开始：2026-11-28 08:00:00" },
	    { "Since", "Why" } },
	{ "ended", "ended", HEAD "\"incident\":" ONE(THRESHOLD, "1795827600000") "}", "en",
	    "[Over · critical] 上海西分店: API down", { "Until: 2026-11-28 09:00:00 +08:00" }, { "null" } },
	{ "withdrawn", "withdrawn", HEAD "\"incident\":" ONE(THRESHOLD, "null") "}", "en",
	    "[Withdrawn · critical] 上海西分店: API down", { "did not hold" }, { "above 2" } },
	{ "a case, open", "page", HEAD "\"incident\":" ONE(CASE_OPEN, "null") "}", "zh-CN",
	    "[告警 · 严重] 上海西分店: API down", { "流程 订单 的单据 4711 未在 30 分钟 内完成，目前仍未结束。" },
	    { "%" } },
	{ "a case, done", "page", HEAD "\"incident\":" ONE(CASE_DONE, "1795831200000") "}", "en",
	    "[Alarm · critical] 上海西分店: API down",
	    { "Case 4711 of process order was not done within 30 min; it took 2 h 0 min." }, { "%" } },
	{ "no data", "page", HEAD "\"incident\":" ONE(NO_DATA, "null") "}", "en",
	    "[Alarm · critical] 上海西分店: API down",
	    { "Nothing has come from device till-1 since 2026-11-28 08:00:00 +08:00 (limit 10 min)." },
	    { "down." } },
	{ "digest", "digest",
	    HEAD "\"incidents\":[" ONE(THRESHOLD, "1795827600000") "," ONE(CASE_DONE, "1795831200000") "]}",
	    "en", "[What happened] 上海西分店 (2)",
	    { "2 incident(s) became known after the fact", "2026-11-28 08:00:00 +08:00 – 2026-11-28 09:00",
		"[critical] API down", "https://board/incidents?site=west" },
	    { "null" } },
	{ "a test", "test", "{}", "zh-CN", "[测试] Branchline", { "已成功送达" }, { "Sent" } },
	{ "an unknown zone is UTC", "page",
	    "{\"zone\":\"Nowhere/Land\",\"incident\":" ONE(THRESHOLD, "null") "}", "en",
	    "[Alarm · critical] : API down", { "Since: 2026-11-28 00:00:00 +00:00" }, { NULL } },
	{ "facts without anything", "page", "{\"incident\":{}}", "en", "[Alarm · info] : ", { "Site: " },
	    { "(null)" } },
};

static void
facts_become_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct deliver_text t;
		struct bl_err err = { 0 };

		if (deliver_render(&t, words[i].kind, words[i].facts, words[i].language,
			"https://board", &err) != BL_OK)
			fail_msg("%s: %s", words[i].name, err.msg);
		assert_string_equal(t.subject, words[i].subject);
		for (size_t k = 0; k < 5 && words[i].has[k] != NULL; k++)
			if (strstr(t.text, words[i].has[k]) == NULL)
				fail_msg("%s: no \"%s\" in\n%s", words[i].name, words[i].has[k], t.text);
		for (size_t k = 0; k < 2 && words[i].has_not[k] != NULL; k++)
			if (strstr(t.text, words[i].has_not[k]) != NULL)
				fail_msg("%s: \"%s\" in\n%s", words[i].name, words[i].has_not[k], t.text);
		deliver_text_free(&t);
	}
}

static void
bad_facts_are_an_error(void **state)
{
	static const char *const bad[] = { "", "[]", "{", "null", "{\"a\":1,\"a\":2}" };
	struct deliver_text t;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bl_err err = { 0 };

		assert_int_equal(
		    deliver_render(&t, "page", bad[i], "en", NULL, &err), BL_ECORRUPT);
		assert_null(t.text);
	}
}

static void
a_subject_is_one_line_cut_at_a_character(void **state)
{
	char facts[4096], name[1500] = "";
	struct deliver_text t;
	struct bl_err err = { 0 };
	size_t len;

	(void)state;
	for (int i = 0; i < 120; i++)
		strcat(name, "站点");
	(void)snprintf(facts, sizeof(facts),
	    "{\"site_name\":\"%s\",\"incident\":{\"rule_name\":\"a\\r\\nBcc: x@example.org\"}}", name);
	assert_int_equal(deliver_render(&t, "page", facts, "en", NULL, &err), BL_OK);
	len = strlen(t.subject);
	assert_true(len <= DELIVER_SUBJECT_MAX && len > DELIVER_SUBJECT_MAX - 4);
	assert_int_equal((len - strlen("[Alarm · info] ")) % 3, 0);
	deliver_text_free(&t);
	assert_int_equal(deliver_render(&t, "page",
			     "{\"site_name\":\"s\",\"incident\":{\"rule_name\":\"a\\r\\nBcc: x\"}}", "en",
			     NULL, &err),
	    BL_OK);
	assert_null(strpbrk(t.subject, "\r\n"));
	deliver_text_free(&t);
}

/* What a device calls a case must not look like a line that we wrote. */
static void
names_cannot_write_lines_of_their_own(void **state)
{
	static const char *const evil[] = { "\\nMore: https://evil.example", "\\r\\nMore: x", "\\u0085x",
		"\\u2028x", "\\u202ex", "\\u2066x", "\\u200fx", "\\u007fx" };
	static const char *const raw[] = { "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xae", "\xe2\x81\xa6",
		"\xe2\x80\x8f", "\x7f", "\r", "\nMore: https://evil" };
	struct deliver_text t;

	(void)state;
	for (size_t i = 0; i < sizeof(evil) / sizeof(evil[0]); i++)
		for (int digest = 0; digest < 2; digest++) {
			char facts[1024];
			struct bl_err err = { 0 };

			(void)snprintf(facts, sizeof(facts),
			    "{\"site_name\":\"s%s\",\"%s\":%s{\"rule_name\":\"r%s\",\"facts\":{\"kind\":"
			    "\"case_open\",\"case\":\"4711%s\",\"process\":\"店“单”%s\"}}%s}",
			    evil[i], digest ? "incidents" : "incident", digest ? "[" : "", evil[i],
			    evil[i], evil[i], digest ? "]" : "");
			assert_int_equal(deliver_render(&t, digest ? "digest" : "page", facts, "en",
					     "https://board", &err),
			    BL_OK);
			for (size_t k = 0; k < sizeof(raw) / sizeof(raw[0]); k++)
				if (strstr(t.text, raw[k]) != NULL || strstr(t.subject, raw[k]) != NULL)
					fail_msg("%s in\n%s\n%s", evil[i], t.subject, t.text);
			assert_non_null(strstr(t.text, "店“单”"));
			assert_non_null(strstr(t.text, "\nMore: https://board/incidents"));
			deliver_text_free(&t);
		}
}

/* ---- a letter ---- */

static void
a_letter_is_well_formed_and_the_same_each_time(void **state)
{
	static struct define_channel channel = { .kind = DEFINE_EMAIL, .n_to = 2,
		.to = { "a@example.org", "b@example.org" } };
	const struct deliver_opts opts = { .smtp_from = "branchline@example.org" };
	struct deliver_text text = { .subject = "[告警] 上海西分店 an English tail that makes it long enough" };
	struct deliver_letter l = { .key = "page/7/ops", .kind = "page",
		.created_unix_ms = 1795824000000, .text = &text, .channel = &channel };
	char *first, *second, *end;

	(void)state;
	text.text = strdup("one\ntwo 三\n");
	first = deliver_mail_text(&opts, &l);
	second = deliver_mail_text(&opts, &l);
	assert_string_equal(first, second);
	assert_non_null(strstr(first, "Date: Sat, 28 Nov 2026 00:00:00 +0000\r\n"));
	assert_non_null(strstr(first, "To: <a@example.org>,\r\n <b@example.org>\r\n"));
	assert_non_null(strstr(first, "Message-ID: <msg_"));
	assert_non_null(strstr(first, "@example.org>\r\nMIME-Version: 1.0\r\n"));
	assert_non_null(strstr(first, "\r\n\r\nb25lDQp0d28g5LiJDQo=\r\n"));
	for (char *line = first; *line != '\0'; line = end + 2) {
		end = strstr(line, "\r\n");
		assert_non_null(end);
		assert_true(end - line <= 78);
		for (char *p = line; p < end; p++)
			assert_true(*p > 0 && *p != '\n' && *p != '\r');
	}
	l.key = "page/8/ops";
	free(second);
	second = deliver_mail_text(&opts, &l);
	assert_string_not_equal(first, second);
	free(first);
	free(second);
	deliver_text_free(&text);
}

/* ---- webhooks ---- */

static void
signatures_are_those_of_standard_webhooks(void **state)
{
	char out[64], id[40], other[40];

	(void)state;
	/* Worked out with Python's hmac from the specification's example. */
	assert_true(deliver_sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	    "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}", out));
	assert_string_equal(out, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	assert_false(deliver_sign("whsec_not base64!", "msg_1", 1, "{}", out));
	deliver_webhook_id("page/7/ops", id);
	deliver_webhook_id("page/7/ops", other);
	assert_string_equal(id, other);
	deliver_webhook_id("page/8/ops", other);
	assert_string_not_equal(id, other);
}

static void
only_public_addresses_may_be_dialled(void **state)
{
	static const struct {
		const char *address;
		bool may;
	} cases[] = {
		{ "1.1.1.1", true }, { "8.8.8.8", true }, { "172.15.255.255", true },
		{ "172.32.0.1", true }, { "100.63.255.255", true }, { "2606:4700::1111", true },
		{ "0.0.0.0", false }, { "10.1.2.3", false }, { "127.0.0.1", false },
		{ "127.255.255.254", false }, { "169.254.169.254", false }, { "172.16.0.1", false },
		{ "172.31.255.255", false }, { "192.168.1.1", false }, { "100.64.0.1", false },
		{ "198.18.0.1", false }, { "224.0.0.1", false }, { "255.255.255.255", false },
		{ "::", false }, { "::1", false }, { "fe80::1", false }, { "fc00::1", false },
		{ "ff02::1", false }, { "::ffff:127.0.0.1", false }, { "::ffff:10.0.0.1", false },
		{ "::ffff:8.8.8.8", true }, { "64:ff9b::7f00:1", false }, { "2002:7f00:1::", false },
		{ "2001:db8::1", false }, { "2001::1", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int family = strchr(cases[i].address, ':') != NULL ? AF_INET6 : AF_INET;
		uint8_t bytes[16];

		assert_int_equal(inet_pton(family, cases[i].address, bytes), 1);
		if (deliver_address_public(family, bytes) != cases[i].may)
			fail_msg("%s", cases[i].address);
	}
}

static void
a_target_inside_is_refused_unless_allowed(void **state)
{
	static const char *const inside[] = { "https://127.0.0.1:9/x", "https://localhost/x",
		"http://[::1]:80/", "https://2130706433/", "https://0x7f000001/", "https://127.1/",
		"https://user@127.0.0.1/", "https://[::ffff:127.0.0.1]/" };
	char resolve[1024], why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		why[0] = '\0';
		if (deliver_target(inside[i], false, resolve, sizeof(resolve), why, sizeof(why)))
			fail_msg("%s is let through to %s", inside[i], resolve);
		assert_true(why[0] != '\0');
	}
	assert_true(deliver_target(
	    "https://127.0.0.1:9/x", true, resolve, sizeof(resolve), why, sizeof(why)));
	assert_string_equal(resolve, "127.0.0.1:9:127.0.0.1");
	assert_true(deliver_target(
	    "http://[::1]:9/x", true, resolve, sizeof(resolve), why, sizeof(why)));
	assert_string_equal(resolve, ""); /* curl cannot read an entry for it, and needs none */
	assert_false(deliver_target("not a url", true, resolve, sizeof(resolve), why, sizeof(why)));
}

static void
tries_grow_apart_up_to_ten_minutes(void **state)
{
	int64_t last = 0;

	(void)state;
	for (int64_t tries = 0; tries < 100; tries++) {
		const int64_t low = deliver_backoff_ms(5000, tries, 0),
			      high = deliver_backoff_ms(5000, tries, 999);

		assert_true(low >= 2500 && low <= high && high <= 600000 && low >= last);
		last = low;
	}
	assert_int_equal(last, 300000);
}

/* ---- whose turn it is ---- */

#define NOW 1795824000000

struct queue {
	sqlite3 *db;
	struct control *c;
	char dir[32], path[64];
	struct deliver_rests rests;
	struct deliver_row row[DELIVER_BATCH];
	size_t n;
};

struct filling {
	const char *channel, *kind;
	unsigned n;
	int64_t due;
};

static int
fill(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const struct filling *f = ctx;
	static unsigned made;
	int rc = BL_OK;

	control_tx_unaudited(tx);
	for (unsigned i = 0; i < f->n && rc >= 0; i++) {
		char key[64];
		const struct outbox_new m = {
			.key = key, .channel = f->channel, .kind = f->kind, .site = "", .facts = "{}"
		};

		(void)snprintf(key, sizeof(key), "%s/%u", f->kind, made++);
		rc = outbox_put(control_tx_db(tx), &m, f->due, err);
	}
	return rc < 0 ? rc : BL_OK;
}

static void
put_messages(struct queue *q, const char *channel, const char *kind, unsigned n, int64_t due)
{
	const struct control_actor actor = { "system", "" };
	struct filling f = { channel, kind, n, due };
	struct bl_err err = { 0 };

	if (control_write(q->c, &actor, fill, &f, &err) < 0)
		fail_msg("%s", err.msg);
}

static unsigned
due_of(struct queue *q, const char *channel, int64_t now)
{
	struct bl_err err = { 0 };
	unsigned n = 0;

	deliver_rows_free(q->row, q->n);
	if (deliver_due(q->row, &q->n, q->db, &q->rests, now, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < q->n; i++)
		n += strcmp(q->row[i].channel, channel) == 0;
	return n;
}

static int
queue_open(void **state)
{
	struct queue *q = calloc(1, sizeof(*q));
	struct control_opts opts = { .clock = bl_clock_real() };
	struct bl_err err = { 0 };

	*state = q;
	if (q == NULL)
		return -1;
	(void)snprintf(q->dir, sizeof(q->dir), "/tmp/bl-deliver-XXXXXX");
	if (mkdtemp(q->dir) == NULL)
		return -1;
	(void)snprintf(q->path, sizeof(q->path), "%s/control.db", q->dir);
	opts.path = q->path;
	if (control_open(&q->c, &opts, &err) < 0)
		return -1;
	return control_reader_open(q->c, &q->db, &err);
}

static int
queue_close(void **state)
{
	struct queue *q = *state;

	deliver_rows_free(q->row, q->n);
	control_reader_close(q->db);
	control_close(q->c);
	(void)unlink(q->path);
	(void)rmdir(q->dir);
	free(q);
	return 0;
}

static void
many_messages_for_a_dead_receiver_do_not_hold_up_the_others(void **state)
{
	struct queue *q = *state;

	put_messages(q, "dead", "page", 1000, NOW - 60000);
	put_messages(q, "good", "page", 2, NOW);
	assert_int_equal(due_of(q, "good", NOW), 2);
	assert_int_equal(due_of(q, "dead", NOW), DELIVER_BATCH - 2);
	assert_string_not_equal(q->row[0].channel, q->row[1].channel);
}

static void
a_channel_that_failed_rests(void **state)
{
	struct queue *q = *state;

	put_messages(q, "dead", "page", 20, NOW - 60000);
	deliver_failed(&q->rests, "dead", NOW + 5000);
	deliver_failed(&q->rests, "dead", NOW + 10000);
	assert_int_equal(deliver_failures(&q->rests, "dead"), 2);
	assert_int_equal(due_of(q, "dead", NOW), 0);
	assert_int_equal(due_of(q, "dead", NOW + 9999), 0);
	assert_int_equal(due_of(q, "dead", NOW + 10000), DELIVER_BATCH);
	/* a clock that was set back by a day */
	assert_int_equal(due_of(q, "dead", NOW + 10000 - DELIVER_REST_MAX_MS - 1), 0);
	put_messages(q, "dead", "page", 1, NOW - 86400000);
	assert_int_equal(due_of(q, "dead", NOW - 86400000), 1);
	deliver_worked(&q->rests, "dead");
	assert_int_equal(deliver_failures(&q->rests, "dead"), 0);
	assert_int_equal(due_of(q, "dead", NOW), DELIVER_BATCH);
}

static void
a_test_message_is_tried_at_once_also_on_a_channel_that_rests(void **state)
{
	struct queue *q = *state;

	put_messages(q, "dead", "page", 20, NOW - 60000);
	put_messages(q, "dead", "test", 1, NOW);
	deliver_failed(&q->rests, "dead", NOW + 5000);
	assert_int_equal(due_of(q, "dead", NOW), 1);
	assert_string_equal(q->row[0].kind, "test");
	deliver_worked(&q->rests, "dead");
	assert_int_equal(due_of(q, "dead", NOW), DELIVER_BATCH);
	assert_string_equal(q->row[0].kind, "test");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts_become_words),
		cmocka_unit_test(bad_facts_are_an_error),
		cmocka_unit_test(a_subject_is_one_line_cut_at_a_character),
		cmocka_unit_test(names_cannot_write_lines_of_their_own),
		cmocka_unit_test(a_letter_is_well_formed_and_the_same_each_time),
		cmocka_unit_test(signatures_are_those_of_standard_webhooks),
		cmocka_unit_test(only_public_addresses_may_be_dialled),
		cmocka_unit_test(a_target_inside_is_refused_unless_allowed),
		cmocka_unit_test(tries_grow_apart_up_to_ten_minutes),
		cmocka_unit_test_setup_teardown(
		    many_messages_for_a_dead_receiver_do_not_hold_up_the_others, queue_open,
		    queue_close),
		cmocka_unit_test_setup_teardown(
		    a_channel_that_failed_rests, queue_open, queue_close),
		cmocka_unit_test_setup_teardown(
		    a_test_message_is_tried_at_once_also_on_a_channel_that_rests, queue_open,
		    queue_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
