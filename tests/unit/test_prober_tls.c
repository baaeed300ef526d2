/*
 * HTTPS probes against servers with good and bad certificates, made for the
 * test and served by another TLS library (tests/data/probe).
 */
#include "probe_harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A handshake has to fit, also on a small machine, or one that is played (tests/cross). */
#ifdef __x86_64__
#define INTERVAL_MS 2500
#else
#define INTERVAL_MS 4000
#endif
#define JUMPED_MS 20000 /* of a clock that is put forward: nobody waits for it */

static const char *const certificates[] = { "good", "expired", "future", "other-ca", "other-host",
	"self-signed" };

static struct {
	char dir[128];
	uint16_t port[COUNT(certificates)];
	pid_t pid;
	int to; /* its standard input: closing ends it */
	FILE *from;
} tls;

static void
tls_exec(int in, int out)
{
	static char files[2 * COUNT(certificates)][200];
	char *argv[3 + 2 * COUNT(certificates)] = { "/usr/bin/python3",
		BL_TEST_DATA "/probe/tls_server.py" };

	for (size_t i = 0; i < COUNT(certificates); i++) {
		snprintf(files[2 * i], sizeof(files[0]), "%s/%s.pem", tls.dir, certificates[i]);
		snprintf(files[2 * i + 1], sizeof(files[0]), "%s/%s.key", tls.dir, certificates[i]);
		argv[2 + 2 * i] = files[2 * i];
		argv[3 + 2 * i] = files[2 * i + 1];
	}
	dup2(in, 0);
	dup2(out, 1);
	execv(argv[0], argv);
	_exit(127);
}

static int
start(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char text[300];
	int in[2];
	int out[2];
	unsigned n = 0;

	(void)state;
	snprintf(tls.dir, sizeof(tls.dir), "%s/bl-probe-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(tls.dir) == NULL || pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return -1;
	snprintf(text, sizeof(text), BL_TEST_DATA "/probe/make_certificates.sh %s", tls.dir);
	if (system(text) != 0)
		return -1;
	if ((tls.pid = fork()) == 0)
		tls_exec(in[0], out[1]);
	close(in[0]);
	close(out[1]);
	tls.to = in[1];
	tls.from = fdopen(out[0], "r");
	while (fgets(text, sizeof(text), tls.from) != NULL && strcmp(text, "ready\n") != 0)
		tls.port[n++] = (uint16_t)strtoul(text + 5, NULL, 10);
	return n == COUNT(certificates) ? 0 : -1;
}

static int
stop(void **state)
{
	DIR *dir = opendir(tls.dir);
	struct dirent *e;
	char path[500];

	(void)state;
	close(tls.to);
	waitpid(tls.pid, NULL, 0);
	fclose(tls.from);
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", tls.dir, e->d_name);
		(void)unlink(path);
	}
	if (dir != NULL)
		closedir(dir);
	return rmdir(tls.dir);
}

static void
probe_tls(struct probe *p, const char *certificate, const char *host, const char *path)
{
	char url[300];

	for (size_t i = 0; i < COUNT(certificates); i++)
		if (strcmp(certificates[i], certificate) == 0)
			snprintf(url, sizeof(url), "https://%s:%u%s", host, tls.port[i], path);
	probe_set(p, url);
	snprintf(p->ca, sizeof(p->ca), "%s/trusted.pem", tls.dir);
}

