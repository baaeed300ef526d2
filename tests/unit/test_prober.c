/*
 * The prober against real sockets: what each kind of server, name and deadline
 * leads to (the server is in probe_server.c; TLS in test_prober_tls.c).
 */
#include "probe_harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* What comes at once on a machine that does something else meanwhile still comes within the first.
 */
#define DEADLINE_MS 1000
#define STOP_MS     10000

/* ---- one run each ---- */

struct run_case {
	const char *url; /* %u is the server's port; path alone: http://127.0.0.1:port */
	enum probe_reason reason;
	int status;
	const char *got; /* up dns connect tls first transfer total status bytes match days */
	const char *detail;
	const char *expect_status, *expect_body;
	int method;
	double bytes;
};

static const struct run_case run_cases[] = {
	{ "/ok", PROBE_OK, 200, "H-H-HHHHH--", "", NULL, NULL, PROBE_GET, 12 },
	{ "/ok", PROBE_OK, 200, "H-H-HHHHHH-", "", NULL, "needle", PROBE_GET, 12 },
	{ "/ok", PROBE_FAIL_BODY, 200, "H-H-HHHHHH-", "expected text", NULL, "noodle", PROBE_GET,
	    12 },
	{ "/chunked", PROBE_OK, 200, "H-H-HHHHH--", "", NULL, NULL, PROBE_GET, 5 },
	{ "/until-close", PROBE_OK, 200, "H-H-HHHHH--", "", NULL, NULL, PROBE_GET, 5 },
	{ "/head", PROBE_OK, 200, "H-H-HHHH---", "", NULL, NULL, PROBE_HEAD, 0 },
	{ "/big", PROBE_OK, 200, "H-H-HHHHH--", "", NULL, NULL, PROBE_GET, 65536 },
	{ "/big", PROBE_FAIL_BODY, 200, "H-H-HHHHHH-", "first 65536 bytes", NULL, "needle",
	    PROBE_GET, 65536 },
	{ "/redirect", PROBE_OK, 302, "H-H-HHHHH--", "", NULL, NULL, PROBE_GET, 0 },
	{ "/redirect", PROBE_FAIL_STATUS, 302, "H-H-HHHHH--", "status 302, expected 200", "200",
	    NULL, PROBE_GET, 0 },
	{ "/status/404", PROBE_FAIL_STATUS, 404, "H-H-HHHHH--", "status 404", NULL, NULL, PROBE_GET,
	    0 },
	{ "/status/503", PROBE_OK, 503, "H-H-HHHHH--", "", "200, 500-599", NULL, PROBE_GET, 0 },
	{ "/garbage", PROBE_FAIL_HTTP, 0, "H-H-Hmmmm--", "status line", NULL, NULL, PROBE_GET, 0 },
	{ "/huge-headers", PROBE_FAIL_HTTP, 200, "H-H-HmmHm--", "16 KiB", NULL, NULL, PROBE_GET,
	    0 },
	{ "/close", PROBE_FAIL_HTTP, 0, "H-H-mmmmm--", "before an answer", NULL, NULL, PROBE_GET,
	    0 },
	{ "/reset", PROBE_FAIL_HTTP, 0, "H-H-mmmmm--", "Connection reset", NULL, NULL, PROBE_GET,
	    0 },
	{ "/cut-body", PROBE_FAIL_HTTP, 200, "H-H-HmmHm--", "in the middle", NULL, NULL, PROBE_GET,
	    0 },
	{ "http://localhost:%u/ok", PROBE_OK, 200, "HHH-HHHHH--", "", NULL, NULL, PROBE_GET, 12 },
	{ "http://two.test:%u/ok", PROBE_OK, 200, "HHH-HHHHH--", "", NULL, NULL, PROBE_GET, 12 },
	{ "http://nowhere.test:%u/ok", PROBE_FAIL_DNS, 0, "Hmm-mmmmm--", "look up nowhere.test",
	    NULL, NULL, PROBE_GET, 0 },
	{ "http://unreachable.test:%u/ok", PROBE_FAIL_UNREACHABLE, 0, "HHm-mmmmm--",
	    "255.255.255.255", NULL, NULL, PROBE_GET, 0 },
	{ "http://broken.test:%u/ok", PROBE_FAIL_INTERNAL, 0, "mmm-mmmmm--", "look up broken.test",
	    NULL, NULL, PROBE_GET, 0 },
	{ "http://127.0.0.2:%u/ok", PROBE_FAIL_REFUSED, 0, "H-m-mmmmm--", "127.0.0.2", NULL, NULL,
	    PROBE_GET, 0 },
	{ "https://127.0.0.1:%u/garbage", PROBE_FAIL_TIMEOUT, 0, "H-Hllllll-l", "TLS handshake",
	    NULL, NULL, PROBE_GET, 0 },
};

