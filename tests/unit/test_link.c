/*
 * The link alone: every phase's failures without a broker, the hand-over and
 * whom it refuses, the bridge.  The TLS server is `openssl s_server -rev`,
 * which sends each line back reversed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "branchline/link.h"
#include "branchline/link_paho.h"

#include "link_kit.h"

/* Listens on a port of the kernel's choice. */
static int
listener(int backlog, uint16_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

/* Steps until the phase is reached or DOWN; the link's own deadlines end it. */
static enum bl_link_phase
run_until(struct bl_link *l, enum bl_link_phase phase)
{
	struct pollfd pfd = { .fd = bl_link_fd(l), .events = POLLIN };

	while (bl_link_phase(l) != phase && bl_link_phase(l) != BL_LINK_DOWN) {
		(void)poll(&pfd, 1, bl_link_timeout_ms(l));
		bl_link_step(l);
	}
	return bl_link_phase(l);
}

static struct bl_link *
started(const struct bl_link_cfg *cfg)
{
	struct bl_err err = { 0 };
	struct bl_link *l;

	if (bl_link_create(&l, cfg, bl_clock_real(), &err) != BL_OK)
		fail_msg("%s", err.msg);
	assert_int_equal(bl_link_start(l, &err), BL_OK);
	return l;
}

static void
assert_says(struct bl_link *l, enum bl_link_fault fault, const char *words)
{
	const struct bl_link_report *r = bl_link_report(l);

	if (r->fault != fault || strstr(r->text, words) == NULL)
		fail_msg("fault %s, text \"%s\"; expected %s, \"%s\"", bl_link_fault_name(r->fault),
		    r->text, bl_link_fault_name(fault), words);
}

/* ---- configuration ---- */

static void
create_names_what_is_wrong(void **state)
{
	char rubbish[96];
	struct {
		struct bl_link_cfg cfg;
		const char *words;
	} cases[7];
	struct bl_link *l = (struct bl_link *)1;
	struct bl_err err;

	(void)state;
	(void)snprintf(rubbish, sizeof(rubbish), "%s/rubbish.pem", link_folder);
	for (size_t i = 0; i < 7; i++)
		cases[i].cfg = link_kit_config(8883);
	cases[0].cfg.host = "";
	cases[0].words = "host name";
	cases[1].cfg.port = 0;
	cases[1].words = "port must be";
	cases[2].cfg.ca_file = "/nowhere/ca.pem";
	cases[2].words = "CA certificate /nowhere/ca.pem: No such file";
	cases[3].cfg.cert_file = rubbish;
	cases[3].words = "certificate /tmp/";
	cases[4].cfg.key_file = link_other_key;
	cases[4].words = "do not belong together";
	cases[5].cfg.crl_file = rubbish;
	cases[5].words = "list of revoked certificates /tmp/";
	cases[6].cfg.key_file = NULL;
	cases[6].words = "are needed";
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(
		    bl_link_create(&l, &cases[i].cfg, bl_clock_real(), &err), BL_EINVAL);
		assert_null(l);
		if (strstr(err.msg, cases[i].words) == NULL)
			fail_msg("case %zu: \"%s\" lacks \"%s\"", i, err.msg, cases[i].words);
	}
}

static void
fault_names_are_complete(void **state)
{
	(void)state;
	assert_string_equal(bl_link_fault_name(BL_FAULT_NONE), "none");
	assert_string_equal(bl_link_fault_name(BL_FAULT_OWN_CERT), "own_cert");
	assert_string_equal(bl_link_fault_name(BL_FAULT_BROKER), "broker");
	assert_string_equal(bl_link_fault_name(BL_FAULT_INTERNAL), "internal");
	assert_string_equal(bl_link_fault_name((enum bl_link_fault)99), "internal");
	assert_string_equal(bl_link_fault_name((enum bl_link_fault) - 1), "internal");
}

/* ---- each phase fails by name ---- */

