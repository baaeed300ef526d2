/*
 * cost_sample SECONDS [SAMPLER[=OPTIONS] ...]: what one tick of all samplers, or of
 * those named (with options as in a file: 'processes={states: yes, every: 10s}'), and one run of a
 * kept plain probe cost in CPU time of their threads.  Not a test: figures for README.md and for
 * whoever changes the samplers.
 */
#include "probe_harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sample.h"

struct cost_sink {
	unsigned n;
};

static int32_t
cost_declare(void *ctx, const struct bl_series_def *def)
{
	struct cost_sink *s = ctx;

	(void)def;
	return (int32_t)s->n++;
}

static void
cost_put(void *ctx, int32_t handle, double value)
{
	(void)ctx;
	(void)handle;
	(void)value;
}

static void
cost_unknown(void *ctx, int32_t handle, enum bl_unknown reason)
{
	(void)ctx;
	(void)handle;
	(void)reason;
}

static void
cost_event(void *ctx, const struct bl_event *ev)
{
	(void)ctx;
	(void)ev;
}

static double
thread_cpu_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static _Atomic(double) prober_cpu_ms;

static void
cost_result(void *ctx, const struct probe_result *r)
{
	if (r->reason != PROBE_OK)
		fprintf(stderr, "%s\n", r->detail);
	atomic_store(&prober_cpu_ms, thread_cpu_ms(CLOCK_THREAD_CPUTIME_ID));
	atomic_fetch_add((atomic_uint *)ctx, 1);
}

/* What follows "kind=" among the names, "" for "kind" alone; NULL: is not among them. */
static const char *
named(const char *kind, char **names)
{
	const size_t len = strlen(kind);

	for (char **name = names; *name != NULL; name++)
		if (strncmp(*name, kind, len) == 0 && ((*name)[len] == '=' || (*name)[len] == '\0'))
			return *name + len + ((*name)[len] == '=');
	return names[0] == NULL ? "" : NULL;
}

static const char *
options_of(const char *kind, char **names)
{
	const char *given = named(kind, names);

	if (given != NULL && given[0] != '\0')
		return given;
	return strcmp(kind, "network") == 0 ? "{loopback: true, virtual: true, max_interfaces: 256}"
					    : "{}";
}

/* Samplers once a second, five kept probes once a second, for so many seconds. */
static int
cost(unsigned seconds, char **names)
{
	static struct probe p[5];
	static struct probe_conf conf[5];
	static struct cost_sink sink_state;
	struct sample_sink sink = { &sink_state, cost_declare, cost_put, cost_unknown, NULL,
		cost_event };
	const struct bl_conf_list list = { 5, conf };
	struct sampler *s[32];
	void *sconf[32];
	struct bl_err err = { 0 };
	atomic_uint results = 0;
	struct prober *pr;
	double sampling = 0;
	double first_ms = 0;
	unsigned first_n = 0;

	server_start();
	for (unsigned i = 0; i < 5; i++) {
		probe_here(&p[i], "/ok");
		p[i].conf.keep_alive = true;
		p[i].conf.interval_ms = 1000;
		conf[i] = p[i].conf;
	}
	for (unsigned i = 0; samplers[i] != NULL; i++) {
		struct bl_conf_errors errors = { 0 };
		const char *text = options_of(samplers[i]->kind, names);

		sconf[i] = calloc(1, samplers[i]->options->size);
		if (bl_conf_parse("cost", text, strlen(text), samplers[i]->options, sconf[i],
			&errors, &err) < 0 ||
		    samplers[i]->open(&s[i], sconf[i], "", 10000, &err) < 0)
			return 1;
	}
	if (prober_start(&pr, &list, bl_clock_real(), cost_result, &results, &err) < 0)
		return 1;
	for (unsigned tick = 0; tick < seconds; tick++) {
		const double before = thread_cpu_ms(CLOCK_THREAD_CPUTIME_ID);

		for (unsigned i = 0; samplers[i] != NULL; i++)
			if (named(samplers[i]->kind, names) != NULL)
				(void)samplers[i]->sample(s[i], tick * 10000, &sink, &err);
		if (tick > 0)
			sampling += thread_cpu_ms(CLOCK_THREAD_CPUTIME_ID) - before;
		sleep(1);
		if (tick == 4) {
			first_ms = atomic_load(&prober_cpu_ms);
			first_n = atomic_load(&results);
		}
	}
	printf("series %u\nsampling_tick %.4f ms\nprobe_run %.4f ms\n", sink_state.n,
	    sampling / (seconds - 1),
	    (atomic_load(&prober_cpu_ms) - first_ms) / (atomic_load(&results) - first_n));
	prober_stop(pr);
	for (unsigned i = 0; samplers[i] != NULL; i++) {
		samplers[i]->close(s[i]);
		bl_conf_release(samplers[i]->options, sconf[i]);
		free(sconf[i]);
	}
	server_stop();
	return 0;
}

int
main(int argc, char **argv)
{
	const unsigned long seconds = argc >= 2 ? strtoul(argv[1], NULL, 10) : 0;

	if (seconds < 6 || seconds > 86400) {
		fprintf(stderr, "usage: cost_sample SECONDS (6 or more) [SAMPLER[=OPTIONS] ...]\n");
		return 2;
	}
	return cost((unsigned)seconds, argv + 2);
}