static void
case_check(const struct run_case *c, const struct probe_result *r)
{
	if (r->reason != c->reason || strcmp(got(r), c->got) != 0 ||
	    strstr(r->detail, c->detail) == NULL)
		fail_msg(
		    "%s: %s %s \"%s\"", c->url, probe_reason_name(r->reason), got(r), r->detail);
	if (c->reason != PROBE_FAIL_INTERNAL)
		assert_true(r->value[PROBE_UP].v == (c->reason == PROBE_OK ? 1 : 0));
	assert_int_equal(r->detail[0] == '\0', c->reason == PROBE_OK);
	if (r->value[PROBE_STATUS_CODE].got == PROBE_HAVE)
		assert_true(r->value[PROBE_STATUS_CODE].v == c->status);
	if (r->value[PROBE_BODY_BYTES].got == PROBE_HAVE)
		assert_true(r->value[PROBE_BODY_BYTES].v == c->bytes);
	for (unsigned i = PROBE_DNS_MS; i <= PROBE_TOTAL_MS; i++)
		if (r->value[i].got == PROBE_HAVE)
			assert_true(r->value[i].v >= 0 && r->value[i].v < WAIT_S * 1e3);
	assert_true(r->boot_ms > 0);
}

static void
each_server_gets_its_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(run_cases); i++) {
		const struct run_case *c = &run_cases[i];
		struct probe p;
		struct probe_result r;
		char url[300];

		url_make(url, sizeof(url), c->url);
		probe_set(&p, url);
		p.conf.method = c->method;
		if (c->expect_status != NULL)
			strcpy(p.status, c->expect_status);
		if (c->expect_body != NULL)
			strcpy(p.body, c->expect_body);
		if (c->reason == PROBE_FAIL_TIMEOUT)
			p.conf.timeout_ms = DEADLINE_MS;
		r = run(&p, 1);
		case_check(c, &r);
	}
}

static void
headers_go_out_as_configured(void **state)
{
	static char key1[] = "X-Test";
	static char key2[] = "Host";
	static char value1[] = "yes";
	static char value2[] = "other.example";
	char *keys[] = { key1, key2 };
	char *values[] = { value1, value2 };
	struct probe p;

	(void)state;
	probe_here(&p, "/header");
	p.conf.headers = (struct bl_conf_strmap){ 2, keys, values };
	strcpy(p.body, "needle");
	assert_int_equal(run(&p, 1).reason, PROBE_OK);
}

/* ---- deadlines ---- */