static void
closed_port_is_refused(void **state)
{
	struct bl_link_cfg cfg;
	struct bl_link *l;
	uint16_t port;

	(void)state;
	(void)close(listener(1, &port));
	cfg = link_kit_config(port);
	l = started(&cfg);
	assert_int_equal(run_until(l, BL_LINK_READY), BL_LINK_DOWN);
	assert_says(l, BL_FAULT_REFUSED, "Connection refused");
	assert_int_equal(bl_link_report(l)->phase, BL_LINK_CONNECT);
	assert_int_equal(bl_link_report(l)->os_errno, ECONNREFUSED);
	bl_link_free(l);
}

static void
silent_server_meets_the_deadline_of_tls(void **state)
{
	struct bl_link_cfg cfg;
	struct bl_link *l;
	uint16_t port;
	int fd = listener(4, &port);

	(void)state;
	cfg = link_kit_config(port);
	cfg.tls_ms = 100;
	l = started(&cfg);
	assert_int_equal(run_until(l, BL_LINK_READY), BL_LINK_DOWN);
	assert_says(l, BL_FAULT_TIMEOUT, "TLS handshake with 127.0.0.1");
	assert_says(l, BL_FAULT_TIMEOUT, "took longer than 100 ms");
	assert_int_equal(bl_link_report(l)->phase, BL_LINK_TLS);
	bl_link_free(l);
	(void)close(fd);
}

/* Giving up costs the server as much as going through. */
static void
slow_handshakes_in_a_row_are_given_more_time(void **state)
{
	static const char *const after[] = { "50 ms", "100 ms", "200 ms", "200 ms" };
	struct bl_err err = { 0 };
	struct bl_link_cfg cfg;
	struct bl_link *l;
	uint16_t port;
	int fd = listener(8, &port);

	(void)state;
	cfg = link_kit_config(port);
	cfg.tls_ms = 50;
	l = started(&cfg);
	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		char text[64];

		if (i > 0)
			assert_int_equal(bl_link_start(l, &err), BL_OK);
		assert_int_equal(run_until(l, BL_LINK_READY), BL_LINK_DOWN);
		(void)snprintf(text, sizeof(text), "took longer than %s", after[i]);
		assert_says(l, BL_FAULT_TIMEOUT, text);
	}
	bl_link_free(l);
	(void)close(fd);
}

static void
black_hole_meets_the_deadline_of_connect(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct bl_link_cfg cfg;
	struct bl_link *l;
	int fill[8];
	uint16_t port;
	int fd = listener(0, &port);

	(void)state;
	/* The kernel ignores SYNs for a listener whose queue is full. */
	at.sin_port = htons(port);
	for (int i = 0; i < 8; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fill[i], (struct sockaddr *)&at, sizeof(at));
	}
	cfg = link_kit_config(port);
	cfg.connect_ms = 100;
	l = started(&cfg);
	assert_int_equal(run_until(l, BL_LINK_READY), BL_LINK_DOWN);
	assert_says(l, BL_FAULT_TIMEOUT, "TCP connect with 127.0.0.1");
	bl_link_free(l);
	for (int i = 0; i < 8; i++)
		(void)close(fill[i]);
	(void)close(fd);
}

static void
web_server_is_quoted(void **state)
{
	static const char reply[] = "HTTP/1.0 400 Bad Request\r\n\r\n";
	struct bl_link_cfg cfg;
	struct bl_link *l;
	uint16_t port;
	int fd = listener(4, &port), peer;

	(void)state;
	cfg = link_kit_config(port);
	l = started(&cfg);
	assert_int_equal(run_until(l, BL_LINK_TLS), BL_LINK_TLS);
	peer = accept(fd, NULL, NULL);
	assert_int_equal(write(peer, reply, sizeof(reply) - 1), sizeof(reply) - 1);
	assert_int_equal(run_until(l, BL_LINK_READY), BL_LINK_DOWN);
	assert_says(l, BL_FAULT_PORTAL, "web server or captive portal: it sent \"HTTP/1.0 400");
	bl_link_free(l);
	(void)close(peer);
	(void)close(fd);
}