static void
each_certificate_gets_its_verdict(void **state)
{
	static const struct {
		const char *certificate, *host;
		enum probe_reason reason;
		const char *detail;
		double days_from, days_to;
	} c[] = {
		{ "good", "localhost", PROBE_OK, "", 99, 100 },
		{ "good", "127.0.0.1", PROBE_OK, "", 99, 100 },
		{ "good", "elsewhere.test", PROBE_FAIL_CERTIFICATE, "another host", 99, 100 },
		{ "other-host", "localhost", PROBE_FAIL_CERTIFICATE,
		    "\"other-host\" is for another host than localhost", 99, 100 },
		{ "other-host", "127.0.0.1", PROBE_FAIL_CERTIFICATE, "another host", 99, 100 },
		{ "expired", "localhost", PROBE_FAIL_CERTIFICATE,
		    "has expired (valid until 2020-02-01)", -1e5, -1 },
		{ "future", "localhost", PROBE_FAIL_CERTIFICATE, "not valid yet (from 2090-01-01)",
		    1000, 1e5 },
		{ "other-ca", "localhost", PROBE_FAIL_CERTIFICATE,
		    "not signed by a trusted CA (issuer \"stranger\")", 99, 100 },
		{ "self-signed", "localhost", PROBE_FAIL_CERTIFICATE, "trusted CA", 99, 100 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		struct probe p;
		struct probe_result r;
		const bool literal = c[i].host[0] == '1';

		probe_tls(&p, c[i].certificate, c[i].host, "/ok");
		r = run(&p, 1);
		/* Good or bad, everything is measured. */
		if (r.reason != c[i].reason || strstr(r.detail, c[i].detail) == NULL ||
		    strcmp(got(&r), literal ? "H-HHHHHHH-H" : "HHHHHHHHH-H") != 0)
			fail_msg("%s %s: %s %s \"%s\"", c[i].certificate, c[i].host,
			    probe_reason_name(r.reason), got(&r), r.detail);
		assert_true(r.value[PROBE_TLS_MS].v > 0);
		assert_true(r.value[PROBE_STATUS_CODE].v == 200);
		assert_true(r.value[PROBE_CERTIFICATE_DAYS].v >= c[i].days_from &&
			    r.value[PROBE_CERTIFICATE_DAYS].v <= c[i].days_to);
	}
}

/* Over a connection that is kept, too: what was found out about it holds no more when the clock is
 * right again. */
static void
no_date_is_judged_by_a_clock_that_is_wrong(void **state)
{
	static const struct {
		const char *certificate;
		bool kept;
		enum probe_reason untrusted, trusted;
	} c[] = {
		{ "good", true, PROBE_OK, PROBE_OK },
		{ "expired", true, PROBE_OK, PROBE_FAIL_CERTIFICATE },
		{ "future", false, PROBE_OK, PROBE_FAIL_CERTIFICATE },
		{ "other-ca", false, PROBE_FAIL_CERTIFICATE, PROBE_FAIL_CERTIFICATE },
		{ "other-host", false, PROBE_FAIL_CERTIFICATE, PROBE_FAIL_CERTIFICATE },
	};
	static struct results all;

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		const struct probe_result *last;
		struct prober *pr;
		struct probe p;
		unsigned n;

		probe_tls(&p, c[i].certificate, "localhost", "/ok");
		p.conf.keep_alive = c[i].kept;
		p.conf.tls_resume = !c[i].kept;
		p.conf.interval_ms = JUMPED_MS;
		results_init(&all);
		all.jump_each_ms = JUMPED_MS;
		pr = prober_of(&p.conf, 1, &all);
		prober_clock_wrong(pr, true);
		results_wait(&all, 3); /* the first one may have been under way */
		for (unsigned k = 1; k < 3; k++) {
			assert_int_equal(all.r[k].reason, c[i].untrusted);
			assert_int_equal(all.r[k].value[PROBE_CERTIFICATE_DAYS].got, PROBE_MISSING);
		}
		prober_clock_wrong(pr, false);
		n = all.n;
		results_wait(&all, n + 2); /* the same */
		prober_stop(pr);
		last = &all.r[n + 1];
		assert_int_equal(last->reason, c[i].trusted);
		assert_int_equal(last->value[PROBE_CERTIFICATE_DAYS].got, PROBE_HAVE);
	}
	prober_clock_wrong(NULL, true);
}

static void
without_verify_a_bad_certificate_is_fine(void **state)
{
	struct probe p;
	struct probe_result r;

	(void)state;
	probe_tls(&p, "expired", "localhost", "/ok");
	p.conf.verify = false;
	strcpy(p.ca, "/does/not/exist"); /* and is not even looked for */
	r = run(&p, 1);
	assert_int_equal(r.reason, PROBE_OK);
	assert_true(r.value[PROBE_CERTIFICATE_DAYS].v < 0);
}

static void
secret_write(const char *path)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "s3cret\n", 7), 7);
	close(fd);
}

/* Asks the server that has expired how many secrets it has heard. */
static void
expect_heard(const char *number)
{
	struct probe p;
	struct probe_result r;

	probe_tls(&p, "expired", "localhost", "/secrets");
	p.conf.verify = false;
	strcpy(p.body, number);
	r = run(&p, 1);
	if (r.reason != PROBE_OK)
		fail_msg("not %s: %s \"%s\"", number, probe_reason_name(r.reason), r.detail);
}

