/*
 * HTTP probes against servers of others (tests/data/probe/http_server.py):
 * methods and bodies, secrets, redirects, what a body must hold, compressed
 * and chunked answers, HTTP/1.0.
 */
#include "probe_harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	pid_t pid;
	int to; /* its standard input: closing ends it */
	FILE *from;
	uint16_t port[2]; /* HTTP/1.1, HTTP/1.0 */
	char secret[64];
} peer;

static int
start(void **state)
{
	char *argv[] = { "/usr/bin/python3", BL_TEST_DATA "/probe/http_server.py", NULL };
	int in[2];
	int out[2];
	char text[64];
	unsigned n = 0;

	(void)state;
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return -1;
	if ((peer.pid = fork()) == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execv(argv[0], argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	peer.to = in[1];
	peer.from = fdopen(out[0], "r");
	while (fgets(text, sizeof(text), peer.from) != NULL && strcmp(text, "ready\n") != 0)
		peer.port[n++] = (uint16_t)strtoul(text + 5, NULL, 10);
	snprintf(peer.secret, sizeof(peer.secret), "/tmp/bl-secret-XXXXXX");
	close(mkstemp(peer.secret));
	return n == 2 ? 0 : -1;
}

static int
stop(void **state)
{
	(void)state;
	close(peer.to);
	waitpid(peer.pid, NULL, 0);
	fclose(peer.from);
	return unlink(peer.secret);
}

static void
secret_write(const char *text, mode_t mode)
{
	FILE *f = fopen(peer.secret, "w");

	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(peer.secret, mode), 0);
}

/* %u in the path stands for the port of the HTTP/1.1 server. */
static void
probe_peer(struct probe *p, unsigned which, const char *path)
{
	const char *mark = strstr(path, "%u");
	char url[300];
	char full[200];

	if (mark != NULL)
		snprintf(full, sizeof(full), "%.*s%u%s", (int)(mark - path), path, peer.port[0],
		    mark + 2);
	else
		snprintf(full, sizeof(full), "%s", path);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", peer.port[which], full);
	probe_set(p, url);
}

static void
expect(const struct probe_result *r, const char *what, enum probe_reason reason, const char *detail)
{
	if (r->reason != reason || strstr(r->detail, detail) == NULL)
		fail_msg("%s: %s \"%s\"", what, probe_reason_name(r->reason), r->detail);
}

/* ---- methods, bodies, headers ---- */

static void
methods_and_bodies_arrive(void **state)
{
	static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE",
		"OPTIONS" };
	static char body[] = "{\"order\": \"4711\"}";

	(void)state;
	for (int m = PROBE_GET; m <= PROBE_OPTIONS; m++) {
		struct probe p;
		struct probe_result r;

		probe_peer(&p, 0, "/echo");
		p.conf.method = m;
		if (m > PROBE_HEAD)
			p.conf.body = body;
		if (m != PROBE_HEAD)
			snprintf(p.body, sizeof(p.body), "\"method\": \"%s\", \"body\": \"%s\"",
			    names[m], m > PROBE_HEAD ? "{\\\"order\\\": \\\"4711\\\"}" : "");
		r = run(&p, 1);
		expect(&r, names[m], PROBE_OK, "");
		assert_string_equal(got(&r), m == PROBE_HEAD ? "H-H-HHHH---" : "H-H-HHHHHH-");
	}
}

/* ---- secrets ---- */

