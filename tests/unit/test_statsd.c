/*
 * The StatsD inlet: what packets become by a table (tests/data/statsd/packets.json), and
 * through real sockets, with a host that writes down what it is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "folder.h"
#include "inlet_host.h"
#include "statsd_internal.h"

#define SOURCE "{source=statsd}"

struct rig {
	char dir[FOLDER_MAX], path[FOLDER_MAX + 16];
	char *listen[2];
	struct statsd_conf conf;
	struct fake_host *h;
	struct statsd *s;
};

static uint64_t told_lost;

static void
lost(void *ctx, enum bl_stream stream, uint64_t n)
{
	(void)ctx;
	assert_int_equal(stream, BL_STREAM_HOST);
	told_lost += n;
}

static int
setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	folder_make(r->dir, "statsd");
	(void)snprintf(r->path, sizeof(r->path), "%s/statsd.sock", r->dir);
	r->listen[0] = r->path;
	r->conf = (struct statsd_conf){ .listen = { 1, r->listen },
		.mode = "0660",
		.max_series = 1000,
		.hold_ms = 300000,
		.receive_buffer_bytes = 4 << 20 };
	r->h = fake_host_create(r->dir);
	r->h->host.lost = lost;
	told_lost = 0;
	*state = r;
	return 0;
}

static void
open_it(struct rig *r)
{
	struct bl_err err = { 0 };
	void *in;

	if (statsd_ops.open(&in, &r->conf, &r->h->host, &err) != BL_OK)
		fail_msg("%s", err.msg);
	r->s = in;
	fake_host_inlet(r->h, &statsd_ops, in);
}

static void
close_it(struct rig *r)
{
	if (r->s != NULL) {
		statsd_ops.finish(r->s);
		statsd_ops.close(r->s);
	}
	r->s = NULL;
}

static int
teardown(void **state)
{
	struct rig *r = *state;

	close_it(r);
	fake_host_free(r->h);
	folder_remove(r->dir);
	free(r);
	return 0;
}

/* As if it had come through a socket. */
static void
take(struct rig *r, const char *p, size_t len)
{
	/* Exactly as long as it is, so that a byte too far is seen. */
	char *exact = malloc(len > 0 ? len : 1);

	memcpy(exact, p, len);
	(void)statsd_take_packet(r->s, exact, len, false);
	free(exact);
	statsd_series_settle(&r->s->series);
}

static void
take_text(struct rig *r, const char *text)
{
	take(r, text, strlen(text));
}

static void
tick(struct rig *r)
{
	r->h->ms += 10000;
	fake_host_tick(r->h);
}

static double
value(struct rig *r, const char *name)
{
	char key[256];

	(void)snprintf(key, sizeof(key), "%s" SOURCE, name);
	return fake_host_value(r->h, key);
}

/* How often a series was put since the last tick began. */
static unsigned
put_now(struct rig *r, const char *name)
{
	char key[256];

	(void)snprintf(key, sizeof(key), "%s" SOURCE, name);
	return fake_host_series(r->h, key)->n_tick;
}

/* ---- the table ---- */

/* A text; or parts, each repeated as often as a number behind it says. */
static void
take_row(struct rig *r, const json_t *sent)
{
	static char packet[16384];
	size_t n = 0, i;
	json_t *part;

	if (json_is_string(sent)) {
		take(r, json_string_value(sent), json_string_length(sent));
		return;
	}
	json_array_foreach(sent, i, part)
	{
		const json_t *next = json_array_get(sent, i + 1);
		json_int_t times = json_is_integer(next) ? json_integer_value(next) : 1;

		for (; json_is_string(part) && times > 0; times--) {
			assert_true(n + json_string_length(part) <= sizeof(packet));
			memcpy(packet + n, json_string_value(part), json_string_length(part));
			n += json_string_length(part);
		}
	}
	take(r, packet, n);
}

static void
conf_of(struct rig *r, const json_t *row, char *drop[32])
{
	const char *sign = json_string_value(json_object_get(row, "sign"));
	const json_t *tag;
	size_t i;

	r->conf.prefix = (char *)json_string_value(json_object_get(row, "prefix"));
	r->conf.sign =
	    sign != NULL && strcmp(sign, "value") == 0 ? STATSD_SIGN_IS_VALUE : STATSD_SIGN_CHANGES;
	r->conf.drop_tags = (struct bl_conf_strlist){ 0, drop };
	json_array_foreach(json_object_get(row, "drop_tags"), i, tag) drop[i] =
	    (char *)json_string_value(tag);
	r->conf.drop_tags.n = i;
}