static void
each_phase_has_its_deadline(void **state)
{
	static const struct {
		const char *url, *got, *detail;
	} c[] = {
		{ "/silent", "H-H-lllll--", "first byte" },
		{ "/half-head", "H-H-HllHl--", "rest of the answer" },
		{ "/half-body", "H-H-HllHl--", "rest of the answer" },
		{ "http://silent.test:%u/", "HHl-lllll--", "TCP connect" },
		{ "http://hang.test:%u/", "Hll-lllll--", "name look-up" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		struct probe p;
		struct probe_result r;
		char url[300];
		double begin;

		url_make(url, sizeof(url), c[i].url);
		probe_set(&p, url);
		p.conf.timeout_ms = DEADLINE_MS;
		begin = now_ms();
		r = run(&p, 1);
		/* A half head has its status line, which says 200. */
		if (strcmp(got(&r), c[i].got) != 0 || r.reason != PROBE_FAIL_TIMEOUT ||
		    strstr(r.detail, c[i].detail) == NULL)
			fail_msg("%s: %s %s \"%s\"", c[i].url, probe_reason_name(r.reason), got(&r),
			    r.detail);
		assert_true(now_ms() - begin >= DEADLINE_MS - 1);
	}
}

static void
a_silent_address_leaves_time_for_the_next(void **state)
{
	struct probe p;
	struct probe_result r;
	char url[300];

	(void)state;
	url_make(url, sizeof(url), "http://silent-first.test:%u/ok");
	probe_set(&p, url);
	p.conf.timeout_ms = 4 * DEADLINE_MS;
	r = run(&p, 1);
	assert_int_equal(r.reason, PROBE_OK);
	assert_true(r.value[PROBE_CONNECT_MS].v >= 2 * DEADLINE_MS - 10 &&
		    r.value[PROBE_CONNECT_MS].v < 4 * DEADLINE_MS);
}

static void
a_run_ends_when_the_next_is_due(void **state)
{
	static struct results all;
	struct prober *pr;
	struct probe p;

	(void)state;
	probe_here(&p, "/silent");
	p.conf.interval_ms = 150;
	p.conf.timeout_ms = 10000;
	results_init(&all);
	pr = prober_of(&p.conf, 1, &all);
	results_wait(&all, 3);
	prober_stop(pr);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(all.r[i].reason, PROBE_FAIL_TIMEOUT);
	assert_in_range(all.r[2].boot_ms - all.r[0].boot_ms, 151, 9000);
}

static void
a_hung_resolver_delays_nobody(void **state)
{
	static struct results all;
	static struct probe p[2];
	struct probe_conf conf[2];
	struct prober *pr;
	unsigned good = 0;
	unsigned full = 0;
	double begin;

	(void)state;
	probe_set(&p[0], "http://hang.test/");
	p[0].conf.interval_ms = 60;
	p[0].conf.timeout_ms = 30;
	probe_here(&p[1], "/ok");
	p[1].conf.interval_ms = 1000; /* an answer has so long */
	conf[0] = p[0].conf;
	conf[1] = p[1].conf;
	results_init(&all);
	pr = prober_of(conf, 2, &all);
	results_wait(&all, 60);
	begin = now_ms();
	prober_stop(pr);
	assert_true(now_ms() - begin < STOP_MS); /* with eight look-ups still hanging */

	for (unsigned i = 0; i < all.n; i++) {
		const struct probe_result *r = &all.r[i];

		if (r->probe == 1) {
			assert_int_equal(r->reason, PROBE_OK);
			good++;
		} else if (r->reason == PROBE_FAIL_DNS) {
			assert_non_null(strstr(r->detail, "too many"));
			full++;
		} else {
			assert_int_equal(r->reason, PROBE_FAIL_TIMEOUT);
		}
	}
	assert_true(good >= 2);
	assert_true(full >= 1);
	assert_in_range(names_hung(), 1, PROBE_LOOKUPS_MAX + 1); /* one of an earlier test */
	names_release();
}

/* ---- kept connections ---- */

static void
a_kept_connection_is_used_again(void **state)
{
	static struct results all;
	struct prober *pr;
	struct probe p;
	const unsigned before = atomic_load(&server.connections);

	(void)state;
	probe_here(&p, "/connections");
	p.conf.keep_alive = true;
	p.conf.interval_ms = 600;
	results_init(&all);
	pr = prober_of(&p.conf, 1, &all);
	results_wait(&all, 5);
	prober_stop(pr);
	assert_false(all.r[0].reused);
	assert_string_equal(got(&all.r[0]), "H-H-HHHHH--");
	for (unsigned i = 1; i < 5; i++) {
		assert_true(all.r[i].reused);
		assert_int_equal(all.r[i].reason, PROBE_OK);
		assert_string_equal(got(&all.r[i]), "H---HHHHH--");
	}
	assert_int_equal(atomic_load(&server.connections) - before, 1);
}

static void
without_keep_alive_each_run_connects(void **state)
{
	static struct results all;
	struct prober *pr;
	struct probe p;
	const unsigned before = atomic_load(&server.connections);

	(void)state;
	probe_here(&p, "/ok");
	p.conf.interval_ms = 600;
	results_init(&all);
	pr = prober_of(&p.conf, 1, &all);
	results_wait(&all, 4);
	prober_stop(pr);
	assert_true(atomic_load(&server.connections) - before >= 4);
	for (unsigned i = 0; i < 4; i++)
		assert_false(all.r[i].reused);
}

static void
a_connection_that_the_server_gave_up_is_not_its_failure(void **state)
{
	static const char *const paths[] = { "/close-after", "/drop-second", "/until-close" };

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		static struct results all;
		struct prober *pr;
		struct probe p;

		probe_here(&p, paths[i]);
		p.conf.keep_alive = true;
		p.conf.interval_ms = 600;
		results_init(&all);
		pr = prober_of(&p.conf, 1, &all);
		results_wait(&all, 6);
		prober_stop(pr);
		for (unsigned k = 0; k < 6; k++) {
			const struct probe_result *r = &all.r[k];

			if (r->reason != PROBE_OK || r->reused ||
			    strcmp(got(r), "H-H-HHHHH--") != 0)
				fail_msg("%s run %u: %s reused %d \"%s\"", paths[i], k, got(r),
				    r->reused, r->detail);
		}
	}
}