static void
secrets_are_sent_and_their_files_looked_at(void **state)
{
	static char user[] = "till";
	static const struct {
		int auth;
		const char *path, *text;
		mode_t mode;
		const char *body;
		enum probe_reason reason;
		const char *detail;
	} c[] = {
		{ PROBE_AUTH_BASIC, "/basic", "s3cret\n", 0600, "welcome", PROBE_OK, "" },
		{ PROBE_AUTH_BASIC, "/basic", "s3cret", 0400, "welcome", PROBE_OK, "" },
		{ PROBE_AUTH_BASIC, "/basic", "wrong\n", 0600, "", PROBE_FAIL_STATUS, "401" },
		{ PROBE_AUTH_NONE, "/basic", "s3cret\n", 0600, "", PROBE_FAIL_STATUS, "401" },
		{ PROBE_AUTH_BEARER, "/echo", "abc.def\nrest", 0600, "\"Bearer abc.def\"", PROBE_OK,
		    "" },
		{ PROBE_AUTH_BEARER, "/echo", "abc\n", 0640, "", PROBE_FAIL_NOT_ALLOWED,
		    "can be read by others (mode 640)" },
		{ PROBE_AUTH_BEARER, "/echo", "abc\n", 0604, "", PROBE_FAIL_NOT_ALLOWED,
		    "can be read by others" },
		{ PROBE_AUTH_BEARER, "/echo", "\nabc\n", 0600, "", PROBE_FAIL_NOT_ALLOWED,
		    "first line is empty" },
		{ PROBE_AUTH_BEARER, "/echo", "a\x01z\n", 0600, "", PROBE_FAIL_NOT_ALLOWED,
		    "control characters" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		struct probe p;
		struct probe_result r;

		secret_write(c[i].text, 0600);
		assert_int_equal(chmod(peer.secret, c[i].mode), 0);
		probe_peer(&p, 0, c[i].path);
		p.conf.auth = c[i].auth;
		p.conf.user = c[i].auth == PROBE_AUTH_BASIC ? user : NULL;
		p.conf.secret_file = peer.secret;
		strcpy(p.body, c[i].body);
		r = run(&p, 1);
		expect(&r, c[i].text, c[i].reason, c[i].detail);
		/* What we could not ask says nothing about the service. */
		if (c[i].reason == PROBE_FAIL_NOT_ALLOWED)
			assert_int_equal(r.value[PROBE_UP].got, PROBE_MISSING);
		assert_int_equal(chmod(peer.secret, 0600), 0);
	}
}

static void
a_secret_of_somebody_else_is_refused(void **state)
{
	struct probe p;
	struct probe_result r;

	(void)state;
	if (geteuid() != 0) {
		printf("skipped: only root can give a file away\n");
		skip();
	}
	secret_write("abc\n", 0600);
	assert_int_equal(chown(peer.secret, 65534, 65534), 0);
	probe_peer(&p, 0, "/echo");
	p.conf.auth = PROBE_AUTH_BEARER;
	p.conf.secret_file = peer.secret;
	r = run(&p, 1);
	expect(&r, "somebody else's", PROBE_FAIL_NOT_ALLOWED, "belongs to somebody else");
	assert_int_equal(chown(peer.secret, 0, 0), 0);
}

static void
turn(unsigned n)
{
	if (n == 2)
		secret_write("s3cret\n", 0600);
}

static void
a_new_secret_is_used_at_once(void **state)
{
	static struct results all;
	static char user[] = "till";
	struct prober *pr;
	struct probe p;

	(void)state;
	secret_write("old\n", 0600);
	probe_peer(&p, 0, "/basic");
	p.conf.auth = PROBE_AUTH_BASIC;
	p.conf.user = user;
	p.conf.secret_file = peer.secret;
	p.conf.keep_alive = true;
	results_init(&all);
	all.jump_each_ms = p.conf.interval_ms;
	all.after = turn;
	pr = prober_of(&p.conf, 1, &all);
	results_wait(&all, 3);
	prober_stop(pr);
	assert_int_equal(all.r[1].reason, PROBE_FAIL_STATUS);
	assert_int_equal(all.r[2].reason, PROBE_OK);
}

/* ---- redirects ---- */

static void
redirects_are_followed_as_far_as_they_may(void **state)
{
	static char body[] = "b0dy";
	static const struct {
		const char *path;
		int64_t redirects;
		int method;
		enum probe_reason reason;
		const char *expect, *detail;
		double followed;
	} c[] = {
		{ "/down/1", 1, PROBE_GET, PROBE_OK, "\"/down/echo?down\"", "", 1 },
		{ "/down/3", 5, PROBE_GET, PROBE_OK, "\"/down/echo?down\"", "", 3 },
		{ "/down/4", 3, PROBE_GET, PROBE_FAIL_REDIRECT, "", "after 3 redirects already",
		    3 },
		{ "/nowhere", 3, PROBE_GET, PROBE_FAIL_REDIRECT, "", "there is no Location", 0 },
		{ "/to/302/ftp://x/", 3, PROBE_GET, PROBE_FAIL_REDIRECT, "", "neither http nor",
		    0 },
		{ "/to/302/http://localhost:%u/echo", 3, PROBE_GET, PROBE_OK, "\"/echo\"", "", 1 },
		{ "/to/302//../x/./y?z", 3, PROBE_GET, PROBE_OK, "\"/x/y?z\"", "", 1 },
		{ "/to/301//echo", 1, PROBE_POST, PROBE_OK, "\"GET\", \"body\": \"\"", "", 1 },
		{ "/to/303//echo", 1, PROBE_PUT, PROBE_OK, "\"GET\", \"body\": \"\"", "", 1 },
		{ "/to/307//echo", 1, PROBE_POST, PROBE_OK, "\"POST\", \"body\": \"b0dy\"", "", 1 },
		{ "/to/308//echo", 1, PROBE_PUT, PROBE_OK, "\"PUT\", \"body\": \"b0dy\"", "", 1 },
		{ "/to/307/http://localhost:%u/echo", 1, PROBE_POST, PROBE_FAIL_REDIRECT, "",
		    "to another server", 0 },
		{ "/to/302/http://127.0.0.2:%u/", 1, PROBE_GET, PROBE_FAIL_REFUSED, "", "127.0.0.2",
		    1 },
		{ "/to/302/http://nowhere.test/", 1, PROBE_GET, PROBE_FAIL_DNS, "", "nowhere.test",
		    1 },
		{ "/to/302//basic", 1, PROBE_GET, PROBE_FAIL_STATUS, "", "redirect 1", 1 },
	};

	(void)state;
	for (unsigned kept = 0; kept < 2; kept++)
		for (size_t i = 0; i < COUNT(c); i++) {
			struct probe p;
			struct probe_result r;

			if (kept == 1 && c[i].method == PROBE_POST)
				continue;
			probe_peer(&p, 0, c[i].path);
			p.conf.redirects = c[i].redirects;
			p.conf.keep_alive = kept == 1;
			p.conf.method = c[i].method;
			p.conf.body = c[i].method == PROBE_GET ? NULL : body;
			strcpy(p.body, c[i].expect);
			r = run(&p, 1);
			expect(&r, c[i].path, c[i].reason, c[i].detail);
			assert_int_equal(r.value[PROBE_REDIRECTS].got, PROBE_HAVE);
			if (r.value[PROBE_REDIRECTS].v < c[i].followed ||
			    r.value[PROBE_REDIRECTS].v > c[i].followed)
				fail_msg("%s: %g redirects", c[i].path, r.value[PROBE_REDIRECTS].v);
		}
}

/* The times of all servers on the way are in the phases; none is in two of them. */
static void
phases_add_up_over_redirects(void **state)
{
	struct probe p;
	struct probe_result r;
	double sum = 0;

	(void)state;
	probe_peer(&p, 0, "/to/302/http://localhost:%u/down/2");
	p.conf.redirects = 5;
	r = run(&p, 1);
	expect(&r, "three", PROBE_OK, "");
	assert_string_equal(got(&r), "HHH-HHHHH--"); /* only the second server has a name */
	for (unsigned i = PROBE_DNS_MS; i <= PROBE_TRANSFER_MS; i++)
		sum += r.value[i].got == PROBE_HAVE ? r.value[i].v : 0;
	assert_true(sum <= r.value[PROBE_TOTAL_MS].v + 0.1);
	assert_true(r.value[PROBE_STATUS_CODE].v == 200);

	/* The first server takes 0.2 s to its first byte, the last one does not. */
	probe_peer(&p, 0, "/slow/302//echo");
	p.conf.redirects = 1;
	r = run(&p, 1);
	expect(&r, "slow", PROBE_OK, "");
	assert_true(r.value[PROBE_FIRST_BYTE_MS].v >= 199);
}

static void
headers_and_secrets_stay_with_their_server(void **state)
{
	static char key[] = "X-Test";
	static char value[] = "private";
	char *keys[] = { key };
	char *values[] = { value };
	static const struct {
		const char *path, *expect;
	} c[] = {
		{ "/to/302//echo", "\"authorization\": \"Bearer tok\", \"x-test\": \"private\"" },
		{ "/to/302/http://localhost:%u/echo", "\"authorization\": \"\", \"x-test\": \"\"" },
	};

	(void)state;
	secret_write("tok\n", 0600);
	for (size_t i = 0; i < COUNT(c); i++) {
		struct probe p;
		struct probe_result r;

		probe_peer(&p, 0, c[i].path);
		p.conf.redirects = 1;
		p.conf.headers = (struct bl_conf_strmap){ 1, keys, values };
		p.conf.auth = PROBE_AUTH_BEARER;
		p.conf.secret_file = peer.secret;
		strcpy(p.body, c[i].expect);
		r = run(&p, 1);
		expect(&r, c[i].path, PROBE_OK, "");
	}
}

/* With keep_alive the run begins where it is configured, whatever the last one ended at. */
static void
every_run_begins_at_its_own_address(void **state)
{
	static const char *const paths[] = { "/down/2", "/to/302/http://localhost:%u/echo" };

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		static struct results all;
		struct prober *pr;
		struct probe p;

		probe_peer(&p, 0, paths[i]);
		p.conf.redirects = 2;
		p.conf.keep_alive = true;
		results_init(&all);
		all.jump_each_ms = p.conf.interval_ms;
		pr = prober_of(&p.conf, 1, &all);
		results_wait(&all, 4);
		prober_stop(pr);
		for (unsigned k = 0; k < 4; k++) {
			expect(&all.r[k], paths[i], PROBE_OK, "");
			assert_true(all.r[k].value[PROBE_REDIRECTS].v > 0);
			assert_int_equal(all.r[k].reused, i == 0 && k > 0);
		}
	}
}