static void
check_values(struct rig *r, const char *name, json_t *row)
{
	const char *key;
	json_t *want;

	json_object_foreach(json_object_get(row, "series"), key, want)
	{
		const double got = fake_host_value(r->h, key);

		if (got != json_number_value(want))
			fail_msg("%s: %s is %.17g", name, key, got);
	}
	json_object_foreach(json_object_get(row, "near"), key, want)
	{
		const double got = fake_host_value(r->h, key);

		if (fabs(got - json_number_value(want)) > 0.01 * json_number_value(want))
			fail_msg("%s: %s is %.17g", name, key, got);
	}
	json_object_foreach(json_object_get(row, "units"), key, want)
	    assert_string_equal(fake_host_series(r->h, key)->unit, json_string_value(want));
	json_object_foreach(json_object_get(row, "put"), key, want)
	    assert_int_equal(fake_host_series(r->h, key)->n, json_integer_value(want));
}

static void
check_rest(struct rig *r, const char *name, json_t *row)
{
	const char *key, *said;
	json_t *want, *line;
	size_t i;

	json_object_foreach(json_object_get(row, "counts"), key, want)
	{
		const uint64_t got = fake_host_count(r->h, key);

		if (got != (uint64_t)json_integer_value(want))
			fail_msg("%s: %s is %llu", name, key, (unsigned long long)got);
	}
	said = fake_host_said(r->h);
	json_array_foreach(json_object_get(row, "said"), i, line)
	{
		const size_t len = json_string_length(line);

		if (strncmp(said, json_string_value(line), len) != 0 || said[len] != '\n')
			fail_msg("%s: report %zu is %s", name, i, said);
		said += len + 1;
	}
	if (*said != '\0')
		fail_msg("%s: also said: %s", name, said);
}

static void
packets_become_what_the_table_says(void **state)
{
	struct rig *r = *state;
	char *drop[32];
	json_error_t why;
	json_t *rows, *row, *sent;
	size_t i, k;

	rows = json_load_file(BL_TEST_DATA "/statsd/packets.json", JSON_REJECT_DUPLICATES, &why);
	if (rows == NULL)
		fail_msg("packets.json:%d: %s", why.line, why.text);
	assert_true(json_array_size(rows) > 25);
	json_array_foreach(rows, i, row)
	{
		const char *name = json_string_value(json_object_get(row, "name"));

		fake_host_free(r->h);
		r->h = fake_host_create(r->dir);
		r->h->host.lost = lost;
		conf_of(r, row, drop);
		open_it(r);
		json_array_foreach(json_object_get(row, "sent"), k, sent) take_row(r, sent);
		fake_host_answer(r->h, 0);
		tick(r);
		check_values(r, name, row);
		check_rest(r, name, row);
		close_it(r);
	}
	json_decref(rows);
}

/* ---- ticks ---- */

static void
a_counter_goes_on_and_a_gauge_rests(void **state)
{
	struct rig *r = *state;

	open_it(r);
	take_text(r, "c:2|c\ng:7|g\nt:5|ms\ns:x|s");
	assert_int_equal(r->h->flushes, 1); /* the zeros */
	assert_true(value(r, "c_total") == 0 && value(r, "t_count") == 0);
	for (unsigned i = 0; i < 30; i++) { /* 5 min */
		tick(r);
		assert_true(value(r, "c_total") == 2 && value(r, "g") == 7);
		assert_int_equal(put_now(r, "t_count"), 1);
		assert_int_equal(put_now(r, "t_p95"), i == 0);
		assert_true(value(r, "s_distinct") == (i == 0));
	}
	for (unsigned i = 0; i < 60; i++) {
		tick(r);
		assert_true(isnan(value(r, "g")));
		assert_int_equal(put_now(r, "g"), 1);
		assert_true(value(r, "c_total") == 2);
	}
	tick(r);
	assert_int_equal(put_now(r, "g"), 0);
	assert_int_equal(put_now(r, "c_total"), 1);
	take_text(r, "g:8|g\nc:1|c");
	assert_int_equal(r->h->flushes, 1);
	tick(r);
	assert_true(value(r, "g") == 8 && value(r, "c_total") == 3);
}

