/*
 * Probes of kind tls against servers with good and bad certificates and of
 * several versions, served by another TLS library (tests/data/probe).
 */
#include "probe_play.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"

/* In this order; a name before the colon is tls_server.py's. */
static const char *const served[] = { "good", "expired", "other-host", "self-signed", "chain",
	"ending", "old:good", "new:good" };
enum { GOOD, EXPIRED, OTHER_HOST, SELF_SIGNED, CHAIN, ENDING, OLD, NEW };

static struct {
	char dir[FOLDER_MAX];
	char ca[FOLDER_MAX + 16];
	uint16_t port[COUNT(served)];
	pid_t pid;
	int to; /* its standard input: closing ends it */
} tls;

static void
tls_exec(int in, int out)
{
	static char files[2 * COUNT(served)][300];
	char *argv[3 + 2 * COUNT(served)] = { "/usr/bin/python3",
		BL_TEST_DATA "/probe/tls_server.py" };

	for (size_t i = 0; i < COUNT(served); i++) {
		const char *colon = strchr(served[i], ':');
		const int prefix = colon != NULL ? (int)(colon + 1 - served[i]) : 0;

		snprintf(files[2 * i], sizeof(files[0]), "%.*s%s/%s.pem", prefix, served[i],
		    tls.dir, served[i] + prefix);
		snprintf(
		    files[2 * i + 1], sizeof(files[0]), "%s/%s.key", tls.dir, served[i] + prefix);
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
	char text[600];
	int in[2], out[2];
	unsigned n = 0;
	FILE *from;

	(void)state;
	folder_make(tls.dir, "probe-chain");
	snprintf(tls.ca, sizeof(tls.ca), "%s/trusted.pem", tls.dir);
	snprintf(text, sizeof(text),
	    BL_TEST_DATA "/probe/make_certificates.sh %s && cd %s && cat good.pem trusted.pem "
			 ">chain.pem && cat good.pem expired.pem >ending.pem && cp good.key "
			 "chain.key && cp good.key ending.key",
	    tls.dir, tls.dir);
	if (system(text) != 0 || pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return -1;
	if ((tls.pid = fork()) == 0)
		tls_exec(in[0], out[1]);
	close(in[0]);
	close(out[1]);
	tls.to = in[1];
	if ((from = fdopen(out[0], "r")) == NULL)
		return -1;
	while (fgets(text, sizeof(text), from) != NULL && strcmp(text, "ready\n") != 0)
		if (n < COUNT(served))
			tls.port[n++] = (uint16_t)strtoul(text + 5, NULL, 10);
	fclose(from);
	return n == COUNT(served) ? 0 : -1;
}

static int
stop(void **state)
{
	int status;

	(void)state;
	close(tls.to);
	waitpid(tls.pid, &status, 0);
	folder_remove(tls.dir);
	return 0;
}

#define ALL_HAVE "connect tls total days least chain="

static const struct {
	const char *name, *host;
	int server;
	const char *server_name, *names[2];
	int min_days, min_version;
	bool blind; /* verify: no */
	enum probe_reason reason;
	const char *values, *detail;
} cases[] = {
	{ "good", "127.0.0.1", GOOD, NULL, { NULL }, 0, 2, false, PROBE_OK,
	    "up=1 " ALL_HAVE "1 version=1.2", "" },
	{ "by name", "localhost", GOOD, NULL, { "localhost" }, 99, 2, false, PROBE_OK,
	    "up=1 dns " ALL_HAVE "1 version=1.2", "" },
	{ "another name", "localhost", GOOD, NULL, { "localhost", "shop.example" }, 0, 2, false,
	    PROBE_FAIL_CERTIFICATE, "up=0 dns " ALL_HAVE "1 version=1.2", "not for shop.example" },
	{ "it ends too soon", "127.0.0.1", GOOD, NULL, { NULL }, 101, 2, false,
	    PROBE_FAIL_CERTIFICATE, "up=0 " ALL_HAVE "1 version=1.2",
	    "ends in 99.9 days, at least 101 are wanted" },
	{ "expired", "127.0.0.1", EXPIRED, NULL, { NULL }, 0, 2, false, PROBE_FAIL_CERTIFICATE,
	    "up=0 " ALL_HAVE "1 version=1.2", "has expired" },
	{ "self-signed", "127.0.0.1", SELF_SIGNED, NULL, { NULL }, 0, 2, false,
	    PROBE_FAIL_CERTIFICATE, "up=0 " ALL_HAVE "1 version=1.2",
	    "not signed by a trusted CA" },
	{ "self-signed, not judged", "127.0.0.1", SELF_SIGNED, NULL, { NULL }, 0, 2, true, PROBE_OK,
	    "up=1 " ALL_HAVE "1 version=1.2", "" },
	{ "not judged, but its names", "127.0.0.1", SELF_SIGNED, NULL, { "shop.example" }, 0, 2,
	    true, PROBE_FAIL_CERTIFICATE, "up=0 " ALL_HAVE "1 version=1.2",
	    "not for shop.example" },
	{ "wrong host", "127.0.0.1", OTHER_HOST, NULL, { NULL }, 0, 2, false,
	    PROBE_FAIL_CERTIFICATE, "up=0 " ALL_HAVE "1 version=1.2", "is for another host" },
	{ "its other name", "127.0.0.1", OTHER_HOST, "shop.example", { "shop.example" }, 0, 2,
	    false, PROBE_OK, "up=1 " ALL_HAVE "1 version=1.2", "" },
	{ "with its CA", "127.0.0.1", CHAIN, NULL, { NULL }, 0, 2, false, PROBE_OK,
	    "up=1 " ALL_HAVE "2 version=1.2", "" },
	{ "the chain has ended", "127.0.0.1", ENDING, NULL, { NULL }, 0, 2, false,
	    PROBE_FAIL_CERTIFICATE, "up=0 " ALL_HAVE "2 version=1.2",
	    "a certificate of the chain ends in -" },
	{ "old", "127.0.0.1", OLD, NULL, { NULL }, 0, 2, false, PROBE_FAIL_TLS,
	    "up=0 " ALL_HAVE "1 version=1.1", "speaks TLS 1.1, at least 1.2 is wanted" },
	{ "old, and let be", "127.0.0.1", OLD, NULL, { NULL }, 0, 1, false, PROBE_OK,
	    "up=1 " ALL_HAVE "1 version=1.1", "" },
	{ "1.3 alone", "127.0.0.1", NEW, NULL, { NULL }, 0, 2, false, PROBE_FAIL_TLS,
	    "up=0 connect tls? total? days? least? chain? version?", "refused with alert 70" },
};

static void
each_certificate_gets_its_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *names[2];
		struct probe p;

		kind_set(&p, PROBE_TLS, cases[i].host, tls.port[cases[i].server]);
		p.conf.ca_file = tls.ca;
		p.conf.verify = !cases[i].blind;
		p.conf.tls.server_name = (char *)(uintptr_t)cases[i].server_name;
		p.conf.tls.min_days = cases[i].min_days;
		p.conf.tls.min_version = cases[i].min_version;
		for (unsigned k = 0; k < 2 && cases[i].names[k] != NULL; k++) {
			names[k] = (char *)(uintptr_t)cases[i].names[k];
			p.conf.tls.names = (struct bl_conf_strlist){ k + 1, names };
		}
		(void)expect_run(
		    &p, cases[i].name, cases[i].reason, cases[i].values, cases[i].detail);
	}
}