static void
a_kept_connection_is_renewed_after_an_hour(void **state)
{
	static struct results all;
	struct prober *pr;
	struct probe p;

	(void)state;
	probe_here(&p, "/ok");
	p.conf.keep_alive = true;
	p.conf.interval_ms = 600;
	results_init(&all);
	all.jump_after = 2;
	pr = prober_of(&p.conf, 1, &all);
	results_wait(&all, 4);
	prober_stop(pr);
	assert_true(all.r[1].reused);
	assert_false(all.r[2].reused);
	assert_true(all.r[3].reused);
}

/* ---- many, none, and wrong ones ---- */

static void
many_probes_run_at_once(void **state)
{
	static struct results all;
	static struct probe p[PROBES_MAX];
	static struct probe_conf conf[PROBES_MAX];
	struct prober *pr;
	double begin;

	(void)state;
	for (unsigned i = 0; i < PROBES_MAX; i++) {
		probe_here(&p[i], i % 2 == 0 ? "/silent" : "/ok");
		p[i].conf.timeout_ms = 2000;
		conf[i] = p[i].conf;
	}
	begin = now_ms();
	results_init(&all);
	pr = prober_of(conf, PROBES_MAX, &all);
	results_wait(&all, PROBES_MAX);
	assert_true(now_ms() - begin < 32 * 2000); /* not one after the other */
	prober_stop(pr);
	for (unsigned i = 0; i < PROBES_MAX; i++)
		assert_int_equal(
		    all.r[i].reason, all.r[i].probe % 2 == 0 ? PROBE_FAIL_TIMEOUT : PROBE_OK);
}

static void
a_prober_without_probes_starts_and_stops(void **state)
{
	const struct bl_conf_list none = { 0, NULL };
	struct bl_err err = { 0 };
	struct prober *p;

	(void)state;
	assert_int_equal(prober_start(&p, &none, harness_clock(), on_result, NULL, &err), BL_OK);
	prober_stop(p);
	prober_stop(NULL);
}

static void
what_cannot_run_is_refused_by_name(void **state)
{
	struct probe p;
	struct bl_err err = { 0 };
	struct prober *pr;
	const struct bl_conf_list one = { 1, &p.conf };
	const struct bl_conf_list many = { PROBES_MAX + 1, NULL };

	(void)state;
	probe_set(&p, "gopher://x/");
	assert_int_equal(
	    prober_start(&pr, &one, harness_clock(), on_result, NULL, &err), BL_EINVAL);
	assert_null(pr);
	assert_non_null(strstr(err.msg, "probe p: url"));
	assert_int_equal(
	    prober_start(&pr, &many, harness_clock(), on_result, NULL, &err), BL_EFULL);
}

static void
a_prober_stops_in_the_middle_of_anything(void **state)
{
	static const char *const urls[] = { "/silent", "/half-body", "/big", "http://hang.test/",
		"http://silent.test/", "/ok" };

	(void)state;
	for (size_t i = 0; i < COUNT(urls); i++) {
		static struct results all;
		struct probe p;
		char url[300];
		double begin;
		struct prober *pr;

		url_make(url, sizeof(url), urls[i]);
		probe_set(&p, url);
		results_init(&all);
		pr = prober_of(&p.conf, 1, &all);
		begin = now_ms();
		prober_stop(pr);
		assert_true(now_ms() - begin < STOP_MS);
	}
	names_release();
}

static void
the_run_under_way_is_told(void **state)
{
	static struct results all;
	struct probe p;
	struct prober *pr;
	int64_t from;
	unsigned n;

	(void)state;
	assert_true(prober_open_from_ms(NULL) == INT64_MAX);
	probe_here(&p, "/silent");
	p.conf.interval_ms = 3000;
	p.conf.timeout_ms = 500;
	results_init(&all);
	pr = prober_of(&p.conf, 1, &all);
	do {
		pthread_mutex_lock(&all.mtx);
		n = all.n;
		pthread_mutex_unlock(&all.mtx);
		from = prober_open_from_ms(pr);
		(void)sched_yield();
	} while (from == INT64_MAX);
	results_wait(&all, n + 1);
	assert_in_range(all.r[n].boot_ms, from, from + p.conf.timeout_ms);
	while (prober_open_from_ms(pr) != INT64_MAX)
		(void)sched_yield();
	prober_stop(pr);
}

