/*
 * Sockets that fail at the nth call, for n = 1, 2, 3 ... until a session ends
 * without meeting it: short writes and reads, "try again", an interrupted call, a
 * reset, a refusal, no descriptors left.  After each: either nothing was to be
 * seen of it, or the link is down and says why; never a wrong byte; the next
 * attempt works; no descriptor is left behind.
 *
 * The server is `openssl s_server -rev`, which sends each line back reversed; the
 * second time link_peer.py, which does so behind CONNECT and WebSocket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "branchline/link.h"
#include "branchline/link_paho.h"

#include "folder.h"
#include "link_kit.h"

/* ---- the calls ---- */

enum call { CALL_SEND = 1, CALL_RECV = 2, CALL_CONNECT = 4, CALL_MAKE = 8, CALL_THREAD = 16 };

struct kind {
	const char *name;
	unsigned calls; /* which of them may fail */
	int error;      /* 0: one byte is moved instead */
	unsigned count; /* so many in a row */
	bool reset;     /* the socket is really gone */
};

static struct {
	pthread_mutex_t lock; /* names are looked up on a thread of their own */
	const struct kind *kind;
	unsigned nth, seen;
	bool inside, fired;
	int reset_fd; /* -1: none */
} g = { .lock = PTHREAD_MUTEX_INITIALIZER, .reset_fd = -1 };

ssize_t __real_send(int fd, const void *p, size_t n, int flags);
ssize_t __real_recv(int fd, void *p, size_t n, int flags);
int __real_connect(int fd, const struct sockaddr *a, socklen_t n);
int __real_socket(int domain, int type, int protocol);
int __real_socketpair(int domain, int type, int protocol, int pair[2]);
int __real_dup3(int from, int to, int flags);
int __real_eventfd(unsigned n, int flags);
int __real_epoll_create1(int flags);
int __real_epoll_ctl(int fd, int op, int of, struct epoll_event *e);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags);
int __wrap_connect(int fd, const struct sockaddr *a, socklen_t n);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_socketpair(int domain, int type, int protocol, int pair[2]);
int __wrap_dup3(int from, int to, int flags);
int __wrap_eventfd(unsigned n, int flags);
int __wrap_epoll_create1(int flags);
int __wrap_epoll_ctl(int fd, int op, int of, struct epoll_event *e);

/* This call is the one; errno is set. */
static bool
meets(enum call call)
{
	bool hit = false;

	(void)pthread_mutex_lock(&g.lock);
	if (g.inside && g.kind != NULL && (g.kind->calls & call) != 0) {
		g.seen++;
		hit = g.seen >= g.nth && g.seen - g.nth < g.kind->count;
		g.fired = g.fired || hit;
		if (hit)
			errno = g.kind->error;
	}
	(void)pthread_mutex_unlock(&g.lock);
	return hit;
}

static void
reset_if_asked(int fd)
{
	if (g.kind->reset) {
		(void)shutdown(fd, SHUT_RDWR);
		g.reset_fd = fd;
		errno = g.kind->error;
	}
}

ssize_t
__wrap_send(int fd, const void *p, size_t n, int flags)
{
	if (g.inside && fd == g.reset_fd) {
		errno = EPIPE;
		return -1;
	}
	if (!meets(CALL_SEND))
		return __real_send(fd, p, n, flags);
	if (g.kind->error == 0)
		return __real_send(fd, p, 1, flags);
	reset_if_asked(fd);
	return -1;
}

ssize_t
__wrap_recv(int fd, void *p, size_t n, int flags)
{
	if (g.inside && fd == g.reset_fd) {
		errno = ECONNRESET;
		return -1;
	}
	if (!meets(CALL_RECV))
		return __real_recv(fd, p, n, flags);
	if (g.kind->error == 0)
		return __real_recv(fd, p, 1, flags);
	reset_if_asked(fd);
	return -1;
}

int
__wrap_connect(int fd, const struct sockaddr *a, socklen_t n)
{
	return meets(CALL_CONNECT) ? -1 : __real_connect(fd, a, n);
}

int
__wrap_socket(int domain, int type, int protocol)
{
	return meets(CALL_MAKE) ? -1 : __real_socket(domain, type, protocol);
}

int
__wrap_socketpair(int domain, int type, int protocol, int pair[2])
{
	return meets(CALL_MAKE) ? -1 : __real_socketpair(domain, type, protocol, pair);
}

int
__wrap_dup3(int from, int to, int flags)
{
	return meets(CALL_MAKE) ? -1 : __real_dup3(from, to, flags);
}

