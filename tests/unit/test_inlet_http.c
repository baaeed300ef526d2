/*
 * The HTTP inlet over real sockets, with a scripted host and a played clock: who is
 * answered what and when, who is turned away, and that nobody harms others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "folder.h"
#include "inlet_host.h"
#include "inlet_http.h"

static char folder[FOLDER_MAX], path[FOLDER_MAX + 16], token_file[FOLDER_MAX + 16];
static struct inlet_http_conf conf;
static struct fake_host *h;
static void *in;

static void
open_inlet(void)
{
	struct bl_err err = { 0 };

	if (inlet_http_ops.open(&in, &conf, &h->host, &err) < 0)
		fail_msg("%s", err.msg);
	assert_non_null(in);
	fake_host_inlet(h, &inlet_http_ops, in);
}

static int
begin(void **state)
{
	(void)state;
	folder_make(folder, "inlet_http");
	(void)snprintf(path, sizeof(path), "%s/h.sock", folder);
	(void)snprintf(token_file, sizeof(token_file), "%s/token", folder);
	conf =
	    (struct inlet_http_conf){ .listen = path, .mode = (char *)"0640", .max_body = 65536 };
	h = fake_host_create(folder);
	open_inlet();
	return 0;
}

static int
end(void **state)
{
	struct stat st;

	(void)state;
	inlet_http_ops.close(in);
	fake_host_free(h);
	assert_int_equal(lstat(path, &st), -1); /* nothing is left behind */
	folder_remove(folder);
	return 0;
}

