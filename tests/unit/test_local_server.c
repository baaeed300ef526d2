/*
 * The page's server over real sockets and a played clock: who is answered and what
 * with, who is turned away, and that nobody can keep it busy or make it grow.
 */
#include "local.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "folder.h"

static int64_t mono;

static int64_t
mono_ms(void *ctx)
{
	(void)ctx;
	return mono;
}

static const struct bl_clock played = { .mono_ms = mono_ms };
static struct local *server;
static char folder[FOLDER_MAX], path[FOLDER_MAX + 16];
static unsigned asked;
static uint32_t ask_id;
static enum local_what ask_what;
static bool answer_at_once, answer_late;

static void
answer(const char *text)
{
	struct bl_buf b;

	bl_buf_init(&b, LOCAL_BODY_MAX);
	bl_buf_bytes(&b, text, strlen(text));
	local_answer(server, ask_id, "text/plain", &b);
}

static void
on_ask(void *ctx, uint32_t id, enum local_what what)
{
	(void)ctx;
	asked++;
	ask_id = id;
	ask_what = what;
	if (answer_at_once)
		answer("made\n");
}

static void
on_late(void *ctx, uint32_t id, enum local_what what)
{
	(void)ctx;
	(void)what;
	ask_id = id;
	if (answer_late)
		answer("late\n");
}

static int
begin(void **state)
{
	static const struct bl_conf_strlist no_hosts;
	struct bl_err err = { 0 };
	const struct local_opts o = { .listen = path,
		.mode = 0640,
		.hosts = &no_hosts,
		.clock = &played,
		.calls = { NULL, on_ask, on_late } };

	(void)state;
	mono = 1000;
	asked = 0;
	answer_at_once = true;
	answer_late = true;
	folder_make(folder, "local");
	(void)snprintf(path, sizeof(path), "%s/page.sock", folder);
	return local_open(&server, &o, &err) == BL_OK ? 0 : -1;
}