static void
unknown_name_is_a_dns_fault(void **state)
{
	struct bl_link_cfg cfg = link_kit_config(8883);
	struct bl_link *l;

	(void)state;
	cfg.host = "no-such-host.invalid";
	l = started(&cfg);
	assert_int_equal(bl_link_phase(l), BL_LINK_DNS);
	assert_int_equal(run_until(l, BL_LINK_READY), BL_LINK_DOWN);
	if (bl_link_report(l)->fault != BL_FAULT_TIMEOUT)
		assert_says(l, BL_FAULT_DNS, "name look-up of \"no-such-host.invalid\": ");
	bl_link_free(l);
}

static void
freeing_while_a_name_is_looked_up_is_safe(void **state)
{
	struct bl_link_cfg cfg = link_kit_config(8883);

	(void)state;
	cfg.host = "another-host.invalid";
	for (int i = 0; i < 20; i++)
		bl_link_free(started(&cfg));
}

static void
stop_ends_any_phase_and_start_begins_anew(void **state)
{
	struct bl_link_cfg cfg;
	struct bl_err err;
	struct bl_link *l;
	uint16_t port;
	int fd = listener(4, &port);

	(void)state;
	cfg = link_kit_config(port);
	l = started(&cfg);
	assert_int_equal(bl_link_start(l, &err), BL_EBUSY);
	assert_int_equal(run_until(l, BL_LINK_TLS), BL_LINK_TLS);
	bl_link_stop(l, "enough");
	assert_int_equal(bl_link_phase(l), BL_LINK_DOWN);
	assert_says(l, BL_FAULT_STOPPED, "enough");
	assert_int_equal(bl_link_timeout_ms(l), -1);
	assert_int_equal(bl_link_start(l, &err), BL_OK);
	assert_int_equal(run_until(l, BL_LINK_TLS), BL_LINK_TLS);
	bl_link_free(l);
	(void)close(fd);
}

/* ---- with TLS up ---- */

static void
without_handover_it_stays_ready(void **state)
{
	struct link_server s;
	struct bl_link_cfg cfg;
	struct bl_link *l;

	(void)state;
	link_server_start(&s);
	cfg = link_kit_config(s.port);
	l = started(&cfg);
	assert_int_equal(run_until(l, BL_LINK_READY), BL_LINK_READY);
	assert_string_equal(bl_link_report(l)->server_subject, "srv");
	assert_string_equal(bl_link_uri(l), "");
	assert_int_equal(bl_link_timeout_ms(l), -1);
	bl_link_free(l);
	link_server_stop(&s);
}

/* The address in bl_link_uri. */
static struct sockaddr_in
sentinel(const struct bl_link *l)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = INADDR_NONE };
	unsigned port = 0;

	assert_int_equal(sscanf(bl_link_uri(l), "tcp://255.255.255.255:%u", &port), 1);
	at.sin_port = htons((uint16_t)port);
	return at;
}

static int
paho_connect(int fd, const struct sockaddr_in *at)
{
	return bl_link_paho_connect(fd, (const struct sockaddr *)at, sizeof(*at));
}

static void
assert_refused(const struct sockaddr_in *at, socklen_t size)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	errno = 0;
	assert_int_equal(bl_link_paho_connect(fd, (const struct sockaddr *)at, size), -1);
	assert_int_equal(errno, ECONNREFUSED);
	(void)close(fd);
}

static void
handover_refuses_whom_nobody_waits_for(void **state)
{
	struct sockaddr_in at, wrong;
	struct link_server s;
	struct bl_link_cfg cfg;
	struct bl_link *l;
	int fd;

	(void)state;
	link_server_start(&s);
	cfg = link_kit_config(s.port);
	cfg.handover = true;
	l = started(&cfg);
	assert_int_equal(run_until(l, BL_LINK_READY), BL_LINK_READY);
	at = sentinel(l);

	wrong = at;
	wrong.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* a real address, the right token */
	assert_refused(&wrong, sizeof(wrong));
	wrong = at;
	wrong.sin_port = htons((uint16_t)(ntohs(at.sin_port) + 1)); /* a token of nobody */
	assert_refused(&wrong, sizeof(wrong));
	wrong.sin_port = 0;
	assert_refused(&wrong, sizeof(wrong));
	wrong = at;
	wrong.sin_family = AF_INET6;
	assert_refused(&wrong, sizeof(wrong));
	assert_refused(&at, sizeof(at) - 1); /* cut short */

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(paho_connect(fd, &at), 0);
	assert_refused(&at, sizeof(at)); /* a token is good once */
	assert_int_equal(run_until(l, BL_LINK_UP), BL_LINK_UP);
	assert_refused(&at, sizeof(at));
	bl_link_free(l);
	assert_refused(&at, sizeof(at));
	(void)close(fd);
	link_server_stop(&s);
}

