/*
 * What a StatsD packet costs the agent: the real inlet on a UDP port of loopback, its turns as the
 * loop makes them, a host that counts what it is told.  Another process sends N packets
 * of one line each (counters, gauges, timers of 100 series with two tags), first in step with the
 * inlet, so that none is dropped, then as fast as it can.  Prints
 *
 *	packets_per_cpu_s N	packets over CPU time of the thread that takes them, none dropped
 *	flood_taken_pct N	of as many sent without waiting
 *
 * and ends with 1 when a value was counted wrongly: what counters say, and what was dropped by
 * the kernel's word, must be what was sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "branchline/clock.h"

#include "inlet_host.h"
#include "statsd.h"

#define SERIES 100u
#define BURST  64u
#define STEP   2048u /* packets that are under way when it goes in step */

static void
must(bool holds, const char *what)
{
	if (holds)
		return;
	perror(what);
	exit(1);
}

static size_t
write_line(char *out, size_t size, unsigned n)
{
	static const char *const kind[] = { "c", "ms", "c", "g" };
	const unsigned series = n % SERIES;

	return (size_t)snprintf(out, size, "shop.checkout.step%u:%u|%s|#shop:%u,env:prod", series,
	    series % 4 == 1 ? n % 1000 : 1, kind[series % 4], series / 10);
}

/* The sender.  credit: a byte for each STEP packets that were taken; -1: it does not wait. */
static void
send_all(const struct sockaddr_in *to, unsigned n, int credit)
{
	static char line[BURST][96];
	struct mmsghdr m[BURST];
	struct iovec iov[BURST];
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char byte;

	must(fd >= 0 && connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0, "connect");
	memset(m, 0, sizeof(m));
	for (unsigned at = 0; at < n; at += BURST) {
		if (credit >= 0 && at >= STEP && at % STEP == 0)
			must(read(credit, &byte, 1) == 1, "read");
		for (unsigned i = 0; i < BURST; i++) {
			iov[i] =
			    (struct iovec){ line[i], write_line(line[i], sizeof(line[i]), at + i) };
			m[i].msg_hdr.msg_iov = &iov[i];
			m[i].msg_hdr.msg_iovlen = 1;
		}
		for (unsigned sent = 0; sent < BURST;) {
			const int k = sendmmsg(fd, m + sent, BURST - sent, 0);

			must(k > 0, "send");
			sent += (unsigned)k;
		}
	}
	(void)close(fd);
}

static double
cpu_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What counters counted, and how many values timers and gauges had cannot be told apart: of
 * 100 series 50 are counters and 25 timers, each packet one value. */
static double
counted(const struct fake_host *h)
{
	double sum = 0;

	for (int32_t i = 0; i < h->n_series; i++)
		if (strstr(h->series[i].key, "_total{") != NULL ||
		    strstr(h->series[i].key, "_count{") != NULL)
			sum += h->series[i].value;
	return sum;
}

static uint64_t lost_n;

static void
lost(void *ctx, enum bl_stream stream, uint64_t n)
{
	(void)ctx;
	(void)stream;
	lost_n += n;
}

/* Takes until all are there, or the sender has ended and nothing comes; CPU seconds. */
static double
take_all(struct fake_host *h, pid_t sender, unsigned n, int credit)
{
	struct pollfd p = { statsd_ops.fd(h->in), POLLIN, 0 };
	const double began = cpu_s();
	uint64_t given = 0;
	int status = 0;
	bool ended = false;

	for (;;) {
		uint64_t got;

		if (poll(&p, 1, 50) == 0 && ended)
			break;
		statsd_ops.serve(h->in);
		got = fake_host_count(h, "packets");
		while (credit >= 0 && got - given >= STEP) {
			must(write(credit, "x", 1) == 1, "write");
			given += STEP;
		}
		if (got >= n && ended)
			break;
		if (!ended)
			ended = waitpid(sender, &status, WNOHANG) == sender;
	}
	must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the sender failed");
	return cpu_s() - began;
}

static bool
run(unsigned n, bool in_step, double *per_s)
{
	char listen[32], *item[1] = { listen };
	struct statsd_conf conf = { .listen = { 1, item },
		.mode = "0660",
		.max_series = 1000,
		.hold_ms = 300000,
		.receive_buffer_bytes = 8 << 20 };
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct fake_host *h = fake_host_create("/tmp");
	struct bl_err err = { 0 };
	int credit[2] = { -1, -1 };
	socklen_t len = sizeof(to);
	double cpu, all;
	uint64_t got;
	void *in;
	pid_t sender;
	const int probe = socket(AF_INET, SOCK_DGRAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(bind(probe, (const struct sockaddr *)&to, sizeof(to)) == 0, "bind");
	must(getsockname(probe, (struct sockaddr *)&to, &len) == 0, "getsockname");
	(void)close(probe);
	(void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", ntohs(to.sin_port));
	h->host.lost = lost;
	lost_n = 0;
	must(statsd_ops.open(&in, &conf, &h->host, &err) == BL_OK, err.msg);
	fake_host_inlet(h, &statsd_ops, in);
	must(!in_step || pipe(credit) == 0, "pipe");
	if ((sender = fork()) == 0) {
		send_all(&to, n, credit[0]);
		_exit(0);
	}
	cpu = take_all(h, sender, n, credit[1]);
	h->ms += 10000;
	fake_host_tick(h);
	got = fake_host_count(h, "packets");
	all = counted(h) + (double)got / 4; /* the gauges' */
	*per_s = in_step ? (double)got / cpu : 100 * (double)got / n;
	(void)printf("%s: %llu of %u taken, %llu dropped, %.3f CPU s, %d series\n",
	    in_step ? "in step" : "flood", (unsigned long long)got, n, (unsigned long long)lost_n,
	    cpu, h->n_series);
	statsd_ops.finish(in);
	statsd_ops.close(in);
	fake_host_free(h);
	for (unsigned i = 0; i < 2 && in_step; i++)
		(void)close(credit[i]);
	if (got + lost_n != n)
		return false;
	/* Which ones were dropped nobody knows, so in the flood only packets are compared. */
	return !in_step || (lost_n == 0 && all == n);
}

int
main(int argc, char **argv)
{
	const unsigned n =
	    argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) / 12800 * 12800 : 2048000;
	double per_s, taken;
	bool right;

	right = run(n, true, &per_s);
	(void)printf("packets_per_cpu_s %.0f\n", per_s);
	right = run(n, false, &taken) && right;
	(void)printf("flood_taken_pct %.1f\n", taken);
	if (!right)
		(void)printf("something was counted wrongly\n");
	return right ? 0 : 1;
}
