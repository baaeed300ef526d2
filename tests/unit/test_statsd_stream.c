/*
 * StatsD over stream sockets: packets with their length before them, however they come in
 * pieces; lengths that are none; places, by user. Real sockets, a clock that stands still.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"
#include "inlet_host.h"
#include "statsd_internal.h"

struct rig {
	char dir[FOLDER_MAX], path[FOLDER_MAX + 32], listen[FOLDER_MAX + 64];
	char *at[1];
	struct statsd_conf conf;
	struct fake_host *h;
	struct statsd *s;
};

static int
setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct bl_err err = { 0 };
	void *in;

	assert_non_null(r);
	folder_make(r->dir, "statsd");
	(void)snprintf(r->path, sizeof(r->path), "%s/stream.sock", r->dir);
	(void)snprintf(r->listen, sizeof(r->listen), "unixstream://%s", r->path);
	r->at[0] = r->listen;
	r->conf = (struct statsd_conf){ .listen = { 1, r->at },
		.mode = "0666",
		.max_series = 1000,
		.hold_ms = 300000,
		.receive_buffer_bytes = 1 << 20 };
	r->h = fake_host_create(r->dir);
	if (statsd_ops.open(&in, &r->conf, &r->h->host, &err) != BL_OK)
		fail_msg("%s", err.msg);
	r->s = in;
	fake_host_inlet(r->h, &statsd_ops, in);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;

	statsd_ops.finish(r->s);
	statsd_ops.close(r->s);
	assert_int_equal(access(r->path, F_OK), -1);
	fake_host_free(r->h);
	folder_remove(r->dir);
	free(r);
	return 0;
}

static int
dial(const struct rig *r)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0 && strlen(r->path) < sizeof(sa.sun_path));
	memcpy(sa.sun_path, r->path, strlen(r->path));
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void
put_packet(struct bl_buf *b, const char *text, size_t len)
{
	for (unsigned i = 0; i < 4; i++)
		bl_buf_u8(b, (uint8_t)(len >> 8 * i));
	bl_buf_bytes(b, text, len);
}

static void
send_all(int fd, const void *p, size_t len)
{
	assert_int_equal(send(fd, p, len, MSG_NOSIGNAL), (ssize_t)len);
}

static bool
ended(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static double
total(struct rig *r)
{
	r->h->ms += 10000;
	fake_host_tick(r->h);
	return fake_host_value(r->h, "a_total{source=statsd}");
}

/* As python-statsd's UnixSocketStatsClient writes them, and StatsD over TCP. */
static void
lines_are_known_by_their_first_bytes(void **state)
{
	static const char lines[] = "a:1|c\na:2|c\n\na:3|c\r\n";
	struct rig *r = *state;
	char longer[STATSD_PACKET_MAX + 8];
	const int fd = dial(r), other = dial(r);

	for (size_t piece = 1; piece < sizeof(lines); piece++)
		for (size_t at = 0; at < sizeof(lines) - 1; at += piece) {
			const size_t left = sizeof(lines) - 1 - at;

			send_all(fd, lines + at, left < piece ? left : piece);
			(void)fake_host_turn(r->h);
		}
	assert_true(total(r) == 6 * (double)(sizeof(lines) - 1));
	assert_int_equal(fake_host_count(r->h, "bad_frames"), 0);
	send_all(fd, "a:1", 3);
	assert_int_equal(close(fd), 0); /* it may have been going to be 10 */
	(void)fake_host_turn(r->h);
	assert_int_equal(fake_host_count(r->h, "bad_frames"), 1);
	memset(longer, 'a', sizeof(longer));
	send_all(other, longer, sizeof(longer));
	(void)fake_host_turn(r->h);
	assert_true(ended(other));
	assert_int_equal(fake_host_count(r->h, "bad_frames"), 2);
	assert_int_equal(close(other), 0);
}