static void
handover_that_nobody_takes_meets_its_deadline(void **state)
{
	struct sockaddr_in at;
	struct link_server s;
	struct bl_link_cfg cfg;
	struct bl_link *l;

	(void)state;
	link_server_start(&s);
	cfg = link_kit_config(s.port);
	cfg.handover = true;
	cfg.ready_ms = 50;
	l = started(&cfg);
	assert_int_equal(run_until(l, BL_LINK_READY), BL_LINK_READY);
	at = sentinel(l);
	assert_int_equal(run_until(l, BL_LINK_UP), BL_LINK_DOWN);
	assert_says(l, BL_FAULT_TIMEOUT, "local hand-over");
	assert_refused(&at, sizeof(at));
	bl_link_free(l);
	link_server_stop(&s);
}

static void
two_links_wait_with_tokens_of_their_own(void **state)
{
	struct sockaddr_in at[2];
	struct link_server s[2];
	struct bl_link_cfg cfg;
	struct bl_link *l[2];
	int fd[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		link_server_start(&s[i]);
		cfg = link_kit_config(s[i].port);
		cfg.handover = true;
		l[i] = started(&cfg);
		assert_int_equal(run_until(l[i], BL_LINK_READY), BL_LINK_READY);
		at[i] = sentinel(l[i]);
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	}
	assert_int_not_equal(at[0].sin_port, at[1].sin_port);
	assert_int_equal(paho_connect(fd[1], &at[1]), 0);
	assert_int_equal(run_until(l[1], BL_LINK_UP), BL_LINK_UP);
	assert_int_equal(bl_link_phase(l[0]), BL_LINK_READY);
	assert_int_equal(paho_connect(fd[0], &at[0]), 0);
	assert_int_equal(run_until(l[0], BL_LINK_UP), BL_LINK_UP);
	for (int i = 0; i < 2; i++) {
		bl_link_free(l[i]);
		(void)close(fd[i]);
		link_server_stop(&s[i]);
	}
}

/* Lines through the bridge until `want` bytes are back; the server sends each reversed. */
static void
bridge_carries_bytes_both_ways(void **state)
{
	struct sockaddr_in at;
	struct link_server s;
	struct bl_link_cfg cfg;
	struct bl_link *l;
	struct pollfd pfds[2];
	char line[1000], got[1000];
	const int rounds = 200;
	size_t have = 0;
	int fd, sent = 0, back = 0;

	(void)state;
	link_server_start(&s);
	cfg = link_kit_config(s.port);
	cfg.handover = true;
	l = started(&cfg);
	assert_int_equal(run_until(l, BL_LINK_READY), BL_LINK_READY);
	at = sentinel(l);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(paho_connect(fd, &at), 0);
	for (size_t i = 0; i < sizeof(line) - 1; i++)
		line[i] = (char)('a' + i % 26);
	line[sizeof(line) - 1] = '\n';
	pfds[0] = (struct pollfd){ .fd = bl_link_fd(l), .events = POLLIN };
	pfds[1] = (struct pollfd){ .fd = fd, .events = POLLIN };
	while (back < rounds && bl_link_phase(l) != BL_LINK_DOWN) {
		ssize_t n;

		if (sent < rounds && write(fd, line, sizeof(line)) == (ssize_t)sizeof(line))
			sent++;
		assert_true(poll(pfds, 2, 10000) > 0);
		bl_link_step(l);
		while ((n = read(fd, got + have, sizeof(got) - have)) > 0) {
			have += (size_t)n;
			if (have < sizeof(got))
				continue;
			for (size_t i = 0; i < sizeof(got) - 1; i++)
				assert_int_equal(got[i], line[sizeof(line) - 2 - i]);
			have = 0;
			back++;
		}
	}
	assert_int_equal(back, rounds);
	assert_int_equal(bl_link_report(l)->plain_out_bytes, rounds * (int)sizeof(line));
	assert_int_equal(bl_link_report(l)->plain_in_bytes, rounds * (int)sizeof(line));
	assert_true(bl_link_report(l)->wire_out_bytes > bl_link_report(l)->plain_out_bytes);

	(void)close(fd); /* what Paho does */
	assert_int_equal(run_until(l, BL_LINK_IDLE), BL_LINK_DOWN);
	assert_says(l, BL_FAULT_CLIENT_CLOSED, "closed by our own MQTT client");
	bl_link_free(l);
	link_server_stop(&s);
}

