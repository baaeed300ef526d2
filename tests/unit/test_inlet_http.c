/*
 * The HTTP inlet over real sockets, with a scripted host and a played clock: who is
 * answered what and when, who is turned away, and that nobody harms others.
 */
#include "inlet_http_kit.h"

static const char *
body(const char *answer)
{
	const char *at = strstr(answer, "\r\n\r\n");

	assert_non_null(at);
	return at + 4;
}

/* ---- answers ---- */

static void
an_answer_waits_for_the_disk(void **state)
{
	const int fd = dial();

	(void)state;
	say(fd, post(JSON, EVENT));
	assert_string_equal(fake_host_said(h), "event a\n");
	assert_string_equal(hear(fd), ""); /* not on disk yet */
	fake_host_answer(h, 0);
	assert_int_equal(status(hear(fd)), 200);
	assert_string_equal(
	    body(heard), "{\"results\":[\n{\"result\":\"accepted\",\"message\":null}]}\n");
	assert_non_null(strstr(heard, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(heard, "\r\nConnection: keep-alive\r\n"));
	assert_int_equal(fake_host_count(h, "accepted"), 1);
	(void)close(fd);
}

static void
what_the_disk_says_is_passed_on(void **state)
{
	static const struct {
		int rc, status;
		const char *has, *counter;
	} cases[] = {
		{ 1, 200, "\"repeated\",\"message\":null", "repeated" },
		{ BL_EFULL, 503, "\"failed\",\"message\":\"not stored: disk and memory are full",
		    "not_stored" },
		{ BL_EIO, 503, "\"failed\",\"message\":\"not stored: the agent could not write it",
		    "not_stored" },
	};
	const int fd = dial();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint64_t before = fake_host_count(h, cases[i].counter);

		say(fd, post(JSON, EVENT));
		fake_host_answer(h, cases[i].rc);
		assert_int_equal(status(hear(fd)), cases[i].status);
		assert_non_null(strstr(heard, cases[i].has));
		assert_int_equal(
		    strstr(heard, "\r\nRetry-After: ") != NULL, cases[i].status == 503);
		assert_int_equal(fake_host_count(h, cases[i].counter), before + 1);
	}
	(void)close(fd);
}

static void
what_the_agent_refuses_is_told_with_its_place(void **state)
{
	const int fd = dial();

	(void)state;
	h->rc = BL_EINVAL;
	h->rc_text = "the name is one of the agent's own";
	say(fd, post(JSON, "[" EVENT "," EVENT "]"));
	assert_int_equal(status(hear(fd)), 422);
	assert_non_null(strstr(heard, "\"reports[1]: the name is one of the agent's own\""));
	assert_int_equal(fake_host_count(h, "bad_reports"), 2);
	(void)close(fd);
}