static void
a_tick_at_the_instant_of_the_first_packet_puts_nothing_twice(void **state)
{
	struct rig *r = *state;

	open_it(r);
	take_text(r, "c:2|c\nt:5|ms");
	fake_host_tick(r->h); /* the same millisecond */
	assert_int_equal(put_now(r, "c_total"), 0);
	assert_int_equal(put_now(r, "t_p50"), 0);
	tick(r);
	assert_true(value(r, "c_total") == 2 && value(r, "t_max") == 5);
}

static void
what_came_since_the_last_tick_is_put_at_the_end(void **state)
{
	struct rig *r = *state;

	for (int64_t later = 0; later < 2; later++) {
		open_it(r);
		tick(r);
		take_text(r, "c:2|c\nt:5|ms");
		r->h->ms += later;
		close_it(r);
		assert_true(value(r, "c_total") == 2 && value(r, "t_max") == 5);
		assert_int_equal(r->h->unflushed, 0);
		/* Not at the instant of the zeros. */
		assert_int_equal(r->h->flushed_boot_ms, bl_boot_ms(&r->h->clock) + !later);
	}
}

/* Sums are exact, quantiles within 1 %, whatever the order. */
static void
sums_are_exact_and_quantiles_near(void **state)
{
	enum { N = 2000 };
	static double sorted[N];
	struct rig *r = *state;
	double sum = 0;
	char line[64];

	open_it(r);
	for (unsigned i = 0; i < N; i++) {
		/* Quarters: their sums are exact in a double. */
		sorted[i] = (double)(i * i) / 4 + 1;
		sum += sorted[i];
	}
	for (unsigned i = 0; i < N; i++) {
		(void)snprintf(line, sizeof(line), "t:%.2f|ms|#shop:%u", sorted[i * 777 % N], 7u);
		take_text(r, line);
	}
	tick(r);
	assert_true(fake_host_value(r->h, "t_sum{shop=7,source=statsd}") == sum);
	assert_true(fake_host_value(r->h, "t_count{shop=7,source=statsd}") == N);
	assert_true(fake_host_value(r->h, "t_max{shop=7,source=statsd}") == sorted[N - 1]);
	for (unsigned i = 0; i < 3; i++) {
		static const double q[] = { 0.5, 0.95, 0.99 };
		const double want = sorted[(unsigned)(q[i] * (N - 1))];
		double got;

		(void)snprintf(line, sizeof(line), "t_p%.0f{shop=7,source=statsd}", q[i] * 100);
		got = fake_host_value(r->h, line);
		if (fabs(got - want) > 0.01 * want)
			fail_msg("%s is %g, not %g", line, got, want);
	}
}

/* ---- caps ---- */

static void
series_beyond_the_cap_are_counted_and_the_others_go_on(void **state)
{
	struct rig *r = *state;
	char line[64];

	r->conf.max_series = 10;
	open_it(r);
	for (unsigned i = 0; i < 500; i++) {
		(void)snprintf(line, sizeof(line), "flood.%u:1|c\nfirst:1|c", i);
		take_text(r, line);
	}
	tick(r);
	assert_int_equal(r->h->n_series, 10);
	assert_int_equal(fake_host_count(r->h, "too_many_series"), 500 - 9);
	assert_int_equal(fake_host_count(r->h, "accepted"), 500 + 9);
	assert_true(value(r, "first_total") == 500);
}

static void
a_set_with_too_many_values_is_unknown(void **state)
{
	struct rig *r = *state;
	char line[64];

	open_it(r);
	for (unsigned i = 0; i < 30000; i++) {
		(void)snprintf(
		    line, sizeof(line), "small:%u|s\nlarge:%u|s\nlarge:x%u|s", i % 500, i, i);
		take_text(r, line);
	}
	tick(r);
	assert_true(value(r, "small_distinct") == 500);
	assert_true(isnan(value(r, "large_distinct")));
	assert_true(fake_host_count(r->h, "set_full") > 0);
	take_text(r, "large:1|s\nlarge:2|s"); /* the next tick is a new one */
	tick(r);
	assert_true(value(r, "large_distinct") == 2);
	assert_int_equal(r->s->series.set_room, STATSD_SET_ROOM);
}

