/*
 * The inlet against a played exporter: a socket of this test's, which answers
 * piece by piece what each case says, while the clock stands still.
 */
#include "inlet_host.h"
#include "scrape_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "folder.h"

#define PATIENCE_MS 60000 /* of the kernel's, on whatever machine */

struct played {
	int fd, at; /* listening; the connection */
	uint16_t port;
	char url[64], path[FOLDER_MAX + 16], folder[FOLDER_MAX];
};

struct bench {
	struct fake_host *host;
	struct played exporter[2];
	struct scrape_exporter_conf job[2];
	struct scrape_conf conf;
	void *in;
};

/* ---- the exporter ---- */

/* A port that is taken, so that nobody else gets it, and where nobody listens. */
static void
take_tcp(struct played *p)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	p->at = -1;
	assert_true((p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&a, &len), 0);
	p->port = ntohs(a.sin_port);
	snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%u/metrics", (unsigned)p->port);
}

static void
listen_tcp(struct played *p)
{
	take_tcp(p);
	assert_int_equal(listen(p->fd, 8), 0);
}

/* On ::1 alone: the same port of 127.0.0.1 is taken.  False: no IPv6 here. */
static bool
listen_tcp6(struct played *p, struct played *v4)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };

	p->at = -1;
	if ((p->fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		return false;
	for (;;) {
		take_tcp(v4);
		a.sin6_port = htons(v4->port);
		if (bind(p->fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			break;
		close(v4->fd);
		if (errno != EADDRINUSE) {
			close(p->fd);
			return false;
		}
	}
	assert_int_equal(listen(p->fd, 8), 0);
	snprintf(p->url, sizeof(p->url), "http://localhost:%u/metrics", (unsigned)v4->port);
	return true;
}

static void
listen_unix(struct played *p)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	p->at = -1;
	folder_make(p->folder, "scrape");
	snprintf(p->path, sizeof(p->path), "%s/exporter", p->folder);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", p->path);
	assert_true((p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(p->fd, 8), 0);
	snprintf(p->url, sizeof(p->url), "http://localhost/probe?target=x");
}

static void
stop(struct played *p)
{
	if (p->url[0] == '\0')
		return; /* there was none */
	if (p->at >= 0)
		close(p->at);
	if (p->fd >= 0)
		close(p->fd);
	p->at = p->fd = -1;
	if (p->folder[0] != '\0')
		folder_remove(p->folder);
}

static void
await(int fd, short events)
{
	struct pollfd f = { .fd = fd, .events = events };

	assert_int_equal(poll(&f, 1, PATIENCE_MS), 1);
}

/* ---- the inlet ---- */

static void
bench_open(struct bench *b, unsigned n)
{
	struct bl_err err;

	b->host = fake_host_create("/nowhere");
	for (unsigned i = 0; i < n; i++) {
		struct scrape_exporter_conf *c = &b->job[i];

		c->name = i == 0 ? (char *)"one" : (char *)"two";
		c->url = c->url != NULL ? c->url : b->exporter[i].url;
		c->interval_ms = 60000;
		c->timeout_ms = 5000;
		c->max_series = 100;
		c->max_bytes = c->max_bytes != 0 ? c->max_bytes : 65536;
	}
	b->conf.exporters = (struct bl_conf_list){ n, b->job };
	assert_int_equal(scrape_ops.open(&b->in, &b->conf, &b->host->host, &err), BL_OK);
	assert_non_null(b->in);
	fake_host_inlet(b->host, &scrape_ops, b->in);
}

static void
bench_close(struct bench *b)
{
	scrape_ops.close(b->in);
	fake_host_free(b->host);
	stop(&b->exporter[0]);
	stop(&b->exporter[1]);
}

/* Lets the inlet do what it can, once something is there to be done. */
static void
inlet_turn(struct bench *b)
{
	await(scrape_ops.fd(b->in), POLLIN);
	(void)fake_host_turn(b->host);
}

/* The inlet connects and asks; what it asked. */
static const char *
asked(struct bench *b, struct played *p)
{
	static char text[4096];
	size_t len = 0;

	(void)fake_host_turn(b->host);
	await(p->fd, POLLIN);
	assert_true((p->at = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0);
	while (len < 4 || memcmp(text + len - 4, "\r\n\r\n", 4) != 0) {
		struct pollfd f = { .fd = p->at, .events = POLLIN };
		ssize_t n;

		(void)fake_host_turn(b->host);
		if (poll(&f, 1, 0) == 0)
			continue; /* the connection is being made */
		n = recv(p->at, text + len, sizeof(text) - 1 - len, 0);
		assert_true(n > 0);
		len += (size_t)n;
		assert_true(len < sizeof(text) - 1);
	}
	text[len] = '\0';
	return text;
}

static void
say(struct bench *b, struct played *p, const char *text)
{
	const size_t len = strlen(text);

	assert_int_equal(send(p->at, text, len, MSG_NOSIGNAL), (ssize_t)len);
	inlet_turn(b);
}

static void
hang_up(struct bench *b, struct played *p)
{
	close(p->at);
	p->at = -1;
	inlet_turn(b);
}

/* What it may have answered once its end was there. */
static void
drop(struct played *p)
{
	if (p->at >= 0)
		close(p->at);
	p->at = -1;
}

static void
check_series(const struct bench *b, const char *key, double value)
{
	if (fake_host_value(b->host, key) != value)
		fail_msg("%s is %g, not %g", key, fake_host_value(b->host, key), value);
}

static void
check_unknown(const struct bench *b, const char *key, enum bl_unknown why)
{
	const struct fake_series *s = fake_host_series(b->host, key);

	if (s == NULL || !isnan(s->value) || s->unknown != why)
		fail_msg("%s is not unknown for reason %d", key, (int)why);
}

/* ---- an exporter that answers ---- */

#define OK     "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
#define LENGTH "Content-Length: 8\r\n\r\n"
#define OPEN   "HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0\r\n"

static void
a_page_is_put_as_of_one_instant(void **state)
{
	struct bench b = { 0 };
	const char *request;

	(void)state;
	listen_tcp(&b.exporter[0]);
	bench_open(&b, 1);
	request = asked(&b, &b.exporter[0]);
	assert_non_null(strstr(request, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:"));
	assert_non_null(strstr(request, "\r\nConnection: close\r\n"));
	assert_non_null(strstr(request, "\r\nAccept: text/plain;version=0.0.4,"));
	b.host->ms += 40;
	say(&b, &b.exporter[0], OK LENGTH "a 1");
	assert_int_equal(b.host->flushes, 0);
	say(&b, &b.exporter[0], "\nb 2\n");
	assert_int_equal(b.host->flushes, 1);
	assert_int_equal(b.host->unflushed, 0);
	check_series(&b, "a{source=one}", 1);
	check_series(&b, "b{source=one}", 2);
	check_series(&b, "scrape_up{source=one}", 1);
	check_series(&b, "scrape_series{source=one}", 2);
	check_series(&b, "scrape_duration_ms{source=one}", 40);
	assert_int_equal(fake_host_series(b.host, "a{source=one}")->interval_ms, 60000);
	assert_int_equal(fake_host_count(b.host, "accepted"), 2);
	assert_int_equal(fake_host_count(b.host, "pages"), 1);
	bench_close(&b);
}

static void
it_is_asked_once_an_interval(void **state)
{
	struct bench b = { 0 };

	(void)state;
	listen_tcp(&b.exporter[0]);
	bench_open(&b, 1);
	for (unsigned i = 1; i <= 3; i++) {
		(void)asked(&b, &b.exporter[0]);
		say(&b, &b.exporter[0], OK LENGTH "a 1\nb 2\n");
		assert_int_equal(fake_host_count(b.host, "pages"), i);
		drop(&b.exporter[0]);
		/* Not before its time. */
		b.host->ms = scrape_ops.deadline(b.in) - b.host->clock.mono_ms(b.host->clock.ctx) +
			     b.host->ms - 1;
		assert_int_equal(fake_host_turn(b.host), 0);
		b.host->ms += 1;
	}
	bench_close(&b);
}

/* However the end is told, and whatever else stands there. */
static void
answers_of_all_kinds_are_read(void **state)
{
	static const char *const answer[] = {
		OK LENGTH "a 1\nb 2\n",
		OK "Transfer-Encoding: chunked\r\n\r\n3\r\na 1\r\n5;x=y\r\n\nb 2\n\r\n0\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\na 1\nb 2\n",
		"HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 7\r\n\r\na 1\nb 2",
		OPEN "\r\na 1\nb 2\n# EOF\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answer) / sizeof(answer[0]); i++) {
		struct bench b = { 0 };

		listen_tcp(&b.exporter[0]);
		bench_open(&b, 1);
		(void)asked(&b, &b.exporter[0]);
		say(&b, &b.exporter[0], answer[i]);
		if (fake_host_count(b.host, "pages") == 0)
			hang_up(&b, &b.exporter[0]);
		assert_int_equal(fake_host_count(b.host, "pages"), 1);
		check_series(&b, "a{source=one}", 1);
		check_series(&b, "b{source=one}", 2);
		check_series(&b, "scrape_up{source=one}", 1);
		bench_close(&b);
	}
}

/* ---- what the log says ---- */

static int log_kept, log_read;

static void
log_begin(void)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	log_read = ends[0];
	assert_true((log_kept = dup(STDERR_FILENO)) >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
	(void)close(ends[1]);
}

static const char *
log_end(void)
{
	static char text[16384];
	ssize_t n;

	assert_int_equal(write(STDERR_FILENO, "$", 1), 1); /* something is there to be read */
	assert_true(dup2(log_kept, STDERR_FILENO) >= 0);
	(void)close(log_kept);
	n = read(log_read, text, sizeof(text) - 1);
	(void)close(log_read);
	assert_true(n > 0);
	text[n] = '\0';
	return text;
}

static unsigned
times(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

/* One that is not there, then there, then gives another answer, then is gone again: each is said.
 */
static void
the_log_says_why_it_cannot_be_read(void **state)
{
	struct bench b = { 0 };
	const char *log;

	(void)state;
	listen_tcp(&b.exporter[0]);
	bench_open(&b, 1);
	log_begin();
	for (unsigned i = 0; i < 8; i++) {
		(void)asked(&b, &b.exporter[0]);
		say(&b, &b.exporter[0],
		    i == 3  ? OK LENGTH "a 1\nb 2\n"
		    : i < 6 ? "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
			    : "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
		drop(&b.exporter[0]);
		b.host->ms += 60000;
	}
	log = log_end();
	assert_int_equal(times(log, "status 404"), 2);
	assert_int_equal(times(log, "status 401"), 1);
	assert_int_equal(times(log, "is read"), 1);
	bench_close(&b);
}

static void
a_unix_socket_is_asked(void **state)
{
	struct bench b = { 0 };

	(void)state;
	listen_unix(&b.exporter[0]);
	b.job[0].socket = b.exporter[0].path;
	bench_open(&b, 1);
	assert_non_null(strstr(
	    asked(&b, &b.exporter[0]), "GET /probe?target=x HTTP/1.1\r\nHost: localhost\r\n"));
	say(&b, &b.exporter[0], OK LENGTH "a 1\nb 2\n");
	check_series(&b, "b{source=one}", 2);
	bench_close(&b);
}

/* Exporters listen on the one or on the other address of localhost. */
static void
localhost_is_both_of_its_addresses(void **state)
{
	struct bench b = { 0 };
	struct played *p = &b.exporter[0];

	(void)state;
	if (!listen_tcp6(p, &b.exporter[1])) {
		printf("no IPv6 on this machine: %s\n", strerror(errno));
		skip();
	}
	bench_open(&b, 1);
	(void)asked(&b, p);
	say(&b, p, OK LENGTH "a 1\nb 2\n");
	check_series(&b, "scrape_up{source=one}", 1);
	bench_close(&b);
}

/* ---- one that does not ---- */

static void
bad_answers_leave_all_unknown(void **state)
{
	static const char *const answer[] = {
		"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\na 1\n",
		"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n",
		OK "Content-Encoding: gzip\r\nContent-Length: 8\r\n\r\na 1\nb 2\n",
		OK "Content-Length: 7\r\n\r\n<html>\n",
		OK "Content-Length: 9\r\n\r\na 1\nb 2\n", /* and it hangs up */
		"220 mail.example ESMTP\r\n",
		"",
		OPEN LENGTH "a 1\nb 2\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answer) / sizeof(answer[0]); i++) {
		struct bench b = { 0 };

		listen_tcp(&b.exporter[0]);
		bench_open(&b, 1);
		(void)asked(&b, &b.exporter[0]);
		say(&b, &b.exporter[0], OK LENGTH "a 1\nb 2\n");
		drop(&b.exporter[0]);
		b.host->ms += 60000;
		(void)asked(&b, &b.exporter[0]);
		if (answer[i][0] != '\0')
			say(&b, &b.exporter[0], answer[i]);
		if (fake_host_count(b.host, "failed_pages") == 0)
			hang_up(&b, &b.exporter[0]);
		if (fake_host_count(b.host, "failed_pages") != 1)
			fail_msg("answer %zu is taken", i);
		check_series(&b, "scrape_up{source=one}", 0);
		check_unknown(&b, "a{source=one}", BL_UNKNOWN_UNREADABLE);
		check_unknown(&b, "scrape_series{source=one}", BL_UNKNOWN_UNREADABLE);
		check_unknown(&b, "scrape_duration_ms{source=one}", BL_UNKNOWN_UNREADABLE);
		assert_int_equal(b.host->flushes, 2);
		bench_close(&b);
	}
}

static void
one_that_is_silent_is_given_up(void **state)
{
	struct bench b = { 0 };

	(void)state;
	listen_tcp(&b.exporter[0]);
	bench_open(&b, 1);
	(void)asked(&b, &b.exporter[0]);
	say(&b, &b.exporter[0], OK LENGTH "a 1\n");
	b.host->ms += 4999;
	(void)fake_host_turn(b.host);
	assert_int_equal(fake_host_count(b.host, "failed_pages"), 0);
	b.host->ms += 1;
	(void)fake_host_turn(b.host);
	assert_int_equal(fake_host_count(b.host, "failed_pages"), 1);
	check_series(&b, "scrape_up{source=one}", 0);
	check_unknown(&b, "scrape_series{source=one}", BL_UNKNOWN_TIMEOUT);
	check_unknown(&b, "a{source=one}", BL_UNKNOWN_TIMEOUT);
	assert_int_equal(fake_host_count(b.host, "accepted"), 0);
	bench_close(&b);
}

static void
one_that_is_not_there_is_asked_again(void **state)
{
	struct bench b = { 0 };

	(void)state;
	take_tcp(&b.exporter[0]);
	bench_open(&b, 1);
	(void)fake_host_turn(b.host);
	while (fake_host_count(b.host, "failed_pages") == 0)
		inlet_turn(&b);
	check_series(&b, "scrape_up{source=one}", 0);
	fake_host_pass(b.host, 60000);
	while (fake_host_count(b.host, "failed_pages") == 1)
		inlet_turn(&b);
	assert_int_equal(fake_host_count(b.host, "failed_pages"), 2);
	bench_close(&b);
}

/* Until it can be read again, with the moment at which that began. */
static void
who_cannot_be_read_is_named(void **state)
{
	static const char down[] = "exporter one since 2026-09-21T14:13:20.000Z: it answers with "
				   "status 500";
	struct bench b = { 0 };
	char text[256];

	(void)state;
	listen_tcp(&b.exporter[0]);
	take_tcp(&b.exporter[1]);
	b.job[1].interval_ms = 60000;
	bench_open(&b, 2);
	scrape_ops.problem(b.in, text, sizeof(text));
	assert_string_equal(text, "");
	for (unsigned again = 0; again < 2; again++) {
		(void)asked(&b, &b.exporter[0]);
		say(&b, &b.exporter[0], "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
		drop(&b.exporter[0]);
		scrape_ops.problem(b.in, text, sizeof(text));
		assert_memory_equal(text, down, strlen(down));
		fake_host_pass(b.host, 60000);
	}
	while (fake_host_count(b.host, "failed_pages") < 3) /* the other one is not there */
		inlet_turn(&b);
	scrape_ops.problem(b.in, text, sizeof(text));
	assert_memory_equal(text, down, strlen(down));
	assert_non_null(strstr(text, "; exporter two since 2026-09-21T14:"));
	scrape_ops.problem(b.in, text, strlen(down) + 40);
	assert_memory_equal(text + strlen(down), "; 1 more cannot be read", 24);
	scrape_ops.problem(b.in, text, 60);
	assert_string_equal(text, "2 more cannot be read");
	(void)asked(&b, &b.exporter[0]);
	say(&b, &b.exporter[0], OK LENGTH "load 1\n\n");
	scrape_ops.problem(b.in, text, sizeof(text));
	assert_memory_equal(text, "exporter two since ", 19);
	bench_close(&b);
}

static void
a_page_that_is_too_long_is_none(void **state)
{
	struct bench b = { .job = { { .max_bytes = 1024 } } };
	char line[64];

	(void)state;
	listen_tcp(&b.exporter[0]);
	bench_open(&b, 1);
	(void)asked(&b, &b.exporter[0]);
	say(&b, &b.exporter[0], OK "\r\n");
	for (unsigned i = 0; i < 200 && fake_host_count(b.host, "failed_pages") == 0; i++) {
		snprintf(line, sizeof(line), "a{n=\"%u\"} 1\n", i);
		say(&b, &b.exporter[0], line);
	}
	assert_int_equal(fake_host_count(b.host, "failed_pages"), 1);
	assert_int_equal(fake_host_count(b.host, "accepted"), 0);
	bench_close(&b);
}

/* One that never ends does not keep another one from being read. */
static void
exporters_do_not_wait_for_each_other(void **state)
{
	struct bench b = { .job = { { .max_bytes = 64 << 20 } } };
	char *flood = malloc(128 * 1024);

	(void)state;
	assert_non_null(flood);
	memset(flood, 'x', 128 * 1024);
	listen_tcp(&b.exporter[0]);
	listen_tcp(&b.exporter[1]);
	bench_open(&b, 2);
	b.host->ms += 1000; /* the second one's turn has come, too */
	(void)asked(&b, &b.exporter[0]);
	(void)asked(&b, &b.exporter[1]);
	say(&b, &b.exporter[0], OK "\r\n");
	(void)send(b.exporter[0].at, flood, 128 * 1024, MSG_NOSIGNAL | MSG_DONTWAIT);
	say(&b, &b.exporter[1], OK LENGTH "a 1\nb 2\n");
	while (fake_host_count(b.host, "pages") == 0)
		inlet_turn(&b);
	check_series(&b, "a{source=two}", 1);
	assert_int_equal(fake_host_count(b.host, "failed_pages"), 0);
	free(flood);
	bench_close(&b);
}

static void
without_exporters_it_is_off(void **state)
{
	const struct scrape_conf conf = { { 0, NULL } };
	struct fake_host *h = fake_host_create("/nowhere");
	struct bl_err err;
	void *in = h;

	(void)state;
	assert_int_equal(scrape_ops.open(&in, &conf, &h->host, &err), BL_OK);
	assert_null(in);
	fake_host_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_is_put_as_of_one_instant),
		cmocka_unit_test(it_is_asked_once_an_interval),
		cmocka_unit_test(the_log_says_why_it_cannot_be_read),
		cmocka_unit_test(answers_of_all_kinds_are_read),
		cmocka_unit_test(a_unix_socket_is_asked),
		cmocka_unit_test(localhost_is_both_of_its_addresses),
		cmocka_unit_test(bad_answers_leave_all_unknown),
		cmocka_unit_test(one_that_is_silent_is_given_up),
		cmocka_unit_test(one_that_is_not_there_is_asked_again),
		cmocka_unit_test(who_cannot_be_read_is_named),
		cmocka_unit_test(a_page_that_is_too_long_is_none),
		cmocka_unit_test(exporters_do_not_wait_for_each_other),
		cmocka_unit_test(without_exporters_it_is_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