/* What the configuration sends to a server is for that one, not for somebody in its place. */
static void
a_server_with_a_bad_certificate_hears_no_secret(void **state)
{
	static char name[] = "X-Till", value[] = "t0ken", body[] = "order 4711";
	static char *names[] = { name }, *values[] = { value };
	static char secret[300];

	(void)state;
	snprintf(secret, sizeof(secret), "%s/secret", tls.dir);
	secret_write(secret);
	expect_heard("0");
	for (unsigned what = 0; what < 3; what++) {
		struct probe p;
		struct probe_result r;

		probe_tls(&p, "expired", "localhost", "/ok");
		if (what == 0) {
			p.conf.auth = PROBE_AUTH_BEARER;
			p.conf.secret_file = secret;
		} else if (what == 1) {
			p.conf.headers = (struct bl_conf_strmap){ 1, names, values };
		} else {
			p.conf.method = PROBE_POST;
			p.conf.body = body;
		}
		r = run(&p, 1);
		assert_int_equal(r.reason, PROBE_FAIL_CERTIFICATE);
		assert_non_null(strstr(r.detail, "has expired"));
		assert_string_equal(got(&r), "HHHHmmmmm-H");
		expect_heard("0");
	}
	/* The right one hears it, and so does any where nobody wants to know which it is. */
	for (unsigned i = 0; i < 2; i++) {
		struct probe p;

		probe_tls(&p, i == 0 ? "good" : "expired", "localhost", "/secrets");
		p.conf.auth = PROBE_AUTH_BEARER;
		p.conf.secret_file = secret;
		p.conf.verify = i == 0;
		strcpy(p.body, "1");
		assert_int_equal(run(&p, 1).reason, PROBE_OK);
	}
}

static void
a_missing_ca_file_is_named(void **state)
{
	struct probe p;
	struct probe_result r;

	(void)state;
	probe_tls(&p, "good", "localhost", "/ok");
	strcpy(p.ca, "/does/not/exist");
	r = run(&p, 1);
	assert_int_equal(r.reason, PROBE_FAIL_CERTIFICATE);
	assert_non_null(strstr(r.detail, "/does/not/exist"));
}

static void
a_changed_ca_file_is_read_again(void **state)
{
	static struct results all;
	struct prober *pr;
	struct probe p;
	char other[300];

	(void)state;
	probe_tls(&p, "good", "localhost", "/ok");
	p.conf.interval_ms = INTERVAL_MS;
	snprintf(p.ca, sizeof(p.ca), "%s/changing.pem", tls.dir);
	snprintf(other, sizeof(other), "%s/stranger.pem", tls.dir);
	assert_int_equal(symlink(other, p.ca), 0);
	results_init(&all);
	pr = prober_of(&p.conf, 1, &all);
	results_wait(&all, 1);
	assert_int_equal(unlink(p.ca), 0);
	snprintf(other, sizeof(other), "%s/trusted.pem", tls.dir);
	assert_int_equal(symlink(other, p.ca), 0);
	results_wait(&all, all.n + 2);
	prober_stop(pr);
	assert_int_equal(all.r[0].reason, PROBE_FAIL_CERTIFICATE);
	assert_int_equal(all.r[all.n - 1].reason, PROBE_OK);
}

static void
a_kept_tls_connection_is_used_again(void **state)
{
	static struct results all;
	struct prober *pr;
	struct probe p;

	(void)state;
	probe_tls(&p, "good", "127.0.0.1", "/connections");
	p.conf.keep_alive = true;
	p.conf.interval_ms = INTERVAL_MS;
	results_init(&all);
	pr = prober_of(&p.conf, 1, &all);
	results_wait(&all, 4);
	prober_stop(pr);
	assert_string_equal(got(&all.r[0]), "H-HHHHHHH-H");
	for (unsigned i = 1; i < 4; i++) {
		assert_true(all.r[i].reused);
		assert_string_equal(got(&all.r[i]), "H---HHHHH-H");
	}
}

/* So many runs of one probe; all of them. */
static const struct probe_result *
runs(const struct probe *p, unsigned n, unsigned jump_after)
{
	static struct results all;
	struct prober *pr;

	results_init(&all);
	all.jump_after = jump_after;
	all.jump_each_ms = p->conf.interval_ms;
	pr = prober_of(&p->conf, 1, &all);
	results_wait(&all, n);
	prober_stop(pr);
	return all.r;
}

static void
probe_resuming(struct probe *p, const char *certificate, const char *expect)
{
	probe_tls(p, certificate, "localhost", "/resumed");
	p->conf.tls_resume = true;
	strcpy(p->body, expect);
}