/* Ways of writing that are forgotten are learnt again: nothing is counted for somebody else. */
static void
more_ways_of_writing_than_are_kept_count_right(void **state)
{
	struct rig *r = *state;
	char commas[128] = "", line[256];

	r->conf.max_series = 4;
	open_it(r);
	memset(commas, ',', sizeof(commas) - 1);
	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(line, sizeof(line), "a:1|c|#x:1%.*s\nb:2|c|#%.*sx:1",
		    (int)(i * 7 % 97), commas, (int)(i * 5 % 89), commas);
		take_text(r, line);
	}
	tick(r);
	assert_true(fake_host_value(r->h, "a_total{source=statsd,x=1}") == 3000);
	assert_true(fake_host_value(r->h, "b_total{source=statsd,x=1}") == 6000);
	assert_int_equal(r->h->n_series, 2);
}

static void
events_without_room_wait_and_come_in_order(void **state)
{
	struct rig *r = *state;
	char line[64];

	r->h->room = 2;
	open_it(r);
	for (unsigned i = 0; i < 9; i++) {
		(void)snprintf(line, sizeof(line), "_e{1,0}:%u|", i);
		take_text(r, line);
	}
	r->h->room = 3; /* which is for who came first */
	take_text(r, "_sc|a|1");
	assert_int_equal(r->h->reports, 2);
	while (fake_host_answer_one(r->h, 0))
		;
	assert_int_equal(r->h->reports, 10);
	assert_string_equal(fake_host_said(r->h),
	    "event statsd.event title=0 text=\nevent statsd.event title=1 text=\n"
	    "event statsd.event title=2 text=\nevent statsd.event title=3 text=\n"
	    "event statsd.event title=4 text=\nevent statsd.event title=5 text=\n"
	    "event statsd.event title=6 text=\nevent statsd.event title=7 text=\n"
	    "event statsd.event title=8 text=\nevent statsd.check check=a status=warning\n");
	assert_int_equal(fake_host_count(r->h, "events"), 10);
	assert_int_equal(fake_host_count(r->h, "events_refused"), 0);
}

static void
events_that_cannot_wait_any_more_are_counted(void **state)
{
	struct rig *r = *state;
	char line[600];
	unsigned kept;

	r->h->room = 0;
	open_it(r);
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(line, sizeof(line), "_e{500,0}:%0500u|", i);
		take_text(r, line);
	}
	kept = 100 - (unsigned)fake_host_count(r->h, "events_refused");
	assert_in_range(kept, 60, 65); /* 32 KiB */
	r->h->room = 100;
	tick(r);
	assert_int_equal(r->h->reports, kept);
	fake_host_answer(r->h, BL_EIO);
	assert_int_equal(fake_host_count(r->h, "events_refused"), 100);
	r->h->rc = BL_EINVAL;
	take_text(r, "_e{1,0}:x|");
	assert_int_equal(fake_host_count(r->h, "events_refused"), 101);
}

/* ---- sockets ---- */