/* ---- bodies ---- */

static void
bodies_hold_what_they_must(void **state)
{
	static const struct {
		const char *path, *text, *regex, *place, *value;
		enum probe_reason reason;
		const char *detail;
	} c[] = {
		{ "/chunked", "GREEN 17", NULL, NULL, NULL, PROBE_OK, "" },
		{ "/chunked", "", "^state: (GREEN|YELLOW) \\d+$", NULL, NULL, PROBE_OK, "" },
		{ "/chunked", "", "^state: RED", NULL, NULL, PROBE_FAIL_BODY, "does not match" },
		{ "/chunked", "line", "^last line$", NULL, NULL, PROBE_OK, "" },
		{ "/status", "", NULL, "status", "ok", PROBE_OK, "" },
		{ "/status", "", NULL, "status", "down", PROBE_FAIL_BODY,
		    "status is ok, expected down" },
		{ "/status", "", NULL, "checks[1].state", "!= up", PROBE_OK, "" },
		{ "/status", "", NULL, "n", "< 5", PROBE_FAIL_BODY,
		    "n is 5, expected less than 5" },
		{ "/not-json", "", NULL, "status", "ok", PROBE_FAIL_BODY, "the body" },
		{ "/encoded/gzip", "\"up\"", "\"on\": true", "n", ">= 5", PROBE_OK, "" },
		{ "/encoded/deflate", "\"up\"", NULL, NULL, NULL, PROBE_OK, "" },
		{ "/encoded/deflate-raw", "\"up\"", "\"on\": true", "n", ">= 5", PROBE_OK, "" },
		{ "/encoded/gzip-chunked", "", NULL, "part", "0.5", PROBE_OK, "" },
		{ "/encoded/two-members", "", NULL, "checks[0].state", "up", PROBE_OK, "" },
		{ "/encoded/damaged", "up", NULL, NULL, NULL, PROBE_FAIL_BODY, "damaged" },
		{ "/encoded/short", "never", NULL, NULL, NULL, PROBE_FAIL_BODY, "too early" },
		{ "/encoded/br", "up", NULL, NULL, NULL, PROBE_FAIL_BODY, "another way" },
		{ "/encoded/br", "", NULL, NULL, NULL, PROBE_OK, "" },
		{ "/encoded/bomb", "needle", NULL, NULL, NULL, PROBE_FAIL_BODY,
		    "first 65536 bytes" },
		{ "/encoded/bomb", "", "x$", NULL, NULL, PROBE_FAIL_BODY, "first 65536 bytes" },
		{ "/long", "", "x$", NULL, NULL, PROBE_FAIL_BODY, "first 65536 bytes" },
		{ "/long", "", NULL, "x", "1", PROBE_FAIL_BODY, "longer than body_max" },
	};

	(void)state;
	for (unsigned which = 0; which < 2; which++)
		for (size_t i = 0; i < COUNT(c); i++) {
			struct probe p;
			struct probe_result r;
			char regex[64];
			char *key = (char *)(uintptr_t)c[i].place;
			char *value = (char *)(uintptr_t)c[i].value;

			if (which == 1 && strstr(c[i].path, "chunked") != NULL)
				continue; /* HTTP/1.0 has none */
			probe_peer(&p, which, c[i].path);
			strcpy(p.body, c[i].text);
			if (c[i].regex != NULL) {
				snprintf(regex, sizeof(regex), "%s", c[i].regex);
				p.conf.expect_regex = regex;
			}
			if (key != NULL)
				p.conf.expect_json = (struct bl_conf_strmap){ 1, &key, &value };
			r = run(&p, 1);
			expect(&r, c[i].path, c[i].reason, c[i].detail);
			if (c[i].text[0] != '\0' || c[i].regex != NULL || key != NULL)
				assert_true(r.value[PROBE_BODY_MATCH].v ==
					    (c[i].reason == PROBE_OK ? 1 : 0));
		}
}

static void
compressed_answers_are_asked_for_where_wanted(void **state)
{
	(void)state;
	for (unsigned on = 0; on < 2; on++) {
		struct probe p;
		struct probe_result r;

		probe_peer(&p, 0, "/echo");
		p.conf.compressed = on == 1;
		strcpy(p.body, on == 1 ? "\"accept-encoding\": \"gzip, deflate\""
				       : "\"accept-encoding\": \"\"");
		r = run(&p, 1);
		expect(&r, "echo", PROBE_OK, "");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(methods_and_bodies_arrive),
		cmocka_unit_test(secrets_are_sent_and_their_files_looked_at),
		cmocka_unit_test(a_secret_of_somebody_else_is_refused),
		cmocka_unit_test(a_new_secret_is_used_at_once),
		cmocka_unit_test(redirects_are_followed_as_far_as_they_may),
		cmocka_unit_test(phases_add_up_over_redirects),
		cmocka_unit_test(headers_and_secrets_stay_with_their_server),
		cmocka_unit_test(every_run_begins_at_its_own_address),
		cmocka_unit_test(bodies_hold_what_they_must),
		cmocka_unit_test(compressed_answers_are_asked_for_where_wanted),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
