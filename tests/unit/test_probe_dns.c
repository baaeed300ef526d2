/*
 * Probes of kind dns (messages: test_dns_message.c): a name server that does
 * what the name asked for says, over UDP and TCP; and one that somebody else wrote.
 */
#include "dns_kit.h"
#include "probe_dns.h"
#include "probe_play.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"

/* ---- a name server ---- */

static struct {
	int udp, tcp;
	uint16_t port;
	pthread_t thread;
	atomic_uint asked; /* since the test began */
	atomic_uint over_tcp;
} ns;

static bool
asked_for(const struct msg *q, const char *label)
{
	return q->len > 13 && q->b[12] == strlen(label) &&
	       memcmp(q->b + 13, label, strlen(label)) == 0;
}

/* Begins the answer with what was asked. */
static void
echo(struct msg *m, const struct msg *q, unsigned flags)
{
	*m = *q;
	m->b[2] = (uint8_t)(flags >> 8);
	m->b[3] = (uint8_t)flags;
}

static void
reply(const struct msg *m, const struct sockaddr_in *to)
{
	(void)sendto(ns.udp, m->b, m->len, 0, (const struct sockaddr *)to, sizeof(*to));
}

static void
serve_udp(const struct msg *q, const struct sockaddr_in *to)
{
	static struct msg m;
	const unsigned nth = atomic_fetch_add(&ns.asked, 1) + 1;

	if (asked_for(q, "silent") || (asked_for(q, "lost") && nth == 1))
		return;
	if (asked_for(q, "nx")) {
		echo(&m, q, 0x8183);
	} else if (asked_for(q, "refused")) {
		memcpy(m.b, q->b, 2);
		memcpy(m.b + 2, "\x80\5\0\0\0\0\0\0\0\0", 10);
		m.len = 12;
	} else if (asked_for(q, "empty")) {
		echo(&m, q, 0x8180);
	} else if (asked_for(q, "cut") || asked_for(q, "cutagain") || asked_for(q, "huge") ||
		   asked_for(q, "gone") || asked_for(q, "foreign")) {
		echo(&m, q, 0x8380);
	} else {
		echo(&m, q, 0x8180);
		if (asked_for(q, "text"))
			put_record(&m, HERE, TXT, 60, "\6secret", 7);
		else
			put_record(&m, HERE, A, 60, "\x0a\0\0\1", 4);
		put_record(&m, HERE, A, 30, "\x0a\0\0\2", 4);
		if (asked_for(q, "broken"))
			m.len -= 3;
		if (asked_for(q, "spoofed")) { /* what does not fit comes first */
			m.b[0] ^= 1;
			m.b[m.len - 1] = 9;
			reply(&m, to);
			m.b[0] ^= 1;
			m.b[m.len - 1] = 2;
		}
	}
	reply(&m, to);
}

static void
serve_tcp(int fd)
{
	static struct msg q, m, out;
	uint8_t len[2];

	atomic_fetch_add(&ns.over_tcp, 1);
	if (recv(fd, len, 2, MSG_WAITALL) != 2)
		return;
	q.len = (size_t)(len[0] << 8 | len[1]);
	assert_true(q.len < sizeof(q.b));
	if (recv(fd, q.b, q.len, MSG_WAITALL) != (ssize_t)q.len || asked_for(&q, "gone"))
		return;
	echo(&m, &q, asked_for(&q, "cutagain") ? 0x8380 : 0x8180);
	for (unsigned i = 0; i < 100; i++)
		put_record(&m, HERE, A, 30, (uint8_t[]){ 10, 0, 1, (uint8_t)i }, 4);
	if (asked_for(&q, "foreign"))
		m.b[0] ^= 1;
	out.len = 0;
	put16(&out, asked_for(&q, "huge") ? 16385 : (unsigned)m.len);
	put(&out, m.b, m.len);
	for (size_t at = 0; at < out.len; at += 100) /* in pieces */
		if (send(fd, out.b + at, out.len - at < 100 ? out.len - at : 100, MSG_NOSIGNAL) < 0)
			return;
	(void)recv(fd, len, 1, 0); /* until the client goes */
}

static void *
ns_main(void *arg)
{
	static struct msg q;
	struct pollfd p[2] = { { ns.udp, POLLIN, 0 }, { ns.tcp, POLLIN, 0 } };

	(void)arg;
	while (poll(p, 2, -1) > 0) {
		if (p[0].revents != 0) {
			struct sockaddr_in from;
			socklen_t len = sizeof(from);
			const ssize_t n =
			    recvfrom(ns.udp, q.b, sizeof(q.b), 0, (struct sockaddr *)&from, &len);

			if (n == 1)
				return NULL; /* ns_stop */
			q.len = n > 0 ? (size_t)n : 0;
			if (n > 0)
				serve_udp(&q, &from);
		}
		if (p[1].revents != 0) {
			const int fd = accept4(ns.tcp, NULL, NULL, SOCK_CLOEXEC);

			serve_tcp(fd);
			(void)close(fd);
		}
	}
	return NULL;
}