static int
end(void **state)
{
	struct stat st;

	(void)state;
	local_close(server);
	server = NULL;
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

/* Turns until nothing is left to do at this instant. */
static void
turn(void)
{
	struct pollfd p = { .fd = local_fd(server), .events = POLLIN };

	for (int i = 0; i < 1000; i++) {
		if (poll(&p, 1, 0) <= 0 && local_deadline(server) > mono)
			return;
		local_serve(server);
	}
	fail_msg("it is busy without end");
}

static void
say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* All that comes until the end; closed: the end came. */
static bool
hear(int fd, char *out, size_t size)
{
	size_t len = 0;
	ssize_t n;

	for (;;) {
		turn();
		n = recv(fd, out + len, size - 1 - len, 0);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	out[len] = '\0';
	return n == 0 || errno == ECONNRESET;
}

/* The whole answer to one request. */
static void
get(const char *request, char *out, size_t size)
{
	const int fd = dial();

	say(fd, request);
	assert_true(hear(fd, out, size));
	(void)close(fd);
	turn();
}

static const char *
body(const char *answer_text)
{
	const char *at = strstr(answer_text, "\r\n\r\n");

	assert_non_null(at);
	return at + 4;
}

#define TO "Host: localhost\r\n\r\n"

static void
each_path_has_its_answer(void **state)
{
	static const struct {
		const char *request, *begins, *type, *has;
		unsigned asked;
		enum local_what what;
	} cases[] = {
		{ "GET / HTTP/1.1\r\n" TO, "HTTP/1.1 200 OK\r\n", "text/html; charset=utf-8",
		    "<html", 0, 0 },
		{ "GET /page.js HTTP/1.1\r\n" TO, "HTTP/1.1 200 OK\r\n",
		    "text/javascript; charset=utf-8", "use strict", 0, 0 },
		{ "GET /page.css HTTP/1.1\r\n" TO, "HTTP/1.1 200 OK\r\n", "text/css; charset=utf-8",
		    "body", 0, 0 },
		{ "GET /words.json HTTP/1.1\r\n" TO, "HTTP/1.1 200 OK\r\n", "application/json",
		    "\"cpu_used_pct\":[\"", 0, 0 },
		{ "GET /now.json HTTP/1.1\r\n" TO, "HTTP/1.1 200 OK\r\n", "text/plain", "made\n", 1,
		    LOCAL_NOW },
		{ "GET /metrics HTTP/1.1\r\n" TO, "HTTP/1.1 200 OK\r\n", "text/plain", "made\n", 1,
		    LOCAL_METRICS },
		{ "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\n" TO,
		    "HTTP/1.1 200 OK\r\n", "text/plain", "made\n", 1, LOCAL_METRICS_OPENMETRICS },
		{ "GET /../etc/passwd HTTP/1.1\r\n" TO, "HTTP/1.1 404 Not Found\r\n",
		    "text/plain; charset=utf-8", "/metrics", 0, 0 },
		{ "POST /metrics HTTP/1.1\r\n" TO, "HTTP/1.1 405 Method Not Allowed\r\n",
		    "text/plain; charset=utf-8", "not understood", 0, 0 },
		{ "GET /now.json HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		    "HTTP/1.1 403 Forbidden\r\n", "text/plain; charset=utf-8", "under this name", 0,
		    0 },
		{ "GET /now.json HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n",
		    "text/plain; charset=utf-8", "not understood", 0, 0 },
	};
	static char text[65536];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char want[128];

		asked = 0;
		mono += 1000;
		get(cases[i].request, text, sizeof(text));
		if (strncmp(text, cases[i].begins, strlen(cases[i].begins)) != 0)
			fail_msg("case %zu: %.60s", i, text);
		(void)snprintf(want, sizeof(want), "Content-Type: %s\r\n", cases[i].type);
		assert_non_null(strstr(text, want));
		(void)snprintf(want, sizeof(want), "Content-Length: %zu\r\n", strlen(body(text)));
		assert_non_null(strstr(text, want));
		assert_non_null(strstr(body(text), cases[i].has));
		assert_int_equal(asked, cases[i].asked);
		if (asked > 0)
			assert_int_equal(ask_what, cases[i].what);
		/* Whatever it is, no other page may frame it, sniff it or keep it. */
		assert_non_null(strstr(text, "frame-ancestors 'none'"));
		assert_non_null(strstr(text, "X-Content-Type-Options: nosniff"));
		assert_non_null(strstr(text, "Cache-Control: no-store"));
		assert_null(strstr(text, "Access-Control"));
	}
}

static void
head_is_answered_without_a_body(void **state)
{
	static const char *const paths[] = { "/", "/metrics", "/nothing" };
	char request[100], text[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		mono += 1000;
		(void)snprintf(request, sizeof(request), "HEAD %s HTTP/1.1\r\n" TO, paths[i]);
		get(request, text, sizeof(text));
		assert_memory_equal(text, i == 2 ? "HTTP/1.1 404" : "HTTP/1.1 200", 12);
		assert_null(strstr(text, "Content-Length: 0\r\n"));
		assert_string_equal(body(text), "");
	}
}

static void
a_request_may_come_in_pieces(void **state)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\n" TO;
	char text[2048];
	const int fd = dial();

	(void)state;
	for (size_t i = 0; request[i] != '\0'; i++) {
		assert_int_equal(asked, 0);
		assert_int_equal(send(fd, &request[i], 1, MSG_NOSIGNAL), 1);
		turn();
	}
	assert_true(hear(fd, text, sizeof(text)));
	assert_string_equal(body(text), "made\n");
	(void)close(fd);
}

static struct local_counters
count(void)
{
	struct local_counters n;

	local_count(server, &n);
	return n;
}

static void
who_says_nothing_is_dropped(void **state)
{
	char text[64];
	const int fd = dial();

	(void)state;
	say(fd, "GET / HTT");
	turn();
	assert_int_equal(count().clients, 1);
	mono += LOCAL_HEAD_MS - 1;
	turn();
	assert_int_equal(count().clients, 1);
	mono += 1;
	assert_true(hear(fd, text, sizeof(text)));
	assert_int_equal(count().clients, 0);
	assert_true(local_deadline(server) == INT64_MAX);
	(void)close(fd);
}

static void
a_head_that_does_not_end_is_refused(void **state)
{
	static char text[8192];
	const int fd = dial();

	(void)state;
	memset(text, 'a', 4096);
	text[4096] = '\0';
	say(fd, text);
	assert_true(hear(fd, text, sizeof(text)));
	assert_int_equal(strncmp(text, "HTTP/1.1 431 ", 13), 0);
	(void)close(fd);
}