static int
dial(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void
say(int fd, const char *text)
{
	const size_t len = strlen(text);

	for (size_t at = 0; at < len;) {
		const ssize_t n = send(fd, text + at, len - at, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return; /* it is answered already */
		at += n > 0 ? (size_t)n : 0;
		(void)fake_host_turn(h);
	}
	(void)fake_host_turn(h);
}

static char heard[1 << 20];

/* All that has come; ended: and the end. */
static const char *
hear_more(int fd, bool *ended)
{
	size_t len = 0;
	ssize_t n;

	for (;;) {
		(void)fake_host_turn(h);
		n = recv(fd, heard + len, sizeof(heard) - 1 - len, 0);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	heard[len] = '\0';
	if (ended != NULL)
		*ended = n == 0 || errno == ECONNRESET;
	return heard;
}

static const char *
hear(int fd)
{
	return hear_more(fd, NULL);
}

/* Its end alone. */
static void
assert_ended(int fd)
{
	bool ended = false;

	assert_string_equal(hear_more(fd, &ended), "");
	assert_true(ended);
}

static const char *
body(const char *answer)
{
	const char *at = strstr(answer, "\r\n\r\n");

	assert_non_null(at);
	return at + 4;
}

static int
status(const char *answer)
{
	int code = 0;

	(void)sscanf(answer, "HTTP/1.1 %d ", &code);
	return code;
}

#define HOST  "Host: localhost\r\n"
#define JSON  "Content-Type: application/json\r\n"
#define EVENT "{\"report\":\"event\",\"type\":\"a\"}"

/* A request with its length. */
static const char *
post(const char *fields, const char *text)
{
	static char out[1 << 19];

	(void)snprintf(out, sizeof(out),
	    "POST /v1/reports HTTP/1.1\r\n" HOST "%sContent-Length: %zu\r\n\r\n%s", fields,
	    strlen(text), text);
	return out;
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

/* ---- refusals ---- */

static void
who_asks_wrongly_is_told_why(void **state)
{
#define POST "POST /v1/reports HTTP/1.1\r\n" HOST
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
		{ "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 405, "Allow: GET\r\n",
		    "bad_requests" },
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

/* ---- many ---- */

static char *
list(unsigned n, const char *type)
{
	char *text = malloc(n * 48 + 8), *at = text;

	assert_non_null(text);
	*at++ = '[';
	for (unsigned i = 0; i < n; i++)
		at +=
		    sprintf(at, "%s{\"report\":\"event\",\"type\":\"%s\"}", i > 0 ? "," : "", type);
	(void)strcpy(at, "]");
	return text;
}

static void
a_long_list_goes_as_far_as_there_is_room(void **state)
{
	const int fd = dial();
	char *text = list(1000, "a");
	unsigned turns = 0;

	(void)state;
	h->room = 7;
	say(fd, post(JSON, text));
	assert_int_equal(h->n_held, 7);
	for (; hear(fd)[0] == '\0'; turns++) {
		assert_in_range(h->n_held, 1, 7);
		fake_host_answer(h, 0);
	}
	assert_int_equal(status(heard), 200);
	assert_int_equal(h->reports, 1000);
	assert_in_range(turns, 1000 / 7, 1000 / 7 + 1);
	free(text);
	(void)close(fd);
}

/* Lines are not counted before they are taken: the thousand keep what became of them. */
static void
lines_beyond_a_thousand_are_left_out(void **state)
{
	const int fd = dial();
	char *text = malloc(1001 * sizeof(EVENT) + 1);
	unsigned n = 0;

	(void)state;
	assert_non_null(text);
	for (unsigned i = 0; i < 1001; i++)
		(void)strcpy(text + i * sizeof(EVENT), EVENT "\n");
	say(fd, post("Content-Type: application/x-ndjson\r\n", text));
	while (hear(fd)[0] == '\0' && h->n_held > 0)
		fake_host_answer(h, 0);
	assert_int_equal(status(heard), 422); /* at once */
	assert_int_equal(h->reports, 1000);
	for (const char *at = heard; (at = strstr(at, "\"accepted\"")) != NULL; at++)
		n++;
	assert_int_equal(n, 1000);
	assert_non_null(
	    strstr(heard, "\"refused\",\"message\":\"this and what follows is left out"));
	assert_int_equal(fake_host_count(h, "accepted"), 1000);
	assert_int_equal(fake_host_count(h, "bad_reports"), 1);
	free(text);
	(void)close(fd);
}

static void
a_flood_is_nobody_elses_wait(void **state)
{
	const int flood = dial(), small = dial();
	char *text = list(1000, "flood");

	(void)state;
	h->room = 1;
	say(flood, post(JSON, text));
	say(small, post(JSON, "[" EVENT "," EVENT "]"));
	for (unsigned i = 0; i < 5; i++) {
		fake_host_answer(h, 0);
		(void)fake_host_turn(h);
	}
	assert_int_equal(status(hear(small)), 200);
	free(text);
	(void)close(flood);
	(void)close(small);
}

static void
who_goes_leaves_no_answer_to_others(void **state)
{
	const int before = dial();
	int first, second;

	(void)state;
	say(before, "GET / HTTP/1.0\r\n" HOST "\r\n");
	(void)close(before);
	(void)fake_host_turn(h);
	first = dial(); /* in its place */
	say(first, post(JSON, "[" EVENT "," EVENT "]"));
	(void)close(first);
	fake_host_pass(h, 8000); /* the place is free again */
	assert_true(fake_host_answer_one(h, 0));
	second = dial();
	say(second, post(JSON, "[" EVENT "," EVENT "]"));
	assert_int_equal(h->n_held, 3);
	assert_true(fake_host_answer_one(h, 1)); /* the first one's second */
	fake_host_answer(h, 0);
	assert_int_equal(status(hear(second)), 200);
	assert_null(strstr(heard, "repeated"));
	(void)close(second);
}

/* ---- a disk that does not answer ---- */

static void
a_disk_is_waited_for_eight_seconds(void **state)
{
	const int fd = dial();
	int other;

	(void)state;
	h->room = 2;
	say(fd, post(JSON, "[" EVENT "," EVENT "," EVENT "]"));
	fake_host_pass(h, 7999);
	assert_string_equal(hear(fd), "");
	fake_host_pass(h, 1);
	assert_int_equal(status(hear(fd)), 503);
	assert_non_null(strstr(heard, "not on disk after 8 s"));
	assert_non_null(strstr(heard, "what came before still waits for the disk"));
	assert_non_null(strstr(heard, "\r\nRetry-After: "));
	/* More of them would only push samples out of memory. */
	other = dial();
	say(other, post(JSON, EVENT));
	assert_int_equal(status(hear(other)), 503);
	assert_int_equal(h->n_held, 2);
	(void)close(other);
	/* It works again. */
	assert_true(fake_host_answer_one(h, 0));
	say(fd, post(JSON, EVENT));
	fake_host_answer(h, 0);
	assert_int_equal(status(hear(fd)), 200);
	(void)close(fd);
}

static void
without_room_for_the_first_it_is_not_stored(void **state)
{
	const int fd = dial();

	(void)state;
	h->room = 0;
	say(fd, post(JSON, EVENT));
	for (unsigned i = 0; i < 7; i++)
		fake_host_pass(h, 1000);
	assert_string_equal(hear(fd), "");
	fake_host_pass(h, 1000);
	assert_int_equal(status(hear(fd)), 503);
	say(fd, post(JSON, EVENT));
	h->room = 1;
	h->at_once = true;
	fake_host_pass(h, 1000); /* it asks again by itself */
	assert_int_equal(status(hear(fd)), 200);
	say(fd, post(JSON, EVENT));
	assert_int_equal(status(hear(fd)), 200);
	(void)close(fd);
}

static void
an_agent_that_ends_answers_what_it_took(void **state)
{
	const int fd = dial(), idle = dial();
	struct stat st;

	(void)state;
	h->room = 1;
	say(fd, post(JSON, "[" EVENT "," EVENT "]"));
	assert_int_equal(lstat(path, &st), 0);
	inlet_http_ops.finish(in);
	assert_int_equal(lstat(path, &st), -1);
	assert_ended(idle);
	fake_host_answer(h, 0);
	assert_int_equal(status(hear(fd)), 503);
	assert_non_null(strstr(heard, "\"accepted\""));
	assert_non_null(strstr(heard, "not stored: the agent ends"));
	(void)close(fd);
	(void)close(idle);
}

/* ---- who is slow, and how many ---- */

static void
who_is_slow_is_let_go(void **state)
{
	const int head = dial(), text = dial(), silent = dial();

	(void)state;
	say(silent, "");
	say(head, "POST /v1/reports HTTP/1.1\r\n");
	say(text, POST JSON "Content-Length: 29\r\n\r\n{");
	for (unsigned i = 0; i < 4; i++) {
		fake_host_pass(h, 1000);
		say(head, "X: 1\r\n"); /* a bit now and then does not help */
		say(text, " ");
	}
	assert_string_equal(hear(head), "");
	fake_host_pass(h, 1000);
	assert_int_equal(status(hear(head)), 408);
	fake_host_pass(h, 4999);
	assert_string_equal(hear(text), "");
	fake_host_pass(h, 1);
	assert_int_equal(status(hear(text)), 408);
	assert_int_equal(fake_host_count(h, "too_slow"), 2);
	fake_host_pass(h, 49999);
	assert_string_equal(hear(silent), "");
	fake_host_pass(h, 1);
	assert_ended(silent);
	(void)close(head);
	(void)close(text);
	(void)close(silent);
}

static void
who_does_not_read_is_let_go(void **state)
{
	const int fd = dial(), small = 1;
	char *text = list(1000, "");

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	/* Until it is not read from either, whatever the kernel keeps for both. */
	for (unsigned i = 0; i < 2000; i++) {
		const char *one = post(JSON, text);

		if (send(fd, one, strlen(one), MSG_NOSIGNAL) < 0)
			break;
		(void)fake_host_turn(h);
	}
	fake_host_pass(h, 10000);
	assert_int_equal(fake_host_count(h, "too_slow"), 1);
	free(text);
	(void)close(fd);
}

static void
further_connections_wait_for_a_place(void **state)
{
	int fd[68];

	(void)state;
	for (unsigned i = 0; i < 68; i++) {
		fd[i] = dial();
		say(fd[i], "GET / HTTP/1.1\r\n"); /* it is busy */
	}
	for (unsigned i = 64; i < 68; i++) {
		say(fd[i], HOST "\r\n");
		assert_string_equal(hear(fd[i]), "");
	}
	say(fd[5], HOST "\r\n");
	assert_int_equal(status(hear(fd[5])), 200);
	assert_string_equal(hear(fd[64]), ""); /* it may have more to say */
	(void)close(fd[6]);
	assert_int_equal(status(hear(fd[64])), 200);
	assert_string_equal(hear(fd[65]), "");
	fake_host_pass(h, 1000); /* now it has been silent for a while */
	assert_int_equal(status(hear(fd[65])), 200);
	assert_ended(fd[5]);
	fake_host_pass(h, 4000); /* who is slow goes */
	assert_int_equal(status(hear(fd[66])), 200);
	assert_int_equal(status(hear(fd[67])), 200);
	for (unsigned i = 0; i < 68; i++)
		if (i != 6)
			(void)close(fd[i]);
}

static void
memory_for_all_has_its_end(void **state)
{
	static char half[600000];
	int fd[4];

	(void)state;
	conf.max_body = 1 << 20;
	memset(half, ' ', sizeof(half) - 1);
	for (unsigned i = 0; i < 4; i++) {
		fd[i] = dial();
		say(fd[i], POST JSON "Content-Length: 700000\r\n\r\n");
		say(fd[i], half);
	}
	assert_string_equal(hear(fd[0]), "");
	assert_int_equal(status(hear(fd[3])), 503);
	assert_true(fake_host_count(h, "busy") > 0);
	for (unsigned i = 0; i < 4; i++)
		(void)close(fd[i]);
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_waits_for_the_disk),
		TEST(what_the_disk_says_is_passed_on),
		TEST(what_the_agent_refuses_is_told_with_its_place),
		TEST(what_the_inlet_is_stands_there_in_words),
		TEST(who_asks_wrongly_is_told_why),
		TEST(a_head_without_end_is_refused),
		TEST(programs_that_look_like_browsers_may_report),
		TEST(a_token_is_asked_for),
		TEST(expected_bodies_are_asked_for),
		TEST(pieces_of_any_size_are_put_together),
		TEST(a_body_in_chunks_has_its_end),
		TEST(requests_may_follow_each_other_at_once),
		TEST(requests_before_the_end_of_a_side_are_answered),
		TEST(a_long_list_goes_as_far_as_there_is_room),
		TEST(lines_beyond_a_thousand_are_left_out),
		TEST(a_flood_is_nobody_elses_wait),
		TEST(who_goes_leaves_no_answer_to_others),
		TEST(a_disk_is_waited_for_eight_seconds),
		TEST(without_room_for_the_first_it_is_not_stored),
		TEST(an_agent_that_ends_answers_what_it_took),
		TEST(who_is_slow_is_let_go),
		TEST(who_does_not_read_is_let_go),
		TEST(further_connections_wait_for_a_place),
		TEST(memory_for_all_has_its_end),
		TEST(a_port_answers_to_names_of_this_machine),
		TEST(without_an_address_it_is_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
