/*
 * The StatsD inlet against a model that does it the slow way: packets by chance (counters up and
 * down, gauges and changes, timers, sets; rates, tags in any order, several values in a line,
 * several lines in a packet), and at each tick every value is what the model has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>
#include <time.h>

#include <cmocka.h>

#include "folder.h"
#include "inlet_host.h"
#include "statsd_internal.h"

#define NAMES  6u /* of each kind */
#define TIMES  4000u
#define VALUES 16u /* a set's */

struct model {
	double up[NAMES], down[NAMES], gauge[NAMES];
	bool counted[NAMES], fell[NAMES], gauged[NAMES], timed[NAMES];
	double count[NAMES], sum[NAMES]; /* timers, over all ticks */
	double time[NAMES][TIMES];       /* of this tick, as often as the rate says */
	unsigned n_times[NAMES];
	bool member[NAMES][VALUES], has_set[NAMES];
};

static uint64_t seed, state_of_chance;

static unsigned
chance(unsigned below)
{
	state_of_chance = state_of_chance * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned)(state_of_chance >> 33) % below;
}

/* ---- what is sent ---- */

static void add(char *packet, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
add(char *packet, size_t size, const char *fmt, ...)
{
	const size_t n = strlen(packet);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(packet + n, size - n, fmt, ap);
	va_end(ap);
}

/* Two tags in any order, or written with what is passed over; always the same series. */
static const char *
tags(void)
{
	static const char *const way[] = { "|#a:1,b:x", "|#b:x,a:1", "|#b:x,,a:1", "|#a:0,a:1,b:x",
		"|#a:1,b:x|c:container", "|#a:1,b:x|e:it-1|card:low" };

	return way[chance(sizeof(way) / sizeof(way[0]))];
}

/* 1 in so many is sent. */
static unsigned
rate(void)
{
	static const unsigned every[] = { 1, 1, 2, 4, 8 };

	return every[chance(5)];
}

static void
say_counter(struct model *m, char *packet, size_t size, unsigned k)
{
	const unsigned every = rate(), n = 1 + chance(3);

	add(packet, size, "c%u", k);
	for (unsigned i = 0; i < n; i++) {
		const double v = (double)chance(4000) / 4 - (chance(5) == 0 ? 800 : 0);

		add(packet, size, ":%.2f", v);
		if (v < 0) {
			m->down[k] -= v * every;
			m->fell[k] = true;
		} else {
			m->up[k] += v * every;
			m->counted[k] = true;
		}
	}
	add(packet, size, "|c|@%g%s\n", 1.0 / every, tags());
}

static void
say_gauge(struct model *m, char *packet, size_t size, unsigned k)
{
	const double v = (double)chance(4000) / 4;

	switch (chance(3)) {
	case 0:
		add(packet, size, "g%u:%.2f|g%s\n", k, v, tags());
		m->gauge[k] = v;
		break;
	case 1:
		add(packet, size, "g%u:+%.2f|g%s\n", k, v, tags());
		m->gauge[k] += v;
		break;
	default:
		add(packet, size, "g%u:-%.2f|g%s\n", k, v, tags());
		m->gauge[k] -= v;
		break;
	}
	m->gauged[k] = true;
}

static void
say_time(struct model *m, char *packet, size_t size, unsigned k)
{
	static const char *const type[] = { "ms", "h", "d" };
	const unsigned every = rate(), n = 1 + chance(3);

	if (m->n_times[k] + 3 * every > TIMES)
		return;
	add(packet, size, "t%u", k);
	for (unsigned i = 0; i < n; i++) {
		const double v = (double)(1u << chance(16)) + (double)chance(400) / 4;

		add(packet, size, ":%.2f", v);
		for (unsigned again = 0; again < every; again++)
			m->time[k][m->n_times[k]++] = v;
		m->count[k] += every;
		m->sum[k] += v * every;
	}
	add(packet, size, "|%s|@%g%s\n", type[chance(3)], 1.0 / every, tags());
	m->timed[k] = true;
}

static void
say_set(struct model *m, char *packet, size_t size, unsigned k)
{
	const unsigned v = chance(VALUES);

	add(packet, size, "s%u:user %u|s%s\n", k, v, tags());
	m->member[k][v] = true;
	m->has_set[k] = true;
}

static void
say_something(struct model *m, char *packet, size_t size)
{
	static void (*const say[])(struct model *, char *, size_t, unsigned) = { say_counter,
		say_gauge, say_time, say_set };

	say[chance(4)](m, packet, size, chance(NAMES));
}

/* ---- what it is to be ---- */

static double
value(const struct fake_host *h, char kind, unsigned k, const char *suffix)
{
	char key[64];

	(void)snprintf(key, sizeof(key), "%c%u%s{a=1,b=x,source=statsd}", kind, k, suffix);
	return fake_host_value(h, key);
}

static void
same(double got, double want, const char *what, unsigned k)
{
	if (got != want)
		fail_msg("seed %llu: %s of %u is %.17g, not %.17g", (unsigned long long)seed, what,
		    k, got, want);
}

static int
by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
check_times(const struct fake_host *h, struct model *m, unsigned k)
{
	static const struct {
		const char *suffix;
		double q;
	} quantile[] = { { "_p50", 0.5 }, { "_p95", 0.95 }, { "_p99", 0.99 } };
	const unsigned n = m->n_times[k];

	same(value(h, 't', k, "_count"), m->count[k], "count", k);
	same(value(h, 't', k, "_sum"), m->sum[k], "sum", k);
	if (n == 0)
		return;
	qsort(m->time[k], n, sizeof(double), by_value);
	same(value(h, 't', k, "_min"), m->time[k][0], "least", k);
	same(value(h, 't', k, "_max"), m->time[k][n - 1], "greatest", k);
	for (unsigned i = 0; i < 3; i++) {
		const double want = m->time[k][(unsigned)floor(quantile[i].q * (n - 1))];
		const double got = value(h, 't', k, quantile[i].suffix);

		if (fabs(got - want) > 0.0101 * want)
			fail_msg("seed %llu: %s of t%u is %g, not %g", (unsigned long long)seed,
			    quantile[i].suffix, k, got, want);
	}
	m->n_times[k] = 0;
}

static void
check_tick(const struct fake_host *h, struct model *m)
{
	for (unsigned k = 0; k < NAMES; k++) {
		unsigned members = 0;

		if (m->counted[k])
			same(value(h, 'c', k, "_total"), m->up[k], "counter", k);
		if (m->fell[k])
			same(value(h, 'c', k, "_decremented_total"), m->down[k], "decrement", k);
		if (m->gauged[k])
			same(value(h, 'g', k, ""), m->gauge[k], "gauge", k);
		if (m->timed[k])
			check_times(h, m, k);
		for (unsigned v = 0; v < VALUES; v++)
			members += m->member[k][v];
		if (m->has_set[k])
			same(value(h, 's', k, "_distinct"), members, "set", k);
		memset(m->member[k], 0, sizeof(m->member[k]));
	}
}

static void
a_history(void)
{
	static struct model m;
	struct statsd s = { .epoll_fd = -1 };
	const struct statsd_conf conf = { .max_series = 200, .hold_ms = 3600000 };
	struct fake_host *h = fake_host_create("/tmp");
	struct bl_err err = { 0 };
	uint64_t lines = 0;

	memset(&m, 0, sizeof(m));
	s.conf = &conf;
	s.host = &h->host;
	assert_int_equal(statsd_series_open(&s.series, &conf, &h->host, &err), BL_OK);
	fake_host_inlet(h, &statsd_ops, &s);
	for (unsigned tick = 0; tick < 6; tick++) {
		for (unsigned i = chance(200); i > 0; i--) {
			char packet[1024] = "";

			for (unsigned n = 1 + chance(4); n > 0; n--)
				say_something(&m, packet, sizeof(packet));
			for (const char *p = packet; *p != '\0'; p++)
				lines += *p == '\n';
			(void)statsd_take_packet(&s, packet, strlen(packet), false);
			statsd_series_settle(&s.series);
		}
		h->ms += 10000;
		fake_host_tick(h);
		check_tick(h, &m);
		assert_int_equal(fake_host_count(h, "accepted"), lines);
	}
	statsd_series_close(&s.series);
	fake_host_free(h);
}

static void
every_value_is_what_the_model_has(void **state)
{
	const unsigned n = rounds(20, 2000);

	(void)state;
	seed = chance_seed();
	for (unsigned i = 0; i < n; i++, seed++) {
		state_of_chance = seed * UINT64_C(0x9e3779b97f4a7c15);
		a_history();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_is_what_the_model_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
