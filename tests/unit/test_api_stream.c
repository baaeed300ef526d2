/*
 * Answers that are made while they are sent, on a server with one thread: one that has
 * nothing to say for long neither keeps others waiting nor outlives who asked for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "branchline/buf.h"

#include "http_internal.h"

#define WAIT_MS 30000

/* What "/long" answers with: a line, and then nothing for that many steps. */
static struct {
	_Atomic int steps, until, ended;
	_Atomic int64_t ended_ms;
} slow;

static struct {
	struct http_server *server;
	char folder[64], path[96];
} at;

static void
sleep_ms(int ms)
{
	(void)poll(NULL, 0, ms);
}

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int
next(void *ctx, struct bl_buf *out)
{
	(void)ctx;
	if (slow.steps++ == 0) {
		bl_buf_bytes(out, "begun\n", 6);
		return 1;
	}
	sleep_ms(2);
	return slow.steps < slow.until ? 1 : 0;
}

static void
end(void *ctx)
{
	(void)ctx;
	slow.ended_ms = now_ms();
	slow.ended = 1;
}

static void
handle(struct api *api, const struct http_request *q, struct http_answer *a)
{
	(void)api;
	a->status = 200;
	a->content_type = "text/plain";
	if (strcmp(q->path, "/long") == 0) {
		a->stream = (struct http_stream){ NULL, next, end };
		return;
	}
	a->shared = "short";
	a->len = 5;
}

static void
refuse(struct api *api, const struct http_request *q, unsigned status, const char *code,
    const char *detail, struct http_answer *a)
{
	(void)api;
	(void)q;
	(void)code;
	(void)detail;
	a->status = status;
}

static int
set_up(unsigned stream_max_s)
{
	struct http_opts opts = { .unix_socket = true,
		.threads = 1,
		.connections_max = 8,
		.per_address_max = 8,
		.timeout_s = 1,
		.stream_max_s = stream_max_s,
		.handle = handle,
		.refuse = refuse };
	struct bl_err err = { 0 };

	slow.steps = slow.ended = 0;
	(void)snprintf(at.folder, sizeof(at.folder), "/tmp/bl-stream-XXXXXX");
	assert_non_null(mkdtemp(at.folder));
	(void)snprintf(at.path, sizeof(at.path), "%s/sock", at.folder);
	assert_int_equal(http_listen_unix(&opts.listen_fd, at.path, &err), BL_OK);
	assert_int_equal(http_start(&at.server, &opts, &err), BL_OK);
	return 0;
}

/* Longer than anything is waited for. */
static int
without_end(void **state)
{
	(void)state;
	return set_up(4 * WAIT_MS / 1000);
}

static int
five_seconds(void **state)
{
	(void)state;
	return set_up(5);
}

static int
teardown(void **state)
{
	(void)state;
	http_stop(at.server);
	(void)unlink(at.path);
	return rmdir(at.folder);
}

static int
ask(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[128];
	int n;

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", at.path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	n = snprintf(
	    text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
	assert_int_equal(send(fd, text, (size_t)n, 0), n);
	return fd;
}

/* Reads until it says what, or ends: false. */
static bool
read_until(int fd, const char *what)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[4096] = "";
	size_t n = 0;

	while (strstr(text, what) == NULL) {
		ssize_t got;

		assert_true(n < sizeof(text) - 1);
		if (poll(&p, 1, WAIT_MS) != 1 ||
		    (got = recv(fd, text + n, sizeof(text) - 1 - n, 0)) <= 0)
			return false;
		n += (size_t)got;
		text[n] = '\0';
	}
	return true;
}

static bool
ends_within(int ms)
{
	for (int waited = 0; !slow.ended && waited < ms; waited += 10)
		sleep_ms(10);
	return slow.ended;
}

static void
others_are_answered_meanwhile(void **state)
{
	int fd, other;

	(void)state;
	slow.until = INT_MAX;
	fd = ask("/long");
	assert_true(read_until(fd, "begun"));
	other = ask("/short");
	assert_true(read_until(other, "short"));
	assert_false(slow.ended);
	slow.until = 0;
	assert_true(read_until(fd, "0\r\n\r\n")); /* it comes to its end */
	(void)close(other);
	(void)close(fd);
	assert_true(ends_within(WAIT_MS));
}

static void
ends_when_nobody_waits_for_it(void **state)
{
	int fd;

	(void)state;
	slow.until = INT_MAX;
	fd = ask("/long");
	assert_true(read_until(fd, "begun"));
	(void)close(fd);
	assert_true(ends_within(WAIT_MS));
}

/* Four times the time of a request, four seconds, is no limit while it is being made; five are one.
 */
static void
ends_when_it_takes_too_long(void **state)
{
	const int64_t began_ms = now_ms();
	struct http_counters c;
	int fd;

	(void)state;
	slow.until = INT_MAX;
	fd = ask("/long");
	assert_true(read_until(fd, "begun"));
	assert_true(ends_within(WAIT_MS));
	assert_true(slow.ended_ms - began_ms > 4600);
	http_counters(at.server, &c);
	assert_int_equal(c.timed_out, 1);
	assert_false(read_until(fd, "0\r\n\r\n"));
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    others_are_answered_meanwhile, without_end, teardown),
		cmocka_unit_test_setup_teardown(
		    ends_when_nobody_waits_for_it, without_end, teardown),
		cmocka_unit_test_setup_teardown(
		    ends_when_it_takes_too_long, five_seconds, teardown),
	};

	return cmocka_run_group_tests_name("api_stream", tests, NULL, NULL);
}