static void
what_the_inlet_is_stands_there_in_words(void **state)
{
	const int fd = dial();

	(void)state;
	say(fd, "GET /v1/ HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(status(hear(fd)), 200);
	assert_non_null(strstr(heard, "Content-Type: text/plain; charset=utf-8\r\n"));
	assert_non_null(strstr(heard, "POST /v1/reports"));
	assert_non_null(strstr(heard, "本机程序"));
	say(fd, "GET / HTTP/1.0\r\n" HOST "\r\n");
	assert_int_equal(status(hear(fd)), 200);
	assert_ended(fd);
	(void)close(fd);
}

static void
head_is_answered_without_a_body(void **state)
{
	const int fd = dial();

	(void)state;
	say(fd, "HEAD http://localhost/v1/ HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(status(hear(fd)), 200);
	assert_null(strstr(heard, "Content-Length: 0\r\n"));
	assert_string_equal(strstr(heard, "\r\n\r\n"), "\r\n\r\n");
	say(fd, "GET /v1/ HTTP/1.1\r\n" HOST "\r\n");
	assert_non_null(strstr(hear(fd), "POST /v1/reports"));
	say(fd, "HEAD /v1/reports HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(status(hear(fd)), 405);
	assert_string_equal(strstr(heard, "\r\n\r\n"), "\r\n\r\n");
	(void)close(fd);
}

/* ---- refusals ---- */

static void
who_asks_wrongly_is_told_why(void **state)
{
	static const struct {
		const char *request;
		int status;
		const char *has, *counter;
	} cases[] = {
		{ "nonsense\r\n\r\n", 400, "HTTP/1.1", "bad_requests" },
		{ "GET / HTTP/1.1\r\n\r\n", 400, "HTTP/1.1", "bad_requests" },
		{ "GET /v2 HTTP/1.1\r\n" HOST "\r\n", 404, "/v1/reports", "bad_requests" },
		{ "GET /v1/reports HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: POST\r\n",
		    "bad_requests" },
		{ "OPTIONS /v1/reports HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: POST\r\n",
		    "bad_requests" },
		{ "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 405,
		    "Allow: GET, HEAD\r\n", "bad_requests" },
		{ "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", 400, "no body",
		    "bad_requests" },
		{ POST "Content-Length: 2\r\n\r\n{}", 415, "application/x-ndjson", "bad_requests" },
		{ POST "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415,
		    "application/json", "bad_requests" },
		{ POST "Content-Type: application/jsonx\r\nContent-Length: 2\r\n\r\n{}", 415,
		    "application/json", "bad_requests" },
		{ POST JSON "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 415,
		    "Content-Encoding", "bad_requests" },
		{ POST JSON "Expect: more\r\nContent-Length: 2\r\n\r\n{}", 417, "100-continue",
		    "bad_requests" },
		{ POST JSON "\r\n", 411, "Content-Length", "bad_requests" },
		{ POST JSON "Content-Length: 65537\r\n\r\n", 413, "max_body", "too_large" },
		{ POST JSON "Transfer-Encoding: gzip\r\n\r\n", 501, "HTTP/1.1", "bad_requests" },
		{ POST JSON "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400, "chunks",
		    "bad_requests" },
		{ POST JSON "Origin: https://evil.example\r\nContent-Length: 2\r\n\r\n{}", 403,
		    "web pages", "foreign" },
		{ POST JSON "Origin: null\r\nContent-Length: 2\r\n\r\n{}", 403, "web pages",
		    "foreign" },
		{ POST JSON "Sec-Fetch-Site: cross-site\r\nContent-Length: 2\r\n\r\n{}", 403,
		    "web pages", "foreign" },
		{ POST JSON "Content-Length: 1\r\n\r\n{", 400, "not valid JSON", "bad_requests" },
		{ POST JSON "Content-Length: 0\r\n\r\n", 400, "expected an object",
		    "bad_requests" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint64_t before = fake_host_count(h, cases[i].counter);
		const int fd = dial();
		bool ended;

		say(fd, cases[i].request);
		if (status(hear_more(fd, &ended)) != cases[i].status)
			fail_msg("case %zu: %s", i, heard);
		if (strstr(heard, cases[i].has) == NULL)
			fail_msg("case %zu lacks %s: %s", i, cases[i].has, heard);
		assert_string_equal(strstr(heard, "{\"error\":") != NULL ? "told" : "", "told");
		assert_int_equal(fake_host_count(h, cases[i].counter), before + 1);
		assert_true(ended);
		(void)close(fd);
	}
	assert_int_equal(h->reports, 0);
}

static void
a_head_without_end_is_refused(void **state)
{
	const int fd = dial();
	char text[5000];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	say(fd, text);
	assert_int_equal(status(hear(fd)), 431);
	(void)close(fd);
}

static void
programs_that_look_like_browsers_may_report(void **state)
{
	static const char *const fields[] = { JSON "Sec-Fetch-Mode: cors\r\n",
		JSON "Sec-Fetch-Site: none\r\n",
		"Content-Type: application/json; charset=utf-8\r\n",
		"Content-Type: APPLICATION/JSON\r\n", JSON "Expect: 100-continue\r\n" };

	(void)state;
	h->at_once = true;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const int fd = dial();

		say(fd, post(fields[i], EVENT));
		assert_int_equal(status(hear(fd)), 200);
		(void)close(fd);
	}
}

static void
write_token(const char *text, mode_t mode)
{
	FILE *f = fopen(token_file, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(token_file, mode), 0);
}

static int
try_token(const char *fields)
{
	const int fd = dial();
	int code;

	say(fd, post(fields, EVENT));
	code = status(hear(fd));
	assert_true(code != 401 || strstr(heard, "\r\nWWW-Authenticate: Bearer\r\n") != NULL);
	(void)close(fd);
	return code;
}

static void
a_token_is_asked_for(void **state)
{
	char text[256];

	(void)state;
	conf.token_file = token_file;
	h->at_once = true;
	write_token("s3cret\n", 0600);
	assert_int_equal(try_token(JSON), 401);
	assert_int_equal(try_token(JSON "Authorization: Bearer s3cre\r\n"), 401);
	assert_int_equal(try_token(JSON "Authorization: Bearer s3crets\r\n"), 401);
	assert_int_equal(try_token(JSON "Authorization: Bearer \r\n"), 401);
	assert_int_equal(try_token(JSON "Authorization: Basic s3cret\r\n"), 401);
	assert_int_equal(try_token(JSON "Authorization: bearer s3cret\r\n"), 200);
	assert_int_equal(fake_host_count(h, "unauthorized"), 5);
	write_token("another\n", 0600); /* it is read anew */
	assert_int_equal(try_token(JSON "Authorization: Bearer s3cret\r\n"), 401);
	assert_int_equal(try_token(JSON "Authorization: Bearer another\r\n"), 200);
	write_token("another\n", 0644); /* everybody can read it */
	assert_int_equal(try_token(JSON "Authorization: Bearer another\r\n"), 503);
	inlet_http_ops.problem(in, text, sizeof(text));
	assert_non_null(strstr(text, token_file));
	assert_int_equal(unlink(token_file), 0);
	assert_int_equal(try_token(JSON "Authorization: Bearer another\r\n"), 503);
	inlet_http_ops.problem(in, text, sizeof(text));
	assert_non_null(strstr(text, token_file));
	assert_int_equal(fake_host_count(h, "unauthorized"), 6);
	assert_int_equal(fake_host_count(h, "no_token"), 2);
	write_token("another\n", 0600);
	inlet_http_ops.problem(in, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(h->reports, 2);
}

/* ---- bodies ---- */

static void
expected_bodies_are_asked_for(void **state)
{
	const int fd = dial();

	(void)state;
	h->at_once = true;
	say(fd, POST JSON "Expect: 100-continue\r\nContent-Length: 29\r\n\r\n");
	assert_string_equal(hear(fd), "HTTP/1.1 100 Continue\r\n\r\n");
	say(fd, EVENT);
	assert_int_equal(status(hear(fd)), 200);
	(void)close(fd);
}

static void
pieces_of_any_size_are_put_together(void **state)
{
	static const char text[] =
	    POST "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "a;x=\"y\"\r\n{\"report\":\r\n0001D\r\n\"event\",\"type\":\"a\"}\n{\"report\"\r\n"
		 "13\n:\"event\",\"type\":\"b\"\n2\r\n}\n\r\n0\r\nTrailer: x\r\n\r\n"
		 "GET / HTTP/1.1\r\n" HOST "\r\n";

	(void)state;
	h->at_once = true;
	for (size_t step = 1; step < sizeof(text); step += 1 + step / 3) {
		const int fd = dial();

		for (size_t at = 0; at < sizeof(text) - 1; at += step) {
			char piece[sizeof(text)];

			(void)snprintf(piece, step + 1, "%s", text + at);
			say(fd, piece);
		}
		assert_int_equal(status(hear(fd)), 200);
		assert_string_equal(fake_host_said(h), "event a\nevent b\n");
		assert_non_null(strstr(heard, "Content-Type: text/plain")); /* the next one's */
		(void)close(fd);
	}
}

static void
a_body_in_chunks_has_its_end(void **state)
{
	char text[300];
	const int fd = dial();

	(void)state;
	say(fd, POST JSON "Transfer-Encoding: chunked\r\n\r\n");
	(void)snprintf(text, sizeof(text), "ff\r\n%0255d\r\n", 0);
	for (unsigned i = 0; i < 65536 / 255; i++)
		say(fd, text);
	assert_string_equal(hear(fd), "");
	say(fd, "2\r\n[]\r\n0\r\n\r\n");
	assert_int_equal(status(hear(fd)), 413);
	(void)close(fd);
}

static void
requests_may_follow_each_other_at_once(void **state)
{
	char text[2048] = "";
	const int fd = dial();
	const char *at;

	(void)state;
	h->at_once = true;
	for (unsigned i = 0; i < 5; i++) {
		char one[256];

		(void)snprintf(one, sizeof(one), "{\"report\":\"event\",\"type\":\"a%u\"}", i);
		(void)strcat(text, post(JSON, one));
		(void)strcat(text, "\r\n"); /* as an old client puts it behind a body */
	}
	say(fd, text);
	at = hear(fd);
	for (unsigned i = 0; i < 5; i++) {
		assert_non_null(at = strstr(at, "\"accepted\""));
		at++;
	}
	assert_string_equal(
	    fake_host_said(h), "event a0\nevent a1\nevent a2\nevent a3\nevent a4\n");
	assert_int_equal(fake_host_count(h, "requests"), 5);
	(void)close(fd);
}

/* A client that says all it has and ends its side: what came whole is answered. */
static void
requests_before_the_end_of_a_side_are_answered(void **state)
{
	char text[1024] = "";
	const int fd = dial();

	(void)state;
	h->at_once = true;
	(void)strcat(text, "GET / HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST "\r\n");
	(void)strcat(text, post(JSON, EVENT));
	(void)strcat(text, post(JSON, "{\"report\":\"event\",\"type\":\"b\"}"));
	(void)strcat(text, "POST /v1/reports HTTP/1.1\r\n"); /* half a request is none */
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_non_null(strstr(strstr(hear(fd), "\"accepted\"") + 1, "\"accepted\""));
	assert_string_equal(fake_host_said(h), "event a\nevent b\n");
	assert_int_equal(fake_host_count(h, "requests"), 4);
	(void)close(fd);
}

/* ---- a port ---- */

static int
dial_port(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* One that is free now; another program may take it before us. */
static uint16_t
some_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	(void)close(fd);
	return ntohs(a.sin_port);
}

static int
ask_port(uint16_t port, const char *host)
{
	const int fd = dial_port(port);
	struct pollfd p[2] = { { fd, POLLIN, 0 }, { inlet_http_ops.fd(in), POLLIN, 0 } };
	char text[200];
	ssize_t n = 0;

	(void)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);
	assert_int_equal(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
	while (n <= 0) {
		assert_true(poll(p, 2, 60000) > 0);
		(void)fake_host_turn(h);
		n = recv(fd, heard, sizeof(heard) - 1, MSG_DONTWAIT);
		assert_true(n > 0 || (n < 0 && errno == EAGAIN));
	}
	heard[n] = '\0';
	(void)close(fd);
	return status(heard);
}

static void
a_port_answers_to_names_of_this_machine(void **state)
{
	char *more[] = { (char *)"till-7.shop.example" };
	struct bl_err err = { 0 };
	char listen[40];
	uint16_t port = 0;
	int rc = -1;

	(void)state;
	inlet_http_ops.close(in);
	in = NULL;
	conf.hosts = (struct bl_conf_strlist){ 1, more };
	conf.listen = listen;
	for (unsigned i = 0; i < 20 && rc < 0; i++) {
		port = some_port();
		(void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", (unsigned)port);
		rc = inlet_http_ops.open(&in, &conf, &h->host, &err);
	}
	assert_int_equal(rc, BL_OK);
	fake_host_inlet(h, &inlet_http_ops, in);
	assert_int_equal(ask_port(port, "localhost"), 200);
	assert_int_equal(ask_port(port, "127.0.0.1:1"), 200);
	assert_int_equal(ask_port(port, "till-7.shop.example"), 200);
	assert_int_equal(ask_port(port, "evil.example"), 403);
	assert_int_equal(fake_host_count(h, "foreign"), 1);
}

static void
without_an_address_it_is_off(void **state)
{
	struct inlet_http_conf off = { 0 };
	struct bl_err err = { 0 };
	void *none = &off;

	(void)state;
	assert_int_equal(inlet_http_ops.open(&none, &off, &h->host, &err), BL_OK);
	assert_null(none);
	inlet_http_ops.close(none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_waits_for_the_disk),
		TEST(what_the_disk_says_is_passed_on),
		TEST(what_the_agent_refuses_is_told_with_its_place),
		TEST(what_the_inlet_is_stands_there_in_words),
		TEST(head_is_answered_without_a_body),
		TEST(who_asks_wrongly_is_told_why),
		TEST(a_head_without_end_is_refused),
		TEST(programs_that_look_like_browsers_may_report),
		TEST(a_token_is_asked_for),
		TEST(expected_bodies_are_asked_for),
		TEST(pieces_of_any_size_are_put_together),
		TEST(a_body_in_chunks_has_its_end),
		TEST(requests_may_follow_each_other_at_once),
		TEST(requests_before_the_end_of_a_side_are_answered),
		TEST(a_port_answers_to_names_of_this_machine),
		TEST(without_an_address_it_is_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