static void
a_session_is_resumed_with_all_its_phases(void **state)
{
	const struct probe_result *r;
	struct probe p;

	(void)state;
	probe_resuming(&p, "good", "");
	r = runs(&p, 4, 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(r[i].reason, PROBE_OK);
		assert_false(r[i].reused); /* the session, not the connection */
		assert_string_equal(got(&r[i]), "HHHHHHHHH-H");
		assert_true(r[i].value[PROBE_TLS_RESUMED].v == (i == 0 ? 0 : 1));
		assert_true(r[i].value[PROBE_CERTIFICATE_DAYS].v >= 99);
		assert_true(r[i].value[PROBE_TOTAL_MS].v >= r[i].value[PROBE_TLS_MS].v);
	}
	/* The server says so, too. */
	probe_resuming(&p, "good", "yes");
	r = runs(&p, 2, 0);
	assert_int_equal(r[0].reason, PROBE_FAIL_BODY);
	assert_int_equal(r[1].reason, PROBE_OK);
}

static void
every_handshake_is_whole_where_that_is_wanted(void **state)
{
	const struct probe_result *r;
	struct probe p;

	(void)state;
	probe_resuming(&p, "good", "no");
	p.conf.tls_resume = false;
	r = runs(&p, 3, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(r[i].reason, PROBE_OK);
		assert_string_equal(got(&r[i]), "HHHHHHHHHHH");
		assert_int_equal(r[i].value[PROBE_TLS_RESUMED].got, PROBE_ABSENT);
	}
}

/* The clock jumps by two hours behind the second run. */
static void
a_session_ends_so_that_a_new_certificate_is_seen(void **state)
{
	static const double resumed[] = { 0, 1, 0, 1 };
	const struct probe_result *r;
	struct probe p;

	(void)state;
	probe_resuming(&p, "good", "");
	r = runs(&p, 4, 2);
	for (unsigned i = 0; i < 4; i++)
		assert_true(r[i].value[PROBE_TLS_RESUMED].v >= resumed[i] &&
			    r[i].value[PROBE_TLS_RESUMED].v <= resumed[i]);
}

static void
a_bad_certificate_is_judged_anew_each_time(void **state)
{
	const struct probe_result *r;
	struct probe p;

	(void)state;
	probe_resuming(&p, "expired", "no");
	r = runs(&p, 3, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(r[i].reason, PROBE_FAIL_CERTIFICATE);
		assert_true(r[i].value[PROBE_TLS_RESUMED].v == 0);
		assert_true(r[i].value[PROBE_BODY_MATCH].v == 1);
	}
}

static void
turn(unsigned n)
{
	char path[300];
	char link[300];

	if (n != 2)
		return;
	snprintf(path, sizeof(path), "%s/stranger.pem", tls.dir);
	snprintf(link, sizeof(link), "%s/turning.pem", tls.dir);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(symlink(path, link), 0);
}

/* A session was made with certificates that are trusted no longer: it does not go on. */
static void
a_changed_ca_file_ends_the_session(void **state)
{
	static struct results all;
	struct prober *pr;
	struct probe p;
	char path[300];

	(void)state;
	probe_resuming(&p, "good", "");
	snprintf(p.ca, sizeof(p.ca), "%s/turning.pem", tls.dir);
	snprintf(path, sizeof(path), "%s/trusted.pem", tls.dir);
	assert_int_equal(symlink(path, p.ca), 0);
	results_init(&all);
	all.jump_each_ms = p.conf.interval_ms;
	all.after = turn;
	pr = prober_of(&p.conf, 1, &all);
	results_wait(&all, 3);
	prober_stop(pr);
	assert_int_equal(all.r[1].reason, PROBE_OK);
	assert_true(all.r[1].value[PROBE_TLS_RESUMED].v == 1);
	if (all.r[2].reason != PROBE_FAIL_CERTIFICATE)
		fail_msg("%s \"%s\"", probe_reason_name(all.r[2].reason), all.r[2].detail);
	assert_true(all.r[2].value[PROBE_TLS_RESUMED].v == 0);
}