int
__wrap_eventfd(unsigned n, int flags)
{
	return meets(CALL_MAKE) ? -1 : __real_eventfd(n, flags);
}

int
__wrap_epoll_create1(int flags)
{
	return meets(CALL_MAKE) ? -1 : __real_epoll_create1(flags);
}

int
__wrap_epoll_ctl(int fd, int op, int of, struct epoll_event *e)
{
	return op == EPOLL_CTL_ADD && meets(CALL_MAKE) ? -1 : __real_epoll_ctl(fd, op, of, e);
}

static void
enter(void)
{
	g.inside = true;
}

static void
leave(void)
{
	g.inside = false;
}

/* ---- a session ---- */

static unsigned
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

static void
step(struct bl_link *l)
{
	struct pollfd pfd = { .fd = bl_link_fd(l), .events = POLLIN };
	const int wait = bl_link_timeout_ms(l);

	(void)poll(&pfd, 1, wait >= 0 && wait < 50 ? wait : 50);
	enter();
	bl_link_step(l);
	leave();
}

static bool
run_until(struct bl_link *l, enum bl_link_phase phase)
{
	while (bl_link_phase(l) != phase && bl_link_phase(l) != BL_LINK_DOWN)
		step(l);
	return bl_link_phase(l) == phase;
}

/* As Paho does.  -1: refused. */
static int
hand_over(const struct bl_link *l)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = INADDR_NONE };
	int fd = __real_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;
	unsigned port = 0;

	assert_int_equal(sscanf(bl_link_uri(l), "tcp://255.255.255.255:%u", &port), 1);
	at.sin_port = htons((uint16_t)port);
	enter();
	rc = bl_link_paho_connect(fd, (const struct sockaddr *)&at, sizeof(at));
	leave();
	if (rc == 0)
		return fd;
	(void)close(fd);
	return -1;
}

#define LINE 600

/* A line there and back.  False: the link went down meanwhile. */
static bool
echo(struct bl_link *l, int fd, unsigned no)
{
	char line[LINE + 1], back[LINE];
	size_t sent = 0, got = 0;
	ssize_t n;

	for (size_t i = 0; i < LINE; i++)
		line[i] = (char)('a' + (i * 7 + no) % 26);
	line[LINE] = '\n';
	while (got < LINE && bl_link_phase(l) != BL_LINK_DOWN) {
		if (sent < sizeof(line) && (n = __real_send(fd, line + sent, sizeof(line) - sent,
						MSG_NOSIGNAL | MSG_DONTWAIT)) > 0)
			sent += (size_t)n;
		step(l);
		n = __real_recv(fd, back + got, LINE - got, MSG_DONTWAIT);
		for (ssize_t i = 0; i < n; i++, got++)
			if (back[got] != line[LINE - 1 - got])
				fail_msg("byte %zu of line %u is wrong", got, no);
	}
	/* The end of the line. */
	while (got == LINE && bl_link_phase(l) != BL_LINK_DOWN &&
	       __real_recv(fd, back, 1, MSG_DONTWAIT) != 1)
		step(l);
	return bl_link_phase(l) != BL_LINK_DOWN;
}

/* From start to three lines.  False: it failed; then it says why. */
static bool
session(struct bl_link *l)
{
	struct bl_err err = { 0 };
	bool whole = false;
	int fd = -1, rc;

	enter();
	rc = bl_link_start(l, &err);
	leave();
	if (rc < 0) {
		assert_true(err.msg[0] != '\0');
		return false;
	}
	if (run_until(l, BL_LINK_READY) && (fd = hand_over(l)) >= 0 && run_until(l, BL_LINK_UP))
		whole = echo(l, fd, 0) && echo(l, fd, 1) && echo(l, fd, 2);
	if (!whole) {
		(void)run_until(l, BL_LINK_DOWN); /* a hand-over that failed: its deadline */
		assert_int_not_equal(bl_link_report(l)->fault, BL_FAULT_NONE);
		if (strlen(bl_link_report(l)->text) < 8)
			fail_msg("down, and says only \"%s\"", bl_link_report(l)->text);
	}
	enter();
	bl_link_stop(l, "done");
	leave();
	if (fd >= 0)
		(void)close(fd);
	g.reset_fd = -1;
	return whole;
}