/* Whoever looks at clock, runs and results in this order may cover what lies before. */
static void
no_result_is_older_than_what_was_told(void **state)
{
	static struct results all;
	static int64_t told[COUNT(all.r) + 1]; /* when so many results had come */
	struct probe p[3];
	struct probe_conf conf[3];
	struct prober *pr;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < COUNT(p); i++) {
		probe_here(&p[i], i == 2 ? "/silent" : "/ok");
		p[i].conf.interval_ms = 20 + 5 * i;
		p[i].conf.timeout_ms = 7;
		conf[i] = p[i].conf;
	}
	results_init(&all);
	pr = prober_of(conf, COUNT(conf), &all);
	while (n < 100) {
		const int64_t now = bl_boot_ms(harness_clock()), from = prober_open_from_ms(pr);

		pthread_mutex_lock(&all.mtx);
		n = all.n;
		pthread_mutex_unlock(&all.mtx);
		told[n] = from < now ? from : now;
		(void)sched_yield(); /* a busy machine would hand the lock to nobody else */
	}
	prober_stop(pr);
	for (unsigned i = 0; i < 100; i++) {
		assert_true(all.r[i].boot_ms >= told[i]);
		if (told[i + 1] < told[i])
			told[i + 1] = told[i]; /* what was told once holds */
	}
}

static void
the_systems_resolver_is_used_in_life(void **state)
{
	static struct results all;
	struct probe p;
	struct bl_err err = { 0 };
	struct prober *pr;
	const struct bl_conf_list list = { 1, &p.conf };
	char url[300];

	(void)state;
	url_make(url, sizeof(url), "http://localhost:%u/ok");
	probe_set(&p, url);
	results_init(&all);
	assert_int_equal(prober_start(&pr, &list, harness_clock(), on_result, &all, &err), BL_OK);
	results_wait(&all, 1);
	prober_stop(pr);
	assert_int_equal(all.r[0].reason, PROBE_OK);
	assert_int_equal(all.r[0].value[PROBE_DNS_MS].got, PROBE_HAVE);
}

static int
start(void **state)
{
	(void)state;
	names_start();
	server_start();
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	names_release();
	server_stop();
	return 0;
}

/* A machine or an agent that has no descriptor left says nothing about the service. */
static void
a_look_up_without_a_descriptor_is_not_the_services_failure(void **state)
{
	static struct results all;
	static struct bl_conf_list list;
	struct prober *pr;
	struct probe p;
	struct bl_err err = { 0 };
	struct rlimit before, few;
	const int next[] = { dup(0), dup(0), dup(0) }; /* what the prober itself needs */
	unsigned n;

	(void)state;
	probe_set(&p, "http://localhost:9/");
	list = (struct bl_conf_list){ 1, &p.conf };
	results_init(&all);
	all.jump_each_ms = p.conf.interval_ms;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)next[2] + 1;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(close(next[i]), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(prober_start(&pr, &list, harness_clock(), on_result, &all, &err), BL_OK);
	results_wait(&all, 2);
	assert_int_equal(all.r[0].reason, PROBE_FAIL_INTERNAL);
	assert_int_equal(all.r[1].reason, PROBE_FAIL_INTERNAL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	n = all.n;
	results_wait(&all, n + 2); /* one of them may have been under way */
	prober_stop(pr);
	assert_int_equal(all.r[n + 1].reason, PROBE_FAIL_REFUSED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		/* The first to look a name up: glibc keeps what it has read once. */
		cmocka_unit_test(a_look_up_without_a_descriptor_is_not_the_services_failure),
		cmocka_unit_test(each_server_gets_its_verdict),
		cmocka_unit_test(headers_go_out_as_configured),
		cmocka_unit_test(each_phase_has_its_deadline),
		cmocka_unit_test(a_silent_address_leaves_time_for_the_next),
		cmocka_unit_test(a_run_ends_when_the_next_is_due),
		cmocka_unit_test(a_hung_resolver_delays_nobody),
		cmocka_unit_test(a_kept_connection_is_used_again),
		cmocka_unit_test(a_kept_connection_is_renewed_after_an_hour),
		cmocka_unit_test(without_keep_alive_each_run_connects),
		cmocka_unit_test(a_connection_that_the_server_gave_up_is_not_its_failure),
		cmocka_unit_test(many_probes_run_at_once),
		cmocka_unit_test(a_prober_without_probes_starts_and_stops),
		cmocka_unit_test(what_cannot_run_is_refused_by_name),
		cmocka_unit_test(a_prober_stops_in_the_middle_of_anything),
		cmocka_unit_test(the_run_under_way_is_told),
		cmocka_unit_test(no_result_is_older_than_what_was_told),
		cmocka_unit_test(the_systems_resolver_is_used_in_life),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