static void
ns_start(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	/* A port that is free for both; another one until it is. */
	for (;;) {
		ns.port = 0;
		ns.tcp = listen_on("127.0.0.1", 8, &ns.port);
		ns.udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		in.sin_port = htons(ns.port);
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		if (bind(ns.udp, (struct sockaddr *)&in, sizeof(in)) == 0)
			break;
		(void)close(ns.udp);
		(void)close(ns.tcp);
	}
	if (pthread_create(&ns.thread, NULL, ns_main, NULL) != 0)
		abort();
}

static void
ns_stop(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(ns.port) };

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)sendto(ns.udp, "", 1, 0, (struct sockaddr *)&in, sizeof(in));
	(void)pthread_join(ns.thread, NULL);
	(void)close(ns.udp);
	(void)close(ns.tcp);
}

static const struct {
	const char *name;
	enum probe_dns_type type;
	const char *expect[2];
	enum probe_reason reason;
	const char *values, *detail;
} run_cases[] = {
	{ "ok.ex", PROBE_DNS_A, { NULL }, PROBE_OK, "up=1 first total records=2 ttl=30", "" },
	{ "ok.ex", PROBE_DNS_A, { "10.0.0.2" }, PROBE_OK,
	    "up=1 first total match=1 records=2 ttl=30", "" },
	{ "ok.ex", PROBE_DNS_A, { "10.0.0.2", "10.0.0.1" }, PROBE_OK,
	    "up=1 first total match=1 records=2 ttl=30", "" },
	{ "ok.ex", PROBE_DNS_A, { "10.0.0.2", "10.0.0.3" }, PROBE_FAIL_ANSWER,
	    "up=0 first total match=0 records=2 ttl=30",
	    "10.0.0.3 is not among the 2 A records: 10.0.0.1, 10.0.0.2" },
	{ "text.ex", PROBE_DNS_TXT, { "public" }, PROBE_FAIL_ANSWER,
	    "up=0 first total match=0 records=1 ttl=60", "public is not among the 1 TXT records" },
	{ "nx.ex", PROBE_DNS_A, { NULL }, PROBE_FAIL_ANSWER, "up=0 first total records=0",
	    "answers nx.ex A with: no such name" },
	{ "refused.ex", PROBE_DNS_A, { "10.0.0.1" }, PROBE_FAIL_ANSWER,
	    "up=0 first total match=0 records=0", "REFUSED" },
	{ "empty.ex", PROBE_DNS_MX, { NULL }, PROBE_FAIL_ANSWER, "up=0 first total records=0",
	    "empty.ex has no MX record there" },
	{ "spoofed.ex", PROBE_DNS_A, { "10.0.0.2" }, PROBE_OK,
	    "up=1 first total match=1 records=2 ttl=30", "" },
	{ "broken.ex", PROBE_DNS_A, { NULL }, PROBE_FAIL_PROTOCOL,
	    "up=0 first? total? records? ttl?", "malformed" },
	{ "lost.ex", PROBE_DNS_A, { NULL }, PROBE_OK, "up=1 first total records=2 ttl=30", "" },
	{ "silent.ex", PROBE_DNS_A, { NULL }, PROBE_FAIL_TIMEOUT,
	    "up=0 first... total... records... ttl...", "no answer over UDP" },
	{ "cut.ex", PROBE_DNS_A, { "10.0.1.99" }, PROBE_OK,
	    "up=1 connect first total match=1 records=100 ttl=30", "" },
	{ "cutagain.ex", PROBE_DNS_A, { NULL }, PROBE_FAIL_PROTOCOL,
	    "up=0 connect first? total? records? ttl?", "over TCP, too" },
	{ "gone.ex", PROBE_DNS_A, { NULL }, PROBE_FAIL_PROTOCOL,
	    "up=0 connect first? total? records? ttl?", "closed the connection" },
	{ "huge.ex", PROBE_DNS_A, { NULL }, PROBE_FAIL_PROTOCOL,
	    "up=0 connect first? total? records? ttl?", "16385 bytes over TCP" },
	{ "foreign.ex", PROBE_DNS_A, { NULL }, PROBE_FAIL_PROTOCOL,
	    "up=0 connect first? total? records? ttl?", "does not answer the question" },
};