static void
packets_come_in_any_pieces(void **state)
{
	struct rig *r = *state;
	const int fd = dial(r), other = dial(r);
	struct bl_buf b;

	bl_buf_init(&b, 1 << 16);
	put_packet(&b, "a:1|c", 5);
	put_packet(&b, "", 0);
	put_packet(&b, "a:2|c\na:3|c\n", 12);
	for (size_t piece = 1; piece <= b.len; piece++)
		for (size_t at = 0; at < b.len; at += piece) {
			send_all(fd, b.data + at, b.len - at < piece ? b.len - at : piece);
			(void)fake_host_turn(r->h);
		}
	put_packet(&b, "a:0.5|c", 7); /* whole, of somebody else, while the first waits */
	send_all(fd, "\x05", 1);
	send_all(other, b.data, b.len);
	(void)fake_host_turn(r->h);
	assert_true(total(r) == 6 * (double)(b.len - 11) + 6.5);
	assert_int_equal(fake_host_count(r->h, "bad_frames"), 0);
	assert_int_equal(r->s->n_clients, 2);
	assert_int_equal(close(fd), 0); /* within a length */
	assert_int_equal(close(other), 0);
	(void)fake_host_turn(r->h);
	assert_int_equal(fake_host_count(r->h, "bad_frames"), 1);
	assert_int_equal(r->s->n_clients, 0);
	bl_buf_free(&b);
}

static void
the_longest_packet_is_taken_and_a_longer_one_ends_the_connection(void **state)
{
	static const struct {
		size_t len;
		bool ends;
	} cases[] = { { 8191, false }, { 8192, false }, { 8193, true }, { 0x7c313a61, true },
		{ 0xffffffff, true } };
	static char text[8192];
	struct rig *r = *state;
	double want = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int fd = dial(r);
		struct bl_buf b;

		bl_buf_init(&b, 1 << 16);
		memset(text, '\n', sizeof(text));
		memcpy(text + sizeof(text) - 6, "a:1|c", 5);
		put_packet(&b, "a:1|c", 5);
		put_packet(&b, text + sizeof(text) - (cases[i].len < 8192 ? cases[i].len : 8192),
		    cases[i].len < 8192 ? cases[i].len : 8192);
		for (unsigned k = 0; k < 4; k++)
			b.data[9 + k] = (uint8_t)(cases[i].len >> 8 * k);
		send_all(fd, b.data, b.len);
		(void)fake_host_turn(r->h);
		want += cases[i].ends ? 1 : 2;
		if (total(r) != want || ended(fd) != cases[i].ends)
			fail_msg("%zu bytes: %g of %g", cases[i].len,
			    fake_host_value(r->h, "a_total{source=statsd}"), want);
		assert_int_equal(close(fd), 0);
		bl_buf_free(&b);
	}
	(void)fake_host_turn(r->h);
	assert_int_equal(fake_host_count(r->h, "bad_frames"), 3);
}