static struct bl_link *
created(const struct bl_link_cfg *cfg)
{
	struct bl_err err = { 0 };
	struct bl_link *l;
	int rc;

	enter();
	rc = bl_link_create(&l, cfg, bl_clock_real(), &err);
	leave();
	if (rc == BL_OK)
		return l;
	assert_true(g.fired && err.msg[0] != '\0');
	assert_int_equal(bl_link_create(&l, cfg, bl_clock_real(), &err), BL_OK);
	return l;
}

static struct link_server server, peer;
static char password[96];

/* Straight to the server, or by a proxy and WebSocket to the other one. */
static struct bl_link_cfg
way(bool restricted)
{
	struct bl_link_cfg cfg = link_kit_config(server.port);

	cfg.handover = true;
	cfg.ready_ms = 500;
	if (!restricted)
		return cfg;
	cfg.host = "broker";
	cfg.port = 443;
	cfg.verify_name = "localhost";
	cfg.proxy_host = "127.0.0.1";
	cfg.proxy_port = peer.port;
	cfg.proxy_user = "dev";
	cfg.proxy_password_file = password;
	cfg.websocket_path = "/mqtt";
	return cfg;
}

/* False: the fault was beyond the session. */
static bool
run_one(const struct kind *kind, bool restricted, unsigned nth, unsigned *failed)
{
	const struct bl_link_cfg cfg = way(restricted);
	struct bl_link *l;
	bool failed_now;

	g.kind = kind;
	g.nth = nth;
	g.seen = 0;
	g.fired = false;
	l = created(&cfg);
	failed_now = !session(l);
	if (failed_now) {
		if (!g.fired)
			fail_msg(
			    "%s: down without a fault: %s", kind->name, bl_link_report(l)->text);
		(*failed)++;
	}
	g.kind = NULL;
	if (failed_now && !session(l))
		fail_msg("%s at call %u: the next attempt fails: %s", kind->name, nth,
		    bl_link_report(l)->text);
	bl_link_free(l);
	return g.fired;
}

/* All of them are one session; step: every call, or every so many. */
static void
each_call(bool restricted, unsigned step_by)
{
	static const struct kind kinds[] = {
		{ "short write", CALL_SEND, 0, 1, false },
		{ "every write and read short", CALL_SEND | CALL_RECV, 0, UINT_MAX, false },
		{ "short read", CALL_RECV, 0, 1, false },
		{ "try again", CALL_SEND | CALL_RECV, EAGAIN, 1, false },
		{ "try again, three times", CALL_SEND | CALL_RECV, EAGAIN, 3, false },
		{ "interrupted", CALL_SEND | CALL_RECV, EINTR, 1, false },
		{ "reset", CALL_SEND | CALL_RECV, ECONNRESET, 1, true },
		{ "refused", CALL_CONNECT, ECONNREFUSED, 1, false },
		{ "no route", CALL_CONNECT, ENETUNREACH, 1, false },
		{ "no descriptors left", CALL_MAKE, EMFILE, 1, false },
	};
	const unsigned before = open_descriptors();

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		unsigned nth = 1, failed = 0, by = kinds[i].calls & CALL_MAKE ? 1 : step_by;

		while (run_one(&kinds[i], restricted, nth, &failed) && kinds[i].count != UINT_MAX)
			nth += by;
		print_message(
		    "%s: %u calls, %u sessions ended by it\n", kinds[i].name, nth, failed);
		/* What is only slow must not end a session; what is broken must. */
		if (kinds[i].error == 0 || kinds[i].error == EAGAIN || kinds[i].error == EINTR)
			assert_int_equal(failed, 0);
		else
			assert_true(failed > 0);
	}
	assert_int_equal(open_descriptors(), before);
}

static void
every_failing_call_is_seen_through_or_named(void **state)
{
	(void)state;
	each_call(false, 1);
}

static void
every_failing_call_behind_a_proxy_and_in_websocket_too(void **state)
{
	(void)state;
	each_call(true, (unsigned)rounds(4, 1));
}

static int
start(void **state)
{
	FILE *f;

	if (link_kit_make(state) != 0)
		return -1;
	link_server_start(&server);
	link_peer_start(&peer, LINK_PEER);
	(void)snprintf(password, sizeof(password), "%s/proxy-password", link_folder);
	if ((f = fopen(password, "w")) == NULL)
		return -1;
	(void)fputs("secret\n", f);
	return fclose(f);
}

static int
stop(void **state)
{
	link_server_stop(&server);
	link_server_stop(&peer);
	return link_kit_remove(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_failing_call_is_seen_through_or_named),
		cmocka_unit_test(every_failing_call_behind_a_proxy_and_in_websocket_too),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