static void
server_that_dies_ends_an_established_link(void **state)
{
	struct sockaddr_in at;
	struct link_server s;
	struct bl_link_cfg cfg;
	struct bl_link *l;
	char byte;
	int fd;

	(void)state;
	link_server_start(&s);
	cfg = link_kit_config(s.port);
	cfg.handover = true;
	l = started(&cfg);
	assert_int_equal(run_until(l, BL_LINK_READY), BL_LINK_READY);
	at = sentinel(l);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(paho_connect(fd, &at), 0);
	assert_int_equal(run_until(l, BL_LINK_UP), BL_LINK_UP);
	link_server_stop(&s);
	assert_int_equal(run_until(l, BL_LINK_IDLE), BL_LINK_DOWN);
	assert_says(l, BL_FAULT_LOST, "lost");
	assert_int_equal(read(fd, &byte, 1), 0); /* and Paho sees the end */
	(void)close(fd);
	bl_link_free(l);
}

static void
bad_reload_leaves_the_old_credentials(void **state)
{
	struct link_server s;
	struct bl_link_cfg cfg, bad;
	struct bl_link *l;
	struct bl_err err;

	(void)state;
	link_server_start(&s);
	cfg = link_kit_config(s.port);
	l = started(&cfg);
	assert_int_equal(run_until(l, BL_LINK_READY), BL_LINK_READY);
	bad = cfg;
	bad.key_file = link_other_key;
	assert_int_equal(bl_link_reload(l, &bad, &err), BL_EINVAL);
	bl_link_stop(l, "again");
	assert_int_equal(bl_link_start(l, &err), BL_OK);
	assert_int_equal(run_until(l, BL_LINK_READY), BL_LINK_READY);
	assert_int_equal(bl_link_reload(l, &cfg, &err), BL_OK);
	bl_link_free(l);
	link_server_stop(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_names_what_is_wrong),
		cmocka_unit_test(fault_names_are_complete),
		cmocka_unit_test(closed_port_is_refused),
		cmocka_unit_test(silent_server_meets_the_deadline_of_tls),
		cmocka_unit_test(slow_handshakes_in_a_row_are_given_more_time),
		cmocka_unit_test(black_hole_meets_the_deadline_of_connect),
		cmocka_unit_test(web_server_is_quoted),
		cmocka_unit_test(unknown_name_is_a_dns_fault),
		cmocka_unit_test(freeing_while_a_name_is_looked_up_is_safe),
		cmocka_unit_test(stop_ends_any_phase_and_start_begins_anew),
		cmocka_unit_test(without_handover_it_stays_ready),
		cmocka_unit_test(handover_refuses_whom_nobody_waits_for),
		cmocka_unit_test(handover_that_nobody_takes_meets_its_deadline),
		cmocka_unit_test(two_links_wait_with_tokens_of_their_own),
		cmocka_unit_test(bridge_carries_bytes_both_ways),
		cmocka_unit_test(server_that_dies_ends_an_established_link),
		cmocka_unit_test(bad_reload_leaves_the_old_credentials),
	};

	return cmocka_run_group_tests(tests, link_kit_make, link_kit_remove);
}