static void
the_silent_make_room_for_those_who_ask(void **state)
{
	char text[2048];
	int fd[LOCAL_CLIENTS];

	(void)state;
	for (unsigned i = 0; i < LOCAL_CLIENTS; i++) {
		fd[i] = dial();
		mono++;
		turn();
	}
	assert_int_equal(count().clients, LOCAL_CLIENTS);
	/* The first place is taken by the newest now. */
	(void)close(fd[0]);
	turn();
	fd[0] = dial();
	turn();
	get("GET /metrics HTTP/1.1\r\n" TO, text, sizeof(text));
	assert_string_equal(body(text), "made\n");
	assert_int_equal(recv(fd[1], text, sizeof(text), 0), 0); /* the oldest went */
	assert_int_equal(recv(fd[0], text, sizeof(text), 0), -1);
	assert_int_equal(recv(fd[2], text, sizeof(text), 0), -1);
	assert_true(count().busy > 0);
	for (unsigned i = 0; i < LOCAL_CLIENTS; i++)
		(void)close(fd[i]);
	turn();
	assert_int_equal(count().clients, 0);
}

/* More at once than there are places: nobody who has asked already makes room for another. */
static void
a_crowd_is_answered_to_the_last(void **state)
{
	char text[2048];
	int fd[3 * LOCAL_CLIENTS];

	(void)state;
	for (unsigned i = 0; i < 3 * LOCAL_CLIENTS; i++) {
		fd[i] = dial();
		say(fd[i], "GET /no HTTP/1.1\r\n" TO);
		if (i % LOCAL_CLIENTS == LOCAL_CLIENTS - 1)
			local_serve(server); /* takes them; meanwhile the next ones come */
	}
	for (unsigned i = 0; i < 3 * LOCAL_CLIENTS; i++) {
		assert_true(hear(fd[i], text, sizeof(text)));
		if (strncmp(text, "HTTP/1.1 404 ", 13) != 0)
			fail_msg("client %u: \"%.40s\"", i, text);
		(void)close(fd[i]);
	}
	assert_int_equal(count().busy, 0);
}

static void
so_many_answers_a_second_and_no_more(void **state)
{
	char text[2048];

	(void)state;
	for (unsigned i = 0; i < LOCAL_A_SECOND; i++) {
		get("GET /metrics HTTP/1.1\r\n" TO, text, sizeof(text));
		assert_string_equal(body(text), "made\n");
	}
	get("GET /metrics HTTP/1.1\r\n" TO, text, sizeof(text));
	assert_int_equal(strncmp(text, "HTTP/1.1 503 ", 13), 0);
	assert_non_null(strstr(text, "Retry-After: 1\r\n"));
	assert_int_equal(asked, LOCAL_A_SECOND);
	mono += 1000;
	get("GET /metrics HTTP/1.1\r\n" TO, text, sizeof(text));
	assert_string_equal(body(text), "made\n");
}

static void
so_many_connections_a_second_and_no_more(void **state)
{
	char text[256];
	int fd;

	(void)state;
	for (unsigned i = 0; i < LOCAL_CONNECTS; i++)
		get("GET /no HTTP/1.1\r\n" TO, text, sizeof(text));
	fd = dial();
	say(fd, "GET /no HTTP/1.1\r\n" TO);
	assert_false(hear(fd, text, sizeof(text))); /* it waits in the kernel, and nothing spins */
	assert_true(local_deadline(server) > mono && local_deadline(server) <= mono + 1000);
	mono += 1000;
	assert_true(hear(fd, text, sizeof(text)));
	assert_int_equal(strncmp(text, "HTTP/1.1 404 ", 13), 0);
	(void)close(fd);
}

static void
an_answer_that_does_not_come_is_made_without_waiting(void **state)
{
	char text[2048];
	int fd = dial();

	(void)state;
	answer_at_once = false;
	say(fd, "GET /now.json HTTP/1.1\r\n" TO);
	assert_false(hear(fd, text, sizeof(text)));
	mono += LOCAL_WAIT_MS;
	assert_true(hear(fd, text, sizeof(text)));
	assert_string_equal(body(text), "late\n");
	answer("too late for anybody\n"); /* the real one, when it comes at last */
	(void)close(fd);

	fd = dial();
	answer_late = false;
	say(fd, "GET /now.json HTTP/1.1\r\n" TO);
	assert_false(hear(fd, text, sizeof(text)));
	mono += LOCAL_WAIT_MS;
	assert_true(hear(fd, text, sizeof(text)));
	assert_int_equal(strncmp(text, "HTTP/1.1 503 ", 13), 0);
	(void)close(fd);
}

