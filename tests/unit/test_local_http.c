/* The head of a request, the names it may come under, and what Accept asks for. */
#include "local_http.h"
#include "local_metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GET "GET / HTTP/1.1\r\n"

static void
requests_are_understood_or_refused(void **state)
{
	static const struct {
		const char *text;
		int status;
		const char *path, *host;
	} cases[] = {
		{ GET "Host: localhost\r\n\r\n", 0, "/", "localhost" },
		{ GET "Host: LocalHost:9480\r\n\r\n", 0, "/", "localhost" },
		{ GET "hOsT:  127.0.0.1:1 \t\r\n\r\n", 0, "/", "127.0.0.1" },
		{ GET "Host: [::1]:9480\r\n\r\n", 0, "/", "::1" },
		{ GET "Host: [::1]\r\n\r\n", 0, "/", "::1" },
		{ "GET /metrics?x=1&y HTTP/1.0\nHost: a\n\n", 0, "/metrics", "a" },
		{ "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 0, "/a", "a" },
		{ GET "X: \xff\xfe\r\nHost: evil.example\r\n\r\n", 0, "/", "evil.example" },
		/* the host: one, and a name */
		{ GET "\r\n", 400, NULL, NULL },
		{ GET "Host:\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a b\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a,localhost\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: localhost@evil\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: localhost:80:80\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: localhost:http\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: [::1\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: [::1]x\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: ::1\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: :80\r\n\r\n", 400, NULL, NULL },
		/* methods, versions, targets */
		{ "POST / HTTP/1.1\r\nHost: a\r\n\r\n", 405, NULL, NULL },
		{ "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 405, NULL, NULL },
		{ "get / HTTP/1.1\r\nHost: a\r\n\r\n", 405, NULL, NULL },
		{ "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, NULL, NULL },
		{ "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, NULL, NULL },
		{ "GET / http/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		{ "GET /\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		{ "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		{ "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		{ "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		{ "\r\n\r\n", 400, NULL, NULL },
		{ "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		/* no body, no second way of telling one */
		{ GET "Host: a\r\nContent-Length: 1\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a\r\n folded: b\r\n\r\n", 400, NULL, NULL },
		{ GET "Host : a\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a\r\n: b\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a\r\nX: \x01\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a\r\nnothing\r\n\r\n", 400, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const size_t len = strlen(cases[i].text);
		struct local_request r;
		int status;

		if (local_http_head(cases[i].text, len) != len)
			fail_msg("case %zu: its end is not found", i);
		status = local_http_parse(cases[i].text, len, &r);
		if (status != cases[i].status)
			fail_msg("case %zu: %d, not %d", i, status, cases[i].status);
		if (status != 0)
			continue;
		assert_string_equal(r.path, cases[i].path);
		assert_string_equal(r.host, cases[i].host);
	}
}

static void
what_is_too_long_is_refused(void **state)
{
	char text[1024], path[200] = "/";
	struct local_request r;

	(void)state;
	memset(path + 1, 'a', 126);
	(void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
	assert_int_equal(local_http_parse(text, strlen(text), &r), 0);
	memset(path + 1, 'a', 127);
	(void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
	assert_int_equal(local_http_parse(text, strlen(text), &r), 414);
	/* An Accept that has no room asks for nothing in particular. */
	(void)snprintf(text, sizeof(text), GET "Host: a\r\nAccept: %0600d\r\n\r\n", 0);
	assert_int_equal(local_http_parse(text, strlen(text), &r), 0);
	assert_string_equal(r.accept, "");
}

static void
a_head_ends_with_its_empty_line(void **state)
{
	static const char text[] = GET "Host: a\r\n\r\nmore";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++)
		assert_int_equal(local_http_head(text, n), n < 27 ? 0 : 27);
	assert_int_equal(local_http_head("a\n\nb", 4), 3);
}

static void
only_names_of_this_machine_are_good(void **state)
{
	char *more_names[] = { (char *)"till-7.shop.example" };
	const struct bl_conf_strlist none = { 0 }, more = { 1, more_names };

	(void)state;
	assert_true(local_http_host_ok("localhost", &none));
	assert_true(local_http_host_ok("127.0.0.1", &none));
	assert_true(local_http_host_ok("::1", &none));
	assert_false(local_http_host_ok("till-7.shop.example", &none));
	assert_true(local_http_host_ok("till-7.shop.example", &more));
	assert_false(local_http_host_ok("evil.example", &more));
	assert_false(local_http_host_ok("localhost.evil.example", &more));
	assert_false(local_http_host_ok("127.0.0.1.evil.example", &more));
	assert_false(local_http_host_ok("127.0.0.2", &more));
	assert_false(local_http_host_ok("", &more));
}

static void
accept_decides_the_format(void **state)
{
#define OPEN "application/openmetrics-text"
	static const struct {
		const char *accept;
		bool open;
	} cases[] = {
		{ NULL, false },
		{ "", false },
		{ "*/*", false },
		{ "text/plain", false },
		{ OPEN, true },
		{ OPEN "; version=1.0.0; charset=utf-8", true },
		{ OPEN ";version=\"1.0.0\"", true },
		{ OPEN ";version=0.0.1", false },
		{ OPEN ";version=2.0.0,text/plain;q=0.1", false },
		{ OPEN ";q=0", false },
		{ OPEN ";q=0.5, text/plain;q=0.6", false },
		{ OPEN ";q=0.6, text/plain;q=0.5", true },
		{ OPEN ", text/plain", true },
		{ "text/html, " OPEN ";q=0.9, */*;q=0.8", true },
		{ OPEN ";q=x", false },
		{ OPEN ";q=7", false },
		{ OPEN "x", false },
		{ ",,;;," OPEN, true },
		{ "a;b=\"," OPEN "\"", false },
		/* Prometheus 2.42 */
		{ OPEN ";version=1.0.0," OPEN
		       ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		    true },
		/* VictoriaMetrics */
		{ "text/plain;version=0.0.4;q=1,*/*;q=0.1", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (local_metrics_open_wanted(cases[i].accept) != cases[i].open)
			fail_msg("%s", cases[i].accept);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_understood_or_refused),
		cmocka_unit_test(what_is_too_long_is_refused),
		cmocka_unit_test(a_head_ends_with_its_empty_line),
		cmocka_unit_test(only_names_of_this_machine_are_good),
		cmocka_unit_test(accept_decides_the_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