static int
dial_path(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_int_equal(connect(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* A port that nobody has; in the text form of `listen`. */
static int
dial_port(struct rig *r, char listen[32])
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	(void)snprintf(listen, 32, "127.0.0.1:%u", ntohs(sa.sin_port));
	(void)close(fd);
	r->listen[0] = listen;
	r->listen[1] = r->path;
	r->conf.listen.n = 2;
	open_it(r);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void
both_sockets_count_every_packet(void **state)
{
	struct rig *r = *state;
	const unsigned turns = rounds(40, 2000);
	char listen[32];
	const int udp = dial_port(r, listen), local = dial_path(r->path);
	uint64_t by_path = 0;

	for (unsigned i = 0; i < turns; i++) {
		for (unsigned k = 0; k < 50; k++) {
			assert_int_equal(send(udp, "u:1|c\nboth:2|c", 14, 0), 14);
			if (send(local, "l:1|c\nboth:3|c", 14, 0) == 14)
				by_path++;
			else
				assert_int_equal(errno, EAGAIN); /* told, not dropped */
		}
		(void)fake_host_turn(r->h);
	}
	tick(r);
	assert_true(by_path > turns);
	assert_true(value(r, "u_total") == turns * 50.0);
	assert_true(value(r, "l_total") == (double)by_path);
	assert_true(value(r, "both_total") == turns * 100.0 + 3 * (double)by_path);
	assert_int_equal(fake_host_count(r->h, "packets"), turns * 50 + by_path);
	assert_int_equal(fake_host_count(r->h, "dropped_packets"), 0);
	(void)close(udp);
	(void)close(local);
}

/* A flood that nobody reads: every packet is either taken or counted as dropped. */
static void
what_the_kernel_drops_is_counted_to_the_packet(void **state)
{
	struct rig *r = *state;
	const unsigned sent = 20000;
	char listen[32];
	int udp;

	r->conf.receive_buffer_bytes = 65536;
	udp = dial_port(r, listen);
	for (unsigned i = 0; i < sent; i++)
		assert_int_equal(send(udp, "u:1|c", 5, 0), 5);
	(void)fake_host_turn(r->h);
	tick(r);
	assert_true(told_lost > 0);
	assert_int_equal(fake_host_count(r->h, "dropped_packets"), told_lost);
	assert_int_equal(fake_host_count(r->h, "packets") + told_lost, sent);
	assert_true(value(r, "u_total") == (double)(sent - told_lost));
	(void)close(udp);
}

/* One turn does not take all of a flood, and a flood at one socket leaves the other its turn. */
static void
a_turn_is_bounded_and_fair(void **state)
{
	struct rig *r = *state;
	const int large = 4 << 20;
	char listen[32];
	int udp, local;
	uint64_t first;

	r->conf.receive_buffer_bytes = 32 << 20;
	udp = dial_port(r, listen);
	local = dial_path(r->path);
	if (setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof(large)) != 0) {
		print_message("the kernel keeps no flood for who has no right to a large buffer\n");
		(void)close(udp);
		(void)close(local);
		skip();
	}
	for (unsigned i = 0; i < 12000; i++)
		assert_int_equal(send(udp, "u:1|c", 5, 0), 5);
	assert_int_equal(send(local, "l:1|c", 5, 0), 5);
	statsd_ops.serve(r->s);
	first = fake_host_count(r->h, "packets");
	assert_in_range(first, 700, 1500);
	tick(r);
	assert_true(value(r, "l_total") == 1);
	(void)fake_host_turn(r->h);
	assert_int_equal(fake_host_count(r->h, "packets"), 12001);
	(void)close(udp);
	(void)close(local);
}

/* What waits in the kernel when the inlet is closed was sent before. */
static void
the_end_takes_what_is_there(void **state)
{
	struct rig *r = *state;
	const int large = 4 << 20;
	char listen[32];
	int udp;

	r->conf.receive_buffer_bytes = 32 << 20;
	udp = dial_port(r, listen);
	if (setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof(large)) != 0) {
		print_message("the kernel keeps no flood for who has no right to a large buffer\n");
		(void)close(udp);
		skip();
	}
	for (unsigned i = 0; i < 12000; i++)
		assert_int_equal(send(udp, "u:1|c", 5, 0), 5);
	r->h->ms += 10;
	statsd_ops.finish(r->s);
	assert_int_equal(fake_host_count(r->h, "packets"), 12000);
	assert_true(value(r, "u_total") == 12000);
	(void)close(udp);
}

static void
of_a_packet_that_is_too_long_whole_lines_are_taken(void **state)
{
	struct rig *r = *state;
	char packet[STATSD_PACKET_MAX + 100];
	int fd;

	open_it(r);
	fd = dial_path(r->path);
	for (size_t i = 0; i < sizeof(packet); i += 6)
		memcpy(packet + i, "a:1|c\n", sizeof(packet) - i < 6 ? sizeof(packet) - i : 6);
	assert_int_equal(send(fd, packet, sizeof(packet), 0), sizeof(packet));
	(void)fake_host_turn(r->h);
	assert_int_equal(send(fd, packet, STATSD_PACKET_MAX, 0), STATSD_PACKET_MAX);
	(void)fake_host_turn(r->h);
	tick(r);
	/* 8192 bytes are 1365 lines and "a:". */
	assert_true(value(r, "a_total") == 2 * 1365);
	assert_int_equal(fake_host_count(r->h, "too_long"), 1);
	assert_int_equal(fake_host_count(r->h, "bad_lines"), 1);
	(void)close(fd);
}

/* A port of ::1; where this machine has none, there is nothing to see. */
static void
the_other_loopback_is_listened_at(void **state)
{
	struct rig *r = *state;
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	socklen_t len = sizeof(sa);
	char listen[32];
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0) {
		if (fd >= 0)
			(void)close(fd);
		print_message("this machine has no ::1\n");
		skip();
	}
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	(void)close(fd);
	(void)snprintf(listen, sizeof(listen), "[::1]:%u", ntohs(sa.sin6_port));
	r->listen[0] = listen;
	open_it(r);
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(send(fd, "a:1|c", 5, 0), 5);
	(void)fake_host_turn(r->h);
	tick(r);
	assert_true(value(r, "a_total") == 1);
	(void)close(fd);
}

