/* The head of a request, and the names it may come under. */
#include "http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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
		{ "POST / HTTP/1.1\r\nHost: a\r\n\r\n", 0, "/", "a" },
		{ "AVERYLONGMETHODX / HTTP/1.1\r\nHost: a\r\n\r\n", 501, NULL, NULL },
		{ "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, NULL, NULL },
		{ "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, NULL, NULL },
		{ "GET / http/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		{ "GET /\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		{ "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		/* a proxy's form: its own host counts (RFC 9112, 3.2.2) */
		{ "GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n", 0, "/b", "a" },
		{ "GET HTTP://LocalHost:80/b HTTP/1.1\r\nHost: a\r\n\r\n", 0, "/b", "localhost" },
		{ "GET http://evil/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 0, "/", "evil" },
		{ "GET http://[::1]:80 HTTP/1.1\r\nHost: a\r\n\r\n", 0, "/", "::1" },
		{ "GET http://a?b/c HTTP/1.1\r\nHost: a\r\n\r\n", 0, "/", "a" },
		{ "GET http://a/ HTTP/1.1\r\n\r\n", 400, NULL, NULL },
		{ "GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400, NULL, NULL },
		{ "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		{ "GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		{ "GET http://localhost@evil/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		{ "GET http://a:x/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		{ "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		{ "GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		{ "GET a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		{ "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		{ "\r\n\r\n", 400, NULL, NULL },
		{ "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL },
		/* a body told of in one way */
		{ GET "Host: a\r\nContent-Length: 999999999999999999\r\n\r\n", 0, "/", "a" },
		{ GET "Host: a\r\nTransfer-Encoding: Chunked\r\n\r\n", 0, "/", "a" },
		{ GET "Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, NULL,
		    NULL },
		{ GET "Host: a\r\nContent-Length: 1, 1\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a\r\nContent-Length: +1\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a\r\nContent-Length: 0x1\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a\r\nContent-Length:\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a\r\nContent-Length: 9999999999999999999\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
		    NULL, NULL },
		{ GET "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		    400, NULL, NULL },
		{ GET "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, NULL, NULL },
		{ "GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400, NULL,
		    NULL },
		{ GET "Host: a\r\nContent-Type: a\r\nContent-Type: a\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a\r\n folded: b\r\n\r\n", 400, NULL, NULL },
		{ GET "Host : a\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a\r\n: b\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a\r\nX: \x01\r\n\r\n", 400, NULL, NULL },
		{ GET "Host: a\r\nnothing\r\n\r\n", 400, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const size_t len = strlen(cases[i].text);
		struct http_head r;
		int status;

		if (http_head_end(cases[i].text, len) != len)
			fail_msg("case %zu: its end is not found", i);
		status = http_head_parse(cases[i].text, len, &r);
		if (status != cases[i].status)
			fail_msg("case %zu: %d, not %d", i, status, cases[i].status);
		if (status != 0)
			continue;
		assert_string_equal(r.path, cases[i].path);
		assert_string_equal(r.host, cases[i].host);
	}
}

static struct http_head
parsed(const char *fields)
{
	struct http_head r;
	char text[1024];

	(void)snprintf(text, sizeof(text), "POST /v1 HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
	assert_int_equal(http_head_parse(text, strlen(text), &r), 0);
	return r;
}

static void
what_a_client_says_of_itself_is_kept(void **state)
{
	struct http_head r = parsed("Content-Length: 12\r\nExpect: 100-Continue\r\n");

	(void)state;
	assert_string_equal(r.method, "POST");
	assert_true(r.has_length && r.length == 12 && !r.chunked);
	assert_true(r.expects && !r.expects_other);
	assert_true(!r.close && !r.keep_alive && !r.has_origin && !r.encoded);
	r = parsed("Transfer-Encoding: chunked\r\nExpect: gold\r\nConnection: Upgrade, Close\r\n");
	assert_true(r.chunked && !r.has_length && r.expects_other && !r.expects && r.close);
	r = parsed("Connection: Keep-Alive\r\nConnection: closer\r\n");
	assert_true(r.keep_alive && !r.close);
	r = parsed("Origin: null\r\nSec-Fetch-Site: cross-site\r\nContent-Encoding: gzip\r\n");
	assert_true(r.has_origin && r.encoded);
	assert_string_equal(r.fetch_site, "cross-site");
	r = parsed("Content-Type: Application/JSON; Charset=UTF-8\r\nContent-Encoding: Identity\r\n"
		   "Authorization: Bearer aB\r\n");
	assert_string_equal(r.content_type, "application/json; Charset=UTF-8");
	assert_string_equal(r.authorization, "Bearer aB");
	assert_false(r.encoded);
}

static void
what_is_too_long_is_refused(void **state)
{
	char text[1024], path[200] = "/";
	struct http_head r;

	(void)state;
	memset(path + 1, 'a', 126);
	(void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
	assert_int_equal(http_head_parse(text, strlen(text), &r), 0);
	memset(path + 1, 'a', 127);
	(void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
	assert_int_equal(http_head_parse(text, strlen(text), &r), 414);
	/* An Accept that has no room asks for nothing in particular. */
	(void)snprintf(text, sizeof(text), GET "Host: a\r\nAccept: %0600d\r\n\r\n", 0);
	assert_int_equal(http_head_parse(text, strlen(text), &r), 0);
	assert_string_equal(r.accept, "");
}

static void
a_head_ends_with_its_empty_line(void **state)
{
	static const char text[] = GET "Host: a\r\n\r\nmore";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++)
		assert_int_equal(http_head_end(text, n), n < 27 ? 0 : 27);
	assert_int_equal(http_head_end("a\n\nb", 4), 3);
}

static void
only_names_of_this_machine_are_good(void **state)
{
	char *more_names[] = { (char *)"till-7.shop.example" };
	const struct bl_conf_strlist none = { 0 }, more = { 1, more_names };

	(void)state;
	assert_true(http_host_ok("localhost", &none));
	assert_true(http_host_ok("127.0.0.1", &none));
	assert_true(http_host_ok("::1", &none));
	assert_false(http_host_ok("till-7.shop.example", &none));
	assert_true(http_host_ok("till-7.shop.example", &more));
	assert_false(http_host_ok("evil.example", &more));
	assert_false(http_host_ok("localhost.evil.example", &more));
	assert_false(http_host_ok("127.0.0.1.evil.example", &more));
	assert_false(http_host_ok("127.0.0.2", &more));
	assert_false(http_host_ok("", &more));
}

static void
names_of_the_configuration_stand_alone(void **state)
{
	static const char *const good[] = { "till-7.shop.example", "TILL", "10.0.0.7", "::1",
		"a_b" };
	static const char *const bad[] = { "", "till:80", "[::1]", "http://till", "till/", "a b",
		"*.shop.example", "::1:80x" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char *name[] = { (char *)good[i] };
		const struct bl_conf_strlist list = { 1, name };

		assert_null(http_hosts_check(&list));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *name[] = { (char *)"till", (char *)bad[i] };
		const struct bl_conf_strlist list = { 2, name };

		if (http_hosts_check(&list) == NULL)
			fail_msg("%s", bad[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_understood_or_refused),
		cmocka_unit_test(what_a_client_says_of_itself_is_kept),
		cmocka_unit_test(what_is_too_long_is_refused),
		cmocka_unit_test(a_head_ends_with_its_empty_line),
		cmocka_unit_test(only_names_of_this_machine_are_good),
		cmocka_unit_test(names_of_the_configuration_stand_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