/* A flood of one is nobody else's wait: both come to their end, in turns that end soon. */
static void
a_flood_of_one_leaves_turns_to_others(void **state)
{
	struct rig *r = *state;
	const int flood = dial(r), other = dial(r);
	struct bl_buf b, one;
	size_t at = 0;

	bl_buf_init(&b, 1 << 20);
	bl_buf_init(&one, 64);
	for (unsigned i = 0; i < 20000; i++)
		put_packet(&b, "a:1|c", 5);
	put_packet(&one, "b:1|c", 5);
	while (at < b.len) {
		ssize_t n = send(flood, b.data + at, b.len - at, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		assert_true(n > 0);
		at += (size_t)n;
	}
	send_all(other, one.data, one.len);
	statsd_ops.serve(r->s);
	assert_non_null(fake_host_series(r->h, "b_total{source=statsd}"));
	for (; at < b.len; (void)fake_host_turn(r->h)) {
		ssize_t n = send(flood, b.data + at, b.len - at, MSG_NOSIGNAL);

		at += n > 0 ? (size_t)n : 0;
	}
	(void)fake_host_turn(r->h);
	assert_true(total(r) == 20000);
	assert_int_equal(close(flood), 0);
	assert_int_equal(close(other), 0);
	bl_buf_free(&b);
	bl_buf_free(&one);
}

static void
one_user_has_half_of_the_places(void **state)
{
	struct rig *r = *state;
	int fd[STATSD_CLIENTS], more;
	unsigned n = 0;

	for (; n < 32; n++) {
		fd[n] = dial(r);
		(void)fake_host_turn(r->h);
		r->h->ms++;
	}
	more = dial(r);
	(void)fake_host_turn(r->h);
	assert_true(ended(more));
	assert_int_equal(close(more), 0);
	assert_int_equal(fake_host_count(r->h, "refused_clients"), 1);
	if (geteuid() == 0) {
		assert_int_equal(chmod(r->dir, 0755), 0);
		assert_int_equal(seteuid(1000), 0);
		fd[n++] = dial(r);
		assert_int_equal(seteuid(0), 0);
		(void)fake_host_turn(r->h);
		assert_false(ended(fd[32]));
	}
	/* Who has been silent longest makes room, of the same user. */
	r->h->ms += STATSD_SILENT_MS;
	send_all(fd[0], "\0\0\0\0", 4);
	(void)fake_host_turn(r->h);
	more = dial(r);
	(void)fake_host_turn(r->h);
	assert_true(!ended(more) && ended(fd[1]) && !ended(fd[0]) && !ended(fd[31]));
	assert_int_equal(close(more), 0);
	while (n > 0)
		assert_int_equal(close(fd[--n]), 0);
	(void)fake_host_turn(r->h);
	assert_int_equal(r->s->n_clients, 0);
}

/* They wait in the kernel until there are descriptors again; nobody turns in circles for them. */
static void
without_descriptors_nobody_is_lost(void **state)
{
	struct rig *r = *state;
	const int fd = dial(r);
	struct rlimit before, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_true(fake_host_turn(r->h) < 10);
	assert_int_equal(r->s->n_clients, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	fake_host_tick(r->h);
	(void)fake_host_turn(r->h);
	assert_int_equal(r->s->n_clients, 1);
	assert_int_equal(close(fd), 0);
}

/* Whatever way it comes, the inlet has so many series. */
static void
values_with_a_time_are_within_the_cap(void **state)
{
	struct rig *r = *state;
	char line[64];

	for (unsigned again = 0; again < 2; again++)
		for (unsigned i = 0; i < 1200; i++) {
			const int n = snprintf(line, sizeof(line), "s%u:1|g|T1790000000", i);

			(void)statsd_take_packet(r->s, line, (size_t)n, false);
			fake_host_answer(r->h, 0);
		}
	assert_int_equal(fake_host_count(r->h, "stamped"), 2000);
	assert_int_equal(fake_host_count(r->h, "too_many_series"), 400);
	assert_int_equal(fake_host_count(r->h, "accepted"), 2000);
}

/* What finds no room waits, in order, and is taken when there is some; beyond, it is refused. */
static void
values_with_a_time_wait_for_the_disk(void **state)
{
	struct rig *r = *state;
	char line[64];

	r->h->room = 2;
	for (unsigned i = 0; i < 2000; i++) {
		const int n = snprintf(line, sizeof(line), "s:%u|g|T1790000000", i);

		(void)statsd_take_packet(r->s, line, (size_t)n, false);
	}
	assert_true(fake_host_count(r->h, "stamped_refused") > 0);
	assert_string_equal(fake_host_said(r->h),
	    "metric s=0 unit=1 kind=gauge at=1790000000000\n"
	    "metric s=1 unit=1 kind=gauge at=1790000000000\n");
	for (unsigned i = 2; fake_host_answer_one(r->h, 0); i++) {
		(void)snprintf(
		    line, sizeof(line), "metric s=%u unit=1 kind=gauge at=1790000000000\n", i);
		if (r->h->n_held == 2)
			assert_string_equal(fake_host_said(r->h), line);
	}
	assert_int_equal(
	    fake_host_count(r->h, "stamped") + fake_host_count(r->h, "stamped_refused"), 2000);
	assert_int_equal(
	    fake_host_count(r->h, "events") + fake_host_count(r->h, "events_refused"), 0);
}

static void
addresses_are_as_clients_write_them(void **state)
{
	static const struct {
		const char *listen, *path;
	} cases[] = {
		{ "unixstream:///run/a.sock", "/run/a.sock" },
		{ "unixstream:/run/a.sock", "/run/a.sock" },
		{ "unixstream:////a", "/a" },
		{ "unixstream:a", NULL },
		{ "unixstream:", NULL },
		{ "unix:///a", NULL },
		{ "/run/a.sock", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *path = statsd_socket_stream(cases[i].listen);

		if ((path == NULL) != (cases[i].path == NULL) ||
		    (path != NULL && strcmp(path, cases[i].path) != 0))
			fail_msg("%s: %s", cases[i].listen, path != NULL ? path : "none");
		assert_true((statsd_socket_check(cases[i].listen) == NULL) ==
			    (path != NULL || cases[i].listen[0] == '/'));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		T(packets_come_in_any_pieces),
		T(lines_are_known_by_their_first_bytes),
		T(the_longest_packet_is_taken_and_a_longer_one_ends_the_connection),
		T(a_flood_of_one_leaves_turns_to_others),
		T(one_user_has_half_of_the_places),
		T(without_descriptors_nobody_is_lost),
		T(values_with_a_time_are_within_the_cap),
		T(values_with_a_time_wait_for_the_disk),
		cmocka_unit_test(addresses_are_as_clients_write_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