static void
who_goes_before_the_answer_leaves_nothing(void **state)
{
	const int fd = dial();

	(void)state;
	answer_at_once = false;
	say(fd, "GET /now.json HTTP/1.1\r\n" TO);
	turn();
	assert_int_equal(asked, 1);
	(void)close(fd);
	turn();
	assert_int_equal(count().clients, 0);
	answer("nobody is there\n");
}

/* A large answer that nobody reads: bounded in time, and no second one is made beside it. */
static void
who_does_not_read_is_dropped(void **state)
{
	char *large = malloc(LOCAL_BODY_MAX + 1);
	char text[2048];
	const int fd = dial();

	(void)state;
	assert_non_null(large);
	memset(large, 'x', LOCAL_BODY_MAX);
	large[LOCAL_BODY_MAX] = '\0';
	answer_at_once = false;
	say(fd, "GET /metrics HTTP/1.1\r\n" TO);
	turn();
	answer(large);
	free(large);
	turn();
	assert_int_equal(count().clients, 1);
	get("GET /metrics HTTP/1.1\r\n" TO, text, sizeof(text));
	assert_int_equal(strncmp(text, "HTTP/1.1 503 ", 13), 0);
	mono += LOCAL_SEND_MS;
	turn();
	assert_int_equal(count().clients, 0);
	answer_at_once = true;
	get("GET /metrics HTTP/1.1\r\n" TO, text, sizeof(text));
	assert_string_equal(body(text), "made\n");
	(void)close(fd);
}

/* They were let in while nothing was under way; their answers come later, all at once. */
static void
large_answers_that_come_together_are_not_kept_together(void **state)
{
	char *large = malloc(LOCAL_BODY_MAX + 1);
	uint32_t id[LOCAL_CLIENTS];
	int fd[LOCAL_CLIENTS];
	char text[2048];

	(void)state;
	assert_non_null(large);
	memset(large, 'x', LOCAL_BODY_MAX);
	large[LOCAL_BODY_MAX] = '\0';
	answer_at_once = false;
	for (unsigned i = 0; i < LOCAL_CLIENTS; i++) {
		fd[i] = dial();
		say(fd[i], "GET /now.json HTTP/1.1\r\n" TO);
		turn();
		id[i] = ask_id;
	}
	assert_int_equal(asked, LOCAL_CLIENTS);
	for (unsigned i = 0; i < LOCAL_CLIENTS; i++) {
		ask_id = id[i];
		answer(large);
	}
	free(large);
	assert_int_equal(count().answers, 1);
	for (unsigned i = 1; i < LOCAL_CLIENTS; i++) {
		assert_true(hear(fd[i], text, sizeof(text)));
		assert_int_equal(strncmp(text, "HTTP/1.1 503 ", 13), 0);
	}
	for (unsigned i = 0; i < LOCAL_CLIENTS; i++)
		(void)close(fd[i]);
}

static void
the_socket_has_its_permissions(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void
a_file_in_the_way_stays(void **state)
{
	static const struct bl_conf_strlist no_hosts;
	struct local_opts o = { .mode = 0600, .hosts = &no_hosts, .clock = &played };
	struct bl_err err = { 0 };
	struct local *other;
	char file[FOLDER_MAX + 16];
	FILE *f;

	(void)state;
	(void)snprintf(file, sizeof(file), "%s/file", folder);
	f = fopen(file, "w");
	assert_non_null(f);
	(void)fclose(f);
	o.listen = file;
	assert_true(local_open(&other, &o, &err) < 0);
	assert_null(other);
	assert_non_null(strstr(err.msg, file));
	assert_int_equal(access(file, F_OK), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_path_has_its_answer),
		TEST(head_is_answered_without_a_body),
		TEST(a_request_may_come_in_pieces),
		TEST(who_says_nothing_is_dropped),
		TEST(a_head_that_does_not_end_is_refused),
		TEST(the_silent_make_room_for_those_who_ask),
		TEST(a_crowd_is_answered_to_the_last),
		TEST(so_many_answers_a_second_and_no_more),
		TEST(so_many_connections_a_second_and_no_more),
		TEST(an_answer_that_does_not_come_is_made_without_waiting),
		TEST(who_goes_before_the_answer_leaves_nothing),
		TEST(who_does_not_read_is_dropped),
		TEST(large_answers_that_come_together_are_not_kept_together),
		TEST(the_socket_has_its_permissions),
		TEST(a_file_in_the_way_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
