/*
 * bench_probe URL CA_FILE whole|resumed RUNS: CPU time of the prober's thread for one
 * run of a probe that makes a new connection each time, once a second, so that
 * caches are as cold as in life.
 *
 * Prints `probe_MODE_cpu_ms`, the median of the runs from the third on, and
 * beside it the mean, the least and the largest.  Exit code 1 when a run failed or a
 * handshake was not what it was to be.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "branchline/clock.h"
#include "probe.h"

#define RUNS_MAX 1000u

static struct {
	double cpu_ms[RUNS_MAX + 1]; /* of the thread so far */
	atomic_uint n;
	bool resumed;
	atomic_bool wrong;
} seen;

static void
on_result(void *ctx, const struct probe_result *r)
{
	const unsigned n = atomic_load(&seen.n);
	const struct probe_value *v = &r->value[PROBE_TLS_RESUMED];
	const bool resumed = v->got == PROBE_HAVE && v->v > 0;
	struct timespec t;

	(void)ctx;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	if (r->reason != PROBE_OK || (n > 0 && resumed != seen.resumed)) {
		fprintf(stderr, "run %u: %s %s, resumed %d\n", n, probe_reason_name(r->reason),
		    r->detail, resumed);
		atomic_store(&seen.wrong, true);
	}
	if (n <= RUNS_MAX)
		seen.cpu_ms[n] = (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
	atomic_store(&seen.n, n + 1);
}

static int
by_size(const void *a, const void *b)
{
	const double *x = a;
	const double *y = b;

	return (*x > *y) - (*x < *y);
}

static void
report(const char *mode, unsigned runs)
{
	static double cost[RUNS_MAX];
	double sum = 0;
	unsigned n = 0;

	for (unsigned i = 2; i < runs; i++) {
		cost[n] = seen.cpu_ms[i] - seen.cpu_ms[i - 1];
		sum += cost[n++];
	}
	qsort(cost, n, sizeof(cost[0]), by_size);
	printf("probe_%s_cpu_ms %.4f\n  mean %.4f least %.4f largest %.4f runs %u\n", mode,
	    cost[n / 2], sum / n, cost[0], cost[n - 1], n);
}

static int
bench(char *url, char *ca, unsigned runs)
{
	static char name[] = "bench";
	static char status[] = "200";
	static char none[] = "";
	struct probe_conf conf = { .name = name,
		.url = url,
		.interval_ms = 1000,
		.timeout_ms = 1000,
		.expect_status = status,
		.expect_body = none,
		.body_max_bytes = 65536,
		.ca_file = ca,
		.tls_resume = seen.resumed,
		.verify = true };
	const struct bl_conf_list list = { 1, &conf };
	const struct timespec nap = { 0, 50 * 1000 * 1000 };
	struct prober *p;
	struct bl_err err = { 0 };

	if (prober_start(&p, &list, bl_clock_real(), on_result, NULL, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	while (atomic_load(&seen.n) < runs && !atomic_load(&seen.wrong))
		nanosleep(&nap, NULL);
	prober_stop(p);
	return atomic_load(&seen.wrong) ? 1 : 0;
}

int
main(int argc, char **argv)
{
	const unsigned long runs = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;

	if (runs < 4 || runs > RUNS_MAX ||
	    (strcmp(argv[3], "whole") != 0 && strcmp(argv[3], "resumed") != 0)) {
		fprintf(stderr, "usage: bench_probe URL CA_FILE whole|resumed RUNS (4 to 1000)\n");
		return 2;
	}
	seen.resumed = strcmp(argv[3], "resumed") == 0;
	if (bench(argv[1], argv[2], (unsigned)runs) != 0)
		return 1;
	report(argv[3], (unsigned)runs);
	return 0;
}