static void
dns_set(struct probe *p, const char *host, const char *name, enum probe_dns_type type)
{
	kind_set(p, PROBE_DNS, host, ns.port);
	p->conf.dns.name = (char *)(uintptr_t)name;
	p->conf.dns.type = (int)type;
	p->conf.dns.recursion = true;
}

static void
each_answer_gets_its_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(run_cases); i++) {
		char *expect[2];
		struct probe p;

		ns_start();
		atomic_store(&ns.asked, 0);
		dns_set(&p, "127.0.0.1", run_cases[i].name, run_cases[i].type);
		for (unsigned k = 0; k < 2 && run_cases[i].expect[k] != NULL; k++) {
			expect[k] = (char *)(uintptr_t)run_cases[i].expect[k];
			p.conf.dns.expect = (struct bl_conf_strlist){ k + 1, expect };
		}
		if (run_cases[i].reason == PROBE_FAIL_TIMEOUT)
			p.conf.timeout_ms = 1500;
		else if (strcmp(run_cases[i].name, "lost.ex") == 0)
			p.conf.timeout_ms = 2400; /* a third of it passes */
		(void)expect_run(&p, run_cases[i].name, run_cases[i].reason, run_cases[i].values,
		    run_cases[i].detail);
		ns_stop();
		if (run_cases[i].reason == PROBE_FAIL_TIMEOUT)
			assert_int_equal(atomic_load(&ns.asked), 3);
	}
}

static void
a_server_by_name_has_its_addresses_take_turns(void **state)
{
	struct probe p;

	(void)state;
	ns_start();
	dns_set(&p, "two.test", "ok.ex", PROBE_DNS_A); /* the first one refuses */
	(void)expect_run(&p, "two", PROBE_OK, "up=1 dns first total records=2 ttl=30", "");
	dns_set(&p, "nowhere.test", "ok.ex", PROBE_DNS_A);
	(void)expect_run(
	    &p, "nowhere", PROBE_FAIL_DNS, "up=0 dns? first? total? records? ttl?", "nowhere.test");
	dns_set(&p, "127.0.0.2", "ok.ex", PROBE_DNS_A);
	(void)expect_run(
	    &p, "refused", PROBE_FAIL_REFUSED, "up=0 first? total? records? ttl?", "127.0.0.2");
	ns_stop();
}

/* One datagram is lost, and the server's other address cannot be reached from here. */
static void
an_address_without_a_way_leaves_the_others(void **state)
{
	struct probe p;

	(void)state;
	ns_start();
	atomic_store(&ns.asked, 0);
	dns_set(&p, "second-unreachable.test", "lost.ex", PROBE_DNS_A);
	p.conf.timeout_ms = 2400; /* a third of it passes */
	(void)expect_run(&p, "lost", PROBE_OK, "up=1 dns first total records=2 ttl=30", "");
	assert_int_equal(atomic_load(&ns.asked), 2);
	dns_set(&p, "unreachable.test", "ok.ex", PROBE_DNS_A);
	(void)expect_run(&p, "unreachable", PROBE_FAIL_UNREACHABLE,
	    "up=0 dns first? total? records? ttl?", "255.255.255.255");
	ns_stop();
}