/* Large packets of ever new names are the most work that there is; one call takes few of them. */
static void
of_packets_that_are_much_work_few_are_taken_at_once(void **state)
{
	struct rig *r = *state;
	char packet[2000];
	size_t n = 0;
	int fd;

	r->conf.max_series = 1;
	open_it(r);
	fd = dial_path(r->path);
	for (unsigned i = 0; n < sizeof(packet) - 16; i++)
		n += (size_t)snprintf(packet + n, sizeof(packet) - n, "a%u:1|c\n", i);
	assert_int_equal(r->s->at_once, 32);
	for (unsigned i = 0; i < 16 && send(fd, packet, n, 0) > 0; i++)
		if (i % 8 == 7)
			(void)fake_host_turn(r->h);
	(void)fake_host_turn(r->h);
	assert_in_range(r->s->at_once, 1, 16);
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(send(fd, "a0:1|c", 6, 0), 6);
		(void)fake_host_turn(r->h);
	}
	assert_int_equal(r->s->at_once, 32);
	(void)close(fd);
}

static void
the_socket_has_its_rights_and_goes_with_the_inlet(void **state)
{
	struct rig *r = *state;
	struct stat st;

	open_it(r);
	assert_int_equal(stat(r->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0660);
	close_it(r);
	assert_int_equal(stat(r->path, &st), -1);
	r->conf.listen.n = 0;
	assert_int_equal(statsd_ops.open((void **)&r->s, &r->conf, &r->h->host, NULL), BL_OK);
	assert_null(r->s);
}

static void
a_port_that_is_taken_is_said(void **state)
{
	struct rig *r = *state;
	struct bl_err err = { 0 };
	char listen[32], *only[1] = { listen };
	const int udp = dial_port(r, listen);
	struct statsd_conf other = r->conf;
	void *in;

	other.listen = (struct bl_conf_strlist){ 1, only };
	assert_int_equal(statsd_ops.open(&in, &other, &r->h->host, &err), BL_EBUSY);
	assert_null(in);
	assert_non_null(strstr(err.msg, listen));
	(void)close(udp);
}

static void
only_this_machine_may_be_listened_at(void **state)
{
	static const char *const good[] = { "127.0.0.1:8125", "[::1]:8125", "/run/x.sock" };
	static const char *const bad[] = { "0.0.0.0:8125", "192.168.1.5:8125", "[::]:8125", "8125",
		"127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:81x", "x.sock",
		"localhost:8125", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_null(statsd_socket_check(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(statsd_socket_check(bad[i]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(packets_become_what_the_table_says),
		TEST(a_counter_goes_on_and_a_gauge_rests),
		TEST(a_tick_at_the_instant_of_the_first_packet_puts_nothing_twice),
		TEST(what_came_since_the_last_tick_is_put_at_the_end),
		TEST(sums_are_exact_and_quantiles_near),
		TEST(series_beyond_the_cap_are_counted_and_the_others_go_on),
		TEST(a_set_with_too_many_values_is_unknown),
		TEST(more_ways_of_writing_than_are_kept_count_right),
		TEST(events_without_room_wait_and_come_in_order),
		TEST(events_that_cannot_wait_any_more_are_counted),
		TEST(both_sockets_count_every_packet),
		TEST(what_the_kernel_drops_is_counted_to_the_packet),
		TEST(a_turn_is_bounded_and_fair),
		TEST(the_end_takes_what_is_there),
		TEST(of_a_packet_that_is_too_long_whole_lines_are_taken),
		TEST(the_other_loopback_is_listened_at),
		TEST(of_packets_that_are_much_work_few_are_taken_at_once),
		TEST(the_socket_has_its_rights_and_goes_with_the_inlet),
		TEST(a_port_that_is_taken_is_said),
		TEST(only_this_machine_may_be_listened_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