static void
tls_against_a_plain_server_is_said_so(void **state)
{
	struct probe p;
	struct probe_result r;
	char url[300];

	(void)state;
	/* Our server waits for the end of a request that never comes in TLS; this one talks first.
	 */
	static const char banner[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	uint16_t port = 0;
	const int fd = listen_on("127.0.0.1", 4, &port);
	static struct results all;
	struct prober *pr;
	int c;

	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", port);
	probe_set(&p, url);
	results_init(&all);
	pr = prober_of(&p.conf, 1, &all);
	c = accept(fd, NULL, NULL);
	assert_true(c >= 0);
	assert_int_equal(send(c, banner, sizeof(banner) - 1, 0), sizeof(banner) - 1);
	results_wait(&all, 1);
	prober_stop(pr);
	close(c);
	close(fd);
	r = all.r[0];
	assert_int_equal(r.reason, PROBE_FAIL_TLS);
	assert_non_null(strstr(r.detail, "plain HTTP"));
	assert_string_equal(got(&r), "H-Hmmmmmm-m");
}

static uint16_t
port_of(const char *certificate)
{
	for (size_t i = 0; i < COUNT(certificates); i++)
		if (strcmp(certificates[i], certificate) == 0)
			return tls.port[i];
	return 0;
}

/* From http to https, and on to another https server: both handshakes count, and are judged. */
static void
redirects_lead_into_tls_but_not_out_of_it(void **state)
{
	static const struct {
		const char *from, *to, *path; /* from NULL: plain HTTP; to "": plain HTTP */
		enum probe_reason reason;
		const char *detail, *got;
	} c[] = {
		{ NULL, "good", "/ok", PROBE_OK, "", "HHHHHHHHH-H" },
		{ NULL, "expired", "/ok", PROBE_FAIL_CERTIFICATE, "redirect 1)", "HHHHHHHHH-H" },
		{ "good", "good", "/ok", PROBE_OK, "", "HHHHHHHHH-H" },
		{ "good", "other-ca", "/ok", PROBE_FAIL_CERTIFICATE, "trusted CA", "HHHHHHHHH-H" },
		{ "expired", "good", "/ok", PROBE_FAIL_CERTIFICATE, "expired", "HHHHHHHHH-H" },
		{ "good", "", "/ok", PROBE_FAIL_REDIRECT, "leads from https to http",
		    "HHHHHHHHH-H" },
	};

	(void)state;
	server_start();
	for (size_t i = 0; i < COUNT(c); i++) {
		struct probe p;
		struct probe_result r;
		char path[200];
		const bool out = c[i].to[0] == '\0';

		snprintf(path, sizeof(path), "/to/%s://localhost:%u%s", out ? "http" : "https",
		    out ? server.port : port_of(c[i].to), c[i].path);
		if (c[i].from != NULL)
			probe_tls(&p, c[i].from, "localhost", path);
		else
			probe_here(&p, path);
		snprintf(p.ca, sizeof(p.ca), "%s/trusted.pem", tls.dir);
		p.conf.redirects = 1;
		p.conf.tls_resume = true;
		r = run(&p, 1);
		if (r.reason != c[i].reason || strstr(r.detail, c[i].detail) == NULL ||
		    strcmp(got(&r), c[i].got) != 0)
			fail_msg(
			    "%zu: %s %s \"%s\"", i, probe_reason_name(r.reason), got(&r), r.detail);
	}
	server_stop();
}

/* Both servers' sessions are kept, so that both handshakes of the next run are short. */
static void
sessions_of_both_servers_are_resumed(void **state)
{
	const struct probe_result *r;
	struct probe p;
	char path[200];

	(void)state;
	snprintf(path, sizeof(path), "/to/https://localhost:%u/resumed", port_of("good"));
	probe_tls(&p, "good", "127.0.0.1", path);
	p.conf.redirects = 1;
	p.conf.tls_resume = true;
	strcpy(p.body, "yes");
	r = runs(&p, 3, 0);
	assert_int_equal(r[0].reason, PROBE_FAIL_BODY);
	for (unsigned i = 1; i < 3; i++) {
		assert_int_equal(r[i].reason, PROBE_OK);
		assert_true(r[i].value[PROBE_TLS_RESUMED].v == 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_certificate_gets_its_verdict),
		cmocka_unit_test(no_date_is_judged_by_a_clock_that_is_wrong),
		cmocka_unit_test(without_verify_a_bad_certificate_is_fine),
		cmocka_unit_test(a_server_with_a_bad_certificate_hears_no_secret),
		cmocka_unit_test(a_missing_ca_file_is_named),
		cmocka_unit_test(a_changed_ca_file_is_read_again),
		cmocka_unit_test(a_kept_tls_connection_is_used_again),
		cmocka_unit_test(a_session_is_resumed_with_all_its_phases),
		cmocka_unit_test(every_handshake_is_whole_where_that_is_wanted),
		cmocka_unit_test(a_session_ends_so_that_a_new_certificate_is_seen),
		cmocka_unit_test(a_bad_certificate_is_judged_anew_each_time),
		cmocka_unit_test(a_changed_ca_file_ends_the_session),
		cmocka_unit_test(redirects_lead_into_tls_but_not_out_of_it),
		cmocka_unit_test(sessions_of_both_servers_are_resumed),
		cmocka_unit_test(tls_against_a_plain_server_is_said_so),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
