/*
 * Probes of kind ping in a network of the test's own: what comes back, what is
 * lost, and what happens where ICMP sockets are not given.
 */
#include "probe_play.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define RANGE "/proc/sys/net/ipv4/ping_group_range"

static bool
write_file(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	const bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		(void)close(fd);
	return written;
}

/* Who may ping: all, or nobody. */
static void
allow(bool all)
{
	assert_true(write_file(RANGE, all ? "0 0" : "1 0"));
}

/* A network of our own, with nothing but its loopback; false: not here. */
static bool
network(void)
{
	struct ifreq lo = { .ifr_name = "lo" };
	char map[32];
	const unsigned uid = getuid();
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int in;

	if (unshare(CLONE_NEWNET) < 0) { /* not root: one of which we are root */
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
			return false;
		snprintf(map, sizeof(map), "0 %u 1", uid);
		if (!write_file("/proc/self/uid_map", map) ||
		    !write_file("/proc/self/setgroups", "deny") ||
		    !write_file("/proc/self/gid_map", map))
			return false;
	}
	(void)close(fd);
	in = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	lo.ifr_flags = IFF_UP | IFF_RUNNING;
	if (in < 0 || ioctl(in, SIOCSIFFLAGS, &lo) < 0)
		return false;
	(void)close(in);
	return write_file(RANGE, "1 0");
}

static void
ping_set(struct probe *p, const char *host)
{
	kind_set(p, PROBE_PING, host, 0);
	p->conf.ping = (struct probe_ping_conf){ 3, 20, 56 };
}

static void
what_comes_back_is_counted_and_timed(void **state)
{
	static const char *const host[] = { "127.0.0.1", "::1", "localhost" };
	static const char *const values[] = { "up=1 rtt min max loss=0", "up=1 rtt min max loss=0",
		"up=1 dns rtt min max loss=0" };

	(void)state;
	allow(true);
	for (size_t i = 0; i < COUNT(host); i++) {
		struct probe_result r;
		struct probe p;

		ping_set(&p, host[i]);
		p.conf.ping.size_bytes = i == 1 ? PROBE_PING_SIZE_MAX : 56;
		r = expect_run(&p, host[i], PROBE_OK, values[i], "");
		assert_true(r.value[PROBE_RTT_MIN_MS].v <= r.value[PROBE_RTT_MS].v);
		assert_true(r.value[PROBE_RTT_MS].v <= r.value[PROBE_RTT_MAX_MS].v);
		assert_true(r.value[PROBE_RTT_MAX_MS].v < WAIT_S * 1e3);
	}
}

/* The second request of each run does not get there. */
static void
what_is_lost_is_counted(void **state)
{
	struct probe p;

	(void)state;
	if (system("nft add table inet t && nft 'add chain inet t c { type filter hook input "
		   "priority 0; }' && nft add rule inet t c icmp type echo-request icmp sequence "
		   "2 drop") != 0) {
		print_message("skipped: nft does not work here\n");
		skip();
	}
	ping_set(&p, "127.0.0.1");
	p.conf.timeout_ms = 1000;
	(void)expect_run(&p, "one of three", PROBE_OK, "up=1 rtt min max loss=33.3", "");
	p.conf.ping.count = 4;
	(void)expect_run(&p, "one of four", PROBE_OK, "up=1 rtt min max loss=25", "");
	assert_int_equal(system("nft delete table inet t"), 0);
}

static void
when_none_comes_back_it_is_down(void **state)
{
	struct probe p;

	(void)state;
	ping_set(&p, "127.0.0.1");
	p.conf.timeout_ms = 100;
	assert_true(write_file("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1"));
	(void)expect_run(&p, "silent", PROBE_FAIL_TIMEOUT, "up=0 rtt... min... max... loss=100",
	    "ping 127.0.0.1: none of 3 came back");
	assert_true(write_file("/proc/sys/net/ipv4/icmp_echo_ignore_all", "0"));
	ping_set(&p, "10.9.9.9"); /* there is no way to it */
	(void)expect_run(&p, "no route", PROBE_FAIL_UNREACHABLE, "up=0 rtt? min? max? loss?",
	    "connect 10.9.9.9: Network is unreachable");
	ping_set(&p, "nowhere.test");
	(void)expect_run(&p, "no name", PROBE_FAIL_DNS, "up=0 dns? rtt? min? max? loss?",
	    "look up nowhere.test");
}

static void
where_it_is_not_allowed_nothing_is_known(void **state)
{
	struct probe p;

	(void)state;
	allow(false);
	ping_set(&p, "127.0.0.1");
	(void)expect_run(&p, "not allowed", PROBE_FAIL_NOT_ALLOWED, "up? rtt? min? max? loss?",
	    "net.ipv4.ping_group_range (1 0)");
	allow(true);
	(void)expect_run(&p, "allowed again", PROBE_OK, "up=1 rtt min max loss=0", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_back_is_counted_and_timed),
		cmocka_unit_test(what_is_lost_is_counted),
		cmocka_unit_test(when_none_comes_back_it_is_down),
		cmocka_unit_test(where_it_is_not_allowed_nothing_is_known),
	};

	if (!network()) {
		print_message("skipped: no network namespace of our own here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