/* More datagrams than one turn may take, none of them an answer. */
static void
a_flood_leaves_the_others_their_turn(void **state)
{
	static struct probe_env env;
	static struct probe_run run;
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	struct bl_err err = { 0 };
	struct probe p;
	unsigned left = 0;
	char byte;

	(void)state;
	dns_set(&p, "127.0.0.1", "ok.ex", PROBE_DNS_A);
	env.clock = harness_clock();
	assert_int_equal(probe_run_init(&run, &env, &p.conf, 0, &err), BL_OK);
	run.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(run.fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(run.fd, (struct sockaddr *)&in, &len), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(sendto(run.fd, "x", 1, 0, (struct sockaddr *)&in, sizeof(in)), 1);
	run.phase = PHASE_FIRST_BYTE;
	run.ops->talk(&run);
	assert_true(run.again);
	while (recv(run.fd, &byte, 1, 0) == 1)
		left++;
	assert_in_range(left, 1, 99);
	run.again = false;
	run.ops->talk(&run);
	assert_false(run.again); /* nothing is left: the next event counts */
	probe_run_release(&run);
}

/* ---- somebody else's server ---- */

/* A port that nobody has now. */
static uint16_t
free_port(void)
{
	uint16_t port = 0;

	(void)close(listen_on("127.0.0.1", 1, &port));
	return port;
}

static void
dnsmasq_exec(uint16_t port, int err)
{
	static char number[24], many[64][40];
	char *argv[80] = { "dnsmasq", number, "--no-daemon", "--conf-file=/dev/null",
		"--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts",
		"--user=", "--group=", "--local=/ex/",
		"--host-record=shop.ex,10.0.0.9,2001:db8::9,77", "--cname=www.ex,shop.ex",
		"--mx-host=shop.ex,mail.ex,10", "--txt-record=shop.ex,v=spf1 -all" };
	size_t n = 15;

	snprintf(number, sizeof(number), "--port=%u", port);
	for (unsigned i = 0; i < COUNT(many); i++) { /* more than a datagram of 512 bytes holds */
		snprintf(many[i], sizeof(many[i]), "--host-record=many.ex,10.0.1.%u", i);
		argv[n++] = many[i];
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* also when the test fails */
	dup2(err, 2);
	execv("/usr/sbin/dnsmasq", argv);
	_exit(127);
}

/* Its process, and the end of its words; false: it ended, since somebody took the port. */
static bool
dnsmasq_start(uint16_t port, pid_t *pid, FILE **words)
{
	char line[300] = "";
	int err[2], status;

	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	if ((*pid = fork()) == 0)
		dnsmasq_exec(port, err[1]);
	close(err[1]);
	*words = fdopen(err[0], "r");
	while (strstr(line, "started, version") == NULL) {
		if (fgets(line, sizeof(line), *words) != NULL)
			continue;
		fclose(*words);
		(void)waitpid(*pid, &status, 0);
		return false;
	}
	return true;
}

static const struct {
	const char *name;
	enum probe_dns_type type;
	const char *expect;
	enum probe_reason reason;
	const char *values, *detail;
} real_cases[] = {
	{ "shop.ex", PROBE_DNS_A, "10.0.0.9", PROBE_OK, "up=1 first total match=1 records=1 ttl=77",
	    "" },
	{ "shop.ex", PROBE_DNS_AAAA, "2001:DB8:0::9", PROBE_OK,
	    "up=1 first total match=1 records=1 ttl=77", "" },
	{ "www.ex", PROBE_DNS_CNAME, "shop.ex.", PROBE_OK,
	    "up=1 first total match=1 records=1 ttl=0", "" },
	{ "www.ex", PROBE_DNS_A, "10.0.0.9", PROBE_OK, "up=1 first total match=1 records=1 ttl=77",
	    "" },
	{ "shop.ex", PROBE_DNS_MX, "10 mail.ex", PROBE_OK,
	    "up=1 first total match=1 records=1 ttl=0", "" },
	{ "shop.ex", PROBE_DNS_TXT, "v=spf1", PROBE_OK, "up=1 first total match=1 records=1 ttl=0",
	    "" },
	{ "none.ex", PROBE_DNS_A, "10.0.0.9", PROBE_FAIL_ANSWER,
	    "up=0 first total match=0 records=0", "no such name (NXDOMAIN)" },
	{ "shop.elsewhere", PROBE_DNS_A, "10.0.0.9", PROBE_FAIL_ANSWER,
	    "up=0 first total match=0 records=0", "refused (REFUSED)" },
	{ "many.ex", PROBE_DNS_A, "10.0.1.63", PROBE_OK,
	    "up=1 connect first total match=1 records=64 ttl=0", "" },
};

static void
a_server_that_somebody_else_wrote_is_asked(void **state)
{
	uint16_t port = 0;
	unsigned taken = 0;
	FILE *words;
	pid_t pid;
	int status;

	(void)state;
	if (access("/usr/sbin/dnsmasq", X_OK) != 0) {
		print_message("skipped: dnsmasq-base is not installed\n");
		skip();
	}
	while (!dnsmasq_start(port = free_port(), &pid, &words))
		if (++taken == 20)
			fail_msg("dnsmasq does not start");
	for (size_t i = 0; i < COUNT(real_cases); i++) {
		char *expect = (char *)(uintptr_t)real_cases[i].expect;
		struct probe p;

		dns_set(&p, "127.0.0.1", real_cases[i].name, real_cases[i].type);
		p.conf.port = port;
		p.conf.dns.expect = (struct bl_conf_strlist){ 1, &expect };
		(void)expect_run(&p, real_cases[i].name, real_cases[i].reason, real_cases[i].values,
		    real_cases[i].detail);
	}
	(void)kill(pid, SIGTERM);
	(void)waitpid(pid, &status, 0);
	fclose(words);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_answer_gets_its_verdict),
		cmocka_unit_test(a_server_by_name_has_its_addresses_take_turns),
		cmocka_unit_test(an_address_without_a_way_leaves_the_others),
		cmocka_unit_test(a_flood_leaves_the_others_their_turn),
		cmocka_unit_test(a_server_that_somebody_else_wrote_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