static void
the_least_days_are_those_of_the_first_to_end(void **state)
{
	struct probe_result r;
	struct probe p;

	(void)state;
	kind_set(&p, PROBE_TLS, "127.0.0.1", tls.port[ENDING]);
	p.conf.ca_file = tls.ca;
	r = run(&p, 1);
	assert_true(
	    r.value[PROBE_CERTIFICATE_DAYS].v > 98 && r.value[PROBE_CERTIFICATE_DAYS].v < 100.1);
	assert_true(r.value[PROBE_CHAIN_DAYS].v < -365); /* since 2020-02-01 */
}

static void
no_date_is_judged_by_a_clock_that_is_wrong(void **state)
{
	static struct results all;
	struct prober *pr;
	struct probe p;

	(void)state;
	kind_set(&p, PROBE_TLS, "127.0.0.1", tls.port[ENDING]);
	p.conf.ca_file = tls.ca;
	p.conf.tls.min_version = 2;
	p.conf.tls.min_days = 10;
	results_init(&all);
	all.jump_each_ms = p.conf.interval_ms;
	pr = prober_of(&p.conf, 1, &all);
	prober_clock_wrong(pr, true);
	results_wait(&all, 2);
	prober_stop(pr);
	assert_string_equal(
	    told(&all.r[1]), "up=1 connect tls total days? least? chain=2 version=1.2");
}

/* A handshake that was resumed would show no certificate. */
static void
every_run_sees_the_certificates(void **state)
{
	static struct results all;
	struct prober *pr;
	struct probe p;

	(void)state;
	kind_set(&p, PROBE_TLS, "127.0.0.1", tls.port[CHAIN]);
	p.conf.ca_file = tls.ca;
	p.conf.tls.min_version = 2;
	results_init(&all);
	all.jump_after = 1; /* the second run is due at once */
	pr = prober_of(&p.conf, 1, &all);
	results_wait(&all, 2);
	prober_stop(pr);
	for (unsigned i = 0; i < 2; i++)
		assert_string_equal(told(&all.r[i]), "up=1 " ALL_HAVE "2 version=1.2");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_certificate_gets_its_verdict),
		cmocka_unit_test(the_least_days_are_those_of_the_first_to_end),
		cmocka_unit_test(no_date_is_judged_by_a_clock_that_is_wrong),
		cmocka_unit_test(every_run_sees_the_certificates),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
